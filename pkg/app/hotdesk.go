package app

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/acd"
)

// hotDeskText is what an agent hears who dials the feature hot_desk.
const hotDeskText = `
start: number
steps:
  number: {collect: {prompts: [agent_number], into: agent_number, min: 1, max: 10, retries: 1}, next: pin, on: {failed: bye}}
  pin: {collect: {prompts: [agent_pin], into: agent_pin, min: 4, max: 10, secret: true, retries: 1}, next: ask, on: {failed: bye}}
  ask: {log_in: {number: agent_number, pin: agent_pin}, next: welcome, on: {refused: again, failed: sorry}}
  again: {play: agent_unknown, next: number}
  welcome: {play: logged_in, next: end}
  sorry: {play: not_allowed, next: end}
  bye: {play: goodbye, next: end}
  end: {hangup: normal}
`

// hotDeskFlow is that flow, made once: it never changes.
var hotDeskFlow = sync.OnceValue(func() *flow.Flow {
	var raw map[string]any
	if err := yaml.Unmarshal([]byte(hotDeskText), &raw); err != nil {
		panic(err)
	}
	f, err := flow.Parse("hot-desk", raw)
	if err != nil {
		panic(err)
	}
	f.Check(flow.CheckEnv{}) // works out what steps need: the flow is shared afterwards
	f.Name = flow.HotDesk
	return f
})

// logInJob logs an agent in at the phone that calls (flow.LogIn). Who sat there, or
// where the agent sat before, is logged out: the next shift does not wait for the last.
func (a *App) logInJob(ctx context.Context, tenant, callID string, j flow.Job) (string, map[string]string, error) {
	job := j.(*flow.LogInJob)
	st, ok := a.calls.Snapshot(ctx, callID)
	if !ok || len(st.Legs) == 0 || st.Legs[0].Device == "" {
		return flow.OutcomeFailed, nil, errors.New("log in: not from a phone of the house")
	}
	device := st.Legs[0].Device
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return flow.OutcomeFailed, nil, fmt.Errorf("log in: no tenant %q", tenant)
	}
	// The phone and the number: neither many PINs at one agent nor many agents at one phone.
	keys := [2]deskKey{{tenant, "device", device}, {tenant, "number", job.Number}}
	now := time.Now()
	if !a.desks.open(now, keys) {
		return flow.OutcomeFailed, nil, fmt.Errorf("log in: too many wrong tries at device %q or for agent number %q; wait %s", device, job.Number, deskPause)
	}
	name := h.agentByNumber(job.Number, job.PIN)
	if name == "" {
		a.desks.wrong(now, keys)
		a.log.Warn("agent not logged in: wrong number or PIN", zap.String("tenant", tenant), zap.String("device", device), zap.String("agent_number", job.Number), zap.String("call_id", callID))
		return flow.OutcomeRefused, nil, nil
	}
	a.desks.right(keys)
	in := acd.LogIn{Agent: name, Device: device, By: acd.ByPhone}
	err := h.acd.Ask(ctx, in)
	var taken *acd.DeviceTaken
	for try := 0; err != nil && try < 2; try++ {
		switch {
		case errors.As(err, &taken):
			err = h.acd.Ask(ctx, acd.LogOut{Agent: taken.Agent, Reason: "replaced", By: acd.ByPhone})
		case errors.Is(err, acd.ErrElsewhere):
			err = h.acd.Ask(ctx, acd.LogOut{Agent: name, Reason: "moved", By: acd.ByPhone})
		default:
			return flow.OutcomeFailed, nil, err
		}
		if err == nil {
			err = h.acd.Ask(ctx, in)
		}
	}
	if err != nil {
		return flow.OutcomeFailed, nil, err
	}
	return flow.OutcomeDone, map[string]string{"agent": name}, nil
}

// agentByNumber finds the agent with a number and its PIN; "" = there is none.
func (h *house) agentByNumber(number, pin string) string {
	for name, u := range h.users {
		if u.AgentNumber != "" && u.AgentNumber == number {
			if subtle.ConstantTimeCompare([]byte(u.AgentPIN), []byte(pin)) == 1 && u.AgentPIN != "" {
				return name
			}
			return ""
		}
	}
	return ""
}

// desks brakes the guessing of PINs by phone.
type desks struct {
	mu   sync.Mutex
	seen map[deskKey]deskTries
}

type deskKey struct{ tenant, kind, name string }

type deskTries struct {
	n    int
	last time.Time
}

const (
	deskWrong = 5 // wrong tries that close a phone or a number
	deskPause = 10 * time.Minute
	maxDesks  = 10_000
)

// open tells whether a phone and a number may be tried.
func (d *desks) open(now time.Time, keys [2]deskKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		if t := d.seen[k]; t.n >= deskWrong && now.Sub(t.last) < deskPause {
			return false
		}
	}
	return true
}

func (d *desks) wrong(now time.Time, keys [2]deskKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[deskKey]deskTries{}
	}
	for k, t := range d.seen {
		if now.Sub(t.last) >= deskPause {
			delete(d.seen, k)
		}
	}
	for _, k := range keys {
		if _, there := d.seen[k]; there || len(d.seen) < maxDesks {
			d.seen[k] = deskTries{d.seen[k].n + 1, now}
		}
	}
}

func (d *desks) right(keys [2]deskKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		delete(d.seen, k)
	}
}
