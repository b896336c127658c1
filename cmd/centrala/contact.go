package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/contact"
)

type contactCmd struct {
	List   contactListCmd   `cmd:"" help:"Customers, changed last first." default:"withargs"`
	Show   contactShowCmd   `cmd:"" help:"One customer: notes, open cases, calls. By id or number."`
	Import contactImportCmd `cmd:"" help:"Take customers of a CSV file (name, number, email, language, owner, tier; other columns become fields)."`
}

type contactListCmd struct {
	target
	Search string `arg:"" optional:"" help:"In names, numbers and addresses."`
	Owner  string `help:"Only of this user."`
	Limit  int    `help:"How many, 1 to 500." default:"50"`
}

func (k contactListCmd) Run(c *cli) error {
	p, err := k.client().Contacts(context.Background(), api.ContactFilter{Search: k.Search, Owner: k.Owner, Limit: k.Limit})
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(p)
	}
	return c.table("ID\tNAME\tNUMBERS\tEMAIL\tTIER\tOWNER\tCHANGED", func(w io.Writer) {
		for _, x := range p.Contacts {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, dash(x.Name), dash(strings.Join(x.Numbers, " ")), dash(x.Email), dash(x.Tier), dash(x.Owner), clock(x.Updated))
		}
	})
}

type contactShowCmd struct {
	target
	ID string `arg:"" name:"id-or-number" help:"Contact id, or a telephone number."`
}

func (k contactShowCmd) Run(c *cli) error {
	ctx, cl := context.Background(), k.client()
	id := k.ID
	if p, err := cl.Contacts(ctx, api.ContactFilter{Number: k.ID, Limit: 1}); err == nil && len(p.Contacts) == 1 {
		id = p.Contacts[0].ID
	}
	x, err := cl.Contact(ctx, id)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(x)
	}
	fmt.Fprintf(c.out, "%s\n  %s, %s\n", dash(x.Name), dash(strings.Join(x.Numbers, " ")), dash(x.Email))
	for _, f := range []struct{ name, value string }{{"company", x.Company}, {"language", x.Language}, {"tier", x.Tier}, {"owner", x.Owner}} {
		if f.value != "" {
			fmt.Fprintf(c.out, "  %s: %s\n", f.name, f.value)
		}
	}
	printFields(c.out, x.Fields)
	printNotes(c.out, x.Notes)
	cases, err := cl.Cases(ctx, api.CaseFilter{Contact: x.ID, Open: true, Limit: 20})
	if err != nil {
		return err
	}
	for _, y := range cases.Cases {
		fmt.Fprintf(c.out, "  case %d, %s, %s: %s\n", y.Number, y.Type, y.State, y.Subject)
	}
	calls, err := cl.ContactHistory(ctx, x.ID, 10)
	if err != nil {
		return err
	}
	for _, y := range calls {
		fmt.Fprintf(c.out, "  call %s  %s  %s -> %s  %s  talk %s\n", y.ID, clock(y.Started), dash(y.From), dash(y.To), dash(y.Agent), seconds(y.TalkMs))
	}
	return nil
}

func printFields(w io.Writer, f map[string]string) {
	names := make([]string, 0, len(f))
	for n := range f {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(w, "  %s: %s\n", n, f[n])
	}
}

func printNotes(w io.Writer, list []contact.Note) {
	for _, n := range list {
		fmt.Fprintf(w, "  %s %s: %s\n", clock(n.At), n.By, n.Text)
	}
}

type contactImportCmd struct {
	target
	File string `arg:"" help:"CSV file; - is the standard input."`
}

func (k contactImportCmd) Run(c *cli) error {
	var in io.Reader = os.Stdin
	if k.File != "-" {
		f, err := os.Open(k.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	r, err := k.client().ImportContacts(context.Background(), in, "cli")
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(r)
	}
	fmt.Fprintf(c.out, "%d new, %d changed\n", r.Created, r.Changed)
	for _, f := range r.Faults {
		fmt.Fprintln(c.errOut, f)
	}
	if len(r.Faults) > 0 {
		return saidError{fmt.Errorf("%d lines were not taken", len(r.Faults))}
	}
	return nil
}

type caseCmd struct {
	List caseListCmd `cmd:"" help:"Orders, complaints and requests, changed last first." default:"withargs"`
	Show caseShowCmd `cmd:"" help:"One case, by its number or id."`
}

type caseListCmd struct {
	target
	Open    bool   `help:"Only those that are not closed."`
	Owner   string `help:"Only of this user."`
	Type    string `help:"Only of this case type."`
	State   string `help:"Only in this state."`
	Contact string `help:"Only of this contact (id)."`
	Limit   int    `help:"How many, 1 to 500." default:"50"`
}

func (k caseListCmd) Run(c *cli) error {
	p, err := k.client().Cases(context.Background(), api.CaseFilter{Open: k.Open, Owner: k.Owner, Type: k.Type, State: k.State, Contact: k.Contact, Limit: k.Limit})
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(p)
	}
	return c.table("NUMBER\tTYPE\tSTATE\tSUBJECT\tOWNER\tOPENED\tCHANGED\tID", func(w io.Writer) {
		for _, x := range p.Cases {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Number, x.Type, x.State, x.Subject, dash(x.Owner), clock(x.Opened), clock(x.Updated), x.ID)
		}
	})
}

type caseShowCmd struct {
	target
	ID string `arg:"" name:"number-or-id" help:"The case's number, or its id."`
}

func (k caseShowCmd) Run(c *cli) error {
	ctx, cl := context.Background(), k.client()
	id := k.ID
	if n, err := strconv.ParseInt(k.ID, 10, 64); err == nil {
		p, err := cl.Cases(ctx, api.CaseFilter{Number: n, Limit: 1})
		if err != nil {
			return err
		}
		if len(p.Cases) == 1 {
			id = p.Cases[0].ID
		}
	}
	x, err := cl.Case(ctx, id)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(x)
	}
	fmt.Fprintf(c.out, "case %d, %s, %s\n  %s\n  opened %s, changed %s, owner %s, contact %s, call %s\n", x.Number, x.Type, x.State, x.Subject,
		clock(x.Opened), clock(x.Updated), dash(x.Owner), dash(x.Contact), dash(x.CallID))
	printFields(c.out, x.Fields)
	printNotes(c.out, x.Notes)
	return nil
}
