package sip

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/ban"
	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/overload"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// request takes one well-formed request (RFC 3261 8.2 and 17.2.3).
func (sh *shard) request(req *sip.Request, h hop) {
	s := sh.s
	if req.Recipient.Scheme == "sips" && !secured(h.proto()) {
		// RFC 3261 26.2.2: sips over anything but TLS is a promise broken.
		s.answer(req, h, 416, "")
		return
	}
	sh.key = serverKey(sh.key, req, string(req.Method))
	t := sh.txs[string(sh.key)]
	if req.Method == sip.ACK {
		sh.ack(t, req, h)
		return
	}
	if t != nil {
		sh.stepTx(t, transaction.Again)
		return
	}
	if req.CSeq().MethodName != req.Method {
		s.met.parseError(h.proto(), badHeader)
		s.answer(req, h, 400, "CSeq Method Mismatch")
		return
	}
	if !knownMethods[req.Method] {
		s.answer(req, h, 501, "", Header{Name: "Allow", Value: allowMethods})
		return
	}
	if req.Method == sip.CANCEL {
		sh.cancel(req, h)
		return
	}
	if mf := req.MaxForwards(); mf != nil && *mf == 0 && req.Method == sip.INVITE {
		// As a B2BUA we would send it on: RFC 3261 16.3, against loops through us.
		s.answer(req, h, 483, "")
		return
	}
	replaces, malformed := readReplaces(req)
	if malformed != 0 {
		s.answer(req, h, malformed, "")
		return
	}
	if tag, ok := req.To().Params.Get("tag"); ok {
		sh.inDialog(req, h, tag)
		return
	}
	switch req.Method {
	case sip.INVITE:
		sh.invite(req, h, replaces)
	case sip.REGISTER:
		if tags := unsupportedTags(req); tags != "" {
			s.answer(req, h, 420, "", Header{Name: "Unsupported", Value: tags})
			return
		}
		sh.register(req, h)
	case sip.OPTIONS:
		sh.options(req, h)
	case sip.BYE, sip.INFO, sip.UPDATE, sip.PRACK:
		s.answer(req, h, 481, "")
	case sip.SUBSCRIBE:
		sh.subscribe(req, h)
	case sip.NOTIFY:
		s.strayNotify(req, h)
	case sip.REFER:
		// Without a call there is nobody to transfer, and calls on order are a
		// stranger's dream.
		s.answer(req, h, 403, "")
	default:
		s.answer(req, h, 405, "", Header{Name: "Allow", Value: allowMethods})
	}
}

func (sh *shard) options(req *sip.Request, h hop) {
	if tags := unsupportedTags(req); tags != "" {
		sh.s.answer(req, h, 420, "", Header{Name: "Unsupported", Value: tags})
		return
	}
	if sh.s.draining.Load() {
		sh.s.answer(req, h, 503, "", sh.s.retryAfter())
		return
	}
	if user := req.Recipient.User; user != "" {
		// RFC 3261 11.2 would answer for the user; to strangers that tells which
		// exist. All get the same answer, and who asks for many is a scanner.
		if name := unescape(user); !sh.s.known(name) {
			sh.s.actName(h, ban.UnknownNumber, name)
		}
		if sh.s.slow(h) {
			return
		}
	}
	sh.s.answer(req, h, 200, "OK", Header{Name: "Allow", Value: allowMethods}, Header{Name: "Accept", Value: acceptTypes}, Header{Name: "Supported", Value: supportedExt})
}

// known reports the name of a device.
func (s *Stack) known(name string) bool {
	_, ok := s.deps.Accounts.Account(name, "")
	return ok
}

// ack takes an ACK: of a refused INVITE (same branch), or of a 2xx (its own
// branch, RFC 3261 13.2.2.4) for the dialog.
func (sh *shard) ack(t *tx, req *sip.Request, h hop) {
	if t != nil && t.m.Kind == transaction.InviteServer && t.m.State != transaction.Accepted {
		sh.stepTx(t, transaction.Ack)
		if t.m.State == transaction.Confirmed {
			t.bytes = nil
		}
		return
	}
	tag, _ := req.To().Params.Get("tag")
	d := sh.find(string(*req.CallID()), tag)
	if d == nil {
		// The ACK of an answer we gave without a transaction, or a late one.
		return
	}
	d.heard(req, h)
	if seq := req.CSeq().SeqNo; !d.acked || seq != d.ackSeq {
		// The 200 is not sent again: let its bytes go (an INVITE's transaction
		// stays for 32 s to absorb the request).
		d.acked, d.ackSeq = true, seq
		for _, t := range d.txs {
			if t.m.Kind == transaction.InviteServer && t.m.State == transaction.Accepted && t.cseq == seq {
				t.bytes = nil
			}
		}
	}
	d.step(dialog.RecvRequest{Request: req})
}

