package app_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
)

// line is a carrier of a test.
type line struct {
	*robot.Endpoint
	calls chan *robot.Call
}

// line opens a carrier that does what it is told with each call; nil rings and
// answers.
func (n *node) line(ip string, do func(*robot.Call)) *line {
	n.t.Helper()
	l := &line{calls: make(chan *robot.Call, 16)}
	e, err := robot.Listen(robot.Config{Bind: netip.AddrPortFrom(netip.MustParseAddr(ip), 0), Server: n.sip(), Incoming: func(c *robot.Call) {
		select {
		case l.calls <- c:
		default:
		}
		if do != nil {
			do(c)
			return
		}
		c.Ring()
		c.Answer()
	}})
	if err != nil {
		n.t.Fatal(err)
	}
	l.Endpoint = e
	n.t.Cleanup(e.Close)
	return l
}

func refuse(code int) func(*robot.Call) {
	return func(c *robot.Call) { c.Reject(code, "Refused") }
}

// silent is an address where nobody answers.
func silent(t *testing.T) string {
	t.Helper()
	u, err := net.ListenPacket("udp", "127.0.0.9:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u.LocalAddr().String()
}

func (n *node) must(docs string) {
	n.t.Helper()
	if res, err := n.apply(docs, api.ApplyOptions{By: "test"}); err != nil {
		n.t.Fatal(err, res.Faults)
	}
}

func (n *node) series(name string, labels ...string) float64 {
	n.t.Helper()
	families, err := n.registry.Gather()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	next:
		for _, m := range f.GetMetric() {
			for _, want := range labels {
				found := false
				for _, l := range m.GetLabel() {
					found = found || l.GetName()+"="+l.GetValue() == want
				}
				if !found {
					continue next
				}
			}
			switch {
			case m.GetCounter() != nil:
				return m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				return m.GetGauge().GetValue()
			default:
				return float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return -1
}

func (n *node) trunk(name string) api.Trunk {
	n.t.Helper()
	list, err := n.Trunks(context.Background(), "default")
	if err != nil {
		n.t.Fatal(err)
	}
	for _, t := range list {
		if t.Name == name {
			return t
		}
	}
	n.t.Fatalf("no trunk %q", name)
	return api.Trunk{}
}

const trunkDoc = "\n---\n{kind: trunk, name: %s, spec: {target: \"sip:%s\", prefixes: [\"0\"], %s}}"

// TestCallGoesToTheNextTrunk: one carrier is dead, the next refuses for itself,
// the third answers; the caller notices nothing but the time.
func TestCallGoesToTheNextTrunk(t *testing.T) {
	n := up(t)
	full, good := n.line("127.0.0.4", refuse(503)), n.line("127.0.0.5", nil)
	n.must("{kind: tenant, name: default, spec: {language: en}}" +
		fmt.Sprintf(trunkDoc, "a-dead", silent(t), "priority: 30, response_timeout: 500ms") +
		fmt.Sprintf(trunkDoc, "b-full", full.Addr(), "priority: 20") +
		fmt.Sprintf(trunkDoc, "c-good", good.Addr(), "priority: 10"))
	began := time.Now()
	c, code := n.dial(n.phone("127.0.0.1", nil), bob, "0722333444")
	if code != 200 {
		t.Fatal(code)
	}
	if took := time.Since(began); took < 500*time.Millisecond || took > 3*time.Second {
		t.Errorf("answered after %v", took)
	}
	if v := n.series("centrala_trunk_calls", "trunk=c-good", "direction=out"); v != 1 {
		t.Errorf("%v calls on the trunk", v)
	}
	hangUp(c)
	r := n.record("default", c)
	var legs []string
	for _, l := range r.Legs[1:] {
		legs = append(legs, fmt.Sprintf("%s %d", l.Trunk, l.Code))
	}
	if got := strings.Join(legs, ", "); got != "a-dead 408, b-full 503, c-good 0" || r.PeerTrunk != "c-good" {
		t.Errorf("legs %s, talked over %q", got, r.PeerTrunk)
	}
	for _, s := range []string{"trunk=a-dead class=timeout", "trunk=b-full class=5xx", "trunk=c-good class=2xx"} {
		if v := n.series("centrala_trunk_responses_total", strings.Fields(s)...); v != 1 {
			t.Errorf("%s: %v", s, v)
		}
	}
	if v := n.series("centrala_trunk_post_dial_delay_seconds", "trunk=c-good"); v != 1 {
		t.Error("post-dial delay", v)
	}
	n.eventually("the trunk is free", func() bool { return n.series("centrala_trunk_calls", "trunk=c-good", "direction=out") == 0 })
	if len(full.calls) != 1 || len(good.calls) != 1 {
		t.Error(len(full.calls), len(good.calls))
	}
}

// TestTheCalleesWordReachesTheCaller: no second carrier is asked, and the code is
// the callee's own.
func TestTheCalleesWordReachesTheCaller(t *testing.T) {
	n := up(t)
	var says atomic.Int64
	first := n.line("127.0.0.4", func(c *robot.Call) { c.Reject(int(says.Load()), "X") })
	rang := n.line("127.0.0.6", func(c *robot.Call) { c.Ring(); c.Reject(503, "X") })
	second := n.line("127.0.0.5", nil)
	// A machine that is busy for seconds must not make the first carrier a dead one.
	n.must("{kind: tenant, name: default, spec: {language: en}}" + fmt.Sprintf(trunkDoc, "first", first.Addr(), "priority: 20, response_timeout: 30s") +
		fmt.Sprintf(trunkDoc, "second", second.Addr(), "priority: 10"))
	phone := n.phone("127.0.0.1", nil)
	for _, code := range []int{486, 404, 484, 603, 480} {
		says.Store(int64(code))
		c, got := n.dial(phone, bob, "0722333444")
		if got != code {
			t.Errorf("the callee's %d came as %d", code, got)
		}
		if r := n.record("default", c); r.Code != code || len(r.Legs) != 2 || r.Legs[1].Code != code {
			t.Errorf("%d: %+v", code, r)
		}
	}
	if len(second.calls) != 0 {
		t.Error("the second carrier was asked")
	}
	n.must(fmt.Sprintf(trunkDoc, "first", rang.Addr(), "priority: 20, response_timeout: 30s"))
	if _, got := n.dial(phone, bob, "0722333444"); got != 500 || len(second.calls) != 0 {
		t.Errorf("after it rang: %d, second asked %d times", got, len(second.calls))
	}
}

// TestNumbersAndNamesOnTrunks: numbers in the form that each side wants, and who
// is shown to whom.
func TestNumbersAndNamesOnTrunks(t *testing.T) {
	n := up(t)
	mobile := n.line("127.0.0.4", nil)
	n.must(`{kind: tenant, name: default, spec: {language: en, region: RO}}
---
{kind: user, name: bob, spec: {roles: [agent], device: bob, outside: ["07"]}}
---
{kind: number, name: did, spec: {digits: "+40213456789", device: anna}}
---
{kind: trunk, name: mobile, spec: {target: "sip:` + mobile.Addr().String() + `", addresses: ["` + mobile.Addr().String() + `"], prefixes: ["+407"], number_format: e164,
  caller_id: "+40213456789", send_identity: pai, trust_identity: true}}`)
	phone := n.phone("127.0.0.1", nil)
	c, err := phone.Invite(robot.Options{To: "0722-333-444", From: bob, Headers: []string{"Privacy: id"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WaitState(within(t), robot.Up); err != nil {
		t.Fatal(err)
	}
	out := <-mobile.calls
	m := out.Request()
	if !strings.HasPrefix(m.URI, "sip:+40722333444@") || !strings.Contains(m.Get("from"), "anonymous.invalid") || m.Get("privacy") != "id" ||
		!strings.HasPrefix(m.Get("p-asserted-identity"), "<sip:+40213456789@") {
		t.Errorf("%s\nFrom: %s\nPrivacy: %s\nP-Asserted-Identity: %s", m.URI, m.Get("from"), m.Get("privacy"), m.Get("p-asserted-identity"))
	}
	hangUp(c)
	// 021 is not within 07, however it is written.
	for _, to := range []string{"0212345678", "+40212345678", "0040212345678"} {
		if _, code := n.dial(phone, bob, to); code != 404 && code != 403 {
			t.Errorf("%s: %d", to, code)
		}
	}

	rings := make(chan *robot.Call, 1)
	n.register(n.phone("127.0.0.1", rings), anna)
	in, err := mobile.Invite(robot.Options{To: "0213456789", From: robot.Account{User: "0700000000"}, Headers: []string{
		`P-Asserted-Identity: "Ion" <sip:0733111222@carrier>`, "Diversion: <sip:0744111222@carrier>;reason=no-answer"}})
	if err != nil {
		t.Fatal(err)
	}
	ring := n.ring(rings)
	if from := ring.Request().Get("from"); !strings.Contains(from, "sip:+40733111222@") || !strings.Contains(from, "Ion") {
		t.Error(from)
	}
	hangUp(in)
	r := n.record("default", in)
	if r.From != "+40733111222" || r.Trunk != "mobile" {
		t.Errorf("%+v", r)
	}
	d, err := n.Call(context.Background(), "default", r.ID)
	if err != nil || !strings.Contains(fmt.Sprint(string(d.Events[0].Data)), `"diverted_by":"0744111222"`) {
		t.Errorf("%v %s", err, d.Events[0].Data)
	}
	// Anonymous to the house, known to the record.
	in, _ = mobile.Invite(robot.Options{To: "0213456789", From: robot.Account{User: "anonymous"}, Headers: []string{
		`P-Asserted-Identity: <sip:+40733111222@carrier>`, "Privacy: id"}})
	ring = n.ring(rings)
	if from := ring.Request().Get("from"); strings.Contains(from, "733111222") || !strings.Contains(from, "anonymous") {
		t.Error(from)
	}
	hangUp(in)
	if r := n.record("default", in); r.From != "+40733111222" {
		t.Errorf("%+v", r)
	}
}

// TestEmergencyCallsPass: no right, a full trunk, a full house, a drain.
func TestEmergencyCallsPass(t *testing.T) {
	n := up(t)
	carrier := n.line("127.0.0.4", nil)
	n.must(`{kind: tenant, name: default, spec: {language: en, region: MD}}
---
{kind: trunk, name: north, spec: {target: "sip:` + carrier.Addr().String() + `", prefixes: ["0"], max_calls: 1, strip_digits: 1}}`)
	phone := n.phone("127.0.0.1", nil)
	if _, code := n.dial(phone, anna, "0722333444"); code != 403 {
		t.Fatal("anna may call outside:", code)
	}
	busy, code := n.dial(phone, bob, "0722333444")
	if code != 200 {
		t.Fatal(code)
	}
	<-carrier.calls
	if _, code := n.dial(phone, bob, "0722333444"); code != 503 {
		t.Errorf("a full trunk: %d", code)
	}
	for _, number := range []string{"112", "911", "902"} {
		c, code := n.dial(phone, anna, number)
		if code != 200 {
			t.Fatalf("%s: %d", number, code)
		}
		if m := (<-carrier.calls).Request(); !strings.HasPrefix(m.URI, "sip:"+number+"@") {
			t.Error(m.URI)
		}
		hangUp(c)
	}
	if err := n.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, code := n.dial(phone, bob, "1000"); code != 503 {
		t.Errorf("while draining: %d", code)
	}
	c, code := n.dial(phone, anna, "112")
	if code != 200 {
		t.Fatalf("112 while draining: %d", code)
	}
	hangUp(c)
	hangUp(busy)
	if r := n.record("default", c); r.PeerTrunk != "north" {
		t.Errorf("%+v", r)
	}
}

// TestTrunkThatDoesNotAnswerGetsNoCalls: OPTIONS find out, calls go elsewhere at
// once, and come back.
func TestTrunkThatDoesNotAnswerGetsNoCalls(t *testing.T) {
	n := up(t)
	good := n.line("127.0.0.5", nil)
	sick := &registrar{t: t, answer: func(m *robot.Message) string { return "503 Service Unavailable" }}
	sick.open()
	n.must(fmt.Sprintf(trunkDoc, "sick", sick.addr, "priority: 20, options_interval: 2s, down_after: 1") +
		fmt.Sprintf(trunkDoc, "good", good.Addr(), "priority: 10"))
	n.eventually("the trunk is seen to be down", func() bool { return !n.trunk("sick").Up })
	if st := n.trunk("sick"); st.Usable || !strings.Contains(st.LastError, "503") || n.series("centrala_trunk_up", "trunk=sick") != 0 {
		t.Errorf("%+v", st)
	}
	c, code := n.dial(n.phone("127.0.0.1", nil), bob, "0722333444")
	if code != 200 {
		t.Fatal(code)
	}
	hangUp(c)
	if r := n.record("default", c); len(r.Legs) != 2 || r.PeerTrunk != "good" {
		t.Errorf("%+v", r.Legs)
	}
	sick.do(func() { sick.answer = func(*robot.Message) string { return "200 OK" } })
	n.eventually("the trunk is up again", func() bool { return n.trunk("sick").Up })
	// Nothing left to call over: told at once.
	n.must("{kind: trunk, name: good, spec: {addresses: [\"192.0.2.77\"]}}" + fmt.Sprintf(trunkDoc, "sick", sick.addr, "options_interval: 2s, down_after: 1") +
		fmt.Sprintf(trunkDoc, "north", sick.addr, "options_interval: 2s, down_after: 1"))
	sick.do(func() { sick.answer = func(*robot.Message) string { return "503 Service Unavailable" } })
	n.eventually("both are down", func() bool { return !n.trunk("sick").Up && !n.trunk("north").Up })
	if _, code := n.dial(n.phone("127.0.0.1", nil), bob, "0722333444"); code != 500 {
		t.Error(code)
	}
}

// registrar is a carrier's registrar: it answers each request by answer.
type registrar struct {
	t    *testing.T
	addr string
	u    net.PacketConn

	mu     sync.Mutex
	answer func(*robot.Message) string // status line, further lines behind it
	seen   []*robot.Message
}

func (r *registrar) do(f func()) { r.mu.Lock(); defer r.mu.Unlock(); f() }

func (r *registrar) open() {
	r.t.Helper()
	u, err := net.ListenPacket("udp", "127.0.0.7:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.u, r.addr = u, u.LocalAddr().String()
	done := make(chan struct{})
	r.t.Cleanup(func() { u.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 65535)
		for {
			k, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			m, err := robot.Parse(append([]byte(nil), b[:k]...))
			if err != nil || m.Status != 0 || m.Method == "ACK" {
				continue
			}
			r.mu.Lock()
			r.seen = append(r.seen, m)
			says := r.answer(m)
			r.mu.Unlock()
			status, more, _ := strings.Cut(says, "\n")
			text := "SIP/2.0 " + status + "\r\nVia: " + m.Get("via") + "\r\nFrom: " + m.Get("from") + "\r\nTo: " + m.Get("to") + ";tag=r\r\nCall-ID: " +
				m.Get("call-id") + "\r\nCSeq: " + m.Get("cseq") + "\r\n"
			if more != "" {
				text += strings.ReplaceAll(more, "\n", "\r\n") + "\r\n"
			}
			_, _ = u.WriteTo([]byte(text+"Content-Length: 0\r\n\r\n"), from)
		}
	}()
}

func (r *registrar) registers() (out []*robot.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.seen {
		if m.Method == "REGISTER" {
			out = append(out, m)
		}
	}
	return out
}

// TestTrunkRegistersWithItsCarrier: with digest, calls in by the contact, taken
// back at the end, and a wrong password told.
func TestTrunkRegistersWithItsCarrier(t *testing.T) {
	n := prepare(t)
	n.make(nil)
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	r := &registrar{t: t, answer: func(m *robot.Message) string {
		if !strings.Contains(m.Get("authorization"), `username="house"`) {
			return "401 Unauthorized\nWWW-Authenticate: Digest realm=\"c\", nonce=\"n\", algorithm=MD5, qop=\"auth\""
		}
		return "200 OK\nContact: " + m.Get("contact") + ";expires=" + m.Get("expires")
	}}
	r.open()
	n.must(`{kind: number, name: did, spec: {digits: "0213456789", flow: hear}}
---
{kind: trunk, name: reg, spec: {target: "sip:` + r.addr + `", prefixes: ["+43"], auth_user: house, auth_password: secret, register: {user: "4021", domain: carrier.example}}}`)
	if st := n.trunk("reg"); st.Registration == "none" {
		t.Errorf("%+v", st)
	}
	n.eventually("registered", func() bool { return n.trunk("reg").Registration == "registered" })
	if st := n.trunk("reg"); !st.Usable || st.Address != "udp "+r.addr || n.series("centrala_trunk_registered", "trunk=reg") != 1 {
		t.Errorf("%+v", st)
	}
	regs := r.registers()
	if len(regs) != 2 || regs[0].Get("to") != "<sip:4021@carrier.example>" || !strings.Contains(regs[1].Get("contact"), "sip:4021@") {
		t.Errorf("%d REGISTERs, %s", len(regs), regs[0].Get("to"))
	}
	// The carrier calls the contact; the number dialled is in To.
	invite := func(from net.PacketConn) string {
		text := "INVITE sip:4021@" + n.sip().String() + " SIP/2.0\r\nVia: SIP/2.0/UDP " + from.LocalAddr().String() + ";branch=z9hG4bKin\r\nMax-Forwards: 70\r\n" +
			"From: <sip:0700@c>;tag=f\r\nTo: <sip:0213456789@c>\r\nCall-ID: in@" + from.LocalAddr().String() + "\r\nCSeq: 1 INVITE\r\nContact: <sip:c@" + from.LocalAddr().String() + ">\r\nContent-Length: 0\r\n\r\n"
		_, _ = from.WriteTo([]byte(text), net.UDPAddrFromAddrPort(n.sip()))
		return text
	}
	invite(r.u)
	n.eventually("a call of the registered trunk", func() bool {
		page, err := n.Calls(context.Background(), "default", api.CallFilter{Live: true})
		return err == nil && len(page.Calls) == 1 && page.Calls[0].Trunk == "reg" && page.Calls[0].To == "0213456789" && page.Calls[0].Flow == "hear"
	})
	// From another address the same is a stranger's.
	stranger, err := net.ListenPacket("udp", "127.0.0.8:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	invite(stranger)
	b := make([]byte, 2000)
	stranger.SetReadDeadline(time.Now().Add(3 * time.Second))
	if k, _, err := stranger.ReadFrom(b); err != nil || !strings.HasPrefix(string(b[:k]), "SIP/2.0 401 ") {
		t.Errorf("%v %q", err, b[:k])
	}
	page, _ := n.Calls(context.Background(), "default", api.CallFilter{Live: true})
	for _, c := range page.Calls {
		_ = n.HangUp(context.Background(), "default", c.ID)
	}
	stop(t, n.App)
	last := r.registers()
	if m := last[len(last)-1]; m.Get("expires") != "0" {
		t.Errorf("the registration was left behind: Expires %s", m.Get("expires"))
	}
}

func TestTrunkWithAWrongPassword(t *testing.T) {
	n := up(t)
	r := &registrar{t: t, answer: func(m *robot.Message) string {
		return fmt.Sprintf("401 Unauthorized\nWWW-Authenticate: Digest realm=\"c\", nonce=\"%d\", algorithm=MD5, qop=\"auth\"", time.Now().UnixNano())
	}}
	r.open()
	n.must(`{kind: trunk, name: reg, spec: {target: "sip:` + r.addr + `", prefixes: ["0"], auth_user: house, auth_password: wrong, register: {}}}`)
	n.eventually("the failure is told", func() bool { return n.trunk("reg").Registration == "failed" })
	st := n.trunk("reg")
	if st.Usable || !strings.Contains(st.LastError, "check auth_user and auth_password") || strings.Contains(st.LastError, "wrong") {
		t.Errorf("%+v", st)
	}
	if k := len(r.registers()); k != 2 {
		t.Errorf("%d REGISTERs: a wrong password must not be tried on and on", k)
	}
}

// TestWeightsShareCalls: three to one, over many calls.
func TestWeightsShareCalls(t *testing.T) {
	n := up(t)
	a, b := n.line("127.0.0.4", refuse(486)), n.line("127.0.0.5", refuse(486))
	n.must(fmt.Sprintf(trunkDoc, "a", a.Addr(), "priority: 5, weight: 3") + fmt.Sprintf(trunkDoc, "b", b.Addr(), "priority: 5, weight: 1"))
	phone := n.phone("127.0.0.1", nil)
	const calls = 16 // what a line's channel takes
	for range calls {
		n.dial(phone, bob, "0722333444")
	}
	// All sixteen on the lighter one: once in 2^32.
	if len(a.calls)+len(b.calls) != calls || len(a.calls) == 0 {
		t.Errorf("%d and %d of %d", len(a.calls), len(b.calls), calls)
	}
}

// TestTrunkByDigest: a far side without a fixed address proves itself with each
// call, and is a carrier then, not a phone.
func TestTrunkByDigest(t *testing.T) {
	n := up(t)
	n.must(`{kind: trunk, name: branch, spec: {username: branch, password: pw-branch}}`)
	far := n.phone("127.0.0.1", nil)
	branch := robot.Account{User: "branch", Password: "pw-branch"}
	c, code := n.dial(far, branch, "1000")
	if code != 200 {
		t.Fatal(code)
	}
	hangUp(c)
	if r := n.record("default", c); r.Trunk != "branch" || r.Device != "" || r.Direction != "in" {
		t.Errorf("%+v", r)
	}
	for _, to := range []string{"201", "0722333444", "112", "*9"} { // extensions, the outside, codes: of the house alone
		if _, code := n.dial(far, branch, to); code != 404 {
			t.Errorf("%s: %d", to, code)
		}
	}
	if _, code := n.dial(far, robot.Account{User: "branch", Password: "guess"}, "1000"); code != 401 {
		t.Errorf("a wrong password: %d", code)
	}
	if err := far.RegisterWait(within(t), branch, 600); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("registered: %v", err)
	}
	if out := n.export(false); strings.Contains(out, "pw-branch") {
		t.Error("the export tells the password")
	}
	// The masked text applied again keeps it.
	n.must(n.export(false))
	if _, code := n.dial(far, branch, "1000"); code != 200 {
		t.Errorf("after the masked text was applied: %d", code)
	}
	if res, err := n.apply(`{kind: trunk, name: other, spec: {username: anna, password: x}}`, api.ApplyOptions{}); err == nil {
		t.Errorf("a phone's username was taken: %+v", res)
	}
}
