package call

import (
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
)

// Rules is what a call asks of the house's configuration. It is a snapshot: a
// call ends by the rules it began with.
type Rules interface {
	// Flow returns a checked flow, nil when there is none of that name.
	Flow(name string) *flow.Flow
	// FlowInput completes what a flow may ask about (schedules, variables).
	FlowInput(in ivr.Input) ivr.Input
	// QueueRecord and QueueMusic are the queue's own settings, "" when it has none.
	QueueRecord(queue string) resource.Record
	QueueMusic(queue string) string
	// QueueSurvey is the flow that callers go to when the agent has hung up, "" none.
	QueueSurvey(queue string) string
	// QueueAnnounce lists what waiting callers are told: "position", "estimate" or
	// names of prompts; empty = the position. items has a bit for each item that is
	// due, 0 = all.
	QueueAnnounce(queue string, items uint32) []string
	// AgentOf names the user who takes calls on a device, "" when nobody does.
	AgentOf(device string) string
	// DefaultTarget is where a call goes whose flow failed: "queue:x",
	// "device:x", "flow:x" or "".
	DefaultTarget() string
	// InCallCodes maps a code dialled in a conversation to "transfer",
	// "conference" or "record_" and one of recordActions; empty = keys mean nothing to us there.
	InCallCodes() map[string]string
	// Parking is how long a caller waits in a slot before who parked it is rung, and
	// how many slots there are; zero takes the default.
	Parking() (wait time.Duration, slots int)
	// Resume is how long a browser's phone that is lost in mid-call keeps its place (0
	// = not at all), and what the other side hears meanwhile, before music.
	Resume() (within time.Duration, prompt string)
	// AgentAnnouncement is the prompt that an agent hears before the conversation, ""
	// = none, and the unit in which the caller's wait is said after it, 0 = not.
	AgentAnnouncement(queue string) (prompt string, unit time.Duration)
	// QueueKeys maps the keys that callers may press in a queue to what they do; nil =
	// they do nothing. QueueCallback says how the queue calls back, MayCallBack in which
	// form it dials a number, and false when it may not.
	QueueKeys(queue string) map[byte]string
	QueueCallback(queue string) Callback
	MayCallBack(queue, number string) (dial string, ok bool)
	// MaySupervise tells whether a user may listen to calls of a queue ("" = of
	// none) in a mode: ModeMonitor, ModeWhisper or ModeBarge.
	MaySupervise(user, mode, queue string) bool
	// Voicemail is the tenant's boxes, nil when it has none.
	Voicemail() *Voicemails
}

// Bounds of one call.
const (
	maxFlowsPerCall = 200              // gotos between flows, calls and returns; more is a loop
	endingBound     = 8 * time.Second  // closing legs, queue and recording; SIP goes on alone after it
	defaultRing     = 60 * time.Second // direct calls and dial steps without a time of their own
)

// Machine is the pure state machine of one call.
type Machine struct {
	S     State
	rules Rules
	out   []Effect
	now   time.Time
}

// NewMachine makes the machine of a call that was invited. s holds who calls
// whom; the rest begins at zero.
func NewMachine(s State, rules Rules) *Machine {
	s.Legs = append(s.Legs[:0:0], s.Legs...)
	return &Machine{S: s, rules: rules}
}

