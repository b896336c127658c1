// Package app puts the rooms together into one node: it opens the store, builds
// the tenants' houses of the resources, starts media, signalling, API and
// metrics in order and stops them in the reverse. It knows the node file
// (pkg/config); the rooms get plain values. It holds no call logic.
package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/media/codec/opus"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/media/speech"
	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/dispatch"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/feed"
	"github.com/centrala/centrala/pkg/apps"
	"github.com/centrala/centrala/pkg/call"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/mail"
	"github.com/centrala/centrala/pkg/outward"
	"github.com/centrala/centrala/pkg/report/follow"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
	"github.com/centrala/centrala/pkg/sip/transaction"
	"github.com/centrala/centrala/pkg/spend"
	"github.com/centrala/centrala/pkg/store"
	"github.com/centrala/centrala/pkg/voicemail"
	"github.com/centrala/centrala/pkg/webhook"
)

// promptCache bounds decoded prompts in memory; the built-in ones take some 30 MB.
const promptCache = 256 << 20

// Options of an App.
type Options struct {
	Version string
	// Config is the node file as loaded; Load reads it again for Reload (nil:
	// Reload is refused).
	Config     *config.Config
	Load       func() (*config.Config, error)
	Log        *zap.Logger
	Registerer prometheus.Registerer
	// LogLevel is told the new level by a reload.
	LogLevel func(level string)
}

// App is one running node.
type App struct {
	opts    Options
	log     *zap.Logger
	started time.Time
	before  endOfBefore // of the process before this one
	desks   desks

	store    *store.Store
	media    *session.Engine
	recorder *record.Writer
	streams  *stream.Client
	outward  *outward.Client
	apps     *apps.Client
	later    *later // requests of flows that nobody waits for
	secrets  *resource.Box
	library  *play.Library
	speech   *speech.Speaker
	music    map[string]*play.Clip // sources of the node file, by name
	routes   *routes               // nil when the advertised address is configured
	sip      *sip.Stack
	calls    *call.Manager
	outside  *outside
	reports  *follow.Follower
	api      *api.HTTP
	web      web
	// iceServers are for pages.
	iceServers []iceServer
	webhooks   *webhook.Runner
	alarms     *alarms
	figures    figures
	notes      notes
	mail       *mail.Queue // nil: no e-mail
	voicemail  *voicemail.Desk

	dir      atomic.Pointer[directory]
	closures closures
	kept     *kept // prompts of our own

	// mu is held by one apply or reload at a time.
	mu          sync.Mutex
	cfg         *config.Config
	dispatchers map[string]*dispatch.Dispatcher

	begun    atomic.Bool // Start was called
	up       atomic.Bool // every part runs: from the end of Start to Stop
	draining atomic.Bool
	drained  chan struct{} // closed when a drain asked for by API is wanted
	drainOne sync.Once

	stops    []stop // in the order of starting; run backwards
	stopOnce sync.Once
	stopErr  error
}

// stop is one named step of stopping.
type stop struct {
	name string
	do   func(ctx context.Context) error
}

