package dialog

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Two machines talk over a network that delays and reorders everything, and
// loses what the transaction layer does not repeat: 1xx, 2xx to INVITE and ACK.
// Half of the calls use 100rel, with offers and answers in 183, PRACK and UPDATE
// before the call is answered. Their users answer, re-offer, send INFO, transfer
// and hang up at random. Whatever happens: no fault, no time-out, one Ended each,
// every request answered once, both machines end; and after a quiet time both
// sides hold the same session.
func TestPairs(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 300
	}
	quiet := 0
	seen := map[string]int{}
	for seed := range n {
		p := newPair(t, uint64(seed))
		p.run()
		if p.agreed {
			quiet++
		}
		for k := range p.seen {
			seen[k]++
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%s", seed, strings.Join(p.log, "\n"))
		}
	}
	if quiet < n/4 {
		t.Errorf("only %d of %d runs reached a quiet call: the test tests little", quiet, n)
	}
	for what, least := range map[string]int{"PRACK": n / 4, "PRACK with answer": n / 50, "UPDATE early": n / 50, "UPDATE early by b": n / 100, "REFER": n / 10, "NOTIFY after the end": n / 100} {
		if seen[what] < least {
			t.Errorf("%s in %d of %d runs only", what, seen[what], n)
		}
	}
}

type side struct {
	name   string
	d      *Dialog
	timers [numTimers]int // generation, 0 = not running
	gen    int
	reqs   map[TxKey]*sip.Request
	sent   map[uint32]*sip.Request // INVITEs by CSeq, for CANCEL
	offers int
	ended  bool
	over   bool
	early  bool          // has given or got its first answer reliably
	finals map[TxKey]int // final answers but 2xx to INVITE
}

type moment struct {
	at time.Duration
	n  int
	f  func()
}

type moments []moment

func (m moments) Len() int { return len(m) }
func (m moments) Less(i, j int) bool {
	return m[i].at < m[j].at || m[i].at == m[j].at && m[i].n < m[j].n
}
func (m moments) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *moments) Push(x any)   { *m = append(*m, x.(moment)) }
func (m *moments) Pop() any     { o := *m; x := o[len(o)-1]; *m = o[:len(o)-1]; return x }

type pair struct {
	t      *testing.T
	rnd    *rand.Rand
	cfg    Config
	now    time.Duration
	queue  moments
	n, tx  int
	a, b   *side
	log    []string
	agreed bool
	rel    bool
	seen   map[string]bool
}

func newPair(t *testing.T, seed uint64) *pair {
	p := &pair{t: t, rnd: rand.New(rand.NewPCG(seed, 9)), seen: map[string]bool{}}
	p.cfg = Config{Rand: p.rnd.Uint64, Reliable: p.chance(50)}
	p.rel = p.cfg.Reliable
	p.a = &side{finals: map[TxKey]int{}, name: "a", reqs: map[TxKey]*sip.Request{}, sent: map[uint32]*sip.Request{}}
	p.b = &side{finals: map[TxKey]int{}, name: "b", reqs: map[TxKey]*sip.Request{}, sent: map[uint32]*sip.Request{}}
	return p
}

func (p *pair) note(f string, a ...any) {
	p.log = append(p.log, fmt.Sprintf("%8.3f ", p.now.Seconds())+fmt.Sprintf(f, a...))
}

func (p *pair) after(d time.Duration, f func()) {
	p.n++
	heap.Push(&p.queue, moment{p.now + d, p.n, f})
}

func (p *pair) chance(percent int) bool { return p.rnd.IntN(100) < percent }

// delay is a network's: mostly short, at times long enough to reorder anything.
func (p *pair) delay() time.Duration {
	d := time.Duration(1+p.rnd.IntN(150)) * time.Millisecond
	if p.chance(10) {
		d += time.Duration(p.rnd.IntN(3000)) * time.Millisecond
	}
	return d
}

func (p *pair) think() time.Duration { return time.Duration(p.rnd.IntN(3000)) * time.Millisecond }

func (s *side) offer() []byte {
	s.offers++
	return []byte(fmt.Sprintf("%s%d", s.name, s.offers))
}

