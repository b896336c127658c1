// Package auth decides who somebody is and what they may: accounts with
// passwords, second factors, passkeys and single sign-on, sessions, API keys, and
// the one table of rights (rights.go). It knows no HTTP cookie and no SQL: pkg/api
// carries requests in, pkg/store keeps what must last. It is no place for the
// credentials of phones, which are digest accounts of pkg/sip.
//
// All accounts, sessions and keys are in memory, the store is written through;
// who asks holds a lock for a map look-up. There is no goroutine of its own.
package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/auth/account"
)

// Errors that callers branch on.
var (
	ErrInvalid  = errors.New("auth: invalid")
	ErrNotFound = errors.New("auth: not found")
	// ErrRefused: wrong name, password, code or link; the caller learns no more.
	ErrRefused = errors.New("auth: name, password or code is wrong")
	// ErrCode: the password is right, a code of the second factor is wanted beside it.
	ErrCode = errors.New("auth: a code of the second factor is wanted")
)

// BrakeError refuses a try for a while, after too many that failed.
type BrakeError struct{ Wait time.Duration }

func (e *BrakeError) Error() string {
	return fmt.Sprintf("auth: too many failed tries; again in %s", e.Wait.Round(time.Second))
}

// User is what the resources say of an account.
type User struct {
	DisplayName string
	Roles       []string
	Device      string
}

// Users finds the user resource of an account.
type Users interface {
	AuthUser(tenant, name string) (User, bool)
}

// Store keeps what must outlive the process (pkg/store).
type Store interface {
	LoadAccounts(ctx context.Context) ([]account.Account, error)
	SaveAccount(ctx context.Context, a account.Account) error
	DeleteAccount(ctx context.Context, r account.Ref) error
	LoadSessions(ctx context.Context) ([]account.Session, error)
	SaveSession(ctx context.Context, s account.Session) error
	// TouchSession notes the last use of a session that is still there; TouchKey of a key.
	TouchSession(ctx context.Context, tenant, hash string, seen time.Time) error
	DeleteSession(ctx context.Context, tenant, hash string) error
	LoadLinks(ctx context.Context) ([]account.Link, error)
	SaveLink(ctx context.Context, l account.Link) error
	DeleteLink(ctx context.Context, tenant, hash string) error
	LoadKeys(ctx context.Context) ([]account.Key, error)
	SaveKey(ctx context.Context, k account.Key) error
	TouchKey(ctx context.Context, tenant, id string, used time.Time) error
	DeleteKey(ctx context.Context, tenant, id string) error
}

// Config of a Service. The zero value takes every default.
type Config struct {
	Idle     time.Duration // a session without a request for so long ends; 0 = 2h
	Absolute time.Duration // a session ends after so long; 0 = 16h
	Parallel int           // passwords hashed at a time; 0 = 1
	Memory   uint32        // KiB of a hash; 0 = 19 MiB
	Passes   uint32        // 0 = 2
	Issuer   string        // shown by authenticator programs; "" = "Centrala"
	// Origins are the pages at which passkeys are used, "https://console.example.com";
	// the first one's host is their relying party. Empty: no passkeys.
	Origins []string
	OIDC    []Provider
	// Demo lets people in without a password (SignInDemo). Where it is off, sessions
	// that a demonstration on the same data began are over.
	Demo bool
	Now  func() time.Time // nil = time.Now
	Log  *zap.Logger
	// Audit is told what changed; nil = nobody.
	Audit func(account.Audit)
}

// Service signs people in.
type Service struct {
	cfg    Config
	store  Store
	users  Users
	hasher *hasher
	brake  *brake

	change sync.Mutex // held over read, write to the store and write to the maps

	mu       sync.RWMutex
	accounts map[account.Ref]account.Account
	sessions map[string]account.Session // by hash
	byID     map[string]string          // session's id -> hash
	links    map[string]account.Link    // by hash
	keys     map[string]account.Key     // by hash

	passkeys *passkeys // nil: there are none here
	sso      []*provider
}

// New reads all accounts from the store.
func New(ctx context.Context, cfg Config, store Store, users Users) (*Service, error) {
	if cfg.Idle == 0 {
		cfg.Idle = 2 * time.Hour
	}
	if cfg.Absolute == 0 {
		cfg.Absolute = 16 * time.Hour
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = 1
	}
	if cfg.Memory == 0 {
		cfg.Memory = argonMemory
	}
	if cfg.Passes == 0 {
		cfg.Passes = argonPasses
	}
	if cfg.Issuer == "" {
		cfg.Issuer = "Centrala"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	s := &Service{cfg: cfg, store: store, users: users, hasher: newHasher(cfg.Parallel, cfg.Memory, cfg.Passes), brake: newBrake(),
		accounts: map[account.Ref]account.Account{}, sessions: map[string]account.Session{}, byID: map[string]string{}, links: map[string]account.Link{}, keys: map[string]account.Key{}}
	accounts, err := store.LoadAccounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		s.accounts[a.Ref] = a
	}
	sessions, err := store.LoadSessions(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range sessions {
		if v.Method == methodDemo && !cfg.Demo {
			s.lost(store.DeleteSession(ctx, v.Tenant, v.Hash))
			continue
		}
		s.sessions[v.Hash] = v
		s.byID[v.ID] = v.Hash
	}
	links, err := store.LoadLinks(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		s.links[l.Hash] = l
	}
	keys, err := store.LoadKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		s.keys[k.Hash] = k
	}
	if s.passkeys, err = newPasskeys(cfg); err != nil {
		return nil, err
	}
	for _, p := range cfg.OIDC {
		s.sso = append(s.sso, newProvider(p))
	}
	return s, nil
}

