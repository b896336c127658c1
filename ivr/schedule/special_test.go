package schedule

import (
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/resource"
)

const feast = `BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:19910827
RRULE:FREQ=YEARLY
SUMMARY:Ziua Independenței
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;TZID=Europe/Chisinau:20261019T120000
DTEND;TZID=Europe/Chisinau:20261019T133000
RRULE:FREQ=WEEKLY;COUNT=3
SUMMARY:ședință
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20270103
SUMMARY:vacanță
END:VEVENT
END:VCALENDAR
`

const fair = `BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
DTSTART:20261129T080000Z
DURATION:PT4H
SUMMARY:fair
END:VEVENT
END:VCALENDAR
`

func clinic(t *testing.T) *Schedule {
	t.Helper()
	return must(t, resource.ScheduleSpec{
		TimeZone: "Europe/Chisinau",
		Hours:    []resource.HoursSpec{hours("mon tue wed thu fri", "09:00", "18:00")},
		Holidays: []resource.HolidaySpec{
			{Name: "Paște", Date: "orthodox_easter-2", Until: "orthodox_easter+1"},
			{Name: "Blajini", Date: "orthodox_easter+8"},
			{Name: "inventory", Date: "2026-12-29", Until: "2026-12-30", Hours: []resource.HoursSpec{hours("", "10:00", "11:00")}},
			{Name: "winter", Date: "12-31", Until: "01-08"},
			{Name: "last Friday", Date: "last fri nov", Hours: []resource.HoursSpec{hours("", "09:00", "12:00")}},
			{Name: "working feast", Date: "2027-08-27", Hours: []resource.HoursSpec{hours("", "09:00", "10:00")}},
		},
		Calendars: []resource.CalendarSpec{{Name: "feasts", ICal: feast}, {Name: "fairs", ICal: fair, Means: "open"}},
	})
}

func TestAt(t *testing.T) {
	s := clinic(t)
	for _, row := range []struct {
		name, at string
		want     Answer
	}{
		{"Monday", "2026-11-23T10:00:00+02:00", Answer{true, WhyHours, ""}},
		{"Sunday", "2026-11-22T10:00:00+02:00", Answer{false, WhyHours, ""}},
		{"Good Friday", "2026-04-10T10:00:00+03:00", Answer{false, WhyHoliday, "Paște"}},
		{"the Monday after Easter", "2026-04-13T10:00:00+03:00", Answer{false, WhyHoliday, "Paște"}},
		{"the Tuesday", "2026-04-14T10:00:00+03:00", Answer{true, WhyHours, ""}},
		{"a week later", "2026-04-20T10:00:00+03:00", Answer{false, WhyHoliday, "Blajini"}},
		{"next year by itself", "2027-04-30T10:00:00+03:00", Answer{false, WhyHoliday, "Paște"}},
		{"stretch of dates before the calendar", "2026-12-29T10:30:00+02:00", Answer{true, WhyHoliday, "inventory"}},
		{"and its other hours", "2026-12-30T12:00:00+02:00", Answer{false, WhyHoliday, "inventory"}},
		{"the calendar's days around it", "2026-12-28T10:00:00+02:00", Answer{false, WhyCalendar, "vacanță"}},
		{"over New Year, the old one", "2028-12-31T10:00:00+02:00", Answer{false, WhyHoliday, "winter"}},
		{"over New Year, the new one", "2029-01-08T10:00:00+02:00", Answer{false, WhyHoliday, "winter"}},
		{"and no longer", "2029-01-09T10:00:00+02:00", Answer{true, WhyHours, ""}},
		{"last Friday of November, morning", "2026-11-27T11:00:00+02:00", Answer{true, WhyHoliday, "last Friday"}},
		{"last Friday of November, afternoon", "2026-11-27T13:00:00+02:00", Answer{false, WhyHoliday, "last Friday"}},
		{"the Friday before", "2026-11-20T13:00:00+02:00", Answer{true, WhyHours, ""}},
		{"every year of the calendar", "2026-08-27T10:00:00+03:00", Answer{false, WhyCalendar, "Ziua Independenței"}},
		{"but not where a date says so", "2027-08-27T09:30:00+03:00", Answer{true, WhyHoliday, "working feast"}},
		{"hours of the calendar", "2026-10-19T12:00:00+03:00", Answer{false, WhyCalendar, "ședință"}},
		{"and when they are over", "2026-10-19T13:30:00+03:00", Answer{true, WhyHours, ""}},
		{"after the clocks went back", "2026-10-26T13:29:59+02:00", Answer{false, WhyCalendar, "ședință"}},
		{"an opening on a Sunday", "2026-11-29T10:00:00+02:00", Answer{true, WhyCalendar, "fair"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := s.At(moment(t, row.at)); got != row.want {
				t.Errorf("At(%s) = %+v", row.at, got)
			}
		})
	}
}

