// Package schedule tells whether a place is open at a moment: weekly hours in a
// time zone, holidays by date and by rule, calendars, and a switch that closes
// it for a while. It is pure and keeps to the clock on the wall: on the night
// when clocks go back, hours in the repeated hour are open twice; on the night
// when they go forward, a beginning in the hour that does not exist takes effect
// when it is over.
//
// A span belongs to the day on which it begins. Friday 22:00-06:00 is open on
// Saturday morning also when that Saturday is a holiday.
package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr/schedule/day"
	"github.com/centrala/centrala/ivr/schedule/ical"
	"github.com/centrala/centrala/pkg/resource"
)

// Schedule is a parsed set of opening hours. It is never changed (its Switch
// is) and may be asked by all calls at once.
type Schedule struct {
	loc      *time.Location
	week     [7][]span // by time.Weekday
	dates    map[day.Date]special
	yearly   map[day.Date]special // Year is 0
	rules    []ruled              // days by rule, and stretches of days
	calendar map[day.Date]special // whole days
	times    []busy               // hours of calendars, in order of their beginning
	reach    []time.Time          // reach[i] is the latest end among times[:i+1]
	// last is the day after which nothing is named by date any more, up to which
	// NextChange has to look.
	last day.Date
	// rare: some day comes less often than in eight years.
	rare bool
	// nights: some hours run into the next day.
	nights bool

	hand *Switch // nil: nobody can close it by hand
}

// span is seconds of the day on which it begins: [from, to). to goes up to
// 48 h when it runs into the next day.
type span struct{ from, to int }

// special is a day with hours of its own; none = closed.
type special struct {
	name  string
	spans []span
}

// ruled is a special day by rule, or a stretch of them up to until.
type ruled struct {
	first day.Rule
	until *day.Rule
	special
}

// busy is a time of a calendar.
type busy struct {
	start, end time.Time
	name       string
	open       bool // it is open then, else closed
}

const wholeDay = 24 * 60 * 60 // seconds on the wall, whatever the clocks do

