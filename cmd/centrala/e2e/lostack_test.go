//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// TestLostACK: a caller from the trunk never sends ACK. Our 200 comes again with
// growing gaps, and after 64*T1 we give up with BYE (RFC 3261 13.3.1.4). T1 is
// 20 ms here, so that the end is not half a minute away.
func TestLostACK(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	b, err := os.ReadFile(filepath.Join(h.dir, "centrala.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("centrala.yaml", strings.Replace(string(b), "sip:\n", "sip:\n  timers: {t1: 20ms, t2: 160ms}\n", 1))
	h.start()
	c, err := net.ListenPacket("udp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	me := c.LocalAddr().String()
	sdp := "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 60000 RTP/AVP 0\r\n"
	invite := fmt.Sprintf("INVITE sip:9@%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bKlost;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:0722@%[2]s>;tag=a\r\nTo: <sip:9@%[1]s>\r\nCall-ID: lost@%[2]s\r\nCSeq: 1 INVITE\r\nContact: <sip:0722@%[2]s>\r\n"+
		"Content-Type: application/sdp\r\nContent-Length: %[3]d\r\n\r\n%[4]s", h.sip, me, len(sdp), sdp)
	if _, err := c.WriteTo([]byte(invite), net.UDPAddrFromAddrPort(h.sip)); err != nil {
		t.Fatal(err)
	}
	var oks []time.Time
	var bye time.Time
	buf := make([]byte, 65535)
	_ = c.SetReadDeadline(time.Now().Add(6 * time.Second))
	for bye.IsZero() {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatalf("%d times 200 and then no BYE: %v", len(oks), err)
		}
		m, err := robot.Parse(buf[:n])
		switch {
		case err != nil:
			t.Fatal(err)
		case m.Status == 200:
			oks = append(oks, time.Now())
		case m.Method == "BYE":
			bye = time.Now()
			ok := fmt.Sprintf("SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
				m.Get("via"), m.Get("from"), m.Get("to"), m.Get("call-id"), m.Get("cseq"))
			_, _ = c.WriteTo([]byte(ok), from)
		}
	}
	// 0, 20, 60, 140, 300, 460 ... 1,280 ms
	if len(oks) < 8 || len(oks) > 13 {
		t.Errorf("%d times 200, want about 11", len(oks))
	}
	if took := bye.Sub(oks[0]); took < 1200*time.Millisecond || took > 2500*time.Millisecond {
		t.Errorf("given up after %s, want 1.28s", took)
	}
	if d := h.ended(); string(d.Reason) != "signal_timeout" {
		t.Errorf("%s/%s", d.Result, d.Reason)
	}
	h.quiet()
}
