package dialog

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Law: whatever a peer sends, in whatever order, the machine neither panics nor
// says what cannot be parsed; every request but ACK gets at most one final
// answer (2xx to INVITE may be repeated), and End always ends.
func FuzzStep(f *testing.F) {
	add := func(uac bool, msgs ...sip.Message) {
		var b strings.Builder
		for _, m := range msgs {
			b.WriteString(m.String())
			b.WriteByte(0)
		}
		f.Add(uac, b.String())
	}
	in := incoming(&testing.T{}, "offer")
	tag := in.d.LocalTag()
	req := func(m string, cseq int, tag, body string, hs ...string) sip.Message {
		return parseReq(f, m, cseq, tag, body, hs)
	}
	add(false, req("INVITE", 1, "", "o", "Record-Route: <sip:p;lr>, <sip:q>"), req("ACK", 1, tag, ""), req("INVITE", 2, tag, ""), req("ACK", 2, tag, "x"),
		req("UPDATE", 3, tag, "y", "Supported: timer", "Session-Expires: 90"), req("BYE", 4, tag, ""))
	add(false, req("INVITE", 1, "", "", `From: "a b" <sip:x@y>;x="1 2";tag=peer`), req("CANCEL", 1, tag, ""))
	out := dial(&testing.T{}, nil)
	add(true, out.inv(183, 1, "a", "e").Response, out.inv(200, 1, "b", "x", "Contact: <sip:z@z;lr?a=b>").Response, out.inv(200, 1, "a", "x").Response,
		req("INVITE", 7, out.d.LocalTag(), "q"), out.inv(491, 2, "b", "").Response)
	add(true, out.inv(401, 1, "a", "", `WWW-Authenticate: Digest realm="r", nonce="n"`).Response, out.inv(302, 2, "a", "").Response)
	add(false, req("INVITE", 1, "", "o", "Require: 100rel", "Allow: UPDATE"), req("PRACK", 2, tag, "", "RAck: 1 1 INVITE"), req("PRACK", 3, tag, "q", "RAck: 517766970 1 INVITE"),
		req("UPDATE", 4, tag, "y"), req("ACK", 1, tag, ""), req("REFER", 5, tag, "", "Refer-To: <sip:a@b?Replaces=x%3Bto-tag%3Da%3Bfrom-tag%3Db>"),
		req("SUBSCRIBE", 6, tag, "", "Event: refer", "Expires: 9"), req("BYE", 7, tag, ""), req("SUBSCRIBE", 8, tag, "", "Event: refer", "Expires: 0"))
	add(false, req("INVITE", 1, "", "", "Supported: 100rel"), req("PRACK", 2, tag, "x", "RAck: 517766970 1 INVITE"), req("CANCEL", 1, tag, ""))
	add(true, out.inv(183, 1, "a", "e", "Require: 100rel", "RSeq: 1", "Allow: UPDATE", "Record-Route: <sip:p;lr>").Response, out.res(200, "PRACK", 2, "a", "").Response,
		out.inv(183, 1, "a", "e", "Require: 100rel", "RSeq: 2").Response, req("UPDATE", 3, out.d.LocalTag(), "z", "From: <sip:x@y>;tag=a"),
		out.res(491, "UPDATE", 3, "a", "").Response, out.inv(200, 1, "a", "").Response)
	f.Fuzz(func(t *testing.T, uac bool, text string) {
		s := newScore(t)
		s.cfg.Reliable = true
		finals := map[TxKey]int{}
		note := func(eff []Effect) {
			for _, e := range eff {
				var m sip.Message
				switch e := e.(type) {
				case SendRequest:
					m = e.Request
				case SendACK:
					m = e.Request
				case SendResponse:
					r := s.reqs[e.Tx]
					if r == nil {
						t.Fatalf("answer to nothing: %+v", e)
					}
					_ = e.Append(nil, r) // it repeats what the peer wrote
					if e.Code >= 200 && (e.Code >= 300 || r.Method != sip.INVITE) {
						if finals[e.Tx]++; finals[e.Tx] > 1 {
							t.Fatalf("second final answer %d to %s", e.Code, r.Method)
						}
					}
				case Fault:
					t.Fatalf("%+v", e)
				case Pass:
					// The user takes every offer and call.
				}
				if m == nil {
					continue
				}
				if _, err := sip.ParseMessage([]byte(m.String())); err != nil {
					t.Fatalf("%v\n%s", err, m)
				}
			}
		}
		if uac {
			d, eff, err := NewUAC(s.cfg, time.Time{}, Invite{Target: "sip:b@h", Contact: ourContact, From: Address{Host: "h"},
				To: Address{Host: "h"}, CallID: "c1", SDP: []byte("offer"), AuthUser: "u", AuthPassword: "p"})
			if err != nil {
				t.Fatal(err)
			}
			s.d = d
			d.s.LocalCSeq, d.s.Cli.CSeq = 1, 1
			note(eff)
		}
		for i, raw := range strings.Split(text, "\x00") {
			if i > 20 {
				break
			}
			m, err := sip.ParseMessage([]byte(raw))
			if err != nil {
				continue
			}
			tx := TxKey(rune('a' + i))
			switch m := m.(type) {
			case *sip.Request:
				s.reqs[tx] = m
				if s.d == nil {
					if m.Method != sip.INVITE {
						continue
					}
					d, eff := NewUAS(s.cfg, time.Time{}, ourContact, m, tx)
					s.d = d
					note(eff)
					if d.Phase() == Incoming && i == 0 {
						if len(text)%3 == 0 {
							note(d.Step(time.Time{}, Progress{183, []byte("e")}))
						}
						note(d.Step(time.Time{}, Accept{[]byte("a")}))
					}
					continue
				}
				note(s.d.Step(time.Time{}, RecvRequest{m, tx}))
				note(s.d.Step(time.Time{}, AcceptRefer{}))
				note(s.d.Step(time.Time{}, NotifyRefer{100 + 100*(i%3), ""}))
			case *sip.Response:
				if s.d == nil {
					continue
				}
				note(s.d.Step(time.Time{}, RecvResponse{m}))
			}
			if s.d.Phase() == Proceeding {
				note(s.d.Step(time.Time{}, Reoffer{[]byte("w")}))
				note(s.d.Step(time.Time{}, Answer{[]byte("v")}))
			}
			if s.d.Phase() == Established && i%2 == 1 {
				note(s.d.Step(time.Time{}, Answer{[]byte("x")}))
				note(s.d.Step(time.Time{}, Reoffer{[]byte("y")}))
			}
		}
		if s.d == nil {
			return
		}
		note(s.d.Step(time.Time{}, End{}))
		if !s.d.s.EndTold {
			t.Fatalf("End does not end: %+v", s.d.s)
		}
	})
}

