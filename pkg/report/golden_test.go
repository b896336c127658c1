package report

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

const (
	hungUp   = event.ResultCaller
	byAgent  = event.ResultAgent
	normal   = event.ReasonNormal
	abandons = event.ReasonAbandoned
)

// A day without a call has no rows, and its figures are nothing, not 0 or 100 %.
func TestNoCalls(t *testing.T) {
	b, _ := project(newScore(t).events)
	if len(b) != 0 {
		t.Fatalf("%d rows", len(b))
	}
	for i := range Figures {
		if v, ok := Figures[i].Value(&Counts{}); ok && Figures[i].Den != nil {
			t.Errorf("%s is %v without a call", Figures[i].Name, v)
		}
	}
}

// The data set by which the trade tells the definitions apart: 1000 answered, 860
// in T, 60 abandoned, 20 in T, 10 short.
func TestServiceLevelDefinitions(t *testing.T) {
	c := Counts{Entered: 1060, Answered: 1000, AnsweredInT: 860, Abandoned: 60, AbandonedInT: 20, AbandonedShort: 10}
	got := figures(&c, "service_level.short_excluded", "service_level.abandons_positive", "service_level.abandons_ignored",
		"service_level.abandons_negative", "service_level.early_abandons_excluded", "service_level.short_credited")
	if want := "short_excluded=0.819 abandons_positive=0.8302 abandons_ignored=0.86 abandons_negative=0.8113 early_abandons_excluded=0.8269 short_credited=0.8208"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAllAbandoned(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "a", starts("1000"), enters("sales")).at("09:00:05", "a", leaves("sales", "abandoned", 5000), ends(hungUp, abandons)) // short: just within S
	s.at("09:00:10", "b", starts("1000"), enters("sales")).at("09:00:15.001", "b", leaves("sales", "abandoned", 5001), ends(hungUp, abandons))
	s.at("09:01:00", "c", starts("1000"), enters("sales")).at("09:01:40", "c", leaves("sales", "abandoned", 40_000), ends(hungUp, abandons))
	b, p := project(s.events)
	q := b.total(Queue, "sales")
	want(t, "queue", q, "entered=3 abandoned=3 abandoned_in_t=2 abandoned_short=1 wait_abandoned_ms=50001 longest_wait_ms=40000")
	want(t, "number", b.total(Number, "1000"), q.text()+" calls=3 call_ms=50001")
	if got, want := figures(q, "service_level.short_excluded", "service_level.abandons_ignored", "service_level.early_abandons_excluded", "abandonment", "abandonment.with_short", "asa", "aht"),
		"short_excluded=0 abandons_ignored=- early_abandons_excluded=0 abandonment=1 with_short=1 asa=- aht=-"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if calls, agents := p.Open(); calls+agents != 0 {
		t.Errorf("%d calls, %d agents held", calls, agents)
	}
}

// Only short abandons: nobody was lost, and there is no service level to speak of.
func TestOnlyShortAbandons(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "a", starts("1000"), enters("sales")).at("09:00:02", "a", leaves("sales", "abandoned", 2000), ends(hungUp, abandons))
	b, _ := project(s.events)
	if got, want := figures(b.total(Queue, "sales"), "service_level.short_excluded", "service_level.short_credited", "abandonment", "abandonment.short"), "short_excluded=- short_credited=1 abandonment=- short=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// A queue may have none that are short.
	s = newScore(t)
	s.at("09:00:00", "a", starts("1000"), event.QueueEntered{Queue: "sales", ServiceMs: 20_000, ShortMs: -1}).at("09:00:00", "a", leaves("sales", "abandoned", 0))
	b, _ = project(s.events)
	want(t, "no short abandons", b.total(Queue, "sales"), "entered=1 abandoned=1 abandoned_in_t=1")
}

