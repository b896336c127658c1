package session

import (
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/dtmf"
	"github.com/centrala/centrala/media/port"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/rtp"
	"github.com/centrala/centrala/pkg/event"
)

// Another port of the signalled IP may be adopted from learnAfter to learnFor
// after Set, when the signalled address has not spoken. Not before: many phones
// share an IP (an office behind NAT, a carrier's gateway), and one that still
// sends for a call that is over must not be heard in the next.
const (
	learnAfter = 500 * time.Millisecond
	learnFor   = 5 * time.Second
)

// conn is what a leg sends by; *port.Socket, and a fake in tests.
type conn interface {
	Send(b []byte, d *port.Dest) bool
	Dest(addr netip.AddrPort) (port.Dest, bool)
}

// gone is the conn of a closed leg.
type gone struct{}

func (gone) Send([]byte, *port.Dest) bool               { return false }
func (gone) Dest(netip.AddrPort) (d port.Dest, ok bool) { return d, false }

// Leg is one side of a call: an RTP port of ours and a peer. Its methods post
// commands to the leg's worker and return at once; they may be called from any
// goroutine and do nothing after Close.
type Leg struct {
	// Set at birth.
	e                     *Engine
	id                    uint64 // of all legs of the engine, for the order of locks
	addr                  netip.AddrPort
	port                  uint16 // 0: a browser's leg, which has none of its own
	sink                  func(Event)
	cname                 string
	rtp, rtcp             conn
	rtpSocket, rtcpSocket *port.Socket // nil in tests, and for a browser's leg
	web                   *webLeg      // nil: not a browser's

	// at is where packets that another worker read are handed to; nil: it moves.
	at atomic.Pointer[worker]

	route route // in: commands

	// All below: worker only.
	w      *worker
	closed bool
	index  int // in worker.legs
	seat       // in worker.slots
	skip   int // ticks that another worker has done already

	guard   *guard // nil: plain RTP
	p       Params
	remote  netip.AddrPort // the last usable Params.Remote: hold by 0.0.0.0 does not change it
	set     time.Time      // when remote was last set
	src     netip.AddrPort
	former  *former // senders of the port's earlier calls
	dest    port.Dest
	control port.Dest // RTCP
	canSend bool
	// heard: the signalled address itself has spoken, which ends learning.
	// adopted: another address was taken in its place.
	heard, adopted bool

	line    rtp.Line
	in      rtp.Receiver
	keys    dtmf.Receiver
	digits  dtmf.Sender
	player  player
	tone    tone
	comfort comfort
	ear     *hearing // nil while nothing must be decoded
	mouth   *mouth   // nil while nothing must be encoded
	tones   *tones   // nil: no keys in-band
	fast    fast
	peer    *Leg    // bridged to; itself = echo
	member  *member // in a conference
	rec     *record.Recording
	channel record.Channel
	machine machine

	first    bool // FirstPacket was told
	timedOut bool // TimedOut was told
	lastRTP  time.Time

	sent, sentOctets uint64
	strangers        uint64
	reports          reports
	grades           grades
	seam             seam
	quietOK          bool // the peer said that it falls silent (RFC 3389)
}

// tone is a key of the peer's peer, made audible for a peer without
// telephone-event.
type tone struct {
	active bool
	held   bool // the key is still down
	code   uint8
	frame  int // frames sent
	least  int // frames to send at least
}

// Addr is what goes into SDP: the advertised address and the leg's RTP port. RTCP
// is on the next port.
func (l *Leg) Addr() netip.AddrPort { return l.addr }

// Set applies what was negotiated. Setting the same Remote again keeps what was
// learnt of the peer's real address; a new Remote begins anew.
func (l *Leg) Set(p Params) { l.post(func(now time.Time) { l.apply(now, p) }) }

// Play starts p in the place of what plays. On a bridged leg it is heard instead
// of the other side until it ends. While Params.Send is false it goes on unheard.
func (l *Leg) Play(p Play) { l.post(func(now time.Time) { l.play(now, p) }) }

// StopPlay ends what plays, without PlayDone. Then nothing is sent unless the leg
// is bridged or echoes.
func (l *Leg) StopPlay() {
	l.post(func(now time.Time) {
		if l.player.active {
			l.breakOff(now)
			l.player = player{}
			l.letDown()
		}
	})
}

