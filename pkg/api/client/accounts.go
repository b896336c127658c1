package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/auth/account"
	"github.com/centrala/centrala/pkg/event"
)

// Web returns a client for a node's listener for people, base such as
// "https://console.example.com", with an API key. tenant "" is the key's own. hc nil
// = a client with a time-out of a minute.
func Web(base, key, tenant string, hc *http.Client) *Client {
	if hc == nil {
		hc = &http.Client{Timeout: time.Minute}
	}
	c := *hc
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	c.Transport = bearer{key, next}
	return &Client{base: strings.TrimSuffix(base, "/"), tenant: tenant, http: &c}
}

type bearer struct {
	key  string
	next http.RoundTripper
}

// RoundTrip shows the key.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.next.RoundTrip(r)
}

func (c *Client) ask(ctx context.Context, path string, in, out any) error {
	return c.send(ctx, http.MethodPost, path, in, out)
}

func (c *Client) send(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	return c.do(ctx, method, path, nil, body, out)
}

// Accounts lists who can sign in.
func (c *Client) Accounts(ctx context.Context) ([]api.Account, error) {
	return list[api.Account](ctx, c, "/accounts", nil)
}

// AddAccount makes an account for a user and a one-time link that sets its password.
func (c *Client) AddAccount(ctx context.Context, name string, node bool) (l api.Link, err error) {
	return l, c.ask(ctx, "/accounts", map[string]any{"name": name, "node": node}, &l)
}

// AccountLink makes a one-time link for an account that is there.
func (c *Client) AccountLink(ctx context.Context, name string) (l api.Link, err error) {
	return l, c.ask(ctx, "/accounts/"+url.PathEscape(name)+"/link", nil, &l)
}

// RemoveAccount forgets an account.
func (c *Client) RemoveAccount(ctx context.Context, name string) error {
	return c.send(ctx, http.MethodDelete, "/accounts/"+url.PathEscape(name), nil, nil)
}

// DisableAccount locks an account out, or lets it in again.
func (c *Client) DisableAccount(ctx context.Context, name string, off bool) error {
	return c.ask(ctx, "/accounts/"+url.PathEscape(name)+"/state", map[string]any{"disabled": off}, nil)
}

// SetPassword sets an account's password; over the socket alone.
func (c *Client) SetPassword(ctx context.Context, name, password string) error {
	return c.ask(ctx, "/accounts/"+url.PathEscape(name)+"/password", map[string]any{"password": password}, nil)
}

// Reset2FA takes an account's second factor and passkeys away.
func (c *Client) Reset2FA(ctx context.Context, name string) error {
	return c.ask(ctx, "/accounts/"+url.PathEscape(name)+"/reset-2fa", nil, nil)
}

// Keys lists the API keys.
func (c *Client) Keys(ctx context.Context) ([]api.Key, error) {
	return list[api.Key](ctx, c, "/keys", nil)
}

// NewKey makes an API key; the secret is in the answer alone. expires zero = never.
func (c *Client) NewKey(ctx context.Context, name, role string, rights []string, expires time.Time, node bool) (k api.NewKey, err error) {
	in := map[string]any{"name": name, "role": role, "rights": rights, "node": node}
	if !expires.IsZero() {
		in["expires"] = expires
	}
	return k, c.ask(ctx, "/keys", in, &k)
}

// RevokeKey ends an API key, by id or name.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodDelete, "/keys/"+url.PathEscape(id), nil, nil)
}

// Audit lists who saw and changed what, newest first.
func (c *Client) Audit(ctx context.Context, f account.AuditFilter) (p api.AuditPage, err error) {
	q := url.Values{}
	for name, v := range map[string]string{"by": f.By, "action": f.Action, "object": f.Object} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if f.Before > 0 {
		q.Set("cursor", strconv.FormatUint(f.Before, 10))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return p, c.get(ctx, "/audit", q, &p)
}

// Live is how the tenant stands, with the number of the event to go on from.
func (c *Client) Live(ctx context.Context) (l api.Live, err error) {
	return l, c.get(ctx, "/live", nil, &l)
}

// EventFilter bounds a stream of events; zero fields take all.
type EventFilter struct {
	After              uint64 // only events behind this number; 0 = from now on
	Kinds              []string
	Queue, Agent, Call string
}

// ErrReset: so many events were missed that the state is to be taken anew (Live).
var ErrReset = errors.New("too many events were missed; take the state anew")

// Events follows the journal and calls do with each event until ctx is done, do
// returns an error, or the state must be taken anew (ErrReset). A connection that is
// lost is opened again where it stood: no event is lost or told twice.
func (c *Client) Events(ctx context.Context, f EventFilter, do func(event.Record) error) error {
	wait := 100 * time.Millisecond
	for {
		got, err := c.eventsOnce(ctx, &f, do)
		var stop doneError
		var refused *Error
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &stop):
			return stop.error
		case errors.Is(err, ErrReset), errors.As(err, &refused) && refused.Status != http.StatusTooManyRequests && refused.Status < 500:
			return err
		case got:
			wait = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// doneError is an error of the caller's own, which ends the stream.
type doneError struct{ error }

func (c *Client) eventsOnce(ctx context.Context, f *EventFilter, do func(event.Record) error) (got bool, err error) {
	q := url.Values{}
	for name, v := range map[string]string{"queue": f.Queue, "agent": f.Agent, "call": f.Call, "kind": strings.Join(f.Kinds, ","), "tenant": c.tenant} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if f.After > 0 {
		q.Set("after", strconv.FormatUint(f.After, 10))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1/events?"+q.Encode(), nil)
	if err != nil {
		return false, err
	}
	stream := *c.http
	stream.Timeout = 0
	res, err := stream.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		return false, &Error{Status: res.StatusCode, Detail: fmt.Sprintf("events: %s: %s", res.Status, b)}
	}
	sc := bufio.NewScanner(res.Body)
	sc.Buffer(make([]byte, 64<<10), 16<<20)
	kind := ""
	for sc.Scan() {
		line := sc.Text()
		if k, ok := strings.CutPrefix(line, "event: "); ok {
			kind = k
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		if kind == "reset" {
			return got, ErrReset
		}
		var r event.Record
		if err := json.Unmarshal([]byte(data), &r); err != nil {
			return got, err
		}
		got, f.After = true, r.Seq
		if err := do(r); err != nil {
			return got, doneError{err}
		}
	}
	return got, sc.Err()
}

// HasResource tells whether a resource is there.
func (c *Client) HasResource(ctx context.Context, kind, name string) (bool, error) {
	err := c.get(ctx, "/resources/"+url.PathEscape(kind)+"/"+url.PathEscape(name), nil, nil)
	var refused *Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
