//go:build e2e

package e2e

import (
	"bufio"
	"context"
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
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/centrala/centrala/pkg/load/robot"
)

// authority signs what a house shows: a root, an intermediate, leaves.
type authority struct {
	h         *house
	root, mid *x509.Certificate
	midKey    *ecdsa.PrivateKey
	serial    int64
}

func (h *house) authority() *authority {
	a := &authority{h: h}
	var key *ecdsa.PrivateKey
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	a.root, key = a.sign(ca("e2e root"), nil, nil)
	a.mid, a.midKey = a.sign(ca("e2e intermediate"), a.root, key)
	a.pem("ca.pem", "CERTIFICATE", a.root.Raw)
	return a
}

func (a *authority) pem(name, kind string, ders ...[]byte) {
	var b strings.Builder
	for _, der := range ders {
		_ = pem.Encode(&b, &pem.Block{Type: kind, Bytes: der})
	}
	a.h.write(name, b.String())
}

func (a *authority) sign(c, parent *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t := a.h.t
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.serial++
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(a.serial), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, key = c, own
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &own.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out, own
}

// issue writes server.pem and server.key and returns the serial number.
func (a *authority) issue() int64 {
	cert, key := a.sign(&x509.Certificate{DNSNames: []string{"sip.example.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.mid, a.midKey)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.h.t.Fatal(err)
	}
	a.pem("server.key", "EC PRIVATE KEY", der)
	a.pem("server.pem", "CERTIFICATE", cert.Raw, a.mid.Raw)
	return cert.SerialNumber.Int64()
}

func (a *authority) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return &tls.Config{RootCAs: pool, ServerName: "sip.example.test"}
}

// openSecure starts a house that listens by TLS and WSS as well.
func openSecure(t *testing.T) (h *house, a *authority, secure, web string) {
	t.Helper()
	return openSecureWith(t, func(text string) string { return text })
}

// openSecureWith is openSecure with changes to the node file.
func openSecureWith(t *testing.T, change func(text string) string) (h *house, a *authority, secure, web string) {
	t.Helper()
	h = prepare(t)
	a = h.authority()
	a.issue()
	secure, web = fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	b, err := os.ReadFile(filepath.Join(h.dir, "centrala.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("centrala.yaml", strings.Replace(change(string(b)), "media:", fmt.Sprintf(`    - {transport: tls, address: "%s", tls: {certificate: server.pem, key: server.key}}
    - {transport: wss, address: "%s", tls: {certificate: server.pem, key: server.key}, websocket: {origins: ["https://console.example.test"]}}
media:`, secure, web), 1))
	h.start()
	return h, a, secure, web
}

// A softphone registers by TLS, checks our certificate and takes a call; a new
// certificate in the middle of it disturbs nobody.
func TestBaresipTLS(t *testing.T) {
	t.Parallel()
	h, a, secure, _ := openSecure(t)
	bob := h.softphoneBy("bob", "auto", agentTone, fmt.Sprintf("bob@%s;transport=tls", secure), "sip_cafile "+filepath.Join(h.dir, "ca.pem")+"\nsip_trans_def tls")
	anna := h.phone("anna", "udp", robot.Any)
	caller := h.dial(anna, "3000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("baresip's tone", caller, agentTone, callerTone)
	before := serialOf(t, secure, a)
	now := a.issue()
	h.signal(syscall.SIGHUP)
	h.eventually(patience, "the new certificate", func() bool { return serialOf(t, secure, a) == now })
	if before == now {
		t.Error("the serial number did not change")
	}
	h.converse(2*time.Second, caller, nil)
	caller.Hangup()
	h.over(caller)
	h.eventually(patience, "baresip heard the caller", func() bool {
		pcm := bob.heard()
		return robot.Hears(pcm, callerTone) && robot.Quiet(pcm, agentTone)
	})
	r, err := http.Get("http://" + h.http + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, _ := io.ReadAll(r.Body)
	for _, want := range []string{`centrala_sip_requests_total{method="REGISTER",transport="tls"} `, `centrala_sip_tls_certificate_expiry_timestamp_seconds{listener="tls ` + secure + `"} 1.`,
		`centrala_sip_tls_reloads_total{result="failure"} 0`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	for _, zero := range []string{`centrala_sip_requests_total{method="REGISTER",transport="tls"} 0`, `centrala_sip_tls_reloads_total{result="success"} 0`} {
		if strings.Contains(string(text), zero) {
			t.Errorf("metrics have %q", zero)
		}
	}
	h.quiet()
}

func serialOf(t *testing.T, at string, a *authority) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", at, a.trust())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// A call by sips rings a phone that is there by TLS, and none that is there by UDP
// (RFC 3261 26.2.2); by sip it rings either.
func TestSipsOnlyByTLS(t *testing.T) {
	t.Parallel()
	h, a, secure, _ := openSecure(t)
	bob := h.phone("bob", "udp", robot.Any)
	d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: carrierIP.AsSlice()}}, Config: a.trust()}
	c, err := d.DialContext(t.Context(), "tcp", secure)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	body := "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
	send := func(method, scheme string) {
		t.Helper()
		extra := fmt.Sprintf("Contact: <sips:x@127.0.0.2>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if method != "INVITE" {
			extra = "Content-Length: 0\r\n\r\n"
		}
		if _, err := fmt.Fprintf(c, "%[1]s %[2]s:3000@sip.example.test SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.2;branch=z9hG4bK%[2]s\r\nMax-Forwards: 70\r\nFrom: <%[2]s:0722@x>;tag=%[2]s\r\n"+
			"To: <%[2]s:3000@sip.example.test>\r\nCall-ID: %[2]s-call\r\nCSeq: 1 %[1]s\r\n%[3]s", method, scheme, extra); err != nil {
			t.Fatal(err)
		}
	}
	answer := func() string { // the next status line that is no 100
		t.Helper()
		for {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "SIP/2.0 ") && !strings.HasPrefix(line, "SIP/2.0 100") {
				return strings.TrimSpace(line)
			}
		}
	}
	send("INVITE", "sips")
	if got := answer(); !strings.HasPrefix(got, "SIP/2.0 480") {
		t.Errorf("by sips: %s", got)
	}
	send("ACK", "sips")
	select {
	case <-bob.rings:
		t.Error("it rang by UDP")
	default:
	}
	send("INVITE", "sip")
	if got := answer(); !strings.HasPrefix(got, "SIP/2.0 180") {
		t.Errorf("by sip: %s", got)
	}
	send("CANCEL", "sip")
	h.quiet()
}

// A browser's page gets in by WSS when it is ours, and is answered.
func TestWebSocketSecure(t *testing.T) {
	t.Parallel()
	_, a, _, web := openSecure(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: a.trust()}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	dial := func(origin string) (*websocket.Conn, int) {
		c, r, err := websocket.Dial(ctx, "wss://"+web+"/sip", &websocket.DialOptions{Subprotocols: []string{"sip"}, HTTPClient: client,
			HTTPHeader: http.Header{"Origin": {origin}}})
		if err != nil {
			if r == nil {
				t.Fatal(err)
			}
			return nil, r.StatusCode
		}
		return c, 101
	}
	if _, code := dial("https://evil.example"); code != 403 {
		t.Errorf("another page got %d", code)
	}
	c, code := dial("https://console.example.test")
	if code != 101 {
		t.Fatalf("our page got %d", code)
	}
	defer func() { _ = c.CloseNow() }()
	m := "OPTIONS sips:sip.example.test SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bKa\r\nMax-Forwards: 70\r\nFrom: <sip:anna@x.invalid>;tag=a\r\nTo: <sip:sip.example.test>\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\n\r\n"
	if err := c.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(ctx); err != nil || !strings.HasPrefix(string(b), "SIP/2.0 200 OK\r\nVia: SIP/2.0/WSS x.invalid") {
		t.Errorf("%q, %v", b, err)
	}
}
