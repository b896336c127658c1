// Package session is the media of calls: legs that send and receive RTP, play
// clips, take and send digits, are bridged, echoed and recorded.
//
// An Engine owns a few workers, each one goroutine with its own loop over the
// sockets of its legs. A leg lives on one worker, chosen by its Group, until it is
// moved, and only who has that worker's turn touches its state; the methods of Leg
// post commands and return. While the worker waits for packets they are carried out
// by who posts them.
// Nothing is shared between calls on the way of a packet: no lock, no goroutine
// for each socket, no allocation.
//
// The package knows no SDP and no SIP: pkg/call tells it what was negotiated.
package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/port"
	"github.com/centrala/centrala/media/rtp"
)

// Errors of New and Open, for callers that branch.
var (
	// ErrNoPort: all pairs are in use or rest. 503 to the peer.
	ErrNoPort = port.ErrNoPort
	// ErrStopped: the engine does not run.
	ErrStopped = errors.New("media: engine is not running")
)

// Engine is the media of one process.
type Engine struct {
	cfg     Config
	log     *zap.Logger
	ports   *port.Pool
	formers []*former // by pair of ports; each is its present leg's
	kernel  *kernel   // nil: all packets go through us
	io      IO        // in use; under mu
	workers []*worker
	metrics *metrics
	web     *webPort      // nil: no browsers
	legs    atomic.Uint64 // opened so far

	mu      sync.Mutex
	started bool
	stopped bool
}

// New checks cfg. Nothing runs before Start.
func New(cfg Config) (*Engine, error) {
	if !cfg.BindIP.IsValid() {
		cfg.BindIP = netip.IPv4Unspecified()
	}
	cfg.BindIP = cfg.BindIP.Unmap()
	if !cfg.AdvertisedIP.IsValid() {
		cfg.AdvertisedIP = cfg.BindIP
	}
	cfg.AdvertisedIP = cfg.AdvertisedIP.Unmap()
	if cfg.AdvertisedIP.IsUnspecified() {
		return nil, fmt.Errorf("media: bind address %v needs an advertised address that peers can reach", cfg.BindIP)
	}
	if cfg.PortMin == 0 && cfg.PortMax == 0 {
		cfg.PortMin, cfg.PortMax = 20000, 29999
	}
	if cfg.Workers <= 0 {
		// Fewer than there are CPUs: each wakes for fewer packets at once, and the
		// waking is what costs. With 200 calls on two CPUs a packet took 9.5 us of
		// CPU on one worker, 11.4 us on two (8.1 us in C); TestRelayCost measures it.
		cfg.Workers = max(runtime.GOMAXPROCS(0)/2, 1)
	}
	if cfg.RTPTimeout == 0 {
		cfg.RTPTimeout = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	var seed [4]byte
	_, _ = rand.Read(seed[:]) // never fails since Go 1.24
	ports, err := port.NewPool(cfg.PortMin, cfg.PortMax, cfg.PortRest, binary.NativeEndian.Uint32(seed[:]))
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, log: cfg.Log, ports: ports, formers: make([]*former, (int(cfg.PortMax)-int(cfg.PortMin))/2+1)}
	for range cfg.Workers {
		w, err := newWorker(e)
		if err != nil {
			for _, w := range e.workers {
				w.loop.Close()
			}
			return nil, err
		}
		e.workers = append(e.workers, w)
	}
	if cfg.Web != nil {
		if e.web, err = newWebPort(e, *cfg.Web); err != nil {
			for _, w := range e.workers {
				w.loop.Close()
			}
			return nil, err
		}
	}
	if e.metrics, err = newMetrics(e, cfg.Registerer); err != nil {
		if e.web != nil {
			e.web.stop()
		}
		for _, w := range e.workers {
			w.loop.Close()
		}
		return nil, err
	}
	return e, nil
}

// Start starts the workers; they run until Stop, whatever becomes of ctx. An
// engine is started once.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started {
		return errors.New("media: engine was started before")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.openIO(); err != nil {
		return err
	}
	e.started = true
	for _, w := range e.workers {
		go w.run()
	}
	if e.web != nil {
		e.web.start()
	}
	return nil
}

// Stop closes every leg (RTCP BYE), ends the workers and waits for them, at most
// as long as ctx. Safe to call twice. Commands posted before are carried out. Later
// Do, Stats and Close run in the caller's goroutine, so that nobody waits for a
// reply in vain; other commands do nothing.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	if !e.started {
		if !e.stopped {
			for _, w := range e.workers {
				w.mu.Lock()
				w.ended = true
				w.mu.Unlock()
				w.loop.Close()
				close(w.done)
			}
			if e.web != nil {
				e.web.stop()
			}
			e.metrics.unregister()
		}
		e.started, e.stopped = true, true
		e.mu.Unlock()
		return nil
	}
	e.stopped = true
	e.mu.Unlock()
	for _, w := range e.workers {
		w.stop()
	}
	for _, w := range e.workers {
		select {
		case <-w.done:
		case <-ctx.Done():
			return fmt.Errorf("media: worker did not stop: %w", ctx.Err())
		}
	}
	e.closeIO()
	if e.web != nil {
		e.web.stop()
	}
	e.metrics.unregister()
	return nil
}