// cancel matches a CANCEL to its INVITE (RFC 3261 9.2).
func (sh *shard) cancel(req *sip.Request, h hop) {
	sh.key = serverKey(sh.key, req, "INVITE")
	inv := sh.txs[string(sh.key)]
	if inv == nil || inv.m.Kind != transaction.InviteServer {
		sh.s.answer(req, h, 481, "")
		return
	}
	sh.key = serverKey(sh.key, req, "CANCEL")
	t := sh.newServerTx(transaction.OtherServer, req, h)
	if t == nil {
		return
	}
	if d := inv.d; d != nil {
		t.d = d
		d.txs = append(d.txs, t)
		d.step(dialog.RecvRequest{Request: req, Tx: dialog.TxKey(t.key)})
		return
	}
	sh.respond(t, req, 200, "OK")
}

// newServerTx makes a transaction of sh.key, or answers 503 when there are too
// many: in all, or of an address that is no trunk's.
func (sh *shard) newServerTx(kind transaction.Kind, req *sip.Request, h hop) *tx {
	if int(sh.s.txCount.Load()) >= sh.s.cfg.Limits.MaxTransactions {
		sh.full(req, h, capTransactions)
		return nil
	}
	src := sourceOf(h.remote.Addr())
	if sh.perSource[src] >= sh.sourceTxs && !sh.s.isTrunk(h.remote) {
		sh.full(req, h, capTransactionsSource)
		return nil
	}
	t := sh.addTx(kind, sh.key, replyHop(req, h), string(req.Method), req.CSeq().SeqNo)
	t.req, t.source = req, src
	sh.perSource[src]++
	return t
}

// full refuses a request beyond one of the caps.
func (sh *shard) full(req *sip.Request, h hop, which int) {
	sh.s.met.refused[which].Inc()
	sh.s.answer(req, h, 503, "", sh.s.retryAfter())
}

// inDialog takes a request with a To tag.
func (sh *shard) inDialog(req *sip.Request, h hop, tag string) {
	d := sh.find(string(*req.CallID()), tag)
	if d == nil {
		if req.Method == sip.OPTIONS { // RFC 3261 11.2: outside the dialog we can answer as well
			sh.options(req, h)
			return
		}
		if req.Method == sip.SUBSCRIBE {
			sh.subscribe(req, h)
			return
		}
		sh.s.answer(req, h, 481, "")
		return
	}
	sh.key = serverKey(sh.key, req, string(req.Method))
	kind := transaction.OtherServer
	if req.Method == sip.INVITE {
		kind = transaction.InviteServer
	}
	t := sh.newServerTx(kind, req, h)
	if t == nil {
		return
	}
	t.d = d
	d.txs = append(d.txs, t)
	d.heard(req, h)
	if kind == transaction.InviteServer {
		sh.owed = append(sh.owed, t)
	}
	d.step(dialog.RecvRequest{Request: req, Tx: dialog.TxKey(t.key)})
}

