package sip

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// torture is what each message of RFC 4475 gets from us: a final status, or ""
// for silence. The sender is a trunk, so that INVITEs go all the way; the
// handler refuses valid ones with 486.
var torture = map[string]struct{ udp, tcp string }{
	"badaspec":   {"400", "400"}, // blanks inside < >
	"badbranch":  {"200", "200"}, // treated as RFC 2543
	"baddate":    {"486", "486"}, // dates are not read
	"baddn":      {"400", "400"}, // a comma in a display name without quotes
	"badinv01":   {"400", "400"}, // empty Via and Contact parameters
	"badvers":    {"505", "505"},
	"bcast":      {"", ""}, // a response without a request
	"bext01":     {"420", "420"},
	"bigcode":    {"", ""},
	"clerr":      {"400", ""}, // the rest never comes: TCP waits
	"cparam01":   {"401", "401"},
	"cparam02":   {"401", "401"},
	"dblreq":     {"401", "401"}, // the datagram's rest is ignored; over TCP it is the next message
	"esc01":      {"486", "486"},
	"esc02":      {"501", "501"}, // a method is not unescaped
	"escnull":    {"401", "401"},
	"escruri":    {"400", "400"},
	"insuf":      {"400", "400"}, // no From, To, Call-ID
	"intmeth":    {"501", "501"},
	"inv2543":    {"486", "400"}, // no Content-Length: a stream has no end of message
	"invut":      {"415", "415"},
	"longreq":    {"486", "486"},
	"ltgtruri":   {"400", "400"},
	"lwsdisp":    {"200", "200"},
	"lwsruri":    {"400", "400"},
	"lwsstart":   {"400", "400"},
	"mcl01":      {"400", "400"},
	"mismatch01": {"400", "400"},
	"mismatch02": {"400", "400"}, // CSeq of another method
	"mpart01":    {"405", "405"}, // MESSAGE
	"multi01":    {"400", "400"}, // two Call-IDs
	"ncl":        {"400", "400"},
	"noreason":   {"", ""},
	"novelsc":    {"416", "416"},
	"quotbal":    {"400", "400"},
	"regaut01":   {"401", "401"},
	"regbadct":   {"400", "400"},
	"regescrt":   {"401", "401"},
	"scalar02":   {"400", "400"}, // CSeq, Max-Forwards, Expires too large
	"scalarlg":   {"", ""},
	"sdp01":      {"406", "406"}, // Accept without SDP
	"semiuri":    {"200", "200"},
	"test":       {"", ""}, // not SIP/2.0
	"transports": {"200", "200"},
	"trws":       {"400", "400"},
	"unkscm":     {"416", "416"},
	"unksm2":     {"401", "401"}, // challenged before its To is looked at
	"unreason":   {"", ""},
	"wsinv":      {"481", "481"}, // its To has a tag
	"zeromf":     {"200", "200"}, // we are the UAS, nothing is forwarded
}

func TestTorture(t *testing.T) {
	files, err := filepath.Glob("testdata/torture/*.dat")
	if err != nil || len(files) != 50 {
		t.Fatalf("%d torture messages, %v", len(files), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".dat")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			want, ok := torture[name]
			if !ok {
				t.Error("no expectation")
			}
			synctest.Test(t, func(t *testing.T) {
				for _, proto := range []string{"udp", "tcp"} {
					n := newMemNet()
					h := &house{trunks: map[netip.Addr]string{addr("192.0.2.99"): "north"}}
					h.invite = func(in *Invitation) { in.Dialog.Reject(486, "") }
					// One owner: two messages of one stream are answered in their order.
					s := newStack(t, n, "192.0.2.1", h, func(c *Config, _ *Deps) { c.Shards = 1 })
					if proto == "udp" {
						w := n.wire(t, "192.0.2.99:5060")
						w.send(s.LocalAddr("udp"), string(text))
						if got := w.final(); got != want.udp {
							t.Errorf("by UDP %q, want %q", got, want.udp)
						}
						w.u.Close()
					} else {
						c, err := n.dialFrom(addr("192.0.2.99"), s.LocalAddr("tcp"))
						if err != nil {
							t.Fatal(err)
						}
						if got := exchange(c, string(text)); got != want.tcp {
							t.Errorf("by TCP %q, want %q", got, want.tcp)
						}
						c.Close()
					}
					synctest.Wait()
					if v := s.dialogCount.Load(); v != 0 && want.udp != "" {
						t.Errorf("%d dialogs left", v)
					}
					stop(t, s)
				}
			})
		})
	}
}

// final reads responses until a final one and gives its code, "" for none.
func (w *wire) final() string {
	for {
		m := w.read(3 * time.Second)
		if m == "" || !strings.HasPrefix(m, "SIP/2.0 1") {
			return code(m)
		}
	}
}

func code(m string) string {
	if len(m) < 12 || !strings.HasPrefix(m, "SIP/2.0 ") {
		return ""
	}
	return m[8:11]
}