// One call through queue and hold, with the agent's whole quarter of an hour.
func TestOneCall(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "", moves("bob", "offline", "ready"))
	s.at("09:05:00", "a", starts("1000"), enters("sales")).at("09:05:00", "", moves("bob", "ready", "reserved"))
	s.at("09:05:01", "", moves("bob", "reserved", "ringing"))
	// The call says "talking" before the queue says "answered".
	s.at("09:05:08", "a", talks("sales", "bob"), offer("sales", "bob", "accepted", 8000)).at("09:05:08", "", moves("bob", "ringing", "on_call")).
		at("09:05:08", "a", leaves("sales", "answered", 8000, "bob"))
	s.at("09:06:08", "a", holds("sales", "bob")).at("09:06:38", "a", talks("sales", "bob"))
	s.at("09:07:08", "a", ends(hungUp, normal)).at("09:07:08", "", moves("bob", "on_call", "wrap_up"))
	s.at("09:07:28", "", moves("bob", "wrap_up", "ready")).at("09:10:00", "", moves("bob", "ready", "not_ready")).at("09:15:00", "", moves("bob", "not_ready", "offline"))
	b, p := project(s.events)
	handled := "handled=1 talk_ms=90000 hold_ms=30000 wrap_up_ms=20000"
	offers := " offers=1 offer_ring_ms=8000"
	clock := " ready_ms=452000 ringing_ms=8000 on_call_ms=120000 after_call_ms=20000 not_ready_ms=300000"
	want(t, "queue", b.total(Queue, "sales"), "entered=1 answered=1 answered_in_t=1 wait_answered_ms=8000 longest_wait_ms=8000 "+handled+offers)
	want(t, "agent", b.total(Agent, "bob"), "answered=1 answered_in_t=1 wait_answered_ms=8000 longest_wait_ms=8000 "+handled+offers+clock)
	want(t, "tenant", b.total(Tenant, ""), "entered=1 answered=1 answered_in_t=1 wait_answered_ms=8000 longest_wait_ms=8000 "+handled+offers+clock+" calls=1 calls_connected=1 call_ms=128000")
	if got, want := figures(b.total(Agent, "bob"), "aht", "occupancy", "utilisation"), "aht=140 occupancy=0.2333 utilisation=0.1556"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if calls, agents := p.Open(); calls+agents != 0 {
		t.Errorf("%d calls, %d agents held", calls, agents)
	}
}

func TestOverflowBetweenQueues(t *testing.T) {
	s := newScore(t)
	s.at("09:14:50", "a", starts("1000"), enters("sales"))
	s.at("09:15:20", "a", leaves("sales", "timeout", 30_000), enters("backup")) // another quarter
	s.at("09:15:25", "a", leaves("backup", "answered", 5000, "eva"), talks("backup", "eva")).at("09:16:25", "a", ends(byAgent, normal))
	// Nobody is logged in at the door of backup; back to sales, which is full.
	s.at("09:20:00", "b", starts("1000"), leaves("backup", "empty", 0), leaves("sales", "full", 0), ends(event.ResultOurs, event.ReasonNoAnswer))
	b, _ := project(s.events)
	want(t, "sales 09:00", s.row(b, "09:00", Queue, "sales"), "entered=1 left_timeout=1 longest_wait_ms=30000")
	want(t, "sales 09:15", s.row(b, "09:15", Queue, "sales"), "refused=1")
	want(t, "backup", s.row(b, "09:15", Queue, "backup"), "entered=1 entered_again=1 refused=1 answered=1 answered_in_t=1 wait_answered_ms=5000 longest_wait_ms=5000 handled=1 talk_ms=60000")
	if got, want := figures(b.total(Queue, "sales"), "service_level.short_excluded", "abandonment", "answer_rate"), "short_excluded=- abandonment=0 answer_rate=0"; got != want {
		t.Errorf("who was sent on was not lost here: got %s, want %s", got, want)
	}
}

// Asked to be called back: out of the queue, not abandoned; the callback waits and
// is answered as a stay of its own.
func TestCallback(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "a", starts("1000"), enters("sales")).at("09:01:00", "a", leaves("sales", "callback", 60_000), ends(event.ResultSuccess, normal))
	s.at("09:20:00", "b", event.CallStarted{Direction: event.Outbound, To: "+37322111111"}, enters("sales")).at("09:20:03", "b", leaves("sales", "answered", 3000, "bob"), talks("sales", "bob"))
	s.at("09:21:03", "b", ends(hungUp, normal))
	b, _ := project(s.events)
	want(t, "queue", b.total(Queue, "sales"), "entered=2 answered=1 answered_in_t=1 left_callback=1 wait_answered_ms=3000 longest_wait_ms=60000 handled=1 talk_ms=60000")
	want(t, "number", b.total(Number, "1000"), "entered=1 left_callback=1 longest_wait_ms=60000 calls=1 call_ms=60000")
	if got, want := figures(b.total(Queue, "sales"), "abandonment", "service_level.short_excluded"), "abandonment=0 short_excluded=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(b.total(Number, "+37322111111").text()) != 0 {
		t.Error("a dialled number of others has a row")
	}
}

