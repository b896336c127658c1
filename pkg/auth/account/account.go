// Package account holds the words of signing in: accounts, sessions, API keys,
// passkeys, one-time links and the audit log's lines. It is a room of words;
// pkg/auth decides, pkg/store keeps.
package account

import "time"

// Ref names an account: the user resource of the same tenant and name.
type Ref struct {
	Tenant string `json:"tenant"`
	Name   string `json:"name"`
}

// Account is how one user signs in. Roles are not here: they are the user
// resource's, so that `apply` and the console change them in one place.
type Account struct {
	Ref
	// Password is the hash in PHC form ($argon2id$...); "" = none set.
	Password string
	// Node: may name every tenant and act on the node itself (reload, drain,
	// bans). Only the command line sets it.
	Node     bool
	Disabled bool
	// TOTP is the shared secret in base32, "" = no second factor; NewTOTP is one that
	// has not been proved yet.
	TOTP, NewTOTP string
	// TOTPStep is the last time step that was used: a code is good once (RFC 6238 5.2).
	TOTPStep int64
	// Recovery are hashes of the recovery codes that were not used yet.
	Recovery []string
	Passkeys []Passkey
	// Subject is "ISSUER SUBJECT" of single sign-on, "" = never signed in so.
	Subject   string
	Created   time.Time
	Changed   time.Time // of the password
	LastLogin time.Time
}

// Passkey is one WebAuthn credential.
type Passkey struct {
	ID      string    `json:"id"` // base64url of the credential's id
	Label   string    `json:"label"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero"`
	// Credential is webauthn's own JSON: public key, counter, flags.
	Credential []byte `json:"credential"`
}

// Session is one browser that is signed in.
type Session struct {
	Ref
	// Hash is SHA-256 of the cookie's value, hex: the store cannot be used to sign in.
	Hash string
	// ID names the session in lists; it opens nothing.
	ID      string
	Created time.Time
	Seen    time.Time // last request, to the minute
	Expires time.Time // whatever happens
	Source  string    // address at log-in
	Agent   string    // User-Agent at log-in, at most 200 bytes
	Method  string    // password, passkey, oidc, link, demo
}

// Link is a one-time link: it sets a new password once.
type Link struct {
	Ref
	Hash    string // SHA-256 of the token, hex
	Expires time.Time
}

// Key is an API key.
type Key struct {
	Tenant string
	ID     string
	Hash   string // SHA-256 of the secret, hex
	Name   string
	Role   string   // a column of the table of rights
	Rights []string // only these of the role's; empty = all of them
	Node   bool
	By     string // who made it
	// Created, Expires (zero = never) and Used (zero = never, to the minute).
	Created, Expires, Used time.Time
}

// Audit is one line of the audit log: who saw or changed what.
type Audit struct {
	Seq    uint64    `json:"seq"`
	At     time.Time `json:"at"`
	Tenant string    `json:"tenant"`
	By     string    `json:"by"`     // account, "key:NAME", "cli"
	Action string    `json:"action"` // such as "recording.heard", or method and path of the API
	Object string    `json:"object,omitempty"`
	Source string    `json:"source,omitempty"` // address
	Detail string    `json:"detail,omitempty"`
}

// AuditFilter chooses lines; zero fields choose all.
type AuditFilter struct {
	By, Action, Object string // exact; Action with a * at its end: what begins so
	From, To           time.Time
	Before             uint64 // older than this line; 0 = the newest
	Limit              int    // 1..1000; 0 = 100
}
