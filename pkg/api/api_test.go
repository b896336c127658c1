package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/resource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is an application that remembers what it was asked.
type fake struct {
	api.Server // what a test does not ask for
	asked      []string
	err        error
	docs       []resource.Document
	apply      api.ApplyOptions
}

func (f *fake) note(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) Status(context.Context) (api.Status, error) {
	return api.Status{Version: "v1", Node: "n", Revision: 7}, f.note("status")
}
func (f *fake) Calls(_ context.Context, tenant string, c api.CallFilter) (api.CallPage, error) {
	return api.CallPage{Calls: []cdr.Call{{ID: "c1", Tenant: tenant}}, Next: "next"}, f.note("calls %s %s", tenant, strings.Replace(fmt.Sprintf("%+v", c), fmt.Sprintf("%+v", api.CallFilter{})[len("{Limit:0 Cursor: Live:false Caller: Dialled: Agent: Queue:"):], "}", 1))
}
func (f *fake) Call(_ context.Context, tenant, id string) (api.CallDetail, error) {
	return api.CallDetail{Call: cdr.Call{ID: id, Tenant: tenant}}, f.note("call %s %q", tenant, id)
}
func (f *fake) HangUp(_ context.Context, tenant, id string) error {
	return f.note("hangup %s %q", tenant, id)
}
func (f *fake) CommandCall(_ context.Context, tenant, id string, c api.CallCommand) error {
	if s := c.Stream; s != nil {
		return f.note("stream %s %q %+v by %s", tenant, id, *s, c.By)
	}
	return f.note("command %s %q %s", tenant, id, strings.Replace(fmt.Sprintf("%+v", c), " Stream:<nil>", "", 1))
}
func (f *fake) Agents(_ context.Context, tenant string) ([]api.Agent, error) {
	return nil, f.note("agents %s", tenant)
}
func (f *fake) SetAgentState(_ context.Context, tenant, name, state, reason string) error {
	return f.note("state %s %q %s %q", tenant, name, state, reason)
}
func (f *fake) CommandAgent(_ context.Context, tenant, name string, c api.AgentCommand) error {
	return f.note("agent %s %q %+v", tenant, name, c)
}
func (f *fake) Assign(_ context.Context, tenant, id string, a api.Assignment) error {
	return f.note("assign %s %q %+v", tenant, id, a)
}
func (f *fake) SetPriority(_ context.Context, tenant, id string, priority int, by string) error {
	return f.note("priority %s %q %d %q", tenant, id, priority, by)
}
func (f *fake) Why(_ context.Context, tenant, id string) (api.Why, error) {
	return api.Why{CallID: id, Story: []string{"+0.0s entered"}}, f.note("why %s %q", tenant, id)
}
func (f *fake) Queues(_ context.Context, tenant string) ([]api.Queue, error) {
	return []api.Queue{{Name: "sales"}}, f.note("queues %s", tenant)
}
func (f *fake) Recordings(_ context.Context, tenant string, limit int) ([]api.Recording, error) {
	return nil, f.note("recordings %s %d", tenant, limit)
}
func (f *fake) Devices(_ context.Context, tenant string) ([]api.Device, error) {
	return []api.Device{{Name: "d"}}, f.note("devices %s", tenant)
}
func (f *fake) Trunks(_ context.Context, tenant string) ([]api.Trunk, error) {
	return []api.Trunk{{Name: "north"}}, f.note("trunks %s", tenant)
}
func (f *fake) Export(_ context.Context, secrets bool) ([]resource.Document, error) {
	return f.docs, f.note("export %v", secrets)
}
func (f *fake) Apply(_ context.Context, docs []resource.Document, o api.ApplyOptions) (api.ApplyResult, error) {
	f.docs, f.apply = docs, o
	return api.ApplyResult{Revision: 8, Changes: []string{"+ x"}, Applied: !o.Dry}, f.note("apply %d", len(docs))
}
func (f *fake) Reload(context.Context) (api.ReloadResult, error) {
	return api.ReloadResult{Applied: []string{"log.level"}, Restart: []string{"data"}}, f.note("reload")
}
func (f *fake) Drain(context.Context) error { return f.note("drain") }

func (f *fake) last() string {
	if len(f.asked) == 0 {
		return ""
	}
	return f.asked[len(f.asked)-1]
}

// open serves f on a socket and returns its path and a plain HTTP client.
func open(t *testing.T, f *fake) (string, *http.Client) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	h := api.New(f, nil)
	if err := h.ListenUnix(socket); err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(func() {
		for range 2 { // safe to call twice
			if err := h.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}
		tr.CloseIdleConnections()
	})
	return socket, &http.Client{Transport: tr}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func ask(t *testing.T, c *http.Client, method, path string, body string) answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://centrala"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, b}
}

