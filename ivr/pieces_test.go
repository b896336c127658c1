package ivr

import (
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

// said is what the first Play of a flow speaks: prompts, and texts in quotes.
func said(t *testing.T, doc string, in Input) string {
	t.Helper()
	_, actions := Start(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), parse(t, "test", doc), in)
	for _, a := range actions {
		switch a := a.(type) {
		case Play:
			var words []string
			for _, p := range a.Phrases {
				if p.Text != "" {
					words = append(words, `"`+p.Text+`"`)
				} else {
					words = append(words, p.Name)
				}
			}
			return strings.Join(words, " ")
		case Fail:
			return "fail: " + a.Err
		}
	}
	return ""
}

func TestValuesAreSpoken(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Chisinau")
	if err != nil {
		t.Fatal(err)
	}
	const end = ", next: b}\n  b: {hangup: {}}"
	for _, row := range []struct{ lang, say, want string }{
		{"ro", `[{money: "${v}"}]`, "number_12 eur_many and number_50 of eur_minor_many"},
		{"ru", `[your_order, {date: "2026-12-31T23:30:00Z"}]`, "your_order ordinal_1_n month_1 number_2_f thousand_few number_20 ordinal_7_g of_year"},
		{"en", `[{time: "2026-07-01T11:30:00Z"}, {phone: "${from}"}]`, "number_2 number_30 pm number_0 number_7 number_2 pause number_2 number_1 number_2 pause number_3 number_4 number_5 number_6"},
		{"ru", `{text: "К оплате ${v:money} до ${d:day}, ${v}."}`, `"К оплате двенадцать евро пятьдесят центов до двадцать третье ноября, 12.50 EUR."`},
		{"de", `{text: "Sie schulden ${v:money}."}`, `"Sie schulden 12.50 EUR."`},
		{"en", `[{number: "${v}"}]`, `fail: "${v}" cannot be spoken as number: no number such as 1205 or 12.5, of at most 6 decimals`},
		{"en", `{text: "${v:date}"}`, `fail: the variable "v" cannot be spoken as date: no date such as 2026-11-23 or 2026-11-23T14:30:00Z, from 1800 to 2199`},
	} {
		doc := "language: " + row.lang + "\nvariables: {v: 12.50 EUR, d: \"2026-11-23\"}\nstart: a\nsteps:\n  a: {say: " + row.say + end
		if got := said(t, doc, Input{From: "0722123456", Zone: zone}); got != row.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", row.lang, row.say, got, row.want)
		}
	}
}

func TestValueThatCannotBeSpokenHasAWay(t *testing.T) {
	x := begin(t, `
start: a
variables: {v: "twelve"}
steps:
  a: {say: [{money: "${v}"}], on: {failed: b}, next: c}
  b: {play: [sorry_for_that], next: c}
  c: {hangup: {}}
`, Input{})
	x.want("fail a", "answer", "play sorry_for_that")
}

// What a caller typed secretly is spoken in no form.
func TestSecretsAreNotPutIntoWords(t *testing.T) {
	in := Input{Previous: &State{Vars: map[string]string{"pin": "1234"}, Secrets: map[string]bool{"pin": true}}}
	got := said(t, "variables: {pin: \"\"}\nstart: a\nsteps:\n  a: {say: {text: \"${pin:digits}\"}, next: b}\n  b: {hangup: {}}", in)
	if !strings.HasPrefix(got, "fail: ") || strings.Contains(got, "1234") {
		t.Error(got)
	}
}

func TestFormatsBelongToSpokenTexts(t *testing.T) {
	for _, row := range []struct{ step, want string }{
		{`{say: {text: "${from:song}"}, next: b}`, `a.say.text: unknown "song" behind the colon`},
		{`{say: [{number: "${from:digits}"}], next: b}`, "a.say.prompts[0].number: only a text that is spoken"},
		{`{set: {x: "${from:digits}"}, next: b}`, "a.set.x: only a text that is spoken"},
		{`{say: {text: "${nobody:digits}"}, next: b}`, `no step sets the variable "nobody"`},
	} {
		_, err := flow.ParseYAML("x", []byte("start: a\nsteps:\n  a: "+row.step+"\n  b: {hangup: {}}"))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.step, err)
		}
	}
}
