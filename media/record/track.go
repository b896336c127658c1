package record

import "math"

// track places one direction's packets on the time line of the recording. It is
// pure: times come in samples (1/8000 s) since the start.
//
// Within a stream the RTP timestamp decides, so that jitter, loss and reordering
// leave no trace; the arrival time decides where a stream begins. The sender's
// clock runs a little faster or slower than ours (20-100 ppm are usual), which
// would pull the channels apart by 70-360 ms an hour. So the smallest lateness
// of each two seconds is watched, which follows the clocks but not the jitter,
// and when it leaves the dead band the stream is moved by one sample a packet.
type track struct {
	heard bool // sound was put, in all its life

	on   bool
	ssrc uint32
	next uint32 // timestamp behind the newest packet
	end  int64  // position of next

	low  int64 // smallest lateness in this window
	seen int   // packets in this window
	owed int64 // samples still to be moved, + is later

	suspect   bool // the last packet was far off
	suspectTS uint32
}

const (
	// jumpSamples: a packet whose timestamp and arrival disagree by over 1 s
	// belongs to another time line (or is a stray).
	jumpSamples = 8000
	// holeSamples: a stream that stays 200 ms late has paused without advancing
	// its timestamps; it is moved at once, by a hole.
	holeSamples = 1600
	// deadSamples: 10 ms of lateness are left alone.
	deadSamples = 80
	// windowPackets is 2 s at 20 ms.
	windowPackets = 100
	// aheadSamples: how far behind the present a new stream may be laid when the
	// old one's sound reaches there: 50 ms.
	aheadSamples = 400
)

// place returns where n samples with timestamp ts lie that arrived at at, and
// how many samples before them are to be filled by repeating the first
// (stretch). ok is false for a packet that fits no time line.
func (t *track) place(at int64, ssrc, ts uint32, n int) (pos int64, stretch int, ok bool) {
	if !t.on || ssrc != t.ssrc {
		return t.anchor(at, ssrc, ts, n), 0, true
	}
	// RFC 3550 5.1: timestamps wrap; the difference is taken modulo 2^32.
	delta := int64(int32(ts - t.next))
	pos = t.end + delta
	late := at - pos
	if late > jumpSamples || late < -jumpSamples {
		// Either the sender stood still and goes on where it was: then this is
		// the very next packet. Or it has a new time line without a new SSRC: then
		// another packet confirms it. Or this one is a stray.
		if delta == 0 || t.suspect && near(ts, t.suspectTS) {
			return t.anchor(at, ssrc, ts, n), 0, true
		}
		t.suspect, t.suspectTS = true, ts+uint32(n)
		return 0, 0, false
	}
	t.suspect = false
	if delta < 0 { // late, doubled or reordered: it has its place, and tells nothing new
		return pos, 0, true
	}
	t.low = min(t.low, late)
	if t.seen++; t.seen >= windowPackets {
		if t.low > holeSamples {
			pos += t.low
			t.owed = 0
		} else if t.owed != 0 || t.low > deadSamples || t.low < -deadSamples {
			t.owed = t.low
		}
		t.low, t.seen = math.MaxInt64, 0
	}
	if t.owed != 0 && delta == 0 {
		step := int64(1)
		if t.owed > 800 || t.owed < -800 { // 100 ms: twice as fast
			step = 2
		}
		if t.owed < 0 {
			step = -step
		}
		pos += step
		t.owed -= step
		stretch = int(max(step, 0))
		if t.low != math.MaxInt64 {
			t.low -= step // measured against the new place from here on
		}
	}
	t.next, t.end = ts+uint32(n), pos+int64(n)
	return pos, stretch, true
}

// anchor begins a time line at the moment of arrival. Sound of the old one that
// reaches a little beyond is not cut off.
func (t *track) anchor(at int64, ssrc, ts uint32, n int) int64 {
	pos := at
	if t.on && pos < t.end {
		pos = min(t.end, at+aheadSamples)
	}
	*t = track{heard: t.heard, on: true, ssrc: ssrc, next: ts + uint32(n), end: pos + int64(n), low: math.MaxInt64}
	return pos
}

func near(a, b uint32) bool {
	d := int32(a - b)
	return d >= -jumpSamples && d <= jumpSamples
}
