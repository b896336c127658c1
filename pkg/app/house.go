package app

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/ivr/schedule"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/pkg/acd/dispatch"
	"github.com/centrala/centrala/pkg/call"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

// house is one tenant's configuration, ready for calls: call.House over one
// revision of the resources. It never changes; an apply makes new ones.
type house struct {
	tenant       string
	spec         *resource.TenantSpec
	routes       *route.Table
	flows        map[string]*flow.Flow
	apps         map[string]*resource.AppSpec
	secrets      map[string]string     // opened; nil = none
	appFlows     map[string]*flow.Flow // by flow.AppFlow
	schedules    map[string]*schedule.Schedule
	zone         *time.Location // of dates and times that are spoken
	queues       map[string]*resource.QueueSpec
	dispositions map[string]*resource.DispositionListSpec
	scripts      map[string]*resource.ScriptSpec
	users        map[string]*resource.UserSpec
	devices      map[string]*resource.DeviceSpec
	trunks       map[string]*call.Trunk
	agents       map[string]string // device -> user
	voicemail    *call.Voicemails  // nil: no boxes
	queueKeys    map[string]map[byte]string
	prompts      *prompt.Set
	library      *play.Library
	acd          *dispatch.Dispatcher
	outside      *outside                                           // who may call whom outside; nil in tests: all may
	line         func(tenant string, r route.TrunkRoute) route.Line // how a trunk stands; nil = all are up

	music map[string]*play.Clip // sources of the node file
	clips sync.Map              // clipKey -> *play.Clip: a lookup on the way to each prompt costs no file system call

	clipsGen atomic.Int64 // rises when a prompt changes
}

type clipKey struct{ name, language string }

var _ call.House = (*house)(nil)

// newHouse builds a tenant's house of a checked set. Errors are faults that
// the check should have told; the house is not used then.
func newHouse(tenant string, s *resource.Set, routes *route.Table, promptsDir string, library *play.Library, d *dispatch.Dispatcher) (*house, error) {
	h := &house{tenant: tenant, spec: s.Tenants[tenant], routes: routes, library: library, acd: d,
		flows: map[string]*flow.Flow{}, apps: map[string]*resource.AppSpec{}, appFlows: map[string]*flow.Flow{}, schedules: map[string]*schedule.Schedule{}, queues: map[string]*resource.QueueSpec{},
		dispositions: map[string]*resource.DispositionListSpec{}, scripts: map[string]*resource.ScriptSpec{},
		users: map[string]*resource.UserSpec{}, devices: map[string]*resource.DeviceSpec{}, trunks: map[string]*call.Trunk{}, agents: map[string]string{}}
	var faults []error
	for k, spec := range s.Flows {
		if k.Tenant == tenant {
			f, err := flow.Parse(k.Name, spec.Raw)
			if err != nil {
				faults = append(faults, fmt.Errorf("flow %q: %w", k.Name, err))
				continue
			}
			f.Version = s.FlowVersions[k]
			h.flows[k.Name] = f
		}
	}
	for k, spec := range s.Schedules {
		if k.Tenant == tenant {
			zoned := *spec
			zoned.TimeZone = cmp.Or(spec.TimeZone, h.spec.TimeZone)
			sc, err := schedule.Parse(zoned)
			if err != nil {
				faults = append(faults, fmt.Errorf("schedule %q: %w", k.Name, err))
				continue
			}
			h.schedules[k.Name] = sc
		}
	}
	if zone, err := time.LoadLocation(h.spec.TimeZone); err == nil { // "" is UTC
		h.zone = zone
	}
	mine(s.Queues, tenant, h.queues)
	h.queueKeys = readQueueKeys(h.queues)
	mine(s.DispositionLists, tenant, h.dispositions)
	mine(s.Scripts, tenant, h.scripts)
	mine(s.Users, tenant, h.users)
	mine(s.Apps, tenant, h.apps)
	for name := range h.apps {
		h.appFlows[flow.AppFlow(name)] = flow.ForApp(name)
	}
	mine(s.Devices, tenant, h.devices)
	// By name, so that two users on one device always give the same answer.
	for _, name := range slices.Sorted(maps.Keys(h.users)) {
		if dev := h.users[name].Device; dev != "" && h.agents[dev] == "" {
			h.agents[dev] = name
		}
	}
	for k, spec := range s.Trunks {
		if k.Tenant == tenant {
			t, err := newTrunk(spec, h.spec)
			if err != nil {
				faults = append(faults, fmt.Errorf("trunk %q: %w", k.Name, err))
				continue
			}
			h.trunks[k.Name] = t
		}
	}
	h.prompts = promptSet(s, tenant, promptsDir)
	return h, errors.Join(faults...)
}

