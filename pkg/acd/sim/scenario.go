package sim

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/skill"
)

// Scenario is traffic and people as a file or a past day tells them. Times are
// counted from Start.
type Scenario struct {
	// Start is the first moment; zero = Monday 5 January 2026, 00:00 UTC. Quarters of
	// an hour are counted by the clock from it.
	Start time.Time `json:"start,omitzero" yaml:"start,omitempty"`
	// Length is how long streams and shifts without an end run; 0 = to the last call,
	// the last interval and the last shift.
	Length Time `json:"length,omitzero" yaml:"length,omitempty"`
	// OnlyLength: figures count only what lies within Length; else also what is
	// finished behind it.
	OnlyLength bool `json:"only_length,omitempty" yaml:"only_length,omitempty"`
	// Defaults are for calls and streams that do not say.
	Defaults Habits   `json:"defaults,omitzero" yaml:"defaults,omitempty"`
	Streams  []Stream `json:"streams,omitempty" yaml:"streams,omitempty"`
	Calls    []Call   `json:"calls,omitempty" yaml:"calls,omitempty"`
	// Shifts say when agents of the configuration are there. None at all: all of them,
	// the whole time.
	Shifts []Shift `json:"shifts,omitempty" yaml:"shifts,omitempty"`
	// Hire adds agents whom the configuration does not have.
	Hire   []Hire `json:"hire,omitempty" yaml:"hire,omitempty"`
	Phones Phones `json:"phones,omitzero" yaml:"phones,omitempty"`
	Cost   Cost   `json:"cost,omitzero" yaml:"cost,omitempty"`
	// Actual is what a past day came to, beside what a simulation makes of it.
	Actual *Result `json:"actual,omitempty" yaml:"-"`
	// Notes tell how a past day was read.
	Notes []string `json:"notes,omitempty" yaml:"-"`
}

// Habits are what callers and agents do with a call.
type Habits struct {
	Talk     Dist `json:"talk,omitzero" yaml:"talk,omitempty"`
	Patience Dist `json:"patience,omitzero" yaml:"patience,omitempty"` // not said = never
	// WrapUp is the work after a call. Not said: as long as the queue gives. Longer than
	// the queue gives is cut, or extended as far as the queue lets; less ends early,
	// where the queue lets.
	WrapUp Dist `json:"wrap_up,omitzero" yaml:"wrap_up,omitempty"`
}

// Stream is callers who come by chance: a Poisson process whose rate changes from
// interval to interval.
type Stream struct {
	Wish   `yaml:",inline"`
	Habits `yaml:",inline"`
	// Calls expected in each interval from Start on; one number is for all intervals.
	Calls    []float64 `json:"calls" yaml:"calls"`
	Interval Time      `json:"interval,omitzero" yaml:"interval,omitempty"` // 0 = 15 min
}

// Wish is whom a caller wants.
type Wish struct {
	Queue    string         `json:"queue" yaml:"queue"`
	Number   string         `json:"number,omitempty" yaml:"number,omitempty"` // as dialled, for figures by number
	Priority int            `json:"priority,omitempty" yaml:"priority,omitempty"`
	Skills   map[string]int `json:"skills,omitempty" yaml:"skills,omitempty"`
	Need     string         `json:"need,omitempty" yaml:"need,omitempty"`
	From     string         `json:"from,omitempty" yaml:"from,omitempty"`   // who calls, for the memory of last agents
	Agent    string         `json:"agent,omitempty" yaml:"agent,omitempty"` // asked for by name
}

// Call is one caller.
type Call struct {
	At   Time `json:"at" yaml:"at"`
	Wish `yaml:",inline"`
	// Talk is the conversation with hold; nil = not known (who was not answered):
	// drawn of the queue's known ones, or else of Defaults.
	Talk *Time `json:"talk,omitempty" yaml:"talk,omitempty"`
	// Patience is the wait at which the caller hangs up; PatienceOver is known to be
	// exceeded (the caller was answered after so long): the rest is estimated, see
	// Patience in package sim. Neither: of Defaults.
	Patience     *Time `json:"patience,omitempty" yaml:"patience,omitempty"`
	PatienceOver *Time `json:"patience_over,omitempty" yaml:"patience_over,omitempty"`
	// Callback is the wait at which the caller asks to be called back, if the queue does.
	Callback *Time `json:"callback,omitempty" yaml:"callback,omitempty"`
	WrapUp   *Time `json:"wrap_up,omitempty" yaml:"wrap_up,omitempty"` // nil = of Defaults
}