// bob takes the caller from sales and transfers to support; each agent has the own
// minutes, not the whole call.
func TestTransferToAnotherQueue(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "", moves("bob", "offline", "ready"))
	s.at("09:00:00", "a", starts("1000"), enters("sales")).at("09:00:10", "a", leaves("sales", "answered", 10_000, "bob"), talks("sales", "bob")).at("09:00:10", "", moves("bob", "ready", "on_call"))
	s.at("09:02:10", "a", event.TransferAsked{Transfer: "blind", Agent: "bob", To: "2000", Code: 202}, event.SegmentStarted{Segment: event.SegmentWaiting, Queue: "support"}, enters("support"),
		event.TransferEnded{Transfer: "blind", Outcome: "done"})
	s.at("09:02:10", "", moves("bob", "on_call", "wrap_up")).at("09:02:40", "", moves("bob", "wrap_up", "ready"))
	s.at("09:02:30", "a", leaves("support", "answered", 20_000, "eva"), talks("support", "eva")).at("10:02:30", "a", ends(hungUp, normal))
	b, _ := project(s.events)
	want(t, "sales", b.total(Queue, "sales"), "entered=1 answered=1 answered_in_t=1 wait_answered_ms=10000 longest_wait_ms=10000 handled=1 talk_ms=120000 wrap_up_ms=30000 transferred=1")
	want(t, "support", b.total(Queue, "support"), "entered=1 entered_by_transfer=1 answered=1 answered_in_t=1 wait_answered_ms=20000 longest_wait_ms=20000 handled=1 talk_ms=3600000")
	want(t, "eva", b.total(Agent, "eva"), "answered=1 answered_in_t=1 wait_answered_ms=20000 longest_wait_ms=20000 handled=1 talk_ms=3600000")
	if got, want := figures(b.total(Agent, "bob"), "transfer_rate", "aht"), "transfer_rate=1 aht=150"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A blind transfer to nobody comes back; the ringing in between is no talk.
func TestTransferThatComesBack(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "a", starts("1000"), enters("sales"), leaves("sales", "answered", 0, "bob"), talks("sales", "bob"))
	s.at("09:01:00", "a", event.TransferAsked{Transfer: "blind", Agent: "bob", To: "202", Code: 202}, rings(""))
	s.at("09:01:20", "a", event.TransferEnded{Transfer: "blind", Outcome: "returned"}, talks("sales", "bob")).at("09:01:50", "a", ends(hungUp, normal))
	// Refused at once: nothing of it shows.
	s.at("09:02:00", "b", starts("1000"), enters("sales"), leaves("sales", "answered", 0, "bob"), talks("sales", "bob"))
	s.at("09:02:10", "b", event.TransferAsked{Transfer: "blind", Agent: "bob", To: "9", Code: 403}).at("09:02:20", "b", ends(hungUp, normal))
	// A colleague takes the caller over in the same call: no handling of the queue's.
	s.at("09:03:00", "c", starts("1000"), enters("sales"), leaves("sales", "answered", 0, "bob"), talks("sales", "bob"))
	s.at("09:03:10", "c", event.TransferAsked{Transfer: "attended", Agent: "bob", Code: 202}, event.TransferEnded{Transfer: "attended", Outcome: "done"}, talks("sales", "eva"))
	s.at("09:33:10", "c", ends(hungUp, normal))
	// A caller who transfers bob away: bob transferred nobody.
	s.at("09:40:00", "d", starts("1000"), enters("sales"), leaves("sales", "answered", 0, "leo"), talks("sales", "leo"))
	s.at("09:40:10", "d", event.TransferAsked{Transfer: "blind", Device: "anna", Code: 202}, event.TransferEnded{Transfer: "blind", Outcome: "done"}).at("09:41:00", "d", ends(hungUp, normal))
	b, _ := project(s.events)
	want(t, "leo", b.total(Agent, "leo"), "answered=1 answered_in_t=1 handled=1 talk_ms=10000")
	want(t, "bob", b.total(Agent, "bob"), "answered=3 answered_in_t=3 handled=3 talk_ms=120000 transferred=1")
	want(t, "eva", b.total(Agent, "eva"), "")
}

