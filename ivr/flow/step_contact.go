package flow

import (
	"slices"
	"time"
)

// Kinds of steps about who calls and what about.
const (
	KindContact Kind = "contact" // who calls, out of the tenant's contacts
	KindCase    Kind = "case"    // an order, a complaint or a request
)

// Outcomes of a case step besides OutcomeNotFound.
const OutcomeOpened = "opened"

// Contact looks the caller up among the tenant's contacts, and may change what is known.
type Contact struct {
	Number  string     // template; "" = the caller's
	Set     []HTTPPair // what is to be known from now on: a word of contactWords, or a field of the tenant's; templates
	Create  bool       // who is not known is from now on
	Into    []HTTPPair // variable, and the field of the tenant's that it takes
	Hold    string
	Timeout time.Duration
}

// ContactVariables are set by every contact step; who is not known leaves them empty.
var ContactVariables = []string{"contact_id", "contact_name", "contact_company", "contact_email", "contact_language", "contact_owner", "contact_tier", "contact_cases"}

// ContactJob is a look-up with all variables in their place.
type ContactJob struct {
	Number string     `json:"number"`
	Set    []HTTPPair `json:"set,omitempty"`
	Create bool       `json:"create,omitempty"`
	Into   []HTTPPair `json:"into,omitempty"`
}

// Name implements Job.
func (*ContactJob) Name() string { return "contact" }
func (*ContactJob) job()         {}

func (p *parser) contact(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Contact{}
	}
	b := &Contact{Number: p.fill(o, "number"), Set: p.pairs(o, "set", p.filled), Into: p.pairs(o, "into", p.word),
		Hold: o.str("hold", ""), Timeout: o.duration("timeout", 3*time.Second, 100*time.Millisecond, time.Minute)}
	b.Create = o.boolean("create", len(b.Set) > 0)
	o.end()
	for _, pair := range b.Set {
		p.word(join(path, "set"), pair.Name)
	}
	for _, pair := range b.Into {
		p.variable(join(path, "into."+clip(pair.Name)), pair.Name)
	}
	if b.Hold != "" {
		p.promptName(join(path, "hold"), b.Hold)
	}
	return b
}

// fill is a template that may be left out; filled one that may not.
func (p *parser) fill(o *object, key string) string {
	if _, there := o.m[key]; !there {
		o.take(key)
		return ""
	}
	return o.template(key)
}

func (p *parser) filled(path string, v any) string {
	s, _ := p.text(path, v)
	p.templateText(path, s)
	return s
}

// word is the name of a field.
func (p *parser) word(path string, v any) string {
	s, _ := p.text(path, v)
	if !nameRE.MatchString(s) {
		p.fault(path, "%q is no field's name; want lower case letters, digits, - and _", clip(s))
	}
	return s
}

func (b *Contact) tell(_ *Step, t *traits) {
	t.waits = true
	t.template("number", b.Number)
	for _, pair := range b.Set {
		t.template("set."+pair.Name, pair.Value)
	}
	for _, name := range ContactVariables {
		t.sets(name, setFree)
	}
	for _, pair := range b.Into {
		t.sets(pair.Name, setFree)
	}
	if b.Hold != "" {
		t.prompt("hold", b.Hold)
	}
}

// CaseStep finds a case, or opens one.
type CaseStep struct {
	Number  string // template: the case with this number, and no other
	Type    string // of what is found and opened
	Subject string // template, of a new one
	Contact string // template: an id; "" = the contact of the caller's number
	Owner   string // template, of a new one, and of one that has none
	Fields  []HTTPPair
	Open    bool // when there is none, one is opened
	Reuse   bool // the contact's newest open case of the type is taken
	Hold    string
	Timeout time.Duration
}

// CaseVariables are set by every case step; empty when there is none.
var CaseVariables = []string{"case_id", "case_number", "case_type", "case_state", "case_owner", "case_subject"}

// CaseJob is a look-up with all variables in their place.
type CaseJob struct {
	Number  string     `json:"number,omitempty"`
	Type    string     `json:"type,omitempty"`
	Subject string     `json:"subject,omitempty"`
	Contact string     `json:"contact,omitempty"`
	From    string     `json:"from,omitempty"` // the caller's number
	Owner   string     `json:"owner,omitempty"`
	Fields  []HTTPPair `json:"fields,omitempty"`
	Open    bool       `json:"open,omitempty"`
	Reuse   bool       `json:"reuse,omitempty"`
}

// Name implements Job.
func (*CaseJob) Name() string { return "case" }
func (*CaseJob) job()         {}

// caseStep is {number} or {type, subject, contact, owner, fields, open, reuse}.
func (p *parser) caseStep(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &CaseStep{}
	}
	b := &CaseStep{Number: p.fill(o, "number"), Type: o.str("type", ""), Subject: p.fill(o, "subject"), Contact: p.fill(o, "contact"), Owner: p.fill(o, "owner"),
		Fields: p.pairs(o, "fields", p.filled), Reuse: o.boolean("reuse", true), Hold: o.str("hold", ""),
		Timeout: o.duration("timeout", 3*time.Second, 100*time.Millisecond, time.Minute)}
	b.Open = o.boolean("open", b.Number == "")
	o.end()
	switch {
	case b.Number != "" && (b.Type != "" || b.Subject != "" || b.Contact != "" || len(b.Fields) > 0 || b.Open):
		p.fault(join(path, "number"), "finds the case of that number; want it alone, or with owner")
	case b.Number == "" && b.Type == "":
		p.fault(join(path, "type"), "missing; want a case type such as order, or number")
	case b.Open && b.Number == "" && b.Subject == "":
		p.fault(join(path, "subject"), "missing; a new case needs one (open: false only looks)")
	}
	for _, pair := range b.Fields {
		p.word(join(path, "fields"), pair.Name)
	}
	if b.Hold != "" {
		p.promptName(join(path, "hold"), b.Hold)
	}
	return b
}

func (b *CaseStep) tell(_ *Step, t *traits) {
	t.waits = true
	for key, text := range map[string]string{"number": b.Number, "subject": b.Subject, "contact": b.Contact, "owner": b.Owner} {
		t.template(key, text)
	}
	for _, pair := range b.Fields {
		t.template("fields."+pair.Name, pair.Value)
	}
	slices.SortFunc(t.used, func(x, y use) int { // of a map: in order, for the faults
		if x.path < y.path {
			return -1
		}
		return 1
	})
	for _, name := range CaseVariables {
		t.sets(name, setFree)
	}
	if b.Hold != "" {
		t.prompt("hold", b.Hold)
	}
}
