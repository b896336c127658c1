package call

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/sip"
)

// What a caller has said and keyed in the menu goes along to whoever takes the call: in
// the journal, and so on every screen, and for phones that want it in a header. Secrets
// never do.

// Bounds of what goes along.
const (
	maxGathered = 4 << 10 // bytes in the journal
	maxHandOver = 900     // bytes of the header: with the others it must fit a datagram
)

// handOverHeader holds the variables as a query string.
const handOverHeader = "X-Centrala-Gathered"

// gathered are the variables of a flow that are no secret and have a value, at most so
// many bytes of them in order of name; nil = none.
func gathered(s *ivr.State, most int) map[string]string {
	if s == nil || len(s.Vars) == 0 {
		return nil
	}
	var out map[string]string
	for _, name := range slices.Sorted(maps.Keys(s.Vars)) {
		v := s.Vars[name]
		if v == "" || s.Secrets[name] || len(name)+len(v) > most {
			continue
		}
		if most -= len(name) + len(v); out == nil {
			out = map[string]string{}
		}
		out[name] = v
	}
	return out
}

// handOn writes down what was gathered when the flow gives the caller to somebody.
// A flow without variables costs no event, and nothing new none either.
func (m *Machine) handOn() {
	vars := gathered(m.S.IVR, maxGathered)
	if len(vars) == 0 || maps.Equal(vars, m.S.Gathered) {
		return
	}
	m.S.Gathered = vars
	m.journal(event.FlowGathered{Flow: m.S.Flow, Path: slices.Clone(m.S.FlowPath), Variables: vars})
}

// handOverHeaders tell a phone what was gathered.
func handOverHeaders(s *ivr.State) []sip.Header {
	vars := gathered(s, maxHandOver)
	if len(vars) == 0 {
		return nil
	}
	q := url.Values{}
	for k, v := range vars {
		q.Set(k, v)
	}
	value := q.Encode()
	for len(value) > maxHandOver { // escapes are longer than what they stand for
		i := strings.LastIndexByte(value, '&')
		if i < 0 {
			return nil
		}
		value = value[:i]
	}
	return []sip.Header{{Name: handOverHeader, Value: value}}
}
