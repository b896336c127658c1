package sip

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/sdp"
)

// torture6 is what each message of RFC 5118 gets from us, by UDP and by TCP alike:
// all but one are right, and their answers are those of any such request.
var torture6 = map[string]string{
	"ipv6-good":                     "401",
	"ipv6-bad":                      "400", // an IPv6 address without brackets
	"port-ambiguous":                "401", // 5070 is the address's last part, not a port
	"port-unambiguous":              "401",
	"via-received-param-with-delim": "481", // brackets in received: not of the grammar, but met
	"via-received-param-no-delim":   "481",
	"ipv6-in-sdp":                   "486",
	"mult-ip-in-header":             "481",
	"mult-ip-in-sdp":                "486",
	"ipv4-mapped-ipv6":              "486",
	"ipv6-bug-abnf-3-colons":        "200", // 4.10: both must be tolerated
	"ipv6-correct-abnf-2-colons":    "200",
}

func TestTorture6(t *testing.T) {
	files, err := filepath.Glob("testdata/torture6/*.dat")
	if err != nil || len(files) != len(torture6) {
		t.Fatalf("%d messages, %v", len(files), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".dat")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text, want := string(raw), torture6[name]
			if want == "" {
				t.Fatal("no expectation")
			}
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				h := &house{trunks: map[netip.Addr]string{addr("2001:db8::9:1"): "north"}}
				var body []byte
				h.invite = func(in *Invitation) {
					body = in.SDP
					in.Dialog.Reject(486, "")
				}
				s := newStack(t, n, "2001:db8::10", h, func(c *Config, _ *Deps) { c.Shards = 1 })
				// The answer goes to the sent-by's port where it is the sender's (18.2.2).
				w, other := n.wire(t, "[2001:db8::9:1]:5060"), n.wire(t, "[2001:db8::9:1]:6050")
				w.send(s.LocalAddr("udp"), text)
				got := ""
				if name == "mult-ip-in-header" {
					got = other.read(time.Second)
				} else {
					got = w.read(time.Second)
					for strings.HasPrefix(got, "SIP/2.0 1") {
						got = w.read(time.Second)
					}
				}
				if code(got) != want {
					t.Errorf("by UDP %q, want %q", got, want)
				}
				// Every Via comes back, in its order, and whole.
				if a, b := strings.Count(got, "Via: "), strings.Count(text, "Via: "); a != b {
					t.Errorf("%d Vias in the answer, %d in the request", a, b)
				}
				if via := header(got, "Via"); name != "ipv6-bad" && !strings.Contains(via, "branch=z9hG4bK") {
					t.Errorf("top Via %q", via)
				}
				w.u.Close()
				other.u.Close()
				stop(t, s)

				s = newStack(t, n, "2001:db8::10", h, func(c *Config, _ *Deps) { c.Shards = 1 })
				c, err := n.dialFrom(addr("2001:db8::9:1"), s.LocalAddr("tcp"))
				if err != nil {
					t.Fatal(err)
				}
				if got := exchange(c, strings.Replace(text, "SIP/2.0/UDP", "SIP/2.0/TCP", 1)); got != want {
					t.Errorf("by TCP %q, want %q", got, want)
				}
				c.Close()
				synctest.Wait()
				stop(t, s)
				switch name {
				case "ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6":
					// What the body says of addresses is what media will be sent to.
					want := map[string]string{"ipv6-in-sdp": "[2001:db8::20]:6000", "mult-ip-in-sdp": "192.0.2.1:22334", "ipv4-mapped-ipv6": "192.0.2.2:6000"}[name]
					sess, err := sdp.Parse(body)
					if err != nil {
						t.Fatalf("SDP: %v", err)
					}
					if got := netip.AddrPortFrom(sess.Audio.Addr.Addr().Unmap(), sess.Audio.Addr.Port()).String(); got != want {
						t.Errorf("audio to %s, want %s", got, want)
					}
				}
			})
		})
	}
}

// What 4.3 and 4.10 mean, not just that they are taken.
func TestIPv6References(t *testing.T) {
	for _, row := range []struct {
		uri, host string
		port      int
		ok        bool
	}{
		{"sip:[2001:db8::10:5070]", "2001:db8::10:5070", 0, true},
		{"sip:[2001:db8::10]:5070", "2001:db8::10", 5070, true},
		{"sip:user@[2001:db8:::192.0.2.1]", "2001:db8::192.0.2.1", 0, true},
		{"sip:user@[2001:db8:::1]", "", 0, false},
		{"sip:user@[2001:db8::::192.0.2.1]", "", 0, false},
		{"sip:user@[2001:db8::1:::192.0.2.1]", "", 0, false},
		{"sip:user@2001:db8:::192.0.2.1", "", 0, false},
		{"sip:2001:db8::10", "", 0, false},
		{"sip:[2001:db8::10%25eth0]", "", 0, false},
	} {
		u, ok := parseURI(row.uri)
		host, _, _ := splitHostPort(u.Host)
		if ok != row.ok || ok && (host != row.host || u.Port != row.port) {
			t.Errorf("%s: host %q port %d, %v", row.uri, host, u.Port, ok)
		}
	}
}
