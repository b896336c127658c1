package sip

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// tx is a transaction with what its machine does not hold. Owner only.
//
// Over UDP nearly every transaction waits 32 s for its end, so what is not
// needed there (the request, the dialog) is let go with the final response; what
// stays is the key and, where it must be sent again, the bytes of the answer.
type tx struct {
	m      transaction.Machine
	key    string
	hop    hop
	bytes  []byte       // what Transmit sends: the request, or the last response
	req    *sip.Request // client: until the final; server: until the final response
	d      *Dialog      // owner of the outcome, nil for none
	method string
	merged string // INVITE server: key in shard.calls
	cseq   uint32
	timers [2]timer
	source netip.Addr                              // server: whose it is; invalid: not counted
	again  bool                                    // server: its connection was gone, the response went by another
	done   func(res *sip.Response, transport bool) // client, no dialog: told the final answer or its absence, once
}

// serverKey is the key of RFC 3261 17.2.3: branch, sent-by and method, where an
// ACK belongs to its INVITE. A CANCEL has its own and matches by cancelKey.
func serverKey(b []byte, req *sip.Request, method string) []byte {
	if method == "ACK" {
		method = "INVITE"
	}
	via := req.Via()
	branch, _ := via.Params.Get("branch")
	b = append(b[:0], 's')
	if len(branch) > len(cookie) && strings.HasPrefix(branch, cookie) {
		b = append(b, branch...)
		b = append(b, 0)
		b = appendLower(b, via.Host)
		b = append(b, 0)
		b = strconv.AppendInt(b, int64(via.Port), 10)
		b = append(b, 0)
		return append(b, method...)
	}
	// A peer of RFC 2543, or a bare cookie (RFC 4475 3.2.1): Call-ID, CSeq, From
	// tag, top Via. (The Request-URI and To tag add nothing for a UAS.)
	tag, _ := req.From().Params.Get("tag")
	b = append(b, '2')
	b = append(b, *req.CallID()...)
	b = append(b, 0)
	b = append(b, tag...)
	b = append(b, 0)
	b = strconv.AppendUint(b, uint64(req.CSeq().SeqNo), 10)
	b = append(b, 0)
	b = append(b, branch...)
	b = append(b, 0)
	b = appendLower(b, via.Host)
	b = append(b, 0)
	b = strconv.AppendInt(b, int64(via.Port), 10)
	b = append(b, 0)
	return append(b, method...)
}

const cookie = "z9hG4bK" // RFC 3261 8.1.1.7

