package sip

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/overload"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// shard is one owner goroutine. It alone touches the transactions and dialogs
// whose Call-ID hashes to it: every message, timer and command of a dialog goes
// through this one goroutine in order. A goroutine per dialog would keep the
// same promise for 2-8 kB and two context switches a message more.
type shard struct {
	// Set at birth.
	s     *Stack
	epoch time.Time

	// In: messages (bounded; full = UDP dropped, TCP waits) and functions (from
	// our own side; at most a few per dialog and connection).
	in    chan inbound
	fresh chan inbound // new requests: they wait behind what is in progress
	wake  chan struct{}
	mu    sync.Mutex
	todo  []func()
	mail  []*Dialog // dialogs with commands waiting, each at most once

	// Owner only.
	now     time.Time
	txs     map[string]*tx
	dialogs map[string]*Dialog // by Call-ID and our tag
	calls   map[string]*tx     // INVITE server transactions by Call-ID, From tag and CSeq: merged requests
	timers  timerHeap
	out     bytes.Buffer // the message being written
	key     []byte       // scratch for keys
	rand    *rng
	over    *overload.Control
	// Server transactions of each address. An owner counts alone, so that none waits
	// for another, and grants its share of the cap.
	perSource map[netip.Addr]int
	sourceTxs int
	// Emergency calls taken in this second although the node is busy.
	urgentSec int64
	urgentN   int
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

// do runs f on the shard. It never blocks.
func (sh *shard) do(f func()) {
	sh.mu.Lock()
	sh.todo = append(sh.todo, f)
	sh.mu.Unlock()
	sh.ring()
}

func (sh *shard) ring() {
	select {
	case sh.wake <- struct{}{}:
	default:
	}
}

func (sh *shard) run() {
	defer sh.s.wg.Done()
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	var armed int64 // what clock is set to; 0: far
	passed := 0
	for {
		if len(sh.timers) > 0 {
			if next := sh.timers[0].when; next != armed {
				armed = next
				clock.Reset(time.Duration(next) - time.Since(sh.epoch))
			}
		} else if armed != 0 {
			armed = 0
			clock.Reset(time.Hour)
		}
		// What is in progress goes first, but not for ever.
		if passed < turns && len(sh.fresh) > 0 {
			select {
			case m := <-sh.in:
				passed++
				sh.now = time.Now()
				sh.guard(func() { sh.message(m) })
				continue
			default:
			}
		}
		passed = 0
		select {
		case m := <-sh.in:
			sh.now = time.Now()
			sh.guard(func() { sh.message(m) })
		case m := <-sh.fresh:
			sh.now = time.Now()
			sh.over.Waited(sh.now, sh.now.Sub(m.at))
			sh.guard(func() { sh.message(m) })
		case <-sh.wake:
			sh.now = time.Now()
			sh.work()
		case <-clock.C:
			sh.now = time.Now()
			armed = -1
			sh.fire()
		case <-sh.s.done:
			return
		}
	}
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

// work runs what other goroutines asked for.
func (sh *shard) work() {
	sh.mu.Lock()
	todo, mail := sh.todo, sh.mail
	sh.todo, sh.mail = nil, nil
	sh.mu.Unlock()
	for _, f := range todo {
		sh.guard(f)
	}
	for _, d := range mail {
		sh.guard(func() { d.deliver() })
	}
}

func (sh *shard) fire() {
	now := sh.at(0)
	for n := 0; len(sh.timers) > 0 && sh.timers[0].when <= now; n++ {
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
	sh.out.Reset()
	m.StringWrite(&sh.out)
	return sh.out.Bytes()
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
