package call

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/event"
)

// TestMailboxHasOneWorker: whoever is told to start works alone, and what anybody
// put is taken, once, in the order of each. A put that finds the box busy while its
// worker is about to find it empty must not be left behind.
func TestMailboxHasOneWorker(t *testing.T) {
	const putters, each = 8, 5000
	var box mailbox
	var done sync.WaitGroup
	done.Add(putters * each)
	last := [putters]int{} // the worker's alone: the race detector sees a second one
	worked := 0
	work := func() {
		for {
			got, _ := box.take() // what did not fit is put again below
			if len(got) == 0 {
				return
			}
			for _, v := range got {
				p := v.([2]int)
				if p[1] != last[p[0]]+1 {
					t.Errorf("%d of %d came behind %d", p[1], p[0], last[p[0]])
				}
				last[p[0]] = p[1]
				worked++
				done.Done()
			}
		}
	}
	for p := range putters {
		go func() {
			room := make(chan struct{}, 1)
			for i := 1; i <= each; i++ {
				for {
					s, start := box.put([2]int{p, i})
					if start {
						if i%2 == 0 {
							work()
						} else {
							go func() { work(); room <- struct{}{} }()
							<-room
						}
					}
					if s == boxTaken {
						break
					}
					runtime.Gosched()
				}
			}
		}()
	}
	finished := make(chan struct{})
	go func() { done.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(time.Minute):
		t.Fatalf("%d of %d events were worked off: one was left behind", worked, putters*each)
	}
}

type noPaper struct{ synced chan struct{} }

func (noPaper) Append(event.Event) {}
func (n noPaper) Sync() error      { close(n.synced); return nil }

// TestAFaultEndsItsCall: a call whose machine fails is over, takes nothing more,
// and is forgotten; whoever brought the event goes on.
func TestAFaultEndsItsCall(t *testing.T) {
	m := NewManager(Config{}, Deps{Journal: noPaper{make(chan struct{})}, Log: zap.NewNop()})
	o := &owner{mgr: m, id: "c1", tenant: "default", box: mailbox{busy: true}, done: make(chan struct{}), log: zap.NewNop()}
	m.calls[o.id] = o // without a machine: each step fails
	o.begin(HangUp{event.ResultOurs, event.ReasonNormal})
	select {
	case <-o.done:
	case <-time.After(time.Minute):
		t.Fatal("the call is still there")
	}
	if m.Len() != 0 || o.post(timeUp{}) != boxClosed || o.faults < 2 {
		t.Errorf("%d calls, %d faults", m.Len(), o.faults)
	}
}

// TestAnEndedCallKeepsNothing: a dialog that waits for its last retransmissions
// holds its leg, and must not hold the whole call by it; a leg that was given away is
// left alone.
func TestAnEndedCallKeepsNothing(t *testing.T) {
	m := NewManager(Config{}, Deps{Journal: noPaper{make(chan struct{})}, Log: zap.NewNop()})
	o := &owner{mgr: m, id: "c1", tenant: "default", box: mailbox{busy: true}, done: make(chan struct{}), log: zap.NewNop()}
	own, given := &legHandle{said: []byte("v=0")}, &legHandle{said: []byte("v=0")}
	own.owner.Store(o)
	given.owner.Store(&owner{})
	o.legs, o.pending = []*legHandle{own, given}, []Event{HangUp{}}
	m.calls[o.id] = o
	o.begin(HangUp{event.ResultOurs, event.ReasonNormal}) // fails without a machine, and ends the call
	if o.legs != nil || o.pending != nil || o.timers != nil || own.said != nil {
		t.Errorf("%d legs, %d events, %d timers, %q are kept", len(o.legs), len(o.pending), len(o.timers), own.said)
	}
	if given.said == nil {
		t.Error("another call's leg was touched")
	}
	<-o.done
}
