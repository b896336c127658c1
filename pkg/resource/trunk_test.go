package resource

import (
	"slices"
	"strings"
	"testing"
)

// TestTrunkFaults: each line of a trunk that cannot be is told, and nothing else.
func TestTrunkFaults(t *testing.T) {
	for _, c := range []struct{ spec, fault string }{
		{`target: "sip:a.example"`, ""},
		{`target: "sip:a.example", auth_user: u, auth_password: p, register: {}`, ""},
		{`addresses: ["192.0.2.1"], register: {user: u, registrar: "sip:b.example"}`, ""},
		{`target: "sip:a.example", weight: 3, options_interval: 30s, down_after: 3, up_after: 2, response_timeout: 4s, failover_codes: [500, 480, 403], region: RO,
		  number_format: national, trust_identity: true, send_identity: rpid, send_diversion: history_info, emergency: true`, ""},
		{`username: pbx, password: p`, ""},
		{`username: pbx`, "username: want username and password together"},
		{`username: "p b x", password: p`, "username: \"p b x\""},
		{`username: pbx, password: "` + Mask + `"`, "password: masked"},
		{`target: "sip:a.example", register: {}`, "register.user: missing"},
		{`addresses: ["192.0.2.1"], auth_user: u, auth_password: p, register: {}`, "register.registrar: missing"},
		{`target: "sip:a.example", register: {user: "a b"}`, "register.user: \"a b\""},
		{`target: "sip:a.example", register: {user: u, domain: "a b"}`, "register.domain"},
		{`target: "sip:a.example", register: {user: u, registrar: "http://x"}`, "register.registrar"},
		{`target: "sip:a.example", register: {user: u, expires: 5s}`, "register.expires: 5s; want from 30s to 24h"},
		{`target: "sip:a.example", failover_codes: [486]`, "failover_codes[0]: 486 speaks of the callee"},
		{`target: "sip:a.example", failover_codes: [500, 500]`, "failover_codes[1]: 500 given twice"},
		{`target: "sip:a.example", failover_codes: [200]`, "failover_codes[0]: 200; want a SIP status"},
		{`target: "sip:a.example", weight: -1`, "weight: -1"},
		{`target: "sip:a.example", options_interval: 1s`, "options_interval: 1s; want from 2s to 1h"},
		{`addresses: ["192.0.2.1"], options_interval: 30s`, "options_interval: the trunk has no target"},
		{`addresses: ["192.0.2.1"], emergency: true`, "emergency: the trunk has no target"},
		{`target: "sip:a.example", response_timeout: 100ms`, "response_timeout: 100ms"},
		{`target: "sip:a.example", down_after: 101`, "down_after: 101"},
		{`target: "sip:a.example", up_after: -1`, "up_after: -1"},
		{`target: "sip:a.example", region: ro`, `region: "ro"; want a country`},
		{`target: "sip:a.example", region: XX`, `region: "XX"; want a country`},
	} {
		docs, err := ParseYAML(strings.NewReader("{kind: tenant, name: default, spec: {}}\n---\n{kind: trunk, name: x, spec: {"+c.spec+"}}"), "test")
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		faults := slices.DeleteFunc(Check(NewSet(docs), nil), func(f Fault) bool { return f.Warning })
		switch {
		case c.fault == "" && len(faults) == 0:
		case c.fault != "" && len(faults) == 1 && strings.Contains(faults[0].Error(), c.fault):
		default:
			t.Errorf("%s: %v, want %q", c.spec, faults, c.fault)
		}
	}
	for spec, want := range map[string]string{
		`number_format: local`:    "number_format",
		`send_identity: both`:     "send_identity",
		`send_diversion: rfc5806`: "send_diversion",
		`register: {usr: x}`:      "usr",
		`failover_codes: [5oo]`:   "failover_codes",
	} {
		if _, err := ParseYAML(strings.NewReader("{kind: trunk, name: x, spec: {target: \"sip:a.example\", "+spec+"}}"), "test"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestTenantNumbersOfHelp(t *testing.T) {
	check := func(tenant, device string) (errs, warnings string) {
		docs, err := ParseYAML(strings.NewReader("{kind: tenant, name: default, spec: {"+tenant+"}}\n---\n{kind: device, name: d, spec: {password: x, "+device+"}}"), "test")
		if err != nil {
			return err.Error(), ""
		}
		for _, f := range Check(NewSet(docs), nil) {
			if f.Warning {
				warnings += f.Error() + "\n"
			} else {
				errs += f.Error() + "\n"
			}
		}
		return errs, warnings
	}
	for _, c := range []struct{ tenant, device, errs, warnings string }{
		{`emergency_numbers: ["1", "112a", "110"]`, `extension: "201"`, "emergency_numbers[1]", ""},
		{`region: MD`, `extension: "902"`, "", "is an emergency number"},
		{`region: RO`, `extension: "902"`, "", ""},
		{``, `extension: "911"`, "", "is an emergency number"},
		{`emergency_numbers: ["110"]`, `extension: "911"`, "", ""},
		{`region: Romania`, `extension: "201"`, "region: \"Romania\"", ""},
	} {
		errs, warnings := check(c.tenant, c.device)
		if (errs == "") != (c.errs == "") || !strings.Contains(errs, c.errs) {
			t.Errorf("%s: errors %q", c.tenant, errs)
		}
		if has := strings.Contains(warnings, "emergency"); has != (c.warnings != "") {
			t.Errorf("%s %s: warnings %q", c.tenant, c.device, warnings)
		}
	}
}

func TestHostOf(t *testing.T) {
	for uri, want := range map[string]string{"sip:a.example": "a.example", "sip:u@a.example:5060;transport=tcp": "a.example", "sips:[2001:db8::1]:5061": "2001:db8::1",
		"sip:192.0.2.1:5060": "192.0.2.1", "": ""} {
		if got := HostOf(uri); got != want {
			t.Errorf("%q: %q", uri, got)
		}
	}
}