// Shift is when agents are logged in.
type Shift struct {
	Agents []string `json:"agents" yaml:"agents"`                             // names or patterns (agent*)
	From   Time     `json:"from,omitzero" yaml:"from,omitempty"`              // log-in
	To     Time     `json:"to,omitzero" yaml:"to,omitempty"`                  // log-out, after the call at hand; 0 = the end
	Away   []Span   `json:"away,omitempty" yaml:"away,omitempty"`             // not ready
	Busy   []Span   `json:"busy,omitempty" yaml:"busy,omitempty"`             // on calls of no queue
	Device string   `json:"device,omitempty" yaml:"device,omitempty"`         // "" = the configured one
	Wage   float64  `json:"agent_hour,omitempty" yaml:"agent_hour,omitempty"` // 0 = Cost.AgentHour
}

// Span is a stretch of a shift.
type Span struct {
	From   Time   `json:"from" yaml:"from"`
	To     Time   `json:"to" yaml:"to"`
	Reason string `json:"reason,omitempty" yaml:"reason,omitempty"`
}

// Hire is agents beside those of the configuration, named NAME1, NAME2 ...
type Hire struct {
	Name   string         `json:"name" yaml:"name"`
	Agents int            `json:"agents" yaml:"agents"`
	Queues []string       `json:"queues" yaml:"queues"`
	Rank   int            `json:"rank,omitempty" yaml:"rank,omitempty"`
	Skills map[string]int `json:"skills,omitempty" yaml:"skills,omitempty"`
	From   Time           `json:"from,omitzero" yaml:"from,omitempty"`
	To     Time           `json:"to,omitzero" yaml:"to,omitempty"`
	Away   []Span         `json:"away,omitempty" yaml:"away,omitempty"`
	Wage   float64        `json:"agent_hour,omitempty" yaml:"agent_hour,omitempty"`
}

// Phones is how agents' phones and those before them behave.
type Phones struct {
	Ring        Dist    `json:"ring,omitzero" yaml:"ring,omitempty"`                // until it is picked up; not said = 3 s
	NoAnswer    float64 `json:"no_answer,omitempty" yaml:"no_answer,omitempty"`     // share of offers that ring in vain
	Rejected    float64 `json:"rejected,omitempty" yaml:"rejected,omitempty"`       // share that is rejected or busy
	Unreachable float64 `json:"unreachable,omitempty" yaml:"unreachable,omitempty"` // share that finds no phone
	// Back is how long an agent stays not ready whom the engine made so (after a ring in
	// vain, after the one call on demand); not said = exponential 2 min.
	Back Dist `json:"back,omitzero" yaml:"back,omitempty"`
}

// Cost of agents' time, from log-in to log-out.
type Cost struct {
	AgentHour float64 `json:"agent_hour,omitempty" yaml:"agent_hour,omitempty"`
	Currency  string  `json:"currency,omitempty" yaml:"currency,omitempty"`
}

// Bounds of a scenario.
const (
	MaxCalls  = 2_000_000
	MaxAgents = 20_000
)

// ErrScenario wraps all that is wrong with a scenario.
var ErrScenario = errors.New("sim: bad scenario")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrScenario}, args...)...)
}

// ParseYAML reads a scenario. Unknown keys are faults.
func ParseYAML(r io.Reader) (*Scenario, error) {
	var s Scenario
	if err := yaml.NewDecoder(r, yaml.Strict()).Decode(&s); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrScenario, yaml.FormatError(err, false, true))
	}
	return &s, s.Check()
}

