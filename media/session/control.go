package session

import (
	"net/netip"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/rtp"
)

const (
	// RFC 3550 6.2: the bandwidth share of two parties would allow a report
	// every half second; the minimum of 5 s rules.
	reportEvery = 5 * time.Second
	// RFC 3550 6.3.1: the reconsideration that we leave out for two parties
	// would shift the mean by e - 3/2.
	compensation = 1.21828
	// quietPatience is by how much longer a peer that announced silence may send
	// nothing: 5 minutes for the usual 30 s.
	quietPatience = 10
	// maxRTCP packets a sweep are read; a flood of valid-looking reports costs
	// no more than that.
	maxRTCP = 4
)

// reports is the RTCP side of a leg.
type reports struct {
	on   bool
	next time.Time

	budget    int // RTCP packets that may still be read before the next sweep
	sentPrior [2]uint64
	lsr       uint32 // middle of the NTP time in the peer's last SR
	lsrAt     time.Time
	lsrSSRC   uint32

	rrt     uint32 // middle of the NTP time in the peer's last XR reference, 0 = answered
	rrtAt   time.Time
	rrtSSRC uint32

	remoteLost   int64 // told by the peer of the present SSRC of ours
	remoteJitter time.Duration
	rtt          time.Duration

	countedIn, countedOut int64 // already in the worker's counters
}

// begin schedules the first report once it is known where to.
func (r *reports) begin(l *Leg, now time.Time) {
	if r.on || !l.src.IsValid() {
		return
	}
	r.on, r.budget = true, maxRTCP
	r.next = now.Add(r.interval(l, reportEvery/2)) // RFC 3550 6.2: the first after half
}

// interval is RFC 3550 6.3.1: spread from half to one and a half.
func (r *reports) interval(l *Leg, d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.5 + l.w.rand.Float64()) / compensation)
}

// sweep does what is not bound to packets or frames, every sweepEvery.
func (l *Leg) sweep(now time.Time) {
	r := &l.reports
	r.budget = maxRTCP
	if l.member != nil {
		l.member.count()
	}
	if l.web != nil {
		l.sweepWeb(now)
	}
	l.grades.sweep(l, now)
	if r.on && !now.Before(r.next) {
		r.next = now.Add(r.interval(l, reportEvery))
		l.report(now, false)
		r.countLost(l)
	}
	limit := l.w.e.cfg.RTPTimeout
	if !l.p.Send { // the peer has put us on hold; it may send music or nothing
		limit = l.w.e.cfg.HoldTimeout
	}
	if l.quietOK { // RFC 3389: nothing more need come until it speaks
		limit *= quietPatience
	}
	if !l.p.Recv || limit <= 0 || l.timedOut {
		return
	}
	if d := now.Sub(l.lastRTP); d >= limit {
		l.timedOut = true
		l.tell(TimedOut{d})
	}
}

// report sends SR or RR with SDES, and BYE at the end.
func (l *Leg) report(now time.Time, bye bool) {
	r := &l.reports
	s := rtp.Sender{
		SSRC: l.line.SSRC(), CNAME: l.cname,
		// RFC 3550 6.4: SR if anything was sent since the report before the last.
		Active: l.sent > r.sentPrior[0],
		NTP:    rtp.NTP(now), TS: l.line.NowTS(now),
		Packets: uint32(l.sent), Octets: uint32(l.sentOctets),
	}
	r.sentPrior[0], r.sentPrior[1] = r.sentPrior[1], l.sent
	block, has := l.in.Report()
	if has && r.lsr != 0 && r.lsrSSRC == block.SSRC {
		block.LSR, block.DLSR = r.lsr, rtp.Delay(now.Sub(r.lsrAt))
	}
	b := rtp.AppendReport(l.w.rtcp[:0], s, block, has, bye)
	if !bye {
		b = rtp.AppendXR(b, l.xr(now, s, block, has))
	}
	c := l.rtcp
	if l.p.RTCPMux {
		c = l.rtp
	}
	if l.guard != nil {
		if b = l.protectRTCP(b); b == nil {
			return
		}
	}
	c.Send(b, &l.control) // not sent when there is nowhere to
}

