package sip

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/resolve"
	"github.com/centrala/centrala/pkg/sip/trunk"
)

// TrunkID names a trunk.
type TrunkID struct{ Tenant, Trunk string }

// TrunkConfig is a line to a carrier that the stack looks after.
type TrunkConfig struct {
	Tenant, Name string
	Target       string // URI that calls go to, probed by OPTIONS; "" = only calls in
	ServerName   string // what its TLS end must prove; "" = the URI's host
	// AuthUser and AuthPassword answer digest challenges to REGISTER.
	AuthUser, AuthPassword string
	Register               TrunkRegistration // zero: none
	// Options is the time between OPTIONS to Target; 0 = none.
	Options time.Duration
	// Down and Up are how many failures or answers in a row turn the line; 0 = 2 and 1.
	Down, Up int
}

// TrunkRegistration tells how a trunk registers with its carrier (RFC 3261 10).
type TrunkRegistration struct {
	AOR       string        // "sip:user@carrier.example", From and To; "" = does not register
	Registrar string        // Request-URI; "" = Target
	Contact   string        // user part of our Contact: what the carrier then dials
	Expires   time.Duration // asked for; 0 = 10 min
}

// TrunkStatus is how a trunk stands.
type TrunkStatus struct {
	Tenant, Name string
	Registers    bool // it is to register
	Registered   bool
	Until        time.Time // what the registrar granted
	Probed       bool      // OPTIONS are sent
	Up           bool      // true until OPTIONS show otherwise
	RTT          time.Duration
	Address      netip.AddrPort // that answered last
	Transport    string
	Since        time.Time // of the last change between usable and not
	LastError    string    // of the last failure, kept when it is over; "" = none yet
	LastErrorAt  time.Time
	ServiceRoute []string // of the registrar (RFC 3608), for calls out
}

// Usable tells whether calls may be sent over the trunk.
func (t TrunkStatus) Usable() bool { return t.Up && (!t.Registers || t.Registered) }

// trunkKeeper looks after the trunks: one goroutine owns all their machines.
type trunkKeeper struct {
	s   *Stack
	met *trunkMetrics

	// In: functions; as many as there are answers under way.
	mu   sync.Mutex
	mail []func()
	wake chan struct{}

	// Owner only.
	lines   map[TrunkID]*line
	leaving map[*line]struct{}
	closing bool
	rand    *rng

	// Out.
	status  atomic.Pointer[map[TrunkID]TrunkStatus]
	sources atomic.Pointer[map[netip.AddrPort]TrunkID] // of registrars: calls come from there
	gone    chan struct{}                              // closed when all registrations are taken back
}

// line is one trunk.
type line struct {
	id     TrunkID
	cfg    TrunkConfig
	reg    *trunk.Registration // nil: none
	health *trunk.Health       // nil: none
	next   *TrunkConfig        // follows once this one has taken its registration back

	regWork, healthWork work
	status              TrunkStatus
	sources             []netip.AddrPort
}

// work is a machine's timer and the one request that is under way for it.
type work struct {
	step   func(time.Time, trunk.Event) []trunk.Effect
	at     time.Time // the machine's timer; zero: none
	giveUp time.Time // of the address being tried; zero: its transaction says so
	try    int       // counts, so that a late outcome is known as such
	send   trunk.Send
	began  time.Time
	list   []resolve.Target // addresses left, the first is being tried
	tried  int
	callID string
	lastly string // why the address before failed
}

// Bounds on one try at one address.
const (
	probeTimeout    = 5 * time.Second // OPTIONS: who needs longer does not serve calls
	registerTimeout = 8 * time.Second // REGISTER, where there is another address
)

func newTrunkKeeper(s *Stack, r *rng) *trunkKeeper {
	k := &trunkKeeper{s: s, wake: make(chan struct{}, 1), lines: map[TrunkID]*line{}, leaving: map[*line]struct{}{}, rand: r, gone: make(chan struct{})}
	k.status.Store(&map[TrunkID]TrunkStatus{})
	k.sources.Store(&map[netip.AddrPort]TrunkID{})
	return k
}