// Bridge lets l and peer hear each other and ends what plays on both. A bridge
// or conference either was in is left. Both must be of one Group; a leg that is
// moving to it is waited for.
func (l *Leg) Bridge(peer *Leg) {
	if peer == nil || peer == l || peer.e != l.e {
		return
	}
	meet(l, peer)
}

// bridge is Bridge, when both live on l's worker.
func (l *Leg) bridge(peer *Leg) {
	if l.closed || peer.closed {
		return
	}
	l.part()
	peer.part()
	l.pull()
	peer.pull()
	l.breakOff(l.w.now)
	peer.breakOff(l.w.now)
	l.player, peer.player = player{}, player{}
	l.peer, peer.peer = peer, l
	l.line.Cut()
	peer.line.Cut()
}

// part takes the leg out of its bridge, echo or conference.
func (l *Leg) part() {
	l.unbridge()
	if l.member != nil {
		l.member.c.remove(l)
	}
}

// Unbridge parts the leg from its peer; both fall silent.
func (l *Leg) Unbridge() {
	l.post(func(time.Time) {
		if l.peer != l {
			l.unbridge()
		}
	})
}

func (l *Leg) unbridge() {
	if p := l.peer; p != nil {
		l.pull()
		p.peer, l.peer = nil, nil
		for _, x := range [2]*Leg{p, l} {
			if x.member != nil {
				x.member.direct = false
			}
		}
		p.tone, l.tone = tone{}, tone{}
		p.comfort.active, l.comfort.active = false, false
		p.letDown()
		l.letDown()
	}
}

// Echo sends back what comes, through the leg's own stream. It ends a bridge and
// leaves a conference.
func (l *Leg) Echo(on bool) {
	l.post(func(time.Time) {
		if on == (l.peer == l) {
			return
		}
		if !on {
			l.unbridge()
			return
		}
		l.part()
		l.player = player{}
		l.peer = l
		l.line.Cut()
	})
}

// SendDigits sends 0-9, *, #, A-D, 120 ms each with 100 ms between, in place of
// what the leg sends else. Other characters are skipped; at most dtmf.MaxQueue
// wait.
func (l *Leg) SendDigits(digits string) {
	l.post(func(now time.Time) {
		if l.digits.Push(digits) > 0 {
			l.w.activate(l, now)
		}
	})
}

// Record gives what the leg receives to r as channel ch; nil stops.
func (l *Leg) Record(r *record.Recording, ch record.Channel) {
	l.post(func(time.Time) { l.rec, l.channel = r, ch })
}

// Stats tells what the leg has measured so far; reply runs as a Sink does.
func (l *Leg) Stats(reply func(Stats)) {
	l.do(func(time.Time) { reply(l.stats()) })
}

// Close says BYE by RTCP, ends the leg and gives its ports back after a rest.
// reply, which may be nil, gets the last figures. Closing twice only replies.
func (l *Leg) Close(reply func(Stats)) {
	l.do(func(now time.Time) {
		l.close(now)
		if reply != nil {
			reply(l.stats())
		}
	})
}

func (l *Leg) tell(e Event) {
	if l.sink != nil {
		l.sink(e)
	}
}

// open is the first command of every leg.
func (l *Leg) open(now time.Time) { l.settleOn(l.w, now) }

// settleOn makes w serve the leg.
func (l *Leg) settleOn(w *worker, now time.Time) {
	l.w = w
	l.at.Store(w)
	for _, s := range []*port.Socket{l.rtpSocket, l.rtcpSocket} {
		if s == nil {
			continue
		}
		if err := w.loop.Add(s, l); err != nil {
			w.e.log.Error("media leg is deaf", zap.Stringer("leg", l.addr), zap.Error(err))
		}
	}
	if k := w.e.kernel; k != nil && l.rtpSocket != nil {
		l.fast.flow = k.table.Flow(l.port)
		k.seat(l.port, l)
	}
	if len(w.legs) == 0 {
		w.sweep = now.Add(sweepEvery)
	}
	l.index = len(w.legs)
	w.legs = append(w.legs, l)
}

// unlist takes the leg from its worker's list.
func (l *Leg) unlist() {
	w := l.w
	l.pull()
	if k := w.e.kernel; k != nil && l.rtpSocket != nil {
		k.seat(l.port, nil)
		l.fast.flow = nil
	}
	last := len(w.legs) - 1
	w.legs[l.index] = w.legs[last]
	w.legs[l.index].index = l.index
	w.legs[last] = nil
	w.legs = w.legs[:last]
}

