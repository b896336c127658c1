package sip

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/registrar"
	"github.com/centrala/centrala/pkg/sip/subscription"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// SubscriptionStore keeps subscriptions over a restart.
type SubscriptionStore = subscription.Store

// DialogInfo is one dialog of a device as its watchers are told of it.
type DialogInfo = subscription.Dialog

// States of a DialogInfo.
const (
	DialogTrying     = subscription.Trying
	DialogProceeding = subscription.Proceeding
	DialogEarly      = subscription.Early
	DialogConfirmed  = subscription.Confirmed
	DialogTerminated = subscription.Terminated
)

// Watchables may be implemented by Accounts: the device that an extension or
// name means, as a key of a phone is set to it. Without it only usernames work.
// It is called on SIP goroutines: fast, in memory.
type Watchables interface {
	DeviceOf(tenant, dialled string) (device string, ok bool)
}

// reception is what all shards share of subscriptions: microseconds under one lock.
type reception struct {
	mu   sync.Mutex
	desk *subscription.Desk
}

// SetDeviceState tells in which dialogs a device is, for those who watch it
// (RFC 4235, the lamps of other phones); none: idle. It never blocks and may be
// called from any goroutine; the calls for one device must be in order.
func (s *Stack) SetDeviceState(tenant, device string, dialogs []DialogInfo) {
	s.tellWatchers(func(now time.Time, k *subscription.Desk) []subscription.Notify {
		return k.SetDialogs(now, subscription.Key{Tenant: tenant, Device: device}, dialogs)
	})
}

// SetMessageWaiting tells how many new and old voice messages wait for a device
// (RFC 3842, the phone's message lamp). It never blocks.
func (s *Stack) SetMessageWaiting(tenant, device string, newCount, oldCount int) {
	s.tellWatchers(func(now time.Time, k *subscription.Desk) []subscription.Notify {
		return k.SetMessages(now, subscription.Key{Tenant: tenant, Device: device}, subscription.Messages{New: newCount, Old: oldCount})
	})
}

// EndSubscriptions ends what a device watches: it was deleted, or lost its right.
func (s *Stack) EndSubscriptions(tenant, device string) {
	s.tellWatchers(func(now time.Time, k *subscription.Desk) []subscription.Notify {
		return k.Drop(now, subscription.Key{Tenant: tenant, Device: device})
	})
}

func (s *Stack) tellWatchers(f func(time.Time, *subscription.Desk) []subscription.Notify) {
	s.subs.mu.Lock()
	list := f(time.Now(), s.subs.desk)
	s.met.subscriptions.Set(float64(s.subs.desk.Len()))
	s.subs.mu.Unlock()
	s.post(list)
}

// post gives each NOTIFY to the owner of its Call-ID. subs.mu must not be held:
// an idle owner sends it at once. The desk lets out one at a time for each
// subscription, so their order is safe.
func (s *Stack) post(list []subscription.Notify) {
	for i := range list {
		n := &list[i]
		sh := s.shardOf(n.CallID)
		sh.do(func() { sh.notify(n) })
	}
}

// strayNotify answers a NOTIFY outside of what we know: we subscribe to nothing
// (RFC 6665 4.1.3).
func (s *Stack) strayNotify(req *sip.Request, h hop) {
	if req.GetHeader("Event") == nil {
		s.answer(req, h, 489, "", Header{Name: "Allow-Events", Value: subscription.Packages})
		return
	}
	s.answer(req, h, 481, "")
}

