package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/centrala/centrala/pkg/api"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

func TestOpenAPIIsCurrent(t *testing.T) {
	const file = "../../docs/openapi.json"
	want, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/openapi.json is not what the API is; run make generate")
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal(want, &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			if other := seen[op.OperationID]; op.OperationID == "" || other != "" {
				t.Errorf("%s %s: operationId %q, as %s", method, path, op.OperationID, other)
			}
			seen[op.OperationID] = method + " " + path
		}
	}
	for _, op := range api.Operations() {
		if len(doc.Paths[op.Path]) == 0 {
			t.Errorf("the document lacks %s", op.Path)
		}
	}
}
