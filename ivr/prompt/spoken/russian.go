package spoken

func russian() *language {
	l := &language{words: map[string]string{}}
	ones := []string{"ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять", "одиннадцать",
		"двенадцать", "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать", "семнадцать", "восемнадцать", "девятнадцать"}
	for i, w := range ones {
		l.words[num(int64(i))] = w
	}
	for i, w := range []string{"двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто"} {
		l.words[num(int64(20+10*i))] = w
	}
	for i, w := range []string{"сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот"} {
		l.words[num(int64(100*(i+1)))] = w
	}
	l.add(map[string]string{"number_1_f": "одна", "number_1_n": "одно", "number_2_f": "две",
		"thousand_one": "тысяча", "thousand_few": "тысячи", "thousand_many": "тысяч",
		"million_one": "миллион", "million_few": "миллиона", "million_many": "миллионов",
		"billion_one": "миллиард", "billion_few": "миллиарда", "billion_many": "миллиардов",
		"whole_one": "целая", "whole_many": "целых", "comma": "запятая",
		"tenth_one": "десятая", "tenth_many": "десятых", "hundredth_one": "сотая", "hundredth_many": "сотых",
		"thousandth_one": "тысячная", "thousandth_many": "тысячных", "minus": "минус", "of_year": "года",
		"two_thousandth": "двухтысячного", "night": "ночи", "morning": "утра", "afternoon": "дня", "evening": "вечера",
		"star": "звёздочка", "hash": "решётка", "plus": "плюс"})
	// Ordinals by their stem and the kind of their ending: hard (первый), stressed
	// (второй) and that of третий; in the nominative of three genders and in the
	// genitive that dates need.
	type stem struct {
		n    int
		text string
		kind byte
	}
	stems := []stem{{1, "перв", 'h'}, {2, "втор", 's'}, {3, "трет", 't'}, {4, "четвёрт", 'h'}, {5, "пят", 'h'}, {6, "шест", 's'}, {7, "седьм", 's'},
		{8, "восьм", 's'}, {9, "девят", 'h'}, {10, "десят", 'h'}, {11, "одиннадцат", 'h'}, {12, "двенадцат", 'h'}, {13, "тринадцат", 'h'},
		{14, "четырнадцат", 'h'}, {15, "пятнадцат", 'h'}, {16, "шестнадцат", 'h'}, {17, "семнадцат", 'h'}, {18, "восемнадцат", 'h'},
		{19, "девятнадцат", 'h'}, {20, "двадцат", 'h'}, {30, "тридцат", 'h'}, {40, "сороков", 's'}, {50, "пятидесят", 'h'},
		{60, "шестидесят", 'h'}, {70, "семидесят", 'h'}, {80, "восьмидесят", 'h'}, {90, "девяност", 'h'}, {100, "сот", 'h'},
		{800, "восьмисот", 'h'}, {900, "девятисот", 'h'}}
	endings := map[byte][4]string{'h': {"ый", "ая", "ое", "ого"}, 's': {"ой", "ая", "ое", "ого"}, 't': {"ий", "ья", "ье", "ьего"}}
	marks := [4]string{"", "_f", "_n", "_g"} // as Gender counts; the last is the genitive
	for _, s := range stems {
		for i, end := range endings[s.kind] {
			if i < 3 && s.n > MaxOrdinal {
				continue // for years alone, which 200 to 700 end none of
			}
			l.words[nth(s.n)+marks[i]] = s.text + end
		}
	}
	l.list("month", "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря")
	l.list("weekday", "понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье")
	for name, forms := range map[string][3]string{
		"second": {"секунда", "секунды", "секунд"}, "minute": {"минута", "минуты", "минут"}, "hour": {"час", "часа", "часов"},
		"day": {"день", "дня", "дней"},
		"eur": {"евро", "евро", "евро"}, "eur_minor": {"цент", "цента", "центов"},
		"usd": {"доллар", "доллара", "долларов"}, "usd_minor": {"цент", "цента", "центов"},
		"gbp": {"фунт стерлингов", "фунта стерлингов", "фунтов стерлингов"}, "gbp_minor": {"пенс", "пенса", "пенсов"},
		"ron": {"румынский лей", "румынских лея", "румынских леев"}, "ron_minor": {"бан", "бана", "банов"},
		"mdl": {"лей", "лея", "леев"}, "mdl_minor": {"бан", "бана", "банов"},
		"rub": {"рубль", "рубля", "рублей"}, "rub_minor": {"копейка", "копейки", "копеек"},
	} {
		l.words[name+"_one"], l.words[name+"_few"], l.words[name+"_many"] = forms[0], forms[1], forms[2]
	}
	cyrillic := []string{"а", "бэ", "вэ", "гэ", "дэ", "е", "жэ", "зэ", "и", "и краткое", "ка", "эль", "эм", "эн", "о", "пэ", "эр", "эс", "тэ",
		"у", "эф", "ха", "цэ", "че", "ша", "ща", "твёрдый знак", "ы", "мягкий знак", "э", "ю", "я"}
	for i, w := range cyrillic {
		l.words[letter('а'+rune(i))] = w
	}
	l.words[letter('ё')] = "ё"
	for i, w := range []string{"а", "бэ", "цэ", "дэ", "е", "эф", "жэ", "аш", "и", "йот", "ка", "эль", "эм", "эн", "о", "пэ", "ку", "эр", "эс",
		"тэ", "у", "вэ", "дубль вэ", "икс", "игрек", "зет"} {
		l.words[letter(rune('a'+i))] = w
	}
	l.add(signs("дефис", "точка", "собака", "нижнее подчёркивание", "косая черта"))

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
		}
		switch {
		case n == 1 && g != Masculine:
			return append(out, num(n)+marks[g])
		case n == 2 && g == Feminine:
			return append(out, "number_2_f")
		}
		return append(out, num(n))
	}
	// form is that of what is counted: 1, 21, 31 ... one; 2 to 4, 22 to 24 ... few.
	form := func(n int64) string {
		switch t := n % 100; {
		case t >= 11 && t <= 14:
		case n%10 == 1:
			return "one"
		case n%10 >= 2 && n%10 <= 4:
			return "few"
		}
		return "many"
	}
	l.number = func(n int64, g Gender) []string {
		return scaled(n, func(n int64) []string { return low(n, g) }, func(group int64, scale int) []string {
			name, gender := [...]string{1: "thousand", 2: "million", 3: "billion"}[scale], Masculine
			if scale == 1 {
				gender = Feminine
			}
			return append(low(group, gender), name+"_"+form(group))
		})
	}
	l.counted = func(n int64, u unit) []string {
		return append(l.number(n, u.gender), map[string]string{"one": u.one, "few": u.few, "many": u.many}[form(n)])
	}
	// ordinal says the last word as an ordinal, with a mark for its form.
	ordinal := func(n int, mark string) (out []string) {
		if n > 100 && n%100 != 0 {
			out = append(out, num(int64(n-n%100)))
			n %= 100
		}
		if n > 20 && n < 100 && n%10 != 0 {
			out = append(out, num(int64(n-n%10)))
			n %= 10
		}
		return append(out, nth(n)+mark)
	}
	l.ordinal = func(n int, g Gender) []string { return ordinal(n, marks[g]) }
	l.fraction = func(whole int64, decimals string) []string {
		if len(decimals) > 3 {
			out := append(l.number(whole, Masculine), "comma")
			for i := range len(decimals) {
				out = append(out, "number_"+decimals[i:i+1])
			}
			return out
		}
		say := func(n int64, name string) []string {
			if form(n) == "one" {
				return append(l.number(n, Feminine), name+"_one")
			}
			return append(l.number(n, Feminine), name+"_many")
		}
		return append(say(whole, "whole"), say(atoi(decimals), [...]string{1: "tenth", 2: "hundredth", 3: "thousandth"}[len(decimals)])...)
	}
	l.date = func(y, month, day int, withYear bool) []string {
		out := append(ordinal(day, marks[Neuter]), part("month", month))
		if !withYear {
			return out
		}
		switch rest := y % 1000; {
		case y == 2000:
			out = append(out, "two_thousandth")
		default:
			if y/1000 == 2 {
				out = append(out, "number_2_f", "thousand_few")
			} else {
				out = append(out, "thousand_one")
			}
			out = append(out, ordinal(rest, "_g")...)
		}
		return append(out, "of_year")
	}
	l.clock = func(h, m int, twelve bool) []string {
		shown := int64(h)
		if twelve {
			if shown %= 12; shown == 0 {
				shown = 12
			}
		}
		out := l.counted(shown, units["hour"]["ru"])
		if m > 0 {
			out = append(out, l.counted(int64(m), units["minute"]["ru"])...)
		}
		if twelve {
			out = append(out, partOfDay(h))
		}
		return out
	}
	return l
}
