// Package subscription is the notifier of RFC 6665 as a pure machine: who
// watches which device, until when, and what he has to be told next. Event
// packages are message-summary (RFC 3842: voice mail waits), dialog (RFC 4235:
// the lamp beside a colleague's name) and reg (RFC 3680: a device's own
// registrations). It authenticates nobody, sends
// nothing and is not safe for concurrent use: its owner in pkg/sip passes each
// SUBSCRIBE of a device that proved itself, sends the NOTIFYs, tells how they
// ended, and hands the changes to a Store.
package subscription

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/centrala/centrala/pkg/sip/registrar"
)

// Event packages that we notify of.
const (
	MessageSummary = "message-summary" // RFC 3842
	DialogEvent    = "dialog"          // RFC 4235
	RegEvent       = "reg"             // RFC 3680, for a device's own address alone
)

// Packages is the value of Allow-Events.
const Packages = DialogEvent + ", " + MessageSummary + ", " + RegEvent

// Key names a device of a tenant.
type Key = registrar.Key

// ID names a subscription: its Call-ID and our tag.
type ID struct{ CallID, Tag string }

// Subscription is one watcher of one device. Plain data, as stored.
type Subscription struct {
	ID
	Subscriber   Key    // who watches
	Resource     Key    // whom
	Package      string // MessageSummary, DialogEvent or RegEvent
	EventID      string // id parameter of Event, "" none
	Entity       string // URI that was subscribed to, for the documents
	RemoteTag    string
	Local        string // To of the SUBSCRIBE without tag
	Remote       string // From of it without tag
	RemoteTarget string // Contact of the subscriber
	Contact      string // ours, towards the subscriber
	RouteSet     []string
	LocalCSeq    uint32
	RemoteCSeq   uint32
	Version      uint32 // of the next dialog-info or reginfo document
	Flow         registrar.Flow
	Expires      time.Time
}

// Store keeps subscriptions over a restart. Calls are batched by the owner and
// come from one goroutine of its own.
type Store interface {
	// SaveSubscriptions inserts or replaces by ID.
	SaveSubscriptions(ctx context.Context, list []Subscription) error
	// DeleteSubscriptions removes by ID; unknown ones are no error. Each comes
	// with its Subscriber, whose tenant owns the row.
	DeleteSubscriptions(ctx context.Context, list []Subscription) error
	// LoadSubscriptions returns all, expired ones included.
	LoadSubscriptions(ctx context.Context) ([]Subscription, error)
}

// Config bounds what devices may ask for.
type Config struct {
	MinExpires     time.Duration // shorter (but not 0) gets 423; 0 = 60 s
	MaxExpires     time.Duration // longer is cut; 0 = 3600 s
	DefaultExpires time.Duration // when none is named; 0 = 3600 s (RFC 3842 3.4, RFC 4235 3.4), at most MaxExpires
	// PerDevice bounds the subscriptions of one subscriber; 0 = 256, two for each
	// key of a large console. One beyond takes the place of that which would
	// expire first: a phone that restarts must not be locked out by its own past.
	PerDevice int
	Max       int // of all; 0 = 100,000. Beyond: 503
	// Contacts are a device's registrations of now; nil: RegEvent is not served.
	Contacts func(Key) []Contact
}

// Request is a SUBSCRIBE that proved its identity. Read makes it.
type Request struct {
	Subscriber, Resource     Key
	Package, EventID, Entity string
	CallID, FromTag, ToTag   string // ToTag "": a new subscription
	NewTag                   string // our tag for it
	CSeq                     uint32
	Expires                  int64 // seconds, -1 not named
	Local, Remote            string
	Target, Contact          string
	Routes                   []string
	Flow                     registrar.Flow
}

// Answer is how a SUBSCRIBE is to be answered.
type Answer struct {
	Code    int    // 200, 400, 403, 423, 481, 489, 500, 503
	Tag     string // our tag
	Expires int64  // seconds, with 200; Min-Expires with 423
}

