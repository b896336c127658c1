package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/centrala/centrala/pkg/config/strict"
)

// Web configures the listener for people.
type Web struct {
	Listen         string   `yaml:"listen" default:"" doc:"IP address and port of the console, such as 0.0.0.0:443 or 127.0.0.1:8080. Empty: off. The first start prints a link that makes the first administrator."`
	PublicURL      string   `yaml:"public_url" default:"" doc:"How browsers reach it, such as https://console.example.com. Other host names are refused then (except loopback ones from this machine). Passkeys and single sign-on need it."`
	TLS            WebTLS   `yaml:"tls" doc:"Its certificate. Microphones work on https pages alone, and on this machine's own."`
	TrustedProxies []string `yaml:"trusted_proxies" doc:"Addresses and nets of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."`
	Origins        []string `yaml:"origins" doc:"Other pages that may use the API with a session, such as https://crm.example.com."`
	Demo           bool     `yaml:"demo" default:"false" doc:"Sign in by a click, without passwords, from this machine alone: for the demonstration. Needs a loopback address."`
}

// WebTLS is the certificate of the console. Paths are relative to the node file.
type WebTLS struct {
	Certificate string `yaml:"certificate" default:"" doc:"PEM file: the certificate, then its intermediates. Read again when it changes and by SIGHUP."`
	Key         string `yaml:"key" default:"" doc:"PEM file of its private key."`
	ACME        bool   `yaml:"acme" default:"false" doc:"Take certificates from sip.acme instead of files."`
}

// Auth configures accounts.
type Auth struct {
	Idle     Duration `yaml:"idle" default:"2h" min:"1m" max:"720h" doc:"A session without a request for so long ends. An open console asks all the time."`
	Absolute Duration `yaml:"absolute" default:"16h" min:"5m" max:"2160h" doc:"A session ends after so long whatever happens."`
	LinkTime Duration `yaml:"link_time" default:"24h" min:"5m" max:"720h" doc:"How long a one-time link can be used."`
	Parallel int      `yaml:"parallel" default:"1" min:"1" max:"64" doc:"Passwords compared at a time; others wait. Each takes a core for some 40 ms, which calls need too."`
	MemoryMB int      `yaml:"memory_mb" default:"19" min:"8" max:"1024" doc:"Memory of a password's hash (argon2id), megabytes. More makes stolen hashes harder to guess. Of passwords set from now on."`
	OIDC     []OIDC   `yaml:"oidc" doc:"Places of single sign-on (OpenID Connect). Needs web.public_url; the redirect URI is PUBLIC_URL/api/v1/session/sso/NAME/callback."`
}

// OIDC is one place of single sign-on.
type OIDC struct {
	Name       string     `yaml:"name" doc:"In the URL: lower case letters, digits and -."`
	Label      string     `yaml:"label" default:"" doc:"On the button. Empty: the name."`
	Issuer     string     `yaml:"issuer" doc:"URL of the provider, where /.well-known/openid-configuration is."`
	ClientID   string     `yaml:"client_id" doc:"As the provider gave it."`
	SecretEnv  string     `yaml:"secret_env" default:"" doc:"Environment variable that holds the client's secret."`
	SecretFile string     `yaml:"secret_file" default:"" doc:"File that holds it, relative to the node file."`
	Scopes     []string   `yaml:"scopes" doc:"Scopes beside openid and profile, such as email or groups."`
	Tenant     string     `yaml:"tenant" default:"default" doc:"Whose users sign in there."`
	UserClaim  string     `yaml:"user_claim" default:"preferred_username" doc:"Claim that holds the name of the user resource; what stands behind an @ is cut off. email counts only when it is verified."`
	RoleClaim  string     `yaml:"role_claim" default:"" doc:"Claim that lists the user's groups. Empty: who may sign in is for the provider to say."`
	Roles      []OIDCRole `yaml:"roles" doc:"Which group allows which role. With role_claim every role of the user resource must be allowed by a group, or the log-in is refused."`
	CA         string     `yaml:"ca" default:"" doc:"PEM file of the authorities that the provider is believed by. Empty: those of the system."`
}

