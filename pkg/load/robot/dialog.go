package robot

import (
	"net/netip"
	"strconv"
	"time"
)

// incoming takes the first INVITE of a call in.
func (c *Call) incoming(m *Message, from netip.AddrPort) {
	c.mu.Lock()
	c.request1, c.from, c.to = m, from, from
	c.lastNo, _ = m.cseq()
	c.local = m.Get("to") + ";tag=" + c.e.unique("t")
	c.remote = m.Get("from")
	c.establish(m.Get("contact"), m.All("record-route"), false)
	err := c.newLeg()
	c.last = c.e.respond(m, from, 100, "Trying", "", nil, "")
	c.mu.Unlock()
	if err != nil {
		c.Reject(500, "No Media Port")
		return
	}
	c.e.cfg.Incoming(c)
}

// answer responds to the INVITE received; c.mu is held.
func (c *Call) answer(m *Message, code int, reason string, body []byte) {
	contact := ""
	if code < 300 {
		contact = c.e.contact(c.user())
	}
	c.last = c.e.respond(m, c.from, code, reason, param(c.local, "tag"), body, contact)
}

// Ring sends 180.
func (c *Call) Ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.caller || c.state >= Up {
		return
	}
	c.set(Ringing)
	c.answer(c.request1, 180, "Ringing", nil)
}

// Answer sends 200 with our answer, or our offer when the INVITE had none, and
// repeats it until the ACK (RFC 3261 13.3.1.4).
func (c *Call) Answer() {
	c.mu.Lock()
	if c.caller || c.state >= Up {
		c.mu.Unlock()
		return
	}
	var body []byte
	if len(c.request1.Body) > 0 {
		d, err := c.apply(c.request1.Body)
		if err == nil {
			body = c.answerTo(d)
		}
		if body == nil {
			c.mu.Unlock()
			c.Reject(488, "Not Acceptable Here")
			return
		}
	} else {
		body = c.offer()
	}
	c.answer(c.request1, 200, "OK", body)
	c.set(Up)
	c.repeatOK()
	c.mu.Unlock()
}

// repeatOK starts the retransmission of our 200; c.mu is held.
func (c *Call) repeatOK() {
	c.okEvery, c.okUntil = t1, time.Now().Add(64*t1)
	if c.okTimer != nil {
		c.okTimer.Stop()
	}
	c.okTimer = time.AfterFunc(t1, c.okAgain)
}

func (c *Call) okAgain() {
	c.mu.Lock()
	if c.okTimer == nil || c.state == Ended {
		c.mu.Unlock()
		return
	}
	if time.Now().After(c.okUntil) {
		c.sendBye()
		c.finish(ByTimeout, 408)
		return
	}
	c.e.resent.Add(1)
	c.e.write(c.last, c.from)
	c.okEvery = min(2*c.okEvery, t2)
	c.okTimer.Reset(c.okEvery)
	c.mu.Unlock()
}

// Reject refuses an incoming call.
func (c *Call) Reject(code int, reason string) {
	c.mu.Lock()
	if c.caller || c.state >= Up {
		c.mu.Unlock()
		return
	}
	c.answer(c.request1, code, reason, nil)
	c.finish(ByUs, code)
}

// request takes a request of the peer in this call.
func (c *Call) request(m *Message, from netip.AddrPort) {
	tag := ""
	switch m.Method {
	case "ACK":
		c.acked(m)
	case "BYE":
		c.e.respond(m, from, 200, "OK", tag, nil, "")
		c.mu.Lock()
		c.finish(ByPeer, 0)
	case "CANCEL":
		c.cancelled(m, from)
	case "INVITE", "UPDATE":
		c.reinvited(m, from)
	case "INFO":
		c.e.respond(m, from, 200, "OK", tag, nil, "")
		c.tell(Event{Kind: EvInfo, Text: string(m.Body)})
	case "NOTIFY":
		c.e.respond(m, from, 200, "OK", tag, nil, "")
		c.notified(m)
	case "OPTIONS":
		c.e.respond(m, from, 200, "OK", tag, nil, "")
	default:
		c.e.respond(m, from, 405, "Method Not Allowed", tag, nil, "")
	}
}

func (c *Call) acked(m *Message) {
	c.mu.Lock()
	no, _ := m.cseq()
	if c.okTimer == nil || no != c.lastNo || c.state != Up {
		c.mu.Unlock()
		return
	}
	c.okTimer.Stop()
	c.okTimer = nil
	if len(m.Body) > 0 {
		_, _ = c.apply(m.Body) // the answer to our late offer
	}
	first := c.reoffers == 0 && !c.caller
	c.poke()
	c.mu.Unlock()
	if first {
		c.tell(Event{Kind: EvConfirmed})
	}
}

