package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/centrala/centrala/pkg/api"
)

// Callbacks lists the callers who wait to be called back.
func (c *Client) Callbacks(ctx context.Context) ([]api.Callback, error) {
	return list[api.Callback](ctx, c, "/callbacks", nil)
}

// AddCallback has a number called back by a queue.
func (c *Client) AddCallback(ctx context.Context, in api.NewCallback) (out api.Callback, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	return out, c.do(ctx, http.MethodPost, "/callbacks", nil, bytes.NewReader(body), &out)
}

// CancelCallback takes one out.
func (c *Client) CancelCallback(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/callbacks/"+url.PathEscape(id), nil, nil, nil)
}
