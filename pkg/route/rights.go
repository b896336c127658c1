package route

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/centrala/centrala/ivr/schedule"
	"github.com/centrala/centrala/pkg/e164"
	"github.com/centrala/centrala/pkg/resource"
)

// Why a call to the outside is refused.
type Why string

// The reasons, the closed set of a metric's label.
const (
	WhyRight       Why = "right"       // the device's and user's "outside" does not name it
	WhyPremium     Why = "premium"     // a number that costs its caller more, and nobody allowed it by name
	WhyDestination Why = "destination" // "deny", or not in "allow"
	WhyHours       Why = "hours"
	WhyCalls       Why = "calls"   // at a time
	WhyMinutes     Why = "minutes" // of today
	WhySpend       Why = "spend"   // of today
)

// Whys lists the reasons.
var Whys = []Why{WhyRight, WhyPremium, WhyDestination, WhyHours, WhyCalls, WhyMinutes, WhySpend}

// Refusal is why a call to the outside is refused; it is ErrForbidden.
type Refusal struct {
	Why Why
	Who string // whose limit: "user/NAME", "device/NAME" or "tenant"
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("route: no calls to the outside for %s: %s", r.Who, r.Why)
}

// Unwrap makes a Refusal ErrForbidden.
func (r *Refusal) Unwrap() error { return ErrForbidden }

// WhyOf is the reason in an error of FromDevice or MayDial; "" = none.
func WhyOf(err error) (why Why, who string) {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Why, r.Who
	}
	if errors.Is(err, ErrForbidden) {
		return WhyRight, ""
	}
	return "", ""
}

// Use is what somebody used of the outside today.
type Use struct {
	Calls  int // now
	Talked time.Duration
	Spent  int64 // thousandths of the currency
}

// Tenant is who the limits of a whole tenant belong to.
const Tenant = "tenant"

// limits are one OutsideSpec, read.
type limits struct {
	who         string
	allow, deny []Digits
	allowAll    bool
	schedule    *schedule.Schedule // nil: always
	calls       int
	minutes     time.Duration
	spend       int64
}

type rate struct {
	prefix Digits
	spec   resource.RateSpec
}

// rights are a tenant's limits and prices.
type rights struct {
	all     *limits // of the tenant
	users   map[string]*limits
	devices map[string]*limits
	rates   []rate
	zone    *time.Location
}

// limits reads what the resources say about calls to the outside.
func (b *builder) limits(r *resource.Set) {
	b.t.rights = map[string]*rights{}
	for name, spec := range r.Tenants {
		loc, err := time.LoadLocation(spec.TimeZone)
		if err != nil || spec.TimeZone == "" {
			loc = time.UTC
		}
		rt := &rights{users: map[string]*limits{}, devices: map[string]*limits{}, zone: loc}
		k := resource.Key{Tenant: name, Name: name}
		rt.all = b.read(r, k, "tenant", Tenant, spec.OutsideCalls)
		for i, s := range spec.Rates {
			d, ok := Normalise(s.Prefix)
			if s.Prefix == "*" {
				d, ok = Digits{}, true
			}
			if !ok {
				b.fault(k, "tenant", "rates[%d].prefix: %q is no prefix", i, s.Prefix)
				continue
			}
			rt.rates = append(rt.rates, rate{d, s})
		}
		b.t.rights[name] = rt
	}
	each(r.Users, func(k resource.Key, spec *resource.UserSpec) {
		if rt := b.t.rights[k.Tenant]; rt != nil && spec.OutsideCalls != nil {
			rt.users[k.Name] = b.read(r, k, "user", "user/"+k.Name, spec.OutsideCalls)
		}
	})
	each(r.Devices, func(k resource.Key, spec *resource.DeviceSpec) {
		if rt := b.t.rights[k.Tenant]; rt != nil && spec.OutsideCalls != nil {
			rt.devices[k.Name] = b.read(r, k, "device", "device/"+k.Name, spec.OutsideCalls)
		}
	})
}

func (b *builder) read(r *resource.Set, k resource.Key, kind, who string, s *resource.OutsideSpec) *limits {
	if s == nil {
		return &limits{who: who, allowAll: true}
	}
	l := &limits{who: who, calls: s.MaxCalls, minutes: time.Duration(s.MinutesPerDay) * time.Minute, spend: int64(s.SpendPerDay)}
	l.allow, l.allowAll = b.prefixes(k, kind, "outside_calls.allow", s.Allow)
	l.allowAll = l.allowAll || len(s.Allow) == 0
	l.deny, _ = b.prefixes(k, kind, "outside_calls.deny", s.Deny)
	if s.Schedule != "" {
		spec := r.Schedules[resource.Key{Tenant: k.Tenant, Name: s.Schedule}]
		if spec == nil {
			b.fault(k, kind, "outside_calls.schedule: there is no schedule %q", s.Schedule)
			l.calls = -1 // fail closed: not at any hour
			return l
		}
		zoned := *spec
		if t := r.Tenants[k.Tenant]; zoned.TimeZone == "" && t != nil {
			zoned.TimeZone = t.TimeZone
		}
		sc, err := schedule.Parse(zoned)
		if err != nil {
			b.fault(k, kind, "outside_calls.schedule: %v", err)
			l.calls = -1
			return l
		}
		l.schedule = sc
	}
	return l
}

// premiumPrefixes are international numbers that cost more and of which no
// country's plan tells: international premium rate (ITU-T E.169.2), satellites,
// and the networks that toll fraud prefers.
var premiumPrefixes = []string{"979", "870", "881", "882", "883", "878", "808"}

