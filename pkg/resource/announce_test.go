package resource

import (
	"testing"
	"time"
)

func TestParseAnnounce(t *testing.T) {
	sec := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
	for text, want := range map[string]Announcement{
		"position":                         {Name: "position"},
		"please_wait after 20s":            {"please_wait", sec(20), nil},
		"please_wait every 45s":            {"please_wait", nil, sec(45)},
		"please_wait every 45s after 0s":   {"please_wait", sec(0), sec(45)},
		"  legal-notice   once  after 1m ": {"legal-notice", sec(60), sec(0)},
	} {
		got, err := ParseAnnounce(text)
		same := func(a, b *time.Duration) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
		if err != nil || got.Name != want.Name || !same(got.After, want.After) || !same(got.Every, want.Every) {
			t.Errorf("%q: %+v %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", "../etc", "a after", "a after 1x", "a after -1s", "a every 1s", "a every 25h", "a once once", "a every 10s once",
		"a after 1s after 2s", "a sometimes", "a b"} {
		if got, err := ParseAnnounce(text); err == nil {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}
