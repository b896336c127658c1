package sip

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/centrala/centrala/pkg/sip/digest"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv("SIP_HALF_OPEN"); spec != "" {
		halfOpen(spec)
		return
	}
	goleak.VerifyTestMain(m)
}

// house is the handler, accounts and trunks of a test.
type house struct {
	mu     sync.Mutex
	invite func(*Invitation)
	trunks map[netip.Addr]string
	up     []string
	realm  string
}

func (h *house) Invite(in *Invitation) {
	h.mu.Lock()
	f := h.invite
	h.mu.Unlock()
	if f == nil {
		in.Dialog.Reject(404, "")
		return
	}
	f(in)
}

func (h *house) Registered(tenant, device string, up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up = append(h.up, map[bool]string{true: "+", false: "-"}[up]+device)
}

func (h *house) Account(user, domain string) (Account, bool) {
	if len(user) < 4 || user[:4] != "user" {
		return Account{}, false
	}
	pw := "secret" + user[4:]
	return Account{Tenant: "default", Device: user, Username: user,
		HA1MD5: digest.HA1(digest.MD5, user, "centrala", pw), HA1SHA256: digest.HA1(digest.SHA256, user, "centrala", pw)}, true
}

func (h *house) MatchTrunk(src netip.AddrPort) (string, string, bool) {
	name, ok := h.trunks[src.Addr()]
	return "default", name, ok
}

// events collects what a sink is told.
type events struct {
	ch chan DialogEvent
}

func newEvents() *events              { return &events{make(chan DialogEvent, 256)} }
func (e *events) sink(ev DialogEvent) { e.ch <- ev }
func next[T DialogEvent](t *testing.T, e *events) T {
	t.Helper()
	select {
	case ev := <-e.ch:
		v, ok := ev.(T)
		if !ok {
			var want T
			t.Fatalf("event %T %+v, want %T", ev, ev, want)
		}
		return v
	case <-time.After(5 * time.Minute):
		var want T
		t.Fatalf("no event, want %T", want)
	}
	panic("unreachable")
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

type testOption func(*Config, *Deps)

// newStack starts a stack on ip, by UDP and TCP; Stop is the test's.
func newStack(t testing.TB, n network, ip string, h *house, opts ...testOption) *Stack {
	t.Helper()
	a := netip.AddrPortFrom(addr(ip), 0)
	if n != nil {
		a = netip.AddrPortFrom(addr(ip), 5060)
	}
	cfg := Config{Listeners: []Listener{{Transport: "udp", Addr: a}, {Transport: "tcp", Addr: a}}, UserAgent: "Centrala", Shards: 2}
	cfg.net = n
	d := Deps{Accounts: h, Trunks: h, Handler: h}
	if os.Getenv("SIP_LOG") != "" {
		d.Log = zaptest.NewLogger(t)
	}
	for _, o := range opts {
		o(&cfg, &d)
	}
	s, err := New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, ss ...*Stack) {
	t.Helper()
	for _, s := range ss {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		cancel()
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("second stop: %v", err)
		}
	}
}

