package resource

import (
	"fmt"
	"slices"

	"github.com/centrala/centrala/pkg/config/strict"
)

// DispositionListSpec: what agents choose from to say how a call of a queue went.
type DispositionListSpec struct {
	DisplayName string `yaml:"display_name,omitempty"`
	// Required: an agent stays in wrap-up after a call of the queue until one is given, for
	// max_wrap_up of the tenant at the longest. A supervisor may end that, logging out does.
	Required bool `yaml:"required,omitempty"`
	// Choices in the order in which they are shown; those of a group one after the other.
	Choices []DispositionSpec `yaml:"choices"`
}

// DispositionSpec is one way in which a call went.
type DispositionSpec struct {
	Name  string `yaml:"name"`
	Label string `yaml:"label,omitempty"` // for people; default the name
	Group string `yaml:"group,omitempty"` // heading under which it stands
	// Callback: the customer wants to be called later; the desk asks when.
	Callback bool `yaml:"callback,omitempty"`
}

// ScriptSpec: what an agent says and asks in a call of a queue, page by page.
type ScriptSpec struct {
	DisplayName string `yaml:"display_name,omitempty"`
	// Pages; the first one is shown with the call.
	Pages []ScriptPageSpec `yaml:"pages"`
}

// ScriptPageSpec is one page of a script.
type ScriptPageSpec struct {
	Name string `yaml:"name"`
	// Text to be said. ${caller}, ${queue}, ${agent}, ${contact_name} and all that the
	// call's flow found out or an earlier question was answered stand for their values.
	Text string `yaml:"text,omitempty"`
	// Questions have the types of a case's fields. The answers are kept with the call.
	Questions []CaseFieldSpec `yaml:"questions,omitempty"`
	// Branches to other pages; the first whose question has that answer counts.
	Branches []ScriptBranchSpec `yaml:"branches,omitempty"`
	// Next page when no branch holds; default the one that follows, "-" = the script ends.
	Next string `yaml:"next,omitempty"`
}

// ScriptBranchSpec leads on to Page when Question, of this page or an earlier one, was answered with Is.
type ScriptBranchSpec struct {
	Question string `yaml:"question"`
	Is       string `yaml:"is"`
	Page     string `yaml:"page"`
}

// Bounds of what a page of the desk shows.
const (
	maxDispositions    = 100
	maxScriptPages     = 100
	maxScriptQuestions = 200
	maxScriptText      = 8000
	maxDeskLabel       = 200
)

// ScriptEnd in ScriptPageSpec.Next ends the script.
const ScriptEnd = "-"

func (c *checker) dispositionList(k Key, l *DispositionListSpec) {
	r := ref{KindDispositionList, k}
	if n := len(l.Choices); n == 0 || n > maxDispositions {
		c.fault(r, "choices", "%d; want 1 to %d", n, maxDispositions)
	}
	for i, d := range l.Choices {
		at := fmt.Sprintf("choices[%d].", i)
		if !validName(d.Name) || slices.ContainsFunc(l.Choices[:i], func(o DispositionSpec) bool { return o.Name == d.Name }) {
			c.fault(r, at+"name", "%s; want %s, once", strict.Quote(d.Name), nameRule)
		}
		if len(d.Label) > maxDeskLabel || len(d.Group) > maxDeskLabel {
			c.fault(r, at+"label", "label or group: want at most %d bytes", maxDeskLabel)
		}
	}
}

func (c *checker) script(k Key, s *ScriptSpec) {
	r := ref{KindScript, k}
	if n := len(s.Pages); n == 0 || n > maxScriptPages {
		c.fault(r, "pages", "%d; want 1 to %d", n, maxScriptPages)
	}
	var pages []string
	for _, p := range s.Pages {
		pages = append(pages, p.Name)
	}
	fields := map[string]CaseFieldSpec{}
	for i, p := range s.Pages {
		at := fmt.Sprintf("pages[%d].", i)
		if !validName(p.Name) || slices.Contains(pages[:i], p.Name) {
			c.fault(r, at+"name", "%s; want %s, once", strict.Quote(p.Name), nameRule)
		}
		if len(p.Text) > maxScriptText {
			c.fault(r, at+"text", "%d bytes; want at most %d", len(p.Text), maxScriptText)
		}
		for j, q := range p.Questions {
			c.field(r, fmt.Sprintf("%squestions[%d].", at, j), q, func() bool { _, twice := fields[q.Name]; return twice })
			fields[q.Name] = q
		}
	}
	if len(fields) > maxScriptQuestions {
		c.fault(r, "pages", "%d questions; want at most %d", len(fields), maxScriptQuestions)
	}
	for i, p := range s.Pages {
		at := fmt.Sprintf("pages[%d].", i)
		if p.Next != "" && p.Next != ScriptEnd && !slices.Contains(pages, p.Next) {
			c.fault(r, at+"next", "no page %s; want %s, or %q to end", strict.Quote(p.Next), strict.Suggest(p.Next, pages), ScriptEnd)
		}
		for j, b := range p.Branches {
			at := fmt.Sprintf("%sbranches[%d].", at, j)
			q, known := fields[b.Question]
			switch {
			case !known:
				c.fault(r, at+"question", "no question %s in this script", strict.Quote(b.Question))
			case q.Type == "choice" && !slices.Contains(q.Choices, b.Is):
				c.fault(r, at+"is", "%s; want %s", strict.Quote(b.Is), strict.Suggest(b.Is, q.Choices))
			case q.Type == "yes_no" && b.Is != "yes" && b.Is != "no":
				c.fault(r, at+"is", "%s; want yes or no", strict.Quote(b.Is))
			}
			if b.Page != ScriptEnd && !slices.Contains(pages, b.Page) {
				c.fault(r, at+"page", "no page %s; want %s, or %q to end", strict.Quote(b.Page), strict.Suggest(b.Page, pages), ScriptEnd)
			}
		}
	}
}
