package call

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

// Messages between owners. They carry an owner only to post an answer to.
type (
	// wantLeg asks for a leg: the caller's, or the partner of the one whose dialog
	// is named; device is the one that asks, by its proved dialog of the other call.
	wantLeg struct {
		by        *owner
		partnerOf string
		early     bool
		device    string
	}
	// handedLeg answers it; leg nil = no.
	handedLeg struct {
		call string
		leg  *legHandle
		info LegInfo
		held bool
		// instead is what the consultation dialled, when nobody has answered it.
		instead string
	}
	// replacedFound is the dialog that a REFER's Replaces names, nil = none.
	replacedFound struct {
		leg    *legHandle
		to     string
		callID string
		dialog *sip.Dialog
	}
	// joinRequest asks to be a party: see JoinAsked. next are further calls to
	// ask when this one refuses.
	joinRequest struct {
		by     *owner
		kind   string
		device string
		asker  string // device of who wants in
		watch  Watch  // as which supervisor
		leg    *legHandle
		next   []*owner
	}
)

// errNoDialog: Replaces names no dialog of ours that may be replaced.
var errNoDialog = errors.New("call: no such dialog")

// dialledOf is the user part of a Refer-To, as it would be dialled; "" when it
// names nobody. The host is not looked at: a phone's transfer goes by the
// house's own routing and rights, like its calls.
func dialledOf(uri string) string {
	_, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	user, _, ok := strings.Cut(rest, "@")
	if !ok {
		return ""
	}
	user, _, _ = strings.Cut(user, ";")
	user, _, _ = strings.Cut(user, ":")
	u, err := url.PathUnescape(user)
	if err != nil || len(u) > 64 || clean(u, 64) != u {
		return "" // a number or name can be printed
	}
	return u
}

// refused is the SIP status of a routing error.
func refused(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, route.ErrForbidden):
		return 403
	case errors.Is(err, route.ErrFull):
		return 503
	case errors.Is(err, route.ErrDown):
		return 500
	}
	return 404
}

// referred is a REFER of a leg's phone. Its target is checked like a new call of
// that device: a line from outside transfers nothing.
func (o *owner) referred(i int, ev sip.Referred) {
	device := o.m.S.Legs[i].Device
	to := dialledOf(ev.To)
	if ev.Replaces != nil {
		if device == "" {
			o.step(AttendedAsked{Leg: i, To: to, By: "phone", Refer: true, Refuse: 403})
			return
		}
		// The dialog that is named is looked up with its tags by its own owner.
		l := o.legs[i]
		o.mgr.deps.SIP.FindReplaced(o.tenant, *ev.Replaces, func(d *sip.Dialog, _ bool) {
			l.post(replacedFound{l, to, ev.Replaces.CallID, d})
		})
		return
	}
	if o.m.S.Conference && device != "" {
		third := ThirdAsked{Leg: i, To: to, By: "phone", Refer: true}
		third.Target, third.Refuse = o.reach(device, to)
		o.step(third)
		return
	}
	ask := TransferAsked{Leg: i, To: to, By: "phone", Refer: true}
	if device == "" {
		ask.Refuse = 403
	} else {
		ask.Target, ask.Refuse = o.reach(device, to)
	}
	if ask.Refuse != 0 {
		o.log.Warn("transfer refused", zap.Int("leg", i), zap.String("device", device), zap.String("to", to), zap.Int("code", ask.Refuse))
	}
	o.step(ask)
}

// replacedFound goes on with a REFER that names another dialog.
func (o *owner) replacedFound(f replacedFound) {
	ask := AttendedAsked{Leg: f.leg.index, To: f.to, By: "phone", Refer: true, Refuse: 404} // of another server: not ours to join
	// A call that the phone has begun and nobody has answered has no dialog that
	// the stack would name; whose it is, its owner checks as ever.
	ask.SIPCallID, ask.Early = f.callID, f.dialog == nil
	if ask.SIPCallID != "" {
		if other := o.mgr.dialog(o.tenant, ask.SIPCallID); other != nil && other.owner.Load() != o {
			ask.Call, ask.Refuse = other.owner.Load().id, 0
		}
	}
	if o.m.S.Conference {
		o.step(ConferAsked{Leg: ask.Leg, Call: ask.Call, SIPCallID: ask.SIPCallID, To: ask.To, By: ask.By, Refer: true, Refuse: ask.Refuse})
		return
	}
	o.step(ask)
}

