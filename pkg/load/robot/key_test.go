package robot

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// The answer to a key is the first packet of sound behind it, and only that.
func TestAnsweredKeys(t *testing.T) {
	packet := func(pt byte, seq uint16) []byte {
		b := make([]byte, 12+4)
		b[0], b[1] = 0x80, pt
		binary.BigEndian.PutUint16(b[2:], seq)
		return b
	}
	const ms = int64(time.Millisecond)
	from := netip.MustParseAddrPort("192.0.2.1:4000")
	l := &Leg{remote: from, eventPT: 101}
	if l.Silent(500*ms) != 0 {
		t.Error("silent before anything was heard")
	}
	l.receive(packet(byte(PCMU), 65535), from, 100*ms)
	if got := l.Silent(400 * ms); got != 300*time.Millisecond {
		t.Errorf("silent for %s", got)
	}
	l.keyAt = 1000 * ms
	if l.Silent(5000*ms) != 0 {
		t.Error("silent while a key waits for its answer: another would be pressed")
	}
	l.receive(packet(101, 0), from, 1010*ms)                                             // our own key's echo is no answer
	l.receive(packet(byte(PCMU), 1), netip.MustParseAddrPort("192.0.2.9:4000"), 1015*ms) // nor is a stranger
	l.receive(packet(byte(PCMU), 2), from, 1032*ms)
	l.receive(packet(byte(PCMU), 3), from, 1052*ms)
	if got := l.Answered(); !slices.Equal(got, []time.Duration{32 * time.Millisecond}) {
		t.Errorf("%v", got)
	}
}
