package call

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

// Config bounds the calls of a process.
type Config struct {
	// MaxCalls refuses further INVITEs with 503; 0 = 5000.
	MaxCalls int
	// MaxDuration ends a call that lasts longer; 0 = 12 h, longer than a shift.
	MaxDuration time.Duration
	// XR has our offers ask for extended reports of RTCP, and Comfort allow comfort noise.
	XR, Comfort bool
	// SpeechWait is how long a caller waits for texts to be made; 0 = 3 s.
	SpeechWait time.Duration
	// MaxJobs is how many jobs of flows are under way at once; 0 = 2000.
	// MaxTenantJobs is the same for one tenant; 0 = MaxJobs.
	MaxJobs, MaxTenantJobs int
}

// Deps are a Manager's neighbours. All but Log and Registerer are required.
type Deps struct {
	SIP      *sip.Stack
	Media    *session.Engine
	Recorder *record.Writer
	Journal  event.Journal
	// MediaIP is our address for sound as this peer must see it in SDP; nil = the
	// engine's own.
	MediaIP func(peer netip.Addr) netip.Addr
	// WebAddrs are the addresses at which browsers reach the media engine's port of
	// theirs; nil = MediaIP's.
	WebAddrs []netip.Addr
	// HostAddrs are this machine's addresses in its networks, for browsers that run on it.
	HostAddrs []netip.Addr
	// Codecs are those that legs without a list of their own may speak, best first;
	// nil = DefaultCodecs.
	Codecs []codec.ID
	// Streams opens streams to machines; nil = there are none.
	Streams *stream.Client
	// Speech speaks texts; nil = they fail, and flows take their fallbacks.
	Speech Speech
	// Messages are the files of recordings; nil = they cannot be heard or dropped.
	Messages Messages
	// Jobs does what flows ask of the world outside; nil = it fails.
	Jobs Jobs
	// House returns the tenant's current configuration, nil for an unknown tenant.
	House func(tenant string) House
	// DND keeps which devices take no calls; nil = nobody can set it.
	DND DND
	// Schedules are what *60 closes; nil = nobody can.
	Schedules Schedules
	// Mailboxes is what *97 listens to; nil = there are none.
	Mailboxes  Mailboxes
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// Speech makes clips of texts (media/speech).
type Speech interface {
	// Ready is the clip when it is in memory, else nil.
	Ready(text, language string) *play.Clip
	// Say makes it; ctx bounds the waiting.
	Say(ctx context.Context, text, language string) (*play.Clip, error)
}

// DND is the memory of "do not disturb" (pkg/store). DND is asked for each call
// to a device: fast, in memory.
type DND interface {
	DND(tenant, device string) bool
	SetDND(ctx context.Context, tenant, device string, on bool) error
}

// Manager holds the calls of a process: it takes INVITEs, makes owners, and
// stops them. Its mutex guards the maps, never a call's life.
type Manager struct {
	cfg          Config
	deps         Deps
	metrics      *metrics
	trunkMetrics *trunkMetrics
	jobs         *jobRoom

	mu       sync.Mutex
	calls    map[string]*owner
	trunks   map[string]int          // calls per tenant/trunk
	devices  map[string][]*legHandle // legs per tenant/device, oldest first
	dialogs  map[string]*legHandle   // legs by the Call-ID of their dialog, for Replaces
	slots    map[string]*owner       // who is parked, per tenant/slot
	turn     map[string]int          // where each hunt list goes on
	lampMu   [64]sync.Mutex          // above mu
	draining bool
	idle     chan struct{} // closed and remade when the last call ends
	behind   func() bool   // the journal may make its writers wait
	ended    []*owner      // whose verdict is not known to be on disk yet
	syncing  bool          // a goroutine sees to it
}

// NewManager makes a Manager. Bind must follow before the first INVITE.
func NewManager(cfg Config, d Deps) *Manager {
	if cfg.MaxCalls <= 0 {
		cfg.MaxCalls = 5000
	}
	if cfg.MaxDuration <= 0 {
		cfg.MaxDuration = 12 * time.Hour
	}
	if cfg.SpeechWait <= 0 {
		cfg.SpeechWait = 3 * time.Second
	}
	if d.Log == nil {
		d.Log = zap.NewNop()
	}
	m := &Manager{cfg: cfg, deps: d, calls: map[string]*owner{}, trunks: map[string]int{}, devices: map[string][]*legHandle{},
		dialogs: map[string]*legHandle{}, slots: map[string]*owner{},
		turn: map[string]int{}, idle: make(chan struct{})}
	m.behind = func() bool { return false }
	if j, ok := d.Journal.(interface{ Behind() bool }); ok {
		m.behind = j.Behind
	}
	m.trunkMetrics = newTrunkMetrics(d.Registerer)
	m.jobs = newJobRoom(d.Registerer, cfg.MaxJobs, cfg.MaxTenantJobs)
	m.metrics = newMetrics(d.Registerer, m.Limit, m.Len, m.inSlots)
	return m
}

// Bind gives the SIP stack to a Manager that had to exist before it.
func (m *Manager) Bind(s *sip.Stack) { m.deps.SIP = s }

// Len is the number of calls.
func (m *Manager) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.calls)
}

