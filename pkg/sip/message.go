package sip

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// The reader of messages. sipgo's own parser (v1.7.2) is not used for whole
// messages: it takes an unterminated display name, empty Via parameters, two
// Call-IDs and a body shorter than its Content-Length as they come, misreads
// several Vias in one line, and copies each header. Here the bytes become one
// string, each header is a piece of it, what RFC 3261 25 forbids is refused, and
// the result is sipgo's message model, which the rest of the stack works with.

// parseError says why a message is no good, and what to answer. Its texts are
// our own: nothing a stranger sent is in them.
type parseError struct {
	code   int    // status to answer a request with; 0: drop it
	reason string // label of centrala_sip_parse_errors_total
	text   string // reason phrase
}

func (e *parseError) Error() string { return "sip: " + e.reason + ": " + e.text }

// Reasons of parse errors, the closed label set.
const (
	badNotSIP    = "not_sip"
	badSize      = "too_large"
	badStart     = "start_line"
	badURI       = "uri"
	badHeader    = "header"
	badLength    = "content_length"
	badMissing   = "missing_header"
	badDuplicate = "duplicate_header"
	badVersion   = "version"
	badScheme    = "scheme"
)

var parseReasons = []string{badNotSIP, badSize, badStart, badURI, badHeader, badLength, badMissing, badDuplicate, badVersion, badScheme}

func bad(reason, text string) *parseError { return &parseError{400, reason, text} }

var errNotSIP = &parseError{0, badNotSIP, "not a SIP message"}

// hdr is a header we read ourselves; hOther stays text.
type hdr uint8

const (
	hOther hdr = iota
	hVia
	hFrom
	hTo
	hCallID
	hCSeq
	hContact
	hMaxForwards
	hContentLength
	hContentType
	hRoute
	hRecordRoute
)

// headerNames maps lower-case and compact names (RFC 3261 7.3.3 and the IANA
// list) to the full name and, where we read the value, its kind.
var headerNames = map[string]struct {
	name string
	h    hdr
}{
	"via": {"Via", hVia}, "v": {"Via", hVia},
	"from": {"From", hFrom}, "f": {"From", hFrom},
	"to": {"To", hTo}, "t": {"To", hTo},
	"call-id": {"Call-ID", hCallID}, "i": {"Call-ID", hCallID},
	"cseq":    {"CSeq", hCSeq},
	"contact": {"Contact", hContact}, "m": {"Contact", hContact},
	"max-forwards":   {"Max-Forwards", hMaxForwards},
	"content-length": {"Content-Length", hContentLength}, "l": {"Content-Length", hContentLength},
	"content-type": {"Content-Type", hContentType}, "c": {"Content-Type", hContentType},
	"route":        {"Route", hRoute},
	"record-route": {"Record-Route", hRecordRoute},
	"k":            {"Supported", hOther}, "supported": {"Supported", hOther},
	"e": {"Content-Encoding", hOther}, "content-encoding": {"Content-Encoding", hOther},
	"s": {"Subject", hOther}, "subject": {"Subject", hOther},
	"o": {"Event", hOther}, "event": {"Event", hOther},
	"u": {"Allow-Events", hOther}, "allow-events": {"Allow-Events", hOther},
	"r": {"Refer-To", hOther}, "refer-to": {"Refer-To", hOther},
	"b": {"Referred-By", hOther}, "referred-by": {"Referred-By", hOther},
	"x": {"Session-Expires", hOther}, "session-expires": {"Session-Expires", hOther},
	"a": {"Accept-Contact", hOther}, "accept-contact": {"Accept-Contact", hOther},
	"j": {"Reject-Contact", hOther}, "reject-contact": {"Reject-Contact", hOther},
	"d": {"Request-Disposition", hOther}, "request-disposition": {"Request-Disposition", hOther},
	"y": {"Identity", hOther}, "identity": {"Identity", hOther},
	"user-agent": {"User-Agent", hOther}, "server": {"Server", hOther},
	"allow": {"Allow", hOther}, "accept": {"Accept", hOther}, "expires": {"Expires", hOther},
	"require": {"Require", hOther}, "proxy-require": {"Proxy-Require", hOther},
	"authorization": {"Authorization", hOther}, "proxy-authorization": {"Proxy-Authorization", hOther},
	"www-authenticate": {"WWW-Authenticate", hOther}, "proxy-authenticate": {"Proxy-Authenticate", hOther},
	"reason": {"Reason", hOther}, "retry-after": {"Retry-After", hOther}, "min-se": {"Min-SE", hOther},
	"path": {"Path", hOther}, "p-asserted-identity": {"P-Asserted-Identity", hOther}, "privacy": {"Privacy", hOther},
	"replaces": {"Replaces", hOther}, "refer-sub": {"Refer-Sub", hOther}, "subscription-state": {"Subscription-State", hOther},
	"rseq": {"RSeq", hOther}, "rack": {"RAck", hOther}, "timestamp": {"Timestamp", hOther},
}

