package robot

import (
	"strconv"
	"strings"
)

// Refer asks the server to let the other side talk to the URI to instead
// (RFC 3515), with replaces, unless "", for the dialog whose place is taken
// (RFC 3891). What comes of it: Referred.
func (c *Call) Refer(to string, replaces string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Up {
		return
	}
	c.cseq++
	branch := c.e.branch()
	if replaces != "" {
		to += "?Replaces=" + strings.NewReplacer("@", "%40", ";", "%3B", "=", "%3D").Replace(replaces)
	}
	b := c.message("REFER", branch, c.cseq)
	b = append(b, "Refer-To: <"+to+">\r\nReferred-By: <sip:"+c.user()+"@"+c.e.domain(c.account)+">\r\n"...)
	b = append(b, "Contact: "+c.e.contact(c.user())+"\r\n"...)
	c.e.do(branch, finish(b, c.e.cfg.UserAgent, nil), c.to, false, func(m *Message) {
		c.mu.Lock()
		c.referred = append(c.referred, m.Status)
		c.poke()
		c.mu.Unlock()
	})
}

// Referred lists what our REFER was answered and what its NOTIFYs said, in order
// of arrival: SIP status codes.
func (c *Call) Referred() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int(nil), c.referred...)
}

// notified keeps the status line of a message/sipfrag.
func (c *Call) notified(m *Message) {
	line, _, _ := strings.Cut(string(m.Body), "\r\n")
	f := strings.Fields(line)
	if len(f) < 2 || f[0] != "SIP/2.0" {
		return
	}
	code, err := strconv.Atoi(f[1])
	if err != nil {
		return
	}
	n, _ := m.cseq()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n <= c.notify {
		return // sent again because our answer was late
	}
	c.notify = n
	c.referred = append(c.referred, code)
	c.poke()
}

// Replaces names this dialog as the server must see it, for another call's
// REFER or INVITE (RFC 3891 3: to-tag is the server's own).
func (c *Call) Replaces() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	remote := c.remote
	if tagOf(remote) == "" {
		remote = c.early
	}
	return c.id + ";to-tag=" + tagOf(remote) + ";from-tag=" + tagOf(c.local)
}

func tagOf(v string) string {
	_, tag, _ := strings.Cut(v, ";tag=")
	tag, _, _ = strings.Cut(tag, ";")
	return tag
}

// Watch subscribes to what a device of the server does (event "dialog",
// RFC 4235) for an account; done gets the SUBSCRIBE's final status, heard the body
// of every NOTIFY, in order, on the reader.
func (e *Endpoint) Watch(a Account, who, event string, done func(code int), heard func(body []byte)) {
	callID, tag := e.unique("watch")+"@robot", e.unique("t")
	e.mu.Lock()
	if e.watches == nil {
		e.watches = map[string]func([]byte){}
	}
	e.watches[callID] = heard
	e.mu.Unlock()
	uri := "sip:" + who + "@" + e.domain(a)
	var send func(cseq int, auth string)
	send = func(cseq int, auth string) {
		branch := e.branch()
		b := append(make([]byte, 0, 768), "SUBSCRIBE "+uri+" SIP/2.0\r\n"...)
		b = e.via(b, branch)
		b = header(b, "From", "<sip:"+a.User+"@"+e.domain(a)+">;tag="+tag)
		b = header(b, "To", "<"+uri+">")
		b = header(b, "Call-ID", callID)
		b = header(b, "CSeq", strconv.Itoa(cseq)+" SUBSCRIBE")
		b = header(b, "Contact", e.contact(a.User))
		b = header(b, "Event", event)
		b = header(b, "Expires", "600")
		b = append(b, auth...)
		e.do(branch, finish(b, e.cfg.UserAgent, nil), e.cfg.Server, false, func(m *Message) {
			switch {
			case m == nil:
				done(0)
			case m.Status < 200:
			case (m.Status == 401 || m.Status == 407) && auth == "":
				line, err := authorize(m, a, "SUBSCRIBE", uri)
				if err != nil {
					done(m.Status)
					return
				}
				send(cseq+1, line)
			default:
				done(m.Status)
			}
		})
	}
	send(1, "")
}
