// Package ical reads calendars (RFC 5545) as spans of time: single events and
// recurring ones, with their exceptions, within a bounded stretch of years. It
// is pure and the one importer of the calendar libraries.
package ical

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/teambition/rrule-go"

	"github.com/centrala/centrala/ivr/schedule/day"
)

// Bounds of one calendar, so that a wrong or hostile one costs little.
const (
	MaxText = 512 << 10 // bytes
	// maxEvents and maxRules are what a text may hold, maxSpans what it may grow to.
	maxEvents = 2000
	maxRules  = 100
	maxSpans  = 10000
	// maxLength of one event.
	maxLength = 366 * 24 * time.Hour
	// maxInterval of a rule: every so many days, weeks, months or years.
	maxInterval = 1000
)

// Recurring events are looked at from firstYear to the end of lastYear.
const (
	firstYear = 2000
	lastYear  = 2060
)

// Span is one event, or one time of a recurring one.
type Span struct {
	Name string // its SUMMARY, at most 80 bytes
	// First and Last are the whole days that an event without times covers; the
	// zero date when it has times.
	First, Last day.Date
	// Start and End of an event with times, [Start, End).
	Start, End time.Time
}

// WholeDays tells whether the span is one of days and not of hours.
func (s Span) WholeDays() bool { return s.First != day.Date{} }

