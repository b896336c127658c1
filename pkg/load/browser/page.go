// Package browser is an operator's page as the server sees it, for tests and load:
// a SIP phone over a WebSocket (RFC 7118) with sound by WebRTC. Its media is
// pion/webrtc, a full ICE agent and a DTLS client of another maker; it shares no
// code with the server that it judges.
//
// A Page has one goroutine that reads its socket; a Call one that speaks and one
// that listens. They end with Close.
package browser

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"github.com/centrala/centrala/pkg/load/robot"
)

// Config is who the page belongs to.
type Config struct {
	// URL of the WebSocket: "wss://host:port/sip".
	URL            string
	User, Password string
	// Client opens the connection; nil = http.DefaultClient. It carries the TLS
	// settings of tests.
	Client *http.Client
	// Header of the upgrade: a console's page brings its Origin and cookie.
	Header http.Header
	// Tone is what the page says, in Hz; 0 = 700.
	Tone int
	// Incoming takes calls; nil = they are refused with 480. It must not block.
	Incoming func(*Call)
	// Wrong fingerprint in SDP, for tests of who sits between.
	WrongFingerprint bool
	// TCP: no UDP gets out of here.
	TCP bool
}

// Page is one tab.
type Page struct {
	cfg  Config
	host string // of its Contact: made once for the life of the page

	mu     sync.Mutex
	c      *websocket.Conn
	wait   map[string]chan *robot.Message // responses, by branch
	calls  map[string]*Call               // by Call-ID
	done   chan struct{}
	closed bool
}

// ErrRefused is wrapped with the status by what the server did not accept.
var ErrRefused = errors.New("browser: refused")

func token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// Open connects and registers.
func Open(ctx context.Context, cfg Config) (*Page, error) {
	if cfg.Tone == 0 {
		cfg.Tone = 700
	}
	p := &Page{cfg: cfg, host: token(6) + ".invalid", wait: map[string]chan *robot.Message{}, calls: map[string]*Call{}}
	return p, p.connect(ctx)
}

// connect opens a socket, the first or one after Drop, and registers over it.
func (p *Page) connect(ctx context.Context) error {
	c, _, err := websocket.Dial(ctx, p.cfg.URL, &websocket.DialOptions{Subprotocols: []string{"sip"}, HTTPClient: p.cfg.Client, HTTPHeader: p.cfg.Header})
	if err != nil {
		return err
	}
	c.SetReadLimit(1 << 17)
	p.mu.Lock()
	p.c, p.done = c, make(chan struct{})
	done := p.done
	p.mu.Unlock()
	go p.read(c, done)
	return p.register(ctx, 600)
}

// Reconnect opens a new socket after Drop: same page, same Contact.
func (p *Page) Reconnect(ctx context.Context) error { return p.connect(ctx) }

// Drop loses the socket without a word; calls and their sound go on.
func (p *Page) Drop() {
	p.mu.Lock()
	c, done := p.c, p.done
	p.mu.Unlock()
	_ = c.CloseNow()
	<-done
}

// Close ends all calls without a word and the socket.
func (p *Page) Close() {
	p.mu.Lock()
	p.closed = true
	var calls []*Call
	for _, c := range p.calls {
		calls = append(calls, c)
	}
	p.mu.Unlock()
	for _, c := range calls {
		c.end()
	}
	p.Drop()
}

func (p *Page) contact() string {
	return fmt.Sprintf("<sip:%s@%s;transport=ws>", p.cfg.User, p.host)
}

func (p *Page) send(ctx context.Context, lines []string, body string) error {
	m := strings.Join(lines, "\r\n")
	if body != "" {
		m += "\r\nContent-Type: application/sdp"
	}
	m += fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	p.mu.Lock()
	c := p.c
	p.mu.Unlock()
	return c.Write(ctx, websocket.MessageText, []byte(m))
}

var param = regexp.MustCompile(`(\w+)="?([^",]+)"?`)

// authorize answers a challenge by MD5 (RFC 7616, for RFC 2617 phones).
func (p *Page) authorize(m *robot.Message, method, uri string) string {
	v, name := "", "Authorization"
	for _, h := range m.All("www-authenticate") {
		if v == "" || strings.Contains(h, "MD5") {
			v = h
		}
	}
	for _, h := range m.All("proxy-authenticate") {
		if v == "" || strings.Contains(h, "MD5") {
			v, name = h, "Proxy-Authorization"
		}
	}
	f := map[string]string{}
	for _, x := range param.FindAllStringSubmatch(v, -1) {
		f[strings.ToLower(x[1])] = x[2]
	}
	h := func(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }
	cnonce := token(8)
	response := h(h(p.cfg.User+":"+f["realm"]+":"+p.cfg.Password) + ":" + f["nonce"] + ":00000001:" + cnonce + ":auth:" + h(method+":"+uri))
	return fmt.Sprintf(`%s: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, qop=auth, nc=00000001, cnonce="%s"%s`,
		name, p.cfg.User, f["realm"], f["nonce"], uri, response, cnonce, opaque(f["opaque"]))
}

func opaque(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf(`, opaque="%s"`, s)
}