// A colleague picks the call up (*8): the queue knows only that it was answered;
// who has it the call says, before or after that. A phone of nobody may too.
func TestPickedUp(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "", moves("eva", "offline", "ready"))
	s.at("09:00:00", "a", starts("1000"), enters("sales")).at("09:00:10", "a", leaves("sales", "answered", 10_000), talks("sales", "eva")).at("09:01:10", "a", ends(hungUp, normal))
	s.at("09:02:00", "b", starts("1000"), enters("sales")).at("09:02:30", "b", talks("sales", "eva"), leaves("sales", "answered", 30_000)).at("09:03:30", "b", ends(hungUp, normal))
	s.at("09:04:00", "c", starts("1000"), enters("sales"), leaves("sales", "answered", 0), talks("sales", "")).at("09:04:20", "c", ends(hungUp, normal))
	b, _ := project(s.events)
	want(t, "queue", b.total(Queue, "sales"), "entered=3 answered=3 answered_in_t=2 wait_answered_ms=40000 longest_wait_ms=30000 handled=3 talk_ms=140000")
	want(t, "eva", b.total(Agent, "eva"), "answered=2 answered_in_t=1 wait_answered_ms=40000 longest_wait_ms=30000 handled=2 talk_ms=120000")
}

func TestRingNoAnswer(t *testing.T) {
	s := newScore(t)
	s.at("09:14:50", "a", starts("1000"), enters("sales"))
	s.at("09:15:10", "a", offer("sales", "bob", "no_answer", 20_000), offer("sales", "eva", "rejected", 2000), offer("sales", "ion", "unreachable", 500),
		offer("sales", "ana", "answered_elsewhere", 900), offer("sales", "leo", "accepted", 4000))
	b, _ := project(s.events)
	want(t, "in the quarter of its end", s.row(b, "09:15", Queue, "sales"), "offers=5 ring_no_answer=1 offers_declined=1 offers_unreachable=1 offer_ring_ms=27400")
	want(t, "bob", b.total(Agent, "bob"), "offers=1 ring_no_answer=1 offer_ring_ms=20000")
	want(t, "number", b.total(Number, "1000"), "entered=1")
	if got, want := figures(b.total(Queue, "sales"), "ring_no_answer_rate"), "ring_no_answer_rate=0.2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The night of 25 October 2026 in Bucharest has 03:00 to 04:00 twice. bob talks
// from 23:50 to 04:10 by the clock on the wall: five hours and twenty minutes.
func TestCallAcrossMidnightAndTheLongNight(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Bucharest")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 10, 24, 23, 50, 0, 0, zone)
	end := time.Date(2026, 10, 25, 4, 10, 0, 0, zone)
	var events []event.Event
	add := func(at time.Time, call string, bodies ...event.Body) {
		for _, b := range bodies {
			events = append(events, event.Event{At: at.UTC(), Tenant: "default", CallID: call, Body: b})
		}
	}
	add(begin, "", moves("bob", "offline", "ready"))
	add(begin, "a", starts("1000"), enters("sales"), leaves("sales", "answered", 0, "bob"), talks("sales", "bob"))
	add(begin, "", moves("bob", "ready", "on_call"))
	add(end, "a", ends(hungUp, normal))
	add(end, "", moves("bob", "on_call", "offline"))
	b, _ := project(events)
	lines := func(k Kind, name string, per Period) []string {
		got, next, err := Group(b.rows(k, name), per, zone, Cursor{}, 100)
		if err != nil || next != "" {
			t.Fatal(err, next)
		}
		var out []string
		for _, l := range got {
			out = append(out, l.Start.Format("02 15:04 -07")+" to "+l.End.Format("02 15:04 -07")+": "+l.Counts.text())
		}
		return out
	}
	if got := lines(Queue, "sales", PerDay); len(got) != 1 || got[0] != "24 00:00 +03 to 25 00:00 +03: entered=1 answered=1 answered_in_t=1 handled=1 talk_ms=19200000" {
		t.Errorf("the stay belongs whole to the day it began: %q", got)
	}
	same(t, lines(Agent, "bob", PerDay), []string{
		"24 00:00 +03 to 25 00:00 +03: answered=1 answered_in_t=1 handled=1 talk_ms=19200000 on_call_ms=600000",
		"25 00:00 +03 to 26 00:00 +02: on_call_ms=18600000",
	})
	same(t, lines(Agent, "bob", PerHour)[1:], []string{
		"25 00:00 +03 to 25 01:00 +03: on_call_ms=3600000",
		"25 01:00 +03 to 25 02:00 +03: on_call_ms=3600000",
		"25 02:00 +03 to 25 03:00 +03: on_call_ms=3600000",
		"25 03:00 +03 to 25 03:00 +02: on_call_ms=3600000",
		"25 03:00 +02 to 25 04:00 +02: on_call_ms=3600000",
		"25 04:00 +02 to 25 05:00 +02: on_call_ms=600000",
	})
	if n := len(lines(Agent, "bob", PerInterval)); n != 1+20+1 {
		t.Errorf("%d quarters", n)
	}
	if got := lines(Agent, "bob", PerMonth); len(got) != 1 || got[0][:30] != "01 00:00 +03 to 01 00:00 +02: " {
		t.Errorf("%q", got)
	}
}

// A killed process says no good-bye: its agents worked until its last word, its
// waiting callers are lost to none of the agents' figures.
func TestKilledServer(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "", event.EngineStarted{}, moves("bob", "offline", "ready"), moves("eva", "offline", "not_ready"))
	s.at("09:05:00", "a", starts("1000"), enters("sales"))
	// Killed; started an hour later.
	s.at("09:05:00", "a", ends(event.ResultOurs, event.ReasonError)).at("10:05:00", "", event.EngineStarted{}, moves("bob", "offline", "ready"))
	s.at("10:06:00", "", event.EngineStopped{})
	// A build that wrote no acd.started: the state left tells.
	s.at("11:00:00", "", moves("bob", "offline", "ready")).at("11:01:00", "b", starts("1000")).at("12:00:00", "", moves("bob", "offline", "ready")).at("12:00:01", "", moves("bob", "ready", "offline"))
	b, p := project(s.events)
	want(t, "bob", b.total(Agent, "bob"), "ready_ms=421000")
	want(t, "eva", b.total(Agent, "eva"), "not_ready_ms=300000")
	want(t, "queue", b.total(Queue, "sales"), "entered=1 left_other=1")
	if calls, agents := p.Open(); calls != 1 || agents != 0 {
		t.Errorf("%d calls, %d agents held", calls, agents)
	}
}

