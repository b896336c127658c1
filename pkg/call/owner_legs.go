package call

import (
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/sdp"
	"github.com/centrala/centrala/pkg/sip"
)

// openMedia gives a leg its stream; false when the house has no port left.
func (o *owner) openMedia(i int) bool {
	l := o.legs[i]
	if l.media != nil {
		return true
	}
	m, err := o.mgr.deps.Media.Open(session.LegOptions{Group: o.group, Sink: l.fromMedia, Web: o.wantsWeb(l)})
	if err != nil {
		o.log.Error("no media for leg", zap.Int("leg", i), zap.Error(err))
		return false
	}
	l.media = m
	addr := m.Addr()
	if f, peer := o.mgr.deps.MediaIP, l.source.Addr.Addr(); f != nil && peer.IsValid() {
		addr = netip.AddrPortFrom(f(peer), addr.Port())
	}
	now := uint64(time.Now().UnixMilli())
	l.local = sdp.Local{Addr: addr, Direction: sdp.SendRecv, PtimeMs: 20, SessionID: now, Version: 1,
		XR: sdp.XR{VoIP: o.mgr.cfg.XR, RTT: o.mgr.cfg.XR}, Comfort: o.mgr.cfg.Comfort}
	o.protect(l)
	return true
}

// apply hands what was agreed to the stream.
func (o *owner) apply(i int, n sdp.Negotiated) {
	l := o.legs[i]
	l.law, l.agreed = lawOf(n.Codec), true
	remote, rtcp := n.Remote, n.RemoteRTCP
	if src := l.source.Addr.Addr(); l.nat && src.IsValid() && remote.IsValid() && natted(remote.Addr(), src) {
		// A phone behind NAT names an address that only its own network knows.
		// Its sound comes from where its signalling comes from; the port is
		// learned by the stream, within that address.
		remote = netip.AddrPortFrom(src, remote.Port())
		rtcp = netip.AddrPort{}
	}
	p := session.Params{Remote: remote, RemoteRTCP: rtcp, RTCPMux: n.RTCPMux, XRVoIP: n.XR.VoIP, XRTime: n.XR.RTT, Law: l.law,
		SendPT: n.Codec.PayloadType, RecvPT: n.RecvPT, EventSendPT: n.EventSendPT, EventRecvPT: n.EventRecvPT,
		EventClock: n.EventClock, Coding: coding(n.Codec),
		InBand: l.keys.listens(&n), Send: n.Send, Recv: n.Recv, PtimeMs: n.PtimeMs}
	o.shield(l, n, &p)
	l.media.Set(p)
}

// natted tells whether a phone's own idea of its address cannot be reached from
// here, seen that its signalling came from src.
func natted(own, src netip.Addr) bool {
	own, src = own.Unmap(), src.Unmap()
	return own != src && own.IsPrivate() && !src.IsPrivate() && !src.IsLoopback()
}

// answerCaller sends 200 (code 0) or an early 183 with our SDP to the caller.
func (o *owner) answerCaller(code int) {
	l := o.legs[0]
	if l.said == nil && !o.prepareAnswer(l, code) {
		return
	}
	if code != 0 {
		l.dialog.Progress(code, l.said)
		return
	}
	l.dialog.Accept(l.said)
	o.then(AnswerSent{})
}

// prepareAnswer makes our SDP for the caller: the answer to the offer, or our
// own offer when the INVITE had none (then a 183 goes without).
func (o *owner) prepareAnswer(l *legHandle, code int) bool {
	if !o.openMedia(0) {
		o.then(MediaFailed{event.ReasonOverload, "no media port"})
		return false
	}
	var first []codec.ID
	if p := o.leg(o.m.S.Peer); p != nil && o.m.S.Peer != 0 && p.agreed {
		first = append(first, p.law)
	} else {
		for i := 1; i < len(o.legs); i++ { // early media of the one that rings
			if o.legs[i].agreed && !o.legs[i].gone {
				first = append(first, o.legs[i].law)
			}
		}
		if len(l.policy) == 0 { // else the order is the device's or trunk's
			first = append(first, lawsOf(l.offer)...)
		}
	}
	l.local.Codecs = o.accepts(l, first...)
	if l.offer == nil {
		if code != 0 {
			l.dialog.Progress(180, nil)
			return false
		}
		l.said = sdp.Offer(l.local)
		return true
	}
	answer, n, err := sdp.Answer(l.offer, l.local)
	if err != nil {
		o.log.Warn("no common codec with caller", zap.Error(err))
		o.then(MediaFailed{event.ReasonNoCodec, err.Error()})
		return false
	}
	l.said = answer
	l.knows(l.offer, true)
	o.apply(0, n)
	if !n.Send {
		o.then(HoldChanged{0, true})
	}
	return true
}

