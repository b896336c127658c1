package sip

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/digest"
	"github.com/centrala/centrala/pkg/sip/overload"
	"github.com/centrala/centrala/pkg/sip/registrar"
	"github.com/centrala/centrala/pkg/sip/subscription"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// door is what all shards share of registration and authentication: few
// microseconds under one lock. What follows from a change (the store, the
// handler) is done behind it by one goroutine, in order.
type door struct {
	mu     sync.Mutex
	digest *digest.Server
	reg    *registrar.Registrar
	brake  brake
	nat    watched // bindings that are asked whether they are there

	// For the keeper goroutine, under mu.
	dirty map[registrar.ID]*registrar.Binding // nil: delete
	news  []presence
	wake  chan struct{}
}

// presence is a device that came or went.
type presence struct {
	key registrar.Key
	up  bool
}

// note takes changes in; mu is held.
func (d *door) note(saved []registrar.Binding, deleted []registrar.ID) {
	// The keeper comes by itself for what others have made it wait for.
	first := len(d.dirty) == 0
	for i := range saved {
		b := saved[i]
		d.dirty[b.ID] = &b
	}
	for _, id := range deleted {
		d.dirty[id] = nil
	}
	if first && len(d.dirty) > 0 || len(d.news) > 0 {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// register takes a REGISTER (RFC 3261 10.3).
func (sh *shard) register(req *sip.Request, h hop) {
	s := sh.s
	if sh.drainRegister(req, h) || sh.shed(overload.Register, req, h) {
		return
	}
	acc, ok := sh.authenticate(req, h)
	if !ok {
		return
	}
	if acc.Trunk != "" {
		s.answer(req, h, 403, "")
		return
	}
	if u := &req.To().Address; u.Scheme != "sip" && u.Scheme != "sips" || unescape(u.User) != acc.Username {
		s.answer(req, h, 403, "")
		return
	}
	sh.key = serverKey(sh.key, req, "REGISTER")
	t := sh.newServerTx(transaction.OtherServer, req, h)
	if t == nil {
		return
	}
	flow := registrar.Flow{Transport: h.proto(), Remote: h.remote}
	if h.l != nil {
		flow.Local = h.l.addr
	}
	if h.conn != nil {
		flow.Conn = h.conn.id
		h.conn.bound.Store(true)
	}
	key := registrar.Key{Tenant: acc.Tenant, Device: acc.Device}
	r, refused := registrar.Read(req, key, flow)
	ob, refusedOb, why := outbound{}, 0, ""
	if refused == 0 {
		ob, refusedOb, why = readOutbound(req, &r)
	}
	if refusedOb != 0 {
		sh.respond(t, req, refusedOb, why)
		return
	}
	if refused != 0 {
		sh.respond(t, req, refused, "")
		return
	}
	r.MaxContacts = acc.MaxContacts
	s.door.mu.Lock()
	res := s.door.reg.Register(sh.now, r)
	if res.Up {
		s.door.news = append(s.door.news, presence{key, true})
	}
	if res.Down {
		s.door.news = append(s.door.news, presence{key, false})
	}
	s.door.note(res.Saved, res.Deleted)
	s.door.nat.watch(&s.cfg.Keepalive, sh.now, res.Saved)
	s.met.registrations.Set(float64(s.door.reg.Len()))
	s.door.mu.Unlock()
	if ob.on && res.Code == 200 && h.conn != nil && len(res.Saved) > 0 {
		h.conn.flow.Store(true)
	}

	hs := make([]Header, 0, 4)
	switch {
	case res.Code == 200:
		s.trustBindings(h.remote, sh.now, res.Bindings)
		for _, c := range registrar.ContactHeaders(sh.now, res.Bindings) {
			hs = append(hs, Header{Name: "Contact", Value: c})
		}
		hs = append(hs, Header{Name: "Date", Value: sh.date()})
		hs = append(hs, ob.headers(s, h)...)
		for _, p := range req.Headers() { // RFC 3327 5.3
			if p.Name() == "Path" {
				hs = append(hs, Header{Name: "Path", Value: p.Value()})
			}
		}
	case res.Code == 423:
		hs = append(hs, Header{Name: "Min-Expires", Value: strconv.FormatInt(res.MinExpires, 10)})
	case res.Code == 503:
		hs = append(hs, s.retryAfter())
	}
	sh.respond(t, req, res.Code, "", hs...)
	if len(res.Saved)+len(res.Deleted) > 0 {
		s.regChanged(subscription.ContactUnregistered, key)
	}
	if res.Code == 200 {
		s.watcherBack(acc.Tenant, acc.Device)
	}
}

// date is the Date of an answer (RFC 3261 20.17), the same text for a second.
func (sh *shard) date() string {
	if sec := sh.now.Unix(); sec != sh.dateSec {
		sh.dateSec, sh.dateText = sec, sh.now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	}
	return sh.dateText
}

// trustBindings trusts a flow as long as what was registered over it.
func (s *Stack) trustBindings(from netip.AddrPort, now time.Time, bindings []registrar.Binding) {
	until := now
	for i := range bindings {
		if b := &bindings[i]; b.Flow.Remote == from && b.Expires.After(until) {
			until = b.Expires
		}
	}
	if until.After(now) {
		s.trust(from, until)
	} else {
		s.distrust(from)
	}
}

// connectionGone drops the bindings of a closed connection (RFC 5626 4.2.1).
func (s *Stack) connectionGone(id uint64) {
	if s.stopping.Load() {
		return // our own stop must not unregister anybody
	}
	s.door.mu.Lock()
	deleted, down := s.door.reg.ConnectionClosed(id)
	for _, k := range down {
		s.door.news = append(s.door.news, presence{k, false})
	}
	s.door.note(nil, deleted)
	s.met.registrations.Set(float64(s.door.reg.Len()))
	s.door.mu.Unlock()
	s.regChanged(subscription.ContactDeactivated, keysOf(deleted)...)
}

// persistEvery is how often registrations are written: one transaction for all of
// that time, and one row for a phone that refreshed twice. A killed process forgets
// at most that much.
const persistEvery = 200 * time.Millisecond

// keep is the goroutine behind the door: expiry, the store, the handler.
func (s *Stack) keep() {
	defer s.wg.Done()
	tick := time.NewTimer(time.Second)
	defer tick.Stop()
	soon := time.NewTimer(time.Hour)
	defer soon.Stop()
	var persisted time.Time
	checked := 0
	for {
		last := false
		select {
		case <-s.door.wake:
		case <-soon.C:
		case <-tick.C:
			tick.Reset(time.Second)
			s.sweep(time.Now())
			if checked++; checked%int(certCheck/time.Second) == 0 {
				_ = s.renewCerts(false)
			}
		case <-s.done:
			last = true
		}
		now := time.Now()
		var expired []registrar.ID
		s.door.mu.Lock()
		if at, ok := s.door.reg.NextDeadline(); ok && !at.After(now) {
			deleted, down := s.door.reg.Expire(now)
			expired = deleted
			for _, k := range down {
				s.door.news = append(s.door.news, presence{k, false})
			}
			for _, id := range deleted {
				s.door.dirty[id] = nil
			}
			s.met.registrations.Set(float64(s.door.reg.Len()))
		}
		news := s.door.news
		s.door.news = nil
		var save []registrar.Binding
		var remove []registrar.ID
		if wait := persisted.Add(persistEvery).Sub(now); wait <= 0 || last {
			for id, b := range s.door.dirty {
				if b == nil {
					remove = append(remove, id)
				} else {
					save = append(save, *b)
				}
			}
			clear(s.door.dirty)
		} else if len(s.door.dirty) > 0 {
			soon.Reset(wait)
		}
		s.door.mu.Unlock()
		s.regChanged(subscription.ContactExpired, keysOf(expired)...)
		for _, n := range news {
			s.deps.Handler.Registered(n.key.Tenant, n.key.Device, n.up)
		}
		if len(save)+len(remove) > 0 && s.deps.Bindings != nil {
			persisted = now
			s.persist(save, remove)
		}
		s.keepSubscriptions(now)
		s.remember(last)
		if last {
			return
		}
	}
}

// persist writes a batch; one that fails is tried again with the next, unless
// something newer is known by then.
func (s *Stack) persist(save []registrar.Binding, remove []registrar.ID) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var err error
	if len(save) > 0 {
		err = s.deps.Bindings.SaveBindings(ctx, save)
	}
	if err == nil && len(remove) > 0 {
		err = s.deps.Bindings.DeleteBindings(ctx, remove)
		save = nil
	}
	if err == nil {
		return
	}
	s.log.Warn("registrations not stored; trying again", zap.Int("saved", len(save)), zap.Int("deleted", len(remove)), zap.Error(err))
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	for i := range save {
		if _, newer := s.door.dirty[save[i].ID]; !newer {
			s.door.dirty[save[i].ID] = &save[i]
		}
	}
	for _, id := range remove {
		if _, newer := s.door.dirty[id]; !newer {
			s.door.dirty[id] = nil
		}
	}
}

// restore loads the bindings of an earlier process.
func (s *Stack) restore(ctx context.Context) error {
	if s.deps.Bindings == nil {
		return nil
	}
	all, err := s.deps.Bindings.LoadBindings(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	expired := s.door.reg.Load(now, all)
	for i := range all {
		// Their connections went with the earlier process, and nothing else leads
		// there (RFC 5626 5.3.1, RFC 7118).
		if t := targetOf(&all[i]); t.flow && t.Transport != protoUDP {
			deleted, _ := s.door.reg.Remove(all[i].ID)
			expired = append(expired, deleted...)
		}
	}
	gone := make(map[registrar.ID]bool, len(expired))
	for _, id := range expired {
		gone[id] = true
	}
	told := map[registrar.Key]bool{}
	for _, b := range all {
		if !gone[b.ID] && b.Flow.Remote.IsValid() {
			s.trust(b.Flow.Remote, b.Expires)
		}
		if !gone[b.ID] && !told[b.Key] {
			told[b.Key] = true
			s.door.news = append(s.door.news, presence{b.Key, true})
		}
	}
	s.door.note(nil, expired)
	s.door.nat.watch(&s.cfg.Keepalive, now, all)
	s.met.registrations.Set(float64(s.door.reg.Len()))
	return nil
}

// Contacts returns where a device can be reached now, newest registration
// first, its static contact last. Empty: unreachable.
func (s *Stack) Contacts(tenant, device string) []Target {
	s.door.mu.Lock()
	bindings := s.door.reg.Contacts(time.Now(), registrar.Key{Tenant: tenant, Device: device})
	s.door.mu.Unlock()
	out := byInstance(bindings)
	if st, ok := s.deps.Accounts.(StaticContacts); ok {
		if uri := st.StaticContact(tenant, device); uri != "" {
			if t, err := ParseTarget(uri); err == nil {
				out = append(out, t)
			}
		}
	}
	return out
}
