package jitter

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// line is a sender, a network and a listener on virtual time, in samples of the
// listener's clock.
type line struct {
	t    testing.TB
	b    *Buffer
	rng  *rand.Rand
	skew float64 // sender's clock is faster by this share
	n    int     // samples a packet
	law  codec.Law
	// way is the delay of a packet in samples; < 0 = lost.
	way    func(i int, at float64) float64
	copies int // further copies, each 10 ms later
	sound  func(pos int64) int16

	ssrc   uint32
	ts0    uint32
	pos    int64   // samples sent
	sentAt float64 // when the next packet leaves
	i      int
	queue  []flying
	now    int64
	out    []int16
	kinds  [4]int
}

type flying struct {
	at      float64
	law     codec.Law
	ssrc    uint32
	ts      uint32
	payload []byte
}

func newLine(t testing.TB) *line {
	return &line{t: t, b: New(Config{}), rng: rand.New(rand.NewPCG(1, 2)), n: 160, law: codec.PCMA, ssrc: 7,
		ts0: math.MaxUint32 - 4000, way: func(int, float64) float64 { return 320 }, sound: tone(400)}
}

func tone(hz float64) func(int64) int16 {
	return func(pos int64) int16 { return int16(8000 * math.Sin(2*math.Pi*hz*float64(pos)/8000)) }
}

// run lets the line work for d.
func (l *line) run(d time.Duration) {
	for end := l.now + int64(d/(125*time.Microsecond)); l.now < end; l.now += 160 {
		for l.sentAt <= float64(l.now) {
			pcm := make([]int16, l.n)
			for i := range pcm {
				pcm[i] = l.sound(l.pos + int64(i))
			}
			payload := make([]byte, l.n)
			codec.Encode(l.law, payload, pcm)
			if w := l.way(l.i, l.sentAt); w >= 0 {
				for c := range 1 + l.copies {
					l.queue = append(l.queue, flying{l.sentAt + w + 80*float64(c), l.law, l.ssrc, l.ts0 + uint32(l.pos), payload})
				}
			}
			l.i++
			l.pos += int64(l.n)
			l.sentAt += float64(l.n) / (1 + l.skew)
		}
		slices.SortStableFunc(l.queue, func(a, b flying) int { return int(math.Copysign(1, a.at-b.at)) })
		for len(l.queue) > 0 && l.queue[0].at <= float64(l.now) {
			p := l.queue[0]
			l.b.Put(moment(p.at), p.law, p.ssrc, p.ts, p.payload)
			l.queue = l.queue[1:]
		}
		var f [160]int16
		l.kinds[l.b.Get(moment(float64(l.now)), f[:])]++
		l.out = append(l.out, f[:]...)
	}
}

func moment(at float64) time.Time { return t0.Add(time.Duration(at * 125e3)) }

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// take returns what was heard since.
func (l *line) take() []int16 {
	out := l.out
	l.out = nil
	return out
}

