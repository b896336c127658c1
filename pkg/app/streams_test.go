package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

// machine is a server of streams: /echo sends the caller's sound back until key 5,
// whose result is "people"; /listen keeps both tracks, /second what it hears.
type machine struct {
	*httptest.Server
	mu     sync.Mutex
	tracks map[stream.Track][]int16
	second []int16
	starts []stream.Message
	closed int
}

func newMachine(t *testing.T) *machine {
	m := &machine{tracks: map[stream.Track][]int16{}}
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(m.Close)
	return m
}

func (m *machine) url(path string) string { return "ws" + strings.TrimPrefix(m.URL, "http") + path }

func (m *machine) serve(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	defer func() { m.mu.Lock(); m.closed++; m.mu.Unlock() }()
	for {
		kind, b, err := ws.Read(r.Context())
		if err != nil {
			return
		}
		if kind == websocket.MessageBinary {
			if r.URL.Path == "/echo" {
				ws.Write(r.Context(), kind, b)
				continue
			}
			f, sound, _ := stream.ParseFrame(b)
			m.mu.Lock()
			for i := 0; i+1 < len(sound); i += 2 {
				v := int16(uint16(sound[i]) | uint16(sound[i+1])<<8)
				if r.URL.Path == "/second" {
					m.second = append(m.second, v)
				} else {
					m.tracks[f.Track] = append(m.tracks[f.Track], v)
				}
			}
			m.mu.Unlock()
			continue
		}
		var msg stream.Message
		json.Unmarshal(b, &msg)
		switch msg.Type {
		case "start":
			m.mu.Lock()
			m.starts = append(m.starts, msg)
			m.mu.Unlock()
		case "dtmf":
			if msg.Digits == "5" {
				ws.Write(r.Context(), websocket.MessageText, []byte(`{"type":"stop","result":"people"}`))
			}
		case "stop":
			return
		}
	}
}

// last is the newest second of a track.
func (m *machine) last(t stream.Track) []int16 {
	m.mu.Lock()
	defer m.mu.Unlock()
	pcm := m.tracks[t]
	return slices.Clone(pcm[max(0, len(pcm)-1600):])
}

const robotDocs = `
kind: flow
name: robot
spec:
  start: talk
  steps:
    talk: {stream: {url: "%s", for: 1m, into: wish}, next: sort, on: {failed: bye}}
    sort: {branch: [{var: wish, eq: people, next: bob}], next: bye}
    bob: {dial: {targets: ["device:bob"]}, on: {no_answer: bye, busy: bye, failed: bye}}
    bye: {hangup: normal}
---
kind: flow
name: dead
spec:
  start: talk
  steps:
    talk: {stream: {url: "%s", for: 1m}, next: bye, on: {failed: bob}}
    bob: {dial: {targets: ["device:bob"]}, on: {no_answer: bye, busy: bye, failed: bye}}
    bye: {hangup: normal}
---
kind: number
name: robot
spec: {digits: "1007", flow: robot}
---
kind: number
name: dead
spec: {digits: "1008", flow: dead}
`

// Anna talks to a robot that says what she says, presses 5 and talks to bob; a
// transcriber then hears both, each on a track of its own, and goes again.
func TestStreams(t *testing.T) {
	o := newOffice(t)
	m := newMachine(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	if _, err := o.apply(fmt.Sprintf(robotDocs, m.url("/echo?key=hunter2"), "tcp://"+gone.Addr().String()), api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	a := o.isUp(o.call(o.anna, "1007"), o.anna)
	o.hears(a, annaTone)
	a.Leg().SendDigits("5")
	b := o.answers(o.bob)
	o.talk(a, o.anna, b, o.bob)

	id := o.live(a)
	ask := func(action string, r *api.StreamRequest) error {
		return o.CommandCall(context.Background(), "default", id, api.CallCommand{Action: action, Leg: -1, By: "test", Stream: r})
	}
	if err := ask("stream_stop", nil); !errors.Is(err, api.ErrConflict) {
		t.Errorf("none to stop: %v", err)
	}
	if err := ask("stream", &api.StreamRequest{URL: "http://x/"}); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("no stream: %v", err)
	}
	listener := &api.StreamRequest{URL: m.url("/listen"), Direction: "listen", Tracks: []string{"caller", "agent"}}
	if err := ask("stream", listener); err != nil {
		t.Fatal(err)
	}
	// A second one beside it, which is ended by its name.
	second := &api.StreamRequest{URL: m.url("/second"), Direction: "listen"}
	if err := ask("stream", second); err != nil {
		t.Fatal(err)
	}
	o.eventually("it hears the caller too", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.second) >= 1600 && robot.Hears(m.second[len(m.second)-1600:], annaTone)
	})
	if err := o.CommandCall(context.Background(), "default", id, api.CallCommand{Action: "stream_stop", Leg: -1, By: "test", Target: id + "-s3"}); err != nil {
		t.Errorf("the end of the second: %v", err)
	}
	o.eventually("the second is gone", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.closed == 2 })
	o.eventually("the transcriber hears both", func() bool {
		c, g := m.last(stream.Caller), m.last(stream.Agent)
		return len(c) == 1600 && len(g) == 1600 && robot.Hears(c, annaTone) && robot.Quiet(c, bobTone) && robot.Hears(g, bobTone) && robot.Quiet(g, annaTone)
	})
	o.talk(a, o.anna, b, o.bob)
	if err := ask("stream_stop", nil); err != nil {
		t.Fatal(err)
	}
	o.eventually("it is gone", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.closed == 3 })
	o.talk(a, o.anna, b, o.bob)
	hangUp(a)
	o.over(b)
	o.ended(a)
	d, err := o.Call(context.Background(), "default", id)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for _, rec := range d.Events {
		if strings.Contains(string(rec.Data), "hunter2") {
			t.Errorf("the secret is in the journal: %s", rec.Data)
		}
		if e, err := event.Decode(rec); err == nil {
			if s, ok := e.Body.(event.StreamEnded); ok {
				outcomes = append(outcomes, s.Outcome)
				if s.FramesSent < 5 || s.FramesDropped > 0 || s.DurationMs < 100 {
					t.Errorf("%+v", s)
				}
			}
		}
	}
	if !slices.Equal(outcomes, []string{"ended", "stopped", "stopped"}) {
		t.Errorf("streams ended %q", outcomes)
	}
	if s := m.starts[0]; s.Call != id || s.Tenant != "default" || s.To != "1007" || s.From != "101" {
		t.Errorf("start: %+v", s)
	}

	// A machine that is not there: the flow takes its other way.
	a = o.call(o.anna, "1008")
	b = o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	hangUp(a)
	o.over(b)
	if v := o.value("centrala_streams_ended_total", "refused"); v != 1 {
		t.Errorf("%v streams refused", v)
	}
	if v := o.series("centrala_streams"); v != 0 {
		t.Errorf("%v streams are left", v)
	}
}
