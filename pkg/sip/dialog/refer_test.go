package dialog

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func referTo(v string) string { return "Refer-To: " + v }

// state is Subscription-State of the last request.
func (s *score) frag(t *testing.T, state, event string) {
	t.Helper()
	if !strings.HasPrefix(s.header("Subscription-State"), state) || s.header("Event") != event ||
		s.header("Content-Type") != "message/sipfrag;version=2.0" || s.header("Contact") == "" {
		t.Errorf("want %s %s\n%s", state, event, s.last())
	}
}

func TestRefer(t *testing.T) {
	tests := []struct {
		name string
		play func(t *testing.T)
	}{
		{"blind: taken, told, done", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo(`"<x>" <sip:200@us.example;user=phone>`), "Referred-By: <sip:bob@them.example>;cid=1"),
				"Referred (sip:200@us.example;user=phone) (sip:bob@them.example)")
			s.do(AcceptRefer{}, "202 r", "NOTIFY 1 SIP/2.0 100 Trying")
			s.frag(t, "active;expires=", "refer")
			s.do(NotifyRefer{180, ""}) // waits for the answer to the first
			s.do(NotifyRefer{183, ""})
			s.do(s.res(200, "NOTIFY", 1, "peer", ""), "NOTIFY 2 SIP/2.0 183 Session Progress")
			s.do(NotifyRefer{200, ""})
			s.do(NotifyRefer{180, ""}) // nothing follows the end
			s.do(s.res(200, "NOTIFY", 2, "peer", ""), "NOTIFY 3 SIP/2.0 200 OK")
			s.frag(t, "terminated;reason=noresource", "refer")
			s.do(s.res(200, "NOTIFY", 3, "peer", ""))
			s.do(s.req("REFER", 12, "q", "", referTo("sip:300@us.example;x=y")), "Referred (sip:300@us.example)")
			s.do(RefuseRefer{403}, "403 q")
			s.do(s.req("REFER", 13, "p", "", referTo("sip:300@us.example")), "Referred (sip:300@us.example)")
			s.do(AcceptRefer{}, "202 p", "NOTIFY 4 SIP/2.0 100 Trying")
			s.frag(t, "active", "refer;id=13")
			s.do(s.req("BYE", 14, "b", ""), "200 b", "Ended remote")
		}},
		{"attended: Replaces is read", func(t *testing.T) {
			s := talkIn(t)
			s.step(s.req("REFER", 11, "r", "", referTo("<sip:200@us.example?Replaces=a%40b%3Bto-tag%3Dx1%3Bfrom-tag%3Dy2&Require=replaces>")))
			s.got = nil
			ev := Referred{}
			d := Restore(s.cfg, s.d.State())
			for _, e := range d.Step(time.Time{}, s.req("REFER", 12, "q", "", referTo("<sip:z@z>"))) {
				if r, ok := e.(SendResponse); !ok || r.Code != 491 {
					t.Errorf("%+v", e) // one at a time
				}
			}
			ev, _, code := readRefer(s.reqs["r"])
			if code != 0 || ev.To != "sip:200@us.example" || ev.Replaces == nil || *ev.Replaces != (Replaces{CallID: "a@b", ToTag: "x1", FromTag: "y2"}) {
				t.Errorf("%d %+v", code, ev)
			}
		}},
		{"the referrer hangs up right behind the 202", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.do(AcceptRefer{}, "202 r", "NOTIFY 1 SIP/2.0 100 Trying")
			s.do(s.req("BYE", 12, "b", ""), "200 b", "Ended remote")
			s.do(s.req("INVITE", 13, "i", "x"), "481 i") // the call is over
			s.do(s.req("BYE", 14, "c", ""), "481 c")
			s.do(s.res(200, "NOTIFY", 1, "peer", ""))
			s.do(NotifyRefer{180, ""}, "NOTIFY 2 SIP/2.0 180 Ringing")
			s.do(s.res(200, "NOTIFY", 2, "peer", ""))
			s.do(NotifyRefer{486, "Busy \r\nX: y"}, "NOTIFY 3 SIP/2.0 486 Busy Here")
			s.do(s.res(200, "NOTIFY", 3, "peer", ""), "terminate")
		}},
		{"and knows no subscription any more", func(t *testing.T) {
			for _, ev := range []func(s *score) Event{
				func(s *score) Event { return s.res(481, "NOTIFY", 1, "peer", "") },
				func(*score) Event { return TransactionFailed{CSeq: 1, Method: sip.NOTIFY} },
				func(*score) Event { return TransportFailed{} },
				func(*score) Event { return End{} },
			} {
				s := talkIn(t)
				s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
				s.do(AcceptRefer{}, "202 r", "NOTIFY 1 SIP/2.0 100 Trying")
				s.do(s.req("BYE", 12, "b", ""), "200 b", "Ended remote")
				s.do(ev(s), "terminate")
			}
		}},
		{"481 to a NOTIFY leaves the call alone", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.do(AcceptRefer{}, "202 r", "NOTIFY 1 SIP/2.0 100 Trying")
			s.do(s.res(481, "NOTIFY", 1, "peer", ""))
			s.do(NotifyRefer{200, ""})
			s.wait(time.Hour)
			s.do(End{}, "Ended local", "BYE 2")
		}},
		{"we hang up when the transfer stands", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.do(AcceptRefer{}, "202 r", "NOTIFY 1 SIP/2.0 100 Trying")
			s.do(NotifyRefer{200, ""})
			s.do(End{}, "Ended local", "BYE 2")
			s.do(s.res(200, "NOTIFY", 1, "peer", ""), "NOTIFY 3 SIP/2.0 200 OK")
			s.do(s.res(200, "BYE", 2, "peer", ""))
			s.do(s.res(200, "NOTIFY", 3, "peer", ""), "terminate")
		}},
		{"the answer to BYE comes last", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.do(AcceptRefer{}, "202 r", "NOTIFY 1 SIP/2.0 100 Trying")
			s.do(End{}, "Ended local", "BYE 2")
			s.do(s.res(481, "NOTIFY", 1, "peer", ""))
			s.do(s.res(200, "BYE", 2, "peer", ""), "terminate")
		}},
		{"nobody answers the REFER, then nobody tells the end", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.wait(5*time.Second, "603 r")
			s.do(AcceptRefer{})
			s.do(s.req("REFER", 12, "q", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.do(AcceptRefer{}, "202 q", "NOTIFY 1 SIP/2.0 100 Trying")
			s.do(s.res(200, "NOTIFY", 1, "peer", ""))
			s.do(s.req("BYE", 13, "b", ""), "200 b", "Ended remote")
			s.wait(200*time.Second, "NOTIFY 2 SIP/2.0 100 Trying")
			s.frag(t, "terminated;reason=timeout", "refer;id=12")
			s.wait(32*time.Second, "terminate") // its answer stays out
		}},
		{"BYE before we answered the REFER", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.do(s.req("BYE", 12, "b", ""), "200 b", "487 r", "Ended remote", "terminate")
		}},
		{"no subscription wanted (RFC 4488)", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>"), "Refer-Sub: false", "Require: norefersub"), "Referred (sip:200@h)")
			s.do(AcceptRefer{}, "202 r")
			if s.heard("Refer-Sub") != "false" {
				t.Error(s.lastOK)
			}
			s.do(NotifyRefer{200, ""})
			s.do(s.req("BYE", 12, "b", ""), "200 b", "Ended remote", "terminate")
		}},
		{"the subscription is refreshed, then ended by its subscriber", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.do(AcceptRefer{}, "202 r", "NOTIFY 1 SIP/2.0 100 Trying")
			s.do(s.res(200, "NOTIFY", 1, "peer", ""))
			s.do(s.req("SUBSCRIBE", 12, "s", "", "Event: refer", "Expires: 60"), "200 s", "NOTIFY 2 SIP/2.0 100 Trying")
			s.do(s.res(200, "NOTIFY", 2, "peer", ""))
			s.do(s.req("SUBSCRIBE", 13, "u", "", "Event: refer", "Expires: 0"), "200 u", "NOTIFY 3 SIP/2.0 100 Trying")
			s.frag(t, "terminated;reason=timeout", "refer")
			s.do(s.res(200, "NOTIFY", 3, "peer", ""))
			s.do(s.req("SUBSCRIBE", 14, "v", "", "Event: refer", "Expires: 60"), "481 v")
		}},
		{"before the call is answered", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "491 r")
		}},
		{"challenged NOTIFY", func(t *testing.T) {
			s := talkIn(t)
			s.d.s.AuthUser, s.d.s.AuthPassword = "u", "p"
			s.do(s.req("REFER", 11, "r", "", referTo("<sip:200@h>")), "Referred (sip:200@h)")
			s.do(AcceptRefer{}, "202 r", "NOTIFY 1 SIP/2.0 100 Trying")
			s.do(s.res(401, "NOTIFY", 1, "peer", "", `WWW-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"`), "NOTIFY 2 SIP/2.0 100 Trying")
			if s.header("Event") != "refer" || s.header("Authorization") == "" {
				t.Error(s.last())
			}
		}},
	}
	for _, c := range tests {
		t.Run(c.name, c.play)
	}
}

