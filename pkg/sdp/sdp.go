// Package sdp is offer and answer (RFC 3264) for one audio stream as pure
// functions. It opens no port and holds no session: the caller keeps its own
// Local and the version that rises with it.
//
// It has its own reader, not pion/sdp's: that one keeps attributes as text to be
// parsed a second time, refuses what phones send (a missing t= or s=, m=image of
// fax) and has no bounds before it allocates. Tests check that pion/sdp reads
// what we write.
package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Bounds on what a stranger may send.
const (
	maxBytes  = 64 << 10
	maxLines  = 2048
	maxMedia  = 16
	maxCodecs = 64
	// Of one m= line; a browser with many networks has some 40 candidates.
	maxAttributes = 512
	maxCandidates = 128
	maxMore       = 3
)

// Faults of a description or of a negotiation. Parse's errors wrap ErrSyntax,
// ErrTooLarge or ErrHostName.
var (
	ErrSyntax        = errors.New("sdp: malformed")
	ErrTooLarge      = errors.New("sdp: too large")
	ErrHostName      = errors.New("sdp: host name in c= or a=rtcp; want an address")
	ErrNoAudio       = errors.New("sdp: no audio stream")
	ErrNoCommonCodec = errors.New("sdp: no common codec")
	ErrFamily        = errors.New("sdp: the peer's address is of another family than ours")
)

// Codec is one payload format (RFC 3264 5.1).
type Codec struct {
	Name        string // upper case; "telephone-event" and "opus" in lower case
	ClockRate   int    // Hz
	Channels    int    // 1 unless told
	Fmtp        string // format parameters, "" none
	PayloadType uint8  // 0..127
}

// eventName is RFC 4733's encoding name.
const eventName = "telephone-event"

// The formats that we speak.
var (
	CodecPCMU = Codec{Name: "PCMU", ClockRate: 8000, Channels: 1, PayloadType: 0}
	CodecPCMA = Codec{Name: "PCMA", ClockRate: 8000, Channels: 1, PayloadType: 8}
	// CodecG722 has a clock of 8 kHz by an old error (RFC 3551 4.5.2).
	CodecG722 = Codec{Name: "G722", ClockRate: 8000, Channels: 1, PayloadType: 9}
	// CodecOpus says two channels whatever it carries (RFC 7587 7); we receive any
	// and can use the copies of lost frames.
	CodecOpus = Codec{Name: opusName, ClockRate: 48000, Channels: 2, PayloadType: 111, Fmtp: "minptime=10;useinbandfec=1"}
)

const opusName = "opus"

// TelephoneEvent is RFC 4733 at 8 kHz with the payload type pt (96..127, usually
// 101), for the 16 keys.
func TelephoneEvent(pt uint8) Codec { return TelephoneEventAt(pt, 8000) }

// TelephoneEventAt is TelephoneEvent at another clock, in Hz: that of the codec it
// goes with.
func TelephoneEventAt(pt uint8, hz int) Codec {
	return Codec{Name: eventName, ClockRate: hz, Channels: 1, Fmtp: "0-15", PayloadType: pt}
}

// Param is a parameter of Fmtp ("a=1;b=2"), as a number; fallback when it is not
// there or no number.
func (c Codec) Param(name string, fallback int) int {
	for rest := c.Fmtp; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, ";")
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
				return n
			}
		}
	}
	return fallback
}

// IsEvent reports whether c is telephone-event.
func (c Codec) IsEvent() bool { return c.Name == eventName }

// same says that two codecs are one format; Fmtp decides nothing for those we know.
func (c Codec) same(o Codec) bool {
	return c.Name == o.Name && c.ClockRate == o.ClockRate && c.Channels == o.Channels
}

