package route

import "strings"

// Bounds of what can be dialled.
const (
	maxDialled = 64 // bytes, separators included
	maxDigits  = 32 // digits; E.164 has 15, codes of carriers go before them
)

// Digits is a dialled number in one form.
type Digits struct {
	// International: written with + or 00.
	International bool
	// Number is 0-9, * and # alone, without the + or 00.
	Number string
}

// String is the number as it is sent: with a + when international.
func (d Digits) String() string {
	if d.International {
		return "+" + d.Number
	}
	return d.Number
}

// hasPrefix compares like with like: "07" allows no +07 and "+40" no local 40.
func (d Digits) hasPrefix(p Digits) bool {
	return d.International == p.International && strings.HasPrefix(d.Number, p.Number)
}

// Normalise reads a dialled number: an optional + (or 00), then 1 to 32 of the
// digits 0-9, * and #; spaces, dots, hyphens, slashes and round brackets between
// them are for the eye (RFC 3966 5.1.1 visual separators). ok is false for
// anything else.
func Normalise(dialled string) (d Digits, ok bool) {
	if len(dialled) > maxDialled {
		return d, false
	}
	var buf [maxDialled]byte
	n := 0
	for i := range len(dialled) {
		switch c := dialled[i]; {
		case c >= '0' && c <= '9', c == '*', c == '#':
			buf[n] = c
			n++
		case c == '+' && n == 0 && !d.International:
			d.International = true
		case c == ' ', c == '-', c == '.', c == '/', c == '(', c == ')':
		default:
			return Digits{}, false
		}
	}
	d.Number = string(buf[:n])
	if !d.International {
		// ITU-T E.123: 00 is the international prefix where + cannot be dialled.
		if rest, found := strings.CutPrefix(d.Number, "00"); found && rest != "" {
			d.International, d.Number = true, rest
		}
	}
	if d.Number == "" || len(d.Number) > maxDigits {
		return Digits{}, false
	}
	return d, true
}

// plain tells whether a number has nothing but 0-9: what may go to a carrier.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
