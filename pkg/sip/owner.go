package sip

import (
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// Dialog is the handle of one dialog. Its methods post a command to the owner
// and never block; any goroutine may call them, and after the end they do
// nothing. The state is the machine of pkg/sip/dialog, which only the owner (a
// shard) touches.
type Dialog struct {
	// Set at birth.
	sh     *shard
	callID string
	log    *zap.Logger

	// In.
	mu     sync.Mutex
	mail   []dialog.Event // commands, at most maxMail
	queued bool           // the shard knows
	ended  bool           // the call is over: few commands are taken
	closed bool           // dropped: none
	sink   func(DialogEvent)

	// Owner only.
	m       *dialog.Dialog
	key     string // in shard.dialogs
	flow    hop    // where the peer's messages come from
	peer    hop    // where its responses go
	with    party  // whom the peer was proved to be
	routed  bool   // a route set exists: its first hop decides
	target  Target // that Dial was given
	txs     txSet
	timers  [dialogTimers]timer
	try     timer          // see failover.go
	plan    *plan          // of an outgoing call until it is settled; nil: none
	busy    bool           // a Step's effects are being carried out
	pending []dialog.Event // what came meanwhile
	gone    bool
	counted netip.Addr // the source this dialog counts for; invalid: none
	acked   bool       // ackSeq is set
	ackSeq  uint32
}

// dialogTimers is the number of dialog.Timer values.
const dialogTimers = dialog.NumTimers

// maxMail bounds a dialog's commands: far more than a call has in a minute.
const maxMail = 256

func (sh *shard) newDialog(callID string) *Dialog {
	d := &Dialog{sh: sh, callID: callID}
	for i := range d.timers {
		d.timers[i] = timer{kind: uint8(i), d: d}
	}
	d.try = timer{kind: timerTry, d: d}
	sh.s.met.dialogs.Set(float64(sh.s.dialogCount.Add(1)))
	return d
}

// adopt gives the handle its machine.
func (d *Dialog) adopt(m *dialog.Dialog) {
	d.m = m
	d.key = string(dialogKey(nil, m.CallID(), m.LocalTag()))
	d.sh.dialogs[d.key] = d
}

// drop forgets the dialog; its transactions live on to absorb what comes late.
func (d *Dialog) drop() {
	if d.gone {
		return
	}
	d.gone = true
	sh := d.sh
	if d.key != "" && sh.dialogs[d.key] == d {
		delete(sh.dialogs, d.key)
	}
	for i := range d.timers {
		sh.timers.stop(&d.timers[i])
	}
	sh.timers.stop(&d.try)
	for _, t := range d.txs {
		t.d = nil
		// An INVITE that never got a final answer has no timer of its own any more.
		if t.m.Kind == transaction.InviteClient && !t.m.Final() {
			sh.dropTx(t)
		}
		if t.m.Kind == transaction.InviteServer && !t.m.Final() && t.req != nil {
			sh.respond(t, t.req, 500, "")
		}
	}
	d.txs = nil
	d.mu.Lock()
	d.ended, d.closed, d.mail = true, true, nil
	d.mu.Unlock()
	if d.counted.IsValid() {
		sh.s.perSource.give(d.counted)
	}
	sh.s.met.dialogs.Set(float64(sh.s.dialogCount.Add(-1)))
}

// SIPCallID is the Call-ID on the wire.
func (d *Dialog) SIPCallID() string { return d.callID }

// SetSink sets who is told of the dialog's events, in order, on the dialog's
// goroutine; sink must not block. For an incoming call: inside Handler.Invite.
func (d *Dialog) SetSink(sink func(DialogEvent)) {
	d.mu.Lock()
	d.sink = sink
	d.mu.Unlock()
}

// Progress answers 101..199; sdp is early media or nil.
func (d *Dialog) Progress(code int, sdp []byte) { d.post(dialog.Progress{Code: code, SDP: sdp}) }

// Accept answers 200 with sdp: the answer, or our offer to an INVITE without one.
func (d *Dialog) Accept(sdp []byte) { d.post(dialog.Accept{SDP: sdp}) }

// Reject answers the INVITE with a final 300..699; reason "" takes the RFC's phrase.
func (d *Dialog) Reject(code int, reason string, headers ...Header) {
	d.post(dialog.Reject{Code: code, Reason: reason, Headers: headers})
}

// Reoffer sends a re-INVITE with our offer; queued while another is in progress.
func (d *Dialog) Reoffer(sdp []byte) { d.post(dialog.Reoffer{SDP: sdp}) }

// Answer answers RemoteOffer, or an offer that came in a 200.
func (d *Dialog) Answer(sdp []byte) { d.post(dialog.Answer{SDP: sdp}) }

// RefuseOffer refuses RemoteOffer with code; the session stays as it was.
func (d *Dialog) RefuseOffer(code int) { d.post(dialog.RefuseOffer{Code: code}) }

// Info sends an INFO (RFC 6086).
func (d *Dialog) Info(contentType string, body []byte) {
	d.post(dialog.Info{ContentType: contentType, Body: body})
}

// End ends the dialog by CANCEL, BYE or a final error, whatever its state asks.
// Ended follows.
func (d *Dialog) End(reason string, headers ...Header) {
	d.post(dialog.End{Reason: reason, Headers: headers})
}

func (d *Dialog) post(ev dialog.Event) {
	d.mu.Lock()
	if d.closed || d.ended && !afterEnd(ev) {
		d.mu.Unlock()
		return
	}
	if len(d.mail) >= maxMail {
		// A user that floods its own dialog; the end must still get through.
		if _, end := ev.(dialog.End); !end {
			d.mu.Unlock()
			d.sh.s.met.dropped[dropCommand].Inc()
			return
		}
	}
	d.mail = append(d.mail, ev)
	tell := !d.queued
	d.queued = true
	d.mu.Unlock()
	if tell {
		sh := d.sh
		sh.mu.Lock()
		sh.mail = append(sh.mail, d)
		held := sh.held
		sh.mu.Unlock()
		if !held {
			sh.ring()
		}
	}
}

// deliver runs the commands that wait. Owner.
func (d *Dialog) deliver() {
	if d.m == nil && !d.gone {
		return // still resolving a name: begin comes back
	}
	d.mu.Lock()
	mail := d.mail
	d.mail, d.queued = nil, false
	d.mu.Unlock()
	for _, ev := range mail {
		d.step(ev)
	}
}

// step feeds the machine; what comes while its effects are carried out waits.
func (d *Dialog) step(ev dialog.Event) {
	if d.gone || d.m == nil {
		return
	}
	if d.busy {
		d.pending = append(d.pending, ev)
		return
	}
	d.carry(d.m.Step(d.sh.now, ev))
}

func (d *Dialog) carry(effects []dialog.Effect) {
	d.carryAll(effects)
	if d.plan != nil && d.plan.again {
		d.goOn()
	}
}

func (d *Dialog) carryAll(effects []dialog.Effect) {
	d.busy = true
	defer func() { d.busy = false }()
	for {
		for _, e := range effects {
			d.effect(e)
		}
		if len(d.pending) == 0 || d.gone {
			d.pending = nil
			return
		}
		ev := d.pending[0]
		d.pending = d.pending[1:]
		effects = d.m.Step(d.sh.now, ev)
	}
}

func (d *Dialog) effect(e dialog.Effect) {
	sh := d.sh
	switch e := e.(type) {
	case dialog.SendRequest:
		d.request(e.Request, e.Farewell)
	case dialog.SendACK:
		h, err := d.route(e.Request)
		if err == nil {
			sh.via(e.Request, h, sh.branch())
			err = h.send(sh.write(e.Request))
		}
		if err != nil {
			sh.s.met.dropped[dropSend].Inc()
		}
	case dialog.SendCancel:
		for _, t := range d.txs {
			if t.m.Kind == transaction.InviteClient && t.cseq == e.CSeq && t.req != nil && !t.m.Final() {
				c := dialog.CancelFor(t.req, e.Headers)
				branch, _ := c.Via().Params.Get("branch")
				sh.start(d, c, t.hop, branch)
				break
			}
		}
	case dialog.SendResponse:
		t := sh.txs[string(e.Tx)]
		if t == nil {
			return
		}
		if t.req == nil {
			// A 2xx to INVITE again (RFC 3261 13.3.1.4): the bytes are kept until its ACK.
			if t.m.State == transaction.Accepted && e.Code/100 == 2 && len(t.bytes) > 0 {
				sh.s.met.retransmissions.Inc()
				if err := t.hop.send(t.bytes); err != nil {
					sh.sendFailed(t, err)
				}
			}
			return
		}
		sh.send(t, &e)
	case dialog.SetTimer:
		if int(e.Timer) < len(d.timers) {
			sh.timers.set(&d.timers[e.Timer], sh.at(e.D))
		}
	case dialog.StopTimer:
		if int(e.Timer) < len(d.timers) {
			sh.timers.stop(&d.timers[e.Timer])
		}
	case dialog.Pass:
		if d.plan != nil && d.divert(e.Event) {
			return
		}
		d.mu.Lock()
		sink := d.sink
		if _, end := e.Event.(dialog.Ended); end {
			d.ended = true
			d.mail = slices.DeleteFunc(d.mail, func(ev dialog.Event) bool { return !afterEnd(ev) })
		}
		d.mu.Unlock()
		if sink != nil {
			sink(e.Event)
		}
	case dialog.Terminate:
		if d.plan != nil && d.plan.again {
			d.plan.over = true
			return
		}
		d.drop()
	case dialog.Fault:
		sh.s.met.faults.Inc()
		sh.s.log.Warn("sip dialog: unexpected event", zap.String("sip_call_id", d.callID), zap.String("state", e.State),
			zap.String("event", e.Event), zap.String("reason", e.Detail))
	}
}

// request sends a dialog's request in a new transaction; a farewell's is over
// after 2*T1, long enough for a second one where the first was lost.
func (d *Dialog) request(req *sip.Request, farewell bool) {
	sh := d.sh
	h, err := d.route(req)
	if err != nil {
		d.pending = append(d.pending, dialog.TransactionFailed{CSeq: req.CSeq().SeqNo, Method: req.Method, Transport: true})
		return
	}
	branch := sh.branch()
	sh.via(req, h, branch)
	if !farewell {
		sh.start(d, req, h, branch)
	} else if t := sh.start(nil, req, h, branch); !t.m.Final() {
		sh.setTimer(&t.timers[timerDeadline], 2*sh.s.cfg.Timers.T1)
	}
}

// route is where a request of the dialog goes (RFC 3261 12.2.1.1, 18.1.1). The
// machine gives Route and Request-URI; we know the flow: a phone behind NAT is
// where its messages came from, not where its Contact says.
func (d *Dialog) route(req *sip.Request) (hop, error) {
	h := d.flow
	if h.conn != nil {
		if h.conn.alive() {
			return h, nil
		}
		if h.conn.inward && !d.direct(req, h) {
			// Nothing else leads behind the peer's NAT, but another connection of its own.
			again, ok := d.registeredAgain(req)
			if !ok {
				return h, errFlow
			}
			d.flow = again
			return again, nil
		}
		// The connection is gone; try the address once more (RFC 5923 has no better).
		c, err := d.sh.s.connTo(h.conn.proto, d.next(req, h.remote), d.serverName(req))
		if err != nil {
			return h, err
		}
		h.conn, h.l = c, c.l
		h.remote = c.remote
		d.flow = h
		return h, nil
	}
	h.remote = d.next(req, h.remote)
	if !h.ok() {
		return h, errNoListener
	}
	return h, nil
}

// registeredAgain is the connection over which the very contact of this dialog has
// registered anew: a page that lost its socket keeps its Contact, whose host is
// random and made once in its life (RFC 7118 5.1, RFC 5626 5.3).
func (d *Dialog) registeredAgain(req *sip.Request) (hop, bool) {
	if d.with.kind != IdentityDevice {
		return hop{}, false
	}
	want := req.Recipient
	for _, c := range d.sh.s.Contacts(d.with.tenant, d.with.name) {
		u, ok := parseURI(c.URI)
		if !ok || !strings.EqualFold(u.User, want.User) || !strings.EqualFold(u.Host, want.Host) || u.Port != want.Port || c.Transport == protoUDP {
			continue
		}
		c.flow = true // it is not dialled
		if h, err := d.sh.s.hopTo(c); err == nil {
			return h, true
		}
	}
	return hop{}, false
}

// next is the address that Route or Request-URI names, unless only the flow can
// reach it: a host name (we resolve none that a peer chose), or an address that
// is private while the peer's is not the same.
func (d *Dialog) next(req *sip.Request, flow netip.AddrPort) netip.AddrPort {
	if !tagged(req) {
		return flow // Dial chose the address
	}
	u := &req.Recipient
	if r := firstRoute(req); r != nil {
		u = &r.Address
	}
	a, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	if err != nil {
		return flow
	}
	a = a.Unmap()
	port := uint16(u.Port)
	if port == 0 {
		port = 5060
	}
	if a != flow.Addr() && (a.IsPrivate() || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || cgnat.Contains(a)) {
		return flow
	}
	if a.Is4() != flow.Addr().Is4() {
		return flow
	}
	return netip.AddrPortFrom(a, port)
}

var cgnat = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

// heard notes the flow of a request in this dialog: a phone may come back by
// another connection or a new NAT binding.
func (d *Dialog) heard(req *sip.Request, h hop) {
	if req.Method == sip.ACK || h.remote == d.flow.remote && h.conn == d.flow.conn {
		return
	}
	d.flow = h
}

// learn notes the flow of a response to our INVITE: behind some NATs the answer
// comes from where the Contact cannot be reached.
func (d *Dialog) learn(res *sip.Response, h hop) {
	if d.plan != nil {
		d.plan.heard = true
		d.sh.timers.stop(&d.try)
	}
	if h.conn != nil && d.flow.conn != nil && d.flow.conn != h.conn { // from UDP: size.go's doing, for one request
		d.flow = h
	}
}

// serverName is what a TLS peer must prove when its connection is opened again.
func (d *Dialog) serverName(req *sip.Request) string {
	if d.target.ServerName != "" {
		return d.target.ServerName
	}
	if r := firstRoute(req); r != nil {
		return strings.Trim(r.Address.Host, "[]")
	}
	return strings.Trim(req.Recipient.Host, "[]")
}

// via puts our Via on top.
func (sh *shard) via(req *sip.Request, h hop, branch string) {
	host, port, _ := splitHostPort(h.host())
	v := &struct {
		sip.ViaHeader
		params [2]sip.HeaderKV
	}{params: [2]sip.HeaderKV{{K: "branch", V: branch}, {K: "rport"}}}
	v.ViaHeader = sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: viaName(h.proto()), Host: host, Port: port, Params: v.params[:]}
	req.PrependHeader(&v.ViaHeader)
}

// tagged reports a To tag in a request of ours. sipgo would read the text of its To as
// if it were a stranger's.
func tagged(req *sip.Request) bool {
	for _, h := range req.Headers() {
		if h.Name() == "To" {
			v := h.Value()
			return strings.Contains(v[strings.LastIndexByte(v, '>')+1:], ";tag=")
		}
	}
	return false
}

// firstRoute is the first Route of a request of ours, nil without one. sipgo would
// search for it by names in lower case.
func firstRoute(req *sip.Request) *sip.RouteHeader {
	for _, h := range req.Headers() {
		if h.Name() == "Route" {
			return req.Route()
		}
	}
	return nil
}

// txSet are the transactions of one dialog: a few.
type txSet []*tx

func (s *txSet) drop(t *tx) {
	if i := slices.Index(*s, t); i >= 0 {
		*s = slices.Delete(*s, i, i+1)
	}
}
