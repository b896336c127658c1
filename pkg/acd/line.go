package acd

import "sort"

// line is everybody in one queue in serving order (waiting or being offered): a
// B-tree that counts, so that joining, leaving and "which position am I" cost
// O(log n), and touch few places in memory.
type line struct {
	root *knot // nil until the first came
	n    int
}

// lineFan bounds the slots of a knot: a kilobyte of them.
const lineFan = 32

// knot is a leaf, whose slots are callers, or a fork, whose slots are lower bounds of
// its kids. No knot is empty but a root that is a leaf.
type knot struct {
	up    *knot
	at    int // place in up
	n     int // slots in use
	slots [lineFan]slot[*caller]
	fork  *fork // nil for a leaf
}

type fork struct {
	kids  [lineFan]*knot
	count [lineFan]int // callers under each
}

func (l *line) len() int { return l.n }

// find is the first slot of k that does not stand before s.
func (k *knot) find(s *slot[*caller]) int {
	return sort.Search(k.n, func(i int) bool { return !k.slots[i].before(s) })
}

func (l *line) insert(c *caller) {
	s := c.slot()
	if l.root == nil {
		l.root = &knot{}
	}
	l.n++
	k := l.root
	for k.fork != nil {
		// The last kid whose bound is not behind s; before the first bound it is the first.
		i := max(sort.Search(k.n, func(i int) bool { return s.before(&k.slots[i]) })-1, 0)
		k.fork.count[i]++
		k = k.fork.kids[i]
	}
	k.put(k.find(&s), s, nil, 0)
	c.leaf = k
	for k.n == lineFan {
		k = l.split(k)
	}
}

// put makes room at i for a slot, in a fork with its kid.
func (k *knot) put(i int, s slot[*caller], kid *knot, count int) {
	copy(k.slots[i+1:k.n+1], k.slots[i:k.n])
	k.slots[i] = s
	k.n++
	if f := k.fork; f != nil {
		copy(f.kids[i+1:k.n], f.kids[i:k.n-1])
		copy(f.count[i+1:k.n], f.count[i:k.n-1])
		f.kids[i], f.count[i] = kid, count
		kid.up = k
		for ; i < k.n; i++ {
			f.kids[i].at = i
		}
	}
}

// take closes the gap at i.
func (k *knot) take(i int) {
	copy(k.slots[i:], k.slots[i+1:k.n])
	k.n--
	k.slots[k.n] = slot[*caller]{}
	if f := k.fork; f != nil {
		copy(f.kids[i:], f.kids[i+1:k.n+1])
		copy(f.count[i:], f.count[i+1:k.n+1])
		f.kids[k.n], f.count[k.n] = nil, 0
		for ; i < k.n; i++ {
			f.kids[i].at = i
		}
	}
}

// split gives the upper half of a full knot to a new one beside it, and returns the
// one above both.
func (l *line) split(k *knot) *knot {
	right, half, moved := &knot{}, k.n/2, 0
	right.n = copy(right.slots[:], k.slots[half:k.n])
	clear(k.slots[half:k.n])
	if f := k.fork; f != nil {
		right.fork = &fork{}
		copy(right.fork.kids[:], f.kids[half:k.n])
		copy(right.fork.count[:], f.count[half:k.n])
		clear(f.kids[half:k.n])
		clear(f.count[half:k.n])
		for i, kid := range right.fork.kids[:right.n] {
			kid.up, kid.at = right, i
			moved += right.fork.count[i]
		}
	} else {
		moved = right.n
		for i := range right.slots[:right.n] {
			right.slots[i].x.leaf = right
		}
	}
	k.n = half
	up := k.up
	if up == nil {
		up = &knot{fork: &fork{}}
		l.root = up
		up.put(0, k.bound(), k, l.n)
	}
	up.fork.count[k.at] -= moved
	up.put(k.at+1, right.bound(), right, moved)
	return up
}

// bound is a lower bound of a knot's slots. It holds no caller.
func (k *knot) bound() slot[*caller] {
	s := k.slots[0]
	s.x = nil
	return s
}

// index is where c stands in its leaf. Keys alone do not tell when an auditor asks.
func (c *caller) index() int {
	s, k := c.slot(), c.leaf
	if i := k.find(&s); i < k.n && k.slots[i].x == c {
		return i
	}
	for i := range k.slots[:k.n] {
		if k.slots[i].x == c {
			return i
		}
	}
	return -1
}

func (l *line) remove(c *caller) {
	k, i := c.leaf, c.index()
	if i < 0 {
		return
	}
	c.leaf = nil
	l.n--
	k.take(i)
	for at, up := k.at, k.up; up != nil; at, up = up.at, up.up {
		up.fork.count[at]--
	}
	for k.n == 0 && k.up != nil {
		up := k.up
		up.take(k.at)
		k = up
	}
	if l.n == 0 {
		if l.root.fork != nil {
			l.root = &knot{}
		}
		return
	}
	for l.root.fork != nil && l.root.n == 1 {
		l.root = l.root.fork.kids[0]
		l.root.up, l.root.at = nil, 0
	}
}

// position of c; 1 is next.
func (l *line) position(c *caller) int {
	n := c.index() + 1
	for at, up := c.leaf.at, c.leaf.up; up != nil; at, up = up.at, up.up {
		for _, under := range up.fork.count[:at] {
			n += under
		}
	}
	return n
}

// first and next walk the line in order; nil is the end.
func (l *line) first() *caller {
	if l.n == 0 {
		return nil
	}
	return l.root.first()
}

func (k *knot) first() *caller {
	for k.fork != nil {
		k = k.fork.kids[0]
	}
	return k.slots[0].x
}

func (l *line) next(c *caller) *caller {
	k := c.leaf
	if i := c.index() + 1; i < k.n {
		return k.slots[i].x
	}
	for ; k.up != nil; k = k.up {
		if k.at+1 < k.up.n {
			return k.up.fork.kids[k.at+1].first()
		}
	}
	return nil
}