// gap is the longest stretch under a tenth of the tone's level.
func gap(pcm []int16) time.Duration {
	longest, run := 0, 0
	for _, v := range pcm {
		if v > -800 && v < 800 {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return time.Duration(longest) * 125 * time.Microsecond
}

// click is the largest departure from a sine of hz between three neighbours, as a
// share of its amplitude; a jump by the full amplitude has 1.
func click(pcm []int16, hz float64) (worst float64, at int) {
	c := 2 * math.Cos(2*math.Pi*hz/8000)
	for i := 2; i < len(pcm); i++ {
		if d := math.Abs(float64(pcm[i])-c*float64(pcm[i-1])+float64(pcm[i-2])) / 8000; d > worst {
			worst, at = d, i
		}
	}
	return worst, at
}

func (l *line) wantClean(what string, pcm []int16, clicks float64, hole time.Duration) {
	l.t.Helper()
	if w, at := click(pcm, 400); w > clicks {
		l.t.Errorf("%s: a click of %.2f at %d of %d: %v", what, w, at, len(pcm), pcm[max(at-5, 0):min(at+5, len(pcm))])
	}
	if g := gap(pcm); g > hole {
		l.t.Errorf("%s: a hole of %v", what, g)
	}
}

// The coding of G.711 alone departs by up to some 3 %.
const coded = 0.06

func TestStillLine(t *testing.T) {
	l := newLine(t)
	l.run(10 * time.Second)
	l.wantClean("a still line", l.take()[800:], coded, 2*time.Millisecond)
	if s := l.b.Stats(); s.Concealed != 0 || s.Late != 0 || s.Inserted > 200 || s.Delay > 25*time.Millisecond {
		t.Errorf("%+v", s)
	}
}

func TestFirstFrameIsSoon(t *testing.T) {
	b := New(Config{})
	var f [160]int16
	if b.Get(t0, f[:]) != Silent {
		t.Error("sound from nothing")
	}
	payload := make([]byte, 160) // loud in A-law
	b.Put(t0, codec.PCMA, 1, 1, payload)
	if k := b.Get(t0, f[:]); k != Voice || f[79] != 0 || f[159] == 0 {
		t.Errorf("%v, %v", k, f)
	}
}

// TestBadLine is the line of the media's promise: 5 % loss, 60 ms of jitter, 2 %
// reordering; the tone has no hole over 40 ms.
func TestBadLine(t *testing.T) {
	for seed := range uint64(5) {
		l := newLine(t)
		l.rng = rand.New(rand.NewPCG(seed, 9))
		l.way = func(int, float64) float64 {
			switch r := l.rng.Float64(); {
			case r < .05:
				return -1
			case r < .07:
				return 160 + 480 + 160
			}
			return 160 + l.rng.Float64()*480
		}
		l.run(60 * time.Second)
		out := l.take()
		l.wantClean("a bad line", out[8000*2:], 0.5, 40*time.Millisecond)
		s := l.b.Stats()
		// 5 % are lost; what the buffer loses on top is to be little.
		if share := float64(s.Concealed) / float64(len(out)); share > .075 {
			t.Errorf("%.1f %% made up: %+v", 100*share, s)
		}
		if s.Late > s.Packets/40 || s.Delay > 130*time.Millisecond || s.Delay < 20*time.Millisecond || s.Resyncs > 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestDelayGrowsAndShrinks(t *testing.T) {
	l := newLine(t)
	bad := false
	l.way = func(int, float64) float64 {
		if bad {
			return 160 + l.rng.Float64()*640
		}
		return 160
	}
	l.run(10 * time.Second)
	still := l.b.Stats().Delay
	bad = true
	l.run(3 * time.Second)
	l.take()
	l.run(17 * time.Second)
	l.wantClean("after it got bad", l.take(), 0.5, 30*time.Millisecond)
	grown := l.b.Stats()
	bad = false
	l.run(30 * time.Second)
	if out := l.take(); len(out) > 0 {
		l.wantClean("after it got better", out, 0.3, 2*time.Millisecond)
	}
	after := l.b.Stats()
	if still > 25*time.Millisecond || grown.Delay < 30*time.Millisecond || after.Delay > 45*time.Millisecond || after.Removed == 0 {
		t.Errorf("delay %v, %v, %v", still, grown.Delay, after.Delay)
	}
	if after.Resyncs != 0 {
		t.Errorf("%+v", after)
	}
}

// TestDrift: clocks that differ by 200 ppm, which is 2.9 s in four hours; the delay
// stays, nothing is lost and nothing clicks. JITTER_DRIFT_MINUTES=480 is a working day.
func TestDrift(t *testing.T) {
	for _, skew := range []float64{200e-6, -200e-6, 20e-6} {
		l := newLine(t)
		l.skew = skew
		l.way = func(int, float64) float64 { return 160 + l.rng.Float64()*40 }
		minutes := 240
		if testing.Short() || raced || skew == 20e-6 {
			minutes = 30
		}
		if s := os.Getenv("JITTER_DRIFT_MINUTES"); s != "" {
			minutes, _ = strconv.Atoi(s)
		}
		l.run(10 * time.Second)
		l.take()
		for range minutes {
			l.run(time.Minute)
			l.wantClean("drift", l.take(), 0.3, 3*time.Millisecond)
			if d := l.b.Stats().Delay; d > 50*time.Millisecond || d < 0 {
				t.Fatalf("delay %v", d)
			}
		}
		s := l.b.Stats()
		moved := float64(s.Removed) - float64(s.Inserted)
		if want := skew * float64(minutes) * 60 * 8000; math.Abs(moved-want) > 1000 {
			t.Errorf("skew %v: %v samples taken up, want %v", skew, moved, want)
		}
		if s.Concealed > 2000 || s.Resyncs != 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestPacketTimes(t *testing.T) {
	l := newLine(t)
	for _, ms := range []int{10, 20, 30, 40, 60, 20, 5, 15, 60, 10} {
		l.n = ms * 8
		l.run(500 * time.Millisecond)
		l.take()
		l.run(7 * time.Second)
		l.wantClean("packets of another time", l.take(), 0.3, 3*time.Millisecond)
		if s := l.b.Stats(); s.Delay > 110*time.Millisecond {
			t.Errorf("%d ms: %+v", ms, s)
		}
	}
	if s := l.b.Stats(); s.Resyncs != 0 || s.Strange != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCopiesAreNoLateness(t *testing.T) {
	l := newLine(t)
	l.copies = 3 // up to 30 ms later
	l.run(20 * time.Second)
	s := l.b.Stats()
	if s.Duplicates < 2900 || s.Late != 0 || s.Delay > 25*time.Millisecond || s.Concealed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNewTimeLines(t *testing.T) {
	for name, change := range map[string]func(l *line){
		"another SSRC":               func(l *line) { l.ssrc, l.ts0 = 8, 12345 },
		"timestamps jump by an hour": func(l *line) { l.ts0 += 3600 * 8000 },
		"timestamps jump back":       func(l *line) { l.ts0 -= 3600 * 8000 },
		"the other law":              func(l *line) { l.law = codec.PCMU },
		"a longer way":               func(l *line) { l.way = func(int, float64) float64 { return 320 + 2400 } },
		"a shorter way": func(l *line) {
			l.way = func(i int, _ float64) float64 { return 0 }
		},
		"a pause that the timestamps tell":  func(l *line) { skip := int64(80000); l.sentAt += float64(skip); l.pos += skip },
		"a pause that they do not tell":     func(l *line) { l.sentAt += 80000 },
		"a short one that they do not tell": func(l *line) { l.sentAt += 2600 },
		"the line stands still for 2 s":     func(l *line) { stall(l, 16000) },
		"the line stands still for 300 ms":  func(l *line) { stall(l, 2400) },
		"the listener stands still for 1 s": func(l *line) { l.now += 8000; l.b.Skip(moment(float64(l.now)), 50) },
		"the listener asks late, all at once": func(l *line) {
			for range 3 {
				var f [160]int16
				l.b.Get(moment(float64(l.now)), f[:])
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			l.run(12 * time.Second)
			l.take()
			change(l)
			l.run(13 * time.Second) // the pauses end
			if w, at := click(l.take(), 400); w > 1.2 {
				t.Errorf("a click of %.2f at %d", w, at)
			}
			l.run(5 * time.Second)
			l.wantClean("afterwards", l.take(), 0.3, 3*time.Millisecond)
			if s := l.b.Stats(); s.Delay > 60*time.Millisecond && name != "a shorter way" {
				t.Errorf("%+v", s)
			}
			l.run(40 * time.Second)
			l.take()
			before := l.b.Stats()
			l.run(10 * time.Second)
			if s := l.b.Stats(); s.Delay > 45*time.Millisecond || s.Late != before.Late || s.Concealed != before.Concealed {
				t.Errorf("in the end %+v", s)
			}
		})
	}
}

// stall holds all packets of the next n samples back and lets them go at once.
func stall(l *line, n int64) {
	until := l.sentAt + float64(n)
	old := l.way
	l.way = func(i int, at float64) float64 {
		if at < until {
			return until - at + old(i, at)
		}
		return old(i, at)
	}
}

// TestSpikeLosesNothing: packets that come 100 ms late at a stroke are heard, all
// of them: the delay grows by what they are late.
func TestSpikeLosesNothing(t *testing.T) {
	l := newLine(t)
	l.sound = func(pos int64) int16 { return int16(pos/160%20) * 1000 } // each packet has a level of its own
	l.run(2 * time.Second)
	l.take()
	stall(l, 800)
	l.run(time.Second)
	seen := map[int16]int{}
	for _, v := range l.take() {
		seen[(v+500)/1000]++
	}
	for i := range int16(20) {
		if seen[i] < 250 { // of 400 in a second
			t.Errorf("level %d: %d samples", i, seen[i])
		}
	}
	if s := l.b.Stats(); s.Late != 0 {
		t.Errorf("%+v", s)
	}
}

func TestStrayPackets(t *testing.T) {
	l := newLine(t)
	l.run(2 * time.Second)
	payload := slices.Repeat([]byte{0x80}, 160)
	for i := range 50 {
		l.b.Put(moment(float64(l.now)), codec.PCMA, l.ssrc, l.ts0+uint32(l.pos)+uint32(i+1)*77777777, payload)
		l.run(20 * time.Millisecond)
	}
	l.b.Put(moment(float64(l.now)), codec.PCMA, l.ssrc, 0, nil)
	l.b.Put(moment(float64(l.now)), codec.PCMA, l.ssrc, 0, make([]byte, 5000))
	out := l.take()
	l.wantClean("with strays", out[8000:], 0.3, 3*time.Millisecond)
	if s := l.b.Stats(); s.Resyncs != 0 || s.Strange < 40 {
		t.Errorf("%+v", s)
	}
}

func TestLossIsConcealed(t *testing.T) {
	for _, hz := range []float64{200, 400, 425, 1000} {
		l := newLine(t)
		l.sound = tone(hz)
		l.way = func(i int, _ float64) float64 {
			if i%20 < 2 { // 40 ms at a time
				return -1
			}
			return 320
		}
		l.run(4 * time.Second)
		out := l.take()[8000:]
		if w, at := click(out, hz); w > 0.6 {
			t.Errorf("%v Hz: a click of %.2f at %d", hz, w, at)
		}
		if g := gap(out); g > 5*time.Millisecond {
			t.Errorf("%v Hz: a hole of %v", hz, g)
		}
	}
}

// FuzzBuffer: whatever comes in whatever order, nothing panics, the ring keeps
// its promises, and a good line is heard again afterwards.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 0, 160, 1, 2, 3, 255, 255, 255, 255, 7, 0, 0, 9})
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	f.Fuzz(func(t *testing.T, data []byte) {
		b := New(Config{})
		var out [160]int16
		ts := uint32(0)
		payload := make([]byte, 255*8)
		for i := range payload {
			payload[i] = byte(i)
		}
		for ; len(data) >= 4; data = data[4:] {
			ts += uint32(int32(int16(uint16(data[0])<<8|uint16(data[1])))) * uint32(1+data[3]>>6<<4)
			b.Put(t0, codec.PCMU, uint32(data[3]>>5&1), ts, payload[:int(data[2])*8])
			for range data[3] & 7 {
				b.Get(t0, out[:])
			}
			if data[3]&0x18 == 0x18 {
				b.Skip(t0, int(data[2]))
			}
			if b.end > b.play+ahead || b.gap > b.play || b.refPos > b.play+ahead+maxPayload {
				t.Fatalf("play %d end %d gap %d ref %d", b.play, b.end, b.gap, b.refPos)
			}
		}
		for range 200 {
			ts += 160
			b.Put(t0, codec.PCMU, 9, ts, payload[:160])
			b.Get(t0, out[:])
		}
		if k := b.Get(t0, out[:]); k != Voice {
			t.Fatal("deaf afterwards")
		}
	})
}

func TestNothingAllocates(t *testing.T) {
	l := newLine(t)
	b, ts := l.b, uint32(0)
	payload := make([]byte, 160)
	var out [160]int16
	if n := testing.AllocsPerRun(2000, func() {
		ts += 160
		if ts/160%10 != 0 {
			b.Put(t0, codec.PCMA, 1, ts, payload)
		}
		b.Get(t0, out[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPutGet(b *testing.B) {
	buf := New(Config{})
	payload := make([]byte, 160)
	var out [160]int16
	ts := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		ts += 160
		buf.Put(t0, codec.PCMA, 1, ts, payload)
		buf.Get(t0, out[:])
	}
}

func BenchmarkLoss(b *testing.B) {
	buf := New(Config{})
	payload := make([]byte, 160)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	var out [160]int16
	ts := uint32(0)
	for b.Loop() {
		ts += 160
		if ts/160%20 != 0 {
			buf.Put(t0, codec.PCMA, 1, ts, payload)
		}
		buf.Get(t0, out[:])
	}
}

func meanSquare(pcm []int16) (ms float64) {
	for _, v := range pcm {
		ms += float64(v) * float64(v) / float64(len(pcm))
	}
	return ms
}

// TestNoiseLevels: noise has the level that its sender told, flat or shaped, and a
// peer that calls a roar its background is not believed.
func TestNoiseLevels(t *testing.T) {
	for _, payload := range [][]byte{{40}, {60}, {70, 127}, {50, 200}, {50, 60, 140, 100}, {50, 254, 0}, {45, 190, 60, 127, 140, 110, 127, 127, 127, 127, 127}} {
		var n Noise
		if !n.Take(payload) {
			t.Fatal("not taken")
		}
		pcm := make([]int16, 16000)
		n.Fill(pcm)
		got := 10 * math.Log10(meanSquare(pcm[800:])/(32768*32768))
		off := 1.0
		if payload[0] >= 70 {
			off = 2 // of few steps
		}
		if len(payload) == 3 {
			off = 12 // at the edge of what is stable: bounded, not exact
		}
		if math.Abs(got+float64(payload[0])) > off {
			t.Errorf("%v: %.1f dBov", payload, got)
		}
	}
	var n Noise
	n.Take([]byte{0})
	pcm := make([]int16, 8000)
	n.Fill(pcm)
	if got := 10 * math.Log10(meanSquare(pcm)/(32768*32768)); got > -29 {
		t.Errorf("%.1f dBov", got)
	}
	if n.Take(nil) {
		t.Error("nothing is no noise")
	}
}

// TestLongGap: a hole is filled with the noise that the line had, and only for 5 s;
// what the sender announced lasts until it speaks.
func TestLongGap(t *testing.T) {
	l := newLine(t)
	rng := rand.New(rand.NewPCG(3, 4))
	l.sound = func(pos int64) int16 { // voice for half a second, and its room
		v := int16(rng.IntN(200) - 100)
		if pos%8000 < 4000 {
			v += int16(6000 * math.Sin(float64(pos)/3))
		}
		return v
	}
	gone := false
	l.way = func(int, float64) float64 {
		if gone {
			return -1
		}
		return 320
	}
	l.run(4 * time.Second)
	l.take()
	gone = true
	l.run(4 * time.Second)
	hole := l.take()[2400:]
	room := 100.0 * 100 / 3
	if got := meanSquare(hole); got < room/3 || got > room*3 {
		t.Errorf("the hole has %.0f, the room %.0f", got, room)
	}
	l.run(3 * time.Second)
	if got := meanSquare(l.take()[8000*2:]); got != 0 {
		t.Errorf("a dead line sounds: %.0f", got)
	}
	l.b.PutNoise(l.ts0+uint32(l.pos), []byte{50})
	l.run(20 * time.Second)
	if got := 10 * math.Log10(meanSquare(l.take()[8000*10:])/(32768*32768)); math.Abs(got+50) > 1 {
		t.Errorf("%.1f dBov, told were -50", got)
	}
	gone = false
	l.run(3 * time.Second)
	if l.b.told || l.kinds[Comfort] < 1000 {
		t.Errorf("still quiet; %v", l.kinds)
	}
}

func FuzzNoise(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{50, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var n Noise
		pcm := make([]int16, 800)
		if n.Take(payload) != (len(payload) > 0) {
			t.Fatal("taken or not")
		}
		n.Fill(pcm)
		for _, v := range n.b {
			if v != v {
				t.Fatal("not a number")
			}
		}
	})
}

// TestPCMIsTheSame: what was decoded before is heard as what is decoded here.
func TestPCMIsTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	a, b := New(Config{}), New(Config{})
	var fa, fb [160]int16
	for i := range 3000 {
		payload := make([]byte, []int{80, 160, 240, 480}[rng.IntN(4)])
		for j := range payload {
			payload[j] = byte(rng.Uint32())
		}
		pcm := make([]int16, len(payload))
		codec.Decode(codec.PCMU, pcm, payload)
		now, ts := moment(float64(160*i)), uint32(160*i+rng.IntN(400))
		if rng.IntN(10) > 0 {
			a.Put(now, codec.PCMU, 1, ts, payload)
			b.PutPCM(now, 1, ts, pcm)
		}
		if ka, kb := a.Get(now, fa[:]), b.Get(now, fb[:]); ka != kb || fa != fb {
			t.Fatalf("frame %d: %v %v", i, ka, kb)
		}
	}
}
