package report

import (
	"slices"
	"strings"
)

// Sum is a sum of counters with signs.
type Sum []term

type term struct {
	c     Counter
	minus bool
}

func sum(cs ...Counter) Sum {
	s := make(Sum, len(cs))
	for i, c := range cs {
		s[i].c = c
	}
	return s
}

func (s Sum) less(cs ...Counter) Sum {
	for _, c := range cs {
		s = append(s, term{c, true})
	}
	return s
}

// Of is the sum in c.
func (s Sum) Of(c *Counts) int64 {
	var n int64
	for _, t := range s {
		if t.minus {
			n -= c[t.c]
		} else {
			n += c[t.c]
		}
	}
	return n
}

// String writes the sum as a formula has it, in parentheses when it has more
// than one term.
func (s Sum) String() string {
	var b strings.Builder
	for i, t := range s {
		switch {
		case t.minus:
			b.WriteString(" - ")
		case i > 0:
			b.WriteString(" + ")
		}
		b.WriteString(t.c.String())
	}
	if len(s) > 1 {
		return "(" + b.String() + ")"
	}
	return b.String()
}

// Figure is a number that people read, made of a row's counters.
type Figure struct {
	Name string
	Unit string // "ratio" (0 to 1) or "s" (seconds)
	Help string
	// Num over Den; with no Den, Num alone. Seconds are made of milliseconds.
	Num, Den Sum
	// Of: the kinds of rows that have it.
	Of []Kind
}

var (
	ofStays  = []Kind{Queue, Number, Tenant}
	ofOffers = []Kind{Queue, Agent, Tenant}
	ofAgents = []Kind{Agent, Tenant}
)

// DefaultServiceLevelName is the definition that is meant by "service level" where
// none is named.
const DefaultServiceLevelName = "service_level.short_excluded"

// Figures lists every figure. What is divided by zero is no figure at all, neither
// 0 nor 100 %: nobody called. T is the queue's service_level, S its short_abandon,
// as they were when the caller entered. The five definitions of service level that
// the trade uses stand first, the sixth is a variant of the first.
var Figures = []Figure{
	{"service_level.short_excluded", "ratio", "Answered in T, of all who were answered or abandoned, short abandons left out. The default.",
		sum(AnsweredInT), sum(Answered, Abandoned).less(AbandonedShort), ofStays},
	{"service_level.abandons_positive", "ratio", "Who abandoned within T counts as served in time.",
		sum(AnsweredInT, AbandonedInT), sum(Answered, Abandoned), ofStays},
	{"service_level.abandons_ignored", "ratio", "Of the answered alone, whoever abandoned (the SL of app_queue); hides lost callers.",
		sum(AnsweredInT), sum(Answered), ofStays},
	{"service_level.abandons_negative", "ratio", "Every abandon counts against it, however short.",
		sum(AnsweredInT), sum(Answered, Abandoned), ofStays},
	{"service_level.early_abandons_excluded", "ratio", "Who abandoned within T is left out.",
		sum(AnsweredInT), sum(Answered, Abandoned).less(AbandonedInT), ofStays},
	{"service_level.short_credited", "ratio", "Who abandoned within S counts as served in time.",
		sum(AnsweredInT, AbandonedShort), sum(Answered, Abandoned), ofStays},
	{"abandonment", "ratio", "Abandoned, of all who entered; short abandons and callers who asked to be called back left out.",
		sum(Abandoned).less(AbandonedShort), sum(Entered).less(AbandonedShort, LeftCallback), ofStays},
	{"abandonment.with_short", "ratio", "Abandoned, of all who entered and did not ask to be called back.",
		sum(Abandoned), sum(Entered).less(LeftCallback), ofStays},
	{"abandonment.short", "ratio", "Short abandons, of all who entered.",
		sum(AbandonedShort), sum(Entered), ofStays},
	{"answer_rate", "ratio", "Answered, of all who entered or were refused.",
		sum(Answered), sum(Entered, Refused), ofStays},
	{"asa", "s", "Average speed of answer: the mean wait of the answered.",
		sum(WaitAnsweredMs), sum(Answered), []Kind{Queue, Agent, Number, Tenant}},
	{"abandon_wait", "s", "Mean wait of those who abandoned, short ones too.",
		sum(WaitAbandonedMs), sum(Abandoned), ofStays},
	{"longest_wait", "s", "The longest wait of any caller, whatever became of it; with callers who wait still.",
		sum(LongestWaitMs), nil, []Kind{Queue, Agent, Number, Tenant}},
	{"aht", "s", "Average handling time: talk, hold and wrap-up of conversations that are over.",
		sum(TalkMs, HoldMs, WrapUpMs), sum(Handled), []Kind{Queue, Agent, Number, Tenant}},
	{"talk_time", "s", "Mean talk time.", sum(TalkMs), sum(Handled), []Kind{Queue, Agent, Number, Tenant}},
	{"hold_time", "s", "Mean time on hold.", sum(HoldMs), sum(Handled), []Kind{Queue, Agent, Number, Tenant}},
	{"wrap_up_time", "s", "Mean wrap-up.", sum(WrapUpMs), sum(Handled), []Kind{Queue, Agent, Number, Tenant}},
	{"transfer_rate", "ratio", "Conversations that the agent transferred to somebody else.",
		sum(Transferred), sum(Handled), []Kind{Queue, Agent, Number, Tenant}},
	{"ring_no_answer_rate", "ratio", "Offers at which the phone rang in vain.",
		sum(RingNoAnswer), sum(Offers), ofOffers},
	{"occupancy", "ratio", "On call or in wrap-up, of the time in which agents worked or could have.",
		sum(OnCallMs, AfterCallMs), sum(OnCallMs, AfterCallMs, RingingMs, ReadyMs), ofAgents},
	{"utilisation", "ratio", "On call or in wrap-up, of all the time logged in.",
		sum(OnCallMs, AfterCallMs), sum(OnCallMs, AfterCallMs, RingingMs, ReadyMs, NotReadyMs), ofAgents},
	{"callback_success", "ratio", "Callbacks that reached the customer, of all that were tried to an end.",
		sum(CallbacksReached), sum(CallbacksReached, CallbacksGivenUp), []Kind{Queue, Tenant}},
	{"callback_wait", "s", "Mean time from a caller's coming to being reached by callback.",
		sum(CallbackWaitMs), sum(CallbacksReached), []Kind{Queue, Tenant}},
	{"connect_rate", "ratio", "Calls in which somebody talked, of all calls.",
		sum(CallsConnected), sum(Calls), []Kind{Number, Tenant}},
	{"call_time", "s", "Mean length of a call, from its first message to its end.",
		sum(CallMs), sum(Calls), []Kind{Number, Tenant}},
}

