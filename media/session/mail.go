package session

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/secure"
)

// maxMail bounds the packets that wait for a worker, as a socket's buffer does;
// what exceeds it is dropped and counted.
const maxMail = 4096

// mail is packets of browsers that another goroutine has read for a worker: the
// worker that serves their port, or the reader of a TCP connection. Buffers are
// used again.
type mail struct {
	some atomic.Bool
	mu   sync.Mutex
	in   []letter
	free [][]byte
	done []letter // owner only: taken, to be used as in again
}

type letter struct {
	l *Leg // nil: not known yet, the mux is to say
	p secure.Path
	b []byte
}

// hand gives w a packet for l; b is copied. False: dropped.
func (w *worker) hand(l *Leg, b []byte, p secure.Path) bool {
	if len(b) > media.MaxPacket {
		return false
	}
	m := &w.mail
	m.mu.Lock()
	if len(m.in) >= maxMail {
		m.mu.Unlock()
		return false
	}
	var buf []byte
	if n := len(m.free); n > 0 {
		buf, m.free = m.free[n-1], m.free[:n-1]
	} else {
		buf = make([]byte, 0, media.MaxPacket)
	}
	first := len(m.in) == 0
	m.in = append(m.in, letter{l, p, append(buf, b...)})
	m.some.Store(true)
	m.mu.Unlock()
	if first {
		w.wake()
	}
	return true
}

// wake makes the loop look, unless the worker has ended.
func (w *worker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.loop.Wake()
	}
}

// takeMail handles what was handed over.
func (w *worker) takeMail() {
	m := &w.mail
	if !m.some.Load() {
		return
	}
	m.mu.Lock()
	batch := m.in
	m.in = m.done[:0]
	m.some.Store(false)
	m.mu.Unlock()
	now := time.Now()
	for _, x := range batch {
		switch {
		case x.l == nil:
			w.e.web.byTCP(x.b, x.p, now)
		case x.l.at.Load() == w:
			x.l.receiveWeb(x.b, x.p, now)
		default: // it has moved on
			w.e.web.published.handedLost.Add(1)
		}
	}
	m.mu.Lock()
	for i := range batch {
		if len(m.free) < 256 {
			m.free = append(m.free, batch[i].b[:0])
		}
	}
	m.mu.Unlock()
	clear(batch)
	m.done = batch
}
