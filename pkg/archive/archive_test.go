package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// index is an index and journal in memory, as pkg/store keeps them.
type index struct {
	mu     sync.Mutex
	jobs   []Job
	stored []event.RecordingStored
	synced int
	fail   error // of the journal
}

func (x *index) Work(_ context.Context, limit int) ([]Job, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.jobs[:min(limit, len(x.jobs))]), nil
}

func (x *index) Done(_ context.Context, tenant, id string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.jobs = slices.DeleteFunc(x.jobs, func(j Job) bool { return j.Tenant == tenant && j.ID == id })
	return nil
}

func (x *index) Append(e event.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fail != nil {
		return
	}
	b := e.Body.(event.RecordingStored)
	x.stored = append(x.stored, b)
	for i := range x.jobs {
		if x.jobs[i].ID == b.Recording && x.jobs[i].Tenant == e.Tenant {
			x.jobs[i].Path, x.jobs[i].SHA256 = b.Path, b.SHA256
		}
	}
}

func (x *index) Sync() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.synced = len(x.stored)
	return x.fail
}

// recorded lets the recorder itself make a file of some seconds.
func recorded(t *testing.T, dir, name string, seconds int) {
	t.Helper()
	w, err := record.NewWriter(record.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan record.Result, 1)
	now := time.Now()
	r, err := w.Open(name, codec.PCMA, func(r record.Result) { done <- r })
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 160)
	for i := range seconds * 50 {
		for j := range p {
			p[j] = byte(i*7 + j*j)
		}
		r.Write(record.Left, codec.PCMA, now.Add(time.Duration(i)*20*time.Millisecond), 1, uint32(i*160), p)
	}
	r.Close(now.Add(time.Duration(seconds) * time.Second))
	if res := <-done; res.Duration != time.Duration(seconds)*time.Second {
		t.Fatalf("%+v", res)
	}
	if err := w.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			out = append(out, rel)
		}
		return nil
	})
	return out
}

func newArchive(t *testing.T, dir, convert string, x *index) *Archive {
	t.Helper()
	a, err := New(Config{Dir: dir, Convert: convert, Index: x, Journal: x, Registerer: prometheus.NewPedanticRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	a.breath.idle = func() (uint64, uint64, bool) { return 0, 0, false }
	return a
}

// All that can lie there: a good file, one of a killed process, one that is gone,
// one that is no recording, one whose conversion was already written down when
// the process died, and a half-written successor.
func TestKeep(t *testing.T) {
	for _, convert := range []string{"none", "flac", "opus"} {
		t.Run(convert, func(t *testing.T) {
			dir := t.TempDir()
			recorded(t, dir, "default/a.wav", 3)
			recorded(t, dir, "default/killed.wav", 1)
			f, _ := os.OpenFile(filepath.Join(dir, "default/killed.wav"), os.O_APPEND|os.O_WRONLY, 0)
			f.WriteString("what the header did not promise yet")
			f.Close()
			recorded(t, dir, "other/moved.wav", 1)
			os.WriteFile(filepath.Join(dir, "other/moved.flac"), []byte("fLaC"), 0o600)
			os.WriteFile(filepath.Join(dir, "default/a.flac.part"), []byte("half"), 0o600)
			os.WriteFile(filepath.Join(dir, "default/noise.wav"), []byte("noise"), 0o600)
			x := &index{jobs: []Job{{"default", "a", "a", "default/a.wav", "beef"}, {"default", "killed", "k", "default/killed.wav", ""},
				{"default", "gone", "g", "default/gone.wav", ""}, {"default", "noise", "n", "default/noise.wav", ""}, {"other", "moved", "m", "other/moved.flac", "cafe"}}}
			a := newArchive(t, dir, convert, x)
			a.work(t.Context(), slices.Clone(x.jobs))
			if len(x.jobs) != 0 || x.synced != len(x.stored) {
				t.Errorf("left %v, %d of %d synced", x.jobs, x.synced, len(x.stored))
			}
			want := map[string]string{"none": "default/a.flac.part default/a.wav default/killed.wav default/noise.wav other/moved.flac",
				"flac": "default/a.flac default/killed.flac default/noise.wav other/moved.flac",
				"opus": "default/a.flac.part default/a.opus default/killed.opus default/noise.wav other/moved.flac"}[convert]
			if got := strings.Join(files(t, dir), " "); got != want {
				t.Errorf("files %s\nwant  %s", got, want)
			}
			for _, s := range x.stored {
				b, err := os.ReadFile(filepath.Join(dir, s.Path))
				if s.Recording == "gone" {
					if s.Fault != "removed" {
						t.Errorf("%+v", s)
					}
					continue
				}
				sum := sha256.Sum256(b)
				if err != nil || s.SHA256 != hex.EncodeToString(sum[:]) || s.SizeBytes != int64(len(b)) {
					t.Errorf("%+v: %d bytes, %v", s, len(b), err)
				}
			}
			if n := testutil.ToFloat64(a.done.WithLabelValues(resultConverted)); convert != "none" && n != 3 || convert == "none" && n != 1 {
				t.Errorf("%v converted", n)
			}
		})
	}
}

// The original stays whatever goes wrong before the index has its successor, and
// the next try succeeds.
func TestOriginalStays(t *testing.T) {
	dir := t.TempDir()
	recorded(t, dir, "default/a.wav", 2)
	before, _ := os.ReadFile(filepath.Join(dir, "default/a.wav"))
	job := Job{"default", "a", "a", "default/a.wav", "beef"}
	x := &index{jobs: []Job{job}, fail: errors.New("journal: disk full")}
	a := newArchive(t, dir, "flac", x)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.one(ctx, job); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("stopped: %v", got)
	}
	if err := a.one(t.Context(), job); err == nil {
		t.Error("the journal failed, and nobody noticed")
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "default/a.wav")); len(x.jobs) != 1 || string(after) != string(before) {
		t.Error("the original is gone or changed")
	}
	x.fail = nil
	if err := a.one(t.Context(), job); err != nil || len(x.jobs) != 0 {
		t.Errorf("again: %v, %v", err, x.jobs)
	}
	if got := files(t, dir); len(got) != 1 || got[0] != "default/a.flac" {
		t.Errorf("%v", got)
	}
}

