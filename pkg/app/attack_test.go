package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/config"
)

// A page of another site has the browser send its visitor's cookie: nothing of what
// it asks is done.
func TestForeignPagesAreRefused(t *testing.T) {
	n := console(t, nil)
	sofia := n.signIn("default", "sofia")
	const path, body = "/api/v1/agents/bob/state", `{"state":"ready"}`
	for name, header := range map[string][]string{
		"foreign origin":             {"Origin", "https://evil.example"},
		"null origin":                {"Origin", "null"},
		"same name, another port":    {"Origin", "http://127.0.0.1:1"},
		"origin that begins as ours": {"Origin", sofia.base + ".evil.example"},
		"cross-site, no origin":      {"Sec-Fetch-Site", "cross-site"},
		"same-site, no origin":       {"Sec-Fetch-Site", "same-site"},
		"neither":                    {},
	} {
		p := *sofia
		p.origin = ""
		if r := p.ask("POST", path, body, header...); r.status != 403 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		// Reading too: a script's fetch, or an image that carries the cookie.
		if len(header) > 0 {
			if r := p.ask("GET", "/api/v1/calls", "", header...); r.status != 403 {
				t.Errorf("GET, %s: %d", name, r.status)
			}
		}
	}
	agents, _ := n.Agents(t.Context(), "default")
	for _, a := range agents {
		if a.State != "offline" {
			t.Errorf("%s is %s", a.Name, a.State)
		}
	}
	// Signing the visitor in under another name is refused as well.
	p := n.person()
	p.origin = "https://evil.example"
	p.want(403, "POST", "/api/v1/session", `{"name":"sofia","password":"x"}`, nil)
	// And no foreign page may read an answer.
	if r := sofia.ask("GET", "/api/v1/session", "", "Origin", sofia.origin); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CORS: %v", r.header)
	}
	for _, w := range []struct{ name, want string }{{"X-Content-Type-Options", "nosniff"}, {"X-Frame-Options", "DENY"}, {"Cache-Control", "no-store"}, {"Referrer-Policy", "no-referrer"}, {"Cross-Origin-Resource-Policy", "same-origin"}} {
		if r := sofia.ask("GET", "/api/v1/session", ""); r.header.Get(w.name) != w.want {
			t.Errorf("%s: %q", w.name, r.header.Get(w.name))
		}
	}
	sofia.want(200, "POST", path, body, nil)
}

// A WebSocket of another site is refused, with the cookie and without it.
func TestForeignWebSocketsAreRefused(t *testing.T) {
	n := console(t, nil)
	vera := n.signIn("default", "vera")
	u, _ := url.Parse(vera.base)
	cookie := vera.http.Jar.Cookies(u)[0]
	dial := func(origin string, signedIn bool) (int, error) {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		if signedIn {
			h.Set("Cookie", cookie.Name+"="+cookie.Value)
		}
		c, res, err := websocket.Dial(within(t), "ws"+strings.TrimPrefix(vera.base, "http")+"/sip", &websocket.DialOptions{Subprotocols: []string{"sip"}, HTTPHeader: h})
		if err == nil {
			c.CloseNow()
		}
		if res == nil {
			return 0, err
		}
		return res.StatusCode, err
	}
	for _, c := range []struct {
		origin   string
		signedIn bool
		want     int
	}{{vera.origin, true, 101}, {"https://evil.example", true, 403}, {"", true, 403}, {vera.origin, false, 401}, {"https://evil.example", false, 403}} {
		if got, err := dial(c.origin, c.signedIn); got != c.want {
			t.Errorf("origin %q, signed in %v: %d (%v), want %d", c.origin, c.signedIn, got, err, c.want)
		}
	}
}

