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

// TestXRIsAskedFor: our offer asks, and what the answer grants of it is agreed.
func TestXRIsAskedFor(t *testing.T) {
	both := XR{VoIP: true, RTT: true}
	for _, x := range []struct {
		asked, want XR
		granted     string
	}{
		{both, both, "a=rtcp-xr:rcvr-rtt=all voip-metrics"}, {both, XR{VoIP: true}, "a=rtcp-xr:voip-metrics"}, {both, XR{}, "a=ptime:20"},
		{XR{}, XR{}, "a=rtcp-xr:rcvr-rtt=all voip-metrics"}, // asked for by nobody
	} {
		l := Local{Addr: ap("192.0.2.9:6000"), Codecs: []Codec{CodecPCMA}, XR: x.asked}
		if got := strings.Contains(string(Offer(l)), "a=rtcp-xr:rcvr-rtt=all voip-metrics\r\n"); got != (x.asked == both) {
			t.Errorf("offer:\n%s", Offer(l))
		}
		answer, err := Parse(text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 8", x.granted))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := Accept(l, answer); err != nil || n.XR != x.want {
			t.Errorf("%q: %+v, want %+v; %v", x.granted, n.XR, x.want, err)
		}
	}
}

// TestComfortNoise: payload type 13 is offered and answered where it may be, never
// chosen, and only beside G.711.
func TestComfortNoise(t *testing.T) {
	opus := Codec{Name: "opus", ClockRate: 48000, Channels: 2, PayloadType: 111}
	has := func(b []byte) bool { return strings.Contains(string(b), "a=rtpmap:13 CN/8000\r\n") }
	for _, x := range []struct {
		codecs  []Codec
		comfort bool
		want    bool
	}{{[]Codec{CodecPCMA}, true, true}, {[]Codec{opus, CodecPCMU}, true, true}, {[]Codec{opus}, true, false}, {[]Codec{CodecPCMA}, false, false}} {
		l := Local{Addr: ap("192.0.2.9:6000"), Codecs: x.codecs, Comfort: x.comfort}
		if has(Offer(l)) != x.want || len(l.Codecs) != len(x.codecs) {
			t.Errorf("%+v offers\n%s", x, Offer(l))
		}
		for _, formats := range []string{"13 8 0 111", "8 0 111"} {
			their, err := Parse(text(v, o, s, c, tt, "m=audio 4000 RTP/AVP "+formats, "a=rtpmap:111 opus/48000/2"))
			if err != nil {
				t.Fatal(err)
			}
			answer, n, err := Answer(their, l)
			want := x.comfort && formats[0] == '1' && n.Codec.ClockRate == 8000
			if err != nil || n.Codec.Name == "CN" || has(answer) != want {
				t.Errorf("%+v answers %q by %+v, %v\n%s", x, formats, n.Codec, err, answer)
			}
			if n, err := Accept(l, their); err != nil || n.Codec.Name == "CN" {
				t.Errorf("%+v accepts %q as %+v, %v", x, formats, n.Codec, err)
			}
		}
	}
}