// Parse reads a calendar. Times without a zone of their own are in loc. Events
// that were cancelled are left out; whether an event blocks its owner's time
// (TRANSP) is not looked at, for calendars of public holidays set it as they
// like. The spans come in order of time. The error joins every fault, up to 20.
func Parse(text string, loc *time.Location) ([]Span, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%d bytes; a calendar may have %d", len(text), MaxText)
	}
	cal, err := ics.ParseCalendar(strings.NewReader(text))
	if err == nil && !strings.Contains(text, "END:VCALENDAR") { // the library takes a text that was cut off
		err = errors.New("END:VCALENDAR is missing")
	}
	if err != nil {
		return nil, fmt.Errorf("no iCalendar text (RFC 5545): %s", clip(err.Error(), 120))
	}
	events := cal.Events()
	if len(events) > maxEvents {
		return nil, fmt.Errorf("%d events; a calendar may have %d", len(events), maxEvents)
	}
	p := parser{loc: loc, moved: map[string][]time.Time{}}
	for _, e := range events { // changed times of a recurring event, known by the time they had
		if prop := e.GetProperty(ics.ComponentPropertyRecurrenceId); prop != nil {
			if at, _, err := p.moment(&prop.BaseProperty); err == nil {
				uid := value(e, ics.ComponentPropertyUniqueId)
				p.moved[uid] = append(p.moved[uid], at)
			}
		}
	}
	var spans []Span
	var faults []error
	for i, e := range events {
		got, err := p.event(e)
		if err != nil {
			name := clip(value(e, ics.ComponentPropertySummary), 40)
			faults = append(faults, fmt.Errorf("event %d %q: %w", i+1, name, err))
			if len(faults) == 20 {
				break
			}
			continue
		}
		if spans = append(spans, got...); len(spans) > maxSpans {
			return nil, fmt.Errorf("more than %d times until the end of %d, with what recurs", maxSpans, lastYear)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	slices.SortStableFunc(spans, func(a, b Span) int { return a.begin().Compare(b.begin()) })
	return spans, nil
}

func (s Span) begin() time.Time {
	if s.WholeDays() {
		return s.First.Noon()
	}
	return s.Start
}

type parser struct {
	loc   *time.Location
	rules int
	moved map[string][]time.Time // UID -> times of the series that have an event of their own
}

func value(e *ics.VEvent, name ics.ComponentProperty) string {
	if p := e.GetProperty(name); p != nil {
		return p.Value
	}
	return ""
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// event is one VEVENT in its spans.
func (p *parser) event(e *ics.VEvent) ([]Span, error) {
	if strings.EqualFold(value(e, ics.ComponentPropertyStatus), "CANCELLED") {
		return nil, nil
	}
	prop := e.GetProperty(ics.ComponentPropertyDtStart)
	if prop == nil {
		return nil, errors.New("DTSTART is missing")
	}
	start, whole, err := p.moment(&prop.BaseProperty)
	if err != nil {
		return nil, fmt.Errorf("DTSTART: %w", err)
	}
	length, err := p.length(e, start, whole)
	if err != nil {
		return nil, err
	}
	starts := []time.Time{start}
	if rule := value(e, ics.ComponentPropertyRrule); rule != "" {
		if starts, err = p.recurring(rule, start); err != nil {
			return nil, fmt.Errorf("RRULE: %w", err)
		}
	}
	more, err := p.list(e, ics.ComponentPropertyRdate)
	if err != nil {
		return nil, fmt.Errorf("RDATE: %w", err)
	}
	without, err := p.list(e, ics.ComponentPropertyExdate)
	if err != nil {
		return nil, fmt.Errorf("EXDATE: %w", err)
	}
	if e.GetProperty(ics.ComponentPropertyRecurrenceId) == nil {
		without = append(without, p.moved[value(e, ics.ComponentPropertyUniqueId)]...)
	}
	name := clip(strings.TrimSpace(value(e, ics.ComponentPropertySummary)), 80)
	var spans []Span
	seen := map[int64]bool{}
	for _, at := range without {
		seen[at.Unix()] = true
	}
	for _, at := range append(starts, more...) {
		if seen[at.Unix()] {
			continue
		}
		seen[at.Unix()] = true
		s := Span{Name: name, Start: at, End: at.Add(length)}
		if whole {
			first := day.Of(at)
			days := int((length + 12*time.Hour) / (24 * time.Hour)) // in UTC, so that each has 24 hours
			s = Span{Name: name, First: first, Last: first.Add(max(days, 1) - 1)}
		} else if length == 0 {
			continue // a moment is no time
		}
		spans = append(spans, s)
	}
	return spans, nil
}

// length is how long an event takes: to DTEND, or DURATION, or one day, or no time.
func (p *parser) length(e *ics.VEvent, start time.Time, whole bool) (time.Duration, error) {
	var d time.Duration
	switch prop := e.GetProperty(ics.ComponentPropertyDtEnd); {
	case prop != nil:
		end, endWhole, err := p.moment(&prop.BaseProperty)
		if err != nil {
			return 0, fmt.Errorf("DTEND: %w", err)
		}
		if endWhole != whole {
			return 0, errors.New("one of DTSTART and DTEND is a date and the other a time")
		}
		d = end.Sub(start)
	case value(e, ics.ComponentPropertyDuration) != "":
		var err error
		if d, err = duration(value(e, ics.ComponentPropertyDuration)); err != nil {
			return 0, err
		}
	case whole:
		d = 24 * time.Hour
	}
	if d < 0 || d > maxLength {
		return 0, fmt.Errorf("takes %v; want 0 to 366 days", d)
	}
	return d, nil
}

// moment reads a DATE or DATE-TIME. A date comes as its midnight in UTC.
func (p *parser) moment(prop *ics.BaseProperty) (at time.Time, whole bool, err error) {
	return p.read(prop.Value, prop.ICalParameters)
}

func (p *parser) read(v string, params map[string][]string) (at time.Time, whole bool, err error) {
	switch {
	case len(v) == 8:
		at, err = time.Parse("20060102", v)
		whole = true
	case strings.HasSuffix(v, "Z"):
		at, err = time.Parse("20060102T150405Z", v)
	default:
		loc := p.loc
		if tz := params["TZID"]; len(tz) > 0 {
			if loc, err = time.LoadLocation(strings.TrimPrefix(tz[0], "/")); err != nil || tz[0] == "" || tz[0] == "Local" {
				return at, false, fmt.Errorf("time zone %q is no IANA name such as Europe/Chisinau", clip(tz[0], 40))
			}
		}
		at, err = time.ParseInLocation("20060102T150405", v, loc)
	}
	if err != nil || at.Year() < 1600 || at.Year() > 9000 {
		return at, whole, fmt.Errorf("%q; want a date such as 20261225 or a time such as 20261225T140000", clip(v, 40))
	}
	return at, whole, nil
}

// list reads the values of RDATE or EXDATE lines. Periods of RDATE are not read.
func (p *parser) list(e *ics.VEvent, name ics.ComponentProperty) ([]time.Time, error) {
	var out []time.Time
	for _, prop := range e.GetProperties(name) {
		for v := range strings.SplitSeq(prop.Value, ",") {
			at, _, err := p.read(strings.TrimSpace(v), prop.ICalParameters)
			if err != nil {
				return nil, err
			}
			if out = append(out, at); len(out) > maxSpans {
				return nil, fmt.Errorf("more than %d", maxSpans)
			}
		}
	}
	return out, nil
}

// recurring gives the starts of a rule from firstYear to lastYear.
func (p *parser) recurring(rule string, start time.Time) ([]time.Time, error) {
	if p.rules++; p.rules > maxRules {
		return nil, fmt.Errorf("more than %d recurring events", maxRules)
	}
	o, err := rrule.StrToROptionInLocation(rule, start.Location())
	if err != nil {
		return nil, fmt.Errorf("%q: %s", clip(rule, 80), clip(err.Error(), 80))
	}
	switch {
	case o.Freq > rrule.DAILY || len(o.Byhour)+len(o.Byminute)+len(o.Bysecond) > 0:
		return nil, fmt.Errorf("%q: want YEARLY, MONTHLY, WEEKLY or DAILY, at one time of the day", clip(rule, 80))
	case o.Interval < 0 || o.Interval > maxInterval:
		return nil, fmt.Errorf("INTERVAL %d; want 1 to %d", o.Interval, maxInterval)
	case o.Freq == rrule.DAILY && len(o.Bymonth)+len(o.Bymonthday)+len(o.Byyearday)+len(o.Byweekno)+len(o.Byeaster)+len(o.Bysetpos) > 0:
		// The library would try every day up to the year 9999 for a day that never comes.
		return nil, fmt.Errorf("%q: DAILY takes BYDAY alone; write it as YEARLY or MONTHLY", clip(rule, 80))
	}
	o.Dtstart = start
	horizon := time.Date(lastYear, 12, 31, 23, 59, 59, 0, time.UTC)
	if o.Until.IsZero() || o.Until.After(horizon) {
		o.Until = horizon
	}
	r, err := rrule.NewRRule(*o)
	if err != nil {
		return nil, fmt.Errorf("%q: %s", clip(rule, 80), clip(err.Error(), 80))
	}
	var out []time.Time
	for n, next := 0, r.Iterator(); ; n++ {
		at, ok := next()
		if !ok || n > 200000 { // every day since 1600
			return out, nil
		}
		if at.Year() < firstYear {
			continue
		}
		if out = append(out, at); len(out) > maxSpans {
			return nil, fmt.Errorf("more than %d times until the end of %d; give it an UNTIL or COUNT", maxSpans, lastYear)
		}
	}
}

// duration reads an RFC 5545 3.3.6 duration: P1W, P2D, PT1H30M.
func duration(s string) (time.Duration, error) {
	bad := fmt.Errorf("DURATION %q; want such as PT1H30M or P2D", clip(s, 40))
	rest, ok := strings.CutPrefix(strings.TrimPrefix(s, "+"), "P")
	if !ok || rest == "" {
		return 0, bad
	}
	units := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour}
	var d time.Duration
	n, digits := 0, 0
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == 'T' && digits == 0:
			units = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}
		case c >= '0' && c <= '9' && digits < 6:
			n, digits = n*10+int(c-'0'), digits+1
		case units[c] > 0 && digits > 0:
			d += time.Duration(n) * units[c]
			n, digits = 0, 0
		default:
			return 0, bad
		}
		if d > 2*maxLength {
			return 0, bad
		}
	}
	if digits > 0 {
		return 0, bad
	}
	return d, nil
}
