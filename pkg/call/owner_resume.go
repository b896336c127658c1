package call

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/sdp"
	"github.com/centrala/centrala/pkg/sip"
)

// ResumeHeader names the call in which a page's INVITE takes a leg over.
const ResumeHeader = "X-Resume"

// checksGone is how long a browser's checks of ICE may be missing before its page
// counts as gone, whatever its signalling says: every browser makes one in 6 s.
const checksGone = 7 * time.Second

// takeOver is a page's INVITE for a leg of its device in a running call.
type takeOver struct {
	leg    *legHandle // of the INVITE; it becomes none of the call's
	device string
}

// resume hands a page's INVITE with ResumeHeader to the call that it names. Who may
// not is told what a dialog that does not exist is told.
func (m *Manager) resume(in *sip.Invitation, call string) {
	o := m.owner(call)
	if o == nil || o.tenant != in.Tenant || in.Kind != sip.IdentityDevice || len(in.SDP) == 0 {
		in.Dialog.Reject(481, "")
		return
	}
	offer, err := m.metrics.parseSDP(in.SDP)
	if err != nil {
		in.Dialog.Reject(400, "")
		return
	}
	l := &legHandle{dialog: in.Dialog, source: sip.Target{Addr: in.Source, Transport: in.Transport}, offer: offer, index: noLeg}
	l.owner.Store(o)
	if o.postHere(takeOver{l, in.Name}) != boxTaken {
		in.Dialog.Reject(481, "")
	}
}

// takenOver puts a new page in the place of the one that had a leg: dialog, ICE and
// DTLS are new; the stream with its numbers, the recording and the leg stay.
func (o *owner) takenOver(t takeOver) {
	i := o.legOf(t.device)
	if i < 0 {
		t.leg.dialog.Reject(481, "")
		return
	}
	l := o.legs[i]
	c, ok := l.media.Credentials(true)
	if !ok || !t.leg.offer.IsWeb() {
		t.leg.dialog.Reject(488, "")
		return
	}
	local, web := l.local, *l.local.Web
	web.ICE = sdp.ICE{Ufrag: c.Ufrag, Password: c.Password}
	local.Web, local.Codecs = &web, o.accepts(l, l.law)
	answer, n, err := sdp.Answer(t.leg.offer, local)
	if err != nil {
		o.log.Warn("page not taken back: its offer does not fit", zap.Int("leg", i), zap.Error(err))
		t.leg.dialog.Reject(488, "")
		return
	}
	old, lost := l.dialog, l.lost
	l.local, l.said, l.source, l.lost = local, answer, t.leg.source, false
	o.mgr.redialled(l, t.leg.dialog)
	l.dial++
	l.dialog.SetSink(l.sinkOf(l.dial))
	l.dialog.Accept(answer)
	l.knows(t.leg.offer, true)
	o.apply(i, n)
	if !lost {
		// The page that had it hears that it is no longer the phone; mostly nobody does.
		old.End(movedReason)
	}
	o.log.Info("browser's phone taken over by a new page", zap.Int("leg", i), zap.String("device", t.device), zap.String("sip_call_id", l.dialog.SIPCallID()))
	o.step(LegBack{i, l.dialog.SIPCallID()})
	o.step(HoldChanged{i, !n.Send})
}

// movedReason tells a page that another one of the same device has its call (RFC 3326).
const movedReason = `SIP;cause=200;text="Moved to another page"`

// legOf is the browser's leg of a device that has answered, one that is away first;
// noLeg = none.
func (o *owner) legOf(device string) int {
	found := noLeg
	for i := range o.m.S.Legs {
		d, l := &o.m.S.Legs[i], o.leg(i)
		if d.Device == device && d.State == LegAnswered && l != nil && !l.gone && l.media != nil && l.local.Web != nil && (found < 0 || d.Away) {
			found = i
		}
	}
	return found
}

// quiet: nothing came from a browser for a while. While its page is registered it may
// only have lost its microphone.
func (o *owner) quiet(i int, q session.Quiet) {
	l := o.legs[i]
	if !o.m.S.Legs[i].Away && o.m.resumable(i) && (q.Checks >= checksGone || !o.pageThere(l)) {
		o.log.Info("browser's phone is gone in mid-call", zap.Int("leg", i), zap.String("device", l.device), zap.Duration("silent", q.Sound))
		o.step(LegAway{i})
	}
}

// pageThere tells whether the page behind a leg is registered: its Contact is made once
// in its life. A page that has dialled is known by its device alone.
func (o *owner) pageThere(l *legHandle) bool {
	contacts := o.mgr.deps.SIP.Contacts(o.tenant, l.device)
	if l.source.URI == "" {
		return len(contacts) > 0
	}
	return slices.ContainsFunc(contacts, func(t sip.Target) bool { return t.URI == l.source.URI })
}

// dialogLost keeps a browser's leg whose dialog has died of a lost connection: a new
// page may still come. False: it may not, and the leg has ended.
func (o *owner) dialogLost(i int, ev sip.Ended) bool {
	l := o.legs[i]
	if l.local.Web == nil || ev.By != sip.EndTimeout && ev.By != sip.EndTransport || !o.m.resumable(i) {
		return false
	}
	l.lost = true
	o.step(LegAway{i})
	return true
}

// endLeg hangs a leg up; one whose dialog is gone already has only to be told so.
func (o *owner) endLeg(l *legHandle, reason string) {
	if l.lost {
		l.lost = false
		o.post(fromSIP{leg: l, ev: sip.Ended{By: sip.EndTransport}, dial: l.dial})
		return
	}
	l.dialog.End(reasonHeader(reason))
}

// LiveCall is the call that a device's phone has.
type LiveCall struct {
	ID   string
	Away bool // nothing comes from the page that had it
}

// CallOf finds the call in which a device's browser talks, for the page that it may be
// taken over by; ID "" = none.
func (m *Manager) CallOf(ctx context.Context, tenant, device string) LiveCall {
	for _, o := range m.callsAt(tenant, device, nil) {
		s, ok := m.Snapshot(ctx, o.id)
		if !ok {
			continue
		}
		for i := range s.Legs {
			if l := &s.Legs[i]; l.Device == device && l.State == LegAnswered {
				return LiveCall{o.id, l.Away}
			}
		}
	}
	return LiveCall{}
}