// reach routes what a device asks for by the device's own rights.
func (o *owner) reach(device, to string) (route.Target, int) {
	t, err := o.house.FromDevice(time.Now(), device, to)
	if err == nil && t.Kind == route.Devices {
		t.Names = o.mgr.hunt(o.tenant, to, t.Names)
	}
	return t, refused(err)
}

// answerTransfer carries the machine's verdict to the phone or to the API.
func (o *owner) answerTransfer(e AnswerTransfer) {
	if !e.Refer {
		if o.verdict != nil {
			o.verdict <- e.Code
			o.verdict = nil
		}
		return
	}
	if d := o.legs[e.Leg].dialog; e.Code == 202 {
		d.AcceptRefer()
	} else {
		d.RefuseRefer(e.Code)
	}
}

// confer mixes three or more legs; fewer than two end it.
func (o *owner) confer(e Confer) {
	legs := e.Legs
	if len(legs) < 2 {
		if o.conf != nil {
			o.conf.Close()
			o.conf = nil
			o.unmix(nil)
		}
		return
	}
	if o.conf == nil {
		o.conf = o.mgr.deps.Media.NewConference(o.group)
	}
	in := map[int]bool{}
	for _, i := range legs {
		in[i] = true
		if m := o.media(i); m != nil {
			o.conf.Add(m, session.Talker())
		}
	}
	if m := o.media(e.Watch); m != nil && e.Watch != 0 {
		in[e.Watch] = true
		o.conf.Add(m, o.watchRole(e))
	}
	for i := range o.legs {
		if m := o.media(i); m != nil && !in[i] {
			o.conf.Remove(m)
		}
	}
	if m := o.media(e.Kept); m != nil && o.rec != nil && e.Mixed {
		ch := record.Right
		if e.Left {
			ch = record.Left
		}
		o.unmix(o.legs[e.Kept])
		o.legs[e.Kept].mixed = true
		o.conf.Record(m, o.rec, ch)
	} else {
		o.unmix(nil)
	}
}

// unmix ends the recording of sums, but for one leg's partners.
func (o *owner) unmix(but *legHandle) {
	for _, l := range o.legs {
		if l != but && l.mixed {
			l.mixed = false
			if o.conf != nil && l.media != nil {
				o.conf.Record(l.media, nil, record.Left)
			}
		}
	}
}

// watchRole is a supervisor's place in the mix. The keys that change it are for
// nobody's ear.
func (o *owner) watchRole(e Confer) session.Role {
	role := session.Listener()
	switch agent := o.media(e.Agent); {
	case e.Mode == ModeWhisper && agent != nil:
		role = session.Whisper(agent)
	case e.Mode == ModeBarge:
		role = session.Talker()
	}
	return role.WithoutKeys()
}

// wantLeg asks the owner of another call for a leg.
func (o *owner) wantLeg(e WantLeg) {
	other := o.mgr.owner(e.Call)
	ask := wantLeg{by: o, partnerOf: e.PartnerOf, early: e.Early}
	if t := o.m.S.Transfer; t != nil {
		ask.device = t.Device
	} else if j := o.m.S.Joining; j != nil && j.Kind == joinConference {
		ask.device = o.m.S.Legs[j.Leg].Device
	}
	if other == nil || other.post(ask) != boxTaken {
		o.then(LegNotGiven{Call: e.Call})
	}
}

// wanted: another call asks for a leg of ours.
func (o *owner) wanted(w wantLeg) {
	ev := LegWanted{Call: w.by.id}
	if w.partnerOf != "" {
		l := o.mgr.dialog(o.tenant, w.partnerOf)
		// Only who holds both calls may join them: the same phone, or another of
		// the same person.
		if l == nil || l.owner.Load() != o || !o.samePerson(o.m.S.Legs[l.index].Device, w.device) ||
			w.early && o.m.S.Legs[l.index].State >= LegAnswered {
			w.by.post(handedLeg{call: o.id})
			return
		}
		ev.Leg, ev.Partner = l.index, true
	}
	o.inWant = w.by
	o.step(ev)
	o.inWant = nil
}