func (c *Call) cancelled(m *Message, from netip.AddrPort) {
	c.mu.Lock()
	if c.caller || c.state >= Up {
		done := c.state == Ended
		c.mu.Unlock()
		if done && c.code != 487 {
			c.e.respond(m, from, 481, "Call/Transaction Does Not Exist", "", nil, "")
		} else {
			c.e.respond(m, from, 200, "OK", "", nil, "")
		}
		return
	}
	c.e.respond(m, from, 200, "OK", param(c.local, "tag"), nil, "")
	c.answer(c.request1, 487, "Request Terminated", nil)
	c.finish(ByPeer, 487)
}

// reinvited answers a re-INVITE or UPDATE, and repeats the last answer to one
// that came again.
func (c *Call) reinvited(m *Message, from netip.AddrPort) {
	c.mu.Lock()
	no, _ := m.cseq()
	if m.Method == "INVITE" && !c.caller && no == c.lastNo {
		c.e.resent.Add(1)
		c.e.write(c.last, from)
		c.mu.Unlock()
		return
	}
	if m.Method == "INVITE" && c.caller && no == c.lastNo && c.last != nil {
		c.e.write(c.last, from)
		c.mu.Unlock()
		return
	}
	if c.state != Up {
		c.mu.Unlock()
		c.e.respond(m, from, 481, "Call/Transaction Does Not Exist", "", nil, "")
		return
	}
	if c.pending != "" { // glare with our own, RFC 3261 14.2
		c.mu.Unlock()
		c.e.respond(m, from, 491, "Request Pending", "", nil, "")
		return
	}
	if uri := m.Get("contact"); uri != "" {
		c.establish(uri, nil, false) // target refresh
	}
	var body []byte
	switch {
	case len(m.Body) > 0:
		d, err := c.apply(m.Body)
		if err == nil {
			body = c.answerTo(d)
		}
		if body == nil {
			c.mu.Unlock()
			c.e.respond(m, from, 488, "Not Acceptable Here", "", nil, "")
			return
		}
	case m.Method == "INVITE":
		body = c.offer()
	}
	c.reoffers++
	b := c.e.respond(m, from, 200, "OK", "", body, c.e.contact(c.user()))
	if m.Method == "INVITE" {
		c.last, c.lastNo, c.from = b, no, from
		c.repeatOK()
	}
	c.poke()
	c.mu.Unlock()
	c.tell(Event{Kind: EvReoffer})
}

// HoldPeer puts the peer on hold in one of the four ways; EvReoffered follows.
func (c *Call) HoldPeer(h Hold) {
	switch h {
	case HoldInactive:
		c.reinvite(Inactive, false, false)
	case HoldZero:
		c.reinvite(SendOnly, true, false)
	case HoldLate:
		c.reinvite(SendOnly, false, true)
	default:
		c.reinvite(SendOnly, false, false)
	}
}

// Resume ends our hold; EvReoffered follows.
func (c *Call) Resume() { c.reinvite(SendRecv, false, false) }

func (c *Call) reinvite(dir Direction, zero, late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Up || c.pending != "" {
		return
	}
	c.pending, c.zero = dir, zero
	c.dir = dir
	if zero {
		c.dir = SendRecv // RFC 2543 knew no directions: the address alone says hold
	}
	c.cseq++
	c.inviteNo = c.cseq
	branch := c.e.branchFor(c)
	b := c.message("INVITE", branch, c.inviteNo)
	b = header(b, "Contact", c.e.contact(c.user()))
	var body []byte
	if !late {
		body = c.offer()
	}
	if c.leg != nil && dir != SendRecv {
		c.leg.Mute(true)
	}
	c.e.do(branch, finish(b, c.e.cfg.UserAgent, body), c.to, true, func(m *Message) { c.reoffered(m, late) })
}

func (c *Call) reoffered(m *Message, late bool) {
	c.mu.Lock()
	code := 408
	if m != nil {
		code = m.Status
		if code < 200 {
			c.mu.Unlock()
			return
		}
	}
	want := c.pending
	c.pending = ""
	if m != nil && code >= 300 {
		c.sendAckTo(m)
	}
	if m != nil && code < 300 {
		var answer []byte
		if d, err := ParseSDP(m.Body); late && err == nil {
			if law, ok := c.choose(d); ok {
				c.dir = want
				answer = c.sdp(want, []Law{law}, d.EventPT)
			}
		}
		_, _ = c.apply(m.Body)
		c.sendAck(answer)
	}
	c.poke()
	c.mu.Unlock()
	c.tell(Event{Kind: EvReoffered, Code: code})
}

// Reoffering tells that our re-INVITE is still unanswered.
func (c *Call) Reoffering() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.pending != "" }

// Info sends a digit by SIP INFO, application/dtmf-relay.
func (c *Call) Info(key byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Up {
		return
	}
	c.cseq++
	branch := c.e.branch()
	b := c.message("INFO", branch, c.cseq)
	b = append(b, "Content-Type: application/dtmf-relay\r\n"...)
	body := []byte("Signal=" + string(rune(key)) + "\r\nDuration=" + strconv.Itoa(160) + "\r\n")
	c.e.do(branch, finish(b, c.e.cfg.UserAgent, body), c.to, false, func(*Message) {})
}
