package sip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/sip/digest"
)

const peerAddr = "192.0.2.99:5060"

// text makes a request as a plain phone would.
func text(method, branch, toTag string, cseq int, extra ...string) string {
	body := ""
	for i, e := range extra {
		if strings.HasPrefix(e, "v=0") {
			body, extra = e, append(extra[:i:i], extra[i+1:]...)
			extra = append(extra, "Content-Type: application/sdp")
			break
		}
	}
	to := "<sip:1000@192.0.2.1>"
	if toTag != "" {
		to += ";tag=" + toTag
	}
	m := fmt.Sprintf("%s sip:1000@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:user1@192.0.2.1>;tag=ft\r\nTo: %s\r\nCall-ID: call1@peer\r\nCSeq: %d %s\r\nContact: <sip:user1@%s>\r\n",
		method, peerAddr, branch, to, cseq, strings.Fields(method)[0], peerAddr)
	for _, e := range extra {
		m += e + "\r\n"
	}
	return m + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

func header(m, name string) string {
	for line := range strings.SplitSeq(m, "\r\n") {
		if n, v, ok := strings.Cut(line, ": "); ok && n == name {
			return v
		}
	}
	return ""
}

func tagOf(m string) string {
	_, tag, _ := strings.Cut(header(m, "To"), "tag=")
	return tag
}

// bench is a stack with one peer on a wire.
type bench struct {
	t  *testing.T
	n  *memNet
	s  *Stack
	h  *house
	w  *wire
	to netip.AddrPort
}

func run(t *testing.T, trunk bool, f func(b *bench), opts ...testOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, n: newMemNet(), h: &house{}}
		if trunk {
			b.h.trunks = map[netip.Addr]string{addr("192.0.2.99"): "north"}
		}
		b.s = newStack(t, b.n, "192.0.2.1", b.h, opts...)
		b.w, b.to = b.n.wire(t, peerAddr), b.s.LocalAddr("udp")
		f(b)
		stop(t, b.s)
		b.w.u.Close()
	})
}

func (b *bench) send(m string) { b.w.send(b.to, m) }

// want reads one message with this start and fails otherwise.
func (b *bench) want(start string) string {
	b.t.Helper()
	m := b.w.read(time.Minute)
	if !strings.HasPrefix(m, start) {
		b.t.Fatalf("got %q, want %q", m, start)
	}
	return m
}

// silence fails when something comes within d.
func (b *bench) silence(d time.Duration) {
	b.t.Helper()
	if m := b.w.read(d); m != "" {
		b.t.Fatalf("got %q, want silence", m)
	}
}

// empty checks that nothing is kept when all timers ran out.
func (b *bench) empty() {
	b.t.Helper()
	time.Sleep(3 * time.Minute)
	synctest.Wait()
	if d, x := b.s.dialogCount.Load(), b.s.txCount.Load(); d != 0 || x != 0 {
		b.t.Errorf("%d dialogs and %d transactions left", d, x)
	}
	for _, sh := range b.s.shards {
		if len(sh.txs)+len(sh.dialogs)+len(sh.calls)+len(sh.timers) != 0 {
			b.t.Errorf("shard keeps %d transactions, %d dialogs, %d calls, %d timers", len(sh.txs), len(sh.dialogs), len(sh.calls), len(sh.timers))
		}
	}
}

// TestTrying: 100 where nothing else can be said at once (RFC 3261 17.2.1), and none
// where it can.
func TestTrying(t *testing.T) {
	run(t, true, func(b *bench) {
		calls := make(chan *Dialog, 1)
		b.h.invite = func(in *Invitation) { calls <- in.Dialog }
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		if m := b.want("SIP/2.0 100"); tagOf(m) != "" {
			t.Errorf("a tag in %q", m)
		}
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		b.want("SIP/2.0 100")
		(<-calls).Reject(486, "")
		b.send(text("ACK", "a", tagOf(b.want("SIP/2.0 486")), 1))
		b.empty()
		e := newEvents()
		d, tag := b.talking(e) // 200 comes first
		// A re-INVITE that the user thinks about.
		b.send(text("INVITE", "re", tag, 2, string(sdpA)))
		b.want("SIP/2.0 100")
		next[RemoteOffer](t, e)
		d.Answer(sdpB)
		b.send(text("ACK", "re2", tagOf(b.want("SIP/2.0 200")), 2))
		b.send(text("BYE", "e", tag, 3))
		b.want("SIP/2.0 200")
		b.empty()
	})
}

