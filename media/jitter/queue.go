package jitter

import (
	"slices"
	"time"
)

// Decoder makes sound of the packets of one stream, in their order; those of package
// codec do.
type Decoder interface {
	Decode(dst []int16, payload []byte) (int, error)
	Conceal(dst []int16)
	Recover(dst []int16, payload []byte)
}

// Sound is what a Queue decoded: pcm lies at Pos on the sender's line, in samples,
// without a break from one SSRC to the next. pcm is not to be kept.
type Sound struct {
	Arrived time.Time // of the packet it is of, or that told that it is missing
	SSRC    uint32
	Pos     int64
}

// QueueConfig is the stream of a Queue.
type QueueConfig struct {
	Config
	// Clock is that of the timestamps, Rate that of the sound, in Hz. Rate is 8000
	// or 16000.
	Clock, Rate int
	// Decoder makes the sound; it belongs to the Queue.
	Decoder Decoder
	// Heard, which may be nil, is given all sound once as it was sent, before any of
	// it is stretched: what the decoder made up for lost packets with it.
	Heard func(s Sound, pcm []int16)
}

const (
	// depth packets wait at most: 320 ms of 10 ms packets.
	depth = 32
	// longest packet: 120 ms (RFC 6716 2.1.4).
	longest = 120 * 8
	// rising is over how many samples at 8 kHz sound comes out of a pause: 5 ms.
	rising = 40
	// madeUp frames of 20 ms stand for packets that do not come; then it is a pause.
	madeUp = 5
)

// Queue does for coded packets what Buffer does for G.711: frames of 20 ms, one
// whenever it is asked. It holds the packets themselves, so that they reach the
// decoder in order, a lost one with the packet behind it in hand, which may carry a
// copy (Opus FEC). Its delay is found and changed as Buffer's is, by pitch periods;
// after a pause it begins as it should be. One owner; nothing is allocated once
// packets of all sizes were seen.
type Queue struct {
	c            QueueConfig
	k            int64 // Rate is k times 8 kHz, and so is all that is counted in samples
	initial, max int64

	slots [depth]waiting
	held  int

	started bool
	ssrc    uint32
	seq     uint16 // next to be decoded
	ts      uint32 // that it should have
	pos     int64  // where that lies, behind fifo
	pulls   int64  // samples asked for: the clock
	asked   time.Time
	quiet   bool  // nothing is heard; the next packet waits for its moment
	resting bool  // on purpose: nothing is made up
	passed  int64 // packets that are no sound since the last that is
	dry     int64 // samples made up since then for what may still come
	size    int64 // samples of the newest packet

	early            [window]int32
	earlyN, earlyAt  int
	fresh            int
	want             int64 // play less pulls as it should be
	typical          int64
	middle           int64
	known            bool
	rest, tries      int
	stats            Stats
	scratch          [window]int32
	fifo, work, past []int16 // decoded and not heard yet; of one join; heard last
}

type waiting struct {
	used    bool
	seq     uint16
	ts      uint32
	ticks   uint32
	at      time.Time
	payload []byte
}

// NewQueue makes a queue.
func NewQueue(c QueueConfig) *Queue {
	var b Buffer
	b.Init(c.Config)
	k := int64(c.Rate / 8000)
	return &Queue{c: c, k: k, initial: b.initial * k, max: b.max * k, typical: b.initial * k, quiet: true,
		fifo: make([]int16, 0, 4*longest*k), work: make([]int16, (frame+2*maxLag)*k), past: make([]int16, maxLag*k)}
}

// Stats tells what has been, in samples at Rate.
func (q *Queue) Stats() Stats {
	s := q.stats
	s.Delay = time.Duration(max(q.typical+frame*q.k, 0)) * time.Second / time.Duration(q.c.Rate)
	if q.known && !q.quiet {
		s.Delay = time.Duration(max(q.middle-(q.play()-q.pulls)+frame*q.k, 0)) * time.Second / time.Duration(q.c.Rate)
	}
	return s
}

