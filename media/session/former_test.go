package session

import (
	"net/netip"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// TestFormerCallerIsNotLearnt: a phone that missed the end of its call goes on
// sending to a port that the next call has; that call's phone is silent and shares
// its IP. The one before is not taken for it, a stream of its own is.
func TestFormerCallerIsNotLearnt(t *testing.T) {
	for _, way := range possible(t) {
		for _, symmetric := range []bool{false, true} {
			e := newEngine(t, Config{PortRest: time.Nanosecond, IO: way}, 1)
			old, young := newPhone(t, codec.PCMA, 500), newPhone(t, codec.PCMA, 800)
			l, err := e.Open(LegOptions{})
			if err != nil {
				t.Fatal(err)
			}
			l.Set(old.params())
			l.Echo(true)
			statsOf(l)
			for i := range 5 {
				old.speak(l.Addr())
				eventually(t, "the echo", func() bool { return old.count() > i })
			}
			port := l.Addr()
			done := make(chan struct{})
			l.Close(func(Stats) { close(done) })
			<-done

			l, err = e.Open(LegOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if l.Addr() != port {
				t.Fatal("another port: the test proves nothing")
			}
			p := young.params()
			p.Symmetric = symmetric
			l.Set(p)
			l.Echo(true)
			ready := make(chan struct{})
			l.post(func(now time.Time) { // as if nobody had spoken for long enough to learn
				l.set = now.Add(-time.Second)
				close(ready)
			})
			<-ready
			for range 5 {
				old.speak(port)
			}
			eventually(t, "the stranger is seen", func() bool { return statsOf(l).Strangers == 5 })
			if old.count() != 5 || young.count() != 0 {
				t.Errorf("%s, symmetric %v: %d packets to the former phone, %d to the present one", way, symmetric, old.count(), young.count())
			}
			// A new stream of the same phone is what learning is for.
			old.ssrc++
			old.speak(port)
			eventually(t, "it is learnt", func() bool { return old.count() == 6 })
			if s := statsOf(l); s.PacketsReceived != 1 {
				t.Errorf("%+v", s.Audio)
			}
		}
	}
}

func TestFormer(t *testing.T) {
	var f former
	at := func(port int) netip.AddrPort { return netip.AddrPortFrom(loopback, uint16(port)) }
	if f.knows(at(1), 1) || f.knows(netip.AddrPort{}, 1) {
		t.Error("it knows somebody")
	}
	for i := range 10 {
		f.add(at(i), uint32(i))
		f.add(at(i), uint32(i)) // takes no second place
	}
	for i := range 10 {
		if got := f.knows(at(i), uint32(i)); got != (i >= 2) {
			t.Errorf("%d: %v", i, got)
		}
	}
	if f.knows(at(5), 6) {
		t.Error("another stream of the same phone")
	}
	var nobody *former
	nobody.add(at(1), 1)
	if nobody.knows(at(1), 1) {
		t.Error("nobody knows")
	}
}