func appendLower(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

func clientKey(b []byte, branch, method string) []byte {
	b = append(b[:0], 'c')
	b = append(b, branch...)
	b = append(b, 0)
	return append(b, method...)
}

// addTx makes a transaction. key is copied.
func (sh *shard) addTx(kind transaction.Kind, key []byte, h hop, method string, cseq uint32) *tx {
	t := &tx{m: transaction.New(kind, h.reliable()), key: string(key), hop: h, cseq: cseq, method: method}
	for i := range t.timers {
		t.timers[i] = timer{kind: uint8(i), tx: t}
	}
	sh.txs[t.key] = t
	sh.s.met.transactions.Set(float64(sh.s.txCount.Add(1)))
	return t
}

func (sh *shard) dropTx(t *tx) {
	if sh.txs[t.key] != t {
		return
	}
	delete(sh.txs, t.key)
	if t.merged != "" && sh.calls[t.merged] == t {
		delete(sh.calls, t.merged)
	}
	for i := range t.timers {
		sh.timers.stop(&t.timers[i])
	}
	sh.s.met.transactions.Set(float64(sh.s.txCount.Add(-1)))
	if t.source.IsValid() {
		if n := sh.perSource[t.source]; n > 1 {
			sh.perSource[t.source] = n - 1
		} else {
			delete(sh.perSource, t.source)
		}
	}
	if t.d != nil {
		t.d.txs.drop(t)
	}
	t.req, t.d, t.bytes, t.done = nil, nil, nil, nil
}

// stepTx feeds a transaction and does what it asks but for Pass, which the
// caller does where it has the message.
func (sh *shard) stepTx(t *tx, in transaction.Input) transaction.Action {
	res := t.m.Step(in, &sh.s.cfg.Timers)
	sh.setTimer(&t.timers[timerRetransmit], res.Retransmit)
	if res.Deadline > 0 && t.m.Final() {
		sh.timers.set(&t.timers[timerDeadline], sh.later(res.Deadline))
	} else {
		sh.setTimer(&t.timers[timerDeadline], res.Deadline)
	}
	if res.Do&transaction.Transmit != 0 && len(t.bytes) > 0 {
		if in == transaction.Retransmit || in == transaction.Again {
			sh.s.met.retransmissions.Inc()
		}
		if err := t.hop.send(t.bytes); err != nil {
			sh.sendFailed(t, err)
		}
	}
	if res.Do&(transaction.TimedOut|transaction.Unreachable) != 0 {
		sh.failed(t, res.Do&transaction.Unreachable != 0)
	}
	if res.Do&transaction.Done != 0 && res.Do&transaction.Pass == 0 {
		sh.dropTx(t)
	}
	return res.Do
}

func (sh *shard) setTimer(t *timer, d time.Duration) {
	switch {
	case d > 0:
		sh.timers.set(t, sh.at(d))
	case d < 0:
		sh.timers.stop(t)
	}
}

// sendFailed turns a transport error into an input behind the current one.
func (sh *shard) sendFailed(t *tx, err error) {
	sh.s.met.dropped[dropSend].Inc()
	sh.s.log.Debug("sip send failed", zap.String("remote", t.hop.remote.String()), zap.Error(err))
	if t.m.Kind == transaction.InviteClient || t.m.Kind == transaction.OtherClient {
		sh.do(func() {
			if sh.txs[t.key] == t {
				sh.stepTx(t, transaction.TransportFailed)
			}
		})
	} else if t.hop.conn != nil && sh.answerAgain(t, err) {
		return
	} else if t.hop.conn != nil && t.d != nil {
		d := t.d
		sh.do(func() { d.step(dialog.TransportFailed{}) })
	}
}

// failed tells the owner that no final response will come (or, INVITE server,
// no ACK: the dialog of a refused call is over anyway, so nobody asks).
func (sh *shard) failed(t *tx, transport bool) {
	if done := t.done; done != nil {
		t.done = nil
		done(nil, transport)
		return
	}
	if t.d == nil || t.m.Kind == transaction.InviteServer || t.method == "CANCEL" {
		return
	}
	t.d.step(dialog.TransactionFailed{CSeq: t.cseq, Method: sip.RequestMethod(t.method), Transport: transport})
}

// connClosed fails the client transactions that wait on a connection.
func (sh *shard) connClosed(c *conn) {
	for _, t := range sh.txs {
		switch {
		case t.hop.conn != c:
		case !t.m.Final() && (t.m.Kind == transaction.InviteClient || t.m.Kind == transaction.OtherClient):
			sh.stepTx(t, transaction.TransportFailed)
		case t.again && t.d != nil && t.m.Kind == transaction.InviteServer:
			t.d.step(dialog.TransportFailed{}) // the second connection failed as well
		}
	}
}

// start sends a request in a new client transaction.
// nil: it goes by TCP in place of UDP, and by another transaction (see size.go);
// only where there is a dialog.
func (sh *shard) start(d *Dialog, req *sip.Request, h hop, branch string) *tx {
	method := string(req.Method)
	text := sh.write(req)
	if len(text) > maxDatagram && h.conn == nil && d != nil {
		if sh.fit(d, req, h, branch) {
			return nil
		}
		text = sh.write(req)
	}
	kind := transaction.OtherClient
	if method == "INVITE" {
		kind = transaction.InviteClient
	}
	sh.key = clientKey(sh.key, branch, method)
	t := sh.addTx(kind, sh.key, h, method, req.CSeq().SeqNo)
	t.d, t.req = d, req
	t.bytes = append([]byte(nil), text...)
	if d != nil {
		d.txs = append(d.txs, t)
	}
	if h.conn != nil {
		h.conn.used.Store(true)
	}
	sh.stepTx(t, transaction.Start)
	return t
}

// startFor sends a request outside of dialogs.
func (sh *shard) startFor(req *sip.Request, h hop, branch string, done func(*sip.Response, bool)) {
	// The transport may fail within start: done must be there by then, and is, as
	// a failure to send comes behind the current input.
	sh.start(nil, req, h, branch).done = done
}

// response matches a response to its transaction (RFC 3261 17.1.3).
func (sh *shard) response(res *sip.Response, h hop) {
	branch, _ := res.Via().Params.Get("branch")
	cseq := res.CSeq()
	sh.key = clientKey(sh.key, branch, string(cseq.MethodName))
	t := sh.txs[string(sh.key)]
	if t == nil || t.cseq != cseq.SeqNo {
		// Not ours, or too late: RFC 3261 18.1.2 lets us drop it.
		sh.s.met.dropped[dropStray].Inc()
		return
	}
	in := transaction.RecvFailure
	switch {
	case res.StatusCode < 200:
		in = transaction.RecvProvisional
	case res.StatusCode < 300:
		in = transaction.RecvSuccess
	}
	act := sh.stepTx(t, in)
	d := t.d
	switch {
	case act&transaction.SendAck != 0:
		sh.ackFailure(t, res)
	case in != transaction.RecvProvisional && act != 0:
		t.bytes, t.req = nil, nil // neither sent again nor cancelled
	}
	if res.StatusCode == 430 && d != nil {
		sh.s.unbind(d.target.binding) // RFC 5626 5.3.1: an edge tells that the flow has gone
	}
	if act&transaction.Pass != 0 && d != nil && t.method != "CANCEL" {
		d.learn(res, h)
		d.step(dialog.RecvResponse{Response: res})
	}
	if done := t.done; done != nil && act&transaction.Pass != 0 && in != transaction.RecvProvisional {
		t.done = nil
		done(res, false)
	}
	if act&transaction.Done != 0 {
		sh.dropTx(t)
	}
}

// ackFailure sends the ACK of RFC 3261 17.1.1.3, in the INVITE's own transaction.
func (sh *shard) ackFailure(t *tx, res *sip.Response) {
	inv := t.req
	if inv == nil { // the final came again, and so does its ACK
		if len(t.bytes) > 0 {
			sh.s.met.retransmissions.Inc()
			_ = t.hop.send(t.bytes)
		}
		return
	}
	t.req = nil
	ack := sip.NewRequest(sip.ACK, inv.Recipient)
	ack.AppendHeader(inv.Via())
	for _, r := range inv.GetHeaders("route") {
		ack.AppendHeader(r)
	}
	mf := sip.MaxForwardsHeader(70)
	ack.AppendHeader(&mf)
	ack.AppendHeader(inv.From())
	ack.AppendHeader(res.To())
	ack.AppendHeader(inv.CallID())
	ack.AppendHeader(&sip.CSeqHeader{SeqNo: t.cseq, MethodName: sip.ACK})
	cl := sip.ContentLengthHeader(0)
	ack.AppendHeader(&cl)
	t.bytes = append([]byte(nil), sh.write(ack)...)
	if err := t.hop.send(t.bytes); err != nil {
		sh.s.met.dropped[dropSend].Inc()
	}
}

// reply sends a response in a server transaction. text is copied.
func (sh *shard) reply(t *tx, code int, text []byte) {
	in := transaction.SendFailure
	switch {
	case code < 200:
		in = transaction.SendProvisional
	case code < 300:
		in = transaction.SendSuccess
	}
	if t.m.Final() && !(t.m.State == transaction.Accepted && in == transaction.SendSuccess) {
		return // a second final: the first one stands
	}
	t.bytes = append(t.bytes[:0], text...)
	sh.s.met.response(t.method, code)
	sh.stepTx(t, in)
	if in != transaction.SendProvisional {
		t.req = nil
	}
}

// respond is reply with what needs no more than the request says.
func (sh *shard) respond(t *tx, req *sip.Request, code int, reason string, headers ...Header) {
	sh.out = sh.s.appendResponse(sh.out[:0], req, code, reason, "", headers...)
	sh.reply(t, code, sh.out)
}

// send is reply with a dialog's response.
func (sh *shard) send(t *tx, e *dialog.SendResponse) {
	sh.out = e.Append(sh.out[:0], t.req)
	if len(sh.out) > maxDatagram && t.hop.conn == nil {
		if body, ok := trimBody(e.ContentType, e.Body); ok {
			short := *e
			short.Body = body
			sh.out = short.Append(sh.out[:0], t.req)
		}
	}
	sh.reply(t, e.Code, sh.out)
}
