package apps

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "0123456789abcdef"

// client asks with the time out of the test's hand.
func client(t *testing.T, o Options) *Client {
	t.Helper()
	transport := &http.Transport{}
	o.HTTP = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c := New(o)
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	return c
}

func TestRequestsAreSigned(t *testing.T) {
	var fault error
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fault = Verify(secret, r.Header.Get("X-Centrala-Signature"), string(body), time.Now(), time.Minute)
		if r.Header.Get("X-Centrala-Call") != "c1" || r.Header.Get("X-Centrala-Tenant") != "acme" || r.Method != "POST" {
			fault = fmt.Errorf("headers %v", r.Header)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, `[{"play":"welcome"}]`)
	}))
	defer srv.Close()
	c := client(t, Options{})
	verbs, err := c.Ask(t.Context(), "acme", "c1", App{Name: "orders", URL: srv.URL, Secret: secret}, []byte(`{"event":"start"}`))
	if err != nil || string(verbs) != `[{"play":"welcome"}]` || fault != nil {
		t.Error(string(verbs), err, fault)
	}
	at := time.Unix(1764000000, 0)
	// echo -n '1764000000.hello' | openssl dgst -sha256 -hmac 0123456789abcdef
	sign := Sign(secret, at, "hello")
	for name, bad := range map[string]error{
		"another secret": Verify("fedcba9876543210", sign, "hello", at, time.Minute),
		"another text":   Verify(secret, sign, "hellp", at, time.Minute),
		"too old":        Verify(secret, sign, "hello", at.Add(2*time.Minute), time.Minute),
		"of tomorrow":    Verify(secret, sign, "hello", at.Add(-2*time.Minute), time.Minute),
		"none":           Verify(secret, "", "hello", at, time.Minute),
	} {
		if bad == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := Verify(secret, sign, "hello", at.Add(30*time.Second), time.Minute); err != nil {
		t.Error(err)
	}
}

// Whatever a server answers, an application is understood or refused in its time, in
// words without the URL.
func TestBadAnswers(t *testing.T) {
	hold := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/500":
			w.WriteHeader(500)
		case "/redirect":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<p>")
		case "/huge":
			for range 1 << 14 { // a gigabyte, for who takes it
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "/endless":
			w.(http.Flusher).Flush()
			<-hold
		case "/silent":
			<-hold
		case "/nothing":
			w.WriteHeader(204)
		}
	}))
	defer srv.Close()
	defer close(hold)
	c := client(t, Options{})
	for path, want := range map[string]string{"/500": "answered 500", "/redirect": "answered 302", "/html": "something else", "/huge": "more than",
		"/endless": "in time", "/silent": "in time", "/nothing": ""} {
		bound := time.Minute
		if want == "in time" {
			bound = 50 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), bound)
		verbs, err := c.Ask(ctx, "acme", "c1", App{Name: "a", URL: srv.URL + path + "?key=hunter2"}, nil)
		cancel()
		if want == "" && (err != nil || verbs != nil) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %q %v, want %q", path, verbs, err, want)
		}
	}
	if _, err := c.Ask(t.Context(), "acme", "c1", App{URL: "http://127.0.0.1:1/?key=hunter2"}, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// A session: asked, it answers; of its own accord it steers, and hears when that was
// refused; the call's end ends it.
func TestSession(t *testing.T) {
	events := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := Verify(secret, r.Header.Get("X-Centrala-Signature"), "c1.ws://"+r.Host+"/calls", time.Now(), time.Minute); err != nil {
			events <- err.Error()
		}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{Protocol}})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for {
			_, b, err := ws.Read(context.Background())
			if err != nil {
				events <- "closed " + fmt.Sprint(websocket.CloseStatus(err))
				return
			}
			var m struct{ Event, Reason string }
			json.Unmarshal(b, &m)
			events <- m.Event + m.Reason
			switch m.Event {
			case "start":
				ws.Write(context.Background(), websocket.MessageText, []byte(`["answer"]`))
				ws.Write(context.Background(), websocket.MessageText, []byte(`["now"]`))
			case "done":
				ws.Close(websocket.StatusGoingAway, "")
			}
		}
	}))
	defer srv.Close()
	steered := make(chan string, 1)
	c := client(t, Options{Steer: func(_ context.Context, tenant, call, app string, verbs []byte) error {
		steered <- tenant + call + app + string(verbs)
		return fmt.Errorf("not now")
	}})
	a := App{Name: "orders", URL: "ws" + strings.TrimPrefix(srv.URL, "http") + "/calls", Secret: secret}
	verbs, err := c.Ask(t.Context(), "acme", "c1", a, []byte(`{"event":"start"}`))
	if err != nil || string(verbs) != `["answer"]` {
		t.Fatal(string(verbs), err)
	}
	if got := <-steered; got != `acmec1orders["now"]` {
		t.Error(got)
	}
	for _, want := range []string{"start", "refusednot now"} {
		if got := <-events; got != want {
			t.Errorf("the application heard %q, want %q", got, want)
		}
	}
	if err := c.Tell(t.Context(), "acme", "c1", a, []byte(`{"event":"ended"}`), true); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"ended", "closed StatusNormalClosure"} {
		if got := <-events; got != want {
			t.Errorf("the application heard %q, want %q", got, want)
		}
	}
	// It hangs up while it is asked: the caller does not wait for the time-out.
	if _, err := c.Ask(t.Context(), "acme", "c1", a, []byte(`{"event":"done"}`)); err == nil {
		t.Error("an application that hung up has answered")
	}
	if err := c.Tell(t.Context(), "acme", "c9", a, nil, true); err != nil {
		t.Error(err)
	}
}

// Sessions are bounded, end with the client, and speak our protocol.
func TestSessionBounds(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := websocket.AcceptOptions{}
		if r.URL.Path == "/ours" {
			o.Subprotocols = []string{Protocol}
		}
		ws, err := websocket.Accept(w, r, &o)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for err == nil {
			_, _, err = ws.Read(context.Background())
		}
	}))
	defer srv.Close()
	c := client(t, Options{MaxSessions: 1})
	base := "ws" + strings.TrimPrefix(srv.URL, "http")
	if _, err := c.Ask(t.Context(), "acme", "c1", App{Name: "a", URL: base + "/other"}, nil); err == nil || !strings.Contains(err.Error(), "subprotocol") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Ask(ctx, "acme", "c1", App{Name: "a", URL: base + "/ours"}, []byte("{}")); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Error(err)
	}
	if _, err := c.Ask(t.Context(), "acme", "c2", App{Name: "a", URL: base + "/ours"}, []byte("{}")); err == nil || !strings.Contains(err.Error(), "sessions") {
		t.Error(err)
	}
}