// ParseCSV reads calls: a head that names columns, then a line for each call.
// Columns: at and queue; talk, patience, patience_over, wrap_up, priority, need,
// from, number, agent. Empty is not known. at is a time from the start (90s) or a
// moment (RFC 3339); with moments Start is the midnight UTC before the first.
func ParseCSV(r io.Reader) (*Scenario, error) {
	in := csv.NewReader(r)
	in.TrimLeadingSpace = true
	head, err := in.Read()
	if err != nil {
		return nil, bad("CSV: %v", err)
	}
	in.ReuseRecord = true
	known := []string{"at", "queue", "talk", "patience", "patience_over", "callback", "wrap_up", "priority", "need", "from", "number", "agent"}
	col := map[string]int{}
	for i, h := range head {
		h = strings.TrimSpace(strings.TrimPrefix(h, "\ufeff"))
		if !slices.Contains(known, h) {
			return nil, bad("CSV: unknown column %q; want of %s", cut(h), strings.Join(known, ", "))
		}
		col[h] = i
	}
	if _, ok := col["at"]; !ok || len(col) != len(head) {
		return nil, bad("CSV: the column at is missing, or one is there twice")
	}
	s := &Scenario{}
	var moments []time.Time
	for {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, bad("CSV: %v", err)
		}
		line, _ := in.FieldPos(0)
		cell := func(name string) string {
			if i, ok := col[name]; ok {
				return strings.TrimSpace(rec[i])
			}
			return ""
		}
		var c Call
		duration := func(name string) (t *Time) {
			if text := cell(name); text != "" {
				t = new(Time)
				if e := t.UnmarshalText([]byte(text)); e != nil && err == nil {
					err = fmt.Errorf("%s: %w", name, e)
				}
			}
			return t
		}
		if t, e := time.Parse(time.RFC3339Nano, cell("at")); e == nil {
			moments = append(moments, t)
		} else if at := duration("at"); at != nil {
			c.At = *at
		} else {
			err = errors.New("at is empty")
		}
		c.Wish = Wish{Queue: cell("queue"), Need: cell("need"), From: cell("from"), Number: cell("number"), Agent: cell("agent")}
		c.Talk, c.Patience, c.PatienceOver, c.WrapUp, c.Callback = duration("talk"), duration("patience"), duration("patience_over"), duration("wrap_up"), duration("callback")
		if p := cell("priority"); p != "" && err == nil {
			c.Priority, err = strconv.Atoi(p)
		}
		if err != nil {
			return nil, bad("CSV line %d: %v", line, err)
		}
		if s.Calls = append(s.Calls, c); len(s.Calls) > MaxCalls {
			return nil, bad("CSV: more than %d calls", MaxCalls)
		}
	}
	if len(moments) > 0 {
		if len(moments) != len(s.Calls) {
			return nil, bad("CSV: at is a moment in some lines and a time from the start in others")
		}
		first := slices.MinFunc(moments, time.Time.Compare).UTC()
		s.Start = first.Truncate(24 * time.Hour)
		for i, m := range moments {
			d := m.Sub(s.Start)
			if d > longest {
				return nil, bad("CSV: from the first call to the last is more than a year")
			}
			s.Calls[i].At = Time(d)
		}
	}
	return s, s.Check()
}

// Parse reads a scenario by the name of its file: .csv is CSV, all else YAML
// (JSON is YAML).
func Parse(name string, data []byte) (*Scenario, error) {
	if strings.EqualFold(path.Ext(name), ".csv") {
		return ParseCSV(bytes.NewReader(data))
	}
	return ParseYAML(bytes.NewReader(data))
}

// Check tells all that is wrong with a scenario, but for queues and agents that a
// configuration does not have.
func (s *Scenario) Check() error {
	var errs []error
	say := func(format string, args ...any) {
		if len(errs) < 20 {
			errs = append(errs, bad(format, args...))
		}
	}
	wish := func(where string, w *Wish) {
		if w.Queue == "" {
			say("%s: no queue", where)
		}
		if w.Need != "" {
			if _, err := skill.ParseNeed(w.Need); err != nil {
				say("%s: need: %v", where, err)
			}
		}
	}
	expected := float64(len(s.Calls))
	for i := range s.Streams {
		st := &s.Streams[i]
		where := fmt.Sprintf("streams[%d]", i)
		wish(where, &st.Wish)
		if len(st.Calls) == 0 {
			say("%s: no calls: how many are expected in each interval?", where)
		}
		if st.Interval != 0 && st.Interval.D() < time.Second {
			say("%s: interval %s: want at least 1s", where, st.Interval.D())
		}
		if len(st.Calls) == 1 && s.Length == 0 {
			say("%s: one rate for all intervals needs the scenario's length", where)
		}
		for _, n := range st.Calls {
			if math.IsNaN(n) || n < 0 || n > MaxCalls {
				say("%s: %v calls: want 0 to %d", where, n, MaxCalls)
				continue
			}
			if len(st.Calls) == 1 {
				n *= float64(s.Length) / float64(st.interval())
			}
			expected += n
		}
		if !st.Talk.Said() && !s.Defaults.Talk.Said() {
			say("%s: talk is not said, nor in defaults", where)
		}
	}
	if expected > MaxCalls {
		say("about %.0f calls: want at most %d", expected, MaxCalls)
	}
	for i := range s.Calls {
		wish("calls["+strconv.Itoa(i)+"]", &s.Calls[i].Wish)
	}
	spans := func(where string, from, to Time, list []Span) {
		if to != 0 && to <= from {
			say("%s: ends before it begins", where)
		}
		for _, a := range list {
			if a.To <= a.From {
				say("%s: a span ends before it begins", where)
			}
		}
	}
	for i, sh := range s.Shifts {
		spans(fmt.Sprintf("shifts[%d]", i), sh.From, sh.To, slices.Concat(sh.Away, sh.Busy))
		for _, a := range sh.Agents {
			if _, err := path.Match(a, ""); err != nil {
				say("shifts[%d]: agents: pattern %q", i, a)
			}
		}
	}
	hired := 0
	for i, h := range s.Hire {
		spans(fmt.Sprintf("hire[%d]", i), h.From, h.To, h.Away)
		if h.Name == "" || h.Agents < 1 || len(h.Queues) == 0 {
			say("hire[%d]: want a name, queues, and at least 1 agent", i)
		}
		hired += max(h.Agents, 0)
	}
	if hired > MaxAgents {
		say("hire: %d agents: want at most %d", hired, MaxAgents)
	}
	p := s.Phones
	for _, v := range []float64{p.NoAnswer, p.Rejected, p.Unreachable, p.NoAnswer + p.Rejected + p.Unreachable} {
		if math.IsNaN(v) || v < 0 || v > 1 {
			say("phones: shares of no_answer, rejected, unreachable and their sum: want 0 to 1")
			break
		}
	}
	for _, d := range []Dist{s.Defaults.Talk, s.Defaults.WrapUp, p.Ring, p.Back} {
		if d.kind == "never" {
			say("never is for patience alone")
		}
	}
	if math.IsNaN(s.Cost.AgentHour) || s.Cost.AgentHour < 0 {
		say("cost: agent_hour %v", s.Cost.AgentHour)
	}
	return errors.Join(errs...)
}