func (l *Leg) close(now time.Time) {
	if l.closed {
		return
	}
	w := l.w
	l.part()
	l.grades.watch.turn(l, now, NoAlarm)
	l.bye(now)
	l.reports.countLost(l)
	w.deactivate(l)
	l.closed = true
	l.rec, l.player, l.machine = nil, player{}, machine{}
	pair := port.Pair{Port: l.port, RTP: l.rtpSocket, RTCP: l.rtcpSocket}
	for _, s := range []*port.Socket{l.rtpSocket, l.rtcpSocket} {
		if s != nil {
			w.loop.Release(s)
		}
	}
	l.unlist()
	if l.web != nil {
		l.web.close()
	} else {
		// The sockets may serve another leg from now on: this one must not reach them.
		l.rtp, l.rtcp, l.rtpSocket, l.rtcpSocket = gone{}, gone{}, nil, nil
		if ssrc, ok := l.in.SSRC(); ok {
			l.former.add(l.src, ssrc)
		}
		w.e.ports.Give(pair, now)
	}
	w.publish()
}

// apply is Set.
func (l *Leg) apply(now time.Time, p Params) {
	if l.web != nil {
		p = l.applyWeb(p)
	}
	old := l.p
	l.p = p
	l.setKeys(now, p.SRTP)
	dest, ok := l.rtp.Dest(p.Remote)
	if remote := netip.AddrPortFrom(p.Remote.Addr().Unmap(), p.Remote.Port()); ok && remote != l.remote {
		l.remote, l.src, l.dest, l.set = remote, remote, dest, now
		l.heard, l.adopted = false, false
		l.line.Cut()
	}
	l.aimRTCP()
	if can := p.Send && ok && l.keyed(); can != l.canSend {
		l.canSend = can
		l.line.Cut()
	}
	if p.Recv && !old.Recv {
		l.in.Resync()
		l.keys.Reset()
	}
	if p.Recv != old.Recv || p.Send != old.Send {
		l.lastRTP, l.timedOut = now, false
	}
	if p.Law != old.Law {
		l.player.frames, l.player.packets = nil, nil // the same place in the other encoding
		l.ear, l.mouth = nil, nil
		l.line.SetClock(p.Law.ClockRate())
		l.in.SetClock(p.Law.ClockRate())
	} else if p.Coding != old.Coding {
		l.mouth = nil
	}
	switch {
	case !p.InBand:
		l.tones = nil
	case l.tones == nil:
		l.tones = &tones{}
	}
	l.keys.SetClock(p.eventClock())
	l.reports.begin(l, now)
}

// lawOf tells the codec of a payload type that the peer may send.
func (l *Leg) lawOf(pt uint8) (codec.Law, bool) {
	switch {
	case pt == l.p.RecvPT:
		return l.p.Law, true
	// Static types mean the same without negotiation (RFC 3551 6), and phones
	// that offered both laws switch between them.
	case pt == uint8(codec.PCMU):
		return codec.PCMU, true
	case pt == uint8(codec.PCMA):
		return codec.PCMA, true
	}
	return 0, false
}

// Receive implements port.Receiver.
func (l *Leg) Receive(s *port.Socket, b []byte, from netip.AddrPort, now time.Time) {
	if l.closed {
		return
	}
	if s != nil && s == l.rtcpSocket {
		l.receiveRTCP(b, from, now)
		return
	}
	l.receiveRTP(b, from, now)
}

