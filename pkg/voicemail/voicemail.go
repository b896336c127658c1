// Package voicemail looks after the boxes in which callers leave messages: whose
// phones show that something waits (RFC 3842), who is written to, which messages are
// too old, and which files go with messages that were deleted. What is in a box is
// made of the journal by the store; how a message is left and listened to is a call's.
//
// A Desk owns one goroutine, which Stop ends. What it is told never blocks.
package voicemail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/mail"
	"github.com/centrala/centrala/pkg/store"
)

// Box is one box as the desk needs it.
type Box struct {
	Name string // shown to people
	// Devices whose phones show that messages wait.
	Devices    []string
	Email      []string
	EmailSound bool
	Language   string
	Max        int           // messages
	Retention  time.Duration // 0 = for ever
}

// Key names a box of a tenant.
type Key struct{ Tenant, Box string }

// Store is the memory of messages (pkg/store).
type Store interface {
	Voicemail(ctx context.Context, tenant string, f store.VoicemailFilter) ([]store.Voicemail, string, error)
	VoicemailMessage(ctx context.Context, tenant, id string) (store.Voicemail, error)
	VoicemailCount(ctx context.Context, tenant, box string) (store.BoxCount, error)
}

// Config is what a Desk needs.
type Config struct {
	Store   Store
	Journal event.Journal
	// Dir is the recordings folder.
	Dir string
	// Boxes are all boxes of now. Called on the desk's goroutine.
	Boxes func() map[Key]Box
	// Lamp tells a device's phone how many messages wait; it must not block.
	Lamp func(tenant, device string, fresh, saved int)
	// Mail takes an e-mail; nil: none are sent.
	Mail func(mail.Message) error
	// SweepEvery is how often messages are looked at for their age; 0 = 10 min.
	SweepEvery time.Duration
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// maxNews bounds the changes that wait for the desk; beyond, e-mails about them are
// left out (and counted), and the lamps are right all the same.
const maxNews = 1000

// Desk looks after all boxes of a node.
type Desk struct {
	cfg Config
	log *zap.Logger

	mu     sync.Mutex
	counts map[Key]store.BoxCount
	dirty  map[Key]bool
	all    bool // every box is to be counted
	news   []store.VoicemailChange
	lamps  map[Key]lamp // by tenant and device: what was told last

	left, mailed, dropped prometheus.Counter

	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

type lamp struct{ fresh, saved int }

// New makes a desk. Start begins its work.
func New(c Config) *Desk {
	if c.SweepEvery == 0 {
		c.SweepEvery = 10 * time.Minute
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	d := &Desk{cfg: c, log: c.Log, counts: map[Key]store.BoxCount{}, dirty: map[Key]bool{}, lamps: map[Key]lamp{}, all: true, wake: make(chan struct{}, 1), done: make(chan struct{}),
		left:    counter("centrala_voicemail_messages_total", "Messages left in boxes."),
		mailed:  counter("centrala_voicemail_mails_total", "Messages that were handed on to be sent by e-mail."),
		dropped: counter("centrala_voicemail_mails_dropped_total", "Messages that could not be handed on by e-mail: see the log.")}
	if c.Registerer != nil {
		c.Registerer.MustRegister(d.left, d.mailed, d.dropped, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "centrala_voicemail_new",
			Help: "Messages in all boxes that nobody has heard."}, d.fresh))
	}
	return d
}

// Start counts every box, tells every lamp, and looks after them from then on. Once.
func (d *Desk) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	go d.run(ctx)
}

func (d *Desk) fresh() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, c := range d.counts {
		n += c.New
	}
	return float64(n)
}

// Changed is told of each change in the store; it never blocks (store.OnVoicemail).
func (d *Desk) Changed(c store.VoicemailChange) {
	d.mu.Lock()
	d.dirty[Key{c.Tenant, c.Box}] = true
	if c.Left {
		d.left.Inc()
		k := Key{c.Tenant, c.Box}
		n := d.counts[k]
		n.New++ // until it is counted: a box must not overflow meanwhile
		d.counts[k] = n
	}
	if c.Left || c.Deleted {
		if len(d.news) < maxNews || c.Deleted {
			d.news = append(d.news, c)
		} else {
			d.dropped.Inc()
		}
	}
	d.mu.Unlock()
	d.poke()
}

// Refresh looks at all boxes again: the configuration has changed.
func (d *Desk) Refresh() {
	d.mu.Lock()
	d.all = true
	d.mu.Unlock()
	d.poke()
}

func (d *Desk) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Count is how many messages a box holds, from memory.
func (d *Desk) Count(tenant, box string) (fresh, saved int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.counts[Key{tenant, box}]
	return c.New, c.Saved
}

// Waiting is what a device's phone was told last.
func (d *Desk) Waiting(tenant, device string) (fresh, saved int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lamps[Key{tenant, device}]
	return l.fresh, l.saved
}

func (d *Desk) run(ctx context.Context) {
	defer close(d.done)
	sweep := time.NewTicker(d.cfg.SweepEvery)
	defer sweep.Stop()
	for {
		d.work(ctx)
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-sweep.C:
			d.sweep(ctx)
		}
	}
}

