package acd

// firstAnnounce works out when a caller who joins now is told something first.
func (e *Engine) firstAnnounce(c *caller) {
	q := c.q
	c.due, c.dues = -1, nil
	if len(q.Announce) == 0 {
		if q.AnnounceFirst >= 0 {
			c.due = c.joined + int64(q.AnnounceFirst)
		}
		return
	}
	c.dues = make([]int64, len(q.Announce))
	for i, a := range q.Announce {
		c.dues[i] = -1
		if a.After >= 0 {
			c.dues[i] = c.joined + int64(a.After)
		}
	}
	c.nextDue()
}

// nextDue is the earliest of the items.
func (c *caller) nextDue() {
	c.due = -1
	for _, at := range c.dues {
		if at >= 0 && (c.due < 0 || at < c.due) {
			c.due = at
		}
	}
}

// told notes that a caller is told what is due now, and returns its items. The next
// time counts from now, not from when it was due: no burst after a stall, nor after a
// phone that rang.
func (e *Engine) told(c *caller) (items uint32) {
	again := func(every int64) int64 {
		if every <= 0 {
			return -1
		}
		return e.now + every
	}
	if c.dues == nil {
		c.due = again(int64(c.q.AnnounceEvery))
		return 0
	}
	for i, at := range c.dues {
		if at >= 0 && at <= e.now {
			items |= 1 << i
			c.dues[i] = again(int64(c.q.Announce[i].Every))
		}
	}
	c.nextDue()
	return items
}

// announceAnew gives a caller the times of a changed configuration. What would have
// been told before now is told an interval from now, or not at all.
func (e *Engine) announceAnew(c *caller) {
	if c.cb != nil {
		return // nobody is on the line
	}
	armed := c.announce.pos >= 0
	e.disarm(&c.announce)
	e.firstAnnounce(c)
	later := func(at, every int64) int64 {
		switch {
		case at < 0 || at >= e.now:
			return at
		case every > 0:
			return e.now + every
		}
		return -1
	}
	if c.dues == nil {
		c.due = later(c.due, int64(c.q.AnnounceEvery))
	} else {
		for i, at := range c.dues {
			c.dues[i] = later(at, int64(c.q.Announce[i].Every))
		}
		c.nextDue()
	}
	if c.due >= 0 && (armed || len(c.offers) == 0) {
		e.arm(&c.announce, c.due)
	}
}