// SetTrunks makes list the trunks that are looked after. What did not change
// goes on undisturbed; a trunk left out takes its registration back. It may be
// called at any time and does not wait.
func (s *Stack) SetTrunks(list []TrunkConfig) {
	list = slices.Clone(list)
	s.trunks.met.begin(*s.trunks.status.Load(), list)
	s.trunks.do(func() { s.trunks.set(list) })
}

// TrunkStatus lists the trunks, by tenant and name.
func (s *Stack) TrunkStatus() []TrunkStatus {
	m := *s.trunks.status.Load()
	out := make([]TrunkStatus, 0, len(m))
	for _, st := range m {
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b TrunkStatus) int {
		return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Name, b.Name))
	})
	return out
}

// Trunk is one trunk's status; false when it is not looked after. Fast.
func (s *Stack) Trunk(tenant, name string) (TrunkStatus, bool) {
	st, ok := (*s.trunks.status.Load())[TrunkID{tenant, name}]
	return st, ok
}

func (k *trunkKeeper) do(f func()) {
	k.mu.Lock()
	k.mail = append(k.mail, f)
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *trunkKeeper) run() {
	defer k.s.wg.Done()
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		clock.Reset(k.until())
		select {
		case <-k.wake:
			k.mu.Lock()
			mail := k.mail
			k.mail = nil
			k.mu.Unlock()
			for _, f := range mail {
				f()
			}
		case <-clock.C:
			k.fire(time.Now())
		case <-k.s.done:
			return
		}
		k.publish()
	}
}

func (k *trunkKeeper) each(do func(*line)) {
	for _, l := range k.lines {
		do(l)
	}
	for l := range k.leaving {
		do(l)
	}
}

// until is the time to the next deadline of all lines: a few hundred at most,
// each with one event in many seconds.
func (k *trunkKeeper) until() time.Duration {
	next := time.Time{}
	earlier := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	k.each(func(l *line) {
		for _, w := range []*work{&l.regWork, &l.healthWork} {
			earlier(w.at)
			earlier(w.giveUp)
		}
	})
	if next.IsZero() {
		return time.Hour
	}
	return max(0, time.Until(next))
}

func (k *trunkKeeper) fire(now time.Time) {
	var due []func()
	k.each(func(l *line) {
		for _, w := range []*work{&l.regWork, &l.healthWork} {
			if !w.giveUp.IsZero() && !w.giveUp.After(now) {
				due = append(due, func() { k.failed(l, w, "no answer from "+w.list[0].Addr.String()) })
			}
			if !w.at.IsZero() && !w.at.After(now) {
				w.at = time.Time{}
				due = append(due, func() { k.step(l, w, trunk.TimerFired{}) })
			}
		}
	})
	for _, f := range due {
		f()
	}
}

// set is SetTrunks on the owner.
func (k *trunkKeeper) set(list []TrunkConfig) {
	if k.closing {
		return
	}
	want := map[TrunkID]TrunkConfig{}
	for _, c := range list {
		want[TrunkID{c.Tenant, c.Name}] = c
	}
	for id, l := range k.lines {
		c, ok := want[id]
		if ok && c == l.cfg {
			delete(want, id)
			continue
		}
		if ok && sameRegistration(c, l.cfg) {
			l.cfg = c
			k.probe(l)
			delete(want, id)
			continue
		}
		// The new registration waits for the old one's end: "expires 0" behind it
		// would take the new one back.
		delete(k.lines, id)
		k.leaving[l] = struct{}{}
		if ok {
			l.next = &c
			delete(want, id)
		}
		k.end(l)
	}
	for l := range k.leaving { // one that was on its way out is wanted again
		if c, ok := want[l.id]; ok {
			l.next = &c
			delete(want, l.id)
		}
	}
	for _, c := range want {
		k.begin(c)
	}
}

