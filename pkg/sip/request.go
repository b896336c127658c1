package sip

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/resolve"
)

// request is a request of ours outside of dialogs: REGISTER and OPTIONS of trunks.
type request struct {
	method    sip.RequestMethod
	uri       sip.Uri
	from, to  string // name-addr without tag
	callID    string
	cseq      uint32
	headers   []Header
	contact   string // user part of our Contact; "" sends none
	transport string
	addr      netip.AddrPort
	server    string // Target.ServerName
}

// sendRequest sends r once; done is told the final answer, or nil when none will
// come (transport: because it could not be sent), and our Contact URI. done runs
// on a SIP goroutine, once, and must not block. After Stop it may never run.
func (s *Stack) sendRequest(r request, done func(res *sip.Response, contact string, transport bool)) {
	sh := s.shardOf(r.callID)
	sh.do(func() {
		h, err := s.hopTo(Target{URI: r.uri.String(), Transport: r.transport, Addr: r.addr, ServerName: r.server})
		if err != nil {
			done(nil, "", true)
			return
		}
		req := sip.NewRequest(r.method, r.uri)
		mf := sip.MaxForwardsHeader(70)
		req.AppendHeader(&mf)
		req.AppendHeader(sip.NewHeader("From", "<"+r.from+">;tag="+string(sh.rand.token(nil, 1))))
		req.AppendHeader(sip.NewHeader("To", "<"+r.to+">"))
		id := sip.CallIDHeader(r.callID)
		req.AppendHeader(&id)
		req.AppendHeader(&sip.CSeqHeader{SeqNo: r.cseq, MethodName: r.method})
		contact := s.contact(h, r.uri.Scheme == "sips")
		if r.contact != "" {
			contact = strings.Replace(contact, ":", ":"+r.contact+"@", 1)
		}
		if r.method == sip.REGISTER || r.contact != "" {
			req.AppendHeader(sip.NewHeader("Contact", "<"+contact+">"))
		}
		for _, hd := range r.headers {
			if isToken(hd.Name) && !hasControl(hd.Value) {
				req.AppendHeader(sip.NewHeader(hd.Name, hd.Value))
			}
		}
		if s.cfg.UserAgent != "" {
			req.AppendHeader(sip.NewHeader("User-Agent", s.cfg.UserAgent))
		}
		cl := sip.ContentLengthHeader(0)
		req.AppendHeader(&cl)
		branch := sh.branch()
		sh.via(req, h, branch)
		sh.startFor(req, h, branch, func(res *sip.Response, transport bool) { done(res, contact, transport) })
	})
}

// queryOf is what of a URI leads to addresses (RFC 3263 4): maddr before host.
func queryOf(u *sip.Uri) resolve.Query {
	q := resolve.Query{Host: u.Host, Port: uint16(u.Port), Secure: u.Scheme == "sips"}
	for _, p := range u.UriParams {
		switch {
		case strings.EqualFold(p.K, "transport"):
			q.Transport = p.V
		case strings.EqualFold(p.K, "maddr") && p.V != "":
			q.Host = p.V
		}
	}
	return q
}

// resolveTimeout bounds finding the addresses of one name, all questions together.
const resolveTimeout = 10 * time.Second

// addresses finds where to send to u without ever waiting: then is called at
// once when the answer is known, else later on a goroutine of its own. false:
// the stack is stopping, or too many names are looked up already.
func (s *Stack) addresses(q resolve.Query, then func([]resolve.Target, error)) bool {
	if targets, err, ok := s.dns.Cached(q); ok {
		then(targets, err)
		return true
	}
	if s.lookups.Add(1) > maxLookups {
		s.lookups.Add(-1)
		return false
	}
	ok := s.goTrack(func() {
		defer s.lookups.Add(-1)
		ctx, cancel := context.WithTimeout(s.ctx, resolveTimeout)
		defer cancel()
		then(s.dns.Resolve(ctx, q))
	})
	if !ok {
		s.lookups.Add(-1)
	}
	return ok
}

// maxLookups bounds the goroutines that wait for DNS.
const maxLookups = 512

// reachable tells whether we have a socket to send from.
func (s *Stack) reachable(transport string, a netip.Addr) bool {
	return transport != protoUDP || s.listenerFor(protoUDP, netip.AddrPortFrom(a, 5060)) != nil
}

// seconds reads a header's leading number of seconds; -1 when there is none.
func seconds(v string) time.Duration {
	v = strings.TrimSpace(v)
	end := 0
	for end < len(v) && v[end] >= '0' && v[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(v[:end], 10, 32)
	if err != nil {
		return -1
	}
	return time.Duration(n) * time.Second
}

// splitRoutes parts a list of name-addrs at the commas between them.
func splitRoutes(v string) []string {
	var out []string
	quoted, angle, from := false, false, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
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
			out = append(out, strings.TrimSpace(v[from:i]))
			from = i + 1
		}
	}
	if last := strings.TrimSpace(v[from:]); last != "" {
		out = append(out, last)
	}
	return out
}

// plainText bounds a stranger's words for people to read.
func plainText(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