// xr is what goes into an extended report (RFC 3611): the answer to who asked how
// far we are, the same question for a peer that we send no sender reports, and the
// metrics that were negotiated.
func (l *Leg) xr(now time.Time, s rtp.Sender, block rtp.Block, has bool) rtp.XR {
	r := &l.reports
	x := rtp.XR{SSRC: s.SSRC, Reference: l.p.XRTime && !s.Active, NTP: s.NTP}
	if r.rrt != 0 {
		x.DLRR, x.Asker, x.LRR, x.DelLRR = true, r.rrtSSRC, r.rrt, rtp.Delay(now.Sub(r.rrtAt))
		r.rrt = 0
	}
	if l.p.XRVoIP && has {
		x.VoIP, x.Heard, x.Voice = true, block.SSRC, l.grades.voice(l)
	}
	return x
}

// bye ends the stream for the peer, if there ever was one (RFC 3550 6.3.7: a
// party that sent nothing sends no BYE).
func (l *Leg) bye(now time.Time) {
	if l.reports.on && l.sent > 0 {
		l.report(now, true)
	}
}

// receiveRTCP reads a peer's report. It must come from the peer's IP; the port may
// differ, for many phones send RTCP from elsewhere and it moves no sound.
func (l *Leg) receiveRTCP(b []byte, from netip.AddrPort, now time.Time) {
	r := &l.reports
	if !l.src.IsValid() || from.Addr() != l.src.Addr() && from.Addr() != l.p.RemoteRTCP.Addr().Unmap() {
		l.strangers++
		l.w.count.strangers++
		return
	}
	if r.budget <= 0 {
		l.w.count.ignored++
		return
	}
	r.budget--
	if len(b) > media.MaxPacket {
		l.w.count.invalid++
		return
	}
	if l.guard != nil {
		if b = l.unprotectRTCP(b, now); b == nil {
			return
		}
	}
	told, err := rtp.ParseReport(b, l.line.SSRC())
	if err != nil {
		l.w.count.invalid++
		return
	}
	if l.adopted && !l.p.RTCPMux {
		if d, ok := l.rtcp.Dest(from); ok {
			l.control = d
		}
	}
	if ssrc, ok := l.in.SSRC(); told.SR && (!ok || told.SRSSRC == ssrc) { // else it is of no stream that we hear
		r.lsr, r.lsrAt, r.lsrSSRC = told.MidNTP, now, told.SRSSRC
	}
	if told.RR {
		l.expectLoss(told.Fraction)
		sent := int64(l.sent) // never more than there was
		r.remoteLost = min(max(int64(told.Lost), -sent), sent)
		r.remoteJitter = time.Duration(min(told.Jitter, 1<<24)) * time.Second / time.Duration(l.p.Law.ClockRate())
		if rtt, ok := rtp.RTT(now, told.LSR, told.DLSR); ok {
			r.rtt = rtt
		}
	}
	if told.RRT {
		r.rrt, r.rrtAt, r.rrtSSRC = told.RRTMid, now, told.SSRC
	}
	if told.DLRR && l.p.XRTime {
		if rtt, ok := rtp.RTT(now, told.LRR, told.DelLRR); ok {
			r.rtt = rtt
		}
	}
	l.grades.told(l, now, &told)
}

// countLost brings the worker's loss counters up to date. Late packets lower a
// leg's figure; a counter never falls, so it then waits.
func (r *reports) countLost(l *Leg) {
	if lost := l.in.Lost(); lost > r.countedIn {
		l.w.count.lostIn += uint64(lost - r.countedIn)
		r.countedIn = lost
	}
	if lost := r.remoteLost; lost > r.countedOut {
		l.w.count.lostOut += uint64(lost - r.countedOut)
		r.countedOut = lost
	}
}
