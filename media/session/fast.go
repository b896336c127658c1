package session

import (
	"net/netip"
	"sync"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/port/bpf"
	"github.com/centrala/centrala/media/rtp"
)

// kernel is the forwarding of packets without us, for all workers.
type kernel struct {
	table *bpf.Table
	first uint16
	legs  []*Leg    // by port; each entry is touched by its leg's worker alone
	once  sync.Once // of closing the table

	base   time.Time // the same moment as baseNs of bpf.Now
	baseNs int64
}

func openKernel(cfg *Config) (*kernel, error) {
	table, err := bpf.Open(cfg.PortMin, cfg.PortMax, cfg.Workers)
	if err != nil {
		return nil, err
	}
	first := cfg.PortMin + cfg.PortMin&1
	return &kernel{
		table: table, first: first, legs: make([]*Leg, (int(cfg.PortMax)-int(first)+2)/2),
		base: time.Now(), baseNs: bpf.Now(),
	}, nil
}

func (k *kernel) time(ns int64) time.Time   { return k.base.Add(time.Duration(ns - k.baseNs)) }
func (k *kernel) clock(now time.Time) int64 { return k.baseNs + int64(now.Sub(k.base)) }

// seat gives or takes (nil) the place of a port.
func (k *kernel) seat(port uint16, l *Leg) {
	if i := (int(port) - int(k.first)) / 2; port >= k.first && i < len(k.legs) {
		k.legs[i] = l
	}
}

// fast is the kernel's part in what a leg receives: as long as it is open, the
// packets that are exactly the next ones go from the peer to the bridged leg's peer
// without us, or end there when nobody listens (a caller in a menu or a queue), and in, the other leg's line and the counters stand where they were
// when it was opened. pull brings them up to date and closes it, before anything
// else may happen to the leg; the next packet that comes by the socket opens it
// again. Worker only.
type fast struct {
	flow *bpf.Flow // nil: this leg has none
	open bool

	to     *Leg // nil: nobody listens
	step   uint32
	length int
	in     bpf.Hop
	out    bpf.Hop
	law    codec.Law // of what is recorded
	record bool
	check  time.Time // when the routes are looked at again
}

// routeEvery is how long a route may be outdated.
const routeEvery = time.Second

// pull ends what the kernel does for l, both ways.
func (l *Leg) pull() {
	l.pullOwn()
	if d := l.peer; d != nil && d != l {
		d.pullOwn()
	}
}

// pullOwn ends the kernel's forwarding of what l receives.
func (l *Leg) pullOwn() {
	if !l.fast.open {
		return
	}
	l.fast.open = false
	l.fold(l.fast.flow.Close())
	if l.fast.record {
		l.w.drain() // before the recording may stop, or take something later
	}
}

// fold counts what the kernel did.
func (l *Leg) fold(t bpf.Tally) {
	if t.Packets == 0 {
		return
	}
	f, d, w := &l.fast, l.fast.to, l.w
	at := w.e.kernel.time(t.Last)
	l.in.Advance(t.Packets, f.step, at, t.Jitter)
	l.lastRTP, l.timedOut = at, false
	w.count.in += t.Packets
	if d == nil {
		w.count.unheard += t.Packets
		return
	}
	d.line.Advance(t.Packets, f.step, at)
	d.sent += t.Packets
	d.sentOctets += t.Packets * uint64(f.length)
	w.count.out += t.Packets
	w.count.forwarded += t.Packets
}

// fastable tells whether all that happens to packets of l in law is that d's line
// renumbers them; whoever does more with them must say no here. A recording gets
// its copy.
func fastable(l, d *Leg, law codec.Law) bool {
	return l.fast.flow != nil && d.rtpSocket != nil && l.guard == nil && d.guard == nil &&
		l.peer == d && l.member == nil && l.p.Recv && d.canSend && law == d.p.Law && law.Octets() &&
		!d.player.active && !d.digits.Active() && !d.tone.active && !d.comfort.active &&
		len(l.machine.ears) == 0 && d.machine.voice == nil
}

