// Package contact holds the words of who calls and what about: contacts (customers)
// and cases (orders, complaints, requests), and the rules of what they may be. It is
// pure; pkg/store keeps them.
package contact

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/centrala/centrala/pkg/e164"
)

// ErrInvalid is wrapped by every refusal of a contact, a case or a field.
var ErrInvalid = errors.New("invalid")

// Bounds.
const (
	MaxNumbers = 20
	MaxFields  = 50
	MaxNotes   = 500  // of one contact or case; the oldest go
	MaxNote    = 4000 // characters
	maxText    = 200  // characters of a name, an address, a subject
	maxValue   = 2000 // characters of a field
)

// Contact is a customer.
type Contact struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Company  string            `json:"company,omitempty"`
	Numbers  []string          `json:"numbers"` // E.164 with +, or as dialled when no plan has it; the first is called back
	Email    string            `json:"email,omitempty"`
	Language string            `json:"language,omitempty"` // "en", "ro", "ru"
	Owner    string            `json:"owner,omitempty"`    // user who looks after the contact
	Tier     string            `json:"tier,omitempty"`     // a word of the tenant's, such as gold
	Fields   map[string]string `json:"fields,omitempty"`   // of the tenant's own
	Notes    []Note            `json:"notes,omitempty"`    // oldest first
	Created  time.Time         `json:"created"`
	Updated  time.Time         `json:"updated"`
}

// Note is what somebody wrote down.
type Note struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	CallID string    `json:"call_id,omitempty"`
	Text   string    `json:"text"`
}

// Case is an order, a complaint or a request.
type Case struct {
	ID      string            `json:"id"`
	Number  int64             `json:"number"` // of the tenant, from 1
	Type    string            `json:"type"`   // a case type's name
	State   string            `json:"state"`
	Subject string            `json:"subject"`
	Contact string            `json:"contact,omitempty"` // id
	Owner   string            `json:"owner,omitempty"`   // user who works on it
	Fields  map[string]string `json:"fields,omitempty"`
	Notes   []Note            `json:"notes,omitempty"` // oldest first
	CallID  string            `json:"call_id,omitempty"`
	Closed  bool              `json:"closed"`
	Opened  time.Time         `json:"opened"`
	Updated time.Time         `json:"updated"`
}

// Type says what cases of a type are.
type Type struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"` // order, complaint, request
	States []string `json:"states"`
	// Final are the states in which a case is closed.
	Final  []string `json:"final"`
	Fields []Field  `json:"fields,omitempty"`
}

// Field is one thing that a case has to say.
type Field struct {
	Name     string   `json:"name"`
	Label    string   `json:"label,omitempty"`
	Type     string   `json:"type"` // text, number, money, date, choice, yes_no, phone, email
	Required bool     `json:"required,omitempty"`
	Choices  []string `json:"choices,omitempty"`
}

// Kinds and FieldTypes list the words that a Type may have.
var (
	Kinds      = []string{"order", "complaint", "request"}
	FieldTypes = []string{"text", "number", "money", "date", "choice", "yes_no", "phone", "email"}
)

// DefaultTypes are those of a tenant that defines none: one a kind, without fields.
func DefaultTypes() map[string]Type {
	out := map[string]Type{}
	for _, k := range Kinds {
		out[k] = Type{Name: k, Kind: k, States: []string{"open", "in_progress", "closed"}, Final: []string{"closed"}}
	}
	return out
}

// Number is a telephone number in the form in which contacts have it: E.164 with +
// where the region's plan knows it, else the bare digits. "" = nothing to look up.
func Number(s, region string) string {
	s = strings.TrimSpace(s)
	if n, ok := e164.Parse(s, region); ok {
		return n.String()
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9', r == '+' && i == 0:
			b.WriteRune(r)
		case strings.ContainsRune(" -./()", r):
		default:
			return ""
		}
	}
	if n := len(strings.TrimPrefix(b.String(), "+")); n < 2 || n > 32 {
		return ""
	}
	return b.String()
}