// Limit is the most calls at a time.
func (m *Manager) Limit() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cfg.MaxCalls
}

// SetLimits changes the bounds for calls that begin from now on.
func (m *Manager) SetLimits(calls int, duration time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cfg.MaxCalls, m.cfg.MaxDuration = calls, duration
}

// HangUp ends a live call of a tenant; false when there is none of that id.
func (m *Manager) HangUp(tenant, id string) bool {
	m.mu.Lock()
	o := m.calls[id]
	m.mu.Unlock()
	if o == nil || o.tenant != tenant {
		return false
	}
	o.post(HangUp{event.ResultOurs, event.ReasonNormal})
	return true
}

// Cut ends a leg of a live call for a reason, and with it the call unless others
// go on without; one that is over is left alone.
func (m *Manager) Cut(id string, leg int, why event.Reason) {
	if o := m.owner(id); o != nil {
		o.post(CutLeg{leg, why})
	}
}

// Warn lets the phones of the house in a live call hear that a leg of it is about
// to be cut.
func (m *Manager) Warn(id string, leg int) {
	if o := m.owner(id); o != nil {
		o.post(CutSoon{leg})
	}
}

// Invite begins a call (sip.Handler). It runs on the dialog's goroutine and
// only decides where the call leads; the rest is the owner's.
func (m *Manager) Invite(in *sip.Invitation) {
	house := m.deps.House(in.Tenant)
	if house == nil {
		m.refuse(in, 404, event.ReasonNotFound)
		return
	}
	if id := in.Header(ResumeHeader); id != "" && in.Kind == sip.IdentityDevice {
		m.resume(in, id)
		return
	}
	s, l, ok := m.newCall(in, house)
	if !ok {
		m.refuse(in, 400, event.ReasonError)
		return
	}
	now := time.Now()
	var target route.Target
	var err error
	if in.Replaces != nil {
		target, err = m.replaced(in)
	} else if in.Kind == sip.IdentityTrunk {
		target, err = house.Inbound(now, in.Name, s.Dialled, s.From)
	} else {
		target, err = house.FromDevice(now, in.Name, in.Dialled)
	}
	switch {
	case errors.Is(err, route.ErrForbidden):
		m.deps.Log.Warn("call refused: not allowed", zap.String("tenant", in.Tenant), zap.String("device", in.Name), zap.String("to", in.Dialled), zap.Error(err))
		m.refuse(in, 403, event.ReasonForbidden)
		return
	case errors.Is(err, errNoDialog):
		m.refuse(in, 481, event.ReasonNotFound) // RFC 3891 3
		return
	case err != nil:
		why := reasonOfRoute(err)
		m.refuse(in, refused(err), why)
		return
	}
	if target.Kind == route.Trunk {
		s.Direction = event.Outbound
	}
	if target.Kind == route.Devices {
		target.Names = m.hunt(in.Tenant, in.Dialled, target.Names)
	}
	m.mu.Lock()
	s.MaxDuration = m.cfg.MaxDuration
	m.mu.Unlock()
	o := &owner{mgr: m, house: house, tenant: s.Tenant, id: s.ID, group: groupOf(s.ID), box: mailbox{busy: true}, done: make(chan struct{}),
		log: m.deps.Log.With(zap.String("call_id", s.ID), zap.String("tenant", s.Tenant)), m: NewMachine(s, house), legs: []*legHandle{l}, urgent: target.Emergency}
	l.owner.Store(o)
	l.agent = s.Legs[0].Agent
	l.lamp = lampOf(l, true, "", s.Dialled)
	l.lamp.RemoteTag, l.lamp.LocalTag = in.Dialog.Tags()
	if reason := m.admit(o, l); reason != "" {
		m.refuse(in, statusOf(reason), reason)
		return
	}
	in.Dialog.SetSink(l.fromSIP)
	m.tellLamps(s.Tenant, l.device)
	if first := (Invited{Target: target, SIPCallID: in.SIPCallID}); m.behind() {
		go o.begin(first)
	} else {
		o.begin(first)
	}
}

