package sip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/centrala/centrala/pkg/sip/digest"
)

// webStack is a stack with a ws and a wss listener.
func webStack(t *testing.T, p *pki, h *house, opts ...testOption) *Stack {
	t.Helper()
	cert, key, _ := p.leaf("web", &x509.Certificate{DNSNames: []string{"web.example.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return newStack(t, nil, "127.0.0.1", h, append([]testOption{func(c *Config, _ *Deps) {
		origins := []string{"https://console.example.test", "*.trusted.test"}
		c.Listeners = append(c.Listeners, Listener{Transport: "ws", Addr: netip.MustParseAddrPort("127.0.0.1:0"), WebSocket: WebSocket{Origins: origins}},
			Listener{Transport: "wss", Addr: netip.MustParseAddrPort("127.0.0.1:0"), TLS: TLS{CertFile: cert, KeyFile: key}, WebSocket: WebSocket{Path: "/ws/sip"}})
	}}, opts...)...)
}

// browser is a WebSocket client.
type browser struct {
	t  *testing.T
	ws *websocket.Conn
}

func browse(t *testing.T, url string, o *websocket.DialOptions) (*browser, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if o == nil {
		o = &websocket.DialOptions{Subprotocols: []string{"sip"}}
	}
	ws, res, err := websocket.Dial(ctx, url, o)
	if err != nil {
		if res == nil {
			t.Fatalf("%s: %v", url, err)
		}
		return nil, res.StatusCode
	}
	return &browser{t, ws}, 101
}

func (b *browser) send(typ websocket.MessageType, m string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := b.ws.Write(ctx, typ, []byte(m)); err != nil {
		b.t.Fatal(err)
	}
}

// read is the next frame; "" and the close status at the end.
func (b *browser) read() (string, websocket.StatusCode) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, m, err := b.ws.Read(ctx)
	if err != nil {
		return "", websocket.CloseStatus(err)
	}
	return string(m), -1
}

// final reads up to a final response.
func (b *browser) final() string {
	for {
		m, _ := b.read()
		if !strings.HasPrefix(m, "SIP/2.0 1") {
			return m
		}
	}
}

// overWS is a browser's request: no Content-Length is needed (RFC 7118 5), the
// Via and the Contact name no host that exists.
func overWS(m string) string {
	m = strings.Replace(m, "SIP/2.0/UDP "+peerAddr, "SIP/2.0/WS df7jal23ls0d.invalid", 1)
	return strings.Replace(m, "Contact: <sip:user1@"+peerAddr+">", "Contact: <sip:user1@df7jal23ls0d.invalid;transport=ws>", 1)
}

