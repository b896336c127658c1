package browser

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/centrala/centrala/pkg/load/robot"
)

// Call is one of the page's.
type Call struct {
	p      *Page
	id     string
	invite *robot.Message // of a call in
	tag    string         // ours
	remote string         // To or From of the other side, with its tag
	target string
	routes []string
	branch string
	ackSeq int

	pc    *webrtc.PeerConnection
	track *track
	once  sync.Once
	gone  chan struct{}

	mu      sync.Mutex
	seq     int
	law     robot.Law
	heard   []int16
	packets int
	last    string // our SDP
}

// Header of the INVITE that a call in came with, "" when it has none.
func (c *Call) Header(name string) string {
	if c.invite == nil {
		return ""
	}
	return c.invite.Get(strings.ToLower(name))
}

// ID is the SIP Call-ID.
func (c *Call) ID() string { return c.id }

// api makes pion a browser on this machine: no mDNS, loopback allowed, G.711 and
// telephone-event, DTLS and ICE as they come.
func (p *Page) api() (*webrtc.API, error) {
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if p.cfg.TCP {
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	m := &webrtc.MediaEngine{}
	for _, x := range []struct {
		mime string
		pt   webrtc.PayloadType
	}{{webrtc.MimeTypePCMU, 0}, {webrtc.MimeTypePCMA, 8}, {"audio/telephone-event", 126}} {
		if err := m.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: x.mime, ClockRate: 8000}, PayloadType: x.pt}, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, err
		}
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s), webrtc.WithInterceptorRegistry(&interceptor.Registry{})), nil
}

// peer makes the connection, with our track on it.
func (c *Call) peer() error {
	api, err := c.p.api()
	if err != nil {
		return err
	}
	if c.pc, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return err
	}
	c.pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { go c.listen(t) })
	c.track = &track{}
	go c.speak()
	return nil
}

// describe finishes an offer or answer: all candidates are in it, no trickle.
func (c *Call) describe(d webrtc.SessionDescription) (string, error) {
	ready := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(d); err != nil {
		return "", err
	}
	select {
	case <-ready:
	case <-time.After(5 * time.Second):
		return "", errors.New("browser: candidates are not gathered")
	}
	s := c.pc.LocalDescription().SDP
	if c.p.cfg.WrongFingerprint {
		i := strings.Index(s, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
		b := []byte(s)
		if b[i] == '0' {
			b[i] = '1'
		} else {
			b[i] = '0'
		}
		s = string(b)
	}
	c.mu.Lock()
	c.last = s
	c.mu.Unlock()
	return s, nil
}

// Dial calls a number and returns when it is answered.
func (p *Page) Dial(ctx context.Context, to string) (*Call, error) { return p.dial(ctx, to, nil) }

// Resume takes over the leg that a page of the same device had in a call.
func (p *Page) Resume(ctx context.Context, call string) (*Call, error) {
	return p.dial(ctx, "resume", []string{"X-Resume: " + call})
}

func (p *Page) dial(ctx context.Context, to string, more []string) (*Call, error) {
	c := &Call{p: p, id: token(10), tag: token(4), gone: make(chan struct{}), law: robot.PCMU}
	if err := c.peer(); err != nil {
		return nil, err
	}
	if _, err := c.pc.AddTrack(c.track); err != nil {
		return nil, err
	}
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		return nil, err
	}
	sdp, err := c.describe(offer)
	if err != nil {
		c.end()
		return nil, err
	}
	p.mu.Lock()
	p.calls[c.id] = c
	p.mu.Unlock()
	c.target, c.remote = "sip:"+to+"@centrala.test", fmt.Sprintf("<sip:%s@centrala.test>", to)
	if err := c.reinvite(ctx, sdp, more); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// Vanish ends the call's sound without a word, as a page does that is loaded anew.
func (c *Call) Vanish() { c.end() }

// reinvite sends an INVITE of ours, the first or a further one, and takes the answer.
func (c *Call) reinvite(ctx context.Context, sdp string, more []string) error {
	p := c.p
	uri := c.target
	m, _, err := p.request(ctx, "INVITE", uri, func(_ int, branch, auth string) ([]string, string) {
		l := c.head("INVITE", branch, c.next())
		if auth != "" {
			l = append(l, auth)
		}
		return append(append(l, "Contact: "+p.contact()), more...), sdp
	}, nil)
	if err != nil {
		return err
	}
	if m.Status != 200 {
		p.ackRefused(ctx, m, uri, between(m.Get("via"), "branch="))
		return fmt.Errorf("%w: INVITE: %d", ErrRefused, m.Status)
	}
	c.mu.Lock()
	c.remote = m.Get("to")
	c.target = strings.TrimSuffix(strings.TrimPrefix(strings.SplitN(m.Get("contact"), ">", 2)[0], "<"), ">")
	rr := m.All("record-route")
	c.routes = c.routes[:0]
	for i := len(rr) - 1; i >= 0; i-- {
		c.routes = append(c.routes, rr[i])
	}
	c.ackSeq = c.seq
	c.mu.Unlock()
	c.ack()
	return c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(m.Body)})
}

