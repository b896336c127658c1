package call

import (
	"fmt"
	"hash/fnv"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/secure"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/sdp"
	"github.com/centrala/centrala/pkg/sip"
)

// owner runs one call and has the handles that data cannot be. Its events are
// done in order, one at a time, by whoever puts the first into an idle mailbox:
// mostly the owner of the SIP dialog that the event came by, so that a message
// wakes no second thread and a call that talks costs no goroutine. Nothing here
// may therefore block: what needs a disk or a name has a goroutine of its own and
// comes back as an Event.
type owner struct {
	// set at birth
	mgr    *Manager
	tenant string
	id     string
	house  House
	log    *zap.Logger
	group  uint64
	box    mailbox
	done   chan struct{}
	urgent bool // an emergency call passes what would refuse others

	// owner only
	m       *Machine
	legs    []*legHandle
	pending []Event // events made while effects were carried out
	timers  []timerEntry
	rec     *record.Recording
	recID   string
	inACD   bool
	// streams are those to machines.
	streams   []*streaming
	message   *message            // what the caller says for a flow; nil none
	cancelJob func()              // ends the job of a flow under way; nil = none
	inWant    *owner              // who asked for the leg under consideration
	conf      *session.Conference // of three or more
	request   *joinRequest        // under consideration
	verdict   chan<- int          // where the answer to an API command goes
	over      bool
	faults    int // of this call: guard
	clock     *time.Timer
	armed     time.Time // when clock fires; zero: not running
}

// legHandle is one leg's dialog, stream and what was agreed.
type legHandle struct {
	dialog *sip.Dialog
	media  *session.Leg
	policy []string // codec names allowed to this device or trunk, nil = the node's
	keys   KeyWay   // of the device or trunk
	source sip.Target
	nat    bool         // a phone: its SDP may name an address that only it can see
	offer  *sdp.Session // the caller's offer until it is answered
	said   []byte       // our last SDP: repeated in a 200 after a 183, revised in a re-INVITE
	local  sdp.Local
	law    codec.ID
	agreed bool
	theirs []codec.ID // what the peer has said it can speak, its best first
	// steered: codecs that it was asked to go over to.
	steered map[codec.ID]bool
	suite   secure.Suite // of SDES, agreed last
	// peerUfrag is a browser's ICE user name; another one in an offer is a restart.
	peerUfrag string
	request   sip.DialRequest // of an outgoing leg, to dial it again
	dial      int             // which of its dialogs counts, when it was dialled again
	trunk     string          // counted against the trunk's cap
	inward    bool            // the trunk's caller
	began     time.Time       // our INVITE
	heard     bool            // the carrier has rung or answered
	device    string          // counted as in use
	agent     string          // who sits there
	gone      bool
	lost      bool // a browser's, whose dialog died; a new page may take it over
	mixed     bool // in a conference: what its partners say is recorded as a sum

	awaits uint64 // the Play whose clips are being read; 0: none

	// owner is the call that the leg belongs to now; what its dialog and its
	// stream say goes there. index is the leg's number in that call (owner only).
	owner atomic.Pointer[owner]
	index int

	lamp       sip.DialogInfo             // what is shown of it; under Manager.mu
	lampDialog atomic.Pointer[sip.Dialog] // of an outgoing leg, for its sink
}

// sinkOf is the sink of a leg's dialog of that number: what one says that was
// refused before the leg was dialled again counts no more.
func (l *legHandle) sinkOf(dial int) func(sip.DialogEvent) {
	return func(ev sip.DialogEvent) {
		l.postBy((*owner).postHere, fromSIP{l, ev, l.tagsOf(ev), dial})
	}
}

// fromSIP and fromMedia are the sinks of a leg's dialog and stream. A leg that
// is given away in this moment is found again at its new owner.
func (l *legHandle) fromSIP(ev sip.DialogEvent) {
	l.sinkOf(0)(ev)
}
func (l *legHandle) fromMedia(ev session.Event) { l.post(fromMedia{l, ev}) }
func (l *legHandle) post(v any)                 { l.postBy((*owner).post, v) }
func (l *legHandle) postBy(post func(*owner, any) boxState, v any) {
	for {
		o := l.owner.Load()
		if post(o, v) != boxClosed || l.owner.Load() == o {
			return
		}
	}
}

type timerEntry struct {
	id TimerID
	at time.Time
}

// What reaches the mailbox besides Event.
type (
	fromSIP struct {
		leg  *legHandle
		ev   sip.DialogEvent
		tags lit
		dial int // legHandle.dial
	}
	fromMedia struct {
		leg *legHandle
		ev  session.Event
	}
	snapshotRequest struct{ reply chan<- State }
	timeUp          struct{}
	clipsRead       struct {
		leg   *legHandle
		play  PlayPhrases
		clips []*play.Clip
		err   error
	}
)

func groupOf(callID string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(callID))
	return h.Sum64()
}

