package robot

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxHeard bounds what a listening leg keeps, in samples: 4 minutes.
const maxHeard = 240 * SampleRate

// Leg is one end of a stream: sends tones, probes or digits, and hears.
type Leg struct {
	// set at birth
	media *Media
	port  *port
	id    uint32
	ssrc  uint32

	inGrid bool // guarded by media.mu

	mu      sync.Mutex
	remote  netip.AddrPort
	law     Law
	eventPT uint8
	mute    bool // hold: the other side does not want to hear
	audio   []byte
	at      int
	probe   bool
	seq     uint16
	ts      uint32
	marker  bool
	digits  []digit
	closed  bool
	sent    uint64

	in     receiver
	listen bool
	heard  []int16
	keys   []byte
	keyTS  uint32 // timestamp of the event being sent
	keyAt  int64  // when the last key was let go, ns; 0: its answer has come
	answer []time.Duration
}

// digit is one RFC 4733 event being sent.
type digit struct {
	event   uint8
	left    int // packets of growing duration, then 3 with the end bit, then a pause
	elapsed uint16
	began   bool
	gap     int
}

// receiver is what RFC 3550 appendix A keeps of a stream.
type receiver struct {
	started            bool
	audio              bool // lastTS and transit are those of a sound packet; a stream may begin with an event
	ssrc               uint32
	baseSeq, maxSeq    uint32 // extended
	lastTS             uint32
	transit            int64
	jitter             float64 // in 8 kHz units
	received           uint64
	firstAt, lastAt    int64 // wall-clock ns
	ssrcChanges        int
	tsBack             int // timestamp ran backwards with a rising sequence
	strangers          uint64
	wrongPT            uint64
	probes, crossed    uint64
	peer               uint32
	delaySum, delayMax int64
	lastDelay          int64
	events             uint64
	lastEventTS        uint32
}

// LegStats is what a leg measured; see RFC 3550 6.4.1 for lost and jitter.
type LegStats struct {
	Sent, Received  uint64
	Lost            int64         // expected minus received
	JitterMs        float64       // interarrival jitter of the last packet
	SSRCChanges     int           // a stream that stays one has 0
	TimestampBack   int           // times the timestamp ran backwards
	Strangers       uint64        // packets not from the signalled address
	WrongPayload    uint64        // packets of another payload type than negotiated
	Probes, Crossed uint64        // probe packets of the peer, and of anybody else
	Delay, DelayMax time.Duration // mean and greatest mouth-to-ear delay of probes
	RTCP            uint64        // reports seen on the odd port
	First, Last     time.Time     // arrival of the first and last packet
}

// Addr is where the leg receives, as offered in SDP.
func (l *Leg) Addr() netip.AddrPort { return l.port.addr }

// ID tells probes of this leg from others; unique within its Media.
func (l *Leg) ID() uint32 { return l.id }

// SetRemote applies what was negotiated. A changed remote is taken at once.
func (l *Leg) SetRemote(remote netip.AddrPort, law Law, eventPT uint8) {
	l.mu.Lock()
	old := l.remote
	l.remote, l.law, l.eventPT = remote, law, eventPT
	l.mu.Unlock()
	if old == remote || l.port.byAddr == nil {
		return
	}
	p := l.port
	p.mu.Lock()
	if p.byAddr[old] == l {
		delete(p.byAddr, old)
	}
	p.byAddr[remote] = l
	p.mu.Unlock()
}

// Law is the law that was negotiated.
func (l *Leg) Law() Law { l.mu.Lock(); defer l.mu.Unlock(); return l.law }

// Mute stops sending while the peer holds us; the timestamp line runs on.
func (l *Leg) Mute(on bool) { l.mu.Lock(); l.mute = on; l.marker = !on; l.mu.Unlock() }

// Play sends samples of the negotiated law in a loop, from now on.
func (l *Leg) Play(samples []byte) {
	l.mu.Lock()
	l.audio, l.at, l.marker, l.probe = samples, 0, true, false
	l.mu.Unlock()
	l.media.add(l)
}

// PlayTone sends a tone of whole hertz in the negotiated law.
func (l *Leg) PlayTone(freqHz int) {
	l.mu.Lock()
	law := l.law
	l.mu.Unlock()
	l.Play(Tone(law, freqHz))
}

// Probe sends packets that carry the leg's id and the time instead of sound;
// the receiving leg of the same Media measures delay and crosstalk by them.
func (l *Leg) Probe() {
	l.mu.Lock()
	l.audio, l.probe, l.marker = nil, true, true
	l.mu.Unlock()
	l.media.add(l)
}