// exactNames spares lower-casing where the name is written as in the RFC.
var exactNames = func() map[string]struct {
	name string
	h    hdr
} {
	m := make(map[string]struct {
		name string
		h    hdr
	}, 2*len(headerNames))
	for _, v := range headerNames {
		m[v.name] = v
	}
	return m
}()

// message is what parse made: exactly one of req and res.
type message struct {
	req *sip.Request
	res *sip.Response
}

// msg is the part both kinds share.
func (m *message) data() *sip.MessageData {
	if m.req != nil {
		return &m.req.MessageData
	}
	return &m.res.MessageData
}

// parts are the headers that nearly every message has, once each, allocated with it.
type parts struct {
	via         sip.ViaHeader
	from        sip.FromHeader
	to          sip.ToHeader
	contact     sip.ContactHeader
	callID      sip.CallIDHeader
	contentType sip.ContentTypeHeader
	cseq        sip.CSeqHeader
	maxForwards sip.MaxForwardsHeader
	length      sip.ContentLengthHeader
	params      [6]sip.HeaderKV // Via's with the two that we add, the tags
}

// reader is the state of one parse.
type reader struct {
	p       *parts
	params  paramRoom
	headers []sip.Header
	seen    [hRecordRoute + 1]bool
	length  int // Content-Length, -1: none
}

func (r *reader) use(p *parts) { r.p, r.params = p, p.params[:] }

// finish gives the message its headers, all at once where it can: the list is then
// made once, as long as it must be.
func (r *reader) finish(d *sip.MessageData) {
	var vias, routes, records int
	for _, h := range r.headers {
		switch h.(type) {
		case *sip.ViaHeader:
			vias++
		case *sip.RouteHeader:
			routes++
		case *sip.RecordRouteHeader:
			records++
		}
	}
	if vias <= 1 && routes <= 1 && records <= 1 {
		d.PrependHeader(r.headers...)
		return
	}
	for _, h := range r.headers { // sipgo remembers the topmost of several only so
		d.AppendHeader(h)
	}
}

// any is the message as sipgo's.
func (m *message) any() sip.Message {
	if m.req != nil {
		return m.req
	}
	return m.res
}

// headEnd is the length of start line and headers with the empty line, or -1.
func headEnd(s string, from int) int {
	i := strings.Index(s[from:], "\r\n\r\n")
	if i < 0 {
		return -1
	}
	return from + i + 4
}