// Parse reads a schedule. The error joins every fault: "hours[1].to: ...".
func Parse(spec resource.ScheduleSpec) (*Schedule, error) {
	s := &Schedule{dates: map[day.Date]special{}, yearly: map[day.Date]special{}, calendar: map[day.Date]special{}}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch loc, err := time.LoadLocation(spec.TimeZone); {
	case spec.TimeZone == "":
		fault("time_zone: missing; want an IANA name such as Europe/Chisinau")
	case err != nil || spec.TimeZone == "Local":
		// "Local" would mean another hour on another machine.
		fault("time_zone: unknown %q; want an IANA name such as Europe/Chisinau", clip(spec.TimeZone))
	default:
		s.loc = loc
	}
	if len(spec.Hours) == 0 {
		fault("hours: missing; a place that is never open needs no schedule")
	}
	for i, h := range spec.Hours {
		path := fmt.Sprintf("hours[%d]", i)
		sp, ok := parseSpan(path, h, fault)
		if len(h.Days) == 0 {
			fault("%s.days: missing; want some of mon, tue, wed, thu, fri, sat, sun", path)
		}
		for j, name := range h.Days {
			d := slices.Index(weekdays, name)
			if d < 0 {
				fault("%s.days[%d]: unknown %q; want one of mon, tue, wed, thu, fri, sat, sun", path, j, clip(name))
			} else if ok {
				s.week[d] = append(s.week[d], sp)
			}
		}
	}
	for i, h := range spec.Holidays {
		s.holiday(fmt.Sprintf("holidays[%d]", i), h, fault)
	}
	if s.loc != nil {
		for i, c := range spec.Calendars {
			s.addCalendar(fmt.Sprintf("calendars[%d]", i), c, fault)
		}
	}
	s.sortTimes()
	s.nights = s.overnight()
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

// overnight tells whether any hours run into the next day.
func (s *Schedule) overnight() bool {
	late := func(sp span) bool { return sp.to > wholeDay }
	for _, spans := range s.week {
		if slices.ContainsFunc(spans, late) {
			return true
		}
	}
	for _, m := range []map[day.Date]special{s.dates, s.yearly} {
		for _, sp := range m {
			if slices.ContainsFunc(sp.spans, late) {
				return true
			}
		}
	}
	return slices.ContainsFunc(s.rules, func(r ruled) bool { return slices.ContainsFunc(r.spans, late) })
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (s *Schedule) holiday(path string, h resource.HolidaySpec, fault func(string, ...any)) {
	sp := special{name: h.Name, spans: []span{}}
	for j, hours := range h.Hours {
		if one, ok := parseSpan(fmt.Sprintf("%s.hours[%d]", path, j), hours, fault); ok {
			sp.spans = append(sp.spans, one)
		}
	}
	first, err := day.Parse(h.Date)
	if err != nil {
		fault("%s.date: %q; %w", path, clip(h.Date), err)
		return
	}
	r := ruled{first: first, special: sp}
	if h.Until != "" {
		until, err := day.Parse(h.Until)
		if err != nil {
			fault("%s.until: %q; %w", path, clip(h.Until), err)
			return
		}
		r.until = &until
		if d, ok := until.Fixed(); ok {
			s.upTo(d)
		}
	}
	fixed, isFixed := first.Fixed()
	yearly, isYearly := first.Yearly()
	put := func(m map[day.Date]special, d day.Date) {
		if _, twice := m[d]; twice {
			fault("%s.date: %q is there twice", path, h.Date)
		}
		m[d] = sp
	}
	if isFixed {
		s.upTo(fixed)
	}
	switch {
	case r.until == nil && isFixed:
		put(s.dates, fixed)
	case r.until == nil && isYearly:
		put(s.yearly, yearly)
	default:
		s.rules = append(s.rules, r)
		s.rare = s.rare || strings.HasPrefix(h.Date, "5th")
	}
}

// upTo remembers the latest day that is named by its date.
func (s *Schedule) upTo(d day.Date) {
	if s.last.Before(d) {
		s.last = d
	}
}

// addCalendar puts the days and times of a calendar in. Days that holidays name
// by their date keep the hours they have there.
func (s *Schedule) addCalendar(path string, c resource.CalendarSpec, fault func(string, ...any)) {
	spans, err := ical.Parse(c.ICal, s.loc)
	if err != nil {
		fault("%s.ical: %w", path, err)
		return
	}
	open := c.Means == "open"
	for _, sp := range spans {
		name := sp.Name
		if name == "" {
			name = c.Name
		}
		if !sp.WholeDays() {
			s.times = append(s.times, busy{sp.Start, sp.End, name, open})
			s.upTo(day.Of(sp.End.In(s.loc)).Add(1))
			continue
		}
		hours := special{name: name}
		if open {
			hours.spans = []span{{0, wholeDay}}
		}
		for d := sp.First; !sp.Last.Before(d); d = d.Add(1) {
			if _, taken := s.calendar[d]; !taken {
				s.calendar[d] = hours
			}
		}
		s.upTo(sp.Last)
	}
}

func (s *Schedule) sortTimes() {
	slices.SortStableFunc(s.times, func(a, b busy) int { return a.start.Compare(b.start) })
	s.reach = make([]time.Time, len(s.times))
	for i, b := range s.times {
		s.reach[i] = b.end
		if i > 0 && s.reach[i-1].After(b.end) {
			s.reach[i] = s.reach[i-1]
		}
	}
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}

func parseSpan(path string, h resource.HoursSpec, fault func(string, ...any)) (span, bool) {
	from, okFrom := clock(h.From)
	if !okFrom || from == wholeDay {
		fault("%s.from: %q; want 00:00 to 23:59", path, clip(h.From))
	}
	to, okTo := clock(h.To)
	if !okTo {
		fault("%s.to: %q; want 00:00 to 24:00", path, clip(h.To))
	}
	if to <= from {
		to += wholeDay
	}
	return span{from, to}, okFrom && okTo && from < wholeDay
}

// clock is "HH:MM" in seconds.
func clock(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	h, m := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	if h > 24 || m > 59 || h == 24 && m > 0 {
		return 0, false
	}
	return h*3600 + m*60, true
}

// on is the hours of a day, with the name and kind of it when it is no common
// one: those of its date, of the stretch it is in, of the calendars, of the day
// in every year, of a rule, or of the day of the week, in this order.
func (s *Schedule) on(d day.Date) (special, Why) {
	if sp, ok := s.dates[d]; ok {
		return sp, WhyHoliday
	}
	rule := -1
	for i := range s.rules {
		if !s.rules[i].on(d) {
			continue
		}
		if _, dated := s.rules[i].first.Fixed(); dated {
			return s.rules[i].special, WhyHoliday
		}
		if rule < 0 {
			rule = i
		}
	}
	if sp, ok := s.calendar[d]; ok {
		return sp, WhyCalendar
	}
	if sp, ok := s.yearly[day.Date{Month: d.Month, Day: d.Day}]; ok {
		return sp, WhyHoliday
	}
	if rule >= 0 {
		return s.rules[rule].special, WhyHoliday
	}
	return special{spans: s.week[d.Weekday()]}, WhyHours
}

// on tells whether d is the rule's day, or in its stretch.
func (r *ruled) on(d day.Date) bool {
	if r.until == nil {
		return r.first.On(d)
	}
	if first, ok := r.first.Fixed(); ok {
		until, ok := r.until.In(first.Year)
		if !ok || until.Before(first) {
			until, ok = r.until.In(first.Year + 1)
		}
		return ok && !d.Before(first) && !until.Before(d)
	}
	first, begins := r.first.In(d.Year)
	until, ends := r.until.In(d.Year)
	if begins && ends && !until.Before(first) {
		return !d.Before(first) && !until.Before(d)
	}
	// It goes over New Year, or this year has only one of the two.
	if begins && !d.Before(first) {
		next, ok := r.until.In(d.Year + 1)
		return ok && !next.Before(d)
	}
	if ends && !until.Before(d) {
		before, ok := r.first.In(d.Year - 1)
		return ok && before.Before(d)
	}
	return false
}

// during is the time of a calendar at a moment: one that opens before one that
// closes, else the one that began last.
func (s *Schedule) during(at time.Time) (busy, bool) {
	n, _ := slices.BinarySearchFunc(s.times, at, func(b busy, t time.Time) int {
		if b.start.After(t) {
			return 1
		}
		return -1
	})
	found, ok := busy{}, false
	for i := n - 1; i >= 0 && s.reach[i].After(at); i-- {
		if b := s.times[i]; b.end.After(at) && (!ok || b.open && !found.open) {
			found, ok = b, true
		}
	}
	return found, ok
}

// Open tells whether the place is open at a moment.
func (s *Schedule) Open(at time.Time) bool { return s.At(at).Open }

// Why is the reason of an Answer.
type Why string

// The reasons.
const (
	WhyHours    Why = "hours"    // the weekly ones
	WhyHoliday  Why = "holiday"  // a day of the schedule's own list, closed or with hours of its own
	WhyCalendar Why = "calendar" // a day or time of a calendar
	WhyClosure  Why = "closure"  // closed by hand
)

// Answer is how a place is at a moment.
type Answer struct {
	Open bool
	Why  Why
	Name string // of the holiday or the calendar's event, or the closure's reason
}

// Holiday tells whether the day is none of the common ones, or the place was
// closed by hand.
func (a Answer) Holiday() bool { return a.Why == WhyHoliday || a.Why == WhyCalendar }

// At tells how the place is at a moment, and why.
func (s *Schedule) At(at time.Time) Answer {
	if c := s.hand.closed(at); c != nil {
		return Answer{false, WhyClosure, c.Reason}
	}
	if b, ok := s.during(at); ok {
		return Answer{b.open, WhyCalendar, b.name}
	}
	local := at.In(s.loc)
	h, m, sec := local.Clock()
	now := h*3600 + m*60 + sec
	today := day.Of(local)
	sp, why := s.on(today)
	for _, x := range sp.spans {
		if x.from <= now && now < x.to {
			return Answer{true, why, sp.name}
		}
	}
	if !s.nights {
		return Answer{false, why, sp.name}
	}
	yesterday, its := s.on(today.Add(-1))
	for _, x := range yesterday.spans {
		if x.from <= now+wholeDay && now+wholeDay < x.to {
			return Answer{true, its, yesterday.name}
		}
	}
	return Answer{false, why, sp.name}
}

// How far NextChange looks beyond at and beyond the last day that is named by
// date: eight years, because 02-29 may be that far away (1896 to 1904); forty
// for a fifth Monday of February.
const (
	horizon     = 8*366 + 1
	rareHorizon = 41 * 366
)

// NextChange is the first moment after at when Open becomes other than it is at
// at; ok is false when it never does.
func (s *Schedule) NextChange(at time.Time) (change time.Time, ok bool) {
	if c := s.hand.closed(at); c != nil {
		switch {
		case c.Until.IsZero():
			return time.Time{}, false
		case s.Open(c.Until):
			return c.Until.In(s.loc), true
		}
		at = c.Until
	}
	open := s.Open(at)
	d := day.Of(at.In(s.loc)).Add(-1) // its night may end after at
	end := d
	if end.Before(s.last) {
		end = s.last
	}
	if s.rare {
		end = end.Add(rareHorizon)
	} else {
		end = end.Add(horizon)
	}
	var moments []time.Time
	for ; d.Before(end); d = d.Add(1) {
		moments = s.moments(moments[:0], d)
		slices.SortFunc(moments, time.Time.Compare)
		for _, t := range moments {
			if t.After(at) && s.Open(t) != open {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// moments appends every moment of day d at which Open could change: midnight,
// beginnings and ends, in each offset from UTC the day has, and the jumps of the
// clock themselves.
func (s *Schedule) moments(out []time.Time, d day.Date) []time.Time {
	midnight := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	first := midnight.Add(-15 * time.Hour).In(s.loc) // no zone is further from UTC than 14 h
	last := midnight.Add(39 * time.Hour).In(s.loc)
	offsets := []int{offset(first)}
	for t := first; ; {
		_, next := t.ZoneBounds()
		if next.IsZero() || next.After(last) {
			break
		}
		if day.Of(next) == d {
			out = append(out, next)
		}
		t = next
		offsets = append(offsets, offset(t))
	}
	slices.Sort(offsets)
	for _, off := range slices.Compact(offsets) {
		add := func(seconds int) {
			t := midnight.Add(time.Duration(seconds-off) * time.Second).In(s.loc)
			if day.Of(t) == d {
				out = append(out, t)
			}
		}
		add(0)
		today, _ := s.on(d)
		for _, sp := range today.spans {
			add(sp.from)
			add(sp.to)
		}
		before, _ := s.on(d.Add(-1))
		for _, sp := range before.spans {
			add(sp.to - wholeDay)
		}
	}
	for i := s.firstTime(first); i < len(s.times) && s.times[i].start.Before(last); i++ {
		for _, t := range [...]time.Time{s.times[i].start.In(s.loc), s.times[i].end.In(s.loc)} {
			if day.Of(t) == d {
				out = append(out, t)
			}
		}
	}
	return out
}

// firstTime is the first time of a calendar that may not be over at t.
func (s *Schedule) firstTime(t time.Time) int {
	i, _ := slices.BinarySearchFunc(s.reach, t, func(end, t time.Time) int {
		if end.Before(t) {
			return -1
		}
		return 1
	})
	return i
}

func offset(t time.Time) int {
	_, off := t.Zone()
	return off
}

// Zone is the schedule's time zone.
func (s *Schedule) Zone() *time.Location { return s.loc }
