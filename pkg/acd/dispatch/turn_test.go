package dispatch

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// TestNoEventIsLostOrOvertaken: many goroutines post to one engine, whose turn and
// mailbox (of four) they fight for. What each posted is done, once, and in its
// order: a call enters, is asked about and leaves before its goroutine's next.
func TestNoEventIsLostOrOvertaken(t *testing.T) {
	const posters, rounds = 8, 300
	journal := &paper{}
	d := start(t, Config{Journal: journal, Mailbox: 4})
	defer stop(t, d)
	d.Post(config("bob"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for r := range rounds {
				id := fmt.Sprintf("%d-%d", p, r)
				told := make(chan string, 8)
				d.Attach(id, func(e acd.Effect) { told <- fmt.Sprintf("%T", e) })
				d.Post(acd.Enter{CallID: id, Queue: "sales"})
				if r%7 == 0 { // by way of the mailbox, behind what was posted
					if _, ok, err := d.Explain(ctx, id); err != nil || !ok {
						t.Errorf("%s: %v, waits %v", id, err, ok)
						return
					}
				}
				d.Post(acd.Leave{CallID: id})
				d.Detach(id)
				for _, want := range []string{"acd.Joined", "acd.LeftQueue"} {
					select {
					case got := <-told:
						if got != want {
							t.Errorf("%s: told %s, want %s", id, got, want)
						}
					case <-ctx.Done():
						t.Errorf("%s: nobody told it %s", id, want)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if n := d.queue.Load(); n != 0 {
		if _, err := d.Snapshot(ctx); err != nil || d.queue.Load() > 1 {
			t.Errorf("%d messages counted as waiting, %v", n, err)
		}
	}
	entered := 0
	journal.mu.Lock()
	defer journal.mu.Unlock()
	for _, e := range journal.events {
		if _, ok := e.Body.(event.QueueEntered); ok {
			entered++
		}
	}
	if entered != posters*rounds {
		t.Errorf("%d calls entered, want %d", entered, posters*rounds)
	}
}

// TestAFaultGivesTheTurnBack: what fails in a step, a call's sink or the engine
// itself, costs that message and not the tenant's queues.
func TestAFaultGivesTheTurnBack(t *testing.T) {
	d := start(t, Config{})
	defer stop(t, d)
	d.Post(config("bob"))
	d.Attach("bad", func(acd.Effect) { panic("a sink's fault") })
	d.Post(acd.Enter{CallID: "bad", Queue: "sales"}) // here and now
	told := make(chan struct{}, 8)
	d.Attach("good", func(acd.Effect) { told <- struct{}{} })
	d.Post(acd.Enter{CallID: "good", Queue: "sales"})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	select {
	case <-told:
	case <-ctx.Done():
		t.Fatal("the turn was not given back")
	}
	if err := d.Ask(ctx, acd.Leave{CallID: "bad"}); err != nil { // by the goroutine
		t.Error(err)
	}
	s, err := d.Snapshot(ctx)
	if err != nil || len(s.Queues) != 1 || len(s.Queues[0].Callers) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
