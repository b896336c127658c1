package route

import (
	"errors"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/resource"
)

// outsideSet is a tenant in Romania with one trunk for all numbers.
func outsideSet(tenant, user, device *resource.OutsideSpec, rates ...resource.RateSpec) *resource.Set {
	k := func(n string) resource.Key { return resource.Key{Tenant: "default", Name: n} }
	return &resource.Set{
		Tenants: map[string]*resource.TenantSpec{"default": {TimeZone: "Europe/Bucharest", Region: "RO", OutsideCalls: tenant, Rates: rates}},
		Users:   map[resource.Key]*resource.UserSpec{k("ana"): {Device: "desk", Outside: []string{"*"}, OutsideCalls: user}},
		Devices: map[resource.Key]*resource.DeviceSpec{k("desk"): {OutsideCalls: device}, k("lobby"): {Outside: []string{"*"}}},
		Trunks:  map[resource.Key]*resource.TrunkSpec{k("north"): {Target: "sip:192.0.2.1", Prefixes: []string{"*"}}},
		Schedules: map[resource.Key]*resource.ScheduleSpec{k("day"): {Hours: []resource.HoursSpec{{
			Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "18:00"}}}},
	}
}

func TestMayDial(t *testing.T) {
	zone, _ := time.LoadLocation("Europe/Bucharest")
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, zone) // a Monday
	spec := func(f func(s *resource.OutsideSpec)) *resource.OutsideSpec {
		s := &resource.OutsideSpec{}
		f(s)
		return s
	}
	for _, row := range []struct {
		name         string
		tenant, user *resource.OutsideSpec
		device       *resource.OutsideSpec
		from, number string
		at           time.Time
		use          map[string]Use
		why          Why
		who          string
	}{
		{name: "no limits", number: "+40213456789"},
		{name: "premium in the national form", number: "0906123456", why: WhyPremium, who: "tenant"},
		{name: "premium abroad", number: "0044 909 879 0000", why: WhyPremium, who: "tenant"},
		{name: "satellite", number: "+8816123456789", why: WhyPremium, who: "tenant"},
		{name: "international premium rate", number: "+979123456789", why: WhyPremium, who: "tenant"},
		{name: "all is not premium", user: spec(func(s *resource.OutsideSpec) { s.Allow = []string{"*"} }), number: "+8816123456789", why: WhyPremium, who: "user/ana"},
		{name: "satellite by name", user: spec(func(s *resource.OutsideSpec) { s.Allow = []string{"+881", "*"} }), number: "008816123456789"},
		{name: "only at home", user: spec(func(s *resource.OutsideSpec) { s.Allow = []string{"+40"} }), number: "+493012345678", why: WhyDestination, who: "user/ana"},
		{name: "at home, dialled so", user: spec(func(s *resource.OutsideSpec) { s.Allow = []string{"+40"} }), number: "0213456789"},
		{name: "denied", tenant: spec(func(s *resource.OutsideSpec) { s.Deny = []string{"+53"} }), number: "+5371234567", why: WhyDestination, who: "tenant"},
		{name: "longer allow than deny", tenant: spec(func(s *resource.OutsideSpec) { s.Deny, s.Allow = []string{"+53"}, []string{"+537", "*"} }), number: "+5371234567"},
		{name: "as long: denied", tenant: spec(func(s *resource.OutsideSpec) { s.Deny, s.Allow = []string{"+53"}, []string{"+53"} }), number: "+5371234567", why: WhyDestination, who: "tenant"},
		{name: "tenant over user", tenant: spec(func(s *resource.OutsideSpec) { s.Deny = []string{"+53"} }),
			user: spec(func(s *resource.OutsideSpec) { s.Allow = []string{"+53"} }), number: "+5371234567", why: WhyDestination, who: "tenant"},
		{name: "at night", user: spec(func(s *resource.OutsideSpec) { s.Schedule = "day" }), number: "+40213456789", at: noon.Add(6 * time.Hour), why: WhyHours, who: "user/ana"},
		{name: "by day", user: spec(func(s *resource.OutsideSpec) { s.Schedule = "day" }), number: "+40213456789", at: noon.Add(6*time.Hour - time.Second)},
		{name: "a schedule that is gone", user: spec(func(s *resource.OutsideSpec) { s.Schedule = "gone" }), number: "+40213456789", why: WhyHours, who: "user/ana"},
		{name: "last place", device: spec(func(s *resource.OutsideSpec) { s.MaxCalls = 2 }), number: "+40213456789", use: map[string]Use{"device/desk": {Calls: 1}}},
		{name: "full", device: spec(func(s *resource.OutsideSpec) { s.MaxCalls = 2 }), number: "+40213456789", use: map[string]Use{"device/desk": {Calls: 2}}, why: WhyCalls, who: "device/desk"},
		{name: "minutes", user: spec(func(s *resource.OutsideSpec) { s.MinutesPerDay = 60 }), number: "+40213456789", use: map[string]Use{"user/ana": {Talked: time.Hour}}, why: WhyMinutes, who: "user/ana"},
		{name: "spend of the tenant", tenant: spec(func(s *resource.OutsideSpec) { s.SpendPerDay = 5000 }), number: "+40213456789", use: map[string]Use{"tenant": {Spent: 5001}}, why: WhySpend, who: "tenant"},
		{name: "a flow is bound by the tenant", from: "-", tenant: spec(func(s *resource.OutsideSpec) { s.MaxCalls = 1 }), number: "+40213456789", use: map[string]Use{"tenant": {Calls: 1}}, why: WhyCalls, who: "tenant"},
		{name: "a flow to premium", from: "-", number: "0906123456", why: WhyPremium, who: "tenant"},
		{name: "another's limit", user: spec(func(s *resource.OutsideSpec) { s.MaxCalls = 1 }), from: "lobby", number: "+40213456789", use: map[string]Use{"user/ana": {Calls: 9}}},
		{name: "not a number", number: "+40x", why: WhyDestination, who: "tenant"},
	} {
		table, _ := Build(outsideSet(row.tenant, row.user, row.device))
		from, at := row.from, row.at
		switch from {
		case "":
			from = "desk"
		case "-":
			from = ""
		}
		if at.IsZero() {
			at = noon
		}
		err := table.MayDial(at, "default", from, row.number, func(who string) Use { return row.use[who] })
		why, who := WhyOf(err)
		if why != row.why || who != row.who || err != nil && !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v, want %q of %q", row.name, err, row.why, row.who)
		}
	}
	if _, faults := Build(outsideSet(nil, &resource.OutsideSpec{Schedule: "gone"}, nil)); len(faults) == 0 {
		t.Error("a schedule that does not exist is no fault")
	}
	table, _ := Build(outsideSet(nil, nil, nil))
	if table.MayDial(noon, "other", "desk", "+40213456789", nil) == nil {
		t.Error("a tenant that does not exist may dial")
	}
}

