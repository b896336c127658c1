package session

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/dtmf"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/rtp"
)

// voiced is a peer that speaks one codec for real.
type voiced struct {
	*part
	id    codec.ID
	rate  int
	enc   codec.Encoder
	at    int // samples said
	ticks uint32
}

func (s *score) voiced(p *part, id codec.ID) *voiced {
	s.t.Helper()
	rate := id.Rate(16000)
	enc, err := codec.NewEncoder(id, rate, codec.Options{FEC: true, Loss: 10, Bitrate: 32000})
	if err != nil {
		s.t.Fatal(err)
	}
	events := id.ClockRate()
	p.Set(Params{Remote: p.from, Law: id, SendPT: uint8(id), RecvPT: uint8(id), EventSendPT: 101, EventRecvPT: 101, EventClock: events,
		Coding: codec.Options{FEC: true, Loss: 5, Bitrate: 32000}, Send: true, Recv: true})
	s.run()
	return &voiced{part: p, id: id, rate: rate, enc: enc, ticks: uint32(id.ClockRate() / 50)}
}

// say makes the next packet: 20 ms of hz.
func (v *voiced) say(hz float64) []byte {
	pcm := make([]int16, v.rate/50)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(v.at+i)/float64(v.rate)))
	}
	v.at += len(pcm)
	var code [1500]byte
	n, err := v.enc.Encode(code[:], pcm)
	if err != nil {
		v.s.t.Fatal(err)
	}
	b := v.packet(uint8(v.id), code[:n])
	v.ts += v.ticks
	return b
}

// hears decodes what was sent to the peer since the last take, as a phone does:
// by timestamp, what is missing is silence.
func (v *voiced) hears() []int16 {
	v.s.t.Helper()
	dec, err := codec.NewDecoder(v.id, v.rate)
	if err != nil {
		v.s.t.Fatal(err)
	}
	var out []int16
	var first, seq uint32
	for i, h := range v.take() {
		if h.PT != uint8(v.id) {
			continue
		}
		if i == 0 {
			first = h.TS
		} else if uint16(seq+1) != h.Seq {
			v.s.t.Fatalf("%v: packet %d follows %d", v.id, h.Seq, seq)
		}
		seq = uint32(h.Seq)
		buf := make([]int16, v.rate*12/100)
		n, err := dec.Decode(buf, h.payload)
		if err != nil {
			v.s.t.Fatal(v.id, err)
		}
		at := int(int64(int32(h.TS-first)) * int64(v.rate) / int64(v.id.ClockRate()))
		if at < 0 || at > len(out)+v.rate*10 {
			v.s.t.Fatalf("%v: packet at sample %d of %d", v.id, at, len(out))
		}
		if at+n > len(out) {
			out = append(out, make([]int16, at+n-len(out))...)
		}
		copy(out[at:], buf[:n])
	}
	return out
}

// peakOf is the peak of hz in pcm.
func peakOf(pcm []int16, rate int, hz float64) float64 {
	var a, b float64
	for i, v := range pcm {
		p := 2 * math.Pi * hz * float64(i) / float64(rate)
		a, b = a+float64(v)*math.Cos(p), b+float64(v)*math.Sin(p)
	}
	return 2 * math.Hypot(a, b) / float64(len(pcm))
}

// hushOf is the longest time that a tone of 8000 is 20 dB down, in steps of 5 ms.
func hushOf(pcm []int16, rate int) time.Duration {
	step, longest, run := rate/200, 0, 0
	for i := 0; i+step <= len(pcm); i += step {
		var e float64
		for _, v := range pcm[i : i+step] {
			e += float64(v) * float64(v)
		}
		if run++; math.Sqrt(e/float64(step)) > 8000/math.Sqrt2/10 {
			run = 0
		}
		longest = max(longest, run)
	}
	return time.Duration(longest) * 5 * time.Millisecond
}

var allCodecs = []codec.ID{codec.PCMA, codec.PCMU, codec.G722, codec.Opus}