// Formula is what Value computes, in the names of the counters.
func (f *Figure) Formula() string {
	s := f.Num.String()
	if f.Den != nil {
		s += " / " + f.Den.String()
	}
	if f.Unit == "s" {
		s += " / 1000"
	}
	return s
}

// Value computes the figure. ok is false when there is nothing to divide by.
func (f *Figure) Value(c *Counts) (v float64, ok bool) {
	v = float64(f.Num.Of(c))
	if f.Den != nil {
		den := f.Den.Of(c)
		if den <= 0 {
			return 0, false
		}
		v /= float64(den)
	}
	if f.Unit == "s" {
		v /= 1000
	}
	return v, true
}

// FigureByName finds a figure; nil when there is none of that name.
func FigureByName(name string) *Figure {
	for i := range Figures {
		if Figures[i].Name == name {
			return &Figures[i]
		}
	}
	return nil
}

// FiguresOf lists the figures that rows of a kind have.
func FiguresOf(k Kind) []*Figure {
	var out []*Figure
	for i := range Figures {
		if slices.Contains(Figures[i].Of, k) {
			out = append(out, &Figures[i])
		}
	}
	return out
}

// CountersOf lists the counters that rows of a kind can have.
func CountersOf(k Kind) []Counter {
	var out []Counter
	for c := range Counter(NumCounters) {
		if slices.Contains(kindsOf(c), k) {
			out = append(out, c)
		}
	}
	return out
}

func kindsOf(c Counter) []Kind {
	switch c {
	case Answered, AnsweredInT, WaitAnsweredMs, LongestWaitMs, Handled, TalkMs, HoldMs, WrapUpMs, Transferred:
		return Kinds
	case Offers, RingNoAnswer, OffersDeclined, OffersUnreachable, OfferRingMs:
		return ofOffers
	case ReadyMs, RingingMs, OnCallMs, AfterCallMs, NotReadyMs:
		return ofAgents
	case Calls, CallsConnected, CallsLeftMenu, CallMs:
		return []Kind{Number, Tenant}
	}
	return ofStays
}
