package acd

import (
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// Snapshot is all that an engine holds, as plain serialisable values. Queues
// and agents are sorted by name, callers by position.
type Snapshot struct {
	At     time.Time       `json:"at"`
	Queues []QueueSnapshot `json:"queues"`
	Agents []AgentSnapshot `json:"agents"`
}

// QueueSnapshot is one queue and who waits in it.
type QueueSnapshot struct {
	Name     string           `json:"name"`
	Callers  []CallerSnapshot `json:"callers"`
	Waiting  int              `json:"waiting"` // being offered included
	Oldest   time.Time        `json:"oldest"`  // when the one waiting longest joined; zero = nobody
	LoggedIn int              `json:"logged_in"`
	Free     int              `json:"free"` // ready and reachable
	// States counts members by state word, and "unreachable" for those ready
	// but out of reach.
	States map[string]int `json:"states"`
}

// CallerSnapshot is one caller in a queue.
type CallerSnapshot struct {
	CallID   string         `json:"call_id"`
	Position int            `json:"position"`
	Priority int            `json:"priority"` // the call's own
	Joined   time.Time      `json:"joined"`
	Arrived  time.Time      `json:"arrived"`
	Skills   map[string]int `json:"skills,omitempty"`
	OfferID  string         `json:"offer_id,omitempty"` // while an agent is offered
	Agent    string         `json:"agent,omitempty"`
	Deadline time.Time      `json:"deadline,omitzero"`
}

// AgentSnapshot is one agent.
type AgentSnapshot struct {
	Name      string      `json:"name"`
	Device    string      `json:"device"`
	State     agent.State `json:"state"`
	Reason    string      `json:"reason,omitempty"`
	Since     time.Time   `json:"since"`
	After     agent.State `json:"after"` // what follows the call
	Reachable bool        `json:"reachable"`
	IdleSince time.Time   `json:"idle_since,omitzero"`
	Deadline  time.Time   `json:"deadline,omitzero"` // of the state, if it should pass
	Calls     []string    `json:"calls,omitempty"`
	OfferID   string      `json:"offer_id,omitempty"`
	Queues    []string    `json:"queues"`
}
