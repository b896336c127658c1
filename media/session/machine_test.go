package session

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/rtp"
)

// machineEar is a Machine that keeps what it hears and says a tone for so many frames.
type machineEar struct {
	pcm    [3][]int16
	rates  map[int]bool
	at     [3]uint32 // that follows, of a track
	fresh  int
	breaks int
	say    int
	said   int
	keep   bool
}

func newEar() *machineEar { return &machineEar{rates: map[int]bool{}, keep: true} }

func (e *machineEar) Hear(_ time.Time, track uint8, fresh bool, rate int, at uint32, pcm []int16) {
	if fresh {
		e.fresh++
	} else if at != e.at[track] {
		e.breaks++
	}
	e.at[track] = at + uint32(len(pcm)*8000/rate)
	if e.keep {
		e.rates[rate] = true
		e.pcm[track] = append(e.pcm[track], pcm...)
	}
}

func (e *machineEar) Speak(pcm []int16) bool {
	if e.say == 0 {
		return false
	}
	e.say--
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*1100*float64(e.said+i)/8000))
	}
	e.said += len(pcm)
	return true
}

// TestMachineHears: a tap gets the tone of a leg in every codec, without a break, and
// the other side hears what it would hear without.
func TestMachineHears(t *testing.T) {
	for _, id := range allCodecs {
		for _, wide := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v wide %v", id, wide), func(t *testing.T) {
				s := newScore(t)
				a, b := s.voiced(s.leg(addrA, id), id), s.voiced(s.leg(addrB, id), id)
				a.Bridge(b.Leg)
				e := newEar()
				a.Tap(e, 1, wide)
				s.run()
				b.take()
				for range 100 {
					packet := a.say(600)
					payload := bytes.Clone(packet[rtp.HeaderSize:])
					a.Receive(nil, packet, a.from, s.now)
					s.pass(20 * time.Millisecond)
					if got := b.out.sent; len(got) == 0 || !bytes.Equal(got[len(got)-1][rtp.HeaderSize+40:], payload[40:]) {
						t.Fatal("the other side hears something else") // the first 5 ms may be joined to silence
					}
				}
				rate := 8000
				if wide {
					rate = id.Rate(16000)
				}
				pcm := e.pcm[1]
				if len(e.rates) != 1 || !e.rates[rate] || len(pcm) != rate*2 || e.fresh != 1 || e.breaks != 0 {
					t.Fatalf("%d samples at %v, %d beginnings, %d breaks", len(pcm), e.rates, e.fresh, e.breaks)
				}
				if p := peakOf(pcm[rate/5:], rate, 600); p < 7000 || p > 9000 {
					t.Errorf("the tone has %.0f, want 8000", p)
				}
				a.Untap(e)
				s.run()
				a.Receive(nil, a.say(600), a.from, s.now)
				if len(e.pcm[1]) != len(pcm) {
					t.Error("it still hears")
				}
			})
		}
	}
}

// TestSeveralMachinesHear: each at its own rate and on its own track, from its first
// moment to its last without a break, whoever comes and goes beside it.
func TestSeveralMachinesHear(t *testing.T) {
	for _, id := range allCodecs {
		t.Run(id.String(), func(t *testing.T) {
			s := newScore(t)
			a := s.voiced(s.leg(addrA, id), id)
			one, two, three := newEar(), newEar(), newEar()
			say := func(frames int) {
				for range frames {
					a.Receive(nil, a.say(600), a.from, s.now)
					s.pass(20 * time.Millisecond)
				}
			}
			a.Tap(one, 0, false)
			s.run()
			say(50)
			a.Tap(two, 1, true)
			s.run()
			say(50)
			a.Tap(three, 2, false)
			a.Tap(three, 2, false) // twice is once
			s.run()
			say(50)
			a.Untap(two)
			s.run()
			say(50)
			a.Untap(one)
			a.Untap(three)
			s.run()
			say(50)
			wide := id.Rate(16000)
			for _, x := range []struct {
				e     *machineEar
				track int
				rate  int
				want  int // frames
			}{{one, 0, 8000, 200}, {two, 1, wide, 100}, {three, 2, 8000, 100}} {
				if n := len(x.e.pcm[x.track]) * 50 / x.rate; n < x.want-1 || n > x.want || x.e.fresh != 1 || x.e.breaks != 0 || len(x.e.rates) != 1 || !x.e.rates[x.rate] {
					t.Errorf("track %d: %d frames of %d at %v, %d beginnings, %d breaks", x.track, n, x.want, x.e.rates, x.e.fresh, x.e.breaks)
				}
				// Of the last half second: a decoder at another rate begins at another phase.
				if p := peakOf(x.e.pcm[x.track][len(x.e.pcm[x.track])-x.rate/2:], x.rate, 600); p < 7000 || p > 9000 {
					t.Errorf("track %d: the tone has %.0f, want 8000", x.track, p)
				}
			}
		})
	}
}

