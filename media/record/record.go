// Package record writes the recordings of calls: stereo WAV, caller left, agent
// right, G.711 kept as it came. At any moment, also after kill -9 or with a full
// disk, the file on disk is a correct WAV that lacks at most the last second.
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
	// ringSamples is what a recording keeps in memory: 2.048 s of both channels
	// in 32 kB. A packet this late still finds its place, and a disk may stand
	// still this long, less one flush, before sound is lost.
	ringSamples = 1 << 14
	ringMask    = ringSamples - 1

	// maxPayload bounds one packet's octets; a UDP datagram on Ethernet has fewer.
	maxPayload = 2048

	// maxSamples is 37 h: 2 GiB of data, which readers with signed 32-bit sizes
	// still open.
	maxSamples = 1<<30 - 1
)

// clean is the dirtyFrom of a recording with nothing to write but silence.
const clean = math.MaxInt64

type ring = [2 * ringSamples]byte

var rings = sync.Pool{New: func() any { return new(ring) }}

// Recording is one file while it grows. Write and Close are for the worker that
// owns the call's legs.
type Recording struct {
	// Set at birth.
	w     *Writer
	sh    *shard
	name  string
	law   codec.Law
	start time.Time
	done  func(Result)

	// The writer goroutine's.
	file        file
	turn, index int  // where in the shard's turns
	told        bool // the fault was logged and counted

	mu     sync.Mutex
	buf    *ring // interleaved left, right; nil when nothing more is taken
	tracks [2]track
	// Positions are samples since start. The ring holds [head-ringSamples, head).
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
// folders are made. It touches no disk itself: the file is made by a writer
// goroutine, and if that fails the recording swallows what it is given and ends
// with FaultOpen. done is called exactly once, on a goroutine of the Writer,
// when the file is closed; it must not block and may be nil. Errors: ErrName,
// ErrStopped.
func (w *Writer) Open(name string, law codec.Law, done func(Result)) (*Recording, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if !law.Valid() {
		return nil, fmt.Errorf("record: %q: cannot record %v", name, law)
	}
	r := &Recording{w: w, name: name, law: law, start: time.Now(), done: done, buf: rings.Get().(*ring), dirtyFrom: clean}
	if !w.add(r) {
		rings.Put(r.buf)
		return nil, ErrStopped
	}
	return r, nil
}

// Name is the name given to Open.
func (r *Recording) Name() string { return r.name }

// Write takes the payload of one RTP packet of law law that arrived at now. It is
// placed by its timestamp ts (clock 8 kHz); the first packet of each ssrc lies
// where it arrived, gaps are silence, and a late packet goes where it belongs.
// Another law than the file's is transcoded. It never blocks and allocates
// nothing; payload is not kept. After Close or a fault it does nothing.
func (r *Recording) Write(ch Channel, law codec.Law, now time.Time, ssrc, ts uint32, payload []byte) {
	n := len(payload)
	if n == 0 || n > maxPayload || ch > Right {
		return
	}
	r.mu.Lock()
	if r.buf != nil && !r.closed {
		pos, stretch, ok := r.tracks[ch].place(r.elapsed(now), ssrc, ts, n)
		if !ok || !r.room(pos, n) {
			r.w.m.misplaced.Inc()
		} else if law == r.law {
			r.put(ch, pos, stretch, payload)
		} else {
			r.putOther(ch, pos, stretch, payload, law)
		}
	}
	r.mu.Unlock()
}

// putOther is apart because its buffer need not be on every packet's stack.
//
//go:noinline
func (r *Recording) putOther(ch Channel, pos int64, stretch int, payload []byte, law codec.Law) {
	var buf [maxPayload]byte
	r.put(ch, pos, stretch, buf[:codec.Transcode(buf[:], payload, law, r.law)])
}

// elapsed is now in samples since the start.
func (r *Recording) elapsed(now time.Time) int64 {
	d := max(now.Sub(r.start), 0)
	// In two steps, as nanoseconds x 8000 overflow after 13 days.
	return int64(d/time.Second)*codec.SampleRate + int64(d%time.Second)*codec.SampleRate/int64(time.Second)
}

// room tells whether n samples at pos lie within the ring, moved forward if need be.
func (r *Recording) room(pos int64, n int) bool {
	if pos < 0 || pos < r.head-ringSamples {
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
	return pos >= r.head-ringSamples
}

// grow moves the end of both channels forward to to, with silence.
func (r *Recording) grow(to int64) {
	base := to - ringSamples
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
	s := codec.Silence(r.law)
	for from < to {
		i := from & ringMask
		n := min(to-from, ringSamples-i)
		part := r.buf[2*i : 2*(i+n)]
		for j := range part {
			part[j] = s
		}
		from += n
	}
}

// put writes one channel of the ring. A positive stretch repeats the first octet
// that many times before pos, where the clock of the sender was corrected.
func (r *Recording) put(ch Channel, pos int64, stretch int, payload []byte) {
	for s := int64(1); s <= int64(stretch) && pos-s >= max(0, r.head-ringSamples); s++ {
		r.buf[2*((pos-s)&ringMask)+int64(ch)] = payload[0]
		r.dirtyFrom = min(r.dirtyFrom, pos-s)
	}
	r.dirtyFrom = min(r.dirtyFrom, pos)
	i := pos & ringMask
	first := min(int64(len(payload)), ringSamples-i)
	interleave(r.buf[2*i:], ch, payload[:first])
	interleave(r.buf[:], ch, payload[first:])
}

func interleave(dst []byte, ch Channel, src []byte) {
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
	if first && r.buf != nil {
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
}
