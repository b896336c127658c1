package record

import (
	"encoding/binary"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// turns spreads the writing over the flush interval, so that it does not come as
// one burst beside the packets.
const turns = 8

// shard is the recordings of one writer goroutine.
type shard struct {
	w    *Writer
	wake chan struct{} // in: something is in fresh or ended; of one place, so never waits

	mu    sync.Mutex
	up    bool
	fresh []*Recording // to be opened
	ended []*Recording // to be finished

	// The goroutine's.
	turns [turns][]*Recording
	next  int // turn of the next recording
	buf   []byte
	quiet []byte // silence of both channels, for long gaps
	head  [headerBytes]byte
}

func newShard(w *Writer) *shard {
	return &shard{w: w, wake: make(chan struct{}, 1), buf: make([]byte, 2*ringSamples), quiet: make([]byte, 1<<16)}
}

// opening hands r to the goroutine; false when that has ended or not begun.
func (sh *shard) opening(r *Recording) bool {
	sh.mu.Lock()
	up := sh.up
	if up {
		sh.fresh = append(sh.fresh, r)
		sh.w.m.active.Inc()
	}
	sh.mu.Unlock()
	sh.signal()
	return up
}

// closing hands r over to be finished; after the end it has been already.
func (sh *shard) closing(r *Recording) {
	sh.mu.Lock()
	if sh.up {
		sh.ended = append(sh.ended, r)
	}
	sh.mu.Unlock()
	sh.signal()
}

func (sh *shard) signal() {
	select {
	case sh.wake <- struct{}{}:
	default:
	}
}

func (sh *shard) run(measure bool) {
	tick := time.NewTicker(sh.w.cfg.FlushEvery / turns)
	defer tick.Stop()
	var free <-chan time.Time
	if measure {
		t := time.NewTicker(freeEvery)
		defer t.Stop()
		free = t.C
	}
	for turn := 0; ; {
		select {
		case <-tick.C:
			turn = (turn + 1) % turns
			for _, r := range sh.turns[turn] {
				sh.flush(r)
				sh.report(r)
			}
		case <-sh.wake:
			sh.service(true)
		case <-free:
			sh.w.m.measureFree(sh.w.cfg.Dir)
		case <-sh.w.quit:
			sh.service(false)
			for i := range sh.turns {
				for len(sh.turns[i]) > 0 {
					r := sh.turns[i][0]
					r.fail(FaultStopped, nil)
					sh.finish(r)
				}
			}
			return
		}
	}
}

// service opens and finishes what waits for it. With up false nothing is taken
// afterwards.
func (sh *shard) service(up bool) {
	sh.mu.Lock()
	fresh, ended := sh.fresh, sh.ended
	sh.fresh, sh.ended, sh.up = nil, nil, up
	sh.mu.Unlock()
	for _, r := range fresh {
		sh.start(r)
	}
	for _, r := range ended {
		sh.finish(r)
	}
}

func (sh *shard) start(r *Recording) {
	r.turn = sh.next
	sh.next = (sh.next + 1) % turns
	r.index = len(sh.turns[r.turn])
	sh.turns[r.turn] = append(sh.turns[r.turn], r)
	f, err := sh.w.open(r.name)
	if err == nil {
		r.file = f
		err = sh.header(r, 0)
	}
	if err != nil {
		reason := FaultOpen
		if full(err) {
			reason = FaultFull
		}
		r.fail(reason, err)
		sh.report(r)
	}
}

// report logs and counts a new fault once.
func (sh *shard) report(r *Recording) {
	if r.told {
		return
	}
	r.mu.Lock()
	fault, cause := r.fault, r.cause
	r.mu.Unlock()
	if fault != "" {
		r.told = true
		sh.w.m.errors.WithLabelValues(fault).Inc()
		sh.w.log.fault(r.name, fault, cause)
	}
}

// flush brings the file up to what the recording holds: sound first, then the
// sizes, so that the header never promises what is not there.
func (sh *shard) flush(r *Recording) {
	r.mu.Lock()
	if r.file == nil || r.buf == nil || r.dirtyFrom == clean && r.written == r.head {
		r.mu.Unlock()
		return
	}
	head, written := r.head, r.written
	base := max(0, head-ringSamples)
	from := max(min(r.dirtyFrom, written), base)
	n := copyRing(sh.buf, r.buf, from, head)
	r.dirtyFrom = clean
	r.mu.Unlock()

	upTo, err := written, error(nil)
	if written < base {
		// Longer silence than the ring holds: nobody sent for a while.
		upTo, err = sh.fill(r, written, base)
	}
	if err == nil {
		var done int
		done, err = r.file.WriteAt(sh.buf[:n], headerBytes+2*from)
		upTo = max(upTo, from+int64(done)/2)
		sh.w.m.written.Add(float64(done))
	}
	if upTo > written {
		// Also after an error: what did fit is sound. It takes no new space.
		if herr := sh.header(r, upTo); err == nil {
			err = herr
		} else if herr != nil {
			upTo = written // the header still says so
		}
	}
	r.mu.Lock()
	r.written = upTo
	r.mu.Unlock()
	if err != nil {
		reason := FaultWrite
		if full(err) {
			reason = FaultFull
		}
		r.fail(reason, err)
	}
}

// copyRing copies the samples [from, to) of both channels and returns the octets.
func copyRing(dst []byte, src *ring, from, to int64) int {
	i, n := from&ringMask, to-from
	first := min(n, ringSamples-i)
	copy(dst, src[2*i:2*(i+first)])
	copy(dst[2*first:], src[:2*(n-first)])
	return int(2 * n)
}

// fill writes silence to [from, to) and returns how far it came.
func (sh *shard) fill(r *Recording, from, to int64) (int64, error) {
	if s := codec.Silence(r.law); sh.quiet[0] != s {
		for i := range sh.quiet {
			sh.quiet[i] = s
		}
	}
	for from < to {
		n, err := r.file.WriteAt(sh.quiet[:min(int64(len(sh.quiet)), 2*(to-from))], headerBytes+2*from)
		from += int64(n) / 2
		sh.w.m.written.Add(float64(n))
		if err != nil {
			return from, err
		}
	}
	return from, nil
}

// finish ends a recording: rest, file, result.
func (sh *shard) finish(r *Recording) {
	list := sh.turns[r.turn]
	last := len(list) - 1
	list[r.index] = list[last]
	list[r.index].index = r.index
	list[last] = nil
	sh.turns[r.turn] = list[:last]

	sh.flush(r)
	if r.file != nil {
		if !sh.w.intact(r.name, r.file) {
			r.fail(FaultRemoved, nil)
		}
		if err := r.file.Close(); err != nil {
			r.fail(FaultWrite, err)
		}
	}
	sh.report(r)
	r.mu.Lock()
	r.releaseLocked()
	r.closed = true
	res := Result{Name: r.name, Fault: r.fault}
	if r.file != nil {
		res.Duration = time.Duration(r.written) * time.Second / codec.SampleRate
		res.SizeBytes = headerBytes + 2*r.written
	}
	r.mu.Unlock()
	sh.w.m.active.Dec()
	if r.file == nil || res.Fault == FaultRemoved {
		finished{res, r.done}.tell()
		return
	}
	select {
	case sh.w.toHash <- finished{res, r.done}:
	default: // see Result.SHA256
		finished{res, r.done}.tell()
	}
}

func (r *Recording) fail(reason string, err error) {
	r.mu.Lock()
	r.failLocked(reason, err)
	r.mu.Unlock()
}

// full tells whether err means that no more fits.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// headerBytes is the size of the WAV header: RIFF, fmt (with the empty extension
// that other formats than PCM need), fact, data.
const headerBytes = 12 + 8 + 18 + 8 + 4 + 8

// header writes the header of a file of n samples.
func (sh *shard) header(r *Recording, n int64) error {
	_, err := r.file.WriteAt(appendHeader(sh.head[:0], r.law, n), 0)
	return err
}

// appendHeader appends the header of n samples of stereo G.711 (RFC 2361 A.6,
// A.7: format tags 6 and 7). The data is always even, so no padding follows.
func appendHeader(b []byte, law codec.Law, n int64) []byte {
	tag := uint16(7)
	if law == codec.PCMA {
		tag = 6
	}
	le := binary.LittleEndian
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, uint32(headerBytes-8+2*n))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 18)
	b = le.AppendUint16(b, tag)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint32(b, codec.SampleRate)
	b = le.AppendUint32(b, 2*codec.SampleRate)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 8)
	b = le.AppendUint16(b, 0)
	b = append(b, "fact"...)
	b = le.AppendUint32(b, 4)
	b = le.AppendUint32(b, uint32(n))
	b = append(b, "data"...)
	return le.AppendUint32(b, uint32(2*n))
}
