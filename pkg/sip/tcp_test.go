package sip

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/sip/digest"
)

func (b *bench) dial() net.Conn {
	b.t.Helper()
	c, err := b.n.dialFrom(addr("192.0.2.99"), b.s.LocalAddr("tcp"))
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// readAll reads until the peer closes, at most d.
func readAll(c net.Conn, d time.Duration) (string, time.Duration) {
	start := time.Now()
	_ = c.SetReadDeadline(start.Add(d))
	all, err := io.ReadAll(c)
	if err != nil {
		return string(all), -1
	}
	return string(all), time.Since(start)
}

func overTCP(m string) string {
	return strings.Replace(m, "Via: SIP/2.0/UDP", "Via: SIP/2.0/TCP", 1)
}

// What a Content-Length claims is never believed before it is checked, and
// where the next message begins is never guessed.
func TestContentLengthAttacks(t *testing.T) {
	for name, tc := range map[string]struct{ line, want string }{
		"2^31":     {"Content-Length: 2147483648", "400"},
		"2^32":     {"Content-Length: 4294967296", "400"},
		"2^32+1":   {"Content-Length: 4294967297", "400"},
		"2^64":     {"Content-Length: 18446744073709551616", "400"},
		"2^31-1":   {"Content-Length: 2147483647", "413"},
		"1 GB":     {"Content-Length: 1000000000", "413"},
		"negative": {"Content-Length: -1", "400"},
		"plus":     {"Content-Length: +0", "400"},
		"hex":      {"Content-Length: 0x10", "400"},
		"empty":    {"Content-Length:", "400"},
		"twice":    {"Content-Length: 0\r\nContent-Length: 0", "400"},
		"compact":  {"Content-Length: 0\r\nl: 5", "400"},
		"folded":   {"Content-Length: 1\r\n 0", "400"},
		"two":      {"Content-Length: 0, 0", "400"},
		"none":     {"X: y", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, true, func(b *bench) {
				m := strings.Replace(overTCP(text("OPTIONS", "a", "", 1)), "Content-Length: 0", tc.line, 1)
				c := b.dial()
				go func() { _, _ = io.WriteString(c, m+text("OPTIONS", "smuggled", "", 2)) }()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				got, took := readAll(c, time.Minute)
				runtime.ReadMemStats(&after)
				if code(got) != tc.want || took < 0 || strings.Count(got, "SIP/2.0 ") != 1 {
					t.Errorf("got %q after %v, want %s and the end", got, took, tc.want)
				}
				if strings.Contains(got, "smuggled") {
					t.Error("a second message was cut out of the stream")
				}
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 2<<20 {
					t.Errorf("%d bytes allocated", grown)
				}
				c.Close()
				// By UDP the datagram's end is known; only what contradicts itself is refused.
				if name != "none" {
					b.send(strings.Replace(text("OPTIONS", "b", "", 1), "Content-Length: 0", tc.line, 1))
					b.want("SIP/2.0 400")
				}
			})
		})
	}
}

