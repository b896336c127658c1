// Package archive looks after the files of recordings once they have ended:
// checksums that were not made at once, and conversion. One file at a time, with
// a small part of one CPU, and never while the machine is short of it.
//
// What is to be done is in the index and nowhere else, so that a crash at any
// moment loses no work: the original goes only after its successor was read back
// sample by sample, is on the medium and in the index.
//
// It records nothing, decides no policy and removes no recording. Run owns one
// goroutine, which Stop ends.
package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/pkg/event"
)

// Job is one recording whose file is to be looked after.
type Job struct {
	Tenant, ID, CallID string
	Path               string // under the recordings folder
	SHA256             string // "" when it is still to be made
}

// Index is where the jobs are and what became of them.
type Index interface {
	// Work lists up to limit jobs.
	Work(ctx context.Context, limit int) ([]Job, error)
	// Done takes a job off the list.
	Done(ctx context.Context, tenant, id string) error
}

// Config is what an Archive needs.
type Config struct {
	Dir     string // recordings folder
	Convert string // "none", "flac", "opus"
	Index   Index
	Journal event.Journal
	// Every is how often the index is asked for work; 0 = 10 s.
	Every      time.Duration
	Log        *zap.Logger           // nil: no log
	Registerer prometheus.Registerer // nil: metrics are not shown
}

// Archive is the worker.
type Archive struct {
	cfg    Config
	log    *zap.Logger
	done   *prometheus.CounterVec
	breath *breath
	stop   context.CancelFunc
	ended  chan struct{}

	bad map[string]time.Time // jobs that failed, until when they rest; the goroutine's
}

// format is something to convert to.
type format struct {
	ext    string
	write  func(dst io.WriteSeeker, src *record.Reader, pace func() error) error
	verify func(r io.Reader, src *record.Reader, pace func() error) (sum string, size int64, err error)
}

var formats = map[string]format{
	"none": {},
	"flac": {".flac", record.WriteFLAC, record.VerifyFLAC},
	"opus": {".opus", func(dst io.WriteSeeker, src *record.Reader, pace func() error) error {
		return record.WriteOpus(dst, src, pace)
	}, record.VerifyOpus},
}

// Results, as in the label of centrala_recording_files_total.
const (
	resultChecked   = "checked"   // a checksum was made
	resultConverted = "converted" // turned into another format, the original removed
	resultFailed    = "failed"    // could not be done now, and is tried again; or the result was no good, and the original stays
	resultLost      = "lost"      // there is no file, or it is no recording
)

const (
	// batch is how many jobs are read at a time.
	batch = 16
	// retryAfter: so long a job that failed rests.
	retryAfter = 10 * time.Minute
)

// New checks cfg. It starts nothing.
func New(cfg Config) (*Archive, error) {
	if _, ok := formats[cfg.Convert]; !ok {
		return nil, fmt.Errorf("archive: cannot convert to %q; want none, flac or opus", cfg.Convert)
	}
	if cfg.Every == 0 {
		cfg.Every = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	a := &Archive{cfg: cfg, log: cfg.Log, breath: newBreath(readIdle), ended: make(chan struct{}), bad: map[string]time.Time{},
		done: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_recording_files_total",
			Help: "Files of ended recordings that were looked after, by result."}, []string{"result"})}
	for _, r := range []string{resultChecked, resultConverted, resultFailed, resultLost} {
		a.done.WithLabelValues(r)
	}
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(a.done); err != nil {
			return nil, fmt.Errorf("archive: metrics: %w", err)
		}
	}
	return a, nil
}

// Start begins the work. ctx bounds nothing: use Stop.
func (a *Archive) Start(context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	go func() {
		defer close(a.ended)
		a.run(ctx)
	}()
}

// Stop ends the work and waits for it, or for ctx. What was half done is begun
// again at the next start. It may be called twice.
func (a *Archive) Stop(ctx context.Context) error {
	a.stop()
	select {
	case <-a.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("archive: still busy, the disk may hang: %w", ctx.Err())
	}
}

func (a *Archive) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(a.cfg.Every):
		}
		for {
			for id, until := range a.bad {
				if time.Now().After(until) {
					delete(a.bad, id)
				}
			}
			jobs, err := a.cfg.Index.Work(ctx, batch+len(a.bad))
			jobs = slices.DeleteFunc(jobs, func(j Job) bool { return !a.bad[j.Tenant+"/"+j.ID].IsZero() })
			a.work(ctx, jobs)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				a.log.Error("index of recordings not read", zap.Error(err))
			}
			if len(jobs) < batch {
				break
			}
		}
	}
}

