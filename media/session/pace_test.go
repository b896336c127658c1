package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/mediatest"
)

// paced lets a speak over line for d, a packet each period, and notes when b is sent one.
func (s *score) paced(a *voiced, b *part, line *mediatest.Line, d, period time.Duration, each func()) (sent []time.Time, all []heard) {
	next, end := s.now, s.now.Add(d)
	for s.now.Before(end) {
		for ; !next.After(s.now); next = next.Add(period) {
			line.Send(next, a.say(600))
		}
		line.Deliver(s.now, func(at time.Time, p []byte) { a.Receive(nil, p, a.from, at) })
		if each != nil {
			each()
		}
		s.pass(5 * time.Millisecond)
		for _, h := range b.take() {
			if h.PT != 101 {
				sent, all = append(sent, s.now), append(all, h)
			}
		}
	}
	return sent, all
}

// uneven is the largest distance of two packets from 20 ms.
func uneven(sent []time.Time) (worst time.Duration) {
	for i := 1; i < len(sent); i++ {
		worst = max(worst, (sent[i].Sub(sent[i-1]) - 20*time.Millisecond).Abs())
	}
	return worst
}

// TestTranscodedStreamIsEven: 60 ms of jitter, 5 % lost, 2 % out of order on the way
// in; on the way out one packet each 20 ms, numbered and timed without a break.
func TestTranscodedStreamIsEven(t *testing.T) {
	for _, c := range [][2]codec.ID{{codec.Opus, codec.PCMA}, {codec.PCMA, codec.Opus}, {codec.G722, codec.PCMU}, {codec.G722, codec.Opus}} {
		t.Run(fmt.Sprintf("%v-%v", c[0], c[1]), func(t *testing.T) {
			s := newScore(t)
			a, b := s.voiced(s.leg(addrA, c[0]), c[0]), s.voiced(s.leg(addrB, c[1]), c[1])
			a.Bridge(b.Leg)
			line := mediatest.NewLine(7)
			line.Loss, line.Swaps, line.Delay, line.Jitter = .05, .02, 20*time.Millisecond, 60*time.Millisecond
			sent, all := s.paced(a, b.part, line, 30*time.Second, 20*time.Millisecond, nil)
			if n := len(sent); n < 1490 || n > 1500 {
				t.Fatalf("%d packets of 1500", n)
			}
			// The first tick is late by up to a step of the test's clock.
			if d := uneven(sent[1:]); d > 2*time.Millisecond {
				t.Errorf("two packets are %v from 20 ms apart", d)
			}
			for i := 1; i < len(all); i++ {
				if x, y := all[i-1], all[i]; y.Seq != x.Seq+1 || y.TS != x.TS+b.ticks || y.Marker {
					t.Fatalf("packet %d: %d at %d, marker %v, after %d at %d", i, y.Seq, y.TS, y.Marker, x.Seq, x.TS)
				}
			}
			if q := a.ear.queue.Stats(); q.Delay < 40*time.Millisecond || q.Delay > 130*time.Millisecond {
				t.Errorf("delay %v on a line of 60 ms jitter", q.Delay)
			}
		})
	}
}

// TestDelayOfTranscoding is about a packet on a clean line, and comes down to that
// after a bad stretch.
func TestDelayOfTranscoding(t *testing.T) {
	for _, id := range []codec.ID{codec.G722, codec.Opus} {
		s := newScore(t)
		a, b := s.voiced(s.leg(addrA, id), id), s.leg(addrB, codec.PCMA)
		a.Bridge(b.Leg)
		line := mediatest.NewLine(3)
		delay := func() time.Duration { return a.ear.queue.Stats().Delay }
		s.paced(a, b, line, 10*time.Second, 20*time.Millisecond, nil)
		if d := delay(); d < 5*time.Millisecond || d > 40*time.Millisecond {
			t.Errorf("%v: %v on a clean line", id, d)
		}
		line.Jitter = 60 * time.Millisecond
		s.paced(a, b, line, 10*time.Second, 20*time.Millisecond, nil)
		if d := delay(); d < 40*time.Millisecond {
			t.Errorf("%v: %v on a bad line", id, d)
		}
		line.Jitter = 0
		s.paced(a, b, line, 40*time.Second, 20*time.Millisecond, nil)
		if d := delay(); d > 40*time.Millisecond {
			t.Errorf("%v: %v when it is clean again", id, d)
		}
	}
}

// TestDriftRunsNothingDry: a phone whose clock is 1,000 ppm off, ten times what cheap
// crystals are, for two minutes: 120 ms are taken up without a packet missing, and the delay stays.
func TestDriftRunsNothingDry(t *testing.T) {
	for _, ppm := range []int{-1000, 1000} {
		s := newScore(t)
		a, b := s.voiced(s.leg(addrA, codec.G722), codec.G722), s.leg(addrB, codec.PCMA)
		a.Bridge(b.Leg)
		line := mediatest.NewLine(5)
		line.Jitter = 4 * time.Millisecond
		sent, _ := s.paced(a, b, line, 2*time.Minute, 20*time.Millisecond+time.Duration(ppm*20), nil)
		if d := uneven(sent[1:]); d > 0 {
			t.Errorf("%d ppm: two packets are %v from 20 ms apart", ppm, d)
		}
		q := a.ear.queue.Stats()
		if q.Delay > 60*time.Millisecond || q.Concealed > 16000/5 {
			t.Errorf("%d ppm: delay %v, %d samples made up of %d", ppm, q.Delay, q.Concealed, 120*16000)
		}
		// 120 ms are 1920 samples.
		if moved := int64(q.Inserted) - int64(q.Removed); ppm > 0 && moved < 1000 || ppm < 0 && moved > -1000 {
			t.Errorf("%d ppm: %d samples inserted, %d left out", ppm, q.Inserted, q.Removed)
		}
	}
}

// TestTranscodingBeginsAndEnds in mid-call, as re-INVITEs have it: the line of who
// listens has no gap over 40 ms, and its sequence numbers none at all.
func TestTranscodingBeginsAndEnds(t *testing.T) {
	s := newScore(t)
	a, b := s.voiced(s.leg(addrA, codec.PCMA), codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	line := mediatest.NewLine(9)
	line.Jitter = 5 * time.Millisecond
	n := 0
	sent, all := s.paced(a, b, line, 12*time.Second, 20*time.Millisecond, func() {
		if n++; n%200 == 0 { // each second
			to := codec.PCMA
			if n/200%2 == 1 {
				to = codec.G722
			}
			p := b.p
			p.Law, p.SendPT, p.RecvPT = to, uint8(to), uint8(to)
			b.Set(p)
		}
	})
	kinds := map[uint8]int{}
	for i := range all {
		kinds[all[i].PT]++
		if i == 0 {
			continue
		}
		if d := sent[i].Sub(sent[i-1]); d > 40*time.Millisecond {
			t.Errorf("packet %d: %v without one, from %d to %d", i, d, all[i-1].PT, all[i].PT)
		}
		if all[i].Seq != all[i-1].Seq+1 {
			t.Errorf("packet %d: %d after %d", i, all[i].Seq, all[i-1].Seq)
		}
		if d := int32(all[i].TS - all[i-1].TS); d < 160 || d > 480 {
			t.Errorf("packet %d: %d ticks on", i, d)
		}
	}
	if kinds[uint8(codec.PCMA)] < 250 || kinds[uint8(codec.G722)] < 250 {
		t.Errorf("sent %v", kinds)
	}
}
