package sip

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/centrala/centrala/pkg/sip/render"
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
		print := func(m message) string { return string(render.Append(nil, m.any())) }
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

// Our writer and sipgo's write the same of every message of the torture sets and the
// fuzzer's seeds that can be read.
func TestWriterIsSipgos(t *testing.T) {
	files, _ := filepath.Glob("testdata/*/*.dat")
	seeds, _ := filepath.Glob("testdata/fuzz/FuzzParse/*")
	lim := Limits{}.WithDefaults()
	read := 0
	check := func(name, s string) {
		m, err := parse(s, &lim, false)
		if err != nil {
			return
		}
		read++
		var b bytes.Buffer
		m.any().StringWrite(&b)
		got := string(render.Append(nil, m.any()))
		if strings.HasSuffix(name, "ipv4-mapped-ipv6.dat") { // sipgo leaves the brackets off
			if !strings.Contains(got, "UDP [::ffff:192.0.2.10]:19823;") {
				t.Errorf("%s: %q", name, got)
			}
			return
		}
		if got != b.String() {
			t.Errorf("%s: %q, sipgo writes %q", name, got, b.String())
		}
	}
	for _, name := range files {
		b, _ := os.ReadFile(name)
		check(name, string(b))
	}
	for _, name := range seeds {
		b, _ := os.ReadFile(name)
		if _, line, ok := strings.Cut(string(b), "\nstring("); ok {
			s, _ := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(line), ")"))
			check(name, s)
		}
	}
	if read < 30 {
		t.Errorf("only %d of %d messages could be read", read, len(files)+len(seeds))
	}
}

// The parameters of one header must not run into those of another: all lie in one
// piece of memory, and some are added to later.
func TestParamRoom(t *testing.T) {
	lim := Limits{}.WithDefaults()
	for n := range 9 { // of 0 to 8 parameters in Via: below, at and above the room
		more := ""
		for i := range n {
			more += ";p" + strconv.Itoa(i) + "=v" + strconv.Itoa(i)
		}
		s := strings.Replace(text("OPTIONS", "a", "", 1), ";rport", ";rport"+more, 1)
		s = strings.Replace(s, "To: ", "To: <sip:x@h>;tag=theirs;x=y\r\nX-To: ", 1)
		m, err := parse(s, &lim, false)
		if err != nil {
			t.Fatal(err)
		}
		from, to := m.req.From().Value(), m.req.To().Value()
		v := m.req.Via()
		before := len(v.Params)
		stampVia(v, netip.MustParseAddrPort("203.0.113.9:5071"))
		if len(v.Params) != before+1 || v.Params.GetOr("received", "") != "203.0.113.9" || v.Params.GetOr("rport", "") != "5071" {
			t.Errorf("%d more: %v", n, v.Params)
		}
		if m.req.From().Value() != from || m.req.To().Value() != to || to != "<sip:x@h>;tag=theirs;x=y" {
			t.Errorf("%d more: From %s, To %s", n, m.req.From().Value(), m.req.To().Value())
		}
	}
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
		var uri sip.Uri
		var room paramRoom
		display, params, ok := parseNameAddr(in, &uri, &room)
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
	var p parts
	var r reader
	r.use(&p)
	// Several in one line, commas in quotes, blanks everywhere.
	if e := r.add(hVia, `SIP/2.0/UDP a, SIP / 2.0 / tcp [2001:db8::1] : 5061 ; branch = z9hG4bKx ; x="a,b" , SIP/2.0/UDP c:5070`); e != nil {
		t.Fatal(e)
	}
	r.finish(&d)
	if d.Via().Host != "a" {
		t.Errorf("the topmost is of %q", d.Via().Host)
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