// work does jobs; one that fails rests, so that it does not keep the others from
// being done.
func (a *Archive) work(ctx context.Context, jobs []Job) {
	for _, j := range jobs {
		if a.breath.take(ctx) != nil {
			return
		}
		err := a.one(ctx, j)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			a.log.Error("file of a recording could not be looked after; tried again", zap.String("path", j.Path), zap.Error(err), zap.Duration("after", retryAfter))
			a.done.WithLabelValues(resultFailed).Inc()
			a.bad[j.Tenant+"/"+j.ID] = time.Now().Add(retryAfter)
		}
	}
}

func (a *Archive) one(ctx context.Context, j Job) error {
	root, err := os.OpenRoot(a.cfg.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	result, err := a.keep(ctx, root, j)
	if err != nil {
		return err
	}
	if err := a.cfg.Index.Done(ctx, j.Tenant, j.ID); err != nil {
		return err
	}
	a.done.WithLabelValues(result).Inc()
	return nil
}

// keep does what is to be done with one file. An error means: try again.
func (a *Archive) keep(ctx context.Context, root *os.Root, j Job) (result string, err error) {
	if ext := path.Ext(j.Path); ext != ".wav" {
		// It was converted, and the process ended before the original was removed.
		return resultConverted, removed(root.Remove(strings.TrimSuffix(j.Path, ext) + ".wav"))
	}
	f, err := root.Open(j.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return resultLost, a.stored(j, event.RecordingStored{Path: j.Path, SHA256: j.SHA256, Fault: "removed"})
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	pace := func() error { return a.breath.take(ctx) }
	if to := formats[a.cfg.Convert]; to.ext != "" {
		src, err := record.NewReader(f, info.Size())
		if err == nil {
			err = a.convert(root, to, j, f, src, pace)
		}
		switch {
		case err == nil:
			return resultConverted, nil
		case errors.Is(err, record.ErrNotARecording):
			result = resultLost
		case errors.Is(err, record.ErrVerify):
			result = resultFailed
		default:
			return "", err
		}
		a.log.Error("a recording cannot be converted and is kept as it is", zap.String("path", j.Path), zap.Error(err))
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return "", err
		}
	}
	if result == "" {
		result = resultChecked
	}
	if j.SHA256 != "" {
		return result, nil
	}
	sum, size, err := hash(f, pace)
	if err != nil {
		return "", err
	}
	return result, a.stored(j, event.RecordingStored{Path: j.Path, SizeBytes: size, SHA256: sum})
}

// stored writes to the journal what became of the file, and waits until that is
// durable.
func (a *Archive) stored(j Job, b event.RecordingStored) error {
	b.Recording = j.ID
	a.cfg.Journal.Append(event.Event{At: time.Now().UTC(), Tenant: j.Tenant, CallID: j.CallID, Body: b})
	return a.cfg.Journal.Sync()
}

// convert writes the successor beside the original, reads it back, and then
// removes the original.
func (a *Archive) convert(root *os.Root, to format, j Job, f *os.File, src *record.Reader, pace func() error) (err error) {
	name := strings.TrimSuffix(j.Path, path.Ext(j.Path)) + to.ext
	part := name + ".part"
	out, err := root.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		out.Close()
		if err != nil {
			root.Remove(part)
		}
	}()
	if err := to.write(out, src, pace); err != nil {
		return err
	}
	if err := out.Sync(); err != nil { // the original may go only after this
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	again, err := record.NewReader(f, info.Size())
	if err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum, size, err := to.verify(out, again, pace)
	if err != nil {
		return err
	}
	if err := root.Rename(part, name); err != nil {
		return err
	}
	if err := a.stored(j, event.RecordingStored{Path: name, Was: j.Path, SizeBytes: size, SHA256: sum}); err != nil {
		return err
	}
	return removed(root.Remove(j.Path))
}

// removed: what is not there need not be removed.
func removed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func hash(r io.Reader, pace func() error) (sum string, size int64, err error) {
	h, buf := sha256.New(), make([]byte, 1<<17)
	for {
		n, err := r.Read(buf)
		h.Write(buf[:n])
		size += int64(n)
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), size, nil
		}
		if err == nil {
			err = pace()
		}
		if err != nil {
			return "", 0, err
		}
	}
}

// Checksum is the SHA-256 in hex and the size of a file of the recordings folder,
// at once. Errors wrap fs.ErrNotExist when there is none.
func Checksum(ctx context.Context, dir, name string) (sum string, size int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", 0, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return hash(f, ctx.Err)
}
