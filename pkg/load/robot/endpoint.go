package robot

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Timers of RFC 3261 17.1.1.1, table 4.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
	// lingerFor is how long an ended call still answers retransmissions.
	lingerFor = 5 * time.Second
)

// ErrTimeout: no final answer within 64*T1 (RFC 3261 timers B and F).
var ErrTimeout = errors.New("robot: no answer within 32s")

// Account is who the robot says it is. Password "" answers no challenge.
type Account struct {
	User     string
	Password string
	Domain   string // host part of From; "" = the server's address
	Display  string
	// Algorithm forces a digest; Any takes the strongest offered.
	Algorithm Algorithm
}

// Config of an Endpoint.
type Config struct {
	Transport string         // "udp" (default) or "tcp": one connection to the server
	Bind      netip.AddrPort // port 0 = any; default 127.0.0.1:0
	Server    netip.AddrPort
	Media     *Media // nil: signalling alone, SDP names the discard port
	UserAgent string
	Laws      []Law // offered, and accepted, in this order; default PCMU, PCMA
	// Incoming is told of each new INVITE; on the reader, must not block.
	// nil refuses with 486.
	Incoming func(c *Call)
	// Trace sees every message; for diagnosis.
	Trace func(out bool, b []byte)
}

// Endpoint is one SIP socket with all its calls. Safe for concurrent use.
type Endpoint struct {
	cfg    Config
	addr   netip.AddrPort
	udp    *net.UDPConn
	tcp    net.Conn
	wmu    sync.Mutex // whole messages on a TCP connection
	tag    string     // random per endpoint: tags, branches and Call-IDs start with it
	serial atomic.Uint64

	mu      sync.Mutex
	watches map[string]func([]byte) // bodies of NOTIFYs by the Call-ID of a SUBSCRIBE
	calls   map[string]*Call
	txs     map[string]*tx
	linger  []lingering
	closed  bool
	done    chan struct{}
	running sync.WaitGroup

	resent, bad atomic.Uint64
}

type lingering struct {
	id    string
	until time.Time
}

// tx is a client transaction: sent again until answered.
type tx struct {
	msg      []byte
	to       netip.AddrPort
	invite   bool
	interval time.Duration
	deadline time.Time
	timer    *time.Timer
	stopped  bool
	on       func(*Message) // nil message: timed out
}

// Listen opens the socket and starts the reader.
func Listen(cfg Config) (*Endpoint, error) {
	if cfg.Transport == "" {
		cfg.Transport = "udp"
	}
	if !cfg.Bind.IsValid() {
		cfg.Bind = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "centrala-robot"
	}
	if len(cfg.Laws) == 0 {
		cfg.Laws = []Law{PCMU, PCMA}
	}
	var raw [5]byte
	_, _ = rand.Read(raw[:])
	e := &Endpoint{cfg: cfg, tag: hex.EncodeToString(raw[:]), calls: map[string]*Call{}, txs: map[string]*tx{}, done: make(chan struct{})}
	switch cfg.Transport {
	case "udp":
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(cfg.Bind))
		if err != nil {
			return nil, fmt.Errorf("robot: %w", err)
		}
		_ = c.SetReadBuffer(8 << 20)
		e.udp, e.addr = c, c.LocalAddr().(*net.UDPAddr).AddrPort()
		e.running.Add(1)
		go e.readUDP()
	case "tcp":
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(cfg.Bind)}
		c, err := d.Dial("tcp", cfg.Server.String())
		if err != nil {
			return nil, fmt.Errorf("robot: %w", err)
		}
		e.tcp, e.addr = c, c.LocalAddr().(*net.TCPAddr).AddrPort()
		e.running.Add(1)
		go e.readTCP()
	default:
		return nil, fmt.Errorf("robot: unknown transport %q; want udp or tcp", cfg.Transport)
	}
	e.running.Add(1)
	go e.sweep()
	return e, nil
}

// Addr is the bound address.
func (e *Endpoint) Addr() netip.AddrPort { return e.addr }

// Resent counts requests and answers sent again; Bad messages that did not parse.
func (e *Endpoint) Resent() uint64 { return e.resent.Load() }

// Bad counts received messages that were no SIP.
func (e *Endpoint) Bad() uint64 { return e.bad.Load() }

