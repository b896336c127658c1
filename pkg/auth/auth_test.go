package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"go.uber.org/goleak"

	"github.com/centrala/centrala/pkg/auth/account"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Store.
type memory struct {
	mu       sync.Mutex
	accounts map[account.Ref]account.Account
	sessions map[string]account.Session
	links    map[string]account.Link
	keys     map[string]account.Key
}

func newMemory() *memory {
	return &memory{accounts: map[account.Ref]account.Account{}, sessions: map[string]account.Session{}, links: map[string]account.Link{}, keys: map[string]account.Key{}}
}

func values[K comparable, V any](m *memory, of map[K]V) ([]V, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []V
	for _, v := range of {
		out = append(out, v)
	}
	return out, nil
}

func put[K comparable, V any](m *memory, of map[K]V, k K, v V) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	of[k] = v
	return nil
}

func drop[K comparable, V any](m *memory, of map[K]V, k K) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(of, k)
	return nil
}

func (m *memory) LoadAccounts(context.Context) ([]account.Account, error) {
	return values(m, m.accounts)
}
func (m *memory) SaveAccount(_ context.Context, a account.Account) error {
	return put(m, m.accounts, a.Ref, a)
}
func (m *memory) DeleteAccount(_ context.Context, r account.Ref) error { return drop(m, m.accounts, r) }
func (m *memory) LoadSessions(context.Context) ([]account.Session, error) {
	return values(m, m.sessions)
}
func (m *memory) SaveSession(_ context.Context, s account.Session) error {
	return put(m, m.sessions, s.Hash, s)
}
func (m *memory) DeleteSession(_ context.Context, _, h string) error { return drop(m, m.sessions, h) }
func (m *memory) LoadLinks(context.Context) ([]account.Link, error)  { return values(m, m.links) }
func (m *memory) SaveLink(_ context.Context, l account.Link) error   { return put(m, m.links, l.Hash, l) }
func (m *memory) DeleteLink(_ context.Context, _, h string) error    { return drop(m, m.links, h) }
func (m *memory) LoadKeys(context.Context) ([]account.Key, error)    { return values(m, m.keys) }
func (m *memory) SaveKey(_ context.Context, k account.Key) error     { return put(m, m.keys, k.ID, k) }
func (m *memory) DeleteKey(_ context.Context, _, id string) error    { return drop(m, m.keys, id) }
func (m *memory) TouchKey(context.Context, string, string, time.Time) error {
	return nil
}
func (m *memory) TouchSession(_ context.Context, _, h string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.sessions[h]; ok {
		s.Seen = at
		m.sessions[h] = s
	}
	return nil
}

// people are the user resources of a test.
type people map[account.Ref]User

func (p people) AuthUser(tenant, name string) (User, bool) {
	u, ok := p[account.Ref{Tenant: tenant, Name: name}]
	return u, ok
}

// world is a service on a clock of its own.
type world struct {
	*Service
	t     *testing.T
	store *memory
	users people
	now   time.Time
	log   []account.Audit
	demo  bool
}

var anna = account.Ref{Tenant: "default", Name: "anna"}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: newMemory(), now: time.Date(2026, 10, 25, 0, 59, 59, 0, time.UTC), users: people{anna: {Roles: []string{"agent"}, Device: "desk"}}}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	s, err := New(w.t.Context(), Config{Memory: 64, Passes: 1, Demo: w.demo, Now: func() time.Time { return w.now }, Audit: func(a account.Audit) { w.log = append(w.log, a) }}, w.store, w.users)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Service = s
}

const password = "correct horse battery"

// account makes anna's with a password.
func (w *world) account() {
	w.t.Helper()
	if err := w.Add(w.t.Context(), anna, false); err != nil {
		w.t.Fatal(err)
	}
	if err := w.SetPassword(w.t.Context(), anna, password, ""); err != nil {
		w.t.Fatal(err)
	}
}

var home = netip.MustParseAddr("192.0.2.1")

