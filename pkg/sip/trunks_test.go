package sip

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/sip/digest"
)

// reply answers a request of ours as a carrier would.
func reply(w *wire, to netip.AddrPort, m, status string, extra ...string) {
	r := "SIP/2.0 " + status + "\r\n"
	for _, n := range []string{"Via", "From", "Call-ID", "CSeq"} {
		r += n + ": " + header(m, n) + "\r\n"
	}
	tag := ";tag=c"
	if strings.Contains(header(m, "To"), "tag=") {
		tag = ""
	}
	r += "To: " + header(m, "To") + tag + "\r\n"
	for _, e := range extra {
		r += e + "\r\n"
	}
	w.send(to, r+"Content-Length: 0\r\n\r\n")
}

func cseqOf(m string) string { return header(m, "CSeq") }

var north = TrunkConfig{Tenant: "acme", Name: "north", Target: "sip:carrier.example", AuthUser: "house", AuthPassword: "secret",
	Register: TrunkRegistration{AOR: "sip:4021@carrier.example", Contact: "4021", Expires: 10 * time.Minute}}

func (b *bench) trunk() TrunkStatus {
	b.t.Helper()
	synctest.Wait()
	st, ok := b.s.Trunk("acme", "north")
	if !ok {
		b.t.Fatal("trunk not looked after")
	}
	return st
}

func TestTrunkRegisters(t *testing.T) {
	run(t, false, func(b *bench) {
		b.n.host["carrier.example"] = addr("192.0.2.99")
		b.s.SetTrunks([]TrunkConfig{north})
		m := b.want("REGISTER sip:carrier.example SIP/2.0")
		if st := b.trunk(); st.Registered || st.Usable() || !st.Registers {
			t.Errorf("%+v", st)
		}
		if header(m, "To") != "<sip:4021@carrier.example>" || header(m, "Expires") != "600" || !strings.HasPrefix(header(m, "Contact"), "<sip:4021@192.0.2.1:") {
			t.Error(m)
		}
		callID := header(m, "Call-ID")
		reply(b.w, b.to, m, "401 Unauthorized", `WWW-Authenticate: Digest realm="c", nonce="n", algorithm=MD5, qop="auth"`)
		m = b.want("REGISTER ")
		if header(m, "Call-ID") != callID || cseqOf(m) != "2 REGISTER" {
			t.Error(m)
		}
		c, err := digest.ParseCredentials(header(m, "Authorization"))
		if err != nil || c.URI != "sip:carrier.example" || c.Username != "house" {
			t.Errorf("%+v %v", c, err)
		}
		reply(b.w, b.to, m, "200 OK", "Contact: "+header(m, "Contact")+";expires=100, <sip:else@192.0.2.50>;expires=3600",
			"Service-Route: <sip:out.carrier.example;lr>, <sip:b;lr>", "Date: now")
		start := time.Now()
		st := b.trunk()
		if !st.Usable() || !st.Registered || len(st.ServiceRoute) != 2 || st.Address.String() != peerAddr || st.Until.Sub(start) > 100*time.Second {
			t.Errorf("%+v", st)
		}
		if id, ok := b.s.trunkOf(addr5(peerAddr)); !ok || id.Trunk != "north" {
			t.Error("calls of the registrar are not known as the trunk's")
		}
		if _, ok := b.s.trunkOf(addr5("192.0.2.99:1234")); ok {
			t.Error("a stranger passes for the trunk")
		}
		b.silence(79 * time.Second)
		m = b.want("REGISTER ")
		if took := time.Since(start); took < 80*time.Second || took > 91*time.Second { // a tick of the clock behind
			t.Errorf("refreshed after %v", took)
		}
		if !strings.Contains(header(m, "Authorization"), "nc=00000002") {
			t.Error(m)
		}
		reply(b.w, b.to, m, "200 OK", "Contact: "+header(m, "Contact")+";expires=100")
		b.trunk()
		// The same again disturbs nothing.
		b.s.SetTrunks([]TrunkConfig{north})
		b.silence(70 * time.Second)
		// Stopping takes it back.
		done := make(chan struct{})
		go func() { defer close(done); _ = b.s.Stop(context.Background()) }()
		m = b.want("REGISTER ")
		if header(m, "Expires") != "0" {
			t.Error(m)
		}
		reply(b.w, b.to, m, "200 OK")
		<-done
	})
}

