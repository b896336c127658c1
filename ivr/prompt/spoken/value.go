package spoken

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is how a value is spoken.
type Kind string

// The kinds.
const (
	KindNumber         Kind = "number"          // 1205, -3, 12.5
	KindNumberFeminine Kind = "number_feminine" // as what is counted is feminine: două, одна
	KindNumberNeuter   Kind = "number_neuter"
	KindOrdinal        Kind = "ordinal" // 21: twenty first
	KindOrdinalFem     Kind = "ordinal_feminine"
	KindOrdinalNeuter  Kind = "ordinal_neuter"
	KindDigits         Kind = "digits"   // key by key
	KindPhone          Kind = "phone"    // key by key in groups
	KindSpell          Kind = "spell"    // letter by letter
	KindMoney          Kind = "money"    // 12.50 EUR
	KindDate           Kind = "date"     // 2026-11-23: November twenty third, twenty twenty six
	KindDay            Kind = "day"      // without the year
	KindWeekday        Kind = "weekday"  // of 2026-11-23, or "mon"
	KindTime           Kind = "time"     // 14:30, as usual in the language
	KindTime12         Kind = "time_12"  // half past two in the afternoon: two thirty P M
	KindTime24         Kind = "time_24"  // fourteen thirty
	KindDuration       Kind = "duration" // 1h30m, PT1H30M, seconds
)

// Kinds lists every kind in the order of the documentation.
var Kinds = []Kind{KindNumber, KindNumberFeminine, KindNumberNeuter, KindOrdinal, KindOrdinalFem, KindOrdinalNeuter, KindDigits, KindPhone,
	KindSpell, KindMoney, KindDate, KindDay, KindWeekday, KindTime, KindTime12, KindTime24, KindDuration}

// IsKind tells whether s is one of Kinds.
func IsKind(s string) bool { return slices.Contains(Kinds, Kind(s)) }

// maxValue bounds a value that is spoken, in bytes.
const maxValue = 100

// The years of dates that can be spoken.
const minYear, maxYear = 1800, 2199

// Value says a value in words. Moments (2026-11-23T14:30:00Z) are told as the
// clocks of loc show them; nil = UTC. The error does not repeat the value, which
// may be what a caller typed.
func Value(lang string, kind Kind, value string, loc *time.Location) ([]string, error) {
	value = strings.TrimSpace(value)
	if len(value) > maxValue {
		return nil, fmt.Errorf("a value of %d bytes is too long to be spoken", len(value))
	}
	if loc == nil {
		loc = time.UTC
	}
	switch kind {
	case KindNumber:
		return number(lang, value, Masculine)
	case KindNumberFeminine:
		return number(lang, value, Feminine)
	case KindNumberNeuter:
		return number(lang, value, Neuter)
	case KindOrdinal, KindOrdinalFem, KindOrdinalNeuter:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return nil, errors.New("no whole number")
		}
		return Ordinal(lang, n, map[Kind]Gender{KindOrdinalFem: Feminine, KindOrdinalNeuter: Neuter}[kind]), nil
	case KindDigits:
		return Digits(lang, value), nil
	case KindPhone:
		return Phone(lang, value), nil
	case KindSpell:
		return Spell(lang, value), nil
	case KindMoney:
		return money(lang, value)
	case KindDate, KindDay:
		t, err := date(value, loc)
		if err != nil {
			return nil, err
		}
		return of(lang).date(t.Year(), int(t.Month()), t.Day(), kind == KindDate), nil
	case KindWeekday:
		if i := slices.Index([]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, strings.ToLower(value)); i >= 0 {
			return []string{part("weekday", i+1)}, nil
		}
		t, err := date(value, loc)
		if err != nil {
			return nil, err
		}
		return []string{part("weekday", (int(t.Weekday())+6)%7+1)}, nil
	case KindTime, KindTime12, KindTime24:
		h, m, err := clock(value, loc)
		if err != nil {
			return nil, err
		}
		l := of(lang)
		return l.clock(h, m, kind == KindTime12 || kind == KindTime && l.twelve), nil
	case KindDuration:
		d, err := duration(value)
		if err != nil {
			return nil, err
		}
		return Duration(lang, d), nil
	}
	return nil, fmt.Errorf("no way to speak a value as %q", kind)
}

// Words is Value as a text. A language without a grammar gets the value as it
// is: whatever speaks that language knows its numbers.
func Words(lang string, kind Kind, value string, loc *time.Location) (string, error) {
	if !Known(lang) {
		return strings.TrimSpace(value), nil
	}
	pieces, err := Value(lang, kind, value, loc)
	if err != nil {
		return "", err
	}
	return Text(lang, pieces), nil
}

func atoi(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // digits alone, and few
	return n
}