// text bounds a line of what people write; many keeps its line breaks.
func text(what, s string, most int, many bool) (string, error) {
	s = strings.TrimSpace(s)
	if n := len([]rune(s)); n > most {
		return "", fmt.Errorf("%w: %s: %d characters; want up to %d", ErrInvalid, what, n, most)
	}
	for _, r := range s {
		if unicode.IsControl(r) && !(many && (r == '\n' || r == '\t')) || r == unicode.ReplacementChar {
			return "", fmt.Errorf("%w: %s: has a control character", ErrInvalid, what)
		}
	}
	return s, nil
}

func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// Check brings a contact into its form and tells what is wrong with it. Numbers are
// read as in region.
func (c *Contact) Check(region string) error {
	var errs []error
	for what, s := range map[string]*string{"name": &c.Name, "company": &c.Company, "tier": &c.Tier} {
		var err error
		if *s, err = text(what, *s, maxText, false); err != nil {
			errs = append(errs, err)
		}
	}
	var numbers []string
	for _, s := range c.Numbers {
		n := Number(s, region)
		switch {
		case n == "":
			errs = append(errs, fmt.Errorf("%w: numbers: %.40q is no telephone number", ErrInvalid, s))
		case !slices.Contains(numbers, n):
			numbers = append(numbers, n)
		}
	}
	c.Numbers = numbers
	if len(numbers) > MaxNumbers {
		errs = append(errs, fmt.Errorf("%w: numbers: %d; want up to %d", ErrInvalid, len(numbers), MaxNumbers))
	}
	if c.Email != "" {
		if p, err := mail.ParseAddress(c.Email); err != nil || p.Address != c.Email || len(c.Email) > maxText {
			errs = append(errs, fmt.Errorf("%w: email: %.80q is no address", ErrInvalid, c.Email))
		}
	}
	if c.Language != "" && (len(c.Language) < 2 || len(c.Language) > 3 || !isName(c.Language)) {
		errs = append(errs, fmt.Errorf(`%w: language: %.20q; want one such as "en"`, ErrInvalid, c.Language))
	}
	if c.Owner != "" && !isName(c.Owner) {
		errs = append(errs, fmt.Errorf("%w: owner: %.80q is no user's name", ErrInvalid, c.Owner))
	}
	if c.Name == "" && len(c.Numbers) == 0 && c.Email == "" {
		errs = append(errs, fmt.Errorf("%w: want a name, a number or an address", ErrInvalid))
	}
	errs = append(errs, fields(c.Fields))
	return errors.Join(errs...)
}

// fields checks free fields.
func fields(f map[string]string) error {
	if len(f) > MaxFields {
		return fmt.Errorf("%w: fields: %d; want up to %d", ErrInvalid, len(f), MaxFields)
	}
	for k, v := range f {
		if !isName(k) {
			return fmt.Errorf("%w: fields: name %.80q; want lower case letters, digits, - and _", ErrInvalid, k)
		}
		s, err := text("fields."+k, v, maxValue, true)
		if err != nil {
			return err
		}
		f[k] = s
	}
	return nil
}

// CheckNote bounds what somebody writes down.
func CheckNote(s string) (string, error) {
	s, err := text("text", s, MaxNote, true)
	if err == nil && s == "" {
		err = fmt.Errorf("%w: text: empty", ErrInvalid)
	}
	return s, err
}

// AddNote writes a note down; of more than MaxNotes the oldest goes.
func AddNote(list []Note, n Note) []Note {
	list = append(slices.Clone(list), n)
	return list[max(0, len(list)-MaxNotes):]
}

