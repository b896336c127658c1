package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// memory is a journal and what hooks keep.
type memory struct {
	mu     sync.Mutex
	events []event.Event
	next   chan struct{}
	short  bool // nothing is in memory: Since sends to the file
	states map[string]State
	dead   []Dead
}

func (m *memory) add(tenant string, b event.Body) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, event.Event{Seq: uint64(len(m.events) + 1), At: time.Unix(1, 0).UTC(), Tenant: tenant, CallID: "c", Body: b})
	if m.next != nil {
		close(m.next)
		m.next = nil
	}
}

func (m *memory) Committed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		m.next = make(chan struct{})
	}
	return m.next
}

func (m *memory) Newest() uint64 { m.mu.Lock(); defer m.mu.Unlock(); return uint64(len(m.events)) }

func (m *memory) Since(from uint64, n int) ([]event.Event, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from > uint64(len(m.events)) {
		return nil, true
	}
	if m.short {
		return nil, false
	}
	return slices.Clone(m.events[from-1 : min(len(m.events), int(from)-1+n)]), true
}

func (m *memory) Records(_ context.Context, tenant string, from, to uint64, n int) (out []event.Record, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.events {
		if e.Tenant == tenant && e.Seq >= from && e.Seq <= to && len(out) < n {
			r, err := event.Encode(e)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
	}
	return out, nil
}

func (m *memory) LoadHooks(context.Context) (out []State, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.states {
		out = append(out, s)
	}
	return out, nil
}

func (m *memory) SaveHook(_ context.Context, s State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states[s.Name] = s
	return nil
}

func (m *memory) AddDead(_ context.Context, _, _ string, d Dead) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = append(m.dead, d)
	return nil
}

func (m *memory) DropDead(_ context.Context, _, _ string, seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = slices.DeleteFunc(m.dead, func(d Dead) bool { return d.Seq == seq })
	return nil
}

func (m *memory) DeadLetters(context.Context, string, string) ([]Dead, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.dead), nil
}

// receiver answers as it is told and remembers what came.
type receiver struct {
	mu     sync.Mutex
	status int
	err    error
	got    []string // ids
	at     []time.Time
}

func (r *receiver) send(_ context.Context, _ string, h map[string]string, _ []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got, r.at = append(r.got, h["webhook-id"]), append(r.at, time.Now())
	return r.status, r.err
}

func (r *receiver) set(status int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.err = status, err
}

func (r *receiver) ids() []string { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.got) }

var crm = Hook{Tenant: "acme", Name: "crm", URL: "https://crm.example/in", Kinds: []string{"call.*"}, Secrets: []string{"s"}}

func within(t *testing.T, test func(t *testing.T, m *memory, rec *receiver, r *Runner)) {
	synctest.Test(t, func(t *testing.T) {
		m, rec := &memory{states: map[string]State{}}, &receiver{status: 200}
		r, err := New(t.Context(), Config{}, m, rec.send)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Stop(context.Background())
		test(t, m, rec, r)
	})
}

