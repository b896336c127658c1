package flowcheck

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/ivr/schedule"
	"github.com/centrala/centrala/pkg/resource"
)

// tests plays the tests of a flow; what goes otherwise is a fault.
func (c *Checker) tests(tenant string, f *flow.Flow) []flow.Fault {
	if len(f.Tests) == 0 {
		return nil
	}
	h, ok := c.houses[tenant]
	if !ok {
		h = House(c.set, tenant, func(name string) *flow.Flow { return c.flows[resource.Key{Tenant: tenant, Name: name}] })
		c.houses[tenant] = h
	}
	var out []flow.Fault
	for i := range f.Tests {
		r, err := rehearsal.Play(h, f, &f.Tests[i])
		fault := func(what string) {
			out = append(out, flow.Fault{Flow: f.Name, Path: fmt.Sprintf("tests[%d]", i), Message: fmt.Sprintf("%q: %s", f.Tests[i].Name, what)})
		}
		if err != nil {
			fault(err.Error())
		}
		if !r.Passed() {
			fault(strings.Join(r.Wrong, "; "))
		}
	}
	return out
}

// House is what flows find beside themselves when they are played: the tenant's
// schedules and clock, and other flows. A schedule with faults is told elsewhere.
func House(s *resource.Set, tenant string, flows func(string) *flow.Flow) rehearsal.House {
	h := rehearsal.House{Flow: flows, Schedules: map[string]*schedule.Schedule{}}
	zone := ""
	if t := s.Tenants[tenant]; t != nil {
		zone = t.TimeZone
	}
	if loc, err := time.LoadLocation(zone); err == nil {
		h.Zone = loc
	}
	h.App = func(name string) (ivr.AppInfo, bool) {
		a := s.Apps[resource.Key{Tenant: tenant, Name: name}]
		if a == nil {
			return ivr.AppInfo{}, false
		}
		return ivr.AppInfo{Timeout: a.Timeout.D(), Fallback: a.Fallback, May: a.MayDial}, true
	}
	for k, spec := range s.Schedules {
		if k.Tenant != tenant {
			continue
		}
		zoned := *spec
		zoned.TimeZone = cmp.Or(spec.TimeZone, zone)
		if sc, err := schedule.Parse(zoned); err == nil {
			h.Schedules[k.Name] = sc
		}
	}
	return h
}

// LanguageOf is the language of callers who come into a flow: of the first of its
// numbers by name that has one, else the tenant's.
func LanguageOf(s *resource.Set, tenant, name string) string {
	first, language := "", ""
	for k, n := range s.Numbers {
		if k.Tenant == tenant && n.Flow == name && n.Language != "" && (first == "" || k.Name < first) {
			first, language = k.Name, n.Language
		}
	}
	if language != "" {
		return language
	}
	if t := s.Tenants[tenant]; t != nil {
		return t.Language
	}
	return ""
}
