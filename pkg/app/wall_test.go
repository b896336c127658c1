package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
)

// wallPage follows /live/stream and answers once what it was told holds.
func (p *person) wall(until func(api.Live) bool) api.Live {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", p.base+"/api/v1/live/stream", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		p.t.Fatalf("the stream: %s", res.Status)
	}
	var page api.Live
	sc := bufio.NewScanner(res.Body)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		data, ok := strings.CutPrefix(sc.Text(), "data: ")
		if !ok {
			continue
		}
		var m struct {
			api.Live
			Calls []api.LiveCall `json:"calls"`
			Gone  []string       `json:"gone"`
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			p.t.Fatalf("%v in %s", err, data)
		}
		page.Alarms = m.Alarms
		for _, q := range m.Queues {
			i := 0
			for i < len(page.Queues) && page.Queues[i].Name != q.Name {
				i++
			}
			page.Queues = append(append(page.Queues[:i:i], q), page.Queues[min(i+1, len(page.Queues)):]...)
		}
		if until(page) {
			return page
		}
	}
	p.t.Fatalf("the stream ended: %v; the page has %+v", sc.Err(), page)
	return page
}

// What is past a queue's bound is told on the page, in the journal and to the metrics,
// and so is that it is over.
func TestAlarmsOfQueues(t *testing.T) {
	n := console(t, nil)
	if _, err := n.apply(`{kind: queue, name: sales, spec: {members: [{agent: bob}], alarms: {ready: 1, waiting: 50}}}`, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	sofia := n.signIn("default", "sofia")
	none := func(l api.Live) bool { return len(l.Alarms) == 0 }
	sofia.wall(none)                                                              // nobody is there and nobody waits
	sofia.want(200, "POST", "/api/v1/agents/bob/state", `{"state":"ready"}`, nil) // whose phone is nowhere
	l := sofia.wall(func(l api.Live) bool { return len(l.Alarms) > 0 })
	if a := l.Alarms[0]; a.Alarm != "ready" || a.Queue != "sales" || a.Value != 0 || a.Limit != 1 || len(l.Alarms) != 1 {
		t.Errorf("%+v", l.Alarms)
	}
	if q := l.Queues[0]; q.Limits == nil || q.Limits.Ready != 1 || q.Limits.Waiting != 50 {
		t.Errorf("limits %+v", q.Limits)
	}
	sofia.want(200, "POST", "/api/v1/agents/bob/state", `{"state":"offline"}`, nil)
	sofia.wall(none)
	told := sofia.events("/api/v1/events?after=1&kind=alarm.*", "", 2)
	var up event.AlarmRaised
	var down event.AlarmCleared
	if json.Unmarshal(told[0].Data, &up) != nil || json.Unmarshal(told[1].Data, &down) != nil || up.Alarm != "ready" || up.Queue != "sales" || down.Alarm != "ready" || down.LastedMs < 5000 {
		t.Errorf("journal: %s, %s", told[0].Data, told[1].Data)
	}
	if m := n.value("centrala_alarms_raised_total", "ready"); m != 1 {
		t.Errorf("%v alarms raised", m)
	}
}

// The wall's figures are those of the reports; a caller who waits is moved to another
// queue by who may.
func TestWallIsTrueToTheReports(t *testing.T) {
	n := console(t, nil)
	if _, err := n.apply(`
kind: queue
name: sales
spec: {members: [{agent: bob}], leave_when_empty: false, announce_first: -1s, short_abandon: -1s}
---
kind: queue
name: support
spec: {display_name: Help, members: [{agent: bob}], leave_when_empty: false, announce_first: -1s, short_abandon: -1s}
`, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	sofia, vera := n.signIn("default", "sofia"), n.signIn("default", "vera")
	c, code := n.dial(n.phone("127.0.0.1", nil), anna, "1001")
	if code != 200 {
		t.Fatalf("refused: %d", code)
	}
	waits := func(queue string) func(api.Live) bool {
		return func(l api.Live) bool {
			for _, q := range l.Queues {
				if q.Name == queue && q.Waiting == 1 && q.Today.Entered == 1 && len(q.Callers) == 1 {
					return true
				}
			}
			return false
		}
	}
	l := sofia.wall(waits("sales"))
	var id string
	for _, q := range l.Queues {
		for _, c := range q.Callers {
			id = c.CallID
		}
	}
	vera.want(403, "POST", "/api/v1/calls/"+id+"/move", `{"queue":"support"}`, nil)
	sofia.want(422, "POST", "/api/v1/calls/"+id+"/move", `{"queue":"nowhere"}`, nil)
	sofia.want(409, "POST", "/api/v1/calls/"+id+"/move", `{"queue":"sales"}`, nil)
	sofia.want(200, "POST", "/api/v1/calls/"+id+"/move", `{"queue":"support"}`, nil)
	l = sofia.wall(waits("support"))
	for _, q := range l.Queues {
		if q.Name == "support" && q.DisplayName != "Help" {
			t.Errorf("%+v", q)
		}
	}
	hangUp(c)
	n.record("default", c)
	left := func(l api.Live) bool {
		for _, q := range l.Queues {
			if q.Name == "support" && q.Waiting == 0 && q.Recent.Abandoned == 1 {
				return true
			}
		}
		return false
	}
	l = sofia.wall(left)
	for _, q := range l.Queues {
		var r struct {
			Items []struct {
				Counters map[string]int64    `json:"counters"`
				Figures  map[string]*float64 `json:"figures"`
			} `json:"items"`
		}
		sofia.want(200, "GET", "/api/v1/reports?by=queue&name="+q.Name, "", &r)
		if len(r.Items) != 1 {
			t.Fatalf("%s: %+v", q.Name, r)
		}
		i := r.Items[0]
		if q.Today.Entered != i.Counters["entered"] || q.Today.Abandoned != i.Counters["abandoned"] || fmt.Sprint(deref(q.Today.ServiceLevel)) != fmt.Sprint(deref(i.Figures["service_level.short_excluded"])) {
			t.Errorf("%s: the wall has %+v, the report %v %v", q.Name, q.Today, i.Counters, i.Figures)
		}
	}
	moved := sofia.events("/api/v1/events?after=1&kind=queue.left", "", 1)
	if !strings.Contains(string(moved[0].Data), "moved by sofia") {
		t.Errorf("%s", moved[0].Data)
	}
}

func deref(f *float64) float64 {
	if f == nil {
		return -1
	}
	return *f
}
