// Package jitter turns the packets of one incoming stream of G.711 into frames
// of 20 ms of 16-bit sound, one whenever it is asked, whatever the line did to
// them: jitter, reordering, loss, copies, other packet times, a new SSRC, a clock
// that runs faster or slower than ours.
//
// It is pure; its clock is the asking, so that also the irregularity of the one who
// asks is allowed for, and the time of a packet counts from the last asking. A
// Buffer has one owner and allocates nothing.
//
// How it works. Samples lie in a ring by their RTP timestamp. For each packet the
// buffer notes how early it came before its sound was due; the low percentile of
// the last few hundred says by how much the delay is too long or too short. The
// delay is changed by leaving out or inserting a pitch period where the sound
// resembles itself (WSOLA), which also takes up the drift of the clocks. What is
// missing is made up by a Concealer; when the packet that is missing comes while
// nothing newer was heard, the play goes on from there: delay grows at once, and
// no sound is lost.
package jitter

import (
	"slices"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
)

const (
	frame = media.FrameSamples

	// The ring holds half a second to come, and half a second of what was, so
	// that a late copy is known from a late packet.
	ringSize = 8192
	ringMask = ringSize - 1
	ahead    = ringSize / 2

	// maxPayload is 240 ms; nobody packs more.
	maxPayload = 1920

	// window is over how many packets the percentiles are taken: 10 s of 20 ms.
	window = 512
	// Every recount packets they are taken anew.
	recount = 25
	// guard is kept beside the low percentile: 2 ms.
	guard = 16
	// excess of delay is left alone up to 15 ms, which is what a period inserted is at most.
	excess = 120
	// settle packets must have come before the delay is shortened.
	settle = 250

	// lateFor is how long all packets may be late before the line is taken to
	// have become longer for good: 100 ms.
	lateFor = 800
	// over the longest delay the level may be for the moment of a burst; then
	// sound is thrown away.
	over = 800
)

// Defaults of Config.
const (
	DefaultInitial = 10 * time.Millisecond
	DefaultMax     = 200 * time.Millisecond
)

// Config of a Buffer; zero values take the defaults.
type Config struct {
	// Initial is how early the first packet is taken to be: the delay before
	// anything is known of the line. 0-60 ms.
	Initial time.Duration
	// Max bounds the delay that is kept for a bad line, 20-300 ms; packets that
	// come later are lost.
	Max time.Duration
}

// Kind says what a frame is made of.
type Kind uint8

const (
	// Silent: nothing came for over 60 ms, or ever; the frame is all zero.
	Silent Kind = iota
	// Concealed: all of it was made up.
	Concealed
	// Voice: at least part of it was received.
	Voice
	// Comfort: nothing came for over 60 ms; the frame is noise of the level that the
	// line has, or that its sender told (RFC 3389).
	Comfort
)

// comfortFor is how long noise of our own fills a hole that nothing explains: 5 s.
// Then the line is dead, and shall sound so.
const comfortFor = 250

// Stats since birth. Samples are of 125 µs.
type Stats struct {
	Packets    uint64 // taken, late ones and copies included
	Late       uint64 // came after their sound was due
	Duplicates uint64
	Strange    uint64 // timestamps far from all others; dropped
	Resyncs    uint64 // new time lines: SSRC, jump of the timestamp, longer way
	Concealed  uint64 // samples made up
	Inserted   uint64 // samples added to lengthen the delay
	Removed    uint64 // samples left out to shorten it
	// Delay is how long before its sound is due a packet usually comes: what the
	// buffer adds to the way of the sound.
	Delay time.Duration
}