func sameRegistration(a, b TrunkConfig) bool {
	return a.Register == b.Register && (a.Register.AOR == "" || a.AuthUser == b.AuthUser && a.AuthPassword == b.AuthPassword &&
		(a.Register.Registrar != "" || a.Target == b.Target))
}

func (k *trunkKeeper) begin(c TrunkConfig) {
	l := &line{id: TrunkID{c.Tenant, c.Name}, cfg: c}
	l.status = TrunkStatus{Tenant: c.Tenant, Name: c.Name, Up: true, Since: time.Now()}
	k.lines[l.id] = l
	if c.Register.AOR != "" {
		l.status.Registers = true
		l.reg = trunk.NewRegistration(trunk.RegistrationConfig{URI: l.registrar(), User: c.AuthUser, Password: c.AuthPassword,
			Expires: c.Register.Expires, Rand: k.rand.Uint64, CNonce: func() string { return string(k.rand.token(nil, 1)) }})
		l.regWork = work{step: l.reg.Step, callID: string(k.rand.token(nil, 2))}
		k.step(l, &l.regWork, trunk.Begin{})
	}
	k.probe(l)
}

// probe begins, changes or ends the OPTIONS of a line.
func (k *trunkKeeper) probe(l *line) {
	if l.health != nil {
		l.health.Step(time.Now(), trunk.Close{})
		l.health, l.healthWork = nil, work{try: l.healthWork.try + 1}
		l.status.Up = true
	}
	if l.status.Probed = l.cfg.Options > 0 && l.cfg.Target != ""; !l.status.Probed {
		return
	}
	l.health = trunk.NewHealth(trunk.HealthConfig{Every: l.cfg.Options, Down: l.cfg.Down, Up: l.cfg.Up, Rand: k.rand.Uint64})
	l.healthWork = work{step: l.health.Step, callID: string(k.rand.token(nil, 2)), try: l.healthWork.try}
	k.step(l, &l.healthWork, trunk.Begin{})
}

// end takes a line out of service; it is gone once its registration is.
func (k *trunkKeeper) end(l *line) {
	if l.health != nil {
		k.step(l, &l.healthWork, trunk.Close{})
	}
	if l.reg == nil {
		k.closed(l)
		return
	}
	k.step(l, &l.regWork, trunk.Close{})
}

func (k *trunkKeeper) closed(l *line) {
	delete(k.leaving, l)
	if l.next != nil && !k.closing {
		k.begin(*l.next)
	}
	k.maybeGone()
}

func (k *trunkKeeper) maybeGone() {
	if k.closing && len(k.leaving) == 0 {
		select {
		case <-k.gone:
		default:
			close(k.gone)
		}
	}
}

// close takes all registrations back; gone is closed when that is done.
func (k *trunkKeeper) close() {
	k.do(func() {
		if k.closing {
			return
		}
		k.closing = true
		for id, l := range k.lines {
			delete(k.lines, id)
			k.leaving[l] = struct{}{}
		}
		for l := range maps.Clone(k.leaving) {
			k.end(l)
		}
		k.maybeGone()
	})
}

// wait waits for close, within ctx and d.
func (k *trunkKeeper) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-k.gone:
	case <-t.C:
		k.s.log.Warn("trunks not unregistered in time")
	case <-ctx.Done():
	}
}

// step feeds a machine and does what it asks.
func (k *trunkKeeper) step(l *line, w *work, ev trunk.Event) {
	if w.step == nil {
		return
	}
	now := time.Now()
	// What is carried out may step again: the effects are the machine's own slice.
	for _, e := range slices.Clone(w.step(now, ev)) {
		switch e := e.(type) {
		case trunk.Send:
			k.start(l, w, e)
		case trunk.SetTimer:
			w.at = now.Add(e.After)
		case trunk.StopTimer:
			w.at = time.Time{}
		case trunk.Changed:
			k.changed(l, w, e)
		case trunk.Failed:
			l.status.LastError, l.status.LastErrorAt = e.Reason, now
			k.s.log.Debug("trunk request failed", l.names(zap.String("reason", e.Reason), zap.Int("code", e.Code), zap.Duration("next", e.Next))...)
		case trunk.Closed:
			w.try++
			w.list, w.giveUp, w.at = nil, time.Time{}, time.Time{}
			if w == &l.regWork {
				k.closed(l)
			}
		}
	}
}