// Step takes one event and returns what to do, in order. The slice is good
// until the next Step.
func (m *Machine) Step(now time.Time, ev Event) []Effect {
	m.out, m.now = m.out[:0], now
	if m.S.Phase == Ended {
		return nil // ignored: the verdict is written, handles are closed
	}
	switch ev := ev.(type) {
	case Invited:
		m.invited(ev)
	case ReferTold:
		m.referTold(ev)
	case Started:
		m.started()
	case CalledBack:
		m.calledBack(ev)
	case DialStarted:
		m.dialStarted(ev)
	case DialFailed:
		m.dialFailed(ev)
	case OutsideFound:
		m.outsideFound(ev)
	case LegProgressed:
		m.legProgressed(ev)
	case LegPickedUp:
		m.legPickedUp(ev)
	case LegRefused:
		m.legRefused(ev)
	case LegGone:
		m.legGone(ev)
	case LegMeasured:
		m.legMeasured(ev)
	case HoldChanged:
		m.holdChanged(ev)
	case Key:
		m.key(ev)
	case Played:
		m.played(ev)
	case PlayFailed:
		m.playFailed(ev)
	case SilentLeg:
		m.silentLeg(ev)
	case LegAway:
		m.legAway(ev)
	case LegBack:
		m.legBack(ev)
	case AudioAlarm:
		if m.known(ev.Leg) {
			l := &m.S.Legs[ev.Leg]
			m.journal(event.AudioAlarm{Leg: ev.Leg, Alarm: ev.Alarm, SilentMs: ev.Silence.Milliseconds(), Device: l.Device, Trunk: l.Trunk})
		}
	case AudioCleared:
		if m.known(ev.Leg) {
			m.journal(event.AudioCleared{Leg: ev.Leg, Alarm: ev.Alarm, LastedMs: ev.Lasted.Milliseconds()})
		}
	case AnswerSent:
		m.S.Ledger.Answered = m.now
		m.journal(event.CallAnswered{})
	case MediaFailed:
		// The answer could not be made, so the caller is still unanswered.
		m.caller().State = LegCalling
		result := event.ResultCaller
		if ev.Reason == event.ReasonOverload {
			result = event.ResultOurs
		}
		m.end(result, ev.Reason)
	case FromACD:
		m.fromACD(ev.Effect)
	case MessageQuiet:
		m.messageQuiet(ev)
	case MessageDone:
		m.messageDone(ev)
	case JobDone:
		m.jobDone(ev)
	case FeatureDone:
		m.lastWords(ev.Prompt, event.ResultSuccess, event.ReasonNormal)
	case RecordingDone:
		m.recordingDone(ev)
	case RecordingFailed:
		m.journal(event.RecordingEnded{Recording: m.S.Recording, Fault: ev.Fault})
		m.S.Recording, m.S.AwaitRecording = "", false
		m.maybeFinish()
	case RecordAsked:
		m.recordAsked(ev)
	case RecordingMarked:
		m.recordingMarked(ev)
	case MailboxListed:
		m.mailboxListed(ev)
	case NumberRouted:
		m.numberRouted(ev)
	case StreamOver:
		m.streamOver(ev)
	case VerbsAsked:
		m.verbsAsked(ev)
	case StreamAsked:
		m.streamAsked(ev)
	case TimerFired:
		m.timerFired(ev.Timer)
	case TransferAsked:
		m.transferAsked(ev)
	case AttendedAsked:
		m.attendedAsked(ev)
	case ThirdAsked:
		m.thirdAsked(ev)
	case CutSoon:
		m.cutSoon(ev)
	case CutLeg:
		m.cutLeg(ev)
	case ConferAsked:
		m.conferAsked(ev)
	case HoldAsked:
		m.holdAsked(ev)
	case SuperviseAsked:
		m.superviseAsked(ev)
	case PlayAsked:
		m.playAsked(ev)
	case LegWanted:
		m.legWanted(ev)
	case LegGiven:
		m.legGiven(ev)
	case LegNotGiven:
		m.legNotGiven(ev)
	case JoinAsked:
		m.joinAsked(ev)
	case Spoken:
		m.spoken(ev.Slot)
	case JoinRefused:
		m.joinRefused()
	case SlotTaken:
		m.slotTaken(ev)
	case HangUp:
		m.end(ev.Result, ev.Reason)
	}
	return m.out
}

func (m *Machine) do(e Effect)          { m.out = append(m.out, e) }
func (m *Machine) journal(b event.Body) { m.out = append(m.out, Journal{b}) }
func (m *Machine) tell(e acd.Event)     { m.out = append(m.out, TellACD{e}) }
func (m *Machine) caller() *Leg         { return &m.S.Legs[0] }
func (m *Machine) kept() *Leg           { return &m.S.Legs[m.S.Kept] }
func (m *Machine) answered() bool       { return m.kept().State == LegAnswered }
func (m *Machine) ending() bool         { return m.S.Phase >= Ending }
func (m *Machine) known(leg int) bool   { return leg >= 0 && leg < len(m.S.Legs) }
func (m *Machine) inAttempt(l int) bool {
	return m.S.Attempt != nil && slices.Contains(m.S.Attempt.Legs, l)
}
func (m *Machine) nextPlay() uint64    { m.S.PlayID++; return ownPlay | m.S.PlayID }
func (m *Machine) stopTimer(t TimerID) { m.do(StopTimer{t}) }
func (m *Machine) segment(s event.SegmentStarted) {
	if s.Segment != event.SegmentWaiting && s.Segment != event.SegmentHold {
		m.restMusic()
	}
	m.S.Ledger.enter(m.now, s.Segment)
	m.journal(s)
}

