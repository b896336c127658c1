package record

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/centrala/centrala/media/codec"
)

func TestCheckName(t *testing.T) {
	good := []string{"a.wav", "default/2026/11/23/01j-4_k.wav", strings.Repeat("a", 200)}
	bad := []string{"", "/etc/passwd", "../x.wav", "a/../b", "a/..", ".", "..", "a//b", "a/", ".hidden", "a/.b",
		"A.wav", "a b", "a\x00b", "a\\b", "ă.wav", "a\nb", "c:x", strings.Repeat("a", 201)}
	for _, n := range good {
		if err := CheckName(n); err != nil {
			t.Errorf("%q: %v", n, err)
		}
	}
	w, _ := NewWriter(Config{Dir: t.TempDir()})
	for _, n := range bad {
		if _, err := w.Open(n, codec.PCMU, nil); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v, want ErrName", n, err)
		}
	}
}

// Both sides, with every thing a network does to packets; after every single
// write to the disk a strict reader must be content.
func TestHeaderTrueAfterEveryWrite(t *testing.T) { inBoth(t, headerTrueAfterEveryWrite) }

func headerTrueAfterEveryWrite(t *testing.T) {
	writes := 0
	d := &disk{after: func(b []byte) {
		writes++
		if _, err := readStrict(b); err != nil {
			t.Fatalf("after write %d: %v", writes, err)
		}
	}}
	b := newBench(t, codec.PCMA, d)
	rng := rand.New(rand.NewPCG(1, 2))
	const frames = 1500 // 30 s
	want := [2][]byte{}
	type packet struct {
		ms float64
		ts uint32
		p  []byte
	}
	var due [2][]packet
	for ch := range 2 {
		want[ch] = bytes.Repeat([]byte{codec.Silence(codec.PCMA)}, frames*160)
		ts := uint32(0xFFFFF000) // wraps soon
		for i := range frames {
			p := make([]byte, 160)
			for j := range p {
				p[j] = byte(rng.Uint32())
			}
			lost := i > 0 && rng.Float64() < 0.05
			if !lost {
				copy(want[ch][i*160:], p)
				jitter := 0.0
				if i > 0 {
					jitter = rng.Float64() * 70 // several packets' worth: reorders
				}
				due[ch] = append(due[ch], packet{float64(i)*20 + jitter, ts, p})
			}
			ts += 160
		}
	}
	for ms := 0.0; ms < frames*20+100; ms++ {
		for ch := range due {
			for k := 0; k < len(due[ch]); {
				if q := due[ch][k]; q.ms < ms+1 {
					b.r.Write(Channel(ch), codec.PCMA, b.at(q.ms), uint32(7+ch), q.ts, q.p)
					due[ch] = append(due[ch][:k], due[ch][k+1:]...)
				} else if q.ms > ms+200 {
					break
				} else {
					k++
				}
			}
		}
		if int(ms)%125 == 0 {
			b.sh.flush(b.r, false)
		}
	}
	w, res := b.close(frames * 20)
	if res.Fault != "" || w.n != frames*160 || res.Duration != 30*time.Second || res.SizeBytes != int64(len(d.b)) {
		t.Fatalf("%d samples, result %+v, file %d", w.n, res, len(d.b))
	}
	for ch := range want {
		if !bytes.Equal(w.sides[ch], want[ch]) {
			for i := range want[ch] {
				if w.sides[ch][i] != want[ch][i] {
					t.Fatalf("channel %d differs first at sample %d (packet %d)", ch, i, i/160)
				}
			}
		}
	}
	if writes < 230 { // two for each block, more for packets that were late
		t.Errorf("%d writes; the header was not kept up", writes)
	}
}

func TestPlacement(t *testing.T) { inBoth(t, placement) }

