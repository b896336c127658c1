package spoken

import "strconv"

// num is the piece of a number that has one of its own.
func num(n int64) string { return "number_" + strconv.FormatInt(n, 10) }

func nth(n int) string { return "ordinal_" + strconv.Itoa(n) }

func english() *language {
	l := &language{words: map[string]string{}, twelve: true, and: "and"}
	ones := []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
		"thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}
	tens := []string{"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}
	for i, w := range ones {
		l.words[num(int64(i))] = w
	}
	for i, w := range tens {
		l.words[num(int64(20+10*i))] = w
	}
	for i := int64(1); i < 10; i++ {
		l.words[num(100*i)] = ones[i] + " hundred"
	}
	for i, w := range []string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
		"twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"} {
		l.words[nth(i+1)] = w
	}
	for i, w := range []string{"twentieth", "thirtieth", "fortieth", "fiftieth", "sixtieth", "seventieth", "eightieth", "ninetieth"} {
		l.words[nth(20+10*i)] = w
	}
	l.words[nth(100)] = "one hundredth"
	l.add(map[string]string{"thousand": "thousand", "million": "million", "billion": "billion", "hundred": "hundred",
		"minus": "minus", "point": "point", "and": "and", "oh": "oh", "o_clock": "o'clock", "am": "A M", "pm": "P M",
		"star": "star", "hash": "hash", "plus": "plus"})
	l.list("month", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
	l.list("weekday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
	for name, forms := range map[string][2]string{
		"second": {"second", "seconds"}, "minute": {"minute", "minutes"}, "hour": {"hour", "hours"}, "day": {"day", "days"},
		"eur": {"euro", "euros"}, "eur_minor": {"cent", "cents"}, "usd": {"dollar", "dollars"}, "usd_minor": {"cent", "cents"},
		"gbp": {"pound", "pounds"}, "gbp_minor": {"penny", "pence"}, "ron": {"leu", "lei"}, "ron_minor": {"ban", "bani"},
		"mdl": {"Moldovan leu", "Moldovan lei"}, "mdl_minor": {"ban", "bani"}, "rub": {"ruble", "rubles"}, "rub_minor": {"kopeck", "kopecks"},
	} {
		l.words[name+"_one"], l.words[name+"_many"] = forms[0], forms[1]
	}
	for i, w := range []string{"ay", "bee", "see", "dee", "ee", "eff", "jee", "aitch", "eye", "jay", "kay", "ell", "em", "en", "oh", "pee",
		"cue", "are", "ess", "tee", "you", "vee", "double you", "ex", "why", "zee"} {
		l.words[letter(rune('a'+i))] = w
	}
	l.add(signs("dash", "dot", "at", "underscore", "slash"))

	below1000 := func(n int64) (out []string) {
		if n >= 100 {
			out = append(out, num(n-n%100))
			n %= 100
			if n == 0 {
				return out
			}
		}
		if n < 20 || n%10 == 0 {
			return append(out, num(n))
		}
		return append(out, num(n-n%10), num(n%10))
	}
	l.number = func(n int64, _ Gender) []string {
		return scaled(n, below1000, func(group int64, scale int) []string {
			return append(below1000(group), []string{"thousand", "million", "billion"}[scale-1])
		})
	}
	l.counted = func(n int64, u unit) []string {
		if n == 1 {
			return []string{num(1), u.one}
		}
		return append(l.number(n, Masculine), u.many)
	}
	l.ordinal = func(n int, _ Gender) (out []string) {
		if n%100 == 0 {
			return []string{nth(n)}
		}
		if n > 100 {
			out = append(out, num(int64(n-n%100)))
			n %= 100
		}
		if n < 20 || n%10 == 0 {
			return append(out, nth(n))
		}
		return append(out, num(int64(n-n%10)), nth(n%10))
	}
	l.fraction = func(whole int64, decimals string) []string {
		out := append(l.number(whole, Masculine), "point")
		for i := range len(decimals) {
			out = append(out, "number_"+decimals[i:i+1])
		}
		return out
	}
	year := func(y int64) []string {
		switch c, r := y/100, y%100; {
		case y%1000 < 10: // two thousand nine
			return l.number(y, Masculine)
		case r == 0:
			return append(below1000(c), "hundred")
		case r < 10:
			return append(below1000(c), "oh", num(r))
		default:
			return append(below1000(c), below1000(r)...)
		}
	}
	l.date = func(y, month, day int, withYear bool) []string {
		out := append([]string{part("month", month)}, l.ordinal(day, Masculine)...)
		if withYear {
			out = append(append(out, Pause), year(int64(y))...)
		}
		return out
	}
	l.clock = func(h, m int, twelve bool) []string {
		shown := int64(h)
		if twelve {
			if shown %= 12; shown == 0 {
				shown = 12
			}
		}
		out := below1000(shown)
		switch {
		case m == 0 && !twelve:
			out = append(out, "o_clock")
		case m == 0:
		case m < 10:
			out = append(out, "oh", num(int64(m)))
		default:
			out = append(out, below1000(int64(m))...)
		}
		if twelve {
			half := "am"
			if h >= 12 {
				half = "pm"
			}
			out = append(out, half)
		}
		return out
	}
	return l
}

// scaled says n in groups of three digits, the highest first. big says a group
// of thousands (scale 1), millions or billions.
func scaled(n int64, low func(int64) []string, big func(group int64, scale int) []string) (out []string) {
	if n < 1000 {
		return low(n)
	}
	for scale, value := 3, int64(1_000_000_000); scale >= 1; scale, value = scale-1, value/1000 {
		if g := n / value; g > 0 {
			out = append(out, big(g, scale)...)
			n %= value
		}
	}
	if n > 0 {
		out = append(out, low(n)...)
	}
	return out
}

func (l *language) add(words map[string]string) {
	for k, v := range words {
		l.words[k] = v
	}
}

// list adds NAME_1, NAME_2 ...
func (l *language) list(name string, words ...string) {
	for i, w := range words {
		l.words[part(name, i+1)] = w
	}
}

func part(name string, i int) string { return name + "_" + strconv.Itoa(i) }

// letter is the piece of a letter: letter_a, and the code of all others.
func letter(r rune) string {
	if r >= 'a' && r <= 'z' {
		return "letter_" + string(r)
	}
	return "letter_" + strconv.FormatInt(int64(r), 16)
}

// signs are the pieces of what stands between letters.
func signs(dash, dot, at, underscore, slash string) map[string]string {
	return map[string]string{"dash": dash, "dot": dot, "at_sign": at, "underscore": underscore, "slash": slash}
}
