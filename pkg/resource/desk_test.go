package resource

import (
	"strings"
	"testing"
)

const deskDocs = `
kind: disposition_list
name: sales
spec:
  required: true
  choices:
    - {name: sold, label: Sold, group: Success}
    - {name: later, group: Again, callback: true}
---
kind: script
name: hello
spec:
  pages:
    - name: first
      text: Good day ${contact_name}
      questions:
        - {name: wants, type: choice, choices: [phone, tv]}
        - {name: sure, type: yes_no}
      branches: [{question: wants, is: tv, page: last}]
    - name: last
      next: "-"
---
kind: queue
name: sales
spec: {dispositions: sales, script: hello}
`

func TestDeskResources(t *testing.T) {
	check := func(text string) string {
		t.Helper()
		docs, err := ParseYAML(strings.NewReader(text), "desk.yaml")
		if err != nil {
			return err.Error()
		}
		if err := Errors(Check(NewSet(docs), nil)); err != nil {
			return err.Error()
		}
		return ""
	}
	if got := check(deskDocs); got != "" {
		t.Fatal(got)
	}
	for _, c := range []struct{ was, is, want string }{
		{"name: later", "name: sold", "choices[1].name"},
		{"name: sold,", "name: Sold,", "choices[0].name"},
		{"dispositions: sales", "dispositions: sails", `no disposition_list "sails"`},
		{"script: hello", "script: hallo", `no script "hallo"`},
		{"is: tv", "is: radio", "branches[0].is"},
		{"question: wants, is: tv", "question: sure, is: maybe", "want yes or no"},
		{"question: wants, is", "question: needs, is", "no question"},
		{"page: last", "page: lost", "branches[0].page"},
		{`next: "-"`, "next: nowhere", "pages[1].next"},
		{"name: sure", "name: wants", "questions[1].name"},
		{"name: last", "name: first", "pages[1].name"},
		{"type: yes_no", "type: choice", "questions[1].choices"},
	} {
		if got := check(strings.Replace(deskDocs, c.was, c.is, 1)); !strings.Contains(got, c.want) {
			t.Errorf("%s -> %s: %q, want %q", c.was, c.is, got, c.want)
		}
	}
}

// TestDeskResourcesSurvive: what is put is exported, cloned and taken out again.
func TestDeskResourcesSurvive(t *testing.T) {
	docs, err := ParseYAML(strings.NewReader(deskDocs), "desk.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSet(docs).clone()
	count := func() map[Kind]int {
		n := map[Kind]int{}
		for _, d := range s.Documents() {
			n[d.Kind]++
		}
		return n
	}
	if n := count(); n[KindDispositionList] != 1 || n[KindScript] != 1 {
		t.Fatalf("documents %v", n)
	}
	s = Without(Without(s, KindScript, Key{DefaultTenant, "hello"}), KindDispositionList, Key{DefaultTenant, "sales"})
	if n := count(); n[KindDispositionList] != 0 || n[KindScript] != 0 {
		t.Fatalf("documents %v", n)
	}
	if err := Errors(Check(s, nil)); err == nil || !strings.Contains(err.Error(), "no script") || !strings.Contains(err.Error(), "no disposition_list") {
		t.Fatalf("a queue that names what is gone: %v", err)
	}
}
