package registrar

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/render"
)

// maxPath bounds the Path of a REGISTER, and maxURI what is kept of a contact.
const (
	maxRead = 32
	maxPath = 8
	maxURI  = 512
)

// Read reduces a REGISTER to a Request. refused is 0, or the status to answer
// with: 400 malformed (or a wildcard with other contacts or without Expires: 0,
// RFC 3261 10.2.2), 416 a contact that is no SIP URI.
func Read(req *sip.Request, key Key, flow Flow) (r Request, refused int) {
	id, cseq := req.CallID(), req.CSeq()
	if id == nil || cseq == nil {
		return Request{}, 400
	}
	r = Request{Key: key, CallID: string(*id), CSeq: cseq.SeqNo, Expires: -1, Flow: flow}
	for _, h := range req.Headers() {
		switch c := h.(type) {
		case *sip.ContactHeader:
			if c.Address.Wildcard {
				r.Wildcard = true
				continue
			}
			if len(r.Contacts) == maxRead {
				return Request{}, 400
			}
			contact, code := readContact(c)
			if code != 0 {
				return Request{}, code
			}
			r.Contacts = append(r.Contacts, contact)
		default:
			switch name := h.Name(); {
			case strings.EqualFold(name, "Expires"):
				// RFC 3261 20.19: a malformed value is as none.
				r.Expires = seconds(h.Value())
			case strings.EqualFold(name, "Path"):
				for p := range strings.SplitSeq(h.Value(), ",") {
					p = strings.TrimSpace(p)
					if p = strings.TrimSuffix(strings.TrimPrefix(p, "<"), ">"); p != "" && len(r.Path) < maxPath {
						r.Path = append(r.Path, p)
					}
				}
			case strings.EqualFold(name, "User-Agent"):
				r.UserAgent = clip(h.Value(), 128)
			}
		}
	}
	if r.Wildcard && (len(r.Contacts) > 0 || r.Expires != 0) {
		return Request{}, 400
	}
	return r, 0
}

func readContact(c *sip.ContactHeader) (Contact, int) {
	u := &c.Address
	scheme := strings.ToLower(u.Scheme)
	if scheme != "sip" && scheme != "sips" && scheme != "" {
		return Contact{}, 416
	}
	var room [256]byte
	out := Contact{URI: string(render.URI(room[:0], u)), Expires: -1, Q: 1000}
	if u.Host == "" || len(out.URI) > maxURI || strings.ContainsAny(out.URI, "<>\r\n\x00 ") {
		return Contact{}, 400
	}
	hasReg := false
	params := room[:0]
	for _, p := range c.Params {
		v := strings.Trim(p.V, `"`)
		switch {
		case strings.EqualFold(p.K, "expires"):
			out.Expires = seconds(v)
			continue
		case strings.EqualFold(p.K, "q"):
			q, ok := qvalue(v)
			if !ok {
				return Contact{}, 400
			}
			out.Q = q
		case strings.EqualFold(p.K, "+sip.instance"):
			out.Instance = clip(v, 128)
		case strings.EqualFold(p.K, "reg-id"):
			n, err := strconv.ParseUint(v, 10, 31)
			if err != nil || n == 0 {
				return Contact{}, 400 // RFC 5626 4.2: 1 to 2^31-1
			}
			out.RegID, hasReg = uint32(n), true
		}
		if len(params) < maxURI {
			params = append(append(params, ';'), p.K...)
			if v != "" {
				quoted := v != p.V || strings.ContainsAny(v, " \t,;<>")
				params = append(params, '=')
				if quoted {
					params = append(params, '"')
				}
				params = append(params, v...)
				if quoted {
					params = append(params, '"')
				}
			}
		}
	}
	out.Params = string(params)
	if out.Match = matchKey(u); out.Instance != "" {
		out.Match = out.Instance + "#"
		if hasReg {
			out.Match += strconv.Itoa(int(out.RegID))
		}
	}
	return out, 0
}

// Forget takes the reg-id off a contact that may not have one (RFC 5626 6: no
// instance, or no support of outbound).
func (c *Contact) Forget() {
	c.RegID = 0
	if c.Instance != "" {
		c.Match = c.Instance + "#"
	}
}

