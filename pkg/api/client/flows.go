package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/report"
)

func flowPath(name string) string { return "/flows/" + url.PathEscape(name) }

// Flows lists flows and drafts by name.
func (c *Client) Flows(ctx context.Context) ([]api.Flow, error) {
	return list[api.Flow](ctx, c, "/flows", nil)
}

// Flow is a flow's document: a version (0 = the live one), or its draft.
func (c *Client) Flow(ctx context.Context, name string, version int, draft bool) (d api.FlowDocument, err error) {
	q := url.Values{}
	if version > 0 {
		q.Set("version", strconv.Itoa(version))
	}
	if draft {
		q.Set("draft", "true")
	}
	return d, c.get(ctx, flowPath(name), q, &d)
}

// FlowVersions lists who published a flow when, the newest first.
func (c *Client) FlowVersions(ctx context.Context, name string) ([]api.FlowVersion, error) {
	return list[api.FlowVersion](ctx, c, flowPath(name)+"/versions", nil)
}

// SaveFlowDraft keeps a draft and tells what publishing it would do.
func (c *Client) SaveFlowDraft(ctx context.Context, name, text, by string) (res api.ApplyResult, err error) {
	return res, c.do(ctx, http.MethodPut, flowPath(name)+"/draft", url.Values{"by": {by}}, strings.NewReader(text), &res)
}

// DropFlowDraft throws a draft away.
func (c *Client) DropFlowDraft(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, flowPath(name)+"/draft", nil, nil, nil)
}

// PublishFlow makes a draft, or an old version, live. The result is filled when the
// server refused too.
func (c *Client) PublishFlow(ctx context.Context, name string, o api.PublishOptions) (res api.ApplyResult, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return res, err
	}
	err = c.do(ctx, http.MethodPost, flowPath(name)+"/publish", url.Values{"by": {o.By}}, strings.NewReader(string(body)), &res)
	var refused *Error
	if errors.As(err, &refused) && len(refused.Result) > 0 {
		if e := json.Unmarshal(refused.Result, &res); e != nil {
			return res, errors.Join(err, e)
		}
	}
	return res, err
}

// TestFlow plays the tests of a flow on the server.
func (c *Client) TestFlow(ctx context.Context, name string, draft bool) ([]rehearsal.Result, error) {
	var out struct{ Items []rehearsal.Result }
	q := url.Values{}
	if draft {
		q.Set("draft", "true")
	}
	return out.Items, c.do(ctx, http.MethodPost, flowPath(name)+"/test", q, nil, &out)
}

// FlowFigures are how callers went through a flow.
func (c *Client) FlowFigures(ctx context.Context, name, from, to string) (f report.FlowFigures, err error) {
	q := url.Values{}
	if from != "" {
		q.Set("from", from)
	}
	if to != "" {
		q.Set("to", to)
	}
	return f, c.get(ctx, flowPath(name)+"/figures", q, &f)
}

// SteerCall has a live call do verbs: a JSON list, or an object with it under "verbs".
func (c *Client) SteerCall(ctx context.Context, id, verbs, by string) error {
	return c.do(ctx, http.MethodPost, "/calls/"+url.PathEscape(id)+"/verbs", url.Values{"by": {by}}, strings.NewReader(verbs), nil)
}
