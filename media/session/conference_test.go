package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/dtmf"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/record"
)

// speaker is a part that says a tone of its own.
type speaker struct {
	*part
	hz float64
	n  int
}

func (s *score) speakers(hz ...float64) (all []*speaker) {
	for i, f := range hz {
		law := codec.PCMA
		if i%2 == 1 {
			law = codec.PCMU
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}), uint16(4000+2*i))
		all = append(all, &speaker{part: s.leg(addr, law), hz: f})
	}
	return all
}

func (x *speaker) say() {
	pcm := make([]int16, media.FrameSamples)
	for i := range pcm {
		pcm[i] = int16(6000 * math.Sin(2*math.Pi*x.hz*float64(x.n)/media.ClockRate))
		x.n++
	}
	payload := make([]byte, len(pcm))
	codec.Encode(x.p.Law, payload, pcm)
	b := x.packet(uint8(x.p.Law), payload)
	x.ts += media.FrameSamples
	x.Receive(nil, b, x.from, x.s.now)
}

// talk lets all speak for d, 20 ms at a time.
func (s *score) talk(d time.Duration, all ...*speaker) {
	s.run()
	for range d / media.FrameDuration {
		for _, x := range all {
			x.say()
		}
		s.pass(media.FrameDuration)
	}
}

// heard empties what was sent to x and returns its sound, checking its line.
func (x *speaker) hear(t *testing.T) (pcm []int16, packets []heard) {
	t.Helper()
	packets = x.take()
	continuous(t, packets)
	for _, p := range packets {
		if int(p.PT) == 101 {
			continue
		}
		part := make([]int16, len(p.payload))
		codec.Decode(codec.Law(p.PT), part, p.payload)
		pcm = append(pcm, part...)
	}
	return pcm, packets
}

// want checks which of all tones x hears and that it hears no others.
func (x *speaker) want(t *testing.T, what string, all []*speaker, hz ...float64) {
	t.Helper()
	pcm, packets := x.hear(t)
	if len(packets) < 40 {
		t.Errorf("%s: %v Hz was sent %d packets", what, x.hz, len(packets))
		return
	}
	pcm = pcm[len(pcm)/2:] // settled
	for _, o := range all {
		wanted := false
		for _, f := range hz {
			wanted = wanted || f == o.hz
		}
		// A tone of peak 6000 has a mean square of 18e6.
		got := level(pcm, o.hz) * meanSquare(pcm) / 18e6
		if wanted && (got < 0.8 || got > 1.2) {
			t.Errorf("%s: %v Hz hears %v Hz at %.3f", what, x.hz, o.hz, got)
		}
		if !wanted && got > 0.001 {
			t.Errorf("%s: %v Hz must not hear %v Hz: %.4f", what, x.hz, o.hz, got)
		}
	}
}

func meanSquare(pcm []int16) (sum float64) {
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return sum / float64(max(len(pcm), 1))
}

func TestEachHearsTheOthers(t *testing.T) {
	s := newScore(t)
	all := s.speakers(300, 500, 700, 1100)
	c := s.w.e.NewConference(0)
	for _, x := range all {
		c.Add(x.Leg, Talker())
	}
	s.talk(2*time.Second, all...)
	for i, x := range all {
		var others []float64
		for j, o := range all {
			if j != i {
				others = append(others, o.hz)
			}
		}
		x.want(t, "conference", all, others...)
	}
	// One leaves, one closes; the two left hear each other, then there is rest.
	c.Remove(all[0].Leg)
	all[1].Leg.Close(nil)
	s.run()
	s.talk(2*time.Second, all[0], all[2], all[3])
	all[2].want(t, "two left", all, 1100)
	all[3].want(t, "two left", all, 700)
	s.talk(100*time.Millisecond, all[2])
	if got := all[0].take(); len(got) > 1 { // one that falls to silence
		t.Errorf("%d packets to one who left", len(got))
	}
	// Who comes back goes on where the clock is.
	last := all[2].out.sent[len(all[2].out.sent)-1]
	c.Remove(all[2].Leg)
	s.pass(3 * time.Second)
	c.Add(all[2].Leg, Talker())
	s.pass(40 * time.Millisecond)
	if d := binary.BigEndian.Uint32(all[2].out.sent[len(all[2].out.sent)-1][4:]) - binary.BigEndian.Uint32(last[4:]); d < 23500 || d > 25000 {
		t.Errorf("the line moved by %d in 3 s", d)
	}
	c.Close()
	s.pass(100 * time.Millisecond)
	if c.slot >= 0 || len(c.members) != 0 || s.w.count.members != 0 {
		t.Error("an empty conference is still ticked")
	}
}

