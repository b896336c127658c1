package dialog

import (
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestSession(t *testing.T) {
	tests := []struct {
		name string
		play func(t *testing.T)
	}{
		{"our re-INVITE", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("hold")}, "INVITE 2 hold")
			s.do(s.inv(100, 2, "", ""))
			s.do(s.inv(200, 2, "peer", "held"), "ACK 2", "ReofferAnswered held")
			s.do(s.inv(200, 2, "peer", "held"), "ACK 2")
			s.do(s.inv(200, 1, "peer", "answer")) // a 200 from long ago: the INVITE of it is over
			s.wait(time.Hour)
		}},
		{"our re-INVITE refused", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("hold")}, "INVITE 2 hold")
			s.do(s.inv(488, 2, "peer", ""), "ReofferFailed 488")
			s.wait(time.Hour)
		}},
		{"the last of our offers wins while one runs", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("a")}, "INVITE 2 a")
			s.do(Reoffer{[]byte("b")})
			s.do(Reoffer{[]byte("c")})
			s.do(s.inv(200, 2, "peer", "x"), "ACK 2", "ReofferAnswered x", "INVITE 3 c")
		}},
		{"offer given while it rings goes out after the ACK", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Reoffer{[]byte("b")})
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.do(s.req("ACK", 10, "", ""), "Confirmed", "INVITE 1 b")
		}},
		{"late re-offer", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{nil}, "INVITE 2")
			s.do(s.inv(200, 2, "peer", "theirs"), "ReofferAnswered theirs NeedAnswer")
			s.do(s.req("INVITE", 5, "r", "x"), "491 r")
			s.do(Answer{[]byte("ours")}, "ACK 2 ours")
		}},
		{"late re-offer that we cannot take", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{nil}, "INVITE 2")
			s.do(s.inv(200, 2, "peer", "theirs"), "ReofferAnswered theirs NeedAnswer")
			s.do(RefuseOffer{488}, "Ended local 488 (offer refused)", "ACK 2", "BYE 3")
		}},
		{"glare: both get 491, the Call-ID's owner waits 2.1 to 4 s", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("mine")}, "INVITE 2 mine")
			s.do(s.req("INVITE", 5, "r1", "theirs"), "491 r1")
			s.do(s.inv(491, 2, "peer", ""))
			s.wait(2 * time.Second)
			s.do(s.req("INVITE", 6, "r2", "theirs"), "RemoteOffer theirs") // theirs comes first now
			s.do(Answer{[]byte("ok")}, "200 r2 ok")
			s.wait(2100*time.Millisecond, rep(2, "200 r2 ok")...)
			s.do(s.req("ACK", 6, "", ""), "INVITE 3 mine") // our timer ran out meanwhile
			s.do(s.inv(200, 3, "peer", "x"), "ACK 3", "ReofferAnswered x")
		}},
		{"glare: the other side waits 0 to 2 s", func(t *testing.T) {
			s := talkIn(t)
			s.do(Reoffer{[]byte("mine")}, "INVITE 1 mine")
			s.do(s.inv(491, 1, "peer", ""))
			s.do(Reoffer{[]byte("newer")})
			s.wait(2*time.Second, "INVITE 2 newer")
		}},
		{"glare without end is given up", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("mine")}, "INVITE 2 mine")
			for i := range maxAgain {
				s.step(s.inv(491, 2+i, "peer", ""))
				s.wait(4*time.Second, "INVITE "+string("3456789"[min(i, 6)])+" mine")
				if i == 6 {
					break
				}
			}
			s.d.s.Again = maxAgain
			s.do(s.inv(491, 9, "peer", ""), "ReofferFailed 491")
		}},
		{"500 with Retry-After is tried again", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("mine")}, "INVITE 2 mine")
			s.do(s.inv(500, 2, "peer", "", "Retry-After: 7"))
			s.wait(6900 * time.Millisecond)
			s.wait(100*time.Millisecond, "INVITE 3 mine")
			s.do(s.inv(503, 3, "peer", "", "Retry-After: 3600"), "ReofferFailed 503")
		}},
		{"their re-INVITE, refused", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("INVITE", 11, "r", "video"), "RemoteOffer video")
			s.do(RefuseOffer{488}, "488 r")
			s.do(Answer{[]byte("too late")})
			s.do(s.req("INVITE", 12, "r2", ""), "RemoteOffer")
			s.do(Answer{[]byte("ours")}, "200 r2 ours")
			s.do(s.req("ACK", 12, "", "theirs"), "ReofferAnswered theirs")
		}},
		{"their re-INVITE cancelled", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("INVITE", 11, "r", "x"), "RemoteOffer x")
			s.do(s.req("CANCEL", 11, "c", ""), "200 c", "487 r", "RemoteOfferCancelled")
			s.do(Answer{[]byte("y")})
			s.do(Reoffer{[]byte("z")}, "INVITE 1 z")
		}},
		{"re-INVITE behind the ACK", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
			s.do(s.req("INVITE", 11, "r", "hold"), "RemoteOffer hold")
			s.do(Answer{[]byte("held")}, "200 r held")
			s.do(s.req("INVITE", 12, "r2", "resume")) // before the ACK: waits
			s.do(s.req("INVITE", 13, "r3", "more"), "500 r3")
			s.do(s.req("ACK", 11, "", ""), "RemoteOffer resume")
			s.do(Answer{[]byte("talk")}, "200 r2 talk")
		}},
		{"re-INVITE overtakes the ACK of the call", func(t *testing.T) {
			s := incoming(t, "")
			s.do(Accept{[]byte("ours")}, "200 inv ours")
			s.do(s.req("INVITE", 11, "r", "hold"))
			s.do(s.req("ACK", 10, "", "theirs"), "Confirmed theirs", "RemoteOffer hold")
		}},
		{"re-INVITE overtook an ACK that never comes", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.do(s.req("INVITE", 11, "r", "hold"))
			s.got = nil
			s.wait(31900*time.Millisecond, rep(10, "200 inv a")...)
			s.wait(100*time.Millisecond, "Ended timeout 408 (no ACK)", "487 r", "BYE 1", "terminate")
		}},
		{"queued re-INVITE cancelled", func(t *testing.T) {
			s := incoming(t, "offer")
			s.do(Accept{[]byte("a")}, "200 inv a")
			s.do(s.req("INVITE", 11, "r", "hold"))
			s.do(s.req("CANCEL", 11, "c", ""), "200 c", "487 r")
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
		}},
		{"un-ACKed 200 to a re-INVITE ends the call", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("INVITE", 11, "r", "x"), "RemoteOffer x")
			s.do(Answer{[]byte("y")}, "200 r y")
			s.wait(31900*time.Millisecond, rep(10, "200 r y")...)
			s.wait(100*time.Millisecond, "Ended timeout 408 (no ACK)", "BYE 1")
		}},
		{"UPDATE", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("UPDATE", 11, "u", "x"), "RemoteOffer x")
			s.do(s.req("UPDATE", 12, "u2", "y"), "500 u2")
			s.do(s.req("INVITE", 13, "r", "z"), "500 r")
			s.do(Reoffer{[]byte("w")})
			s.do(Answer{[]byte("a")}, "200 u a", "INVITE 1 w")
			s.do(s.req("UPDATE", 14, "u3", "x"), "491 u3")
			s.do(s.req("UPDATE", 15, "u4", ""), "200 u4") // a refresh is never glare
			s.do(s.inv(200, 1, "peer", "q"), "ACK 1", "ReofferAnswered q")
			s.do(s.req("UPDATE", 16, "u5", "x"), "RemoteOffer x")
			s.do(RefuseOffer{488}, "488 u5")
		}},
		{"CSeq out of order", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("INFO", 20, "i", "a"), "200 i", "InfoReceived (application/sdp) a")
			s.do(s.req("INVITE", 15, "r", "x"), "500 r")
			s.do(s.req("BYE", 20, "b", ""), "500 b")
			s.do(s.req("BYE", 2147483647, "b2", ""), "200 b2", "Ended remote", "terminate")
		}},
		{"a stranger's tag", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("BYE", 11, "b", "", "From: <sip:bob@them.example>;tag=other"), "481 b")
			s.do(s.req("ACK", 10, "", "", "From: <sip:bob@them.example>;tag=other"))
			s.do(s.req("BYE", 11, "b2", ""), "200 b2", "Ended remote", "terminate")
		}},
		{"BYEs cross", func(t *testing.T) {
			s := talk(t)
			s.do(End{}, "Ended local", "BYE 2")
			s.do(s.req("BYE", 3, "b", ""), "200 b")
			s.do(s.res(481, "BYE", 2, "peer", ""), "terminate")
		}},
		{"BYE with a re-INVITE of theirs open", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("INVITE", 11, "r", "x"), "RemoteOffer x")
			s.do(s.req("BYE", 12, "b", ""), "200 b", "487 r", "Ended remote", "terminate")
		}},
		{"End with a re-INVITE of theirs open", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("INVITE", 11, "r", "x"), "RemoteOffer x")
			s.do(End{}, "Ended local", "487 r", "BYE 1")
			s.do(Answer{[]byte("y")})
		}},
		{"End with a re-INVITE of ours open", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("x")}, "INVITE 2 x")
			s.do(End{}, "Ended local", "BYE 3")
			s.do(s.inv(200, 2, "peer", "y"), "ACK 2") // its 200 was on the way
			s.do(s.inv(200, 2, "peer", "y"), "ACK 2")
			s.do(s.res(200, "BYE", 3, "peer", ""), "terminate")
		}},
		{"481 to our re-INVITE ends the dialog", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("x")}, "INVITE 2 x")
			s.do(s.inv(481, 2, "peer", ""), "Ended remote 481 (Call/Transaction Does Not Exist)", "BYE 3")
			s.do(s.res(481, "BYE", 3, "peer", ""), "terminate")
		}},
		{"408 to our INFO ends the dialog, 415 does not", func(t *testing.T) {
			s := talk(t)
			s.do(Info{"text/plain", []byte("x")}, "INFO 2 x")
			s.do(s.res(415, "INFO", 2, "peer", ""))
			s.do(Info{"text/plain", []byte("x")}, "INFO 3 x")
			s.do(s.res(408, "INFO", 3, "peer", ""), "Ended timeout 408 (Request Timeout)", "BYE 4")
		}},
		{"no answer to our INFO ends the dialog", func(t *testing.T) {
			s := talk(t)
			s.do(Info{"text/plain", []byte("x")}, "INFO 2 x")
			s.do(TransactionFailed{CSeq: 2, Method: sip.INFO}, "Ended timeout 408 (no answer to INFO)", "BYE 3")
			s.do(TransactionFailed{CSeq: 3, Method: sip.BYE}, "terminate")
		}},
		{"the peer sits on our re-INVITE", func(t *testing.T) {
			s := talk(t)
			s.do(Reoffer{[]byte("x")}, "INVITE 2 x")
			s.do(s.inv(180, 2, "peer", ""))
			s.wait(32*time.Second, "CANCEL 2")
			s.do(s.inv(487, 2, "peer", ""), "ReofferFailed 487")
			s.do(Reoffer{[]byte("x")}, "INVITE 3 x")
			s.wait(64*time.Second, "CANCEL 3", "Ended timeout 408 (no answer to re-INVITE)", "BYE 4")
		}},
		{"what is not for a call: MESSAGE, NOTIFY, PRACK, SUBSCRIBE, PUBLISH, Require", func(t *testing.T) {
			s := talkIn(t)
			s.do(s.req("PUBLISH", 11, "r", "", "Event: presence"), "405 r")
			s.do(s.req("MESSAGE", 12, "m", ""), "405 m")
			s.do(s.req("PRACK", 13, "p", ""), "481 p")
			s.do(s.req("INVITE", 14, "i", "x", "Require: tdialog"), "420 i")
			s.do(s.req("INVITE", 15, "j", "x", "Content-Type: text/plain"), "415 j")
			s.do(s.req("INVITE", 16, "k", "x", "Content-Encoding: gzip"), "415 k")
			s.do(s.req("NOTIFY", 17, "l", "", "Event: refer"), "481 l")
			s.do(s.req("NOTIFY", 18, "n", "", "Event: presence"), "489 n")
			s.do(s.req("SUBSCRIBE", 19, "o", "", "Event: presence"), "489 o")
			s.do(s.req("SUBSCRIBE", 20, "q", "", "Event: refer"), "481 q")
		}},
		{"challenged re-INVITE", func(t *testing.T) {
			s := talk(t)
			s.d.s.AuthUser, s.d.s.AuthPassword = "u", "p"
			s.do(Reoffer{[]byte("x")}, "INVITE 2 x")
			s.do(s.inv(407, 2, "peer", "", `Proxy-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"`), "INVITE 3 x")
			s.do(s.inv(200, 3, "peer", "y"), "ACK 3", "ReofferAnswered y")
		}},
		{"transport dies in the call", func(t *testing.T) {
			s := talk(t)
			s.do(TransportFailed{}, "Ended transport 503 (transport failed)", "BYE 2")
			s.do(TransactionFailed{CSeq: 2, Method: sip.BYE, Transport: true}, "terminate")
		}},
	}
	for _, c := range tests {
		t.Run(c.name, c.play)
	}
}

