package acd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A score plays events on virtual time and looks at what comes out.
//
//	s := newScore(t, cfg)
//	s.at("0s", enter("anna", "sales"))
//	s.want("offer anna bob")
//
// After each step the audit must find nothing, and every offer's id is known
// by its caller: ring("anna"), accept("anna"), fail("anna", CauseBusy).
type score struct {
	t       *testing.T
	e       *Engine
	start   time.Time
	now     time.Time
	out     []Effect
	offerOf map[string]string
	stale   map[string]string // the last offer, also when over
	tries   map[string]string // callback -> the call of its last offer
	faulty  bool              // faults are expected
}

var noon = time.Date(2026, 10, 25, 0, 59, 0, 0, time.UTC) // a minute before a DST change in Bucharest

func newScore(t *testing.T, queues []Queue, agents []Agent) *score {
	return newScoreWith(t, Config{}, queues, agents)
}

func newScoreWith(t *testing.T, cfg Config, queues []Queue, agents []Agent) *score {
	t.Helper()
	s := &score{t: t, e: New(cfg), start: noon, now: noon, offerOf: map[string]string{}, stale: map[string]string{}, tries: map[string]string{}}
	s.at("0s", Configure{Queues: queues, Agents: agents})
	s.out = nil
	return s
}

// at moves the clock to start+when, stopping at each deadline on the way as
// the dispatcher does, and then plays events. Effects since the last at are
// what want looks at.
func (s *score) at(when string, evs ...any) {
	s.t.Helper()
	d, err := time.ParseDuration(when)
	if err != nil {
		s.t.Fatal(err)
	}
	s.out = nil
	to := s.start.Add(d)
	if to.Before(s.now) {
		s.t.Fatalf("at %s: the score runs backwards", when)
	}
	for {
		next, ok := s.e.NextDeadline()
		if !ok || !next.Before(to) {
			break
		}
		if next.Before(s.now) {
			s.t.Fatalf("deadline %s lies before now", next.Sub(s.start))
		}
		s.now = next
		s.step(Tick{})
	}
	s.now = to
	if len(evs) == 0 {
		s.step(Tick{})
	}
	for _, ev := range evs {
		switch ev := ev.(type) {
		case Event:
			s.step(ev)
		case func(*score) Event:
			s.step(ev(s))
		default:
			s.t.Fatalf("not an event: %T", ev)
		}
	}
}

func (s *score) step(ev Event) {
	s.t.Helper()
	for _, f := range s.e.Step(s.now, ev) {
		s.out = append(s.out, f)
		switch f := f.(type) {
		case Offer:
			s.offerOf[f.CallID], s.stale[f.CallID] = f.OfferID, f.OfferID
			if f.Callback != "" { // scores name it by a star and the call that asked
				s.offerOf["*"+f.Callback], s.stale["*"+f.Callback], s.tries[f.Callback] = f.OfferID, f.OfferID, f.CallID
			}
		case OfferEnded:
			delete(s.offerOf, f.CallID)
		case Fault:
			if !s.faulty {
				s.t.Fatalf("fault %s: %s", f.Rule, f.Detail)
			}
		}
	}
	if b := Audit(s.e); len(b) > 0 {
		s.t.Fatalf("at %s after %T %+v: %v", s.now.Sub(s.start), ev, ev, b)
	}
}

