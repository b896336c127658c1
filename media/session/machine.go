package session

import (
	"time"

	"github.com/centrala/centrala/media"
)

// Machine hears legs and is heard on one: a stream to a robot (package media/stream).
// Its methods run on the worker of the legs and must not wait.
type Machine interface {
	// Hear takes sound of a leg as track at rate Hz: at is where it lies on the
	// sender's line in samples at 8 kHz, without a break unless fresh. pcm is not kept.
	Hear(now time.Time, track uint8, fresh bool, rate int, at uint32, pcm []int16)
	// Speak fills the next 20 ms at 8 kHz; false is silence.
	Speak(pcm []int16) bool
}

// machine is what of a Machine is at a leg.
type machine struct {
	ears    Machine // hears what the leg receives; nil: none
	track   uint8
	fresh   bool
	wide    bool
	voice   Machine // is heard on the leg; nil: none
	talking bool    // in the frame under way
}

// Tap lets m hear what the leg receives, as track; wide asks for 16 kHz where the
// codec has it. Another Machine takes the place of the one before, nil ends it. What
// is relayed goes on as it is.
func (l *Leg) Tap(m Machine, track uint8, wide bool) {
	l.post(func(time.Time) {
		if l.closed {
			return
		}
		l.pull()
		if l.p.Law.Valid() && !l.transcodes(l.p.Law) {
			l.ear = nil // what it last heard is long ago
		}
		l.machine.ears, l.machine.track, l.machine.wide, l.machine.fresh = m, track, wide, true
	})
}

// Voice lets m be heard on the leg in place of the other side whenever it speaks;
// what is played to the leg comes before it. A leg without another side is sent
// silence meanwhile. Nil ends it.
func (l *Leg) Voice(m Machine) {
	l.post(func(now time.Time) {
		if l.closed {
			return
		}
		l.pull()
		was := l.machine.talking
		l.machine.voice, l.machine.talking = m, false
		if m != nil {
			l.w.activate(l, now)
		} else if was || l.peer == nil && l.member == nil {
			l.letDown()
		}
	})
}

// tickVoice sends 20 ms of the machine's sound; false when the other side is heard.
func (l *Leg) tickVoice(now time.Time) bool {
	k := &l.machine
	pcm := l.w.pcm[:media.FrameSamples]
	if was := k.talking; !k.voice.Speak(pcm) {
		k.talking = false
		if l.peer != nil || l.member != nil {
			if was {
				l.letDown() // the other side goes on
			}
			return false
		}
		clear(pcm)
	} else if k.talking = true; !was {
		l.line.Cut()
	}
	l.utter(now, pcm)
	return true
}
