package sip

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/overload"
	"github.com/centrala/centrala/pkg/sip/render"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// shard owns the transactions and dialogs whose Call-ID hashes to it: every
// message, timer and command of a dialog goes through it in order, one at a time.
//
// Whoever holds turn is the owner. Mostly that is the reader of a socket, which
// does the message it has just read while nothing waits; what comes while the
// turn is taken queues, and the shard's own goroutine does it. Handing each
// message from reader to owner would wake another thread for each, which costs
// more than the message: on a half idle node half the CPU went there.
type shard struct {
	// Set at birth.
	s     *Stack
	n     int // in Stack.shards
	epoch time.Time

	// In: messages (bounded; full = UDP dropped, TCP waits) and functions (from
	// our own side; at most a few per dialog and connection).
	in    chan inbound
	fresh chan inbound // new requests: they wait behind what is in progress
	queue atomic.Int32 // messages in either channel or on their way out of it
	wake  chan struct{}
	mu    sync.Mutex
	held  bool // somebody has the turn and will look at todo and mail before giving it back
	todo  []func()
	mail  []*Dialog // dialogs with commands waiting, each at most once

	turn sync.Mutex

	// Out, for readers (see early): how many new calls a second are taken (the bits of a
	// float64, 0: all). In: how many were refused there, for the next look.
	limit      atomic.Uint64
	turnedAway atomic.Int64

	// Owner only: under turn.
	now     time.Time
	armed   int64 // when clock fires; 0: not running
	clock   *time.Timer
	txs     map[string]*tx
	dialogs map[string]*Dialog // by Call-ID and our tag
	calls   map[string]*tx     // INVITE server transactions by Call-ID, From tag and CSeq: merged requests
	timers  timerHeap
	out     []byte // the message being written
	key     []byte // scratch for keys
	owed    []*tx  // INVITEs of this turn: 100 is due where nothing else was said
	rand    *rng
	over    *overload.Control
	refused refusals
	// Server transactions of each address. An owner counts alone, so that none waits
	// for another, and grants its share of the cap.
	perSource map[netip.Addr]int
	sourceTxs int
	// Emergency calls taken in this second although the node is busy.
	urgentSec int64
	urgentN   int
	dateSec   int64 // of dateText
	dateText  string
	gone      bool // run has ended: nobody does anything any more
}

// inbound is a message on its way to its owner.
type inbound struct {
	req *sip.Request
	res *sip.Response
	hop hop
	at  time.Time // read from the wire; fresh requests only
}

// begins reports a request that starts something. A CANCEL goes with its INVITE.
func begins(req *sip.Request) bool {
	if req == nil {
		return false
	}
	to := req.To()
	return to == nil || !to.Params.Has("tag")
}

// turns is how many messages of what is in progress may pass a new request.
const turns = 8

// do runs f on the shard, soon and not here. It never blocks.
func (sh *shard) do(f func()) {
	sh.mu.Lock()
	sh.todo = append(sh.todo, f)
	held := sh.held
	sh.mu.Unlock()
	if !held {
		sh.ring()
	}
}

func (sh *shard) ring() {
	select {
	case sh.wake <- struct{}{}:
	default:
	}
}

// queueOf is where a message waits.
func (sh *shard) queueOf(m inbound) chan inbound {
	if m.at.IsZero() {
		return sh.in
	}
	return sh.fresh
}

// put queues a message; false: the queue is full.
func (sh *shard) put(m inbound) bool {
	sh.queue.Add(1)
	select {
	case sh.queueOf(m) <- m:
		return true
	default:
		sh.queue.Add(-1)
		return false
	}
}

// putWait queues a message and waits for room; false: the stack stops.
func (sh *shard) putWait(m inbound) bool {
	sh.queue.Add(1)
	select {
	case sh.queueOf(m) <- m:
		return true
	case <-sh.s.done:
		return false
	}
}

// offer does m here and now when the shard is idle; false: it must be queued.
func (sh *shard) offer(m inbound) bool {
	if sh.queue.Load() > 0 || !sh.turn.TryLock() {
		return false
	}
	sh.take()
	sh.now = time.Now()
	if !m.at.IsZero() {
		sh.over.Waited(sh.now, sh.now.Sub(m.at))
	}
	sh.guard(func() { sh.message(m) })
	sh.give()
	return true
}

// take notes that the turn is taken.
func (sh *shard) take() {
	sh.mu.Lock()
	sh.held = true
	sh.mu.Unlock()
}

