package outward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Errors of Do, for errors.Is. Their texts and those that wrap them name no secret.
var (
	ErrTooLarge = errors.New("the answer is longer than allowed")
	ErrRedirect = errors.New("redirected elsewhere; write the final address")
	ErrRequest  = errors.New("the request cannot be made of these values")
)

const (
	maxRedirects = 3
	// firstPause is before the first further try; each later one is twice as long.
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second
)

// Client makes requests. Safe for many at once.
type Client struct{ http *http.Client }

// Request is one request. Its time is bounded by the context.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        string
	// Retries after a fault of the way, 429 or 5xx. Key, if not empty, goes along as
	// Idempotency-Key, the same with each try.
	Retries int
	Key     string
	// MaxBytes of the answer that are read; more is a fault. 0 = 64 kB.
	MaxBytes int
}

// Response is an answer, whatever its status.
type Response struct {
	Status int
	// Type is the media type, lower case, without parameters.
	Type string
	Body []byte
}

// NewClient makes a Client. agent is the User-Agent; roots verify TLS, nil = the system's.
func NewClient(g *Guard, agent string, roots *x509.CertPool) *Client {
	t := &http.Transport{
		DialContext:     g.DialContext, // no proxy: what is allowed is what we reach
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 32 << 10,
		MaxIdleConns: 256, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
	}
	return &Client{&http.Client{Transport: withAgent{t, agent}, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		// Headers with secrets go along: to the same host alone.
		if first := via[0].URL; len(via) > maxRedirects || r.URL.Scheme != first.Scheme || r.URL.Host != first.Host {
			return ErrRedirect
		}
		return nil
	}}}
}

// withAgent sets what every request has.
type withAgent struct {
	*http.Transport
	agent string
}

// RoundTrip implements http.RoundTripper.
func (w withAgent) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", w.agent)
	}
	if r.URL.Scheme == "http" {
		r = r.WithContext(Plain(r.Context()))
	}
	return w.Transport.RoundTrip(r)
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do makes a request and reads its answer. An error is a fault of the way, or an answer
// that cannot be used: of wrong length, or a redirect that leads elsewhere.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	pause := firstPause
	for try := 0; ; try++ {
		resp, wait, err := c.once(ctx, r)
		again := err == nil && (resp.Status == http.StatusTooManyRequests || resp.Status >= 500) ||
			err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrRedirect) && !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrRequest)
		if !again || try >= r.Retries || ctx.Err() != nil {
			return resp, err
		}
		if wait == 0 {
			wait = pause/2 + rand.N(pause) // many calls fail together: not all come again together
		}
		pause = min(2*pause, maxPause)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return resp, err
		}
	}
}

// once is one try. wait is what the service asks for before the next (Retry-After).
func (c *Client) once(ctx context.Context, r Request) (out Response, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return out, 0, ErrRequest // its text has the URL, and with it a secret
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if r.Key != "" {
		req.Header.Set("Idempotency-Key", r.Key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return out, 0, safe(ctx, err)
	}
	defer resp.Body.Close()
	most := r.MaxBytes
	if most <= 0 {
		most = 64 << 10
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	if err != nil {
		return out, 0, safe(ctx, err)
	}
	if len(body) > most {
		return out, 0, fmt.Errorf("%w (%d bytes)", ErrTooLarge, most)
	}
	if s := resp.Header.Get("Retry-After"); s != "" {
		if d, err := time.ParseDuration(s + "s"); err == nil && d > 0 {
			wait = min(d, maxPause)
		}
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return Response{resp.StatusCode, kind, body}, wait, nil
}

// safe is err without the URL, in which secrets may be.
func safe(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	for _, known := range []error{ErrRedirect, ErrForbidden} {
		if errors.Is(err, known) {
			return known
		}
	}
	var invalid *http.ProtocolError
	if errors.As(err, &invalid) || strings.Contains(err.Error(), "invalid header field value") {
		return ErrRequest // its text has the value
	}
	return err
}
