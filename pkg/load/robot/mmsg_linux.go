//go:build linux

package robot

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// portIO carries many packets per system call (sendmmsg, recvmmsg).
type portIO struct {
	raw     syscall.RawConn
	touched bool // sender only
	out     *batch
}

type batch struct {
	n    int
	hdr  [maxBatch]mmsghdr
	iov  [maxBatch]unix.Iovec
	addr [maxBatch]unix.RawSockaddrInet4
	ctl  [maxBatch][64]byte
	buf  [maxBatch][512]byte
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.hdr {
		b.iov[i].Base = &b.buf[i][0]
		b.hdr[i].hdr.Iov = &b.iov[i]
		b.hdr[i].hdr.Iovlen = 1
		b.hdr[i].hdr.Name = (*byte)(unsafe.Pointer(&b.addr[i])) //nolint:gosec // as the system call wants it
		b.hdr[i].hdr.Namelen = unix.SizeofSockaddrInet4
	}
	return b
}

func (io *portIO) init(p *port) error {
	raw, err := p.rtp.SyscallConn()
	if err != nil {
		return err
	}
	io.raw, io.out = raw, newBatch()
	// Arrival as the kernel saw it: our own scheduling is not the server's jitter.
	var serr error
	err = raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	})
	if err == nil {
		err = serr
	}
	return err
}

// slot returns the buffer of n bytes of the next packet out, to remote.
func (io *portIO) slot(p *port, remote netip.AddrPort, n int) []byte {
	b := io.out
	if b.n == maxBatch {
		io.flush(p)
	}
	i := b.n
	b.n++
	b.iov[i].SetLen(n)
	b.addr[i].Family = unix.AF_INET
	b.addr[i].Addr = remote.Addr().Unmap().As4()
	port := remote.Port()
	*(*[2]byte)(unsafe.Pointer(&b.addr[i].Port)) = [2]byte{byte(port >> 8), byte(port)} //nolint:gosec // network order
	return b.buf[i][:n]
}

// flush sends what was put. A full socket or a refused packet is left out: the
// receiver's loss tells.
// chunk bounds the packets of one system call: what waits behind others in it would
// count as delay of the server.
const chunk = 8

func (io *portIO) flush(*port) {
	b := io.out
	for at := 0; at < b.n; {
		sent, end := 0, min(at+chunk, b.n)
		now := time.Now().UnixNano()
		for i := at; i < end; i++ {
			stampProbe(b.buf[i][:b.iov[i].Len], now)
		}
		_ = io.raw.Write(func(fd uintptr) bool {
			r, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.hdr[at])), uintptr(end-at), unix.MSG_DONTWAIT, 0, 0) //nolint:gosec
			if errno == 0 {
				sent = int(r)
			}
			return true
		})
		at += max(sent, 1) // an ICMP error of an earlier packet costs one, as with sendto
	}
	b.n = 0
}

func (io *portIO) receive(p *port) {
	b := newBatch()
	for i := range b.hdr {
		b.iov[i].SetLen(len(b.buf[i]))
	}
	for {
		got := 0
		err := io.raw.Read(func(fd uintptr) bool {
			for i := range b.hdr {
				b.hdr[i].hdr.Namelen = unix.SizeofSockaddrInet4
				b.hdr[i].hdr.Control = &b.ctl[i][0]
				b.hdr[i].hdr.SetControllen(len(b.ctl[i]))
			}
			r, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.hdr[0])), maxBatch, unix.MSG_DONTWAIT, 0, 0) //nolint:gosec
			if errno == unix.EAGAIN || errno == unix.EINTR {
				return false
			}
			if errno == 0 {
				got = int(r)
			}
			return true
		})
		if err != nil {
			return
		}
		var fallback int64
		for i := range got {
			at := timestamp(&b.hdr[i].hdr, b.ctl[i][:])
			if at == 0 {
				if fallback == 0 {
					fallback = time.Now().UnixNano()
				}
				at = fallback
			}
			a := &b.addr[i]
			pb := (*[2]byte)(unsafe.Pointer(&a.Port)) //nolint:gosec
			from := netip.AddrPortFrom(netip.AddrFrom4(a.Addr), binary.BigEndian.Uint16(pb[:]))
			p.packet(b.buf[i][:min(int(b.hdr[i].n), len(b.buf[i]))], from, at)
		}
		runtime.KeepAlive(b)
	}
}

// timestamp reads SCM_TIMESTAMPNS, 0 when the kernel told none.
func timestamp(h *unix.Msghdr, ctl []byte) int64 {
	if int(h.Controllen) < unix.CmsgLen(16) {
		return 0
	}
	c := (*unix.Cmsghdr)(unsafe.Pointer(&ctl[0])) //nolint:gosec
	if c.Level != unix.SOL_SOCKET || c.Type != unix.SCM_TIMESTAMPNS {
		return 0
	}
	d := ctl[unix.CmsgLen(0):]
	return int64(binary.NativeEndian.Uint64(d))*1e9 + int64(binary.NativeEndian.Uint64(d[8:]))
}
