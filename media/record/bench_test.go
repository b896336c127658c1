//go:build bench

package record

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/media/codec"
)

func init() { killMoments, killCalls = 200, 500 }

// TestCost records 500 calls in real time, files, checksums and all, and tells the
// CPU of the whole process for each call-second, and the memory of each call. The
// target is 0.15 ms and, with all that a call has else, 80 kB.
func TestCost(t *testing.T) {
	const calls, seconds = 500, 20
	for _, f := range []Format{PCM, G711} {
		w, err := NewWriter(Config{Dir: t.TempDir(), FlushEvery: 400 * time.Millisecond, Format: f})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.GC() // pools let go of what they keep at the second
		runtime.ReadMemStats(&before)
		done := make(chan Result, calls)
		recs := make([]*Recording, calls)
		for i := range recs {
			if recs[i], err = w.Open(fmt.Sprintf("c-%d.wav", i), codec.PCMA, func(r Result) { done <- r }); err != nil {
				t.Fatal(err)
			}
		}
		p := frame(1)
		start, cpu := time.Now(), used()
		for i := range seconds * 50 {
			time.Sleep(time.Until(start.Add(time.Duration(i) * 20 * time.Millisecond)))
			now := time.Now()
			for _, r := range recs {
				r.Write(Left, codec.PCMA, now, 1, uint32(i*160), p)
				r.Write(Right, codec.PCMA, now, 2, uint32(i*160), p)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		for _, r := range recs {
			r.Close(time.Now())
		}
		sums := 0
		for range recs {
			if r := <-done; r.Fault != "" {
				t.Errorf("%+v", r)
			} else if r.SHA256 != "" {
				sums++
			}
		}
		each := (used() - cpu).Seconds() * 1000 / (calls * seconds)
		t.Logf("%v: %.3f ms CPU a call-second, %d kB a call, %d of %d checksums at once", f, each,
			(after.HeapInuse-before.HeapInuse)/calls/1024, sums, calls)
		if each > 0.15 {
			t.Errorf("%v: %.3f ms CPU a call-second, want at most 0.15", f, each)
		}
		if err := w.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// used is the CPU time of this process so far.
func used() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