// play is the position that is heard next.
func (q *Queue) play() int64 { return q.pos - int64(len(q.fifo)) }

// samples is ticks of the sender at Rate.
func (q *Queue) samples(ticks int64) int64 { return ticks * int64(q.c.Rate) / int64(q.c.Clock) }

func (q *Queue) since(now time.Time) int64 {
	if q.asked.IsZero() {
		return 0
	}
	d := min(max(now.Sub(q.asked), 0), 80*time.Millisecond)
	return int64(d) * int64(q.c.Rate) / int64(time.Second)
}

// Next is what the queue decodes next: sequence number, timestamp, and where that
// lies in samples.
func (q *Queue) Next() (seq uint16, ts uint32, pos int64) { return q.seq, q.ts, q.pos }

// Drain decodes all that waits, for Heard; what would have been heard is dropped.
func (q *Queue) Drain() {
	for q.fifo = q.fifo[:0]; q.more(); q.fifo = q.fifo[:0] {
	}
	q.quiet = true
}

// Put takes a packet that came at now and covers ticks. payload is not kept.
func (q *Queue) Put(now time.Time, ssrc uint32, seq uint16, ts, ticks uint32, payload []byte) {
	q.stats.Packets++
	d := int16(seq - q.seq)
	leap := int64(int32(ts - q.ts))
	switch {
	case !q.started || ssrc != q.ssrc,
		d >= depth || d < -500, // Take of package rtp has had it confirmed
		leap > int64(q.c.Clock) && !q.quiet || leap < -int64(q.c.Clock):
		q.begin(now, ssrc, seq, ts)
		d = 0
	case d < 0:
		q.note(now, q.pos+q.samples(leap))
		q.stats.Late++
		return
	}
	w := &q.slots[seq%depth]
	if w.used {
		q.stats.Duplicates++
		return
	}
	if q.quiet && q.held == 0 && d == 0 && (leap > int64(q.c.Clock) || q.samples(leap) < q.pulls+q.want-q.pos-q.max) {
		// A pause whose length the timestamps do not tell.
		q.begin(now, ssrc, seq, ts)
	}
	*w = waiting{true, seq, ts, ticks, now, append(w.payload[:0], payload...)}
	q.held++
	q.resting = false
	q.note(now, q.pos+q.samples(int64(int32(ts-q.ts))))
}

// begin is a new time line with the packet of ts: it is taken to be as early as
// packets usually are.
func (q *Queue) begin(now time.Time, ssrc uint32, seq uint16, ts uint32) {
	if q.started {
		q.stats.Resyncs++
	}
	for i := range q.slots {
		q.slots[i].used = false
	}
	q.started, q.ssrc, q.seq, q.ts, q.held = true, ssrc, seq, ts, 0
	if q.quiet { // else it goes on where the old one ends
		q.pos = q.pulls + q.since(now) + q.want + q.typical
	}
	q.earlyN, q.earlyAt, q.fresh, q.known, q.dry, q.passed = 0, 0, 0, false, 0, 0
}

// Pass says that packet seq is no sound: nothing is missing there, and what comes
// after the sound that waits is a pause.
func (q *Queue) Pass(seq uint16) {
	if !q.started {
		return
	}
	q.resting = true
	switch d := int16(seq - q.seq); {
	case d < 0 || d >= depth:
	case q.held == 0:
		q.seq = seq + 1
	default:
		q.passed++
	}
}

// note remembers how early a packet was.
func (q *Queue) note(now time.Time, pos int64) {
	q.early[q.earlyAt] = int32(pos - q.pulls - q.since(now))
	q.earlyAt = (q.earlyAt + 1) % window
	q.earlyN = min(q.earlyN+1, window)
	if q.fresh++; q.fresh < recount {
		return
	}
	q.fresh = 0
	n := q.earlyN
	s := q.scratch[:n]
	copy(s, q.early[:n])
	slices.Sort(s)
	low, fast := int64(s[n/100]), int64(s[n*9/10])
	q.middle = int64(s[n/2])
	q.want = max(low-guard*q.k, fast-q.max)
	q.typical = q.middle - q.want
	q.known = true
}

