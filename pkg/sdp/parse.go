package sdp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Parse reads a description (RFC 8866). It takes what phones send: bare LF, no
// t= or s=, unknown lines and attributes; and refuses what could mean two things.
// Errors wrap ErrSyntax, ErrTooLarge or ErrHostName; a description without audio
// is no error here (Index < 0).
func Parse(b []byte) (*Session, error) {
	if len(b) > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes; at most %d", ErrTooLarge, len(b), maxBytes)
	}
	p := parser{s: &Session{Index: -1}}
	text := string(b)
	for n := 1; text != ""; n++ {
		if n > maxLines {
			return nil, fmt.Errorf("%w: more than %d lines", ErrTooLarge, maxLines)
		}
		var line string
		line, text, _ = strings.Cut(text, "\n")
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			if strings.Trim(text, "\r\n") != "" {
				return nil, syntax(n, "empty line")
			}
			break // some end with an empty line
		}
		if err := p.line(n, line); err != nil {
			return nil, err
		}
	}
	if !p.version {
		return nil, syntax(1, "no v=0")
	}
	if p.s.Origin == "" {
		return nil, syntax(1, "no o=")
	}
	if err := p.endMedia(); err != nil {
		return nil, err
	}
	return p.s, nil
}

type parser struct {
	s       *Session
	version bool
	// session level
	addr    netip.Addr
	hasAddr bool
	addrErr error
	dir     Direction
	xr      XR
	// the audio stream that is being read
	audio    *Media
	formats  []uint8
	maps     map[uint8]Codec
	fmtps    map[uint8]string
	port     int
	mAddr    netip.Addr
	mHasAddr bool
	mAddrErr error
	rtcpPort int
	rtcpAddr netip.Addr
	inMedia  bool
	// session level, for streams that do not say
	ice          ICE
	fingerprints []string
	setup        string
	// a= lines of the section that is being read
	attributes, candidates int
}

func (p *parser) line(n int, line string) error {
	if len(line) < 2 || line[1] != '=' {
		return syntax(n, "want x=...")
	}
	for i := 2; i < len(line); i++ {
		if line[i] == 0 || line[i] == '\r' {
			return syntax(n, "control character")
		}
	}
	v := line[2:]
	if !p.version {
		if line[0] != 'v' {
			return syntax(n, "want v=0 first")
		}
		if strings.TrimSpace(v) != "0" {
			return syntax(n, "version %q; want 0", v)
		}
		p.version = true
		return nil
	}
	switch line[0] {
	case 'v':
		return syntax(n, "second v=")
	case 'o':
		return p.origin(n, v)
	case 't':
		if p.s.Time == "" && !p.inMedia {
			p.s.Time = strings.TrimSpace(v)
		}
	case 'c':
		return p.connection(n, v)
	case 'm':
		return p.media(n, v)
	case 'a':
		return p.attribute(n, v)
	}
	return nil
}

func (p *parser) origin(n int, v string) error {
	if p.s.Origin != "" || p.inMedia {
		return syntax(n, "second o=, or o= after m=")
	}
	f := strings.Fields(v)
	if len(f) != 6 {
		return syntax(n, "o= has %d fields; want 6", len(f))
	}
	p.s.Origin, p.s.SessionID, p.s.Version = v, f[1], f[2]
	return nil
}

// connection reads "IN IP4 192.0.2.1[/ttl]". A fault in the address counts only
// when a stream needs it.
func (p *parser) connection(n int, v string) error {
	net, rest := field(v)
	family, rest := field(rest)
	host, extra := field(rest)
	if net != "IN" || (family != "IP4" && family != "IP6") || host == "" || extra != "" {
		return syntax(n, "c= %q; want IN IP4 address", v)
	}
	host, _, _ = strings.Cut(host, "/") // TTL and count of multicast
	addr, err := parseAddr(n, family, host)
	if p.inMedia {
		p.mAddr, p.mHasAddr, p.mAddrErr = addr, true, err
	} else {
		p.addr, p.hasAddr, p.addrErr = addr, true, err
	}
	return nil
}

func parseAddr(n int, family, host string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if strings.ContainsAny(host, "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ") {
			return addr, fmt.Errorf("%w: line %d: %q", ErrHostName, n, host)
		}
		return addr, syntax(n, "address %q", host)
	}
	if addr.Is4() != (family == "IP4") || addr.Zone() != "" {
		return addr, syntax(n, "%s address %q", family, host)
	}
	if addr.IsMulticast() {
		return addr, syntax(n, "multicast address %q", host)
	}
	return addr, nil
}

