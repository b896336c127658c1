package session

import (
	"time"

	"github.com/centrala/centrala/media/jitter"
)

// comfortPT is comfort noise at 8 kHz: a static type, which phones send without
// having offered it (RFC 3389 4, RFC 3551 table 4).
const comfortPT = 13

// comfort is noise that a leg is sent while its partner is silent on purpose.
type comfort struct {
	active bool
	noise  jitter.Noise
}

// fallSilent takes a comfort noise packet: until sound comes again the partner, who
// may never have heard of RFC 3389, is sent noise like that.
func (l *Leg) fallSilent(now time.Time, ts uint32, payload []byte) {
	l.quietOK = true
	switch d := l.peer; {
	case l.member != nil:
		l.member.in.PutNoise(ts, payload)
	case d != nil && d != l:
		if d.comfort.noise.Take(payload) {
			d.comfort.active = true
			l.w.activate(d, now)
		}
	}
}

// speakAgain ends the silence.
func (l *Leg) speakAgain() {
	l.quietOK = false
	if d := l.peer; d != nil && d.comfort.active {
		d.comfort.active = false
		d.line.Cut()
	}
}

func (l *Leg) tickComfort(now time.Time) {
	l.comfort.noise.Fill(l.w.pcm[:])
	l.utter(now, l.w.pcm[:])
}
