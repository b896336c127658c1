package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/report"
)

// Rebuild is how making all figures again from the journal stands.
type Rebuild struct {
	Running bool      `json:"running"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Seq     uint64    `json:"seq"`  // counted up to here
	Last    uint64    `json:"last"` // of here
	// Changed is how many rows came out different from those kept until then, once it
	// has ended: 0 unless something was lost or counted wrong.
	Changed int    `json:"changed"`
	Error   string `json:"error,omitempty"`
}

// ErrRebuilding: one at a time.
var ErrRebuilding = errors.New("report: the figures are being made again already")

// StartRebuild makes all figures again from the whole journal, in the background
// and beside those in use, which stay until the new ones have caught up.
func (f *Follower) StartRebuild() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.rebuild.Running:
		return ErrRebuilding
	case f.run.Err() != nil:
		return errors.New("report: stopped")
	}
	f.rebuild = Rebuild{Running: true, Started: f.cfg.Now()}
	f.wg.Go(func() {
		changed, err := f.again(f.run)
		f.note(func(r *Rebuild) {
			r.Running, r.Ended, r.Changed = false, f.cfg.Now(), changed
			if err != nil {
				r.Error = err.Error()
			}
		})
		if err != nil {
			f.cfg.Log.Error("the figures could not be made again; the old ones stay", zap.Error(err))
			return
		}
		f.cfg.Log.Info("the figures were made again from the journal", zap.Int("changed_rows", changed))
	})
	return nil
}

// Rebuild tells how far the last one is.
func (f *Follower) Rebuild() Rebuild {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rebuild
}

func (f *Follower) note(change func(*Rebuild)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.rebuild)
}

func (f *Follower) again(ctx context.Context) (changed int, err error) {
	f.dropping.Lock()
	defer f.dropping.Unlock()
	if err := f.take(ctx); err != nil {
		return 0, err
	}
	keep := f.live.gen
	f.give()
	if err := f.store.DropReports(ctx, keep); err != nil { // of a rebuild that was broken off
		return 0, err
	}
	next := newLine(keep+1, nil)
	for {
		if err := f.take(ctx); err != nil {
			return 0, err
		}
		last := f.last
		f.give()
		f.note(func(r *Rebuild) { r.Seq, r.Last = next.seq, last })
		if next.seq+page >= last {
			break
		}
		if err := f.read(ctx, next, min(last, next.seq+page)); err != nil {
			return 0, err
		}
		if len(next.pending) >= flushRows {
			if err := f.flush(ctx, next, false); err != nil {
				return 0, err
			}
		}
	}
	// The last page while the line in use stands still, so that both end at one event.
	if err := f.take(ctx); err != nil {
		return 0, err
	}
	changed, err = f.swap(ctx, next)
	f.give()
	if err != nil {
		return 0, err
	}
	return changed, f.store.DropReports(ctx, next.gen)
}

// read feeds a line up to an event. Unlike catchUp it does not need the lock.
func (f *Follower) read(ctx context.Context, l *line, to uint64) error {
	for l.seq < to {
		end := min(to, l.seq+page)
		events, err := f.store.JournalOf(ctx, "", l.seq+1, end, page, report.EventKinds)
		if err != nil {
			return err
		}
		for _, e := range events {
			l.proj.Feed(e)
		}
		l.seq = end
	}
	return nil
}

// swap makes next the line in use.
func (f *Follower) swap(ctx context.Context, next *line) (changed int, err error) {
	old := f.live
	for old.seq < f.last { // far behind itself: after an upgrade
		if err := f.catchUp(ctx, old, page); err != nil {
			return 0, err
		}
	}
	if err := f.catchUp(ctx, old, page); err != nil {
		return 0, err
	}
	if err := f.flush(ctx, old, true); err != nil {
		return 0, err
	}
	if err := f.read(ctx, next, old.seq); err != nil {
		return 0, err
	}
	if err := f.flush(ctx, next, false); err != nil {
		return 0, err
	}
	if changed, err = f.store.CompareReports(ctx, old.gen, next.gen); err != nil {
		return 0, err
	}
	next.flushed = 0 // once more, now as the one in use
	if err := f.flush(ctx, next, true); err != nil {
		return 0, fmt.Errorf("report: take the new figures into use: %w", err)
	}
	next.also = f.count
	f.live = next
	clear(f.today)
	f.note(func(r *Rebuild) { r.Seq, r.Last = f.live.seq, f.last })
	return changed, nil
}
