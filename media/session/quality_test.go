package session

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/rtp"
)

// chat lets both sides of a bridge speak for d; those for whom mute says so send
// nothing, their numbers go on as if it were lost.
func (s *score) chat(d time.Duration, parts []*part, mute func(p *part, i int) bool) {
	for i := range int(d / (20 * time.Millisecond)) {
		for _, p := range parts {
			if mute != nil && mute(p, i) {
				p.seq++
				p.ts += 160
				continue
			}
			p.speak(0x55)
		}
		s.pass(20 * time.Millisecond)
	}
}

// reported lets p's peer send a report about the stream that it gets.
func (p *part) reported(b rtp.Block, x rtp.XR) {
	b.SSRC = p.line.SSRC()
	x.Heard, x.Asker, x.SSRC = b.SSRC, b.SSRC, p.ssrc
	raw := rtp.AppendReport(nil, rtp.Sender{SSRC: p.ssrc, CNAME: "x", Active: true, NTP: rtp.NTP(p.s.now)}, b, true, false)
	p.receiveRTCP(rtp.AppendXR(raw, x), p.from, p.s.now)
}

func TestScorePerSecond(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	both := []*part{a, b}
	s.chat(10*time.Second, both, nil)
	// Ten seconds in which every tenth packet of a is lost.
	s.chat(10*time.Second, both, func(p *part, i int) bool { return p == a && i%10 == 9 })
	s.chat(10*time.Second, both, nil)
	in, clean := a.stats().MOSIn, b.stats().MOSIn
	if in == nil || clean == nil || in.Seconds < 28 || in.Seconds > 30 {
		t.Fatalf("%+v %+v", in, clean)
	}
	// 10 % random: Ie-eff = 95*10/(10+25.1) = 27, R about 66.
	if in.Low < 3.1 || in.Low > 3.5 || in.Mean < in.Low+.4 || in.Mean > 4.3 {
		t.Errorf("with loss: %+v", in)
	}
	if in.Series[0] < 4.3 || in.Series[3] > 3.6 || in.Series[5] < 4.3 || in.StepSeconds != 5 {
		t.Errorf("the bad ten seconds are not where they were: %v", in.Series)
	}
	if clean.Low < 4.38 || clean.Mean > 4.42 {
		t.Errorf("the clean side: %+v", clean)
	}
	if out := a.stats().MOSOut; out != nil {
		t.Errorf("nobody told how the other side hears us: %+v", out)
	}
}

// TestReorderingIsNoLoss: packets that only change places do not lower the score.
func TestReorderingIsNoLoss(t *testing.T) {
	s := newScore(t)
	a := s.leg(addrA, codec.PCMA)
	var held []byte
	for i := range 500 {
		raw := a.packet(8, make([]byte, 160))
		a.ts += 160
		switch {
		case i%5 == 3:
			held = raw
		default:
			a.Receive(nil, raw, a.from, s.now)
			if held != nil {
				a.Receive(nil, held, a.from, s.now)
				held = nil
			}
		}
		s.pass(20 * time.Millisecond)
	}
	if in := a.stats().MOSIn; in.Low < 4.3 {
		t.Errorf("%+v", in)
	}
}

// TestPeersReports: what the peer says of our stream becomes the other direction's
// score; its own verdict and its buffer are taken from XR.
func TestPeersReports(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	both := []*part{a, b}
	s.chat(time.Second, both, nil)
	for range 4 {
		a.reported(rtp.Block{FractionLost: 13}, rtp.XR{}) // 5 %
		s.chat(5*time.Second, both, nil)
	}
	out := a.stats().MOSOut
	if out == nil || out.Low < 3.8 || out.Low > 4.1 || out.Seconds < 19 {
		t.Fatalf("%+v", out)
	}
	v := rtp.VoIP{DiscardRate: 26, BufferMs: 120, MOSCQ: 33, R: 60}
	a.reported(rtp.Block{}, rtp.XR{VoIP: true, Voice: v})
	s.chat(2*time.Second, both, nil)
	st := a.stats()
	if st.RemoteMOS != 3.3 || st.MOSOut.Low > 3.5 || st.MOSOut.Low < 2.9 {
		t.Errorf("%v %+v", st.RemoteMOS, st.MOSOut)
	}
	// Silence of the peer's RTCP: its last word does not count for ever.
	n := st.MOSOut.Seconds
	s.chat(40*time.Second, both, nil)
	if got := a.stats().MOSOut.Seconds - n; got > 16 {
		t.Errorf("a report is believed for %d s", got)
	}
}

