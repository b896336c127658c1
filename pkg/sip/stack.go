// Package sip is the node's SIP side: listeners, caps, transactions, the
// registrar and one owner for each dialog. It is the only importer of sipgo, of
// which it uses the message model. To it a body is bytes; what a call means is
// pkg/call's business.
//
// Goroutines: one reader per UDP socket, one per TCP connection (and a writer
// while it has something to write), one owner per shard, one keeper of
// registrations. There is none per message, transaction or dialog.
package sip

import (
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/acme/autocert"

	"github.com/centrala/centrala/pkg/sip/ban"
	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/digest"
	"github.com/centrala/centrala/pkg/sip/overload"
	"github.com/centrala/centrala/pkg/sip/registrar"
	"github.com/centrala/centrala/pkg/sip/resolve"
)

// Stack is the SIP side of a node. Make it with New.
type Stack struct {
	// Set at birth.
	cfg    Config
	deps   Deps
	log    *zap.Logger
	met    *metrics
	net    network
	seed   maphash.Seed
	door   door
	subs   reception
	guard  guardian
	secret []byte // of nonces

	cpuShare atomic.Int64 // thousandths of all CPUs

	// Keeper only.
	expired, saved, braked time.Time

	tlsMet    *tlsMetrics
	acme      *autocert.Manager // nil: off
	acmeHTTP  *http.Server
	outTLS    atomic.Pointer[tls.Config] // of connections that we open
	certMu    sync.Mutex                 // held while files are read again
	outStamps string

	// Set by Start.
	listeners []*listener
	shards    []*shard
	ctx       context.Context
	cancel    context.CancelFunc
	done      chan struct{} // closed: everybody goes home
	started   atomic.Bool
	stopping  atomic.Bool
	draining  atomic.Bool
	stopOnce  sync.Once
	stopped   chan struct{}

	dialogCount atomic.Int64
	perSource   sources
	txCount     atomic.Int64

	goMu   sync.Mutex
	goShut bool
	wg     sync.WaitGroup

	connMu   sync.Mutex
	conns    map[uint64]*conn
	perIP    map[netip.Addr]int
	byRemote map[connKey]*conn
	lastConn uint64

	noTCP tcpless

	faceMu sync.Mutex
	face   map[netip.Addr]netip.Addr

	dns     *resolve.Resolver
	lookups atomic.Int64 // goroutines that wait for DNS
	trunks  *trunkKeeper

	randMu sync.Mutex
	rand   *rng
}

