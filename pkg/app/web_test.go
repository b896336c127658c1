package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/browser"
	"github.com/centrala/centrala/pkg/webhook"
)

// consoleDocs are people who sign in: an agent with a browser's device, a
// supervisor, an administrator, and one of another company.
const consoleDocs = `
kind: device
name: vera-web
spec: {extension: "301"}
---
kind: user
name: vera
spec: {display_name: "<script>alert(1)</script>", roles: [agent], device: vera-web}
---
kind: user
name: sofia
spec: {roles: [supervisor]}
---
kind: user
name: adam
spec: {roles: [admin]}
---
kind: user
tenant: acme
name: mallory
spec: {roles: [admin, supervisor, quality, ops]}
---
kind: user
tenant: acme
name: vera
spec: {roles: [agent]}
`

// console is a node with a listener for people.
func console(t *testing.T, changes func(*config.Config)) *node {
	t.Helper()
	t.Parallel()
	n := prepare(t)
	n.make(func(c *config.Config) {
		webOn(c)
		if changes != nil {
			changes(c)
		}
	})
	n.start()
	if _, err := n.apply(consoleDocs, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	return n
}

func webOn(c *config.Config) {
	c.Web.Listen = "127.0.0.1:0"
	c.Auth.MemoryMB = 8
	c.Media.WebRTC = config.WebRTC{Listen: "127.0.0.1:0"}
}

// person is one browser.
type person struct {
	t      *testing.T
	base   string
	http   *http.Client
	origin string // sent with all that changes something; "" = none
	bearer string
}

func (n *node) person() *person {
	n.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		n.t.Fatal(err)
	}
	p := &person{t: n.t, base: n.WebURL(), origin: n.WebURL(), http: &http.Client{Jar: jar, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	n.t.Cleanup(p.http.CloseIdleConnections)
	return p
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (p *person) ask(method, path, body string, header ...string) reply {
	p.t.Helper()
	req, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if p.origin != "" && method != "GET" {
		req.Header.Set("Origin", p.origin)
	}
	if p.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+p.bearer)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, b}
}

// want asks and demands a status; into may be nil.
func (p *person) want(status int, method, path, body string, into any) reply {
	p.t.Helper()
	r := p.ask(method, path, body)
	if r.status != status {
		p.t.Fatalf("%s %s: %d %s, want %d", method, path, r.status, r.body, status)
	}
	if into != nil {
		if err := json.Unmarshal(r.body, into); err != nil {
			p.t.Fatalf("%s %s: %v in %s", method, path, err, r.body)
		}
	}
	return r
}

const goodPassword = "correct horse battery"

// signIn makes an account for a user by the socket, as the command line does, and
// signs the person in by its one-time link.
func (n *node) signIn(tenant, name string) *person {
	n.t.Helper()
	l, err := client.Unix(n.cfg.SocketPath(), tenant).AddAccount(n.t.Context(), name, false)
	if err != nil {
		n.t.Fatal(err)
	}
	p := n.person()
	p.want(200, "POST", "/api/v1/session/link", fmt.Sprintf(`{"token":%q,"password":%q}`, l.Token, goodPassword), nil)
	return p
}

// The first start has one link, good once, and its administrator may do all; the
// second start has none.
func TestFirstAdministratorByLink(t *testing.T) {
	n := console(t, nil)
	link := n.FirstLink()
	base, token, ok := strings.Cut(link, "/#/link/")
	if !ok || base != n.WebURL() {
		t.Fatalf("link %q", link)
	}
	p := n.person()
	p.want(401, "GET", "/api/v1/accounts", "", nil)
	var who struct{ Tenant, Name string }
	p.want(200, "POST", "/api/v1/session/link/look", fmt.Sprintf(`{"token":%q}`, token), &who)
	if who.Name != "admin" || who.Tenant != "default" {
		t.Errorf("link of %+v", who)
	}
	p.want(422, "POST", "/api/v1/session/link", fmt.Sprintf(`{"token":%q,"password":"short"}`, token), nil)
	var s api.Session
	r := p.want(200, "POST", "/api/v1/session/link", fmt.Sprintf(`{"token":%q,"password":%q}`, token, goodPassword), &s)
	if s.User == nil || !s.User.Node || s.Rights["node.change"] != "tenant" {
		t.Errorf("session %+v", s)
	}
	cookie := r.header.Get("Set-Cookie")
	for _, w := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, w) {
			t.Errorf("cookie %q lacks %s", cookie, w)
		}
	}
	n.person().want(401, "POST", "/api/v1/session/link", fmt.Sprintf(`{"token":%q,"password":%q}`, token, goodPassword), nil) // used up
	p.want(200, "GET", "/api/v1/calls?tenant=acme", "", nil)
	stop(t, n.App)
	n.make(webOn)
	n.start()
	if n.FirstLink() != "" {
		t.Error("a second first administrator")
	}
	// Sessions outlive the process.
	q := n.person()
	u, _ := url.Parse(q.base)
	old, _ := url.Parse(p.base)
	q.http.Jar.SetCookies(u, p.http.Jar.Cookies(old))
	q.want(200, "GET", "/api/v1/accounts", "", nil)
	q.want(200, "DELETE", "/api/v1/session", "", nil)
	q.want(401, "GET", "/api/v1/accounts", "", nil)
}

