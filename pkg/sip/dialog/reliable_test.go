package dialog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

const rel = "Supported: 100rel"

// rack is the RAck of our last reliable provisional.
func (s *score) rack() string {
	return fmt.Sprintf("RAck: %d 10 INVITE", s.d.s.Rel.RSeq)
}

func (s *score) heard(name string) string {
	if h := s.lastOK.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}

func TestReliableServer(t *testing.T) {
	tests := []struct {
		name string
		play func(t *testing.T)
	}{
		{"183 with the answer, PRACK, 200 without a body", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{183, []byte("early")}, "183 inv early")
			if s.heard("Require") != "100rel" || s.heard("RSeq") == "" || s.lastOK.Contact() == nil {
				t.Error(s.lastOK)
			}
			s.do(s.req("PRACK", 11, "p", "", s.rack()), "200 p")
			s.do(Accept{[]byte("early")}, "200 inv")
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
			s.wait(time.Hour)
			if string(s.d.s.LocalSDP) != "early" || string(s.d.s.RemoteSDP) != "offer" {
				t.Errorf("%s %s", s.d.s.LocalSDP, s.d.s.RemoteSDP)
			}
		}},
		{"repeated T1 doubling without T2, then 504", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{180, nil}, "180 inv")
			s.wait(500*time.Millisecond, "180 inv") // 0.5
			s.wait(time.Second, "180 inv")          // 1.5
			s.wait(2*time.Second, "180 inv")        // 3.5
			s.wait(4*time.Second, "180 inv")        // 7.5
			s.wait(7999 * time.Millisecond)
			s.wait(time.Millisecond, "180 inv") // 15.5
			s.wait(16*time.Second, "180 inv")   // 31.5
			s.wait(499 * time.Millisecond)
			s.wait(time.Millisecond, "504 inv", "Ended timeout 504 (no PRACK)", "terminate")
		}},
		{"only supported: not reliable unless configured, 180 never", func(t *testing.T) {
			s := incoming(t, "offer", rel)
			s.do(Progress{183, []byte("early")}, "183 inv early")
			if s.heard("RSeq") != "" {
				t.Error(s.lastOK)
			}
			s = newScore(t)
			s.cfg.Reliable = true
			req := parseReq(t, "INVITE", 10, "", "offer", []string{rel})
			s.reqs["inv"] = req
			s.d, _ = NewUAS(s.cfg, time.Time{}, ourContact, req, "inv")
			s.do(Progress{180, nil}, "180 inv")
			if s.heard("RSeq") != "" {
				t.Error(s.lastOK)
			}
			s.do(Progress{183, []byte("early")}, "183 inv early")
			if s.heard("RSeq") == "" {
				t.Error(s.lastOK)
			}
			s.do(Progress{180, nil}, "180 inv") // may pass the open one, unreliably
			if s.heard("RSeq") != "" {
				t.Error(s.lastOK)
			}
		}},
		{"one at a time, in order, RSeq counts up by one", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{180, nil}, "180 inv")
			first := s.d.s.Rel.RSeq
			s.do(Progress{183, []byte("early")})
			s.do(Progress{182, nil})
			s.do(Progress{182, nil}) // twice the same says nothing
			s.do(s.req("PRACK", 11, "p", "", s.rack()), "200 p", "183 inv early")
			s.do(s.req("PRACK", 12, "q", "", s.rack()), "200 q", "182 inv")
			if s.d.s.Rel.RSeq != first+2 || s.heard("RSeq") != fmt.Sprint(first+2) {
				t.Error(first, s.lastOK)
			}
		}},
		{"PRACK of something else", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(s.req("PRACK", 11, "a", "", "RAck: 1 10 INVITE"), "481 a")
			s.do(Progress{180, nil}, "180 inv")
			n := s.d.s.Rel.RSeq
			for i, bad := range []string{"X-None: 1", fmt.Sprintf("RAck: %d 10 INVITE", n+1), fmt.Sprintf("RAck: %d 9 INVITE", n),
				fmt.Sprintf("RAck: %d 10 UPDATE", n), fmt.Sprintf("RAck: %d 10", n), fmt.Sprintf("RAck: %d 10 INVITE", uint64(n)+1<<32), "RAck: x y z"} {
				tx := TxKey(fmt.Sprint("b", i))
				s.do(s.req("PRACK", 12+i, tx, "", bad), "481 "+string(tx))
			}
			s.do(s.req("PRACK", 30, "c", "", s.rack()), "200 c")
		}},
		{"200 waits for the PRACK of the answer", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{183, []byte("early")}, "183 inv early")
			s.do(Accept{nil})
			s.wait(500*time.Millisecond, "183 inv early")
			s.do(s.req("PRACK", 11, "p", "", s.rack()), "200 p", "200 inv")
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
		}},
		{"200 does not wait for the PRACK of a bare 180, which comes late", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{180, nil}, "180 inv")
			s.do(Accept{[]byte("answer")}, "200 inv answer")
			s.do(s.req("PRACK", 11, "p", "", s.rack()), "200 p")
			s.do(s.req("PRACK", 12, "q", "", s.rack()), "481 q")
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
			s.wait(time.Minute)
		}},
		{"late offer in the 183, answer in the PRACK", func(t *testing.T) {
			s := incoming(t, "", "Require: 100rel")
			s.do(Progress{183, []byte("our offer")}, "183 inv our offer")
			s.do(s.req("PRACK", 11, "p", "", s.rack()), "400 p")
			s.do(s.req("PRACK", 12, "q", "their answer", s.rack()), "200 q", "ReofferAnswered their answer")
			s.do(Accept{[]byte("our offer")}, "200 inv")
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
			s.wait(time.Minute)
		}},
		{"an offer in the PRACK is answered in its 200, before the call is", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{183, []byte("early")}, "183 inv early")
			s.do(s.req("PRACK", 11, "p", "offer 2", s.rack()), "RemoteOffer offer 2")
			s.do(Accept{nil})
			s.do(Answer{[]byte("answer 2")}, "200 p answer 2", "200 inv")
			if s.d.s.RemoteCSeq != 11 {
				t.Error(s.d.s.RemoteCSeq)
			}
			s.do(s.req("ACK", 10, "", ""), "Confirmed")
			if string(s.d.s.LocalSDP) != "answer 2" || string(s.d.s.RemoteSDP) != "offer 2" {
				t.Errorf("%s %s", s.d.s.LocalSDP, s.d.s.RemoteSDP)
			}
		}},
		{"an offer in the PRACK of a bare 180 is one too many", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{180, nil}, "180 inv")
			s.do(s.req("PRACK", 11, "p", "offer 2", s.rack()), "488 p")
			s.do(Accept{[]byte("answer")}, "200 inv answer")
		}},
		{"the offer of a PRACK is refused", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{183, []byte("early")}, "183 inv early")
			s.do(s.req("PRACK", 11, "p", "offer 2", s.rack()), "RemoteOffer offer 2")
			s.do(RefuseOffer{}, "488 p")
			s.do(Accept{nil}, "200 inv")
		}},
		{"CANCEL answers what is open", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{183, []byte("early")}, "183 inv early")
			s.do(s.req("PRACK", 11, "p", "offer 2", s.rack()), "RemoteOffer offer 2")
			s.do(s.req("CANCEL", 10, "can", "", `Reason: SIP;cause=200;text="Call completed elsewhere"`, "Reason: Q.850;cause=26"),
				"200 can", "487 inv", `Ended cancelled 487 (SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26)`, "487 p", "terminate")
		}},
		{"refused while a provisional is open", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel")
			s.do(Progress{180, nil}, "180 inv")
			s.do(Reject{Code: 486}, "486 inv", "Ended local 486", "terminate")
			s.wait(time.Minute)
		}},
		{"UPDATE of the caller before the call is answered", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel", "Allow: UPDATE")
			s.do(s.req("UPDATE", 11, "u", "x"), "500 u") // its first offer is not answered
			s.do(Progress{183, []byte("early")}, "183 inv early")
			s.do(s.req("UPDATE", 12, "v", "x"), "500 v") // not settled without the PRACK
			s.do(s.req("PRACK", 13, "p", "", s.rack()), "200 p")
			s.do(s.req("UPDATE", 14, "w", "offer 2"), "RemoteOffer offer 2")
			s.do(s.req("UPDATE", 15, "x", "offer 3"), "500 x")
			if s.heard("Retry-After") == "" {
				t.Error(s.lastOK)
			}
			s.do(Answer{[]byte("answer 2")}, "200 w answer 2")
			s.do(s.req("UPDATE", 16, "y", "offer 3"), "RemoteOffer offer 3")
			s.do(RefuseOffer{488}, "488 y")
			s.do(Accept{[]byte("answer 2")}, "200 inv")
		}},
		{"our UPDATE before the call is answered; glare; an old phone", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel", "Allow: INVITE, UPDATE")
			s.do(Reoffer{[]byte("too soon")})
			s.do(Progress{183, []byte("early")}, "183 inv early")
			s.do(s.req("PRACK", 11, "p", "", s.rack()), "200 p", "UPDATE 1 too soon")
			s.do(s.req("UPDATE", 12, "u", "theirs"), "491 u")
			s.do(s.res(491, "UPDATE", 1, "peer", ""))
			s.wait(2*time.Second, "UPDATE 2 too soon")
			s.do(s.res(200, "UPDATE", 2, "peer", "answer b"), "ReofferAnswered answer b")
			s.do(Reoffer{[]byte("again")}, "UPDATE 3 again")
			s.do(s.res(405, "UPDATE", 3, "peer", ""))
			s.do(Accept{nil}, "200 inv")
			s.do(s.req("ACK", 10, "", ""), "Confirmed", "INVITE 4 again")
			if string(s.d.s.LocalSDP) != "too soon" || string(s.d.s.RemoteSDP) != "answer b" {
				t.Errorf("%s %s", s.d.s.LocalSDP, s.d.s.RemoteSDP)
			}
		}},
		{"another early session is an UPDATE, or a re-INVITE behind the ACK", func(t *testing.T) {
			s := incoming(t, "offer", "Require: 100rel", "Allow: UPDATE")
			s.do(Progress{183, []byte("announcement")}, "183 inv announcement")
			s.do(s.req("PRACK", 11, "p", "", s.rack()), "200 p")
			s.do(Progress{183, []byte("callee")}, "183 inv") // without a body: the answer is given
			s.do(s.req("PRACK", 12, "q", "", s.rack()), "200 q", "UPDATE 1 callee")
			s.do(s.res(200, "UPDATE", 1, "peer", "ok"), "ReofferAnswered ok")
			s.do(Accept{[]byte("agent")}, "200 inv")
			s.do(s.req("ACK", 10, "", ""), "Confirmed", "INVITE 2 agent")
		}},
	}
	for _, c := range tests {
		t.Run(c.name, c.play)
	}
}

