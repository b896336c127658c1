// Package render writes SIP messages. sipgo's own writer makes a string of each URI,
// number and body on its way; this one appends to what the caller has, and writes the
// very same but for two faults of sipgo's (1.7.2): an IPv6 address that holds an IPv4
// one gets its brackets, and a quoted value with a blank is not quoted twice. Pure.
package render

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Append renders a request or response.
func Append(b []byte, m sip.Message) []byte {
	switch m := m.(type) {
	case *sip.Request:
		b = append(append(b, m.Method...), ' ')
		b = URI(b, &m.Recipient)
		b = append(append(append(b, ' '), m.SipVersion...), "\r\n"...)
		for _, h := range m.Headers() {
			b = Header(b, h)
		}
	case *sip.Response:
		b = append(append(b, m.SipVersion...), ' ')
		b = append(strconv.AppendInt(b, int64(m.StatusCode), 10), ' ')
		b = append(append(b, m.Reason...), "\r\n"...)
		for _, h := range m.Headers() {
			b = Header(b, h)
		}
	}
	return append(append(b, "\r\n"...), m.Body()...)
}

// Header renders one header with its line end.
func Header(b []byte, h sip.Header) []byte {
	switch h := h.(type) {
	case *sip.ViaHeader:
		b = appendVia(append(b, "Via: "...), h)
	case *sip.FromHeader:
		b = NameAddr(append(b, "From: "...), h.DisplayName, &h.Address, h.Params)
	case *sip.ToHeader:
		b = NameAddr(append(b, "To: "...), h.DisplayName, &h.Address, h.Params)
	case *sip.ContactHeader:
		b = append(b, "Contact: "...)
		if h.Address.Wildcard {
			b = append(b, '*')
		} else {
			b = NameAddr(b, h.DisplayName, &h.Address, h.Params)
		}
	case *sip.CallIDHeader:
		b = append(append(b, "Call-ID: "...), *h...)
	case *sip.CSeqHeader:
		b = strconv.AppendUint(append(b, "CSeq: "...), uint64(h.SeqNo), 10)
		b = append(append(b, ' '), h.MethodName...)
	case *sip.MaxForwardsHeader:
		b = strconv.AppendUint(append(b, "Max-Forwards: "...), uint64(*h), 10)
	case *sip.ContentLengthHeader:
		b = strconv.AppendUint(append(b, "Content-Length: "...), uint64(*h), 10)
	case *sip.RouteHeader:
		b = append(URI(append(b, "Route: <"...), &h.Address), '>')
	case *sip.RecordRouteHeader:
		b = append(URI(append(b, "Record-Route: <"...), &h.Address), '>')
	default:
		return Line(b, h.Name(), h.Value())
	}
	return append(b, "\r\n"...)
}

// Line renders a header of plain text.
func Line(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// Status renders the first line of a response.
func Status(b []byte, code int, reason string) []byte {
	b = append(strconv.AppendInt(append(b, "SIP/2.0 "...), int64(code), 10), ' ')
	return append(append(b, reason...), "\r\n"...)
}

// End renders Content-Length, the end of the headers and the body.
func End(b, body []byte) []byte {
	b = strconv.AppendInt(append(b, "Content-Length: "...), int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}

func appendVia(b []byte, h *sip.ViaHeader) []byte {
	b = append(append(b, h.ProtocolName...), '/')
	b = append(append(b, h.ProtocolVersion...), '/')
	b = append(append(b, h.Transport...), ' ')
	b = appendHost(b, h.Host)
	if h.Port > 0 {
		b = strconv.AppendInt(append(b, ':'), int64(h.Port), 10)
	}
	return appendParams(b, h.Params, ';', ';')
}

// NameAddr renders an address with its display name, which keeps the escapes it has,
// and parameters.
func NameAddr(b []byte, display string, uri *sip.Uri, params sip.HeaderParams) []byte {
	if display != "" {
		b = append(append(append(b, '"'), display...), "\" "...)
	}
	b = append(URI(append(b, '<'), uri), '>')
	return appendParams(b, params, ';', ';')
}

// URI renders a URI.
func URI(b []byte, u *sip.Uri) []byte {
	if u.Scheme == "" {
		b = append(b, "sip:"...)
	} else {
		b = append(append(b, u.Scheme...), ':')
	}
	if raw := u.Raw(); raw != "" {
		return append(b, raw...)
	}
	if u.HierarhicalSlashes {
		b = append(b, "//"...)
	}
	if u.User != "" {
		b = append(b, u.User...)
		if u.Password != "" {
			b = append(append(b, ':'), u.Password...)
		}
		b = append(b, '@')
	}
	b = appendHost(b, u.Host)
	if u.Port > 0 {
		b = strconv.AppendInt(append(b, ':'), int64(u.Port), 10)
	}
	b = appendParams(b, u.UriParams, ';', ';')
	return appendParams(b, u.Headers, '?', '&')
}

// appendHost puts the brackets around an IPv6 address that has none.
func appendHost(b []byte, host string) []byte {
	if strings.IndexByte(host, ':') >= 0 && host[0] != '[' {
		if _, err := netip.ParseAddr(host); err == nil { // no port
			return append(append(append(b, '['), host...), ']')
		}
	}
	return append(b, host...)
}

// appendParams renders parameters, lead before the first and sep between them. A
// value with a blank is quoted where it lost its quotes as it was read.
func appendParams(b []byte, params sip.HeaderParams, lead, sep byte) []byte {
	for i := range params {
		p := &params[i]
		b = append(b, lead)
		lead = sep
		b = append(b, p.K...)
		switch {
		case p.V == "":
		case p.V[0] == '"':
			b = append(append(b, '='), p.V...)
		case strings.IndexByte(p.V, ' ') >= 0 || strings.IndexByte(p.V, '\t') >= 0:
			b = append(append(append(b, '=', '"'), p.V...), '"')
		default:
			b = append(append(b, '='), p.V...)
		}
	}
	return b
}
