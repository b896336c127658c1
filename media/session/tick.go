package session

import (
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/dtmf"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/rtp"
)

// player is what plays on a leg.
type player struct {
	active bool
	loop   bool
	id     uint64
	clips  []*play.Clip
	clip   int    // index of the clip under way
	frames []byte // its encoding; nil = to be fetched
	// packets is that of a codec whose packets differ in size: one each 20 ms.
	packets [][]byte
	off     int  // octets of it already sent
	last    byte // octet sent last
	begun   bool // there is one
	rising  bool // a clip is being joined to from, the end of the one before
	risen   int  // samples of it done
	from    int16
	live    uint64 // place in the clip that comes while it is heard
}

// meet has the beginning of a clip joined to the end of the one before it, when they
// do not meet: phrases that were cut in the middle of a sound, a loop that does not close.
func (p *player) meet(law codec.Law, part []byte) {
	if !plain(law) {
		return
	}
	var pcm [6]int16
	pcm[0] = sample(law, p.last)
	n := 1 + min(len(part), len(pcm)-1)
	codec.Decode(law, pcm[1:], part[:n-1])
	// A high tone steps as far all the time: half as much again is a seam.
	most := 0
	for i := 2; i < n; i++ {
		d := int(pcm[i]) - int(pcm[i-1])
		most = max(most, d, -d)
	}
	if d := int(pcm[1]) - int(pcm[0]); 2*max(d, -d) > 2*seamStep+3*most {
		p.rising, p.risen, p.from = true, 0, pcm[0]
	}
}

// play is Play.
func (l *Leg) play(now time.Time, p Play) {
	l.breakOff(now)
	clip, off, loop := p.start()
	l.player = player{active: true, loop: loop, id: p.ID, clips: p.Clips, clip: clip, off: off}
	l.line.Cut()
	l.w.activate(l, now)
}

// start is where p begins, and whether it can turn at all.
func (p *Play) start() (clip, off int, loop bool) {
	total, live := int64(0), false
	for _, c := range p.Clips {
		total += media.Samples(c.Duration())
		live = live || c.Live() != nil
	}
	loop = p.Loop && (total > 0 || live) // else it would turn for ever without a sound
	if live {
		return 0, 0, loop
	}
	skip := media.Samples(max(p.Offset, 0))
	if loop {
		skip %= total
	}
	for clip < len(p.Clips) {
		n := media.Samples(p.Clips[clip].Duration())
		if skip < n {
			break
		}
		skip -= n
		clip++
	}
	return clip, int(skip), loop
}

// fill writes the next frame in law and returns how much of it is sound; the rest
// is silence. 0 = the end.
func (p *player) fill(dst []byte, law codec.Law) int {
	n, turned := 0, false
	for n < len(dst) {
		if p.clip == len(p.clips) {
			if !p.loop || turned && n == 0 { // a loop without a sound has an end
				break
			}
			turned = true
			p.clip, p.off, p.frames = 0, 0, nil
		}
		if live := p.clips[p.clip].Live(); live != nil {
			if !p.loop { // it would never end
				p.clip++
				continue
			}
			if n > 0 {
				break // its frames are whole
			}
			silence(dst, law)
			copy(dst, live.Code(&p.live, law))
			n = len(dst)
			p.last, p.begun = dst[n-1], true
			break
		}
		if p.frames == nil {
			c := p.clips[p.clip]
			p.frames = c.Frames(law)
			// Without the clip's padding, so that phrases join without a gap.
			p.frames = p.frames[:min(int(media.Samples(c.Duration())), len(p.frames))]
		}
		if p.off >= len(p.frames) {
			p.clip, p.off, p.frames = p.clip+1, 0, nil
			continue
		}
		c := copy(dst[n:], p.frames[p.off:])
		if p.off == 0 && p.begun {
			p.meet(law, dst[n:n+c])
		}
		if p.rising {
			p.risen += join(law, dst[n:n+c], p.from, p.risen)
			p.rising = p.risen < seamLen
		}
		n += c
		p.off += c
		p.last, p.begun = dst[n-1], true
	}
	if n > 0 && n < len(dst) {
		silence(dst[n:], law)
	}
	return n
}

// left is how much of the clip under way is still to come, and whether nothing
// follows it.
func (p *player) left() (samples int, last bool) {
	if p.loop || p.clip < len(p.clips)-1 || p.clip < len(p.clips) && p.clips[p.clip].Live() != nil {
		return 0, false
	}
	return max(len(p.frames)-p.off, 0), true
}

