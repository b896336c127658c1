package session

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/port"
)

// route brings a leg's commands to the worker it lives on. While the leg moves,
// or waits for another that does, commands are held and follow in their order:
// in a worker's mailbox nothing of a leg stands behind its first turn.
type route struct {
	mu    sync.Mutex
	home  *worker // whose mailbox takes the commands
	group uint64
	hold  bool // a turn is under way: commands go into held
	held  []command
}

// command is a plain command or a turn: move and meet decide where those behind
// them are carried out.
type command struct {
	run  func(now time.Time)
	move *worker
	meet *meeting
}

func (c *command) isTurn() bool { return c.move != nil || c.meet != nil }

// meeting is a Bridge of legs of which one has turns before it: both come to it in
// the order of their own commands, and the second carries it out.
type meeting struct {
	l, peer *Leg

	mu    sync.Mutex
	first *Leg // has come and waits
	void  bool
}

// submit queues a command; false when the leg's worker has ended or dropped it.
func (l *Leg) submit(c command, must bool) (*worker, bool) {
	l.route.mu.Lock()
	home, ok := l.route.home, l.queue(c, must)
	l.route.mu.Unlock()
	home.serve()
	return home, ok
}

// queue is submit with the route locked; serve must follow behind it.
func (l *Leg) queue(c command, must bool) bool {
	r := &l.route
	if r.hold {
		if len(r.held) >= maxMailbox && !must {
			r.home.dropped.Add(1)
			return false
		}
		r.held = append(r.held, c)
		return true
	}
	if !c.isTurn() {
		_, ok := r.home.put(c.run, must)
		return ok
	}
	if _, ok := r.home.put(func(now time.Time) {
		if l.turn(now, c) {
			l.settle(now)
		}
	}, true); !ok {
		return false
	}
	r.hold = true
	return true
}

// post queues f unless the leg is closed by then.
func (l *Leg) post(f func(now time.Time)) {
	l.submit(command{run: func(now time.Time) {
		if !l.closed {
			l.pull()
			f(now)
		}
	}}, false)
}

// do runs f on the leg's worker, or here when that has ended: nobody else touches
// the leg any more.
func (l *Leg) do(f func(now time.Time)) {
	run := func(now time.Time) {
		l.pull()
		f(now)
	}
	if w, ok := l.submit(command{run: run}, true); !ok {
		<-w.done
		run(time.Now())
	}
}

// Move takes the leg to group's worker, where it can be bridged with that group's
// legs. It is parted from its bridge or conference. All else stays: its line, what
// plays or echoes, its recording, what was learnt of the peer; packets that come
// meanwhile wait in the system and are taken in order, and commands posted behind
// Move are carried out after it. Its Sink is called on the new worker from then on.
func (l *Leg) Move(group uint64) {
	r := &l.route
	r.mu.Lock()
	l.moveLocked(group)
	home := r.home
	r.mu.Unlock()
	home.serve()
}

func (l *Leg) moveLocked(group uint64) {
	if group != l.route.group && l.queue(command{move: l.e.worker(group)}, true) {
		l.route.group = group
	}
}

// meet posts a Bridge to both legs at once, so that all legs have all meetings in
// one order and none waits for another in a circle.
func meet(l, peer *Leg) {
	m := &meeting{l: l, peer: peer}
	alone, homes := m.post()
	if alone != nil {
		alone.wake()
	}
	for _, w := range homes {
		w.serve()
	}
}

