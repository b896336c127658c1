package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/call"
	"github.com/centrala/centrala/pkg/route"
)

// Bounds of the variables that a call begins with.
const (
	maxStartVariables = 100
	maxStartBytes     = 16 << 10 // names and values together
)

// StartCall implements api.Starter.
func (a *App) StartCall(_ context.Context, tenant string, in api.StartCall) (api.StartedCall, error) {
	h, err := a.houseOf(tenant)
	if err != nil {
		return api.StartedCall{}, err
	}
	invalid := func(field, format string, args ...any) (api.StartedCall, error) {
		return api.StartedCall{}, fmt.Errorf("%w: %s: %s", api.ErrInvalid, field, fmt.Sprintf(format, args...))
	}
	if h.flows[in.Flow] == nil {
		return invalid("flow", "there is no flow %q", in.Flow)
	}
	if why := startVariables(in.Variables); why != "" {
		return invalid("variables", "%s", why)
	}
	if in.Language != "" && !flow.LanguageName(in.Language) {
		return invalid("language", "%q; want a language such as en, ro, ru", in.Language)
	}
	if in.CallerID != "" && !h.routes.Own(tenant, in.CallerID) {
		return invalid("caller_id", "%q is no number of this tenant", in.CallerID)
	}
	targets, to, err := h.startTargets(time.Now(), in)
	if err != nil {
		return api.StartedCall{}, err
	}
	id, ok := a.calls.Start(tenant, call.Outgoing{To: to, Language: in.Language, Starting: call.Starting{Flow: in.Flow, Device: in.Device, CallerID: in.CallerID,
		Ring: time.Duration(in.Ring) * time.Second, Targets: targets, Variables: in.Variables, By: in.By}})
	if !ok {
		return api.StartedCall{}, fmt.Errorf("%w: no room for a call, or the node drains", api.ErrConflict)
	}
	return api.StartedCall{ID: id}, nil
}

// startVariables tells what is wrong with variables; "" nothing.
func startVariables(vars map[string]string) string {
	if len(vars) > maxStartVariables {
		return fmt.Sprintf("more than %d", maxStartVariables)
	}
	bytes := 0
	for name, v := range vars {
		if bytes += len(name) + len(v); bytes > maxStartBytes {
			return fmt.Sprintf("more than %d bytes", maxStartBytes)
		}
		if !flow.VariableName(name) {
			return fmt.Sprintf("%.64q is no name of a variable; want lower case letters, digits and _, and none of %s", name, strings.Join(flow.Reserved, ", "))
		}
	}
	return ""
}

// startTargets are what is dialled for in.To, and the number as flows see it. Nobody is
// called for help, and nobody whom the one on whose behalf it is may not call.
func (h *house) startTargets(now time.Time, in api.StartCall) (targets []string, to string, err error) {
	if kind, name, named := strings.Cut(in.To, ":"); named {
		t, code := h.Named(kind, name)
		if code != 0 || t.Kind != route.Device {
			return nil, "", fmt.Errorf("%w: to: %q leads to no phone", api.ErrInvalid, in.To)
		}
		return []string{"device:" + t.Name}, h.Device(t.Name).Extension, nil
	}
	if in.Device != "" && h.devices[in.Device] == nil {
		return nil, "", fmt.Errorf("%w: device: there is no device %q", api.ErrInvalid, in.Device)
	}
	number := h.routes.CallerNumber(h.tenant, "", in.To)
	switch {
	case !flow.Dialable(in.To):
		return nil, "", fmt.Errorf("%w: to: %.64q cannot be dialled; want digits, or a + and digits", api.ErrInvalid, in.To)
	case h.Emergency(in.To) || h.Emergency(number):
		return nil, "", fmt.Errorf("%w: to: nobody is called for help like that", api.ErrInvalid)
	case h.routes.Own(h.tenant, in.To):
		return nil, "", fmt.Errorf("%w: to: %q is the house's own; want device:NAME or a number outside", api.ErrInvalid, in.To)
	}
	var routes []route.TrunkRoute
	if in.Device == "" {
		routes, err = h.Outside(in.To)
	} else {
		var t route.Target
		if t, err = h.FromDevice(now, in.Device, in.To); err == nil && (t.Kind != route.Trunk || t.Emergency) {
			return nil, "", fmt.Errorf("%w: to: %q is no number outside", api.ErrInvalid, in.To)
		}
		routes = t.Routes
	}
	switch {
	case errors.Is(err, route.ErrForbidden):
		why, limit := route.WhyOf(err)
		return nil, "", fmt.Errorf("%w: to: %q may not be called now (%s, %s)", api.ErrInvalid, in.To, why, limit)
	case err != nil:
		return nil, "", fmt.Errorf("%w: to: %w", api.ErrInvalid, err)
	}
	for _, r := range routes {
		targets = append(targets, "trunk:"+r.Trunk+":"+r.Number)
	}
	if t := h.Trunk(routes[0].Trunk); in.CallerID == "" && (t == nil || t.CallerID == "") {
		return nil, "", fmt.Errorf("%w: caller_id: missing; the trunk %q has none either", api.ErrInvalid, routes[0].Trunk)
	}
	return targets, number, nil
}
