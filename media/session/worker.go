package session

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/codec/opus"
	"github.com/centrala/centrala/media/mix"
	"github.com/centrala/centrala/media/port"
	"github.com/centrala/centrala/media/port/bpf"
	"github.com/centrala/centrala/media/rtp"
	"github.com/centrala/centrala/media/secure"
)

const (
	// maxMailbox bounds the commands that wait for a worker. A worker that far
	// behind is stuck; waiting for it would stop the calls as well, so commands
	// beyond it are dropped, counted and logged. Opening, closing and Do are
	// never dropped: their number is bounded by that of the calls.
	maxMailbox = 1 << 16
	// slots: legs that play are spread over the 20 ms, so that a hundred
	// listeners to music do not hold up what is relayed.
	slots = 4
	// maxCatchUp frames are sent at once when a tick was late; what is later
	// still is skipped, for the peer's jitter buffer has given up on it.
	maxCatchUp = 3
	// sweepEvery is the grain of RTCP and of the RTP time-out.
	sweepEvery = 100 * time.Millisecond
)

// worker is one loop and the legs that live on it. Its state belongs to whoever
// holds its turn: its goroutine, except while that waits for packets; then who posts
// a command carries it out at once, on the goroutine that brings it. To wake a
// goroutine for a command costs more than the command.
type worker struct {
	e     *Engine
	index int // of the engine's
	loop  *port.Loop

	// In: commands. Guarded by mu.
	mu       sync.Mutex
	inbox    []func(now time.Time)
	stopping bool
	ended    bool

	turn sync.Mutex // nobody waits for it but run: others try

	// Who has the turn only.
	until  time.Time // when run looks without being woken; zero: never
	spare  []func(now time.Time)
	legs   []*Leg
	slots  [slots]slot
	sweep  time.Time // when due
	now    time.Time // of the commands or ticks under way
	rand   *rand.Rand
	out    [rtp.HeaderSize + media.FrameSamples]byte
	pcm    [media.FrameSamples]int16
	code   [rtp.HeaderSize + opus.MaxPacket]byte // a packet of any codec
	sound  [maxSound]int16                       // what was decoded, at up to 16 kHz
	low    [maxSound/2 + 1]int16                 // the same at 8 kHz
	high   [2*media.FrameSamples + 1]int16       // a frame of ours at 16 kHz
	sum    mix.Sum
	rtcp   [rtp.MaxReport]byte
	count  counts
	copied func(*bpf.Record) // w.recorded, made once
	// sealed holds a packet on its way out, plain one that came, when they are
	// protected.
	sealed [media.MaxPacket + secure.MaxOverhead]byte
	plain  [media.MaxPacket + secure.MaxOverhead]byte

	// In, beside commands: packets that another goroutine read.
	mail mail

	// Out: what a scrape reads.
	published published
	dropped   atomic.Uint64 // commands
	done      chan struct{}
}

// slot is one of the phases in which playing legs and conferences are ticked.
type slot struct {
	tickers []ticker
	next    time.Time
}

// ticker is what has something to do every 20 ms.
type ticker interface {
	tick(now time.Time, frames int)
	seating() *seat
}

// seat is where a ticker sits in its worker's slots.
type seat struct {
	slot  int // -1 = nowhere
	index int
}

func (s *seat) seating() *seat { return s }

// counts are a worker's own; published after each sweep.
type counts struct {
	in, out, lostIn, lostOut, strangers, invalid, ignored, sendErrors uint64
	late, concealed, encodings                                        uint64
	forged, replayed, forwarded, unheard                              uint64
	members                                                           int64

	mosIn, mosOut mosCount
	alarms        [len(alarmNames)]int64  // raised now; of all workers together
	alarmsTotal   [len(alarmNames)]uint64 // ever
}

type published struct {
	in, out, lostIn, lostOut, strangers, invalid, ignored, sendErrors atomic.Uint64
	late, concealed                                                   atomic.Uint64
	forged, replayed, forwarded, unheard                              atomic.Uint64
	legs, members                                                     atomic.Int64

	mu            sync.Mutex // what follows, set once a sweep
	mosIn, mosOut mosCount
	alarms        [len(alarmNames)]int64
	alarmsTotal   [len(alarmNames)]uint64
}

