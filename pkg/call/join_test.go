package call

import "testing"

func TestDialledOf(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:202@centrala.example":               "202",
		"sips:202@centrala.example:5061":         "202",
		"sip:%2A70@h":                            "*70",
		"sip:+40721;phone-context=x@h;user=p":    "+40721",
		"sip:bob:secret@h":                       "bob",
		"sip:h":                                  "",
		"sip:@h":                                 "",
		"202":                                    "",
		"sip:2%0d%0aX@h":                         "",
		"sip:2%00@h":                             "",
		"sip:2%zz@h":                             "",
		"sip:" + string(make([]byte, 65)) + "@h": "",
	} {
		if got := dialledOf(uri); got != want {
			t.Errorf("%q: %q, want %q", uri, got, want)
		}
	}
}

func FuzzDialledOf(f *testing.F) {
	for _, s := range []string{"sip:202@h", "sip:%2A70@h", "sip:a;b:c@h", "tel:+1", ":", "@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if d := dialledOf(uri); len(d) > 64 || clean(d, 64) != d {
			t.Fatalf("%q gives %q", uri, d)
		}
	})
}