// ExpectPeer names the leg whose probes this one should hear; others count as crossed.
func (l *Leg) ExpectPeer(id uint32) { l.mu.Lock(); l.in.peer = id; l.mu.Unlock() }

// Stop sends nothing any more.
func (l *Leg) Stop() { l.media.remove(l) }

// SendDigits queues RFC 4733 events (0-9 * # A-D), each 100 ms with 60 ms
// between. It needs a source (Play) to run, and returns false when the peer
// has no telephone-event.
func (l *Leg) SendDigits(s string) bool {
	l.mu.Lock()
	if l.eventPT == 0 {
		l.mu.Unlock()
		return false
	}
	for i := range len(s) {
		ev, ok := eventOf(s[i])
		if ok {
			l.digits = append(l.digits, digit{event: ev, left: 5, gap: 3})
		}
	}
	l.mu.Unlock()
	l.media.add(l)
	return true
}

const eventChars = "0123456789*#ABCD"

func eventOf(c byte) (uint8, bool) {
	for i := range len(eventChars) {
		if eventChars[i] == c {
			return uint8(i), true
		}
	}
	return 0, false
}

// Listen keeps what is heard, decoded, for Mark and Since.
func (l *Leg) Listen() { l.mu.Lock(); l.listen = true; l.mu.Unlock() }

// Mark is the present length of what was heard, in samples.
func (l *Leg) Mark() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.heard) }

// Since returns a copy of what was heard after mark.
func (l *Leg) Since(mark int) []int16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mark >= len(l.heard) {
		return nil
	}
	return append([]int16(nil), l.heard[mark:]...)
}

// Keys returns the digits heard as RFC 4733 events so far.
func (l *Leg) Keys() string { l.mu.Lock(); defer l.mu.Unlock(); return string(l.keys) }

// Answered lists, for each key sent, the time from its end to the next packet of
// sound: what an answer takes, when the key was sent into silence.
func (l *Leg) Answered() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.answer)
}

// Silent tells since when no packet has come, at now (ns); 0 when none ever has, or a
// key that was sent has no answer yet.
func (l *Leg) Silent(now int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.in.started || l.keyAt != 0 || len(l.digits) > 0 {
		return 0
	}
	return time.Duration(now - l.in.lastAt)
}

// Stats returns what was measured so far.
func (l *Leg) Stats() LegStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.in
	s := LegStats{Sent: l.sent, Received: r.received, JitterMs: r.jitter / 8, SSRCChanges: r.ssrcChanges,
		TimestampBack: r.tsBack, Strangers: r.strangers, WrongPayload: r.wrongPT, Probes: r.probes, Crossed: r.crossed,
		DelayMax: time.Duration(r.delayMax)}
	if r.started {
		s.Lost = int64(r.maxSeq-r.baseSeq) + 1 - int64(r.received)
		s.First, s.Last = time.Unix(0, r.firstAt), time.Unix(0, r.lastAt)
	}
	if r.probes > 0 {
		s.Delay = time.Duration(r.delaySum / int64(r.probes))
	}
	if l.port.byAddr == nil {
		s.RTCP = l.port.rtcpSeen.Load()
	}
	return s
}

// Close stops sending and receiving and frees a port of its own.
func (l *Leg) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	remote := l.remote
	l.mu.Unlock()
	l.media.remove(l)
	p := l.port
	if p.byAddr == nil {
		p.close()
		return
	}
	p.mu.Lock()
	if p.byAddr[remote] == l {
		delete(p.byAddr, remote)
	}
	p.mu.Unlock()
}

// next puts the leg's packet of this 20 ms into its port's batch. Called by
// the sender alone; false when there is nothing to send.
func (l *Leg) next() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ts += frame
	if l.closed || !l.remote.IsValid() || l.remote.Port() == 0 || l.remote.Addr().IsUnspecified() || l.mute {
		return false
	}
	if len(l.digits) > 0 && l.nextEvent() {
		return true
	}
	if l.audio == nil && !l.probe {
		return false
	}
	b := l.port.io.slot(l.port, l.remote, 12+frame)
	l.header(b, uint8(l.law), l.marker, l.ts)
	l.marker = false
	if l.probe {
		fill := l.law.Silence()
		for i := 12 + 16; i < len(b); i++ {
			b[i] = fill
		}
		putProbe(b[12:], l.id)
	} else {
		for n := 12; n < len(b); {
			c := copy(b[n:], l.audio[l.at:])
			n += c
			l.at = (l.at + c) % len(l.audio)
		}
	}
	return true
}