func (o *owner) samePerson(a, b string) bool {
	return a != "" && (a == b || o.house.AgentOf(a) != "" && o.house.AgentOf(a) == o.house.AgentOf(b))
}

func (o *owner) keepLeg(e KeepLeg) {
	if o.inWant != nil {
		o.inWant.post(handedLeg{call: o.id, instead: e.Instead})
	}
}

// giveLeg hands a leg's dialog and stream to the owner who asked. What they say
// from here on goes there; what waits in our mailbox is sent after it.
func (o *owner) giveLeg(e GiveLeg) {
	l, to := o.legs[e.Leg], o.inWant
	d := o.m.S.Legs[e.Leg]
	o.legs[e.Leg] = &legHandle{gone: true, index: e.Leg}
	o.legs[e.Leg].owner.Store(o)
	if l.media != nil {
		l.media.Record(nil, record.Left)
		o.unhear(l.media)
		l.media.Move(to.group)
	}
	h := handedLeg{call: o.id, leg: l, held: d.Held, info: LegInfo{Device: d.Device, Trunk: d.Trunk, Number: d.Number, Agent: d.Agent, SIPCallID: l.dialog.SIPCallID(), Inbound: d.Inbound || e.Leg == 0}}
	// First the leg, then its events: the new owner must know it when they come.
	if to.post(h) == boxTaken {
		l.owner.CompareAndSwap(o, to)
		return
	}
	to.orphan(h) // gone, or stuck: nobody to talk with is left there
}

// handed is the answer to wantLeg.
func (o *owner) handed(h handedLeg) {
	if h.leg == nil {
		ev := LegNotGiven{Call: h.call}
		if t := o.m.S.Transfer; h.instead != "" && t != nil {
			if target, code := o.reach(t.Device, h.instead); code == 0 {
				ev.Instead = target
			}
		}
		o.step(ev)
		return
	}
	h.leg.owner.Store(o)
	h.leg.index = len(o.legs)
	o.legs = append(o.legs, h.leg)
	o.step(LegGiven{Call: h.call, Leg: h.info, Held: h.held})
}

// orphan ends what comes to an owner that is gone: a leg in flight must not live
// on without a call.
func (o *owner) orphan(v any) {
	switch v := v.(type) {
	case handedLeg:
		if v.leg == nil {
			return
		}
		o.log.Warn("leg came to a call that has ended", zap.String("from_call", v.call))
		v.leg.dialog.End(reasonHeader("normal"))
		if v.leg.media != nil {
			v.leg.media.Close(nil)
		}
		o.mgr.release(o.tenant, v.leg)
		if v.info.Agent != "" {
			o.house.ACD().Post(acd.Release{Agent: v.info.Agent, CallID: o.id})
		}
	case wantLeg:
		v.by.post(handedLeg{call: o.id})
	case takeOver:
		v.leg.dialog.Reject(481, "")
	case joinRequest:
		o.refuseRequest(v)
	case parkRequest:
		o.askPark(v)
	case conferRequest:
		o.askNextConference(v)
	case command:
		v.reply <- 481
	}
}

// askJoin looks for the call that our caller wants to be a party of.
func (o *owner) askJoin(e AskJoin) {
	r := joinRequest{by: o, kind: e.Kind, asker: o.m.S.Legs[0].Device}
	switch e.Kind {
	case joinUnpark:
		if p := o.mgr.parked(o.tenant, e.Arg); p != nil {
			r.next = []*owner{p}
		}
	case joinSupervise:
		asker := o.m.S.Legs[0]
		r.watch = Watch{Mode: e.Mode, User: asker.Agent, Device: asker.Device, By: "phone"}
		t, err := o.house.FromDevice(time.Now(), asker.Device, e.Arg)
		if err == nil && t.Kind == route.Device {
			r.device = t.Name
			r.next = o.mgr.callsAt(o.tenant, t.Name, o)
		}
	case joinPickUp:
		t, err := o.house.FromDevice(time.Now(), o.m.S.Legs[0].Device, e.Arg)
		if err == nil && t.Kind == route.Device {
			r.device = t.Name
			r.next = o.mgr.callsAt(o.tenant, t.Name, o)
		}
	case featureReplaces:
		if l := o.mgr.dialog(o.tenant, e.Arg); l != nil && l.owner.Load() != o {
			r.leg, r.next = l, []*owner{l.owner.Load()}
		}
	}
	o.askNext(r)
}