// subscribe takes a SUBSCRIBE (RFC 6665 4.2.1), new or in a dialog.
func (sh *shard) subscribe(req *sip.Request, h hop) {
	s := sh.s
	if tags := unsupportedTags(req); tags != "" {
		s.answer(req, h, 420, "", Header{Name: "Unsupported", Value: tags})
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
	flow := registrar.Flow{Transport: h.proto(), Remote: h.remote}
	if h.l != nil {
		flow.Local = h.l.addr
	}
	if h.conn != nil {
		flow.Conn = h.conn.id
	}
	r, refused := subscription.Read(req, flow)
	switch {
	case refused == 489:
		s.answer(req, h, 489, "", Header{Name: "Allow-Events", Value: subscription.Packages})
		return
	case refused == 406:
		s.answer(req, h, 406, "", Header{Name: "Accept", Value: subscription.ContentType(r.Package)})
		return
	case refused != 0:
		s.answer(req, h, refused, "")
		return
	}
	r.Subscriber = subscription.Key{Tenant: acc.Tenant, Device: acc.Device}
	r.Contact = s.contact(h, req.Recipient.Scheme == "sips")
	if r.ToTag == "" {
		device, ok := s.watchable(acc, req)
		if !ok {
			// Another tenant's device looks like one that is not there.
			s.answer(req, h, 404, "")
			return
		}
		r.Resource = subscription.Key{Tenant: acc.Tenant, Device: device}
		r.NewTag = string(sh.rand.token(nil, 1))
	} else {
		r.Resource = r.Subscriber // known already
	}
	sh.key = serverKey(sh.key, req, "SUBSCRIBE")
	t := sh.newServerTx(transaction.OtherServer, req, h)
	if t == nil {
		return
	}
	s.subs.mu.Lock()
	ans, list := s.subs.desk.Subscribe(sh.now, r)
	s.met.subscriptions.Set(float64(s.subs.desk.Len()))
	s.subs.mu.Unlock()
	var hs []Header
	switch ans.Code {
	case 200:
		if h.conn != nil {
			h.conn.bound.Store(true)
		}
		hs = append(hs, Header{Name: "Expires", Value: itoa(int(ans.Expires))}, Header{Name: "Contact", Value: "<" + r.Contact + ">"})
		for _, rr := range req.GetHeaders("record-route") {
			hs = append(hs, Header{Name: "Record-Route", Value: rr.Value()})
		}
	case 423:
		hs = append(hs, Header{Name: "Min-Expires", Value: itoa(int(ans.Expires))})
	case 503:
		hs = append(hs, s.retryAfter())
	}
	sh.out = s.appendResponse(sh.out[:0], req, ans.Code, "", ans.Tag, hs...)
	sh.reply(t, ans.Code, sh.out)
	s.post(list) // to this shard, so behind the answer
}

// watchable is the device that a SUBSCRIBE is about: of the same tenant, or none.
func (s *Stack) watchable(acc Account, req *sip.Request) (string, bool) {
	user := unescape(req.Recipient.User)
	if user == "" || user == acc.Username {
		return acc.Device, true
	}
	if len(user) > 64 || !printable(user) {
		return "", false
	}
	if w, ok := s.deps.Accounts.(Watchables); ok {
		if device, ok := w.DeviceOf(acc.Tenant, user); ok {
			return device, true
		}
	}
	if other, ok := s.deps.Accounts.Account(user, req.Recipient.Host); ok && other.Tenant == acc.Tenant && other.Trunk == "" {
		return other.Device, true
	}
	return "", false
}

// notify sends one NOTIFY. Owner of its Call-ID.
func (sh *shard) notify(n *subscription.Notify) {
	s := sh.s
	done := func(res *sip.Response, transport bool) {
		code, retry := 408, false
		switch {
		case res != nil:
			code, retry = res.StatusCode, res.GetHeader("Retry-After") != nil
		case transport:
			code = 0
		}
		s.tellWatchers(func(now time.Time, k *subscription.Desk) []subscription.Notify {
			return k.Notified(now, n.ID, n.LocalCSeq, code, retry)
		})
	}
	fail := func(why string) {
		s.log.Debug("sip notify not sent", zap.String("sip_call_id", n.CallID), zap.String("reason", why))
		done(nil, true)
	}
	target, routes := n.RemoteTarget, n.RouteSet
	u, ok := parseURI(target)
	if !ok || s.stopping.Load() {
		fail("no target")
		return
	}
	req := sip.NewRequest(sip.NOTIFY, u)
	req.Recipient.Headers = nil
	add := func(name, value string) { req.AppendHeader(sip.NewHeader(name, value)) }
	for _, r := range routes {
		add("Route", "<"+r+">")
	}
	mf := sip.MaxForwardsHeader(70)
	req.AppendHeader(&mf)
	add("From", n.Local+";tag="+n.Tag)
	add("To", n.Remote+";tag="+n.RemoteTag)
	id := sip.CallIDHeader(n.CallID)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: n.LocalCSeq, MethodName: sip.NOTIFY})
	add("Contact", "<"+n.Contact+">")
	add("Event", n.Event())
	add("Subscription-State", n.State)
	if s.cfg.UserAgent != "" {
		add("User-Agent", s.cfg.UserAgent)
	}
	add("Content-Type", n.ContentType)
	req.SetBody(n.Body)
	h, err := s.watcherHop(n)
	if err != nil {
		fail(err.Error())
		return
	}
	branch := sh.branch()
	sh.via(req, h, branch)
	s.met.notifies.Inc()
	sh.startFor(req, h, branch, done)
}

