package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/dispatch"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/store"
)

var _ api.Server = (*App)(nil)

// Status implements api.Server.
func (a *App) Status(context.Context) (api.Status, error) {
	return api.Status{Version: a.opts.Version, Node: a.opts.Config.NodeName(), Started: a.started, Calls: a.calls.Len(), Draining: a.draining.Load(),
		Revision: a.dir.Load().set.Revision, SIP: a.listeners(), Recordings: a.opts.Config.RecordingsDir()}, nil
}

// liveCursor begins the cursor of a page that ended among the running calls;
// the id of the last one follows.
const liveCursor = "live:"

// Calls implements api.Server. Running calls come first, as they stand now;
// a page holds at most the limit of both. A call that ends between two pages
// may be in both.
func (a *App) Calls(ctx context.Context, tenant string, f api.CallFilter) (api.CallPage, error) {
	page := api.CallPage{Calls: []cdr.Call{}}
	limit := cmp.Or(f.Limit, 50)
	after, among := strings.CutPrefix(f.Cursor, liveCursor)
	if (among || f.Cursor == "") && f.Disposition == "" {
		now, last := time.Now(), ""
		live := a.store.Live(tenant)
		slices.SortFunc(live, func(x, y cdr.Call) int { return strings.Compare(y.ID, x.ID) }) // ids grow with time (UUIDv7)
		for _, c := range live {
			if among && c.ID >= after || !matches(c, f) {
				continue
			}
			if len(page.Calls) == limit {
				page.Next = liveCursor + last
				return page, nil
			}
			page.Calls, last = append(page.Calls, c.Running(now)), c.ID
		}
		f.Cursor = ""
		if len(page.Calls) == limit && !f.Live {
			page.Next = liveCursor + last
			return page, nil
		}
	}
	if f.Live {
		return page, nil
	}
	past, next, err := a.store.Calls(ctx, tenant, store.CallFilter{Caller: f.Caller, Dialled: f.Dialled, Queue: f.Queue, Agent: f.Agent,
		Number: f.Number, From: f.From, To: f.To, Result: event.Result(f.Result), Reason: event.Reason(f.Reason), Disposition: f.Disposition,
		MinMs: f.MinMs, MaxMs: f.MaxMs, Text: f.Text, Recorded: f.Recorded, Ended: true, Cursor: f.Cursor, Limit: limit - len(page.Calls)})
	if errors.Is(err, store.ErrCursor) {
		return page, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	page.Calls, page.Next = append(page.Calls, past...), next
	return page, err
}

func matches(c cdr.Call, f api.CallFilter) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(f.Caller, c.From) && is(f.Dialled, c.To) && is(f.Queue, c.Queue) && is(f.Agent, c.Agent) && !f.Past() &&
		(strings.HasSuffix(c.From, f.Number) || strings.HasSuffix(c.To, f.Number)) && !c.Started.Before(f.From) && (f.To.IsZero() || c.Started.Before(f.To)) &&
		(!f.Recorded || len(c.Recordings) > 0)
}

// Call implements api.Server.
func (a *App) Call(ctx context.Context, tenant, id string) (api.CallDetail, error) {
	c, err := a.store.Call(ctx, tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		return api.CallDetail{}, fmt.Errorf("call %q: %w", id, api.ErrNotFound)
	}
	if err != nil {
		return api.CallDetail{}, err
	}
	if c.Open() {
		c = c.Running(time.Now())
	}
	if c.Recordings, err = a.filesOf(ctx, tenant, c); err != nil {
		return api.CallDetail{}, err
	}
	d := api.CallDetail{Call: c}
	events, err := a.store.Events(ctx, tenant, c.ID)
	if err != nil {
		return d, err
	}
	for _, e := range events {
		r, err := event.Encode(e)
		if err != nil {
			return d, err
		}
		d.Events = append(d.Events, r)
	}
	return d, nil
}

