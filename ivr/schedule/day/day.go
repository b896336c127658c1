// Package day names days of the calendar by rule: a date, a date of every year,
// a weekday counted in a month, and days before and after Easter, western and
// orthodox. It is pure and knows nothing of hours and zones.
package day

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Date is a day of the Gregorian calendar. The zero value is none.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// Of is the date of t in t's own location.
func Of(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// Noon is 12:00 UTC of the date: for arithmetic, far from any edge.
func (d Date) Noon() time.Time { return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC) }

// Add is the date so many days later, or earlier.
func (d Date) Add(days int) Date { return Of(d.Noon().AddDate(0, 0, days)) }

// Before tells whether d comes before e.
func (d Date) Before(e Date) bool {
	if d.Year != e.Year {
		return d.Year < e.Year
	}
	if d.Month != e.Month {
		return d.Month < e.Month
	}
	return d.Day < e.Day
}

// Weekday of the date, the same in every zone.
func (d Date) Weekday() time.Weekday { return d.Noon().Weekday() }

// String is "2026-12-25".
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

type kind byte

const (
	fixed    kind = iota // 2026-12-25
	yearly               // 12-25
	western              // easter+1
	orthodox             // orthodox_easter+1
	counted              // 2nd sun may
)

// Rule names one day of a year, or of every year.
type Rule struct {
	kind    kind
	date    Date // fixed; Year 0 for yearly
	offset  int  // days after Easter
	nth     int  // counted: 1 to 5, -1 = last
	weekday time.Weekday
	month   time.Month
}

// Want is what Parse reads, for messages.
const Want = `a date such as "2026-12-25", "12-25" for every year, "easter+1", "orthodox_easter-2", "2nd sun may" or "last mon may"`

var (
	weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	months   = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	ordinals = map[string]int{"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "last": -1}
)

// maxOffset bounds the days between Easter and a day named after it.
const maxOffset = 120

var errRule = errors.New("want " + Want)

// Parse reads a rule as Want says.
func Parse(s string) (Rule, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil && t.Year() > 0 {
		return Rule{kind: fixed, date: Of(t)}, nil
	}
	if t, err := time.Parse(time.DateOnly, "2000-"+s); err == nil { // a leap year: 02-29 is a day
		d := Of(t)
		d.Year = 0
		return Rule{kind: yearly, date: d}, nil
	}
	for name, k := range map[string]kind{"easter": western, "orthodox_easter": orthodox} {
		rest, ok := strings.CutPrefix(s, name)
		if !ok {
			continue
		}
		n := 0
		if rest != "" {
			var err error
			if n, err = strconv.Atoi(rest); err != nil || rest[0] != '+' && rest[0] != '-' || n < -maxOffset || n > maxOffset {
				return Rule{}, errRule
			}
		}
		return Rule{kind: k, offset: n}, nil
	}
	if w := strings.Fields(s); len(w) == 3 {
		n, d, m := ordinals[w[0]], slices.Index(weekdays, w[1]), slices.Index(months, w[2])
		if n != 0 && d >= 0 && m >= 0 {
			return Rule{kind: counted, nth: n, weekday: time.Weekday(d), month: time.Month(m + 1)}, nil
		}
	}
	return Rule{}, errRule
}

// Fixed is the date of a rule that names one day of one year.
func (r Rule) Fixed() (Date, bool) { return r.date, r.kind == fixed }

// Yearly is the day of a rule such as "12-25", in year 0.
func (r Rule) Yearly() (Date, bool) { return r.date, r.kind == yearly }

// In is the rule's day in a year; ok is false when that year has none.
func (r Rule) In(year int) (d Date, ok bool) {
	switch r.kind {
	case fixed:
		return r.date, r.date.Year == year
	case yearly:
		d = Date{year, r.date.Month, r.date.Day}
		return d, Of(d.Noon()) == d // 02-29 is not a day of every year
	case western:
		return Easter(year).Add(r.offset), true
	case orthodox:
		return OrthodoxEaster(year).Add(r.offset), true
	}
	if r.nth < 0 {
		last := Date{year, r.month + 1, 0}
		back := (int(last.Weekday()) - int(r.weekday) + 7) % 7
		return Of(last.Noon()).Add(-back), true
	}
	first := Date{year, r.month, 1}
	ahead := (int(r.weekday) - int(first.Weekday()) + 7) % 7
	d = first.Add(ahead + 7*(r.nth-1))
	return d, d.Month == r.month
}

// On tells whether the rule names d.
func (r Rule) On(d Date) bool {
	// Days after Easter never leave its year: it falls between 22 March and 8 May.
	got, ok := r.In(d.Year)
	return ok && got == d
}

// Easter of the western churches in the Gregorian calendar, by the method of
// Meeus, Jones and Butcher (Astronomical Algorithms, chapter 8).
func Easter(year int) Date {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return Date{year, time.Month(n / 31), n%31 + 1}
}

// OrthodoxEaster is Easter by the Julian computus (Meeus), told as a date of
// the Gregorian calendar.
func OrthodoxEaster(year int) Date {
	a, b, c := year%4, year%7, year%19
	d := (19*c + 15) % 30
	e := (2*a + 4*b - d + 34) % 7
	n := d + e + 114
	julian := Date{year, time.Month(n / 31), n%31 + 1}
	// The Julian calendar has fallen behind by a day in each century whose number
	// is no multiple of four: 13 days from 1900 to 2099.
	return julian.Add(year/100 - year/400 - 2)
}
