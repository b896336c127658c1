// Package ivr runs flows (package ivr/flow) for calls: events and the time go
// in, actions come out. It is pure: no I/O, no clock, no goroutine. Whoever
// calls it owns the State, which is plain data and can be written down as JSON
// and carried on elsewhere.
package ivr

import (
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/schedule"
)

// Input is what a flow knows of its call.
type Input struct {
	Tenant   string
	CallID   string
	From     string
	To       string // what was dialled
	Language string // "" = the flow's, then "en"
	Answered bool   // the caller's leg has its 200 already
	// Schedules by name, of the call's tenant.
	Schedules map[string]*schedule.Schedule
	// Previous is the state in which another flow ended with CallFlow.
	Previous *State
}

// State is where a call is in a flow.
type State struct{}

// Start starts.
func Start(now time.Time, f *flow.Flow, in Input) (*State, []Action) { return nil, nil }

// Step steps.
func Step(now time.Time, f *flow.Flow, s *State, ev Event) []Action { return nil }
