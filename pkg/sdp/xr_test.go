package sdp

import (
	"strings"
	"testing"
)

func TestXR(t *testing.T) {
	for _, x := range []struct {
		name           string
		session, media string
		want           XR
		line           string
	}{
		{"none", "", "", XR{}, ""},
		{"both, among others", "", "a=rtcp-xr:pkt-loss-rle=64 rcvr-rtt=all:10000  stat-summary=loss,dup voip-metrics", XR{true, true}, "a=rtcp-xr:rcvr-rtt=all voip-metrics"},
		{"metrics alone", "", "a=rtcp-xr:voip-metrics", XR{VoIP: true}, "a=rtcp-xr:voip-metrics"},
		{"of the session", "a=rtcp-xr:rcvr-rtt=sender", "", XR{RTT: true}, "a=rtcp-xr:rcvr-rtt=all"},
		{"the stream's own word wins", "a=rtcp-xr:rcvr-rtt=sender", "a=rtcp-xr:voip-metrics", XR{VoIP: true}, "a=rtcp-xr:voip-metrics"},
		{"nothing that we make", "", "a=rtcp-xr:pkt-rcpt-times", XR{}, ""},
		{"no value", "", "a=rtcp-xr", XR{}, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			lines := []string{v, o, s, c, tt}
			if x.session != "" {
				lines = append(lines, x.session)
			}
			lines = append(lines, "m=audio 4000 RTP/AVP 8")
			if x.media != "" {
				lines = append(lines, x.media)
			}
			offer, err := Parse(text(lines...))
			if err != nil {
				t.Fatal(err)
			}
			answer, n, err := Answer(offer, Local{Addr: ap("192.0.2.9:6000"), Codecs: []Codec{CodecPCMA}})
			if err != nil || n.XR != x.want {
				t.Fatalf("%+v %v", n.XR, err)
			}
			if got := strings.Contains(string(answer), "a=rtcp-xr"); got != (x.line != "") || x.line != "" && !strings.Contains(string(answer), x.line+"\r\n") {
				t.Errorf("answer:\n%s", answer)
			}
		})
	}
}