// wantProblem checks an error's form: RFC 9457, with the status inside too.
func wantProblem(t *testing.T, a answer, status int, detail string) {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	if a.status != status || p.Status != status || p.Title != http.StatusText(status) || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer %d %+v as %s; want %d", a.status, p, a.header.Get("Content-Type"), status)
	}
	if !strings.Contains(p.Detail, detail) {
		t.Errorf("detail %q lacks %q", p.Detail, detail)
	}
}

func TestSocketIsForItsOwnerAlone(t *testing.T) {
	socket, _ := open(t, &fake{})
	info, err := os.Stat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if m := info.Mode(); m.Type() != fs.ModeSocket || m.Perm() != 0o600 {
		t.Errorf("mode %v, want a socket of 0600", m)
	}
}

func TestListenUnixReplacesASocketAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as kill -9 leaves it
	l.Close()
	h := api.New(&fake{}, nil)
	defer h.Stop(context.Background())
	if err := h.ListenUnix(stale); err != nil {
		t.Errorf("a killed process's socket: %v", err)
	}
	file := filepath.Join(dir, "centrala.db")
	if err := os.WriteFile(file, []byte("journal"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.ListenUnix(file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file in the way: %v", err)
	}
	if b, _ := os.ReadFile(file); string(b) != "journal" {
		t.Error("the file was removed")
	}
	long := filepath.Join(dir, strings.Repeat("x", 108), "s")
	if err := h.ListenUnix(long); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("a path too long for a socket: %v", err)
	}
}

func TestListenTCPIsForLoopbackAlone(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "localhost.example:0", "8.8.8.8:80", "127.0.0.1"} {
		h := api.New(&fake{}, nil)
		if err := h.ListenTCP(addr); err == nil {
			t.Errorf("%s was taken", addr)
		}
		h.Stop(context.Background())
	}
}

// freeAddr is a loopback address that was free a moment ago: ListenTCP does not
// tell which port it took.
func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestOverTCPNoWebPage(t *testing.T) {
	f := &fake{}
	h := api.New(f, nil)
	defer h.Stop(context.Background())
	addr := freeAddr(t)
	if err := h.ListenTCP(addr); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		host, key, value string
		want             int
	}{
		"a program":          {addr, "", "", 200},
		"by name":            {"localhost", "", "", 200},
		"a rebound name":     {"evil.example", "", "", 403},
		"another page":       {addr, "Origin", "http://evil.example", 403},
		"a page's navigator": {addr, "Sec-Fetch-Site", "cross-site", 403},
	} {
		f.asked = nil
		req, _ := http.NewRequest("POST", "http://"+addr+"/api/v1/drain", nil)
		req.Host = c.host
		if c.key != "" {
			req.Header.Set(c.key, c.value)
		}
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.want || (f.last() == "drain") != (c.want == 200) {
			t.Errorf("%s: %d, asked %v; want %d", name, res.StatusCode, f.asked, c.want)
		}
	}
}

func TestRequestsReachTheApplication(t *testing.T) {
	f := &fake{}
	_, c := open(t, f)
	for _, row := range []struct{ method, path, body, want string }{
		{"GET", "/status", "", "status"},
		{"GET", "/calls", "", "calls default {Limit:50 Cursor: Live:false Caller: Dialled: Agent: Queue:}"},
		{"GET", "/calls?tenant=acme&limit=500&cursor=abc&live=true&caller=%2B373&dialled=1000&agent=bob&queue=sales", "",
			"calls acme {Limit:500 Cursor:abc Live:true Caller:+373 Dialled:1000 Agent:bob Queue:sales}"},
		{"GET", "/calls/a%2Fb?tenant=acme", "", `call acme "a/b"`},
		{"POST", "/calls/x/hangup", "", `hangup default "x"`},
		{"GET", "/agents?tenant=acme", "", "agents acme"},
		{"POST", "/agents/bob/state", `{"state":"not_ready","reason":"lunch"}`, `state default "bob" not_ready "lunch"`},
		{"GET", "/queues", "", "queues default"},
		{"GET", "/devices?tenant=acme", "", "devices acme"},
		{"GET", "/trunks?tenant=acme", "", "trunks acme"},
		{"GET", "/recordings?limit=3", "", "recordings default 3"},
		{"GET", "/resources?secrets=true", "", "export true"},
		{"GET", "/resources", "", "export false"},
		{"POST", "/reload", "", "reload"},
		{"POST", "/drain", "", "drain"},
	} {
		f.asked = nil
		a := ask(t, c, row.method, "/api/v1"+row.path, row.body)
		if a.status != 200 || f.last() != row.want {
			t.Errorf("%s %s: %d, asked %q; want %q", row.method, row.path, a.status, f.last(), row.want)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s may be cached", row.method, row.path)
		}
	}
}

