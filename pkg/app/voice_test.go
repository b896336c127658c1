package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// recogniser is a small server that "understands" what it is told to after half a second
// of sound.
type recogniser struct {
	*httptest.Server
	mu     sync.Mutex
	starts []stream.Message
}

func newRecogniser(t *testing.T) *recogniser {
	r := &recogniser{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		ws, err := websocket.Accept(w, q, &websocket.AcceptOptions{Subprotocols: []string{"centrala-stream.v1"}})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for frames := 0; ; {
			kind, b, err := ws.Read(context.Background())
			if err != nil {
				return
			}
			if kind == websocket.MessageBinary {
				if frames++; frames == 25 {
					ws.Write(context.Background(), websocket.MessageText, []byte(`{"type":"stop","result":"{\"text\":\"I need support\",\"confidence\":0.9}"}`))
				}
				continue
			}
			var msg stream.Message
			json.Unmarshal(b, &msg)
			if msg.Type == "start" {
				r.mu.Lock()
				r.starts = append(r.starts, msg)
				r.mu.Unlock()
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

const voiceDocs = `
kind: flow
name: voice
spec:
  start: ask
  steps:
    ask:
      menu:
        prompts: [main_menu]
        keys: {"1": end, "2": bob}
        timeout: 1m
        speech: {url: "%s", phrases: {sales: "1", support: "2"}, into: said}
      next: end
    bob: {dial: ["device:bob"], next: end}
    end: {hangup: normal}
---
kind: flow
name: deaf
spec:
  start: ask
  steps:
    ask:
      menu:
        prompts: [main_menu]
        keys: {"1": end, "2": bob}
        timeout: 1m
        speech: {url: "tcp://%s", phrases: {sales: "1"}}
      next: end
    bob: {dial: ["device:bob"], next: end}
    end: {hangup: normal}
---
kind: number
name: voice
spec: {digits: "1014", flow: voice}
---
kind: number
name: deaf
spec: {digits: "1015", flow: deaf}
`

// A menu is answered by voice; what was said goes with the call. Where the recogniser is
// dead, keys answer it.
func TestMenuByVoice(t *testing.T) {
	o := newOffice(t)
	r := newRecogniser(t)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	if _, err := o.apply(fmt.Sprintf(voiceDocs, "ws"+strings.TrimPrefix(r.URL, "http"), dead.Addr()), api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	a := o.isUp(o.call(o.anna, "1014"), o.anna)
	b := o.answers(o.bob)
	o.talk(a, o.anna, b, o.bob)
	hangUp(a)
	rec, kinds := o.ended(a)
	if !slices.Contains(kinds, "flow.gathered") {
		t.Errorf("events %v", kinds)
	}
	d, err := o.Call(context.Background(), "default", rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Events {
		if e.Kind == "flow.gathered" {
			var g event.FlowGathered
			if err := json.Unmarshal(e.Data, &g); err != nil || g.Variables["said"] != "I need support" {
				t.Errorf("gathered %+v %v", g, err)
			}
		}
	}
	r.mu.Lock()
	if len(r.starts) != 1 || !slices.Equal(r.starts[0].Hints, []string{"sales", "support"}) || r.starts[0].Direction != "listen" || r.starts[0].Language != "en" {
		t.Errorf("started with %+v", r.starts)
	}
	r.mu.Unlock()

	c := o.isUp(o.call(o.anna, "1015"), o.anna)
	c.Leg().SendDigits("2")
	b = o.answers(o.bob)
	o.talk(c, o.anna, b, o.bob)
	hangUp(c)
	if _, kinds := o.ended(c); slices.Contains(kinds, "flow.failed") || slices.Contains(kinds, "flow.gathered") {
		t.Errorf("events %v", kinds)
	}
}

// The same by HTTP: the utterance is cut where the caller falls silent, and posted.
func TestMenuByVoiceOverHTTP(t *testing.T) {
	o := newOffice(t)
	sizes := make(chan int, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		sizes <- len(b)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"text":"I need support","confidence":0.9}`)
	}))
	t.Cleanup(srv.Close)
	if _, err := o.apply(fmt.Sprintf(voiceDocs, srv.URL, "127.0.0.1:9"), api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "1014")
	if err := a.WaitState(within(t), robot.Up); err != nil {
		t.Fatal(err)
	}
	a.Leg().PlayTone(annaTone)
	mark := a.Leg().Mark()
	o.eventually("a second of speech", func() bool { return a.Leg().Mark() >= mark+8000 })
	a.Leg().PlayTone(0)
	b := o.ring(o.bob.rings)
	b.Answer()
	if n := <-sizes; n < 16000 || n > 44+2*16000*15 {
		t.Errorf("%d bytes were posted", n)
	}
	hangUp(a)
}
