//go:build e2e

package e2e

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// torture says what a server may answer to each message of RFC 4475, by UDP and
// TCP. nothing = no answer at all is right too. A valid request may also be
// asked who it is (401, 407), refused as a stranger's (403), or be unknown here
// (404); an INVITE of a stranger never goes further than that.
var torture = map[string][]int{
	// 3.1.1 valid
	"wsinv":      append([]int{481}, valid...), // its To has a tag: a dialog nobody knows
	"intmeth":    {405, 501},                   // !interesting-Method0123456789_*+`.%indeed'~
	"esc01":      valid,
	"escnull":    valid,
	"esc02":      {405, 501}, // RE%47IST%45R is not REGISTER
	"lwsdisp":    valid,
	"longreq":    valid,
	"dblreq":     valid, // by UDP what follows is ignored
	"semiuri":    valid,
	"transports": valid,
	"mpart01":    {405, 501, 401, 403, 404, 415, 481, nothing}, // Via names port 5070
	"unreason":   {nothing},
	"noreason":   {nothing},
	// 3.1.2 invalid
	"badinv01":   {400, nothing}, // its Via tells no port to answer to
	"clerr":      {400, nothing},
	"ncl":        {400},
	"scalar02":   {400},
	"scalarlg":   {nothing},      // a response
	"quotbal":    {400, nothing}, // Via names port 5050, where nobody listens
	"ltgtruri":   {400},
	"lwsruri":    {400},
	"lwsstart":   {400},
	"trws":       {400},
	"escruri":    {400},
	"baddate":    append([]int{400}, valid...), // may be taken leniently
	"regbadct":   {400, 401},
	"badaspec":   append([]int{400}, valid...),
	"baddn":      append([]int{400}, valid...),
	"badvers":    {505},
	"mismatch01": {400},
	"mismatch02": {400, 405, 501},
	"bigcode":    {nothing},
	// 3.2
	"badbranch": append([]int{400}, valid...),
	// 3.3
	"insuf":    {400},
	"unkscm":   {416, 400},
	"novelsc":  {416, 400},
	"unksm2":   {400, 416, 401, 404, 403},
	"bext01":   {420, 401},
	"invut":    {415, 401, 407, 403, 404},
	"regaut01": {400, 401, 403},
	"multi01":  {400},
	"mcl01":    {400},
	"bcast":    {nothing},
	"zeromf":   {483, 200, 401, 404},
	"cparam01": {401, 200, 400},
	"cparam02": {401, 200, 400},
	"regescrt": {401, 200, 400, 404, 403},
	"sdp01":    {406, 401, 407, 403, 404, 415},
	// 3.4
	"inv2543": append([]int{400}, valid...),
	"test":    nil, // not of the RFC
}

const nothing = 0

// valid is what a good request of a stranger may get.
var valid = []int{200, 401, 403, 404, 407}

