package rtp

import (
	"time"

	"github.com/centrala/centrala/media"
)

// RFC 3550 A.1.
const (
	maxDropout  = 3000
	maxMisorder = 100
	seqMod      = 1 << 16
)

// Verdict is what Receiver.Take thinks of a packet.
type Verdict uint8

const (
	// Wild: the sequence number jumped. The packet is not to be used; if the
	// next one follows it, the sender has restarted (RFC 3550 A.1).
	Wild Verdict = iota
	// Fresh: the first packet of a source, or of one that restarted.
	Fresh
	// Next: newer than all before.
	Next
	// Late: reordered or doubled.
	Late
)

// Receiver keeps the statistics of one incoming stream (RFC 3550 6.4.1, A.1, A.3,
// A.8). It survives changes of the SSRC: totals go on, the sequence begins anew.
// The two-packet probation of A.1 is left out for a new SSRC: our streams are
// locked to a signalled address, and the first packet is part of a greeting.
type Receiver struct {
	ssrc     uint32
	started  bool
	maxSeq   uint16
	cycles   uint32 // count of wraps, shifted by 16
	base     uint32
	bad      uint32 // the sequence number that would confirm a restart
	received uint64
	runs     uint64 // gaps in the sequence, over all sources
	bursts   bursts

	expectedPrior, receivedPrior uint64

	// Sums of sources before this one.
	pastExpected, pastReceived uint64

	epoch   time.Time // origin of arrival times, for jitter
	transit int32
	timed   bool // transit holds a value
	lastTS  uint32
	jitter  uint32 // times 16, as in A.8
	rate    int64  // ticks a second of the timestamps; 0 = media.ClockRate
}

// SetClock tells the rate of the sender's timestamps, in Hz; jitter is measured
// anew when it changes.
func (r *Receiver) SetClock(hz int) {
	if int64(hz) != r.clockRate() {
		r.rate, r.timed, r.jitter = int64(hz), false, 0
	}
}

func (r *Receiver) clockRate() int64 {
	if r.rate == 0 {
		return media.ClockRate
	}
	return r.rate
}

// SSRC is the source heard last; ok is false before the first packet.
func (r *Receiver) SSRC() (ssrc uint32, ok bool) { return r.ssrc, r.started }

// Resync forgets where the sequence stood, after a time in which packets were
// dropped on purpose: they are not lost.
func (r *Receiver) Resync() {
	if r.started {
		r.fold()
		r.started, r.timed = false, false
	}
}

func (r *Receiver) fold() {
	r.pastExpected += r.expected()
	r.pastReceived += r.received
	r.received, r.expectedPrior, r.receivedPrior = 0, 0, 0
	r.base = r.cycles + uint32(r.maxSeq) + 1 // expected() is 0 until the next start
}

// expected in the present source (A.3).
func (r *Receiver) expected() uint64 {
	if !r.started {
		return 0
	}
	return uint64(r.cycles + uint32(r.maxSeq) - r.base + 1)
}

func (r *Receiver) start(p *Packet) {
	if r.started {
		r.fold()
	}
	r.started, r.ssrc = true, p.SSRC
	r.base, r.maxSeq, r.cycles = uint32(p.Seq), p.Seq, 0
	r.bad = seqMod + 1 // so that no sequence number equals it
	r.received, r.expectedPrior, r.receivedPrior = 1, 0, 0
	r.timed = false
}

