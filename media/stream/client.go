package stream

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
)

// Config bounds the streams of a node. Zero values take the default named.
type Config struct {
	// Max is how many streams there may be at a time; default 100.
	Max int
	// Allow are hosts, addresses and networks (CIDR) that may be reached without TLS,
	// or although they are private.
	Allow []string
	// Secret signs what we open; empty = unsigned.
	Secret []byte
	// Connect bounds the way to a started stream where Options has no time; default 5 s.
	Connect time.Duration
	// Stall ends a stream whose peer takes nothing for so long; default 10 s.
	Stall time.Duration
	// Playout is how much sound of the machine may wait; default 60 s.
	Playout time.Duration
	// RootCAs verify TLS; nil = the system's.
	RootCAs *x509.CertPool
	// Log defaults to none. Registerer nil = metrics are not exported.
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// Protocols.
const (
	Native      = "centrala"
	AudioSocket = "audiosocket"
)

// Directions, as seen from the machine.
const (
	Both   = "both"
	Listen = "listen" // it hears
	Speak  = "speak"  // it is heard
)

// Options describe one stream.
type Options struct {
	ID, Call, Tenant, From, To, Language string
	// URL is ws, wss, tcp or tls; http or https for a recogniser that is asked about one
	// utterance at a time.
	URL string
	// Protocol is Native (default) or AudioSocket, which needs tcp or tls.
	Protocol string
	// Direction is Both (default), Listen or Speak.
	Direction string
	// Tracks are what it hears: Caller and Agent each on its own, or Mixed alone;
	// empty = Caller.
	Tracks []Track
	// Format defaults to PCM16, Rate to 8000 Hz; 16000 is for PCM16 alone.
	Format Format
	Rate   int
	// Connect takes the place of Config.Connect; 0 = that.
	Connect time.Duration
	// Hints are words that a recogniser may expect.
	Hints []string
}

// Faults of Open.
var (
	ErrInvalid = errors.New("stream: invalid")
	ErrLimit   = errors.New("stream: as many streams as the node may have")
	ErrStopped = errors.New("stream: the node is stopping")
	// ErrForbidden: the address is private, or the way to it plain, and
	// media.stream.allow does not name it.
	ErrForbidden = errors.New("not in media.stream.allow")
)

// Check fills in defaults and tells what is wrong.
func (o *Options) Check() error {
	u, err := url.Parse(o.URL)
	if err != nil {
		return fmt.Errorf("%w: url cannot be read", ErrInvalid) // its text may hold a secret
	}
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&o.Protocol, Native)
	set(&o.Direction, Both)
	if o.Format == "" {
		o.Format = PCM16
	}
	if o.Rate == 0 {
		o.Rate = media.ClockRate
	}
	if len(o.Tracks) == 0 {
		o.Tracks = []Track{Caller}
	}
	tcp := u.Scheme == "tcp" || u.Scheme == "tls"
	post := u.Scheme == "http" || u.Scheme == "https"
	for _, x := range []struct {
		bad  bool
		text string
	}{
		{len(o.URL) > 2048, "url: longer than 2048 bytes"},
		{!tcp && !post && u.Scheme != "ws" && u.Scheme != "wss", "url: want ws://, wss://, tcp:// or tls://, for a recogniser http:// or https:// too"},
		{post && (o.Direction != Listen || o.Format != PCM16 || len(o.Tracks) > 1 || o.Protocol != Native), "url: http is for recognisers: direction listen, pcm16, one track"},
		{u.Hostname() == "", "url: no host"},
		{u.User != nil, "url: no user or password here; requests are signed"},
		{tcp && u.Port() == "", "url: tcp and tls need a port"},
		{tcp && (u.Path != "" || u.RawQuery != ""), "url: tcp and tls have no path"},
		{o.Protocol != Native && o.Protocol != AudioSocket, "protocol: want centrala or audiosocket"},
		{o.Protocol == AudioSocket && !tcp, "protocol: audiosocket goes by tcp or tls"},
		{o.Protocol == AudioSocket && o.Format != PCM16, "format: audiosocket speaks pcm16"},
		{o.Protocol == AudioSocket && len(o.Tracks) > 1, "tracks: audiosocket has one"},
		{!slices.Contains([]string{Both, Listen, Speak}, o.Direction), "direction: want both, listen or speak"},
		{!slices.Contains([]Format{PCM16, PCMU, PCMA}, o.Format), "format: want pcm16, pcmu or pcma"},
		{o.Rate != 8000 && o.Rate != 16000, "rate: want 8000 or 16000"},
		{o.Rate != 8000 && o.Format != PCM16, "rate: pcmu and pcma have 8000"},
		{slices.Contains(o.Tracks, Mixed) && len(o.Tracks) > 1, "tracks: mixed is both already"},
		{o.Connect < 0 || o.Connect > time.Minute, "connect: at most 1m"},
	} {
		if x.bad {
			return fmt.Errorf("%w: %s", ErrInvalid, x.text)
		}
	}
	return nil
}

