//go:build linux && !portable

package sip

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
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
	buf   []byte
	from  unix.RawSockaddrAny
	len   uint32
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
	return u, nil
}

func (r *udpCall) receive(fd uintptr) bool {
	r.len = unix.SizeofSockaddrAny
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&r.buf[0])), uintptr(len(r.buf)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&r.from)), uintptr(unsafe.Pointer(&r.len)))
	r.n, r.errno = int(n), errno
	r.tries++
	return errno != syscall.EAGAIN && errno != syscall.EINTR
}

// ReadFromUDPAddrPort is for one goroutine at a time. b is not empty.
func (u *udpConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	r := &u.in
	r.buf, r.tries = b, 0
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

// portOf reads a port that stands in network order in a native integer.
func portOf(p *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:])
}

// WriteToUDPAddrPort sends b; any goroutine may. What has a zone goes the long way.
func (u *udpConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	ip := to.Addr()
	if len(b) == 0 || ip.Zone() != "" || !u.v6 && !ip.Unmap().Is4() {
		return u.UDPConn.WriteToUDPAddrPort(b, to)
	}
	var sa [unix.SizeofSockaddrInet6]byte
	size := unix.SizeofSockaddrInet4
	binary.BigEndian.PutUint16(sa[2:], to.Port())
	if u.v6 {
		binary.NativeEndian.PutUint16(sa[:], unix.AF_INET6)
		a := ip.As16()
		copy(sa[8:], a[:])
		size = unix.SizeofSockaddrInet6
	} else {
		binary.NativeEndian.PutUint16(sa[:], unix.AF_INET)
		a := ip.Unmap().As4()
		copy(sa[4:], a[:])
	}
	var errno syscall.Errno
	err := u.raw.Write(func(fd uintptr) bool {
		_, _, errno = syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&sa[0])), uintptr(size))
		return errno != syscall.EAGAIN && errno != syscall.EINTR
	})
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, errno
	}
	return len(b), nil
}
