package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/report/follow"
)

func (f *fake) Report(_ context.Context, tenant string, q api.ReportQuery) (api.Report, error) {
	r := api.Report{By: q.By, Per: q.Per, TimeZone: "Europe/Bucharest", Next: "n"}
	l := report.Line{Start: time.Unix(0, 0).UTC(), End: time.Unix(900, 0).UTC(), Name: "=cmd|' /C calc'!A0"}
	l.Counts.Add(report.Entered, 2)
	r.SetLines([]report.Line{l})
	return r, f.note("report %s %s/%s %s-%s %s %s %d", tenant, q.By, q.Name, q.From, q.To, q.Per, q.Cursor, q.Limit)
}

func (f *fake) QueueLog(_ context.Context, tenant string, q api.ReportQuery) (api.QueueLog, error) {
	return api.QueueLog{Lines: []string{"1|c1|sales|NONE|ENTERQUEUE", "2|c1|sales|bob|CONNECT"}, Next: "z"}, f.note("queue log %s %s-%s %s %d", tenant, q.From, q.To, q.Cursor, q.Limit)
}

func (f *fake) RebuildReports(context.Context) (follow.Rebuild, error) {
	return follow.Rebuild{Running: true}, f.note("rebuild")
}

func (f *fake) ReportRebuild(context.Context) (follow.Rebuild, error) {
	return follow.Rebuild{Seq: 7, Changed: 1}, f.note("rebuild?")
}

func TestReports(t *testing.T) {
	f := &fake{}
	socket, c := open(t, f)
	cl := client.Unix(socket, "default")
	r, err := cl.Report(t.Context(), api.ReportQuery{By: report.Agent, Name: "bob", From: "2026-10-25", To: "2026-10-26", Per: report.PerHour, Cursor: "k", Limit: 5})
	if want := "report default agent/bob 2026-10-25-2026-10-26 hour k 5"; err != nil || f.last() != want {
		t.Fatalf("%v: %q, want %q", err, f.last(), want)
	}
	// Nobody answered: no ASA, and not zero. The formula stands beside it.
	if v, there := r.Items[0].Figures["asa"]; !there || v != nil || r.Formulas["asa"] != "wait_answered_ms / answered / 1000" || r.Next != "n" {
		t.Errorf("asa %v %v, %q", there, v, r.Formulas["asa"])
	}
	text, next, err := cl.ReportCSV(t.Context(), api.ReportQuery{By: report.Queue, Per: report.PerDay}, ";")
	if err != nil || next != "n" || !strings.Contains(string(text), "1970-01-01T00:15:00Z;'=cmd|' /C calc'!A0;2;") {
		t.Errorf("%v %q %s", err, next, text)
	}
	text, next, err = cl.QueueLog(t.Context(), api.ReportQuery{From: "2026-10-25"})
	if err != nil || next != "z" || string(text) != "1|c1|sales|NONE|ENTERQUEUE\n2|c1|sales|bob|CONNECT\n" || f.last() != "queue log default 2026-10-25-  1000" {
		t.Errorf("%v %q %s %s", err, next, text, f.last())
	}
	if r, err := cl.RebuildReports(t.Context()); err != nil || !r.Running {
		t.Error(err)
	}
	if r, err := cl.ReportRebuild(t.Context()); err != nil || r.Seq != 7 || r.Changed != 1 {
		t.Error(err)
	}
	for _, bad := range []string{"by=queues", "per=week", "limit=0", "limit=10001", "format=xls", "separator=|", "definition=x", "by=queue&by=agent"} {
		if a := ask(t, c, "GET", "/api/v1/reports?"+bad, ""); a.status != 422 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
}