// Law: a REFER that is passed on names a URI that can stand in a request line,
// and a dialog that can be looked up.
func FuzzRefer(f *testing.F) {
	for _, v := range []string{"<sip:a@b?Replaces=x%3Bto-tag%3Da%3Bfrom-tag%3Db&Require=replaces>;x=y", `"a\"<" <sips:+4072@[2001:db8::1]:5061;transport=tls>`, "sip:a@b;method=INVITE", "<tel:1>"} {
		f.Add(v, "<sip:r@h>;cid=1")
	}
	f.Fuzz(func(t *testing.T, to, by string) {
		req := sip.NewRequest(sip.REFER, sip.Uri{Scheme: "sip", Host: "h"})
		req.AppendHeader(sip.NewHeader("Refer-To", to))
		req.AppendHeader(sip.NewHeader("Referred-By", by))
		r, _, code := readRefer(req)
		if code != 0 {
			return
		}
		if !goodURI(r.To) || r.ReferredBy != "" && !goodURI(r.ReferredBy) || strings.Contains(r.To, "?") {
			t.Fatalf("%+v", r)
		}
		if p := r.Replaces; p != nil && (!token(p.ToTag) || !token(p.FromTag) || p.CallID == "" || !safe(p.CallID)) {
			t.Fatalf("%+v", *p)
		}
	})
}

func TestQuotedParams(t *testing.T) {
	s := incoming(t, "offer", `From: "Bob \"B\"" <sip:bob@them.example>;x="1 2";tag=peer`)
	s.do(Accept{[]byte("a")}, "200 inv a")
	if !strings.Contains(s.lastText, "\r\nFrom: \"Bob \\\"B\\\"\" <sip:bob@them.example>;x=\"1 2\";tag=peer\r\n") {
		t.Error(s.lastText)
	}
	s.do(s.req("ACK", 10, "", ""), "Confirmed")
	s.do(End{}, "Ended local", "BYE 1")
	if got := s.last().GetHeader("to").Value(); got != `"Bob \"B\"" <sip:bob@them.example>;x="1 2";tag=peer` {
		t.Error(got)
	}
}

// A whole answered call as the called side sees it: INVITE, 180, 200, ACK, BYE.
func BenchmarkIncomingCall(b *testing.B) {
	s := newScore(&testing.T{})
	inv := parseReq(b, "INVITE", 10, "", "offer", nil)
	b.ReportAllocs()
	for b.Loop() {
		d, _ := NewUAS(s.cfg, time.Time{}, ourContact, inv, "inv")
		ack := sip.NewRequest(sip.ACK, inv.Recipient)
		ack.AppendHeader(inv.From())
		ack.AppendHeader(&sip.CSeqHeader{SeqNo: 10, MethodName: sip.ACK})
		for _, ev := range []Event{Progress{180, nil}, Accept{[]byte("answer")}, RecvRequest{Request: ack}, End{}} {
			for _, e := range d.Step(time.Time{}, ev) {
				if r, ok := e.(SendResponse); ok {
					_ = r.Append(nil, inv)
				}
			}
		}
	}
}
