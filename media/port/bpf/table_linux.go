//go:build linux && (amd64 || arm64) && !portable

package bpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// ringSize holds two seconds of the copies of 100 calls, a tenth of a second of
// 2,000; what does not fit goes to the sockets.
const ringSize = 4 << 20

// Table is the flows of a range of ports.
type Table struct {
	first  uint16
	flows  []Flow
	memory []byte
	rings  []*Ring
	maps   []*ebpf.Map
	prog   *ebpf.Program
	links  []link.Link
	seen   map[uint32]bool // interfaces that are watched
	routes routes
}

// Open loads the program for the even ports in min-max, with a number of rings,
// and puts it at the entry of every Ethernet-like interface that is up and of
// loopback. The error wraps ErrUnsupported when the kernel refuses it. Nothing
// of it outlives Close or the process.
func Open(min, max uint16, rings int) (*Table, error) {
	first := min + min&1
	n := (int(max) + 1 - int(first)) / 2
	if n < 1 || rings < 1 {
		return nil, fmt.Errorf("media: port range %d-%d holds no pair", min, max)
	}
	t := &Table{first: first, seen: map[uint32]bool{}}
	if err := t.load(uint32(n), rings); err != nil {
		t.Close()
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err := t.attach(); err != nil {
		t.Close()
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return t, nil
}

func (t *Table) load(n uint32, rings int) error {
	flows, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "centrala_flows", Type: ebpf.Array, KeySize: 4, ValueSize: flowSize, MaxEntries: n, Flags: unix.BPF_F_MMAPABLE,
	})
	if err != nil {
		return fmt.Errorf("bpf array: %w", err)
	}
	t.maps = append(t.maps, flows)
	inner := &ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: ringSize}
	outer := &ebpf.MapSpec{Name: "centrala_rings", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: uint32(rings), InnerMap: inner}
	for i := range rings {
		m, err := ebpf.NewMap(inner)
		if err != nil {
			return fmt.Errorf("bpf ring: %w", err)
		}
		t.maps = append(t.maps, m)
		r, err := newRing(m.FD())
		if err != nil {
			return err
		}
		t.rings = append(t.rings, r)
		outer.Contents = append(outer.Contents, ebpf.MapKV{Key: uint32(i), Value: m})
	}
	of, err := ebpf.NewMap(outer)
	if err != nil {
		return fmt.Errorf("bpf rings: %w", err)
	}
	t.maps = append(t.maps, of)
	t.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "centrala_rtp", Type: ebpf.SchedCLS, AttachType: ebpf.AttachTCXIngress, License: "GPL", // redirect_neigh and ktime ask for it
		Instructions: program(flows, of, t.first, n),
	})
	if err != nil {
		return fmt.Errorf("bpf program: %w", err)
	}
	size := (int(n)*flowSize + os.Getpagesize() - 1) &^ (os.Getpagesize() - 1)
	t.memory, err = unix.Mmap(flows.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("bpf array: mmap: %w", err)
	}
	t.flows = unsafe.Slice((*Flow)(unsafe.Pointer(&t.memory[0])), n)
	return nil
}

func (t *Table) attach() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("interfaces: %w", err)
	}
	var first error
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback == 0 && len(i.HardwareAddr) != 6 {
			continue
		}
		l, err := link.AttachTCX(link.TCXOptions{Interface: i.Index, Program: t.prog, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			if first == nil {
				first = fmt.Errorf("tcx on %s: %w", i.Name, err)
			}
			continue
		}
		t.links = append(t.links, l)
		t.seen[uint32(i.Index)] = true
	}
	if len(t.links) == 0 {
		return errors.Join(errors.New("no interface takes the program"), first)
	}
	return nil
}

// Flow is the flow of an even port; nil when it is none of the Table's.
func (t *Table) Flow(port uint16) *Flow {
	i := (int(port) - int(t.first)) / 2
	if port < t.first || port&1 != 0 || i >= len(t.flows) {
		return nil
	}
	return &t.flows[i]
}

// Ring is number i of the rings.
func (t *Table) Ring(i int) *Ring { return t.rings[i] }

// Close takes the program out of the interfaces. No Flow or Ring may be used
// afterwards.
func (t *Table) Close() {
	for _, l := range t.links {
		l.Close()
	}
	if t.prog != nil {
		t.prog.Close()
	}
	for _, r := range t.rings {
		r.close()
	}
	if t.memory != nil {
		_ = unix.Munmap(t.memory)
	}
	for _, m := range t.maps {
		m.Close()
	}
	t.routes.close()
	*t = Table{}
}