func TestPrice(t *testing.T) {
	table, faults := Build(outsideSet(nil, nil, nil,
		resource.RateSpec{Prefix: "*", PerMinute: 600},
		resource.RateSpec{Prefix: "+40", PerMinute: 60, Setup: 10},
		resource.RateSpec{Prefix: "+407", PerMinute: 120, Step: resource.Duration(time.Minute)}))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, row := range []struct {
		number string
		talked time.Duration
		want   int64
	}{
		{"+40213456789", time.Minute, 70},
		{"0213456789", 30 * time.Second, 40},
		{"0213456789", 1, 11}, // a second begun, and a thousandth begun
		{"+40722333444", time.Second, 120},
		{"0722333444", 61 * time.Second, 240},
		{"+493012345678", 90 * time.Second, 900},
		{"+493012345678", 0, 0},
		{"+493012345678", -time.Second, 0},
	} {
		if got := table.Price("default", row.number, row.talked); got != row.want {
			t.Errorf("%s for %s: %d, want %d", row.number, row.talked, got, row.want)
		}
	}
}

func TestDayIsTheTenants(t *testing.T) {
	table, _ := Build(outsideSet(nil, nil, nil))
	at := time.Date(2026, 10, 24, 21, 30, 0, 0, time.UTC) // 00:30 in Bucharest, the night clocks go back
	if got := table.Day("default", at); !got.Equal(time.Date(2026, 10, 24, 21, 0, 0, 0, time.UTC)) {
		t.Error(got)
	}
	if d := table.Day("default", at.Add(25*time.Hour)).Sub(table.Day("default", at)); d != 25*time.Hour {
		t.Errorf("that day has %s", d)
	}
}

func TestUsedUp(t *testing.T) {
	const who = "user/ana"
	for _, row := range []struct {
		name         string
		tenant, user *resource.OutsideSpec
		device       string
		use, soon    Use
		why          Why
		whose        string
	}{
		{"no limits", nil, nil, "desk", Use{Talked: time.Hour, Spent: 1e9}, Use{Spent: 2e9}, "", ""},
		{"calls at a time end none", nil, &resource.OutsideSpec{MaxCalls: 1}, "desk", Use{Calls: 9}, Use{Calls: 9}, "", ""},
		{"minutes left", nil, &resource.OutsideSpec{MinutesPerDay: 60}, "desk", Use{Talked: time.Hour - 1}, Use{}, "", ""},
		{"no minutes", nil, &resource.OutsideSpec{MinutesPerDay: 60}, "desk", Use{Talked: time.Hour}, Use{}, WhyMinutes, who},
		{"money left", nil, &resource.OutsideSpec{SpendPerDay: 500}, "desk", Use{Spent: 499}, Use{Spent: 1000}, "", ""},
		{"what is paid for is talked", nil, &resource.OutsideSpec{SpendPerDay: 500}, "desk", Use{Spent: 1000}, Use{Spent: 1000}, "", ""},
		{"no money for the next unit", nil, &resource.OutsideSpec{SpendPerDay: 500}, "desk", Use{Spent: 1000}, Use{Spent: 2000}, WhySpend, who},
		{"the tenant's", &resource.OutsideSpec{SpendPerDay: 500}, nil, "", Use{Spent: 500}, Use{Spent: 501}, WhySpend, Tenant},
		{"another device", nil, &resource.OutsideSpec{SpendPerDay: 500}, "lobby", Use{Spent: 1000}, Use{Spent: 2000}, "", ""},
	} {
		table, _ := Build(outsideSet(row.tenant, row.user, nil))
		at := func(u Use) func(string) Use { return func(string) Use { return u } }
		why, whose := WhyOf(table.UsedUp("default", row.device, at(row.use), at(row.soon)))
		if why != row.why || whose != row.whose {
			t.Errorf("%s: %q of %q, want %q of %q", row.name, why, whose, row.why, row.whose)
		}
	}
	table, _ := Build(outsideSet(nil, nil, nil))
	if err := table.UsedUp("gone", "desk", nil, nil); err != nil {
		t.Error("a tenant that is gone ends no calls:", err)
	}
}
