package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Config is what a Writer needs.
type Config struct {
	// Dir is the recordings folder. Start makes it when it is missing.
	Dir string
	// Threads is how many goroutines write; 0 means 2. One carries hundreds of
	// recordings; the second keeps a slow write from delaying all.
	Threads int
	// FlushEvery is how often each recording goes to disk, up to 500 ms;
	// 0 means 500 ms.
	FlushEvery time.Duration
	// Format of the files.
	Format Format
	// Gain brings each channel slowly to one loudness; see gain. PCM alone.
	Gain bool
	// AlarmPercent and AlarmHours: less free space than this is an alarm, see
	// Storage; 0 = none.
	AlarmPercent, AlarmHours float64
	Registerer               prometheus.Registerer // nil: metrics are kept but not shown
	Log                      *zap.Logger           // nil: no log
}

const (
	maxFlushEvery = 500 * time.Millisecond
	// freeEvery is how often the free space is asked for.
	freeEvery = 5 * time.Second
	// hashQueue bounds the finished files that wait for their checksum.
	hashQueue = 64
)

// file is what a recording needs of *os.File; tests have smaller disks.
type file interface {
	io.WriterAt
	io.Closer
}

// Writer carries the recordings of a process to disk. Methods may be called from
// any goroutine.
type Writer struct {
	// Set at birth.
	cfg    Config
	m      *metrics
	log    *faultLog
	shards []*shard
	toHash chan finished
	quit   chan struct{}
	// The disk; replaced by tests.
	open   func(name string) (file, error)
	intact func(name string, f file) bool // the file is still where it was made

	space space
	bytes atomic.Int64 // written, of all recordings

	next   atomic.Uint32 // shard of the next recording
	wg     sync.WaitGroup
	hasher sync.WaitGroup

	mu    sync.Mutex
	state int // 0 new, 1 running, 2 stopping
}

// NewWriter checks cfg and registers the metrics. It starts nothing.
func NewWriter(cfg Config) (*Writer, error) {
	if cfg.Threads == 0 {
		cfg.Threads = 2
	}
	if cfg.FlushEvery == 0 {
		cfg.FlushEvery = maxFlushEvery
	}
	var errs []error
	if cfg.Dir == "" {
		errs = append(errs, errors.New("record: no folder for recordings"))
	}
	if cfg.Threads < 1 || cfg.Threads > 64 {
		errs = append(errs, fmt.Errorf("record: %d writer threads, want 1-64", cfg.Threads))
	}
	if cfg.FlushEvery < 20*time.Millisecond || cfg.FlushEvery > maxFlushEvery {
		errs = append(errs, fmt.Errorf("record: flush every %v, want 20ms-%v, as at most 1 s may be lost", cfg.FlushEvery, maxFlushEvery))
	}
	if cfg.Gain && cfg.Format == G711 {
		errs = append(errs, errors.New("record: gain needs the format pcm: octets of G.711 are kept as they came"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("record: metrics: %w", err)
	}
	w := &Writer{
		cfg: cfg, m: m, log: newFaultLog(cfg.Log),
		toHash: make(chan finished, hashQueue), quit: make(chan struct{}),
		space: space{percent: cfg.AlarmPercent, hours: cfg.AlarmHours},
	}
	w.open, w.intact = w.openFile, w.intactFile
	for range cfg.Threads {
		w.shards = append(w.shards, newShard(w))
	}
	return w, nil
}

// Start makes the folder when it is missing, checks that it can be written to,
// and starts the writer goroutines. ctx bounds nothing: use Stop.
func (w *Writer) Start(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != 0 {
		return errors.New("record: writer started twice")
	}
	if err := os.MkdirAll(w.cfg.Dir, 0o750); err != nil {
		return fmt.Errorf("record: recordings folder: %w", err)
	}
	probe, err := os.CreateTemp(w.cfg.Dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("record: recordings folder cannot be written to: %w", err)
	}
	probe.Close()
	os.Remove(probe.Name())
	w.measureFree()
	w.state = 1
	for i, sh := range w.shards {
		sh.mu.Lock()
		sh.up = true
		sh.mu.Unlock()
		w.wg.Add(1)
		go func() { defer w.wg.Done(); sh.run(i == 0) }()
	}
	w.hasher.Add(1)
	go func() { defer w.hasher.Done(); w.runHasher() }()
	return nil
}

// Stop takes no new recordings, finishes those that are closed, ends those that
// are not with FaultStopped, and waits until done was called for all, or ctx is
// over: then it returns an error, and a goroutine that hangs in the disk is left
// behind. It may be called twice.
func (w *Writer) Stop(ctx context.Context) error {
	w.mu.Lock()
	if w.state == 1 {
		close(w.quit)
		go func() {
			w.wg.Wait()
			close(w.toHash) // the shards were the only senders
		}()
	}
	if w.state == 0 {
		w.state = 2
		w.mu.Unlock()
		return nil
	}
	w.state = 2
	w.mu.Unlock()
	ended := make(chan struct{})
	go func() { w.wg.Wait(); w.hasher.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("record: recordings not finished, the disk may hang: %w", ctx.Err())
	}
}

// add gives r to a shard; false when the writer does not run.
func (w *Writer) add(r *Recording) bool {
	r.w = w
	r.sh = w.shards[w.next.Add(1)%uint32(len(w.shards))]
	return r.sh.opening(r)
}

// newName is what a recording's file is called until its header is in it: nobody
// takes a hidden file for a recording, should the process be killed between the two.
func newName(name string) string { return path.Join(path.Dir(name), "."+path.Base(name)+".new") }

// ForgetNew removes what a killed process may have left of a recording that it was
// about to begin. Errors are those of the folder.
func ForgetNew(dir, name string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Remove(newName(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// newFile is a file that has no header yet.
type newFile struct {
	*os.File
	dir, name string
}

// openFile makes the file of a recording. os.Root keeps even a symbolic link
// inside the folder from leading out of it. The folder itself is not made again:
// when it is gone, so is perhaps the disk that belongs there.
func (w *Writer) openFile(name string) (file, error) {
	root, err := os.OpenRoot(w.cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(newName(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if errors.Is(err, fs.ErrNotExist) { // the first of the day
		if err = root.MkdirAll(path.Dir(name), 0o750); err == nil {
			f, err = root.OpenFile(newName(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
		}
	}
	if err != nil {
		return nil, err // not f: a nil *os.File in an interface is not nil
	}
	return newFile{f, w.cfg.Dir, name}, nil
}

// publish gives the file its name, which is used once: an older recording is never
// overwritten.
func (f newFile) publish() error {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	fresh := newName(f.name)
	if err = root.Link(fresh, f.name); err == nil || errors.Is(err, fs.ErrExist) {
		return errors.Join(err, root.Remove(fresh))
	}
	// A file system without links.
	if _, serr := root.Lstat(f.name); !errors.Is(serr, fs.ErrNotExist) {
		return errors.Join(err, serr)
	}
	return root.Rename(fresh, f.name)
}

func (w *Writer) intactFile(name string, f file) bool {
	of, ok := f.(newFile)
	if !ok {
		return true
	}
	mine, err1 := of.Stat()
	there, err2 := os.Stat(w.path(name))
	return err1 == nil && err2 == nil && os.SameFile(mine, there)
}

func (w *Writer) path(name string) string {
	return filepath.Join(w.cfg.Dir, filepath.FromSlash(name))
}
