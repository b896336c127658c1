package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/resample"
)

const (
	pingEvery = 15 * time.Second
	// Texts of a machine: so many at once, and so many each second after.
	textBurst   = 500
	textsPerSec = 100
	maxTexts    = 512 // of ours that wait
	// stopBound is how long the last words may take.
	stopBound = 2 * time.Second
)

// Event is the closed set of what a stream tells.
type Event interface{ streamEvent() }

type (
	// Opened: the machine has taken the stream.
	Opened struct{}
	// Digits are keys that the machine wants sent to the caller.
	Digits struct{ Digits string }
	// Ended is the end, with the figures.
	Ended struct{ Result }
)

func (Opened) streamEvent() {}
func (Digits) streamEvent() {}
func (Ended) streamEvent()  {}

// Outcomes of a stream.
const (
	OutcomeEnded   = "ended"   // the machine said stop, or closed in order
	OutcomeStopped = "stopped" // we did
	OutcomeRefused = "refused" // it was never reached
	OutcomeLost    = "lost"    // the connection broke, or nothing was taken for too long
	OutcomeFault   = "fault"   // it sent what it may not
)

// Outcomes lists them all.
var Outcomes = []string{OutcomeEnded, OutcomeStopped, OutcomeRefused, OutcomeLost, OutcomeFault}

// Result is how a stream ended.
type Result struct {
	Outcome string
	Detail  string // for people; holds no URL
	Word    string // the result that the machine gave with its stop
	// Lasted counts from Opened; 0 when it never was.
	Lasted time.Duration
	// Sent and Dropped are frames of 20 ms for the machine; Dropped were too old.
	Sent, Dropped uint64
	// Played is how much of the machine's sound was heard, Overflow what had no room.
	Played, Overflow time.Duration
}

// Stream is one stream. Hear and Speak are for the worker of the call's legs and
// never wait for the network; the other methods may be called from anywhere.
type Stream struct {
	c    *Client
	o    Options
	tell func(Event)

	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // something waits to be written
	stop   chan string   // why we end it

	mu       sync.Mutex
	out      *outbox
	play     *Playout
	texts    []Message
	played   int64 // samples at 8 kHz
	overflow int64
}

