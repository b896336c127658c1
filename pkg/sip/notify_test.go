package sip

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/sip/digest"
	"github.com/centrala/centrala/pkg/sip/subscription"
)

// signed sends a request of user1 with the answer to the challenge it gets.
func (b *bench) signed(f func(branch string, cseq int, extra ...string) string, branch string, cseq int, extra ...string) string {
	b.t.Helper()
	b.send(f(branch+"0", cseq, extra...))
	m := b.want("SIP/2.0 401")
	c, err := digest.ParseChallenge(header(m, "WWW-Authenticate"))
	if err != nil {
		b.t.Fatal(err)
	}
	line, _, _ := strings.Cut(f("x", 1), " SIP/2.0")
	method, uri, _ := strings.Cut(line, " ")
	b.send(f(branch+"1", cseq+1, append(extra, "Authorization: "+c.Answer("user1", "secret1", method, uri, "cn", 1))...))
	m = b.w.read(time.Minute)
	return m
}

// watch makes SUBSCRIBEs to a name; tag is ours once it is known.
func watching(name string, tag *string, callID string) func(string, int, ...string) string {
	return func(branch string, cseq int, extra ...string) string {
		m := text("SUBSCRIBE", branch, *tag, cseq, extra...)
		m = strings.Replace(m, "sip:1000@192.0.2.1 SIP", "sip:"+name+"@192.0.2.1 SIP", 1)
		return strings.Replace(m, "call1@peer", callID, 1)
	}
}

// notified reads a NOTIFY and answers it.
func (b *bench) notified(code string) string {
	b.t.Helper()
	m := b.want("NOTIFY ")
	b.send("SIP/2.0 " + code + "\r\nVia: " + header(m, "Via") + "\r\nFrom: " + header(m, "From") + "\r\nTo: " + header(m, "To") +
		"\r\nCall-ID: " + header(m, "Call-ID") + "\r\nCSeq: " + header(m, "CSeq") + "\r\nContent-Length: 0\r\n\r\n")
	return m
}

func TestLamp(t *testing.T) {
	run(t, false, func(b *bench) {
		tag := ""
		f := watching("user2", &tag, "lamp1")
		m := b.signed(f, "a", 1, "Event: dialog", "Accept: application/dialog-info+xml")
		if !strings.HasPrefix(m, "SIP/2.0 200") || header(m, "Expires") != "3600" || header(m, "Contact") == "" {
			t.Fatal(m)
		}
		tag = tagOf(m)
		n := b.notified("200 OK")
		if header(n, "Event") != "dialog" || !strings.HasPrefix(header(n, "Subscription-State"), "active;expires=3600") ||
			!strings.Contains(header(n, "From"), ";tag="+tag) || !strings.Contains(header(n, "To"), ";tag=ft") || !strings.Contains(n, `state="full" entity="sip:user2@192.0.2.1"`) {
			t.Error(n)
		}
		b.s.SetDeviceState("default", "user3", []DialogInfo{{ID: "x", State: DialogEarly}})
		b.s.SetDeviceState("other", "user2", []DialogInfo{{ID: "x", State: DialogEarly}})
		b.silence(time.Second)
		b.s.SetDeviceState("default", "user2", []DialogInfo{{ID: "x", State: DialogEarly, RemoteURI: "sip:0722@h"}})
		if n = b.notified("200 OK"); !strings.Contains(n, "<state>early</state>") || header(n, "CSeq") != "2 NOTIFY" || header(n, "Content-Type") != "application/dialog-info+xml" {
			t.Error(n)
		}
		// Unsubscribed; the last NOTIFY says so.
		if m = b.signed(f, "b", 5, "Event: dialog", "Expires: 0"); !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal(m)
		}
		if n = b.notified("200 OK"); header(n, "Subscription-State") != "terminated;reason=timeout" {
			t.Error(n)
		}
		b.s.SetDeviceState("default", "user2", nil)
		b.silence(time.Second)
		b.empty()
	})
}

func TestSubscribeRefused(t *testing.T) {
	run(t, false, func(b *bench) {
		none := ""
		for i, c := range []struct {
			code, name string
			hs         []string
		}{
			{"489", "user2", []string{"Event: presence"}},
			{"489", "user2", nil},
			{"404", "stranger", []string{"Event: dialog"}},
			{"423", "user2", []string{"Event: dialog", "Expires: 5"}},
			{"406", "user2", []string{"Event: dialog", "Accept: text/html"}},
			{"403", "user2", []string{"Event: reg"}},
		} {
			m := b.signed(watching(c.name, &none, fmt.Sprint("r", i)), fmt.Sprint("r", i), 1, c.hs...)
			if !strings.HasPrefix(m, "SIP/2.0 "+c.code) {
				t.Errorf("%v: %q", c, m)
			}
		}
		gone := "gone"
		if m := b.signed(watching("user2", &gone, "r9"), "r9", 1, "Event: dialog"); !strings.HasPrefix(m, "SIP/2.0 481") {
			t.Error(m)
		}
		b.silence(time.Minute)
		b.empty()
	})
}

