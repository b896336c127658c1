package call

import (
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/media/stream"
)

// streaming is the owner's part of a stream: which legs it is at.
type streaming struct {
	id     string
	stream *stream.Stream
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
	o.streams = append(o.streams, &streaming{id: id, stream: s})
}

// streamOf is the stream of an id, nil when there is none.
func (o *owner) streamOf(id string) *streaming {
	for _, k := range o.streams {
		if k.id == id {
			return k
		}
	}
	return nil
}

func (o *owner) stopStream(id, reason string) {
	if k := o.streamOf(id); k != nil {
		k.stream.Stop(reason)
	}
}

// aimStreams puts the streams at the legs that they are for now, and takes those away
// that are over. Legs come and go; this is looked at after each event.
func (o *owner) aimStreams() {
	if len(o.streams) == 0 {
		return
	}
	open := func(k *streaming) bool {
		return slices.ContainsFunc(o.m.S.Streams, func(s Stream) bool { return s.ID == k.id })
	}
	o.streams = slices.DeleteFunc(o.streams, func(k *streaming) bool { // first: another may be heard in its place
		if open(k) {
			return false
		}
		k.aim([2]*session.Leg{}, nil)
		return true
	})
	kept := o.media(o.m.S.Kept)
	for _, k := range o.streams {
		var ears [2]*session.Leg
		var voice *session.Leg
		if k.stream.Wants(stream.Caller) {
			ears[stream.Caller] = kept
		}
		if o.m.S.Phase == Talking && o.m.S.Peer != 0 && k.stream.Wants(stream.Agent) {
			ears[stream.Agent] = o.media(o.m.S.Peer)
		}
		if k.stream.Speaks() {
			voice = kept
		}
		k.aim(ears, voice)
	}
}

// aim puts the stream at these legs and takes it from the others.
func (k *streaming) aim(ears [2]*session.Leg, voice *session.Leg) {
	for i, old := range k.ears {
		if old != ears[i] && old != nil {
			old.Untap(k.stream)
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

// unhear takes the streams from a leg that is given away.
func (o *owner) unhear(l *session.Leg) {
	if l == nil {
		return
	}
	for _, k := range o.streams {
		ears, voice := k.ears, k.voice
		for i := range ears {
			if ears[i] == l {
				ears[i] = nil
			}
		}
		if voice == l {
			voice = nil
		}
		k.aim(ears, voice)
	}
}

// streamDigits are keys that the machine wants sent.
type streamDigits struct{ id, digits string }

func (o *owner) sendStreamDigits(d streamDigits) {
	open := slices.ContainsFunc(o.m.S.Streams, func(s Stream) bool { return s.ID == d.id })
	if m := o.media(o.m.S.Kept); m != nil && open {
		m.SendDigits(d.digits)
	}
}

// Stream opens a stream for a live call of a tenant. It returns what Command does;
// 409 when there are as many as a call may have, another that is heard is open
// already, or nobody has answered.
func (m *Manager) Stream(done <-chan struct{}, tenant, id string, o *stream.Options, by string) int {
	return m.ask(done, tenant, id, command{kind: "stream", stream: o, by: by})
}

// StopStream ends the stream of a live call of a tenant, "" all of them. 409: there
// is none.
func (m *Manager) StopStream(done <-chan struct{}, tenant, id, stream, by string) int {
	return m.ask(done, tenant, id, command{kind: "stream", target: stream, by: by})
}