// parse reads one message, which is all of s but for bytes after the body. With
// an error it returns what could be read, so that a request can be answered.
// stream: Content-Length is required and s holds exactly the message.
func parse(s string, lim *Limits, stream bool) (m message, err *parseError) {
	if len(s) > lim.MaxMessageBytes {
		return m, &parseError{0, badSize, "message too large"}
	}
	end := headEnd(s, 0)
	head := s
	if end >= 0 {
		head = s[:end-2]
	}
	fail := func(e *parseError) {
		if err == nil && e != nil {
			err = e
		}
	}
	line, rest, ok := strings.Cut(head, "\r\n")
	if !ok {
		return m, errNotSIP
	}
	var room [24]sip.Header
	r := reader{headers: room[:0], length: -1}
	m, e := r.start(line, lim)
	if m.req == nil && m.res == nil {
		return m, e
	}
	fail(e)
	d := m.data()
	if end < 0 {
		// RFC 3261 7: the empty line must be there even without a body.
		fail(bad(badStart, "Missing End Of Headers"))
	}
	if len(head) > lim.MaxHeaderBytes {
		return m, &parseError{0, badSize, "headers too large"}
	}
	n := 0
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		for rest != "" && (rest[0] == ' ' || rest[0] == '\t') { // RFC 3261 7.3.1: folding
			var more string
			more, rest, _ = strings.Cut(rest, "\r\n")
			line = strings.TrimRight(line, " \t") + " " + strings.Trim(more, " \t")
		}
		if n++; n > lim.MaxHeaders {
			r.finish(d)
			return m, &parseError{0, badSize, "too many headers"}
		}
		colon := strings.IndexByte(line, ':')
		if colon < 0 {
			fail(bad(badHeader, "Header Without Colon"))
			continue
		}
		name := strings.TrimRight(line[:colon], " \t")
		value := strings.Trim(line[colon+1:], " \t")
		if !isToken(name) || hasRawControl(value) {
			fail(bad(badHeader, "Malformed Header"))
			continue
		}
		known, ok := exactNames[name]
		if !ok {
			if known, ok = headerNames[strings.ToLower(name)]; !ok {
				known.name = name
			}
		}
		if known.h == hOther {
			r.headers = append(r.headers, sip.NewHeader(known.name, value))
			continue
		}
		if r.seen[known.h] && known.h != hVia && known.h != hContact && known.h != hRoute && known.h != hRecordRoute {
			fail(bad(badDuplicate, "Repeated "+known.name))
			continue
		}
		if e := r.add(known.h, value); e != nil {
			if known.h == hVia && !r.seen[hVia] {
				// The 400 must find its way back by what the sender wrote.
				r.headers = append(r.headers, sip.NewHeader("Via", value))
				r.seen[hVia] = true
			}
			fail(e)
			continue
		}
		r.seen[known.h] = true
	}
	r.finish(d)
	for _, h := range [...]struct {
		h    hdr
		text string
	}{{hVia, "Missing Via"}, {hFrom, "Missing From"}, {hTo, "Missing To"}, {hCallID, "Missing Call-ID"}, {hCSeq, "Missing CSeq"}} {
		if !r.seen[h.h] {
			fail(bad(badMissing, h.text))
		}
	}
	if stream && r.length < 0 {
		fail(bad(badLength, "Missing Content-Length"))
	}
	if end < 0 {
		return m, err
	}
	body := s[end:]
	switch {
	case r.length > len(body):
		// RFC 3261 18.3: a datagram that ends before its body is an error.
		fail(bad(badLength, "Body Shorter Than Content-Length"))
	case r.length >= 0:
		body = body[:r.length]
	}
	if len(body) > lim.MaxBodyBytes {
		fail(&parseError{413, badSize, "Request Entity Too Large"})
		body = ""
	}
	if body != "" {
		d.SetBody([]byte(body))
	}
	return m, err
}

// add reads the value of one header that we know.
func (r *reader) add(h hdr, value string) *parseError {
	if value == "" {
		if h == hContentLength {
			return bad(badLength, "Malformed Content-Length")
		}
		return bad(badHeader, "Empty Header")
	}
	switch h {
	case hVia:
		for value != "" {
			var one string
			var ok bool
			if one, value, ok = cutList(value); !ok {
				return bad(badHeader, "Malformed Via")
			}
			v := &r.p.via
			if v.Host != "" {
				v = new(sip.ViaHeader)
			}
			if !parseVia(one, v, &r.params) {
				*v = sip.ViaHeader{}
				return bad(badHeader, "Malformed Via")
			}
			r.headers = append(r.headers, v)
		}
	case hFrom:
		v := &r.p.from
		var ok bool
		if v.DisplayName, v.Params, ok = parseNameAddr(value, &v.Address, &r.params); !ok {
			return bad(badHeader, "Malformed From")
		}
		r.headers = append(r.headers, v)
	case hTo:
		v := &r.p.to
		var ok bool
		if v.DisplayName, v.Params, ok = parseNameAddr(value, &v.Address, &r.params); !ok {
			return bad(badHeader, "Malformed To")
		}
		r.headers = append(r.headers, v)
	case hContact:
		if value == "*" {
			r.headers = append(r.headers, &sip.ContactHeader{Address: sip.Uri{Wildcard: true, Host: "*"}})
			return nil
		}
		for value != "" {
			var one string
			var ok bool
			if one, value, ok = cutList(value); !ok {
				return bad(badHeader, "Malformed Contact")
			}
			v := &r.p.contact
			if v.Address.Host != "" || v.Address.Scheme != "" {
				v = new(sip.ContactHeader)
			}
			if v.DisplayName, v.Params, ok = parseNameAddr(one, &v.Address, &r.params); !ok {
				*v = sip.ContactHeader{}
				return bad(badHeader, "Malformed Contact")
			}
			r.headers = append(r.headers, v)
		}
	case hRoute, hRecordRoute:
		for value != "" {
			var one string
			var ok bool
			if one, value, ok = cutList(value); !ok {
				return bad(badHeader, "Malformed Route")
			}
			var uri sip.Uri
			_, _, ok = parseNameAddr(one, &uri, &r.params)
			if !ok || one[len(one)-1] != '>' && !strings.Contains(one, ">") {
				return bad(badHeader, "Malformed Route")
			}
			if h == hRoute {
				r.headers = append(r.headers, &sip.RouteHeader{Address: uri})
			} else {
				r.headers = append(r.headers, &sip.RecordRouteHeader{Address: uri})
			}
		}
	case hCallID:
		if value == "" || len(value) > maxCallID || strings.ContainsAny(value, " \t,") {
			return bad(badHeader, "Malformed Call-ID")
		}
		r.p.callID = sip.CallIDHeader(value)
		r.headers = append(r.headers, &r.p.callID)
	case hCSeq:
		num, method, ok := strings.Cut(value, " ")
		if !ok {
			num, method, ok = strings.Cut(value, "\t")
		}
		method = strings.Trim(method, " \t")
		// RFC 3261 8.1.1.5: less than 2**31.
		seq, fits := parseUint(num, 1<<31-1)
		if !ok || !fits || !isToken(method) {
			return bad(badHeader, "Malformed CSeq")
		}
		r.p.cseq = sip.CSeqHeader{SeqNo: uint32(seq), MethodName: sip.RequestMethod(method)}
		r.headers = append(r.headers, &r.p.cseq)
	case hMaxForwards:
		v, ok := parseUint(value, 255) // RFC 3261 20.22
		if !ok {
			return bad(badHeader, "Malformed Max-Forwards")
		}
		r.p.maxForwards = sip.MaxForwardsHeader(v)
		r.headers = append(r.headers, &r.p.maxForwards)
	case hContentLength:
		v, ok := parseUint(value, 1<<31-1)
		if !ok {
			return bad(badLength, "Malformed Content-Length")
		}
		r.length, r.p.length = int(v), sip.ContentLengthHeader(v)
		r.headers = append(r.headers, &r.p.length)
	case hContentType:
		if !strings.Contains(value, "/") {
			return bad(badHeader, "Malformed Content-Type")
		}
		r.p.contentType = sip.ContentTypeHeader(value)
		r.headers = append(r.headers, &r.p.contentType)
	}
	return nil
}

