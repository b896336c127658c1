package spoken

import (
	"slices"
	"strconv"
)

// units by name and language.
var units = makeUnits()

// genders of what is counted: Romanian, Russian.
func makeUnits() map[string]map[string]unit {
	genders := map[string][2]Gender{
		"second": {Feminine, Feminine}, "minute": {Neuter, Feminine}, "hour": {Feminine, Masculine}, "day": {Feminine, Masculine},
		"eur": {Masculine, Masculine}, "eur_minor": {Masculine, Masculine}, "usd": {Masculine, Masculine}, "usd_minor": {Masculine, Masculine},
		"gbp": {Feminine, Masculine}, "gbp_minor": {Masculine, Masculine}, "ron": {Masculine, Masculine}, "ron_minor": {Masculine, Masculine},
		"mdl": {Masculine, Masculine}, "mdl_minor": {Masculine, Masculine}, "rub": {Feminine, Masculine}, "rub_minor": {Feminine, Feminine},
	}
	out := map[string]map[string]unit{}
	for name, g := range genders {
		forms := unit{one: name + "_one", few: name + "_few", many: name + "_many"}
		ro, ru := forms, forms
		ro.gender, ru.gender = g[0], g[1]
		out[name] = map[string]unit{"en": forms, "ro": ro, "ru": ru}
	}
	return out
}

// Currencies that can be spoken, ISO 4217 codes. All have a hundredth.
var Currencies = []string{"EUR", "RON", "MDL", "RUB", "USD", "GBP"}

func unitOf(name, lang string) unit {
	if !Known(lang) {
		lang = "en"
	}
	return units[name][lang]
}

// Number says n as one number. Beyond Max it is said digit by digit.
func Number(lang string, n int64, g Gender) []string {
	var out []string
	// -(n) of the least int64 is itself.
	if n < -Max || n > Max {
		s := strconv.FormatInt(n, 10)
		if s[0] == '-' {
			out, s = append(out, "minus"), s[1:]
		}
		return append(out, Digits(lang, s)...)
	}
	if n < 0 {
		out, n = append(out, "minus"), -n
	}
	return append(out, of(lang).number(n, g)...)
}

// Ordinal says the n-th: 1 to MaxOrdinal; any other number is said as Number.
func Ordinal(lang string, n int64, g Gender) []string {
	if n < 1 || n > MaxOrdinal {
		return Number(lang, n, g)
	}
	return of(lang).ordinal(int(n), g)
}

// Money says an amount of hundredths of a currency, one of Currencies in lower
// case. An amount without hundredths has none said, one below the whole has no whole.
func Money(lang, currency string, hundredths int64) []string {
	l := of(lang)
	var out []string
	if hundredths < 0 {
		out, hundredths = append(out, "minus"), -hundredths
	}
	whole, part := hundredths/100, hundredths%100
	if whole > 0 || part == 0 {
		out = append(out, l.counted(whole, unitOf(currency, lang))...)
	}
	if part > 0 {
		if whole > 0 && l.and != "" {
			out = append(out, l.and)
		}
		out = append(out, l.counted(part, unitOf(currency+"_minor", lang))...)
	}
	return out
}

// Digits says each key by itself: 0-9, star and hash. Anything else is left out.
func Digits(_ string, s string) []string {
	out := make([]string, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			out = append(out, "number_"+s[i:i+1])
		case c == '*':
			out = append(out, "star")
		case c == '#':
			out = append(out, "hash")
		}
	}
	return out
}

// Phone says a telephone number key by key in groups: those that it is written
// in (blanks, dashes, dots, brackets), or of three, the last of two to four.
func Phone(lang, s string) []string {
	var groups []string
	plus := false
	group := ""
	cut := func() {
		if group != "" {
			groups, group = append(groups, group), ""
		}
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' || c == '*' || c == '#':
			group += s[i : i+1]
		case c == '+' && i == 0:
			plus = true
		default:
			cut()
		}
	}
	cut()
	if len(groups) == 1 {
		groups = nil
		rest := s
		if plus {
			rest = s[1:]
		}
		for len(rest) > 4 {
			groups, rest = append(groups, rest[:3]), rest[3:]
		}
		groups = append(groups, rest)
	}
	var out []string
	if plus {
		out = append(out, "plus")
	}
	for i, g := range groups {
		if i > 0 {
			out = append(out, Pause)
		}
		out = append(out, Digits(lang, g)...)
	}
	return out
}

// Duration says days, hours, minutes and seconds; what is zero is left out.
func Duration(lang string, seconds int64) []string {
	l := of(lang)
	var out []string
	if seconds < 0 {
		out, seconds = append(out, "minus"), -seconds
	}
	var parts [][]string
	for _, p := range []struct {
		name  string
		value int64
	}{{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}} {
		if n := seconds / p.value; n > 0 || p.value == 1 && len(parts) == 0 {
			parts = append(parts, l.counted(n, unitOf(p.name, lang)))
		}
		seconds %= p.value
	}
	for i, p := range parts {
		if i > 0 && i == len(parts)-1 && l.and != "" {
			out = append(out, l.and)
		}
		out = append(out, p...)
	}
	return out
}

// Spell says a text letter by letter; blanks are pauses, and what the language
// has no name for is left out.
func Spell(lang, s string) []string {
	words := of(lang).words
	var out []string
	for _, r := range s {
		name := signNames[r]
		switch {
		case r >= '0' && r <= '9':
			name = "number_" + string(r)
		case name == "":
			name = letter(lower(r))
		}
		switch {
		case name == Pause:
			if len(out) > 0 && out[len(out)-1] != Pause {
				out = append(out, Pause)
			}
		case words[name] != "":
			out = append(out, name)
		}
	}
	for len(out) > 0 && out[len(out)-1] == Pause {
		out = slices.Delete(out, len(out)-1, len(out))
	}
	return out
}

var signNames = map[rune]string{'-': "dash", '.': "dot", '@': "at_sign", '_': "underscore", '/': "slash", '+': "plus", '*': "star", '#': "hash",
	' ': Pause, ',': Pause}