func (s *Service) audit(by, action, object, source, detail string, tenant string) {
	if s.cfg.Audit != nil {
		s.cfg.Audit(account.Audit{At: s.cfg.Now(), Tenant: tenant, By: by, Action: action, Object: object, Source: source, Detail: detail})
	}
}

// roles of an account, now; empty: may do nothing. A node account is an admin
// whatever the resources say, so that nobody is locked out by an apply.
func (s *Service) roles(a account.Account) []Role {
	u, ok := s.users.AuthUser(a.Tenant, a.Name)
	if !ok && !a.Node {
		return nil
	}
	var out []Role
	for _, r := range u.Roles {
		if slices.Contains(Roles, Role(r)) {
			out = append(out, Role(r))
		}
	}
	if a.Node && !slices.Contains(out, RoleAdmin) {
		out = append(out, RoleAdmin)
	}
	return out
}

// Client is where a request comes from.
type Client struct {
	Source netip.Addr
	Agent  string // User-Agent
}

// Login is a try to sign in with a password.
type Login struct {
	account.Ref
	Password string
	Code     string // of the second factor, or a recovery code
	Client
}

// SignIn checks a password, and the code where the account has a second factor.
// The token is the session's secret: it is returned here and nowhere again.
// ErrRefused, ErrCode, ErrBusy, *BrakeError.
func (s *Service) SignIn(ctx context.Context, l Login) (token string, session account.Session, err error) {
	now := s.cfg.Now()
	keys := brakeKeys(l.Ref, l.Source)
	if wait := s.brake.wait(now, keys); wait > 0 {
		return "", session, &BrakeError{wait}
	}
	fail := func() (string, account.Session, error) {
		s.brake.fail(now, keys)
		s.audit(l.Name, "session.refused", l.Name, l.Source.String(), "", l.Tenant)
		return "", account.Session{}, ErrRefused
	}
	if len(l.Password) > MaxPassword {
		return fail()
	}
	a, _ := s.Account(l.Ref)
	hash := a.Password
	if a.Disabled || len(s.roles(a)) == 0 {
		hash = ""
	}
	ok, err := s.hasher.verify(ctx, hash, l.Password)
	if err != nil {
		return "", session, err
	}
	if !ok {
		return fail()
	}
	if a.TOTP != "" {
		if l.Code == "" {
			return "", session, ErrCode
		}
		if ok, err = s.useCode(ctx, l.Ref, l.Code); err != nil {
			return "", session, err
		}
		if !ok {
			return fail()
		}
	}
	s.brake.succeed(keys)
	return s.begin(ctx, l.Ref, "password", l.Client)
}

// begin makes a session. A new one each time, whatever the browser brought: a
// session cannot be fixed from outside.
func (s *Service) begin(ctx context.Context, r account.Ref, method string, c Client) (string, account.Session, error) {
	now := s.cfg.Now()
	token := random(32)
	v := account.Session{Ref: r, Hash: hashToken(token), ID: random(9), Created: now, Seen: now, Expires: now.Add(s.cfg.Absolute),
		Source: c.Source.String(), Agent: cut(c.Agent, 200), Method: method}
	if err := s.store.SaveSession(ctx, v); err != nil {
		return "", v, err
	}
	s.sweep(ctx, now)
	s.mu.Lock()
	s.sessions[v.Hash] = v
	s.byID[v.ID] = v.Hash
	s.mu.Unlock()
	if _, ok := s.Account(r); ok {
		s.lost(s.changeAccount(ctx, r, func(a *account.Account) error { a.LastLogin = now; return nil }))
	}
	s.audit(r.Name, "session.begun", r.Name, v.Source, method, r.Tenant)
	return token, v, nil
}

