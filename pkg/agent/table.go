package agent

// guard is a condition of a transition, closed over the machine and its facts.
type guard uint8

const (
	always guard = iota
	whenTalking
	whenWrapUp
	whenAfterOffline
	whenAfterNotReady
	whenPaused
)

var guardWords = [...]string{"", "still talking", "wrap-up due", "logs out after the call", "not ready after the call", "paused"}

func (g guard) holds(m *Machine, f Facts) bool {
	switch g {
	case whenTalking:
		return f.Talking
	case whenWrapUp:
		return f.WrapUp
	case whenAfterOffline:
		return m.After == Offline
	case whenAfterNotReady:
		return m.After == NotReady
	case whenPaused:
		return m.Paused
	}
	return true
}

// action is what a transition does beside the state.
type action uint8

const (
	clear            action = iota // no reason, no pause, ready afterwards
	keep                           // nothing changes but the state
	giveReason                     // not ready for the reason of the event
	pause                          // the same, for a bounded time
	takeAfter                      // not ready for the reason kept since the call
	thenBack                       // after the call: what the agent was
	thenReady                      // after the call: ready
	thenNotReady                   // after the call: not ready for the reason of the event
	thenOffline                    // after the call: logged out
	talkThenReady                  // as clear, while the phone talks
	keepWrapUpsAfter               // after the call: what was to follow the wrap-up
)

var actionWords = [...]string{"", "", "with reason", "with reason, for a bounded time", "with the reason given", "then back to what it was",
	"then ready", "then not ready", "then log out", "then ready", "then what was to follow"}

func (a action) apply(m *Machine, f Facts, from State) {
	switch a {
	case clear, talkThenReady:
		m.Reason, m.Paused, m.After, m.AfterReason = "", false, Ready, ""
	case giveReason:
		m.Reason, m.Paused, m.After, m.AfterReason = f.Reason, false, Ready, ""
	case pause:
		m.Reason, m.Paused, m.After, m.AfterReason = f.Reason, true, Ready, ""
	case takeAfter:
		m.Reason, m.Paused, m.After, m.AfterReason = m.AfterReason, false, Ready, ""
	case thenBack:
		m.After, m.AfterReason = Ready, ""
		if from == NotReady && !m.Paused {
			m.After, m.AfterReason = NotReady, m.Reason
		}
		m.Reason, m.Paused = "", false
	case thenReady:
		m.After, m.AfterReason = Ready, ""
	case thenNotReady:
		m.After, m.AfterReason = NotReady, f.Reason
	case thenOffline:
		m.After, m.AfterReason = Offline, ""
	}
}

type transition struct {
	from State
	ev   Event
	to   State
	when guard
	do   action
}

