package acd

import "time"

// Config holds the engine's own timers and bounds. The zero value means the
// defaults named at each field.
type Config struct {
	// Backoff is how long an agent whose phone was busy or rejected the call is
	// left alone before being ready again. Default 5 s.
	Backoff time.Duration
	// StaticRest is how long an AlwaysReady agent rests after a ring without an
	// answer. Others stay NotReady until they say otherwise; nobody sits at a
	// static agent's phone to dial a feature code. Default 30 s.
	StaticRest time.Duration
	// UnreachableRetry is when an agent whose phone could not be reached by an
	// offer, and was not reported down by Reach, is tried again: a phone may
	// come back without its binding ever having lapsed, and then no Reach comes.
	// Default 60 s; negative means never.
	UnreachableRetry time.Duration
	// RingTimeout is the default of Queue.RingTimeout. Default 20 s.
	RingTimeout time.Duration
	// Considered bounds the candidates kept in a Decision. Default 8.
	Considered int
	// OfferPrefix begins each offer's id, before the counter. The dispatcher
	// gives one that differs from start to start, so that ids are unique in the
	// journal.
	OfferPrefix string
}

func (c Config) withDefaults() Config {
	if c.Backoff <= 0 {
		c.Backoff = 5 * time.Second
	}
	if c.StaticRest <= 0 {
		c.StaticRest = 30 * time.Second
	}
	if c.UnreachableRetry == 0 {
		c.UnreachableRetry = time.Minute
	}
	if c.RingTimeout <= 0 {
		c.RingTimeout = 20 * time.Second
	}
	if c.Considered <= 0 {
		c.Considered = 8
	}
	return c
}

// StrategyLongestIdle is the only strategy so far: rank, then longest idle.
const StrategyLongestIdle = "longest_idle"

// Queue is what the engine needs to know of a queue.
type Queue struct {
	Name     string
	Strategy string // "" = StrategyLongestIdle
	Members  []Member
	Priority int           // added to each call's own
	WrapUp   time.Duration // 0 = none
	// RingTimeout bounds one offer; 0 = Config.RingTimeout.
	RingTimeout time.Duration
	// MaxWait since joining; 0 = no limit. A caller being offered then is not
	// sent away unless the offer fails.
	MaxWait time.Duration
	// MaxLength counts callers waiting and being offered; 0 = no limit.
	MaxLength int
	// LeaveWhenEmpty: nobody joins or stays while no agent who fits is logged in.
	LeaveWhenEmpty bool
	// AnnounceFirst is the time after joining when a position is told first;
	// negative = never. AnnounceEvery is the time between further tellings,
	// at least 1 s; 0 or negative = only once.
	AnnounceFirst time.Duration
	AnnounceEvery time.Duration
	// Skills every caller of this queue needs: skill -> least level.
	Skills map[string]int
	// ServiceLevel is the threshold T within which an answer is in time. The
	// engine does not act on it; figures do. 0 = 20 s.
	ServiceLevel time.Duration
	// ShortAbandon is the wait up to which an abandon is short: a caller who thought
	// better of it. For figures too. 0 = 5 s; negative = none is.
	ShortAbandon time.Duration
}

// Member puts agents into a queue: a name, or a pattern as path.Match takes it
// ("agent*"). An agent named outright keeps that line's rank even if a pattern
// matches too; else the first line that matches counts.
type Member struct {
	Agent string
	Rank  int // lower first
}

// Agent is what the engine needs to know of an agent.
type Agent struct {
	Name   string
	Device string // "" = cannot be offered anything
	Skills map[string]int
	// AlwaysReady: logged in and ready from start, without asking.
	AlwaysReady bool
	// WrapUp overrides the queue's; nil = the queue's, 0 = none.
	WrapUp *time.Duration
}