// watcherHop is the way to a watcher: the flow its SUBSCRIBE came by. When that
// was a connection and it is gone, the phone has most likely registered again.
func (s *Stack) watcherHop(n *subscription.Notify) (hop, error) {
	t := Target{URI: n.RemoteTarget, Transport: n.Flow.Transport, Addr: n.Flow.Remote, Conn: n.Flow.Conn, flow: true}
	if n.Flow.Transport == protoUDP {
		return s.hopTo(t)
	}
	h, err := s.hopTo(t)
	if err == nil {
		return h, nil
	}
	want, _ := parseURI(n.RemoteTarget)
	for _, c := range s.Contacts(n.Subscriber.Tenant, n.Subscriber.Device) {
		u, ok := parseURI(c.URI)
		if !ok || !strings.EqualFold(u.User, want.User) || c.Transport != n.Flow.Transport {
			continue
		}
		c.flow = true // a phone behind NAT is not dialled
		if h, err := s.hopTo(c); err == nil {
			return h, nil
		}
	}
	return hop{}, errors.Join(errors.New("sip: the watcher's connection is gone"), err)
}

// restoreSubscriptions loads what an earlier process had and tells each watcher
// the state of now.
func (s *Stack) restoreSubscriptions(ctx context.Context) error {
	if s.deps.Subscriptions == nil {
		return nil
	}
	all, err := s.deps.Subscriptions.LoadSubscriptions(ctx)
	if err != nil {
		return err
	}
	s.subs.mu.Lock()
	list := s.subs.desk.Load(time.Now(), all)
	s.met.subscriptions.Set(float64(s.subs.desk.Len()))
	s.subs.mu.Unlock()
	s.goTrack(func() {
		// Not all at once: phones have small queues, and calls come first.
		for len(list) > 0 {
			n := min(len(list), 20)
			s.post(list[:n:n])
			list = list[n:]
			select {
			case <-s.done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return nil
}

// watcherBack tells a device that has just registered what it could not be told
// while its connection was gone, or since a restart.
func (s *Stack) watcherBack(tenant, device string) {
	s.subs.mu.Lock()
	list := s.subs.desk.Reachable(time.Now(), subscription.Key{Tenant: tenant, Device: device})
	s.subs.mu.Unlock()
	s.post(list)
}

// keepSubscriptions is the keeper's part, each second: expiry and the store.
func (s *Stack) keepSubscriptions(now time.Time) {
	s.subs.mu.Lock()
	var list []subscription.Notify
	if at, ok := s.subs.desk.NextDeadline(); ok && !at.After(now) {
		list = s.subs.desk.Expire(now)
	}
	s.met.subscriptions.Set(float64(s.subs.desk.Len()))
	saved, deleted := s.subs.desk.Changes()
	s.subs.mu.Unlock()
	s.post(list)
	st := s.deps.Subscriptions
	if st == nil || len(saved)+len(deleted) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var err error
	if len(saved) > 0 {
		err = st.SaveSubscriptions(ctx, saved)
	}
	if len(deleted) > 0 {
		err = errors.Join(err, st.DeleteSubscriptions(ctx, deleted))
	}
	if err != nil {
		// Not tried again: each is written at its next NOTIFY or refresh, and one
		// deleted in vain ends at its first 481.
		s.log.Warn("subscriptions not stored", zap.Int("saved", len(saved)), zap.Int("deleted", len(deleted)), zap.Error(err))
	}
}

func (s *Stack) initSubscriptions() {
	s.subs.desk = subscription.New(subscription.Config{MinExpires: s.cfg.MinExpires, MaxExpires: s.cfg.MaxExpires, DefaultExpires: s.cfg.MaxExpires,
		Contacts: s.registrationsOf})
}

// registrationsOf are the registrations that a watcher of RFC 3680 is told of.
func (s *Stack) registrationsOf(key subscription.Key) []subscription.Contact {
	s.door.mu.Lock()
	bindings := s.door.reg.Contacts(time.Now(), key)
	s.door.mu.Unlock()
	out := make([]subscription.Contact, len(bindings))
	for i, b := range bindings {
		h := fnv.New64a() // of what the phone itself sent
		_, _ = h.Write([]byte(b.ID.Contact + "\x00" + b.URI))
		out[i] = subscription.Contact{ID: strconv.FormatUint(h.Sum64(), 36), URI: b.URI, Event: subscription.ContactRegistered,
			Expires: b.Expires, Q: b.Q, CallID: b.CallID, CSeq: b.CSeq}
	}
	return out
}

// regChanged tells who watches these registrations (RFC 3680) that they changed.
// Neither subs.mu nor door.mu may be held.
func (s *Stack) regChanged(why subscription.ContactEvent, keys ...registrar.Key) {
	for _, key := range keys {
		s.subs.mu.Lock()
		list := s.subs.desk.SetRegistered(time.Now(), key, why)
		s.subs.mu.Unlock()
		s.post(list)
	}
}

// keysOf names the devices of bindings.
func keysOf(ids []registrar.ID) []registrar.Key {
	seen := make(map[registrar.Key]bool, len(ids))
	var out []registrar.Key
	for _, id := range ids {
		if !seen[id.Key] {
			seen[id.Key] = true
			out = append(out, id.Key)
		}
	}
	return out
}
