//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// Tones by which a caller is told what became of a request.
const (
	vipTone     = 1870
	troubleTone = 1450
)

const accountFlow = `
---
kind: secret
name: crm
spec: {value: e2e-token}
---
kind: number
name: account
spec: {digits: "7000", flow: account}
---
kind: flow
name: account
spec:
  start: ask
  steps:
    ask: {collect: {prompts: [hello], into: account, min: 3, max: 3, pattern: "[0-9]+", inter_digit: 5s}, next: look, on: {failed: bye}}
    look:
      http:
        url: %s/c/${account}
        headers: {Authorization: "Bearer ${secret.crm}"}
        timeout: 3s
        into: {kind: /kind}
      next: which
      on: {failed: trouble}
    which: {branch: [{if: vars.kind == "vip", next: vip}], next: bye}
    vip: {tone: {hz: [1870], for: 4s}, next: bye}
    trouble: {tone: {hz: [1450], for: 4s}, next: bye}
    bye: {hangup: normal}
`

// service is what the flow asks: 407 is a good customer, 500 never gets an answer.
type service struct {
	mu    sync.Mutex
	asked []string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path+" "+r.Header.Get("Authorization"))
	s.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/500") {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"kind": "vip"}`)
}

func (s *service) count(what string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if a == what {
			n++
		}
	}
	return n
}

// askingHouse has a flow that collects an account and asks a service of it. allowed: the
// node file lets it reach the service, which is inside.
func askingHouse(t *testing.T, allowed bool) (*house, *service) {
	t.Helper()
	s := &service{}
	web := httptest.NewServer(s)
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	h := prepare(t)
	for name, more := range map[string]string{"resources.yaml": fmt.Sprintf(accountFlow, web.URL), "centrala.yaml": map[bool]string{true: "\nflows: {allow: [127.0.0.1]}\n"}[allowed]} {
		b, err := os.ReadFile(filepath.Join(h.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		h.write(name, string(b)+more)
	}
	h.start()
	return h, s
}

// TestFlowAsksAService: keys by RFC 4733 from one caller and by INFO from another become an
// account, the service knows it by the tenant's secret, and its answer decides what is
// heard. A service that never answers holds its caller for the step's time and nobody else.
func TestFlowAsksAService(t *testing.T) {
	t.Parallel()
	h, s := askingHouse(t, true)
	stuck := h.dial(h.phone("anna", "udp", robot.MD5), "7000")
	h.up(stuck)
	stuck.Leg().SendDigits("500")
	h.eventually(patience, "the service is asked and does not answer", func() bool { return s.count("/c/500 Bearer e2e-token") == 1 })
	c := h.dial(h.phone("carol", "udp", robot.MD5), "7000")
	h.up(c)
	c.Leg().SendDigits("407")
	h.hears("the answer", c, vipTone, troubleTone)
	h.hears("that the service did not answer", stuck, troubleTone, vipTone)
	c.Hangup()
	stuck.Hangup()
	h.sipp("uac-keys-an-account.xml", "7000", 1)
	if n := s.count("/c/407 Bearer e2e-token"); n != 2 {
		t.Errorf("the service was asked of 407 %d times: %q", n, s.asked)
	}
	if out, err := h.run("export"); err != nil || strings.Contains(out, "e2e-token") {
		t.Errorf("%v: the export has the secret", err)
	}
	if n := h.metric(`centrala_flow_jobs_total{kind="http",result="done"}`); n != 2 {
		t.Errorf("%v requests done", n)
	}
	if n := h.metric(`centrala_flow_jobs_total{kind="http",result="timeout"}`); n != 1 {
		t.Errorf("%v requests without an answer", n)
	}
	log, _ := os.ReadFile(h.log)
	if strings.Contains(string(log), "e2e-token") {
		t.Error("the log has the secret")
	}
}

// TestServiceInsideIsRefused: without the node file's word nothing inside is reached, and
// the caller hears the flow's way for it.
func TestServiceInsideIsRefused(t *testing.T) {
	t.Parallel()
	h, s := askingHouse(t, false)
	c := h.dial(h.phone("anna", "udp", robot.MD5), "7000")
	h.up(c)
	c.Leg().SendDigits("407")
	h.hears("that it was refused", c, troubleTone, vipTone)
	c.Hangup()
	if len(s.asked) != 0 {
		t.Errorf("the service inside was asked: %q", s.asked)
	}
}

// TestMessageByFlow: a caller leaves a message, hears it again, and keeps it.
func TestMessageByFlow(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	b, err := os.ReadFile(filepath.Join(h.dir, "resources.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("resources.yaml", string(b)+`
---
kind: number
name: leave
spec: {digits: "7001", flow: leave}
---
kind: flow
name: leave
spec:
  start: leave
  steps:
    leave: {record: {prompts: [hello], silence: 2s, review: [hello], into: message}, next: vip, on: {failed: trouble, empty: trouble}}
    vip: {tone: {hz: [1870], for: 4s}, next: bye}
    trouble: {tone: {hz: [1450], for: 4s}, next: bye}
    bye: {hangup: normal}
`)
	h.start()
	c := h.dial(h.phone("anna", "udp", robot.MD5), "7001")
	h.up(c)
	h.hears("the greeting", c, helloTone)
	c.Leg().PlayTone(callerTone)
	h.eventually(patience, "the message is recorded", func() bool { return len(h.recordings()) > 0 })
	time.Sleep(2 * time.Second)
	c.Leg().PlayTone(0)
	c.Leg().SendDigits("#")
	h.hears("the question", c, helloTone)
	c.Leg().SendDigits("2")
	h.hears("the message", c, callerTone)
	c.Leg().SendDigits("1")
	h.hears("that it is kept", c, vipTone, troubleTone)
	c.Hangup()
	w := h.recording()
	if !heardIn(w.Channels[0], callerTone) {
		t.Errorf("the message has the caller's tone at %.3f", robot.Level(w.Channels[0], callerTone))
	}
}
