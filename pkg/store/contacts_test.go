package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/contact"
)

func contactStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), file(t), Options{FlushEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

var contactDay = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// known makes a contact of a tenant.
func known(t *testing.T, s *Store, tenant, id, name string, numbers ...string) error {
	t.Helper()
	_, err := s.ChangeContact(t.Context(), tenant, "", func(c *contact.Contact) error {
		*c = contact.Contact{ID: id, Name: name, Numbers: numbers, Created: contactDay, Updated: contactDay}
		return nil
	})
	return err
}

// A number is one contact's in a tenant, and another's in the next.
func TestContacts(t *testing.T) {
	s := contactStore(t)
	for _, err := range []error{known(t, s, "a", "1", "Ana", "+40722123456"), known(t, s, "b", "1", "Other", "+40722123456"), known(t, s, "a", "2", "Bob", "+40733123456")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var taken *TakenError
	if err := known(t, s, "a", "3", "Eve", "+40799999999", "+40722123456"); !errors.As(err, &taken) || taken.Contact != "1" || taken.Number != "+40722123456" {
		t.Fatalf("a number of another: %v", err)
	}
	if _, err := s.ContactByNumber(t.Context(), "a", "+40799999999"); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was refused left a number: %v", err)
	}
	for tenant, name := range map[string]string{"a": "Ana", "b": "Other"} {
		if c, err := s.ContactByNumber(t.Context(), tenant, "+40722123456"); err != nil || c.Name != name {
			t.Errorf("%s: %+v %v", tenant, c, err)
		}
	}
	// A change gives old numbers free.
	if _, err := s.ChangeContact(t.Context(), "a", "1", func(c *contact.Contact) error { c.Numbers = []string{"+40744123456"}; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := known(t, s, "a", "3", "Eve", "+40722123456"); err != nil {
		t.Fatalf("a number that is free again: %v", err)
	}
	if _, err := s.ChangeContact(t.Context(), "b", "2", func(*contact.Contact) error { return nil }); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's contact: %v", err)
	}
	boom := errors.New("no")
	if _, err := s.ChangeContact(t.Context(), "a", "1", func(c *contact.Contact) error { c.Name = "changed"; return boom }); !errors.Is(err, boom) {
		t.Errorf("a change that was refused: %v", err)
	}
	if c, _ := s.Contact(t.Context(), "a", "1"); c.Name != "Ana" {
		t.Errorf("a change that was refused stayed: %+v", c)
	}
	names := func(f ContactFilter) string {
		t.Helper()
		out := ""
		for {
			list, next, err := s.Contacts(t.Context(), "a", f)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				out += c.Name + " "
			}
			if f.Cursor = next; next == "" {
				return out
			}
		}
	}
	for want, f := range map[string]ContactFilter{"Eve Bob Ana ": {Limit: 1}, "Bob ": {Search: "bO"}, "Ana ": {Number: "+40744123456"}, "": {Search: "%"}} {
		if got := names(f); got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}

// A merge takes numbers and cases along; a deletion leaves cases without a contact.
func TestMergeAndDeleteContacts(t *testing.T) {
	s := contactStore(t)
	for _, err := range []error{known(t, s, "a", "1", "Ana", "+40722123456"), known(t, s, "a", "2", "Anna", "+40733123456"), known(t, s, "b", "2", "Other", "+40733123456")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, tenant := range []string{"a", "a", "b"} {
		c, err := s.ChangeCase(t.Context(), tenant, "", func(c *contact.Case) error {
			c.ID, c.Type, c.Subject, c.State, c.Contact, c.Opened, c.Updated = fmt.Sprint("c", i), "order", "x", "open", "2", contactDay, contactDay
			return nil
		})
		if err != nil || c.Number != int64(map[int]int{0: 1, 1: 2, 2: 1}[i]) {
			t.Fatalf("case %d: %+v %v", i, c, err)
		}
	}
	c, err := s.MergeContact(t.Context(), "a", "1", "2", contactDay)
	if err != nil || fmt.Sprint(c.Numbers) != "[+40722123456 +40733123456]" {
		t.Fatalf("%+v %v", c, err)
	}
	if found, err := s.ContactByNumber(t.Context(), "a", "+40733123456"); err != nil || found.ID != "1" {
		t.Errorf("the merged number: %+v %v", found, err)
	}
	if _, err := s.MergeContact(t.Context(), "a", "1", "1", contactDay); !errors.Is(err, contact.ErrInvalid) {
		t.Errorf("with itself: %v", err)
	}
	list, _, err := s.Cases(t.Context(), "a", CaseFilter{Contact: "1"})
	if err != nil || len(list) != 2 || list[0].Contact != "1" {
		t.Errorf("cases of the merged: %+v %v", list, err)
	}
	if list, _, _ := s.Cases(t.Context(), "b", CaseFilter{Contact: "2"}); len(list) != 1 {
		t.Errorf("the other tenant's case has gone: %+v", list)
	}
	if err := s.DeleteContact(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ContactByNumber(t.Context(), "a", "+40722123456"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a number of a deleted contact: %v", err)
	}
	if c, err := s.Case(t.Context(), "a", "c0"); err != nil || c.Contact != "" {
		t.Errorf("the case of a deleted contact: %+v %v", c, err)
	}
	closed, err := s.ChangeCase(t.Context(), "a", "c1", func(c *contact.Case) error { c.State, c.Closed = "closed", true; return nil })
	if err != nil || closed.Number != 2 {
		t.Errorf("%+v %v", closed, err)
	}
	if list, _, _ := s.Cases(t.Context(), "a", CaseFilter{Open: true}); len(list) != 1 || list[0].ID != "c0" {
		t.Errorf("open cases: %+v", list)
	}
	if list, _, _ := s.Cases(t.Context(), "a", CaseFilter{Number: 2}); len(list) != 1 || list[0].ID != "c1" {
		t.Errorf("by number: %+v", list)
	}
}
