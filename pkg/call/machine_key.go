package call

import "time"

// oneKey is how far apart the two reports of one key may be: RFC 4733 tells it when it is
// let go, some phones send INFO when it is pressed.
const oneKey = 600 * time.Millisecond

// lastKey is the key that was taken last, for phones that report each key both ways.
type lastKey struct {
	Leg    int
	Digit  byte
	Via    string
	At     time.Time
	Paired bool // its other report has come
}

// toldTwice tells whether a key is the one that was taken a moment ago, reported the other
// way. Pressing a key twice quickly is two reports of the same way.
func (m *Machine) toldTwice(ev Key) bool {
	k := &m.S.LastKey
	if ev.Leg == k.Leg && ev.Digit == k.Digit && ev.Via != k.Via && !k.Paired && k.Via != "" && m.now.Sub(k.At) < oneKey {
		k.Paired = true
		return true
	}
	*k = lastKey{ev.Leg, ev.Digit, ev.Via, m.now, false}
	return false
}
