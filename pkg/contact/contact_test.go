package contact

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNumber(t *testing.T) {
	for in, want := range map[string]string{"0722 123 456": "+40722123456", "+40 722-123-456": "+40722123456", "0040722123456": "+40722123456",
		"101": "101", "+1": "", "anna": "", "": "", "(0722) 123.456": "+40722123456", strings.Repeat("1", 40): ""} {
		if got := Number(in, "RO"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // what was normalised stays
		n := Number(rapid.String().Draw(t, "text"), "RO")
		if n != "" && Number(n, "RO") != n {
			t.Fatalf("%q becomes %q", n, Number(n, "RO"))
		}
	})
}

func TestContactCheck(t *testing.T) {
	c := Contact{Name: " Ștefan ", Numbers: []string{"0722123456", "+40722123456", "101"}, Email: "s@example.com", Language: "ro"}
	if err := c.Check("RO"); err != nil || c.Name != "Ștefan" || fmt.Sprint(c.Numbers) != "[+40722123456 101]" {
		t.Errorf("%+v %v", c, err)
	}
	for _, bad := range []Contact{{}, {Name: "a\x00b"}, {Name: strings.Repeat("a", maxText+1)}, {Name: "a", Numbers: []string{"x"}}, {Name: "a", Email: "a"},
		{Name: "a", Email: "A <a@b.c>"}, {Name: "a", Language: "english"}, {Name: "a", Owner: "../x"}, {Name: "a", Fields: map[string]string{"A B": "x"}}} {
		if err := bad.Check("RO"); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestCaseFields(t *testing.T) {
	typ := Type{Name: "order", Kind: "order", States: []string{"open", "done"}, Final: []string{"done"}, Fields: []Field{{Name: "count", Type: "number", Required: true},
		{Name: "day", Type: "date"}, {Name: "size", Type: "choice", Choices: []string{"s", "m"}}, {Name: "gift", Type: "yes_no"}, {Name: "tel", Type: "phone"}, {Name: "mail", Type: "email"}}}
	good := Case{Subject: "pizza", Fields: map[string]string{"count": "2", "day": "2026-02-28", "size": "m", "gift": "no", "tel": "0722123456", "mail": "a@b.ro"}}
	if err := good.Check(typ, "RO"); err != nil || good.State != "open" || good.Closed || good.Fields["tel"] != "+40722123456" {
		t.Errorf("%+v %v", good, err)
	}
	for field, v := range map[string]string{"count": "two", "day": "2026-02-30", "size": "xl", "gift": "maybe", "tel": "x", "mail": "x", "other": "x"} {
		c := Case{Subject: "pizza", Fields: map[string]string{field: v}}
		if err := c.Check(typ, "RO"); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s=%s: %v", field, v, err)
		}
	}
	c := Case{Subject: "pizza"}
	if err := c.Check(typ, "RO"); err != nil {
		t.Errorf("the rest may be written down later: %v", err)
	}
	c.State = "done"
	if err := c.Check(typ, "RO"); err == nil || !strings.Contains(err.Error(), "count") {
		t.Errorf("closed without a required field: %v", err)
	}
}

func TestMerge(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	a := Contact{Name: "Ana", Numbers: []string{"+40722123456"}, Notes: []Note{{At: at.Add(time.Hour), Text: "two"}}, Created: at.Add(time.Hour), Fields: map[string]string{"vat": "1"}}
	a.Merge(Contact{Name: "Anna", Email: "ana@example.com", Numbers: []string{"+40722123456", "+40733123456"}, Notes: []Note{{At: at, Text: "one"}}, Created: at, Fields: map[string]string{"vat": "2", "city": "Iași"}})
	if a.Name != "Ana" || a.Email != "ana@example.com" || fmt.Sprint(a.Numbers) != "[+40722123456 +40733123456]" || a.Notes[0].Text != "one" || a.Fields["vat"] != "1" || a.Fields["city"] != "Iași" || !a.Created.Equal(at) {
		t.Errorf("%+v", a)
	}
}

func TestReadCSV(t *testing.T) {
	in := "\ufeffName;Number;Number2;Email;City\nAna;0722123456;0733123456;ana@example.com;Iași\nBob;;;;\n;nonsense;;;\n\"Eve; Jr\";0744123456;;;\n"
	list, faults := ReadCSV(strings.NewReader(in), "RO")
	if len(list) != 3 || len(faults) != 1 || !strings.Contains(faults[0].Error(), "line 4") {
		t.Fatalf("%+v %v", list, faults)
	}
	if c := list[0]; c.Name != "Ana" || len(c.Numbers) != 2 || c.Fields["city"] != "Iași" {
		t.Errorf("%+v", c)
	}
	if list[2].Name != "Eve; Jr" {
		t.Errorf("%+v", list[2])
	}
	if _, faults := ReadCSV(strings.NewReader(""), "RO"); len(faults) != 1 {
		t.Errorf("an empty file: %v", faults)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("name,number\nAna,0722123456\n")
	f.Add("name;number\n\"a\nb\";1\n")
	f.Fuzz(func(t *testing.T, s string) {
		list, _ := ReadCSV(strings.NewReader(s), "RO")
		for _, c := range list {
			if err := c.Check("RO"); err != nil {
				t.Fatalf("%+v was read and is %v", c, err)
			}
		}
	})
}

func TestMoney(t *testing.T) {
	f := Field{Name: "sum", Type: "money"}
	for v, ok := range map[string]bool{"0": true, "12.50": true, "-12.50 RON": true, "999999999999999.99 EUR": true, "12 MDL": true,
		"": false, "12.5": false, "12.": false, ".50": false, "1,50": false, "12.50 ron": false, "12.50 LEI2": false, "12.50 ": false, "1e3": false, "9999999999999999": false, "12.50RON": false, "--1": false} {
		if _, err := f.Value(v, ""); (err == nil) != ok {
			t.Errorf("%q: %v, want ok %v", v, err, ok)
		}
	}
}
