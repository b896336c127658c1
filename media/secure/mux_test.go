package secure

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

type extra struct {
	kind  stun.AttrType
	value []byte
}

func (e extra) AddTo(m *stun.Message) error { m.Add(e.kind, e.value); return nil }

// checkBy makes a check as pion does.
func checkBy(t testing.TB, user, password string, more ...stun.Setter) []byte {
	t.Helper()
	set := append([]stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(user),
		extra{stun.AttrPriority, []byte{1, 2, 3, 4}}, extra{stun.AttrICEControlling, make([]byte, 8)}}, more...)
	set = append(set, stun.NewShortTermIntegrity(password), stun.Fingerprint)
	m, err := stun.Build(set...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

var nominate = extra{stun.AttrUseCandidate, nil}

func path(s string) Path { return Path{Addr: netip.MustParseAddrPort(s)} }

// TestCheck: a check is answered as pion expects, by IPv4 and IPv6.
func TestCheck(t *testing.T) {
	m := NewMux()
	var chosen []Path
	a := &Agent{Ufrag: "ours", Password: "secret-of-22-characters", Nominated: func(p Path) { chosen = append(chosen, p) }}
	m.Add(a)
	for _, from := range []string{"192.0.2.7:5004", "[2001:db8::7]:5004"} {
		p := path(from)
		req := checkBy(t, "ours:theirs", a.Password, nominate)
		out := m.Check(req, p, t0)
		var r stun.Message
		if err := stun.Decode(out, &r); err != nil {
			t.Fatal(err)
		}
		var x stun.XORMappedAddress
		if err := x.GetFrom(&r); err != nil || !x.IP.Equal(net.IP(p.Addr.Addr().AsSlice())) || x.Port != 5004 {
			t.Errorf("mapped %v, %v", x, err)
		}
		if r.Type != stun.BindingSuccess || !bytes.Equal(r.TransactionID[:], req[8:20]) {
			t.Errorf("%v", r)
		}
		if err := stun.NewShortTermIntegrity(a.Password).Check(&r); err != nil {
			t.Error(err)
		}
		if err := stun.Fingerprint.Check(&r); err != nil {
			t.Error(err)
		}
		if m.Find(p) != a {
			t.Error("the path is not known")
		}
	}
	if len(chosen) != 2 || chosen[1] != path("[2001:db8::7]:5004") {
		t.Errorf("chosen %v", chosen)
	}
}

// TestCheckRefused: who does not know the password gets no answer and no path.
func TestCheckRefused(t *testing.T) {
	m := NewMux()
	a := &Agent{Ufrag: "ours", Password: "right", Nominated: func(Path) { t.Error("nominated") }}
	m.Add(a)
	p := path("192.0.2.7:5004")
	good := checkBy(t, "ours:theirs", "right", nominate)
	mangled := bytes.Clone(good)
	mangled[26] ^= 1
	noIntegrity, _ := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("ours:x"), stun.Fingerprint)
	behind, _ := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("other:x"), stun.NewShortTermIntegrity("right"), stun.NewUsername("ours:x"))
	for name, b := range map[string][]byte{"wrong password": checkBy(t, "ours:theirs", "wrong", nominate), "unknown user": checkBy(t, "x:theirs", "right"),
		"mangled": mangled, "short": good[:40], "long": append(bytes.Clone(good), 0, 0, 0, 0), "no integrity": noIntegrity.Raw, "user behind integrity": behind.Raw,
		"huge": append(bytes.Clone(good[:20]), make([]byte, 1400)...)} {
		if out := m.Check(b, p, t0); out != nil {
			t.Errorf("%s: answered %x", name, out)
		}
	}
	if m.Find(p) != nil {
		t.Error("a path was learnt")
	}
	// Faults that the peer, who knows the password, is told of.
	for code, more := range map[int]stun.Setter{487: extra{stun.AttrICEControlled, make([]byte, 8)}, 420: extra{0x7F01, []byte{1, 2, 3, 4}}} {
		var r stun.Message
		if err := stun.Decode(m.Check(checkBy(t, "ours:theirs", "right", more), p, t0), &r); err != nil {
			t.Fatal(err)
		}
		var e stun.ErrorCodeAttribute
		if err := e.GetFrom(&r); err != nil || int(e.Code) != code {
			t.Errorf("%v %v, want %d", e, err, code)
		}
	}
	if m.Find(p) != nil || m.Counts.Checks != 0 {
		t.Error("a path was learnt")
	}
}

