package call

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
)

// wish is what a flow asks of a queue beside a place in it.
type wish struct {
	Skills   map[string]int
	Need     string // skill expression
	Agent    string // wait for this agent alone first
	Patience time.Duration
	Music    string // "" = the queue's
}

// enterQueue answers the caller, plays music and hands the caller to the ACD.
func (m *Machine) enterQueue(queue string, priority int, w wish) {
	m.S.WaitSince = m.now
	m.joinQueue(queue, priority, w)
}

// joinQueue is enterQueue for a caller who may have waited elsewhere before.
func (m *Machine) joinQueue(queue string, priority int, w wish) {
	m.answer()
	m.S.Wish, m.S.WishFor = w, priority
	m.S.Phase, m.S.Queue = Waiting, queue
	m.S.Ledger.Queue = queue
	m.restMusic() // of the queue that the caller comes from
	music := w.Music
	if music == "" {
		music = m.music()
	}
	if music != m.S.Music {
		m.S.Music, m.S.MusicAt = music, 0
	}
	m.segment(event.SegmentStarted{Segment: event.SegmentWaiting, Queue: queue})
	m.S.AwaitQueue = true
	front := m.S.Front
	m.S.Front = ""
	m.tell(acd.Enter{Front: front, CallID: m.S.ID, Queue: queue, Priority: priority, Skills: w.Skills, Need: w.Need, Agent: w.Agent,
		Patience: w.Patience, From: m.S.From, ArrivedAt: m.S.WaitSince, Returns: m.knownCaller(), Stays: m.S.SentOn >= acd.MaxSentOn})
	m.playMusic()
}

func (m *Machine) knownCaller() string { return KnownCaller(m.S.From, m.S.Private) }

// KnownCaller is a caller's number, if it tells this caller from others; "" = not.
func KnownCaller(n string, private bool) string {
	if !private && len(strings.Trim(n, "+0")) > 0 && strings.Trim(n, "+0123456789") == "" {
		return n
	}
	return ""
}

// overflow carries the caller to where a rule of the queue leads. The wait so far
// counts in the next queue.
func (m *Machine) overflow(to string) {
	kind, name := splitTarget(to)
	switch kind {
	case "queue":
		m.joinQueue(name, m.S.WishFor, m.S.Wish)
	case "flow":
		m.startFlow(name)
	case "device":
		m.S.IVR = nil
		m.dial(dialForRoute, []string{to}, false, defaultRing, "")
	case "voicemail":
		m.S.IVR = nil
		m.leaveMessage(name, 0)
	default: // a number: the trunk knows how long it rings
		m.S.IVR = nil
		m.dial(dialForRoute, []string{to}, false, 0, "")
	}
}

// restMusic keeps the place in the music that plays, which something else replaces
// now: an announcement, a conversation, the flow. A queue with the same music goes on
// from there.
func (m *Machine) restMusic() {
	if m.S.MusicFrom.IsZero() {
		return
	}
	m.S.MusicAt += m.now.Sub(m.S.MusicFrom).Truncate(20 * time.Millisecond)
	m.S.MusicFrom = time.Time{}
}

// playMusic goes on where this caller left the music.
func (m *Machine) playMusic() {
	m.S.MusicFrom = m.now
	m.speak([]prompt.Phrase{{Name: m.S.Music}}, true, m.S.MusicAt)
}

func (m *Machine) fromACD(e acd.Effect) {
	switch e := e.(type) {
	case acd.Joined:
		if t := m.S.Transfer; t != nil && m.S.Phase == Waiting {
			m.transferDone() // the queue has taken the caller in: who transferred may go
		}
	case acd.Refused:
		m.leftQueue(e.Outcome, "")
	case acd.LeftQueue:
		m.leftQueue(e.Outcome, e.To)
	case acd.Offer:
		m.offered(e)
	case acd.WithdrawOffer:
		if a := m.S.Attempt; a != nil && a.offer(e.OfferID, 0) >= 0 {
			m.endOffer(e.OfferID, withdrawnWhy(e.Why))
		} else if (m.S.Phase == Talking || m.S.Brief != nil) && m.S.AwaitQueue && m.S.OfferID == e.OfferID {
			// The agent picked up while the ACD took the offer back. They talk:
			// the ACD must take the caller as served and the agent as busy.
			m.tell(acd.Leave{CallID: m.S.ID, Outcome: acd.LeftAnswered})
			m.tell(acd.Occupy{Agent: e.Agent, CallID: m.S.ID})
			p := m.S.Peer
			if m.S.Brief != nil {
				p = m.S.Brief.Leg
			}
			if m.S.Legs[p].Agent == e.Agent && m.S.Legs[p].Busy == BusyByQueue {
				m.S.Legs[p].Busy = BusyDirect
			}
		}
	case acd.Announce:
		m.announce(e)
	case acd.CallbackTaken:
		m.asked("")
	case acd.CallbackRefused:
		m.asked(e.Why)
	}
	// Ignored: AgentChanged, Decided: the dispatcher has journalled them.
}