// TestEveryCodecWithEveryOther: both sides hear the other's tone, without a gap and
// at its level, whatever they speak.
func TestEveryCodecWithEveryOther(t *testing.T) {
	for _, x := range allCodecs {
		for _, y := range allCodecs {
			t.Run(fmt.Sprintf("%v-%v", x, y), func(t *testing.T) {
				s := newScore(t)
				a, b := s.voiced(s.leg(addrA, x), x), s.voiced(s.leg(addrB, y), y)
				a.Bridge(b.Leg)
				s.run()
				for range 100 {
					a.Receive(nil, a.say(600), a.from, s.now)
					b.Receive(nil, b.say(900), b.from, s.now)
					s.pass(20 * time.Millisecond)
				}
				for _, c := range []struct {
					v  *voiced
					hz float64
				}{{a, 900}, {b, 600}} {
					got := c.v.hears()
					if d := time.Duration(len(got)) * time.Second / time.Duration(c.v.rate); d < 1960*time.Millisecond || d > 2*time.Second {
						t.Errorf("%v heard %v of 2 s", c.v.id, d)
					}
					got = got[c.v.rate/5:]
					if l := peakOf(got, c.v.rate, c.hz); l < 6500 || l > 9500 {
						t.Errorf("%v hears %.0f Hz at %.0f, want 8000", c.v.id, c.hz, l)
					}
					if h := hushOf(got, c.v.rate); h > 5*time.Millisecond {
						t.Errorf("%v: a gap of %v", c.v.id, h)
					}
				}
			})
		}
	}
}

// TestSameCodecPassesThrough: not an octet of what both speak is changed, and
// nothing is decoded.
func TestSameCodecPassesThrough(t *testing.T) {
	for _, id := range allCodecs {
		s := newScore(t)
		a, b := s.voiced(s.leg(addrA, id), id), s.voiced(s.leg(addrB, id), id)
		a.Bridge(b.Leg)
		s.run()
		for i := range 20 {
			p := a.say(600)
			want := bytes.Clone(p[rtp.HeaderSize:])
			a.Receive(nil, p, a.from, s.now)
			got := b.take()
			if len(got) != 1 || !bytes.Equal(got[0].payload, want) {
				t.Fatalf("%v: packet %d was changed", id, i)
			}
			s.pass(20 * time.Millisecond)
		}
		if a.ear != nil || b.mouth != nil {
			t.Errorf("%v: a codec was made", id)
		}
	}
}

// TestTranscodingOnABadLine: 5 % lost, 2 % out of order, all late by up to 60 ms;
// the other side's tone has no gap over 40 ms.
func TestTranscodingOnABadLine(t *testing.T) {
	for _, x := range allCodecs {
		for _, y := range []codec.ID{codec.PCMA, codec.Opus, codec.G722} {
			if x == y || x.Valid() && y.Valid() {
				continue
			}
			s := newScore(t)
			r := rand.New(rand.NewPCG(1, uint64(x)<<8|uint64(y)))
			a, b := s.voiced(s.leg(addrA, x), x), s.voiced(s.leg(addrB, y), y)
			a.Bridge(b.Leg)
			s.run()
			type late struct {
				at time.Time
				p  []byte
			}
			var line []late
			start, newest, run, most := s.now, time.Time{}, 0, 0
			for i := range 1500 { // 30 s
				p := a.say(600)
				at := start.Add(time.Duration(i)*20*time.Millisecond + time.Duration(r.IntN(60))*time.Millisecond)
				if r.IntN(50) != 0 && at.Before(newest) { // else overtaken
					at = newest
				}
				if at.After(newest) {
					newest = at
				}
				if r.IntN(20) != 0 {
					line, run = append(line, late{at, p}), 0
				} else {
					run++
					most = max(most, run)
				}
			}
			slices.SortStableFunc(line, func(a, b late) int { return a.at.Compare(b.at) })
			for _, l := range line {
				for l.at.After(s.now) {
					s.pass(5 * time.Millisecond)
				}
				a.Receive(nil, l.p, a.from, s.now)
			}
			got := b.hears()
			got = got[b.rate/2 : len(got)-b.rate/5]
			if h := hushOf(got, b.rate); h > 40*time.Millisecond {
				t.Errorf("%v to %v: a gap of %v; %d lost in a row", x, y, h, most)
			}
			if d := len(got) / b.rate; d < 28 {
				t.Errorf("%v to %v: %d s of sound", x, y, d)
			}
		}
	}
}

