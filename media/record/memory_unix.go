//go:build unix

package record

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped are the beginnings of what the system gave, for what came from the heap
// must not be given back to it.
var mapped sync.Map // uintptr -> []byte

// takeMemory is n octets of the system's; nil when it has none.
func takeMemory(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	mapped.Store(uintptr(unsafe.Pointer(&b[0])), b)
	return b
}

// giveMemory gives it back.
func giveMemory(b []byte) {
	if m, ok := mapped.LoadAndDelete(uintptr(unsafe.Pointer(&b[0]))); ok {
		_ = unix.Munmap(m.([]byte)) // it can only fail for what was not mapped
	}
}
