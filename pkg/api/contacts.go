package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/contact"
)

// People is the part of Server about contacts and cases.
type People interface {
	Contacts(ctx context.Context, tenant string, f ContactFilter) (ContactPage, error)
	Contact(ctx context.Context, tenant, id string) (contact.Contact, error)
	// SaveContact changes a contact, or with id "" makes one; call is the one it came up
	// in, "" none.
	SaveContact(ctx context.Context, tenant, id string, in ContactChange, by, call string) (contact.Contact, error)
	DeleteContact(ctx context.Context, tenant, id, by string) error
	// MergeContact makes from a part of id.
	MergeContact(ctx context.Context, tenant, id, from, by string) (contact.Contact, error)
	NoteContact(ctx context.Context, tenant, id string, n NoteBody, by string) (contact.Contact, error)
	// ImportContacts takes what contact.ReadCSV has read.
	ImportContacts(ctx context.Context, tenant string, rows []contact.Contact, faults []error, by string) (ContactImport, error)
	// ContactHistory lists calls from and to a contact, newest first.
	ContactHistory(ctx context.Context, tenant, id string, limit int) ([]cdr.Call, error)
	Cases(ctx context.Context, tenant string, f CaseFilter) (CasePage, error)
	Case(ctx context.Context, tenant, id string) (contact.Case, error)
	CaseTypes(ctx context.Context, tenant string) ([]contact.Type, error)
	// SaveCase changes a case, or with id "" opens one.
	SaveCase(ctx context.Context, tenant, id string, in CaseChange, by string) (contact.Case, error)
	NoteCase(ctx context.Context, tenant, id string, n NoteBody, by string) (contact.Case, error)
	// Region of the tenant's numbers, "" none.
	Region(tenant string) string
}

// ContactFilter bounds a list of contacts.
type ContactFilter struct {
	Search, Number, Owner string
	Limit                 int
	Cursor                string
}

// ContactPage is one page of contacts.
type ContactPage struct {
	Contacts []contact.Contact `json:"contacts"`
	Next     string            `json:"next,omitempty"`
}

// ContactChange is what is to be said of a contact; what is absent stays.
type ContactChange struct {
	Name       *string           `json:"name,omitempty"`
	Company    *string           `json:"company,omitempty"`
	Numbers    []string          `json:"numbers,omitempty" doc:"All of them; absent: as they are."`
	AddNumbers []string          `json:"add_numbers,omitempty" doc:"Beside those there are."`
	Email      *string           `json:"email,omitempty"`
	Language   *string           `json:"language,omitempty"`
	Owner      *string           `json:"owner,omitempty"`
	Tier       *string           `json:"tier,omitempty"`
	Fields     map[string]string `json:"fields,omitempty" doc:"Those named; an empty value removes one."`
}

// Of is the change that makes all of c.
func (ContactChange) Of(c contact.Contact) ContactChange {
	out := ContactChange{Numbers: c.Numbers, Fields: c.Fields}
	for _, p := range []struct {
		to   **string
		from string
	}{{&out.Name, c.Name}, {&out.Company, c.Company}, {&out.Email, c.Email}, {&out.Language, c.Language}, {&out.Owner, c.Owner}, {&out.Tier, c.Tier}} {
		if p.from != "" {
			*p.to = &p.from
		}
	}
	return out
}

// Apply changes c and names what is another now.
func (in ContactChange) Apply(c *contact.Contact) (changed []string) {
	for _, p := range []struct {
		name string
		to   *string
		from *string
	}{{"name", &c.Name, in.Name}, {"company", &c.Company, in.Company}, {"email", &c.Email, in.Email}, {"language", &c.Language, in.Language}, {"owner", &c.Owner, in.Owner}, {"tier", &c.Tier, in.Tier}} {
		if p.from != nil && *p.from != *p.to {
			*p.to = *p.from
			changed = append(changed, p.name)
		}
	}
	numbers := c.Numbers
	if in.Numbers != nil {
		numbers = in.Numbers
	}
	for _, n := range in.AddNumbers {
		if !slices.Contains(numbers, n) {
			numbers = append(slices.Clone(numbers), n)
		}
	}
	if !slices.Equal(numbers, c.Numbers) {
		c.Numbers = numbers
		changed = append(changed, "numbers")
	}
	var some bool
	if c.Fields, some = applyFields(c.Fields, in.Fields); some {
		changed = append(changed, "fields")
	}
	return changed
}

