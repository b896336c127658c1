package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/resource"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const house = `
kind: tenant
name: default
spec:
  language: ro
  record: never
  feature_codes: {"*50": log_in, "*44": not_ready}
  not_ready_reasons: {"1": break}
---
{kind: tenant, name: other, spec: {record: always}}
---
{kind: device, name: alice, spec: {username: alice, password: x, extension: "101"}}
---
{kind: device, name: bob, spec: {username: bob, password: x, extension: "201", record: always}}
---
{kind: device, name: boss, spec: {username: boss, password: x, extension: "202"}}
---
{kind: device, name: door, spec: {username: door, password: x, outside: ["113"]}}
---
{kind: device, name: zoe, tenant: other, spec: {username: zoe, password: x, extension: "201", outside: ["*"]}}
---
{kind: user, name: bob, spec: {device: bob, outside: ["0", "+373", "1"]}}
---
{kind: user, name: bob2, spec: {device: bob, outside: ["+40"]}}
---
{kind: user, name: boss, spec: {device: boss, outside: ["*"]}}
---
{kind: trunk, name: cheap, spec: {target: "sip:192.0.2.1", prefixes: ["+373"], record: always, caller_id: "+37322000000", max_calls: 2}}
---
{kind: trunk, name: wide, spec: {target: "sip:192.0.2.2", prefixes: ["*"], addresses: ["192.0.2.2"], ring_timeout: 5s}}
---
{kind: trunk, name: wide2, spec: {target: "sip:192.0.2.3", prefixes: ["*"], priority: 5, strip_digits: 1, add_prefix: "00"}}
---
{kind: trunk, name: in-only, spec: {addresses: ["192.0.2.9"], record: always}}
---
{kind: queue, name: sales, spec: {record: always, members: [{agent: bob}]}}
---
{kind: queue, name: quiet, spec: {record: never, members: [{agent: bob}]}}
---
{kind: flow, name: main, spec: {start: a, steps: {a: {hangup: {}}}}}
---
{kind: number, name: main, spec: {digits: "+373 22 000000", flow: main, language: ru, priority: 7}}
---
{kind: number, name: short, spec: {digits: "1000", queue: sales, record: never}}
---
{kind: number, name: quiet, spec: {digits: "1001", queue: quiet, record: always}}
---
{kind: number, name: hunt, spec: {digits: "1002", devices: [bob, alice]}}
---
{kind: number, name: direct, spec: {digits: "1003", device: bob}}
`

func build(t testing.TB, doc string) (*Table, []error) {
	t.Helper()
	docs, err := resource.ParseYAML(strings.NewReader(doc), "house.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return Build(resource.NewSet(docs))
}

func words(tg Target, err error) string {
	switch {
	case errors.Is(err, ErrNotFound):
		return "not found"
	case errors.Is(err, ErrForbidden):
		return "forbidden"
	case err != nil:
		return err.Error()
	}
	s := tg.Kind.String() + " " + tg.Name
	switch tg.Kind {
	case Devices:
		s += fmt.Sprint(tg.Names)
	case Trunk:
		s += fmt.Sprint(tg.Number, " of ", tg.Names)
		if tg.Name != tg.Names[0] || tg.Routes[0].Number != tg.Number || tg.Routes[0].Trunk != tg.Name {
			s += " BUT ROUTES DIFFER"
		}
	case Feature:
		s += tg.Feature + " " + tg.Arg + tg.Reason + " of " + tg.Agent
	}
	return strings.TrimSpace(s) + " " + string(tg.Record)
}

func TestFromDevice(t *testing.T) {
	table, errs := build(t, house)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, row := range []struct{ name, device, dialled, want string }{
		{"extension", "alice", "202", "device boss never"},
		{"called device's policy", "alice", "201", "device bob always"},
		{"caller's policy", "bob", "101", "device alice always"},
		{"visual separators", "alice", "2-0.2", "device boss never"},
		{"default extension is the username", "alice", "door", "device door never"},
		{"international is no extension", "alice", "+202", "forbidden"},
		{"number", "alice", "1000", "queue sales always"},
		{"queue beats number", "alice", "1001", "queue quiet never"},
		{"public number from inside", "alice", "0037322000000", "flow main never"},
		{"hunt", "alice", "1002", "devices [bob alice] never"},
		{"number to a device takes the device's policy", "alice", "1003", "device bob always"},

		{"own code", "bob", "*50", "feature log_in  of bob never"},
		{"its default is gone", "bob", "*41", "not found"},
		{"default code", "bob", "*43", "feature ready  of bob never"},
		{"not ready", "bob", "*44", "feature not_ready  of bob never"},
		{"with a reason", "bob", "*44*1", "feature not_ready 1break of bob never"},
		{"reason nobody named", "bob", "*44*77", "feature not_ready 77 of bob never"},
		{"empty reason", "bob", "*44*", "not found"},
		{"arguments are for not_ready alone", "bob", "*43*1", "not found"},
		{"echo", "alice", "*9", "feature echo  of never"},
		{"park", "bob", "*70", "feature park  of bob never"},
		{"fetch from a slot", "bob", "*7007", "feature park 07 of bob never"},
		{"with a star between", "bob", "*70*07", "feature park 07 of bob never"},
		{"pick-up", "bob", "*8101", "feature pickup 101 of bob never"},
		{"pick-up of nobody", "bob", "*8", "feature pickup  of bob never"},
		{"do not disturb", "alice", "*78", "feature dnd_on  of never"},
		{"and no digits behind it", "alice", "*781", "not found"},
		{"two stars are no slot", "bob", "*70**7", "not found"},
		{"a device of nobody", "door", "*43", "feature ready  of never"},

		{"longest prefix", "bob", "+37369123456", "trunk cheap+37369123456 of [cheap wide2 wide] always"},
		{"double zero is plus", "bob", "0037369123456", "trunk cheap+37369123456 of [cheap wide2 wide] always"},
		{"priority, strip and add", "bob", "0721000000", "trunk wide200721000000 of [wide2 wide] always"},
		{"right of the second user", "bob", "+40721000000", "trunk wide2000721000000 of [wide2 wide] always"},
		{"no right", "alice", "0721000000", "forbidden"},
		{"right of a device", "door", "113", "trunk wide20013 of [wide2 wide] never"},
		{"and no further", "door", "0721000000", "forbidden"},
		{"all", "boss", "+881612345678", "trunk wide20081612345678 of [wide2 wide] never"},

		// Toll fraud.
		{"a local right opens no country", "bob", "+1900555000", "forbidden"},
		{"nor by 00", "bob", "001900555000", "forbidden"},
		{"a right to 0 is none to 00", "bob", "00441234567", "forbidden"},
		{"a country's right is no local one", "bob", "373900", "forbidden"},
		{"carrier's codes", "boss", "*21*0900123456#", "not found"},
		{"hidden in separators", "bob", "(00)-1 900 555000", "forbidden"},
		{"a URI", "boss", "0721;tgrp=x", "not found"},
		{"another host", "boss", "0721@192.0.2.7", "not found"},
		{"control characters", "boss", "0721\r\nX: y", "not found"},
		{"two plus", "boss", "++40721", "not found"},
		{"plus inside", "boss", "4+0721", "not found"},
		{"nothing", "boss", "", "not found"},
		{"plus alone", "boss", "+", "not found"},
		{"00 alone is no country", "boss", "00", "trunk wide200" + "0 of [wide2 wide] never"},
		{"Arabic digits", "boss", "٠٧٢١", "not found"},
		{"33 digits", "boss", strings.Repeat("1", 33), "not found"},
		{"longer than anything", "boss", strings.Repeat(" ", 1<<16), "not found"},
		{"unknown device", "nobody", "1000", "forbidden"},
		{"device of another tenant", "zoe", "1000", "forbidden"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := words(table.FromDevice(now, "default", row.device, row.dialled)); got != row.want {
				t.Errorf("%s dials %q: %s, want %s", row.device, row.dialled, got, row.want)
			}
		})
	}
}

func TestTenantsAreAlone(t *testing.T) {
	table, _ := build(t, house)
	for _, row := range []struct{ dialled, want string }{
		{"201", "device zoe always"}, {"101", "not found"}, {"1000", "not found"}, {"+37369123456", "not found"}, {"boss", "not found"},
	} {
		if got := words(table.FromDevice(now, "other", "zoe", row.dialled)); got != row.want {
			t.Errorf("zoe dials %s: %s, want %s", row.dialled, got, row.want)
		}
	}
	for _, tenant := range []string{"other", "nobody", ""} {
		if got := words(table.Inbound(now, tenant, "wide", "1000", "")); got != "not found" {
			t.Errorf("into %q: %s", tenant, got)
		}
	}
}

func TestInbound(t *testing.T) {
	table, _ := build(t, house)
	for _, row := range []struct{ trunk, dialled, want string }{
		{"wide", "+37322000000", "flow main never"},
		{"wide", "0037322000000", "flow main never"},
		{"wide", "37322000000", "flow main never"},
		{"in-only", "37322000000", "flow main always"}, // the trunk's policy
		{"in-only", "1000", "queue sales always"},      // the queue's, though the number says never
		{"in-only", "1002", "devices [bob alice] always"},
		// A carrier's call gets no extension, no feature and no other line.
		{"wide", "201", "not found"},
		{"wide", "bob", "not found"},
		{"wide", "*50", "not found"},
		{"wide", "*7001", "not found"},
		{"wide", "*8201", "not found"},
		{"wide", "+37369123456", "not found"},
		{"wide", "0721000000", "not found"},
		{"wide", "+37322000000@192.0.2.7", "not found"},
	} {
		got := words(table.Inbound(now, "default", row.trunk, row.dialled, "0722"))
		if got != row.want {
			t.Errorf("%s brings %q: %s, want %s", row.trunk, row.dialled, got, row.want)
		}
	}
	tg, _ := table.Inbound(now, "default", "wide", "+37322000000", "")
	if tg.Language != "ru" || tg.Priority != 7 || tg.NumberName != "main" {
		t.Errorf("%+v", tg)
	}
	if tg, _ := table.Inbound(now, "default", "wide", "1002", ""); tg.Language != "ro" {
		t.Errorf("the tenant's language: %+v", tg)
	}
}

func TestRecordOfAQueueLater(t *testing.T) {
	table, _ := build(t, house)
	tg, _ := table.Inbound(now, "default", "in-only", "+37322000000", "")
	for queue, want := range map[string]resource.Record{"": "always", "sales": "always", "quiet": "never", "unknown": "always"} {
		if got := table.Record(tg, queue); got != want {
			t.Errorf("in queue %q: %s", queue, got)
		}
	}
	if got := table.Record(Target{}, "sales"); got != resource.RecordNever {
		t.Errorf("nobody's call: %s", got)
	}
}

func TestOutside(t *testing.T) {
	table, _ := build(t, house)
	routes := table.Outside("default", "+37369123456")
	if len(routes) != 3 || routes[0] != (TrunkRoute{Trunk: "cheap", Number: "+37369123456", CallerID: "+37322000000", MaxCalls: 2, RingTimeout: time.Minute, Length: 3}) || routes[2].RingTimeout != 5*time.Second {
		t.Errorf("%+v", routes)
	}
	for _, number := range []string{"", "bob", "*21#", "1;x"} {
		if routes := table.Outside("default", number); len(routes) != 0 {
			t.Errorf("%q: %+v", number, routes)
		}
	}
	if routes := table.Outside("other", "123"); len(routes) != 0 {
		t.Errorf("%+v", routes)
	}
	if table.Agent("default", "bob") != "bob" || table.Agent("default", "door") != "" || table.Agent("other", "bob") != "" {
		t.Error("agents")
	}
}

func TestBuildTellsWhatCannotBe(t *testing.T) {
	_, errs := build(t, `
{kind: tenant, name: default, spec: {feature_codes: {"*41": dance, "a": ready, "*7": ready}}}
---
{kind: device, name: a, spec: {username: a, password: x, extension: "201", outside: ["", "+", "00", "0a", "*"]}}
---
{kind: device, name: b, spec: {username: b, password: x, extension: "201"}}
---
{kind: device, name: c, spec: {username: c, password: x, extension: "*7"}}
---
{kind: number, name: n1, spec: {digits: "+100", queue: q}}
---
{kind: number, name: n2, spec: {digits: "00100", queue: q}}
---
{kind: number, name: n3, spec: {digits: "x", queue: q}}
---
{kind: number, name: n4, spec: {digits: "201", queue: q}}
---
{kind: number, name: n5, spec: {digits: "5", queue: q, flow: f}}
---
{kind: number, name: n6, spec: {digits: "6"}}
`)
	want := []string{
		`tenant "default" of tenant "default": feature_codes.*41: unknown "dance"`,
		`feature_codes.a: want digits`,
		`device "a" of tenant "default": outside[0]: ""`,
		`outside[1]: "+"`, `outside[2]: "00"`, `outside[3]: "0a"`,
		`device "b" of tenant "default": extension "201" is that of device "a"`,
		`device "c" of tenant "default": extension "*7" is the feature code of ready`,
		`number "n2" of tenant "default": digits: "00100" is number "n1" already`,
		`number "n3" of tenant "default": digits: "x" cannot be dialled`,
		`number "n4" of tenant "default": digits: "201" is the extension of device "a"`,
		`number "n5" of tenant "default": want exactly one of`,
		`number "n6" of tenant "default": want exactly one of`,
	}
	for i := range max(len(errs), len(want)) {
		switch {
		case i >= len(errs):
			t.Errorf("missing %s", want[i])
		case i >= len(want) || !strings.Contains(errs[i].Error(), want[i]):
			t.Errorf("fault %d: %v", i, errs[i])
		}
	}
}

// The laws of dialled strings: what is normalised once stays so; what goes to a
// trunk is digits with at most a plus; nobody without a right and no trunk ever
// gets a trunk.
func FuzzDialled(f *testing.F) {
	for _, s := range []string{"1000", "+40 722", "0040722", "*44*1", "00", "+", "bob", "(00)1", "0721;x", "++4", "٠", "*21*0#", " - ", strings.Repeat("0", 70)} {
		f.Add(s)
	}
	table, errs := build(f, house)
	if len(errs) > 0 {
		f.Fatal(errs)
	}
	f.Fuzz(func(t *testing.T, dialled string) {
		d, ok := Normalise(dialled)
		if ok {
			if len(d.Number) == 0 || len(d.Number) > maxDigits || strings.Trim(d.Number, "0123456789*#") != "" {
				t.Fatalf("%q gives %+v", dialled, d)
			}
			again, ok := Normalise(d.String())
			if !ok || again != d {
				t.Fatalf("%q gives %+v, then %+v", dialled, d, again)
			}
		}
		if tg, err := table.FromDevice(now, "default", "alice", dialled); err == nil && tg.Kind == Trunk {
			t.Fatalf("alice reaches %+v by %q", tg, dialled)
		}
		if tg, err := table.FromDevice(now, "default", "door", dialled); err == nil && tg.Kind == Trunk && !strings.HasPrefix(d.String(), "113") && !tg.Emergency {
			t.Fatalf("the door reaches %+v by %q", tg, dialled)
		}
		if tg, err := table.FromDevice(now, "default", "boss", dialled); err == nil && tg.Kind == Trunk {
			for _, r := range tg.Routes {
				if !plain(strings.TrimPrefix(r.Number, "+")) {
					t.Fatalf("%q sends %q", dialled, r.Number)
				}
			}
		}
		if tg, err := table.Inbound(now, "default", "wide", dialled, dialled); err == nil && (tg.Kind == Trunk || tg.Kind == Feature || tg.NumberName == "") {
			t.Fatalf("a carrier reaches %+v by %q", tg, dialled)
		}
	})
}

func BenchmarkFromDevice(b *testing.B) {
	table, _ := build(b, house)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := table.FromDevice(now, "default", "bob", "1000"); err != nil {
			b.Fatal(err)
		}
	}
}
