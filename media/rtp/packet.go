// Package rtp is the pure part of RTP and RTCP (RFC 3550): reading and writing
// headers, one outgoing line of sequence numbers and timestamps, receive
// statistics, reports. It does no I/O, takes time as an argument, draws no
// randomness and starts no goroutine; a value has one owner.
//
// The header reader is our own because it runs 50 times a second for each leg:
// pion/rtp's Header allocates for CSRCs and extensions, which any peer may send
// with every packet. Tests and fuzzing hold ours against pion/rtp.
package rtp

import (
	"encoding/binary"
	"errors"
)

// HeaderSize is the fixed RTP header in bytes (RFC 3550 5.1), all that we send.
const HeaderSize = 12

// Errors of Parse. They are counted, never shown to the peer.
var (
	ErrShort   = errors.New("rtp: packet too short")
	ErrVersion = errors.New("rtp: version is not 2")
	ErrPadding = errors.New("rtp: padding exceeds the payload")
)

// Packet is what is read of one RTP packet. The payload is buffer[Off:End].
type Packet struct {
	Seq    uint16
	TS     uint32
	SSRC   uint32
	Off    int // first byte of the payload, >= HeaderSize
	End    int // end of the payload, padding cut off
	PT     uint8
	Marker bool
}

// Parse reads the header of b into p. CSRCs and header extensions are skipped:
// none of them is negotiated by us.
func Parse(b []byte, p *Packet) error {
	if len(b) < HeaderSize {
		return ErrShort
	}
	if b[0]>>6 != 2 {
		return ErrVersion
	}
	off, end := HeaderSize+4*int(b[0]&0x0F), len(b)
	if b[0]&0x10 != 0 { // RFC 3550 5.3.1: one extension, its length in words
		if off+4 > end {
			return ErrShort
		}
		off += 4 + 4*int(binary.BigEndian.Uint16(b[off+2:]))
	}
	if off > end {
		return ErrShort
	}
	if b[0]&0x20 != 0 { // RFC 3550 5.1: the last byte counts the padding, itself included
		if off == end {
			return ErrPadding
		}
		pad := int(b[end-1])
		if pad == 0 || pad > end-off {
			return ErrPadding
		}
		end -= pad
	}
	p.Marker, p.PT = b[1]&0x80 != 0, b[1]&0x7F
	p.Seq = binary.BigEndian.Uint16(b[2:])
	p.TS = binary.BigEndian.Uint32(b[4:])
	p.SSRC = binary.BigEndian.Uint32(b[8:])
	p.Off, p.End = off, end
	return nil
}

// Stamp is where a packet stands on the outgoing line of a leg.
type Stamp struct {
	SSRC   uint32
	TS     uint32
	Seq    uint16
	Marker bool
}

// PutHeader writes a plain 12-byte header into b, which must hold HeaderSize
// bytes: version 2, no padding, no extension, no CSRC.
func PutHeader(b []byte, pt uint8, s Stamp) {
	_ = b[HeaderSize-1]
	b[0] = 2 << 6
	b[1] = pt & 0x7F
	if s.Marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], s.Seq)
	binary.BigEndian.PutUint32(b[4:], s.TS)
	binary.BigEndian.PutUint32(b[8:], s.SSRC)
}

// IsRTCP tells RTCP from RTP when both share a port (RFC 5761 4: packet types
// 192-223 stand where RTP has marker and payload types 64-95).
func IsRTCP(b []byte) bool {
	return len(b) >= 8 && b[0]>>6 == 2 && b[1] >= 192 && b[1] <= 223
}