// A name that a caller made is text wherever it comes out: JSON without a raw <,
// types that no browser takes for a page.
func TestScriptsInNamesStayText(t *testing.T) {
	n := console(t, nil)
	sofia := n.signIn("default", "sofia")
	script := `</script><script>alert(1)</script>`
	if r := sofia.ask("GET", "/api/v1/calls/"+url.PathEscape(script), ""); bytes.Contains(r.body, []byte("<script")) || !strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("echo of a path: %v %s", r.header, r.body)
	}
	vera := n.signIn("default", "vera") // her display name is a script
	if r := vera.ask("GET", "/api/v1/session", ""); bytes.Contains(r.body, []byte("<script")) || !bytes.Contains(r.body, []byte("alert(1)")) || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("session: %v %s", r.header, r.body)
	}
	var l api.Live
	sofia.want(200, "GET", "/api/v1/live", "", &l)
	sofia.want(200, "POST", "/api/v1/agents/bob/state", `{"state":"ready","reason":"<img src=x onerror=alert(1)>\n\nevent: forged\ndata: {}"}`, nil)
	for _, e := range sofia.events(fmt.Sprintf("/api/v1/events?kind=agent.state&after=%d", l.Seq), "", 1) {
		if bytes.Contains(e.Data, []byte("<img")) || e.Kind != "agent.state" || !bytes.Contains(e.Data, []byte("onerror")) {
			t.Errorf("event %s %s", e.Kind, e.Data)
		}
	}
	// The console's own page runs nothing that it did not come with.
	r := sofia.ask("GET", "/", "")
	if csp := r.header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self' 'nonce-") || strings.Contains(csp, "unsafe-eval") {
		t.Errorf("policy %q", csp)
	}
}

