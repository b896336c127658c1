package port

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/media"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestPool(t *testing.T) {
	p, err := NewPool(20001, 20006, 0, 1) // whole pairs: 20002/3, 20004/5; 20006 has no odd one
	if err != nil {
		t.Fatal(err)
	}
	a, _ := p.Take(t0)
	b, _ := p.Take(t0)
	if a.Port != 20004 || b.Port != 20002 {
		t.Errorf("got %d and %d", a.Port, b.Port)
	}
	_, err = p.Take(t0)
	if !errors.Is(err, ErrNoPort) || !strings.Contains(err.Error(), "media: no free port in 20001-20006 (2 calls, 0 draining)") {
		t.Errorf("error %v", err)
	}
	p.Give(a, t0)
	if _, err := p.Take(t0.Add(Quarantine - 1)); !errors.Is(err, ErrNoPort) || !strings.Contains(err.Error(), "(1 calls, 1 draining)") {
		t.Errorf("a port that rests was given: %v", err)
	}
	if got, err := p.Take(t0.Add(Quarantine)); got != a || err != nil {
		t.Errorf("got %d, %v", got.Port, err)
	}
	if inUse, draining, limit := p.Usage(); inUse != 2 || draining != 0 || limit != 2 {
		t.Errorf("%d %d %d", inUse, draining, limit)
	}
}

func TestPoolRanges(t *testing.T) {
	for _, x := range []struct {
		min, max uint16
		pairs    int // 0 = refused
	}{{20000, 20000, 0}, {20001, 20002, 0}, {0, 100, 0}, {20000, 19999, 0}, {20000, 20001, 1}, {20001, 20003, 1}, {65534, 65535, 1}, {65535, 65535, 0}, {1, 65535, 32767}} {
		p, err := NewPool(x.min, x.max, 0, 0xFFFFFFFF)
		if (err == nil) != (x.pairs > 0) {
			t.Errorf("%d-%d: %v", x.min, x.max, err)
			continue
		}
		if err != nil {
			continue
		}
		seen := map[uint16]bool{}
		for range x.pairs {
			n, err := p.Take(t0)
			if err != nil || n.Port%2 != 0 || n.Port < x.min || n.Port == x.max || seen[n.Port] {
				t.Fatalf("%d-%d: %d, %v", x.min, x.max, n.Port, err)
			}
			seen[n.Port] = true
		}
		if _, err := p.Take(t0); err == nil {
			t.Errorf("%d-%d: more than %d pairs", x.min, x.max, x.pairs)
		}
	}
}

func TestPoolReusesLate(t *testing.T) {
	p, _ := NewPool(20000, 20999, 0, 77)
	first, _ := p.Take(t0)
	p.Give(first, t0)
	for i := range 499 {
		now := t0.Add(time.Duration(i+1) * time.Minute)
		n, err := p.Take(now)
		if err != nil || n == first {
			t.Fatalf("turn %d: %d, %v", i, n.Port, err)
		}
		p.Give(n, now)
	}
}

type taker struct {
	got  []string
	from []netip.AddrPort
}

func (r *taker) Receive(_ *Socket, b []byte, from netip.AddrPort, _ time.Time) {
	if len(b) > media.MaxPacket {
		r.got = append(r.got, "large")
	} else {
		r.got = append(r.got, string(b))
	}
	r.from = append(r.from, from)
}