// offer lets the kernel take the packets that follow p, which has just been passed on
// to d and has a plain header (no padding, extension, or contributors).
func (l *Leg) offer(now time.Time, d *Leg, law codec.Law, p *rtp.Packet) {
	length := p.End - p.Off
	if p.Marker || p.Off != rtp.HeaderSize || !fastable(l, d, law) || l.rec != nil && length > bpf.MaxPayload {
		return
	}
	k := l.w.e.kernel
	run, ok := rtp.RunOf(&l.in, &d.line, uint32(length)) // G.711 and G.722: an octet is a tick
	if !ok {
		return
	}
	in, ok := k.table.Hop(l.src.Addr(), now)
	out, ok2 := k.table.Hop(d.src.Addr(), now)
	if !ok || !ok2 || !bpf.Through(in, out) {
		return
	}
	path := l.path(now, in, run, p)
	path.From, path.To, path.Out = netip.AddrPortFrom(d.ownIP(out), d.port), d.src, out
	path.NewSSRC, path.NewPT, path.SeqShift, path.TSShift = run.NewSSRC, d.p.SendPT, run.SeqShift, run.TSShift
	f := &l.fast
	f.to, f.out, f.law = d, out, law
	if f.record = l.rec != nil; f.record {
		path.Ring = l.w.index
	}
	f.flow.Open(&path)
}

// path is what every flow of l has, from the packet behind p on; f stands for it.
func (l *Leg) path(now time.Time, in bpf.Hop, run rtp.Run, p *rtp.Packet) bpf.Path {
	f := &l.fast
	f.open, f.in, f.step, f.length = true, in, run.Step, p.End-p.Off
	f.check = now.Add(routeEvery)
	return bpf.Path{
		Peer: l.src, Local: netip.AddrPortFrom(l.ownIP(in), l.port), In: in, SSRC: run.SSRC, PT: p.PT, Seq: run.Seq, TS: run.TS,
		Step: run.Step, StepTime: media.Duration(int64(run.Step)), Length: f.length, Jitter: run.Jitter,
		Last: l.w.e.kernel.clock(now), Ring: -1,
	}
}

// unheard tells whether packets of l in law end with us and only their figures count;
// whoever listens to a leg must say no here, and pull before he begins.
func (l *Leg) unheard(law codec.Law) bool {
	return l.peer == nil && l.member == nil && l.rec == nil && len(l.machine.ears) == 0 && !l.detects() && l.guard == nil && l.p.Recv && law.Octets()
}

// retire lets the kernel take the packets that follow p, to which nobody listens. Keys
// and all else that is not the very next packet of this sound come as before.
func (l *Leg) retire(now time.Time, law codec.Law, p *rtp.Packet) {
	if p.Marker || p.Off != rtp.HeaderSize || !l.unheard(law) {
		return
	}
	run, ok := rtp.RunIn(&l.in, uint32(p.End-p.Off)) // an octet is a tick
	if !ok {
		return
	}
	in, ok := l.w.e.kernel.table.Hop(l.src.Addr(), now)
	if !ok || !in.Watched() {
		return
	}
	path := l.path(now, in, run, p)
	path.Nowhere = true
	f := &l.fast
	f.to, f.record = nil, false
	f.flow.Open(&path)
}

// ownIP is the address that our packets to a peer come from.
func (l *Leg) ownIP(h bpf.Hop) netip.Addr {
	if ip := l.w.e.cfg.BindIP; !ip.IsUnspecified() {
		return ip
	}
	return h.Source
}

// catchUp brings all legs up to date with what the kernel did; it goes on. Every
// sweep.
func (w *worker) catchUp(now time.Time) {
	k := w.e.kernel
	if k == nil {
		return
	}
	for _, l := range w.legs {
		f := &l.fast
		if !f.open {
			continue
		}
		if now.After(f.check) {
			f.check = now.Add(routeEvery)
			in, ok := k.table.Hop(l.src.Addr(), now)
			out, ok2 := f.out, true
			if f.to != nil {
				out, ok2 = k.table.Hop(f.to.src.Addr(), now)
			}
			if !ok || !ok2 || in != f.in || out != f.out {
				l.pullOwn()
				continue
			}
		}
		l.fold(f.flow.Tally())
	}
	w.drain()
}

// drain gives the recordings their copies of what the kernel forwarded.
func (w *worker) drain() {
	if k := w.e.kernel; k != nil {
		k.table.Ring(w.index).Drain(w.copied)
	}
}

// recorded is drain's for one packet.
func (w *worker) recorded(r *bpf.Record) {
	k := w.e.kernel
	l := k.legs[(int(r.Port)-int(k.first))/2]
	switch {
	case l == nil || l.rec == nil:
	case l.fast.law.Valid():
		l.rec.Write(l.channel, l.fast.law, k.time(r.At), r.SSRC, r.TS, r.Payload)
	case l.ear != nil:
		// In order, one by one: that is what the kernel passes on.
		p := rtp.Packet{SSRC: r.SSRC, Seq: l.ear.seq, TS: r.TS}
		l.hear(k.time(r.At), l.fast.law, &p, r.Payload)
	}
}
