// Package e164 reads telephone numbers as people and carriers write them and
// brings them into the form that somebody else wants (ITU-T E.164, E.123). It is
// a small door to a library that knows the numbering plans of all countries; the
// library's tables are loaded at first use. Pure.
package e164

import (
	"slices"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// Formats of a number as sent to a trunk.
const (
	AsDialled = ""           // no change
	E164      = "e164"       // +40213456789
	Plain     = "e164_plain" // 40213456789
	National  = "national"   // 0213456789 at home, 00 43 1 ... abroad
)

// Formats lists them for the configuration.
var Formats = []string{E164, Plain, National}

// Number is a number of a numbering plan.
type Number struct{ n *phonenumbers.PhoneNumber }

// Parse reads a number as dialled in region ("RO"; "" = only with a + or 00 is a
// number known). ok is false for what no plan has: extensions, short codes, SIP
// names; those are used as they are.
func Parse(dialled, region string) (Number, bool) {
	if len(dialled) < 5 || len(dialled) > 40 || !numeric(dialled) {
		return Number{}, false
	}
	if rest, found := strings.CutPrefix(dialled, "00"); found {
		// ITU-T E.123. The library takes the region's own prefix (011 in US) besides.
		dialled = "+" + rest
	}
	if region == "" && dialled[0] != '+' {
		return Number{}, false
	}
	n, err := phonenumbers.Parse(dialled, region)
	// Possible by its length, not valid by its range: ranges are opened faster
	// than tables are updated, and a carrier knows best.
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return Number{}, false
	}
	return Number{n}, true
}

func numeric(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '+' && i == 0, c == ' ', c == '-', c == '.', c == '/', c == '(', c == ')':
		default:
			return false
		}
	}
	return true
}

// String is the number with + and digits.
func (n Number) String() string { return phonenumbers.Format(n.n, phonenumbers.E164) }

// Digits is String without the +.
func (n Number) Digits() string { return n.String()[1:] }

// Region is the country by its code ("RO"); "" for numbers of no country.
func (n Number) Region() string {
	if r := phonenumbers.GetRegionCodeForNumber(n.n); r != "001" && r != "ZZ" {
		return r
	}
	return ""
}

// Premium reports a number whose caller pays for more than the call: premium rate,
// shared cost and the like, as the country's plan has it.
func (n Number) Premium() bool {
	switch phonenumbers.GetNumberType(n.n) {
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST:
		return true
	}
	return false
}

// Format writes the number for somebody who dials from region.
func (n Number) Format(format, region string) string {
	switch format {
	case Plain:
		return n.Digits()
	case National:
		if region != "" && int32(phonenumbers.GetCountryCodeForRegion(region)) == n.n.GetCountryCode() {
			return digits(phonenumbers.Format(n.n, phonenumbers.NATIONAL))
		}
		if region != "" {
			if s := digits(phonenumbers.FormatOutOfCountryCallingNumber(n.n, region)); s != "" {
				return s
			}
		}
		return "00" + n.Digits()
	}
	return n.String()
}

// digits leaves the digits of what was written for the eye.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// DefaultEmergency are the numbers of a tenant that lists none: of GSM phones
// all over the world (ETSI TS 122 101), whatever the region.
var DefaultEmergency = []string{"112", "911"}

// Emergency tells whether dialled calls for help: one of list (nil =
// DefaultEmergency), or an emergency number of region.
func Emergency(dialled, region string, list []string) bool {
	if len(dialled) < 2 || len(dialled) > 8 || digits(dialled) != dialled {
		return false
	}
	if list == nil {
		list = DefaultEmergency
	}
	return slices.Contains(list, dialled) || region != "" && phonenumbers.IsEmergencyNumber(dialled, region)
}

var regions = sync.OnceValue(phonenumbers.GetSupportedRegions)

// KnownRegion reports whether s is a country with a numbering plan: ISO 3166-1
// alpha-2, in capitals.
func KnownRegion(s string) bool { return len(s) == 2 && regions()[s] }
