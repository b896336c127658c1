package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	gopath "path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/centrala/centrala/pkg/config/strict"
)

var (
	nodeName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
)

// check tells what is wrong beyond the single value's type and bounds.
func (c *Config) check() Faults {
	var faults Faults
	add := func(warning bool, path, format string, args ...any) {
		faults = append(faults, Fault{Path: path, Message: fmt.Sprintf(format, args...), Warning: warning})
	}
	fault := func(path, format string, args ...any) { add(false, path, format, args...) }

	if c.Node.Name != "" && !nodeName.MatchString(c.Node.Name) {
		fault("node.name", "%s; want letters, digits, - and _, up to 32", strict.Quote(c.Node.Name))
	}
	if c.Data == "" {
		fault("data", "empty; want a folder")
	}
	if strings.ContainsAny(c.SIP.Realm, "\"\\\r\n:") || c.SIP.Realm == "" || len(c.SIP.Realm) > 128 {
		fault("sip.realm", `%s; want 1 to 128 characters without ", \, : and line ends`, strict.Quote(c.SIP.Realm))
	}
	if strings.ContainsAny(c.SIP.UserAgent, "\r\n") || len(c.SIP.UserAgent) > 128 {
		fault("sip.user_agent", "%s; want up to 128 characters on one line", strict.Quote(c.SIP.UserAgent))
	}
	if t := c.SIP.Timers; t.T2 < t.T1 {
		fault("sip.timers.t2", "%s is less than t1 %s", t.T2.D(), t.T1.D())
	}
	if t := c.SIP.Timers; t.MinExpires > t.DefaultExpires || t.DefaultExpires > t.MaxExpires {
		fault("sip.timers.default_expires", "%s; want it between min_expires %s and max_expires %s", t.DefaultExpires.D(), t.MinExpires.D(), t.MaxExpires.D())
	}
	if t := c.SIP.SessionTimer; t.Expires != 0 && t.Expires < t.MinSE {
		fault("sip.session_timer.expires", "%s is less than min_se %s; want that at least, or 0 for no session timer", t.Expires.D(), t.MinSE.D())
	}
	c.checkListeners(fault)
	c.checkDefence(fault)
	c.checkMedia(fault)
	if strings.Contains(c.Store.Path, "://") || c.Store.Path == "" {
		fault("store.path", "%s; want the path of an SQLite file", strict.Quote(c.Store.Path))
	}
	for path, v := range map[string]string{"recordings.dir": c.Recordings.Dir, "prompts.dir": c.Prompts.Dir, "speech.cache": c.Speech.Cache, "api.socket": c.API.Socket} {
		if v == "" {
			fault(path, "empty; want a path")
		}
	}
	if r := c.Recordings; r.Gain == "rms" && r.Format == "g711" {
		fault("recordings.gain", "rms with the format g711, whose octets are kept as they came; want the format pcm, or gain off")
	}
	warn := func(path, format string, args ...any) { add(true, path, format, args...) }
	c.checkWeb(fault, warn)
	c.checkHTTP(fault, warn)
	c.checkSpeech(fault)
	c.checkMusic(fault)
	c.checkWebRTC(fault, warn)
	c.checkStream(fault)
	c.checkMail(fault)
	for i, r := range c.Resources {
		if r == "" {
			fault(fmt.Sprintf("resources[%d]", i), "empty; want a folder or file")
		}
	}
	return faults
}

type told func(path, format string, args ...any)

func (c *Config) checkListeners(fault told) {
	type bound struct {
		path, transport string
		ap              netip.AddrPort
	}
	seen := map[string][]bound{}
	for i, l := range c.SIP.Listeners {
		path := fmt.Sprintf("sip.listeners[%d]", i)
		ap, err := netip.ParseAddrPort(l.Address)
		if err != nil {
			fault(path+".address", `%s; want an IP address and port such as "0.0.0.0:5060"`, strict.Quote(l.Address))
		} else if ap.Port() != 0 {
			kind := "tcp" // all but UDP share its ports
			if l.Transport == "udp" {
				kind = "udp"
			}
			for _, o := range seen[kind] {
				if o.ap.Port() == ap.Port() && overlap(o.ap.Addr(), ap.Addr()) {
					fault(path+".address", "%s overlaps %s %s (%s)", l.Address, o.transport, o.ap, o.path)
				}
			}
			seen[kind] = append(seen[kind], bound{path, l.Transport, ap})
			if l.Transport == "udp" && int(ap.Port()) >= c.Media.PortMin && int(ap.Port()) <= c.Media.PortMax {
				fault(path+".address", "port %d lies in media's %d-%d", ap.Port(), c.Media.PortMin, c.Media.PortMax)
			}
		}
		if l.Advertised != "" && !hostPort(l.Advertised) {
			fault(path+".advertised", `%s; want a host or host:port`, strict.Quote(l.Advertised))
		}
		c.checkListenerTLS(path, l, fault)
	}
	c.checkTLS(fault)
}