func (o *owner) dialDevice(e DialDevice) {
	d := o.house.Device(e.Device)
	switch {
	case o.mgr.dnd(o.m.S.Tenant, e.Device):
		o.then(DialFailed{event.ReasonRejected, "do not disturb", e.Offer})
		return
	case d.MaxCalls > 0 && o.mgr.inUse(o.m.S.Tenant, e.Device) >= d.MaxCalls:
		o.then(DialFailed{event.ReasonBusy, "device has all the calls it may", e.Offer})
		return
	}
	targets := o.mgr.deps.SIP.Contacts(o.m.S.Tenant, e.Device)
	if len(targets) == 0 {
		o.then(DialFailed{event.ReasonUnreachable, "device has no contact", e.Offer})
		return
	}
	headers := []sip.Header{{Name: "X-Centrala-Call", Value: o.m.S.ID}}
	if q := o.m.S.Queue; q != "" && e.Offer != watchOffer {
		headers = append(headers, sip.Header{Name: QueueHeader, Value: q}) // a resource's name: no more than a token
	}
	headers = append(headers, o.callbackHeaders()...)
	if d.HandOver && e.Offer != watchOffer {
		headers = append(headers, handOverHeaders(o.m.S.IVR)...)
	}
	if e.Offer != "" && e.Offer != watchOffer {
		headers = append(headers, answerHeaders(d.AutoAnswer)...)
	}
	var infos []LegInfo
	for _, t := range targets {
		l := &legHandle{policy: d.Codecs, keys: d.Keys, source: t, nat: true, device: e.Device, agent: e.Agent}
		from := o.shownInside()
		if o.startLeg(l, sip.DialRequest{Target: t, From: from, To: sip.Address{User: d.Username}, RingTimeout: e.Ring + 2*time.Second,
			Headers: headers,
			Tenant:  o.m.S.Tenant, Name: e.Device, Kind: sip.IdentityDevice}) {
			infos = append(infos, LegInfo{Device: e.Device, Agent: e.Agent, SIPCallID: l.dialog.SIPCallID()})
		}
	}
	if len(infos) == 0 {
		o.then(DialFailed{event.ReasonUnreachable, "no contact could be dialled", e.Offer})
		return
	}
	o.then(DialStarted{infos, e.Offer})
}

// QueueHeader tells an agent's phone of which queue a call is.
const QueueHeader = "X-Centrala-Queue"

// answerHeaders ask a headset phone to answer by itself. No RFC names them:
// answer-after is Snom's and Yealink's, alert-autoanswer Polycom's and Cisco's.
func answerHeaders(how string) []sip.Header {
	switch how {
	case "call_info":
		return []sip.Header{{Name: "Call-Info", Value: "<sip:localhost>;answer-after=0"}}
	case "alert_info":
		return []sip.Header{{Name: "Alert-Info", Value: "<http://localhost>;info=alert-autoanswer;delay=0"}}
	}
	return nil
}

// startLeg opens the stream of an outgoing leg and sends its INVITE.
func (o *owner) startLeg(l *legHandle, r sip.DialRequest) bool {
	i := len(o.legs)
	o.legs = append(o.legs, l)
	l.index = i
	l.owner.Store(o)
	if !o.openMedia(i) {
		o.legs = o.legs[:i]
		return false
	}
	caller := o.nearest()
	l.local.Codecs = o.offers(l, caller.wanted()...)
	l.said = sdp.Offer(l.local)
	r.SDP, r.CallID, r.Near, r.Secure = l.said, o.m.S.ID, caller.dialog, o.m.S.Secure
	d, err := o.mgr.deps.SIP.Dial(r, l.fromSIP)
	if err != nil {
		o.log.Warn("leg could not be dialled", zap.Int("leg", i), zap.Error(err))
		o.closeMedia(l, nil)
		o.legs = o.legs[:i]
		return false
	}
	l.dialog, l.request = d, r
	l.lampDialog.Store(d)
	from := o.shownInside()
	l.lamp = lampOf(l, false, from.Display, from.User)
	o.mgr.use(o.m.S.Tenant, l)
	return true
}

func (o *owner) callerName() string {
	if o.m.S.Display != "" {
		return o.m.S.Display
	}
	return o.m.S.From
}

// withUser puts the number into a trunk's target URI.
func withUser(uri, number string) string {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return uri
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	return scheme + ":" + number + "@" + rest
}
