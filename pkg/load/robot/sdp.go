package robot

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Law is a G.711 law; its value is the static RTP payload type (RFC 3551 6).
type Law uint8

const (
	PCMU Law = 0
	PCMA Law = 8
)

// String returns the name used in SDP.
func (l Law) String() string {
	if l == PCMA {
		return "PCMA"
	}
	return "PCMU"
}

// Direction is the SDP direction attribute (RFC 3264 5.1).
type Direction string

const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

func (d Direction) reverse() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	}
	return d
}

// Description is what the robot reads of a peer's SDP.
type Description struct {
	Addr      netip.AddrPort // of the audio stream; port 0 = refused
	Direction Direction
	Laws      []Law // in the peer's order
	EventPT   uint8 // telephone-event, 0 = none
	HeldByIP  bool  // c=0.0.0.0, the hold of RFC 2543
}

// ParseSDP reads connection, direction and codecs of the first audio stream.
func ParseSDP(b []byte) (Description, error) {
	d := Description{Direction: SendRecv}
	var ip netip.Addr
	var port uint64
	inAudio, seenMedia := false, false
	for line := range strings.SplitSeq(string(b), "\n") {
		line = strings.TrimRight(line, "\r")
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		v := line[2:]
		switch line[0] {
		case 'm':
			f := strings.Fields(v)
			inAudio = !seenMedia && len(f) >= 4 && f[0] == "audio" // the first audio stream alone
			if inAudio {
				seenMedia = true
				p, err := strconv.ParseUint(f[1], 10, 16)
				if err != nil {
					return d, fmt.Errorf("robot: sdp: port %q", f[1])
				}
				port = p
				for _, pt := range f[3:] {
					switch pt {
					case "0":
						d.Laws = append(d.Laws, PCMU)
					case "8":
						d.Laws = append(d.Laws, PCMA)
					}
				}
			}
		case 'c':
			if seenMedia && !inAudio {
				continue
			}
			f := strings.Fields(v)
			if len(f) != 3 {
				return d, fmt.Errorf("robot: sdp: connection %q", v)
			}
			a, err := netip.ParseAddr(f[2])
			if err != nil {
				return d, fmt.Errorf("robot: sdp: address %q", f[2])
			}
			ip = a
		case 'a':
			if seenMedia && !inAudio {
				continue
			}
			switch Direction(v) {
			case SendRecv, SendOnly, RecvOnly, Inactive:
				d.Direction = Direction(v)
			}
			if m, ok := strings.CutPrefix(v, "rtpmap:"); ok && inAudio {
				pt, name, _ := strings.Cut(m, " ")
				if n, err := strconv.ParseUint(pt, 10, 7); err == nil && strings.EqualFold(name, "telephone-event/8000") {
					d.EventPT = uint8(n)
				}
			}
		}
	}
	if !seenMedia {
		return d, fmt.Errorf("robot: sdp: no audio stream in %q", b)
	}
	if !ip.IsValid() {
		return d, fmt.Errorf("robot: sdp: no connection address in %q", b)
	}
	d.HeldByIP = ip.IsUnspecified()
	d.Addr = netip.AddrPortFrom(ip, uint16(port))
	return d, nil
}

// writeSDP appends an offer or answer of ours. zero writes c=0.0.0.0.
func writeSDP(b []byte, id, version uint64, addr netip.AddrPort, laws []Law, eventPT uint8, dir Direction, zero bool) []byte {
	ip := addr.Addr().String()
	conn := ip
	if zero {
		conn = "0.0.0.0"
	}
	b = append(b, "v=0\r\no=robot "...)
	b = strconv.AppendUint(b, id, 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, version, 10)
	b = append(b, " IN IP4 "...)
	b = append(b, ip...)
	b = append(b, "\r\ns=-\r\nc=IN IP4 "...)
	b = append(b, conn...)
	b = append(b, "\r\nt=0 0\r\nm=audio "...)
	b = strconv.AppendUint(b, uint64(addr.Port()), 10)
	b = append(b, " RTP/AVP"...)
	for _, l := range laws {
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(l), 10)
	}
	if eventPT != 0 {
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(eventPT), 10)
	}
	b = append(b, "\r\n"...)
	for _, l := range laws {
		b = append(b, "a=rtpmap:"...)
		b = strconv.AppendUint(b, uint64(l), 10)
		b = append(b, ' ')
		b = append(b, l.String()...)
		b = append(b, "/8000\r\n"...)
	}
	if eventPT != 0 {
		b = append(b, "a=rtpmap:"...)
		b = strconv.AppendUint(b, uint64(eventPT), 10)
		b = append(b, " telephone-event/8000\r\na=fmtp:"...)
		b = strconv.AppendUint(b, uint64(eventPT), 10)
		b = append(b, " 0-15\r\n"...)
	}
	b = append(b, "a=ptime:20\r\na="...)
	b = append(b, dir...)
	return append(b, "\r\n"...)
}
