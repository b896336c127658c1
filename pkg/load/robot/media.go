package robot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoMediaPort: no even/odd pair of UDP ports could be bound.
var ErrNoMediaPort = errors.New("robot: no free pair of RTP ports in 30000-59999")

const (
	tick     = 2 * time.Millisecond   // the sender's grid
	phases   = 10                     // 20 ms of packets spread over the grid
	maxBatch = 64                     // packets per system call
	maxLate  = 200 * time.Millisecond // later than this a packet is left out, not sent in a burst
)

// MediaConfig says how sound is carried.
type MediaConfig struct {
	IP netip.Addr // bound and advertised
	// SharedPorts > 0: that many sockets carry all legs, told apart by the
	// server's address, with many packets per system call: cheap, for load.
	// 0: each leg has a socket pair of its own, as a phone has.
	SharedPorts int
	// Law that Tone helpers use by default is chosen per leg; Jitter is measured
	// by the kernel's arrival time where the system tells it.
}

// Media sends and receives RTP for legs. Safe for concurrent use.
type Media struct {
	cfg    MediaConfig
	start  time.Time
	shared []*port
	nextID atomic.Uint32

	mu      sync.Mutex
	legs    [phases][]*Leg
	count   int // legs in the grid
	wake    chan struct{}
	done    chan struct{}
	closed  bool
	running sync.WaitGroup
	late    atomic.Uint64
	skipped atomic.Uint64

	delay, spread Histogram
}

// NewMedia binds the shared ports and starts the sender.
func NewMedia(cfg MediaConfig) (*Media, error) {
	if !cfg.IP.IsValid() {
		cfg.IP = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	m := &Media{cfg: cfg, start: time.Now(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	for range cfg.SharedPorts {
		p, err := m.newPort(true)
		if err != nil {
			m.Close()
			return nil, err
		}
		m.shared = append(m.shared, p)
	}
	m.running.Add(1)
	go m.send()
	return m, nil
}

// Close ends every port and waits for the goroutines.
func (m *Media) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	close(m.done)
	legs := make([]*Leg, 0, m.count)
	for _, l := range m.legs {
		legs = append(legs, l...)
	}
	m.mu.Unlock()
	for _, l := range legs {
		l.Close()
	}
	for _, p := range m.shared {
		p.close()
	}
	m.running.Wait()
}

// Delay is how long each packet took from one leg of m to another, and Spread by how much
// that differed from the packet before: what the way adds to the sender's own
// pace, the generator's lateness left out.
func (m *Media) Delay() (delay, spread *Histogram) { return &m.delay, &m.spread }

// Late tells how many packets the generator itself sent more than 20 ms late,
// and how many it left out: a run with many says nothing about the server.
func (m *Media) Late() (late, skipped uint64) { return m.late.Load(), m.skipped.Load() }

// port is a pair of sockets: RTP on the even, RTCP on the odd number.
type port struct {
	media     *Media
	addr      netip.AddrPort
	rtp, rtcp *net.UDPConn
	io        portIO
	rtcpSeen  atomic.Uint64
	strays    atomic.Uint64

	mu     sync.RWMutex
	only   *Leg                    // the leg of a port of its own
	byAddr map[netip.AddrPort]*Leg // legs of a shared port by the server's address
}

func (m *Media) newPort(shared bool) (*port, error) {
	for range 200 {
		n := uint16(30000 + 2*rand.IntN(15000)) //nolint:gosec // a port, not a secret
		a, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(m.cfg.IP, n)))
		if err != nil {
			continue
		}
		b, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(m.cfg.IP, n+1)))
		if err != nil {
			_ = a.Close()
			continue
		}
		p := &port{media: m, addr: netip.AddrPortFrom(m.cfg.IP, n), rtp: a, rtcp: b}
		if shared {
			_ = a.SetReadBuffer(8 << 20)
			p.byAddr = make(map[netip.AddrPort]*Leg)
		}
		if err := p.io.init(p); err != nil {
			_ = a.Close()
			_ = b.Close()
			return nil, fmt.Errorf("robot: rtp socket: %w", err)
		}
		m.running.Add(2)
		go func() { defer m.running.Done(); p.io.receive(p) }()
		go func() { defer m.running.Done(); p.readRTCP() }()
		return p, nil
	}
	return nil, ErrNoMediaPort
}

