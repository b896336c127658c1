package dialog

import (
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestSendRefer(t *testing.T) {
	notify := func(s *score, n int, tx TxKey, line string) RecvRequest {
		return s.req("NOTIFY", n, tx, line+"\r\n", "Event: refer", "Subscription-State: active", "Content-Type: message/sipfrag")
	}
	t.Run("taken and done", func(t *testing.T) {
		s := talkIn(t)
		s.do(SendRefer{"sip:200@carrier.example"}, "REFER 1")
		if got := s.header("Refer-To"); got != "<sip:200@carrier.example>" {
			t.Error(got)
		}
		s.do(SendRefer{"sip:300@carrier.example"}) // one at a time
		s.do(notify(s, 11, "n1", "SIP/2.0 100 Trying"), "200 n1", "ReferTold 100")
		s.do(s.res(202, "REFER", 1, "peer", ""), "ReferTold 100")
		s.do(notify(s, 12, "n2", "SIP/2.0"), "400 n2")
		s.do(notify(s, 13, "n3", "SIP/2.0 180 Ringing"), "200 n3", "ReferTold 180")
		s.do(notify(s, 14, "n4", "SIP/2.0 486 Busy Here"), "200 n4", "ReferTold 486")
		s.do(notify(s, 15, "n5", "SIP/2.0 200 OK"), "481 n5") // it is over
		s.do(SendRefer{"sip:300@carrier.example"}, "REFER 2")
	})
	t.Run("refused", func(t *testing.T) {
		s := talkIn(t)
		s.do(SendRefer{"sip:200@carrier.example"}, "REFER 1")
		s.do(s.res(481, "REFER", 1, "peer", ""), "ReferTold 481 Refused") // of the REFER alone
		s.do(s.req("BYE", 12, "b", ""), "200 b", "Ended remote", "terminate")
	})
	t.Run("no answer", func(t *testing.T) {
		s := talkIn(t)
		s.do(SendRefer{"sip:200@carrier.example"}, "REFER 1")
		s.do(TransactionFailed{CSeq: 1, Method: sip.REFER}, "ReferTold 408 Refused")
	})
	t.Run("nothing was asked", func(t *testing.T) {
		s := talkIn(t)
		s.do(notify(s, 11, "n1", "SIP/2.0 200 OK"), "481 n1")
	})
}