// Now is the clock that Path.Last, Tally.Last and Record.At are read from:
// CLOCK_MONOTONIC in nanoseconds.
func Now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail
	return ts.Nano()
}

// Hop finds how remote is reached. ok is false for what is not to be reached by an
// interface that is watched. It asks the system at most once a second for each
// address.
func (t *Table) Hop(remote netip.Addr, now time.Time) (Hop, bool) {
	if !remote.Is4() {
		return Hop{}, false
	}
	h, ok := t.routes.find(remote, now)
	return h, ok && t.seen[h.index]
}

// routes remembers what the system said of its routes.
type routes struct {
	mu    sync.Mutex
	fd    int // netlink; 0 = not open
	known map[netip.Addr]route
}

type route struct {
	hop   Hop
	ok    bool
	until time.Time
}

const (
	routeAge  = time.Second
	maxRoutes = 4096
)

func (r *routes) find(remote netip.Addr, now time.Time) (Hop, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok := r.known[remote]
	if ok && now.Before(x.until) {
		return x.hop, x.ok
	}
	if r.known == nil || len(r.known) >= maxRoutes {
		r.known = map[netip.Addr]route{}
	}
	hop, err := r.ask(remote)
	r.known[remote] = route{hop, err == nil, now.Add(routeAge)}
	return hop, err == nil
}

// ask sends RTM_GETROUTE for one address.
func (r *routes) ask(remote netip.Addr) (Hop, error) {
	if r.fd == 0 {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return Hop{}, fmt.Errorf("media: netlink: %w", err)
		}
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100000})
		r.fd = fd
	}
	const size = unix.SizeofNlMsghdr + unix.SizeofRtMsg + unix.SizeofRtAttr + 4
	var b [size]byte
	*(*unix.NlMsghdr)(unsafe.Pointer(&b[0])) = unix.NlMsghdr{Len: size, Type: unix.RTM_GETROUTE, Flags: unix.NLM_F_REQUEST}
	*(*unix.RtMsg)(unsafe.Pointer(&b[unix.SizeofNlMsghdr])) = unix.RtMsg{Family: unix.AF_INET, Dst_len: 32}
	*(*unix.RtAttr)(unsafe.Pointer(&b[unix.SizeofNlMsghdr+unix.SizeofRtMsg])) = unix.RtAttr{Len: unix.SizeofRtAttr + 4, Type: unix.RTA_DST}
	a := remote.As4()
	copy(b[size-4:], a[:])
	if err := unix.Sendto(r.fd, b[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return Hop{}, fmt.Errorf("media: netlink: %w", err)
	}
	var in [1024]byte
	n, _, err := unix.Recvfrom(r.fd, in[:], 0)
	if err != nil {
		r.close() // an answer that comes later must not be taken for another's
		return Hop{}, fmt.Errorf("media: netlink: %w", err)
	}
	const head = unix.SizeofNlMsghdr + unix.SizeofRtMsg
	if n < head || (*unix.NlMsghdr)(unsafe.Pointer(&in[0])).Type != unix.RTM_NEWROUTE {
		return Hop{}, fmt.Errorf("media: no route to %v", remote)
	}
	var h Hop
	h.local = (*unix.RtMsg)(unsafe.Pointer(&in[unix.SizeofNlMsghdr])).Type == unix.RTN_LOCAL
	for rest := in[head:n]; len(rest) >= unix.SizeofRtAttr; {
		attr := (*unix.RtAttr)(unsafe.Pointer(&rest[0]))
		length := int(attr.Len)
		if length < unix.SizeofRtAttr || length > len(rest) {
			break
		}
		value := rest[unix.SizeofRtAttr:length]
		switch {
		case attr.Type == unix.RTA_OIF && len(value) == 4:
			h.index = *(*uint32)(unsafe.Pointer(&value[0]))
		case attr.Type == unix.RTA_PREFSRC && len(value) == 4:
			h.Source = netip.AddrFrom4([4]byte(value))
		}
		rest = rest[min((length+3)&^3, len(rest)):]
	}
	if h.index == 0 || !h.Source.IsValid() {
		return Hop{}, fmt.Errorf("media: no route to %v", remote)
	}
	return h, nil
}

func (r *routes) close() {
	if r.fd != 0 {
		unix.Close(r.fd)
		r.fd = 0
	}
}