func (p *port) close() { _ = p.rtp.Close(); _ = p.rtcp.Close() }

// readRTCP counts reports; their content is the server's opinion, not ours.
func (p *port) readRTCP() {
	var b [1500]byte
	for {
		n, _, err := p.rtcp.ReadFromUDPAddrPort(b[:])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if n >= 8 && b[0]>>6 == 2 && b[1] >= 200 && b[1] <= 207 {
			p.rtcpSeen.Add(1)
		}
	}
}

// packet hands one received datagram to its leg. at is the arrival in
// nanoseconds of the wall clock.
func (p *port) packet(b []byte, from netip.AddrPort, at int64) {
	p.mu.RLock()
	l := p.only
	if l == nil {
		l = p.byAddr[from]
	}
	p.mu.RUnlock()
	if l == nil {
		p.strays.Add(1)
		return
	}
	l.receive(b, from, at)
}

// NewLeg makes an end of a stream; nothing is sent before SetRemote and a source.
func (m *Media) NewLeg() (*Leg, error) {
	id := m.nextID.Add(1)
	l := &Leg{media: m, id: id, ssrc: rand.Uint32(), seq: uint16(rand.Uint32()), ts: rand.Uint32(), law: PCMU} //nolint:gosec // RFC 3550 5.1 wants random, not secret
	if len(m.shared) > 0 {
		l.port = m.shared[int(id)%len(m.shared)]
	} else {
		p, err := m.newPort(false)
		if err != nil {
			return nil, err
		}
		p.mu.Lock() // a stranger's packet may be on its way already
		p.only = l
		p.mu.Unlock()
		l.port = p
	}
	return l, nil
}

// send is the sender's goroutine: every 2 ms the legs of that phase send a packet.
func (m *Media) send() {
	defer m.running.Done()
	var touched []*port
	last := int64(time.Since(m.start) / tick)
	for {
		m.mu.Lock()
		idle := m.count == 0
		m.mu.Unlock()
		if idle {
			select {
			case <-m.wake:
				last = int64(time.Since(m.start) / tick)
			case <-m.done:
				return
			}
			continue
		}
		next := time.Duration(last+1) * tick
		if d := next - time.Since(m.start); d > 0 {
			time.Sleep(d)
		}
		select {
		case <-m.done:
			return
		default:
		}
		now := int64(time.Since(m.start) / tick)
		if behind := now - last; behind > int64(maxLate/tick) {
			m.mu.Lock()
			m.skipped.Add(uint64(behind) * uint64(m.count) / phases)
			m.mu.Unlock()
			last = now - 1
		}
		for t := last + 1; t <= now; t++ {
			m.mu.Lock()
			legs := m.legs[t%phases]
			for _, l := range legs {
				if l.next() {
					if now-t > phases {
						m.late.Add(1)
					}
					if !l.port.io.touched {
						l.port.io.touched = true
						touched = append(touched, l.port)
					}
				}
			}
			for _, p := range touched {
				p.io.flush(p)
				p.io.touched = false
			}
			m.mu.Unlock()
			touched = touched[:0]
		}
		last = now
	}
}

func (m *Media) add(l *Leg) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.inGrid || m.closed {
		return
	}
	l.inGrid = true
	i := int(l.id) % phases
	m.legs[i] = append(m.legs[i], l)
	m.count++
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *Media) remove(l *Leg) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !l.inGrid {
		return
	}
	l.inGrid = false
	i := int(l.id) % phases
	s := m.legs[i]
	for j := range s {
		if s[j] == l {
			s[j] = s[len(s)-1]
			s[len(s)-1] = nil
			m.legs[i] = s[:len(s)-1]
			m.count--
			return
		}
	}
}

// magic begins a probe payload: who sent it and when, in place of sound.
const magic = 0x43745262

// putProbe writes magic, leg id and wall-clock nanoseconds into the payload.
func putProbe(b []byte, id uint32) {
	binary.BigEndian.PutUint32(b, magic)
	binary.BigEndian.PutUint32(b[4:], id)
	binary.BigEndian.PutUint64(b[8:], uint64(time.Now().UnixNano()))
}

// stampProbe renews the time in a packet that carries a probe.
func stampProbe(packet []byte, now int64) {
	if len(packet) >= 28 && binary.BigEndian.Uint32(packet[12:]) == magic {
		binary.BigEndian.PutUint64(packet[20:], uint64(now))
	}
}
