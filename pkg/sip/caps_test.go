package sip

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/pkg/sip/transaction"
)

// A thousand callers who never send their ACK: the node answers others all the
// while; their dialogs are gone when 64*T1 are over (RFC 3261 13.3.1.4), and all
// that is left is the BYE that nobody answers, which is sent twice and forgotten.
func TestThousandInvitesNeverAcked(t *testing.T) {
	run(t, true, func(b *bench) {
		b.h.invite = func(in *Invitation) { in.Dialog.Accept(sdpB) }
		for i := range 1000 {
			b.send(strings.ReplaceAll(text("INVITE", fmt.Sprint("n", i), "", 1, string(sdpA)), "call1@", fmt.Sprintf("call%d@", i)))
			if i%50 == 0 {
				time.Sleep(time.Millisecond)
				b.drain()
			}
		}
		synctest.Wait()
		b.drain()
		if n := b.s.dialogCount.Load(); n != 1000 {
			t.Fatalf("%d dialogs", n)
		}
		for range 31 {
			time.Sleep(time.Second)
			synctest.Wait()
			b.drain()
			b.send(strings.ReplaceAll(text("OPTIONS", fmt.Sprint("o", time.Now().UnixNano()), "", 1), "call1@", "alive@"))
			for found := false; !found; {
				m := b.w.read(time.Second)
				if m == "" {
					t.Fatal("an OPTIONS was not answered meanwhile")
				}
				found = strings.Contains(m, "alive@") && code(m) == "200"
			}
		}
		b.drain()
		time.Sleep(1020 * time.Millisecond) // 32 s since the last 200
		synctest.Wait()
		if n := b.s.dialogCount.Load(); n != 0 {
			t.Errorf("%d dialogs after 64*T1", n)
		}
		byes := map[string]int{}
		count := func() {
			for len(b.w.u.in) > 0 {
				if m := string((<-b.w.u.in).b); strings.HasPrefix(m, "BYE ") {
					byes[header(m, "Call-ID")]++
				}
			}
		}
		count()
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		count()
		for id, n := range byes {
			if n != 2 {
				t.Errorf("%d BYEs of %s", n, id)
			}
		}
		if len(byes) != 1000 {
			t.Errorf("BYEs for %d calls", len(byes))
		}
		time.Sleep(500 * time.Millisecond) // 2*T1
		synctest.Wait()
		if n := b.s.txCount.Load(); n > 31 { // those of our own OPTIONS wait for timer J
			t.Errorf("%d transactions after 66*T1", n)
		}
		time.Sleep(33 * time.Second)
		b.empty()
		b.drain()
	})
}

func (b *bench) drain() {
	for len(b.w.u.in) > 0 {
		<-b.w.u.in
	}
}

