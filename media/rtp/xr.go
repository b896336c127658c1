package rtp

import "encoding/binary"

// XR block types (RFC 3611 4).
const (
	xrReference = 4
	xrDLRR      = 5
	xrVoIP      = 7
)

// NotTold is what VoIP fields hold that a reporter cannot tell (RFC 3611 4.7).
const NotTold = 127

// VoIP is the VoIP metrics block (RFC 3611 4.7) without its SSRC. Rates are of
// 256, times in ms, levels in dBm0, MOS times 10. SignalLevel, NoiseLevel, EchoReturn,
// R, ExternalR, MOSLQ and MOSCQ may be NotTold.
type VoIP struct {
	LossRate, DiscardRate      uint8
	BurstDensity, GapDensity   uint8
	BurstMs, GapMs             uint16
	RoundTripMs, EndSystemMs   uint16
	SignalLevel, NoiseLevel    int8
	EchoReturn, Gmin           uint8
	R, ExternalR, MOSLQ, MOSCQ uint8
	RXConfig                   uint8 // 4.7.6: concealment, buffer adaptive, rate
	BufferMs, BufferMaxMs      uint16
	BufferAbsMaxMs             uint16
}

const voipSize = 36

// MaxXR is the most bytes that AppendXR adds.
const MaxXR = 8 + 12 + 16 + voipSize

// XR is what an extended report of ours carries (RFC 3611 2).
type XR struct {
	SSRC uint32 // ours
	// Reference asks the peer for a DLRR: NTP is our time (4.4). For those who
	// send no RTP and so get no round trip from reports.
	Reference bool
	NTP       uint64
	// DLRR answers Asker's reference time (4.5).
	DLRR        bool
	Asker       uint32
	LRR, DelLRR uint32
	// VoIP tells of the stream Heard that we receive (4.7).
	VoIP  bool
	Heard uint32
	Voice VoIP
}

// AppendXR appends an XR packet, to stand behind a report in a compound packet.
// With nothing to tell it appends nothing.
func AppendXR(dst []byte, x XR) []byte {
	words := 1
	if x.Reference {
		words += 3
	}
	if x.DLRR {
		words += 4
	}
	if x.VoIP {
		words += voipSize / 4
	}
	if words == 1 {
		return dst
	}
	be := binary.BigEndian
	dst = append(dst, 2<<6, typeXR)
	dst = be.AppendUint16(dst, uint16(words))
	dst = be.AppendUint32(dst, x.SSRC)
	if x.Reference {
		dst = append(dst, xrReference, 0, 0, 2)
		dst = be.AppendUint64(dst, x.NTP)
	}
	if x.DLRR {
		dst = append(dst, xrDLRR, 0, 0, 3)
		dst = be.AppendUint32(dst, x.Asker)
		dst = be.AppendUint32(dst, x.LRR)
		dst = be.AppendUint32(dst, x.DelLRR)
	}
	if x.VoIP {
		v := &x.Voice
		dst = append(dst, xrVoIP, 0, 0, voipSize/4-1)
		dst = be.AppendUint32(dst, x.Heard)
		dst = append(dst, v.LossRate, v.DiscardRate, v.BurstDensity, v.GapDensity)
		for _, ms := range [...]uint16{v.BurstMs, v.GapMs, v.RoundTripMs, v.EndSystemMs} {
			dst = be.AppendUint16(dst, ms)
		}
		dst = append(dst, byte(v.SignalLevel), byte(v.NoiseLevel), v.EchoReturn, v.Gmin, v.R, v.ExternalR, v.MOSLQ, v.MOSCQ, v.RXConfig, 0)
		for _, ms := range [...]uint16{v.BufferMs, v.BufferMaxMs, v.BufferAbsMaxMs} {
			dst = be.AppendUint16(dst, ms)
		}
	}
	return dst
}

// extended reads the blocks of an XR packet; others than ours to read are passed
// over. False when their lengths do not add up.
func (r *Remote) extended(b []byte, ssrc uint32) bool {
	be := binary.BigEndian
	for len(b) > 0 {
		if len(b) < 4 {
			return false
		}
		size := 4 + 4*int(be.Uint16(b[2:]))
		if size > len(b) {
			return false
		}
		x := b[:size]
		b = b[size:]
		switch x[0] {
		case xrReference:
			if size != 12 {
				return false
			}
			r.RRT, r.RRTMid = true, uint32(be.Uint64(x[4:])>>16)
		case xrDLRR:
			if (size-4)%12 != 0 {
				return false
			}
			for x = x[4:]; len(x) > 0; x = x[12:] {
				if be.Uint32(x) == ssrc {
					r.DLRR, r.LRR, r.DelLRR = true, be.Uint32(x[4:]), be.Uint32(x[8:])
				}
			}
		case xrVoIP:
			if size != voipSize {
				return false
			}
			if be.Uint32(x[4:]) == ssrc {
				r.VoIP, r.Voice = true, readVoIP(x[8:])
			}
		}
	}
	return true
}

func readVoIP(b []byte) VoIP {
	ms := binary.BigEndian.Uint16
	return VoIP{
		LossRate: b[0], DiscardRate: b[1], BurstDensity: b[2], GapDensity: b[3],
		BurstMs: ms(b[4:]), GapMs: ms(b[6:]), RoundTripMs: ms(b[8:]), EndSystemMs: ms(b[10:]),
		SignalLevel: int8(b[12]), NoiseLevel: int8(b[13]), EchoReturn: b[14], Gmin: b[15],
		R: b[16], ExternalR: b[17], MOSLQ: b[18], MOSCQ: b[19], RXConfig: b[20],
		BufferMs: ms(b[22:]), BufferMaxMs: ms(b[24:]), BufferAbsMaxMs: ms(b[26:]),
	}
}
