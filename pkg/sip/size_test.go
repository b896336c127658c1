package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// largeSDP is more than a datagram takes, and nothing in it can be left out.
func largeSDP() []byte {
	b := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	for i := range 40 {
		b += fmt.Sprintf("a=x-needed:%d 0123456789012345678901\r\n", i)
	}
	return []byte(b)
}

// fatSDP is too large with what can be left out, and fits without.
func fatSDP() []byte {
	b := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\ni=" + strings.Repeat("about this session ", 40) + "\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n" +
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
	return []byte(b)
}

func TestTrimSDP(t *testing.T) {
	got := string(trimSDP(fatSDP()))
	want := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
	if got != want {
		t.Errorf("got %q", got)
	}
	// What looks like a default and is none stays.
	for _, keep := range []string{
		"v=0\r\ns=-\r\na=sendonly\r\nm=audio 1 RTP/AVP 0\r\na=sendrecv\r\n",
		"m=audio 1 RTP/AVP 96\r\na=rtpmap:96 PCMU/16000\r\na=rtpmap:0 OTHER/8000\r\na=ptime:30\r\na=recvonly\r\n",
	} {
		if got := string(trimSDP([]byte(keep))); got != keep {
			t.Errorf("%q became %q", keep, got)
		}
	}
}

// farEnd is a peer on memNet: UDP always, TCP if tcp.
func largeCall(t *testing.T, b *bench, sdp []byte) (*events, *Dialog) {
	t.Helper()
	ev := newEvents()
	d, err := b.s.Dial(DialRequest{Target: Target{URI: "sip:2000@" + peerAddr, Transport: "udp", Addr: netip.MustParseAddrPort(peerAddr)}, SDP: sdp}, ev.sink)
	if err != nil {
		t.Fatal(err)
	}
	return ev, d
}

func TestLargeRequest(t *testing.T) {
	t.Run("fits when trimmed", func(t *testing.T) {
		run(t, true, func(b *bench) {
			_, d := largeCall(t, b, fatSDP())
			if m := b.want("INVITE "); strings.Contains(m, "about this session") || len(m) > maxDatagram {
				t.Errorf("%d bytes: %q", len(m), m)
			}
			d.End("")
		})
	})
	t.Run("peer without TCP", func(t *testing.T) {
		run(t, true, func(b *bench) {
			for i := range 2 {
				ev, d := largeCall(t, b, largeSDP())
				m := b.want("INVITE ")
				if len(m) <= maxDatagram || !strings.HasPrefix(header(m, "Via"), "SIP/2.0/UDP") {
					t.Errorf("call %d: %q", i, m)
				}
				b.send(answerTo(m, "486 Busy Here"))
				b.want("ACK ")
				if f := next[Failed](t, ev); f.Code != 486 {
					t.Errorf("%+v", f)
				}
				d.End("")
			}
			if len(b.s.noTCP.until) != 1 || len(b.s.noTCP.waiting) != 0 {
				t.Errorf("remembered %v", b.s.noTCP.until)
			}
		})
	})
	t.Run("peer with TCP", func(t *testing.T) {
		run(t, true, func(b *bench) {
			l, _, err := b.n.listenTCP(netip.MustParseAddrPort(peerAddr), false)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ev, d := largeCall(t, b, largeSDP())
			_, d2 := largeCall(t, b, largeSDP()) // both by one connection
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			m := hear(t, c)
			if !strings.HasPrefix(m, "INVITE ") || !strings.HasPrefix(header(m, "Via"), "SIP/2.0/TCP") || !strings.HasSuffix(m, "78901\r\n") {
				t.Errorf("%q", m)
			}
			if strings.Contains(header(m, "Contact"), "transport=tcp") {
				t.Errorf("the contact moved to TCP: %q", header(m, "Contact"))
			}
			second := hear(t, c)
			go func() { _, _ = c.Write([]byte(answerTo(m, "486 Busy Here") + answerTo(second, "486 Busy Here"))) }()
			for range 2 {
				if ack := hear(t, c); !strings.HasPrefix(ack, "ACK ") {
					t.Errorf("%q", ack)
				}
			}
			next[Failed](t, ev)
			d.End("")
			d2.End("")
			if n := testutil.ToFloat64(b.s.met.switched); n != 2 {
				t.Errorf("%v switches", n)
			}
			b.silence(time.Second) // nothing by UDP
		})
	})
	t.Run("peer that swallows TCP", func(t *testing.T) {
		run(t, true, func(b *bench) {
			b.n.swallow = true
			start := time.Now()
			_, d := largeCall(t, b, largeSDP())
			b.want("INVITE ")
			if took := time.Since(start); took != tcpPatience {
				t.Errorf("by UDP after %v, want %v", took, tcpPatience)
			}
			start = time.Now()
			_, d2 := largeCall(t, b, largeSDP())
			b.want("INVITE ") // again the first one, or the second: at once
			if took := time.Since(start); took > 600*time.Millisecond {
				t.Errorf("the second waited %v", took)
			}
			d.End("")
			d2.End("")
		})
	})
}

