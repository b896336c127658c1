package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
)

// FuzzWrite lets a hostile peer choose packets and the disk choose moments. Laws:
// after every write to the disk the file is correct; the recording never runs
// more than a second and a packet ahead of the clock, whatever the timestamps
// say; the end is exact.
func FuzzWrite(f *testing.F) {
	f.Add([]byte("\x00\x14\x01\x00\xa0\xa0" + "\x01\x14\x02\xff\xff\xa0" + "\x82\xff\x01\x00\x00\x01"))
	f.Add(bytes.Repeat([]byte{0, 1, 1, 0x7f, 0xff, 0xff, 0x40, 1, 2, 0x80, 0, 0xff}, 20)) // two sources in turns
	f.Add(bytes.Repeat([]byte{0x80, 255, 0, 0, 0, 160, 0, 20, 0, 0, 160, 160}, 20))       // pauses
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 6*400 {
			return
		}
		var now time.Duration
		d := &disk{after: func(b []byte) {
			if _, err := readStrict(b); err != nil {
				t.Fatal(err)
			}
		}}
		b := newBench(t, codec.PCMA, d)
		ts := uint32(0xFFFFFF00)
		for ; len(ops) >= 6; ops = ops[6:] {
			dt := time.Duration(ops[1]) * time.Millisecond
			if ops[0]&0x80 != 0 {
				dt *= 10
			}
			now += dt
			law := codec.PCMA
			if ops[0]&2 != 0 {
				law = codec.PCMU
			}
			ts += uint32(int32(int16(binary.BigEndian.Uint16(ops[3:]))))
			b.r.Write(Channel(ops[0]&1), law, b.t0.Add(now), uint32(ops[2]&3), ts, frame(1)[:min(160, int(ops[5]))])
			if ahead := b.r.head - b.r.elapsed(b.t0.Add(now)); ahead > jumpSamples+maxPayload {
				t.Fatalf("%d samples ahead of the clock", ahead)
			}
			if ops[0]&0x40 != 0 {
				b.sh.flush(b.r, false)
			}
		}
		head := max(b.r.head, b.r.elapsed(b.t0.Add(now)))
		w, res := b.close(float64(now) / float64(time.Millisecond))
		if int64(w.n) != head || res.Duration != time.Duration(head)*time.Second/8000 {
			t.Fatalf("%d samples and %v, want %d", w.n, res.Duration, head)
		}
		if res.Fault != "" && res.Fault != FaultOverrun {
			t.Fatalf("fault %q", res.Fault)
		}
	})
}

// An ordinary player opens the file while it grows and afterwards, and hears the
// caller left and the agent right.
func TestPlayers(t *testing.T) {
	sox, err := exec.LookPath("sox")
	if err != nil {
		t.Skip("sox is not installed")
	}
	left := play.Tone(2*time.Second, -10, 600)
	right := play.Tone(2*time.Second, -20, 1400)
	for _, law := range []codec.Law{codec.PCMU, codec.PCMA} {
		w, err := NewWriter(Config{Dir: t.TempDir(), Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		w.toHash = nil
		sh, results := w.shards[0], []Result(nil)
		sh.up = true
		r, err := w.Open(strings.ToLower(law.String())+".wav", law, func(r Result) { results = append(results, r) })
		if err != nil {
			t.Fatal(err)
		}
		sh.service(true)
		path := w.path(r.Name())
		for i := range 100 {
			now := r.start.Add(time.Duration(i) * 20 * time.Millisecond)
			at := i * 160
			r.Write(Left, law, now, 1, uint32(at), left.Frames(law)[at:at+160])
			// The right side talks the other law.
			other := codec.PCMU + codec.PCMA - law
			r.Write(Right, other, now, 2, uint32(at), right.Frames(other)[at:at+160])
			if i == 50 {
				sh.flush(r, false)
				if out, err := exec.Command(sox, path, "-n", "stat").CombinedOutput(); err != nil || strings.Contains(string(out), "WARN") {
					t.Errorf("while it grows: %v\n%s", err, out)
				}
			}
		}
		r.Close(r.start.Add(2 * time.Second))
		sh.service(true)
		if len(results) != 1 || results[0].Fault != "" || results[0].Duration != 2*time.Second {
			t.Fatalf("%+v", results)
		}
		for ch, want := range map[int]struct{ hz, peak float64 }{1: {600, 0.22}, 2: {1400, 0.07}} {
			out, err := exec.Command(sox, path, "-n", "remix", fmt.Sprint(ch), "stat").CombinedOutput()
			if err != nil || strings.Contains(string(out), "WARN") {
				t.Fatalf("%v\n%s", err, out)
			}
			got := map[string]float64{}
			for line := range strings.Lines(string(out)) {
				if key, val, ok := strings.Cut(line, ":"); ok {
					var v float64
					fmt.Sscan(val, &v)
					got[strings.Join(strings.Fields(key), " ")] = v
				}
			}
			// sox tells the frequency from the differences of neighbours, which is
			// too low by this.
			seen := 8000 / math.Pi * math.Sin(math.Pi*want.hz/8000)
			if hz := got["Rough frequency"]; hz < seen*0.98 || hz > seen*1.02 {
				t.Errorf("%v channel %d: %v Hz, want %v", law, ch, hz, seen)
			}
			if p := got["Maximum amplitude"]; p < want.peak*0.9 || p > want.peak*1.1 {
				t.Errorf("%v channel %d: peak %v, want %v", law, ch, p, want.peak)
			}
			if s := got["Length (seconds)"]; s != 2 {
				t.Errorf("%v channel %d: %v s", law, ch, s)
			}
		}
	}
}
