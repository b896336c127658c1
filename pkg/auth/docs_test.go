package auth

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of rights into docs/operations.md")

// The table of rights in docs/operations.md is the one that decides.
func TestRightsAreDocumented(t *testing.T) {
	const file = "../../docs/operations.md"
	const begin, end = "<!-- rights: made by go test ./pkg/auth -update -->\n", "<!-- end of rights -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| right |")
	for _, r := range Roles {
		b.WriteString(" " + string(r) + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(Roles)) + "\n")
	for _, r := range AllRights() {
		b.WriteString("| `" + string(r) + "`")
		if node[r] {
			b.WriteString(" *")
		}
		b.WriteString(" |")
		for _, role := range Roles {
			cell := ScopeOf(role, r).String()
			if cell == "none" {
				cell = "-"
			}
			b.WriteString(" " + cell + " |")
		}
		b.WriteString("\n")
	}
	before, rest, ok := strings.Cut(string(text), begin)
	was, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/operations.md has no place for the table of rights")
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != b.String() {
		t.Error("docs/operations.md has another table of rights; run make generate")
	}
}
