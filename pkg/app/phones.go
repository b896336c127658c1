package app

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/sip"
)

// phones are the digest credentials of browsers: made for a session, for the device
// of its user, and good no longer than the session. No page ever knows a device's
// own password.
type phones struct {
	mu   sync.Mutex
	made map[string]phone // by username
}

type phone struct {
	tenant, device, session string
	account                 sip.Account
	expires                 time.Time
}

// phoneTime is how long credentials can be used; a page asks again before.
const phoneTime = 12 * time.Hour

// phonesMax bounds them over all; of one session the newest four stay.
const (
	phonesMax        = 20000
	phonesPerSession = 4
)

// PhoneSession implements api.Phones.
func (a *App) PhoneSession(ctx context.Context, tenant, device, session string, until time.Time) (api.PhoneSession, error) {
	dev := a.dir.Load().set.Devices[resource.Key{Tenant: tenant, Name: device}]
	if dev == nil {
		return api.PhoneSession{}, fmt.Errorf("%w: the user has no device %q", api.ErrConflict, device)
	}
	now := time.Now()
	expires := now.Add(phoneTime)
	if until.Before(expires) {
		expires = until
	}
	b := make([]byte, 15)
	rand.Read(b)
	username := "web-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:10]))
	secret := make([]byte, 24)
	rand.Read(secret)
	password := base64.RawURLEncoding.EncodeToString(secret)
	a1 := []byte(username + ":" + a.cfg.SIP.Realm + ":" + password)
	m, s := md5.Sum(a1), sha256.Sum256(a1)
	acc := sip.Account{Tenant: tenant, Device: device, Username: username, HA1MD5: hex.EncodeToString(m[:]), HA1SHA256: hex.EncodeToString(s[:]), MaxContacts: dev.MaxContacts}
	if acc.MaxContacts == 0 {
		acc.MaxContacts = 5
	}
	if !a.web.phones.add(username, phone{tenant, device, session, acc, expires}, now) {
		return api.PhoneSession{}, fmt.Errorf("%w: too many browser phones", api.ErrConflict)
	}
	out := api.PhoneSession{Username: username, Password: password, Realm: a.cfg.SIP.Realm, Device: device, Expires: expires.UTC(), ICEServers: []api.ICEServer{}}
	for i := range a.iceServers {
		out.ICEServers = append(out.ICEServers, a.iceServers[i].toldTo(username, now))
	}
	if c := a.calls.CallOf(ctx, tenant, device); c.ID != "" {
		out.Call = &api.PhoneCall{ID: c.ID, Away: c.Away}
	}
	return out, nil
}

func (p *phones) add(username string, v phone, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made == nil {
		p.made = map[string]phone{}
	}
	same, oldest := 0, ""
	for u, o := range p.made {
		switch {
		case now.After(o.expires):
			delete(p.made, u)
		case o.session == v.session:
			same++
			if oldest == "" || o.expires.Before(p.made[oldest].expires) {
				oldest = u
			}
		}
	}
	if same >= phonesPerSession {
		delete(p.made, oldest)
	}
	if len(p.made) >= phonesMax {
		return false
	}
	p.made[username] = v
	return true
}

// phoneAccount finds the credentials of a browser whose session lives.
func (a *App) phoneAccount(username string) (sip.Account, bool) {
	if !strings.HasPrefix(username, "web-") || a.web.auth == nil {
		return sip.Account{}, false
	}
	a.web.phones.mu.Lock()
	v, ok := a.web.phones.made[username]
	a.web.phones.mu.Unlock()
	if !ok || time.Now().After(v.expires) || !a.web.auth.SessionLives(v.session) {
		return sip.Account{}, false
	}
	if a.dir.Load().set.Devices[resource.Key{Tenant: v.tenant, Name: v.device}] == nil {
		return sip.Account{}, false
	}
	return v.account, true
}
