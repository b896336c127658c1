package session

import (
	"sync/atomic"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/jitter"
	"github.com/centrala/centrala/media/mix"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/rtp"
)

// Role is what a leg hears in a conference and who hears it. The zero value is
// Talker's.
type Role struct {
	mode   roleMode
	to     *Leg
	noKeys bool
}

type roleMode uint8

const (
	talker roleMode = iota
	listener
	whisper
)

// Talker hears all and is heard by all.
func Talker() Role { return Role{} }

// Listener hears all and is heard by nobody (monitor; mute).
func Listener() Role { return Role{mode: listener} }

// Whisper hears all and is heard only by to, as long as that is in the conference.
func Whisper(to *Leg) Role { return Role{mode: whisper, to: to} }

// WithoutKeys is r for a leg whose keys are for us alone: none is passed on.
func (r Role) WithoutKeys() Role { r.noKeys = true; return r }

// Conference mixes legs: each hears all others but itself, as their roles allow.
// Every member is sent a frame each 20 ms, also when all are silent. Its methods
// post commands and return at once; they may be called from any goroutine.
type Conference struct {
	// Set at birth.
	e     *Engine
	w     *worker
	group uint64

	closed atomic.Uint64 // how often; an Add from before does nothing

	// All below: worker only.
	seat
	members []*member
	reel    reel

	sum mix.Sum
	pcm [media.FrameSamples]int16
	// The mix of all who talk, for those who say nothing: made once a frame, and
	// encoded once for each law.
	limiter mix.Limiter
	before  mix.Limiter // limiter as it was at the frame's beginning
	limited bool
	all     [media.FrameSamples]int16
	octets  [2][media.FrameSamples]byte
	encoded [2]bool
}

// member is a leg in a conference.
type member struct {
	c     *Conference
	l     *Leg
	role  Role
	index int
	in    jitter.Buffer
	pcm   [media.FrameSamples]int16
	heard bool // pcm holds something to be heard
	// direct: the partner whom the leg was bridged to still hears it without the mixer,
	// until that has its sound: flowing frames of it, in the frames that waited counts.
	direct          bool
	flowing, waited uint8
	// turning: this frame is the last of the present role, next follows; rising: it
	// is the first. Both fade within 5 ms, or the change would click.
	turning, rising bool
	next            Role
	out             mix.Limiter

	// What the others say is recorded.
	rec     *record.Recording
	channel record.Channel
	recTS   uint32
	recOut  mix.Limiter

	countedLate, countedConcealed uint64
}

// quiet: what A-law makes of silence is +-8.
const quiet = 8

// NewConference makes a conference that lives on group's worker. It costs nothing
// while nobody is in it and needs no end.
func (e *Engine) NewConference(group uint64) *Conference {
	return &Conference{e: e, w: e.worker(group), group: group, seat: seat{slot: -1}}
}

// Add takes l into the conference, from a bridge, an echo or another conference,
// and ends what plays on it. A leg of another group moves to the conference's.
// Adding a member sets its role.
func (c *Conference) Add(l *Leg, r Role) {
	if l == nil || l.e != c.e {
		return
	}
	closed := c.closed.Load()
	l.route.mu.Lock()
	l.moveLocked(c.group)
	l.queue(command{run: func(now time.Time) {
		if !l.closed && l.w == c.w && c.closed.Load() == closed {
			c.add(now, l, r)
		}
	}}, false)
	home := l.route.home
	l.route.mu.Unlock()
	home.serve()
}

// Remove takes l out; it is silent until something else is asked of it.
func (c *Conference) Remove(l *Leg) {
	c.do(l, func() { c.remove(l) })
}

// SetRole changes l's role without a gap.
func (c *Conference) SetRole(l *Leg, r Role) {
	c.do(l, func() { l.member.set(r) })
}

