package app_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/contact"
)

// What a desk does with a customer: made, found by number however it is written, noted,
// a case opened and closed; another tenant sees nothing of it.
func TestContactsAndCases(t *testing.T) {
	n := up(t)
	ctx := context.Background()
	text := func(s string) *string { return &s }
	ana, err := n.SaveContact(ctx, "default", "", api.ContactChange{Name: text("Ana"), Numbers: []string{"+40 722 123 456"}}, "bob", "")
	if err != nil || ana.Numbers[0] != "+40722123456" {
		t.Fatalf("%+v %v", ana, err)
	}
	for _, q := range []api.ContactFilter{{Number: "0040722123456"}, {Search: "+40 722-123-456"}, {Search: "ANA"}} {
		if p, err := n.Contacts(ctx, "default", q); err != nil || len(p.Contacts) != 1 {
			t.Errorf("%+v: %+v %v", q, p, err)
		}
		if p, err := n.Contacts(ctx, "acme", q); err != nil || len(p.Contacts) != 0 {
			t.Errorf("acme sees %+v %v", p, err)
		}
	}
	if _, err := n.SaveContact(ctx, "default", "", api.ContactChange{Name: text("Eve"), Numbers: []string{"+40722123456"}}, "bob", ""); !errors.Is(err, api.ErrConflict) || !strings.Contains(err.Error(), ana.ID) {
		t.Errorf("a number of another: %v", err)
	}
	if _, err := n.SaveContact(ctx, "acme", ana.ID, api.ContactChange{Name: text("x")}, "bob", ""); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("acme changes it: %v", err)
	}
	if c, err := n.NoteContact(ctx, "default", ana.ID, api.NoteBody{Text: "prefers mornings"}, "bob"); err != nil || len(c.Notes) != 1 || c.Notes[0].By != "bob" {
		t.Errorf("%+v %v", c, err)
	}
	k, err := n.SaveCase(ctx, "default", "", api.CaseChange{Type: text("complaint"), Subject: text("late"), Contact: &ana.ID, Owner: text("bob")}, "bob")
	if err != nil || k.Number != 1 || k.State != "open" || k.Closed {
		t.Fatalf("%+v %v", k, err)
	}
	for what, in := range map[string]api.CaseChange{"type": {Type: text("nonsense"), Subject: text("x")}, "contact": {Type: text("order"), Subject: text("x"), Contact: text("nobody")}, "state": {Type: text("order"), Subject: text("x"), State: text("flying")}} {
		if _, err := n.SaveCase(ctx, "default", "", in, "bob"); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("a case with a %s that is none: %v", what, err)
		}
	}
	if k, err = n.SaveCase(ctx, "default", k.ID, api.CaseChange{State: text("closed")}, "bob"); err != nil || !k.Closed {
		t.Errorf("%+v %v", k, err)
	}
	rows, faults := contact.ReadCSV(strings.NewReader("name,number,city\nAna Pop,+40722123456,Iași\nBob,+40733123456,\n,,\n"), n.Region("default"))
	r, err := n.ImportContacts(ctx, "default", rows, faults, "cli")
	if err != nil || r.Created != 1 || r.Changed != 1 || len(r.Faults) != 1 {
		t.Errorf("%+v %v", r, err)
	}
	if c, _ := n.Contact(ctx, "default", ana.ID); c.Name != "Ana Pop" || c.Fields["city"] != "Iași" || len(c.Notes) != 1 {
		t.Errorf("%+v", c)
	}
	if calls, err := n.ContactHistory(ctx, "default", ana.ID, 10); err != nil || len(calls) != 0 {
		t.Errorf("%+v %v", calls, err)
	}
	if err := n.DeleteContact(ctx, "default", ana.ID, "bob"); err != nil {
		t.Error(err)
	}
	if k, err := n.Case(ctx, "default", k.ID); err != nil || k.Contact != "" {
		t.Errorf("%+v %v", k, err)
	}
}