func (st *Stream) interval() time.Duration {
	if st.Interval == 0 {
		return 15 * time.Minute
	}
	return st.Interval.D()
}

// defaultStart of scenarios: a Monday.
var defaultStart = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// length is where shifts without an end end.
func (s *Scenario) length() time.Duration {
	if s.Length > 0 {
		return s.Length.D()
	}
	var end time.Duration
	for i := range s.Calls {
		end = max(end, s.Calls[i].At.D())
	}
	for i := range s.Streams {
		end = max(end, time.Duration(len(s.Streams[i].Calls))*s.Streams[i].interval())
	}
	for _, sh := range s.Shifts {
		end = max(end, sh.From.D(), sh.To.D())
	}
	for _, h := range s.Hire {
		end = max(end, h.From.D(), h.To.D())
	}
	return end
}

// Configured adds what the scenario itself brings to a configuration: the hired
// agents as members, and, where the configuration has no queue at all, the queues
// that callers name, with default rules. Announcements are left out: they move
// nobody.
func (s *Scenario) Configured(base acd.Configure) (acd.Configure, error) {
	c := base
	c.Queues, c.Agents = slices.Clone(base.Queues), slices.Clone(base.Agents)
	if len(c.Queues) == 0 {
		var names []string
		for i := range s.Streams {
			names = append(names, s.Streams[i].Queue)
		}
		for i := range s.Calls {
			names = append(names, s.Calls[i].Queue)
		}
		slices.Sort(names)
		for _, n := range slices.Compact(names) {
			c.Queues = append(c.Queues, acd.Queue{Name: n})
		}
	}
	for i := range c.Queues {
		c.Queues[i].AnnounceFirst = -1
		c.Queues[i].Members = slices.Clone(c.Queues[i].Members)
	}
	for _, h := range s.Hire {
		for n := range h.Agents {
			name := h.Name + strconv.Itoa(n+1)
			if slices.ContainsFunc(base.Agents, func(a acd.Agent) bool { return a.Name == name }) {
				return c, bad("hire: agent %q is there already", name)
			}
			c.Agents = append(c.Agents, acd.Agent{Name: name, Device: "hired-" + name, Skills: h.Skills})
		}
		for _, q := range h.Queues {
			at := slices.IndexFunc(c.Queues, func(x acd.Queue) bool { return x.Name == q })
			if at < 0 {
				return c, bad("hire: there is no queue %q", q)
			}
			for n := range h.Agents {
				c.Queues[at].Members = append(c.Queues[at].Members, acd.Member{Agent: h.Name + strconv.Itoa(n+1), Rank: h.Rank})
			}
		}
	}
	if len(c.Agents) > MaxAgents {
		return c, bad("%d agents: want at most %d", len(c.Agents), MaxAgents)
	}
	for i := range c.Agents {
		if c.Agents[i].Device == "" {
			c.Agents[i].Device = "phone-of-" + c.Agents[i].Name // sits down somewhere
		}
	}
	// By name, as the dispatcher does: who is first among equals is the same.
	slices.SortFunc(c.Queues, func(a, b acd.Queue) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Agents, func(a, b acd.Agent) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}