// give does what other goroutines, and the owner itself meanwhile, asked for,
// sets the clock and gives the turn back.
func (sh *shard) give() {
	for {
		sh.mu.Lock()
		todo, mail := sh.todo, sh.mail
		if len(todo)+len(mail) == 0 {
			sh.held = false
			sh.mu.Unlock()
			break
		}
		sh.todo, sh.mail = nil, nil
		sh.mu.Unlock()
		for _, f := range todo {
			sh.guard(f)
		}
		for _, d := range mail {
			sh.guard(func() { d.deliver() })
		}
	}
	// RFC 3261 17.2.1: the caller stops sending the INVITE again. It needs no 100 that
	// has heard more than that by now.
	for i, t := range sh.owed {
		sh.owed[i] = nil
		if t.req != nil && len(t.bytes) == 0 {
			sh.respond(t, t.req, 100, "Trying")
		}
	}
	sh.owed = sh.owed[:0]
	// Most timers are stopped before they fire: the clock is moved only forward,
	// and may ring for nothing.
	if len(sh.timers) > 0 {
		if next := sh.timers[0].when; sh.armed == 0 || next < sh.armed {
			sh.armed = next
			sh.clock.Reset(time.Duration(next) - time.Since(sh.epoch))
		}
	}
	sh.turn.Unlock()
}

// begin makes the shard ready to serve.
func (sh *shard) begin(now time.Time) {
	sh.epoch, sh.now = now, now
	sh.clock = time.AfterFunc(time.Hour, sh.tick)
}

// tick is the clock's: it does what is due here where nobody has the turn, which
// spares waking run.
func (sh *shard) tick() {
	if !sh.turn.TryLock() {
		sh.ring()
		return
	}
	if sh.gone {
		sh.turn.Unlock()
		return
	}
	sh.due()
}

// due does the timers that are due. The turn is the caller's, and given back.
func (sh *shard) due() {
	sh.take()
	sh.now = time.Now()
	sh.fire()
	sh.give()
}

func (sh *shard) run() {
	defer sh.s.wg.Done()
	defer func() {
		sh.clock.Stop()
		sh.turn.Lock()
		sh.gone = true // a tick on its way
		sh.turn.Unlock()
	}()
	passed := 0
	for {
		// What is in progress goes first, but not for ever.
		if passed < turns && len(sh.fresh) > 0 {
			select {
			case m := <-sh.in:
				passed++
				sh.queued(m)
				continue
			default:
			}
		}
		passed = 0
		select {
		case m := <-sh.in:
			sh.queued(m)
		case m := <-sh.fresh:
			sh.queued(m)
		case <-sh.wake:
			sh.turn.Lock()
			sh.due()
		case <-sh.s.done:
			return
		}
	}
}

// queued does a message that had to wait.
func (sh *shard) queued(m inbound) {
	sh.turn.Lock()
	sh.take()
	sh.now = time.Now()
	if !m.at.IsZero() {
		sh.over.Waited(sh.now, sh.now.Sub(m.at))
	}
	sh.guard(func() { sh.message(m) })
	sh.queue.Add(-1)
	sh.give()
}

// guard keeps one message's fault from taking the process down: it is counted,
// logged with its stack, and the rest goes on.
func (sh *shard) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			sh.s.met.dropped[dropPanic].Inc()
			sh.s.log.Error("sip handler failed; the message was dropped", zap.String("err", fmt.Sprint(p)), zap.ByteString("stack", debug.Stack()))
		}
	}()
	f()
}

// fire does the timers that are due.
func (sh *shard) fire() {
	now := sh.at(0)
	if sh.armed > now {
		return
	}
	sh.armed = 0
	for len(sh.timers) > 0 && sh.timers[0].when <= now {
		t := sh.timers[0]
		sh.timers.stop(t)
		sh.guard(func() {
			switch {
			case t.tx != nil && t.kind == timerRetransmit:
				sh.stepTx(t.tx, transaction.Retransmit)
			case t.tx != nil:
				sh.stepTx(t.tx, transaction.Deadline)
			case t.d != nil && t.kind == timerTry:
				t.d.tryExpired()
			case t.d != nil:
				t.d.step(dialog.TimerFired{Timer: dialog.Timer(t.kind)})
			}
		})
	}
}

func (sh *shard) message(m inbound) {
	if m.res != nil {
		sh.response(m.res, m.hop)
		return
	}
	sh.request(m.req, m.hop)
}

// write renders a message; the bytes are valid until the next write.
func (sh *shard) write(m sip.Message) []byte {
	sh.out = render.Append(sh.out[:0], m)
	return sh.out
}

func dialogKey(b []byte, callID, tag string) []byte {
	b = append(b[:0], callID...)
	b = append(b, 0)
	return append(b, tag...)
}

// find returns the dialog of a Call-ID and our tag.
func (sh *shard) find(callID, tag string) *Dialog {
	sh.key = dialogKey(sh.key, callID, tag)
	return sh.dialogs[string(sh.key)]
}
