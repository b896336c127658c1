package sip

import (
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// The pieces of RFC 3261 25.1 that the reader needs. Each returns false rather
// than guess.

const tokenChars = "-.!%*_+`'~"

// userTable is what a user part of a URI may hold that needs no closer look, valueTable
// a parameter's value without quotes.
var tokenTable, hostTable, uriTable, userTable, valueTable = func() (t, h, u, n, v [256]bool) {
	for c := 0; c < 256; c++ {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		t[c] = alnum || c < 128 && strings.IndexByte(tokenChars, byte(c)) >= 0
		h[c] = alnum || c == '-' || c == '.' || c == '_' // "_" is met in real host names
		u[c] = c > ' ' && c < 127 && c != '<' && c != '>' && c != '"' && c != '\\' && c != '^' && c != '`' && c != '{' && c != '}' && c != '|'
	}
	// RFC 4475 3.1.1.2 has a ` in a method (a token), none in a URI.
	for c := 0; c < 256; c++ {
		n[c] = h[c] || strings.IndexByte("!~*'()&=+$,", byte(c)) >= 0
		v[c] = strings.IndexByte(" \t\"<>,", byte(c)) < 0
	}
	return t, h, u, n, v
}()

func all(s string, t *[256]bool) bool {
	for i := 0; i < len(s); i++ {
		if !t[s[i]] {
			return false
		}
	}
	return s != ""
}

func isToken(s string) bool { return all(s, &tokenTable) }

func isScheme(s string) bool {
	if s == "" || s[0]|0x20 < 'a' || s[0]|0x20 > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		c := s[i]
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '+' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// hasControl finds bytes that no header value may hold; a tab it may.
func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// hasRawControl is hasControl but for a quoted-pair (RFC 3261 25.1), which may
// hold any but CR and LF.
func hasRawControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && s[i+1] != '\r' && s[i+1] != '\n' {
			i++
			continue
		}
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// parseUint reads digits up to limit; a sign, a blank or an overflow is false.
func parseUint(s string, limit uint64) (uint64, bool) {
	if s == "" {
		return 0, false
	}
	var v uint64
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		if v = v*10 + uint64(c); v > limit {
			return 0, false
		}
	}
	return v, true
}

// cutList cuts the first value off a comma separated list; commas in quotes and
// angle brackets do not count. false: an empty value or an open quote.
func cutList(s string) (one, rest string, ok bool) {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !angle:
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',' && !angle:
			one = strings.Trim(s[:i], " \t")
			rest = strings.TrimLeft(s[i+1:], " \t")
			return one, rest, one != "" && rest != ""
		}
	}
	one = strings.Trim(s, " \t")
	return one, "", one != "" && !quoted && !angle
}

// paramRoom is memory for the parameters of one message.
type paramRoom []sip.HeaderKV

// take gives the room that is left; keep cuts off what was filled of it, and extra
// places behind for parameters to come.
func (r paramRoom) take() sip.HeaderParams { return sip.HeaderParams(r[:0:len(r)]) }

func (r *paramRoom) keep(p sip.HeaderParams, extra int) sip.HeaderParams {
	if len(p) > len(*r) || len(p) == 0 {
		return p // it did not fit, and has memory of its own
	}
	n := min(len(p)+extra, len(*r))
	*r = (*r)[n:]
	return p[:len(p):n]
}

