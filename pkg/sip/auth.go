package sip

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/ban"
	"github.com/centrala/centrala/pkg/sip/digest"
)

// caller is who sent a request.
type caller struct {
	kind         IdentityKind
	tenant, name string
	account      Account // of a device
}

// identify finds out who sent an INVITE: a trunk by its address, else a device
// by digest. false: it has been answered (or ignored).
func (sh *shard) identify(req *sip.Request, h hop) (caller, bool) {
	s := sh.s
	if s.deps.Trunks != nil && h.conn != nil && h.conn.cert != nil {
		if m, ok := s.deps.Trunks.(CertificateMatcher); ok {
			if tenant, trunk, ok := m.MatchCertificate(h.conn.cert, h.remote); ok {
				return caller{kind: IdentityTrunk, tenant: tenant, name: trunk}, true
			}
		}
	}
	if tenant, trunk, ok := s.matchTrunk(h.remote); ok {
		return caller{kind: IdentityTrunk, tenant: tenant, name: trunk}, true
	}
	acc, ok := sh.authenticate(req, h)
	if acc.Trunk != "" {
		return caller{kind: IdentityTrunk, tenant: acc.Tenant, name: acc.Trunk}, ok
	}
	return caller{kind: IdentityDevice, tenant: acc.Tenant, name: acc.Device, account: acc}, ok
}

// authenticate checks the digest of a request (RFC 3261 22, RFC 8760). It keeps
// nothing for a stranger: nonces prove themselves, and of wrong answers only a
// bounded number of sources is remembered.
func (sh *shard) authenticate(req *sip.Request, h hop) (Account, bool) {
	s := sh.s
	var cred digest.Credentials
	found := false
	for _, hd := range req.Headers() {
		if hd.Name() != "Authorization" {
			continue
		}
		c, err := digest.ParseCredentials(hd.Value())
		if err != nil {
			if errors.Is(err, digest.ErrMalformed) && !found {
				s.met.authFailures.Inc()
				s.answer(req, h, 400, "Malformed Authorization")
				return Account{}, false
			}
			continue // another scheme or algorithm: challenge (RFC 4475 3.3.7)
		}
		if c.Realm == s.cfg.Realm {
			cred, found = c, true
			break
		}
	}
	if !found {
		// Everybody is asked once, but a phone of the house asks in a name that exists.
		if from := req.From(); from != nil {
			name := unescape(from.Address.User)
			if req.Method == sip.REGISTER {
				name = unescape(req.To().Address.User)
			}
			if _, known := s.deps.Accounts.Account(name, req.Recipient.Host); !known {
				s.actName(h, ban.UnknownName, name)
			}
		}
		if !s.slow(h) {
			s.challenge(req, h, sh.now, false)
		}
		return Account{}, false
	}
	src := sourceOf(h.remote.Addr())
	pair := brakeKey{src, s.nameHash(cred.Username)}
	// By UDP a wrong answer counts only when it answers what was sent to that very
	// address: else anybody could have a phone's address shut out.
	s.door.mu.Lock()
	ours, here := s.door.digest.IssuedTo(cred.Nonce, src)
	proved := here || h.conn != nil
	blocked := proved && s.door.brake.blocked(sh.now, pair)
	s.door.mu.Unlock()
	if ours && !proved {
		// Right or wrong, it is asked again: a guesser must not spend a nonce of
		// another address of his where its wrong answers cost him nothing.
		if !s.slow(h) {
			s.challenge(req, h, sh.now, true)
		}
		return Account{}, false
	}
	if blocked {
		s.met.dropped[dropBrake].Inc()
		return Account{}, false
	}
	acc, known := s.deps.Accounts.Account(cred.Username, req.Recipient.Host)
	ha1 := ""
	if known {
		ha1 = acc.HA1MD5
		if cred.Algorithm == digest.SHA256 {
			ha1 = acc.HA1SHA256
		}
	}
	if !sameUser(cred.URI, req.Recipient.User) {
		ha1 = "" // made for another request (RFC 7616 3.4.6); proxies change the host at most
	}
	s.door.mu.Lock()
	verdict := s.door.digest.Check(sh.now, string(req.Method), cred, ha1)
	if verdict == digest.OK {
		s.door.brake.right(sh.now, pair)
	} else if verdict == digest.Wrong && proved {
		s.door.brake.wrong(sh.now, pair)
	}
	s.door.mu.Unlock()
	switch verdict {
	case digest.OK:
		s.trust(h.remote, sh.now.Add(trustCall))
		return acc, true
	case digest.Stale:
		s.challenge(req, h, sh.now, true)
	case digest.Malformed:
		s.met.authFailures.Inc()
		s.answer(req, h, 400, "Malformed Authorization")
	default:
		s.met.authFailures.Inc()
		act := ban.UnknownName
		if known {
			act = ban.WrongPassword
		}
		if !proved {
			s.doubt(h, act, "")
			if s.slow(h) {
				return Account{}, false
			}
		} else {
			s.act(h, act)
		}
		s.log.Debug("sip credentials wrong", zap.String("remote", h.remote.String()), zap.String("state", verdict.String()))
		s.challenge(req, h, sh.now, false)
	}
	return Account{}, false
}