// TestRolesSwitch: listen, whisper, barge and back in a running call; every line
// has a packet each 20 ms all along.
func TestRolesSwitch(t *testing.T) {
	s := newScore(t)
	all := s.speakers(300, 500, 700)
	caller, agent, boss := all[0], all[1], all[2]
	c := s.w.e.NewConference(0)
	c.Add(caller.Leg, Talker())
	c.Add(agent.Leg, Talker())
	c.Add(boss.Leg, Listener())
	check := func(what string, toCaller, toAgent, toBoss []float64) {
		t.Helper()
		s.talk(2*time.Second, all...)
		for _, x := range all {
			if n := len(x.out.sent); n < 99 || n > 101 {
				t.Errorf("%s: %d packets in 2 s to %v Hz", what, n, x.hz)
			}
		}
		caller.want(t, what, all, toCaller...)
		agent.want(t, what, all, toAgent...)
		boss.want(t, what, all, toBoss...)
	}
	both := []float64{300, 500}
	check("listen", []float64{500}, []float64{300}, both)
	c.SetRole(boss.Leg, Whisper(agent.Leg))
	check("whisper", []float64{500}, []float64{300, 700}, both)
	c.SetRole(boss.Leg, Talker())
	check("barge", []float64{500, 700}, []float64{300, 700}, both)
	c.SetRole(boss.Leg, Whisper(caller.Leg))
	check("whisper to the caller", []float64{500, 700}, []float64{300}, both)
	c.Add(boss.Leg, Listener())
	check("listen again", []float64{500}, []float64{300}, both)
	c.SetRole(caller.Leg, Listener())
	check("caller muted", []float64{500}, nil, []float64{500})
}

// TestBridgeConferenceBridge: one line for life, no gap over 40 ms in packets or
// sound at either switch.
func TestBridgeConferenceBridge(t *testing.T) {
	for shift := range 4 { // against the grid of the ticks
		s := newScore(t)
		s.pass(time.Duration(shift) * 5 * time.Millisecond)
		all := s.speakers(300, 500, 700)
		a, b, x := all[0], all[1], all[2]
		c := s.w.e.NewConference(0)
		var lines [2][]heard
		var at [2][]time.Time
		var sound [2][]int16
		step := func(n int) {
			for range n {
				a.say()
				b.say()
				x.say()
				for range 4 {
					s.pass(5 * time.Millisecond)
					for i, y := range all[:2] {
						pcm, ps := y.hear(t)
						lines[i], sound[i] = append(lines[i], ps...), append(sound[i], pcm...)
						for range ps {
							at[i] = append(at[i], s.now)
						}
					}
				}
			}
		}
		a.Bridge(b.Leg)
		s.run()
		step(50)
		for _, y := range all {
			c.Add(y.Leg, Talker())
		}
		step(100)
		c.Remove(x.Leg)
		step(50)
		a.Bridge(b.Leg)
		step(50)
		for i := range lines {
			continuous(t, lines[i])
			for j := 1; j < len(at[i]); j++ {
				if gap := at[i][j].Sub(at[i][j-1]); gap > 40*time.Millisecond {
					t.Errorf("shift %d: %v without a packet before %d", shift, gap, j)
				}
				// What the receiver has to play: the line's time against the clock.
				wall := media.Samples(at[i][j].Sub(at[i][0]))
				if off := int64(lines[i][j].TS-lines[i][0].TS) - wall; off > 400 || off < -400 {
					t.Errorf("shift %d: timestamp off by %d at %d", shift, off, j)
				}
			}
			run, longest := 0, 0
			for _, v := range sound[i] {
				if run++; v > 600 || v < -600 {
					run = 0
				}
				longest = max(longest, run)
			}
			if longest > 320 {
				t.Errorf("shift %d: %d samples of silence", shift, longest)
			}
		}
	}
}

