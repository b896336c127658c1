package session

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/port"
	"github.com/centrala/centrala/media/rtp"
	"github.com/centrala/centrala/media/secure"
)

// ErrNoWeb: the engine has no port for browsers (Config.Web).
var ErrNoWeb = errors.New("media: no port for browsers is configured (media.webrtc)")

// Credentials are a browser leg's for our SDP: a=ice-ufrag, a=ice-pwd, a=ssrc.
type Credentials struct {
	Ufrag, Password string
	SSRC            uint32 // of what we send, for the life of the leg
	CNAME           string
}

// Web is what a browser's SDP told (Params.Web).
type Web struct {
	// Fingerprints of its certificate, SHA-256 as "AB:CD:..."; one must match.
	Fingerprints []string
	// Client: the peer waits (a=setup:passive), so we begin the DTLS handshake.
	Client bool
}

// same says that b needs no new DTLS association (RFC 8842 4).
func (a *Web) same(b *Web) bool {
	return a != nil && b != nil && a.Client == b.Client && slices.Equal(a.Fingerprints, b.Fingerprints)
}

// webPort is the one port of all browsers. Its packets are read by the first
// worker, which answers STUN and hands the rest to the worker of the leg. The Mux
// is that worker's alone.
type webPort struct {
	e        *Engine
	w        *worker
	mux      *secure.Mux
	socket   *port.Socket
	addr     netip.AddrPort // advertised
	identity *secure.Identity
	tcp      *webTCP // nil = UDP alone

	shakes    sync.WaitGroup
	published webPublished
}

// webPublished is what a scrape reads.
type webPublished struct {
	ok, bad, flooded              atomic.Uint64 // checks
	shaken, fingerprint, unshaken atomic.Uint64 // handshakes
	tcpConns                      atomic.Int64
	tcpRefused, handedLost        atomic.Uint64 // connections; packets for another worker that had no room
}

// newWebPort binds the port; nothing is read before start.
func newWebPort(e *Engine, c WebConfig) (*webPort, error) {
	id, err := secure.NewIdentity(time.Now())
	if err != nil {
		return nil, err
	}
	s, err := port.Listen(c.Addr)
	if err != nil {
		return nil, err
	}
	x := &webPort{e: e, w: e.workers[0], mux: secure.NewMux(), socket: s, identity: id,
		addr: netip.AddrPortFrom(e.cfg.AdvertisedIP, s.Local().Port())}
	if c.TCP {
		if x.tcp, err = newWebTCP(x, netip.AddrPortFrom(c.Addr.Addr(), s.Local().Port())); err != nil {
			s.Close()
			return nil, err
		}
	}
	return x, nil
}

// start has the first worker serve the port.
func (x *webPort) start() {
	x.w.post(func(time.Time) {
		if err := x.w.loop.Add(x.socket, x); err != nil {
			x.e.log.Error("port of browsers is deaf", zap.Error(err))
		}
	}, true)
	if x.tcp != nil {
		x.tcp.start()
	}
}

// stop ends what is not the workers', which have closed the legs.
func (x *webPort) stop() {
	if x.tcp != nil {
		x.tcp.stop()
	}
	x.shakes.Wait()
	x.socket.Close()
}

// Receive implements port.Receiver.
func (x *webPort) Receive(_ *port.Socket, b []byte, from netip.AddrPort, now time.Time) {
	if r := x.take(b, secure.Path{Addr: from}, now); r != nil {
		if d, ok := x.socket.Dest(from); ok {
			x.socket.Send(r, &d)
		}
	}
}

// take handles a packet and returns what to answer. On the first worker.
func (x *webPort) take(b []byte, p secure.Path, now time.Time) []byte {
	if secure.IsSTUN(b) {
		return x.mux.Check(b, p, now)
	}
	a := x.mux.Find(p)
	if a == nil {
		x.w.count.strangers++
		return nil
	}
	l := a.Owner.(*Leg)
	switch at := l.at.Load(); {
	case at == x.w:
		l.receiveWeb(b, p, now)
	case at == nil: // it moves
		x.published.handedLost.Add(1)
	default:
		if !at.hand(l, b, p) {
			x.published.handedLost.Add(1)
		}
	}
	return nil
}

// publish is called by the first worker after each sweep.
func (x *webPort) publish() {
	c := x.mux.Counts
	x.published.ok.Store(c.Checks)
	x.published.bad.Store(c.BadChecks)
	x.published.flooded.Store(c.Flooded)
}

