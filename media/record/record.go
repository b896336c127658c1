// Package record writes the recordings of calls: stereo WAV, caller left, agent
// right, linear or with G.711 kept as it came. At any moment, also after kill -9
// or with a full disk, the file on disk is a correct WAV that lacks at most the
// last second.
//
// Nothing is synced to the medium: the death of the process loses nothing that
// was written, a power cut what the kernel had not written back yet (some 30 s).
// Syncing hundreds of growing files would cost more than the calls themselves.
//
// It does not decide what is recorded, keeps no index and deletes nothing.
//
// A Writer owns Config.Threads goroutines that carry all recordings to disk in
// turns, and one that makes checksums; Stop ends them. A Recording is filled by
// the worker that owns the call's legs and shares with its writer only a ring of
// about two seconds under the recording's own lock, which is never held during
// I/O. So a slow disk never delays a packet.
package record

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// Channel is a side of the recording.
type Channel uint8

const (
	// Left is the caller.
	Left Channel = iota
	// Right is the agent.
	Right
)

// Result tells how a recording ended. The file is closed when it is given.
type Result struct {
	Name      string        // as given to Open
	Duration  time.Duration // of the sound in the file
	SizeBytes int64         // of the file, header included
	// Fault is "" when all that was given to Write is in the file, otherwise the
	// first thing that went wrong, a label of centrala_recording_errors_total;
	// see the Fault constants. What was written before is playable.
	Fault string
	// SHA256 is the checksum of the finished file in hex. It is "" when there is
	// no file, it could not be read back, or more recordings end than the one
	// background goroutine that makes checksums can follow: under load the call's
	// end does not wait for it.
	SHA256 string
	// Pauses is how long nothing was recorded on purpose.
	Pauses time.Duration
}

// Faults, as in Result.Fault and in the label reason of centrala_recording_errors_total.
const (
	FaultOpen    = "open"     // the file could not be made
	FaultFull    = "full"     // no space or quota left; what fitted is kept
	FaultWrite   = "write"    // another write error; what was written is kept
	FaultOverrun = "overrun"  // the disk stood still for over a second; silence takes the place of what was lost
	FaultRemoved = "removed"  // somebody deleted or moved the file while it was written
	FaultTooLong = "too_long" // more than maxSamples; the rest was left out
	FaultStopped = "stopped"  // the writer was stopped, or given up, while the recording was open
)

var faults = []string{FaultOpen, FaultFull, FaultWrite, FaultOverrun, FaultRemoved, FaultTooLong, FaultStopped}

// Errors of Open.
var (
	// ErrName: the name is not one that we make from our own ids.
	ErrName = errors.New("record: unsafe recording name")
	// ErrStopped: the writer is not running.
	ErrStopped = errors.New("record: writer is not running")
)

const (
	// ringSamples is what a recording keeps in memory: 1.024 s of both channels
	// in 16 kB. A packet this late still finds its place. It must hold what comes
	// between two flushes (500 ms) and what waits for a whole block (256 ms).
	ringSamples = 1 << 13
	// maxRing is what it may grow to while the disk stands still: 4.096 s in
	// 64 kB, before sound is lost.
	maxRing = 1 << 15
	// easyFlushes with room to spare and the ring is small again.
	easyFlushes = 16

	// maxPayload bounds one packet's octets; a UDP datagram on Ethernet has fewer.
	maxPayload = 2048

	// maxSamples is 18 h: 2 GiB of linear sound, which readers with signed 32-bit
	// sizes still open.
	maxSamples = 1<<29 - headerBytes
)

// clean is the dirtyFrom of a recording with nothing to write but silence.
const clean = math.MaxInt64

// Recording is one file while it grows. Write and Close are for the worker that
// owns the call's legs.
type Recording struct {
	// Set at birth.
	w      *Writer
	sh     *shard
	name   string
	format Format
	law    codec.Law // of a G711 file
	start  time.Time
	done   func(Result)

	// The writer goroutine's.
	file        file
	turn, index int   // where in the shard's turns
	seen        int64 // head at the last flush
	told        bool  // the fault was logged and counted

	mu sync.Mutex
	// The ring: both channels interleaved, left first, a power of two of samples.
	// Octets of G.711 as they come, or linear samples of sound that somebody
	// decoded or that gain changes. Both nil when nothing more is taken.
	buf    []byte
	wide   []int16 // in place of buf
	size   int64   // samples of either
	mask   int64   // size-1
	easy   int     // flushes in a row for which a small ring would have done
	laws   [2]codec.Law
	tracks [2]track
	gains  [2]gain
	paused bool
	from   int64 // where the pause began
	after  int64 // nothing before this is taken: it was said in a pause
	pauses int64 // samples of pauses that are over
	marks  []Mark
	// Positions are samples since start. The ring holds [head-size, head).
	head      int64 // both channels end here
	written   int64 // the file is whole up to here
	dirtyFrom int64 // first sample put since the last flush, clean when none
	fault     string
	cause     error // of fault, may be nil
	closed    bool
}

