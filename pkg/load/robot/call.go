package robot

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// State of a call.
type State int

const (
	Calling State = iota // INVITE sent or received
	Ringing              // 18x sent or received
	Up                   // 200 and ACK
	Ended
)

// String names the state.
func (s State) String() string { return [...]string{"calling", "ringing", "up", "ended"}[s] }

// EventKind says what happened to a call.
type EventKind int

const (
	EvRinging   EventKind = iota // caller: 18x; Code tells which
	EvAnswered                   // caller: 200, ACK sent
	EvConfirmed                  // called: ACK received
	EvReoffer                    // the peer changed the session (re-INVITE or UPDATE) and was answered
	EvReoffered                  // our re-INVITE was answered; Code tells how
	EvInfo                       // SIP INFO received; Text is the body
	EvEnded                      // last; Code is the final status of a refused INVITE, 0 of BYE, 487 of CANCEL
)

// Event is one thing that happened to a call.
type Event struct {
	Kind EventKind
	Code int
	Text string
}

// End says who ended a call.
type End string

const (
	ByUs      End = "us"
	ByPeer    End = "peer"
	ByRefusal End = "refusal"
	ByTimeout End = "timeout"
)

// Hold is one of the four ways to put the peer on hold.
type Hold string

const (
	HoldSendOnly Hold = "sendonly"
	HoldInactive Hold = "inactive"
	HoldZero     Hold = "zero" // c=0.0.0.0, RFC 2543
	HoldLate     Hold = "late" // re-INVITE without offer; our answer in the ACK says sendonly
)

// ErrEnded: the call ended before what was waited for.
var ErrEnded = errors.New("robot: call ended")

// Options of a call out.
type Options struct {
	To   string // user part dialled
	From Account
	// NoOffer sends the INVITE without SDP; the answer goes in the ACK.
	NoOffer bool
	Headers []string // whole extra lines without CRLF
	On      func(*Call, Event)
	Tag     any // of the user; see Call.Tag
}

// Call is one dialog. Methods may be called from any goroutine, also in
// callbacks. Events come one at a time, on the endpoint's reader or on a timer.
type Call struct {
	e      *Endpoint
	id     string
	caller bool
	// Tag is the user's own; set before the first event.
	Tag any
	// Began is when the INVITE was sent or received.
	Began time.Time

	mu         sync.Mutex
	on         func(*Call, Event)
	account    Account
	noOffer    bool
	headers    []string
	state      State
	end        End
	code       int
	leg        *Leg
	sdpID      uint64
	version    uint64
	dir        Direction // ours, last offered or answered
	zero       bool
	remoteAs   Description // the peer's last description
	local      string      // From or To value of ours with tag
	remote     string
	target     string         // request-URI of requests in the dialog
	to         netip.AddrPort // where they are sent
	routes     []string
	cseq       uint32
	inviteNo   uint32 // CSeq number of the INVITE under way or last done
	invite     []byte // as sent, for CANCEL
	branch     string
	authed     bool
	ack        []byte
	request1   *Message // the INVITE received
	from       netip.AddrPort
	last       []byte // our last answer to an INVITE
	lastNo     uint32
	okTimer    *time.Timer
	okEvery    time.Duration
	okUntil    time.Time
	pending    Direction // direction our ACK to a late-offer re-INVITE will say
	reoffers   int       // answered re-INVITEs of the peer
	byeCode    int
	early      string // To of a provisional answer: the early dialog's name
	referred   []int  // answer to our REFER and its NOTIFYs
	notify     uint32 // CSeq of the newest NOTIFY
	cancel     bool   // hang up as soon as the INVITE has a provisional answer
	trying     bool   // it has one, 100 at least
	cancelSent bool
	changed    chan struct{}
}

func (e *Endpoint) newCall(id string, caller bool) *Call {
	c := &Call{e: e, id: id, caller: caller, Began: time.Now(), dir: SendRecv, cseq: 1, version: 1}
	c.sdpID = uint64(c.Began.UnixNano()) & 0x7fffffff
	return c
}

// newLeg gives the call its sound, when the endpoint has any.
func (c *Call) newLeg() error {
	if c.e.cfg.Media == nil {
		return nil
	}
	l, err := c.e.cfg.Media.NewLeg()
	if err != nil {
		return err
	}
	c.leg = l
	return nil
}