func TestInviteAgain(t *testing.T) {
	run(t, true, func(b *bench) {
		calls := make(chan *Dialog, 8)
		b.h.invite = func(in *Invitation) { in.Dialog.Progress(180, nil); calls <- in.Dialog }
		inv := text("INVITE", "a", "", 1, string(sdpA))
		b.send(inv)
		first := b.want("SIP/2.0 180")
		b.send(inv)
		if again := b.want("SIP/2.0 180"); again != first {
			t.Errorf("again %q, first %q", again, first)
		}
		// The same call by another path (RFC 3261 8.2.2.2).
		b.send(text("INVITE", "fork", "", 1, string(sdpA)))
		b.want("SIP/2.0 482")
		d := <-calls
		if len(calls) != 0 {
			t.Error("two calls")
		}
		d.Reject(486, "")
		busy := b.want("SIP/2.0 486")
		time.Sleep(600 * time.Millisecond)
		if again := b.want("SIP/2.0 486"); again != busy { // timer G
			t.Error("another 486")
		}
		b.send(text("ACK", "a", tagOf(busy), 1))
		b.silence(40 * time.Second)
		b.empty()
	})
}

func TestUnackedOK(t *testing.T) {
	run(t, true, func(b *bench) {
		ev := newEvents()
		b.h.invite = func(in *Invitation) { in.Dialog.SetSink(ev.sink); in.Dialog.Accept(sdpB) }
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		start := time.Now()
		oks := 0
		for {
			m := b.w.read(time.Minute)
			if strings.HasPrefix(m, "BYE ") {
				break
			}
			if !strings.HasPrefix(m, "SIP/2.0 200") {
				t.Fatalf("got %q", m)
			}
			oks++
		}
		// RFC 3261 13.3.1.4: T1 doubling to T2, given up after 64*T1 = 32 s.
		if took := time.Since(start); took < 31*time.Second || took > 33*time.Second || oks < 10 || oks > 12 {
			t.Errorf("%d times 200 in %v", oks, took)
		}
		if e := next[Ended](t, ev); e.By != EndTimeout {
			t.Errorf("ended %+v", e)
		}
		b.empty()
	})
}

func TestCancel(t *testing.T) {
	run(t, true, func(b *bench) {
		ev := newEvents()
		var d *Dialog
		b.h.invite = func(in *Invitation) { d = in.Dialog; d.SetSink(ev.sink); d.Progress(180, nil) }
		b.send(text("CANCEL", "a", "", 1)) // before its INVITE
		b.want("SIP/2.0 481")
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		b.want("SIP/2.0 180")
		b.send(text("CANCEL", "a", "", 1))
		one, two := b.want("SIP/2.0 "), b.want("SIP/2.0 ")
		if code(one)+code(two) != "200487" && code(one)+code(two) != "487200" {
			t.Errorf("CANCEL got %q and %q", one, two)
		}
		if e := next[Ended](t, ev); e.By != EndCancelled {
			t.Errorf("ended %+v", e)
		}
		b.send(text("ACK", "a", tagOf(two), 1))
		d.Accept(sdpB) // too late: nothing happens
		b.silence(40 * time.Second)
		b.empty()
	})
}

// A CANCEL that crosses our 200: the call stands until the caller's BYE.
func TestCancelCrossesOK(t *testing.T) {
	run(t, true, func(b *bench) {
		ev := newEvents()
		b.h.invite = func(in *Invitation) { in.Dialog.SetSink(ev.sink); in.Dialog.Accept(sdpB) }
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		ok := b.want("SIP/2.0 200")
		b.send(text("CANCEL", "a", "", 1))
		if m := b.want("SIP/2.0 200"); !strings.Contains(m, "CSeq: 1 CANCEL") {
			t.Errorf("got %q", m)
		}
		b.send(text("ACK", "ack", tagOf(ok), 1))
		next[Confirmed](t, ev)
		bye := text("BYE", "bye", tagOf(ok), 2)
		b.send(bye)
		first := b.want("SIP/2.0 200")
		b.send(bye)
		if b.want("SIP/2.0 200") != first {
			t.Error("the BYE's answer changed")
		}
		if e := next[Ended](t, ev); e.By != EndRemote {
			t.Errorf("ended %+v", e)
		}
		b.empty()
	})
}

