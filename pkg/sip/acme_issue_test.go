package sip

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// authority is a small ACME server (RFC 8555): it checks every signature and nonce,
// proves the names of an order by one kind of challenge, and signs.
type authority struct {
	t         *testing.T
	srv       *httptest.Server
	challenge string         // "tls-alpn-01" or "http-01"
	at        netip.AddrPort // where that is answered
	root      *x509.Certificate
	key       *ecdsa.PrivateKey

	mu       sync.Mutex
	nonces   map[string]bool
	accounts map[string]*ecdsa.PublicKey // by kid
	orders   []*acmeOrder
	proofs   int
	refused  []string
}

type acmeOrder struct {
	names []string
	valid bool // of the authorization
	fault string
	leaf  []byte
}

func newAuthority(t *testing.T, challenge string) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(1000 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, challenge: challenge, key: key, nonces: map[string]bool{}, accounts: map[string]*ecdsa.PublicKey{}}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.srv = httptest.NewTLSServer(a)
	t.Cleanup(a.srv.Close)
	return a
}

// caFile is what the directory's own certificate is believed by.
func (a *authority) caFile() string {
	f := filepath.Join(a.t.TempDir(), "ca.pem")
	if err := os.WriteFile(f, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.srv.Certificate().Raw}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return f
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	nonce := fmt.Sprintf("nonce%d", len(a.nonces))
	a.nonces[nonce] = true
	w.Header().Set("Replay-Nonce", nonce)
	url := a.srv.URL
	reply := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case "/directory":
		reply(200, map[string]any{"newNonce": url + "/nonce", "newAccount": url + "/account", "newOrder": url + "/order",
			"revokeCert": url + "/revoke", "keyChange": url + "/key", "meta": map[string]string{"termsOfService": url + "/terms"}})
		return
	case "/nonce":
		return
	}
	payload, kid, pub, err := a.open(r)
	if err != nil {
		a.refused = append(a.refused, r.URL.Path+": "+err.Error())
		reply(400, map[string]string{"type": "urn:ietf:params:acme:error:malformed", "detail": err.Error()})
		return
	}
	var id int
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	_, _ = fmt.Sscan(rest, &id)
	if rest != "" && (id < 0 || id >= len(a.orders)) {
		reply(404, map[string]string{"type": "urn:ietf:params:acme:error:malformed"})
		return
	}
	switch what {
	case "account":
		kid = fmt.Sprintf("%s/acct%d", url, len(a.accounts))
		for k, known := range a.accounts {
			if known.Equal(pub) {
				kid = k
			}
		}
		_, known := a.accounts[kid]
		a.accounts[kid] = pub
		w.Header().Set("Location", kid)
		reply(map[bool]int{true: 200, false: 201}[known], map[string]string{"status": "valid"})
	case "order":
		if rest == "" {
			var q struct {
				Identifiers []struct{ Type, Value string }
			}
			_ = json.Unmarshal(payload, &q)
			o := &acmeOrder{}
			for _, i := range q.Identifiers {
				o.names = append(o.names, i.Value)
			}
			id = len(a.orders)
			a.orders = append(a.orders, o)
			w.Header().Set("Location", fmt.Sprintf("%s/order/%d", url, id))
			reply(201, a.order(id))
			return
		}
		reply(200, a.order(id))
	case "authz":
		reply(200, a.authz(id))
	case "challenge":
		o := a.orders[id]
		if thumb := thumbprint(a.accounts[kid]); !o.valid && string(payload) != "" {
			if err := a.prove(o.names[0], token(id)+"."+thumb); err != nil {
				o.fault = err.Error()
			} else {
				o.valid = true
				a.proofs++
			}
		}
		reply(200, a.authz(id)["challenges"].([]any)[0])
	case "finalize":
		var q struct{ CSR string }
		_ = json.Unmarshal(payload, &q)
		if err := a.sign(a.orders[id], q.CSR); err != nil {
			reply(403, map[string]string{"type": "urn:ietf:params:acme:error:badCSR", "detail": err.Error()})
			return
		}
		reply(200, a.order(id))
	case "cert":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: a.orders[id].leaf})
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
	default:
		reply(404, map[string]string{"type": "urn:ietf:params:acme:error:malformed"})
	}
}