func (p *parser) media(n int, v string) error {
	if err := p.endMedia(); err != nil {
		return err
	}
	p.inMedia = true
	p.attributes, p.candidates = 0, 0
	kind, rest := field(v)
	portText, rest := field(rest)
	proto, formats := field(rest)
	portText, _, _ = strings.Cut(portText, "/") // number of ports
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || kind == "" || proto == "" || strings.TrimSpace(formats) == "" {
		return syntax(n, "m= %q; want kind port proto formats", v)
	}
	if len(p.s.Lines) == maxMedia {
		return fmt.Errorf("%w: more than %d m= lines", ErrTooLarge, maxMedia)
	}
	p.s.Lines = append(p.s.Lines, Line{Kind: kind, Port: int(port), Proto: proto, Formats: strings.TrimSpace(formats)})
	p.mHasAddr, p.mAddrErr = false, nil
	// The first audio stream that is not refused is the one; another may differ in
	// its protection.
	if _, known := protos[proto]; kind != "audio" || !known || len(p.s.More) == maxMore {
		return nil
	}
	a := &Media{Direction: p.dir, XR: p.xr, Proto: proto, ICE: p.ice, Setup: p.setup}
	p.audio, p.port = a, int(port)
	p.formats, p.maps, p.fmtps = p.formats[:0], map[uint8]Codec{}, map[uint8]string{}
	p.rtcpPort, p.rtcpAddr = 0, netip.Addr{}
	for rest = formats; rest != ""; {
		var f string
		f, rest = field(rest)
		if f == "" {
			break
		}
		pt, err := strconv.ParseUint(f, 10, 8)
		if err != nil || pt > 127 {
			return syntax(n, "payload type %q; want 0..127", f)
		}
		if len(p.formats) == maxCodecs {
			return fmt.Errorf("%w: more than %d formats", ErrTooLarge, maxCodecs)
		}
		p.formats = append(p.formats, uint8(pt))
	}
	return nil
}

func (p *parser) attribute(n int, v string) error {
	name, val, _ := strings.Cut(v, ":")
	if p.attributes++; p.attributes > maxAttributes {
		return fmt.Errorf("%w: more than %d attributes of one stream", ErrTooLarge, maxAttributes)
	}
	if name == "candidate" {
		if p.candidates++; p.candidates > maxCandidates {
			return fmt.Errorf("%w: more than %d candidates of one stream", ErrTooLarge, maxCandidates)
		}
	}
	dir, isDir := Direction(0), true
	switch name {
	case "sendrecv":
		dir = SendRecv
	case "sendonly":
		dir = SendOnly
	case "recvonly":
		dir = RecvOnly
	case "inactive":
		dir = Inactive
	default:
		isDir = false
	}
	if !p.inMedia {
		if isDir {
			p.dir = dir
		}
		switch name {
		case "group":
			if kind, mids := field(val); kind == "BUNDLE" {
				p.s.Bundle = strings.Fields(mids)
			}
		case "rtcp-xr":
			p.xr = parseXR(val)
		default:
			p.secured(name, val, &p.ice, &p.fingerprints, &p.setup)
		}
		return nil
	}
	if name == "mid" && token(val) {
		p.s.Lines[len(p.s.Lines)-1].Mid = val
	}
	a := p.audio
	if a == nil {
		return nil
	}
	p.secured(name, val, &a.ICE, &a.Fingerprints, &a.Setup)
	if isDir {
		a.Direction = dir
		return nil
	}
	switch name {
	case "rtpmap":
		return p.rtpmap(n, val)
	case "fmtp":
		pt, params := field(val)
		k, err := strconv.ParseUint(pt, 10, 8)
		if err != nil || k > 127 {
			return syntax(n, "fmtp %q", val)
		}
		if len(p.fmtps) < maxCodecs {
			p.fmtps[uint8(k)] = strings.TrimSpace(params)
		}
	case "ptime":
		a.PtimeMs = millis(val)
	case "maxptime":
		a.MaxPtime = millis(val)
	case "rtcp-mux":
		a.RTCPMux = true
	case "rtcp-xr":
		a.XR = parseXR(val)
	case "mid":
		if token(val) {
			a.Mid = val
		}
	case "crypto":
		if c, ok := parseCrypto(val); ok && len(a.Crypto) < maxCrypto {
			a.Crypto = append(a.Crypto, c)
		}
	case "rtcp":
		return p.rtcp(n, val)
	}
	return nil
}

// secured reads the attributes of ICE and DTLS, which stand at either level.
// What cannot be meant is as if it were not there: the stream then has no keys.
func (p *parser) secured(name, val string, ice *ICE, fingerprints *[]string, setup *string) {
	val = strings.TrimSpace(val)
	switch name {
	case "ice-ufrag":
		if len(val) >= 4 && len(val) <= 256 && token(val) { // RFC 8839 5.4
			ice.Ufrag = val
		}
	case "ice-pwd":
		if len(val) >= 22 && len(val) <= 256 && token(val) {
			ice.Password = val
		}
	case "setup":
		if val == "active" || val == "passive" || val == "actpass" {
			*setup = val
		}
	case "fingerprint":
		hash, sum := field(val)
		// 32 octets in hex with colons. Others than SHA-256 need not be known (RFC 8122 5).
		if strings.EqualFold(hash, "sha-256") && len(sum) == 32*3-1 && token(sum) && len(*fingerprints) < 8 {
			*fingerprints = append(*fingerprints, strings.ToUpper(sum))
		}
	}
}

