package call

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/centrala/centrala/pkg/sip"
)

// identity is who calls from outside, as far as a trunk is to be believed.
type identity struct {
	number, display string
	private         bool   // RFC 3323, 3325: not to be shown
	divertedBy      string // RFC 5806, RFC 7044
	dialled         string // what was really dialled, "" = as the Request-URI says
}

// anonymousHost is the domain of an anonymous URI (RFC 3323 4.1.1.3).
const anonymousHost = "anonymous.invalid"

// identify reads who calls on a trunk. Asserted identities are believed only of
// a trusted trunk; whether the caller wants to be shown, of any. contact is the
// user under which the trunk is registered, "" for one that is not.
func identify(in *sip.Invitation, trusted bool, contact string) identity {
	id := identity{number: in.From.User, display: in.From.Display}
	host, _, _ := strings.Cut(in.From.Host, ":")
	id.private = strings.EqualFold(in.From.User, "anonymous") || strings.EqualFold(host, anonymousHost) || wantsPrivacy(in.Header("Privacy"))
	if trusted {
		if v := in.Header("P-Asserted-Identity"); v != "" {
			if user, name := addressIn(v); user != "" {
				id.number, id.display = user, name
			}
		} else if v := in.Header("Remote-Party-ID"); v != "" {
			// The draft that carriers still speak (draft-ietf-sip-privacy-04).
			if user, name := addressIn(v); user != "" && (param(v, "party") == "" || strings.EqualFold(param(v, "party"), "calling")) {
				id.number, id.display = user, name
			}
			if p := param(v, "privacy"); p != "" && !strings.EqualFold(p, "off") {
				id.private = true
			}
		}
	}
	if in.Headers != nil {
		id.divertedBy = divertedBy(in.Headers("Diversion"), in.Headers("History-Info"))
	}
	if contact != "" && in.Dialled == contact {
		// A registered trunk is called by its contact; which of its numbers was
		// dialled is in P-Called-Party-ID (RFC 7315 4.2) or, mostly, in To.
		if user, _ := addressIn(in.Header("P-Called-Party-ID")); user != "" {
			id.dialled = user
		} else if in.To.User != "" {
			id.dialled = in.To.User
		}
	}
	id.number, id.display = clean(id.number, 64), clean(id.display, 64)
	id.divertedBy, id.dialled = clean(id.divertedBy, 64), clean(id.dialled, 64)
	return id
}

// wantsPrivacy reads a Privacy header (RFC 3323 4.2, RFC 3325 9.3).
func wantsPrivacy(v string) bool {
	for w := range strings.SplitSeq(v, ";") {
		switch strings.ToLower(strings.TrimSpace(w)) {
		case "id", "user", "header":
			return true
		}
	}
	return false
}

// addressIn takes user and display name out of the first name-addr or URI of a
// header value: sip:, sips: and tel: are read.
func addressIn(v string) (user, display string) {
	v = strings.TrimSpace(v)
	if strings.HasPrefix(v, `"`) {
		end := 1
		var b strings.Builder
		for ; end < len(v) && v[end] != '"'; end++ {
			if v[end] == '\\' && end+1 < len(v) {
				end++
			}
			b.WriteByte(v[end])
		}
		display = b.String()
		v = v[min(end+1, len(v)):]
	}
	if i := strings.IndexByte(v, '<'); i >= 0 {
		if display == "" {
			display = strings.TrimSpace(v[:i])
		}
		v, _, _ = strings.Cut(v[i+1:], ">")
	} else {
		v, _, _ = strings.Cut(v, ",")
	}
	scheme, rest, ok := strings.Cut(strings.TrimSpace(v), ":")
	if !ok {
		return "", ""
	}
	switch strings.ToLower(scheme) {
	case "tel":
		user, _, _ = strings.Cut(rest, ";")
		// RFC 3966 5.1.1: visual separators mean nothing.
		user = strings.NewReplacer("-", "", ".", "", "(", "", ")", "").Replace(user)
	case "sip", "sips":
		at := strings.IndexByte(rest, '@')
		if at < 0 {
			return "", "" // a host is nobody's number
		}
		user, _, _ = strings.Cut(rest[:at], ":")
		user, _, _ = strings.Cut(user, ";") // ;user parameters of a telephone-subscriber
		user = unescape(user)
	default:
		return "", ""
	}
	return user, display
}