// New prepares a node; Start runs it.
func New(o Options) (*App, error) {
	if o.Config == nil {
		return nil, errors.New("app: no configuration")
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	a := &App{opts: o, cfg: o.Config, log: o.Log, dispatchers: map[string]*dispatch.Dispatcher{}, drained: make(chan struct{})}
	a.figures.app = a
	return a, nil
}

// onStop remembers how to undo what has just been started.
func (a *App) onStop(name string, do func(ctx context.Context) error) {
	a.stops = append(a.stops, stop{name, do})
}

// Start brings the node up, once. When a step fails, what was started is
// stopped again and the error says which and why.
func (a *App) Start(ctx context.Context) (err error) {
	if !a.begun.CompareAndSwap(false, true) {
		return errors.New("app: started before; make a new one")
	}
	a.started = time.Now()
	defer func() {
		if err != nil {
			sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			a.Stop(sctx)
		}
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"store", a.startStore},
		{"reports", a.startReports},
		{"recorder", a.startRecorder},
		{"media", a.startMedia},
		{"streams", a.startStreams},
		{"music", a.startMusic},
		{"closures", a.loadClosures},
		{"prompts", a.startPrompts},
		{"services outside", a.startOutward},
		{"applications", a.startApps},
		{"resources", a.startResources},
		{"accounts", a.startAuth},
		{"outside calls", a.loadOutside},
		{"speech", a.startSpeech},
		{"mail", a.startMail},
		{"boxes", a.makeVoicemail},
		{"calls", a.startCalls},
		{"sip", a.startSIP},
		{"voicemail", a.startVoicemail},
		{"webhooks", a.startWebhooks},
		{"alarms", a.startAlarms},
		{"notes", a.startNotes},
		{"api", a.startAPI},
		{"web", a.startWeb},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	a.up.Store(true)
	a.log.Info("node started", zap.String("version", a.opts.Version), zap.String("node", a.cfg.NodeName()),
		zap.Strings("sip", a.listeners()), zap.Uint64("revision", a.dir.Load().set.Revision))
	return nil
}

func (a *App) startStore(ctx context.Context) error {
	s, err := store.Open(ctx, a.cfg.StorePath(), store.Options{Log: a.log.Named("store"), Registerer: a.opts.Registerer,
		FlushEvery: a.cfg.Store.FlushEvery.D(), Queue: a.cfg.Store.Queue, ConvertRecordings: a.cfg.Recordings.Convert != "none"})
	if err != nil {
		return err
	}
	a.store = s
	a.onStop("store", s.Close)
	a.outside = a.newOutside()
	if err := a.closeRecordings(ctx); err != nil {
		return err
	}
	return a.closeOrphans(ctx)
}

func (a *App) startRecorder(ctx context.Context) error {
	c := a.cfg.Recordings
	format, err := record.ParseFormat(c.Format)
	if err != nil {
		return err
	}
	w, err := record.NewWriter(record.Config{Dir: a.cfg.RecordingsDir(), Threads: c.Threads, FlushEvery: c.FlushEvery.D(),
		Format: format, Gain: c.Gain == "rms", AlarmPercent: float64(c.AlarmPercent), AlarmHours: float64(c.AlarmHours),
		Registerer: a.opts.Registerer, Log: a.log.Named("record")})
	if err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	a.recorder = w
	a.onStop("recorder", w.Stop)
	return a.startArchive(ctx)
}

func (a *App) startMedia(ctx context.Context) error {
	m := a.cfg.Media
	bind, err := netip.ParseAddr(m.Bind)
	if err != nil {
		return err
	}
	advertised := bind
	switch {
	case m.Advertised != "":
		if advertised, err = netip.ParseAddr(m.Advertised); err != nil {
			return err
		}
	case bind.IsUnspecified():
		// Each peer is told the address that it is reached from.
		a.routes = newRoutes()
		advertised = a.routes.towards(testNet)
	}
	never := func(d config.Duration) time.Duration {
		if d == 0 {
			return -1
		}
		return d.D()
	}
	web, err := webPort(m)
	if err != nil {
		return err
	}
	a.log.Debug("opus", zap.Bool("system_library", opus.Native()))
	e, err := session.New(session.Config{Web: web, BindIP: bind, AdvertisedIP: advertised, PortMin: uint16(m.PortMin), PortMax: uint16(m.PortMax),
		IO: session.IO(m.IO), Workers: m.Workers, RTPTimeout: never(m.RTPTimeout), HoldTimeout: m.HoldTimeout.D(),
		Log: a.log.Named("media"), Registerer: a.opts.Registerer})
	if err != nil {
		return err
	}
	if err := e.Start(ctx); err != nil {
		return err
	}
	a.media = e
	a.onStop("media", e.Stop)
	if a.iceServers, err = iceServers(a.cfg); err != nil {
		return err
	}
	return nil
}

// webPort is the port of browsers, nil when there is none.
func webPort(m config.Media) (*session.WebConfig, error) {
	if m.WebRTC.Listen == "" {
		return nil, nil
	}
	addr, err := netip.ParseAddrPort(m.WebRTC.Listen)
	return &session.WebConfig{Addr: addr, TCP: m.WebRTC.TCP}, err
}

func (a *App) startCalls(context.Context) error {
	var mediaIP func(netip.Addr) netip.Addr
	if a.routes != nil {
		mediaIP = a.routes.towards
	}
	var webAddrs []netip.Addr
	for _, s := range a.cfg.Media.WebRTC.Advertised {
		if ip, err := netip.ParseAddr(s); err == nil { // the check has seen to it
			webAddrs = append(webAddrs, ip)
		}
	}
	a.calls = call.NewManager(call.Config{XR: a.cfg.Media.RTCPXR, Comfort: a.cfg.Media.ComfortNoise, SpeechWait: a.cfg.Speech.Wait.D(), MaxJobs: a.cfg.Flows.Jobs, MaxTenantJobs: a.cfg.Flows.JobsPerTenant, MaxCalls: a.cfg.Limits.MaxCalls, MaxDuration: a.cfg.Limits.MaxCallDuration.D()}, call.Deps{Media: a.media, Streams: a.streams, Recorder: a.recorder, Journal: spend.Tap{Journal: a.store, Ledger: a.outside.ledger}, DND: a.store, Schedules: a, Mailboxes: mailboxes{a}, MediaIP: mediaIP, WebAddrs: webAddrs, HostAddrs: hostAddrs(), Codecs: call.CodecIDs(a.cfg.Media.Codecs),
		House: a.house, Speech: a.speech, Jobs: a.newJobs(), Messages: recordingFiles{a.cfg.RecordingsDir()}, Log: a.log.Named("call"), Registerer: a.opts.Registerer})
	a.startOutside()
	a.startCallbackHours()
	return nil
}

func (a *App) startSIP(ctx context.Context) error {
	s := a.cfg.SIP
	var listeners []sip.Listener
	for _, l := range s.Listeners {
		addr, err := netip.ParseAddrPort(l.Address)
		if err != nil {
			return err
		}
		listeners = append(listeners, sip.Listener{Transport: l.Transport, Addr: addr, Advertised: l.Advertised,
			TLS: sip.TLS{CertFile: a.cfg.Beside(l.TLS.Certificate), KeyFile: a.cfg.Beside(l.TLS.Key), ClientCAFile: a.cfg.Beside(l.TLS.ClientCA),
				RequireClient: l.TLS.ClientRequired, ACME: l.TLS.ACME},
			WebSocket: sip.WebSocket{Path: l.WebSocket.Path, Origins: l.WebSocket.Origins}})
	}
	acme := sip.ACME{Hosts: s.ACME.Hosts, Email: s.ACME.Email, Directory: s.ACME.Directory, Cache: a.cfg.ACMECache(), CAFile: a.cfg.Beside(s.ACME.CA)}
	if s.ACME.HTTP != "" {
		var err error
		if acme.HTTP, err = netip.ParseAddrPort(s.ACME.HTTP); err != nil {
			return err
		}
	}
	off := func(d config.Duration) time.Duration { // 0 switches off; the stack takes it for "default"
		if d == 0 {
			return -1
		}
		return d.D()
	}
	defence, err := defenceOf(a.cfg)
	if err != nil {
		return err
	}
	stack, err := sip.New(sip.Config{Defence: defence, Listeners: listeners, UserAgent: s.UserAgent, Realm: s.Realm,
		Timers:         transaction.Timers{T1: s.Timers.T1.D(), T2: s.Timers.T2.D(), T4: s.Timers.T4.D()},
		SessionExpires: s.SessionTimer.Expires.D(), MinSE: s.SessionTimer.MinSE.D(), ReliableProvisionals: s.ReliableProvisionals,
		MinExpires: s.Timers.MinExpires.D(), DefaultExpires: s.Timers.DefaultExpires.D(), MaxExpires: s.Timers.MaxExpires.D(),
		Limits: sip.Limits{MaxMessageBytes: s.Limits.MaxMessageBytes, MaxHeaderBytes: s.Limits.MaxHeaderBytes, MaxHeaders: s.Limits.MaxHeaders,
			MaxConnections: s.Limits.MaxConnections, MaxConnectionsPerIP: s.Limits.MaxConnectionsPerIP,
			MaxTransactions: s.Limits.MaxTransactions, MaxTransactionsPerSource: s.Limits.MaxTransactionsPerSource, MaxDialogs: s.Limits.MaxDialogs, MaxDialogsPerSource: s.Limits.MaxDialogsPerSource, IdleTimeout: s.Limits.IdleTimeout.D(), FirstMessageTimeout: s.Limits.FirstMessageTimeout.D()},
		ClientTLS: sip.ClientTLS{CAFile: a.cfg.Beside(s.TLS.CA), CertFile: a.cfg.Beside(s.TLS.Certificate), KeyFile: a.cfg.Beside(s.TLS.Key)},
		ACME:      acme,
		Keepalive: sip.Keepalive{WebSocketPing: s.Keepalive.WebSocketPing.D(), Stream: off(s.Keepalive.Stream), FlowTimer: off(s.Keepalive.FlowTimer),
			UDP: off(s.Keepalive.UDP), UDPAll: s.Keepalive.UDPAll, Misses: s.Keepalive.UDPMisses},
	}, sip.Deps{Log: a.log.Named("sip"), Registerer: a.opts.Registerer, Accounts: a, Trunks: a, Bindings: a.store, Memory: a.store, Urgent: a.urgent, Backlog: a.store.Backlog, Subscriptions: a.store, Handler: a})
	if err != nil {
		return err
	}
	a.calls.Bind(stack)
	a.sip = stack
	if err := stack.Start(ctx); err != nil {
		return err
	}
	a.onStop("sip", stack.Stop)
	a.onStop("calls", a.calls.Stop) // before signalling, which carries its BYEs
	a.tellReach(a.dir.Load())
	a.setTrunks(a.dir.Load())
	return nil
}

func (a *App) startAPI(context.Context) error {
	a.api = api.New(a, a.log.Named("api"))
	a.onStop("api", a.api.Stop)
	a.api.SetAccounts(a.web.auth)
	events := feed.New(a.store)
	events.Start()
	a.onStop("events", events.Stop)
	a.api.SetFeed(events)
	if err := a.api.ListenUnix(a.cfg.SocketPath()); err != nil {
		return err
	}
	if a.cfg.API.Listen != "" {
		return a.api.ListenTCP(a.cfg.API.Listen)
	}
	return nil
}

// Drain stops new calls in both directions. Running ones go on; see Wait.
func (a *App) startDrain() {
	if a.draining.CompareAndSwap(false, true) {
		a.log.Info("draining: no new calls", zap.Int("calls", a.calls.Len()))
		a.calls.Drain(true)
		a.sip.Drain(true)
	}
}

// Drained is closed when the API asked for a drain; the process then stops as
// after SIGTERM.
func (a *App) Drained() <-chan struct{} { return a.drained }

// DrainAndStop lets running calls end within the configured time, or until
// ctx is done, then stops the node.
func (a *App) DrainAndStop(ctx context.Context) error {
	a.startDrain()
	a.mu.Lock()
	timeout := a.cfg.Drain.Timeout.D()
	a.mu.Unlock()
	wctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := a.calls.Wait(wctx); err != nil {
		a.log.Warn("drain time is over; hanging up", zap.Int("calls", a.calls.Len()))
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return a.Stop(sctx)
}

// Stop undoes Start in the reverse order. Safe to call twice.
func (a *App) Stop(ctx context.Context) error {
	a.stopOnce.Do(func() {
		a.up.Store(false)
		var errs []error
		for _, s := range slices.Backward(a.stops) {
			if err := s.do(ctx); err != nil {
				a.log.Error("stop step failed", zap.String("step", s.name), zap.Error(err))
				errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
			}
		}
		a.stopErr = errors.Join(errs...)
		a.log.Info("node stopped")
	})
	return a.stopErr
}

// house finds a tenant's current house for the call manager.
func (a *App) house(tenant string) call.House {
	if h := a.dir.Load().houses[tenant]; h != nil {
		return h
	}
	return nil
}

// Account implements sip.Accounts. A username belongs to one device of one
// tenant; the domain that was dialled does not matter to it.
func (a *App) Account(username, _ string) (sip.Account, bool) {
	acc, ok := a.dir.Load().accounts[username]
	if !ok {
		return a.phoneAccount(username)
	}
	return acc, ok
}

// StaticContact implements sip.StaticContacts.
func (a *App) StaticContact(tenant, device string) string {
	return a.dir.Load().contacts[resource.Key{Tenant: tenant, Name: device}]
}

// DeviceOf implements sip.Watchables: the lamps of phones are set to extensions.
func (a *App) DeviceOf(tenant, dialled string) (string, bool) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return "", false
	}
	return h.routes.Extension(tenant, dialled)
}

