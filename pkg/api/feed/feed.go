// Package feed hands the journal's events to many listeners at once: each event is
// encoded once and shared, a listener is a place in a ring and holds no queue of its
// own. It knows nothing of HTTP, and nothing of who may see what: the listener's
// own filter says that. One goroutine follows the journal while anybody listens.
package feed

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

// Journal is what a Feed follows (pkg/store).
type Journal interface {
	// Committed is closed by the next commit; Newest is the last event's number.
	Committed() <-chan struct{}
	Newest() uint64
	// Since is what is in memory from an event on; false: look into Records.
	Since(from uint64, n int) ([]event.Event, bool)
	Records(ctx context.Context, tenant string, from, to uint64, n int) ([]event.Record, error)
	// Call is one call's record.
	Call(ctx context.Context, tenant, id string) (cdr.Call, error)
	// LiveCalls are the calls of all tenants that run.
	LiveCalls() []cdr.Call
}

// Frame is one event, encoded.
type Frame struct {
	Seq    uint64
	Tenant string
	CallID string
	Kind   string
	Agent  string // named in the event, "" = none
	Queue  string
	// Agents and Queues of the event's call, as far as it has come.
	Agents, Queues []string
	JSON           []byte // event.Record
	SSE            []byte // the message of a stream of server-sent events
}

// ringSize is how many events a listener may be behind before it reads the file: some
// seconds of a very busy node.
const ringSize = 16384

// MaxResume is how many events a listener may have missed; who missed more takes the
// state anew.
const MaxResume = 200_000

// Feed is the ring.
type Feed struct {
	journal Journal

	mu        sync.RWMutex
	ring      []*Frame
	first     uint64 // oldest in the ring, 0 = none
	last      uint64 // newest looked at
	wake      chan struct{}
	listeners int
	begin     chan struct{} // told when the first listener comes

	calls map[string]*about // runner only

	stop context.CancelFunc
	done chan struct{}
}

// about is what is known of a running call.
type about struct{ agents, queues []string }

// New makes a feed; Start follows the journal.
func New(j Journal) *Feed {
	return &Feed{journal: j, ring: make([]*Frame, ringSize), wake: make(chan struct{}), begin: make(chan struct{}, 1), calls: map[string]*about{}, done: make(chan struct{})}
}

// Start begins to follow.
func (f *Feed) Start() {
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go f.run(ctx)
}

// Stop ends it and waits.
func (f *Feed) Stop(context.Context) error {
	f.stop()
	<-f.done
	return nil
}

func (f *Feed) run(ctx context.Context) {
	defer close(f.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.begin:
		}
		f.follow(ctx)
	}
}

// follow works while anybody listens.
func (f *Feed) follow(ctx context.Context) {
	f.restart()
	for {
		committed := f.journal.Committed()
		f.mu.RLock()
		from, listeners := f.last+1, f.listeners
		f.mu.RUnlock()
		if listeners == 0 {
			return
		}
		events, ok := f.journal.Since(from, 1024)
		if !ok { // the tail has run past us: listeners find the gap in the file
			f.restart()
			continue
		}
		if len(events) > 0 {
			f.add(events)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-committed:
		}
	}
}

// restart begins anew at the journal's end. Listeners who stand before it are woken:
// they read the file up to here.
func (f *Feed) restart() {
	f.mu.Lock()
	f.first, f.last = 0, f.journal.Newest()
	close(f.wake)
	f.wake = make(chan struct{})
	f.mu.Unlock()
	f.calls = running(f.journal)
}

func running(j Journal) map[string]*about {
	calls := map[string]*about{}
	for _, c := range j.LiveCalls() {
		calls[c.ID] = aboutOf(&c)
	}
	return calls
}

func aboutOf(c *cdr.Call) *about {
	a := &about{}
	for _, s := range c.Segments {
		a.agents, a.queues = with(a.agents, s.Agent), with(a.queues, s.Queue)
	}
	a.agents, a.queues = with(a.agents, c.Agent), with(a.queues, c.Queue)
	return a
}

func (f *Feed) add(events []event.Event) {
	frames := make([]*Frame, 0, len(events))
	for _, e := range events {
		r, err := event.Encode(e)
		if err != nil {
			r = event.Record{Seq: e.Seq, At: e.At, Tenant: e.Tenant, CallID: e.CallID, Kind: e.Body.Kind(), Data: []byte("{}")}
		}
		frames = append(frames, f.frame(r))
	}
	f.mu.Lock()
	for _, fr := range frames {
		f.ring[fr.Seq%ringSize] = fr
		f.last = fr.Seq
		if f.first == 0 {
			f.first = fr.Seq
		}
	}
	if f.last >= f.first+ringSize {
		f.first = f.last - ringSize + 1
	}
	close(f.wake)
	f.wake = make(chan struct{})
	f.mu.Unlock()
}

// frame encodes a record of the running journal and notes what its call has come to.
func (f *Feed) frame(r event.Record) *Frame {
	fr := encode(r)
	if r.CallID == "" {
		return fr
	}
	note(f.calls, fr, &r)
	return fr
}

