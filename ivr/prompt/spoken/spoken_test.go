package spoken

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

// What callers hear, for people who speak the language to read.
func TestGolden(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Chisinau")
	if err != nil {
		t.Fatal(err)
	}
	values := []struct {
		kind   Kind
		values string
	}{
		{KindNumber, "0|1|2|5|10|11|12|14|19|20|21|22|25|31|42|52|99|100|101|102|111|112|120|121|200|202|321|500|999|1000|1001|1002|1100|1234|2000|2021|5000|11000|12012|20000|21000|22000|25000|100000|101000|112000|121000|200000|999999|1000000|1000001|2000000|2500000|5000000|12000000|21000000|22000000|1000000000|2000000000|21000000000|999999999999|1000000000000|-7|12.5|1.1|0.05|3.14|2.125|7.0001|1,50"},
		{KindNumberFeminine, "1|2|12|21|22|32|101|102|1001|2002"},
		{KindNumberNeuter, "1|2|12|21|22"},
		{KindOrdinal, "1|2|3|4|5|8|9|10|11|12|13|20|21|23|30|40|42|50|90|99|100|101|112|121|199|200|1000"},
		{KindOrdinalFem, "1|2|3|4|5|6|7|8|9|10|12|20|21|40|100|121|200"},
		{KindOrdinalNeuter, "1|2|3|21|40|100"},
		{KindDigits, "4071*#|0"},
		{KindPhone, "+373 22 123-456|022123456|1000|+40721123456|112"},
		{KindSpell, "AB-12|cod ș.â|Ёж|x@y.md"},
		{KindMoney, "0 EUR|1 EUR|2 EUR|5 EUR|12.50 EUR|0.01 EUR|1.01 EUR|21.21 EUR|1 RON|2 RON|19 RON|20 RON|21,01 RON|100 RON|101 RON|1234.56 RON|1 MDL|2 MDL|5 MDL|22.22 MDL|1 RUB|2 RUB|5 RUB|11 RUB|21 RUB|104.03 RUB|1000.41 RUB|1 USD|3.99 USD|1000000 USD|1 GBP|2 GBP|5.01 GBP|24.02 GBP|-3 EUR|EUR 7"},
		{KindDate, "2026-11-23|2000-01-01|1995-05-02|1900-12-12|2009-03-03|2021-07-21|2026-10-31|1805-02-20|2100-06-30|2026-12-31T23:30:00Z"},
		{KindDay, "2026-03-01|2026-08-27"},
		{KindWeekday, "2026-11-23|sun|2026-11-28T23:00:00Z"},
		{KindTime, "00:00|00:05|01:00|02:00|09:00|09:05|12:00|12:30|14:30|21:01|21:21|22:22|23:59|2026-07-01T11:30:00Z|2026-12-01T11:30:00Z"},
		{KindTime12, "00:15|03:30|11:00|13:02|18:45"},
		{KindTime24, "00:15|13:02|20:00"},
		{KindDuration, "0|1|2|5|21|60|61|90m|1h30m|PT2H5M|P1DT1H|P21D|25h1m1s|3600"},
	}
	for _, lang := range Languages() {
		var out strings.Builder
		for _, v := range values {
			for value := range strings.SplitSeq(v.values, "|") {
				text, err := Words(lang, v.kind, value, loc)
				if err != nil {
					t.Fatalf("%s %s %s: %v", lang, v.kind, value, err)
				}
				fmt.Fprintf(&out, "%-16s %-22s %s\n", v.kind, value, text)
			}
		}
		golden := "testdata/" + lang + ".txt"
		if *update {
			if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if out.String() != string(want) {
			t.Errorf("%s:\n%s", lang, out.String())
		}
	}
}

// parse is the way back, written by another rule than the grammars: the sum of
// what the words are worth, in groups of thousands.
func parse(lang string, pieces []string) (int64, error) {
	total, group := int64(0), int64(0)
	scales := map[string]int64{"thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
	last := int64(1 << 62)
	for _, p := range pieces {
		name, form, _ := strings.Cut(p, "_")
		switch {
		case p == "and" || p == "of":
		case scales[name] > 0:
			if group == 0 && (form == "one" && lang == "ro") {
				group = 1
			}
			if scales[name] >= last || group == 0 {
				return 0, fmt.Errorf("%q out of order", p)
			}
			last = scales[name]
			total, group = total+group*scales[name], 0
		case name == "number":
			digits, _, _ := strings.Cut(form, "_")
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || group > 0 && n >= group&-group*10 && n >= 10 && group < 100 || group%10 != 0 {
				return 0, fmt.Errorf("%q after %d", p, group)
			}
			group += n
		default:
			return 0, fmt.Errorf("%q in a number", p)
		}
	}
	return total + group, nil
}

// Every number up to a million is spoken, in words that exist, and no two alike.
func TestEveryNumber(t *testing.T) {
	for _, lang := range Languages() {
		words := Vocabulary(lang)
		for n := int64(0); n <= 1_000_000; n += stride {
			g := Gender(n % 3)
			pieces := Number(lang, n, g)
			back, err := parse(lang, pieces)
			if err != nil || back != n {
				t.Fatalf("%s %d: %v gives %d %v", lang, n, pieces, back, err)
			}
			for _, p := range pieces {
				if words[p] == "" {
					t.Fatalf("%s %d: no word for %q", lang, n, p)
				}
			}
		}
	}
}

func TestNumbersBeyond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lang := rapid.SampledFrom(Languages()).Draw(t, "lang")
		n := rapid.Int64Range(0, Max).Draw(t, "n")
		pieces := Number(lang, n, Gender(rapid.IntRange(0, 2).Draw(t, "gender")))
		if back, err := parse(lang, pieces); err != nil || back != n {
			t.Fatalf("%s %d: %v gives %d %v", lang, n, pieces, back, err)
		}
		if minus := Number(lang, -n, Masculine); n > 0 && (minus[0] != "minus" || len(minus) != len(Number(lang, n, Masculine))+1) {
			t.Fatalf("%v", minus)
		}
	})
	for _, n := range []int64{Max + 1, -Max - 1, 1<<63 - 1, -1 << 63} {
		if got := Number("ru", n, Masculine); len(got) != len(strconv.FormatInt(n, 10)) {
			t.Errorf("%d: %v", n, got)
		}
	}
}