// post hands v to the owner, who does it on a goroutine of its own.
func (o *owner) post(v any) boxState {
	s, start := o.put(v)
	if start {
		go o.work()
	}
	return s
}

// postHere hands v to the owner and does it here, unless the owner is at work
// elsewhere, or may have to wait for the journal's disk. For those who have nothing
// else to do and hold no lock.
func (o *owner) postHere(v any) boxState {
	s, start := o.put(v)
	switch {
	case !start:
	case o.mgr.behind():
		go o.work()
	default:
		o.work()
	}
	return s
}

// put queues v. A call that lost an event cannot be trusted: it will be ended.
func (o *owner) put(v any) (s boxState, start bool) {
	s, start = o.box.put(v)
	if s == boxFull {
		o.mgr.metrics.overflow.Inc()
	}
	return s, start
}

// begin is the owner's first work. The mailbox was made busy for it.
func (o *owner) begin(first Event) {
	o.clock = time.AfterFunc(time.Hour, func() { o.postHere(timeUp{}) })
	o.guard(func() { o.step(first) })
	o.armClock()
	o.work()
}

// guard keeps a fault to the call that it is in. Whoever works a call off may be a
// goroutine that catches faults and goes on (a SIP shard): the mailbox would stay
// busy for ever, and the call with it. It is ended, by force when that fails too.
func (o *owner) guard(f func()) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		o.mgr.metrics.faults.Inc()
		o.log.Error("call event failed; the call is ended", zap.String("err", fmt.Sprint(p)), zap.ByteString("stack", debug.Stack()))
		o.pending = nil
		o.faults++
		switch {
		case o.over:
		case o.faults == 1:
			o.guard(func() { o.step(HangUp{event.ResultOurs, event.ReasonError}) })
		default:
			o.abandon()
		}
	}()
	f()
}

// abandon ends a call whose machine fails: its legs hear BYE, its name is freed.
func (o *owner) abandon() {
	for _, l := range o.legs {
		if l.dialog != nil {
			l.dialog.End(reasonHeader("error"))
		}
	}
	if o.faults == 2 {
		o.guard(o.finish)
	}
	if !o.over {
		o.over = true
		o.mgr.finish(o)
	}
}

// work does what waits, until nothing does.
func (o *owner) work() {
	for !o.over {
		got, lost := o.box.take()
		if len(got) == 0 {
			return
		}
		for _, v := range got {
			o.guard(func() { o.handle(v) })
		}
		if lost && !o.over {
			o.log.Error("call mailbox full, an event was lost: the call is ended", zap.Int("cap", mailboxCap))
			o.guard(func() { o.step(HangUp{event.ResultOurs, event.ReasonError}) })
		}
		o.armClock()
	}
	o.clock.Stop()
	for _, v := range o.box.close() {
		o.guard(func() { o.orphan(v) })
	}
	o.forget()
}

// forget lets go of what the call was made of: its dialogs stay for their last
// retransmissions (32 s), and would keep all of it. Nobody works the call off again.
func (o *owner) forget() {
	for _, l := range o.legs {
		if l.owner.Load() == o {
			l.offer, l.said, l.request, l.local = nil, nil, sip.DialRequest{}, sdp.Local{}
		}
	}
	o.m, o.legs, o.pending, o.timers, o.rec = nil, nil, nil, nil, nil
}

func (o *owner) handle(v any) {
	if o.over {
		o.orphan(v)
		return
	}
	switch v := v.(type) {
	case fromSIP:
		if v.leg.owner.Load() != o {
			v.leg.post(v) // it was given away while this waited
			return
		}
		if v.dial != v.leg.dial {
			return
		}
		o.show(v.leg, v.ev, v.tags)
		o.sipEvent(v.leg.index, v.ev)
	case fromMedia:
		if v.leg.owner.Load() != o {
			v.leg.post(v)
			return
		}
		o.mediaEvent(v.leg.index, v.ev)
	case replacedFound:
		if v.leg.owner.Load() != o {
			v.leg.post(v)
			return
		}
		o.replacedFound(v)
	case takeOver:
		o.takenOver(v)
	case wantLeg:
		o.wanted(v)
	case handedLeg:
		o.handed(v)
	case conferRequest:
		o.conferRequested(v)
	case parkRequest:
		o.parkRequested(v)
	case joinRequest:
		o.joinRequested(v)
	case command:
		o.command(v)
	case clipsRead:
		if v.leg.owner.Load() == o { // else it was given away, and hears what its new call plays
			o.clipsRead(v)
		}
	case timeUp:
		o.armed = time.Time{}
		o.fireTimers(time.Now())
	case acd.Effect:
		o.step(FromACD{v})
	case streamDigits:
		o.sendStreamDigits(v)
	case snapshotRequest:
		v.reply <- o.m.S
	case Event:
		o.step(v)
	}
}

