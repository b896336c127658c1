package session

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/rtp"
	"github.com/centrala/centrala/media/secure"
)

// sdesKeys are ours and, turned round, the phone's.
func sdesKeys(seed byte) (ours, theirs secure.Keys) {
	x, y := make(secure.Secret, secure.AES128CM80.KeyBytes()), make(secure.Secret, secure.AES128CM80.KeyBytes())
	for i := range x {
		x[i], y[i] = seed+byte(i), ^seed-byte(i)
	}
	return secure.Keys{Suite: secure.AES128CM80, Local: x, Remote: y}, secure.Keys{Suite: secure.AES128CM80, Local: y, Remote: x}
}

func sessionOf(t testing.TB, k secure.Keys) *secure.Session {
	t.Helper()
	s, err := secure.NewSession(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// protectLeg has p run on SRTP and returns the phone's end.
func (s *score) protectLeg(p *part, seed byte) *secure.Session {
	s.t.Helper()
	ours, theirs := sdesKeys(seed)
	params := p.p
	params.SRTP = &ours
	p.Set(params)
	s.run()
	return sessionOf(s.t, theirs)
}

func (p *part) speakProtected(phone *secure.Session, payload byte) []byte {
	b := p.packet(uint8(p.p.Law), bytes.Repeat([]byte{payload}, 160))
	p.ts += 160
	wire, err := phone.Protect(nil, b)
	if err != nil {
		p.s.t.Fatal(err)
	}
	p.Receive(nil, bytes.Clone(wire), p.from, p.s.now)
	return wire
}

// TestProtectedLeg: two phones with keys of their own are bridged; each hears the
// other under its own key, and what is forged, played again or plain reaches nobody.
func TestProtectedLeg(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	pa, pb := s.protectLeg(a, 1), s.protectLeg(b, 100)
	a.Bridge(b.Leg)
	s.run()
	wire := a.speakProtected(pa, 0x42)
	if len(b.out.sent) != 1 || bytes.Contains(b.out.sent[0], bytes.Repeat([]byte{0x42}, 8)) {
		t.Fatalf("sent %x", b.out.sent)
	}
	plain, err := pb.Unprotect(nil, b.out.sent[0], s.now)
	if err != nil || !bytes.Equal(plain[12:], bytes.Repeat([]byte{0x42}, 160)) {
		t.Fatalf("%v %x", err, plain)
	}
	forged := bytes.Clone(wire)
	forged[3]++ // the next number
	for name, bad := range map[string][]byte{"again": wire, "forged": forged, "plain": a.packet(8, make([]byte, 160)), "short": wire[:15], "stun": make([]byte, 20), "huge": make([]byte, 3000)} {
		a.Receive(nil, bytes.Clone(bad), addrA, s.now)
		if len(b.out.sent) != 1 {
			t.Fatalf("%s was relayed", name)
		}
	}
	if c := s.w.count; c.replayed != 1 || c.forged != 3 || c.invalid != 2 {
		t.Errorf("%d replayed, %d forged, %d invalid", c.replayed, c.forged, c.invalid)
	}
	if st := a.stats(); st.Protection != "sdes AES_CM_128_HMAC_SHA1_80" || st.Forged != 4 {
		t.Errorf("%+v", st.Audio)
	}
	// The same keys again disturb nothing; a new key of the phone's is taken, and
	// ours goes on.
	a.Set(a.p)
	s.run()
	a.speakProtected(pa, 0x43)
	fresh, _ := sdesKeys(55)
	p := a.p
	p.SRTP = &secure.Keys{Suite: secure.AES128CM80, Local: p.SRTP.Local, Remote: fresh.Local}
	a.Set(p)
	s.run()
	a.speakProtected(sessionOf(t, secure.Keys{Suite: secure.AES128CM80, Local: fresh.Local, Remote: p.SRTP.Local}), 0x44)
	if len(b.out.sent) != 3 {
		t.Errorf("%d packets came over, want 3", len(b.out.sent))
	}
	// Reports are protected as well.
	s.pass(6 * time.Second)
	for _, r := range b.ctl.sent {
		if _, err := pb.UnprotectRTCP(nil, r, s.now); err != nil {
			t.Errorf("report: %v", err)
		}
	}
	if len(b.ctl.sent) == 0 {
		t.Error("no report")
	}
}

// TestKeysThatDoNotFit: a leg whose keys cannot be used is silent, not plain.
func TestKeysThatDoNotFit(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	p := b.p
	p.SRTP = &secure.Keys{Suite: secure.AES128CM80, Local: make(secure.Secret, 3)}
	b.Set(p)
	s.run()
	a.speak(1)
	b.speak(2)
	if len(b.out.sent) != 0 || len(a.out.sent) != 0 {
		t.Errorf("%d and %d packets in clear", len(b.out.sent), len(a.out.sent))
	}
}

// TestStrangersTeachNothing: while the peer's real port is being learnt, a packet
// without the key decides nothing, whatever address it has; one with it does.
func TestStrangersTeachNothing(t *testing.T) {
	s := newScore(t)
	a := s.leg(addrA, codec.PCMA)
	phone := s.protectLeg(a, 1)
	s.pass(time.Second) // learning is open
	other := netip.AddrPortFrom(addrA.Addr(), 4444)
	for range 100 {
		a.Receive(nil, a.packet(8, make([]byte, 170)), other, s.now)
	}
	if a.adopted || a.src != addrA || a.first {
		t.Fatal("a stranger was adopted")
	}
	a.from = other
	a.speakProtected(phone, 1)
	if !a.adopted || a.src != other {
		t.Error("the phone's own port was not adopted")
	}
	before := s.w.count.strangers
	a.Receive(nil, a.packet(8, make([]byte, 170)), addrB, s.now)
	if s.w.count.strangers != before+1 {
		t.Error("a stranger is not counted")
	}
}

func TestNothingAllocatesPerProtectedPacket(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	phone := s.protectLeg(a, 1)
	s.protectLeg(b, 100)
	b.Leg.rtp = nullConn{}
	a.Bridge(b.Leg)
	a.sink, b.sink = nil, nil
	s.run()
	packet, wire := a.packet(8, make([]byte, 160)), make([]byte, 0, 300)
	seq := uint16(0)
	if n := testing.AllocsPerRun(1000, func() {
		seq++
		rtp.PutHeader(packet, 8, rtp.Stamp{SSRC: 1, Seq: seq, TS: uint32(seq) * 160})
		wire, _ = phone.Protect(wire, packet)
		a.Receive(nil, wire, addrA, s.now)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	if b.sent < 1000 {
		t.Errorf("%d relayed", b.sent)
	}
}

// webPeer is a browser's transport made of pion/stun and our own DTLS client.
type webPeer struct {
	t    *testing.T
	c    *net.UDPConn
	keys chan secure.Keys
	in   chan []byte // STUN answers and media
	h    *secure.Handshake
}

func newWebPeer(t *testing.T, port netip.AddrPort) *webPeer {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(port))
	if err != nil {
		t.Fatal(err)
	}
	p := &webPeer{t: t, c: c, keys: make(chan secure.Keys, 1), in: make(chan []byte, 64)}
	t.Cleanup(func() { _ = c.Close() })
	return p
}

func (p *webPeer) read() {
	b := make([]byte, 2000)
	for {
		n, err := p.c.Read(b)
		if err != nil {
			close(p.in)
			return
		}
		if secure.IsDTLS(b[:n]) {
			p.h.Feed(b[:n])
			continue
		}
		select {
		case p.in <- bytes.Clone(b[:n]):
		default:
		}
	}
}

func (p *webPeer) check(cred Credentials, nominate bool) {
	set := []stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(cred.Ufrag + ":theirs")}
	if nominate {
		set = append(set, stun.RawAttribute{Type: stun.AttrUseCandidate})
	}
	m, err := stun.Build(append(set, stun.NewShortTermIntegrity(cred.Password), stun.Fingerprint)...)
	if err != nil {
		p.t.Fatal(err)
	}
	_, _ = p.c.Write(m.Raw)
}

// join goes through check and handshake.
func (p *webPeer) join(l *Leg, id *secure.Identity, server string) *secure.Session {
	p.t.Helper()
	cred, _ := l.Credentials(false)
	p.h = id.Start(secure.HandshakeConfig{Client: true, Fingerprints: []string{server}, Send: func(b []byte) { _, _ = p.c.Write(b) },
		Done: func(k secure.Keys, err error) {
			if err != nil {
				p.t.Error(err)
			}
			p.keys <- k
		}})
	p.t.Cleanup(func() { p.h.Close(); p.h.Wait() })
	go p.read()
	for range 100 {
		p.check(cred, true)
		select {
		case b := <-p.in:
			if !secure.IsSTUN(b) {
				continue
			}
		case <-time.After(50 * time.Millisecond):
			continue
		}
		break
	}
	select {
	case k := <-p.keys:
		return sessionOf(p.t, k)
	case <-time.After(10 * time.Second):
		p.t.Fatal("no keys")
		return nil
	}
}

// TestBrowsersOnTwoWorkers: legs of browsers on two workers behind one port; one
// moves to the other's and they are bridged. Who has no key, or no check, is not
// heard, and no goroutine is left.
func TestBrowsersOnTwoWorkers(t *testing.T) {
	e := newEngine(t, Config{Workers: 2, Web: &WebConfig{Addr: netip.AddrPortFrom(loopback, 0)}})
	id, err := secure.NewIdentity(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var legs []*Leg
	for g := uint64(1); len(legs) < 2; g++ { // one on each worker
		if len(legs) == 1 && e.worker(g) == legs[0].route.home {
			continue
		}
		l, err := e.Open(LegOptions{Group: g, Web: true})
		if err != nil {
			t.Fatal(err)
		}
		l.Set(Params{Law: codec.PCMA, SendPT: 8, RecvPT: 8, Send: true, Recv: true, Web: &Web{Fingerprints: []string{id.Fingerprint()}}})
		legs = append(legs, l)
	}
	a, b := newWebPeer(t, legs[0].Addr()), newWebPeer(t, legs[1].Addr())
	stranger := newWebPeer(t, legs[0].Addr())
	_, _ = stranger.c.Write(append([]byte{22, 254, 253}, make([]byte, 200)...)) // DTLS without a check
	sa, sb := a.join(legs[0], id, e.Fingerprint()), b.join(legs[1], id, e.Fingerprint())
	legs[1].Move(legs[0].route.group)
	legs[0].Bridge(legs[1])
	deadline := time.Now().Add(10 * time.Second)
	heard := 0
	for seq := uint16(1); heard < 20; seq++ {
		if time.Now().After(deadline) {
			t.Fatalf("heard %d packets", heard)
		}
		for _, x := range []struct {
			p *webPeer
			s *secure.Session
			v byte
		}{{a, sa, 0x11}, {b, sb, 0x22}} {
			packet := make([]byte, 172)
			rtp.PutHeader(packet, 8, rtp.Stamp{SSRC: uint32(x.v), Seq: seq, TS: uint32(seq) * 160})
			copy(packet[12:], bytes.Repeat([]byte{x.v}, 160))
			wire, _ := x.s.Protect(nil, packet)
			_, _ = x.p.c.Write(wire)
		}
		forged := make([]byte, 182)
		rtp.PutHeader(forged, 8, rtp.Stamp{SSRC: 0x11, Seq: seq + 100, TS: 1})
		_, _ = stranger.c.Write(forged)
		for {
			select {
			case w := <-b.in:
				if secure.IsSTUN(w) || rtp.IsRTCP(w) {
					continue
				}
				plain, err := sb.Unprotect(nil, w, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if v := plain[len(plain)-1]; v != 0x11 {
					t.Fatalf("b hears %x", v)
				}
				heard++
				continue
			case <-time.After(5 * time.Millisecond):
			}
			break
		}
		for len(a.in) > 0 {
			w := <-a.in
			if secure.IsSTUN(w) || rtp.IsRTCP(w) {
				continue
			}
			if plain, err := sa.Unprotect(nil, w, time.Now()); err != nil || plain[len(plain)-1] != 0x22 {
				t.Fatalf("a hears %x, %v", plain, err)
			}
		}
	}
	stats := make(chan Stats, 2)
	legs[0].Close(func(s Stats) { stats <- s })
	legs[1].Close(func(s Stats) { stats <- s })
	for range 2 {
		if s := <-stats; s.Protection != "dtls AEAD_AES_128_GCM" || s.Forged != 0 || s.PacketsReceived < 10 {
			t.Errorf("%+v", s.Audio)
		}
	}
	done := make(chan uint64, 1)
	e.web.w.do(func(time.Time) { done <- e.web.mux.Counts.Strangers })
	if n := <-done; n < 20 {
		t.Errorf("%d strangers", n)
	}
}

// webLeg is a browser's leg without a port; check is one of its checks.
func (s *score) webLeg() (a *part, check func()) {
	a = s.leg(addrA, codec.PCMA)
	out := a.Leg.rtp
	agent := &secure.Agent{Ufrag: "u", Password: "p"}
	a.web, a.guard = &webLeg{x: &webPort{e: s.w.e, w: s.w, mux: secure.NewMux()}, agent: agent}, &guard{}
	mux := a.web.x.mux
	mux.Add(agent)
	agent.Nominated = func(p secure.Path) {
		a.web.path, a.web.of, a.web.consent = p, agent, true
		a.Leg.rtp, a.Leg.rtcp = out, out
		a.apply(s.now, a.web.wanted)
	}
	ours, theirs := sdesKeys(9)
	a.web.wanted = Params{Law: codec.PCMA, SendPT: 8, RecvPT: 8, Send: true, Recv: true}
	a.renewKeys(s.now, ours)
	a.peer, _ = secure.NewSession(theirs)
	return a, func() {
		s.t.Helper()
		m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("u:x"), stun.RawAttribute{Type: stun.AttrUseCandidate}, stun.NewShortTermIntegrity("p"))
		if err != nil {
			s.t.Fatal(err)
		}
		if mux.Check(m.Raw, secure.Path{Addr: addrA}, s.now) == nil {
			s.t.Fatal("not answered")
		}
	}
}

// TestConsent: a browser that has gone without a word is sent nothing after 30 s,
// and is served again when its checks come back (RFC 7675).
func TestConsent(t *testing.T) {
	s := newScore(t)
	a, check := s.webLeg()
	check()
	if !a.canSend {
		t.Fatal("nothing may be sent after the check")
	}
	s.pass(29 * time.Second)
	if !a.canSend {
		t.Error("silenced before its time")
	}
	s.pass(2 * time.Second)
	if a.canSend {
		t.Error("sends without consent")
	}
	check()
	s.pass(200 * time.Millisecond)
	if !a.canSend {
		t.Error("not served again")
	}
	a.web = nil // its port was never opened
}

// TestQuiet: a browser of which nothing comes is told of once a second, with how long
// its sound and its checks have been missing; a forged packet is no life; the first
// word of it ends that.
func TestQuiet(t *testing.T) {
	s := newScore(t)
	a, check := s.webLeg()
	check()
	told := func() (out []Event) {
		for _, e := range a.events {
			switch e.(type) {
			case Quiet, Heard:
				out = append(out, e)
			}
		}
		a.events = nil
		return out
	}
	s.pass(10 * time.Second)
	if got := told(); len(got) != 0 {
		t.Fatalf("told of a browser that was never heard: %v", got)
	}
	speak := func() {
		t.Helper()
		s.speaks(a, a.web.path)
	}
	for range 150 { // 3 s with a check in each, as browsers do beside the sound
		speak()
		s.pass(20 * time.Millisecond)
	}
	check()
	for range 4 {
		s.pass(700 * time.Millisecond) // its sound rests, its checks do not
		check()
	}
	if got := told(); len(got) != 0 {
		t.Fatalf("told of a browser that is there: %v", got)
	}
	s.pass(3200 * time.Millisecond)
	got := told()
	if len(got) != 3 {
		t.Fatalf("told %v", got)
	}
	for i, e := range got {
		q, ok := e.(Quiet)
		since := time.Duration(i+1) * time.Second
		if !ok || q.Checks < since || q.Checks > since+2*sweepEvery || q.Sound-q.Checks != 2800*time.Millisecond+20*time.Millisecond {
			t.Errorf("%d: %+v", i, e)
		}
	}
	a.receiveWeb(make([]byte, 172), a.web.path, s.now) // of no key
	s.pass(200 * time.Millisecond)
	if got := told(); slices.Contains(got, Event(Heard{})) {
		t.Error("a forged packet is a sign of life")
	}
	speak()
	s.pass(200 * time.Millisecond)
	if got := told(); !slices.Contains(got, Event(Heard{})) {
		t.Errorf("told %v", got)
	}
	a.web = nil
}

// TestOldPageSpeaksOn: while a new page's handshake is awaited the old one still speaks
// under its keys. That proves nothing of the new ones.
func TestOldPageSpeaksOn(t *testing.T) {
	s := newScore(t)
	a, check := s.webLeg()
	check()
	v := a.web
	old, next := &Web{Fingerprints: []string{"AA"}}, &Web{Fingerprints: []string{"BB"}}
	v.wanted.Web, v.said, v.keyed = old, old, old
	s.speaks(a, v.path)
	if !v.over {
		t.Fatal("a packet under the agreed keys proves nothing")
	}
	p := v.wanted
	p.Web = next
	a.apply(s.now, p)
	s.speaks(a, v.path)
	if v.over || v.said != next {
		t.Fatal("the old page's packet proves the new page's keys")
	}
	ours, theirs := sdesKeys(77) // what the handshake gives
	v.keyed = next
	a.renewKeys(s.now, ours)
	s.speaks(a, v.path) // on its way when the keys changed
	if v.over {
		t.Fatal("a packet under the keys before proves the new ones")
	}
	a.peer, _ = secure.NewSession(theirs)
	s.speaks(a, v.path)
	if !v.over {
		t.Fatal("the new page's packet proves nothing")
	}
	a.web = nil
}

// speaks hands in a packet of a browser.
func (s *score) speaks(a *part, p secure.Path) {
	s.t.Helper()
	plain := make([]byte, 172)
	plain[0], plain[1] = 0x80, 8
	binary.BigEndian.PutUint16(plain[2:], a.seq)
	binary.BigEndian.PutUint32(plain[4:], a.ts)
	binary.BigEndian.PutUint32(plain[8:], a.ssrc)
	a.seq, a.ts = a.seq+1, a.ts+160
	b, err := a.peer.Protect(nil, plain)
	if err != nil {
		s.t.Fatal(err)
	}
	a.receiveWeb(b, p, s.now)
}
