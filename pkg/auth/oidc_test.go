package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/centrala/centrala/pkg/auth/account"
)

// idp is a provider of OpenID Connect: discovery, keys and the token end-point, with
// the checks of PKCE that a real one makes.
type idp struct {
	*httptest.Server
	t         *testing.T
	key       *rsa.PrivateKey
	claims    map[string]any
	challenge string // of the code that was given out
	nonce     string
	clientID  string
	expires   time.Duration
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{t: t, key: key, clientID: "centrala", expires: time.Hour}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if r.FormValue("code") != "the-code" || base64.RawURLEncoding.EncodeToString(sum[:]) != p.challenge {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": p.token()})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *idp) token() string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "k"}}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	claims := map[string]any{"iss": p.URL, "aud": p.clientID, "sub": "s-1", "nonce": p.nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(p.expires).Unix()}
	for k, v := range p.claims {
		claims[k] = v
	}
	text, _ := json.Marshal(claims)
	sig, err := signer.Sign(text)
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := sig.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// What the provider says is believed when it is signed by it, for us, for this
// browser, now; and maps to a user that is there, with the roles its groups allow.
func TestSingleSignOn(t *testing.T) {
	p := newIDP(t)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for name, c := range map[string]struct {
		claims  map[string]any
		break_  func(p *idp)
		browser string // another cookie than was given
		state   string
		code    string
		ok      bool
	}{
		"as it should be":        {claims: map[string]any{"preferred_username": "Anna@corp.example", "groups": []string{"agents"}}, ok: true},
		"no such user":           {claims: map[string]any{"preferred_username": "eve", "groups": []string{"agents"}}},
		"in no group":            {claims: map[string]any{"preferred_username": "anna", "groups": []string{"others"}}},
		"groups missing":         {claims: map[string]any{"preferred_username": "anna"}},
		"no name":                {claims: map[string]any{"groups": []string{"agents"}}},
		"for somebody else":      {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}, "aud": "other"}},
		"of another issuer":      {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}, "iss": "https://evil.example"}},
		"another nonce":          {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}, "nonce": "x"}},
		"over":                   {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}}, break_: func(p *idp) { p.expires = -time.Hour }},
		"another browser":        {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}}, browser: "stolen"},
		"another state":          {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}}, state: "guessed"},
		"another code":           {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}}, code: "guessed"},
		"without our PKCE":       {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}}, break_: func(p *idp) { p.challenge = "x" }},
		"signed by another key":  {claims: map[string]any{"preferred_username": "anna", "groups": []string{"agents"}}, break_: func(p *idp) { p.key, _ = rsa.GenerateKey(rand.Reader, 2048) }},
		"the account of a node":  {claims: map[string]any{"preferred_username": "root", "groups": []string{"agents"}}},
		"a name given to others": {claims: map[string]any{"preferred_username": "bob", "groups": []string{"agents"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.users[account.Ref{Tenant: "default", Name: "root"}] = User{Roles: []string{"agent"}}
			w.users[account.Ref{Tenant: "default", Name: "bob"}] = User{Roles: []string{"agent"}}
			w.now = time.Now()
			s, err := New(t.Context(), Config{Memory: 64, Passes: 1, Now: func() time.Time { return w.now },
				OIDC: []Provider{{Name: "corp", Issuer: p.URL, ClientID: "centrala", ClientSecret: "s", Redirect: "https://c.example/cb", Tenant: "default",
					RoleClaim: "groups", Roles: map[string]string{"agents": "agent"}, Client: client}}}, w.store, w.users)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Add(t.Context(), account.Ref{Tenant: "default", Name: "root"}, true); err != nil {
				t.Fatal(err)
			}
			bob := account.Ref{Tenant: "default", Name: "bob"}
			s.Add(t.Context(), bob, false)
			s.changeAccount(t.Context(), bob, func(a *account.Account) error { a.Subject = p.URL + " somebody-before"; return nil })
			to, cookie, err := s.BeginSSO(t.Context(), "corp")
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			if q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" || q.Get("response_type") != "code" {
				t.Fatalf("to the provider: %s", to)
			}
			*p = idp{Server: p.Server, t: t, key: p.key, claims: c.claims, challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), clientID: "centrala", expires: time.Hour}
			good := p.key
			if c.break_ != nil {
				c.break_(p)
			}
			defer func() { p.key = good }()
			pick := func(s, other string) string {
				if s != "" {
					return s
				}
				return other
			}
			token, v, err := s.SignInSSO(t.Context(), "corp", pick(c.state, q.Get("state")), pick(c.browser, cookie), pick(c.code, "the-code"), Client{Source: home})
			if c.ok != (err == nil) {
				t.Fatalf("%v", err)
			}
			if !c.ok {
				if !errors.Is(err, ErrRefused) || token != "" {
					t.Errorf("%v", err)
				}
				return
			}
			if v.Method != "oidc" || v.Name != "anna" || s.BySession(token, "") == nil {
				t.Errorf("%+v", v)
			}
			// The answer is good once.
			if _, _, err := s.SignInSSO(t.Context(), "corp", q.Get("state"), cookie, "the-code", Client{Source: home}); !errors.Is(err, ErrRefused) {
				t.Errorf("again: %v", err)
			}
			if a, _ := s.Account(anna); a.Subject != fmt.Sprintf("%s s-1", p.URL) {
				t.Errorf("subject %q", a.Subject)
			}
		})
	}
}