// Notify is a NOTIFY to be sent; Notified must follow.
type Notify struct {
	Subscription        // as it stands, LocalCSeq is this NOTIFY's CSeq
	State        string // Subscription-State
	ContentType  string
	Body         []byte
}

// Event is the value of the Event header.
func (n *Notify) Event() string {
	if n.EventID == "" {
		return n.Package
	}
	return n.Package + ";id=" + n.EventID
}

// Desk is the notifier.
type Desk struct {
	cfg     Config
	subs    map[ID]*sub
	byOwner map[Key][]*sub
	watched map[watch]map[*sub]struct{}
	dialogs map[Key][]Dialog
	mail    map[Key]Messages
	due     expiries
	dirty   map[ID]*sub // changed since Changes
	deleted []Subscription
	out     []Notify
}

type watch struct {
	key Key
	pkg string
}

type sub struct {
	Subscription
	busy  bool      // a NOTIFY waits for its answer
	more  bool      // another is due
	full  bool      // the whole state has to be told
	over  string    // reason of the end, "" goes on
	last  bool      // the final NOTIFY is on its way
	told  []Dialog  // what the watcher knows
	known []Contact // registrations of which the watcher knows, or will by what is due
	gone  []Contact // to be told as terminated
	news  bool      // something in known or gone is not told yet
	index int       // in due
}

// New makes an empty desk.
func New(cfg Config) *Desk {
	cfg.MinExpires = cmp.Or(max(cfg.MinExpires, 0), 60*time.Second)
	cfg.MaxExpires = cmp.Or(max(cfg.MaxExpires, 0), time.Hour)
	cfg.DefaultExpires = min(cmp.Or(max(cfg.DefaultExpires, 0), time.Hour), cfg.MaxExpires)
	cfg.PerDevice = cmp.Or(max(cfg.PerDevice, 0), 256)
	cfg.Max = cmp.Or(max(cfg.Max, 0), 100000)
	return &Desk{cfg: cfg, subs: map[ID]*sub{}, byOwner: map[Key][]*sub{}, watched: map[watch]map[*sub]struct{}{},
		dialogs: map[Key][]Dialog{}, mail: map[Key]Messages{}, dirty: map[ID]*sub{}}
}

// Len is how many subscriptions there are.
func (k *Desk) Len() int { return len(k.subs) }