// TestKeysBetweenClocks: a key of 200 ms pressed on one side lasts 200 ms on the
// other, whatever clocks they have; its updates share a timestamp, its end comes
// three times, and no sound is made up for it.
func TestKeysBetweenClocks(t *testing.T) {
	for _, c := range [][2]codec.ID{{codec.Opus, codec.PCMA}, {codec.PCMU, codec.Opus}, {codec.G722, codec.PCMA}, {codec.Opus, codec.Opus}} {
		s := newScore(t)
		a, b := s.voiced(s.leg(addrA, c[0]), c[0]), s.voiced(s.leg(addrB, c[1]), c[1])
		a.Bridge(b.Leg)
		s.run()
		for range 5 {
			a.Receive(nil, a.say(600), a.from, s.now)
			s.pass(20 * time.Millisecond)
		}
		b.take()
		tick := uint16(a.ticks)
		for i := range uint16(12) {
			a.event(5, min(i+1, 10)*tick, i >= 9)
			s.pass(20 * time.Millisecond)
		}
		a.ts += 12 * uint32(tick)
		a.Receive(nil, a.say(600), a.from, s.now)
		s.pass(20 * time.Millisecond)
		a.Receive(nil, a.say(600), a.from, s.now)
		got := b.take()
		ends, sound := 0, 0
		var ts uint32
		for i, h := range got {
			if h.PT != 101 {
				sound++
				continue
			}
			e, err := dtmf.ParseEvent(h.payload)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				ts = h.TS
			}
			if h.TS != ts || h.Marker != (i == 0) && c[0] != c[1] { // our phone sets none
				t.Errorf("%v: event packet %d at %d, marker %v", c, i, h.TS, h.Marker)
			}
			if e.End {
				if ends++; int(e.Duration) != 10*int(b.ticks) {
					t.Errorf("%v: the key lasts %d ticks, want %d", c, e.Duration, 10*b.ticks)
				}
			}
		}
		if ends != 3 || sound < 1 || sound > 2 {
			t.Errorf("%v: %d ends, %d packets of sound after the key", c, ends, sound)
		}
		if n := len(a.events); n == 0 || a.events[n-1] != (Digit{'5', 200 * time.Millisecond, false}) {
			t.Errorf("%v: told %v", c, a.events)
		}
	}
}

// TestPlayInEveryCodec: prompts go on back to back, across clips, and end.
func TestPlayInEveryCodec(t *testing.T) {
	for _, id := range allCodecs {
		s := newScore(t)
		v := s.voiced(s.leg(addrA, id), id)
		clip := play.Tone(400*time.Millisecond, -10, 500)
		v.Play(Play{ID: 7, Clips: []*play.Clip{clip, clip}})
		s.pass(time.Second)
		if !slices.Contains(v.events, Event(PlayDone{7})) {
			t.Errorf("%v: told %v", id, v.events)
		}
		got := v.hears()
		if d := len(got) * 1000 / v.rate; d < 800 || d > 820 {
			t.Errorf("%v: %d ms of 800 ms", id, d)
		}
		// -10 dBm0 is a peak of 32767 * 10^((-10-3.14)/20) = 7218.
		if l := peakOf(got[v.rate/10:v.rate/2], v.rate, 500); l < 5500 || l > 8500 {
			t.Errorf("%v: 500 Hz at %.0f", id, l)
		}
		if h := hushOf(got[v.rate/20:len(got)-v.rate/10], v.rate); h > 10*time.Millisecond {
			t.Errorf("%v: a gap of %v between the clips", id, h)
		}
	}
}

