package session

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	pionrtcp "github.com/pion/rtcp"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/dtmf"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/port"
	"github.com/centrala/centrala/media/rtp"
	"github.com/centrala/centrala/media/secure"
	"github.com/centrala/centrala/pkg/event"
)

// score is one worker on virtual time, without sockets and without goroutine.
type score struct {
	t   testing.TB
	w   *worker
	now time.Time
	id  uint64
}

func newScore(t testing.TB) *score {
	t.Helper()
	e, err := New(Config{BindIP: loopback, Workers: 1, PortMin: 20000, PortMax: 20999})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Stop(t.Context()) })
	e.workers[0].turn.Lock() // the score carries out what is posted, at its own time
	return &score{t: t, w: e.workers[0], now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

// fakeConn keeps what is sent.
type fakeConn struct {
	port.Socket // for Dest
	sent        [][]byte
	to          []port.Dest
}

func (c *fakeConn) Send(b []byte, d *port.Dest) bool {
	if *d == (port.Dest{}) {
		return false
	}
	c.sent = append(c.sent, bytes.Clone(b))
	c.to = append(c.to, *d)
	return true
}

// part is a leg with its peer's view.
type part struct {
	*Leg
	s      *score
	out    *fakeConn
	ctl    *fakeConn
	events []Event
	from   netip.AddrPort
	seq    uint16
	ts     uint32
	ssrc   uint32
	peer   *secure.Session // of a browser
}

var (
	addrA = netip.MustParseAddrPort("192.0.2.1:4000")
	addrB = netip.MustParseAddrPort("192.0.2.2:5000")
)

func (s *score) leg(from netip.AddrPort, law codec.Law) *part {
	p := &part{s: s, out: &fakeConn{}, ctl: &fakeConn{}, from: from, seq: 65534, ts: 1<<32 - 400, ssrc: uint32(from.Port())}
	pair, err := s.w.e.ports.Take(s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	s.id++
	p.Leg = &Leg{e: s.w.e, id: s.id, w: s.w, route: route{home: s.w}, port: pair.Port, seat: seat{slot: -1}, rtp: p.out, rtcp: p.ctl, cname: "abcdefghijklmnop",
		line: rtp.NewLine(0xAA0000+uint32(from.Port()), 65530, 1<<32-1000),
		sink: func(e Event) { p.events = append(p.events, e) }}
	p.open(s.now)
	p.Set(Params{Remote: from, Law: law, SendPT: uint8(law), RecvPT: uint8(law), EventSendPT: 101, EventRecvPT: 101, Send: true, Recv: true})
	s.run()
	return p
}

// run carries out what was posted.
func (s *score) run() {
	s.w.mu.Lock()
	batch := s.w.inbox
	s.w.inbox = nil
	s.w.mu.Unlock()
	s.w.now = s.now
	for _, f := range batch {
		f(s.now)
	}
}

// pass lets d go by in steps of 5 ms.
func (s *score) pass(d time.Duration) {
	s.run()
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(5 * time.Millisecond)
		s.w.advance(s.now)
		s.run()
	}
}

// packet is what the peer sends next.
func (p *part) packet(pt uint8, payload []byte) []byte {
	b := make([]byte, rtp.HeaderSize, 200)
	rtp.PutHeader(b, pt, rtp.Stamp{SSRC: p.ssrc, TS: p.ts, Seq: p.seq})
	p.seq++
	return append(b, payload...)
}

func (p *part) speak(payload byte) {
	b := p.packet(uint8(p.p.Law), bytes.Repeat([]byte{payload}, 160))
	p.ts += 160
	p.Receive(nil, b, p.from, p.s.now)
}

func (p *part) event(code uint8, dur uint16, end bool) {
	var e [dtmf.EventSize]byte
	dtmf.PutEvent(e[:], dtmf.Event{Code: code, End: end, Duration: dur})
	p.Receive(nil, p.packet(101, e[:]), p.from, p.s.now)
}

// take returns what was sent to the peer since the last take.
func (p *part) take() (out []heard) {
	for i, b := range p.out.sent {
		var h heard
		if err := rtp.Parse(b, &h.Packet); err != nil {
			p.s.t.Fatal(err)
		}
		h.payload, h.to = b[h.Off:h.End], p.out.to[i]
		out = append(out, h)
	}
	p.out.sent, p.out.to = nil, nil
	return out
}

type heard struct {
	rtp.Packet
	payload []byte
	to      port.Dest
}

func (s *score) dest(a netip.AddrPort) port.Dest {
	d, ok := new(port.Socket).Dest(a)
	if !ok {
		s.t.Fatalf("no way to %v", a)
	}
	return d
}

// continuous checks the promise of one line for life.
func continuous(t *testing.T, ps []heard) {
	t.Helper()
	for i := 1; i < len(ps); i++ {
		a, b := ps[i-1], ps[i]
		if b.SSRC != a.SSRC || b.Seq != a.Seq+1 || int32(b.TS-a.TS) < 0 {
			t.Errorf("packet %d breaks the line: %+v after %+v", i, b.Packet, a.Packet)
		}
	}
}

func TestOneLineForLife(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	start := s.now
	a.Play(Play{ID: 1, Clips: []*play.Clip{play.Silence(200 * time.Millisecond)}})
	s.pass(400 * time.Millisecond)
	a.Bridge(b.Leg)
	s.run()
	for range 10 {
		b.speak(1)
		s.pass(20 * time.Millisecond)
	}
	b.ssrc, b.seq, b.ts = 99, 7, 12345 // the peer restarts
	for range 10 {
		b.speak(2)
		s.pass(20 * time.Millisecond)
	}
	a.SendDigits("5")
	s.pass(300 * time.Millisecond)
	b.speak(3)
	a.Play(Play{ID: 2, Clips: []*play.Clip{play.Silence(100 * time.Millisecond)}, Loop: true})
	s.pass(time.Second)
	a.StopPlay()
	s.run()
	b.speak(4)
	a.Echo(true)
	s.pass(20 * time.Millisecond)
	a.speak(5)
	got := a.take()
	continuous(t, got)
	last := got[len(got)-1]
	if last.payload[159] != 5 { // it rises in the first 5 ms
		t.Fatalf("the echo is missing: %+v", last)
	}
	// The timestamps followed the wall clock throughout.
	wall := media.Samples(s.now.Sub(start))
	if ticks := int64(last.TS - got[0].TS); ticks < wall-200 || ticks > wall+200 {
		t.Errorf("timestamps moved by %d, the clock by %d", ticks, wall)
	}
	if last.SSRC != 0xAA0000+4000 {
		t.Errorf("SSRC %x", last.SSRC)
	}
}

func TestPlayPaceAndEnd(t *testing.T) {
	s := newScore(t)
	a := s.leg(addrA, codec.PCMU)
	clips := []*play.Clip{play.Tone(150*time.Millisecond, -10, 1000), play.Tone(170*time.Millisecond, -10, 1000)}
	a.Play(Play{ID: 7, Clips: clips})
	s.pass(time.Second)
	got := a.take()
	if len(got) != 16 { // 320 ms, joined without a gap
		t.Fatalf("%d packets of %d and %d octets", len(got), len(clips[0].Frames(codec.PCMU)), len(clips[1].Frames(codec.PCMU)))
	}
	var all []byte
	for i, p := range got {
		if len(p.payload) != 160 || p.PT != 0 || p.Marker != (i == 0) || i > 0 && p.TS != got[i-1].TS+160 {
			t.Errorf("packet %d: %+v", i, p.Packet)
		}
		all = append(all, p.payload...)
	}
	// Frames pads each clip to whole frames; that is not to be heard between them.
	// The last 5 ms fall to silence.
	if want := append(slices.Clone(clips[0].Frames(codec.PCMU)[:1200]), clips[1].Frames(codec.PCMU)[:1360]...); !bytes.Equal(all[:2520], want[:2520]) {
		t.Error("the clips were not heard as they are")
	}
	if !slices.Equal(a.events, []Event{PlayDone{7}}) {
		t.Errorf("events %v", a.events)
	}
	if a.slot >= 0 {
		t.Error("an idle leg is still ticked")
	}

	// A tick that comes late is made up by a few frames, not by all.
	a.Play(Play{ID: 8, Clips: []*play.Clip{play.Silence(10 * time.Second)}})
	s.pass(100 * time.Millisecond)
	a.take()
	s.now = s.now.Add(time.Second)
	s.w.advance(s.now)
	if n := len(a.take()); n != maxCatchUp {
		t.Errorf("%d packets after a second of silence", n)
	}
	// No drift: 5 s later it is 250 packets, the ticks stay on their grid.
	s.pass(5 * time.Second)
	if n := len(a.take()); n != 250 {
		t.Errorf("%d packets in 5 s", n)
	}
}

func TestPlayEdges(t *testing.T) {
	s := newScore(t)
	a := s.leg(addrA, codec.PCMA)
	clip := play.Silence(100 * time.Millisecond)
	for name, p := range map[string]Play{
		"no clips":           {ID: 1},
		"no clips, looped":   {ID: 1, Loop: true},
		"empty clip, looped": {ID: 1, Clips: []*play.Clip{play.Silence(0)}, Loop: true},
		"offset at the end":  {ID: 1, Clips: []*play.Clip{clip}, Offset: 100 * time.Millisecond},
		"offset far beyond":  {ID: 1, Clips: []*play.Clip{clip}, Offset: time.Hour},
	} {
		a.events = nil
		a.Play(p)
		s.pass(100 * time.Millisecond)
		if !slices.Equal(a.events, []Event{PlayDone{1}}) || len(a.take()) != 0 {
			t.Errorf("%s: %v", name, a.events)
		}
	}
	a.events = nil
	a.Play(Play{ID: 2, Clips: []*play.Clip{clip, clip}, Offset: 130 * time.Millisecond})
	s.pass(500 * time.Millisecond)
	if n := len(a.take()); n != 4 { // 70 ms
		t.Errorf("%d packets after an offset into the second clip", n)
	}
	a.Play(Play{ID: 3, Clips: []*play.Clip{clip}, Loop: true, Offset: time.Hour + 50*time.Millisecond})
	s.pass(time.Second)
	if n := len(a.take()); n < 49 {
		t.Errorf("%d packets of a loop", n)
	}
	a.StopPlay()
	a.events = nil
	s.pass(time.Second)
	if n := len(a.take()); n != 0 || len(a.events) != 0 {
		t.Errorf("after StopPlay: %d packets, %v", n, a.events)
	}
}

func TestHold(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	s.run()
	a.speak(1)
	b.speak(1)
	first := append(a.take(), b.take()...)
	if len(first) != 2 {
		t.Fatalf("%d packets", len(first))
	}
	hold := a.p
	hold.Send, hold.Recv = false, false
	hold.Remote = netip.MustParseAddrPort("0.0.0.0:4000") // RFC 2543 hold
	back := a.p
	a.Set(hold)
	a.Play(Play{ID: 1, Clips: []*play.Clip{play.Silence(time.Hour)}})
	s.run()
	for range 40000 { // thirteen minutes: more than half of the sequence numbers
		b.speak(2)
		a.speak(2)
		s.now = s.now.Add(20 * time.Millisecond)
	}
	s.pass(100 * time.Millisecond)
	if len(a.take()) != 0 || len(b.take()) != 0 {
		t.Fatal("sound went through a held leg")
	}
	if a.stats().PacketsLost != 0 {
		t.Errorf("%d lost", a.stats().PacketsLost)
	}
	a.Set(back)
	a.StopPlay()
	s.run()
	a.speak(3)
	b.speak(3)
	got, other := a.take(), b.take()
	if len(got) != 1 || len(other) != 1 || !got[0].Marker || got[0].Seq != first[0].Seq+1 {
		t.Errorf("after hold: %+v %+v", got, other)
	}
	if a.stats().PacketsLost != 0 {
		t.Errorf("hold counts as %d lost", a.stats().PacketsLost)
	}
}

func TestTimeouts(t *testing.T) {
	s := newScore(t)
	s.w.e.cfg.HoldTimeout = 2 * time.Minute
	a := s.leg(addrA, codec.PCMA)
	silent := func() (n int) {
		for _, e := range a.events {
			if x, ok := e.(TimedOut); ok {
				n++
				if x.Silence < 30*time.Second {
					t.Errorf("too early: %v", x)
				}
			}
		}
		a.events = nil
		return n
	}
	s.pass(29900 * time.Millisecond)
	if silent() != 0 {
		t.Error("timed out too early")
	}
	s.pass(time.Minute)
	if n := silent(); n != 1 {
		t.Errorf("told %d times", n)
	}
	a.speak(1)
	s.pass(time.Minute)
	if n := silent(); n != 1 {
		t.Errorf("after packets came again: %d", n)
	}
	hold := a.p
	hold.Send = false // the peer holds us
	a.Set(hold)
	s.pass(119 * time.Second)
	if silent() != 0 {
		t.Error("held leg timed out")
	}
	s.pass(2 * time.Second)
	if silent() != 1 {
		t.Error("the time-out of hold did not come")
	}
	hold.Recv = false
	a.Set(hold)
	s.pass(time.Hour)
	if silent() != 0 {
		t.Error("a leg that may receive nothing timed out")
	}
}

func TestStrangers(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	s.run()
	stranger := netip.MustParseAddrPort("198.51.100.9:4000")
	samePort := netip.AddrPortFrom(addrA.Addr(), 4444)
	third := netip.AddrPortFrom(addrA.Addr(), 4445)
	from := func(addr netip.AddrPort) int {
		home := a.from
		a.from = addr
		a.speak(1)
		a.from = home
		return len(b.take())
	}
	if from(stranger) != 0 {
		t.Fatal("a stranger was heard")
	}
	// Another port of the signalled address, but too soon.
	if from(samePort) != 0 {
		t.Fatal("a port was adopted before the signalled one had its time")
	}
	s.pass(learnAfter)
	// Now it stands for the signalled address, which never spoke.
	a.Receive(nil, a.packet(77, []byte{1}), samePort, s.now) // but not with just anything
	if from(samePort) != 1 || from(third) != 0 || from(stranger) != 0 {
		t.Fatal("learning went wrong")
	}
	if b.speak(1); a.take()[0].to != s.dest(samePort) {
		t.Error("the answer did not go where the packets come from")
	}
	// The same parameters again keep what was learnt.
	a.Set(a.p)
	s.run()
	if from(samePort) != 1 {
		t.Error("a re-INVITE unlearnt the peer")
	}
	// The signalled address wins, and that is the end of learning.
	if from(addrA) != 1 || from(samePort) != 0 || from(third) != 0 {
		t.Error("the signalled address did not win")
	}
	if b.speak(1); a.take()[0].to != s.dest(addrA) {
		t.Error("the answer did not go to the signalled address")
	}
	if got := a.stats().Strangers; got != 7 {
		t.Errorf("%d strangers", got)
	}
	// Too late to learn.
	c := s.leg(netip.MustParseAddrPort("192.0.2.3:6000"), codec.PCMA)
	s.pass(learnFor + time.Second)
	c.from = netip.MustParseAddrPort("192.0.2.3:6002")
	c.speak(1)
	if len(c.events) != 0 {
		t.Error("a port was adopted after the first seconds")
	}
	// A new address is a new lock.
	a.Set(Params{Remote: stranger, Law: codec.PCMA, SendPT: 8, RecvPT: 8, Send: true, Recv: true})
	s.run()
	if from(addrA) != 0 || from(stranger) != 1 {
		t.Error("the new address is not the lock")
	}
}

func TestSymmetricDeviceBehindNAT(t *testing.T) {
	s := newScore(t)
	a := s.leg(netip.MustParseAddrPort("10.0.0.5:4000"), codec.PCMA)
	p := a.p
	p.Symmetric = true
	a.Set(p)
	a.Echo(true)
	s.pass(time.Minute) // NAT opens when the user is ready
	outside, other := netip.MustParseAddrPort("203.0.113.7:61234"), netip.MustParseAddrPort("198.51.100.9:9")
	a.from = outside
	a.speak(1)
	a.from = other
	a.speak(1)
	if got := a.take(); len(got) != 1 || got[0].to != s.dest(outside) {
		t.Errorf("%d packets echoed", len(got))
	}
	if got := a.stats().Strangers; got != 1 {
		t.Errorf("%d strangers", got)
	}
	// RTCP goes nowhere until the peer's shows where; then there.
	a.ctl.sent, a.ctl.to = nil, nil
	s.pass(10 * time.Second)
	if len(a.ctl.sent) != 0 {
		t.Error("a report went to the address behind NAT")
	}
	from := netip.AddrPortFrom(outside.Addr(), 61300)
	a.receiveRTCP(rtp.AppendReport(nil, rtp.Sender{SSRC: a.ssrc, Active: true, NTP: rtp.NTP(s.now)}, rtp.Block{}, false, false), from, s.now)
	s.pass(10 * time.Second)
	if len(a.ctl.sent) == 0 || a.ctl.to[0] != s.dest(from) {
		t.Error("no report to where the peer's came from")
	}
}

func TestRelayKeepsGapsAndDropsTheRest(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMU)
	a.Bridge(b.Leg)
	s.run()
	a.speak(0xD5)
	a.seq, a.ts = a.seq+3, a.ts+480 // three lost
	a.speak(0xD5)
	a.Receive(nil, a.packet(13, []byte{60}), a.from, s.now)   // comfort noise
	a.Receive(nil, a.packet(96, []byte{1, 2}), a.from, s.now) // never negotiated
	a.Receive(nil, a.packet(8, nil), a.from, s.now)           // nothing in it
	a.Receive(nil, []byte{1, 2, 3}, a.from, s.now)
	a.Receive(nil, make([]byte, media.MaxPacket+1), a.from, s.now)
	got := b.take()
	if len(got) != 2 || got[1].Seq != got[0].Seq+4 || got[1].TS != got[0].TS+640 || got[0].PT != 0 {
		t.Fatalf("%+v", got)
	}
	if got[0].payload[0] != 0xFF && got[0].payload[0] != 0xFE {
		t.Errorf("A-law silence became %x", got[0].payload[0])
	}
	if lost := a.stats().PacketsLost; lost != 3 {
		t.Errorf("%d lost", lost)
	}
	// A header with CSRC, extension and padding leaves as a plain one.
	full := append([]byte{0xB1, 8, byte(a.seq >> 8), byte(a.seq), 0, 0, 0, 0, 0, 0, byte(a.ssrc >> 8), byte(a.ssrc), 9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 1, 1, 1, 1}, 0xD5, 0xD5, 0, 2)
	a.Receive(nil, full, a.from, s.now)
	if got := b.take(); len(got) != 1 || len(got[0].payload) != 2 || got[0].Off != rtp.HeaderSize {
		t.Errorf("%+v", got)
	}
}