// askNext posts the request to the next call that may fit.
func (o *owner) askNext(r joinRequest) {
	r.by.askInTurn(r.next, func(left []*owner) any { r.next = left; return r })
}

func (o *owner) refuseRequest(r joinRequest) { o.askNext(r) }

// joinRequested: another call's caller wants to be a party of ours.
func (o *owner) joinRequested(r joinRequest) {
	ev := JoinAsked{Call: r.by.id, Kind: r.kind, Device: r.device, Leg: -1, Watch: r.watch}
	if r.leg != nil {
		// A call that rings may be taken by any phone of the house; the place in
		// a conversation only by its own person (RFC 3891 4).
		if i := r.leg.index; r.leg.owner.Load() != o || o.m.S.Legs[i].State >= LegAnswered && !o.samePerson(o.m.S.Legs[i].Device, r.asker) {
			o.refuseRequest(r)
			return
		}
		ev.Leg = r.leg.index
	}
	o.request = &r
	o.step(ev)
	o.request = nil
}

func (o *owner) refuseJoin(RefuseJoin) {
	if o.request != nil {
		o.refuseRequest(*o.request)
	}
}

// command is what the API asks of a call. reply has room for the one answer.
type command struct {
	kind   string // "transfer", "hold", "resume", "conference", "park", "record"
	leg    int    // -1: the agent's side
	target string
	by     string
	reply  chan<- int
	stream *stream.Options // of "stream"; nil = its end
	app    string          // of "verbs"
	count  int             // of "verbs"
}

func (o *owner) command(c command) {
	if c.kind == "play" { // of the conversation
		c.leg = o.m.S.Kept
	}
	if c.leg < 0 {
		c.leg = o.agentSide(c.by)
	}
	if c.kind == "record" || c.kind == "stream" || c.kind == "verbs" { // of the whole call
		c.leg = 0
	}
	if c.leg < 0 || c.leg >= len(o.legs) {
		c.reply <- 409
		return
	}
	o.verdict = c.reply
	switch c.kind {
	case "hold", "resume":
		o.step(HoldAsked{Leg: c.leg, On: c.kind == "hold", By: c.by})
	case "supervise":
		mode, device, _ := strings.Cut(c.target, " ")
		ev := SuperviseAsked{Leg: c.leg, Mode: mode, Device: device, By: c.by}
		if device != "" {
			if _, code := o.house.Named("device", device); code != 0 {
				c.reply <- code
				o.verdict = nil
				return
			}
			ev.User = o.house.AgentOf(device)
		}
		o.step(ev)
	case "play":
		side, name, _ := strings.Cut(c.target, " ")
		o.step(PlayAsked{Side: side, Prompt: name, By: c.by})
	case "record":
		o.step(RecordAsked{Action: c.target, By: c.by})
	case "verbs":
		o.step(VerbsAsked{App: c.app, Verbs: c.target, Count: c.count, By: c.by})
	case "stream":
		o.step(StreamAsked{Options: c.stream, ID: c.target, By: c.by})
	case "park":
		o.step(TransferAsked{Leg: c.leg, To: c.target, By: c.by, Target: route.Target{Kind: route.Feature, Feature: route.FeaturePark, Arg: c.target}})
	case "attended", "merge":
		dialog, code := o.mgr.dialogAt(o.tenant, c.target, o.m.S.Legs[c.leg].Device)
		if c.kind == "merge" {
			o.step(ConferAsked{Leg: c.leg, Call: c.target, SIPCallID: dialog, By: c.by, Refuse: code})
		} else {
			o.step(AttendedAsked{Leg: c.leg, Call: c.target, SIPCallID: dialog, By: c.by, Refuse: code})
		}
	case "conference":
		t, code := o.commandTarget(c)
		o.step(ThirdAsked{Leg: c.leg, Target: t, To: c.target, By: c.by, Refuse: code})
	case "transfer":
		t, code := o.commandTarget(c)
		o.step(TransferAsked{Leg: c.leg, Target: t, To: c.target, By: c.by, Refuse: code})
	}
	if o.verdict != nil { // the machine had nothing to say: the call is over
		o.verdict <- 481
		o.verdict = nil
	}
}