// Names of files in addresses lead nowhere.
func TestPathsOfRecordingsLeadNowhere(t *testing.T) {
	n := console(t, nil)
	sofia := n.signIn("default", "sofia")
	for _, id := range []string{"../../node.yaml", "..%2f..%2fnode.yaml", "/etc/passwd", "%2fetc%2fpasswd", "....//node.yaml", "x%00.wav"} {
		for _, path := range []string{"/api/v1/recordings/" + url.PathEscape(id) + "/audio", "/api/v1/recordings/" + strings.ReplaceAll(id, "%", "%25") + "/audio?save=true", "/assets/" + id, "/" + id} {
			req, err := http.NewRequest("GET", sofia.base, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.URL.Opaque = path
			res, err := sofia.http.Do(req)
			if err != nil {
				continue // refused below HTTP
			}
			var b bytes.Buffer
			b.ReadFrom(res.Body)
			res.Body.Close()
			if bytes.Contains(b.Bytes(), []byte("root:")) || bytes.Contains(b.Bytes(), []byte("listeners")) {
				t.Errorf("%s: %d %s", path, res.StatusCode, b.Bytes())
			}
		}
	}
}

// A user of another company, with every role there is, walks all operations with
// the names and ids of this one: what it sees and changes is its own.
func TestOtherCompaniesSeeNothing(t *testing.T) {
	n := console(t, nil)
	call := n.pastCall()
	mallory := n.signIn("acme", "mallory")
	n.signIn("default", "vera")
	if _, err := n.apply("kind: device\nname: secret-desk\nspec: {password: aaaaaaaaaa, extension: \"998\"}\n", api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	before := n.export(true)
	var marks []string
	for _, m := range []string{call, "secret-desk", `"bob"`, "vera-web", `"north"`, "sofia"} {
		marks = append(marks, m)
	}
	for i, op := range api.Operations() {
		// A key for each operation: the limit of requests is not what is tried here.
		k, err := client.Unix(n.cfg.SocketPath(), "acme").NewKey(t.Context(), fmt.Sprint("walk", i), "admin", nil, time.Time{}, false)
		if err != nil {
			t.Fatal(err)
		}
		walker := n.person()
		walker.bearer = k.Secret
		if strings.HasPrefix(op.Path, "/session") || strings.HasPrefix(op.Path, "/me") || op.Path == "/drain" {
			continue
		}
		for _, tenant := range []string{"", "?tenant=default"} {
			if op.Stream && tenant == "" {
				continue // it has no end; what it shows is asked for by the other operations
			}
			for _, name := range []string{"bob", "vera", "sales", "secret-desk", "default"} {
				path := regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(op.Path, func(s string) string {
					switch s {
					case "{id}":
						return call
					case "{kind}":
						return map[string]string{"bob": "user", "vera": "user", "sales": "queue", "secret-desk": "device", "default": "tenant"}[name]
					case "{revision}":
						return "1"
					}
					return name
				})
				body := samples[op.Method+" "+op.Path].body
				if strings.HasSuffix(op.Path, "/accounts") {
					body = `{"name":"sofia"}`
				}
				r := walker.ask(op.Method, "/api/v1"+path+tenant, body)
				if tenant != "" && r.status != 404 && r.status != 403 {
					t.Errorf("%s %s%s: %d %.200s", op.Method, path, tenant, r.status, r.body)
				}
				if r.status >= 500 {
					t.Errorf("%s %s%s: %d %.200s", op.Method, path, tenant, r.status, r.body)
				}
				if r.status < 300 && r.header.Get("Content-Type") != "application/problem+json" {
					for _, m := range marks {
						if bytes.Contains(r.body, []byte(m)) && !(op.Path == "/audit" && m == call) && !strings.Contains(body+path, strings.Trim(m, `"`)) && op.Path != "/audit" {
							t.Errorf("%s %s%s shows %s: %.300s", op.Method, path, tenant, m, r.body)
						}
					}
				}
				if !strings.Contains(op.Path, "{") {
					break
				}
			}
		}
	}
	// Documents of this company, and settings of any, are not for it to apply.
	for _, doc := range []string{"kind: queue\ntenant: default\nname: theirs\nspec: {members: []}\n", "kind: queue\nname: theirs\nspec: {}\n", "kind: tenant\nname: acme\nspec: {region: RO}\n", "kind: tenant\nname: default\nspec: {}\n"} {
		if r := mallory.ask("POST", "/api/v1/resources", doc); r.status != 403 {
			t.Errorf("apply %q: %d %s", doc, r.status, r.body)
		}
	}
	// Of this company nothing was changed.
	if after := n.export(true); own(after) != own(before) {
		t.Errorf("resources were changed:\n%s\nwere\n%s", own(after), own(before))
	}
	if c, err := n.Calls(t.Context(), "default", api.CallFilter{}); err != nil || len(c.Calls) != 1 {
		t.Errorf("calls %+v %v", c, err)
	}
}

// own is what of an export does not belong to acme.
func own(export string) string {
	docs := strings.Split(export, "---\n")
	return strings.Join(slices.DeleteFunc(docs, func(d string) bool { return strings.Contains(d, "tenant: acme") }), "---\n")
}

// A session that somebody else has prepared is not the one that begins.
func TestSessionsAreNotFixed(t *testing.T) {
	n := console(t, nil)
	vera := n.signIn("default", "vera")
	u, _ := url.Parse(vera.base)
	first := vera.http.Jar.Cookies(u)[0]
	vera.want(200, "POST", "/api/v1/session", fmt.Sprintf(`{"name":"vera","password":%q}`, goodPassword), nil)
	second := vera.http.Jar.Cookies(u)[0]
	if first.Value == second.Value {
		t.Error("the session that was brought goes on")
	}
	old := n.person()
	old.http.Jar.SetCookies(u, []*http.Cookie{first})
	old.want(401, "GET", "/api/v1/me/sessions", "", nil)
	// A value that nobody gave out opens nothing and is not taken over.
	old.http.Jar.SetCookies(u, []*http.Cookie{{Name: first.Name, Value: "prepared", Path: "/"}})
	old.want(401, "GET", "/api/v1/me/sessions", "", nil)
	old.want(200, "POST", "/api/v1/session", fmt.Sprintf(`{"name":"vera","password":%q}`, goodPassword), nil)
	if old.http.Jar.Cookies(u)[0].Value == "prepared" {
		t.Error("the prepared value became a session")
	}
	// An agent does what is the own, and nothing else.
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/api/v1/agents/vera/state", `{"state":"ready"}`, 200},
		{"POST", "/api/v1/agents/vera/state", `{"state":"ready","by":"supervisor"}`, 403},
		{"POST", "/api/v1/agents/bob/state", `{"state":"ready"}`, 403},
		{"GET", "/api/v1/resources", "", 403},
		{"GET", "/api/v1/reports?by=queue", "", 403},
		{"GET", "/api/v1/reports?by=agent&name=bob", "", 403},
		{"GET", "/api/v1/reports?by=agent&name=vera", "", 200},
		{"GET", "/api/v1/recordings", "", 403},
		{"POST", "/api/v1/reload", "", 403},
		{"GET", "/api/v1/audit", "", 403},
	} {
		if r := vera.ask(c.method, c.path, c.body); r.status != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, r.status, r.body, c.want)
		}
	}
}