// applyFields puts in into a copy of f; an empty value removes one.
func applyFields(f, in map[string]string) (out map[string]string, changed bool) {
	if len(in) == 0 {
		return f, false
	}
	if out = maps.Clone(f); out == nil {
		out = map[string]string{}
	}
	for k, v := range in {
		if out[k] == v {
			continue
		}
		changed = true
		if out[k] = v; v == "" {
			delete(out, k)
		}
	}
	return out, changed
}

// ContactImport tells what an import did.
type ContactImport struct {
	Created int      `json:"created"`
	Changed int      `json:"changed"`
	Faults  []string `json:"faults"` // at most a hundred
}

// NoteBody is a note to be written down.
type NoteBody struct {
	Text   string `json:"text"`
	CallID string `json:"call_id,omitempty"`
}

// CaseFilter bounds a list of cases.
type CaseFilter struct {
	Contact, Owner, Type, State string
	Open                        bool
	Number                      int64
	Limit                       int
	Cursor                      string
}

// CasePage is one page of cases.
type CasePage struct {
	Cases []contact.Case `json:"cases"`
	Next  string         `json:"next,omitempty"`
}

// CaseChange is what is to be said of a case; what is absent stays.
type CaseChange struct {
	Type    *string           `json:"type,omitempty"`
	State   *string           `json:"state,omitempty"`
	Subject *string           `json:"subject,omitempty"`
	Contact *string           `json:"contact,omitempty"`
	Owner   *string           `json:"owner,omitempty"`
	Fields  map[string]string `json:"fields,omitempty" doc:"Those named; an empty value removes one."`
	// CallID is the call in which it came up.
	CallID string `json:"call_id,omitempty"`
}

// Apply changes c and names what is another now.
func (in CaseChange) Apply(c *contact.Case) (changed []string) {
	for _, p := range []struct {
		name string
		to   *string
		from *string
	}{{"type", &c.Type, in.Type}, {"state", &c.State, in.State}, {"subject", &c.Subject, in.Subject}, {"contact", &c.Contact, in.Contact}, {"owner", &c.Owner, in.Owner}} {
		if p.from != nil && *p.from != *p.to {
			*p.to = *p.from
			changed = append(changed, p.name)
		}
	}
	var some bool
	if c.Fields, some = applyFields(c.Fields, in.Fields); some {
		changed = append(changed, "fields")
	}
	return changed
}

type mergeBody struct {
	From string `json:"from" doc:"Id of the contact that becomes a part of this one."`
}

