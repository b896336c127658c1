package report

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	for _, c := range []struct{ zone, text, want string }{
		{"Europe/Bucharest", "2026-10-25", "2026-10-25T00:00:00+03:00"},
		{"Europe/Bucharest", "2026-10-26", "2026-10-26T00:00:00+02:00"},
		{"Europe/Bucharest", "2026-10-25T03:15", "2026-10-25T03:15:00+03:00"},          // twice that night: the first
		{"Europe/Bucharest", "2026-10-25T03:15:00+02:00", "2026-10-25T03:15:00+02:00"}, // or the one that is named
		{"Europe/Bucharest", "2026-03-29T03:30", "2026-03-29T04:30:00+03:00"},          // not there: moved on
		{"Europe/Bucharest", "2026-11-23T09:14:59+00:00", "2026-11-23T11:00:00+02:00"}, // the quarter it lies in
		{"Asia/Beirut", "2026-03-29", "2026-03-29T01:00:00+03:00"},                     // that day has no midnight
		{"Asia/Kathmandu", "2026-11-23", "2026-11-23T00:00:00+05:45"},                  // quarters of an hour
		{"America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00"},                  // midnight twice: the first
		{"Pacific/Apia", "2011-12-31", "2011-12-31T00:00:00+14:00"},                    // the day before was left out
		{"UTC", "1969-12-31T23:50", "1969-12-31T23:45:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseTime(c.text, zone)
		if err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%s %s: %s %v, want %s", c.zone, c.text, got.Format(time.RFC3339), err, c.want)
		}
	}
	for _, bad := range []string{"", "yesterday", "2026-13-01", "2026-02-30", "2026-10-25 03:15", "25.10.2026"} {
		if got, err := ParseTime(bad, time.UTC); err == nil {
			t.Errorf("%q is taken for %s", bad, got)
		}
	}
}

func TestCursor(t *testing.T) {
	for _, c := range []Cursor{{1, ""}, {1792899900000, "a.b"}} {
		if got, err := ParseCursor(c.String()); err != nil || got != c {
			t.Errorf("%v: %v %v", c, got, err)
		}
	}
	for _, bad := range []string{"x", "-1.a", "0.a", ".a", "!.a"} {
		if got, err := ParseCursor(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, got)
		}
	}
}
