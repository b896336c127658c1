//go:build linux && !portable

package sip

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udpConn is net.UDPConn with system calls that the scheduler is not told of: the
// descriptor does not block, and each announced call wakes the runtime's monitor
// thread, which then polls at 20 us for a millisecond. On a half idle node that
// thread took a fifth of the CPU. The runtime's poller still does the waiting.
type udpConn struct {
	*net.UDPConn
	raw syscall.RawConn
	v6  bool
	in  udpCall // the one reader's
}

// udpCall is one read: fields instead of captured variables, so that nothing is
// allocated for a packet.
type udpCall struct {
	from  unix.RawSockaddrAny
	iov   unix.Iovec
	msg   unix.Msghdr
	side  [unix.SizeofCmsghdr + 16 + 16]byte // room for the kernel's time of arrival
	n     int
	tries int
	errno syscall.Errno
	do    func(fd uintptr) bool
}

func newUDPConn(c *net.UDPConn) (packetConn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	u := &udpConn{UDPConn: c, raw: raw, v6: !c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Is4()}
	u.in.do = u.in.receive
	// A busy node's queue is in the socket: how long a message waited there is seen
	// by the time it came. A kernel that cannot tell it has none of it.
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	return u, nil
}

func (r *udpCall) receive(fd uintptr) bool {
	r.msg = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&r.from)), Namelen: unix.SizeofSockaddrAny, Iov: &r.iov, Control: &r.side[0]}
	r.msg.SetIovlen(1)
	r.msg.SetControllen(len(r.side))
	n, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.msg)), unix.MSG_DONTWAIT)
	r.n, r.errno = int(n), errno
	r.tries++
	return errno != syscall.EAGAIN && errno != syscall.EINTR
}

// ReadFromUDPAddrPort is for one goroutine at a time. b is not empty.
func (u *udpConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	r := &u.in
	r.tries, r.iov.Base = 0, &b[0]
	r.iov.SetLen(len(b))
	if err := u.raw.Read(r.do); err != nil {
		return 0, netip.AddrPort{}, err
	}
	if r.errno != 0 {
		return 0, netip.AddrPort{}, r.errno
	}
	switch r.from.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.from))
		return r.n, netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), portOf(&sa.Port)), nil
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&r.from))
		return r.n, netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), portOf(&sa.Port)), nil // link-local zones: see write
	}
	return 0, netip.AddrPort{}, syscall.EAFNOSUPPORT
}

// Waited reports whether the last read found the socket empty at first.
func (u *udpConn) Waited() bool { return u.in.tries > 1 }

// Came is when the message of the last read arrived at the socket, zero if not known.
func (u *udpConn) Came() time.Time {
	r := &u.in
	if r.msg.Controllen < unix.SizeofCmsghdr+16 {
		return time.Time{}
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&r.side))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_TIMESTAMPNS {
		return time.Time{}
	}
	at := (*unix.Timespec)(unsafe.Pointer(&r.side[unix.SizeofCmsghdr]))
	return time.Unix(at.Unix())
}

// portOf reads a port that stands in network order in a native integer.
func portOf(p *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:])
}

// udpSend is one write, as udpCall is one read.
type udpSend struct {
	b     []byte
	sa    [unix.SizeofSockaddrInet6]byte
	size  int
	errno syscall.Errno
	do    func(fd uintptr) bool
}

func (w *udpSend) send(fd uintptr) bool {
	_, _, w.errno = syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&w.b[0])), uintptr(len(w.b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&w.sa[0])), uintptr(w.size))
	return w.errno != syscall.EAGAIN && w.errno != syscall.EINTR
}

var udpSends = sync.Pool{New: func() any {
	w := &udpSend{}
	w.do = w.send
	return w
}}

// WriteToUDPAddrPort sends b; any goroutine may. What has a zone goes the long way.
func (u *udpConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	ip := to.Addr()
	if len(b) == 0 || ip.Zone() != "" || !u.v6 && !ip.Unmap().Is4() {
		return u.UDPConn.WriteToUDPAddrPort(b, to)
	}
	w := udpSends.Get().(*udpSend)
	defer udpSends.Put(w)
	w.b, w.sa = b, [unix.SizeofSockaddrInet6]byte{}
	binary.BigEndian.PutUint16(w.sa[2:], to.Port())
	if u.v6 {
		binary.NativeEndian.PutUint16(w.sa[:], unix.AF_INET6)
		a := ip.As16()
		copy(w.sa[8:], a[:])
		w.size = unix.SizeofSockaddrInet6
	} else {
		binary.NativeEndian.PutUint16(w.sa[:], unix.AF_INET)
		a := ip.Unmap().As4()
		copy(w.sa[4:], a[:])
		w.size = unix.SizeofSockaddrInet4
	}
	err := u.raw.Write(w.do)
	w.b = nil
	switch {
	case err != nil:
		return 0, err
	case w.errno != 0:
		return 0, w.errno
	}
	return len(b), nil
}