// TestLyingReports: whatever a peer claims, the figures stay in their bounds.
func TestLyingReports(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	both := []*part{a, b}
	s.chat(3*time.Second, both, nil)
	for _, x := range []rtp.Block{
		{FractionLost: 255, Lost: 0x7FFFFF, HighestSeq: 1<<32 - 1, Jitter: 1<<32 - 1, LSR: 1<<32 - 1, DLSR: 1<<32 - 1},
		{Lost: -0x800000, LSR: 1, DLSR: 0},
		{LSR: uint32(rtp.NTP(s.now.Add(time.Hour)) >> 16), DLSR: 1 << 31},
	} {
		a.reported(x, rtp.XR{Reference: true, NTP: 1, DLRR: true, LRR: 7, DelLRR: 1<<32 - 1, VoIP: true,
			Voice: rtp.VoIP{LossRate: 255, DiscardRate: 255, BufferMs: 65535, MOSCQ: 255, R: 255}})
		s.chat(2*time.Second, both, nil)
		st := a.stats()
		if st.RemoteLost > int64(st.PacketsSent) || st.RemoteLost < -int64(st.PacketsSent) || st.RTTMs != 0 || st.RemoteMOS != 0 {
			t.Errorf("%+v", st)
		}
		if o := st.MOSOut; o == nil || o.Low < 1 || o.Mean > 4.5 {
			t.Errorf("%+v", o)
		}
	}
	// A sender report of another source leaves what we know of ours.
	a.reported(rtp.Block{}, rtp.XR{})
	lsr := a.reports.lsr
	raw := rtp.AppendReport(nil, rtp.Sender{SSRC: 666, CNAME: "x", Active: true, NTP: 1}, rtp.Block{}, false, true)
	a.receiveRTCP(raw, a.from, s.now)
	if a.reports.lsr != lsr || lsr == 0 {
		t.Errorf("LSR %x, was %x", a.reports.lsr, lsr)
	}
	// A stranger's report is not even read.
	strangers := a.strangers
	a.receiveRTCP(rtp.AppendReport(nil, rtp.Sender{SSRC: a.ssrc, CNAME: "x", Active: true, NTP: 7 << 40}, rtp.Block{SSRC: a.line.SSRC(), FractionLost: 255}, true, true),
		netip.MustParseAddrPort("198.51.100.7:4001"), s.now)
	if a.reports.lsr != lsr || a.strangers != strangers+1 {
		t.Errorf("LSR %x, was %x; %d strangers", a.reports.lsr, lsr, a.strangers-strangers)
	}
	// A BYE ends nothing: sound goes on.
	a.speak(1)
	if len(b.take()) == 0 {
		t.Error("a BYE by RTCP silenced the line")
	}
}

// TestXRIsAnswered: a reference time gets its DLRR, metrics go where they were asked
// for, and a leg that sends nothing asks for the round trip itself.
func TestXRIsAnswered(t *testing.T) {
	s := newScore(t)
	a := s.leg(addrA, codec.PCMA)
	p := a.p
	p.XRVoIP, p.XRTime = true, true
	a.Set(p)
	s.run()
	for range 40 {
		a.speak(1)
		s.pass(20 * time.Millisecond)
	}
	a.seq += 10 // lost
	a.reported(rtp.Block{}, rtp.XR{Reference: true, NTP: rtp.NTP(s.now)})
	asked := s.now
	a.ctl.sent = nil
	for range 400 {
		a.speak(1)
		s.pass(20 * time.Millisecond)
	}
	var got rtp.Remote
	answers := 0
	for _, raw := range a.ctl.sent {
		r, err := rtp.ParseReport(raw, a.ssrc)
		if err != nil {
			t.Fatal(err)
		}
		if r.DLRR {
			answers++
			got = r
			// The peer's sum: now - LRR - DLRR is the way there and back, here nothing.
			if rtt, ok := rtp.RTT(asked.Add(time.Duration(r.DelLRR)*time.Second>>16), r.LRR, r.DelLRR); !ok || rtt > time.Millisecond {
				t.Errorf("round trip %v %v", rtt, ok)
			}
		}
		if !r.VoIP || !r.RRT {
			t.Errorf("metrics %v, reference %v", r.VoIP, r.RRT)
		}
		got.Voice = r.Voice
	}
	if answers != 1 || got.Voice.LossRate == 0 || got.Voice.MOSCQ < 30 || got.Voice.SignalLevel != rtp.NotTold {
		t.Errorf("%d answers, %+v", answers, got)
	}
	// Our own question, answered 80 ms later of which the peer held 50.
	lrr := uint32(rtp.NTP(s.now) >> 16)
	s.now = s.now.Add(80 * time.Millisecond)
	a.reported(rtp.Block{}, rtp.XR{DLRR: true, LRR: lrr, DelLRR: rtp.Delay(50 * time.Millisecond)})
	if rtt := a.stats().RTTMs; rtt < 29.9 || rtt > 30.1 {
		t.Errorf("round trip %v ms", rtt)
	}
}

