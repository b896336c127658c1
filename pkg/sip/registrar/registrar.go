// Package registrar keeps the bindings of RFC 3261 10.3: which device is
// reachable where, until when. It is not the location of calls and sends
// nothing: the owner in pkg/sip passes each REGISTER that proved its identity,
// writes the answer, and hands the changes to a Store in batches. Pure and not
// safe for concurrent use: it has one owner.
package registrar

import (
	"container/heap"
	"context"
	"net/netip"
	"slices"
	"time"
)

// Key names the address of record: a device of a tenant.
type Key struct{ Tenant, Device string }

// ID names one binding for good. Contact is the URI reduced to what RFC 3261
// 19.1.4 compares (see matchKey), or "instance#reg-id" for clients that name their instance
// (RFC 5626 4.2): their new address replaces the old one.
type ID struct {
	Key
	Contact string
}

// Flow is how the REGISTER reached us, and so how requests reach the device
// through its NAT.
type Flow struct {
	Transport string         // "udp", "tcp"
	Local     netip.AddrPort // listener it came to
	Remote    netip.AddrPort // source address of the packet or connection
	Conn      uint64         // connection of the stack, 0 for UDP; not valid after a restart
}

// Binding is one contact of a device. Plain data, as stored.
type Binding struct {
	ID
	URI        string // Contact URI as the device wrote it
	Params     string // Contact parameters to echo, without expires ("" or ";a=b...")
	CallID     string // of the REGISTER
	CSeq       uint32
	Q          int // 0..1000
	Instance   string
	RegID      uint32
	Path       []string // RFC 3327 Path URIs, topmost first
	UserAgent  string
	Flow       Flow
	Registered time.Time // last refresh
	Expires    time.Time
}

// Store keeps bindings over a restart. Calls are batched by the owner and come
// from one goroutine of its own.
type Store interface {
	// SaveBindings inserts or replaces by ID.
	SaveBindings(ctx context.Context, b []Binding) error
	// DeleteBindings removes by ID; unknown ones are no error.
	DeleteBindings(ctx context.Context, ids []ID) error
	// LoadBindings returns all, expired ones included.
	LoadBindings(ctx context.Context) ([]Binding, error)
}

// Config bounds what devices may ask for.
type Config struct {
	MinExpires     time.Duration // shorter (but not 0) gets 423; 0 = 60 s
	MaxExpires     time.Duration // longer is cut; 0 = 3600 s
	DefaultExpires time.Duration // when the REGISTER names none; 0 = 3600 s, at most MaxExpires
	// MaxContacts per device unless Request.MaxContacts says; 0 = 5. A new one
	// beyond takes the place of the one refreshed longest ago: a phone that came
	// back with another port must not be locked out by its own past.
	MaxContacts int
	MaxBindings int // of all devices; 0 = 1,000,000
}

// Contact is one Contact of a REGISTER.
type Contact struct {
	URI      string
	Match    string // ID.Contact
	Params   string
	Expires  int64 // seconds; -1 not given
	Q        int
	Instance string
	RegID    uint32
}

// Request is a REGISTER reduced to what the registrar needs.
type Request struct {
	Key
	CallID      string
	CSeq        uint32
	Contacts    []Contact
	Wildcard    bool
	Expires     int64 // Expires header, seconds; -1 not given
	Path        []string
	UserAgent   string
	Flow        Flow
	MaxContacts int // 0 = Config.MaxContacts
}

// Result is the registrar's verdict. Saved and Deleted are for the Store; Code
// other than 200 changed nothing.
type Result struct {
	Code       int       // 200, 403 (too many contacts at once), 423, 500 (out of order), 503 (full)
	MinExpires int64     // Min-Expires of a 423, seconds
	Bindings   []Binding // all current ones of the device, newest first, for the 200
	Saved      []Binding
	Deleted    []ID
	Up, Down   bool // the device gained its first / lost its last binding
}

// entry is a binding in its device's list and in the heap of ends.
type entry struct {
	Binding
	at int // index in the heap
}

// Registrar is the set of bindings. One owner.
type Registrar struct {
	cfg    Config
	byKey  map[Key][]*entry // newest refresh first; a handful each
	byConn map[uint64][]*entry
	ends   ends
}

// New makes an empty registrar.
func New(cfg Config) *Registrar {
	if cfg.MinExpires <= 0 {
		cfg.MinExpires = time.Minute
	}
	if cfg.MaxExpires <= 0 {
		cfg.MaxExpires = time.Hour
	}
	cfg.MaxExpires = max(cfg.MaxExpires, cfg.MinExpires)
	if cfg.DefaultExpires <= 0 {
		cfg.DefaultExpires = time.Hour
	}
	cfg.DefaultExpires = min(cfg.DefaultExpires, cfg.MaxExpires)
	if cfg.MaxContacts <= 0 {
		cfg.MaxContacts = 5
	}
	if cfg.MaxBindings <= 0 {
		cfg.MaxBindings = 1_000_000
	}
	return &Registrar{cfg: cfg, byKey: make(map[Key][]*entry), byConn: make(map[uint64][]*entry)}
}