// Close ends the endpoint without farewells; hang up first. Waits for its goroutines.
func (e *Endpoint) Close() {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.closed = true
	close(e.done)
	for _, t := range e.txs {
		t.stopped = true
		t.timer.Stop()
	}
	calls := make([]*Call, 0, len(e.calls))
	for _, c := range e.calls {
		calls = append(calls, c)
	}
	e.mu.Unlock()
	for _, c := range calls {
		c.drop()
	}
	if e.udp != nil {
		_ = e.udp.Close()
	} else {
		_ = e.tcp.Close()
	}
	e.running.Wait()
}

func (e *Endpoint) readUDP() {
	defer e.running.Done()
	buf := make([]byte, maxMessage)
	for {
		n, from, err := e.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // ICMP port unreachable of an earlier send
		}
		if n <= 4 {
			continue // keep-alive
		}
		e.handle(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

// readTCP frames by Content-Length (RFC 3261 18.3).
func (e *Endpoint) readTCP() {
	defer e.running.Done()
	r := bufio.NewReaderSize(e.tcp, 16<<10)
	for {
		var head bytes.Buffer
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil || head.Len()+len(line) > maxMessage {
				return
			}
			if head.Len() == 0 && len(bytes.TrimSpace(line)) == 0 {
				continue // keep-alive CRLF between messages, RFC 5626 4.4.1
			}
			head.Write(line)
			if len(bytes.TrimSpace(line)) == 0 {
				break
			}
			name, value, ok := bytes.Cut(line, []byte(":"))
			if ok && canonical(string(bytes.TrimSpace(name))) == "content-length" {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		if length < 0 || length > maxMessage {
			return
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		e.handle(append(head.Bytes(), body...), e.cfg.Server)
	}
}

// write sends one message. Over TCP to is ignored: there is one connection.
func (e *Endpoint) write(b []byte, to netip.AddrPort) {
	if e.cfg.Trace != nil {
		e.cfg.Trace(true, b)
	}
	if e.udp != nil {
		_, _ = e.udp.WriteToUDPAddrPort(b, to)
		return
	}
	e.wmu.Lock()
	defer e.wmu.Unlock()
	_ = e.tcp.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, _ = e.tcp.Write(b)
}

func (e *Endpoint) handle(b []byte, from netip.AddrPort) {
	if e.cfg.Trace != nil {
		e.cfg.Trace(false, b)
	}
	m, err := Parse(b)
	if err != nil {
		e.bad.Add(1)
		return
	}
	id := m.Get("call-id")
	e.mu.Lock()
	c := e.calls[id]
	if e.closed {
		e.mu.Unlock()
		return
	}
	if m.Status != 0 {
		branch := param(m.Get("via"), "branch")
		if strings.HasSuffix(m.Get("cseq"), "CANCEL") {
			branch = "cancel " + branch // shares the INVITE's branch, 9.1
		}
		t := e.txs[branch]
		if t != nil {
			if m.Status >= 200 {
				e.stopTx(t, branch)
			} else if t.invite {
				t.stopped = true // a provisional answer ends retransmission, RFC 3261 17.1.1.2
				t.timer.Stop()
			}
		}
		e.mu.Unlock()
		switch {
		case t != nil:
			t.on(m)
		case c != nil:
			c.strayResponse(m)
		}
		return
	}
	if heard := e.watches[id]; heard != nil && m.Method == "NOTIFY" {
		e.mu.Unlock()
		e.respond(m, from, 200, "OK", "", nil, "")
		heard(m.Body)
		return
	}
	if c == nil && m.Method == "INVITE" && param(m.Get("to"), "tag") == "" && e.cfg.Incoming != nil {
		c = e.newCall(id, false)
		e.calls[id] = c
		e.mu.Unlock()
		c.incoming(m, from)
		return
	}
	e.mu.Unlock()
	switch {
	case c != nil:
		c.request(m, from)
	case m.Method == "ACK":
	case m.Method == "OPTIONS":
		e.respond(m, from, 200, "OK", "", nil, "")
	case m.Method == "INVITE" && e.cfg.Incoming == nil:
		e.respond(m, from, 486, "Busy Here", e.tag, nil, "")
	default:
		e.respond(m, from, 481, "Call/Transaction Does Not Exist", e.tag, nil, "")
	}
}

// do sends a request and repeats it until on is told the answer. The caller
// must not hold e.mu.
func (e *Endpoint) do(branch string, msg []byte, to netip.AddrPort, invite bool, on func(*Message)) {
	t := &tx{msg: msg, to: to, invite: invite, interval: t1, deadline: time.Now().Add(64 * t1), on: on}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.txs[branch] = t
	wait := t1
	if e.tcp != nil {
		wait = 64 * t1
	}
	t.timer = time.AfterFunc(wait, func() { e.again(branch, t) })
	e.mu.Unlock()
	e.write(msg, to)
}

// stopTx forgets a transaction; e.mu is held.
func (e *Endpoint) stopTx(t *tx, branch string) {
	t.stopped = true
	t.timer.Stop()
	delete(e.txs, branch)
}

func (e *Endpoint) again(branch string, t *tx) {
	e.mu.Lock()
	if t.stopped || e.closed {
		e.mu.Unlock()
		return
	}
	if e.tcp != nil || time.Now().After(t.deadline) {
		e.stopTx(t, branch)
		e.mu.Unlock()
		t.on(nil)
		return
	}
	t.interval *= 2
	if !t.invite {
		t.interval = min(t.interval, t2)
	}
	t.timer.Reset(t.interval)
	e.mu.Unlock()
	e.resent.Add(1)
	e.write(t.msg, t.to)
}

// sweep forgets calls that ended a while ago.
func (e *Endpoint) sweep() {
	defer e.running.Done()
	k := time.NewTicker(time.Second)
	defer k.Stop()
	for {
		select {
		case <-e.done:
			return
		case now := <-k.C:
			e.mu.Lock()
			n := 0
			for n < len(e.linger) && now.After(e.linger[n].until) {
				delete(e.calls, e.linger[n].id)
				n++
			}
			e.linger = append(e.linger[:0], e.linger[n:]...)
			e.mu.Unlock()
		}
	}
}

// unique makes a token that no other endpoint makes.
func (e *Endpoint) unique(prefix string) string {
	return prefix + e.tag + strconv.FormatUint(e.serial.Add(1), 36)
}

func (e *Endpoint) branch() string { return e.unique("z9hG4bK") }

// via appends the Via line of a request of ours.
func (e *Endpoint) via(b []byte, branch string) []byte {
	b = append(b, "Via: SIP/2.0/"...)
	b = append(b, strings.ToUpper(e.cfg.Transport)...)
	b = append(b, ' ')
	b = e.addr.AppendTo(b)
	b = append(b, ";branch="...)
	b = append(b, branch...)
	return append(b, ";rport\r\nMax-Forwards: 70\r\n"...)
}

// contact is our Contact header for user.
func (e *Endpoint) contact(user string) string {
	s := "<sip:" + user + "@" + e.addr.String()
	if e.tcp != nil {
		s += ";transport=tcp"
	}
	return s + ">"
}

// respond answers a request. tag "" leaves To as it came.
func (e *Endpoint) respond(m *Message, to netip.AddrPort, code int, reason, tag string, body []byte, contact string) []byte {
	b := make([]byte, 0, 512+len(body))
	b = append(b, "SIP/2.0 "...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = append(b, ' ')
	b = append(b, reason...)
	b = append(b, "\r\n"...)
	for _, v := range m.All("via") {
		b = append(b, "Via: "...)
		b = append(b, v...)
		b = append(b, "\r\n"...)
	}
	for _, v := range m.All("record-route") {
		b = append(b, "Record-Route: "...)
		b = append(b, v...)
		b = append(b, "\r\n"...)
	}
	b = header(b, "From", m.Get("from"))
	b = append(b, "To: "...)
	b = append(b, m.Get("to")...)
	if tag != "" && param(m.Get("to"), "tag") == "" {
		b = append(b, ";tag="...)
		b = append(b, tag...)
	}
	b = append(b, "\r\n"...)
	b = header(b, "Call-ID", m.Get("call-id"))
	b = header(b, "CSeq", m.Get("cseq"))
	if contact != "" {
		b = header(b, "Contact", contact)
	}
	if code == 200 {
		b = append(b, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"...)
	}
	b = finish(b, e.cfg.UserAgent, body)
	e.write(b, to)
	return b
}

func header(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// finish closes the headers and adds the body, SDP unless told otherwise before.
func finish(b []byte, agent string, body []byte) []byte {
	b = header(b, "User-Agent", agent)
	if len(body) > 0 && !bytes.Contains(b, []byte("\r\nContent-Type: ")) {
		b = append(b, "Content-Type: application/sdp\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}

// domain is the host part of a's address of record.
func (e *Endpoint) domain(a Account) string {
	if a.Domain != "" {
		return a.Domain
	}
	return e.cfg.Server.String()
}

// Register binds (expires > 0, seconds) or unbinds (0) the account with digest,
// calling done once with the final status (0 = timed out) on the reader.
func (e *Endpoint) Register(a Account, expires int, done func(code int, err error)) {
	callID := e.unique("reg") + "@robot"
	tag := e.unique("t")
	uri := "sip:" + e.domain(a)
	var send func(cseq uint32, auth string)
	send = func(cseq uint32, auth string) {
		branch := e.branch()
		b := make([]byte, 0, 768)
		b = append(b, "REGISTER "...)
		b = append(b, uri...)
		b = append(b, " SIP/2.0\r\n"...)
		b = e.via(b, branch)
		aor := "<sip:" + a.User + "@" + e.domain(a) + ">"
		b = header(b, "From", aor+";tag="+tag)
		b = header(b, "To", aor)
		b = header(b, "Call-ID", callID)
		b = header(b, "CSeq", strconv.FormatUint(uint64(cseq), 10)+" REGISTER")
		b = header(b, "Contact", e.contact(a.User))
		b = header(b, "Expires", strconv.Itoa(expires))
		b = append(b, auth...)
		b = finish(b, e.cfg.UserAgent, nil)
		e.do(branch, b, e.cfg.Server, false, func(m *Message) {
			switch {
			case m == nil:
				done(0, ErrTimeout)
			case m.Status < 200:
			case (m.Status == 401 || m.Status == 407) && auth == "" && a.Password != "":
				line, err := authorize(m, a, "REGISTER", uri)
				if err != nil {
					done(m.Status, err)
					return
				}
				send(cseq+1, line)
			case m.Status == 200:
				done(200, nil)
			default:
				done(m.Status, fmt.Errorf("robot: REGISTER of %q: %d %s", a.User, m.Status, m.Reason))
			}
		})
	}
	send(1, "")
}

// RegisterWait is Register that waits.
func (e *Endpoint) RegisterWait(ctx context.Context, a Account, expires int) error {
	ch := make(chan error, 1)
	e.Register(a, expires, func(_ int, err error) { ch <- err })
	select {
	case err := <-ch:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Options asks the server for a sign of life and returns the status.
func (e *Endpoint) Options(ctx context.Context) (int, error) {
	branch := e.branch()
	b := append([]byte(nil), "OPTIONS sip:"+e.cfg.Server.String()+" SIP/2.0\r\n"...)
	b = e.via(b, branch)
	b = header(b, "From", "<sip:robot@"+e.addr.String()+">;tag="+e.unique("t"))
	b = header(b, "To", "<sip:"+e.cfg.Server.String()+">")
	b = header(b, "Call-ID", e.unique("opt")+"@robot")
	b = header(b, "CSeq", "1 OPTIONS")
	b = finish(b, e.cfg.UserAgent, nil)
	ch := make(chan int, 1)
	e.do(branch, b, e.cfg.Server, false, func(m *Message) {
		if m == nil {
			ch <- 0
		} else if m.Status >= 200 {
			ch <- m.Status
		}
	})
	select {
	case code := <-ch:
		if code == 0 {
			return 0, ErrTimeout
		}
		return code, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// authorize makes the header line that answers a 401 or 407.
func authorize(m *Message, a Account, method, uri string) (string, error) {
	name, in := "Authorization", "www-authenticate"
	if m.Status == 407 {
		name, in = "Proxy-Authorization", "proxy-authenticate"
	}
	c, err := pick(m.All(in), a.Algorithm)
	if err != nil {
		return "", err
	}
	return name + ": " + c.answer(a.User, a.Password, method, uri, 1) + "\r\n", nil
}
