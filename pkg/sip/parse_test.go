package sip

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// FuzzParse: no panic, caps hold, and what is taken prints to something that is
// taken again and prints the same.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/torture/*.dat")
	for _, name := range files {
		b, _ := os.ReadFile(name)
		f.Add(string(b))
	}
	f.Add(text("INVITE", "a", "", 1, string(sdpA)))
	lim := Limits{}.WithDefaults()
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parse(s, &lim, false)
		if err != nil {
			if m.req == nil && m.res == nil && err.code != 0 {
				t.Fatalf("an answer without a request: %v", err)
			}
			return
		}
		print := func(m message) string {
			var b bytes.Buffer
			if m.req != nil {
				m.req.StringWrite(&b)
			} else {
				m.res.StringWrite(&b)
			}
			return b.String()
		}
		one := print(m)
		again, err := parse(one, &lim, false)
		if err != nil {
			if err.reason == badSize || err.code == 414 { // a fold or a compact name written out is longer
				return
			}
			t.Fatalf("printed %q: %v", one, err)
		}
		if two := print(again); two != one {
			t.Fatalf("printed %q, then %q", one, two)
		}
	})
}

func TestNameAddr(t *testing.T) {
	for in, want := range map[string]string{
		`"A \"B\"" <sip:x@h>;tag=1`:  `A \"B\"|sip:x@h|1`,
		`sip:x@h;tag=1`:              `|sip:x@h|1`,
		`Bob Smith <sip:x@h;lr>`:     `Bob Smith|sip:x@h;lr|`,
		`<sip:x@[2001:db8::1]:5070>`: `|sip:x@[2001:db8::1]:5070|`,
		`"<sip:evil@h>" <sip:x@h>`:   `<sip:evil@h>|sip:x@h|`,
		`<sip:x@h>;tag=1;tag=2`:      "bad",
		`"open <sip:x@h>`:            "bad",
		`<sip:x@h`:                   "bad",
		`<sip:x@h> junk`:             "bad",
		`<sip:x@h:65536>`:            "bad",
		`<sip:x@h@g>`:                "bad",
		`<sip:%0@h>`:                 "bad",
		`a, b <sip:x@h>`:             "bad",
		``:                           "bad",
	} {
		display, uri, params, ok := parseNameAddr(in)
		got := "bad"
		if ok {
			tag, _ := params.Get("tag")
			got = display + "|" + uri.String() + "|" + tag
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestVia(t *testing.T) {
	var d sip.MessageData
	n := 0
	// Several in one line, commas in quotes, blanks everywhere.
	if e := addHeader(&d, hVia, `SIP/2.0/UDP a, SIP / 2.0 / tcp [2001:db8::1] : 5061 ; branch = z9hG4bKx ; x="a,b" , SIP/2.0/UDP c:5070`, &n); e != nil {
		t.Fatal(e)
	}
	vs := d.GetHeaders("via")
	if len(vs) != 3 {
		t.Fatalf("%d Vias", len(vs))
	}
	v := vs[1].(*sip.ViaHeader)
	if v.Transport != "TCP" || v.Host != "2001:db8::1" || v.Port != 5061 || v.Params.GetOr("branch", "") != "z9hG4bKx" {
		t.Errorf("%+v", v)
	}
}

// A stranger's text must not write lines of our log.
func TestLogInjection(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	run(t, false, func(b *bench) {
		b.send(strings.Replace(text("OPTIONS", "a", "", 1), "Max-Forwards: 70", "Max-Forwards: \x1b[31mevil", 1))
		b.want("SIP/2.0 400")
		for _, e := range logs.All() {
			if strings.Contains(e.Message, "evil") || strings.ContainsAny(e.Message, "\r\n\x1b") {
				t.Errorf("logged %q", e.Message)
			}
			for _, f := range e.Context {
				if strings.ContainsAny(f.String, "\r\n\x1b") {
					t.Errorf("logged %s=%q", f.Key, f.String)
				}
			}
		}
	}, func(_ *Config, d *Deps) { d.Log = zap.New(core) })
}