func mine[S any](all map[resource.Key]*S, tenant string, into map[string]*S) {
	for k, spec := range all {
		if k.Tenant == tenant {
			into[k.Name] = spec
		}
	}
}

// keyWay is how keys come as documents name it.
func keyWay(dtmf string) call.KeyWay {
	if dtmf == "auto" {
		return call.KeysAuto
	}
	return call.KeyWay(dtmf)
}

func newTrunk(spec *resource.TrunkSpec, tenant *resource.TenantSpec) (*call.Trunk, error) {
	t := &call.Trunk{AuthUser: spec.AuthUser, AuthPassword: spec.AuthPassword, CallerID: spec.CallerID,
		MaxCalls: spec.MaxCalls, Codecs: spec.Codecs, Keys: keyWay(spec.Keys), RingTimeout: time.Duration(spec.RingTimeout),
		ResponseTimeout: time.Duration(spec.ResponseTimeout), Failover: spec.FailoverCodes, Contact: registerUser(spec),
		Encryption:    call.Encryption{Mode: spec.MediaEncryption, KeysInClear: spec.SDESOverPlainSIP},
		TrustIdentity: spec.TrustIdentity, SendIdentity: spec.SendIdentity, SendDiversion: spec.SendDiversion,
		Show: func(number string) string { return route.ShownNumber(number, spec, tenant) }}
	if t.RingTimeout == 0 {
		t.RingTimeout = time.Minute
	}
	if spec.Target == "" {
		return t, nil
	}
	target, err := sip.ParseTarget(spec.Target)
	if err != nil {
		return nil, err
	}
	target.ServerName = spec.TLSServerName
	t.Target = target
	_, hostport, _ := strings.Cut(target.URI, ":")
	hostport, _, _ = strings.Cut(hostport, ";")
	if at := strings.LastIndexByte(hostport, '@'); at >= 0 {
		hostport = hostport[at+1:]
	}
	t.Host = hostport
	return t, nil
}

// Flow returns a checked flow, nil when there is none of that name.
func (h *house) Flow(name string) *flow.Flow {
	if name == flow.HotDesk {
		return hotDeskFlow()
	}

	if f := h.flows[name]; f != nil {
		return f
	}
	if f := h.appFlows[name]; f != nil { // of an application's number
		return f
	}
	return builtInFlows()[name]
}

// appInfo is what flows know of an application.
func (h *house) appInfo(name string) (ivr.AppInfo, bool) {
	a := h.apps[name]
	if a == nil {
		return ivr.AppInfo{}, false
	}
	return ivr.AppInfo{Timeout: a.Timeout.D(), Fallback: a.Fallback, May: a.MayDial}, true
}

// FlowInput adds the tenant's schedules and how its queues stand.
func (h *house) FlowInput(in ivr.Input) ivr.Input {
	in.Schedules, in.Zone, in.App = h.schedules, h.zone, h.appInfo
	if h.acd != nil {
		in.Queue = h.queueState
	}
	return in
}

func (h *house) queueState(name string) (ivr.QueueState, bool) {
	s, ok := h.acd.QueueState(name)
	return ivr.QueueState(s), ok
}

// QueueRecord is the queue's own recording policy.
func (h *house) QueueRecord(queue string) resource.Record {
	if q := h.queues[queue]; q != nil {
		return q.Record
	}
	return resource.RecordInherit
}

// QueueMusic is the queue's own music prompt.
func (h *house) QueueMusic(queue string) string {
	if q := h.queues[queue]; q != nil {
		return q.Music
	}
	return ""
}

// QueueSurvey is the flow to which callers go when the agent has hung up.
func (h *house) QueueSurvey(queue string) string {
	if q := h.queues[queue]; q != nil {
		return q.Survey
	}
	return ""
}