func placement(t *testing.T) {
	const s = 0xFF // silence, µ-law
	type pkt struct {
		ms   float64
		ssrc uint32
		ts   uint32
		v    byte
	}
	run := func(n int, v byte) []byte { return bytes.Repeat([]byte{v}, n) }
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	tests := []struct {
		name  string
		pkts  []pkt
		end   float64
		want  []byte
		drops int
	}{
		{"starts where it arrives", []pkt{{100, 1, 5, 1}}, 120, cat(run(800, s), run(160, 1)), 0},
		{"gap is silence of the same length", []pkt{{0, 1, 0, 1}, {61, 1, 480, 2}}, 80, cat(run(160, 1), run(320, s), run(160, 2)), 0},
		{"timestamp wraps within the gap", []pkt{{0, 1, 0xFFFFFFF0, 1}, {40, 1, 0x130, 2}}, 60, cat(run(160, 1), run(160, s), run(160, 2)), 0},
		{"reordered", []pkt{{0, 1, 0, 1}, {41, 1, 320, 3}, {42, 1, 160, 2}}, 60, cat(run(160, 1), run(160, 2), run(160, 3)), 0},
		{"doubled", []pkt{{0, 1, 0, 1}, {1, 1, 0, 1}, {20, 1, 160, 2}}, 40, cat(run(160, 1), run(160, 2)), 0},
		{"before the beginning", []pkt{{0, 1, 160, 2}, {1, 1, 0, 1}}, 20, run(160, 2), 1},
		{"new source is laid where it arrives", []pkt{{0, 1, 0, 1}, {100, 9, 77777, 2}}, 120, cat(run(160, 1), run(640, s), run(160, 2)), 0},
		{"new source does not cut the old one's last packet", []pkt{{0, 1, 0, 1}, {15, 9, 7, 2}}, 40, cat(run(160, 1), run(160, 2)), 0},
		{"silence suppression: timestamp and time go on", []pkt{{0, 1, 0, 1}, {3000, 1, 24000, 2}}, 3020, cat(run(160, 1), run(23840, s), run(160, 2)), 0},
		{"paused without advancing the timestamp", []pkt{{0, 1, 0, 1}, {3000, 1, 160, 2}, {3020, 1, 320, 3}}, 3040,
			cat(run(160, 1), run(23840, s), run(160, 2), run(160, 3)), 0},
		{"new time line in the same source", []pkt{{0, 1, 0, 1}, {20, 1, 1e9, 2}, {40, 1, 1e9 + 160, 3}, {60, 1, 1e9 + 320, 4}}, 80,
			cat(run(160, 1), run(160, s), run(160, 3), run(160, 4)), 1},
		{"one stray changes nothing", []pkt{{0, 1, 0, 1}, {20, 1, 1e9, 9}, {21, 1, 160, 2}, {41, 1, 320, 3}}, 60,
			cat(run(160, 1), run(160, 2), run(160, 3)), 1},
		{"burst after a stall lands on time", []pkt{{0, 1, 0, 1}, {500, 1, 160, 2}, {500, 1, 320, 3}, {500, 1, 480, 4}}, 500,
			cat(run(160, 1), run(160, 2), run(160, 3), run(160, 4), run(4000-640, s)), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, codec.PCMU, &disk{})
			for i, p := range tt.pkts {
				if i > 0 && p.ms-tt.pkts[i-1].ms > 1000 {
					b.sh.flush(b.r, false)
					b.sh.flush(b.r, false)
				}
				b.r.Write(Right, codec.PCMU, b.at(p.ms), p.ssrc, p.ts, frame(p.v))
			}
			w, res := b.close(tt.end)
			if !bytes.Equal(w.sides[Right], tt.want) {
				t.Errorf("right: %v\nwant   %v", runs(w.sides[Right]), runs(tt.want))
			}
			if !bytes.Equal(w.sides[Left], run(len(tt.want), s)) {
				t.Errorf("left is not silent: %v", runs(w.sides[Left]))
			}
			if res.Fault != "" {
				t.Errorf("fault %q", res.Fault)
			}
			if got := counter(t, b.w.m.misplaced); got != tt.drops {
				t.Errorf("%d packets dropped, want %d", got, tt.drops)
			}
		})
	}
}

// A packet 0.9 s late is already on disk as silence; it must still come to its place.
func TestLatePacketRewritesTheFile(t *testing.T) { inBoth(t, latePacketRewritesTheFile) }

func latePacketRewritesTheFile(t *testing.T) {
	b := newBench(t, codec.PCMU, &disk{})
	for i := range 75 {
		if i != 10 {
			b.r.Write(Left, codec.PCMU, b.at(float64(i)*20), 1, uint32(i*160), frame(1))
		}
		if i == 54 {
			b.r.Write(Left, codec.PCMU, b.at(1100), 1, 10*160, frame(2))
		}
		b.sh.flush(b.r, false)
	}
	w, _ := b.close(1500)
	want := append(append(bytes.Repeat([]byte{1}, 1600), frame(2)...), bytes.Repeat([]byte{1}, 64*160)...)
	if !bytes.Equal(w.sides[Left], want) {
		t.Errorf("got %v", runs(w.sides[Left]))
	}
}