// receiveRTP is the way of every packet from a peer.
func (l *Leg) receiveRTP(b []byte, from netip.AddrPort, now time.Time) {
	w := l.w
	known := from == l.src
	if known && l.p.RTCPMux && rtp.IsRTCP(b) {
		l.receiveRTCP(b, from, now)
		return
	}
	if l.guard != nil {
		// Until its tag is proved a packet decides nothing, least of all where the
		// peer is.
		if !known && (len(b) < rtp.HeaderSize || !l.mayLearn(from, b[1]&0x7F, now)) {
			l.strangers++
			w.count.strangers++
			return
		}
		if b = l.unprotect(b, now); b == nil {
			return
		}
	}
	var p rtp.Packet
	bad := len(b) > media.MaxPacket || rtp.Parse(b, &p) != nil
	if !known && (bad || !l.learn(from, &p, now)) {
		l.strangers++
		w.count.strangers++
		return
	}
	if bad {
		w.count.invalid++
		return
	}
	l.pullOwn()
	if !l.adopted {
		l.heard = true
	}
	l.lastRTP, l.timedOut = now, false
	w.count.in++
	if !l.first {
		l.first = true
		l.tell(FirstPacket{})
	}
	if !l.p.Recv {
		w.count.ignored++
		return
	}
	if ssrc, ok := l.in.SSRC(); ok && ssrc != p.SSRC {
		if press, ok := l.keys.Reset(); ok {
			l.pressed(now, press)
		}
	}
	isEvent := l.p.EventRecvPT != 0 && p.PT == l.p.EventRecvPT
	switch l.in.Take(now, &p, !isEvent) {
	case rtp.Wild:
		w.count.invalid++
		return
	case rtp.Fresh:
		if l.peer != nil {
			l.peer.line.Cut()
		}
	}
	payload := b[p.Off:p.End]
	if isEvent {
		l.passOver(&p)
		l.receiveEvent(now, b, &p)
		return
	}
	law, ok := l.lawOf(p.PT)
	if !ok || len(payload) == 0 {
		l.passOver(&p)
		if p.PT == comfortPT {
			l.fallSilent(now, p.TS, payload)
			return
		}
		w.count.ignored++
		return
	}
	if l.quietOK {
		l.speakAgain()
	}
	if l.rec != nil && law.Valid() {
		l.rec.Write(l.channel, law, now, p.SSRC, p.TS, payload)
	}
	if l.needsSound(law) {
		l.hear(now, law, &p, payload)
	}
	if m := l.member; m != nil {
		if law.Valid() {
			m.receive(now, law, &p, payload)
		}
		if !m.direct {
			return
		}
	}
	d := l.peer
	if d == nil {
		if l.fast.flow != nil && b[0] == 2<<6 {
			l.retire(now, law, &p)
		}
		return
	}
	if !l.transcodes(law) {
		if law != d.p.Law && d.canSend {
			codec.Transcode(payload, payload, law, d.p.Law)
		}
		plain := b[0] == 2<<6
		d.relay(now, b, &p, d.p.SendPT, uint32(law.Ticks(payload)))
		if plain && l.fast.flow != nil {
			l.offer(now, d, law, &p)
		}
	}
}

// learn decides about a packet from an address that is not l.src: once, before
// the signalled address has spoken, it may take its place.
func (l *Leg) learn(from netip.AddrPort, p *rtp.Packet, now time.Time) bool {
	if !l.mayLearn(from, p.PT, now) || from != l.remote && l.former.knows(from, p.SSRC) {
		return false
	}
	l.pull()
	// The signalled address always wins, and that is final.
	l.adopted = !l.adopted
	l.heard = !l.adopted
	l.follow(from)
	return true
}

// mayLearn is learn's verdict, without its effect.
func (l *Leg) mayLearn(from netip.AddrPort, pt uint8, now time.Time) bool {
	switch {
	case !l.src.IsValid():
		return false
	case l.adopted:
		return from == l.remote
	case l.heard:
		return false
	}
	if age := now.Sub(l.set); !l.p.Symmetric && (from.Addr() != l.src.Addr() || age < learnAfter || age > learnFor) {
		return false
	}
	_, ok := l.lawOf(pt)
	return ok || pt == l.p.EventRecvPT && pt != 0 // else it is not of this session
}

// follow makes from the peer's address in both directions (RFC 4961).
func (l *Leg) follow(from netip.AddrPort) {
	if d, ok := l.rtp.Dest(from); ok {
		l.src, l.dest = from, d
		l.aimRTCP()
	}
}

// aimRTCP finds where reports go.
func (l *Leg) aimRTCP() {
	var to netip.AddrPort
	switch {
	case l.p.RTCPMux:
		to = l.src
	case l.src.Addr() != l.remote.Addr():
		// Behind NAT: the signalled address leads nowhere. Its RTCP, when it
		// comes, tells where to (receiveRTCP).
	case l.p.RemoteRTCP.IsValid():
		to = l.p.RemoteRTCP
	case l.remote.IsValid() && l.remote.Port() < 65535:
		to = netip.AddrPortFrom(l.remote.Addr(), l.remote.Port()+1)
	}
	l.control, _ = l.rtcp.Dest(to)
}