func newWorker(e *Engine) (*worker, error) {
	loop, err := port.NewLoop()
	if err != nil {
		return nil, err
	}
	w := &worker{e: e, index: len(e.workers), loop: loop, rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), done: make(chan struct{})}
	w.copied = w.recorded
	return w, nil
}

// post queues f; false when the worker has ended (f is not run) or when the
// mailbox is full and f may be dropped.
func (w *worker) post(f func(now time.Time), must bool) bool {
	first, ok := w.put(f, must)
	if first {
		w.wake()
	}
	return ok
}

// put is post for who calls serve behind it, when no lock is held.
func (w *worker) put(f func(now time.Time), must bool) (first, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false, false
	}
	if len(w.inbox) >= maxMailbox && !must {
		if w.dropped.Add(1) == 1 {
			w.e.log.Error("media worker is stuck, commands are dropped")
		}
		return false, false
	}
	w.inbox = append(w.inbox, f)
	return len(w.inbox) == 1, true
}

// do runs f on the worker, or here when the worker has ended: nobody else touches
// its state any more.
func (w *worker) do(f func(now time.Time)) {
	if _, ok := w.put(f, true); !ok {
		<-w.done
		f(time.Now())
		return
	}
	w.serve()
}

// maxServe bounds how often who posted a command does those that came meanwhile too.
const maxServe = 4

// serve carries out what waits, here and now, unless another has the turn: that one
// looks again behind it. No lock may be held that a command or a Sink takes.
func (w *worker) serve() {
	for range maxServe {
		if !w.waiting() || !w.turn.TryLock() {
			return
		}
		w.guest()
	}
	if w.waiting() {
		w.wake()
	}
}

// guest carries out commands for run, which waits. The turn was taken for it.
func (w *worker) guest() {
	defer func() {
		if p := recover(); p != nil {
			// Whoever posted may catch faults and go on; a worker that is half way
			// through a command must not.
			stack := debug.Stack()
			go func() { panic(fmt.Sprintf("media: command failed: %v\n%s", p, stack)) }()
			select {}
		}
	}()
	w.commands()
	due := w.due()
	sooner := !due.IsZero() && (w.until.IsZero() || due.Before(w.until))
	w.turn.Unlock()
	if sooner {
		w.wake()
	}
}

// waiting tells whether there are commands to carry out.
func (w *worker) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.inbox) > 0
}

func (w *worker) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.stopping = true
		w.loop.Wake()
	}
}

func (w *worker) run() {
	defer close(w.done)
	w.turn.Lock()
	defer w.turn.Unlock()
	for {
		until := w.due()
		w.until = until
		w.turn.Unlock()
		var err error
		if w.waiting() { // posted by who found the turn taken
			w.loop.Look()
		} else {
			err = w.loop.Wait(until)
		}
		w.turn.Lock()
		if err != nil {
			w.e.log.Error("media loop failed", zap.Error(err))
			time.Sleep(10 * time.Millisecond) // do not spin on it
		}
		w.loop.Deal()
		stopping := w.commands()
		w.takeMail()
		w.advance(time.Now())
		if stopping {
			break
		}
	}
	now := time.Now()
	for len(w.legs) > 0 {
		w.legs[len(w.legs)-1].close(now)
	}
	w.publish()
	// What was posted while we closed is still answered; commands may post more.
	for !w.end() {
		w.commands()
	}
	for len(w.legs) > 0 { // opened in between
		w.legs[len(w.legs)-1].close(now)
	}
	w.publish()
	w.loop.Close()
}

// end refuses commands from now on, unless some still wait.
func (w *worker) end() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = len(w.inbox) == 0
	return w.ended
}

// commands runs what waits in the mailbox.
func (w *worker) commands() (stopping bool) {
	w.mu.Lock()
	stopping = w.stopping
	batch := w.inbox
	if len(batch) == 0 {
		w.mu.Unlock()
		return stopping
	}
	w.inbox = w.spare[:0]
	w.mu.Unlock()
	now := time.Now()
	w.now = now
	for _, f := range batch {
		f(now)
	}
	clear(batch)
	if cap(batch) > 4096 { // a burst is no reason to keep its memory
		batch = nil
	}
	w.spare = batch
	return stopping
}