// What a hook wants comes in order and once; what it does not want, and other
// companies', never; whether it is read from memory or from the file.
func TestEventsComeInOrder(t *testing.T) {
	for _, short := range []bool{false, true} {
		within(t, func(t *testing.T, m *memory, rec *receiver, r *Runner) {
			m.short = short
			m.add("acme", event.CallStarted{}) // before there was a hook
			r.Set([]Hook{crm})
			synctest.Wait()
			var want []string
			for i := range 1500 {
				switch i % 3 {
				case 0:
					m.add("acme", event.CallStarted{})
					want = append(want, fmt.Sprintf("msg_crm_%d", i+2))
				case 1:
					m.add("other", event.CallStarted{})
				default:
					m.add("acme", event.LegRinging{})
				}
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := rec.ids(); !slices.Equal(got, want) {
				t.Errorf("in memory %v: %d came, want %d", !short, len(got), len(want))
			}
			r.Set(nil)
			synctest.Wait()
			m.add("acme", event.CallEnded{}) // while it is paused
			r.Set([]Hook{crm})
			time.Sleep(time.Second)
			synctest.Wait()
			if got := rec.ids(); len(got) != len(want)+1 {
				t.Errorf("what happened meanwhile: %d, want %d", len(got), len(want)+1)
			}
		})
	}
}

// A receiver that is down gets the same event again with pauses that double, and
// behind it what came meanwhile; after a day the event is laid aside.
func TestFailuresAreTriedAgain(t *testing.T) {
	within(t, func(t *testing.T, m *memory, rec *receiver, r *Runner) {
		r.Set([]Hook{crm})
		rec.set(0, errors.New("connection refused"))
		m.add("acme", event.CallStarted{})
		m.add("acme", event.CallEnded{})
		time.Sleep(time.Hour)
		synctest.Wait()
		ids := rec.ids()
		if len(ids) < 8 || len(ids) > 14 || slices.ContainsFunc(ids, func(s string) bool { return s != "msg_crm_1" }) {
			t.Errorf("tries within an hour: %v", ids)
		}
		for i := 2; i < 6; i++ {
			if a, b := rec.at[i-1].Sub(rec.at[i-2]), rec.at[i].Sub(rec.at[i-1]); b < 2*a-time.Second {
				t.Errorf("pause %d is %v behind %v", i, b, a)
			}
		}
		if s := r.States("acme")[0]; s.Failing.IsZero() || s.Tries == 0 || !strings.Contains(s.LastError, "refused") {
			t.Errorf("state %+v", s)
		}
		rec.set(200, nil)
		time.Sleep(16 * time.Minute)
		synctest.Wait()
		if ids = rec.ids(); ids[len(ids)-2] != "msg_crm_1" || ids[len(ids)-1] != "msg_crm_2" {
			t.Errorf("after it came back: %v", ids[len(ids)-2:])
		}
		if s := r.States("acme")[0]; !s.Failing.IsZero() || s.Seq != 2 {
			t.Errorf("state %+v", s)
		}
		rec.set(500, nil)
		m.add("acme", event.CallStarted{})
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		dead, _ := r.Dead(t.Context(), "acme", "crm")
		if len(dead) != 1 || dead[0].Seq != 3 || dead[0].Status != 500 || dead[0].Tries < 50 {
			t.Fatalf("dead letters %+v", dead)
		}
		if err := r.Resend(t.Context(), "acme", "crm", 3); err == nil {
			t.Error("taken by one that refuses")
		}
		rec.set(204, nil)
		if err := r.Resend(t.Context(), "acme", "crm", 3); err != nil {
			t.Fatal(err)
		}
		if dead, _ = r.Dead(t.Context(), "acme", "crm"); len(dead) != 0 {
			t.Errorf("still dead: %+v", dead)
		}
		if err := r.Resend(t.Context(), "other", "crm", 3); !errors.Is(err, ErrUnknown) {
			t.Errorf("another company: %v", err)
		}
		rec.set(410, nil)
		m.add("acme", event.CallStarted{})
		time.Sleep(time.Second)
		synctest.Wait()
		if dead, _ = r.Dead(t.Context(), "acme", "crm"); len(dead) != 1 {
			t.Errorf("gone: %+v", dead)
		}
	})
}

// A process that begins again goes on where the last one was.
func TestPlacesOutliveTheProcess(t *testing.T) {
	within(t, func(t *testing.T, m *memory, rec *receiver, r *Runner) {
		r.Set([]Hook{crm})
		m.add("acme", event.CallStarted{})
		time.Sleep(time.Second)
		synctest.Wait()
		r.Stop(t.Context())
		m.add("acme", event.CallEnded{})
		again, err := New(t.Context(), Config{}, m, rec.send)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Stop(context.Background())
		again.Set([]Hook{crm})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := rec.ids(); !slices.Equal(got, []string{"msg_crm_1", "msg_crm_2"}) {
			t.Errorf("%v", got)
		}
	})
}

// The example of standardwebhooks.com.
func TestSignature(t *testing.T) {
	h := Sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "other"}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	first, second, _ := strings.Cut(h["webhook-signature"], " ")
	if first != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" || !strings.HasPrefix(second, "v1,") || h["webhook-timestamp"] != "1614265330" {
		t.Errorf("%v", h)
	}
}
