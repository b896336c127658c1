package dialog

import (
	"strconv"
	"strings"
)

// Elsewhere is the Reason of a CANCEL or BYE to the phones that rang in vain
// because another answered: they show no missed call (RFC 3326 3.1).
const Elsewhere = `SIP;cause=200;text="Call completed elsewhere"`

// maxReason bounds what is kept of a peer's Reason headers, bytes.
const maxReason = 256

// reasonsOf returns all Reason values in one line (RFC 3326 allows one of each
// protocol), or "".
func reasonsOf(m message) string {
	var out string
	for _, h := range m.Headers() {
		if !strings.EqualFold(h.Name(), "Reason") || len(out)+len(h.Value()) > maxReason {
			continue
		}
		if out != "" {
			out += ", "
		}
		out += h.Value()
	}
	return out
}

// Cause finds the cause of a protocol ("SIP", "Q.850") in the value of Reason
// headers, as Ended.Reason holds it; 0 for none.
func Cause(reason, protocol string) int {
	for one := range strings.SplitSeq(unquoted(reason), ",") {
		name, params, _ := strings.Cut(one, ";")
		if !strings.EqualFold(strings.TrimSpace(name), protocol) {
			continue
		}
		for p := range strings.SplitSeq(params, ";") {
			k, v, _ := strings.Cut(p, "=")
			if strings.EqualFold(strings.TrimSpace(k), "cause") {
				n, err := strconv.Atoi(strings.TrimSpace(v))
				if err == nil && n > 0 && n < 1000 {
					return n
				}
			}
		}
	}
	return 0
}

// unquoted blanks what stands in quotes, so that a text cannot pass for a cause.
func unquoted(s string) string {
	if !strings.Contains(s, `"`) {
		return s
	}
	b := []byte(s)
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\' && i+1 < len(b):
			b[i], b[i+1] = ' ', ' '
			i++
		case b[i] == '"':
			quoted = !quoted
			b[i] = ' '
		case quoted:
			b[i] = ' '
		}
	}
	return string(b)
}

// Elsewhere says that the call was answered by somebody else.
func (e Ended) Elsewhere() bool { return e.By == EndCancelled && Cause(e.Reason, "SIP") == 200 }
