package rtp

import (
	"time"

	"github.com/centrala/centrala/media"
)

// Run is how a source is passed on by a Line while nothing happens: each packet
// one number and Step ticks after the one before. Somebody else can carry it on
// packet by packet, and tell later by Advance how far it came.
type Run struct {
	SSRC, NewSSRC uint32
	Seq, SeqShift uint16 // of the next packet; what is added on the way
	TS, TSShift   uint32
	Step          uint32
	Jitter        time.Duration // so far, 16 times (RFC 3550 A.8)
}

// RunOf tells how l passes on what r receives. ok is false when the next packet
// needs a look: a source that is not followed yet, a packet passed on that was not
// the newest, another packet time.
func RunOf(r *Receiver, l *Line, step uint32) (run Run, ok bool) {
	run, ok = RunIn(r, step)
	if !ok || l.mode != modeRelay || l.inSSRC != r.ssrc || l.inHigh != r.maxSeq || l.ts != r.lastTS+l.shift || l.dur != step {
		return Run{}, false
	}
	run.NewSSRC, run.SeqShift, run.TSShift = l.ssrc, uint16(l.high)-l.inHigh, l.shift
	return run, true
}

// RunIn tells what r receives while nothing happens, for a source that goes nowhere:
// Run without what is made of it.
func RunIn(r *Receiver, step uint32) (run Run, ok bool) {
	if !r.started || !r.timed || step == 0 {
		return Run{}, false
	}
	return Run{
		SSRC: r.ssrc, Seq: r.maxSeq + 1, TS: r.lastTS + step, Step: step, Jitter: media.Duration(int64(r.jitter)),
	}, true
}

// Advance counts n packets of a Run that somebody else took; the newest came at
// last and left jitter, 16 times the interarrival jitter.
func (r *Receiver) Advance(n uint64, step uint32, last time.Time, jitter time.Duration) {
	seq := uint64(r.maxSeq) + n
	r.cycles += uint32(seq &^ (seqMod - 1))
	r.maxSeq = uint16(seq)
	r.received += n
	r.bursts.pkt += n
	r.lastTS += uint32(n) * step
	r.transit = int32(uint32(media.Samples(last.Sub(r.epoch))) - r.lastTS)
	r.jitter = uint32(media.Samples(jitter))
}

// Advance counts n packets of a Run that somebody else sent, the newest at last.
func (l *Line) Advance(n uint64, step uint32, last time.Time) {
	l.high += n
	l.inHigh += uint16(n)
	l.ts += uint32(n) * step
	l.at = last
}
