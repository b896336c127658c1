package secure

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
)

const (
	// handshakeFor bounds a handshake; the peer's timer starts at one second and
	// doubles (RFC 6347 4.2.4).
	handshakeFor = 30 * time.Second
	// flightInterval is when a flight of ours is sent again. RFC 6347 says a second;
	// browsers use 50 to 400 ms, for sound should begin soon.
	flightInterval = 200 * time.Millisecond
	// queued datagrams wait for the handshake at most; more are dropped, as anywhere.
	queued      = 16
	maxDatagram = 2048
)

// Errors of a handshake, for who branches.
var (
	// ErrFingerprint: the peer's certificate is not the one its SDP named.
	ErrFingerprint = errors.New("secure: certificate does not match the fingerprint in the SDP")
	// ErrNoProfile: no SRTP profile in common.
	ErrNoProfile = errors.New("secure: no common SRTP profile")
)

// Identity is our side of DTLS: one certificate of our own for the process. It is
// proved by its fingerprint in the signalling, not by an authority (RFC 5763 5).
type Identity struct {
	cert        tls.Certificate
	fingerprint string
}

// NewIdentity makes a key and a certificate.
func NewIdentity(now time.Time) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // RFC 8827 6.5 makes P-256 mandatory
	if err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	// No name of ours: the certificate goes over the wire in clear.
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "WebRTC"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0), SignatureAlgorithm: x509.ECDSAWithSHA256}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	return &Identity{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, fingerprint: fingerprintOf(der)}, nil
}

// Fingerprint is the SHA-256 of the certificate, as a=fingerprint writes it.
func (i *Identity) Fingerprint() string { return i.fingerprint }

func fingerprintOf(der []byte) string {
	sum := sha256.Sum256(der)
	s := strings.ToUpper(hex.EncodeToString(sum[:]))
	var b strings.Builder
	for i := 0; i < len(s); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(s[i : i+2])
	}
	return b.String()
}

// profiles in our order: AEAD costs half of what AES-CM with HMAC does.
var profiles = []struct {
	dtls  dtls.SRTPProtectionProfile
	suite Suite
}{
	{dtls.SRTP_AEAD_AES_128_GCM, AEAD128GCM},
	{dtls.SRTP_AEAD_AES_256_GCM, AEAD256GCM},
	{dtls.SRTP_AES128_CM_HMAC_SHA1_80, AES128CM80},
	{dtls.SRTP_AES128_CM_HMAC_SHA1_32, AES128CM32},
}

// Handshake is DTLS-SRTP with one peer (RFC 5764). Its goroutine lives from Start
// until Close.
type Handshake struct {
	wire   *wire
	cancel context.CancelFunc
	closed atomic.Bool
	ended  chan struct{}
}

// HandshakeConfig is what a Handshake needs.
type HandshakeConfig struct {
	// Client: we begin (a=setup:active).
	Client bool
	// Fingerprints of the peer's SDP: SHA-256, "AB:CD:...". One must match.
	Fingerprints []string
	// Send puts a datagram on the way; called on the handshake's goroutine.
	Send func(b []byte)
	// Done is told once, on the handshake's goroutine: the keys, or why there are
	// none. Not after Close.
	Done func(Keys, error)
	// Group, when not nil, counts the goroutine.
	Group *sync.WaitGroup
}

// Start begins a handshake.
func (i *Identity) Start(c HandshakeConfig) *Handshake {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeFor)
	h := &Handshake{wire: &wire{in: make(chan []byte, queued), closed: make(chan struct{}), send: c.Send}, cancel: cancel, ended: make(chan struct{})}
	if c.Group != nil {
		c.Group.Add(1)
	}
	go h.run(ctx, i, c)
	return h
}

// Feed hands in a datagram from the peer; b is copied. What does not fit is lost.
func (h *Handshake) Feed(b []byte) {
	if len(b) > maxDatagram {
		return
	}
	select {
	case h.wire.in <- append([]byte(nil), b...):
	default:
	}
}

// Close ends it without a word to the peer: the stream it keyed goes on. Safe to
// call twice and from any goroutine; it does not wait.
func (h *Handshake) Close() {
	h.closed.Store(true)
	h.wire.mute()
	h.cancel()
}

// Wait returns when the goroutine has ended.
func (h *Handshake) Wait() { <-h.ended }

func (h *Handshake) run(ctx context.Context, id *Identity, c HandshakeConfig) {
	defer func() {
		h.cancel()
		close(h.ended)
		if c.Group != nil {
			c.Group.Done()
		}
	}()
	keys, conn, err := h.shake(ctx, id, c)
	if !h.closed.Load() {
		c.Done(keys, err)
	}
	if conn == nil {
		return
	}
	// Our last flight may be lost: the connection answers the peer's repetition
	// until Close says that it has the keys.
	b := make([]byte, maxDatagram)
	for err == nil {
		_, err = conn.Read(b)
	}
	h.wire.mute() // no close_notify: it would end the sound
	_ = conn.Close()
}