// front is the next packet that waits.
func (q *Queue) front() *waiting {
	if q.held == 0 {
		return nil
	}
	for d := range uint16(depth) {
		if w := &q.slots[(q.seq+d)%depth]; w.used && w.seq == q.seq+d {
			return w
		}
	}
	return nil
}

// more decodes the next packet, and before it what is missing.
func (q *Queue) more() bool {
	w := q.front()
	if w == nil {
		return false
	}
	gap := q.samples(int64(int32(w.ts - q.ts)))
	missing := max(int64(w.seq-q.seq)-q.passed, 0)
	if missing > 0 && gap > 0 && q.size > 0 {
		n := min(missing, gap/q.size, max(madeUp*frame*q.k/q.size, 1))
		done := min(q.dry/q.size, n) // heard already
		for i := done; i < n; i++ {
			pcm := q.fifo[len(q.fifo) : len(q.fifo)+int(q.size)]
			if i == n-1 {
				q.c.Decoder.Recover(pcm, w.payload)
			} else {
				q.c.Decoder.Conceal(pcm)
			}
			q.stats.Concealed += uint64(q.size)
			q.sounds(w.at, q.pos+i*q.size, pcm)
		}
	}
	if q.dry > 0 && missing == 0 {
		q.stats.Inserted += uint64(q.dry)
	}
	q.pos += gap
	q.dry, q.passed = 0, 0
	pcm := q.fifo[len(q.fifo) : len(q.fifo)+int(min(longest*q.k, int64(cap(q.fifo)-len(q.fifo))))]
	n, err := q.c.Decoder.Decode(pcm, w.payload)
	if err != nil {
		n = min(int(q.samples(int64(w.ticks))), len(pcm))
		q.c.Decoder.Conceal(pcm[:n])
		q.stats.Strange++
	}
	q.size = int64(n)
	at := q.pos
	q.pos += q.samples(int64(w.ticks))
	q.seq, q.ts = w.seq+1, w.ts+w.ticks
	w.used = false
	q.held--
	q.sounds(w.at, at, pcm[:n])
	return true
}

// sounds puts what stands behind fifo into it.
func (q *Queue) sounds(at time.Time, pos int64, pcm []int16) {
	q.fifo = q.fifo[:len(q.fifo)+len(pcm)]
	if q.c.Heard != nil {
		q.c.Heard(Sound{at, q.ssrc, pos}, pcm)
	}
}

// fill decodes until n samples wait; false when there are no packets.
func (q *Queue) fill(n int64) bool {
	for int64(len(q.fifo)) < n {
		if !q.more() {
			return false
		}
	}
	return true
}

// Get fills dst, which holds 20 ms, with what is heard next. Silent is a pause.
func (q *Queue) Get(now time.Time, dst []int16) Kind {
	n := frame * q.k
	dst = dst[:n]
	q.asked = now
	kind := q.get(dst)
	q.pulls += n
	if kind == Silent {
		clear(dst)
	}
	copy(q.past, dst[n-int64(len(q.past)):])
	return kind
}

