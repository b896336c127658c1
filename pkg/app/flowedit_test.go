package app_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/resource"
)

const drawnFlow = `
start: hello
steps:
  hello: {play: [welcome], next: choice}
  choice: {menu: {prompts: [main_menu], keys: {"1": line}, retries: 0}, next: end}
  line: {queue: {name: sales}, on: {empty: end, timeout: end, full: end}, next: end}
  end: {hangup: normal}
`

// A flow that is being written is drawn and checked at each key, and played, with
// nothing kept of it.
func TestFlowEditor(t *testing.T) {
	n := console(t, nil)
	adam := n.signIn("default", "adam")
	check := func(text string) (got api.FlowCheck) {
		t.Helper()
		adam.want(200, "POST", "/api/v1/flows/new/check", text, &got)
		return got
	}
	got := check(drawnFlow)
	if len(got.Faults) != 1 || !got.Faults[0].Warning || got.Faults[0].Path != "" || // no number leads to it
		!reflect.DeepEqual(got.Changes, []string{`+ flow "new"`}) || len(got.Graph.Steps) != 4 || got.Graph.Start != "hello" {
		t.Errorf("checked: %+v", got)
	}
	for fault, text := range map[string]string{
		"steps.choice.menu.keys.1": strings.Replace(drawnFlow, `"1": line`, `"1": lien`, 1),
		"steps.line.queue":         strings.Replace(drawnFlow, `name: sales`, `name: sails`, 1),
		"steps.hello.next":         strings.Replace(drawnFlow, `[welcome], next: choice`, `[welcome]`, 1),
	} {
		got := check(text)
		if len(got.Graph.Steps) != 4 || !slices.ContainsFunc(got.Faults, func(f resource.Fault) bool { return !f.Warning && strings.HasPrefix(f.Path, fault) }) {
			t.Errorf("want a fault of %s and four steps drawn, got %+v", fault, got)
		}
	}
	adam.want(422, "POST", "/api/v1/flows/new/check", "a: [", nil)
	adam.want(404, "GET", "/api/v1/flows/new", "", nil) // nothing was kept

	play := func(status int, acts string) (r api.Rehearsed) {
		t.Helper()
		adam.want(status, "POST", "/api/v1/flows/new/rehearse", fmt.Sprintf(`{"spec":%q,"language":"en","at":"2026-03-29T02:59:59+02:00","acts":%s}`, drawnFlow, acts), &r)
		return r
	}
	r := play(200, `[{"keys":"1"},{"keys":"1"}]`)
	if r.Waits != "agent" || r.Step != "line" || !reflect.DeepEqual(r.Path, []string{"hello", "choice", "line"}) {
		t.Errorf("played: %+v", r)
	}
	if again := play(200, `[{"keys":"1"},{"keys":"1"}]`); !reflect.DeepEqual(r, again) {
		t.Errorf("played again: %+v, was %+v", again, r)
	}
	if r = play(200, `[{"wait":true},{"wait":true},{"wait":true}]`); r.Waits != "over" || r.End != "hung up: normal" || r.Notes[2].What != "say" || strings.Contains(r.Notes[2].Text, "<") {
		t.Errorf("a silent caller: %+v", r)
	}
	play(422, `[{"keys":"x"}]`)
	play(422, `[{}]`)
	play(422, "["+strings.Repeat(`{"wait":true},`, 500)+`{"wait":true}]`)
}

// The history says what a revision changed, by which way; one resource is exported alone.
func TestRevisionInDetail(t *testing.T) {
	n := console(t, nil)
	adam := n.signIn("default", "adam")
	var page api.RevisionPage
	put := func(spec string) uint64 {
		var res api.ApplyResult
		adam.want(200, "PUT", "/api/v1/resources/skill/greek", `{"spec":`+spec+`}`, &res)
		return res.Revision
	}
	first, second := put(`{"display_name":"Greek"}`), put(`{"display_name":"Ellinika"}`)
	adam.want(200, "GET", "/api/v1/revisions?limit=2", "", &page)
	for _, c := range page.Items {
		if c.By != "adam" || c.Via != "console" {
			t.Errorf("revision %d by %q via %q", c.Revision, c.By, c.Via)
		}
	}
	in := func(revision uint64) api.ResourceChange {
		t.Helper()
		var detail struct {
			Items []api.ResourceChange `json:"items"`
		}
		adam.want(200, "GET", fmt.Sprintf("/api/v1/revisions/%d", revision), "", &detail)
		if len(detail.Items) != 1 {
			t.Fatalf("revision %d: %+v", revision, detail.Items)
		}
		return detail.Items[0]
	}
	if c := in(second); !sameJSON(t, c.Before, `{"display_name":"Greek"}`) || !sameJSON(t, c.Spec, `{"display_name":"Ellinika"}`) {
		t.Errorf("changed: %s to %s", c.Before, c.Spec)
	}
	if c := in(first); c.Op != "add" || c.Before != nil {
		t.Errorf("added: %+v", c)
	}
	adam.want(404, "GET", "/api/v1/revisions/999", "", nil)
	adam.want(404, "GET", "/api/v1/revisions/x", "", nil)

	if text := string(adam.want(200, "GET", "/api/v1/resources?kind=skill&name=greek", "", nil).body); text != "kind: skill\nname: greek\nspec:\n  display_name: Ellinika\n" {
		t.Errorf("exported: %q", text)
	}
	var schemas api.Schemas
	adam.want(200, "GET", "/api/v1/resources/schema", "", &schemas)
	if !strings.Contains(string(schemas.Resource), `"allOf"`) || !strings.Contains(string(schemas.Flow), `"hangup"`) {
		t.Errorf("schemas: %.100s, %.100s", schemas.Resource, schemas.Flow)
	}
}

func sameJSON(t *testing.T, got json.RawMessage, want string) bool {
	t.Helper()
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}

// One session of another's is ended, the others stay.
func TestOneSessionEnds(t *testing.T) {
	n := console(t, nil)
	adam, one, two := n.signIn("default", "adam"), n.signIn("default", "sofia"), n.person()
	two.want(200, "POST", "/api/v1/session", `{"name":"sofia","password":"`+goodPassword+`"}`, nil)
	var list struct {
		Items []api.SessionInfo `json:"items"`
	}
	one.want(200, "GET", "/api/v1/me/sessions", "", &list)
	for _, s := range list.Items {
		if s.Current {
			adam.want(200, "DELETE", "/api/v1/accounts/sofia/sessions/"+s.ID, "", nil)
			adam.want(404, "DELETE", "/api/v1/accounts/sofia/sessions/"+s.ID, "", nil)
			two.want(403, "DELETE", "/api/v1/accounts/adam/sessions/"+s.ID, "", nil)
		}
	}
	one.want(401, "GET", "/api/v1/me/sessions", "", nil)
	two.want(200, "GET", "/api/v1/me/sessions", "", nil)
}
