package sdp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ErrProtection: the offer and what we may do about the protection of sound do not
// meet (488): SRTP where none may be, none where it must, no suite in common.
var ErrProtection = errors.New("sdp: no common protection of the stream")

// maxCrypto bounds the a=crypto lines kept of one stream.
const maxCrypto = 16

// Crypto is one a=crypto line (RFC 4568): a suite and the key of the side that
// wrote it. Printed, it does not show the key.
type Crypto struct {
	Tag   int    // 1..999999999; of ours in an offer the place, counted from 1
	Suite string // as written, "AES_CM_128_HMAC_SHA1_80"
	Key   []byte // master key and salt
	MKI   []byte // nil = none
}

// String hides the key.
func (c Crypto) String() string { return fmt.Sprintf("%d %s [secret]", c.Tag, c.Suite) }

// GoString hides the key.
func (c Crypto) GoString() string { return c.String() }

// SDES is what offer and answer agreed on.
type SDES struct {
	Suite         string
	Local, Remote []byte // master keys with salt: ours, the peer's
	RemoteMKI     []byte // in the peer's packets
}

// String hides the keys.
func (s SDES) String() string { return s.Suite + " [secret]" }

// GoString hides the keys.
func (s SDES) GoString() string { return s.String() }

// ICE is a side's credentials (RFC 8839 5.4); no Ufrag = no ICE.
type ICE struct{ Ufrag, Password string }

// Web is our side of a browser's stream: ICE-lite (RFC 8445), DTLS-SRTP (RFC 5763),
// RTCP on the same port.
type Web struct {
	ICE         ICE
	Fingerprint string // of our certificate, SHA-256
	SSRC        uint32 // of what we send (RFC 5576), 0 = not told
	CNAME       string
	Candidates  []netip.Addr // where Local.Addr's port is reached; the first is the best
	TCP         bool         // by TCP too (RFC 6544)
}

// DTLS is what offer and answer agreed on.
type DTLS struct {
	Fingerprints []string // of the peer's certificate, SHA-256
	Client       bool     // we begin the handshake
}

// Protection is the policy of a stream.
type Protection struct {
	// Crypto are the suites of SDES that we speak on it with our keys, best first;
	// empty = no SDES.
	Crypto []Crypto
	// Offer says so in our offer: RTP/SAVP.
	Offer bool
	// Required refuses a stream without SRTP.
	Required bool
}

// parseCrypto reads "1 SUITE inline:KEY|2^20|1:4 ..."; false for a line that we
// cannot do, which the answerer passes over (RFC 4568 7.1.2).
func parseCrypto(v string) (c Crypto, ok bool) {
	tag, rest := field(v)
	suite, rest := field(rest)
	params, session := field(rest)
	n, err := strconv.ParseUint(tag, 10, 32)
	if err != nil || n == 0 || len(tag) > 9 || suite == "" {
		return c, false
	}
	for session != "" {
		var p string
		p, session = field(session)
		switch {
		case p == "", strings.HasPrefix(p, "WSH="), p == "KDR=0", strings.HasPrefix(p, "-"):
		default: // another key derivation, unencrypted streams, what nobody knows: RFC 4568 6.3.7
			return c, false
		}
	}
	key, found := cutPrefixFold(params, "inline:")
	if !found || strings.Contains(key, ";") { // several keys
		return c, false
	}
	parts := strings.Split(key, "|")
	c = Crypto{Tag: int(n), Suite: suite}
	// Some leave the padding out.
	if c.Key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "=")); err != nil || len(c.Key) == 0 || len(c.Key) > 64 {
		return c, false
	}
	for _, p := range parts[1:] {
		value, length, isMKI := strings.Cut(p, ":")
		if !isMKI {
			continue // a lifetime: no call lasts 2^31 packets
		}
		id, err := strconv.ParseUint(value, 10, 64)
		size, err2 := strconv.ParseUint(length, 10, 8)
		if err != nil || err2 != nil || size == 0 || size > 16 {
			return c, false
		}
		c.MKI = make([]byte, size)
		for i := len(c.MKI) - 1; i >= 0; i-- {
			c.MKI[i] = byte(id)
			id >>= 8
		}
		if id != 0 {
			return c, false
		}
	}
	return c, true
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// protos we read: whether SRTP is said to be there, and whether by DTLS.
var protos = map[string]struct{ srtp, dtls bool }{
	"RTP/AVP":           {},
	"RTP/AVPF":          {}, // differs only in feedback that we never send
	"RTP/SAVP":          {srtp: true},
	"RTP/SAVPF":         {srtp: true}, // older browsers wrote it for DTLS too
	"UDP/TLS/RTP/SAVP":  {srtp: true, dtls: true},
	"UDP/TLS/RTP/SAVPF": {srtp: true, dtls: true},
	"TCP/TLS/RTP/SAVPF": {srtp: true, dtls: true}, // a browser whose default candidate is TCP
}

