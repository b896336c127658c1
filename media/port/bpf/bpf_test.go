//go:build linux && (amd64 || arm64) && !portable

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
	"unsafe"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func table(t *testing.T, rings int) *Table {
	t.Helper()
	tab, err := Open(1024, 65535, rings) // the ports are the system's choice
	if errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tab.Close)
	return tab
}

// even is a socket on an even port.
func even(t *testing.T, ip string) *net.UDPConn {
	t.Helper()
	for range 100 {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Fatal(err)
		}
		if addr(c).Port()%2 == 0 {
			t.Cleanup(func() { c.Close() })
			return c
		}
		defer c.Close()
	}
	t.Fatal("no even port")
	return nil
}

func addr(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// read is the next datagram, "" after a short while without one.
func read(t *testing.T, c *net.UDPConn, wait time.Duration) (string, netip.AddrPort) {
	t.Helper()
	b := make([]byte, 2000)
	_ = c.SetReadDeadline(time.Now().Add(wait))
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return "", from
	}
	return string(b[:n]), from
}

func rtp(pt byte, seq uint16, ts, ssrc uint32, payload []byte) []byte {
	b := []byte{0x80, pt}
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, payload...)
}

type scene struct {
	tab            *Table
	a, ours, to, b *net.UDPConn // a sends to ours; to is our side towards b
	path           Path
}

func newScene(t *testing.T, rings int) *scene {
	s := &scene{tab: table(t, rings), a: even(t, "127.0.0.2"), ours: even(t, "127.0.0.1"), to: even(t, "127.0.0.1"), b: even(t, "127.0.0.3")}
	in, ok := s.tab.Hop(addr(s.a).Addr(), time.Now())
	out, ok2 := s.tab.Hop(addr(s.b).Addr(), time.Now())
	if !ok || !ok2 || !Through(in, out) || in.Source != loopback {
		t.Fatalf("%+v %v, %+v %v", in, ok, out, ok2)
	}
	s.path = Path{
		Peer: addr(s.a), Local: addr(s.ours), From: addr(s.to), To: addr(s.b), In: in, Out: out,
		SSRC: 0x01020304, NewSSRC: 0xCAFEBABE, PT: 8, NewPT: 96,
		Seq: 0xFFFE, SeqShift: 5, TS: 0xFFFFFFFF - 100, TSShift: 1000, Step: 160, StepTime: 20 * time.Millisecond,
		Length: 160, Last: Now(), Ring: -1,
	}
	return s
}

func (s *scene) send(t *testing.T, b []byte) {
	t.Helper()
	if _, err := s.a.WriteToUDPAddrPort(b, addr(s.ours)); err != nil {
		t.Fatal(err)
	}
}

func TestLayout(t *testing.T) {
	var f Flow
	if unsafe.Sizeof(f) != flowSize {
		t.Fatal(unsafe.Sizeof(f))
	}
	for what, x := range map[string][2]uintptr{
		"ports": {unsafe.Offsetof(f.ports), 12}, "nsaddr": {unsafe.Offsetof(f.nsaddr), 16}, "nports": {unsafe.Offsetof(f.nports), 24},
		"ssrc": {unsafe.Offsetof(f.ssrc), 28}, "head": {unsafe.Offsetof(f.head), 36}, "npt": {unsafe.Offsetof(f.npt), 38},
		"seq": {unsafe.Offsetof(f.seq), 40}, "length": {unsafe.Offsetof(f.length), 44}, "ts": {unsafe.Offsetof(f.ts), 48},
		"tshift": {unsafe.Offsetof(f.tshift), 52}, "step": {unsafe.Offsetof(f.step), 56}, "in": {unsafe.Offsetof(f.in), 60},
		"out": {unsafe.Offsetof(f.out), 64}, "ring": {unsafe.Offsetof(f.ring), 68}, "stepNs": {unsafe.Offsetof(f.stepNs), 72},
		"last": {unsafe.Offsetof(f.last), 80}, "jitter": {unsafe.Offsetof(f.jitter), 88}, "count": {unsafe.Offsetof(f.count), 96},
	} {
		if x[0] != x[1] {
			t.Errorf("%s at %d, the program has %d", what, x[0], x[1])
		}
	}
}

// TestForward: packets in order go on renumbered, over both wraps, from our other
// port; the tally tells.
func TestForward(t *testing.T) {
	s := newScene(t, 1)
	f := s.tab.Flow(addr(s.ours).Port())
	f.Open(&s.path)
	before := Now()
	for i := range 4 {
		payload := bytes.Repeat([]byte{byte(i)}, 160)
		s.send(t, rtp(8, 0xFFFE+uint16(i), s.path.TS+160*uint32(i), 0x01020304, payload))
		got, from := read(t, s.b, time.Second)
		want := rtp(96, 3+uint16(i), s.path.TS+1000+160*uint32(i), 0xCAFEBABE, payload)
		if got != string(want) || from != addr(s.to) {
			t.Fatalf("packet %d: %x from %v, want %x", i, got, from, want)
		}
	}
	tally := f.Tally()
	if tally.Packets != 4 || tally.Last < before || tally.Last > Now() || tally.Jitter <= 0 {
		t.Errorf("%+v", tally)
	}
	if tally = f.Close(); tally.Packets != 0 {
		t.Errorf("%+v", tally)
	}
	if tally = f.Close(); tally != (Tally{}) {
		t.Errorf("closed twice: %+v", tally)
	}
	if got, _ := read(t, s.ours, 10*time.Millisecond); got != "" {
		t.Errorf("the socket got one as well")
	}
	s.send(t, rtp(8, 2, s.path.TS+640, 0x01020304, make([]byte, 160)))
	if got, _ := read(t, s.ours, time.Second); got == "" {
		t.Error("after Close the packet is not at its socket")
	}
	if got, _ := read(t, s.b, 10*time.Millisecond); got != "" {
		t.Error("after Close something was forwarded")
	}
}