func TestWebSocket(t *testing.T) {
	p := newPKI(t)
	s := webStack(t, p, &house{})
	defer stop(t, s)
	plain := "ws://" + s.LocalAddr("ws").String() + "/sip"
	secured := "wss://" + s.LocalAddr("wss").String() + "/ws/sip"
	trust := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.pool()}}}
	defer trust.CloseIdleConnections()

	b, _ := browse(t, plain, nil)
	defer b.ws.CloseNow()
	for _, typ := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		m := strings.Replace(overWS(text("OPTIONS", "a"+typ.String(), "", 1)), "Content-Length: 0\r\n", "", 1)
		b.send(typ, m)
		got := b.final()
		if code(got) != "200" || !strings.Contains(header(got, "Via"), "SIP/2.0/WS df7jal23ls0d.invalid") || !strings.Contains(header(got, "Via"), "received=127.0.0.1") {
			t.Errorf("%v: %q", typ, got)
		}
	}
	// A frame is a message: two in one frame are one, and a CRLF is nothing.
	b.send(websocket.MessageText, "\r\n\r\n")
	b.send(websocket.MessageText, overWS(text("OPTIONS", "one", "", 1))+overWS(text("OPTIONS", "two", "", 2)))
	b.send(websocket.MessageText, overWS(text("OPTIONS", "three", "", 3)))
	for _, branch := range []string{"one", "three"} {
		if got := b.final(); !strings.Contains(header(got, "Via"), "z9hG4bK"+branch) {
			t.Errorf("want the answer to %s, got %q", branch, got)
		}
	}
	w, _ := browse(t, secured, &websocket.DialOptions{Subprotocols: []string{"sip"}, HTTPClient: trust})
	defer w.ws.CloseNow()
	w.send(websocket.MessageText, strings.Replace(overWS(text("OPTIONS", "s", "", 1)), "SIP/2.0/WS", "SIP/2.0/WSS", 1))
	if got := w.final(); code(got) != "200" {
		t.Errorf("by WSS: %q", got)
	}

	for name, tc := range map[string]struct {
		url   string
		proto string
		orig  string
		want  int
	}{
		"another page":         {plain, "sip", "https://evil.example", 403},
		"null":                 {plain, "sip", "null", 403},
		"like ours":            {plain, "sip", "https://console.example.test.evil.example", 403},
		"ours, by http":        {plain, "sip", "http://console.example.test", 403},
		"ours":                 {plain, "sip", "https://console.example.test", 101},
		"a trusted host":       {plain, "sip", "https://a.trusted.test", 101},
		"the very host":        {plain, "sip", "http://" + s.LocalAddr("ws").String(), 101},
		"another path":         {strings.TrimSuffix(plain, "sip"), "sip", "", 404},
		"a path below":         {plain + "/x", "sip", "", 404},
		"no subprotocol":       {plain, "", "", 400},
		"another subprotocol":  {plain, "mqtt", "", 400},
		"sip is not the first": {plain, "msrp, sip", "", 101},
	} {
		o := &websocket.DialOptions{HTTPHeader: http.Header{}}
		if tc.proto != "" {
			o.Subprotocols = strings.Split(tc.proto, ", ")
		}
		if tc.orig != "" {
			o.HTTPHeader.Set("Origin", tc.orig)
		}
		c, got := browse(t, tc.url, o)
		if c != nil {
			if p := c.ws.Subprotocol(); p != "sip" {
				t.Errorf("%s: subprotocol %q", name, p)
			}
			c.ws.CloseNow()
		}
		if got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

// A frame larger than a message may be ends the connection and costs no memory
// of its size; so does what is no SIP.
func TestWebSocketLimits(t *testing.T) {
	s := webStack(t, newPKI(t), &house{}, func(c *Config, _ *Deps) { c.Limits.FirstMessageTimeout = 300 * time.Millisecond })
	defer stop(t, s)
	url := "ws://" + s.LocalAddr("ws").String() + "/sip"
	big, _ := browse(t, url, nil)
	defer big.ws.CloseNow()
	go func() {
		_ = big.ws.Write(context.Background(), websocket.MessageText, []byte(strings.Repeat("x", 10<<20)))
	}()
	// The status is lost where the kernel resets: we close with the rest unread.
	if m, status := big.read(); m != "" || status != websocket.StatusMessageTooBig && status != -1 {
		t.Errorf("10 MB: %q, status %v", m, status)
	}
	noise, _ := browse(t, url, nil)
	defer noise.ws.CloseNow()
	noise.send(websocket.MessageBinary, "\x00\x01\x02 is no SIP at all, and long enough to be looked at")
	start := time.Now()
	if m, status := noise.read(); m != "" || status != -1 || time.Since(start) > 5*time.Second {
		t.Errorf("noise: %q, %v", m, status)
	}
	// Silence: before the handshake, and after it.
	start = time.Now()
	slow, err := net.Dial("tcp", s.LocalAddr("ws").String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_, _ = io.WriteString(slow, "GET /sip HTTP/1.1\r\nHost: x\r\n")
	idle, _ := browse(t, url, nil) // is served while the other dawdles
	defer idle.ws.CloseNow()
	if took := time.Since(start); took > 250*time.Millisecond {
		t.Errorf("a slow handshake held another up for %v", took)
	}
	if m, _ := idle.read(); m != "" {
		t.Errorf("a silent browser: %q", m)
	}
	_ = slow.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("a slow handshake: %v", err)
	}
	waitFor(t, "no connection left", func() bool {
		s.connMu.Lock()
		defer s.connMu.Unlock()
		return len(s.conns) == 0 && len(s.perIP) == 0 && len(s.byRemote) == 0
	})
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("want %s", what)
		}
	}
}

