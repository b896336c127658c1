package sip

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/centrala/centrala/pkg/sdp"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// mutator makes messages out of good and bad ones. The same seed makes the same.
type mutator struct {
	r     *rand.Rand
	seeds [][]byte
	n     int
}

func newMutator(t testing.TB, seed uint64) *mutator {
	m := &mutator{r: rand.New(rand.NewPCG(seed, seed))}
	add := func(s string) { m.seeds = append(m.seeds, []byte(s)) }
	for _, dir := range []string{"testdata/torture/*.dat", "testdata/torture6/*.dat"} {
		files, _ := filepath.Glob(dir)
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			add(string(b))
		}
	}
	long := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1/127\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
		"m=audio 4000 RTP/SAVPF 111 0 8 101\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n" +
		"a=rtcp:4001 IN IP6 2001:db8::1\r\na=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host\r\na=ptime:20\r\na=sendrecv\r\n" +
		"m=video 0 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\n"
	for range 12 { // calls are what goes deepest: most of what is sent are they
		for _, body := range []string{string(sdpA), string(sdpB), long} {
			add(text("INVITE", "a", "", 1, body))
		}
		add(text("INVITE", "a", "", 1))
		add(text("CANCEL", "a", "", 1))
		add(text("ACK", "a", "x", 1))
		add(text("BYE", "b", "x", 2))
		add(text("UPDATE", "c", "x", 3, string(sdpA)))
		add(text("OPTIONS", "d", "", 1))
		add(text("REFER", "e", "x", 4, "Refer-To: <sip:1001@192.0.2.1?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>"))
		add(text("SUBSCRIBE", "f", "", 1, "Event: dialog", "Expires: 60"))
		add(register("user1", "g", 3, `Authorization: Digest username="user1", realm="centrala", nonce="x", uri="sip:a", response="00000000000000000000000000000000"`))
		add("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:x@y>\r\nContent-Length: 0\r\n\r\n")
	}
	return m
}

var splices = []string{"\r\n", ";", ",", "<", ">", "\"", "\\", "%00", "%", ":", "=", "@", " ", "\t", "\x00", "\xff\xfe", "a=", "m=audio 9 RTP/AVP 0\r\n", "c=IN IP4 0.0.0.0\r\n",
	"Content-Length: 4294967296\r\n", "Via: SIP/2.0/UDP x\r\n", "99999999999999999999", "-1", "[::1]", "sips:", "tel:+40", "\r\n\r\n", "To: <sip:a@b>;tag=z\r\n", "Require: 100rel\r\n", strings.Repeat("a", 300)}

// next makes one message; dialogs and branches vary, so that state grows.
func (m *mutator) next() []byte {
	m.n++
	b := m.seeds[m.r.IntN(len(m.seeds))]
	if m.r.IntN(3) > 0 {
		id := strconv.Itoa(m.r.IntN(1000) + m.n/1000*7)
		b = bytes.ReplaceAll(b, []byte("call1@peer"), []byte("call"+id+"@peer"))
		b = bytes.Replace(b, []byte("branch=z9hG4bK"), []byte("branch=z9hG4bK"+id+"x"), 1)
	}
	head, body, cut := bytes.Cut(b, []byte("\r\n\r\n"))
	if cut && len(body) > 0 && m.r.IntN(2) == 0 {
		// The body alone, with a length that is right: what SDP has to read.
		body = m.twist(body)
		lines := bytes.Split(head, []byte("\r\n"))
		for i, l := range lines {
			if bytes.HasPrefix(l, []byte("Content-Length:")) {
				lines[i] = fmt.Appendf(nil, "Content-Length: %d", len(body))
			}
		}
		return append(append(bytes.Join(lines, []byte("\r\n")), "\r\n\r\n"...), body...)
	}
	return m.twist(b)
}

func (m *mutator) twist(b []byte) []byte {
	b = slices.Clone(b)
	for range m.r.IntN(5) {
		if len(b) == 0 {
			return []byte("x")
		}
		p := m.r.IntN(len(b))
		switch m.r.IntN(6) {
		case 0:
			b[p] = byte(m.r.Uint32())
		case 1:
			b[p] ^= 1 << m.r.IntN(8)
		case 2:
			b = append(b[:p], b[min(len(b), p+1+m.r.IntN(40)):]...)
		case 3:
			b = slices.Insert(b, p, []byte(splices[m.r.IntN(len(splices))])...)
		case 4: // a piece of another message
			o := m.seeds[m.r.IntN(len(m.seeds))]
			q := m.r.IntN(len(o))
			b = append(b[:p:p], o[q:]...)
		default: // a line twice
			i, j := bytes.LastIndexByte(b[:p], '\n')+1, bytes.IndexByte(b[p:], '\n')
			if j >= 0 {
				b = slices.Insert(b, i, b[i:p+j+1]...)
			}
		}
	}
	if len(b) > 60000 {
		b = b[:60000]
	}
	return b
}

