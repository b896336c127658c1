package dispatch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/acd"
)

// drawer keeps callbacks in memory; fail makes it refuse that many times.
type drawer struct {
	mu   sync.Mutex
	kept map[string]acd.Callback
	fail int
}

func (s *drawer) LoadCallbacks(context.Context, string) (out []acd.Callback, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.kept {
		out = append(out, c)
	}
	return out, nil
}

func (s *drawer) SaveCallbacks(_ context.Context, tenant string, list []acd.Callback, gone []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tenant != "acme" {
		return errors.New("wrong tenant")
	}
	if s.fail > 0 {
		s.fail--
		return errors.New("disk full")
	}
	if s.kept == nil {
		s.kept = map[string]acd.Callback{}
	}
	for _, c := range list {
		s.kept[c.ID] = c
	}
	for _, id := range gone {
		delete(s.kept, id)
	}
	return nil
}

func (s *drawer) get(id string) acd.Callback {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[id]
}

func callingBack(names ...string) acd.Configure {
	c := config(names...)
	c.Queues[0].Callback = acd.CallbackRules{On: true}
	return c
}

// TestCallbackIsCalled: the turn begins a call that hears of its offer and all that
// follows; the journal tells the story under the call that asked, and no stay of it.
func TestCallbackIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []acd.Effect
		var offer acd.Offer
		var of acd.Callback
		book, keep := &paper{}, &drawer{fail: 2}
		d := start(t, Config{Journal: book, Callbacks: keep, CallBack: func(o acd.Offer, cb acd.Callback) func(acd.Effect) {
			offer, of = o, cb
			return func(f acd.Effect) { heard = append(heard, f) }
		}})
		defer stop(t, d)
		d.Post(callingBack("ana"))
		d.Attach("c1", func(acd.Effect) {})
		d.Post(acd.Enter{CallID: "c1", Queue: "sales"})
		d.Post(acd.AskCallback{CallID: "c1", Number: "+40211", By: "key"})
		d.Detach("c1")
		time.Sleep(10 * time.Second)
		if cb := keep.get("c1"); cb.State != acd.CallbackWaiting {
			t.Fatalf("saved: %+v", cb)
		}
		d.Post(acd.LogIn{Agent: "ana"})
		synctest.Wait()
		if offer.Callback != "c1" || offer.Agent != "ana" || of.Number != "+40211" {
			t.Fatalf("%+v for %+v", offer, of)
		}
		d.Post(acd.OfferAccepted{OfferID: offer.OfferID})
		synctest.Wait()
		if len(heard) != 1 || heard[0].(acd.LeftQueue).Outcome != acd.LeftAnswered {
			t.Fatalf("the call heard %+v", heard)
		}
		d.Post(acd.CallbackResult{CallID: offer.CallID, Outcome: acd.TryReached})
		time.Sleep(time.Second)
		if cb := keep.get("c1"); cb.ID != "" {
			t.Fatalf("still saved: %+v", cb)
		}
		if got := book.kinds("c1"); !slices.Equal(got, []string{"queue.entered", "acd.decision", "callback.asked", "queue.left", "callback.tried", "callback.ended"}) {
			t.Fatal(got)
		}
		if got := book.kinds(offer.CallID); slices.Contains(got, "queue.entered") || slices.Contains(got, "queue.left") || !slices.Contains(got, "offer.made") {
			t.Fatal(got)
		}
	})
}

// TestCallbackWithoutACall: when no call can be made the agent is freed and it is
// tried again.
func TestCallbackWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		d := start(t, Config{CallBack: func(acd.Offer, acd.Callback) func(acd.Effect) { n++; return nil }})
		defer stop(t, d)
		d.Post(callingBack("ana"))
		d.Post(acd.AskCallback{CallID: "c1", Queue: "sales", Number: "1"})
		d.Post(acd.LogIn{Agent: "ana"})
		time.Sleep(25 * time.Second)
		synctest.Wait()
		if n != 3 { // at 0, 10 and 20 s
			t.Fatalf("%d tries", n)
		}
	})
}

// TestCallbacksSurviveARestart: what was saved stands in line again, in its order,
// before anybody is offered anything.
func TestCallbacksSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep := &drawer{}
		d := start(t, Config{Callbacks: keep})
		d.Post(callingBack("ana"))
		for _, id := range []string{"c1", "c2"} {
			d.Post(acd.AskCallback{CallID: id, Queue: "sales", Number: id})
		}
		if err := d.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if a, b := keep.get("c1"), keep.get("c2"); a.State != acd.CallbackWaiting || b.State != acd.CallbackWaiting {
			t.Fatalf("%+v %+v", a, b)
		}
		var offered []string
		d = start(t, Config{Callbacks: keep, CallBack: func(o acd.Offer, cb acd.Callback) func(acd.Effect) {
			offered = append(offered, cb.ID)
			return func(acd.Effect) {}
		}})
		defer stop(t, d)
		conf := callingBack("ana", "bob")
		for i := range conf.Agents {
			conf.Agents[i].AlwaysReady = true
		}
		d.Post(conf)
		synctest.Wait()
		if !slices.Equal(offered, []string{"c1", "c2"}) {
			t.Fatal(offered)
		}
		list, err := d.CallbackList(context.Background())
		if err != nil || len(list) != 2 || list[0].ID != "c1" {
			t.Fatalf("%+v %v", list, err)
		}
	})
}
