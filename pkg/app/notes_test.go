package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
)

// What a supervisor tells agents comes to their desks and to nobody else's, until they
// acknowledge it; a restart forgets nothing.
func TestNotices(t *testing.T) {
	n := console(t, nil)
	sofia, vera, mallory := n.signIn("default", "sofia"), n.signIn("default", "vera"), n.signIn("acme", "mallory")
	unread := func(p *person) int {
		t.Helper()
		var l api.Live
		p.want(200, "GET", "/api/v1/live", "", &l)
		for _, a := range l.Agents {
			if a.Name == "vera" {
				return a.Notices
			}
		}
		return -1
	}
	vera.want(403, "POST", "/api/v1/notices", `{"to":"all","text":"x"}`, nil)
	for _, bad := range []string{`{"to":"agent:nobody","text":"x"}`, `{"to":"queue:none","text":"x"}`, `{"to":"all","text":"  "}`, `{"to":"everybody","text":"x"}`,
		fmt.Sprintf(`{"to":"all","text":%q}`, strings.Repeat("x", 1001))} {
		sofia.want(422, "POST", "/api/v1/notices", bad, nil)
	}
	var all, one api.Notice
	sofia.want(200, "POST", "/api/v1/notices", `{"to":"all","text":"the line to the depot is down"}`, &all)
	if len(all.Agents) != 2 || all.By != "sofia" {
		t.Errorf("%+v", all)
	}
	sofia.want(200, "POST", "/api/v1/notices", `{"to":"queue:sales","text":"for bob"}`, &one)
	if len(one.Agents) != 1 || one.Agents[0] != "bob" {
		t.Errorf("%+v", one)
	}
	list := func(p *person, query string) []api.Notice {
		t.Helper()
		var page api.NoticePage
		p.want(200, "GET", "/api/v1/notices"+query, "", &page)
		return page.Notices
	}
	if got := list(vera, "?unread=true"); len(got) != 1 || got[0].Text != all.Text || unread(vera) != 1 {
		t.Errorf("vera has %+v", got)
	}
	if got := list(vera, "?agent=bob"); len(got) != 1 || got[0].ID != all.ID { // asks for another's, gets the own
		t.Errorf("vera sees %+v", got)
	}
	if got := list(mallory, ""); len(got) != 0 {
		t.Errorf("another company sees %+v", got)
	}
	mallory.want(200, "POST", "/api/v1/notices/"+all.ID+"/read", "", nil) // of no effect
	for range 2 {
		vera.want(200, "POST", "/api/v1/notices/"+all.ID+"/read", "", nil)
		vera.want(200, "POST", "/api/v1/notices/"+one.ID+"/read", "", nil) // which is not hers
	}
	if got := list(vera, "?unread=true"); len(got) != 0 || unread(vera) != 0 {
		t.Errorf("vera still has %+v", got)
	}
	stop(t, n.App)
	n.make(webOn)
	n.start()
	sofia = n.person()
	sofia.want(200, "POST", "/api/v1/session", fmt.Sprintf(`{"name":"sofia","password":%q}`, goodPassword), nil)
	got := list(sofia, "")
	if len(got) != 2 || got[0].ID != one.ID || len(got[1].Read) != 1 || got[1].Read["vera"].IsZero() || len(got[0].Read) != 0 {
		t.Errorf("sofia sees %+v", got)
	}
	if len(list(sofia, "?limit=1")) != 1 {
		t.Error("a page of one")
	}
	told := sofia.events("/api/v1/events?after=1&kind=notice.*", "", 3)
	if told[2].Kind != "notice.read" || !strings.Contains(string(told[2].Data), `"vera"`) {
		t.Errorf("journal: %s %s", told[2].Kind, told[2].Data)
	}
	var audit struct{ Items []struct{ By, Action string } }
	n.signIn("default", "adam").want(200, "GET", "/api/v1/audit?by=sofia&action=POST%20/notices", "", &audit)
	if len(audit.Items) != 2 {
		t.Errorf("audit log: %+v", audit.Items)
	}
}

