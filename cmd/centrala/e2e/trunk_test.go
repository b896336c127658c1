//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/load/robot"
)

// trunkNow is a trunk as the command line lists it.
func (h *house) trunkNow(name string) api.Trunk {
	var list []api.Trunk
	h.decode(&list, "trunk", "list")
	for _, t := range list {
		if t.Name == name {
			return t
		}
	}
	return api.Trunk{}
}

// TestTrunkScenarios: carriers' registrars, OPTIONS, silence and identity, played
// by sipp.
func TestTrunkScenarios(t *testing.T) {
	t.Parallel()
	var bob *phone
	var more strings.Builder
	port := map[string]uint16{}
	trunk := func(name, spec string) {
		port[name] = freePort(t)
		fmt.Fprintf(&more, "---\nkind: trunk\nname: %s\nspec: {%s}\n", name, strings.ReplaceAll(spec, "HERE", fmt.Sprintf("127.0.0.2:%d", port[name])))
	}
	trunk("reg", `target: "sip:HERE", prefixes: ["0901"], auth_user: house, auth_password: secret, register: {user: "4021", domain: carrier.example}`)
	trunk("brief", `target: "sip:HERE", prefixes: ["0902"], auth_user: house, auth_password: secret, register: {}`)
	trunk("refuses", `target: "sip:HERE", prefixes: ["0903"], auth_user: house, auth_password: secret, register: {}`)
	trunk("probed", `target: "sip:HERE", prefixes: ["0904"], options_interval: 2s`)
	trunk("silent", `target: "sip:HERE", prefixes: ["0905"], priority: 2, response_timeout: 1s`)
	trunk("second", `target: "sip:HERE", prefixes: ["0905"], priority: 1`)
	trunk("trusted", `addresses: ["HERE"], trust_identity: true`)

	becomes := func(name, what string, ok func(api.Trunk) bool) func(h *house) (string, bool) {
		return func(h *house) (string, bool) {
			for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if ok(h.trunkNow(name)) {
					return "", true
				}
			}
			return fmt.Sprintf("%s: never %s: %+v", name, what, h.trunkNow(name)), false
		}
	}
	registered := func(st api.Trunk) bool { return st.Registration == "registered" && st.Usable }
	failed := func(st api.Trunk) bool {
		return st.Registration == "failed" && !st.Usable && strings.Contains(st.LastError, "403 Forbidden")
	}
	list := []scenario{
		{file: "uas-registrar-challenges-401-then-refresh", port: port["reg"], received: map[string][2]int{`^REGISTER`: {3, 3}}, with: becomes("reg", "registered", registered)},
		{file: "uas-registrar-too-brief-423", port: port["brief"], received: map[string][2]int{`^REGISTER`: {2, 2}}, with: becomes("brief", "registered", registered)},
		{file: "uas-registrar-refuses-403", port: port["refuses"], received: map[string][2]int{`^REGISTER`: {1, 1}}, with: becomes("refuses", "failed", failed)},
		{file: "uas-options-503-then-404", port: port["probed"], received: map[string][2]int{`^OPTIONS`: {4, 4}}, with: func(h *house) (string, bool) {
			if why, ok := becomes("probed", "down", func(st api.Trunk) bool { return !st.Up && strings.Contains(st.LastError, "503") })(h); !ok {
				return why, false
			}
			return becomes("probed", "up again", func(st api.Trunk) bool { return st.Up && st.Probed })(h)
		}},
		{file: "uas-silent-then-next-trunk", port: port["silent"], with: func(h *house) (string, bool) {
			return h.callWhile(bob, "0905123456", func(c *robot.Call, h *house) string {
				if err := c.WaitState(within(h.t, patience), robot.Up); err != nil {
					return err.Error()
				}
				time.Sleep(3 * time.Second) // the silent one comes to life meanwhile
				c.Hangup()
				return ""
			})
		}, second: &scenario{file: "uas-carrier-when-first-is-silent", port: port["second"], received: map[string][2]int{`^INVITE`: {1, 1}}}},
		{file: "uac-anonymous-with-asserted-identity", to: "3000", port: port["trusted"], with: func(h *house) (string, bool) {
			select {
			case c := <-bob.rings:
				from := c.Request().Get("from")
				time.Sleep(200 * time.Millisecond)
				c.Reject(486, "Busy Here")
				if strings.Contains(from, "722111222") || strings.Contains(from, "Ion") || !strings.Contains(from, "anonymous@anonymous.invalid") {
					return "the phone was shown " + from, false
				}
			case <-time.After(patience):
				return "nothing rang", false
			}
			var d cdr.Call
			h.eventually(patience, "the call is in the records", func() bool {
				var page api.CallPage
				h.decode(&page, "call", "list", "--limit", "50")
				for _, c := range page.Calls {
					if c.Trunk == "trusted" && !c.Open() {
						d = c
					}
				}
				return d.ID != ""
			})
			if d.From != "+40722111222" || d.Code != 486 || d.Trunk != "trusted" {
				return fmt.Sprintf("recorded as from %q over %q, code %d", d.From, d.Trunk, d.Code), false
			}
			return "", true
		}},
	}
	for i := range list {
		if list[i].to == "" {
			list[i].to = "x"
		}
		if list[i].second != nil {
			list[i].second.to = "x"
		}
	}
	h := library(t, more.String())
	bob = h.phone("bob", "udp", robot.Any)
	h.scenarios(t, "trunk", list)
	if st := h.trunkNow("carrier"); st.Registration != "none" || !st.Usable {
		t.Errorf("%+v", st)
	}
}