// TestPlayInConference: to all, mixed; to one, instead; both end by themselves.
func TestPlayInConference(t *testing.T) {
	s := newScore(t)
	all := s.speakers(300, 500, 1700)
	c := s.w.e.NewConference(0)
	c.Add(all[0].Leg, Talker())
	c.Add(all[1].Leg, Talker())
	s.talk(time.Second, all[:2]...)
	for _, x := range all[:2] {
		x.take()
	}
	var done []uint64
	clip := play.Tone(2*time.Second, -11.6, 1700) // peak 6000 or so
	c.Play(Play{ID: 5, Clips: []*play.Clip{clip}}, func(id uint64) { done = append(done, id) })
	s.talk(1900*time.Millisecond, all[:2]...)
	all[0].want(t, "announcement to all", all, 500, 1700)
	all[1].want(t, "announcement to all", all, 300, 1700)
	s.talk(time.Second, all[:2]...)
	if fmt.Sprint(done) != "[5]" {
		t.Errorf("done %v", done)
	}
	for _, x := range all[:2] {
		x.take()
	}
	all[0].Play(Play{ID: 6, Clips: []*play.Clip{clip}})
	s.talk(1900*time.Millisecond, all[:2]...)
	all[0].want(t, "announcement to one", all, 1700)
	all[1].want(t, "announcement to another", all, 300)
	s.talk(2*time.Second, all[:2]...)
	all[0].want(t, "after it", all, 500)
	if len(all[0].events) != 2 || all[0].events[1] != (PlayDone{6}) {
		t.Errorf("%v", all[0].events)
	}
	// A loop nobody hears is no work, and goes on for who comes.
	c.Play(Play{ID: 7, Clips: []*play.Clip{clip}, Loop: true}, nil)
	c.Remove(all[0].Leg)
	c.Remove(all[1].Leg)
	s.pass(time.Second)
	if c.slot >= 0 {
		t.Error("ticked for nobody")
	}
	c.Add(all[0].Leg, Listener())
	s.talk(2*time.Second, all[0])
	all[0].want(t, "music", all, 1700)
	c.StopPlay()
	s.talk(2*time.Second, all[0])
	all[0].want(t, "no music", all)
	c.Play(Play{ID: 8}, func(id uint64) { done = append(done, id) })
	c.Play(Play{ID: 9, Loop: true}, func(id uint64) { done = append(done, id) })
	s.pass(time.Second)
	if fmt.Sprint(done) != "[5 9]" {
		t.Errorf("done %v", done)
	}
}

// TestRecordInConference: left is what one says as it came, right is all the rest,
// without whispers.
func TestRecordInConference(t *testing.T) {
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
	all := s.speakers(300, 500, 700, 1100)
	c := s.w.e.NewConference(0)
	for i, x := range all {
		r := Talker()
		if i == 3 {
			r = Whisper(all[0].Leg)
		}
		c.Add(x.Leg, r)
	}
	done := make(chan record.Result, 1)
	rec, err := rw.Open("c.wav", codec.PCMA, func(r record.Result) { done <- r })
	if err != nil {
		t.Fatal(err)
	}
	all[0].Record(rec, record.Left)
	c.Record(all[0].Leg, rec, record.Right)
	s.talk(1500*time.Millisecond, all...)
	c.Record(all[0].Leg, nil, 0)
	all[0].Record(nil, 0)
	s.talk(200*time.Millisecond, all...)
	rec.Close(s.now)
	if r := <-done; r.Fault != "" {
		t.Fatal(r.Fault)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "c.wav"))
	if err != nil {
		t.Fatal(err)
	}
	raw = raw[bytes.Index(raw, []byte("data"))+8:]
	var pcm [2][]int16
	for i := 4000; i < 22000; i++ { // 0.25 s to 1.4 s
		var v [1]int16
		codec.Decode(codec.PCMA, v[:], raw[i:i+1])
		pcm[i%2] = append(pcm[i%2], v[0])
	}
	for ch, want := range [][]bool{{true, false, false, false}, {false, true, true, false}} {
		for i, x := range all {
			if got := level(pcm[ch], x.hz) * meanSquare(pcm[ch]) / 18e6; (got > .8) != want[i] || !want[i] && got > .001 {
				t.Errorf("channel %d has %v Hz at %.3f", ch, x.hz, got)
			}
		}
	}
}