// newCall makes the state and the caller's leg. ok is false when the caller's
// SDP cannot be read.
func (m *Manager) newCall(in *sip.Invitation, house House) (State, *legHandle, bool) {
	id, err := uuid.NewV7()
	if err != nil {
		return State{}, nil, false
	}
	l := &legHandle{dialog: in.Dialog, source: sip.Target{Addr: in.Source, Transport: in.Transport}}
	s := State{ID: id.String(), Tenant: in.Tenant, Dialled: in.Dialled, Secure: in.Secure, Language: house.Language(), Legs: []Leg{{}}}
	if in.Kind == sip.IdentityTrunk {
		s.Direction = event.Inbound
		l.trunk, l.inward = in.Name, true
		trusted, contact := false, ""
		if t := house.Trunk(in.Name); t != nil {
			l.policy, l.keys, trusted, contact = t.Codecs, t.Keys, t.TrustIdentity, t.Contact
		}
		id := identify(in, trusted, contact)
		s.From, s.Display, s.Private, s.DivertedBy = house.CallerNumber(in.Name, id.number), id.display, id.private, id.divertedBy
		if id.dialled != "" {
			s.Dialled = id.dialled
		}
		s.Legs[0].Trunk, s.Legs[0].Number = in.Name, s.From
	} else {
		d := house.Device(in.Name)
		s.Direction = event.Internal
		// Who a device is was proved by digest; what its From says was not.
		s.From, s.Display = d.Extension, d.Display
		s.Private = wantsPrivacy(in.Header("Privacy")) || in.From.User == "anonymous"
		l.device, l.nat, l.policy, l.keys = in.Name, true, d.Codecs, d.Keys
		s.Legs[0].Device, s.Legs[0].Agent = in.Name, house.AgentOf(in.Name)
	}
	if len(in.SDP) > 0 {
		if l.offer, err = m.metrics.parseSDP(in.SDP); err != nil {
			return State{}, nil, false
		}
	}
	return s, l, true
}

// clean bounds a stranger's text and drops what cannot be printed.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit])
	}
	return s
}

// admit takes the call in, or says why not.
func (m *Manager) admit(o *owner, l *legHandle) event.Reason {
	trunk := o.house.Trunk(l.trunk)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !o.urgent && (m.draining || len(m.calls) >= m.cfg.MaxCalls) {
		return event.ReasonOverload
	}
	key := o.tenant + "/" + l.trunk
	if trunk != nil && trunk.MaxCalls > 0 && m.trunks[key] >= trunk.MaxCalls {
		return event.ReasonOverload
	}
	if l.device != "" {
		key := o.tenant + "/" + l.device
		if most := o.house.Device(l.device).MaxCalls; most > 0 && !o.urgent && len(m.devices[key]) >= most {
			return event.ReasonBusy
		}
		m.devices[key] = append(m.devices[key], l)
	}
	m.calls[o.id] = o
	if l.trunk != "" {
		m.trunks[key]++
		m.onTrunk(o.tenant, l.trunk, true, 1)
	}
	m.dialogs[l.dialog.SIPCallID()] = l
	return ""
}

func (m *Manager) refuse(in *sip.Invitation, code int, why event.Reason) {
	dir := event.Internal
	if in.Kind == sip.IdentityTrunk {
		dir = event.Inbound
	}
	m.metrics.refused(dir, why)
	in.Dialog.Reject(code, "", retryAfter(code)...)
}

// hunt orders a hunt list: where the last caller's search ended, this one's
// begins, and devices in use come last, so that the longest unused is first.
func (m *Manager) hunt(tenant, number string, names []string) []string {
	const most = 10 // devices tried for one caller
	m.mu.Lock()
	defer m.mu.Unlock()
	key := tenant + "/" + number
	start := m.turn[key]
	free := make([]string, 0, most)
	for i := range names {
		n := (start + i) % len(names)
		if len(m.devices[tenant+"/"+names[n]]) > 0 {
			continue
		}
		if len(free) == 0 {
			m.turn[key] = (n + 1) % len(names)
		}
		if free = append(free, names[n]); len(free) == most {
			break
		}
	}
	return free
}

