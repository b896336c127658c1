package report

import (
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/event"
)

// rows lists a table as a store would.
func (b table) rows(k Kind, name string) iter.Seq2[Row, error] {
	var out []Row
	for key, c := range b {
		if key.Kind == k && (name == "" || key.Name == name) {
			out = append(out, Row{key.Start, key.Name, *c})
		}
	}
	SortRows(out)
	return func(yield func(Row, error) bool) {
		for _, r := range out {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// history draws any events in any order: also such as cannot be, and clocks that
// jump back.
func history(t *rapid.T) []event.Event {
	word := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	at := time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC)
	var out []event.Event
	for i := range rapid.IntRange(0, 300).Draw(t, "events") {
		at = at.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 999, 7_000, 31_000, 900_000, -2_000, 5_000_000}).Draw(t, "ms")) * time.Millisecond)
		q, a := word("queue", "sales", "support"), word("agent", "bob", "eva", "ion")
		call := word("call", "c1", "c2", "c3", "c4")
		var b event.Body
		switch rapid.IntRange(0, 13).Draw(t, "kind") {
		case 0, 1:
			b = event.CallStarted{Direction: rapid.SampledFrom([]event.Direction{event.Inbound, event.Internal}).Draw(t, "direction"), To: word("to", "1000", "2000")}
		case 2, 3:
			b = event.QueueEntered{Queue: q, ServiceMs: rapid.SampledFrom([]int64{0, 10_000}).Draw(t, "T"), ShortMs: rapid.SampledFrom([]int64{0, -1, 3000}).Draw(t, "S")}
		case 4, 5:
			b = event.QueueLeft{Queue: q, Outcome: word("outcome", "answered", "answered", "abandoned", "timeout", "full", "empty", "key", "callback", "overflow", "error", "?"),
				WaitMs: rapid.Int64Range(0, 60_000).Draw(t, "wait"), Agent: a}
		case 6, 7:
			b = event.SegmentStarted{Segment: rapid.SampledFrom([]event.SegmentKind{event.SegmentTalking, event.SegmentTalking, event.SegmentHold, event.SegmentRinging, event.SegmentMenu}).Draw(t, "segment"), Agent: a}
		case 8:
			b = event.TransferAsked{Transfer: word("transfer", "blind", "attended", "park", "third"), Agent: a, Code: rapid.SampledFrom([]int{202, 403}).Draw(t, "code")}
		case 9:
			b = event.TransferEnded{Transfer: word("transfer", "blind", "attended", "park", "third"), Outcome: word("how", "done", "returned", "failed")}
		case 10:
			b = event.OfferEnded{Queue: q, Agent: a, Outcome: word("offer", "accepted", "no_answer", "busy", "unreachable"), RingMs: 7}
		case 11, 12:
			b, call = event.AgentStateChanged{Agent: a, From: word("from", "ready", "offline", "wrap_up"), To: word("to state", "ready", "offline", "on_call", "wrap_up", "not_ready", "ringing", "new_word")}, ""
		case 13:
			switch rapid.IntRange(0, 3).Draw(t, "end") {
			case 0:
				b, call = event.EngineStarted{}, ""
			case 1:
				b, call = event.EngineStopped{}, ""
			default:
				b = event.CallEnded{Result: event.ResultCaller, Reason: rapid.SampledFrom([]event.Reason{event.ReasonNormal, event.ReasonNotFound, event.ReasonLeftMenu}).Draw(t, "reason")}
			}
		}
		out = append(out, event.Event{Seq: uint64(i + 1), At: at, Tenant: word("tenant", "default", "other"), CallID: call, Body: b})
	}
	return out
}

// Fed live in any batches with restarts between, the rows are those of one pass
// over the journal. And the counters never contradict each other.
func TestLiveEqualsRebuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := history(t)
		whole, last := project(events)
		live := table{}
		p := NewProjector(live.add)
		for _, e := range events {
			p.Feed(e)
			if rapid.IntRange(0, 9).Draw(t, "restart") > 0 {
				continue
			}
			saved, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			p = NewProjector(live.add)
			if err := json.Unmarshal(saved, p); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := fmt.Sprint(live.lines()), fmt.Sprint(whole.lines()); a != b {
			t.Fatalf("live    %s\nrebuilt %s", a, b)
		}
		a, _ := json.Marshal(p)
		b, _ := json.Marshal(last)
		if string(a) != string(b) {
			t.Fatalf("state\n%s\n%s", a, b)
		}
		lawful(t, whole, last)
	})
}

func (b table) lines() map[string]string {
	out := map[string]string{}
	for k, c := range b {
		if !c.Zero() {
			out[fmt.Sprintf("%v", k)] = c.text()
		}
	}
	return out
}

