// Package webhook tells programs of the tenants what happens: it reads the journal
// behind the writer and posts each event that a hook wants, signed as
// standardwebhooks.com says. Each hook has one goroutine and sends in the journal's
// order, at least once; what its receiver does not take is tried again with pauses
// that double, and after a day laid aside as a dead letter. A hook that is slow or
// down holds nobody up: what it has not got yet is in the journal.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/event"
)

// Hook is one webhook, ready to send.
type Hook struct {
	Tenant, Name string
	URL          string
	Kinds        []string // exact; with a * at the end: what begins so
	Secrets      []string // the first signs, and the others beside it
}

type key struct{ tenant, name string }

// State is how far a hook is.
type State struct {
	Tenant     string    `json:"tenant"`
	Name       string    `json:"name"`
	Seq        uint64    `json:"seq"`   // the last event that is done with
	Tries      int       `json:"tries"` // of the event at hand, that failed
	Failing    time.Time `json:"failing_since,omitzero"`
	LastStatus int       `json:"last_status,omitempty"`
	LastError  string    `json:"last_error,omitempty"`
	LastAt     time.Time `json:"last_at,omitzero"` // of the last try
}

// Dead is an event that was laid aside.
type Dead struct {
	Seq    uint64    `json:"seq"`
	At     time.Time `json:"at"` // when it was laid aside
	Kind   string    `json:"kind"`
	Tries  int       `json:"tries"`
	Status int       `json:"status,omitempty"`
	Error  string    `json:"error,omitempty"`
}

// Store is the journal and what hooks keep (pkg/store).
type Store interface {
	Committed() <-chan struct{}
	Newest() uint64
	Since(from uint64, n int) ([]event.Event, bool)
	Records(ctx context.Context, tenant string, from, to uint64, n int) ([]event.Record, error)
	LoadHooks(ctx context.Context) ([]State, error)
	SaveHook(ctx context.Context, s State) error
	AddDead(ctx context.Context, tenant, hook string, d Dead) error
	DropDead(ctx context.Context, tenant, hook string, seq uint64) error
	DeadLetters(ctx context.Context, tenant, hook string) ([]Dead, error)
}

// Send posts body to url and returns the answer's status.
type Send func(ctx context.Context, url string, header map[string]string, body []byte) (status int, err error)

// Config of a Runner. The zero value takes every default.
type Config struct {
	First, Most time.Duration // pauses between tries; 5s doubling to 15m
	GiveUp      time.Duration // an event is laid aside after so long; 24h
	Timeout     time.Duration // of a try; 15s
	Gather      time.Duration // pause between two looks at the journal; 200ms
	Log         *zap.Logger
}

// Runner keeps the hooks going.
type Runner struct {
	cfg   Config
	store Store
	send  Send

	mu     sync.Mutex
	hooks  map[key]*worker
	states map[key]State
	wg     sync.WaitGroup
	ended  bool
}

type worker struct {
	hook Hook
	stop context.CancelFunc
	done chan struct{}
}

// ErrUnknown: no such hook, or no such event.
var ErrUnknown = errors.New("webhook: not found")

// New reads how far the hooks were.
func New(ctx context.Context, cfg Config, store Store, send Send) (*Runner, error) {
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&cfg.First, 5 * time.Second}, {&cfg.Most, 15 * time.Minute}, {&cfg.GiveUp, 24 * time.Hour}, {&cfg.Timeout, 15 * time.Second}, {&cfg.Gather, 200 * time.Millisecond}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	r := &Runner{cfg: cfg, store: store, send: send, hooks: map[key]*worker{}, states: map[key]State{}}
	states, err := store.LoadHooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		r.states[key{s.Tenant, s.Name}] = s
	}
	return r, nil
}