// Buffer is one stream.
type Buffer struct {
	initial, max int64

	pcm  [ringSize]int16
	have [ringSize / 64]uint64

	started bool
	ssrc    uint32
	refTS   uint32 // of the newest packet
	refPos  int64  // where that lies
	play    int64  // next position to be heard
	end     int64  // behind the newest sample
	gap     int64  // position behind the newest real sample heard
	pulls   int64  // samples asked for: the clock
	asked   time.Time

	// How early packets came: position less the clock, so that it does not change
	// with the delay; less a frame, for it may be wanted at the frame's beginning.
	early    [window]int32
	earlyN   int
	earlyAt  int
	fresh    int   // since the last count
	known    bool  // want and middle tell about the present time line
	learned  bool  // typical was measured
	want     int64 // play less pulls as it should be
	typical  int64 // how early a packet usually is then
	middle   int64 // median of early
	rest     int   // frames until the delay may be changed again
	tries    int   // times nothing alike was found
	strange  int
	late     int
	lateFrom int64

	floor  floor
	noise  Noise
	told   bool   // noise is the sender's: it falls silent on purpose
	toldTS uint32 // from here on
	quiet  int    // frames of silence since the last voice

	plc     Concealer
	scratch [window]int32
	work    [histLen + frame + maxPitch]int16
	stats   Stats
}

// New makes a buffer.
func New(c Config) *Buffer {
	b := new(Buffer)
	b.Init(c)
	return b
}

// Init makes b as new.
func (b *Buffer) Init(c Config) {
	if c.Initial <= 0 {
		c.Initial = DefaultInitial
	}
	if c.Max <= 0 {
		c.Max = DefaultMax
	}
	*b = Buffer{
		initial: media.Samples(min(c.Initial, 60*time.Millisecond)),
		max:     media.Samples(min(max(c.Max, 20*time.Millisecond), 300*time.Millisecond)),
	}
	b.typical = b.initial
}

// Stats tells what has been.
func (b *Buffer) Stats() Stats {
	s := b.stats
	if b.known {
		s.Delay = media.Duration(max(b.middle-(b.play-b.pulls)+frame, 0))
	} else if b.started {
		s.Delay = media.Duration(max(b.typical+frame, 0))
	}
	return s
}

// Put takes the payload of one packet in law that came at now. payload is not kept.
func (b *Buffer) Put(now time.Time, law codec.Law, ssrc, ts uint32, payload []byte) {
	pos, from, ok := b.place(now, ssrc, ts, int64(len(payload)))
	if !ok {
		return
	}
	payload = payload[from:]
	i := pos & ringMask
	first := min(int64(len(payload)), ringSize-i)
	codec.Decode(law, b.pcm[i:], payload[:first])
	codec.Decode(law, b.pcm[:], payload[first:])
	b.mark(pos, int64(len(payload)), true)
}

// PutPCM takes one packet that was decoded already: samples at 8 kHz, ts in samples.
// pcm is not kept.
func (b *Buffer) PutPCM(now time.Time, ssrc, ts uint32, pcm []int16) {
	pos, from, ok := b.place(now, ssrc, ts, int64(len(pcm)))
	if !ok {
		return
	}
	pcm = pcm[from:]
	n := copy(b.pcm[pos&ringMask:], pcm)
	copy(b.pcm[:], pcm[n:])
	b.mark(pos, int64(len(pcm)), true)
}

