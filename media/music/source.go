package music

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/media/play"
)

const (
	frame        = 20 * time.Millisecond
	frameSamples = play.StreamRate / 50
	// ahead is how much is read before it is heard, 4 s in 128 kB: a broadcast's
	// server bursts at the beginning and a net hesitates.
	ahead = 200
	// enough is there before a source that was away is heard again: 1 s.
	enough = 50
	// patience is how long a broadcast may say nothing before it counts as gone.
	patience = 10 * time.Second
	// linger is how long a source goes on without a listener, in frames: 30 s, so
	// that a short queue does not knock at a broadcast for each caller.
	linger = 1500
	// Pauses between attempts, doubled each time; a source that has played for
	// steady begins anew.
	firstPause = time.Second
	mostPause  = time.Minute
	steady     = 30 * time.Second
	// maxBurst frames are made up for after a pause of the machine's.
	maxBurst = 10
)

// Config of a Source.
type Config struct {
	// Name is what queues and flows call it.
	Name string
	// Open begins the source anew; what it returns is read as play.Stream does, or
	// played as List says. It should return when ctx is over, and so should reads.
	Open func(ctx context.Context) (io.ReadCloser, error)
	// List, in place of Open, names the clips of a round in their order; each is
	// read when its time comes.
	List func() []string
	// Load reads a clip of List, brought to the house's loudness.
	Load func(name string) (*play.Clip, error)
	// Shuffle plays each round of List in another order.
	Shuffle bool
	// Fallback is heard while there is nothing else; nil, or a nil clip, is silence.
	Fallback func() *play.Clip
	// Loudness is what a broadcast is brought to slowly, in LUFS; 0 leaves it.
	Loudness float64
	Log      *zap.Logger // nil: no log
}

// Metrics of all sources of a house.
type Metrics struct {
	away   prometheus.Gauge
	failed prometheus.Counter
}

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		away: prometheus.NewGauge(prometheus.GaugeOpts{Name: "centrala_music_sources_away",
			Help: "Sources of music that somebody listens to and that are away: their fallback is heard."}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_music_source_failures_total",
			Help: "Times that a source of music ended or could not be reached."}),
	}
	r.MustRegister(m.away, m.failed)
	return m
}

// Source is music that comes while it is heard.
type Source struct {
	cfg  Config
	live *play.Live
	clip *play.Clip
	m    *Metrics
	away atomic.Bool
	quit context.CancelFunc
	ctx  context.Context
	done chan struct{}
}

// Start begins a source. It stays quiet until somebody listens. Errors: a Config that
// has neither Open nor List, or List without Load.
func Start(c Config, m *Metrics) (*Source, error) {
	if (c.Open == nil) == (c.List == nil) || c.List != nil && c.Load == nil {
		return nil, fmt.Errorf("music: %q: want either a broadcast or a list of files", c.Name)
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	s := &Source{cfg: c, m: m, done: make(chan struct{})}
	s.live, s.clip = play.NewLive(c.Name)
	s.ctx, s.quit = context.WithCancel(context.Background())
	go s.run()
	return s, nil
}

// Clip is the source as something that can be played.
func (s *Source) Clip() *play.Clip { return s.clip }

// Stop ends the source and waits for its goroutines until ctx is over. It may be
// called twice.
func (s *Source) Stop(ctx context.Context) error {
	s.quit()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("music: %q: %w", s.cfg.Name, ctx.Err())
	}
}

// run paces the source while it is listened to.
func (s *Source) run() {
	defer close(s.done)
	for {
		select {
		case <-s.live.Woken():
			s.play()
		case <-s.ctx.Done():
			return
		}
	}
}

// play is run from the first listener to the last.
func (s *Source) play() {
	ctx, cancel := context.WithCancel(s.ctx)
	sound := make(chan []int16, ahead)
	read := make(chan struct{})
	go func() { defer close(read); s.read(ctx, sound) }()
	defer func() { cancel(); <-read; s.setAway(false) }()
	tick := time.NewTicker(frame)
	defer tick.Stop()
	out := output{s: s, loop: looped{clip: s.fallback()}}
	begun, sent, alone := time.Now(), time.Duration(0), 0
	for {
		select {
		case <-tick.C:
		case <-s.live.Woken(): // it is awake
			continue
		case <-ctx.Done():
			return
		}
		due := time.Since(begun)
		if due-sent > maxBurst*frame { // the machine stood still
			sent = due - maxBurst*frame
		}
		for ; sent+frame <= due; sent += frame {
			s.live.Put(out.next(sound))
			if alone++; s.live.Heard() {
				alone = 0
			}
		}
		if alone > linger {
			return
		}
	}
}

func (s *Source) setAway(away bool) {
	if s.away.Swap(away) == away {
		return
	}
	if away {
		s.m.away.Inc()
	} else {
		s.m.away.Dec()
	}
}

func (s *Source) fallback() *play.Clip {
	if s.cfg.Fallback == nil {
		return nil
	}
	return s.cfg.Fallback()
}