// MatchTrunk implements sip.TrunkMatcher.
func (a *App) MatchTrunk(src netip.AddrPort) (tenant, trunk string, ok bool) {
	return a.dir.Load().MatchTrunk(src)
}

// MatchCertificate implements sip.CertificateMatcher.
func (a *App) MatchCertificate(names []string, src netip.AddrPort) (tenant, trunk string, ok bool) {
	return a.dir.Load().MatchCertificate(names, src)
}

// Invite implements sip.Handler.
func (a *App) Invite(in *sip.Invitation) { a.calls.Invite(in) }

// Registered implements sip.Handler: an agent whose phone is gone is not
// offered calls (what the trade calls reachability).
func (a *App) Registered(tenant, device string, up bool) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return
	}
	h.acd.Post(acd.Reach{Device: device, Reachable: up || a.StaticContact(tenant, device) != ""})
	if up {
		a.lampAgain(h, device)
	}
}

// tellReach tells every tenant's ACD which phones can be reached now.
func (a *App) tellReach(d *directory) {
	for tenant, h := range d.houses {
		for device := range h.devices {
			h.acd.Post(acd.Reach{Device: device, Reachable: len(a.sip.Contacts(tenant, device)) > 0})
		}
	}
}

// listeners names the SIP addresses as configured, with the port that the
// system chose for port 0.
func (a *App) listeners() []string {
	return a.sip.Listening()
}

