package dispatch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	saveTimeout = 5 * time.Second
	saveRetry   = time.Second
)

// saver stores values behind the dispatcher's back: only the last value under each
// name matters, so what waits is bounded by the number of names. It owns one goroutine.
type saver[V any] struct {
	tenant string
	what   string // is saved: for errors
	lost   string // when it is not saved: for the log
	save   func(ctx context.Context, batch map[string]V) error
	log    *zap.Logger

	mu      sync.Mutex // guards pending; never held over I/O
	pending map[string]V

	wake chan struct{} // one is enough
	quit chan struct{}
	once sync.Once
	done chan struct{}
}

func newSaver[V any](tenant, what, lost string, log *zap.Logger, save func(context.Context, map[string]V) error) *saver[V] {
	return &saver[V]{tenant: tenant, what: what, lost: lost, save: save, log: log, pending: map[string]V{},
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

func (s *saver[V]) put(name string, v V) {
	s.mu.Lock()
	s.pending[name] = v
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *saver[V]) run() {
	defer close(s.done)
	for {
		select {
		case <-s.wake:
		case <-s.quit:
			return
		}
		for s.flush() != nil {
			select {
			case <-time.After(saveRetry):
				continue
			case <-s.quit:
				return
			}
		}
	}
}

// flush saves what is pending; after an error it stays pending, under what has
// come since.
func (s *saver[V]) flush() error {
	s.mu.Lock()
	batch := s.pending
	s.pending = map[string]V{}
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	err := s.save(ctx, batch)
	if err == nil {
		return nil
	}
	s.log.Warn(s.lost, zap.Int("waiting", len(batch)), zap.Error(err))
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, v := range batch {
		if _, newer := s.pending[name]; !newer {
			s.pending[name] = v
		}
	}
	return err
}

// stop ends run and saves what is left.
func (s *saver[V]) stop(ctx context.Context) error {
	s.once.Do(func() { close(s.quit) })
	select {
	case <-s.done:
	case <-ctx.Done():
		return fmt.Errorf("acd: tenant %q: %s still being saved: %w", s.tenant, s.what, ctx.Err())
	}
	if err := s.flush(); err != nil {
		return fmt.Errorf("acd: tenant %q: save %s: %w", s.tenant, s.what, err)
	}
	return nil
}
