package rtp

import (
	"time"

	"github.com/centrala/centrala/media"
)

// Line is the one outgoing stream of a leg for life: one SSRC, rising sequence
// numbers, timestamps that follow the wall clock across all changes of source.
// What is relayed keeps the sender's own gaps and order, so that its losses stay
// visible to the far side; what is ours (frames, events) is numbered in order.
type Line struct {
	ssrc uint32
	// high is the highest sequence number sent, extended so that it never
	// wraps; it starts above 1<<16 so that late packets do not underflow.
	high uint64
	ts   uint32    // timestamp of the newest packet
	at   time.Time // when ts was first sent
	dur  uint32    // ticks that the newest packet covers
	used bool      // anything sent yet
	rate int64     // ticks a second; 0 = media.ClockRate
	// joined: the newest packet began a source.
	joined bool

	mode mode
	// Relay only: the source followed, its highest sequence number, what its
	// timestamps are shifted by, and high as it was when the source began.
	inSSRC uint32
	inHigh uint16
	shift  uint32
	floor  uint64
}

type mode uint8

const (
	modeCut   mode = iota // the next packet begins anew
	modeRelay             // following a source
	modeFrame             // our own frames, back to back
	modeEvent             // inside a telephone-event of ours
)

// NewLine starts a line. SSRC, sequence number and timestamp should be random
// (RFC 3550 5.1); a line's first packet has seq+1.
func NewLine(ssrc uint32, seq uint16, ts uint32) Line {
	return Line{ssrc: ssrc, high: 1<<16 + uint64(seq), ts: ts}
}

// SetClock changes the rate of the timestamps, in Hz: another codec. The line goes
// on with the same SSRC, as the peer agreed to in one session (RFC 7160 4.1).
func (l *Line) SetClock(hz int) {
	if int64(hz) != l.clock() {
		l.rate, l.mode = int64(hz), modeCut
	}
}

func (l *Line) clock() int64 {
	if l.rate == 0 {
		return media.ClockRate
	}
	return l.rate
}

// ticks of the line's clock in d.
func (l *Line) ticks(d time.Duration) int64 {
	return int64(d/time.Second)*l.clock() + int64(d%time.Second)*l.clock()/int64(time.Second)
}

// SSRC is the line's own for life.
func (l *Line) SSRC() uint32 { return l.ssrc }

// Used tells whether anything was sent.
func (l *Line) Used() bool { return l.used }

// Cut says that what comes next is another source, or the same after a pause: its
// first packet carries the marker and a timestamp derived from the wall clock.
func (l *Line) Cut() { l.mode = modeCut }

// IsCut tells that the next packet begins another source.
func (l *Line) IsCut() bool { return l.mode == modeCut }

// Framing tells that the newest packet was a frame of ours which the next one follows.
func (l *Line) Framing() bool { return l.mode == modeFrame }

// At is when the newest packet was sent; zero before the first.
func (l *Line) At() time.Time { return l.at }

// Seq is the highest sequence number sent.
func (l *Line) Seq() uint16 { return uint16(l.high) }

// Joined tells that the newest packet of sound began a source: there was a Cut
// before it, or the sender that is relayed began anew.
func (l *Line) Joined() bool { return l.joined }

// NowTS is the timestamp that belongs to now, for sender reports (RFC 3550 6.4.1).
func (l *Line) NowTS(now time.Time) uint32 {
	if !l.used {
		return l.ts
	}
	return l.ts + uint32(l.ticks(now.Sub(l.at)))
}

// next moves ts to now: by the time that passed, but never into what the newest
// packet covers, for a receiver would throw that away.
func (l *Line) next(now time.Time) {
	if l.used {
		step := uint32(0)
		if d := now.Sub(l.at); d > 0 {
			step = uint32(l.ticks(d))
		}
		l.ts += max(step, l.dur)
	}
	l.at, l.used = now, true
}

func (l *Line) stamp(marker bool) Stamp {
	return Stamp{SSRC: l.ssrc, TS: l.ts, Seq: uint16(l.high), Marker: marker}
}

// Frame numbers a packet of our own sound of samples ticks. Frames without a Cut
// between them are back to back whatever the clock says.
func (l *Line) Frame(now time.Time, samples uint32) Stamp {
	fresh := l.mode != modeFrame
	l.joined = fresh
	if fresh {
		l.next(now)
	} else {
		l.ts += l.dur
		l.at = now
	}
	l.mode, l.dur = modeFrame, samples
	l.high++
	return l.stamp(fresh)
}

// Tail numbers a last frame of sound of samples ticks behind the newest packet, as
// if it had been sent with it, and cuts the line.
func (l *Line) Tail(samples uint32) Stamp {
	l.ts += l.dur
	l.at = l.at.Add(time.Duration(l.dur) * time.Second / time.Duration(l.clock()))
	l.mode, l.dur, l.joined = modeCut, samples, true
	l.high++
	return l.stamp(false)
}

// Event numbers a telephone-event packet of our own; first is true for the first
// packet of each event. All packets of one event share a timestamp; the marker
// is on the first (RFC 4733 2.5.1.1). dur is the event's duration so far in ticks.
func (l *Line) Event(now time.Time, first bool, dur uint32) Stamp {
	fresh := first || l.mode != modeEvent
	if fresh {
		l.next(now)
	}
	l.mode, l.dur = modeEvent, dur
	l.high++
	return l.stamp(fresh)
}

// A sender's timestamps may be a second from the wall clock before they are taken
// for a new line of its own: more than any jitter or burst, and little enough that
// the far side's jitter buffer is not upset.

// leaps tells whether a newer packet's timestamp does not follow from the ones
// before. Phones begin anew with the same SSRC after a hold (RFC 3550 5.1 forbids
// it); passed on, the leap would break our line for the peer.
func (l *Line) leaps(now time.Time, p *Packet) bool {
	if int16(p.Seq-l.inHigh) <= 0 {
		return false
	}
	off := int64(int32(p.TS + l.shift - l.NowTS(now)))
	return off > l.clock() || off < -l.clock()
}

// Relay numbers a packet of another sender that covers dur ticks. ok is false for
// a packet older than the moment its source was switched in: its number belongs
// to the source before.
func (l *Line) Relay(now time.Time, p *Packet, dur uint32) (s Stamp, ok bool) {
	if l.mode != modeRelay || p.SSRC != l.inSSRC || l.leaps(now, p) {
		l.next(now)
		l.mode, l.dur = modeRelay, dur
		l.inSSRC, l.inHigh, l.shift, l.floor = p.SSRC, p.Seq, l.ts-p.TS, l.high
		l.high++
		l.joined = true
		return l.stamp(true), true
	}
	l.joined = false
	d := int16(p.Seq - l.inHigh)
	ts := p.TS + l.shift
	if d > 0 {
		l.high += uint64(d)
		l.inHigh = p.Seq
		if ts != l.ts { // the packets of one event share a timestamp
			l.ts, l.at = ts, now
		}
		l.dur = dur
		return l.stamp(p.Marker), true
	}
	seq := l.high + uint64(int64(d))
	if seq <= l.floor {
		return Stamp{}, false
	}
	return Stamp{SSRC: l.ssrc, TS: ts, Seq: uint16(seq), Marker: p.Marker}, true
}
