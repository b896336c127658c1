package rehearsal

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/centrala/centrala/ivr/flow"
)

// Act is one thing that a caller or the world does in a played call: exactly one of
// its first three fields is set.
type Act struct {
	// Keys are pressed one after the other.
	Keys string `json:"keys,omitempty" maxLength:"64"`
	// Wait: what is said is heard to the end, a conversation ends, or time goes on to
	// the next timer.
	Wait bool `json:"wait,omitempty"`
	// Outcome is what becomes of the queue, the dial or whatever else the call waits
	// for, such as answered or failed; of a conversation, its end.
	Outcome string            `json:"outcome,omitempty" maxLength:"64"`
	Values  map[string]string `json:"values,omitempty" doc:"Beside outcome: what a service answered."`
}

// MaxActs bounds a played call.
const MaxActs = 500

// Do carries an act out. Its errors say why it is none.
func (c *Call) Do(a Act) error {
	given := 0
	for _, is := range []bool{a.Keys != "", a.Wait, a.Outcome != ""} {
		if is {
			given++
		}
	}
	if given != 1 || a.Values != nil && a.Outcome == "" {
		return errors.New("want one of keys, wait and outcome")
	}
	switch {
	case a.Keys != "":
		if strings.Trim(a.Keys, "0123456789*#ABCD") != "" {
			return fmt.Errorf("keys %q: want 0 to 9, *, # and A to D", a.Keys)
		}
		for i := range len(a.Keys) {
			c.Press(a.Keys[i])
		}
	case a.Wait:
		switch c.Waits() {
		case Listener:
			c.Heard()
		case Talk:
			c.Told(flow.Answered{Outcome: "answered"})
		default:
			c.Expire()
		}
	case c.Waits() == Agent && a.Outcome == "timeout" && c.Expire():
	default:
		c.Told(flow.Answered{Outcome: a.Outcome, Values: a.Values})
	}
	return nil
}

// String is a short word for what the call waits for.
func (w Wait) String() string {
	return [...]string{"over", "listener", "keys", "clock", "agent", "party", "talk", "elsewhere"}[w]
}

// Spoken is what the caller hears of a note of "say": the texts of prompts as text
// knows them, else their names.
func (n Note) Spoken(text func(name, lang string) string) string {
	out := make([]string, len(n.Phrases))
	for i, p := range n.Phrases {
		if out[i] = cmp.Or(p.Text, text(p.Name, n.Language)); out[i] == "" {
			out[i] = "<" + p.Name + ">"
		}
	}
	return strings.Join(out, " ")
}
