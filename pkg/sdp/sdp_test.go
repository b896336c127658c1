package sdp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
)

func text(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

const (
	v, o, s, c, tt = "v=0", "o=alice 2890844526 2890844527 IN IP4 host.example.com", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"
)

func ap(a string) netip.AddrPort {
	if a == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(a)
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want string // describe
	}{
		{"static types need no rtpmap", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0 8 18 101", "a=rtpmap:101 Telephone-Event/8000", "a=fmtp:101 0-15"),
			"192.0.2.1:4000/192.0.2.1:4001 sendrecv 0:PCMU 8:PCMA 18:G729 101:telephone-event(0-15)"},
		{"dynamic PCMA", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 97", "a=rtpmap:97 pcma/8000/1"), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 97:PCMA"},
		{"a map for a static type wins", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 18", "a=rtpmap:18 PCMU/8000"), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 18:PCMU"},
		{"unknown dynamic type", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 99 0 99 0"), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 0:PCMU bare[99]"},
		{"stream's c= over the session's", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", "c=IN IP4 198.51.100.2"), "198.51.100.2:4000/198.51.100.2:4001 sendrecv 0:PCMU"},
		{"session direction, stream's wins", text(v, o, s, c, tt, "a=inactive", "m=audio 4000 RTP/AVP 0", "a=recvonly"), "192.0.2.1:4000/192.0.2.1:4001 recvonly 0:PCMU"},
		{"session direction alone", text(v, o, s, c, tt, "a=sendonly", "m=audio 4000 RTP/AVP 0"), "192.0.2.1:4000/192.0.2.1:4001 sendonly 0:PCMU"},
		{"old hold", text(v, o, s, "c=IN IP4 0.0.0.0", tt, "m=audio 4000 RTP/AVP 0"), "0.0.0.0:4000/0.0.0.0:4001 sendrecv held 0:PCMU"},
		{"rtcp port", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", "a=rtcp:5000"), "192.0.2.1:4000/192.0.2.1:5000 sendrecv 0:PCMU"},
		{"rtcp address", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", "a=rtcp:5000 IN IP4 198.51.100.3"), "192.0.2.1:4000/198.51.100.3:5000 sendrecv 0:PCMU"},
		{"rtcp-mux", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", "a=rtcp-mux"), "192.0.2.1:4000/192.0.2.1:4000 sendrecv mux 0:PCMU"},
		{"last port", text(v, o, s, c, tt, "m=audio 65535 RTP/AVP 0"), "192.0.2.1:65535/invalid AddrPort sendrecv 0:PCMU"},
		{"packet times", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", "a=ptime:30", "a=maxptime:150"), "192.0.2.1:4000/192.0.2.1:4001 sendrecv ptime 30/150 0:PCMU"},
		{"nonsense packet time", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", "a=ptime:-3", "a=maxptime:99999999"), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 0:PCMU"},
		{"IPv6", text(v, o, s, "c=IN IP6 2001:db8::1", tt, "m=audio 4000 RTP/AVP 0"), "[2001:db8::1]:4000/[2001:db8::1]:4001 sendrecv 0:PCMU"},
		{"video first, audio refused, audio", text(v, o, s, c, tt, "m=video 5000 RTP/AVP 31", "m=audio 0 RTP/AVP 0", "m=audio 4002 RTP/AVP 8", "a=sendonly"),
			"192.0.2.1:4002/192.0.2.1:4003 sendonly 8:PCMA"},
		{"attributes of video are not audio's", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", "m=video 5000 RTP/AVP 31", "a=inactive", "c=IN IP4 9.9.9.9"), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 0:PCMU"},
		{"a protocol that nobody knows", text(v, o, s, c, tt, "m=audio 4000 RTP/XAVP 0", "m=audio 4002 RTP/AVP 0"), "192.0.2.1:4002/192.0.2.1:4003 sendrecv 0:PCMU"},
		{"a second stream with a host name", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0", "c=IN IP4 phone.example"), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 0:PCMU"},
		{"bare LF, no s= or t=, blank line at the end", []byte("v=0\no=- 1 1 IN IP4 1.2.3.4\nc=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 0\n\n"), "1.2.3.4:4000/1.2.3.4:4001 sendrecv 0:PCMU"},
		{"blanks in plenty", text(v, o, s, "c=IN  IP4   192.0.2.1", tt, "m=audio  4000  RTP/AVP  0  8 "), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 0:PCMU 8:PCMA"},
		{"number of ports", text(v, o, s, c, tt, "m=audio 4000/2 RTP/AVP 0"), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 0:PCMU"},
		{"a host name that nobody needs", text(v, o, s, "c=IN IP4 phone.example", tt, "m=audio 4000 RTP/AVP 0", c), "192.0.2.1:4000/192.0.2.1:4001 sendrecv 0:PCMU"},
		{"refused, without address", text(v, o, s, tt, "m=audio 0 RTP/AVP 0"), "none"},
		{"no streams", text(v, o, s, c, tt), "none"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := describe(got); d != c.want {
				t.Errorf("got  %s\nwant %s", d, c.want)
			}
		})
	}
}

func describe(s *Session) string {
	if s.Index < 0 {
		return "none"
	}
	m := s.Audio
	out := fmt.Sprintf("%v/%v %v", m.Addr, m.RTCP, m.Direction)
	if m.RTCPMux {
		out += " mux"
	}
	if m.Held {
		out += " held"
	}
	if m.PtimeMs+m.MaxPtime > 0 {
		out += fmt.Sprintf(" ptime %d/%d", m.PtimeMs, m.MaxPtime)
	}
	for _, c := range m.Codecs {
		out += fmt.Sprintf(" %d:%s", c.PayloadType, c.Name)
		if c.Fmtp != "" {
			out += "(" + c.Fmtp + ")"
		}
	}
	if len(m.Bare) > 0 {
		out += fmt.Sprintf(" bare%v", m.Bare)
	}
	return out
}

func TestParseRefuses(t *testing.T) {
	m := "m=audio 4000 RTP/AVP 0"
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, ErrSyntax},
		{"not SDP", []byte("hello"), ErrSyntax},
		{"no v=", text(o, s, c, tt, m), ErrSyntax},
		{"v=1", text("v=1", o, s, c, tt, m), ErrSyntax},
		{"no o=", text(v, s, c, tt, m), ErrSyntax},
		{"two o=", text(v, o, o, s, c, tt, m), ErrSyntax},
		{"o= of five", text(v, "o=- 1 1 IN IP4", s, c, tt, m), ErrSyntax},
		{"blank line inside", text(v, o, "", s, c, tt, m), ErrSyntax},
		{"no c=", text(v, o, s, tt, m), ErrSyntax},
		{"host name", text(v, o, s, "c=IN IP4 phone.example", tt, m), ErrHostName},
		{"half an address", text(v, o, s, "c=IN IP4 1.2.3", tt, m), ErrSyntax},
		{"wrong family", text(v, o, s, "c=IN IP6 1.2.3.4", tt, m), ErrSyntax},
		{"multicast", text(v, o, s, "c=IN IP4 224.2.1.1/127", tt, m), ErrSyntax},
		{"ATM", text(v, o, s, "c=ATM NSAP 47.0091", tt, m), ErrSyntax},
		{"port", text(v, o, s, c, tt, "m=audio 65536 RTP/AVP 0"), ErrSyntax},
		{"negative port", text(v, o, s, c, tt, "m=audio -1 RTP/AVP 0"), ErrSyntax},
		{"no formats", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP"), ErrSyntax},
		{"payload type", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 128"), ErrSyntax},
		{"rtpmap", text(v, o, s, c, tt, m, "a=rtpmap:0 PCMU"), ErrSyntax},
		{"rtpmap clock", text(v, o, s, c, tt, m, "a=rtpmap:0 PCMU/0"), ErrSyntax},
		{"rtcp port", text(v, o, s, c, tt, m, "a=rtcp:0"), ErrSyntax},
		{"NUL", text(v, o, s, c, tt, m, "a=x\x00"), ErrSyntax},
		{"17 streams", append(text(v, o, s, c, tt), bytes.Repeat(text(m), 17)...), ErrTooLarge},
		{"65 formats", text(v, o, s, c, tt, m+strings.Repeat(" 0", 64)), ErrTooLarge},
		{"129 candidates", append(text(v, o, s, c, tt, m), bytes.Repeat(text("a=candidate:1 1 udp 1 192.0.2.1 9 typ host"), 129)...), ErrTooLarge},
		{"513 attributes", append(text(v, o, s, c, tt, m), bytes.Repeat(text("a=x"), 513)...), ErrTooLarge},
		{"513 attributes of the session", append(text(v, o, s, c, tt), bytes.Repeat(text("a=x"), 513)...), ErrTooLarge},
		{"lines", append(text(v, o, s, c, tt, m), bytes.Repeat(text("b=x"), maxLines)...), ErrTooLarge},
		{"bytes", append(text(v, o, s, c, tt, m), make([]byte, maxBytes)...), ErrTooLarge},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Parse(c.in); !errors.Is(err, c.want) {
				t.Errorf("got %+v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func ours() Local {
	return Local{Addr: ap("203.0.113.5:20000"), Codecs: []Codec{CodecPCMU, CodecPCMA, TelephoneEvent(101)}, SessionID: 5, Version: 1}
}

func mustParse(t testing.TB, b []byte) *Session {
	t.Helper()
	s, err := Parse(b)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return s
}

func TestOfferGolden(t *testing.T) {
	want := "v=0\r\no=- 5 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0 8 101\r\n" +
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
	if got := string(Offer(ours())); got != want {
		t.Errorf("got\n%s", got)
	}
	l := ours()
	l.Addr = ap("[2001:db8::5]:20000")
	if got := string(Offer(l)); !strings.Contains(got, "o=- 5 1 IN IP6 2001:db8::5\r\n") || !strings.Contains(got, "c=IN IP6 2001:db8::5\r\n") {
		t.Error(got)
	}
}

// RFC 3264 6.1 and 8.4, RFC 4317: what we answer and what we may then do.
func TestAnswer(t *testing.T) {
	offer := func(lines ...string) []byte {
		return text(append([]string{v, o, s, c, "t=2873397496 2873404696"}, lines...)...)
	}
	pcma := ours()
	pcma.Codecs = []Codec{CodecPCMA, CodecPCMU}
	inactive := ours()
	inactive.Direction = Inactive
	recvonly := ours()
	recvonly.Direction = RecvOnly
	tests := []struct {
		name   string
		offer  []byte
		local  Local
		answer string // m= lines and attributes
		n      string
	}{
		{"RFC 4317 2.1: two codecs, one taken", offer("m=audio 49170 RTP/AVP 0 8 97", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:97 iLBC/8000"), ours(),
			"m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|sendrecv", "PCMU 0/0 ev 0/0 to 192.0.2.1:49170 send recv 20"},
		{"RFC 4317 2.1: video refused", offer("m=audio 49170 RTP/AVP 0", "m=video 51372 RTP/AVP 31 32", "a=rtpmap:31 H261/90000"), ours(),
			"m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|sendrecv|m=video 0 RTP/AVP 31 32", "PCMU 0/0 ev 0/0 to 192.0.2.1:49170 send recv 20"},
		{"order of streams kept, second audio refused", offer("m=image 5000 udptl t38", "m=audio 4000 RTP/AVP 8", "m=audio 4002 RTP/AVP 0", "m=message 7394 TCP/MSRP *"), ours(),
			"m=image 0 udptl t38|m=audio 20000 RTP/AVP 8|rtpmap:8 PCMA/8000|ptime:20|sendrecv|m=audio 0 RTP/AVP 0|m=message 0 TCP/MSRP *", "PCMA 8/8 ev 0/0 to 192.0.2.1:4000 send recv 20"},
		{"our preference, events by the offer's number", offer("m=audio 4000 RTP/AVP 0 8 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-16"), ours(),
			"m=audio 20000 RTP/AVP 0 96|rtpmap:0 PCMU/8000|rtpmap:96 telephone-event/8000|fmtp:96 0-15|ptime:20|sendrecv", "PCMU 0/0 ev 96/96 to 192.0.2.1:4000 send recv 20"},
		{"no events when we have none", offer("m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000"), pcma,
			"m=audio 20000 RTP/AVP 8|rtpmap:8 PCMA/8000|ptime:20|sendrecv", "PCMA 8/8 ev 0/0 to 192.0.2.1:4000 send recv 20"},
		{"events at another clock are not for G.711", offer("m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/48000"), ours(),
			"m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|sendrecv", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send recv 20"},
		{"renumbered codec", offer("m=audio 4000 RTP/AVP 111", "a=rtpmap:111 PCMA/8000"), ours(),
			"m=audio 20000 RTP/AVP 111|rtpmap:111 PCMA/8000|ptime:20|sendrecv", "PCMA 111/111 ev 0/0 to 192.0.2.1:4000 send recv 20"},
		{"hold: sendonly", offer("m=audio 4000 RTP/AVP 0", "a=sendonly"), ours(), "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|recvonly", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 recv 20"},
		{"hold: inactive", offer("m=audio 4000 RTP/AVP 0", "a=inactive"), ours(), "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|inactive", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 20"},
		{"hold: recvonly", offer("m=audio 4000 RTP/AVP 0", "a=recvonly"), ours(), "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|sendonly", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send 20"},
		{"hold: 0.0.0.0", offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0"), ours(), "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|recvonly", "PCMU 0/0 ev 0/0 to  recv 20"},
		{"hold: 0.0.0.0 and sendonly", offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=sendonly"), ours(), "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|recvonly", "PCMU 0/0 ev 0/0 to  recv 20"},
		{"we hold", offer("m=audio 4000 RTP/AVP 0"), inactive, "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|inactive", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 20"},
		{"both only listen", offer("m=audio 4000 RTP/AVP 0", "a=recvonly"), recvonly, "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|inactive", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 20"},
		{"rtcp-mux taken", offer("m=audio 4000 RTP/AVP 0", "a=rtcp-mux"), ours(), "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|sendrecv|rtcp-mux", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send recv mux 20"},
		{"packet time of the peer", offer("m=audio 4000 RTP/AVP 0", "a=ptime:30"), ours(), "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|sendrecv", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send recv 30"},
		{"packet time no longer than it takes", offer("m=audio 4000 RTP/AVP 0", "a=ptime:200", "a=maxptime:15"), ours(), "m=audio 20000 RTP/AVP 0|rtpmap:0 PCMU/8000|ptime:20|sendrecv", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send recv 10"},
		{"the profile is repeated", offer("m=audio 4000 RTP/AVPF 0"), ours(), "m=audio 20000 RTP/AVPF 0|rtpmap:0 PCMU/8000|ptime:20|sendrecv", "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send recv 20"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			b, n, err := Answer(mustParse(t, c.offer), c.local)
			if err != nil {
				t.Fatal(err)
			}
			head, media, _ := strings.Cut(string(b), "\r\nm=")
			if !strings.HasSuffix(head, "t=2873397496 2873404696") {
				t.Errorf("t= must repeat the offer's (RFC 3264 6): %q", head)
			}
			got := strings.ReplaceAll(strings.ReplaceAll("m="+strings.TrimSuffix(media, "\r\n"), "\r\na=", "|"), "\r\n", "|")
			if got != c.answer {
				t.Errorf("answer\n got  %s\n want %s", got, c.answer)
			}
			if d := may(n); d != c.n {
				t.Errorf("got  %s\nwant %s", d, c.n)
			}
			back := mustParse(t, b) // the law: our answers are read
			if len(back.Lines) != len(mustParse(t, c.offer).Lines) {
				t.Error("an answer has the offer's number of streams")
			}
			var p pion.SessionDescription
			if err := p.Unmarshal(b); err != nil && !bytes.Contains(b, []byte("m=image")) { // which it does not know
				t.Errorf("pion: %v\n%s", err, b)
			}
		})
	}
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"no common codec": {offer("m=audio 4000 RTP/AVP 18 101", "a=rtpmap:101 telephone-event/8000"), ErrNoCommonCodec},
		"wideband PCMA":   {offer("m=audio 4000 RTP/AVP 97", "a=rtpmap:97 PCMA/16000"), ErrNoCommonCodec},
		"video only":      {offer("m=video 4000 RTP/AVP 31"), ErrNoAudio},
		"audio disabled":  {offer("m=audio 0 RTP/AVP 0"), ErrNoAudio},
		"IPv6":            {offer("m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::1"), ErrFamily},
	} {
		if b, _, err := Answer(mustParse(t, c.in), ours()); !errors.Is(err, c.want) || b != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func may(n Negotiated) string {
	addr := ""
	if n.Remote.IsValid() {
		addr = n.Remote.String()
	}
	out := fmt.Sprintf("%s %d/%d ev %d/%d to %s", n.Codec.Name, n.Codec.PayloadType, n.RecvPT, n.EventSendPT, n.EventRecvPT, addr)
	if n.Send {
		out += " send"
	}
	if n.Recv {
		out += " recv"
	}
	if n.RTCPMux {
		out += " mux"
	}
	return fmt.Sprint(out, " ", n.PtimeMs)
}

func TestAccept(t *testing.T) {
	answer := func(lines ...string) *Session {
		return mustParse(t, text(append([]string{v, o, s, c, tt}, lines...)...))
	}
	hold := ours()
	hold.Direction = SendOnly
	tests := []struct {
		name   string
		local  Local
		answer *Session
		want   string
	}{
		{"one codec", ours(), answer("m=audio 4000 RTP/AVP 8"), "PCMA 8/8 ev 0/0 to 192.0.2.1:4000 send recv 20"},
		{"the answerer's order", ours(), answer("m=audio 4000 RTP/AVP 101 8 0", "a=rtpmap:101 telephone-event/8000"), "PCMA 8/8 ev 101/101 to 192.0.2.1:4000 send recv 20"},
		{"renumbered by the answerer", ours(), answer("m=audio 4000 RTP/AVP 97 96", "a=rtpmap:97 PCMU/8000", "a=rtpmap:96 telephone-event/8000"),
			"PCMU 97/0 ev 96/101 to 192.0.2.1:4000 send recv 20"},
		{"event number without rtpmap", ours(), answer("m=audio 4000 RTP/AVP 0 101"), "PCMU 0/0 ev 101/101 to 192.0.2.1:4000 send recv 20"},
		{"we hold", hold, answer("m=audio 4000 RTP/AVP 0", "a=recvonly"), "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send 20"},
		{"we hold, an answerer that does not know it", hold, answer("m=audio 4000 RTP/AVP 0"), "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send 20"},
		{"held at once", ours(), answer("m=audio 4000 RTP/AVP 0", "a=sendonly"), "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 recv 20"},
		{"mux that nobody offered", ours(), answer("m=audio 4000 RTP/AVP 0", "a=rtcp-mux"), "PCMU 0/0 ev 0/0 to 192.0.2.1:4000 send recv 20"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			n, err := Accept(c.local, c.answer)
			if err != nil || may(n) != c.want {
				t.Errorf("got  %s %v\nwant %s", may(n), err, c.want)
			}
			if n.RemoteRTCP != ap("192.0.2.1:4001") {
				t.Error("RTCP to", n.RemoteRTCP)
			}
		})
	}
	for want, a := range map[error]*Session{
		ErrNoAudio:       answer("m=audio 0 RTP/AVP 0"),
		ErrNoCommonCodec: answer("m=audio 4000 RTP/AVP 18"),
	} {
		if _, err := Accept(ours(), a); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// Both ends of one offer and answer see the same session, for each direction.
func TestBothEndsAgree(t *testing.T) {
	for a := SendRecv; a <= Inactive; a++ {
		for b := SendRecv; b <= Inactive; b++ {
			la, lb := ours(), ours()
			la.Direction, lb.Direction, lb.Addr = a, b, ap("192.0.2.9:30000")
			lb.Codecs = []Codec{CodecPCMA, TelephoneEvent(96)}
			ans, nb, err := Answer(mustParse(t, Offer(la)), lb)
			if err != nil {
				t.Fatal(err)
			}
			na, err := Accept(la, mustParse(t, ans))
			if err != nil {
				t.Fatal(err)
			}
			if na.Send != nb.Recv || na.Recv != nb.Send || na.Codec.PayloadType != nb.RecvPT || nb.Codec.PayloadType != na.RecvPT ||
				na.EventSendPT != nb.EventRecvPT || nb.EventSendPT != na.EventRecvPT || na.EventSendPT == 0 {
				t.Errorf("%v/%v: %+v %+v", a, b, na, nb)
			}
		}
	}
}

func TestRevise(t *testing.T) {
	l := ours()
	l.Version = 18446744073709551614
	first := Offer(l)
	if got := Revise(nil, first); !bytes.Equal(got, first) {
		t.Error("without a former one")
	}
	l.Version = 1
	if got := Revise(first, Offer(l)); !bytes.Equal(got, first) {
		t.Errorf("unchanged:\n%s", got)
	}
	l.Direction = SendOnly
	held := Revise(first, Offer(l))
	if !bytes.Contains(held, []byte("o=- 5 18446744073709551615 IN")) || !bytes.Contains(held, []byte("a=sendonly")) {
		t.Errorf("changed:\n%s", held)
	}
	if again := Revise(held, Offer(l)); !bytes.Equal(again, held) {
		t.Errorf("repeated:\n%s", again)
	}
}

// Law: what is parsed, answered and parsed again keeps what was negotiated; and
// nothing a stranger sends makes us write a description that we would not read.
func FuzzAnswer(f *testing.F) {
	f.Add(text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=sendonly"))
	f.Add(text(v, o, s, "c=IN IP6 ::", "t=1 2", "m=video 1 RTP/AVP x y", "m=audio 65535/3 RTP/AVPF 97", "a=rtpmap:97 PCMA/8000/1", "a=rtcp:1 IN IP4 1.2.3.4", "a=maxptime:1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		offer, err := Parse(b)
		if err != nil {
			return
		}
		for _, l := range []Local{sdes(1), browser()} {
			if ans, n, err := Answer(offer, l); err == nil {
				back, err := Parse(ans)
				if err != nil || (n.SDES != nil) != (len(back.Audio.Crypto) == 1) || (n.DTLS != nil) != back.IsWeb() {
					t.Fatalf("%v\n%s\nto\n%s", err, ans, b)
				}
			}
		}
		l := ours()
		ans, n, err := Answer(offer, l)
		if err != nil {
			return
		}
		back, err := Parse(ans)
		if err != nil {
			t.Fatalf("%v\n%s\nto\n%s", err, ans, b)
		}
		if len(back.Lines) != len(offer.Lines) || back.Index < offer.Index || back.Audio.Addr != l.Addr {
			t.Fatalf("%+v\n%s", back, ans)
		}
		if back.Audio.Codecs[0].PayloadType != n.RecvPT || back.Audio.Codecs[0].Name != n.Codec.Name ||
			back.Audio.Direction != direction(n.Send, n.Recv) || n.PtimeMs < 10 || n.PtimeMs > 60 || n.Send && !n.Remote.IsValid() {
			t.Fatalf("%+v\n%s", n, ans)
		}
		// Parse, print, parse: an offer made of what was read reads the same.
		l.Codecs = nil
		for _, c := range offer.Audio.Codecs {
			if !c.IsEvent() {
				c.Fmtp = ""
			}
			l.Codecs = append(l.Codecs, c)
		}
		l.Direction = offer.Audio.Direction
		again, err := Parse(Offer(l))
		if err != nil || len(again.Audio.Codecs) != len(l.Codecs) || again.Audio.Direction != l.Direction {
			t.Fatalf("%v\n%s", err, Offer(l))
		}
		for i, c := range again.Audio.Codecs {
			if c != l.Codecs[i] {
				t.Fatalf("%+v, want %+v", c, l.Codecs[i])
			}
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	in := text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=sendrecv")
	l := ours()
	b.ReportAllocs()
	for b.Loop() {
		s, err := Parse(in)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := Answer(s, l); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOpusAndG722: what is agreed with phones that have more than G.711.
func TestOpusAndG722(t *testing.T) {
	ours := []Codec{CodecOpus, CodecG722, CodecPCMA, CodecPCMU, TelephoneEvent(101), TelephoneEventAt(110, 48000)}
	local := Local{Addr: ap("192.0.2.9:20000"), Codecs: ours}
	media := func(lines ...string) []byte { return text(append([]string{v, o, s, c, tt}, lines...)...) }
	for _, tt := range []struct {
		name          string
		ours          []Codec
		in            []byte
		codec         string
		send, recv    uint8
		event, evRecv uint8
		clock         int
		in2           string // in our answer
	}{
		{"a browser", ours, media("m=audio 4000 RTP/AVP 109 9 0 8 101 126", "a=rtpmap:109 opus/48000/2", "a=fmtp:109 maxaveragebitrate=20000;usedtx=1;useinbandfec=1",
			"a=rtpmap:101 telephone-event/48000", "a=rtpmap:126 telephone-event/8000"), "opus", 109, 109, 101, 101, 48000, "a=fmtp:109 minptime=10;useinbandfec=1\r\n"},
		{"Opus with events at 8 kHz alone", ours, media("m=audio 4000 RTP/AVP 96 101", "a=rtpmap:96 OPUS/48000/2", "a=rtpmap:101 telephone-event/8000"),
			"opus", 96, 96, 101, 101, 8000, "a=rtpmap:96 opus/48000/2\r\n"},
		{"the caller's codec first", append([]Codec{CodecG722}, ours...), media("m=audio 4000 RTP/AVP 96 9", "a=rtpmap:96 opus/48000/2"),
			"G722", 9, 9, 0, 0, 0, "a=rtpmap:9 G722/8000\r\n"},
		{"G.711 with events at 48 kHz alone", ours, media("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/48000"), "PCMA", 8, 8, 0, 0, 0, "RTP/AVP 8\r\n"},
		{"opus of one channel is not Opus", ours, media("m=audio 4000 RTP/AVP 96 0", "a=rtpmap:96 opus/48000"), "PCMU", 0, 0, 0, 0, 0, "RTP/AVP 0\r\n"},
	} {
		offer, err := Parse(tt.in)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		l := local
		l.Codecs = tt.ours
		answer, n, err := Answer(offer, l)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		if n.Codec.Name != tt.codec || n.Codec.PayloadType != tt.send || n.RecvPT != tt.recv || n.EventSendPT != tt.event || n.EventRecvPT != tt.evRecv || n.EventClock != tt.clock {
			t.Errorf("%s: %+v", tt.name, n)
		}
		if !strings.Contains(string(answer), tt.in2) {
			t.Errorf("%s: no %q in\n%s", tt.name, tt.in2, answer)
		}
		// The same as our offer, answered by a peer like us, is read alike.
		s, err := Parse(answer)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		if got := s.Audio.Codecs[0].Name; got != tt.codec {
			t.Errorf("%s: our answer says %s", tt.name, got)
		}
	}
	s, err := Parse(media("m=audio 4000 RTP/AVP 97 102", "a=rtpmap:97 opus/48000/2", "a=fmtp:97 maxaveragebitrate=16000; useinbandfec=0;usedtx=x", "a=rtpmap:102 telephone-event/8000"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Accept(local, s)
	if err != nil || n.RecvPT != 111 || n.Codec.PayloadType != 97 || n.EventSendPT != 102 || n.EventRecvPT != 101 || n.EventClock != 8000 {
		t.Errorf("%+v %v", n, err)
	}
	if a, b, c := n.Codec.Param("maxaveragebitrate", 1), n.Codec.Param("useinbandfec", 1), n.Codec.Param("usedtx", 0); a != 16000 || b != 0 || c != 0 {
		t.Error(a, b, c)
	}
}
