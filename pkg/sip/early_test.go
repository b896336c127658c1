package sip

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const earlyText = "INVITE sip:1000@127.0.0.1:5060 SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 10.0.0.9:5062;branch=z9hG4bK%s;rport\r\n" +
	"v: SIP/2.0/UDP 10.0.0.10;branch=z9hG4bKother\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: \"A\" <sip:a@x>;tag=1\r\n" +
	"t: <sip:1000@x>\r\n" +
	"Call-ID: %s@10.0.0.9\r\n" +
	"CSEQ: 1 INVITE\r\n" +
	"Contact: <sip:a@10.0.0.9:5062>\r\n" +
	"Content-Length: 0\r\n\r\n"

// earlyWire keeps what is sent.
type earlyWire struct{ sent []string }

func (w *earlyWire) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) { panic("not read here") }
func (w *earlyWire) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	w.sent = append(w.sent, string(b))
	return len(b), nil
}
func (w *earlyWire) Close() error { return nil }

// newEarlyBench is an early with one owner that takes limit calls a second.
func newEarlyBench(t testing.TB, limit float64) (*early, *earlyWire, time.Time) {
	s, err := New(Config{UserAgent: "test", Shards: 1, Listeners: []Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("10.0.0.2:5060")}}}, Deps{Accounts: &house{}, Handler: &house{}, Urgent: func(n string) bool { return n == "112" }})
	if err != nil {
		t.Fatal(err)
	}
	w := &earlyWire{}
	e := newEarly(&listener{s: s, proto: protoUDP, udp: w})
	s.shards[0].limit.Store(math.Float64bits(limit))
	return e, w, e.epoch
}

var earlyFrom = netip.MustParseAddrPort("10.0.0.1:40000")

// TestEarlyAnswersAsTheLongWay: byte for byte but for Retry-After, which is drawn.
func TestEarlyAnswersAsTheLongWay(t *testing.T) {
	e, w, at := newEarlyBench(t, 1e-9)
	text := fmt.Sprintf(earlyText, "1", "1")
	if !e.handled([]byte(text), earlyFrom, at.Add(time.Second)) {
		t.Fatal("taken")
	}
	s := e.l.s
	m, perr := parse(text, &s.cfg.Limits, false)
	if perr != nil {
		t.Fatal(perr)
	}
	stampVia(m.req.Via(), earlyFrom)
	s.answer(m.req, hop{l: e.l, remote: earlyFrom}, 503, "", s.retryAfter())
	for i := range w.sent {
		before, after, _ := strings.Cut(w.sent[i], "Retry-After: ")
		w.sent[i] = before + after[strings.Index(after, "\r\n"):]
	}
	if w.sent[0] != w.sent[1] {
		t.Errorf("early:\n%s\nthe long way:\n%s", w.sent[0], w.sent[1])
	}
	// Its ACK needs nobody; another's goes on.
	ack := strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK", "<sip:1000@x>", "<sip:1000@x>;tag="+tagOf(w.sent[0])).Replace(text)
	if !e.handled([]byte(ack), earlyFrom, at.Add(time.Second)) {
		t.Error("the ACK was passed on")
	}
	if e.handled([]byte(strings.Replace(ack, "bK1;", "bK2;", 1)), earlyFrom, at.Add(time.Second)) {
		t.Error("another's ACK was dropped")
	}
}

// TestEarlyKeepsItsWord: what was taken is taken and what was refused is refused when
// it comes again; as many pass as the owner takes and a quarter; all do once there is
// no limit.
func TestEarlyKeepsItsWord(t *testing.T) {
	e, _, at := newEarlyBench(t, 100)
	took := make([]bool, 20000)
	n := 0
	send := func(i int, at time.Time) bool {
		id := fmt.Sprint(i)
		return !e.handled([]byte(fmt.Sprintf(earlyText, id, id)), earlyFrom, at)
	}
	for i := range took { // 10 s at 2,000/s
		at = at.Add(500 * time.Microsecond)
		if took[i] = send(i, at); took[i] {
			n++
		}
		if i >= 1000 && send(i-1000, at) != took[i-1000] { // T1
			t.Fatalf("call %d: taken %v, then not", i-1000, took[i-1000])
		}
	}
	if n < 1240 || n > 1270 {
		t.Errorf("%d taken in 10 s, want 125 a second", n)
	}
	if got := e.l.s.shards[0].turnedAway.Load(); int(got) < len(took)-n {
		t.Errorf("the owner hears of %d refused, want %d and those sent again", got, len(took)-n)
	}
	e.l.s.shards[0].limit.Store(0)
	for i := range 1000 {
		if i += 19000; send(i, at) != took[i] {
			t.Errorf("call %d: taken %v, then not, when the rush is over", i, took[i])
		}
		if !send(30000+i, at) {
			t.Fatal("refused without a limit")
		}
	}
}