func (w *world) signIn(password, code string, from netip.Addr) (string, account.Session, error) {
	return w.SignIn(w.t.Context(), Login{Ref: anna, Password: password, Code: code, Client: Client{Source: from, Agent: "test"}})
}

func (w *world) must(token string, s account.Session, err error) (string, account.Session) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return token, s
}

// Each row of the table, each role: the letters are agent, supervisor, quality,
// admin, ops, api; T the tenant, o the own, - refused.
func TestRightsRowByRow(t *testing.T) {
	want := map[Right]string{
		"live.read": "oTTTTT", "events.read": "oTTTTT", "status.read": "TTTTTT",
		"calls.read": "oTTTTT", "calls.control": "oT-T-T", "calls.dial": "oT-T-T", "calls.route": "-T-T-T", "calls.supervise": "-TTT--", "calls.stream": "-T-T-T", "calls.trace": "-T-TT-", "recordings.mark": "-TTT-T", "notices.read": "oT-T-T", "notices.send": "-T-T-T",
		"agents.read": "TTTTTT", "agents.change": "oT-T-T", "queues.read": "TTTTTT", "queues.change": "-T-T-T", "devices.read": "-T-TTT", "trunks.read": "-T-TTT",
		"recordings.read": "-TTT-T", "recordings.hear": "oTTT-T", "recordings.save": "-TTT-T", "recordings.verify": "--TTT-",
		"voicemail.read": "oT-T-T", "voicemail.change": "oT-T-T",
		"surveys.read": "-TTT-T",
		"reports.read": "oTTTTT", "reports.rebuild": "---TT-", "traffic.read": "-T-T-T",
		"contacts.read": "TTTT-T", "contacts.change": "TT-T-T",
		"resources.read": "-T-TT-", "resources.change": "---T--", "flows.read": "-T-TT-", "flows.change": "---T--",
		"accounts.read": "---T--", "accounts.change": "---T--", "keys.read": "---T--", "keys.change": "---T--",
		"webhooks.read": "---TT-", "webhooks.change": "---T--", "audit.read": "---T--", "phone.use": "oooo--",
		"node.read": "---TT-", "node.change": "---TT-", "bans.read": "---TT-", "bans.change": "---TT-",
	}
	for _, r := range AllRights() {
		cells, known := want[r]
		if !known {
			continue // of another part: its own test holds it, and the next loop that it is no accident
		}
		for i, role := range Roles {
			p := &Principal{Tenant: "default", Name: "x", Roles: []Role{role}, Session: "s", Node: true}
			if got := map[Scope]string{None: "-", Own: "o", Tenant: "T"}[p.Can(r)]; got != cells[i:i+1] {
				t.Errorf("%s of %s: %s, want %s", r, role, got, cells[i:i+1])
			}
			p.Node = false
			if got := p.Can(r); node[r] && got != None {
				t.Errorf("%s of %s without the node: %s", r, role, got)
			}
			p.Only = []Right{"queues.read"}
			if got := p.Can(r); r != "queues.read" && got != None {
				t.Errorf("%s of %s narrowed to queues.read: %s", r, role, got)
			}
		}
		if (*Principal)(nil).Can(r) != None {
			t.Errorf("%s for nobody", r)
		}
	}
	for r := range want {
		if !Known(r) {
			t.Errorf("the table lacks %s", r)
		}
	}
	// What changes something is refused to who only looks.
	for _, r := range AllRights() {
		for _, role := range []Role{RoleQuality, RoleOps} {
			if strings.HasSuffix(string(r), ".change") && !node[r] && ScopeOf(role, r) != None {
				t.Errorf("%s may %s", role, r)
			}
		}
	}
	if (&Principal{Roles: []Role{RoleAdmin}, Name: "key:x"}).Can(Self) != None {
		t.Error("a key has an account of its own")
	}
}

