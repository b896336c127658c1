package acd

import (
	"time"

	"github.com/centrala/centrala/pkg/acd/skill"
)

// Config holds what an engine is born with. The zero value means the defaults
// named at each field.
type Config struct {
	// RingTimeout is the default of Queue.RingTimeout. Default 20 s.
	RingTimeout time.Duration
	// Considered bounds the candidates kept in a Decision. Default 8.
	Considered int
	// OfferPrefix begins each offer's id, before the counter. The dispatcher
	// gives one that differs from start to start, so that ids are unique in the
	// journal.
	OfferPrefix string
	// Seed begins the generator that the strategy random draws from. The
	// generator is part of the engine's state: the same seed and events give the
	// same choices.
	Seed uint64
}

func (c Config) withDefaults() Config {
	if c.RingTimeout <= 0 {
		c.RingTimeout = 20 * time.Second
	}
	if c.Considered <= 0 {
		c.Considered = 8
	}
	return c
}

// Settings are a tenant's rules for all its queues and agents. They come with
// Configure. The zero value means the defaults named at each field.
type Settings struct {
	// PriorityWorth is how much waiting one point of priority is worth: a caller
	// with priority 2 stands where one stands who came two worths earlier, so
	// that everybody's turn comes. 0 = priority is strict: a higher one always
	// goes first.
	PriorityWorth time.Duration
	// PresenceLease: who is logged in while the phone is out of reach for this
	// long, without a word, goes not ready (ReasonDeviceGone). 0 = 10 min;
	// negative = never. AlwaysReady agents are exempt.
	PresenceLease time.Duration
	// MaxWrapUp bounds wrap-up of the mode until_done, and one that waits for a disposition. 0 = 1 h.
	MaxWrapUp time.Duration
	// After is what an offer that came to nothing means for its agent, by cause;
	// a queue's own comes before it. Missing causes: DefaultAfter.
	After map[string]Consequence
	// MaxCallbacks bounds the callbacks that wait; 0 = DefaultMaxCallbacks.
	MaxCallbacks int
}

func (s Settings) withDefaults() Settings {
	s.PriorityWorth = min(max(s.PriorityWorth, 0), 24*time.Hour)
	if s.PresenceLease == 0 {
		s.PresenceLease = 10 * time.Minute
	}
	if s.MaxWrapUp <= 0 {
		s.MaxWrapUp = time.Hour
	}
	if s.MaxCallbacks <= 0 {
		s.MaxCallbacks = DefaultMaxCallbacks
	}
	s.PresenceLease = min(s.PresenceLease, maxDuration)
	s.MaxWrapUp = min(s.MaxWrapUp, maxDuration)
	return s
}

// Consequence is what a failed offer means for its agent.
type Consequence struct {
	Do string // DoNotReady, DoPause or DoStay
	// Pause of DoPause; at least StayRest.
	Pause time.Duration
}

// What a Consequence does.
const (
	DoNotReady = "not_ready" // until the agent says otherwise
	DoPause    = "pause"     // for a time
	// DoStay keeps the agent in offers, but for StayRest: what fails at once would
	// else be tried again at once, for ever.
	DoStay = "stay"
)

// StayRest is the shortest rest after an offer that failed.
const StayRest = time.Second

// DefaultAfter is what a failed offer means unless settings or queue say so. Who
// does not answer is not there: else the next call rings the empty chair again.
// Nobody sits at an AlwaysReady agent's phone to dial a feature code, so such an
// agent pauses for 30 s instead.
var DefaultAfter = map[string]Consequence{
	CauseNoAnswer:    {Do: DoNotReady},
	CauseBusy:        {DoPause, 5 * time.Second},
	CauseRejected:    {DoPause, 5 * time.Second},
	CauseUnreachable: {DoPause, time.Minute},
	CauseWithdrawn:   {DoPause, 5 * time.Second},
}

// staticRest is for AlwaysReady agents, in the place of DoNotReady.
const staticRest = 30 * time.Second

// Modes of Queue.WrapUpMode.
const (
	WrapTimed     = "timed"      // ends by itself; the agent may end it early
	WrapFixed     = "fixed"      // ends by itself; a supervisor alone may end it early
	WrapUntilDone = "until_done" // the agent ends it, Settings.MaxWrapUp at the latest
)

// WrapUpModes lists them for checks.
var WrapUpModes = []string{WrapTimed, WrapFixed, WrapUntilDone}