// unescape turns %41 into A; what is malformed stays.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// param is a header parameter behind the address, "" none.
func param(v, name string) string {
	if i := strings.LastIndexByte(v, '>'); i >= 0 {
		v = v[i+1:]
	}
	for p := range strings.SplitSeq(v, ";") {
		if k, val, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(val), `"`)
		}
	}
	return ""
}

// divertedBy is who forwarded a call last: the topmost Diversion (RFC 5806 4),
// else of History-Info the entry before the last (RFC 7044 10.1.1: the last is
// us, what stands before it was the target until then).
func divertedBy(diversion, history []string) string {
	for _, v := range diversion {
		if user, _ := addressIn(v); user != "" {
			return user
		}
	}
	var users []string
	for _, line := range history {
		for _, v := range splitList(line) {
			user, _ := addressIn(v)
			users = append(users, user)
		}
	}
	if len(users) < 2 {
		return ""
	}
	return users[len(users)-2]
}

// splitList parts a header's values at the commas between them.
func splitList(v string) []string {
	var out []string
	quoted, angle, from := false, false, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',' && !angle:
			out = append(out, v[from:i])
			from = i + 1
		}
	}
	return append(out, v[from:])
}

// shown is how the caller appears to a trunk: From and the headers beside it.
func (o *owner) shown(t *Trunk, number string, urgent bool) (sip.Address, []sip.Header) {
	s := &o.m.S
	caller := o.shownCaller(t)
	from := sip.Address{User: caller}
	// Who calls for help is shown, wanted or not (RFC 5687 ED-60).
	private := s.Private && !urgent
	var headers []sip.Header
	if uriUser(caller) {
		identity := "<sip:" + caller + "@" + t.Host + ">"
		switch {
		case t.SendIdentity == "pai":
			headers = append(headers, sip.Header{Name: "P-Asserted-Identity", Value: identity})
		case t.SendIdentity == "rpid" && private:
			headers = append(headers, sip.Header{Name: "Remote-Party-ID", Value: identity + ";party=calling;screen=yes;privacy=full"})
		case t.SendIdentity == "rpid":
			headers = append(headers, sip.Header{Name: "Remote-Party-ID", Value: identity + ";party=calling;screen=yes;privacy=off"})
		}
	}
	if private {
		from = sip.Address{Display: "Anonymous", User: "anonymous", Host: anonymousHost}
		headers = append(headers, sip.Header{Name: "Privacy", Value: "id"})
	}
	// A call from outside that goes out again was forwarded by the number it came to.
	by := s.Dialled
	if t.Show != nil {
		by = t.Show(by)
	}
	if s.Legs[0].Trunk != "" && uriUser(by) && uriUser(number) {
		switch t.SendDiversion {
		case "diversion":
			headers = append(headers, sip.Header{Name: "Diversion", Value: "<sip:" + by + "@" + t.Host + ">;reason=unconditional;counter=1"})
		case "history_info":
			headers = append(headers, sip.Header{Name: "History-Info", Value: "<sip:" + by + "@" + t.Host + ">;index=1, <sip:" + number + "@" + t.Host + ";cause=302>;index=1.1"})
		}
	}
	return from, headers
}

// uriUser tells whether s can stand before the @ as it is.
func uriUser(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("+-_.!~*'()", c) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// shownInside is how the caller appears to phones of the house.
func (o *owner) shownInside() sip.Address {
	if o.m.S.Private {
		return sip.Address{Display: "Anonymous", User: "anonymous", Host: anonymousHost}
	}
	if st := o.m.S.Start; st != nil && o.m.S.Kept == 0 { // who is called is not who calls
		return sip.Address{Display: st.Flow, User: cmp.Or(st.CallerID, st.Flow)}
	}
	return sip.Address{Display: o.callerName(), User: o.m.S.From}
}