func TestSessionsEndByIdlenessAgeAndHand(t *testing.T) {
	w := newWorld(t)
	w.account()
	token, _ := w.must(w.signIn(password, "", home))
	if p := w.BySession(token, ""); p == nil || p.Name != "anna" || p.Device != "desk" {
		t.Fatalf("principal %+v", p)
	}
	for range 7 { // used every 115 minutes: it lives until its age ends it
		w.now = w.now.Add(115 * time.Minute)
		if w.BySession(token, "") == nil {
			t.Fatalf("ended at %v although it was used", w.now)
		}
	}
	w.now = w.now.Add(3 * time.Hour)
	if w.BySession(token, "") != nil {
		t.Error("it lives after 16 hours")
	}
	listening, _ := w.must(w.signIn(password, "", home))
	p := w.BySession(listening, "")
	for range 5 { // a page that only listens is in use
		w.now = w.now.Add(time.Hour)
		if !w.Live(p) {
			t.Fatal("a page that listens has lost its session")
		}
	}
	idle, _ := w.must(w.signIn(password, "", home))
	w.now = w.now.Add(2*time.Hour + time.Second)
	if w.BySession(idle, "") != nil {
		t.Error("it lives after two idle hours")
	}
	a, sa := w.must(w.signIn(password, "", home))
	b, _ := w.must(w.signIn(password, "", home))
	if a == b {
		t.Fatal("one token twice")
	}
	if n, err := w.EndSessions(t.Context(), anna, "", sa.ID); err != nil || n != 1 {
		t.Errorf("ended %d, %v", n, err)
	}
	if w.BySession(a, "") == nil || w.BySession(b, "") != nil {
		t.Error("the wrong one ended")
	}
	w.open() // sessions outlive the process, the token is in no store
	if w.BySession(a, "") == nil {
		t.Error("lost by a restart")
	}
	if text := fmt.Sprintf("%+v", w.store.sessions); strings.Contains(text, a) {
		t.Error("the store holds the token")
	}
	if err := w.SetDisabled(t.Context(), anna, true); err != nil {
		t.Fatal(err)
	}
	if w.BySession(a, "") != nil {
		t.Error("disabled, and in")
	}
	if _, _, err := w.signIn(password, "", home); !errors.Is(err, ErrRefused) {
		t.Errorf("a disabled account: %v", err)
	}
	delete(w.users, anna)
	w.SetDisabled(t.Context(), anna, false)
	if _, _, err := w.signIn(password, "", home); !errors.Is(err, ErrRefused) {
		t.Errorf("an account whose user is gone: %v", err)
	}
}

// The brake is on who guesses, not on who owns: another address goes on signing in.
// TestDemoSessionsEndWithTheDemo: a session without a password, an administrator's
// among them, is worth nothing once the node is no demonstration any more.
func TestDemoSessionsEndWithTheDemo(t *testing.T) {
	w := newWorld(t)
	in := func() (string, account.Session, error) {
		return w.SignInDemo(t.Context(), account.Ref{Tenant: "default", Name: DemoAdmin}, Client{Source: home})
	}
	if _, _, err := in(); !errors.Is(err, ErrRefused) {
		t.Fatalf("no demonstration: %v", err)
	}
	w.demo = true
	w.open()
	token, v := w.must(in())
	w.open() // a restart
	if w.BySession(token, "") == nil || !w.SessionLives(v.ID) {
		t.Fatal("a restart of the demonstration ended its session")
	}
	w.demo = false
	w.open()
	if w.BySession(token, "") != nil || w.SessionLives(v.ID) || len(w.store.sessions) != 0 {
		t.Fatal("the session outlived the demonstration")
	}
}

