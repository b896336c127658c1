//go:build !portable

package port

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Why raw system calls: the runtime's poller costs a goroutine for each socket
// and 9-16 us a packet where this costs 8; x/sys's own Recvfrom and Sendto
// allocate an address for each packet. All calls but the wait itself are on
// non-blocking descriptors, so the scheduler need not be told of them.

// dscpEF is expedited forwarding in the TOS byte (RFC 4594 4.1).
const dscpEF = 46 << 2

// Dest is an address in the form the system takes.
type Dest struct {
	sa  [unix.SizeofSockaddrInet6]byte
	len uint32
}

// Socket is one bound UDP socket.
type Socket struct {
	fd    int
	v6    bool
	local netip.AddrPort
	r     Receiver
}

// Listen binds a socket to addr (port 0: any). It is served only after Loop.Add.
func Listen(addr netip.AddrPort) (*Socket, error) {
	ip := addr.Addr().Unmap()
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("media: udp socket: %w", err)
	}
	sa := sockaddr(ip, addr.Port())
	if _, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&sa.sa[0])), uintptr(sa.len)); errno != 0 {
		unix.Close(fd)
		return nil, fmt.Errorf("media: bind udp %v: %w", addr, errno)
	}
	s := &Socket{fd: fd, v6: ip.Is6(), local: netip.AddrPortFrom(ip, addr.Port())}
	if addr.Port() == 0 {
		bound, err := unix.Getsockname(fd)
		if err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("media: udp socket: %w", err)
		}
		switch b := bound.(type) {
		case *unix.SockaddrInet4:
			s.local = netip.AddrPortFrom(ip, uint16(b.Port))
		case *unix.SockaddrInet6:
			s.local = netip.AddrPortFrom(ip, uint16(b.Port))
		}
	}
	// A refused mark costs quality in a busy network, not the call.
	level, option := uintptr(unix.IPPROTO_IP), uintptr(unix.IP_TOS)
	if s.v6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	mark := int32(dscpEF)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), level, option, uintptr(unsafe.Pointer(&mark)), unsafe.Sizeof(mark), 0)
	return s, nil
}

// sockaddr is ip and port in the form the system takes.
func sockaddr(ip netip.Addr, port uint16) (d Dest) {
	binary.BigEndian.PutUint16(d.sa[2:], port)
	if ip.Is6() {
		binary.NativeEndian.PutUint16(d.sa[:], unix.AF_INET6)
		a := ip.As16()
		copy(d.sa[8:], a[:])
		d.len = unix.SizeofSockaddrInet6
		return d
	}
	binary.NativeEndian.PutUint16(d.sa[:], unix.AF_INET)
	if ip.IsValid() {
		a := ip.As4()
		copy(d.sa[4:], a[:])
	}
	d.len = unix.SizeofSockaddrInet4
	return d
}

// Local is the address bound.
func (s *Socket) Local() netip.AddrPort { return s.local }

// Dest prepares addr for Send. ok is false when the socket cannot reach it:
// another address family, no address, port 0.
func (s *Socket) Dest(addr netip.AddrPort) (d Dest, ok bool) {
	ip := addr.Addr()
	if !ip.IsValid() || ip.IsUnspecified() || addr.Port() == 0 {
		return d, false
	}
	if s.v6 {
		return sockaddr(netip.AddrFrom16(ip.As16()), addr.Port()), true
	}
	if !ip.Unmap().Is4() {
		return d, false
	}
	return sockaddr(ip.Unmap(), addr.Port()), true
}

// Send sends b to d; false when the system did not take it (buffer full, no
// route): a packet lost, as anywhere else on its way.
func (s *Socket) Send(b []byte, d *Dest) bool {
	if len(b) == 0 || d.len == 0 {
		return false
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&d.sa[0])), uintptr(d.len))
	return errno == 0
}

// keepSockets: an open socket costs nothing but memory of the system.
const keepSockets = true

// maxDrain bounds what is thrown away at once: a flood must not hold up a call.
const maxDrain = 64

// Drain throws away what has come, at most maxDrain packets, and tells how much that
// was. No loop may serve the socket.
func (s *Socket) Drain() (n int) {
	for n < maxDrain {
		// One octet is enough: the rest of a datagram goes with it.
		var b [1]byte
		_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), 1, unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EAGAIN || errno == unix.EBADF {
			break
		}
		n++ // an ICMP error of an earlier packet as well
	}
	return n
}

// Close closes a socket that no Loop serves.
func (s *Socket) Close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// Loop waits for many sockets. Wait belongs to one goroutine, Wake to all; the rest
// may be called by any, one at a time, also while Wait waits.
type Loop struct {
	epfd, wakefd int
	woken        atomic.Bool
	sockets      []*Socket // by descriptor
	events       [256]unix.EpollEvent
	buf          [bufferSize]byte
	from         unix.RawSockaddrAny
	fromLen      uint32
	file         *os.File // epfd, as the runtime's poller knows it
	raw          syscall.RawConn
	look         func(uintptr) bool // l.poll, made once
	until        time.Time
	ready        int
	errno        unix.Errno
}