// due is when something must be done without a packet or command; zero = never.
func (w *worker) due() time.Time {
	if len(w.legs) == 0 {
		return time.Time{}
	}
	due := w.sweep
	for i := range w.slots {
		if s := &w.slots[i]; len(s.tickers) > 0 && s.next.Before(due) {
			due = s.next
		}
	}
	return due
}

// advance does what is due at now: ticks and the sweep.
func (w *worker) advance(now time.Time) {
	if len(w.legs) == 0 {
		return
	}
	w.now = now
	for i := range w.slots {
		s := &w.slots[i]
		if len(s.tickers) == 0 || now.Before(s.next) {
			continue
		}
		late := now.Sub(s.next)
		w.e.metrics.late(late)
		frames := 1 + int(late/media.FrameDuration)
		// From the planned time, not from now: the pace does not drift.
		s.next = s.next.Add(time.Duration(frames) * media.FrameDuration)
		// Backwards: who is through takes itself out.
		for j := len(s.tickers) - 1; j >= 0; j-- {
			s.tickers[j].tick(now, frames)
		}
	}
	if !now.Before(w.sweep) {
		w.sweep = now.Add(sweepEvery)
		w.catchUp(now)
		for _, l := range w.legs {
			l.sweep(now)
		}
		w.publish()
	}
}

// activate has t ticked from now on.
func (w *worker) activate(t ticker, now time.Time) {
	best := 0
	for i := range w.slots {
		if len(w.slots[i].tickers) < len(w.slots[best].tickers) {
			best = i
		}
	}
	w.activateIn(best, t, now)
}

func (w *worker) activateIn(i int, t ticker, now time.Time) {
	seat := t.seating()
	if seat.slot >= 0 {
		return
	}
	s := &w.slots[i]
	if len(s.tickers) == 0 {
		// The next point of this slot's grid. The grids hang on the wall clock
		// so that the slots stay 5 ms apart.
		phase := time.Duration(i) * media.FrameDuration / slots
		s.next = now.Truncate(media.FrameDuration).Add(phase)
		// Truncate strips the monotonic clock; put the point back on it.
		s.next = now.Add(s.next.Sub(now.Round(0)))
		for !now.Before(s.next) {
			s.next = s.next.Add(media.FrameDuration)
		}
	}
	seat.slot, seat.index = i, len(s.tickers)
	s.tickers = append(s.tickers, t)
}

// deactivate takes t out of the ticks.
func (w *worker) deactivate(t ticker) {
	seat := t.seating()
	if seat.slot < 0 {
		return
	}
	s := &w.slots[seat.slot]
	last := len(s.tickers) - 1
	s.tickers[seat.index] = s.tickers[last]
	s.tickers[seat.index].seating().index = seat.index
	s.tickers[last] = nil
	s.tickers = s.tickers[:last]
	seat.slot = -1
}

func (w *worker) publish() {
	c, p := &w.count, &w.published
	p.in.Store(c.in)
	p.out.Store(c.out)
	p.lostIn.Store(c.lostIn)
	p.lostOut.Store(c.lostOut)
	p.strangers.Store(c.strangers)
	p.invalid.Store(c.invalid)
	p.ignored.Store(c.ignored)
	p.sendErrors.Store(c.sendErrors)
	p.late.Store(c.late)
	p.concealed.Store(c.concealed)
	p.forged.Store(c.forged)
	p.replayed.Store(c.replayed)
	p.forwarded.Store(c.forwarded)
	p.unheard.Store(c.unheard)
	if x := w.e.web; x != nil && x.w == w {
		x.publish()
	}
	p.legs.Store(int64(len(w.legs)))
	p.members.Store(c.members)
	p.mu.Lock()
	p.mosIn, p.mosOut, p.alarms, p.alarmsTotal = c.mosIn, c.mosOut, c.alarms, c.alarmsTotal
	p.mu.Unlock()
}

// silence fills b with law's silence.
func silence(b []byte, law codec.Law) {
	o := codec.Silence(law)
	for i := range b {
		b[i] = o
	}
}