func TestKeysInConference(t *testing.T) {
	s := newScore(t)
	all := s.speakers(300, 500, 700, 900)
	plain := all[1].p
	plain.EventSendPT, plain.EventRecvPT = 0, 0 // hears tones
	all[1].Set(plain)
	c := s.w.e.NewConference(0)
	for i, r := range []Role{Talker(), Talker(), Listener(), Whisper(all[0].Leg)} {
		c.Add(all[i].Leg, r)
	}
	s.pass(100 * time.Millisecond)
	press := func(x *speaker, code uint8) {
		for _, y := range all {
			y.take()
		}
		for i := range 3 {
			x.event(code, uint16(160*(i+1)), i == 2)
		}
		x.ts += 480
		s.pass(400 * time.Millisecond)
	}
	keys := func(x *speaker) (got string) {
		var r dtmf.Receiver
		pcm, packets := x.hear(t)
		for _, p := range packets {
			if p.PT != 101 {
				continue
			}
			e, err := dtmf.ParseEvent(p.payload)
			if err != nil {
				t.Fatal(err)
			}
			ended, n, _ := r.Take(s.now, p.TS, p.Marker, e)
			for _, k := range ended[:n] {
				got += string(k.Key)
			}
		}
		lo, hi := dtmf.Frequencies(5)
		for i := 0; i+480 < len(pcm); i += 160 {
			if level(pcm[i:i+480], lo) > .2 && level(pcm[i:i+480], hi) > .2 {
				return "tone"
			}
		}
		return got
	}
	for who, want := range [][4]string{{"", "tone", "5", "5"}, 2: {"", "", "", ""}, 3: {"5", "", "", ""}} {
		if who == 1 {
			continue // has no events
		}
		press(all[who], 5)
		for i, x := range all {
			if got := keys(x); got != want[i] {
				t.Errorf("%d pressed, %d hears %q, want %q", who, i, got, want[i])
			}
		}
		if n := len(all[who].events); n != 2 || all[who].events[1] != (Digit{'5', 60 * time.Millisecond, false}) {
			t.Errorf("%v", all[who].events)
		}
	}
}

// TestBadLineInConference: one member's line loses 5 %, has 60 ms of jitter and 2 %
// of its packets a frame behind the next; the others hear its tone without a hole
// over 40 ms, on a line of their own without any gap.
func TestBadLineInConference(t *testing.T) {
	s := newScore(t)
	all := s.speakers(400, 600)
	all[1].n = 0
	c := s.w.e.NewConference(0)
	for _, x := range all {
		c.Add(x.Leg, Talker())
	}
	s.run()
	rng := rand.New(rand.NewPCG(4, 2))
	type flying struct {
		at time.Time
		b  []byte
	}
	var line []flying
	for i := range 30 * 50 {
		// The member says; its packet is caught and comes later.
		pcm := make([]int16, media.FrameSamples)
		for j := range pcm {
			pcm[j] = int16(6000 * math.Sin(2*math.Pi*400*float64(i*160+j)/media.ClockRate))
		}
		payload := make([]byte, len(pcm))
		codec.Encode(codec.PCMA, payload, pcm)
		b := all[0].packet(8, payload)
		all[0].ts += media.FrameSamples
		late := time.Duration(rng.IntN(60)) * time.Millisecond
		switch r := rng.Float64(); {
		case r < .05:
			b = nil
		case r < .07:
			late = 80 * time.Millisecond
		}
		if b != nil {
			line = append(line, flying{s.now.Add(late), b})
		}
		for range 4 {
			s.pass(5 * time.Millisecond)
			rest := line[:0]
			for _, f := range line {
				if f.at.After(s.now) {
					rest = append(rest, f)
					continue
				}
				all[0].Receive(nil, f.b, all[0].from, s.now)
			}
			line = rest
		}
	}
	pcm, packets := all[1].hear(t)
	if len(packets) < 1495 {
		t.Errorf("%d packets in 30 s", len(packets))
	}
	run, longest := 0, 0
	for _, v := range pcm[8000*2:] {
		if run++; v > 600 || v < -600 {
			run = 0
		}
		longest = max(longest, run)
	}
	if longest > 320 {
		t.Errorf("a hole of %d samples", longest)
	}
	st := all[0].member.in.Stats()
	if share := float64(st.Concealed) / float64(len(pcm)); share > .09 || st.Resyncs > 0 {
		t.Errorf("%.3f made up, %+v", share, st)
	}
	s.pass(200 * time.Millisecond)
	if s.w.count.late != st.Late || s.w.count.concealed < st.Concealed {
		t.Errorf("counted %+v of %+v", s.w.count, st)
	}
}

