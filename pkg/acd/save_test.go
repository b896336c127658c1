package acd

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// through saves an engine, writes that down, reads it again and loads it.
func through(t interface{ Fatal(...any) }, e *Engine, now time.Time) *Engine {
	raw, err := json.Marshal(e.Save())
	if err != nil {
		t.Fatal(err)
	}
	var s Saved
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	twin, err := Load(s, now)
	if err != nil {
		t.Fatal(err)
	}
	return twin
}

// TestLoadedGoesOnAlike: at any moment of any run an engine is saved and loaded; from
// then on both say the same, word for word, and at the end both save the same.
func TestLoadedGoesOnAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, e: New(Config{OfferPrefix: "x-", Seed: 7}), now: noon, open: map[string]Offer{}, inQueue: map[string]bool{}, talks: map[string]string{}}
		w.step(drawConfig(t))
		var twin *Engine
		for range rapid.IntRange(1, 70).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "clock") {
			case 0:
				if at, ok := w.e.NextDeadline(); ok {
					w.now = at
				}
			case 1, 2:
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 20000).Draw(t, "ms")) * time.Millisecond)
			}
			if rapid.IntRange(0, 9).Draw(t, "save") == 0 {
				at := w.e.epoch.Add(time.Duration(w.e.now))
				twin = through(t, w.e, at)
				if b := Audit(twin); len(b) > 0 {
					t.Fatalf("loaded: %v", b)
				}
				if at, ok := twin.NextDeadline(); ok {
					if due, _ := w.e.NextDeadline(); !due.Equal(at) {
						t.Fatalf("due %s, was %s", at, due)
					}
				}
			}
			ev := w.draw()
			if twin == nil {
				w.step(ev)
				continue
			}
			b := fmt.Sprintf("%+v", twin.Step(w.now, ev))
			vb := fmt.Sprint(twin.Verdict())
			var a string
			w.told = func(fs []Effect) { a = fmt.Sprintf("%+v", fs) }
			w.step(ev)
			w.told = nil
			if va := fmt.Sprint(w.e.Verdict()); a != b || va != vb {
				t.Fatalf("%T: %s %s\nloaded: %s %s", ev, a, va, b, vb)
			}
			if !reflect.DeepEqual(w.e.Snapshot(), twin.Snapshot()) {
				t.Fatalf("%T: %+v\nloaded: %+v", ev, w.e.Snapshot(), twin.Snapshot())
			}
		}
		if twin != nil {
			a, _ := json.Marshal(w.e.Save())
			b, _ := json.Marshal(twin.Save())
			if string(a) != string(b) {
				t.Fatalf("%s\nloaded: %s", a, b)
			}
		}
	})
}

// TestLoadedLater: what passed while nobody ran is carried out with the first step.
func TestLoadedLater(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.MaxWait = time.Minute; q.LeaveWhenEmpty = false }), people("ana"))
	s.at("0s", enter("c1", "sales"))
	s.at("50s", enter("c2", "sales"))
	later := noon.Add(70 * time.Second)
	e := through(t, s.e, later)
	var left []string
	for _, f := range e.Step(later, Tick{}) {
		if f, ok := f.(LeftQueue); ok {
			left = append(left, f.CallID+" "+f.Outcome)
		}
	}
	if !slices.Equal(left, []string{"c1 timeout"}) {
		t.Errorf("%v", left)
	}
	if at, _ := e.NextDeadline(); !at.Equal(noon.Add(72*time.Second)) && !at.Equal(noon.Add(110*time.Second)) {
		t.Errorf("due at %s", at.Sub(noon))
	}
}

// TestLoadRefusesDamage: what contradicts itself is an error that says where, not an
// engine.
func TestLoadRefusesDamage(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob"))
	s.at("0s", login("ana"), enter("c1", "sales"))
	for name, damage := range map[string]func(*Saved){
		"strategy": func(s *Saved) { s.Queues[0].Config.Strategy = "no such" },
		"twice":    func(s *Saved) { s.Queues = append(s.Queues, s.Queues[0]) },
		"family":   func(s *Saved) { s.Queues[0].Callers[0].Family = 9 },
		"stage":    func(s *Saved) { s.Queues[0].Callers[0].Stage = -1 },
		"filed":    func(s *Saved) { s.Queues[0].Callers[0].In = "nowhere" },
		"no plain": func(s *Saved) { s.Queues[0].Families, s.Queues[0].Callers = nil, nil },
		"agent":    func(s *Saved) { s.Agents = append(s.Agents, s.Agents[0]) },
		"device":   func(s *Saved) { s.OnDevice["d"] = []string{"zoe"} },
		"offer":    func(s *Saved) { s.Ringing[0].CallID = "c9" },
		"promised": func(s *Saved) { s.Ringing = append(s.Ringing, SavedOffer{ID: "y", CallID: "c1", Agent: "ana"}) },
		"holds":    func(s *Saved) { s.Queues[0].Callers[0].Offers = []string{"z"} },
		"had":      func(s *Saved) { s.Queues[0].Callers[0].Past = []string{"z"} },
	} {
		saved := s.e.Save()
		damage(&saved)
		if _, err := Load(saved, noon); !errors.Is(err, ErrSaved) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if e, err := Load(New(Config{}).Save(), noon); err != nil || e.started {
		t.Errorf("an engine that never ran: %v", err)
	}
}

// TestEveryFieldIsSaved: a new field of the engine's state is in Saved, or is worked
// out by Load; whoever adds one says which.
func TestEveryFieldIsSaved(t *testing.T) {
	for _, x := range []struct {
		of             any
		saved, derived string
	}{
		{Engine{}, "cfg set epoch started now seq offers rng queues agents onDevice down callers byOffer late onCall memory places timers callbacks",
			"byQueue byAgent pools hold out verdict view touched panelsDue frontier picked"},
		{caller{}, "cb callID from returns stays held to why told q fam class priority arrived seq front joined in older younger offers past sticky patience limit announce widen another look due dues",
			"strict key leaf pos"},
		{agentRec{}, "Agent number device m since reachable lost lostUntil standing seats idleSince idleSeq keepIdle redraw lastOffer offered taken occ occAt working load once offer personal calls lastCall wrapUp wrapMode wrapMore owes disposed pause timer lease leaving",
			"pool queues free"},
		{offer{}, "id a c made deadline alone", ""},
		{queue{}, "Queue families level oldest newest drawn floor dropAt", "s need line byNeed pools members unable panel touched callbacks"},
		{family{}, "q key levels need bound pace", "own stages users"},
		{callback{}, "Callback rules arrived seq expires timer last ends", "c"},
		{callbacks{}, "byID party list shut", "byTry"},
		{pace{}, "n load at", "held"},
		{level{}, "in all at", ""},
		{memory{}, "last order puts gone", ""},
		{places{}, "kept order", ""},
		{place{}, "callID arrived seq priority left", ""},
		{timer{}, "at kind c a", "pos"},
		{seat{}, "a draw", "place weight pos"},
	} {
		known := strings.Fields(x.saved + " " + x.derived)
		var have []string
		for i := range reflect.TypeOf(x.of).NumField() {
			have = append(have, reflect.TypeOf(x.of).Field(i).Name)
		}
		slices.Sort(known)
		slices.Sort(have)
		if !slices.Equal(known, have) {
			t.Errorf("%T has fields that Save and Load may not know: %v, the test knows %v", x.of, have, known)
		}
	}
}
