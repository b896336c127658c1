package call

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/media/vad"
	"github.com/centrala/centrala/pkg/event"
)

// Messages are the files of recordings, to be heard again on the phone and to be
// thrown away. Neither is called in a call's turn.
type Messages interface {
	// Clip is the sound of a recording's file; path is relative to their folder.
	Clip(path string) (*play.Clip, error)
	Drop(path string) error
}

// message is a session.Machine: it hears the caller's side, writes it into a file of
// its own and notes when somebody speaks.
type message struct {
	// set at birth
	rec     *record.Recording
	id      string
	leg     *session.Leg
	silence time.Duration

	// the worker's
	vad    vad.Detector
	ssrc   uint32 // a line of its own after each break
	voiced int    // samples at 8 kHz

	spoke atomic.Int64 // when somebody last spoke, in ns since 1970
	voice atomic.Int64 // how long somebody spoke, in ms
}

// Hear implements session.Machine.
func (g *message) Hear(now time.Time, _ uint8, fresh bool, rate int, at uint32, pcm []int16) {
	if fresh {
		g.ssrc++
	}
	g.rec.WritePCM(record.Left, now, g.ssrc, at, pcm)
	if g.vad.Voice(rate, pcm) {
		g.voiced += len(pcm)
		g.spoke.Store(now.UnixNano())
		g.voice.Store(int64(g.voiced) / 8)
	}
}

// Speak implements session.Machine: it says nothing.
func (*message) Speak([]int16) bool { return false }

func (o *owner) startMessage(e StartMessage) {
	m := o.media(e.Leg)
	failed := func(fault string) {
		o.then(MessageDone{Body: event.RecordingEnded{Recording: e.Recording, Path: e.Path, Fault: fault}})
	}
	if m == nil {
		failed(record.FaultOpen)
		return
	}
	g := &message{id: e.Recording, leg: m, silence: e.Silence}
	rec, err := o.mgr.deps.Recorder.Open(e.Path, o.legs[e.Leg].law, func(r record.Result) {
		o.post(MessageDone{event.RecordingEnded{Recording: e.Recording, Path: r.Name, DurationMs: r.Duration.Milliseconds(), SizeBytes: r.SizeBytes, Fault: r.Fault,
			SHA256: r.SHA256}, time.Duration(g.voice.Load()) * time.Millisecond})
	})
	if err != nil {
		o.log.Error("message not recorded", zap.String("path", e.Path), zap.Error(err))
		failed(record.FaultOpen)
		return
	}
	g.rec = rec
	g.spoke.Store(time.Now().UnixNano())
	o.message = g
	m.Tap(g, 0, false)
	if g.silence > 0 {
		o.setTimer(TimerMessage, time.Now().Add(g.silence))
	}
}

// listenMessage looks whether somebody has spoken lately. A phone that sends nothing
// at all is as silent as one that sends silence.
func (o *owner) listenMessage() {
	g := o.message
	if g == nil {
		return
	}
	now := time.Now()
	if until := time.Unix(0, g.spoke.Load()).Add(g.silence); now.Before(until) {
		o.setTimer(TimerMessage, until)
		return
	}
	o.step(MessageQuiet{g.id})
}

func (o *owner) endMessage() {
	g := o.message
	if g == nil {
		return
	}
	o.message = nil
	o.stopTimer(TimerMessage)
	g.leg.Untap(g)
	// On the worker, behind the last packet it wrote.
	o.mgr.deps.Media.Do(o.group, func(now time.Time) { g.rec.Close(now) })
}

// dropRecording removes a file on a goroutine of its own: the disk may wait.
func (o *owner) dropRecording(path string) {
	files := o.mgr.deps.Messages
	if files == nil {
		return
	}
	go func() {
		if err := files.Drop(path); err != nil {
			o.log.Error("message that nobody wanted not removed", zap.String("path", path), zap.Error(err))
		}
	}()
}
