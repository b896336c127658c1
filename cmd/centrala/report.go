package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/report"
)

type reportCmd struct {
	Show     reportShowCmd     `cmd:"" help:"Figures of queues, agents, numbers or the tenant; today when no time is named." default:"withargs"`
	Formulas reportFormulasCmd `cmd:"" help:"Every figure with its formula."`
	QueueLog reportQueueLogCmd `cmd:"" help:"Lines of Asterisk's queue_log, for tools that read that."`
	Rebuild  reportRebuildCmd  `cmd:"" help:"Make all figures again from the journal."`
}

// window is a stretch of time.
type window struct {
	From string `help:"First moment: 2026-10-25, 2026-10-25T08:30 on the tenant's clock, or with an offset. Default: today's midnight."`
	To   string `help:"Moment behind the last, in the same forms. Default: now."`
}

type reportShowCmd struct {
	target
	window
	By         string `help:"What a line is about: ${enum}." enum:"queue,agent,number,tenant" default:"queue"`
	Name       string `help:"Only this queue, agent or number."`
	Per        string `help:"What a line adds up: ${enum}." enum:"total,month,day,hour,interval" default:"total"`
	Definition string `help:"Service level: ${enum}." enum:"short_excluded,abandons_positive,abandons_ignored,abandons_negative,early_abandons_excluded,short_credited" default:"short_excluded"`
	CSV        bool   `help:"Every counter and figure as CSV." name:"csv"`
	Separator  string `help:"Of CSV: , or ; (spreadsheets in countries with a decimal comma) or tab." default:","`
}

func (reportShowCmd) Help() string {
	return "Examples:\n  centrala report\n  centrala report --by agent --from 2026-10-01 --to 2026-11-01 --per day --csv > october.csv"
}

func (k reportShowCmd) Run(c *cli) error {
	ctx, cl := context.Background(), k.client()
	q := api.ReportQuery{By: report.Kind(k.By), Name: k.Name, From: k.From, To: k.To, Per: report.Period(k.Per), Limit: 10000}
	if k.CSV {
		for first := true; ; first = false {
			text, next, err := cl.ReportCSV(ctx, q, k.Separator)
			if err != nil {
				return err
			}
			if !first { // the head stands on every page
				_, rest, _ := strings.Cut(string(text), "\n")
				text = []byte(rest)
			}
			if _, err := c.out.Write(text); err != nil {
				return err
			}
			if q.Cursor = next; next == "" {
				return nil
			}
		}
	}
	var all api.Report
	for {
		r, err := cl.Report(ctx, q)
		if err != nil {
			return err
		}
		r.Items = append(all.Items, r.Items...)
		all = r
		if q.Cursor = r.Next; r.Next == "" {
			break
		}
	}
	if k.JSON {
		return c.printJSON(all)
	}
	if all.LagEvents > 0 {
		fmt.Fprintf(c.errOut, "the figures are being made: %d events of the journal are not in them yet\n", all.LagEvents)
	}
	columns := reportColumns(report.Kind(k.By), "service_level."+k.Definition)
	head := strings.ToUpper(k.By)
	if all.Per != report.PerTotal {
		head = "START\t" + head
	}
	for _, col := range columns {
		head += "\t" + col.head
	}
	return c.table(head, func(w io.Writer) {
		for _, l := range all.Items {
			if all.Per != report.PerTotal {
				fmt.Fprintf(w, "%s\t", l.Start.Format(reportClock[all.Per]))
			}
			fmt.Fprint(w, dash(l.Name))
			for _, col := range columns {
				fmt.Fprint(w, "\t", col.cell(&l))
			}
			fmt.Fprintln(w)
		}
	})
}

// reportClock shows the offset where a clock time may be there twice.
var reportClock = map[report.Period]string{report.PerMonth: "2006-01", report.PerDay: "2006-01-02", report.PerHour: "2006-01-02 15:04 -07:00", report.PerInterval: "2006-01-02 15:04 -07:00"}

type reportColumn struct {
	head, counter, figure string
}