func (h *Handshake) shake(ctx context.Context, id *Identity, c HandshakeConfig) (Keys, *dtls.Conn, error) {
	offered := make([]dtls.SRTPProtectionProfile, len(profiles))
	for i, p := range profiles {
		offered[i] = p.dtls
	}
	verify := func(certs [][]byte, _ [][]*x509.Certificate) error {
		if len(certs) == 0 {
			return ErrFingerprint
		}
		got := fingerprintOf(certs[0])
		for _, want := range c.Fingerprints {
			if strings.EqualFold(got, want) {
				return nil
			}
		}
		return ErrFingerprint
	}
	common := []dtls.Option{
		dtls.WithCertificates(id.cert), dtls.WithSRTPProtectionProfiles(offered...), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithFlightInterval(flightInterval), dtls.WithInsecureSkipVerify(true), // by fingerprint instead of chain
		dtls.WithVerifyPeerCertificate(verify), dtls.WithMTU(1200), dtls.WithLoggerFactory(silent{}),
	}
	var conn *dtls.Conn
	var err error
	if c.Client {
		opts := make([]dtls.ClientOption, len(common))
		for i, o := range common {
			opts[i] = o
		}
		conn, err = dtls.ClientWithOptions(h.wire, peerAddr{}, opts...)
	} else {
		opts := make([]dtls.ServerOption, len(common), len(common)+2)
		for i, o := range common {
			opts[i] = o
		}
		// The cookie against forged addresses: ICE's check has proved the address.
		opts = append(opts, dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true))
		conn, err = dtls.ServerWithOptions(h.wire, peerAddr{}, opts...)
	}
	if err != nil {
		return Keys{}, nil, fmt.Errorf("secure: dtls: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { h.wire.mute() })
	defer stop()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // with the alert of its own
		return Keys{}, nil, fmt.Errorf("secure: dtls: %w", err)
	}
	keys, err := keysFrom(conn, c.Client)
	return keys, conn, err
}

// keysFrom is RFC 5764 4.2: both keys, then both salts, the client's first.
func keysFrom(conn *dtls.Conn, client bool) (Keys, error) {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	state, ok2 := conn.ConnectionState()
	if !ok || !ok2 {
		return Keys{}, ErrNoProfile
	}
	for _, p := range profiles {
		if p.dtls != profile {
			continue
		}
		d := suites[p.suite]
		m, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(d.key+d.salt))
		if err != nil {
			return Keys{}, fmt.Errorf("secure: dtls: %w", err)
		}
		part := func(i int) Secret {
			key := append(Secret(nil), m[i*d.key:(i+1)*d.key]...)
			return append(key, m[2*d.key+i*d.salt:2*d.key+(i+1)*d.salt]...)
		}
		k := Keys{Suite: p.suite, Local: part(1), Remote: part(0)}
		if client {
			k.Local, k.Remote = k.Remote, k.Local
		}
		return k, nil
	}
	return Keys{}, ErrNoProfile
}

// wire is the net.PacketConn between pion and our port.
type wire struct {
	in   chan []byte
	send func([]byte)

	mu       sync.Mutex
	muted    bool
	closed   chan struct{}
	deadline time.Time
	moved    chan struct{} // closed when the deadline changes
}

func (w *wire) mute() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.muted {
		w.muted = true
		close(w.closed)
	}
}

func (w *wire) isMuted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.muted
}

// ReadFrom implements net.PacketConn.
func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		w.mu.Lock()
		if w.moved == nil {
			w.moved = make(chan struct{})
		}
		deadline, moved := w.deadline, w.moved
		w.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			t := time.NewTimer(time.Until(deadline))
			defer t.Stop()
			late = t.C
		}
		select {
		case p := <-w.in:
			return copy(b, p), peerAddr{}, nil
		case <-w.closed:
			return 0, nil, io.EOF
		case <-late:
			return 0, nil, timeoutError{}
		case <-moved:
		}
	}
}

// WriteTo implements net.PacketConn.
func (w *wire) WriteTo(b []byte, _ net.Addr) (int, error) {
	if w.isMuted() {
		return 0, io.ErrClosedPipe
	}
	w.send(b)
	return len(b), nil
}

// Close implements net.PacketConn.
func (w *wire) Close() error { w.mute(); return nil }

// LocalAddr implements net.PacketConn.
func (w *wire) LocalAddr() net.Addr { return peerAddr{} }

// SetDeadline implements net.PacketConn.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn: writes do not wait.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	if w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
	return nil
}

type peerAddr struct{}

func (peerAddr) Network() string { return "mux" }
func (peerAddr) String() string  { return "peer" }

type timeoutError struct{}

func (timeoutError) Error() string   { return "secure: dtls: read timed out" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// silent drops pion's log: what failed is in the error.
type silent struct{}

func (silent) NewLogger(string) logging.LeveledLogger { return silentLogger{} }

type silentLogger struct{}

func (silentLogger) Trace(string)          {}
func (silentLogger) Tracef(string, ...any) {}
func (silentLogger) Debug(string)          {}
func (silentLogger) Debugf(string, ...any) {}
func (silentLogger) Info(string)           {}
func (silentLogger) Infof(string, ...any)  {}
func (silentLogger) Warn(string)           {}
func (silentLogger) Warnf(string, ...any)  {}
func (silentLogger) Error(string)          {}
func (silentLogger) Errorf(string, ...any) {}