// tick does what the leg owes for the last 20 ms, frames times.
func (l *Leg) tick(now time.Time, frames int) {
	if press, ok := l.keys.Expire(now); ok {
		if d := l.peer; d != nil {
			d.tone.held = false
		}
		l.pressed(now, press)
	}
	skip := min(l.skip, frames)
	l.skip -= skip
	for range min(frames-skip, maxCatchUp) {
		if l.paces() {
			l.pace(now)
		} else {
			l.endPacing()
		}
		switch {
		case l.digits.Active():
			l.tickDigits(now)
		case l.tone.active:
			l.tickTone(now)
		case l.player.active:
			l.tickPlay(now)
		case l.machine.voice != nil && l.tickVoice(now):
		case l.comfort.active:
			l.tickComfort(now)
		case l.seam.open:
			l.tickSeam(now)
		}
	}
	_, down := l.keys.Active()
	if !down && !l.digits.Active() && !l.tone.active && !l.player.active && !l.comfort.active && !l.seam.open && l.machine.voice == nil && !l.paces() {
		l.w.deactivate(l)
		l.skip = 0
	}
}

func (l *Leg) tickPlay(now time.Time) {
	if l.rise(now) {
		return
	}
	if !l.p.Law.Octets() {
		l.tickPackets(now)
		return
	}
	payload := l.w.out[rtp.HeaderSize:]
	n := l.player.fill(payload, l.p.Law)
	if n == 0 {
		id := l.player.id
		l.player = player{}
		l.line.Cut()
		l.tell(PlayDone{id})
		return
	}
	if left, last := l.player.left(); last && left < seamLen {
		fall(l.p.Law, payload[:n], left)
	}
	l.frame(now)
}

// tickPackets is tickPlay for a codec whose packets cannot be cut.
func (l *Leg) tickPackets(now time.Time) {
	p := &l.player
	for turned := false; ; {
		if p.clip == len(p.clips) {
			if !p.loop || turned {
				id := p.id
				l.player = player{}
				l.letDown()
				l.tell(PlayDone{id})
				return
			}
			turned = true
			p.clip, p.off, p.packets = 0, 0, nil
		}
		if live := p.clips[p.clip].Live(); live != nil {
			if !p.loop {
				p.clip++
				continue
			}
			// Without a packet the line has a gap in its time, as with DTX.
			l.packet(now, copy(l.w.code[rtp.HeaderSize:], live.Code(&p.live, l.p.Law)))
			p.begun = true
			return
		}
		if p.packets == nil {
			p.packets = p.clips[p.clip].Packets(l.p.Law)
		}
		i := p.off / media.FrameSamples
		if i >= len(p.packets) {
			p.clip, p.off, p.packets = p.clip+1, 0, nil
			continue
		}
		p.off += media.FrameSamples
		p.begun = true
		l.packet(now, copy(l.w.code[rtp.HeaderSize:], p.packets[i]))
		return
	}
}

// frame sends what stands in the worker's out buffer as sound of ours.
func (l *Leg) frame(now time.Time) {
	if !l.canSend {
		l.line.Cut()
		return
	}
	stamp := l.line.Frame(now, media.FrameSamples)
	l.seam.sent(l.p.Law, stamp, l.w.out[rtp.HeaderSize:], l.line.Joined())
	rtp.PutHeader(l.w.out[:], l.p.SendPT, stamp)
	l.send(l.w.out[:])
}

// toneFrame sends one frame of a key's tone.
func (l *Leg) toneFrame(now time.Time, code uint8, pos int) {
	dtmf.Tone(l.w.pcm[:], code, pos)
	l.utter(now, l.w.pcm[:])
}

func (l *Leg) tickTone(now time.Time) {
	t := &l.tone
	// Ten seconds bound what a peer that never lets go can do.
	if (!t.held && t.frame >= t.least) || t.frame >= 500 {
		l.tone = tone{}
		l.line.Cut()
		return
	}
	l.toneFrame(now, t.code, t.frame*media.FrameSamples)
	t.frame++
}

func (l *Leg) tickDigits(now time.Time) {
	step := l.digits.Next(l.p.EventSendPT == 0)
	switch step.Kind {
	case dtmf.StepEvent:
		if !l.canSend {
			break
		}
		packet := l.w.out[:rtp.HeaderSize+dtmf.EventSize]
		ev, covered := step.Event, uint32(step.Event.Duration)*uint32(l.p.Law.ClockRate()/media.ClockRate)
		ev.Duration *= uint16(l.p.eventClock() / media.ClockRate) // 120 ms at most
		dtmf.PutEvent(packet[rtp.HeaderSize:], ev)
		rtp.PutHeader(packet, l.p.EventSendPT, l.line.Event(now, step.First, covered))
		l.send(packet)
	case dtmf.StepTone:
		l.toneFrame(now, step.Event.Code, step.Pos)
	case dtmf.StepPause:
		if l.p.EventSendPT == 0 {
			clear(l.w.pcm[:])
			l.utter(now, l.w.pcm[:])
		}
	}
	if !l.digits.Active() {
		l.line.Cut()
	}
}
