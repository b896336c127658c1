// Package client speaks to the API of a running node, over the Unix socket in
// its data folder or over HTTP. The command line is made of it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/api"
)

// ErrNotRunning: nobody serves the socket.
var ErrNotRunning = errors.New("the server is not running")

// Client is one node's API.
type Client struct {
	http   *http.Client
	base   string
	tenant string
}

// Unix returns a client for a node's socket. tenant "" is the default tenant.
func Unix(socket, tenant string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{base: "http://centrala", tenant: tenant,
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Error is a refusal of the server.
type Error struct {
	Status int
	Detail string
	Result json.RawMessage // of an apply
}

func (e *Error) Error() string { return e.Detail }

func (c *Client) do(ctx context.Context, method, path string, query url.Values, body io.Reader, out any) error {
	if query == nil {
		query = url.Values{}
	}
	if c.tenant != "" {
		query.Set("tenant", c.tenant)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path+"?"+query.Encode(), body)
	if err != nil {
		return err
	}
	if key, ok := ctx.Value(idempotencyKey{}).(string); ok && key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return fmt.Errorf("%w (%v); start it, or name its data folder with --data", ErrNotRunning, op.Err)
		}
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 256<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		var p struct {
			Detail string          `json:"detail"`
			Result json.RawMessage `json:"result"`
		}
		if json.Unmarshal(data, &p) != nil || p.Detail == "" {
			p.Detail = fmt.Sprintf("the server answered %s", res.Status)
		}
		return &Error{res.StatusCode, p.Detail, p.Result}
	}
	if t, ok := out.(*text); ok {
		t.body, t.next = data, res.Header.Get("Next-Cursor")
		return nil
	}
	if raw, ok := out.(*[]byte); ok {
		*raw = data
		return nil
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

func (c *Client) get(ctx context.Context, path string, q url.Values, out any) error {
	return c.do(ctx, http.MethodGet, path, q, nil, out)
}

func list[T any](ctx context.Context, c *Client, path string, q url.Values) ([]T, error) {
	var out struct{ Items []T }
	err := c.get(ctx, path, q, &out)
	return out.Items, err
}

// Status of the node.
func (c *Client) Status(ctx context.Context) (s api.Status, err error) {
	return s, c.get(ctx, "/status", nil, &s)
}

func query(f api.CallFilter) url.Values {
	q := url.Values{}
	set := func(k, v string) {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.Live {
		q.Set("live", "true")
	}
	set("cursor", f.Cursor)
	set("caller", f.Caller)
	set("dialled", f.Dialled)
	set("agent", f.Agent)
	set("queue", f.Queue)
	set("disposition", f.Disposition)
	set("number", f.Number)
	set("result", f.Result)
	set("reason", f.Reason)
	set("text", f.Text)
	for name, t := range map[string]time.Time{"from": f.From, "to": f.To} {
		if !t.IsZero() {
			q.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	for name, ms := range map[string]int64{"min_ms": f.MinMs, "max_ms": f.MaxMs} {
		if ms > 0 {
			q.Set(name, strconv.FormatInt(ms, 10))
		}
	}
	if f.Recorded {
		q.Set("recorded", "true")
	}
	return q
}

// Calls lists calls, newest first.
func (c *Client) Calls(ctx context.Context, f api.CallFilter) (p api.CallPage, err error) {
	return p, c.get(ctx, "/calls", query(f), &p)
}

// Call is one call with its story.
func (c *Client) Call(ctx context.Context, id string) (d api.CallDetail, err error) {
	return d, c.get(ctx, "/calls/"+url.PathEscape(id), nil, &d)
}

// HangUp ends a live call.
func (c *Client) HangUp(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, "/calls/"+url.PathEscape(id)+"/hangup", nil, nil, nil)
}

// CommandCall transfers, holds, resumes or parks a live call, or adds a party.
func (c *Client) CommandCall(ctx context.Context, id string, cmd api.CallCommand) error {
	in := map[string]any{}
	path := cmd.Action
	switch cmd.Action {
	case "resume":
		path, in["on"] = "hold", false
	case "park":
		if cmd.Target != "" {
			in["slot"] = cmd.Target
		}
	case "transfer", "conference":
		in["target"] = cmd.Target
	case "record":
		path, in["action"] = "recording", cmd.Target
	case "supervise":
		mode, device, _ := strings.Cut(cmd.Target, " ")
		if in["mode"] = mode; device != "" {
			in["device"] = device
		}
	case "play":
		side, prompt, ok := strings.Cut(cmd.Target, " ")
		in["side"] = side
		if ok {
			in["prompt"] = prompt
		} else {
			in["stop"] = true
		}
	}
	if cmd.Leg >= 0 {
		in["leg"] = cmd.Leg
	}
	method, content := http.MethodPost, any(in)
	switch cmd.Action {
	case "stream":
		content = cmd.Stream
	case "stream_stop":
		method, path = http.MethodDelete, "stream"
	}
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	q := url.Values{}
	if cmd.By != "" {
		q.Set("by", cmd.By)
	}
	if cmd.Action == "stream_stop" && cmd.Target != "" {
		q.Set("stream", cmd.Target)
	}
	return c.do(ctx, method, "/calls/"+url.PathEscape(id)+"/"+path, q, bytes.NewReader(body), nil)
}

// Agents lists the agents and their states.
func (c *Client) Agents(ctx context.Context) ([]api.Agent, error) {
	return list[api.Agent](ctx, c, "/agents", nil)
}

// SetAgentState moves an agent: "ready", "not_ready", "offline" or "wrap_up_done".
func (c *Client) SetAgentState(ctx context.Context, name, state, reason string) error {
	body, err := json.Marshal(map[string]string{"state": state, "reason": reason})
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, "/agents/"+url.PathEscape(name)+"/state", nil, bytes.NewReader(body), nil)
}

// Queues lists the queues and who waits.
func (c *Client) Queues(ctx context.Context) ([]api.Queue, error) {
	return list[api.Queue](ctx, c, "/queues", nil)
}

// Devices lists the phones and where they are.
func (c *Client) Devices(ctx context.Context) ([]api.Device, error) {
	return list[api.Device](ctx, c, "/devices", nil)
}

// Trunks lists the lines to carriers and how they stand.
func (c *Client) Trunks(ctx context.Context) ([]api.Trunk, error) {
	return list[api.Trunk](ctx, c, "/trunks", nil)
}

// VerifyRecording has a recording's file read and compared with the index.
func (c *Client) VerifyRecording(ctx context.Context, id string) (api.Verification, error) {
	var v api.Verification
	return v, c.do(ctx, http.MethodPost, "/recordings/"+url.PathEscape(id)+"/verify", nil, nil, &v)
}

// Recordings lists recordings, newest first.
func (c *Client) Recordings(ctx context.Context, limit int) ([]api.Recording, error) {
	return list[api.Recording](ctx, c, "/recordings", query(api.CallFilter{Limit: limit}))
}

// Export returns all resources as YAML.
func (c *Client) Export(ctx context.Context, secrets bool) (out []byte, err error) {
	return out, c.get(ctx, "/resources", url.Values{"secrets": {strconv.FormatBool(secrets)}}, &out)
}

// Apply sends documents. A refusal comes with the faults in the result.
func (c *Client) Apply(ctx context.Context, yaml []byte, name string, o api.ApplyOptions) (r api.ApplyResult, err error) {
	q := url.Values{"dry_run": {strconv.FormatBool(o.Dry)}, "prune": {strconv.FormatBool(o.Prune)}, "name": {name}, "by": {o.By}}
	err = c.do(ctx, http.MethodPost, "/resources", q, bytes.NewReader(yaml), &r)
	var refused *Error
	if errors.As(err, &refused) && len(refused.Result) > 0 {
		json.Unmarshal(refused.Result, &r)
	}
	return r, err
}

// Reload has the node read its node file again.
func (c *Client) Reload(ctx context.Context) (r api.ReloadResult, err error) {
	return r, c.do(ctx, http.MethodPost, "/reload", nil, nil, &r)
}

// Drain stops new calls and lets the node end.
func (c *Client) Drain(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/drain", nil, nil, nil)
}

// Bans lists the addresses that are not listened to.
func (c *Client) Bans(ctx context.Context) ([]api.Ban, error) {
	return list[api.Ban](ctx, c, "/bans", nil)
}

// AddBan bans an address for d; 0 is the longest ban of the node file.
func (c *Client) AddBan(ctx context.Context, source string, d time.Duration) (b api.Ban, err error) {
	body, err := json.Marshal(map[string]any{"source": source, "seconds": int64(d / time.Second)})
	if err != nil {
		return b, err
	}
	return b, c.do(ctx, http.MethodPost, "/bans", nil, bytes.NewReader(body), &b)
}

// LiftBan ends a ban.
func (c *Client) LiftBan(ctx context.Context, source string) error {
	body, err := json.Marshal(map[string]string{"source": source})
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, "/bans/lift", nil, bytes.NewReader(body), nil)
}
