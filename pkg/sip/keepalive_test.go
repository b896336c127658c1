package sip

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/sip/digest"
	"github.com/centrala/centrala/pkg/sip/registrar"
)

// bench with keep-alives.
func kept(t *testing.T, k Keepalive, f func(b *bench)) {
	t.Helper()
	run(t, false, f, func(c *Config, _ *Deps) { c.Keepalive = k })
}

// reply is the next response; questions are left aside.
func (b *bench) reply(start string) string {
	b.t.Helper()
	for {
		if m := b.w.read(time.Minute); !strings.HasPrefix(m, "OPTIONS ") {
			if !strings.HasPrefix(m, start) {
				b.t.Fatalf("got %q, want %q", m, start)
			}
			return m
		}
	}
}

// bind registers user1 from the bench's wire with a contact.
func (b *bench) bind(branch string, cseq int, contact string, extra ...string) string {
	b.t.Helper()
	set := func(m string) string {
		return strings.Replace(m, "Contact: <sip:user1@"+peerAddr+">", "Contact: "+contact, 1)
	}
	b.send(set(register("user1", branch, cseq, extra...)))
	ch := b.reply("SIP/2.0 401")
	extra = append(extra, credentials(b.t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1))
	b.send(set(register("user1", branch+"x", cseq+1, extra...)))
	return b.reply("SIP/2.0 200")
}

func (b *bench) presence() string {
	synctest.Wait() // the handler is told behind the door
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	return strings.Join(b.h.up, " ")
}

// A phone behind NAT is asked by its own hole; one that answers, with whatever,
// stays; one that is silent is dropped after three.
func TestKeepaliveUDP(t *testing.T) {
	const private = "<sip:user1@10.0.0.7:5060>"
	kept(t, Keepalive{UDP: 30 * time.Second}, func(b *bench) {
		b.bind("a", 1, private, "Expires: 3600")
		if ts := b.s.Contacts("default", "user1"); len(ts) != 1 || ts[0].Addr.String() != peerAddr {
			t.Fatalf("%+v", ts)
		}
		for range 5 {
			start := time.Now()
			m := b.w.read(time.Minute)
			if !strings.HasPrefix(m, "OPTIONS sip:user1@10.0.0.7:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK") {
				t.Fatalf("%q", m)
			}
			if waited := time.Since(start); waited > 31*time.Second {
				t.Errorf("after %v", waited)
			}
			b.send(answerTo(m, "501 Not Implemented"))
		}
		// Silent now: three times, each sent again by its transaction.
		start, ids := time.Now(), map[string]bool{}
		for time.Since(start) < 4*time.Minute {
			if m := b.w.read(time.Second); m != "" {
				ids[header(m, "Call-ID")] = true
			}
			if b.presence() == "+user1 -user1" {
				break
			}
		}
		if took := time.Since(start); len(ids) != 3 || took < 90*time.Second || took > 125*time.Second {
			t.Errorf("gone after %v and %d questions, presence %q", took, len(ids), b.presence())
		}
		if len(b.s.Contacts("default", "user1")) != 0 {
			t.Error("still bound")
		}
		time.Sleep(2 * time.Minute)
		if n := len(b.s.door.nat.states) + len(b.s.door.nat.queue); n != 0 {
			t.Errorf("%d still watched", n)
		}
		// It comes back.
		b.bind("c", 11, private, "Expires: 3600")
		if got := b.presence(); got != "+user1 -user1 +user1" {
			t.Errorf("presence %q", got)
		}
	})
	t.Run("a refresh counts as an answer", func(t *testing.T) {
		kept(t, Keepalive{UDP: 30 * time.Second}, func(b *bench) {
			for i := range 10 {
				b.bind(fmt.Sprint("r", i), 10*i+1, private, "Expires: 3600")
				for end := time.Now().Add(45 * time.Second); time.Now().Before(end); {
					b.w.read(time.Second)
				}
			}
			if got := b.presence(); got != "+user1" {
				t.Errorf("presence %q", got)
			}
		})
	})
	t.Run("not behind NAT", func(t *testing.T) {
		kept(t, Keepalive{UDP: 30 * time.Second}, func(b *bench) {
			b.bind("a", 1, "<sip:user1@"+peerAddr+">", "Expires: 3600")
			b.silence(5 * time.Minute)
		})
	})
	t.Run("off", func(t *testing.T) {
		kept(t, Keepalive{}, func(b *bench) {
			b.bind("a", 1, private, "Expires: 3600")
			b.silence(5 * time.Minute)
		})
	})
}