// Invite starts a call out.
func (e *Endpoint) Invite(o Options) (*Call, error) {
	c := e.newCall(e.unique("c")+"@"+e.addr.Addr().String(), true)
	c.on, c.account, c.noOffer, c.headers, c.Tag = o.On, o.From, o.NoOffer, o.Headers, o.Tag
	if err := c.newLeg(); err != nil {
		return nil, err
	}
	name := "<sip:" + o.From.User + "@" + e.domain(o.From) + ">"
	if o.From.Display != "" {
		name = `"` + o.From.Display + `" ` + name
	}
	c.local = name + ";tag=" + e.unique("f")
	c.target = "sip:" + o.To + "@" + e.cfg.Server.String()
	c.remote = "<" + c.target + ">"
	c.to = e.cfg.Server
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, errors.New("robot: endpoint closed")
	}
	e.calls[c.id] = c
	e.mu.Unlock()
	c.mu.Lock()
	c.sendInvite("")
	c.mu.Unlock()
	return c, nil
}

// Leg is the call's sound; nil for an endpoint without Media.
func (c *Call) Leg() *Leg { return c.leg }

// SIPCallID is the Call-ID header of the dialog.
func (c *Call) SIPCallID() string { return c.id }

// State returns the present state.
func (c *Call) State() State { c.mu.Lock(); defer c.mu.Unlock(); return c.state }

// Ended returns who ended the call and the final status of a refused INVITE.
func (c *Call) Ended() (End, int) { c.mu.Lock(); defer c.mu.Unlock(); return c.end, c.code }

// Remote returns the peer's last session description.
func (c *Call) Remote() Description { c.mu.Lock(); defer c.mu.Unlock(); return c.remoteAs }

// Reoffers counts re-INVITEs and UPDATEs of the peer that were answered.
func (c *Call) Reoffers() int { c.mu.Lock(); defer c.mu.Unlock(); return c.reoffers }

// ByeStatus is the peer's answer to our BYE, 0 while there is none.
func (c *Call) ByeStatus() int { c.mu.Lock(); defer c.mu.Unlock(); return c.byeCode }

// Request returns the INVITE received, nil for a call out.
func (c *Call) Request() *Message { return c.request1 }

// Caller returns the user part of From of the INVITE received.
func (c *Call) Caller() string {
	if c.request1 == nil {
		return ""
	}
	return userOf(c.request1.Get("from"))
}

// Dialled returns the user part of the request-URI of the INVITE received.
func (c *Call) Dialled() string {
	if c.request1 == nil {
		return ""
	}
	return userOf("<" + c.request1.URI + ">")
}

// On sets the callback of an incoming call, inside Incoming.
func (c *Call) On(f func(*Call, Event)) { c.mu.Lock(); c.on = f; c.mu.Unlock() }

// set moves the state and wakes waiters; c.mu is held.
func (c *Call) set(s State) {
	c.state = s
	c.poke()
}

func (c *Call) poke() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// tell runs the callback; c.mu is not held.
func (c *Call) tell(ev Event) {
	c.mu.Lock()
	f := c.on
	c.mu.Unlock()
	if f != nil {
		f(c, ev)
	}
}

// Wait returns when ok says so, with ErrEnded when the call ended and ok still
// does not, or with the context's error. what names it in the error.
func (c *Call) Wait(ctx context.Context, what string, ok func(*Call) bool) error {
	return c.wait(ctx, what, ok, false)
}

// WaitBye waits for the answer to our BYE and returns its status.
func (c *Call) WaitBye(ctx context.Context) (int, error) {
	err := c.wait(ctx, "the answer to BYE", func(c *Call) bool { return c.ByeStatus() != 0 }, true)
	return c.ByeStatus(), err
}

func (c *Call) wait(ctx context.Context, what string, ok func(*Call) bool, afterEnd bool) error {
	for {
		if ok(c) {
			return nil
		}
		c.mu.Lock()
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		ch, state, end, code := c.changed, c.state, c.end, c.code
		c.mu.Unlock()
		if ok(c) {
			return nil
		}
		if state == Ended && !afterEnd {
			return fmt.Errorf("%w by %s (%d) while waiting for %s", ErrEnded, end, code, what)
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return fmt.Errorf("robot: waiting for %s in state %s: %w", what, state, ctx.Err())
		}
	}
}

// WaitState waits until the call is in state s or past it; Ended ends the wait too.
func (c *Call) WaitState(ctx context.Context, s State) error {
	return c.Wait(ctx, s.String(), func(c *Call) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if s == Ended {
			return c.state == Ended
		}
		return c.state >= s && c.state != Ended
	})
}

// sdp writes our description; c.mu is held.
func (c *Call) sdp(dir Direction, laws []Law, eventPT uint8) []byte {
	addr := netip.AddrPortFrom(c.e.addr.Addr(), 9) // discard, RFC 863
	if c.leg != nil {
		addr = c.leg.Addr()
	}
	b := writeSDP(make([]byte, 0, 320), c.sdpID, c.version, addr, laws, eventPT, dir, c.zero)
	c.version++
	return b
}

func (c *Call) offer() []byte { return c.sdp(c.dir, c.e.cfg.Laws, 101) }

