package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewChecks(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no address for peers": {BindIP: netip.IPv4Unspecified()},
		"no pair":              {BindIP: loopback, PortMin: 20001, PortMax: 20002},
		"range upside down":    {BindIP: loopback, PortMin: 20100, PortMax: 20000},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLifecycle(t *testing.T) {
	first, last := freePorts(t, 16)
	e, err := New(Config{BindIP: loopback, PortMin: first, PortMax: last, Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := e.Open(LegOptions{}); !errors.Is(err, ErrStopped) {
		t.Errorf("open before start: %v", err)
	}
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err == nil {
		t.Error("started twice")
	}
	a, b := newPhone(t, codec.PCMA, 500), newPhone(t, codec.PCMA, 900)
	la, err := e.Open(LegOptions{Group: 1})
	if err != nil {
		t.Fatal(err)
	}
	lb, err := e.Open(LegOptions{Group: 1})
	if err != nil {
		t.Fatal(err)
	}
	la.Set(a.params())
	lb.Set(b.params())
	la.Bridge(lb)
	la.Play(Play{ID: 1, Clips: []*play.Clip{play.Silence(time.Hour)}})
	eventually(t, "the clip is heard", func() bool { return a.count() > 1 })
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Errorf("second stop: %v", err)
	}
	// Nobody waits in vain.
	done := 0
	la.Stats(func(s Stats) {
		done++
		if s.PacketsSent < 2 {
			t.Errorf("%+v", s)
		}
	})
	la.Close(func(Stats) { done++ })
	e.Do(1, func(time.Time) { done++ })
	la.Play(Play{ID: 2})
	la.SendDigits("1")
	if done != 3 {
		t.Errorf("%d replies", done)
	}
	if _, err := e.Open(LegOptions{}); !errors.Is(err, ErrStopped) {
		t.Errorf("open after stop: %v", err)
	}
	if inUse, _, _ := e.ports.Usage(); inUse != 0 {
		t.Errorf("%d ports in use", inUse)
	}
}

func TestStopWithoutStart(t *testing.T) {
	e, err := New(Config{BindIP: loopback})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	e.Do(1, func(time.Time) {})
}

func TestOpenWithoutPorts(t *testing.T) {
	e := newEngine(t, Config{}, 2)
	for range 2 {
		l, err := e.Open(LegOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if l.Addr().Port()%2 != 0 || l.Addr().Addr() != loopback {
			t.Errorf("address %v", l.Addr())
		}
	}
	if _, err := e.Open(LegOptions{}); !errors.Is(err, ErrNoPort) || !strings.Contains(err.Error(), fmt.Sprintf("%d-%d (2 calls, 0 draining)", e.cfg.PortMin, e.cfg.PortMax)) {
		t.Errorf("error %v", err)
	}
}

// TestCommandsFromSinks: a sink may command any leg, and Do keeps its place.
func TestCommandsFromSinks(t *testing.T) {
	e := newEngine(t, Config{})
	p := newPhone(t, codec.PCMU, 500)
	var mu sync.Mutex
	var order []string
	note := func(s string) { mu.Lock(); order = append(order, s); mu.Unlock() }
	var l *Leg
	ready := make(chan struct{})
	done := make(chan struct{})
	l, err := e.Open(LegOptions{Group: 3, Sink: func(ev Event) {
		<-ready
		note(fmt.Sprintf("%T", ev))
		if x, ok := ev.(PlayDone); ok && x.ID == 1 {
			l.Play(Play{ID: 2, Clips: []*play.Clip{play.Silence(20 * time.Millisecond)}})
		} else if ok {
			l.Close(func(Stats) { note("closed") })
			e.Do(3, func(time.Time) { note("do"); close(done) })
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	l.Set(p.params())
	l.Play(Play{ID: 1, Clips: []*play.Clip{play.Silence(40 * time.Millisecond)}})
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the sinks are stuck")
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(order, " "); got != "session.PlayDone session.PlayDone closed do" {
		t.Errorf("order %q", got)
	}
}

func TestGroupsCannotBeBridged(t *testing.T) {
	e := newEngine(t, Config{Workers: 2})
	a, _ := e.Open(LegOptions{Group: 1})
	for g := uint64(2); ; g++ {
		b, err := e.Open(LegOptions{Group: g})
		if err != nil {
			t.Fatal(err)
		}
		if b.route.home == a.route.home {
			continue
		}
		a.Bridge(b)
		e.Do(1, func(time.Time) {
			if a.peer != nil {
				t.Error("bridged across workers")
			}
		})
		statsOf(a)
		return
	}
}

// TestNoCrossTalkUnderChurn: calls come and go on few ports while the phones of
// all earlier calls go on sending to where they were. Nobody hears another call.
func TestNoCrossTalkUnderChurn(t *testing.T) {
	for _, way := range possible(t) {
		t.Run(string(way), func(t *testing.T) { churn(t, way) })
	}
}

func churn(t *testing.T, way IO) {
	e := newEngine(t, Config{PortRest: time.Nanosecond, Workers: 2, IO: way}, 4)
	type side struct {
		*phone
		to netip.AddrPort
	}
	var stale []side
	reused := map[uint16]int{}
	for call := range 30 {
		a, b := newPhone(t, codec.PCMA, float64(300+100*(2*call%30))), newPhone(t, codec.PCMA, float64(300+100*((2*call+1)%30)))
		var legs [2]*Leg
		for i, p := range []*phone{a, b} {
			l, err := e.Open(LegOptions{Group: uint64(call)})
			if err != nil {
				t.Fatal(err)
			}
			l.Set(p.params())
			legs[i] = l
			reused[l.Addr().Port()]++
		}
		legs[0].Bridge(legs[1])
		statsOf(legs[0])
		for i := range 5 {
			for _, s := range stale {
				s.speak(s.to)
			}
			a.speak(legs[0].Addr())
			b.speak(legs[1].Addr())
			eventually(t, "a frame crosses", func() bool { return a.count() > i && b.count() > i })
		}
		for _, l := range legs {
			done := make(chan Stats, 1)
			l.Close(func(s Stats) { done <- s })
			if s := <-done; s.PacketsReceived != 5 || s.PacketsSent != 5 {
				t.Errorf("call %d: %+v", call, s)
			}
		}
		for _, x := range [][2]*phone{{a, b}, {b, a}} {
			for _, h := range x[0].pkts {
				if h.SSRC != x[0].pkts[0].SSRC {
					t.Errorf("call %d: a second stream", call)
				}
			}
			if got := level(x[0].heard, x[1].hz); got < 0.9 || len(x[0].heard) != 800 {
				t.Errorf("call %d: %.2f of %d samples are the partner's", call, got, len(x[0].heard))
			}
		}
		stale = append(stale, side{a, legs[0].Addr()}, side{b, legs[1].Addr()})
		if len(stale) > 8 {
			stale = stale[2:]
		}
	}
	for port, n := range reused {
		if n < 5 {
			t.Errorf("port %d was used %d times: the test proves nothing", port, n)
		}
	}
}

// TestLatePackets: what the same phone sent to the call before, after its end, is
// not heard in the next call on that port.
func TestLatePackets(t *testing.T) {
	for _, way := range possible(t) {
		t.Run(string(way), func(t *testing.T) {
			e := newEngine(t, Config{PortRest: time.Nanosecond, IO: way}, 1)
			p := newPhone(t, codec.PCMA, 500)
			var before netip.AddrPort
			for call := range 5 {
				l, err := e.Open(LegOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if before.IsValid() && l.Addr() != before {
					t.Fatalf("port %d, then %d: the test proves nothing", before.Port(), l.Addr().Port())
				}
				before = l.Addr()
				l.Set(p.params())
				l.Echo(true)
				statsOf(l)
				heard := p.count()
				for i := range 8 {
					p.speak(l.Addr())
					eventually(t, "the echo", func() bool { return p.count() > heard+i })
				}
				done := make(chan Stats, 1)
				l.Close(func(s Stats) { done <- s })
				if s := <-done; s.PacketsReceived != 8 || s.PacketsSent != 8 || s.PacketsLost != 0 {
					t.Errorf("call %d: %+v", call, s.Audio)
				}
				for range 3 {
					p.speak(before)
				}
				p.ssrc++ // the next call is another stream
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	e := newEngine(t, Config{Registerer: reg, Workers: 2}, 50)
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	p := newPhone(t, codec.PCMA, 500)
	l, err := e.Open(LegOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.Set(p.params())
	l.Echo(true)
	statsOf(l)
	for i := range 3 {
		p.speak(l.Addr())
		if i == 1 {
			p.seq += 2
		}
		eventually(t, "the echo", func() bool { return p.count() > i })
	}
	stranger := newPhone(t, codec.PCMA, 700)
	stranger.speak(l.Addr())
	eventually(t, "the stranger is noticed", func() bool { return statsOf(l).Strangers == 1 })
	closed := make(chan struct{})
	l.Close(func(Stats) { close(closed) })
	<-closed
	want := `
# HELP centrala_media_legs Legs that are open.
# TYPE centrala_media_legs gauge
centrala_media_legs 0
# HELP centrala_media_packets_lost_total RTP packets that did not arrive: at us (in), at the peer by its own RTCP (out).
# TYPE centrala_media_packets_lost_total counter
centrala_media_packets_lost_total{direction="in"} 2
centrala_media_packets_lost_total{direction="out"} 0
# HELP centrala_media_packets_total RTP packets taken from and sent to peers.
# TYPE centrala_media_packets_total counter
centrala_media_packets_total{direction="in"} 3
centrala_media_packets_total{direction="out"} 3
# HELP centrala_media_ports_draining Port pairs that rest before they are used again.
# TYPE centrala_media_ports_draining gauge
centrala_media_ports_draining 1
# HELP centrala_media_ports_in_use Port pairs taken by legs.
# TYPE centrala_media_ports_in_use gauge
centrala_media_ports_in_use 0
# HELP centrala_media_ports_limit Port pairs configured.
# TYPE centrala_media_ports_limit gauge
centrala_media_ports_limit 50
# HELP centrala_media_strangers_total Packets dropped because they came from an address that was not signalled.
# TYPE centrala_media_strangers_total counter
centrala_media_strangers_total 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "centrala_media_legs", "centrala_media_packets_lost_total", "centrala_media_packets_total",
		"centrala_media_ports_draining", "centrala_media_ports_in_use", "centrala_media_ports_limit", "centrala_media_strangers_total"); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := reg.Register(e.metrics); err != nil { // taken out by Stop
		t.Error(err)
	}
}

// TestPortsOfAnotherProgram: a block that another server has bound is got over.
func TestPortsOfAnotherProgram(t *testing.T) {
	const pairs = 40
	e := newEngine(t, Config{}, pairs)
	free := e.cfg.PortMin + 2*17
	for p := e.cfg.PortMin; p < e.cfg.PortMax; p += 2 {
		if p == free {
			continue
		}
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, p)))
		if err != nil {
			continue // taken by yet another program: as good
		}
		defer c.Close()
	}
	l, err := e.Open(LegOptions{Group: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Addr().Port(); got != free {
		t.Errorf("port %d, want %d, the only one that is free", got, free)
	}
	closed := make(chan struct{})
	l.Close(func(Stats) { close(closed) })
	<-closed
}
