package flow

import (
	"strings"
	"testing"
)

func TestFlowsThatCallThemselves(t *testing.T) {
	flows := func(docs map[string]string) map[string]*Flow {
		out := map[string]*Flow{}
		for name, doc := range docs {
			f, err := ParseYAML(name, []byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			out[name] = f
		}
		return out
	}
	const end = ", e: {hangup: normal}}"
	call := func(to string) string {
		return "start: c\nsteps: {c: {call: " + to + ", next: m}, m: {menu: {prompts: [menu], keys: {\"1\": e}}, next: e}" + end
	}
	goTo := func(to string) string {
		return "start: m\nsteps: {m: {menu: {prompts: [menu], keys: {\"1\": g}}, next: e}, g: {goto: " + to + "}" + end
	}
	leaf := "start: r\nsteps: {r: {return: done}}"
	for _, c := range []struct {
		name string
		docs map[string]string
		want string
	}{
		{"itself", map[string]string{"a": call("a")}, "a flow that calls itself: a -> a"},
		{"through another", map[string]string{"a": call("b"), "b": call("a")}, "a flow that calls itself: a -> b -> a"},
		{"through a goto", map[string]string{"a": call("b"), "b": goTo("a")}, "a flow that calls itself: a -> b -> a"},
		{"gotos in a circle that wait", map[string]string{"a": goTo("b"), "b": goTo("a")}, ""},
		{"two that call one", map[string]string{"a": call("c"), "b": call("c"), "c": leaf}, ""},
	} {
		var got []string
		for _, f := range CheckAll(flows(c.docs)) {
			got = append(got, f.Error())
		}
		if text := strings.Join(got, "\n"); c.want == "" && text != "" || !strings.Contains(text, c.want) {
			t.Errorf("%s: %s", c.name, text)
		}
	}
	faults := CheckAll(flows(map[string]string{
		"a": "start: c\nsteps: {c: {call: {flow: b, with: {x: \"1\", y: \"2\"}, into: {p: found, q: lost}}, next: e}" + end,
		"b": "start: r\nvariables: {x: \"\"}\nsteps: {r: {return: {values: {found: \"${x}\"}}}}",
	}))
	if len(faults) != 2 || !strings.Contains(faults[0].Error(), `no variable "y"`) || !strings.Contains(faults[1].Error(), `returns no "lost"`) {
		t.Errorf("%v", faults)
	}
}

// A loop that is bounded is none that the check must refuse.
func TestBoundedLoops(t *testing.T) {
	f, err := ParseYAML("x", []byte("start: l\nsteps: {l: {loop: {times: 3, do: s}, next: e}, s: {set: {a: b}, next: l}, e: {hangup: normal}}"))
	if err != nil {
		t.Fatal(err)
	}
	if faults := f.Check(CheckEnv{}); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
	for _, bad := range []string{"{times: 0, do: e}", "{times: 101, do: e}", "{do: nowhere}", "{times: 2}", "{do: e, while: '1..9'}", "{do: e, count: from}"} {
		if _, err := ParseYAML("x", []byte("start: l\nsteps: {l: {loop: "+bad+", next: e}, e: {hangup: normal}}")); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// A number that is the caller's free choice stays free through expressions, and through
// flows that return it.
func TestNobodyDialsThroughExpressions(t *testing.T) {
	for _, doc := range []string{
		"start: s\nsteps: {s: {set: {n: {expr: caller.number}}, next: d}",
		"start: c\nsteps: {c: {collect: {prompts: [menu], into: x}, next: s, on: {failed: e}}, s: {set: {n: {expr: 'vars.x + \"1\"'}}, next: d}",
		"start: s\nsteps: {s: {call: {flow: f, into: {n: n}}, next: d}",
	} {
		_, err := ParseYAML("x", []byte(doc+", d: {dial: [\"number:${n}\"], next: e}, e: {hangup: normal}}"))
		if err == nil || !strings.Contains(err.Error(), "callers could dial any number") {
			t.Errorf("%v in %s", err, doc)
		}
	}
}