// SafeURL is a URL for the journal and the log: without its query, where secrets are.
func SafeURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "unreadable"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Client opens streams. Make it with New; Stop ends all.
type Client struct {
	cfg      Config
	prefixes []netip.Prefix
	hosts    map[string]bool
	http     *http.Client
	metrics  *metrics

	mu      sync.Mutex
	streams map[*Stream]struct{}
	stopped bool
	wg      sync.WaitGroup
}

// New makes a Client. Allow must be readable.
func New(cfg Config) (*Client, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&cfg.Connect, 5*time.Second)
	def(&cfg.Stall, 10*time.Second)
	def(&cfg.Playout, time.Minute)
	if cfg.Max <= 0 {
		cfg.Max = 100
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	c := &Client{cfg: cfg, hosts: map[string]bool{}, streams: map[*Stream]struct{}{}}
	var err error
	if c.prefixes, c.hosts, err = ParseAllow(cfg.Allow); err != nil {
		return nil, err
	}
	c.metrics = newMetrics(cfg.Registerer, c.Len)
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext:     c.dial, // no proxy: what is allowed is what we reach
			TLSClientConfig: c.tls(""), TLSHandshakeTimeout: cfg.Connect, ResponseHeaderTimeout: cfg.Connect, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("stream: redirected; write the final address")
		},
	}
	return c, nil
}

// ParseAllow reads Config.Allow.
func ParseAllow(allow []string) (prefixes []netip.Prefix, hosts map[string]bool, err error) {
	hosts = map[string]bool{}
	for _, s := range allow {
		if p, err := netip.ParsePrefix(s); err == nil {
			prefixes = append(prefixes, p.Masked())
		} else if a, err := netip.ParseAddr(s); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(a, a.BitLen()))
		} else if s != "" && !strings.ContainsAny(s, "/: *@") {
			hosts[strings.ToLower(s)] = true
		} else {
			return nil, nil, fmt.Errorf("%q: want a host name, an address or a network such as 10.0.0.0/8", s)
		}
	}
	return prefixes, hosts, nil
}

func (c *Client) tls(server string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.cfg.RootCAs, ServerName: server}
}

// plain marks, in a context, a way without TLS.
type plain struct{}

// dial connects, and looks at each address that a name leads to before it does: a
// name may be made to lead inside.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	named := c.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
	open, _ := ctx.Value(plain{}).(bool)
	d := net.Dialer{KeepAlive: 15 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		ip := ap.Addr().Unmap().WithZone("")
		if named || slices.ContainsFunc(c.prefixes, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			return nil
		}
		if open || !public(ip) {
			return ErrForbidden
		}
		return nil
	}}
	return d.DialContext(ctx, network, addr)
}

// inside are networks that Addr's own methods do not name (RFC 6890).
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"),
}

func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Len is the number of streams.
func (c *Client) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams)
}

// Open begins a stream and returns at once. tell hears what becomes of it, in order,
// on goroutines of the stream; Ended is the last and always comes.
func (c *Client) Open(o Options, tell func(Event)) (*Stream, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Connect == 0 {
		o.Connect = c.cfg.Connect
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopped:
		return nil, ErrStopped
	case len(c.streams) >= c.cfg.Max:
		return nil, ErrLimit
	}
	s := newStream(c, o, tell, time.Now())
	c.streams[s] = struct{}{}
	c.wg.Add(1)
	go s.run()
	return s, nil
}

func (c *Client) forget(s *Stream) {
	c.mu.Lock()
	delete(c.streams, s)
	c.mu.Unlock()
	c.wg.Done()
}

// Stop ends all streams and waits for them, or for ctx. Safe to call twice.
func (c *Client) Stop(ctx context.Context) error {
	c.mu.Lock()
	c.stopped = true
	for s := range c.streams {
		s.Stop("shutdown")
	}
	c.mu.Unlock()
	done := make(chan struct{})
	go func() { c.wg.Wait(); close(done) }()
	defer c.http.CloseIdleConnections()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sign is the signature of a request: "t=UNIX,v1=HEX", HMAC-SHA256 by the secret over
// "UNIX.STREAM.CALL.URL" with the URL as we were given it; "" without a secret.
func Sign(secret []byte, now time.Time, stream, call, url string) string {
	if len(secret) == 0 {
		return ""
	}
	t := strconv.FormatInt(now.Unix(), 10)
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(t + "." + stream + "." + call + "." + url))
	return "t=" + t + ",v1=" + hex.EncodeToString(h.Sum(nil))
}

// audioSocketID is the call's id as 16 octets; calls have UUIDs.
func audioSocketID(call string) []byte {
	id, err := uuid.Parse(call)
	if err != nil {
		id = uuid.NewSHA1(uuid.NameSpaceOID, []byte(call))
	}
	return id[:]
}