func (c *Config) checkListenerTLS(path string, l Listener, fault told) {
	t := l.TLS
	switch secure := l.Transport == "tls" || l.Transport == "wss"; {
	case !secure:
		if t != (ListenerTLS{}) {
			fault(path+".tls", "the listener is %s; want transport tls or wss", l.Transport)
		}
	case t.ACME:
		if len(c.SIP.ACME.Hosts) == 0 {
			fault(path+".tls.acme", "true, but sip.acme.hosts is empty")
		}
		if t.Certificate != "" || t.Key != "" {
			fault(path+".tls.certificate", "set, but acme is true; want one of them")
		}
	case t.Certificate == "" || t.Key == "":
		fault(path+".tls.certificate", "want certificate and key, or acme: true")
	}
	if t.ClientCA != "" && l.Transport == "wss" {
		fault(path+".tls.client_ca", "a browser proves itself by its password; want transport tls")
	}
	if t.ClientRequired && t.ClientCA == "" {
		fault(path+".tls.client_required", "true, but client_ca is empty")
	}
	if web := l.Transport == "ws" || l.Transport == "wss"; !web {
		if len(l.WebSocket.Origins) > 0 {
			fault(path+".websocket.origins", "the listener is %s; want transport ws or wss", l.Transport)
		}
	} else {
		if !strings.HasPrefix(l.WebSocket.Path, "/") || strings.ContainsAny(l.WebSocket.Path, "?# \r\n") {
			fault(path+".websocket.path", `%s; want a path such as "/sip"`, strict.Quote(l.WebSocket.Path))
		}
		for j, o := range l.WebSocket.Origins {
			if _, err := gopath.Match(o, ""); err != nil || o == "" || o == "*" || strings.HasSuffix(o, "/") {
				fault(fmt.Sprintf("%s.websocket.origins[%d]", path, j), `%s; want an origin such as "https://console.example.com" or hosts such as "*.example.com"`, strict.Quote(o))
			}
		}
	}
}

func (c *Config) checkTLS(fault told) {
	if t := c.SIP.TLS; (t.Certificate == "") != (t.Key == "") {
		fault("sip.tls.certificate", "want certificate and key together")
	}
	a := c.SIP.ACME
	for i, h := range a.Hosts {
		if !hostName.MatchString(h) || !strings.Contains(h, ".") {
			fault(fmt.Sprintf("sip.acme.hosts[%d]", i), "%s; want a host name", strict.Quote(h))
		}
	}
	if a.Directory != "" && !strings.HasPrefix(a.Directory, "https://") {
		fault("sip.acme.directory", "%s; want an https URL", strict.Quote(a.Directory))
	}
	if a.HTTP != "" {
		if _, err := netip.ParseAddrPort(a.HTTP); err != nil {
			fault("sip.acme.http", `%s; want an IP address and port such as "0.0.0.0:80"`, strict.Quote(a.HTTP))
		}
	}
}

func (c *Config) checkDefence(fault told) {
	for i, s := range c.SIP.Defence.Allow {
		if _, err := ParseNet(s); err != nil {
			fault(fmt.Sprintf("sip.defence.allow[%d]", i), "%s; want an IP address, or a net such as 192.0.2.0/24", strict.Quote(s))
		}
	}
	if d := c.SIP.Defence; d.LongestBan < d.FirstBan {
		fault("sip.defence.longest_ban", "%s is less than first_ban %s", d.LongestBan.D(), d.FirstBan.D())
	}
	other := c.Drain.OtherNode
	if host, ok := strings.CutPrefix(other, "sip:"); other != "" && (!ok || !hostPort(host)) {
		fault("drain.other_node", "%s; want sip:host or sip:host:port", strict.Quote(other))
	}
	if c.Drain.Registrations == "redirect" && other == "" {
		fault("drain.other_node", "missing; registrations are to be redirected there")
	}
}

// ParseNet reads an IP address, or a net in CIDR form whose host bits are 0.
func ParseNet(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q: want an IP address or a net", s)
	}
	return p, nil
}

// overlap: equal, or one of them is all addresses of the family.
func overlap(a, b netip.Addr) bool {
	return a == b || a.Is4() == b.Is4() && (a.IsUnspecified() || b.IsUnspecified())
}