// New checks the configuration and makes a stack; it opens nothing.
func New(cfg Config, d Deps) (*Stack, error) {
	if d.Accounts == nil || d.Handler == nil {
		return nil, errors.New("sip: Accounts and Handler are required")
	}
	var errs []error
	for i, l := range cfg.Listeners {
		if !slices.Contains(protos[:], l.Transport) {
			errs = append(errs, fmt.Errorf("sip: listeners[%d].transport: unknown %q; want one of %s", i, l.Transport, strings.Join(protos[:], ", ")))
		}
		if secured(l.Transport) && !l.TLS.ACME && (l.TLS.CertFile == "" || l.TLS.KeyFile == "") {
			errs = append(errs, fmt.Errorf("sip: listeners[%d].tls: want a certificate and a key", i))
		}
		if l.TLS.ACME && len(cfg.ACME.Hosts) == 0 {
			errs = append(errs, fmt.Errorf("sip: listeners[%d].tls: ACME without hosts", i))
		}
		if !l.Addr.IsValid() {
			errs = append(errs, fmt.Errorf("sip: listeners[%d].addr: missing", i))
		}
		if l.Advertised != "" {
			if _, _, ok := splitHostPort(l.Advertised); !ok {
				errs = append(errs, fmt.Errorf("sip: listeners[%d].advertised: %q; want host[:port]", i, l.Advertised))
			}
		}
	}
	if len(cfg.Listeners) == 0 {
		errs = append(errs, errors.New("sip: no listeners"))
	}
	switch cfg.Defence.DrainRegister {
	case "", "serve", "refuse":
	case "redirect":
		if u, ok := parseURI(cfg.Defence.DrainTo); !ok || u.Scheme != "sip" && u.Scheme != "sips" {
			errs = append(errs, fmt.Errorf("sip: drain to %q: want sip:host[:port]", cfg.Defence.DrainTo))
		}
	default:
		errs = append(errs, fmt.Errorf("sip: registrations while draining: unknown %q; want serve, refuse or redirect", cfg.Defence.DrainRegister))
	}
	if hasControl(cfg.Realm) || hasControl(cfg.UserAgent) {
		errs = append(errs, errors.New("sip: realm and user agent must not hold control characters"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	cfg.Limits = cfg.Limits.WithDefaults()
	cfg.Timers = cfg.Timers.WithDefaults()
	cfg.Keepalive = cfg.Keepalive.withDefaults()
	if cfg.Realm == "" {
		cfg.Realm = "centrala"
	}
	if cfg.Rand == nil {
		cfg.Rand = crand.Reader
	}
	if cfg.Shards <= 0 {
		cfg.Shards = runtime.GOMAXPROCS(0)
	}
	if cfg.net == nil {
		cfg.net = osNetwork{}
	}
	if d.Log == nil {
		d.Log = zap.NewNop()
	}
	met, err := newMetrics(d.Registerer)
	if err != nil {
		return nil, fmt.Errorf("sip: metrics: %w", err)
	}
	s := &Stack{
		cfg: cfg, deps: d, log: d.Log, met: met, net: cfg.net, seed: maphash.MakeSeed(),
		done: make(chan struct{}), stopped: make(chan struct{}),
		conns: map[uint64]*conn{}, perIP: map[netip.Addr]int{}, byRemote: map[connKey]*conn{},
		face: map[netip.Addr]netip.Addr{},
	}
	if s.tlsMet, err = newTLSMetrics(d.Registerer, cfg.Listeners); err != nil {
		return nil, fmt.Errorf("sip: metrics: %w", err)
	}
	if s.acme, err = newACME(cfg.ACME); err != nil {
		return nil, err
	}
	if err := s.loadClientTLS(); err != nil {
		return nil, err
	}
	s.outStamps = stampOf(cfg.ClientTLS.CAFile, cfg.ClientTLS.CertFile, cfg.ClientTLS.KeyFile)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.secret = make([]byte, 32)
	if _, err := io.ReadFull(cfg.Rand, s.secret); err != nil {
		return nil, fmt.Errorf("sip: random numbers: %w", err)
	}
	if s.rand, err = newRNG(cfg.Rand); err != nil {
		return nil, err
	}
	s.door = door{
		digest: digest.NewServer(digest.ServerConfig{Realm: cfg.Realm, Secret: s.secret}, s.rand.Uint64()),
		reg: registrar.New(registrar.Config{MinExpires: cfg.MinExpires, MaxExpires: cfg.MaxExpires,
			DefaultExpires: cfg.DefaultExpires, MaxContacts: 10}),
		brake: brake{entries: map[brakeKey]*brakeEntry{}},
		dirty: map[registrar.ID]*registrar.Binding{}, wake: make(chan struct{}, 1),
	}
	if err := s.newTrunks(); err != nil {
		return nil, err
	}
	s.guard.on, s.guard.list = !cfg.Defence.BansOff, ban.New(cfg.Defence.Bans)
	s.guard.key = sha256.Sum256(append([]byte("names "), s.secret...))
	s.initSubscriptions()
	for i := range cfg.Shards {
		r, err := newRNG(cfg.Rand)
		if err != nil {
			return nil, err
		}
		s.shards = append(s.shards, &shard{
			s: s, n: i, in: make(chan inbound, shardQueue), fresh: make(chan inbound, freshQueue), over: overload.New(cfg.Defence.Overload), wake: make(chan struct{}, 1), rand: r,
			txs: map[string]*tx{}, dialogs: map[string]*Dialog{}, calls: map[string]*tx{},
			perSource: map[netip.Addr]int{}, sourceTxs: (cfg.Limits.MaxTransactionsPerSource + cfg.Shards - 1) / cfg.Shards,
		})
	}
	return s, nil
}

// shardQueue is how many messages of what is in progress may wait for an owner,
// freshQueue how many new requests: about 50 ms of work.
const (
	shardQueue = 2048
	freshQueue = 1024
)

// Start binds the listeners and serves them. On an error nothing stays open.
func (s *Stack) Start(ctx context.Context) error {
	if s.stopping.Load() || !s.started.CompareAndSwap(false, true) {
		return errors.New("sip: started before")
	}
	if err := s.recall(ctx); err != nil {
		s.started.Store(false)
		return fmt.Errorf("sip: load bans and brakes: %w", err)
	}
	if err := s.restore(ctx); err != nil {
		s.started.Store(false)
		return fmt.Errorf("sip: load registrations: %w", err)
	}
	var errs []error
	for _, c := range s.cfg.Listeners {
		l := &listener{s: s, proto: c.Transport, addr: c.Addr, advertised: c.Advertised, ws: c.WebSocket, only6: s.only6(c)}
		var err error
		if secured(c.Transport) {
			if l.certs, err = newCerts(c.TLS, c.Transport, c.Transport+" "+c.Addr.String(), s.tlsMet, s.acme); err != nil {
				errs = append(errs, fmt.Errorf("listen %s %s: %w", c.Transport, c.Addr, err))
				continue
			}
		}
		if c.Transport == protoUDP {
			l.udp, l.addr, err = s.net.listenUDP(c.Addr, l.only6)
		} else {
			l.tcp, l.addr, err = s.net.listenTCP(c.Addr, l.only6)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("listen %s %s: %w", c.Transport, c.Addr, reason(err)))
			continue
		}
		if a := l.addr.Addr().Unmap(); !a.IsUnspecified() {
			l.own = netip.AddrPortFrom(a.WithZone(""), l.addr.Port()).String()
		}
		if l.advertised != "" {
			if host, port, _ := splitHostPort(l.advertised); port == 0 {
				if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
					host = "[" + host + "]"
				}
				l.advertised = host + ":" + strconv.Itoa(int(l.addr.Port()))
			}
		}
		if framed(l.proto) {
			l.web = l.webServer()
		}
		s.listeners = append(s.listeners, l)
	}
	var challenges net.Listener
	if at := s.cfg.ACME.HTTP; s.acme != nil && at.IsValid() && len(errs) == 0 {
		var err error
		if challenges, _, err = s.net.listenTCP(at, false); err != nil {
			errs = append(errs, fmt.Errorf("listen acme http-01 %s: %w", at, reason(err)))
		}
	}
	if len(errs) > 0 {
		for _, l := range s.listeners {
			l.close()
		}
		s.listeners = nil
		s.started.Store(false)
		text := "sip: "
		for i, err := range errs {
			if i > 0 {
				text += "; "
			}
			text += err.Error()
		}
		return &startError{text, errs}
	}
	now := time.Now()
	for _, sh := range s.shards {
		sh.begin(now)
		s.wg.Add(1)
		go sh.run()
	}
	s.wg.Add(3)
	go s.keep()
	go s.trunks.run()
	go s.watchCPU()
	for _, l := range s.listeners {
		s.wg.Add(1)
		switch {
		case l.udp != nil:
			go l.serveUDP()
		case l.web != nil:
			go l.serveWS()
		default:
			go l.serveTCP()
		}
	}
	if challenges != nil {
		s.acmeHTTP = &http.Server{Handler: s.acme.HTTPHandler(http.NotFoundHandler()), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
			MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0)}
		s.goTrack(func() { _ = s.acmeHTTP.Serve(challenges) })
	}
	if err := s.restoreSubscriptions(ctx); err != nil {
		// Phones subscribe again within the hour: no reason not to take calls.
		s.log.Warn("subscriptions of the last run are lost", zap.Error(err))
	}
	return nil
}