func TestDigits(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	p := b.p
	p.EventSendPT, p.EventRecvPT = 96, 97
	b.Set(p)
	a.Bridge(b.Leg)
	s.run()
	a.speak(1)
	for i := range 5 {
		a.event(5, uint16(160*(i+1)), false)
		s.pass(20 * time.Millisecond)
	}
	for range 3 {
		a.event(5, 800, true)
	}
	a.ts += 960
	a.speak(1)
	got := b.take()
	continuous(t, got)
	if len(got) != 10 {
		t.Fatalf("%d packets", len(got))
	}
	for _, h := range got[1:9] {
		if h.PT != 96 || h.TS != got[1].TS || h.payload[0] != 5 {
			t.Errorf("event packet %+v %v", h.Packet, h.payload)
		}
	}
	if want := []Event{FirstPacket{}, Digit{'5', 100 * time.Millisecond, false}}; !slices.Equal(a.events, want) {
		t.Errorf("events %v", a.events)
	}
	// The end is lost: time closes the key.
	a.event(1, 160, false)
	s.pass(500 * time.Millisecond)
	if want := (Digit{'1', 20 * time.Millisecond, false}); a.events[len(a.events)-1] != want {
		t.Errorf("events %v", a.events)
	}
	if a.slot >= 0 {
		t.Error("still ticked")
	}

	// A peer without telephone-event hears the key.
	p.EventSendPT = 0
	b.Set(p)
	s.run()
	b.take()
	a.ts += 8000
	for i := range 5 {
		a.event(9, uint16(160*(i+1)), i == 4)
		s.pass(20 * time.Millisecond)
	}
	s.pass(time.Second)
	var pcm []int16
	for _, h := range b.take() {
		x := make([]int16, len(h.payload))
		codec.Decode(codec.PCMA, x, h.payload)
		pcm = append(pcm, x...)
	}
	if len(pcm) < 640 || len(pcm) > 1600 || level(pcm, 852)+level(pcm, 1477) < 0.95 {
		t.Errorf("%d samples, 852 Hz %.2f, 1477 Hz %.2f", len(pcm), level(pcm, 852), level(pcm, 1477))
	}
	a.speak(1)
	if len(b.take()) != 1 {
		t.Error("no sound after the tone")
	}

	// Our own digits, over what plays.
	a.Play(Play{ID: 1, Clips: []*play.Clip{play.Silence(time.Minute)}})
	s.pass(100 * time.Millisecond)
	a.SendDigits("1#")
	s.pass(time.Second)
	all := a.take()
	continuous(t, all)
	var keys dtmf.Receiver
	var heard string
	ends := 0
	for _, h := range all {
		if h.PT != 101 {
			continue
		}
		e, err := dtmf.ParseEvent(h.payload)
		if err != nil {
			t.Fatal(err)
		}
		if e.End {
			ends++
		}
		ended, n, _ := keys.Take(s.now, h.TS, h.Marker, e)
		for _, p := range ended[:n] {
			heard += string(p.Key)
		}
	}
	if heard != "1#" || ends != 6 {
		t.Errorf("heard %q with %d end packets", heard, ends)
	}
	if last := all[len(all)-1]; last.PT != 8 {
		t.Error("the clip did not go on")
	}
}

