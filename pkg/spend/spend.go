// Package spend counts what the house uses of the outside: calls through trunks
// now, and minutes and money of today, for each tenant, user and device. It is a
// projection of the journal: fed every event while calls run, and call records of
// today after a restart. It decides nothing; pkg/route does.
package spend

import (
	"sync"
	"time"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// Rules are what a Ledger must know of the configuration. They are asked with the
// Ledger's lock held: fast, in memory.
type Rules struct {
	// Price of a conversation, thousandths of the currency.
	Price func(tenant, number string, talked time.Duration) int64
	// Day is when the tenant's current day began.
	Day func(tenant string, now time.Time) time.Time
	// User of a device, "" none.
	User func(tenant, device string) string
	// Help tells of a number that calls for help: it counts as a call, and costs
	// nobody minutes or money. nil: none does.
	Help func(tenant, number string) bool
}

// pendingFor is how long a permission counts as a call before its leg begins.
const pendingFor = 3 * time.Second

// Ledger holds the counts. Its methods may be called from any goroutine.
type Ledger struct {
	mu    sync.Mutex
	rules Rules
	calls map[string]*live // by call id: calls with a leg to the outside, or that may get one
	who   map[key]*account
}

type key struct{ tenant, who string }

type account struct {
	day     time.Time
	talked  time.Duration
	spent   int64
	legs    map[*leg]struct{}
	pending []time.Time
}

type live struct {
	tenant    string
	device    string // who pays: the caller's, or of who transferred the call last
	emergency bool
	legs      map[int]*leg
}

type leg struct {
	device   string
	number   string
	free     bool // a call for help
	answered time.Time
}

// New makes an empty ledger.
func New(r Rules) *Ledger {
	return &Ledger{rules: r, calls: map[string]*live{}, who: map[key]*account{}}
}

// payers are the accounts of a call.
func (l *Ledger) payers(tenant, device string) []key {
	out := []key{{tenant, route.Tenant}}
	if device != "" {
		out = append(out, key{tenant, "device/" + device})
		if user := l.rules.User(tenant, device); user != "" {
			out = append(out, key{tenant, "user/" + user})
		}
	}
	return out
}

func (l *Ledger) account(k key, now time.Time) *account {
	a := l.who[k]
	if a == nil {
		a = &account{legs: map[*leg]struct{}{}}
		l.who[k] = a
	}
	if day := l.rules.Day(k.tenant, now); day.After(a.day) {
		a.day, a.talked, a.spent = day, 0, 0
	}
	return a
}

// Permit asks may with what the payers of a call used, and on its consent counts
// the call at once, so that two calls cannot have the same last place.
func (l *Ledger) Permit(now time.Time, tenant, device string, may func(use func(who string) route.Use) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := may(func(who string) route.Use { return l.use(now, key{tenant, who}) }); err != nil {
		return err
	}
	for _, k := range l.payers(tenant, device) {
		a := l.account(k, now)
		a.pending = append(a.pending, now)
	}
	return nil
}

// Use is what somebody ("tenant", "user/NAME", "device/NAME") used so far.
func (l *Ledger) Use(now time.Time, tenant, who string) route.Use {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.use(now, key{tenant, who})
}

func (l *Ledger) use(now time.Time, k key) route.Use {
	a := l.account(k, now)
	for len(a.pending) > 0 && now.Sub(a.pending[0]) >= pendingFor {
		a.pending = a.pending[1:]
	}
	u := l.talked(now, k, a)
	u.Calls = len(a.legs) + len(a.pending)
	return u
}

// talked is what an account has and will have used of today at a moment.
func (l *Ledger) talked(at time.Time, k key, a *account) route.Use {
	u := route.Use{Talked: a.talked, Spent: a.spent}
	for leg := range a.legs {
		if !leg.answered.IsZero() && !leg.free {
			d := at.Sub(latest(leg.answered, a.day))
			u.Talked += max(d, 0)
			u.Spent += l.rules.Price(k.tenant, leg.number, d)
		}
	}
	return u
}

// Running is a conversation with the outside.
type Running struct {
	Tenant, CallID, Device, Number string
	Leg                            int
	Why                            error // what UsedUp asked about it said
}

// UsedUp lists the conversations that have to end in ahead (0: now): those of which
// over says so, given what everybody will have used by then and a moment later.
// Calls for help are not asked about.
func (l *Ledger) UsedUp(now time.Time, ahead, moment time.Duration, over func(tenant, device string, use, soon func(who string) route.Use) error) []Running {
	l.mu.Lock()
	defer l.mu.Unlock()
	type at struct {
		key
		soon bool
	}
	seen := map[at]route.Use{} // a busy tenant's calls all ask the same
	use := func(k at) route.Use {
		u, ok := seen[k]
		if !ok {
			a := l.account(k.key, now)
			when := now.Add(ahead)
			if k.soon {
				when = when.Add(moment)
			}
			u = l.talked(when, k.key, a)
			seen[k] = u
		}
		return u
	}
	var out []Running
	for id, c := range l.calls {
		if c.emergency {
			continue
		}
		for i, g := range c.legs {
			if g.answered.IsZero() {
				continue
			}
			err := over(c.tenant, g.device, func(who string) route.Use { return use(at{key{c.tenant, who}, false}) },
				func(who string) route.Use { return use(at{key{c.tenant, who}, true}) })
			if err != nil {
				out = append(out, Running{Tenant: c.tenant, CallID: id, Device: g.device, Number: g.number, Leg: i, Why: err})
			}
		}
	}
	return out
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Note takes an event of the journal.
func (l *Ledger) Note(e event.Event) {
	switch b := e.Body.(type) {
	case event.CallStarted:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.calls[e.CallID] = &live{tenant: e.Tenant, device: b.Device, emergency: b.Emergency}
	case event.TransferAsked:
		// Who sends a call outside by a transfer pays for it, not the caller.
		if b.Code != 202 || b.Device == "" {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if c := l.calls[e.CallID]; c != nil {
			c.device = b.Device
		}
	case event.LegRedirected:
		// So does whose phone forwards it.
		if b.Refused != 0 {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if c := l.calls[e.CallID]; c != nil {
			c.device = b.Device
		}
	case event.LegStarted:
		if b.Trunk == "" || b.Inbound {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		c := l.calls[e.CallID]
		if c == nil {
			return
		}
		if c.legs == nil {
			c.legs = map[int]*leg{}
		}
		g := &leg{device: c.device, number: b.Number, free: c.emergency || l.help(e.Tenant, b.Number)}
		c.legs[b.Leg] = g
		for _, k := range l.payers(e.Tenant, c.device) {
			a := l.account(k, e.At)
			a.legs[g] = struct{}{}
			if len(a.pending) > 0 {
				a.pending = a.pending[1:]
			}
		}
	case event.LegAnswered:
		l.mu.Lock()
		defer l.mu.Unlock()
		if c := l.calls[e.CallID]; c != nil && c.legs[b.Leg] != nil {
			c.legs[b.Leg].answered = e.At
		}
	case event.LegEnded:
		l.mu.Lock()
		defer l.mu.Unlock()
		if c := l.calls[e.CallID]; c != nil && c.legs[b.Leg] != nil {
			l.end(e.Tenant, c, b.Leg, e.At)
		}
	case event.CallEnded:
		l.mu.Lock()
		defer l.mu.Unlock()
		if c := l.calls[e.CallID]; c != nil {
			for i := range c.legs {
				l.end(e.Tenant, c, i, e.At)
			}
			delete(l.calls, e.CallID)
		}
	}
}

// end charges a leg. What was talked before midnight belongs to the day before.
func (l *Ledger) end(tenant string, c *live, i int, at time.Time) {
	g := c.legs[i]
	delete(c.legs, i)
	for _, k := range l.payers(tenant, g.device) {
		a := l.account(k, at)
		delete(a.legs, g)
		if g.free {
			continue
		}
		l.charge(k.tenant, a, g.number, g.answered, at)
	}
}

func (l *Ledger) help(tenant, number string) bool {
	return l.rules.Help != nil && l.rules.Help(tenant, number)
}

func (l *Ledger) charge(tenant string, a *account, number string, from, to time.Time) {
	if from.IsZero() {
		return
	}
	if d := to.Sub(latest(from, a.day)); d > 0 {
		a.talked += d
		a.spent += l.rules.Price(tenant, number, d)
	}
}

// Load counts a record of a call that has ended: after a restart, those of today.
func (l *Ledger) Load(now time.Time, c cdr.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range c.Legs {
		if g.Leg == 0 || g.Trunk == "" || g.Inbound || !g.Answered || l.help(c.Tenant, g.Number) {
			continue
		}
		begun := c.Started.Add(time.Duration(g.AtMs) * time.Millisecond)
		from, to := begun.Add(time.Duration(g.AnswerMs)*time.Millisecond), begun.Add(time.Duration(g.EndedMs)*time.Millisecond)
		if g.EndedMs == 0 {
			to = c.Ended
		}
		for _, k := range l.payers(c.Tenant, c.Device) {
			l.charge(c.Tenant, l.account(k, now), g.Number, from, to)
		}
	}
}

// Tap is a journal that a Ledger listens to.
type Tap struct {
	event.Journal
	Ledger *Ledger
}

// Append implements event.Journal.
func (t Tap) Append(e event.Event) {
	t.Ledger.Note(e)
	t.Journal.Append(e)
}