// Check tells what is wrong with a case of its type, and keeps Closed right.
func (c *Case) Check(t Type, region string) error {
	var errs []error
	var err error
	if c.Subject, err = text("subject", c.Subject, maxText, false); err != nil {
		errs = append(errs, err)
	}
	if c.Subject == "" {
		errs = append(errs, fmt.Errorf("%w: subject: empty", ErrInvalid))
	}
	if c.State == "" {
		c.State = t.States[0]
	}
	if !slices.Contains(t.States, c.State) {
		errs = append(errs, fmt.Errorf("%w: state %.40q; want one of %s", ErrInvalid, c.State, strings.Join(t.States, ", ")))
	}
	c.Closed = slices.Contains(t.Final, c.State)
	if c.Owner != "" && !isName(c.Owner) {
		errs = append(errs, fmt.Errorf("%w: owner: %.80q is no user's name", ErrInvalid, c.Owner))
	}
	if err := fields(c.Fields); err != nil {
		errs = append(errs, err)
	}
	for name := range c.Fields {
		if len(t.Fields) > 0 && !slices.ContainsFunc(t.Fields, func(f Field) bool { return f.Name == name }) {
			errs = append(errs, fmt.Errorf("%w: fields.%s: cases of the type %s have none of that name", ErrInvalid, name, t.Name))
		}
	}
	for _, f := range t.Fields {
		v, there := c.Fields[f.Name]
		if v == "" {
			if f.Required && c.Closed { // an agent may write the rest down after the call
				errs = append(errs, fmt.Errorf("%w: fields.%s: missing, and the case cannot be closed without", ErrInvalid, f.Name))
			}
			continue
		}
		if v, err = f.Value(v, region); err != nil {
			errs = append(errs, err)
		} else if there {
			c.Fields[f.Name] = v
		}
	}
	return errors.Join(errs...)
}

// Value brings a field's value into its form; the error wraps ErrInvalid. Numbers are
// read as in region.
func (f Field) Value(v, region string) (string, error) {
	want := ""
	switch f.Type {
	case "number":
		if s := strings.TrimPrefix(v, "-"); s == "" || len(s) > 20 || strings.Trim(s, "0123456789.") != "" || strings.Count(s, ".") > 1 || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
			want = "a number such as 12 or 12.50"
		}
	case "money":
		// "12.50", or with its currency: "12.50 RON" (ISO 4217).
		sum, currency, has := strings.Cut(v, " ")
		whole, part, cents := strings.Cut(strings.TrimPrefix(sum, "-"), ".")
		if whole == "" || len(whole) > 15 || strings.Trim(whole+part, "0123456789") != "" || cents && len(part) != 2 ||
			has && (len(currency) != 3 || strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
			want = "a sum such as 12.50 or 12.50 RON"
		}
	case "date":
		if _, err := time.Parse(time.DateOnly, v); err != nil {
			want = "a date such as 2026-11-23"
		}
	case "choice":
		if !slices.Contains(f.Choices, v) {
			want = "one of " + strings.Join(f.Choices, ", ")
		}
	case "yes_no":
		if v != "yes" && v != "no" {
			want = "yes or no"
		}
	case "phone":
		if n := Number(v, region); n != "" {
			return n, nil
		}
		want = "a telephone number"
	case "email":
		if p, err := mail.ParseAddress(v); err != nil || p.Address != v {
			want = "an address such as anna@example.com"
		}
	}
	if want != "" {
		return "", fmt.Errorf("%w: fields.%s: %.60q; want %s", ErrInvalid, f.Name, v, want)
	}
	return v, nil
}

// Merge puts what other knows into c, which keeps its own where both say something.
// Numbers and notes of both stay.
func (c *Contact) Merge(other Contact) {
	for _, p := range []struct{ to, from *string }{{&c.Name, &other.Name}, {&c.Company, &other.Company}, {&c.Email, &other.Email}, {&c.Language, &other.Language}, {&c.Owner, &other.Owner}, {&c.Tier, &other.Tier}} {
		if *p.to == "" {
			*p.to = *p.from
		}
	}
	for _, n := range other.Numbers {
		if !slices.Contains(c.Numbers, n) && len(c.Numbers) < MaxNumbers {
			c.Numbers = append(c.Numbers, n)
		}
	}
	for k, v := range other.Fields {
		if c.Fields == nil {
			c.Fields = map[string]string{}
		}
		if _, has := c.Fields[k]; !has && len(c.Fields) < MaxFields {
			c.Fields[k] = v
		}
	}
	notes := append(slices.Clone(c.Notes), other.Notes...)
	slices.SortStableFunc(notes, func(a, b Note) int { return a.At.Compare(b.At) })
	c.Notes = notes[max(0, len(notes)-MaxNotes):]
	if !other.Created.IsZero() && other.Created.Before(c.Created) {
		c.Created = other.Created
	}
}

// SearchText is what a contact is found by.
func (c *Contact) SearchText() string {
	return strings.ToLower(strings.Join(append([]string{c.Name, c.Company, c.Email}, c.Numbers...), "\n"))
}
