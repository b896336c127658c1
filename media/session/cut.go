package session

import (
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/rtp"
)

// Prompts are encoded once for all listeners. Packets of G.722 and Opus cannot be
// joined to others as G.711 is (seam.go), so where one listener's prompt begins or ends
// in its middle the leg encodes a frame of its own: one that rises from what was heard
// before, one that falls to silence.

// warmUp frames bring an encoder to about where the prompt's was.
const warmUp = 3

// soft tells whether the leg's prompts need that.
func (l *Leg) soft() bool { return !plain(l.p.Law) && l.canSend }

// stretch copies 20 ms of the clip under way from off on, which may be shorter at its
// end, to the worker's sound buffer; nil when there is none.
func (l *Leg) stretch(off int) (pcm []int16, rate int) {
	p := &l.player
	if p.clip >= len(p.clips) || p.clips[p.clip].Live() != nil {
		return nil, 0
	}
	src, rate := p.clips[p.clip].High(), wide
	if src == nil || l.p.Law.Rate(wide) != wide {
		src, rate = p.clips[p.clip].PCM(), narrow
	}
	n := rate / 50
	at := off * (rate / narrow)
	if off < 0 || at >= len(src) {
		return nil, 0
	}
	pcm = l.w.sound[:n]
	clear(pcm[copy(pcm, src[at:]):])
	return pcm, rate
}

// rise sends the first frame of a prompt that begins in its middle; false when it is to
// begin as the others do.
func (l *Leg) rise(now time.Time) bool {
	p := &l.player
	if p.off == 0 || p.begun || !l.soft() {
		return false
	}
	p.off -= p.off % media.FrameSamples
	pcm, rate := l.stretch(p.off)
	if pcm == nil {
		return false
	}
	m := l.mouthOf(rate)
	if m == nil {
		return false
	}
	m.begin()
	// Over the whole frame: G.722 cannot follow from silence as fast as G.711.
	for i := range pcm {
		pcm[i] = int16(int(pcm[i]) * i / len(pcm))
	}
	l.encode(now, m, m.raise(l, pcm))
	p.off += media.FrameSamples
	p.begun = true
	return true
}

// raise is pcm at the encoder's rate, in the worker's buffer.
func (m *mouth) raise(l *Leg, pcm []int16) []int16 {
	if m.up == nil {
		return pcm
	}
	return l.w.high[:m.up.Process(l.w.high[:], pcm)]
}

// breakOff sends a frame that falls from where a prompt is broken off.
func (l *Leg) breakOff(now time.Time) {
	p := &l.player
	if !p.active || p.off == 0 || !l.soft() || !l.line.Framing() || now.Sub(l.line.At()) > 2*media.FrameDuration {
		return
	}
	last, rate := l.stretch(p.off - media.FrameSamples)
	if last == nil || !steps(last[len(last)-1], 0) {
		return
	}
	m := l.mouthOf(rate)
	if m == nil {
		return
	}
	m.begin()
	for k := min(warmUp, p.off/media.FrameSamples); k > 0; k-- {
		pcm, _ := l.stretch(p.off - k*media.FrameSamples)
		if pcm != nil {
			_, _ = m.enc.Encode(l.w.code[rtp.HeaderSize:], m.raise(l, pcm))
		}
	}
	pcm, _ := l.stretch(p.off)
	if pcm == nil {
		return // it is over
	}
	n := seamLen * rate / narrow
	for i := range pcm {
		pcm[i] = int16(int(pcm[i]) * max(n-i, 0) / n)
	}
	size, err := m.enc.Encode(l.w.code[rtp.HeaderSize:], m.raise(l, pcm))
	if err != nil || size <= 2 && !m.id.Octets() {
		return
	}
	b := l.w.code[:rtp.HeaderSize+size]
	rtp.PutHeader(b, l.p.SendPT, l.line.Tail(uint32(m.id.ClockRate()/50)))
	l.seam.tail, l.seam.tailSeq = 0, l.line.Seq()
	l.send(b)
}
