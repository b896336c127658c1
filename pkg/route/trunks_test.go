package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const carriers = `
{kind: tenant, name: default, spec: {region: RO}}
---
{kind: tenant, name: bare, spec: {emergency_numbers: ["555"]}}
---
{kind: device, name: bob, spec: {username: bob, password: x, extension: "201", outside: ["07"]}}
---
{kind: device, name: nobody, spec: {username: nobody, password: x, extension: "202"}}
---
{kind: device, name: far, tenant: bare, spec: {username: far, password: x, extension: "911"}}
---
{kind: trunk, name: mobile, spec: {target: "sip:192.0.2.1", prefixes: ["+407"], number_format: e164_plain}}
---
{kind: trunk, name: home, spec: {target: "sip:192.0.2.2", prefixes: ["0"], number_format: national}}
---
{kind: trunk, name: world, spec: {target: "sip:192.0.2.3", prefixes: ["*"], number_format: e164, strip_digits: 0, add_prefix: "9"}}
---
{kind: trunk, name: us, spec: {target: "sip:192.0.2.4", prefixes: ["+1"], region: US, number_format: national, addresses: ["192.0.2.4"]}}
---
{kind: trunk, name: help, spec: {target: "sip:192.0.2.5", emergency: true}}
---
{kind: trunk, name: in, spec: {addresses: ["192.0.2.6"]}}
---
{kind: number, name: main, spec: {digits: "+40213456789", device: bob}}
---
{kind: number, name: local, spec: {digits: "0213456700", device: bob}}
`

func names(rs []TrunkRoute) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.Trunk+"="+r.Number)
	}
	return strings.Join(out, " ")
}

func TestNumbersInAllForms(t *testing.T) {
	table, errs := build(t, carriers)
	if len(errs) > 1 {
		t.Error(errs)
	}
	for _, c := range []struct{ device, dialled, want string }{
		{"bob", "0722333444", "mobile=40722333444 home=0722333444 world=9+40722333444"},
		{"bob", "+40722333444", "mobile=40722333444 home=0722333444 world=9+40722333444"},
		{"bob", "0040 722-333-444", "mobile=40722333444 home=0722333444 world=9+40722333444"},
		{"bob", "0213456788", "forbidden"}, // 07 alone
		{"bob", "+40213456788", "forbidden"},
		{"nobody", "0722333444", "forbidden"},
		{"nobody", "+12125551234", "forbidden"},
		{"bob", "+40213456789", "device bob"},
		{"bob", "0213456789", "device bob"},   // as they say it at home
		{"bob", "+40213456700", "device bob"}, // and the other way round
	} {
		tg, err := table.FromDevice(now, "default", c.device, c.dialled)
		got := names(tg.Routes)
		if errors.Is(err, ErrForbidden) {
			got = "forbidden"
		} else if tg.Kind == Device {
			got = "device " + tg.Name
		}
		if got != strings.ReplaceAll(c.want, "9+", "9") {
			t.Errorf("%s dials %s: %s (%v), want %s", c.device, c.dialled, got, err, c.want)
		}
	}
	for _, c := range []struct{ trunk, dialled, want string }{
		{"in", "+40213456789", "bob"}, {"in", "40213456789", "bob"}, {"in", "0213456789", "bob"}, {"in", "0040213456789", "bob"},
		{"in", "+40213456700", "bob"}, {"us", "0213456789", ""}, {"us", "011 40 213456789", "bob"}, {"in", "0213456701", ""}, {"in", "112", ""},
	} {
		if tg, _ := table.Inbound(now, "default", c.trunk, c.dialled, ""); tg.Name != c.want {
			t.Errorf("%s on %s: %q", c.dialled, c.trunk, tg.Name)
		}
	}
	for _, c := range []struct{ trunk, number, want string }{
		{"in", "0722333444", "+40722333444"}, {"us", "2125551234", "+12125551234"}, {"in", "anonymous", "anonymous"}, {"in", "1234", "1234"},
	} {
		if got := table.CallerNumber("default", c.trunk, c.number); got != c.want {
			t.Errorf("caller %s on %s: %s", c.number, c.trunk, got)
		}
	}
	if got := table.CallerNumber("bare", "x", "0722333444"); got != "0722333444" {
		t.Errorf("without a region: %s", got)
	}
}

