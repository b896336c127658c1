package sip

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// The torture messages of RFC 4475 by TLS and by WebSocket: as by TCP, and, a
// frame being a message like a datagram, as by UDP.
func TestTortureSecureAndWeb(t *testing.T) {
	p := newPKI(t)
	h := &house{trunks: map[netip.Addr]string{addr("127.0.0.1"): "north"}}
	h.invite = func(in *Invitation) { in.Dialog.Reject(486, "") }
	one := func(c *Config, _ *Deps) { c.Shards = 1 }
	web := webStack(t, p, h, one)
	defer stop(t, web)
	sec, at := secure(t, p, h, one)
	defer stop(t, sec)
	probe := strings.Replace(text("OPTIONS", "probe", "", 9), "call1@peer", "probe@peer", 1)
	files, _ := filepath.Glob("testdata/torture/*.dat")
	if len(files) < 50 {
		t.Fatalf("%d files", len(files))
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".dat")
		want, ok := torture[name]
		if !ok {
			continue // of another test
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := tortureWS(t, "ws://"+web.LocalAddr("ws").String()+"/sip", string(raw), probe, want.udp == ""); got != want.udp {
			t.Errorf("%s by WebSocket: %q, want %q", name, got, want.udp)
		}
		c, err := tls.Dial("tcp", at.String(), &tls.Config{RootCAs: p.pool(), ServerName: "sip.example.test"})
		if err != nil {
			t.Fatal(err)
		}
		if got := tortureTLS(c, string(raw), want.tcp == ""); got != want.tcp {
			t.Errorf("%s by TLS: %q, want %q", name, got, want.tcp)
		}
		c.Close()
	}
	waitFor(t, "no dialogs", func() bool { return web.dialogCount.Load()+sec.dialogCount.Load() == 0 })
}

// tortureWS sends m in a frame and gives the code of the answer; where silence is
// meant, an OPTIONS behind it tells.
func tortureWS(t *testing.T, url, m, probe string, silence bool) string {
	t.Helper()
	b, _ := browse(t, url, nil)
	defer b.ws.CloseNow()
	b.send(websocket.MessageBinary, m)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if silence {
		_ = b.ws.Write(ctx, websocket.MessageText, []byte(probe)) // closed by now, for what is no SIP
	}
	for {
		got, _ := b.read()
		switch {
		case got == "" || strings.Contains(got, "probe@peer"):
			return ""
		case !strings.HasPrefix(got, "SIP/2.0 1"):
			return code(got)
		}
	}
}

// tortureTLS does the same on a stream, which a message without an end leaves
// waiting: silence is a moment without an answer.
func tortureTLS(c *tls.Conn, m string, silence bool) string {
	wait := 10 * time.Second
	if silence {
		wait = 200 * time.Millisecond
	}
	go func() { _, _ = io.WriteString(c, m) }()
	_ = c.SetReadDeadline(time.Now().Add(wait))
	var all string
	buf := make([]byte, 65536)
	for {
		n, err := c.Read(buf)
		all += string(buf[:n])
		for {
			i := strings.Index(all, "\r\n\r\n")
			if i < 0 {
				break
			}
			one := all[:i+4]
			all = all[i+4:]
			if !strings.HasPrefix(one, "SIP/2.0 1") {
				return code(one)
			}
		}
		if err != nil {
			return ""
		}
	}
}