func alarmsOf(p *part) (out []Event) {
	for _, e := range p.events {
		switch e.(type) {
		case NoSound, SoundBack:
			out = append(out, e)
		}
	}
	p.events = nil
	return out
}

func TestOneWayAlarm(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	both := []*part{a, b}
	deaf := func(p *part, _ int) bool { return p == a }
	s.chat(3*time.Second, both, nil)
	s.chat(4900*time.Millisecond, both, deaf)
	if got := append(alarmsOf(a), alarmsOf(b)...); got != nil {
		t.Fatalf("too early: %v", got)
	}
	s.chat(20*time.Second, both, deaf)
	got := alarmsOf(a)
	if len(got) != 1 || got[0].(NoSound).Alarm != OneWay || got[0].(NoSound).Silence < silentAfter || got[0].(NoSound).Silence > silentAfter+400*time.Millisecond {
		t.Fatalf("%v", got)
	}
	if other := alarmsOf(b); other != nil {
		t.Errorf("the one who speaks: %v", other)
	}
	if n := s.w.count.alarms[OneWay]; n != 1 {
		t.Errorf("%d alarms now", n)
	}
	s.chat(time.Second, both, nil)
	got = alarmsOf(a)
	if len(got) != 1 || got[0].(SoundBack).Alarm != OneWay || got[0].(SoundBack).Lasted < 24*time.Second {
		t.Errorf("%v", got)
	}
	if c := &s.w.count; c.alarms[OneWay] != 0 || c.alarmsTotal[OneWay] != 1 {
		t.Errorf("%v %v", c.alarms, c.alarmsTotal)
	}
}

func TestBothSilentAlarm(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	both := []*part{a, b}
	s.chat(time.Second, both, nil)
	s.pass(10 * time.Second)
	got := append(alarmsOf(a), alarmsOf(b)...)
	if len(got) != 1 || got[0].(NoSound).Alarm != BothSilent {
		t.Fatalf("%v", got)
	}
	// One comes back: now it is the other who is missed.
	s.chat(10*time.Second, both, func(p *part, _ int) bool { return p == a })
	got = alarmsOf(a)
	if !slices.ContainsFunc(got, func(e Event) bool { x, ok := e.(NoSound); return ok && x.Alarm == OneWay }) {
		t.Errorf("%v", got)
	}
	a.Close(nil)
	s.run()
	if got := alarmsOf(a); len(got) != 1 || got[0].(SoundBack).Alarm != OneWay {
		t.Errorf("at the end: %v", got)
	}
	if c := &s.w.count; c.alarms[OneWay] != 0 || c.alarms[BothSilent] != 0 {
		t.Errorf("%v", c.alarms)
	}
}

