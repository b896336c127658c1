package record

import (
	"sync"
	"unsafe"
)

// maxSpare rings of each kind are kept for the next recording, 2 and 4 MB; what a
// burst of calls took beyond that goes back to the system.
const maxSpare = 64

// A store gives out rings outside the Go heap: they hold no pointers, and the
// collector would let each count twice before it runs.
type store[T ring | wideRing] struct {
	mu    sync.Mutex
	spare []*T
}

var (
	rings     store[ring]
	wideRings store[wideRing]
)

// Get returns a ring; what is in it is to be overwritten before it is read.
func (s *store[T]) Get() *T {
	s.mu.Lock()
	if n := len(s.spare); n > 0 {
		r := s.spare[n-1]
		s.spare = s.spare[:n-1]
		s.mu.Unlock()
		return r
	}
	s.mu.Unlock()
	var r *T
	if b := takeMemory(int(unsafe.Sizeof(*r))); b != nil {
		return (*T)(unsafe.Pointer(&b[0]))
	}
	return new(T) // the system refuses; Put takes it all the same
}

// Put takes a ring back. Nobody may touch it afterwards.
func (s *store[T]) Put(r *T) {
	s.mu.Lock()
	keep := len(s.spare) < maxSpare
	if keep {
		s.spare = append(s.spare, r)
	}
	s.mu.Unlock()
	if !keep {
		giveMemory(unsafe.Slice((*byte)(unsafe.Pointer(r)), unsafe.Sizeof(*r)))
	}
}
