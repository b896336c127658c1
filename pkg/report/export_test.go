package report

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/event"
)

// Names come from the configuration and from dialled numbers; none becomes a
// formula, whatever it holds, and what is read back is what was written.
func TestCSVIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"+40213333333", "=1+1", "-2", "@SUM(A1)", "\t=1", "a;b", `a"b`, "a,b", "'x"})).Draw(t, "name")
		name = strings.ReplaceAll(name, "\r", "\n") // encoding/csv reads \r\n as \n
		var out bytes.Buffer
		if err := WriteCSV(&out, Number, []Line{{Name: name}}, rapid.SampledFrom([]rune{',', ';', '\t'}).Draw(t, "separator")); err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(&out)
		r.Comma = rune(out.Bytes()[len("start")])
		rows, err := r.ReadAll()
		if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
			t.Fatalf("%v: %q", err, rows)
		}
		cell := rows[1][2]
		if cell != name && cell != "'"+name || cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			t.Fatalf("%q is written %q", name, cell)
		}
		for i, head := range rows[0][3:] {
			if f := FigureByName(head); f != nil && f.Den != nil && rows[1][3+i] != "" {
				t.Fatalf("%s is %q of nothing", head, rows[1][3+i])
			}
		}
	})
}

// queueLog feeds a QueueLog from an event on, as a page of the API does.
func queueLog(events []event.Event, from uint64) []string {
	var out []string
	q := NewQueueLog(func(line string) { out = append(out, line) }, func(id string, before uint64) (past []event.Event) {
		for _, e := range events {
			if e.CallID == id && e.Seq < before {
				past = append(past, e)
			}
		}
		return past
	})
	for _, e := range events {
		if e.Seq >= from {
			q.Feed(e)
		}
	}
	return out
}

func TestQueueLog(t *testing.T) {
	s := newScore(t)
	at := func(clock string) string {
		c, _ := time.Parse("15:04:05", clock)
		return secs(s.day.Add(c.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))).UnixMilli())
	}
	s.at("09:00:00", "", event.EngineStarted{}, moves("bob", "offline", "ready"), event.AgentStateChanged{Agent: "eva", From: "ready", To: "not_ready", Reason: "lunch|x"})
	s.at("09:00:10", "a", event.CallStarted{From: "+373221", Display: "Ion | Ionescu"}, event.QueueEntered{Queue: "sales", Position: 3})
	s.at("09:00:30", "a", offer("sales", "bob", "no_answer", 15_000))
	s.at("09:00:40", "a", offer("sales", "eva", "accepted", 4000), leaves("sales", "answered", 30_000, "eva"), talks("sales", "eva"))
	s.at("09:01:40", "a", event.TransferAsked{Transfer: "blind", Agent: "eva", To: "2000", Code: 202}, event.TransferEnded{Transfer: "blind", Outcome: "done"}, event.QueueEntered{Queue: "support", Position: 1})
	s.at("09:01:50", "a", leaves("support", "answered", 10_000, "bob")).at("09:02:20", "a", ends(byAgent, normal))
	s.at("09:03:00", "b", event.CallStarted{From: "+373222", Private: true}, event.QueueEntered{Queue: "sales", Position: 1}).at("09:03:20", "b", offer("sales", "bob", "caller_left", 700), leaves("sales", "abandoned", 20_000), ends(hungUp, abandons))
	s.at("09:04:00", "c", event.CallStarted{From: "1"}, leaves("sales", "full", 0), leaves("backup", "empty", 0), enters("last")).at("09:05:00", "c", leaves("last", "timeout", 60_000))
	s.at("09:06:00", "", moves("eva", "not_ready", "ready"), moves("bob", "ready", "offline"))
	want := []string{
		at("09:00:00") + "|NONE|NONE|NONE|QUEUESTART",
		at("09:00:00") + "|NONE|NONE|bob|AGENTLOGIN|",
		at("09:00:00") + "|NONE|NONE|eva|PAUSEALL|lunch x",
		at("09:00:10") + "|a|sales|NONE|ENTERQUEUE||+373221|3|Ion   Ionescu",
		at("09:00:30") + "|a|sales|bob|RINGNOANSWER|15000",
		at("09:00:40") + "|a|sales|eva|CONNECT|30|a|4",
		at("09:01:40") + "|a|sales|eva|BLINDTRANSFER|2000||30|60|3",
		at("09:01:40") + "|a|support|NONE|ENTERQUEUE||+373221|1|Ion   Ionescu",
		at("09:01:50") + "|a|support|bob|CONNECT|10|a|0",
		at("09:02:20") + "|a|support|bob|COMPLETEAGENT|10|30|1",
		at("09:03:00") + "|b|sales|NONE|ENTERQUEUE|||1|",
		at("09:03:20") + "|b|sales|bob|RINGCANCELED|700",
		at("09:03:20") + "|b|sales|NONE|ABANDON||1|20",
		at("09:04:00") + "|c|sales|NONE|FULL",
		at("09:04:00") + "|c|backup|NONE|JOINEMPTY",
		at("09:04:00") + "|c|last|NONE|ENTERQUEUE||1|1|",
		at("09:05:00") + "|c|last|NONE|EXITWITHTIMEOUT||1|60",
		at("09:06:00") + "|NONE|NONE|eva|UNPAUSEALL|",
		at("09:06:00") + "|NONE|NONE|bob|AGENTLOGOFF||360",
	}
	all := queueLog(s.events, 0)
	same(t, all, want)
	// A page that begins anywhere has the very lines that are left; only the time
	// since a log-in before it is not known.
	for from := uint64(1); from <= uint64(len(s.events)); from++ {
		got := queueLog(s.events, from)
		left := append([]string(nil), all[len(all)-len(got):]...)
		if n := len(left); from > 2 && n > 0 {
			left[n-1] = strings.TrimSuffix(left[n-1], "360")
		}
		same(t, got, left)
	}
}