// webLeg is the browser's side of a leg.
type webLeg struct {
	x    *webPort
	ssrc uint32

	mu      sync.Mutex
	agent   *secure.Agent // the newest credentials
	retired []*secure.Agent

	// Worker only.
	wanted  Params        // as signalled
	path    secure.Path   // nominated
	of      *secure.Agent // whose path it is
	said    *Web          // the SDP that the handshake goes by
	keyed   *Web          // that of the keys in use
	shake   *secure.Handshake
	early   [][]byte // DTLS from before the SDP
	over    bool     // the peer has shown that it has the keys
	consent bool
	heard   time.Time              // the newest packet that came by its keys
	quiet   time.Time              // when Quiet was told last; zero: it is heard
	sender  atomic.Pointer[sender] // for the handshake's goroutine
}

// sender puts a packet on a path.
type sender struct {
	x *webPort
	p secure.Path
}

func (s *sender) send(b []byte) {
	if s.p.Conn != 0 {
		s.x.tcp.send(s.p.Conn, b)
		return
	}
	if d, ok := s.x.socket.Dest(s.p.Addr); ok {
		s.x.socket.Send(b, &d)
	}
}

// maxEarly bounds what waits for the SDP: a ClientHello, in pieces.
const maxEarly = 4

// newAgent makes credentials (RFC 8445 5.3: at least 24 and 128 random bits).
func (l *Leg) newAgent() *secure.Agent {
	var r [9 + 18]byte
	_, _ = rand.Read(r[:]) // never fails since Go 1.24
	// RFC 8839 5.4: letters, digits, + and /, which is base64.
	a := &secure.Agent{Ufrag: base64.StdEncoding.EncodeToString(r[:9]), Password: base64.StdEncoding.EncodeToString(r[9:]), Owner: l}
	a.Nominated = func(p secure.Path) { l.post(func(now time.Time) { l.nominated(now, a, p) }) }
	return a
}