// place finds where a packet of n samples lies and from which of its samples on it
// is still to be heard; false when it is not.
func (b *Buffer) place(now time.Time, ssrc, ts uint32, n int64) (at, from int64, ok bool) {
	if n == 0 || n > maxPayload {
		b.stats.Strange++
		return 0, 0, false
	}
	b.stats.Packets++
	if b.told && (ssrc != b.ssrc || int32(ts-b.toldTS) > 0) {
		b.told = false
	}
	if !b.started || ssrc != b.ssrc {
		b.anchor(now, ssrc, ts)
	}
	pos := b.refPos + int64(int32(ts-b.refTS))
	switch {
	case b.plc.Silent() && b.end <= b.play && pos >= b.gap && pos < b.play-b.max:
		// A pause whose length the timestamps do not tell, or the line stood
		// still: nobody has heard this yet.
		b.anchor(now, ssrc, ts)
		pos = b.refPos
	case pos+n > b.play+ahead || pos < b.play-ahead:
		// Either a stray or a new time line.
		if b.strange++; b.strange < 3 {
			b.stats.Strange++
			return 0, 0, false
		}
		b.anchor(now, ssrc, ts)
		pos = b.refPos
	}
	b.strange = 0
	if b.all(pos, n) {
		b.stats.Duplicates++
		return 0, 0, false
	}
	if b.play > b.gap && b.end <= b.play && pos < b.play && pos+n > b.gap {
		b.rewind(pos)
	}
	if pos+n <= b.play {
		b.note(now, pos)
		b.stats.Late++
		if b.late++; b.late == 1 {
			b.lateFrom = b.pulls
		}
		if b.late < 3 || b.pulls-b.lateFrom < lateFor {
			return 0, 0, false
		}
		b.anchor(now, ssrc, ts)
		pos = b.refPos
	} else {
		b.note(now, pos)
		b.late = 0
	}
	if int32(ts-b.refTS) > 0 {
		b.refTS, b.refPos = ts, pos
	}
	b.end = max(b.end, pos+n)
	from = max(b.play-pos, 0)
	return pos + from, from, true
}

// PutNoise takes the payload of a comfort noise packet (RFC 3389) with timestamp ts:
// until newer sound comes, the stream is silent on purpose and its background
// sounds like that.
func (b *Buffer) PutNoise(ts uint32, payload []byte) {
	if b.noise.Take(payload) {
		b.told, b.toldTS = true, ts
	}
}

// comfort fills a frame in which nothing is heard.
func (b *Buffer) comfort(dst []int16) Kind {
	b.quiet++
	if !b.told {
		if b.floor.seen < floorSure || b.quiet > comfortFor {
			return Silent
		}
		if b.quiet == 1 {
			b.noise.Flat(min(b.floor.ms, floorMost))
		}
	}
	b.noise.Fill(dst)
	if b.quiet == 1 {
		for i := range fadeLen {
			dst[i] = int16(int32(dst[i]) * int32(i+1) / (fadeLen + 1))
		}
	}
	return Comfort
}

// mark sets or clears what is had of [pos, pos+n).
func (b *Buffer) mark(pos, n int64, on bool) {
	for n > 0 {
		i := pos & ringMask
		bit := i & 63
		c := min(64-bit, n)
		mask := (^uint64(0) >> (64 - c)) << bit
		if on {
			b.have[i>>6] |= mask
		} else {
			b.have[i>>6] &^= mask
		}
		pos, n = pos+c, n-c
	}
}

// run is how many samples from pos on, at most n, are had alike; have tells
// which it is.
func (b *Buffer) run(pos, n int64) (length int64, have bool) {
	have = b.have[(pos&ringMask)>>6]>>(pos&63)&1 == 1
	for length < n {
		i := pos & ringMask
		bit := i & 63
		c := min(64-bit, n-length)
		mask := (^uint64(0) >> (64 - c)) << bit
		if w := b.have[i>>6] & mask; have && w == mask || !have && w == 0 {
			pos, length = pos+c, length+c
			continue
		}
		for b.have[(pos&ringMask)>>6]>>(pos&63)&1 == 1 == have {
			pos, length = pos+1, length+1
		}
		break
	}
	return length, have
}

// all tells whether all of [pos, pos+n) came.
func (b *Buffer) all(pos, n int64) bool {
	got, have := b.run(pos, n)
	return have && got >= n
}

// note remembers how early a packet was.
func (b *Buffer) note(now time.Time, pos int64) {
	b.early[b.earlyAt] = int32(pos - b.pulls - b.since(now))
	b.earlyAt = (b.earlyAt + 1) % window
	b.earlyN = min(b.earlyN+1, window)
	if b.fresh++; b.fresh >= recount {
		b.count()
	}
}

// since is how many samples ago the last frame was asked for.
func (b *Buffer) since(now time.Time) int64 {
	return min(max(media.Samples(now.Sub(b.asked)), 0), 4*frame)
}