func TestControl(t *testing.T) {
	s := newScore(t)
	a := s.leg(addrA, codec.PCMA)
	a.Echo(true)
	s.run()
	for range 1500 { // 30 s
		a.speak(1)
		s.pass(20 * time.Millisecond)
	}
	if n := len(a.ctl.sent); n < 5 || n > 14 {
		t.Errorf("%d reports in 30 s", n)
	}
	packets, err := pionrtcp.Unmarshal(a.ctl.sent[len(a.ctl.sent)-1])
	if err != nil {
		t.Fatal(err)
	}
	sr, ok := packets[0].(*pionrtcp.SenderReport)
	if !ok || sr.SSRC != a.line.SSRC() || len(sr.Reports) != 1 || sr.Reports[0].SSRC != a.ssrc || sr.PacketCount == 0 || sr.OctetCount != sr.PacketCount*160 {
		t.Fatalf("%+v", packets[0])
	}
	if d, _ := new(port.Socket).Dest(netip.AddrPortFrom(addrA.Addr(), 4001)); a.ctl.to[0] != d {
		t.Error("the report did not go to the next port")
	}
	// The peer answers 100 ms later, having held it for 60 ms.
	s.now = s.now.Add(100 * time.Millisecond)
	sent := uint32(sr.NTPTime >> 16)
	elapsed := s.now.Sub(ntpTime(sr.NTPTime))
	rr := rtp.AppendReport(nil, rtp.Sender{SSRC: a.ssrc, CNAME: "x"}, rtp.Block{SSRC: a.line.SSRC(), Lost: 12, Jitter: 80, LSR: sent, DLSR: rtp.Delay(elapsed - 40*time.Millisecond)}, true, false)
	a.receiveRTCP(rr, netip.MustParseAddrPort("198.51.100.9:4001"), s.now)
	if st := a.stats(); st.RemoteLost != 0 || st.Strangers != 1 {
		t.Errorf("a stranger's report was read: %+v", st)
	}
	a.receiveRTCP(rr, netip.AddrPortFrom(addrA.Addr(), 4001), s.now)
	if st := a.stats(); st.RemoteLost != 12 || st.RemoteJitterMs != 10 || st.RTTMs < 39 || st.RTTMs > 41 {
		t.Errorf("%+v", st)
	}
	// A flood is not read.
	for range 100 {
		a.receiveRTCP([]byte{0x80, 201, 0, 0}, netip.AddrPortFrom(addrA.Addr(), 4001), s.now)
	}
	if bad := s.w.count.invalid; bad > maxRTCP {
		t.Errorf("%d packets of a flood were read", bad)
	}
	// BYE at the end, by what RTP port ever with mux.
	p := a.p
	p.RTCPMux = true
	a.Set(p)
	a.take()
	var last Stats
	a.Close(func(st Stats) { last = st })
	s.run()
	b := a.out.sent[len(a.out.sent)-1]
	if !rtp.IsRTCP(b) {
		t.Fatal("no RTCP on the RTP port")
	}
	if told, err := rtp.ParseReport(b, 0); err != nil || !told.Bye {
		t.Errorf("%+v %v", told, err)
	}
	if last.PacketsReceived != 1500 || last.Codec != "PCMA" {
		t.Errorf("%+v", last)
	}
	n := len(a.out.sent)
	a.speak(1)
	a.Play(Play{ID: 1})
	a.Close(nil)
	s.pass(time.Second)
	if len(a.out.sent) != n || len(s.w.legs) != 0 {
		t.Error("a closed leg lives")
	}
}

