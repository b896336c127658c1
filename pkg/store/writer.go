package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

var _ event.Journal = (*Store)(nil)

// Append implements event.Journal. The body must not be changed afterwards: it
// is encoded by the writer. After Close the event is dropped with an error in
// the log.
func (s *Store) Append(e event.Event) {
	if !s.queue.put(op{event: e}) {
		s.log.Error("event after close", zap.String("kind", e.Body.Kind()), zap.String("call_id", e.CallID))
	}
}

// Behind reports that Append may soon have to wait: half of the room is taken, for
// the disk is slower than the calls, or refuses.
func (s *Store) Behind() bool { return s.queue.behind.Load() }

// Backlog is the share of the room for waiting events that is taken, 0..1.
func (s *Store) Backlog() float64 { return float64(s.queue.n.Load()) / float64(s.queue.max) }

// Sync implements event.Journal.
func (s *Store) Sync() error {
	done := make(chan error, 1)
	if !s.queue.put(op{done: done}) {
		return ErrClosed
	}
	return <-done
}

// update runs do inside the writer's next transaction and returns when that is
// durable. do must not keep tx; its error undoes its own changes only.
func (s *Store) update(ctx context.Context, do func(ctx context.Context, tx execer) error) error {
	return s.change(ctx, op{do: do})
}

// updateLax is update without the disk's word: for what a power cut may take,
// because its owner sends it again (a phone registers, an agent logs in).
func (s *Store) updateLax(ctx context.Context, do func(ctx context.Context, tx execer) error) error {
	return s.change(ctx, op{do: do, lax: true})
}

func (s *Store) change(ctx context.Context, o op) error {
	done := make(chan error, 1)
	o.done = done
	if !s.queue.put(o) {
		return ErrClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("store: gave up waiting for the writer: %w", ctx.Err())
	}
}

// Retries of a failed transaction.
const (
	retryFirst = 100 * time.Millisecond
	retryMax   = time.Second
)

// writer is the goroutine that owns the write connection.
func (s *Store) writer() {
	defer close(s.done)
	gather := time.NewTimer(0)
	if !gather.Stop() {
		<-gather.C
	}
	var batch []op
	for {
		<-s.queue.wake
		if s.queue.len() < batchMax && !s.queue.isClosed() {
			// Group commit: what comes within FlushEvery shares one transaction.
			select {
			case <-s.queue.plenty: // possibly of an earlier batch: one early commit, no harm
			default:
			}
			gather.Reset(s.opts.FlushEvery)
			select {
			case <-gather.C:
			case <-s.queue.plenty:
				gather.Stop()
			}
		}
		var end bool
		batch, end = s.queue.take(batch[:0])
		if end {
			return
		}
		if !s.commit(batch) {
			return
		}
		clear(batch)
		clear(s.rows)
	}
}

// commit writes one batch, however long it takes. false: the store was closed
// and gave the rest up.
func (s *Store) commit(batch []op) bool {
	if len(batch) == 0 {
		return true
	}
	s.metrics.waiting.Set(float64(len(batch)))
	w := s.encode(batch)
	s.project(&w)
	wait := retryFirst
	for {
		start := time.Now()
		results, durable, err := s.write(w, batch)
		if err == nil {
			s.metrics.commit.Observe(time.Since(start).Seconds())
			if durable {
				start = time.Now()
				if err = unix.Fdatasync(int(s.wal.Fd())); err != nil {
					// The rows are committed; only those who asked for durability hear of it.
					err = fmt.Errorf("store: sync %s-wal: %w", s.path, err)
				}
				s.metrics.sync.Observe(time.Since(start).Seconds())
			}
			s.note(err)
			s.metrics.events.Add(float64(len(w.rows)))
			s.seq += uint64(len(w.rows))
			s.tellVoicemail(w.mail)
			for i, o := range batch {
				if o.done == nil {
					continue
				}
				switch {
				case results != nil && results[i] != nil:
					o.done <- results[i]
				default:
					o.done <- err
				}
			}
			return true
		}
		s.note(err)
		batch = refuseBatch(batch, err)
		s.queue.refuse(err)
		if len(batch) == 0 {
			return true
		}
		select {
		case <-time.After(wait):
		case <-s.queue.stop:
			s.queue.drop(batch, ErrClosed)
			return false
		}
		wait = min(2*wait, retryMax)
	}
}