func TestGuessingIsBraked(t *testing.T) {
	w := newWorld(t)
	w.account()
	evil := netip.MustParseAddr("198.51.100.7")
	var waited time.Duration
	tries := 0
	for range 300 {
		_, _, err := w.signIn("wrong password", "", evil)
		var brake *BrakeError
		switch {
		case errors.Is(err, ErrRefused):
			tries++
		case errors.As(err, &brake):
			w.now = w.now.Add(brake.Wait)
			waited += brake.Wait
		default:
			t.Fatal(err)
		}
	}
	if tries > 160 || waited < 24*time.Hour {
		t.Errorf("%d guesses within %v", tries, waited)
	}
	if _, _, err := w.signIn(password, "", home); err != nil {
		t.Errorf("the owner at home: %v", err)
	}
	// From an IPv6 subscriber's whole /64 too.
	w = newWorld(t)
	w.account()
	refused := 0
	for i := range 40 {
		_, _, err := w.signIn("wrong password", "", netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)))
		var brake *BrakeError
		if errors.As(err, &brake) {
			refused++
		}
	}
	if refused < 30 {
		t.Errorf("only %d of 40 tries of one /64 braked", refused)
	}
	// Names that do not exist are answered alike.
	if _, _, err := w.SignIn(t.Context(), Login{Ref: account.Ref{Tenant: "default", Name: "nobody"}, Password: "x", Client: Client{Source: home}}); !errors.Is(err, ErrRefused) {
		t.Errorf("nobody: %v", err)
	}
}

