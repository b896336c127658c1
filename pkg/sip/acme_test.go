package sip

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// ACME without an authority to talk to: only the hosts that were named are asked
// for, no stranger makes us ask for more, the challenge listener serves nothing
// else, and all of it ends with the stack.
func TestACMEDoor(t *testing.T) {
	asked := make(chan struct{}, 16)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// The authority: it notes that somebody came, and knows nothing.
	directory := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked <- struct{}{}; http.NotFound(w, nil) })}
	go func() { _ = directory.Serve(l) }()
	defer directory.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	challenges := free.Addr().(*net.TCPAddr).AddrPort()
	free.Close()
	s := newStack(t, nil, "127.0.0.1", &house{}, func(c *Config, _ *Deps) {
		c.Listeners = append(c.Listeners, Listener{Transport: "tls", Addr: netip.MustParseAddrPort("127.0.0.1:0"), TLS: TLS{ACME: true}})
		c.ACME = ACME{Hosts: []string{"sip.example.test"}, Directory: "http://" + l.Addr().String() + "/directory", Cache: t.TempDir(), HTTP: challenges}
	})
	defer stop(t, s)
	dial := func(name string) error {
		d := &net.Dialer{Timeout: 5 * time.Second}
		c, err := tls.DialWithDialer(d, "tcp", s.LocalAddr("tls").String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil {
			c.Close()
		}
		return err
	}
	for _, name := range []string{"evil.example", "a.sip.example.test", "127.0.0.1"} {
		if dial(name) == nil {
			t.Errorf("a certificate for %q", name)
		}
	}
	if len(asked) != 0 {
		t.Error("strangers' names went to the authority")
	}
	if dial("sip.example.test") == nil {
		t.Error("a certificate from nowhere")
	}
	select {
	case <-asked:
	case <-time.After(10 * time.Second):
		t.Error("the authority was not asked for our own name")
	}
	if v := testutil.ToFloat64(s.tlsMet.expiry.WithLabelValues("tls 127.0.0.1:0")); v != 0 {
		t.Errorf("expiry %v", v)
	}
	for _, path := range []string{"/", "/.well-known/acme-challenge/unknown", "/sip"} {
		req, _ := http.NewRequest("GET", "http://"+challenges.String()+path, nil)
		req.Host = "sip.example.test"
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 404 || strings.Contains(string(b), "token") {
			t.Errorf("%s: %d %q", path, res.StatusCode, b)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
