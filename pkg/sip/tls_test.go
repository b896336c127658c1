package sip

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// pki is a root, an intermediate and what they sign.
type pki struct {
	t         testing.TB
	dir       string
	root, mid *x509.Certificate
	rootKey   *ecdsa.PrivateKey
	midKey    *ecdsa.PrivateKey
	ca        string // file of the root
	serial    int64
}

func newPKI(t testing.TB) *pki {
	t.Helper()
	p := &pki{t: t, dir: t.TempDir()}
	p.root, p.rootKey = p.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "test root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	p.mid, p.midKey = p.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "test intermediate"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, MaxPathLenZero: true}, p.root, p.rootKey)
	p.ca = p.file("ca.pem", "CERTIFICATE", p.root.Raw)
	return p
}

func (p *pki) file(name, kind string, ders ...[]byte) string {
	p.t.Helper()
	var b []byte
	for _, der := range ders {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *pki) sign(c, parent *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	p.t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	p.serial++
	c.SerialNumber = big.NewInt(p.serial)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	c.NotBefore = time.Now().Add(-2 * time.Hour)
	if parent == nil {
		parent, key = c, own
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &own.PublicKey, key)
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return out, own
}

// leaf writes a certificate with its intermediate, and its key.
func (p *pki) leaf(name string, c *x509.Certificate) (certFile, keyFile string, cert *x509.Certificate) {
	p.t.Helper()
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	cert, key := p.sign(c, p.mid, p.midKey)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	// The key first: who reads between the two writes finds a pair that does not
	// fit, keeps the old and comes again.
	keyFile = p.file(name+".key", "EC PRIVATE KEY", der)
	return p.file(name+".pem", "CERTIFICATE", cert.Raw, p.mid.Raw), keyFile, cert
}

func (p *pki) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.root)
	return pool
}

// secure is a stack with a TLS listener on loopback.
func secure(t testing.TB, p *pki, h *house, opts ...testOption) (*Stack, netip.AddrPort) {
	t.Helper()
	cert, key, _ := p.leaf("server", &x509.Certificate{DNSNames: []string{"sip.example.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	s := newStack(t, nil, "127.0.0.1", h, append([]testOption{func(c *Config, _ *Deps) {
		c.Listeners = append(c.Listeners, Listener{Transport: "tls", Addr: netip.MustParseAddrPort("127.0.0.1:0"), TLS: TLS{CertFile: cert, KeyFile: key}})
		c.ClientTLS.CAFile = p.ca
	}}, opts...)...)
	return s, s.LocalAddr("tls")
}

// say sends a request by a stream and reads its final response.
func say(t *testing.T, c net.Conn, m string) string {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, m); err != nil {
		t.Fatalf("write: %v", err)
	}
	for {
		got := hear(t, c)
		if !strings.HasPrefix(got, "SIP/2.0 1") {
			return got
		}
	}
}

// hear reads one message without a body.
func hear(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	var all []byte
	var b [1]byte
	for {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			t.Fatalf("read after %q: %v", all, err)
		}
		all = append(all, b[0])
		if strings.HasSuffix(string(all), "\r\n\r\n") && len(all) > 4 {
			var n int
			_, _ = fmt.Sscanf(header(string(all), "Content-Length"), "%d", &n)
			body := make([]byte, n)
			if _, err := io.ReadFull(c, body); err != nil {
				t.Fatalf("body: %v", err)
			}
			return string(all) + string(body)
		}
	}
}

func overTLS(m string) string { return strings.Replace(m, "SIP/2.0/UDP", "SIP/2.0/TLS", 1) }