// transitions is the agent's table. Rows of one pair are tried in order; the
// first whose guard holds is taken. The chart in docs/states/agent.md is
// generated from it.
var transitions = []transition{
	// A phone may talk (a direct call) before its agent logs in.
	{Offline, LogIn, OnCall, whenTalking, talkThenReady},
	{Offline, LogIn, Ready, always, clear},

	{Ready, LogOut, Offline, always, clear},
	{Ready, SetNotReady, NotReady, always, giveReason},
	{Ready, Reserve, Reserved, always, clear},
	{Ready, Occupy, OnCall, always, thenBack},

	{NotReady, LogIn, Ready, always, clear}, // logging in again is how many a phone user says "I am here"
	{NotReady, LogOut, Offline, always, clear},
	{NotReady, SetReady, Ready, always, clear},
	{NotReady, SetNotReady, NotReady, always, giveReason},
	{NotReady, PauseOver, Ready, whenPaused, clear},
	{NotReady, Occupy, OnCall, always, thenBack},

	{Reserved, Ring, Ringing, always, keep},
	{Reserved, Accept, OnCall, always, talkThenReady}, // a phone may answer without 180
	{Reserved, NoAnswer, NotReady, always, giveReason},
	{Reserved, Decline, NotReady, always, pause},
	{Reserved, Lost, Ready, always, clear},
	{Reserved, Withdraw, Ready, always, clear},
	{Reserved, Occupy, OnCall, always, talkThenReady},
	{Reserved, SetNotReady, NotReady, always, giveReason},
	{Reserved, LogOut, Offline, always, clear},

	{Ringing, Accept, OnCall, always, talkThenReady},
	{Ringing, NoAnswer, NotReady, always, giveReason}, // else the next call rings the empty chair again
	{Ringing, Decline, NotReady, always, pause},
	{Ringing, Lost, Ready, always, clear},
	{Ringing, Withdraw, Ready, always, clear},
	{Ringing, Occupy, OnCall, always, talkThenReady},
	{Ringing, SetNotReady, NotReady, always, giveReason},
	{Ringing, LogOut, Offline, always, clear},

	{OnCall, LogIn, OnCall, whenAfterOffline, thenReady},
	{OnCall, LogOut, OnCall, always, thenOffline},
	{OnCall, SetReady, OnCall, always, thenReady},
	{OnCall, SetNotReady, OnCall, always, thenNotReady},
	{OnCall, Occupy, OnCall, always, keep}, // a second call: consultation
	{OnCall, HangUp, OnCall, whenTalking, keep},
	{OnCall, HangUp, Offline, whenAfterOffline, clear},
	{OnCall, HangUp, WrapUp, whenWrapUp, keep},
	{OnCall, HangUp, NotReady, whenAfterNotReady, takeAfter},
	{OnCall, HangUp, Ready, always, clear},

	{WrapUp, LogOut, Offline, always, clear},
	{WrapUp, SetReady, Ready, always, clear},
	{WrapUp, SetNotReady, NotReady, always, giveReason},
	{WrapUp, WrapUpOver, NotReady, whenAfterNotReady, takeAfter},
	{WrapUp, WrapUpOver, Ready, always, clear},
	{WrapUp, Occupy, OnCall, always, keepWrapUpsAfter},
}

type pass struct {
	from    State
	ev      Event
	verdict Verdict
	why     string
}

// passes are the pairs outside the table that may occur all the same. A pair in
// neither list is a fault.
var passes = []pass{
	{Offline, LogOut, Ignored, "is logged out"},
	{Offline, SetReady, Refused, "not logged in"},
	{Offline, SetNotReady, Refused, "not logged in"},
	{Offline, Occupy, Ignored, "the phone may be used while nobody is logged in"},
	{Offline, HangUp, Ignored, "the phone may be used while nobody is logged in"},
	{Offline, WrapUpOver, Refused, "not logged in"},

	{Ready, LogIn, Ignored, "is logged in and ready"},
	{Ready, SetReady, Ignored, "is ready"},
	{Ready, WrapUpOver, Ignored, "wrap-up has ended: timer and agent crossed"},

	{NotReady, WrapUpOver, Ignored, "wrap-up has ended: timer and agent crossed"},

	{Reserved, LogIn, Ignored, "is being offered a caller"},
	{Reserved, SetReady, Ignored, "is being offered a caller"},
	{Reserved, WrapUpOver, Ignored, "wrap-up has ended: timer and agent crossed"},

	{Ringing, LogIn, Ignored, "is being offered a caller"},
	{Ringing, SetReady, Ignored, "is being offered a caller"},
	{Ringing, Ring, Ignored, "more 180s: a phone with several contacts"},
	{Ringing, WrapUpOver, Ignored, "wrap-up has ended: timer and agent crossed"},

	{OnCall, LogIn, Ignored, "is logged in"},
	{OnCall, WrapUpOver, Refused, "still on a call"},

	{WrapUp, LogIn, Ignored, "is logged in; ready ends wrap-up"},
}

var (
	index  [NumStates][NumEvents][]transition
	passed [NumStates][NumEvents]*pass
)

func init() {
	for _, t := range transitions {
		index[t.from][t.ev] = append(index[t.from][t.ev], t)
	}
	for i := range passes {
		passed[passes[i].from][passes[i].ev] = &passes[i]
	}
}
