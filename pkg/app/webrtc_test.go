package app_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/load/browser"
	"github.com/centrala/centrala/pkg/load/robot"
)

// web is a node that takes browsers: SIP by WebSocket, sound on one port.
func web(t *testing.T, tcp bool) *node {
	t.Helper()
	t.Parallel()
	n := prepare(t)
	n.make(func(c *config.Config) {
		c.SIP.Listeners = append(c.SIP.Listeners, config.Listener{Transport: "ws", Address: "127.0.0.1:0", WebSocket: config.WebSocket{Path: "/sip"}})
		c.Media.WebRTC = config.WebRTC{Listen: "127.0.0.1:0", TCP: tcp}
	})
	n.start()
	return n
}

func (n *node) ws() string {
	n.t.Helper()
	s, err := n.Status(context.Background())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, l := range s.SIP {
		if addr, ok := strings.CutPrefix(l, "ws "); ok {
			return "ws://" + addr + "/sip"
		}
	}
	n.t.Fatalf("no WebSocket in %v", s.SIP)
	return ""
}

// page opens a tab; its calls in go to rings.
func (n *node) page(who robot.Account, tone int, rings chan *browser.Call, changes func(*browser.Config)) *browser.Page {
	n.t.Helper()
	cfg := browser.Config{URL: n.ws(), User: who.User, Password: who.Password, Tone: tone}
	if rings != nil {
		cfg.Incoming = func(c *browser.Call) { rings <- c }
	}
	if changes != nil {
		changes(&cfg)
	}
	p, err := browser.Open(within(n.t), cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(p.Close)
	return p
}

// webHears wants the tone in what the page hears from now on.
func (n *node) webHears(c *browser.Call, hz int) {
	n.t.Helper()
	c.Deaf()
	n.eventually("tone in the browser", func() bool {
		pcm := c.Heard(300 * time.Millisecond)
		return len(pcm) >= 2000 && robot.Hears(pcm, float64(hz))
	})
}

func (n *node) webDials(p *browser.Page, to string) *browser.Call {
	n.t.Helper()
	c, err := p.Dial(within(n.t), to)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := c.Connected(within(n.t)); err != nil {
		n.t.Fatal(err)
	}
	return c
}

// TestBrowserEcho: a page calls the echo over SIP by WebSocket, and its own tone
// comes back through ICE-lite, DTLS and SRTP; by UDP, and by TCP alone.
func TestBrowserEcho(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		t.Run(map[bool]string{false: "udp", true: "tcp"}[tcp], func(t *testing.T) {
			n := web(t, tcp)
			p := n.page(anna, 700, nil, func(c *browser.Config) { c.TCP = tcp })
			c := n.webDials(p, "1000")
			n.webHears(c, 700)
			if err := c.Hangup(within(t)); err != nil {
				t.Error(err)
			}
			if got := n.value("centrala_media_dtls_handshakes_total", "ok"); got != 1 {
				t.Errorf("%v handshakes", got)
			}
		})
	}
}

// webOffice is anna at a phone, bob at a page.
type webOffice struct {
	*office
	rings chan *browser.Call
	page  *browser.Page
}