// TestConferenceCatchesUp: a worker that stood still sends a few frames, not a
// second's worth, and all goes on in time.
func TestConferenceCatchesUp(t *testing.T) {
	s := newScore(t)
	all := s.speakers(300, 500)
	c := s.w.e.NewConference(0)
	c.Add(all[0].Leg, Talker())
	c.Add(all[1].Leg, Talker())
	s.talk(2*time.Second, all...)
	old := all[0].take()
	last := old[len(old)-1].TS
	start := s.now
	s.now = s.now.Add(time.Second)
	s.w.advance(s.now)
	got := all[0].take()
	if len(got) != maxCatchUp {
		t.Errorf("%d packets", len(got))
	}
	all[1].n += 8000
	all[1].ts += 8000
	all[0].ts += 8000
	s.talk(2*time.Second, all...)
	more := all[0].take()
	wall := int64(media.Samples(s.now.Sub(start)))
	if ticks := int64(more[len(more)-1].TS - last); ticks < wall-480 || ticks > wall+480 {
		t.Errorf("line moved by %d, clock by %d", ticks, wall)
	}
	s.talk(2*time.Second, all...)
	all[0].want(t, "afterwards", all, 500)
}

func TestHoldInConference(t *testing.T) {
	s := newScore(t)
	all := s.speakers(300, 500, 700)
	c := s.w.e.NewConference(0)
	for _, x := range all {
		c.Add(x.Leg, Talker())
	}
	s.talk(time.Second, all...)
	hold := all[0].p
	hold.Send, hold.Recv = false, false
	all[0].Set(hold)
	s.run()
	for _, x := range all {
		x.take()
	}
	s.talk(2*time.Second, all...)
	if got := all[0].take(); len(got) > 0 {
		t.Errorf("%d packets while on hold", len(got))
	}
	all[1].want(t, "one on hold", all, 700)
	hold.Send, hold.Recv = true, true
	all[0].Set(hold)
	all[2].take()
	s.talk(2*time.Second, all...)
	all[2].want(t, "back", all, 300, 500)
	all[0].want(t, "back", all, 500, 700)
}

