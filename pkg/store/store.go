// Package store keeps what must outlive the process, in one SQLite file: the
// journal, the call records made of it, recordings, registrations, agent
// states and resources. It is the only importer of a database driver.
//
// One goroutine (the writer, writer.go) does all writing: it gathers what comes
// in for a few milliseconds and commits it as one transaction, with the call
// records that follow from the events. Readers have connections of their own
// and wait for nobody (WAL). Open starts the writer, Close ends it.
//
// What is lost when:
//   - process killed (kill -9, panic): what was appended in the last FlushEvery
//     and not yet committed. What is committed is in the kernel and stays.
//   - power cut: all that was committed since the last Sync, which is at most
//     what no caller waited for: commits do not wait for the disk
//     (synchronous=NORMAL), Sync does (fdatasync of the WAL behind the commit).
//     A call's end is reported only behind a Sync, an apply of resources
//     returns behind one, so neither is lost; registrations and log-ins of agents
//     are not waited for. The file is never corrupt.
//   - disk full or broken: nothing, while the process lives: the writer keeps
//     what it has, tries again, answers Sync with the error, and counts it.
//     When Options.Queue events wait, Append blocks.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/centrala/centrala/pkg/cdr"
)

// Options of Open. The zero value takes every default.
type Options struct {
	Log        *zap.Logger
	Registerer prometheus.Registerer
	// FlushEvery is how long the writer gathers events into one transaction; 0 = 10 ms.
	FlushEvery time.Duration
	// Queue is how many events wait in memory before Append blocks; 0 = 65536.
	Queue int
	// Readers is how many connections read at once; 0 = 4.
	Readers int
	// ConvertRecordings makes every recording that ends work for RecordingWork, not
	// only those without a checksum.
	ConvertRecordings bool
}

// ErrNotFound: no such call, recording or the like in this tenant.
var ErrNotFound = errors.New("store: not found")

// ErrClosed: the store was closed.
var ErrClosed = errors.New("store: closed")

// ErrConflict: the resources were changed by another since they were read.
var ErrConflict = errors.New("store: the resources have changed meanwhile; read them again and repeat")

// Store is the open file. Its methods may be called from any goroutine.
type Store struct {
	// Set at birth.
	path    string
	opts    Options
	log     *zap.Logger
	metrics metrics
	lock    *os.File
	db      *sql.DB // the writer's one connection
	read    *sql.DB

	// In: what waits for the writer.
	queue queue

	// Writer only.
	seq    uint64
	rows   []row // of the batch at hand
	wal    *os.File
	stmts  map[string]statement
	values []driver.NamedValue // scratch of exec
	conn   *sql.Conn

	// dnd holds the deviceKeys of the devices that take no calls.
	dnd sync.Map

	// tail is filled by the writer.
	tail tail

	// projector is fed by the writer; mu lets Live look at it.
	mu        sync.Mutex
	projector *cdr.Projector

	onVoicemail atomic.Pointer[func(VoicemailChange)]

	failing atomic.Pointer[string] // last write error, nil when the last write worked

	// Out.
	done      chan struct{}
	closeOnce sync.Once
	closeErr  error
}

