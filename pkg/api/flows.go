package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/resource"
)

// Flows is what may be done with flows as documents: drafts, versions, tests, figures.
type Flows interface {
	// Flows lists live flows and drafts by name.
	Flows(ctx context.Context, tenant string) ([]Flow, error)
	// Flow is one flow's document: a version, 0 = the live one; or its draft.
	Flow(ctx context.Context, tenant, name string, version int, draft bool) (FlowDocument, error)
	// FlowVersions lists who published what when, the newest first.
	FlowVersions(ctx context.Context, tenant, name string) ([]FlowVersion, error)
	// SaveFlowDraft keeps a draft (the spec as YAML), faults or not, and tells what
	// publishing it would do.
	SaveFlowDraft(ctx context.Context, tenant, name, text, by string) (ApplyResult, error)
	DropFlowDraft(ctx context.Context, tenant, name string) error
	// PublishFlow makes the draft live, or with Version an old version again. What has
	// faults or a test that fails is refused.
	PublishFlow(ctx context.Context, tenant, name string, o PublishOptions) (ApplyResult, error)
	// TestFlow plays the tests of the live flow, or of its draft.
	TestFlow(ctx context.Context, tenant, name string, draft bool) ([]rehearsal.Result, error)
	// FlowFigures are how callers went through a flow between two moments (as in a report).
	FlowFigures(ctx context.Context, tenant, name, from, to string) (report.FlowFigures, error)
	// SteerCall has a live call in a menu, a queue or a conversation do verbs (docs/apps.md) instead.
	SteerCall(ctx context.Context, tenant, id string, verbs []byte, by string) error
}

// Flow is a flow in a list.
type Flow struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Version     int       `json:"version"` // live; 0 = there is but a draft
	Steps       int       `json:"steps"`
	Tests       int       `json:"tests"`
	Draft       bool      `json:"draft"`
	DraftAt     time.Time `json:"draft_at,omitzero"`
	DraftBy     string    `json:"draft_by,omitempty"`
	// DraftBase is the version that the draft was begun from; less than Version:
	// somebody has published since.
	DraftBase int `json:"draft_base,omitempty"`
}

// FlowDocument is a flow as it is written.
type FlowDocument struct {
	Name    string    `json:"name"`
	Version int       `json:"version,omitempty"`
	Draft   bool      `json:"draft,omitempty"`
	At      time.Time `json:"at,omitzero"`
	By      string    `json:"by,omitempty"`
	Spec    string    `json:"spec"` // YAML
}

// FlowVersion is one publication of a flow.
type FlowVersion struct {
	Version  int       `json:"version"` // 0: it was removed then
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Live     bool      `json:"live,omitempty"`
	Removed  bool      `json:"removed,omitempty"`
}

// PublishOptions say what is published.
type PublishOptions struct {
	Version int  `json:"version,omitempty"` // an old version again; 0 = the draft
	Dry     bool `json:"dry_run,omitempty"` // check and test, change nothing
	// Overwrite: also when somebody has published since the draft was begun.
	Overwrite bool   `json:"overwrite,omitempty"`
	By        string `json:"-"`
	Via       string `json:"-"`
}

func (h *HTTP) flow(r *http.Request) (any, error) {
	q := r.URL.Query()
	draft, err := flag(r, "draft")
	if err != nil {
		return nil, err
	}
	version := 0
	if s := q.Get("version"); s != "" {
		if version, err = strconv.Atoi(s); err != nil || version < 1 || draft {
			return nil, fmt.Errorf("%w: version %q: want a number from 1, without draft", ErrInvalid, s)
		}
	}
	return h.app.Flow(r.Context(), tenant(r), r.PathValue("name"), version, draft)
}

func (h *HTTP) saveDraft(r *http.Request) (any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return h.app.SaveFlowDraft(r.Context(), tenant(r), r.PathValue("name"), string(text), whoAsks(r))
}

func (h *HTTP) publishFlow(r *http.Request) (any, error) {
	var o PublishOptions
	if err := decode(r, &o); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if o.Version < 0 {
		return nil, fmt.Errorf("%w: version %d: want a number from 1", ErrInvalid, o.Version)
	}
	o.By, o.Via = whoAsks(r), viaOf(r)
	res, err := h.app.PublishFlow(r.Context(), tenant(r), r.PathValue("name"), o)
	return res, err
}

func (h *HTTP) testFlow(r *http.Request) (any, error) {
	draft, err := flag(r, "draft")
	if err != nil {
		return nil, err
	}
	return wrap(h.app.TestFlow(r.Context(), tenant(r), r.PathValue("name"), draft))
}

func (h *HTTP) flowFigures(r *http.Request) (any, error) {
	q := r.URL.Query()
	return h.app.FlowFigures(r.Context(), tenant(r), r.PathValue("name"), q.Get("from"), q.Get("to"))
}

// VerbsBody is the body of POST /calls/{id}/verbs: steps of a flow without next and on.
type VerbsBody struct {
	Verbs []map[string]any `json:"verbs"`
	Side  string           `json:"side,omitempty" enum:"caller,agent,both" doc:"Who hears verbs that speak, in a conversation; both when left out."`
}

func (h *HTTP) verbs(r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return done(h.app.SteerCall(r.Context(), tenant(r), r.PathValue("id"), body, whoAsks(r)))
}

// FlowSpec reads the spec of a flow from YAML. The error may be a resource.Faults.
func FlowSpec(name, text string) (*resource.FlowSpec, error) {
	spec, err := resource.ParseSpec(resource.KindFlow, []byte(text), name)
	if err != nil {
		return nil, err
	}
	return spec.(*resource.FlowSpec), nil
}