func hostPort(s string) bool {
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		p, err := strconv.ParseUint(port, 10, 16)
		if err != nil || p == 0 {
			return false
		}
		host = h
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return !a.IsUnspecified()
	}
	return hostName.MatchString(host)
}

// codecs of media.codecs; media/codec has them.
var codecs = []string{"pcma", "pcmu", "g722", "opus"}

func (c *Config) checkMedia(fault told) {
	m := c.Media
	bind, err := netip.ParseAddr(m.Bind)
	if err != nil {
		fault("media.bind", "%s; want an IP address", strict.Quote(m.Bind))
	}
	if m.Advertised != "" {
		a, aerr := netip.ParseAddr(m.Advertised)
		switch {
		case aerr != nil || a.IsUnspecified():
			fault("media.advertised", "%s; want an IP address that peers can reach", strict.Quote(m.Advertised))
		case err == nil && a.Is4() != bind.Is4():
			fault("media.advertised", "%s is of another family than media.bind %s", a, bind)
		}
	}
	for i, name := range m.Codecs {
		path := fmt.Sprintf("media.codecs[%d]", i)
		switch {
		case !slices.Contains(codecs, name):
			fault(path, "unknown %s; want one of %s", strict.Quote(name), strings.Join(codecs, ", "))
		case slices.Contains(m.Codecs[:i], name):
			fault(path, "%s given twice", strict.Quote(name))
		}
	}
	if m.PortMin%2 != 0 {
		fault("media.port_min", "%d is odd; RTP takes even ports", m.PortMin)
	}
	// 4: the two legs of one call, two ports each.
	if m.PortMax-m.PortMin+1 < 4 {
		fault("media.port_max", "%d; %d-%d has no room for one call, want at least 4 ports", m.PortMax, m.PortMin, m.PortMax)
	}
}

func (c *Config) checkStream(fault told) {
	checkAllow("media.stream.allow", c.Media.Stream.Allow, fault)
	checkAllow("flows.allow", c.Flows.Allow, fault)
}

func checkAllow(path string, list []string, fault told) {
	for i, s := range list {
		_, err := netip.ParsePrefix(s)
		_, err2 := netip.ParseAddr(s)
		if err != nil && err2 != nil && (s == "" || strings.ContainsAny(s, "/: *@")) {
			fault(fmt.Sprintf("%s[%d]", path, i), "%s; want a host name, an IP address or a network such as 10.0.0.0/8", strict.Quote(s))
		}
	}
}

var languageRE = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)

// checkSpeech looks at what can be seen without the machine: whether the program is
// there is for pkg/app, who runs it.
func (c *Config) checkSpeech(fault told) {
	s := c.Speech
	seen := map[string]bool{}
	for i, v := range s.Voices {
		path := fmt.Sprintf("speech.voices[%d]", i)
		switch {
		case !languageRE.MatchString(v.Language):
			fault(path+".language", "%s; want a language such as en, ro, ru", strict.Quote(v.Language))
		case seen[v.Language]:
			fault(path+".language", "%s has a voice already", strict.Quote(v.Language))
		}
		seen[v.Language] = true
		if v.Voice == "" || strings.HasPrefix(v.Voice, "-") {
			fault(path+".voice", "%s; want the name of a voice", strict.Quote(v.Voice))
		}
	}
	if s.Engine == "http" && s.HTTP.URL == "" {
		fault("speech.http.url", "missing; the engine is http")
	}
	if s.Engine == "websocket" && s.WebSocket.URL == "" {
		fault("speech.websocket.url", "missing; the engine is websocket")
	}
	checkSpeechHeaders(fault, "speech.http", s.HTTP.Headers)
	checkSpeechHeaders(fault, "speech.websocket", s.WebSocket.Headers)
}

func checkSpeechHeaders(fault told, section string, headers []SpeechHeader) {
	for i, h := range headers {
		path := fmt.Sprintf("%s.headers[%d]", section, i)
		if h.Name == "" || strings.ContainsAny(h.Name, " :\r\n\t") {
			fault(path+".name", "%s; want a header's name", strict.Quote(h.Name))
		}
		if h.Env != "" && h.File != "" {
			fault(path+".env", "set beside file; want one of them")
		}
	}
}

