package schedule

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/resource"
)

func hours(days, from, to string) resource.HoursSpec {
	return resource.HoursSpec{Days: strings.Fields(days), From: from, To: to}
}

func must(t *testing.T, spec resource.ScheduleSpec) *Schedule {
	t.Helper()
	s, err := Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

var office = resource.ScheduleSpec{
	TimeZone: "Europe/Chisinau",
	Hours: []resource.HoursSpec{
		hours("mon tue wed thu", "09:00", "18:00"),
		hours("fri", "22:00", "06:00"),
		hours("sat", "23:00", "24:00"),
	},
	Holidays: []resource.HolidaySpec{
		{Name: "Christmas", Date: "12-25"},
		{Name: "short day", Date: "2026-12-24", Hours: []resource.HoursSpec{hours("", "10:00", "12:00")}},
		{Name: "open in 2030", Date: "2030-12-25", Hours: []resource.HoursSpec{hours("", "09:00", "10:00")}},
	},
}

func TestOpen(t *testing.T) {
	s := must(t, office)
	for _, row := range []struct {
		name, at string
		open     bool
	}{
		{"Monday before nine", "2026-11-23T08:59:59+02:00", false},
		{"Monday at nine", "2026-11-23T09:00:00+02:00", true},
		{"the same told in UTC", "2026-11-23T07:00:00Z", true},
		{"last second", "2026-11-23T17:59:59.999+02:00", true},
		{"at six", "2026-11-23T18:00:00+02:00", false},
		{"Friday evening", "2026-11-27T22:00:00+02:00", true},
		{"the night after Friday", "2026-11-28T05:59:59+02:00", true},
		{"Saturday morning", "2026-11-28T06:00:00+02:00", false},
		{"Friday morning has no night before", "2026-11-27T05:00:00+02:00", false},
		{"until midnight", "2026-11-28T23:59:59+02:00", true},
		{"24:00 is not the next day", "2026-11-29T00:00:00+02:00", false},
		{"holiday with its own hours", "2026-12-24T10:30:00+02:00", true},
		{"and not the usual ones", "2026-12-24T15:00:00+02:00", false},
		{"yearly holiday on a Friday", "2026-12-25T23:00:00+02:00", false},
		{"nor the night it would have begun", "2026-12-26T03:00:00+02:00", false},
		{"a fixed date beats the yearly one", "2030-12-25T09:30:00+02:00", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := s.Open(moment(t, row.at)); got != row.open {
				t.Errorf("Open(%s) = %v", row.at, got)
			}
		})
	}
}

func TestNightsWhenClocksChange(t *testing.T) {
	s := must(t, resource.ScheduleSpec{TimeZone: "Europe/Bucharest", Hours: []resource.HoursSpec{
		hours("sun", "03:30", "04:30"),
	}})
	for _, row := range []struct {
		name, at string
		open     bool
	}{
		// 2026-10-25: 04:00 EEST becomes 03:00 EET.
		{"first 03:30", "2026-10-25T00:30:00Z", true},
		{"03:00 again", "2026-10-25T01:00:00Z", false},
		{"second 03:30", "2026-10-25T01:30:00Z", true},
		{"04:30", "2026-10-25T02:30:00Z", false},
		// 2026-03-29: 03:00 EET becomes 04:00 EEST; 03:30 does not exist.
		{"before the gap", "2026-03-29T00:59:59Z", false},
		{"after the gap", "2026-03-29T01:00:00Z", true},
		{"half past", "2026-03-29T01:30:00Z", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := s.Open(moment(t, row.at)); got != row.open {
				t.Errorf("Open(%s) = %v", row.at, got)
			}
		})
	}
	var changes []string
	at := moment(t, "2026-10-24T12:00:00Z")
	for range 4 {
		at, _ = s.NextChange(at)
		changes = append(changes, at.UTC().Format("02T15:04"))
	}
	if got := strings.Join(changes, " "); got != "25T00:30 25T01:00 25T01:30 25T02:30" {
		t.Errorf("autumn: %s", got)
	}
	at, _ = s.NextChange(moment(t, "2026-03-28T12:00:00Z"))
	if got := at.UTC().Format(time.RFC3339); got != "2026-03-29T01:00:00Z" {
		t.Errorf("spring: %s", got)
	}
}

func TestNextChange(t *testing.T) {
	s := must(t, office)
	for _, row := range []struct{ at, want string }{
		{"2026-11-23T08:00:00+02:00", "2026-11-23T09:00:00+02:00"},
		{"2026-11-23T09:00:00+02:00", "2026-11-23T18:00:00+02:00"},
		{"2026-11-26T18:00:00+02:00", "2026-11-27T22:00:00+02:00"},
		{"2026-11-28T01:00:00+02:00", "2026-11-28T06:00:00+02:00"},
		{"2026-12-24T12:00:00+02:00", "2026-12-26T23:00:00+02:00"}, // over the holiday
	} {
		got, ok := s.NextChange(moment(t, row.at))
		if !ok || !got.Equal(moment(t, row.want)) {
			t.Errorf("NextChange(%s) = %v %v, want %s", row.at, got, ok, row.want)
		}
	}
	always := must(t, resource.ScheduleSpec{TimeZone: "UTC", Hours: []resource.HoursSpec{
		hours("mon tue wed thu fri sat sun", "00:00", "24:00")}})
	if at, ok := always.NextChange(moment(t, "2026-03-29T01:00:00Z")); ok {
		t.Errorf("always open changes at %v", at)
	}
	if !always.Open(moment(t, "2026-03-29T00:00:00Z")) || !always.Open(moment(t, "2026-03-28T23:59:59Z")) {
		t.Error("always open has a hole at midnight")
	}
}