func token(order int) string { return fmt.Sprintf("token-%d", order) }

func (a *authority) order(id int) map[string]any {
	o, url := a.orders[id], a.srv.URL
	v := map[string]any{"status": "pending", "expires": time.Now().Add(time.Hour), "identifiers": []any{map[string]string{"type": "dns", "value": o.names[0]}},
		"authorizations": []string{fmt.Sprintf("%s/authz/%d", url, id)}, "finalize": fmt.Sprintf("%s/finalize/%d", url, id)}
	switch {
	case o.leaf != nil:
		v["status"], v["certificate"] = "valid", fmt.Sprintf("%s/cert/%d", url, id)
	case o.valid:
		v["status"] = "ready"
	case o.fault != "":
		v["status"] = "invalid"
	}
	return v
}

func (a *authority) authz(id int) map[string]any {
	o := a.orders[id]
	status := "pending"
	if o.valid {
		status = "valid"
	} else if o.fault != "" {
		status = "invalid"
	}
	c := map[string]any{"type": a.challenge, "url": fmt.Sprintf("%s/challenge/%d", a.srv.URL, id), "token": token(id), "status": status}
	if o.fault != "" {
		c["error"] = map[string]string{"type": "urn:ietf:params:acme:error:unauthorized", "detail": o.fault}
	}
	return map[string]any{"status": status, "expires": time.Now().Add(time.Hour), "identifier": map[string]string{"type": "dns", "value": o.names[0]}, "challenges": []any{c}}
}

// open checks a request's JWS (RFC 8555 6.2): ES256 by the key of its account, its
// nonce used once, its URL.
func (a *authority) open(r *http.Request) (payload []byte, kid string, pub *ecdsa.PublicKey, err error) {
	var j struct{ Protected, Payload, Signature string }
	if r.Method != "POST" || r.Header.Get("Content-Type") != "application/jose+json" {
		return nil, "", nil, errors.New("no JWS")
	}
	if err := json.NewDecoder(r.Body).Decode(&j); err != nil {
		return nil, "", nil, err
	}
	raw := func(s string) []byte {
		b, e := base64.RawURLEncoding.DecodeString(s)
		err = errors.Join(err, e)
		return b
	}
	var h struct {
		Alg, Nonce, URL, Kid string
		JWK                  *struct{ Crv, X, Y string }
	}
	err = errors.Join(err, json.Unmarshal(raw(j.Protected), &h))
	payload = raw(j.Payload)
	sig := raw(j.Signature)
	switch {
	case err != nil:
		return nil, "", nil, err
	case h.Alg != "ES256" || len(sig) != 64:
		return nil, "", nil, fmt.Errorf("algorithm %q", h.Alg)
	case !a.nonces[h.Nonce]:
		return nil, "", nil, fmt.Errorf("nonce %q", h.Nonce)
	case h.URL != a.srv.URL+r.URL.Path:
		return nil, "", nil, fmt.Errorf("signed for %q", h.URL)
	}
	a.nonces[h.Nonce] = false
	if pub = a.accounts[h.Kid]; h.JWK != nil {
		pub = &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(raw(h.JWK.X)), Y: new(big.Int).SetBytes(raw(h.JWK.Y))}
	}
	if pub == nil || (h.JWK != nil) != (r.URL.Path == "/account") {
		return nil, "", nil, fmt.Errorf("account %q", h.Kid)
	}
	sum := sha256.Sum256([]byte(j.Protected + "." + j.Payload))
	if !ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return nil, "", nil, errors.New("signature")
	}
	return payload, h.Kid, pub, nil
}

