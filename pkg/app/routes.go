package app

import (
	"net"
	"net/netip"
	"sync"
)

// testNet belongs to nobody (TEST-NET-1, RFC 5737): the route to it is the
// default route.
var testNet = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// routes tells which of this machine's addresses a peer is reached from, as the
// kernel's routing table has it. A machine with several networks, or a phone on
// the machine itself, then gets an address in SDP that it can send to and that
// our packets really come from.
type routes struct {
	mu    sync.Mutex
	known map[netip.Addr]netip.Addr
}

// maxRoutes bounds the memory that strangers' addresses can take; past it the
// table starts anew, which also follows a network that has changed.
const maxRoutes = 4096

func newRoutes() *routes { return &routes{known: map[netip.Addr]netip.Addr{}} }

// towards returns our address as peer sees it; loopback when there is no route.
func (r *routes) towards(peer netip.Addr) netip.Addr {
	peer = peer.Unmap()
	r.mu.Lock()
	defer r.mu.Unlock()
	if own, ok := r.known[peer]; ok {
		return own
	}
	if len(r.known) >= maxRoutes {
		clear(r.known)
	}
	own := lookUp(peer)
	r.known[peer] = own
	return own
}

// lookUp asks the routing table. No packet is sent: connecting a UDP socket
// only chooses its source address.
func lookUp(peer netip.Addr) netip.Addr {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if peer.Is6() {
		loopback = netip.IPv6Loopback()
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, 9)))
	if err != nil {
		return loopback // a machine without a network, such as a laptop on a train
	}
	defer c.Close()
	own, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return loopback
	}
	return own.Addr().Unmap()
}

// LocalAddress is the address under which phones on the network reach this
// machine, for hints to people.
func LocalAddress() string { return lookUp(testNet).String() }