// Samoa had no 30 December 2011; Lord Howe moves by half an hour.
func TestStrangeZones(t *testing.T) {
	apia := must(t, resource.ScheduleSpec{TimeZone: "Pacific/Apia", Hours: []resource.HoursSpec{hours("thu fri sat", "09:00", "10:00")}})
	at, ok := apia.NextChange(moment(t, "2011-12-29T10:00:00-10:00"))
	if want := moment(t, "2011-12-31T09:00:00+14:00"); !ok || !at.Equal(want) {
		t.Errorf("Apia: %v, want %v", at, want)
	}
	howe := must(t, resource.ScheduleSpec{TimeZone: "Australia/Lord_Howe", Hours: []resource.HoursSpec{hours("sun", "01:45", "02:15")}})
	at, ok = howe.NextChange(moment(t, "2026-10-03T20:00:00+10:30")) // 02:00 becomes 02:30
	if want := moment(t, "2026-10-04T01:45:00+10:30"); !ok || !at.Equal(want) {
		t.Errorf("Lord Howe opens %v, want %v", at, want)
	}
	at, _ = howe.NextChange(at)
	if want := moment(t, "2026-10-04T02:30:00+11:00"); !at.Equal(want) {
		t.Errorf("Lord Howe closes %v, want %v", at, want)
	}
}

// The law: between at and NextChange nothing changes, and there it does.
func TestNextChangeAgreesWithOpen(t *testing.T) {
	days := append([]string{}, weekdays...)
	clocks := []string{"00:00", "00:30", "01:30", "02:00", "02:30", "03:00", "03:30", "09:00", "23:59"}
	zones := []string{"Europe/Chisinau", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		spec := resource.ScheduleSpec{TimeZone: rapid.SampledFrom(zones).Draw(t, "zone")}
		for range rapid.IntRange(1, 4).Draw(t, "spans") {
			spec.Hours = append(spec.Hours, hours(rapid.SampledFrom(days).Draw(t, "day"),
				rapid.SampledFrom(clocks).Draw(t, "from"), rapid.SampledFrom(clocks).Draw(t, "to")))
		}
		s, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		starts := []time.Time{time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
		at := rapid.SampledFrom(starts).Draw(t, "start").Add(time.Duration(rapid.IntRange(0, 3*24*60).Draw(t, "minutes")) * time.Minute)
		open := s.Open(at)
		next, ok := s.NextChange(at)
		limit := at.Add(9 * 24 * time.Hour)
		if ok {
			if !next.After(at) || s.Open(next) == open || s.Open(next.Add(-time.Nanosecond)) != open {
				t.Fatalf("no change at %v (from %v, open %v)", next, at, open)
			}
			if next.Before(limit) {
				limit = next
			}
		}
		for probe := at; probe.Before(limit); probe = probe.Add(5 * time.Minute) {
			if s.Open(probe) != open {
				t.Fatalf("changed at %v before %v", probe, next)
			}
		}
	})
}

func TestParseTellsAllFaults(t *testing.T) {
	_, err := Parse(resource.ScheduleSpec{
		TimeZone: "Europe/Nowhere",
		Hours: []resource.HoursSpec{
			hours("mon Tuesday", "9:00", "24:01"),
			hours("", "24:00", "-1:00"),
		},
		Holidays: []resource.HolidaySpec{
			{Date: "2026-02-29"}, {Date: "02-29"}, {Date: "02-29"}, {Date: "tomorrow"},
			{Date: "2026-01-01", Hours: []resource.HoursSpec{{From: "xx:00", To: "10:00"}}},
		},
	})
	want := `time_zone: unknown "Europe/Nowhere"; want an IANA name such as Europe/Chisinau
hours[0].from: "9:00"; want 00:00 to 23:59
hours[0].to: "24:01"; want 00:00 to 24:00
hours[0].days[1]: unknown "Tuesday"; want one of mon, tue, wed, thu, fri, sat, sun
hours[1].from: "24:00"; want 00:00 to 23:59
hours[1].to: "-1:00"; want 00:00 to 24:00
hours[1].days: missing; want some of mon, tue, wed, thu, fri, sat, sun
holidays[0].date: "2026-02-29"; want a date such as "2026-12-25", "12-25" for every year, "easter+1", "orthodox_easter-2", "2nd sun may" or "last mon may"
holidays[2].date: "02-29" is there twice
holidays[3].date: "tomorrow"; want a date such as "2026-12-25", "12-25" for every year, "easter+1", "orthodox_easter-2", "2nd sun may" or "last mon may"
holidays[4].hours[0].from: "xx:00"; want 00:00 to 23:59`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
	if _, err := Parse(resource.ScheduleSpec{TimeZone: "Local"}); err == nil || !strings.Contains(err.Error(), "Local") {
		t.Errorf("Local: %v", err)
	}
}
