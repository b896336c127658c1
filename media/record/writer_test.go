package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/media/codec"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("RECORD_CRASH_DIR"); dir != "" {
		crashChild(dir)
	}
	goleak.VerifyTestMain(m)
}

func startWriter(t *testing.T, cfg Config) *Writer {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	w, err := NewWriter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Stop(context.Background()) })
	return w
}

// In virtual time, with real files: at every 100 ms the file is correct and
// never more than half a second and a turn behind.
func TestFlushedInTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := startWriter(t, Config{Dir: dir})
		results := make(chan Result, 20)
		var recs []*Recording
		for i := range 20 { // more than there are turns and threads
			r, err := w.Open(fmt.Sprintf("default/call-%d.wav", i), codec.PCMA, func(r Result) { results <- r })
			if err != nil {
				t.Fatal(err)
			}
			recs = append(recs, r)
		}
		for i := range 250 {
			for _, r := range recs {
				r.Write(Left, codec.PCMA, time.Now(), 1, uint32(i*160), frame(1))
				r.Write(Right, codec.PCMA, time.Now(), 2, uint32(i*160), frame(2))
			}
			time.Sleep(20 * time.Millisecond)
			if i%5 != 0 {
				continue
			}
			synctest.Wait()
			for _, r := range recs {
				b, err := os.ReadFile(filepath.Join(dir, r.Name()))
				if err != nil {
					t.Fatal(err)
				}
				f, err := readStrict(b)
				if err != nil {
					t.Fatal(err)
				}
				if behind := (i+1)*160 - f.n; behind > 4000+160+blockBytes/4 {
					t.Fatalf("after %d ms the file lacks %d ms", (i+1)*20, behind/8)
				}
			}
		}
		if got := testutil.ToFloat64(w.m.active); got != 20 {
			t.Errorf("%v active", got)
		}
		for _, r := range recs {
			r.Close(time.Now())
		}
		for range recs {
			res := <-results
			b, err := os.ReadFile(filepath.Join(dir, res.Name))
			sum := sha256.Sum256(b)
			if err != nil || res.Fault != "" || res.Duration != 5*time.Second || res.SizeBytes != int64(len(b)) || res.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%+v, file %d, %v", res, len(b), err)
			}
		}
		if got := testutil.ToFloat64(w.m.active); got != 0 {
			t.Errorf("%v active at the end", got)
		}
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	info, err := os.Stat(filepath.Join(dir, "default/call-3.wav"))
	if err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("file mode %v, %v", info.Mode(), err)
	}
	if info, _ := os.Stat(filepath.Join(dir, "default")); info.Mode().Perm()&^0o750 != 0 {
		t.Errorf("folder mode %v", info.Mode())
	}
}

func TestOpenFaults(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(dir string)
		fault   string
	}{
		{"folder removed", func(dir string) { os.RemoveAll(dir) }, FaultOpen},
		{"a file is where the folder should be", func(dir string) { os.WriteFile(filepath.Join(dir, "default"), nil, 0o600) }, FaultOpen},
		{"the name is taken", func(dir string) {
			os.Mkdir(filepath.Join(dir, "default"), 0o700)
			os.WriteFile(filepath.Join(dir, "default/x.wav"), []byte("keep me"), 0o600)
		}, FaultOpen},
		{"a link leads out", func(dir string) {
			os.Mkdir(dir+"-elsewhere", 0o700)
			os.Symlink(dir+"-elsewhere", filepath.Join(dir, "default"))
		}, FaultOpen},
		{"all is well", func(string) {}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "recordings")
			reg := prometheus.NewPedanticRegistry()
			w := startWriter(t, Config{Dir: dir, Registerer: reg})
			tt.prepare(dir)
			done := make(chan Result, 1)
			r, err := w.Open("default/x.wav", codec.PCMU, func(r Result) { done <- r })
			if err != nil {
				t.Fatalf("%v; the call must go on", err)
			}
			r.Write(Left, codec.PCMU, time.Now(), 1, 0, frame(1))
			r.Close(time.Now())
			res := <-done
			if res.Fault != tt.fault || (tt.fault != "" && (res.SizeBytes != 0 || res.SHA256 != "")) {
				t.Errorf("%+v", res)
			}
			if tt.fault != "" && testutil.ToFloat64(w.m.errors.WithLabelValues(tt.fault)) != 1 {
				t.Error("not counted")
			}
			if left, _ := os.ReadDir(dir + "-elsewhere"); len(left) != 0 {
				t.Error("wrote outside of the folder")
			}
			if b, err := os.ReadFile(filepath.Join(dir, "default/x.wav")); tt.name == "the name is taken" && string(b) != "keep me" {
				t.Errorf("overwrote a file: %q %v", b, err)
			}
			// Once the folder is right again the next recording works.
			os.RemoveAll(dir)
			os.Mkdir(dir, 0o700)
			r, _ = w.Open("default/y.wav", codec.PCMU, func(r Result) { done <- r })
			r.Write(Left, codec.PCMU, time.Now(), 1, 0, frame(1))
			r.Close(time.Now())
			if res := <-done; res.Fault != "" || res.SizeBytes < headerBytes+320 {
				t.Errorf("after the repair: %+v", res)
			}
		})
	}
}

