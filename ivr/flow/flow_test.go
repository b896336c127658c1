package flow

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func faultsOf(err error) []string {
	var out []string
	for _, f := range Faults(err) {
		out = append(out, f.Path+": "+f.Message)
	}
	return out
}

func wantFaults(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("too much: %s", got[i])
		case !strings.HasPrefix(got[i], want[i]):
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

// Every example of the documentation is a flow, or a step of one.
func TestDocumentation(t *testing.T) {
	raw, err := os.ReadFile("../../docs/ivr.md")
	if err != nil {
		t.Fatal(err)
	}
	const rest = `
sales: {queue: sales, next: end}
support: {queue: support, next: end}
end: {hangup: normal}
`
	names := []string{"sales", "support", "office", "bob", "carol", "vip-desk", "main_menu"}
	known := func(n string) bool { return slices.Contains(names, n) }
	seen := map[Kind]bool{}
	n := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(raw), -1) {
		for _, doc := range strings.Split(block[1], "---\n") {
			n++
			var top map[string]any
			if err := yaml.Unmarshal([]byte(doc), &top); err != nil {
				t.Fatalf("%v in\n%s", err, doc)
			}
			if k := top["kind"]; k != nil && k != "flow" {
				continue // another resource
			}
			spec, whole := top["spec"].(map[string]any)
			if !whole {
				steps := map[string]any{}
				if err := yaml.Unmarshal([]byte(rest), &steps); err != nil {
					t.Fatal(err)
				}
				steps["step"] = top["step"]
				spec = map[string]any{"start": "step", "steps": steps}
			}
			f, err := Parse("doc", spec)
			if err != nil {
				t.Errorf("%v in\n%s", err, doc)
				continue
			}
			for _, s := range f.Steps {
				seen[s.Kind] = true
			}
			for _, fault := range f.Check(CheckEnv{Queues: known, Devices: known, Flows: known, Schedules: known}) {
				if fault.Message != "no step leads here" { // the steps that every example has
					t.Errorf("%v in\n%s", fault, doc)
				}
			}
		}
	}
	for _, k := range Kinds {
		if !seen[k] {
			t.Errorf("no example of %s", k)
		}
	}
	if n < 20 {
		t.Errorf("only %d examples found", n)
	}
}

func TestParseTellsAllFaults(t *testing.T) {
	// Written out in testdata, for people to read as an operator would.
	docs, err := os.ReadFile("testdata/faults.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = ParseYAML("main", docs)
	got := fmt.Sprintln(err)
	const golden = "testdata/faults.txt"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s", got)
	}
}