func ntpTime(n uint64) time.Time {
	return time.Unix(int64(n>>32)-2208988800, int64(n&0xFFFFFFFF)*int64(time.Second)>>32)
}

func TestBridgeMoves(t *testing.T) {
	s := newScore(t)
	a, b, c := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA), s.leg(netip.MustParseAddrPort("192.0.2.3:6000"), codec.PCMA)
	a.Bridge(b.Leg)
	c.Bridge(b.Leg) // b moves
	s.run()
	a.speak(1)
	c.speak(2)
	b.speak(3)
	if len(a.take()) != 0 || len(b.take()) != 1 || len(c.take()) != 1 {
		t.Error("b was not moved")
	}
	b.Close(nil)
	s.run()
	c.speak(2)
	if c.peer != nil {
		t.Error("bridged to a closed leg")
	}
	c.Bridge(b.Leg)
	c.Bridge(nil)
	c.Bridge(c.Leg)
	c.Unbridge()
	s.run()
	if c.peer != nil || len(c.take()) != 0 {
		t.Error("c hears something")
	}
}

// FuzzLeg: whatever arrives, on whichever side, nothing panics, and what leaves is
// RTP on the leg's own line.
func FuzzLeg(f *testing.F) {
	f.Add([]byte{12, 0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 14, 0x80, 0xE5, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 0})
	f.Add([]byte{8, 0x81, 200, 0, 1, 0, 0, 0, 1})
	// Comfort noise with a shape, sound, another SSRC and payload type, silence for a second.
	f.Add([]byte{15, 0x80, 13, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 40, 200, 90, 14, 0x80, 8, 0, 2, 0, 0, 1, 1, 0, 0, 0, 1, 0x2A, 0x80,
		14, 0x80, 0, 9, 9, 7, 0, 0, 1, 0, 0, 0, 2, 0x2A, 0x80, 200})
	// A report that lies about our stream, with a reference time and VoIP metrics.
	lies := rtp.AppendReport(nil, rtp.Sender{SSRC: 1, CNAME: "x", Active: true, NTP: 1 << 62}, rtp.Block{SSRC: 0xAA0000 + 4000, FractionLost: 255,
		Lost: 0x7FFFFF, HighestSeq: 1<<32 - 1, Jitter: 1<<32 - 1, LSR: 1<<32 - 1, DLSR: 5}, true, false)
	lies = rtp.AppendXR(lies, rtp.XR{SSRC: 1, Reference: true, NTP: 1<<64 - 1, DLRR: true, Asker: 0xAA0000 + 4000, LRR: 7, VoIP: true, Heard: 0xAA0000 + 4000,
		Voice: rtp.VoIP{LossRate: 255, DiscardRate: 255, BufferMs: 65535, MOSCQ: 255}})
	f.Add(append([]byte{byte(len(lies))}, lies...))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newScore(t)
		a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMU)
		p := a.p
		p.RTCPMux, p.XRVoIP, p.XRTime = true, true, true
		a.Set(p)
		p = b.p
		p.EventSendPT = 0
		b.Set(p)
		a.Bridge(b.Leg)
		s.run()
		for i := 0; len(data) > 0 && i < 100; i++ {
			n := min(int(data[0]), len(data)-1)
			packet := bytes.Clone(data[1 : 1+n])
			data = data[1+n:]
			a.Receive(nil, packet, addrA, s.now)
			a.receiveRTCP(bytes.Clone(packet), addrA, s.now)
			b.Receive(nil, bytes.Clone(packet), addrB, s.now)
			s.pass(time.Duration(n) * 5 * time.Millisecond)
		}
		for _, x := range []*part{a, b} {
			st := x.stats()
			for _, m := range []*event.Score{st.MOSIn, st.MOSOut} {
				if m != nil && !(m.Low >= 1 && m.Low <= m.Mean+.01 && m.Mean <= 4.5) {
					t.Fatalf("score %+v", m)
				}
			}
			if sent := int64(st.PacketsSent); st.RemoteLost > sent || st.RemoteLost < -sent || st.RTTMs < 0 || st.RTTMs > 30_000 || st.RemoteMOS < 0 || st.RemoteMOS > 5 {
				t.Fatalf("figures %+v", st)
			}
			var h rtp.Packet
			for _, out := range x.out.sent {
				if rtp.IsRTCP(out) {
					continue
				}
				if err := rtp.Parse(out, &h); err != nil || h.SSRC != x.line.SSRC() {
					t.Fatalf("sent %x: %v", out, err)
				}
			}
		}
	})
}

