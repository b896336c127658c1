package dialog

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestOutgoing(t *testing.T) {
	tests := []struct {
		name string
		play func(t *testing.T)
	}{
		{"180, 200, BYE", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(100, 1, "", ""))
			s.do(s.inv(180, 1, "peer", ""), "Progressed 180 (peer)")
			s.do(s.inv(200, 1, "peer", "answer"), "ACK 1", "Answered answer")
			if got := s.last().Recipient.String(); got != peerContact {
				t.Errorf("ACK to %s, want the Contact", got)
			}
			s.do(End{Reason: "done"}, "Ended local (done)", "BYE 2")
			s.do(s.res(200, "BYE", 2, "peer", ""), "terminate")
		}},
		{"early media, then 180, then 200 without the answer again", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(183, 1, "peer", "early"), "Progressed 183 early (peer)")
			s.do(s.inv(180, 1, "peer", ""), "Progressed 180 (peer)")
			s.do(s.inv(200, 1, "peer", ""), "ACK 1", "Answered early")
		}},
		{"200 without any answer", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(200, 1, "peer", ""), "ACK 1", "Failed 488 (no session description in the answer)",
				"Ended rejected 488 (no session description in the answer)", "BYE 2")
			s.do(s.res(200, "BYE", 2, "peer", ""), "terminate")
		}},
		{"late offer", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.SDP = nil })
			s.want("INVITE 1")
			s.do(s.inv(200, 1, "peer", "theirs"), "Answered theirs NeedAnswer")
			s.do(s.inv(200, 1, "peer", "theirs")) // again, before our user answered
			s.do(Answer{[]byte("ours")}, "ACK 1 ours")
			s.do(s.inv(200, 1, "peer", "theirs"), "ACK 1 ours")
		}},
		{"late offer, ended before the answer", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.SDP = nil })
			s.want("INVITE 1")
			s.do(s.inv(200, 1, "peer", "theirs"), "Answered theirs NeedAnswer")
			s.do(End{}, "Ended local", "ACK 1", "BYE 2")
		}},
		{"retransmitted 200 is acknowledged again", func(t *testing.T) {
			s := talk(t)
			for range 3 {
				s.do(s.inv(200, 1, "peer", "answer"), "ACK 1")
			}
			s.do(End{}, "Ended local", "BYE 2")
			s.do(s.inv(200, 1, "peer", "answer"), "ACK 1") // the ACK was lost, BYE came first
		}},
		{"forked: the first 200 wins", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(180, 1, "a", ""), "Progressed 180 (a)")
			s.do(s.inv(183, 1, "b", "early-b"), "Progressed 183 early-b (b)")
			s.do(s.inv(200, 1, "a", "answer-a"), "ACK 1", "Answered answer-a")
			s.do(s.inv(200, 1, "b", "answer-b", "Contact: <sip:b@203.0.113.9>", "Record-Route: <sip:p1;lr>, <sip:p2;lr>"), "ACK 1", "BYE 2")
			bye := s.last()
			if bye.Recipient.Host != "203.0.113.9" || bye.To().Params.GetOr("tag", "") != "b" {
				t.Errorf("BYE of the second fork went to\n%s", bye)
			}
			if r := bye.GetHeaders("Route"); len(r) != 2 || r[0].Value() != "<sip:p2;lr>" {
				t.Errorf("Route of the second fork: %v", r)
			}
			s.do(s.inv(200, 1, "b", "answer-b"), "ACK 1") // again: ACK, but one BYE
			s.do(s.res(200, "BYE", 2, "b", ""))
			s.do(End{}, "Ended local", "BYE 3")
			s.do(s.res(200, "BYE", 3, "a", ""), "terminate")
		}},
		{"forks in plenty are bounded", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			for i := range 100 {
				s.step(s.inv(180, 1, "t"+strings.Repeat("x", i), ""))
			}
			if n := len(s.d.s.Forks); n != maxForks {
				t.Errorf("%d forks kept", n)
			}
		}},
		{"CANCEL waits for the first 1xx", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(End{Reason: "SIP;cause=200;text=\"Call completed elsewhere\""}, `Ended local (SIP;cause=200;text="Call completed elsewhere")`)
			s.do(s.inv(100, 1, "", ""), "CANCEL 1")
			s.do(s.inv(180, 1, "peer", ""))
			s.do(s.inv(487, 1, "peer", ""), "terminate")
		}},
		{"CANCEL after 1xx", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(180, 1, "peer", ""), "Progressed 180 (peer)")
			s.do(End{}, "Ended local", "CANCEL 1")
			s.do(End{})
			s.do(s.inv(487, 1, "peer", ""), "terminate")
		}},
		{"CANCEL crosses 200", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(180, 1, "peer", ""), "Progressed 180 (peer)")
			s.do(End{}, "Ended local", "CANCEL 1")
			s.do(s.inv(200, 1, "peer", "answer"), "ACK 1", "BYE 2")
			s.do(s.inv(200, 1, "peer", "answer"), "ACK 1")
			s.do(s.res(481, "BYE", 2, "peer", ""), "terminate")
		}},
		{"CANCEL owed, but 200 comes first", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(End{}, "Ended local")
			s.do(s.inv(200, 1, "peer", "answer"), "ACK 1", "BYE 2")
		}},
		{"CANCEL without any answer", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(180, 1, "peer", ""), "Progressed 180 (peer)")
			s.do(End{}, "Ended local", "CANCEL 1")
			s.wait(31900 * time.Millisecond)
			s.wait(100*time.Millisecond, "terminate")
		}},
		{"nobody answers", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.RingTimeout = 20 * time.Second })
			s.want("INVITE 1 offer")
			s.do(s.inv(180, 1, "peer", ""), "Progressed 180 (peer)")
			s.wait(20*time.Second, "Failed 408 (nobody answered) Timeout", "Ended timeout 408 (nobody answered)", "CANCEL 1")
			s.do(s.inv(487, 1, "peer", ""), "terminate")
		}},
		{"busy with Reason", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(486, 1, "peer", "", "Reason: Q.850;cause=17", "Retry-After: 30 (lunch)"),
				"Failed 486 (Q.850;cause=17) 30", "Ended rejected 486 (Q.850;cause=17)", "terminate")
		}},
		{"redirect", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(302, 1, "peer", "", "Contact: <sip:a@x>, <sip:b@y;transport=tcp>"),
				"Failed 302 (Moved Temporarily) [sip:a@x sip:b@y;transport=tcp]", "Ended rejected 302 (Moved Temporarily)", "terminate")
		}},
		{"no answer from the next hop", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(TransactionFailed{CSeq: 1, Method: sip.INVITE}, "Failed 408 (no answer from the next hop) Timeout",
				"Ended timeout 408 (no answer from the next hop)", "terminate")
		}},
		{"transport fails", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(TransactionFailed{CSeq: 1, Method: sip.INVITE, Transport: true}, "Failed 503 (transport failed)",
				"Ended transport 503 (transport failed)", "terminate")
		}},
		{"challenge", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.AuthUser, in.AuthPassword = "u", "p" })
			s.want("INVITE 1 offer")
			s.do(s.inv(407, 1, "x", "", `Proxy-Authenticate: Digest realm="r", nonce="n1", qop="auth"`), "INVITE 2 offer")
			if v := s.header("proxy-authorization"); !strings.Contains(v, `nonce="n1"`) || !strings.Contains(v, "nc=00000001") {
				t.Errorf("Proxy-Authorization: %s", v)
			}
			s.do(TransactionFailed{CSeq: 1, Method: sip.INVITE}) // of the first try: nothing
			s.do(s.inv(180, 2, "peer", ""), "Progressed 180 (peer)")
			s.do(s.inv(200, 2, "peer", "answer"), "ACK 2", "Answered answer")
			if s.header("proxy-authorization") == "" {
				t.Error("ACK without the INVITE's credentials")
			}
			s.do(End{}, "Ended local", "BYE 3")
			if v := s.header("proxy-authorization"); !strings.Contains(v, "nc=00000002") {
				t.Errorf("BYE's credentials: %s", v)
			}
			s.do(s.res(407, "BYE", 3, "peer", "", `Proxy-Authenticate: Digest realm="r", nonce="n2", qop="auth", stale=true`), "BYE 4")
			s.do(s.res(200, "BYE", 4, "peer", ""), "terminate")
		}},
		{"proxy and server challenge, one after the other", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.AuthUser, in.AuthPassword = "u", "p" })
			s.want("INVITE 1 offer")
			both := func(nc string) {
				t.Helper()
				for name, want := range map[string]string{"Proxy-Authorization": "algorithm=SHA-256", "Authorization": "algorithm=MD5"} {
					if v := s.header(name); !strings.Contains(v, want) || !strings.Contains(v, "nc="+nc) && name == "Authorization" {
						t.Errorf("%s %s: %s", s.last().Method, name, v)
					}
				}
			}
			s.do(s.inv(407, 1, "x", "", `Proxy-Authenticate: Digest realm="edge", nonce="n1", qop="auth", algorithm=SHA-256`,
				`Proxy-Authenticate: Digest realm="edge", nonce="n9", qop="auth", algorithm=MD5`), "INVITE 2 offer")
			s.do(s.inv(401, 2, "x", "", `WWW-Authenticate: Digest realm="home", nonce="n2", qop="auth", algorithm=MD5`), "INVITE 3 offer")
			both("00000001")
			s.do(s.inv(200, 3, "peer", "answer"), "ACK 3", "Answered answer")
			both("00000001")
			s.do(Reoffer{[]byte("hold")}, "INVITE 4 hold")
			both("00000002")
			s.do(s.inv(200, 4, "peer", "held"), "ACK 4", "ReofferAnswered held")
			s.do(End{}, "Ended local", "BYE 5")
			both("00000003")
			s.do(s.res(401, "BYE", 5, "peer", "", `WWW-Authenticate: Digest realm="home", nonce="n3", qop="auth", algorithm=MD5, stale=true`), "BYE 6")
			both("00000001")
			s.do(s.res(200, "BYE", 6, "peer", ""), "terminate")
		}},
		{"several challenges in one answer", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.AuthUser, in.AuthPassword = "u", "p" })
			s.want("INVITE 1 offer")
			s.do(s.inv(407, 1, "x", "", `WWW-Authenticate: Digest realm="home", nonce="n2"`, `Proxy-Authenticate: Digest realm="a", nonce="n1"`,
				`Proxy-Authenticate: Digest realm="b", nonce="n3", algorithm=SHA-256, qop="auth"`), "INVITE 2 offer")
			if p := s.last().GetHeaders("Proxy-Authorization"); len(p) != 2 || s.header("Authorization") == "" {
				t.Error(s.last())
			}
			s.do(s.inv(407, 2, "x", "", `Proxy-Authenticate: Digest realm="b", nonce="n4", algorithm=SHA-256, qop="auth"`),
				"Failed 407 (Proxy Authentication Required)", "Ended rejected 407 (Proxy Authentication Required)", "terminate")
		}},
		{"wrong password is tried once", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.AuthUser, in.AuthPassword = "u", "p" })
			s.want("INVITE 1 offer")
			s.do(s.inv(401, 1, "x", "", `WWW-Authenticate: Digest realm="r", nonce="n1"`), "INVITE 2 offer")
			s.do(s.inv(401, 2, "x", "", `WWW-Authenticate: Digest realm="r", nonce="n2"`),
				"Failed 401 (Unauthorized)", "Ended rejected 401 (Unauthorized)", "terminate")
		}},
		{"challenge without password", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(401, 1, "x", "", `WWW-Authenticate: Digest realm="r", nonce="n1"`),
				"Failed 401 (Unauthorized)", "Ended rejected 401 (Unauthorized)", "terminate")
		}},
		{"session interval too small", func(t *testing.T) {
			s := dial(t, nil)
			s.want("INVITE 1 offer")
			s.do(s.inv(422, 1, "x", "", "Min-SE: 3600"), "INVITE 2 offer")
			if s.header("Min-SE") != "3600" || s.header("Session-Expires") != "3600" {
				t.Error(s.last())
			}
		}},
	}
	for _, c := range tests {
		t.Run(c.name, c.play)
	}
}