func (p *pair) other(s *side) *side {
	if s == p.a {
		return p.b
	}
	return p.a
}

func (p *pair) run() {
	in := Invite{Target: "sip:b@192.0.2.2", Contact: "sip:a@192.0.2.1", From: Address{User: "a", Host: "h"}, To: Address{User: "b", Host: "h"}}
	if p.chance(70) {
		in.SDP = p.a.offer()
	}
	d, eff, err := NewUAC(p.cfg, time.Time{}, in)
	if err != nil {
		p.t.Fatal(err)
	}
	p.a.d = d
	p.carry(p.a, eff)
	for range p.rnd.IntN(6) { // commands in the first 20 s
		s := p.a
		if p.chance(50) {
			s = p.b
		}
		p.after(time.Duration(p.rnd.IntN(20000))*time.Millisecond, func() {
			switch r := p.rnd.IntN(10); {
			case r < 5:
				p.step(s, Reoffer{s.offer()})
			case r < 7:
				p.step(s, Reoffer{nil})
			case r == 8 && s.d != nil && s.d.Phase() == Established:
				// A machine that can be referred cannot refer: this is a user's REFER.
				s.d.request(sip.REFER, "", nil, []Header{{"Refer-To", "<sip:c@h>"}, {"Contact", "<sip:x@h>"}})
				p.carry(s, s.d.take())
			case r < 9:
				p.step(s, Info{"application/dtmf-relay", []byte("Signal=1")})
			case p.chance(40):
				p.step(s, End{})
			}
		})
	}
	p.after(100*time.Second, p.compare)
	p.after(100*time.Second, func() {
		if p.chance(70) {
			p.step(p.a, End{})
		}
		if p.chance(70) {
			p.step(p.b, End{})
		}
	})
	p.after(101*time.Second, func() { p.step(p.a, End{}); p.step(p.b, End{}) })
	for len(p.queue) > 0 && p.now < 10*time.Minute {
		m := heap.Pop(&p.queue).(moment)
		p.now = m.at
		m.f()
	}
	for _, s := range []*side{p.a, p.b} {
		if s.d != nil && (!s.ended || !s.over) {
			p.t.Errorf("%s: ended %v, terminated %v, %v", s.name, s.ended, s.over, s.d.Phase())
		}
	}
}

func (p *pair) compare() {
	if p.b.d == nil || p.a.over || p.b.over || p.a.ended || p.b.ended {
		return
	}
	a, b := p.a.d.State(), p.b.d.State()
	if a.Phase != Established || b.Phase != Established {
		p.t.Errorf("after 80 s of quiet: %v and %v", a.Phase, b.Phase)
		return
	}
	for _, s := range []State{a, b} {
		if len(s.Out) > 0 || s.Refer != nil && s.Refer.Tx != "" {
			p.t.Errorf("after 80 s of quiet a request is open: %+v", s)
		}
		if s.Cli != nil || s.Srv != nil || s.Upd != nil || s.Queued != nil || s.Next != nil || s.Glare {
			p.t.Errorf("after 80 s of quiet something is open: %+v", s)
		}
	}
	if string(a.LocalSDP) != string(b.RemoteSDP) || string(b.LocalSDP) != string(a.RemoteSDP) {
		p.t.Errorf("a holds %s/%s, b %s/%s", a.LocalSDP, a.RemoteSDP, b.LocalSDP, b.RemoteSDP)
	}
	p.agreed = true
}

func (p *pair) step(s *side, ev Event) {
	if s.d == nil || s.over {
		return
	}
	p.note("%s <- %s", s.name, brief(ev))
	p.carry(s, s.d.Step(time.Time{}, ev))
}

func brief(ev Event) string {
	switch e := ev.(type) {
	case RecvRequest:
		return fmt.Sprintf("%s %d %s", e.Request.Method, e.Request.CSeq().SeqNo, e.Request.Body())
	case RecvResponse:
		return fmt.Sprintf("%d to %s %s", e.Response.StatusCode, e.Response.CSeq().Value(), e.Response.Body())
	}
	return fmt.Sprintf("%T%s", ev, ev)
}