// A page with the stack's own browser phone registers at /sip of the console's
// listener, with credentials that no password gave it, and they end with the session.
func TestBrowserPhoneOfTheConsole(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "turn.secret")
	if err := os.WriteFile(secret, []byte("north\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := console(t, func(c *config.Config) {
		c.Media.WebRTC.ICEServers = []config.ICEServer{{URLs: []string{"turn:turn.example.com"}, SecretFile: secret, TTL: config.Duration(time.Hour)}}
	})
	vera := n.signIn("default", "vera")
	var ps api.PhoneSession
	vera.want(200, "POST", "/api/v1/phone/session", "{}", &ps)
	if ps.Device != "vera-web" || !strings.HasPrefix(ps.URI, "sip:"+ps.Username+"@") || ps.Call != nil {
		t.Fatalf("%+v", ps)
	}
	if len(ps.ICEServers) != 1 || !strings.HasSuffix(ps.ICEServers[0].Username, ":"+ps.Username) || len(ps.ICEServers[0].Credential) != 28 {
		t.Errorf("%+v", ps.ICEServers)
	}
	u, _ := url.Parse(vera.base)
	header := http.Header{"Origin": {vera.origin}}
	for _, c := range vera.http.Jar.Cookies(u) {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	cfg := browser.Config{URL: ps.WS, User: ps.Username, Password: ps.Password, Tone: 700, Header: header}
	page, err := browser.Open(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	c := n.webDials(page, "1000")
	n.webHears(c, 700)
	call := n.live()
	if call.Device != "vera-web" || call.From != "301" {
		t.Errorf("the call is of device %q, number %q", call.Device, call.From)
	}
	if err := c.Hangup(within(t)); err != nil {
		t.Error(err)
	}
	vera.want(200, "DELETE", "/api/v1/session", "", nil)
	if _, err := browser.Open(within(t), cfg); err == nil {
		t.Error("the door is open to who has signed out")
	}
}

// live is the one call that runs.
func (n *node) live() (c struct{ Device, From string }) {
	n.t.Helper()
	page, err := n.Calls(context.Background(), "default", api.CallFilter{Live: true, Limit: 2})
	if err != nil || len(page.Calls) != 1 {
		n.t.Fatalf("%d calls, %v", len(page.Calls), err)
	}
	c.Device, c.From = page.Calls[0].Device, page.Calls[0].From
	return c
}

// events reads a stream until it has seen n events, or the test's time is over.
func (p *person) events(path string, lastID string, n int) []event.Record {
	p.t.Helper()
	req, err := http.NewRequestWithContext(within(p.t), "GET", p.base+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		p.t.Fatalf("events: %s %v", res.Status, res.Header)
	}
	var out []event.Record
	for sc := bufio.NewScanner(res.Body); len(out) < n && sc.Scan(); {
		if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
			var r event.Record
			if err := json.Unmarshal([]byte(data), &r); err != nil {
				p.t.Fatalf("%v in %s", err, data)
			}
			out = append(out, r)
		}
	}
	if len(out) < n {
		p.t.Fatalf("%d events of %d", len(out), n)
	}
	return out
}

