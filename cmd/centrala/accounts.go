package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/app"
)

// accounts is what the commands below ask: of the server that runs, or of the data
// folder of one that does not.
type accounts interface {
	Accounts(ctx context.Context) ([]api.Account, error)
	AddAccount(ctx context.Context, name string, node bool) (api.Link, error)
	AccountLink(ctx context.Context, name string) (api.Link, error)
	DisableAccount(ctx context.Context, name string, off bool) error
	SetPassword(ctx context.Context, name, password string) error
	Reset2FA(ctx context.Context, name string) error
	Keys(ctx context.Context) ([]api.Key, error)
	NewKey(ctx context.Context, name, role string, rights []string, expires time.Time, node bool) (api.NewKey, error)
	RevokeKey(ctx context.Context, id string) error
}

// accounts runs do with the server, or without one on its data folder.
func (t target) accounts(c *cli, do func(ctx context.Context, a accounts) error) error {
	ctx := context.Background()
	err := do(ctx, t.client())
	if !errors.Is(err, client.ErrNotRunning) {
		return err
	}
	// A folder that no server has ever used is a typing error, not an empty house.
	if _, serr := os.Stat(t.Data + "/centrala.db"); serr != nil {
		return err
	}
	off, oerr := app.OpenOffline(ctx, t.Data, t.Tenant)
	if oerr != nil {
		return errors.Join(err, oerr)
	}
	fmt.Fprintln(c.errOut, "The server does not run: its data folder is changed directly.")
	return errors.Join(do(ctx, off), off.Close(ctx))
}

type userAddCmd struct {
	target
	Name string   `arg:"" help:"Name of the user resource."`
	Role []string `help:"Makes the user resource with these roles when there is none: agent, supervisor, quality, admin, ops." placeholder:"ROLE"`
	Node bool     `help:"May name every client company and act on the node itself."`
}

func (userAddCmd) Help() string {
	return "Makes an account and prints a one-time link that sets its password.\n\nExamples:\n  centrala user add anna --role agent\n  centrala user add root --node"
}

func (k userAddCmd) Run(c *cli) error {
	return k.accounts(c, func(ctx context.Context, a accounts) error {
		if cl, running := a.(*client.Client); running && len(k.Role) > 0 {
			if err := addUser(ctx, cl, k.Name, k.Tenant, k.Role); err != nil {
				return err
			}
		}
		l, err := a.AddAccount(ctx, k.Name, k.Node)
		if err != nil {
			return err
		}
		return k.link(c, l)
	})
}

// addUser makes the user resource when there is none; one that is there keeps its roles.
func addUser(ctx context.Context, cl *client.Client, name, tenant string, roles []string) error {
	have, err := cl.HasResource(ctx, "user", name)
	if err != nil || have {
		return err
	}
	doc := fmt.Sprintf("kind: user\ntenant: %q\nname: %q\nspec: {roles: [%s]}\n", tenant, name, strings.Join(roles, ", "))
	res, err := cl.Apply(ctx, []byte(doc), "user add", api.ApplyOptions{By: "cli"})
	for _, f := range res.Faults {
		if !f.Warning {
			err = errors.Join(err, f)
		}
	}
	return err
}

func (t target) link(c *cli, l api.Link) error {
	if t.JSON {
		return c.printJSON(l)
	}
	url := l.URL
	if strings.HasPrefix(url, "/") {
		url = "CONSOLE" + url
	}
	_, err := fmt.Fprintf(c.out, "One-time link, good until %s:\n  %s\n", l.Expires.Local().Format("2006-01-02 15:04"), url)
	return err
}

type userLinkCmd struct {
	target
	Name string `arg:"" help:"Account."`
}

func (k userLinkCmd) Run(c *cli) error {
	return k.accounts(c, func(ctx context.Context, a accounts) error {
		l, err := a.AccountLink(ctx, k.Name)
		if err != nil {
			return err
		}
		return k.link(c, l)
	})
}

type userAccountsCmd struct{ target }