// web says that the stream is a browser's: DTLS-SRTP with ICE.
func (m *Media) web() bool {
	p := protos[m.Proto]
	return p.srtp && m.ICE.Ufrag != "" && len(m.Fingerprints) > 0 && (p.dtls || len(m.Crypto) == 0)
}

// IsWeb tells whether the description is a browser's: DTLS-SRTP with ICE.
func (s *Session) IsWeb() bool { return s != nil && s.Index >= 0 && s.Audio.web() }

// protect decides what protects a stream that the peer described; none of it when
// it is plain RTP.
func (l *Local) protect(m *Media, answering bool) (*SDES, *DTLS, Crypto, error) {
	var none Crypto
	if m.web() || l.Web != nil {
		if l.Web == nil || !m.web() {
			return nil, nil, none, ErrProtection
		}
		d := &DTLS{Fingerprints: m.Fingerprints, Client: m.Setup == "passive"}
		return nil, d, none, nil
	}
	p := protos[m.Proto]
	if p.dtls {
		return nil, nil, none, ErrProtection // DTLS without ICE
	}
	for _, theirs := range m.Crypto { // the offerer's order (RFC 4568 7.1.2)
		for _, ours := range l.Protection.Crypto {
			if !strings.EqualFold(ours.Suite, theirs.Suite) || len(ours.Key) != len(theirs.Key) || !answering && ours.Tag != theirs.Tag {
				continue
			}
			line := Crypto{Tag: theirs.Tag, Suite: theirs.Suite, Key: ours.Key}
			return &SDES{Suite: theirs.Suite, Local: ours.Key, Remote: theirs.Key, RemoteMKI: theirs.MKI}, nil, line, nil
		}
	}
	if p.srtp || l.Protection.Required {
		return nil, nil, none, ErrProtection
	}
	return nil, nil, none, nil
}

// appendCrypto writes a=crypto.
func appendCrypto(b []byte, c Crypto) []byte {
	b = append(b, "a=crypto:"...)
	b = strconv.AppendInt(b, int64(c.Tag), 10)
	b = append(b, ' ')
	b = append(b, c.Suite...)
	b = append(b, " inline:"...)
	b = base64.StdEncoding.AppendEncode(b, c.Key)
	return append(b, "\r\n"...)
}

// appendWeb writes what ICE and DTLS need in the stream.
func appendWeb(b []byte, l *Local, mid, setup string) []byte {
	w := l.Web
	line := func(parts ...string) {
		for _, p := range parts {
			b = append(b, p...)
		}
		b = append(b, "\r\n"...)
	}
	if mid != "" {
		line("a=mid:", mid)
	}
	line("a=ice-ufrag:", w.ICE.Ufrag)
	line("a=ice-pwd:", w.ICE.Password)
	line("a=fingerprint:sha-256 ", w.Fingerprint)
	line("a=setup:", setup)
	// A stream of ours has a name, or a browser gives its page none to play.
	line("a=msid:centrala audio")
	if w.SSRC != 0 {
		line("a=ssrc:", strconv.FormatUint(uint64(w.SSRC), 10), " cname:", w.CNAME)
	}
	port := strconv.Itoa(int(l.Addr.Port()))
	for i, ip := range w.Candidates {
		// RFC 8445 5.1.2.1: type preference 126 for host candidates.
		pref := uint64(126)<<24 | uint64(65535-i)<<8 | 255
		line("a=candidate:", strconv.Itoa(i+1), " 1 udp ", strconv.FormatUint(pref, 10), " ", ip.String(), " ", port, " typ host")
		if w.TCP {
			// RFC 6544 4.2: below UDP.
			pref = uint64(90)<<24 | uint64(4<<13|8191-i)<<8 | 255
			line("a=candidate:", strconv.Itoa(100+i), " 1 tcp ", strconv.FormatUint(pref, 10), " ", ip.String(), " ", port, " typ host tcptype passive")
		}
	}
	line("a=end-of-candidates")
	return b
}