// tortureFiles returns the messages by name.
func tortureFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../../pkg/sip/testdata/torture/*.dat")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d torture files, %v", len(files), err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".dat")] = b
	}
	return out
}

// TestTortureUDP sends from port 5060 of an address of its own, so that answers
// come back whether they go to the source port or to the port of Via.
func TestTortureUDP(t *testing.T) {
	t.Parallel()
	h := open(t)
	c, err := net.ListenPacket("udp", "127.0.0.9:5060")
	rport := err != nil // a server on this machine holds 0.0.0.0:5060: ask for the source port instead
	if rport {
		if c, err = net.ListenPacket("udp", "127.0.0.9:0"); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, 65535)
	for name, msg := range tortureFiles(t) {
		want := torture[name]
		if want == nil {
			continue
		}
		if rport && !bytes.Contains(msg, []byte("rport")) {
			msg = bytes.Replace(msg, []byte(";branch="), []byte(";rport;branch="), 1)
		}
		if _, err := c.WriteTo(msg, net.UDPAddrFromAddrPort(h.sip)); err != nil {
			t.Fatal(err)
		}
		wait := 2 * time.Second
		if slices.Contains(want, nothing) {
			wait = 300 * time.Millisecond
		}
		got := nothing
		_ = c.SetReadDeadline(time.Now().Add(wait))
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				break
			}
			m, err := robot.Parse(buf[:n])
			if err != nil {
				t.Errorf("%s: the answer does not parse: %q", name, buf[:n])
				break
			}
			if m.Status >= 200 && sameCall(msg, m) {
				got = m.Status
				ack(c.WriteTo, h, m, msg)
				break
			}
		}
		if !slices.Contains(want, got) {
			t.Errorf("%s by UDP: answered %d, want one of %v", name, got, want)
		}
	}
	h.alive()
}

// TestTortureTCP gives each message a connection of its own.
func TestTortureTCP(t *testing.T) {
	t.Parallel()
	h := open(t)
	for name, msg := range tortureFiles(t) {
		want := torture[name]
		if want == nil {
			continue
		}
		c, err := net.DialTimeout("tcp", h.sip.String(), 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(msg)
		_ = c.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
		buf := make([]byte, 65535)
		n, _ := c.Read(buf)
		_ = c.Close()
		got := nothing
		if n > 0 {
			head, _, _ := strings.Cut(string(buf[:n]), "SIP/2.0 100")
			if head == "" { // after a 100 the final answer follows
				if _, rest, ok := strings.Cut(string(buf[9:n]), "SIP/2.0 "); ok {
					head = "SIP/2.0 " + rest
				}
			}
			if len(head) > 11 && strings.HasPrefix(head, "SIP/2.0 ") {
				for _, d := range head[8:11] {
					got = got*10 + int(d-'0')
				}
			}
		}
		// A connection that sent nonsense may be closed without a word.
		if got != nothing && !slices.Contains(want, got) {
			t.Errorf("%s by TCP: answered %d, want one of %v", name, got, want)
		}
		if got == nothing && slices.Equal(want, valid) {
			t.Errorf("%s by TCP: no answer, want one of %v", name, want)
		}
	}
	h.alive()
}

// TestNoise: lengths that lie and bytes that are no SIP neither answer wrongly
// nor cost memory. Who makes it is banned, and nobody else.
func TestNoise(t *testing.T) {
	t.Parallel()
	h := open(t)
	tcp := net.Dialer{Timeout: 2 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 8)}}
	udp := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 8)}}
	for _, s := range []string{
		"INVITE sip:1000@x SIP/2.0\r\nContent-Length: 2147483647\r\n\r\n",
		"INVITE sip:1000@x SIP/2.0\r\nContent-Length: -1\r\n\r\n",
		strings.Repeat("A", 200000),
		"OPTIONS sip:x SIP/2.0\r\n" + strings.Repeat("X: y\r\n", 20000) + "\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // TLS
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		for range 20 {
			if c, err := tcp.Dial("tcp", h.sip.String()); err == nil { // a banned address may be turned away
				_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
				_, _ = c.Write([]byte(s))
				_ = c.Close()
			}
			u, err := udp.Dial("udp", h.sip.String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = u.Write([]byte(s)[:min(len(s), 60000)])
			_ = u.Close()
		}
	}
	h.alive()
	if n := h.metric("centrala_sip_bans"); n != 1 {
		t.Errorf("%.0f addresses are banned, want the noisy one", n)
	}
	if rss := h.metric("process_resident_memory_bytes"); rss > 150e6 {
		t.Errorf("%.0f MB resident after noise", rss/1e6)
	}
}

func sameCall(sent []byte, m *robot.Message) bool {
	id := m.Get("call-id")
	return id == "" || strings.Contains(string(sent), id)
}

// ack ends the refused INVITE, so that its answer is not sent again into the
// next message's turn.
func ack(write func([]byte, net.Addr) (int, error), h *house, m *robot.Message, sent []byte) {
	if !strings.Contains(m.Get("cseq"), "INVITE") {
		return
	}
	no, _, _ := strings.Cut(m.Get("cseq"), " ")
	b := "ACK sip:x SIP/2.0\r\nVia: " + m.Get("via") + "\r\nMax-Forwards: 70\r\nFrom: " + m.Get("from") + "\r\nTo: " + m.Get("to") +
		"\r\nCall-ID: " + m.Get("call-id") + "\r\nCSeq: " + no + " ACK\r\nContent-Length: 0\r\n\r\n"
	_, _ = write([]byte(b), net.UDPAddrFromAddrPort(h.sip))
}

// alive wants OPTIONS answered and a call through.
func (h *house) alive() {
	h.t.Helper()
	anna := h.phone("anna", "udp", robot.Any)
	if code, err := anna.Options(within(h.t, patience)); err != nil || code != 200 {
		h.t.Fatalf("OPTIONS: %d, %v", code, err)
	}
	c := h.dial(anna, "9")
	h.up(c)
	c.Leg().PlayTone(callerTone)
	h.hears("echo", c, callerTone)
	c.Hangup()
	h.over(c)
	h.quiet()
}