func TestSlowPeers(t *testing.T) {
	run(t, true, func(b *bench) {
		// Silent from the start.
		c := b.dial()
		if got, took := readAll(c, time.Hour); got != "" || took.Round(time.Second) != 10*time.Second {
			t.Errorf("silent peer: %q after %v", got, took)
		}
		// A byte a second: the message's own clock runs out.
		c = b.dial()
		go func(c net.Conn) {
			for _, ch := range []byte(overTCP(text("OPTIONS", "a", "", 1))) {
				if _, err := c.Write([]byte{ch}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}(c)
		if got, took := readAll(c, time.Hour); got != "" || took < 9*time.Second || took > 12*time.Second {
			t.Errorf("slow peer: %q after %v", got, took)
		}
		// An endless header.
		c = b.dial()
		go func(c net.Conn) {
			line := "X: " + strings.Repeat("y", 1000) + "\r\n"
			_, err := io.WriteString(c, "OPTIONS sip:a@b SIP/2.0\r\n")
			for err == nil {
				_, err = io.WriteString(c, line)
			}
		}(c)
		if got, took := readAll(c, time.Hour); took < 0 || took > 2*time.Second || got != "" {
			t.Errorf("endless header: %q after %v", got, took)
		}
		// An idle one that was good once lasts longer, and its pings keep it.
		c = b.dial()
		_, _ = io.WriteString(c, overTCP(text("OPTIONS", "b", "", 1)))
		if got := exchange(c, ""); got != "200" {
			t.Errorf("got %q", got)
		}
		_ = c.SetReadDeadline(time.Time{})
		for range 5 {
			time.Sleep(9 * time.Minute)
			go func() { _, _ = io.WriteString(c, "\r\n\r\n") }()
			buf := make([]byte, 4096)
			n, err := c.Read(buf)
			if err != nil || string(buf[:n]) != "\r\n" {
				t.Fatalf("pong %q, %v", buf[:n], err)
			}
		}
		if _, took := readAll(c, time.Hour); took.Round(time.Second) != 10*time.Minute {
			t.Errorf("idle peer closed after %v", took)
		}
		synctest.Wait()
		b.s.connMu.Lock()
		n := len(b.s.conns) + len(b.s.perIP) + len(b.s.byRemote)
		b.s.connMu.Unlock()
		if n != 0 {
			t.Errorf("%d traces of connections", n)
		}
	})
}

func TestConnectionCaps(t *testing.T) {
	run(t, true, func(b *bench) {
		var cs []net.Conn
		for range 5 {
			cs = append(cs, b.dial())
			synctest.Wait()
		}
		if got, took := readAll(cs[4], time.Second); got != "" || took != 0 {
			t.Errorf("the fifth connection: %q after %v", got, took)
		}
		cs[0].Close()
		synctest.Wait()
		c := b.dial()
		go func() { _, _ = io.WriteString(c, overTCP(text("OPTIONS", "a", "", 1))) }()
		if got := exchange(c, ""); got != "200" {
			t.Errorf("after one closed: %q", got)
		}
		for _, c := range append(cs, c) {
			c.Close()
		}
	}, func(c *Config, _ *Deps) { c.Limits.MaxConnectionsPerIP = 4 })
}

// A phone that registered over TCP is called by its connection, and is gone with it.
func TestRegisterTCP(t *testing.T) {
	run(t, false, func(b *bench) {
		c := b.dial()
		read := func() string {
			buf := make([]byte, 65536)
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			return string(buf[:n])
		}
		write := func(m string) { _, _ = io.WriteString(c, m) }
		// In pieces: cut everywhere that could hurt.
		m := overTCP(register("user1", "a", 1))
		for i := 0; i < len(m); i += 7 {
			write(m[i:min(i+7, len(m))])
		}
		ch := read()
		write(overTCP(register("user1", "b", 2, credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1))))
		if m := read(); code(m) != "200" {
			t.Fatalf("got %q", m)
		}
		ts := b.s.Contacts("default", "user1")
		if len(ts) != 1 || ts[0].Conn == 0 || ts[0].Transport != "tcp" {
			t.Fatalf("contacts %+v", ts)
		}
		ev := newEvents()
		d, err := b.s.Dial(DialRequest{Target: ts[0], SDP: sdpA}, ev.sink)
		if err != nil {
			t.Fatal(err)
		}
		if m := read(); !strings.HasPrefix(m, "INVITE ") || !strings.Contains(m, "Via: SIP/2.0/TCP") || !strings.Contains(m, "transport=tcp") {
			t.Fatalf("got %q", m)
		}
		c.Close()
		if f := next[Failed](t, ev); f.Code != 503 {
			t.Errorf("failed %+v", f)
		}
		next[Ended](t, ev)
		d.End("")
		time.Sleep(time.Second)
		if ts := b.s.Contacts("default", "user1"); len(ts) != 0 {
			t.Errorf("after the connection closed: %+v", ts)
		}
		b.h.mu.Lock()
		if got := fmt.Sprint(b.h.up); got != "[+user1 -user1]" {
			t.Errorf("presence %s", got)
		}
		b.h.mu.Unlock()
		b.empty()
	})
}