// maxCallID bounds what we keep as a key; RFC 4475's long request needs 240.
const maxCallID = 512

// start reads the first line; no message where it is not SIP's at all.
func (r *reader) start(line string, lim *Limits) (m message, err *parseError) {
	if len(line) > 4 && strings.EqualFold(line[:4], "SIP/") {
		version, rest, ok := strings.Cut(line, " ")
		code, reason, _ := strings.Cut(rest, " ")
		n, digits := parseUint(code, 699)
		if !ok || !strings.EqualFold(version, "SIP/2.0") || !digits || len(code) != 3 || n < 100 || hasControl(reason) {
			return m, &parseError{0, badStart, "Malformed Status-Line"}
		}
		in := new(struct {
			res sip.Response
			p   parts
		})
		in.res.StatusCode, in.res.Reason, in.res.SipVersion = int(n), reason, "SIP/2.0"
		m.res = &in.res
		r.use(&in.p)
		return m, nil
	}
	// A request ends in SIP/x.y; what does not is not for us, or noise.
	last := strings.LastIndexByte(strings.TrimRight(line, " \t"), ' ')
	if last < 0 || len(line) < last+5 || !strings.EqualFold(line[last+1:last+5], "SIP/") {
		return m, errNotSIP
	}
	method, rest, _ := strings.Cut(line, " ")
	if !isToken(method) || len(method) > 64 {
		return m, errNotSIP
	}
	uriText, version, _ := strings.Cut(rest, " ")
	in := new(struct {
		req sip.Request
		p   parts
	})
	m.req = &in.req
	r.use(&in.p)
	if len(uriText) > lim.MaxURIBytes {
		err = &parseError{414, badURI, "Request-URI Too Long"}
	} else {
		err = parseRequestURI(uriText, &m.req.Recipient)
	}
	m.req.Method, m.req.SipVersion = sip.RequestMethod(method), "SIP/2.0"
	switch {
	case strings.ContainsAny(version, " \t") || uriText == "":
		// RFC 3261 7.1: single spaces, none at the end.
		err = bad(badStart, "Malformed Request-Line")
	case !strings.EqualFold(version, "SIP/2.0"):
		err = &parseError{505, badVersion, "Version Not Supported"}
	}
	return m, err
}

func parseRequestURI(s string, uri *sip.Uri) *parseError {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) || rest == "" {
		return bad(badURI, "Malformed Request-URI")
	}
	if !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips") {
		return &parseError{416, badScheme, "Unsupported URI Scheme"}
	}
	if !readURI(s, uri) || len(uri.Headers) > 0 { // RFC 3261 19.1.1: no headers in a Request-URI
		*uri = sip.Uri{}
		return bad(badURI, "Malformed Request-URI")
	}
	return nil
}