func (k userAccountsCmd) Run(c *cli) error {
	return k.accounts(c, func(ctx context.Context, a accounts) error {
		list, err := a.Accounts(ctx)
		if err != nil {
			return err
		}
		if k.JSON {
			return c.printJSON(list)
		}
		return c.table("ACCOUNT\tROLES\tSIGNS IN BY\tSESSIONS\tLAST LOG-IN\tSTATE", func(w io.Writer) {
			for _, v := range list {
				var ways, roles []string
				for _, x := range []struct {
					on   bool
					word string
				}{{v.Password, "password"}, {v.TOTP, "code"}, {v.Passkeys > 0, "passkey"}, {v.SSO, "sso"}} {
					if x.on {
						ways = append(ways, x.word)
					}
				}
				for _, r := range v.Roles {
					roles = append(roles, string(r))
				}
				if v.Node {
					roles = append(roles, "(node)")
				}
				last, state := "-", "-"
				if !v.LastLogin.IsZero() {
					last = v.LastLogin.Local().Format("2006-01-02 15:04")
				}
				if v.Disabled {
					state = "disabled"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", v.Name, dash(strings.Join(roles, " ")), dash(strings.Join(ways, "+")), v.Sessions, last, state)
			}
		})
	})
}

type userDisableCmd struct {
	target
	Name   string `arg:"" help:"Account."`
	Enable bool   `help:"Let it in again."`
}

func (k userDisableCmd) Run(c *cli) error {
	return k.accounts(c, func(ctx context.Context, a accounts) error { return a.DisableAccount(ctx, k.Name, !k.Enable) })
}

type userPasswdCmd struct {
	target
	Name string `arg:"" help:"Account."`
}

func (userPasswdCmd) Help() string {
	return "Reads the new password as one line of standard input. A one-time link (centrala user link) is better: then nobody but its owner knows it."
}

func (k userPasswdCmd) Run(c *cli) error {
	fmt.Fprint(c.errOut, "New password: ")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	password := strings.TrimRight(line, "\r\n")
	return k.accounts(c, func(ctx context.Context, a accounts) error { return a.SetPassword(ctx, k.Name, password) })
}

type userResetCmd struct {
	target
	Name string `arg:"" help:"Account."`
}

func (k userResetCmd) Run(c *cli) error {
	return k.accounts(c, func(ctx context.Context, a accounts) error { return a.Reset2FA(ctx, k.Name) })
}

type tokenCmd struct {
	List   tokenListCmd   `cmd:"" help:"API keys, without their secrets." default:"withargs"`
	Create tokenCreateCmd `cmd:"" help:"Make an API key; its secret is printed once."`
	Revoke tokenRevokeCmd `cmd:"" help:"End an API key."`
}

type tokenListCmd struct{ target }

func (k tokenListCmd) Run(c *cli) error {
	return k.accounts(c, func(ctx context.Context, a accounts) error {
		list, err := a.Keys(ctx)
		if err != nil {
			return err
		}
		if k.JSON {
			return c.printJSON(list)
		}
		return c.table("KEY\tROLE\tRIGHTS\tBY\tEXPIRES\tUSED", func(w io.Writer) {
			at := func(t time.Time) string {
				if t.IsZero() {
					return "never"
				}
				return t.Local().Format("2006-01-02 15:04")
			}
			for _, v := range list {
				rights := "all of the role's"
				if len(v.Rights) > 0 {
					rights = strings.Join(v.Rights, " ")
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Name, v.Role, rights, v.By, at(v.Expires), at(v.Used))
			}
		})
	})
}

type tokenCreateCmd struct {
	target
	Name    string        `arg:"" help:"Name of the key: who uses it."`
	Role    string        `help:"Role whose rights it has." default:"api" enum:"agent,supervisor,quality,admin,ops,api"`
	Rights  []string      `help:"Only these of the role's rights: calls.read,events.read." placeholder:"RIGHT"`
	Expires time.Duration `help:"Good for so long; without it for ever." placeholder:"720h"`
	Node    bool          `help:"May name every client company and act on the node itself."`
}

func (k tokenCreateCmd) Run(c *cli) error {
	var expires time.Time
	if k.Expires > 0 {
		expires = time.Now().Add(k.Expires)
	}
	return k.accounts(c, func(ctx context.Context, a accounts) error {
		v, err := a.NewKey(ctx, k.Name, k.Role, k.Rights, expires, k.Node)
		if err != nil {
			return err
		}
		if k.JSON {
			return c.printJSON(v)
		}
		_, err = fmt.Fprintln(c.out, v.Secret)
		return err
	})
}

type tokenRevokeCmd struct {
	target
	Key string `arg:"" help:"Name or id of the key."`
}

func (k tokenRevokeCmd) Run(c *cli) error {
	return k.accounts(c, func(ctx context.Context, a accounts) error { return a.RevokeKey(ctx, k.Key) })
}
