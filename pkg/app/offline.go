package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/auth/account"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// Offline manages the accounts of a node that does not run: who has locked the house
// and lost the key opens it on the machine itself. It has the methods of the API's
// client.
type Offline struct {
	store  *store.Store
	auth   *auth.Service
	set    *resource.Set
	tenant string
}

// OpenOffline opens the data folder of a node that does not run; one that runs holds
// its lock and is refused.
func OpenOffline(ctx context.Context, data, tenant string) (*Offline, error) {
	s, err := store.Open(ctx, filepath.Join(data, "centrala.db"), store.Options{})
	if err != nil {
		return nil, err
	}
	set, err := s.Load(ctx)
	if err != nil {
		s.Close(ctx)
		return nil, err
	}
	o := &Offline{store: s, set: set, tenant: tenant}
	if o.auth, err = auth.New(ctx, auth.Config{}, s, o); err != nil {
		s.Close(ctx)
		return nil, err
	}
	return o, nil
}

// Close makes durable what was changed.
func (o *Offline) Close(ctx context.Context) error { return o.store.Close(ctx) }

// AuthUser implements auth.Users.
func (o *Offline) AuthUser(tenant, name string) (auth.User, bool) {
	u := o.set.Users[resource.Key{Tenant: tenant, Name: name}]
	if u == nil {
		return auth.User{}, false
	}
	return auth.User{DisplayName: u.DisplayName, Roles: u.Roles, Device: u.Device}, true
}

func (o *Offline) ref(name string) account.Ref { return account.Ref{Tenant: o.tenant, Name: name} }

// note keeps account of a change, as a node that runs does.
func (o *Offline) note(action, object string, err error) error {
	if err != nil {
		return err
	}
	o.store.Append(event.Event{At: time.Now(), Tenant: o.tenant, Body: event.Audited{By: "cli", Action: action, Object: object, Detail: "the node did not run"}})
	return nil
}

// offlineLink is how long a link is good that was made without a node file at hand.
const offlineLink = 24 * time.Hour

// AddAccount makes an account and a one-time link.
func (o *Offline) AddAccount(ctx context.Context, name string, node bool) (api.Link, error) {
	if err := o.note("POST /accounts", name, o.auth.Add(ctx, o.ref(name), node)); err != nil {
		return api.Link{}, err
	}
	return o.AccountLink(ctx, name)
}

// AccountLink makes a one-time link; where the console is, is not known here.
func (o *Offline) AccountLink(ctx context.Context, name string) (api.Link, error) {
	token, expires, err := o.auth.NewLink(ctx, o.ref(name), offlineLink)
	return api.Link{Token: token, URL: "/#/link/" + token, Expires: expires}, o.note("POST /accounts/{name}/link", name, err)
}

// Accounts lists who can sign in.
func (o *Offline) Accounts(context.Context) ([]api.Account, error) {
	var out []api.Account
	for _, a := range o.auth.Accounts(o.tenant) {
		display, roles := o.auth.Person(a)
		out = append(out, api.Account{Tenant: a.Tenant, Name: a.Name, DisplayName: display, Roles: roles, Node: a.Node, Disabled: a.Disabled, Password: a.Password != "",
			TOTP: a.TOTP != "", Passkeys: len(a.Passkeys), SSO: a.Subject != "", Sessions: len(o.auth.Sessions(a.Ref)), Created: a.Created, LastLogin: a.LastLogin})
	}
	return out, nil
}

// DisableAccount locks an account out, or lets it in again.
func (o *Offline) DisableAccount(ctx context.Context, name string, off bool) error {
	return o.note("POST /accounts/{name}/state", name, o.auth.SetDisabled(ctx, o.ref(name), off))
}

// SetPassword sets a password.
func (o *Offline) SetPassword(ctx context.Context, name, password string) error {
	return o.note("POST /accounts/{name}/password", name, o.auth.SetPassword(ctx, o.ref(name), password, ""))
}

// Reset2FA takes second factor and passkeys away.
func (o *Offline) Reset2FA(ctx context.Context, name string) error {
	return o.note("POST /accounts/{name}/reset-2fa", name, o.auth.Reset2FA(ctx, o.ref(name)))
}

// Keys lists the API keys.
func (o *Offline) Keys(context.Context) ([]api.Key, error) {
	var out []api.Key
	for _, k := range o.auth.Keys(o.tenant) {
		out = append(out, api.Key{ID: k.ID, Name: k.Name, Role: k.Role, Rights: k.Rights, Node: k.Node, By: k.By, Created: k.Created, Expires: k.Expires, Used: k.Used})
	}
	return out, nil
}

// NewKey makes an API key.
func (o *Offline) NewKey(ctx context.Context, name, role string, rights []string, expires time.Time, node bool) (api.NewKey, error) {
	secret, k, err := o.auth.NewKey(ctx, account.Key{Tenant: o.tenant, Name: name, Role: role, Rights: rights, Node: node, Expires: expires, By: "cli"})
	if err = o.note("POST /keys", name, err); err != nil {
		return api.NewKey{}, fmt.Errorf("key %q: %w", name, err)
	}
	return api.NewKey{Key: api.Key{ID: k.ID, Name: k.Name, Role: k.Role, Rights: k.Rights, Node: k.Node, By: k.By, Created: k.Created, Expires: k.Expires}, Secret: secret}, nil
}

// RevokeKey ends an API key, by id or name.
func (o *Offline) RevokeKey(ctx context.Context, id string) error {
	return o.note("DELETE /keys/{id}", id, o.auth.RevokeKey(ctx, o.tenant, id))
}