// static payload types without need of rtpmap (RFC 3551 6, table 4).
var static = map[uint8]Codec{
	0:  CodecPCMU,
	3:  {Name: "GSM", ClockRate: 8000, Channels: 1, PayloadType: 3},
	4:  {Name: "G723", ClockRate: 8000, Channels: 1, PayloadType: 4},
	5:  {Name: "DVI4", ClockRate: 8000, Channels: 1, PayloadType: 5},
	6:  {Name: "DVI4", ClockRate: 16000, Channels: 1, PayloadType: 6},
	7:  {Name: "LPC", ClockRate: 8000, Channels: 1, PayloadType: 7},
	8:  CodecPCMA,
	9:  {Name: "G722", ClockRate: 8000, Channels: 1, PayloadType: 9}, // 8 kHz by an old error, RFC 3551 4.5.2
	10: {Name: "L16", ClockRate: 44100, Channels: 2, PayloadType: 10},
	11: {Name: "L16", ClockRate: 44100, Channels: 1, PayloadType: 11},
	12: {Name: "QCELP", ClockRate: 8000, Channels: 1, PayloadType: 12},
	13: {Name: "CN", ClockRate: 8000, Channels: 1, PayloadType: 13},
	14: {Name: "MPA", ClockRate: 90000, Channels: 1, PayloadType: 14},
	15: {Name: "G728", ClockRate: 8000, Channels: 1, PayloadType: 15},
	16: {Name: "DVI4", ClockRate: 11025, Channels: 1, PayloadType: 16},
	17: {Name: "DVI4", ClockRate: 22050, Channels: 1, PayloadType: 17},
	18: {Name: "G729", ClockRate: 8000, Channels: 1, PayloadType: 18},
}

// Direction of a stream as its describer sees it (RFC 3264 5.1).
type Direction uint8

// Directions; SendRecv is the default when none is told.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

var directionNames = [...]string{"sendrecv", "sendonly", "recvonly", "inactive"}

// String is the attribute's name.
func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return "unknown"
}

// Reverse is the direction as the other side sees it.
func (d Direction) Reverse() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	}
	return d
}

func (d Direction) sends() bool    { return d == SendRecv || d == SendOnly }
func (d Direction) receives() bool { return d == SendRecv || d == RecvOnly }

func direction(sends, receives bool) Direction {
	switch {
	case sends && receives:
		return SendRecv
	case sends:
		return SendOnly
	case receives:
		return RecvOnly
	}
	return Inactive
}

// Session is a parsed description. Plain data; it shares no memory with the input.
type Session struct {
	Origin    string   // value of o=
	SessionID string   // of o=
	Version   string   // of o=
	Audio     Media    // the first usable audio stream; zero when Index < 0
	Index     int      // of Audio among Lines, -1 none
	More      []Stream // further usable audio streams: some phones offer one with SRTP and one without
	Bundle    []string // of a=group:BUNDLE
	Lines     []Line   // every m= line, for the answer
	Time      string   // value of the first t=, which an answer repeats (RFC 3264 6)
}

// Stream is an audio stream and its place among Lines.
type Stream struct {
	Media
	Index int
}

// Line is an m= line as it came.
type Line struct {
	Kind    string // "audio", "video", "image" ...
	Port    int
	Proto   string
	Formats string // as written
	Mid     string // a=mid (RFC 5888), "" none
}

// Media is the audio stream.
type Media struct {
	Addr      netip.AddrPort // where the describer wants RTP; zero port: stream refused; 0.0.0.0 or ::: nowhere
	RTCP      netip.AddrPort // a=rtcp (RFC 3605), else the port above Addr's
	RTCPMux   bool           // a=rtcp-mux (RFC 5761)
	Direction Direction      // as the describer sees it; not changed by Held
	Held      bool           // c=0.0.0.0, the hold of RFC 2543
	Codecs    []Codec        // in order of preference; formats that nothing explains are left out
	PtimeMs   int            // a=ptime, 0 none
	MaxPtime  int            // a=maxptime in ms, 0 none
	Proto     string         // "RTP/AVP"
	XR        XR             // a=rtcp-xr
	Crypto    []Crypto       // a=crypto lines that we can read, in order
	ICE       ICE            // a=ice-ufrag and a=ice-pwd
	// Fingerprints are the SHA-256 ones of a=fingerprint, "AB:CD:...".
	Fingerprints []string
	Setup        string  // a=setup: "active", "passive", "actpass", "" none
	Mid          string  // a=mid
	Bare         []uint8 // payload types that neither rtpmap nor RFC 3551 explains
}

// Equal compares two streams.
func (m Media) Equal(o Media) bool {
	return slices.Equal(m.Codecs, o.Codecs) && slices.Equal(m.Bare, o.Bare) && m.Addr == o.Addr && m.RTCP == o.RTCP && m.RTCPMux == o.RTCPMux && m.Direction == o.Direction &&
		m.Held == o.Held && m.PtimeMs == o.PtimeMs && m.MaxPtime == o.MaxPtime && m.Proto == o.Proto
}

// syntax makes a fault of line n (from 1).
func syntax(n int, format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrSyntax, n, fmt.Sprintf(format, args...))
}

// field cuts s at its first blanks: RFC 8866 has one space, phones have more.
func field(s string) (head, rest string) {
	s = strings.TrimLeft(s, " \t")
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}