// nextEvent sends a step of the digit in front (RFC 4733 2.5.1): the timestamp
// stays at the event's start, the duration grows, the end is sent three times.
func (l *Leg) nextEvent() bool {
	d := &l.digits[0]
	if d.left < -2 { // ended: a pause of d.gap packets of sound before the next
		if d.gap--; d.gap <= 0 {
			l.digits = l.digits[1:]
		}
		return false
	}
	first := !d.began
	if first {
		d.began = true
		l.keyTS = l.ts
	}
	if d.left > 0 {
		d.elapsed += frame
	}
	b := l.port.io.slot(l.port, l.remote, 16)
	l.header(b, l.eventPT, first, l.keyTS)
	b[12] = d.event
	b[13] = 10 // volume, -10 dBm0
	if d.left <= 0 {
		b[13] |= 0x80
	}
	if d.left == 0 { // let go: what a menu acts on
		l.keyAt = time.Now().UnixNano()
	}
	binary.BigEndian.PutUint16(b[14:], d.elapsed)
	d.left--
	return true
}

func (l *Leg) header(b []byte, pt uint8, marker bool, ts uint32) {
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], l.seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], l.ssrc)
	l.seq++
	l.sent++
}

// receive takes one datagram.
func (l *Leg) receive(b []byte, from netip.AddrPort, at int64) {
	if len(b) < 12 || b[0]>>6 != 2 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.in
	if l.remote.IsValid() && from != l.remote && !l.remote.Addr().IsUnspecified() {
		r.strangers++
		return
	}
	pt := b[1] & 0x7f
	seq := binary.BigEndian.Uint16(b[2:])
	ts := binary.BigEndian.Uint32(b[4:])
	ssrc := binary.BigEndian.Uint32(b[8:])
	if !r.started {
		r.started, r.ssrc, r.firstAt = true, ssrc, at
		r.baseSeq = 1<<16 | uint32(seq)
		r.maxSeq = r.baseSeq
	} else if ssrc != r.ssrc {
		r.ssrcChanges++
		r.ssrc = ssrc
		r.baseSeq = 1<<16 | uint32(seq)
		r.maxSeq = r.baseSeq
		r.received, r.audio = 0, false
	} else {
		d := int16(seq - uint16(r.maxSeq))
		if d > 0 {
			r.maxSeq += uint32(d)
			if r.audio && int32(ts-r.lastTS) < 0 && pt != l.eventPT {
				r.tsBack++
			}
		}
	}
	r.received++
	hdr := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 && len(b) >= hdr+4 {
		hdr += 4 + 4*int(binary.BigEndian.Uint16(b[hdr+2:]))
	}
	if hdr > len(b) {
		return
	}
	payload := b[hdr:]
	if l.eventPT != 0 && pt == l.eventPT {
		l.event(payload, ts)
		r.lastAt = at
		return
	}
	if l.keyAt != 0 {
		l.answer = append(l.answer, time.Duration(at-l.keyAt))
		l.keyAt = 0
	}
	transit := at/125000 - int64(ts) // arrival in 8 kHz units of 125 µs
	if r.audio {
		d := float64(int32(transit - r.transit)) // 32 bit: the timestamp wraps
		r.jitter += (max(d, -d) - r.jitter) / 16
	}
	r.transit, r.lastTS, r.lastAt, r.audio = transit, ts, at, true
	if Law(pt) != PCMU && Law(pt) != PCMA {
		r.wrongPT++
		return
	}
	if len(payload) >= 16 && binary.BigEndian.Uint32(payload) == magic {
		if id := binary.BigEndian.Uint32(payload[4:]); r.peer != 0 && id != r.peer {
			r.crossed++
		} else {
			r.probes++
			d := at - int64(binary.BigEndian.Uint64(payload[8:]))
			l.media.delay.Add(time.Duration(d))
			if r.probes > 1 {
				l.media.spread.Add(time.Duration(max(d-r.lastDelay, r.lastDelay-d)))
			}
			r.lastDelay = d
			r.delaySum += d
			r.delayMax = max(r.delayMax, d)
		}
	}
	if l.listen && len(l.heard) < maxHeard {
		law := Law(pt)
		for _, c := range payload {
			l.heard = append(l.heard, law.Decode(c))
		}
	}
}

// event takes a telephone-event payload: a new timestamp is a new key.
func (l *Leg) event(p []byte, ts uint32) {
	if len(p) < 4 || int(p[0]) >= len(eventChars) {
		return
	}
	if l.in.events > 0 && ts == l.in.lastEventTS {
		return
	}
	l.in.events++
	l.in.lastEventTS = ts
	l.keys = append(l.keys, eventChars[p[0]])
}
