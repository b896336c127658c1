package session

import (
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/dtmf"
	"github.com/centrala/centrala/media/jitter"
	"github.com/centrala/centrala/media/resample"
	"github.com/centrala/centrala/media/rtp"
)

// What is decoded and encoded. As long as two bridged legs speak one codec and
// nobody records or mixes anything but G.711, no packet passes here.

const (
	narrow = media.ClockRate // Hz of mixing, recording and tones
	wide   = 16000           // Hz between two wideband codecs
	// maxSound is the longest packet decoded, in samples at wide.
	maxSound = int(codec.MaxDuration/time.Millisecond) * wide / 1000
	// maxConcealed frames are made up for packets that are missing; more is a pause.
	maxConcealed = 5
)

// hearing makes linear sound of what a leg receives, packet by packet in order. A
// packet that came before the one it follows is held until the next one comes: a
// swapped pair is put right, a lost one waits no longer than that.
type hearing struct {
	id   codec.ID
	rate int
	dec  codec.Decoder
	down *resample.Stream // rate to narrow, for who needs that

	started bool
	ssrc    uint32
	seq     uint16 // that follows
	ts      uint32 // that follows, in ticks of the sender
	at      uint32 // the same in samples at narrow, without a break
	frame   int    // samples of the newest packet, at rate

	holds bool
	held  rtp.Packet
	kept  []byte // payload of held

	// With a peer of another codec packets wait in queue for their moment, and the
	// leg's tick takes 20 ms from it.
	queue    *jitter.Queue // nil: they are decoded as they come
	base     uint32        // position at of queue's zero
	speaking bool          // the last tick had sound for the peer
	counted  jitter.Stats
}

// mouth makes packets of linear sound for a leg.
type mouth struct {
	id   codec.ID
	from int // rate of what is put in
	rate int // of what is encoded
	enc  codec.Encoder
	up   *resample.Stream // from to rate; nil: they are the same
	fifo []int16          // less than a frame, at rate

}

// meetingRate is the rate at which sound goes from one codec to another.
func meetingRate(from, to codec.ID) int {
	if from.Rate(wide) == wide && to.Rate(wide) == wide {
		return wide
	}
	return from.Rate(narrow) // a resampler, if any, is the mouth's
}

// needsSound tells whether what l receives in id must be decoded.
func (l *Leg) needsSound(id codec.ID) bool {
	if !id.Valid() && (l.rec != nil || l.member != nil) || len(l.machine.ears) > 0 || l.detects() {
		return true
	}
	return l.transcodes(id)
}

// transcodes tells whether l's peer takes another codec, and not just the other
// law of G.711, which a table does.
func (l *Leg) transcodes(id codec.ID) bool {
	d := l.peer
	return d != nil && id != d.p.Law && !(id.Valid() && d.p.Law.Valid())
}

// hear takes a packet that must be decoded.
func (l *Leg) hear(now time.Time, id codec.ID, p *rtp.Packet, payload []byte) {
	if ticks := id.Ticks(payload); ticks == 0 || ticks > id.ClockRate()*int(codec.MaxDuration/time.Millisecond)/1000 {
		l.w.count.invalid++
		return
	}
	rate := id.Rate(narrow)
	if l.transcodes(id) {
		rate = meetingRate(id, l.peer.p.Law)
	}
	if l.machine.wide {
		rate = id.Rate(wide)
	}
	e := l.ear
	if e == nil || e.id != id || e.rate != rate {
		dec, err := codec.NewDecoder(id, rate)
		if err != nil {
			l.w.count.ignored++
			l.w.e.log.Error("sound cannot be decoded", zap.Stringer("codec", id), zap.Error(err))
			return
		}
		at := uint32(0)
		if e != nil {
			at = e.at // who listens goes on where the old one was
		}
		e = &hearing{id: id, rate: rate, dec: dec, at: at}
		if rate != narrow {
			e.down = resample.NewStream(rate, narrow)
		}
		l.ear = e
	}
	if l.transcodes(id) {
		l.await(now, p, payload)
		return
	}
	l.endPacing()
	if !e.started || e.ssrc != p.SSRC {
		e.started, e.holds, e.ssrc, e.seq, e.ts = true, false, p.SSRC, p.Seq, p.TS
	}
	switch d := int16(p.Seq - e.seq); {
	case d < 0:
		l.w.count.late++
	case d == 0:
		l.understand(now, p, payload)
		if e.holds && e.held.Seq == e.seq {
			e.holds = false
			l.understand(now, &e.held, e.kept)
		}
	case !e.holds:
		e.holds, e.held = true, *p
		e.kept = append(e.kept[:0], payload...)
	default:
		// Another one and still not that: it is lost.
		e.holds = false
		held := e.held
		if int16(p.Seq-held.Seq) <= 0 { // the order is worse than that
			if p.Seq != held.Seq {
				l.understand(now, p, payload)
			}
			l.understand(now, &held, e.kept)
			return
		}
		l.understand(now, &held, e.kept)
		if p.Seq != e.seq {
			e.holds, e.held = true, *p
			e.kept = append(e.kept[:0], payload...)
			return
		}
		l.understand(now, p, payload)
	}
}

