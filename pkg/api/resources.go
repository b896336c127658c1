package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// ErrChanged: the resource is not as the asker knows it (412).
var ErrChanged = errors.New("changed meanwhile")

// Edit puts one resource in, or takes it out.
type Edit struct {
	Tenant string
	Kind   resource.Kind
	Name   string
	Doc    *resource.Document // nil: take it out
	Match  uint64             // only when this revision changed it last; 0 = whatever
	Fresh  bool               // only when there is none
}

// Resources may be implemented by the application: resources one by one.
type Resources interface {
	EditResource(ctx context.Context, e Edit, o ApplyOptions) (ApplyResult, error)
	ResourceRevisions(ctx context.Context, tenant string, kind resource.Kind) (map[string]uint64, error)
	ResourceHistory(ctx context.Context, tenant string, kind resource.Kind, name string) ([]store.Revision, error)
	// Revisions are the changes of a tenant's resources, newest first.
	Revisions(ctx context.Context, tenant string, before uint64, limit int) ([]store.Revision, error)
	// Undo takes back what a revision did, unless it was changed since.
	Undo(ctx context.Context, tenant string, revision uint64, o ApplyOptions) (ApplyResult, error)
}

// Resource is one resource; secrets in it are masked.
type Resource struct {
	Kind     resource.Kind   `json:"kind"`
	Tenant   string          `json:"tenant"`
	Name     string          `json:"name"`
	Spec     json.RawMessage `json:"spec"`
	Revision uint64          `json:"revision"` // that changed it last; its ETag
}

// ResourceChange is one entry of a resource's history.
type ResourceChange struct {
	Revision uint64          `json:"revision"`
	At       time.Time       `json:"at"`
	By       string          `json:"by"`
	Via      string          `json:"via,omitempty"` // console, cli, api; absent: the node itself
	Op       resource.Op     `json:"op"`
	Kind     resource.Kind   `json:"kind"`
	Name     string          `json:"name"`
	Spec     json.RawMessage `json:"spec,omitempty"` // as it was then, secrets masked
	// Before is what stood there before; of GET /revisions/{revision} alone.
	Before json.RawMessage `json:"before,omitempty"`
}

// RevisionPage is one page of the history of all resources.
type RevisionPage struct {
	Items []ResourceChange `json:"items"`
	Next  string           `json:"next,omitempty"`
}

// specBody is a resource as it is put in.
type specBody struct {
	Spec json.RawMessage `json:"spec" doc:"As in the documents of docs/config.md; secrets left as ******** stay as they are."`
}

func (h *HTTP) editOperations() []operation {
	dry := param{"dry_run", "boolean", "Check and tell the changes, change nothing."}
	return []operation{
		{method: "GET", path: "/resources/{kind}", right: "resources.read", summary: "The resources of a kind.", out: items[Resource]{}, do: h.resourceList},
		{method: "GET", path: "/resources/{kind}/{name}", right: "resources.read", summary: "One resource; ETag is its revision.", out: Resource{}, serve: h.resourceGet},
		{method: "PUT", path: "/resources/{kind}/{name}", right: "resources.change", most: maxDocuments, summary: "Puts one resource in, checked against all others. If-Match guards against another's change.", in: specBody{}, out: ApplyResult{}, query: []param{dry, byParam}, do: h.resourcePut},
		{method: "DELETE", path: "/resources/{kind}/{name}", right: "resources.change", summary: "Takes one resource out.", out: ApplyResult{}, query: []param{dry, byParam}, do: h.resourceDelete},
		{method: "GET", path: "/resources/{kind}/{name}/history", right: "resources.read", summary: "Who changed the resource when, newest first.", out: items[ResourceChange]{}, do: h.resourceHistory},
		{method: "GET", path: "/revisions", right: "resources.read", summary: "Who changed which resources when, newest first.", out: RevisionPage{}, query: []param{cursorParam, {"limit", "integer", "Revisions of a page, 1 to 200; default 50."}}, do: h.revisions},
		{method: "POST", path: "/revisions/{revision}/undo", right: "resources.change", summary: "Takes back what a revision did, unless it was changed since.", out: ApplyResult{}, query: []param{dry, byParam}, do: h.undo},
	}
}

func (h *HTTP) resources() (Resources, error) {
	r, ok := h.app.(Resources)
	if !ok {
		return nil, ErrNotFound
	}
	return r, nil
}

