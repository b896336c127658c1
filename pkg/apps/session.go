package apps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"
)

// Protocol is the WebSocket subprotocol.
const Protocol = "centrala-app.v1"

// Bounds of a session.
const (
	steerBound  = 5 * time.Second  // for a call to take verbs
	writeBound  = 5 * time.Second  // for an application to take a message
	openBound   = 10 * time.Second // to be reached; the question's own time counts first
	maxMessages = 20               // a second, for long: more is a fault
)

var (
	errGone = errors.New("the session is over")
	errBusy = errors.New("it is asked already")
)

// session is one call's WebSocket to one application.
type session struct {
	c    *Client
	k    key
	conn *websocket.Conn
	done chan struct{}

	mu      sync.Mutex
	waiting chan []byte // who asked; nil nobody
	over    bool
}

// session finds the call's session, or opens one.
func (c *Client) session(ctx context.Context, tenant, call string, a App) (*session, error) {
	k := key{tenant, call, a.Name}
	c.mu.Lock()
	s, n, stopped := c.sessions[k], len(c.sessions), c.stopped
	c.mu.Unlock()
	switch {
	case s != nil:
		return s, nil
	case stopped:
		return nil, errors.New("this node stops")
	case n >= c.o.MaxSessions:
		return nil, fmt.Errorf("%d sessions are open already", n)
	}
	o := websocket.DialOptions{HTTPClient: c.o.HTTP, Subprotocols: []string{Protocol}, HTTPHeader: map[string][]string{}}
	c.head(o.HTTPHeader, tenant, call, a, call+"."+a.URL)
	ctx, cancel := context.WithTimeout(ctx, openBound)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, a.URL, &o)
	if err != nil {
		return nil, outer(err)
	}
	if conn.Subprotocol() != Protocol {
		conn.Close(websocket.StatusPolicyViolation, "want the subprotocol "+Protocol)
		return nil, errors.New("it does not speak the subprotocol " + Protocol)
	}
	conn.SetReadLimit(MaxAnswer)
	s = &session{c: c, k: k, conn: conn, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.sessions[k] != nil {
		conn.CloseNow()
		return nil, errGone
	}
	c.sessions[k] = s
	c.wg.Add(1)
	go s.read()
	return s, nil
}

// read takes what the application says until the session ends.
func (s *session) read() {
	defer s.c.wg.Done()
	defer close(s.done)
	defer s.conn.CloseNow()
	defer func() {
		s.c.mu.Lock()
		if s.c.sessions[s.k] == s {
			delete(s.c.sessions, s.k)
		}
		s.c.mu.Unlock()
	}()
	allowance, last := maxMessages, time.Now()
	for {
		kind, body, err := s.conn.Read(s.c.base)
		if err != nil {
			return
		}
		if now := time.Now(); now.Sub(last) > time.Second {
			allowance, last = maxMessages, now
		}
		if allowance--; kind != websocket.MessageText || allowance < 0 {
			s.conn.Close(websocket.StatusPolicyViolation, "want texts, at most 20 a second")
			return
		}
		s.take(body)
	}
}

// take is an answer, or what the application wants of its own accord.
func (s *session) take(body []byte) {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if waiting != nil {
		waiting <- body // has room for one
		return
	}
	if s.c.o.Steer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.c.base, steerBound)
	defer cancel()
	if err := s.c.o.Steer(ctx, s.k.tenant, s.k.call, s.k.app, body); err != nil {
		s.c.o.Log.Debug("verbs of an application not taken", zap.String("app", s.k.app), zap.String("call_id", s.k.call), zap.Error(err))
		text, _ := json.Marshal(map[string]any{"version": 1, "event": "refused", "reason": err.Error()}) // the reason quotes what came
		if err := s.write(ctx, text); err != nil {
			s.conn.CloseNow()
		}
	}
}

func (s *session) ask(ctx context.Context, body []byte) ([]byte, error) {
	answer := make(chan []byte, 1)
	s.mu.Lock()
	if s.waiting != nil {
		s.mu.Unlock()
		return nil, errBusy
	}
	s.waiting = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		if s.waiting == answer {
			s.waiting = nil
		}
		s.mu.Unlock()
	}()
	if err := s.write(ctx, body); err != nil {
		return nil, errGone
	}
	select {
	case verbs := <-answer:
		return verbs, nil
	case <-s.done:
		return nil, errGone
	case <-ctx.Done():
		return nil, outer(ctx.Err())
	}
}

// write sends a text. An application that takes nothing loses its session.
func (s *session) write(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeBound)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, body)
}

// end closes the session in order.
func (s *session) end() {
	s.mu.Lock()
	over := s.over
	s.over = true
	s.mu.Unlock()
	if !over {
		s.conn.Close(websocket.StatusNormalClosure, "the call has ended")
	}
}
