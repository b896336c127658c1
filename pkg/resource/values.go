package resource

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr/schedule/day"
	"github.com/centrala/centrala/ivr/schedule/ical"
	"github.com/centrala/centrala/pkg/config/strict"
)

// What values may look like. Each bad... returns "" or what is wrong.
var (
	dialPattern      = regexp.MustCompile(`^[*#0-9]{1,32}$`)
	digitPattern     = regexp.MustCompile(`^[0-9]{1,4}$`)
	numberPattern    = regexp.MustCompile(`^\+?[0-9]{1,32}$`)
	userPattern      = regexp.MustCompile(`^[A-Za-z0-9._+*-]{1,64}$`)
	hostPattern      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	emergencyPattern = regexp.MustCompile(`^[0-9]{2,8}$`)
	langPattern      = regexp.MustCompile(`^[a-z]{2,3}$`)
	switchPattern    = regexp.MustCompile(`^[0-9]{1,6}$`)
	clockPattern     = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
)

func badLanguage(s string) string {
	if langPattern.MatchString(s) {
		return ""
	}
	return strict.Quote(s) + `; want a language such as "en", "ro" or "ru"`
}

func badZone(s string) string {
	// LoadLocation("") is UTC and "Local" depends on the machine.
	if s == "" || s == "Local" {
		return strict.Quote(s) + `; want an IANA name such as "Europe/Bucharest"`
	}
	if _, err := time.LoadLocation(s); err != nil {
		return strict.Quote(s) + `: no such time zone; want an IANA name such as "Europe/Bucharest"`
	}
	return ""
}

func badDuration(d Duration, lo, hi string) string {
	l, _ := time.ParseDuration(lo)
	h, _ := time.ParseDuration(hi)
	if d.D() < l || d.D() > h {
		return fmt.Sprintf("%s; want from %s to %s", shortDuration(d.D()), lo, hi)
	}
	return ""
}

