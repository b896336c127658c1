package acd

// pq is a binary heap that tells each item where it sits, so that any item can
// be taken out in O(log n). less must be a strict total order: then the order
// of equal-looking items never depends on the heap's history.
type pq[T any] struct {
	items []T
	less  func(a, b T) bool
	moved func(item T, at int) // at is -1 when the item is out
}

func (h *pq[T]) len() int { return len(h.items) }

func (h *pq[T]) push(x T) {
	h.items = append(h.items, x)
	h.up(len(h.items) - 1)
}

// remove takes out the item at i.
func (h *pq[T]) remove(i int) {
	last := len(h.items) - 1
	gone := h.items[i]
	h.items[i] = h.items[last]
	var zero T
	h.items[last] = zero
	h.items = h.items[:last]
	if i < last {
		h.fix(i)
	}
	h.moved(gone, -1)
}

// build restores the order of all items after any of them have changed.
func (h *pq[T]) build() {
	for i := len(h.items)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

// fix restores the order after the item at i has changed.
func (h *pq[T]) fix(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

func (h *pq[T]) up(i int) {
	x := h.items[i]
	for i > 0 {
		p := (i - 1) / 2
		if !h.less(x, h.items[p]) {
			break
		}
		h.items[i] = h.items[p]
		h.moved(h.items[i], i)
		i = p
	}
	h.items[i] = x
	h.moved(x, i)
}

// down reports whether the item moved.
func (h *pq[T]) down(start int) bool {
	i, n := start, len(h.items)
	x := h.items[i]
	for {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && h.less(h.items[c+1], h.items[c]) {
			c++
		}
		if !h.less(h.items[c], x) {
			break
		}
		h.items[i] = h.items[c]
		h.moved(h.items[i], i)
		i = c
	}
	h.items[i] = x
	h.moved(x, i)
	return i != start
}

// timer is one deadline inside the engine; it belongs to a caller or an agent.
type timer struct {
	at   int64 // ns since the engine's epoch
	pos  int32 // among the engine's timers; -1 = not armed
	kind timerKind
	c    *caller
	a    *agentRec
}

type timerKind uint8

const (
	timerAgent    timerKind = iota // the agent's state should pass
	timerLease                     // the agent's presence is not renewed
	timerLimit                     // the caller's max wait
	timerAnnounce                  // the caller's next position
	timerWiden                     // the caller's need relaxes, or a wait for one agent ends
	timerMore                      // one more phone for the caller
	timerLook                      // the caller's rules of overflow
	timerCallback                  // the callback's state should pass
)

func (t *timer) moved(at int) { t.pos = int32(at) }

// arm sets or moves t; disarm takes it out. Of equal times the one armed first
// comes first.
func (e *Engine) arm(t *timer, at int64) {
	e.seq++
	t.at = at
	s := slot[*timer]{key: at, seq: e.seq, x: t}
	if t.pos < 0 {
		e.timers.push(s)
		return
	}
	e.timers.items[t.pos] = s
	e.timers.fix(int(t.pos))
}

func (e *Engine) disarm(t *timer) {
	if t.pos >= 0 {
		e.timers.remove(int(t.pos))
	}
}

// due is the first timer whose time has come, nil when there is none.
func (e *Engine) due() *timer {
	if len(e.timers.items) == 0 || e.timers.items[0].key > e.now {
		return nil
	}
	return e.timers.items[0].x
}
