package ical

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func calendar(events ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n" + strings.ReplaceAll(strings.Join(events, ""), "\n", "\r\n") + "END:VCALENDAR\r\n"
}

func event(lines ...string) string {
	return "BEGIN:VEVENT\nUID:u1\nDTSTAMP:20260101T000000Z\n" + strings.Join(lines, "\n") + "\nEND:VEVENT\n"
}

var chisinau = func() *time.Location {
	l, err := time.LoadLocation("Europe/Chisinau")
	if err != nil {
		panic(err)
	}
	return l
}()

// show writes spans of 2026 and 2027 shortly.
func show(spans []Span) string {
	var out []string
	for _, s := range spans {
		if s.begin().Year() < 2026 || s.begin().Year() > 2027 {
			continue
		}
		if s.WholeDays() {
			out = append(out, fmt.Sprintf("%v..%v %s", s.First, s.Last, s.Name))
		} else {
			out = append(out, fmt.Sprintf("%s..%s %s", s.Start.UTC().Format("2006-01-02T15:04"), s.End.UTC().Format("15:04"), s.Name))
		}
	}
	return strings.Join(out, "\n")
}

func TestParse(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"a day", calendar(event("DTSTART;VALUE=DATE:20260827", "SUMMARY:Ziua Independenței", "TRANSP:TRANSPARENT")), "2026-08-27..2026-08-27 Ziua Independenței"},
		{"several days; the end is not among them", calendar(event("DTSTART;VALUE=DATE:20261228", "DTEND;VALUE=DATE:20270103", "SUMMARY:x")), "2026-12-28..2027-01-02 x"},
		{"every year", calendar(event("DTSTART;VALUE=DATE:19910827", "RRULE:FREQ=YEARLY", "SUMMARY:i")), "2026-08-27..2026-08-27 i\n2027-08-27..2027-08-27 i"},
		{"last Monday of May", calendar(event("DTSTART;VALUE=DATE:20200525", "RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO", "SUMMARY:m")), "2026-05-25..2026-05-25 m\n2027-05-31..2027-05-31 m"},
		{"without one year", calendar(event("DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=YEARLY", "EXDATE;VALUE=DATE:20260101", "SUMMARY:n")), "2027-01-01..2027-01-01 n"},
		{"and one date more", calendar(event("DTSTART;VALUE=DATE:20260101", "RDATE;VALUE=DATE:20260315,20260401", "SUMMARY:n")), "2026-01-01..2026-01-01 n\n2026-03-15..2026-03-15 n\n2026-04-01..2026-04-01 n"},
		{"times in a zone keep to the wall over the night of the clocks", calendar(event("DTSTART;TZID=Europe/Bucharest:20261019T140000", "DTEND;TZID=Europe/Bucharest:20261019T153000", "RRULE:FREQ=WEEKLY;COUNT=2", "SUMMARY:t")), "2026-10-19T11:00..12:30 t\n2026-10-26T12:00..13:30 t"},
		{"times without one are the schedule's", calendar(event("DTSTART:20260701T140000", "DURATION:PT1H30M", "SUMMARY:t")), "2026-07-01T11:00..12:30 t"},
		{"times in UTC", calendar(event("DTSTART:20260701T140000Z", "DTEND:20260701T150000Z", "SUMMARY:t")), "2026-07-01T14:00..15:00 t"},
		{"one of a series is elsewhere", calendar(
			event("DTSTART:20260701T140000Z", "DTEND:20260701T150000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:s"),
			event("RECURRENCE-ID:20260702T140000Z", "DTSTART:20260702T180000Z", "DTEND:20260702T190000Z", "SUMMARY:moved")),
			"2026-07-01T14:00..15:00 s\n2026-07-02T18:00..19:00 moved\n2026-07-03T14:00..15:00 s"},
		{"one of a series is cancelled", calendar(
			event("DTSTART:20260701T140000Z", "DTEND:20260701T150000Z", "RRULE:FREQ=DAILY;COUNT=2", "SUMMARY:s"),
			event("RECURRENCE-ID:20260702T140000Z", "DTSTART:20260702T140000Z", "STATUS:CANCELLED")),
			"2026-07-01T14:00..15:00 s"},
		{"a moment is no time", calendar(event("DTSTART:20260701T140000Z", "SUMMARY:t")), ""},
		{"folded lines", calendar("BEGIN:VEVENT\nUID:u\nDTSTART;VALUE=DATE:20260601\nSUMMARY:Ziua copi\n lului\nEND:VEVENT\n"), "2026-06-01..2026-06-01 Ziua copilului"},
		{"other parts are passed over", calendar("BEGIN:VTODO\nUID:t\nEND:VTODO\n"), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			spans, err := Parse(row.text, chisinau)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(spans); got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	many := strings.Repeat(event("DTSTART:20260701T140000Z", "RRULE:FREQ=YEARLY"), maxRules+1)
	for _, row := range []struct{ text, want string }{
		{"", "iCalendar"},
		{"hello", "iCalendar"},
		{strings.Repeat(" ", MaxText+1), "bytes"},
		{calendar(event("SUMMARY:x")), "DTSTART is missing"},
		{calendar(event("DTSTART:yesterday", "SUMMARY:party")), `"party": DTSTART: "yesterday"`},
		{calendar(event("DTSTART;TZID=GTB Standard Time:20260701T140000")), "IANA"},
		{calendar(event("DTSTART:20260701T140000", "DTEND;VALUE=DATE:20260702")), "a date and the other a time"},
		{calendar(event("DTSTART:20260701T140000", "DTEND:20260701T120000")), "takes -2h"},
		{calendar(event("DTSTART:20260701T140000", "DURATION:1h")), "DURATION"},
		{calendar(event("DTSTART:20260701T140000Z", "RRULE:FREQ=SECONDLY")), "want YEARLY"},
		{calendar(event("DTSTART:20260701T140000Z", "RRULE:FREQ=DAILY;BYHOUR=1,2,3")), "one time of the day"},
		{calendar(event("DTSTART:20260701T140000Z", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")), "BYDAY alone"},
		{calendar(event("DTSTART:20260701T140000Z", "RRULE:FREQ=DAILY;INTERVAL=100000")), "INTERVAL"},
		{calendar(event("DTSTART:20260701T140000Z", "RRULE:sometimes")), "RRULE"},
		{calendar(event("DTSTART:20000101T140000Z", "RRULE:FREQ=DAILY")), "more than 10000 times"},
		{calendar(many), "recurring events"},
	} {
		spans, err := Parse(row.text, chisinau)
		if err == nil || spans != nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%.60q: %v, want %q", row.text, err, row.want)
		}
	}
}

// Days that never come are looked for up to the year 9999; that must stay cheap.
func BenchmarkNeverComes(b *testing.B) {
	for _, rule := range []string{"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1"} {
		b.Run(rule, func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse(calendar(event("DTSTART:20260701T140000Z", "RRULE:"+rule)), time.UTC); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(calendar(event("DTSTART;VALUE=DATE:20200525", "RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO", "EXDATE:20260101")))
	f.Add(calendar(event("DTSTART;TZID=Europe/Bucharest:20261019T140000", "DURATION:P1DT2H")))
	f.Fuzz(func(t *testing.T, text string) {
		spans, err := Parse(text, chisinau)
		if err == nil && len(spans) > maxSpans {
			t.Fatal(len(spans))
		}
		for _, s := range spans {
			if s.WholeDays() && s.Last.Before(s.First) || !s.WholeDays() && !s.End.After(s.Start) {
				t.Fatalf("%+v", s)
			}
		}
	})
}