func TestNextChangeOfSpecials(t *testing.T) {
	s := clinic(t)
	for _, row := range []struct{ at, want string }{
		{"2026-10-19T10:00:00+03:00", "2026-10-19T12:00:00+03:00"},
		{"2026-10-19T12:30:00+03:00", "2026-10-19T13:30:00+03:00"},
		{"2026-04-09T18:00:00+03:00", "2026-04-14T09:00:00+03:00"},
		{"2026-11-28T10:00:00+02:00", "2026-11-29T10:00:00+02:00"},
		{"2026-12-30T11:00:00+02:00", "2027-01-11T09:00:00+02:00"}, // dates, calendar, rule, weekend
	} {
		got, ok := s.NextChange(moment(t, row.at))
		if !ok || !got.Equal(moment(t, row.want)) {
			t.Errorf("NextChange(%s) = %v %v, want %s", row.at, got, ok, row.want)
		}
	}
	rare := must(t, resource.ScheduleSpec{TimeZone: "UTC", Hours: []resource.HoursSpec{hours("mon tue wed thu fri sat sun", "00:00", "24:00")},
		Holidays: []resource.HolidaySpec{{Date: "5th mon feb"}}})
	if got, ok := rare.NextChange(moment(t, "2026-01-01T00:00:00Z")); !ok || !got.Equal(moment(t, "2044-02-29T00:00:00Z")) {
		t.Errorf("the fifth Monday of February: %v %v", got, ok)
	}
}

func TestSwitch(t *testing.T) {
	sw := &Switch{}
	s := clinic(t).WithSwitch(sw)
	now := moment(t, "2026-11-23T10:00:00+02:00")
	sw.Close(Closure{Since: now, Until: now.Add(2 * time.Hour), Reason: "no power", By: "anna"})
	for _, row := range []struct {
		at   time.Time
		want Answer
	}{
		{now.Add(-time.Second), Answer{true, WhyHours, ""}},
		{now, Answer{false, WhyClosure, "no power"}},
		{now.Add(2*time.Hour - 1), Answer{false, WhyClosure, "no power"}},
		{now.Add(2 * time.Hour), Answer{true, WhyHours, ""}},
	} {
		if got := s.At(row.at); got != row.want {
			t.Errorf("At(%v) = %+v", row.at, got)
		}
	}
	if at, ok := s.NextChange(now.Add(time.Minute)); !ok || !at.Equal(now.Add(2*time.Hour)) {
		t.Errorf("opens at %v", at)
	}
	// A closure that ends at night: the place opens in the morning.
	sw.Close(Closure{Since: now, Until: moment(t, "2026-11-23T23:00:00+02:00")})
	if at, ok := s.NextChange(now); !ok || !at.Equal(moment(t, "2026-11-24T09:00:00+02:00")) {
		t.Errorf("opens at %v", at)
	}
	sw.Close(Closure{Since: now})
	if _, ok := s.NextChange(now); ok || s.Open(now.Add(10000*time.Hour)) {
		t.Error("closed without an end, and it ends")
	}
	if !sw.Open() || sw.Open() || !s.Open(now) {
		t.Error("not open again")
	}
	// Another revision's schedule has the same switch; anybody may use it at any time.
	other := clinic(t).WithSwitch(sw)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { sw.Close(Closure{Since: now}); other.Open(now); sw.Open() })
	}
	wg.Wait()
	sw.Close(Closure{Since: now})
	if other.Open(now) {
		t.Error("the other revision is open")
	}
}

// The law of TestNextChangeAgreesWithOpen with calendars and rules.
func TestNextChangeAgreesWithCalendars(t *testing.T) {
	s := clinic(t)
	from := []string{"2026-04-08T00:00:00Z", "2026-10-18T00:00:00Z", "2026-11-26T00:00:00Z", "2026-12-23T00:00:00Z", "2027-08-25T00:00:00Z"}
	rapid.Check(t, func(r *rapid.T) {
		at := moment(t, rapid.SampledFrom(from).Draw(r, "from")).Add(time.Duration(rapid.IntRange(0, 14*24*60).Draw(r, "minutes")) * time.Minute)
		open := s.Open(at)
		next, ok := s.NextChange(at)
		if !ok || !next.After(at) || s.Open(next) == open || s.Open(next.Add(-time.Nanosecond)) != open {
			r.Fatalf("no change at %v (from %v, open %v)", next, at, open)
		}
		for probe := at; probe.Before(next); probe = probe.Add(15 * time.Minute) {
			if s.Open(probe) != open {
				r.Fatalf("changed at %v before %v", probe, next)
			}
		}
	})
}

func TestSpecialFaults(t *testing.T) {
	_, err := Parse(resource.ScheduleSpec{TimeZone: "UTC", Hours: []resource.HoursSpec{hours("mon", "09:00", "10:00")},
		Holidays:  []resource.HolidaySpec{{Date: "6th mon may"}, {Date: "12-24", Until: "soon"}},
		Calendars: []resource.CalendarSpec{{ICal: "x"}}})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"holidays[0].date", "holidays[1].until", "calendars[0].ical: no iCalendar text"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

func BenchmarkAt(b *testing.B) {
	spec := resource.ScheduleSpec{TimeZone: "Europe/Chisinau", Hours: []resource.HoursSpec{hours("mon tue wed thu fri", "09:00", "18:00")},
		Calendars: []resource.CalendarSpec{{ICal: feast}}}
	for _, d := range []string{"orthodox_easter-2", "easter", "last mon may", "2nd sun may"} {
		spec.Holidays = append(spec.Holidays, resource.HolidaySpec{Date: d, Until: "orthodox_easter+20"})
	}
	s, err := Parse(spec)
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		s.At(at)
	}
}
