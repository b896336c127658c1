package session

import (
	"context"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/rtp"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/rtp"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// freePorts finds pairs of ports in a row that are free now, below those that the
// system gives to sockets which ask for any: nobody's phone can sit there.
func freePorts(t testing.TB, pairs int) (first, last uint16) {
	t.Helper()
	for range 100 {
		first := 2 * (5000 + rand.IntN(16000-5000-pairs))
		free := true
		for p := first; p < first+2*pairs && free; p++ {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p})
			if free = err == nil; free {
				c.Close()
			}
		}
		if free {
			return uint16(first), uint16(first + 2*pairs - 1)
		}
	}
	t.Fatal("no ports are free")
	return 0, 0
}

// newEngine starts an engine with ports of its own, as many pairs as asked for, else 64.
func newEngine(t testing.TB, cfg Config, pairs ...int) *Engine {
	t.Helper()
	cfg.BindIP = loopback
	if cfg.IO == "" {
		cfg.IO = IO(*testIO)
	}
	if cfg.PortMin == 0 {
		cfg.PortMin, cfg.PortMax = freePorts(t, append(pairs, 64)[0])
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return e
}

// phone is a peer: it sends a tone and listens.
type phone struct {
	t    testing.TB
	conn *net.UDPConn
	law  codec.Law
	hz   float64
	seq  uint16
	ts   uint32
	ssrc uint32
	n    int

	mu    sync.Mutex
	heard []int16
	pkts  []pion.Header
}

func newPhone(t testing.TB, law codec.Law, hz float64) *phone {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{t: t, conn: c, law: law, hz: hz, seq: 65530, ts: math.MaxUint32 - 800, ssrc: uint32(hz)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			var pk pion.Packet
			if rtp.IsRTCP(b[:n]) { // of a leg whose phone has the port below
				continue
			}
			if err := pk.Unmarshal(b[:n]); err != nil {
				t.Errorf("phone got no RTP: %v", err)
				continue
			}
			pcm := make([]int16, len(pk.Payload))
			codec.Decode(codec.Law(pk.PayloadType), pcm, pk.Payload)
			p.mu.Lock()
			p.heard = append(p.heard, pcm...)
			p.pkts = append(p.pkts, pk.Header)
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return p
}

func (p *phone) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *phone) params() Params {
	return Params{Remote: p.addr(), Law: p.law, SendPT: uint8(p.law), RecvPT: uint8(p.law), EventSendPT: 101, EventRecvPT: 101, Send: true, Recv: true}
}

// speak sends one frame of the phone's tone.
func (p *phone) speak(to netip.AddrPort) {
	pcm := make([]int16, media.FrameSamples)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*p.hz*float64(p.n)/media.ClockRate))
		p.n++
	}
	payload := make([]byte, len(pcm))
	codec.Encode(p.law, payload, pcm)
	pk := pion.Packet{Header: pion.Header{Version: 2, PayloadType: uint8(p.law), SequenceNumber: p.seq, Timestamp: p.ts, SSRC: p.ssrc}, Payload: payload}
	p.seq++
	p.ts += media.FrameSamples
	b, err := pk.Marshal()
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.conn.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pkts)
}

// level is the share of the sound's power at hz (Goertzel), 0..1.
func level(pcm []int16, hz float64) float64 {
	w := 2 * math.Pi * hz / media.ClockRate
	var s1, s2, total float64
	for _, v := range pcm {
		s := float64(v) + 2*math.Cos(w)*s1 - s2
		s2, s1 = s1, s
		total += float64(v) * float64(v)
	}
	if total == 0 {
		return 0
	}
	return 2 * (s1*s1 + s2*s2 - 2*math.Cos(w)*s1*s2) / (total * float64(len(pcm)))
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func statsOf(l *Leg) Stats {
	ch := make(chan Stats, 1)
	l.Stats(func(s Stats) { ch <- s })
	return <-ch
}

func TestTwoTonesCross(t *testing.T) {
	for _, laws := range [][2]codec.Law{{codec.PCMA, codec.PCMA}, {codec.PCMU, codec.PCMA}} {
		t.Run(laws[0].String()+"-"+laws[1].String(), func(t *testing.T) {
			e := newEngine(t, Config{})
			a, b := newPhone(t, laws[0], 500), newPhone(t, laws[1], 1250)
			la, err := e.Open(LegOptions{Group: 7})
			if err != nil {
				t.Fatal(err)
			}
			lb, err := e.Open(LegOptions{Group: 7})
			if err != nil {
				t.Fatal(err)
			}
			la.Set(a.params())
			lb.Set(b.params())
			la.Bridge(lb)
			statsOf(la) // the commands before it are done
			const frames = 100
			for i := range frames {
				a.speak(la.Addr())
				b.speak(lb.Addr())
				eventually(t, "a frame crosses", func() bool { return a.count() > i && b.count() > i })
			}
			for _, x := range []struct {
				p          *phone
				want, wont float64
			}{{a, 1250, 500}, {b, 500, 1250}} {
				x.p.mu.Lock()
				if got := level(x.p.heard, x.want); got < 0.98 {
					t.Errorf("phone of %v Hz hears %v Hz with %.3f of the power", x.p.hz, x.want, got)
				}
				if got := level(x.p.heard, x.wont); got > 0.01 {
					t.Errorf("phone of %v Hz hears itself: %.3f", x.p.hz, got)
				}
				for i, h := range x.p.pkts[1:] {
					if before := x.p.pkts[i]; h.SequenceNumber != before.SequenceNumber+1 || h.Timestamp != before.Timestamp+160 || h.SSRC != before.SSRC || h.Marker {
						t.Fatalf("packet %d breaks the line: %v after %v", i+1, h, before)
					}
				}
				x.p.mu.Unlock()
			}
			if st := statsOf(la); st.PacketsReceived != frames || st.PacketsSent != frames || st.PacketsLost != 0 || st.Strangers != 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}