func TestRouting(t *testing.T) {
	const rr = "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>"
	s := talk(t, rr)
	ack := s.last()
	if r := ack.GetHeaders("Route"); len(r) != 2 || r[0].Value() != "<sip:p1.example;lr>" || r[1].Value() != "<sip:p2.example;lr>" {
		t.Errorf("a UAC reverses Record-Route; got %v", r)
	}
	if got := ack.Recipient.String(); got != peerContact {
		t.Errorf("loose routing: Request-URI %s", got)
	}
	if got := ack.To().Params.GetOr("tag", ""); got != "peer" {
		t.Errorf("To tag %q", got)
	}

	s = talk(t, "Record-Route: <sip:strict.example>, <sip:p1.example;lr>")
	s.do(End{}, "Ended local", "BYE 2") // p1 is loose: the strict one stays in Route
	if got := s.last().Recipient.String(); got != peerContact {
		t.Errorf("Request-URI %s", got)
	}

	s = talk(t, "Record-Route: <sip:p2.example;lr>, <sip:strict.example>")
	s.do(End{}, "Ended local", "BYE 2")
	r := s.last().GetHeaders("Route")
	if got := s.last().Recipient.String(); got != "sip:strict.example" || len(r) != 2 || r[1].Value() != "<"+peerContact+">" {
		t.Errorf("strict routing (RFC 3261 12.2.1.1): %s %v", got, r)
	}

	in := incoming(t, "offer", rr)
	in.do(Accept{[]byte("answer")}, "200 inv answer")
	if r := in.lastOK.GetHeaders("Record-Route"); len(r) != 2 {
		t.Errorf("200 holds Record-Route %v", r)
	}
	in.do(in.req("ACK", 10, "", ""), "Confirmed")
	in.do(End{}, "Ended local", "BYE 1")
	if r := in.last().GetHeaders("Route"); len(r) != 2 || r[0].Value() != "<sip:p2.example;lr>" {
		t.Errorf("a UAS keeps the order; got %v", r)
	}
}

