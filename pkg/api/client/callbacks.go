package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/centrala/centrala/pkg/api"
)

// Callbacks lists the callers who wait to be called back.
func (c *Client) Callbacks(ctx context.Context) ([]api.Callback, error) {
	return list[api.Callback](ctx, c, "/callbacks", nil)
}

// CancelCallback takes one out.
func (c *Client) CancelCallback(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/callbacks/"+url.PathEscape(id), nil, nil, nil)
}
