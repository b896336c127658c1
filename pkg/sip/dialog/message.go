package dialog

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/digest"
	"github.com/centrala/centrala/pkg/sip/render"
)

// Methods we take in a dialog, and the option tags we know.
const (
	allow     = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER"
	supported = "100rel, norefersub, replaces, timer"
	sdpType   = "application/sdp"
)

// Understands says that a dialog knows an option tag (of Require).
func Understands(tag string) bool {
	switch strings.ToLower(tag) {
	case "100rel", "norefersub", "replaces", "timer":
		return true
	}
	return false
}

// phrases of the codes we send; any other gets its class's.
var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 199: "Early Dialog Terminated",
	200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
	400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
	407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large",
	414: "Request-URI Too Long", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
	421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
	485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
	500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
	600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}

// Phrase is the reason phrase of a SIP status.
func Phrase(code int) string {
	if p, ok := phrases[code]; ok {
		return p
	}
	switch code / 100 {
	case 1:
		return "Progress"
	case 2:
		return "OK"
	case 3:
		return "Redirect"
	case 4:
		return "Request Failure"
	case 5:
		return "Server Failure"
	}
	return "Failure"
}

// safe says that no byte of s can end or break a header line.
func safe(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '\r' || c == '\n' || c == 0 {
			return false
		}
	}
	return true
}