// CheckName tells whether Open takes name: a relative path with slashes, of
// a-z, 0-9, '_', '-' and '.', no element empty or beginning with a dot, at most
// 200 octets. The error wraps ErrName.
func CheckName(name string) error {
	if name == "" || len(name) > 200 {
		return fmt.Errorf("%w: %d octets, want 1-200", ErrName, len(name))
	}
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("/_.-", c) >= 0 {
			continue
		}
		return fmt.Errorf("%w: %q has octet %#x; want only a-z 0-9 / _ . -", ErrName, name, c)
	}
	for el := range strings.SplitSeq(name, "/") {
		if el == "" || el[0] == '.' {
			return fmt.Errorf("%w: %q; want a relative path without empty or dot elements", ErrName, name)
		}
	}
	return nil
}

// Open begins a recording at this moment. name is relative to Config.Dir; its
// folders are made. law is that of a G711 file, and of the memory in front of any
// other; what is no law of G.711 stands for A-law. It touches no disk itself: the file is made by a writer goroutine, and
// if that fails the recording swallows what it is given and ends with FaultOpen.
// done is called exactly once, on a goroutine of the Writer, when the file is
// closed; it must not block and may be nil. Errors: ErrName, ErrStopped.
func (w *Writer) Open(name string, law codec.Law, done func(Result)) (*Recording, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if !law.Valid() { // of a leg that is decoded: its sound comes by WritePCM
		law = codec.PCMA
	}
	r := &Recording{w: w, name: name, format: w.cfg.Format, law: law, laws: [2]codec.Law{law, law}, start: time.Now(), done: done, dirtyFrom: clean}
	r.size, r.mask = ringSamples, ringSamples-1
	if w.cfg.Gain {
		r.wide = linear(rings.Get(4 * ringSamples))
	} else {
		r.buf = rings.Get(2 * ringSamples)
	}
	if !w.add(r) {
		r.releaseLocked()
		return nil, ErrStopped
	}
	return r, nil
}

// Name is the name given to Open.
func (r *Recording) Name() string { return r.name }

// Write takes the payload of one RTP packet of law law that arrived at now. It is
// placed by its timestamp ts (clock 8 kHz); the first packet of each ssrc lies
// where it arrived, gaps are silence, and a late packet goes where it belongs.
// Another law than a G711 file's is transcoded. It never blocks and takes memory
// only while the disk stands still; payload is not kept. After Close, a fault, or while paused, it does
// nothing.
func (r *Recording) Write(ch Channel, law codec.Law, now time.Time, ssrc, ts uint32, payload []byte) {
	if ch > Right || len(payload) == 0 || len(payload) > maxPayload {
		return
	}
	r.mu.Lock()
	if pos, stretch, skip := r.place(ch, now, ssrc, ts, len(payload)); skip < len(payload) {
		payload = payload[skip:]
		switch {
		case r.wide != nil:
			r.putDecoded(ch, pos, stretch, payload, law)
		case law == r.laws[ch]:
			r.put(ch, pos, stretch, payload)
		default:
			r.putOther(ch, pos, stretch, payload, law)
		}
	}
	r.mu.Unlock()
}

// WritePCM is Write for sound that was decoded or mixed: linear at 8 kHz, and ts
// counts its samples. From the first call the recording keeps linear samples in
// memory (32 kB in place of 16), unless the file is G711: then they are encoded.
func (r *Recording) WritePCM(ch Channel, now time.Time, ssrc, ts uint32, pcm []int16) {
	if ch > Right || len(pcm) == 0 || len(pcm) > maxPayload {
		return
	}
	r.mu.Lock()
	if pos, stretch, skip := r.place(ch, now, ssrc, ts, len(pcm)); skip < len(pcm) {
		pcm = pcm[skip:]
		if r.format == G711 {
			r.putEncoded(ch, pos, stretch, pcm)
		} else {
			r.widen()
			r.putPCM(ch, pos, stretch, pcm)
		}
	}
	r.mu.Unlock()
}