// post gives the meeting to both; alone is one who has come already and whom
// nobody will meet. homes have to be served.
func (m *meeting) post() (alone *Leg, homes [2]*worker) {
	l, peer := m.l, m.peer
	first, second := l, peer
	if first.id > second.id {
		first, second = second, first
	}
	first.route.mu.Lock()
	defer first.route.mu.Unlock()
	second.route.mu.Lock()
	defer second.route.mu.Unlock()
	homes = [2]*worker{l.route.home, peer.route.home}
	if a, b := &l.route, &peer.route; !a.hold && !b.hold && a.home == b.home {
		a.home.put(func(time.Time) { l.bridge(peer) }, false)
		return nil, homes
	}
	if !l.queue(command{meet: m}, true) || peer.queue(command{meet: m}, true) {
		return nil, homes // both will come, or l's worker has ended and all is over
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.void = true
	return m.first, homes
}

// turn carries out a move or a meeting. It is false when the leg must not be
// touched any more here: it lives elsewhere or waits.
func (l *Leg) turn(now time.Time, c command) bool {
	if c.meet != nil {
		return l.come(now, c.meet)
	}
	if l.closed {
		return true
	}
	echo := l.peer == l
	if !echo {
		l.part()
	}
	if c.move == l.w {
		return true
	}
	from, was := l.w, l.leave()
	if c.move.post(func(now time.Time) { l.arrive(c.move, was, now) }, true) {
		return false
	}
	// The other worker has ended, so this one is about to: it will close the leg.
	l.arrive(from, was, now)
	return false // arrive has settled it
}

// phase is where a leg stood in the ticks of the worker it left.
type phase struct {
	slot int // -1 = nowhere
	next time.Time
}

// leave takes the leg from its worker.
func (l *Leg) leave() (was phase) {
	w := l.w
	l.at.Store(nil)
	l.pull()
	l.reports.countLost(l)
	was.slot = l.slot
	if l.slot >= 0 {
		was.next = w.slots[l.slot].next
		w.deactivate(l)
	}
	for _, s := range []*port.Socket{l.rtpSocket, l.rtcpSocket} {
		if s != nil {
			w.loop.Release(s)
		}
	}
	l.unlist()
	return was
}

// arrive is the first command on the new worker.
func (l *Leg) arrive(w *worker, was phase, now time.Time) {
	l.settleOn(w, now)
	if was.slot >= 0 {
		// The same phase, so that the frames keep their distance; the grids of all
		// workers hang on one clock, but one may be a tick ahead of the other.
		w.activateIn(was.slot, l, now)
		ticks := int(w.slots[was.slot].next.Sub(was.next).Round(media.FrameDuration) / media.FrameDuration)
		if ticks > 0 {
			l.tick(now, ticks)
		} else {
			l.skip -= ticks
		}
	}
	l.settle(now)
}

// come is a meeting's turn on one of its legs; false = wait.
func (l *Leg) come(now time.Time, m *meeting) bool {
	m.mu.Lock()
	if m.void {
		m.mu.Unlock()
		return true
	}
	other := m.first
	if other == nil {
		m.first = l
		m.mu.Unlock()
		return false
	}
	m.mu.Unlock()
	// other waits: its worker does not change.
	if other.w != l.w {
		if !l.closed {
			l.e.log.Error("legs of different groups cannot be bridged", zap.Stringer("leg", m.l.addr), zap.Stringer("peer", m.peer.addr))
		}
		other.wake()
		return true
	}
	m.l.bridge(m.peer)
	other.settle(now)
	return true
}

// wake settles a leg that waits, from another goroutine.
func (l *Leg) wake() {
	if w := l.route.home; !w.post(l.settle, true) {
		<-w.done // it has ended: this takes no time
		l.settle(time.Now())
	}
}

// settle carries out what was held back while the leg was under way, up to its
// next turn. From then on home takes its commands.
func (l *Leg) settle(now time.Time) {
	r := &l.route
	for {
		r.mu.Lock()
		r.home = l.w
		n := 0
		for n < len(r.held) && !r.held[n].isTurn() {
			n++
		}
		batch, rest := r.held[:n], r.held[n:]
		r.held = nil
		r.hold = len(rest) > 0
		var next command
		if r.hold {
			next, r.held = rest[0], append(r.held, rest[1:]...)
		}
		r.mu.Unlock()
		for _, c := range batch {
			c.run(now)
		}
		if next.isTurn() && l.turn(now, next) {
			continue
		}
		return
	}
}
