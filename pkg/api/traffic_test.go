package api_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd/sim"
	"github.com/centrala/centrala/pkg/api"
)

func (f *fake) Traffic(_ context.Context, tenant string, q api.TrafficQuery) (*sim.Scenario, error) {
	talk := sim.Time(time.Minute)
	return &sim.Scenario{Calls: []sim.Call{{At: sim.Time(time.Second), Wish: sim.Wish{Queue: "sales"}, Talk: &talk}}},
		f.note("traffic %s %s %s %s", tenant, q.Day, q.From, q.To)
}

func TestTraffic(t *testing.T) {
	f := &fake{}
	_, c := open(t, f)
	a := ask(t, c, "GET", "/api/v1/traffic?day=yesterday&tenant=acme", "")
	var s sim.Scenario
	if err := json.Unmarshal([]byte(a.body), &s); a.status != 200 || err != nil {
		t.Fatalf("%d %s %v", a.status, a.body, err)
	}
	if len(s.Calls) != 1 || s.Calls[0].At.D() != time.Second || s.Calls[0].Queue != "sales" || s.Calls[0].Talk.D() != time.Minute {
		t.Errorf("%+v from %s", s.Calls, a.body)
	}
	if a := ask(t, c, "GET", "/api/v1/traffic?days=1", ""); a.status != 422 {
		t.Errorf("an unknown parameter: %d", a.status)
	}
}
