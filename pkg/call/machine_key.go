package call

import (
	"strings"
	"time"

	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/sdp"
)

// KeyWay is how the keys of a device or a trunk come.
type KeyWay string

// The ways; the last three are also Key.Via, and a leg of that way takes keys by no
// other.
const (
	// KeysAuto takes telephone-events where they were agreed and tones in the sound
	// where not, and INFO always.
	KeysAuto    KeyWay = ""
	KeysRFC4733 KeyWay = "rfc4733"
	KeysInfo    KeyWay = "info"
	// KeysInBand takes tones, and neither offers nor accepts telephone-event: digits
	// of ours go out as tones as well.
	KeysInBand KeyWay = "inband"
)

// takes tells whether a key that came by via counts.
func (w KeyWay) takes(via KeyWay) bool { return w == KeysAuto || w == via }

// listens tells whether tones are looked for after n was agreed.
func (w KeyWay) listens(n *sdp.Negotiated) bool {
	return w == KeysInBand || w == KeysAuto && n.EventRecvPT == 0
}

// mediaKey is a key that the stream tells of.
func (o *owner) mediaKey(i int, ev session.Digit) {
	via := KeysRFC4733
	if ev.InBand {
		via = KeysInBand
	}
	if o.legs[i].keys.takes(via) {
		o.step(Key{i, ev.Digit, string(via)})
	}
}

// oneKey is how far apart the reports of one key may be: RFC 4733 tells it when it is
// let go, a tone is known a little later, some phones send INFO when it is pressed.
const oneKey = 600 * time.Millisecond

// lastKey is the key that was taken last, for phones that report each key in several
// ways.
type lastKey struct {
	Leg   int
	Digit byte
	Vias  string // the ways it was reported by
	At    time.Time
}

// toldTwice tells whether a key is the one that was taken a moment ago, reported
// another way. Pressing a key twice quickly is two reports of the same way.
func (m *Machine) toldTwice(ev Key) bool {
	k := &m.S.LastKey
	way := "," + ev.Via
	if k.Vias != "" && ev.Leg == k.Leg && ev.Digit == k.Digit && m.now.Sub(k.At) < oneKey && !strings.Contains(k.Vias, way) {
		k.Vias += way
		return true
	}
	*k = lastKey{ev.Leg, ev.Digit, way, m.now}
	return false
}
