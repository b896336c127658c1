package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
)

func (f *fake) AddPrompt(_ context.Context, tenant, name string, p api.NewPrompt) (api.PromptVersion, error) {
	return api.PromptVersion{Version: 3, Language: p.Language}, f.note("add %s/%s in %s: %q text %q by %s", tenant, name, p.Language, p.Audio, p.Text, p.By)
}

func (f *fake) UsePrompt(_ context.Context, tenant, name string, u api.UsedPrompt, by string) error {
	return f.note("use %s/%s in %s: %d by %s", tenant, name, u.Language, u.Version, by)
}

func (f *fake) RemovePrompt(_ context.Context, tenant, name, language string, version int, by string) error {
	return f.note("remove %s/%s in %q: %d by %s", tenant, name, language, version, by)
}

func (f *fake) PromptAudio(_ context.Context, tenant, name, language string, version int) ([]byte, error) {
	return []byte("RIFF"), f.note("audio %s/%s in %s: %d", tenant, name, language, version)
}

func (f *fake) Schedule(_ context.Context, tenant, name string, at time.Time) (api.Schedule, error) {
	return api.Schedule{Name: name}, f.note("schedule %s/%s at %s", tenant, name, at.UTC().Format(time.RFC3339))
}

func (f *fake) CloseSchedule(_ context.Context, tenant, name string, c api.CloseSchedule, by string) (api.Schedule, error) {
	return api.Schedule{Name: name}, f.note("close %s/%s until %s: %s by %s", tenant, name, c.Until.UTC().Format(time.RFC3339), c.Reason, by)
}

func (f *fake) OpenSchedule(_ context.Context, tenant, name, by string) (api.Schedule, error) {
	return api.Schedule{Name: name}, f.note("open %s/%s by %s", tenant, name, by)
}

func (f *fake) ImportCalendar(_ context.Context, tenant, name, calendar, text string, o api.ApplyOptions) (api.ApplyResult, error) {
	return api.ApplyResult{}, f.note("calendar %s/%s %s: %q dry %v by %s", tenant, name, calendar, text, o.Dry, o.By)
}

func TestPromptsAndSchedules(t *testing.T) {
	f := &fake{}
	_, c := open(t, f)
	const p, s = "/api/v1/prompts/welcome", "/api/v1/schedules/office"
	for _, row := range []struct {
		method, path, body string
		status             int
		want               string // asked; "" = nothing
	}{
		{"POST", p + "/versions?language=ro&by=anna", "RIFF....", 201, `add default/welcome in ro: "RIFF...." text "" by anna`},
		{"POST", p + "/versions?language=ro&tenant=acme", "x", 201, `add acme/welcome in ro: "x" text "" by `},
		{"POST", p + "/versions?language=ro", "", 422, ""},
		{"POST", p + "/versions?lang=ro", "x", 422, ""},
		{"POST", p + "/speak?by=anna", `{"language":"ro","text":"Bună"}`, 201, `add default/welcome in ro: "" text "Bună" by anna`},
		{"POST", p + "/speak", `{"tongue":"ro"}`, 422, ""},
		{"POST", p + "/use", `{"language":"ro","version":2}`, 200, `use default/welcome in ro: 2 by `},
		{"POST", p + "/use", `{"language":"ro","version":-2}`, 422, ""},
		{"DELETE", p + "/versions?language=ro&version=2", "", 200, `remove default/welcome in "ro": 2 by `},
		{"DELETE", p + "/versions", "", 200, `remove default/welcome in "": 0 by `},
		{"DELETE", p + "/versions?version=2", "", 422, ""},
		{"DELETE", p + "/versions?language=ro&version=x", "", 422, ""},
		{"GET", p + "/audio?language=ro&version=2", "", 200, `audio default/welcome in ro: 2`},
		{"GET", s + "?at=2026-12-24T18:00:00%2B02:00", "", 200, `schedule default/office at 2026-12-24T16:00:00Z`},
		{"GET", s + "?at=tomorrow", "", 422, ""},
		{"POST", s + "/close?by=anna", `{"until":"2026-12-24T18:00:00+02:00","reason":"snow"}`, 200, `close default/office until 2026-12-24T16:00:00Z: snow by anna`},
		{"POST", s + "/close", `{"until":"soon"}`, 422, ""},
		{"POST", s + "/open", `{}`, 200, `open default/office by `},
		{"PUT", s + "/calendars/feasts?dry_run=true&by=anna", "BEGIN", 200, `calendar default/office feasts: "BEGIN" dry true by anna`},
		{"PUT", s + "/calendars/feasts", "", 422, ""},
		{"PUT", s + "/calendars/feasts", strings.Repeat("x", 1<<20+1), 413, ""},
		{"DELETE", s + "/calendars/feasts", "", 200, `calendar default/office feasts: "" dry false by `},
	} {
		f.asked = nil
		a := ask(t, c, row.method, row.path, row.body)
		got := strings.Join(f.asked, "; ")
		if a.status != row.status || !strings.HasPrefix(got, row.want) || (row.want == "") != (got == "") {
			t.Errorf("%s %s: %d, asked %s; want %d, %s", row.method, row.path, a.status, got, row.status, row.want)
		}
	}
	f.err = fmt.Errorf("%w: no sound", api.ErrInvalid)
	if a := ask(t, c, http.MethodGet, p+"/audio?language=ro", ""); a.status != 422 || !strings.Contains(string(a.body), "no sound") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
