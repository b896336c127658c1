package outward

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"
)

// HTTP1 makes a client that keeps to the guard, speaks HTTP/1.1 alone and follows no
// redirect: for WebSockets, and for those who must not be led elsewhere. Its user bounds
// time and size.
func HTTP1(g *Guard, agent string, roots *x509.CertPool) *http.Client {
	t := &http.Transport{
		DialContext:         g.DialContext, // no proxy: what is allowed is what we reach
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2, which has no upgrade
		TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 32 << 10,
		MaxIdleConns: 256, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
	}
	return &http.Client{Transport: withAgent{t, agent}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
