package sip

import (
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/render"
)

// Answers without a transaction (RFC 3261 8.2.7): to strangers, to malformed
// requests, when we are full. They cost no memory; the same request again gets
// the same answer, with the same To tag.

// topVia is the first Via where it could be read. (sipgo's Via() would try to
// read text that we refused.)
func topVia(req *sip.Request) *sip.ViaHeader {
	for _, h := range req.Headers() {
		if h.Name() == "Via" {
			v, _ := h.(*sip.ViaHeader)
			return v
		}
	}
	return nil
}

// stampVia notes where a request really came from (RFC 3261 18.2.1, RFC 3581 4).
func stampVia(via *sip.ViaHeader, from netip.AddrPort) {
	sent, err := netip.ParseAddr(via.Host)
	rport := via.Params.Has("rport")
	var b [64]byte
	text := strconv.AppendUint(b[:0], uint64(from.Port()), 10)
	n := len(text)
	both := string(from.Addr().AppendTo(text))
	if rport {
		via.Params.Add("rport", both[:n])
	}
	if rport || err != nil || sent.Unmap() != from.Addr() {
		via.Params.Add("received", both[n:])
	} else {
		via.Params.Remove("received") // a stranger's own claim
	}
}

// replyHop is where responses go: RFC 3261 18.2.2 and RFC 3581 4. A maddr is not
// followed: it would let anyone aim our answers at others.
func replyHop(req *sip.Request, h hop) hop {
	if h.conn != nil {
		return h
	}
	via := topVia(req)
	if via == nil || via.Params.Has("rport") {
		return h
	}
	if sent, err := netip.ParseAddr(via.Host); err != nil || sent.Unmap() != h.remote.Addr() {
		// Behind NAT without rport the sent-by port leads nowhere; phones that do
		// so listen where they send from.
		return h
	}
	port := uint16(via.Port)
	if port == 0 {
		port = 5060
	}
	h.remote = netip.AddrPortFrom(h.remote.Addr(), port)
	return h
}

// appendResponse renders a response of RFC 3261 8.2.6; what the request lacks is left
// out. tag goes into a To without one; "" makes one up, the same each time.
func (s *Stack) appendResponse(b []byte, req *sip.Request, code int, reason, tag string, headers ...Header) []byte {
	if reason == "" {
		reason = dialog.Phrase(code)
	}
	b = render.Status(b, code, reason)
	for _, h := range req.Headers() {
		if h.Name() == "Via" {
			b = render.Header(b, h)
		}
	}
	if h := req.From(); h != nil {
		b = render.Header(b, h)
	}
	if h := req.To(); h != nil {
		b = render.Header(b, h)
		if code > 100 && !h.Params.Has("tag") {
			b = append(b[:len(b)-2], ";tag="...)
			if tag == "" {
				b = s.statelessTag(b, req)
			}
			b = append(append(b, tag...), "\r\n"...)
		}
	}
	if h := req.CallID(); h != nil {
		b = render.Header(b, h)
	}
	if h := req.CSeq(); h != nil {
		b = render.Header(b, h)
	}
	for i := range headers {
		b = render.Line(b, headers[i].Name, headers[i].Value)
	}
	if s.cfg.UserAgent != "" {
		b = render.Line(b, "Server", s.cfg.UserAgent)
	}
	return render.End(b, nil)
}

func (s *Stack) statelessTag(b []byte, req *sip.Request) []byte {
	var h maphash.Hash
	h.SetSeed(s.seed)
	if id := req.CallID(); id != nil {
		h.WriteString(string(*id))
	}
	if via := topVia(req); via != nil {
		branch, _ := via.Params.Get("branch")
		h.WriteString(branch)
	}
	return strconv.AppendUint(append(b, 's'), h.Sum64(), 36)
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// answer sends a response without a transaction. ACK never gets one.
func (s *Stack) answer(req *sip.Request, h hop, code int, reason string, headers ...Header) {
	if req.Method == sip.ACK {
		return
	}
	b := buffers.Get().(*[]byte)
	*b = s.appendResponse((*b)[:0], req, code, reason, "", headers...)
	s.met.response(string(req.Method), code)
	if err := replyHop(req, h).send(*b); err != nil {
		s.met.dropped[dropSend].Inc()
	}
	buffers.Put(b)
}

// refuseMalformed answers a request that could not be read as a whole.
func (s *Stack) refuseMalformed(req *sip.Request, e *parseError, h hop) {
	if req.GetHeader("via") == nil {
		s.met.dropped[dropStray].Inc()
		return
	}
	if via := topVia(req); via != nil {
		stampVia(via, h.remote)
	}
	s.answer(req, h, e.code, e.text)
}

// Methods we take, for Allow.
const (
	allowMethods = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, UPDATE, PRACK, REFER, SUBSCRIBE"
	acceptTypes  = "application/sdp"
	supportedExt = "100rel, norefersub, path, replaces, timer"
)

// option is a set of tags we understand outside a dialog; a dialog checks its own.
func unsupportedTags(req *sip.Request) string {
	var out []string
	for _, h := range req.Headers() {
		if h.Name() != "Require" {
			continue
		}
		for tag := range strings.SplitSeq(h.Value(), ",") {
			tag = strings.TrimSpace(tag)
			if tag != "" && !strings.EqualFold(tag, "path") && !dialog.Understands(tag) {
				out = append(out, tag)
			}
		}
	}
	return strings.Join(out, ", ")
}

// accepts reports whether the peer takes SDP in our answer (RFC 3261 20.1).
func accepts(req *sip.Request) bool {
	hs := req.GetHeaders("accept")
	if len(hs) == 0 {
		return true
	}
	for _, h := range hs {
		for item := range strings.SplitSeq(h.Value(), ",") {
			typ, _, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(typ)) {
			case "application/sdp", "application/*", "*/*":
				return true
			}
		}
	}
	return false
}

// knownMethods are those of the IANA list: refused with 405, others with 501
// (RFC 3261 21.4.6, 21.5.2).
var knownMethods = map[sip.RequestMethod]bool{
	"INVITE": true, "ACK": true, "BYE": true, "CANCEL": true, "REGISTER": true, "OPTIONS": true, "INFO": true, "UPDATE": true,
	"PRACK": true, "REFER": true, "NOTIFY": true, "SUBSCRIBE": true, "MESSAGE": true, "PUBLISH": true,
}