// work does what waits.
func (d *Desk) work(ctx context.Context) {
	d.mu.Lock()
	dirty, all, news := d.dirty, d.all, d.news
	d.dirty, d.all, d.news = map[Key]bool{}, false, nil
	d.mu.Unlock()
	if !all && len(dirty) == 0 && len(news) == 0 {
		return
	}
	boxes := d.cfg.Boxes()
	if all {
		for k := range boxes {
			dirty[k] = true
		}
		d.forget(boxes)
	}
	for k := range dirty {
		if err := d.count(ctx, k); err != nil {
			if ctx.Err() == nil {
				d.log.Error("voicemail not counted", zap.String("tenant", k.Tenant), zap.String("box", k.Box), zap.Error(err))
			}
		}
	}
	d.tell(boxes, dirty, all)
	for _, c := range news {
		if c.Deleted {
			d.removeFile(c)
		} else if b, ok := boxes[Key{c.Tenant, c.Box}]; ok {
			d.write(ctx, c, b)
		}
	}
}

// forget drops the counts of boxes that are no more.
func (d *Desk) forget(boxes map[Key]Box) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.counts {
		if _, ok := boxes[k]; !ok {
			delete(d.counts, k)
		}
	}
}

func (d *Desk) count(ctx context.Context, k Key) error {
	c, err := d.cfg.Store.VoicemailCount(ctx, k.Tenant, k.Box)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.counts[k] = c
	d.mu.Unlock()
	return nil
}

// tell lights or puts out the lamps of the devices of dirty boxes; of all devices that
// ever had one when all boxes were looked at. A device of several boxes shows the sum.
func (d *Desk) tell(boxes map[Key]Box, dirty map[Key]bool, all bool) {
	sums := map[Key]lamp{}
	affected := map[Key]bool{}
	d.mu.Lock()
	if all {
		for k := range d.lamps {
			affected[k] = true
		}
	}
	for k, b := range boxes {
		c := d.counts[k]
		for _, device := range b.Devices {
			at := Key{k.Tenant, device}
			l := sums[at]
			sums[at] = lamp{l.fresh + c.New, l.saved + c.Saved}
			if dirty[k] {
				affected[at] = true
			}
		}
	}
	var changed []Key
	for k := range affected {
		if now := sums[k]; d.lamps[k] != now {
			changed = append(changed, k)
			if d.lamps[k] = now; now == (lamp{}) {
				delete(d.lamps, k)
			}
		}
	}
	d.mu.Unlock()
	for _, k := range changed {
		d.cfg.Lamp(k.Tenant, k.Box, sums[k].fresh, sums[k].saved) // Box is the device here
	}
}

// removeFile removes the recording of a deleted message. Paths are of our own making;
// the root keeps them inside the folder all the same.
func (d *Desk) removeFile(c store.VoicemailChange) {
	if c.Path == "" {
		return
	}
	root, err := os.OpenRoot(d.cfg.Dir)
	if err == nil {
		err = root.Remove(c.Path)
		root.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Error("file of a deleted message not removed", zap.String("path", c.Path), zap.Error(err))
	}
}

// write sends a new message by e-mail.
func (d *Desk) write(ctx context.Context, c store.VoicemailChange, b Box) {
	if d.cfg.Mail == nil || len(b.Email) == 0 {
		return
	}
	m, err := d.cfg.Store.VoicemailMessage(ctx, c.Tenant, c.Message)
	if err == nil {
		out := letter(m, b)
		out.Tenant, out.To = c.Tenant, slices.Clone(b.Email)
		if b.EmailSound && m.Path != "" {
			out.Attachments = []mail.Attachment{{Name: "message-" + m.At.UTC().Format("20060102-150405") + filepath.Ext(m.Path), Path: filepath.Join(d.cfg.Dir, filepath.FromSlash(m.Path))}}
		}
		err = d.cfg.Mail(out)
	}
	if err != nil {
		d.dropped.Inc()
		d.log.Error("message not sent by e-mail", zap.String("tenant", c.Tenant), zap.String("box", c.Box), zap.String("message", c.Message), zap.Error(err))
		return
	}
	d.mailed.Inc()
}

// sweep deletes what is older than its box allows.
func (d *Desk) sweep(ctx context.Context) {
	for k, b := range d.cfg.Boxes() {
		if b.Retention <= 0 {
			continue
		}
		list, _, err := d.cfg.Store.Voicemail(ctx, k.Tenant, store.VoicemailFilter{Box: k.Box, Before: time.Now().Add(-b.Retention), Limit: 1000})
		if err != nil {
			d.log.Error("old messages not found", zap.String("tenant", k.Tenant), zap.String("box", k.Box), zap.Error(err))
			return
		}
		for _, m := range list {
			d.cfg.Journal.Append(event.Event{At: time.Now(), Tenant: k.Tenant, Body: event.VoicemailDeleted{Message: m.ID, Box: k.Box, By: "retention"}})
		}
		if len(list) > 0 {
			d.log.Info("old messages deleted", zap.String("tenant", k.Tenant), zap.String("box", k.Box), zap.Int("messages", len(list)))
		}
	}
}

// Stop ends a desk that was started, within ctx. Safe to call twice.
func (d *Desk) Stop(ctx context.Context) error {
	d.cancel()
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("voicemail: still at work: %w", ctx.Err())
	}
}