// ownPlay marks the play ids of the call itself; a flow's ids are small.
const ownPlay uint64 = 1 << 63

func (m *Machine) invited(ev Invited) {
	t := ev.Target
	s := &m.S
	s.Record, s.Priority = t.Record, t.Priority
	if t.Language != "" {
		s.Language = t.Language
	}
	s.Ledger.Started, s.Ledger.Since = m.now, m.now
	started := event.CallStarted{Direction: s.Direction, From: s.From, Display: s.Display, To: s.Dialled,
		Trunk: s.Legs[0].Trunk, Device: s.Legs[0].Device, SIPCallID: ev.SIPCallID,
		Private: s.Private, DivertedBy: s.DivertedBy, Emergency: t.Emergency}
	s.Emergency = t.Emergency
	if t.Kind == route.Flow {
		started.Flow = t.Name
	}
	m.journal(started)
	m.do(SetTimer{TimerMax, s.MaxDuration})
	if t.Kind != route.Feature || t.Feature == route.FeaturePickUp || t.Feature == route.FeaturePark || t.Feature == route.FeatureConference || t.Feature == route.FeatureVoicemail || t.Feature == featureReplaces || superviseModes[t.Feature] != "" {
		// An agent who dials is not idle: no offer may ring this phone meanwhile.
		m.occupy(0)
	}
	m.lead(t)
}

// lead sends a caller who is here and nowhere yet to a target.
func (m *Machine) lead(t route.Target) {
	s := &m.S
	switch t.Kind {
	case route.Flow:
		m.startFlow(t.Name)
	case route.Queue:
		m.enterQueue(t.Name, s.Priority, wish{})
	case route.Device:
		m.dialDirect(t.Name)
	case route.Voicemail:
		m.leaveMessage(t.Name, 0)
	case route.Devices:
		targets := make([]string, len(t.Names))
		for i, d := range t.Names {
			targets[i] = "device:" + d
		}
		m.dial(dialForRoute, targets, false, defaultRing, "")
	case route.Trunk:
		targets := make([]string, len(t.Routes))
		for i, r := range t.Routes {
			targets[i] = "trunk:" + r.Trunk + ":" + r.Number
		}
		m.dial(dialForRoute, targets, false, t.RingTimeout, "")
	case route.Feature:
		m.feature(t)
	default:
		m.end(event.ResultOurs, event.ReasonNotFound)
	}
}

func (m *Machine) feature(t route.Target) {
	if t.Feature == route.FeatureHotDesk {
		m.startFlow(flow.HotDesk)
		return
	}
	m.S.Phase = Feature
	m.answer()
	m.segment(event.SegmentStarted{Segment: event.SegmentMenu, Flow: "feature:" + t.Feature})
	switch t.Feature {
	case route.FeatureEcho:
		m.do(EchoLeg{0, true})
		return
	case route.FeatureConference:
		m.conference()
		return
	case route.FeatureVoicemail:
		m.openMailbox(t.Arg)
		return
	case route.FeatureMonitor, route.FeatureWhisper, route.FeatureBarge:
		m.do(AskJoin{Kind: joinSupervise, Arg: t.Arg, Mode: superviseModes[t.Feature]})
		m.do(SetTimer{TimerJoin, joinBound})
		return
	case route.FeaturePickUp, featureReplaces:
		m.do(AskJoin{Kind: t.Feature, Arg: t.Arg})
		m.do(SetTimer{TimerJoin, joinBound})
		return
	case route.FeaturePark:
		if t.Arg == "" { // park who is on hold at this phone
			m.do(ParkOther{Device: m.S.Legs[0].Device})
			m.do(SetTimer{TimerJoin, joinBound})
			return
		}
		m.do(AskJoin{Kind: joinUnpark, Arg: t.Arg})
		m.do(SetTimer{TimerJoin, joinBound})
		return
	}
	arg := t.Reason
	if arg == "" {
		arg = t.Arg
	}
	m.do(DoFeature{t.Feature, arg, m.S.Legs[0].Agent, m.S.Legs[0].Device})
}

// answer sends the caller's 200 once.
func (m *Machine) answer() {
	if m.caller().State > LegRinging {
		return
	}
	m.caller().State = LegAnswered
	m.do(AnswerCaller{})
}

