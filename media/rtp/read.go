package rtp

import (
	"encoding/binary"
	"errors"
)

// Remote is what a peer's compound packet told about us and about itself. All of it
// is the peer's word: any value may be there.
type Remote struct {
	SSRC    uint32 // of the one who reports
	SR      bool   // its sender report was there
	SRSSRC  uint32 // whose
	MidNTP  uint32 // the middle 32 bits of its NTP time: our next LSR
	RR      bool   // a block about our SSRC was there
	Lost    int32  // cumulative packets of ours that the peer missed, 24 bits
	Highest uint32 // highest sequence number of ours that it has seen, extended
	Jitter  uint32 // timestamp ticks
	LSR     uint32
	DLSR    uint32

	Fraction uint8
	Bye      bool // it says that it leaves

	// XR (RFC 3611).
	RRT    bool   // a receiver reference time was there (4.4)
	RRTMid uint32 // the middle 32 bits of it: our next LRR
	DLRR   bool   // an answer to a reference time of ours was there (4.5)
	LRR    uint32
	DelLRR uint32
	VoIP   bool // metrics about our stream were there (4.7)
	Voice  VoIP
}

// Errors of ParseReport. They are counted, never shown to the peer.
var (
	// ErrRTCP is wrapped by the others.
	ErrRTCP       = errors.New("rtp: bad RTCP")
	errNoReport   = rtcpError("does not begin with a report")
	errRTCPLength = rtcpError("lengths do not add up")
)

type rtcpError string

func (e rtcpError) Error() string { return ErrRTCP.Error() + ": " + string(e) }
func (e rtcpError) Unwrap() error { return ErrRTCP }

const (
	reportHead = 8  // header and SSRC
	senderInfo = 20 // RFC 3550 6.4.1
	blockSize  = 24
)

// ParseReport reads a compound packet for the stream ssrc of ours (RFC 3550 6.1,
// A.2). Packets of other types inside are passed over; of two blocks about us the
// last counts. It allocates nothing and takes no longer than b is.
func ParseReport(b []byte, ssrc uint32) (r Remote, err error) {
	if len(b) < reportHead || b[0]>>6 != 2 || b[1] != typeSR && b[1] != typeRR {
		return r, errNoReport
	}
	be := binary.BigEndian
	r.SSRC = be.Uint32(b[4:])
	for len(b) > 0 {
		if len(b) < 4 || b[0]>>6 != 2 {
			return Remote{}, errRTCPLength
		}
		size := 4 + 4*int(be.Uint16(b[2:]))
		if size > len(b) {
			return Remote{}, errRTCPLength
		}
		p, count, kind := b[:size], int(b[0]&0x1F), b[1]
		if p[0]&0x20 != 0 { // padding, on the last packet alone (A.2)
			pad := int(p[size-1])
			if size != len(b) || pad == 0 || pad%4 != 0 || pad > size-4 {
				return Remote{}, errRTCPLength
			}
			p = p[:size-pad]
		}
		b = b[size:]
		ok := true
		switch kind {
		case typeSR:
			ok = len(p) >= reportHead+senderInfo+count*blockSize
			if ok {
				r.SR, r.SRSSRC, r.MidNTP = true, be.Uint32(p[4:]), uint32(be.Uint64(p[8:])>>16)
				r.blocks(p[reportHead+senderInfo:], count, ssrc)
			}
		case typeRR:
			ok = len(p) >= reportHead+count*blockSize
			if ok {
				r.blocks(p[reportHead:], count, ssrc)
			}
		case typeBYE:
			ok = len(p) >= 4+4*count
			for i := range count {
				r.Bye = r.Bye || ok && be.Uint32(p[4+4*i:]) == r.SSRC
			}
		case typeXR:
			ok = len(p) >= reportHead && r.extended(p[reportHead:], ssrc)
		}
		if !ok {
			return Remote{}, errRTCPLength
		}
	}
	return r, nil
}

// blocks reads n report blocks.
func (r *Remote) blocks(b []byte, n int, ssrc uint32) {
	be := binary.BigEndian
	for ; n > 0; n, b = n-1, b[blockSize:] {
		if be.Uint32(b) != ssrc {
			continue
		}
		r.RR, r.Fraction = true, b[4]
		r.Lost = int32(be.Uint32(b[4:])<<8) >> 8 // 24 bits, signed
		r.Highest, r.Jitter = be.Uint32(b[8:]), be.Uint32(b[12:])
		r.LSR, r.DLSR = be.Uint32(b[16:]), be.Uint32(b[20:])
	}
}
