package report

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// docs/reports.md has every figure with the formula that the code computes, and an
// example that comes out as it says; every counter is there.
func TestDocumentIsTrue(t *testing.T) {
	doc, err := os.ReadFile("../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| (.*) \\| (.*) \\| `(.*)` \\| `(.*)` = (\\S+) (\\S+) \\|$").FindAllStringSubmatch(string(doc), -1) {
		f := FigureByName(m[1])
		if f == nil || said[m[1]] {
			t.Errorf("%s: no such figure, or twice", m[1])
			continue
		}
		said[m[1]] = true
		var kinds []string
		for _, k := range f.Of {
			kinds = append(kinds, string(k))
		}
		if m[2] != f.Help || m[3] != strings.Join(kinds, ", ") || m[4] != f.Formula() || m[7] != f.Unit {
			t.Errorf("%s: the document says %q; the code %q, %q, %q, %s", f.Name, m[2:], f.Help, kinds, f.Formula(), f.Unit)
		}
		var c Counts
		for _, pair := range strings.Fields(m[5]) {
			name, n, _ := strings.Cut(pair, "=")
			k, ok := counterOf[name]
			v, err := strconv.ParseInt(n, 10, 64)
			if !ok || err != nil || v <= 0 {
				t.Errorf("%s: example %q", f.Name, pair)
			}
			c[k] = v
		}
		if v, ok := f.Value(&c); !ok || fmt.Sprintf("%.4g", v) != m[6] {
			t.Errorf("%s: the example gives %.4g, not %s", f.Name, v, m[6])
		}
		// Every counter of the formula is in the example, or it shows nothing.
		for _, x := range append(append(Sum{}, f.Num...), f.Den...) {
			if c[x.c] == 0 {
				t.Errorf("%s: the example lacks %s", f.Name, x.c)
			}
		}
	}
	if len(said) != len(Figures) {
		t.Errorf("%d of %d figures are in docs/reports.md", len(said), len(Figures))
	}
	for _, name := range counterNames {
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/reports.md lacks the counter %s", name)
		}
	}
}

// The formula that is printed is the one that is computed: the text, read as
// arithmetic, gives the same number.
func TestFormulasAreComputed(t *testing.T) {
	var c Counts
	for k := range c {
		c[k] = int64(1000 + 37*k*k%991) // all different
	}
	sumOf := func(s string) (v float64) {
		sign := 1.0
		for _, w := range strings.Fields(strings.Trim(s, "()")) {
			switch w {
			case "+":
				sign = 1
			case "-":
				sign = -1
			default:
				n, err := strconv.ParseFloat(w, 64)
				if err != nil {
					k, ok := counterOf[w]
					if !ok {
						t.Fatalf("%q in %q", w, s)
					}
					n = float64(c[k])
				}
				v += sign * n
			}
		}
		return v
	}
	for i := range Figures {
		f := &Figures[i]
		parts := strings.Split(f.Formula(), " / ")
		want := sumOf(parts[0])
		for _, d := range parts[1:] {
			want /= sumOf(d)
		}
		if got, ok := f.Value(&c); ok && (got < want*(1-1e-12) || got > want*(1+1e-12)) {
			t.Errorf("%s: %s is %v, computed %v", f.Name, f.Formula(), want, got)
		}
	}
}

// A row has no figure whose counters it never counts.
func TestFiguresHaveTheirCounters(t *testing.T) {
	for _, k := range Kinds {
		has := map[Counter]bool{}
		for _, c := range CountersOf(k) {
			has[c] = true
		}
		for _, f := range FiguresOf(k) {
			for _, x := range append(append(Sum{}, f.Num...), f.Den...) {
				if !has[x.c] {
					t.Errorf("%s rows have %s without %s", k, f.Name, x.c)
				}
			}
		}
	}
}