// Record gives what all others say, and what plays to all, to r as channel ch,
// while l is in; nil stops. Whispers are left out. With l's own Record on the other
// channel that is the whole conversation of l; the others' own taps must then not
// write to the same channel.
func (c *Conference) Record(l *Leg, r *record.Recording, ch record.Channel) {
	c.do(l, func() { l.member.rec, l.member.channel, l.member.recOut = r, ch, mix.Limiter{} })
}

// do runs f on the worker if l is a member then.
func (c *Conference) do(l *Leg, f func()) {
	if l == nil || l.e != c.e {
		return
	}
	l.post(func(time.Time) {
		if l.member != nil && l.member.c == c {
			f()
		}
	})
}

// Play plays p to all, mixed with what they hear, in the place of what plays.
// done, which may be nil, is called with p.ID on the worker when it ended by itself.
// A looped Play waits while nobody is in.
func (c *Conference) Play(p Play, done func(id uint64)) {
	c.w.post(func(now time.Time) {
		c.reel = newReel(p, done)
		c.w.activate(c, now)
	}, false)
}

// StopPlay ends what plays to all.
func (c *Conference) StopPlay() {
	c.w.post(func(time.Time) { c.reel.stopping = true }, false)
}

// Close takes all legs out and ends what plays. The conference can be used again.
func (c *Conference) Close() {
	c.closed.Add(1)
	c.w.post(func(time.Time) {
		c.reel = reel{}
		for len(c.members) > 0 {
			c.remove(c.members[len(c.members)-1].l)
		}
	}, true)
}

func (c *Conference) add(now time.Time, l *Leg, r Role) {
	if l.member != nil && l.member.c == c {
		l.member.set(r)
		return
	}
	m := &member{c: c, l: l, role: r, index: len(c.members), direct: l.goesOnInto(r)}
	l.pull() // nobody may have listened to it
	if !m.direct {
		l.part()
		l.breakOff(now)
		l.player = player{}
		l.line.Cut()
	}
	m.in.Init(jitter.Config{})
	c.members = append(c.members, m)
	l.member = m
	c.w.count.members++
	c.w.activate(c, now)
}

// goesOnInto tells whether who is bridged to l goes on hearing it while l comes into a
// conference as r: the mixer has nothing of l before a packet or two have come.
func (l *Leg) goesOnInto(r Role) bool {
	d := l.peer
	return d != nil && d != l && l.member == nil && r.mode == talker && !l.player.active && !d.player.active && !l.transcodes(l.p.Law)
}

// fed tells whether l still hears its former partner without the mixer.
func (l *Leg) fed() bool { return l.peer != nil && l.peer.member != nil && l.peer.member.direct }

const (
	// flows: the first frame of a stream begins with what is not there yet.
	flows = 2
	// waits: who has said nothing in so many frames has nothing to go on with.
	waits = 5
)

// arrive ends that m is heard directly, when the mixer has sound of it, or it cannot be
// waited for any more.
func (m *member) arrive(kind jitter.Kind) {
	d := m.l.peer
	if d == nil || m.waited == 0 && (d.member == nil || d.member.c != m.c) {
		m.l.unbridge() // the partner did not come along
		m.direct = false
		return
	}
	if kind == jitter.Voice {
		m.flowing++
	}
	if m.waited++; m.flowing < flows && m.waited < waits {
		return
	}
	m.direct = false
	d.line.Cut()
	if d.member == nil || !d.member.direct { // both are through
		d.peer, m.l.peer = nil, nil
	}
}

func (c *Conference) remove(l *Leg) {
	if l.peer != nil { // on the way in
		l.unbridge()
	}
	m := l.member
	m.count()
	last := len(c.members) - 1
	c.members[m.index] = c.members[last]
	c.members[m.index].index = m.index
	c.members[last] = nil
	c.members = c.members[:last]
	l.member = nil
	l.letDown()
	c.w.count.members--
}

func (m *member) set(r Role) {
	if m.direct && r.mode != talker {
		m.l.unbridge()
	}
	m.turning = m.heard && r != m.role
	if m.next = r; !m.turning {
		m.turn()
	}
}