// kindOf reads the kind of the path. Tenants are of the node: see tenantScope.
func kindOf(r *http.Request) (resource.Kind, error) {
	k := resource.Kind(r.PathValue("kind"))
	if !slices.Contains(resource.Kinds, k) {
		return "", fmt.Errorf("kind %q: %w; want one of %v", k, ErrNotFound, resource.Kinds)
	}
	return k, nil
}

// resourceTenant is whose a resource is: a tenant's settings are kept under its own name.
func resourceTenant(r *http.Request, k resource.Kind) string {
	if k == resource.KindTenant {
		if name := r.PathValue("name"); name != "" {
			return name
		}
	}
	return tenant(r)
}

// asJSON writes a spec with its secrets masked.
func asJSON(spec any) (json.RawMessage, error) {
	text, err := resource.MarshalSpec(resource.Masked(spec))
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return json.RawMessage("{}"), nil
	}
	out, err := yaml.YAMLToJSON(text)
	return bytes.TrimSpace(out), err
}

func (h *HTTP) resourceList(r *http.Request) (any, error) {
	app, err := h.resources()
	if err != nil {
		return nil, err
	}
	kind, err := kindOf(r)
	if err != nil {
		return nil, err
	}
	docs, err := h.app.Export(r.Context(), false)
	if err != nil {
		return nil, err
	}
	t := tenant(r)
	revisions, err := app.ResourceRevisions(r.Context(), t, kind)
	if err != nil {
		return nil, err
	}
	out := []Resource{}
	for _, d := range docs {
		if d.Kind != kind || tenantOf(d) != t {
			continue
		}
		spec, err := asJSON(d.Spec)
		if err != nil {
			return nil, err
		}
		out = append(out, Resource{kind, t, d.Name, spec, revisions[d.Name]})
	}
	return wrap(out, nil)
}

func (h *HTTP) resourceGet(w http.ResponseWriter, r *http.Request) {
	one, err := h.resourceOne(r)
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	w.Header().Set("ETag", etag(one.Revision))
	h.handle(0, maxBody, func(*http.Request) (any, error) { return one, nil }).ServeHTTP(w, r)
}

func (h *HTTP) resourceOne(r *http.Request) (Resource, error) {
	kind, err := kindOf(r)
	if err != nil {
		return Resource{}, err
	}
	app, err := h.resources()
	if err != nil {
		return Resource{}, err
	}
	if err := ownKind(r, kind); err != nil {
		return Resource{}, err
	}
	docs, err := h.app.Export(r.Context(), false)
	if err != nil {
		return Resource{}, err
	}
	t, name := resourceTenant(r, kind), r.PathValue("name")
	for _, d := range docs {
		if d.Kind == kind && d.Name == name && tenantOf(d) == t {
			revisions, err := app.ResourceRevisions(r.Context(), t, kind)
			if err != nil {
				return Resource{}, err
			}
			spec, err := asJSON(d.Spec)
			return Resource{kind, t, name, spec, revisions[name]}, err
		}
	}
	return Resource{}, fmt.Errorf("%s %q: %w", kind, name, ErrNotFound)
}

// ownKind: who is not of the node sees the settings of the own tenant alone.
func ownKind(r *http.Request, kind resource.Kind) error {
	if kind != resource.KindTenant {
		return nil
	}
	name := r.PathValue("name")
	return ownDocumentsRead(r, name)
}

func etag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

// precondition reads If-Match and If-None-Match.
func precondition(r *http.Request) (match uint64, fresh bool, err error) {
	if v := r.Header.Get("If-None-Match"); v != "" {
		if v != "*" {
			return 0, false, fmt.Errorf("%w: If-None-Match %q: want *", ErrInvalid, v)
		}
		return 0, true, nil
	}
	if v := r.Header.Get("If-Match"); v != "" && v != "*" {
		n, err := strconv.ParseUint(strings.Trim(v, `"`), 10, 63)
		if err != nil || n == 0 {
			return 0, false, fmt.Errorf("%w: If-Match %q: want the ETag of the resource", ErrInvalid, v)
		}
		return n, false, nil
	}
	return 0, false, nil
}