func TestLoop(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			l, err := NewLoop()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s, err := Listen(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
			if err != nil {
				t.Skipf("no %s here: %v", ip, err)
			}
			r := &taker{}
			if err := l.Add(s, r); err != nil {
				t.Fatal(err)
			}
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Local()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, m := range []string{"", "one", strings.Repeat("x", 3000)} {
				if _, err := c.Write([]byte(m)); err != nil {
					t.Fatal(err)
				}
			}
			for len(r.got) < 3 {
				if _, err := poll(l, time.Now().Add(5*time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			if r.got[0] != "" || r.got[1] != "one" || r.got[2] != "large" {
				t.Errorf("got %.40q", r.got)
			}
			peer := c.LocalAddr().(*net.UDPAddr).AddrPort()
			if r.from[1] != peer {
				t.Errorf("from %v, want %v", r.from[1], peer)
			}
			d, ok := s.Dest(peer)
			if !ok || !s.Send([]byte("back"), &d) {
				t.Fatal("not sent")
			}
			b := make([]byte, 10)
			if n, err := c.Read(b); err != nil || string(b[:n]) != "back" {
				t.Errorf("%q %v", b[:n], err)
			}
			// A wake before the wait counts too.
			l.Wake()
			if n, err := poll(l, time.Time{}); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if n, err := poll(l, time.Now().Add(time.Microsecond)); n != 0 || err != nil {
				t.Errorf("time-out: %d, %v", n, err)
			}
			if n, err := poll(l, time.Now().Add(-time.Second)); n != 0 || err != nil {
				t.Errorf("a moment that is over: %d, %v", n, err)
			}
			l.Remove(s)
			l.Remove(s)
			if s.Send([]byte("x"), &d) {
				t.Error("a closed socket sends")
			}
		})
	}
}

// poll waits once and hands out.
func poll(l *Loop, until time.Time) (int, error) {
	if err := l.Wait(until); err != nil {
		return 0, err
	}
	return l.Deal(), nil
}

func TestDest(t *testing.T) {
	s4, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer s4.Close()
	for addr, want := range map[string]bool{"192.0.2.1:4000": true, "[::ffff:192.0.2.1]:4000": true, "0.0.0.0:4000": false, "192.0.2.1:0": false, "[2001:db8::1]:4000": false} {
		if _, ok := s4.Dest(netip.MustParseAddrPort(addr)); ok != want {
			t.Errorf("%s: %v", addr, ok)
		}
	}
	if _, ok := s4.Dest(netip.AddrPort{}); ok {
		t.Error("no address taken")
	}
	if _, err := Listen(s4.Local()); err == nil || !strings.Contains(err.Error(), s4.Local().String()) {
		t.Errorf("second bind: %v", err)
	}
}

// TestRelease: a socket goes from loop to loop while packets flow; each packet
// comes once, in order, to the loop that serves it.
func TestRelease(t *testing.T) {
	var loops [2]*Loop
	for i := range loops {
		l, err := NewLoop()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		loops[i] = l
	}
	s, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Local()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent, at := 0, 0
	say := func() {
		if _, err := fmt.Fprint(c, sent); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	r := &taker{}
	say() // before anybody serves it
	for turn := range 200 {
		l := loops[turn%2]
		if err := l.Add(s, r); err != nil {
			t.Fatal(err)
		}
		say()
		say()
		for range 1 + turn%2 { // every other time something stays behind
			for before := len(r.got); len(r.got) == before; {
				if _, err := poll(l, time.Now().Add(5*time.Second)); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.Release(s)
		l.Release(s)
		loops[1-turn%2].Release(s) // not its own
		if s.r != nil {
			t.Fatal("a socket that waits holds the call that it served")
		}
		say()
		l.Wake()
		if n, _ := poll(l, time.Now().Add(time.Second)); n != 0 {
			t.Fatal("a loop serves a socket it has released")
		}
		if turn%10 == 9 { // drain, or the buffer overflows
			if err := l.Add(s, r); err != nil {
				t.Fatal(err)
			}
			for len(r.got) < sent {
				if _, err := poll(l, time.Now().Add(5*time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			l.Release(s)
		}
	}
	for ; at < len(r.got); at++ {
		if r.got[at] != fmt.Sprint(at) {
			t.Fatalf("packet %d is %q", at, r.got[at])
		}
	}
	if at != sent {
		t.Errorf("%d of %d", at, sent)
	}
	loops[0].Remove(s)
}
