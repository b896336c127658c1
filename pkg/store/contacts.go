package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/contact"
)

// TakenError: a number belongs to another contact already.
type TakenError struct{ Number, Contact string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("the number %s belongs to contact %s", e.Number, e.Contact)
}

// ContactFilter chooses contacts; zero fields choose all.
type ContactFilter struct {
	Search string // in names, numbers and addresses, any case
	Number string // exact, in the form of contact.Number
	Owner  string
	Cursor string
	Limit  int // 1..1000; 0 = 100
}

// ChangeContact reads a contact, has change change it and keeps it, as one. id "" makes
// a new one, whose ID change has to set. A number that another contact has is refused
// with a TakenError. Errors: ErrNotFound, and those of change.
func (s *Store) ChangeContact(ctx context.Context, tenant, id string, change func(*contact.Contact) error) (contact.Contact, error) {
	var c contact.Contact
	err := s.update(ctx, func(ctx context.Context, tx execer) error {
		c = contact.Contact{}
		if id != "" {
			var err error
			if c, err = readContact(ctx, tx, tenant, id); err != nil {
				return err
			}
		}
		if err := change(&c); err != nil {
			return err
		}
		return s.putContact(ctx, tx, tenant, &c)
	})
	if err != nil {
		return contact.Contact{}, err // c may be the writer's still
	}
	return c, nil
}

func (s *Store) putContact(ctx context.Context, tx execer, tenant string, c *contact.Contact) error {
	for _, n := range c.Numbers {
		var owner string
		switch err := tx.QueryRowContext(ctx, `SELECT contact FROM contact_numbers WHERE tenant = ? AND number = ?`, tenant, n).Scan(&owner); {
		case err == nil && owner != c.ID:
			return &TakenError{n, owner}
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("store: read contact: %w", err)
		}
	}
	text, err := json.Marshal(c)
	if err == nil {
		err = s.exec(ctx, `DELETE FROM contact_numbers WHERE tenant = ? AND contact = ?`, tenant, c.ID)
	}
	for _, n := range c.Numbers {
		if err == nil {
			err = s.exec(ctx, `INSERT INTO contact_numbers (tenant, number, contact) VALUES (?,?,?)`, tenant, n, c.ID)
		}
	}
	if err == nil {
		err = s.exec(ctx, `INSERT INTO contacts (tenant, id, updated, owner, search, contact) VALUES (?,?,?,?,?,?) ON CONFLICT (tenant, id) DO UPDATE SET
updated = excluded.updated, owner = excluded.owner, search = excluded.search, contact = excluded.contact`,
			tenant, c.ID, c.Updated.UnixMilli(), c.Owner, c.SearchText(), string(text))
	}
	if err != nil {
		return fmt.Errorf("store: write contact: %w", err)
	}
	return nil
}

// rower is what reads: the writer's connection, or the readers'.
type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readContact(ctx context.Context, db rower, tenant, id string) (c contact.Contact, err error) {
	return c, readJSON(db.QueryRowContext(ctx, `SELECT contact FROM contacts WHERE tenant = ? AND id = ?`, tenant, id), &c, "contact", id)
}

func readJSON(row *sql.Row, v any, what, id string) error {
	var text string
	err := row.Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s %q: %w", what, id, ErrNotFound)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), v)
	}
	if err != nil {
		return fmt.Errorf("store: read %s: %w", what, err)
	}
	return nil
}

// Contact reads one. Errors: ErrNotFound.
func (s *Store) Contact(ctx context.Context, tenant, id string) (contact.Contact, error) {
	return readContact(ctx, s.read, tenant, id)
}

// ContactByNumber finds whose number it is, in the form of contact.Number. Errors:
// ErrNotFound.
func (s *Store) ContactByNumber(ctx context.Context, tenant, number string) (c contact.Contact, err error) {
	return c, readJSON(s.read.QueryRowContext(ctx, `SELECT c.contact FROM contact_numbers n JOIN contacts c ON c.tenant = n.tenant AND c.id = n.contact WHERE n.tenant = ? AND n.number = ?`, tenant, number), &c, "contact", number)
}

