package sip

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/centrala/centrala/pkg/sip/resolve"
)

// packetConn is the part of net.UDPConn that a UDP listener uses.
type packetConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	Close() error
}

// network is where sockets come from. Tests put one in memory here.
type network interface {
	// only6: an IPv6 socket on all addresses does not take IPv4.
	listenUDP(addr netip.AddrPort, only6 bool) (packetConn, netip.AddrPort, error)
	listenTCP(addr netip.AddrPort, only6 bool) (net.Listener, netip.AddrPort, error)
	dialTCP(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
	// names answers for host names; called once.
	names() resolve.DNS
	// localFor is the local address the system would send from to addr.
	localFor(addr netip.AddrPort) (netip.Addr, bool)
}

// osNetwork is the system's.
type osNetwork struct{}

// udpBuffer is asked of the kernel in each direction: 4 MiB take two seconds of
// 250 calls a second while the process is stopped by the scheduler.
const udpBuffer = 4 << 20

func (osNetwork) listenUDP(addr netip.AddrPort, only6 bool) (packetConn, netip.AddrPort, error) {
	c, err := net.ListenUDP(family("udp", addr, only6), net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, addr, err
	}
	// Less than asked is worse under bursts, no reason to refuse to start.
	_ = c.SetReadBuffer(udpBuffer)
	_ = c.SetWriteBuffer(udpBuffer)
	u, err := newUDPConn(c)
	if err != nil {
		_ = c.Close()
		return nil, addr, err
	}
	return u, c.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

// family is the network for package net, which would bind 0.0.0.0 as a dual
// stack socket without "4", and sets IPV6_V6ONLY for "6".
func family(proto string, addr netip.AddrPort, only6 bool) string {
	switch {
	case addr.Addr().Is4():
		return proto + "4"
	case only6:
		return proto + "6"
	}
	return proto
}

func (osNetwork) listenTCP(addr netip.AddrPort, only6 bool) (net.Listener, netip.AddrPort, error) {
	l, err := net.ListenTCP(family("tcp", addr, only6), net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return nil, addr, err
	}
	return l, l.Addr().(*net.TCPAddr).AddrPort(), nil
}

func (osNetwork) dialTCP(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	return d.DialContext(ctx, "tcp", addr.String())
}

func (osNetwork) names() resolve.DNS { return resolve.NewSystem("", "") }

func (osNetwork) localFor(addr netip.AddrPort) (netip.Addr, bool) {
	// Connecting a UDP socket sends nothing; it only asks the routing table.
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return netip.Addr{}, false
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), true
}

// addrOf is the address of a net.Addr, without the form that IPv4 takes on an
// IPv6 socket.
func addrOf(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	default:
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return unmap(ap)
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
