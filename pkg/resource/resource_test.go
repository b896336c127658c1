package resource

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func parse(t *testing.T, text string) []Document {
	t.Helper()
	docs, err := ParseYAML(strings.NewReader(text), "demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

const house = `
kind: tenant
name: default
spec:
  language: ro
  time_zone: Europe/Bucharest
  feature_codes: {"*41": log_in, "*44": not_ready}
  not_ready_reasons: {1: lunch}
---
kind: device
name: anna-phone
spec: {password: secret, extension: "0012"}
---
kind: user
name: anna
spec:
  roles: [agent]
  device: anna-phone
  skills: {romanian: 0}
---
kind: skill
name: romanian
---
kind: queue
name: sales
spec:
  members: [{agent: "an*"}]
  ring_timeout: 90s
  announce_first: -1s
  leave_when_empty: false
---
kind: flow
name: main
spec:
  start: menu
  steps: {menu: {kind: menu, digits: {"1": sales}, tries: 3, gain: 1.5, open: true, none: }}
---
kind: number
name: line
spec: {digits: +40212345678, flow: main}
`

func TestParseKeepsWhatWasWritten(t *testing.T) {
	s := NewSet(parse(t, house))
	if got := s.Numbers[Key{"default", "line"}].Digits; got != "+40212345678" {
		t.Errorf("digits %q: a number was read as an integer", got)
	}
	if got := s.Devices[Key{"default", "anna-phone"}].Extension; got != "0012" {
		t.Errorf("extension %q", got)
	}
	if got := s.Tenants["default"].NotReadyReasons["1"]; got != "lunch" {
		t.Errorf("reason %q", got)
	}
	q := s.Queues[Key{"default", "sales"}]
	if *q.AnnounceFirst != Duration(-time.Second) || *q.LeaveWhenEmpty {
		t.Errorf("queue %+v", q)
	}
	if level, ok := s.Users[Key{"default", "anna"}].Skills["romanian"]; !ok || level != 0 {
		t.Error("a skill of level 0 was lost")
	}
	steps := s.Flows[Key{"default", "main"}].Raw["steps"].(map[string]any)["menu"].(map[string]any)
	if want := (map[string]any{"kind": "menu", "digits": map[string]any{"1": "sales"}, "tries": int64(3), "gain": 1.5, "open": true, "none": nil}); !reflect.DeepEqual(steps, want) {
		t.Errorf("flow step %#v", steps)
	}
	if faults := Check(s, nil); len(faults) != 0 {
		t.Errorf("faults in a good house: %v", Faults(faults))
	}
}

func TestParseTellsAllFaultsAtOnce(t *testing.T) {
	const bad = `kind: queue
name: Sales
spec:
  stratgy: longest_idle
  members: anna
  wrap_up: 20
  max_length: many
  leave_when_empty: maybe
---
kind: quee
name: x
---
kind: number
name: a
spec: {digits: "1", digits: "2"}
---
kind: user
name: b
spec: [1
---
kind: device
name: c
spec: {contact: &x "sip:a@b", record: sometimes}
---
kind: tenant
tenant: other
name: d
---
kind: user
name: e
---
kind: user
name: e
---
kind: user
name: f
repeat: {from: 5, to: 2}
---
kind: device
name: fix
repeat: {from: 1, to: 500}
spec: {max_contacts: x}
`
	docs, err := ParseYAML(strings.NewReader(bad), "bad.yaml")
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error %v is no Faults", err)
	}
	if len(docs) != 1 || docs[0].Name != "e" {
		t.Errorf("documents without fault: %v", docs)
	}
	got := err.Error()
	for _, want := range []string{
		`bad.yaml:2:7: name: "Sales"; want lower case`,
		`bad.yaml:4:3: queue "Sales": spec.stratgy: unknown key "stratgy"; want strategy? (one of `,
		`bad.yaml:5:12: queue "Sales": spec.members: "anna"; want a list`,
		`bad.yaml:6:12: queue "Sales": spec.wrap_up: "20"; want a duration such as`,
		`bad.yaml:7:15: queue "Sales": spec.max_length: "many"; want a whole number`,
		`bad.yaml:8:21: queue "Sales": spec.leave_when_empty: "maybe"; want true or false`,
		`bad.yaml:10:7: kind: unknown "quee"; want queue? (one of tenant, user,`,
		`bad.yaml:15:21: number "a": spec.digits: given twice`,
		`not YAML`,
		`spec.contact: anchors, aliases`,
		`spec.record: unknown "sometimes"; want one of "", always, never`,
		`tenant: a tenant document has no tenant`,
		`user "e": given twice; first on line `,
		`repeat: to 2 is less than from 5`,
		`holds no {n}`,
		`device "fix": spec.max_contacts: "x"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no fault %q", want)
		}
	}
	if t.Failed() {
		t.Log("\n" + got)
	}
}

func TestRepeatAndRanges(t *testing.T) {
	s := NewSet(parse(t, `
kind: device
name: agent{n}
repeat: {from: 1, to: 500}
spec: {contact: "sip:agent{n}@127.0.0.1:5090"}
---
kind: device
name: user{n}
repeat: {from: 0, to: 999}
spec: {password: "secret{n}"}
---
kind: user
name: agent{n}
repeat: {from: 1, to: 500}
spec: {device: "agent{n}", always_ready: true}
---
kind: queue
name: q
spec: {members: [{agent: agent*}]}
---
kind: number
name: straight
spec: {digits: "1000", devices: ["agent{1..500}"]}
`))
	if n := len(s.Devices); n != 1500 {
		t.Fatalf("%d devices, want 1500", n)
	}
	if d := s.Devices[Key{"default", "agent500"}]; d == nil || d.Contact != "sip:agent500@127.0.0.1:5090" {
		t.Errorf("agent500: %+v", d)
	}
	if d := s.Devices[Key{"default", "user999"}]; d == nil || d.Password != "secret999" {
		t.Errorf("user999: %+v", d)
	}
	if n := s.Numbers[Key{"default", "straight"}].Devices; len(n) != 500 || n[499] != "agent500" {
		t.Errorf("devices of the number: %d", len(n))
	}
	if faults := Check(s, nil); len(faults) != 0 {
		t.Errorf("%v", Faults(faults))
	}
}

func TestExportParsesToTheSameSet(t *testing.T) {
	s := Seal(NewSet(parse(t, house)), "centrala")
	var first, second bytes.Buffer
	if err := Export(&first, s.Documents(), true); err != nil {
		t.Fatal(err)
	}
	again := NewSet(parse(t, first.String()))
	if changes := Diff(s, again); len(changes) != 0 {
		t.Errorf("export changed %v\n%s", changes, first.String())
	}
	if err := Export(&second, again.Documents(), true); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Errorf("export is not stable:\n%s\n%s", first.String(), second.String())
	}
	if strings.Contains(first.String(), "secret\n") {
		t.Error("the password itself is in a sealed export")
	}
}

func TestMaskedExportAppliesAsUnchanged(t *testing.T) {
	live := Seal(NewSet(parse(t, house)), "centrala")
	var out bytes.Buffer
	if err := Export(&out, live.Documents(), false); err != nil {
		t.Fatal(err)
	}
	if h := live.Devices[Key{"default", "anna-phone"}].HA1.MD5; strings.Contains(out.String(), h) {
		t.Error("a masked export holds a digest")
	}
	docs := parse(t, out.String())
	if changes := Diff(live, Seal(Merge(live, docs, true), "centrala")); len(changes) != 0 {
		t.Errorf("changes: %v", changes)
	}
	// The same into an empty house must be told, not stored as a password of stars.
	if err := Errors(Check(Seal(Merge(nil, docs, false), "centrala"), nil)); err == nil || !strings.Contains(err.Error(), "masked") {
		t.Errorf("masked secret into an empty store: %v", err)
	}
}

// Any text in any field must survive print and parse: quotes, numbers that are
// texts, line ends, YAML's own signs.
func TestExportRoundTripOfAnyText(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[ -~]{0,12}`), rapid.SampledFrom([]string{"on", "~", "null", "0x1F", "1e3", "-", "? a", "a: b", "#x", "&a", "*41", "00", "+40", "{n}", "---", "\"", "'", "a\nb", " lead", "trail ", "1_000", "12:30", "=", "<<", "!t", "|", ">", "@", "`", "%", "ș ț"}))
		d := Document{Kind: KindUser, Tenant: "default", Name: "x", Spec: &UserSpec{DisplayName: text.Draw(rt, "name"), Outside: []string{text.Draw(rt, "out")}, Skills: map[string]int{"k" + text.Draw(rt, "key"): 3}}}
		f := Document{Kind: KindFlow, Tenant: "default", Name: "y", Spec: &FlowSpec{Raw: map[string]any{"k" + text.Draw(rt, "fkey"): text.Draw(rt, "fval"), "z": []any{text.Draw(rt, "item"), int64(rapid.Int64().Draw(rt, "int")), true}}}}
		var out bytes.Buffer
		if err := Export(&out, []Document{d, f}, true); err != nil {
			rt.Fatal(err)
		}
		docs, err := ParseYAML(bytes.NewReader(out.Bytes()), "x")
		if err != nil {
			rt.Fatalf("%v\n%s", err, out.String())
		}
		if changes := Diff(NewSet([]Document{d, f}), NewSet(docs)); len(changes) != 0 {
			rt.Fatalf("%v\n%s", changes, out.String())
		}
	})
}

