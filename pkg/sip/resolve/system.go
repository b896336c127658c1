package resolve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// System asks the servers of /etc/resolv.conf and knows /etc/hosts. Both files
// are read again when they change.
type System struct {
	conf, hosts string

	mu        sync.Mutex
	confAt    time.Time
	looked    time.Time
	servers   []string
	search    *dns.ClientConfig
	hostsAt   time.Time
	addresses map[string][]netip.Addr
}

// NewSystem makes a System of the usual files, or of others ("" = the usual).
func NewSystem(resolvConf, hosts string) *System {
	s := &System{conf: resolvConf, hosts: hosts}
	if s.conf == "" {
		s.conf = "/etc/resolv.conf"
	}
	if s.hosts == "" {
		s.hosts = "/etc/hosts"
	}
	return s
}

// refresh reads changed files, at most every five seconds. Under mu.
func (s *System) refresh() {
	now := time.Now()
	if now.Sub(s.looked) < 5*time.Second {
		return
	}
	s.looked = now
	if info, err := os.Stat(s.conf); err == nil && !info.ModTime().Equal(s.confAt) {
		if c, err := dns.ClientConfigFromFile(s.conf); err == nil {
			s.confAt, s.search, s.servers = info.ModTime(), c, nil
			for _, server := range c.Servers {
				s.servers = append(s.servers, net.JoinHostPort(server, c.Port))
			}
		}
	}
	if info, err := os.Stat(s.hosts); err == nil && !info.ModTime().Equal(s.hostsAt) {
		if f, err := os.Open(s.hosts); err == nil {
			s.hostsAt, s.addresses = info.ModTime(), readHosts(f)
			f.Close()
		}
	}
	if len(s.servers) == 0 {
		s.servers = []string{"127.0.0.1:53"} // resolv.conf(5): without one, the machine itself
	}
}

func readHosts(f io.Reader) map[string][]netip.Addr {
	out := map[string][]netip.Addr{}
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		line, _, _ := bytes.Cut(lines.Bytes(), []byte("#"))
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			continue
		}
		a, err := netip.ParseAddr(fields[0])
		if err != nil || a.Zone() != "" {
			continue
		}
		for _, name := range fields[1:] {
			key := dns.CanonicalName(name)
			out[key] = append(out[key], a)
		}
	}
	return out
}

// Host implements Hosts.
func (s *System) Host(name string) ([]netip.Addr, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	a, ok := s.addresses[dns.CanonicalName(name)]
	return a, ok
}

// Query implements DNS: each server once, then once more; a truncated answer is
// fetched over TCP. A name without a dot is also looked for in the search domains.
func (s *System) Query(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	s.mu.Lock()
	s.refresh()
	servers, names := s.servers, []string{name}
	if s.search != nil && (qtype == dns.TypeA || qtype == dns.TypeAAAA) && dns.CountLabel(name) == 1 {
		names = append(s.search.NameList(strings.TrimSuffix(name, ".")), name)
	}
	s.mu.Unlock()
	var last *dns.Msg
	for i, n := range names {
		m, err := exchange(ctx, servers, n, qtype)
		if err != nil {
			return nil, err
		}
		if last = m; len(m.Answer) > 0 || i == len(names)-1 {
			break
		}
	}
	// What was found under a search domain counts as the name's own.
	for _, rr := range last.Answer {
		if h := rr.Header(); h.Rrtype == qtype && len(names) > 1 {
			h.Name = name
		}
	}
	return last, nil
}

func exchange(ctx context.Context, servers []string, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	q.SetEdns0(1232, false) // DNS flag day 2020: fits every path without fragments
	var err error
	for range 2 {
		for _, server := range servers {
			c := dns.Client{Timeout: 1500 * time.Millisecond}
			var m *dns.Msg
			if m, _, err = c.ExchangeContext(ctx, q, server); err == nil && m.Truncated {
				c.Net = "tcp"
				m, _, err = c.ExchangeContext(ctx, q, server)
			}
			if err == nil && m.Rcode != dns.RcodeServerFailure && m.Rcode != dns.RcodeRefused {
				return m, nil
			}
			if err == nil {
				err = errors.New("dns server " + server + " says " + dns.RcodeToString[m.Rcode])
			}
			if ctx.Err() != nil {
				return nil, err
			}
		}
	}
	return nil, err
}
