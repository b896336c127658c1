package call

import (
	"slices"
	"strconv"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/event"
)

// maxStreams bounds the streams that a call has at once: each costs a connection and,
// with a codec other than G.711, nothing more than the decoder they share.
const maxStreams = 4

// Stream is a stream of the call's sound to a machine.
type Stream struct {
	ID     string
	Action uint64 // the flow's action that began it, 0 none
	Step   uint64 // the same while the flow waits for its end, 0 when it does not
	Voice  bool   // the machine may be heard: one of a call at most
}

// startStream hands the kept leg to a machine; false when there are as many as there
// may be, another may be heard already, or there is nobody to hear. action is the
// flow's (0 none), which waits for the end if wait.
func (m *Machine) startStream(o stream.Options, action uint64, wait bool, by string) bool {
	k := Stream{Action: action, Voice: o.Direction != stream.Listen}
	if wait {
		k.Step = action
	}
	if len(m.S.Streams) >= maxStreams || k.Voice && slices.ContainsFunc(m.S.Streams, func(s Stream) bool { return s.Voice }) ||
		m.ending() || !m.answered() {
		return false
	}
	m.S.Streamed++
	m.S.AwaitStreams++
	o.ID, o.Call, o.Tenant = m.S.ID+"-s"+strconv.Itoa(m.S.Streamed), m.S.ID, m.S.Tenant
	o.From, o.To, o.Language = m.S.From, m.S.Dialled, m.S.Language
	k.ID = o.ID
	m.S.Streams = append(m.S.Streams, k)
	tracks := make([]string, len(o.Tracks))
	for i, t := range o.Tracks {
		tracks[i] = t.String()
	}
	m.journal(event.StreamStarted{Stream: o.ID, URL: stream.SafeURL(o.URL), Protocol: o.Protocol, Direction: o.Direction,
		Tracks: tracks, Format: string(o.Format), Rate: o.Rate, By: by})
	m.do(StartStream{o})
	return true
}

// takeStreams takes those out of the state that which says yes to.
func (m *Machine) takeStreams(which func(Stream) bool) (taken []Stream) {
	var kept []Stream
	for _, k := range m.S.Streams {
		if which(k) {
			taken = append(taken, k)
		} else {
			kept = append(kept, k)
		}
	}
	if taken != nil {
		m.S.Streams = kept
	}
	return taken
}

// stopStreams ends the streams that which says yes to and returns them; StreamOver
// follows for each and tells no flow.
func (m *Machine) stopStreams(reason string, which func(Stream) bool) []Stream {
	taken := m.takeStreams(which)
	for _, k := range taken {
		m.do(StopStream{k.ID, reason})
	}
	return taken
}

// anyStream is of stopStreams.
func anyStream(Stream) bool { return true }

func (m *Machine) streamOver(ev StreamOver) {
	r := ev.Result
	m.journal(event.StreamEnded{Stream: ev.ID, Outcome: r.Outcome, Detail: r.Detail, DurationMs: r.Lasted.Milliseconds(),
		FramesSent: r.Sent, FramesDropped: r.Dropped, PlayedMs: r.Played.Milliseconds(), OverflowMs: r.Overflow.Milliseconds()})
	m.S.AwaitStreams--
	for _, k := range m.takeStreams(func(k Stream) bool { return k.ID == ev.ID }) {
		m.streamDone(k.Step, r)
	}
	m.maybeFinish()
}

// streamDone tells the flow that waits for the stream of step; 0 = none does.
func (m *Machine) streamDone(step uint64, r stream.Result) {
	if step == 0 || m.S.Phase != Menu || m.S.IVR == nil {
		return
	}
	done := ivr.StreamDone{ID: step, Outcome: "failed", Result: r.Word}
	if r.Outcome == stream.OutcomeEnded {
		done.Outcome = "ended"
	}
	m.flowEvent(done)
}

// streamAsked is a start (Options) or stop (nil) by API.
func (m *Machine) streamAsked(ev StreamAsked) {
	code := 409
	switch {
	case m.ending():
	case ev.Options == nil:
		stopped := m.stopStreams("asked", func(k Stream) bool { return ev.ID == "" || ev.ID == k.ID })
		if len(stopped) > 0 {
			code = 202
		}
		for _, k := range stopped {
			m.streamDone(k.Step, stream.Result{Outcome: stream.OutcomeEnded})
		}
	case m.startStream(*ev.Options, 0, false, ev.By):
		code = 202
	}
	m.do(AnswerTransfer{Code: code})
}

// streamKey tells machines of a key, where it is meant for them: in a step of their
// own, or in a conversation that is being kept.
func (m *Machine) streamKey(ev Key) {
	if ev.Leg != m.S.Kept {
		return
	}
	for _, k := range m.S.Streams {
		if k.Step != 0 || m.S.Phase == Talking && !m.S.RecPaused {
			m.do(StreamKey{k.ID, ev.Digit})
		}
	}
}

// streamStep is the stream step of a flow.
func (m *Machine) streamStep(a ivr.Stream) {
	m.S.Language = a.Language
	m.heard()
	if !m.startStream(streamOptions(a.Spec), a.ID, a.Spec.Wait, "flow") && a.Spec.Wait {
		m.streamDone(a.ID, stream.Result{Outcome: stream.OutcomeRefused})
	}
}

func streamOptions(b *flow.Stream) stream.Options {
	o := stream.Options{URL: b.URL, Protocol: b.Protocol, Direction: b.Direction, Format: stream.Format(b.Format), Rate: b.Rate, Connect: b.Connect, Hints: b.Hints}
	for _, name := range b.Tracks {
		if t, ok := stream.TrackByName(name); ok {
			o.Tracks = append(o.Tracks, t)
		}
	}
	if len(o.Tracks) == 0 {
		o.Tracks = []stream.Track{stream.Caller}
	}
	return o
}