func lawful(t *rapid.T, b table, p *Projector) {
	waiting := map[Key]int64{}
	for k, c := range p.calls {
		if c.Stay != nil {
			waiting[Key{k.tenant, IntervalOf(c.Stay.Entered), Queue, c.Stay.Queue}]++
		}
	}
	tenants := map[Key]*Counts{}
	for k, c := range b {
		left := c[Answered] + c[Abandoned] + c[LeftTimeout] + c[LeftEmpty] + c[LeftKey] + c[LeftOverflow] + c[LeftCallback] + c[LeftOther]
		switch {
		case k.Kind == Queue && c[Entered] != left+waiting[k]:
			t.Fatalf("%v: entered %d, left %d, waiting %d", k, c[Entered], left, waiting[k])
		case c[AnsweredInT] > c[Answered] || c[AbandonedInT] > c[Abandoned] || c[AbandonedShort] > c[Abandoned] || c[Handled] > c[Answered] || c[Transferred] > c[Handled]:
			t.Fatalf("%v: a part is more than the whole: %s", k, c.text())
		case c[RingNoAnswer]+c[OffersDeclined]+c[OffersUnreachable] > c[Offers]:
			t.Fatalf("%v: offers: %s", k, c.text())
		}
		for x, n := range c {
			if n < 0 {
				t.Fatalf("%v: %s is %d", k, Counter(x), n)
			}
		}
		for i := range Figures {
			if v, ok := Figures[i].Value(c); ok && (v < 0 || Figures[i].Unit == "ratio" && v > 1) {
				t.Fatalf("%v: %s is %v: %s", k, Figures[i].Name, v, c.text())
			}
		}
		// What a tenant has is what its queues and agents have.
		up := Key{k.Tenant, k.Start, Tenant, ""}
		if tenants[up] == nil {
			tenants[up] = &Counts{}
		}
		for x, n := range c {
			switch stays := x < int(ReadyMs); {
			case k.Kind == Queue && stays, k.Kind == Agent && x >= int(ReadyMs) && x <= int(NotReadyMs):
				tenants[up].Add(Counter(x), n)
			}
		}
	}
	for k, sum := range tenants {
		have := b[k]
		for x := range Counter(Calls) {
			if sum[x] != 0 && (have == nil || have[x] != sum[x]) {
				t.Fatalf("%v: %s is not what the queues and agents have", k, x)
			}
		}
	}
}

// Time by the clock: whatever an agent does, a quarter of an hour has at most a
// quarter of an hour of it, and what was split adds up to the whole.
func TestSplitAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(-4_000_000, 2_000_000_000_000).Draw(t, "from")
		to := from + rapid.Int64Range(-1000, 100_000_000).Draw(t, "for")
		var sum int64
		next := from
		split(from, to, func(start, ms int64) {
			if start%intervalMs != 0 || next < start || next+ms > start+intervalMs || ms <= 0 {
				t.Fatalf("part %d+%d of %d", next, ms, start)
			}
			next += ms
			sum += ms
		})
		if sum != max(0, to-from) {
			t.Fatalf("%d of %d", sum, to-from)
		}
	})
}

// Whatever the period, zone and size of pages, pages joined are the whole, and
// nothing is in two lines or in none.
func TestPagesJoin(t *testing.T) {
	zones := []string{"UTC", "Europe/Bucharest", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(rapid.SampledFrom([]int{2011, 2017, 2026}).Draw(t, "year"), time.Month(rapid.SampledFrom([]int{2, 3, 10, 12}).Draw(t, "month")), 25, 0, 0, 0, 0, time.UTC).UnixMilli()
		b := table{}
		var sum Counts
		for range rapid.IntRange(0, 60).Draw(t, "rows") {
			n := rapid.Int64Range(1, 9).Draw(t, "n")
			b.add(Key{"default", from + intervalMs*rapid.Int64Range(0, 96*9).Draw(t, "quarter"), Queue, rapid.SampledFrom([]string{"a", "b.c", "d"}).Draw(t, "name")}, Entered, n)
			sum.Add(Entered, n)
		}
		per := rapid.SampledFrom(Periods).Draw(t, "per")
		all, next, err := Group(b.rows(Queue, ""), per, zone, Cursor{}, 1<<20)
		if err != nil || next != "" {
			t.Fatal(err, next)
		}
		var got Counts
		for i, l := range all {
			got.Merge(&l.Counts)
			if !l.Start.Before(l.End) || i > 0 && all[i-1].Name >= l.Name && all[i-1].End.After(l.Start) {
				t.Fatalf("line %d: %v to %v %s behind %v to %v %s", i, l.Start, l.End, l.Name, all[i-1].Start, all[i-1].End, all[i-1].Name)
			}
		}
		if got != sum {
			t.Fatalf("%d of %d", got[Entered], sum[Entered])
		}
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		var joined []Line
		for cursor := ""; ; {
			after, err := ParseCursor(cursor)
			if err != nil {
				t.Fatal(err)
			}
			lo := after.From(from, per)
			rest := func(yield func(Row, error) bool) {
				for r := range b.rows(Queue, "") {
					if r.Start >= lo && !yield(r, nil) {
						return
					}
				}
			}
			page, next, err := Group(rest, per, zone, after, limit)
			if err != nil || len(page) > limit || next != "" && len(page) < limit {
				t.Fatal(err, len(page), next)
			}
			joined = append(joined, page...)
			if cursor = next; next == "" {
				break
			}
		}
		if len(joined) != len(all) {
			t.Fatalf("%d lines in pages, %d in one", len(joined), len(all))
		}
		for i := range all {
			if joined[i].Name != all[i].Name || joined[i].Counts != all[i].Counts || !joined[i].Start.Equal(all[i].Start) && per != PerTotal {
				t.Fatalf("line %d differs: %v %v", i, joined[i], all[i])
			}
		}
	})
}
