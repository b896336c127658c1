package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/apps"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

const appSecret = "0123456789abcdef"

// application is a server of calls: /http answers, /ws too and speaks of its own accord,
// /dead never answers.
type application struct {
	*httptest.Server
	hold chan struct{}

	mu     sync.Mutex
	told   []ivr.AppRequest
	faults []string
	push   chan string // verbs of its own accord
}

func newApplication(t *testing.T) *application {
	p := &application{hold: make(chan struct{}), push: make(chan string, 1)}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() { close(p.hold); p.Close() })
	return p
}

// take keeps what the application is told, and answers.
func (p *application) take(body []byte) (answer string) {
	var q ivr.AppRequest
	err := json.Unmarshal(body, &q)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.faults = append(p.faults, err.Error())
	}
	p.told = append(p.told, q)
	switch {
	case q.Event == "start":
		return `{"verbs": [{"collect": {"prompts": ["enter_digits"], "into": "order", "min": 2, "max": 2}}]}`
	case q.Event == "done" && q.Variables["order"] == "42":
		return `[{"dial": {"targets": ["device:bob"]}}, {"hangup": "normal"}]`
	case q.Event == "done":
		return `[]`
	}
	return ""
}

// events lists what it was told, by name.
func (p *application) events() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.told {
		out = append(out, q.Event)
	}
	return out
}

func (p *application) fault(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

func (p *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/dead":
		<-p.hold
	case "/http":
		body, _ := io.ReadAll(r.Body)
		if err := apps.Verify(appSecret, r.Header.Get("X-Centrala-Signature"), string(body), time.Now(), time.Minute); err != nil {
			p.fault("%v", err)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, p.take(body))
	case "/ws":
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{apps.Protocol}})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case verbs := <-p.push:
				ws.Write(ctx, websocket.MessageText, []byte(verbs))
			case <-ctx.Done():
			}
		}()
		for {
			_, body, err := ws.Read(ctx)
			if err != nil {
				return
			}
			if answer := p.take(body); answer != "" {
				ws.Write(ctx, websocket.MessageText, []byte(answer))
			}
		}
	}
}

const appDocs = `
kind: app
name: orders
spec: {url: "%[1]s/http", secret: 0123456789abcdef}
---
kind: app
name: session
spec: {url: "ws%[2]s/ws"}
---
kind: app
name: dead
spec: {url: "%[1]s/dead", timeout: 200ms, fallback: fallen}
---
kind: flow
name: fallen
spec:
  start: ask
  steps:
    ask: {collect: {prompts: [enter_digits], into: key, max: 1}, next: end, on: {failed: end}}
    end: {hangup: normal}
---
kind: number
name: orders
spec: {digits: "1011", app: orders}
---
kind: number
name: session
spec: {digits: "1012", app: session}
---
kind: number
name: dead
spec: {digits: "1013", app: dead}
`

// newApplications is an office whose numbers 1011 to 1013 are led by applications.
func newApplications(t *testing.T) (*office, *application) {
	t.Helper()
	o := newOffice(t)
	p := newApplication(t)
	if _, err := o.apply(fmt.Sprintf(appDocs, p.URL, strings.TrimPrefix(p.URL, "http")), api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	return o, p
}

// wants waits until the application was told of these events, in order.
func (p *application) wants(o *office, events ...string) {
	o.t.Helper()
	o.eventually("the application hears "+strings.Join(events, " "), func() bool { return strings.Join(p.events(), " ") == strings.Join(events, " ") })
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) > 0 {
		o.t.Error(p.faults)
	}
}

// An application by HTTP: it asks for two digits, connects the caller with bob, and hears
// of the conversation and of the end.
func TestApplicationByHTTP(t *testing.T) {
	o, p := newApplications(t)
	a := o.isUp(o.call(o.anna, "1011"), o.anna)
	a.Leg().SendDigits("42")
	b := o.answers(o.bob)
	o.talk(a, o.anna, b, o.bob)
	p.wants(o, "start", "done", "connected")
	hangUp(a)
	p.wants(o, "start", "done", "connected", "ended")
	if last := p.told[3]; last.Reason != "caller/normal" || last.Call.From != "101" || last.App != "orders" {
		t.Errorf("told %+v", last)
	}
	r := o.record("default", a)
	if r.Flow != "app:orders" {
		t.Errorf("the record's flow is %q", r.Flow)
	}
}