// Set makes these the hooks. One that changed goes on where it was; a new one begins
// with what happens from now on.
func (r *Runner) Set(hooks []Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	want := map[key]Hook{}
	for _, h := range hooks {
		want[key{h.Tenant, h.Name}] = h
	}
	for k, w := range r.hooks {
		if h, ok := want[k]; !ok || fmt.Sprint(h) != fmt.Sprint(w.hook) {
			w.stop()
			delete(r.hooks, k)
		}
	}
	for k, h := range want {
		if r.hooks[k] != nil {
			continue
		}
		if _, known := r.states[k]; !known {
			r.states[k] = State{Tenant: h.Tenant, Name: h.Name, Seq: r.store.Newest()}
		}
		ctx, stop := context.WithCancel(context.Background())
		w := &worker{hook: h, stop: stop, done: make(chan struct{})}
		r.hooks[k] = w
		r.wg.Go(func() { defer close(w.done); r.run(ctx, w) })
	}
}

// Stop ends all hooks and waits.
func (r *Runner) Stop(context.Context) error {
	r.mu.Lock()
	r.ended = true
	for _, w := range r.hooks {
		w.stop()
	}
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// States lists a tenant's hooks, running or not.
func (r *Runner) States(tenant string) []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []State
	for k, s := range r.states {
		if k.tenant == tenant {
			out = append(out, s)
		}
	}
	return out
}

func (r *Runner) state(k key) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.states[k]
}

func (r *Runner) keep(ctx context.Context, s State) {
	r.mu.Lock()
	r.states[key{s.Tenant, s.Name}] = s
	r.mu.Unlock()
	if err := r.store.SaveHook(ctx, s); err != nil && ctx.Err() == nil {
		r.cfg.Log.Error("webhook's place not saved: events may come twice", zap.String("hook", s.Name), zap.Error(err))
	}
}

func (h *Hook) wants(kind string) bool {
	for _, k := range h.Kinds {
		begin, any := strings.CutSuffix(k, "*")
		if k == kind || any && strings.HasPrefix(kind, begin) {
			return true
		}
	}
	return false
}

