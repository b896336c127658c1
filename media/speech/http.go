package speech

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// HTTPConfig describes a service of synthesis. {text}, {language} and {voice} stand
// for what is spoken: in URL escaped for a query, in Body inside JSON strings.
type HTTPConfig struct {
	URL     string
	Body    string            // JSON, sent by POST; "" = GET
	Headers map[string]string // with secrets in their values; never told in errors
}

// HTTP is a service of synthesis. It answers with a sound file, recognised by what
// it holds and not by its type. Certificates are verified; redirects are not
// followed, since the headers hold secrets. Private addresses are allowed: the
// operator has named the service, no caller can.
type HTTP struct {
	cfg    HTTPConfig
	client *http.Client
	name   string
}

// NewHTTP checks the templates of c.
func NewHTTP(c HTTPConfig) (*HTTP, error) {
	h := &HTTP{cfg: c, client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	// Both are what is heard: a key of the cache.
	sum := sha256.Sum256([]byte(c.URL + "\x00" + c.Body))
	h.name = "http " + hex.EncodeToString(sum[:8])
	// Text that would break out of where it stands shows whether it is escaped there.
	_, err := h.request(context.Background(), Request{Text: `"}&#%`, Language: "en", Voice: `"`})
	return h, err
}

// Name implements Engine.
func (h *HTTP) Name() string { return h.name }

// Close lets go of kept connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

func (h *HTTP) request(ctx context.Context, r Request) (*http.Request, error) {
	at := fill(h.cfg.URL, url.QueryEscape, r)
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("speech: %q is no http or https URL", h.cfg.URL)
	}
	if strings.Contains(h.cfg.URL[:len(h.cfg.URL)-len(afterPath(h.cfg.URL))], "{") {
		return nil, fmt.Errorf("speech: %q: {text}, {language} and {voice} may stand behind the ? alone", h.cfg.URL)
	}
	method, body := http.MethodGet, io.Reader(nil)
	if h.cfg.Body != "" {
		s := fill(h.cfg.Body, quoted, r)
		if !json.Valid([]byte(s)) {
			return nil, fmt.Errorf("speech: the body is no JSON: want {text}, {language} and {voice} inside quotes")
		}
		method, body = http.MethodPost, strings.NewReader(s)
	}
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, fmt.Errorf("speech: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range h.cfg.Headers {
		req.Header.Set(k, v)
	}
	return req, nil
}

// afterPath is the query of a template, with its question mark.
func afterPath(s string) string {
	if i := strings.IndexByte(s, '?'); i >= 0 {
		return s[i:]
	}
	return ""
}

func fill(template string, escape func(string) string, r Request) string {
	return strings.NewReplacer("{text}", escape(r.Text), "{language}", escape(r.Language), "{voice}", escape(r.Voice)).Replace(template)
}

// quoted is s as it stands inside the quotes of a JSON string.
func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

// Speak implements Engine.
func (h *HTTP) Speak(ctx context.Context, r Request) (io.ReadCloser, error) {
	req, err := h.request(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		if u, ok := err.(*url.Error); ok {
			err = u.Err // without the URL: the text may be private
		}
		return nil, fmt.Errorf("speech: %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("speech: %s answers %s", req.URL.Host, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxSound+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("speech: %s: %w", req.URL.Host, err)
	case len(b) > maxSound:
		return nil, fmt.Errorf("speech: %s: %w", req.URL.Host, ErrTooLarge)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}