// speak plays phrases to the kept leg and returns the id that Played will carry.
func (m *Machine) speak(phrases []prompt.Phrase, loop bool, offset time.Duration) uint64 {
	id := m.nextPlay()
	m.do(PlayPhrases{Leg: m.S.Kept, ID: id, Phrases: phrases, Language: m.S.Language, Loop: loop, Offset: offset})
	return id
}

// lastWords speaks one prompt to the caller and then ends the call.
func (m *Machine) lastWords(name string, r event.Result, why event.Reason) {
	if m.ending() {
		return
	}
	if !m.answered() {
		m.end(r, why)
		return
	}
	m.S.Phase = Feature
	m.setVerdict(r, why)
	m.speak([]prompt.Phrase{{Name: name}}, false, 0)
}

func (m *Machine) key(ev Key) {
	if m.toldTwice(ev) {
		return
	}
	if m.watching() && ev.Leg == m.S.Watch.Leg {
		m.watchKey(ev.Digit)
		return
	}
	if m.briefing(ev.Leg) {
		m.briefed("stopped")
		return
	}
	if m.S.Asking != nil && ev.Leg == m.S.Kept {
		m.askKey(ev.Digit)
		return
	}
	if m.S.Phase == Messaging && ev.Leg == m.S.Kept {
		if m.S.Leaving != nil {
			m.leavingKey(ev.Digit)
		} else if m.S.Mailbox != nil {
			m.mailboxKey(ev.Digit)
		}
		return
	}
	m.inCallKey(ev)
	m.streamKey(ev)
	switch {
	case ev.Leg == m.S.Kept && m.S.Phase == Waiting && !m.flowTakes(ev.Digit) && m.queueKey(ev.Digit, ev.Via):
	case ev.Leg == m.S.Kept && (m.S.Phase == Menu || m.S.Phase == Waiting) && m.S.IVR != nil:
		m.S.KeyVia = ev.Via
		m.flowEvent(ivr.Digit{Digit: ev.Digit})
	case m.S.Phase == Talking && ev.Via == "info" && m.S.Peer != 0:
		// RFC 4733 events pass with the stream; INFO digits must be carried over.
		for _, to := range m.talkers() {
			if to != ev.Leg && m.talks(ev.Leg) {
				m.do(SendDigit{to, ev.Digit})
			}
		}
	}
	// Ignored elsewhere: a key while a phone rings means nothing yet.
}

func (m *Machine) played(ev Played) {
	if m.announced(ev.Leg, ev.ID, "done") {
		return
	}
	if m.briefing(ev.Leg) && ev.ID == m.S.Brief.ID {
		m.briefed("done")
		return
	}
	if m.S.Transfer != nil && m.S.Transfer.Late && ev.Leg == m.S.Transfer.Referrer {
		m.parkerTold()
		return
	}
	if m.callingBack() && ev.Leg == m.S.Callback.Agent {
		m.agentTold()
		return
	}
	if ev.Leg != m.S.Kept {
		return // a tone to a peer on hold
	}
	if a := m.S.Asking; a != nil && ev.ID == a.Play {
		m.askPlayed()
		return
	}
	switch m.S.Phase {
	case Menu:
		if ev.ID&ownPlay == 0 && m.S.IVR != nil {
			m.flowEvent(ivr.PlayDone{ID: ev.ID})
		}
	case Waiting:
		if ev.ID == ownPlay|m.S.PlayID || m.S.Brief != nil && ev.ID&ownPlay != 0 {
			m.playMusic()
		}
	case Messaging:
		m.messagingPlayed(ev.ID)
	case Feature:
		if ev.ID == ownPlay|m.S.PlayID && !m.alone(0) {
			m.end(event.ResultSuccess, event.ReasonNormal)
		}
	}
}