func TestTLSListener(t *testing.T) {
	p := newPKI(t)
	s, at := secure(t, p, &house{})
	defer stop(t, s)
	dial := func(cfg *tls.Config) (*tls.Conn, error) { return tls.Dial("tcp", at.String(), cfg) }
	c, err := dial(&tls.Config{RootCAs: p.pool(), ServerName: "sip.example.test"})
	if err != nil {
		t.Fatal(err) // the chain: leaf and intermediate came, the root is ours
	}
	defer c.Close()
	got := say(t, c, overTLS(text("OPTIONS", "a", "", 1)))
	if code(got) != "200" || !strings.HasPrefix(header(got, "Via"), "SIP/2.0/TLS") {
		t.Errorf("by TLS: %q", got)
	}
	// sips is good here, and nowhere else.
	sips := strings.Replace(text("OPTIONS", "b", "", 2), "OPTIONS sip:", "OPTIONS sips:", 1)
	if got := say(t, c, overTLS(sips)); code(got) != "200" {
		t.Errorf("sips by TLS: %q", got)
	}
	plain, err := net.Dial("tcp", s.LocalAddr("tcp").String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if got := say(t, plain, overTCP(sips)); code(got) != "416" {
		t.Errorf("sips by TCP: %q", got)
	}
	if _, err := dial(&tls.Config{RootCAs: p.pool(), ServerName: "other.example.test"}); err == nil {
		t.Error("the certificate holds for any name")
	}
	if _, err := dial(&tls.Config{RootCAs: p.pool(), ServerName: "sip.example.test", MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	// Plain text at the TLS port, and a peer that says nothing, hold nobody up.
	bad, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	_, _ = io.WriteString(bad, text("OPTIONS", "c", "", 1))
	if all, _ := io.ReadAll(bad); strings.Contains(string(all), "SIP/2.0") {
		t.Error("plain text was answered")
	}
	silent, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c2, err := dial(&tls.Config{RootCAs: p.pool(), ServerName: "sip.example.test", MaxVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatalf("behind a silent peer: %v", err)
	}
	defer c2.Close()
	if got := say(t, c2, overTLS(text("OPTIONS", "d", "", 3))); code(got) != "200" {
		t.Errorf("behind a silent peer: %q", got)
	}
	if n := testutil.ToFloat64(s.tlsMet.failures); n < 2 {
		t.Errorf("%v handshake failures counted", n)
	}
}

// A new certificate serves the next handshake; what is up stays up; a broken
// file changes nothing.
func TestTLSReload(t *testing.T) {
	p := newPKI(t)
	s, at := secure(t, p, &house{})
	defer stop(t, s)
	cfg := &tls.Config{RootCAs: p.pool(), ServerName: "sip.example.test"}
	serial := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", at.String(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	old, err := tls.Dial("tcp", at.String(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	before := serial()
	_, _, cert := p.leaf("server", &x509.Certificate{DNSNames: []string{"sip.example.test"}, NotAfter: time.Now().Add(48 * time.Hour)})
	if err := s.ReloadCertificates(); err != nil {
		t.Fatal(err)
	}
	if after := serial(); after == before || after != cert.SerialNumber.Int64() {
		t.Errorf("serial %d before, %d after", before, after)
	}
	gauge := s.tlsMet.expiry.WithLabelValues("tls 127.0.0.1:0")
	if got := int64(testutil.ToFloat64(gauge)); got != cert.NotAfter.Unix() {
		t.Errorf("expiry %d, want %d", got, cert.NotAfter.Unix())
	}
	if got := say(t, old, overTLS(text("OPTIONS", "a", "", 1))); code(got) != "200" {
		t.Errorf("the old connection: %q", got)
	}
	p.file("server.pem", "CERTIFICATE", []byte("rubbish"))
	if err := s.ReloadCertificates(); err == nil || !strings.Contains(err.Error(), "server.pem") {
		t.Errorf("a broken file: %v", err)
	}
	if after := serial(); after != cert.SerialNumber.Int64() {
		t.Error("a broken file took the certificate away")
	}
	if n := testutil.ToFloat64(s.tlsMet.reloads.WithLabelValues("failure")); n != 1 {
		t.Errorf("%v failures counted", n)
	}
	// Without a signal: the keeper finds what has changed.
	_, _, cert = p.leaf("server", &x509.Certificate{DNSNames: []string{"sip.example.test"}})
	if err := s.renewCerts(false); err != nil || serial() != cert.SerialNumber.Int64() {
		t.Errorf("change on disk: %v", err)
	}
}

// certTrunk is a trunk known by its certificate.
type certTrunk struct{ *house }

func (certTrunk) MatchCertificate(names []string, _ netip.AddrPort) (string, string, bool) {
	for _, n := range names {
		if n == "sbc.carrier.test" {
			return "default", "secure", true
		}
	}
	return "", "", false
}

func TestTrunkByCertificate(t *testing.T) {
	p := newPKI(t)
	names := make(chan string, 4)
	h := &house{invite: func(in *Invitation) {
		names <- in.Kind.String() + " " + in.Name + " " + in.Transport
		in.Dialog.Reject(486, "")
	}}
	s, at := secure(t, p, h, func(c *Config, d *Deps) {
		c.Listeners[2].TLS.ClientCAFile = p.ca
		d.Trunks = certTrunk{h}
	})
	defer stop(t, s)
	call := func(cert *tls.Certificate, branch string) string {
		t.Helper()
		cfg := &tls.Config{RootCAs: p.pool(), ServerName: "sip.example.test"}
		if cert != nil {
			cfg.Certificates = []tls.Certificate{*cert}
		}
		c, err := tls.Dial("tcp", at.String(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m := strings.Replace(overTLS(text("INVITE", branch, "", 1)), "call1@peer", branch+"@peer", 1)
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(c, m); err != nil {
			return "closed"
		}
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return "closed"
			}
			if strings.HasPrefix(line, "SIP/2.0 ") && !strings.HasPrefix(line, "SIP/2.0 1") {
				return code(line)
			}
		}
	}
	load := func(name string, by *pki, c *x509.Certificate) *tls.Certificate {
		t.Helper()
		cf, kf, _ := by.leaf(name, c)
		pair, err := tls.LoadX509KeyPair(cf, kf)
		if err != nil {
			t.Fatal(err)
		}
		return &pair
	}
	if got := call(load("sbc", p, &x509.Certificate{DNSNames: []string{"SBC.carrier.test"}}), "a"); got != "486" {
		t.Errorf("the trunk got %s", got)
	}
	if got := <-names; got != "trunk secure tls" {
		t.Errorf("the call came from %q", got)
	}
	if got := call(load("x", p, &x509.Certificate{DNSNames: []string{"sbc.carrier.test.evil.test"}}), "b"); got != "401" {
		t.Errorf("another name got %s", got)
	}
	if got := call(nil, "c"); got != "401" {
		t.Errorf("no certificate got %s", got)
	}
	other := newPKI(t) // the right name, signed by somebody else
	if got := call(load("y", other, &x509.Certificate{DNSNames: []string{"sbc.carrier.test"}}), "d"); got != "closed" {
		t.Errorf("a foreign authority got %s", got)
	}
	if got := call(load("z", p, &x509.Certificate{DNSNames: []string{"sbc.carrier.test"}, NotAfter: time.Now().Add(-time.Hour)}), "e"); got != "closed" {
		t.Errorf("an expired certificate got %s", got)
	}
	if len(names) != 0 {
		t.Errorf("a stranger's call came through as %q", <-names)
	}
}

// Two stacks call each other by TLS; a far end with another name is refused
// before it hears a word.
func TestTLSCall(t *testing.T) {
	p := newPKI(t)
	heard := make(chan *Invitation, 4)
	b := &house{trunks: map[netip.Addr]string{addr("127.0.0.1"): "a"}, invite: func(in *Invitation) {
		in.Dialog.Accept([]byte("v=0\r\n"))
		heard <- in
	}}
	callee, at := secure(t, p, b)
	defer stop(t, callee)
	caller, _ := secure(t, p, &house{})
	defer stop(t, caller)
	ev := newEvents()
	target, err := ParseTarget(fmt.Sprintf("sips:1000@%s", at))
	if err != nil || target.Transport != "tls" {
		t.Fatalf("%+v, %v", target, err)
	}
	d, err := caller.Dial(DialRequest{Target: target, SDP: []byte("v=0\r\n")}, ev.sink)
	if err != nil {
		t.Fatal(err)
	}
	next[Answered](t, ev)
	in := <-heard
	if in.Transport != "tls" {
		t.Errorf("came by %s", in.Transport)
	}
	if c := in.Header("contact"); !strings.HasPrefix(c, "<sips:127.0.0.1:") {
		t.Errorf("contact %q", c)
	}
	if !in.Secure {
		t.Error("called by sips, and the user is not told")
	}
	d.End("done")
	next[Ended](t, ev)
	// The same address under a name that its certificate does not bear.
	target.ServerName = "wrong.example.test"
	if _, err := caller.Dial(DialRequest{Target: target, SDP: []byte("v=0\r\n")}, ev.sink); err != nil {
		t.Fatal(err)
	}
	if f := next[Failed](t, ev); f.Code != 503 {
		t.Errorf("wrong name: %+v", f)
	}
	next[Ended](t, ev)
	target.ServerName = "sip.example.test"
	if d, err = caller.Dial(DialRequest{Target: target, SDP: []byte("v=0\r\n")}, ev.sink); err != nil {
		t.Fatal(err)
	}
	next[Answered](t, ev)
	d.End("done")
	next[Ended](t, ev)
	if len(heard) != 1 {
		t.Errorf("%d calls came through, want 1 more", len(heard))
	}
}

// A call by sips goes by TLS or not at all (RFC 3261 26.2.2): not to a phone that
// registered by UDP, whatever its Contact says, nor to a carrier without TLS.
func TestSipsGoesByTLSAlone(t *testing.T) {
	run(t, false, func(b *bench) {
		ev := newEvents()
		refused := func(r DialRequest) {
			t.Helper()
			r.SDP = sdpA
			if _, err := b.s.Dial(r, ev.sink); err != nil {
				t.Fatal(err)
			}
			if f := next[Failed](t, ev); f.Code != 480 {
				t.Errorf("%+v", f)
			}
			next[Ended](t, ev)
			b.silence(time.Second)
		}
		at := netip.MustParseAddrPort(peerAddr)
		refused(DialRequest{Target: Target{URI: "sip:x@" + peerAddr, Transport: "udp", Addr: at}, Secure: true})
		refused(DialRequest{Target: Target{URI: "sip:x@" + peerAddr, Transport: "tcp", Addr: at}, Secure: true})
		refused(DialRequest{Target: Target{URI: "sips:x@" + peerAddr, Transport: "udp", Addr: at}})
		refused(DialRequest{Target: Target{URI: "sips:x@" + peerAddr, Transport: "udp", Addr: at, flow: true}})
		b.n.host["plain.example"] = at.Addr()
		b.n.zone = []string{"plain.example. 60 IN A " + at.Addr().String(), `plain.example. 60 IN NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.plain.example.`,
			"_sip._udp.plain.example. 60 IN SRV 1 1 5060 plain.example."}
		if _, err := b.s.Dial(DialRequest{Target: Target{URI: "sip:x@plain.example"}, Secure: true, SDP: sdpA, RingTimeout: time.Minute}, ev.sink); err != nil {
			t.Fatal(err)
		}
		next[Failed](t, ev)
		next[Ended](t, ev)
		b.silence(time.Second)
		b.empty()
	})
	udp, tls, wss := Target{URI: "1", Transport: "udp"}, Target{URI: "2", Transport: "tls"}, Target{URI: "3", Transport: "wss"}
	for _, c := range []struct {
		first  Target
		backup []Target
		want   string
	}{
		{udp, nil, ""}, {udp, []Target{{Transport: "tcp"}, {Transport: "ws"}}, ""},
		{tls, nil, "2"}, {udp, []Target{tls}, "2"}, {tls, []Target{udp, wss}, "23"}, {udp, []Target{wss, udp, tls}, "32"},
	} {
		one := c.first
		one.Backup = c.backup
		got := ""
		if secureOnly(&one) {
			got = one.URI
			for _, b := range one.Backup {
				got += b.URI
			}
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c, got, c.want)
		}
	}
}

// A trunk by TLS is asked by OPTIONS under the name that it must prove.
func TestTrunkHealthByTLS(t *testing.T) {
	p := newPKI(t)
	far, at := secure(t, p, &house{})
	defer stop(t, far)
	s, _ := secure(t, p, &house{})
	defer stop(t, s)
	target := fmt.Sprintf("sip:%s;transport=tls", at)
	s.SetTrunks([]TrunkConfig{
		{Tenant: "default", Name: "good", Target: target, ServerName: "sip.example.test", Options: time.Hour},
		{Tenant: "default", Name: "bad", Target: target, ServerName: "wrong.example.test", Options: time.Hour, Down: 1},
	})
	waitFor(t, "good up, bad down", func() bool {
		good, ok1 := s.Trunk("default", "good")
		bad, ok2 := s.Trunk("default", "bad")
		return ok1 && ok2 && good.Usable() && !bad.Usable()
	})
	waitFor(t, "one OPTIONS by TLS", func() bool { return testutil.ToFloat64(far.met.requests["OPTIONS"][protoIndex("tls")]) == 1 })
}
