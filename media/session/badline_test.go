package session

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/jitter"
	"github.com/centrala/centrala/media/mediatest"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/rtp"
)

// caller is a leg's peer that speaks over a line and listens with a jitter buffer as
// ours is.
type caller struct {
	*part
	line  *mediatest.Line
	sound func(pos int64) int16
	law   codec.Law
	n     int // samples a packet
	pos   int64
	due   time.Time // of the next packet

	ear   *jitter.Buffer
	heard []int16
}

func (s *score) caller(p *part, seed uint64, sound func(int64) int16) *caller {
	return &caller{part: p, line: mediatest.NewLine(seed), sound: sound, law: p.p.Law, n: 160, due: s.now, ear: jitter.New(jitter.Config{})}
}

// converse lets the callers speak and listen for d; step is done with each 5 ms.
func (s *score) converse(d time.Duration, step func(time.Duration), all ...*caller) {
	s.run()
	for end := s.now.Add(d); s.now.Before(end); {
		for _, c := range all {
			for !c.due.After(s.now) {
				pcm := make([]int16, c.n)
				for i := range pcm {
					pcm[i] = c.sound(c.pos + int64(i))
				}
				payload := make([]byte, c.n)
				codec.Encode(c.law, payload, pcm)
				b := make([]byte, rtp.HeaderSize, rtp.HeaderSize+c.n)
				rtp.PutHeader(b, uint8(c.law), rtp.Stamp{SSRC: c.ssrc, TS: c.ts, Seq: c.seq})
				c.line.Send(c.due, append(b, payload...))
				c.seq++
				c.ts += uint32(c.n)
				c.pos += int64(c.n)
				c.due = c.due.Add(media.Duration(int64(c.n)))
			}
			c.line.Deliver(s.now, func(at time.Time, b []byte) { c.Receive(nil, b, c.from, at) })
		}
		step(5 * time.Millisecond)
		for _, c := range all {
			for _, h := range c.take() {
				c.ear.Put(s.now, codec.Law(h.PT), h.SSRC, h.TS, h.payload)
			}
			if s.now.UnixMilli()%20 == 0 {
				var f [media.FrameSamples]int16
				c.ear.Get(s.now, f[:])
				c.heard = append(c.heard, f[:]...)
			}
		}
	}
}

func tone400(pos int64) int16 {
	return int16(8000 * math.Sin(2*math.Pi*400*float64(pos)/media.ClockRate))
}

// hole is the longest stretch under a tenth of the tone.
func hole(pcm []int16) time.Duration {
	longest, run := 0, 0
	for _, v := range pcm {
		if run++; v > 800 || v < -800 {
			run = 0
		}
		longest = max(longest, run)
	}
	return media.Duration(int64(longest))
}

