package call

import (
	"errors"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/media/stream"
)

// streaming is the owner's part of a stream: which legs it is at.
type streaming struct {
	stream *stream.Stream // nil: none
	ears   [2]*session.Leg
	voice  *session.Leg
}

func (o *owner) startStream(e StartStream) {
	id, client := e.Options.ID, o.mgr.deps.Streams
	err := errors.New("this node has no streams")
	var s *stream.Stream
	if client != nil {
		s, err = client.Open(e.Options, func(ev stream.Event) {
			switch ev := ev.(type) {
			case stream.Ended:
				o.post(StreamOver{id, ev.Result})
			case stream.Digits:
				o.post(streamDigits{id, ev.Digits})
			}
		})
	}
	if err != nil {
		o.log.Warn("stream not opened", zap.String("url", stream.SafeURL(e.Options.URL)), zap.Error(err))
		o.then(StreamOver{id, stream.Result{Outcome: stream.OutcomeRefused, Detail: err.Error()}})
		return
	}
	if o.streaming.stream != nil {
		o.dropStream() // the one before has ended by itself
	}
	o.streaming.stream = s
}

func (o *owner) stopStream(reason string) {
	if s := o.streaming.stream; s != nil {
		o.dropStream()
		s.Stop(reason)
	}
}

// dropStream takes the stream from the legs.
func (o *owner) dropStream() {
	o.streaming.stream = nil
	o.aimStream()
}

// aimStream puts the stream at the legs that it is for now. Legs come and go; this is
// looked at after each event.
func (o *owner) aimStream() {
	k := &o.streaming
	if k.stream == nil && k.voice == nil && k.ears == [2]*session.Leg{} {
		return
	}
	var ears [2]*session.Leg
	var voice *session.Leg
	if s := k.stream; s != nil {
		kept := o.media(o.m.S.Kept)
		if s.Wants(stream.Caller) {
			ears[stream.Caller] = kept
		}
		if o.m.S.Phase == Talking && o.m.S.Peer != 0 && s.Wants(stream.Agent) {
			ears[stream.Agent] = o.media(o.m.S.Peer)
		}
		if s.Speaks() {
			voice = kept
		}
	}
	for i, old := range k.ears {
		if old != ears[i] && old != nil {
			old.Tap(nil, 0, false)
		}
	}
	for i, l := range ears {
		if l != k.ears[i] && l != nil {
			l.Tap(k.stream, uint8(i), k.stream.Wide())
		}
	}
	if k.voice != voice {
		if k.voice != nil {
			k.voice.Voice(nil)
		}
		if voice != nil {
			voice.Voice(k.stream)
		}
	}
	k.ears, k.voice = ears, voice
}

// unhear takes the stream from a leg that is given away.
func (o *owner) unhear(l *session.Leg) {
	k := &o.streaming
	for i := range k.ears {
		if l != nil && k.ears[i] == l {
			l.Tap(nil, 0, false)
			k.ears[i] = nil
		}
	}
	if l != nil && k.voice == l {
		l.Voice(nil)
		k.voice = nil
	}
}

// streamDigits are keys that the machine wants sent.
type streamDigits struct{ id, digits string }

func (o *owner) sendStreamDigits(d streamDigits) {
	if m := o.media(o.m.S.Kept); m != nil && d.id == o.m.S.Stream {
		m.SendDigits(d.digits)
	}
}

// Stream opens a stream for a live call of a tenant, or with nil ends the one there
// is. It returns what Command does; 409 when there is one already, or none, or nobody
// has answered.
func (m *Manager) Stream(done <-chan struct{}, tenant, id string, o *stream.Options, by string) int {
	return m.ask(done, tenant, id, command{kind: "stream", stream: o, by: by})
}