// note adds what the frame says to what is known of its call, and the other way round.
func note(calls map[string]*about, fr *Frame, r *event.Record) {
	a := calls[r.CallID]
	if a == nil {
		a = &about{}
		if r.Kind == (event.CallStarted{}).Kind() { // what comes behind a call's end opens nothing
			calls[r.CallID] = a
		}
	}
	a.add(fr)
	fr.Agents, fr.Queues = a.agents, a.queues
	if r.Kind == (event.CallEnded{}).Kind() {
		delete(calls, r.CallID)
	}
}

func (a *about) add(fr *Frame) {
	a.agents, a.queues = with(a.agents, fr.Agent), with(a.queues, fr.Queue)
}

// with is a copy of list with one more: frames share the older ones.
func with(list []string, s string) []string {
	if s == "" {
		return list
	}
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list[:len(list):len(list)], s)
}

// encode makes a frame of a record, without what its call has come to.
func encode(r event.Record) *Frame {
	var named struct {
		Agent string `json:"agent"`
		Queue string `json:"queue"`
	}
	_ = json.Unmarshal(r.Data, &named) // what names neither has neither
	fr := &Frame{Seq: r.Seq, Tenant: r.Tenant, CallID: r.CallID, Kind: r.Kind, Agent: named.Agent, Queue: named.Queue}
	var err error
	if fr.JSON, err = json.Marshal(r); err != nil {
		fr.JSON = []byte("{}")
	}
	// JSON has no line end, so one data line is all (HTML Living Standard 9.2.5).
	b := make([]byte, 0, len(fr.JSON)+64)
	b = append(b, "id: "...)
	b = strconv.AppendUint(b, r.Seq, 10)
	b = append(append(b, "\nevent: "...), r.Kind...)
	b = append(append(append(b, "\ndata: "...), fr.JSON...), "\n\n"...)
	fr.SSE = b
	return fr
}

// Listener is one place in the feed.
type Listener struct {
	f      *Feed
	tenant string
	at     uint64 // the last one given
	calls  map[string]*about
}

// Listen takes a place behind the event after; 0 = from now on. Close it.
func (f *Feed) Listen(tenant string, after uint64) *Listener {
	f.mu.Lock()
	f.listeners++
	first := f.listeners == 1
	f.mu.Unlock()
	if first {
		select {
		case f.begin <- struct{}{}:
		default:
		}
	}
	if after == 0 {
		after = f.journal.Newest()
	}
	return &Listener{f: f, tenant: tenant, at: after}
}

// Close gives the place back.
func (l *Listener) Close() {
	l.f.mu.Lock()
	l.f.listeners--
	l.f.mu.Unlock()
}

// At is the number of the last event that was looked at.
func (l *Listener) At() uint64 { return l.at }

// Behind tells whether more was missed than is made up for.
func (l *Listener) Behind() bool {
	n := l.f.journal.Newest()
	return n > l.at && n-l.at > MaxResume || l.at > n
}

// Skip goes on with what comes from now on.
func (l *Listener) Skip() { l.at = l.f.journal.Newest() }

// batch is how many events are looked at before a listener lets others go first.
const batch = 512

// Next returns what came, those frames that match, or after a while nothing. It
// reads the file where the ring does not reach back.
func (l *Listener) Next(ctx context.Context, wait time.Duration, match func(*Frame) bool) ([]*Frame, error) {
	f := l.f
	f.mu.RLock()
	wake, first, last := f.wake, f.first, f.last
	newest := last
	var out []*Frame
	switch {
	case l.at >= last:
	case first != 0 && l.at+1 >= first:
		to := min(last, l.at+batch)
		for seq := l.at + 1; seq <= to; seq++ {
			if fr := f.ring[seq%ringSize]; fr.Tenant == l.tenant && match(fr) {
				out = append(out, fr)
			}
		}
		l.at = to
		f.mu.RUnlock()
		return out, nil
	default:
		if first != 0 {
			newest = first - 1
		}
		f.mu.RUnlock()
		return l.fromFile(ctx, newest, match)
	}
	f.mu.RUnlock()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wake:
	case <-t.C:
	}
	return nil, nil
}

func (l *Listener) fromFile(ctx context.Context, to uint64, match func(*Frame) bool) ([]*Frame, error) {
	records, err := l.f.journal.Records(ctx, l.tenant, l.at+1, to, batch)
	if err != nil {
		return nil, err
	}
	if l.calls == nil {
		l.calls = running(l.f.journal)
	}
	var out []*Frame
	for _, r := range records {
		fr := encode(r)
		if r.CallID != "" {
			if l.calls[r.CallID] == nil && r.Kind != (event.CallStarted{}).Kind() { // it ended meanwhile: whose it was, its record says
				if c, err := l.f.journal.Call(ctx, l.tenant, r.CallID); err == nil {
					l.calls[r.CallID] = aboutOf(&c)
				}
			}
			note(l.calls, fr, &r)
		}
		if match(fr) {
			out = append(out, fr)
		}
		l.at = r.Seq
	}
	if len(records) < batch {
		l.at, l.calls = to, nil
	}
	return out, nil
}