// TestConferenceFrame: nothing is allocated for a frame, and what many hear alike
// is encoded once for each law.
func TestConferenceFrame(t *testing.T) {
	s := newScore(t)
	c := s.w.e.NewConference(0)
	var hz []float64
	for i := range 12 {
		hz = append(hz, float64(300+100*i))
	}
	all := s.speakers(hz...)
	for i, x := range all {
		x.Leg.rtp = nullConn{}
		r := Listener()
		if i < 2 {
			r = Talker()
		}
		c.Add(x.Leg, r)
	}
	s.talk(time.Second, all...)
	before := s.w.count.encodings
	s.talk(time.Second, all...)
	if n := s.w.count.encodings - before; n != 100 { // two laws
		t.Errorf("%d encodings of the common mix in 50 frames", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		s.now = s.now.Add(media.FrameDuration)
		s.w.advance(s.now)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// BenchmarkConference is a frame of n talkers without the system calls.
func BenchmarkConference(b *testing.B) {
	for _, n := range []int{3, 10, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newScore(b)
			var hz []float64
			for i := range n {
				hz = append(hz, float64(300+20*i))
			}
			all := s.speakers(hz...)
			c := s.w.e.NewConference(0)
			var packets [][]byte
			for _, x := range all {
				x.Leg.rtp = nullConn{}
				c.Add(x.Leg, Talker())
				pcm := make([]int16, 160)
				for i := range pcm {
					pcm[i] = int16(6000 * math.Sin(2*math.Pi*x.hz*float64(i)/media.ClockRate))
				}
				payload := make([]byte, 160)
				codec.Encode(x.p.Law, payload, pcm)
				packets = append(packets, payload)
			}
			s.run()
			ts := uint32(0)
			b.ReportAllocs()
			for b.Loop() {
				ts += 160
				for i, x := range all {
					x.member.in.Put(s.now, x.p.Law, 1, ts, packets[i])
				}
				c.frame(s.now)
				s.now = s.now.Add(20 * time.Millisecond)
			}
		})
	}
}

// FuzzConference: whatever members send and however they are dealt with, nothing
// panics, each line stays whole, and who listens is never heard.
func FuzzConference(f *testing.F) {
	f.Add([]byte{0, 172, 3, 160, 1, 10, 2, 200, 9, 9, 9, 9, 9, 9, 9, 9})
	f.Add([]byte{1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newScore(t)
		all := s.speakers(300, 500, 700)
		c := s.w.e.NewConference(0)
		for _, x := range all {
			c.Add(x.Leg, Talker())
		}
		c.Add(all[2].Leg, Listener())
		s.run()
		for i := 0; len(data) >= 3 && i < 200; i++ {
			op, n, who := data[0]%12, int(data[1]), all[data[2]%2]
			data = data[3:]
			switch op {
			case 0, 1, 2: // raw
				b := make([]byte, min(n, len(data)))
				copy(b, data)
				who.Receive(nil, b, who.from, s.now)
			case 3, 4, 5: // RTP with a header of our own
				who.ts += uint32(n) << (n % 16)
				who.ssrc += uint32(n >> 7)
				who.Receive(nil, who.packet([]uint8{0, 8, 101, 13}[n%4], data[:min(n, len(data))]), who.from, s.now)
			case 6:
				s.now = s.now.Add(time.Duration(n) * 10 * time.Millisecond) // a stall
			case 7:
				c.SetRole(who.Leg, []Role{Talker(), Listener(), Whisper(all[0].Leg), Whisper(nil)}[n%4])
			case 8:
				c.Remove(who.Leg)
			case 9:
				all[0].Bridge(all[1].Leg)
			case 10:
				c.Add(who.Leg, Talker())
			case 11:
				who.Move(uint64(n % 3)) // one worker: parted, else as it was
			}
			all[2].say()
			s.pass(time.Duration(n%5) * 10 * time.Millisecond)
		}
		for i, x := range all {
			var last *heard
			for _, p := range x.take() {
				if p.SSRC != x.line.SSRC() || last != nil && p.PT != 101 && last.PT != 101 && p.Seq == last.Seq {
					t.Fatalf("%d was sent %+v after %+v", i, p.Packet, last)
				}
				last = &p
			}
		}
	})
}

// played is packets as a phone plays them: each where its timestamp says, nothing in
// between.
func played(packets []heard) (pcm []int16) {
	for _, p := range packets {
		if p.PT == 101 {
			continue
		}
		at := int(p.TS - packets[0].TS)
		for len(pcm) < at+len(p.payload) {
			pcm = append(pcm, 0)
		}
		codec.Decode(codec.Law(p.PT), pcm[at:], p.payload)
	}
	return pcm
}

// nothingIn is the longest stretch of pcm that is nothing, in samples.
func nothingIn(pcm []int16) (longest int) {
	run := 0
	for _, v := range pcm {
		if run++; v > 600 || v < -600 {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// TestComingMakesNoHole: two who talk go on hearing each other without a pause while a
// third comes into the conversation, at whatever moment between packets and ticks, by
// either law; who does not come along is parted.
func TestComingMakesNoHole(t *testing.T) {
	for shift := range 20 {
		s := newScore(t)
		s.pass(time.Duration(shift) * 5 * time.Millisecond)
		all := s.speakers(300, 500, 700)
		a, b, x := all[0], all[1], all[2]
		if shift%2 == 1 { // PCMU here, PCMA there
			p := b.p
			p.Law, p.SendPT, p.RecvPT = codec.PCMA, uint8(codec.PCMA), uint8(codec.PCMA)
			b.Set(p)
		}
		c := s.w.e.NewConference(0)
		a.Bridge(b.Leg)
		s.run()
		s.talk(400*time.Millisecond, a, b)
		s.pass(time.Duration(shift/4) * 5 * time.Millisecond) // since the last packets
		c.Add(a.Leg, Talker())
		c.Add(b.Leg, Talker())
		c.Add(x.Leg, Listener())
		s.run()
		s.talk(400*time.Millisecond, a, b)
		for _, y := range []*speaker{a, b} {
			packets := y.take()
			continuous(t, packets)
			if n := nothingIn(played(packets)); n > 5*8 {
				t.Errorf("shift %d: %v Hz was sent nothing for %d samples", shift, y.hz, n)
			}
			if y.peer != nil || y.member.direct {
				t.Errorf("shift %d: %v Hz is still bridged", shift, y.hz)
			}
		}
		if got := x.take(); len(got) < 19 {
			t.Errorf("shift %d: the third was sent %d packets", shift, len(got))
		}
		// Alone into another one: the partner hears nothing of it there.
		a.Bridge(b.Leg)
		s.talk(200*time.Millisecond, a, b)
		c.Add(a.Leg, Talker())
		s.talk(100*time.Millisecond, a, b)
		b.take()
		s.talk(200*time.Millisecond, a, b)
		if got := b.take(); len(got) > 0 || b.peer != nil {
			t.Errorf("shift %d: who was left behind was sent %d packets", shift, len(got))
		}
		// Who comes to listen is not heard from that moment on.
		a.Bridge(b.Leg)
		s.talk(200*time.Millisecond, a, b)
		b.take()
		c.Add(a.Leg, Listener())
		c.Add(b.Leg, Talker())
		s.talk(200*time.Millisecond, a, b)
		b.take()
		s.talk(200*time.Millisecond, a, b)
		if pcm := played(b.take()); level(pcm, a.hz)*meanSquare(pcm) > 1000 {
			t.Errorf("shift %d: a listener is heard", shift)
		}
	}
}

// TestSupervisorComesAndGoes: from the bridge to a conference with one who listens,
// whispers, barges in, and straight back: the lines of the two have no gap over 40 ms
// in packets or sound, the caller never hears the whisper, and nobody the keys that
// change the role.
func TestSupervisorComesAndGoes(t *testing.T) {
	for shift := range 4 { // against the grid of the ticks
		s := newScore(t)
		s.pass(time.Duration(shift) * 5 * time.Millisecond)
		all := s.speakers(300, 500, 700)
		a, b, x := all[0], all[1], all[2]
		c := s.w.e.NewConference(0)
		var lines [2][]heard
		var at [2][]time.Time
		var sound [2][]int16
		boss := func(what string, n int, hears ...bool) {
			from := [2]int{len(sound[0]), len(sound[1])}
			for range n {
				for _, y := range all {
					y.say()
				}
				for range 4 {
					s.pass(5 * time.Millisecond)
					for i, y := range all[:2] {
						pcm, ps := y.hear(t)
						lines[i], sound[i] = append(lines[i], ps...), append(sound[i], pcm...)
						for range ps {
							at[i] = append(at[i], s.now)
						}
					}
				}
			}
			for i, want := range hears {
				pcm := sound[i][from[i]+1600:] // the change has come through
				if got := level(pcm, x.hz) * meanSquare(pcm) / 18e6; want != (got > .5) || !want && got > .001 {
					t.Errorf("shift %d, %s: part %d hears the supervisor at %.4f", shift, what, i, got)
				}
			}
		}
		press := func(code uint8) {
			for i := range 3 {
				x.event(code, uint16(160*(i+1)), i == 2)
			}
			x.ts += 480
		}
		a.Bridge(b.Leg)
		s.run()
		boss("bridge", 50, false, false)
		c.Add(a.Leg, Talker())
		c.Add(b.Leg, Talker())
		c.Add(x.Leg, Listener().WithoutKeys())
		boss("monitor", 50, false, false)
		press(5)
		c.SetRole(x.Leg, Whisper(b.Leg).WithoutKeys())
		boss("whisper", 50, false, true)
		press(6)
		c.SetRole(x.Leg, Talker().WithoutKeys())
		boss("barge", 50, true, true)
		press(4)
		a.Bridge(b.Leg)
		c.Close()
		boss("bridge again", 50, false, false)
		for i := range lines {
			continuous(t, lines[i])
			for j, p := range lines[i] {
				if p.PT == 101 {
					t.Errorf("shift %d: part %d got a key", shift, i)
				}
				if j > 0 && at[i][j].Sub(at[i][j-1]) > 40*time.Millisecond {
					t.Errorf("shift %d: %v without a packet before %d", shift, at[i][j].Sub(at[i][j-1]), j)
				}
			}
			run, longest := 0, 0
			for _, v := range sound[i] {
				if run++; v > 600 || v < -600 {
					run = 0
				}
				longest = max(longest, run)
			}
			if longest > 320 {
				t.Errorf("shift %d: %d samples of silence", shift, longest)
			}
			t.Logf("shift %d: longest silence %d samples", shift, longest)
		}
	}
}
