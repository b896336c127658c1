package acd

// ladder is a heap of four children a node whose slots carry what they are ordered
// by: to find the first of a hundred thousand touches the slots alone, not what they
// stand for, which is somewhere else in memory. Any item can be taken out in
// O(log n). No two slots are equal (seq differs), so the order never depends on the
// ladder's history.
type ladder[T placed] struct{ items []slot[T] }

// placed is told where its slot is; -1 when it is out.
type placed interface{ moved(at int) }

// slot is one item: lower first by lead, then key, then seq.
type slot[T placed] struct {
	lead, key int64
	seq       uint64
	x         T
}

func (a *slot[T]) before(b *slot[T]) bool {
	if a.lead != b.lead {
		return a.lead < b.lead
	}
	if a.key != b.key {
		return a.key < b.key
	}
	return a.seq < b.seq
}

const ladderWidth = 4

func (h *ladder[T]) len() int { return len(h.items) }

func (h *ladder[T]) push(s slot[T]) {
	h.items = append(h.items, s)
	h.up(len(h.items) - 1)
}

// remove takes out the item at i.
func (h *ladder[T]) remove(i int) {
	last := len(h.items) - 1
	gone := h.items[i].x
	h.items[i] = h.items[last]
	h.items[last] = slot[T]{}
	h.items = h.items[:last]
	if i < last {
		h.fix(i)
	}
	gone.moved(-1)
}

// build restores the order of all items after any slots have changed.
func (h *ladder[T]) build() {
	for i := (len(h.items) - 2) / ladderWidth; i >= 0; i-- {
		h.down(i)
	}
}

// fix restores the order after the slot at i has changed.
func (h *ladder[T]) fix(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

func (h *ladder[T]) up(i int) {
	s := h.items[i]
	for i > 0 {
		p := (i - 1) / ladderWidth
		if !s.before(&h.items[p]) {
			break
		}
		h.items[i] = h.items[p]
		h.items[i].x.moved(i)
		i = p
	}
	h.items[i] = s
	s.x.moved(i)
}

// down reports whether the item moved.
func (h *ladder[T]) down(start int) bool {
	i, n := start, len(h.items)
	if n == 0 {
		return false
	}
	s := h.items[i]
	for {
		first := ladderWidth*i + 1
		if first >= n {
			break
		}
		c := first
		for k := first + 1; k < min(first+ladderWidth, n); k++ {
			if h.items[k].before(&h.items[c]) {
				c = k
			}
		}
		if !h.items[c].before(&s) {
			break
		}
		h.items[i] = h.items[c]
		h.items[i].x.moved(i)
		i = c
	}
	h.items[i] = s
	s.x.moved(i)
	return i != start
}

// inOrder tells whether the slot at i stands behind its parent: for the auditor.
func (h *ladder[T]) inOrder(i int) bool {
	return i == 0 || h.items[(i-1)/ladderWidth].before(&h.items[i])
}

// crowd is callers in the order in which they are served.
type crowd = ladder[*caller]

func (c *caller) moved(at int) { c.pos = at }

func (c *caller) slot() slot[*caller] { return slot[*caller]{-int64(c.strict), c.key, c.seq, c} }
