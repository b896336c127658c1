// Package schedule tells whether a place is open at a moment: weekly hours in a
// time zone, holidays, and holidays with hours of their own. It is pure and
// keeps to the clock on the wall: on the night when clocks go back, hours in
// the repeated hour are open twice; on the night when they go forward, a
// beginning in the hour that does not exist takes effect when it is over.
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

	"github.com/centrala/centrala/pkg/resource"
)

// Schedule is a parsed set of opening hours. It is never changed and may be
// asked by all calls at once.
type Schedule struct {
	loc    *time.Location
	week   [7][]span // by time.Weekday
	dates  map[date][]span
	yearly map[date][]span // Year is 0
	// last is the day after the last fixed holiday, up to which NextChange has
	// to look.
	last date
}

// span is seconds of the day on which it begins: [from, to). to goes up to
// 48 h when it runs into the next day.
type span struct{ from, to int }

const day = 24 * 60 * 60 // seconds on the wall, whatever the clocks do

type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Parse reads a schedule. The error joins every fault: "hours[1].to: ...".
func Parse(spec resource.ScheduleSpec) (*Schedule, error) {
	s := &Schedule{dates: map[date][]span{}, yearly: map[date][]span{}}
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
		path := fmt.Sprintf("holidays[%d]", i)
		spans := []span{} // not nil: a closed day is an entry too
		for j, hours := range h.Hours {
			if sp, ok := parseSpan(fmt.Sprintf("%s.hours[%d]", path, j), hours, fault); ok {
				spans = append(spans, sp)
			}
		}
		d, err := parseDate(h.Date)
		if err != nil {
			fault("%s.date: %q; want 2026-12-25, or 12-25 for every year", path, clip(h.Date))
			continue
		}
		m := s.dates
		if d.year == 0 {
			m = s.yearly
		} else if s.last.before(d) {
			s.last = d
		}
		if _, twice := m[d]; twice {
			fault("%s.date: %q is there twice", path, h.Date)
		}
		m[d] = spans
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

func (d date) before(e date) bool {
	if d.year != e.year {
		return d.year < e.year
	}
	if d.month != e.month {
		return d.month < e.month
	}
	return d.day < e.day
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}

func parseSpan(path string, h resource.HoursSpec, fault func(string, ...any)) (span, bool) {
	from, okFrom := clock(h.From)
	if !okFrom || from == day {
		fault("%s.from: %q; want 00:00 to 23:59", path, clip(h.From))
	}
	to, okTo := clock(h.To)
	if !okTo {
		fault("%s.to: %q; want 00:00 to 24:00", path, clip(h.To))
	}
	if to <= from {
		to += day
	}
	return span{from, to}, okFrom && okTo && from < day
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

func parseDate(s string) (date, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil && t.Year() > 0 {
		return dateOf(t), nil
	}
	t, err := time.Parse(time.DateOnly, "2000-"+s) // a leap year: 02-29 is a day
	if err != nil {
		return date{}, err
	}
	d := dateOf(t)
	d.year = 0
	return d, nil
}

// on is the hours of a day: those of the date, of the day in every year, or of
// the day of the week, in this order.
func (s *Schedule) on(d date) []span {
	if spans, ok := s.dates[d]; ok {
		return spans
	}
	if spans, ok := s.yearly[date{0, d.month, d.day}]; ok {
		return spans
	}
	// The weekday of a calendar date is the same in every zone.
	return s.week[time.Date(d.year, d.month, d.day, 12, 0, 0, 0, time.UTC).Weekday()]
}

// Open tells whether the place is open at a moment.
func (s *Schedule) Open(at time.Time) bool {
	local := at.In(s.loc)
	h, m, sec := local.Clock()
	now := h*3600 + m*60 + sec
	today := dateOf(local)
	for _, sp := range s.on(today) {
		if sp.from <= now && now < sp.to {
			return true
		}
	}
	for _, sp := range s.on(today.add(-1)) {
		if sp.from <= now+day && now+day < sp.to {
			return true
		}
	}
	return false
}

func (d date) add(days int) date {
	return dateOf(time.Date(d.year, d.month, d.day+days, 12, 0, 0, 0, time.UTC))
}

// horizon is how far NextChange looks beyond at and beyond the last fixed
// holiday: eight years, because 02-29 may be that far away (1896 to 1904).
const horizon = 8*366 + 1

// NextChange is the first moment after at when Open becomes other than it is at
// at; ok is false when it never does.
func (s *Schedule) NextChange(at time.Time) (change time.Time, ok bool) {
	open := s.Open(at)
	d := dateOf(at.In(s.loc)).add(-1) // its night may end after at
	end := d
	if end.before(s.last) {
		end = s.last
	}
	end = end.add(horizon)
	var moments []time.Time
	for ; d.before(end); d = d.add(1) {
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
func (s *Schedule) moments(out []time.Time, d date) []time.Time {
	midnight := time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC)
	first := midnight.Add(-15 * time.Hour).In(s.loc) // no zone is further from UTC than 14 h
	last := midnight.Add(39 * time.Hour).In(s.loc)
	offsets := []int{offset(first)}
	for t := first; ; {
		_, next := t.ZoneBounds()
		if next.IsZero() || next.After(last) {
			break
		}
		if dateOf(next) == d {
			out = append(out, next)
		}
		t = next
		offsets = append(offsets, offset(t))
	}
	slices.Sort(offsets)
	for _, off := range slices.Compact(offsets) {
		add := func(seconds int) {
			t := midnight.Add(time.Duration(seconds-off) * time.Second).In(s.loc)
			if dateOf(t) == d {
				out = append(out, t)
			}
		}
		add(0)
		for _, sp := range s.on(d) {
			add(sp.from)
			add(sp.to)
		}
		for _, sp := range s.on(d.add(-1)) {
			add(sp.to - day)
		}
	}
	return out
}

func offset(t time.Time) int {
	_, off := t.Zone()
	return off
}
