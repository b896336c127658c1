package sip

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/sip/digest"
)

// BenchmarkRegister is a REGISTER with digest and its answer, without the kernel.
func BenchmarkRegister(b *testing.B) {
	n := newMemNet()
	h := &house{}
	acc, _ := h.Account("user1", "")
	s := newBenchStack(b, n, &fixed{h, acc})
	u, _, _ := n.listenUDP(netip.MustParseAddrPort(peerAddr), false)
	w := u.(*memUDP)
	to := s.LocalAddr("udp")
	ask := func(m string) string {
		_, _ = w.WriteToUDPAddrPort([]byte(m), to)
		return string((<-w.in).b)
	}
	var c digest.Challenge
	for line := range strings.SplitSeq(ask(register("user1", "a", 1)), "\r\n") {
		if v, ok := strings.CutPrefix(line, "WWW-Authenticate: "); ok {
			c, _ = digest.ParseChallenge(v)
		}
	}
	texts := make([]string, b.N)
	for i := range texts {
		texts[i] = register("user1", "b"+strconv.Itoa(i), i+2, "Authorization: "+c.Answer("user1", "secret1", "REGISTER", "sip:192.0.2.1", "cn", uint32(i+1)))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, m := range texts {
		if got := ask(m); code(got) != "200" {
			b.Fatalf("got %q", got)
		}
	}
}

// BenchmarkCall is INVITE, 180, 200, ACK, BYE and 200 between two stacks.
func BenchmarkCall(b *testing.B) {
	n := newMemNet()
	hb := &house{trunks: map[netip.Addr]string{addr("192.0.2.1"): "north"}}
	hb.invite = func(in *Invitation) { in.Dialog.Progress(180, nil); in.Dialog.Accept(sdpB) }
	a := newBenchStack(b, n, &house{})
	cfg := Config{Listeners: []Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("192.0.2.2:5060")}}, net: n}
	s, err := New(cfg, Deps{Accounts: hb, Trunks: hb, Handler: hb})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Stop(b.Context()) })
	tg, _ := ParseTarget("sip:1000@192.0.2.2")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		up, down := make(chan struct{}), make(chan struct{})
		d, err := a.Dial(DialRequest{Target: tg, SDP: sdpA}, func(ev DialogEvent) {
			switch ev.(type) {
			case Answered:
				close(up)
			case Ended:
				close(down)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		<-up
		d.End("")
		<-down
	}
}

func BenchmarkParse(b *testing.B) {
	m := text("INVITE", "a", "", 1, string(sdpA))
	lim := Limits{}.WithDefaults()
	b.ReportAllocs()
	for range b.N {
		if _, err := parse(m, &lim, false); err != nil {
			b.Fatal(err)
		}
	}
}

type fixed struct {
	*house
	acc Account
}

func (f *fixed) Account(string, string) (Account, bool) { return f.acc, true }

func newBenchStack(b *testing.B, n *memNet, h interface {
	Accounts
	Handler
}) *Stack {
	b.Helper()
	s, err := New(Config{Listeners: []Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("192.0.2.1:5060")}}, net: n,
		Limits: Limits{MaxTransactions: 1 << 30}}, Deps{Accounts: h, Handler: h})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Stop(b.Context()) })
	return s
}