// QueueAnnounce is what the queue tells who waits: of its items those with a bit in
// items, all for 0.
func (h *house) QueueAnnounce(queue string, items uint32) []string {
	q := h.queues[queue]
	if q == nil {
		return nil
	}
	out := make([]string, 0, len(q.Announce))
	for i, text := range q.Announce {
		if a, err := resource.ParseAnnounce(text); err == nil && (items == 0 || items>>i&1 == 1) {
			out = append(out, a.Name)
		}
	}
	return out
}

// AgentOf names the user who takes calls on a device.
func (h *house) AgentOf(device string) string {
	if h.acd == nil {
		return h.agents[device]
	}
	return h.acd.AgentOn(device, h.agents[device])
}

// Parking is the tenant's settings of parking slots.
func (h *house) Parking() (time.Duration, int) {
	return time.Duration(h.spec.ParkTime), h.spec.ParkSlots
}

// Resume is the tenant's care for browsers' phones that are lost in mid-call.
func (h *house) Resume() (time.Duration, string) {
	within := 30 * time.Second
	if w := h.spec.ResumeWithin; w != nil {
		within = max(0, time.Duration(*w))
	}
	return within, cmp.Or(h.spec.ResumePrompt, "please_wait")
}

// AgentAnnouncement is what an agent hears before a conversation of a queue.
func (h *house) AgentAnnouncement(queue string) (string, time.Duration) {
	q := h.queues[queue]
	if q == nil {
		return "", 0
	}
	return q.AgentAnnouncement, call.WaitedUnit(q.AgentAnnouncementWait)
}

// MaySupervise tells whether a user may listen to calls of a queue in a mode.
func (h *house) MaySupervise(user, mode, queue string) bool {
	u := h.users[user]
	if u == nil {
		return false
	}
	all := slices.Contains(u.Roles, "supervisor") || slices.Contains(u.Roles, "admin")
	some := all || slices.Contains(u.Roles, "quality") || len(u.MayMonitor) > 0
	if !some || mode != call.ModeMonitor && !all {
		return false
	}
	return len(u.MayMonitor) == 0 || slices.Contains(u.MayMonitor, "*") || queue != "" && slices.Contains(u.MayMonitor, queue)
}

// InCallCodes are the codes of a conversation.
func (h *house) InCallCodes() map[string]string { return h.spec.InCallCodes }

// DefaultTarget is where a call goes whose flow failed.
func (h *house) DefaultTarget() string { return h.spec.DefaultTarget }

// Language is the tenant's default language.
func (h *house) Language() string {
	if h.spec.Language == "" {
		return "en"
	}
	return h.spec.Language
}

// ACD is the tenant's dispatcher.
func (h *house) ACD() *dispatch.Dispatcher { return h.acd }

// Inbound routes a carrier's call.
func (h *house) Inbound(now time.Time, trunk, dialled, from string) (route.Target, error) {
	return h.routes.Inbound(now, h.tenant, trunk, dialled, from)
}

// FromDevice routes a call of a device.
func (h *house) FromDevice(now time.Time, device, dialled string) (route.Target, error) {
	tg, err := h.routes.FromDevice(now, h.tenant, device, dialled)
	if errors.Is(err, route.ErrForbidden) && h.outside != nil {
		h.outside.refuse(h, now, device, dialled, err)
	}
	if err != nil || tg.Kind != route.Trunk {
		return tg, err
	}
	// The trunk first: what cannot be sent is not counted.
	if tg, err = h.pick(tg); err != nil {
		return route.Target{}, err
	}
	if h.outside != nil && !tg.Emergency {
		if err := h.outside.permit(h, now, device, dialled); err != nil {
			return route.Target{}, err
		}
	}
	return tg, nil
}

// Named finds a target that the API names: queue, flow, device or agent.
func (h *house) Named(kind, name string) (route.Target, int) {
	t := route.Target{Tenant: h.tenant, Name: name}
	found := false
	switch kind {
	case "queue":
		t.Kind, found = route.Queue, h.queues[name] != nil
	case "flow":
		t.Kind, found = route.Flow, h.flows[name] != nil
	case "agent":
		if u := h.users[name]; u != nil {
			t.Name = u.Device
		}
		t.Kind, found = route.Device, h.devices[t.Name] != nil
	case "device":
		t.Kind, found = route.Device, h.devices[name] != nil
	}
	if !found {
		return route.Target{}, 404
	}
	return t, 0
}

