// Package outward is the way to services outside that tenants name: by HTTP, with
// every address looked at before it is connected, and everything bounded. It knows no
// flows and no calls, and starts no goroutine but those of net/http.
package outward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrForbidden: the address is not public, or the way to it plain, and it is not allowed.
var ErrForbidden = errors.New("outward: the address is inside, or the way to it is not TLS; see flows.allow in the node file")

// Guard says where connections may go: public addresses by TLS, and what is allowed
// besides. It never changes.
type Guard struct {
	prefixes []netip.Prefix
	hosts    map[string]bool
}

// NewGuard reads what is allowed although it is inside or plain: host names, addresses,
// and networks such as 10.0.0.0/8.
func NewGuard(allow []string) (*Guard, error) {
	g := &Guard{hosts: map[string]bool{}}
	for _, s := range allow {
		if p, err := netip.ParsePrefix(s); err == nil {
			g.prefixes = append(g.prefixes, p.Masked())
		} else if a, err := netip.ParseAddr(s); err == nil {
			g.prefixes = append(g.prefixes, netip.PrefixFrom(a, a.BitLen()))
		} else if s != "" && !strings.ContainsAny(s, "/: *@") {
			g.hosts[strings.ToLower(strings.TrimSuffix(s, "."))] = true
		} else {
			return nil, fmt.Errorf("%q: want a host name, an address or a network such as 10.0.0.0/8", s)
		}
	}
	return g, nil
}

// plain marks, in a context, a way without TLS.
type plain struct{}

// Plain marks ctx for a connection without TLS.
func Plain(ctx context.Context) context.Context { return context.WithValue(ctx, plain{}, true) }

// DialContext connects, and looks at each address that a name leads to before it does:
// a name may be made to lead inside, and a redirect too.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	named := g.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
	open, _ := ctx.Value(plain{}).(bool)
	d := net.Dialer{KeepAlive: 15 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if named || g.May(ap.Addr(), !open) {
			return nil
		}
		return ErrForbidden
	}}
	return d.DialContext(ctx, network, addr)
}

// May tells whether an address may be connected.
func (g *Guard) May(ip netip.Addr, tls bool) bool {
	ip = ip.Unmap().WithZone("")
	if slices.ContainsFunc(g.prefixes, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return true
	}
	return tls && Public(ip)
}

// inside are networks that Addr's own methods do not name (RFC 6890).
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"),
}

// Public tells whether an address is one of the open internet.
func Public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(ip) })
}
