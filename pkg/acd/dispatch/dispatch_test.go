package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/agent"
	"github.com/centrala/centrala/pkg/event"
)

// paper is a journal in memory that several may write.
type paper struct {
	mu     sync.Mutex
	events []event.Event
}

func (p *paper) Append(e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
}
func (p *paper) Sync() error { return nil }

func (p *paper) kinds(callID string) (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.CallID == callID {
			out = append(out, e.Body.Kind())
		}
	}
	return out
}

// shelf keeps agent states in memory; fail makes it refuse that many times.
type shelf struct {
	mu    sync.Mutex
	kept  map[string]agent.Saved
	fail  int
	saves int
}

func (s *shelf) LoadAgentStates(context.Context, string) ([]agent.Saved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []agent.Saved
	for _, a := range s.kept {
		out = append(out, a)
	}
	return out, nil
}

func (s *shelf) SaveAgentStates(_ context.Context, tenant string, states []agent.Saved) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tenant != "acme" {
		return errors.New("wrong tenant")
	}
	s.saves++
	if s.fail > 0 {
		s.fail--
		return errors.New("disk full")
	}
	if s.kept == nil {
		s.kept = map[string]agent.Saved{}
	}
	for _, a := range states {
		s.kept[a.Agent] = a
	}
	return nil
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves
}

func (s *shelf) word(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.kept[name]
	return strings.TrimSpace(a.State.String() + " " + a.Reason)
}

func config(names ...string) acd.Configure {
	c := acd.Configure{Queues: []acd.Queue{{Name: "sales", AnnounceFirst: -1, Members: []acd.Member{{Agent: "*"}}}}}
	for _, n := range names {
		c.Agents = append(c.Agents, acd.Agent{Name: n, Device: n})
	}
	return c
}

func start(t *testing.T, cfg Config) *Dispatcher {
	t.Helper()
	cfg.Tenant = "acme"
	if cfg.Journal == nil {
		cfg.Journal = &paper{}
	}
	d := New(cfg)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func stop(t *testing.T, d *Dispatcher) {
	t.Helper()
	for range 2 { // twice is once
		if err := d.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// ear collects what a call is told.
type ear struct {
	mu    sync.Mutex
	words []acd.Effect
}

func (e *ear) sink(f acd.Effect) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.words = append(e.words, f)
}

func (e *ear) heard() []acd.Effect {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.words)
}

func (e *ear) last() acd.Effect { h := e.heard(); return h[len(h)-1] }

func (e *ear) kinds() (out []string) {
	for _, f := range e.heard() {
		out = append(out, strings.TrimPrefix(fmt.Sprintf("%T", f), "acd."))
	}
	return out
}

func (e *ear) offer() (o acd.Offer) {
	for _, f := range e.heard() {
		if x, ok := f.(acd.Offer); ok {
			o = x
		}
	}
	return o
}

func TestCallThroughTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &paper{}
		d := start(t, Config{Journal: j})
		d.Post(config("ana"))
		d.Post(acd.LogIn{Agent: "ana", By: acd.ByPhone})
		var e ear
		d.Attach("c1", e.sink)
		d.Post(acd.Enter{CallID: "c1", Queue: "sales"})
		synctest.Wait()
		id := e.offer().OfferID
		d.Post(acd.OfferRinging{OfferID: id})
		time.Sleep(3 * time.Second)
		d.Post(acd.OfferAccepted{OfferID: id})
		synctest.Wait()
		d.Detach("c1")
		stop(t, d)
		if got, want := e.kinds(), []string{"Joined", "Offer", "LeftQueue"}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
		if got, want := j.kinds("c1"), []string{"queue.entered", "acd.decision", "offer.made", "offer.ended", "queue.left"}; !slices.Equal(got, want) {
			t.Errorf("journal %v, want %v", got, want)
		}
		if got := len(j.kinds("")); got != 4 { // ready, reserved, ringing, on_call
			t.Errorf("%d agent events", got)
		}
		for _, ev := range j.events {
			if ev.Tenant != "acme" || ev.At.IsZero() {
				t.Errorf("envelope %+v", ev)
			}
			if l, ok := ev.Body.(event.QueueLeft); ok && (l.WaitMs != 3000 || l.Agent != "ana") {
				t.Errorf("%+v", l)
			}
		}
	})
}

func TestDeadlinesPassWithoutAnyEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, Config{})
		d.Post(config("ana"))
		d.Post(acd.LogIn{Agent: "ana"})
		var e ear
		d.Attach("c1", e.sink)
		d.Post(acd.Enter{CallID: "c1", Queue: "sales"})
		synctest.Wait()
		d.Post(acd.OfferRinging{OfferID: e.offer().OfferID})
		synctest.Wait()
		begun := time.Now()
		time.Sleep(20*time.Second - time.Nanosecond)
		synctest.Wait()
		if len(e.heard()) != 2 {
			t.Fatalf("too early: %v", e.kinds())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if w, ok := e.last().(acd.WithdrawOffer); !ok || w.Why != acd.CauseNoAnswer || time.Since(begun) != 20*time.Second {
			t.Fatalf("%v after %s", e.kinds(), time.Since(begun))
		}
		stop(t, d)
		if l, ok := e.last().(acd.LeftQueue); !ok || l.Outcome != acd.LeftShutdown {
			t.Fatalf("at the end: %+v", e.last())
		}
	})
}

func TestLogInsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{fail: 2} // the disk is full for a while
		d := start(t, Config{AgentStates: s})
		d.Post(config("ana", "bob", "cid"))
		for _, a := range []string{"ana", "bob", "cid"} {
			d.Post(acd.LogIn{Agent: a})
		}
		d.Post(acd.SetNotReady{Agent: "bob", Reason: "lunch"})
		d.Post(acd.LogOut{Agent: "cid"})
		time.Sleep(3 * time.Second) // two refusals, then it is taken
		synctest.Wait()
		if got := s.word("ana") + ", " + s.word("bob") + ", " + s.word("cid"); got != "ready, not_ready lunch, offline" {
			t.Fatalf("saved %s", got)
		}
		// Calls change nothing that survives.
		saves := s.count()
		var e ear
		d.Attach("c1", e.sink)
		d.Post(acd.Enter{CallID: "c1", Queue: "sales"})
		synctest.Wait()
		d.Post(acd.OfferAccepted{OfferID: e.offer().OfferID})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s.count() != saves {
			t.Fatalf("a call was saved %d times", s.count()-saves)
		}
		d.Post(acd.SetNotReady{Agent: "ana", Reason: "tea"}) // after the call, which the restart ends
		stop(t, d)

		d = start(t, Config{AgentStates: s})
		d.Post(config("ana", "bob", "cid"))
		snap, err := d.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range snap.Agents {
			got = append(got, a.Name, a.State.String(), a.Reason)
		}
		if want := "ana ready  bob not_ready lunch cid offline "; strings.Join(got, " ") != want {
			t.Fatalf("restored %q, want %q", strings.Join(got, " "), want)
		}
		stop(t, d)
	})
}

func TestAskTellsTheVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, Config{})
		d.Post(config("ana"))
		for _, c := range []struct {
			ev   acd.Event
			want error
		}{
			{acd.SetReady{Agent: "ana"}, ErrNotLoggedIn},
			{acd.LogIn{Agent: "ghost"}, acd.ErrUnknownAgent},
			{acd.LogIn{Agent: "ana"}, nil},
			{acd.WrapUpDone{Agent: "ana"}, nil},
		} {
			if err := d.Ask(t.Context(), c.ev); !errors.Is(err, c.want) {
				t.Errorf("%T: %v, want %v", c.ev, err, c.want)
			}
		}
		stop(t, d)
		if err := d.Ask(t.Context(), acd.Tick{}); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
		d.Post(acd.Tick{}) // must not hang
		idle := New(Config{Tenant: "idle", Journal: &paper{}})
		if _, err := idle.Snapshot(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("before the start: %v", err)
		}
		stop(t, idle)
	})
}