// newDirectory builds everything that one revision of the resources means.
func (a *App) newDirectory(s *resource.Set) (*directory, error) {
	routes, faults := route.Build(s)
	d := &directory{set: s, routes: routes, houses: map[string]*house{}, accounts: map[string]sip.Account{}, contacts: map[resource.Key]string{}, subjects: map[string]trunkSubject{}}
	for tenant := range s.Tenants {
		disp, err := a.dispatcher(tenant)
		if err != nil {
			return nil, err
		}
		h, err := newHouse(tenant, s, routes, a.cfg.PromptsDir(), a.library, disp)
		if err != nil {
			faults = append(faults, fmt.Errorf("tenant %q: %w", tenant, err))
			continue
		}
		h.outside = a.outside
		a.closures.fit(h)
		h.line = a.line
		h.music = a.music
		h.setVoicemail(s, func(box string, most int) bool {
			fresh, saved := a.voicemail.Count(tenant, box)
			return fresh+saved >= most
		})
		h.secrets = a.openSecrets(tenant, s)
		d.houses[tenant] = h
	}
	for k, dev := range s.Devices {
		md5, sha, _ := dev.Secrets(k.Name, a.cfg.SIP.Realm)
		acc := sip.Account{Tenant: k.Tenant, Device: k.Name, Username: dev.User(k.Name), HA1MD5: md5, HA1SHA256: sha,
			Contact: dev.Contact, MaxContacts: dev.MaxContacts}
		if acc.MaxContacts == 0 {
			acc.MaxContacts = 5
		}
		d.accounts[acc.Username] = acc
		if dev.Contact != "" {
			d.contacts[k] = dev.Contact
		}
	}
	for k, t := range s.Trunks {
		if t.Username != "" {
			if other, taken := d.accounts[t.Username]; taken {
				faults = append(faults, fmt.Errorf("trunk %q: username %q belongs to %q of tenant %q", k.Name, t.Username, other.Device+other.Trunk, other.Tenant))
				continue
			}
			// A trunk's password is hashed as a phone's is.
			md5, sha, _ := (&resource.DeviceSpec{Username: t.Username, Password: t.Password}).Secrets(k.Name, a.cfg.SIP.Realm)
			d.accounts[t.Username] = sip.Account{Tenant: k.Tenant, Trunk: k.Name, Username: t.Username, HA1MD5: md5, HA1SHA256: sha}
		}
		var from []trunkAddress
		for _, s := range t.Addresses {
			addr, err := resource.ParseAddress(s)
			if err != nil {
				faults = append(faults, fmt.Errorf("trunk %q: %w", k.Name, err))
				continue
			}
			from = append(from, trunkAddress{addr, k.Tenant, k.Name})
		}
		if len(t.TLSSubject) == 0 {
			d.trunks = append(d.trunks, from...)
		}
		for _, name := range t.TLSSubject {
			name = strings.ToLower(name)
			if o, ok := d.subjects[name]; ok && (o.tenant != k.Tenant || o.trunk != k.Name) {
				faults = append(faults, fmt.Errorf("trunk %q: tls_subject %q belongs to trunk %q of tenant %q", k.Name, name, o.trunk, o.tenant))
				continue
			}
			d.subjects[name] = trunkSubject{k.Tenant, k.Name, from}
		}
	}
	// A stable order, so that two trunks with one address always give the same answer.
	slices.SortFunc(d.trunks, func(x, y trunkAddress) int {
		if x.tenant+"/"+x.trunk < y.tenant+"/"+y.trunk {
			return -1
		}
		return 1
	})
	return d, errors.Join(faults...)
}