func TestWatcherGone(t *testing.T) {
	run(t, false, func(b *bench) {
		tag := ""
		if m := b.signed(watching("user1", &tag, "w"), "a", 1, "Event: message-summary"); !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal(m)
		}
		if n := b.notified("481 Gone"); !strings.Contains(n, "Messages-Waiting: no") {
			t.Error(n)
		}
		b.s.SetMessageWaiting("default", "user1", 3, 1)
		b.silence(time.Second)
		b.empty()
	})
}

// memSubs is a store in memory.
type memSubs struct {
	mu  sync.Mutex
	all map[subscription.ID]subscription.Subscription
}

func (m *memSubs) SaveSubscriptions(_ context.Context, list []subscription.Subscription) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range list {
		m.all[s.ID] = s
	}
	return nil
}

func (m *memSubs) DeleteSubscriptions(_ context.Context, list []subscription.Subscription) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range list {
		delete(m.all, s.ID)
	}
	return nil
}

func (m *memSubs) LoadSubscriptions(context.Context) (out []subscription.Subscription, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.all {
		out = append(out, s)
	}
	return out, nil
}

func TestSubscriptionsOverRestart(t *testing.T) {
	st := &memSubs{all: map[subscription.ID]subscription.Subscription{}}
	with := func(_ *Config, d *Deps) { d.Subscriptions = st }
	tag := ""
	run(t, false, func(b *bench) {
		m := b.signed(watching("user2", &tag, "w"), "a", 1, "Event: dialog")
		tag = tagOf(m)
		b.notified("200 OK")
	}, with)
	if len(st.all) != 1 {
		t.Fatal(st.all)
	}
	for id, s := range st.all { // each bubble has its own clock
		s.Expires = time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)
		st.all[id] = s
	}
	run(t, false, func(b *bench) {
		n := b.notified("200 OK") // told anew without asking
		if !strings.Contains(n, `state="full"`) || !strings.Contains(header(n, "From"), tag) {
			t.Error(n)
		}
		if m := b.signed(watching("user2", &tag, "w"), "b", 10, "Event: dialog", "Expires: 60"); !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal(m)
		}
		b.notified("200 OK")
		time.Sleep(62 * time.Second)
		if n = b.notified("200 OK"); header(n, "Subscription-State") != "terminated;reason=timeout" {
			t.Error(n)
		}
		time.Sleep(2 * time.Second)
		if all, _ := st.LoadSubscriptions(t.Context()); len(all) != 0 {
			t.Error(all)
		}
	}, with)
}

func TestEndSubscriptions(t *testing.T) {
	run(t, false, func(b *bench) {
		tag := ""
		if m := b.signed(watching("user2", &tag, "w"), "a", 1, "Event: dialog"); !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal(m)
		}
		b.notified("200 OK")
		b.s.EndSubscriptions("default", "user2") // watched, not watching
		b.silence(time.Second)
		b.s.EndSubscriptions("default", "user1")
		if n := b.notified("200 OK"); header(n, "Subscription-State") != "terminated;reason=rejected" {
			t.Error(n)
		}
		b.send(text("OPTIONS", "o", "", 9, "Require: 100rel, replaces, path"))
		b.want("SIP/2.0 200")
		b.send(text("OPTIONS", "p", "", 10, "Require: 100rel, eventlist"))
		if m := b.want("SIP/2.0 420"); header(m, "Unsupported") != "eventlist" {
			t.Error(m)
		}
		b.empty()
	})
}

// tcpPhone speaks over one connection and signs what it is asked to.
type tcpPhone struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
	n int
}

func (b *bench) tcpPhone() *tcpPhone {
	b.t.Helper()
	c, err := b.n.dialFrom(addr("192.0.2.99"), b.s.LocalAddr("tcp"))
	if err != nil {
		b.t.Fatal(err)
	}
	return &tcpPhone{t: b.t, c: c, r: bufio.NewReader(c)}
}

func (p *tcpPhone) read() string {
	p.t.Helper()
	_ = p.c.SetReadDeadline(time.Now().Add(time.Minute))
	var m strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			p.t.Fatal(err, m.String())
		}
		m.WriteString(line)
		if line == "\r\n" && m.Len() > 2 {
			break
		}
	}
	length, _ := strconv.Atoi(header(m.String(), "Content-Length"))
	body := make([]byte, length)
	if _, err := io.ReadFull(p.r, body); err != nil {
		p.t.Fatal(err)
	}
	return m.String() + string(body)
}

func (p *tcpPhone) signed(method, uri, callID string, headers string) string {
	p.t.Helper()
	send := func(auth string) string {
		p.n++
		m := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.99:5060;branch=z9hG4bK%s%d\r\nMax-Forwards: 70\r\nFrom: <sip:user1@192.0.2.1>;tag=ft\r\n"+
			"To: <sip:user1@192.0.2.1>\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:user1@192.0.2.99;transport=tcp>\r\n%s%sContent-Length: 0\r\n\r\n",
			method, uri, callID, p.n, callID, p.n, method, headers, auth)
		go func() { _, _ = p.c.Write([]byte(m)) }()
		return p.read()
	}
	c, err := digest.ParseChallenge(header(send(""), "WWW-Authenticate"))
	if err != nil {
		p.t.Fatal(err)
	}
	return send("Authorization: " + c.Answer("user1", "secret1", method, uri, "cn", 1) + "\r\n")
}

