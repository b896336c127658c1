package skill

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	ana := map[string]int{"ro": 6, "sales": 2, "junior": 0}
	for text, want := range map[string]bool{
		"any":                                   true,
		"ro":                                    true,
		"ru":                                    false,
		"not ru":                                true,
		"ro > 5":                                true,
		"ro > 6":                                false,
		"ro>=6 and ro<=6 and ro=6 and ro == 6":  true,
		"ro != 6":                               false,
		"ru < 1":                                true, // no ru at all
		"ru != 3":                               true,
		"ru <= 0":                               true,
		"junior >= 0":                           true,
		"ro > 5 and (sales >= 3 or not junior)": false,
		"ro > 5 and (sales >= 2 or not junior)": true,
		"not ro or sales and junior":            true,
		"not (ro or sales)":                     false,
		"not not ro":                            true,
		"any and ro > 9":                        false,
		"any or ro > 9":                         true,
	} {
		x, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := x.Match(ana); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestParseFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "empty",
		"ro >":                              "at 5: want a level from 0 to 10",
		"ro > 11":                           "want a level",
		"ro > x":                            "want a level",
		"ro 5":                              "at 4: want and, or, or the end",
		"(ro":                               "at 1: this parenthesis is not closed",
		"ro)":                               "want and, or",
		"and ro":                            "at 1: want the name of a skill",
		"ro and":                            "want the name",
		"Ro":                                "want the name",
		"not":                               "want the name",
		"ro; ru":                            "a further step begins with after",
		"ro; after ru":                      "is no time",
		"ro; after 30 ru":                   "want a unit",
		"ro; after 30s any; after 20s any":  "times must grow",
		"ro; after 25h any":                 "is no time",
		"ro;":                               "a further step",
		"ro; after 5s":                      "empty",
		strings.Repeat("(", 40) + "ro":      "nested deeper",
		strings.Repeat("a and ", 200) + "a": "longer than",
		strings.Repeat("a or ", 70) + "a":   "more than 64",
		strings.Repeat("not ", 50) + "a":    "nested deeper",
		strings.Repeat("a", 65):             "64 characters",
	} {
		if _, err := ParseNeed(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	long := "ro"
	for i := 1; i <= MaxSteps; i++ {
		long += fmt.Sprintf("; after %ds any", i)
	}
	if _, err := ParseNeed(long); err == nil || !strings.Contains(err.Error(), "more than 8 steps") {
		t.Errorf("%v", err)
	}
}

func TestNeedRelaxes(t *testing.T) {
	n, err := ParseNeed("ro > 5; after 30 s ro > 2; after 1 min any")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]string{0: "ro > 5", 29999 * time.Millisecond: "ro > 5", 30 * time.Second: "ro > 2", time.Hour: "any"} {
		if got := n.At(at).String(); got != want {
			t.Errorf("after %s: %s, want %s", at, got, want)
		}
	}
	if got := n.String(); got != "ro > 5; after 30s ro > 2; after 1m0s any" {
		t.Error(got)
	}
	if err := n.Widens(); err != nil {
		t.Error(err)
	}
}