func (c *Call) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	return c.seq
}

// head is the start of a request of ours in the dialog.
func (c *Call) head(method, branch string, seq int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := []string{method + " " + c.target + " SIP/2.0", c.p.via(branch), "Max-Forwards: 70"}
	for _, r := range c.routes {
		l = append(l, "Route: "+r)
	}
	return append(l, fmt.Sprintf("From: <sip:%s@centrala.test>;tag=%s", c.p.cfg.User, c.tag), "To: "+c.remote, "Call-ID: "+c.id, fmt.Sprintf("CSeq: %d %s", seq, method))
}

func (c *Call) ack() {
	c.mu.Lock()
	seq := c.ackSeq
	c.mu.Unlock()
	_ = c.p.send(context.Background(), c.head("ACK", "z9hG4bK"+token(8), seq), "")
}

// ackRefused ends the transaction of an INVITE that was refused (RFC 3261 17.1.1.3).
func (p *Page) ackRefused(ctx context.Context, m *robot.Message, uri, branch string) {
	seq, _, _ := strings.Cut(m.Get("cseq"), " ")
	_ = p.send(ctx, []string{"ACK " + uri + " SIP/2.0", p.via(branch), "Max-Forwards: 70", "From: " + m.Get("from"), "To: " + m.Get("to"),
		"Call-ID: " + m.Get("call-id"), "CSeq: " + seq + " ACK"}, "")
}

// Answer takes a call in.
func (c *Call) Answer() error {
	c.law = robot.PCMU
	if err := c.peer(); err != nil {
		return err
	}
	sdp, err := c.answerTo(string(c.invite.Body))
	if err != nil {
		c.end()
		return err
	}
	c.remote = c.invite.Get("from")
	c.target = strings.TrimPrefix(strings.SplitN(c.invite.Get("contact"), ">", 2)[0], "<")
	c.routes = c.invite.All("record-route")
	c.seq = 100
	c.p.respond(c.invite, 200, "OK", c.tag, sdp)
	return nil
}

func (c *Call) answerTo(offer string) (string, error) {
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	if len(c.pc.GetSenders()) == 0 || c.pc.GetSenders()[0].Track() == nil {
		if _, err := c.pc.AddTrack(c.track); err != nil { // behind the offer: it takes the offer's place
			return "", err
		}
	}
	a, err := c.pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	return c.describe(a)
}

func (c *Call) reoffered(m *robot.Message) {
	c.mu.Lock()
	sdp := c.last
	c.mu.Unlock()
	if len(m.Body) > 0 {
		var err error
		if sdp, err = c.answerTo(string(m.Body)); err != nil {
			c.p.respond(m, 488, "Not Acceptable Here", c.tag, "")
			return
		}
	}
	c.p.respond(m, 200, "OK", c.tag, sdp)
}

// Hold puts the other side on hold (sendonly), or takes it back.
func (c *Call) Hold(ctx context.Context, on bool) error {
	o, err := c.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	sdp, err := c.describe(o)
	if err != nil {
		return err
	}
	if on {
		sdp = strings.Replace(sdp, "a=sendrecv", "a=sendonly", 1)
	}
	return c.reinvite(ctx, sdp, nil)
}

// Restart is an ICE restart: the page has moved to another network.
func (c *Call) Restart(ctx context.Context) error {
	o, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		return err
	}
	sdp, err := c.describe(o)
	if err != nil {
		return err
	}
	return c.reinvite(ctx, sdp, nil)
}

// Hangup says BYE.
func (c *Call) Hangup(ctx context.Context) error {
	_, _, err := c.p.request(ctx, "BYE", c.target, func(_ int, branch, auth string) ([]string, string) {
		l := c.head("BYE", branch, c.next())
		if auth != "" {
			l = append(l, auth)
		}
		return l, ""
	}, nil)
	c.end()
	return err
}

// Gone is closed when the call has ended.
func (c *Call) Gone() <-chan struct{} { return c.gone }

func (c *Call) end() {
	c.once.Do(func() {
		close(c.gone)
		if c.pc != nil {
			_ = c.pc.Close()
		}
		c.p.mu.Lock()
		delete(c.p.calls, c.id)
		c.p.mu.Unlock()
	})
}

