package dialog

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// score plays one dialog in virtual time against a peer whose messages the test
// writes. What the machine does is noted in one line each:
//
//	INVITE 1 offer      a request, its CSeq and body
//	ACK 1 answer        CANCEL 1
//	200 inv answer      a response, the transaction and body
//	Answered sdp        an event for the user
//	terminate
//
// Timers are run, not noted.
type score struct {
	t        *testing.T
	d        *Dialog
	cfg      Config
	now      time.Duration
	timers   map[Timer]time.Duration
	got      []string
	sent     []*sip.Request
	reqs     map[TxKey]*sip.Request
	lastOK   *sip.Response
	lastText string
	over     bool
	ended    int
}

const (
	ourContact  = "sip:us@192.0.2.1:5060"
	peerContact = "sip:bob@198.51.100.7:5070"
)

func newScore(t *testing.T) *score {
	n := uint64(0)
	return &score{t: t, timers: map[Timer]time.Duration{}, reqs: map[TxKey]*sip.Request{},
		cfg: Config{UserAgent: "centrala", Rand: func() uint64 { n++; return n * 0x9e3779b97f4a7c15 }}}
}

func dial(t *testing.T, change func(*Invite)) *score {
	s := newScore(t)
	in := Invite{Target: "sip:bob@198.51.100.7", Contact: ourContact, From: Address{User: "1000", Host: "us.example"},
		To: Address{User: "bob", Host: "them.example"}, CallID: "c1", SDP: []byte("offer")}
	if change != nil {
		change(&in)
	}
	d, eff, err := NewUAC(s.cfg, time.Time{}, in)
	if err != nil {
		t.Fatal(err)
	}
	d.s.LocalCSeq -= d.s.Cli.CSeq - 1 // start at 1, for the reader
	d.s.Cli.CSeq = 1
	req := eff[0].(SendRequest).Request
	req.CSeq().SeqNo = 1
	s.d = d
	s.note(eff)
	return s
}

func incoming(t *testing.T, body string, hs ...string) *score {
	s := newScore(t)
	req := parseReq(t, "INVITE", 10, "", body, hs)
	s.reqs["inv"] = req
	d, eff := NewUAS(s.cfg, time.Time{}, ourContact, req, "inv")
	s.d = d
	s.note(eff)
	return s
}

func lines(hs []string) string {
	if len(hs) == 0 {
		return ""
	}
	return strings.Join(hs, "\r\n") + "\r\n"
}

func has(hs []string, name string) bool {
	for _, h := range hs {
		if strings.HasPrefix(h, name+":") {
			return true
		}
	}
	return false
}

// parseReq writes a request of the peer's; toTag is ours, "" for the first.
func parseReq(t testing.TB, method string, cseq int, toTag, body string, hs []string) *sip.Request {
	to := "<sip:1000@us.example>"
	if toTag != "" {
		to += ";tag=" + toTag
	}
	text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bK%s%d\r\nMax-Forwards: 70\r\n"+
		"To: %s\r\nCall-ID: c1\r\nCSeq: %d %s\r\n", method, ourContact, method, cseq, to, cseq, method)
	if !has(hs, "From") {
		text += "From: \"Bob\" <sip:bob@them.example>;tag=peer\r\n"
	}
	if !has(hs, "Contact") {
		text += "Contact: <" + peerContact + ">\r\n"
	}
	if body != "" && !has(hs, "Content-Type") {
		text += "Content-Type: application/sdp\r\n"
	}
	text += lines(hs) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	m, err := sip.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err, text)
	}
	return m.(*sip.Request)
}

func (s *score) note(eff []Effect) {
	for _, e := range eff {
		if s.over {
			s.t.Fatalf("effect after terminate: %#v", e)
		}
		switch e := e.(type) {
		case SendRequest:
			s.sent = append(s.sent, e.Request)
			s.add("%s %d %s", e.Request.Method, e.Request.CSeq().SeqNo, e.Request.Body())
		case SendACK:
			s.sent = append(s.sent, e.Request)
			s.add("ACK %d %s", e.Request.CSeq().SeqNo, e.Request.Body())
		case SendCancel:
			s.add("CANCEL %d", e.CSeq)
		case SendResponse:
			if s.reqs[e.Tx] != nil {
				s.lastOK, s.lastText = answerOf(s.t, &e, s.reqs[e.Tx]), string(e.Append(nil, s.reqs[e.Tx]))
			} else {
				s.t.Errorf("answer to unknown transaction %q", e.Tx)
			}
			s.add("%d %s %s", e.Code, e.Tx, e.Body)
		case SetTimer:
			if e.D < 0 {
				s.t.Errorf("timer %v in %v", e.Timer, e.D)
			}
			s.timers[e.Timer] = s.now + e.D
		case StopTimer:
			delete(s.timers, e.Timer)
		case Pass:
			if s.ended > 0 {
				s.t.Errorf("%T after Ended", e.Event)
			}
			if _, ok := e.Event.(Ended); ok {
				s.ended++
			}
			s.add("%s", event(e.Event))
		case Terminate:
			s.over = true
			s.timers = map[Timer]time.Duration{}
			s.add("terminate")
		case Fault:
			s.add("fault %s/%s", e.State, e.Event)
		}
	}
}

