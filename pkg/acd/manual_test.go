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

// TestMove: a caller for whom a phone rings goes where a supervisor sends, the phone
// stops and its agent takes the next one; who waits nowhere cannot be moved.
func TestMove(t *testing.T) {
	e := New(Config{RingTimeout: time.Minute})
	at := func(s int, ev Event) (out []Effect) {
		return append(out, e.Step(noon.Add(time.Duration(s)*time.Second), ev)...)
	}
	at(0, Configure{Queues: []Queue{{Name: "q", AnnounceFirst: -1, Members: []Member{{Agent: "*"}}}, {Name: "r"}}, Agents: people("ana")})
	at(0, LogIn{Agent: "ana", By: ByAPI})
	at(1, Enter{CallID: "c1", Queue: "q"}) // ana's phone rings
	at(2, Enter{CallID: "c2", Queue: "q"})
	var left []LeftQueue
	var offered, withdrawn []string
	for _, f := range at(5, Move{CallID: "c1", To: "queue:r", By: "sofia"}) {
		switch f := f.(type) {
		case LeftQueue:
			left = append(left, f)
		case Offer:
			offered = append(offered, f.CallID)
		case WithdrawOffer:
			withdrawn = append(withdrawn, f.CallID)
		}
	}
	if len(left) != 1 || left[0].CallID != "c1" || left[0].Outcome != LeftOverflow || left[0].To != "queue:r" || left[0].Why != "moved by sofia" || left[0].Wait != 4*time.Second {
		t.Errorf("left: %+v", left)
	}
	if len(withdrawn) != 1 || withdrawn[0] != "c1" || len(offered) != 1 || offered[0] != "c2" {
		t.Errorf("withdrawn from %v, offered to %v", withdrawn, offered)
	}
	for _, ev := range []Move{{CallID: "c1", To: "queue:r"}, {CallID: "nobody", To: "queue:r"}, {CallID: "c2", To: "queue:q"}} {
		if got := at(6, ev); len(got) > 0 || e.Verdict() == nil {
			t.Errorf("%+v: %v, refused: %v", ev, got, e.Verdict())
		}
	}
	if b := Audit(e); len(b) > 0 {
		t.Fatal(b)
	}
}
