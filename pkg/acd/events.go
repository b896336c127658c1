package acd

import (
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// Event is what the engine is told. This file is the whole list.
type Event interface{ acdEvent() }

// Who caused a change of an agent's state.
const (
	ByPhone      = "phone"
	ByAPI        = "api"
	BySupervisor = "supervisor" // may do what the agent may not: end a fixed wrap-up
	BySystem     = "system"
)

// Causes of OfferFailed; also the outcomes of an offer (event.OfferEnded).
const (
	OutcomeAccepted  = "accepted"
	CauseNoAnswer    = "no_answer"
	CauseBusy        = "busy"
	CauseRejected    = "rejected"
	CauseUnreachable = "unreachable"
	CauseCallerLeft  = "caller_left"
	CauseWithdrawn   = "withdrawn"
	// CauseElsewhere: another phone that rang for the same caller was quicker.
	CauseElsewhere = "answered_elsewhere"
)

// Reasons for not ready that the engine gives.
const (
	ReasonRingNoAnswer = "ring_no_answer" // after CauseNoAnswer
	ReasonOneCall      = "one_call"       // the one call on demand is over
	ReasonDeviceGone   = "device_gone"    // the phone was out of reach for PresenceLease
	ReasonCallLost     = "call_lost"      // the browser's phone was lost in mid-call; the call itself tells
)

// FrontAgentLost: the agent's page was lost in mid-call and did not come back.
const FrontAgentLost = "agent_lost"

// OfferOutcomes lists how an offer can end, for metrics that start at zero.
var OfferOutcomes = []string{OutcomeAccepted, CauseNoAnswer, CauseBusy, CauseRejected, CauseUnreachable,
	CauseCallerLeft, CauseWithdrawn, CauseElsewhere}

// Causes lists the failures that Queue.After and Settings.After may name.
var Causes = []string{CauseNoAnswer, CauseBusy, CauseRejected, CauseUnreachable}

// Outcomes of a caller's stay in a queue (event.QueueLeft) and of Refused.
const (
	LeftAnswered  = "answered"
	LeftAbandoned = "abandoned"
	LeftTimeout   = "timeout"
	LeftFull      = "full"
	LeftEmpty     = "empty"
	LeftKey       = "key"
	LeftError     = "error"
	LeftShutdown  = "shutdown"
	LeftOverflow  = "overflow" // a rule of Queue.Overflow held
	LeftCallback  = "callback" // will be called back, and keeps the place
	// RefusedUnknown: Enter named a queue that is not configured. It exists only
	// in Refused.
	RefusedUnknown = "unknown"
)

// LeftOutcomes lists how a stay can end, for metrics that start at zero.
var LeftOutcomes = []string{LeftAnswered, LeftAbandoned, LeftTimeout, LeftFull, LeftEmpty, LeftKey, LeftError, LeftShutdown, LeftOverflow, LeftCallback}

type (
	// Configure replaces queues and agents. Callers keep their places, agents
	// their states; callers of a queue that is gone leave with LeftError; an
	// agent that is gone leaves at once, or after the call.
	Configure struct {
		Queues   []Queue
		Agents   []Agent
		Settings Settings
	}
	// Restore puts agents back into the states they had before a restart,
	// before anybody is offered anything. Unknown agents are passed over.
	Restore struct{ Agents []agent.Saved }

	// Enter asks for a place in a queue. Answered by Joined or Refused.
	Enter struct {
		CallID   string
		Queue    string
		Priority int
		Skills   map[string]int // skill -> least level, beside the queue's
		Need     string         // an expression that may relax, beside the queue's
		// ArrivedAt orders callers and is what relaxing and tiers count from; zero or
		// in the future = now. A caller who comes back to a queue may bring the time
		// already spent.
		ArrivedAt time.Time
		// From is who calls, as the house knows it (a number, a customer): the key of
		// the memory of last agents. "" = unknown.
		From string
		// Returns is by whom a caller is known who is cut off and calls again, "" for
		// one who cannot be told from others (anonymous).
		Returns string
		// Stays: the queue's rules of overflow do not count, this caller was sent on
		// often enough.
		Stays bool
		// Front puts the caller before all who came without it, whatever their priority:
		// a word that says why (FrontAgentLost); "" = in turn. MaxLength
		// does not count for who was served already.
		Front string
		// Agent: wait for this agent alone for Patience (0 = the queue's, or 30 s),
		// in the queue as the back-up; at once in the queue when the agent cannot
		// come: logged out, not ready, out of reach. "" = the last agent, if the
		// queue says so. The agent need not be a member.
		Agent    string
		Patience time.Duration
	}
	// Leave takes a caller out: hung up, key pressed, shutdown. Outcome ""
	// means LeftAbandoned. A call that waits nowhere is passed over.
	Leave struct {
		CallID  string
		Outcome string
	}
	// Gone is the last word about a call: whatever is still tied to it is
	// undone (a place in a queue, an offer, agents on that call). It makes up
	// for a Leave, CallEnded or Release that never came.
	Gone struct{ CallID string }

	// LogIn makes an agent ready (on call, if the phone already talks). Device is
	// where the agent sits today; "" = the configured one. Once: for one call.
	LogIn struct {
		Agent, Reason, By string
		Device            string
		Once              bool
	}
	// LogOut takes an agent out; after the call, if there is one.
	LogOut struct{ Agent, Reason, By string }
	// SetReady ends not ready and wrap-up. Once: for one call.
	SetReady struct {
		Agent, Reason, By string
		Once              bool
	}
	// SetNotReady takes an agent out of offers for Reason; after the call, if
	// there is one. An offer that rings is withdrawn.
	SetNotReady struct{ Agent, Reason, By string }
	// WrapUpDone ends wrap-up early.
	WrapUpDone struct{ Agent, Reason, By string }
	// ExtendWrapUp adds to a wrap-up under way, as far as the queue lets it.
	ExtendWrapUp struct {
		Agent, By string
		For       time.Duration
	}
	// Disposed: the agent said how the call went, during it or after it.
	Disposed struct{ Agent, CallID string }
	// Reach tells whether a phone can be reached (has a binding, answers OPTIONS).
	// Until told, it is taken to be. Device, or else the Agent's.
	Reach struct {
		Agent     string
		Reachable bool
		Device    string
	}

	// Assign gives a waiting caller to an agent, out of turn. Pull: the agent takes
	// the caller, and becomes ready for this one call if not ready. Otherwise a
	// supervisor gives the caller, who waits for that agent for Patience (0 = 2 min)
	// and keeps the place in the queue.
	Assign struct {
		CallID, Agent, By string
		Pull              bool
		Patience          time.Duration
	}
	// SetPriority changes a waiting call's own priority, and with it the place.
	SetPriority struct {
		CallID, By string
		Priority   int
	}
	// Move sends a waiting caller on, as a rule of overflow would: To is a target of
	// Overflow, "queue:NAME". By is who asked.
	Move struct{ CallID, To, By string }
	// Remember tells who last talked to a caller, from before the engine's time.
	Remember struct {
		From, Agent string
		At          time.Time
	}

	// KeepPlaces keeps the places of callers whom the end of the process before this
	// one cut off, in the order in which they stood.
	KeepPlaces struct{ Places []KeptPlace }

	// OfferRinging: the agent's phone rings.
	OfferRinging struct{ OfferID string }
	// OfferAccepted: the agent has answered.
	OfferAccepted struct{ OfferID string }
	// OfferFailed: the offer came to nothing, for one of the causes above.
	OfferFailed struct{ OfferID, Cause string }

	// CallEnded: the conversation of an agent with a caller from a queue is over.
	CallEnded struct{ Agent, CallID string }
	// Occupy: the agent's phone is taken by a direct or outbound call. An offer
	// is withdrawn.
	Occupy struct{ Agent, CallID string }
	// Release ends Occupy.
	Release struct{ Agent, CallID string }
	// Repair makes everything that is derived anew, gives back what is half
	// reserved, and serves everybody: the cure of a Breach.
	Repair struct{}
	// Tick only lets deadlines pass.
	Tick struct{}
)

func (Configure) acdEvent()     {}
func (Restore) acdEvent()       {}
func (Enter) acdEvent()         {}
func (Leave) acdEvent()         {}
func (Gone) acdEvent()          {}
func (LogIn) acdEvent()         {}
func (LogOut) acdEvent()        {}
func (SetReady) acdEvent()      {}
func (SetNotReady) acdEvent()   {}
func (WrapUpDone) acdEvent()    {}
func (Reach) acdEvent()         {}
func (ExtendWrapUp) acdEvent()  {}
func (Disposed) acdEvent()      {}
func (Assign) acdEvent()        {}
func (SetPriority) acdEvent()   {}
func (Move) acdEvent()          {}
func (Remember) acdEvent()      {}
func (KeepPlaces) acdEvent()    {}
func (OfferRinging) acdEvent()  {}
func (OfferAccepted) acdEvent() {}
func (OfferFailed) acdEvent()   {}
func (CallEnded) acdEvent()     {}
func (Occupy) acdEvent()        {}
func (Release) acdEvent()       {}
func (Repair) acdEvent()        {}
func (Tick) acdEvent()          {}
