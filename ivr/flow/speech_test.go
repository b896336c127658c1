package flow

import "testing"

func TestSpeechFaults(t *testing.T) {
	_, err := ParseYAML("x", []byte(`
start: a
steps:
  a:
    menu:
      prompts: [p]
      keys: {"1": end}
      speech: {url: "ftp://x/", phrases: {sales: "2", "!": "1", go: "x"}, confidence: 200, into: from}
    next: b
  b: {menu: {prompts: [p], keys: {"1": end}, speech: {url: "wss://x/"}}, next: c}
  c: {collect: {prompts: [p], into: pin, secret: true, speech: {url: "wss://x/", phrases: {a: "1"}}}, next: end, on: {failed: end}}
  end: {hangup: normal}
`))
	wantFaults(t, faultsOf(err),
		`steps.a.menu.speech.confidence: want a whole number`, `steps.a.menu.speech.url: want wss://`, `steps.a.menu.speech.into: "from" cannot be set`,
		`steps.a.menu.speech.phrases.sales: "2" is no key of the menu`, `steps.a.menu.speech.phrases.!: want words`, `steps.a.menu.speech.phrases.go: "x" is no key`,
		`steps.b.menu.speech.phrases: want 1 to 100 phrases`, `steps.c.collect.speech.phrases: unknown`, `steps.c.collect.speech: a secret is not said`)
}

func TestNormal(t *testing.T) {
	for text, want := range map[string]string{"Sales, please!": "sales please", "  ОТДЕЛ   Продаж ": "отдел продаж", "o.k.": "o k", "": "", "Bună ziua": "bună ziua"} {
		if got := normal(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for result, want := range map[string]Heard{`{"text":"a","confidence":0.5}`: {"a", 0.5}, `{"text":"a"}`: {"a", 1}, `plain`: {"plain", 1}, `{broken`: {"{broken", 1}, "": {"", 1}} {
		if got := ParseHeard(result); got != want {
			t.Errorf("%q: got %v, want %v", result, got, want)
		}
	}
}
