package session

import (
	"time"

	"github.com/centrala/centrala/media/dtmf"
)

// tones finds keys in the sound of a leg whose peer sends them in-band. Worker only.
type tones struct {
	d    dtmf.Detector
	next uint32 // where the next sample lies, at 8 kHz
}

// detects tells whether keys are looked for in what l receives: where its peer may send
// them so, and only while we are the other side. In a conversation they are the
// partner's to hear, and speech is never taken for one.
func (l *Leg) detects() bool { return l.tones != nil && l.peer == nil && l.member == nil }

// hear takes sound at 8 kHz that lies at at on the sender's line.
func (k *tones) hear(l *Leg, now time.Time, at uint32, pcm []int16) {
	if at != k.next { // what is missing is a pause, and ends a key
		if p, ok := k.d.Reset(); ok {
			l.pressedAs(now, p, true)
		}
	}
	k.next = at + uint32(len(pcm))
	released, n := k.d.Put(pcm)
	for _, p := range released[:n] {
		l.pressedAs(now, p, true)
	}
}
