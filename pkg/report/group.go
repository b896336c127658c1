package report

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Period is what a line of a report is about.
type Period string

const (
	PerInterval Period = "interval" // 15 minutes
	PerHour     Period = "hour"
	PerDay      Period = "day"
	PerMonth    Period = "month"
	PerTotal    Period = "total" // all that was asked for in one
)

// Periods lists every Period.
var Periods = []Period{PerInterval, PerHour, PerDay, PerMonth, PerTotal}

// start is the first moment of the period of t, on the clock of t's zone. A day
// begins at its first moment, which is not 00:00 where clocks are put forward at
// midnight; of an hour that a zone has twice in a night, each is an hour.
func (p Period) start(t time.Time) time.Time {
	switch p {
	case PerHour:
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second).Truncate(Interval)
	case PerDay:
		return StartOfDay(t)
	case PerMonth:
		y, m, _ := t.Date()
		return StartOfDay(time.Date(y, m, 1, 12, 0, 0, 0, t.Location()))
	}
	return t
}

// end is the first moment behind the period that begins at t.
func (p Period) end(t time.Time) time.Time {
	switch p {
	case PerHour:
		// The next full hour of the clock; Lord Howe has an hour of 30 minutes.
		for e := t.Add(Interval); ; e = e.Add(Interval) {
			if e.Minute() == t.Minute() || e.Sub(t) >= time.Hour {
				return e
			}
		}
	case PerDay:
		y, m, d := t.Add(12 * time.Hour).Date()
		return StartOfDay(time.Date(y, m, d+1, 12, 0, 0, 0, t.Location()))
	case PerMonth:
		y, m, _ := t.Add(12 * time.Hour).Date()
		return StartOfDay(time.Date(y, m+1, 1, 12, 0, 0, 0, t.Location()))
	}
	return t.Add(Interval)
}

// StartOfDay is the first quarter of an hour of t's day in its zone.
func StartOfDay(t time.Time) time.Time {
	y, m, d := t.Date()
	s := time.Date(y, m, d, 12, 0, 0, 0, t.Location()) // noon is once a day everywhere
	for range 14 * 4 {                                 // a day's first half has at most 13 hours
		before := s.Add(-Interval)
		if before.Day() != d {
			break
		}
		s = before
	}
	return s
}

// Line is one line of a report.
type Line struct {
	Start, End time.Time // in the zone that was asked for
	Name       string
	Counts     Counts
}

// Row is a stored row, or what is to be added to one.
type Row struct {
	Start  int64
	Name   string
	Counts Counts
}

func (r *Row) before(s *Row) bool { return r.Start < s.Start || r.Start == s.Start && r.Name < s.Name }

// Overlay adds rows that are not stored yet to stored ones, both sorted by start
// and name.
func Overlay(stored iter.Seq2[Row, error], more []Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for r, err := range stored {
			if err != nil {
				yield(r, err)
				return
			}
			for len(more) > 0 && more[0].before(&r) {
				if !yield(more[0], nil) {
					return
				}
				more = more[1:]
			}
			if len(more) > 0 && more[0].Start == r.Start && more[0].Name == r.Name {
				r.Counts.Merge(&more[0].Counts)
				more = more[1:]
			}
			if !yield(r, nil) {
				return
			}
		}
		for _, r := range more {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// ErrCursor: the cursor is none of ours.
var ErrCursor = errors.New("report: bad cursor; take it from the page before, unchanged")

// Cursor points behind a line: pages follow time, then name.
type Cursor struct {
	Start int64 // milliseconds since 1970; 0 = from the beginning
	Name  string
}

// String is the cursor as clients keep it.
func (c Cursor) String() string { return strconv.FormatInt(c.Start, 36) + "." + c.Name }

// ParseCursor reads String's; "" is the beginning.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	start, name, ok := strings.Cut(s, ".")
	ms, err := strconv.ParseInt(start, 36, 64)
	if !ok || err != nil || ms <= 0 {
		return Cursor{}, ErrCursor
	}
	return Cursor{ms, name}, nil
}

// Group adds rows, sorted by start and name, up to lines of a period, in order of
// time and name, behind after, at most limit; next is the cursor of the page
// behind ("" = no more). It holds the names of one period, however many rows.
func Group(rows iter.Seq2[Row, error], per Period, zone *time.Location, after Cursor, limit int) (lines []Line, next string, err error) {
	var start, end time.Time
	group := map[string]*Counts{}
	full := false
	flush := func() {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			at := start.UnixMilli()
			if per == PerTotal && after.Start > 0 { // there is one line a name
				at = after.Start
			}
			if at < after.Start || at == after.Start && name <= after.Name {
				continue
			}
			if len(lines) == limit {
				full = true
				return
			}
			lines = append(lines, Line{start, end, name, *group[name]})
		}
		clear(group)
	}
	for r, err := range rows {
		if err != nil {
			return nil, "", err
		}
		t := time.UnixMilli(r.Start).In(zone)
		switch {
		case end.IsZero():
			start = per.start(t)
			end = per.end(start)
		case per == PerTotal:
			end = t.Add(Interval)
		case !t.Before(end):
			if flush(); full {
				break
			}
			start = per.start(t)
			end = per.end(start)
		}
		if full {
			break
		}
		c := group[r.Name]
		if c == nil {
			c = &Counts{}
			group[r.Name] = c
		}
		c.Merge(&r.Counts)
	}
	if !full {
		flush()
	}
	if full {
		last := lines[len(lines)-1]
		next = Cursor{last.Start.UnixMilli(), last.Name}.String()
	}
	return lines, next, nil
}

// From is where rows must be read from to go on behind a cursor, for rows asked
// from from on (both milliseconds). Of one line for all, the whole is read again.
func (c Cursor) From(from int64, per Period) int64 {
	if per == PerTotal {
		return from
	}
	return max(from, c.Start)
}

// ParseTime reads a moment as a person or a program writes it: RFC 3339, or a date
// or date and time on the clock of zone ("2026-10-25", "2026-10-25T03:15"). A
// clock time that a night has twice is the first; one that it leaves out is moved
// on. The result is the quarter of an hour that the moment lies in.
func ParseTime(s string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return time.UnixMilli(IntervalOf(t.UnixMilli())).In(zone), nil
	}
	if t, err := time.ParseInLocation("2006-01-02", s, zone); err == nil {
		y, m, d := t.Date()
		if day, _ := time.Parse("2006-01-02", s); day.Day() != d {
			y, m, d = day.Date() // midnight is not there in that zone that day
		}
		return StartOfDay(time.Date(y, m, d, 12, 0, 0, 0, zone)), nil
	}
	t, err := time.ParseInLocation("2006-01-02T15:04", s, zone)
	if err != nil {
		return t, fmt.Errorf("time %q: want 2026-10-25, 2026-10-25T03:15 or 2026-10-25T03:15:00+02:00", s)
	}
	if back := t.Add(-time.Hour); back.Hour() == t.Hour() && back.Minute() == t.Minute() {
		t = back
	}
	return time.UnixMilli(IntervalOf(t.UnixMilli())).In(zone), nil
}

// SortRows orders rows by start and name.
func SortRows(rows []Row) {
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Start, b.Start), strings.Compare(a.Name, b.Name)) })
}