// TestBadLineAcrossABridge is the promise: 5 % random loss, 60 ms of jitter and 2 % of
// reordering on one leg, or on both; the other side's tone has no hole over 40 ms when
// it is decoded as we decode, relayed as it is, in the other law, and mixed.
func TestBadLineAcrossABridge(t *testing.T) {
	for _, tt := range []struct {
		name string
		law  codec.Law
		mix  bool
		both bool // lines are bad, and both talk
	}{{"relayed", codec.PCMA, false, false}, {"transcoded", codec.PCMU, false, false}, {"mixed", codec.PCMA, true, false},
		{"relayed, two legs", codec.PCMA, false, true}, {"transcoded, two legs", codec.PCMU, false, true}, {"mixed, two legs", codec.PCMA, true, true}} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(2) {
				s := newScore(t)
				a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, tt.law)
				if tt.mix {
					c := s.w.e.NewConference(0)
					c.Add(a.Leg, Talker())
					c.Add(b.Leg, Talker())
				} else {
					a.Bridge(b.Leg)
				}
				x := s.caller(a, seed, tone400)
				x.line.Loss, x.line.Swaps, x.line.Delay, x.line.Jitter = .05, .02, 20*time.Millisecond, 60*time.Millisecond
				y := s.caller(b, seed, func(pos int64) int16 {
					if !tt.both {
						return 0
					}
					return int16(8000 * math.Sin(2*math.Pi*600*float64(pos)/media.ClockRate))
				})
				if tt.both {
					y.line.Loss, y.line.Swaps, y.line.Delay, y.line.Jitter = .05, .02, 20*time.Millisecond, 60*time.Millisecond
				}
				s.converse(30*time.Second, s.pass, x, y)
				if h := hole(x.heard[3*media.ClockRate:]); tt.both && h > 40*time.Millisecond {
					t.Errorf("seed %d: a hole of %v the other way", seed, h)
				}
				if l := level(x.heard[3*media.ClockRate:], 600); tt.both && l < .8 {
					t.Errorf("seed %d: %.2f of what is heard the other way is the tone", seed, l)
				}
				if h := hole(y.heard[3*media.ClockRate:]); h > 40*time.Millisecond {
					t.Errorf("seed %d: a hole of %v", seed, h)
				}
				if l := level(y.heard[3*media.ClockRate:], 400); l < .8 {
					t.Errorf("seed %d: %.2f of what is heard is the tone", seed, l)
				}
				in := a.stats()
				if lost := float64(in.PacketsLost) / 1500; lost < .03 || lost > .07 || in.MOSIn.Mean > 4 || in.MOSIn.Mean < 3 {
					t.Errorf("seed %d: %.3f lost, %+v", seed, lost, in.MOSIn)
				}
			}
		})
	}
}

// TestChangesWithoutWarning: packet time, law, SSRC, timestamps change in mid-call, all
// on a line with some jitter; the partner hears the tone go on.
func TestChangesWithoutWarning(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	x, y := s.caller(a, 3, tone400), s.caller(b, 4, tone400)
	x.line.Jitter = 10 * time.Millisecond
	s.converse(3*time.Second, s.pass, x, y)
	for _, change := range []struct {
		name string
		do   func()
	}{
		{"30 ms", func() { x.n = 240 }},
		{"40 ms", func() { x.n = 320 }},
		{"60 ms", func() { x.n = 480 }},
		{"10 ms", func() { x.n = 80 }},
		{"20 ms", func() { x.n = 160 }},
		{"the other law", func() { x.law = codec.PCMU }},
		{"a new SSRC", func() { x.ssrc++; x.seq, x.ts = 40000, 7 }},
		{"other timestamps", func() { x.ts += 1 << 30 }},
		{"the sequence leaps", func() { x.seq += 20000 }},
		{"the law and 60 ms and a new SSRC", func() { x.law, x.n, x.ssrc = codec.PCMA, 480, 99 }},
	} {
		y.heard = nil
		change.do()
		s.converse(6*time.Second, s.pass, x, y)
		if h := hole(y.heard); h > 150*time.Millisecond {
			t.Errorf("%s: a hole of %v when it changes", change.name, h)
		}
		if h, l := hole(y.heard[3*media.ClockRate:]), level(y.heard[3*media.ClockRate:], 400); h > 5*time.Millisecond || l < .9 {
			t.Errorf("%s: a hole of %v long after, the tone is %.2f of it", change.name, h, l)
		}
	}
	if l := level(x.heard[media.ClockRate:], 400); l < .95 {
		t.Error("the other way suffers too")
	}
}