var musicRE = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (c *Config) checkMusic(fault told) {
	names := map[string]bool{}
	for i, m := range c.Prompts.Music {
		path := fmt.Sprintf("prompts.music[%d]", i)
		switch {
		case !musicRE.MatchString(m.Name):
			fault(path+".name", "%s; want lower case letters, digits, - and _, 64 at most", strict.Quote(m.Name))
		case names[m.Name]:
			fault(path+".name", "%s is there already", strict.Quote(m.Name))
		}
		names[m.Name] = true
		switch {
		case m.URL != "" && len(m.Files) > 0:
			fault(path+".url", "set beside files; want one of them")
		case m.URL != "":
			if u, err := url.Parse(m.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				fault(path+".url", "%s; want an http or https URL", strict.Quote(m.URL))
			}
			if m.Shuffle {
				fault(path+".shuffle", "a broadcast has its own order; want it with files")
			}
		case len(m.Files) == 0:
			fault(path+".url", "missing; want it, or files")
		}
		for k, f := range m.Files {
			if f == "" {
				fault(fmt.Sprintf("%s.files[%d]", path, k), "empty; want a file or folder")
			}
		}
	}
	for i, m := range c.Prompts.Music {
		if names[m.Fallback] && m.Fallback != "" {
			fault(fmt.Sprintf("prompts.music[%d].fallback", i), "%s is a source itself; want a prompt", strict.Quote(m.Fallback))
		}
	}
}

func (c *Config) checkWebRTC(fault, warn told) {
	w := c.Media.WebRTC
	c.checkICE(fault, warn)
	for i, s := range w.Advertised {
		if a, err := netip.ParseAddr(s); err != nil || a.IsUnspecified() {
			fault(fmt.Sprintf("media.webrtc.advertised[%d]", i), "%s; want an IP address that browsers can reach", strict.Quote(s))
		}
	}
	if w.Listen == "" {
		if w.TCP || len(w.Advertised) > 0 {
			warn("media.webrtc", "listen is empty, so the rest of it is idle")
		}
		for i, l := range c.SIP.Listeners {
			if l.Transport == "ws" || l.Transport == "wss" {
				warn("media.webrtc.listen", "empty, but sip.listeners[%d] is for browsers: they will have no sound", i)
				break
			}
		}
		return
	}
	ap, err := netip.ParseAddrPort(w.Listen)
	switch {
	case err != nil:
		fault("media.webrtc.listen", `%s; want an IP address and port such as "0.0.0.0:30000"`, strict.Quote(w.Listen))
	case int(ap.Port()) >= c.Media.PortMin && int(ap.Port()) <= c.Media.PortMax:
		fault("media.webrtc.listen", "port %d lies in media's %d-%d", ap.Port(), c.Media.PortMin, c.Media.PortMax)
	}
}

func (c *Config) checkHTTP(fault, warn told) {
	http := netip.AddrPort{}
	if c.HTTP.Listen != "" {
		ap, err := netip.ParseAddrPort(c.HTTP.Listen)
		if err != nil {
			fault("http.listen", `%s; want an IP address and port such as "127.0.0.1:9090"`, strict.Quote(c.HTTP.Listen))
		} else if c.HTTP.Pprof && !ap.Addr().IsLoopback() {
			warn("http.pprof", "profiles are open to all who reach %s", ap)
		}
		http = ap
	} else if c.HTTP.Pprof {
		fault("http.pprof", "true, but http.listen is empty")
	}
	if c.API.Listen != "" {
		ap, err := netip.ParseAddrPort(c.API.Listen)
		switch {
		case err != nil:
			fault("api.listen", `%s; want an IP address and port such as "127.0.0.1:9091"`, strict.Quote(c.API.Listen))
		case !ap.Addr().IsLoopback():
			// The API knows no accounts yet: whoever reaches it owns the house.
			fault("api.listen", "%s is not a loopback address; the API asks for no password", ap)
		case ap.Port() != 0 && ap.Port() == http.Port() && overlap(ap.Addr(), http.Addr()):
			fault("api.listen", "%s overlaps http.listen %s", ap, http)
		}
	}
	for i, l := range c.SIP.Listeners {
		if ap, err := netip.ParseAddrPort(l.Address); err == nil && l.Transport != "udp" && ap.Port() != 0 {
			if ap.Port() == http.Port() && overlap(ap.Addr(), http.Addr()) {
				fault("http.listen", "%s overlaps sip.listeners[%d] %s", http, i, ap)
			}
		}
	}
}

// Reloadable compares the running configuration with a new one: the keys that
// changed and take effect at once, and those that want a restart. The running
// process keeps the old values of the latter.
func Reloadable(old, new *Config) (apply, restart []string) {
	a := leaves(reflect.ValueOf(old).Elem(), "", false)
	b := leaves(reflect.ValueOf(new).Elem(), "", false)
	for i := range a {
		switch {
		case reflect.DeepEqual(a[i].value.Interface(), b[i].value.Interface()):
		case a[i].live:
			apply = append(apply, a[i].path)
		default:
			restart = append(restart, a[i].path)
		}
	}
	return apply, restart
}
