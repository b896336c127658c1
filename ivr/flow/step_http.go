package flow

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// KindHTTP asks a service by HTTP.
const KindHTTP Kind = "http"

// Outcomes of a request besides done, failed and timeout.
const (
	OutcomeNotFound = "not_found" // 404 or 410: the service knows, and there is none
	OutcomeRefused  = "refused"   // another 4xx
)

// HTTP asks a service by HTTP.
type HTTP struct {
	Method  string
	URL     string     // template with secrets; none in scheme and host
	Headers []HTTPPair // templates with secrets
	Form    []HTTPPair // body: application/x-www-form-urlencoded
	Text    string     // body: a template with secrets, as it is
	JSON    any        // body: map[string]any, []any, texts (templates), numbers, true, false, nil
	HasJSON bool

	Timeout  time.Duration // for all tries together
	Retries  int
	MaxBytes int
	Into     []HTTPPair // variable and the JSON pointer (RFC 6901) of its value in the answer
	Status   string     // variable that takes the status; "" = none
	Hold     string     // prompt; "" = a soft tone
	// Wait: the answer is waited for; else the request is put by and sent when it can be,
	// also after the call.
	Wait bool
}

// HTTPPair is a name and a value.
type HTTPPair struct{ Name, Value string }

// HTTPJob is a request with all variables in their place.
type HTTPJob struct {
	Method      string       `json:"method"`
	URL         []Part       `json:"url"`
	Headers     []HTTPHeader `json:"headers,omitempty"`
	ContentType string       `json:"content_type,omitempty"`
	Body        []Part       `json:"body,omitempty"`
	Retries     int          `json:"retries,omitempty"`
	MaxBytes    int          `json:"max_bytes,omitempty"`
	Into        []HTTPPair   `json:"into,omitempty"`
	Status      string       `json:"status,omitempty"`
	Wait        bool         `json:"wait,omitempty"`
	// Key marks the tries of one request, so that a service may tell them from two.
	Key string `json:"key,omitempty"`
}

// HTTPHeader is a header of a request.
type HTTPHeader struct {
	Name  string `json:"name"`
	Value []Part `json:"value"`
}

// Name implements Job.
func (*HTTPJob) Name() string { return "http" }
func (*HTTPJob) job()         {}

// Bounds of a request.
const (
	maxHTTPTimeout = time.Minute
	maxHTTPBytes   = 1 << 20
	maxJSONNodes   = 500
	maxJSONDepth   = 16
)

var httpMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}

// http is a URL, or {url, method, headers, json|form|text, timeout, retries, max_bytes,
// into, status, hold, wait}.
func (p *parser) http(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"url": s}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &HTTP{}
	}
	b := &HTTP{
		URL:      p.outwardText(join(path, "url"), first(o.take("url"))),
		Headers:  p.pairs(o, "headers", p.outwardText),
		Form:     p.pairs(o, "form", p.outwardText),
		Timeout:  o.duration("timeout", 5*time.Second, 100*time.Millisecond, maxHTTPTimeout),
		Retries:  o.integer("retries", 0, 0, 10),
		MaxBytes: o.integer("max_bytes", 64<<10, 1, maxHTTPBytes),
		Into:     p.pairs(o, "into", p.pointer),
		Status:   o.str("status", ""),
		Hold:     o.str("hold", ""),
		Wait:     o.boolean("wait", true),
	}
	bodies := 0
	if v, ok := o.take("text"); ok {
		b.Text = p.outwardText(join(path, "text"), v)
		bodies++
	}
	if v, ok := o.take("json"); ok {
		nodes := 0
		b.JSON, b.HasJSON = p.jsonBody(join(path, "json"), v, 0, &nodes), true
		bodies++
	}
	if b.Form != nil {
		bodies++
	}
	method := "GET"
	if bodies > 0 {
		method = "POST"
	}
	b.Method = o.str("method", method)
	o.end()
	if !slices.Contains(httpMethods, b.Method) {
		p.fault(join(path, "method"), "unknown %q; want one of %s", clip(b.Method), strings.Join(httpMethods, ", "))
	}
	if bodies > 1 {
		p.fault(path, "want one body: json, form or text")
	}
	if bodies > 0 && (b.Method == "GET" || b.Method == "HEAD") {
		p.fault(join(path, "method"), "%s has no body", b.Method)
	}
	p.httpURL(join(path, "url"), b.URL)
	for i, h := range b.Headers {
		if !headerName(h.Name) {
			p.fault(fmt.Sprintf("%s.headers[%d]", path, i), "%q is no header of a request that may be set", clip(h.Name))
		}
	}
	for _, pair := range b.Into {
		p.variable(join(path, "into."+clip(pair.Name)), pair.Name)
	}
	if b.Status != "" {
		p.variable(join(path, "status"), b.Status)
	}
	if b.Hold != "" {
		p.promptName(join(path, "hold"), b.Hold)
	}
	if !b.Wait && (len(b.Into) > 0 || b.Status != "") {
		p.fault(join(path, "wait"), "false: there is no answer to take values of")
	}
	return b
}

