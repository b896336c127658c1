package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal is one in memory whose tail is as short as a test wants it.
type journal struct {
	mu     sync.Mutex
	events []event.Event // events[i] has the number i+1
	tail   int           // how many of the newest Since knows
	next   chan struct{}
	reads  int
}

func (j *journal) add(tenant, call string, b event.Body) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, event.Event{Seq: uint64(len(j.events) + 1), At: time.Unix(0, 0).UTC(), Tenant: tenant, CallID: call, Body: b})
	if j.next != nil {
		close(j.next)
		j.next = nil
	}
}

func (j *journal) Committed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.next == nil {
		j.next = make(chan struct{})
	}
	return j.next
}

func (j *journal) Newest() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return uint64(len(j.events))
}

func (j *journal) Since(from uint64, n int) ([]event.Event, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if from > uint64(len(j.events)) {
		return nil, true
	}
	if int(from) <= len(j.events)-j.tail {
		return nil, false
	}
	return slices.Clone(j.events[from-1 : min(len(j.events), int(from)-1+n)]), true
}

func (j *journal) Records(_ context.Context, tenant string, from, to uint64, n int) (out []event.Record, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	for _, e := range j.events {
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

func (j *journal) Call(_ context.Context, _, id string) (cdr.Call, error) {
	if id != "c1" {
		return cdr.Call{}, errors.New("no such call")
	}
	return cdr.Call{ID: id, Agent: "anna", Queue: "sales"}, nil
}

func (j *journal) LiveCalls() []cdr.Call { return nil }

func all(*Frame) bool { return true }

// take reads until n frames came.
func take(t *testing.T, l *Listener, n int, match func(*Frame) bool) []*Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out []*Frame
	for len(out) < n {
		got, err := l.Next(ctx, time.Second, match)
		if err != nil {
			t.Fatalf("%d of %d: %v", len(out), n, err)
		}
		out = append(out, got...)
	}
	return out
}

func start(t *testing.T, j *journal) *Feed {
	t.Helper()
	f := New(j)
	f.Start()
	t.Cleanup(func() { f.Stop(context.Background()) })
	return f
}

// Listeners who come, go and come back at other places see each event of their
// tenant once and in order, while it is written, whatever of it is in memory.
func TestNothingIsLostOrTwice(t *testing.T) {
	for _, tail := range []int{1 << 20, 100, 3} {
		t.Run(fmt.Sprint("tail ", tail), func(t *testing.T) {
			j := &journal{tail: tail}
			f := start(t, j)
			const events = 3000
			var writer, readers sync.WaitGroup
			for i := range 10 { // from before anybody listened
				j.add([]string{"acme", "other"}[i%2], "", event.LegRinging{Leg: i})
			}
			for r := range 6 {
				readers.Go(func() {
					var at uint64 = 1
					seen := 0
					for round := 0; seen < events/2; round++ {
						l := f.Listen("acme", at)
						for range 1 + (r+round)%5 { // then the connection is lost
							ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
							got, err := l.Next(ctx, 10*time.Millisecond, all)
							cancel()
							if err != nil {
								t.Error(err)
								return
							}
							for _, fr := range got {
								if fr.Seq <= at || fr.Tenant != "acme" {
									t.Errorf("reader %d: %d of %q behind %d", r, fr.Seq, fr.Tenant, at)
									return
								}
								at = fr.Seq
								seen++
							}
						}
						l.Close()
					}
					if seen != events/2+4 && seen != events/2 {
						t.Errorf("reader %d saw %d of %d", r, seen, events/2)
					}
				})
			}
			writer.Go(func() {
				for i := range events {
					j.add([]string{"acme", "other"}[i%2], "", event.LegRinging{Leg: i})
				}
			})
			writer.Wait()
			readers.Wait()
		})
	}
}

// An event is known by the agents and queues that its call has met.
func TestFramesKnowWhatTheirCallHasMet(t *testing.T) {
	j := &journal{tail: 1000}
	f := start(t, j)
	l := f.Listen("acme", 0)
	defer l.Close()
	j.add("acme", "c1", event.CallStarted{From: "1"})
	j.add("acme", "c1", event.QueueEntered{Queue: "sales"})
	j.add("acme", "c1", event.OfferMade{Agent: "anna", Queue: "sales"})
	j.add("acme", "c2", event.CallStarted{From: "2"})
	j.add("acme", "c1", event.LegRinging{Leg: 1})
	j.add("acme", "c1", event.CallEnded{})
	got := take(t, l, 6, all)
	for i, want := range [][2]int{{0, 0}, {0, 1}, {1, 1}, {0, 0}, {1, 1}, {1, 1}} {
		if len(got[i].Agents) != want[0] || len(got[i].Queues) != want[1] {
			t.Errorf("event %d: agents %v, queues %v", i, got[i].Agents, got[i].Queues)
		}
	}
	if string(got[0].SSE[:5]) != "id: 1" || got[0].SSE[len(got[0].SSE)-1] != '\n' {
		t.Errorf("%q", got[0].SSE)
	}
	if reads := j.reads; reads > 2 {
		t.Errorf("%d reads of the file for what was in memory", reads)
	}
	// Who resumes from the file learns the same.
	again := f.Listen("acme", 2)
	defer again.Close()
	late := take(t, again, 4, all)
	if late[0].Seq != 3 || len(late[2].Agents) != 1 {
		t.Errorf("resumed: %d %v", late[0].Seq, late[2].Agents)
	}
}

func TestWhoMissedTooMuchIsTold(t *testing.T) {
	j := &journal{tail: 10}
	f := start(t, j)
	j.add("acme", "", event.LegRinging{})
	l := f.Listen("acme", 1)
	defer l.Close()
	if l.Behind() {
		t.Error("behind at the end")
	}
	l.at = 99 // of a journal that is gone
	if !l.Behind() {
		t.Error("a number that never was is no place")
	}
	l.Skip()
	if l.At() != 1 || l.Behind() {
		t.Errorf("skipped to %d", l.At())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Next(ctx, time.Hour, all); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}