func newStream(c *Client, o Options, tell func(Event), now time.Time) *Stream {
	s := &Stream{c: c, o: o, tell: tell, wake: make(chan struct{}, 1), stop: make(chan string, 1),
		out: newOutbox(o.Format, o.Rate, o.Tracks[0] == Mixed, now), play: NewPlayout(int(media.Samples(c.cfg.Playout)))}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Wants tells whether the machine hears a track.
func (s *Stream) Wants(t Track) bool {
	if s.o.Direction == Speak {
		return false
	}
	for _, x := range s.o.Tracks {
		if x == t || x == Mixed {
			return true
		}
	}
	return false
}

// Speaks tells whether the machine may be heard.
func (s *Stream) Speaks() bool { return s.o.Direction != Listen }

// Wide tells whether sound above 4 kHz is of use.
func (s *Stream) Wide() bool { return s.o.Rate > media.ClockRate }

// Hear takes sound of a track at rate Hz; at is where it lies on the sender's line in
// samples at 8 kHz, which began anew when fresh.
func (s *Stream) Hear(now time.Time, track uint8, fresh bool, rate int, at uint32, pcm []int16) {
	s.mu.Lock()
	s.out.put(now, Track(track), fresh, rate, at, pcm)
	ready := s.out.n > 0
	s.mu.Unlock()
	if ready {
		s.rouse()
	}
}

// Speak fills pcm with the next 20 ms at 8 kHz of the machine's sound; false is
// silence.
func (s *Stream) Speak(pcm []int16) bool {
	s.mu.Lock()
	before := s.play.Samples()
	got := s.play.Next(pcm, s.reached)
	s.played += int64(before - s.play.Samples())
	ready := len(s.texts) > 0
	s.mu.Unlock()
	if ready {
		s.rouse()
	}
	return got
}

// Key tells the machine of a key that the caller pressed.
func (s *Stream) Key(digit byte) {
	s.mu.Lock()
	s.say(Message{Type: "dtmf", Digits: string(rune(digit))})
	s.mu.Unlock()
	s.rouse()
}

// Stop ends the stream; Ended follows. Safe to call twice.
func (s *Stream) Stop(reason string) {
	select {
	case s.stop <- reason:
		time.AfterFunc(stopBound, s.cancel) // a peer that takes nothing does not hold it up
	default:
	}
}

func (s *Stream) reached(mark string)     { s.say(Message{Type: "mark", Name: mark}) }
func (s *Stream) clearedMark(mark string) { s.say(Message{Type: "mark", Name: mark, Cleared: true}) }

// say queues a text; under mu. A peer so slow that they pile up loses the newest.
func (s *Stream) say(m Message) {
	if len(s.texts) < maxTexts {
		s.texts = append(s.texts, m)
	}
}

func (s *Stream) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run is the stream's life.
func (s *Stream) run() {
	var r Result
	defer func() {
		s.cancel()
		s.mu.Lock()
		r.Dropped = s.out.dropped
		r.Sent = s.out.frames - s.out.dropped - uint64(s.out.n)
		r.Played, r.Overflow = media.Duration(s.played), media.Duration(s.overflow)
		s.mu.Unlock()
		s.c.metrics.count(&r)
		s.c.forget(s)
		s.tell(Ended{r})
	}()
	p, err := s.reach()
	if p == nil {
		r.Outcome, r.Detail = OutcomeRefused, "stopped"
		if err != nil {
			r.Detail = why(err, &s.o)
			s.c.cfg.Log.Warn("stream refused", zap.String("call_id", s.o.Call), zap.String("url", SafeURL(s.o.URL)), zap.String("reason", r.Detail))
		} else {
			r.Outcome = OutcomeStopped
		}
		return
	}
	began := time.Now()
	s.tell(Opened{})
	read := make(chan Result, 1)
	var wg sync.WaitGroup
	wg.Go(func() { read <- s.listen(p, began) })
	r = s.write(p, read, &wg)
	r.Lasted = time.Since(began)
	s.cancel()
	p.close()
	wg.Wait()
	if r.Outcome == OutcomeLost && len(s.stop) > 0 {
		r.Outcome, r.Detail = OutcomeStopped, <-s.stop
	}
}

// reach connects, unless Stop comes first: then peer and error are nil.
func (s *Stream) reach() (peer, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.o.Connect)
	defer cancel()
	type got struct {
		p   peer
		err error
	}
	done := make(chan got, 1)
	go func() { p, err := s.connect(ctx); done <- got{p, err} }()
	select {
	case g := <-done:
		return g.p, g.err
	case <-s.stop:
		cancel()
		if g := <-done; g.p != nil {
			g.p.close()
		}
		return nil, nil
	}
}

// write sends what waits until the end.
func (s *Stream) write(p peer, read <-chan Result, wg *sync.WaitGroup) Result {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	dead := make(chan error, 1)
	buf := make([]byte, 0, s.out.size)
	for {
		select {
		case r := <-read:
			return r
		case err := <-dead:
			return Result{Outcome: OutcomeLost, Detail: why(err, &s.o)}
		case reason := <-s.stop:
			ctx, cancel := context.WithTimeout(s.ctx, stopBound)
			defer cancel()
			s.drain(ctx, p, &buf)
			p.text(ctx, &Message{Type: "stop", Reason: reason})
			return Result{Outcome: OutcomeStopped, Detail: reason}
		case <-ping.C:
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(s.ctx, s.c.cfg.Stall)
				defer cancel()
				if err := p.ping(ctx); err != nil && s.ctx.Err() == nil {
					select {
					case dead <- err:
					default:
					}
				}
			})
		case <-s.wake:
			ctx, cancel := context.WithTimeout(s.ctx, s.c.cfg.Stall)
			err := s.drain(ctx, p, &buf)
			cancel()
			if err != nil {
				select {
				case r := <-read: // it said why
					return r
				case reason := <-s.stop:
					return Result{Outcome: OutcomeStopped, Detail: reason}
				default:
				}
				return Result{Outcome: OutcomeLost, Detail: why(err, &s.o)}
			}
		}
	}
}