// passOver says that a packet of the stream is no sound: nothing is missing.
func (l *Leg) passOver(p *rtp.Packet) {
	e := l.ear
	if e != nil && e.queue != nil {
		e.queue.Pass(p.Seq)
		return
	}
	if e != nil && e.started && e.ssrc == p.SSRC && int16(p.Seq-e.seq) >= 0 {
		e.seq, e.holds = p.Seq+1, false
	}
}

// understand decodes a packet and what is missing before it.
func (l *Leg) understand(now time.Time, p *rtp.Packet, payload []byte) {
	e, w := l.ear, l.w
	clock := e.id.ClockRate()
	missing := int(int16(p.Seq - e.seq))
	gap := int64(int32(p.TS - e.ts)) // ticks
	if missing > 0 && e.frame > 0 && gap > 0 && gap < int64(clock) {
		ticks := int64(e.frame) * int64(clock) / int64(e.rate)
		n := int(min(int64(missing), gap/ticks, maxConcealed))
		for i := range n {
			pcm := w.sound[:e.frame]
			if i == n-1 {
				e.dec.Recover(pcm, payload)
			} else {
				e.dec.Conceal(pcm)
			}
			w.count.concealed += uint64(e.frame * narrow / e.rate)
			l.sounds(now, p.SSRC, pcm)
			gap -= ticks
		}
	}
	e.at += uint32(gap * narrow / int64(clock)) // a pause: the sender's line moves on
	ticks := e.id.Ticks(payload)
	n, err := e.dec.Decode(w.sound[:], payload)
	e.seq, e.ts = p.Seq+1, p.TS+uint32(ticks)
	if err != nil {
		w.count.invalid++
		e.at += uint32(int64(ticks) * narrow / int64(clock))
		return
	}
	e.frame = n
	l.sounds(now, p.SSRC, w.sound[:n])
}

// sounds passes sound of the leg on to all who want it.
func (l *Leg) sounds(now time.Time, ssrc uint32, pcm []int16) {
	e, w := l.ear, l.w
	at := e.at
	e.at += uint32(len(pcm) * narrow / e.rate)
	others := !e.id.Valid() && (l.rec != nil || l.member != nil) // G.711 goes there as it is
	low := pcm
	if e.down != nil && (others || l.machine.narrow() || l.detects()) {
		low = w.low[:e.down.Process(w.low[:], pcm)]
	}
	if l.detects() {
		l.tones.hear(l, now, at, low)
	}
	for i := range l.machine.ears {
		k := &l.machine.ears[i]
		if k.wide {
			k.m.Hear(now, k.track, k.fresh, e.rate, at, pcm)
		} else {
			k.m.Hear(now, k.track, k.fresh, narrow, at, low)
		}
		k.fresh = false
	}
	if others {
		if l.rec != nil {
			l.rec.WritePCM(l.channel, now, ssrc, at, low)
		}
		if l.member != nil {
			if l.member.role.mode != listener {
				l.member.in.PutPCM(now, ssrc, at, low)
			}
			return
		}
	}
}

// mouthOf is l's encoder for sound at rate; nil when there is none.
func (l *Leg) mouthOf(from int) *mouth {
	m := l.mouth
	if m != nil && m.id == l.p.Law && m.from == from {
		return m
	}
	m = &mouth{id: l.p.Law, from: from, rate: l.p.Law.Rate(from)}
	enc, err := codec.NewEncoder(m.id, m.rate, l.p.Coding)
	if err != nil {
		l.w.e.log.Error("sound cannot be encoded", zap.Stringer("codec", m.id), zap.Error(err))
		return nil
	}
	m.enc = enc
	if m.rate != from {
		m.up = resample.NewStream(from, m.rate)
	}
	m.fifo = make([]int16, 0, m.rate/50+maxSound)
	l.mouth = m
	l.line.Cut()
	return m
}