// TestKeysInBandInEveryCodec: a peer without telephone-event hears the tones.
func TestKeysInBandInEveryCodec(t *testing.T) {
	for _, id := range allCodecs {
		s := newScore(t)
		v := s.voiced(s.leg(addrA, id), id)
		p := v.p
		p.EventSendPT = 0
		v.Set(p)
		v.SendDigits("5")
		s.pass(400 * time.Millisecond)
		got := v.hears()
		lo, hi := dtmf.Frequencies(5)
		part := got[v.rate/50 : v.rate/10]
		if a, b := peakOf(part, v.rate, lo), peakOf(part, v.rate, hi); a < 3000 || b < 3500 {
			t.Errorf("%v: the tones of key 5 at %.0f and %.0f", id, a, b)
		}
	}
}

// TestConferenceOfCodecs: one of each codec in a room; each hears the others.
func TestConferenceOfCodecs(t *testing.T) {
	s := newScore(t)
	room := s.w.e.NewConference(0)
	hz := map[codec.ID]float64{codec.PCMA: 500, codec.PCMU: 700, codec.G722: 900, codec.Opus: 1100}
	var all []*voiced
	for i, id := range allCodecs {
		from := addrA
		if i%2 == 1 {
			from = addrB
		}
		p := s.leg(from, id)
		p.ssrc += uint32(i)
		v := s.voiced(p, id)
		all = append(all, v)
		room.Add(v.Leg, Talker())
	}
	s.run()
	for range 100 {
		for _, v := range all {
			v.Receive(nil, v.say(hz[v.id]), v.from, s.now)
		}
		s.pass(20 * time.Millisecond)
	}
	for _, v := range all {
		got := v.hears()
		got = got[len(got)-v.rate:]
		for id, f := range hz {
			l := peakOf(got, v.rate, f)
			if own := id == v.id; own && l > 1500 || !own && l < 4000 {
				t.Errorf("%v hears %v at %.0f", v.id, id, l)
			}
		}
	}
}

// TestTranscodingAllocatesNothing per packet, once it is under way.
func TestTranscodingAllocatesNothing(t *testing.T) {
	for _, c := range [][2]codec.ID{{codec.Opus, codec.PCMA}, {codec.PCMA, codec.Opus}, {codec.G722, codec.PCMU}, {codec.Opus, codec.G722}} {
		s := newScore(t)
		a, b := s.voiced(s.leg(addrA, c[0]), c[0]), s.leg(addrB, c[1])
		s.voiced(b, c[1])
		b.rtp = nullConn{}
		a.Bridge(b.Leg)
		s.run()
		var packets [][]byte
		for range 400 {
			packets = append(packets, a.say(600))
		}
		i := 0
		next := func() {
			a.Receive(nil, packets[i], a.from, s.now)
			s.pass(20 * time.Millisecond)
			i++
		}
		for range 20 {
			next()
		}
		if n := testing.AllocsPerRun(300, next); n != 0 {
			t.Errorf("%v: %v allocations a packet", c, n)
		}
	}
}

// TestCodecChanges: a leg goes from Opus to PCMA and back in the middle; its line
// goes on, and both hear each other throughout.
func TestCodecChanges(t *testing.T) {
	s := newScore(t)
	a, b := s.voiced(s.leg(addrA, codec.Opus), codec.Opus), s.voiced(s.leg(addrB, codec.PCMA), codec.PCMA)
	a.Bridge(b.Leg)
	s.run()
	for _, id := range []codec.ID{codec.Opus, codec.PCMA, codec.G722, codec.Opus} {
		next := s.voiced(a.part, id)
		a = next
		a.take()
		b.take()
		for range 50 {
			a.Receive(nil, a.say(600), a.from, s.now)
			b.Receive(nil, b.say(900), b.from, s.now)
			s.pass(20 * time.Millisecond)
		}
		if got := a.hears(); peakOf(got[a.rate/5:], a.rate, 900) < 6000 {
			t.Errorf("%v does not hear PCMA", id)
		}
		if got := b.hears(); peakOf(got[b.rate/5:], b.rate, 600) < 6000 {
			t.Errorf("PCMA does not hear %v", id)
		}
	}
}

