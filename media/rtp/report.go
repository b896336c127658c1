package rtp

import (
	"encoding/binary"
	"time"
)

// RTCP packet types (RFC 3550 12.1).
const (
	typeSR   = 200
	typeRR   = 201
	typeSDES = 202
	typeBYE  = 203
	typeXR   = 207 // RFC 3611 2
)

// MaxReport is the most bytes that AppendReport and AppendXR add together: SR with
// one block, SDES with a CNAME of up to 32 bytes, BYE, XR.
const MaxReport = 28 + 24 + 44 + 8 + MaxXR

// Sender is what a sender report tells of us (RFC 3550 6.4.1).
type Sender struct {
	SSRC    uint32
	CNAME   string // at most 32 bytes
	Active  bool   // RTP was sent since the report before the last: SR, else RR
	NTP     uint64
	TS      uint32 // RTP timestamp of the moment NTP
	Packets uint32
	Octets  uint32
}

// AppendReport appends a compound packet: SR or RR with at most one block, SDES
// with the CNAME, and BYE when the leg ends (RFC 3550 6.1). It allocates only
// what dst lacks; keep MaxReport bytes ready.
func AppendReport(dst []byte, s Sender, block Block, has, bye bool) []byte {
	be := binary.BigEndian
	count, words := byte(0), 1
	if has {
		count, words = 1, 7
	}
	if s.Active {
		dst = append(dst, 2<<6|count, typeSR)
		dst = be.AppendUint16(dst, uint16(words+5))
		dst = be.AppendUint32(dst, s.SSRC)
		dst = be.AppendUint64(dst, s.NTP)
		dst = be.AppendUint32(dst, s.TS)
		dst = be.AppendUint32(dst, s.Packets)
		dst = be.AppendUint32(dst, s.Octets)
	} else {
		dst = append(dst, 2<<6|count, typeRR)
		dst = be.AppendUint16(dst, uint16(words))
		dst = be.AppendUint32(dst, s.SSRC)
	}
	if has {
		dst = be.AppendUint32(dst, block.SSRC)
		dst = be.AppendUint32(dst, uint32(block.FractionLost)<<24|uint32(block.Lost)&0xFFFFFF)
		dst = be.AppendUint32(dst, block.HighestSeq)
		dst = be.AppendUint32(dst, block.Jitter)
		dst = be.AppendUint32(dst, block.LSR)
		dst = be.AppendUint32(dst, block.DLSR)
	}
	cname := s.CNAME[:min(len(s.CNAME), 32)]
	// The item list ends with one to four zero bytes (6.5).
	pad := 4 - (2+len(cname))%4
	dst = append(dst, 2<<6|1, typeSDES)
	dst = be.AppendUint16(dst, uint16((4+2+len(cname)+pad)/4))
	dst = be.AppendUint32(dst, s.SSRC)
	dst = append(dst, 1, byte(len(cname)))
	dst = append(dst, cname...)
	dst = append(dst, 0, 0, 0, 0)[:len(dst)+pad]
	if bye {
		dst = append(dst, 2<<6|1, typeBYE, 0, 1)
		dst = be.AppendUint32(dst, s.SSRC)
	}
	return dst
}

// NTP is t as a 64-bit NTP timestamp (RFC 3550 4).
func NTP(t time.Time) uint64 {
	const since1900 = 2208988800 // seconds from 1900 to 1970
	sec := uint64(t.Unix()) + since1900
	frac := uint64(t.Nanosecond()) << 32 / uint64(time.Second)
	return sec<<32 | frac
}

// RTT is the round trip told by a block that arrived at now (RFC 3550 6.4.1,
// figure 2). ok is false when the peer had no report of ours or the values
// cannot be true (more than 30 s).
func RTT(now time.Time, lsr, dlsr uint32) (rtt time.Duration, ok bool) {
	if lsr == 0 {
		return 0, false
	}
	d := int32(uint32(NTP(now)>>16) - lsr - dlsr) // in 1/65536 s
	if d < 0 || d > 30<<16 {
		return 0, false
	}
	return time.Duration(d) * time.Second >> 16, true
}

// Delay is a duration in the units of DLSR, 1/65536 s, at most 18 hours.
func Delay(d time.Duration) uint32 {
	return uint32(min(max(d, 0), 18*time.Hour) * 65536 / time.Second)
}
