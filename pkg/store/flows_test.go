package store

import (
	"errors"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/resource"
)

func flowSpec(text string) *resource.FlowSpec {
	return &resource.FlowSpec{Raw: map[string]any{"start": "a", "steps": map[string]any{"a": map[string]any{"hangup": text}}}}
}

// Each apply that changes a flow is a version of it, with who and when; a removal is
// none, and a flow that comes again goes on counting.
func TestFlowVersions(t *testing.T) {
	s := open(t, file(t))
	ctx := t.Context()
	apply := func(by string, docs ...resource.Document) {
		t.Helper()
		live, err := s.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		next := resource.NewSet(docs)
		next.Revision = live.Revision
		if _, err := s.Apply(ctx, next, by, "console"); err != nil {
			t.Fatal(err)
		}
	}
	flowDoc := func(cause string) resource.Document {
		return resource.Document{Kind: resource.KindFlow, Name: "main", Tenant: resource.DefaultTenant, Spec: flowSpec(cause)}
	}
	other := resource.Document{Kind: resource.KindSkill, Name: "ro", Tenant: resource.DefaultTenant, Spec: &resource.SkillSpec{DisplayName: "x"}}
	apply("ana", flowDoc("normal"))
	apply("ion", flowDoc("normal"), other) // no change of the flow
	apply("ion", flowDoc("busy"))
	apply("ion")
	apply("eva", flowDoc("normal"))
	list, err := s.FlowVersions(ctx, resource.DefaultTenant, "main")
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		version int
		by      string
		removed bool
	}{{3, "eva", false}, {0, "ion", true}, {2, "ion", false}, {1, "ana", false}}
	if len(list) != len(want) {
		t.Fatalf("got %d versions", len(list))
	}
	for i, w := range want {
		if v := list[i]; v.Version != w.version || v.By != w.by || v.Removed != w.removed {
			t.Errorf("%d: got %+v, want %+v", i, v, w)
		}
	}
	set, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if v := set.FlowVersions[resource.Key{Tenant: resource.DefaultTenant, Name: "main"}]; v != 3 {
		t.Errorf("the live flow is version %d", v)
	}
	if other, err := s.FlowVersions(ctx, "other", "main"); err != nil || len(other) != 0 {
		t.Errorf("another tenant sees %v %v", other, err)
	}
}

func TestFlowDrafts(t *testing.T) {
	path := file(t)
	s := open(t, path)
	ctx := t.Context()
	at := time.UnixMilli(1764000000123).UTC()
	for _, text := range []string{"start: a", "start: b"} {
		if err := s.SaveFlowDraft(ctx, "default", FlowDraft{Name: "main", At: at, By: "ana", Base: 2, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	d, err := s.FlowDraft(ctx, "default", "main")
	if err != nil || d.Text != "start: b" || d.Base != 2 || d.By != "ana" || !d.At.Equal(at) {
		t.Errorf("got %+v %v", d, err)
	}
	if _, err := s.FlowDraft(ctx, "other", "main"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's draft: %v", err)
	}
	if list, err := s.FlowDrafts(ctx, "default"); err != nil || len(list) != 1 || list[0].Name != "main" {
		t.Errorf("got %v %v", list, err)
	}
	if err := s.DropFlowDraft(ctx, "default", "main"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.FlowDraft(ctx, "default", "main"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a dropped draft: %v", err)
	}
}
