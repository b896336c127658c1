package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/contact"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// caseTypes are a tenant's.
func (d *directory) caseTypes(tenant string) map[string]contact.Type {
	out := map[string]contact.Type{}
	for k, s := range d.set.CaseTypes {
		if k.Tenant != tenant {
			continue
		}
		t := contact.Type{Name: k.Name, Kind: s.Kind, States: s.States, Final: s.Final}
		if len(t.States) == 0 {
			t.States = resource.DefaultCaseStates
		}
		if len(t.Final) == 0 {
			t.Final = t.States[len(t.States)-1:]
		}
		for _, f := range s.Fields {
			if f.Type == "" {
				f.Type = "text"
			}
			t.Fields = append(t.Fields, contact.Field{Name: f.Name, Label: f.Label, Type: f.Type, Required: f.Required, Choices: f.Choices})
		}
		out[k.Name] = t
	}
	if len(out) == 0 {
		return contact.DefaultTypes()
	}
	return out
}

// people is what a request about contacts and cases needs of its tenant.
func (a *App) people(tenant string) (region string, types map[string]contact.Type, err error) {
	d := a.dir.Load()
	if d.houses[tenant] == nil {
		return "", nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	return d.houses[tenant].spec.Region, d.caseTypes(tenant), nil
}

// toldAbout turns the errors of the store and of the rules into the API's.
func toldAbout(err error) error {
	var taken *store.TakenError
	switch {
	case errors.As(err, &taken):
		return fmt.Errorf("%w: %w; change that one, or merge them", api.ErrConflict, err)
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	case errors.Is(err, contact.ErrInvalid), errors.Is(err, store.ErrCursor):
		return fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	return err
}

func (a *App) tellPeople(tenant, call string, b event.Body) {
	a.store.Append(event.Event{At: time.Now(), Tenant: tenant, CallID: call, Body: b})
}

// Contacts implements api.Server.
func (a *App) Contacts(ctx context.Context, tenant string, f api.ContactFilter) (api.ContactPage, error) {
	region, _, err := a.people(tenant)
	if err != nil {
		return api.ContactPage{}, err
	}
	q := store.ContactFilter{Search: f.Search, Owner: f.Owner, Cursor: f.Cursor, Limit: f.Limit}
	if f.Number != "" {
		if q.Number = contact.Number(f.Number, region); q.Number == "" {
			return api.ContactPage{}, fmt.Errorf("%w: number %.40q: no telephone number", api.ErrInvalid, f.Number)
		}
	} else if n := contact.Number(f.Search, region); n != "" {
		q.Search = n // people paste numbers as they are written
	}
	list, next, err := a.store.Contacts(ctx, tenant, q)
	if list == nil {
		list = []contact.Contact{}
	}
	return api.ContactPage{Contacts: list, Next: next}, toldAbout(err)
}

// Contact implements api.Server.
func (a *App) Contact(ctx context.Context, tenant, id string) (contact.Contact, error) {
	c, err := a.store.Contact(ctx, tenant, id)
	return c, toldAbout(err)
}

// SaveContact implements api.Server: id "" makes one.
func (a *App) SaveContact(ctx context.Context, tenant, id string, in api.ContactChange, by, call string) (contact.Contact, error) {
	region, _, err := a.people(tenant)
	if err != nil {
		return contact.Contact{}, err
	}
	var changed []string
	c, err := a.store.ChangeContact(ctx, tenant, id, func(c *contact.Contact) error {
		now := time.Now().UTC().Truncate(time.Millisecond)
		if id == "" {
			fresh, err := uuid.NewV7()
			if err != nil {
				return err
			}
			c.ID, c.Created = fresh.String(), now
		}
		c.Updated = now
		changed = in.Apply(c)
		return c.Check(region)
	})
	switch {
	case err != nil:
		return c, toldAbout(err)
	case id == "":
		a.tellPeople(tenant, call, event.ContactCreated{Contact: c.ID, By: by})
	case len(changed) > 0:
		a.tellPeople(tenant, call, event.ContactChanged{Contact: c.ID, Fields: changed, By: by})
	}
	return c, nil
}

// DeleteContact implements api.Server.
func (a *App) DeleteContact(ctx context.Context, tenant, id, by string) error {
	if err := a.store.DeleteContact(ctx, tenant, id); err != nil {
		return toldAbout(err)
	}
	a.tellPeople(tenant, "", event.ContactDeleted{Contact: id, By: by})
	return nil
}

// MergeContact implements api.Server.
func (a *App) MergeContact(ctx context.Context, tenant, id, from, by string) (contact.Contact, error) {
	c, err := a.store.MergeContact(ctx, tenant, id, from, time.Now().UTC().Truncate(time.Millisecond))
	if err != nil {
		return c, toldAbout(err)
	}
	a.tellPeople(tenant, "", event.ContactMerged{Contact: id, Merged: from, By: by})
	return c, nil
}

// NoteContact implements api.Server.
func (a *App) NoteContact(ctx context.Context, tenant, id string, n api.NoteBody, by string) (contact.Contact, error) {
	text, err := contact.CheckNote(n.Text)
	if err != nil {
		return contact.Contact{}, toldAbout(err)
	}
	c, err := a.store.ChangeContact(ctx, tenant, id, func(c *contact.Contact) error {
		c.Updated = time.Now().UTC().Truncate(time.Millisecond)
		c.Notes = contact.AddNote(c.Notes, contact.Note{At: c.Updated, By: by, CallID: n.CallID, Text: text})
		return nil
	})
	if err == nil {
		a.tellPeople(tenant, "", event.ContactChanged{Contact: id, Fields: []string{"notes"}, By: by})
	}
	return c, toldAbout(err)
}

// ImportContacts implements api.Server. A row whose number is known changes that
// contact where it says something; the others are new.
func (a *App) ImportContacts(ctx context.Context, tenant string, rows []contact.Contact, faults []error, by string) (api.ContactImport, error) {
	region, _, err := a.people(tenant)
	if err != nil {
		return api.ContactImport{}, err
	}
	res := api.ContactImport{Faults: []string{}}
	for _, f := range faults {
		res.Faults = append(res.Faults, f.Error())
	}
	created, changed, refused, err := a.store.ImportContacts(ctx, tenant, rows, func(c *contact.Contact, row contact.Contact, fresh bool) error {
		now := time.Now().UTC().Truncate(time.Millisecond)
		in := api.ContactChange{}.Of(row)
		if fresh {
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			c.ID, c.Created = id.String(), now
		} else {
			in.AddNumbers, in.Numbers = row.Numbers, nil
		}
		c.Updated = now
		in.Apply(c)
		return c.Check(region)
	})
	res.Created, res.Changed = len(created), len(changed)
	for _, id := range created {
		a.tellPeople(tenant, "", event.ContactCreated{Contact: id, By: by})
	}
	for _, id := range changed {
		a.tellPeople(tenant, "", event.ContactChanged{Contact: id, Fields: []string{"import"}, By: by})
	}
	for _, i := range slices.Sorted(maps.Keys(refused)) {
		if len(res.Faults) < 100 {
			res.Faults = append(res.Faults, fmt.Sprintf("%s: %v", strings.Join(append([]string{rows[i].Name}, rows[i].Numbers...), " "), refused[i]))
		}
	}
	return res, toldAbout(err)
}

// ContactHistory implements api.Server: the newest calls from and to all numbers of a
// contact.
func (a *App) ContactHistory(ctx context.Context, tenant, id string, limit int) ([]cdr.Call, error) {
	c, err := a.store.Contact(ctx, tenant, id)
	if err != nil {
		return nil, toldAbout(err)
	}
	seen := map[string]cdr.Call{}
	for _, n := range c.Numbers {
		for _, f := range []store.CallFilter{{Caller: n, Limit: limit}, {Dialled: n, Limit: limit}} {
			list, _, err := a.store.Calls(ctx, tenant, f)
			if err != nil {
				return nil, err
			}
			for _, call := range list {
				seen[call.ID] = call
			}
		}
	}
	out := slices.Collect(maps.Values(seen))
	slices.SortFunc(out, func(x, y cdr.Call) int { return strings.Compare(y.ID, x.ID) }) // ids grow with time (UUIDv7)
	return out[:min(len(out), limit)], nil
}

// Cases implements api.Server.
func (a *App) Cases(ctx context.Context, tenant string, f api.CaseFilter) (api.CasePage, error) {
	list, next, err := a.store.Cases(ctx, tenant, store.CaseFilter{Contact: f.Contact, Owner: f.Owner, Type: f.Type, State: f.State, Open: f.Open, Number: f.Number, Cursor: f.Cursor, Limit: f.Limit})
	if list == nil {
		list = []contact.Case{}
	}
	return api.CasePage{Cases: list, Next: next}, toldAbout(err)
}

// Case implements api.Server.
func (a *App) Case(ctx context.Context, tenant, id string) (contact.Case, error) {
	c, err := a.store.Case(ctx, tenant, id)
	return c, toldAbout(err)
}

// CaseTypes implements api.Server.
func (a *App) CaseTypes(_ context.Context, tenant string) ([]contact.Type, error) {
	_, types, err := a.people(tenant)
	out := slices.Collect(maps.Values(types))
	slices.SortFunc(out, func(x, y contact.Type) int { return strings.Compare(x.Name, y.Name) })
	return out, err
}

// SaveCase implements api.Server: id "" opens one.
func (a *App) SaveCase(ctx context.Context, tenant, id string, in api.CaseChange, by string) (contact.Case, error) {
	region, types, err := a.people(tenant)
	if err != nil {
		return contact.Case{}, err
	}
	if in.Contact != nil && *in.Contact != "" {
		if _, err := a.store.Contact(ctx, tenant, *in.Contact); err != nil {
			return contact.Case{}, fmt.Errorf("%w: contact: %w", api.ErrInvalid, err)
		}
	}
	var changed []string
	call := in.CallID
	c, err := a.store.ChangeCase(ctx, tenant, id, func(c *contact.Case) error {
		now := time.Now().UTC().Truncate(time.Millisecond)
		if id == "" {
			fresh, err := uuid.NewV7()
			if err != nil {
				return err
			}
			c.ID, c.Opened, c.CallID = fresh.String(), now, call
		}
		c.Updated = now
		changed = in.Apply(c)
		t, ok := types[c.Type]
		if !ok {
			return fmt.Errorf("%w: type %.80q; want one of %s", contact.ErrInvalid, c.Type, strings.Join(slices.Sorted(maps.Keys(types)), ", "))
		}
		return c.Check(t, region)
	})
	switch {
	case err != nil:
		return c, toldAbout(err)
	case id == "":
		a.tellPeople(tenant, call, event.CaseOpened{Case: c.ID, Number: c.Number, Type: c.Type, State: c.State, Contact: c.Contact, Owner: c.Owner, By: by})
	case len(changed) > 0:
		a.tellPeople(tenant, call, event.CaseChanged{Case: c.ID, Number: c.Number, State: c.State, Owner: c.Owner, Fields: changed, By: by})
	}
	return c, nil
}

// NoteCase implements api.Server.
func (a *App) NoteCase(ctx context.Context, tenant, id string, n api.NoteBody, by string) (contact.Case, error) {
	text, err := contact.CheckNote(n.Text)
	if err != nil {
		return contact.Case{}, toldAbout(err)
	}
	c, err := a.store.ChangeCase(ctx, tenant, id, func(c *contact.Case) error {
		c.Updated = time.Now().UTC().Truncate(time.Millisecond)
		c.Notes = contact.AddNote(c.Notes, contact.Note{At: c.Updated, By: by, CallID: n.CallID, Text: text})
		return nil
	})
	if err == nil {
		a.tellPeople(tenant, n.CallID, event.CaseChanged{Case: c.ID, Number: c.Number, State: c.State, Owner: c.Owner, Fields: []string{"notes"}, By: by})
	}
	return c, toldAbout(err)
}

// Region implements api.Server.
func (a *App) Region(tenant string) string {
	region, _, _ := a.people(tenant)
	return region
}
