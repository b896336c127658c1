package flow

import "testing"

// A variable is spoken where it cannot have been set yet; on one way of two is enough,
// and so is a loop that comes back.
func TestUnsetVariables(t *testing.T) {
	for _, row := range []struct {
		name, doc string
		want      []string
	}{
		{"before it is set", `
start: tell
steps:
  tell: {say: [{digits: "${account}"}], next: ask}
  ask: {collect: {prompts: [p], into: account, max: 4}, next: end, on: {failed: end}}
  end: {hangup: normal}`, []string{`steps.tell.say.prompts[0]: nothing sets the variable "account" on any way to this step`}},
		{"behind it", `
start: ask
steps:
  ask: {collect: {prompts: [p], into: account, max: 4}, next: tell, on: {failed: end}}
  tell: {say: [{digits: "${account}"}], next: end}
  end: {hangup: normal}`, nil},
		{"the other way alone sets it", `
start: which
steps:
  which: {menu: {prompts: [p], keys: {"1": ask, "2": tell}}, next: end}
  ask: {set: {account: "1"}, next: end}
  tell: {say: [{digits: "${account}"}], next: end}
  end: {hangup: normal}`, []string{`steps.tell.say.prompts[0]: nothing sets the variable "account" on any way to this step`}},
		{"one of two ways", `
start: which
steps:
  which: {menu: {prompts: [p], keys: {"1": ask, "2": tell}}, next: end}
  ask: {set: {account: "1"}, next: tell}
  tell: {say: [{digits: "${account}"}], next: end}
  end: {hangup: normal}`, nil},
		{"a loop comes back", `
start: tell
steps:
  tell: {menu: {prompts: [{digits: "${account}"}], keys: {"1": ask}}, next: end}
  ask: {set: {account: "1"}, next: tell}
  end: {hangup: normal}`, nil},
		{"declared", `
start: tell
variables: {account: "0"}
steps:
  tell: {say: [{digits: "${account}"}], next: ask}
  ask: {set: {account: "1"}, next: end}
  end: {hangup: normal}`, nil},
		{"compared", `
start: which
steps:
  which: {branch: [{var: account, eq: "", next: ask}], next: end}
  ask: {set: {account: "1"}, next: end}
  end: {hangup: normal}`, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			wantFaults(t, checked(mustParse(t, "x", row.doc), CheckEnv{}), row.want...)
		})
	}
}
