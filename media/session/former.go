package session

import "net/netip"

// former is who has sent to a port in earlier calls. A phone that missed the end of
// its call goes on sending; when the next call's phone shares its IP (an office
// behind NAT) or is behind NAT itself, nothing else tells the two apart while that
// phone is still silent. It belongs to the leg that has the port, and is handed on
// with it.
type former struct {
	senders [8]stream
	next    int
}

// stream is one of them: a phone that is in the next call as well has a new SSRC.
type stream struct {
	addr netip.AddrPort
	ssrc uint32
}

// knows tells whether the stream is one of an earlier call.
func (f *former) knows(addr netip.AddrPort, ssrc uint32) bool {
	if f == nil {
		return false
	}
	s := stream{addr, ssrc}
	for i := range f.senders {
		if f.senders[i] == s {
			return true
		}
	}
	return false
}

// add remembers a stream; the oldest is forgotten.
func (f *former) add(addr netip.AddrPort, ssrc uint32) {
	if f == nil || f.knows(addr, ssrc) {
		return
	}
	f.senders[f.next] = stream{addr, ssrc}
	f.next = (f.next + 1) % len(f.senders)
}

// formerOf is the memory of a pair that the caller has taken.
func (e *Engine) formerOf(port uint16) *former {
	p := &e.formers[(port-e.cfg.PortMin)/2]
	if *p == nil {
		*p = &former{}
	}
	return *p
}
