package secure

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type verdictOf struct {
	keys Keys
	err  error
}

// shake lets two sides talk; lose tells which datagram of all is lost.
func shake(t *testing.T, wrongServer, wrongClient bool, lose func(n int) bool) (server, client verdictOf, a, b *Handshake) {
	t.Helper()
	s, err := NewIdentity(t0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewIdentity(t0)
	if err != nil {
		t.Fatal(err)
	}
	wantOfClient, wantOfServer := c.Fingerprint(), s.Fingerprint()
	if wrongClient {
		wantOfClient = s.Fingerprint()
	}
	if wrongServer {
		wantOfServer = c.Fingerprint()
	}
	var mu sync.Mutex
	var hs, hc *Handshake
	n := 0
	pass := func(to **Handshake) func([]byte) {
		return func(p []byte) {
			mu.Lock()
			n++
			drop := lose != nil && lose(n)
			h := *to
			mu.Unlock()
			if !drop && h != nil {
				h.Feed(p)
			}
		}
	}
	sv, cv := make(chan verdictOf, 1), make(chan verdictOf, 1)
	mu.Lock()
	hs = s.Start(HandshakeConfig{Fingerprints: []string{"00:11", wantOfClient}, Send: pass(&hc), Done: func(k Keys, err error) { sv <- verdictOf{k, err} }})
	hc = c.Start(HandshakeConfig{Client: true, Fingerprints: []string{wantOfServer}, Send: pass(&hs), Done: func(k Keys, err error) { cv <- verdictOf{k, err} }})
	mu.Unlock()
	t.Cleanup(func() { hs.Close(); hc.Close(); hs.Close(); hs.Wait(); hc.Wait() })
	for range 2 {
		select {
		case server = <-sv:
		case client = <-cv:
		case <-time.After(20 * time.Second):
			t.Fatal("no verdict")
		}
	}
	return server, client, hs, hc
}

func TestHandshake(t *testing.T) {
	for name, lose := range map[string]func(int) bool{"clean": nil, "every third lost": func(n int) bool { return n%3 == 2 }} {
		t.Run(name, func(t *testing.T) {
			s, c, _, _ := shake(t, false, false, lose)
			if s.err != nil || c.err != nil {
				t.Fatal(s.err, c.err)
			}
			if s.keys.Suite != AEAD128GCM || !bytes.Equal(s.keys.Local, c.keys.Remote) || !bytes.Equal(s.keys.Remote, c.keys.Local) || bytes.Equal(s.keys.Local, s.keys.Remote) {
				t.Fatal("keys differ", s.keys.Suite, c.keys.Suite)
			}
			x, err := NewSession(s.keys)
			if err != nil {
				t.Fatal(err)
			}
			y, _ := NewSession(c.keys)
			p, _ := x.Protect(nil, packetOf(1, 1, 160))
			if _, err := y.Unprotect(nil, p, t0); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestWrongFingerprint: whoever sits between and shows a certificate of its own
// gets no keys, at either end.
func TestWrongFingerprint(t *testing.T) {
	s, c, _, _ := shake(t, false, true, nil)
	if !errors.Is(s.err, ErrFingerprint) || s.keys.Local != nil {
		t.Errorf("server: %v", s.err)
	}
	if c.err == nil && s.err == nil {
		t.Error("client has keys")
	}
	s, c, _, _ = shake(t, true, false, nil)
	if !errors.Is(c.err, ErrFingerprint) || s.err == nil {
		t.Errorf("client: %v, server: %v", c.err, s.err)
	}
}

// TestNoPeer: a handshake with nobody, fed with noise, ends with Close and tells
// nothing then.
func TestNoPeer(t *testing.T) {
	id, err := NewIdentity(t0)
	if err != nil {
		t.Fatal(err)
	}
	h := id.Start(HandshakeConfig{Fingerprints: []string{"AA"}, Send: func([]byte) {}, Done: func(Keys, error) { t.Error("told") }})
	for i := range 1000 {
		h.Feed(bytes.Repeat([]byte{22, 254, 253, byte(i)}, i%600))
	}
	h.Close()
	h.Wait()
}
