package sim

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/report"
)

// Tenant of simulated events.
const Tenant = "default"

// Result is what traffic came to under one configuration, or what a day really
// came to. All figures are those of package report, made of the events.
type Result struct {
	Name   string   `json:"name"`
	Seed   uint64   `json:"seed"`
	Calls  int      `json:"calls"`  // callers who came
	Steps  int      `json:"steps"`  // of the engine
	Total  Line     `json:"total"`  // the tenant
	Queues []Line   `json:"queues"` // by name
	Agents []Line   `json:"agents"` // by name, who were there
	Hours  []Line   `json:"hours"`  // the tenant, hour by hour from the first; Name is its start
	Cost   *Price   `json:"cost,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

// Line is one queue, agent, hour or all.
type Line struct {
	Name     string              `json:"name"`
	Counters map[string]int64    `json:"counters"`
	Figures  map[string]*float64 `json:"figures"` // null: nothing to divide by
	// Answered and All are percentiles of waits in seconds: of who was answered, and of
	// all who got in, whatever became of them. nil: nobody.
	Answered *Percentiles `json:"answered_waits,omitempty"`
	All      *Percentiles `json:"waits,omitempty"`

	counts report.Counts
}

// Percentiles of waits, in seconds, by nearest rank: a share of p waited no longer.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// Price of the agents' time, from log-in to log-out.
type Price struct {
	Hours     float64  `json:"agent_hours"`
	Total     float64  `json:"total"`
	PerAnswer *float64 `json:"per_answered_call"`
	Currency  string   `json:"currency,omitempty"`
}

// Recorder makes a Result of a journal's events, simulated or real, of one tenant.
type Recorder struct {
	watch  func(event.Event)
	proj   *report.Projector
	rows   map[report.Key]*report.Counts
	last   [4]lastRow // of each kind: most additions go where the one before went
	from   int64      // with to: what counts, milliseconds; 0 and 0 = all
	to     int64
	stays  map[string]stay
	queues map[string]*waits
}

type stay struct{}

type lastRow struct {
	key    report.Key
	counts *report.Counts
}

type waits struct{ answered, all []int64 }

// NewRecorder begins; watch is told every event too, nil = nobody.
func NewRecorder(watch func(event.Event)) *Recorder {
	r := &Recorder{watch: watch, rows: map[report.Key]*report.Counts{}, stays: map[string]stay{}, queues: map[string]*waits{}}
	r.proj = report.NewProjector(r.add)
	return r
}

// Within counts only what belongs to a stretch of time, in whole quarters of an
// hour: stays begun in it, and the agents' time that lies in it.
func (r *Recorder) Within(from, to time.Time) {
	r.from, r.to = from.UnixMilli(), to.UnixMilli()
}

func (r *Recorder) counts(at int64) bool { return r.to == 0 || at >= r.from && at < r.to }

func (r *Recorder) add(k report.Key, c report.Counter, n int64) {
	if !r.counts(k.Start) {
		return
	}
	l := &r.last[0]
	switch k.Kind {
	case report.Agent:
		l = &r.last[1]
	case report.Number:
		l = &r.last[2]
	case report.Tenant:
		l = &r.last[3]
	}
	if l.counts == nil || k != l.key {
		if l.counts = r.rows[k]; l.counts == nil {
			l.counts = &report.Counts{}
			r.rows[k] = l.counts
		}
		l.key = k
	}
	l.counts.Add(c, n)
}

// Queue names a queue that is to be in the result though nobody calls it.
func (r *Recorder) Queue(q acd.Queue) { r.queues[q.Name] = &waits{} }

// Feed takes the next event.
func (r *Recorder) Feed(e event.Event) {
	if r.watch != nil {
		r.watch(e)
	}
	switch b := e.Body.(type) {
	case event.QueueEntered:
		if r.counts(e.At.UnixMilli()) {
			r.stays[e.CallID] = stay{}
		}
	case event.QueueLeft:
		if _, in := r.stays[e.CallID]; in {
			delete(r.stays, e.CallID)
			w := r.queues[b.Queue]
			if w == nil {
				w = &waits{}
				r.queues[b.Queue] = w
			}
			w.all = append(w.all, b.WaitMs)
			if b.Outcome == acd.LeftAnswered {
				w.answered = append(w.answered, b.WaitMs)
			}
		}
	}
	r.proj.Feed(e)
}

// Result adds up what was fed. The recorder is at its end then.
func (r *Recorder) Result(name string) *Result {
	out := &Result{Name: name}
	sums := map[report.Kind]map[string]*report.Counts{report.Queue: {}, report.Agent: {}}
	var total report.Counts
	hours := map[int64]*report.Counts{}
	for k, c := range r.rows {
		switch k.Kind {
		case report.Tenant:
			total.Merge(c)
			h := k.Start - k.Start%time.Hour.Milliseconds()
			if hours[h] == nil {
				hours[h] = &report.Counts{}
			}
			hours[h].Merge(c)
		case report.Queue, report.Agent:
			if sums[k.Kind][k.Name] == nil {
				sums[k.Kind][k.Name] = &report.Counts{}
			}
			sums[k.Kind][k.Name].Merge(c)
		}
	}
	for name := range r.queues {
		if sums[report.Queue][name] == nil {
			sums[report.Queue][name] = &report.Counts{}
		}
	}
	var answered, all []int64
	for _, name := range sortedKeys(sums[report.Queue]) {
		l := line(name, report.Queue, sums[report.Queue][name])
		if w := r.queues[name]; w != nil {
			l.Answered, l.All = percentiles(w.answered), percentiles(w.all)
			answered, all = append(answered, w.answered...), append(all, w.all...)
		}
		out.Queues = append(out.Queues, l)
	}
	for _, name := range sortedKeys(sums[report.Agent]) {
		out.Agents = append(out.Agents, line(name, report.Agent, sums[report.Agent][name]))
	}
	out.Total = line("", report.Tenant, &total)
	out.Total.Answered, out.Total.All = percentiles(answered), percentiles(all)
	for _, h := range sortedKeys(hours) {
		out.Hours = append(out.Hours, line(time.UnixMilli(h).UTC().Format(time.RFC3339), report.Tenant, hours[h]))
	}
	out.Calls = int(total[report.Calls])
	return out
}

func line(name string, k report.Kind, c *report.Counts) Line {
	l := Line{Name: name, Counters: map[string]int64{}, Figures: map[string]*float64{}, counts: *c}
	for _, x := range report.CountersOf(k) {
		l.Counters[x.String()] = c[x]
	}
	for _, f := range report.FiguresOf(k) {
		l.Figures[f.Name] = nil
		if v, ok := f.Value(c); ok {
			l.Figures[f.Name] = &v
		}
	}
	return l
}

// percentiles by nearest rank.
func percentiles(ms []int64) *Percentiles {
	if len(ms) == 0 {
		return nil
	}
	slices.Sort(ms)
	at := func(p float64) float64 { return float64(ms[max(0, int(math.Ceil(p*float64(len(ms))))-1)]) / 1000 }
	return &Percentiles{at(0.5), at(0.9), at(0.95), at(0.99)}
}

// occupancy of a queue is that of its members together, whatever queue they worked
// for: the time on calls and in wrap-up, of the time they worked or could have.
func (r *Result) occupancy(members map[string][]string) {
	f := report.FigureByName("occupancy")
	agents := make(map[string]*report.Counts, len(r.Agents))
	for i := range r.Agents {
		agents[r.Agents[i].Name] = &r.Agents[i].counts
	}
	for i := range r.Queues {
		l := &r.Queues[i]
		var sum report.Counts
		for _, name := range members[l.Name] {
			if c := agents[name]; c != nil {
				sum.Merge(c)
			}
		}
		l.Figures["occupancy"] = nil
		if v, ok := f.Value(&sum); ok {
			l.Figures["occupancy"] = &v
		}
	}
}

// loggedIn is an agent's time from log-in to log-out.
var loggedIn = []report.Counter{report.ReadyMs, report.RingingMs, report.OnCallMs, report.AfterCallMs, report.NotReadyMs}

// price adds up the wages, by hour.
func (r *Result) price(wages map[string]float64, currency string) {
	p := Price{Currency: currency}
	for i := range r.Agents {
		var ms int64
		for _, c := range loggedIn {
			ms += r.Agents[i].counts[c]
		}
		h := float64(ms) / 3.6e6
		p.Hours += h
		p.Total += h * wages[r.Agents[i].Name]
	}
	if n := r.Total.counts[report.Answered]; n > 0 && p.Total > 0 {
		v := p.Total / float64(n)
		p.PerAnswer = &v
	}
	if p.Hours > 0 {
		r.Cost = &p
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// Comparison is results side by side, of the same callers.
type Comparison struct {
	Results []*Result `json:"results"`
}

// metric is a row of the table.
type metric struct {
	name string
	of   func(*Line) (float64, bool)
	say  func(float64) string
}

func counter(label, name string) metric {
	return metric{label, func(l *Line) (float64, bool) { n, ok := l.Counters[name]; return float64(n), ok }, whole}
}

func figure(label, name string, say func(float64) string) metric {
	return metric{label, func(l *Line) (float64, bool) {
		if v := l.Figures[name]; v != nil {
			return *v, true
		}
		return 0, false
	}, say}
}

func wait(label string, pick func(*Percentiles) float64) metric {
	return metric{label, func(l *Line) (float64, bool) {
		if l.Answered == nil {
			return 0, false
		}
		return pick(l.Answered), true
	}, seconds}
}

var (
	queueMetrics = []metric{
		counter("callers", "entered"), counter("refused", "refused"), counter("answered", "answered"), counter("abandoned", "abandoned"), counter("of these short", "abandoned_short"),
		counter("sent away", "left_timeout"), counter("nobody there", "left_empty"),
		figure("service level", report.DefaultServiceLevelName, share), figure("abandonment", "abandonment", share), figure("ASA", "asa", seconds),
		wait("wait p50", func(p *Percentiles) float64 { return p.P50 }), wait("wait p90", func(p *Percentiles) float64 { return p.P90 }),
		wait("wait p95", func(p *Percentiles) float64 { return p.P95 }), wait("wait p99", func(p *Percentiles) float64 { return p.P99 }),
		figure("longest wait", "longest_wait", seconds), figure("AHT", "aht", seconds), figure("occupancy", "occupancy", share),
	}
	agentMetrics = []metric{counter("answered", "answered"), figure("occupancy", "occupancy", share), figure("ASA", "asa", seconds)}
)

// Rows lays the comparison out as a table: a head, then rows of a name, a metric
// and a cell for each result; with two or more results the last column is the
// change from the one before the last to the last. Agents only when asked for:
// they may be many.
func (c *Comparison) Rows(agents bool) (head []string, rows [][]string) {
	head = []string{"OF", "FIGURE"}
	for _, r := range c.Results {
		head = append(head, strings.ToUpper(r.Name))
	}
	delta := len(c.Results) > 1
	if delta {
		head = append(head, "CHANGE")
	}
	add := func(name string, lines []*Line, list []metric) {
		for _, m := range list {
			row := []string{name, m.name}
			var vals []float64
			seen, zero := false, true
			for _, l := range lines {
				if v, ok := 0.0, false; l != nil {
					if v, ok = m.of(l); ok {
						row, vals = append(row, m.say(v)), append(vals, v)
						seen, zero = true, zero && v == 0
						continue
					}
				}
				row, vals = append(row, "-"), append(vals, math.NaN())
			}
			if !seen || zero && (m.name == "refused" || m.name == "sent away" || m.name == "nobody there") {
				continue
			}
			if delta {
				row = append(row, change(m, vals[len(vals)-2], vals[len(vals)-1]))
			}
			rows = append(rows, row)
		}
	}
	pick := func(of func(*Result) []Line, name string) []*Line {
		out := make([]*Line, len(c.Results))
		for i, r := range c.Results {
			list := of(r)
			if at := slices.IndexFunc(list, func(l Line) bool { return l.Name == name }); at >= 0 {
				out[i] = &list[at]
			}
		}
		return out
	}
	names := func(of func(*Result) []Line) []string {
		all := map[string]bool{}
		for _, r := range c.Results {
			for _, l := range of(r) {
				all[l.Name] = true
			}
		}
		return sortedKeys(all)
	}
	totals := make([]*Line, len(c.Results))
	for i, r := range c.Results {
		totals[i] = &r.Total
	}
	add("all", totals, queueMetrics)
	c.costs(add)
	ofQueues, ofAgents := func(r *Result) []Line { return r.Queues }, func(r *Result) []Line { return r.Agents }
	if q := names(ofQueues); len(q) > 1 || agents {
		for _, name := range q {
			add(name, pick(ofQueues, name), queueMetrics)
		}
	}
	if agents {
		for _, name := range names(ofAgents) {
			add(name, pick(ofAgents, name), agentMetrics)
		}
	}
	return head, rows
}

func (c *Comparison) costs(add func(string, []*Line, []metric)) {
	lines := make([]*Line, len(c.Results))
	money := func(v float64) string { return decimals(v, 2) }
	for i, r := range c.Results {
		if r.Cost == nil {
			continue
		}
		l := &Line{Figures: map[string]*float64{"hours": &r.Cost.Hours, "each": r.Cost.PerAnswer}}
		if r.Cost.Total > 0 {
			l.Figures["total"] = &r.Cost.Total
			if r.Cost.Currency != "" {
				money = func(v float64) string { return decimals(v, 2) + " " + r.Cost.Currency }
			}
		}
		lines[i] = l
	}
	add("all", lines, []metric{figure("agent hours", "hours", func(v float64) string { return decimals(v, 1) }),
		figure("cost", "total", money), figure("cost of an answer", "each", money)})
}
