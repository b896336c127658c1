package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zone is a DNS in memory; names without records are NXDOMAIN.
type zone struct {
	mu     sync.Mutex
	rr     []dns.RR
	asked  []string
	silent bool
	rcode  int
	gate   chan struct{} // not nil: answers wait for it
	hosts  map[string][]netip.Addr
}

func newZone(t *testing.T, lines string) *zone {
	t.Helper()
	z := &zone{}
	p := dns.NewZoneParser(strings.NewReader(lines), "example.", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		z.rr = append(z.rr, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

func (z *zone) Host(name string) ([]netip.Addr, bool) { a, ok := z.hosts[name]; return a, ok }

func (z *zone) Query(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	if z.gate != nil {
		select {
		case <-z.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = append(z.asked, dns.TypeToString[qtype]+" "+name)
	if z.silent {
		return nil, errors.New("i/o timeout")
	}
	m := &dns.Msg{}
	m.Rcode = z.rcode
	exists := false
	for _, rr := range z.rr {
		if !strings.EqualFold(rr.Header().Name, name) {
			continue
		}
		exists = true
		if rr.Header().Rrtype == qtype || rr.Header().Rrtype == dns.TypeCNAME {
			m.Answer = append(m.Answer, rr)
		}
	}
	if !exists && m.Rcode == 0 {
		m.Rcode = dns.RcodeNameError
	}
	return m, nil
}

func (z *zone) count(q string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	n := 0
	for _, a := range z.asked {
		if a == q {
			n++
		}
	}
	return n
}

const carrier = `
carrier	60	IN	NAPTR	20 10 "s" "SIP+D2U" "" _sip._udp.carrier
carrier	60	IN	NAPTR	10 50 "s" "SIP+D2T" "" _sip._tcp.carrier
carrier	60	IN	NAPTR	5 50 "s" "SIPS+D2T" "" _sips._tcp.carrier
carrier	60	IN	NAPTR	1 1 "u" "E2U+sip" "!^.*$!sip:info@x!" .
_sip._udp.carrier	60	IN	SRV	10 60 5060 a
_sip._udp.carrier	60	IN	SRV	10 40 5070 b
_sip._udp.carrier	60	IN	SRV	20 0 5060 c
_sip._tcp.carrier	60	IN	SRV	0 0 5062 a
_sips._tcp.carrier	60	IN	SRV	0 0 5061 a
a	30	IN	A	192.0.2.1
a	300	IN	A	192.0.2.11
a	300	IN	AAAA	2001:db8::1
b	300	IN	A	192.0.2.2
c	300	IN	A	192.0.2.3
plain	300	IN	A	192.0.2.9
alias	300	IN	CNAME	deep
deep	10	IN	CNAME	a
loop1	10	IN	CNAME	loop2
loop2	10	IN	CNAME	loop1
nosip	60	IN	A	192.0.2.8
_sip._udp.nosip	60	IN	SRV	0 0 0 .
evil	60	IN	A	0.0.0.0
evil	60	IN	A	224.0.0.1
`

func list(ts []Target) string {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = t.Transport + " " + t.Addr.String()
	}
	return strings.Join(out, ", ")
}

func TestResolve(t *testing.T) {
	only4 := func(_ string, a netip.Addr) bool { return a.Is4() }
	for _, c := range []struct {
		name       string
		q          Query
		transports []string
		reach      func(string, netip.Addr) bool
		rand       uint64
		want       string
	}{
		{"address needs no DNS", Query{Host: "198.51.100.7"}, nil, nil, 0, "udp 198.51.100.7:5060"},
		{"address with transport", Query{Host: "198.51.100.7", Transport: "TCP", Port: 5090}, nil, nil, 0, "tcp 198.51.100.7:5090"},
		{"IPv6 address", Query{Host: "[2001:db8::9]"}, nil, nil, 0, "udp [2001:db8::9]:5060"},
		{"mapped address", Query{Host: "[::ffff:192.0.2.1]"}, nil, nil, 0, "udp 192.0.2.1:5060"},
		{"sips address", Query{Host: "198.51.100.7", Secure: true}, []string{"udp", "tls"}, nil, 0, "tls 198.51.100.7:5061"},
		{"port given: no SRV", Query{Host: "carrier.example", Port: 5080}, nil, nil, 0, ""},
		{"port given", Query{Host: "a.example", Port: 5080}, nil, only4, 0, "udp 192.0.2.1:5080, udp 192.0.2.11:5080"},
		{"NAPTR order, tls not ours", Query{Host: "carrier.example"}, nil, only4, 0,
			"tcp 192.0.2.1:5062, tcp 192.0.2.11:5062, udp 192.0.2.2:5070, udp 192.0.2.1:5060, udp 192.0.2.11:5060, udp 192.0.2.3:5060"},
		{"transport given: its SRV", Query{Host: "carrier.example", Transport: "udp"}, nil, only4, 100,
			"udp 192.0.2.1:5060, udp 192.0.2.11:5060, udp 192.0.2.2:5070, udp 192.0.2.3:5060"},
		{"sips", Query{Host: "carrier.example", Secure: true}, []string{"udp", "tls"}, only4, 0, "tls 192.0.2.1:5061, tls 192.0.2.11:5061"},
		{"neither NAPTR nor SRV", Query{Host: "plain.example"}, nil, nil, 0, "udp 192.0.2.9:5060"},
		{"tcp without SRV", Query{Host: "plain.example", Transport: "tcp"}, nil, nil, 0, "tcp 192.0.2.9:5060"},
		{"case and final dot", Query{Host: "PLAIN.Example."}, nil, nil, 0, "udp 192.0.2.9:5060"},
		{"aliases", Query{Host: "alias.example", Port: 1}, nil, nil, 0, "udp 192.0.2.1:1, udp 192.0.2.11:1, udp [2001:db8::1]:1"},
		{"aliases in a circle", Query{Host: "loop1.example", Port: 1}, nil, nil, 0, ""},
		{"SRV says no; RFC 3263 leaves the address", Query{Host: "nosip.example", Transport: "udp"}, nil, nil, 0, "udp 192.0.2.8:5060"},
		{"unknown name", Query{Host: "nobody.example"}, nil, nil, 0, ""},
		{"addresses that are none", Query{Host: "evil.example"}, nil, nil, 0, ""},
		{"transport that is not ours", Query{Host: "a.example", Transport: "sctp"}, nil, nil, 0, ""},
		{"no host", Query{Host: ""}, nil, nil, 0, ""},
		{"label too long", Query{Host: strings.Repeat("x", 64) + ".example"}, nil, nil, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(Config{DNS: newZone(t, carrier), Transports: c.transports, Reachable: c.reach, Rand: func() uint64 { return c.rand }})
			got, err := r.Resolve(context.Background(), c.q)
			if list(got) != c.want || (err != nil) != (c.want == "") {
				t.Errorf("got  %s (%v)\nwant %s", list(got), err, c.want)
			}
			again, err2, ok := r.Cached(c.q)
			if !ok || list(again) != c.want || (err2 != nil) != (err != nil) {
				t.Errorf("cached: %s (%v) %t", list(again), err2, ok)
			}
		})
	}
}

// TestWeights: the first choice follows the weights, and 0 is rare, not never.
func TestWeights(t *testing.T) {
	srv := []*dns.SRV{{Weight: 75, Target: "a."}, {Weight: 25, Target: "b."}, {Weight: 0, Target: "c."}, {Priority: 1, Weight: 9999, Target: "d."}}
	first := map[string]int{}
	n := uint64(0)
	for range 10100 {
		got := order(srv, func() uint64 { n++; return n * 0x9E3779B97F4A7C15 >> 20 })
		if len(got) != 4 || got[3].Target != "d." {
			t.Fatal(got)
		}
		first[got[0].Target]++
	}
	if first["a."] < 7200 || first["a."] > 7800 || first["b."] < 2200 || first["b."] > 2800 || first["c."] == 0 || first["c."] > 300 {
		t.Error(first)
	}
	if srv[0].Target != "a." {
		t.Error("the answer in the cache was turned round")
	}
}

func TestCache(t *testing.T) {
	z := newZone(t, carrier)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := New(Config{DNS: z, Now: func() time.Time { return now }, Transports: []string{"udp"}})
	q := Query{Host: "a.example", Port: 5060}
	ask := func() error { _, err := r.Resolve(context.Background(), q); return err }
	if _, _, ok := r.Cached(q); ok {
		t.Error("known before it was asked")
	}
	for range 3 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	if n := z.count("A a.example."); n != 1 {
		t.Errorf("asked %d times", n)
	}
	now = now.Add(29 * time.Second) // the shorter of the two records' lives
	ask()
	if n := z.count("A a.example."); n != 1 {
		t.Errorf("asked %d times within its life", n)
	}
	now = now.Add(2 * time.Second)
	if _, _, ok := r.Cached(q); ok {
		t.Error("cached past its life")
	}
	ask()
	if n := z.count("A a.example."); n != 2 {
		t.Errorf("asked %d times past its life", n)
	}

	q = Query{Host: "nobody.example", Port: 5060}
	for range 3 {
		if err := ask(); !errors.Is(err, ErrNoRecord) {
			t.Error(err)
		}
	}
	if n := z.count("A nobody.example."); n != 1 {
		t.Errorf("a refusal was asked for %d times", n)
	}
	now = now.Add(31 * time.Second)
	ask()
	if n := z.count("A nobody.example."); n != 2 {
		t.Error("a refusal lives for ever")
	}

	z.silent = true
	q = Query{Host: "b.example", Port: 5060}
	if err := ask(); !errors.Is(err, ErrNoAnswer) {
		t.Error(err)
	}
	z.silent = false
	now = now.Add(6 * time.Second) // DNS away is forgotten soon
	if err := ask(); err != nil {
		t.Error(err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	z := newZone(t, "")
	r := New(Config{DNS: z, MaxEntries: 10})
	for i := range 100 {
		r.Resolve(context.Background(), Query{Host: fmt.Sprintf("h%d.example", i), Port: 1})
		r.Failed(Target{"udp", netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 2, 3, byte(i)}), 1)})
	}
	if r.Len() > 10 || len(r.bad) > 10 {
		t.Error(r.Len(), len(r.bad))
	}
}

func TestFailedAddressIsTriedLast(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := New(Config{DNS: newZone(t, carrier), Now: func() time.Time { return now }, Reachable: func(_ string, a netip.Addr) bool { return a.Is4() }})
	q := Query{Host: "a.example", Port: 5060}
	got, _ := r.Resolve(context.Background(), q)
	first := got[0]
	r.Failed(first)
	if got, _ = r.Resolve(context.Background(), q); len(got) != 2 || got[1] != first {
		t.Error(list(got))
	}
	now = now.Add(31 * time.Second)
	if got, _ = r.Resolve(context.Background(), q); got[0] != first {
		t.Error("not forgiven:", list(got))
	}
	r.Failed(first)
	r.Worked(first)
	if got, _ = r.Resolve(context.Background(), q); got[0] != first {
		t.Error("not forgiven though it worked:", list(got))
	}
}

// TestManyAskAtOnce: one question goes out; who gives up does not take the
// answer from the others.
func TestManyAskAtOnce(t *testing.T) {
	z := newZone(t, carrier)
	z.gate = make(chan struct{})
	r := New(Config{DNS: z, Reachable: func(_ string, a netip.Addr) bool { return a.Is4() }})
	q := Query{Host: "b.example", Port: 5060}
	gaveUp, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	errs := make(chan error, 21)
	wg.Go(func() { _, err := r.Resolve(gaveUp, q); errs <- err })
	for range 20 {
		wg.Go(func() { _, err := r.Resolve(context.Background(), q); errs <- err })
	}
	time.Sleep(10 * time.Millisecond) // only to let most of them queue up; nothing depends on it
	cancel()
	close(z.gate)
	wg.Wait()
	close(errs)
	failed := 0
	for err := range errs {
		if err != nil {
			failed++
		}
	}
	if failed > 1 {
		t.Errorf("%d failed", failed)
	}
	if n := z.count("A b.example."); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestHostsFile(t *testing.T) {
	z := newZone(t, carrier)
	z.hosts = map[string][]netip.Addr{"plain.example.": {netip.MustParseAddr("127.0.0.9")}}
	r := New(Config{DNS: z})
	if got, err := r.Resolve(context.Background(), Query{Host: "plain.example", Port: 5060}); list(got) != "udp 127.0.0.9:5060" {
		t.Error(list(got), err)
	}
	h := readHosts(strings.NewReader("# comment\n192.0.2.5 a b.example # more\nnonsense c\n::1 a\nfe80::1%lo zoned\n"))
	if !slices.Equal(h["a."], []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("::1")}) || len(h["b.example."]) != 1 || len(h) != 2 {
		t.Error(h)
	}
}

func TestServerFailure(t *testing.T) {
	z := newZone(t, carrier)
	z.rcode = dns.RcodeServerFailure
	if _, err := New(Config{DNS: z}).Resolve(context.Background(), Query{Host: "a.example"}); !errors.Is(err, ErrNoAnswer) {
		t.Error(err)
	}
}