// answerTo writes our answer to the peer's offer d.
func (c *Call) answerTo(d Description) []byte {
	law, ok := c.choose(d)
	if !ok {
		return nil
	}
	c.dir = d.Direction.reverse()
	if d.HeldByIP {
		c.dir = RecvOnly
	}
	return c.sdp(c.dir, []Law{law}, d.EventPT)
}

func (c *Call) choose(d Description) (Law, bool) {
	for _, want := range d.Laws {
		for _, have := range c.e.cfg.Laws {
			if want == have {
				return want, true
			}
		}
	}
	return PCMU, false
}

// apply takes the peer's description into use; c.mu is held.
func (c *Call) apply(body []byte) (Description, error) {
	d, err := ParseSDP(body)
	if err != nil {
		return d, err
	}
	law, ok := c.choose(d)
	if !ok {
		return d, errors.New("robot: no common codec")
	}
	c.remoteAs = d
	if c.leg != nil {
		if !d.HeldByIP {
			c.leg.SetRemote(d.Addr, law, d.EventPT)
		}
		c.leg.Mute(d.HeldByIP || d.Direction == SendOnly || d.Direction == Inactive || c.dir == Inactive || c.dir == SendOnly || c.zero)
	}
	return d, nil
}

// message begins a request in the dialog; the caller finishes it. c.mu is held.
func (c *Call) message(method, branch string, no uint32) []byte {
	b := make([]byte, 0, 1024)
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, c.target...)
	b = append(b, " SIP/2.0\r\n"...)
	b = c.e.via(b, branch)
	for _, r := range c.routes {
		b = header(b, "Route", r)
	}
	b = header(b, "From", c.local)
	b = header(b, "To", c.remote)
	b = header(b, "Call-ID", c.id)
	b = append(b, "CSeq: "...)
	b = strconv.AppendUint(b, uint64(no), 10)
	b = append(b, ' ')
	b = append(b, method...)
	return append(b, "\r\n"...)
}

func (c *Call) user() string {
	if u := userOf(c.local); u != "" {
		return u
	}
	return "robot"
}