// Queue is what the engine needs to know of a queue.
type Queue struct {
	Name     string
	Strategy string // one of Strategies; "" = StrategyLongestIdle
	Members  []Member
	Priority int // added to each call's own
	// WrapUp after each call, 0 = none; of the mode WrapUpMode ("" = WrapTimed).
	// WrapUpExtend bounds how much the agent may add in all; 0 = nothing.
	WrapUp       time.Duration
	WrapUpMode   string
	WrapUpExtend time.Duration
	// DispositionRequired: who took a call of the queue stays in wrap-up until Disposed
	// tells that the call has its disposition, Settings.MaxWrapUp at the longest.
	DispositionRequired bool
	// RingTimeout bounds one offer; 0 = Config.RingTimeout.
	RingTimeout time.Duration
	// RingLimit bounds the phones that ring for one caller (ring_all,
	// progressive); 0 = 10, at most MaxRing. RingStep is when progressive adds
	// the next; 0 = 5 s.
	RingLimit int
	RingStep  time.Duration
	// Tiers: members of a rank are taken only after a time of waiting; ranks not
	// named open with the nearest named one below them.
	Tiers []Tier
	// MaxWait since joining; 0 = no limit. A caller being offered then is not
	// sent away unless the offer fails.
	MaxWait time.Duration
	// MaxLength counts callers waiting and being offered; 0 = no limit.
	MaxLength int
	// Overflow sends callers on; the first rule that holds counts. At most 16.
	Overflow []Overflow
	// Callback says whether and how callers are called back.
	Callback CallbackRules
	// KeepPlace: who is cut off and calls again within this time gets the old
	// place. 0 = DefaultKeepPlace; negative = never.
	KeepPlace time.Duration
	// LeaveWhenEmpty: nobody joins or stays while no agent is logged in who fits,
	// now or once the need has relaxed.
	LeaveWhenEmpty bool
	// AnnounceFirst is the time after joining when a position is told first;
	// negative = never. AnnounceEvery is the time between further tellings,
	// at least 1 s; 0 or negative = only once.
	AnnounceFirst time.Duration
	AnnounceEvery time.Duration
	// Announce, if not nil, is when each item of the queue's announcements is told: up
	// to MaxAnnounce, with times as AnnounceFirst and AnnounceEvery, in the place of these.
	Announce []AnnounceTime
	// Skills every caller of this queue needs: skill -> least level; and Need, an
	// expression that may relax (package skill). Both must hold.
	Skills map[string]int
	Need   string
	// LastAgent: a caller whose last conversation was less than this ago waits for
	// that agent first, for Patience (0 = 30 s). 0 = no.
	LastAgent time.Duration
	Patience  time.Duration
	// After is what a failed offer means for its agent, by cause; missing causes:
	// Settings.After.
	After map[string]Consequence
	// Channel that the work comes over; "" = ChannelVoice.
	Channel string
	// ServiceLevel is the threshold T within which an answer is in time. The
	// engine does not act on it; figures do. 0 = 20 s.
	ServiceLevel time.Duration
	// ShortAbandon is the wait up to which an abandon is short: a caller who thought
	// better of it. For figures too. 0 = 5 s; negative = none is.
	ShortAbandon time.Duration
}

// AnnounceTime is when an item of a queue's announcements is told: first After joining
// (negative = never), then Every (0 = only once).
type AnnounceTime struct{ After, Every time.Duration }

// MaxAnnounce bounds Queue.Announce.
const MaxAnnounce = 8

// MaxRing bounds Queue.RingLimit.
const MaxRing = 50

// ChannelVoice is the channel of calls.
const ChannelVoice = "voice"

// Tier opens the members of a rank (and of higher ones not named) After a time.
type Tier struct {
	Rank  int
	After time.Duration
}

// Member puts agents into a queue: a name, or a pattern as path.Match takes it
// ("agent*"). An agent named outright keeps that line's rank even if a pattern
// matches too; else the first line that matches counts. The order of the lines
// is the order of linear and progressive; agents of one pattern stand by name.
type Member struct {
	Agent  string
	Rank   int // lower first
	Weight int // share of the strategy random; 0 = 1
}

// Agent is what the engine needs to know of an agent.
type Agent struct {
	Name   string
	Device string // "" = cannot be offered anything until logged in from one
	Skills map[string]int
	// AlwaysReady: logged in and ready from start, without asking.
	AlwaysReady bool
	// OnDemand: each log-in or ready is good for one call; then the agent is not
	// ready (ReasonOneCall) until asking for the next.
	OnDemand bool
	// WrapUp overrides the queue's time; nil = the queue's, 0 = none.
	WrapUp *time.Duration
	// Capacity by channel; nil = one call of ChannelVoice. A channel that is
	// missing or 0 is not offered.
	Capacity map[string]int
}

func (a *Agent) takes(channel string) bool {
	if channel == "" {
		channel = ChannelVoice
	}
	if a.Capacity == nil {
		return channel == ChannelVoice
	}
	return a.Capacity[channel] > 0
}

// parsedNeed joins a least level for skills and an expression. An expression
// that does not parse is told by the error and counts as any.
func parsedNeed(levels map[string]int, text string) (skill.Need, error) {
	n := skill.Need{Steps: []skill.Step{{}}}
	var err error
	if text != "" {
		if n, err = skill.ParseNeed(text); err != nil {
			n = skill.Need{Steps: []skill.Step{{}}}
		}
	}
	if len(levels) > 0 {
		for i := range n.Steps {
			n.Steps[i].Expr = skill.And(skill.Levels(levels), n.Steps[i].Expr)
		}
	}
	return n, err
}
