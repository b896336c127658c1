package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/contact"
)

// Desk is what agents say of their calls, and what the desk needs to ask for it.
type Desk interface {
	// Desk is what the queues want of the agent at the desk.
	Desk(ctx context.Context, tenant string) (DeskSheet, error)
	// Dispose says how a call went, during it or after it.
	Dispose(ctx context.Context, tenant, id string, in Disposal, by string) error
	// Dispositions counts what was said.
	Dispositions(ctx context.Context, tenant string, q DispositionQuery) (DispositionCounts, error)
	// Answer keeps the answers to a script's questions.
	Answer(ctx context.Context, tenant, id string, in ScriptAnswers, by string) error
	// ScriptAnswers lists answers, the newest first.
	ScriptAnswers(ctx context.Context, tenant string, f AnswersFilter) (AnswersPage, error)
	// Reminders are the calls that an agent wants to make, the next first.
	Reminders(ctx context.Context, tenant, agent string) ([]Reminder, error)
	SetReminder(ctx context.Context, tenant, agent string, in NewReminder, by string) (Reminder, error)
	// EndReminder strikes one off: seen to, or not wanted any more.
	EndReminder(ctx context.Context, tenant, agent, id string, seen bool, by string) error
}

// DeskSheet is what the tenant wants of its agents' desks.
type DeskSheet struct {
	Queues map[string]DeskQueue `json:"queues"`
	// Reasons for not ready, beside those that every desk has.
	Reasons []string `json:"reasons"`
	// Scripts by name.
	Scripts map[string]Script `json:"scripts"`
}

// DeskQueue is what a queue wants of who takes its calls.
type DeskQueue struct {
	DisplayName string `json:"display_name,omitempty"`
	List        string `json:"list,omitempty"` // its disposition_list
	// DispositionRequired: the wrap-up waits until one is given.
	DispositionRequired bool                `json:"disposition_required,omitempty"`
	Dispositions        []DispositionChoice `json:"dispositions"`
	Script              string              `json:"script,omitempty"`
	// MayExtend is how much may be added to one wrap-up, seconds.
	MayExtend int `json:"may_extend,omitempty"`
	// Callback: the queue calls callers back.
	Callback bool `json:"callback,omitempty"`
}

// DispositionChoice is one way in which a call went.
type DispositionChoice struct {
	Name  string `json:"name"`
	Label string `json:"label"`
	Group string `json:"group,omitempty"`
	// Callback: the customer wants to be called later.
	Callback bool `json:"callback,omitempty"`
}

// Script is what an agent says and asks, page by page.
type Script struct {
	DisplayName string       `json:"display_name,omitempty"`
	Pages       []ScriptPage `json:"pages"`
}

// ScriptPage is one page. Next is "" for the page behind it, "-" at the end.
type ScriptPage struct {
	Name      string          `json:"name"`
	Text      string          `json:"text,omitempty"`
	Questions []contact.Field `json:"questions,omitempty"`
	Branches  []ScriptBranch  `json:"branches,omitempty"`
	Next      string          `json:"next,omitempty"`
}

// ScriptBranch leads to Page when Question was answered with Is.
type ScriptBranch struct {
	Question string `json:"question"`
	Is       string `json:"is"`
	Page     string `json:"page"`
}

// Disposal says how a call went.
type Disposal struct {
	Disposition string `json:"disposition"`
	Note        string `json:"note,omitempty" maxLength:"2000"`
	// Agent whose call it was: left out, who asks, or who talked last.
	Agent string `json:"agent,omitempty"`
}

// DispositionQuery bounds a count: times as in ReportQuery.
type DispositionQuery struct{ From, To, Queue, Agent string }

// DispositionCounts are how often each disposition was given.
type DispositionCounts struct {
	From  time.Time          `json:"from"`
	To    time.Time          `json:"to"`
	Items []DispositionCount `json:"items"`
}

// DispositionCount is one line of them.
type DispositionCount struct {
	Queue       string `json:"queue"`
	Agent       string `json:"agent"`
	List        string `json:"list"`
	Group       string `json:"group,omitempty"`
	Disposition string `json:"disposition"`
	Label       string `json:"label"`
	Count       int64  `json:"count"`
}

// ScriptAnswers are the answers given so far, all of them.
type ScriptAnswers struct {
	Script  string            `json:"script"`
	Answers map[string]string `json:"answers"`
	Contact string            `json:"contact,omitempty"` // id of the customer
	Done    bool              `json:"done,omitempty"`    // the last page was reached: what is required has to be there
	Agent   string            `json:"agent,omitempty"`   // as in Disposal
}

// AnswersFilter chooses answers; "" = all.
type AnswersFilter struct {
	CallID, Script, Contact string
	Limit                   int
	Cursor                  string
}

// AnswersPage is one page of answers.
type AnswersPage struct {
	Items []CallAnswers `json:"items"`
	Next  string        `json:"next,omitempty"`
}

// CallAnswers are the answers of one call.
type CallAnswers struct {
	CallID  string            `json:"call_id"`
	Agent   string            `json:"agent"`
	Script  string            `json:"script"`
	At      time.Time         `json:"at"`
	Queue   string            `json:"queue,omitempty"`
	Contact string            `json:"contact,omitempty"`
	Answers map[string]string `json:"answers"`
	Done    bool              `json:"done"`
}