// A clock set wrong once, forward or back, writes no rows for decades and no
// negative times.
func TestMadClock(t *testing.T) {
	s := newScore(t)
	s.at("09:00:00", "", moves("bob", "offline", "ready")).at("08:00:00", "", moves("bob", "ready", "on_call"))
	s.at("08:30:00", "a", starts("1000"), enters("sales")).at("08:00:00", "a", leaves("sales", "answered", -5, "bob"), talks("sales", "bob")).at("07:00:00", "a", ends(hungUp, normal))
	s.events = append(s.events, event.Event{At: time.Date(2426, 1, 1, 0, 0, 0, 0, time.UTC), Tenant: "default", Body: moves("bob", "on_call", "offline")})
	b, _ := project(s.events)
	want(t, "queue", b.total(Queue, "sales"), "entered=1 answered=1 answered_in_t=1 handled=1")
	if n := len(b); n > 2*366*96+200 {
		t.Errorf("%d rows", n)
	}
}

// Strangers dial what they like; it makes one row.
func TestUnknownNumbers(t *testing.T) {
	s := newScore(t)
	for _, n := range []string{"900", "901", "902"} {
		s.at("09:00:00", n, starts(n)).at("09:00:01", n, ends(event.ResultOurs, event.ReasonNotFound))
	}
	s.at("09:00:02", "m", starts("1000"), event.SegmentStarted{Segment: event.SegmentMenu}).at("09:00:04", "m", ends(hungUp, event.ReasonLeftMenu))
	b, _ := project(s.events)
	want(t, "unknown", b.total(Number, UnknownNumber), "calls=3 call_ms=3000")
	want(t, "1000", b.total(Number, "1000"), "calls=1 calls_left_menu=1 call_ms=2000")
	if n := len(b); n != 3 {
		t.Errorf("%d rows", n)
	}
}

// What runs is told up to now and not counted.
func TestRunning(t *testing.T) {
	s := newScore(t)
	s.at("08:50:00", "", moves("bob", "offline", "ready")).at("09:00:00", "a", starts("1000"), enters("sales"))
	b, p := project(s.events)
	live := table{}
	now := s.day.Add(9*time.Hour + 20*time.Minute)
	p.Running("default", now.UnixMilli(), s.day.Add(9*time.Hour).UnixMilli(), s.day.Add(24*time.Hour).UnixMilli(), live.add)
	want(t, "bob at nine", s.row(live, "09:00", Agent, "bob"), "ready_ms=900000")
	want(t, "bob since", s.row(live, "09:15", Agent, "bob"), "ready_ms=300000")
	want(t, "before what is asked", s.row(live, "08:45", Agent, "bob"), "")
	want(t, "queue", live.total(Queue, "sales"), "longest_wait_ms=1200000")
	want(t, "counted", b.total(Agent, "bob"), "")
}

func same(t testing.TB, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "(none)", "(none)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d:\n got %s\nwant %s", i, g, w)
		}
	}
}
