package dialog

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// onSendRefer asks the peer to call somebody else.
func (d *Dialog) onSendRefer(ev Event) {
	if d.s.Asked {
		return
	}
	d.s.Asked = true
	d.request(sip.REFER, "", nil, []Header{{"Refer-To", "<" + ev.(SendRefer).To + ">"}})
}

// referAnswered takes the final answer to our REFER.
func (d *Dialog) referAnswered(code int) {
	if !d.s.Asked {
		return
	}
	refused := code >= 300
	d.s.Asked = !refused
	if !refused {
		code = 100 // what becomes of it is in the NOTIFYs
	}
	d.pass(ReferTold{Code: code, Refused: refused})
}

// referNotified takes a NOTIFY about our REFER (RFC 3515 2.4.5): its body is the first
// line of a response, message/sipfrag. A NOTIFY may overtake the 202.
func (d *Dialog) referNotified(e RecvRequest) {
	if !d.s.Asked || d.s.Phase != Established {
		d.reply(e.Tx, 481)
		return
	}
	code := fragCode(e.Request.Body())
	if code == 0 {
		d.reply(e.Tx, 400)
		return
	}
	d.reply(e.Tx, 200)
	if code >= 200 {
		d.s.Asked = false
	}
	d.pass(ReferTold{Code: code})
}

// fragCode reads the status of a message/sipfrag (RFC 3420); 0: it has none.
func fragCode(body []byte) int {
	line, _, _ := strings.Cut(string(body[:min(len(body), maxFrag)]), "\n")
	version, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	word, _, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(word)
	if !strings.EqualFold(version, "SIP/2.0") || err != nil || code < 100 || code > 699 {
		return 0
	}
	return code
}
