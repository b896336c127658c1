package dialog

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestIncoming(t *testing.T) {
	tests := []struct {
		name string
		play func(t *testing.T)
	}{
		{"183 with media, 180, 200 repeats the answer, ACK, BYE", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Progress{183, []byte("early")}, "183 inv early")
			s.do(Progress{180, nil}, "180 inv")
			s.do(Accept{nil}, "200 inv early")
			res := s.lastOK
			if tag := res.To().Params.GetOr("tag", ""); tag != s.d.LocalTag() || res.Contact() == nil {
				t.Errorf("200:\n%s", res)
			}
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
			s.wait(time.Hour)
			s.do(s.req("BYE", 11, "bye", "", "Reason: Q.850;cause=16"), "200 bye", "Ended remote (Q.850;cause=16)", "terminate")
		}},
		{"provisional again each minute", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Progress{180, nil}, "180 inv")
			s.wait(59 * time.Second)
			s.wait(62*time.Second, "180 inv", "180 inv")
			s.do(Accept{[]byte("answer")}, "200 inv answer")
		}},
		{"late offer", func(t *testing.T) {
			s := incoming(t, "")
			s.do(Progress{183, []byte("early")}, "183 inv") // an offer may not go unreliably
			s.do(Accept{[]byte("our offer")}, "200 inv our offer")
			s.do(s.req("ACK", 10, "", "their answer"), "Confirmed their answer")
		}},
		{"late offer without an answer", func(t *testing.T) {
			s := incoming(t, "")
			s.do(Accept{[]byte("our offer")}, "200 inv our offer")
			s.do(s.req("ACK", 10, "", ""), "Ended remote 488 (no answer in the ACK)", "BYE 1")
		}},
		{"200 is repeated T1..T2 and given up at 64*T1 with BYE", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.wait(499 * time.Millisecond)
			s.wait(time.Millisecond, "200 inv a") // 0.5
			s.wait(time.Second, "200 inv a")      // 1.5
			s.wait(2*time.Second, "200 inv a")    // 3.5
			s.wait(4*time.Second, "200 inv a")    // 7.5
			s.wait(3999 * time.Millisecond)       //
			s.wait(time.Millisecond, "200 inv a") // 11.5
			s.wait(20*time.Second, rep(5, "200 inv a")...)
			s.wait(500*time.Millisecond, "Ended timeout 408 (no ACK)", "BYE 1", "terminate")
		}},
		{"lost ACK: the second one stops the 200", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.wait(time.Second, "200 inv a")
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
			s.do(s.req("ACK", 10, "", ""))
			s.wait(time.Minute)
		}},
		{"End before the ACK owes the BYE", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.do(End{Reason: "SIP;cause=200"}, "Ended local (SIP;cause=200)")
			s.wait(500*time.Millisecond, "200 inv a")
			s.do(s.req("INVITE", 11, "r", "x"), "481 r")
			s.do(s.req("ACK", 10, "", ""), "BYE 1")
			if s.header("Reason") != "SIP;cause=200" {
				t.Error(s.last())
			}
			s.wait(time.Minute)
			s.do(s.res(200, "BYE", 1, "peer", ""), "terminate")
		}},
		{"End before the ACK, which never comes", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.do(End{}, "Ended local")
			s.got = nil
			s.wait(31900*time.Millisecond, rep(10, "200 inv a")...)
			s.wait(100*time.Millisecond, "BYE 1", "terminate")
		}},
		{"no ACK to a re-INVITE: an ordinary BYE", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("INVITE", 11, "re", "new offer"), "RemoteOffer new offer")
			s.do(Answer{[]byte("b")}, "200 re b")
			s.step(TimerFired{TimerAckWait})
			s.want("Ended timeout 408 (no ACK)", "BYE 1")
			s.do(TransactionFailed{CSeq: 1, Method: sip.BYE}, "terminate")
		}},
		{"CANCEL", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Progress{180, nil}, "180 inv")
			s.do(s.req("CANCEL", 10, "can", "", "Reason: SIP;cause=200"), "200 can", "487 inv", "Ended cancelled 487 (SIP;cause=200)", "terminate")
		}},
		{"CANCEL of nothing", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(s.req("CANCEL", 9, "can", ""), "481 can")
		}},
		{"CANCEL crosses 200", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.do(s.req("CANCEL", 10, "can", ""), "200 can")
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
			s.do(s.req("BYE", 11, "bye", ""), "200 bye", "Ended remote", "terminate")
		}},
		{"reject", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Reject{Code: 486, Reason: "Gone Fishing", Headers: []Header{{"Retry-After", "5"}, {"Bad", "a\nb"}}},
				"486 inv", "Ended local 486 (Gone Fishing)", "terminate")
			if s.lastOK.Reason != "Gone Fishing" || s.lastOK.GetHeader("Retry-After") == nil || s.lastOK.GetHeader("Bad") != nil {
				t.Error(s.lastOK)
			}
		}},
		{"reject with a provisional code", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Reject{Code: 183}, "500 inv", "Ended local 500", "terminate")
		}},
		{"End before any answer", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(End{Reason: "shutdown"}, "480 inv", "Ended local 480 (shutdown)", "terminate")
		}},
		{"BYE of the early dialog", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Progress{180, nil}, "180 inv")
			s.do(s.req("BYE", 11, "bye", ""), "200 bye", "487 inv", "Ended remote", "terminate")
		}},
		{"BYE before the ACK", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.do(s.req("BYE", 11, "bye", ""), "200 bye", "Ended remote", "terminate")
		}},
		{"second INVITE before our answer", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(s.req("INVITE", 11, "r", "x"), "500 r")
			if s.lastOK.GetHeader("Retry-After") == nil {
				t.Error("500 without Retry-After")
			}
		}},
		{"UPDATE before our answer", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(s.req("UPDATE", 11, "u", "x"), "500 u")
			s.do(s.req("UPDATE", 12, "v", ""), "200 v")
		}},
		{"INFO and OPTIONS while it rings", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(s.req("INFO", 11, "i", "Signal=5", "Content-Type: application/dtmf-relay"), "200 i", "InfoReceived (application/dtmf-relay) Signal=5")
			s.do(s.req("OPTIONS", 12, "o", ""), "200 o")
			if s.lastOK.GetHeader("Allow") == nil {
				t.Error(s.lastOK)
			}
		}},
		{"the network cannot carry our answer", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Progress{180, nil}, "180 inv")
			s.do(TransportFailed{}, "Ended transport 503 (transport failed)", "terminate")
		}},
		{"accept without SDP is a fault", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{nil}, "fault incoming/accept")
			s.do(Progress{200, nil}, "fault incoming/progress")
			s.do(Answer{[]byte("x")})
		}},
		{"Require", func(t *testing.T) {
			s := incoming(t, "offer", "Require: timer, 100rel, foo")
			s.want("420 inv", "terminate")
			if h := s.lastOK.GetHeader("Unsupported"); h == nil || h.Value() != "foo" {
				t.Error(s.lastOK)
			}
		}},
		{"another body", func(t *testing.T) {
			s := incoming(t, "offer", "Content-Type: application/isup")
			s.want("415 inv", "terminate")
			if h := s.lastOK.GetHeader("Accept"); h == nil || h.Value() != "application/sdp" {
				t.Error(s.lastOK)
			}
		}},
		{"no Contact to send to", func(t *testing.T) {
			incoming(t, "offer", "Contact: <tel:+4021>").want("400 inv", "terminate")
		}},
		{"session interval too small", func(t *testing.T) {
			s := incoming(t, "offer", "Supported: timer", "Session-Expires: 30")
			s.want("422 inv", "terminate")
			if h := s.lastOK.GetHeader("Min-SE"); h == nil || h.Value() != "90" {
				t.Error(s.lastOK)
			}
		}},
	}
	for _, c := range tests {
		t.Run(c.name, c.play)
	}
}

func rep(n int, s string) []string {
	return strings.Split(strings.Repeat(s+"\x00", n-1)+s, "\x00")
}
