package acd

// line is everybody in one queue in serving order (waiting or being offered):
// a treap with parent links and subtree sizes, so that joining, leaving and
// "which position am I" cost O(log n). The balance is drawn from each caller's
// number, not from chance: the same input builds the same tree.
type line struct{ root *caller }

// node is the caller's place in the line.
type node struct {
	parent, left, right *caller
	size                int
	weight              uint64
}

// scatter is splitmix64's finaliser: neighbours get unrelated weights.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (l *line) len() int { return size(l.root) }

func size(c *caller) int {
	if c == nil {
		return 0
	}
	return c.node.size
}

func (l *line) insert(c *caller) {
	c.node = node{size: 1, weight: scatter(c.seq)}
	if l.root == nil {
		l.root = c
		return
	}
	p := l.root
	for {
		p.node.size++
		if c.before(p) {
			if p.node.left == nil {
				p.node.left = c
				break
			}
			p = p.node.left
		} else {
			if p.node.right == nil {
				p.node.right = c
				break
			}
			p = p.node.right
		}
	}
	c.node.parent = p
	for c.node.parent != nil && c.node.weight > c.node.parent.node.weight {
		l.rotateUp(c)
	}
}

func (l *line) remove(c *caller) {
	for c.node.left != nil || c.node.right != nil {
		up := c.node.left
		if up == nil || (c.node.right != nil && c.node.right.node.weight > up.node.weight) {
			up = c.node.right
		}
		l.rotateUp(up)
	}
	p := c.node.parent
	switch {
	case p == nil:
		l.root = nil
	case p.node.left == c:
		p.node.left = nil
	default:
		p.node.right = nil
	}
	for ; p != nil; p = p.node.parent {
		p.node.size--
	}
	c.node = node{}
}

// rotateUp lifts c over its parent.
func (l *line) rotateUp(c *caller) {
	p := c.node.parent
	g := p.node.parent
	if p.node.left == c {
		p.node.left = c.node.right
		if c.node.right != nil {
			c.node.right.node.parent = p
		}
		c.node.right = p
	} else {
		p.node.right = c.node.left
		if c.node.left != nil {
			c.node.left.node.parent = p
		}
		c.node.left = p
	}
	p.node.parent, c.node.parent = c, g
	switch {
	case g == nil:
		l.root = c
	case g.node.left == p:
		g.node.left = c
	default:
		g.node.right = c
	}
	c.node.size = p.node.size
	p.node.size = 1 + size(p.node.left) + size(p.node.right)
}

// position of c; 1 is next.
func (l *line) position(c *caller) int {
	n := size(c.node.left) + 1
	for p := c.node.parent; p != nil; c, p = p, p.node.parent {
		if p.node.right == c {
			n += size(p.node.left) + 1
		}
	}
	return n
}

// first and next walk the line in order.
func (l *line) first() *caller {
	c := l.root
	for c != nil && c.node.left != nil {
		c = c.node.left
	}
	return c
}

func (l *line) next(c *caller) *caller {
	if c.node.right != nil {
		c = c.node.right
		for c.node.left != nil {
			c = c.node.left
		}
		return c
	}
	for p := c.node.parent; p != nil; c, p = p, p.node.parent {
		if p.node.left == c {
			return p
		}
	}
	return nil
}