func cut(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// sweep forgets sessions and links that are over.
func (s *Service) sweep(ctx context.Context, now time.Time) {
	var sessions []account.Session
	var links []account.Link
	s.mu.Lock()
	for h, v := range s.sessions {
		if s.over(v, now) {
			sessions = append(sessions, v)
			delete(s.sessions, h)
			delete(s.byID, v.ID)
		}
	}
	for h, l := range s.links {
		if now.After(l.Expires) {
			links = append(links, l)
			delete(s.links, h)
		}
	}
	s.mu.Unlock()
	for _, v := range sessions {
		s.lost(s.store.DeleteSession(ctx, v.Tenant, v.Hash))
	}
	for _, l := range links {
		s.lost(s.store.DeleteLink(ctx, l.Tenant, l.Hash))
	}
}

// lost is told of writes that nothing hangs on: what is over stays over by its time.
func (s *Service) lost(err error) {
	if err != nil {
		s.cfg.Log.Warn("account note not saved", zap.Error(err))
	}
}

func (s *Service) over(v account.Session, now time.Time) bool {
	return now.After(v.Expires) || now.Sub(v.Seen) > s.cfg.Idle
}

// seenEvery is how exactly a session's last use is kept: a write for each request
// would cost a disk.
const seenEvery = time.Minute

// BySession finds who holds a session's token; nil when nobody does.
func (s *Service) BySession(token string, source string) *Principal {
	now := s.cfg.Now()
	hash := hashToken(token)
	s.mu.RLock()
	v, ok := s.sessions[hash]
	a := s.accounts[v.Ref]
	s.mu.RUnlock()
	if !ok || s.over(v, now) {
		return nil
	}
	// Demo sessions need no account; all others do.
	if a.Disabled || a.Name == "" && v.Method != methodDemo {
		return nil
	}
	if a.Name == "" {
		a.Ref = v.Ref
		a.Node = v.Name == DemoAdmin
	}
	roles := s.roles(a)
	if len(roles) == 0 {
		return nil
	}
	if now.Sub(v.Seen) >= seenEvery {
		s.touch(hash, now)
	}
	u, _ := s.users.AuthUser(v.Tenant, v.Name)
	return &Principal{Tenant: v.Tenant, Name: v.Name, Roles: roles, Node: a.Node, Session: v.ID, Method: v.Method, Expires: v.Expires,
		Source: source, Device: u.Device, DisplayName: u.DisplayName}
}

func (s *Service) touch(hash string, now time.Time) {
	s.mu.Lock()
	v, ok := s.sessions[hash]
	if !ok || now.Sub(v.Seen) < seenEvery {
		s.mu.Unlock()
		return
	}
	v.Seen = now
	s.sessions[hash] = v
	s.mu.Unlock()
	s.lost(s.store.TouchSession(context.Background(), v.Tenant, hash, now))
}

// Sessions lists an account's sessions, the newest first.
func (s *Service) Sessions(r account.Ref) []account.Session {
	now := s.cfg.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []account.Session
	for _, v := range s.sessions {
		if v.Ref == r && !s.over(v, now) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(x, y account.Session) int { return y.Created.Compare(x.Created) })
	return out
}

// EndSessions ends an account's sessions: the one with id, all but the one with
// keep, or all (both "").
func (s *Service) EndSessions(ctx context.Context, r account.Ref, id, keep string) (int, error) {
	s.mu.Lock()
	var gone []string
	for h, v := range s.sessions {
		if v.Ref == r && (id == "" || v.ID == id) && (keep == "" || v.ID != keep) {
			gone = append(gone, h)
			delete(s.sessions, h)
			delete(s.byID, v.ID)
		}
	}
	s.mu.Unlock()
	for _, h := range gone {
		if err := s.store.DeleteSession(ctx, r.Tenant, h); err != nil {
			return len(gone), err
		}
	}
	return len(gone), nil
}

// Live tells whether a session may still be used: long answers ask now and then. A
// page that listens is in use.
func (s *Service) Live(p *Principal) bool {
	if p == nil || p.Local {
		return p != nil
	}
	now := s.cfg.Now()
	s.mu.RLock()
	if p.Session == "" {
		defer s.mu.RUnlock()
		for _, k := range s.keys {
			if k.Tenant == p.Tenant && "key:"+k.Name == p.Name && (k.Expires.IsZero() || now.Before(k.Expires)) {
				return true
			}
		}
		return false
	}
	v, ok := s.sessions[s.byID[p.Session]]
	ok = ok && !s.over(v, now) && !s.accounts[v.Ref].Disabled
	s.mu.RUnlock()
	if ok && now.Sub(v.Seen) >= seenEvery {
		s.touch(v.Hash, now)
	}
	return ok
}

// DemoAdmin is the account of the demonstration that may do all.
const DemoAdmin = "admin"

const methodDemo = "demo"

// SignInDemo signs in without a password; ErrRefused where Config.Demo is off. The
// caller has seen to it that the request comes by loopback.
func (s *Service) SignInDemo(ctx context.Context, r account.Ref, c Client) (string, account.Session, error) {
	if _, ok := s.users.AuthUser(r.Tenant, r.Name); !s.cfg.Demo || !ok && r.Name != DemoAdmin {
		return "", account.Session{}, ErrRefused
	}
	return s.begin(ctx, r, methodDemo, c)
}

// SessionLives tells whether the session of this id may still be used.
func (s *Service) SessionLives(id string) bool {
	now := s.cfg.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	hash, ok := s.byID[id]
	if !ok {
		return false
	}
	v := s.sessions[hash]
	return !s.over(v, now) && !s.accounts[v.Ref].Disabled
}