// token tells whether s may be repeated in a line of ours.
func token(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// millis reads a packet time; nonsense (0, minutes) is as if it were not there.
// Fractions exist ("30.5"); the integer part will do.
func millis(v string) int {
	v, _, _ = strings.Cut(strings.TrimSpace(v), ".")
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n > 1000 {
		return 0
	}
	return int(n)
}

// rtpmap reads "101 telephone-event/8000[/1]".
func (p *parser) rtpmap(n int, v string) error {
	pt, rest := field(v)
	k, err := strconv.ParseUint(pt, 10, 8)
	enc, extra := field(rest)
	name, rate, ok := strings.Cut(enc, "/")
	rate, chans, hasChans := strings.Cut(rate, "/")
	hz, err2 := strconv.ParseUint(rate, 10, 32)
	if err != nil || k > 127 || !ok || name == "" || err2 != nil || hz == 0 || hz > 768000 || extra != "" ||
		strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return syntax(n, "rtpmap %q; want type name/clock", v)
	}
	c := Codec{Name: strings.ToUpper(name), ClockRate: int(hz), Channels: 1, PayloadType: uint8(k)}
	for _, low := range [...]string{eventName, opusName} {
		if strings.EqualFold(name, low) {
			c.Name = low
		}
	}
	if hasChans {
		ch, err := strconv.ParseUint(chans, 10, 8)
		if err != nil || ch == 0 {
			return syntax(n, "rtpmap %q: channels", v)
		}
		c.Channels = int(ch)
	}
	if len(p.maps) < 2*maxCodecs {
		p.maps[uint8(k)] = c
	}
	return nil
}

// rtcp reads "53020 [IN IP4 126.16.64.4]" (RFC 3605).
func (p *parser) rtcp(n int, v string) error {
	portText, rest := field(v)
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return syntax(n, "rtcp port %q", v)
	}
	p.rtcpPort = int(port)
	if rest == "" {
		return nil
	}
	net, rest := field(rest)
	family, host := field(rest)
	if net != "IN" || (family != "IP4" && family != "IP6") {
		return syntax(n, "rtcp address %q", v)
	}
	p.rtcpAddr, err = parseAddr(n, family, strings.TrimSpace(host))
	return err
}

// endMedia finishes the stream that was being read.
func (p *parser) endMedia() error {
	a := p.audio
	p.audio = nil
	if a == nil {
		return nil
	}
	addr, has, fault := p.mAddr, p.mHasAddr, p.mAddrErr
	if !has {
		addr, has, fault = p.addr, p.hasAddr, p.addrErr
	}
	if p.port == 0 {
		// A refused or disabled stream needs no address (RFC 3264 5.1, 8.2).
		if !has || fault != nil {
			addr = netip.IPv4Unspecified()
		}
	} else if (!has || fault != nil) && p.s.Index >= 0 {
		return nil // one that we need not take
	} else if !has {
		return fmt.Errorf("%w: audio stream without c=", ErrSyntax)
	} else if fault != nil {
		return fault
	}
	a.Addr = netip.AddrPortFrom(addr, uint16(p.port))
	if len(a.Fingerprints) == 0 {
		a.Fingerprints = p.fingerprints
	}
	// With ICE the address is where its checks come from, and browsers write 0.0.0.0.
	a.Held = addr.IsUnspecified() && p.port != 0 && !a.web()
	switch {
	case p.rtcpPort != 0 && p.rtcpAddr.IsValid():
		a.RTCP = netip.AddrPortFrom(p.rtcpAddr, uint16(p.rtcpPort))
	case p.rtcpPort != 0:
		a.RTCP = netip.AddrPortFrom(addr, uint16(p.rtcpPort))
	case a.RTCPMux:
		a.RTCP = a.Addr
	case p.port != 0 && p.port < 65535:
		a.RTCP = netip.AddrPortFrom(addr, uint16(p.port)+1)
	}
	var seen [128]bool
	for _, pt := range p.formats {
		if seen[pt] {
			continue
		}
		seen[pt] = true
		c, ok := p.maps[pt]
		if !ok {
			if c, ok = static[pt]; !ok {
				a.Bare = append(a.Bare, pt)
				continue
			}
		}
		c.Fmtp = p.fmtps[pt]
		a.Codecs = append(a.Codecs, c)
	}
	// A disabled first stream leaves the place to a later live one.
	if p.port == 0 {
		return nil
	}
	if p.s.Index >= 0 {
		p.s.More = append(p.s.More, Stream{*a, len(p.s.Lines) - 1})
		return nil
	}
	p.s.Audio = *a
	p.s.Index = len(p.s.Lines) - 1
	return nil
}