// relay sends a packet of another leg through this leg's line. The header is
// rewritten in place, right before the payload, and the same buffer is sent.
func (l *Leg) relay(now time.Time, b []byte, p *rtp.Packet, pt uint8, dur uint32) {
	if !l.mayRelay() {
		l.line.Cut() // what was left out is not lost: the next is a new start
		return
	}
	stamp, ok := l.line.Relay(now, p, dur)
	if !ok {
		return
	}
	packet := b[p.Off-rtp.HeaderSize : p.End]
	if pt == l.p.SendPT {
		l.seam.sent(l.p.Law, stamp, packet[rtp.HeaderSize:], l.line.Joined())
	}
	rtp.PutHeader(packet, pt, stamp)
	l.send(packet)
}

// mayRelay tells whether another leg is heard on l just now.
func (l *Leg) mayRelay() bool {
	return l.canSend && !l.player.active && !l.digits.Active() && !l.tone.active && !l.machine.talking
}

func (l *Leg) send(packet []byte) {
	wire := packet
	if l.guard != nil {
		if wire = l.protect(packet); wire == nil {
			return
		}
	}
	if !l.rtp.Send(wire, &l.dest) {
		l.w.count.sendErrors++
		return
	}
	l.sent++
	l.sentOctets += uint64(len(packet) - rtp.HeaderSize)
	l.w.count.out++
}

// receiveEvent handles a telephone-event packet.
func (l *Leg) receiveEvent(now time.Time, b []byte, p *rtp.Packet) {
	e, err := dtmf.ParseEvent(b[p.Off:p.End])
	if err != nil {
		l.w.count.invalid++
		return
	}
	ended, n, fresh := l.keys.Take(now, p.TS, p.Marker, e)
	if _, active := l.keys.Active(); active {
		l.w.activate(l, now) // so that a lost end is noticed
	}
	if d := l.peer; d != nil && l.member == nil {
		switch {
		case d.p.EventSendPT != 0 && (d.p.Law.ClockRate() != l.p.Law.ClockRate() || d.p.eventClock() != l.p.eventClock() || l.transcodes(l.p.Law)):
			d.passEvent(now, e, fresh, l.keys.Lasted(e))
		case d.p.EventSendPT != 0:
			d.relay(now, b, p, d.p.EventSendPT, uint32(e.Duration))
		default:
			d.sound(now, l, e, fresh)
		}
	}
	for _, press := range ended[:n] {
		l.pressed(now, press)
	}
}

// pressed tells of a key that was let go.
func (l *Leg) pressed(now time.Time, p dtmf.Press) { l.pressedAs(now, p, false) }

func (l *Leg) pressedAs(now time.Time, p dtmf.Press, inBand bool) {
	if l.member != nil {
		l.member.key(now, p.Key)
	}
	l.tell(Digit{p.Key, p.Duration, inBand})
}

// sound makes a key of from audible on l.
func (l *Leg) sound(now time.Time, from *Leg, e dtmf.Event, fresh bool) {
	if fresh {
		if _, ok := dtmf.Key(e.Code); !ok {
			return
		}
		l.tone = tone{active: true, held: true, code: e.Code, least: 4} // 80 ms; ITU-T Q.24 asks for 40
		l.w.activate(l, now)
	}
	if _, down := from.keys.Active(); !down && l.tone.held {
		l.tone.held = false
		l.tone.least = max(l.tone.least, min(int(e.Duration)/media.FrameSamples, 50))
	}
}

// stats are the figures so far.
func (l *Leg) stats() Stats {
	const ms = float64(time.Millisecond)
	return Stats{
		Audio: event.Audio{
			Codec:           l.p.Law.String(),
			PacketsReceived: l.in.Received(),
			PacketsSent:     l.sent,
			PacketsLost:     l.in.Lost(),
			JitterMs:        float64(l.in.Jitter()) / ms,
			RemoteLost:      l.reports.remoteLost,
			RemoteJitterMs:  float64(l.reports.remoteJitter) / ms,
			RTTMs:           float64(l.reports.rtt) / ms,
			Strangers:       l.strangers,
			Protection:      l.protection(),
			Forged:          l.forged(),
			MOSIn:           scoreOf(&l.grades.in),
			MOSOut:          scoreOf(&l.grades.out),
			RemoteMOS:       l.grades.peerMOS,
		},
		Law: l.p.Law,
	}
}
