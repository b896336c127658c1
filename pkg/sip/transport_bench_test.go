package sip

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// An OPTIONS and its answer by each transport over loopback, 64 on their way at
// a time: what a transport costs more than UDP's neighbour TCP.
func BenchmarkOptions(b *testing.B) {
	p := newPKI(b)
	s, _ := secure(b, p, &house{}, func(c *Config, _ *Deps) {
		c.Listeners = append(c.Listeners, Listener{Transport: "ws", Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	})
	defer func() { _ = s.Stop(context.Background()) }()
	m := func(i int) string {
		r := strings.Replace(text("OPTIONS", fmt.Sprint("b", i), "", 1), "call1@peer", fmt.Sprint("c", i, "@peer"), 1)
		return overTCP(r)
	}
	stream := func(b *testing.B, c net.Conn) {
		defer c.Close()
		window := make(chan struct{}, 64)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := bufio.NewReaderSize(c, 64<<10)
			for got := 0; got < b.N; {
				line, err := r.ReadString('\n')
				if err != nil {
					b.Error(err)
					return
				}
				if strings.HasPrefix(line, "SIP/2.0 200") {
					got++
					<-window
				}
			}
		}()
		b.ResetTimer()
		for i := range b.N {
			window <- struct{}{}
			if _, err := io.WriteString(c, m(i)); err != nil {
				b.Fatal(err)
			}
		}
		<-done
	}
	b.Run("tcp", func(b *testing.B) {
		c, err := net.Dial("tcp", s.LocalAddr("tcp").String())
		if err != nil {
			b.Fatal(err)
		}
		stream(b, c)
	})
	b.Run("tls", func(b *testing.B) {
		c, err := tls.Dial("tcp", s.LocalAddr("tls").String(), &tls.Config{RootCAs: p.pool(), ServerName: "127.0.0.1"})
		if err != nil {
			b.Fatal(err)
		}
		stream(b, c)
	})
	b.Run("ws", func(b *testing.B) {
		ws, _, err := websocket.Dial(context.Background(), "ws://"+s.LocalAddr("ws").String()+"/sip", &websocket.DialOptions{Subprotocols: []string{"sip"}})
		if err != nil {
			b.Fatal(err)
		}
		defer ws.CloseNow()
		window := make(chan struct{}, 64)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range b.N {
				if _, _, err := ws.Read(context.Background()); err != nil {
					b.Error(err)
					return
				}
				<-window
			}
		}()
		b.ResetTimer()
		for i := range b.N {
			window <- struct{}{}
			if err := ws.Write(context.Background(), websocket.MessageText, []byte(m(i))); err != nil {
				b.Fatal(err)
			}
		}
		<-done
	})
	b.Run("tls handshake", func(b *testing.B) {
		cfg := &tls.Config{RootCAs: p.pool(), ServerName: "127.0.0.1"}
		for range b.N {
			c, err := tls.Dial("tcp", s.LocalAddr("tls").String(), cfg)
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
}
