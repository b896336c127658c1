package resource

import (
	"strings"
	"testing"
)

func TestHotDeskNumbersAndPINs(t *testing.T) {
	user := func(name, more string) string {
		return "{kind: user, name: " + name + ", spec: {roles: [agent]" + more + "}}\n---\n"
	}
	for docs, want := range map[string]string{
		user("a", `, agent_number: "47", agent_pin: "2468"`) + user("b", `, agent_number: "48", agent_pin: "2468"`): "",
		user("a", ``):                                            "",
		user("a", `, agent_number: "47"`):                        "agent_pin",
		user("a", `, agent_pin: "2468"`):                         "agent_number",
		user("a", `, agent_number: "4a", agent_pin: "2468"`):     "agent_number",
		user("a", `, agent_number: "47", agent_pin: "123"`):      "agent_pin",
		user("a", `, agent_number: "47", agent_pin: "`+Mask+`"`): "masked",
		user("a", `, agent_number: "47", agent_pin: "1111"`):     "easy to guess",
		user("a", `, agent_number: "4711", agent_pin: "4711"`):   "easy to guess",
		user("a", `, agent_number: "47", agent_pin: "2468"`) + user("b", `, agent_number: "47", agent_pin: "9753"`): `is that of user "a"`,
	} {
		list, err := ParseYAML(strings.NewReader(docs), "test")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range Check(Merge(NewSet(nil), list, false), nil) {
			got = append(got, f.Error())
		}
		if said := strings.Join(got, "\n"); want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("%s\nfaults: %s\nwant %q", docs, said, want)
		}
		if strings.Contains(strings.Join(got, ""), "9753") {
			t.Error("a fault tells a PIN")
		}
	}
}

// TestPINsAreHidden: an export shows none, and what was exported is applied again
// without losing it.
func TestPINsAreHidden(t *testing.T) {
	read := func(docs string) []Document {
		list, err := ParseYAML(strings.NewReader(docs), "test")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	live := Merge(NewSet(nil), read(`{kind: user, name: a, spec: {roles: [agent], agent_number: "47", agent_pin: "2468"}}`), false)
	next := Merge(live, read(`{kind: user, name: a, spec: {roles: [agent], agent_number: "48", agent_pin: "`+Mask+`"}}`), false)
	if u := next.Users[Key{"default", "a"}]; u.AgentPIN != "2468" || u.AgentNumber != "48" {
		t.Errorf("%+v", u)
	}
	var b strings.Builder
	if err := Export(&b, live.Documents(), false); err != nil || strings.Contains(b.String(), "2468") || !strings.Contains(b.String(), "agent_pin") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