// UDP with outbound: the flow is the source address, whatever the Contact says.
func TestOutboundUDP(t *testing.T) {
	kept(t, Keepalive{}, func(b *bench) {
		contact := `<sip:user1@` + strings.Split(peerAddr, ":")[0] + `:7000;ob>;reg-id=1;+sip.instance="<urn:uuid:1>"`
		ok := b.bind("a", 1, contact, "Supported: outbound")
		if header(ok, "Require") != "outbound" || header(ok, "Flow-Timer") != "90" {
			t.Errorf("%q", ok)
		}
		if ts := b.s.Contacts("default", "user1"); len(ts) != 1 || ts[0].Addr.String() != peerAddr || !ts[0].flow {
			t.Errorf("%+v", ts)
		}
		// An edge that has lost the flow says so: the binding goes.
		ev := newEvents()
		if _, err := b.s.Dial(DialRequest{Target: b.s.Contacts("default", "user1")[0], SDP: sdpA}, ev.sink); err != nil {
			t.Fatal(err)
		}
		b.send(answerTo(b.want("INVITE "), "430 Flow Failed"))
		b.want("ACK ")
		if f := next[Failed](t, ev); f.Code != 430 {
			t.Errorf("%+v", f)
		}
		if got := b.presence(); got != "+user1 -user1" || len(b.s.Contacts("default", "user1")) != 0 {
			t.Errorf("after 430: %q", got)
		}
		b.bind("z", 5, contact, "Supported: outbound")
		// Without support of outbound the reg-id is nothing: the Contact counts.
		b.bind("b", 11, contact)
		if ts := b.s.Contacts("default", "user1"); len(ts) != 2 || ts[0].Addr.Port() != 7000 || ts[0].flow {
			t.Errorf("%+v", ts)
		}
	})
}

// TCP with outbound: the phone pings and is answered; one that stops loses its
// connection, and with it the binding.
func TestFlowTimer(t *testing.T) {
	kept(t, Keepalive{}, func(b *bench) {
		c := b.dial()
		defer c.Close()
		m := overTCP(register("user1", "a", 1, "Supported: outbound"))
		m = strings.Replace(m, "Contact: <sip:user1@"+peerAddr+">", `Contact: <sip:user1@10.0.0.7;transport=tcp;ob>;reg-id=1;+sip.instance="<urn:uuid:1>"`, 1)
		go func() { _, _ = io.WriteString(c, m) }()
		ch := hear(t, c)
		m = strings.Replace(m, "branch=z9hG4bKa", "branch=z9hG4bKb", 1)
		m = strings.Replace(m, "CSeq: 1 ", "CSeq: 2 ", 1)
		m = strings.Replace(m, "Content-Length:", credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.MD5, 1)+"\r\nContent-Length:", 1)
		go func() { _, _ = io.WriteString(c, m) }()
		if ok := hear(t, c); header(ok, "Flow-Timer") != "90" || header(ok, "Require") != "outbound" {
			t.Fatalf("%q", ok)
		}
		for range 10 {
			time.Sleep(85 * time.Second)
			go func() { _, _ = io.WriteString(c, "\r\n\r\n") }()
			var pong [2]byte
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadFull(c, pong[:]); err != nil || string(pong[:]) != "\r\n" {
				t.Fatalf("pong %q, %v", pong, err)
			}
		}
		start := time.Now()
		_ = c.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read: %v", err)
		}
		if took := time.Since(start); took != 105*time.Second {
			t.Errorf("closed after %v", took)
		}
		time.Sleep(2 * time.Second)
		if got := b.presence(); got != "+user1 -user1" {
			t.Errorf("presence %q", got)
		}
	})
}

