package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

// A mirror is one tenant's live state for all the pages that show it: it is gathered
// once for all of them, at most every mirrorEvery, and what has changed is encoded once
// and sent to all. Pages hold what they were told and compute nothing. Its goroutine
// runs while anybody watches.

// Bounds of the mirrors.
const (
	mirrorEvery  = 250 * time.Millisecond // between two looks: a page is at most this and a commit behind
	mirrorRest   = time.Second            // a look without any event: figures, alarms
	mirrorOthers = time.Second            // agents hear of colleagues no more often
	mirrorKept   = 64                     // changes kept for who is slow; who is slower gets the whole
	mirrorBeat   = 5 * time.Second        // a page that hears nothing for longer is stale
	estimateStep = 5000                   // ms: estimates move all the time, and mean less than this
)

// LiveCall is a running call as pages of the whole tenant show it; calls of who asks
// come as in GET /calls.
type LiveCall struct {
	ID        string            `json:"id"`
	Direction event.Direction   `json:"direction"`
	From      string            `json:"from"`
	Display   string            `json:"display,omitempty"`
	To        string            `json:"to"`
	Queue     string            `json:"queue,omitempty"`
	Agent     string            `json:"agent,omitempty"`
	Device    string            `json:"device,omitempty"`
	Peer      string            `json:"peer,omitempty"`
	State     event.SegmentKind `json:"state,omitempty"` // the segment that runs
	Since     time.Time         `json:"since"`           // when it began
	Started   time.Time         `json:"started"`
	Answered  time.Time         `json:"answered,omitzero"`
}

func liveCall(c *cdr.Call) LiveCall {
	l := LiveCall{ID: c.ID, Direction: c.Direction, From: c.From, Display: c.Display, To: c.To, Queue: c.Queue, Agent: c.Agent, Device: c.Device, Peer: c.Peer,
		Since: c.Started, Started: c.Started, Answered: c.Answered}
	if n := len(c.Segments); n > 0 {
		s := c.Segments[n-1]
		l.State, l.Since = s.Kind, c.Started.Add(time.Duration(s.AtMs)*time.Millisecond)
	}
	return l
}

// mirrorRow is one queue, agent or call.
type mirrorRow struct {
	kind, name string
	json       []byte // as the whole tenant's pages have it; nil = gone
	public     []byte // of an agent: as colleagues have it
	call       *cdr.Call
	at         uint64 // the look at which it changed last
}

type mirror struct {
	view   LiveView
	tenant string
	ctx    context.Context
	end    context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	watchers int
	at       uint64 // number of the look; 0 = none yet
	head     mirrorHead
	rows     map[string]*mirrorRow
	queues   map[string][]string // of agents
	changes  [mirrorKept][]*mirrorRow
	shared   map[uint64][]byte // messages for the whole tenant's pages, by where they begin
	wake     chan struct{}
}

// mirrorHead is what every message has.
type mirrorHead struct {
	Seq        uint64          `json:"seq"`
	Now        time.Time       `json:"now"`
	RecentFrom time.Time       `json:"recent_from"`
	Alarms     json.RawMessage `json:"alarms"`
}

// mirrors are those that run.
type mirrors struct {
	mu sync.Mutex
	of map[string]*mirror
	wg sync.WaitGroup
}

// watch joins the tenant's mirror; leave it by unwatch.
func (m *mirrors) watch(ctx context.Context, v LiveView, tenant string) *mirror {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.of[tenant]
	if x == nil {
		if m.of == nil {
			m.of = map[string]*mirror{}
		}
		x = &mirror{view: v, tenant: tenant, rows: map[string]*mirrorRow{}, wake: make(chan struct{})}
		x.ctx, x.end = context.WithCancel(ctx)
		m.of[tenant] = x
		m.wg.Go(x.run)
	}
	x.watchers++
	return x
}

func (m *mirrors) unwatch(x *mirror) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x.watchers--; x.watchers == 0 {
		x.end()
		delete(m.of, x.tenant)
	}
}

func (m *mirror) run() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	wait := func(d time.Duration, or <-chan struct{}) bool {
		pause.Reset(d)
		select {
		case <-m.ctx.Done():
			return false
		case <-or:
			if !pause.Stop() {
				<-pause.C
			}
		case <-pause.C:
		}
		return true
	}
	for {
		changed := m.view.Changed()
		if l, err := m.view.Live(m.ctx, m.tenant); err == nil {
			m.take(&l)
		}
		if !wait(mirrorEvery, nil) || !wait(mirrorRest, changed) {
			return
		}
	}
}

