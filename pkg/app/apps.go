package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/apps"
	"github.com/centrala/centrala/pkg/outward"
)

// startApps makes the client of applications that lead calls.
func (a *App) startApps(context.Context) error {
	g, err := outward.NewGuard(a.cfg.Flows.Allow)
	if err != nil {
		return fmt.Errorf("flows.allow: %w", err)
	}
	client := outward.HTTP1(g, a.cfg.SIP.UserAgent, nil)
	a.apps = apps.New(apps.Options{HTTP: client, Steer: a.steerByApp, Log: a.log.Named("apps")})
	a.onStop("apps", func(ctx context.Context) error {
		defer client.CloseIdleConnections()
		return a.apps.Stop(ctx)
	})
	return nil
}

// appJob asks an application, or tells it what it need not answer.
func (a *App) appJob(ctx context.Context, tenant, callID string, j flow.Job) (string, map[string]string, error) {
	name := ""
	switch j := j.(type) {
	case *flow.AskApp:
		name = j.App
	case *flow.TellApp:
		name = j.App
	}
	h := a.dir.Load().houses[tenant]
	if h == nil || h.apps[name] == nil {
		return flow.OutcomeFailed, nil, fmt.Errorf("no app %q", name)
	}
	spec := h.apps[name]
	where := apps.App{Name: name, URL: spec.URL, Secret: spec.Secret}
	switch j := j.(type) {
	case *flow.AskApp:
		verbs, err := a.apps.Ask(ctx, tenant, callID, where, j.Body)
		if err != nil {
			return flow.OutcomeFailed, nil, err
		}
		return flow.OutcomeDone, map[string]string{flow.VerbsValue: string(verbs)}, nil
	case *flow.TellApp:
		return flow.OutcomeDone, nil, a.apps.Tell(ctx, tenant, callID, where, j.Body, j.Over)
	}
	return flow.OutcomeFailed, nil, fmt.Errorf("no job of applications: %q", j.Name())
}

// steerByApp are verbs that an application sends of its own accord.
func (a *App) steerByApp(ctx context.Context, tenant, callID, app string, verbs []byte) error {
	h := a.dir.Load().houses[tenant]
	if h == nil || h.apps[app] == nil {
		return fmt.Errorf("no app %q", app)
	}
	return a.steer(ctx, tenant, callID, app, verbs, h.apps[app].MayDial, "")
}

// SteerCall implements api.Flows. Numbers outside are not dialled so: a transfer is, with
// the rights of the phone that it is for.
func (a *App) SteerCall(ctx context.Context, tenant, id string, verbs []byte, by string) error {
	if what := recordingVerb(verbs); what != "" {
		return a.CommandCall(ctx, tenant, id, api.CallCommand{Action: "record", Leg: -1, Target: what, By: by})
	}
	return a.steer(ctx, tenant, id, "", verbs, nil, by)
}

func (a *App) steer(ctx context.Context, tenant, id, app string, verbs []byte, may func(string) bool, by string) error {
	f, err := flow.ParseVerbs("verbs", app, verbs, may)
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	if f.Start == "" {
		return fmt.Errorf("%w: no verbs", api.ErrInvalid)
	}
	switch code := a.calls.Verbs(ctx.Done(), tenant, id, app, string(verbs), len(f.Order), by); code {
	case 202:
		return nil
	case 404:
		return fmt.Errorf("call %q: %w among the calls in progress", id, api.ErrNotFound)
	case 504:
		return context.DeadlineExceeded
	case 422:
		return fmt.Errorf("%w: verbs: cannot be spoken", api.ErrInvalid)
	case 491:
		return fmt.Errorf("%w: call %q is being transferred, or is a conference", api.ErrConflict, id)
	default:
		return fmt.Errorf("%w: call %q is in no menu, queue or conversation now, a party is on hold, or it has no flow that could do that", api.ErrConflict, id)
	}
}

// recordingVerb reads the one verb that is no step: [{"recording": "pause"}], of a
// conversation; "" = the verbs are others.
func recordingVerb(verbs []byte) string {
	type verb struct{ Recording string }
	var list []verb
	if json.Unmarshal(verbs, &list) != nil {
		var o struct{ Verbs []verb }
		if json.Unmarshal(verbs, &o) != nil {
			return ""
		}
		list = o.Verbs
	}
	if len(list) != 1 || !slices.Contains([]string{"start", "stop", "pause", "resume"}, list[0].Recording) {
		return ""
	}
	return list[0].Recording
}
