package rtp

import (
	"testing"
	"time"
)

// TestRun: packets counted by Advance leave a receiver and a line as if each had
// been taken and passed on, over all wraps; and what Run promises of the next packet
// is what Relay makes of it.
func TestRun(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	one, two := NewLine(7, 65530, 0xFFFFFF00), NewLine(7, 65530, 0xFFFFFF00)
	var r1, r2 Receiver
	p := Packet{Seq: 65500, TS: 0xFFFFF000, SSRC: 9, PT: 8, Off: 12, End: 172}
	take := func(r *Receiver, l *Line, at time.Time) Stamp {
		r.Take(at, &p, true)
		s, ok := l.Relay(at, &p, 160)
		if !ok {
			t.Fatal("not passed on")
		}
		return s
	}
	if _, ok := RunOf(&r1, &one, 160); ok {
		t.Error("a run of nothing")
	}
	for range 3 {
		take(&r1, &one, now)
		take(&r2, &two, now)
		p.Seq, p.TS, now = p.Seq+1, p.TS+160, now.Add(20*time.Millisecond)
	}
	for _, n := range []uint64{1, 100, 70000} {
		run, ok := RunOf(&r1, &one, 160)
		if !ok || run.Seq != p.Seq || run.TS != p.TS || run.SSRC != 9 || run.NewSSRC != 7 {
			t.Fatalf("%+v %v", run, ok)
		}
		last := now
		for i := range n {
			s := take(&r2, &two, now)
			if s.Seq != run.Seq+uint16(i)+run.SeqShift || s.TS != run.TS+160*uint32(i)+run.TSShift || s.SSRC != run.NewSSRC || s.Marker {
				t.Fatalf("packet %d: %+v, run %+v", i, s, run)
			}
			last = now
			p.Seq, p.TS, now = p.Seq+1, p.TS+160, now.Add(20*time.Millisecond)
		}
		r1.Advance(n, 160, last, run.Jitter)
		one.Advance(n, 160, last)
	}
	if one != two {
		t.Errorf("line\n%+v\n%+v", one, two)
	}
	if r1 != r2 {
		t.Errorf("receiver\n%+v\n%+v", r1, r2)
	}
	// What needs a look.
	if _, ok := RunOf(&r1, &one, 240); ok {
		t.Error("another packet time")
	}
	r1.Take(now, &p, true) // not passed on
	if _, ok := RunOf(&r1, &one, 160); ok {
		t.Error("a packet was left out")
	}
	take(&r2, &two, now)
	two.Cut()
	if _, ok := RunOf(&r2, &two, 160); ok {
		t.Error("after a cut")
	}
}
