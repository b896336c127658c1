package app

import (
	"net"
	"net/netip"
)

// maxHostAddrs bounds how many addresses a browser on this machine is offered: one
// works, and each is tried.
const maxHostAddrs = 4

// hostAddrs are the addresses of this machine that other machines could use.
func hostAddrs() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if ip = ip.Unmap(); ok && ip.IsGlobalUnicast() && len(out) < maxHostAddrs {
			out = append(out, ip)
		}
	}
	return out
}