func TestOtherLawIsTranscoded(t *testing.T) { inBoth(t, otherLawIsTranscoded) }

func otherLawIsTranscoded(t *testing.T) {
	b := newBench(t, codec.PCMA, &disk{})
	p := make([]byte, 256)
	for i := range p {
		p[i] = byte(i)
	}
	b.r.Write(Left, codec.PCMU, b.at(0), 1, 0, p)
	b.r.Write(Right, codec.PCMA, b.at(0), 1, 0, p)
	w, _ := b.close(32)
	want := make([]byte, 256)
	codec.Transcode(want, p, codec.PCMU, codec.PCMA)
	if format == PCM {
		// Each side is kept in its own law: exact.
		for i := range p {
			if got, exact := w.sample(0, i), codec.Table(codec.PCMU)[p[i]]; got != exact {
				t.Fatalf("octet %#x of µ-law became %d, want %d", p[i], got, exact)
			}
		}
		return
	}
	if w.law != codec.PCMA || !bytes.Equal(w.sides[Left], want) || !bytes.Equal(w.sides[Right], p) {
		t.Errorf("law %v\nleft % x", w.law, w.sides[Left])
	}
}

// Ten minutes in which nobody sends are silence in the file, and memory stays.
func TestLongGap(t *testing.T) { inBoth(t, longGap) }

func longGap(t *testing.T) {
	b := newBench(t, codec.PCMA, &disk{})
	b.r.Write(Left, codec.PCMA, b.at(0), 1, 0, frame(1))
	b.sh.flush(b.r, false)
	b.sh.flush(b.r, false) // nobody sends: also what fills no block
	b.r.Write(Right, codec.PCMA, b.at(600_000), 2, 99, frame(2))
	w, res := b.close(600_020)
	s := bytes.Repeat([]byte{0xD5}, 600*8000)
	if res.Fault != "" || w.n != 600*8000+160 ||
		!bytes.Equal(w.sides[Left][160:], s) || !bytes.Equal(w.sides[Right][:600*8000], s) || w.sides[Right][600*8000] != 2 {
		t.Errorf("%d samples, fault %q", w.n, res.Fault)
	}
}

// The disk stands still for five seconds: packets are taken all the time, the
// lost second is silence of the same length, and the result says so.
func TestOverrun(t *testing.T) { inBoth(t, overrun) }

func overrun(t *testing.T) {
	b := newBench(t, codec.PCMU, &disk{})
	for i := range 250 {
		b.r.Write(Left, codec.PCMU, b.at(float64(i)*20), 1, uint32(i*160), frame(1))
	}
	w, res := b.close(5000)
	if res.Fault != FaultOverrun || w.n != 40000 {
		t.Fatalf("fault %q, %d samples", res.Fault, w.n)
	}
	lost := bytes.Count(w.sides[Left], []byte{0xFF})
	if lost != 40000-maxRing || w.sides[Left][lost] != 1 {
		t.Errorf("%d samples lost, want %d", lost, 40000-maxRing)
	}
}

func TestDiskFull(t *testing.T) { inBoth(t, diskFull) }

func diskFull(t *testing.T) {
	for _, limit := range []int{1, headerBytes - 1, headerBytes, headerBytes + 1, 20000, 20001, 30002} {
		d := &disk{limit: limit}
		b := newBench(t, codec.PCMU, d)
		for i := range 250 {
			b.r.Write(Left, codec.PCMU, b.at(float64(i)*20), 1, uint32(i*160), frame(1))
			if i%25 == 24 {
				b.sh.flush(b.r, false)
				b.sh.report(b.r)
			}
		}
		b.r.Close(b.at(5000))
		b.sh.service(true)
		if len(b.res) != 1 || b.res[0].Fault != FaultFull {
			t.Fatalf("limit %d: results %+v", limit, b.res)
		}
		if got := counter(t, b.w.m.errors.WithLabelValues(FaultFull)); got != 1 {
			t.Errorf("limit %d: %d faults counted, want 1", limit, got)
		}
		if b.r.buf != nil {
			t.Error("a broken recording keeps its ring")
		}
		if limit < headerBytes {
			continue
		}
		w, err := readStrict(d.b)
		if err != nil {
			t.Errorf("limit %d: %v", limit, err)
		}
		w = w.split(codec.PCMU)
		if want := (limit - headerBytes) / int(format.frameBytes()); w.n != want || bytes.Count(w.sides[Left], []byte{1}) != want {
			t.Errorf("limit %d: %d samples kept, want all %d that fitted", limit, w.n, want)
		}
	}
}