// place finds where n samples lie and moves the ring there. skip of them, all
// when they are not wanted, are to be left out. r.mu is held.
func (r *Recording) place(ch Channel, now time.Time, ssrc, ts uint32, n int) (pos int64, stretch, skip int) {
	if !r.open() || r.closed {
		return 0, 0, n
	}
	at := r.elapsed(now)
	pos, stretch, ok := r.tracks[ch].place(at, ssrc, ts, n)
	if !ok || !r.room(pos, n) {
		r.w.m.misplaced.Inc()
		return 0, 0, n
	}
	if r.paused && at >= r.from { // not what came before the pause and is told late
		return 0, 0, n // time goes on, in silence
	}
	if pos < r.after+int64(stretch) {
		skip, stretch = int(max(0, min(r.after-pos, int64(n)))), 0
	}
	return pos + int64(skip), stretch, skip
}

// putOther is apart because its buffer need not be on every packet's stack.
//
//go:noinline
func (r *Recording) putOther(ch Channel, pos int64, stretch int, payload []byte, law codec.Law) {
	if r.format == PCM && !r.tracks[ch].heard {
		r.relaw(ch, law)
		r.put(ch, pos, stretch, payload)
		return
	}
	var buf [maxPayload]byte
	r.put(ch, pos, stretch, buf[:codec.Transcode(buf[:], payload, law, r.laws[ch])])
}

//go:noinline
func (r *Recording) putDecoded(ch Channel, pos int64, stretch int, payload []byte, law codec.Law) {
	var buf [maxPayload]int16
	r.putPCM(ch, pos, stretch, buf[:codec.Decode(law, buf[:], payload)])
}

//go:noinline
func (r *Recording) putEncoded(ch Channel, pos int64, stretch int, pcm []int16) {
	var buf [maxPayload]byte
	r.put(ch, pos, stretch, buf[:codec.Encode(r.laws[ch], buf[:], pcm)])
}

// open tells whether anything is still taken. r.mu is held.
func (r *Recording) open() bool { return r.buf != nil || r.wide != nil }

// Pause leaves a marked silence from now on, for what must not be kept (a card's
// number). Time goes on: the channels stay aligned. It returns the place in the
// recording; ok is false when it is paused already, or over.
func (r *Recording) Pause(now time.Time) (at time.Duration, ok bool) {
	return r.mark(now, MarkPaused, true)
}

// Resume ends a pause. What was said before it, and arrives after, is left out.
func (r *Recording) Resume(now time.Time) (at time.Duration, ok bool) {
	return r.mark(now, MarkResumed, false)
}

func (r *Recording) mark(now time.Time, name string, pause bool) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.open() || r.paused == pause {
		return 0, false
	}
	at := min(r.elapsed(now), maxSamples)
	if r.paused = pause; pause {
		r.from = at
	} else {
		r.pauses += at - r.from
		r.after = at
	}
	if len(r.marks) < maxMarks {
		r.marks = append(r.marks, Mark{at, name})
	}
	return samples(at), true
}

// samples is n samples as a time.
func samples(n int64) time.Duration { return time.Duration(n) * time.Second / codec.SampleRate }

// elapsed is now in samples since the start.
func (r *Recording) elapsed(now time.Time) int64 {
	d := max(now.Sub(r.start), 0)
	// In two steps, as nanoseconds x 8000 overflow after 13 days.
	return int64(d/time.Second)*codec.SampleRate + int64(d%time.Second)*codec.SampleRate/int64(time.Second)
}

// room tells whether n samples at pos lie within the ring, moved forward if need be.
func (r *Recording) room(pos int64, n int) bool {
	if pos < 0 || pos < r.head-r.size {
		return false // too late; that part of the ring is gone
	}
	end := pos + int64(n)
	if end > maxSamples {
		r.failLocked(FaultTooLong, nil)
		return false
	}
	if end > r.head {
		r.grow(end)
	}
	// A packet at the very edge may have lost its place by the ring moving on.
	return pos >= r.head-r.size
}

// grow moves the end of both channels forward to to, with silence.
func (r *Recording) grow(to int64) {
	if r.dirtyFrom < to-r.size && r.size < maxRing { // the writer is late
		size := 2 * r.size
		for size < maxRing && r.dirtyFrom < to-size {
			size *= 2
		}
		r.resize(size)
	}
	base := to - r.size
	if r.dirtyFrom < base {
		// Sound that the writer has not fetched yet falls out: it has been standing
		// still. It will put silence there.
		r.failLocked(FaultOverrun, nil)
		r.dirtyFrom = base
	}
	r.silence(max(r.head, base), to)
	r.head = to
}

