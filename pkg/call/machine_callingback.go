package call

import (
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// The call of a callback begins with an offer to an agent and with nobody on leg 0:
// that leg has ended before it began. When the agent has answered, the customer is
// dialled; who answers is the kept leg, and all goes on as with any queue's call.

// CallingBack is the callback that a call is made for.
type CallingBack struct {
	ID       string // of the call that asked for it
	Number   string
	CallerID string // shown to the customer; "" = the trunk's
	To       string // what the customer had called
	Agent    int    // leg of the agent who waits for the customer; 0 = none yet
	Told     bool   // the ACD knows how the try went
}

func queueStepKeys(b flow.Body) string {
	q, ok := b.(*flow.Queue)
	if !ok {
		return ""
	}
	keys := make([]byte, 0, len(q.Keys))
	for k := range q.Keys {
		keys = append(keys, k)
	}
	return string(keys)
}

// calledBack begins the call: its place in the queue has come.
func (m *Machine) calledBack(ev CalledBack) {
	s := &m.S
	s.Ledger.Started, s.Ledger.Since = m.now, m.now
	s.Ledger.Queue = s.Queue
	s.Phase, s.AwaitQueue = Waiting, true
	s.WaitSince = m.now
	from := s.Callback.CallerID
	if from == "" {
		from = s.Callback.To
	}
	m.journal(event.CallStarted{Direction: s.Direction, From: from, To: s.Callback.Number, Callback: s.Callback.ID})
	m.do(SetTimer{TimerMax, s.MaxDuration})
	m.segment(event.SegmentStarted{Segment: event.SegmentRinging, Queue: s.Queue})
	m.offered(ev.Offer)
}

// nobodyYet: a call to the outside that nobody has answered yet has no leg that it
// could keep: nobody joins it, nothing is recorded.
func (m *Machine) nobodyYet() bool { return (m.S.Callback != nil || m.S.Start != nil) && m.S.Kept == 0 }

// callingBack: the customer is being dialled.
func (m *Machine) callingBack() bool {
	return m.S.Callback != nil && m.S.Phase == Dialling && m.S.DialFor == dialForCallback
}

// callCustomer dials, with an agent who has answered.
func (m *Machine) callCustomer(agent int) {
	m.askStop()
	cb := m.S.Callback
	cb.Agent = agent
	rules := m.rules.QueueCallback(m.S.Queue)
	if rules.Announce != "" {
		m.do(PlayPhrases{Leg: agent, ID: m.nextPlay(), Phrases: []prompt.Phrase{{Name: rules.Announce}}, Language: m.S.Language})
	} else {
		m.do(PlayClip{Leg: agent, ID: m.nextPlay(), Clip: ringBack, Loop: true})
	}
	m.dial(dialForCallback, []string{"number:" + cb.Number}, false, rules.Dial, "")
}

// agentTold: the announcement is over, the agent hears that it rings.
func (m *Machine) agentTold() {
	m.do(PlayClip{Leg: m.S.Callback.Agent, ID: m.nextPlay(), Clip: ringBack, Loop: true})
}

// customerProgress: the customer's phone rings; a carrier's own sound is the agent's.
func (m *Machine) customerProgress(ev LegProgressed, first bool) {
	l := &m.S.Legs[ev.Leg]
	if ev.Early && !l.Early && len(m.S.Attempt.Legs) == 1 {
		l.Early = true
		m.do(StopPlay{m.S.Callback.Agent})
		m.do(BridgeLegs{m.S.Callback.Agent, ev.Leg})
	}
}

// customerAnswered joins the two.
func (m *Machine) customerAnswered(leg int) {
	cb := m.S.Callback
	m.tried(acd.TryReached)
	m.S.Ledger.Answered = m.now
	m.journal(event.CallAnswered{})
	m.S.Kept = leg
	m.do(StopPlay{cb.Agent})
	m.connect(cb.Agent)
}

// tried tells the ACD how the try went, once.
func (m *Machine) tried(outcome string) {
	if cb := m.S.Callback; !cb.Told {
		cb.Told = true
		m.tell(acd.CallbackResult{CallID: m.S.ID, Outcome: outcome})
	}
}

// tryOutcome says in the ACD's words why nobody was reached. Without an answer's code
// (0) no carrier was asked at all.
func tryOutcome(r event.Reason, code int) string {
	switch r {
	case event.ReasonBusy, event.ReasonRejected:
		return acd.TryBusy
	case event.ReasonNoAnswer:
		return acd.TryNoAnswer
	case event.ReasonOverload:
		return acd.TryNoLine
	case event.ReasonUnreachable:
		if code == 0 {
			return acd.TryNoLine
		}
		return acd.TryNoAnswer
	}
	return acd.TryFailed
}

// customerFailed: nobody was reached. The agent is freed, the ACD tries again.
func (m *Machine) customerFailed(why event.Reason) {
	m.tried(tryOutcome(why, m.S.FailCode))
	m.end(event.ResultUpstream, why)
}

// agentLeft: the agent has hung up while the customer was dialled.
func (m *Machine) agentLeft() {
	m.tried(acd.TryAgentLeft)
	m.end(event.ResultAgent, event.ReasonCancelled)
}

// callbackGrace is how long the call of a callback waits for a further offer.
const callbackGrace = time.Second

// offersOverFor waits a moment for the next offer: the ACD may have another agent.
func (m *Machine) offersOverFor() {
	if m.S.Callback != nil && m.S.Phase == Waiting {
		m.do(SetTimer{TimerAsk, callbackGrace})
	}
}

// callbackIdle: nobody is offered any more. The callback waits on without a call.
func (m *Machine) callbackIdle() {
	if m.S.Phase == Waiting && m.S.Attempt == nil && m.S.AwaitQueue {
		m.tell(acd.Leave{CallID: m.S.ID, Outcome: acd.LeftTimeout})
	}
}
