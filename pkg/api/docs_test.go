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
	said := map[string]bool{}
	_, c := open(t, &fake{})
	for _, m := range regexp.MustCompile(`(?m)^### (GET|POST|PUT|PATCH|DELETE) (/\S+)$`).FindAllStringSubmatch(string(doc), -1) {
		said[m[1]+" "+m[2]] = true
		// No endpoint takes TRACE: the answer tells what it takes.
		a := ask(t, c, "TRACE", "/api/v1"+regexp.MustCompile(`\{\w+\}`).ReplaceAllString(m[2], "x"), "")
		if a.status != 405 || !strings.Contains(a.header.Get("Allow"), m[1]) {
			t.Errorf("docs/api.md has %s %s; the server answers %d, Allow %q", m[1], m[2], a.status, a.header.Get("Allow"))
		}
	}
	made := 0
	for _, m := range regexp.MustCompile(`\b(get|post|route)\((?:http\.Method(\w+), )?"(/[^"]*[^"/])"`).FindAllStringSubmatch(string(src), -1) {
		method := m[1]
		if m[2] != "" {
			method = m[2]
		}
		made++
		if e := strings.ToUpper(method) + " " + m[3]; !said[e] {
			t.Errorf("docs/api.md lacks %s", e)
		}
	}
	if made < 13 {
		t.Errorf("only %d endpoints found in server.go", made)
	}
}
