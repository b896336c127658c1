package flow

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustParse(t testing.TB, name, doc string) *Flow {
	t.Helper()
	f, err := ParseYAML(name, []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func checked(f *Flow, env CheckEnv) []string {
	var out []string
	for _, fault := range f.Check(env) {
		out = append(out, fault.Path+": "+fault.Message)
	}
	return out
}

func TestGraph(t *testing.T) {
	for _, row := range []struct {
		name, steps string
		want        []string
	}{
		{"sound", `
  a: {menu: {prompts: [p], keys: {"1": a}}, next: end}
  end: {hangup: {}}`, nil},
		{"unreachable", `
  a: {play: [p], next: end}
  b: {play: [p], next: end}
  end: {hangup: {}}`, []string{"steps.b: no step leads here"}},
		{"an island of two", `
  a: {hangup: {}}
  b: {menu: {prompts: [p], keys: {"1": c}}, next: c}
  c: {play: [p], next: b}`, []string{"steps.b: no step leads here", "steps.c: no step leads here"}},
		{"dead end", `
  a: {menu: {prompts: [p], keys: {"1": b}}, next: end}
  b: {menu: {prompts: [p], keys: {"1": b}}, next: b}
  end: {hangup: {}}`, []string{"steps.b: a dead end"}},
		{"a queue is an end", `
  a: {queue: q, next: a}`, nil},
		{"not when the caller comes back", `
  a: {queue: q, on: {answered: a}, next: a}`, []string{"steps.a: a dead end"}},
		{"loop without input", `
  a: {menu: {prompts: [p], keys: {"1": b}}, next: end}
  b: {play: [p], next: c}
  c: {branch: [{var: from, eq: "1", next: b}, {var: from, eq: "2", next: d}], next: end}
  d: {set: {x: "1"}, next: b}
  end: {hangup: {}}`, []string{"steps.b: a loop without input: b -> c -> d -> b"}},
		{"a step that leads to itself", `
  a: {branch: [{var: from, eq: "1", next: a}], next: end}
  end: {hangup: {}}`, []string{"steps.a: a loop without input: a -> a"}},
		{"time is waited for", `
  a: {schedule: {name: s, open: end, closed: b}}
  b: {pause: 10s, next: a}
  end: {hangup: {}}`, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := mustParse(t, "x", "start: a\nsteps:"+row.steps)
			wantFaults(t, checked(f, CheckEnv{}), row.want...)
		})
	}
}

func TestReferencesAndLanguages(t *testing.T) {
	f := mustParse(t, "x", `
language: en
start: a
steps:
  a: {menu: {prompts: [hello, choose], keys: {"1": ru, "2": ro}, wrong_key: [oops]}, next: q}
  ru: {language: ru, next: say}
  ro: {language: ro, next: say}
  say: {say: [thanks, {number: "1"}], next: q}
  q: {queue: {name: gone, music: jazz}, on: {timeout: d}, next: s}
  d: {dial: {targets: ["device:gone", "number:1"], ringback: jazz}, next: g}
  s: {schedule: {name: gone, open: g, closed: g}}
  g: {goto: gone}
`)
	no := func(string) bool { return false }
	audio := map[string]string{"hello": "en ro ru", "choose": "en", "oops": "en", "thanks": "en ro", "jazz": "en ro ru de", "number_1": "en ro", "sorry": "en ro de"}
	env := CheckEnv{Queues: no, Devices: no, Flows: no, Schedules: no, Languages: []string{"de"},
		Prompts: func(name, lang string) bool { return strings.Contains(audio[name], lang) }}
	wantFaults(t, checked(f, env),
		`steps.a.menu.prompts[0]: no prompt "hello" in de`,
		`steps.a.menu.prompts[1]: no prompt "choose" in de`,
		`steps.a.menu.wrong_key[0]: no prompt "oops" in de`,
		`steps.say.say.prompts[0]: no prompt "thanks" in ru`, // en never gets here
		`steps.say.say.prompts[1]: no prompt "number_1" in ru`,
		`steps.q.queue.name: no queue "gone"`,
		`steps.d.dial.targets[0]: no device "gone"`,
		`steps.s.schedule.name: no schedule "gone"`,
		`steps.g.goto: no flow "gone"`,
		`: no prompt "sorry" in ru`,
	)
}

func TestFlowsThatCallEachOther(t *testing.T) {
	direct := func(name, to string) *Flow {
		return mustParse(t, name, "start: a\nsteps:\n  a: {play: [p], next: b}\n  b: {goto: "+to+"}\n")
	}
	asks := mustParse(t, "asks", `
start: a
steps:
  a: {menu: {prompts: [p], keys: {"1": b}}, next: b}
  b: {goto: one}
`)
	faults := CheckAll(map[string]*Flow{"one": direct("one", "two"), "two": direct("two", "three"), "three": direct("three", "one"),
		"self": direct("self", "self"), "asks": asks, "to-asks": direct("to-asks", "asks"), "lost": direct("lost", "nowhere")})
	if got := fmt.Sprint(faults); got != "[flow one: flows lead into each other without waiting for the caller: one -> three -> two -> one flow self: flows lead into each other without waiting for the caller: self -> self]" {
		t.Error(got)
	}
	if faults := CheckAll(map[string]*Flow{"one": direct("one", "asks"), "asks": asks}); len(faults) != 0 {
		t.Errorf("a menu is between them: %v", faults)
	}
}

func TestVariables(t *testing.T) {
	for _, row := range []struct{ name, steps, want string }{
		{"secret spoken", `
  a: {collect: {prompts: [p], into: pin, secret: true}, next: b, on: {failed: end}}
  b: {say: [{digits: "${pin}"}], next: end}`, `steps.b.say.prompts[0]: the variable "pin" is secret`},
		{"secret copied", `
  a: {collect: {prompts: [p], into: pin, secret: true}, next: b, on: {failed: end}}
  b: {set: {x: "a${pin}"}, next: end}`, `steps.b.set.x: the variable "pin" is secret`},
		{"secret compared", `
  a: {collect: {prompts: [p], into: pin, secret: true}, next: b, on: {failed: end}}
  b: {branch: [{var: pin, eq: "1", next: end}], next: end}`, ""},
		{"any number dialled", `
  a: {collect: {prompts: [p], into: n}, next: b, on: {failed: end}}
  b: {set: {m: "0${n}"}, next: c}
  c: {set: {o: "${m}"}, next: d}
  d: {dial: ["number:${o}"], next: end}`, `steps.d.dial.targets[0]: callers could dial any number through "o"`},
		{"the caller's own number", `
  a: {dial: ["number:${from}"], next: end}`, `steps.a.dial.targets[0]: callers could dial any number through "from"`},
		{"with a pattern", `
  a: {collect: {prompts: [p], into: n, pattern: "2[0-9]{2}"}, next: b, on: {failed: end}}
  b: {dial: ["number:${n}"], next: end}`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ParseYAML("x", []byte("start: a\nsteps:"+row.steps+"\n  end: {hangup: {}}\n"))
			got := strings.Join(faultsOf(err), "\n")
			if (row.want == "") != (got == "") || !strings.HasPrefix(got, row.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A thousand steps in a row are no deeper than one.
func TestLongFlow(t *testing.T) {
	var b strings.Builder
	b.WriteString("start: s0\nsteps:\n")
	for i := range maxSteps {
		fmt.Fprintf(&b, "  s%d: {set: {x: \"1\"}, next: s%d}\n", i, (i+1)%maxSteps)
	}
	f := mustParse(t, "x", b.String())
	got := checked(f, CheckEnv{})
	if len(got) != maxSteps+1 || !strings.HasPrefix(got[maxSteps], "steps.s0: a loop without input") {
		t.Errorf("%d faults", len(got))
	}
	if _, err := ParseYAML("x", []byte(b.String()+"  more: {hangup: {}}\n")); err == nil {
		t.Error("one more is taken")
	}
}

// The law of knots: a node is in one exactly when it can be reached from itself.
func TestKnots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		var nodes []string
		edges := map[string][]string{}
		for i := range n {
			nodes = append(nodes, fmt.Sprint(i))
		}
		for range rapid.IntRange(0, 16).Draw(t, "edges") {
			a, b := rapid.SampledFrom(nodes).Draw(t, "a"), rapid.SampledFrom(nodes).Draw(t, "b")
			edges[a] = append(edges[a], b)
		}
		reach := func(from string) map[string]bool {
			seen := map[string]bool{}
			stack := append([]string{}, edges[from]...)
			for len(stack) > 0 {
				x := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				if !seen[x] {
					seen[x] = true
					stack = append(stack, edges[x]...)
				}
			}
			return seen
		}
		in := map[string]int{}
		for i, knot := range knots(nodes, func(s string) []string { return edges[s] }) {
			for _, x := range knot {
				in[x] = i + 1
			}
		}
		for _, a := range nodes {
			for _, b := range nodes {
				both := reach(a)[b] && reach(b)[a]
				same := in[a] != 0 && in[a] == in[b]
				if both != same {
					t.Fatalf("%s %s: reach %v, same knot %v (%v)", a, b, both, same, edges)
				}
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("start: a\nsteps:\n  a: {hangup: {}}\n")
	f.Add("start: a\nvariables: {x: \"1\"}\nsteps:\n  a: {menu: {prompts: [p, {number: \"${x}\"}], keys: {\"1\": a}}, next: b}\n  b: {dial: [\"number:${x}\"], next: a}\n")
	f.Add("steps: &a {a: *a}")
	f.Add("start: [1]\nsteps: 5")
	f.Fuzz(func(t *testing.T, doc string) {
		flow, err := ParseYAML("x", []byte(doc))
		if (flow == nil) == (err == nil) {
			t.Fatal("neither a flow nor a fault")
		}
		if err != nil {
			if len(Faults(err)) == 0 {
				t.Fatalf("an error without faults: %v", err)
			}
			return
		}
		flow.Check(CheckEnv{Prompts: func(string, string) bool { return false }})
		CheckAll(map[string]*Flow{"x": flow})
	})
}