// By WebSocket, and of its own accord: while the caller is asked, the application wants
// something else.
func TestApplicationByWebSocket(t *testing.T) {
	o, p := newApplications(t)
	a := o.isUp(o.call(o.anna, "1012"), o.anna)
	p.wants(o, "start")
	p.push <- `[{"dial": ["device:bob"]}, {"hangup": "normal"}]`
	b := o.answers(o.bob)
	o.talk(a, o.anna, b, o.bob)
	hangUp(a)
	p.wants(o, "start", "connected", "ended")
}

// A dead application holds its callers for its time-out and no longer, and nobody else's:
// ten of them wait while another caller goes through an application that lives.
func TestDeadApplication(t *testing.T) {
	o, p := newApplications(t)
	dead := o.call(o.anna, "1013")
	live := o.isUp(o.call(o.carol, "1011"), o.carol)
	live.Leg().SendDigits("42")
	b := o.answers(o.bob)
	o.talk(live, o.carol, b, o.bob)
	p.wants(o, "start", "done", "connected")
	o.isUp(dead, o.anna) // the fallback flow asks for a key
	dead.Leg().SendDigits("1")
	r, _ := o.ended(dead)
	if r.Flow != "fallen" {
		t.Errorf("the caller ended in flow %q", r.Flow)
	}
	if took := o.job(r); took.Outcome != "timeout" || took.TookMs < 200 {
		t.Errorf("got %+v", took)
	}
	hangUp(live)
	o.ended(live)
}

// job is what the call's flow has asked for.
func (o *office) job(r cdr.Call) (job event.FlowJob) {
	o.t.Helper()
	d, err := o.Call(context.Background(), "default", r.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, e := range d.Events {
		if e.Kind == "flow.job" {
			if err := json.Unmarshal(e.Data, &job); err != nil {
				o.t.Fatal(err)
			}
		}
	}
	return job
}

// By API a call in a menu does verbs; what does not read, numbers outside and calls in a
// conversation are refused.
func TestVerbsByAPI(t *testing.T) {
	o, p := newApplications(t)
	a := o.isUp(o.call(o.anna, "1011"), o.anna)
	id := o.live(a)
	for verbs, want := range map[string]error{`nonsense`: api.ErrInvalid, `[]`: api.ErrInvalid, `[{"dial": "number:0722123456"}]`: api.ErrInvalid} {
		if err := o.SteerCall(context.Background(), "default", id, []byte(verbs), "test"); !errors.Is(err, want) {
			t.Errorf("%s: %v", verbs, err)
		}
	}
	if err := o.SteerCall(context.Background(), "acme", id, []byte(`[{"hangup": "normal"}]`), "test"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("another tenant: %v", err)
	}
	if err := o.SteerCall(context.Background(), "default", id, []byte(`[{"dial": {"targets": ["device:bob"]}}]`), "test"); err != nil {
		t.Fatal(err)
	}
	b := o.answers(o.bob)
	o.talk(a, o.anna, b, o.bob)
	// In a conversation: spoken into it, recorded, and taken away from the partner.
	for verbs, want := range map[string]error{`{"verbs": [{"play": "welcome"}], "side": "agent"}`: nil, `{"verbs": [{"play": "welcome"}], "side": "left"}`: api.ErrInvalid,
		`[{"recording": "pause"}]`: nil, `[{"recording": "faster"}]`: api.ErrInvalid} {
		if err := o.SteerCall(context.Background(), "default", id, []byte(verbs), "test"); !errors.Is(err, want) {
			t.Errorf("in a conversation: %s: %v", verbs, err)
		}
	}
	if err := o.SteerCall(context.Background(), "default", id, []byte(`[{"set": {"vip": "yes"}}, {"pause": "100ms"}]`), "test"); err != nil {
		t.Errorf("in a conversation: %v", err)
	}
	o.over(b)
	p.wants(o, "start", "connected", "done", "ended") // the verbs are through: the application is asked
	o.ended(a)
}
