package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/auth"
)

// docs/api.md has every endpoint, and no other.
func TestEndpointsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/api.md")
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
	for _, op := range api.Operations() {
		if e := op.Method + " " + op.Path; !said[e] {
			t.Errorf("docs/api.md lacks %s", e)
		}
		if !auth.Known(op.Right) {
			t.Errorf("%s %s: right %q is no row of the table", op.Method, op.Path, op.Right)
		}
	}
}
