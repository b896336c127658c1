package rehearsal

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
)

// maxTurns bounds a test: a flow that goes round with the caller's silence.
const maxTurns = 1000

// Result is what became of one test.
type Result struct {
	Flow  string   `json:"flow"`
	Test  string   `json:"test"`
	Wrong []string `json:"wrong,omitempty"` // what was not as expected; empty: it passed
	End   string   `json:"end"`             // how the call ended, in words
	Path  []string `json:"path"`
	Said  []string `json:"said"`
}

// Passed: the test went as it should.
func (r *Result) Passed() bool { return len(r.Wrong) == 0 }

// Play plays a flow's own test. The error says why it could not be played.
func Play(h House, f *flow.Flow, t *flow.Test) (Result, error) {
	at, err := t.Moment(h.Zone)
	if err != nil {
		return Result{}, err
	}
	in := ivr.Input{Tenant: "test", CallID: "test", From: t.From, To: t.Dialled, Language: t.Language}
	if len(t.Variables) > 0 {
		in.Previous = &ivr.State{Vars: maps.Clone(t.Variables)}
	}
	c := Start(h, f, in, at)
	problem := c.follow(t)
	r := Result{Flow: f.Name, Test: t.Name, End: c.End(), Path: c.steps, Said: c.said}
	if problem != "" {
		r.Wrong = append(r.Wrong, problem)
	}
	r.Wrong = append(r.Wrong, c.compare(&t.Want)...)
	return r, nil
}

// follow lets the caller do what the test says, until the call ends or waits for
// somebody of whom the test says nothing.
func (c *Call) follow(t *flow.Test) string {
	press, keys, typed := t.Press, "", ""
	for range maxTurns {
		switch w := c.Waits(); w {
		case Over:
			return ""
		case Listener:
			if keys != "" { // the rest of an entry is typed ahead
				c.Press(keys[0])
				keys = keys[1:]
				if c.Waits() == Listener {
					c.Heard()
				}
				continue
			}
			c.Heard()
		case Keys:
			switch {
			case keys != "":
				c.Press(keys[0])
				keys = keys[1:]
			case typed == c.Step() && c.state.Collected != "": // a pause ends each entry
				c.Expire()
			case len(press) == 0 || press[0] == flow.Silence:
				c.Expire()
				press = press[min(1, len(press)):]
			default:
				keys, press, typed = press[0], press[1:], c.Step()
			}
		case Clock:
			c.Expire()
		case Agent, Party, Talk, Elsewhere:
			a, ok := t.AnswerFor(c.state.Flow, c.state.Step)
			if !ok && c.state.Phase == ivr.PhaseRecording { // callers speak, unless a test says otherwise
				a, ok = flow.Answered{Outcome: flow.OutcomeDone}, true
			}
			switch {
			case ok && w == Agent && len(a.Outcome) == 5 && strings.HasPrefix(a.Outcome, "key "):
				c.Press(a.Outcome[4])
			case ok && w == Agent && a.Outcome == "timeout" && c.Expire():
			case ok:
				c.Told(a)
			case w == Elsewhere:
				return fmt.Sprintf("step %s asks somebody else; say under answers what it gets", c.Step())
			default:
				return ""
			}
		}
	}
	return fmt.Sprintf("the call has not ended after %d turns", maxTurns)
}

// compare tells what is not as expected.
func (c *Call) compare(w *flow.Expected) (wrong []string) {
	tell := func(what, want, got string) {
		wrong = append(wrong, fmt.Sprintf("%s: want %s, got %s", what, want, got))
	}
	waits := c.Waits()
	if w.Queue != "" && (waits != Agent && waits != Talk || c.queued != w.Queue) {
		tell("queue", w.Queue, c.End())
	}
	if len(w.Dial) > 0 && (waits != Party && waits != Talk || !slices.Equal(c.dialed, w.Dial)) {
		tell("dial", strings.Join(w.Dial, ", "), c.End())
	}
	if w.Hangup != "" && c.cause != w.Hangup {
		tell("hangup", w.Hangup, c.End())
	}
	if w.Language != "" && c.state.Language != w.Language {
		tell("language", w.Language, c.state.Language)
	}
	if len(w.Path) > 0 && !slices.Equal(c.steps, w.Path) {
		tell("path", strings.Join(w.Path, " "), strings.Join(c.steps, " "))
	}
	if at := inOrder(c.steps, w.Through, func(got, want string) bool { return got == want }); at >= 0 {
		tell("through", w.Through[at], strings.Join(c.steps, " "))
	}
	if at := inOrder(c.said, w.Says, func(got, want string) bool {
		return got == want || strings.HasPrefix(got, `"`) && strings.Contains(got, want)
	}); at >= 0 {
		tell("says", w.Says[at], strings.Join(c.said, " "))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Variables)) {
		if got := c.state.Vars[name]; got != w.Variables[name] {
			if c.state.Secrets[name] {
				got = "another secret"
			}
			tell("variable "+name, fmt.Sprintf("%q", w.Variables[name]), fmt.Sprintf("%q", got))
		}
	}
	return wrong
}

// inOrder finds the first of want that is not in got behind those before it, else -1.
func inOrder(got, want []string, same func(got, want string) bool) int {
	at := 0
	for i, w := range want {
		n := slices.IndexFunc(got[at:], func(g string) bool { return same(g, w) })
		if n < 0 {
			return i
		}
		at += n + 1
	}
	return -1
}