func (e *Engine) worker(group uint64) *worker {
	// Fibonacci hashing: groups are often counted up or have a stride.
	return e.workers[(group*0x9E3779B97F4A7C15>>32)%uint64(len(e.workers))]
}

// Do runs f on the worker of group, after the commands posted before. f must not
// block.
func (e *Engine) Do(group uint64, f func(now time.Time)) { e.worker(group).do(f) }

// bindTries bounds how many pairs Open tries when another program holds some: ports
// go round in order, and so do another server's, whose block must be got over. A try
// that fails costs some 5 us, and its pair rests before it is tried again.
const bindTries = 256

// Open makes a leg with ports of its own. It sends nothing and takes nothing
// until Set. The error wraps ErrNoPort when all ports are taken.
func (e *Engine) Open(o LegOptions) (*Leg, error) {
	e.mu.Lock()
	running := e.started && !e.stopped
	e.mu.Unlock()
	if !running {
		return nil, ErrStopped
	}
	if o.Web {
		return e.openWeb(o)
	}
	pair, err := e.bind()
	if err != nil {
		return nil, err
	}
	l := e.newLeg(o)
	l.addr, l.port = netip.AddrPortFrom(e.cfg.AdvertisedIP, pair.Port), pair.Port
	l.rtp, l.rtcp, l.rtpSocket, l.rtcpSocket = pair.RTP, pair.RTCP, pair.RTP, pair.RTCP
	l.former = e.formerOf(pair.Port)
	if _, ok := l.w.put(l.open, true); !ok {
		pair.Close()
		e.ports.Give(pair, time.Now())
		return nil, ErrStopped
	}
	l.w.serve()
	return l, nil
}

// newLeg is a leg without a way to its peer.
func (e *Engine) newLeg(o LegOptions) *Leg {
	var r [10 + 12]byte
	_, _ = rand.Read(r[:]) // never fails since Go 1.24
	w := e.worker(o.Group)
	return &Leg{
		e:     e,
		id:    e.legs.Add(1),
		w:     w,
		route: route{home: w, group: o.Group},
		sink:  o.Sink,
		// RFC 3711 3.3.1: a sequence number below 2^15 at first, so that a peer that
		// misses the first packets does not miss a rollover with them.
		line: rtp.NewLine(binary.NativeEndian.Uint32(r[0:]), binary.NativeEndian.Uint16(r[4:])&0x7FFF, binary.NativeEndian.Uint32(r[6:])),
		// RFC 7022 4.2: a short-term CNAME is 96 random bits.
		cname: base64.StdEncoding.EncodeToString(r[10:]),
		seat:  seat{slot: -1},
	}
}

// openWeb makes a browser's leg, on the port of all browsers.
func (e *Engine) openWeb(o LegOptions) (*Leg, error) {
	x := e.web
	if x == nil {
		return nil, ErrNoWeb
	}
	l := e.newLeg(o)
	l.addr, l.rtp, l.rtcp = x.addr, x.socket, x.socket
	l.web, l.guard = &webLeg{x: x, ssrc: l.line.SSRC()}, &guard{}
	if _, ok := l.w.put(l.open, true); !ok {
		return nil, ErrStopped
	}
	l.w.serve()
	return l, nil
}

func (e *Engine) bind() (pair port.Pair, err error) {
	for range bindTries {
		var takeErr error
		if pair, takeErr = e.ports.Take(time.Now()); takeErr != nil {
			return pair, errors.Join(takeErr, err)
		}
		if pair.RTP != nil { // from an earlier call
			return pair, nil
		}
		pair.RTP, err = port.Listen(netip.AddrPortFrom(e.cfg.BindIP, pair.Port))
		if err == nil {
			pair.RTCP, err = port.Listen(netip.AddrPortFrom(e.cfg.BindIP, pair.Port+1))
			if err == nil {
				return pair, nil
			}
			pair.Close()
		}
		e.ports.Give(port.Pair{Port: pair.Port}, time.Now())
	}
	return port.Pair{}, fmt.Errorf("%d pairs in a row could not be bound: %w; does another program use ports %d-%d?",
		bindTries, err, e.cfg.PortMin, e.cfg.PortMax)
}
