package robot

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// maxMessage bounds what the robot reads as one SIP message, in bytes.
const maxMessage = 65535

// ErrMessage is wrapped by every fault of Parse.
var ErrMessage = errors.New("robot: not a SIP message")

// Message is a parsed SIP message. Its strings are copies; it may be kept.
type Message struct {
	Method string // "" for a response
	URI    string // request-URI
	Status int    // 0 for a request
	Reason string
	Body   []byte
	names  []string
	values []string
}

// compact maps the compact header forms of RFC 3261 7.3.3 to full names.
var compact = map[string]string{"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact",
	"l": "content-length", "c": "content-type", "k": "supported", "s": "subject"}

// Parse reads one SIP message. Header folding is undone, names are compared
// without case, and a body longer than the bytes at hand is a fault: over UDP
// the datagram ends the message (RFC 3261 18.3).
func Parse(b []byte) (*Message, error) {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return nil, ErrMessage
	}
	text := string(head)
	line, rest, _ := strings.Cut(text, "\r\n")
	m := &Message{names: make([]string, 0, 16), values: make([]string, 0, 16)}
	if s, ok := strings.CutPrefix(line, "SIP/2.0 "); ok {
		code, reason, _ := strings.Cut(s, " ")
		n, err := strconv.Atoi(code)
		if err != nil || n < 100 || n > 699 {
			return nil, ErrMessage
		}
		m.Status, m.Reason = n, reason
	} else {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "SIP/2.0" {
			return nil, ErrMessage
		}
		m.Method, m.URI = f[0], f[1]
	}
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		if line == "" {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if n := len(m.values); n > 0 {
				m.values[n-1] += " " + strings.TrimSpace(line)
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, ErrMessage
		}
		name = canonical(strings.TrimSpace(name))
		m.names = append(m.names, name)
		m.values = append(m.values, strings.TrimSpace(value))
	}
	if l := m.Get("content-length"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 0 || n > len(body) {
			return nil, ErrMessage
		}
		body = body[:n]
	}
	if len(body) > 0 {
		m.Body = bytes.Clone(body)
	}
	return m, nil
}

// known avoids lower-casing the usual spelling of the usual headers.
var known = map[string]string{"Via": "via", "From": "from", "To": "to", "Call-ID": "call-id", "CSeq": "cseq",
	"Contact": "contact", "Content-Length": "content-length", "Content-Type": "content-type", "Max-Forwards": "max-forwards",
	"Record-Route": "record-route", "Allow": "allow", "Supported": "supported", "User-Agent": "user-agent",
	"WWW-Authenticate": "www-authenticate", "Proxy-Authenticate": "proxy-authenticate"}

func canonical(name string) string {
	if s, ok := known[name]; ok {
		return s
	}
	name = strings.ToLower(name)
	if full, ok := compact[name]; ok {
		return full
	}
	return name
}

// Get returns the first value of a header, "" when absent. name is lower case.
func (m *Message) Get(name string) string {
	for i, n := range m.names {
		if n == name {
			return m.values[i]
		}
	}
	return ""
}

// All returns every value of a header in order. name is lower case.
func (m *Message) All(name string) []string {
	var out []string
	for i, n := range m.names {
		if n == name {
			out = append(out, m.values[i])
		}
	}
	return out
}

// cseq returns number and method of the CSeq header.
func (m *Message) cseq() (uint32, string) {
	num, method, _ := strings.Cut(m.Get("cseq"), " ")
	n, _ := strconv.ParseUint(num, 10, 32)
	return uint32(n), strings.TrimSpace(method)
}

// param returns a parameter of a header value outside the angle brackets,
// such as the tag of From; "" when absent.
func param(value, name string) string {
	if i := strings.LastIndexByte(value, '>'); i >= 0 {
		value = value[i+1:]
	}
	for p := range strings.SplitSeq(value, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(k, name) {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

// uriOf returns the URI of a name-addr or addr-spec header value.
func uriOf(value string) string {
	if i := strings.IndexByte(value, '<'); i >= 0 {
		if j := strings.IndexByte(value[i:], '>'); j > 0 {
			return value[i+1 : i+j]
		}
	}
	uri, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(uri)
}

// userOf returns the user part of a header value's or plain URI, "" when it has none.
func userOf(value string) string {
	uri := uriOf(value)
	_, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	user, _, ok := strings.Cut(rest, "@")
	if !ok {
		return ""
	}
	return user
}
