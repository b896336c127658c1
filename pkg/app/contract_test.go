package app_test

import (
	"bytes"
	"fmt"
	"mime"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/centrala/centrala/pkg/api"
)

// contract is docs/openapi.json with its schemas ready to check answers.
type contract struct {
	t    *testing.T
	doc  map[string]any
	comp *jsonschema.Compiler
}

func newContract(t *testing.T) *contract {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return &contract{t, doc.(map[string]any), c}
}

// pointer is a JSON pointer's token.
func pointer(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

// check holds an answer against what the document says of the operation; it tells
// whether the operation succeeded.
func (c *contract) check(op api.Operation, r reply) bool {
	c.t.Helper()
	method := strings.ToLower(op.Method)
	item, ok := c.doc["paths"].(map[string]any)[op.Path].(map[string]any)[method].(map[string]any)
	if !ok {
		c.t.Errorf("%s %s is not documented", op.Method, op.Path)
		return false
	}
	responses := item["responses"].(map[string]any)
	status := fmt.Sprint(r.status)
	if responses[status] == nil {
		status = "default"
		if r.status < 400 {
			c.t.Errorf("%s %s: %d is not documented", op.Method, op.Path, r.status)
		}
		if r.status >= 500 && r.status != 503 {
			c.t.Errorf("%s %s: %d %s", op.Method, op.Path, r.status, r.body)
		}
	}
	kind, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	content := responses[status].(map[string]any)["content"].(map[string]any)
	if content[kind] == nil {
		if op.Path != "/recordings/{id}/audio" && op.Path != "/reports" {
			c.t.Errorf("%s %s: %d of type %q; documented are %v", op.Method, op.Path, r.status, kind, content)
		}
		return r.status < 400
	}
	if !strings.HasSuffix(kind, "json") {
		return r.status < 400
	}
	schema, err := c.comp.Compile(fmt.Sprintf("openapi.json#/paths/%s/%s/responses/%s/content/%s/schema", pointer(op.Path), method, status, pointer(kind)))
	if err != nil {
		c.t.Fatalf("%s %s: %v", op.Method, op.Path, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.body))
	if err != nil {
		c.t.Errorf("%s %s: %v in %s", op.Method, op.Path, err, r.body)
		return false
	}
	if err := schema.Validate(v); err != nil {
		c.t.Errorf("%s %s: %d is not as documented: %v\n%s", op.Method, op.Path, r.status, err, r.body)
	}
	return r.status < 400
}

// samples are bodies and queries of operations that want some, and what stands in
// the braces of their paths.
var samples = map[string]struct{ query, body string }{
	"POST /bans":                      {"", `{"source":"198.51.100.7","seconds":60}`},
	"POST /bans/lift":                 {"", `{"source":"198.51.100.7"}`},
	"POST /agents/{name}/state":       {"", `{"state":"ready"}`},
	"POST /accounts":                  {"", `{"name":"vera"}`},
	"POST /accounts/{name}/state":     {"", `{"disabled":false}`},
	"POST /calls/{id}/move":           {"", `{"queue":"sales"}`},
	"POST /calls":                     {"", `{"to":"device:bob","flow":"hear"}`},
	"POST /notices":                   {"", `{"to":"all","text":"x"}`},
	"POST /recordings/{id}/marks":     {"", `{"at_ms":0,"text":"x"}`},
	"POST /keys":                      {"", `{"name":"k","role":"api"}`},
	"POST /me/password":               {"", `{"old":"` + goodPassword + `","new":"` + goodPassword + `!"}`},
	"POST /me/totp":                   {"", `{"password":"` + goodPassword + `!"}`},
	"PUT /resources/{kind}/{name}":    {"?dry_run=true", `{"spec":{"members":[{"agent":"bob"}]}}`},
	"POST /revisions/{revision}/undo": {"?dry_run=true", ``},
	"GET /traffic":                    {"?day=today", ``},
	"POST /agents/{name}/reminders":   {"", `{"at":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `","number":"0722123456"}`},
	"POST /flows/{name}/check":        {"", "start: a\nsteps: {a: {hangup: normal}}"},
	"POST /flows/{name}/rehearse":     {"", `{"acts":[{"wait":true}]}`},
	"POST /session":                   {"", `{"name":"nobody","password":"x"}`},
	"POST /session/link/look":         {"", `{"token":"x"}`},
}

// Every operation answers as docs/openapi.json says, when it succeeds and when it
// does not.
func TestAnswersAreAsDocumented(t *testing.T) {
	n := console(t, nil)
	c := newContract(t)
	call := n.pastCall()
	admin := n.person()
	_, token, _ := strings.Cut(n.FirstLink(), "/#/link/")
	admin.want(200, "POST", "/api/v1/session/link", fmt.Sprintf(`{"token":%q,"password":%q}`, token, goodPassword), nil)
	cli := api.Operations()
	// Those that end the session, the account or the node come last, or not at all.
	skip := []string{"POST /drain", "DELETE /session", "DELETE /me/sessions", "POST /reload"}
	slices.SortStableFunc(cli, func(x, y api.Operation) int {
		return strings.Compare(fmt.Sprint(x.Method == "DELETE"), fmt.Sprint(y.Method == "DELETE"))
	})
	good := 0
	for _, op := range cli {
		name := op.Method + " " + op.Path
		if slices.Contains(skip, name) || op.Stream {
			continue
		}
		path := regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(op.Path, func(s string) string {
			switch s {
			case "{id}":
				return call
			case "{kind}":
				return "queue"
			case "{revision}":
				return "2"
			case "{name}":
				switch {
				case strings.HasPrefix(op.Path, "/agents"):
					return "bob"
				case strings.HasPrefix(op.Path, "/accounts"):
					return "vera"
				case strings.HasPrefix(op.Path, "/flows"):
					return "hear"
				}
				return "sales"
			}
			return "x"
		})
		s := samples[name]
		r := admin.ask(op.Method, "/api/v1"+path+s.query, s.body)
		if c.check(op, r) {
			good++
		} else {
			t.Logf("%s: %d %.100s", name, r.status, bytes.TrimSpace(r.body))
		}
	}
	t.Logf("%d operations, %d succeeded", len(cli), good)
	if good < 50 { // the others have said why not, as documented
		t.Errorf("only %d of %d operations succeeded", good, len(cli))
	}
}

// pastCall is the id of a call that has ended.
func (n *node) pastCall() string {
	n.t.Helper()
	c, code := n.dial(n.phone("127.0.0.1", nil), anna, "1000")
	if code != 200 {
		n.t.Fatalf("the call was refused: %d", code)
	}
	hangUp(c)
	return n.record("default", c).ID
}
