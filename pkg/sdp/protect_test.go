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

func key(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i)
	}
	return b
}

// sdes is a side of ours that speaks three suites.
func sdes(seed byte) Local {
	l := ours()
	l.Protection.Crypto = []Crypto{{1, "AEAD_AES_128_GCM", key(28, seed), nil}, {2, "AES_CM_128_HMAC_SHA1_80", key(30, seed), nil}, {3, "AES_CM_128_HMAC_SHA1_32", key(30, seed+1), nil}}
	return l
}

func TestParseCrypto(t *testing.T) {
	tests := []struct {
		in, want string // "" = passed over
	}{
		// RFC 4568 4.1's own example.
		{"1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32", ""}, // an MKI of 32 bytes; 16 are more than any phone's
		{"1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^31|1:1", "1 AES_CM_128_HMAC_SHA1_80 30 mki=01"},
		{"99 AES_CM_128_HMAC_SHA1_32  INLINE:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj  WSH=64 KDR=0 -x", "99 AES_CM_128_HMAC_SHA1_32 30 mki="},
		{"1 F8 inline:AAAA;inline:BBBB", ""},
		{"1 F8 inline:AAAA UNENCRYPTED_SRTCP", ""},
		{"1 F8 inline:AAAA KDR=24", ""},
		{"0 F8 inline:AAAA", ""},
		{"x F8 inline:AAAA", ""},
		{"1 F8 inline:!", ""},
		{"1 F8 inline:", ""},
		{"1 F8 AAAA", ""},
		{"1 F8 inline:AAAA|300:1", ""},
		{"1 F8 inline:AAAA|1:200", ""},
		{"1", ""},
		{"", ""},
		{"1 F8 inline:" + strings.Repeat("A", 4000), ""},
	}
	for _, x := range tests {
		c, ok := parseCrypto(x.in)
		got := ""
		if ok {
			got = fmt.Sprintf("%d %s %d mki=%x", c.Tag, c.Suite, len(c.Key), c.MKI)
		}
		if got != x.want {
			t.Errorf("%.60q: %q, want %q", x.in, got, x.want)
		}
	}
}