// The Russian form of what is counted, by the rule of CLDR (plurals.xml: one, few, many).
func TestRussianPlurals(t *testing.T) {
	for n := int64(0); n < 2000; n++ {
		want := "many"
		switch {
		case n%10 == 1 && n%100 != 11:
			want = "one"
		case n%10 >= 2 && n%10 <= 4 && !(n%100 >= 12 && n%100 <= 14):
			want = "few"
		}
		m := Money("ru", "rub", n*100)
		if got := m[len(m)-1]; got != "rub_"+want {
			t.Fatalf("%d: %s, want %s", n, got, want)
		}
	}
}

// The Romanian "de", by the rule of CLDR: other = neither 0 nor 01 to 19 at the end.
func TestRomanianDe(t *testing.T) {
	for n := int64(0); n < 2000; n++ {
		want := n != 0 && (n%100 == 0 || n%100 >= 20)
		if got := slices.Contains(Money("ro", "ron", n*100), "of"); got != want && n < 1000 {
			t.Fatalf("%d lei: de %v, want %v", n, got, want)
		}
	}
}

// Whatever is said exists: every ordinal, day, time and duration has words.
func TestEverythingHasWords(t *testing.T) {
	for _, lang := range Languages() {
		words := Vocabulary(lang)
		used := map[string]bool{Pause: true}
		say := func(kind Kind, value string) []string {
			pieces, err := Value(lang, kind, value, nil)
			if err != nil || len(pieces) == 0 {
				t.Fatalf("%s %s %s: %v %v", lang, kind, value, pieces, err)
			}
			for _, p := range pieces {
				used[p] = true
				if words[p] == "" && p != Pause {
					t.Fatalf("%s %s %s: no word for %q", lang, kind, value, p)
				}
			}
			return pieces
		}
		seen := map[string]string{}
		unique := func(kind Kind, value string) {
			text := string(kind)[:3] + Text(lang, say(kind, value))
			if other, twice := seen[text]; twice {
				t.Errorf("%s %s: %s and %s sound alike: %s", lang, kind, value, other, text)
			}
			seen[text] = value
		}
		for n := 1; n <= 300; n++ {
			unique(KindOrdinal, strconv.Itoa(n))
			say(KindOrdinalFem, strconv.Itoa(n))
			say(KindOrdinalNeuter, strconv.Itoa(n))
			say(KindNumberFeminine, strconv.Itoa(3*n))
			say(KindNumberNeuter, strconv.Itoa(n))
		}
		for y := minYear; y <= maxYear; y++ {
			unique(KindDate, fmt.Sprintf("%d-11-23", y))
		}
		for d := time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() == 2028; d = d.AddDate(0, 0, 1) {
			unique(KindDay, d.Format(time.DateOnly))
			say(KindWeekday, d.Format(time.DateOnly))
		}
		for m := range 24 * 60 {
			unique(KindTime24, fmt.Sprintf("%02d:%02d", m/60, m%60))
			say(KindTime12, fmt.Sprintf("%02d:%02d", m/60, m%60))
		}
		for _, d := range []string{"P1D", "P2D", "P5D"} {
			say(KindDuration, d)
		}
		for s := int64(0); s < 100000; s += 61 {
			say(KindDuration, strconv.FormatInt(s, 10))
		}
		for _, c := range Currencies {
			for n := range 2500 {
				say(KindMoney, fmt.Sprintf("%d.%02d %s", n/25, n%100, c))
			}
		}
		for _, s := range []string{"abcdefghijklmnopqrstuvwxyz", "-._@/+*#", "1.5", "0.1", "0.01", "0.001", "2.5", "2.25", "2.125", "7.0001", "-1000000", "2000000", "5000000", "3000000000", "5000000000"} {
			if s[0] == 'a' || s[0] == '-' && s[1] == '.' {
				say(KindSpell, s)
			} else {
				say(KindNumber, s)
			}
		}
		say(KindSpell, "ăâîșțабвгдеёжзийклмнопрстуфхцчшщъыьэюя a")
		for _, n := range []string{"1000000", "1000000000", "1000", "1001", "2000", "5000"} {
			say(KindNumber, n)
		}
		for name := range words {
			if !used[name] {
				t.Errorf("%s: %q is never said; why record it?", lang, name)
			}
		}
	}
}