// turn makes next the role.
func (m *member) turn() {
	if m.role.mode == listener && m.next.mode != listener {
		m.in.Init(jitter.Config{}) // it was not fed
	}
	m.rising = m.role != m.next
	m.role, m.turning = m.next, false
}

// receive takes a packet of the member's sound.
func (m *member) receive(now time.Time, law codec.Law, p *rtp.Packet, payload []byte) {
	if m.role.mode != listener {
		m.in.Put(now, law, p.SSRC, p.TS, payload)
	}
}

// hears tells whether d hears m.
func (m *member) hears(d *member) bool {
	switch {
	case d == m || m.role.mode == listener:
		return false
	case m.role.mode == whisper:
		return m.role.to == d.l
	}
	return true
}

// key passes a key that m pressed on to those who hear m: as an event of our own,
// for each has a line and perhaps a tone instead.
func (m *member) key(now time.Time, key byte) {
	if m.role.noKeys {
		return
	}
	for _, d := range m.c.members {
		if m.hears(d) && d.l.digits.Push(string(rune(key))) > 0 {
			m.c.w.activate(d.l, now)
		}
	}
}

// count brings the worker's counters up to date.
func (m *member) count() {
	s := m.in.Stats()
	if s.Late < m.countedLate || s.Concealed < m.countedConcealed { // begun anew
		m.countedLate, m.countedConcealed = 0, 0
	}
	m.c.w.count.late += s.Late - m.countedLate
	m.c.w.count.concealed += s.Concealed - m.countedConcealed
	m.countedLate, m.countedConcealed = s.Late, s.Concealed
}

// tick makes the frames that are due.
func (c *Conference) tick(now time.Time, frames int) {
	if missed := frames - maxCatchUp; missed > 0 {
		for _, m := range c.members {
			m.in.Skip(now, missed)
			m.recTS += uint32(missed) * media.FrameSamples
			m.l.line.Cut()
		}
		frames = maxCatchUp
	}
	for range frames {
		c.frame(now)
	}
	if len(c.members) == 0 && (!c.reel.active || c.reel.loop) {
		c.w.deactivate(c)
	}
}

func (c *Conference) frame(now time.Time) {
	c.sum.Reset()
	for _, m := range c.members {
		kind := jitter.Silent
		if m.role.mode != listener {
			kind = m.in.Get(now, m.pcm[:])
		}
		m.heard = kind != jitter.Silent && loud(&m.pcm)
		if m.direct {
			m.arrive(kind)
		}
		if m.heard && m.rising {
			fadeIn(m.pcm[:])
			m.rising = false
		}
		if m.heard && m.turning {
			fadeOut(m.pcm[:])
		}
		if m.heard && m.role.mode == talker {
			c.sum.Add(m.pcm[:])
		}
	}
	var done func()
	if c.reel.active {
		if c.reel.stopping {
			c.reel.fill(c.pcm[:])
			fadeOut(c.pcm[:])
			c.sum.Add(c.pcm[:])
			c.reel = reel{}
		} else if c.reel.fill(c.pcm[:]) == 0 {
			if r := c.reel; r.done != nil {
				done = func() { r.done(r.id) }
			}
			c.reel = reel{}
		} else {
			c.sum.Add(c.pcm[:])
		}
	}
	c.before, c.limited, c.encoded = c.limiter, false, [2]bool{}
	for _, m := range c.members {
		c.send(now, m)
		if m.rec != nil {
			c.record(now, m)
		}
	}
	for _, m := range c.members {
		if m.turning {
			m.turn()
		}
	}
	if done != nil {
		done()
	}
}

