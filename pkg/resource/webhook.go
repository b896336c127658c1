package resource

import (
	"net/url"
	"regexp"

	"github.com/centrala/centrala/pkg/config/strict"
)

// WebhookSpec: a program of the tenant's that is told what happens, by a signed POST
// for each event (standardwebhooks.com).
type WebhookSpec struct {
	URL string `yaml:"url"` // https, or http to an address that flows.allow names
	// Events are kinds of the journal, "call.ended"; with a * at its end what begins so:
	// "recording.*". Empty: call.ended.
	Events []string `yaml:"events,omitempty"`
	// Secret names the secret resource that signs; "whsec_" and base64, or any text.
	Secret string `yaml:"secret"`
	// OldSecret signs beside it while the receiver changes over.
	OldSecret string `yaml:"old_secret,omitempty"`
	// Paused: nothing is sent; what happens meanwhile is sent later.
	Paused bool `yaml:"paused,omitempty"`
}

var eventKind = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)*(\.\*)?$`)

func (c *checker) webhook(k Key, w *WebhookSpec) {
	r := ref{KindWebhook, k}
	u, err := url.Parse(w.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		c.fault(r, "url", "%s; want https://host/path", strict.Quote(w.URL))
	}
	for _, e := range w.Events {
		if !eventKind.MatchString(e) {
			c.fault(r, "events", "%s; want a kind such as call.ended or recording.*", strict.Quote(e))
		}
	}
	if w.Secret == "" {
		c.fault(r, "secret", "missing; name a secret resource, whose value the receiver knows too")
	}
	for field, name := range map[string]string{"secret": w.Secret, "old_secret": w.OldSecret} {
		if name != "" && c.s.Secrets[Key{k.Tenant, name}] == nil {
			c.fault(r, field, "no secret %s", strict.Quote(name))
		}
	}
}