// NewLoop makes a loop.
func NewLoop() (*Loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("media: epoll: %w", err)
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(epfd)
		return nil, fmt.Errorf("media: eventfd: %w", err)
	}
	l := &Loop{epfd: epfd, wakefd: wakefd}
	l.look = l.poll
	// Non-blocking, or os.NewFile would not hand it to the poller.
	if err := unix.SetNonblock(epfd, true); err != nil {
		l.Close()
		return nil, fmt.Errorf("media: epoll: %w", err)
	}
	l.file = os.NewFile(uintptr(epfd), "epoll")
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.Close()
		return nil, fmt.Errorf("media: epoll: %w", err)
	}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, wakefd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wakefd)}); err != nil {
		l.Close()
		return nil, fmt.Errorf("media: epoll: %w", err)
	}
	return l, nil
}

// Add serves s: r is told of each packet until Remove.
func (l *Loop) Add(s *Socket, r Receiver) error {
	s.r = r
	for len(l.sockets) <= s.fd {
		l.sockets = append(l.sockets, nil)
	}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)}); err != nil {
		return fmt.Errorf("media: epoll: %w", err)
	}
	l.sockets[s.fd] = s
	return nil
}

// Remove stops serving s and closes it; its Receiver is not called again.
func (l *Loop) Remove(s *Socket) {
	if s.fd >= 0 && s.fd < len(l.sockets) && l.sockets[s.fd] == s {
		l.sockets[s.fd], s.r = nil, nil
	}
	s.Close() // takes it out of the epoll as well: nobody else holds a copy
}

// Release stops serving s without closing it, so that another loop may Add it;
// its Receiver is not called by this loop again. What has arrived and was not
// handed out yet waits in the system for the next loop.
func (l *Loop) Release(s *Socket) {
	if s.fd >= 0 && s.fd < len(l.sockets) && l.sockets[s.fd] == s {
		l.sockets[s.fd], s.r = nil, nil // a socket that waits for its next call must not keep its last
		// An error would mean that it is not there any more.
		_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, s.fd, nil)
	}
}

// Wake makes a waiting or the next Wait return at once. Safe from any goroutine.
func (l *Loop) Wake() {
	if l.woken.CompareAndSwap(false, true) {
		one := [8]byte{}
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(l.wakefd), uintptr(unsafe.Pointer(&one[0])), uintptr(len(one)))
	}
}

// Wait returns when packets, Wake, or the moment until has come (zero: no end).
// Deal must follow, on the same goroutine.
func (l *Loop) Wait(until time.Time) error {
	if err := l.wait(until); err != nil {
		return fmt.Errorf("media: epoll: %w", err)
	}
	return nil
}

// Look is Wait without waiting.
func (l *Loop) Look() {
	l.ready, l.errno = 0, 0
	l.poll(0)
}

// Deal hands out what the last Wait or Look has found and returns the number of
// packets. Each socket gives one packet for each Wait: descriptors are
// level-triggered, so what is left comes with the next, and a flood on one socket
// does not hold up the others.
func (l *Loop) Deal() (packets int) {
	if l.ready == 0 {
		return 0
	}
	now := time.Now()
	for i := range l.ready {
		fd := int(l.events[i].Fd)
		if fd == l.wakefd {
			var b [8]byte
			_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(l.wakefd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
			l.woken.Store(false)
			continue
		}
		// A socket may have left since the wait, and another may have its descriptor.
		if s := l.sockets[fd]; s != nil && l.receive(s, now) {
			packets++
		}
	}
	l.ready = 0
	return packets
}

// wait parks the goroutine until a descriptor is ready. The epoll descriptor is
// itself watched by the runtime's poller: a thread that blocks in epoll_wait
// directly loses its P to sysmon at each wait, and sysmon then spins at 20 us for
// a millisecond, which costs ten times the packet when few calls are up.
func (l *Loop) wait(until time.Time) error {
	l.ready, l.errno = 0, 0
	if until != l.until { // moving the timer costs more than the look
		if err := l.file.SetReadDeadline(until); err != nil {
			return err
		}
		l.until = until
	}
	if err := l.raw.Read(l.look); err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		l.poll(0) // a loop that is always late must not starve its sockets
	}
	if l.errno != 0 {
		return l.errno
	}
	return nil
}

// poll asks without waiting; true when there is something to do.
func (l *Loop) poll(uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epfd), uintptr(unsafe.Pointer(&l.events[0])),
		uintptr(len(l.events)), 0, 0, 0)
	switch errno {
	case 0:
		l.ready = int(n)
	case unix.EINTR:
	default:
		l.errno = errno
	}
	return l.ready > 0 || l.errno != 0
}

// receive takes one packet; false when there was none or it was an error.
func (l *Loop) receive(s *Socket, now time.Time) bool {
	l.fromLen = unix.SizeofSockaddrAny
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&l.buf[0])), uintptr(len(l.buf)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&l.from)), uintptr(unsafe.Pointer(&l.fromLen)))
	if errno != 0 {
		return false // EAGAIN, or an ICMP error of an earlier packet
	}
	var from netip.AddrPort
	switch l.from.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&l.from))
		from = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), ntohs(sa.Port))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&l.from))
		from = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), ntohs(sa.Port))
	}
	s.r.Receive(s, l.buf[:n], from, now)
	return true
}

// ntohs reads a port that stands in network order in a native integer.
func ntohs(v uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], v)
	return binary.BigEndian.Uint16(b[:])
}

// Close closes the loop, not its sockets.
func (l *Loop) Close() {
	unix.Close(l.wakefd)
	if l.file != nil {
		l.file.Close()
		return
	}
	unix.Close(l.epfd)
}