// thumbprint is RFC 7638's of the account's key.
func thumbprint(pub *ecdsa.PublicKey) string {
	b := base64.RawURLEncoding
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`,
		b.EncodeToString(pub.X.FillBytes(make([]byte, 32))), b.EncodeToString(pub.Y.FillBytes(make([]byte, 32)))))
	return b.EncodeToString(sum[:])
}

// prove goes to where the name is said to be and looks for what only the holder of
// the account can have put there.
func (a *authority) prove(name, keyAuth string) error {
	if a.challenge == "http-01" { // RFC 8555 8.3
		req, _ := http.NewRequest("GET", "http://"+a.at.String()+"/.well-known/acme-challenge/"+strings.Split(keyAuth, ".")[0], nil)
		req.Host = name
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != keyAuth {
			return fmt.Errorf("%d %q", res.StatusCode, b)
		}
		return nil
	}
	// RFC 8737 3: the self-signed certificate names nothing else and holds the digest.
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", a.at.String(),
		&tls.Config{ServerName: name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer c.Close()
	st := c.ConnectionState()
	leaf := st.PeerCertificates[0]
	if st.NegotiatedProtocol != "acme-tls/1" || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != name {
		return fmt.Errorf("protocol %q, names %q", st.NegotiatedProtocol, leaf.DNSNames)
	}
	sum := sha256.Sum256([]byte(keyAuth))
	want, _ := asn1.Marshal(sum[:])
	for _, x := range leaf.Extensions {
		if x.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) && x.Critical && bytes.Equal(x.Value, want) {
			return nil
		}
	}
	return errors.New("no acmeIdentifier")
}

func (a *authority) sign(o *acmeOrder, csr string) error {
	der, err := base64.RawURLEncoding.DecodeString(csr)
	if err != nil {
		return err
	}
	q, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	if err := q.CheckSignature(); err != nil || !o.valid || len(q.DNSNames) != 1 || q.DNSNames[0] != o.names[0] {
		return fmt.Errorf("%v: %q of %q, proved %v", err, q.DNSNames, o.names, o.valid)
	}
	o.leaf, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: q.DNSNames,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(90 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.root, q.PublicKey, a.key)
	return err
}

// A certificate is really got from an authority, by either way to prove the name, at
// the first caller's handshake; it is used from then on, and after a restart.
func TestACMEIssues(t *testing.T) {
	const name = "sip.example.test"
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			a := newAuthority(t, challenge)
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			door := free.Addr().(*net.TCPAddr).AddrPort()
			free.Close()
			cache, ca := t.TempDir(), a.caFile()
			begin := func() *Stack {
				s := newStack(t, nil, "127.0.0.1", &house{}, func(c *Config, _ *Deps) {
					c.Listeners = append(c.Listeners, Listener{Transport: "tls", Addr: netip.MustParseAddrPort("127.0.0.1:0"), TLS: TLS{ACME: true}})
					c.ACME = ACME{Hosts: []string{name}, Email: "ops@example.test", Directory: a.srv.URL + "/directory", Cache: cache, CAFile: ca}
					if challenge == "http-01" {
						c.ACME.HTTP = door
					}
				})
				a.mu.Lock()
				if a.at = s.LocalAddr("tls"); challenge == "http-01" {
					a.at = door
				}
				a.mu.Unlock()
				return s
			}
			pool := x509.NewCertPool()
			pool.AddCert(a.root)
			call := func(s *Stack) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				d := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: name}}
				c, err := d.DialContext(ctx, "tcp", s.LocalAddr("tls").String())
				if err != nil {
					a.mu.Lock()
					defer a.mu.Unlock()
					t.Fatalf("%v; %q, %+v", err, a.refused, a.orders)
				}
				defer c.Close()
				if _, err := io.WriteString(c, "OPTIONS sips:"+name+" SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n"+
					"From: <sips:a@x>;tag=a\r\nTo: <sips:"+name+">\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				b := make([]byte, 16)
				if n, err := io.ReadFull(c, b); err != nil || !strings.HasPrefix(string(b[:n]), "SIP/2.0 200") {
					t.Errorf("%q, %v", b, err)
				}
			}
			s := begin()
			call(s)
			call(s)
			if v := testutil.ToFloat64(s.tlsMet.expiry.WithLabelValues("tls 127.0.0.1:0")); v < float64(time.Now().Add(89*24*time.Hour).Unix()) {
				t.Errorf("the certificate is said to end at %v", v)
			}
			stop(t, s)
			s = begin()
			call(s)
			stop(t, s)
			a.mu.Lock()
			defer a.mu.Unlock()
			if len(a.orders) != 1 || a.proofs != 1 || len(a.accounts) != 1 || len(a.refused) != 0 {
				t.Errorf("%d orders, %d proofs, %d accounts, refused %q; want one of each for both processes", len(a.orders), a.proofs, len(a.accounts), a.refused)
			}
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		})
	}
}