// request sends what build makes and waits for its final response; a challenge is
// answered once.
func (p *Page) request(ctx context.Context, method, uri string, build func(seq int, branch, auth string) ([]string, string), on func(*robot.Message)) (*robot.Message, string, error) {
	auth := ""
	for seq := 1; ; seq++ {
		branch := "z9hG4bK" + token(8)
		ch := make(chan *robot.Message, 16)
		p.mu.Lock()
		p.wait[branch] = ch
		done := p.done
		p.mu.Unlock()
		lines, body := build(seq, branch, auth)
		if err := p.send(ctx, lines, body); err != nil {
			return nil, branch, err
		}
		for {
			var m *robot.Message
			select {
			case m = <-ch:
			case <-done:
				return nil, branch, errors.New("browser: socket closed")
			case <-ctx.Done():
				return nil, branch, fmt.Errorf("browser: %s: %w", method, ctx.Err())
			}
			if m.Status < 200 {
				if on != nil {
					on(m)
				}
				continue
			}
			p.mu.Lock()
			delete(p.wait, branch)
			p.mu.Unlock()
			if (m.Status == 401 || m.Status == 407) && auth == "" {
				if method == "INVITE" {
					p.ackRefused(ctx, m, uri, branch)
				}
				auth = p.authorize(m, method, uri)
				break
			}
			return m, branch, nil
		}
	}
}

func (p *Page) via(branch string) string {
	transport := "WS"
	if strings.HasPrefix(p.cfg.URL, "wss:") {
		transport = "WSS"
	}
	return fmt.Sprintf("Via: SIP/2.0/%s %s;branch=%s;rport", transport, p.host, branch)
}

func (p *Page) register(ctx context.Context, expires int) error {
	id, tag := token(8), token(4)
	m, _, err := p.request(ctx, "REGISTER", "sip:centrala.test", func(seq int, branch, auth string) ([]string, string) {
		l := []string{"REGISTER sip:centrala.test SIP/2.0", p.via(branch), "Max-Forwards: 70",
			fmt.Sprintf("From: <sip:%s@centrala.test>;tag=%s", p.cfg.User, tag), fmt.Sprintf("To: <sip:%s@centrala.test>", p.cfg.User),
			"Call-ID: " + id, fmt.Sprintf("CSeq: %d REGISTER", seq), "Contact: " + p.contact() + fmt.Sprintf(";expires=%d", expires)}
		if auth != "" {
			l = append(l, auth)
		}
		return l, ""
	}, nil)
	if err != nil {
		return err
	}
	if m.Status != 200 {
		return fmt.Errorf("%w: REGISTER: %d", ErrRefused, m.Status)
	}
	return nil
}

// read is the socket's goroutine.
func (p *Page) read(c *websocket.Conn, done chan struct{}) {
	defer close(done)
	for {
		_, b, err := c.Read(context.Background())
		if err != nil {
			return
		}
		m, err := robot.Parse(b)
		if err != nil {
			continue
		}
		if m.Status != 0 {
			branch := between(m.Get("via"), "branch=")
			p.mu.Lock()
			ch := p.wait[branch]
			call := p.calls[m.Get("call-id")]
			p.mu.Unlock()
			switch {
			case ch != nil:
				select {
				case ch <- m:
				default:
				}
			case call != nil && m.Status == 200 && strings.Contains(m.Get("cseq"), "INVITE"):
				call.ack() // repeated
			}
			continue
		}
		p.handle(m)
	}
}

func between(s, after string) string {
	_, s, _ = strings.Cut(s, after)
	if i := strings.IndexAny(s, ";,> "); i >= 0 {
		s = s[:i]
	}
	return s
}

// respond answers a request; tag is ours.
func (p *Page) respond(m *robot.Message, code int, reason, tag, body string, more ...string) {
	l := []string{fmt.Sprintf("SIP/2.0 %d %s", code, reason)}
	for _, v := range m.All("via") {
		l = append(l, "Via: "+v)
	}
	for _, v := range m.All("record-route") {
		l = append(l, "Record-Route: "+v)
	}
	to := m.Get("to")
	if tag != "" && !strings.Contains(to, "tag=") {
		to += ";tag=" + tag
	}
	l = append(l, "From: "+m.Get("from"), "To: "+to, "Call-ID: "+m.Get("call-id"), "CSeq: "+m.Get("cseq"), "Contact: "+p.contact())
	_ = p.send(context.Background(), append(l, more...), body)
}

func (p *Page) handle(m *robot.Message) {
	p.mu.Lock()
	call := p.calls[m.Get("call-id")]
	p.mu.Unlock()
	switch m.Method {
	case "INVITE":
		if call != nil {
			go call.reoffered(m)
			return
		}
		if p.cfg.Incoming == nil {
			p.respond(m, 480, "Temporarily Unavailable", token(4), "")
			return
		}
		call = &Call{p: p, id: m.Get("call-id"), invite: m, tag: token(4), gone: make(chan struct{})}
		p.mu.Lock()
		p.calls[call.id] = call
		p.mu.Unlock()
		p.respond(m, 180, "Ringing", call.tag, "")
		p.cfg.Incoming(call)
	case "ACK":
	case "BYE", "CANCEL":
		p.respond(m, 200, "OK", token(4), "")
		if call != nil {
			if m.Method == "CANCEL" && call.invite != nil {
				p.respond(call.invite, 487, "Request Terminated", call.tag, "")
			}
			call.end()
		}
	default:
		p.respond(m, 200, "OK", token(4), "")
	}
}