// matchKey reduces a URI to what RFC 3261 19.1.4 compares: user and password as
// they are, the rest without case. First what has to be there on both sides or on
// neither (headers too), then behind a line end the other parameters, sorted: see
// same.
func matchKey(u *sip.Uri) string {
	b := make([]byte, 0, 96)
	scheme := strings.ToLower(u.Scheme)
	if scheme == "" {
		scheme = "sip"
	}
	b = append(b, scheme...)
	b = append(b, ':')
	if u.User != "" {
		b = append(b, unescape(u.User)...)
		if u.Password != "" {
			b = append(append(b, ':'), u.Password...)
		}
		b = append(b, '@')
	}
	b = append(b, strings.ToLower(u.Host)...)
	if u.Port > 0 {
		b = strconv.AppendInt(append(b, ':'), int64(u.Port), 10)
	}
	for _, name := range firm {
		for _, p := range u.UriParams {
			if strings.EqualFold(p.K, name) {
				b = append(append(append(append(b, ';'), name...), '='), strings.ToLower(p.V)...)
			}
		}
	}
	if len(u.Headers) > 0 {
		b = append(append(b, '?'), strings.Join(sorted(u.Headers, nil), "&")...)
	}
	if other := sorted(u.UriParams, firm[:]); len(other) > 0 {
		b = append(append(b, '\n'), strings.Join(other, ";")...)
	}
	return string(b)
}

// firm are the parameters that a URI without them does not match. (Of transport
// RFC 3261 19.1.4 says so by its examples.)
var firm = [...]string{"transport", "user", "ttl", "method", "maddr"}

// sorted lists name=value without case, those named in but left out.
func sorted(params sip.HeaderParams, but []string) []string {
	var out []string
	for _, p := range params {
		if slices.ContainsFunc(but, func(n string) bool { return strings.EqualFold(n, p.K) }) {
			continue
		}
		// A ; that was escaped must not part two parameters.
		out = append(out, strings.ReplaceAll(strings.ToLower(unescape(p.K)+"="+unescape(p.V)), ";", "%3b"))
	}
	slices.Sort(out)
	return out
}

// same compares two keys of matchKey: a parameter that one of them alone has does
// not count, one that both have must be equal. So a may be the same as b and b the
// same as c, and a not the same as c.
func same(a, b string) bool {
	a, more, _ := strings.Cut(a, "\n")
	b, other, _ := strings.Cut(b, "\n")
	if a != b {
		return false
	}
	for more != "" && other != "" {
		p, rest, _ := strings.Cut(more, ";")
		q, rest2, _ := strings.Cut(other, ";")
		n, v, _ := strings.Cut(p, "=")
		m, w, _ := strings.Cut(q, "=")
		switch {
		case n < m:
			more = rest
		case n > m:
			other = rest2
		case v != w:
			return false
		default:
			more, other = rest, rest2
		}
	}
	return true
}

// unescape resolves %HH of characters that need no escape, so that %61lice is alice.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				c := byte(n)
				if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 {
					b = append(b, c)
				} else {
					b = append(b, strings.ToUpper(s[i:i+3])...)
				}
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// seconds reads delta-seconds; -1 when it is none. More than 2^32-1 is cut to it.
func seconds(v string) int64 {
	v = strings.TrimSpace(v)
	if v == "" {
		return -1
	}
	n := int64(0)
	for i := 0; i < len(v); i++ {
		if v[i] < '0' || v[i] > '9' {
			return -1
		}
		n = min(n*10+int64(v[i]-'0'), 1<<32-1)
	}
	return n
}

// qvalue reads 0..1 with up to three digits as 0..1000.
func qvalue(v string) (int, bool) {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= 0 && f <= 1) || len(v) > 5 {
		return 0, false
	}
	return int(f*1000 + 0.5), true
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// ContactHeaders renders the Contact values of a 200 to REGISTER, expires counted
// from now and rounded up.
func ContactHeaders(now time.Time, b []Binding) []string {
	out := make([]string, 0, len(b))
	for i := range b {
		left := int64((b[i].Expires.Sub(now) + time.Second - 1) / time.Second)
		var room [256]byte
		v := append(append(append(room[:0], '<'), b[i].URI...), '>')
		v = append(append(v, b[i].Params...), ";expires="...)
		out = append(out, string(strconv.AppendInt(v, max(left, 0), 10)))
	}
	return out
}