// Subscribe takes a SUBSCRIBE. The NOTIFYs have to go out behind the answer.
func (k *Desk) Subscribe(now time.Time, r Request) (Answer, []Notify) {
	if r.Package != MessageSummary && r.Package != DialogEvent && (r.Package != RegEvent || k.cfg.Contacts == nil) {
		return Answer{Code: 489}, nil
	}
	if r.Target == "" || r.CallID == "" {
		return Answer{Code: 400}, nil // RFC 6665 8.1.1: no NOTIFY could find its way
	}
	if r.Resource.Tenant != r.Subscriber.Tenant {
		return Answer{Code: 403}, nil
	}
	if r.Package == RegEvent && r.Resource != r.Subscriber {
		return Answer{Code: 403}, nil // where a colleague's phones stand is nobody else's to know
	}
	secs := r.Expires
	if secs < 0 {
		secs = int64(k.cfg.DefaultExpires / time.Second)
	}
	if secs > 0 && secs < int64(k.cfg.MinExpires/time.Second) {
		return Answer{Code: 423, Expires: int64(k.cfg.MinExpires / time.Second)}, nil
	}
	secs = min(secs, int64(k.cfg.MaxExpires/time.Second))

	var s *sub
	if r.ToTag != "" {
		s = k.subs[ID{r.CallID, r.ToTag}]
		switch {
		case s == nil || s.RemoteTag != r.FromTag || s.over != "":
			return Answer{Code: 481}, nil
		case s.Subscriber != r.Subscriber:
			return Answer{Code: 403}, nil
		case s.Package != r.Package || s.EventID != r.EventID:
			return Answer{Code: 481}, nil // another subscription in this dialog, which we do not keep
		case r.CSeq <= s.RemoteCSeq:
			return Answer{Code: 500}, nil // RFC 3261 12.2.2
		}
	} else {
		if r.NewTag == "" || k.subs[ID{r.CallID, r.NewTag}] != nil {
			return Answer{Code: 500}, nil
		}
		if len(k.byOwner[r.Subscriber]) >= k.cfg.PerDevice {
			k.evict(r.Subscriber)
		} else if len(k.subs) >= k.cfg.Max {
			return Answer{Code: 503}, nil
		}
		s = &sub{index: -1, Subscription: Subscription{ID: ID{r.CallID, r.NewTag}, Subscriber: r.Subscriber, Resource: r.Resource, Package: r.Package,
			EventID: r.EventID, Entity: r.Entity, RemoteTag: r.FromTag, Local: r.Local, Remote: r.Remote, RouteSet: r.Routes}}
		k.add(s)
	}
	s.RemoteCSeq, s.RemoteTarget, s.Contact, s.Flow = r.CSeq, r.Target, r.Contact, r.Flow
	s.Expires = now.Add(time.Duration(secs) * time.Second)
	s.full = true // RFC 6665 4.2.1.2: a refresh is told the whole state
	if secs == 0 {
		s.over = "timeout"
	}
	k.schedule(s)
	k.flush(now, s)
	return Answer{Code: 200, Tag: s.Tag, Expires: secs}, k.take()
}

// evict drops the subscription of a device that would end first.
func (k *Desk) evict(owner Key) {
	list := k.byOwner[owner]
	k.remove(slices.MinFunc(list, func(a, b *sub) int { return a.Expires.Compare(b.Expires) }))
}

// Notified tells how the NOTIFY with cseq ended: the final code, 408 for none, 0
// when it could not be sent. retry: it had a Retry-After.
func (k *Desk) Notified(now time.Time, id ID, cseq uint32, code int, retry bool) []Notify {
	s := k.subs[id]
	if s == nil || !s.busy || s.LocalCSeq != cseq {
		return nil
	}
	s.busy = false
	switch {
	case s.last:
		k.remove(s)
	case code >= 200 && code < 300:
		if s.more {
			k.flush(now, s)
		}
	case code == 0 || retry:
		// The way is broken, not the watcher: a phone that lost its connection
		// comes back and refreshes. Until then it is tried at each change.
		s.full, s.more = true, false
		if s.over != "" {
			k.remove(s)
		}
	default:
		k.remove(s) // RFC 6665 4.2.2
	}
	return k.take()
}

// SetDialogs tells in which dialogs a device is; none: idle. Those that are
// Terminated are left out. The slice is kept.
func (k *Desk) SetDialogs(now time.Time, key Key, list []Dialog) []Notify {
	list = slices.DeleteFunc(slices.Clone(list), func(d Dialog) bool { return d.State == Terminated })
	if slices.Equal(k.dialogs[key], list) {
		return nil
	}
	if len(list) == 0 {
		delete(k.dialogs, key)
	} else {
		k.dialogs[key] = list
	}
	return k.changed(now, watch{key, DialogEvent})
}

// SetMessages tells how much voice mail waits for a device.
func (k *Desk) SetMessages(now time.Time, key Key, m Messages) []Notify {
	m.New, m.Old = max(m.New, 0), max(m.Old, 0)
	if k.mail[key] == m {
		return nil
	}
	if m == (Messages{}) {
		delete(k.mail, key)
	} else {
		k.mail[key] = m
	}
	return k.changed(now, watch{key, MessageSummary})
}

