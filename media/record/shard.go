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
	next  int    // turn of the next recording
	buf   []byte // octets from a ring
	out   []byte // as they go to the file
	quiet []byte // silence of both channels, for long gaps
	head  [headerBytes]byte
	marks []Mark
}

func newShard(w *Writer) *shard {
	return &shard{w: w, wake: make(chan struct{}, 1), buf: make([]byte, 2*maxRing), out: make([]byte, 4*maxRing), quiet: make([]byte, 1<<16)}
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
				sh.flush(r, false)
				sh.report(r)
			}
		case <-sh.wake:
			sh.service(true)
		case <-free:
			sh.w.measureFree()
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
		if err = sh.header(r, 0, nil); err == nil {
			if n, ok := f.(newFile); ok {
				err = n.publish()
			}
		}
	}
	if err != nil {
		if r.file != nil {
			r.file.Close()
			if n, ok := r.file.(newFile); ok {
				ForgetNew(n.dir, n.name)
			}
			r.file = nil
		}
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
// sizes, so that the header never promises what is not there. Only whole blocks
// are written until the end, or until nobody sends any more.
func (sh *shard) flush(r *Recording, end bool) {
	fb := r.format.frameBytes()
	block := blockBytes / fb // samples
	r.mu.Lock()
	head, written := r.head, r.written
	if !end && head != r.seen {
		head -= head % block
	}
	r.seen = r.head
	if r.file == nil || !r.open() || r.dirtyFrom >= head && written >= head && !end {
		r.mu.Unlock()
		return
	}
	base := max(0, r.head-r.size)
	from := min(r.dirtyFrom, written)
	from = max(from-from%block, base)
	n := max(head-from, 0)
	laws, wide := r.laws, r.wide != nil
	sh.take(r, from, n)
	r.dirtyFrom = clean
	if r.head > head {
		r.dirtyFrom = head
	}
	sh.marks = append(sh.marks[:0], r.marks...)
	r.mu.Unlock()

	upTo, err := written, error(nil)
	if written < base {
		// Longer silence than the ring holds: nobody sent for a while.
		upTo, err = sh.fill(r, laws, written, base)
	}
	if err == nil && n > 0 {
		var done int
		done, err = r.file.WriteAt(sh.ready(r.format, laws, wide, n), headerBytes+fb*from)
		upTo = max(upTo, from+int64(done)/fb)
		sh.w.wrote(done)
	}
	if upTo > written || end {
		// Also after an error: what did fit is sound. It takes no new space.
		if herr := sh.header(r, upTo, sh.marks); err == nil {
			err = herr
		} else if herr != nil {
			upTo = written // the header still says so
		}
	}
	r.mu.Lock()
	r.written = upTo
	r.ease(n)
	r.mu.Unlock()
	if err != nil {
		reason := FaultWrite
		if full(err) {
			reason = FaultFull
		}
		r.fail(reason, err)
	}
}

func (w *Writer) wrote(n int) {
	w.m.written.Add(float64(n))
	w.bytes.Add(int64(n))
}

// take copies n samples of both channels out of the ring, at from: octets to buf,
// linear ones to out. r.mu is held.
func (sh *shard) take(r *Recording, from, n int64) {
	i := from & r.mask
	first := min(n, r.size-i)
	if r.wide == nil {
		copy(sh.buf, r.buf[2*i:2*(i+first)])
		copy(sh.buf[2*first:], r.buf[:2*(n-first)])
		return
	}
	put := func(at int64, src []int16) {
		out := sh.out[at : at+2*int64(len(src))]
		for k, s := range src {
			binary.LittleEndian.PutUint16(out[2*k:], uint16(s))
		}
	}
	put(0, r.wide[2*i:2*(i+first)])
	put(4*first, r.wide[:2*(n-first)])
}

// ready makes what was taken as it goes to the file.
func (sh *shard) ready(f Format, laws [2]codec.Law, wide bool, n int64) []byte {
	switch {
	case f == G711:
		return sh.buf[:2*n]
	case wide:
		return sh.out[:4*n]
	}
	left, right := codec.Table(laws[Left]), codec.Table(laws[Right])
	in, out := sh.buf[:2*n], sh.out[:4*n]
	for len(in) >= 4 && len(out) >= 8 { // two samples of both channels at a time
		binary.LittleEndian.PutUint64(out, uint64(uint16(left[in[0]]))|uint64(uint16(right[in[1]]))<<16|
			uint64(uint16(left[in[2]]))<<32|uint64(uint16(right[in[3]]))<<48)
		in, out = in[4:], out[8:]
	}
	if len(in) >= 2 {
		binary.LittleEndian.PutUint32(out, uint32(uint16(left[in[0]]))|uint32(uint16(right[in[1]]))<<16)
	}
	return sh.out[:4*n]
}

// fill writes silence to [from, to) and returns how far it came.
func (sh *shard) fill(r *Recording, laws [2]codec.Law, from, to int64) (int64, error) {
	var silence [4]byte
	if r.format == G711 {
		l, r := codec.Silence(laws[Left]), codec.Silence(laws[Right])
		silence = [4]byte{l, r, l, r}
	}
	if [4]byte(sh.quiet) != silence {
		for i := range sh.quiet {
			sh.quiet[i] = silence[i&3]
		}
	}
	fb := r.format.frameBytes()
	for from < to {
		n, err := r.file.WriteAt(sh.quiet[:min(int64(len(sh.quiet)), fb*(to-from))], headerBytes+fb*from)
		from += int64(n) / fb
		sh.w.wrote(n)
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

	sh.flush(r, true)
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
		res.Duration, res.Pauses = samples(r.written), samples(r.pauses)
		res.SizeBytes = headerBytes + r.format.frameBytes()*r.written
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

// header writes the header of a file of n samples.
func (sh *shard) header(r *Recording, n int64, marks []Mark) error {
	_, err := r.file.WriteAt(appendHeader(sh.head[:0], r.format, r.law, n, marks), 0)
	return err
}
