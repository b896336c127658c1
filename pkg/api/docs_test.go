package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/api.md has every endpoint, and no other.
func TestEndpointsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("server.go")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, m := range regexp.MustCompile(`\b(get|post|route)\((?:http\.Method(\w+), )?"(/[^"]+)"`).FindAllStringSubmatch(string(src), -1) {
		method := m[1]
		if m[2] != "" {
			method = m[2]
		}
		want[strings.ToUpper(method)+" "+m[3]] = true
	}
	if len(want) < 14 {
		t.Fatalf("only %d endpoints found in server.go: %v", len(want), want)
	}
	got := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^### ((?:GET|POST|PUT|DELETE|PATCH) /\S+)$`).FindAllStringSubmatch(string(doc), -1) {
		got[m[1]] = true
	}
	for e := range want {
		if !got[e] {
			t.Errorf("docs/api.md lacks %s", e)
		}
	}
	for e := range got {
		if !want[e] {
			t.Errorf("docs/api.md has %s, the server does not", e)
		}
	}
}