// premium reports a number that costs its caller more than a call.
func premium(all []Digits, region string) bool {
	for _, d := range all {
		if d.International && slices.ContainsFunc(premiumPrefixes, func(p string) bool { return len(d.Number) >= 3 && d.Number[:3] == p }) {
			return true
		}
		if n, ok := e164.Parse(d.String(), region); ok && n.Premium() {
			return true
		}
	}
	return false
}

// longest is the length of the longest prefix of a list that a number has, -1 for none.
func longest(all []Digits, list []Digits) int {
	best := -1
	for _, d := range all {
		for _, p := range list {
			if d.hasPrefix(p) {
				best = max(best, len(p.Number))
			}
		}
	}
	return best
}

// MayDial asks the limits of the device, its user and the tenant about a call to
// the outside; device "" is the house itself (a flow). use tells what each used
// (who as in Refusal.Who). Emergency calls are never asked about: see Target.Emergency.
// The error is a Refusal.
func (t *Table) MayDial(now time.Time, tenant, device, number string, use func(who string) Use) error {
	tn, rt := t.tenants[tenant], t.rights[tenant]
	d, ok := Normalise(number)
	if tn == nil || rt == nil || !ok {
		return &Refusal{WhyDestination, Tenant}
	}
	list := t.limitsOf(tenant, device)
	all := forms(d, tn.spec.Region)
	// Premium numbers are for who is allowed them by a prefix; "*" does not say that.
	if premium(all, tn.spec.Region) && !slices.ContainsFunc(list, func(l *limits) bool { return longest(all, l.allow) >= 0 }) {
		return &Refusal{WhyPremium, list[0].who}
	}
	for _, l := range list {
		allowed := longest(all, l.allow)
		if denied := longest(all, l.deny); denied >= 0 && denied >= allowed || allowed < 0 && !l.allowAll {
			return &Refusal{WhyDestination, l.who}
		}
		if l.schedule != nil && !l.schedule.Open(now) {
			return &Refusal{WhyHours, l.who}
		}
		if l.calls == 0 && l.minutes == 0 && l.spend == 0 {
			continue
		}
		u := use(l.who)
		switch {
		case l.calls < 0:
			return &Refusal{WhyHours, l.who}
		case l.calls > 0 && u.Calls >= l.calls:
			return &Refusal{WhyCalls, l.who}
		case l.minutes > 0 && u.Talked >= l.minutes:
			return &Refusal{WhyMinutes, l.who}
		case l.spend > 0 && u.Spent >= l.spend:
			return &Refusal{WhySpend, l.who}
		}
	}
	return nil
}

// limitsOf lists what binds a call of a device: its own limits, its user's and the
// tenant's.
func (t *Table) limitsOf(tenant, device string) []*limits {
	tn, rt := t.tenants[tenant], t.rights[tenant]
	if tn == nil || rt == nil {
		return nil
	}
	list := make([]*limits, 0, 3)
	if device != "" {
		if l := rt.devices[device]; l != nil {
			list = append(list, l)
		}
		if dev := tn.devices[device]; dev != nil && dev.agent != "" {
			if l := rt.users[dev.agent]; l != nil {
				list = append(list, l)
			}
		}
	}
	return append(list, rt.all)
}

// UsedUp tells of a running call of a device whether the minutes or the money of
// today are used up, so that it has to end: use is what everybody used, soon the
// same a moment later. What is paid for already may be talked: only when a further
// unit of the price begins is it over. The error is a Refusal.
func (t *Table) UsedUp(tenant, device string, use, soon func(who string) Use) error {
	for _, l := range t.limitsOf(tenant, device) {
		if l.minutes == 0 && l.spend == 0 {
			continue
		}
		u := use(l.who)
		switch {
		case l.minutes > 0 && u.Talked >= l.minutes:
			return &Refusal{WhyMinutes, l.who}
		case l.spend > 0 && u.Spent >= l.spend && soon(l.who).Spent > u.Spent:
			return &Refusal{WhySpend, l.who}
		}
	}
	return nil
}

// Price is what a conversation with a number costs by the tenant's rates, in
// thousandths of the currency: the longest prefix counts; none: nothing.
func (t *Table) Price(tenant, number string, talked time.Duration) int64 {
	rt, tn := t.rights[tenant], t.tenants[tenant]
	d, ok := Normalise(number)
	if rt == nil || tn == nil || !ok || talked <= 0 {
		return 0
	}
	all := forms(d, tn.spec.Region)
	var best *rate
	for i := range rt.rates {
		r := &rt.rates[i]
		if (r.prefix.Number == "" || longest(all, []Digits{r.prefix}) >= 0) && (best == nil || len(r.prefix.Number) > len(best.prefix.Number)) {
			best = r
		}
	}
	if best == nil {
		return 0
	}
	step := time.Duration(best.spec.Step)
	if step <= 0 {
		step = time.Second
	}
	steps := (talked + step - 1) / step
	return int64(best.spec.Setup) + (int64(best.spec.PerMinute)*int64(steps*step)+int64(time.Minute)-1)/int64(time.Minute)
}

// Day is when the tenant's day began.
func (t *Table) Day(tenant string, now time.Time) time.Time {
	loc := time.UTC
	if rt := t.rights[tenant]; rt != nil {
		loc = rt.zone
	}
	y, m, d := now.In(loc).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, loc)
}
