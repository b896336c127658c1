package session

import (
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/port/bpf"
)

// IO is a way of moving packets.
type IO string

// The ways. Each takes packets from sockets; they differ in what a packet costs.
const (
	// IOAuto takes the cheapest that system and rights allow.
	IOAuto IO = "auto"
	// IOEpoll is one loop of epoll for each worker, and elsewhere than on Linux a
	// goroutine for each socket.
	IOEpoll IO = "epoll"
	// IOBPF lets the kernel forward the packets of bridged legs, and takes the rest
	// as IOEpoll does.
	IOBPF IO = "bpf"
)

// ways are all but IOAuto.
var ways = []IO{IOEpoll, IOBPF}

// openIO makes ready what Config.IO asks for. e.mu is held.
func (e *Engine) openIO() error {
	e.io = IOEpoll
	switch e.cfg.IO {
	case "", IOEpoll:
		return nil
	case IOAuto, IOBPF:
	default:
		return fmt.Errorf("media: unknown io %q; want %s, %s or %s", e.cfg.IO, IOAuto, IOBPF, IOEpoll)
	}
	k, err := openKernel(&e.cfg)
	if err != nil {
		if e.cfg.IO == IOAuto && errors.Is(err, bpf.ErrUnsupported) {
			e.log.Info("media packets", zap.String("io", string(e.io)), zap.String("reason", err.Error()))
			return nil
		}
		return err
	}
	e.kernel, e.io = k, IOBPF
	e.log.Info("media packets", zap.String("io", string(e.io)))
	return nil
}

// closeIO is its end, when all workers are through.
func (e *Engine) closeIO() {
	e.ports.Close()
	if k := e.kernel; k != nil {
		k.once.Do(k.table.Close)
	}
}

// IO tells which way is in use; "" before Start.
func (e *Engine) IO() IO {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.io
}