func TestNarrowing(t *testing.T) {
	for text, want := range map[string]string{
		"ro > 2; after 30s ro > 5":                       `refuses an agent with ro 3 whom "ro > 2" takes`,
		"any; after 5s ro":                               "an agent with no skills",
		"ro or ru; after 5s ro":                          "with ru",
		"ro and sales; after 5s ro; after 9s ru":         "step after 9s",
		"ro > 5 and sales; after 5s ro > 5 or sales":     "",
		"not junior; after 5s junior < 1":                "",
		"junior < 1; after 5s not junior":                "with junior 0",
		"ro = 3; after 5s ro >= 3 and ro < 4":            "",
		"a and b or c; after 1s (a or c) and (b or c)":   "", // distribution: the same
		"(a or c) and (b or c); after 1s a and b or c":   "",
		"ro > 5; after 30s not ro <= 5; after 40s any":   "",
		"ro != 4; after 5s ro < 4 or ro > 4":             "",
		"ro != 4; after 5s ro >= 0 and ro < 4 or ro > 4": "no skills",
	} {
		n, err := ParseNeed(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		switch err := n.Widens(); {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestImpossibleNeed(t *testing.T) {
	n, _ := ParseNeed("ro > 5 and ro < 3")
	if err := n.Possible(); err == nil || !strings.Contains(err.Error(), "no agent can fit") {
		t.Error(err)
	}
	n, _ = ParseNeed("ro > 10 or ru")
	if err := n.Possible(); err != nil {
		t.Error(err)
	}
}

func drawExpr(t *rapid.T, depth int) Expr {
	k := rapid.IntRange(0, 7).Draw(t, "node")
	if depth == 0 && k < 4 {
		k = 4
	}
	switch k {
	case 0, 1:
		return And(drawExpr(t, depth-1), drawExpr(t, depth-1))
	case 2:
		return Expr{op: opOr, kids: []Expr{drawExpr(t, depth-1), drawExpr(t, depth-1)}}
	case 3:
		return Expr{op: opNot, kids: []Expr{drawExpr(t, depth-1)}}
	case 4:
		return Expr{}
	}
	return Expr{op: opTerm, name: rapid.SampledFrom([]string{"ro", "ru", "x-1"}).Draw(t, "skill"),
		rel: relation(rapid.IntRange(0, 5).Draw(t, "rel")), lvl: rapid.IntRange(0, MaxLevel).Draw(t, "level")}
}

func everyAgent(f func(map[string]int)) {
	for ro := absent; ro <= MaxLevel; ro++ {
		for ru := absent; ru <= MaxLevel; ru++ {
			for x := absent; x <= MaxLevel; x += 1 {
				m := map[string]int{}
				for n, l := range map[string]int{"ro": ro, "ru": ru, "x-1": x} {
					if l != absent {
						m[n] = l
					}
				}
				f(m)
			}
		}
	}
}

// TestPrintParse: what is written is read as the same condition.
func TestPrintParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawExpr(t, 3)
		y, err := Parse(x.String())
		if err != nil {
			t.Fatalf("%q: %v", x, err)
		}
		if y.String() != x.String() && !strings.Contains(x.String(), "any") {
			t.Fatalf("%q is read as %q", x, y)
		}
		for range 20 {
			m := map[string]int{}
			for _, n := range []string{"ro", "ru", "x-1"} {
				if l := rapid.IntRange(absent, MaxLevel).Draw(t, n); l != absent {
					m[n] = l
				}
			}
			if x.Match(m) != y.Match(m) {
				t.Fatalf("%q and %q differ for %v", x, y, m)
			}
		}
	})
}

// TestWidensIsRight: Widens says what trying every agent says.
func TestWidensIsRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Need{[]Step{{0, drawExpr(t, 2)}, {time.Second, drawExpr(t, 2)}}}
		widens := true
		everyAgent(func(m map[string]int) {
			if n.Steps[0].Expr.Match(m) && !n.Steps[1].Expr.Match(m) {
				widens = false
			}
		})
		if err := n.Widens(); (err == nil) != widens {
			t.Fatalf("%s: %v, want widens %v", n, err, widens)
		}
	})
}

func FuzzParseNeed(f *testing.F) {
	f.Add("ro > 5 and (sales >= 3 or not junior); after 30 s ro > 2; after 60s any")
	f.Add("not not (a=1)")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNeed(s)
		if err != nil {
			return
		}
		if len(n.String()) > MaxText {
			return // spaces have made it too long to read again
		}
		again, err := ParseNeed(n.String())
		if err != nil || again.String() != n.String() {
			t.Fatalf("%q: %q, then %q: %v", s, n, again, err)
		}
		n.Widens()
	})
}
