// Package resolve finds where to send a SIP request: RFC 3263 from NAPTR over
// SRV to A and AAAA, every record of them, in the order in which they are to be
// tried. Answers are cached for their time to live, refusals too, within bounds.
// It asks DNS through a small interface and starts no goroutine of its own: a
// Resolve may wait for the network, so whoever must not wait asks Cached first.
package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

// Target is one address to try.
type Target struct {
	Transport string // "udp", "tcp", "tls", "ws", "wss"
	Addr      netip.AddrPort
}

// Query is the part of a SIP URI that matters: RFC 3263 4, "target".
type Query struct {
	Host      string // name or address, brackets of IPv6 allowed
	Port      uint16 // 0 = not given
	Transport string // transport parameter, "" = not given
	Secure    bool   // sips
}

// DNS asks one question. An answer with rcode NXDOMAIN or without records is no
// error; an error means that nobody answered.
type DNS interface {
	Query(ctx context.Context, name string, qtype uint16) (*dns.Msg, error)
}

// Hosts may be implemented by a DNS: names that are known without asking (the
// hosts file). ok=false: ask.
type Hosts interface {
	Host(name string) (addrs []netip.Addr, ok bool)
}

// Errors of Resolve; they are wrapped with the name.
var (
	ErrNoRecord  = errors.New("no such name, or no address that we could reach")
	ErrNoAnswer  = errors.New("no answer from DNS")
	ErrTransport = errors.New("no transport in common")
)

// Config of a Resolver.
type Config struct {
	DNS DNS
	// Transports that we can send over. nil = udp and tcp.
	Transports []string
	// Reachable tells whether we have a socket for an address and transport; nil = all.
	Reachable func(transport string, addr netip.Addr) bool
	// Rand chooses among SRV records of one priority by weight.
	Rand func() uint64
	Now  func() time.Time // nil = time.Now
	// Context ends questions that are under way when its owner ends; nil = never.
	Context context.Context
	// MaxEntries bounds the cache; 0 = 4096 answers.
	MaxEntries int
	// Least and Most bound a record's time to live; 0 = 5 s and 1 h. Negative is
	// how long a refusal is kept when its SOA says nothing; 0 = 30 s.
	Least, Most, Negative time.Duration
	// Rest is how long an address that failed is tried last; 0 = 30 s.
	Rest time.Duration
}

// Resolver is safe for use by many goroutines.
type Resolver struct {
	cfg    Config
	flight singleflight.Group

	mu    sync.Mutex
	cache map[question]entry
	bad   map[Target]time.Time // tried last until then
}

type question struct {
	name  string
	qtype uint16
}

type entry struct {
	records []dns.RR
	err     error // ErrNoRecord: kept too
	until   time.Time
}