// takeTrunk counts a call out; an urgent one passes every cap.
func (m *Manager) takeTrunk(tenant, trunk string, most int, urgent bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !urgent && (m.draining || most > 0 && m.trunks[tenant+"/"+trunk] >= most) {
		return false
	}
	m.trunks[tenant+"/"+trunk]++
	m.onTrunk(tenant, trunk, false, 1)
	return true
}

// use counts a leg that was dialled out.
func (m *Manager) use(tenant string, l *legHandle) {
	m.mu.Lock()
	m.dialogs[l.dialog.SIPCallID()] = l
	if l.device != "" {
		m.devices[tenant+"/"+l.device] = append(m.devices[tenant+"/"+l.device], l)
	}
	m.mu.Unlock()
	m.tellLamps(tenant, l.device)
}

// inUse is the number of legs of a device.
func (m *Manager) inUse(tenant, device string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.devices[tenant+"/"+device])
}

// release gives back what a leg counted for; the second time does nothing.
func (m *Manager) release(tenant string, l *legHandle) {
	device := l.device
	defer func() { m.tellLamps(tenant, device) }() // behind the unlock
	m.mu.Lock()
	defer m.mu.Unlock()
	down := func(counts map[string]int, name *string) {
		if *name == "" {
			return
		}
		key := tenant + "/" + *name
		if counts[key]--; counts[key] <= 0 {
			delete(counts, key)
		}
		*name = ""
	}
	if l.trunk != "" {
		m.onTrunk(tenant, l.trunk, l.inward, -1)
	}
	down(m.trunks, &l.trunk)
	if l.dialog != nil {
		delete(m.dialogs, l.dialog.SIPCallID())
	}
	if l.device != "" {
		key := tenant + "/" + l.device
		if left := slices.DeleteFunc(m.devices[key], func(x *legHandle) bool { return x == l }); len(left) > 0 {
			m.devices[key] = left
		} else {
			delete(m.devices, key)
		}
		l.device = ""
	}
}

// finish forgets an ended call once the journal has it for good. Calls that end
// together share one wait for the disk.
func (m *Manager) finish(o *owner) {
	m.mu.Lock()
	m.ended = append(m.ended, o)
	start := !m.syncing
	m.syncing = true
	m.mu.Unlock()
	if start {
		go m.sync()
	}
}

func (m *Manager) sync() {
	for {
		m.mu.Lock()
		ended := m.ended
		m.ended = nil
		m.syncing = len(ended) > 0
		m.mu.Unlock()
		if len(ended) == 0 {
			return
		}
		if err := m.deps.Journal.Sync(); err != nil {
			// The story is kept in memory and tried again by the store; ops must act.
			m.deps.Log.Error("journal not durable", zap.Int("calls", len(ended)), zap.Error(err))
		}
		m.mu.Lock()
		for _, o := range ended {
			delete(m.calls, o.id)
			close(o.done)
		}
		if len(m.calls) == 0 {
			close(m.idle)
			m.idle = make(chan struct{})
		}
		m.mu.Unlock()
	}
}

// Drain stops new calls in both directions; running ones go on.
func (m *Manager) Drain(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.draining = on
}

// Snapshot returns the state of one live call; false when there is none.
func (m *Manager) Snapshot(ctx context.Context, id string) (State, bool) {
	m.mu.Lock()
	o := m.calls[id]
	m.mu.Unlock()
	if o == nil {
		return State{}, false
	}
	reply := make(chan State, 1)
	o.post(snapshotRequest{reply})
	select {
	case s := <-reply:
		return s, true
	case <-o.done:
	case <-ctx.Done():
	}
	return State{}, false
}

// Wait returns when no call is left, or with ctx's error.
func (m *Manager) Wait(ctx context.Context) error {
	for {
		m.mu.Lock()
		n, idle := len(m.calls), m.idle
		m.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stop drains, hangs up what still runs and waits for the owners. Calls that do
// not end within ctx are logged and abandoned.
func (m *Manager) Stop(ctx context.Context) error {
	m.Drain(true)
	m.mu.Lock()
	for _, o := range m.calls {
		o.post(HangUp{event.ResultOurs, event.ReasonShutdown})
	}
	m.mu.Unlock()
	err := m.Wait(ctx)
	if err != nil {
		m.deps.Log.Error("calls abandoned at stop", zap.Int("calls", m.Len()), zap.Error(err))
	}
	m.jobs.wait(ctx)
	return err
}
