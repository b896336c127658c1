package app

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/call"
	"github.com/centrala/centrala/pkg/e164"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

// defaultExpires is asked of a registrar when the trunk says nothing: short
// enough that a carrier that lost its bindings has us back soon.
const defaultExpires = 10 * time.Minute

// registerUser is the user part under which a trunk is registered, "" for one
// that is not.
func registerUser(t *resource.TrunkSpec) string {
	if t.Register == nil {
		return ""
	}
	return cmp.Or(t.Register.User, t.AuthUser)
}

// trunkConfigs tells the stack which trunks to look after.
func trunkConfigs(s *resource.Set) []sip.TrunkConfig {
	out := make([]sip.TrunkConfig, 0, len(s.Trunks))
	for k, t := range s.Trunks {
		c := sip.TrunkConfig{Tenant: k.Tenant, Name: k.Name, Target: t.Target, ServerName: t.TLSServerName, AuthUser: t.AuthUser, AuthPassword: t.AuthPassword,
			Options: time.Duration(t.OptionsInterval), Down: t.DownAfter, Up: t.UpAfter}
		if g := t.Register; g != nil {
			domain := cmp.Or(g.Domain, resource.HostOf(t.Target), resource.HostOf(g.Registrar))
			if strings.Contains(domain, ":") { // an IPv6 address
				domain = "[" + domain + "]"
			}
			user := registerUser(t)
			c.Register = sip.TrunkRegistration{AOR: "sip:" + user + "@" + domain, Registrar: g.Registrar, Contact: user,
				Expires: cmp.Or(time.Duration(g.Expires), defaultExpires)}
		}
		out = append(out, c)
	}
	return out
}

// setTrunks makes the trunks of a directory live: registrations, probes, figures.
func (a *App) setTrunks(d *directory) {
	names := make([]call.TrunkName, 0, len(d.set.Trunks))
	for k := range d.set.Trunks {
		names = append(names, call.TrunkName{Tenant: k.Tenant, Trunk: k.Name})
	}
	a.calls.SetTrunks(names)
	a.sip.SetTrunks(trunkConfigs(d.set))
}

// urgent tells whether a number dialled by a phone calls for help.
func (a *App) urgent(dialled string) bool {
	d := a.dir.Load()
	return d != nil && d.routes.Emergency(dialled)
}

// line is how a trunk stands for a call that looks for one.
func (a *App) line(tenant string, r route.TrunkRoute) route.Line {
	if a.sip != nil {
		if st, known := a.sip.Trunk(tenant, r.Trunk); known && !st.Usable() {
			return route.LineDown
		}
	}
	if r.MaxCalls > 0 && a.calls != nil && a.calls.TrunkCalls(tenant, r.Trunk) >= r.MaxCalls {
		return route.LineFull
	}
	return route.LineUp
}

// pick orders the trunks of an outgoing call by how they stand now.
func (h *house) pick(t route.Target) (route.Target, error) {
	routes, err := h.choose(t.Routes, t.Emergency, t.Number)
	if err != nil {
		return route.Target{}, err
	}
	best := routes[0]
	t.Routes, t.Name, t.Number, t.CallerID, t.RingTimeout = routes, best.Trunk, best.Number, best.CallerID, best.RingTimeout
	t.Names = make([]string, len(routes))
	for i, r := range routes {
		t.Names[i] = r.Trunk
	}
	return t, nil
}

func (h *house) choose(routes []route.TrunkRoute, emergency bool, number string) ([]route.TrunkRoute, error) {
	if h.line == nil {
		return routes, nil
	}
	usable, why := route.Pick(routes, emergency, func(r route.TrunkRoute) route.Line { return h.line(h.tenant, r) }, rand.Uint64)
	switch {
	case len(usable) > 0:
		return usable, nil
	case why == route.LineFull:
		return nil, fmt.Errorf("route: %q: %w", number, route.ErrFull)
	}
	return nil, fmt.Errorf("route: %q: %w", number, route.ErrDown)
}

// Outside lists the trunks for a number that a flow dials.
func (h *house) Outside(number string) ([]route.TrunkRoute, error) {
	routes := h.routes.Outside(h.tenant, number)
	if len(routes) == 0 {
		return nil, fmt.Errorf("route: %q: no trunk carries it: %w", number, route.ErrNotFound)
	}
	emergency := h.Emergency(number)
	list, err := h.choose(routes, emergency, number)
	if err == nil && h.outside != nil && !emergency {
		err = h.outside.permit(h, time.Now(), "", number)
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Emergency tells whether a number calls for help in this tenant.
func (h *house) Emergency(number string) bool {
	return e164.Emergency(number, h.spec.Region, h.spec.EmergencyNumbers)
}

// CallerNumber is a caller's number on a trunk in one form.
func (h *house) CallerNumber(trunk, number string) string {
	return h.routes.CallerNumber(h.tenant, trunk, number)
}

// Trunks implements api.Server.
func (a *App) Trunks(_ context.Context, tenant string) ([]api.Trunk, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	out := make([]api.Trunk, 0, len(h.trunks))
	for k, spec := range a.dir.Load().set.Trunks {
		if k.Tenant != tenant {
			continue
		}
		t := api.Trunk{Name: k.Name, Target: spec.Target, MaxCalls: spec.MaxCalls, Calls: a.calls.TrunkCalls(tenant, k.Name), Registration: "none", Up: true}
		if spec.Register != nil {
			t.Registration = "trying"
		}
		if st, ok := a.sip.Trunk(tenant, k.Name); ok {
			t.Up, t.Probed, t.Usable = st.Up, st.Probed, st.Usable()
			t.RTTMs = float64(st.RTT.Microseconds()) / 1000
			if st.Address.IsValid() {
				t.Address = st.Transport + " " + st.Address.String()
			}
			switch {
			case st.Registered:
				t.Registration, t.RegisteredUntil = "registered", st.Until
			case st.Registers && st.LastError != "":
				t.Registration = "failed"
			}
			t.LastError, t.LastErrorAt = st.LastError, st.LastErrorAt
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(x, y api.Trunk) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}