// refuseBatch answers all who wait in batch and returns the events alone.
func refuseBatch(batch []op, err error) []op {
	kept := batch[:0]
	for _, o := range batch {
		if o.done != nil {
			o.done <- err
		} else {
			kept = append(kept, o)
		}
	}
	return kept
}

// note keeps and logs the writer's state of health; only changes are logged.
func (s *Store) note(err error) {
	was := s.failing.Load()
	switch {
	case err != nil:
		s.metrics.failures.Inc()
		text := err.Error()
		s.failing.Store(&text)
		if was == nil || *was != text {
			s.log.Error("write failed, keeping events in memory", zap.Error(err), zap.Int("waiting", s.queue.len()))
		}
	case was != nil:
		s.failing.Store(nil)
		s.log.Info("write works again", zap.Int("waiting", s.queue.len()))
	}
}

// work is a batch made ready to be written, the same at each try.
type work struct {
	rows  []row
	calls []cdr.Call // records of calls that began or ended
	files []recording
	moved []moved
	mail  []voicemailOp
	polls []SurveyAnswer // answers of surveys
}

// moved is a recording's file that was checked or converted.
type moved struct {
	tenant string
	event.RecordingStored
}

// row is an event ready to be written.
type row struct {
	event  event.Event
	record event.Record
}

func (s *Store) encode(batch []op) work {
	rows := s.rows[:0]
	seq := s.seq
	for _, o := range batch {
		if o.done != nil {
			continue
		}
		seq++
		e := o.event
		e.Seq = seq
		r, err := event.Encode(e)
		if err != nil {
			// A NaN of a measurement must not stop the journal: the event stays, its
			// numbers are lost, and the fault says so.
			s.metrics.bad.Inc()
			s.log.Error("event cannot be encoded", zap.String("kind", e.Body.Kind()), zap.String("call_id", e.CallID), zap.Error(err))
			data, _ := json.Marshal(map[string]string{"encode_error": err.Error()})
			r = event.Record{Seq: seq, At: e.At.UTC().Truncate(time.Millisecond), Tenant: e.Tenant, CallID: e.CallID, Kind: e.Body.Kind(), Data: data}
			if back, err := event.Decode(r); err == nil {
				e = back // the call record shows what the journal holds, no more
			}
		}
		e.At = r.At
		rows = append(rows, row{e, r})
	}
	s.rows = rows
	return work{rows: rows}
}

// project feeds the events to the call records and collects those to write:
// when a call begins (so that a crash leaves a trace) and when it ends.
func (s *Store) project(w *work) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := map[string]int{} // call -> index in w.calls: of a call that begins and ends here the end is enough
	for _, r := range w.rows {
		switch c, step := s.projector.Feed(r.event); step {
		case cdr.StepOpened:
			at[c.Tenant+"/"+c.ID] = len(w.calls)
			w.calls = append(w.calls, c.Clone())
		case cdr.StepEnded:
			if i, ok := at[c.Tenant+"/"+c.ID]; ok {
				w.calls[i] = c.Clone()
			} else {
				w.calls = append(w.calls, c.Clone())
			}
		}
		if f, ok := s.recordingOf(r.event); ok {
			w.files = append(w.files, f)
		} else if b, ok := r.event.Body.(event.RecordingStored); ok {
			w.moved = append(w.moved, moved{r.event.Tenant, b})
		} else if o, ok := voicemailOf(r.event); ok {
			w.mail = append(w.mail, o)
		} else if b, ok := r.event.Body.(event.SurveyAnswered); ok {
			w.polls = append(w.polls, surveyAnswer(r.event, b))
		}
	}
}

// chunks are how many events one INSERT takes, the most first: fewer trips
// through the driver.
var chunks = [...]int{32, 8, 1}

var insertEvents = func() (sql [len(chunks)]string) {
	for i, n := range chunks {
		sql[i] = `INSERT INTO events (seq, at, tenant, call_id, kind, data) VALUES ` + strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?),", n), ",")
	}
	return sql
}()