// New makes a resolver.
func New(cfg Config) *Resolver {
	if cfg.Transports == nil {
		cfg.Transports = []string{"udp", "tcp"}
	}
	if cfg.Context == nil {
		cfg.Context = context.Background()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Reachable == nil {
		cfg.Reachable = func(string, netip.Addr) bool { return true }
	}
	cfg.MaxEntries = cmp.Or(cfg.MaxEntries, 4096)
	cfg.Least, cfg.Most = cmp.Or(cfg.Least, 5*time.Second), cmp.Or(cfg.Most, time.Hour)
	cfg.Negative, cfg.Rest = cmp.Or(cfg.Negative, 30*time.Second), cmp.Or(cfg.Rest, 30*time.Second)
	return &Resolver{cfg: cfg, cache: map[question]entry{}, bad: map[Target]time.Time{}}
}

// Bounds on what one name may lead to: a zone that means us harm names a thousand.
const (
	maxNAPTR   = 16
	maxSRV     = 32
	maxTargets = 32
	maxCNAME   = 8
)

// Resolve lists the addresses of q in the order in which to try them; it is not
// empty when err is nil.
func (r *Resolver) Resolve(ctx context.Context, q Query) ([]Target, error) {
	return r.resolve(q, func(name string, qtype uint16) ([]dns.RR, error) { return r.ask(ctx, name, qtype) })
}

// Cached is Resolve without asking anybody; ok is false when the cache alone
// cannot answer. It never waits.
func (r *Resolver) Cached(q Query) (targets []Target, err error, ok bool) {
	known := true
	targets, err = r.resolve(q, func(name string, qtype uint16) ([]dns.RR, error) {
		if e, ok := r.cached(question{name, qtype}); ok {
			return e.records, e.err
		}
		known = false // part of an answer is none: it would leave addresses out
		return nil, ErrNoRecord
	})
	if !known {
		return nil, nil, false
	}
	return targets, err, true
}

// Failed notes that an address did not serve: it is tried last for a while.
func (r *Resolver) Failed(t Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	if len(r.bad) >= r.cfg.MaxEntries {
		for k, until := range r.bad {
			if !until.After(now) {
				delete(r.bad, k)
			}
		}
		if len(r.bad) >= r.cfg.MaxEntries {
			return
		}
	}
	r.bad[t] = now.Add(r.cfg.Rest)
}

// Worked takes Failed back.
func (r *Resolver) Worked(t Target) {
	r.mu.Lock()
	delete(r.bad, t)
	r.mu.Unlock()
}

type asker func(name string, qtype uint16) ([]dns.RR, error)

func (r *Resolver) resolve(q Query, ask asker) ([]Target, error) {
	q.Transport = strings.ToLower(q.Transport)
	if q.Secure {
		switch q.Transport {
		case "", "tcp":
			q.Transport = "tls"
		case "ws":
			q.Transport = "wss"
		}
	}
	if q.Transport != "" && !slices.Contains(r.cfg.Transports, q.Transport) {
		return nil, fmt.Errorf("resolve %q: %w: %s", q.Host, ErrTransport, q.Transport)
	}
	// RFC 3263 4.1, 4.2: an address needs nobody.
	if a, err := netip.ParseAddr(strings.Trim(q.Host, "[]")); err == nil {
		t := cmp.Or(q.Transport, "udp")
		return []Target{{t, netip.AddrPortFrom(a.Unmap(), cmp.Or(q.Port, defaultPort(t)))}}, nil
	}
	name, err := canonical(q.Host)
	if err != nil {
		return nil, err
	}
	w := walk{r: r, ask: ask}
	switch {
	case q.Port != 0:
		w.addresses(name, cmp.Or(q.Transport, "udp"), q.Port)
	case q.Transport != "":
		w.service(name, q.Transport)
	default:
		w.naptr(name)
	}
	if len(w.out) == 0 {
		return nil, fmt.Errorf("resolve %q: %w", q.Host, cmp.Or(w.err, error(ErrNoRecord)))
	}
	return r.restedLast(w.out), nil
}

// restedLast puts addresses that failed lately behind the others.
func (r *Resolver) restedLast(list []Target) []Target {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bad) == 0 {
		return list
	}
	now := r.cfg.Now()
	slices.SortStableFunc(list, func(a, b Target) int {
		x, y := 0, 0
		if r.bad[a].After(now) {
			x = 1
		}
		if r.bad[b].After(now) {
			y = 1
		}
		return x - y
	})
	return list
}

func defaultPort(transport string) uint16 {
	switch transport {
	case "tls":
		return 5061
	case "ws":
		return 80
	case "wss":
		return 443
	}
	return 5060
}

func canonical(host string) (string, error) {
	if _, ok := dns.IsDomainName(host); !ok || host == "" || host == "." || len(host) > 253 {
		return "", fmt.Errorf("resolve %q: no host name", host[:min(len(host), 64)])
	}
	return dns.CanonicalName(host), nil
}

// walk gathers the targets of one query.
type walk struct {
	r   *Resolver
	ask asker
	out []Target
	err error // the first that was not "no record"
}

func (w *walk) records(name string, qtype uint16) []dns.RR {
	rr, err := w.ask(name, qtype)
	if err != nil && !errors.Is(err, ErrNoRecord) && w.err == nil {
		w.err = err
	}
	return rr
}

// services are the NAPTR services of RFC 3263 4.1 and RFC 7118 5.
var services = map[string]string{"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls", "SIP+D2W": "ws", "SIPS+D2W": "wss"}

// prefixes of SRV names.
var prefixes = map[string]string{"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp.", "ws": "_sip._ws.", "wss": "_sips._ws."}

