package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/auth/account"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/console"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/sip"
)

// web is the node's listener for people, and their accounts.
type web struct {
	auth   *auth.Service
	server *api.Web
	phones phones
	certs  *webCerts // nil without TLS of files
	addr   netip.AddrPort
	link   string // of the first administrator, "" when there is one
}

// startAuth reads the accounts: the command line manages them by API whether or not
// there is a console.
func (a *App) startAuth(ctx context.Context) error {
	cfg, err := a.authConfig()
	if err != nil {
		return err
	}
	service, err := auth.New(ctx, cfg, a.store, a)
	if err != nil {
		return err
	}
	a.web.auth = service
	return nil
}

// authConfig is the accounts' part of the node file in plain values.
func (a *App) authConfig() (auth.Config, error) {
	c := a.cfg.Auth
	cfg := auth.Config{Idle: c.Idle.D(), Absolute: c.Absolute.D(), Parallel: c.Parallel, Memory: uint32(c.MemoryMB) << 10, Demo: a.cfg.Web.Demo,
		Log: a.log.Named("auth"), Audit: func(l account.Audit) { a.Audited(l.Tenant, l.Action, l.Object, l.Detail, l.By, l.Source) }}
	public := strings.TrimSuffix(a.cfg.Web.PublicURL, "/")
	if public == "" && a.cfg.Web.Listen != "" {
		if ap, err := netip.ParseAddrPort(a.cfg.Web.Listen); err == nil && ap.Addr().IsLoopback() && ap.Port() != 0 {
			cfg.Origins = []string{fmt.Sprintf("http://localhost:%d", ap.Port())} // WebAuthn knows no addresses
		}
	} else if public != "" {
		cfg.Origins = append([]string{public}, a.cfg.Web.Origins...)
	}
	for _, o := range c.OIDC {
		client, err := clientWith(a.cfg.Beside(o.CA))
		if err != nil {
			return cfg, fmt.Errorf("auth.oidc %q: ca: %w", o.Name, err)
		}
		secret := os.Getenv(o.SecretEnv)
		if o.SecretFile != "" {
			text, err := os.ReadFile(a.cfg.Beside(o.SecretFile))
			if err != nil {
				return cfg, fmt.Errorf("auth.oidc %q: %w", o.Name, err)
			}
			secret = strings.TrimSpace(string(text))
		}
		roles := map[string]string{}
		for _, r := range o.Roles {
			roles[r.Group] = r.Role
		}
		cfg.OIDC = append(cfg.OIDC, auth.Provider{Name: o.Name, Label: o.Label, Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: secret,
			Redirect: public + "/api/v1/session/sso/" + o.Name + "/callback", Scopes: o.Scopes, Tenant: o.Tenant, UserClaim: o.UserClaim,
			RoleClaim: o.RoleClaim, Roles: roles, Client: client})
	}
	return cfg, nil
}

// AuthUser implements auth.Users.
func (a *App) AuthUser(tenant, name string) (auth.User, bool) {
	d := a.dir.Load()
	if d == nil {
		return auth.User{}, false
	}
	u := d.set.Users[resource.Key{Tenant: tenant, Name: name}]
	if u == nil {
		return auth.User{}, false
	}
	return auth.User{DisplayName: u.DisplayName, Roles: u.Roles, Device: u.Device}, true
}

// Audited implements api.Auditor: the journal keeps the audit log.
func (a *App) Audited(tenant, action, object, detail, by, source string) {
	a.store.Append(event.Event{At: time.Now(), Tenant: cmp.Or(tenant, resource.DefaultTenant),
		Body: event.Audited{By: by, Action: action, Object: object, Source: source, Detail: detail}})
}

// DemoUsers implements api.DemoUsers.
func (a *App) DemoUsers() []api.DemoUser {
	var out []api.DemoUser
	for k, u := range a.dir.Load().set.Users {
		if len(u.Roles) > 0 {
			out = append(out, api.DemoUser{Tenant: k.Tenant, Name: k.Name, DisplayName: u.DisplayName, Roles: u.Roles})
		}
	}
	slices.SortFunc(out, func(x, y api.DemoUser) int {
		return cmp.Or(strings.Compare(x.Tenant, y.Tenant), strings.Compare(x.Name, y.Name))
	})
	return out
}

func (a *App) startWeb(ctx context.Context) error {
	c := a.cfg.Web
	if c.Listen == "" {
		return nil
	}
	cfg := api.WebConfig{Origins: c.Origins, Demo: c.Demo, Console: console.Handler()}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil {
			return err
		}
		cfg.PublicURL = u
	}
	for _, s := range c.TrustedProxies {
		p, err := config.ParseNet(s)
		if err != nil {
			return err
		}
		cfg.Proxies = append(cfg.Proxies, p)
	}
	secure, err := a.webTLS()
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("web: listen %q: %w", c.Listen, err)
	}
	a.web.addr, _ = netip.ParseAddrPort(l.Addr().String())
	if a.cfg.Media.WebRTC.Listen != "" {
		cfg.Phone = a.sip.WebPhoneHandler(sip.WebPhones{Addr: a.web.addr, Secure: secure != nil || strings.HasPrefix(c.PublicURL, "https:"),
			Advertised: hostOf(cfg.PublicURL), Source: api.SourceOf, Trusts: api.Trusts, Conn: api.ConnOf})
	}
	a.web.server = api.NewWeb(a.api, cfg, a.log.Named("web"))
	a.web.server.Serve(l, secure)
	a.onStop("web", a.web.server.Stop)
	return a.firstAdmin(ctx)
}

