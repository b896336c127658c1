// Package apps speaks to the applications that lead calls: by HTTP a request for each
// question, by WebSocket a session for each call. Requests are signed, answers bounded
// in time and size. It knows verbs as bytes alone.
//
// Goroutines: one for each session, which reads; Stop ends them and waits.
package apps

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// MaxAnswer bounds what an application may say at once, in bytes.
const MaxAnswer = 64 << 10

// App is where an application is and with what it is signed.
type App struct {
	Name   string
	URL    string // http, https, ws or wss
	Secret string // "" = nothing is signed
}

// Options of a Client.
type Options struct {
	// HTTP is the client that keeps to what is allowed outside: it follows no redirect.
	// WebSockets are opened by it too.
	HTTP *http.Client
	// Steer has a call do verbs that its application sends of its own accord. It may wait.
	Steer func(ctx context.Context, tenant, callID, app string, verbs []byte) error
	// MaxSessions bounds the WebSocket sessions; 0 = 5000.
	MaxSessions int
	Now         func() time.Time // of signatures; nil = time.Now
	Log         *zap.Logger
}

// Client asks applications. Its methods may be called from any goroutine.
type Client struct {
	o    Options
	base context.Context // of sessions
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex
	sessions map[key]*session
	stopped  bool
}

// key of a session.
type key struct{ tenant, call, app string }

// New makes a client.
func New(o Options) *Client {
	if o.MaxSessions == 0 {
		o.MaxSessions = 5000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	c := &Client{o: o, sessions: map[key]*session{}}
	c.base, c.stop = context.WithCancel(context.Background())
	return c
}

// Stop ends the sessions and waits for them, until ctx is over. Safe to call twice.
func (c *Client) Stop(ctx context.Context) error {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.stop()
	done := make(chan struct{})
	go func() { c.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("apps: sessions still end: %w", ctx.Err())
	}
}

// Ask asks an application about a call and returns its verbs. It returns with ctx. The
// error is in words for the journal and names no secret.
func (c *Client) Ask(ctx context.Context, tenant, call string, a App, body []byte) (verbs []byte, err error) {
	if webSocket(a.URL) {
		s, err := c.session(ctx, tenant, call, a)
		if err != nil {
			return nil, err
		}
		return s.ask(ctx, body)
	}
	return c.post(ctx, tenant, call, a, body)
}

// Tell tells an application what it need not answer. over: the call has ended, and so
// does its session.
func (c *Client) Tell(ctx context.Context, tenant, call string, a App, body []byte, over bool) error {
	if !webSocket(a.URL) {
		_, err := c.post(ctx, tenant, call, a, body)
		return err
	}
	c.mu.Lock()
	s := c.sessions[key{tenant, call, a.Name}]
	c.mu.Unlock()
	if s == nil {
		return nil // it has gone already
	}
	err := s.write(ctx, body)
	if over {
		s.end()
	}
	return err
}

func webSocket(u string) bool {
	return strings.HasPrefix(u, "ws://") || strings.HasPrefix(u, "wss://")
}

// post is one question by HTTP. 204, or no body, is an answer without verbs.
func (c *Client) post(ctx context.Context, tenant, call string, a App, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the url does not read")
	}
	r.Header.Set("Content-Type", "application/json")
	c.head(r.Header, tenant, call, a, string(body))
	res, err := c.o.HTTP.Do(r)
	if err != nil {
		return nil, outer(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer+1))
	switch {
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, fmt.Errorf("answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	case err != nil:
		return nil, outer(err)
	case len(answer) > MaxAnswer:
		return nil, fmt.Errorf("answered more than %d bytes", MaxAnswer)
	case len(bytes.TrimSpace(answer)) == 0:
		return nil, nil
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != "application/json" {
		return nil, errors.New("answered something else than application/json")
	}
	return answer, nil
}

// head sets the headers of every request. The signature is over the moment and text:
// the body, or for a WebSocket call and URL.
func (c *Client) head(h http.Header, tenant, call string, a App, text string) {
	h.Set("X-Centrala-Tenant", tenant)
	h.Set("X-Centrala-Call", call)
	h.Set("X-Centrala-App", a.Name)
	if a.Secret != "" {
		h.Set("X-Centrala-Signature", Sign(a.Secret, c.o.Now(), text))
	}
}

// Sign is the header X-Centrala-Signature: t=UNIX,v1=HEX with HEX = HMAC-SHA256 of
// "UNIX.text", in lower case.
func Sign(secret string, at time.Time, text string) string {
	t := strconv.FormatInt(at.Unix(), 10)
	m := hmac.New(sha256.New, []byte(secret))
	io.WriteString(m, t+"."+text)
	return "t=" + t + ",v1=" + hex.EncodeToString(m.Sum(nil))
}

// Verify checks a signature that is at most old; for applications in Go and tests.
func Verify(secret, header, text string, now time.Time, old time.Duration) error {
	t, _, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",")
	unix, err := strconv.ParseInt(t, 10, 64)
	if !ok || err != nil {
		return errors.New("apps: no signature")
	}
	if d := now.Sub(time.Unix(unix, 0)); d > old || d < -old {
		return errors.New("apps: the signature is of another time")
	}
	if !hmac.Equal([]byte(Sign(secret, time.Unix(unix, 0), text)), []byte(header)) {
		return errors.New("apps: the signature is wrong")
	}
	return nil
}

// outer is an error of the network without the URL, which may have a secret in its query.
func outer(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}