// dispatcher returns the tenant's dispatcher, started at first need.
func (a *App) dispatcher(tenant string) (*dispatch.Dispatcher, error) {
	if d := a.dispatchers[tenant]; d != nil {
		return d, nil
	}
	d := dispatch.New(dispatch.Config{Tenant: tenant, Engine: acd.Config{OfferPrefix: a.cfg.NodeName() + "-" + a.started.UTC().Format("20060102150405") + "-"},
		Journal: a.store, Log: a.log.Named("acd"), Registerer: a.opts.Registerer, AgentStates: a.store, Callbacks: a.store,
		CallBack: func(o acd.Offer, cb acd.Callback) func(acd.Effect) {
			if a.calls == nil || a.sip == nil { // not yet: it is tried again
				return nil
			}
			return a.calls.CallBack(tenant, o, cb)
		},
		Alive: func(call string) bool { return a.calls == nil || a.calls.Has(tenant, call) }})
	a.store.Append(event.Event{At: time.Now(), Tenant: tenant, Body: event.EngineStarted{Node: a.cfg.NodeName()}})
	if err := d.Start(context.Background()); err != nil {
		return nil, err
	}
	a.dispatchers[tenant] = d
	if err := a.seedMemory(context.Background(), tenant, d); err != nil {
		return nil, err
	}
	return d, nil
}

// install makes a directory live: new calls see it at once, the ACDs keep
// every caller's place.
func (a *App) install(d *directory) {
	old := a.dir.Swap(d)
	if a.sip != nil && old != nil {
		for _, acc := range old.accounts {
			if h := d.houses[acc.Tenant]; h == nil || h.devices[acc.Device] == nil {
				a.sip.EndSubscriptions(acc.Tenant, acc.Device) // a phone that is gone watches nobody
			}
		}
	}
	for _, tenant := range slices.Sorted(maps.Keys(d.houses)) {
		h := d.houses[tenant]
		h.callbackHours(time.Now(), true) // before those of the last process stand in line
		h.acd.Post(h.acdConfig())
	}
	if a.sip != nil {
		a.tellReach(d)
		a.setTrunks(d)
		a.voicemail.Refresh()
	}
	a.setWebhooks(d)
}
