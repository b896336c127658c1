package contact

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxRows is the most rows of one import.
const MaxRows = 100000

// ReadCSV reads contacts from a file with a line of names first: name, company,
// number (also number2, number3 ...), email, language, owner, tier; any other column
// is a field of that name. Comma or semicolon parts them, UTF-8, with or without a
// byte order mark. Numbers are read as in region. The errors tell each bad line; the
// others are returned.
func ReadCSV(r io.Reader, region string) ([]Contact, []error) {
	data, err := io.ReadAll(io.LimitReader(r, 64<<20))
	if err != nil {
		return nil, []error{err}
	}
	s := strings.TrimPrefix(string(data), "\ufeff")
	rows := csv.NewReader(strings.NewReader(s))
	if first, _, _ := strings.Cut(s, "\n"); strings.Count(first, ";") > strings.Count(first, ",") {
		rows.Comma = ';'
	}
	rows.FieldsPerRecord, rows.TrimLeadingSpace = -1, true
	head, err := rows.Read()
	if err != nil {
		return nil, []error{fmt.Errorf("line 1: %w; want the names of the columns", err)}
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
	}
	var out []Contact
	var faults []error
	for len(out) < MaxRows {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, faults
		}
		line, _ := rows.FieldPos(0)
		if err == nil {
			var c Contact
			if c, err = fromRow(head, row, region); err == nil {
				out = append(out, c)
				continue
			}
		}
		if faults = append(faults, fmt.Errorf("line %d: %w", line, err)); len(faults) >= 100 {
			return out, append(faults, errors.New("and more"))
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			return out, faults // nobody knows where the next line begins
		}
	}
	return out, append(faults, fmt.Errorf("more than %d rows", MaxRows))
}

func fromRow(head, row []string, region string) (Contact, error) {
	var c Contact
	if len(row) > len(head) {
		return c, fmt.Errorf("%w: %d columns, and %d names", ErrInvalid, len(row), len(head))
	}
	for i, v := range row {
		v = strings.TrimSpace(v)
		if v == "" {
			continue
		}
		switch name := head[i]; {
		case name == "name":
			c.Name = v
		case name == "company":
			c.Company = v
		case strings.TrimRight(name, "0123456789") == "number":
			c.Numbers = append(c.Numbers, v)
		case name == "email":
			c.Email = v
		case name == "language":
			c.Language = v
		case name == "owner":
			c.Owner = v
		case name == "tier":
			c.Tier = v
		default:
			if c.Fields == nil {
				c.Fields = map[string]string{}
			}
			c.Fields[name] = v
		}
	}
	return c, c.Check(region)
}