// drain writes all that waits, texts first: a key overtakes the sound before it.
func (s *Stream) drain(ctx context.Context, p peer, buf *[]byte) error {
	for {
		s.mu.Lock()
		texts := s.texts
		s.texts = nil
		frame := s.out.take((*buf)[:0])
		s.mu.Unlock()
		for i := range texts {
			if err := p.text(ctx, &texts[i]); err != nil {
				return err
			}
		}
		if frame == nil {
			return nil
		}
		if err := p.sound(ctx, frame); err != nil {
			return err
		}
		if s.ctx.Err() != nil || len(s.stop) > 0 {
			return nil
		}
	}
}

var errFlood = errors.New("more than it may send")

// listen reads until the end.
func (s *Stream) listen(p peer, began time.Time) Result {
	fault := func(err error) Result { return Result{Outcome: OutcomeFault, Detail: why(err, &s.o)} }
	var conv *resample.Stream
	if s.o.Rate != media.ClockRate {
		conv = resample.NewStream(s.o.Rate, media.ClockRate)
	}
	texts := 0
	for {
		k, b, err := p.read(s.ctx)
		switch {
		case err != nil && (k == gotSound || tooBig(err)):
			return fault(err)
		case err != nil:
			return Result{Outcome: OutcomeLost, Detail: why(err, &s.o)}
		case k == gotEnd:
			return Result{Outcome: OutcomeEnded}
		case k == gotKey:
			k, b = gotText, []byte(`{"type":"dtmf","digits":"`+printable(string(b))+`"}`)
		}
		switch k {
		case gotText:
			if texts++; texts > textBurst+int(time.Since(began).Seconds()*textsPerSec) {
				return fault(errFlood)
			}
			m, err := ParseCommand(b)
			if err != nil {
				return fault(err)
			}
			if m.Type == "stop" {
				return Result{Outcome: OutcomeEnded, Word: m.Result}
			}
			if err := s.obey(m); err != nil {
				return fault(err)
			}
		case gotSound:
			if !s.Speaks() {
				continue
			}
			if err := s.queue(decode(s.o.Format, b), conv); err != nil {
				return fault(err)
			}
		}
	}
}

// obey does what the machine wants.
func (s *Stream) obey(m Message) error {
	s.mu.Lock()
	ok := true
	switch m.Type {
	case "clear":
		s.play.Clear(s.clearedMark)
	case "mark":
		ok = s.play.Mark(m.Name)
	}
	s.mu.Unlock()
	if !ok {
		return errFlood
	}
	if m.Type == "dtmf" && m.Digits != "" && s.Speaks() {
		s.tell(Digits{m.Digits})
	}
	s.rouse()
	return nil
}

// queue puts sound where Speak finds it.
func (s *Stream) queue(pcm []int16, conv *resample.Stream) error {
	for len(pcm) > 0 {
		part := pcm[:min(len(pcm), resample.MaxFrame)]
		pcm = pcm[len(part):]
		if conv != nil {
			low := make([]int16, len(part)/2+8)
			part = low[:conv.Process(low, part)]
		}
		s.mu.Lock()
		s.overflow += int64(s.play.Put(part))
		flood := s.overflow > int64(s.play.most) // as much again as may wait was thrown away
		s.mu.Unlock()
		if flood {
			return errFlood
		}
	}
	return nil
}