// Comments on a recording are kept with their place in it, by who may; the call is
// found by their text; the waveform is made once.
func TestMarksAndSearch(t *testing.T) {
	n := console(t, nil)
	if _, err := n.apply(`
kind: queue
name: sales
spec: {members: [{agent: bob}], leave_when_empty: false, announce_first: -1s, record: always}
---
kind: user
name: bob
spec: {roles: [agent], device: bob}
`, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	call, recording := n.recorded()
	sofia, bob, vera := n.signIn("default", "sofia"), n.signIn("default", "bob"), n.signIn("default", "vera")
	at := "/api/v1/recordings/" + recording
	bob.want(403, "POST", at+"/marks", `{"at_ms":100,"text":"x"}`, nil)
	sofia.want(422, "POST", at+"/marks", `{"at_ms":99999999,"text":"x"}`, nil)
	sofia.want(404, "POST", "/api/v1/recordings/none/marks", `{"at_ms":1,"text":"x"}`, nil)
	var m, gone api.Mark
	sofia.want(200, "POST", at+"/marks", `{"at_ms":300,"text":"Greeting <b>left out</b>"}`, &m)
	sofia.want(200, "POST", at+"/marks", `{"at_ms":100,"text":"begins"}`, &gone)
	var list struct{ Items []api.Mark }
	bob.want(200, "GET", at+"/marks", "", &list)
	if len(list.Items) != 2 || list.Items[0].Text != "begins" || list.Items[1].ID != m.ID || list.Items[1].By != "sofia" {
		t.Errorf("%+v", list)
	}
	vera.want(404, "GET", at+"/marks", "", nil) // who was not in it
	vera.want(404, "GET", at+"/peaks", "", nil)
	sofia.want(200, "DELETE", at+"/marks/"+gone.ID, "", nil)
	sofia.want(404, "DELETE", at+"/marks/"+gone.ID, "", nil)

	var p, again record.Peaks
	bob.want(200, "GET", at+"/peaks", "", &p)
	loud := func(side []uint16) (k int) {
		for _, v := range side {
			if v > 4 {
				k++
			}
		}
		return k
	}
	if p.StepMs != 100 || len(p.Caller) != len(p.Agent) || loud(p.Caller) == 0 || loud(p.Agent) == 0 {
		t.Errorf("%+v", p)
	}
	sofia.want(200, "GET", at+"/peaks", "", &again)
	if fmt.Sprint(p) != fmt.Sprint(again) {
		t.Error("the second time the waveform is another")
	}

	for query, want := range map[string]int{
		"text=LEFT%20out": 1, "text=begins": 0, "recorded=true&agent=bob": 1, "number=1001": 1, "number=%2B40%201-0-0-1": 0, "min_ms=3600000": 0, "max_ms=3600000&result=caller": 1,
		"from=2020-01-01T00:00:00Z": 1, "to=2020-01-01T00:00:00Z": 0, "reason=abandoned": 0, "disposition=sold": 0, "queue=sales&number=1001&text=greeting": 1,
	} {
		var page api.CallPage
		sofia.want(200, "GET", "/api/v1/calls?"+query, "", &page)
		if len(page.Calls) != want || want == 1 && page.Calls[0].ID != call {
			t.Errorf("%s: %d calls, want %d", query, len(page.Calls), want)
		}
	}
	for _, query := range []string{"number=12", "number=abc", "from=yesterday", "min_ms=-1", "recorded=perhaps"} {
		sofia.want(422, "GET", "/api/v1/calls?"+query, "", nil)
	}
}

// recorded is a recorded conversation with bob that has ended, and its
// recording.
func (n *node) recorded() (call, recording string) {
	n.t.Helper()
	o := &office{node: n}
	var err error
	if o.media, err = robot.NewMedia(robot.MediaConfig{}); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(o.media.Close)
	o.anna, o.bob = o.desk(anna, annaTone), o.desk(bob, bobTone)
	if err := n.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
		n.t.Fatal(err)
	}
	c := o.call(o.anna, "1001")
	b := o.answers(o.bob)
	o.isUp(c, o.anna)
	o.talk(c, o.anna, b, o.bob)
	hangUp(c)
	o.over(b)
	r := n.record("default", c)
	if len(r.Recordings) != 1 {
		n.t.Fatalf("%+v", r.Recordings)
	}
	n.eventually("the recording is closed", func() bool {
		list, err := n.Recordings(context.Background(), "default", 10)
		return err == nil && len(list) == 1 && !list[0].Open
	})
	return r.ID, r.Recordings[0].ID
}