func TestRemovedWhileWritten(t *testing.T) {
	w := startWriter(t, Config{FlushEvery: 20 * time.Millisecond})
	done := make(chan Result, 1)
	r, _ := w.Open("x/y.wav", codec.PCMU, func(r Result) { done <- r })
	for _, err := os.Stat(w.path("x/y.wav")); err != nil; _, err = os.Stat(w.path("x/y.wav")) {
		runtime.Gosched()
	}
	os.RemoveAll(filepath.Join(w.cfg.Dir, "x"))
	r.Write(Left, codec.PCMU, time.Now(), 1, 0, frame(1))
	r.Close(time.Now())
	if res := <-done; res.Fault != FaultRemoved {
		t.Errorf("%+v", res)
	}
}

func TestStop(t *testing.T) {
	w := startWriter(t, Config{Threads: 3})
	done := make(chan Result, 10)
	var recs []*Recording
	for i := range 10 {
		r, err := w.Open(fmt.Sprintf("x-%d.wav", i), codec.PCMU, func(r Result) { done <- r })
		if err != nil {
			t.Fatal(err)
		}
		r.Write(Right, codec.PCMU, time.Now(), 1, 0, frame(1))
		recs = append(recs, r)
	}
	for _, r := range recs[:5] {
		r.Close(time.Now())
	}
	for range 2 {
		if err := w.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	stopped := 0
	for range 10 {
		res := <-done // all were told before Stop returned
		if res.Fault == FaultStopped {
			stopped++
		} else if res.Fault != "" {
			t.Errorf("%+v", res)
		}
		b, err := os.ReadFile(filepath.Join(w.cfg.Dir, res.Name))
		if err != nil {
			t.Fatal(err)
		}
		if f, err := readStrict(b); err != nil || f.n < 160 || !bytes.Contains(f.split(codec.PCMU).sides[Right], frame(1)) {
			t.Errorf("%s: %d samples, %v", res.Name, f.n, err)
		}
	}
	if stopped != 5 {
		t.Errorf("%d recordings stopped, want 5", stopped)
	}
	recs[9].Write(Left, codec.PCMU, time.Now(), 1, 160, frame(1))
	recs[9].Close(time.Now())
	if _, err := w.Open("z.wav", codec.PCMU, nil); !errors.Is(err, ErrStopped) {
		t.Errorf("open after stop: %v", err)
	}
	select {
	case r := <-done:
		t.Errorf("told twice: %+v", r)
	default:
	}
}

// A disk that hangs for ever must not hang Stop, Write or Close.
func TestStopBounded(t *testing.T) {
	w := startWriter(t, Config{Threads: 1, FlushEvery: 20 * time.Millisecond})
	hang, entered := make(chan struct{}), make(chan struct{})
	w.open = func(string) (file, error) { close(entered); <-hang; return nil, errors.New("gone") }
	r, err := w.Open("x.wav", codec.PCMU, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	for i := range 500 {
		r.Write(Left, codec.PCMU, time.Now().Add(time.Duration(i)*20*time.Millisecond), 1, uint32(i*160), frame(1))
	}
	r.Close(time.Now())
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := w.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(hang)
	if err := w.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestConfigAndStart(t *testing.T) {
	for _, cfg := range []Config{{}, {Dir: "x", Threads: -1}, {Dir: "x", FlushEvery: time.Second}, {Dir: "x", FlushEvery: 1}} {
		if _, err := NewWriter(cfg); err == nil {
			t.Errorf("%+v taken", cfg)
		}
	}
	w, err := NewWriter(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Open("a.wav", codec.PCMU, nil); !errors.Is(err, ErrStopped) {
		t.Errorf("open before start: %v", err)
	}
	if err := w.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	taken := filepath.Join(t.TempDir(), "file")
	os.WriteFile(taken, nil, 0o600)
	w, _ = NewWriter(Config{Dir: filepath.Join(taken, "sub")})
	if err := w.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "recordings folder") {
		t.Errorf("%v", err)
	}
}

func TestMetricsAtZero(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	w := startWriter(t, Config{Registerer: reg})
	n, err := testutil.GatherAndCount(reg, "centrala_recording_errors_total", "centrala_recordings_active",
		"centrala_recording_written_bytes_total", "centrala_storage_free_bytes", "centrala_recording_packets_dropped_total",
		"centrala_storage_left_seconds", "centrala_storage_low")
	if err != nil || n != len(faults)+6 {
		t.Errorf("%d series, %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if testutil.ToFloat64(w.m.free) <= 0 {
		t.Error("free space not measured")
	}
}

// One call-second: two streams of 50 packets and the flushes of real files, as the
// node file has them by default, every 400 ms.
func BenchmarkCallSecond(b *testing.B) {
	for _, f := range []Format{PCM, G711} {
		b.Run(f.String(), func(b *testing.B) {
			w, err := NewWriter(Config{Dir: b.TempDir(), Threads: 1, Format: f})
			if err != nil {
				b.Fatal(err)
			}
			w.toHash = nil
			sh := w.shards[0]
			sh.up = true
			r, err := w.Open("x.wav", codec.PCMA, nil)
			if err != nil {
				b.Fatal(err)
			}
			sh.service(true)
			p, ts, now := frame(1), uint32(0), r.start
			b.ReportAllocs()
			var before, after unix.Rusage // a busy machine does not count
			unix.Getrusage(unix.RUSAGE_SELF, &before)
			for b.Loop() {
				for i := range 50 {
					r.Write(Left, codec.PCMA, now, 1, ts, p)
					r.Write(Right, codec.PCMA, now, 2, ts, p)
					ts += 160
					now = now.Add(20 * time.Millisecond)
					if i%20 == 19 {
						sh.flush(r, false)
					}
				}
			}
			unix.Getrusage(unix.RUSAGE_SELF, &after)
			cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(cpu)/1000/float64(b.N), "cpu-µs/op")
			r.Close(now)
			sh.service(true)
		})
	}
}