// Device is what a call needs of a device; the zero value for an unknown one.
func (h *house) Device(name string) call.Device {
	d := h.devices[name]
	if d == nil {
		return call.Device{Username: name, Extension: name}
	}
	out := call.Device{Username: d.User(name), Codecs: d.Codecs, Keys: keyWay(d.Keys), MaxCalls: d.MaxCalls, AutoAnswer: d.AutoAnswer, HandOver: d.HandOver,
		Encryption: call.Encryption{Mode: d.MediaEncryption, KeysInClear: d.SDESOverPlainSIP}}
	if out.Extension = d.Extension; out.Extension == "" {
		out.Extension = out.Username
	}
	if u := h.users[h.agents[name]]; u != nil {
		out.Display = u.DisplayName
	}
	return out
}

// Trunk returns nil when there is none of that name.
func (h *house) Trunk(name string) *call.Trunk { return h.trunks[name] }

// Clip is a prompt's audio, decoded once per revision of the resources.
func (h *house) Clip(name, language string) (*play.Clip, error) {
	if c := h.music[name]; c != nil {
		return c, nil
	}
	k, gen := clipKey{name, language}, h.clipsGen.Load()
	if c, ok := h.clips.Load(k); ok {
		return c.(*play.Clip), nil
	}
	rc, key, err := h.prompts.Open(name, language)
	if err != nil {
		return nil, err
	}
	opened := false
	c, err := h.library.Get(key, func() (io.ReadCloser, error) { opened = true; return rc, nil })
	if !opened {
		rc.Close()
	}
	if err != nil {
		return nil, err
	}
	if h.clips.Store(k, c); h.clipsGen.Load() != gen {
		h.clips.Delete(k) // changed while it was read: who asks next reads anew
	}
	return c, nil
}

// ClipInMemory is Clip when it has been asked for before, or nil.
func (h *house) ClipInMemory(name, language string) *play.Clip {
	if c := h.music[name]; c != nil {
		return c
	}
	if c, ok := h.clips.Load(clipKey{name, language}); ok {
		return c.(*play.Clip)
	}
	return nil
}

// directory is every tenant at one revision, and what SIP asks about: accounts
// and trunks by address. It never changes.
type directory struct {
	set      *resource.Set
	routes   *route.Table
	houses   map[string]*house
	accounts map[string]sip.Account // by username
	contacts map[resource.Key]string
	trunks   []trunkAddress
	subjects map[string]trunkSubject // by a certificate's name, in lower case
}

// trunkSubject is a trunk known by its certificate; addresses, if any, must
// match as well.
type trunkSubject struct {
	tenant, trunk string
	addresses     []trunkAddress
}

// MatchCertificate finds the trunk of a verified client certificate.
func (d *directory) MatchCertificate(names []string, src netip.AddrPort) (tenant, trunk string, ok bool) {
	for _, n := range names {
		t, ok := d.subjects[n]
		if !ok {
			continue
		}
		here := len(t.addresses) == 0
		for _, a := range t.addresses {
			here = here || a.Prefix.Contains(src.Addr().Unmap()) // a client's port is any
		}
		if here {
			return t.tenant, t.trunk, true
		}
	}
	return "", "", false
}

type trunkAddress struct {
	resource.Address
	tenant, trunk string
}

// MatchTrunk finds the trunk of a source address: one with the very port
// before one without, a narrower net before a wider.
func (d *directory) MatchTrunk(src netip.AddrPort) (tenant, trunk string, ok bool) {
	best := -1
	for i, t := range d.trunks {
		if !t.Contains(src) {
			continue
		}
		if best < 0 || narrower(t, d.trunks[best]) {
			best = i
		}
	}
	if best < 0 {
		return "", "", false
	}
	return d.trunks[best].tenant, d.trunks[best].trunk, true
}

func narrower(a, b trunkAddress) bool {
	if (a.Port != 0) != (b.Port != 0) {
		return a.Port != 0
	}
	return a.Prefix.Bits() > b.Prefix.Bits()
}