// TestMillion sends mutated SIP and SDP to a stack on real sockets: 50,000 here,
// as many as SIP_TORTURE says in `make torture`. Nothing of ours fails, nothing is
// left behind, memory stays flat, and good requests in between are answered.
func TestMillion(t *testing.T) {
	total, big := 50000, false
	if s := os.Getenv("SIP_TORTURE"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1000 {
			t.Fatalf("SIP_TORTURE=%q: want a number from 1000", s)
		}
		total, big = n, true
	} else if testing.Short() {
		total = 10000
	}
	seed := uint64(20261123)
	if s := os.Getenv("SIP_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	reg := prometheus.NewRegistry()
	h := &house{trunks: map[netip.Addr]string{addr("127.0.0.1"): "north"}}
	h.invite = func(in *Invitation) {
		d := in.Dialog
		d.SetSink(func(ev DialogEvent) {
			switch ev := ev.(type) {
			case RemoteOffer:
				if s, err := sdp.Parse(ev.SDP); err == nil && s.Index >= 0 {
					d.Answer(sdpB)
				} else {
					d.RefuseOffer(488)
				}
			case Referred:
				d.RefuseRefer(603)
			}
		})
		s, err := sdp.Parse(in.SDP)
		if len(in.SDP) > 0 && err == nil {
			_, _, err = sdp.Answer(s, sdp.Local{Addr: netip.MustParseAddrPort("192.0.2.1:4000"), Codecs: []sdp.Codec{sdp.CodecPCMA, sdp.CodecPCMU}, PtimeMs: 20})
		}
		switch {
		case err != nil && len(in.SDP) > 0:
			d.Reject(488, "")
		case len(in.SIPCallID)%3 == 0:
			d.Progress(180, nil)
			d.Accept(sdpB)
		case len(in.SIPCallID)%3 == 1:
			d.Reject(486, "")
		default:
			d.Accept(sdpB)
			d.End("")
		}
	}
	s := newStack(t, nil, "127.0.0.1", h, func(c *Config, d *Deps) {
		d.Registerer = reg
		c.Timers = transaction.Timers{T1: 20 * time.Millisecond, T2: 80 * time.Millisecond, T4: 100 * time.Millisecond} // 64*T1 is 1.28 s
		c.Defence.OverloadOff = true
	})
	to := net.UDPAddrFromAddrPort(s.LocalAddr("udp"))
	noise, err := net.DialUDP("udp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	defer noise.Close()
	ask, err := net.DialUDP("udp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	defer ask.Close()

	const batch = 50
	m := newMutator(t, seed)
	var took []time.Duration
	buf := make([]byte, 65536)
	settle := func() (heap uint64, goroutines int) {
		deadline := time.Now().Add(20 * time.Second)
		for s.dialogCount.Load()+s.txCount.Load() > 0 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		runtime.GC()
		var ms runtime.MemStats
		runtime.ReadMemStats(&ms)
		return ms.HeapAlloc, runtime.NumGoroutine()
	}
	var heap0 uint64
	var gor0 int
	start := time.Now()
	for sent := 0; sent < total; sent += batch {
		for range batch {
			_, _ = noise.Write(m.next())
		}
		id := "good" + strconv.Itoa(sent)
		q := strings.ReplaceAll(text("OPTIONS", id, "", 1), "call1@peer", id+"@peer")
		at := time.Now()
		_, _ = ask.Write([]byte(q))
		_ = ask.SetReadDeadline(at.Add(5 * time.Second))
		for {
			n, err := ask.Read(buf)
			if err != nil {
				t.Fatalf("after %d messages of seed %d an OPTIONS got no answer: %v", sent+batch, seed, err)
			}
			if bytes.Contains(buf[:n], []byte(id+"@peer")) {
				if code(string(buf[:n])) != "200" {
					t.Fatalf("OPTIONS: %q", buf[:n])
				}
				break
			}
		}
		took = append(took, time.Since(at))
		if sent/batch == total/batch/5 { // after a fifth all that grows once has grown
			heap0, gor0 = settle()
		}
	}
	elapsed := time.Since(start)
	heap1, gor1 := settle()
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("%d messages of seed %d in %s (%.0f a second); OPTIONS p50 %s p99 %s max %s; heap %d kB after a fifth, %d kB at the end; goroutines %d, %d",
		total, seed, elapsed.Round(time.Millisecond), float64(total)/elapsed.Seconds(), took[len(took)/2], p99, took[len(took)-1], heap0>>10, heap1>>10, gor0, gor1)
	limit := 500 * time.Millisecond // a machine that runs other tests too
	if big {
		limit = 10 * time.Millisecond
	}
	if p99 > limit {
		t.Errorf("OPTIONS p99 %s, want at most %s", p99, limit)
	}
	if n := s.dialogCount.Load(); n != 0 {
		t.Errorf("%d dialogs left", n)
	}
	if n := s.txCount.Load(); n != 0 {
		t.Errorf("%d transactions left", n)
	}
	if gor1 > gor0+2 {
		t.Errorf("goroutines grew from %d to %d", gor0, gor1)
	}
	if heap1 > heap0+4<<20 {
		t.Errorf("heap grew from %d kB to %d kB", heap0>>10, heap1>>10)
	}
	stop(t, s)
	fams, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fams {
		for _, m := range f.Metric {
			if label(m, "reason") == "panic" && m.Counter.GetValue() != 0 {
				t.Errorf("%v panics", m.Counter.GetValue())
			}
		}
	}
}
