package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/schedule"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// closures are the switches of schedules, one a name: every revision's schedule of
// that name has the same, so that what was closed stays so over an apply.
type closures struct {
	mu       sync.Mutex
	switches map[resource.Key]*schedule.Switch
	// turn is held by one who closes or opens: store, switch and journal agree.
	turn sync.Mutex
}

func (c *closures) of(tenant, name string) *schedule.Switch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.switches == nil {
		c.switches = map[resource.Key]*schedule.Switch{}
	}
	k := resource.Key{Tenant: tenant, Name: name}
	if c.switches[k] == nil {
		c.switches[k] = &schedule.Switch{}
	}
	return c.switches[k]
}

// fit gives a house's schedules their switches.
func (c *closures) fit(h *house) {
	for name, s := range h.schedules {
		h.schedules[name] = s.WithSwitch(c.of(h.tenant, name))
	}
}

// loadClosures sets the switches as they were when the node stopped.
func (a *App) loadClosures(ctx context.Context) error {
	list, err := a.store.Closures(ctx)
	for _, c := range list {
		a.closures.of(c.Tenant, c.Schedule).Close(schedule.Closure{Since: c.Since, Until: c.Until, Reason: c.Reason, By: c.By})
	}
	return err
}

// maxClosure is how far ahead a closure may end.
const maxClosure = 5 * 366 * 24 * time.Hour

// CloseSchedule implements api.Schedules.
func (a *App) CloseSchedule(ctx context.Context, tenant, name string, c api.CloseSchedule, by string) (api.Schedule, error) {
	if _, err := a.schedule(tenant, name); err != nil {
		return api.Schedule{}, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond) // as the store keeps it
	switch {
	case !c.Until.IsZero() && !c.Until.After(now):
		return api.Schedule{}, fmt.Errorf("%w: until %s is over", api.ErrInvalid, c.Until.Format(time.RFC3339))
	case c.Until.After(now.Add(maxClosure)):
		return api.Schedule{}, fmt.Errorf("%w: until %s: want at most five years", api.ErrInvalid, c.Until.Format(time.RFC3339))
	case len(c.Reason) > 200:
		return api.Schedule{}, fmt.Errorf("%w: reason: longer than 200 bytes", api.ErrInvalid)
	}
	c.Until = c.Until.Truncate(time.Millisecond)
	a.closures.turn.Lock()
	defer a.closures.turn.Unlock()
	err := a.store.CloseSchedule(ctx, store.Closure{Tenant: tenant, Schedule: name, Since: now, Until: c.Until, Reason: c.Reason, By: by})
	if err != nil {
		return api.Schedule{}, err
	}
	a.closures.of(tenant, name).Close(schedule.Closure{Since: now, Until: c.Until, Reason: c.Reason, By: by})
	a.store.Append(event.Event{At: now, Tenant: tenant, Body: event.ScheduleClosed{Schedule: name, Until: c.Until, Reason: c.Reason, By: by}})
	a.log.Info("schedule closed by hand", zap.String("tenant", tenant), zap.String("schedule", name), zap.Time("until", c.Until), zap.String("by", by))
	return a.Schedule(ctx, tenant, name, time.Time{})
}

// OpenSchedule implements api.Schedules. One that nobody closed stays as it is.
func (a *App) OpenSchedule(ctx context.Context, tenant, name, by string) (api.Schedule, error) {
	if _, err := a.schedule(tenant, name); err != nil {
		return api.Schedule{}, err
	}
	a.closures.turn.Lock()
	defer a.closures.turn.Unlock()
	if err := a.store.OpenSchedule(ctx, tenant, name); err != nil {
		return api.Schedule{}, err
	}
	if a.closures.of(tenant, name).Open() {
		a.store.Append(event.Event{At: time.Now(), Tenant: tenant, Body: event.ScheduleOpened{Schedule: name, By: by}})
		a.log.Info("schedule opened by hand", zap.String("tenant", tenant), zap.String("schedule", name), zap.String("by", by))
	}
	return a.Schedule(ctx, tenant, name, time.Time{})
}