// TestWatcherComesBack: a phone whose connection broke is told over the new one
// as soon as it registers.
func TestWatcherComesBack(t *testing.T) {
	run(t, false, func(b *bench) {
		p := b.tcpPhone()
		if m := p.signed("SUBSCRIBE", "sip:user2@192.0.2.1", "w", "Event: dialog\r\n"); !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal(m)
		}
		n := p.read()
		ok := func(p *tcpPhone, m string) {
			text := "SIP/2.0 200 OK\r\nVia: " + header(m, "Via") + "\r\nFrom: " + header(m, "From") + "\r\nTo: " + header(m, "To") +
				"\r\nCall-ID: " + header(m, "Call-ID") + "\r\nCSeq: " + header(m, "CSeq") + "\r\nContent-Length: 0\r\n\r\n"
			go func() { _, _ = p.c.Write([]byte(text)) }()
		}
		ok(p, n)
		time.Sleep(time.Second)
		_ = p.c.Close()
		time.Sleep(time.Second)
		b.s.SetDeviceState("default", "user2", []DialogInfo{{ID: "x", State: DialogEarly}})
		time.Sleep(time.Second)
		b.s.SetDeviceState("default", "user2", []DialogInfo{{ID: "x", State: DialogConfirmed}})
		p = b.tcpPhone()
		if m := p.signed("REGISTER", "sip:192.0.2.1", "reg", "Expires: 600\r\n"); !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal(m)
		}
		n = p.read()
		if !strings.HasPrefix(n, "NOTIFY ") || !strings.Contains(n, `state="full"`) || !strings.Contains(n, "<state>confirmed</state>") {
			t.Error(n)
		}
		ok(p, n)
		time.Sleep(time.Second)
		b.s.SetDeviceState("default", "user2", nil)
		if n = p.read(); !strings.Contains(n, `state="partial"`) || !strings.Contains(n, "<state>terminated</state>") {
			t.Error(n)
		}
		ok(p, n)
		time.Sleep(time.Second)
		_ = p.c.Close()
	})
}

// A phone that watches its own registrations (RFC 3680) is told of those that
// come, go and run out.
func TestOwnRegistrations(t *testing.T) {
	run(t, false, func(b *bench) {
		reg := func(branch string, cseq int, extra ...string) string {
			m := text("REGISTER", branch, "", cseq, extra...)
			m = strings.Replace(strings.Replace(m, "To: <sip:1000@", "To: <sip:user1@", 1), "call1@peer", "reg@peer", 1)
			return strings.Replace(m, "Contact: <sip:user1@"+peerAddr+">\r\n", "", 1)
		}
		register := func(branch string, cseq int, contact string) {
			t.Helper()
			if m := b.signed(reg, branch, cseq, "Contact: "+contact); !strings.HasPrefix(m, "SIP/2.0 200") {
				t.Fatal(m)
			}
		}
		register("a", 1, "<sip:user1@"+peerAddr+";a=&>;q=0.5;expires=600")
		tag := ""
		m := b.signed(watching("user1", &tag, "own"), "b", 1, "Event: reg", "Accept: application/reginfo+xml")
		if !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal(m)
		}
		told := func(want ...string) {
			t.Helper()
			n := b.notified("200 OK")
			for _, w := range want {
				if !strings.Contains(n, w) {
					t.Errorf("no %q in\n%s", w, n)
				}
			}
		}
		told("Event: reg\r\n", "application/reginfo+xml", `version="0" state="full"`, `aor="sip:user1@192.0.2.1"`, `state="active" event="registered" expires="600" q="0.500" callid="reg@peer"`,
			"<uri>sip:user1@"+peerAddr+";a=&amp;</uri>")
		register("c", 3, "<sip:user1@198.51.100.9:5066>;expires=120")
		told(`version="1"`, "<uri>sip:user1@198.51.100.9:5066</uri>", ";a=&amp;")
		register("d", 5, "<sip:user1@"+peerAddr+";a=&>;expires=600") // a refresh
		b.silence(119 * time.Second)
		told(`state="terminated" event="expired"`)
		register("e", 7, "<sip:user1@"+peerAddr+";a=&>;expires=0")
		told(`<registration aor="sip:user1@192.0.2.1" id="r" state="terminated">`, `state="terminated" event="unregistered"`)
		if m := b.signed(watching("user1", &tag, "own2"), "f", 1, "Event: reg", "Expires: 0"); !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal(m)
		}
		told(`state="init"`)
		tag = ""
		b.s.EndSubscriptions("default", "user1")
		told("terminated;reason=rejected")
		b.empty()
	})
}
