package subscription

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/registrar"
)

// maxEventID bounds the id parameter of Event, bytes.
const maxEventID = 64

// maxRoutes bounds a route set, as in pkg/sip/dialog.
const maxRoutes = 32

// Read reads a SUBSCRIBE, or returns the status to refuse it with: 400, 406 or
// 489. Subscriber, Resource, NewTag and Contact are left to the owner.
func Read(req *sip.Request, flow registrar.Flow) (Request, int) {
	r := Request{Flow: flow, Expires: -1}
	from, to, id, cseq := req.From(), req.To(), req.CallID(), req.CSeq()
	if from == nil || to == nil || id == nil || cseq == nil {
		return r, 400
	}
	r.CallID, r.CSeq = string(*id), cseq.SeqNo
	r.FromTag, _ = from.Params.Get("tag")
	r.ToTag, _ = to.Params.Get("tag")
	if r.FromTag == "" {
		return r, 400 // RFC 6665: a dialog of RFC 3261, which has tags
	}
	r.Local, r.Remote = nameAddr(to.DisplayName, &to.Address), nameAddr(from.DisplayName, &from.Address)
	u := req.Recipient
	u.UriParams, u.Headers, u.Password = nil, nil, ""
	r.Entity = u.String()
	events, accepts, accepted := 0, 0, false
	var types []string
	for _, h := range req.Headers() {
		switch strings.ToLower(h.Name()) {
		case "event", "o":
			events++
			pkg, params, _ := strings.Cut(h.Value(), ";")
			r.Package = strings.ToLower(strings.TrimSpace(pkg))
			for p := range strings.SplitSeq(params, ";") {
				k, v, _ := strings.Cut(p, "=")
				if v = strings.TrimSpace(v); strings.EqualFold(strings.TrimSpace(k), "id") {
					if len(v) > maxEventID || strings.ContainsAny(v, " \t\r\n\"<>,") {
						return r, 400
					}
					r.EventID = v
				}
			}
		case "expires":
			n, err := strconv.ParseUint(strings.TrimSpace(h.Value()), 10, 32) // RFC 3261 20.19
			if err != nil {
				return r, 400
			}
			r.Expires = int64(n)
		case "accept":
			accepts++
			types = append(types, strings.Split(h.Value(), ",")...)
		case "record-route":
			if rr, ok := h.(*sip.RecordRouteHeader); ok && len(r.Routes) < maxRoutes {
				r.Routes = append(r.Routes, rr.Address.String())
			}
		}
	}
	ours := ContentType(r.Package)
	switch {
	case events > 1:
		return r, 400
	case ours == "":
		return r, 489
	}
	for _, t := range types {
		t, _, _ = strings.Cut(t, ";")
		switch t = strings.ToLower(strings.TrimSpace(t)); {
		case t == ours, t == "*/*", t == "application/*":
			accepted = true
		}
	}
	if accepts > 0 && !accepted {
		return r, 406
	}
	c := req.Contact()
	if c == nil || c.Address.Wildcard || c.Address.Host == "" || !strings.EqualFold(c.Address.Scheme, "sip") && !strings.EqualFold(c.Address.Scheme, "sips") {
		return r, 400
	}
	r.Target = c.Address.String()
	return r, 0
}

func nameAddr(display string, u *sip.Uri) string {
	if display == "" {
		return "<" + u.String() + ">"
	}
	return `"` + display + `" <` + u.String() + ">"
}