// What a listener missed comes when it is back, from the number of the snapshot on,
// without gap; other companies' events never.
func TestEventsGoOnFromTheSnapshot(t *testing.T) {
	n := console(t, nil)
	sofia, mallory := n.signIn("default", "sofia"), n.signIn("acme", "mallory")
	var l api.Live
	sofia.want(200, "GET", "/api/v1/live", "", &l)
	if len(l.Queues) != 1 || l.Tenant != "default" || l.Seq == 0 {
		t.Fatalf("live %+v", l)
	}
	for i := range 5 {
		state := []string{"ready", "not_ready"}[i%2]
		sofia.want(200, "POST", "/api/v1/agents/bob/state", fmt.Sprintf(`{"state":%q,"reason":"r%d"}`, state, i), nil)
	}
	first := sofia.events(fmt.Sprintf("/api/v1/events?kind=agent.state&after=%d", l.Seq), "", 3)
	rest := sofia.events("/api/v1/events?kind=agent.*", fmt.Sprint(first[2].Seq), 2)
	all := append(first, rest...)
	for i := 1; i < len(all); i++ {
		if all[i].Seq <= all[i-1].Seq || all[i].Tenant != "default" {
			t.Errorf("event %d: %+v behind %+v", i, all[i], all[i-1])
		}
	}
	if !bytes.Contains(all[4].Data, []byte(`"ready"`)) {
		t.Errorf("the last is %s", all[4].Data)
	}
	// The other company's journal begins with its own engine; nothing of bob is in it.
	for _, e := range mallory.events("/api/v1/events?after=1&kind=acd.started,agent.state,resources.applied", "", 1) {
		if e.Tenant != "acme" {
			t.Errorf("mallory sees %+v", e)
		}
	}
}

// One resource is edited with the checks of an apply, guarded against another's
// change, shown in its history and undone.
func TestResourcesOneByOne(t *testing.T) {
	n := console(t, nil)
	adam, sofia := n.signIn("default", "adam"), n.signIn("default", "sofia")
	const sales = "/api/v1/resources/queue/sales"
	var q api.Resource
	r := adam.want(200, "GET", sales, "", &q)
	tag := r.header.Get("ETag")
	if q.Revision == 0 || tag != fmt.Sprintf("%q", fmt.Sprint(q.Revision)) || !bytes.Contains(q.Spec, []byte(`"bob"`)) {
		t.Fatalf("%s %+v", tag, q)
	}
	sofia.want(200, "GET", sales, "", nil)
	sofia.want(403, "PUT", sales, `{"spec":{}}`, nil)
	put := func(status int, spec string, header ...string) api.ApplyResult {
		t.Helper()
		var res api.ApplyResult
		got := adam.ask("PUT", sales, `{"spec":`+spec+`}`, header...)
		if got.status != status {
			t.Fatalf("PUT %s: %d %s, want %d", spec, got.status, got.body, status)
		}
		json.Unmarshal(got.body, &res)
		return res
	}
	put(422, `{"members":[{"agent":"nobody"}]}`)
	put(422, `{"memberz":[]}`)
	put(412, `{}`, "If-None-Match", "*")
	spec := `{"members":[{"agent":"bob"}],"ring_timeout":"7s","leave_when_empty":false,"announce_first":"-1s"}`
	if res := put(200, spec, "If-Match", tag); !res.Applied {
		t.Errorf("%+v", res)
	}
	put(412, spec, "If-Match", tag) // somebody was faster
	var h struct{ Items []api.ResourceChange }
	adam.want(200, "GET", sales+"/history", "", &h)
	if len(h.Items) != 2 || h.Items[0].By != "adam" || h.Items[0].Op != "change" || !bytes.Contains(h.Items[0].Spec, []byte("7s")) {
		t.Fatalf("history %+v", h.Items)
	}
	adam.want(404, "POST", "/api/v1/revisions/999/undo", "", nil)
	adam.want(409, "POST", fmt.Sprintf("/api/v1/revisions/%d/undo", h.Items[1].Revision), "", nil) // changed since
	adam.want(200, "POST", fmt.Sprintf("/api/v1/revisions/%d/undo", h.Items[0].Revision), "", nil)
	var back api.Resource
	adam.want(200, "GET", sales, "", &back)
	if !bytes.Equal(back.Spec, q.Spec) {
		t.Errorf("undone to %s, was %s", back.Spec, q.Spec)
	}
	// What is named by others stays; what is not goes, and its secrets are never shown.
	adam.want(422, "DELETE", sales, "", nil)
	adam.want(200, "PUT", "/api/v1/resources/device/desk", `{"spec":{"password":"very-secret"}}`, nil)
	if r := adam.want(200, "GET", "/api/v1/resources/device/desk", "", nil); bytes.Contains(r.body, []byte("very-secret")) || !bytes.Contains(r.body, []byte("********")) {
		t.Errorf("the secret: %s", r.body)
	}
	adam.want(200, "DELETE", "/api/v1/resources/device/desk", "", nil)
	adam.want(404, "GET", "/api/v1/resources/device/desk", "", nil)
	var page api.RevisionPage
	adam.want(200, "GET", "/api/v1/revisions?limit=2", "", &page)
	if len(page.Items) != 2 || page.Items[0].Op != "remove" || page.Items[0].Name != "desk" || page.Next == "" {
		t.Errorf("revisions %+v", page)
	}
}

