package record

import (
	"math/bits"
	"sync"
	"unsafe"
)

// maxSpare octets of each size of ring are kept for the next recording; what a burst
// of calls took beyond that goes back to the system.
const maxSpare = 1 << 20

// A store gives out rings outside the Go heap: they hold no pointers, and the
// collector would let each count twice before it runs.
type store struct {
	mu    sync.Mutex
	spare [bits.UintSize][][]byte // by the logarithm of their size
}

var rings store

// Get returns n octets, a power of two; what is in them is to be overwritten before it
// is read.
func (s *store) Get(n int) []byte {
	class := bits.TrailingZeros(uint(n))
	s.mu.Lock()
	if k := len(s.spare[class]); k > 0 {
		b := s.spare[class][k-1]
		s.spare[class] = s.spare[class][:k-1]
		s.mu.Unlock()
		return b
	}
	s.mu.Unlock()
	if b := takeMemory(n); b != nil {
		return b
	}
	return make([]byte, n) // the system refuses; Put takes it all the same
}

// Put takes octets back. Nobody may touch them afterwards.
func (s *store) Put(b []byte) {
	class := bits.TrailingZeros(uint(len(b)))
	s.mu.Lock()
	keep := len(b)*(len(s.spare[class])+1) <= maxSpare
	if keep {
		s.spare[class] = append(s.spare[class], b)
	}
	s.mu.Unlock()
	if !keep {
		giveMemory(b)
	}
}

// linear is b as linear samples. It is page-aligned, or of the heap's larger sizes.
func linear(b []byte) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// octets is the reverse of linear.
func octets(w []int16) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), 2*len(w))
}