// TestNewAddress: Wi-Fi to mobile. The newest nomination counts; checks on the old
// path do not bring it back; consent runs out with silence.
func TestNewAddress(t *testing.T) {
	m := NewMux()
	var chosen Path
	a := &Agent{Ufrag: "u", Password: "p", Nominated: func(p Path) { chosen = p }}
	m.Add(a)
	wifi, mobile := path("192.0.2.1:1000"), path("198.51.100.9:2000")
	m.Check(checkBy(t, "u:x", "p", nominate), wifi, t0)
	m.Check(checkBy(t, "u:x", "p"), mobile, t0.Add(time.Second))
	if chosen != wifi || m.Find(mobile) != a {
		t.Fatal("a check alone moved the sound, or its path is unknown")
	}
	m.Check(checkBy(t, "u:x", "p", nominate), mobile, t0.Add(2*time.Second))
	m.Check(checkBy(t, "u:x", "p"), wifi, t0.Add(10*time.Second))
	if chosen != mobile {
		t.Fatal("the new path was not taken")
	}
	if !a.Consent(t0.Add(31*time.Second)) || a.Consent(t0.Add(33*time.Second)) {
		t.Error("consent: a check on the old path counts for the new, or 30 s are not 30 s")
	}
	m.Remove(a)
	if m.Find(wifi) != nil || m.Find(mobile) != nil || m.Check(checkBy(t, "u:x", "p"), wifi, t0) != nil {
		t.Error("still there after Remove")
	}
}

// TestFlood: what a flood may cost is bounded in work and memory, and it does not
// silence another agent's peer.
func TestFlood(t *testing.T) {
	m := NewMux()
	a, b := &Agent{Ufrag: "a", Password: "pa"}, &Agent{Ufrag: "b", Password: "pb"}
	m.Add(a)
	m.Add(b)
	good := checkBy(t, "a:x", "pa", nominate)
	answered := 0
	for i := range 5000 { // from thousands of addresses, with the right password
		if m.Check(good, path(fmt.Sprintf("10.0.%d.%d:4000", i/250, i%250)), t0) != nil {
			answered++
		}
	}
	if answered != checksEach || len(a.paths) != maxPaths || len(m.paths) != maxPaths {
		t.Errorf("%d answered, %d and %d paths", answered, len(a.paths), len(m.paths))
	}
	if m.Check(checkBy(t, "b:x", "pb"), path("192.0.2.1:1"), t0) == nil {
		t.Error("the other is not served")
	}
	wrong := checkBy(t, "b:x", "no")
	for range checksBad + 500 {
		m.Check(wrong, path("192.0.2.99:1"), t0)
	}
	if m.Counts.Flooded < 500 {
		t.Errorf("%+v", m.Counts)
	}
	if m.Check(checkBy(t, "b:x", "pb"), path("192.0.2.1:1"), t0) == nil {
		t.Error("a known peer is not served any more")
	}
	if m.Check(checkBy(t, "b:x", "pb"), path("192.0.2.2:1"), t0.Add(refillEvery)) == nil {
		t.Error("not served in the next second")
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(checkBy(f, "u:x", "p", nominate))
	f.Add([]byte{0, 1, 0, 4, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := NewMux()
		m.Add(&Agent{Ufrag: "u", Password: "p"})
		c, ok := parseCheck(b)
		if ok && (len(c.mac) != 20 || len(c.signed) > len(b)) {
			t.Fatal("read beyond")
		}
		if out := m.Check(b, path("192.0.2.1:1"), t0); out != nil {
			var msg stun.Message
			if err := stun.Decode(b, &msg); err != nil || stun.NewShortTermIntegrity("p").Check(&msg) != nil {
				t.Fatal("answered what pion does not believe")
			}
		}
	})
}