// A connection that we opened is pinged while it is silent. A peer that answered
// once and then does not has gone; one that never answers pings may live.
func TestPingOutgoing(t *testing.T) {
	for name, answers := range map[string]int{"knows no pings": 0, "answers": 100, "dies": 3} {
		t.Run(name, func(t *testing.T) {
			kept(t, Keepalive{}, func(b *bench) {
				l, _, err := b.n.listenTCP(netip.MustParseAddrPort(peerAddr), false)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				if _, err := b.s.connTo(protoTCP, netip.MustParseAddrPort(peerAddr), ""); err != nil {
					t.Fatal(err)
				}
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				start, pings := time.Now(), 0
				_ = c.SetReadDeadline(start.Add(9*time.Minute - 5*time.Second)) // less than the idle time
				var end error
				for {
					var ping [4]byte
					if _, end = io.ReadFull(c, ping[:]); end != nil {
						break
					}
					if string(ping[:]) != "\r\n\r\n" {
						t.Fatalf("%q", ping)
					}
					if pings++; pings <= answers {
						_, _ = io.WriteString(c, "\r\n")
					}
				}
				took := time.Since(start).Round(time.Second)
				switch name {
				case "dies": // 3 answered, one not, and the patience for it
					if end != io.EOF || pings != 4 || took != 130*time.Second {
						t.Errorf("%v after %v and %d pings", end, took, pings)
					}
				case "answers":
					if end == io.EOF || pings != 17 { // every 30 s
						t.Errorf("%v after %v and %d pings", end, took, pings)
					}
				default:
					if end == io.EOF || pings < 12 {
						t.Errorf("%v after %v and %d pings", end, took, pings)
					}
				}
			})
		})
	}
}

// fixedStore gives the bindings of an earlier process.
type fixedStore struct {
	all     []registrar.Binding
	deleted chan registrar.ID
}

func (s *fixedStore) SaveBindings(context.Context, []registrar.Binding) error { return nil }
func (s *fixedStore) DeleteBindings(_ context.Context, ids []registrar.ID) error {
	for _, id := range ids {
		s.deleted <- id
	}
	return nil
}
func (s *fixedStore) LoadBindings(context.Context) ([]registrar.Binding, error) { return s.all, nil }

// Connections do not outlive the process: what can be reached without them is
// kept over a restart, the rest is not called reachable.
func TestRestartKeepsWhatCanBeReached(t *testing.T) {
	store := &fixedStore{deleted: make(chan registrar.ID, 16)}
	add := func(device, uri, transport string, reg uint32) {
		b := registrar.Binding{ID: registrar.ID{Key: registrar.Key{Tenant: "default", Device: device}, Contact: device}, URI: uri, RegID: reg, Instance: "<urn:uuid:1>",
			Flow: registrar.Flow{Transport: transport, Remote: netip.MustParseAddrPort("192.0.2.99:41000"), Conn: 7}, Expires: time.Now().Add(time.Hour)}
		store.all = append(store.all, b)
	}
	add("browser", "sip:x@df7.invalid;transport=ws", "wss", 0)
	add("nat", "sip:x@10.0.0.7;transport=tcp", "tcp", 0)
	add("flow", "sip:x@192.0.2.99:5070;transport=tls;ob", "tls", 1)
	add("direct", "sip:x@192.0.2.99:5070;transport=tcp", "tcp", 0)
	add("natudp", "sip:x@10.0.0.7", "udp", 0)
	h := &house{}
	n := newStack(t, nil, "127.0.0.1", h, func(_ *Config, d *Deps) { d.Bindings = store })
	defer stop(t, n)
	for device, want := range map[string]string{"browser": "", "nat": "", "flow": "", "direct": "192.0.2.99:5070", "natudp": "192.0.2.99:41000"} {
		got := ""
		for _, c := range n.Contacts("default", device) {
			got = c.Addr.String()
			if c.Conn != 0 {
				t.Errorf("%s by connection %d of another process", device, c.Conn)
			}
		}
		if got != want {
			t.Errorf("%s at %q, want %q", device, got, want)
		}
	}
	for range 3 {
		select {
		case <-store.deleted:
		case <-time.After(10 * time.Second):
			t.Fatal("the dead bindings stay in the store")
		}
	}
	waitFor(t, "two devices up", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.up) == 2 })
}
