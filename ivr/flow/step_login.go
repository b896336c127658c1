package flow

import "time"

// KindLogIn logs an agent in at the phone that calls.
const KindLogIn Kind = "log_in"

// HotDesk is the name of the flow that the feature hot_desk runs. No flow of a tenant
// can have it.
const HotDesk = "feature:hot_desk"

// logInTimeout bounds the asking: it is the house's own engine that answers.
const logInTimeout = 5 * time.Second

// LogIn logs an agent in at the phone of the house that calls, by number and PIN.
type LogIn struct {
	Number, PIN string // variables that hold them
	Timeout     time.Duration
}

// LogInJob is a LogIn's. Outcomes: done, refused (no such number, or not its PIN),
// failed (not from a phone of the house, too many wrong tries, or the agent is on a
// call elsewhere).
type LogInJob struct {
	Number string `json:"number"`
	PIN    string `json:"-"`
}

// Name implements Job.
func (*LogInJob) Name() string { return "log_in" }
func (*LogInJob) job()         {}

// logIn is {number, pin}: variables.
func (p *parser) logIn(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &LogIn{Timeout: logInTimeout}
	}
	b := &LogIn{Number: p.need(o, "number"), PIN: p.need(o, "pin"), Timeout: logInTimeout}
	o.end()
	return b
}

func (b *LogIn) tell(_ *Step, t *traits) {
	t.waits = true
	t.compares("number", b.Number)
	t.compares("pin", b.PIN)
}
