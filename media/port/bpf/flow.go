package bpf

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"
)

// The states of a Flow. Whoever moves it out of open owns the rest of it.
const (
	closed uint32 = iota // ours
	open                 // nobody's: the next packet's or ours
	busy                 // the kernel works on a packet
)

// Flow is what the kernel keeps of one port, in memory that it shares with us.
// All of it but the state is touched only by who has moved the state out of open,
// so a flow that was closed is ours from that moment: no packet is under way with
// what stood in it before. The layout is the program's (program.go).
type Flow struct {
	state  uint32 // 0
	saddr  [4]byte
	daddr  [4]byte
	ports  [4]byte // source, destination
	nsaddr [4]byte // 16: what the packet is sent on with
	ndaddr [4]byte
	nports [4]byte
	ssrc   [4]byte // 28
	nssrc  [4]byte
	head   [2]byte // 36: the first two octets: version, payload type
	npt    uint8
	_      uint8
	seq    uint16 // 40: the only sequence number that is taken
	shift  uint16
	length uint32 // 44: octets of payload
	ts     uint32 // 48: the only timestamp that is taken
	tshift uint32
	step   uint32 // 56: ticks from packet to packet
	in     uint32 // 60: the interface that packets must come in by
	out    uint32 // 64: the interface to send by; 0 = up the stack they came in by; nowhere
	ring   uint32 // 68: noRing, or which
	stepNs uint64 // 72
	last   uint64 // 80: when the last packet came, CLOCK_MONOTONIC
	jitter uint64 // 88: nanoseconds times 16
	count  uint64 // 96: packets taken since Open or Tally
	_      [24]byte
}

const (
	flowSize = 128
	noRing   = ^uint32(0)
	nowhere  = ^uint32(0)
)

// MaxPayload is the largest payload of a packet that is also recorded.
const MaxPayload = 480

// Path is one direction of a bridge: which packets the kernel is to take and what
// it makes of them. It takes a packet only if it is the very next: everything else
// (loss, reordering, a marker, another type or source, a stranger) goes to the
// port's socket as if there were no path.
type Path struct {
	Peer, Local netip.AddrPort // the packet's source and destination
	From, To    netip.AddrPort // what they become
	In, Out     Hop            // to Peer, to To; see Through
	// Nowhere: nobody listens. Packets are counted and end there; From, To, Out and
	// what is made of a packet are not looked at.
	Nowhere   bool
	SSRC      uint32
	NewSSRC   uint32
	PT, NewPT uint8
	Seq       uint16 // expected next
	SeqShift  uint16 // added
	TS        uint32 // expected next
	TSShift   uint32 // added
	Step      uint32 // ticks of the timestamp from packet to packet, > 0
	StepTime  time.Duration
	Length    int           // octets of every payload, 1-1400, 1-MaxPayload with a ring
	Jitter    time.Duration // so far (RFC 3550 A.8), 16 times
	Last      int64         // when the last packet came, as Now tells it
	Ring      int           // which ring gets a copy of each payload; -1 = none
}

// Hop is how a peer is reached.
type Hop struct {
	// Source is our address towards it.
	Source netip.Addr
	index  uint32
	local  bool
}

// Through tells whether the kernel can take packets of a peer at in and send them
// to one at out: both must be beyond interfaces that are watched, or both on this
// machine.
func Through(in, out Hop) bool {
	return in.Watched() && out.Watched() && in.local == out.local
}

// Watched tells whether the program sees what the peer sends.
func (h Hop) Watched() bool { return h.index != 0 }

// Tally is what the kernel did since Open or the last Tally.
type Tally struct {
	Packets uint64
	Last    int64         // when the newest came, as Now tells it
	Jitter  time.Duration // 16 times
}

// Open lets the kernel take what p says. The flow must be closed.
func (f *Flow) Open(p *Path) {
	f.saddr, f.daddr = p.Peer.Addr().As4(), p.Local.Addr().As4()
	f.nsaddr, f.ndaddr = [4]byte{}, [4]byte{}
	if !p.Nowhere {
		f.nsaddr, f.ndaddr = p.From.Addr().As4(), p.To.Addr().As4()
	}
	be := binary.BigEndian
	be.PutUint16(f.ports[:], p.Peer.Port())
	be.PutUint16(f.ports[2:], p.Local.Port())
	be.PutUint16(f.nports[:], p.From.Port())
	be.PutUint16(f.nports[2:], p.To.Port())
	be.PutUint32(f.ssrc[:], p.SSRC)
	be.PutUint32(f.nssrc[:], p.NewSSRC)
	f.head, f.npt = [2]byte{0x80, p.PT}, p.NewPT
	f.seq, f.shift = p.Seq, p.SeqShift
	f.ts, f.tshift, f.step = p.TS, p.TSShift, p.Step
	f.length, f.stepNs = uint32(p.Length), uint64(p.StepTime)
	f.in, f.out = p.In.index, p.Out.index
	switch {
	case p.Nowhere:
		f.out = nowhere
	case p.Out.local:
		f.out = 0 // it is on the stack it must go up already
	}
	f.ring = noRing
	if p.Ring >= 0 {
		f.ring = uint32(p.Ring)
	}
	f.last, f.jitter, f.count = uint64(p.Last), uint64(p.Jitter), 0
	atomic.StoreUint32(&f.state, open)
}

// Close takes the flow back: when it returns, the kernel does not touch it and
// all it did is in the Tally. Closing a closed flow tells nothing.
func (f *Flow) Close() (t Tally) {
	for spins := 0; !atomic.CompareAndSwapUint32(&f.state, open, closed); spins++ {
		if atomic.LoadUint32(&f.state) == closed {
			return Tally{}
		}
		if spins > 100 { // the other processor may have been taken from us
			runtime.Gosched()
		}
	}
	t = Tally{Packets: f.count, Last: int64(f.last), Jitter: time.Duration(f.jitter)}
	f.count = 0
	return t
}

// Tally tells what was done and lets the kernel go on. A packet that comes at this
// very moment goes to the socket.
func (f *Flow) Tally() (t Tally) {
	t = f.Close()
	atomic.StoreUint32(&f.state, open)
	return t
}