// SetRegistered tells that the registrations of a device changed: why is the event
// (RFC 3680 5.3) of those that are gone, ContactExpired where their time is up.
// A refresh alone is not told.
func (k *Desk) SetRegistered(now time.Time, key Key, why ContactEvent) []Notify {
	w := watch{key, RegEvent}
	if len(k.watched[w]) == 0 {
		return nil
	}
	for s := range k.watched[w] {
		k.look(now, s, why)
	}
	return k.changed(now, w)
}

// look brings what a watcher of registrations has to be told up to date.
func (k *Desk) look(now time.Time, s *sub, why ContactEvent) {
	current := k.cfg.Contacts(s.Resource)
	for _, c := range s.known {
		if !slices.ContainsFunc(current, func(n Contact) bool { return n.ID == c.ID }) && len(s.gone) < maxGone {
			c.Event = why
			if !c.Expires.After(now) {
				c.Event = ContactExpired
			}
			s.gone = append(s.gone, c)
			s.news = true
		}
	}
	for _, c := range current {
		if !slices.ContainsFunc(s.known, func(n Contact) bool { return n.ID == c.ID }) {
			s.gone = slices.DeleteFunc(s.gone, func(g Contact) bool { return g.ID == c.ID })
			s.news = true
		}
	}
	s.known = current
}

// maxGone bounds what is kept for a watcher who does not answer.
const maxGone = 32

// changed tells the watchers; those who were first told first, so that a test
// and a trace can be read.
func (k *Desk) changed(now time.Time, w watch) []Notify {
	all := make([]*sub, 0, len(k.watched[w]))
	for s := range k.watched[w] {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *sub) int {
		return cmp.Or(a.Expires.Compare(b.Expires), cmp.Compare(a.CallID, b.CallID), cmp.Compare(a.Tag, b.Tag))
	})
	for _, s := range all {
		k.flush(now, s)
	}
	return k.take()
}

// NextDeadline is when Expire has something to do.
func (k *Desk) NextDeadline() (time.Time, bool) {
	if len(k.due) == 0 {
		return time.Time{}, false
	}
	return k.due[0].Expires, true
}

// Expire ends what was not refreshed.
func (k *Desk) Expire(now time.Time) []Notify {
	for len(k.due) > 0 && !k.due[0].Expires.After(now) {
		s := k.due[0]
		heap.Pop(&k.due)
		if s.over == "" {
			s.over, s.full = "timeout", true
			k.flush(now, s)
		}
	}
	return k.take()
}

// Drop ends all subscriptions of a device, which may not watch any more.
func (k *Desk) Drop(now time.Time, owner Key) []Notify {
	for _, s := range slices.Clone(k.byOwner[owner]) {
		if s.over == "" {
			s.over, s.full = "rejected", true
			k.schedule(s)
			k.flush(now, s)
		}
	}
	return k.take()
}

// Reachable tells that a device has just been heard of: what could not be sent
// to it is sent now.
func (k *Desk) Reachable(now time.Time, owner Key) []Notify {
	for _, s := range k.byOwner[owner] {
		if s.full && !s.busy {
			k.flush(now, s)
		}
	}
	return k.take()
}

// restartGap is what numbers are raised by at Load: an earlier process may have
// sent NOTIFYs that the store never heard of, and a lower CSeq would be refused.
const restartGap = 1000

// Load takes in what an earlier process stored and tells every watcher the
// state of now. What has expired is deleted.
func (k *Desk) Load(now time.Time, all []Subscription) []Notify {
	for _, v := range all {
		if !v.Expires.After(now) || k.subs[v.ID] != nil || len(k.subs) >= k.cfg.Max {
			k.deleted = append(k.deleted, v)
			continue
		}
		v.LocalCSeq += restartGap
		v.Version += restartGap
		v.Flow.Conn = 0
		s := &sub{index: -1, Subscription: v, full: true}
		k.add(s)
		k.schedule(s)
		k.flush(now, s)
	}
	return k.take()
}