// ToggleSchedule closes the schedule whose switch was dialled, or opens it; it
// returns the prompt that says which.
func (a *App) ToggleSchedule(ctx context.Context, tenant, digits, user string) (said string, err error) {
	name := ""
	for k, s := range a.dir.Load().set.Schedules {
		if k.Tenant == tenant && s.Switch != "" && s.Switch == digits {
			name = k.Name
		}
	}
	if name == "" {
		return "unknown_code", nil
	}
	if a.closures.of(tenant, name).Closure(time.Now()) != nil {
		_, err = a.OpenSchedule(ctx, tenant, name, user)
		return "schedule_opened", err
	}
	_, err = a.CloseSchedule(ctx, tenant, name, api.CloseSchedule{Reason: "by phone"}, user)
	return "schedule_closed", err
}

func (a *App) schedule(tenant, name string) (*schedule.Schedule, error) {
	if h := a.dir.Load().houses[tenant]; h != nil && h.schedules[name] != nil {
		return h.schedules[name], nil
	}
	return nil, fmt.Errorf("schedule %q: %w", name, api.ErrNotFound)
}

// Schedules implements api.Schedules.
func (a *App) Schedules(ctx context.Context, tenant string, at time.Time) ([]api.Schedule, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	out := []api.Schedule{}
	for name := range h.schedules {
		s, err := a.Schedule(ctx, tenant, name, at)
		if errors.Is(err, api.ErrNotFound) {
			continue // removed meanwhile
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y api.Schedule) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// Schedule implements api.Schedules.
func (a *App) Schedule(_ context.Context, tenant, name string, at time.Time) (api.Schedule, error) {
	s, err := a.schedule(tenant, name)
	if err != nil {
		return api.Schedule{}, err
	}
	if at.IsZero() {
		at = time.Now()
	}
	answer := s.At(at)
	out := api.Schedule{Name: name, TimeZone: s.Zone().String(), At: at.In(s.Zone()), Open: answer.Open, Why: string(answer.Why), What: answer.Name}
	if spec := a.dir.Load().set.Schedules[resource.Key{Tenant: tenant, Name: name}]; spec != nil {
		out.Switch = spec.Switch
	}
	if next, ok := s.NextChange(at); ok {
		out.Changes = next
	}
	if c := a.closures.of(tenant, name).Closure(at); c != nil {
		out.Closure = &api.Closure{Since: c.Since, Until: c.Until, Reason: c.Reason, By: c.By}
	}
	return out, nil
}

// ImportCalendar implements api.Schedules.
func (a *App) ImportCalendar(ctx context.Context, tenant, name, calendar, text string, o api.ApplyOptions) (api.ApplyResult, error) {
	spec := a.dir.Load().set.Schedules[resource.Key{Tenant: tenant, Name: name}]
	if spec == nil {
		return api.ApplyResult{}, fmt.Errorf("schedule %q: %w", name, api.ErrNotFound)
	}
	next := *spec
	next.Calendars = slices.Clone(spec.Calendars)
	i := slices.IndexFunc(next.Calendars, func(c resource.CalendarSpec) bool { return c.Name == calendar })
	switch {
	case i < 0 && text == "":
		return api.ApplyResult{}, fmt.Errorf("calendar %q of schedule %q: %w", calendar, name, api.ErrNotFound)
	case i < 0:
		next.Calendars = append(next.Calendars, resource.CalendarSpec{Name: calendar, ICal: text})
	case text == "":
		next.Calendars = slices.Delete(next.Calendars, i, i+1)
	default:
		next.Calendars[i].ICal = text
	}
	o.Prune = false
	return a.Apply(ctx, []resource.Document{{Kind: resource.KindSchedule, Tenant: tenant, Name: name, Spec: &next}}, o)
}