func TestTrunkChangesLive(t *testing.T) {
	run(t, false, func(b *bench) {
		b.n.host["carrier.example"] = addr("192.0.2.99")
		b.s.SetTrunks([]TrunkConfig{north})
		ok := func(m string) {
			reply(b.w, b.to, m, "200 OK", "Contact: "+header(m, "Contact")+";expires="+header(m, "Expires"))
		}
		first := b.want("REGISTER ")
		ok(first)
		b.trunk()
		// Probing begun does not touch the registration.
		probed := north
		probed.Options = 30 * time.Second
		b.s.SetTrunks([]TrunkConfig{probed})
		m := b.want("OPTIONS sip:carrier.example")
		reply(b.w, b.to, m, "200 OK")
		if st := b.trunk(); !st.Registered || !st.Probed || !st.Up {
			t.Errorf("%+v", st)
		}
		// Another account: the old one is taken back before the new one is made.
		b.s.SetTrunks([]TrunkConfig{north}) // probing ends
		other := north
		other.Register.AOR = "sip:4022@carrier.example"
		b.s.SetTrunks([]TrunkConfig{other})
		m = b.want("REGISTER ")
		if header(m, "Expires") != "0" || header(m, "Call-ID") != header(first, "Call-ID") {
			t.Error(m)
		}
		b.silence(400 * time.Millisecond)
		ok(m)
		m = b.want("REGISTER ")
		if header(m, "To") != "<sip:4022@carrier.example>" || header(m, "Expires") != "600" {
			t.Error(m)
		}
		ok(m)
		b.trunk()
		b.s.SetTrunks(nil)
		m = b.want("REGISTER ")
		if header(m, "Expires") != "0" {
			t.Error(m)
		}
		ok(m)
		synctest.Wait()
		if len(b.s.TrunkStatus()) != 0 {
			t.Error(b.s.TrunkStatus())
		}
		if _, known := b.s.trunkOf(addr5(peerAddr)); known {
			t.Error("a trunk that is gone still lets calls in")
		}
	})
}

func TestTrunkHealth(t *testing.T) {
	run(t, false, func(b *bench) {
		c := TrunkConfig{Tenant: "acme", Name: "north", Target: "sip:" + peerAddr, Options: 20 * time.Second}
		b.s.SetTrunks([]TrunkConfig{c})
		m := b.want("OPTIONS ")
		if cseqOf(m) != "1 OPTIONS" || header(m, "Max-Forwards") == "" {
			t.Error(m)
		}
		reply(b.w, b.to, m, "404 Not Found") // somebody is there
		if st := b.trunk(); !st.Up || st.LastError != "" {
			t.Errorf("%+v", st)
		}
		for range 2 {
			reply(b.w, b.to, b.want("OPTIONS "), "503 Service Unavailable")
		}
		if st := b.trunk(); st.Usable() || !strings.Contains(st.LastError, "503") {
			t.Errorf("%+v", st)
		}
		reply(b.w, b.to, b.want("OPTIONS "), "200 OK")
		if !b.trunk().Up {
			t.Error("not up again")
		}
		// Silence: down well before two transactions' time-outs.
		start := time.Now()
		for b.trunk().Up && time.Since(start) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(start); took > 40*time.Second {
			t.Errorf("down after %v", took)
		}
		for b.w.read(time.Millisecond) != "" {
		}
	})
}

func TestTrunkTriesEveryAddress(t *testing.T) {
	run(t, false, func(b *bench) {
		b.n.zone = []string{"_sip._udp.carrier.example. 60 IN SRV 10 0 5060 a.example.", "_sip._udp.carrier.example. 60 IN SRV 20 0 5060 b.example.",
			"a.example. 60 IN A 192.0.2.98", "b.example. 60 IN A 192.0.2.99"}
		a := b.n.wire(t, "192.0.2.98:5060")
		defer a.u.Close()
		b.s.SetTrunks([]TrunkConfig{north})
		m := a.read(time.Minute)
		reply(a, b.to, m, "503 Service Unavailable")
		m = b.want("REGISTER ")
		reply(b.w, b.to, m, "200 OK", "Contact: "+header(m, "Contact")+";expires=600")
		if st := b.trunk(); !st.Registered || st.Address.String() != peerAddr {
			t.Errorf("%+v", st)
		}
	})
}

