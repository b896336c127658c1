package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/centrala/centrala/pkg/auth"
)

//go:generate go test -run TestOpenAPIIsCurrent -update .

// OpenAPI is the API as a document of OpenAPI 3.1, made of its rows and the types
// that they name: docs/openapi.json.
func OpenAPI() ([]byte, error) {
	reg := huma.NewMapRegistry("#/components/schemas/", schemaName)
	doc := &huma.OpenAPI{OpenAPI: "3.1.0", Info: &huma.Info{Title: "Centrala", Version: "v1",
		Description: "The API of a Centrala node; docs/api.md tells it as people read it. x-right is the right that an operation needs (docs/operations.md)."},
		Servers: []*huma.Server{{URL: "/api/v1"}}, Paths: map[string]*huma.PathItem{},
		Components: &huma.Components{Schemas: reg, SecuritySchemes: map[string]*huma.SecurityScheme{
			"key":     {Type: "http", Scheme: "bearer", Description: "An API key, cen_..."},
			"session": {Type: "apiKey", In: "cookie", Name: "__Host-centrala", Description: "Of who has signed in; without TLS it is called centrala."}}}}
	problem := reg.Schema(reflect.TypeFor[Problem](), true, "")
	for _, op := range (&HTTP{}).operations() {
		item := doc.Paths[op.path]
		if item == nil {
			item = &huma.PathItem{}
			doc.Paths[op.path] = item
		}
		o := op.describe(reg, problem)
		switch op.method {
		case http.MethodGet:
			item.Get = o
		case http.MethodPost:
			item.Post = o
		case http.MethodPut:
			item.Put = o
		case http.MethodPatch:
			item.Patch = o
		case http.MethodDelete:
			item.Delete = o
		default:
			return nil, fmt.Errorf("api: openapi: method %q of %s", op.method, op.path)
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("api: openapi: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", " "); err != nil {
		return nil, fmt.Errorf("api: openapi: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

var inBraces = regexp.MustCompile(`\{(\w+)\}`)

// describe is the operation's own part of the document.
func (op operation) describe(reg huma.Registry, problem *huma.Schema) *huma.Operation {
	first, _, _ := strings.Cut(strings.TrimPrefix(op.path, "/"), "/")
	o := &huma.Operation{Summary: op.summary, Tags: []string{first}, OperationID: operationID(op), Extensions: map[string]any{"x-right": string(op.right)}}
	if op.right != auth.Public {
		o.Security = []map[string][]string{{"key": {}}, {"session": {}}}
	}
	for _, m := range inBraces.FindAllStringSubmatch(op.path, -1) {
		o.Parameters = append(o.Parameters, &huma.Param{Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
	}
	if op.right != auth.Public && op.right != auth.Self {
		o.Parameters = append(o.Parameters, &huma.Param{Name: "tenant", In: "query", Description: "Client company; for accounts of the node alone.", Schema: &huma.Schema{Type: "string"}})
	}
	for _, q := range op.query {
		o.Parameters = append(o.Parameters, &huma.Param{Name: q.name, In: "query", Description: q.doc, Schema: &huma.Schema{Type: q.kind}})
	}
	switch {
	case op.in != nil:
		o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeOf(op.in), true, "")}}}
	case op.most == maxDocuments:
		o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/yaml": {Schema: &huma.Schema{Type: "string"}}}}
	}
	status := op.made
	if status == 0 {
		status = http.StatusOK
	}
	ok := &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{}}
	switch {
	case op.content != "":
		ok.Content[op.content] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	case op.out != nil:
		ok.Content["application/json"] = &huma.MediaType{Schema: reg.Schema(reflect.TypeOf(op.out), true, "")}
	default:
		ok.Content["application/json"] = &huma.MediaType{Schema: &huma.Schema{Type: "object"}}
	}
	o.Responses = map[string]*huma.Response{strconv.Itoa(status): ok,
		"default": {Description: "Refused, or failed.", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}}}
	return o
}

// operationID is such as getCallsByIdWhy.
func operationID(op operation) string {
	id := strings.ToLower(op.method)
	for _, part := range strings.FieldsFunc(op.path, func(c rune) bool { return c == '/' || c == '-' || c == '_' }) {
		if m := inBraces.FindStringSubmatch(part); m != nil {
			part = "by-" + m[1]
			id += "By" + strings.ToUpper(m[1][:1]) + m[1][1:]
			continue
		}
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

// schemaName is the type's name, with that of its package where it is not this one:
// cdr.Recording and Recording are two.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.Name()
	if name == "" {
		return huma.DefaultSchemaNamer(t, hint)
	}
	if outer, inner, ok := strings.Cut(name, "["); ok { // items[github.com/.../cdr.Call]
		name = title(outer) + title(path.Base(strings.TrimSuffix(inner, "]")))
	}
	if pkg := path.Base(t.PkgPath()); pkg != "api" && pkg != "." {
		name = title(pkg) + title(name)
	}
	return strings.NewReplacer(".", "", "[", "", "]", "").Replace(title(name))
}

func title(s string) string {
	parts := strings.Split(s, ".")
	for i, p := range parts {
		if p != "" {
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}