func TestReferRefused(t *testing.T) {
	for _, c := range []struct {
		code int
		hs   []string
	}{
		{400, nil},
		{400, []string{referTo("<sip:a@h>"), referTo("<sip:b@h>")}},
		{400, []string{referTo("<sip:a@h>"), "r: <sip:b@h>"}},
		{400, []string{referTo("<sip:" + strings.Repeat("a", 1100) + "@h>")}},
		{400, []string{referTo("<sip:a b@h>")}},
		{400, []string{referTo("<sip:a@h")}},
		{400, []string{referTo("<sip:@>")}},
		{416, []string{referTo("<tel:+4072>")}},
		{416, []string{referTo("<http://h/>")}},
		{400, []string{referTo(`"unclosed <sip:a@h>`)}},
		{501, []string{referTo("<sip:a@h;method=BYE>")}},
		{400, []string{referTo("<sip:a@h?Replaces=x>")}},
		{400, []string{referTo("<sip:a@h?Replaces=x%3bto-tag%3da>")}},
		{400, []string{referTo("<sip:a@h?Replaces=x%3bto-tag%3da%3bfrom-tag%3db&replaces=x%3bto-tag%3da%3bfrom-tag%3db>")}},
		{400, []string{referTo("<sip:a@h?Replaces=%0d%0ax%3bto-tag%3da%3bfrom-tag%3db>")}},
		{400, []string{referTo("<sip:a@h?Replaces=%zz>")}},
		{420, []string{referTo("<sip:a@h>"), "Require: multiple-refer"}},
	} {
		s := talkIn(t)
		s.step(s.req("REFER", 11, "r", "", c.hs...))
		if len(s.got) != 1 || s.lastOK.StatusCode != c.code {
			t.Errorf("%q: %q, want %d", c.hs, s.got, c.code)
		}
	}
}

