package sim

import (
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// A caller who asks to be called back (Call.Callback) leaves the line and is called
// when the turn comes: the agent answers as for any offer, the customer dialTakes later
// at the first try. What busy customers and retries would cost is not simulated.
const dialTakes = 10 * time.Second

// never of caller.asks.
const neverAsks = time.Duration(-1)

// asks has a waiting caller ask to be called back.
func (w *world) asks(i int) {
	if w.state[i].waiting && w.state[i].call == "" {
		c := &w.t.calls[i]
		w.step(acd.AskCallback{CallID: c.id, Number: c.id, Caller: c.wish.From, By: "key"})
	}
}

// callbackEffect carries out what concerns callbacks; false = it is about a caller.
func (w *world) callbackEffect(f acd.Effect) bool {
	switch f := f.(type) {
	case acd.CallbackTaken:
		w.write(f.CallID, f.CallbackAsked)
		w.promised[f.CallID] = w.byCall[f.CallID]
	case acd.CallbackTried:
		w.write(f.CallID, f.CallbackTried)
	case acd.CallbackOver:
		w.write(f.CallID, f.CallbackEnded)
		delete(w.promised, f.CallID)
	case acd.Joined:
		if f.Callback == "" {
			return false
		}
		i := w.promised[f.Callback]
		s := &w.state[i]
		s.waiting, s.call = true, f.CallID
		w.byCall[f.CallID] = i
		w.waiting++
	case acd.LeftQueue:
		if f.Callback == "" {
			return false
		}
		i := w.byCall[f.CallID]
		s := &w.state[i]
		s.waiting = false
		w.waiting--
		if f.Outcome != acd.LeftAnswered {
			delete(w.byCall, f.CallID)
			break
		}
		who := int32(w.byName[f.Agent])
		s.talking, s.agent = true, who
		w.talking++
		w.agents[who].talking++
		w.agents[who].queue = f.Queue
		w.write(f.CallID, event.CallStarted{Direction: event.Outbound, To: w.t.calls[i].wish.From, Callback: f.Callback})
		w.plan(w.now+dialTakes, evReached, int32(i), 0)
	default:
		return false
	}
	return true
}

// reached: the customer has answered, and talks.
func (w *world) reached(i int) {
	s := &w.state[i]
	if !s.talking {
		return
	}
	a := &w.agents[s.agent]
	w.step(acd.CallbackResult{CallID: s.call, Outcome: acd.TryReached})
	w.write(s.call, event.SegmentStarted{Segment: event.SegmentTalking, Queue: a.queue, Agent: a.name})
	w.plan(w.now+w.t.calls[i].talk, evTalkOver, int32(i), 0)
}

// callOf is the call as which a caller stands in line or talks.
func (w *world) callOf(i int) string {
	if id := w.state[i].call; id != "" {
		return id
	}
	return w.t.calls[i].id
}