func (l *line) names(more ...zap.Field) []zap.Field {
	return append([]zap.Field{zap.String("tenant", l.id.Tenant), zap.String("trunk", l.id.Trunk)}, more...)
}

func (l *line) registrar() string { return cmp.Or(l.cfg.Register.Registrar, l.cfg.Target) }

func (k *trunkKeeper) changed(l *line, w *work, e trunk.Changed) {
	what := "trunk up"
	if w == &l.regWork {
		what = "trunk registered"
		l.status.Registered = e.Good
		l.status.Until = l.reg.Until()
		if !e.Good {
			l.status.ServiceRoute, l.sources = nil, nil
		}
	} else {
		l.status.Up = e.Good
	}
	l.status.Since = time.Now()
	switch {
	case e.Good:
		k.s.log.Info(what, l.names(zap.String("remote", l.status.Address.String()))...)
	case w == &l.regWork && l.reg.State() == trunk.Ended:
		k.s.log.Info("trunk unregistered", l.names()...)
	case w == &l.regWork:
		k.s.log.Warn("trunk not registered", l.names(zap.Int("code", e.Code), zap.String("reason", e.Reason))...)
	default:
		k.s.log.Warn("trunk down", l.names(zap.Int("code", e.Code), zap.String("reason", e.Reason))...)
	}
}

// start finds the addresses of a machine's request and tries the first.
func (k *trunkKeeper) start(l *line, w *work, send trunk.Send) {
	w.try++
	w.send, w.began, w.list, w.tried, w.lastly = send, time.Now(), nil, 0, ""
	uri := l.cfg.Target
	if w == &l.regWork {
		uri = l.registrar()
	}
	try := w.try
	u, ok := parseURI(uri)
	if !ok {
		k.do(func() { k.lost(l, w, try, "its address "+uri+" is no sip URI") })
		return
	}
	found := func(list []resolve.Target, err error) {
		k.do(func() {
			switch {
			case w.try != try:
			case err != nil:
				k.lost(l, w, try, err.Error())
			default:
				w.list = list
				k.request(l, w, &u)
			}
		})
	}
	if !k.s.addresses(queryOf(&u), found) {
		k.do(func() { k.lost(l, w, try, "too many names are being looked up") })
	}
}

// lost: no address answered.
func (k *trunkKeeper) lost(l *line, w *work, try int, reason string) {
	if w.try != try {
		return
	}
	w.try++
	w.list, w.giveUp = nil, time.Time{}
	k.step(l, w, trunk.Lost{CSeq: w.send.CSeq, Reason: reason})
}

// request sends the machine's request to the first address left.
func (k *trunkKeeper) request(l *line, w *work, u *sip.Uri) {
	if len(w.list) == 0 {
		return
	}
	r := request{uri: *u, server: l.cfg.ServerName, callID: w.callID, cseq: w.send.CSeq, transport: w.list[0].Transport, addr: w.list[0].Addr}
	w.giveUp = time.Time{}
	sent := time.Now()
	if w == &l.regWork {
		r.method, r.from, r.to, r.contact = sip.REGISTER, l.cfg.Register.AOR, l.cfg.Register.AOR, cmp.Or(l.cfg.Register.Contact, "centrala")
		r.uri.User = ""
		r.headers = append(r.headers, Header{Name: "Expires", Value: itoa(int(w.send.Expires / time.Second))}, Header{Name: "Supported", Value: "path"})
		for _, f := range w.send.Auth {
			r.headers = append(r.headers, Header{Name: f.Name, Value: f.Value})
		}
		if len(w.list) > 1 {
			w.giveUp = sent.Add(registerTimeout)
		}
	} else {
		r.method = sip.OPTIONS
		r.from, r.to = "sip:"+k.s.ourHost(w.list[0]), u.String()
		r.headers = append(r.headers, Header{Name: "Accept", Value: acceptTypes})
		w.giveUp = sent.Add(probeTimeout)
	}
	w.try++
	try := w.try
	k.s.sendRequest(r, func(res *sip.Response, contact string, transport bool) {
		k.do(func() { k.outcome(l, w, try, sent, res, contact, transport) })
	})
}