// A header of 10 MB costs its sender the connection and us no memory.
func TestHeaderOf10MB(t *testing.T) {
	run(t, true, func(b *bench) {
		c := b.dial()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		go func() {
			_, err := io.WriteString(c, "OPTIONS sip:a@b SIP/2.0\r\nSubject: ")
			piece := strings.Repeat("y", 64<<10)
			for i := 0; i < 160 && err == nil; i++ {
				_, err = io.WriteString(c, piece)
			}
		}()
		_, took := readAll(c, time.Hour)
		runtime.ReadMemStats(&after)
		if took < 0 || took > 2*time.Second {
			t.Errorf("closed after %v", took)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 2<<20 {
			t.Errorf("%d bytes allocated", grown)
		}
		c.Close()
		b.send(text("OPTIONS", "a", "", 1))
		b.want("SIP/2.0 200")
	})
}

// One source cannot have all dialogs.
func TestDialogsPerSource(t *testing.T) {
	run(t, false, func(b *bench) {
		var ringing []*Dialog
		b.h.invite = func(in *Invitation) { in.Dialog.Progress(180, nil); ringing = append(ringing, in.Dialog) }
		call := func(w *wire, i int) string {
			id := fmt.Sprintf("call%d-%d@", w.u.addr.Port(), i)
			inv := func(n int, extra ...string) string {
				return strings.ReplaceAll(text("INVITE", fmt.Sprintf("%d-%d-%d", w.u.addr.Port(), i, n), "", n, append(extra, string(sdpA))...), "call1@", id)
			}
			w.send(b.to, inv(1))
			ch := w.read(time.Second)
			w.send(b.to, inv(2, credentials(t, ch, "user1", "secret1", "INVITE", "sip:1000@192.0.2.1", 0, 1)))
			for {
				m := w.read(time.Second)
				if m == "" || !strings.HasPrefix(m, "SIP/2.0 100") {
					return code(m)
				}
			}
		}
		for i := range 3 {
			if got := call(b.w, i); got != "180" {
				t.Fatalf("call %d: %s", i, got)
			}
		}
		if got := call(b.w, 3); got != "503" {
			t.Errorf("one call too many: %s", got)
		}
		w := b.from("198.51.100.7:5062")
		defer w.u.Close()
		if got := call(w, 0); got != "180" {
			t.Errorf("another source: %s", got)
		}
		for _, d := range ringing {
			d.Reject(480, "")
		}
		time.Sleep(10 * time.Minute)
		b.drain()
		b.s.perSource.Lock()
		if n := len(b.s.perSource.n); n != 0 {
			t.Errorf("%d sources kept", n)
		}
		b.s.perSource.Unlock()
	}, func(c *Config, _ *Deps) { c.Limits.MaxDialogsPerSource = 3 })
}

// One source cannot have all transactions, and what it has is given back; a
// carrier has its own cap.
func TestTransactionsPerSource(t *testing.T) {
	run(t, false, func(b *bench) {
		register := func(w *wire, i int) string {
			id := fmt.Sprintf("call%d-%d@", w.u.addr.Port(), i)
			reg := func(n int, extra ...string) string {
				m := text("REGISTER", fmt.Sprintf("%d-%d-%d", w.u.addr.Port(), i, n), "", n, extra...)
				return strings.ReplaceAll(strings.Replace(m, "To: <sip:1000@", "To: <sip:user1@", 1), "call1@", id)
			}
			w.send(b.to, reg(1))
			ch := w.read(time.Second)
			w.send(b.to, reg(2, credentials(t, ch, "user1", "secret1", "REGISTER", "sip:1000@192.0.2.1", 0, 1)))
			return code(w.read(time.Second))
		}
		granted := 0
		for granted < 100 && register(b.w, granted) == "200" {
			granted++
		}
		// Every owner grants an equal share: who falls unevenly meets the cap earlier.
		if least := 6 / len(b.s.shards); granted < least || granted > 6+len(b.s.shards) {
			t.Errorf("%d transactions of one source, %d owners", granted, len(b.s.shards))
		}
		if n := testutil.ToFloat64(b.s.met.refused[capTransactionsSource]); n != 1 {
			t.Errorf("%v refusals counted", n)
		}
		w := b.from("198.51.100.7:5062")
		defer w.u.Close()
		if got := register(w, 0); got != "200" {
			t.Errorf("another source: %s", got)
		}
		time.Sleep(33 * time.Second) // timer J
		if got := register(b.w, 200); got != "200" {
			t.Errorf("later: %s", got)
		}
		b.empty()
		for _, sh := range b.s.shards {
			if len(sh.perSource) != 0 {
				t.Errorf("%d sources kept", len(sh.perSource))
			}
		}
	}, func(c *Config, _ *Deps) { c.Limits.MaxTransactionsPerSource = 6 })
	run(t, true, func(b *bench) {
		b.h.invite = func(in *Invitation) { in.Dialog.Reject(486, "") }
		for i := range 20 {
			b.send(strings.ReplaceAll(text("INVITE", fmt.Sprint("n", i), "", 1, string(sdpA)), "call1@", fmt.Sprintf("call%d@", i)))
			b.want("SIP/2.0 486")
		}
		b.empty()
	}, func(c *Config, _ *Deps) { c.Limits.MaxTransactionsPerSource = 2 })
}

// halfOpen is the far end of TestHalfOpenConnections, in a process of its own for
// its file descriptors: SIP_HALF_OPEN names the address and the number.
func halfOpen(spec string) {
	to, count, _ := strings.Cut(spec, " ")
	n, _ := strconv.Atoi(count)
	var open []net.Conn
	for i := range n {
		// A hundred to each of our own addresses: 127.0.x.y is all ours.
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i/100/250), byte(1+i/100%250))}}
		c, err := d.Dial("tcp", to)
		if err != nil {
			break
		}
		if i%2 == 0 {
			_, _ = io.WriteString(c, "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9h") // and no more
		}
		open = append(open, c)
	}
	fmt.Printf("open %d\n", len(open))
	closed := 0
	end := time.Now().Add(30 * time.Second)
	for _, c := range open {
		_ = c.SetReadDeadline(end)
		if _, err := io.Copy(io.Discard, c); err == nil || !os.IsTimeout(err) {
			closed++
		}
		c.Close()
	}
	fmt.Printf("closed %d\n", closed)
}

func TestHalfOpenConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 connections")
	}
	want := 10000
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Skip(err)
	}
	lim.Cur = lim.Max
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &lim)
	if lim.Max < uint64(want)+500 {
		want = int(lim.Max) - 500
	}
	h := &house{trunks: map[netip.Addr]string{addr("127.0.0.1"): "north"}}
	s := newStack(t, nil, "127.0.0.1", h, func(c *Config, _ *Deps) {
		c.Timers = transaction.Timers{T1: 50 * time.Millisecond}
		c.Limits.MaxConnections, c.Limits.MaxConnectionsPerIP = want+10, 100
		c.Limits.FirstMessageTimeout, c.Limits.MessageTimeout = 3*time.Second, 3*time.Second // 64*T1 is 3.2 s
	})
	defer stop(t, s)
	before := runtime.NumGoroutine()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("SIP_HALF_OPEN=%s %d", s.LocalAddr("tcp"), want))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Meanwhile the service goes on.
	ask, err := net.Dial("udp", s.LocalAddr("udp").String())
	if err != nil {
		t.Fatal(err)
	}
	defer ask.Close()
	done := make(chan struct{})
	worst, most := time.Duration(0), 0
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		buf := make([]byte, 4096)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			at := time.Now()
			_, _ = io.WriteString(ask, strings.ReplaceAll(text("OPTIONS", fmt.Sprint("h", i), "", 1), "call1@", fmt.Sprintf("h%d@", i)))
			_ = ask.SetReadDeadline(at.Add(5 * time.Second))
			if _, err := ask.Read(buf); err != nil {
				t.Errorf("OPTIONS: %v", err)
				return
			}
			worst = max(worst, time.Since(at))
			s.connMu.Lock()
			most = max(most, len(s.conns))
			s.connMu.Unlock()
		}
	}()
	opened, closed := 0, 0
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		_, _ = fmt.Sscanf(sc.Text(), "open %d", &opened)
		_, _ = fmt.Sscanf(sc.Text(), "closed %d", &closed)
	}
	close(done)
	<-asked
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before+1 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	s.connMu.Lock()
	left := len(s.conns) + len(s.perIP)
	s.connMu.Unlock()
	t.Logf("%d half-open connections made, %d at once at most, %d closed by us; OPTIONS meanwhile answered within %s", opened, most, closed, worst)
	if opened < want || closed != opened || left != 0 {
		t.Errorf("%d of %d opened, %d closed by us, %d traces left", opened, want, closed, left)
	}
	if n := runtime.NumGoroutine(); n > before+1 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// What a trunk sees of us: the advertised address, and nothing of the house.
func TestTopologyIsHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		h := &house{trunks: map[netip.Addr]string{addr("203.0.113.50"): "north"}}
		s := newStack(t, n, "10.1.2.3", h, func(c *Config, _ *Deps) {
			for i := range c.Listeners {
				c.Listeners[i].Advertised = "198.51.100.1"
			}
		})
		w := n.wire(t, "203.0.113.50:5060")
		var all []string
		read := func(start string) string {
			t.Helper()
			for {
				m := w.read(time.Minute)
				all = append(all, m)
				if strings.HasPrefix(m, start) {
					return m
				}
				if m == "" {
					t.Fatalf("no %s", start)
				}
			}
		}
		respond := func(req string, status string, extra string) {
			var b strings.Builder
			b.WriteString("SIP/2.0 " + status + "\r\n")
			for line := range strings.SplitSeq(req, "\r\n") {
				switch name, _, _ := strings.Cut(line, ":"); name {
				case "Via", "From", "Call-ID", "CSeq":
					b.WriteString(line + "\r\n")
				case "To":
					if !strings.Contains(line, "tag=") {
						line += ";tag=far"
					}
					b.WriteString(line + "\r\n")
				}
			}
			b.WriteString("Contact: <sip:x@203.0.113.50>\r\n" + extra)
			if extra == "" {
				b.WriteString("Content-Length: 0\r\n\r\n")
			}
			w.send(netip.MustParseAddrPort("10.1.2.3:5060"), b.String())
		}
		// Out: what a call out sends, from INVITE to BYE.
		ev := newEvents()
		d, err := s.Dial(DialRequest{Target: target(t, "sip:0213456789@203.0.113.50"), From: Address{User: "0219876543"}, SDP: sdpA, CallID: "internal-call-id"}, ev.sink)
		if err != nil {
			t.Fatal(err)
		}
		inv := read("INVITE ")
		respond(inv, "200 OK", fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(sdpB), sdpB))
		read("ACK ")
		d.Reoffer(sdpA)
		re := read("INVITE ")
		respond(re, "488 Not Acceptable Here", "")
		read("ACK ")
		d.End("caller")
		respond(read("BYE "), "200 OK", "")
		// In: what it is answered, refusals and errors too.
		in := newEvents()
		h.mu.Lock()
		h.invite = func(i *Invitation) {
			i.Dialog.SetSink(in.sink)
			i.Dialog.Progress(180, nil)
			i.Dialog.Accept(sdpB)
			i.Dialog.End("agent")
		}
		h.mu.Unlock()
		to := netip.MustParseAddrPort("10.1.2.3:5060")
		theirs := func(m string) string {
			return strings.ReplaceAll(strings.ReplaceAll(m, peerAddr, "203.0.113.50:5060"), "192.0.2.1", "198.51.100.1")
		}
		w.send(to, theirs(text("INVITE", "in", "", 1, strings.ReplaceAll(string(sdpA), "192.0.2.1", "203.0.113.50"))))
		ok := read("SIP/2.0 200")
		w.send(to, theirs(text("ACK", "in2", tagOf(ok), 1)))
		respond(read("BYE "), "200 OK", "")
		for _, m := range []string{text("OPTIONS", "o", "", 1), text("MESSAGE", "m", "", 1), text("BYE", "b", "nothing", 9), text("FOO", "f", "", 1),
			strings.Replace(text("OPTIONS", "p", "", 1), "Max-Forwards", "Max Forwards", 1)} {
			w.send(to, theirs(m))
			read("SIP/2.0 ")
		}
		wire := strings.Join(all, "\n")
		host, _ := os.Hostname()
		for _, secret := range []string{"10.1.2.3", "127.0.0.1", "internal-call-id", "X-Centrala", "go1.", runtime.GOOS + "/", host} {
			if len(secret) > 3 && strings.Contains(wire, secret) {
				t.Errorf("%q goes outside:\n%s", secret, wire[max(0, strings.Index(wire, secret)-300):])
			}
		}
		for _, m := range all {
			if strings.HasPrefix(m, "INVITE ") && (!strings.Contains(header(m, "Via"), "198.51.100.1:5060") || !strings.Contains(header(m, "Contact"), "198.51.100.1:5060") ||
				strings.Contains(header(m, "Call-ID"), "@") || strings.Contains(m, "Record-Route")) {
				t.Errorf("an INVITE shows other than our advertised address:\n%s", m)
			}
		}
		w.u.Close()
		stop(t, s)
	})
}

// What a stranger says of itself is told to nobody as proved.
func TestIdentityOfStrangers(t *testing.T) {
	run(t, false, func(b *bench) {
		called := false
		b.h.invite = func(*Invitation) { called = true }
		b.send(text("INVITE", "a", "", 1, string(sdpA), "P-Asserted-Identity: <sip:112@192.0.2.1>", "Remote-Party-ID: <sip:boss@192.0.2.1>", "Identity: x"))
		b.want("SIP/2.0 401")
		synctest.Wait()
		if called {
			t.Error("a stranger's call went in")
		}
		// A device is who its digest says, whatever its From says.
		var got *Invitation
		b.h.mu.Lock()
		b.h.invite = func(in *Invitation) { got = in; in.Dialog.Reject(486, "") }
		b.h.mu.Unlock()
		m := func(n int, extra ...string) string {
			return strings.ReplaceAll(text("INVITE", fmt.Sprint("b", n), "", n, append(extra, string(sdpA))...), "<sip:user1@192.0.2.1>;tag", "\"The Boss\" <sip:boss@192.0.2.1>;tag")
		}
		b.send(m(2))
		ch := b.want("SIP/2.0 401")
		b.send(m(3, credentials(t, ch, "user1", "secret1", "INVITE", "sip:1000@192.0.2.1", 0, 1)))
		b.want("SIP/2.0 486")
		if got == nil || got.Name != "user1" || got.Kind != IdentityDevice {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Minute)
		b.drain()
	})
}