// read fills sound until ctx is over, again and again.
func (s *Source) read(ctx context.Context, sound chan<- []int16) {
	cut := cutter{ctx: ctx, out: sound}
	pause := firstPause
	for ctx.Err() == nil {
		begun := time.Now()
		var err error
		if s.cfg.List != nil {
			err = s.readList(ctx, &cut)
		} else {
			err = s.readBroadcast(ctx, &cut)
		}
		if ctx.Err() != nil {
			return
		}
		s.m.failed.Inc()
		s.setAway(true)
		if time.Since(begun) > steady {
			pause = firstPause
		}
		// Half of it by chance: a house of nodes does not come back all at once.
		wait := pause/2 + rand.N(pause/2)
		s.cfg.Log.Warn("music source away, its fallback is heard", zap.String("source", s.cfg.Name), zap.Duration("again_in", wait), zap.Error(err))
		pause = min(2*pause, mostPause)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

var errEnded = errors.New("the broadcast ended")

func (s *Source) readBroadcast(ctx context.Context, cut *cutter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Of the whole way from the connection to the sound: whatever hangs, nothing
	// comes. It does not count while we wait for listeners to hear what there is.
	watch := time.AfterFunc(patience, func() { cancel(fmt.Errorf("no sound for %v", patience)) })
	defer watch.Stop()
	body, err := s.cfg.Open(ctx)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	stop := context.AfterFunc(ctx, func() { body.Close() })
	defer func() {
		if stop() {
			body.Close()
		}
	}()
	lev := leveller{target: s.cfg.Loudness}
	err = play.Stream(body, func(pcm []int16) error {
		watch.Stop()
		lev.apply(pcm)
		err := cut.put(pcm)
		watch.Reset(patience)
		return err
	})
	if err == nil {
		err = errEnded
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return err
}

// readList plays rounds of the list until none of its files can be read.
func (s *Source) readList(ctx context.Context, cut *cutter) error {
	last := ""
	for {
		names, played := s.cfg.List(), 0
		if s.cfg.Shuffle && len(names) > 1 {
			rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			if names[0] == last { // not twice in a row
				k := 1 + rand.IntN(len(names)-1)
				names[0], names[k] = names[k], names[0]
			}
		}
		var fault error
		for _, name := range names {
			c, err := s.cfg.Load(name)
			if err != nil {
				fault = err
				s.cfg.Log.Warn("music file left out", zap.String("source", s.cfg.Name), zap.String("file", name), zap.Error(err))
				continue
			}
			if err := cut.put(c.Wide()); err != nil {
				return err
			}
			played, last = played+1, name
		}
		if played == 0 {
			if fault == nil {
				fault = errors.New("no files")
			}
			return fault
		}
	}
}

// cutter makes frames of sound of any length, without a gap between two.
type cutter struct {
	ctx  context.Context
	out  chan<- []int16
	part []int16
}

func (c *cutter) put(pcm []int16) error {
	for len(pcm) > 0 {
		if c.part == nil {
			c.part = make([]int16, 0, frameSamples)
		}
		n := min(frameSamples-len(c.part), len(pcm))
		c.part, pcm = append(c.part, pcm[:n]...), pcm[n:]
		if len(c.part) < frameSamples {
			return nil
		}
		select {
		case c.out <- c.part:
			c.part = nil
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return nil
}

// output chooses what is heard in the next frame.
type output struct {
	s      *Source
	on     bool // the source is heard, else the fallback
	begun  bool
	loop   looped
	last   int16 // sample put last
	buffer [frameSamples]int16
}

// next is good until the next call.
func (o *output) next(sound <-chan []int16) []int16 {
	pcm, was := o.buffer[:], o.on
	if !o.on && len(sound) >= enough {
		o.on = true
	}
	if o.on {
		select {
		case f := <-sound:
			copy(pcm, f)
		default:
			o.on = false
		}
	}
	if !o.on {
		o.loop.fill(pcm)
	}
	if o.on != was || !o.begun {
		o.begun = true
		join(pcm, o.last)
		if o.on {
			o.s.setAway(false)
		}
	}
	o.last = pcm[len(pcm)-1]
	return pcm
}

// join lets pcm rise over the frame while what was before falls in 5 ms.
func join(pcm []int16, from int16) {
	const fall = play.StreamRate / 200
	for i, v := range pcm {
		x := int(v) * (i + 1) / len(pcm)
		if i < fall {
			x += int(from) * (fall - i - 1) / fall
		}
		pcm[i] = int16(min(max(x, -32768), 32767))
	}
}

// looped is the fallback, from where it was left.
type looped struct {
	clip *play.Clip
	pcm  []int16
	at   int
}

func (l *looped) fill(dst []int16) {
	if l.pcm == nil && l.clip != nil {
		l.pcm = l.clip.Wide()
	}
	if len(l.pcm) == 0 {
		clear(dst)
		return
	}
	for n := 0; n < len(dst); {
		k := copy(dst[n:], l.pcm[l.at:])
		n, l.at = n+k, (l.at+k)%len(l.pcm)
	}
}