func (h *HTTP) contacts(r *http.Request) (any, error) {
	f, err := filter(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	if len(q.Get("q")) > 200 {
		return nil, fmt.Errorf("%w: q: want up to 200 bytes", ErrInvalid)
	}
	return h.app.Contacts(r.Context(), tenant(r), ContactFilter{Search: q.Get("q"), Number: q.Get("number"), Owner: q.Get("owner"), Limit: f.Limit, Cursor: f.Cursor})
}

func (h *HTTP) saveContact(r *http.Request) (any, error) {
	var in ContactChange
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return h.app.SaveContact(r.Context(), tenant(r), r.PathValue("id"), in, whoAsks(r), "")
}

func (h *HTTP) mergeContact(r *http.Request) (any, error) {
	var in mergeBody
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return h.app.MergeContact(r.Context(), tenant(r), r.PathValue("id"), in.From, whoAsks(r))
}

func (h *HTTP) importContacts(r *http.Request) (any, error) {
	rows, faults := contact.ReadCSV(r.Body, h.app.Region(tenant(r)))
	return h.app.ImportContacts(r.Context(), tenant(r), rows, faults, whoAsks(r))
}

func (h *HTTP) cases(r *http.Request) (any, error) {
	f, err := filter(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	c := CaseFilter{Contact: q.Get("contact"), Owner: q.Get("owner"), Type: q.Get("type"), State: q.Get("state"), Limit: f.Limit, Cursor: f.Cursor}
	if c.Open, err = flag(r, "open"); err != nil {
		return nil, err
	}
	if s := q.Get("number"); s != "" {
		if c.Number, err = strconv.ParseInt(s, 10, 64); err != nil || c.Number < 1 {
			return nil, fmt.Errorf("%w: number %q: want a case's number", ErrInvalid, s)
		}
	}
	return h.app.Cases(r.Context(), tenant(r), c)
}

func (h *HTTP) saveCase(r *http.Request) (any, error) {
	var in CaseChange
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return h.app.SaveCase(r.Context(), tenant(r), r.PathValue("id"), in, whoAsks(r))
}

// note is a note about what save keeps.
func note[T any](r *http.Request, save func(ctx context.Context, tenant, id string, n NoteBody, by string) (T, error)) (any, error) {
	var in NoteBody
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return save(r.Context(), tenant(r), r.PathValue("id"), in, whoAsks(r))
}

func (h *HTTP) contactOperations() []operation {
	owner := param{"owner", "string", "Of this user."}
	return []operation{
		{method: "GET", path: "/contacts", right: "contacts.read", summary: "Customers, changed last first.", out: ContactPage{}, do: h.contacts,
			query: []param{limitParam, cursorParam, {"q", "string", "In names, numbers and addresses."}, {"number", "string", "Whose number it is, as written."}, owner}},
		{method: "POST", path: "/contacts", right: "contacts.change", summary: "Makes a contact.", in: ContactChange{}, out: contact.Contact{}, query: []param{byParam}, journalled: true, do: h.saveContact},
		{method: "POST", path: "/contacts/import", right: "contacts.change", summary: "Takes contacts of a CSV file.", most: maxDocuments, out: ContactImport{}, query: []param{byParam}, journalled: true, do: h.importContacts},
		{method: "GET", path: "/contacts/{id}", right: "contacts.read", summary: "One contact.", out: contact.Contact{},
			do: func(r *http.Request) (any, error) { return h.app.Contact(r.Context(), tenant(r), r.PathValue("id")) }},
		{method: "PATCH", path: "/contacts/{id}", right: "contacts.change", summary: "Changes what is named of a contact.", in: ContactChange{}, out: contact.Contact{}, query: []param{byParam}, journalled: true, do: h.saveContact},
		{method: "DELETE", path: "/contacts/{id}", right: "contacts.change", summary: "Forgets a contact; its cases stay.", query: []param{byParam}, journalled: true,
			do: func(r *http.Request) (any, error) {
				return done(h.app.DeleteContact(r.Context(), tenant(r), r.PathValue("id"), whoAsks(r)))
			}},
		{method: "POST", path: "/contacts/{id}/merge", right: "contacts.change", summary: "Makes another contact a part of this one.", in: mergeBody{}, out: contact.Contact{}, query: []param{byParam}, journalled: true, do: h.mergeContact},
		{method: "POST", path: "/contacts/{id}/notes", right: "contacts.change", summary: "Writes a note down.", in: NoteBody{}, out: contact.Contact{}, query: []param{byParam}, journalled: true,
			do: func(r *http.Request) (any, error) { return note(r, h.app.NoteContact) }},
		{method: "GET", path: "/contacts/{id}/history", right: "contacts.read", summary: "Calls from and to a contact, newest first.", out: items[cdr.Call]{}, query: []param{limitParam},
			do: func(r *http.Request) (any, error) {
				f, err := filter(r)
				if err != nil {
					return nil, err
				}
				return wrap(h.app.ContactHistory(r.Context(), tenant(r), r.PathValue("id"), f.Limit))
			}},
		{method: "GET", path: "/cases", right: "contacts.read", summary: "Orders, complaints and requests, changed last first.", out: CasePage{}, do: h.cases,
			query: []param{limitParam, cursorParam, {"contact", "string", "Of this contact."}, owner, {"type", "string", "Of this case type."}, {"state", "string", "In this state."},
				{"open", "boolean", "Only those that are not closed."}, {"number", "integer", "The case with this number."}}},
		{method: "POST", path: "/cases", right: "contacts.change", summary: "Opens a case.", in: CaseChange{}, out: contact.Case{}, query: []param{byParam}, journalled: true, do: h.saveCase},
		{method: "GET", path: "/cases/{id}", right: "contacts.read", summary: "One case.", out: contact.Case{},
			do: func(r *http.Request) (any, error) { return h.app.Case(r.Context(), tenant(r), r.PathValue("id")) }},
		{method: "PATCH", path: "/cases/{id}", right: "contacts.change", summary: "Changes what is named of a case.", in: CaseChange{}, out: contact.Case{}, query: []param{byParam}, journalled: true, do: h.saveCase},
		{method: "POST", path: "/cases/{id}/notes", right: "contacts.change", summary: "Writes a note down.", in: NoteBody{}, out: contact.Case{}, query: []param{byParam}, journalled: true,
			do: func(r *http.Request) (any, error) { return note(r, h.app.NoteCase) }},
		{method: "GET", path: "/case_types", right: "contacts.read", summary: "What cases may be, with their fields.", out: items[contact.Type]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.CaseTypes(r.Context(), tenant(r))) }},
	}
}