// send sends m its mix of this frame.
func (c *Conference) send(now time.Time, m *member) {
	l := m.l
	if l.player.active || l.digits.Active() || l.tone.active || l.machine.talking {
		return // heard instead; the leg's own tick sends it
	}
	if l.fed() {
		return // its partner's packets
	}
	if !l.canSend {
		l.line.Cut()
		return
	}
	own := m.heard && m.role.mode == talker
	special := own
	sum := &c.sum
	for _, x := range c.members {
		if x.heard && x.role.mode == whisper && x.role.to == l {
			if sum == &c.sum {
				c.w.sum = c.sum
				sum = &c.w.sum
			}
			sum.Add(x.pcm[:])
			special = true
		}
	}
	// Who was held down on his own is let go before he joins the others.
	if !special && m.out == c.before && l.p.Law.Valid() {
		copy(c.w.out[rtp.HeaderSize:], c.shared(l.p.Law))
		m.out = c.limiter
		l.frame(now)
		return
	}
	if own {
		if sum == &c.sum {
			c.w.sum = c.sum
			sum = &c.w.sum
		}
		sum.Sub(m.pcm[:])
	}
	m.out.Apply(c.w.pcm[:], sum)
	l.utter(now, c.w.pcm[:])
}

// record writes what the others say.
func (c *Conference) record(now time.Time, m *member) {
	c.w.sum = c.sum
	if m.heard && m.role.mode == talker {
		c.w.sum.Sub(m.pcm[:])
	}
	m.recOut.Apply(c.w.pcm[:], &c.w.sum)
	if law := m.l.p.Law; law.Valid() {
		payload := c.w.out[rtp.HeaderSize:]
		codec.Encode(law, payload, c.w.pcm[:])
		m.rec.Write(m.channel, law, now, m.l.line.SSRC(), m.recTS, payload)
	} else {
		m.rec.WritePCM(m.channel, now, m.l.line.SSRC(), m.recTS, c.w.pcm[:])
	}
	m.recTS += media.FrameSamples
}

// shared is the mix of all talkers in law.
func (c *Conference) shared(law codec.Law) []byte {
	if !c.limited {
		c.limiter.Apply(c.all[:], &c.sum)
		c.limited = true
	}
	i := 0
	if law == codec.PCMA {
		i = 1
	}
	if !c.encoded[i] {
		codec.Encode(law, c.octets[i][:], c.all[:])
		c.encoded[i] = true
		c.w.count.encodings++
	}
	return c.octets[i][:]
}

// loud tells a frame from digital silence, which many phones send when muted.
func loud(pcm *[media.FrameSamples]int16) bool {
	for _, v := range pcm {
		if v > quiet || v < -quiet {
			return true
		}
	}
	return false
}

// reel is a Play as linear sound.
type reel struct {
	active bool
	loop   bool
	id     uint64
	done   func(id uint64)
	clips  []*play.Clip
	clip   int
	off    int // samples of it already heard
	live   uint64
	// stopping: one frame more is heard, and fades.
	stopping bool
}

func newReel(p Play, done func(id uint64)) reel {
	clip, off, loop := p.start()
	return reel{active: true, loop: loop, id: p.ID, done: done, clips: p.Clips, clip: clip, off: off}
}

// fill writes the next frame and returns how much of it is sound; 0 = the end.
func (r *reel) fill(dst []int16) int {
	n, turned := 0, false
	for n < len(dst) {
		if r.clip == len(r.clips) {
			if !r.loop || turned && n == 0 {
				break
			}
			turned, r.clip, r.off = true, 0, 0
		}
		if live := r.clips[r.clip].Live(); live != nil {
			if !r.loop {
				r.clip++
				continue
			}
			if n > 0 {
				break
			}
			clear(dst)
			copy(dst, live.PCM(&r.live))
			return len(dst)
		}
		pcm := r.clips[r.clip].PCM()
		if r.off >= len(pcm) {
			r.clip, r.off = r.clip+1, 0
			continue
		}
		c := copy(dst[n:], pcm[r.off:])
		n += c
		r.off += c
	}
	clear(dst[n:])
	return n
}