// NewReminder is a call that an agent wants to make at a time.
type NewReminder struct {
	At     time.Time `json:"at"`
	Number string    `json:"number" maxLength:"32"`
	Name   string    `json:"name,omitempty" maxLength:"64"`
	Note   string    `json:"note,omitempty" maxLength:"500"`
	CallID string    `json:"call_id,omitempty"` // in which it was promised
}

// Reminder is one that is not seen to.
type Reminder struct {
	ID    string `json:"id"`
	Agent string `json:"agent"`
	NewReminder
}

func (h *HTTP) deskOperations() []operation {
	from, to := param{"from", "string", "RFC 3339, or a date, or a date and time on the tenant's clock; left out: today."}, param{"to", "string", "As from."}
	return []operation{
		{method: "GET", path: "/desk", right: "queues.read", summary: "What the queues want of an agent's desk: dispositions, scripts, reasons.", out: DeskSheet{},
			do: func(r *http.Request) (any, error) { return h.app.Desk(r.Context(), tenant(r)) }},
		{method: "POST", path: "/calls/{id}/disposition", right: "calls.control", own: ownCall, journalled: true, summary: "Says how a call went.", in: Disposal{}, query: []param{byParam}, do: h.dispose},
		{method: "POST", path: "/calls/{id}/answers", right: "calls.control", own: ownCall, journalled: true, summary: "Keeps the answers to a script's questions.", in: ScriptAnswers{}, query: []param{byParam}, do: h.answer},
		{method: "GET", path: "/dispositions", right: "reports.read", own: ownBound, summary: "How often each disposition was given.", out: DispositionCounts{},
			query: []param{from, to, {"queue", "string", "Exact."}, {"agent", "string", "Exact."}},
			do: func(r *http.Request) (any, error) {
				v := r.URL.Query()
				q := DispositionQuery{From: v.Get("from"), To: v.Get("to"), Queue: v.Get("queue"), Agent: v.Get("agent")}
				if isOwn(r) {
					q.Agent = auth.From(r.Context()).Name
				}
				return h.app.Dispositions(r.Context(), tenant(r), q)
			}},
		{method: "GET", path: "/answers", right: "calls.read", own: ownAnswers, summary: "Answers to the questions of scripts, newest first.", out: AnswersPage{},
			query: []param{limitParam, cursorParam, {"call", "string", "Of this call."}, {"script", "string", "To this script."}, {"contact", "string", "Of this customer."}},
			do: func(r *http.Request) (any, error) {
				f, err := filter(r)
				if err != nil {
					return nil, err
				}
				v := r.URL.Query()
				return h.app.ScriptAnswers(r.Context(), tenant(r), AnswersFilter{CallID: v.Get("call"), Script: v.Get("script"), Contact: v.Get("contact"), Limit: f.Limit, Cursor: f.Cursor})
			}},
		{method: "GET", path: "/agents/{name}/reminders", right: "calls.dial", own: ownName, summary: "Calls that the agent wants to make, the next first.", out: items[Reminder]{},
			do: func(r *http.Request) (any, error) {
				return wrap(h.app.Reminders(r.Context(), tenant(r), r.PathValue("name")))
			}},
		{method: "POST", path: "/agents/{name}/reminders", right: "calls.dial", own: ownName, journalled: true, summary: "The agent wants to call somebody at a time.", in: NewReminder{}, out: Reminder{}, query: []param{byParam}, do: h.setReminder},
		{method: "DELETE", path: "/agents/{name}/reminders/{id}", right: "calls.dial", own: ownName, journalled: true, summary: "Strikes a reminder off.",
			query: []param{byParam, {"done", "boolean", "It was seen to; else it is not wanted any more."}},
			do: func(r *http.Request) (any, error) {
				seen, err := flag(r, "done")
				if err != nil {
					return nil, err
				}
				return done(h.app.EndReminder(r.Context(), tenant(r), r.PathValue("name"), r.PathValue("id"), seen, whoAsks(r)))
			}},
	}
}

// ownAnswers: an agent reads those of a call of the own.
func ownAnswers(h *HTTP, r *http.Request, p *auth.Principal) error {
	c, err := h.app.Call(r.Context(), tenant(r), r.URL.Query().Get("call"))
	if err != nil || !partOf(&c.Call, p) {
		return fmt.Errorf("%w: answers are shown to you call by call, of your own", errNoRight)
	}
	return nil
}

// ownAgent: who may speak for the own calls alone speaks for nobody else.
func ownAgent(r *http.Request, agent *string) error {
	if !isOwn(r) {
		return nil
	}
	me := auth.From(r.Context()).Name
	if *agent != "" && *agent != me {
		return fmt.Errorf("%w: agent: it is not you", errNoRight)
	}
	*agent = me
	return nil
}

func (h *HTTP) dispose(r *http.Request) (any, error) {
	var in Disposal
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := ownAgent(r, &in.Agent); err != nil {
		return nil, err
	}
	return done(h.app.Dispose(r.Context(), tenant(r), r.PathValue("id"), in, whoAsks(r)))
}

func (h *HTTP) answer(r *http.Request) (any, error) {
	var in ScriptAnswers
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := ownAgent(r, &in.Agent); err != nil {
		return nil, err
	}
	return done(h.app.Answer(r.Context(), tenant(r), r.PathValue("id"), in, whoAsks(r)))
}

func (h *HTTP) setReminder(r *http.Request) (any, error) {
	var in NewReminder
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return h.app.SetReminder(r.Context(), tenant(r), r.PathValue("name"), in, whoAsks(r))
}