// say writes an effect shortly; "" = not part of scores.
func say(f Effect) string {
	switch f := f.(type) {
	case Offer:
		if f.Callback != "" {
			return fmt.Sprintf("offer *%s %s", f.Callback, f.Agent)
		}
		return fmt.Sprintf("offer %s %s", f.CallID, f.Agent)
	case WithdrawOffer:
		return fmt.Sprintf("withdraw %s %s %s", f.CallID, f.Agent, f.Why)
	case OfferEnded:
		return fmt.Sprintf("ended %s %s %s %s", f.CallID, f.Agent, f.Outcome, f.Ring)
	case Joined:
		if f.Callback != "" {
			return fmt.Sprintf("joined *%s %s %d", f.Callback, f.Queue, f.Position)
		}
		return fmt.Sprintf("joined %s %s %d", f.CallID, f.Queue, f.Position)
	case Refused:
		return fmt.Sprintf("refused %s %s %s", f.CallID, f.Queue, f.Outcome)
	case LeftQueue:
		if f.Callback != "" {
			return fmt.Sprintf("left *%s %s %s %s", f.Callback, f.Queue, f.Outcome, f.Wait)
		}
		return fmt.Sprintf("left %s %s %s %s", f.CallID, f.Queue, f.Outcome, f.Wait)
	case Announce:
		return fmt.Sprintf("announce %s %d", f.CallID, f.Position)
	case AgentChanged:
		r := ""
		if f.Reason != "" {
			r = " " + f.Reason
		}
		return fmt.Sprintf("agent %s %s %s%s", f.Agent, f.From, f.To, r)
	case Decided:
		return fmt.Sprintf("decided %s %q %v", f.CallID, f.Agent, f.Excluded)
	case Assigned:
		return fmt.Sprintf("assigned %s %s %s", f.CallID, f.Agent, f.How)
	case PriorityChanged:
		return fmt.Sprintf("priority %s %d %d", f.CallID, f.To, f.Position)
	case CallbackTaken:
		return fmt.Sprintf("taken %s %s %d", f.CallID, f.Number, f.Position)
	case CallbackRefused:
		return fmt.Sprintf("refused %s %s %s", f.CallID, f.Queue, f.Why)
	case CallbackTried:
		return fmt.Sprintf("tried %s %s %d %s", f.CallID, f.Agent, f.Try, f.Outcome)
	case CallbackOver:
		return fmt.Sprintf("over %s %s %d", f.CallID, f.Outcome, f.Tries)
	case Fault:
		return fmt.Sprintf("fault %s", f.Rule)
	}
	return fmt.Sprintf("%T", f)
}

// want checks that the effects of the kinds named in lines are exactly lines,
// each kind in order. Kinds that are not named are not looked at. No lines: nothing of
// the kinds a caller or phone notices may have come.
func (s *score) want(lines ...string) {
	s.t.Helper()
	kinds := map[string]bool{}
	for _, l := range lines {
		kinds[strings.Fields(l)[0]] = true
	}
	if len(lines) == 0 {
		for _, k := range []string{"offer", "withdraw", "joined", "refused", "left", "announce"} {
			kinds[k] = true
		}
	}
	var got []string
	for _, f := range s.out {
		if l := say(f); kinds[strings.Fields(l)[0]] {
			got = append(got, l)
		}
	}
	byKind := func(a, b string) int { return strings.Compare(strings.Fields(a)[0], strings.Fields(b)[0]) }
	lines = slices.Clone(lines)
	slices.SortStableFunc(got, byKind)
	slices.SortStableFunc(lines, byKind)
	if strings.Join(got, "\n") != strings.Join(lines, "\n") {
		s.t.Fatalf("at %s:\n got: %s\nwant: %s", s.now.Sub(s.start), strings.Join(got, "\n      "), strings.Join(lines, "\n      "))
	}
}

// none checks that no effect of a kind came.
func (s *score) none(kinds ...string) {
	s.t.Helper()
	for _, f := range s.out {
		for _, k := range kinds {
			if l := say(f); strings.Fields(l)[0] == k {
				s.t.Fatalf("at %s: unexpected %s", s.now.Sub(s.start), l)
			}
		}
	}
}

func enter(call, queue string) Event { return Enter{CallID: call, Queue: queue} }
func login(a string) Event           { return LogIn{Agent: a, By: ByPhone} }
func logout(a string) Event          { return LogOut{Agent: a, By: ByPhone} }
func ready(a string) Event           { return SetReady{Agent: a, By: ByPhone} }
func pause(a, why string) Event      { return SetNotReady{Agent: a, Reason: why, By: ByPhone} }
func leave(call string) Event        { return Leave{CallID: call} }

func ring(call string) func(*score) Event {
	return func(s *score) Event { return OfferRinging{s.id(call)} }
}
func accept(call string) func(*score) Event {
	return func(s *score) Event { return OfferAccepted{s.id(call)} }
}
func fail(call, cause string) func(*score) Event {
	return func(s *score) Event { return OfferFailed{s.id(call), cause} }
}

func (s *score) id(call string) string {
	if id := s.offerOf[call]; id != "" {
		return id
	}
	return s.stale[call]
}

func sales(change ...func(*Queue)) []Queue {
	q := Queue{Name: "sales", Members: []Member{{Agent: "*"}}, AnnounceFirst: -1}
	for _, f := range change {
		f(&q)
	}
	return []Queue{q}
}

func people(names ...string) []Agent {
	var out []Agent
	for _, n := range names {
		out = append(out, Agent{Name: n, Device: n + "-phone"})
	}
	return out
}