// step runs the machine and carries out what it wants, including the events
// that carrying out brings about.
func (o *owner) step(ev Event) {
	o.pending = append(o.pending, ev)
	for len(o.pending) > 0 {
		ev := o.pending[0]
		o.pending = o.pending[1:]
		for _, e := range o.m.Step(time.Now(), ev) {
			o.carryOut(e)
		}
	}
	o.aimStreams()
	o.pending = nil
}

// then queues an event that carrying out an effect brought about.
func (o *owner) then(ev Event) { o.pending = append(o.pending, ev) }

func (o *owner) setTimer(id TimerID, at time.Time) {
	o.stopTimer(id)
	o.timers = append(o.timers, timerEntry{id, at})
}

func (o *owner) stopTimer(id TimerID) {
	for i, t := range o.timers {
		if t.id == id {
			o.timers[i] = o.timers[len(o.timers)-1]
			o.timers = o.timers[:len(o.timers)-1]
			return
		}
	}
}

// armClock sets the one real timer to the earliest of the call's few. It is moved
// only forward: most timers are stopped, and one ring for nothing costs less than
// moving it each time.
func (o *owner) armClock() {
	if len(o.timers) == 0 || o.over {
		return
	}
	first := o.timers[0].at
	for _, t := range o.timers[1:] {
		if t.at.Before(first) {
			first = t.at
		}
	}
	if o.armed.IsZero() || first.Before(o.armed) {
		o.armed = first
		o.clock.Reset(time.Until(first))
	}
}

func (o *owner) fireTimers(now time.Time) {
	for {
		due := -1
		for i, t := range o.timers {
			if !t.at.After(now) && (due < 0 || t.at.Before(o.timers[due].at)) {
				due = i
			}
		}
		if due < 0 || o.over {
			return
		}
		id := o.timers[due].id
		o.stopTimer(id)
		if id == TimerMessage {
			o.listenMessage()
			continue
		}
		o.step(TimerFired{id})
	}
}

func (o *owner) leg(i int) *legHandle {
	if i < 0 || i >= len(o.legs) {
		return nil
	}
	return o.legs[i]
}

func (o *owner) journal(b event.Body) {
	switch e := b.(type) {
	case event.LegEnded:
		o.mgr.trunkSound(o.m.S.Tenant, o.m.S.Legs[e.Leg].Trunk, e.Audio)
	case event.FlowJob:
		o.mgr.jobs.count.WithLabelValues(e.Job, jobResult(e)).Inc()
	}
	o.mgr.deps.Journal.Append(event.Event{At: time.Now().UTC(), Tenant: o.m.S.Tenant, CallID: o.m.S.ID, Body: b})
	o.tellLog(b)
}

// tellLog writes the few lines of a call's story that an operator reads; the
// rest is in the journal.
func (o *owner) tellLog(b event.Body) {
	switch b := b.(type) {
	case event.CallStarted:
		o.log.Info("call started", zap.String("direction", string(b.Direction)), zap.String("from", b.From), zap.String("to", b.To),
			zap.String("trunk", b.Trunk), zap.String("device", b.Device), zap.String("flow", b.Flow), zap.String("sip_call_id", b.SIPCallID))
	case event.SegmentStarted:
		o.log.Info("call segment", zap.String("segment", string(b.Segment)), zap.String("flow", b.Flow), zap.String("queue", b.Queue),
			zap.String("agent", b.Agent), zap.String("device", b.Device), zap.String("by", b.By))
	case event.LegStarted:
		o.log.Info("leg started", zap.Int("leg", b.Leg), zap.String("agent", b.Agent), zap.String("device", b.Device),
			zap.String("trunk", b.Trunk), zap.String("sip_call_id", b.SIPCallID))
	case event.FlowFailed:
		o.log.Warn("flow failed", zap.String("flow", b.Flow), zap.String("step", b.Step), zap.String("err", b.Error))
	case event.RecordingEnded:
		if b.Fault != "" {
			o.log.Error("recording damaged", zap.String("path", b.Path), zap.String("reason", b.Fault))
		}
	case event.AudioAlarm:
		o.log.Warn("no sound from leg", zap.Int("leg", b.Leg), zap.String("alarm", b.Alarm), zap.Int64("silent_ms", b.SilentMs),
			zap.String("device", b.Device), zap.String("trunk", b.Trunk))
	case event.CallEnded:
		o.log.Info("call ended", zap.String("result", string(b.Result)), zap.String("reason", string(b.Reason)), zap.Int("code", b.Code),
			zap.Int64("setup_ms", b.SetupMs), zap.Int64("menu_ms", b.MenuMs), zap.Int64("wait_ms", b.WaitMs), zap.Int64("talk_ms", b.TalkMs),
			zap.Int64("hold_ms", b.HoldMs), zap.Int64("total_ms", b.TotalMs), zap.String("queue", b.Queue), zap.String("agent", b.Agent))
	default:
		o.log.Debug("call event", zap.String("event", b.Kind()))
	}
}