// Guessing over the web is slowed down, and keys are not guessed either.
func TestGuessingOverTheWebIsBraked(t *testing.T) {
	n := console(t, nil)
	n.signIn("default", "vera")
	p := n.person()
	codes := map[int]int{}
	for range 12 {
		r := p.ask("POST", "/api/v1/session", `{"name":"vera","password":"guess guess guess"}`)
		codes[r.status]++
		if r.status == 429 && r.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if codes[401] > 7 || codes[429] < 5 {
		t.Errorf("answers %v", codes)
	}
	for i := range 40 {
		p.bearer = fmt.Sprint("cen_", i)
		codes[p.ask("GET", "/api/v1/status", "").status]++
	}
	if codes[429] < 20 {
		t.Errorf("keys: %v", codes)
	}
	// The audit log has it.
	var page api.AuditPage
	_, token, _ := strings.Cut(n.FirstLink(), "/#/link/")
	admin := n.person()
	admin.bearer = ""
	r := admin.ask("POST", "/api/v1/session/link", fmt.Sprintf(`{"token":%q,"password":%q}`, token, goodPassword))
	if r.status == 429 { // the brake is on this address
		return
	}
	admin.want(200, "GET", "/api/v1/audit?action=session.refused", "", &page)
	if len(page.Items) == 0 || page.Items[0].By != "vera" {
		t.Errorf("audit %+v", page.Items)
	}
}

// Who sends slowly, too much, or by another name is cut off.
func TestListenerBoundsWhatStrangersSend(t *testing.T) {
	n := console(t, func(c *config.Config) { c.Web.PublicURL = "https://console.example.com" })
	base, err := url.Parse("http://" + n.WebAddr())
	if err != nil {
		t.Fatal(err)
	}
	p := n.person()
	p.base, p.origin = base.String(), base.String()
	if r := p.ask("GET", "/api/v1/session", ""); r.status != 200 {
		t.Errorf("from this machine: %d", r.status)
	}
	raw := func(text string) string {
		c, err := (&net.Dialer{}).DialContext(within(t), "tcp", base.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		c.Write([]byte(text))
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		return string(b[:n])
	}
	for name, c := range map[string]struct{ text, want string }{
		"another host name": {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"},
		"a header too long": {"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "431"},
		"two lengths":       {"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"},
	} {
		if got := raw(c.text); !strings.HasPrefix(got, "HTTP/1.1 "+c.want) {
			t.Errorf("%s: %.60q, want %s", name, got, c.want)
		}
	}
	big, _ := json.Marshal(map[string]string{"name": strings.Repeat("x", 100<<10), "password": "x"})
	if r := p.ask("POST", "/api/v1/session", string(big)); r.status != 413 && r.status != 422 {
		t.Errorf("a body of 100 KiB: %d", r.status)
	}
}