// ourHost is how we name ourselves towards an address, without a port where it
// is the usual.
func (s *Stack) ourHost(t resolve.Target) string {
	if h, err := s.hopTo(Target{Transport: protoUDP, Addr: t.Addr}); err == nil {
		return h.host()
	}
	return "centrala.invalid"
}

// outcome of the request to one address.
func (k *trunkKeeper) outcome(l *line, w *work, try int, sent time.Time, res *sip.Response, contact string, transport bool) {
	if w.try != try || len(w.list) == 0 {
		return // given up, or not wanted any more
	}
	at := w.list[0]
	switch {
	case res == nil && transport:
		k.failed(l, w, at.Addr.String()+" cannot be reached over "+at.Transport)
		return
	case res == nil:
		k.failed(l, w, "no answer from "+at.Addr.String())
		return
	case !trunk.Alive(res.StatusCode) && len(w.list) > 1:
		// RFC 3263 4.3: 503 sends us to the next address.
		k.failed(l, w, at.Addr.String()+" says "+res.Short())
		return
	}
	k.s.dns.Worked(at)
	l.status.Address, l.status.Transport = at.Addr, at.Transport
	a := trunk.Answer{CSeq: w.send.CSeq, Code: res.StatusCode, Reason: plainText(res.Reason, 80), RTT: time.Since(sent)}
	if w == &l.healthWork {
		l.status.RTT = a.RTT
	} else {
		k.granted(l, w, res, contact, &a)
	}
	w.try++
	list := w.list
	w.list, w.giveUp = nil, time.Time{}
	k.step(l, w, a)
	if w == &l.regWork && l.reg.State() == trunk.Registered {
		l.status.Until = l.reg.Until()
		l.sources = l.sources[:0]
		for _, t := range list {
			l.sources = append(l.sources, unmap(t.Addr))
		}
	}
}

// failed goes on to the next address, or tells the machine.
func (k *trunkKeeper) failed(l *line, w *work, why string) {
	k.s.dns.Failed(w.list[0])
	w.list = w.list[1:]
	w.tried++
	if len(w.list) == 0 {
		if w.tried > 1 {
			why += " (" + itoa(w.tried) + " addresses tried)"
		}
		k.lost(l, w, w.try, why)
		return
	}
	uri := l.cfg.Target
	if w == &l.regWork {
		uri = l.registrar()
	}
	if u, ok := parseURI(uri); ok {
		k.request(l, w, &u)
	}
}

// granted reads a registrar's answer.
func (k *trunkKeeper) granted(l *line, w *work, res *sip.Response, contact string, a *trunk.Answer) {
	var routes []string
	general := time.Duration(-1)
	contacts := 0
	a.Expires = -1
	own := time.Duration(-2) // not named
	for _, h := range res.Headers() {
		switch strings.ToLower(h.Name()) {
		case "www-authenticate":
			a.Challenges = append(a.Challenges, h.Value())
		case "proxy-authenticate":
			a.ProxyChallenges = append(a.ProxyChallenges, h.Value())
		case "retry-after":
			a.RetryAfter = max(0, seconds(h.Value()))
		case "min-expires":
			a.MinExpires = max(0, seconds(h.Value()))
		case "expires":
			general = seconds(h.Value())
		case "service-route":
			for _, v := range splitRoutes(h.Value()) {
				if len(routes) < 8 && len(v) < 512 {
					routes = append(routes, v)
				}
			}
		case "contact", "m":
			c, ok := h.(*sip.ContactHeader)
			if !ok {
				continue
			}
			contacts++
			if u := c.Address; c.Address.User == userOf(contact) && (own == -2 || u.String() == contact) {
				own = -1
				if v, ok := c.Params.Get("expires"); ok {
					own = seconds(v)
				}
			}
		}
	}
	if a.Code/100 != 2 {
		return
	}
	switch {
	case own >= 0:
		a.Expires = own
	case own == -1 || contacts == 0:
		// Named without a time, or, against RFC 3261 10.3 step 8 but seen with small
		// registrars, no Contact at all: the general one, else what we asked for.
		a.Expires = general
		if general < 0 {
			a.Expires = w.send.Expires
		}
	}
	if w.send.Expires > 0 {
		l.status.ServiceRoute = routes
	}
}

