package speech

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/centrala/centrala/media/play"
)

// service is a synthesiser that does with a connection what it is told.
func service(t *testing.T, protocol string, do func(ctx context.Context, c *websocket.Conn, ask map[string]any)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			http.Error(w, "who?", http.StatusForbidden)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		_, b, err := c.Read(r.Context())
		var ask map[string]any
		if err != nil || json.Unmarshal(b, &ask) != nil {
			return
		}
		do(r.Context(), c, ask)
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func newSocket(t *testing.T, url string) *WebSocket {
	t.Helper()
	s, err := NewWebSocket(WebSocketConfig{URL: url, Headers: map[string]string{"Authorization": "Bearer s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tell(ctx context.Context, c *websocket.Conn, text string) {
	_ = c.Write(ctx, websocket.MessageText, []byte(text))
}

// A service sends a text's sound in pieces that part samples anywhere, and it becomes
// a clip.
func TestWebSocket(t *testing.T) {
	var asked map[string]any
	url := service(t, WebSocketProtocol, func(ctx context.Context, c *websocket.Conn, ask map[string]any) {
		asked = ask
		tell(ctx, c, `{"type":"start","rate":24000}`)
		pcm := sound(24000, 8000)[44:]
		for len(pcm) > 0 {
			n := min(len(pcm), 1001) // an odd piece
			_ = c.Write(ctx, websocket.MessageBinary, pcm[:n])
			pcm = pcm[n:]
		}
		tell(ctx, c, `{"type":"done"}`)
		_, _, _ = c.Read(ctx) // our close
	})
	s := newSocket(t, url)
	sp := speaker(t, s, t.TempDir(), 1<<22)
	c, err := sp.Say(t.Context(), `Say "hi" & go`, "en")
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Duration(); d < 990*time.Millisecond || d > 1010*time.Millisecond {
		t.Errorf("a second became %v", d)
	}
	if asked["type"] != "speak" || asked["version"] != 1.0 || asked["text"] != `Say "hi" & go` || asked["language"] != "en" || asked["voice"] != "amy" {
		t.Errorf("asked %v", asked)
	}
}

func TestWebSocketFaults(t *testing.T) {
	big := make([]byte, 1<<20)
	for name, tt := range map[string]struct {
		do   func(ctx context.Context, c *websocket.Conn)
		want string
	}{
		"no end":  {func(ctx context.Context, c *websocket.Conn) { _ = c.Write(ctx, websocket.MessageBinary, big) }, "not whole"},
		"nothing": {func(ctx context.Context, c *websocket.Conn) { tell(ctx, c, `{"type":"done"}`) }, "said nothing"},
		"error": {func(ctx context.Context, c *websocket.Conn) {
			tell(ctx, c, `{"type":"error","reason":"no\u0007voice"}`)
		}, `no\avoice`},
		"no JSON": {func(ctx context.Context, c *websocket.Conn) { tell(ctx, c, `RIFF`) }, "no JSON"},
		"unknown": {func(ctx context.Context, c *websocket.Conn) { tell(ctx, c, `{"type":"hello"}`) }, "unknown type"},
		"rate":    {func(ctx context.Context, c *websocket.Conn) { tell(ctx, c, `{"type":"start","rate":4000000}`) }, "rate 4000000"},
		"a large frame": {func(ctx context.Context, c *websocket.Conn) {
			_ = c.Write(ctx, websocket.MessageBinary, make([]byte, maxSound+1))
		}, "too large"},
		"without end": {func(ctx context.Context, c *websocket.Conn) {
			for c.Write(ctx, websocket.MessageBinary, big) == nil {
			}
		}, "too large"},
		"start late": {func(ctx context.Context, c *websocket.Conn) {
			_ = c.Write(ctx, websocket.MessageBinary, big)
			tell(ctx, c, `{"type":"start","rate":8000}`)
		}, "before any sound"},
	} {
		s := newSocket(t, service(t, WebSocketProtocol, func(ctx context.Context, c *websocket.Conn, _ map[string]any) { tt.do(ctx, c) }))
		_, err := s.Speak(t.Context(), Request{Text: "private words"})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "private") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	refusals := map[string]*WebSocket{"subprotocol": newSocket(t, service(t, "other", func(context.Context, *websocket.Conn, map[string]any) {}))}
	refused := newSocket(t, service(t, WebSocketProtocol, nil))
	refused.cfg.Headers = nil
	refusals["403"] = refused
	for want, s := range refusals {
		if _, err := s.Speak(t.Context(), Request{Text: "x"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s: %v", want, err)
		}
	}
	for _, bad := range []string{"http://x/", "ws://", "file:///etc/passwd", ":"} {
		if _, err := NewWebSocket(WebSocketConfig{URL: bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A service that never answers costs the time-out, and is hung up on when nobody waits.
func TestWebSocketIsLeft(t *testing.T) {
	gone := make(chan struct{})
	s := newSocket(t, service(t, WebSocketProtocol, func(ctx context.Context, c *websocket.Conn, _ map[string]any) {
		defer close(gone)
		_, _, _ = c.Read(ctx)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Speak(ctx, Request{Text: "x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	<-gone
}

func TestWAV(t *testing.T) {
	b := wavOf([]byte{1, 2, 3, 4}, 22050)
	if len(b) != 48 || binary.LittleEndian.Uint32(b[4:]) != 40 || binary.LittleEndian.Uint32(b[24:]) != 22050 {
		t.Errorf("% x", b)
	}
	if c, err := play.Load(bytes.NewReader(wavOf(make([]byte, 3200), 8000)), "x"); err != nil || c.Duration() != 200*time.Millisecond {
		t.Errorf("%v %v", c, err)
	}
}