// One job that fails for ever does not keep the others from being done.
func TestOneThatFails(t *testing.T) {
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "default/a.wav"), 0o700) // a folder is no file
	x := &index{}
	for i := range 2 * batch {
		x.jobs = append(x.jobs, Job{"default", "a" + string(rune('A'+i)), "c", "default/a.wav", ""})
	}
	recorded(t, dir, "default/z.wav", 1)
	x.jobs = append(x.jobs, Job{"default", "z", "z", "default/z.wav", ""})
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t, dir, "none", x)
		a.Start(t.Context())
		time.Sleep(time.Minute)
		x.mu.Lock()
		left := len(x.jobs)
		x.mu.Unlock()
		if left != 2*batch || len(x.stored) != 1 || x.stored[0].Recording != "z" {
			t.Errorf("%d jobs left, %+v", left, x.stored)
		}
		if n := testutil.ToFloat64(a.done.WithLabelValues(resultFailed)); n != 2*batch {
			t.Errorf("%v failures in a minute, want one each", n)
		}
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// In virtual time: found by itself, and Stop ends it wherever it is.
func TestRunAndStop(t *testing.T) {
	dir := t.TempDir()
	recorded(t, dir, "default/a.wav", 1)
	synctest.Test(t, func(t *testing.T) {
		x := &index{}
		a := newArchive(t, dir, "flac", x)
		a.Start(t.Context())
		time.Sleep(time.Minute)
		x.mu.Lock()
		x.jobs = []Job{{"default", "a", "a", "default/a.wav", ""}}
		x.mu.Unlock()
		time.Sleep(11 * time.Second)
		if got := files(t, dir); len(got) != 1 || got[0] != "default/a.flac" {
			t.Errorf("%v", got)
		}
		for range 2 {
			if err := a.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// The work takes a quarter of the time at most, and none while others need the CPU.
func TestBreath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var spare float64 // of the machine
		begin := time.Now()
		b := newBreath(func() (uint64, uint64, bool) {
			all := uint64(time.Since(begin)/time.Millisecond) + 1e6
			return uint64(float64(all) * spare), all, true
		})
		spare = 0.5
		worked := time.Duration(0)
		for time.Since(begin) < time.Minute {
			time.Sleep(5 * time.Millisecond) // work
			worked += 5 * time.Millisecond
			if err := b.take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if share := float64(worked) / float64(time.Since(begin)); share > 0.26 || share < 0.15 {
			t.Errorf("worked %.2f of the time", share)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// 90 % busy for ten minutes, then idle.
		begin := time.Now()
		b := newBreath(func() (uint64, uint64, bool) {
			s := uint64(time.Since(begin)/time.Millisecond) + 1000
			busy := min(s, 601_000)
			return busy/10 + (s - busy), s, true
		})
		if err := b.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited < 10*time.Minute || waited > 10*time.Minute+5*time.Second {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.idle = func() (uint64, uint64, bool) { return 1, uint64(time.Since(begin)), true }
		if err := errors.Join(b.take(ctx), b.take(ctx)); err == nil {
			t.Error("a busy machine, and it worked")
		}
	})
	if idle, all, ok := readIdle(); ok && (all == 0 || idle > all) {
		t.Errorf("/proc/stat: %d of %d", idle, all)
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{Convert: "mp3"}); err == nil {
		t.Error("mp3 taken")
	}
	if _, _, err := Checksum(t.Context(), t.TempDir(), "x.wav"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