// take compares a look with the one before.
func (m *mirror) take(l *Live) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.at + 1
	var changed []*mirrorRow
	seen := make(map[string]bool, len(m.rows))
	row := func(kind, name string) *mirrorRow {
		key := kind + "/" + name
		seen[key] = true
		r := m.rows[key]
		if r == nil {
			r = &mirrorRow{kind: kind, name: name}
			m.rows[key] = r
		}
		return r
	}
	put := func(r *mirrorRow, v any) {
		b, err := json.Marshal(v)
		if err == nil && !bytes.Equal(b, r.json) {
			r.json, r.at = b, now
			changed = append(changed, r)
		}
	}
	for i := range l.Queues {
		q := &l.Queues[i]
		for j := range q.Callers {
			if e := q.Callers[j].EstimateMs; e != nil {
				rounded := (*e + estimateStep - 1) / estimateStep * estimateStep
				q.Callers[j].EstimateMs = &rounded
			}
		}
		put(row("queues", q.Name), q)
	}
	m.queues = make(map[string][]string, len(l.Agents))
	for i := range l.Agents {
		a := &l.Agents[i]
		m.queues[a.Name] = a.Queues
		r := row("agents", a.Name)
		if put(r, a); r.at == now {
			r.public = r.json
			if len(a.Calls) > 0 {
				public := *a
				public.Calls = nil
				r.public, _ = json.Marshal(public)
			}
		}
	}
	for i := range l.Calls {
		c := &l.Calls[i]
		r := row("calls", c.ID)
		if r.call == nil || r.call.LastSeq != c.LastSeq {
			was := r.json
			r.call = c
			if put(r, liveCall(c)); bytes.Equal(was, r.json) { // more of it has changed than the tenant's pages show
				r.at = now
				changed = append(changed, r)
			}
		}
	}
	for key, r := range m.rows {
		if !seen[key] {
			r.json, r.public, r.at = nil, nil, now
			changed = append(changed, r)
			delete(m.rows, key)
		}
	}
	alarms, err := json.Marshal(l.Alarms)
	if err != nil || l.Alarms == nil {
		alarms = []byte("[]")
	}
	news := len(changed) > 0 || !bytes.Equal(alarms, m.head.Alarms) || m.at == 0
	m.head = mirrorHead{Seq: l.Seq, Now: l.Now, RecentFrom: l.RecentFrom, Alarms: alarms}
	if !news {
		return
	}
	m.at = now
	m.changes[now%mirrorKept] = changed
	m.shared = map[uint64][]byte{}
	close(m.wake)
	m.wake = make(chan struct{})
}

// since lists the rows that changed behind the look at, each once; whole says that
// these are all rows there are.
func (m *mirror) since(at uint64) (rows []*mirrorRow, whole bool) {
	if at == 0 || m.at-at >= mirrorKept {
		rows = make([]*mirrorRow, 0, len(m.rows))
		for _, r := range m.rows {
			rows = append(rows, r)
		}
		return rows, true
	}
	for n := at + 1; n <= m.at; n++ {
		for _, r := range m.changes[n%mirrorKept] {
			if r.at == n { // else it comes again later
				rows = append(rows, r)
			}
		}
	}
	return rows, false
}

// watcher is one page.
type watcher struct {
	m    *mirror
	p    *auth.Principal
	own  bool      // sees own things and colleagues' states alone
	at   uint64    // the look it has
	told time.Time // when colleagues were told last
}

// next is the message of what is new, nil when there is nothing yet; wake is closed
// when there may be. With force it comes whatever it says.
func (w *watcher) next(now time.Time, force bool) (message []byte, wake <-chan struct{}) {
	m := w.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == 0 || w.at == m.at && !force {
		return nil, m.wake
	}
	if w.own {
		rows, whole := m.since(w.at)
		if !whole && !force && now.Sub(w.told) < mirrorOthers && !slices.ContainsFunc(rows, w.mine) {
			return nil, m.wake
		}
		message, w.told = m.encode(rows, whole, w), now
	} else {
		from := w.at
		if message = m.shared[from]; message == nil || w.at == m.at {
			rows, whole := m.since(from)
			message = m.encode(rows, whole, nil)
			m.shared[from] = message
		}
		if rows, _ := m.since(from); slices.ContainsFunc(rows, w.ownCall) {
			message = append(slices.Clip(message), m.encodeRows(slices.DeleteFunc(slices.Clone(rows), func(r *mirrorRow) bool { return !w.ownCall(r) || r.json == nil }), w)...)
		}
	}
	w.at = m.at
	return message, m.wake
}

// ownCall: the row is a call that the page's user is part of.
func (w *watcher) ownCall(r *mirrorRow) bool { return r.call != nil && partOf(r.call, w.p) }

// mine: an agent's page does not wait with it.
func (w *watcher) mine(r *mirrorRow) bool {
	switch r.kind {
	case "agents":
		return r.name == w.p.Name
	case "queues":
		return slices.Contains(w.m.queues[w.p.Name], r.name)
	}
	return w.ownCall(r)
}

