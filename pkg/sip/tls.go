package sip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// TLS configures a tls or wss listener. Nothing below TLS 1.2 is spoken (RFC
// 8996). The files are PEM; a changed one is read within certCheck, or at once
// by ReloadCertificates, and connections that are up stay up.
type TLS struct {
	CertFile, KeyFile string // the leaf first, then its intermediates
	// ClientCAFile: authorities whose client certificates prove a trunk; "" asks
	// for none. RequireClient refuses who shows none.
	ClientCAFile  string
	RequireClient bool
	ACME          bool // certificates come from Config.ACME instead of files
}

// ClientTLS configures the connections that we open.
type ClientTLS struct {
	CAFile            string // PEM; "" = the system's authorities
	CertFile, KeyFile string // shown to a peer that asks; "" = none
}

// ACME gets certificates by RFC 8555. tls-alpn-01 needs a tls or wss listener on
// port 443; http-01 needs HTTP on port 80.
type ACME struct {
	Hosts     []string // names a certificate is asked for, and no other
	Email     string
	Directory string         // "" = Let's Encrypt
	Cache     string         // folder of the keys, made with mode 0700
	HTTP      netip.AddrPort // listener of http-01; invalid: none
	CAFile    string         // authorities of the directory itself; "" = the system's
}

// certCheck is how often the files are looked at.
const certCheck = 5 * time.Second

// tlsMetrics belong to certificates and handshakes.
type tlsMetrics struct {
	expiry   *prometheus.GaugeVec
	failures prometheus.Counter // handshakes
	reloads  *prometheus.CounterVec
}

func newTLSMetrics(r prometheus.Registerer, listeners []Listener) (*tlsMetrics, error) {
	m := &tlsMetrics{
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "centrala_sip_tls_certificate_expiry_timestamp_seconds",
			Help: "When the certificate of a listener ends, Unix time; 0: none yet."}, []string{"listener"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_sip_tls_handshake_failures_total", Help: "TLS handshakes that did not succeed, in both directions."}),
		reloads:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_sip_tls_reloads_total", Help: "Certificate files read again because they changed."}, []string{"result"}),
	}
	m.reloads.WithLabelValues("success")
	m.reloads.WithLabelValues("failure")
	for _, l := range listeners {
		if secured(l.Transport) {
			m.expiry.WithLabelValues(l.Transport + " " + l.Addr.String())
		}
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.expiry), r.Register(m.failures), r.Register(m.reloads))
}

// certs is what one listener shows, and whom it believes.
type certs struct {
	cfg    TLS
	label  string
	web    bool // wss: HTTP/1.1 by ALPN, no client certificates
	met    *tlsMetrics
	acme   *autocert.Manager
	expiry prometheus.Gauge
	now    atomic.Pointer[tls.Config]
	stamps string // of the files as read; keeper only, after birth
	failed string // stamps that could not be read, told once
}

func newCerts(cfg TLS, proto, label string, met *tlsMetrics, m *autocert.Manager) (*certs, error) {
	c := &certs{cfg: cfg, label: label, web: framed(proto), met: met, acme: m, expiry: met.expiry.WithLabelValues(label)}
	stamps := c.stamp()
	if err := c.load(); err != nil {
		return nil, err
	}
	c.stamps = stamps
	return c, nil
}

// config is the server's; each handshake sees the certificates of the moment.
func (c *certs) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.now.Load(), nil },
		// Never used, but crypto/tls wants a source of certificates.
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("no certificate") }}
}