// say sends 20 ms of another leg's sound as sound of ours.
func (l *Leg) say(now time.Time, rate int, pcm []int16) {
	m := l.mouthOf(rate)
	if m == nil {
		return
	}
	if !l.mayRelay() {
		m.fifo = m.fifo[:0]
		return
	}
	if !l.line.Framing() {
		m.begin()
	}
	if m.up == nil {
		m.fifo = append(m.fifo, pcm...)
	} else {
		n := len(m.fifo)
		m.fifo = m.fifo[:n+m.up.Process(m.fifo[n:cap(m.fifo)], pcm)]
	}
	frame := m.rate / 50
	for len(m.fifo) >= frame {
		l.encode(now, m, m.fifo[:frame])
		m.fifo = m.fifo[:copy(m.fifo, m.fifo[frame:])]
	}
}

// begin forgets what was left of a source before.
func (m *mouth) begin() {
	if m.fifo = m.fifo[:0]; m.up != nil {
		m.up.Reset()
	}
}

// encode sends 20 ms at m's rate.
func (l *Leg) encode(now time.Time, m *mouth, pcm []int16) {
	if m.id.Valid() {
		codec.Encode(m.id, l.w.out[rtp.HeaderSize:], pcm)
		l.frame(now)
		return
	}
	l.meet(now, m.rate, pcm)
	if n, err := m.enc.Encode(l.w.code[rtp.HeaderSize:], pcm); err == nil {
		l.packet(now, n)
		l.seam.tail, l.seam.tailSeq = pcm[len(pcm)-1], l.line.Seq()
	}
}

// expectLoss tells the encoder how many of 256 packets the peer has lost lately, so
// that it spends as much on copies of lost frames as they are worth.
func (l *Leg) expectLoss(of256 uint8) {
	if m := l.mouth; m != nil && l.p.Coding.FEC {
		if e, ok := m.enc.(interface{ SetLoss(percent int) }); ok {
			e.SetLoss(max(l.p.Coding.Loss, int(of256)*100/256))
		}
	}
}

// utter sends 20 ms of linear sound of ours at narrow: w.pcm or c.pcm.
func (l *Leg) utter(now time.Time, pcm []int16) {
	if l.p.Law.Valid() {
		codec.Encode(l.p.Law, l.w.out[rtp.HeaderSize:], pcm)
		l.frame(now)
		return
	}
	if !l.canSend {
		l.line.Cut()
		return
	}
	m := l.mouthOf(narrow)
	if m == nil {
		return
	}
	if !l.line.Framing() {
		m.begin()
	}
	if m.up != nil {
		pcm = l.w.high[:m.up.Process(l.w.high[:], pcm)]
	}
	l.encode(now, m, pcm)
}

// packet sends the n octets in the worker's code buffer as a frame of ours.
func (l *Leg) packet(now time.Time, n int) {
	if !l.canSend {
		l.line.Cut()
		return
	}
	if n <= 2 && !l.p.Law.Octets() { // DTX: nothing is sent, and the next is a new start
		l.line.Cut()
		return
	}
	stamp := l.line.Frame(now, uint32(l.p.Law.ClockRate()/50))
	packet := l.w.code[:rtp.HeaderSize+n]
	rtp.PutHeader(packet, l.p.SendPT, stamp)
	l.send(packet)
}

// eventClock is the clock of the telephone-events of l, in Hz.
func (p *Params) eventClock() int {
	if p.EventClock == 0 {
		return media.ClockRate
	}
	return p.EventClock
}

// passEvent sends an event of another leg, whose timestamps mean nothing here, as
// one of ours; lasted is since its beginning.
func (l *Leg) passEvent(now time.Time, e dtmf.Event, fresh bool, lasted time.Duration) {
	if !l.mayRelay() {
		l.line.Cut()
		return
	}
	// 16 bits at 48 kHz are 1.4 s; a longer press is told as that long, for a new
	// segment of it could be lost.
	ticks := min(int64(lasted)*int64(l.p.eventClock())/int64(time.Second), 0xFFFF)
	e.Duration = uint16(ticks)
	packet := l.w.code[:rtp.HeaderSize+dtmf.EventSize]
	dtmf.PutEvent(packet[rtp.HeaderSize:], e)
	covered := int64(lasted) * int64(l.p.Law.ClockRate()) / int64(time.Second)
	rtp.PutHeader(packet, l.p.EventSendPT, l.line.Event(now, fresh, uint32(covered)))
	l.send(packet)
}
