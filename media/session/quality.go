package session

import (
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/quality"
	"github.com/centrala/centrala/media/rtp"
	"github.com/centrala/centrala/pkg/event"
)

const (
	// measureEvery is how often a leg gets a score.
	measureEvery = time.Second
	// settled: a packet that is missing counts as lost when it was missing in so
	// many sweeps; the reordered ones have come by then.
	settled = 3
	// reportStale: the peer's last report says nothing any more.
	reportStale = 15 * time.Second
	// silentAfter is how long a side that should speak may send nothing before it
	// is an alarm; speaking is what the other did in the last soundFresh.
	silentAfter = 5 * time.Second
	soundFresh  = time.Second
)

// grades are how well a leg hears and is heard, second by second.
type grades struct {
	next    time.Time // when the second is over
	in, out quality.Meter

	// Of the stream that we receive: where the last second stood.
	expected, lost, runs, late uint64
	missing                    [settled]uint64 // lost as the last sweeps saw it
	at                         int

	// What the peer's last report makes of our stream.
	remote   float64
	remoteAt time.Time
	sent     uint64
	peerMOS  float64 // told by the peer itself (RFC 3611), 0 = never

	watch watch
}

// sweep does what a sweep owes: losses each time, the alarms every third, the score
// once a second.
func (s *grades) sweep(l *Leg, now time.Time) {
	s.count(l)
	if s.at == 0 {
		s.watch.guard(l, now)
	}
	s.measure(l, now)
}

// count follows what is lost, every sweep.
func (s *grades) count(l *Leg) {
	s.missing[s.at] = uint64(max(l.in.Lost(), 0))
	s.at = (s.at + 1) % settled
}

// measure ends a second.
func (s *grades) measure(l *Leg, now time.Time) {
	if now.Before(s.next) {
		return
	}
	s.next = now.Add(measureEvery)
	count := &l.w.count
	expected, runs := l.in.Expected(), l.in.Runs()
	lost := s.missing[0]
	for _, n := range s.missing {
		lost = min(lost, n)
	}
	if n := expected - s.expected; l.p.Recv && n > 0 {
		gone := min(lost-min(lost, s.lost), n)
		p := quality.Path{
			Delay:  l.reports.rtt/2 + quality.BufferDelay(l.in.Jitter(), l.packetTime()),
			BurstR: quality.BurstRatio(n, gone, runs-s.runs),
			Codec:  quality.CodecOf(l.codecName()),
		}
		if m := l.member; m != nil {
			// The jitter buffer is ours: what it adds, and what came too late for it.
			b := m.in.Stats()
			p.Delay = l.reports.rtt/2 + b.Delay + media.FrameDuration
			gone = min(gone+b.Late-min(b.Late, s.late), n)
			s.late = b.Late
		}
		p.Loss = float64(gone) / float64(n)
		mos := quality.MOS(quality.R(p))
		s.in.Add(mos)
		count.mosIn.add(mos)
	}
	s.expected, s.runs, s.lost = expected, runs, max(lost, s.lost)
	if l.sent > s.sent && s.remote > 0 && now.Sub(s.remoteAt) < reportStale {
		s.out.Add(s.remote)
		count.mosOut.add(s.remote)
	}
	s.sent = l.sent
}

// told takes what the peer reports of the stream that we send.
func (s *grades) told(l *Leg, now time.Time, r *rtp.Remote) {
	if !r.RR {
		return
	}
	p := quality.Path{
		Delay: l.reports.rtt/2 + quality.BufferDelay(l.reports.remoteJitter, l.packetTime()),
		Loss:  float64(r.Fraction) / 256,
		Codec: quality.CodecOf(l.codecName()),
	}
	if r.VoIP {
		// It knows its own buffer: what that adds, and throws away as too late.
		v := &r.Voice
		p.Loss += float64(v.DiscardRate) / 256
		if v.BufferMs > 0 {
			p.Delay = l.reports.rtt/2 + time.Duration(min(v.BufferMs, 1000))*time.Millisecond + l.packetTime()
		}
		if v.MOSCQ >= 10 && v.MOSCQ <= 50 {
			s.peerMOS = float64(v.MOSCQ) / 10
		}
	}
	s.remote, s.remoteAt = quality.MOS(quality.R(p)), now
}

// packetTime is how much sound the peer's packets carry, as far as it told.
func (l *Leg) packetTime() time.Duration {
	if l.p.PtimeMs > 0 {
		return time.Duration(l.p.PtimeMs) * time.Millisecond
	}
	return media.FrameDuration
}

func (l *Leg) codecName() string { return l.p.Law.String() }

// voice is the VoIP metrics block about what we receive (RFC 3611 4.7).
func (s *grades) voice(l *Leg) rtp.VoIP {
	v := rtp.VoIP{SignalLevel: rtp.NotTold, NoiseLevel: rtp.NotTold, EchoReturn: rtp.NotTold, Gmin: 16,
		R: rtp.NotTold, ExternalR: rtp.NotTold, MOSLQ: rtp.NotTold, MOSCQ: rtp.NotTold}
	expected := max(l.in.Expected(), 1)
	v.LossRate = uint8(min(256*uint64(max(l.in.Lost(), 0))/expected, 255))
	v.BurstDensity, v.GapDensity, v.BurstMs, v.GapMs = l.in.Bursts(int(l.packetTime() / time.Millisecond))
	v.RoundTripMs = uint16(min(l.reports.rtt/time.Millisecond, 65535))
	if m := l.member; m != nil {
		b := m.in.Stats()
		v.DiscardRate = uint8(min(256*b.Late/expected, 255))
		v.BufferMs = uint16(b.Delay / time.Millisecond)
		v.BufferMaxMs, v.BufferAbsMaxMs = 200, 200
		v.RXConfig = 3<<6 | 3<<4 // 4.7.6: enhanced concealment, adaptive buffer
	}
	if mean := s.in.Mean(); mean > 0 {
		v.MOSCQ = uint8(mean*10 + .5)
	}
	return v
}

// scoreOf makes m plain data; nil when nothing was measured.
func scoreOf(m *quality.Meter) *event.Score {
	if m.Seconds() == 0 {
		return nil
	}
	step, series := m.Series()
	return &event.Score{Low: m.Low(), Mean: m.Mean(), Seconds: m.Seconds(), StepSeconds: step, Series: series}
}

// mosBounds are the upper bounds of the histogram: the classes of G.109 and G.107
// Annex B (4.34 very satisfied, 4.03 satisfied, 3.60 some, 3.10 many, 2.58 nearly
// all dissatisfied), and the ends.
var mosBounds = [...]float64{2, 2.58, 3.1, 3.6, 4.03, 4.34, 4.5}

// mosCount is one direction of a worker's histogram.
type mosCount struct {
	n   [len(mosBounds)]uint64
	sum float64
}

func (c *mosCount) add(mos float64) {
	i := 0
	for i < len(mosBounds)-1 && mos > mosBounds[i] {
		i++
	}
	c.n[i]++
	c.sum += mos
}

func (c *mosCount) merge(o *mosCount) {
	for i, n := range o.n {
		c.n[i] += n
	}
	c.sum += o.sum
}