// Load puts stored bindings in; those that ended by now are returned for
// deletion. Flow.Conn is cleared: connections do not outlive a process.
func (r *Registrar) Load(now time.Time, b []Binding) (expired []ID) {
	b = slices.Clone(b)
	slices.SortStableFunc(b, func(x, y Binding) int { return x.Registered.Compare(y.Registered) })
	for _, x := range b {
		if !x.Expires.After(now) {
			expired = append(expired, x.ID)
			continue
		}
		x.Flow.Conn = 0
		if e := r.find(x.ID); e != nil {
			r.drop(e)
		}
		r.put(x)
	}
	return expired
}

// Register applies a REGISTER (RFC 3261 10.3), all of it or nothing.
func (r *Registrar) Register(now time.Time, q Request) Result {
	before := r.live(now, q.Key)
	if q.Wildcard {
		return r.removeAll(now, q, before)
	}
	limit := q.MaxContacts
	if limit <= 0 {
		limit = r.cfg.MaxContacts
	}
	if len(q.Contacts) > limit {
		return Result{Code: 403}
	}
	var room [8]time.Duration // how long each contact is bound, 0 removes
	terms := room[:0]
	added := 0
	for i := range q.Contacts {
		c := &q.Contacts[i]
		o := r.match(ID{q.Key, c.Match})
		if o != nil && o.CallID == q.CallID && q.CSeq <= o.CSeq {
			return Result{Code: 500} // 10.3 step 7: out of order
		}
		term, sec := time.Duration(0), c.Expires
		if sec < 0 {
			sec = q.Expires
		}
		switch d := time.Duration(min(max(sec, 0), 1<<31)) * time.Second; {
		case sec < 0:
			term = r.cfg.DefaultExpires
		case sec == 0:
		case d < r.cfg.MinExpires:
			return Result{Code: 423, MinExpires: int64(r.cfg.MinExpires / time.Second)}
		default:
			term = min(d, r.cfg.MaxExpires)
		}
		if term > 0 && o == nil {
			added++
		}
		terms = append(terms, term)
	}
	if len(r.ends)+added > r.cfg.MaxBindings {
		return Result{Code: 503}
	}
	res := Result{Code: 200}
	for i, term := range terms {
		c := &q.Contacts[i]
		id := ID{q.Key, c.Match}
		// Looked up again: one URI twice in a REGISTER finds what the first made.
		old := r.match(id)
		if old != nil && term > 0 && old.ID == id && old.Flow.Conn == q.Flow.Conn {
			b := q.binding(i, id, now, term)
			r.refresh(old, b)
			res.Saved = append(res.Saved, b)
			continue
		}
		if old != nil {
			r.drop(old)
			if term == 0 || old.ID != id {
				res.Deleted = append(res.Deleted, old.ID)
				res.Saved = slices.DeleteFunc(res.Saved, func(b Binding) bool { return b.ID == old.ID })
			}
		}
		if term == 0 {
			continue
		}
		res.Deleted = slices.DeleteFunc(res.Deleted, func(gone ID) bool { return gone == id })
		b := q.binding(i, id, now, term)
		r.put(b)
		res.Saved = append(res.Saved, b)
	}
	for list := r.byKey[q.Key]; len(list) > limit; list = r.byKey[q.Key] {
		last := list[len(list)-1]
		res.Deleted = append(res.Deleted, last.ID)
		r.drop(last)
	}
	res.Bindings = r.Contacts(now, q.Key)
	res.Up = before == 0 && len(res.Bindings) > 0
	res.Down = before > 0 && len(res.Bindings) == 0
	return res
}

// binding is what the contact number i asks for.
func (q *Request) binding(i int, id ID, now time.Time, term time.Duration) Binding {
	c := &q.Contacts[i]
	return Binding{ID: id, URI: c.URI, Params: c.Params, CallID: q.CallID, CSeq: q.CSeq, Q: c.Q,
		Instance: c.Instance, RegID: c.RegID, Path: q.Path, UserAgent: q.UserAgent, Flow: q.Flow,
		Registered: now, Expires: now.Add(term)}
}

// removeAll is Contact: * (RFC 3261 10.3 step 6).
func (r *Registrar) removeAll(now time.Time, q Request, before int) Result {
	list := r.byKey[q.Key]
	for _, e := range list {
		if e.CallID == q.CallID && q.CSeq <= e.CSeq {
			return Result{Code: 500}
		}
	}
	res := Result{Code: 200, Down: before > 0}
	for len(r.byKey[q.Key]) > 0 {
		e := r.byKey[q.Key][0]
		res.Deleted = append(res.Deleted, e.ID)
		r.drop(e)
	}
	return res
}