func (col reportColumn) cell(l *api.ReportLine) string {
	if col.counter != "" {
		n := l.Counters[col.counter]
		if strings.HasSuffix(col.counter, "_ms") {
			return (time.Duration(n) * time.Millisecond).Round(time.Second).String()
		}
		return fmt.Sprint(n)
	}
	v := l.Figures[col.figure]
	switch {
	case v == nil:
		return "-"
	case report.FigureByName(col.figure).Unit == "s":
		return fmt.Sprintf("%.1fs", *v)
	}
	return fmt.Sprintf("%.1f%%", 100**v)
}

func reportColumns(k report.Kind, level string) []reportColumn {
	handling := []reportColumn{{"ASA", "", "asa"}, {"AHT", "", "aht"}, {"TRANSFERRED", "transferred", ""}}
	clock := []reportColumn{{"OCCUPANCY", "", "occupancy"}, {"UTILISATION", "", "utilisation"}}
	if k == report.Agent {
		return append(append([]reportColumn{{"ANSWERED", "answered", ""}}, handling...), append([]reportColumn{{"OFFERS", "offers", ""}, {"NO ANSWER", "ring_no_answer", ""},
			{"READY", "ready_ms", ""}, {"ON CALL", "on_call_ms", ""}, {"WRAP-UP", "after_call_ms", ""}, {"NOT READY", "not_ready_ms", ""}}, clock...)...)
	}
	cols := []reportColumn{{"ENTERED", "entered", ""}, {"ANSWERED", "answered", ""}, {"ABANDONED", "abandoned", ""}, {"SHORT", "abandoned_short", ""},
		{"SERVICE LEVEL", "", level}, {"LONGEST WAIT", "", "longest_wait"}}
	if k != report.Queue {
		cols = append([]reportColumn{{"CALLS", "calls", ""}, {"CONNECTED", "calls_connected", ""}}, cols...)
	}
	cols = append(cols, handling...)
	if k == report.Tenant {
		cols = append(cols, clock...)
	}
	return cols
}

type reportFormulasCmd struct {
	JSON bool `help:"Print JSON for scripts." name:"json"`
}

func (k reportFormulasCmd) Run(c *cli) error {
	if k.JSON {
		out := map[string]string{}
		for i := range report.Figures {
			out[report.Figures[i].Name] = report.Figures[i].Formula()
		}
		return c.printJSON(out)
	}
	return c.table("FIGURE\tUNIT\tFORMULA\tMEANING", func(w io.Writer) {
		for i := range report.Figures {
			f := &report.Figures[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, f.Unit, f.Formula(), f.Help)
		}
	})
}

type reportQueueLogCmd struct {
	target
	window
}

func (reportQueueLogCmd) Help() string {
	return "Example, yesterday's for a tool that reads /var/log/asterisk/queue_log:\n  centrala report queue-log --from 2026-11-22 --to 2026-11-23 >> queue_log"
}

func (k reportQueueLogCmd) Run(c *cli) error {
	q := api.ReportQuery{From: k.From, To: k.To, Limit: 10000}
	for {
		text, next, err := k.client().QueueLog(context.Background(), q)
		if err != nil {
			return err
		}
		if _, err := c.out.Write(text); err != nil {
			return err
		}
		if q.Cursor = next; next == "" {
			return nil
		}
	}
}

type reportRebuildCmd struct {
	target
	NoWait bool `help:"Begin and return at once."`
}

func (k reportRebuildCmd) Run(c *cli) error {
	ctx, cl := context.Background(), k.client()
	state, err := cl.RebuildReports(ctx)
	if err != nil {
		return err
	}
	for state.Running && !k.NoWait {
		time.Sleep(200 * time.Millisecond)
		if state, err = cl.ReportRebuild(ctx); err != nil {
			return err
		}
	}
	if k.JSON {
		return c.printJSON(state)
	}
	if state.Error != "" {
		return fmt.Errorf("the figures could not be made again: %s", state.Error)
	}
	if state.Running {
		fmt.Fprintln(c.out, "begun; centrala serves the old figures until the new ones are there")
		return nil
	}
	fmt.Fprintf(c.out, "made again from %d events in %s; %d rows differ from what was there\n", state.Seq,
		cmp.Or(state.Ended.Sub(state.Started).Round(time.Millisecond), time.Millisecond), state.Changed)
	return nil
}