func TestSessionTimer(t *testing.T) {
	t.Run("the peer refreshes; when it does not, BYE", func(t *testing.T) {
		s := talkIn(t, "Supported: timer", "Session-Expires: 180")
		if h := s.lastOK.GetHeader("Session-Expires"); h == nil || h.Value() != "180;refresher=uac" || s.lastOK.GetHeader("Require") == nil {
			t.Error(s.lastOK)
		}
		s.wait(140 * time.Second)
		s.do(s.req("UPDATE", 11, "u", "", "Supported: timer", "Session-Expires: 180;refresher=uac"), "200 u")
		s.wait(147 * time.Second)
		s.wait(time.Second, "Ended timeout 408 (session timer expired)", "BYE 1") // 180 - 32
	})
	t.Run("we refresh by UPDATE at half time", func(t *testing.T) {
		s := talkIn(t, "Allow: INVITE, UPDATE", "Supported: timer", "Session-Expires: 100;refresher=uas")
		s.wait(50*time.Second, "UPDATE 1")
		if s.header("Session-Expires") != "100;refresher=uac" {
			t.Error(s.last())
		}
		s.do(s.res(200, "UPDATE", 1, "peer", "", "Session-Expires: 100;refresher=uac"))
		s.wait(50*time.Second, "UPDATE 2")
		s.do(s.res(405, "UPDATE", 2, "peer", ""), "INVITE 3 answer")
		s.do(s.inv(200, 3, "peer", "offer", "Session-Expires: 100;refresher=uac"), "ACK 3") // same SDP: nothing to tell
		s.wait(50*time.Second, "INVITE 4 answer")
		s.do(s.inv(200, 4, "peer", "moved", "Session-Expires: 100;refresher=uac"), "ACK 4", "ReofferAnswered moved")
		s.wait(50*time.Second, "INVITE 5 answer")
		s.wait(17 * time.Second)
		s.wait(time.Second, "Ended timeout 408 (session timer expired)", "BYE 6") // 100 - 32
	})
	t.Run("a 200 without Session-Expires ends the timer", func(t *testing.T) {
		s := talk(t, "Session-Expires: 1800;refresher=uas", "Require: timer")
		s.do(Reoffer{[]byte("x")}, "INVITE 2 x")
		if s.header("Session-Expires") != "1800;refresher=uas" {
			t.Error(s.last())
		}
		s.do(s.inv(200, 2, "peer", "y"), "ACK 2", "ReofferAnswered y")
		s.wait(24 * time.Hour)
	})
	t.Run("a peer without the extension", func(t *testing.T) {
		s := talkIn(t, "Session-Expires: 300") // put in by a proxy
		if h := s.lastOK.GetHeader("Session-Expires"); h == nil || h.Value() != "300;refresher=uas" {
			t.Error(s.lastOK)
		}
		s.wait(150*time.Second, "INVITE 1 answer")
	})
}

// Every pair of phase and event is in the table, as an action or with a reason,
// but for commands that only a confused user gives.
func TestTableIsComplete(t *testing.T) {
	missing := 0
	for p := Phase(0); p < numPhases; p++ {
		for k := kindNone + 1; k < numKinds; k++ {
			if c := table[p][k]; c.act == nil && c.why == "" {
				missing++
				switch {
				case (p == Calling || p == Proceeding) && (k == cmdProgress || k == cmdAccept || k == cmdReject):
				default:
					t.Errorf("%v: %v is not in the table", p, k)
				}
			}
		}
	}
	if missing != 6 {
		t.Errorf("%d pairs are faults; want 6", missing)
	}
	s := dial(t, nil)
	s.want("INVITE 1 offer")
	s.do(Accept{[]byte("x")}, "fault calling/accept")
}