// TestFullMailbox: a stuck journal holds the engine up; Post waits, Ask gives
// up with its context, and nothing is lost when the journal comes back.
func TestFullMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &stuck{gate: make(chan struct{})}
		d := start(t, Config{Journal: j, Mailbox: 2})
		d.Post(config("ana"))
		synctest.Wait()
		go d.Post(acd.LogIn{Agent: "ana"}) // sticks in the journal
		synctest.Wait()
		d.Post(acd.Tick{})
		d.Post(acd.Tick{})
		var posted atomic.Bool
		go func() { d.Post(acd.SetNotReady{Agent: "ana", Reason: "lunch"}); posted.Store(true) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Ask(ctx, acd.Tick{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ask: %v", err)
		}
		if posted.Load() {
			t.Error("posted into a full mailbox")
		}
		close(j.gate)
		synctest.Wait()
		s, err := d.Snapshot(t.Context())
		if err != nil || !posted.Load() || s.Agents[0].Reason != "lunch" {
			t.Errorf("%v %v %+v", err, posted.Load(), s.Agents)
		}
		stop(t, d)
	})
}

type stuck struct{ gate chan struct{} }

func (s *stuck) Append(event.Event) { <-s.gate }
func (s *stuck) Sync() error        { return nil }

func TestOfferForACallWithoutOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, Config{})
		d.Post(config("ana"))
		d.Post(acd.LogIn{Agent: "ana"})
		d.Post(acd.Enter{CallID: "orphan", Queue: "sales"})
		s, _ := d.Snapshot(t.Context())
		if s.Agents[0].State != agent.Ready || s.Queues[0].Waiting != 0 {
			t.Fatalf("%+v", s)
		}
		// A call that goes without a word is taken out by Detach.
		var e ear
		d.Attach("c1", e.sink)
		d.Post(acd.Enter{CallID: "c1", Queue: "sales"})
		d.Detach("c1")
		s, _ = d.Snapshot(t.Context())
		if s.Agents[0].State != agent.Ready || s.Queues[0].Waiting != 0 {
			t.Fatalf("%+v", s)
		}
		stop(t, d)
	})
}