func TestPruneTakesOnlyKindsThatWereNamed(t *testing.T) {
	live := NewSet(parse(t, house))
	docs := parse(t, "kind: skill\nname: english\n---\nkind: skill\ntenant: other\nname: x\n")
	got := Merge(live, docs, true)
	if got.Skills[Key{"default", "romanian"}] != nil {
		t.Error("prune kept a skill that the folder does not name")
	}
	if len(got.Users) != 1 || len(got.Queues) != 1 || live.Skills[Key{"default", "romanian"}] == nil {
		t.Error("prune took other kinds, or changed the live set")
	}
	if err := Errors(Check(got, nil)); err == nil || !strings.Contains(err.Error(), `user "anna": skills.romanian: no skill "romanian"`) {
		t.Errorf("a reference to a pruned skill: %v", err)
	}
}

func TestDiffNamesFieldsAndMasksSecrets(t *testing.T) {
	old := NewSet(parse(t, house))
	new := Merge(old, parse(t, `
kind: device
name: anna-phone
spec: {password: other}
---
kind: queue
name: sales
spec:
  members: [{agent: "an*"}]
  ring_timeout: 2h
  announce_first: -1s
  leave_when_empty: true
`), false)
	var b strings.Builder
	for _, c := range Diff(old, new) {
		fmt.Fprintln(&b, c)
	}
	want := `~ device "anna-phone"
    password: ******** -> ********
    extension: 0012 -> (none)
~ queue "sales"
    ring_timeout: 1m30s -> 2h
    leave_when_empty: false -> true
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if got := Diff(new, nil2()); len(got) == 0 || got[len(got)-1].Op != OpRemove {
		t.Errorf("removals: %v", got)
	}
}

func nil2() *Set { return EmptySet() }

type fakeFlows struct{}

func (fakeFlows) CheckFlow(_, _ string, f *FlowSpec, _ *Set) ([]Lead, []Fault) {
	return []Lead{{KindFlow, "main"}, {KindFlow, "second"}}, []Fault{{Path: "steps.menu.tries", Message: "too many"}}
}

func TestCheckSeesTheWhole(t *testing.T) {
	const bad = house + `---
kind: queue
name: lonely
spec: {members: [{agent: bob}, {agent: "zz*"}, {agent: "[", rank: -1}], strategy: longest_idel, skills: {romanian: 11, greek: 1}}
---
kind: number
name: nowhere
spec: {digits: "0040212345678"}
---
kind: number
name: both
spec: {digits: "12a", flow: man, queue: sales, language: english}
---
kind: device
name: twin
spec: {username: anna-phone, extension: "*41", contact: "sip:a b@c", codecs: [pcma, g729, pcma]}
---
kind: trunk
name: one
spec: {addresses: ["192.0.2.1/24", "192.0.2.7", "x"], target: "sip:h:0", prefixes: [abc], auth_user: u}
---
kind: trunk
tenant: ghost
name: two
spec: {addresses: ["192.0.2.7"]}
---
kind: schedule
name: s
spec: {time_zone: Europe/Chisinau1, hours: [{days: [mon, mon, moon], from: "9:00", to: "25:00"}], holidays: [{date: 02-30}, {date: 02-29}]}
---
kind: prompt
name: p
spec: {files: {en: ../../etc/passwd}}
---
kind: user
name: ghost
spec: {device: anna-phone, roles: [boss], always_ready: true, outside: ["*", "x"]}
`
	s := NewSet(parse(t, bad))
	faults := Check(s, fakeFlows{})
	got := Faults(faults).Error()
	for _, want := range []string{
		`members[0].agent: no user "bob"; want one of anna, ghost`,
		`members[1].agent: "zz*" matches no user`,
		`members[2].agent: "["; want a user name`,
		`members[2].rank: -1`,
		`strategy: unknown "longest_idel"; want longest_idle? `,
		`skills.romanian: 11; want a level`,
		`skills.greek: no skill "greek"`,
		`number "nowhere": leads nowhere`,
		`number "nowhere": digits: "40212345678" is taken by number "line"`,
		`number "both": digits: "12a"`,
		`number "both": leads to 2 places`,
		`flow: no flow "man"; want main?`,
		`language: "english"; want a language`,
		`device "twin": username: "anna-phone" is taken by device "anna-phone"`,
		`device "twin": extension: "*41" is taken by tenant "default"`,
		`contact: "sip:a b@c"; want`,
		`codecs[1]: unknown "g729"`, `codecs[2]: "pcma" given twice`,
		`addresses[0]: "192.0.2.1/24" has bits behind its /24; want 192.0.2.0/24`,
		`addresses[2]: "x"`, `target: "sip:h:0": port "0"`, `prefixes[0]: "abc"`, `auth_user: want`,
		`trunk "ghost/two": tenant: "ghost": no such tenant`,
		`addresses[0]: "192.0.2.7/32:0" is taken by trunk "one"`,
		`time_zone: "Europe/Chisinau1": no such`, `hours[0].days[1]: "mon" given twice`, `hours[0].days[2]: unknown "moon"`, `hours[0].from: "9:00"`, `hours[0].to: "25:00"`,
		`holidays[0].date: "02-30"`, `files.en: "../../etc/passwd"`,
		`user "ghost": device: "anna-phone" is taken by user "anna"`, `roles[0]: unknown "boss"`, `outside[1]: "x"`,
		`flow "main": steps.menu.tries: too many`,
		`warning: queue "lonely": no number or flow leads to it`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no fault %q", want)
		}
	}
	if strings.Contains(got, "02-29") {
		t.Error("29 February refused as a yearly date")
	}
	if !strings.Contains(got, "demo.yaml:") {
		t.Error("no file and line")
	}
	if t.Failed() {
		t.Log("\n" + got)
	}
}

func TestSealedPasswordOpensOnlyItsRealm(t *testing.T) {
	d := Seal(NewSet(parse(t, "kind: device\nname: mufasa\nspec: {username: Mufasa, password: Circle of Life}\n")), "http-auth@example.org").Devices[Key{"default", "mufasa"}]
	if d.Password != "" {
		t.Error("password kept")
	}
	md5, sha, ok := d.Secrets("mufasa", "http-auth@example.org")
	// RFC 7616 3.9.1: H(A1) of "Mufasa:http-auth@example.org:Circle of Life".
	if !ok || md5 != "3d78807defe7de2157e2b0b6573a855f" || sha != "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232" {
		t.Errorf("HA1 %s %s %v", md5, sha, ok)
	}
	if _, _, ok := d.Secrets("mufasa", "other"); ok {
		t.Error("a digest of one realm taken for another")
	}
}

func FuzzParseYAML(f *testing.F) {
	f.Add(house)
	f.Add("kind: device\nname: a{n}\nrepeat: {from: 1, to: 3}\nspec: {password: 'x{n}'}\n")
	f.Add("---\n- - - - -\n? a\n: b\n--- [\n")
	f.Add("a: &a [*a, *a]\n<<: *a\n")
	f.Fuzz(fuzzOne)
}

// fuzzOne: what parses is written and parsed to the same again.
func fuzzOne(t *testing.T, text string) {
	if strings.Contains(text, "repeat") && !strings.Contains(text, "to: 3}") || strings.Contains(text, "..") { // a hundred thousand documents are right, and slow
		return
	}
	docs, err := ParseYAML(strings.NewReader(text), "f")
	if err != nil || len(docs) > 100 {
		return
	}
	s := NewSet(docs)
	Check(s, nil)
	var out bytes.Buffer
	if err := Export(&out, s.Documents(), true); err != nil {
		t.Fatal(err)
	}
	again, err := ParseYAML(bytes.NewReader(out.Bytes()), "g")
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if c := Diff(s, NewSet(again)); len(c) > 0 {
		t.Fatalf("%v\n%s", c, out.String())
	}
}

func TestParking(t *testing.T) {
	for spec, fault := range map[string]string{
		"{park_time: 5s, park_slots: 99}":                 "",
		"{park_time: 1h, park_slots: 1}":                  "",
		"{park_time: 4s}":                                 "park_time",
		"{resume_within: 20s, resume_prompt: one_moment}": "",
		"{resume_within: 0s}":                             "",
		"{resume_within: 4s}":                             "resume_within",
		"{resume_within: 6m}":                             "resume_within",
		"{resume_prompt: ../x}":                           "resume_prompt",
		"{park_time: 2h}":                                 "park_time",
		"{park_slots: 100}":                               "want 1 to 99",
		"{park_slots: -1}":                                "want 1 to 99",
	} {
		docs, err := ParseYAML(strings.NewReader("{kind: tenant, name: default, spec: "+spec+"}"), "t.yaml")
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(Check(NewSet(docs), nil))
		if (fault == "") != (got == "[]") || !strings.Contains(got, fault) {
			t.Errorf("%s: %s, want %q", spec, got, fault)
		}
	}
}

func TestInCallCodes(t *testing.T) {
	for codes, fault := range map[string]string{
		`{"*3": conference, "*2": transfer}`: "",
		`{"3": conference}`:                  "want a star",
		`{"*": transfer}`:                    "want a star",
		`{"*3#": transfer}`:                  "want a star",
		`{"*3": dance}`:                      "dance",
	} {
		docs, err := ParseYAML(strings.NewReader("{kind: tenant, name: default, spec: {in_call_codes: "+codes+"}}"), "t.yaml")
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(Check(NewSet(docs), nil))
		if (fault == "") != (got == "[]") || !strings.Contains(got, fault) {
			t.Errorf("%s: %s, want %q", codes, got, fault)
		}
	}
}
