package session

import (
	"time"

	"github.com/centrala/centrala/media/jitter"
	"github.com/centrala/centrala/media/rtp"
)

// A leg whose peer speaks another codec has a jitter buffer in front of its decoder:
// the far phone is sent a packet each 20 ms, whatever the line of the near one does.
// The sound reaches recordings and machines when it is decoded, with the time at
// which its packet came, so that they lie where they lay.

// await puts a packet into the queue of l's ear.
func (l *Leg) await(now time.Time, p *rtp.Packet, payload []byte) {
	e := l.ear
	ticks := uint32(e.id.Ticks(payload))
	l.w.activate(l, now)
	if e.queue != nil {
		e.queue.Put(now, p.SSRC, p.Seq, p.TS, ticks, payload)
		return
	}
	e.queue = jitter.NewQueue(jitter.QueueConfig{Clock: e.id.ClockRate(), Rate: e.rate, Decoder: e.dec,
		Heard: func(s jitter.Sound, pcm []int16) {
			e.at = e.base + uint32(s.Pos*narrow/int64(e.rate))
			l.sounds(s.Arrived, s.SSRC, pcm)
		}})
	e.counted = jitter.Stats{}
	e.queue.Put(now, p.SSRC, p.Seq, p.TS, ticks, payload)
	_, _, pos := e.queue.Next()
	e.base = e.at - uint32(pos*narrow/int64(e.rate))
	if e.started && e.ssrc == p.SSRC { // it was decoded as it came up to now
		if gap := int64(int32(p.TS - e.ts)); gap > 0 {
			e.base += uint32(gap * narrow / int64(e.id.ClockRate()))
		}
	}
}

// endPacing goes back to decoding packets as they come.
func (l *Leg) endPacing() {
	e := l.ear
	if e == nil || e.queue == nil {
		return
	}
	e.queue.Drain()
	e.seq, e.ts, _ = e.queue.Next()
	e.queue, e.speaking, e.holds = nil, false, false
}

// paces tells whether l's tick takes sound for the peer from the queue.
func (l *Leg) paces() bool {
	return l.ear != nil && l.ear.queue != nil && l.transcodes(l.ear.id)
}

// pace is that tick.
func (l *Leg) pace(now time.Time) {
	e, d := l.ear, l.peer
	pcm := l.w.sound[:e.rate/50]
	kind := e.queue.Get(now, pcm)
	s := e.queue.Stats()
	l.w.count.late += s.Late - e.counted.Late
	l.w.count.concealed += (s.Concealed - e.counted.Concealed) * narrow / uint64(e.rate)
	e.counted = s
	_, key := l.keys.Active()
	switch {
	case key || d.comfort.active: // heard instead, on the same line
		e.speaking = false
	case kind != jitter.Silent:
		e.speaking = true
		d.say(now, e.rate, pcm)
	case e.speaking:
		e.speaking = false
		d.letDown()
	}
}