func TestFaults(t *testing.T) {
	for _, row := range []struct {
		kind  Kind
		value string
	}{
		{KindNumber, ""}, {KindNumber, "x"}, {KindNumber, "1.2.3"}, {KindNumber, "1."}, {KindNumber, ".5"}, {KindNumber, "1e3"}, {KindNumber, "1.1234567"}, {KindNumber, "--1"},
		{KindOrdinal, "-1"}, {KindOrdinal, "1.5"}, {KindMoney, "12"}, {KindMoney, "12 XXX"}, {KindMoney, "EUR"}, {KindMoney, "1.234 EUR"}, {KindMoney, "1,000.00 EUR"},
		{KindMoney, "1234567890123 EUR"}, {KindDate, "23.11.2026"}, {KindDate, "1799-12-31"}, {KindDate, "2026-02-30"}, {KindWeekday, "someday"},
		{KindTime, "25:00"}, {KindTime, "noon"}, {KindDuration, "P"}, {KindDuration, "soon"}, {KindDuration, "PT"}, {KindDuration, "100000000"}, {KindDuration, "P-1D"},
		{"song", "1"}, {KindDigits, strings.Repeat("1", maxValue+1)},
	} {
		if pieces, err := Value("en", row.kind, row.value, nil); err == nil {
			t.Errorf("%s %q: %v", row.kind, row.value, pieces)
		} else if row.value != "" && len(row.value) > 3 && strings.Contains(err.Error(), row.value) {
			t.Errorf("the fault repeats what may be a secret: %v", err)
		}
	}
}

func TestOtherLanguages(t *testing.T) {
	if got, err := Words("de", KindMoney, " 12.50 EUR ", nil); err != nil || got != "12.50 EUR" {
		t.Errorf("%q %v", got, err)
	}
	if got, _ := Value("de", KindNumber, "21", nil); !slices.Equal(got, []string{"number_20", "number_1"}) {
		t.Errorf("%v", got)
	}
}

func FuzzValue(f *testing.F) {
	for _, k := range Kinds {
		for _, v := range []string{"1", "-0.5", "12.50 EUR", "2026-11-23T14:30:00Z", "1h30m", "P1DT2H", "+373 22", "Ёș@"} {
			f.Add(string(k), v)
		}
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		for _, lang := range []string{"en", "ro", "ru", "xx"} {
			pieces, err := Value(lang, Kind(kind), value, nil)
			for _, p := range pieces {
				if Word(lang, p) == "" && p != Pause {
					t.Fatalf("%s %s %q: no word for %q", lang, kind, value, p)
				}
			}
			if err == nil && len(pieces) > 12*maxValue {
				t.Fatalf("%d pieces", len(pieces))
			}
		}
	})
}