// FuzzTranscode: whatever a peer sends as Opus or G.722, at whatever sequence
// number and timestamp, costs no more than its packet.
func FuzzTranscode(f *testing.F) {
	f.Add(uint8(111), uint16(1), uint32(960), []byte{0xF8, 1, 2, 3})
	f.Add(uint8(9), uint16(60000), uint32(1<<31), []byte{1, 2, 3})
	s := newScore(f)
	x, g, b := s.leg(addrA, codec.PCMA), s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	opus := s.voiced(x, codec.Opus)
	wide := s.voiced(g, codec.G722)
	c := s.leg(addrB, codec.PCMU)
	b.rtp, c.rtp = nullConn{}, nullConn{}
	opus.Bridge(b.Leg)
	wide.Bridge(c.Leg)
	s.run()
	f.Fuzz(func(t *testing.T, pt uint8, seq uint16, ts uint32, payload []byte) {
		if len(payload) > 1400 {
			return
		}
		for _, p := range []*voiced{opus, wide} {
			p.seq, p.ts = seq, ts
			p.Receive(nil, p.packet(pt&0x7F, payload), p.from, s.now)
			p.Receive(nil, p.say(500), p.from, s.now)
			s.pass(20 * time.Millisecond)
		}
	})
}

// BenchmarkTranscode is one packet each way between two codecs: fifty of them are
// a second of a call.
func BenchmarkTranscode(b *testing.B) {
	for _, c := range [][2]codec.ID{{codec.Opus, codec.PCMA}, {codec.G722, codec.PCMA}, {codec.Opus, codec.G722}, {codec.PCMU, codec.PCMA}, {codec.Opus, codec.Opus}} {
		b.Run(fmt.Sprintf("%v-%v", c[0], c[1]), func(b *testing.B) {
			s := newScore(b)
			x, y := s.leg(addrA, c[0]), s.leg(addrB, c[1])
			p, q := s.voiced(x, c[0]), s.voiced(y, c[1])
			x.rtp, y.rtp = nullConn{}, nullConn{}
			p.Bridge(q.Leg)
			s.run()
			var there, back [][]byte
			for range 500 {
				there, back = append(there, p.say(600)), append(back, q.say(900))
			}
			b.ReportAllocs()
			i, buf := 0, make([]byte, 1600)
			send := func(v *voiced, packet []byte) {
				n := copy(buf, packet)
				rtp.PutHeader(buf, uint8(v.id), rtp.Stamp{SSRC: v.ssrc, TS: v.ts, Seq: v.seq})
				v.ts, v.seq = v.ts+v.ticks, v.seq+1
				v.Receive(nil, buf[:n], v.from, s.now)
			}
			for ; b.Loop(); i++ {
				send(p, there[i%len(there)])
				send(q, back[i%len(back)])
				s.now = s.now.Add(20 * time.Millisecond)
			}
		})
	}
}

// lossy is an encoder that remembers what loss it was told.
type lossy struct {
	codec.Encoder
	told int
}

func (l *lossy) SetLoss(percent int) { l.told = percent }

// TestLossReachesTheEncoder: a receiver report of the peer, but never below what is
// taken for granted, and not when the peer cannot use copies.
func TestLossReachesTheEncoder(t *testing.T) {
	s := newScore(t)
	v := s.voiced(s.leg(addrA, codec.Opus), codec.Opus)
	enc := &lossy{told: -1}
	v.mouthOf(8000).enc = enc
	for _, c := range []struct {
		fec      bool
		fraction uint8
		want     int
	}{{true, 51, 19}, {true, 0, 5}, {true, 255, 99}, {false, 128, -1}} {
		enc.told = -1
		v.Leg.p.Coding.FEC = c.fec
		b := rtp.AppendReport(nil, rtp.Sender{SSRC: v.ssrc, CNAME: "x"}, rtp.Block{SSRC: v.line.SSRC(), FractionLost: c.fraction}, true, false)
		v.receiveRTCP(b, v.from, s.now)
		if enc.told != c.want {
			t.Errorf("%+v: told %d", c, enc.told)
		}
		s.pass(time.Second)
	}
}