func r(n int) []string {
	return []string{"Require: 100rel", fmt.Sprint("RSeq: ", n), "Allow: INVITE, UPDATE"}
}

func TestReliableClient(t *testing.T) {
	tests := []struct {
		name string
		play func(t *testing.T)
	}{
		{"PRACK at once, in order, repetitions not passed", func(t *testing.T) {
			s := dial(t, nil)
			if !strings.Contains(s.last().GetHeader("Supported").Value(), "100rel") {
				t.Error(s.last())
			}
			s.got = nil
			s.do(s.inv(183, 1, "a", "early", append(r(7), "Record-Route: <sip:p2;lr>, <sip:p1;lr>", "Contact: <sip:bob@192.0.2.99>")...),
				"PRACK 2", "Progressed 183 early (a)")
			if s.header("RAck") != "7 1 INVITE" || s.header("To") != "<sip:bob@them.example>;tag=a" ||
				s.last().Recipient.Host != "192.0.2.99" || s.header("Route") != "<sip:p1;lr>" {
				t.Error(s.last())
			}
			s.do(s.inv(183, 1, "a", "early", r(7)...)) // it came before our PRACK arrived
			s.do(s.inv(180, 1, "a", "", r(9)...))      // 8 is missing
			s.do(s.inv(183, 1, "a", "early", r(6)...))
			s.do(s.res(200, "PRACK", 2, "a", ""))
			s.do(s.inv(183, 1, "a", "early", r(7)...)) // late repetition
			s.do(s.inv(180, 1, "a", "", r(8)...), "PRACK 3", "Progressed 180 (a)")
			s.do(s.inv(200, 1, "a", ""), "ACK 1", "Answered early")
			s.do(s.res(200, "PRACK", 3, "a", ""))
			s.do(End{}, "Ended local", "BYE 4")
		}},
		{"a PRACK that was refused or lost is made again for the next repetition", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(180, 1, "a", "", r(7)...), "PRACK 2", "Progressed 180 (a)")
			s.do(s.res(500, "PRACK", 2, "a", ""))
			s.do(s.inv(180, 1, "a", "", r(7)...), "PRACK 3")
			s.do(TransactionFailed{CSeq: 3, Method: sip.PRACK})
			s.do(s.inv(180, 1, "a", "", r(7)...), "PRACK 4")
			s.do(s.res(481, "PRACK", 4, "a", ""))
			s.do(s.inv(180, 1, "a", "", r(7)...))
		}},
		{"a PRACK outlives the 2xx and its failure is nobody's", func(t *testing.T) {
			for _, end := range []Event{TransactionFailed{CSeq: 2, Method: sip.PRACK}, nil} {
				s := dial(t, nil)
				s.got = nil
				s.do(s.inv(180, 1, "a", "", r(7)...), "PRACK 2", "Progressed 180 (a)")
				s.do(s.inv(200, 1, "a", "x"), "ACK 1", "Answered x")
				if end == nil {
					end = s.res(481, "PRACK", 2, "a", "")
				}
				s.do(end)
			}
		}},
		{"challenged PRACK", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.AuthUser, in.AuthPassword = "u", "p" })
			s.got = nil
			s.do(s.inv(180, 1, "a", "", r(7)...), "PRACK 2", "Progressed 180 (a)")
			s.do(s.res(407, "PRACK", 2, "a", "", `Proxy-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"`), "PRACK 3")
			if s.header("RAck") != "7 1 INVITE" || s.header("Proxy-Authorization") == "" {
				t.Error(s.last())
			}
		}},
		{"late offer: it comes in the 183, the answer goes into the PRACK", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.SDP = nil })
			s.got = nil
			s.do(s.inv(180, 1, "a", "unreliable offer"), "Progressed 180 (a)") // not allowed, not passed
			s.do(s.inv(183, 1, "a", "their offer", r(1)...), "Progressed 183 their offer (a) NeedAnswer")
			s.do(s.inv(183, 1, "a", "their offer", r(1)...))
			s.do(Answer{[]byte("our answer")}, "PRACK 2 our answer")
			s.do(s.res(500, "PRACK", 2, "a", "")) // overtaken by another request
			s.do(s.inv(183, 1, "a", "their offer", r(1)...), "PRACK 3 our answer")
			s.do(s.inv(200, 1, "a", ""), "ACK 1", "Answered")
			if string(s.d.s.LocalSDP) != "our answer" || string(s.d.s.RemoteSDP) != "their offer" {
				t.Errorf("%s %s", s.d.s.LocalSDP, s.d.s.RemoteSDP)
			}
		}},
		{"late offer in the 183, and the 2xx does not wait for the PRACK", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.SDP = nil })
			s.got = nil
			s.do(s.inv(183, 1, "a", "their offer", r(1)...), "Progressed 183 their offer (a) NeedAnswer")
			s.do(s.inv(200, 1, "a", ""), "Answered their offer NeedAnswer")
			s.do(Answer{[]byte("our answer")}, "ACK 1 our answer")
		}},
		{"late offer refused", func(t *testing.T) {
			s := dial(t, func(in *Invite) { in.SDP = nil })
			s.got = nil
			s.do(s.inv(183, 1, "a", "their offer", r(1)...), "Progressed 183 their offer (a) NeedAnswer")
			s.do(RefuseOffer{488}, "Failed 488 (offer refused)", "Ended local 488 (offer refused)", "CANCEL 1")
			s.do(s.inv(487, 1, "a", ""), "terminate")
		}},
		{"early media in a 183, a 180 without, another 183 with another session", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(183, 1, "a", "announcement"), "Progressed 183 announcement (a)")
			s.do(s.inv(180, 1, "a", ""), "Progressed 180 (a)")
			s.do(s.inv(183, 1, "a", "ring back"), "Progressed 183 ring back (a)")
			s.do(s.inv(200, 1, "a", ""), "ACK 1", "Answered ring back")
		}},
		{"the same, reliably: the first answer stands, UPDATE changes it", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(183, 1, "a", "announcement", r(1)...), "PRACK 2", "Progressed 183 announcement (a)")
			s.do(s.inv(183, 1, "a", "ring back", r(2)...), "PRACK 3", "Progressed 183 (a)")
			u := s.req("UPDATE", 1, "u", "their offer", "From: <sip:bob@them.example>;tag=a", "Contact: <sip:bob@192.0.2.98>")
			s.do(u, "RemoteOffer their offer")
			s.do(Answer{[]byte("our answer")}, "200 u our answer")
			s.do(s.req("UPDATE", 1, "v", "x", "From: <sip:bob@them.example>;tag=a"), "500 v") // CSeq again
			s.do(s.inv(183, 1, "a", "", r(3)...), "PRACK 4", "Progressed 183 (a)")
			s.do(s.inv(200, 1, "a", "ignored"), "ACK 1", "Answered")
			if string(s.d.s.LocalSDP) != "our answer" || string(s.d.s.RemoteSDP) != "their offer" || s.d.s.RemoteCSeq != 1 {
				t.Errorf("%s %s %d", s.d.s.LocalSDP, s.d.s.RemoteSDP, s.d.s.RemoteCSeq)
			}
		}},
		{"UPDATE in a fork we do not know, or before its answer", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(180, 1, "a", ""), "Progressed 180 (a)")
			s.do(s.req("UPDATE", 1, "u", "x", "From: <sip:bob@them.example>;tag=a"), "481 u")
			s.do(s.req("UPDATE", 1, "v", "x", "From: <sip:bob@them.example>;tag=zz"), "481 v")
			s.do(s.inv(180, 1, "a", "", r(1)...), "PRACK 2", "Progressed 180 (a)")
			s.do(s.req("UPDATE", 2, "w", "x", "From: <sip:bob@them.example>;tag=a"), "491 w") // our offer is open
			s.do(s.req("UPDATE", 3, "x", "", "From: <sip:bob@them.example>;tag=a", "Contact: <sip:bob@192.0.2.98>"), "200 x")
			s.do(s.inv(183, 1, "a", "early", "Require: 100rel", "RSeq: 2", "Contact: <sip:bob@192.0.2.97>"), "PRACK 3", "Progressed 183 early (a)")
			if s.last().Recipient.Host != "192.0.2.97" {
				t.Error(s.last())
			}
		}},
		{"our UPDATE in the only fork; with two it waits", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(183, 1, "a", "early", r(1)...), "PRACK 2", "Progressed 183 early (a)")
			s.do(Reoffer{[]byte("b")}) // not before the 2xx to the PRACK
			s.do(s.res(200, "PRACK", 2, "a", ""), "UPDATE 3 b")
			s.do(s.req("UPDATE", 1, "u", "x", "From: <sip:bob@them.example>;tag=a"), "491 u")
			s.do(s.res(200, "UPDATE", 3, "a", "ab"), "ReofferAnswered ab")
			s.do(s.inv(183, 1, "z", "other", r(5)...), "PRACK 4", "Progressed 183 other (z)")
			s.do(Reoffer{[]byte("c")})
			s.do(s.inv(200, 1, "z", ""), "ACK 1", "Answered other", "INVITE 5 c")
		}},
		{"the offer of an UPDATE goes down with its fork and is sent again", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(183, 1, "a", "early", r(1)...), "PRACK 2", "Progressed 183 early (a)")
			s.do(Reoffer{[]byte("b")}) // not before the 2xx to the PRACK
			s.do(s.res(200, "PRACK", 2, "a", ""), "UPDATE 3 b")
			s.do(s.inv(200, 1, "z", "x"), "ACK 1", "Answered x", "INVITE 4 b")
			s.do(s.res(200, "UPDATE", 3, "a", "ab"))
		}},
		{"the 2xx passes our UPDATE", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(183, 1, "a", "early", r(1)...), "PRACK 2", "Progressed 183 early (a)")
			s.do(Reoffer{[]byte("b")}) // not before the 2xx to the PRACK
			s.do(s.res(200, "PRACK", 2, "a", ""), "UPDATE 3 b")
			s.do(s.inv(200, 1, "a", ""), "ACK 1", "Answered early")
			s.do(Reoffer{[]byte("c")}) // waits for the answer
			s.do(s.res(200, "UPDATE", 3, "a", "ab"), "ReofferAnswered ab", "INVITE 4 c")
		}},
		{"their UPDATE is open when another fork answers", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(183, 1, "a", "early", r(1)...), "PRACK 2", "Progressed 183 early (a)")
			s.do(s.req("UPDATE", 1, "u", "theirs", "From: <sip:bob@them.example>;tag=a"), "RemoteOffer theirs")
			s.do(s.inv(200, 1, "z", "x"), "487 u", "RemoteOfferCancelled", "ACK 1", "Answered x")
			s.do(Answer{[]byte("late")})
		}},
		{"their UPDATE is open when the call is refused, or given up", func(t *testing.T) {
			for _, c := range []struct {
				ev   func(s *score) Event
				want []string
			}{
				{func(s *score) Event { return s.inv(486, 1, "a", "") }, []string{"Failed 486 (Busy Here)", "Ended rejected 486 (Busy Here)", "487 u", "terminate"}},
				{func(*score) Event { return End{} }, []string{"Ended local", "487 u", "CANCEL 1"}},
			} {
				s := dial(t, nil)
				s.got = nil
				s.do(s.inv(183, 1, "a", "early", r(1)...), "PRACK 2", "Progressed 183 early (a)")
				s.do(s.req("UPDATE", 1, "u", "theirs", "From: <sip:bob@them.example>;tag=a"), "RemoteOffer theirs")
				s.do(c.ev(s), c.want...)
			}
		}},
		{"a second fork answers that had its PRACK: its BYE counts on", func(t *testing.T) {
			s := dial(t, nil)
			s.got = nil
			s.do(s.inv(183, 1, "a", "early", r(1)...), "PRACK 2", "Progressed 183 early (a)")
			s.do(s.inv(200, 1, "z", "x"), "ACK 1", "Answered x")
			s.do(s.inv(200, 1, "a", ""), "ACK 1", "BYE 3")
			s.do(s.inv(200, 1, "a", ""), "ACK 1")
			s.do(Info{"a/b", []byte("i")}, "INFO 4 i")
		}},
		{"422 twice, and no further", func(t *testing.T) {
			s := dial(t, nil)
			s.d.s.SessionSec = 600
			s.got = nil
			s.do(s.inv(422, 1, "a", "", "Min-SE: 900"), "INVITE 2 offer")
			if s.header("Min-SE") != "900" || s.header("Session-Expires") != "900" {
				t.Error(s.last())
			}
			s.do(s.inv(422, 2, "a", "", "Min-SE: 1000"), "INVITE 3 offer")
			s.do(s.inv(422, 3, "a", "", "Min-SE: 1001"), "INVITE 4 offer")
			s.do(s.inv(422, 4, "a", "", "Min-SE: 1002"), "Failed 422 (Session Interval Too Small)", "Ended rejected 422 (Session Interval Too Small)", "terminate")
		}},
	}
	for _, c := range tests {
		t.Run(c.name, c.play)
	}
}

