package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

// mirrorPage is what a page makes of the messages: rows by kind and name.
type mirrorPage struct {
	rows  map[string]json.RawMessage
	kinds []string // of the messages that came
	bytes int
}

func (p *mirrorPage) read(t *testing.T, message []byte) {
	t.Helper()
	p.bytes += len(message)
	for _, one := range strings.Split(strings.TrimSuffix(string(message), "\n\n"), "\n\n") {
		head, data, _ := strings.Cut(one, "\ndata: ")
		kind := strings.TrimPrefix(head, "event: ")
		p.kinds = append(p.kinds, kind)
		var m struct {
			mirrorHead
			Queues, Agents, Calls []json.RawMessage
			Gone                  []string
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil || strings.Contains(data, "\n") {
			t.Fatalf("%v in %q", err, one)
		}
		if kind == "state" {
			p.rows = map[string]json.RawMessage{}
		}
		for kind, list := range map[string][]json.RawMessage{"queues": m.Queues, "agents": m.Agents, "calls": m.Calls} {
			for _, r := range list {
				var n struct{ Name, ID string }
				if err := json.Unmarshal(r, &n); err != nil {
					t.Fatal(err)
				}
				p.rows[kind+"/"+n.Name+n.ID] = r
			}
		}
		for _, g := range m.Gone {
			delete(p.rows, g)
		}
	}
}

func (p *mirrorPage) names() []string {
	var out []string
	for k := range p.rows {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Whatever a page misses between two messages, and however far behind it falls, it
// ends with the state as it is; who sees the own things alone sees no more than those.
func TestPagesMirrorTheState(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := &mirror{tenant: "default", rows: map[string]*mirrorRow{}, wake: make(chan struct{})}
		boss := &watcher{m: m, p: &auth.Principal{Tenant: "default", Name: "sofia"}}
		ana := &watcher{m: m, p: &auth.Principal{Tenant: "default", Name: "ana"}, own: true}
		var bossPage, anaPage mirrorPage
		now := time.Unix(1e9, 0).UTC()
		state := Live{Alarms: []LiveAlarm{}}
		seq := uint64(1)
		step := func() {
			now, seq = now.Add(300*time.Millisecond), seq+1
			state.Now, state.Seq = now, seq
			state.Queues, state.Agents = nil, nil
			for i := range 2 + r.IntN(2) {
				state.Queues = append(state.Queues, LiveQueue{Queue: Queue{Name: fmt.Sprint("q", i), Waiting: r.IntN(3)}})
			}
			for i, name := range []string{"ana", "bob", "cleo"} {
				a := LiveAgent{Agent: Agent{Name: name, State: []string{"ready", "on_call"}[r.IntN(2)], Queues: []string{fmt.Sprint("q", i%2)}}}
				if a.State == "on_call" {
					a.Calls = []string{"c-of-" + name}
				}
				state.Agents = append(state.Agents, a)
			}
			state.Calls = slices.DeleteFunc(slices.Clone(state.Calls), func(cdr.Call) bool { return r.IntN(4) == 0 })
			for i := range state.Calls {
				if r.IntN(2) == 0 {
					state.Calls[i].LastSeq = seq
					state.Calls[i].HoldMs++ // of which the whole tenant's pages show nothing
				}
			}
			if r.IntN(2) == 0 {
				state.Calls = append(state.Calls, cdr.Call{ID: fmt.Sprint("c", seq), Agent: []string{"ana", "bob"}[r.IntN(2)], LastSeq: seq,
					Segments: []cdr.Segment{{Kind: event.SegmentTalking}}})
			}
			l := state
			l.Calls = slices.Clone(state.Calls)
			m.take(&l)
		}
		for range 200 {
			for range 1 + r.IntN(3) {
				step()
			}
			if r.IntN(40) == 0 { // asleep
				for range mirrorKept + 3 {
					step()
				}
			}
			for _, w := range []struct {
				w *watcher
				p *mirrorPage
			}{{boss, &bossPage}, {ana, &anaPage}} {
				if b, _ := w.w.next(now, r.IntN(10) == 0); b != nil {
					w.p.read(t, b)
				}
			}
		}
		now = now.Add(time.Hour)
		for _, w := range []struct {
			w *watcher
			p *mirrorPage
		}{{boss, &bossPage}, {ana, &anaPage}} {
			b, _ := w.w.next(now, true)
			w.p.read(t, b)
		}
		var all, mine []string
		for _, q := range state.Queues {
			all = append(all, "queues/"+q.Name)
			if q.Name == "q0" {
				mine = append(mine, "queues/q0")
			}
		}
		for _, a := range state.Agents {
			all, mine = append(all, "agents/"+a.Name), append(mine, "agents/"+a.Name)
			want, _ := json.Marshal(a)
			if got := bossPage.rows["agents/"+a.Name]; !bytes.Equal(got, want) {
				t.Fatalf("seed %d: %s, want %s", seed, got, want)
			}
			if a.Name != "ana" {
				a.Calls = nil
				want, _ = json.Marshal(a)
			}
			if got := anaPage.rows["agents/"+a.Name]; !bytes.Equal(got, want) {
				t.Fatalf("seed %d: ana sees %s, want %s", seed, got, want)
			}
		}
		for _, c := range state.Calls {
			all = append(all, "calls/"+c.ID)
			if c.Agent == "ana" {
				mine = append(mine, "calls/"+c.ID)
				var got cdr.Call
				if err := json.Unmarshal(anaPage.rows["calls/"+c.ID], &got); err != nil || got.HoldMs != c.HoldMs || got.LastSeq != c.LastSeq {
					t.Fatalf("seed %d: ana's call %+v, want %+v: %v", seed, got, c, err)
				}
			}
		}
		slices.Sort(all)
		slices.Sort(mine)
		if got := bossPage.names(); !reflect.DeepEqual(got, all) {
			t.Fatalf("seed %d: the wall has %v\nwant %v", seed, got, all)
		}
		if got := anaPage.names(); !reflect.DeepEqual(got, mine) {
			t.Fatalf("seed %d: ana has %v\nwant %v", seed, got, mine)
		}
	}
}

// Pages of the whole tenant that are told the same are told it by the same bytes;
// colleagues' states do not come faster than once a second to an agent.
func TestPagesShareWhatIsEncoded(t *testing.T) {
	m := &mirror{rows: map[string]*mirrorRow{}, wake: make(chan struct{})}
	now := time.Unix(1e9, 0).UTC()
	look := func(state string) {
		m.take(&Live{Seq: 1, Now: now, Agents: []LiveAgent{{Agent: Agent{Name: "bob", State: state}}, {Agent: Agent{Name: "ana", State: "ready"}}}})
	}
	look("ready")
	one, two := &watcher{m: m, p: &auth.Principal{Name: "x"}}, &watcher{m: m, p: &auth.Principal{Name: "y"}}
	ana := &watcher{m: m, p: &auth.Principal{Name: "ana"}, own: true}
	a, _ := one.next(now, false)
	b, _ := two.next(now, false)
	if len(a) == 0 || &a[0] != &b[0] {
		t.Error("encoded twice")
	}
	if c, _ := ana.next(now, false); len(c) == 0 {
		t.Error("no state for ana")
	}
	for i, want := range []bool{false, false, false, true, false} { // each 300 ms
		now = now.Add(300 * time.Millisecond)
		look(fmt.Sprint("s", i))
		if got, _ := ana.next(now, false); (got != nil) != want {
			t.Errorf("after %d looks: told %v", i+1, got != nil)
		}
	}
	was := m.at
	look("s4")
	if m.at != was {
		t.Error("nothing changed, and it counts as a change")
	}
}