func event(e DialogEvent) string {
	v := reflect.ValueOf(e)
	out := v.Type().Name()
	for i := range v.NumField() {
		switch f := v.Field(i).Interface().(type) {
		case []byte:
			if f != nil {
				out += " " + string(f)
			}
		case int:
			if f != 0 {
				out += fmt.Sprint(" ", f)
			}
		case bool:
			if f {
				out += " " + v.Type().Field(i).Name
			}
		case string:
			if f != "" {
				out += " (" + f + ")"
			}
		case EndCause:
			out += " " + f.String()
		case []string:
			if len(f) > 0 {
				out += fmt.Sprint(" ", f)
			}
		}
	}
	return out
}

func (s *score) add(f string, a ...any) {
	s.got = append(s.got, strings.TrimSpace(fmt.Sprintf(f, a...)))
}

// do feeds events and expects lines.
func (s *score) do(ev Event, want ...string) {
	s.t.Helper()
	s.step(ev)
	s.want(want...)
}

func (s *score) step(ev Event) {
	// The state is data: a machine restored from JSON must go on the same.
	raw, err := json.Marshal(s.d.State())
	if err != nil {
		s.t.Fatal(err)
	}
	var st State
	if err := json.Unmarshal(raw, &st); err != nil {
		s.t.Fatal(err)
	}
	st.AuthPassword = s.d.s.AuthPassword
	s.d = Restore(s.cfg, st)
	s.note(s.d.Step(time.Time{}, ev))
}

func (s *score) want(want ...string) {
	s.t.Helper()
	if len(s.got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(s.got, want) {
		s.t.Fatalf("at %v\n got  %q\n want %q", s.now, s.got, want)
	}
	s.got = nil
}

// wait lets time pass and fires what falls due, noting the moment.
func (s *score) wait(d time.Duration, want ...string) {
	s.t.Helper()
	end := s.now + d
	for {
		next, due := Timer(0), time.Duration(-1)
		for tm, at := range s.timers {
			if at <= end && (due < 0 || at < due || at == due && tm < next) {
				next, due = tm, at
			}
		}
		if due < 0 {
			break
		}
		s.now = max(s.now, due)
		delete(s.timers, next)
		s.step(TimerFired{next})
	}
	s.now = end
	s.want(want...)
}

// req is a request of the peer's in the dialog.
func (s *score) req(method string, cseq int, tx TxKey, body string, hs ...string) RecvRequest {
	r := parseReq(s.t, method, cseq, s.d.LocalTag(), body, hs)
	if tx != "" {
		s.reqs[tx] = r
	}
	return RecvRequest{Request: r, Tx: tx}
}

// res is a response to our request with method and cseq; tag the peer's.
func (s *score) res(code int, method string, cseq int, tag, body string, hs ...string) RecvResponse {
	to := "<sip:bob@them.example>"
	if tag != "" {
		to += ";tag=" + tag
	}
	text := fmt.Sprintf("SIP/2.0 %d %s\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\nFrom: <sip:1000@us.example>;tag=%s\r\n"+
		"To: %s\r\nCall-ID: c1\r\nCSeq: %d %s\r\n", code, Phrase(code), s.d.LocalTag(), to, cseq, method)
	if code > 100 && !has(hs, "Contact") {
		text += "Contact: <" + peerContact + ">\r\n"
	}
	if body != "" {
		text += "Content-Type: application/sdp\r\n"
	}
	text += lines(hs) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	m, err := sip.ParseMessage([]byte(text))
	if err != nil {
		s.t.Fatal(err, text)
	}
	return RecvResponse{m.(*sip.Response)}
}

func (s *score) inv(code, cseq int, tag, body string, hs ...string) RecvResponse {
	return s.res(code, "INVITE", cseq, tag, body, hs...)
}

// last is the last request sent.
func (s *score) last() *sip.Request { return s.sent[len(s.sent)-1] }

func (s *score) header(name string) string {
	if h := s.last().GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}

// talk is an outgoing call that was answered; our next CSeq is 2, the peer's any.
func talk(t *testing.T, hs ...string) *score {
	s := dial(t, nil)
	s.want("INVITE 1 offer")
	s.do(s.inv(200, 1, "peer", "answer", hs...), "ACK 1", "Answered answer")
	return s
}

// talkIn is an incoming call that was answered and acknowledged; the peer's next CSeq is 11.
func talkIn(t *testing.T, hs ...string) *score {
	s := incoming(t, "offer", hs...)
	s.do(Accept{[]byte("answer")}, "200 inv answer")
	s.do(s.req("ACK", 10, "", ""), "Confirmed")
	return s
}