// split reads "-1205.50" or "1205,50" into its sign, whole digits and decimals.
func split(s string) (minus bool, whole, decimals string, ok bool) {
	s, minus = strings.CutPrefix(s, "-")
	s = strings.TrimPrefix(s, "+")
	whole, decimals, cut := strings.Cut(strings.Replace(s, ",", ".", 1), ".")
	if whole == "" || cut && decimals == "" || strings.Trim(whole+decimals, "0123456789") != "" {
		return false, "", "", false
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	return minus, whole, decimals, true
}

// maxDecimals of a number.
const maxDecimals = 6

func number(lang, s string, g Gender) ([]string, error) {
	minus, whole, decimals, ok := split(s)
	if decimals = strings.TrimRight(decimals, "0"); !ok || len(decimals) > maxDecimals {
		return nil, fmt.Errorf("no number such as 1205 or 12.5, of at most %d decimals", maxDecimals)
	}
	var out []string
	if minus && (whole != "0" || decimals != "") {
		out = append(out, "minus")
	}
	switch {
	case len(whole) > 12: // more than Max
		return append(out, Digits(lang, s)...), nil
	case decimals != "":
		return append(out, of(lang).fraction(atoi(whole), decimals)...), nil
	}
	return append(out, Number(lang, atoi(whole), g)...), nil
}

// money reads "12.50 EUR", "12,50 EUR", "EUR 12.50".
func money(lang, s string) ([]string, error) {
	amount, code, found := strings.Cut(s, " ")
	if len(amount) == 3 && strings.Trim(amount, "0123456789.,-") != "" {
		amount, code = code, amount
	}
	code = strings.ToUpper(strings.TrimSpace(code))
	if !found || !slices.Contains(Currencies, code) {
		return nil, fmt.Errorf("no amount such as 12.50 EUR, in one of %s", strings.Join(Currencies, ", "))
	}
	minus, whole, decimals, ok := split(strings.TrimSpace(amount))
	if decimals = strings.TrimRight(decimals, "0"); !ok || len(decimals) > 2 || len(whole) > 12 {
		return nil, errors.New("no amount such as 12.50, of at most 12 digits and 2 decimals")
	}
	hundredths := atoi(whole)*100 + atoi((decimals + "00")[:2])
	if minus {
		hundredths = -hundredths
	}
	return Money(lang, strings.ToLower(code), hundredths), nil
}

// moment reads RFC 3339 (ISO 8601) with a zone, and shows it in loc.
func moment(s string, loc *time.Location) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02 15:04:05Z07:00", s)
	}
	if err != nil {
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
			if t, err = time.ParseInLocation(layout, s, loc); err == nil {
				break
			}
		}
	}
	return t.In(loc), err == nil
}

func date(s string, loc *time.Location) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		var ok bool
		if t, ok = moment(s, loc); ok {
			err = nil
		}
	}
	if err != nil || t.Year() < minYear || t.Year() > maxYear {
		return t, fmt.Errorf("no date such as 2026-11-23 or 2026-11-23T14:30:00Z, from %d to %d", minYear, maxYear)
	}
	return t, nil
}

func clock(s string, loc *time.Location) (hour, minute int, err error) {
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Hour(), t.Minute(), nil
		}
	}
	t, ok := moment(s, loc)
	if !ok {
		return 0, 0, errors.New("no time such as 14:30 or 2026-11-23T14:30:00Z")
	}
	return t.Hour(), t.Minute(), nil
}

// maxDuration in seconds: 999 days.
const maxDuration = 999 * 86400

// duration reads "5400", "1h30m", "PT1H30M" or "P1DT2H", in seconds.
func duration(s string) (int64, error) {
	bad := errors.New("no duration such as 1h30m, PT1H30M or a number of seconds, of at most 999 days")
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		text, days := s, int64(0)
		if iso, ok := strings.CutPrefix(s, "P"); ok {
			d, rest, found := strings.Cut(iso, "D")
			if found {
				if days, err = strconv.ParseInt(d, 10, 32); err != nil || days < 0 {
					return 0, bad
				}
				iso = rest
			}
			text = strings.ToLower(strings.TrimPrefix(iso, "T"))
			if text == "" && found {
				text = "0s"
			}
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, bad
		}
		n = days*86400 + int64(d.Round(time.Second)/time.Second)
	}
	if n > maxDuration || n < -maxDuration {
		return 0, bad
	}
	return n, nil
}

func lower(r rune) rune {
	switch {
	case r == 'ş' || r == 'Ş': // the cedilla that old keyboards write for the comma below
		return 'ș'
	case r == 'ţ' || r == 'Ţ':
		return 'ț'
	}
	for _, low := range strings.ToLower(string(r)) {
		return low
	}
	return r
}