func newWebOffice(t *testing.T) *webOffice {
	t.Helper()
	o := &webOffice{office: &office{node: web(t, false)}, rings: make(chan *browser.Call, 4)}
	if _, err := o.apply(moreDocs, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	var err error
	if o.media, err = robot.NewMedia(robot.MediaConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.media.Close)
	o.anna = o.desk(anna, annaTone)
	o.page = o.node.page(bob, bobTone, o.rings, nil)
	return o
}

func (o *webOffice) webRings() *browser.Call {
	o.t.Helper()
	select {
	case c := <-o.rings:
		if err := c.Answer(); err != nil {
			o.t.Fatal(err)
		}
		if err := c.Connected(within(o.t)); err != nil {
			o.t.Fatal(err)
		}
		return c
	case <-time.After(patience):
		o.t.Fatal("the page does not ring")
		return nil
	}
}

// TestBrowserAgent: a phone's call goes through the queue to an agent at a page;
// both hear each other, hold parts them, and the recording has both.
func TestBrowserAgent(t *testing.T) {
	o := newWebOffice(t)
	if err := o.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "1001")
	b := o.webRings()
	if q, id := b.Header("X-Centrala-Queue"), b.Header("X-Centrala-Call"); q != "sales" || id != o.live(a) {
		t.Errorf("the page is told queue %q, call %q", q, id)
	}
	o.isUp(a, o.anna)
	o.webHears(b, annaTone)
	o.hears(a, bobTone)
	if err := b.Hold(within(t), true); err != nil {
		t.Fatal(err)
	}
	o.eventually("the caller does not hear who holds", func() bool {
		pcm := a.Leg().Since(max(0, a.Leg().Mark()-1600))
		return len(pcm) >= 1600 && robot.Quiet(pcm, bobTone)
	})
	if err := b.Hold(within(t), false); err != nil {
		t.Fatal(err)
	}
	o.hears(a, bobTone)
	o.webHears(b, annaTone)
	// The page's network changes: an ICE restart, and the sound follows.
	if err := b.Restart(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := b.Connected(within(t)); err != nil {
		t.Fatal(err)
	}
	o.webHears(b, annaTone)
	o.hears(a, bobTone)
	// The socket is lost: the sound is not, and the call ends over the new one.
	o.page.Drop()
	o.webHears(b, annaTone)
	if err := o.page.Reconnect(within(t)); err != nil {
		t.Fatal(err)
	}
	o.hears(a, bobTone)
	hangUp(a)
	select {
	case <-b.Gone():
	case <-time.After(patience):
		t.Error("BYE does not reach the page's new socket")
	}
	r := o.record("default", a)
	found := false
	for _, l := range r.Legs {
		if l.Device == "bob" && l.Audio != nil {
			found = strings.HasPrefix(l.Audio.Protection, "dtls ") && l.Audio.Forged == 0 && l.Audio.PacketsReceived > 50
		}
	}
	if !found {
		t.Errorf("legs %+v", r.Legs)
	}
	o.recorded(r, []int{annaTone}, []int{bobTone})
}

// TestBrowserCallsPhone: a page dials a phone and presses keys.
func TestBrowserCallsPhone(t *testing.T) {
	o := newWebOffice(t)
	done := make(chan *browser.Call, 1)
	go func() {
		c, err := o.page.Dial(context.Background(), "101")
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	a := o.ring(o.anna.rings)
	a.Answer()
	o.isUp(a, o.anna)
	b := <-done
	if b == nil {
		return
	}
	o.webHears(b, annaTone)
	o.hears(a, bobTone)
	for _, k := range []byte("42#") {
		b.Press(k)
	}
	o.eventually("keys at the phone", func() bool { return a.Leg().Keys() == "42#" })
	if err := b.Hangup(within(t)); err != nil {
		t.Error(err)
	}
	o.over(a)
}

// TestBrowserWithAForeignCertificate: who sits between shows a certificate that the
// SDP does not name. The leg never opens: nothing is heard, and it is counted.
func TestBrowserWithAForeignCertificate(t *testing.T) {
	n := web(t, false)
	p := n.page(anna, 700, nil, func(c *browser.Config) { c.WrongFingerprint = true })
	c, err := p.Dial(within(t), "1000")
	if err != nil {
		t.Fatal(err)
	}
	n.eventually("the handshake is refused", func() bool { return n.value("centrala_media_dtls_handshakes_total", "fingerprint") == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := c.Connected(ctx); err == nil || c.Packets() != 0 {
		t.Errorf("%v, %d packets", err, c.Packets())
	}
}

// TestBrowserWithoutAPort: a node without media.webrtc refuses a browser's offer
// with 488 instead of answering what nobody hears.
func TestBrowserWithoutAPort(t *testing.T) {
	t.Parallel()
	n := prepare(t)
	n.make(func(c *config.Config) {
		c.SIP.Listeners = append(c.SIP.Listeners, config.Listener{Transport: "ws", Address: "127.0.0.1:0", WebSocket: config.WebSocket{Path: "/sip"}})
	})
	n.start()
	p := n.page(anna, 700, nil, nil)
	if _, err := p.Dial(within(t), "1000"); err == nil || !strings.Contains(err.Error(), "488") {
		t.Errorf("%v", err)
	}
}

// TestBrowserTransfers: a call goes from a page to a phone and back, and then three
// are in a conference, the page among them.
func TestBrowserTransfers(t *testing.T) {
	o := newWebOffice(t)
	o.carol = o.desk(carol, carolTone)
	a := o.call(o.anna, "201")
	b := o.webRings()
	o.isUp(a, o.anna)
	o.webHears(b, annaTone)
	o.hears(a, bobTone)
	o.command(a, "transfer", "202")
	c := o.answers(o.carol)
	o.talk(a, o.anna, c, o.carol)
	select {
	case <-b.Gone():
	case <-time.After(patience):
		t.Fatal("the page is still in the call")
	}
	o.command(a, "transfer", "201")
	b = o.webRings()
	o.over(c)
	o.webHears(b, annaTone)
	o.hears(a, bobTone)
	o.command(a, "conference", "202")
	c = o.answers(o.carol)
	o.hears(a, bobTone, carolTone)
	o.hears(c, annaTone, bobTone)
	o.webHears(b, annaTone)
	o.webHears(b, carolTone)
	hangUp(a)
	hangUp(c)
	if err := b.Hangup(within(t)); err != nil {
		t.Log(err) // the call may have ended it before
	}
}