// promptName tells what may be the name of a prompt.
func promptName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// badURI checks the small part of RFC 3261 19.1 that addresses of devices and
// carriers need: sip:[user@]host[:port][;transport=udp|tcp].
func badURI(s string) string {
	const want = `; want "sip:user@host:port;transport=udp"`
	rest, ok := strings.CutPrefix(s, "sip:")
	sips := false
	if !ok {
		rest, sips = strings.CutPrefix(s, "sips:")
		ok = sips
	}
	if !ok || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`<>"\`, c) }) {
		return strict.Quote(s) + want
	}
	rest, params, _ := strings.Cut(rest, ";")
	if params != "" {
		for _, p := range strings.Split(params, ";") {
			if k, v, _ := strings.Cut(p, "="); k == "transport" && v != "udp" && v != "tcp" && v != "tls" {
				return strict.Quote(s) + ": transport " + strict.Quote(v) + "; want udp, tcp or tls"
			} else if k == "transport" && v == "udp" && sips {
				return strict.Quote(s) + ": sips by UDP; want tls"
			}
		}
	}
	if user, host, ok := strings.Cut(rest, "@"); ok {
		if !userPattern.MatchString(user) {
			return strict.Quote(s) + ": user " + strict.Quote(user) + want
		}
		rest = host
	}
	if ap, err := netip.ParseAddrPort(rest); err == nil {
		if ap.Port() == 0 {
			return strict.Quote(s) + ": port 0; want from 1 to 65535"
		}
		return ""
	}
	if strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]") {
		if _, err := netip.ParseAddr(rest[1 : len(rest)-1]); err == nil {
			return ""
		}
	}
	host, port, hasPort := strings.Cut(rest, ":")
	if hasPort {
		if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
			return strict.Quote(s) + ": port " + strict.Quote(port) + "; want from 1 to 65535"
		}
	}
	if !hostPattern.MatchString(host) {
		return strict.Quote(s) + ": host " + strict.Quote(host) + want
	}
	return ""
}

// Address is where a carrier calls in from.
type Address struct {
	Prefix netip.Prefix // a single address is a /32 or /128
	Port   uint16       // 0 = any
}

func (a Address) String() string { return fmt.Sprintf("%s:%d", a.Prefix, a.Port) }

// Contains reports whether a packet from src is from this address.
func (a Address) Contains(src netip.AddrPort) bool {
	return a.Prefix.Contains(src.Addr().Unmap()) && (a.Port == 0 || a.Port == src.Port())
}

// ParseAddress reads "192.0.2.1", "192.0.2.0/24", "192.0.2.1:5060" and their IPv6 forms.
func ParseAddress(s string) (Address, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Masked() != p {
			return Address{}, fmt.Errorf("%s has bits behind its /%d; want %s", strict.Quote(s), p.Bits(), p.Masked())
		}
		return Address{Prefix: p}, nil
	}
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Port() != 0 && ap.Addr().Zone() == "" {
		a := ap.Addr().Unmap()
		return Address{netip.PrefixFrom(a, a.BitLen()), ap.Port()}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return Address{Prefix: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	return Address{}, fmt.Errorf(`%s; want an address, network or address with port: "192.0.2.1", "192.0.2.0/24", "192.0.2.1:5060"`, strict.Quote(s))
}

func badAddress(s string) string {
	if _, err := ParseAddress(s); err != nil {
		return err.Error()
	}
	return ""
}

// Days lists the days of the week as hours name them.
var Days = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

func (c *checker) schedule(k Key, s *ScheduleSpec) {
	r := ref{KindSchedule, k}
	c.must(r, "time_zone", badZone(s.TimeZone))
	if len(s.Hours) == 0 {
		c.fault(r, "hours", "missing; want at least one of days, from, to")
	}
	for i, h := range s.Hours {
		field := fmt.Sprintf("hours[%d]", i)
		if len(h.Days) == 0 {
			c.fault(r, field+".days", "missing; want some of %s", strings.Join(Days, ", "))
		}
		c.words(r, field+".days", h.Days, Days)
		c.hours(r, field, h)
	}
	for i, h := range s.Holidays {
		field := fmt.Sprintf("holidays[%d]", i)
		from, err := day.Parse(h.Date)
		if err != nil {
			c.fault(r, field+".date", "%s; %v", strict.Quote(h.Date), err)
		}
		if until, err := day.Parse(h.Until); h.Until != "" && err != nil {
			c.fault(r, field+".until", "%s; %v", strict.Quote(h.Until), err)
		} else if a, dated := from.Fixed(); h.Until != "" && dated {
			if b, dated := until.Fixed(); dated && (b.Before(a) || a.Add(366).Before(b)) {
				c.fault(r, field+".until", "%s; want a day after %s, at most a year later", strict.Quote(h.Until), h.Date)
			}
		}
		if slices.ContainsFunc(s.Holidays[:i], func(o HolidaySpec) bool { return o.Date == h.Date && o.Until == h.Until }) {
			c.fault(r, field+".date", "%s given twice", strict.Quote(h.Date))
		}
		for j, hh := range h.Hours {
			c.hours(r, fmt.Sprintf("%s.hours[%d]", field, j), hh)
		}
	}
	if len(s.Calendars) > maxCalendars {
		c.fault(r, "calendars", "%d; a schedule may have %d", len(s.Calendars), maxCalendars)
		return
	}
	for i, cal := range s.Calendars {
		if _, err := ical.Parse(cal.ICal, time.UTC); err != nil {
			for line := range strings.Lines(err.Error()) {
				c.fault(r, fmt.Sprintf("calendars[%d].ical", i), "%s", strings.TrimSpace(line))
			}
		}
	}
	if s.Switch != "" && !switchPattern.MatchString(s.Switch) {
		c.fault(r, "switch", "%s; want up to 6 digits", strict.Quote(s.Switch))
	}
	for o, other := range c.s.Schedules {
		if s.Switch != "" && o.Tenant == k.Tenant && o.Name < k.Name && other.Switch == s.Switch {
			c.fault(r, "switch", "%s is that of schedule %q too", s.Switch, o.Name)
		}
	}
}

// maxCalendars of one schedule.
const maxCalendars = 10

func (c *checker) hours(r ref, field string, h HoursSpec) {
	if !clockPattern.MatchString(h.From) {
		c.fault(r, field+".from", `%s; want a time from "00:00" to "23:59"`, strict.Quote(h.From))
	}
	if !clockPattern.MatchString(h.To) && h.To != "24:00" {
		c.fault(r, field+".to", `%s; want a time from "00:00" to "24:00"`, strict.Quote(h.To))
	}
}