// TestEarlyLeavesAlone what is not plain or must pass.
func TestEarlyLeavesAlone(t *testing.T) {
	plain := fmt.Sprintf(earlyText, "1", "1")
	for name, r := range map[string][2]string{
		"emergency":          {"INVITE sip:1000@", "INVITE sip:112@"},
		"escaped emergency":  {"INVITE sip:1000@", "INVITE sip:1%312@"},
		"in a dialog":        {"<sip:1000@x>", "<sip:1000@x>;tag=7"},
		"no rport":           {";rport", ""},
		"rport with a value": {";rport", ";rport=7"},
		"rfc 2543 branch":    {"z9hG4bK1", "1"},
		"received by itself": {";rport", ";rport;received=1.2.3.4"},
		"two in one Via":     {";rport", ";rport, SIP/2.0/UDP h"},
		"folded":             {"Max-Forwards: 70\r\n", "Subject: a\r\n b\r\n"},
		"bare line feed":     {"Max-Forwards: 70\r\n", "Max-Forwards: 70\n"},
		"control character":  {"Max-Forwards: 70", "Subject: \x01"},
		"two From":           {"Max-Forwards: 70", "From: <sip:b@x>;tag=2"},
		"no To":              {"t: <sip", "Subject: <sip"},
		"CSeq of another":    {"1 INVITE", "1 BYE"},
		"Replaces":           {"Max-Forwards: 70", "Replaces: 1;to-tag=1;from-tag=1"},
		"without end":        {"Content-Length: 0\r\n\r\n", "Content-Length: 0\r\n"},
		"another method":     {"INVITE sip", "OPTIONS sip"},
		"tel":                {"INVITE sip:1000@127.0.0.1:5060", "INVITE tel:1000"},
		"other version":      {" SIP/2.0\r\nVia", " SIP/3.0\r\nVia"},
	} {
		e, w, at := newEarlyBench(t, 1e-9)
		text := strings.Replace(plain, r[0], r[1], 1)
		if text == plain {
			t.Fatalf("%s: nothing replaced", name)
		}
		if e.handled([]byte(text), earlyFrom, at.Add(time.Second)) || len(w.sent) > 0 {
			t.Errorf("%s: refused: %q", name, w.sent)
		}
	}
}

// FuzzEarly: whatever comes, an answer is one that its sender can read.
func FuzzEarly(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(earlyText, "1", "1")))
	f.Add([]byte(strings.ReplaceAll(fmt.Sprintf(earlyText, "1", "1"), "INVITE", "ACK")))
	f.Add([]byte("INVITE sip:@ SIP/2.0\r\n\r\n"))
	e, w, at := newEarlyBench(f, 1e-9)
	f.Fuzz(func(t *testing.T, b []byte) {
		w.sent = w.sent[:0]
		if !e.handled(b, earlyFrom, at.Add(time.Second)) || len(w.sent) == 0 {
			return
		}
		m, perr := parse(string(b), &e.l.s.cfg.Limits, false)
		if perr != nil || m.req == nil || m.req.To() == nil {
			return // a 400 it would have been
		}
		if r, perr := parse(w.sent[0], &e.l.s.cfg.Limits, false); perr != nil || r.res == nil || r.res.StatusCode != 503 {
			t.Errorf("%q was answered %q: %v", b, w.sent[0], perr)
		}
	})
}

func BenchmarkEarlyRefusal(b *testing.B) {
	e, w, at := newEarlyBench(b, 1e-9)
	text := []byte(fmt.Sprintf(earlyText, "1", "1"))
	b.ReportAllocs()
	for b.Loop() {
		e.handled(text, earlyFrom, at.Add(time.Second))
		w.sent = w.sent[:0]
	}
}
