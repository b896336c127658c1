package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/archive"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/store"
)

// startArchive looks after the files of recordings that have ended.
func (a *App) startArchive(ctx context.Context) error {
	w, err := archive.New(archive.Config{Dir: a.cfg.RecordingsDir(), Convert: a.cfg.Recordings.Convert, Index: recordingIndex{a.store}, Journal: a.store,
		Log: a.log.Named("archive"), Registerer: a.opts.Registerer})
	if err != nil {
		return err
	}
	w.Start(ctx)
	a.onStop("archive", w.Stop)
	return nil
}

// recordingIndex is the store as the archive asks it.
type recordingIndex struct{ s *store.Store }

// Work implements archive.Index.
func (x recordingIndex) Work(ctx context.Context, limit int) ([]archive.Job, error) {
	list, err := x.s.RecordingWork(ctx, limit)
	out := make([]archive.Job, len(list))
	for i, r := range list {
		out[i] = archive.Job{Tenant: r.Tenant, ID: r.ID, CallID: r.CallID, Path: r.Path, SHA256: r.SHA256}
	}
	return out, err
}

// Done implements archive.Index.
func (x recordingIndex) Done(ctx context.Context, tenant, id string) error {
	return x.s.RecordingDone(ctx, tenant, id)
}

// Faults of a recording that the recorder itself could not tell.
const (
	faultInterrupted = "interrupted" // the process was killed; the file lacks up to a second
	faultUnreadable  = "unreadable"
)

// closeRecordings ends, in the journal, the recordings of a process that was
// killed: what their headers say is in them. It comes before their calls are closed.
func (a *App) closeRecordings(ctx context.Context) error {
	open, err := a.store.OpenRecordings(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	for _, r := range open {
		if err := record.ForgetNew(a.cfg.RecordingsDir(), r.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("leftover of a recording not removed", zap.String("path", r.Path), zap.Error(err))
		}
		b := event.RecordingEnded{Recording: r.ID, Path: r.Path, Fault: faultInterrupted}
		info, size, err := recordingInfo(a.cfg.RecordingsDir(), r.Path)
		switch {
		case err == nil:
			b.DurationMs, b.SizeBytes = info.Samples*1000/8000, size
			b.PausedMs = paused(info).Milliseconds()
		case errors.Is(err, fs.ErrNotExist):
			b.Fault = record.FaultRemoved
		default:
			a.log.Error("recording left by a killed process cannot be read", zap.String("path", r.Path), zap.Error(err))
			b.Fault = faultUnreadable
		}
		at := r.Started.Add(time.Duration(b.DurationMs) * time.Millisecond)
		a.store.Append(event.Event{At: at, Tenant: r.Tenant, CallID: r.CallID, Body: b})
		if r.Type == store.TypeMessage && r.Box != "" {
			a.leaveInterrupted(ctx, r, b)
		}
	}
	a.log.Warn("recordings of a process that was killed were closed in the journal", zap.Int("recordings", len(open)))
	return a.store.Sync()
}

// recordingInfo reads the header of a file of the recordings folder; size is the
// file's own.
func recordingInfo(dir, name string) (info record.Info, size int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return info, 0, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return info, 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return info, 0, err
	}
	info, err = record.ReadInfo(f, st.Size())
	return info, st.Size(), err
}

// paused adds up the pauses that the marks tell of.
func paused(info record.Info) time.Duration {
	total, from := int64(0), int64(-1)
	for _, m := range append(info.Marks, record.Mark{At: info.Samples, Name: record.MarkResumed}) {
		switch {
		case m.Name == record.MarkPaused && from < 0:
			from = m.At
		case m.Name == record.MarkResumed && from >= 0:
			total, from = total+m.At-from, -1
		}
	}
	return time.Duration(total) * time.Second / 8000
}

// filesOf is a call's recordings as the index has them: its record was written
// when it ended, and a file may have been converted since.
func (a *App) filesOf(ctx context.Context, tenant string, c cdr.Call) ([]cdr.Recording, error) {
	if len(c.Recordings) == 0 {
		return nil, nil
	}
	list, _, err := a.store.Recordings(ctx, tenant, store.RecordingFilter{CallID: c.ID})
	if err != nil {
		return nil, err
	}
	out := append([]cdr.Recording(nil), c.Recordings...)
	for i := range out {
		for _, r := range list {
			if r.ID == out[i].ID && r.Closed {
				out[i] = cdr.Recording{ID: r.ID, Path: r.Path, DurationMs: r.DurationMs, SizeBytes: r.SizeBytes, Fault: r.Fault, SHA256: r.SHA256, PausedMs: r.PausedMs, Closed: true}
			}
		}
	}
	return out, nil
}

// Recordings implements api.Server.
func (a *App) Recordings(ctx context.Context, tenant string, limit int) ([]api.Recording, error) {
	list, _, err := a.store.Recordings(ctx, tenant, store.RecordingFilter{Limit: limit})
	if err != nil {
		return nil, err
	}
	out := make([]api.Recording, len(list))
	for i, r := range list {
		out[i] = api.Recording{ID: r.ID, CallID: r.CallID, Path: r.Path, Started: r.Started, DurationMs: r.DurationMs, SizeBytes: r.SizeBytes,
			Fault: r.Fault, SHA256: r.SHA256, PausedMs: r.PausedMs, Open: !r.Closed}
	}
	return out, nil
}

// VerifyRecording implements api.Server.
func (a *App) VerifyRecording(ctx context.Context, tenant, id string) (api.Verification, error) {
	r, err := a.store.Recording(ctx, tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		return api.Verification{}, fmt.Errorf("recording %q: %w", id, api.ErrNotFound)
	}
	if err != nil {
		return api.Verification{}, err
	}
	if !r.Closed {
		return api.Verification{}, fmt.Errorf("%w: recording %q is being written", api.ErrConflict, id)
	}
	v := api.Verification{ID: r.ID, Path: r.Path}
	v.SHA256, v.SizeBytes, err = archive.Checksum(ctx, a.cfg.RecordingsDir(), r.Path)
	switch {
	case ctx.Err() != nil:
		return v, ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		v.Problem = "there is no such file"
	case err != nil:
		v.Problem = err.Error()
	case r.SHA256 == "":
		v.Problem = "the index has no checksum of it yet: it is made in the background"
	case v.SHA256 != r.SHA256:
		v.Problem = fmt.Sprintf("the file was changed: its checksum was %s and it had %d bytes", r.SHA256, r.SizeBytes)
	case strings.HasSuffix(r.Path, ".wav"):
		if _, _, err := recordingInfo(a.cfg.RecordingsDir(), r.Path); err != nil {
			v.Problem = err.Error()
		}
	}
	v.OK = v.Problem == ""
	return v, nil
}

// StorageReady never fails: a full disk costs recordings, not calls. What it
// says is the room left, and first of all when that is low.
func (a *App) StorageReady() string {
	w := a.recorder
	if !a.up.Load() || w == nil {
		return ""
	}
	st := w.Storage()
	if st.Low {
		return "LOW: " + st.String()
	}
	return st.String()
}