func TestNothingAllocatesPerPacket(t *testing.T) {
	for _, laws := range [][2]codec.Law{{codec.PCMA, codec.PCMA}, {codec.PCMU, codec.PCMA}} {
		s := newScore(t)
		a, b := s.leg(addrA, laws[0]), s.leg(addrB, laws[1])
		b.Leg.rtp = nullConn{}
		a.Bridge(b.Leg)
		b.sink = nil
		s.run()
		packet := a.packet(uint8(laws[0]), make([]byte, 160))
		seq := uint16(0)
		if n := testing.AllocsPerRun(1000, func() {
			seq++
			rtp.PutHeader(packet, uint8(laws[0]), rtp.Stamp{SSRC: 1, Seq: seq, TS: uint32(seq) * 160})
			a.Receive(nil, packet, addrA, s.now)
		}); n != 0 {
			t.Errorf("%v: %v allocations a packet", laws, n)
		}
		if b.sent < 1000 {
			t.Errorf("%d relayed", b.sent)
		}
		b.Play(Play{ID: 1, Clips: []*play.Clip{play.Silence(time.Second)}, Loop: true})
		s.pass(100 * time.Millisecond)
		if n := testing.AllocsPerRun(100, func() {
			s.now = s.now.Add(20 * time.Millisecond)
			s.w.advance(s.now)
		}); n != 0 {
			t.Errorf("%v allocations a frame played", n)
		}
	}
}

type nullConn struct{}

func (nullConn) Send([]byte, *port.Dest) bool            { return true }
func (nullConn) Dest(a netip.AddrPort) (port.Dest, bool) { return new(port.Socket).Dest(a) }

// BenchmarkRelay is what a relayed packet costs us beside the two system calls.
func BenchmarkRelay(b *testing.B) {
	for _, law := range []codec.Law{codec.PCMA, codec.PCMU} {
		b.Run("PCMA-"+law.String(), func(b *testing.B) {
			s := newScore(b)
			x, y := s.leg(addrA, codec.PCMA), s.leg(addrB, law)
			y.Leg.rtp = nullConn{}
			x.Bridge(y.Leg)
			s.run()
			packet := x.packet(8, make([]byte, 160))
			seq := uint16(0)
			b.ReportAllocs()
			for b.Loop() {
				seq++
				rtp.PutHeader(packet, 8, rtp.Stamp{SSRC: 1, Seq: seq, TS: uint32(seq) * 160})
				x.Receive(nil, packet, addrA, s.now)
			}
		})
	}
}