// A list is an object with an array, never null: clients loop over it.
func TestEmptyListIsAnArray(t *testing.T) {
	_, c := open(t, &fake{})
	for _, path := range []string{"/agents", "/recordings"} {
		if a := ask(t, c, "GET", "/api/v1"+path, ""); strings.TrimSpace(string(a.body)) != `{"items":[]}` {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestBadRequests(t *testing.T) {
	f := &fake{}
	_, c := open(t, f)
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		detail                   string
	}{
		{"no such path", "GET", "/api/v1/nothing", "", 404, "docs/api.md"},
		{"no such version", "GET", "/api/v2/status", "", 404, ""},
		{"method", "DELETE", "/api/v1/calls", "", 405, "want GET"},
		{"method with a parameter", "PUT", "/api/v1/agents/bob/state", "", 405, "want POST"},
		{"reading what is done", "GET", "/api/v1/drain", "", 405, "want POST"},
		{"limit 0", "GET", "/api/v1/calls?limit=0", "", 422, "1 to 500"},
		{"limit 501", "GET", "/api/v1/recordings?limit=501", "", 422, "1 to 500"},
		{"limit a word", "GET", "/api/v1/calls?limit=many", "", 422, "1 to 500"},
		{"live", "GET", "/api/v1/calls?live=yes", "", 422, "true or false"},
		{"unknown parameter", "GET", "/api/v1/calls?agnet=bob", "", 422, "agnet"},
		{"parameter twice", "GET", "/api/v1/calls?queue=a&queue=b", "", 422, "2 times"},
		{"tenant twice", "GET", "/api/v1/calls?tenant=a&tenant=b", "", 422, "2 times"},
		{"broken escape", "GET", "/api/v1/calls?queue=%zz", "", 422, "query"},
		{"a dry run misspelt must not apply", "POST", "/api/v1/resources?dryrun=true", "", 422, "dryrun"},
		{"a dry run said otherwise must not apply", "POST", "/api/v1/resources?dry_run=1", "", 422, "true or false"},
		{"prune", "POST", "/api/v1/resources?prune=no", "", 422, "true or false"},
		{"secrets", "GET", "/api/v1/resources?secrets=1", "", 422, "true or false"},
		{"no body", "POST", "/api/v1/agents/bob/state", "", 422, "body"},
		{"unknown field", "POST", "/api/v1/agents/bob/state", `{"state":"ready","why":"x"}`, 422, "why"},
		{"wrong type", "POST", "/api/v1/agents/bob/state", `{"state":5}`, 422, "body"},
		{"two values", "POST", "/api/v1/agents/bob/state", `{"state":"ready"} {"state":"offline"}`, 422, "more than one"},
		{"body too large", "POST", "/api/v1/agents/bob/state", `{"state":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "too large"},
	} {
		f.asked = nil
		a := ask(t, c, row.method, row.path, row.body)
		t.Run(row.name, func(t *testing.T) { wantProblem(t, a, row.status, row.detail) })
		if len(f.asked) > 0 {
			t.Errorf("%s: the application was asked %q", row.name, f.last())
		}
	}
	if a := ask(t, c, "DELETE", "/api/v1/resources", ""); a.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
}

func TestErrorsOfTheApplication(t *testing.T) {
	f := &fake{}
	_, c := open(t, f)
	for err, status := range map[error]int{
		fmt.Errorf("call %q: %w", "x", api.ErrNotFound): 404,
		fmt.Errorf("%w: talks", api.ErrConflict):        409,
		fmt.Errorf("%w: cursor", api.ErrInvalid):        422,
		context.DeadlineExceeded:                        504,
		errors.New("disk"):                              500,
	} {
		f.err = err
		wantProblem(t, ask(t, c, "GET", "/api/v1/calls/x", ""), status, err.Error())
		wantProblem(t, ask(t, c, "POST", "/api/v1/drain", ""), status, err.Error())
		wantProblem(t, ask(t, c, "GET", "/api/v1/resources", ""), status, err.Error())
	}
}

func TestApply(t *testing.T) {
	f := &fake{}
	_, c := open(t, f)
	docs := "kind: device\nname: a\nspec: {password: p}\n---\nkind: device\nname: b\nspec: {password: p}\n"
	a := ask(t, c, "POST", "/api/v1/resources?dry_run=true&prune=true&by=anna&name=x.yaml", docs)
	if a.status != 200 || len(f.docs) != 2 || f.apply != (api.ApplyOptions{Dry: true, Prune: true, By: "anna", Via: "cli"}) {
		t.Errorf("%d %s: %d documents, %+v", a.status, a.body, len(f.docs), f.apply)
	}
	ask(t, c, "POST", "/api/v1/resources?by="+strings.Repeat("x", 65), docs)
	if f.apply.By != "api" {
		t.Errorf("a name of 65 characters went into the history as %q", f.apply.By)
	}

	f.asked = nil
	a = ask(t, c, "POST", "/api/v1/resources?name=x.yaml", "kind: device\nname: a\nspec: {pasword: p}\n---\nkind: nothing\nname: b\n")
	wantProblem(t, a, 422, "2 faults")
	var p struct{ Result api.ApplyResult }
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatal(err)
	}
	if fs := p.Result.Faults; len(fs) != 2 || fs[0].File != "x.yaml" || fs[0].Line == 0 || fs[1].Line <= fs[0].Line {
		t.Errorf("faults %+v", fs)
	}
	a = ask(t, c, "POST", "/api/v1/resources", strings.Repeat("#", 16<<20+1))
	wantProblem(t, a, 413, "too large")
	if len(f.asked) > 0 {
		t.Errorf("asked %v", f.asked)
	}
	wantProblem(t, ask(t, c, "POST", "/api/v1/resources", "kind: [\n"), 422, "")
}

func TestClientSpeaksEveryRequest(t *testing.T) {
	f := &fake{}
	socket, _ := open(t, f)
	cl, ctx := client.Unix(socket, "acme"), context.Background()
	check := func(err error, want string) {
		t.Helper()
		if err != nil || f.last() != want {
			t.Errorf("asked %q, %v; want %q", f.last(), err, want)
		}
	}
	s, err := cl.Status(ctx)
	check(err, "status")
	if s.Revision != 7 {
		t.Errorf("status %+v", s)
	}
	page, err := cl.Calls(ctx, api.CallFilter{Limit: 3, Cursor: "c", Live: true, Caller: "a", Dialled: "b", Agent: "d", Queue: "e"})
	check(err, "calls acme {Limit:3 Cursor:c Live:true Caller:a Dialled:b Agent:d Queue:e}")
	if len(page.Calls) != 1 || page.Next != "next" {
		t.Errorf("page %+v", page)
	}
	id := "a/../b?c" // an id from a script may be anything
	d, err := cl.Call(ctx, id)
	check(err, fmt.Sprintf("call acme %q", id))
	if d.ID != id {
		t.Errorf("call %q", d.ID)
	}
	check(cl.HangUp(ctx, id), fmt.Sprintf("hangup acme %q", id))
	check(cl.SetAgentState(ctx, "bob", "ready", ""), `state acme "bob" ready ""`)
	check(cl.CommandAgent(ctx, "bob", api.AgentCommand{State: "ready", Device: "desk7", Once: true}), `agent acme "bob" {State:ready Reason: Device:desk7 Once:true Seconds:0 By:}`)
	check(cl.CommandAgent(ctx, "bob", api.AgentCommand{State: "extend_wrap_up", Seconds: 30}), `agent acme "bob" {State:extend_wrap_up Reason: Device: Once:false Seconds:30 By:}`)
	check(cl.Assign(ctx, id, api.Assignment{Agent: "bob", Pull: true}), fmt.Sprintf("assign acme %q {Agent:bob Pull:true PatienceSeconds:0 By:}", id))
	check(cl.SetPriority(ctx, id, 7), fmt.Sprintf(`priority acme %q 7 ""`, id))
	w, err := cl.Why(ctx, id)
	check(err, fmt.Sprintf("why acme %q", id))
	if len(w.Story) != 1 {
		t.Errorf("%+v", w)
	}
	_, err = cl.Agents(ctx)
	check(err, "agents acme")
	_, err = cl.Queues(ctx)
	check(err, "queues acme")
	_, err = cl.Devices(ctx)
	check(err, "devices acme")
	_, err = cl.Trunks(ctx)
	check(err, "trunks acme")
	_, err = cl.Recordings(ctx, 9)
	check(err, "recordings acme 9")
	r, err := cl.Reload(ctx)
	check(err, "reload")
	if !reflect.DeepEqual(r, api.ReloadResult{Applied: []string{"log.level"}, Restart: []string{"data"}}) {
		t.Errorf("reload %+v", r)
	}
	res, err := cl.Apply(ctx, []byte("kind: device\nname: a\nspec: {password: p}\n"), "f", api.ApplyOptions{Prune: true, By: "b"})
	check(err, "apply 1")
	if res.Revision != 8 || !f.apply.Prune {
		t.Errorf("apply %+v %+v", res, f.apply)
	}
	out, err := cl.Export(ctx, false)
	check(err, "export false")
	if bytes.Contains(out, []byte("password: p\n")) {
		t.Errorf("a password in an export without secrets: %s", out)
	}
	check(cl.Drain(ctx), "drain")

	f.err = api.ErrConflict
	var refused *client.Error
	if err := cl.HangUp(ctx, "x"); !errors.As(err, &refused) || refused.Status != 409 {
		t.Errorf("a refusal: %v", err)
	}
	if _, err := client.Unix(filepath.Join(t.TempDir(), "nobody"), "").Status(ctx); !errors.Is(err, client.ErrNotRunning) {
		t.Errorf("nobody there: %v", err)
	}
}

// A client that never ends its request must not hold up the end of the server.
func TestStopIsBounded(t *testing.T) {
	h := api.New(&fake{}, nil)
	socket := filepath.Join(t.TempDir(), "s")
	if err := h.ListenUnix(socket); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /api/v1/agents/bob/state HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if _, err := c.Read(make([]byte, 10)); err != nil { // 100 Continue: the handler reads
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := h.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v", err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("stop took %v", d)
	}
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestUnusualTenantNamesAreKept(t *testing.T) {
	f := &fake{}
	_, c := open(t, f)
	ask(t, c, "GET", "/api/v1/agents?tenant="+url.QueryEscape("a b&tenant=default"), "")
	if f.last() != "agents a b&tenant=default" {
		t.Errorf("asked %q", f.last())
	}
}

func TestCallCommands(t *testing.T) {
	for _, row := range []struct{ path, body, want string }{
		{"transfer?by=cli", `{"target":"queue:support"}`, `command default "c1" {Action:transfer Leg:-1 Target:queue:support By:cli}`},
		{"transfer", `{"target":"202","leg":0}`, `command default "c1" {Action:transfer Leg:0 Target:202 By:api}`},
		{"conference", `{"target":"agent:carol"}`, `command default "c1" {Action:conference Leg:-1 Target:agent:carol By:api}`},
		{"hold", `{}`, `command default "c1" {Action:hold Leg:-1 Target: By:api}`},
		{"hold", `{"on":false,"leg":2}`, `command default "c1" {Action:resume Leg:2 Target: By:api}`},
		{"park", `{"slot":"07"}`, `command default "c1" {Action:park Leg:-1 Target:07 By:api}`},
		{"recording?by=cli", `{"action":"pause"}`, `command default "c1" {Action:record Leg:-1 Target:pause By:cli}`},
		{"recording", `{"action":"start"}`, `command default "c1" {Action:record Leg:-1 Target:start By:api}`},
		{"stream?by=cli", `{"url":"wss://x/","tracks":["mixed"]}`, `stream default "c1" {URL:wss://x/ Protocol: Direction: Tracks:[mixed] Format: Rate:0} by cli`},
		{"stream", `{"url":"wss://x/","secret":"y"}`, ""},
		{"recording", `{"action":"dance"}`, ""},
		{"recording", `{}`, ""},
		{"recording", `{"action":"stop","leg":1}`, ""},
		{"transfer", `{}`, ""},
		{"transfer", `{"target":"202","slot":"07"}`, ""},
		{"hold", `{"target":"202"}`, ""},
		{"park", `{"on":true}`, ""},
		{"transfer", `{"target":"202","leg":-2}`, ""},
		{"transfer?by=x&to=y", `{"target":"202"}`, ""},
	} {
		f := &fake{}
		_, c := open(t, f)
		code := ask(t, c, http.MethodPost, "/api/v1/calls/c1/"+row.path, row.body).status
		switch {
		case row.want == "" && (code < 400 || len(f.asked) > 0):
			t.Errorf("%s %s: %d, asked %q", row.path, row.body, code, f.asked)
		case row.want != "" && (code != 200 || len(f.asked) != 1 || f.asked[0] != row.want):
			t.Errorf("%s %s: %d, asked %q, want %q", row.path, row.body, code, f.asked, row.want)
		}
	}
}