// TestBadLineRecorded: both sides beep at the same moments, one over a bad line; in
// the file the beeps lie together to the end, and every one is there.
func TestBadLineRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		rw, err := record.NewWriter(record.Config{Dir: dir, Format: record.G711})
		if err != nil {
			t.Fatal(err)
		}
		if err := rw.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer rw.Stop(context.Background()) //nolint:errcheck // the test is over
		s := newScore(t)
		s.now = time.Now()
		a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
		a.Bridge(b.Leg)
		done := make(chan record.Result, 1)
		rec, err := rw.Open("c.wav", codec.PCMA, func(r record.Result) { done <- r })
		if err != nil {
			t.Fatal(err)
		}
		a.Record(rec, record.Left)
		b.Record(rec, record.Right)
		beep := func(pos int64) int16 { // 200 ms each second
			if pos%media.ClockRate < 1600 {
				return tone400(pos)
			}
			return 0
		}
		x, y := s.caller(a, 1, beep), s.caller(b, 2, beep)
		x.line.Loss, x.line.Swaps, x.line.Copies, x.line.Jitter = .05, .02, .01, 60*time.Millisecond
		const seconds = 30
		s.converse(seconds*time.Second, func(d time.Duration) { time.Sleep(d); s.pass(d) }, x, y)
		rec.Close(s.now)
		if r := <-done; r.Fault != "" {
			t.Fatal(r.Fault)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "c.wav"))
		if err != nil {
			t.Fatal(err)
		}
		raw = raw[bytes.Index(raw, []byte("data"))+8:]
		var beeps [2][]int // beginning of each
		for ch := range beeps {
			loud, quiet := 0, 4000
			for i := ch; i < len(raw); i += 2 {
				if v := sample(codec.PCMA, raw[i]); v > 2000 || v < -2000 {
					if quiet > 3000 { // a lost packet inside a beep is no new one
						beeps[ch] = append(beeps[ch], i/2)
					}
					loud, quiet = loud+1, 0
				} else {
					quiet++
				}
			}
			if want := seconds * 1600 * 3 / 4; loud < want*9/10 { // three quarters of a sine are over 2000 of 8000... and some is lost
				t.Errorf("channel %d: %d loud samples, want %d", ch, loud, want)
			}
		}
		if len(beeps[0]) < seconds-1 || len(beeps[1]) < seconds-1 {
			t.Fatalf("%d and %d beeps", len(beeps[0]), len(beeps[1]))
		}
		apart := 0
		for i := range min(len(beeps[0]), len(beeps[1])) {
			d := beeps[0][i] - beeps[1][i]
			apart = max(apart, d, -d)
			// A beep whose first packet was lost begins 20 ms later.
			if late := media.Duration(int64(d)); late > 40*time.Millisecond+20*time.Millisecond || late < -40*time.Millisecond {
				t.Errorf("beep %d: %v apart", i, late)
			}
		}
		t.Logf("at most %v apart", media.Duration(int64(apart)))
	})
}

// TestBadLineFromOtherCodecs: the same line, from phones with Opus and G.722: what is
// decoded, concealed and encoded again is heard whole in PCMA.
func TestBadLineFromOtherCodecs(t *testing.T) {
	for _, id := range []codec.ID{codec.Opus, codec.G722} {
		t.Run(id.String(), func(t *testing.T) {
			for seed := range uint64(2) {
				s := newScore(t)
				b := s.leg(addrB, codec.PCMA)
				v := s.voiced(s.leg(addrA, id), id)
				v.Bridge(b.Leg)
				line := mediatest.NewLine(seed)
				line.Loss, line.Swaps, line.Delay, line.Jitter = .05, .02, 20*time.Millisecond, 60*time.Millisecond
				y := s.caller(b, seed, func(int64) int16 { return 0 })
				next := s.now
				s.converse(20*time.Second, func(d time.Duration) {
					for ; !next.After(s.now); next = next.Add(20 * time.Millisecond) {
						line.Send(next, v.say(400))
					}
					line.Deliver(s.now, func(at time.Time, p []byte) { v.Receive(nil, p, v.from, at) })
					s.pass(d)
				}, y)
				heard := y.heard[3*media.ClockRate:]
				if h, l := hole(heard), level(heard, 400); h > 40*time.Millisecond || l < .5 {
					t.Errorf("seed %d: a hole of %v, the tone is %.2f of what is heard", seed, h, l)
				}
			}
		})
	}
}
