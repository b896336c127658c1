package session

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/dtmf"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/rtp"

	pion "github.com/pion/rtp"
)

// onBPF is an engine that forwards in the kernel; the test is skipped where that
// is not possible.
func onBPF(t *testing.T, workers int) *Engine {
	t.Helper()
	ways := possible(t)
	if ways[len(ways)-1] != IOBPF {
		t.Skip("no forwarding in the kernel here")
	}
	return newEngine(t, Config{IO: IOBPF, Workers: workers})
}

// forwarded is how many packets the kernel has passed on, as the workers know it.
func (e *Engine) forwardedNow() (n uint64) {
	for i := range e.workers {
		reply := make(chan uint64, 1)
		w := e.workers[i]
		w.do(func(now time.Time) {
			w.catchUp(now)
			reply <- w.count.forwarded
		})
		n += <-reply
	}
	return n
}

// TestForwardedCall: a recorded call goes through the kernel while everything
// happens to it: what each side hears is one unbroken line, nothing is lost, the
// figures are those of every packet, and the recording holds both sides.
func TestForwardedCall(t *testing.T) {
	e := onBPF(t, 2)
	dir := t.TempDir()
	rw, err := record.NewWriter(record.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := rw.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer rw.Stop(context.Background()) //nolint:errcheck // the test is over
	closed := make(chan record.Result, 1)
	rec, err := rw.Open("call.wav", codec.PCMA, func(r record.Result) { closed <- r })
	if err != nil {
		t.Fatal(err)
	}
	a, b := newPhone(t, codec.PCMA, 500), newPhone(t, codec.PCMA, 1250)
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
	la.Record(rec, record.Left)
	lb.Record(rec, record.Right)
	statsOf(la)
	const frames, lost = 150, 40
	other := elsewhere(e, 7)
	start := time.Now()
	for i := range frames {
		switch i {
		case 80: // both move to another worker
			la.Move(other)
			lb.Move(other)
			la.Bridge(lb)
			statsOf(la)
			statsOf(lb)
		case 100: // the same again is no reason to break
			la.Set(a.params())
			statsOf(la)
		case 120:
			statsOf(lb)
		}
		// At the pace of sound, for the recording lays streams where they arrive.
		time.Sleep(time.Until(start.Add(time.Duration(i) * media.FrameDuration)))
		gone := 0
		if i >= lost {
			gone = 1
		}
		if i == lost { // the far side must see the gap
			a.seq++
			a.ts += media.FrameSamples
			a.n += media.FrameSamples
		} else {
			a.speak(la.Addr())
		}
		b.speak(lb.Addr())
		eventually(t, "a frame crosses", func() bool { return a.count() > i && b.count() > i-gone })
	}
	sa, sb := statsOf(la), statsOf(lb)
	if n := e.forwardedNow(); n < 2*frames-30 || n > 2*frames {
		t.Errorf("the kernel passed on %d of %d", n, 2*frames)
	}
	if sa.PacketsReceived != frames-1 || sa.PacketsSent != frames || sa.PacketsLost != 1 || sb.PacketsReceived != frames || sb.PacketsSent != frames-1 || sb.PacketsLost != 0 {
		t.Errorf("%+v\n%+v", sa, sb)
	}
	if sa.JitterMs <= 0 || sa.JitterMs > 20 {
		t.Errorf("jitter %v ms", sa.JitterMs)
	}
	for _, x := range []struct {
		p    *phone
		want float64
		gaps int
	}{{a, 1250, 0}, {b, 500, 1}} {
		x.p.mu.Lock()
		if got := level(x.p.heard, x.want); got < 0.95 {
			t.Errorf("%v Hz are %.3f of what is heard", x.want, got)
		}
		gaps := 0
		for i, h := range x.p.pkts[1:] {
			before := x.p.pkts[i]
			if h.SSRC != before.SSRC || int16(h.SequenceNumber-before.SequenceNumber) < 1 || int32(h.Timestamp-before.Timestamp) < media.FrameSamples {
				t.Fatalf("packet %d breaks the line: %v after %v", i+1, h, before)
			}
			if h.SequenceNumber != before.SequenceNumber+1 {
				gaps++
			}
		}
		if gaps != x.gaps {
			t.Errorf("%d gaps in what hears %v Hz, want %d", gaps, x.want, x.gaps)
		}
		x.p.mu.Unlock()
	}
	la.Record(nil, 0)
	lb.Record(nil, 0)
	statsOf(la)
	statsOf(lb)
	rec.Close(time.Now())
	<-closed
	left, right := pcm(t, filepath.Join(dir, "call.wav"))
	for _, x := range []struct {
		pcm        []int16
		want, wont float64
	}{{left, 500, 1250}, {right, 1250, 500}} {
		sound := x.pcm[:min(len(x.pcm), frames*media.FrameSamples)]
		if got := level(sound, x.want); got < 0.8 || len(x.pcm) < frames*media.FrameSamples*9/10 {
			t.Errorf("%.2f of %d samples are %v Hz", got, len(x.pcm), x.want)
		}
		if got := level(sound, x.wont); got > 0.01 {
			t.Errorf("%v Hz on the wrong side: %.3f", x.wont, got)
		}
	}
}

// pcm reads a recording of linear sound.
func pcm(t *testing.T, name string) (left, right []int16) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := 12; at+8 <= len(raw); {
		size := int(binary.LittleEndian.Uint32(raw[at+4:]))
		if string(raw[at:at+4]) != "data" {
			at += 8 + size
			continue
		}
		data := raw[at+8 : min(at+8+size, len(raw))]
		for ; len(data) >= 4; data = data[4:] {
			left = append(left, int16(binary.LittleEndian.Uint16(data)))
			right = append(right, int16(binary.LittleEndian.Uint16(data[2:])))
		}
		return left, right
	}
	t.Fatal("no sound in the recording")
	return nil, nil
}