func target(t *testing.T, s string) Target {
	t.Helper()
	tg, err := ParseTarget(s)
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

var sdpA, sdpB = []byte("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"),
	[]byte("v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n")

// callThrough runs a whole call from a to b with a re-INVITE each way and the
// given side hanging up.
func callThrough(t *testing.T, a, b *Stack, hb *house, uri string, callerEnds bool) {
	t.Helper()
	in := newEvents()
	invited := make(chan *Invitation, 1)
	hb.mu.Lock()
	hb.invite = func(inv *Invitation) {
		inv.Dialog.SetSink(in.sink)
		inv.Dialog.Progress(180, nil)
		invited <- inv
	}
	hb.mu.Unlock()
	out := newEvents()
	da, err := a.Dial(DialRequest{Target: target(t, uri), From: Address{Display: "An \"na\"", User: "100"}, SDP: sdpA, Headers: []Header{{Name: "X-Trace-ID", Value: "t1"}}}, out.sink)
	if err != nil {
		t.Fatal(err)
	}
	inv := <-invited
	if inv.Dialled != "1000" || string(inv.SDP) != string(sdpA) || inv.From.User != "100" || inv.From.Display != "An \"na\"" || inv.Kind != IdentityTrunk || inv.Name != "north" || inv.Trace != "t1" {
		t.Errorf("invitation %+v", inv)
	}
	if inv.SIPCallID != da.SIPCallID() {
		t.Errorf("Call-ID %q and %q", inv.SIPCallID, da.SIPCallID())
	}
	if p := next[Progressed](t, out); p.Code != 180 {
		t.Errorf("progress %d", p.Code)
	}
	inv.Dialog.Accept(sdpB)
	if ans := next[Answered](t, out); string(ans.SDP) != string(sdpB) {
		t.Errorf("answer %q", ans.SDP)
	}
	next[Confirmed](t, in)

	da.Reoffer(sdpA)
	if r := next[RemoteOffer](t, in); string(r.SDP) != string(sdpA) {
		t.Errorf("re-offer %q", r.SDP)
	}
	inv.Dialog.Answer(sdpB)
	if r := next[ReofferAnswered](t, out); string(r.SDP) != string(sdpB) {
		t.Errorf("re-answer %q", r.SDP)
	}
	inv.Dialog.Reoffer(sdpB)
	next[RemoteOffer](t, out)
	da.RefuseOffer(488)
	if f := next[ReofferFailed](t, in); f.Code != 488 {
		t.Errorf("refused with %d", f.Code)
	}
	inv.Dialog.Info("application/dtmf-relay", []byte("Signal=5\r\nDuration=160\r\n"))
	if i := next[InfoReceived](t, out); i.ContentType != "application/dtmf-relay" {
		t.Errorf("info %+v", i)
	}
	if callerEnds {
		da.End("bye")
	} else {
		inv.Dialog.End("bye")
	}
	ea, eb := next[Ended](t, out), next[Ended](t, in)
	if callerEnds && (ea.By != EndLocal || eb.By != EndRemote) || !callerEnds && (ea.By != EndRemote || eb.By != EndLocal) {
		t.Errorf("ended by %v and %v", ea.By, eb.By)
	}
}

// TestCallLoopback is the whole road over real sockets.
func TestCallLoopback(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			ha, hb := &house{}, &house{trunks: map[netip.Addr]string{addr("127.0.0.1"): "north"}}
			a, b := newStack(t, nil, "127.0.0.1", ha), newStack(t, nil, "127.0.0.1", hb)
			defer stop(t, a, b)
			uri := "sip:1000@" + b.LocalAddr(proto).String() + ";transport=" + proto
			callThrough(t, a, b, hb, uri, true)
			callThrough(t, a, b, hb, uri, false)
			if n := a.dialogCount.Load() + b.dialogCount.Load(); n != 0 {
				time.Sleep(50 * time.Millisecond) // the last BYE's answer
				if n := a.dialogCount.Load() + b.dialogCount.Load(); n != 0 {
					t.Errorf("%d dialogs left", n)
				}
			}
		})
	}
}

// TestCallWithLoss: every third datagram is lost, both ways, and the call works.
func TestCallWithLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		var mu sync.Mutex
		count := 0
		lost := map[string]int{} // the same datagram is lost at most three times, so that the test cannot fail by chance
		n.lose = func(_, _ netip.AddrPort, b []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			count++
			if lost[string(b)] >= 3 || sha256.Sum256([]byte{byte(count), byte(count >> 8)})[0] >= 85 {
				return false
			}
			lost[string(b)]++
			return true
		}
		ha, hb := &house{}, &house{trunks: map[netip.Addr]string{addr("192.0.2.1"): "north"}}
		a, b := newStack(t, n, "192.0.2.1", ha), newStack(t, n, "192.0.2.2", hb)
		for i := range 10 {
			callThrough(t, a, b, hb, "sip:1000@192.0.2.2", i%2 == 0)
		}
		time.Sleep(2 * time.Minute)
		if n := a.dialogCount.Load() + b.dialogCount.Load(); n != 0 {
			t.Errorf("%d dialogs left", n)
		}
		if n := a.txCount.Load() + b.txCount.Load(); n != 0 {
			t.Errorf("%d transactions left", n)
		}
		stop(t, a, b)
	})
}
