package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/centrala/centrala/pkg/api"
)

func (c *Client) post(ctx context.Context, path string, in any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, nil, bytes.NewReader(body), nil)
}

// CommandAgent changes an agent's state.
func (c *Client) CommandAgent(ctx context.Context, name string, cmd api.AgentCommand) error {
	return c.post(ctx, "/agents/"+url.PathEscape(name)+"/state", cmd)
}

// Assign gives a waiting call to an agent, out of turn.
func (c *Client) Assign(ctx context.Context, id string, a api.Assignment) error {
	return c.post(ctx, "/calls/"+url.PathEscape(id)+"/assign", a)
}

// SetPriority changes a waiting call's own priority.
func (c *Client) SetPriority(ctx context.Context, id string, priority int) error {
	return c.post(ctx, "/calls/"+url.PathEscape(id)+"/priority", map[string]int{"priority": priority})
}

// Why tells a call's way through its queues.
func (c *Client) Why(ctx context.Context, id string) (api.Why, error) {
	var w api.Why
	return w, c.do(ctx, http.MethodGet, "/calls/"+url.PathEscape(id)+"/why", nil, nil, &w)
}