// MergeContact makes from a part of id: its numbers, notes, fields and cases. now is
// when. Errors: ErrNotFound; contact.ErrInvalid when they are one and the same.
func (s *Store) MergeContact(ctx context.Context, tenant, id, from string, now time.Time) (contact.Contact, error) {
	var c contact.Contact
	if id == from {
		return c, fmt.Errorf("contact %q: with itself: %w", id, contact.ErrInvalid)
	}
	err := s.update(ctx, func(ctx context.Context, tx execer) (err error) {
		if c, err = readContact(ctx, tx, tenant, id); err != nil {
			return err
		}
		other, err := readContact(ctx, tx, tenant, from)
		if err != nil {
			return err
		}
		c.Merge(other)
		c.Updated = now
		if err := s.dropContact(ctx, tenant, from); err != nil {
			return err
		}
		if err := s.putContact(ctx, tx, tenant, &c); err != nil {
			return err
		}
		return s.exec(ctx, `UPDATE cases SET contact = ?, doc = json_set(doc, '$.contact', ?) WHERE tenant = ? AND contact = ?`, id, id, tenant, from)
	})
	if err != nil {
		return contact.Contact{}, err
	}
	return c, nil
}

func (s *Store) dropContact(ctx context.Context, tenant, id string) error {
	return errors.Join(s.exec(ctx, `DELETE FROM contact_numbers WHERE tenant = ? AND contact = ?`, tenant, id),
		s.exec(ctx, `DELETE FROM contacts WHERE tenant = ? AND id = ?`, tenant, id))
}

// DeleteContact forgets a contact. Its cases stay, and name it no more. Errors:
// ErrNotFound.
func (s *Store) DeleteContact(ctx context.Context, tenant, id string) error {
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		if _, err := readContact(ctx, tx, tenant, id); err != nil {
			return err
		}
		return errors.Join(s.dropContact(ctx, tenant, id), s.exec(ctx, `UPDATE cases SET contact = '', doc = json_remove(doc, '$.contact') WHERE tenant = ? AND contact = ?`, tenant, id))
	})
}

// Contacts lists a tenant's contacts, changed last first, and the cursor of the next
// page ("" = no more).
func (s *Store) Contacts(ctx context.Context, tenant string, f ContactFilter) ([]contact.Contact, string, error) {
	w := where{sql: []string{"1"}, args: []any{tenant}}
	w.equal("owner", f.Owner)
	if f.Number != "" {
		w.and("id = (SELECT contact FROM contact_numbers n WHERE n.tenant = ? AND n.number = ?)", tenant, f.Number)
	}
	if f.Search != "" {
		w.and("instr(search, ?) > 0", strings.ToLower(f.Search))
	}
	if err := w.beyond("(updated, id)", f.Cursor); err != nil {
		return nil, "", err
	}
	return listJSON(ctx, s, `SELECT contact FROM contacts WHERE tenant = ? AND `+strings.Join(w.sql, " AND ")+` ORDER BY updated DESC, id DESC LIMIT ?`, w.args, f.Limit,
		func(c *contact.Contact) string { return cursor(c.Updated, c.ID) })
}