func (m *Machine) leftQueue(outcome, to string) {
	if m.S.Brief != nil {
		m.S.AwaitQueue = false // the agent has the call, whatever the queue says
		return
	}
	if outcome == acd.LeftAnswered && m.S.Phase == Waiting {
		return // of the stay before this one: transferred before we were told
	}
	m.S.AwaitQueue = false
	if m.S.Phase == Waiting {
		m.ringOver()
		m.askStop()
	}
	switch {
	case m.ending():
		m.maybeFinish()
	case m.callingBack() && outcome != acd.LeftAnswered:
		m.S.Callback.Told = true // it was taken back in the moment in which the agent answered
		m.end(event.ResultOurs, event.ReasonCancelled)
	case m.S.Phase == Waiting && m.S.Callback != nil:
		m.end(event.ResultOurs, event.ReasonCancelled) // it is cancelled, or waits on without a call
	case m.S.Phase == Waiting:
		m.endAttempt("withdrawn")
		m.restMusic()
		m.do(StopPlay{m.S.Kept})
		if m.S.Transfer != nil {
			m.transferFailed(event.ReasonNoAnswer, 0)
			return
		}
		switch {
		case outcome == acd.LeftCallback:
			m.callbackTaken()
			return
		case outcome == acd.LeftKey && m.S.KeyTo != "":
			to, m.S.KeyTo = m.S.KeyTo, ""
		}
		if outcome == acd.LeftOverflow {
			m.S.SentOn++ // also back to the flow: it may lead here again
		}
		if to != "" {
			m.overflow(to)
			return
		}
		m.backToFlow(ivr.QueueLeft{Outcome: outcome}, "no_agents", event.ResultOurs, event.ReasonNoAnswer)
	}
}

func (m *Machine) offered(o acd.Offer) {
	if m.S.Phase != Waiting || m.S.Brief != nil || m.S.Attempt != nil && len(m.S.Attempt.Offers) == 0 {
		// The caller left while the offer was on its way.
		m.tell(acd.OfferFailed{OfferID: o.OfferID, Cause: acd.CauseCallerLeft})
		return
	}
	if m.S.Attempt == nil {
		m.S.Attempt = &Attempt{Since: m.now}
	}
	a := m.S.Attempt
	if a.offer(o.OfferID, 0) >= 0 {
		return // told twice
	}
	a.Offers = append(a.Offers, Offered{OfferID: o.OfferID, Pending: true})
	a.Pending++
	m.S.DialFor = dialForOffer
	m.do(DialDevice{Device: o.Device, Agent: o.Agent, Ring: o.Deadline.Sub(m.now), Offer: o.OfferID})
}

// withdrawnWhy is what a phone hears about an offer that is taken back: one that
// another has answered is no missed call (RFC 3326, 200 in a Reason).
func withdrawnWhy(why string) string {
	if why == acd.CauseElsewhere {
		return "answered elsewhere"
	}
	return "withdrawn"
}

// endOffer hangs up the phones of one offer; others may ring on.
func (m *Machine) endOffer(id, why string) {
	a := m.S.Attempt
	i := a.offer(id, 0)
	o := a.Offers[i]
	a.Offers = slices.Delete(a.Offers, i, i+1)
	if o.Pending {
		a.Pending--
	}
	for _, l := range o.Legs {
		m.endLeg(l, why)
	}
	if len(a.Offers) == 0 {
		m.endAttempt(why)
	}
}

// offersOver tells the ACD which offers have come to nothing.
func (m *Machine) offersOver() {
	a := m.S.Attempt
	for i := 0; i < len(a.Offers); {
		o := a.Offers[i]
		if o.Pending || slices.ContainsFunc(o.Legs, func(l int) bool { return m.S.Legs[l].State < LegEnding }) {
			i++
			continue
		}
		a.Offers = slices.Delete(a.Offers, i, i+1)
		m.tell(acd.OfferFailed{OfferID: o.OfferID, Cause: offerCause[cmp.Or(o.Failed, event.ReasonUnreachable)]})
	}
	if len(a.Offers) == 0 {
		m.S.Attempt = nil
		m.stopTimer(TimerRing)
		m.offersOverFor()
	}
}

// announce tells the caller what the queue's announce names; the music goes on
// afterwards where it was. A wait that nobody knows is not told.
func (m *Machine) announce(e acd.Announce) {
	if m.S.Phase != Waiting || m.S.Attempt != nil || m.S.Brief != nil || m.S.Asking != nil {
		return
	}
	what := m.rules.QueueAnnounce(m.S.Queue, e.Items)
	if len(what) == 0 {
		what = []string{resource.AnnouncePosition}
	}
	var say []prompt.Phrase
	for _, w := range what {
		switch {
		case w == resource.AnnouncePosition:
			say = append(say, prompt.Language(m.S.Language).Position(e.Position)...)
		case w == resource.AnnounceCallback:
			say = append(say, m.offerCallback(e.Estimate)...)
		case w != resource.AnnounceEstimate:
			say = append(say, prompt.Phrase{Name: w})
		case e.Estimate >= 0:
			say = append(say, prompt.Language(m.S.Language).Wait(e.Estimate)...)
		}
	}
	if len(say) == 0 {
		return
	}
	m.restMusic()
	m.S.Telling = m.speak(say, false, 0)
}

// leaveQueue takes the waiting caller out by the flow's wish (a key, a time of
// its own). An agent who has the call already keeps it.
func (m *Machine) leaveQueue(outcome string) {
	if m.S.Phase != Waiting || !m.S.AwaitQueue || m.S.Brief != nil {
		return
	}
	m.tell(acd.Leave{CallID: m.S.ID, Outcome: outcome})
}