// parseParams reads ";name=value" pairs; s starts behind the first ';'. Names
// become lower case. Quotes stay where the writer would not put them again.
func parseParams(s string, room *paramRoom, extra int) (sip.HeaderParams, bool) {
	p := room.take()
	for {
		end, eq, quoted := len(s), -1, false
	scan:
		for i := 0; i < len(s); i++ {
			switch c := s[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case c == '=' && eq < 0:
				eq = i
			case c == ';' && !quoted:
				end = i
				break scan
			}
		}
		if quoted {
			return nil, false
		}
		name, value := s[:end], ""
		if eq >= 0 {
			name, value = s[:eq], trimBlank(s[eq+1:end])
		}
		name = trimBlank(name)
		if !isToken(name) || eq >= 0 && value == "" {
			return nil, false
		}
		if value != "" {
			if value[0] == '"' {
				if len(value) < 2 || value[len(value)-1] != '"' {
					return nil, false
				}
				// sipgo's writer puts quotes around a value with a blank in it.
				if strings.IndexByte(value, ' ') >= 0 || strings.IndexByte(value, '\t') >= 0 {
					value = value[1 : len(value)-1]
				}
			} else if !all(value, &valueTable) {
				return nil, false
			}
		}
		name = strings.ToLower(name)
		if p.Has(name) {
			return nil, false
		}
		p = append(p, sip.HeaderKV{K: name, V: value})
		if end == len(s) {
			return room.keep(p, extra), true
		}
		s = s[end+1:]
	}
}

// trimBlank takes blanks and tabs off both ends.
func trimBlank(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// parseVia reads one value into v.
func parseVia(s string, v *sip.ViaHeader, room *paramRoom) bool {
	name, s, ok1 := strings.Cut(s, "/")
	version, s, ok2 := strings.Cut(s, "/")
	s = strings.TrimLeft(s, " \t")
	i := 0
	for i < len(s) && s[i] != ' ' && s[i] != '\t' {
		i++
	}
	if !ok1 || !ok2 || i == len(s) {
		return false
	}
	v.ProtocolName, v.ProtocolVersion, v.Transport = trimBlank(name), trimBlank(version), strings.ToUpper(s[:i])
	if !isToken(v.ProtocolName) || !isToken(v.ProtocolVersion) || !isToken(v.Transport) {
		return false
	}
	sentBy, params, has := strings.Cut(s[i:], ";")
	var ok bool
	if v.Host, v.Port, ok = splitHostPort(trimBlank(sentBy)); !ok {
		return false
	}
	if has {
		v.Params, ok = parseParams(params, room, 1) // received, see stampVia
	}
	return ok
}

// splitHostPort reads "host", "host : port" or "[v6]:port"; port 0 if none. The
// brackets of an IPv6 address are taken off, as sipgo's writer puts them on.
func splitHostPort(s string) (host string, port int, ok bool) {
	rest := ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, false
		}
		host, rest = s[1:end], s[end+1:]
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || a.Zone() != "" {
			return "", 0, false
		}
	} else {
		i := strings.IndexByte(s, ':')
		if i < 0 {
			i = len(s)
		}
		host, rest = strings.TrimRight(s[:i], " \t"), s[i:]
		if len(host) > 255 || !all(host, &hostTable) {
			return "", 0, false
		}
	}
	rest = trimBlank(rest)
	if rest == "" {
		return host, 0, true
	}
	if rest[0] != ':' {
		return "", 0, false
	}
	n, ok := parseUint(strings.TrimLeft(rest[1:], " \t"), 65535)
	return host, int(n), ok && n > 0
}

// threeColons mends the one form of an IPv6 reference that the grammar of RFC 3261
// makes and no address has: RFC 5118 4.10 wants [2001:db8:::192.0.2.1] taken for
// [2001:db8::192.0.2.1]. Only right before an IPv4 address.
func threeColons(s string) string {
	i := strings.Index(s, ":::")
	if i < 0 || strings.IndexByte(s[:i], '[') < 0 {
		return s
	}
	rest := s[i+3:]
	end := strings.IndexByte(rest, ']')
	if end < 0 {
		return s
	}
	if a, err := netip.ParseAddr(rest[:end]); err != nil || !a.Is4() {
		return s
	}
	return s[:i+2] + rest
}

// parseURI reads a URI; of a scheme other than sip and sips only the shape.
func parseURI(s string) (uri sip.Uri, ok bool) {
	ok = readURI(s, &uri)
	return uri, ok
}

