package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/event"
)

// Routing is what a supervisor may do to agents and to calls that wait.
type Routing interface {
	// CommandAgent changes an agent's state, beyond SetAgentState.
	CommandAgent(ctx context.Context, tenant, name string, c AgentCommand) error
	// Assign gives a waiting call to an agent, out of turn.
	Assign(ctx context.Context, tenant, id string, a Assignment) error
	// SetPriority changes a waiting call's own priority.
	SetPriority(ctx context.Context, tenant, id string, priority int, by string) error
	// Move sends a waiting call on to another queue.
	Move(ctx context.Context, tenant, id, queue, by string) error
	// Why tells a call's way through its queues.
	Why(ctx context.Context, tenant, id string) (Why, error)
}

// AgentCommand is what can be asked of an agent.
type AgentCommand struct {
	// State is "ready", "not_ready", "offline", "wrap_up_done" or "extend_wrap_up".
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Device to log in from, with ready; "" = the configured one.
	Device string `json:"device,omitempty"`
	// Once: ready for one call.
	Once bool `json:"once,omitempty"`
	// Seconds of extend_wrap_up.
	Seconds int `json:"seconds,omitempty"`
	// By is "api" (default) or "supervisor", who may end a fixed wrap-up.
	By string `json:"by,omitempty"`
}

// Assignment gives a waiting call to an agent.
type Assignment struct {
	Agent string `json:"agent"`
	// Pull: the agent takes the call. Otherwise it is pushed: the caller waits for
	// that agent for Patience seconds (0 = 120) and keeps the place in the queue.
	Pull            bool   `json:"pull,omitempty"`
	PatienceSeconds int    `json:"patience_seconds,omitempty"`
	By              string `json:"by,omitempty"` // "supervisor" (default) or "api"
}

// Why is a call's way through its queues. Now is how it stands while it waits:
// the newest account, made for this request.
type Why struct {
	CallID  string          `json:"call_id"`
	Story   []string        `json:"story"`
	Waits   string          `json:"waits,omitempty"` // Now, as a sentence
	Now     *event.Decision `json:"now,omitempty"`
	Decided []DecidedAt     `json:"decisions"`
}

// DecidedAt is a decision of the queue engine and its time.
type DecidedAt struct {
	At time.Time `json:"at"`
	event.Decision
}

func (h *HTTP) agentState(r *http.Request) (any, error) {
	var in AgentCommand
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if isOwn(r) && in.By == "supervisor" {
		return nil, fmt.Errorf("%w: by: you are no supervisor", errNoRight)
	}
	if p := auth.From(r.Context()); p != nil && !isOwn(r) && p.Name != r.PathValue("name") && !p.Local {
		if in.By == "" {
			in.By = "supervisor"
		}
		// The journal has that a supervisor did it, the audit log who.
		h.audit(r, "agent.state", r.PathValue("name"), strings.TrimSpace(in.State+" "+in.Reason))
	}
	switch {
	case in.By != "" && in.By != "api" && in.By != "supervisor":
		return nil, fmt.Errorf("%w: by %q: want api or supervisor", ErrInvalid, in.By)
	case in.Device == "" && !in.Once && in.Seconds == 0 && in.By == "" && in.State != "extend_wrap_up":
		return struct{}{}, h.app.SetAgentState(r.Context(), tenant(r), r.PathValue("name"), in.State, in.Reason)
	case in.State != "ready" && (in.Device != "" || in.Once):
		return nil, fmt.Errorf("%w: device and once have a place in ready alone", ErrInvalid)
	case (in.State == "extend_wrap_up") != (in.Seconds != 0) || in.Seconds < 0 || in.Seconds > 3600:
		return nil, fmt.Errorf("%w: seconds: want 1 to 3600, with extend_wrap_up alone", ErrInvalid)
	}
	return struct{}{}, h.app.CommandAgent(r.Context(), tenant(r), r.PathValue("name"), in)
}

func (h *HTTP) assign(r *http.Request) (any, error) {
	var in Assignment
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	switch {
	case in.Agent == "":
		return nil, fmt.Errorf("%w: agent: want a name", ErrInvalid)
	case in.By != "" && in.By != "api" && in.By != "supervisor":
		return nil, fmt.Errorf("%w: by %q: want api or supervisor", ErrInvalid, in.By)
	case in.PatienceSeconds < 0 || in.PatienceSeconds > 3600:
		return nil, fmt.Errorf("%w: patience_seconds: want 0 to 3600", ErrInvalid)
	}
	return struct{}{}, h.app.Assign(r.Context(), tenant(r), r.PathValue("id"), in)
}

func (h *HTTP) priority(r *http.Request) (any, error) {
	var in struct {
		Priority *int   `json:"priority"`
		By       string `json:"by"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Priority == nil || *in.Priority < -1000 || *in.Priority > 1000 {
		return nil, fmt.Errorf("%w: priority: want -1000 to 1000", ErrInvalid)
	}
	return struct{}{}, h.app.SetPriority(r.Context(), tenant(r), r.PathValue("id"), *in.Priority, in.By)
}

// move reads the body of a waiting call's way to another queue.
func (h *HTTP) move(r *http.Request) (any, error) {
	var in moveBody
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if !resourceName.MatchString(in.Queue) {
		return nil, fmt.Errorf("%w: queue: want the name of a queue", ErrInvalid)
	}
	return struct{}{}, h.app.Move(r.Context(), tenant(r), r.PathValue("id"), in.Queue, whoAsks(r))
}
