package call

import (
	"strconv"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/event"
)

// startStream hands the kept leg to a machine; false when there is one already, or
// nobody to hear. step is the flow's action that waits for the end, 0 none.
func (m *Machine) startStream(o stream.Options, step uint64, by string) bool {
	if m.S.Stream != "" || m.ending() || !m.answered() {
		return false
	}
	m.S.Streams++
	m.S.AwaitStreams++
	o.ID, o.Call, o.Tenant = m.S.ID+"-s"+strconv.Itoa(m.S.Streams), m.S.ID, m.S.Tenant
	o.From, o.To, o.Language = m.S.From, m.S.Dialled, m.S.Language
	m.S.Stream, m.S.StreamStep = o.ID, step
	tracks := make([]string, len(o.Tracks))
	for i, t := range o.Tracks {
		tracks[i] = t.String()
	}
	m.journal(event.StreamStarted{Stream: o.ID, URL: stream.SafeURL(o.URL), Protocol: o.Protocol, Direction: o.Direction,
		Tracks: tracks, Format: string(o.Format), Rate: o.Rate, By: by})
	m.do(StartStream{o})
	return true
}

// stopStream ends the stream there is; StreamOver follows and tells no flow.
func (m *Machine) stopStream(reason string) {
	if m.S.Stream != "" {
		m.S.Stream, m.S.StreamStep = "", 0
		m.do(StopStream{reason})
	}
}

func (m *Machine) streamOver(ev StreamOver) {
	r := ev.Result
	m.journal(event.StreamEnded{Stream: ev.ID, Outcome: r.Outcome, Detail: r.Detail, DurationMs: r.Lasted.Milliseconds(),
		FramesSent: r.Sent, FramesDropped: r.Dropped, PlayedMs: r.Played.Milliseconds(), OverflowMs: r.Overflow.Milliseconds()})
	m.S.AwaitStreams--
	if ev.ID == m.S.Stream {
		step := m.S.StreamStep
		m.S.Stream, m.S.StreamStep = "", 0
		if step != 0 && m.S.Phase == Menu && m.S.IVR != nil {
			m.streamDone(step, r)
		}
	}
	m.maybeFinish()
}

func (m *Machine) streamDone(step uint64, r stream.Result) {
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
	case ev.Options == nil && m.S.Stream != "":
		code = 202
		step := m.S.StreamStep
		m.stopStream("asked")
		if step != 0 && m.S.Phase == Menu && m.S.IVR != nil {
			m.streamDone(step, stream.Result{Outcome: stream.OutcomeEnded})
		}
	case ev.Options != nil && m.startStream(*ev.Options, 0, ev.By):
		code = 202
	}
	m.do(AnswerTransfer{Code: code})
}

// streamKey tells the machine of a key, where it is meant for it: in its own step, or
// in a conversation that is being kept.
func (m *Machine) streamKey(ev Key) {
	if m.S.Stream != "" && ev.Leg == m.S.Kept && (m.S.StreamStep != 0 || m.S.Phase == Talking && !m.S.RecPaused) {
		m.do(StreamKey{ev.Digit})
	}
}

// streamStep is the stream step of a flow.
func (m *Machine) streamStep(a ivr.Stream) {
	m.S.Language = a.Language
	m.heard()
	step := a.ID
	if !a.Spec.Wait {
		step = 0
	}
	if !m.startStream(streamOptions(a.Spec), step, "flow") && step != 0 {
		m.streamDone(step, stream.Result{Outcome: stream.OutcomeRefused})
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
