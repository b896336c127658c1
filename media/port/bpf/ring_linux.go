//go:build linux && (amd64 || arm64) && !portable

package bpf

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is the memory through which copies of payloads come. It is read without a
// system call, which is why it is not cilium's reader: that waits by epoll.
type Ring struct {
	consumer, producer *uint64
	data               []byte // the ring twice, so that no record is cut
	mapped             [2][]byte
}

// Of the length in a record's header (linux/bpf.h).
const (
	ringBusy    = 1 << 31
	ringDiscard = 1 << 30
	ringHeader  = 8
)

func newRing(fd int) (*Ring, error) {
	page := os.Getpagesize()
	c, err := unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("bpf ring: mmap: %w", err)
	}
	p, err := unix.Mmap(fd, int64(page), page+2*ringSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		_ = unix.Munmap(c)
		return nil, fmt.Errorf("bpf ring: mmap: %w", err)
	}
	return &Ring{
		consumer: (*uint64)(unsafe.Pointer(&c[0])), producer: (*uint64)(unsafe.Pointer(&p[0])),
		data: p[page:], mapped: [2][]byte{c, p},
	}, nil
}

// Drain hands out what has come, in order.
func (r *Ring) Drain(take func(*Record)) {
	at, end := atomic.LoadUint64(r.consumer), atomic.LoadUint64(r.producer)
	var rec Record
	for at < end {
		head := at & (ringSize - 1)
		length := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[head])))
		if length&ringBusy != 0 {
			break // the kernel still writes it
		}
		size := uint64(length &^ ringDiscard)
		if length&ringDiscard == 0 && size >= recordHead {
			b := r.data[head+ringHeader : head+ringHeader+size]
			le := binary.LittleEndian
			n := min(int(le.Uint16(b[recordLen:])), len(b)-recordHead)
			rec = Record{
				Port: le.Uint16(b[recordPort:]), SSRC: le.Uint32(b[recordSSRC:]), TS: le.Uint32(b[recordTS:]),
				At: int64(le.Uint64(b[recordAt:])), Payload: b[recordHead : recordHead+n],
			}
			take(&rec)
		}
		at += (size + ringHeader + 7) &^ 7
		atomic.StoreUint64(r.consumer, at)
	}
}

func (r *Ring) close() {
	for _, m := range r.mapped {
		_ = unix.Munmap(m)
	}
}