// invite takes a new call.
func (sh *shard) invite(req *sip.Request, h hop, replaces *Replaces) {
	s := sh.s
	if s.draining.Load() && !sh.urgent(req) {
		s.answer(req, h, 503, "", s.retryAfter())
		return
	}
	// What was refused stays refused: its sender may have sent it again before it
	// heard, and would ring somebody for a caller who has gone.
	sh.key = serverKey(sh.key, req, "INVITE")
	if sh.refused.has(sh.key, sh.now.Sub(sh.epoch)) && !sh.urgent(req) {
		s.met.shed[overload.Call].Inc()
		s.answer(req, h, 503, "", s.retryAfter())
		return
	}
	if sh.shed(overload.Call, req, h) {
		sh.refused.note(sh.key, sh.now.Sub(sh.epoch))
		return
	}
	who, ok := sh.identify(req, h)
	if !ok {
		return
	}
	// RFC 3261 8.2.2.2: the same request by another path.
	fromTag, _ := req.From().Params.Get("tag")
	merged := make([]byte, 0, 96)
	merged = dialogKey(merged, string(*req.CallID()), fromTag)
	merged = append(merged, 0)
	merged = strconv.AppendUint(merged, uint64(req.CSeq().SeqNo), 10)
	if sh.calls[string(merged)] != nil {
		s.answer(req, h, 482, "Merged Request")
		return
	}
	if !accepts(req) {
		s.answer(req, h, 406, "", Header{Name: "Accept", Value: acceptTypes})
		return
	}
	if c := req.Contact(); c == nil {
		// RFC 2543 took the From URI then (RFC 4475 3.4.1).
		req.AppendHeader(&sip.ContactHeader{Address: req.From().Address})
	} else if c.Address.Wildcard {
		s.answer(req, h, 400, "Malformed Contact")
		return
	}
	dialled := unescape(req.Recipient.User)
	if !printable(dialled) || len(dialled) > 64 {
		s.answer(req, h, 404, "")
		return
	}
	if int(s.dialogCount.Load()) >= s.cfg.Limits.MaxDialogs && !sh.urgent(req) {
		sh.full(req, h, capDialogs)
		return
	}
	var counted netip.Addr
	if who.kind == IdentityDevice {
		counted = sourceOf(h.remote.Addr())
		if !s.perSource.take(counted, s.cfg.Limits.MaxDialogsPerSource) {
			sh.full(req, h, capDialogsSource)
			return
		}
	}
	sh.key = serverKey(sh.key, req, "INVITE")
	t := sh.newServerTx(transaction.InviteServer, req, h)
	if t == nil {
		if counted.IsValid() {
			s.perSource.give(counted)
		}
		return
	}
	t.merged = string(merged)
	sh.calls[t.merged] = t
	sh.owed = append(sh.owed, t)

	d := sh.newDialog(string(*req.CallID()))
	d.flow, d.peer, d.counted = h, t.hop, counted
	d.routed = len(req.GetHeaders("record-route")) > 0
	t.d = d
	d.txs = append(d.txs, t)
	m, effects := dialog.NewUAS(s.dialogConfig(sh), sh.now, s.contact(h, req.Recipient.Scheme == "sips"), req, dialog.TxKey(t.key))
	d.adopt(m)
	d.carry(effects)
	if d.gone {
		return
	}
	in := &Invitation{
		Dialog: d, Kind: who.kind, Tenant: who.tenant, Name: who.name,
		From: addressOf(req.From().DisplayName, &req.From().Address), To: addressOf(req.To().DisplayName, &req.To().Address),
		Dialled: dialled, SIPCallID: d.callID, Source: h.remote, Transport: h.proto(),
		Secure: req.Recipient.Scheme == "sips",
		Trace:  traceOf(req),
	}
	if len(req.Body()) > 0 {
		in.SDP = req.Body()
	}
	in.Header = func(name string) string {
		if v := req.GetHeader(name); v != nil {
			return v.Value()
		}
		return ""
	}
	in.Headers = func(name string) []string {
		var out []string
		for _, v := range req.GetHeaders(name) {
			if len(out) < maxHeaderValues {
				out = append(out, v.Value())
			}
		}
		return out
	}
	d.with = party{who.kind, who.tenant, who.name}
	d.invited(in, replaces)
}

// maxHeaderValues bounds what Invitation.Headers gives: more hops than a call has.
const maxHeaderValues = 16

// traceOf takes a peer's trace id where it is harmless text.
func traceOf(req *sip.Request) string {
	for _, name := range [...]string{"x-trace-id", "session-id"} {
		if h := req.GetHeader(name); h != nil {
			v, _, _ := strings.Cut(h.Value(), ";")
			if len(v) <= 64 && isToken(v) {
				return v
			}
		}
	}
	return ""
}

func addressOf(display string, u *sip.Uri) Address {
	// sipgo keeps quoted-pairs as they came.
	if strings.IndexByte(display, '\\') >= 0 {
		b := make([]byte, 0, len(display))
		for i := 0; i < len(display); i++ {
			if display[i] == '\\' && i+1 < len(display) {
				i++
			}
			b = append(b, display[i])
		}
		display = string(b)
	}
	if hasControl(display) || !utf8.ValidString(display) {
		display = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == utf8.RuneError {
				return -1
			}
			return r
		}, display)
	}
	host := u.Host
	if u.Port > 0 {
		host += ":" + strconv.Itoa(u.Port)
	}
	user := unescape(u.User)
	if !printable(user) {
		user = ""
	}
	return Address{Display: display, User: user, Host: host}
}

// printable reports ASCII without controls: what may be a number or a name.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
