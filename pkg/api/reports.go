package api

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/centrala/centrala/pkg/report"
)

// ReportQuery asks for figures. The zero value is today, a line for each queue.
type ReportQuery struct {
	By   report.Kind // "" = queue
	Name string      // "" = all
	// From and To: RFC 3339, or a date or date and time on the tenant's clock. "" =
	// the tenant's midnight, and the end of the running quarter of an hour.
	From, To string
	Per      report.Period // "" = total
	Cursor   string        // of the page before
	Limit    int           // lines, 1..10000; 0 = 1000
}

// Report is one page of figures.
type Report struct {
	By       report.Kind   `json:"by"`
	Per      report.Period `json:"per"`
	TimeZone string        `json:"time_zone"`
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	AsOf     time.Time     `json:"as_of"` // agents' time that runs is counted up to here
	// LagEvents is how many events of the journal are not counted yet: 0 but in the
	// first minutes after an upgrade that makes the figures again.
	LagEvents uint64 `json:"lag_events"`
	// Formulas of the figures, in the names of the counters.
	Formulas map[string]string `json:"formulas"`
	Items    []ReportLine      `json:"items"`
	Next     string            `json:"next,omitempty"`

	lines []report.Line
}

// ReportLine is one period of one queue, agent, number or tenant.
type ReportLine struct {
	Start    time.Time           `json:"start"`
	End      time.Time           `json:"end"`
	Name     string              `json:"name"`
	Counters map[string]int64    `json:"counters"`
	Figures  map[string]*float64 `json:"figures"` // null: nothing to divide by
}

// SetLines fills Items and Formulas from lines.
func (r *Report) SetLines(lines []report.Line) {
	r.lines = lines
	figures, counters := report.FiguresOf(r.By), report.CountersOf(r.By)
	r.Formulas = make(map[string]string, len(figures))
	for _, f := range figures {
		r.Formulas[f.Name] = f.Formula()
	}
	r.Items = make([]ReportLine, len(lines))
	for i := range lines {
		l := &lines[i]
		item := ReportLine{l.Start, l.End, l.Name, make(map[string]int64, len(counters)), make(map[string]*float64, len(figures))}
		for _, c := range counters {
			item.Counters[c.String()] = l.Counts[c]
		}
		for _, f := range figures {
			item.Figures[f.Name] = nil
			if v, ok := f.Value(&l.Counts); ok {
				item.Figures[f.Name] = &v
			}
		}
		r.Items[i] = item
	}
}

// QueueLog is a stretch of Asterisk's queue_log.
type QueueLog struct {
	Lines []string
	Next  string // cursor of the page behind, "" = no more
}

// maxReportLines bounds one page.
const maxReportLines = 10000

func reportQuery(r *http.Request) (ReportQuery, error) {
	v := r.URL.Query()
	q := ReportQuery{By: report.Queue, Name: v.Get("name"), From: v.Get("from"), To: v.Get("to"), Per: report.PerTotal, Cursor: v.Get("cursor"), Limit: 1000}
	if s := v.Get("by"); s != "" {
		if q.By = report.Kind(s); !slices.Contains(report.Kinds, q.By) {
			return q, fmt.Errorf("%w: by %q: want one of %v", ErrInvalid, s, report.Kinds)
		}
	}
	if s := v.Get("per"); s != "" {
		if q.Per = report.Period(s); !slices.Contains(report.Periods, q.Per) {
			return q, fmt.Errorf("%w: per %q: want one of %v", ErrInvalid, s, report.Periods)
		}
	}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxReportLines {
			return q, fmt.Errorf("%w: limit %q: want 1 to %d", ErrInvalid, s, maxReportLines)
		}
		q.Limit = n
	}
	return q, nil
}

// nextHeader has the cursor of the page behind, in answers that are no JSON.
const nextHeader = "Next-Cursor"

// report writes figures as JSON or CSV.
func (h *HTTP) report(w http.ResponseWriter, r *http.Request) {
	q, err := reportQuery(r)
	v := r.URL.Query()
	asCSV, separator := v.Get("format") == "csv", ','
	switch s := v.Get("separator"); s {
	case "", ",":
	case ";":
		separator = ';'
	case "tab":
		separator = '\t'
	default:
		err = fmt.Errorf("%w: separator %q: want one of , ; tab", ErrInvalid, s)
	}
	if f := v.Get("format"); err == nil && f != "" && f != "json" && f != "csv" {
		err = fmt.Errorf("%w: format %q: want json or csv", ErrInvalid, f)
	}
	var rep Report
	if err == nil {
		rep, err = h.app.Report(r.Context(), tenant(r), q)
	}
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	if !asCSV {
		h.handle(0, maxBody, func(*http.Request) (any, error) { return rep, nil }).ServeHTTP(w, r)
		return
	}
	var out bytes.Buffer
	if err := report.WriteCSV(&out, rep.By, rep.lines, separator); err != nil {
		h.fail(w, r, err, nil)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="centrala-`+string(rep.By)+`.csv"`)
	if rep.Next != "" {
		w.Header().Set(nextHeader, rep.Next)
	}
	w.Write(out.Bytes())
}

// queueLog writes lines of Asterisk's queue_log.
func (h *HTTP) queueLog(w http.ResponseWriter, r *http.Request) {
	q, err := reportQuery(r)
	var log QueueLog
	if err == nil {
		log, err = h.app.QueueLog(r.Context(), tenant(r), q)
	}
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if log.Next != "" {
		w.Header().Set(nextHeader, log.Next)
	}
	for _, l := range log.Lines {
		w.Write([]byte(l + "\n"))
	}
}