// Take counts a packet that arrived at now. audio is false for telephone-events,
// whose repeated timestamps say nothing about jitter.
func (r *Receiver) Take(now time.Time, p *Packet, audio bool) Verdict {
	if !r.started || p.SSRC != r.ssrc {
		r.start(p)
		r.clock(now, p, audio)
		return Fresh
	}
	v := Next
	delta := p.Seq - r.maxSeq
	switch {
	case delta != 0 && delta < maxDropout: // in order, a gap allowed
		if p.Seq < r.maxSeq {
			r.cycles += seqMod
		}
		r.maxSeq = p.Seq
		if delta > 1 {
			r.runs++
			r.bursts.miss(uint64(delta - 1))
		}
		r.bursts.pkt++
	case delta != 0 && uint32(delta) <= seqMod-maxMisorder: // a very large jump
		if uint32(p.Seq) != r.bad {
			r.bad = (uint32(p.Seq) + 1) & (seqMod - 1)
			return Wild
		}
		r.start(p) // two in sequence: the other side restarted
		v = Fresh
		r.received = 0 // counted below
	default:
		v = Late
	}
	r.received++
	if v != Late {
		r.clock(now, p, audio)
	}
	return v
}

// clock is A.8: the interarrival jitter in timestamp ticks, times 16.
func (r *Receiver) clock(now time.Time, p *Packet, audio bool) {
	if !audio || r.timed && p.TS == r.lastTS {
		return
	}
	if r.epoch.IsZero() {
		r.epoch = now
	}
	since := now.Sub(r.epoch)
	at := int64(since/time.Second)*r.clockRate() + int64(since%time.Second)*r.clockRate()/int64(time.Second)
	transit := int32(uint32(at) - p.TS)
	if r.timed {
		d := int64(transit) - int64(r.transit)
		d = int64(int32(d)) // both wrap with the timestamp
		if d < 0 {
			d = -d
		}
		// A sender that moves its timestamps by seconds has switched its
		// source; that is not jitter.
		if d < 5*r.clockRate() {
			r.jitter += uint32(d) - (r.jitter+8)>>4
		}
	}
	r.transit, r.timed, r.lastTS = transit, true, p.TS
}

// Received is the number of packets taken, late ones included.
func (r *Receiver) Received() uint64 { return r.pastReceived + r.received }

// Lost is what should have come and did not; doubled packets lower it, so it may
// be negative (A.3).
func (r *Receiver) Lost() int64 {
	return int64(r.pastExpected+r.expected()) - int64(r.pastReceived+r.received)
}

// Expected is how many packets should have come, over all sources (A.3).
func (r *Receiver) Expected() uint64 { return r.pastExpected + r.expected() }

// Runs is how often packets were missing when a newer one came: how many runs the
// lost ones were lost in, with those that were only late.
func (r *Receiver) Runs() uint64 { return r.runs }

// Jitter is the interarrival jitter (A.8).
func (r *Receiver) Jitter() time.Duration {
	return time.Duration(int64(r.jitter>>4) * int64(time.Second) / r.clockRate())
}

// Block is one reception report block (RFC 3550 6.4.1).
type Block struct {
	SSRC         uint32
	FractionLost uint8 // of 256, since the last block
	Lost         int32 // 24 bits, of the present source
	HighestSeq   uint32
	Jitter       uint32 // timestamp ticks
	LSR, DLSR    uint32 // filled in by the caller, who knows the sender reports
}

// Report makes the block for now and begins a new interval. ok is false before
// the first packet.
func (r *Receiver) Report() (b Block, ok bool) {
	if !r.started {
		return Block{}, false
	}
	expected := r.expected()
	lost := int64(expected) - int64(r.received)
	// A.3: clamp to what 24 bits hold.
	lost = min(max(lost, -0x800000), 0x7FFFFF)
	expectedInterval := int64(expected - r.expectedPrior)
	lostInterval := expectedInterval - int64(r.received-r.receivedPrior)
	r.expectedPrior, r.receivedPrior = expected, r.received
	if expectedInterval > 0 && lostInterval > 0 {
		b.FractionLost = uint8(min(lostInterval<<8/expectedInterval, 255))
	}
	b.SSRC, b.Lost = r.ssrc, int32(lost)
	b.HighestSeq = r.cycles + uint32(r.maxSeq)
	b.Jitter = r.jitter >> 4
	return b, true
}