func (m *Machine) playFailed(ev PlayFailed) {
	if m.announced(ev.Leg, ev.ID, "failed") {
		return
	}
	if m.briefing(ev.Leg) && ev.ID == m.S.Brief.ID {
		m.briefed("failed")
		return
	}
	if m.S.Transfer != nil && m.S.Transfer.Late && ev.Leg == m.S.Transfer.Referrer {
		m.parkerTold()
		return
	}
	if m.callingBack() && ev.Leg == m.S.Callback.Agent && ev.ID&ownPlay != 0 && m.rules.QueueCallback(m.S.Queue).Announce != "" {
		m.agentTold()
		return
	}
	if ev.Leg != m.S.Kept {
		return
	}
	if a := m.S.Asking; a != nil && ev.ID == a.Play {
		m.askPlayed()
		return
	}
	if m.S.Phase == Menu && ev.ID&ownPlay == 0 && m.S.IVR != nil {
		m.flowEvent(ivr.Failed{ID: ev.ID, Err: ev.Err.Error()})
		return
	}
	if m.S.Phase == Messaging {
		m.messagingPlayed(ev.ID) // a greeting that cannot be read keeps nobody from speaking
		return
	}
	if m.S.Phase == Feature && !m.alone(0) {
		m.end(event.ResultSuccess, event.ReasonNormal)
	}
	if m.S.Phase == Waiting && ev.ID == m.S.Telling {
		m.playMusic() // an announcement lacks its prompt
		return
	}
	// Waiting: silence instead of music; the log and a metric tell ops.
}

func (m *Machine) silentLeg(ev SilentLeg) {
	if m.watching() && ev.Leg == m.S.Watch.Leg && !m.holds(ev.Leg) && !m.ending() {
		m.unwatch(string(event.ReasonMediaTimeout))
		return
	}
	if !m.known(ev.Leg) || m.holds(ev.Leg) || m.ending() || ev.Leg != m.S.Kept && !m.talks(ev.Leg) {
		return // on hold, or a referrer whom nobody listens to
	}
	m.loseLeg(ev.Leg, event.ResultUpstream, event.ReasonMediaTimeout)
}

// loseLeg ends a leg: with it the call, unless others go on without.
func (m *Machine) loseLeg(leg int, result event.Result, why event.Reason) {
	if len(m.S.Others) > 0 && m.talks(leg) {
		m.S.Legs[leg].Reason = why
		m.endLeg(leg, string(why))
		m.partyGone(leg)
		return
	}
	m.end(result, why)
}

func (m *Machine) cutSoon(ev CutSoon) {
	for _, l := range m.talkers() {
		if l != ev.Leg && m.talks(ev.Leg) && m.S.Legs[l].Device != "" && !m.holds(l) {
			m.do(PlayClip{Leg: l, ID: m.nextPlay(), Clip: recordsNotTone})
		}
	}
}

func (m *Machine) cutLeg(ev CutLeg) {
	if m.known(ev.Leg) && m.S.Legs[ev.Leg].State == LegAnswered && !m.ending() {
		m.loseLeg(ev.Leg, event.ResultOurs, ev.Reason)
	}
}

func (m *Machine) timerFired(t TimerID) {
	switch {
	case t >= TimerFlow:
		if (m.S.Phase == Menu || m.S.Phase == Waiting) && m.S.IVR != nil {
			m.flowEvent(ivr.TimerFired{ID: uint64(t - TimerFlow)})
		}
	case t == TimerRing:
		m.ringTimeout()
	case t == TimerJoin:
		m.joinTimeout()
	case t == TimerAsk:
		m.askTimer()
	case t == TimerWatch:
		m.watchTimeout()
	case t == TimerPark:
		m.parkTimeout()
	case t == TimerVoicemail:
		if m.S.Phase == Messaging {
			m.messageTimeout()
		}
	case t == TimerResume:
		m.resumeTimeout()
	case t == TimerMax:
		m.end(event.ResultOurs, event.ReasonMaxDuration)
	case t == TimerEnding:
		m.finish()
	}
}

// talkSegment describes the conversation of the moment.
func (m *Machine) talkSegment(kind event.SegmentKind) event.SegmentStarted {
	p := m.S.Legs[m.S.Peer]
	return event.SegmentStarted{Segment: kind, Queue: m.S.Queue, Agent: p.Agent, Device: p.Device, Number: p.Number}
}

func (m *Machine) music() string {
	if n := m.rules.QueueMusic(m.S.Queue); n != "" {
		return n
	}
	return "music"
}

// ringBack is what an answered caller hears while we dial.
var ringBack = play.RingBack()

// What a phone hears that dialled a code for its recording: high, it records;
// low, it does not.
var (
	recordsTone    = play.Tone(200*time.Millisecond, -20, 880)
	recordsNotTone = play.Tone(200*time.Millisecond, -20, 440)
)

// waitTone is heard while a job of a flow is done.
var waitTone = play.Waiting()

// busyTone is the tone step's "busy".
var busyTone = play.Busy()

func splitTarget(t string) (kind, name string) {
	kind, name, _ = strings.Cut(t, ":")
	return kind, name
}