// A response whose connection has gone goes by a new one (RFC 3261 18.2.2).
func TestResponseByNewConnection(t *testing.T) {
	run(t, true, func(b *bench) {
		l, _, err := b.n.listenTCP(netip.MustParseAddrPort(peerAddr), false)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		calls := make(chan *Invitation, 1)
		b.h.invite = func(in *Invitation) { calls <- in }
		c := b.dial()
		go func() { _, _ = c.Write([]byte(overTCP(text("INVITE", "a", "", 1, string(sdpA))))) }()
		if m := hear(t, c); code(m) != "100" {
			t.Fatalf("%q", m)
		}
		in := <-calls
		c.Close()
		time.Sleep(10 * time.Millisecond)
		in.Dialog.Reject(486, "")
		c2, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c2.Close()
		if m := hear(t, c2); code(m) != "486" || !strings.Contains(m, "z9hG4bKa") {
			t.Errorf("%q", m)
		}
	})
}

// IPv4 and IPv6 on one machine: each peer sees an address it can use, and
// nobody reads 0.0.0.0 or [::].
func TestDualStack(t *testing.T) {
	probe, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Skip("no IPv6 on this machine")
	}
	probe.Close()
	for name, listen := range map[string][]string{
		"one for both":  {"[::]:0"},
		"one for each":  {"0.0.0.0:0", "[::]:0"},
		"each loopback": {"127.0.0.1:0", "[::1]:0"},
	} {
		for _, proto := range []string{"udp", "tcp"} {
			t.Run(name+" "+proto, func(t *testing.T) {
				var met atomic.Int32
				h := &house{trunks: map[netip.Addr]string{addr("127.0.0.1"): "a", addr("::1"): "a"}}
				h.invite = func(in *Invitation) {
					met.Add(1)
					if in.Source.Addr().Is4In6() {
						t.Errorf("mapped source %v", in.Source)
					}
					in.Dialog.Accept([]byte("v=0\r\n"))
				}
				set := func(c *Config, _ *Deps) {
					c.Listeners = nil
					for _, l := range listen {
						c.Listeners = append(c.Listeners, Listener{Transport: proto, Addr: netip.MustParseAddrPort(l)})
					}
				}
				callee, caller := newStack(t, nil, "127.0.0.1", h, set), newStack(t, nil, "127.0.0.1", h, set)
				defer stop(t, callee, caller)
				for _, ip := range []string{"127.0.0.1", "::1"} {
					l := callee.listenerFor(proto, netip.AddrPortFrom(addr(ip), 1))
					target, err := ParseTarget(fmt.Sprintf("sip:1000@%s;transport=%s", netip.AddrPortFrom(addr(ip), l.addr.Port()), proto))
					if err != nil {
						t.Fatal(err)
					}
					ev := newEvents()
					h2, err := caller.hopTo(target)
					if err != nil {
						t.Fatal(err)
					}
					if host := h2.host(); !strings.HasPrefix(host, netip.AddrPortFrom(addr(ip), 0).String()[:len(ip)]) && !strings.HasPrefix(host, "["+ip+"]") {
						t.Errorf("towards %s we are %s", ip, host)
					}
					d, err := caller.Dial(DialRequest{Target: target, SDP: []byte("v=0\r\n")}, ev.sink)
					if err != nil {
						t.Fatal(err)
					}
					next[Answered](t, ev)
					d.End("")
					if e := next[Ended](t, ev); e.By != EndLocal {
						t.Errorf("%+v", e)
					}
				}
				if met.Load() != 2 {
					t.Errorf("%d calls", met.Load())
				}
			})
		}
	}
}

// An IPv4 listener on all addresses leaves IPv6 alone: a firewall for IPv4 must
// not be passed by it.
func TestIPv4ListenerIsIPv4(t *testing.T) {
	s := newStack(t, nil, "127.0.0.1", &house{}, func(c *Config, _ *Deps) {
		c.Listeners = []Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("0.0.0.0:0")}, {Transport: "tcp", Addr: netip.MustParseAddrPort("0.0.0.0:0")}}
	})
	defer stop(t, s)
	for _, proto := range []string{"udp", "tcp"} {
		if a := s.LocalAddr(proto); !a.Addr().Is4() {
			t.Errorf("%s bound %v", proto, a)
		}
	}
	if c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp6", net.JoinHostPort("::1", fmt.Sprint(s.LocalAddr("tcp").Port()))); err == nil {
		c.Close()
		t.Error("IPv6 got in")
	}
}