// TestMachineIsHeard: silence while it says nothing, its tone at once when it does,
// and within 40 ms of its end silence, or the other side again; one line throughout.
func TestMachineIsHeard(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	e := newEar()
	a.Voice(e)
	s.pass(400 * time.Millisecond)
	got := a.take()
	if len(got) < 19 {
		t.Errorf("%d packets of silence in 400 ms", len(got))
	}
	for _, h := range got {
		if !bytes.Equal(h.payload, bytes.Repeat([]byte{codec.Silence(codec.PCMA)}, 160)) {
			t.Fatal("it is not silence")
		}
	}
	e.say = 25
	s.pass(500 * time.Millisecond)
	pcm := make([]int16, 0, 8000)
	speech := a.take()
	for _, h := range speech {
		var f [160]int16
		codec.Decode(codec.PCMA, f[:], h.payload)
		pcm = append(pcm, f[:]...)
	}
	if p := peakOf(pcm[320:3200], 8000, 1100); p < 7000 {
		t.Errorf("the machine's tone has %.0f", p)
	}
	got = append(got, speech...)
	// It is interrupted in the middle of a word.
	e.say = 1000
	s.pass(200 * time.Millisecond)
	got = append(got, a.take()...)
	e.say = 0
	s.pass(40 * time.Millisecond)
	got = append(got, a.take()...)
	last := got[len(got)-1]
	for _, o := range last.payload {
		if o != codec.Silence(codec.PCMA) {
			t.Fatal("sound 40 ms after the interruption")
		}
	}
	// In a conversation the other side is heard whenever the machine is silent.
	a.Bridge(b.Leg)
	s.run()
	listen := func(frames int) (theirs, machines int) {
		for range frames {
			b.speak(0x55 ^ 0x20)
			s.pass(20 * time.Millisecond)
		}
		part := a.take()
		for _, h := range part {
			if h.payload[159] == 0x55^0x20 {
				theirs++
			} else {
				machines++
			}
		}
		got = append(got, part...)
		return theirs, machines
	}
	if theirs, machines := listen(20); theirs != 20 || machines != 0 {
		t.Errorf("%d of 20 frames of the other side, %d else", theirs, machines)
	}
	e.say = 20
	if theirs, machines := listen(20); theirs > 2 || machines < 18 {
		t.Errorf("while the machine speaks: %d of the other side, %d of the machine", theirs, machines)
	}
	if theirs, machines := listen(20); theirs < 18 || machines > 2 {
		t.Errorf("after it: %d of the other side, %d else", theirs, machines)
	}
	a.Voice(nil)
	s.run()
	if theirs, _ := listen(10); theirs != 10 {
		t.Errorf("%d of 10 without it", theirs)
	}
	continuous(t, got)
	if a.seat.slot >= 0 {
		t.Error("the leg is ticked for nothing")
	}
}

// TestMachineCostsNoAllocation: neither what is heard nor what is said.
func TestMachineCostsNoAllocation(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Leg.rtp, b.Leg.rtp = nullConn{}, nullConn{}
	a.Bridge(b.Leg)
	e := newEar()
	e.keep, e.say = false, 1<<30
	a.Tap(e, 0, false)
	a.Voice(e)
	s.run()
	packet := a.packet(uint8(codec.PCMA), make([]byte, 160))
	seq := uint16(0)
	next := func() {
		seq++
		rtp.PutHeader(packet, uint8(codec.PCMA), rtp.Stamp{SSRC: 1, Seq: seq, TS: uint32(seq) * 160})
		a.Receive(nil, packet, addrA, s.now)
		s.now = s.now.Add(20 * time.Millisecond)
		s.w.advance(s.now)
	}
	for range 20 {
		next()
	}
	if n := testing.AllocsPerRun(500, next); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	if e.at[0] < 500*160 || e.said < 500*160 {
		t.Errorf("heard %d, said %d", e.at[0], e.said)
	}
}

// TestTappedLegStaysHere: the kernel forwards nothing that a machine is to hear, and
// goes on when it has gone.
func TestTappedLegStaysHere(t *testing.T) {
	eng := onBPF(t, 1)
	a, b := newPhone(t, codec.PCMA, 500), newPhone(t, codec.PCMA, 1250)
	la, err := eng.Open(LegOptions{Group: 7})
	if err != nil {
		t.Fatal(err)
	}
	lb, err := eng.Open(LegOptions{Group: 7})
	if err != nil {
		t.Fatal(err)
	}
	la.Set(a.params())
	lb.Set(b.params())
	la.Bridge(lb)
	statsOf(la)
	talk := func(n int) {
		t.Helper()
		for range n {
			na, nb := a.count(), b.count()
			a.speak(la.Addr())
			b.speak(lb.Addr())
			eventually(t, "a frame crosses", func() bool { return a.count() > na && b.count() > nb })
		}
	}
	talk(20)
	e := newEar()
	la.Tap(e, 0, false)
	statsOf(la)
	before := eng.forwardedNow()
	talk(20)
	statsOf(la)
	heard := make(chan int, 1)
	eng.Do(7, func(time.Time) { heard <- len(e.pcm[0]) })
	if n := <-heard; n < 19*160 {
		t.Errorf("the machine heard %d samples of %d", n, 20*160)
	}
	if n := eng.forwardedNow() - before; n > 21 { // b to a is nobody's business
		t.Errorf("the kernel passed on %d packets", n)
	}
	la.Untap(e)
	statsOf(la)
	before = eng.forwardedNow()
	talk(20)
	if n := eng.forwardedNow() - before; n < 30 {
		t.Errorf("the kernel passed on %d of 40 when the machine was gone", n)
	}
}
