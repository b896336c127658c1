package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/centrala/centrala/configs/schema"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// FlowEditor may be implemented by the application: what an editor of flows asks while
// one writes. Nothing is kept.
type FlowEditor interface {
	// CheckFlow tells what publishing a spec (YAML) would do, and draws it.
	CheckFlow(ctx context.Context, tenant, name, text string) (FlowCheck, error)
	// Rehearse plays a flow without a call.
	Rehearse(ctx context.Context, tenant, name string, r Rehearsal) (Rehearsed, error)
}

// FlowCheck is a flow that is being written: what is wrong and how it looks.
type FlowCheck struct {
	Changes []string         `json:"changes"`
	Faults  []resource.Fault `json:"faults"` // paths begin at the spec: steps.menu.next
	Graph   flow.Outline     `json:"graph"`
}

// Rehearsal is a call that is played on virtual time from its start: the same acts
// always give the same call.
type Rehearsal struct {
	Spec      string            `json:"spec,omitempty" doc:"YAML; left out: the live flow."`
	From      string            `json:"from,omitempty" maxLength:"64"`
	Dialled   string            `json:"dialled,omitempty" maxLength:"64"`
	Language  string            `json:"language,omitempty" maxLength:"16" doc:"Left out: of the flow's number, else the tenant's."`
	At        string            `json:"at,omitempty" maxLength:"32" doc:"RFC 3339, or a date and time on the tenant's clock; left out: now."`
	Variables map[string]string `json:"variables,omitempty"`
	Acts      []rehearsal.Act   `json:"acts,omitempty" maxItems:"500"`
}

// Rehearsed is how far the played call has come.
type Rehearsed struct {
	Notes []RehearsalNote `json:"notes"`
	// Waits is what the call waits for: listener, keys, clock, agent, party, talk,
	// elsewhere, or over.
	Waits     string            `json:"waits"`
	Step      string            `json:"step"` // of another flow it is flow/step
	Path      []string          `json:"path"`
	End       string            `json:"end"` // where it is or how it ended, in words
	Variables map[string]string `json:"variables"`
	Language  string            `json:"language"`
}

// RehearsalNote is one thing that happened in a played call.
type RehearsalNote struct {
	AfterMs int64  `json:"after_ms"` // since its start, on the virtual clock
	What    string `json:"what"`     // step, say, key, queue, dial, end and others
	Text    string `json:"text"`
}

// Schemas are the JSON Schemas of what a document may say.
type Schemas struct {
	Resource json.RawMessage `json:"resource"` // of a document: configs/schema/resource.json
	Flow     json.RawMessage `json:"flow"`     // of a flow's spec
}

func (h *HTTP) editorOperations() []operation {
	return []operation{
		{method: "GET", path: "/resources/schema", right: "resources.read", summary: "The JSON Schemas of resources and flows.", out: Schemas{},
			do: func(*http.Request) (any, error) { return Schemas{schema.Resource, schema.Flow}, nil }},
		{method: "GET", path: "/revisions/{revision}", right: "resources.read", summary: "What a revision changed, each resource before and after.", out: items[ResourceChange]{}, do: h.revision},
		{method: "POST", path: "/flows/{name}/check", right: "flows.read", most: maxDocuments, journalled: true, summary: "Checks and draws a spec (YAML) that is being written; keeps nothing.", out: FlowCheck{}, do: h.checkFlow},
		{method: "POST", path: "/flows/{name}/rehearse", right: "flows.read", most: 2 << 20, journalled: true, summary: "Plays a flow without a call: the same acts give the same call.", in: Rehearsal{}, out: Rehearsed{}, do: h.rehearse},
	}
}

func (h *HTTP) flowEditor() (FlowEditor, error) {
	e, ok := h.app.(FlowEditor)
	if !ok {
		return nil, ErrNotFound
	}
	return e, nil
}

func (h *HTTP) checkFlow(r *http.Request) (any, error) {
	app, err := h.flowEditor()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return app.CheckFlow(r.Context(), tenant(r), r.PathValue("name"), string(text))
}

func (h *HTTP) rehearse(r *http.Request) (any, error) {
	app, err := h.flowEditor()
	if err != nil {
		return nil, err
	}
	var in Rehearsal
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if len(in.Acts) > rehearsal.MaxActs {
		return nil, fmt.Errorf("%w: more than %d acts", ErrInvalid, rehearsal.MaxActs)
	}
	return app.Rehearse(r.Context(), tenant(r), r.PathValue("name"), in)
}

// revision tells each resource's spec before and after.
func (h *HTTP) revision(r *http.Request) (any, error) {
	app, err := h.resources()
	if err != nil {
		return nil, err
	}
	n, err := revisionOf(r)
	if err != nil {
		return nil, err
	}
	changed, err := app.Revisions(r.Context(), tenant(r), n+1, 1)
	if err != nil {
		return nil, err
	}
	if len(changed) == 0 || changed[0].Revision != n {
		return nil, fmt.Errorf("revision %d: %w", n, ErrNotFound)
	}
	out := make([]ResourceChange, len(changed))
	for i, c := range changed {
		history, err := app.ResourceHistory(r.Context(), tenant(r), c.Kind, c.Name)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(history, func(v store.Revision) bool { return v.Revision == n })
		if at < 0 {
			return nil, errors.New("api: a revision without its history")
		}
		if out[i], err = changeOf(history[at]); err != nil {
			return nil, err
		}
		if at+1 < len(history) {
			before, err := changeOf(history[at+1])
			if err != nil {
				return nil, err
			}
			out[i].Before = before.Spec
		}
	}
	return wrap(out, nil)
}

// RehearsalTime reads the moment of a played call on the tenant's clock.
func RehearsalTime(at string, zone *time.Location, now time.Time) (time.Time, error) {
	if at == "" {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		return t, nil
	}
	t, err := (&flow.Test{At: at}).Moment(zone)
	if err != nil {
		return t, fmt.Errorf("%w: at: %w", ErrInvalid, err)
	}
	return t, nil
}
