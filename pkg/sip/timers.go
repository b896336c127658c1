package sip

import "time"

// timer is one deadline of a transaction or dialog, kept inside it so that
// setting it allocates nothing. Owner only.
type timer struct {
	when  int64 // ns on the shard's clock
	index int32 // place in the heap plus one; 0: not running
	kind  uint8 // which timer of its owner
	tx    *tx
	d     *Dialog
}

// Kinds of a transaction's timers; a dialog's are dialog.Timer values.
const (
	timerRetransmit uint8 = iota
	timerDeadline
)

// timerHeap is a 4-ary heap of the shard's deadlines: a busy node has tens of
// thousands, nearly all of which (timer J, L) only wait for their end.
type timerHeap []*timer

func (h *timerHeap) set(t *timer, when int64) {
	if t.index == 0 {
		*h = append(*h, t)
		t.index = int32(len(*h))
		t.when = when
		h.up(len(*h) - 1)
		return
	}
	old := t.when
	t.when = when
	if when < old {
		h.up(int(t.index) - 1)
	} else {
		h.down(int(t.index) - 1)
	}
}

func (h *timerHeap) stop(t *timer) {
	if t.index == 0 {
		return
	}
	i, last := int(t.index)-1, len(*h)-1
	t.index = 0
	moved := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	if i == last {
		return
	}
	(*h)[i] = moved
	moved.index = int32(i + 1)
	h.up(i)
	h.down(int(moved.index) - 1)
}

func (h timerHeap) up(i int) {
	t := h[i]
	for i > 0 {
		p := (i - 1) / 4
		if h[p].when <= t.when {
			break
		}
		h[i] = h[p]
		h[i].index = int32(i + 1)
		i = p
	}
	h[i] = t
	t.index = int32(i + 1)
}

func (h timerHeap) down(i int) {
	t := h[i]
	for {
		c := 4*i + 1
		if c >= len(h) {
			break
		}
		best := c
		for j := c + 1; j < min(c+4, len(h)); j++ {
			if h[j].when < h[best].when {
				best = j
			}
		}
		if h[best].when >= t.when {
			break
		}
		h[i] = h[best]
		h[i].index = int32(i + 1)
		i = best
	}
	h[i] = t
	t.index = int32(i + 1)
}

// clock turns times into the heap's numbers.
func (sh *shard) at(d time.Duration) int64 { return int64(sh.now.Sub(sh.epoch) + d) }

// later is at, up to 1/64 of d later: for what only waits to be forgotten, of which
// many then end at one ring of the clock.
func (sh *shard) later(d time.Duration) int64 {
	when, grid := sh.at(d), int64(d/64)+1
	return when + grid - 1 - (when+grid-1)%grid
}