// listJSON reads a page of documents.
func listJSON[T any](ctx context.Context, s *Store, query string, args []any, limit int, at func(*T) string) (list []T, next string, err error) {
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	rows, err := s.read.QueryContext(ctx, query, append(args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var v T
		if err := rows.Scan(&text); err != nil {
			return nil, "", fmt.Errorf("store: read: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, "", fmt.Errorf("store: read: %w", err)
		}
		list = append(list, v)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("store: read: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = at(&list[limit-1])
	}
	return list, next, nil
}

// CaseFilter chooses cases; zero fields choose all.
type CaseFilter struct {
	Contact, Owner, Type, State string
	Open                        bool // only those not closed
	Number                      int64
	Cursor                      string
	Limit                       int // 1..1000; 0 = 100
}

// ChangeCase reads a case, has change change it and keeps it, as one. id "" opens a new
// one, whose ID change has to set; its Number is given here. Errors: ErrNotFound, and
// those of change.
func (s *Store) ChangeCase(ctx context.Context, tenant, id string, change func(*contact.Case) error) (contact.Case, error) {
	var c contact.Case
	err := s.update(ctx, func(ctx context.Context, tx execer) (err error) {
		c = contact.Case{}
		if id != "" {
			if c, err = readCase(ctx, tx, tenant, id); err != nil {
				return err
			}
		} else if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(number), 0) + 1 FROM cases WHERE tenant = ?`, tenant).Scan(&c.Number); err != nil {
			return fmt.Errorf("store: read case: %w", err)
		}
		if err := change(&c); err != nil {
			return err
		}
		text, err := json.Marshal(&c)
		if err == nil {
			err = s.exec(ctx, `INSERT INTO cases (tenant, id, number, type, state, closed, contact, owner, opened, updated, doc) VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (tenant, id) DO UPDATE SET
type = excluded.type, state = excluded.state, closed = excluded.closed, contact = excluded.contact, owner = excluded.owner, updated = excluded.updated, doc = excluded.doc`,
				tenant, c.ID, c.Number, c.Type, c.State, c.Closed, c.Contact, c.Owner, c.Opened.UnixMilli(), c.Updated.UnixMilli(), string(text))
		}
		if err != nil {
			return fmt.Errorf("store: write case: %w", err)
		}
		return nil
	})
	if err != nil {
		return contact.Case{}, err
	}
	return c, nil
}

func readCase(ctx context.Context, db rower, tenant, id string) (c contact.Case, err error) {
	return c, readJSON(db.QueryRowContext(ctx, `SELECT doc FROM cases WHERE tenant = ? AND id = ?`, tenant, id), &c, "case", id)
}

// Case reads one. Errors: ErrNotFound.
func (s *Store) Case(ctx context.Context, tenant, id string) (contact.Case, error) {
	return readCase(ctx, s.read, tenant, id)
}

// Cases lists a tenant's cases, changed last first, and the cursor of the next page
// ("" = no more).
func (s *Store) Cases(ctx context.Context, tenant string, f CaseFilter) ([]contact.Case, string, error) {
	w := where{sql: []string{"1"}, args: []any{tenant}}
	for column, v := range map[string]string{"contact": f.Contact, "owner": f.Owner, "type": f.Type, "state": f.State} {
		w.equal(column, v)
	}
	if f.Open {
		w.and("closed = 0")
	}
	if f.Number > 0 {
		w.and("number = ?", f.Number)
	}
	if err := w.beyond("(updated, id)", f.Cursor); err != nil {
		return nil, "", err
	}
	return listJSON(ctx, s, `SELECT doc FROM cases WHERE tenant = ? AND `+strings.Join(w.sql, " AND ")+` ORDER BY updated DESC, id DESC LIMIT ?`, w.args, f.Limit,
		func(c *contact.Case) string { return cursor(c.Updated, c.ID) })
}

// importChunk is how many contacts one turn of the writer takes: the journal waits for
// it some 60 ms.
const importChunk = 300

// ImportContacts keeps contacts read from a file. A row that has a number of a contact
// changes that one; put makes c, new or as it stands, what it is to be. It returns the
// ids and what refused which row, by its index.
func (s *Store) ImportContacts(ctx context.Context, tenant string, rows []contact.Contact, put func(c *contact.Contact, row contact.Contact, fresh bool) error) (created, changed []string, refused map[int]error, err error) {
	refused = map[int]error{}
	for from := 0; from < len(rows); from += importChunk {
		var made, kept []string
		bad := map[int]error{}
		err := s.update(ctx, func(ctx context.Context, tx execer) error {
			for i, row := range rows[from:min(from+importChunk, len(rows))] {
				c, fresh, err := s.contactOf(ctx, tx, tenant, row.Numbers)
				if err != nil {
					return err
				}
				if err = put(&c, row, fresh); err == nil {
					err = s.putContact(ctx, tx, tenant, &c)
				}
				switch {
				case err != nil:
					bad[from+i] = err
				case fresh:
					made = append(made, c.ID)
				default:
					kept = append(kept, c.ID)
				}
			}
			return nil
		})
		if err != nil {
			return created, changed, refused, err
		}
		created, changed = append(created, made...), append(changed, kept...)
		for i, e := range bad {
			refused[i] = e
		}
	}
	return created, changed, refused, nil
}

// contactOf finds the contact that has one of the numbers; fresh: there is none.
func (s *Store) contactOf(ctx context.Context, tx execer, tenant string, numbers []string) (c contact.Contact, fresh bool, err error) {
	for _, n := range numbers {
		var id string
		err := tx.QueryRowContext(ctx, `SELECT contact FROM contact_numbers WHERE tenant = ? AND number = ?`, tenant, n).Scan(&id)
		switch {
		case err == nil:
			c, err = readContact(ctx, tx, tenant, id)
			return c, false, err
		case !errors.Is(err, sql.ErrNoRows):
			return c, false, fmt.Errorf("store: read contact: %w", err)
		}
	}
	return c, true, nil
}