// encode makes a message of rows for a page; w = nil: for those of the whole tenant.
func (m *mirror) encode(rows []*mirrorRow, whole bool, w *watcher) []byte {
	kind := "patch"
	if whole {
		kind = "state"
	}
	return m.message(kind, m.head, rows, w)
}

func (m *mirror) encodeRows(rows []*mirrorRow, w *watcher) []byte {
	full := *w
	full.own = true
	return m.message("patch", m.head, rows, &full)
}

func (m *mirror) message(kind string, head mirrorHead, rows []*mirrorRow, w *watcher) []byte {
	lists := map[string][][]byte{}
	var gone []string
	for _, r := range rows {
		b := r.json
		if w != nil {
			switch {
			case r.kind == "agents" && r.name != w.p.Name:
				b = r.public
			case r.kind != "agents" && !w.mine(r) && !(r.kind == "queues" && r.json == nil):
				continue
			case r.kind == "calls" && r.json != nil:
				b, _ = json.Marshal(r.call.Running(head.Now))
			}
		}
		if b == nil {
			if m.rows[r.kind+"/"+r.name] == nil { // else it has come again
				gone = append(gone, r.kind+"/"+r.name)
			}
			continue
		}
		lists[r.kind] = append(lists[r.kind], b)
	}
	h, err := json.Marshal(head)
	if err != nil {
		h = []byte("{}")
	}
	out := make([]byte, 0, 1024)
	out = append(append(append(out, "event: "...), kind...), "\ndata: "...)
	out = append(out, h[:len(h)-1]...)
	for _, k := range []string{"queues", "agents", "calls"} {
		if len(lists[k]) == 0 {
			continue
		}
		out = append(strconv.AppendQuote(append(out, ','), k), ":["...)
		out = append(append(out, bytes.Join(lists[k], []byte{','})...), ']')
	}
	if len(gone) > 0 {
		g, _ := json.Marshal(gone)
		out = append(append(out, `,"gone":`...), g...)
	}
	return append(out, "}\n\n"...)
}

// liveStream sends the state and then what changes of it, until the listener goes, the
// session ends or the node stops.
func (h *HTTP) liveStream(w http.ResponseWriter, r *http.Request) {
	v, ok := h.app.(LiveView)
	if !ok {
		h.fail(w, r, ErrNotFound, nil)
		return
	}
	if _, err := v.Live(r.Context(), tenant(r)); err != nil { // no such company
		h.fail(w, r, err, nil)
		return
	}
	s, ok := h.openStream(w, r)
	if !ok {
		return
	}
	defer s.close()
	m := h.mirrors.watch(h.ending, v, tenant(r))
	defer h.mirrors.unwatch(m)
	page := watcher{m: m, p: auth.From(r.Context()), own: isOwn(r)}
	beat := time.NewTicker(mirrorBeat)
	defer beat.Stop()
	checked := time.Now()
	force := false
	for {
		message, wake := page.next(time.Now(), force)
		force = false
		if message != nil && (!s.write(message) || !s.flush()) {
			return
		}
		var others <-chan time.Time
		if page.own && message == nil { // colleagues' states are due in a while
			others = time.After(mirrorOthers)
		}
		select {
		case <-s.ctx.Done():
			return
		case <-wake:
		case <-others:
		case now := <-beat.C:
			force = true
			if now.Sub(checked) >= streamPing {
				if checked = now; !h.alive(page.p) {
					return
				}
			}
		}
	}
}

// eventStream is one answer of server-sent events.
type eventStream struct {
	ctx   context.Context
	write func([]byte) bool
	flush func() bool
	close func()
}

// openStream begins an answer of server-sent events, or refuses it.
func (h *HTTP) openStream(w http.ResponseWriter, r *http.Request) (*eventStream, bool) {
	p := auth.From(r.Context())
	who, most := p.Tenant+"/"+p.Name, streamsOfUser
	if p.Local || p.Session == "" {
		most = 10_000 // programs: one key may serve many wallboards
	}
	if !h.streams.enter(who, most) {
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusTooManyRequests, "too many streams of events", nil)
		return nil, false
	}
	ctx, cancel := context.WithCancel(r.Context())
	ended := context.AfterFunc(h.ending, cancel)
	out := http.NewResponseController(w)
	s := &eventStream{ctx: ctx,
		write: func(b []byte) bool {
			_ = out.SetWriteDeadline(time.Now().Add(streamWrite))
			_, err := w.Write(b)
			return err == nil
		},
		flush: func() bool { return out.Flush() == nil },
		close: func() {
			ended()
			cancel()
			h.streams.leave(who)
		}}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	_ = out.SetReadDeadline(time.Time{})
	if !s.write(fmt.Appendf(nil, "retry: 1000\n\n")) || !s.flush() {
		s.close()
		return nil, false
	}
	return s, true
}