func hostOf(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.Host
}

// firstAdmin makes the first account and its link, once.
func (a *App) firstAdmin(ctx context.Context) error {
	if a.cfg.Web.Demo {
		return nil
	}
	token, err := a.web.auth.FirstAdmin(ctx, resource.DefaultTenant, a.cfg.Auth.LinkTime.D())
	if err != nil || token == "" {
		return err
	}
	a.web.link = a.LinkURL(token)
	return nil
}

// WebURL is where the console is, "" when it is off.
func (a *App) WebURL() string {
	if a.web.server == nil {
		return ""
	}
	if u := a.cfg.Web.PublicURL; u != "" {
		return strings.TrimSuffix(u, "/")
	}
	scheme, addr := "http", a.web.addr
	if a.cfg.Web.TLS != (config.WebTLS{}) {
		scheme = "https"
	}
	if addr.Addr().IsUnspecified() {
		if ip, err := netip.ParseAddr(LocalAddress()); err == nil {
			addr = netip.AddrPortFrom(ip, addr.Port())
		}
	}
	return scheme + "://" + addr.String()
}

// WebAddr is the address that the console's listener is bound to, "" when it is off.
func (a *App) WebAddr() string {
	if !a.web.addr.IsValid() {
		return ""
	}
	return a.web.addr.String()
}

// LinkURL is the page of a one-time link. The token stands behind #, which browsers
// send to nobody.
func (a *App) LinkURL(token string) string { return a.WebURL() + "/#/link/" + token }

// LinkTime implements api.AccountLinks.
func (a *App) LinkTime() time.Duration { return a.cfg.Auth.LinkTime.D() }

// Audit implements api.AuditLog.
func (a *App) Audit(ctx context.Context, tenant string, f account.AuditFilter) ([]account.Audit, error) {
	return a.store.Audit(ctx, tenant, f)
}

// FirstLink is the link that the first administrator signs in by, "" when there is
// an account already. Print it; it is told once.
func (a *App) FirstLink() string { return a.web.link }

// webCerts are a certificate's files, read again when they change.
type webCerts struct {
	cert, key string
	now       chan *tls.Certificate // one place: the certificate in use
	stamp     string
	read      time.Time
	log       *zap.Logger
}

// webTLS is nil where TLS is not spoken.
func (a *App) webTLS() (*tls.Config, error) {
	c := a.cfg.Web.TLS
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	switch {
	case c.ACME:
		get := a.sip.ACMECertificate()
		if get == nil {
			return nil, errors.New("web.tls.acme: sip.acme is off")
		}
		cfg.GetCertificate = get
		cfg.NextProtos = append(cfg.NextProtos, "acme-tls/1")
	case c.Certificate != "":
		w := &webCerts{cert: a.cfg.Beside(c.Certificate), key: a.cfg.Beside(c.Key), now: make(chan *tls.Certificate, 1), log: a.log.Named("web")}
		if err := w.load(); err != nil {
			return nil, err
		}
		a.web.certs = w
		cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return w.current(), nil }
	default:
		return nil, nil
	}
	return cfg, nil
}

func (w *webCerts) load() error {
	cert, err := tls.LoadX509KeyPair(w.cert, w.key)
	if err != nil {
		return fmt.Errorf("web.tls: certificate %q, key %q: %w", w.cert, w.key, err)
	}
	select {
	case <-w.now:
	default:
	}
	w.now <- &cert
	return nil
}

// certCheck is how often a handshake looks whether the files have changed.
const certCheck = 5 * time.Second

// current is the certificate of the moment. Who holds it has the struct to itself.
func (w *webCerts) current() *tls.Certificate {
	cert := <-w.now
	if time.Since(w.read) > certCheck {
		w.read = time.Now()
		if s := stampOf(w.cert) + stampOf(w.key); s != w.stamp {
			next, err := tls.LoadX509KeyPair(w.cert, w.key)
			if err == nil {
				cert, w.stamp = &next, s
			} else {
				w.log.Error("certificate not reloaded, the old one stays", zap.Error(err))
			}
		}
	}
	w.now <- cert
	return cert
}

func stampOf(file string) string {
	st, err := os.Stat(file)
	if err != nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d;", st.ModTime().UnixNano(), st.Size())
}

// clientWith is an HTTP client that believes the authorities of a PEM file.
func clientWith(ca string) (*http.Client, error) {
	c := &http.Client{Timeout: 10 * time.Second}
	if ca == "" {
		return c, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%q: no PEM certificate in it", ca)
	}
	c.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return c, nil
}
