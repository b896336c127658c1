package stream

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// kind is what a peer sent.
type kind uint8

const (
	gotNothing kind = iota // of no meaning to us
	gotText
	gotSound // without a header
	gotKey
	gotEnd
)

// peer is the far end of a stream. One goroutine writes, one reads.
type peer interface {
	// text sends a message, sound a frame with its header. b is not kept.
	text(ctx context.Context, m *Message) error
	sound(ctx context.Context, frame []byte) error
	// read returns the next of what came; the payload is good until the next read.
	read(ctx context.Context) (kind, []byte, error)
	ping(ctx context.Context) error
	close()
}

// connect dials and starts the stream.
func (s *Stream) connect(ctx context.Context) (peer, error) {
	o, c := &s.o, s.c
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, ErrInvalid
	}
	sign := Sign(c.cfg.Secret, time.Now(), o.ID, o.Call, o.URL)
	start := Message{Type: "start", Version: 1, Stream: o.ID, Call: o.Call, Tenant: o.Tenant, From: o.From, To: o.To, Language: o.Language,
		Format: string(o.Format), Rate: o.Rate, Direction: o.Direction, Hints: o.Hints}
	if o.Direction != Speak {
		for _, t := range o.Tracks {
			start.Tracks = append(start.Tracks, t.String())
		}
	}
	ctx = context.WithValue(ctx, plain{}, u.Scheme == "ws" || u.Scheme == "tcp")
	var p peer
	switch u.Scheme {
	case "http", "https":
		return newPostPeer(c, o), nil
	case "ws", "wss":
		head := http.Header{"X-Centrala-Stream": {o.ID}, "X-Centrala-Call": {o.Call}, "X-Centrala-Tenant": {o.Tenant}}
		if sign != "" {
			head.Set("X-Centrala-Signature", sign)
		}
		conn, answer, err := websocket.Dial(ctx, o.URL, &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: head, Subprotocols: []string{"centrala-stream.v1"}})
		if err != nil {
			if answer != nil && answer.StatusCode != http.StatusSwitchingProtocols {
				return nil, fmt.Errorf("the machine answered %d", answer.StatusCode)
			}
			return nil, err
		}
		conn.SetReadLimit(MaxMessage)
		p = &webPeer{conn}
	default:
		conn, err := c.dial(ctx, "tcp", u.Host)
		if err != nil {
			return nil, err
		}
		if u.Scheme == "tls" {
			t := tls.Client(conn, c.tls(u.Hostname()))
			if err := t.HandshakeContext(ctx); err != nil {
				conn.Close()
				return nil, err
			}
			conn = t
		}
		context.AfterFunc(s.ctx, func() { conn.Close() }) // a read or write that hangs ends
		start.Signature = sign
		p = &tcpPeer{conn: conn, r: bufio.NewReaderSize(conn, 4096), asterisk: o.Protocol == AudioSocket, id: o.Call, slin: packetSlin}
		if o.Rate == 16000 {
			p.(*tcpPeer).slin = packetSlin16
		}
	}
	if err := p.text(ctx, &start); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// why is an error without the URL in it, for the journal.
func why(err error, o *Options) string {
	switch {
	case errors.Is(err, ErrForbidden):
		return "address " + ErrForbidden.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "time-out"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	text := err.Error()
	var op *net.OpError
	if errors.As(err, &op) {
		text = op.Err.Error()
	}
	if u, err := url.Parse(o.URL); err == nil && u.RawQuery != "" {
		text = strings.ReplaceAll(text, u.RawQuery, "...")
	}
	if text = printable(text); len(text) > maxText {
		text = text[:maxText]
	}
	return text
}

// webPeer is a WebSocket: texts are text messages, sound is binary.
type webPeer struct{ conn *websocket.Conn }

func (p *webPeer) text(ctx context.Context, m *Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return p.conn.Write(ctx, websocket.MessageText, b)
}

func (p *webPeer) sound(ctx context.Context, frame []byte) error {
	return p.conn.Write(ctx, websocket.MessageBinary, frame)
}

func (p *webPeer) read(ctx context.Context) (kind, []byte, error) {
	t, b, err := p.conn.Read(ctx)
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
		return gotEnd, nil, nil
	}
	switch {
	case err != nil:
		return 0, nil, err
	case t == websocket.MessageText:
		return gotText, b, nil
	}
	_, sound, err := ParseFrame(b)
	return gotSound, sound, err
}

func (p *webPeer) ping(ctx context.Context) error { return p.conn.Ping(ctx) }
func (p *webPeer) close()                         { p.conn.CloseNow() }

// tcpPeer speaks packets: ours, or Asterisk's AudioSocket.
type tcpPeer struct {
	conn     net.Conn
	r        *bufio.Reader
	in, out  []byte
	asterisk bool
	id       string
	slin     byte
}

func (p *tcpPeer) write(ctx context.Context, kind byte, payload []byte) error {
	p.out = appendPacket(p.out[:0], kind, payload)
	until, _ := ctx.Deadline()
	p.conn.SetWriteDeadline(until)
	_, err := p.conn.Write(p.out)
	return err
}

func (p *tcpPeer) text(ctx context.Context, m *Message) error {
	if p.asterisk {
		switch m.Type {
		case "start":
			return p.write(ctx, packetUUID, audioSocketID(p.id))
		case "stop":
			return p.write(ctx, packetEnd, nil)
		case "dtmf":
			for i := range len(m.Digits) {
				if err := p.write(ctx, packetDTMF, []byte{m.Digits[i]}); err != nil {
					return err
				}
			}
		}
		return nil // it has no marks
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return p.write(ctx, packetText, b)
}

func (p *tcpPeer) sound(ctx context.Context, frame []byte) error {
	if p.asterisk {
		return p.write(ctx, p.slin, frame[HeaderSize:])
	}
	return p.write(ctx, packetFrame, frame)
}

func (p *tcpPeer) read(context.Context) (kind, []byte, error) {
	t, b, err := readPacket(p.r, p.in)
	if err != nil {
		return 0, nil, err
	}
	p.in = b[:0]
	switch {
	case p.asterisk && t == p.slin:
		return gotSound, b, nil
	case p.asterisk && t == packetEnd:
		return gotEnd, nil, nil
	case p.asterisk && t == packetDTMF && len(b) == 1:
		return gotKey, b, nil
	case p.asterisk && t == packetError:
		return 0, nil, errors.New("the machine reported a fault")
	case p.asterisk && t == packetUUID:
		return gotNothing, nil, nil
	case !p.asterisk && t == packetText:
		return gotText, b, nil
	case !p.asterisk && t == packetFrame:
		_, sound, err := ParseFrame(b)
		return gotSound, sound, err
	}
	return 0, nil, fmt.Errorf("packet of type 0x%02x is unknown", t)
}

func (p *tcpPeer) ping(context.Context) error { return nil } // TCP keepalive does it
func (p *tcpPeer) close()                     { p.conn.Close() }

// tooBig tells a message that is longer than MaxMessage.
func tooBig(err error) bool {
	return errors.Is(err, websocket.ErrMessageTooBig)
}