// readURI is parseURI into uri.
func readURI(s string, uri *sip.Uri) bool {
	if !all(s, &uriTable) {
		return false
	}
	if plainURI(s, uri) {
		return true
	}
	*uri = sip.Uri{}
	s = threeColons(s)
	scheme, rest, found := strings.Cut(s, ":")
	if !found || !isScheme(scheme) || rest == "" {
		return false
	}
	if sip.ParseUri(s, uri) != nil {
		return false
	}
	if uri.Scheme != "sip" && uri.Scheme != "sips" {
		return true
	}
	// sipgo takes any host and port; check what it cut out.
	if uri.HierarhicalSlashes || uri.Wildcard || uri.Port < 0 || uri.Port > 65535 {
		return false
	}
	if _, _, fine := splitHostPort(uri.Host); !fine {
		return false
	}
	return escapesOK(uri.User) && escapesOK(uri.Password) && !strings.ContainsAny(uri.User, "@[]#")
}

// plainURI reads sip:user@host:port and the like without parameters, as most are;
// false: it is for sipgo to read.
func plainURI(s string, uri *sip.Uri) bool {
	const sips = len("sips:")
	if len(s) <= sips || s[:3] != "sip" {
		return false
	}
	scheme, rest := "sip", s[4:]
	if s[3] == 's' && s[4] == ':' {
		scheme, rest = "sips", s[sips:]
	} else if s[3] != ':' {
		return false
	}
	user := ""
	if at := strings.IndexByte(rest, '@'); at >= 0 {
		user, rest = rest[:at], rest[at+1:]
		if user == "" || !all(user, &userTable) {
			return false
		}
	}
	host, port := rest, 0
	if colon := strings.IndexByte(rest, ':'); colon >= 0 {
		n, ok := parseUint(rest[colon+1:], 65535)
		if !ok || n == 0 {
			return false
		}
		host, port = rest[:colon], int(n)
	}
	if len(host) > 255 || !all(host, &hostTable) {
		return false
	}
	*uri = sip.Uri{Scheme: scheme, User: user, Host: host, Port: port}
	return true
}

// escapesOK checks that each % starts a %HH.
func escapesOK(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return false
			}
			i += 2
		}
	}
	return true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// unescape resolves %HH (RFC 3261 19.1.2). The input passed escapesOK.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// parseNameAddr reads a From, To, Contact or Route value, its URI into uri. A display
// name keeps the escapes it came with and loses its quotes.
func parseNameAddr(s string, uri *sip.Uri, room *paramRoom) (display string, params sip.HeaderParams, ok bool) {
	s = trimBlank(s)
	if s == "" {
		return
	}
	rest := ""
	if s[0] == '"' {
		i := 1
		for i < len(s) && s[i] != '"' {
			if s[i] == '\\' {
				i++
			}
			i++
		}
		if i >= len(s) {
			return
		}
		display = s[1:i]
		s = strings.TrimLeft(s[i+1:], " \t")
		if s == "" || s[0] != '<' {
			return
		}
	}
	if lt := strings.IndexByte(s, '<'); lt >= 0 && strings.IndexByte(s[:lt], ';') < 0 {
		if lt > 0 {
			display = strings.Trim(s[:lt], " \t")
			for _, word := range strings.FieldsFunc(display, func(r rune) bool { return r == ' ' || r == '\t' }) {
				if !isToken(word) { // RFC 3261 25.1: *(token LWS) without quotes
					return
				}
			}
		}
		gt := strings.IndexByte(s[lt:], '>')
		if gt < 0 {
			return
		}
		if ok = readURI(s[lt+1:lt+gt], uri); !ok {
			return
		}
		rest = trimBlank(s[lt+gt+1:])
	} else {
		// RFC 3261 20.10: without < > what follows ';' is the header's, and a '?'
		// or ',' may not be in the URI.
		spec := s
		if i := strings.IndexByte(s, ';'); i >= 0 {
			spec, rest = strings.TrimRight(s[:i], " \t"), s[i:]
		}
		if strings.ContainsAny(spec, "?,") {
			return "", nil, false
		}
		if ok = readURI(spec, uri); !ok {
			return
		}
	}
	if rest != "" {
		if rest[0] != ';' {
			return display, nil, false
		}
		params, ok = parseParams(rest[1:], room, 0)
	}
	return
}
