package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/auth/account"
	"github.com/centrala/centrala/pkg/event"
)

func TestAccountsOutliveTheProcess(t *testing.T) {
	path := file(t)
	s := open(t, path)
	ctx := t.Context()
	anna := account.Account{Ref: account.Ref{Tenant: "acme", Name: "anna"}, Password: "$argon2id$x", TOTP: "S", TOTPStep: 7, Recovery: []string{"a", "b"},
		Passkeys: []account.Passkey{{ID: "k", Label: "key", Created: t0.UTC().Truncate(time.Second), Credential: []byte(`{}`)}}, Created: t0.UTC().Truncate(time.Second)}
	for _, err := range []error{s.SaveAccount(ctx, anna),
		s.SaveSession(ctx, account.Session{Ref: anna.Ref, Hash: "h1", ID: "s1", Seen: t0, Expires: t0.Add(time.Hour)}),
		s.SaveSession(ctx, account.Session{Ref: anna.Ref, Hash: "h2", ID: "s2", Seen: t0, Expires: t0.Add(time.Hour)}),
		s.SaveLink(ctx, account.Link{Ref: anna.Ref, Hash: "l", Expires: t0}),
		s.SaveKey(ctx, account.Key{Tenant: "acme", ID: "k1", Hash: "x", Name: "crm", Role: "api"}),
		s.TouchSession(ctx, "acme", "h1", t0.Add(time.Minute)),
		s.TouchSession(ctx, "other", "h2", t0.Add(time.Minute)), // not theirs
		s.DeleteSession(ctx, "other", "h2"),
		s.TouchKey(ctx, "acme", "k1", t0),
		s.TouchKey(ctx, "acme", "gone", t0)} { // brings nothing back
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	accounts, err := s.LoadAccounts(ctx)
	if err != nil || len(accounts) != 1 || accounts[0].TOTPStep != 7 || len(accounts[0].Passkeys) != 1 || !slices.Equal(accounts[0].Recovery, anna.Recovery) {
		t.Errorf("accounts %+v, %v", accounts, err)
	}
	sessions, err := s.LoadSessions(ctx)
	if err != nil || len(sessions) != 2 {
		t.Fatalf("sessions %+v, %v", sessions, err)
	}
	for _, v := range sessions {
		want := t0
		if v.Hash == "h1" {
			want = t0.Add(time.Minute)
		}
		if !v.Seen.Equal(want.Truncate(time.Millisecond)) {
			t.Errorf("%s seen %v, want %v", v.Hash, v.Seen, want)
		}
	}
	keys, err := s.LoadKeys(ctx)
	if err != nil || len(keys) != 1 || !keys[0].Used.Equal(t0.Truncate(time.Millisecond)) || !keys[0].Expires.IsZero() {
		t.Errorf("keys %+v, %v", keys, err)
	}
	if err := s.DeleteAccount(ctx, anna.Ref); err != nil {
		t.Fatal(err)
	}
	if sessions, err = s.LoadSessions(ctx); err != nil || len(sessions) != 0 {
		t.Errorf("sessions of an account that is gone: %+v, %v", sessions, err)
	}
	if links, err := s.LoadLinks(ctx); err != nil || len(links) != 0 {
		t.Errorf("links of an account that is gone: %+v, %v", links, err)
	}
}

func TestAuditIsAppendOnlyAndOfOneTenant(t *testing.T) {
	s := open(t, file(t))
	ctx := t.Context()
	for i, by := range []string{"anna", "bob", "anna"} {
		tenant := []string{"acme", "acme", "other"}[i]
		s.Append(event.Event{At: t0.Add(time.Duration(i) * time.Second), Tenant: tenant, Body: event.Audited{By: by, Action: "recording.heard", Object: "r1", Source: "192.0.2.1"}})
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	lines, err := s.Audit(ctx, "acme", account.AuditFilter{Action: "recording.*"})
	if err != nil || len(lines) != 2 || lines[0].By != "bob" || lines[1].By != "anna" || lines[0].Seq <= lines[1].Seq {
		t.Fatalf("lines %+v, %v", lines, err)
	}
	if lines, err = s.Audit(ctx, "acme", account.AuditFilter{Before: lines[0].Seq, By: "anna"}); err != nil || len(lines) != 1 {
		t.Errorf("page behind: %+v, %v", lines, err)
	}
	if lines, err = s.Audit(ctx, "acme", account.AuditFilter{Action: "recording"}); err != nil || len(lines) != 0 {
		t.Errorf("half a word matches: %+v, %v", lines, err)
	}
	for _, query := range []string{`DELETE FROM audit -- all tenants: test`, `UPDATE audit SET by = 'x' -- all tenants: test`} {
		if err := s.run(ctx, "audit", query); err == nil || !strings.Contains(err.Error(), "never changed") {
			t.Errorf("%s: %v", query, err)
		}
	}
}
