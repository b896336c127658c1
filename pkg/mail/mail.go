// Package mail sends e-mail for the house: messages of voicemail boxes, what flows
// send, reports. Who has something to send puts it into the Queue, which keeps it on
// disk, and goes on; a slow, refusing or absent mail server holds nobody up. It
// writes no text of its own and decides nothing about who is written to.
//
// A Queue owns one goroutine, which delivers one message after another; Stop ends it
// and leaves on disk what is not delivered. It is the one importer of go-mail.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Message is one e-mail.
type Message struct {
	Tenant  string   `json:"tenant"`
	To      []string `json:"to"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	// Attachments are copied when the message is taken: their files may go at once.
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Attachment is a file that goes with a message.
type Attachment struct {
	Name string `json:"name"` // as the reader sees it
	Path string `json:"-"`    // of the file; in the queue, of its copy
}

// Bounds of one message.
const (
	MaxRecipients = 50
	MaxText       = 256 << 10 // bytes
	MaxAttached   = 32 << 20  // bytes of all attachments
	maxSubject    = 400       // bytes
)

// Errors of Send that callers tell apart.
var (
	// ErrFull: the queue holds as much as it may.
	ErrFull = errors.New("mail: the queue is full; is the mail server reached?")
	// ErrOff: this node has no mail server.
	ErrOff = errors.New("mail: this node sends no mail (mail.server in the node file)")
	// ErrInvalid: the message cannot be sent as it is.
	ErrInvalid = errors.New("mail: invalid message")
	// ErrStopped: the queue was stopped.
	ErrStopped = errors.New("mail: stopped")
)

// Sender delivers a message. The error tells by Permanent whether trying again could
// help; id is the same at each try.
type Sender interface {
	Deliver(ctx context.Context, id string, m Message) error
}

// Permanent marks an error of a Sender that will be the same next time.
type Permanent struct{ error }

// Unwrap implements errors.
func (p Permanent) Unwrap() error { return p.error }

// Config of a Queue; zero values take the defaults.
type Config struct {
	Dir         string // of the queue's files; made when absent
	MaxMessages int    // 0 = 1000
	MaxBytes    int64  // of all messages with their attachments; 0 = 512 MB
	// MaxAge: what could not be delivered for so long is given up; 0 = 48 h.
	MaxAge time.Duration
	// Timeout of one delivery; 0 = 1 min.
	Timeout    time.Duration
	Sender     Sender
	Log        *zap.Logger           // nil: no log
	Registerer prometheus.Registerer // nil: metrics are not shown
}

// Waits between tries: the first, and the longest.
const (
	retryFirst = time.Minute
	retryMax   = 4 * time.Hour
)

// Queue holds what is to be sent. Its methods may be called from any goroutine.
type Queue struct {
	cfg  Config
	log  *zap.Logger
	met  metrics
	root *os.Root

	mu      sync.Mutex
	entries []*entry // in order of arrival
	bytes   int64
	stopped bool

	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

// entry is one message that waits.
type entry struct {
	ID      string    `json:"id"`
	Taken   time.Time `json:"taken"`
	Message Message   `json:"message"`

	size  int64
	tries int
	due   time.Time
}

// Open makes the queue over a folder and begins to deliver what it finds there.
func Open(c Config) (*Queue, error) {
	if c.MaxMessages == 0 {
		c.MaxMessages = 1000
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 512 << 20
	}
	if c.MaxAge == 0 {
		c.MaxAge = 48 * time.Hour
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if err := os.MkdirAll(c.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("mail: %w; may this user write there?", err)
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	q := &Queue{cfg: c, log: c.Log, root: root, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := q.load(); err != nil {
		root.Close()
		return nil, err
	}
	q.met = newMetrics(c.Registerer, q.Len)
	ctx, cancel := context.WithCancel(context.Background())
	q.cancel = cancel
	go q.run(ctx)
	return q, nil
}

// Len is how many messages wait.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

// check tells why a message cannot be sent.
func check(m Message) error {
	if len(m.To) == 0 || len(m.To) > MaxRecipients {
		return fmt.Errorf("%w: %d recipients; want 1 to %d", ErrInvalid, len(m.To), MaxRecipients)
	}
	for _, a := range m.To {
		if p, err := mail.ParseAddress(a); err != nil || p.Address != a {
			return fmt.Errorf("%w: %.80q is no address", ErrInvalid, a)
		}
	}
	if len(m.Subject) > maxSubject || len(m.Text) > MaxText {
		return fmt.Errorf("%w: subject or text too long; want up to %d and %d bytes", ErrInvalid, maxSubject, MaxText)
	}
	for _, c := range m.Subject {
		if c < ' ' {
			return fmt.Errorf("%w: the subject has a control character", ErrInvalid)
		}
	}
	return nil
}

// Send takes a message: when it returns nil, the message is on disk and outlives the
// process. It does not wait for the mail server, but for the disk: not for a call's
// turn. A nil Queue answers ErrOff.
func (q *Queue) Send(m Message) error {
	if q == nil {
		return ErrOff
	}
	if err := check(m); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	e := &entry{ID: id.String(), Taken: time.Now().UTC(), Message: m}
	e.due = e.Taken
	for _, a := range m.Attachments {
		st, err := os.Stat(a.Path)
		if err != nil {
			return fmt.Errorf("mail: attachment: %w", err)
		}
		e.size += st.Size()
	}
	if e.size > MaxAttached {
		return fmt.Errorf("%w: attachments of %d bytes; want up to %d", ErrInvalid, e.size, MaxAttached)
	}
	e.size += int64(len(m.Text) + len(m.Subject))
	if err := q.take(e); err != nil {
		return err
	}
	if err := q.write(e); err != nil {
		q.forget(e)
		return err
	}
	q.mu.Lock()
	e.due = time.Now() // now it may be delivered
	q.mu.Unlock()
	q.met.taken.Inc()
	q.poke()
	return nil
}

// take makes room for e, which is not due before it is written.
func (q *Queue) take(e *entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.stopped:
		return ErrStopped
	case len(q.entries) >= q.cfg.MaxMessages, q.bytes+e.size > q.cfg.MaxBytes:
		q.met.outcome["full"].Inc()
		return ErrFull
	}
	e.due = e.Taken.Add(q.cfg.MaxAge)
	q.entries = append(q.entries, e)
	q.bytes += e.size
	return nil
}

func (q *Queue) forget(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, x := range q.entries {
		if x == e {
			q.entries = append(q.entries[:i:i], q.entries[i+1:]...)
			q.bytes -= e.size
			return
		}
	}
}

func (q *Queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next is the message that is due first.
func (q *Queue) next() (e *entry, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, x := range q.entries {
		if e == nil || x.due.Before(e.due) {
			e = x
		}
	}
	if e == nil {
		return nil, time.Time{}
	}
	return e, e.due
}

func (q *Queue) run(ctx context.Context) {
	defer close(q.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		e, due := q.next()
		wait := time.Hour
		if e != nil {
			if wait = time.Until(due); wait <= 0 {
				q.deliver(ctx, e)
				continue
			}
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-q.wake:
		case <-timer.C:
		}
	}
}

// deliver tries one message and says what becomes of it.
func (q *Queue) deliver(ctx context.Context, e *entry) {
	tctx, cancel := context.WithTimeout(ctx, q.cfg.Timeout)
	err := q.cfg.Sender.Deliver(tctx, e.ID, q.withPaths(e))
	cancel()
	if ctx.Err() != nil && err != nil {
		return // stopped meanwhile: it is tried again at the next start
	}
	e.tries++
	var permanent Permanent
	switch {
	case err == nil:
		q.met.outcome["sent"].Inc()
		q.log.Info("mail sent", zap.String("tenant", e.Message.Tenant), zap.String("mail", e.ID), zap.Int("tries", e.tries))
	case errors.As(err, &permanent), time.Since(e.Taken) >= q.cfg.MaxAge:
		q.met.outcome["given_up"].Inc()
		q.log.Error("mail given up", zap.String("tenant", e.Message.Tenant), zap.String("mail", e.ID), zap.Int("tries", e.tries), zap.Error(err))
	default:
		q.met.outcome["retried"].Inc()
		wait := min(retryFirst<<min(e.tries-1, 10), retryMax)
		q.log.Warn("mail not sent, will be tried again", zap.String("tenant", e.Message.Tenant), zap.String("mail", e.ID), zap.Duration("wait", wait), zap.Error(err))
		q.mu.Lock()
		e.due = time.Now().Add(wait)
		q.mu.Unlock()
		return
	}
	q.remove(e)
	q.forget(e)
}

// Stop ends the deliveries within ctx; what is left is delivered at the next start.
// Safe to call twice.
func (q *Queue) Stop(ctx context.Context) error {
	if q == nil {
		return nil
	}
	q.mu.Lock()
	first := !q.stopped
	q.stopped = true
	q.mu.Unlock()
	q.cancel()
	select {
	case <-q.done:
	case <-ctx.Done():
		return fmt.Errorf("mail: a delivery did not end: %w", ctx.Err())
	}
	if first {
		return q.root.Close()
	}
	return nil
}

type metrics struct {
	taken   prometheus.Counter
	outcome map[string]prometheus.Counter
}

// Off shows the metrics of a node without a mail server: nothing waits, nothing is sent.
func Off(r prometheus.Registerer) { newMetrics(r, func() int { return 0 }) }

func newMetrics(r prometheus.Registerer, waiting func() int) metrics {
	m := metrics{outcome: map[string]prometheus.Counter{}, taken: prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_mail_taken_total",
		Help: "E-mails taken into the queue."})}
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_mail_outcomes_total",
		Help: "What became of e-mails: sent, retried (a try failed), given_up (refused for good, or too old), full (the queue took none)."}, []string{"outcome"})
	for _, o := range []string{"sent", "retried", "given_up", "full"} {
		m.outcome[o] = vec.WithLabelValues(o)
	}
	if r != nil {
		r.MustRegister(m.taken, vec, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "centrala_mail_waiting", Help: "E-mails in the queue."},
			func() float64 { return float64(waiting()) }))
	}
	return m
}
