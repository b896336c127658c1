package resource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/centrala/centrala/pkg/config/strict"
	"github.com/centrala/centrala/pkg/e164"
)

func (c *checker) region(r ref, region string) {
	if region != "" && !e164.KnownRegion(region) {
		c.fault(r, "region", `%s; want a country by its two capitals, such as "RO"`, strict.Quote(region))
	}
}

// calleeCodes speak of the callee: another carrier would only say the same, and
// the caller would wait for it.
var calleeCodes = []int{404, 484, 486, 600, 603, 604}

// carrier checks how a trunk gets on with its carrier.
func (c *checker) carrier(r ref, t *TrunkSpec) {
	c.region(r, t.Region)
	if t.Weight < 0 || t.Weight > 1000 {
		c.fault(r, "weight", "%d; want from 0 to 1000", t.Weight)
	}
	if t.OptionsInterval != 0 {
		c.must(r, "options_interval", badDuration(t.OptionsInterval, "2s", "1h"))
		if t.Target == "" {
			c.fault(r, "options_interval", "the trunk has no target to send OPTIONS to")
		}
	}
	if n := t.DownAfter; n < 0 || n > 100 {
		c.fault(r, "down_after", "%d; want from 1 to 100", n)
	}
	if n := t.UpAfter; n < 0 || n > 100 {
		c.fault(r, "up_after", "%d; want from 1 to 100", n)
	}
	if t.ResponseTimeout != 0 {
		c.must(r, "response_timeout", badDuration(t.ResponseTimeout, "500ms", "32s"))
	}
	for i, code := range t.FailoverCodes {
		field := fmt.Sprintf("failover_codes[%d]", i)
		switch {
		case code < 400 || code > 699:
			c.fault(r, field, "%d; want a SIP status from 400 to 699", code)
		case slices.Contains(calleeCodes, code):
			c.fault(r, field, "%d speaks of the callee; another trunk cannot say otherwise", code)
		case slices.Contains(t.FailoverCodes[:i], code):
			c.fault(r, field, "%d given twice", code)
		}
	}
	if t.Emergency && t.Target == "" {
		c.fault(r, "emergency", "the trunk has no target to send calls to")
	}
	if t.Register == nil {
		return
	}
	g := t.Register
	if t.Target == "" && g.Registrar == "" {
		c.fault(r, "register.registrar", "missing, and the trunk has no target to register with")
	}
	if g.Registrar != "" {
		c.must(r, "register.registrar", badURI(g.Registrar))
	}
	if g.User == "" && t.AuthUser == "" {
		c.fault(r, "register.user", "missing, and there is no auth_user")
	}
	if g.User != "" && !userPattern.MatchString(g.User) {
		c.fault(r, "register.user", "%s; want the name before the @ of the address to register", strict.Quote(g.User))
	}
	if g.Domain != "" && !hostPattern.MatchString(g.Domain) {
		c.fault(r, "register.domain", "%s; want a host name", strict.Quote(g.Domain))
	}
	if g.Expires != 0 {
		c.must(r, "register.expires", badDuration(g.Expires, "30s", "24h"))
	}
}

// HostOf is the host of a SIP URI without port and brackets.
func HostOf(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	rest, _, _ = strings.Cut(rest, ";")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	if strings.HasPrefix(rest, "[") {
		rest, _, _ = strings.Cut(rest[1:], "]")
		return rest
	}
	host, _, _ := strings.Cut(rest, ":")
	return host
}
