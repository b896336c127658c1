package acd

import (
	"reflect"
	"testing"
)

func TestStranded(t *testing.T) {
	as := people("ana", "bob")
	as[0].Skills = map[string]int{"ro": 5}
	two := append(sales(func(q *Queue) { q.Need = "ro" }), Queue{Name: "help", AnnounceFirst: -1, Members: []Member{{Agent: "bob"}}})
	s := newScore(t, two, as)
	s.at("0s", login("ana"), login("bob"), enter("c1", "sales"), accept("c1"), enter("c2", "sales"), enter("c3", "sales"),
		enter("h1", "help"), accept("h1"), enter("h2", "help"))
	for name, c := range map[string]struct {
		next Configure
		want []Stranded
	}{
		"nothing changes":        {Configure{Queues: two, Agents: as}, nil},
		"the queue goes":         {Configure{Queues: two[1:], Agents: as}, []Stranded{{"sales", 2, StrandedQueueGone}}},
		"the agent goes":         {Configure{Queues: two, Agents: as[1:]}, []Stranded{{"sales", 2, StrandedNoAgent}}},
		"the skill goes":         {Configure{Queues: two, Agents: people("ana", "bob")}, []Stranded{{"sales", 2, StrandedNoAgent}}},
		"the need relaxes later": {Configure{Queues: append(sales(func(q *Queue) { q.Need = "ru; after 1h any" }), two[1]), Agents: as}, nil},
		"a member goes":          {Configure{Queues: []Queue{two[0], {Name: "help", Members: []Member{{Agent: "cid"}}}}, Agents: as}, []Stranded{{"help", 1, StrandedNoAgent}}},
	} {
		if got := s.e.Stranded(c.next); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if b := Audit(s.e); len(b) > 0 {
		t.Error(b)
	}
}
