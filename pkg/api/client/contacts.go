package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/contact"
)

// Contacts lists contacts, changed last first.
func (c *Client) Contacts(ctx context.Context, f api.ContactFilter) (p api.ContactPage, err error) {
	q := query(api.CallFilter{Limit: f.Limit, Cursor: f.Cursor})
	for k, v := range map[string]string{"q": f.Search, "number": f.Number, "owner": f.Owner} {
		if v != "" {
			q.Set(k, v)
		}
	}
	return p, c.get(ctx, "/contacts", q, &p)
}

// Contact is one of them.
func (c *Client) Contact(ctx context.Context, id string) (out contact.Contact, err error) {
	return out, c.get(ctx, "/contacts/"+url.PathEscape(id), nil, &out)
}

// SaveContact changes a contact, or with id "" makes one.
func (c *Client) SaveContact(ctx context.Context, id string, in api.ContactChange) (out contact.Contact, err error) {
	if id == "" {
		return out, c.send(ctx, http.MethodPost, "/contacts", in, &out)
	}
	return out, c.send(ctx, http.MethodPatch, "/contacts/"+url.PathEscape(id), in, &out)
}

// ImportContacts sends a CSV file.
func (c *Client) ImportContacts(ctx context.Context, csv io.Reader, by string) (r api.ContactImport, err error) {
	return r, c.do(ctx, http.MethodPost, "/contacts/import", url.Values{"by": {by}}, csv, &r)
}

// ContactHistory lists calls from and to a contact, newest first.
func (c *Client) ContactHistory(ctx context.Context, id string, limit int) ([]cdr.Call, error) {
	return list[cdr.Call](ctx, c, "/contacts/"+url.PathEscape(id)+"/history", query(api.CallFilter{Limit: limit}))
}

// Cases lists cases, changed last first.
func (c *Client) Cases(ctx context.Context, f api.CaseFilter) (p api.CasePage, err error) {
	q := query(api.CallFilter{Limit: f.Limit, Cursor: f.Cursor})
	for k, v := range map[string]string{"contact": f.Contact, "owner": f.Owner, "type": f.Type, "state": f.State} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Open {
		q.Set("open", "true")
	}
	if f.Number > 0 {
		q.Set("number", strconv.FormatInt(f.Number, 10))
	}
	return p, c.get(ctx, "/cases", q, &p)
}

// Case is one of them.
func (c *Client) Case(ctx context.Context, id string) (out contact.Case, err error) {
	return out, c.get(ctx, "/cases/"+url.PathEscape(id), nil, &out)
}

// SaveCase changes a case, or with id "" opens one.
func (c *Client) SaveCase(ctx context.Context, id string, in api.CaseChange) (out contact.Case, err error) {
	if id == "" {
		return out, c.send(ctx, http.MethodPost, "/cases", in, &out)
	}
	return out, c.send(ctx, http.MethodPatch, "/cases/"+url.PathEscape(id), in, &out)
}