// sendInvite sends the first INVITE; auth is a whole header line or "".
func (c *Call) sendInvite(auth string) {
	c.inviteNo = c.cseq
	c.branch = c.e.branch()
	b := c.message("INVITE", c.branch, c.inviteNo)
	b = header(b, "Contact", c.e.contact(c.user()))
	b = append(b, auth...)
	for _, h := range c.headers {
		b = append(b, h...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"...)
	var body []byte
	if !c.noOffer {
		body = c.offer()
	}
	c.invite = finish(b, c.e.cfg.UserAgent, body)
	c.e.do(c.branch, c.invite, c.to, true, c.inviteResponse)
}

// inviteResponse takes answers to the first INVITE.
func (c *Call) inviteResponse(m *Message) {
	c.mu.Lock()
	if m == nil {
		c.finish(ByTimeout, 408)
		return
	}
	if m.Status < 200 {
		c.trying = true
		tell := m.Status > 100 && c.state < Up
		if tell {
			c.set(Ringing)
			c.early = m.Get("to")
			if len(m.Body) > 0 {
				_, _ = c.apply(m.Body) // early media
			}
		}
		if c.cancel && c.branch != "" {
			c.sendCancel()
		}
		c.mu.Unlock()
		if tell {
			c.tell(Event{Kind: EvRinging, Code: m.Status})
		}
		return
	}
	if m.Status >= 300 {
		c.sendAckTo(m)
		if (m.Status == 401 || m.Status == 407) && !c.authed && c.account.Password != "" && !c.cancel {
			c.authed = true
			line, err := authorize(m, c.account, "INVITE", c.target)
			if err == nil {
				c.cseq++
				c.sendInvite(line)
				c.mu.Unlock()
				return
			}
		}
		if c.cancel {
			c.finish(ByUs, m.Status)
			return
		}
		c.finish(ByRefusal, m.Status)
		return
	}
	c.remote = m.Get("to")
	c.establish(m.Get("contact"), m.All("record-route"), true)
	var answer []byte
	if c.noOffer {
		d, err := c.apply(m.Body)
		if err == nil {
			answer = c.answerTo(d)
		}
	} else if len(m.Body) > 0 {
		_, _ = c.apply(m.Body)
	}
	c.sendAck(answer)
	if c.state == Ended { // the 200 crossed our CANCEL: end it properly
		c.sendBye()
		c.mu.Unlock()
		return
	}
	c.set(Up)
	cancel := c.cancel
	c.mu.Unlock()
	if cancel {
		c.Hangup()
		return
	}
	c.tell(Event{Kind: EvAnswered, Code: m.Status})
}

// establish notes the remote target and route set (RFC 3261 12.1).
func (c *Call) establish(contact string, routes []string, reverse bool) {
	if u := uriOf(contact); u != "" {
		c.target = u
		host := u
		if i := strings.IndexByte(host, '@'); i >= 0 {
			host = host[i+1:]
		} else {
			host = strings.TrimPrefix(host, "sip:")
		}
		host, _, _ = strings.Cut(host, ";")
		if ap, err := netip.ParseAddrPort(host); err == nil {
			c.to = ap
		} else if a, err := netip.ParseAddr(host); err == nil {
			c.to = netip.AddrPortFrom(a, 5060)
		}
	}
	if c.routes == nil && len(routes) > 0 {
		c.routes = append([]string(nil), routes...)
		if reverse {
			for i, j := 0, len(c.routes)-1; i < j; i, j = i+1, j-1 {
				c.routes[i], c.routes[j] = c.routes[j], c.routes[i]
			}
		}
	}
}

// sendAck acknowledges a 2xx: a new branch, the INVITE's number (13.2.2.4).
func (c *Call) sendAck(body []byte) {
	c.ack = finish(c.message("ACK", c.e.branch(), c.inviteNo), c.e.cfg.UserAgent, body)
	c.e.write(c.ack, c.to)
}

// sendAckTo acknowledges a refusal: the INVITE's own branch and target (17.1.1.3).
func (c *Call) sendAckTo(m *Message) {
	keep := c.remote
	c.remote = m.Get("to")
	c.ack = finish(c.message("ACK", c.branch, c.inviteNo), c.e.cfg.UserAgent, nil)
	c.remote = keep
	c.e.write(c.ack, c.to)
}

// strayResponse takes an answer to no transaction: a 200 or refusal sent again.
func (c *Call) strayResponse(m *Message) {
	if no, method := m.cseq(); method == "INVITE" && m.Status >= 200 {
		c.mu.Lock()
		if c.ack != nil && no == c.inviteNo {
			c.e.resent.Add(1)
			c.e.write(c.ack, c.to)
		}
		c.mu.Unlock()
	}
}

func (c *Call) sendCancel() {
	if c.cancelSent {
		return
	}
	c.cancelSent = true
	b := finish(c.message("CANCEL", c.branch, c.inviteNo), c.e.cfg.UserAgent, nil)
	// CANCEL is a transaction of its own with the INVITE's branch (9.1).
	c.e.do("cancel "+c.branch, b, c.to, false, func(*Message) {})
}

// Hangup ends the call in whatever state it is: BYE, CANCEL or 603. EvEnded follows.
func (c *Call) Hangup() {
	c.mu.Lock()
	switch {
	case c.state == Ended:
		c.mu.Unlock()
	case c.state == Up:
		c.sendBye()
		c.finish(ByUs, 0)
	case c.caller:
		c.cancel = true
		if c.state == Ringing || c.trying {
			c.sendCancel()
		} // else with the first provisional answer (RFC 3261 9.1)
		c.mu.Unlock()
	default:
		c.mu.Unlock()
		c.Reject(603, "Decline")
	}
}

func (c *Call) sendBye() {
	c.cseq++
	b := finish(c.message("BYE", c.e.branchFor(c), c.cseq), c.e.cfg.UserAgent, nil)
	c.e.do(c.branch, b, c.to, false, func(m *Message) {
		c.mu.Lock()
		c.byeCode = 408
		if m != nil {
			c.byeCode = m.Status
		}
		c.poke()
		c.mu.Unlock()
	})
}

// branchFor makes the call's next branch and remembers it.
func (e *Endpoint) branchFor(c *Call) string { c.branch = e.branch(); return c.branch }

// finish ends the call once; c.mu is held and released.
func (c *Call) finish(by End, code int) {
	if c.state == Ended {
		c.mu.Unlock()
		return
	}
	c.end, c.code = by, code
	c.set(Ended)
	if c.okTimer != nil {
		c.okTimer.Stop()
	}
	leg := c.leg
	c.mu.Unlock()
	if leg != nil {
		leg.Close()
	}
	c.e.mu.Lock()
	c.e.linger = append(c.e.linger, lingering{c.id, time.Now().Add(lingerFor)})
	c.e.mu.Unlock()
	c.tell(Event{Kind: EvEnded, Code: code})
}

// drop ends the call without a word, when the endpoint closes.
func (c *Call) drop() {
	c.mu.Lock()
	if c.okTimer != nil {
		c.okTimer.Stop()
	}
	leg := c.leg
	c.mu.Unlock()
	if leg != nil {
		leg.Close()
	}
}

// Vanish forgets the call without a word to the server, as a phone does whose
// battery ran out: nothing is sent any more and nothing answered.
func (c *Call) Vanish() {
	c.drop()
	c.e.mu.Lock()
	delete(c.e.calls, c.id)
	c.e.mu.Unlock()
}
