package store

import (
	"sync"

	"github.com/centrala/centrala/pkg/event"
)

// tailSize is how many events of the journal's end stay in memory: what a very
// busy node writes in a second. Who reads the journal a second behind the writer
// finds them here, decoded, at a hundredth of what reading the file costs.
const tailSize = 8192

// tail is the end of the journal as it was committed.
type tail struct {
	mu    sync.Mutex
	ring  []event.Event // by seq modulo tailSize
	first uint64        // oldest event kept; 0: none
	last  uint64        // newest event committed
	next  chan struct{} // closed by the next commit of events; nil: nobody waits
}

// begin notes what was committed before this process.
func (t *tail) begin(last uint64) { t.last = last }

// commit carries out do, which commits rows, and keeps them when it did. Who sees a
// row in the file finds it here: newest waits meanwhile.
func (t *tail) commit(rows []row, do func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := do(); err != nil {
		return err
	}
	t.add(rows)
	return nil
}

func (t *tail) add(rows []row) {
	if len(rows) == 0 {
		return
	}
	if t.ring == nil {
		t.ring, t.first = make([]event.Event, tailSize), rows[0].event.Seq
	}
	for i := range rows {
		e := rows[i].event
		t.ring[e.Seq%tailSize], t.last = e, e.Seq
	}
	if t.last >= t.first+tailSize {
		t.first = t.last - tailSize + 1
	}
	if t.next != nil {
		close(t.next)
		t.next = nil
	}
}

// committed is closed by the next commit of events.
func (t *tail) committed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		t.next = make(chan struct{})
	}
	return t.next
}

// since is what is kept from the event from on, at most n; false: some of it is not.
func (t *tail) since(from uint64, n int) ([]event.Event, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if from > t.last {
		return nil, true
	}
	if t.first == 0 || from < t.first {
		return nil, false
	}
	out := make([]event.Event, 0, min(n, int(t.last-from+1)))
	for seq := from; seq <= t.last && len(out) < n; seq++ {
		out = append(out, t.ring[seq%tailSize])
	}
	return out, true
}

// newest is the last event committed, 0 for none.
func (t *tail) newest() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// read is JournalOf for what is kept; false: some of it is not.
func (t *tail) read(tenant string, from, to uint64, n int, kinds []string) ([]event.Event, bool) {
	want := make(map[string]bool, len(kinds))
	for _, k := range kinds {
		want[k] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == 0 || from < t.first {
		return nil, false
	}
	var out []event.Event
	for seq := from; seq <= min(to, t.last) && len(out) < n; seq++ {
		if e := &t.ring[seq%tailSize]; (tenant == "" || e.Tenant == tenant) && want[e.Body.Kind()] {
			out = append(out, *e)
		}
	}
	return out, true
}
