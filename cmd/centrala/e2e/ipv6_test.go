//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// One node for both families: an IPv6 caller is answered with IPv6 in Via,
// Contact and SDP and hears its echo by IPv6, an IPv4 caller by IPv4.
func TestDualStackEcho(t *testing.T) {
	t.Parallel()
	l, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 on this machine")
	}
	_ = l.Close()
	h := prepare(t)
	port := h.sip.Port()
	b, err := os.ReadFile(filepath.Join(h.dir, "centrala.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	yaml := regexp.MustCompile(`(?m)^    - \{transport: tcp.*$`).ReplaceAllString(string(b), fmt.Sprintf("    - {transport: udp, address: \"[::]:%d\"}", port))
	yaml = regexp.MustCompile(`address: "127.0.0.1:`).ReplaceAllString(yaml, `address: "0.0.0.0:`)
	yaml = regexp.MustCompile(`bind: 127.0.0.1`).ReplaceAllString(yaml, `bind: "::"`)
	h.write("centrala.yaml", yaml)
	b, err = os.ReadFile(filepath.Join(h.dir, "resources.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("resources.yaml", string(b)+"\n---\nkind: trunk\nname: both\nspec: {addresses: [\"::1\", \"127.0.0.1\"]}\n---\nkind: number\nname: echo6\nspec: {digits: \"9000\", flow: echo}\n")
	h.start()
	for _, ip := range []string{"::1", "127.0.0.1"} {
		t.Run(strings.ReplaceAll(ip, ":", "_"), func(t *testing.T) {
			own := netip.MustParseAddr(ip)
			sound, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(own, 0)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = sound.Close() }()
			family, host := "IP4", ip
			if own.Is6() {
				family, host = "IP6", "["+ip+"]"
			}
			line, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(own, 0)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = line.Close() }()
			us := line.LocalAddr().String()
			say := func(method, branch, to, body string) {
				m := fmt.Sprintf("%[1]s sip:9000@%[2]s:%[3]d SIP/2.0\r\nVia: SIP/2.0/UDP %[4]s;branch=z9hG4bK%[5]s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:x@%[4]s>;tag=f\r\nTo: <sip:9000@%[2]s>%[6]s\r\nCall-ID: c%[2]s\r\nCSeq: 1 %[1]s\r\nContact: <sip:x@%[4]s>\r\n",
					method, host, port, us, branch, to)
				if method == "BYE" {
					m = strings.Replace(m, "CSeq: 1", "CSeq: 2", 1)
				}
				if body != "" {
					m += "Content-Type: application/sdp\r\n"
				}
				m += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
				if _, err := line.WriteToUDPAddrPort([]byte(m), netip.AddrPortFrom(own, port)); err != nil {
					t.Fatal(err)
				}
			}
			hear := func() string {
				for {
					var b [4096]byte
					_ = line.SetReadDeadline(time.Now().Add(5 * time.Second))
					n, _, err := line.ReadFromUDPAddrPort(b[:])
					if err != nil {
						t.Fatal(err)
					}
					if m := string(b[:n]); !strings.HasPrefix(m, "SIP/2.0 1") {
						return m
					}
				}
			}
			say("INVITE", "a", "", fmt.Sprintf("v=0\r\no=- 1 1 IN %[1]s %[2]s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\nm=audio %[3]d RTP/AVP 0\r\n", family, ip, sound.LocalAddr().(*net.UDPAddr).Port))
			answer := hear()
			_, tag, _ := strings.Cut(answer, "\r\nTo: ")
			_, tag, _ = strings.Cut(tag, ";tag=")
			tag, _, _ = strings.Cut(tag, "\r\n")
			say("ACK", "b", ";tag="+tag, "")
			for _, want := range []string{fmt.Sprintf("Contact: <sip:%s:%d>", host, port), fmt.Sprintf("c=IN %s %s", family, ip)} {
				if !strings.Contains(answer, want) {
					t.Errorf("the answer lacks %q", want)
				}
			}
			if strings.Contains(answer, "0.0.0.0") || strings.Contains(answer, "[::]") {
				t.Errorf("an address that leads nowhere: %s", answer)
			}
			m := regexp.MustCompile(`m=audio (\d+) `).FindStringSubmatch(answer)
			if m == nil {
				t.Fatalf("no sound in the answer: %s", answer)
			}
			to, err := netip.ParseAddrPort(host + ":" + m[1])
			if err != nil {
				t.Fatal(err)
			}
			echoed := 0
			for i := range 60 {
				p := make([]byte, 172)
				p[0], p[3], p[7], p[11] = 0x80, byte(i), byte(i*160), 7
				p[6], p[2] = byte(i*160>>8), 0
				for j := 12; j < len(p); j++ {
					p[j] = byte(i) | 0x80
				}
				if _, err := sound.WriteToUDPAddrPort(p, to); err != nil {
					t.Fatal(err)
				}
				_ = sound.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				var b [1500]byte
				if n, _, err := sound.ReadFromUDPAddrPort(b[:]); err == nil && n == 172 {
					echoed++
					time.Sleep(time.Until(time.Now().Add(5 * time.Millisecond)))
				}
			}
			if echoed < 20 {
				t.Errorf("%d of 60 packets came back", echoed)
			}
			say("BYE", "c", ";tag="+tag, "")
			if m := hear(); !strings.HasPrefix(m, "SIP/2.0 200") {
				t.Errorf("BYE: %s", m)
			}
		})
	}
}
