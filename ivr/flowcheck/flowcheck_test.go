package flowcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/goccy/go-yaml"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/ivr/schedule"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
)

func load(t *testing.T, pattern string) *resource.Set {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files (%v)", pattern, err)
	}
	var docs []resource.Document
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := resource.ParseYAML(f, name)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, list...)
	}
	return resource.NewSet(docs)
}

// texts tells which prompts there will be audio for.
func texts(t *testing.T) func(name, lang string) bool {
	t.Helper()
	raw, err := os.ReadFile("../prompt/texts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Shared  map[string]string            `yaml:"shared"`
		Prompts map[string]map[string]string `yaml:"prompts"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return func(name, lang string) bool { return doc.Prompts[name][lang] != "" || doc.Shared[name] != "" }
}

func TestConfigurationsHaveNoFaults(t *testing.T) {
	for _, folder := range []string{"demo/resources/*.yaml", "bench/resources/*.yaml", "production/resources*.yaml"} {
		t.Run(folder, func(t *testing.T) {
			s := load(t, "../../configs/"+folder)
			has := texts(t)
			for _, f := range resource.Check(s, New(func(string) func(string, string) bool { return has }, false)) {
				t.Error(f)
			}
			if _, errs := route.Build(s); len(errs) > 0 {
				t.Error(errs)
			}
			for k, spec := range s.Schedules {
				if _, err := schedule.Parse(*spec); err != nil {
					t.Errorf("%v: %v", k, err)
				}
			}
		})
	}
}

// The five flows to begin with: each file is a company of its own, without fault, and has
// tests, which the check plays.
func TestCompleteFlows(t *testing.T) {
	files, err := filepath.Glob("../../configs/flows/*.yaml")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	has := prompt.NewSet(prompt.Embedded(), "", nil).Has
	for _, name := range files {
		s := load(t, name)
		for _, f := range resource.Check(s, New(func(string) func(string, string) bool { return has }, false)) {
			t.Error(f)
		}
		if _, errs := route.Build(s); len(errs) > 0 {
			t.Error(name, errs)
		}
		for k, spec := range s.Flows {
			f, err := flow.Parse(k.Name, spec.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(f.Tests); n < 3 && len(f.Steps) > 5 {
				t.Errorf("%s: flow %s has %d tests", name, k.Name, n)
			}
		}
	}
}

func TestDemoRoutes(t *testing.T) {
	s := load(t, "../../configs/demo/resources/*.yaml")
	table, _ := route.Build(s)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct{ device, dialled, want string }{
		{"alice", "1000", "flow main en never"},
		{"alice", "1001", "queue sales en always"},
		{"alice", "201", "device bob en never"},
		{"alice", "1003", "devices [bob carol] en never"},
		{"bob", "*44*1", "feature not_ready/break en never"},
		{"bob", "022123456", "trunk carrier 022123456 en always"},
		{"bob", "+373 22 123456", "trunk carrier +37322123456 en always"},
		{"bob", "0049301234", "forbidden"},
		{"carol", "022123456", "forbidden"},
		{"alice", "022123456", "forbidden"},
	} {
		tg, err := table.FromDevice(now, "default", row.device, row.dialled)
		got := fmt.Sprint(tg.Kind, " ", tg.Name)
		switch {
		case err != nil:
			got = "forbidden"
		case tg.Kind == route.Devices:
			got = fmt.Sprint("devices ", tg.Names)
		case tg.Kind == route.Feature:
			got = "feature " + tg.Feature + "/" + tg.Reason
		case tg.Kind == route.Trunk:
			got += " " + tg.Number
		}
		if err == nil {
			got += " " + tg.Language + " " + string(tg.Record)
		}
		if got != row.want {
			t.Errorf("%s dials %s: %s, want %s", row.device, row.dialled, got, row.want)
		}
	}
	tg, err := table.Inbound(now, "default", "carrier", "37322000000", "0721")
	if err != nil || tg.Name != "main" || tg.Language != "ro" || tg.Record != resource.RecordAlways {
		t.Errorf("carrier: %+v %v", tg, err)
	}
}

func TestEmbeddedAudioIsWhatTextsSay(t *testing.T) {
	set := prompt.NewSet(prompt.Embedded(), "", nil)
	if !set.Has("sorry", "en") {
		t.Skip("the audio is not rendered yet")
	}
	for _, name := range []string{"welcome", "main_menu", "choose_language", "sorry", "position_1", "position_20", "number_0", "number_90", "music"} {
		for _, lang := range []string{"en", "ro", "ru"} {
			if !set.Has(name, lang) {
				t.Errorf("no %s in %s", name, lang)
			}
		}
	}
}

func TestFaultsOfASet(t *testing.T) {
	const doc = `
kind: number
name: a
spec: {digits: "1", flow: a, language: ro}
---
kind: flow
name: a
spec:
  start: one
  steps:
    one: {play: [only_en], next: two}
    two: {goto: b}
---
kind: flow
name: b
spec:
  language: ru
  start: one
  steps:
    one: {play: [hello], next: two}
    two: {goto: a}
    three: {queue: {name: nobody}, next: one}
---
kind: flow
name: c
spec:
  start: one
  steps:
    one: {ply: [hello]}
    two: {hangup: {cause: boredom}, next: one}
`
	docs, err := resource.ParseYAML(strings.NewReader(doc), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	has := func(name, lang string) bool { return name != "only_en" || lang == "en" }
	var got []string
	for _, f := range resource.Check(resource.NewSet(docs), New(func(string) func(string, string) bool { return has }, false)) {
		if strings.Contains(f.Path, "flow") && !f.Warning {
			got = append(got, f.Path+": "+f.Message)
		}
	}
	for _, want := range []string{
		`steps.one.play.prompts[0]: no prompt "only_en" in ro`,
		`steps.three: no step leads here`,
		`steps.three.queue.name: no queue "nobody"`,
		`flows lead into each other without waiting for the caller: a -> b -> a`,
		`steps.one.ply: unknown; want a kind of step`,
		`steps.two.hangup.cause: unknown "boredom"`,
		`steps.two.next: unknown; want one of`,
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no fault %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// Tests kept with a flow are played by the check, through the tenant's schedules and
// other flows; what goes otherwise is a fault of the document.
func TestTestsOfFlowsAreChecked(t *testing.T) {
	docs, err := resource.ParseYAML(strings.NewReader(`
kind: tenant
name: default
spec: {time_zone: Europe/Chisinau}
---
kind: schedule
name: office
spec: {time_zone: Europe/Chisinau, hours: [{days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:00"}]}
---
kind: queue
name: sales
spec: {}
---
kind: flow
name: main
spec:
  start: hours
  tests:
    - {name: by day, at: "2026-11-23 09:30", expect: {queue: sales, path: [hours, more, more/sales]}}
    - {name: by night, at: "2026-11-23 08:30", expect: {hangup: busy}}
    - {name: wrong, at: "2026-11-23 08:30", expect: {queue: sales}}
  steps:
    hours: {schedule: {name: office, open: more, closed: end}}
    more: {goto: more}
    end: {hangup: busy}
---
kind: flow
name: more
spec: {start: sales, steps: {sales: {queue: sales, next: end}, end: {hangup: normal}}}
`), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := resource.NewSet(docs)
	var got []string
	for _, f := range resource.Check(set, New(nil, false)) {
		if !f.Warning {
			got = append(got, f.Error())
		}
	}
	if len(got) != 1 || !strings.Contains(got[0], `tests[2]: "wrong": queue: want sales, got hung up: busy`) {
		t.Errorf("got %q", got)
	}
}

// A thousand flows of a hundred steps are checked in two seconds (issue's bound, two
// cores): go test -bench ThousandFlows ./ivr/flowcheck
func BenchmarkThousandFlows(b *testing.B) {
	docs := make([]resource.Document, 0, 1001)
	docs = append(docs, resource.Document{Kind: resource.KindQueue, Name: "sales", Spec: &resource.QueueSpec{}})
	for n := range 1000 {
		steps := map[string]any{"end": map[string]any{"hangup": "normal"}, "q": map[string]any{"queue": "sales", "next": "end"}}
		for i := range 98 {
			next := fmt.Sprintf("s%d", i+1)
			if i == 97 {
				next = "q"
			}
			step := map[string]any{"play": "welcome", "next": next}
			switch i % 5 {
			case 1:
				step = map[string]any{"menu": map[string]any{"prompts": []any{"welcome"}, "keys": map[string]any{"1": next, "2": "q", "3": "s0"}}, "next": next}
			case 2:
				step = map[string]any{"set": map[string]any{"v": "${from}"}, "next": next}
			case 3:
				step = map[string]any{"branch": []any{map[string]any{"var": "v", "eq": "1", "next": "q"}}, "next": next}
			}
			if i == 10 {
				step = map[string]any{"menu": map[string]any{"prompts": []any{"welcome"}, "keys": map[string]any{"1": next, "2": "g"}}, "next": next}
			}
			steps[fmt.Sprintf("s%d", i)] = step
		}
		steps["g"] = map[string]any{"goto": fmt.Sprintf("f%d", (n+1)%1000)}
		spec := &resource.FlowSpec{Raw: map[string]any{"start": "s0", "steps": steps,
			"tests": []any{map[string]any{"name": "t", "press": []any{"2"}, "expect": map[string]any{"queue": "sales"}}}}}
		docs = append(docs, resource.Document{Kind: resource.KindFlow, Name: fmt.Sprintf("f%d", n), Spec: spec})
	}
	set := resource.NewSet(docs)
	all := func(string) func(string, string) bool { return func(string, string) bool { return true } }
	for b.Loop() {
		for _, f := range resource.Check(set, New(all, false)) {
			if !f.Warning {
				b.Fatal(f)
			}
		}
	}
}
