package flow

import "time"

// KindPrompt finds a prompt by the number that people key in, or keeps what was
// recorded as its new version.
const KindPrompt Kind = "prompt"

// Prompt finds a prompt, or keeps a recording as one.
type Prompt struct {
	Number string // template: the number of the prompt's document
	Name   string // the prompt itself, in place of Number
	// Keep: the message that a record step of this call took last becomes the
	// prompt's version in the call's language.
	Keep bool
	Hear bool   // the caller hears it as it is, in the call's language
	Into string // variable that takes the prompt's name; "" = none
}

// PromptJob is a Prompt with its variables in place.
type PromptJob struct {
	Number   string `json:"number,omitempty"`
	Prompt   string `json:"prompt,omitempty"`
	Language string `json:"language"`
	// Recording is the path of the message to be kept, "" = the prompt is only found.
	Recording string `json:"recording,omitempty"`
	By        string `json:"by"` // the caller's number
	// Found asks for the prompt's name as the value PromptFound.
	Found bool   `json:"found,omitempty"`
	Into  string `json:"into,omitempty"`
}

// PromptFound is the value in which a PromptJob tells the name of the prompt. It is no
// name of a variable.
const PromptFound = "/prompt"

// promptTime bounds the keeping of a prompt.
const promptTime = 20 * time.Second

// Name implements Job.
func (*PromptJob) Name() string { return "prompt" }
func (*PromptJob) job()         {}

// Time is how long the step waits.
func (*Prompt) Time() time.Duration { return promptTime }

// prompt is {number|name, keep, into}.
func (p *parser) prompt(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Prompt{}
	}
	b := &Prompt{Name: o.str("name", ""), Keep: o.boolean("keep", false), Hear: o.boolean("hear", false), Into: o.str("into", "")}
	if _, there := o.m["number"]; there || b.Name == "" {
		b.Number = o.template("number")
	} else {
		o.take("number")
	}
	o.end()
	switch {
	case b.Keep && b.Hear:
		p.fault(join(path, "hear"), "what is kept now was heard in the record step")
	case b.Name != "" && b.Number != "":
		p.fault(path, "want number or name")
	case b.Name != "":
		p.promptName(join(path, "name"), b.Name)
	case b.Number == "":
		p.fault(join(path, "number"), "missing; want the number of a prompt, or its name")
	}
	if b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	return b
}

func (b *Prompt) tell(_ *Step, t *traits) {
	t.template("number", b.Number)
	t.sets(b.Into, setKey)
}