func token(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-.!%*_+`'~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// ours are headers that only the machine and the layers below write.
func ours(name string) bool {
	switch strings.ToLower(name) {
	case "via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "content-length", "l", "content-type", "c",
		"route", "record-route", "max-forwards", "authorization", "proxy-authorization":
		return true
	}
	return false
}

type headered interface{ AppendHeader(sip.Header) }

func appendExtra(m headered, hs []Header) {
	for _, h := range hs {
		if token(h.Name) && safe(h.Value) && !ours(h.Name) {
			m.AppendHeader(sip.NewHeader(h.Name, h.Value))
		}
	}
}

// Append renders the response to req, the request that came with e.Tx.
func (e *SendResponse) Append(b []byte, req *sip.Request) []byte {
	b = render.Status(b, e.Code, e.Reason)
	for _, h := range req.Headers() {
		switch v := h.(type) {
		case *sip.ViaHeader, *sip.CallIDHeader, *sip.CSeqHeader, *sip.FromHeader:
			b = render.Header(b, h)
		case *sip.ToHeader:
			b = render.Header(b, h)
			if e.Code != 100 && e.ToTag != "" && !hasParam(v.Params, "tag") {
				b = append(append(b[:len(b)-2], ";tag="...), e.ToTag...)
				b = append(b, "\r\n"...)
			}
		case *sip.RecordRouteHeader:
			// RFC 3261 12.1.1: into what makes a dialog.
			if e.Code > 100 && e.Code < 300 {
				b = render.Header(b, h)
			}
		default:
			// RFC 3261 8.2.6.1: into 100 only.
			if e.Code == 100 && strings.EqualFold(h.Name(), "Timestamp") {
				b = render.Header(b, h)
			}
		}
	}
	if e.Contact != "" {
		b = append(append(append(b, "Contact: <"...), e.Contact...), ">\r\n"...)
	}
	for _, h := range e.Headers {
		if token(h.Name) && safe(h.Value) && !ours(h.Name) {
			b = render.Line(b, h.Name, h.Value)
		}
	}
	if len(e.Body) > 0 {
		b = render.Line(b, "Content-Type", e.ContentType)
	}
	return render.End(b, e.Body)
}

// CancelFor builds the CANCEL of an INVITE as it was sent (with its Via), RFC 3261 9.1.
func CancelFor(invite *sip.Request, headers []Header) *sip.Request {
	req := sip.NewRequest(sip.CANCEL, invite.Recipient)
	if v := invite.Via(); v != nil {
		req.AppendHeader(v)
	}
	for _, h := range invite.Headers() {
		switch h.Name() {
		case "Route", "From", "To", "Call-ID":
			req.AppendHeader(h)
		}
	}
	if c := invite.CSeq(); c != nil {
		req.AppendHeader(&sip.CSeqHeader{SeqNo: c.SeqNo, MethodName: sip.CANCEL})
	}
	mf := sip.MaxForwardsHeader(70)
	req.AppendHeader(&mf)
	appendExtra(req, headers)
	req.SetBody(nil)
	req.SetTransport(invite.Transport())
	req.SetDestination(invite.Destination())
	return req
}

// peer is the far end of one dialog: the established one, or a fork to be dropped.
type peer struct {
	tag, target string
	routes      []string
}

func (d *Dialog) peer() peer { return peer{d.s.RemoteTag, d.s.RemoteTarget, d.s.RouteSet} }

// build makes a request of the dialog without Via (RFC 3261 12.2.1.1).
func (d *Dialog) build(method sip.RequestMethod, cseq uint32, p peer) *sip.Request {
	s := &d.s
	target, routes := p.target, p.routes
	if len(routes) > 0 {
		if first, err := parseURI(routes[0]); err == nil && !hasParam(first.UriParams, "lr") {
			// A strict router: it goes into the Request-URI, our target last.
			routes = append(append(make([]string, 0, len(routes)), routes[1:]...), target)
			target = p.routes[0]
		}
	}
	uri, err := parseURI(target)
	if err != nil {
		uri = sip.Uri{Scheme: "sip", Host: "invalid.invalid"} // cannot be: targets are parsed before they are kept
	}
	uri.Headers = nil // RFC 3261 19.1.1: not allowed in a Request-URI
	req := sip.NewRequest(method, uri)
	for _, r := range routes {
		req.AppendHeader(sip.NewHeader("Route", "<"+r+">"))
	}
	mf := sip.MaxForwardsHeader(70)
	req.AppendHeader(&mf)
	req.AppendHeader(sip.NewHeader("From", s.Local+";tag="+s.LocalTag))
	to := s.Remote
	if p.tag != "" {
		to += ";tag=" + p.tag
	}
	req.AppendHeader(sip.NewHeader("To", to))
	id := sip.CallIDHeader(s.CallID)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: cseq, MethodName: method})
	switch method {
	case sip.NOTIFY:
		req.AppendHeader(sip.NewHeader("Contact", "<"+s.Contact+">"))
	case sip.INVITE, sip.UPDATE:
		req.AppendHeader(sip.NewHeader("Contact", "<"+s.Contact+">"))
		req.AppendHeader(sip.NewHeader("Allow", allow))
		req.AppendHeader(sip.NewHeader("Supported", supported))
		if s.SessionSec > 0 && (method == sip.INVITE || s.Phase == Established) {
			v := strconv.Itoa(int(s.SessionSec))
			if s.Phase == Established { // an initial INVITE leaves it to the peer
				v += ";refresher=" + map[bool]string{true: "uac", false: "uas"}[s.WeRefresh]
			}
			req.AppendHeader(sip.NewHeader("Session-Expires", v))
		}
		if s.MinSE > 0 {
			req.AppendHeader(sip.NewHeader("Min-SE", strconv.Itoa(int(s.MinSE))))
		}
	}
	if d.cfg.UserAgent != "" {
		req.AppendHeader(sip.NewHeader("User-Agent", d.cfg.UserAgent))
	}
	return req
}

// authorize adds credentials when we were challenged before, and returns them.
func (d *Dialog) authorize(req *sip.Request) []digest.Field {
	if len(d.s.Auth) == 0 {
		return nil
	}
	fields := d.s.Auth.Answer(d.s.AuthUser, d.s.AuthPassword, string(req.Method), req.Recipient.String(), d.token)
	for _, f := range fields {
		req.AppendHeader(sip.NewHeader(f.Name, f.Value))
	}
	return fields
}

func setBody(req *sip.Request, contentType string, body []byte) {
	if len(body) > 0 {
		req.AppendHeader(sip.NewHeader("Content-Type", contentType))
	}
	// SetBody would look for it among all headers.
	n := sip.ContentLengthHeader(len(body))
	req.AppendHeader(&n)
	req.SetBody(body)
}

// token is 64 random bits in hex: RFC 3261 19.3 asks for 32.
func (d *Dialog) token() string {
	const digits = "0123456789abcdef"
	var b [16]byte
	r := d.cfg.Rand()
	for i := range b {
		b[i] = digits[r&15]
		r >>= 4
	}
	return string(b[:])
}

func parseURI(s string) (sip.Uri, error) {
	var u sip.Uri
	err := sip.ParseUri(s, &u)
	return u, err
}

func hasParam(ps sip.HeaderParams, name string) bool {
	for _, p := range ps {
		if strings.EqualFold(p.K, name) {
			return true
		}
	}
	return false
}

func param(ps sip.HeaderParams, name string) string {
	for _, p := range ps {
		if strings.EqualFold(p.K, name) {
			return p.V
		}
	}
	return ""
}

// withoutTag renders a From or To value without its tag.
func withoutTag(display string, uri *sip.Uri, ps sip.HeaderParams) string {
	var rest sip.HeaderParams
	for _, p := range ps {
		if !strings.EqualFold(p.K, "tag") {
			rest = append(rest, p)
		}
	}
	return nameAddr(display, uri, rest)
}

func nameAddr(display string, uri *sip.Uri, ps sip.HeaderParams) string {
	return string(render.NameAddr(nil, display, uri, ps))
}

// value renders an address: display quoted, user escaped.
func (a Address) value() string {
	var b strings.Builder
	if a.Display != "" {
		b.WriteByte('"')
		for i := 0; i < len(a.Display); i++ {
			c := a.Display[i]
			if c == '"' || c == '\\' {
				b.WriteByte('\\')
			}
			if c >= ' ' && c != 0x7f {
				b.WriteByte(c)
			}
		}
		b.WriteString("\" ")
	}
	b.WriteString("<sip:")
	if a.User != "" {
		b.WriteString(EscapeUser(a.User))
		b.WriteByte('@')
	}
	b.WriteString(a.Host)
	b.WriteByte('>')
	return b.String()
}

// EscapeUser escapes a URI user part (RFC 3261 25.1: unreserved and
// user-unreserved stay).
func EscapeUser(s string) string {
	const hexDigits = "0123456789ABCDEF"
	ok := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0
	}
	i := 0
	for i < len(s) && ok(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	b := []byte(s[:i])
	for ; i < len(s); i++ {
		if c := s[i]; ok(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

// message is what requests and responses share, for reading.
type message interface {
	Headers() []sip.Header
	Contact() *sip.ContactHeader
	ContentType() *sip.ContentTypeHeader
	Body() []byte
}

// first returns the first value of a header by its long or short name.
func first(m message, name, short string) (string, bool) {
	for _, h := range m.Headers() {
		if n := h.Name(); strings.EqualFold(n, name) || short != "" && strings.EqualFold(n, short) {
			return h.Value(), true
		}
	}
	return "", false
}

// eachToken calls f with every comma-separated token of a header's values.
func eachToken(m message, name, short string, f func(string)) {
	for _, h := range m.Headers() {
		if n := h.Name(); strings.EqualFold(n, name) || short != "" && strings.EqualFold(n, short) {
			for t := range strings.SplitSeq(h.Value(), ",") {
				if t = strings.TrimSpace(t); t != "" {
					f(t)
				}
			}
		}
	}
}

// isSDP reports whether the message's body is SDP.
func isSDP(m message) bool {
	ct := m.ContentType()
	if ct == nil || len(m.Body()) == 0 {
		return false
	}
	t, _, _ := strings.Cut(string(*ct), ";")
	return strings.EqualFold(strings.TrimSpace(t), sdpType)
}

// sdpOf returns the SDP body, or nil.
func sdpOf(m message) []byte {
	if isSDP(m) {
		return m.Body()
	}
	return nil
}

// contactURI returns the Contact as a URI we can send to, or "".
func contactURI(m message) string {
	c := m.Contact()
	if c == nil || c.Address.Wildcard || c.Address.Host == "" ||
		!(strings.EqualFold(c.Address.Scheme, "sip") || strings.EqualFold(c.Address.Scheme, "sips") || c.Address.Scheme == "") {
		return ""
	}
	if s := c.Address.String(); goodURI(s) {
		return s
	}
	return ""
}

// goodURI says that we can put s into a request line or a Route: the parser lets
// blanks and control characters through.
func goodURI(s string) bool {
	if len(s) > 1024 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' || r == '"' }) {
		return false
	}
	u, err := parseURI(s)
	return err == nil && u.Host != "" && !u.Wildcard
}

// maxRoutes bounds a route set: RFC 3261 has no bound, Max-Forwards 70 has.
const maxRoutes = 32

// recordRoutes returns the Record-Route URIs in the order they stand.
func recordRoutes(m message) []string {
	var out []string
	for _, h := range m.Headers() {
		if rr, ok := h.(*sip.RecordRouteHeader); ok && len(out) < maxRoutes {
			if s := rr.Address.String(); goodURI(s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// retryAfter reads Retry-After in seconds ("120;duration=3600" or "5 (maintenance)").
func retryAfter(m message) int {
	v, _ := first(m, "Retry-After", "")
	n := 0
	for i := 0; i < len(v) && v[i] >= '0' && v[i] <= '9' && n < 1<<24; i++ {
		n = n*10 + int(v[i]-'0')
	}
	return n
}
