package spoken

import "strings"

func romanian() *language {
	l := &language{words: map[string]string{}, and: "and"}
	ones := []string{"zero", "unu", "doi", "trei", "patru", "cinci", "șase", "șapte", "opt", "nouă", "zece", "unsprezece", "doisprezece",
		"treisprezece", "paisprezece", "cincisprezece", "șaisprezece", "șaptesprezece", "optsprezece", "nouăsprezece"}
	tens := []string{"douăzeci", "treizeci", "patruzeci", "cincizeci", "șaizeci", "șaptezeci", "optzeci", "nouăzeci"}
	hundreds := []string{"o sută", "două sute", "trei sute", "patru sute", "cinci sute", "șase sute", "șapte sute", "opt sute", "nouă sute"}
	for i, w := range ones {
		l.words[num(int64(i))] = w
	}
	for i, w := range tens {
		l.words[num(int64(20+10*i))] = w
	}
	for i, w := range hundreds {
		l.words[num(int64(100*(i+1)))] = w
	}
	l.add(map[string]string{"number_1_f": "una", "number_2_f": "două", "number_12_f": "douăsprezece", "one_m": "un", "one_f": "o",
		"thousand_one": "o mie", "thousand_many": "mii", "million_one": "un milion", "million_many": "milioane",
		"billion_one": "un miliard", "billion_many": "miliarde", "of": "de", "and": "și", "minus": "minus", "comma": "virgulă",
		"al": "al", "al_f": "a", "ordinal_1": "primul", "ordinal_1_f": "prima", "day_first": "întâi", "at_hour": "ora",
		"night": "noaptea", "morning": "dimineața", "afternoon": "după-amiaza", "evening": "seara",
		"star": "steluță", "hash": "diez", "plus": "plus"})
	// The ends of ordinals: al doilea, al douăzeci și doilea, a treia, a o suta.
	for i := 1; i < 20; i++ {
		l.words[part("tail", i)] = ones[i] + "lea"
		l.words[part("tail", i)+"_f"] = ones[i] + "a"
	}
	l.add(map[string]string{"tail_8": "optulea", "tail_1_f": "una", "tail_2_f": "doua", "tail_3_f": "treia", "tail_4_f": "patra",
		"tail_6_f": "șasea", "tail_7_f": "șaptea", "tail_5_f": "cincea", "tail_8_f": "opta", "tail_9_f": "noua", "tail_12_f": "douăsprezecea"})
	for i, w := range tens {
		l.words[part("tail", 20+10*i)] = w + "lea"
		l.words[part("tail", 20+10*i)+"_f"] = strings.TrimSuffix(w, "i") + "ea"
	}
	l.words["tail_100"], l.words["tail_100_f"] = "o sutălea", "o suta"
	l.list("month", "ianuarie", "februarie", "martie", "aprilie", "mai", "iunie", "iulie", "august", "septembrie", "octombrie", "noiembrie", "decembrie")
	l.list("weekday", "luni", "marți", "miercuri", "joi", "vineri", "sâmbătă", "duminică")
	for name, forms := range map[string][2]string{
		"second": {"secundă", "secunde"}, "minute": {"minut", "minute"}, "hour": {"oră", "ore"}, "day": {"zi", "zile"},
		"eur": {"euro", "euro"}, "eur_minor": {"cent", "cenți"}, "usd": {"dolar", "dolari"}, "usd_minor": {"cent", "cenți"},
		"gbp": {"liră sterlină", "lire sterline"}, "gbp_minor": {"penny", "penny"}, "ron": {"leu", "lei"}, "ron_minor": {"ban", "bani"},
		"mdl": {"leu moldovenesc", "lei moldovenești"}, "mdl_minor": {"ban", "bani"}, "rub": {"rublă", "ruble"}, "rub_minor": {"copeică", "copeici"},
	} {
		l.words[name+"_one"], l.words[name+"_many"] = forms[0], forms[1]
	}
	for i, w := range []string{"a", "be", "ce", "de", "e", "ef", "ge", "haș", "i", "je", "ka", "el", "em", "en", "o", "pe",
		"chiu", "er", "es", "te", "u", "ve", "dublu ve", "ics", "i grec", "zet"} {
		l.words[letter(rune('a'+i))] = w
	}
	for r, w := range map[rune]string{'ă': "ă", 'â': "â din a", 'î': "î din i", 'ș': "șe", 'ț': "țe"} {
		l.words[letter(r)] = w
	}
	l.add(signs("liniuță", "punct", "arond", "liniuță de subliniere", "bară"))

	// low is a number below 1000. It ends in the form of its gender.
	low := func(n int64, g Gender) (out []string) {
		if n >= 100 {
			out = append(out, num(n-n%100))
			if n %= 100; n == 0 {
				return out
			}
		}
		if n >= 20 {
			out = append(out, num(n-n%10))
			if n %= 10; n == 0 {
				return out
			}
			out = append(out, "and")
		}
		switch {
		case n == 1 && g == Feminine, (n == 2 || n == 12) && g != Masculine:
			return append(out, num(n)+"_f")
		}
		return append(out, num(n))
	}
	// of: from twenty on "de" stands between a number and what is counted, unless it
	// ends in 01 to 19: douăzeci de lei, o sută unu lei.
	of := func(n int64) bool { return n%100 >= 20 || n != 0 && n%100 == 0 }
	l.number = func(n int64, g Gender) []string {
		return scaled(n, func(n int64) []string { return low(n, g) }, func(group int64, scale int) []string {
			name, gender := "thousand", Feminine
			if scale > 1 {
				name, gender = [...]string{2: "million", 3: "billion"}[scale], Neuter
			}
			if group == 1 {
				return []string{name + "_one"}
			}
			out := low(group, gender)
			if of(group) {
				out = append(out, "of")
			}
			return append(out, name+"_many")
		})
	}
	l.counted = func(n int64, u unit) []string {
		if n == 1 {
			one := "one_m"
			if u.gender == Feminine {
				one = "one_f"
			}
			return []string{one, u.one}
		}
		out := l.number(n, u.gender)
		if of(n) {
			out = append(out, "of")
		}
		return append(out, u.many)
	}
	l.ordinal = func(n int, g Gender) []string {
		mark := ""
		if g == Feminine {
			mark = "_f"
		}
		if n == 1 {
			return []string{"ordinal_1" + mark}
		}
		out := []string{"al" + mark}
		if n > 100 && n%100 != 0 {
			out = append(out, num(int64(n-n%100)))
			n %= 100
		}
		if n > 20 && n < 100 && n%10 != 0 {
			out = append(out, num(int64(n-n%10)), "and")
			n %= 10
		}
		return append(out, part("tail", n)+mark)
	}
	l.fraction = func(whole int64, decimals string) []string {
		out := append(l.number(whole, Masculine), "comma")
		for strings.HasPrefix(decimals, "0") && len(decimals) > 1 {
			out, decimals = append(out, num(0)), decimals[1:]
		}
		return append(out, l.number(atoi(decimals), Masculine)...)
	}
	l.date = func(y, month, day int, withYear bool) []string {
		out := low(int64(day), Masculine)
		if day == 1 {
			out = []string{"day_first"}
		}
		out = append(out, part("month", month))
		if withYear {
			out = append(out, l.number(int64(y), Masculine)...)
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
		out := append([]string{"at_hour"}, low(shown, Neuter)...)
		if m > 0 {
			out = append(append(out, "and"), l.counted(int64(m), units["minute"]["ro"])...)
		}
		if twelve {
			out = append(out, partOfDay(h))
		}
		return out
	}
	return l
}

// partOfDay is when an hour of twelve is meant, as Romanian and Russian tell it.
func partOfDay(h int) string {
	switch {
	case h < 4:
		return "night"
	case h < 12:
		return "morning"
	case h < 18:
		return "afternoon"
	}
	return "evening"
}