func (h *HTTP) resourcePut(r *http.Request) (any, error) {
	kind, err := kindOf(r)
	if err != nil {
		return nil, err
	}
	var in specBody
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	e := Edit{Tenant: resourceTenant(r, kind), Kind: kind, Name: r.PathValue("name")}
	// JSON is YAML: the document is read as strictly as those of an apply.
	text := map[string]any{"kind": kind, "name": e.Name, "spec": in.Spec}
	if kind != resource.KindTenant {
		text["tenant"] = e.Tenant
	}
	if len(in.Spec) == 0 {
		delete(text, "spec")
	}
	doc, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	docs, err := resource.ParseYAML(bytes.NewReader(doc), string(kind)+" "+e.Name)
	if err != nil {
		var faults resource.Faults
		if errors.As(err, &faults) {
			return ApplyResult{Changes: []string{}, Faults: faults}, fmt.Errorf("%w: %d faults", ErrInvalid, len(faults))
		}
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(docs) != 1 || docs[0].Name != e.Name {
		return nil, fmt.Errorf("%w: one resource, please", ErrInvalid)
	}
	e.Doc = &docs[0]
	return h.edit(r, e)
}

func (h *HTTP) resourceDelete(r *http.Request) (any, error) {
	kind, err := kindOf(r)
	if err != nil {
		return nil, err
	}
	return h.edit(r, Edit{Tenant: resourceTenant(r, kind), Kind: kind, Name: r.PathValue("name")})
}

func (h *HTTP) edit(r *http.Request, e Edit) (any, error) {
	app, err := h.resources()
	if err != nil {
		return nil, err
	}
	if err := ownDocuments(r, []resource.Document{{Kind: e.Kind, Tenant: e.Tenant, Name: e.Name}}); err != nil {
		return nil, err
	}
	if e.Match, e.Fresh, err = precondition(r); err != nil {
		return nil, err
	}
	dry, err := flag(r, "dry_run")
	if err != nil {
		return nil, err
	}
	res, err := app.EditResource(r.Context(), e, ApplyOptions{Dry: dry, By: whoAsks(r), Via: viaOf(r)})
	return res, err
}

func changeOf(v store.Revision) (ResourceChange, error) {
	c := ResourceChange{Revision: v.Revision, At: v.At, By: v.By, Via: v.Via, Op: v.Op, Kind: v.Kind, Name: v.Name}
	if v.Spec == "" {
		return c, nil
	}
	spec, err := resource.ParseSpec(v.Kind, []byte(v.Spec), v.Name)
	if err != nil {
		return c, nil // of another build: what it was cannot be shown
	}
	c.Spec, err = asJSON(spec)
	return c, err
}

func (h *HTTP) resourceHistory(r *http.Request) (any, error) {
	app, err := h.resources()
	if err != nil {
		return nil, err
	}
	kind, err := kindOf(r)
	if err != nil {
		return nil, err
	}
	if err := ownKind(r, kind); err != nil {
		return nil, err
	}
	list, err := app.ResourceHistory(r.Context(), resourceTenant(r, kind), kind, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s %q: %w", kind, r.PathValue("name"), ErrNotFound)
	}
	out := make([]ResourceChange, len(list))
	for i, v := range list {
		if out[i], err = changeOf(v); err != nil {
			return nil, err
		}
	}
	return wrap(out, nil)
}

func (h *HTTP) revisions(r *http.Request) (any, error) {
	app, err := h.resources()
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	limit, before := 50, uint64(0)
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > 200 {
			return nil, fmt.Errorf("%w: limit %q: want 1 to 200", ErrInvalid, s)
		}
	}
	if s := q.Get("cursor"); s != "" {
		if before, err = strconv.ParseUint(s, 10, 62); err != nil {
			return nil, fmt.Errorf("%w: cursor %q", ErrInvalid, s)
		}
	}
	list, err := app.Revisions(r.Context(), tenant(r), before, limit)
	if err != nil {
		return nil, err
	}
	page := RevisionPage{Items: []ResourceChange{}}
	seen := map[uint64]bool{}
	for _, v := range list {
		c, err := changeOf(v)
		if err != nil {
			return nil, err
		}
		seen[v.Revision] = true
		page.Items = append(page.Items, c)
	}
	if len(seen) == limit {
		page.Next = strconv.FormatUint(list[len(list)-1].Revision, 10)
	}
	return page, nil
}

// revisionOf is the revision in a request's path.
func revisionOf(r *http.Request) (uint64, error) {
	n, err := strconv.ParseUint(r.PathValue("revision"), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("revision %q: %w", r.PathValue("revision"), ErrNotFound)
	}
	return n, nil
}

func (h *HTTP) undo(r *http.Request) (any, error) {
	app, err := h.resources()
	if err != nil {
		return nil, err
	}
	n, err := revisionOf(r)
	if err != nil {
		return nil, err
	}
	dry, err := flag(r, "dry_run")
	if err != nil {
		return nil, err
	}
	res, err := app.Undo(r.Context(), tenant(r), n, ApplyOptions{Dry: dry, By: whoAsks(r), Via: viaOf(r)})
	return res, err
}
