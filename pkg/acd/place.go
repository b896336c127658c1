package acd

import "time"

// places are those of callers who were cut off: who calls again in time gets the
// old one. Each is given once. Bounded: the oldest are forgotten first.
type places struct {
	kept  map[placeKey]place
	order []keptAt // as kept; one kept again stands there twice
}

type placeKey struct{ queue, key string }

type keptAt struct {
	key placeKey
	seq uint64
}

type place struct {
	callID   string
	arrived  int64
	seq      uint64
	priority int
	left     int64
}

const (
	// DefaultKeepPlace is Queue.KeepPlace unless it says otherwise.
	DefaultKeepPlace = time.Minute
	maxPlaces        = 50_000
)

func (p *places) put(k placeKey, at place) {
	if p.kept == nil {
		p.kept = map[placeKey]place{}
	}
	p.kept[k] = at
	p.order = append(p.order, keptAt{k, at.seq})
	for len(p.kept) > maxPlaces || len(p.order) > 2*maxPlaces {
		old := p.order[0]
		if p.kept[old.key].seq == old.seq {
			delete(p.kept, old.key)
		}
		p.order[0], p.order = keptAt{}, p.order[1:]
	}
}

// take gives a place and forgets it.
func (p *places) take(k placeKey) (place, bool) {
	at, ok := p.kept[k]
	if ok {
		delete(p.kept, k)
	}
	return at, ok
}

func (q *queue) keepPlace() int64 {
	if q.KeepPlace == 0 {
		return int64(DefaultKeepPlace)
	}
	return int64(max(q.KeepPlace, 0))
}

// keepPlace remembers where somebody stood who is cut off.
func (e *Engine) keepPlace(c *caller, outcome string) {
	if c.returns == "" || c.q.keepPlace() == 0 || outcome != LeftAbandoned && outcome != LeftError {
		return
	}
	e.places.put(placeKey{c.q.Name, c.returns}, place{c.callID, c.arrived, c.seq, c.priority, e.now})
}

// KeptPlace is the place of a caller whom the end of a process cut off.
type KeptPlace struct {
	Queue, Returns, CallID string // as Enter's
	Priority               int    // the call's own
	Arrived, Left          time.Time
}

// keepPlaces takes in what a process before this one would have kept.
func (e *Engine) keepPlaces(ev KeepPlaces) {
	for _, p := range ev.Places {
		if p.Returns == "" || e.byQueue[p.Queue] == nil {
			continue
		}
		e.seq++
		left := min(e.now, int64(p.Left.Sub(e.epoch)))
		e.places.put(placeKey{p.Queue, p.Returns}, place{p.CallID, min(left, int64(p.Arrived.Sub(e.epoch))), e.seq, p.Priority, left})
	}
}

// oldPlace gives a caller who calls again the place of before: the arrival, the
// priority if it was higher, and the number among equals. It returns the earlier
// call and the time that it had waited when it was cut off, "" for nobody.
func (e *Engine) oldPlace(c *caller) (callID string, waited time.Duration) {
	if c.returns == "" {
		return "", 0
	}
	at, ok := e.places.take(placeKey{c.q.Name, c.returns})
	if !ok || e.now-at.left > c.q.keepPlace() {
		return "", 0
	}
	c.priority = max(c.priority, at.priority)
	if at.arrived <= c.arrived {
		c.arrived, c.seq = at.arrived, at.seq
	}
	return at.callID, duration(at.left - at.arrived)
}