// TestNowhere: what nobody listens to is counted and goes neither on nor to the socket;
// what is not the very next goes to the socket.
func TestNowhere(t *testing.T) {
	s := newScene(t, 1)
	s.path.Nowhere, s.path.To, s.path.From, s.path.Out = true, netip.AddrPort{}, netip.AddrPort{}, Hop{}
	f := s.tab.Flow(addr(s.ours).Port())
	f.Open(&s.path)
	before := Now()
	for i := range 4 { // over both wraps
		s.send(t, rtp(8, 0xFFFE+uint16(i), s.path.TS+160*uint32(i), 0x01020304, bytes.Repeat([]byte{byte(i)}, 160)))
	}
	key := rtp(101, 2, s.path.TS+640, 0x01020304, []byte{1, 10, 0, 160})
	s.send(t, key) // in order behind them, so what is read first tells
	if got, _ := read(t, s.ours, 5*time.Second); got != string(key) {
		t.Errorf("the socket got %x, want the key", got)
	}
	if tally := f.Close(); tally.Packets != 4 || tally.Last < before || tally.Last > Now() || tally.Jitter <= 0 {
		t.Errorf("%+v", tally)
	}
	if got, _ := read(t, s.b, 10*time.Millisecond); got != "" {
		t.Errorf("something was forwarded: %x", got)
	}
	// The flow serves a conversation afterwards.
	s.path.Nowhere, s.path.To, s.path.From, s.path.Out = false, addr(s.b), addr(s.to), s.path.In
	s.path.Seq, s.path.TS, s.path.Last = 3, s.path.TS+800, Now()
	f.Open(&s.path)
	s.send(t, rtp(8, 3, s.path.TS, 0x01020304, make([]byte, 160)))
	if got, _ := read(t, s.b, 5*time.Second); got == "" {
		t.Error("after that nothing is forwarded")
	}
}

// TestOnlyTheNext: each packet that differs in one thing goes to the socket,
// unchanged, and the flow waits on.
func TestOnlyTheNext(t *testing.T) {
	s := newScene(t, 1)
	f := s.tab.Flow(addr(s.ours).Port())
	f.Open(&s.path)
	seq, ts, ssrc, payload := uint16(0xFFFE), s.path.TS, uint32(0x01020304), make([]byte, 160)
	good := rtp(8, seq, ts, ssrc, payload)
	with := func(i int, v byte) []byte {
		b := bytes.Clone(good)
		b[i] = v
		return b
	}
	for what, b := range map[string][]byte{
		"sequence": rtp(8, seq+1, ts, ssrc, payload), "late": rtp(8, seq-1, ts, ssrc, payload), "timestamp": rtp(8, seq, ts+1, ssrc, payload),
		"source": rtp(8, seq, ts, ssrc+1, payload), "type": rtp(0, seq, ts, ssrc, payload), "marker": with(1, 0x88), "version": with(0, 0x40),
		"padding": with(0, 0xA0), "extension": with(0, 0x90), "csrc": with(0, 0x81), "rtcp": with(1, 200), "long": rtp(8, seq, ts, ssrc, make([]byte, 161)),
		"short": rtp(8, seq, ts, ssrc, payload[1:]), "header": good[:12], "less": good[:11], "nothing": {}, "huge": rtp(8, seq, ts, ssrc, make([]byte, 1400)),
	} {
		s.send(t, b)
		if got, from := read(t, s.ours, time.Second); got != string(b) || from != addr(s.a) {
			t.Errorf("%s: %x from %v", what, got, from)
		}
	}
	stranger := even(t, "127.0.0.2")
	if _, err := stranger.WriteToUDPAddrPort(good, addr(s.ours)); err != nil {
		t.Fatal(err)
	}
	if got, from := read(t, s.ours, time.Second); got != string(good) || from != addr(stranger) {
		t.Errorf("stranger: %x from %v", got, from)
	}
	if got, _ := read(t, s.b, 10*time.Millisecond); got != "" {
		t.Fatalf("something was forwarded: %x", got)
	}
	s.send(t, good)
	if got, _ := read(t, s.b, time.Second); got == "" {
		t.Error("the right one was not forwarded")
	}
	// A second of silence is for the slow path to judge.
	f.Close()
	s.path.Last = Now() - int64(time.Second) - 1
	f.Open(&s.path)
	s.send(t, good)
	if got, _ := read(t, s.ours, time.Second); got != string(good) {
		t.Error("forwarded after a second of silence")
	}
}