func (r *Recording) silence(from, to int64) {
	quiet := [2]byte{codec.Silence(r.laws[Left]), codec.Silence(r.laws[Right])}
	for from < to {
		i := from & r.mask
		n := min(to-from, r.size-i)
		from += n
		if r.wide != nil {
			clear(r.wide[2*i : 2*(i+n)])
			continue
		}
		part := r.buf[2*i : 2*(i+n)]
		if len(part) > 0 {
			part[0], part[1] = quiet[0], quiet[1]
			for k := 2; k < len(part); k *= 2 { // copies are faster than a loop over octets
				copy(part[k:], part[:k])
			}
		}
	}
}

// relaw changes the law in which a channel without any sound so far is kept.
func (r *Recording) relaw(ch Channel, law codec.Law) {
	r.laws[ch] = law
	s := codec.Silence(law)
	for i := int(ch); i < len(r.buf); i += 2 {
		r.buf[i] = s
	}
}

// widen goes over to linear samples.
func (r *Recording) widen() {
	if r.wide != nil {
		return
	}
	w := linear(rings.Get(int(4 * r.size)))
	left, right := codec.Table(r.laws[Left]), codec.Table(r.laws[Right])
	for i := 0; i < len(w); i += 2 {
		w[i], w[i+1] = left[r.buf[i]], right[r.buf[i+1]]
	}
	rings.Put(r.buf)
	r.buf, r.wide = nil, w
}

// put writes one channel of the ring. A positive stretch repeats the first octet
// that many times before pos, where the clock of the sender was corrected.
func (r *Recording) put(ch Channel, pos int64, stretch int, payload []byte) {
	for s := r.stretch(ch, pos, stretch); s < pos; s++ {
		r.buf[2*(s&r.mask)+int64(ch)] = payload[0]
	}
	i := pos & r.mask
	first := min(int64(len(payload)), r.size-i)
	interleave(r.buf[2*i:], ch, payload[:first])
	interleave(r.buf[:], ch, payload[first:])
}

// putPCM is put for linear samples, which it may change.
func (r *Recording) putPCM(ch Channel, pos int64, stretch int, pcm []int16) {
	if r.w.cfg.Gain {
		r.gains[ch].apply(pcm)
	}
	for s := r.stretch(ch, pos, stretch); s < pos; s++ {
		r.wide[2*(s&r.mask)+int64(ch)] = pcm[0]
	}
	i := pos & r.mask
	first := min(int64(len(pcm)), r.size-i)
	interleave(r.wide[2*i:], ch, pcm[:first])
	interleave(r.wide[:], ch, pcm[first:])
}

// stretch notes that sound is put at pos and returns where it is to begin.
func (r *Recording) stretch(ch Channel, pos int64, stretch int) int64 {
	r.tracks[ch].heard = true
	from := max(pos-int64(stretch), min(pos, max(0, r.head-r.size)))
	r.dirtyFrom = min(r.dirtyFrom, from)
	return from
}

func interleave[T byte | int16](dst []T, ch Channel, src []T) {
	if len(src) == 0 {
		return
	}
	dst = dst[ch : 2*(len(src)-1)+int(ch)+1]
	for i, b := range src {
		dst[2*i] = b
	}
}

// Close ends the recording at now: both channels are filled up with silence to
// this moment, the rest is written, the file closed and done called, all without
// the caller waiting. Calls after the first do nothing.
func (r *Recording) Close(now time.Time) {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	if first && r.open() {
		if r.paused {
			r.pauses += max(r.elapsed(now)-r.from, 0)
		}
		if to := min(r.elapsed(now), maxSamples); to > r.head {
			r.grow(to)
		}
	}
	r.mu.Unlock()
	if first {
		r.sh.closing(r)
	}
}

// failLocked notes a fault; the first one stays. r.mu is held. The shard logs it,
// as a log may block.
func (r *Recording) failLocked(reason string, err error) {
	if r.fault == "" {
		r.fault, r.cause = reason, err
	}
	switch reason {
	case FaultOpen, FaultFull, FaultWrite:
		// The disk does not take more: what is there stays as it is.
		r.releaseLocked()
	}
}

// releaseLocked gives the ring back; nothing is taken any more. r.mu is held.
func (r *Recording) releaseLocked() {
	if r.buf != nil {
		rings.Put(r.buf)
		r.buf = nil
	}
	if r.wide != nil {
		rings.Put(octets(r.wide))
		r.wide = nil
	}
}