func TestWriteError(t *testing.T) { inBoth(t, writeError) }

func writeError(t *testing.T) {
	d := &disk{}
	b := newBench(t, codec.PCMU, d)
	b.r.Write(Left, codec.PCMU, b.at(0), 1, 0, frame(1))
	b.sh.flush(b.r, false)
	b.sh.flush(b.r, false)
	d.fail = syscall.EIO
	b.r.Write(Left, codec.PCMU, b.at(20), 1, 160, frame(1))
	b.sh.flush(b.r, false)
	b.sh.flush(b.r, false)
	d.fail = nil // healed, but the sound in between is gone: nothing more is written
	b.r.Write(Left, codec.PCMU, b.at(40), 1, 320, frame(1))
	w, res := b.close(60)
	if res.Fault != FaultWrite || w.n != 160 {
		t.Errorf("fault %q, %d samples", res.Fault, w.n)
	}
}

func TestTooLong(t *testing.T) {
	b := newBench(t, codec.PCMU, &disk{})
	b.r.head, b.r.written = maxSamples-160, maxSamples-160
	end := float64(maxSamples-160) / 8
	b.r.Write(Left, codec.PCMU, b.at(end), 1, 0, frame(1))
	if b.r.fault != "" || b.r.head != maxSamples {
		t.Fatalf("fault %q at %d", b.r.fault, b.r.head)
	}
	b.r.Write(Left, codec.PCMU, b.at(end+20), 1, 160, frame(1))
	if b.r.fault != FaultTooLong || b.r.head != maxSamples {
		t.Errorf("fault %q at %d", b.r.fault, b.r.head)
	}
	h := appendHeader(nil, PCM, codec.PCMU, maxSamples, nil)
	if got := int64(h[4]) | int64(h[5])<<8 | int64(h[6])<<16 | int64(h[7])<<24; got != headerBytes-8+4*maxSamples || got >= 1<<31 {
		t.Errorf("RIFF size %d does not fit", got)
	}
}

func TestMisuse(t *testing.T) { inBoth(t, misuse) }

func misuse(t *testing.T) {
	b := newBench(t, codec.PCMU, &disk{})
	b.r.Write(Left, codec.PCMU, b.at(-50), 1, 0, frame(1)) // a clock read before Open
	b.r.Write(2, codec.PCMU, b.at(0), 1, 0, frame(9))
	b.r.Write(Right, codec.PCMU, b.at(0), 1, 0, nil)
	b.r.Write(Right, codec.PCMU, b.at(0), 1, 0, make([]byte, maxPayload+1))
	b.r.Close(b.at(20))
	b.r.Close(b.at(4000))
	b.r.Write(Left, codec.PCMU, b.at(20), 1, 160, frame(9))
	w, res := b.close(6000)
	if w.n != 160 || !bytes.Equal(w.sides[Left], frame(1)) || res.Fault != "" {
		t.Errorf("%d samples, %v, fault %q", w.n, runs(w.sides[Left]), res.Fault)
	}
}

func TestBounds(t *testing.T) { inBoth(t, bounds) }

func bounds(t *testing.T) {
	if size := unsafe.Sizeof(Recording{}) + 2*ringSamples; size > 20_000 {
		t.Errorf("a recording takes %d bytes", size)
	}
	b := newBench(t, codec.PCMU, &disk{b: make([]byte, 0, 1<<22)})
	p, ts, now := frame(1), uint32(0), b.t0
	b.r.Write(Right, codec.PCMU, now, 1, ts, p)
	for _, law := range []codec.Law{codec.PCMU, codec.PCMA} {
		n := testing.AllocsPerRun(1000, func() {
			b.r.Write(Left, law, now, 1, ts, p)
			b.r.Write(Right, law, now, 1, ts, p)
			if ts%4000 == 0 {
				b.sh.flush(b.r, false)
			}
			ts += 160
			now = now.Add(20 * time.Millisecond)
		})
		if n != 0 {
			t.Errorf("%v: %v allocations a packet pair", law, n)
		}
	}
}