// HangUp implements api.Server.
func (a *App) HangUp(_ context.Context, tenant, id string) error {
	if !a.calls.HangUp(tenant, id) {
		return fmt.Errorf("call %q: %w among the calls in progress", id, api.ErrNotFound)
	}
	return nil
}

// CommandCall implements api.Server.
func (a *App) CommandCall(ctx context.Context, tenant, id string, c api.CallCommand) error {
	var code int
	switch c.Action {
	case "stream_stop":
		code = a.calls.StopStream(ctx.Done(), tenant, id, c.Target, c.By)
	case "stream":
		o, err := streamOptions(c.Stream)
		if err != nil {
			return err
		}
		code = a.calls.Stream(ctx.Done(), tenant, id, o, c.By)
	default:
		code = a.calls.Command(ctx.Done(), tenant, id, c.Action, c.Leg, c.Target, c.By)
	}
	switch code {
	case 202:
		return nil
	case 404:
		if c.Target != "" && c.Action != "stream_stop" && a.calls.Has(tenant, id) {
			return fmt.Errorf("%w: target %q leads nowhere", api.ErrInvalid, c.Target)
		}
		return fmt.Errorf("call %q: %w among the calls in progress", id, api.ErrNotFound)
	case 486:
		return fmt.Errorf("%w: call %q is supervised already", api.ErrConflict, id)
	case 403:
		if c.Action == "supervise" {
			return fmt.Errorf("%w: who sits at that device may not listen to this call that way: see roles and may_monitor", api.ErrConflict)
		}
		if c.Action == "record" {
			return fmt.Errorf("%w: call %q: its recording policy does not allow that", api.ErrConflict, id)
		}
		return fmt.Errorf("%w: target %q: that leg has no right to it, or it is not of a kind for this", api.ErrInvalid, c.Target)
	case 491:
		return fmt.Errorf("%w: call %q is being transferred or changed already", api.ErrConflict, id)
	case 504:
		return context.DeadlineExceeded
	case 409:
		if c.Action == "supervise" {
			return fmt.Errorf("%w: call %q: nobody to listen to there now, or no supervision to change", api.ErrConflict, id)
		}
		if c.Action == "play" {
			return fmt.Errorf("%w: call %q: that side is not in a conversation now, or on hold, or nothing plays there", api.ErrConflict, id)
		}
		if c.Action == "record" {
			return fmt.Errorf("%w: call %q: nothing to %s: see whether it is recorded, and paused, with centrala call show", api.ErrConflict, id, c.Target)
		}
		if c.Stream != nil {
			return fmt.Errorf("%w: call %q has as many streams as it may, or one that is heard already, or nobody has answered", api.ErrConflict, id)
		}
		if c.Action == "stream_stop" {
			return fmt.Errorf("%w: call %q has no such stream", api.ErrConflict, id)
		}
		fallthrough
	default:
		return fmt.Errorf("%w: call %q has nobody talking on that leg now", api.ErrConflict, id)
	}
}

func (a *App) snapshot(ctx context.Context, tenant string) (acd.Snapshot, *house, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return acd.Snapshot{}, nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	s, err := h.acd.Snapshot(ctx)
	return s, h, err
}

// Agents implements api.Server.
func (a *App) Agents(ctx context.Context, tenant string) ([]api.Agent, error) {
	s, _, err := a.snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	out := make([]api.Agent, len(s.Agents))
	for i, g := range s.Agents {
		out[i] = api.Agent{Name: g.Name, Device: g.Device, State: g.State.String(), Reason: g.Reason, Since: g.Since,
			Reachable: g.Reachable, Calls: g.Calls, Queues: g.Queues}
	}
	return out, nil
}

