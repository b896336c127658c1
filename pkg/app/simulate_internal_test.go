package app

import (
	"testing"
	"time"
)

// TestDayOf: a day is that of the tenant's clock, with 23 and 25 hours in the
// nights when clocks change.
func TestDayOf(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Chisinau")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 10, 26, 0, 30, 0, 0, zone)
	for _, row := range []struct {
		day      string
		from, to string // UTC
	}{
		{"yesterday", "2026-10-24T21:00:00Z", "2026-10-25T22:00:00Z"}, // 25 hours
		{"today", "2026-10-25T22:00:00Z", "2026-10-25T22:45:00Z"},
		{"2026-03-29", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"}, // 23 hours
		{"2026-10-24", "2026-10-23T21:00:00Z", "2026-10-24T21:00:00Z"},
	} {
		from, to, err := dayOf(row.day, zone, now)
		if err != nil || from.UTC().Format(time.RFC3339) != row.from || to.UTC().Format(time.RFC3339) != row.to {
			t.Errorf("%s: %s to %s, %v; want %s to %s", row.day, from.UTC(), to.UTC(), err, row.from, row.to)
		}
	}
	for _, bad := range []string{"", "tomorrow", "2026-13-01", "24.10.2026"} {
		if _, _, err := dayOf(bad, zone, now); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
