package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/outward"
	"github.com/centrala/centrala/pkg/resource"
)

// outwardApp is an App with nothing but what requests need.
func outwardApp(t *testing.T, secrets map[string]string, allow ...string) (*App, *observer.ObservedLogs) {
	t.Helper()
	g, err := outward.NewGuard(allow)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	a := &App{outward: outward.NewClient(g, "test", nil), later: newLater(), log: zap.New(core)}
	a.dir.Store(&directory{houses: map[string]*house{"acme": {secrets: secrets}}})
	t.Cleanup(a.outward.Close)
	return a, logs
}

func lit(s string) []flow.Part { return []flow.Part{{Text: s}} }

func TestRequestOfAFlow(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hush" {
			w.WriteHeader(401)
			return
		}
		switch r.URL.Path {
		case "/json":
			w.Header().Set("Content-Type", "application/problem+json")
			fmt.Fprint(w, `{"customer": {"name": "Ana"}, "n": 7}`)
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `{"customer": {"name": "Ana"}}`)
		case "/bad":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"customer": `)
		case "/none":
			w.WriteHeader(404)
		case "/broken":
			w.WriteHeader(500)
		}
	}))
	defer s.Close()
	a, _ := outwardApp(t, map[string]string{"crm": "hush"}, "127.0.0.1")
	into := []flow.HTTPPair{{Name: "customer", Value: "/customer/name"}, {Name: "gone", Value: "/x/y"}}
	for _, c := range []struct {
		name, tenant, path, secret, outcome, err string
		into                                     []flow.HTTPPair
	}{
		{"values", "acme", "/json", "crm", flow.OutcomeDone, "", into},
		{"no values wanted", "acme", "/html", "crm", flow.OutcomeDone, "", nil},
		{"another type", "acme", "/html", "crm", flow.OutcomeFailed, "not application/json", into},
		{"half an answer", "acme", "/bad", "crm", flow.OutcomeFailed, "not JSON", into},
		{"not there", "acme", "/none", "crm", flow.OutcomeNotFound, "", into},
		{"broken", "acme", "/broken", "crm", flow.OutcomeFailed, "500", into},
		{"no such secret", "acme", "/json", "sms", flow.OutcomeFailed, `no secret "sms"`, into},
		{"another tenant's secret", "other", "/json", "crm", flow.OutcomeFailed, `no secret "crm"`, into},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &flow.HTTPJob{Method: "GET", URL: lit(s.URL + c.path), Into: c.into, Status: "code", Wait: true,
				Headers: []flow.HTTPHeader{{Name: "Authorization", Value: []flow.Part{{Text: "Bearer "}, {Secret: c.secret}}}}}
			outcome, values, err := a.httpJob(t.Context(), c.tenant, "c1", j)
			if outcome != c.outcome || fmt.Sprint(err) == "<nil>" != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "hush")) {
				t.Fatalf("%s %v", outcome, err)
			}
			if c.name == "values" && (values["customer"] != "Ana" || values["gone"] != "" || values["code"] != "200") {
				t.Errorf("%v", values)
			}
		})
	}
}

func TestRequestThatNobodyWaitsFor(t *testing.T) {
	hit := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/never" {
			<-r.Context().Done()
			return
		}
		hit <- r.URL.Path
	}))
	defer s.Close()
	a, logs := outwardApp(t, nil, "127.0.0.1")
	gone, cancel := context.WithCancel(t.Context())
	cancel() // the caller has hung up
	if outcome, _, err := a.httpJob(gone, "acme", "c1", &flow.HTTPJob{Method: "POST", URL: lit(s.URL + "/later")}); outcome != flow.OutcomeDone || err != nil {
		t.Fatal(outcome, err)
	}
	if got := <-hit; got != "/later" {
		t.Fatal(got)
	}
	if outcome, _, _ := a.httpJob(t.Context(), "acme", "c1", &flow.HTTPJob{Method: "POST", URL: lit(s.URL + "/never?key=hush")}); outcome != flow.OutcomeDone {
		t.Fatal(outcome)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	a.later.stop(ctx) // does not wait for a service for ever
	if outcome, _, err := a.httpJob(t.Context(), "acme", "c1", &flow.HTTPJob{Method: "POST", URL: lit(s.URL)}); outcome != flow.OutcomeFailed || err == nil {
		t.Error("a request is begun while the node stops")
	}
	for _, e := range logs.All() {
		if strings.Contains(fmt.Sprint(e.Message, e.ContextMap()), "hush") {
			t.Errorf("the log has a secret: %v", e)
		}
	}
}

func TestSecretsKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "secrets.key")
	one, err := secretsKey(path)
	if err != nil || len(one) != resource.KeySize {
		t.Fatal(one, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if two, err := secretsKey(path); err != nil || string(two) != string(one) {
		t.Errorf("another key at the second start: %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secretsKey(path); err == nil {
		t.Error("a damaged key is taken, and replaced all secrets for good")
	}
}
