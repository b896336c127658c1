package session

import (
	"slices"
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

// machine is what of Machines is at a leg.
type machine struct {
	ears    []listening // hear what the leg receives
	wide    bool        // one of them asks for it
	voice   Machine     // is heard on the leg; nil: none
	talking bool        // in the frame under way
}

// listening is one Machine that hears a leg.
type listening struct {
	m     Machine
	track uint8
	fresh bool
	wide  bool
}

// Tap lets m hear what the leg receives, as track: at 16 kHz where it asks for wide and
// the codec has it, else at 8 kHz. Several may; a Machine that hears the leg already hears
// it as asked for now. What is relayed goes on as it is.
func (l *Leg) Tap(m Machine, track uint8, wide bool) {
	l.post(func(time.Time) {
		k := &l.machine
		if len(k.ears) == 0 && l.p.Law.Valid() && !l.transcodes(l.p.Law) {
			l.ear = nil // what it last heard is long ago
		}
		k.drop(m)
		k.ears = append(k.ears, listening{m, track, true, wide})
		k.wide = k.wide || wide
	})
}

// Untap ends that m hears the leg.
func (l *Leg) Untap(m Machine) { l.post(func(time.Time) { l.machine.drop(m) }) }

// drop takes m out.
func (k *machine) drop(m Machine) {
	k.ears = slices.DeleteFunc(k.ears, func(e listening) bool { return e.m == m })
	k.wide = slices.ContainsFunc(k.ears, func(e listening) bool { return e.wide })
}

// narrow tells whether one of the ears hears at 8 kHz.
func (k *machine) narrow() bool {
	return slices.ContainsFunc(k.ears, func(e listening) bool { return !e.wide })
}

// Voice lets m be heard on the leg in place of the other side whenever it speaks;
// what is played to the leg comes before it. A leg without another side is sent
// silence meanwhile. Nil ends it.
func (l *Leg) Voice(m Machine) {
	l.post(func(now time.Time) {
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