func first(v any, _ bool) any { return v }

// httpURL checks what can be seen before variables have values: where it goes is fixed.
func (p *parser) httpURL(path, s string) {
	scheme, rest, _ := strings.Cut(s, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	if scheme != "http" && scheme != "https" || host == "" || strings.ContainsAny(host, "$@ #") || len(s) > 2048 {
		p.fault(path, "want https://host/... (http:// where flows.allow of the node file names the host), without user and password; variables only behind the host")
		return
	}
	if between, _, err := splitTemplate(s); err == nil {
		if _, err := url.Parse(strings.Join(between, "x")); err != nil {
			p.fault(path, "not a URL")
		}
	}
}

// headerName tells whether a flow may set a header: a token (RFC 9110 5.6.2), and none
// that frames the message or says whom it is for.
func headerName(s string) bool {
	switch strings.ToLower(s) {
	case "", "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect", "keep-alive", "proxy-connection":
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return len(s) <= 64
}

// pairs reads a mapping of names to values, sorted by name.
func (p *parser) pairs(o *object, key string, read func(path string, v any) string) []HTTPPair {
	v, ok := o.take(key)
	if !ok {
		return nil
	}
	m, _ := p.object(join(o.path, key), v)
	if len(m.keys) > maxList {
		p.fault(m.path, "more than %d entries", maxList)
		return nil
	}
	out := make([]HTTPPair, 0, len(m.keys))
	for _, k := range slices.Sorted(slices.Values(m.keys)) {
		if len(k) > 128 {
			p.fault(m.path, "a name longer than 128 bytes")
			continue
		}
		out = append(out, HTTPPair{k, read(join(m.path, clip(k)), m.m[k])})
	}
	return out
}

// pointer reads a JSON pointer (RFC 6901): "" is the whole answer.
func (p *parser) pointer(path string, v any) string {
	s, ok := p.text(path, v)
	if ok && s != "" && s[0] != '/' {
		p.fault(path, "%q; want a JSON pointer such as /customer/name", clip(s))
	}
	return s
}

// jsonBody reads what becomes a JSON body: texts are templates.
func (p *parser) jsonBody(path string, v any, depth int, nodes *int) any {
	if *nodes++; *nodes > maxJSONNodes || depth > maxJSONDepth {
		if *nodes == maxJSONNodes+1 || depth == maxJSONDepth+1 {
			p.fault(path, "more than %d values, or more than %d deep", maxJSONNodes, maxJSONDepth)
		}
		return nil
	}
	switch v := v.(type) {
	case string:
		return p.outwardText(path, v)
	case []any:
		out := make([]any, 0, min(len(v), maxJSONNodes))
		for i, e := range v {
			if i > maxJSONNodes {
				break
			}
			out = append(out, p.jsonBody(fmt.Sprintf("%s[%d]", path, i), e, depth+1, nodes))
		}
		return out
	case map[string]any, map[any]any, yaml.MapSlice:
		m, _ := p.object(path, v)
		out := make(map[string]any, len(m.keys))
		for _, k := range m.keys {
			out[k] = p.jsonBody(join(path, clip(k)), m.m[k], depth+1, nodes)
		}
		return out
	case nil, bool, int, int64, uint64, float64:
		return v
	}
	p.fault(path, "cannot be written as JSON: %s", describe(v))
	return nil
}

func (b *HTTP) tell(_ *Step, t *traits) {
	t.outward("url", b.URL)
	t.outward("text", b.Text)
	for _, h := range b.Headers {
		t.outward("headers."+h.Name, h.Value)
	}
	for _, f := range b.Form {
		t.outward("form."+f.Name, f.Value)
	}
	jsonTexts(b.JSON, "json", t.outward)
	for _, pair := range b.Into {
		t.sets(pair.Name, setKey) // the service is the house's own
	}
	t.sets(b.Status, setKey)
	if b.Hold != "" {
		t.prompt("hold", b.Hold)
	}
}

// jsonTexts goes through the texts of a JSON body.
func jsonTexts(v any, at string, f func(at, text string)) {
	switch v := v.(type) {
	case string:
		f(at, v)
	case []any:
		for i, e := range v {
			jsonTexts(e, at+"["+strconv.Itoa(i)+"]", f)
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			jsonTexts(v[k], at+"."+clip(k), f)
		}
	}
}