// TestManyPosters: calls on many goroutines, each told its own effects in order.
func TestManyPosters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, Config{Mailbox: 4})
		names := make([]string, 10)
		for i := range names {
			names[i] = fmt.Sprint("a", i)
		}
		d.Post(config(names...))
		for _, n := range names {
			d.Post(acd.LogIn{Agent: n})
		}
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				id := fmt.Sprint("c", i)
				box := make(chan acd.Effect, 16)
				d.Attach(id, func(f acd.Effect) { box <- f })
				d.Post(acd.Enter{CallID: id, Queue: "sales"})
				if _, ok := (<-box).(acd.Joined); !ok {
					t.Error("first word is not Joined")
				}
				o, ok := (<-box).(acd.Offer)
				if !ok {
					t.Errorf("second word is not Offer")
					return
				}
				d.Post(acd.OfferAccepted{OfferID: o.OfferID})
				if l, ok := (<-box).(acd.LeftQueue); !ok || l.Agent != o.Agent {
					t.Errorf("third word: %+v", l)
				}
				time.Sleep(time.Second)
				d.Post(acd.CallEnded{Agent: o.Agent, CallID: id})
				d.Detach(id)
			})
		}
		all.Wait()
		s, _ := d.Snapshot(t.Context())
		if s.Queues[0].Free != 10 || s.Queues[0].Waiting != 0 {
			t.Fatalf("%+v", s.Queues)
		}
		stop(t, d)
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		d := start(t, Config{Registerer: reg})
		d.Post(config("ana", "bob"))
		d.Post(acd.LogIn{Agent: "ana"})
		var e ear
		for _, id := range []string{"c1", "c2"} {
			d.Attach(id, e.sink)
			d.Post(acd.Enter{CallID: id, Queue: "sales"})
			synctest.Wait()
		}
		time.Sleep(7 * time.Second)
		d.Post(acd.OfferAccepted{OfferID: e.offer().OfferID})
		synctest.Wait()
		want := `
# HELP centrala_agents Agents of a queue by state; an agent in several queues counts in each.
# TYPE centrala_agents gauge
centrala_agents{queue="sales",state="not_ready",tenant="acme"} 0
centrala_agents{queue="sales",state="offline",tenant="acme"} 1
centrala_agents{queue="sales",state="on_call",tenant="acme"} 1
centrala_agents{queue="sales",state="ready",tenant="acme"} 0
centrala_agents{queue="sales",state="reserved",tenant="acme"} 0
centrala_agents{queue="sales",state="ringing",tenant="acme"} 0
centrala_agents{queue="sales",state="unreachable",tenant="acme"} 0
centrala_agents{queue="sales",state="wrap_up",tenant="acme"} 0
# HELP centrala_queue_answered_total Callers answered by an agent, within the queue's service level or not.
# TYPE centrala_queue_answered_total counter
centrala_queue_answered_total{in_sl="no",queue="sales",tenant="acme"} 0
centrala_queue_answered_total{in_sl="yes",queue="sales",tenant="acme"} 1
# HELP centrala_queue_joined_total Callers who got into a queue.
# TYPE centrala_queue_joined_total counter
centrala_queue_joined_total{queue="sales",tenant="acme"} 2
# HELP centrala_queue_oldest_wait_seconds How long the caller waiting longest has waited; 0 = nobody waits.
# TYPE centrala_queue_oldest_wait_seconds gauge
centrala_queue_oldest_wait_seconds{queue="sales",tenant="acme"} 7
# HELP centrala_queue_waiting Callers in a queue, those being offered included.
# TYPE centrala_queue_waiting gauge
centrala_queue_waiting{queue="sales",tenant="acme"} 1
# HELP centrala_queue_left_total Callers who left a queue or were refused, by reason.
# TYPE centrala_queue_left_total counter
centrala_queue_left_total{queue="sales",reason="abandoned",tenant="acme"} 0
centrala_queue_left_total{queue="sales",reason="answered",tenant="acme"} 1
centrala_queue_left_total{queue="sales",reason="callback",tenant="acme"} 0
centrala_queue_left_total{queue="sales",reason="empty",tenant="acme"} 0
centrala_queue_left_total{queue="sales",reason="error",tenant="acme"} 0
centrala_queue_left_total{queue="sales",reason="full",tenant="acme"} 0
centrala_queue_left_total{queue="sales",reason="key",tenant="acme"} 0
centrala_queue_left_total{queue="sales",reason="overflow",tenant="acme"} 0
centrala_queue_left_total{queue="sales",reason="shutdown",tenant="acme"} 0
centrala_queue_left_total{queue="sales",reason="timeout",tenant="acme"} 0
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "centrala_agents", "centrala_queue_answered_total",
			"centrala_queue_joined_total", "centrala_queue_oldest_wait_seconds", "centrala_queue_waiting", "centrala_queue_left_total"); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Error(err, problems)
		}
		stop(t, d)
		// The tenant may start again on the same registry.
		d = start(t, Config{Registerer: reg})
		stop(t, d)
	})
}

// TestScrapesKeepTheOrder: what is posted after a scrape is taken in the order of
// posting; the scrape is counted in and out of the mailbox.
func TestScrapesKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		d := New(Config{Tenant: "acme", Journal: &paper{}, Registerer: reg})
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer stop(t, d)
		for range 3 {
			if _, err := reg.Gather(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := d.queue.Load(); n != 0 {
			t.Errorf("%d messages are counted in an empty mailbox", n)
		}
	})
}