func TestSecondFactor(t *testing.T) {
	w := newWorld(t)
	w.account()
	ctx := t.Context()
	secret, url, err := w.BeginTOTP(ctx, anna)
	if err != nil || !strings.HasPrefix(url, "otpauth://totp/Centrala:anna") {
		t.Fatalf("%q %v", url, err)
	}
	w.must(w.signIn(password, "", home)) // not asked for before it is confirmed
	code := func(at time.Time) string {
		c, err := totp.GenerateCode(secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, err := w.ConfirmTOTP(ctx, anna, "000000"); !errors.Is(err, ErrRefused) {
		t.Errorf("a wrong code confirms: %v", err)
	}
	recovery, err := w.ConfirmTOTP(ctx, anna, code(w.now))
	if err != nil || len(recovery) != recoveryCodes {
		t.Fatalf("%v %v", recovery, err)
	}
	if _, _, err := w.signIn(password, "", home); !errors.Is(err, ErrCode) {
		t.Errorf("without a code: %v", err)
	}
	if _, _, err := w.signIn("wrong password", "", home); !errors.Is(err, ErrRefused) {
		t.Errorf("a wrong password learns of the second factor: %v", err)
	}
	if _, _, err := w.signIn(password, code(w.now), home); !errors.Is(err, ErrRefused) {
		t.Errorf("the code that confirmed is good again: %v", err)
	}
	w.now = w.now.Add(30 * time.Second)
	c := code(w.now)
	w.must(w.signIn(password, c, home))
	if _, _, err := w.signIn(password, c, home); !errors.Is(err, ErrRefused) {
		t.Errorf("a code is good twice: %v", err)
	}
	w.now = w.now.Add(time.Hour)
	if _, _, err := w.signIn(password, code(w.now.Add(-2*time.Minute)), home); !errors.Is(err, ErrRefused) {
		t.Errorf("a code of two minutes ago: %v", err)
	}
	w.must(w.signIn(password, strings.ToUpper(recovery[3]), home))
	if _, _, err := w.signIn(password, recovery[3], home); !errors.Is(err, ErrRefused) {
		t.Errorf("a recovery code is good twice: %v", err)
	}
	w.now = w.now.Add(time.Hour)
	if err := w.Reset2FA(ctx, anna); err != nil {
		t.Fatal(err)
	}
	w.must(w.signIn(password, "", home))
}

func TestLinksAreGoodOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	token, err := w.FirstAdmin(ctx, "default", time.Hour)
	if err != nil || token == "" {
		t.Fatal(err)
	}
	if again, err := w.FirstAdmin(ctx, "default", time.Hour); again != "" || err != nil {
		t.Errorf("a second first administrator: %q %v", again, err)
	}
	if text := fmt.Sprintf("%+v", w.store.links); strings.Contains(text, token) {
		t.Error("the store holds the link")
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	used := 0
	for range 8 {
		wg.Go(func() {
			if _, _, err := w.UseLink(ctx, token, password, Client{Source: home}); err == nil {
				mu.Lock()
				used++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if used != 1 {
		t.Errorf("used %d times", used)
	}
	w.Add(ctx, anna, false)
	old, _, _ := w.NewLink(ctx, anna, time.Hour)
	late, _, err := w.NewLink(ctx, anna, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.LinkOf(old); ok {
		t.Error("the older link is still good")
	}
	w.now = w.now.Add(time.Hour + time.Second)
	if _, _, err := w.UseLink(ctx, late, password, Client{Source: home}); !errors.Is(err, ErrRefused) {
		t.Errorf("after its time: %v", err)
	}
	for _, bad := range []string{"short", "1234567890", "aaaaaaaaaaaa", "anna12345", strings.Repeat("x", 257)} {
		if err := w.SetPassword(ctx, anna, bad, ""); !errors.Is(err, ErrInvalid) {
			t.Errorf("password %.12q: %v", bad, err)
		}
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	secret, k, err := w.NewKey(ctx, account.Key{Tenant: "default", Name: "crm", Role: "api", Rights: []string{"calls.read"}, Expires: w.now.Add(time.Hour)})
	if err != nil || !strings.HasPrefix(secret, "cen_") {
		t.Fatal(secret, err)
	}
	p := w.ByKey(secret, "")
	if p == nil || p.Can("calls.read") != Tenant || p.Can("queues.read") != None || p.Can(Self) != None || !w.Live(p) {
		t.Fatalf("%+v", p)
	}
	if w.ByKey(secret[:len(secret)-1]+"A", "") != nil && !strings.HasSuffix(secret, "A") {
		t.Error("nearly the key opens")
	}
	w.open()
	w.now = w.now.Add(time.Hour)
	if w.ByKey(secret, "") != nil {
		t.Error("good after its time")
	}
	w.now = w.now.Add(-time.Minute)
	if err := w.RevokeKey(ctx, "other", k.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant revokes: %v", err)
	}
	if err := w.RevokeKey(ctx, "default", "crm"); err != nil {
		t.Fatal(err)
	}
	if w.ByKey(secret, "") != nil || w.Live(p) {
		t.Error("revoked, and open")
	}
	for _, bad := range []account.Key{{Name: "", Role: "api"}, {Name: "x", Role: "god"}, {Name: "x", Role: "api", Rights: []string{"calls.reed"}}, {Name: "x", Role: "api", Expires: w.now}} {
		if _, _, err := w.NewKey(ctx, bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// Hashing is bounded: what does not find a place is refused at once.
func TestHashingIsBounded(t *testing.T) {
	h := newHasher(1, 64, 1)
	leave, err := h.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	waiting := cap(h.waiting) - 1
	for range waiting {
		wg.Go(func() {
			if _, err := h.make(ctx, password); !errors.Is(err, context.Canceled) {
				t.Errorf("waiting: %v", err)
			}
		})
	}
	for len(h.waiting) < cap(h.waiting) { // until all stand in line
		time.Sleep(time.Millisecond)
	}
	if _, err := h.make(t.Context(), password); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	wg.Wait()
	leave()
	hash, err := h.make(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]bool{password: true, password + " ": false, "": false} {
		if ok, err := h.verify(t.Context(), hash, p); ok != want || err != nil {
			t.Errorf("%q: %v %v", p, ok, err)
		}
	}
	if ok, _ := h.verify(t.Context(), "", password); ok {
		t.Error("an account that is not there")
	}
	for _, bad := range []string{"x", "$argon2id$v=19$m=99999999,t=1,p=1$YQ$YQ", "$argon2i$v=19$m=64,t=1,p=1$YQ$YQ"} {
		if ok, err := h.verify(t.Context(), bad, password); ok || err == nil {
			t.Errorf("%q: %v %v", bad, ok, err)
		}
	}
}
