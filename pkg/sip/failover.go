package sip

import (
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/resolve"
)

// plan is how an outgoing call goes on to the next address of its target (RFC
// 3263 4.3): after a 503, a time-out or a transport error, and never once
// somebody has rung.
type plan struct {
	r     DialRequest
	u     sip.Uri
	now   resolve.Target   // being tried
	left  []resolve.Target // to be tried
	until time.Time        // the ring time is one for all addresses

	heard bool // any answer came from now
	rang  bool // 180 or the like came
	again bool // this one failed: go on with the next
	over  bool // the failed one's machine wants nothing any more
}

// timerTry is the kind of Dialog.try: no answer at all from this address.
const timerTry = 255

// defaultRing bounds an INVITE that names no ring time.
const defaultRing = 180 * time.Second

// dialFound begins a call whose addresses are known. Owner.
func (d *Dialog) dialFound(r DialRequest, u *sip.Uri, list []resolve.Target, err error) {
	if err != nil {
		d.sh.s.log.Warn("sip target does not resolve", zap.String("call_id", r.CallID), zap.String("host", u.Host), zap.Error(err))
		list = []resolve.Target{{Transport: protoUDP}} // fails as unreachable
	}
	if r.Secure && err == nil {
		if secure := slices.DeleteFunc(slices.Clone(list), func(t resolve.Target) bool { return !secured(t.Transport) }); len(secure) > 0 {
			list = secure // else the first is refused by begin
		}
	}
	ring := r.RingTimeout
	if ring <= 0 {
		ring = defaultRing
	}
	d.plan = &plan{r: r, u: *u, left: list, until: d.sh.now.Add(ring)}
	d.dialNext()
}

// dialNext calls the next address.
func (d *Dialog) dialNext() {
	p := d.plan
	p.now, p.left = p.left[0], p.left[1:]
	p.heard, p.rang, p.again, p.over = false, false, false, false
	r := p.r
	r.Target.Transport, r.Target.Addr = p.now.Transport, p.now.Addr
	r.RingTimeout = p.until.Sub(d.sh.now)
	if r.TryTimeout > 0 {
		d.sh.timers.set(&d.try, d.sh.at(r.TryTimeout))
	}
	d.begin(r, &p.u)
}

// divert looks at what the machine tells its user: a failure that leads to the
// next address is kept back. Owner.
func (d *Dialog) divert(ev DialogEvent) (kept bool) {
	p := d.plan
	switch ev := ev.(type) {
	case dialog.Progressed:
		p.rang = p.rang || ev.Code >= 180
	case dialog.Answered:
		d.settle(true)
	case dialog.Failed:
		// 503 is also how the machine tells of a transport error.
		lost := ev.Timeout && !p.heard || ev.Code == 503
		switch {
		case !lost:
			d.settle(true)
		case p.rang || len(p.left) == 0 || !d.sh.now.Before(p.until):
			d.settle(false)
		default:
			d.sh.s.dns.Failed(p.now)
			p.again = true
			return true
		}
	case dialog.Ended:
		if p.again {
			return true
		}
		d.settle(p.heard)
	}
	return false
}

// settle ends the plan: no other address will be tried.
func (d *Dialog) settle(worked bool) {
	p := d.plan
	if p == nil {
		return
	}
	d.plan = nil
	d.sh.timers.stop(&d.try)
	switch {
	case !p.now.Addr.IsValid():
	case worked:
		d.sh.s.dns.Worked(p.now)
	default:
		d.sh.s.dns.Failed(p.now)
	}
}

// goOn leaves the failed try behind and calls the next address.
func (d *Dialog) goOn() {
	p := d.plan
	failed := p.now
	old := d.split()
	if p.over {
		old.drop()
	}
	d.sh.s.log.Debug("sip call goes to the next address", zap.String("call_id", p.r.CallID), zap.String("sip_call_id", d.callID),
		zap.String("remote", failed.Addr.String()), zap.String("next", p.left[0].Addr.String()))
	d.dialNext()
}

// tryExpired: the address being tried has said nothing at all.
func (d *Dialog) tryExpired() {
	p := d.plan
	if p == nil || p.heard || d.m == nil || d.gone {
		return
	}
	s := d.sh.s
	s.dns.Failed(p.now)
	old := d.split()
	// Should it come to life yet, it is cancelled, or answered and hung up.
	old.step(dialog.End{Reason: "no answer in time"})
	if len(p.left) > 0 && d.sh.now.Before(p.until) {
		d.dialNext()
		return
	}
	d.plan = nil
	d.mu.Lock()
	sink := d.sink
	d.ended, d.mail = true, nil
	d.mu.Unlock()
	if sink != nil {
		sink(Failed{Code: 408, Reason: "no answer from the next hop", Timeout: true})
		sink(Ended{By: EndTimeout, Code: 408, Reason: "no answer from the next hop"})
	}
	d.drop()
}

// split moves the machine, with its transactions and timers, to a dialog of its
// own that nobody listens to; the handle is free for the next.
func (d *Dialog) split() *Dialog {
	sh := d.sh
	old := sh.newDialog(d.callID)
	old.m, old.key, old.flow, old.peer, old.routed, old.target, old.txs = d.m, d.key, d.flow, d.peer, d.routed, d.target, d.txs
	for _, t := range old.txs {
		t.d = old
	}
	if old.key != "" && sh.dialogs[old.key] == d {
		sh.dialogs[old.key] = old
	}
	for i := range d.timers {
		if t := &d.timers[i]; t.index != 0 {
			when := t.when
			sh.timers.stop(t)
			sh.timers.set(&old.timers[i], when)
		}
	}
	sh.timers.stop(&d.try)
	d.m, d.key, d.txs, d.pending, d.acked = nil, "", nil, nil, false
	return old
}
