package flow

import (
	"math/big"
	"strconv"
	"strings"
	"time"
)

// inputChecks are the named checks of a collect step: what a pattern cannot tell.
var inputChecks = map[string]func(s string, now time.Time) bool{
	"luhn":   func(s string, _ time.Time) bool { return luhn(s) },
	"mod97":  func(s string, _ time.Time) bool { return mod97(s) },
	"iban":   func(s string, _ time.Time) bool { return iban(s) },
	"date":   func(s string, _ time.Time) bool { return isDate(s) },
	"time":   func(s string, _ time.Time) bool { return isTime(s) },
	"expiry": expiry,
	"cnp":    func(s string, _ time.Time) bool { return cnp(s) },
}

// InputChecks names the checks of a collect step, sorted.
var InputChecks = sortedKeys(inputChecks)

// CheckInput tells whether an input passes a named check at now, in the tenant's zone.
// An unknown name passes nothing.
func CheckInput(name, s string, now time.Time) bool {
	f := inputChecks[name]
	return f != nil && f(s, now)
}

// luhn is the check digit of cards and many account numbers (ISO/IEC 7812-1, Annex B).
func luhn(s string) bool {
	if len(s) < 2 {
		return false
	}
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if d < 0 || d > 9 {
			return false
		}
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// mod97 is the check of a number whose last two digits are its check digits (ISO 7064,
// MOD 97-10).
func mod97(s string) bool {
	if len(s) < 4 || OnlyDigits(s) != s {
		return false
	}
	n, _ := new(big.Int).SetString(s, 10)
	return new(big.Int).Mod(n, big.NewInt(97)).Int64() == 1
}

// iban checks an IBAN's own check digits (ISO 13616), not that the bank knows it.
func iban(s string) bool {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	var b strings.Builder
	for _, c := range s[4:] + s[:4] {
		switch {
		case c >= '0' && c <= '9':
			b.WriteRune(c)
		case c >= 'A' && c <= 'Z':
			b.WriteString(strconv.Itoa(int(c-'A') + 10))
		default:
			return false
		}
	}
	return s[0] >= 'A' && s[1] >= 'A' && s[2] <= '9' && s[3] <= '9' && mod97(b.String())
}

// isDate is a day of the calendar: DDMM, DDMMYY or DDMMYYYY.
func isDate(s string) bool {
	layout := map[int]string{4: "02012006", 6: "020106", 8: "02012006"}[len(s)]
	if len(s) == 4 {
		s += "2024" // a leap year: the 29th of February is a day
	}
	_, err := time.Parse(layout, s)
	return layout != "" && err == nil
}

// isTime is a time of day: HHMM.
func isTime(s string) bool {
	_, err := time.Parse("1504", s)
	return len(s) == 4 && err == nil
}

// expiry is a card's: MMYY, good to the end of the month, at most 20 years ahead.
func expiry(s string, now time.Time) bool {
	at, err := time.Parse("0106", s)
	if len(s) != 4 || err != nil {
		return false
	}
	months := (at.Year()-now.Year())*12 + int(at.Month()) - int(now.Month())
	return months >= 0 && months <= 240
}

// cnp is the personal number of Romania: thirteen digits, the last of them a check.
func cnp(s string) bool {
	if len(s) != 13 || OnlyDigits(s) != s || s[0] == '0' {
		return false
	}
	const weights = "279146358279"
	sum := 0
	for i := range len(weights) {
		sum += int(s[i]-'0') * int(weights[i]-'0')
	}
	if sum %= 11; sum == 10 {
		sum = 1
	}
	month, _ := strconv.Atoi(s[3:5])
	day, _ := strconv.Atoi(s[5:7])
	return int(s[12]-'0') == sum && month >= 1 && month <= 12 && day >= 1 && day <= 31
}
