// Package agent is the agent's state machine: which state follows which event,
// as one table (table.go) from which docs/states/agent.md is generated. It is
// pure and knows nothing of queues or calls; pkg/acd owns the agents, their
// timers and their offers, and tells the machine the few facts it asks for.
package agent

import (
	"fmt"
	"time"
)

// State is where an agent stands.
type State uint8

const (
	Offline  State = iota // not logged in
	Ready                 // can be offered a caller
	NotReady              // logged in, takes no callers; has a reason
	Reserved              // leased to one caller; the phone does not ring yet
	Ringing               // the phone rings for that caller
	OnCall                // talks: a queue's caller, a direct or an outbound call
	WrapUp                // paper work after a queue's caller, for a bounded time

	// NumStates bounds arrays indexed by State.
	NumStates = int(WrapUp) + 1
)

var stateWords = [NumStates]string{"offline", "ready", "not_ready", "reserved", "ringing", "on_call", "wrap_up"}

// String is the word used in the journal, metrics, API and screens.
func (s State) String() string {
	if int(s) < len(stateWords) {
		return stateWords[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word; an unknown one is an error.
func (s *State) UnmarshalText(b []byte) error {
	for i, w := range stateWords {
		if w == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("agent: unknown state %q", b)
}

// Event is what happens to an agent.
type Event uint8

const (
	LogIn       Event = iota // the agent, or the configuration for a static agent
	LogOut                   // the agent, the API, or removal from the configuration
	SetReady                 // ends not ready and wrap-up
	SetNotReady              // carries a reason
	Reserve                  // the engine leases the agent to a caller
	Ring                     // the phone rings
	Accept                   // the agent answered the offer
	NoAnswer                 // ring time-out: nobody sits there
	Decline                  // busy, rejected or withdrawn by the call: a short pause
	Lost                     // the phone could not be reached; reachability keeps it from offers
	Withdraw                 // the caller left; the agent did nothing
	Occupy                   // the phone is taken by a direct or outbound call
	HangUp                   // a call on the phone is over
	WrapUpOver               // the wrap-up timer, or the agent is done
	PauseOver                // the timer of a pause

	// NumEvents bounds arrays indexed by Event.
	NumEvents = int(PauseOver) + 1
)

var eventNames = [NumEvents]string{"LogIn", "LogOut", "SetReady", "SetNotReady", "Reserve", "Ring", "Accept", "NoAnswer",
	"Decline", "Lost", "Withdraw", "Occupy", "HangUp", "WrapUpOver", "PauseOver"}

func (e Event) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return fmt.Sprintf("Event(%d)", uint8(e))
}

// Facts are what the machine asks of its owner at an event.
type Facts struct {
	Talking bool   // calls are up on the phone after this event
	WrapUp  bool   // wrap-up time is due after this call
	Reason  string // of SetNotReady, NoAnswer, Decline: the not-ready reason
}

// Machine is an agent's state as plain data. The zero value is Offline.
type Machine struct {
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // why not ready
	// Paused: NotReady by the system for a bounded time; the agent did not ask for it.
	Paused bool `json:"paused,omitempty"`
	// After is what follows the call and its wrap-up: Ready, NotReady or
	// Offline. It means something only in OnCall and WrapUp.
	After       State  `json:"after,omitempty"`
	AfterReason string `json:"after_reason,omitempty"`
}

// Verdict is how the machine took an event.
type Verdict uint8

const (
	Moved   Verdict = iota // in the table: state, reason or intention may have changed
	Ignored                // nothing to do, and that is all right
	Refused                // a person asked for what this state cannot give
	Faulty                 // the pair must not occur; state unchanged
)

// Step applies ev. why explains Ignored, Refused and Faulty.
func (m *Machine) Step(ev Event, f Facts) (v Verdict, why string) {
	if int(m.State) >= NumStates || int(ev) >= NumEvents {
		return Faulty, "no such state or event"
	}
	for _, t := range index[m.State][ev] {
		if t.when.holds(m, f) {
			from := m.State
			m.State = t.to
			t.do.apply(m, f, from)
			return Moved, ""
		}
	}
	if p := passed[m.State][ev]; p != nil {
		return p.verdict, p.why
	}
	return Faulty, "not in the table"
}

// Saved is what survives a restart of an agent: whether logged in, and the
// not-ready reason. Calls do not, so a saved agent is Offline, Ready or NotReady.
type Saved struct {
	Agent  string    `json:"agent"`
	State  State     `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// Save reduces m to what survives: pauses and transient states count as Ready,
// a call as what was to follow it.
func (m *Machine) Save() (State, string) {
	switch m.State {
	case Offline:
		return Offline, ""
	case NotReady:
		if m.Paused {
			return Ready, ""
		}
		return NotReady, m.Reason
	case OnCall, WrapUp:
		return m.After, m.AfterReason
	}
	return Ready, ""
}
