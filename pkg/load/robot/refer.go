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
	if code, err := strconv.Atoi(f[1]); err == nil {
		c.mu.Lock()
		c.referred = append(c.referred, code)
		c.poke()
		c.mu.Unlock()
	}
}

// Replaces names this dialog as the server must see it, for another call's
// REFER or INVITE (RFC 3891 3: to-tag is the server's own).
func (c *Call) Replaces() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id + ";to-tag=" + tagOf(c.remote) + ";from-tag=" + tagOf(c.local)
}

func tagOf(v string) string {
	_, tag, _ := strings.Cut(v, ";tag=")
	tag, _, _ = strings.Cut(tag, ";")
	return tag
}