// TestForwardingYields: what is not for the kernel takes the flow back at once.
func TestForwardingYields(t *testing.T) {
	e := onBPF(t, 1)
	a, b, c := newPhone(t, codec.PCMA, 500), newPhone(t, codec.PCMA, 1250), newPhone(t, codec.PCMU, 700)
	var legs [3]*Leg
	for i, p := range []*phone{a, b, c} {
		l, err := e.Open(LegOptions{Group: 7})
		if err != nil {
			t.Fatal(err)
		}
		l.Set(p.params())
		legs[i] = l
	}
	talk := func(x, y *phone, lx, ly *Leg, n int) {
		t.Helper()
		for range n {
			nx, ny := x.count(), y.count()
			x.speak(lx.Addr())
			y.speak(ly.Addr())
			eventually(t, "a frame crosses", func() bool { return x.count() > nx && y.count() > ny })
		}
	}
	legs[0].Bridge(legs[1])
	statsOf(legs[0])
	talk(a, b, legs[0], legs[1], 20)
	if n := e.forwardedNow(); n < 30 {
		t.Fatalf("the kernel passed on %d of 40", n)
	}
	// Hold: nothing reaches b.
	p := b.params()
	p.Send = false
	legs[1].Set(p)
	statsOf(legs[1])
	heard := b.count()
	for range 5 {
		n := a.count()
		a.speak(legs[0].Addr())
		b.speak(legs[1].Addr())
		eventually(t, "b is heard on", func() bool { return a.count() > n })
	}
	statsOf(legs[0])
	if b.count() != heard {
		t.Errorf("%d packets on hold", b.count()-heard)
	}
	// Another partner: the old one hears nothing more, the new one all of it, also
	// in another law, which the kernel cannot do.
	legs[1].Set(b.params())
	legs[0].Bridge(legs[2])
	statsOf(legs[0])
	heard, before := b.count(), e.forwardedNow()
	talk(a, c, legs[0], legs[2], 10)
	if b.count() != heard {
		t.Error("who was parted still hears")
	}
	if n := e.forwardedNow(); n != before {
		t.Errorf("the kernel passed on %d packets of another law", n-before)
	}
	// Echo is a bridge with oneself.
	legs[0].Echo(true)
	statsOf(legs[0])
	for range 10 {
		n := a.count()
		a.speak(legs[0].Addr())
		eventually(t, "the echo", func() bool { return a.count() > n })
	}
	if n := e.forwardedNow(); n < before+5 {
		t.Errorf("the kernel echoed %d of 10", n-before)
	}
	// A closed leg's port takes nothing.
	done := make(chan Stats, 1)
	legs[0].Close(func(s Stats) { done <- s })
	if s := <-done; s.PacketsReceived != 45 || s.PacketsSent != 45 {
		t.Errorf("%+v", s.Audio)
	}
}