// Changes returns what to save and to delete since the last call.
func (k *Desk) Changes() (saved, deleted []Subscription) {
	for id, s := range k.dirty {
		v := s.Subscription
		v.RouteSet = slices.Clone(v.RouteSet)
		saved = append(saved, v)
		delete(k.dirty, id)
	}
	deleted, k.deleted = k.deleted, nil
	return saved, deleted
}

func (k *Desk) take() []Notify {
	out := k.out
	k.out = nil
	return out
}

func (k *Desk) add(s *sub) {
	k.subs[s.ID] = s
	k.byOwner[s.Subscriber] = append(k.byOwner[s.Subscriber], s)
	w := watch{s.Resource, s.Package}
	if k.watched[w] == nil {
		k.watched[w] = map[*sub]struct{}{}
	}
	k.watched[w][s] = struct{}{}
}

func (k *Desk) remove(s *sub) {
	if k.subs[s.ID] != s {
		return
	}
	delete(k.subs, s.ID)
	list := slices.DeleteFunc(k.byOwner[s.Subscriber], func(o *sub) bool { return o == s })
	if len(list) == 0 {
		delete(k.byOwner, s.Subscriber)
	} else {
		k.byOwner[s.Subscriber] = list
	}
	w := watch{s.Resource, s.Package}
	delete(k.watched[w], s)
	if len(k.watched[w]) == 0 {
		delete(k.watched, w)
	}
	if s.index >= 0 {
		heap.Remove(&k.due, s.index)
	}
	delete(k.dirty, s.ID)
	k.deleted = append(k.deleted, s.Subscription)
}

func (k *Desk) schedule(s *sub) {
	switch {
	case s.over != "":
		if s.index >= 0 {
			heap.Remove(&k.due, s.index)
		}
	case s.index < 0:
		heap.Push(&k.due, s)
	default:
		heap.Fix(&k.due, s.index)
	}
	k.dirty[s.ID] = s
}

// flush sends the next NOTIFY, or leaves it until the one before is answered:
// two at a time could pass each other.
func (k *Desk) flush(now time.Time, s *sub) {
	if s.last {
		return
	}
	if s.busy {
		s.more = true
		return
	}
	s.more = false
	n := Notify{}
	switch s.Package {
	case DialogEvent:
		current := k.dialogs[s.Resource]
		changes := diff(s.told, current)
		if !s.full && len(changes) == 0 {
			return
		}
		list := changes
		if s.full {
			list = current
		}
		n.ContentType, n.Body = dialogInfoType, dialogInfo(s.Version, s.full, s.Entity, list)
		s.told = slices.Clone(current)
		s.Version++
	case RegEvent:
		k.look(now, s, ContactExpired)
		if !s.full && !s.news {
			return
		}
		// Always the whole: a device has a handful of registrations.
		n.ContentType, n.Body = regInfoType, regInfo(now, s.Version, s.Entity, s.known, s.gone)
		s.gone, s.news = nil, false
		s.Version++
	default:
		n.ContentType, n.Body = messageSummaryType, MessageSummaryBody(s.Entity, k.mail[s.Resource])
	}
	s.full = false
	s.busy, s.last = true, s.over != ""
	s.LocalCSeq++
	n.State = "terminated;reason=" + s.over
	if s.over == "" {
		left := int64(math.Ceil(s.Expires.Sub(now).Seconds()))
		n.State = "active;expires=" + strconv.FormatInt(max(left, 0), 10)
	}
	k.dirty[s.ID] = s
	n.Subscription = s.Subscription
	k.out = append(k.out, n)
}

// expiries is a heap by Expires.
type expiries []*sub

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].Expires.Before(e[j].Expires) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i]; e[i].index, e[j].index = i, j }
func (e *expiries) Push(x any)        { s := x.(*sub); s.index = len(*e); *e = append(*e, s) }
func (e *expiries) Pop() any {
	o := *e
	s := o[len(o)-1]
	o[len(o)-1] = nil
	*e, s.index = o[:len(o)-1], -1
	return s
}