// TestCopy: each payload is in the ring as well, small and large; when it is full,
// packets go to the socket; none is both.
func TestCopy(t *testing.T) {
	for _, size := range []int{1, 80, 160, 161, MaxPayload} {
		s := newScene(t, 2)
		f := s.tab.Flow(addr(s.ours).Port())
		s.path.Length, s.path.Ring = size, 1
		f.Open(&s.path)
		payload := bytes.Repeat([]byte{7}, size)
		for i := range 3 {
			payload[size-1] = byte(i)
			s.send(t, rtp(8, 0xFFFE+uint16(i), s.path.TS+160*uint32(i), 0x01020304, payload))
			if got, _ := read(t, s.b, time.Second); got != string(rtp(96, 3+uint16(i), s.path.TS+1000+160*uint32(i), 0xCAFEBABE, payload)) {
				t.Fatalf("%d: %x", size, got)
			}
		}
		n := uint32(0)
		s.tab.Ring(0).Drain(func(*Record) { t.Error("another ring") })
		s.tab.Ring(1).Drain(func(r *Record) {
			payload[size-1] = byte(n)
			if r.Port != addr(s.ours).Port() || r.SSRC != 0x01020304 || r.TS != s.path.TS+160*n || r.At <= s.path.Last || !bytes.Equal(r.Payload, payload) {
				t.Errorf("%d: record %d: %+v", size, n, r)
			}
			n++
		})
		if n != 3 {
			t.Errorf("%d: %d records", size, n)
		}
	}
	s := newScene(t, 1)
	f := s.tab.Flow(addr(s.ours).Port())
	s.path.Length, s.path.Ring = MaxPayload, 0
	f.Open(&s.path)
	sent, full := 0, false
	for seq := s.path.Seq; sent < 3*ringSize/MaxPayload && !full; seq++ {
		s.send(t, rtp(8, seq, s.path.TS+160*uint32(sent), 0x01020304, make([]byte, MaxPayload)))
		if sent%50 == 0 { // the peer's buffer is small
			for range 100 {
				if got, _ := read(t, s.b, 50*time.Microsecond); got == "" {
					break
				}
			}
			got, _ := read(t, s.ours, 50*time.Microsecond)
			full = got != ""
		}
		sent++
	}
	if tally := f.Close(); !full || tally.Packets < ringSize/2/MaxPayload {
		t.Errorf("sent %d, forwarded %d, full %v", sent, tally.Packets, full)
	}
}

// TestReuse: a flow given to another while packets of the first are under way
// never sends one of the first to the peer of the second.
func TestReuse(t *testing.T) {
	s := newScene(t, 1)
	f := s.tab.Flow(addr(s.ours).Port())
	a2, b2 := even(t, "127.0.0.4"), even(t, "127.0.0.5")
	second := s.path
	second.Peer, second.To = addr(a2), addr(b2)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // both send what would fit, all the time
		defer close(done)
		first, other := rtp(8, s.path.Seq, s.path.TS, s.path.SSRC, bytes.Repeat([]byte{1}, 160)), rtp(8, s.path.Seq, s.path.TS, s.path.SSRC, bytes.Repeat([]byte{2}, 160))
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, _ = s.a.WriteToUDPAddrPort(first, addr(s.ours))
			_, _ = a2.WriteToUDPAddrPort(other, addr(s.ours))
		}
	}()
	took := [2]uint64{}
	for i := range 3000 {
		p, c, mark := &s.path, s.b, byte(1)
		if i%2 == 1 {
			p, c, mark = &second, b2, 2
		}
		p.Last = Now()
		f.Open(p)
		n := uint64(0)
		for end := time.Now().Add(200 * time.Microsecond); n == 0 && time.Now().Before(end); {
			n = f.Tally().Packets
		}
		took[i%2] += n + f.Close().Packets
		if i%16 < 2 {
			for range 300 {
				got, _ := read(t, c, 50*time.Microsecond)
				if got == "" {
					break
				}
				if got[12] != mark || len(got) != 172 {
					t.Fatalf("turn %d: the sound of the other", i)
				}
			}
		}
	}
	close(stop)
	<-done
	if took[0] == 0 || took[1] == 0 {
		t.Errorf("took %v", took)
	}
}

func TestRange(t *testing.T) {
	tab, err := Open(20001, 20006, 1)
	if errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	defer tab.Close()
	for port, want := range map[uint16]bool{20000: false, 20001: false, 20002: true, 20003: false, 20004: true, 20006: false, 0: false, 65534: false} {
		if got := tab.Flow(port) != nil; got != want {
			t.Errorf("%d: %v", port, got)
		}
	}
	if _, ok := tab.Hop(netip.MustParseAddr("::1"), time.Now()); ok {
		t.Error("IPv6")
	}
	if _, err := Open(20001, 20001, 1); err == nil || errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}
