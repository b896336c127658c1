package session

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/rtp"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/record"
)

func openLeg(t testing.TB, e *Engine, o LegOptions) *Leg {
	t.Helper()
	l, err := e.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// elsewhere is a group on another worker than that of g.
func elsewhere(e *Engine, g uint64) uint64 {
	for o := g + 1; ; o++ {
		if e.worker(o) != e.worker(g) {
			return o
		}
	}
}

// marked is a peer whose packets carry a mark and a number, and which checks what
// comes back.
type marked struct {
	conn *net.UDPConn
	mark byte
	sent int
	back atomic.Int64
	line []pion.Header
	err  atomic.Pointer[string]
	done chan struct{}
}

func newMarked(t testing.TB, mark byte) *marked {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	m := &marked{conn: c, mark: mark, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		b := make([]byte, 2048)
		for n := 0; ; n++ {
			size, err := c.Read(b)
			if err != nil {
				return
			}
			var p pion.Packet
			fault := func(f string, a ...any) { s := fmt.Sprintf(f, a...); m.err.CompareAndSwap(nil, &s) }
			if err := p.Unmarshal(b[:size]); err != nil {
				fault("%v", err)
				continue
			}
			if want := m.payload(n); !bytes.Equal(p.Payload, want) {
				fault("packet %d: got %x, want %x", n, p.Payload[40:44], want[40:44])
			}
			m.line = append(m.line, p.Header)
			m.back.Add(1)
		}
	}()
	t.Cleanup(func() { c.Close(); <-m.done })
	return m
}

func (m *marked) payload(n int) []byte {
	b := make([]byte, 160)
	b[0] = 0xD5 // silence: no step that would have to be smoothed
	b[40], b[41], b[42], b[43] = m.mark, byte(n>>16), byte(n>>8), byte(n)
	return b
}

func (m *marked) send(t testing.TB, l *Leg) {
	p := pion.Packet{Header: pion.Header{Version: 2, PayloadType: 8, SequenceNumber: uint16(65000 + m.sent), Timestamp: uint32(m.sent) * 160, SSRC: uint32(m.mark)}, Payload: m.payload(m.sent)}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.conn.WriteToUDPAddrPort(b, l.Addr()); err != nil {
		t.Fatal(err)
	}
	m.sent++
}

func (m *marked) params() Params {
	return Params{Remote: m.conn.LocalAddr().(*net.UDPAddr).AddrPort(), Law: codec.PCMA, SendPT: 8, RecvPT: 8, Send: true, Recv: true}
}

// TestMoveUnderTraffic: legs that echo are moved about as fast as it goes while
// packets flow and commands come from all sides. Each packet comes back once, in
// order, to its own sender, on one line; commands keep their order.
func TestMoveUnderTraffic(t *testing.T) {
	e := newEngine(t, Config{Workers: 3})
	const legs, packets = 6, 1500
	var wg sync.WaitGroup
	for i := range legs {
		m := newMarked(t, byte(i+1))
		l := openLeg(t, e, LegOptions{Group: uint64(i)})
		l.Set(m.params())
		l.Echo(true)
		statsOf(l) // else the first packet is a stranger's
		stop := make(chan struct{})
		moves := 0
		wg.Go(func() { // moves, and commands behind each
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			order, next := 0, 0
			for {
				select {
				case <-stop:
					if got := statsOf(l); order != next || got.PacketsReceived != packets || got.PacketsLost != 0 || got.Strangers != 0 {
						t.Errorf("leg %d: %d of %d commands, %+v", i, order, next, got)
					}
					return
				default:
				}
				for range rng.IntN(3) {
					l.Move(uint64(rng.IntN(9)))
					moves++
				}
				for range rng.IntN(4) {
					n := next
					next++
					l.post(func(time.Time) {
						if order != n {
							t.Errorf("command %d came as %d", n, order)
						}
						order++
					})
				}
				if rng.IntN(10) == 0 {
					statsOf(l)
				}
			}
		})
		wg.Go(func() {
			defer close(stop)
			end := time.Now().Add(20 * time.Second)
			for m.sent < packets {
				if m.sent-int(m.back.Load()) < 20 {
					m.send(t, l)
				} else if time.Now().After(end) {
					break
				} else {
					time.Sleep(50 * time.Microsecond)
				}
			}
			for int(m.back.Load()) < packets && time.Now().Before(end) {
				time.Sleep(time.Millisecond)
			}
		})
		defer func() {
			m.conn.Close()
			<-m.done
			if f := m.err.Load(); f != nil {
				t.Errorf("leg %d: %s", i, *f)
			}
			if len(m.line) != packets {
				t.Errorf("leg %d: %d of %d packets came back", i, len(m.line), packets)
			}
			for j := 1; j < len(m.line); j++ {
				if a, b := m.line[j-1], m.line[j]; b.SSRC != a.SSRC || b.SequenceNumber != a.SequenceNumber+1 || b.Timestamp != a.Timestamp+160 || b.Marker {
					t.Fatalf("leg %d: packet %d breaks the line", i, j)
				}
			}
			if moves < 50 {
				t.Errorf("leg %d: %d moves prove nothing", i, moves)
			}
		}()
	}
	wg.Wait()
}

// TestMoveKeepsPlaying: frames keep their pace and their line through moves.
func TestMoveKeepsPlaying(t *testing.T) {
	e := newEngine(t, Config{Workers: 2})
	p := newPhone(t, codec.PCMA, 500)
	l := openLeg(t, e, LegOptions{Group: 1})
	other := elsewhere(e, 1)
	l.Set(p.params())
	l.Play(Play{ID: 1, Clips: []*play.Clip{play.Tone(time.Second, -10, 400)}, Loop: true})
	eventually(t, "it plays", func() bool { return p.count() > 0 })
	start, before := time.Now(), p.count()
	for i := range 60 {
		l.Move([]uint64{other, 1}[i%2])
		time.Sleep(time.Duration(5+i%13) * time.Millisecond)
	}
	got, want := p.count()-before, int(time.Since(start)/(20*time.Millisecond))
	if got < want-4 || got > want+4 {
		t.Errorf("%d frames, want about %d", got, want)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, h := range p.pkts[1:] {
		if a := p.pkts[i]; h.SequenceNumber != a.SequenceNumber+1 || h.Timestamp != a.Timestamp+160 || h.SSRC != a.SSRC || h.Marker {
			t.Fatalf("packet %d breaks the line: %v after %v", i+1, h, a)
		}
	}
}

// TestMoveThenBridge: a leg of another group comes over and is bridged; what is
// asked of either behind the Bridge comes behind it.
func TestMoveThenBridge(t *testing.T) {
	e := newEngine(t, Config{Workers: 2, PortRest: time.Nanosecond})
	other := elsewhere(e, 1)
	for range 50 {
		a, b := newPhone(t, codec.PCMA, 500), newPhone(t, codec.PCMA, 900)
		la, lb := openLeg(t, e, LegOptions{Group: 1}), openLeg(t, e, LegOptions{Group: other})
		la.Set(a.params())
		lb.Set(b.params())
		lb.Play(Play{ID: 1, Clips: []*play.Clip{play.Silence(time.Hour)}})
		lb.Move(1)
		la.Bridge(lb) // ends Play 1
		checked := make(chan bool, 2)
		for _, l := range []*Leg{la, lb} {
			l.post(func(time.Time) { checked <- l.peer != nil && l.peer.peer == l && !l.player.active })
		}
		if !<-checked || !<-checked {
			t.Fatal("not bridged, or too late")
		}
		a.speak(la.Addr())
		n := b.count() // some of Play 1, perhaps
		eventually(t, "a frame crosses", func() bool { return b.count() > 0 })
		b.speak(lb.Addr())
		eventually(t, "a frame crosses back", func() bool { return a.count() > 0 && b.count() >= n })
		// Away again: parted, and a bridge across workers is refused.
		la.Move(other)
		la.Bridge(lb)
		e.Do(1, func(time.Time) {})
		statsOf(la)
		statsOf(lb)
		lb.post(func(time.Time) { checked <- lb.peer == nil })
		if !<-checked {
			t.Fatal("still bridged")
		}
		la.Close(nil)
		lb.Close(nil)
	}
}

// TestMovesAndMeetingsEnd: any mixture of moves, bridges, conferences and closes
// from many goroutines leaves nobody waiting, also when the engine stops amid it.
func TestMovesAndMeetingsEnd(t *testing.T) {
	for round := range 10 {
		first, last := freePorts(t, 16)
		e, err := New(Config{BindIP: loopback, PortMin: first, PortMax: last, Workers: 3})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		var legs []*Leg
		for i := range 8 {
			legs = append(legs, openLeg(t, e, LegOptions{Group: uint64(i)}))
		}
		confs := []*Conference{e.NewConference(1), e.NewConference(5)}
		var wg sync.WaitGroup
		var asked, told atomic.Int64
		for g := range 4 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(round), uint64(g)))
				for i := range 400 {
					l, o, c := legs[rng.IntN(8)], legs[rng.IntN(8)], confs[rng.IntN(2)]
					switch rng.IntN(10) {
					case 0, 1, 2:
						l.Move(uint64(rng.IntN(6)))
					case 3, 4, 5:
						l.Bridge(o)
					case 6:
						c.Add(l, Whisper(o))
					case 7:
						c.Remove(l)
						c.SetRole(l, Listener())
					case 8:
						asked.Add(1)
						l.Stats(func(Stats) { told.Add(1) })
					case 9:
						if i%50 == 0 {
							c.Close()
						}
						if i%100 == 0 {
							l.Close(nil)
						}
						l.Echo(rng.IntN(2) == 0)
					}
				}
			})
		}
		if round%2 == 0 {
			wg.Wait()
			for _, l := range legs {
				statsOf(l)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := e.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		wg.Wait()
		for _, l := range legs {
			l.Close(nil)
			if !l.closed {
				t.Error("a leg survived")
			}
		}
		if asked.Load() != told.Load() {
			t.Errorf("round %d: %d asked, %d told", round, asked.Load(), told.Load())
		}
		if inUse, _, _ := e.ports.Usage(); inUse != 0 {
			t.Errorf("%d ports in use", inUse)
		}
	}
}