// OIDCRole is one group and the role it allows.
type OIDCRole struct {
	Group string `yaml:"group" doc:"As the claim has it."`
	Role  string `yaml:"role" enum:"agent,supervisor,quality,admin,ops" doc:"Role that it allows."`
}

var ssoName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func (c *Config) checkWeb(fault, warn told) {
	w := c.Web
	ap, err := netip.ParseAddrPort(w.Listen)
	switch {
	case w.Listen == "":
		if w.Demo {
			fault("web.demo", "true, but web.listen is empty")
		}
	case err != nil:
		fault("web.listen", `%s; want an IP address and port such as "127.0.0.1:8080"`, strict.Quote(w.Listen))
	default:
		if w.Demo && !ap.Addr().IsLoopback() {
			fault("web.demo", "web.listen %s is no loopback address; strangers would sign in without a password", ap)
		}
		if w.TLS == (WebTLS{}) && !ap.Addr().IsLoopback() && len(w.TrustedProxies) == 0 {
			warn("web.tls", "web.listen %s has no certificate: passwords travel in the clear, and microphones do not work there", ap)
		}
		for _, o := range []struct{ path, listen string }{{"http.listen", c.HTTP.Listen}, {"api.listen", c.API.Listen}} {
			if b, err := netip.ParseAddrPort(o.listen); err == nil && b.Port() == ap.Port() && ap.Port() != 0 && overlap(ap.Addr(), b.Addr()) {
				fault("web.listen", "%s overlaps %s %s", ap, o.path, b)
			}
		}
	}
	if (w.TLS.Certificate == "") != (w.TLS.Key == "") {
		fault("web.tls", "certificate and key belong together")
	}
	if w.TLS.ACME && w.TLS.Certificate != "" {
		fault("web.tls.acme", "set beside certificate; want one of them")
	}
	if w.TLS.ACME && len(c.SIP.ACME.Hosts) == 0 {
		fault("web.tls.acme", "sip.acme.hosts is empty")
	}
	if w.PublicURL != "" && !isOrigin(w.PublicURL) {
		fault("web.public_url", "%s; want https://host or https://host:port", strict.Quote(w.PublicURL))
	}
	for i, s := range w.Origins {
		if !isOrigin(s) {
			fault(fmt.Sprintf("web.origins[%d]", i), "%s; want https://host", strict.Quote(s))
		}
	}
	for i, s := range w.TrustedProxies {
		if _, err := ParseNet(s); err != nil {
			fault(fmt.Sprintf("web.trusted_proxies[%d]", i), "%s; want an address such as 192.0.2.7 or a net such as 10.0.0.0/8", strict.Quote(s))
		}
	}
	if c.Auth.Idle > c.Auth.Absolute {
		fault("auth.idle", "%s is more than auth.absolute %s", c.Auth.Idle.D(), c.Auth.Absolute.D())
	}
	var names []string
	for i, o := range c.Auth.OIDC {
		path := fmt.Sprintf("auth.oidc[%d]", i)
		u, err := url.Parse(o.Issuer)
		switch {
		case !ssoName.MatchString(o.Name):
			fault(path+".name", "%s; want lower case letters, digits and -", strict.Quote(o.Name))
		case slices.Contains(names, o.Name):
			fault(path+".name", "%s given twice", strict.Quote(o.Name))
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost":
			fault(path+".issuer", "%s; want an https URL", strict.Quote(o.Issuer))
		case o.ClientID == "":
			fault(path+".client_id", "missing")
		case o.SecretEnv != "" && o.SecretFile != "":
			fault(path+".secret_env", "set beside secret_file; want one of them")
		case w.PublicURL == "":
			fault(path, "web.public_url is empty; the provider must know where to send people back")
		case (o.RoleClaim == "") != (len(o.Roles) == 0):
			fault(path+".roles", "role_claim and roles belong together")
		}
		names = append(names, o.Name)
	}
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.User == nil && !strings.Contains(s, "*")
}