// TestSDES: what is answered to each kind of offer under each policy, and what both
// sides then know.
func TestSDES(t *testing.T) {
	line := func(tag int, suite string, n int, seed byte) string {
		return strings.TrimSuffix(string(appendCrypto(nil, Crypto{Tag: tag, Suite: suite, Key: key(n, seed)})), "\r\n")
	}
	savp := func(lines ...string) []byte {
		return text(append([]string{v, o, s, c, tt, "m=audio 4000 RTP/SAVP 0"}, lines...)...)
	}
	required := sdes(1)
	required.Protection.Required = true
	for _, x := range []struct {
		name   string
		offer  []byte
		l      Local
		err    error
		suite  string
		tag    int
		remote byte
		proto  string
	}{
		{"the offerer's order", savp(line(1, "AES_CM_128_HMAC_SHA1_32", 30, 7), line(2, "AEAD_AES_128_GCM", 28, 9)), sdes(1), nil, "AES_CM_128_HMAC_SHA1_32", 1, 7, "RTP/SAVP"},
		{"the first we speak", savp(line(4, "AES_256_CM_HMAC_SHA1_80", 46, 7), "a=crypto:5 AEAD_AES_128_GCM inline:AAAA", line(6, "aead_aes_128_gcm", 28, 9)), sdes(1), nil, "aead_aes_128_gcm", 6, 9, "RTP/SAVP"},
		{"none in common", savp(line(1, "AES_256_CM_HMAC_SHA1_80", 46, 7)), sdes(1), ErrProtection, "", 0, 0, ""},
		{"no key at all", savp(), sdes(1), ErrProtection, "", 0, 0, ""},
		{"we may not", savp(line(1, "AES_CM_128_HMAC_SHA1_80", 30, 7)), ours(), ErrProtection, "", 0, 0, ""},
		{"best effort, taken", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", line(1, "AES_CM_128_HMAC_SHA1_80", 30, 7)), sdes(1), nil, "AES_CM_128_HMAC_SHA1_80", 1, 7, "RTP/AVP"},
		{"best effort, we may not", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0", line(1, "AES_CM_128_HMAC_SHA1_80", 30, 7)), ours(), nil, "", 0, 0, "RTP/AVP"},
		{"plain, we may both", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0"), sdes(1), nil, "", 0, 0, "RTP/AVP"},
		{"plain, but we must", text(v, o, s, c, tt, "m=audio 4000 RTP/AVP 0"), required, ErrProtection, "", 0, 0, ""},
		{"two streams, we may", append(savp(line(1, "AES_CM_128_HMAC_SHA1_80", 30, 7)), "m=audio 4002 RTP/AVP 0\r\n"...), sdes(1), nil, "AES_CM_128_HMAC_SHA1_80", 1, 7, "RTP/SAVP"},
		{"two streams, we may not", append(savp(line(1, "AES_CM_128_HMAC_SHA1_80", 30, 7)), "m=audio 4002 RTP/AVP 0\r\n"...), ours(), nil, "", 0, 0, "RTP/AVP"},
		{"DTLS without ICE", text(v, o, s, c, tt, "m=audio 4000 UDP/TLS/RTP/SAVP 0", "a=fingerprint:sha-256 "+strings.TrimSuffix(strings.Repeat("AB:", 32), ":"), "a=setup:actpass"), sdes(1), ErrProtection, "", 0, 0, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			b, n, err := Answer(mustParse(t, x.offer), x.l)
			if !errors.Is(err, x.err) {
				t.Fatalf("%v, want %v", err, x.err)
			}
			if err != nil {
				return
			}
			ans := mustParse(t, b)
			if ans.Audio.Proto != x.proto || (n.SDES == nil) != (x.suite == "") || len(ans.Audio.Crypto) != min(x.tag, 1) {
				t.Fatalf("%+v\n%s", n, b)
			}
			if n.SDES == nil {
				return
			}
			a := ans.Audio.Crypto[0]
			if a.Tag != x.tag || a.Suite != x.suite || n.SDES.Suite != x.suite || !bytes.Equal(a.Key, n.SDES.Local) || n.SDES.Remote[0] != x.remote {
				t.Errorf("%v %v\n%s", a, n.SDES, b)
			}
		})
	}
}

// TestSDESBothWays: our offer, our answer; both know the same keys.
func TestSDESBothWays(t *testing.T) {
	a, b := sdes(1), sdes(100)
	a.Protection.Offer = true
	offer := Offer(a)
	var d pion.SessionDescription
	if err := d.Unmarshal(offer); err != nil {
		t.Fatalf("pion: %v\n%s", err, offer)
	}
	ans, nb, err := Answer(mustParse(t, offer), b)
	if err != nil {
		t.Fatal(err)
	}
	na, err := Accept(a, mustParse(t, ans))
	if err != nil {
		t.Fatal(err)
	}
	if na.SDES == nil || na.SDES.Suite != "AEAD_AES_128_GCM" || !bytes.Equal(na.SDES.Local, nb.SDES.Remote) || !bytes.Equal(na.SDES.Remote, nb.SDES.Local) {
		t.Errorf("%v %v", na.SDES, nb.SDES)
	}
	// An answer that takes a tag which was not offered, or none.
	for _, bad := range []string{strings.Replace(string(ans), "crypto:1", "crypto:2", 1), strings.Replace(string(ans), "a=crypto", "a=x", 1)} {
		if _, err := Accept(a, mustParse(t, []byte(bad))); !errors.Is(err, ErrProtection) {
			t.Errorf("%v\n%s", err, bad)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v %v %+v", a, a, a, na, *na.SDES); strings.Contains(s, fmt.Sprint(key(28, 1))) || strings.Contains(s, "0x1, 0x2, 0x3") {
		t.Error("a key is printed:", s)
	}
}

const print32 = "0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9:0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9"

// chromium is an offer as the browser writes it, shortened.
const chromium = `v=0
o=- 4611732 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS 7c
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 8f0e3bd5-1f3f-4d4a-9f16-9d0f2d1e.local 51234 typ host generation 0 network-cost 999
a=ice-ufrag:kX3z
a=ice-pwd:0dpSQ8Cfm1B6wXcXfgUzbdYz
a=ice-options:trickle
a=fingerprint:sha-256 ` + print32 + `
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:7c 9d
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:12 cname:x
`

func browser() Local {
	l := ours()
	l.Web = &Web{ICE: ICE{"ours", "ours-password-of-24-chars"}, Fingerprint: strings.Replace(print32, "0A", "FF", 1), SSRC: 4294967295, CNAME: "abc",
		Candidates: []netip.Addr{netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("2001:db8::5")}, TCP: true}
	return l
}

// TestWebAnswer: the answer to a browser, to the byte.
func TestWebAnswer(t *testing.T) {
	offer := mustParse(t, []byte(chromium))
	if !offer.IsWeb() || offer.Audio.Held || offer.Audio.ICE.Ufrag != "kX3z" {
		t.Fatalf("%+v", offer.Audio)
	}
	b, n, err := Answer(offer, browser())
	if err != nil {
		t.Fatal(err)
	}
	want := "v=0\r\no=- 5 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 0\r\n" +
		"m=audio 20000 UDP/TLS/RTP/SAVPF 0 126\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\na=ptime:20\r\na=sendrecv\r\na=rtcp-mux\r\n" +
		"a=mid:0\r\na=ice-ufrag:ours\r\na=ice-pwd:ours-password-of-24-chars\r\na=fingerprint:sha-256 FF" + print32[2:] + "\r\na=setup:passive\r\na=msid:centrala audio\r\na=ssrc:4294967295 cname:abc\r\n" +
		"a=candidate:1 1 udp 2130706431 203.0.113.5 20000 typ host\r\na=candidate:100 1 tcp 1520435199 203.0.113.5 20000 typ host tcptype passive\r\n" +
		"a=candidate:2 1 udp 2130706175 2001:db8::5 20000 typ host\r\na=candidate:101 1 tcp 1520434943 2001:db8::5 20000 typ host tcptype passive\r\na=end-of-candidates\r\n"
	if string(b) != want {
		t.Errorf("got\n%s", b)
	}
	if n.DTLS == nil || n.DTLS.Client || n.DTLS.Fingerprints[0] != print32 || n.ICE.Ufrag != "kX3z" || !n.Send || !n.Recv || !n.RTCPMux || n.Remote.IsValid() || n.SDES != nil {
		t.Errorf("%+v", n)
	}
	// One who waits makes us begin; one who has no port of browsers refuses.
	if b, n, err = Answer(mustParse(t, []byte(strings.Replace(chromium, "setup:actpass", "setup:passive", 1))), browser()); err != nil || !n.DTLS.Client || !bytes.Contains(b, []byte("a=setup:active\r\n")) {
		t.Errorf("%v %+v", err, n.DTLS)
	}
	if _, _, err = Answer(offer, sdes(1)); !errors.Is(err, ErrProtection) {
		t.Errorf("%v", err)
	}
	// Hold as browsers write it.
	if _, n, _ = Answer(mustParse(t, []byte(strings.Replace(chromium, "a=sendrecv", "a=sendonly", 1))), browser()); n.Send || !n.Recv {
		t.Errorf("%+v", n)
	}
	// Refused video keeps its mid.
	if b, _, err = Answer(mustParse(t, []byte(chromium+"m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\n")), browser()); err != nil || !bytes.Contains(b, []byte("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n")) {
		t.Errorf("%v\n%s", err, b)
	}
}

// TestWebOffer: our offer, and the answers of browsers to it.
func TestWebOffer(t *testing.T) {
	l := browser()
	offer := Offer(l)
	var d pion.SessionDescription
	if err := d.Unmarshal(offer); err != nil {
		t.Fatalf("pion: %v\n%s", err, offer)
	}
	back := mustParse(t, offer)
	if !back.IsWeb() || back.Audio.Setup != "actpass" || back.Audio.Mid != "0" || back.Bundle[0] != "0" || !back.Audio.RTCPMux {
		t.Errorf("%+v", back)
	}
	ans := strings.NewReplacer("setup:actpass", "setup:active", "111 63 9 0 8 13 110 126", "0 126").Replace(chromium)
	n, err := Accept(l, mustParse(t, []byte(ans)))
	if err != nil || n.DTLS == nil || n.DTLS.Client || !n.RTCPMux || !n.Send || n.EventSendPT != 126 || n.EventRecvPT != 101 {
		t.Errorf("%v %+v", err, n)
	}
	for _, bad := range []string{strings.Replace(ans, "a=fingerprint:sha-256", "a=fingerprint:sha-1", 1), strings.Replace(ans, "UDP/TLS/RTP/SAVPF", "RTP/AVP", 1)} {
		if _, err := Accept(l, mustParse(t, []byte(bad))); !errors.Is(err, ErrProtection) {
			t.Errorf("%v", err)
		}
	}
}

// TestWebAtSessionLevel: Firefox and others write credentials there.
func TestWebAtSessionLevel(t *testing.T) {
	moved := strings.NewReplacer("a=ice-ufrag:kX3z\n", "", "a=ice-pwd:0dpSQ8Cfm1B6wXcXfgUzbdYz\n", "", "a=fingerprint:sha-256 "+print32+"\n", "", "a=setup:actpass\n", "").Replace(chromium)
	if mustParse(t, []byte(moved)).IsWeb() {
		t.Fatal("nothing was moved")
	}
	moved = strings.Replace(moved, "t=0 0\n", "t=0 0\na=ice-ufrag:kX3z\na=ice-pwd:0dpSQ8Cfm1B6wXcXfgUzbdYz\na=fingerprint:sha-256 "+print32+"\na=setup:passive\n", 1)
	if m := mustParse(t, []byte(moved)); !m.IsWeb() || m.Audio.Setup != "passive" {
		t.Errorf("%+v", m.Audio)
	}
}