// TestDialGoesOn: the addresses of one name in turn, until somebody rings.
func TestDialGoesOn(t *testing.T) {
	run(t, true, func(b *bench) {
		b.n.zone = []string{"_sip._udp.carrier.example. 600 IN SRV 10 0 5060 a.example.", "_sip._udp.carrier.example. 600 IN SRV 20 0 5060 b.example.",
			"_sip._udp.carrier.example. 600 IN SRV 30 0 5060 c.example.",
			"a.example. 600 IN A 192.0.2.97", "b.example. 600 IN A 192.0.2.98", "c.example. 600 IN A 192.0.2.99"}
		first, second := b.n.wire(t, "192.0.2.97:5060"), b.n.wire(t, "192.0.2.98:5060")
		defer first.u.Close()
		defer second.u.Close()
		ev := newEvents()
		start := time.Now()
		d, err := b.s.Dial(DialRequest{Target: Target{URI: "sip:7@carrier.example"}, SDP: sdpA, TryTimeout: 4 * time.Second, RingTimeout: time.Minute}, ev.sink)
		if err != nil {
			t.Fatal(err)
		}
		lost := first.read(time.Minute) // and no word
		m := second.read(time.Minute)
		if took := time.Since(start).Round(time.Second); took != 4*time.Second {
			t.Errorf("went on after %v", took)
		}
		reply(second, b.to, m, "100 Trying")
		reply(second, b.to, m, "503 Service Unavailable", "Retry-After: 10")
		if a := second.read(time.Minute); !strings.HasPrefix(a, "ACK ") {
			t.Error(a)
		}
		m = b.want("INVITE ")
		if header(m, "Call-ID") != d.SIPCallID() {
			t.Error(m)
		}
		// The first comes to life, too late: answered, so it is hung up.
		for first.read(10*time.Millisecond) != "" { // its retransmissions
		}
		reply(first, b.to, lost, "200 OK", "Contact: <sip:7@192.0.2.97>", "Content-Type: application/sdp")
		if a := first.read(time.Minute); !strings.HasPrefix(a, "ACK ") {
			t.Error(a)
		}
		bye := first.read(time.Minute)
		if !strings.HasPrefix(bye, "BYE ") {
			t.Error(bye)
		}
		reply(first, b.to, bye, "200 OK")
		reply(b.w, b.to, m, "180 Ringing")
		next[Progressed](t, ev)
		// Rang: a 503 now is the callee's fate, not a reason to ring elsewhere.
		reply(b.w, b.to, m, "503 Service Unavailable")
		b.want("ACK ")
		if f := next[Failed](t, ev); f.Code != 503 {
			t.Errorf("%+v", f)
		}
		next[Ended](t, ev)
		// The next call begins with the one that is not known to be bad.
		ev = newEvents()
		d, _ = b.s.Dial(DialRequest{Target: Target{URI: "sip:8@carrier.example"}, SDP: sdpA, TryTimeout: 4 * time.Second}, ev.sink)
		_ = d
		for _, w := range []*wire{first, second, b.w} {
			for m := w.read(50 * time.Millisecond); m != ""; m = w.read(50 * time.Millisecond) {
				reply(w, b.to, m, "486 Busy Here")
			}
		}
		if f := next[Failed](t, ev); f.Code != 486 {
			t.Errorf("%+v", f)
		}
		next[Ended](t, ev)
		b.empty()
	})
}

// TestDialNobodyAnywhere: every address silent ends in one 408, and a hang-up in
// between ends it at once.
func TestDialNobodyAnywhere(t *testing.T) {
	run(t, true, func(b *bench) {
		b.n.zone = []string{"_sip._udp.dead.example. 600 IN SRV 10 0 5060 a.example.", "_sip._udp.dead.example. 600 IN SRV 20 0 5060 b.example.",
			"a.example. 600 IN A 192.0.2.97", "b.example. 600 IN A 192.0.2.98"}
		ev := newEvents()
		start := time.Now()
		if _, err := b.s.Dial(DialRequest{Target: Target{URI: "sip:7@dead.example"}, SDP: sdpA, TryTimeout: 4 * time.Second}, ev.sink); err != nil {
			t.Fatal(err)
		}
		if f := next[Failed](t, ev); f.Code != 408 || !f.Timeout || time.Since(start).Round(time.Second) != 8*time.Second {
			t.Errorf("%+v after %v", f, time.Since(start))
		}
		if e := next[Ended](t, ev); e.By != EndTimeout {
			t.Errorf("%+v", e)
		}
		b.empty()
		d, _ := b.s.Dial(DialRequest{Target: Target{URI: "sip:7@dead.example"}, SDP: sdpA, TryTimeout: 4 * time.Second}, ev.sink)
		time.Sleep(5 * time.Second)
		d.End("normal")
		if e := next[Ended](t, ev); e.By != EndLocal {
			t.Errorf("%+v", e)
		}
		b.empty()
		// Without a try time-out, timer B does the same.
		start = time.Now()
		b.s.Dial(DialRequest{Target: Target{URI: "sip:7@dead.example"}, SDP: sdpA}, ev.sink)
		if f := next[Failed](t, ev); f.Code != 408 || time.Since(start).Round(time.Second) != 64*time.Second {
			t.Errorf("%+v after %v", f, time.Since(start))
		}
		next[Ended](t, ev)
		b.empty()
	})
}

func TestManyTrunks(t *testing.T) {
	run(t, false, func(b *bench) {
		var list []TrunkConfig
		for i := range 200 {
			c := north
			c.Name, c.Target = fmt.Sprintf("t%d", i), "sip:192.0.2.77" // nobody
			c.Options = 30 * time.Second
			list = append(list, c)
		}
		b.s.SetTrunks(list)
		time.Sleep(10 * time.Minute)
		for _, st := range b.s.TrunkStatus() {
			if st.Usable() || st.LastError == "" {
				t.Fatalf("%+v", st)
			}
		}
		b.s.SetTrunks(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := len(b.s.trunks.leaving) + len(b.s.trunks.lines); n != 0 {
			t.Errorf("%d lines left", n)
		}
		b.empty()
	})
}

func TestSplitRoutes(t *testing.T) {
	for in, want := range map[string]string{
		"<sip:a;lr>":                         "<sip:a;lr>",
		"<sip:a;lr>, <sip:b,c;lr>":           "<sip:a;lr>|<sip:b,c;lr>",
		`"x, \" y" <sip:a> ,<sip:b>;p="1,2"`: `"x, \" y" <sip:a>|<sip:b>;p="1,2"`,
		"":                                   "",
	} {
		if got := strings.Join(splitRoutes(in), "|"); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func addr5(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