// TestMoveKeepsTheTap: a recording has every packet of a leg that moves meanwhile.
func TestMoveKeepsTheTap(t *testing.T) {
	dir := t.TempDir()
	rw, err := record.NewWriter(record.Config{Dir: dir, Format: record.G711})
	if err != nil {
		t.Fatal(err)
	}
	if err := rw.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer rw.Stop(context.Background()) //nolint:errcheck // the test is over
	e := newEngine(t, Config{Workers: 2})
	other := elsewhere(e, 1)
	m := newMarked(t, 9)
	l := openLeg(t, e, LegOptions{Group: 1})
	l.Set(m.params())
	l.Echo(true)
	done := make(chan record.Result, 1)
	rec, err := rw.Open("a.wav", codec.PCMA, func(r record.Result) { done <- r })
	if err != nil {
		t.Fatal(err)
	}
	l.Record(rec, record.Left)
	statsOf(l)
	const packets = 40
	for i := range packets {
		l.Move([]uint64{other, 1}[i%2])
		m.send(t, l)
		eventually(t, "it comes back", func() bool { return int(m.back.Load()) > i })
	}
	l.Record(nil, record.Left)
	statsOf(l)
	rec.Close(time.Now())
	if r := <-done; r.Fault != "" {
		t.Fatal(r.Fault)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "a.wav"))
	if err != nil {
		t.Fatal(err)
	}
	var left []byte
	for i := slices.Index(raw, 'd') + 8 + len(raw)%2; i < len(raw); i++ {
		left = append(left, raw[i])
	}
	for n := range packets {
		want := m.payload(n)[:4]
		found := false
		for i := 0; i+8 < len(left) && !found; i++ {
			found = left[i] == want[0] && left[i+2] == want[1] && left[i+4] == want[2] && left[i+6] == want[3]
		}
		if !found {
			t.Errorf("packet %d is not in the recording", n)
		}
	}
}

