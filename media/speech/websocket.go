package speech

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
)

// WebSocketProtocol is the subprotocol of services that speak by WebSocket
// (docs/streams.md, *Synthesis*).
const WebSocketProtocol = "centrala-speech.v1"

// Rates that a service may speak at, Hz; defaultRate where it says none.
const (
	minRate     = 8000
	maxRate     = 48000
	defaultRate = 16000
)

// WebSocketConfig describes a service of synthesis that streams its sound.
type WebSocketConfig struct {
	URL     string            // ws or wss
	Headers map[string]string // with secrets in their values; never told in errors
}

// WebSocket is a service of synthesis that sends its sound in pieces as it makes it:
// one connection a text, closed at once when nobody waits for the text any more.
// Certificates are verified, redirects not followed; private addresses are allowed,
// as with HTTP.
type WebSocket struct {
	cfg    WebSocketConfig
	host   string
	client *http.Client
	name   string
}

// NewWebSocket checks c.
func NewWebSocket(c WebSocketConfig) (*WebSocket, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return nil, fmt.Errorf("speech: %q is no ws or wss URL", c.URL)
	}
	sum := sha256.Sum256([]byte(c.URL))
	return &WebSocket{cfg: c, host: u.Host, name: "websocket " + hex.EncodeToString(sum[:8]), client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Name implements Engine.
func (s *WebSocket) Name() string { return s.name }

// spoken is a text message of the service: start (with the rate of what follows), done,
// or error.
type spoken struct {
	Type   string `json:"type"`
	Rate   int    `json:"rate"`
	Reason string `json:"reason"`
}

// Speak implements Engine: it returns what the service sent as a WAV file.
func (s *WebSocket) Speak(ctx context.Context, r Request) (io.ReadCloser, error) {
	sound, rate, err := s.speak(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // what the connection says of its end names nothing better
		}
		return nil, fmt.Errorf("speech: %s: %w", s.host, err)
	}
	return io.NopCloser(bytes.NewReader(wavOf(sound, rate))), nil
}

func (s *WebSocket) speak(ctx context.Context, r Request) (sound []byte, rate int, err error) {
	header := http.Header{}
	for k, v := range s.cfg.Headers {
		header.Set(k, v)
	}
	conn, resp, err := websocket.Dial(ctx, s.cfg.URL, &websocket.DialOptions{HTTPClient: s.client, HTTPHeader: header, Subprotocols: []string{WebSocketProtocol}})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, 0, fmt.Errorf("answers %s", resp.Status)
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, 0, err
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != WebSocketProtocol {
		return nil, 0, fmt.Errorf("does not speak the subprotocol %s", WebSocketProtocol)
	}
	conn.SetReadLimit(maxSound)
	ask, err := json.Marshal(map[string]any{"type": "speak", "version": 1, "text": r.Text, "language": r.Language, "voice": r.Voice})
	if err != nil {
		return nil, 0, err
	}
	if err := conn.Write(ctx, websocket.MessageText, ask); err != nil {
		return nil, 0, err
	}
	rate = defaultRate
	for {
		kind, b, err := conn.Read(ctx)
		switch {
		case websocket.CloseStatus(err) == websocket.StatusMessageTooBig || errors.Is(err, websocket.ErrMessageTooBig):
			return nil, 0, ErrTooLarge
		case err != nil:
			return nil, 0, fmt.Errorf("the sound is not whole: %w", err)
		case kind == websocket.MessageBinary:
			if len(sound)+len(b) > maxSound {
				return nil, 0, ErrTooLarge
			}
			sound = append(sound, b...)
			continue
		}
		var m spoken
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, 0, errors.New("a text message is no JSON object")
		}
		switch m.Type {
		case "start":
			if len(sound) > 0 || m.Rate < minRate || m.Rate > maxRate {
				return nil, 0, fmt.Errorf("start: rate %d; want %d to %d Hz, before any sound", m.Rate, minRate, maxRate)
			}
			rate = m.Rate
		case "done":
			conn.Close(websocket.StatusNormalClosure, "")
			if len(sound) < 2 {
				return nil, 0, errors.New("it has said nothing")
			}
			return sound[:len(sound)&^1], rate, nil
		case "error":
			return nil, 0, fmt.Errorf("it cannot speak this: %.200q", m.Reason)
		default:
			return nil, 0, errors.New("a message of an unknown type; want start, done or error")
		}
	}
}

// wavOf is 16-bit samples of one channel, little-endian, as a WAV file.
func wavOf(sound []byte, rate int) []byte {
	b := make([]byte, 0, 44+len(sound))
	le := binary.LittleEndian
	b = le.AppendUint32(append(b, "RIFF"...), uint32(36+len(sound)))
	b = le.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = le.AppendUint16(le.AppendUint16(b, 1), 1) // PCM, one channel
	b = le.AppendUint32(le.AppendUint32(b, uint32(rate)), uint32(2*rate))
	b = le.AppendUint16(le.AppendUint16(b, 2), 16)
	return append(le.AppendUint32(append(b, "data"...), uint32(len(sound))), sound...)
}