// TestStrangersDoNotDisturb: a flood from elsewhere leaves the kernel's forwarding
// alone and reaches nobody.
func TestStrangersDoNotDisturb(t *testing.T) {
	e := onBPF(t, 1)
	a, b, stranger := newPhone(t, codec.PCMA, 500), newPhone(t, codec.PCMA, 1250), newPhone(t, codec.PCMA, 900)
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
	statsOf(la)
	for i := range 50 {
		if i > 2 {
			for range 100 {
				stranger.speak(la.Addr())
			}
		}
		a.speak(la.Addr())
		eventually(t, "a frame crosses", func() bool { return b.count() > i })
	}
	if n := e.forwardedNow(); n < 47 {
		t.Errorf("the kernel passed on %d of 50", n)
	}
	if got := level(b.heard, 500); got < 0.95 {
		t.Errorf("%.3f of what b hears is a's", got)
	}
	if s := statsOf(la); s.PacketsReceived != 50 || s.Strangers == 0 {
		t.Errorf("%+v", s.Audio)
	}
}

// TestFloodAtOnePort: a million packets from a stranger at one port cost us little for
// each, and neither delay nor change what another call's legs send; the port's own
// peer still gets through.
func TestFloodAtOnePort(t *testing.T) {
	for _, way := range possible(t) {
		t.Run(string(way), func(t *testing.T) {
			e := newEngine(t, Config{IO: way, Workers: 1})
			var phones [4]*phone
			var legs [4]*Leg
			for i := range phones {
				phones[i] = newPhone(t, codec.PCMA, float64(500+300*i))
				l, err := e.Open(LegOptions{Group: 7})
				if err != nil {
					t.Fatal(err)
				}
				l.Set(phones[i].params())
				legs[i] = l
			}
			legs[0].Bridge(legs[1])
			legs[2].Bridge(legs[3])
			statsOf(legs[3])
			stop, ended := make(chan struct{}), make(chan int)
			go func() { // as fast as one sender can
				// From another host: one of the peer's own might be learnt, if the test is slow.
				c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, net.UDPAddrFromAddrPort(legs[0].Addr()))
				if err != nil {
					t.Error(err)
					close(ended)
					return
				}
				defer c.Close()
				packet := make([]byte, 172)
				packet[0], packet[1] = 0x80, 8
				n := 0
				for ; ; n++ {
					select {
					case <-stop:
						ended <- n
						return
					default:
						_, _ = c.Write(packet)
					}
				}
			}()
			for i := range 40 {
				for _, x := range [][2]int{{2, 3}, {3, 2}} {
					phones[x[0]].speak(legs[x[0]].Addr())
					eventually(t, "a frame of the other call crosses", func() bool { return phones[x[1]].count() > i })
				}
			}
			close(stop)
			flood := <-ended
			for i, p := range phones[2:] {
				if got := level(p.heard, phones[3-i].hz); got < 0.95 {
					t.Errorf("%.2f of what is heard is the partner's", got)
				}
			}
			if n := phones[0].count() + phones[1].count(); n > 0 {
				t.Errorf("the call under attack heard %d packets", n)
			}
			if s := statsOf(legs[0]); s.Strangers == 0 || s.PacketsReceived != 0 {
				t.Errorf("%d sent: %+v", flood, s.Audio)
			}
			// After the flood its own peer is heard at once.
			for i := range 5 {
				phones[0].speak(legs[0].Addr())
				eventually(t, "the peer is heard", func() bool { return phones[1].count() > i })
			}
		})
	}
}

// BenchmarkOffer is what it costs to give a leg's packets to the kernel and to take
// them back: each command and each packet that the kernel leaves to us pays it.
func BenchmarkOffer(b *testing.B) {
	e := newEngine(b, Config{IO: IOAuto, Workers: 1})
	if e.IO() != IOBPF {
		b.Skip("no forwarding in the kernel here")
	}
	x, y := newPhone(b, codec.PCMA, 500), newPhone(b, codec.PCMA, 800)
	lx, err := e.Open(LegOptions{})
	if err != nil {
		b.Fatal(err)
	}
	ly, err := e.Open(LegOptions{})
	if err != nil {
		b.Fatal(err)
	}
	lx.Set(x.params())
	ly.Set(y.params())
	lx.Bridge(ly)
	for i := range 5 {
		x.speak(lx.Addr())
		eventually(b, "a frame crosses", func() bool { return y.count() > i })
	}
	done := make(chan struct{})
	e.Do(0, func(now time.Time) {
		defer close(done)
		p := rtp.Packet{PT: 8, Off: rtp.HeaderSize, End: 172}
		b.ReportAllocs()
		for b.Loop() {
			lx.pullOwn()
			lx.offer(now, ly, codec.PCMA, &p)
		}
		if !lx.fast.open {
			b.Error("not given to the kernel")
		}
	})
	<-done
}

