package speech

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/media/play"
)

// maxWaiting bounds the texts that wait for the engine; more are refused.
const maxWaiting = 64

// Config of a Speaker.
type Config struct {
	Engine   Engine            // nil: nothing is spoken, ErrNoEngine
	Voices   map[string]string // language -> voice; a language without one leaves it to the engine
	Dir      string            // of what was made
	MaxBytes int64             // in Dir; what was not asked for longest goes first
	Timeout  time.Duration     // of one synthesis
	Parallel int               // syntheses at a time
	Library  *play.Library     // of clips in memory
	Log      *zap.Logger
	// Registerer takes the metrics centrala_speech_*.
	Registerer prometheus.Registerer
}

// Speaker makes clips of texts. Methods may be called from any goroutine.
type Speaker struct {
	cfg     Config
	disk    *disk
	metrics *metrics
	ctx     context.Context
	stop    context.CancelFunc
	slots   chan struct{}

	mu      sync.Mutex
	making  map[string]*flight // by key
	closed  bool
	flights sync.WaitGroup
}

// flight is one text being made.
type flight struct {
	done chan struct{} // closed when clip and err are set
	clip *play.Clip
	err  error
}

// New reads what the folder holds; it is made when it is absent and an engine is there.
func New(c Config) (*Speaker, error) {
	d := &disk{}
	if c.Engine != nil {
		var err error
		if d, err = openDisk(c.Dir, c.MaxBytes); err != nil {
			return nil, err
		}
	}
	s := &Speaker{cfg: c, disk: d, making: map[string]*flight{}, slots: make(chan struct{}, max(c.Parallel, 1))}
	s.metrics = newMetrics(c.Registerer, d)
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Close ends what is being made and waits for it.
func (s *Speaker) Close(context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.flights.Wait()
	if c, ok := s.cfg.Engine.(interface{ Close() }); ok {
		c.Close()
	}
	return nil
}

func (s *Speaker) request(text, language string) (Request, string, error) {
	if s.cfg.Engine == nil {
		return Request{}, "", ErrNoEngine
	}
	clean, err := Clean(text)
	if err == nil && !languageRE.MatchString(language) {
		err = fmt.Errorf("%w: %q is no language", ErrText, language)
	}
	if err != nil {
		return Request{}, "", fmt.Errorf("speech: %w", err)
	}
	r := Request{Text: clean, Language: language, Voice: s.cfg.Voices[language]}
	sum := sha256.Sum256([]byte(s.cfg.Engine.Name() + "\x00" + r.Voice + "\x00" + r.Language + "\x00" + r.Text))
	return r, hex.EncodeToString(sum[:]), nil
}

// Ready is the clip of a text when it is in memory, else nil. It does not wait.
func (s *Speaker) Ready(text, language string) *play.Clip {
	_, key, err := s.request(text, language)
	if err != nil {
		return nil
	}
	c := s.cfg.Library.Find(libraryKey(key))
	if c != nil {
		s.metrics.asked[fromMemory].Inc()
	}
	return c
}

// Say makes the clip of a text, or takes it from memory or disk. Who asks for a
// text that is being made waits for that. ctx bounds the waiting alone: the making
// goes on for the next who asks, until Config.Timeout.
func (s *Speaker) Say(ctx context.Context, text, language string) (*play.Clip, error) {
	r, key, err := s.request(text, language)
	if err != nil {
		s.metrics.asked[failed].Inc()
		return nil, err
	}
	if c := s.cfg.Library.Find(libraryKey(key)); c != nil {
		s.metrics.asked[fromMemory].Inc()
		return c, nil
	}
	f, err := s.join(key, r)
	if err != nil {
		s.metrics.asked[refused].Inc()
		return nil, err
	}
	select {
	case <-f.done:
		return f.clip, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("speech: not made in time: %w", ctx.Err())
	}
}

// join finds the flight of a text or begins it.
func (s *Speaker) join(key string, r Request) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.making[key]; f != nil {
		s.metrics.asked[fromFlight].Inc()
		return f, nil
	}
	if s.closed || len(s.making) >= maxWaiting {
		return nil, fmt.Errorf("speech: %w (%d)", ErrBusy, len(s.making))
	}
	f := &flight{done: make(chan struct{}), err: errors.New("speech: the engine panicked")}
	s.making[key] = f
	s.flights.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.making, key)
			s.mu.Unlock()
			close(f.done)
		}()
		f.clip, f.err = s.make(key, r)
	})
	return f, nil
}

// libraryKey is not that of any file of a prompt.
func libraryKey(key string) string { return "speech:" + key }

// make takes the text from the disk, or has the engine speak it.
func (s *Speaker) make(key string, r Request) (*play.Clip, error) {
	if b, ok := s.disk.get(key); ok {
		c, err := s.keep(key, b)
		if err == nil {
			s.metrics.asked[fromDisk].Inc()
			return c, nil
		}
		s.disk.drop(key) // damaged: made again
	}
	b, err := s.speak(r)
	var c *play.Clip
	if err == nil {
		c, err = s.keep(key, b)
	}
	if err != nil {
		s.metrics.asked[failed].Inc()
		if s.ctx.Err() == nil {
			s.cfg.Log.Warn("text not spoken", zap.String("engine", s.cfg.Engine.Name()), zap.String("language", r.Language), zap.String("voice", r.Voice), zap.Error(err))
		}
		return nil, err
	}
	s.metrics.asked[fromEngine].Inc()
	if err := s.disk.put(key, b); err != nil {
		s.cfg.Log.Warn("spoken text not kept", zap.String("dir", s.cfg.Dir), zap.Error(err))
	}
	return c, nil
}

func (s *Speaker) speak(r Request) ([]byte, error) {
	select {
	case s.slots <- struct{}{}:
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
	defer func() { <-s.slots }()
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
	defer cancel()
	began := time.Now()
	rc, err := s.cfg.Engine.Speak(ctx, r)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b, err := io.ReadAll(io.LimitReader(rc, maxSound+1))
	if err == nil && len(b) > maxSound {
		err = fmt.Errorf("speech: %w", ErrTooLarge)
	}
	s.metrics.took.Observe(time.Since(began).Seconds())
	return b, err
}

func (s *Speaker) keep(key string, b []byte) (*play.Clip, error) {
	return s.cfg.Library.Get(libraryKey(key), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
}