// naptr: neither port nor transport is given (RFC 3263 4.1).
func (w *walk) naptr(name string) {
	var found []*dns.NAPTR
	for _, rr := range w.records(name, dns.TypeNAPTR) {
		n, ok := rr.(*dns.NAPTR)
		if !ok || len(found) == maxNAPTR {
			continue
		}
		t := services[strings.ToUpper(n.Service)]
		if strings.EqualFold(n.Flags, "s") && t != "" && n.Regexp == "" && slices.Contains(w.r.cfg.Transports, t) {
			found = append(found, n)
		}
	}
	slices.SortStableFunc(found, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	for _, n := range found {
		w.srv(dns.CanonicalName(n.Replacement), services[strings.ToUpper(n.Service)])
	}
	if len(w.out) > 0 {
		return
	}
	// No NAPTR: the SRV of each transport that we have, ours first.
	for _, t := range w.r.cfg.Transports {
		if t == "ws" || t == "wss" { // no carrier is found by those
			continue
		}
		w.srv(prefixes[t]+name, t)
	}
	if len(w.out) == 0 && slices.Contains(w.r.cfg.Transports, "udp") {
		w.addresses(name, "udp", 5060)
	} else if len(w.out) == 0 && len(w.r.cfg.Transports) > 0 {
		t := w.r.cfg.Transports[0]
		w.addresses(name, t, defaultPort(t))
	}
}

// service: the transport is given, the port is not (RFC 3263 4.2).
func (w *walk) service(name, transport string) {
	w.srv(prefixes[transport]+name, transport)
	if len(w.out) == 0 {
		w.addresses(name, transport, defaultPort(transport))
	}
}

// srv adds the targets of a service (RFC 2782).
func (w *walk) srv(name, transport string) {
	var found []*dns.SRV
	for _, rr := range w.records(name, dns.TypeSRV) {
		// "." as the only target: decidedly not available here.
		if s, ok := rr.(*dns.SRV); ok && s.Target != "." && s.Port != 0 && len(found) < maxSRV {
			found = append(found, s)
		}
	}
	for _, s := range order(found, w.r.cfg.Rand) {
		w.addresses(dns.CanonicalName(s.Target), transport, s.Port)
	}
}

// order is RFC 2782's: lowest priority first; within one, drawn by weight, those
// of weight 0 with a small chance.
func order(list []*dns.SRV, rand func() uint64) []*dns.SRV {
	list = slices.Clone(list)
	// Weight 0 first within a priority: the running sum then gives them the
	// chance of drawing exactly 0. Names settle the rest: same draws, same order.
	slices.SortFunc(list, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight), strings.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
	})
	for i := 0; i < len(list); {
		end := i
		sum := uint64(0)
		for end < len(list) && list[end].Priority == list[i].Priority {
			sum += uint64(list[end].Weight)
			end++
		}
		for ; i < end-1; i++ {
			draw := uint64(0)
			if rand != nil {
				draw = rand() % (sum + 1)
			}
			running := uint64(0)
			for j := i; j < end; j++ {
				if running += uint64(list[j].Weight); running >= draw {
					s := list[j]
					copy(list[i+1:j+1], list[i:j])
					list[i] = s
					sum -= uint64(s.Weight)
					break
				}
			}
		}
		i = end
	}
	return list
}

func (w *walk) addresses(name, transport string, port uint16) {
	add := func(a netip.Addr) {
		a = a.Unmap()
		t := Target{transport, netip.AddrPortFrom(a, port)}
		if a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && len(w.out) < maxTargets &&
			w.r.cfg.Reachable(transport, t.Addr.Addr()) && !slices.Contains(w.out, t) {
			w.out = append(w.out, t)
		}
	}
	if h, ok := w.r.cfg.DNS.(Hosts); ok {
		if addrs, ok := h.Host(name); ok {
			for _, a := range addrs {
				add(a)
			}
			return
		}
	}
	for _, rr := range w.records(name, dns.TypeA) {
		if a, ok := rr.(*dns.A); ok {
			if ip, ok := netip.AddrFromSlice(a.A); ok {
				add(ip)
			}
		}
	}
	for _, rr := range w.records(name, dns.TypeAAAA) {
		if a, ok := rr.(*dns.AAAA); ok {
			if ip, ok := netip.AddrFromSlice(a.AAAA); ok {
				add(ip)
			}
		}
	}
}
