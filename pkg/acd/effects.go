package acd

import (
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// Effect is what the engine wants done, in order. This file is the whole list.
type Effect interface{ acdEffect() }

type (
	// Offer: ring this agent's device for this call. Answer with OfferRinging
	// and then OfferAccepted or OfferFailed; after Deadline the engine withdraws.
	Offer struct {
		OfferID  string
		CallID   string
		Queue    string
		Agent    string
		Device   string
		Deadline time.Time
		Callback string // the caller is a callback, of this id; "" = is on the line
	}
	// WithdrawOffer: stop ringing. Why is an offer's outcome. If the phone was
	// picked up in that moment, an OfferAccepted that crosses this one still
	// counts as long as the caller waits: LeftQueue with LeftAnswered follows.
	WithdrawOffer struct{ OfferID, CallID, Agent, Why string }
	// OfferEnded closes each Offer once, for the journal. Ring is the time
	// since the offer was made.
	OfferEnded struct {
		OfferID, CallID, Queue, Agent string
		Outcome                       string
		Ring                          time.Duration
	}
	// Joined: the caller waits. Position 1 is next. Priority is the call's own
	// plus the queue's, QueuePriority of it the queue's. Need is the call's own, in
	// the words that Enter.Need takes ("" = none), Agent whom it asked for.
	Joined struct {
		CallID, Queue      string
		Position, Priority int
		QueuePriority      int
		Need, Agent        string
		// Before is the call that was cut off and whose place this caller has, "" =
		// none; Waited what that one had waited.
		Before string
		Waited time.Duration
		// Estimate is what is left to wait (see EstimateShare); negative = unknown.
		Estimate time.Duration
		// Callback: it is no caller but the callback of this id.
		Callback string
		Front    string // of Enter
	}
	// Refused: the caller did not get in: LeftFull, LeftEmpty or RefusedUnknown.
	Refused struct{ CallID, Queue, Outcome string }
	// LeftQueue: the caller is out. Agent is who answered, for LeftAnswered.
	LeftQueue struct {
		CallID, Queue string
		Outcome       string
		Wait          time.Duration
		Agent         string
		// To and Why are of LeftOverflow: where the rule leads, and what held.
		To, Why string
		// Estimate is what Joined has told.
		Estimate time.Duration
		Callback string // as in Joined
	}
	// Announce: tell the caller the position, and what is left to wait (negative =
	// unknown, see EstimateShare). Items has a bit for each item of Queue.Announce that is
	// due; 0 = the queue has none, all is told at once.
	Announce struct {
		CallID, Queue string
		Position      int
		Estimate      time.Duration
		Items         uint32
	}
	// AgentChanged: an agent's state or reason has changed.
	AgentChanged struct{ event.AgentStateChanged }
	// Decided is the account of a choice, or of finding nobody for a caller.
	Decided struct {
		event.Decision
		CallID string
	}
	// Assigned: a caller was given to an agent out of turn, by whom.
	Assigned struct {
		event.QueueAssigned
		CallID string
	}
	// PriorityChanged: a waiting call's priority, with the queue's, was changed.
	PriorityChanged struct {
		event.QueuePriority
		CallID string
	}
	// Fault: something that cannot be, happened. The state is unchanged by it.
	// Rule is from the list Faults.
	Fault struct{ Rule, Detail string }
)

// Rules of Fault.
const (
	FaultUnknownAgent  = "unknown_agent"
	FaultUnknownOffer  = "unknown_offer"
	FaultDuplicateCall = "duplicate_call"
	FaultBadCause      = "bad_cause"
	FaultBadConfig     = "bad_config"
	FaultTransition    = "transition" // a pair the agent table does not know
	FaultUnknownEvent  = "unknown_event"
	FaultBadNeed       = "bad_need" // a caller's need does not parse: it counts as any
)

// Faults lists the rules of Fault, for metrics that start at zero.
var Faults = []string{FaultUnknownAgent, FaultUnknownOffer, FaultDuplicateCall, FaultBadCause, FaultBadConfig, FaultTransition, FaultUnknownEvent, FaultBadNeed}

func (Offer) acdEffect()           {}
func (WithdrawOffer) acdEffect()   {}
func (OfferEnded) acdEffect()      {}
func (Joined) acdEffect()          {}
func (Refused) acdEffect()         {}
func (LeftQueue) acdEffect()       {}
func (Announce) acdEffect()        {}
func (AgentChanged) acdEffect()    {}
func (Decided) acdEffect()         {}
func (Assigned) acdEffect()        {}
func (PriorityChanged) acdEffect() {}
func (Fault) acdEffect()           {}
