package sip

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Messages as bytes. sipgo's own writer makes a string of each URI, number and body
// on its way; ours appends to what the caller has, and writes the very same
// (TestWriterIsSipgos).

// appendMessage renders a request or response.
func appendMessage(b []byte, m sip.Message) []byte {
	switch m := m.(type) {
	case *sip.Request:
		b = append(append(b, m.Method...), ' ')
		b = appendURI(b, &m.Recipient)
		b = append(append(append(b, ' '), m.SipVersion...), "\r\n"...)
		for _, h := range m.Headers() {
			b = appendHeader(b, h)
		}
	case *sip.Response:
		b = append(append(b, m.SipVersion...), ' ')
		b = append(strconv.AppendInt(b, int64(m.StatusCode), 10), ' ')
		b = append(append(b, m.Reason...), "\r\n"...)
		for _, h := range m.Headers() {
			b = appendHeader(b, h)
		}
	}
	return append(append(b, "\r\n"...), m.Body()...)
}

// appendHeader renders one header with its line end.
func appendHeader(b []byte, h sip.Header) []byte {
	switch h := h.(type) {
	case *sip.ViaHeader:
		b = appendVia(append(b, "Via: "...), h)
	case *sip.FromHeader:
		b = appendNameAddr(append(b, "From: "...), h.DisplayName, &h.Address, h.Params)
	case *sip.ToHeader:
		b = appendNameAddr(append(b, "To: "...), h.DisplayName, &h.Address, h.Params)
	case *sip.ContactHeader:
		b = append(b, "Contact: "...)
		if h.Address.Wildcard {
			b = append(b, '*')
		} else {
			b = appendNameAddr(b, h.DisplayName, &h.Address, h.Params)
		}
	case *sip.CallIDHeader:
		b = append(append(b, "Call-ID: "...), *h...)
	case *sip.CSeqHeader:
		b = appendCSeq(b, h)
	case *sip.MaxForwardsHeader:
		b = strconv.AppendUint(append(b, "Max-Forwards: "...), uint64(*h), 10)
	case *sip.ContentLengthHeader:
		b = strconv.AppendUint(append(b, "Content-Length: "...), uint64(*h), 10)
	case *sip.RouteHeader:
		b = append(appendURI(append(b, "Route: <"...), &h.Address), '>')
	case *sip.RecordRouteHeader:
		b = append(appendURI(append(b, "Record-Route: <"...), &h.Address), '>')
	default:
		return appendLine(b, h.Name(), h.Value())
	}
	return append(b, "\r\n"...)
}

// appendLine renders a header of plain text.
func appendLine(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

func appendCSeq(b []byte, h *sip.CSeqHeader) []byte {
	b = strconv.AppendUint(append(b, "CSeq: "...), uint64(h.SeqNo), 10)
	return append(append(b, ' '), h.MethodName...)
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

func appendNameAddr(b []byte, display string, uri *sip.Uri, params sip.HeaderParams) []byte {
	if display != "" {
		b = append(append(append(b, '"'), display...), "\" "...)
	}
	b = append(appendURI(append(b, '<'), uri), '>')
	return appendParams(b, params, ';', ';')
}

func appendURI(b []byte, u *sip.Uri) []byte {
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
// value with a blank lost its quotes when it was read (see parseParams).
func appendParams(b []byte, params sip.HeaderParams, lead, sep byte) []byte {
	for i := range params {
		p := &params[i]
		b = append(b, lead)
		lead = sep
		b = append(b, p.K...)
		switch {
		case p.V == "":
		case strings.IndexByte(p.V, ' ') >= 0 || strings.IndexByte(p.V, '\t') >= 0:
			b = append(append(append(b, '=', '"'), p.V...), '"')
		default:
			b = append(append(b, '='), p.V...)
		}
	}
	return b
}