// TestConferencesDoNotCross: two conferences on two workers, whose members come,
// go, move, are bridged and come back while all speak. Nobody ever hears a voice
// of the other conference, and all lines stay whole.
func TestConferencesDoNotCross(t *testing.T) {
	e := newEngine(t, Config{Workers: 2})
	other := elsewhere(e, 1)
	voices := [2][3]float64{{300, 500, 700}, {1100, 1300, 1700}}
	var phones [2][3]*phone
	var legs [2][3]*Leg
	var confs [2]*Conference
	for i := range confs {
		confs[i] = e.NewConference([]uint64{1, other}[i])
		for j, hz := range voices[i] {
			phones[i][j] = newPhone(t, []codec.Law{codec.PCMA, codec.PCMU, codec.PCMA}[j], hz)
			legs[i][j] = openLeg(t, e, LegOptions{Group: uint64(10*i + j)})
			legs[i][j].Set(phones[i][j].params())
			confs[i].Add(legs[i][j], Talker())
			statsOf(legs[i][j])
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range confs {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 3))
			for {
				select {
				case <-stop:
					for _, l := range legs[i] {
						confs[i].Add(l, Talker())
					}
					return
				case <-time.After(time.Duration(rng.IntN(15)) * time.Millisecond):
				}
				a, b := legs[i][rng.IntN(3)], legs[i][rng.IntN(3)]
				switch rng.IntN(7) {
				case 0:
					confs[i].Remove(a)
				case 1:
					a.Move(uint64(rng.IntN(6)))
				case 2:
					confs[i].Add(a, Whisper(b))
				case 3:
					g := uint64(rng.IntN(6))
					a.Move(g)
					b.Move(g)
					a.Bridge(b)
				default:
					confs[i].Add(a, Talker())
				}
			}
		})
	}
	speak := func(n int) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range n {
			<-tick.C
			for i := range legs {
				for j, l := range legs[i] {
					phones[i][j].speak(l.Addr())
				}
			}
		}
	}
	speak(100)
	close(stop)
	wg.Wait()
	for i := range phones {
		for j, p := range phones[i] {
			statsOf(legs[i][j])
			p.mu.Lock()
			for k, h := range p.pkts[1:] {
				a := p.pkts[k]
				if h.SSRC != a.SSRC || h.SequenceNumber != a.SequenceNumber+1 || int32(h.Timestamp-a.Timestamp) < 0 {
					t.Errorf("phone %d/%d: packet %d breaks the line: %v after %v", i, j, k+1, h, a)
				}
			}
			for _, hz := range voices[1-i] {
				for at := 0; at+1600 <= len(p.heard); at += 1600 {
					if x := p.heard[at : at+1600]; level(x, hz)*meanSquare(x) > 6000*6000/2*.01 {
						t.Errorf("phone %d/%d hears %v Hz of the other conference", i, j, hz)
					}
				}
			}
			p.heard = nil
			p.mu.Unlock()
		}
	}
	speak(60)
	for i := range phones {
		for j, p := range phones[i] {
			p.mu.Lock()
			x := p.heard[len(p.heard)/2:]
			for k, hz := range voices[i] {
				// Shares of what is heard in the best and the worst 50 ms: a machine
				// too busy for the phones' 20 ms leaves gaps, which break a tone's
				// phase; gaps are other tests' matter.
				best, worst := 0.0, 1.0
				for at := 0; at+400 <= len(x); at += 400 {
					got := level(x[at:at+400], hz)
					best, worst = max(best, got), min(worst, got)
				}
				if k != j && best < .2 || k == j && worst > .05 {
					t.Errorf("in the end phone %d/%d hears %v Hz at %.3f to %.3f", i, j, hz, worst, best)
				}
			}
			p.mu.Unlock()
		}
	}
}
