package session

import (
	"math"
	"testing"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/dtmf"
)

// TestKeysInBand: keys as tones in the sound, in every codec, from a peer that has no
// telephone-event: each once, in order, also when a packet is lost or swapped in the
// pauses; none in a conversation, where they are the partner's.
func TestKeysInBand(t *testing.T) {
	const number = "0159#*D"
	for _, id := range allCodecs {
		t.Run(id.String(), func(t *testing.T) {
			s := newScore(t)
			a, b := s.voiced(s.leg(addrA, id), id), s.voiced(s.leg(addrB, id), id)
			p := a.p
			p.EventRecvPT, p.EventSendPT, p.InBand = 0, 0, true
			a.Set(p)
			s.run()
			// press sends each key for 80 ms and 80 ms of nothing. In a pause one packet
			// is lost, and two come in the wrong order.
			press := func(keys string, bad bool) {
				for i := range keys {
					code, _ := dtmf.Code(keys[i])
					lo, hi := dtmf.Frequencies(code)
					for range 4 {
						a.Receive(nil, a.sayBoth(lo, hi), a.from, s.now)
						s.pass(media.FrameDuration)
					}
					var pause [4][]byte
					for k := range pause {
						pause[k] = a.sayBoth(0, 0)
					}
					if bad {
						pause[2], pause[3] = pause[3], pause[2]
						if i%2 == 1 {
							pause[1] = nil
						}
					}
					for _, packet := range pause {
						if packet != nil {
							a.Receive(nil, packet, a.from, s.now)
						}
						s.pass(media.FrameDuration)
					}
				}
			}
			pressed := func() (keys string) {
				for _, e := range a.events {
					if d, ok := e.(Digit); ok {
						keys += string(rune(d.Digit))
						if !d.InBand || d.Duration < 45*time.Millisecond || d.Duration > 110*time.Millisecond {
							t.Errorf("%+v", d)
						}
					}
				}
				a.events = nil
				return keys
			}
			press(number, false)
			if got := pressed(); got != number {
				t.Errorf("%q, want %q", got, number)
			}
			press(number, true)
			if got := pressed(); got != number {
				t.Errorf("on a bad line %q, want %q", got, number)
			}
			a.Bridge(b.Leg)
			s.run()
			press(number, false)
			if got := pressed(); got != "" {
				t.Errorf("in a conversation %q", got)
			}
			a.Unbridge()
			s.run()
			press("77", false)
			if got := pressed(); got != "77" {
				t.Errorf("after it %q", got)
			}
			p.InBand = false
			a.Set(p)
			s.run()
			press("1", false)
			if got := pressed(); got != "" {
				t.Errorf("where nothing is to be heard %q", got)
			}
		})
	}
}

// sayBoth is say with two tones, of -10 dBm0 each; zeros are silence.
func (v *voiced) sayBoth(lo, hi float64) []byte {
	pcm := make([]int16, v.rate/50)
	for i := range pcm {
		x := 2 * math.Pi * float64(v.at+i) / float64(v.rate)
		pcm[i] = int16(5000*math.Sin(lo*x) + 5000*math.Sin(hi*x))
	}
	v.at += len(pcm)
	var code [1500]byte
	n, err := v.enc.Encode(code[:], pcm)
	if err != nil {
		v.s.t.Fatal(err)
	}
	b := v.packet(uint8(v.id), code[:n])
	v.ts += v.ticks
	return b
}

// TestKeysInBandCostNoAllocation: the sound of a caller in a menu is looked at.
func TestKeysInBandCostNoAllocation(t *testing.T) {
	s := newScore(t)
	a := s.leg(addrA, codec.PCMA)
	p := a.p
	p.InBand = true
	a.Set(p)
	s.run()
	packet := a.packet(uint8(codec.PCMA), make([]byte, 160))
	next := func() {
		a.seq++
		a.ts += 160
		packet[2], packet[3] = byte(a.seq>>8), byte(a.seq)
		packet[4], packet[5], packet[6], packet[7] = byte(a.ts>>24), byte(a.ts>>16), byte(a.ts>>8), byte(a.ts)
		s.now = s.now.Add(media.FrameDuration)
		a.Receive(nil, packet, a.from, s.now)
	}
	next()
	if n := testing.AllocsPerRun(300, next); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