func TestEmergencyPassesAlways(t *testing.T) {
	table, errs := build(t, carriers)
	if s := fmt.Sprint(errs); strings.Contains(s, "911") { // bare's own list leaves 911 to its phone
		t.Error(s)
	}
	for _, c := range []struct{ device, dialled, want string }{
		{"nobody", "112", "help home mobile us world"}, // in no right, on no prefix
		{"gone", "911", "help home mobile us world"},
		{"nobody", "0112", ""},
		{"nobody", "555", ""},
	} {
		tg, err := table.FromDevice(now, "default", c.device, c.dialled)
		if got := strings.Join(tg.Names, " "); got != c.want || tg.Emergency != (c.want != "") {
			t.Errorf("%s dials %s: %q %v", c.device, c.dialled, got, err)
		}
		for _, r := range tg.Routes {
			if r.Number != c.dialled {
				t.Errorf("sent as %q", r.Number)
			}
		}
	}
	// Without a trunk at all the number may be somebody's.
	if tg, err := table.FromDevice(now, "bare", "far", "911"); tg.Name != "far" {
		t.Error(tg, err)
	}
	if !table.Emergency("112") || !table.Emergency("555") || table.Emergency("556") || table.Emergency("0722333444") {
		t.Error("emergency numbers of the house")
	}
	if got := names(table.Outside("default", "112")); !strings.HasPrefix(got, "help=112 ") {
		t.Error(got)
	}
}

func TestPick(t *testing.T) {
	r := func(name string, length, priority, weight int) TrunkRoute {
		return TrunkRoute{Trunk: name, Length: length, Priority: priority, Weight: weight}
	}
	all := []TrunkRoute{r("a", 0, 9, 0), r("b", 2, 0, 0), r("c", 2, 5, 1), r("d", 2, 5, 3), r("e", 2, 5, 0), r("f", 1, 0, 0)}
	states := map[string]Line{}
	state := func(r TrunkRoute) Line { return states[r.Trunk] }
	order := func(emergency bool, draws ...uint64) (string, Line) {
		i := -1
		before := slices.Clone(all)
		out, why := Pick(all, emergency, state, func() uint64 { i++; return draws[i%len(draws)] })
		if !slices.Equal(before, all) {
			t.Fatal("the table's own list was turned round")
		}
		s := ""
		for _, r := range out {
			s += r.Trunk
		}
		return s, why
	}
	for _, c := range []struct {
		draw uint64
		want string
	}{{0, "cdebfa"}, {1, "dcebfa"}, {3, "dcebfa"}, {4, "cdebfa"}} {
		if got, _ := order(false, c.draw); got != c.want {
			t.Errorf("draw %d: %s, want %s", c.draw, got, c.want)
		}
	}
	first := map[byte]int{}
	for i := range uint64(4000) {
		got, _ := order(false, i, i/7)
		first[got[0]]++
	}
	if first['c'] != 1000 || first['d'] != 3000 {
		t.Error(first)
	}
	states["d"], states["b"] = LineDown, LineFull
	if got, _ := order(false, 0); got != "cefa" {
		t.Error(got)
	}
	for _, r := range all {
		states[r.Trunk] = LineDown
	}
	if got, why := order(false, 0); got != "" || why != LineDown {
		t.Error(got, why)
	}
	states["f"] = LineFull
	if got, why := order(false, 0); got != "" || why != LineFull {
		t.Error(got, why)
	}
	// An emergency call tries what there is.
	all[5].Emergency = true
	states["a"] = LineUp
	if got, why := order(true, 0); got != "afcdeb" || why != LineUp {
		t.Error(got, why)
	}
}