// parkRequest asks the calls of a device in turn to park who is on hold there.
type parkRequest struct {
	by     *owner
	device string
	next   []*owner
}

// parkOther finds the call that a device has put on hold to dial the code.
func (o *owner) parkOther(device string) {
	o.askPark(parkRequest{by: o, device: device, next: o.mgr.callsAt(o.tenant, device, o)})
}

// askInTurn hands a request to the first of calls that takes it; request is told who
// is left to ask. o hears when nobody does.
func (o *owner) askInTurn(calls []*owner, request func(left []*owner) any) {
	for i, to := range calls {
		if to.post(request(calls[i+1:])) == boxTaken {
			return
		}
	}
	o.post(JoinRefused{})
}

func (o *owner) askPark(r parkRequest) {
	r.by.askInTurn(r.next, func(left []*owner) any { r.next = left; return r })
}

func (o *owner) parkRequested(r parkRequest) {
	for i, l := range o.m.S.Legs {
		if l.Device == r.device && o.m.talks(i) && o.m.holds(i) {
			o.step(TransferAsked{Leg: i, Target: route.Target{Kind: route.Feature, Feature: route.FeaturePark}, By: "phone", Tell: r.by.id})
			return
		}
	}
	o.askPark(r)
}

// conferRequest asks the calls of a device in turn for the conference that it is
// in: the partner of its dialog in the call by wants to join.
type conferRequest struct {
	by     *owner
	device string
	dialog string
	next   []*owner
}

func (o *owner) askConference(leg int) {
	device := o.m.S.Legs[leg].Device
	o.askNextConference(conferRequest{by: o, device: device, dialog: o.legs[leg].dialog.SIPCallID(), next: o.mgr.callsAt(o.tenant, device, o)})
}

func (o *owner) askNextConference(r conferRequest) {
	r.by.askInTurn(r.next, func(left []*owner) any { r.next = left; return r })
}

func (o *owner) conferRequested(r conferRequest) {
	if s := &o.m.S; s.Conference && s.Legs[0].Device == r.device {
		o.step(ConferAsked{Leg: 0, Call: r.by.id, SIPCallID: r.dialog, By: "phone"})
		if s.Joining != nil && s.Joining.Call == r.by.id {
			return
		}
	}
	o.askNextConference(r)
}

// askTarget routes what was dialled in the conversation by the rights of that phone.
func (o *owner) askTarget(e AskTarget) {
	t, code := o.reach(o.m.S.Legs[e.Leg].Device, e.To)
	if e.Kind == inCallConference {
		o.then(ThirdAsked{Leg: e.Leg, Target: t, To: e.To, By: "keys", Refuse: code})
	} else {
		o.then(TransferAsked{Leg: e.Leg, Target: t, To: e.To, By: "keys", Refuse: code})
	}
}

// agentSide is the leg that commands without a leg mean: that of who asks, else the
// peer, or the caller of a call out.
func (o *owner) agentSide(by string) int {
	s := &o.m.S
	for i := range s.Legs {
		if d := s.Legs[i].Device; d != "" && s.Legs[i].State == LegAnswered && by != "" && o.house.AgentOf(d) == by {
			return i
		}
	}
	if s.Peer != 0 && s.Legs[s.Peer].Device != "" {
		return s.Peer
	}
	if s.Legs[s.Kept].Device != "" {
		return s.Kept
	}
	return -1
}

// commandTarget reads "queue:x", "flow:x", "device:x", "agent:x" or a number as
// the device of the leg would dial it, with that device's rights.
func (o *owner) commandTarget(c command) (route.Target, int) {
	kind, name, ok := strings.Cut(c.target, ":")
	if !ok {
		device := o.m.S.Legs[c.leg].Device
		if device == "" {
			return route.Target{}, 403
		}
		return o.reach(device, c.target)
	}
	return o.house.Named(kind, name)
}