func (c *certs) load() error {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.web {
		cfg.NextProtos = []string{"http/1.1"} // a WebSocket cannot begin in HTTP/2 here
	}
	if c.cfg.ACME {
		cfg.NextProtos = append(cfg.NextProtos, acme.ALPNProto)
		cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := c.acme.GetCertificate(hello)
			if err == nil && cert.Leaf != nil && !isChallenge(hello) {
				c.expiry.Set(float64(cert.Leaf.NotAfter.Unix()))
			}
			return cert, err
		}
	} else {
		cert, err := loadPair(c.cfg.CertFile, c.cfg.KeyFile)
		if err != nil {
			return err
		}
		cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }
		defer func() { c.expiry.Set(float64(cert.Leaf.NotAfter.Unix())) }()
	}
	if c.cfg.ClientCAFile != "" && !c.web {
		pool, err := loadPool(c.cfg.ClientCAFile)
		if err != nil {
			return err
		}
		cfg.ClientCAs, cfg.ClientAuth = pool, tls.VerifyClientCertIfGiven
		if c.cfg.RequireClient {
			cfg.ClientAuth = tls.RequireAndVerifyClientCert
		}
		// A ticket would carry an identity past a change of the authorities.
		cfg.SessionTicketsDisabled = true
	}
	c.now.Store(cfg)
	return nil
}

func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto
}

// loadPair reads a certificate and checks what would only show at the first call.
func loadPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate %q, key %q: %w", certFile, keyFile, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certificate %q: %w", certFile, err)
		}
	}
	return &cert, nil
}

func loadPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities %q: no PEM certificate in it", file)
	}
	return pool, nil
}

// stamp tells whether the files changed. A missing one has a stamp too.
func (c *certs) stamp() string { return stampOf(c.cfg.CertFile, c.cfg.KeyFile, c.cfg.ClientCAFile) }

func stampOf(files ...string) string {
	var b strings.Builder
	for _, f := range files {
		if f == "" {
			continue
		}
		if st, err := os.Stat(f); err == nil {
			fmt.Fprintf(&b, "%d/%d;", st.ModTime().UnixNano(), st.Size())
		} else {
			b.WriteString("-;")
		}
	}
	return b.String()
}

// renew reads the files again if they changed, or force. What was good stays
// when the new is not.
func (c *certs) renew(log *zap.Logger, force bool) error {
	stamps := c.stamp()
	if !force && (stamps == c.stamps || stamps == c.failed) {
		return nil
	}
	if err := c.load(); err != nil {
		c.failed = stamps
		c.met.reloads.WithLabelValues("failure").Inc()
		log.Error("certificate not reloaded, the old one stays", zap.String("listener", c.label), zap.Error(err))
		return fmt.Errorf("listener %s: %w", c.label, err)
	}
	c.stamps, c.failed = stamps, ""
	c.met.reloads.WithLabelValues("success").Inc()
	log.Info("certificate reloaded", zap.String("listener", c.label))
	return nil
}

// ReloadCertificates reads the certificate files of all listeners and of our own
// connections again, changed or not. The error names those that could not be
// used; they keep what they had.
func (s *Stack) ReloadCertificates() error { return s.renewCerts(true) }

