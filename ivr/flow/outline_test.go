package flow

import (
	"reflect"
	"strings"
	"testing"
)

func TestDrawOfAFlowWithFaults(t *testing.T) {
	got, err := Draw("x", []byte(`
start: hello
steps:
  menu: # written before what leads to it
    note: the choice
    menu: {prompts: [main_menu], keys: {"1": sales, "2": nowhere}}
  hello: {play: [welcome], next: menu}
  sales:
    queue: {name: sales}
    on: {timeout: end}
  later: {note: to be done}
  open: {schedule: {name: office, open: menu}}
  end: {hangup: normal}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Outline{Start: "hello", Steps: []OutlineStep{
		{"menu", KindMenu, "the choice", []Way{{"menu.keys.1", "sales", true}, {"menu.keys.2", "nowhere", true}, {"next", "", false}}},
		{"hello", KindPlay, "", []Way{{"next", "menu", false}}},
		{"sales", KindQueue, "", []Way{{"on.timeout", "end", true}, {"on.empty", "", true}, {"on.full", "", true}, {"on.error", "", true},
			{"on.answered", "", true}, {"on.overflow", "", true}, {"on.callback", "", true}, {"next", "", true}}},
		{"later", "", "to be done", []Way{}},
		{"open", KindSchedule, "", []Way{{"schedule.open", "menu", false}, {"schedule.closed", "", false}}},
		{"end", KindHangup, "", []Way{}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDrawOfWhatIsNoFlow(t *testing.T) {
	for doc, fails := range map[string]bool{"": false, "7": false, "[a]": false, "steps: 7": false, "steps: {a: 7, b: [x]}": false, "a: [": true, strings.Repeat("#", maxDocument+1): true} {
		got, err := Draw("x", []byte(doc))
		if (err != nil) != fails || got.Steps == nil {
			t.Errorf("%.20q: %+v, %v", doc, got, err)
		}
	}
}

// What parses is drawn with each way that the checks of the graph follow.
func FuzzDraw(f *testing.F) {
	f.Add("start: a\nsteps: {a: {menu: {prompts: [x], keys: {\"1\": a}}, next: a}}")
	f.Fuzz(func(t *testing.T, doc string) {
		out, err := Draw("x", []byte(doc))
		flow, perr := ParseYAML("x", []byte(doc))
		if perr != nil {
			return
		}
		if err != nil || len(out.Steps) != len(flow.Steps) || out.Start != flow.Start {
			t.Fatalf("drawn %+v, %v", out, err)
		}
		for _, s := range out.Steps {
			led := 0
			for _, w := range s.Ways {
				if w.To != "" {
					led++
				}
			}
			if edges := flow.Steps[s.Name].edges(); led != len(edges) {
				t.Fatalf("step %s: %d ways drawn, %d followed", s.Name, led, len(edges))
			}
		}
	})
}