func TestTargetRefresh(t *testing.T) {
	s := talkIn(t)
	s.do(s.req("INVITE", 11, "r1", "offer2", "Contact: <sip:bob@203.0.113.1:9>"), "RemoteOffer offer2")
	s.do(Answer{[]byte("answer2")}, "200 r1 answer2")
	s.do(s.req("ACK", 11, "", ""))
	s.do(s.req("UPDATE", 12, "u1", "", "Contact: <sip:bob@203.0.113.2>"), "200 u1")
	s.do(Info{"application/dtmf-relay", []byte("Signal=1")}, "INFO 1 Signal=1")
	if got := s.last().Recipient.String(); got != "sip:bob@203.0.113.2" {
		t.Errorf("INFO to %s", got)
	}
	// A Contact we cannot send to changes nothing.
	s.do(s.req("UPDATE", 13, "u2", "", "Contact: <tel:+40212345>"), "200 u2")
	s.do(End{}, "Ended local", "BYE 2")
	if got := s.last().Recipient.String(); got != "sip:bob@203.0.113.2" {
		t.Errorf("BYE to %s", got)
	}
}

func TestNewUACRefuses(t *testing.T) {
	ok := Invite{Target: "sip:b@h", Contact: ourContact, From: Address{Host: "h"}, To: Address{Host: "h"}}
	for name, change := range map[string]func(*Invite){
		"target":          func(in *Invite) { in.Target = "nonsense" },
		"contact":         func(in *Invite) { in.Contact = "" },
		"header injected": func(in *Invite) { in.Headers = []Header{{"X-A", "b\r\nVia: evil"}} },
		"header name":     func(in *Invite) { in.Headers = []Header{{"X A", "b"}} },
		"header ours":     func(in *Invite) { in.Headers = []Header{{"cseq", "1 INVITE"}} },
		"host":            func(in *Invite) { in.To.Host = "h>\r\nX: y" },
		"call-id":         func(in *Invite) { in.CallID = "a\r\nb" },
	} {
		in := ok
		change(&in)
		if _, _, err := NewUAC(newScore(t).cfg, time.Time{}, in); !errors.Is(err, ErrInvite) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := ok
	in.From = Address{Display: "a\"\\\r\nb", User: "a b@c", Host: "h"}
	_, eff, err := NewUAC(newScore(t).cfg, time.Time{}, in)
	if err != nil {
		t.Fatal(err)
	}
	if got := eff[0].(SendRequest).Request.GetHeader("from").Value(); !strings.HasPrefix(got, `"a\"\\b" <sip:a%20b%40c@h>;tag=`) {
		t.Errorf("From: %s", got)
	}
}

func TestCancelFor(t *testing.T) {
	s := dial(t, nil)
	inv := s.last()
	inv.PrependHeader(&sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: "192.0.2.1", Port: 5060,
		Params: sip.HeaderParams{{K: "branch", V: "z9hG4bK1"}}})
	got := CancelFor(inv, []Header{{"Reason", "SIP;cause=200"}, {"X", "a\r\nb"}}).String()
	for _, want := range []string{"CANCEL sip:bob@198.51.100.7 SIP/2.0\r\n", "branch=z9hG4bK1", "CSeq: 1 CANCEL\r\n", "Reason: SIP;cause=200\r\n", "Content-Length: 0\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "X: ") || strings.Contains(got, "Contact") {
		t.Error(got)
	}
}