// TestUnheard: what a caller sends to whom nobody listens ends in the kernel, and all
// figures are those of every packet; keys come through, and whoever begins to listen
// hears from that moment on.
func TestUnheard(t *testing.T) {
	e := onBPF(t, 1)
	events := make(chan Event, 64)
	a, b := newPhone(t, codec.PCMA, 500), newPhone(t, codec.PCMA, 1250)
	la, err := e.Open(LegOptions{Group: 7, Sink: func(ev Event) { events <- ev }})
	if err != nil {
		t.Fatal(err)
	}
	lb, err := e.Open(LegOptions{Group: 7})
	if err != nil {
		t.Fatal(err)
	}
	la.Set(a.params())
	lb.Set(b.params())
	statsOf(la)
	sent := uint64(0)
	speak := func(n int) {
		t.Helper()
		for range n {
			a.speak(la.Addr())
			sent++
		}
		eventually(t, "all are counted", func() bool { return statsOf(la).PacketsReceived == sent })
	}
	unheard := func() uint64 {
		e.forwardedNow()
		n := make(chan uint64, 1)
		e.Do(7, func(time.Time) { n <- la.w.count.unheard })
		return <-n
	}
	// ends has the kernel take n packets: the one before them opens the flow.
	ends := func(n int) {
		t.Helper()
		before := unheard()
		a.speak(la.Addr())
		sent++
		eventually(t, "the flow opens", func() bool {
			open := make(chan bool, 1)
			e.Do(7, func(time.Time) { open <- la.fast.open })
			return <-open
		})
		speak(n)
		if got := unheard() - before; got != uint64(n) {
			t.Errorf("%d of %d ended in the kernel", got, n)
		}
	}
	ends(200)
	// A key, among sound as some phones send it.
	for i := range 5 {
		key := make([]byte, dtmf.EventSize)
		dtmf.PutEvent(key, dtmf.Event{Code: 5, End: i > 1, Duration: uint16(160 * (i + 1))})
		p := pion.Packet{Header: pion.Header{Version: 2, PayloadType: 101, SequenceNumber: a.seq, Timestamp: a.ts, SSRC: a.ssrc}, Payload: key}
		a.seq++
		raw, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.conn.WriteToUDPAddrPort(raw, la.Addr()); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	a.ts += 5 * media.FrameSamples
	ends(100)
	key := 0
	for len(events) > 0 {
		switch ev := (<-events).(type) {
		case Digit:
			if key++; ev.Digit != '5' {
				t.Errorf("%+v", ev)
			}
		case FirstPacket:
		default:
			t.Errorf("%+v", ev)
		}
	}
	if key != 1 {
		t.Errorf("%d keys, want 1", key)
	}
	// Lost ones are lost, by the same count.
	a.seq += 3
	a.ts += 3 * media.FrameSamples
	ends(20)
	if s := statsOf(la); s.PacketsLost != 3 || s.PacketsSent != 0 || s.Strangers != 0 || s.JitterMs <= 0 {
		t.Errorf("%+v", s.Audio)
	}
	// An agent: all from now on is heard.
	before := unheard()
	la.Bridge(lb)
	statsOf(la)
	for i := range 20 {
		a.speak(la.Addr())
		sent++
		eventually(t, "a frame crosses", func() bool { return b.count() > i })
	}
	la.Unbridge()
	statsOf(la)
	if n := unheard(); n != before {
		t.Errorf("%d packets of a conversation ended in the kernel", n-before)
	}
	// A conference: it comes by another way than the leg's own commands.
	ends(20)
	c := e.NewConference(7)
	c.Add(la, Talker())
	c.Add(lb, Talker())
	statsOf(lb)
	before = unheard()
	b.mu.Lock()
	b.heard = nil
	b.mu.Unlock()
	for range 30 {
		speak(1)
		time.Sleep(media.FrameDuration) // the pace of the mixer
	}
	eventually(t, "b hears a in the conference", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.heard) > 20*media.FrameSamples && level(b.heard, 500) > 0.5
	})
	if n := unheard(); n != before {
		t.Errorf("%d packets of a conference ended in the kernel", n-before)
	}
	// A machine.
	c.Close()
	statsOf(la)
	ends(20)
	before = unheard()
	listens := &counter{}
	la.Tap(listens, 0, false)
	statsOf(la)
	speak(20)
	if n := unheard(); n != before {
		t.Errorf("%d packets ended in the kernel while a machine listened", n-before)
	}
	if n := listens.samples.Load(); n < 19*media.FrameSamples {
		t.Errorf("the machine heard %d samples", n)
	}
}

// counter is a Machine that counts what it hears.
type counter struct{ samples atomic.Int64 }

func (c *counter) Hear(_ time.Time, _ uint8, _ bool, _ int, _ uint32, pcm []int16) {
	c.samples.Add(int64(len(pcm)))
}
func (c *counter) Speak([]int16) bool { return false }