func TestSessionTimerByConfig(t *testing.T) {
	in := func(t *testing.T, expires, minSE time.Duration, hs ...string) *score {
		s := newScore(t)
		s.cfg.SessionExpires, s.cfg.MinSE = expires, minSE
		req := parseReq(t, "INVITE", 10, "", "offer", hs)
		s.reqs["inv"] = req
		d, eff := NewUAS(s.cfg, time.Time{}, ourContact, req, "inv")
		s.d = d
		s.note(eff)
		return s
	}
	for _, c := range []struct {
		name           string
		expires, minSE time.Duration
		hs             []string
		want, require  string
	}{
		{"not asked, none wanted", 0, 0, nil, "", ""},
		{"not asked, peer knows timers", 1800 * time.Second, 0, []string{"Supported: timer"}, "1800;refresher=uac", "timer"},
		{"not asked, peer does not know", 1800 * time.Second, 0, nil, "1800;refresher=uas", ""},
		{"asked for longer", 1800 * time.Second, 0, []string{"Supported: timer", "Session-Expires: 86400"}, "1800;refresher=uac", "timer"},
		{"asked for longer, not below its Min-SE", 1800 * time.Second, 0, []string{"Supported: timer", "Session-Expires: 86400", "Min-SE: 3600"}, "3600;refresher=uac", "timer"},
		{"asked for shorter", 1800 * time.Second, 0, []string{"Supported: timer", "x: 300;refresher=uas"}, "300;refresher=uas", ""},
		{"any, none wanted", 0, 0, []string{"Supported: timer", "Session-Expires: 7200;refresher=uac"}, "7200;refresher=uac", "timer"},
	} {
		s := in(t, c.expires, c.minSE, c.hs...)
		s.do(Accept{[]byte("a")}, "200 inv a")
		if s.heard("Session-Expires") != c.want || s.heard("Require") != c.require {
			t.Errorf("%s: %s", c.name, s.lastOK)
		}
	}
	s := in(t, 1800*time.Second, 300*time.Second, "Supported: timer", "Session-Expires: 299")
	s.want("422 inv", "terminate")
	if s.heard("Min-SE") != "300" {
		t.Error(s.lastOK)
	}
}

