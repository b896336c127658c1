package flow

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The schema is the parser's: every flow that comes with the product fits, and what the
// parser does not know is refused.
func TestSchema(t *testing.T) {
	text, err := json.MarshalIndent(Schema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	const path = "../../configs/schema/flow.json"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, text) {
		t.Errorf("%s is not current: UPDATE_GOLDEN=1 go test ./ivr/flow", path)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("flow.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("flow.json")
	if err != nil {
		t.Fatal(err)
	}
	fits := func(spec any) error {
		raw, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	n := 0
	for _, pattern := range []string{"../../configs/*/*.yaml", "../../configs/*/resources/*.yaml", "../../docs/ivr.md"} {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range strings.Split(strings.ReplaceAll(strings.ReplaceAll(string(raw), "```yaml\n", "---\n"), "```", "---"), "---\n") {
				var doc struct {
					Kind string
					Spec map[string]any
					Step map[string]any
				}
				if yaml.Unmarshal([]byte(d), &doc) != nil {
					continue // a page's own words
				}
				switch {
				case doc.Kind == "flow":
				case doc.Step != nil:
					doc.Spec = map[string]any{"start": "step", "steps": map[string]any{"step": doc.Step}}
				default:
					continue
				}
				n++
				if err := fits(doc.Spec); err != nil {
					t.Errorf("%s: %v in\n%s", name, err, d)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d flows found", n)
	}
	for _, bad := range []string{`{start: a}`, `{start: a, steps: {a: {}}}`, `{start: a, steps: {a: {play: x, say: x}}}`, `{start: a, steps: {a: {plya: x}}}`,
		`{start: a, steps: {a: {play: {prompt: x}}}}`, `{start: a, steps: {a: {menu: {prompts: x, keys: {x: y}}}}}`, `{start: a, steps: {a: {menu: {retries: 99}}}}`,
		`{start: a, steps: {a: {menu: {timeout: 5}}}}`, `{start: a, steps: {a: {branch: [{vra: x}]}}}`, `{start: a, tests: [{press: 5}], steps: {a: {hangup: normal}}}`,
		`{start: a, steps: {A: {hangup: normal}}}`, `{start: a, steps: {a: {hangup: [x]}}}`} {
		var v any
		if err := yaml.Unmarshal([]byte(bad), &v); err != nil {
			t.Fatal(err)
		}
		if fits(v) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
}