// Command asks something of a live call of a tenant: kind "transfer", "hold",
// "resume", "conference", "attended" and "merge" (target: the other call), "park", "record" (target start, stop, pause, resume;
// 403 when the policy says never), "supervise" (target "MODE" or "MODE DEVICE", mode
// "off" ends; 403 when the user there may not, 486 when another listens already) or
// "play" (target "SIDE PROMPT", or "SIDE" to stop). leg -1 means the agent's side. It returns a
// SIP status, 202 when the call has taken it on; 404 when there is no such call.
func (m *Manager) Command(done <-chan struct{}, tenant, id, kind string, leg int, target, by string) int {
	return m.ask(done, tenant, id, command{kind: kind, leg: leg, target: target, by: by})
}

func (m *Manager) ask(done <-chan struct{}, tenant, id string, c command) int {
	o := m.owner(id)
	if o == nil || o.tenant != tenant {
		return 404
	}
	reply := make(chan int, 2)
	c.reply = reply
	if o.post(c) != boxTaken {
		return 481
	}
	select {
	case code := <-reply:
		return code
	case <-o.done:
		return 481
	case <-done:
		return 504
	}
}

// Has tells whether a live call of a tenant has this id.
func (m *Manager) Has(tenant, id string) bool {
	o := m.owner(id)
	return o != nil && o.tenant == tenant
}

func (m *Manager) owner(id string) *owner {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[id]
}

// dialog finds a leg by its dialog's Call-ID within a tenant.
func (m *Manager) dialog(tenant, sipCallID string) *legHandle {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.dialogs[sipCallID]; l != nil && l.owner.Load().tenant == tenant {
		return l
	}
	return nil
}

// dialogAt is the Call-ID of the dialog that a device has in another call of the tenant;
// else the SIP status of a refusal.
func (m *Manager) dialogAt(tenant, call, device string) (sipCallID string, code int) {
	if device == "" {
		return "", 403
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.devices[tenant+"/"+device] {
		if l.owner.Load().id == call {
			return l.dialog.SIPCallID(), 0
		}
	}
	return "", 404
}

// callsAt lists the calls that have a leg at a device, oldest first.
func (m *Manager) callsAt(tenant, device string, but *owner) []*owner {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*owner
	for _, l := range m.devices[tenant+"/"+device] {
		if o := l.owner.Load(); o != but {
			out = append(out, o)
		}
	}
	return out
}

// replaced routes an INVITE with Replaces (RFC 3891); the stack has checked that
// the dialog exists and is of the same tenant.
func (m *Manager) replaced(in *sip.Invitation) (route.Target, error) {
	id := in.Replaces.Dialog.SIPCallID()
	if m.dialog(in.Tenant, id) == nil || in.Kind != sip.IdentityDevice {
		return route.Target{}, errNoDialog
	}
	return route.Target{Kind: route.Feature, Tenant: in.Tenant, Feature: featureReplaces, Arg: id}, nil
}

// maxSlots parking slots of a tenant: two digits, unless it has fewer.
const maxSlots = 99

// takeSlot parks a call; "" = all are taken, or the one wanted is.
func (m *Manager) takeSlot(o *owner, want string) string {
	_, slots := o.house.Parking()
	if slots <= 0 || slots > maxSlots {
		slots = maxSlots
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := 1; n <= slots; n++ {
		name := slotName(n)
		if want != "" && name != want || m.slots[o.tenant+"/"+name] != nil {
			continue
		}
		m.slots[o.tenant+"/"+name] = o
		return name
	}
	return ""
}

func (m *Manager) inSlots() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.slots)
}

func (m *Manager) freeSlot(o *owner, slot string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slots[o.tenant+"/"+slot] == o {
		delete(m.slots, o.tenant+"/"+slot)
	}
}

func (m *Manager) parked(tenant, slot string) *owner {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(slot) == 1 {
		slot = "0" + slot
	}
	return m.slots[tenant+"/"+slot]
}

// dnd tells whether a device takes no calls.
func (m *Manager) dnd(tenant, device string) bool {
	return m.deps.DND != nil && m.deps.DND.DND(tenant, device)
}