func TestReplaces(t *testing.T) {
	for in, want := range map[string]Replaces{
		"a@b;to-tag=1;from-tag=2":                {"a@b", "1", "2", false},
		"a@b ; From-Tag=2;early-only;to-tag=1;x": {"a@b", "1", "2", true},
	} {
		if got, ok := ParseReplaces(in); !ok || got != want {
			t.Errorf("%q: %+v %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "a", "a;to-tag=1", "a;from-tag=1", "a;to-tag=1;to-tag=1;from-tag=2", "a b;to-tag=1;from-tag=2",
		";to-tag=1;from-tag=2", "a;to-tag=;from-tag=2", "a;to-tag=1;from-tag=2;early-only=1", strings.Repeat("a", 800) + ";to-tag=1;from-tag=2"} {
		if got, ok := ParseReplaces(in); ok {
			t.Errorf("%q: %+v", in, got)
		}
	}
	s := dial(t, nil)
	tag := s.d.LocalTag()
	check := func(when string, r Replaces, wantEarly, want bool) {
		t.Helper()
		if early, ok := s.d.Replaced(r); ok != want || early != wantEarly {
			t.Errorf("%s: %v %v", when, early, ok)
		}
	}
	check("calling", Replaces{ToTag: tag, FromTag: "a"}, false, false)
	s.step(s.inv(180, 1, "a", ""))
	check("ringing", Replaces{ToTag: tag, FromTag: "a"}, true, true)
	check("ringing, as the phone sees it", Replaces{ToTag: "a", FromTag: tag}, true, true)
	check("ringing, another fork", Replaces{ToTag: tag, FromTag: "b"}, false, false)
	check("ringing, another dialog", Replaces{ToTag: "x", FromTag: "a"}, false, false)
	s.step(s.inv(200, 1, "a", "x"))
	check("up", Replaces{ToTag: tag, FromTag: "a"}, false, true)
	check("up, wrong tag", Replaces{ToTag: tag, FromTag: "b"}, false, false)
	s.step(End{})
	check("over", Replaces{ToTag: tag, FromTag: "a"}, false, false)
	s = incoming(t, "offer")
	s.step(Progress{180, nil})
	check("an early dialog that we did not begin", Replaces{ToTag: s.d.LocalTag(), FromTag: "peer"}, false, false)
}
