package day

import (
	"testing"
	"time"
)

// Dates as the churches' own tables have them.
func TestEaster(t *testing.T) {
	for _, row := range []struct{ west, east string }{
		{"2000-04-23", "2000-04-30"}, {"2008-03-23", "2008-04-27"}, {"2010-04-04", "2010-04-04"},
		{"2016-03-27", "2016-05-01"}, {"2019-04-21", "2019-04-28"}, {"2021-04-04", "2021-05-02"},
		{"2024-03-31", "2024-05-05"}, {"2025-04-20", "2025-04-20"}, {"2026-04-05", "2026-04-12"},
		{"2027-03-28", "2027-05-02"}, {"2035-03-25", "2035-04-29"}, {"2038-04-25", "2038-04-25"},
		{"1818-03-22", "1818-04-26"}, {"2100-03-28", "2100-05-02"},
	} {
		w, err := time.Parse(time.DateOnly, row.west)
		if err != nil {
			t.Fatal(err)
		}
		if got := Easter(w.Year()).String(); got != row.west {
			t.Errorf("Easter %s, want %s", got, row.west)
		}
		if got := OrthodoxEaster(w.Year()).String(); got != row.east {
			t.Errorf("orthodox Easter %s, want %s", got, row.east)
		}
	}
}

// The law of both: a Sunday, in its five weeks, and the orthodox one never before.
func TestEasterLaw(t *testing.T) {
	for y := 1900; y < 2200; y++ {
		w, o := Easter(y), OrthodoxEaster(y)
		if w.Weekday() != time.Sunday || o.Weekday() != time.Sunday {
			t.Fatalf("%d: %v %v", y, w, o)
		}
		if w.Before(Date{y, 3, 22}) || (Date{y, 4, 25}).Before(w) || o.Before(w) {
			t.Errorf("%d: %v, orthodox %v", y, w, o)
		}
	}
}

func TestRules(t *testing.T) {
	for _, row := range []struct {
		rule string
		year int
		want string // "" = none in that year
	}{
		{"2026-12-25", 2026, "2026-12-25"}, {"2026-12-25", 2027, ""},
		{"12-25", 2030, "2030-12-25"}, {"02-29", 2028, "2028-02-29"}, {"02-29", 2027, ""},
		{"easter", 2026, "2026-04-05"}, {"easter-2", 2026, "2026-04-03"}, {"easter+49", 2026, "2026-05-24"},
		{"orthodox_easter+1", 2026, "2026-04-13"}, {"orthodox_easter+8", 2026, "2026-04-20"},
		{"1st mon sep", 2026, "2026-09-07"}, {"4th thu nov", 2026, "2026-11-26"}, {"2nd sun may", 2026, "2026-05-10"},
		{"last mon may", 2026, "2026-05-25"}, {"last sun dec", 2028, "2028-12-31"}, {"last wed feb", 2028, "2028-02-23"},
		{"5th mon feb", 2044, "2044-02-29"}, {"5th mon feb", 2026, ""}, {"5th thu oct", 2026, "2026-10-29"},
	} {
		r, err := Parse(row.rule)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := r.In(row.year)
		got := ""
		if ok {
			got = d.String()
		}
		if got != row.want || ok && !r.On(d) || ok && r.On(d.Add(1)) {
			t.Errorf("%s in %d: %q, want %q", row.rule, row.year, got, row.want)
		}
	}
	for _, bad := range []string{"", "12-32", "02-30", "easter+", "easter+1000", "easter 1", "eastern", "6th mon may", "1st mon", "0000-01-01",
		"last Mon may", "orthodox_easter+-1", "easter+1x", "2026-13-01", "1st mon may 2026"} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"2026-12-25", "12-25", "easter+1", "orthodox_easter-2", "5th mon feb", "last sun oct"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		for y := 2020; y < 2024; y++ {
			if d, ok := r.In(y); ok && (!r.On(d) || Of(d.Noon()) != d) {
				t.Fatalf("%q in %d: %v", s, y, d)
			}
		}
	})
}
