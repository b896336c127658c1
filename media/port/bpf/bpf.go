// Package bpf forwards RTP inside the kernel: a program at the entry of the
// network interfaces (TC, eBPF) takes the packets of open flows, gives them new
// addresses and a new RTP header, and sends them on, without waking anybody. Whoever
// records gets a copy of each payload through memory shared with the kernel.
//
// It knows no calls and no legs. It decides nothing: a packet is taken only when it
// is byte for byte the one expected next, and every other goes to its socket. Rights
// are needed (CAP_BPF and CAP_NET_ADMIN, Linux 6.6 for TCX); Open tells when
// they are not there. IPv4 only; other packets never match a flow.
//
// It starts no goroutine. A Table may be used by several; a Flow and a Ring have
// one owner each.
package bpf

import "errors"

// ErrUnsupported is wrapped by Open's error when this system or its rights do not
// allow it.
var ErrUnsupported = errors.New("media: forwarding in the kernel is not possible here")

// Record is a copy of one packet that the kernel has forwarded. Payload is valid
// until the function that got it returns.
type Record struct {
	Port    uint16 // of ours, where it came in
	SSRC    uint32
	TS      uint32
	At      int64 // when it came, as Now tells it
	Payload []byte
}
