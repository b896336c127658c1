//go:build linux && !portable

package port

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// bound gives a pair sockets, wherever the system has room.
func bound(t *testing.T, p Pair) Pair {
	t.Helper()
	for _, s := range []**Socket{&p.RTP, &p.RTCP} {
		var err error
		if *s, err = Listen(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func say(t *testing.T, s *Socket, what string) {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Local()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(what)); err != nil {
		t.Fatal(err)
	}
}

// TestPoolKeeps: a pair that was used comes back with its sockets, before others,
// empty of what arrived until it was given back; one at which something arrives
// while it rests is left to rest again.
func TestPoolKeeps(t *testing.T) {
	p, err := NewPool(20000, 20999, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	take := func(now time.Time) Pair {
		t.Helper()
		pair, err := p.Take(now)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	a, b := bound(t, take(t0)), bound(t, take(t0))
	say(t, a.RTP, "late") // still of the call
	p.Give(a, t0)
	p.Give(b, t0)
	if c := take(t0.Add(Quarantine - 1)); c.RTP != nil {
		t.Error("a pair that rests was given")
	}
	say(t, b.RTCP, "stale")
	now := t0.Add(Quarantine)
	if c := take(now); c != a {
		t.Errorf("got %d, want %d with its sockets", c.Port, a.Port)
	}
	if a.RTP.Drain() != 0 {
		t.Error("the next call hears the one before")
	}
	if c := take(now); c.RTP != nil {
		t.Error("given although somebody still sends to it")
	}
	if c := take(now.Add(Quarantine - 1)); c.RTP != nil {
		t.Error("it does not rest again")
	}
	if c := take(now.Add(Quarantine)); c != b || b.RTCP.Drain() != 0 {
		t.Errorf("got %d, want %d", c.Port, b.Port)
	}
	if inUse, draining, _ := p.Usage(); inUse != 5 || draining != 0 {
		t.Errorf("%d in use, %d draining", inUse, draining)
	}
	// In the end all are closed.
	p.Give(a, now)
	p.Give(b, now)
	p.Close()
	d, _ := b.RTP.Dest(netip.MustParseAddrPort("127.0.0.1:9"))
	if a.RTP.Send([]byte("x"), &d) || b.RTCP.Send([]byte("x"), &d) {
		t.Error("a socket is open after Close")
	}
	if c := take(now.Add(time.Hour)); c.RTP != nil {
		t.Error("a closed socket was given")
	}
}

// TestPoolUnderFlood: when somebody sends to every pair there is, calls still get
// one, without a socket in which something waits; and the sockets kept are bounded.
func TestPoolUnderFlood(t *testing.T) {
	p, err := NewPool(20000, 20007, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var all []Pair
	for range 4 {
		pair, err := p.Take(t0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bound(t, pair))
	}
	for _, pair := range all {
		p.Give(pair, t0)
		for range 2 * maxDrain {
			say(t, pair.RTP, "flood")
		}
	}
	now := t0.Add(Quarantine)
	got := 0
	for range 40 {
		pair, err := p.Take(now)
		if errors.Is(err, ErrNoPort) {
			now = now.Add(Quarantine)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if pair.RTP != nil && pair.RTP.Drain() > 0 {
			t.Fatal("a pair with something in it")
		}
		got++
		if got == 4 {
			break
		}
	}
	if got != 4 {
		t.Errorf("%d of 4 pairs came back", got)
	}
	big, err := NewPool(2, 65535, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	shared := bound(t, Pair{})
	defer shared.Close()
	for range maxKept + 10 {
		pair, err := big.Take(t0)
		if err != nil {
			t.Fatal(err)
		}
		pair.RTP, pair.RTCP = &Socket{fd: -1}, &Socket{fd: -1}
		big.Give(pair, t0)
	}
	if big.open != maxKept {
		t.Errorf("%d pairs are kept", big.open)
	}
}
