package alarm

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestRules(t *testing.T) {
	all := Rules{Waiting: 3, LongestWait: time.Minute, ServiceLevel: 80, Ready: 1}
	for name, c := range map[string]struct {
		rules Rules
		q     Queue
		past  []Kind
	}{
		"at the bounds, not past them": {all, Queue{Waiting: 3, Oldest: noon.Add(-time.Minute), Ready: 1, LoggedIn: 2, ServiceLevel: 0.8, Callers: 10}, nil},
		"all past":                     {all, Queue{Waiting: 4, Oldest: noon.Add(-61 * time.Second), LoggedIn: 2, ServiceLevel: 0.79, Callers: 5}, []Kind{Waiting, LongestWait, ServiceLevel, Ready}},
		"four callers are no trend":    {all, Queue{Ready: 1, ServiceLevel: 0, Callers: 4}, nil},
		"nobody called, nobody there":  {all, Queue{}, nil},
		"nobody there, somebody waits": {Rules{Ready: 1}, Queue{Waiting: 1, Oldest: noon}, []Kind{Ready}},
		"no rules":                     {Rules{}, Queue{Waiting: 1000, Oldest: noon.Add(-time.Hour), LoggedIn: 1, Callers: 100}, nil},
		"a clock that was set back":    {Rules{LongestWait: time.Second}, Queue{Waiting: 1, Oldest: noon.Add(time.Hour)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var past []Kind
			for _, r := range c.rules.Read("default", "sales", c.q, noon) {
				if r.Past {
					past = append(past, r.Kind)
				}
				if r.Value < 0 || r.Tenant != "default" || r.Queue != "sales" {
					t.Errorf("%+v", r)
				}
			}
			if len(past) != len(c.past) {
				t.Fatalf("past: %v, want %v", past, c.past)
			}
			for i := range past {
				if past[i] != c.past[i] {
					t.Errorf("past: %v, want %v", past, c.past)
				}
			}
		})
	}
}

// A score: second by second, what is read and what is told.
func TestBoard(t *testing.T) {
	key := Key{Tenant: "default", Kind: Waiting, Queue: "sales"}
	reading := func(v float64) []Reading {
		return []Reading{{key, v, 3, v > 3, 2 * time.Second}}
	}
	for name, steps := range map[string][]struct {
		values  string // one character a second: v past, . within, - not read
		raised  int    // second at which it is raised, -1 = never
		cleared int
	}{
		"raised once it has held": {{"vvvvvv", 2, -1}, {"v.vvv", 4, -1}, {"v.v.v.v.v", -1, -1}},
		"cleared once it is over": {{"vvv......", 2, 8}, {"vvv....v......", 2, 13}, {"vvv------", 2, 8}, {"vvv..--..", 2, 8}},
	} {
		for _, s := range steps {
			b := NewBoard()
			raised, cleared := -1, -1
			for i, c := range s.values {
				var r []Reading
				switch c {
				case 'v':
					r = reading(float64(4 + i))
				case '.':
					r = reading(1)
				}
				up, down := b.Step(noon.Add(time.Duration(i)*time.Second), r)
				if len(up) > 0 {
					if raised >= 0 || up[0].Value != float64(4+i) || up[0].Key != key {
						t.Errorf("%s %q: raised at %d: %+v", name, s.values, i, up)
					}
					raised = i
				}
				if len(down) > 0 {
					if cleared >= 0 || !down[0].Since.Equal(noon.Add(time.Duration(raised)*time.Second)) {
						t.Errorf("%s %q: cleared at %d: %+v", name, s.values, i, down)
					}
					cleared = i
				}
				if on := len(b.Raised("default")) == 1; on != (raised >= 0 && cleared < 0) {
					t.Errorf("%s %q: at %d on the board: %v", name, s.values, i, on)
				}
			}
			if raised != s.raised || cleared != s.cleared {
				t.Errorf("%s %q: raised at %d, cleared at %d; want %d and %d", name, s.values, raised, cleared, s.raised, s.cleared)
			}
		}
	}
}

func TestTenantsHaveAlarmsOfTheirOwn(t *testing.T) {
	b := NewBoard()
	read := func(tenant string) Reading {
		return Reading{Key{Tenant: tenant, Kind: Ready, Queue: "sales"}, 0, 1, true, 0}
	}
	up, _ := b.Step(noon, []Reading{read("b"), read("a")})
	if len(up) != 2 || up[0].Tenant != "a" || len(b.Raised("a")) != 1 || len(b.Raised("c")) != 0 || len(b.Raised("")) != 2 {
		t.Errorf("%v", up)
	}
}
