package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/centrala/centrala/pkg/acd/sim"
	"github.com/centrala/centrala/pkg/api"
)

// Traffic is what came in, ready to be played again. The server reads a day of
// 100,000 calls in some ten seconds.
func (c *Client) Traffic(ctx context.Context, q api.TrafficQuery) (*sim.Scenario, error) {
	v := url.Values{}
	for name, s := range map[string]string{"day": q.Day, "from": q.From, "to": q.To} {
		if s != "" {
			v.Set(name, s)
		}
	}
	patient := *c
	patient.http = &http.Client{Timeout: 10 * time.Minute, Transport: c.http.Transport}
	var s sim.Scenario
	return &s, patient.get(ctx, "/traffic", v, &s)
}
