package session

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/rtp"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/rtp"
)

// stamp is a phone whose every octet is its own code, so that a single sample of it
// is known wherever it turns up.
type stamp struct {
	code byte
	conn *net.UDPConn
	want atomic.Int32 // code of the partner, -1 = nobody
	got  atomic.Int32
	bad  atomic.Pointer[string]
	done chan struct{}

	mu   sync.Mutex // the phone goes on sending after its call
	head pion.Header
}

func newStamp(t testing.TB, code byte) *stamp {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p := &stamp{code: code, conn: c, done: make(chan struct{}),
		head: pion.Header{Version: 2, PayloadType: 8, SequenceNumber: uint16(code) << 8, Timestamp: uint32(code) << 24, SSRC: 0xC0DE0000 + uint32(code)}}
	p.want.Store(-1)
	go func() {
		defer close(p.done)
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
			if err := pk.Unmarshal(b[:n]); err != nil || len(pk.Payload) != 160 {
				p.fault("%v, %d octets", err, len(pk.Payload))
				continue
			}
			want := p.want.Load()
			// The first 5 ms rise from what was before, and a tail falls to silence.
			for i, o := range pk.Payload[seamLen:] {
				if int32(o) != want && o != codec.Silence(codec.PCMA) {
					p.fault("octet %d of packet %d is of %d, want %d", seamLen+i, pk.SequenceNumber, o, want)
					break
				}
			}
			if int32(pk.Payload[159]) == want {
				p.got.Add(1)
			}
		}
	}()
	return p
}

func (p *stamp) fault(f string, a ...any) {
	s := fmt.Sprintf(f, a...)
	p.bad.CompareAndSwap(nil, &s)
}

func (p *stamp) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *stamp) params() Params {
	return Params{Remote: p.addr(), Law: codec.PCMA, SendPT: 8, RecvPT: 8, Send: true, Recv: true}
}

func (p *stamp) speak(to netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pk := pion.Packet{Header: p.head, Payload: bytes.Repeat([]byte{p.code}, 160)}
	p.head.SequenceNumber++
	p.head.Timestamp += 160
	if b, err := pk.Marshal(); err == nil {
		_, _ = p.conn.WriteToUDPAddrPort(b, to)
	}
}

// TestEveryStreamIsMarked: calls come and go at once on few ports, on all workers;
// legs change partners; the phones of calls that are over go on sending to where they
// were, for long. Each octet that a phone hears and each sample that a recording holds
// is checked for whose it is.
func TestEveryStreamIsMarked(t *testing.T) {
	dir := t.TempDir()
	rw, err := record.NewWriter(record.Config{Dir: dir, Format: record.G711})
	if err != nil {
		t.Fatal(err)
	}
	if err := rw.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer rw.Stop(context.Background()) //nolint:errcheck // the test is over
	const crews, turns, pairs = 3, 25, 12
	e := newEngine(t, Config{PortRest: time.Nanosecond, Workers: 2}, pairs)
	type ghost struct {
		*stamp
		to netip.AddrPort
	}
	var (
		mu     sync.Mutex
		ghosts []ghost
		next   int
		ports  = map[uint16]int{}
		wg     sync.WaitGroup
	)
	// Codes that are loud in A-law and none of silence's; one is not used again
	// before its old phone has fallen silent.
	code := func() byte {
		mu.Lock()
		defer mu.Unlock()
		next++
		return byte(next % 200)
	}
	haunt := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, g := range ghosts {
			g.speak(g.to)
		}
	}
	retire := func(p *stamp, to netip.AddrPort) {
		p.want.Store(-1)
		mu.Lock()
		ghosts = append(ghosts, ghost{p, to})
		var old *stamp
		if len(ghosts) > 24 {
			old, ghosts = ghosts[0].stamp, ghosts[1:]
		}
		mu.Unlock()
		if old != nil {
			old.conn.Close()
			<-old.done
		}
	}
	defer func() {
		for _, g := range ghosts {
			g.conn.Close()
			<-g.done
		}
	}()
	for crew := range crews {
		wg.Go(func() {
			for turn := range turns {
				group := uint64(crew*1000 + turn)
				var phones [3]*stamp
				var legs [3]*Leg
				for i := range phones {
					phones[i] = newStamp(t, code())
					l, err := e.Open(LegOptions{Group: group})
					if err != nil {
						t.Error(err)
						return
					}
					l.Set(phones[i].params())
					legs[i] = l
					mu.Lock()
					ports[l.Addr().Port()]++
					mu.Unlock()
				}
				name := fmt.Sprintf("c%d-%d.wav", crew, turn)
				closed := make(chan record.Result, 1)
				rec, err := rw.Open(name, codec.PCMA, func(r record.Result) { closed <- r })
				if err != nil {
					t.Error(err)
					return
				}
				legs[0].Record(rec, record.Left)
				talk := func(i, j int) {
					legs[i].Bridge(legs[j])
					legs[j].Record(rec, record.Right)
					statsOf(legs[i])
					phones[i].want.Store(int32(phones[j].code))
					phones[j].want.Store(int32(phones[i].code))
					before := [2]int32{phones[i].got.Load(), phones[j].got.Load()}
					end := time.Now().Add(20 * time.Second)
					for n := int32(1); n <= 6 && time.Now().Before(end); n++ {
						haunt()
						phones[i].speak(legs[i].Addr())
						phones[j].speak(legs[j].Addr())
						for (phones[i].got.Load()-before[0] < n || phones[j].got.Load()-before[1] < n) && time.Now().Before(end) {
							time.Sleep(200 * time.Microsecond)
						}
					}
					if a, b := phones[i].got.Load()-before[0], phones[j].got.Load()-before[1]; a != 6 || b != 6 {
						t.Errorf("crew %d turn %d: %d and %d packets of 6", crew, turn, a, b)
					}
					legs[j].Record(nil, record.Right)
					legs[i].Unbridge()
					statsOf(legs[i])
				}
				talk(0, 1)
				talk(0, 2) // a transfer: the first partner goes on sending
				for _, l := range legs {
					done := make(chan struct{})
					l.Close(func(Stats) { close(done) })
					<-done
				}
				rec.Close(time.Now())
				r := <-closed
				if r.Fault != "" {
					t.Errorf("%s: %s", name, r.Fault)
				}
				raw, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Error(err)
					return
				}
				raw = raw[bytes.Index(raw, []byte("data"))+8:]
				var held [256]int
				for i := range raw {
					o := raw[i]
					held[o]++
					own := o == codec.Silence(codec.PCMA) || o == phones[0].code
					if i%2 == 1 {
						own = o == codec.Silence(codec.PCMA) || o == phones[1].code || o == phones[2].code
					}
					if !own {
						t.Errorf("%s: sample %d of channel %d is of %d; the call's are %d, %d and %d", name, i/2, i%2, o, phones[0].code, phones[1].code, phones[2].code)
						break
					}
				}
				for i, p := range phones {
					if held[p.code] < 160 {
						t.Errorf("%s: %d samples of phone %d", name, held[p.code], i)
					}
					retire(p, legs[i].Addr())
					if s := p.bad.Load(); s != nil {
						t.Errorf("crew %d turn %d, phone %d (%d): %s", crew, turn, i, p.code, *s)
					}
				}
			}
		})
	}
	wg.Wait()
	for port, n := range ports {
		if n < 3 {
			t.Errorf("port %d was used %d times: the test proves little", port, n)
		}
	}
	var strangers uint64
	for _, w := range e.workers {
		strangers += w.published.strangers.Load()
	}
	if strangers < 100 {
		t.Errorf("%d strangers: the ghosts were not heard", strangers)
	}
}