// execer is the writer's connection inside its transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// write does one transaction. results holds the errors of single changes, by
// index in batch; durable is true when somebody waits for the disk.
func (s *Store) write(w work, batch []op) (results []error, durable bool, err error) {
	ctx := context.Background()
	// By hand and not by sql.Tx, which prepares every statement anew.
	if err := s.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return nil, false, fmt.Errorf("store: begin: %w", err)
	}
	defer func() {
		if err != nil {
			// SQLite has rolled back by itself after some errors (a full disk); then this fails.
			s.conn.ExecContext(ctx, `ROLLBACK`)
		}
	}()
	if err := s.writeEvents(ctx, w.rows); err != nil {
		return nil, false, fmt.Errorf("store: write journal: %w", err)
	}
	for i := range w.calls {
		if err := s.writeCall(ctx, &w.calls[i]); err != nil {
			return nil, false, fmt.Errorf("store: write call record: %w", err)
		}
	}
	for _, f := range w.files {
		if err := s.writeRecording(ctx, f); err != nil {
			return nil, false, fmt.Errorf("store: write recording: %w", err)
		}
	}
	for _, f := range w.moved {
		if err := s.exec(ctx, moveRecording, f.Path, f.SizeBytes, f.SHA256, f.Fault, f.Fault, f.tenant, f.Recording); err != nil {
			return nil, false, fmt.Errorf("store: write recording: %w", err)
		}
	}
	for i := range w.rows {
		if b, ok := w.rows[i].event.Body.(event.Audited); ok {
			if err := s.writeAudit(ctx, &w.rows[i].record, b); err != nil {
				return nil, false, fmt.Errorf("store: write audit: %w", err)
			}
		}
		if err := s.writeDesk(ctx, &w.rows[i].event); err != nil {
			return nil, false, fmt.Errorf("store: write what agents said: %w", err)
		}
	}
	for i := range w.mail {
		if err := s.writeVoicemail(ctx, &w.mail[i]); err != nil {
			return nil, false, fmt.Errorf("store: write voicemail: %w", err)
		}
	}
	for i := range w.polls {
		if err := s.writeSurveyAnswer(ctx, &w.polls[i]); err != nil {
			return nil, false, fmt.Errorf("store: write survey answer: %w", err)
		}
	}
	for i, o := range batch {
		durable = durable || o.done != nil && !o.lax
		if o.do == nil {
			continue
		}
		if results == nil {
			results = make([]error, len(batch))
		}
		if _, err := s.conn.ExecContext(ctx, `SAVEPOINT change`); err != nil {
			return nil, false, fmt.Errorf("store: savepoint: %w", err)
		}
		end := `RELEASE change`
		if results[i] = o.do(ctx, s.conn); results[i] != nil {
			end = `ROLLBACK TO change; RELEASE change`
		}
		if _, err := s.conn.ExecContext(ctx, end); err != nil {
			return nil, false, fmt.Errorf("store: savepoint: %w", err)
		}
	}
	err = s.tail.commit(w.rows, func() error { return s.exec(ctx, `COMMIT`) })
	if err != nil {
		return nil, false, fmt.Errorf("store: commit: %w", err)
	}
	return results, durable, nil
}

func (s *Store) writeEvents(ctx context.Context, rows []row) error {
	args := make([]any, 0, 6*chunks[0])
	for size := 0; len(rows) > 0; {
		n := chunks[size]
		if len(rows) < n {
			size++
			continue
		}
		args = args[:0]
		for i := range rows[:n] {
			r := &rows[i].record
			args = append(args, int64(r.Seq), r.At.UnixMilli(), r.Tenant, r.CallID, r.Kind, unsafe.String(unsafe.SliceData(r.Data), len(r.Data)))
		}
		if err := s.exec(ctx, insertEvents[size], args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// exec runs a statement that is prepared once for the life of the store. It goes
// past package sql, whose locks, conversions and retries are for many users of
// many connections: here is one.
func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	s.values = s.values[:0]
	for i, v := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(v)
		if err != nil {
			return err
		}
		s.values = append(s.values, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	err := s.conn.Raw(func(c any) error {
		st := s.stmts[query]
		if st == nil {
			made, err := c.(driver.ConnPrepareContext).PrepareContext(ctx, query)
			if err != nil {
				return err
			}
			st = made.(statement)
			s.stmts[query] = st
		}
		_, err := st.ExecContext(ctx, s.values)
		return err
	})
	clear(s.values)
	return err
}

// statement is a prepared statement of the driver.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
}