// run is one hook's life.
func (r *Runner) run(ctx context.Context, w *worker) {
	k := key{w.hook.Tenant, w.hook.Name}
	r.keep(ctx, r.state(k)) // a new one's beginning must outlive the process
	for ctx.Err() == nil {
		committed := r.store.Committed()
		before := r.state(k).Seq
		records, last, err := r.read(ctx, &w.hook, before)
		if err != nil {
			r.cfg.Log.Error("webhook cannot read the journal", zap.String("hook", w.hook.Name), zap.Error(err))
		}
		for _, rec := range records {
			if !r.deliver(ctx, w, rec) {
				return
			}
		}
		if last > before {
			s := r.state(k)
			s.Seq = max(s.Seq, last)
			if len(records) > 0 || last%1024 == 0 { // what was passed over is passed over again
				r.keep(ctx, s)
			} else {
				r.mu.Lock()
				r.states[k] = s
				r.mu.Unlock()
			}
			if !pause(ctx, r.cfg.Gather) {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-committed:
		}
	}
}

// batch is how much of the journal is looked at in one go.
const batch = 512

// read finds what a hook wants behind after, and how far it has looked.
func (r *Runner) read(ctx context.Context, h *Hook, after uint64) (out []event.Record, last uint64, err error) {
	if events, ok := r.store.Since(after+1, batch); ok {
		last = after
		for _, e := range events {
			last = e.Seq
			if e.Tenant != h.Tenant || !h.wants(e.Body.Kind()) {
				continue
			}
			rec, err := event.Encode(e)
			if err != nil {
				continue
			}
			out = append(out, rec)
		}
		return out, last, nil
	}
	newest := r.store.Newest()
	records, err := r.store.Records(ctx, h.Tenant, after+1, newest, batch)
	if err != nil {
		return nil, after, err
	}
	last = newest
	if len(records) == batch {
		last = records[batch-1].Seq
	}
	for _, rec := range records {
		if h.wants(rec.Kind) {
			out = append(out, rec)
		}
	}
	return out, last, nil
}

// deliver sends one event until it is taken or laid aside; false: the hook was stopped.
func (r *Runner) deliver(ctx context.Context, w *worker, rec event.Record) bool {
	k := key{w.hook.Tenant, w.hook.Name}
	s := r.state(k)
	s.Tries = 0
	wait := r.cfg.First
	begun := time.Now()
	for {
		status, err := r.try(ctx, &w.hook, rec)
		if ctx.Err() != nil {
			return false
		}
		s.LastAt, s.LastStatus, s.LastError = time.Now().UTC(), status, ""
		if err == nil {
			s.Seq, s.Tries, s.Failing = rec.Seq, 0, time.Time{}
			r.keep(ctx, s)
			return true
		}
		s.LastError = err.Error()
		s.Tries++
		if s.Failing.IsZero() {
			s.Failing = s.LastAt
			r.cfg.Log.Warn("webhook fails", zap.String("tenant", w.hook.Tenant), zap.String("hook", w.hook.Name), zap.Error(err))
		}
		if time.Since(begun) >= r.cfg.GiveUp || status == 410 { // 410 Gone: it will never be wanted again
			if err := r.store.AddDead(ctx, w.hook.Tenant, w.hook.Name, Dead{rec.Seq, s.LastAt, rec.Kind, s.Tries, status, s.LastError}); err != nil {
				r.cfg.Log.Error("dead letter not kept", zap.String("hook", w.hook.Name), zap.Uint64("seq", rec.Seq), zap.Error(err))
			}
			s.Seq, s.Tries = rec.Seq, 0
			r.keep(ctx, s)
			return true
		}
		r.mu.Lock()
		r.states[k] = s
		r.mu.Unlock()
		if !pause(ctx, wait) {
			return false
		}
		wait = min(2*wait, r.cfg.Most)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// message is the body of the POST.
type message struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Tenant    string          `json:"tenant"`
	Seq       uint64          `json:"seq"`
	CallID    string          `json:"call_id,omitempty"`
	Data      json.RawMessage `json:"data"`
}

// try sends an event once. nil: it was taken (2xx).
func (r *Runner) try(ctx context.Context, h *Hook, rec event.Record) (int, error) {
	body, err := json.Marshal(message{rec.Kind, rec.At, rec.Tenant, rec.Seq, rec.CallID, rec.Data})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	id := fmt.Sprintf("msg_%s_%d", h.Name, rec.Seq) // the same with each try: the receiver knows what it has
	status, err := r.send(ctx, h.URL, Sign(h.Secrets, id, time.Now(), body), body)
	if err == nil && (status < 200 || status > 299) {
		err = fmt.Errorf("the receiver answered %d", status)
	}
	return status, err
}

// Sign makes the headers of standardwebhooks.com: HMAC-SHA256 over "id.timestamp.body",
// one signature for each secret.
func Sign(secrets []string, id string, at time.Time, body []byte) map[string]string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	var sigs []string
	for _, s := range secrets {
		raw := []byte(s)
		if b64, ok := strings.CutPrefix(s, "whsec_"); ok {
			if b, err := base64.StdEncoding.DecodeString(b64); err == nil {
				raw = b
			}
		}
		mac := hmac.New(sha256.New, raw)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		sigs = append(sigs, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return map[string]string{"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": strings.Join(sigs, " "), "Content-Type": "application/json"}
}

// Dead lists what was laid aside, the oldest first.
func (r *Runner) Dead(ctx context.Context, tenant, name string) ([]Dead, error) {
	return r.store.DeadLetters(ctx, tenant, name)
}

// Resend sends one event of the journal to a hook now, and takes it off the dead
// letters when it is taken.
func (r *Runner) Resend(ctx context.Context, tenant, name string, seq uint64) error {
	r.mu.Lock()
	w := r.hooks[key{tenant, name}]
	r.mu.Unlock()
	if w == nil {
		return fmt.Errorf("webhook %q, or it is paused: %w", name, ErrUnknown)
	}
	records, err := r.store.Records(ctx, tenant, seq, seq, 1)
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return fmt.Errorf("event %d: %w", seq, ErrUnknown)
	}
	if _, err := r.try(ctx, &w.hook, records[0]); err != nil {
		return err
	}
	return r.store.DropDead(ctx, tenant, name, seq)
}