func userOf(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	user, _, _ := strings.Cut(rest, "@")
	return user
}

// publish shows the lines to everybody else.
func (k *trunkKeeper) publish() {
	old := *k.status.Load()
	same := len(old) == len(k.lines)
	next := make(map[TrunkID]TrunkStatus, len(k.lines))
	sources := map[netip.AddrPort]TrunkID{}
	for id, l := range k.lines {
		next[id] = l.status
		same = same && old[id].same(l.status)
		for _, a := range l.sources {
			// Two trunks of one carrier: the first by name, always.
			if have, taken := sources[a]; !taken || id.Tenant+"/"+id.Trunk < have.Tenant+"/"+have.Trunk {
				sources[a] = id
			}
		}
	}
	if same {
		return
	}
	k.status.Store(&next)
	k.sources.Store(&sources)
	k.met.show(old, next)
}

func (t TrunkStatus) same(o TrunkStatus) bool {
	x, y := t, o
	x.ServiceRoute, y.ServiceRoute = nil, nil
	return x.Registers == y.Registers && x.Registered == y.Registered && x.Until.Equal(y.Until) && x.Probed == y.Probed && x.Up == y.Up &&
		x.RTT == y.RTT && x.Address == y.Address && x.Transport == y.Transport && x.Since.Equal(y.Since) && x.LastError == y.LastError &&
		x.LastErrorAt.Equal(y.LastErrorAt) && x.Tenant == y.Tenant && x.Name == y.Name && slices.Equal(t.ServiceRoute, o.ServiceRoute)
}

// trunkOf finds the trunk whose registrar a request came from: by address and
// port, as behind the address alone there may be phones too.
func (s *Stack) trunkOf(src netip.AddrPort) (TrunkID, bool) {
	id, ok := (*s.trunks.sources.Load())[unmap(src)]
	return id, ok
}

// matchTrunk finds the trunk of a source: by configuration, else by registration.
func (s *Stack) matchTrunk(src netip.AddrPort) (tenant, name string, ok bool) {
	if s.deps.Trunks != nil {
		if tenant, name, ok = s.deps.Trunks.MatchTrunk(src); ok {
			return tenant, name, true
		}
	}
	id, ok := s.trunkOf(src)
	return id.Tenant, id.Trunk, ok
}

// newTrunks makes the resolver and the keeper of trunks.
func (s *Stack) newTrunks() error {
	r, err := newRNG(s.cfg.Rand)
	if err != nil {
		return err
	}
	var transports []string
	for _, l := range s.cfg.Listeners {
		if l.Transport == protoUDP && !slices.Contains(transports, protoUDP) {
			transports = append(transports, protoUDP)
		}
	}
	transports = append(transports, protoTCP, protoTLS) // need no listener of ours
	s.dns = resolve.New(resolve.Config{DNS: s.net.names(), Transports: transports, Reachable: s.reachable, Context: s.ctx,
		Rand: func() uint64 {
			s.randMu.Lock()
			defer s.randMu.Unlock()
			return s.rand.Uint64()
		}})
	s.trunks = newTrunkKeeper(s, r)
	s.trunks.met, err = newTrunkMetrics(s.deps.Registerer)
	return err
}