// SetAgentState implements api.Server.
func (a *App) SetAgentState(ctx context.Context, tenant, name, state, reason string) error {
	h := a.dir.Load().houses[tenant]
	if h == nil || h.users[name] == nil {
		return fmt.Errorf("agent %q: %w", name, api.ErrNotFound)
	}
	// An agent who is offline logs in with ready: one command, not two.
	events := map[string]acd.Event{
		"ready":        acd.SetReady{Agent: name, Reason: reason, By: acd.ByAPI},
		"not_ready":    acd.SetNotReady{Agent: name, Reason: cmp.Or(reason, "api"), By: acd.ByAPI},
		"offline":      acd.LogOut{Agent: name, Reason: reason, By: acd.ByAPI},
		"wrap_up_done": acd.WrapUpDone{Agent: name, Reason: reason, By: acd.ByAPI},
	}
	ev, ok := events[state]
	if !ok {
		return fmt.Errorf("%w: state %q: want ready, not_ready, offline or wrap_up_done", api.ErrInvalid, state)
	}
	err := h.acd.Ask(ctx, ev)
	if errors.Is(err, dispatch.ErrNotLoggedIn) && state == "ready" {
		err = h.acd.Ask(ctx, acd.LogIn{Agent: name, Reason: reason, By: acd.ByAPI})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrConflict, err)
	}
	return nil
}

// Queues implements api.Server.
func (a *App) Queues(ctx context.Context, tenant string) ([]api.Queue, error) {
	s, _, err := a.snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	out := make([]api.Queue, len(s.Queues))
	for i, q := range s.Queues {
		out[i] = api.Queue{Name: q.Name, Waiting: q.Waiting, Callbacks: q.Callbacks, Oldest: q.Oldest, LoggedIn: q.LoggedIn, Free: q.Free, States: q.States}
	}
	return out, nil
}

// Devices implements api.Server.
func (a *App) Devices(_ context.Context, tenant string) ([]api.Device, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	out := make([]api.Device, 0, len(h.devices))
	for name, d := range h.devices {
		dev := api.Device{Name: name, Username: d.User(name), User: h.agents[name], Contacts: []string{}}
		for _, t := range a.sip.Contacts(tenant, name) {
			dev.Contacts = append(dev.Contacts, t.URI)
		}
		out = append(out, dev)
	}
	slices.SortFunc(out, func(x, y api.Device) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// Reload implements api.Server and SIGHUP: the node file is read again, what
// can change live does, the rest is named.
func (a *App) Reload(context.Context) (api.ReloadResult, error) {
	if a.opts.Load == nil {
		return api.ReloadResult{}, fmt.Errorf("%w: this node was started without a node file", api.ErrConflict)
	}
	next, err := a.opts.Load()
	if err != nil {
		a.log.Error("reload refused, the old configuration stays", zap.Error(err))
		return api.ReloadResult{}, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	applied, restart := config.Reloadable(a.cfg, next)
	live := *a.cfg
	next.Log.Format = a.cfg.Log.Format // the encoder is chosen when the log is opened
	live.Log, live.Limits, live.Drain = next.Log, next.Limits, next.Drain
	a.cfg = &live
	if a.opts.LogLevel != nil {
		a.opts.LogLevel(live.Log.Level)
	}
	if err := a.sip.ReloadCertificates(); err != nil {
		return api.ReloadResult{}, fmt.Errorf("%w: certificates: %w", api.ErrConflict, err)
	}
	a.calls.SetLimits(live.Limits.MaxCalls, live.Limits.MaxCallDuration.D())
	a.log.Info("reloaded", zap.Strings("applied", applied), zap.Strings("restart", restart))
	return api.ReloadResult{Applied: applied, Restart: restart}, nil
}

// Drain implements api.Server: like SIGTERM, the process ends once the calls have.
func (a *App) Drain(context.Context) error {
	a.startDrain()
	a.drainOne.Do(func() { close(a.drained) })
	return nil
}

// Ready tells whether the node can take calls, for /readyz.
func (a *App) Ready() error {
	switch {
	case a.draining.Load():
		return errors.New("draining")
	case !a.up.Load():
		return errors.New("not started, or stopped")
	}
	if reason := a.store.Err(); reason != "" {
		return errors.New("store: " + reason)
	}
	return nil
}