// TestNoAlarm: silence that is meant to be.
func TestNoAlarm(t *testing.T) {
	for name, do := range map[string]func(s *score, a, b *part){
		"alone":                 func(s *score, a, b *part) { a.Unbridge() },
		"on hold":               func(s *score, a, b *part) { p := a.p; p.Send = false; a.Set(p) },
		"holds":                 func(s *score, a, b *part) { p := a.p; p.Recv = false; a.Set(p) },
		"music plays to it":     func(s *score, a, b *part) { a.Play(Play{Clips: []*play.Clip{play.Silence(time.Hour)}}) },
		"music to its partner":  func(s *score, a, b *part) { b.Play(Play{Clips: []*play.Clip{play.Silence(time.Hour)}}) },
		"echo":                  func(s *score, a, b *part) { a.Echo(true) },
		"said that it is quiet": func(s *score, a, b *part) { a.Receive(nil, a.packet(13, []byte{60}), a.from, s.now) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScore(t)
			a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
			a.Bridge(b.Leg)
			both := []*part{a, b}
			s.chat(time.Second, both, nil)
			do(s, a, b)
			s.chat(12*time.Second, both, func(p *part, _ int) bool { return p == a })
			if got := append(alarmsOf(a), alarmsOf(b)...); got != nil {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestAlarmInConference(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	boss := s.leg(netip.MustParseAddrPort("192.0.2.3:6000"), codec.PCMA)
	c := s.w.e.NewConference(0)
	c.Add(a.Leg, Talker())
	c.Add(b.Leg, Talker())
	c.Add(boss.Leg, Listener())
	parts := []*part{a, b, boss}
	s.chat(time.Second, parts, nil)
	s.chat(10*time.Second, parts, func(p *part, _ int) bool { return p != b })
	if got := alarmsOf(a); len(got) != 1 || got[0].(NoSound).Alarm != OneWay {
		t.Errorf("%v", got)
	}
	if got := append(alarmsOf(b), alarmsOf(boss)...); got != nil {
		t.Errorf("%v", got)
	}
}

// TestComfortNoise: a peer that says how its silence sounds is heard like that by a
// partner who has never heard of RFC 3389, on one line, until it speaks again.
func TestComfortNoise(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMU)
	a.Bridge(b.Leg)
	both := []*part{a, b}
	s.chat(200*time.Millisecond, both, nil)
	sid := a.packet(13, []byte{46})
	a.Receive(nil, sid, a.from, s.now)
	quiet := s.now
	a.ts += 160 * 50
	b.out.sent, b.out.to = b.out.sent[len(b.out.sent)-1:], b.out.to[len(b.out.to)-1:]
	s.pass(time.Second)
	for range 10 {
		a.speak(0x55)
		s.pass(20 * time.Millisecond)
	}
	got := b.take()
	continuous(t, got)
	if wall := int(s.now.Sub(quiet) / (20 * time.Millisecond)); len(got) < wall-1 || len(got) > wall+2 {
		t.Errorf("%d packets in %d frames' time", len(got), wall)
	}
	var pcm []int16
	for _, h := range got[2:48] {
		part := make([]int16, 160)
		codec.Decode(codec.PCMU, part, h.payload)
		pcm = append(pcm, part...)
	}
	// -46 dBov is a mean square of 27e3.
	if ms := meanSquare(pcm); ms < 15e3 || ms > 50e3 {
		t.Errorf("mean square %.0f", ms)
	}
	if b.comfort.active || a.quietOK {
		t.Error("the noise goes on beside the voice")
	}
	s.pass(100 * time.Millisecond)
	if b.slot >= 0 {
		t.Error("the leg is still ticked")
	}
	// Silence that was announced may last longer than the time-out of 30 s.
	a.events = nil
	a.Receive(nil, a.packet(13, []byte{60}), a.from, s.now)
	for range 100 {
		b.speak(1)
		s.pass(time.Second)
	}
	if got := a.events; len(got) > 0 {
		t.Errorf("told after 100 s of silence that was announced: %v", got)
	}
	s.pass(250 * time.Second)
	if !slices.ContainsFunc(a.events, func(e Event) bool { _, ok := e.(TimedOut); return ok }) {
		t.Error("a peer that is dead is waited for for ever")
	}
	// In a conference the noise comes from the jitter buffer.
	c := s.w.e.NewConference(0)
	c.Add(a.Leg, Talker())
	c.Add(b.Leg, Talker())
	s.chat(time.Second, both, nil)
	a.Receive(nil, a.packet(13, []byte{46}), a.from, s.now)
	s.chat(500*time.Millisecond, both, func(p *part, _ int) bool { return p == a })
	b.take()
	s.chat(500*time.Millisecond, both, func(p *part, _ int) bool { return p == a })
	pcm = pcm[:0]
	for _, h := range b.take() {
		part := make([]int16, 160)
		codec.Decode(codec.PCMU, part, h.payload)
		pcm = append(pcm, part...)
	}
	if ms := meanSquare(pcm); ms < 15e3 || ms > 50e3 {
		t.Errorf("in a conference: mean square %.0f", ms)
	}
}

// BenchmarkSweep is what a leg's figures cost: each second ten sweeps, with one score.
func BenchmarkSweep(b *testing.B) {
	s := newScore(b)
	x, y := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	x.Bridge(y.Leg)
	s.run()
	b.ReportAllocs()
	for b.Loop() {
		for range 10 {
			s.now = s.now.Add(sweepEvery)
			x.lastRTP, y.lastRTP = s.now, s.now
			x.grades.sweep(x.Leg, s.now)
		}
	}
}
