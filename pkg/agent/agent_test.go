package agent

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write docs/states/agent.md from the table")

// TestChart keeps the page that people read equal to the table that runs.
func TestChart(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "states", "agent.md")
	if *update {
		if err := os.WriteFile(path, []byte(Chart()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Chart() {
		t.Fatalf("%s is not what the table says; run go test ./pkg/agent -update", path)
	}
}

// TestTable: the last row of each pair needs no guard, so that a pair in the
// table always moves; no row is hidden behind one without a guard; no pair is
// in both lists; every guard and action has its word.
func TestTable(t *testing.T) {
	type pair struct {
		s State
		e Event
	}
	last := map[pair]guard{}
	for _, r := range transitions {
		k := pair{r.from, r.ev}
		if g, seen := last[k]; seen && g == always {
			t.Errorf("%s %s: a row is never reached", r.from, r.ev)
		}
		last[k] = r.when
		if int(r.when) >= len(guardWords) || int(r.do) >= len(actionWords) {
			t.Errorf("%s %s: guard or action without a word", r.from, r.ev)
		}
	}
	// These two lean on another list for when the guard does not hold.
	open := map[pair]string{
		{NotReady, PauseOver}: "the owner stops the timer when the agent takes the pause over",
		{OnCall, LogIn}:       "listed as ignored",
	}
	for k, g := range last {
		if g != always && open[k] == "" {
			t.Errorf("%s %s: nothing follows when %q does not hold", k.s, k.e, guardWords[g])
		}
	}
	for _, p := range passes {
		k := pair{p.from, p.ev}
		if _, both := last[k]; both && open[k] == "" {
			t.Errorf("%s %s is in both lists", p.from, p.ev)
		}
		if p.verdict != Ignored && p.verdict != Refused || p.why == "" {
			t.Errorf("%s %s: %v %q", p.from, p.ev, p.verdict, p.why)
		}
	}
}

func TestMoves(t *testing.T) {
	talking, wrap, lunch := Facts{Talking: true}, Facts{WrapUp: true}, Facts{Reason: "lunch"}
	for name, c := range map[string]struct {
		from Machine
		ev   Event
		f    Facts
		want Machine
		v    Verdict
	}{
		"log in":                      {Machine{}, LogIn, Facts{}, Machine{State: Ready, After: Ready}, Moved},
		"log in on the phone":         {Machine{}, LogIn, talking, Machine{State: OnCall, After: Ready}, Moved},
		"ready without log in":        {Machine{}, SetReady, Facts{}, Machine{}, Refused},
		"no answer":                   {Machine{State: Ringing, After: Ready}, NoAnswer, Facts{Reason: "x"}, Machine{State: NotReady, Reason: "x", After: Ready}, Moved},
		"busy":                        {Machine{State: Reserved, After: Ready}, Decline, Facts{Reason: "busy"}, Machine{State: NotReady, Reason: "busy", Paused: true, After: Ready}, Moved},
		"lunch in a pause":            {Machine{State: NotReady, Reason: "busy", Paused: true}, SetNotReady, lunch, Machine{State: NotReady, Reason: "lunch", After: Ready}, Moved},
		"pause over":                  {Machine{State: NotReady, Reason: "busy", Paused: true}, PauseOver, Facts{}, Machine{State: Ready, After: Ready}, Moved},
		"no pause to be over":         {Machine{State: NotReady, Reason: "lunch"}, PauseOver, Facts{}, Machine{State: NotReady, Reason: "lunch"}, Faulty},
		"call from lunch":             {Machine{State: NotReady, Reason: "lunch"}, Occupy, talking, Machine{State: OnCall, After: NotReady, AfterReason: "lunch"}, Moved},
		"call from a pause":           {Machine{State: NotReady, Reason: "busy", Paused: true}, Occupy, talking, Machine{State: OnCall, After: Ready}, Moved},
		"lunch after the call":        {Machine{State: OnCall, After: Ready}, SetNotReady, lunch, Machine{State: OnCall, After: NotReady, AfterReason: "lunch"}, Moved},
		"log out beats wrap-up":       {Machine{State: OnCall, After: Offline}, HangUp, wrap, Machine{State: Offline, After: Ready}, Moved},
		"wrap-up before lunch":        {Machine{State: OnCall, After: NotReady, AfterReason: "lunch"}, HangUp, wrap, Machine{State: WrapUp, After: NotReady, AfterReason: "lunch"}, Moved},
		"lunch after wrap-up":         {Machine{State: WrapUp, After: NotReady, AfterReason: "lunch"}, WrapUpOver, Facts{}, Machine{State: NotReady, Reason: "lunch", After: Ready}, Moved},
		"one of two calls ends":       {Machine{State: OnCall, After: Offline}, HangUp, Facts{Talking: true, WrapUp: true}, Machine{State: OnCall, After: Offline}, Moved},
		"log in takes log out back":   {Machine{State: OnCall, After: Offline}, LogIn, talking, Machine{State: OnCall, After: Ready}, Moved},
		"log in keeps lunch":          {Machine{State: OnCall, After: NotReady, AfterReason: "lunch"}, LogIn, talking, Machine{State: OnCall, After: NotReady, AfterReason: "lunch"}, Ignored},
		"reserved twice":              {Machine{State: Reserved}, Reserve, Facts{}, Machine{State: Reserved}, Faulty},
		"reserved in a call":          {Machine{State: OnCall}, Reserve, Facts{}, Machine{State: OnCall}, Faulty},
		"more 180s":                   {Machine{State: Ringing}, Ring, Facts{}, Machine{State: Ringing}, Ignored},
		"a call in wrap-up":           {Machine{State: WrapUp, After: NotReady, AfterReason: "lunch"}, Occupy, talking, Machine{State: OnCall, After: NotReady, AfterReason: "lunch"}, Moved},
		"a state that does not exist": {Machine{State: 99}, LogIn, Facts{}, Machine{State: 99}, Faulty},
	} {
		t.Run(name, func(t *testing.T) {
			m := c.from
			if v, why := m.Step(c.ev, c.f); m != c.want || v != c.v || (v != Moved && why == "") {
				t.Fatalf("got %+v %v %q, want %+v %v", m, v, why, c.want, c.v)
			}
		})
	}
}

// TestNoEventLosesTheMachine: after any events the machine is consistent, and
// logging in always leads back to work.
func TestNoEventLosesTheMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Machine
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			f := Facts{Talking: rapid.Bool().Draw(t, "talking"), WrapUp: rapid.Bool().Draw(t, "wrap"), Reason: "r"}
			was := m
			v, _ := m.Step(Event(rapid.IntRange(0, NumEvents-1).Draw(t, "event")), f)
			switch {
			case v != Moved && m != was:
				t.Fatalf("%v changed %+v to %+v", v, was, m)
			case (m.State == NotReady) != (m.Reason != ""):
				t.Fatalf("reason and state disagree: %+v", m)
			case m.Paused && m.State != NotReady:
				t.Fatalf("paused outside not ready: %+v", m)
			case m.State == OnCall && m.After == NotReady && m.AfterReason == "":
				t.Fatalf("not ready afterwards without a reason: %+v", m)
			case m.State == WrapUp && m.After == Offline:
				t.Fatalf("wraps up to log out: %+v", m)
			}
			if s, r := m.Save(); s != Offline && s != Ready && s != NotReady || (s == NotReady) != (r != "") {
				t.Fatalf("saves %s %q of %+v", s, r, m)
			}
		}
		for range 3 { // hang up, end wrap-up, log in
			m.Step(HangUp, Facts{})
			m.Step(WrapUpOver, Facts{})
			m.Step(Withdraw, Facts{})
			m.Step(LogIn, Facts{})
		}
		if m.State != Ready {
			t.Fatalf("cannot come back: %+v", m)
		}
	})
}

func TestStateWords(t *testing.T) {
	for s := range State(NumStates) {
		b, _ := s.MarshalText()
		var back State
		if err := back.UnmarshalText(b); err != nil || back != s {
			t.Errorf("%s: %v %v", s, back, err)
		}
	}
	var s State
	if s.UnmarshalText([]byte("asleep")) == nil {
		t.Error("took an unknown word")
	}
}
