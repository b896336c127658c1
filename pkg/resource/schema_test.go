package resource

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/config/strict"
)

var update = flag.Bool("update", false, "write configs/schema/resource.json")

// comments reads the fields' comments of types.go: they are the descriptions.
func comments(t *testing.T) func(reflect.Type, reflect.StructField) string {
	f, err := parser.ParseFile(token.NewFileSet(), "types.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		ts, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if st, ok := ts.Type.(*ast.StructType); ok {
			for _, fl := range st.Fields.List {
				text := strings.Join(strings.Fields(fl.Doc.Text()+" "+fl.Comment.Text()), " ")
				for _, name := range fl.Names {
					found[ts.Name.Name+"."+name.Name] = text
				}
			}
		}
		return true
	})
	return func(t reflect.Type, f reflect.StructField) string { return found[t.Name()+"."+f.Name] }
}

func TestSchemaIsCurrentAndExamplesFit(t *testing.T) {
	text, err := json.MarshalIndent(Schema(comments(t), map[Kind]map[string]any{KindFlow: flow.Schema()}), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	const path = "../../configs/schema/resource.json"
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, text) {
		t.Errorf("%s is not current: go test ./pkg/config ./pkg/resource -update", path)
	}
	c := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("resource.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("resource.json")
	if err != nil {
		t.Fatal(err)
	}
	fits := func(name string, data []byte) error {
		docs, faults := strict.Split(data, name)
		if len(faults) > 0 {
			return faults
		}
		for _, d := range docs {
			text, err := json.Marshal(d.Plain())
			if err != nil {
				return err
			}
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				return err
			}
			if err := s.Validate(v); err != nil {
				return err
			}
		}
		return nil
	}
	files, _ := filepath.Glob("../../configs/*/resources/*.yaml")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := fits(f, data); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	// The house's flow is none: it is there to be kept as it was written.
	whole := strings.Replace(house, `{kind: menu, digits: {"1": sales}, tries: 3, gain: 1.5, open: true, none: }`, `{hangup: normal}`, 1)
	if err := fits("house", []byte(whole)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"kind: quee\nname: x\n", "kind: queue\nname: x\nspec: {stratgy: a}\n", "kind: queue\nname: x\nspec: {wrap_up: 20}\n", "kind: user\n", "kind: flow\nname: x\nspec: {start: a, steps: {a: {hangpu: normal}}}\n"} {
		if fits("bad", []byte(bad)) == nil {
			t.Errorf("the schema takes %q", bad)
		}
	}
}

// Each example folder is a set without faults (flows are checked in pkg/app).
func TestExampleFoldersCheck(t *testing.T) {
	dirs, _ := filepath.Glob("../../configs/*/resources")
	for _, dir := range dirs {
		var docs []Document
		files, _ := filepath.Glob(dir + "/*.yaml")
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseYAML(bytes.NewReader(data), f)
			if err != nil {
				t.Error(err)
			}
			docs = append(docs, got...)
		}
		if err := append(Twice(docs), Check(NewSet(docs), nil)...).Err(); err != nil {
			t.Error(err)
		}
	}
}