// Connections are counted before a byte is read.
func TestWebSocketConnectionLimit(t *testing.T) {
	s := webStack(t, newPKI(t), &house{}, func(c *Config, _ *Deps) { c.Limits.MaxConnectionsPerIP = 2 })
	defer stop(t, s)
	for range 2 {
		c, err := net.Dial("tcp", s.LocalAddr("wss").String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	waitFor(t, "two connections", func() bool { s.connMu.Lock(); defer s.connMu.Unlock(); return len(s.conns) == 2 })
	c, err := net.Dial("tcp", s.LocalAddr("ws").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || err.(interface{ Error() string }).Error() == "i/o timeout" {
		t.Errorf("the third: %v", err)
	}
}

// registerWS registers user1 on a WebSocket and returns the 200.
func (b *browser) register(branch string, cseq int, contact string, extra ...string) string {
	b.t.Helper()
	m := overWS(register("user1", branch, cseq, extra...))
	if contact != "" {
		m = strings.Replace(m, "Contact: <sip:user1@df7jal23ls0d.invalid;transport=ws>", "Contact: "+contact, 1)
	}
	b.send(websocket.MessageText, m)
	ch := b.final()
	if code(ch) != "401" {
		b.t.Fatalf("no challenge: %q", ch)
	}
	m = strings.Replace(m, "branch=z9hG4bK"+branch, "branch=z9hG4bK"+branch+"x", 1)
	m = strings.Replace(m, fmt.Sprintf("CSeq: %d ", cseq), fmt.Sprintf("CSeq: %d ", cseq+1), 1)
	m = strings.Replace(m, "Content-Length:", credentials(b.t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1)+"\r\nContent-Length:", 1)
	b.send(websocket.MessageText, m)
	return b.final()
}

// answer answers the request m and adds a tag of ours.
func answerTo(m, status string, extra ...string) string {
	out := "SIP/2.0 " + status + "\r\n"
	for line := range strings.SplitSeq(m, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Via", "From", "Call-ID", "CSeq":
			out += line + "\r\n"
		case "To":
			out += line + ";tag=browser\r\n"
		}
	}
	for _, e := range extra {
		out += e + "\r\n"
	}
	if strings.Contains(m, "INVITE") && strings.HasPrefix(status, "200") {
		return out + "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
	}
	return out + "Content-Length: 0\r\n\r\n"
}

// A call to a browser goes by the WebSocket it registered on; when that is gone,
// so is the binding.
func TestBrowserFlow(t *testing.T) {
	h := &house{}
	s := webStack(t, newPKI(t), h)
	defer stop(t, s)
	url := "ws://" + s.LocalAddr("ws").String() + "/sip"
	first, _ := browse(t, url, nil)
	defer first.ws.CloseNow()
	if ok := first.register("a", 1, ""); code(ok) != "200" || header(ok, "Require") != "" {
		t.Fatalf("register: %q", ok)
	}
	second, _ := browse(t, url, nil)
	defer second.ws.CloseNow()
	targets := s.Contacts("default", "user1")
	if len(targets) != 1 || targets[0].Transport != "ws" || targets[0].Conn == 0 {
		t.Fatalf("targets %+v", targets)
	}
	ev := newEvents()
	d, err := s.Dial(DialRequest{Target: targets[0], SDP: []byte("v=0\r\n")}, ev.sink)
	if err != nil {
		t.Fatal(err)
	}
	inv, _ := first.read()
	if !strings.HasPrefix(inv, "INVITE sip:user1@df7jal23ls0d.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/WS 127.0.0.1:") ||
		!strings.Contains(header(inv, "Contact"), ";transport=ws") {
		t.Errorf("%q", inv)
	}
	first.send(websocket.MessageText, answerTo(inv, "200 OK", "Contact: <sip:user1@df7jal23ls0d.invalid;transport=ws>"))
	next[Answered](t, ev)
	if ack, _ := first.read(); !strings.HasPrefix(ack, "ACK ") {
		t.Errorf("want the ACK, got %q", ack)
	}
	d.End("done")
	bye, _ := first.read()
	if !strings.HasPrefix(bye, "BYE sip:user1@df7jal23ls0d.invalid") {
		t.Errorf("want the BYE, got %q", bye)
	}
	first.send(websocket.MessageText, answerTo(bye, "200 OK"))
	next[Ended](t, ev)

	first.ws.CloseNow()
	waitFor(t, "the binding gone", func() bool { return len(s.Contacts("default", "user1")) == 0 })
	// Who still holds the target is told that the flow has failed.
	if _, err := s.Dial(DialRequest{Target: targets[0], SDP: []byte("v=0\r\n")}, ev.sink); err != nil {
		t.Fatal(err)
	}
	if f := next[Failed](t, ev); f.Code != 430 {
		t.Errorf("%+v", f)
	}
	next[Ended](t, ev)
	waitFor(t, "presence", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return strings.Join(h.up, " ") == "+user1 -user1" })
}

// RFC 5626: the flows of one phone are one target, the newest first; a new
// registration of the same flow takes the place of a dead one; a call takes the
// next flow when one is gone.
func TestOutboundFlows(t *testing.T) {
	s := webStack(t, newPKI(t), &house{})
	defer stop(t, s)
	url := "ws://" + s.LocalAddr("ws").String() + "/sip"
	contact := func(reg int) string {
		return fmt.Sprintf(`<sip:user1@df7jal23ls0d.invalid;transport=ws;ob>;reg-id=%d;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"`, reg)
	}
	open := func() *browser { b, _ := browse(t, url, nil); return b }
	a, b, c := open(), open(), open()
	defer a.ws.CloseNow()
	defer b.ws.CloseNow()
	defer c.ws.CloseNow()
	if ok := a.register("a", 1, contact(1), "Supported: path, outbound"); code(ok) != "200" || header(ok, "Require") != "outbound" || header(ok, "Flow-Timer") != "" {
		t.Fatalf("first flow: %q", ok) // no Flow-Timer: a WebSocket has pings of its own
	}
	if ok := b.register("b", 11, contact(2), "Supported: outbound"); code(ok) != "200" {
		t.Fatalf("second flow: %q", ok)
	}
	ts := s.Contacts("default", "user1")
	if len(ts) != 1 || len(ts[0].Backup) != 1 || ts[0].Conn == ts[0].Backup[0].Conn {
		t.Fatalf("targets %+v", ts)
	}
	// The first flow comes back by another connection, while the old one still
	// seems alive.
	if ok := c.register("c", 21, contact(1), "Supported: outbound"); code(ok) != "200" || strings.Count(ok, "Contact:") != 2 {
		t.Fatalf("flow again: %q", ok)
	}
	old := ts[0].Backup[0].Conn
	ts = s.Contacts("default", "user1")
	if len(ts) != 1 || len(ts[0].Backup) != 1 || ts[0].Conn == old || ts[0].Backup[0].Conn == old {
		t.Fatalf("the dead flow is still there: %+v", ts)
	}
	// The end of the old connection takes nothing of the new one's along. (Its
	// browser comes back for the refusals below.)
	a.ws.CloseNow()
	waitFor(t, "the old connection gone", func() bool { return s.connByID(old) == nil })
	if now := s.Contacts("default", "user1"); len(now) != 1 || len(now[0].Backup) != 1 {
		t.Fatalf("after the old connection's end: %+v", now)
	}
	a = open()
	defer a.ws.CloseNow()
	// Two flows in one REGISTER are refused.
	if bad := a.register("d", 31, contact(1)+", "+contact(2), "Supported: outbound"); code(bad) != "400" {
		t.Errorf("two flows at once: %q", bad)
	}
	if bad := a.register("e", 41, contact(3), "Supported: outbound", "Path: <sip:edge.example;lr>"); code(bad) != "439" {
		t.Errorf("an edge without ob: %q", bad)
	}
	// The newest flow dies; the call goes by the other.
	c.ws.CloseNow()
	waitFor(t, "one flow", func() bool {
		now := s.Contacts("default", "user1")
		return len(now) == 1 && len(now[0].Backup) == 0
	})
	ev := newEvents()
	d, err := s.Dial(DialRequest{Target: ts[0], SDP: []byte("v=0\r\n")}, ev.sink) // as it was looked up before
	if err != nil {
		t.Fatal(err)
	}
	inv, _ := b.read()
	if !strings.HasPrefix(inv, "INVITE ") {
		t.Errorf("%q", inv)
	}
	b.send(websocket.MessageText, answerTo(inv, "486 Busy Here"))
	if f := next[Failed](t, ev); f.Code != 486 {
		t.Errorf("%+v", f)
	}
	next[Ended](t, ev)
	_ = d
	if ack, _ := b.read(); !strings.HasPrefix(ack, "ACK ") {
		t.Errorf("%q", ack)
	}
}

// A browser whose machine is asleep answers no ping: its flow is given up.
func TestWebSocketPing(t *testing.T) {
	s := webStack(t, newPKI(t), &house{}, func(c *Config, _ *Deps) { c.Keepalive.WebSocketPing = 50 * time.Millisecond })
	defer stop(t, s)
	url := "ws://" + s.LocalAddr("ws").String() + "/sip"
	asleep, _ := browse(t, url, nil) // reads nothing, so its library answers no ping
	defer asleep.ws.CloseNow()
	awake, _ := browse(t, url, nil)
	defer awake.ws.CloseNow()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2 {
			if m, _ := awake.read(); code(m) != "200" {
				t.Errorf("%q", m)
			}
		}
	}()
	awake.send(websocket.MessageText, overWS(text("OPTIONS", "a", "", 1)))
	waitFor(t, "one connection", func() bool { s.connMu.Lock(); defer s.connMu.Unlock(); return len(s.conns) == 1 })
	awake.send(websocket.MessageText, overWS(text("OPTIONS", "b", "", 2)))
	<-done
}