// Credentials are for our SDP; renew makes new ones for an ICE restart (RFC 8445
// 9), while the old path serves until the peer has taken a new one. Only legs
// opened with LegOptions.Web have any.
func (l *Leg) Credentials(renew bool) (c Credentials, ok bool) {
	v := l.web
	if v == nil {
		return c, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.agent == nil || renew {
		if v.agent != nil {
			v.retired = append(v.retired, v.agent)
		}
		a := l.newAgent()
		v.agent = a
		v.x.w.post(func(time.Time) { v.x.mux.Add(a) }, true)
	}
	return Credentials{Ufrag: v.agent.Ufrag, Password: v.agent.Password, SSRC: v.ssrc, CNAME: l.cname}, true
}

// Fingerprint is that of our certificate for a=fingerprint, SHA-256; "" without a
// port for browsers.
func (e *Engine) Fingerprint() string {
	if e.web == nil {
		return ""
	}
	return e.web.identity.Fingerprint()
}

// WebTCP tells whether browsers may come by TCP, to the same port.
func (e *Engine) WebTCP() bool { return e.web != nil && e.web.tcp != nil }

// drop takes agents out of the mux.
func (v *webLeg) drop(agents ...*secure.Agent) {
	v.x.w.post(func(time.Time) {
		for _, a := range agents {
			v.x.mux.Remove(a)
		}
	}, true)
}

// close is part of the leg's.
func (v *webLeg) close() {
	v.mu.Lock()
	all := v.retired
	if v.agent != nil {
		all = append(all, v.agent)
	}
	v.retired, v.agent = nil, nil
	v.mu.Unlock()
	v.drop(all...)
	v.endShake()
}

func (v *webLeg) endShake() {
	if v.shake != nil {
		v.shake.Close()
		v.shake = nil
	}
}

// proved: a packet under the new keys came, so the peer has ours as well and the
// handshake's connection has done its duty. A page whose leg another has taken over
// still speaks under the keys before.
func (v *webLeg) proved() {
	if !v.over && v.keyed == v.said {
		v.over = true
		v.endShake()
	}
}

// nominated: the peer has chosen how it is reached, for the first time or anew.
func (l *Leg) nominated(now time.Time, a *secure.Agent, p secure.Path) {
	v := l.web
	v.mu.Lock()
	current := a == v.agent
	var old []*secure.Agent
	if current { // the restart is complete
		old, v.retired = v.retired, nil
	}
	v.mu.Unlock()
	if len(old) > 0 {
		v.drop(old...)
	}
	if !current && v.of != nil && v.of != a {
		return // of an older restart
	}
	v.path, v.of, v.consent = p, a, true
	v.sender.Store(&sender{v.x, p})
	if p.Conn != 0 {
		c := tcpConn{v.x.tcp, p.Conn}
		l.rtp, l.rtcp = c, c
	} else {
		l.rtp, l.rtcp = v.x.socket, v.x.socket
	}
	l.apply(now, v.wanted)
	l.beginShake()
}

// applyWeb brings what the signalling said together with what ICE found.
func (l *Leg) applyWeb(p Params) Params {
	v := l.web
	v.wanted = p
	p.Remote, p.RemoteRTCP, p.RTCPMux, p.Symmetric = v.path.Addr, netip.AddrPort{}, true, false
	if !v.consent {
		p.Send = false
	}
	if p.Web != nil && !p.Web.same(v.said) {
		v.endShake()
		v.said, v.over = p.Web, false
		l.beginShake()
	}
	return p
}

// beginShake starts DTLS when it is our turn, or when the peer has begun.
func (l *Leg) beginShake() {
	v := l.web
	if v.shake != nil || v.over || v.said == nil || v.sender.Load() == nil || !v.said.Client && len(v.early) == 0 {
		return
	}
	v.shake = v.x.identity.Start(secure.HandshakeConfig{Client: v.said.Client, Fingerprints: v.said.Fingerprints, Group: &v.x.shakes,
		Send: func(b []byte) { v.sender.Load().send(b) }, Done: v.verdict(l)})
	for _, b := range v.early {
		v.shake.Feed(b)
	}
	v.early = nil
}

// verdict posts a handshake's end to the leg's worker.
func (v *webLeg) verdict(l *Leg) func(secure.Keys, error) {
	said := v.said
	return func(k secure.Keys, err error) {
		switch {
		case err == nil:
			v.x.published.shaken.Add(1)
		case errors.Is(err, secure.ErrFingerprint):
			v.x.published.fingerprint.Add(1)
		default:
			v.x.published.unshaken.Add(1)
		}
		l.post(func(now time.Time) {
			if v.said != said {
				return // of an association that is no more
			}
			if err != nil {
				l.e.log.Warn("browser leg has no keys", zap.Stringer("peer", v.path.Addr), zap.Error(err))
				v.endShake()
				return
			}
			v.keyed = said
			l.renewKeys(now, k)
			l.apply(now, v.wanted)
		})
	}
}

// receiveWeb is the way of every packet of a browser but STUN.
func (l *Leg) receiveWeb(b []byte, p secure.Path, now time.Time) {
	if l.closed {
		return
	}
	v := l.web
	switch {
	case secure.IsDTLS(b):
		if v.sender.Load() == nil { // a check without a nomination was here
			v.sender.Store(&sender{v.x, p})
		}
		switch {
		case v.shake != nil:
			v.shake.Feed(b)
		case !v.over && len(v.early) < maxEarly && len(b) <= media.MaxPacket:
			v.early = append(v.early, slices.Clone(b))
			l.beginShake()
		}
	case !l.src.IsValid():
		l.w.count.ignored++
	case rtp.IsRTCP(b):
		l.receiveRTCP(b, l.src, now)
	default:
		// Any path that a check has proved may bring sound; the tag tells whose it is.
		l.receiveRTP(b, l.src, now)
	}
}

// sweepWeb stops sending to a browser that has gone without a word (RFC 7675), and
// goes on when it is there again.
func (l *Leg) sweepWeb(now time.Time) {
	v := l.web
	if v.of == nil {
		return
	}
	if c := v.of.Consent(now); c != v.consent {
		v.consent = c
		l.apply(now, v.wanted)
	}
	if v.heard.IsZero() {
		return
	}
	checked := v.of.Checked()
	switch newest := later(v.heard, checked); {
	case now.Sub(newest) < quietAfter:
		if !v.quiet.IsZero() {
			v.quiet = time.Time{}
			l.tell(Heard{})
		}
	case now.Sub(v.quiet) >= quietAfter:
		v.quiet = now
		l.tell(Quiet{Sound: now.Sub(v.heard), Checks: now.Sub(checked)})
	}
}

// quietAfter is how long a browser says nothing before it is told, and told again:
// fifty packets.
const quietAfter = time.Second