func (r *Registrar) find(id ID) *entry {
	for _, e := range r.byKey[id.Key] {
		if e.ID.Contact == id.Contact {
			return e
		}
	}
	return nil
}

// match finds the binding that a contact of a REGISTER is: the very same, else the
// one refreshed last that RFC 3261 19.1.4 takes for the same.
func (r *Registrar) match(id ID) *entry {
	if e := r.find(id); e != nil {
		return e
	}
	for _, e := range r.byKey[id.Key] {
		if same(e.ID.Contact, id.Contact) {
			return e
		}
	}
	return nil
}

// live counts the bindings of k that have not ended.
func (r *Registrar) live(now time.Time, k Key) int {
	n := 0
	for _, e := range r.byKey[k] {
		if e.Expires.After(now) {
			n++
		}
	}
	return n
}

func (r *Registrar) put(b Binding) {
	e := &entry{Binding: b}
	r.byKey[b.Key] = slices.Insert(r.byKey[b.Key], 0, e)
	heap.Push(&r.ends, e)
	if c := b.Flow.Conn; c != 0 {
		r.byConn[c] = append(r.byConn[c], e)
	}
}

// refresh is drop and put of one binding that comes again by the same connection.
func (r *Registrar) refresh(e *entry, b Binding) {
	list := r.byKey[b.Key]
	i := slices.Index(list, e)
	copy(list[1:i+1], list[:i])
	list[0] = e
	e.Binding = b
	heap.Fix(&r.ends, e.at)
}

func (r *Registrar) drop(e *entry) {
	heap.Remove(&r.ends, e.at)
	if list := remove(r.byKey[e.Key], e); len(list) == 0 {
		delete(r.byKey, e.Key)
	} else {
		r.byKey[e.Key] = list
	}
	if c := e.Flow.Conn; c != 0 {
		if list := remove(r.byConn[c], e); len(list) == 0 {
			delete(r.byConn, c)
		} else {
			r.byConn[c] = list
		}
	}
}

func remove(list []*entry, e *entry) []*entry {
	if i := slices.Index(list, e); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// Contacts returns the live bindings of a device, the one refreshed last first.
// The slice is the caller's.
func (r *Registrar) Contacts(now time.Time, k Key) []Binding {
	list := r.byKey[k]
	if len(list) == 0 {
		return nil
	}
	out := make([]Binding, 0, len(list))
	for _, e := range list {
		if e.Expires.After(now) {
			out = append(out, e.Binding)
		}
	}
	return out
}

// NextDeadline is when Expire has work again; false: nothing is bound.
func (r *Registrar) NextDeadline() (time.Time, bool) {
	if len(r.ends) == 0 {
		return time.Time{}, false
	}
	return r.ends[0].Expires, true
}

// Expire drops what ended by now. down lists devices that lost their last binding.
func (r *Registrar) Expire(now time.Time) (deleted []ID, down []Key) {
	for len(r.ends) > 0 && !r.ends[0].Expires.After(now) {
		deleted, down = r.lose(r.ends[0], deleted, down)
	}
	return deleted, down
}

// ConnectionClosed drops the bindings that came by connection conn: nothing
// reaches the device that way any more (RFC 5626 5.3).
func (r *Registrar) ConnectionClosed(conn uint64) (deleted []ID, down []Key) {
	if conn == 0 {
		return nil, nil
	}
	for len(r.byConn[conn]) > 0 {
		deleted, down = r.lose(r.byConn[conn][0], deleted, down)
	}
	return deleted, down
}

// Remove drops one binding, gone or unknown to the registrar is no error. The
// results are as of Expire.
func (r *Registrar) Remove(id ID) (deleted []ID, down []Key) {
	if e := r.find(id); e != nil {
		return r.lose(e, nil, nil)
	}
	return nil, nil
}

// Get returns a binding that has not ended.
func (r *Registrar) Get(now time.Time, id ID) (Binding, bool) {
	e := r.find(id)
	if e == nil || !e.Expires.After(now) {
		return Binding{}, false
	}
	return e.Binding, true
}

func (r *Registrar) lose(e *entry, deleted []ID, down []Key) ([]ID, []Key) {
	r.drop(e)
	if len(r.byKey[e.Key]) == 0 {
		down = append(down, e.Key)
	}
	return append(deleted, e.ID), down
}

// Len is the number of bindings, ended ones that Expire did not see included.
func (r *Registrar) Len() int { return len(r.ends) }

// ends is a heap of bindings by their end.
type ends []*entry

func (h ends) Len() int           { return len(h) }
func (h ends) Less(i, j int) bool { return h[i].Expires.Before(h[j].Expires) }
func (h ends) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push is heap.Interface's.
func (h *ends) Push(x any) {
	e := x.(*entry)
	e.at = len(*h)
	*h = append(*h, e)
}

// Pop is heap.Interface's.
func (h *ends) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