// A request that is sent again under its Idempotency-Key is done once.
func TestSentAgainIsDoneOnce(t *testing.T) {
	n := console(t, nil)
	adam := n.signIn("default", "adam")
	ask := func(body, key string) reply {
		return adam.ask("POST", "/api/v1/agents/bob/state", body, "Idempotency-Key", key)
	}
	if r := ask(`{"state":"ready"}`, "k1"); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := ask(`{"state":"offline"}`, "k2"); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := ask(`{"state":"ready"}`, "k1"); r.status != 200 || r.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %d %v", r.status, r.header)
	}
	var agents struct{ Items []api.Agent }
	adam.want(200, "GET", "/api/v1/agents", "", &agents)
	for _, a := range agents.Items {
		if a.Name == "bob" && a.State != "offline" {
			t.Errorf("it was done again: bob is %s", a.State)
		}
	}
	if r := ask(`{"state":"not_ready"}`, "k1"); r.status != 422 {
		t.Errorf("another request of the same key: %d %s", r.status, r.body)
	}
	sofia := n.signIn("default", "sofia")
	if r := sofia.ask("POST", "/api/v1/agents/bob/state", `{"state":"ready"}`, "Idempotency-Key", "k1"); r.status != 200 || r.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another's key: %d %v", r.status, r.header)
	}
}

// A program of the tenant's is told what happens, signed; what it refuses is tried
// again, and sent once more by hand.
func TestWebhook(t *testing.T) {
	n := console(t, func(c *config.Config) { c.Flows.Allow = []string{"127.0.0.1"} })
	var refuse atomic.Bool
	got := make(chan *http.Request, 100)
	bodies := make(chan []byte, 100)
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if refuse.Load() {
			w.WriteHeader(500)
			return
		}
		got <- r
		bodies <- b
	}))
	t.Cleanup(crm.Close)
	adam := n.signIn("default", "adam")
	adam.want(422, "PUT", "/api/v1/resources/webhook/crm", fmt.Sprintf(`{"spec":{"url":%q,"secret":"none"}}`, crm.URL), nil)
	adam.want(200, "PUT", "/api/v1/resources/secret/signing", `{"spec":{"value":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}`, nil)
	adam.want(200, "PUT", "/api/v1/resources/webhook/crm", fmt.Sprintf(`{"spec":{"url":%q,"secret":"signing","events":["call.ended"]}}`, crm.URL), nil)
	call := n.pastCall()
	var r *http.Request
	var body []byte
	select {
	case r = <-got:
		body = <-bodies
	case <-within(t).Done():
		t.Fatal("nothing came")
	}
	var m struct {
		Type, Tenant string
		Seq          uint64
		CallID       string `json:"call_id"`
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Type != "call.ended" || m.CallID != call || m.Tenant != "default" {
		t.Errorf("%s %v", body, err)
	}
	var at int64
	fmt.Sscan(r.Header.Get("webhook-timestamp"), &at)
	want := webhook.Sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, r.Header.Get("webhook-id"), time.Unix(at, 0), body)
	if sig := r.Header.Get("webhook-signature"); sig == "" || sig != want["webhook-signature"] {
		t.Errorf("signature %q, want %q", sig, want["webhook-signature"])
	}
	refuse.Store(true)
	adam.want(409, "POST", "/api/v1/webhooks/crm/resend", fmt.Sprintf(`{"seq":%d}`, m.Seq), nil)
	refuse.Store(false)
	adam.want(200, "POST", "/api/v1/webhooks/crm/resend", fmt.Sprintf(`{"seq":%d}`, m.Seq), nil)
	if again := <-got; again.Header.Get("webhook-id") != r.Header.Get("webhook-id") {
		t.Errorf("ids %q and %q", again.Header.Get("webhook-id"), r.Header.Get("webhook-id"))
	}
	var list struct{ Items []api.Webhook }
	adam.want(200, "GET", "/api/v1/webhooks", "", &list)
	if len(list.Items) != 1 || list.Items[0].LastStatus != 200 || list.Items[0].Seq < m.Seq {
		t.Errorf("%+v", list.Items)
	}
}
