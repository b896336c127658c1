package acd

import (
	"testing"
	"time"
)

// TestPushPastTheLongestWait: a caller whose longest wait passed while a phone rang
// is pushed to an agent who talks: the caller waits for that agent as long as the
// supervisor gave, and not for ever.
func TestPushPastTheLongestWait(t *testing.T) {
	e := New(Config{RingTimeout: time.Minute})
	at := func(s int, ev Event) (out []Effect) {
		return append(out, e.Step(noon.Add(time.Duration(s)*time.Second), ev)...)
	}
	at(0, Configure{Queues: []Queue{{Name: "q", MaxWait: 10 * time.Second, AnnounceFirst: -1, Members: []Member{{Agent: "*"}}}}, Agents: people("ana", "bob")})
	at(0, LogIn{Agent: "ana", By: ByAPI})
	at(0, LogIn{Agent: "bob", By: ByAPI})
	at(0, Occupy{Agent: "bob", CallID: "own"})
	at(1, Enter{CallID: "c1", Queue: "q"}) // ana's phone rings
	at(15, Tick{})
	at(20, Assign{CallID: "c1", Agent: "bob", By: BySupervisor, Patience: 30 * time.Second})
	if b := Audit(e); len(b) > 0 {
		t.Fatal(b)
	}
	for _, f := range at(49, Tick{}) {
		t.Errorf("at 0:49: %T%+v", f, f)
	}
	var left LeftQueue
	for _, f := range at(50, Tick{}) {
		if l, ok := f.(LeftQueue); ok {
			left = l
		}
	}
	if left.Outcome != LeftTimeout || left.Wait != 49*time.Second {
		t.Errorf("left with %+v", left)
	}
}
