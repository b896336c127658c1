package trunk

import (
	"fmt"
	"time"
)

// HealthConfig is what a Health is built from.
type HealthConfig struct {
	Every time.Duration // between probes; 0 = 30 s
	// Down and Up are how many failures or answers in a row turn the line; 0 = 2 and 1.
	Down, Up int
	Rand     func() uint64
}

// Health watches a carrier by OPTIONS. A line is up until shown to be down, so
// that a start does not refuse the first calls. Its owner alone calls Step.
type Health struct {
	cfg HealthConfig

	down     bool
	closed   bool
	open     bool
	cseq     uint32
	failures int // in a row
	answers  int // in a row

	out []Effect
}

// NewHealth makes a machine; Begin starts it.
func NewHealth(cfg HealthConfig) *Health {
	if cfg.Every <= 0 {
		cfg.Every = 30 * time.Second
	}
	if cfg.Down <= 0 {
		cfg.Down = 2
	}
	if cfg.Up <= 0 {
		cfg.Up = 1
	}
	return &Health{cfg: cfg}
}

// Up tells whether calls may be sent.
func (h *Health) Up() bool { return !h.down }

// Step takes one event and returns what to do, good until the next Step.
func (h *Health) Step(_ time.Time, ev Event) []Effect {
	h.out = h.out[:0]
	if h.closed {
		return nil
	}
	switch ev := ev.(type) {
	case Begin:
		// The lines of a house do not all probe in the same moment.
		h.do(SetTimer{scale(min(h.cfg.Every, time.Second), h.cfg.Rand())})
	case TimerFired:
		if !h.open {
			h.cseq++
			h.open = true
			h.do(Send{CSeq: h.cseq})
		}
	case Answer:
		if h.open && ev.CSeq == h.cseq {
			h.open = false
			h.answered(ev)
		}
	case Lost:
		if h.open && ev.CSeq == h.cseq {
			h.open = false
			h.failed(0, ev.Reason)
		}
	case Close:
		h.closed = true
		h.do(StopTimer{})
		h.do(Closed{})
	}
	return h.out
}

func (h *Health) do(e Effect) { h.out = append(h.out, e) }

// Alive tells whether a final answer to OPTIONS shows a far side that takes
// calls. Any does (405, 404, 401: somebody is at home who does not care for
// OPTIONS), but 503 (it asks to be left alone) and 408 (a proxy alone is).
func Alive(code int) bool { return code != 503 && code != 408 }

func (h *Health) answered(a Answer) {
	if !Alive(a.Code) {
		h.failed(a.Code, fmt.Sprintf("%d %s", a.Code, a.Reason))
		return
	}
	h.failures = 0
	if h.answers++; h.down && h.answers >= h.cfg.Up {
		h.down = false
		h.do(Changed{Good: true})
	}
	h.wait(h.down)
}

func (h *Health) failed(code int, reason string) {
	h.answers = 0
	reason = "no good answer to OPTIONS: " + reason
	h.failures++
	if !h.down && h.failures >= h.cfg.Down {
		h.down = true
		h.do(Changed{Good: false, Code: code, Reason: reason})
	}
	next := h.wait(!h.down || h.failures < 10)
	h.do(Failed{Code: code, Reason: reason, Next: next})
}

// wait sets the next probe: sooner while a verdict is being made.
func (h *Health) wait(soon bool) time.Duration {
	d := h.cfg.Every
	if soon {
		d = max(min(d, time.Second), d/4)
	}
	d = d*9/10 + scale(d/10, h.cfg.Rand())
	h.do(SetTimer{d})
	return d
}