// startError keeps the causes for errors.Is and tells them in one line.
type startError struct {
	text string
	errs []error
}

func (e *startError) Error() string   { return e.text }
func (e *startError) Unwrap() []error { return e.errs }

// reason takes the repeated "listen udp 0.0.0.0:5060:" off a system error.
func reason(err error) error {
	for {
		in := errors.Unwrap(err)
		if in == nil {
			return err
		}
		err = in
	}
}

func (l *listener) close() {
	if l.udp != nil {
		_ = l.udp.Close()
	}
	if l.web != nil {
		_ = l.web.Close()
	}
	if l.tcp != nil {
		_ = l.tcp.Close()
	}
}

// stopGrace is how long Stop waits for the answers to its BYEs.
const stopGrace = 2 * time.Second

// Stop ends what dialogs there are, waits for it a little (and no longer than
// ctx), closes the sockets and waits for every goroutine. Safe to call twice.
func (s *Stack) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		defer close(s.stopped)
		s.draining.Store(true)
		if s.started.Load() {
			s.trunks.close()
			s.endAll(ctx)
			s.trunks.wait(ctx, stopGrace)
		}
		s.stopping.Store(true)
		s.cancel()
		for _, l := range s.listeners {
			l.close()
		}
		if s.acmeHTTP != nil {
			_ = s.acmeHTTP.Close()
		}
		s.connMu.Lock()
		open := make([]*conn, 0, len(s.conns))
		for _, c := range s.conns {
			open = append(open, c)
		}
		s.connMu.Unlock()
		for _, c := range open {
			// TLS says good-bye, for which a peer that does not read may take seconds.
			if !secured(c.proto) || !s.goTrack(c.close) {
				c.close()
			}
		}
		close(s.done)
		s.goMu.Lock()
		s.goShut = true
		s.goMu.Unlock()
		s.wg.Wait()
		if n := s.dialogCount.Load(); n > 0 {
			s.log.Warn("sip stopped with dialogs unfinished", zap.Int64("dialogs", n))
		}
	})
	select {
	case <-s.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Stack) endAll(ctx context.Context) {
	for _, sh := range s.shards {
		sh.do(func() {
			for _, d := range sh.dialogs {
				d.step(dialog.End{Reason: "shutdown"})
			}
		})
	}
	end := time.NewTimer(stopGrace)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.dialogCount.Load() > 0 {
		select {
		case <-tick.C:
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// goTrack runs f in a goroutine that Stop waits for; false after Stop.
func (s *Stack) goTrack(f func()) bool {
	s.goMu.Lock()
	defer s.goMu.Unlock()
	if s.goShut {
		return false
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		f()
	}()
	return true
}

// Drain on: new INVITEs and OPTIONS get 503, so that a balancer looks elsewhere;
// what runs goes on.
func (s *Stack) Drain(on bool) { s.draining.Store(on) }

// retryAfter is 5 to 10 s: the refused must not come back in one wave.
func (s *Stack) retryAfter() Header {
	return Header{Name: "Retry-After", Value: strconv.Itoa(5 + int(time.Now().UnixNano()>>10%6))}
}

// LocalAddr is the address bound for a transport, the first of several; invalid if none.
func (s *Stack) LocalAddr(transport string) netip.AddrPort {
	for _, l := range s.listeners {
		if l.proto == transport {
			return l.addr
		}
	}
	return netip.AddrPort{}
}

// Listening names every listener as bound: "udp 0.0.0.0:5060".
func (s *Stack) Listening() []string {
	out := make([]string, len(s.listeners))
	for i, l := range s.listeners {
		out[i] = l.proto + " " + l.addr.String()
	}
	return out
}

// only6 tells whether a listener on [::] must leave IPv4 to another one of the
// same port.
func (s *Stack) only6(c Listener) bool {
	if c.Addr.Addr() != netip.IPv6Unspecified() {
		return false
	}
	udp := c.Transport == protoUDP
	for _, o := range s.cfg.Listeners {
		if o.Addr.Addr().Is4() && o.Addr.Port() == c.Addr.Port() && c.Addr.Port() != 0 && (o.Transport == protoUDP) == udp {
			return true
		}
	}
	return false
}

func (s *Stack) dialogConfig(sh *shard) dialog.Config {
	return dialog.Config{T1: s.cfg.Timers.T1, T2: s.cfg.Timers.T2, UserAgent: s.cfg.UserAgent, Rand: sh.rand.Uint64,
		SessionExpires: s.cfg.SessionExpires, MinSE: s.cfg.MinSE, Reliable: s.cfg.ReliableProvisionals}
}

// shardOf is the owner of a Call-ID.
func (s *Stack) shardOf(callID string) *shard {
	if len(s.shards) == 1 {
		return s.shards[0]
	}
	return s.shards[maphash.String(s.seed, callID)%uint64(len(s.shards))]
}

// rng makes numbers that a stranger cannot guess (ChaCha8, seeded by the system).
type rng struct{ *rand.ChaCha8 }

func newRNG(r io.Reader) (*rng, error) {
	var seed [32]byte
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return nil, fmt.Errorf("sip: random numbers: %w", err)
	}
	return &rng{rand.NewChaCha8(seed)}, nil
}

const tokenAlphabet = "0123456789abcdefghijklmnopqrstuv"

// token appends words*64 random bits as 13 characters each.
func (r *rng) token(b []byte, words int) []byte {
	for range words {
		v := r.Uint64()
		for range 13 {
			b = append(b, tokenAlphabet[v&31])
			v >>= 5
		}
	}
	return b
}

func (s *Stack) newToken(words int) string {
	s.randMu.Lock()
	defer s.randMu.Unlock()
	return string(s.rand.token(make([]byte, 0, 13*words), words))
}

// branch is a fresh Via branch (RFC 3261 8.1.1.7).
func (sh *shard) branch() string {
	return string(sh.rand.token(append(make([]byte, 0, 40), cookie...), 2))
}
