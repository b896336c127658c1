package ivr

import (
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

// contactPrefix begins the variables that hold what is known of the caller's contact:
// contact.name in an expression is the variable contact_name.
const contactPrefix = "contact_"

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// env is what expression e sees of the call: only what it names is put together.
func (m *machine) env(e *flow.Expr) *flow.Env {
	out := &flow.Env{
		Call:     flow.CallEnv{ID: m.s.CallID, Dialled: m.s.To, Tenant: m.s.Tenant, Language: m.s.Language, Answered: m.s.Answered},
		Caller:   flow.CallerEnv{Number: m.s.From, Known: m.s.From != "" && m.s.From != "anonymous"},
		Queue:    m.queueEnv,
		Schedule: m.scheduleEnv,
		Num:      flow.Number,
		Digits:   flow.OnlyDigits,
	}
	if e.NeedsVars() {
		out.Vars = m.s.Vars
		if len(m.s.Secrets) > 0 { // what was typed in secret can only be compared
			out.Vars = make(map[string]string, len(m.s.Vars))
			for k, v := range m.s.Vars {
				if !m.s.Secrets[k] {
					out.Vars[k] = v
				}
			}
		}
	}
	if e.NeedsContact() {
		out.Contact = map[string]string{}
		for k, v := range m.s.Vars {
			if field, is := strings.CutPrefix(k, contactPrefix); is && !m.s.Secrets[k] {
				out.Contact[field] = v
			}
		}
	}
	if e.NeedsClock() {
		zone := m.s.zone
		if zone == nil {
			zone = time.UTC
		}
		now := m.now.In(zone)
		out.Date, out.Time, out.Weekday = now.Format(time.DateOnly), now.Format("15:04"), weekdays[now.Weekday()]
		out.Year, out.Month, out.Day, out.Hour, out.Minute = now.Year(), int(now.Month()), now.Day(), now.Hour(), now.Minute()
	}
	return out
}

func (m *machine) queueEnv(name string) (flow.QueueEnv, error) {
	q, ok := QueueState{}, false
	if m.s.queue != nil {
		q, ok = m.s.queue(name)
	}
	if !ok {
		return flow.QueueEnv{}, fmt.Errorf("nothing is known of the queue %q", name)
	}
	out := flow.QueueEnv{Waiting: q.Waiting, ReadyAgents: q.ReadyAgents, LoggedIn: q.LoggedIn, LongestWait: q.LongestWait.Seconds(),
		EstimatedWait: q.Estimate.Seconds(), ServiceLevel: q.ServiceLevel}
	if q.Estimate < 0 {
		out.EstimatedWait = -1
	}
	return out, nil
}

func (m *machine) scheduleEnv(name string) (flow.ScheduleEnv, error) {
	s := m.s.schedules[name]
	if s == nil {
		return flow.ScheduleEnv{}, fmt.Errorf("no schedule %q", name)
	}
	a := s.At(m.now)
	return flow.ScheduleEnv{Open: a.Open, Holiday: a.Holiday(), Why: string(a.Why), Name: a.Name}, nil
}

// when works out a condition.
func (m *machine) when(e *flow.Expr) (bool, error) { return e.Bool(m.env(e)) }

// worth works out a value.
func (m *machine) worth(e *flow.Expr) (string, error) { return e.Value(m.env(e)) }