func (s *Stack) renewCerts(force bool) error {
	s.certMu.Lock()
	defer s.certMu.Unlock()
	var errs []error
	for _, l := range s.listeners {
		if l.certs != nil {
			errs = append(errs, l.certs.renew(s.log, force))
		}
	}
	if stamps := stampOf(s.cfg.ClientTLS.CAFile, s.cfg.ClientTLS.CertFile, s.cfg.ClientTLS.KeyFile); force || stamps != s.outStamps {
		s.outStamps = stamps
		if err := s.loadClientTLS(); err != nil {
			s.log.Error("tls client files not reloaded, the old ones stay", zap.Error(err))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Stack) loadClientTLS() error {
	c := s.cfg.ClientTLS
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pool, err := loadPool(c.CAFile)
		if err != nil {
			return fmt.Errorf("sip: tls: %w", err)
		}
		cfg.RootCAs = pool
	}
	if c.CertFile != "" {
		cert, err := loadPair(c.CertFile, c.KeyFile)
		if err != nil {
			return fmt.Errorf("sip: tls: %w", err)
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	s.outTLS.Store(cfg)
	return nil
}

// tlsTimeout bounds a handshake of ours.
const tlsTimeout = 10 * time.Second

// tlsClient secures a connection that we opened. The peer must prove server, a
// host name or an IP address (RFC 5922 7.1); there is no way to skip it.
func (s *Stack) tlsClient(nc net.Conn, server string) (net.Conn, error) {
	cfg := s.outTLS.Load().Clone()
	cfg.ServerName = server
	if server == "" {
		cfg.ServerName = addrOf(nc.RemoteAddr()).Addr().String()
	}
	ctx, cancel := context.WithTimeout(s.ctx, tlsTimeout)
	defer cancel()
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		s.tlsMet.failures.Inc()
		_ = nc.Close()
		s.log.Warn("tls peer refused", zap.String("remote", nc.RemoteAddr().String()), zap.String("name", cfg.ServerName), zap.Error(err))
		return nil, err
	}
	return tc, nil
}

// handshake takes a peer's TLS on the connection's own goroutine, so that a slow
// one delays nobody, and notes who the peer proved to be.
func (c *conn) handshake() bool {
	tc := c.nc.(*tls.Conn)
	ctx, cancel := context.WithTimeout(c.s.ctx, c.s.cfg.Limits.FirstMessageTimeout)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		c.s.tlsMet.failures.Inc()
		c.s.log.Debug("tls handshake failed", zap.String("remote", c.remote.String()), zap.Error(err))
		return false
	}
	if st := tc.ConnectionState(); len(st.VerifiedChains) > 0 {
		c.cert = certNames(st.PeerCertificates[0])
	}
	return true
}

// certNames are the names under which a trunk may know a certificate, in lower
// case: host names, addresses and SIP domains of the SAN, the CN and the whole
// subject. (RFC 5922 takes the SAN alone; carriers' certificates often have but
// a CN.)
func certNames(cert *x509.Certificate) []string {
	var out []string
	for _, n := range cert.DNSNames {
		out = append(out, strings.ToLower(n))
	}
	for _, ip := range cert.IPAddresses {
		out = append(out, ip.String())
	}
	for _, u := range cert.URIs {
		out = append(out, strings.ToLower(u.String()))
	}
	if cn := cert.Subject.CommonName; cn != "" {
		out = append(out, strings.ToLower(cn))
	}
	return append(out, strings.ToLower(cert.Subject.String()))
}

// CertificateMatcher may be implemented by Deps.Trunks: the trunk that a
// verified client certificate belongs to. names are in lower case: the names of
// the SAN, the CN, the whole subject ("cn=pbx,o=example").
type CertificateMatcher interface {
	MatchCertificate(names []string, src netip.AddrPort) (tenant, trunk string, ok bool)
}

// ACMECertificate gets the certificate of a handshake from Config.ACME, for other
// listeners of the node; nil when ACME is off. Ask after New.
func (s *Stack) ACMECertificate() func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.acme == nil {
		return nil
	}
	return s.acme.GetCertificate
}

// newACME makes the manager, nil when it is off.
func newACME(c ACME) (*autocert.Manager, error) {
	if len(c.Hosts) == 0 {
		return nil, nil
	}
	m := &autocert.Manager{Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(c.Hosts...), Email: c.Email}
	if c.Cache != "" {
		m.Cache = autocert.DirCache(c.Cache)
	}
	if c.Directory != "" || c.CAFile != "" {
		cl := &acme.Client{DirectoryURL: c.Directory}
		if cl.DirectoryURL == "" {
			cl.DirectoryURL = acme.LetsEncryptURL
		}
		if c.CAFile != "" {
			pool, err := loadPool(c.CAFile)
			if err != nil {
				return nil, fmt.Errorf("sip: acme: %w", err)
			}
			cl.HTTPClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
		}
		m.Client = cl
	}
	return m, nil
}