func (q *Queue) get(dst []int16) Kind {
	n := int64(len(dst))
	if q.quiet {
		w := q.front()
		if w == nil {
			return Silent
		}
		at := q.pos + q.samples(int64(int32(w.ts-q.ts)))
		lead := min(at-(q.want+q.pulls), q.max)
		if lead >= n {
			return Silent
		}
		lead = max(lead, 0)
		q.quiet, q.pos, q.seq, q.ts, q.dry = false, at, w.seq, w.ts, 0
		q.passed = 0
		q.fifo = q.fifo[:lead]
		clear(q.fifo)
		if q.more() { // perhaps in the middle of a sound
			rise := q.fifo[lead:min(lead+rising*q.k, int64(len(q.fifo)))]
			for i := range rise {
				rise[i] = int16(int(rise[i]) * (i + 1) / (len(rise) + 1))
			}
		}
	}
	if q.play()+q.max+over*q.k < q.newest() { // a burst after the line stood still
		q.stats.Resyncs++
		q.fifo = q.fifo[:0]
		for w := q.front(); w != nil && q.play()+max(q.typical, n) < q.newest(); w = q.front() {
			q.pos += q.samples(int64(int32(w.ts + w.ticks - q.ts)))
			q.seq, q.ts, w.used = w.seq+1, w.ts+w.ticks, false
			q.held--
		}
	}
	if q.adjust(dst) {
		return Voice
	}
	kind := Voice
	for !q.fill(n) {
		if q.resting || q.size == 0 || q.dry >= madeUp*n {
			q.quiet = true
			if len(q.fifo) == 0 {
				return Silent
			}
			fall := q.fifo[max(0, int64(len(q.fifo))-rising*q.k):]
			for i := range fall {
				fall[i] = int16(int(fall[i]) * (len(fall) - i) / (len(fall) + 1))
			}
			clear(q.fifo[len(q.fifo):n])
			q.fifo = q.fifo[:n]
			break
		}
		// Not here yet, or never: nobody knows. If it comes it is heard, and the delay
		// has grown.
		pcm := q.fifo[len(q.fifo) : len(q.fifo)+int(q.size)]
		q.c.Decoder.Conceal(pcm)
		q.fifo = q.fifo[:len(q.fifo)+len(pcm)]
		q.dry += q.size
		q.stats.Concealed += uint64(q.size)
		kind = Concealed
	}
	copy(dst, q.fifo)
	q.use(n)
	return kind
}

func (q *Queue) use(n int64) { q.fifo = q.fifo[:copy(q.fifo, q.fifo[n:])] }

// newest is the beginning of the newest packet that waits.
func (q *Queue) newest() int64 {
	at := q.pos
	if q.held > 0 {
		for i := range q.slots {
			if w := &q.slots[i]; w.used {
				at = max(at, q.pos+q.samples(int64(int32(w.ts-q.ts))))
			}
		}
	}
	return at
}

// adjust is Buffer's: a frame with a longer or shorter delay, where that is needed
// and not heard.
func (q *Queue) adjust(dst []int16) bool {
	if q.rest > 0 {
		q.rest--
		return false
	}
	if !q.known || q.dry > 0 {
		return false
	}
	n, k := frame*q.k, q.k
	off := q.want - (q.play() - q.pulls)
	switch {
	case off <= -guard*k/2:
		if !q.fill(n) {
			return false
		}
		w := q.work[:len(q.past)+int(n)]
		copy(w[copy(w, q.past):], q.fifo)
		lag, ok := q.find(w, len(q.past), -1, off < -400*k)
		if !ok {
			return false
		}
		blend(dst, w[len(q.past):], w[len(q.past)-lag:], int(fadeLen*k))
		q.use(n - int64(lag))
		q.rest, q.tries = 2, 0
		q.stats.Inserted += uint64(lag)
		return true
	case off > excess*k && q.earlyN >= settle:
		if !q.fill(n + maxLag*k) {
			return false
		}
		lag, ok := q.find(q.fifo, 0, 1, off > 800*k)
		if !ok {
			return false
		}
		blend(dst, q.fifo, q.fifo[lag:], int(fadeLen*k))
		q.use(n + int64(lag))
		if q.rest, q.tries = 10, 0; off > 800*k {
			q.rest = 2
		}
		q.stats.Removed += uint64(lag)
		return true
	}
	return false
}

func (q *Queue) find(w []int16, at, dir int, urgent bool) (lag int, ok bool) {
	lag, best, here := resemblance(w, at, dir, int(q.k))
	q.tries++
	return lag, best >= alike || here <= quiet*fadeLen || q.tries >= patience || urgent
}
