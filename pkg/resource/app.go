package resource

import (
	"net/url"
	"strings"

	"github.com/centrala/centrala/pkg/config/strict"
)

// AppSpec: an application of yours that leads calls in verbs (docs/apps.md).
type AppSpec struct {
	// URL where it is asked: https:// or http:// for a request each time, wss:// or ws://
	// for a session of one call. Without TLS, and inside of the network, only where the
	// node file's flows.allow names it.
	URL string `yaml:"url"`
	// Secret signs what we send: HMAC-SHA256, at least 16 characters; without one
	// nothing is signed.
	Secret string `yaml:"secret,omitempty" secret:"true"`
	// Timeout of an answer, 100ms to 30s; default 5s. A call never waits longer.
	Timeout Duration `yaml:"timeout,omitempty"`
	// Fallback is the flow for callers when it does not answer in time or cannot be understood.
	Fallback string `yaml:"fallback,omitempty"`
	// Outside: prefixes of numbers that it may have dialled ("*" = all); default none.
	Outside []string `yaml:"outside,omitempty"`
}

// minAppSecret is the least length of an application's secret.
const minAppSecret = 16

func (c *checker) app(k Key, a *AppSpec) {
	r := ref{KindApp, k}
	u, err := url.Parse(a.URL)
	switch {
	case a.URL == "":
		c.fault(r, "url", "missing; want where the application is, such as https://app.example.com/calls")
	case err != nil || u.Host == "" || u.User != nil || len(a.URL) > 2048 || u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "wss" && u.Scheme != "ws":
		c.fault(r, "url", "%s; want https://, http://, wss:// or ws:// with a host, without user or password", strict.Quote(a.URL))
	}
	if a.Secret != "" && len(a.Secret) < minAppSecret && a.Secret != Mask {
		c.fault(r, "secret", "shorter than %d characters", minAppSecret)
	}
	if a.Secret == Mask {
		c.fault(r, "secret", "is masked and there is none to keep; write it out")
	}
	if a.Timeout != 0 {
		c.must(r, "timeout", badDuration(a.Timeout, "100ms", "30s"))
	}
	if a.Fallback != "" {
		exists(c, r, "fallback", KindFlow, c.s.Flows, a.Fallback)
	}
	for i, p := range a.Outside {
		if p != "*" && (p == "" || strings.Trim(strings.TrimPrefix(p, "+"), "0123456789*#") != "") {
			c.fault(r, "outside", "%s; want a prefix of dialled numbers, or \"*\"", strict.Quote(a.Outside[i]))
		}
	}
}

// MayDial tells whether an application may have a number dialled.
func (a *AppSpec) MayDial(number string) bool {
	for _, p := range a.Outside {
		if p == "*" || strings.HasPrefix(number, p) {
			return true
		}
	}
	return false
}