// wire prints and parses, as a network does.
// answerOf is a response as its peer reads it.
func answerOf(t *testing.T, e *SendResponse, req *sip.Request) *sip.Response {
	t.Helper()
	text := e.Append(nil, req)
	m, err := sip.ParseMessage(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m.(*sip.Response)
}

func reread[T sip.Message](p *pair, m T) T {
	out, err := sip.ParseMessage([]byte(m.String()))
	if err != nil {
		p.t.Fatalf("%v\n%s", err, m)
	}
	return out.(T)
}

func (p *pair) carry(s *side, eff []Effect) {
	o := p.other(s)
	for _, e := range eff {
		if s.over {
			p.t.Errorf("%s: %T after Terminate", s.name, e)
		}
		switch e := e.(type) {
		case SendRequest:
			p.tx++
			e.Request.PrependHeader(&sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: s.name,
				Params: sip.HeaderParams{{K: "branch", V: fmt.Sprint("z9hG4bK", p.tx)}}})
			switch m := e.Request.Method; {
			case m == sip.INVITE:
				s.sent[e.Request.CSeq().SeqNo] = e.Request
			case m == sip.UPDATE && len(e.Request.Body()) > 0 && s.d.Phase() < Established:
				p.seen["UPDATE early"] = true
				if s == p.b {
					p.seen["UPDATE early by b"] = true
				}
			case m == sip.NOTIFY && s.ended:
				p.seen["NOTIFY after the end"] = true
			case m == sip.PRACK && len(e.Request.Body()) > 0:
				p.seen["PRACK with answer"] = true
			}
			p.seen[string(e.Request.Method)] = true
			p.request(s, o, reread(p, e.Request))
		case SendCancel:
			p.tx++
			p.request(s, o, reread(p, CancelFor(s.sent[e.CSeq], e.Headers)))
		case SendACK:
			if req := reread(p, e.Request); !p.chance(15) {
				p.after(p.delay(), func() { p.step(o, RecvRequest{Request: req}) })
			}
		case SendResponse:
			req := s.reqs[e.Tx]
			if req == nil {
				p.t.Fatalf("%s answers %q, which nobody asked", s.name, e.Tx)
			}
			if req.Method == sip.NOTIFY && p.chance(80) {
				e.Code, e.Reason = 200, "OK" // a referrer knows its subscription
			}
			res := answerOf(p.t, &e, req)
			if e.Code >= 300 || e.Code >= 200 && req.Method != sip.INVITE {
				if s.finals[e.Tx]++; s.finals[e.Tx] > 1 {
					p.t.Errorf("%s: second final %d to %s", s.name, e.Code, req.Method)
				}
			}
			if req.Method == sip.CANCEL || p.chance(15) && req.Method == sip.INVITE && e.Code < 300 {
				continue
			}
			p.after(p.delay(), func() { p.step(o, RecvResponse{res}) })
		case SetTimer:
			s.gen++
			gen := s.gen
			s.timers[e.Timer] = gen
			p.after(e.D, func() {
				if !s.over && s.timers[e.Timer] == gen {
					s.timers[e.Timer] = 0
					p.step(s, TimerFired{e.Timer})
				}
			})
		case StopTimer:
			s.timers[e.Timer] = 0
		case Pass:
			p.note("%s -> %s", s.name, event(e.Event))
			p.user(s, e.Event)
		case Terminate:
			s.over = true
			p.note("%s over", s.name)
		case Fault:
			p.t.Errorf("%s: %+v", s.name, e)
		}
	}
}

func (p *pair) request(from, to *side, req *sip.Request) {
	tx := TxKey(fmt.Sprint(p.tx))
	p.after(p.delay(), func() {
		to.reqs[tx] = req
		switch {
		case to.over: // what the stack answers for a dialog it does not know
			code := 481
			if req.Method == sip.NOTIFY && p.chance(80) {
				code = 200
			}
			res := answerOf(p.t, &SendResponse{Tx: tx, Code: code, Reason: Phrase(code)}, req)
			p.after(p.delay(), func() { p.step(from, RecvResponse{res}) })
		case to.d == nil && req.Method == sip.INVITE:
			d, eff := NewUAS(p.cfg, time.Time{}, "sip:b@192.0.2.2", req, tx)
			to.d = d
			p.note("b <- INVITE %s", req.Body())
			p.carry(to, eff)
			p.ring(to, req)
		case to.d == nil: // CANCEL overtook its INVITE, and is repeated by its transaction
			p.request(from, to, req)
		default:
			p.step(to, RecvRequest{Request: req, Tx: tx})
		}
	})
}