// count takes the percentiles.
func (b *Buffer) count() {
	b.fresh = 0
	n := b.earlyN
	s := b.scratch[:n]
	copy(s, b.early[:n])
	slices.Sort(s)
	// One packet of a hundred may be late.
	low, fast := int64(s[n/100]), int64(s[n*9/10])
	b.middle = int64(s[n/2])
	b.want = max(low-guard, fast-b.max)
	b.typical = b.middle - b.want
	b.known, b.learned = true, true
}

// anchor begins a time line with the packet of ts: it is taken to be as early as
// packets usually are, behind what still waits.
func (b *Buffer) anchor(now time.Time, ssrc, ts uint32) {
	if b.started {
		b.stats.Resyncs++
	} else {
		b.gap, b.end = b.play, b.play
	}
	b.started, b.ssrc = true, ssrc
	if b.end-b.play > b.max {
		b.mark(b.play, ahead, false)
		b.end = b.play
	}
	early := b.typical
	if b.learned {
		early += b.since(now)
	}
	b.refTS, b.refPos = ts, max(b.play+early, b.end)
	b.earlyN, b.earlyAt, b.fresh, b.known = 0, 0, 0, false
	b.late, b.strange = 0, 0
}

// rewind goes back to a packet that came late while nothing was heard since.
func (b *Buffer) rewind(pos int64) {
	to := max(pos, b.gap)
	if b.known { // not beyond the longest delay
		to = max(to, b.want+b.typical-b.max+b.pulls)
	} else {
		to = max(to, b.play-b.max)
	}
	if to < b.play {
		b.stats.Inserted += uint64(b.play - to)
		b.play = to
	}
}

// advance moves on; what was n samples further ahead than the ring reached is new.
func (b *Buffer) advance(n int64) {
	b.mark(b.play+ahead, min(n, ringSize), false)
	b.play += n
}

// Get fills dst, which holds media.FrameSamples, with the next 20 ms.
func (b *Buffer) Get(now time.Time, dst []int16) Kind {
	dst = dst[:frame]
	b.asked = now
	if !b.started {
		clear(dst)
		return Silent
	}
	if b.end-b.play > b.max+over { // a burst after a long silence
		b.stats.Resyncs++
		b.drop(b.end - b.play - max(b.typical, frame))
		b.earlyN, b.earlyAt, b.fresh, b.known = 0, 0, 0, false
	}
	if b.adjust(dst) {
		b.pulls += frame
		return Voice
	}
	kind := Concealed
	if b.plc.Silent() {
		kind = Silent
	}
	for i := int64(0); i < frame; {
		n, have := b.run(b.play+i, frame-i)
		part := dst[i : i+n]
		if have {
			b.read(part, b.play+i)
			b.plc.Good(part)
			b.gap = b.play + i + n
			kind = Voice
		} else {
			if !b.plc.Silent() {
				b.stats.Concealed += uint64(n)
			}
			b.plc.Conceal(part)
		}
		i += n
	}
	b.advance(frame)
	b.pulls += frame
	switch kind {
	case Voice:
		b.floor.take(dst)
		b.quiet = 0
	case Silent:
		kind = b.comfort(dst)
	}
	return kind
}

// Skip lets frames go by unheard: the asker was too late for them.
func (b *Buffer) Skip(now time.Time, frames int) {
	b.asked = now
	if b.started && frames > 0 {
		b.drop(int64(frames) * frame)
		b.pulls += int64(frames) * frame
	}
}

// drop throws n samples away.
func (b *Buffer) drop(n int64) {
	if n > 0 {
		b.advance(n)
		b.gap = b.play
		b.end = max(b.end, b.play)
	}
}

func (b *Buffer) read(dst []int16, pos int64) {
	i := pos & ringMask
	n := copy(dst, b.pcm[i:])
	copy(dst[n:], b.pcm[:])
}