// Connected waits until ICE and DTLS are through.
func (c *Call) Connected(ctx context.Context) error {
	for {
		switch s := c.pc.ConnectionState(); s {
		case webrtc.PeerConnectionStateConnected:
			return nil
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			return fmt.Errorf("browser: connection is %v", s)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("browser: connection is %v: %w", c.pc.ConnectionState(), ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// listen keeps what comes.
func (c *Call) listen(t *webrtc.TrackRemote) {
	law := robot.PCMU
	if t.PayloadType() == 8 {
		law = robot.PCMA
	}
	b := make([]byte, 1500)
	for {
		n, _, err := t.Read(b)
		if err != nil {
			return
		}
		var p rtp.Packet
		if p.Unmarshal(b[:n]) != nil {
			continue
		}
		switch p.PayloadType {
		case 0:
			law = robot.PCMU
		case 8:
			law = robot.PCMA
		default:
			continue
		}
		c.mu.Lock()
		c.law = law
		c.packets++
		for _, x := range p.Payload {
			c.heard = append(c.heard, law.Decode(x))
		}
		if over := len(c.heard) - 8*8000; over > 0 {
			c.heard = append(c.heard[:0], c.heard[over:]...)
		}
		c.mu.Unlock()
	}
}

// Heard is the sound of the last d, at 8 kHz; less when less came.
func (c *Call) Heard(d time.Duration) []int16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(int(d*8/time.Millisecond), len(c.heard))
	return append([]int16(nil), c.heard[len(c.heard)-n:]...)
}

// Deaf forgets what was heard.
func (c *Call) Deaf() {
	c.mu.Lock()
	c.heard = c.heard[:0]
	c.mu.Unlock()
}

// Packets that came.
func (c *Call) Packets() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packets
}

// speak says the page's tone, 50 packets a second.
func (c *Call) speak() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	seq, ts, at := uint16(65500), uint32(1<<32-8000), 0
	tone := map[robot.Law][]byte{robot.PCMA: robot.Tone(robot.PCMA, c.p.cfg.Tone), robot.PCMU: robot.Tone(robot.PCMU, c.p.cfg.Tone)}
	for {
		select {
		case <-c.gone:
			return
		case <-tick.C:
		}
		w, ssrc, law := c.track.out()
		if w == nil {
			continue
		}
		t := tone[law]
		payload := make([]byte, 160)
		for i := range payload {
			payload[i] = t[(at+i)%len(t)]
		}
		at, seq, ts = at+160, seq+1, ts+160
		pt := uint8(0)
		if law == robot.PCMA {
			pt = 8
		}
		if code, first, end, dur, back, ok := c.track.key(); ok {
			ev := make([]byte, 4)
			ev[0], ev[1] = code, 10
			if end {
				ev[1] |= 0x80
			}
			binary.BigEndian.PutUint16(ev[2:], dur)
			_, _ = w.WriteRTP(&rtp.Header{Version: 2, PayloadType: c.track.eventPT(), SequenceNumber: seq, Timestamp: ts - uint32(back), SSRC: ssrc, Marker: first}, ev)
			continue
		}
		_, _ = w.WriteRTP(&rtp.Header{Version: 2, PayloadType: pt, SequenceNumber: seq, Timestamp: ts, SSRC: ssrc}, payload)
	}
}

// Press sends a key as telephone-event (RFC 4733), 120 ms.
func (c *Call) Press(key byte) {
	c.track.mu.Lock()
	defer c.track.mu.Unlock()
	c.track.pressed = append(c.track.pressed, byte(strings.IndexByte("0123456789*#ABCD", key)))
}

// track is our sound; unlike pion's own it may change its payload type.
type track struct {
	mu      sync.Mutex
	w       webrtc.TrackLocalWriter
	ssrc    uint32
	law     robot.Law
	event   uint8
	pressed []byte
	step    int
}

// Bind implements webrtc.TrackLocal.
func (t *track) Bind(x webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var chosen webrtc.RTPCodecParameters
	for _, c := range x.CodecParameters() {
		switch {
		case strings.EqualFold(c.MimeType, "audio/telephone-event"):
			t.event = uint8(c.PayloadType)
		case chosen.MimeType == "":
			chosen = c
		}
	}
	if chosen.MimeType == "" {
		return chosen, io.ErrUnexpectedEOF
	}
	t.w, t.ssrc, t.law = x.WriteStream(), uint32(x.SSRC()), robot.PCMU
	if chosen.MimeType == webrtc.MimeTypePCMA {
		t.law = robot.PCMA
	}
	return chosen, nil
}

// Unbind implements webrtc.TrackLocal.
func (t *track) Unbind(webrtc.TrackLocalContext) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.w = nil
	return nil
}

// ID implements webrtc.TrackLocal.
func (t *track) ID() string { return "audio" }

// RID implements webrtc.TrackLocal.
func (t *track) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (t *track) StreamID() string { return "page" }

// Kind implements webrtc.TrackLocal.
func (t *track) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }

func (t *track) out() (webrtc.TrackLocalWriter, uint32, robot.Law) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w, t.ssrc, t.law
}

func (t *track) eventPT() uint8 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.event
}

// key is the next packet of a key that is down: 6 of 20 ms, then the end three times.
func (t *track) key() (code uint8, first, end bool, dur, back uint16, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pressed) == 0 {
		return
	}
	code = t.pressed[0]
	t.step++
	first, end = t.step == 1, t.step > 6
	dur, back = uint16(160*min(t.step, 7)), uint16(160*t.step)
	if t.step == 9 {
		t.step = 0
		t.pressed = t.pressed[1:]
	}
	return code, first, end, dur, back, true
}
