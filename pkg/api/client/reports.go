package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/report/follow"
)

// text is an answer that is no JSON, with the cursor of the page behind it.
type text struct {
	body []byte
	next string
}

func reportQuery(f api.ReportQuery) url.Values {
	q := url.Values{}
	for k, v := range map[string]string{"by": string(f.By), "name": f.Name, "from": f.From, "to": f.To, "per": string(f.Per), "cursor": f.Cursor} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

// Report is one page of figures.
func (c *Client) Report(ctx context.Context, q api.ReportQuery) (r api.Report, err error) {
	return r, c.get(ctx, "/reports", reportQuery(q), &r)
}

// ReportCSV is one page of figures as CSV, and the cursor of the next ("" = none).
// separator: "," or ";" or "tab".
func (c *Client) ReportCSV(ctx context.Context, q api.ReportQuery, separator string) ([]byte, string, error) {
	v := reportQuery(q)
	v.Set("format", "csv")
	v.Set("separator", separator)
	var t text
	err := c.get(ctx, "/reports", v, &t)
	return t.body, t.next, err
}

// QueueLog is a page of lines of Asterisk's queue_log, and the cursor of the next.
func (c *Client) QueueLog(ctx context.Context, q api.ReportQuery) ([]byte, string, error) {
	var t text
	err := c.get(ctx, "/reports/queue_log", reportQuery(q), &t)
	return t.body, t.next, err
}

// RebuildReports begins to make all figures again.
func (c *Client) RebuildReports(ctx context.Context) (r follow.Rebuild, err error) {
	return r, c.do(ctx, http.MethodPost, "/reports/rebuild", nil, nil, &r)
}

// ReportRebuild tells how far that is.
func (c *Client) ReportRebuild(ctx context.Context) (r follow.Rebuild, err error) {
	return r, c.get(ctx, "/reports/rebuild", nil, &r)
}