func TestReasons(t *testing.T) {
	for in, want := range map[string]int{
		Elsewhere:                            200,
		`Q.850 ;cause=16, sip ; Cause = 200`: 200,
		`SIP;text="x;cause=486"`:             0,
		`Q.850;text="a, SIP;cause=200"`:      0,
		`SIP;text="\";cause=5";cause=487`:    487,
		"SIP;cause=":                         0,
		"SIP;cause=-4":                       0,
		"":                                   0,
	} {
		if got := Cause(in, "SIP"); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
	s := dial(t, nil)
	s.got = nil
	s.do(s.inv(180, 1, "a", ""), "Progressed 180 (a)")
	s.do(End{Reason: Elsewhere}, "Ended local ("+Elsewhere+")", "CANCEL 1")
	if hs := s.d.s.CancelHeaders; len(hs) != 1 || hs[0] != (Header{"Reason", Elsewhere}) {
		t.Error(hs)
	}
	s = incoming(t, "offer")
	s.do(s.req("CANCEL", 10, "can", "", "Reason: "+strings.Repeat("x", 300), "Reason: SIP;cause=200"), "200 can", "487 inv",
		"Ended cancelled 487 (SIP;cause=200)", "terminate")
	if !(Ended{By: EndCancelled, Reason: "SIP;cause=200"}).Elsewhere() || (Ended{By: EndRemote, Reason: "SIP;cause=200"}).Elsewhere() {
		t.Error("elsewhere")
	}
}