// ring is the called user.
func (p *pair) ring(s *side, req *sip.Request) {
	if p.chance(60) {
		p.after(p.think()/4, func() {
			if s.d.Phase() == Incoming {
				p.step(s, Progress{180, nil})
			}
		})
	}
	if p.rel {
		answer := []byte("to-" + string(req.Body()))
		if len(req.Body()) == 0 {
			answer = s.offer()
		}
		s.early = true
		p.after(p.think()/4, func() {
			if s.d.Phase() == Incoming {
				p.step(s, Progress{183, answer})
			}
		})
		for _, who := range []*side{p.a, s} {
			if p.chance(40) {
				p.after(p.think(), func() {
					if f := who.d.Phase(); f == Incoming || f == Proceeding {
						p.step(who, Reoffer{who.offer()})
					}
				})
			}
		}
	}
	p.after(p.think(), func() {
		switch {
		case s.over || s.d.Phase() != Incoming:
		case p.chance(5):
			p.step(s, Reject{Code: 486})
		case s.early && s.d.s.ProgressSDP != nil:
			p.step(s, Accept{nil})
		case len(req.Body()) == 0:
			p.step(s, Accept{s.offer()})
		default:
			p.step(s, Accept{[]byte("to-" + string(req.Body()))})
		}
	})
}

// user reacts to what the dialog says; an answer names the offer it answers.
func (p *pair) user(s *side, ev DialogEvent) {
	if s.ended {
		p.t.Errorf("%s: %T after Ended", s.name, ev)
	}
	answers := func(sdp []byte) {
		if sdp != nil && !strings.HasPrefix(string(sdp), "to-"+s.name) {
			p.t.Errorf("%s got %q for an answer", s.name, sdp)
		}
	}
	reply := func(sdp []byte) {
		answer := []byte("to-" + string(sdp))
		if sdp == nil {
			answer = s.offer()
		}
		f := func() { p.step(s, Answer{answer}) }
		if p.chance(50) {
			// After this Step: a user may not call back from inside an event.
			p.after(0, f)
		} else {
			p.after(p.think(), f)
		}
	}
	switch e := ev.(type) {
	case Ended:
		s.ended = true
		if e.By == EndTimeout { // the losses are within what retransmissions mend
			p.t.Errorf("%s: %+v", s.name, e)
		}
	case Progressed:
		if e.NeedAnswer {
			reply(e.SDP)
		} else if e.SDP != nil {
			answers(e.SDP)
		}
	case Referred:
		switch r := p.rnd.IntN(4); r {
		case 0: // forgotten
		case 1:
			p.after(p.think(), func() { p.step(s, RefuseRefer{403}) })
		default:
			p.after(p.think(), func() {
				p.step(s, AcceptRefer{})
				p.after(p.think(), func() { p.step(s, NotifyRefer{180, ""}) })
				if r == 3 {
					p.after(2*p.think(), func() { p.step(s, NotifyRefer{200, ""}) })
				}
				if p.chance(50) { // the referrer hangs up behind the 202
					p.after(p.think()/2, func() { p.step(p.other(s), End{}) })
				}
			})
		}
	case RemoteOffer:
		if p.chance(15) {
			p.after(0, func() { p.step(s, RefuseOffer{488}) })
			return
		}
		reply(e.SDP)
	case Answered:
		if e.NeedAnswer {
			reply(e.SDP)
		} else {
			answers(e.SDP)
		}
	case ReofferAnswered:
		if e.NeedAnswer {
			reply(e.SDP)
		} else {
			answers(e.SDP)
		}
	case Confirmed:
		answers(e.SDP)
	}
}
