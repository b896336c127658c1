package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/call"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
)

const (
	callbackRing  = 45 * time.Second // unless the queue says otherwise
	callbackSound = "callback_agent"
	silentPrompt  = "none"
)

// acdCallback is a queue's rules for calling back in the words of the ACD.
func acdCallback(q *resource.QueueSpec) acd.CallbackRules {
	cb := q.Callback
	if cb == nil {
		return acd.CallbackRules{}
	}
	r := acd.CallbackRules{On: true, Interval: cb.Interval.D(), MaxAge: cb.MaxAge.D(),
		Dial: call.CallbackDial(cmp.Or(cb.DialTimeout.D(), callbackRing))}
	if n := cb.Retries; n != nil {
		if r.Retries = *n; *n == 0 {
			r.Retries = -1
		}
	}
	return r
}

// QueueKeys is what callers may press while they wait.
func (h *house) QueueKeys(queue string) map[byte]string {
	return h.queueKeys[queue]
}

// readQueueKeys reads what the check has read before.
func readQueueKeys(queues map[string]*resource.QueueSpec) map[string]map[byte]string {
	out := map[string]map[byte]string{}
	for name, q := range queues {
		for k, to := range q.Keys {
			if out[name] == nil {
				out[name] = map[byte]string{}
			}
			out[name][k[0]] = to
		}
	}
	return out
}

// QueueCallback says how a queue calls back.
func (h *house) QueueCallback(queue string) call.Callback {
	q := h.queues[queue]
	if q == nil || q.Callback == nil {
		return call.Callback{}
	}
	cb := q.Callback
	c := call.Callback{On: true, Other: cb.OtherNumber == nil || *cb.OtherNumber, OfferAfter: cb.OfferAfter.D(), CallerID: cb.CallerID,
		Announce: cmp.Or(cb.Announce, callbackSound), Dial: cmp.Or(cb.DialTimeout.D(), callbackRing)}
	if c.Announce == silentPrompt {
		c.Announce = ""
	}
	return c
}

// MayCallBack tells in which form a number is called back by a queue: outside, never
// for help, where a trunk leads, within the prefixes of the queue and the tenant's own
// rights. Caps of the moment (calls, minutes, hours) count when it is dialled.
func (h *house) MayCallBack(queue, number string) (string, bool) {
	dial := h.routes.CallerNumber(h.tenant, "", number)
	digits := strings.TrimPrefix(dial, "+")
	// A short number is an extension, a service or a call for help.
	if len(digits) < 5 || len(digits) > 18 || strings.Trim(digits, "0123456789") != "" || h.Emergency(dial) {
		return "", false
	}
	if h.routes.Own(h.tenant, dial) || len(h.routes.Outside(h.tenant, dial)) == 0 {
		return "", false
	}
	if q := h.queues[queue]; q != nil && q.Callback != nil && len(q.Callback.Allow) > 0 {
		allowed := false
		for _, p := range q.Callback.Allow {
			allowed = allowed || strings.HasPrefix(dial, p) || strings.HasPrefix(number, p)
		}
		if !allowed {
			return "", false
		}
	}
	if h.outside != nil {
		err := h.routes.MayDial(time.Now(), h.tenant, "", dial, func(string) route.Use { return route.Use{} })
		if why, _ := route.WhyOf(err); err != nil && why != route.WhyHours {
			return "", false
		}
	}
	return dial, true
}

// hoursEvery is how often the hours of callbacks are looked at.
const hoursEvery = 10 * time.Second

// startCallbackHours opens and closes callbacks as their schedules do.
func (a *App) startCallbackHours() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(hoursEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if d := a.dir.Load(); d != nil {
				for _, h := range d.houses {
					h.callbackHours(time.Now(), a.calls == nil || !a.calls.Draining())
				}
			}
		}
	}()
	a.onStop("hours of callbacks", func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

// callbackHours tells the ACD which queues may call back now; none while the node
// drains. It knows what it was told.
func (h *house) callbackHours(now time.Time, calls bool) {
	for name, q := range h.queues {
		if q.Callback == nil {
			continue
		}
		open := calls
		if s := h.schedules[q.Callback.Hours]; s != nil && open {
			open = s.Open(now)
		}
		h.acd.Post(acd.CallbackHours{Queue: name, Open: open})
	}
}

// Callbacks implements api.Server.
func (a *App) Callbacks(ctx context.Context, tenant string) ([]api.Callback, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	list, err := h.acd.CallbackList(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]api.Callback, 0, len(list))
	for _, c := range list {
		out = append(out, apiCallback(c))
	}
	return out, nil
}

func apiCallback(c acd.Callback) api.Callback {
	x := api.Callback{ID: c.ID, Queue: c.Queue, Number: c.Number, Name: c.Name, State: c.State, Arrived: c.Arrived, Asked: c.Asked,
		Tries: c.Tries, Last: c.Last, Priority: c.Priority}
	if c.State == acd.CallbackDialling {
		x.Call = c.Call
	}
	if !c.Next.IsZero() {
		x.Next = &c.Next
	}
	return x
}

// AddCallback implements api.Server.
func (a *App) AddCallback(ctx context.Context, tenant string, in api.NewCallback, by string) (api.Callback, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil || h.queues[in.Queue] == nil {
		return api.Callback{}, fmt.Errorf("queue %q: %w", in.Queue, api.ErrNotFound)
	}
	dial, ok := h.MayCallBack(in.Queue, in.Number)
	if !ok {
		return api.Callback{}, fmt.Errorf("%w: number %q may not be called back", api.ErrInvalid, in.Number)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return api.Callback{}, err
	}
	err = h.acd.Ask(ctx, acd.AskCallback{CallID: id.String(), Queue: in.Queue, Number: dial, Caller: dial, Name: in.Name, Language: h.Language(),
		Priority: in.Priority, ArrivedAt: in.Arrived, By: cmp.Or(by, acd.ByAPI)})
	if err != nil {
		return api.Callback{}, conflict(err)
	}
	list, err := h.acd.CallbackList(ctx)
	if err != nil {
		return api.Callback{}, err
	}
	for _, c := range list {
		if c.ID == id.String() {
			return apiCallback(c), nil
		}
	}
	return api.Callback{}, fmt.Errorf("callback %q: %w", id, api.ErrNotFound) // over already
}

// CancelCallback implements api.Server.
func (a *App) CancelCallback(ctx context.Context, tenant, id, by string) error {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	err := h.acd.Ask(ctx, acd.CancelCallback{ID: id, By: cmp.Or(by, acd.ByAPI)})
	if errors.Is(err, acd.ErrUnknownCallback) {
		return fmt.Errorf("callback %q: %w", id, api.ErrNotFound)
	}
	return conflict(err)
}
