package app

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/dispatch"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
)

const callbackDocs = `
kind: tenant
name: default
spec: {language: en, region: RO, outside_calls: {deny: ["+40236"]}}
---
kind: trunk
name: north
spec: {target: "sip:192.0.2.1", prefixes: ["*"]}
---
kind: schedule
name: office
spec: {time_zone: "Etc/UTC", hours: [{days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:00"}]}
---
kind: device
name: ana-phone
spec: {password: not-a-real-one, extension: "20001"}
---
kind: user
name: ana
spec: {device: ana-phone}
---
kind: number
name: public
spec: {digits: "+40213334444", queue: sales}
---
kind: queue
name: sales
spec:
  members: [{agent: ana}]
  leave_when_empty: false
  keys: {"1": callback, "2": "queue:near"}
  callback: {hours: office, retries: 0, announce: none}
---
kind: queue
name: near
spec: {members: [{agent: ana}], callback: {allow: ["+4021"]}}
`

func callbackHouse(t *testing.T, d *dispatch.Dispatcher) *house {
	t.Helper()
	docs, err := resource.ParseYAML(strings.NewReader(callbackDocs), "test")
	if err != nil {
		t.Fatal(err)
	}
	set := resource.Merge(resource.NewSet(nil), docs, false)
	if err := resource.Errors(resource.Check(set, NewFlowChecker(set, "", false))); err != nil {
		t.Fatal(err)
	}
	routes, faults := route.Build(set)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	h, err := newHouse("default", set, routes, "", nil, d)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestMayCallBack: what a caller keys in is never a way to call what the tenant may not.
func TestMayCallBack(t *testing.T) {
	h := callbackHouse(t, nil)
	h.outside = &outside{}
	for _, row := range []struct{ queue, number, want string }{
		{"sales", "0721000111", "+40721000111"},
		{"sales", "+40721000111", "+40721000111"},
		{"sales", "0040721000111", "+40721000111"},
		{"sales", "112", ""},          // for help
		{"sales", "20001", ""},        // an extension
		{"sales", "+40213334444", ""}, // the house itself
		{"sales", "0213334444", ""},   // likewise
		{"sales", "0236123456", ""},   // denied to the tenant
		{"sales", "0906123456", ""},   // premium
		{"sales", "*21*0721000111#", ""},
		{"sales", "anonymous", ""},
		{"sales", "", ""},
		{"sales", strings.Repeat("1", 30), ""},
		{"near", "0212345678", "+40212345678"},
		{"near", "0721000111", ""}, // not among the queue's prefixes
	} {
		got, ok := h.MayCallBack(row.queue, row.number)
		if got != row.want || ok != (row.want != "") {
			t.Errorf("%s %q: %q %v, want %q", row.queue, row.number, got, ok, row.want)
		}
	}
	if cb := h.QueueCallback("sales"); !cb.On || !cb.Other || cb.Announce != "" || cb.Dial != callbackRing {
		t.Errorf("%+v", cb)
	}
	if k := h.QueueKeys("sales"); k['1'] != "callback" || k['2'] != "queue:near" || h.QueueKeys("near") != nil {
		t.Errorf("%v", k)
	}
	for _, q := range h.acdConfig().Queues {
		if q.Name == "sales" && (!q.Callback.On || q.Callback.Retries != -1 || q.Callback.Dial <= callbackRing) {
			t.Errorf("%+v", q.Callback)
		}
	}
}

// TestCallbackHours: the schedule opens and closes the callbacks of its queue.
func TestCallbackHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dispatch.New(dispatch.Config{Tenant: "default", Journal: noJournal{}})
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer d.Stop(t.Context())
		h := callbackHouse(t, d)
		d.Post(h.acdConfig())
		state := func() string {
			list, err := d.CallbackList(t.Context())
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v %v", list, err)
			}
			return list[0].State
		}
		monday := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		d.Post(acd.AskCallback{CallID: "c1", Queue: "sales", Number: "1"})
		for _, row := range []struct {
			at   time.Time
			want string
		}{{monday, acd.CallbackWaiting}, {monday.Add(8 * time.Hour), acd.CallbackClosed}, {monday.Add(8 * time.Hour), acd.CallbackClosed}, {monday.Add(24 * time.Hour), acd.CallbackWaiting}} {
			h.callbackHours(row.at, true)
			if got := state(); got != row.want {
				t.Errorf("%s: %s, want %s", row.at, got, row.want)
			}
		}
		if h.callbackHours(monday, false); state() != acd.CallbackClosed {
			t.Error("a node that drains begins calls")
		}
	})
}