// Open opens or makes the SQLite file at path, brings its schema up to date and
// starts the writer. The folder is made when absent and locked: a second process on the
// same file is refused with an error that names the first.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.FlushEvery == 0 {
		opts.FlushEvery = 10 * time.Millisecond
	}
	if opts.Queue == 0 {
		opts.Queue = 65536
	}
	if opts.Readers == 0 {
		opts.Readers = 4
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("store: %w; may this user write there?", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, opts: opts, log: opts.Log, lock: lock, done: make(chan struct{}),
		stmts: map[string]statement{}, projector: cdr.NewProjector(), metrics: newMetrics(opts.Registerer)}
	s.queue.init(opts.Queue)
	if err := s.open(ctx); err != nil {
		s.closeFiles()
		return nil, err
	}
	go s.writer()
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	dsn := func(pragmas ...string) string {
		q := url.Values{"_pragma": append([]string{"busy_timeout(5000)", "foreign_keys(0)", "cache_size(-8000)"}, pragmas...)}
		return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: s.path}).EscapedPath(), RawQuery: q.Encode()}).String()
	}
	var err error
	// synchronous=NORMAL: a commit is in the kernel, Sync makes it durable; see the package doc.
	if s.db, err = sql.Open("sqlite", dsn("journal_mode(WAL)", "synchronous(NORMAL)")); err != nil {
		return fmt.Errorf("store: open %s: %w", s.path, err)
	}
	s.db.SetMaxOpenConns(1)
	if err := s.db.PingContext(ctx); err != nil {
		return fmt.Errorf("store: open %s: %w", s.path, err)
	}
	os.Chmod(s.path, 0o640) // holds digests of passwords; the group may make backups
	if err := migrate(ctx, s.db); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", dsn("query_only(1)")); err != nil {
		return fmt.Errorf("store: open %s: %w", s.path, err)
	}
	s.read.SetMaxOpenConns(s.opts.Readers)
	s.read.SetMaxIdleConns(s.opts.Readers)
	if err := s.restore(ctx); err != nil {
		return err
	}
	// The WAL exists now: something was read in WAL mode. Its name in the folder
	// must be durable too, or a power cut takes the whole file.
	if s.wal, err = os.OpenFile(s.path+"-wal", os.O_RDWR|os.O_CREATE, 0o640); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if dir, err := os.Open(filepath.Dir(s.path)); err == nil {
		err = dir.Sync()
		dir.Close()
		if err != nil {
			return fmt.Errorf("store: sync folder of %s: %w", s.path, err)
		}
	}
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return fmt.Errorf("store: open %s: %w", s.path, err)
	}
	return nil
}

// lockFile takes the exclusive lock and leaves our process id in it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("store: %w; may this user write there?", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		text := make([]byte, 20)
		n, _ := f.ReadAt(text, 0)
		f.Close()
		who := strings.TrimSpace(string(text[:n]))
		if who == "" {
			who = "unknown"
		}
		return nil, fmt.Errorf("store: data folder %s is in use by process %s; stop it, or choose another folder with --data", filepath.Dir(path), who)
	}
	f.Truncate(0)
	f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return f, nil
}

// restore reads what the writer must know: the last sequence number and the
// calls that had not ended.
func (s *Store) restore(ctx context.Context) error {
	if err := s.db.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM events -- all tenants: one journal`).Scan(&s.seq); err != nil {
		return fmt.Errorf("store: read journal: %w", err)
	}
	s.tail.begin(s.seq)
	rows, err := s.db.QueryContext(ctx, `SELECT tenant, id FROM calls WHERE ended IS NULL ORDER BY tenant, id -- all tenants: calls of the process that was here before`)
	if err != nil {
		return fmt.Errorf("store: read open calls: %w", err)
	}
	var open [][2]string
	for rows.Next() {
		var k [2]string
		if err := rows.Scan(&k[0], &k[1]); err != nil {
			rows.Close()
			return fmt.Errorf("store: read open calls: %w", err)
		}
		open = append(open, k)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("store: read open calls: %w", err)
	}
	if err := s.restoreDND(ctx); err != nil {
		return err
	}
	for _, k := range open {
		events, err := queryEvents(ctx, s.db, k[0], k[1])
		if err != nil {
			return err
		}
		for _, e := range events {
			s.projector.Feed(e)
		}
	}
	return nil
}

// Err is the error that the writer meets just now ("" = none): health checks
// and the alarm of the console ask it.
func (s *Store) Err() string {
	if p := s.failing.Load(); p != nil {
		return *p
	}
	return ""
}

// Close writes what was appended, makes it durable and releases the folder. It
// gives up on a disk that refuses when ctx ends, and says how many events were
// lost then. Safe to call twice.
func (s *Store) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		s.queue.close()
		select {
		case <-s.done:
		case <-ctx.Done():
			s.queue.abandon()
			<-s.done
		}
		if n := s.queue.lost(); n > 0 {
			s.closeErr = fmt.Errorf("store: closed with %d events not written: %s", n, s.Err())
		}
		s.closeErr = errors.Join(s.closeErr, s.closeFiles())
	})
	return s.closeErr
}

func (s *Store) closeFiles() error {
	var errs []error
	for _, st := range s.stmts {
		st.Close()
	}
	if s.conn != nil {
		s.conn.Close()
	}
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close()) // the last connection checkpoints and removes the WAL
	}
	if s.wal != nil {
		s.wal.Close()
	}
	s.lock.Close()
	return errors.Join(errs...)
}
