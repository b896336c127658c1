package session

import (
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/rtp"
)

const (
	// seamLen is over how many samples one sound goes over into the next: 5 ms,
	// which is no click any more and not yet a fade.
	seamLen = 40
	// seamStale: what was sent so much earlier, in ticks, is not heard any more; the
	// peer has concealed it away (60 ms, G.711 Appendix I) and the new sound rises
	// from silence.
	seamStale = 480
	// seamStep is a step between two samples that may be heard: -35 dB of full scale.
	seamStep = 600
	// seamWait: who has something to send has sent it by then.
	seamWait = 30 * time.Millisecond
)

// seam keeps clicks out of a leg's line where what is heard on it changes: prompt,
// key, music, talk. It knows the last sample that was sent; the next sound rises in
// 5 ms while that falls to nothing. It works on encoded G.711, and for other codecs on
// what is about to be encoded.
type seam struct {
	last byte // octet that the newest packet ended with
	law  codec.Law
	seq  uint16 // of that packet
	ts   uint32
	open bool // nothing has followed yet and that is to be let down to silence

	// The same of what an encoder was given.
	tail    int16
	tailSeq uint16
}

func plain(law codec.Law) bool { return law == codec.PCMU || law == codec.PCMA }

// sent notes what a packet ended with; fresh says that it began a new source, and
// its beginning is then joined to what was heard before.
func (s *seam) sent(law codec.Law, st rtp.Stamp, payload []byte, fresh bool) {
	n := len(payload)
	if n == 0 || !plain(law) {
		s.seq = st.Seq - 2 // knows nothing
		return
	}
	if fresh {
		from := int16(0)
		if plain(s.law) && st.Seq == s.seq+1 && st.TS-s.ts <= uint32(n)+seamStale {
			from = sample(s.law, s.last)
		}
		if steps(sample(law, payload[0]), from) {
			join(law, payload, from, 0)
		}
	}
	s.last, s.law, s.seq, s.ts = payload[n-1], law, st.Seq, st.TS
}

func sample(law codec.Law, octet byte) int16 {
	var v [1]int16
	codec.Decode(law, v[:], []byte{octet})
	return v[0]
}

func steps(a, b int16) bool {
	d := int(a) - int(b)
	return d > seamStep || d < -seamStep
}

// join lets payload rise while from falls, both linearly; done samples of it stand
// in the packet before. It returns how many it did.
func join(law codec.Law, payload []byte, from int16, done int) int {
	const n = seamLen + 1
	var pcm [seamLen]int16
	part := payload[:min(len(payload), seamLen-done)]
	codec.Decode(law, pcm[:], part)
	for i := range part {
		w := int32(done + i + 1)
		pcm[i] = int16((int32(pcm[i])*w + int32(from)*(n-w)) / n)
	}
	codec.Encode(law, part, pcm[:len(part)])
	return len(part)
}

// meet joins pcm, 20 ms that l's encoder is about to be given, to what was heard on
// the line before, if that was another source.
func (l *Leg) meet(now time.Time, rate int, pcm []int16) {
	if l.line.Framing() {
		return
	}
	from := int16(0)
	if l.seam.tailSeq == l.line.Seq() && now.Sub(l.line.At()) <= media.FrameDuration+media.Duration(seamStale) {
		from = l.seam.tail
	}
	if !steps(pcm[0], from) {
		return
	}
	n := int32(seamLen*rate/narrow) + 1
	for i := range pcm[:n-1] {
		w := int32(i + 1)
		pcm[i] = int16((int32(pcm[i])*w + int32(from)*(n-w)) / n)
	}
}

// fall lets the end of payload go down to silence: left samples of it follow in the
// next one.
func fall(law codec.Law, payload []byte, left int) {
	at := max(len(payload)+left-seamLen, 0)
	if !plain(law) || at >= len(payload) {
		return
	}
	var pcm [seamLen]int16
	part := payload[at:]
	codec.Decode(law, pcm[:], part)
	for i := range part {
		pcm[i] = int16(int32(pcm[i]) * int32(len(part)-i+left) / (seamLen + 1))
	}
	codec.Encode(law, part, pcm[:len(part)])
}

// letDown ends what a leg is sent. If nothing follows for seamWait, a frame that
// falls from the last sample to silence does.
func (l *Leg) letDown() {
	l.line.Cut()
	if s := &l.seam; l.canSend && s.seq == l.line.Seq() && plain(l.p.Law) && plain(s.law) { // not when the kernel sent the last
		if steps(sample(s.law, s.last), 0) {
			s.open = true
			l.w.activate(l, l.w.now)
		}
	} else if m := l.mouth; l.canSend && m != nil && m.id == l.p.Law && !m.id.Valid() && s.tailSeq == l.line.Seq() && steps(s.tail, 0) {
		s.open = true
		l.w.activate(l, l.w.now)
	}
}

// tickSeam is that tick.
func (l *Leg) tickSeam(now time.Time) {
	age := now.Sub(l.line.At())
	if l.line.IsCut() && age < seamWait {
		return
	}
	l.seam.open = false
	if !l.line.IsCut() || !l.canSend || age > media.Duration(seamStale) {
		return // something has followed
	}
	if m := l.mouth; !plain(l.p.Law) {
		if m != nil && m.id == l.p.Law {
			l.tickFall(now, m)
		}
		return
	}
	payload := l.w.out[rtp.HeaderSize:]
	silence(payload, l.p.Law)
	stamp := l.line.Tail(media.FrameSamples)
	l.seam.sent(l.p.Law, stamp, payload, true)
	rtp.PutHeader(l.w.out[:], l.p.SendPT, stamp)
	l.send(l.w.out[:])
}

// tickFall is tickSeam for what is encoded.
func (l *Leg) tickFall(now time.Time, m *mouth) {
	pcm := l.w.high[:m.rate/50]
	clear(pcm)
	n := seamLen * m.rate / narrow
	for i := range n {
		pcm[i] = int16(int(l.seam.tail) * (n - i) / (n + 1))
	}
	packet, err := m.enc.Encode(l.w.code[rtp.HeaderSize:], pcm)
	if err != nil || packet <= 2 && !m.id.Octets() {
		return
	}
	l.seam.tail = 0
	b := l.w.code[:rtp.HeaderSize+packet]
	rtp.PutHeader(b, l.p.SendPT, l.line.Tail(uint32(m.id.ClockRate()/50)))
	l.send(b)
}

// fadeIn lets pcm rise from silence, fadeOut lets it fall and be silent, within 5 ms.
func fadeIn(pcm []int16) {
	for i := range pcm[:seamLen] {
		pcm[i] = int16(int32(pcm[i]) * int32(i+1) / (seamLen + 1))
	}
}

func fadeOut(pcm []int16) {
	for i := range pcm[:seamLen] {
		pcm[i] = int16(int32(pcm[i]) * int32(seamLen-i) / (seamLen + 1))
	}
	clear(pcm[seamLen:])
}
