package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/centrala/centrala/pkg/api"
)

// idempotencyKey is where a context has the key of a request.
type idempotencyKey struct{}

// StartCall calls somebody and leads who answers into a flow. key names the request: sent
// again with the same key it makes no second call; "" = none.
func (c *Client) StartCall(ctx context.Context, in api.StartCall, by, key string) (s api.StartedCall, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return s, err
	}
	return s, c.do(context.WithValue(ctx, idempotencyKey{}, key), http.MethodPost, "/calls", url.Values{"by": {by}}, bytes.NewReader(body), &s)
}
