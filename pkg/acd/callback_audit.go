package acd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// callbackID names the callback that a caller stands for; "" = is on the line.
func callbackID(c *caller) string {
	if c.cb == nil {
		return ""
	}
	return c.cb.ID
}

// sortCallbacks puts saved ones in the order in which they stood.
func sortCallbacks(list []Callback) {
	slices.SortStableFunc(list, func(a, b Callback) int {
		return cmp.Or(a.Arrived.Compare(b.Arrived), cmp.Compare(a.Order, b.Order), strings.Compare(a.ID, b.ID))
	})
}

// callbackStory says the events of a callback in words, "" for all others.
func callbackStory(b event.Body) string {
	switch b := b.(type) {
	case event.CallbackAsked:
		if b.Position > 0 {
			return fmt.Sprintf("asked to be called back on %s, as number %d of queue %s", b.Number, b.Position, b.Queue)
		}
		return fmt.Sprintf("asked to be called back on %s by queue %s", b.Number, b.Queue)
	case event.CallbackTried:
		who := ""
		if b.Agent != "" {
			who = " with " + b.Agent
		}
		s := fmt.Sprintf("the turn came: called back%s by call %s: %s", who, b.Call, strings.ReplaceAll(b.Outcome, "_", " "))
		if b.NextMs > 0 {
			s += fmt.Sprintf("; again in %s", time.Duration(b.NextMs)*time.Millisecond)
		}
		return s
	case event.CallbackEnded:
		tries := fmt.Sprintf("after %d tries", b.Tries)
		if b.Tries == 1 {
			tries = "after one try"
		}
		switch b.Outcome {
		case CallbackReached:
			return fmt.Sprintf("reached %s, %s after coming", tries, spoken(b.WaitMs))
		case CallbackFailed:
			return "the callback was given up " + tries
		case CallbackExpired:
			return "the callback was given up: too old, " + tries
		case CallbackCancelled:
			return "the callback was cancelled by " + b.By
		case CallbackReturned:
			return "the customer called again and has the place"
		}
		return "the callback is over: " + b.Outcome
	}
	return ""
}

// callbacks checks that each is in one place and has an end.
func (au *auditor) callbacks() {
	e := au.e
	k := &e.callbacks
	inLine := map[*queue]int{}
	for _, cb := range k.list {
		au.check(k.byID[cb.ID] == cb, "callback", "%q is not filed", cb.ID)
		au.check(cb.timer.pos >= 0 && cb.timer.c.cb == cb, "callback", "%q is %s without a deadline", cb.ID, cb.State)
		stands := e.callers[cb.c.callID] == cb.c && cb.c.callID != ""
		au.check(stands == (cb.State == CallbackWaiting), "callback", "%q is %s, in line %v", cb.ID, cb.State, stands)
		au.check((k.byTry[cb.Call] == cb) == (cb.State == CallbackDialling), "callback", "%q is %s, call %q", cb.ID, cb.State, cb.Call)
		au.check(cb.State == CallbackResting == !cb.Next.IsZero(), "callback", "%q is %s until %s", cb.ID, cb.State, cb.Next)
		if stands {
			inLine[cb.c.q]++
			au.check(cb.c.arrived == cb.arrived && cb.c.seq == cb.seq && cb.c.q.Name == cb.Queue, "callback", "%q has not the place it had", cb.ID)
			au.check(!k.shut[cb.Queue] || len(cb.c.offers) > 0, "callback", "%q stands in line out of hours", cb.ID)
		}
	}
	au.check(len(k.byID) == len(k.list), "callback", "%d listed, %d filed", len(k.list), len(k.byID))
	for _, q := range e.queues {
		au.check(q.callbacks == inLine[q], "callback", "queue %q: %d stand in line, %d counted", q.Name, inLine[q], q.callbacks)
	}
	for key, cb := range k.party {
		au.check(k.byID[cb.ID] == cb && cb.State != CallbackGivenUp, "callback", "%q/%q leads to %q, which is %s", key.queue, key.key, cb.ID, cb.State)
	}
}

// longestWaiting is who on the line has been in the queue longest, nil = nobody.
func (q *queue) longestWaiting() *caller {
	c := q.oldest
	for c != nil && c.cb != nil {
		c = c.younger
	}
	return c
}

// repairCallbacks puts each in the place that its state says, and gives it an end.
func (e *Engine) repairCallbacks() {
	k := &e.callbacks
	clear(k.byID)
	clear(k.byTry)
	for _, q := range e.queues {
		q.callbacks = 0
		for c := q.oldest; c != nil; c = c.younger {
			if c.cb != nil {
				q.callbacks++
			}
		}
	}
	for _, cb := range k.list {
		k.byID[cb.ID] = cb
		if cb.State == CallbackDialling {
			k.byTry[cb.Call] = cb
		}
	}
	maps.DeleteFunc(k.party, func(_ placeKey, cb *callback) bool { return k.byID[cb.ID] != cb || cb.State == CallbackGivenUp })
	for _, cb := range slices.Clone(k.list) {
		stands := cb.c.callID != "" && e.callers[cb.c.callID] == cb.c
		if stands && cb.State != CallbackWaiting {
			was := cb.ends
			cb.ends = cb.State // it goes, and nothing else follows
			e.stopRinging(cb.c, nil, CauseCallerLeft)
			e.leave(cb.c, LeftCallback, "")
			cb.ends = was
		}
		switch {
		case cb.State == CallbackWaiting && !stands:
			e.stand(cb)
		case cb.State == CallbackWaiting && k.shut[cb.Queue] && len(cb.c.offers) == 0:
			e.setAside(cb)
		case cb.timer.pos < 0:
			e.arm(&cb.timer, e.now+int64(callbackRest))
		}
	}
}