func (s *Stack) challenge(req *sip.Request, h hop, now time.Time, stale bool) {
	s.door.mu.Lock()
	values := s.door.digest.Challenge(now, stale, sourceOf(h.remote.Addr()))
	s.door.mu.Unlock()
	hs := make([]Header, 0, 2)
	onlyMD5 := knowsOnlyMD5(req)
	for _, v := range values {
		if onlyMD5 && strings.Contains(v, "algorithm=SHA-256") {
			continue
		}
		hs = append(hs, Header{Name: "WWW-Authenticate", Value: v})
	}
	s.answer(req, h, 401, "Unauthorized", hs...)
}

// knowsOnlyMD5 tells of phones that give up on a challenge which names SHA-256
// beside MD5, against RFC 8760 2.4: baresip before 2.0 (Debian 12 has 1.0)
// refuses the whole answer with "Function not implemented". Nothing is lost by
// believing the header: whoever wants MD5 may choose it in any case.
func knowsOnlyMD5(req *sip.Request) bool {
	for _, h := range req.Headers() { // the reader wrote the names; GetHeader would lower them all
		if h.Name() == "User-Agent" {
			return strings.HasPrefix(h.Value(), "baresip v1.") || strings.HasPrefix(h.Value(), "baresip v0.")
		}
	}
	return false
}

// sameUser compares the user part of a digest-uri with the Request-URI's.
func sameUser(uri, user string) bool {
	_, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return false
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return user == ""
	}
	name, _, _ := strings.Cut(rest[:at], ":")
	return unescape2(name) == unescape2(user)
}

// unescape2 is unescape for text that was not checked.
func unescape2(s string) string {
	if !escapesOK(s) {
		return s
	}
	return unescape(s)
}

// sourceOf is what a source counts as: an IPv6 host owns its /64.
func sourceOf(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// trustCall is how long a flow is trusted that proved to be a device's without
// registering.
const trustCall = 10 * time.Minute

// brake slows the guessing of passwords: per source and name after a few wrong
// answers, and per source as a whole after many, so that one phone with a wrong
// password does not lock its whole office out. A name that proved itself from
// this source is not stopped by its neighbours' faults. While stopped, nothing
// is answered: a guesser learns nothing and pays its own time-outs.
type brake struct {
	entries map[brakeKey]*brakeEntry
	changed bool // since it was last saved
}

type brakeKey struct {
	src  netip.Addr
	user uint64 // hash of the name; 0 for the source as a whole
}

type brakeEntry struct {
	wrong int
	last  time.Time // of the last wrong answer
	until time.Time // nothing before
	right time.Time // of the last right answer
}

const (
	brakeEntries  = 1 << 16 // about 8 MB when full
	brakeUser     = 5       // wrong answers for one name before the first pause
	brakeSource   = 30      // wrong answers for all names
	brakeFirst    = time.Second
	brakeLongest  = 5 * time.Minute
	brakeForget   = 15 * time.Minute // without a wrong answer
	brakeTrustFor = 24 * time.Hour
)

func (b *brake) blocked(now time.Time, k brakeKey) bool {
	e := b.entries[k]
	if e != nil && now.Before(e.until) {
		return true
	}
	if e != nil && !e.right.IsZero() && now.Sub(e.right) < brakeTrustFor {
		return false
	}
	all := b.entries[brakeKey{src: k.src}]
	return all != nil && now.Before(all.until)
}

func (b *brake) wrong(now time.Time, k brakeKey) {
	b.count(now, k, brakeUser)
	b.count(now, brakeKey{src: k.src}, brakeSource)
}

func (b *brake) count(now time.Time, k brakeKey, free int) {
	e := b.get(now, k)
	if now.Sub(e.last) > brakeForget {
		e.wrong = 0
	}
	e.wrong++
	b.changed = true
	e.last = now
	if over := e.wrong - free; over >= 0 {
		pause := brakeLongest
		if over < 9 { // 1 s, 2 s, 4 s ... 256 s
			pause = brakeFirst << over
		}
		e.until = now.Add(pause)
	}
}

func (b *brake) right(now time.Time, k brakeKey) {
	e := b.entries[k]
	if e == nil {
		// Remembered only where it matters: somebody at this source is guessing.
		if b.entries[brakeKey{src: k.src}] == nil {
			return
		}
		e = b.get(now, k)
	}
	b.changed = b.changed || e.wrong > 0
	e.wrong, e.right, e.until = 0, now, time.Time{}
}

func (b *brake) get(now time.Time, k brakeKey) *brakeEntry {
	if e := b.entries[k]; e != nil {
		return e
	}
	if len(b.entries) >= brakeEntries {
		// Full: look at a few, forget the one least worth keeping.
		var victim brakeKey
		var oldest time.Time
		n := 0
		for key, e := range b.entries {
			seen := e.last
			if e.right.After(seen) {
				seen = e.right
			}
			if n == 0 || seen.Before(oldest) {
				victim, oldest = key, seen
			}
			if n++; n == 16 {
				break
			}
		}
		delete(b.entries, victim)
	}
	e := &brakeEntry{last: now}
	b.entries[k] = e
	return e
}