func TestDialCancelledAndTimedOut(t *testing.T) {
	run(t, true, func(b *bench) {
		ev := newEvents()
		dial := func(ring time.Duration) *Dialog {
			d, err := b.s.Dial(DialRequest{Target: target(t, "sip:7@"+peerAddr), SDP: sdpA, RingTimeout: ring}, ev.sink)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		answer := func(m string, code, tag string) {
			r := "SIP/2.0 " + code + " X\r\n"
			for _, n := range []string{"Via", "From", "Call-ID", "CSeq"} {
				r += n + ": " + header(m, n) + "\r\n"
			}
			b.send(r + "To: " + header(m, "To") + ";tag=" + tag + "\r\nContact: <sip:7@" + peerAddr + ">\r\nContent-Length: 0\r\n\r\n")
		}
		// CANCEL waits for a provisional (RFC 3261 9.1).
		d := dial(0)
		inv := b.want("INVITE sip:7@")
		d.End("changed my mind")
		b.silence(300 * time.Millisecond)
		answer(inv, "180", "p")
		can := b.want("CANCEL ")
		if header(can, "Via") != header(inv, "Via") || header(can, "CSeq") != "1 CANCEL" && !strings.HasSuffix(header(can, "CSeq"), " CANCEL") {
			t.Errorf("CANCEL %q", can)
		}
		answer(can, "200", "p")
		answer(inv, "487", "p")
		ack := b.want("ACK ")
		if header(ack, "Via") != header(inv, "Via") {
			t.Errorf("ACK %q", ack)
		}
		answer(inv, "487", "p") // our ACK was lost
		if b.want("ACK ") != ack {
			t.Error("another ACK")
		}
		for len(ev.ch) > 0 {
			<-ev.ch
		}
		// Nobody at home: CANCEL after the ring time.
		dial(20 * time.Second)
		inv = b.want("INVITE ")
		answer(inv, "180", "q")
		start := time.Now()
		can = b.want("CANCEL ")
		if took := time.Since(start).Round(time.Second); took != 20*time.Second {
			t.Errorf("rang %v", took)
		}
		answer(can, "200", "q")
		answer(inv, "487", "q")
		b.want("ACK ")
		next[Progressed](t, ev)
		if f := next[Failed](t, ev); !f.Timeout && f.Code != 408 && f.Code != 487 {
			t.Errorf("failed %+v", f)
		}
		next[Ended](t, ev)
		// Nobody there at all: timer B.
		start = time.Now()
		dial(0)
		if f := next[Failed](t, ev); !f.Timeout || time.Since(start).Round(time.Second) != 32*time.Second {
			t.Errorf("failed %+v after %v", f, time.Since(start))
		}
		next[Ended](t, ev)
		for b.w.read(time.Second) != "" {
		}
		b.empty()
	})
}

func TestDialUnreachable(t *testing.T) {
	run(t, true, func(b *bench) {
		for _, uri := range []string{"sip:7@no-such-host.example", "sip:7@192.0.2.77;transport=tcp", "sip:7@[2001:db8::1]"} {
			ev := newEvents()
			if _, err := b.s.Dial(DialRequest{Target: target(t, uri), SDP: sdpA}, ev.sink); err != nil {
				t.Fatal(err)
			}
			if f := next[Failed](t, ev); f.Code != 503 {
				t.Errorf("%s: %+v", uri, f)
			}
			next[Ended](t, ev)
		}
		b.n.host["phone.example"] = addr("192.0.2.99")
		ev := newEvents()
		d, err := b.s.Dial(DialRequest{Target: target(t, "sip:7@phone.example"), SDP: sdpA}, ev.sink)
		if err != nil {
			t.Fatal(err)
		}
		b.want("INVITE sip:7@phone.example")
		d.End("")
		b.empty()
	})
}

// credentials answers the challenge of a 401.
func credentials(t *testing.T, m, user, password, method, uri string, alg digest.Algorithm, nc uint32) string {
	t.Helper()
	for line := range strings.SplitSeq(m, "\r\n") {
		if v, ok := strings.CutPrefix(line, "WWW-Authenticate: "); ok {
			c, err := digest.ParseChallenge(v)
			if err != nil {
				t.Fatal(err)
			}
			if c.Algorithm == alg {
				return "Authorization: " + c.Answer(user, password, method, uri, "cn", nc)
			}
		}
	}
	t.Fatalf("no %v challenge in %q", alg, m)
	return ""
}

func register(user, branch string, cseq int, extra ...string) string {
	m := strings.Replace(text("REGISTER", branch, "", cseq, extra...), "REGISTER sip:1000@192.0.2.1", "REGISTER sip:192.0.2.1", 1)
	return strings.ReplaceAll(m, "<sip:1000@192.0.2.1>", "<sip:"+user+"@192.0.2.1>")
}

func TestRegister(t *testing.T) {
	for _, alg := range []digest.Algorithm{digest.MD5, digest.SHA256} {
		t.Run(alg.String(), func(t *testing.T) {
			run(t, false, func(b *bench) {
				b.send(register("user1", "a", 1))
				ch := b.want("SIP/2.0 401")
				if b.s.txCount.Load() != 0 {
					t.Error("a stranger made a transaction")
				}
				good := register("user1", "b", 2, credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", alg, 1), "Expires: 120")
				b.send(good)
				ok := b.want("SIP/2.0 200")
				if c := header(ok, "Contact"); !strings.Contains(c, "sip:user1@"+peerAddr) || !strings.Contains(c, "expires=120") {
					t.Errorf("Contact %q", c)
				}
				b.send(good) // its answer was lost
				if b.want("SIP/2.0 200") != ok {
					t.Error("another answer")
				}
				cs := b.s.Contacts("default", "user1")
				if len(cs) != 1 || cs[0].Addr.String() != peerAddr || cs[0].Transport != "udp" {
					t.Errorf("contacts %+v", cs)
				}
				// Replayed credentials with another branch: the count was seen.
				b.send(register("user1", "c", 3, credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", alg, 1)))
				if m := b.want("SIP/2.0 401"); !strings.Contains(m, "stale=true") {
					t.Errorf("replay got %q", m)
				}
				// One may not register another.
				b.send(register("user2", "d", 4, credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", alg, 2)))
				b.want("SIP/2.0 403")
				time.Sleep(3 * time.Minute)
				if cs := b.s.Contacts("default", "user1"); len(cs) != 0 {
					t.Errorf("after its end: %+v", cs)
				}
				b.h.mu.Lock()
				if got := strings.Join(b.h.up, " "); got != "+user1 -user1" {
					t.Errorf("presence %q", got)
				}
				b.h.mu.Unlock()
			})
		})
	}
}

// A device calls with its digest; a stranger gets no further than 401.
func TestInviteAuthenticated(t *testing.T) {
	run(t, false, func(b *bench) {
		got := make(chan *Invitation, 1)
		b.h.invite = func(in *Invitation) { got <- in; in.Dialog.Reject(404, "") }
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		ch := b.want("SIP/2.0 401")
		b.send(text("ACK", "a", tagOf(ch), 1))
		b.silence(time.Second)
		if b.s.dialogCount.Load()+b.s.txCount.Load() != 0 {
			t.Error("a stranger left something behind")
		}
		// Made for another number: not taken.
		b.send(text("INVITE", "x", "", 2, credentials(t, ch, "user1", "secret1", "INVITE", "sip:2000@192.0.2.1", digest.SHA256, 1), string(sdpA)))
		b.want("SIP/2.0 401")
		b.send(text("INVITE", "b", "", 2, credentials(t, ch, "user1", "secret1", "INVITE", "sip:1000@192.0.2.1", digest.SHA256, 1), string(sdpA)))
		end := b.want("SIP/2.0 404")
		b.send(text("ACK", "b", tagOf(end), 2))
		if in := <-got; in.Kind != IdentityDevice || in.Name != "user1" || in.Dialled != "1000" {
			t.Errorf("%+v", in)
		}
		b.empty()
	})
}

// Wrong passwords: the source is slowed, its neighbour who proved itself is not.
func TestBrake(t *testing.T) {
	run(t, false, func(b *bench) {
		i := 0
		try := func(user, password string) string {
			i++
			b.send(register(user, fmt.Sprint("n", i), 10*i))
			ch := b.want("SIP/2.0 401")
			b.send(register(user, fmt.Sprint("m", i), 10*i+1, credentials(t, ch, user, password, "REGISTER", "sip:192.0.2.1", digest.MD5, 1)))
			return code(b.w.read(100 * time.Millisecond))
		}
		if c := try("user7", "secret7"); c != "200" {
			t.Fatalf("right password: %q", c)
		}
		for k := range brakeUser {
			if c := try("user1", "guess"); c != "401" {
				t.Fatalf("guess %d: %q", k, c)
			}
		}
		if c := try("user1", "secret1"); c != "" {
			t.Errorf("braked, yet %q", c)
		}
		if c := try("user7", "secret7"); c != "200" {
			t.Errorf("the neighbour: %q", c)
		}
		time.Sleep(2 * time.Second)
		if c := try("user1", "secret1"); c != "200" {
			t.Errorf("after the pause: %q", c)
		}
		for k := range 40 {
			try(fmt.Sprint("nobody", k), "x")
		}
		if c := try("user2", "secret2"); c != "" {
			t.Errorf("source braked, yet %q", c)
		}
		if c := try("user7", "secret7"); c != "200" {
			t.Errorf("the neighbour: %q", c)
		}
	})
}

func TestDrainAndCaps(t *testing.T) {
	run(t, true, func(b *bench) {
		b.h.invite = func(in *Invitation) { in.Dialog.Progress(180, nil) }
		b.s.Drain(true)
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		if m := b.want("SIP/2.0 503"); header(m, "Retry-After") == "" {
			t.Errorf("got %q", m)
		}
		b.send(text("OPTIONS", "b", "", 1))
		b.want("SIP/2.0 503")
		b.s.Drain(false)
		b.send(text("OPTIONS", "c", "", 1))
		if m := b.want("SIP/2.0 200"); header(m, "Allow") == "" || header(m, "Accept") == "" || header(m, "Supported") == "" {
			t.Errorf("got %q", m)
		}
		for i := range 3 {
			m := strings.Replace(text("INVITE", fmt.Sprint("d", i), "", 1, string(sdpA)), "call1@", fmt.Sprint("call", i, "@"), 1)
			b.send(m)
			if i < 2 {
				b.want("SIP/2.0 180")
			} else if m := b.want("SIP/2.0 503"); header(m, "Retry-After") == "" {
				t.Errorf("got %q", m)
			}
		}
		b.send(text("BYE", "e", "nobody", 1))
		b.want("SIP/2.0 481")
		b.send(text("NOTIFY", "f", "", 1))
		if m := b.want("SIP/2.0 489"); header(m, "Allow-Events") == "" {
			t.Errorf("got %q", m)
		}
		b.send(text("NOTIFY", "f2", "", 1, "Event: presence", "Subscription-State: active"))
		b.want("SIP/2.0 481")
		b.send(text("REFER", "f3", "", 1, "Refer-To: <sip:200@192.0.2.1>"))
		b.want("SIP/2.0 403")
		b.send(text("BYE", "f4", "nobody", 1, "Replaces: a;to-tag=1;from-tag=2"))
		b.want("SIP/2.0 400") // RFC 3891 3
		b.send(text("MESSAGE", "f5", "", 1))
		if m := b.want("SIP/2.0 405"); header(m, "Allow") == "" {
			t.Errorf("got %q", m)
		}
		b.send(strings.Replace(text("INVITE", "g", "", 1), "Max-Forwards: 70", "Max-Forwards: 0", 1))
		b.want("SIP/2.0 483")
		b.send(strings.Replace(text("OPTIONS", "h", "", 1), "sip:1000@", "sip:"+strings.Repeat("1", 3000)+"@", 1))
		b.want("SIP/2.0 414")
	}, func(c *Config, _ *Deps) { c.Limits.MaxDialogs = 2 })
}
