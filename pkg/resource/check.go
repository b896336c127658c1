package resource

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/centrala/centrala/pkg/config/strict"
	"github.com/centrala/centrala/pkg/e164"
)

// FlowChecker checks one flow's program. pkg/app implements it over ivr/flow.
type FlowChecker interface {
	// CheckFlow returns what the flow can lead to and every fault of it. A
	// fault's Path is inside the spec ("steps.menu.next"); file and line are
	// filled in by Check. s is the whole set, for references.
	CheckFlow(tenant, name string, spec *FlowSpec, s *Set) (leads []Lead, faults []Fault)
}

// Lead is one place that a flow can send a call to.
type Lead struct {
	Kind Kind // KindQueue, KindFlow, KindDevice
	Name string
}

// Check tells every fault of the set as a whole: references, duplicates,
// values that only mean something together, flows (flows nil leaves those
// out), and as warnings what will work but serves nobody. The faults come in
// the order of files and lines where those are known.
func Check(s *Set, flows FlowChecker) []Fault {
	c := &checker{s: s, flows: flows}
	for name, t := range s.Tenants {
		c.tenant(name, t)
	}
	each(c, KindUser, s.Users, c.user)
	each(c, KindDevice, s.Devices, c.device)
	each(c, KindTrunk, s.Trunks, c.trunk)
	each(c, KindSchedule, s.Schedules, c.schedule)
	each(c, KindSkill, s.Skills, func(Key, *SkillSpec) {})
	each(c, KindPrompt, s.Prompts, c.prompt)
	each(c, KindQueue, s.Queues, c.queue)
	each(c, KindSecret, s.Secrets, c.secret)
	each(c, KindFlow, s.Flows, c.flow)
	each(c, KindApp, s.Apps, c.app)
	each(c, KindNumber, s.Numbers, c.number)
	each(c, KindVoicemail, s.Voicemail, c.voicemail)
	each(c, KindCaseType, s.CaseTypes, c.caseType)
	each(c, KindWebhook, s.Webhooks, c.webhook)
	each(c, KindDispositionList, s.DispositionLists, c.dispositionList)
	each(c, KindScript, s.Scripts, c.script)
	c.duplicates()
	c.reach()
	slices.SortStableFunc(c.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), compareNatural(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return c.faults
}

// Errors keeps the faults that refuse an apply, nil when there are none.
func Errors(faults []Fault) error {
	return Faults(slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool { return f.Warning })).Err()
}

type checker struct {
	s      *Set
	flows  FlowChecker
	faults []Fault
	leads  map[Key][]Lead // by flow
	used   map[Key]bool   // devices of users; made at first need
}

// each runs check over the documents of a kind, and the checks common to all kinds.
func each[S any](c *checker, kind Kind, m map[Key]*S, check func(Key, *S)) {
	for k, spec := range m {
		r := ref{kind, k}
		if c.s.Tenants[k.Tenant] == nil {
			c.fault(r, "tenant", "%s: no such tenant; add a tenant document or leave it out for %q", strict.Quote(k.Tenant), DefaultTenant)
		}
		if !validName(k.Name) {
			c.fault(r, "name", "%s; want %s", strict.Quote(k.Name), nameRule)
		}
		check(k, spec)
	}
}

func (c *checker) add(warning bool, r ref, field, format string, args ...any) {
	f := Fault{Path: label(r) + ": " + field, Message: fmt.Sprintf(format, args...), Warning: warning}
	if field == "" {
		f.Path = label(r)
	}
	if src := c.s.sources[r]; src != nil {
		f.File = src.File
		f.Line, f.Col = src.place(field)
	}
	c.faults = append(c.faults, f)
}

func (c *checker) fault(r ref, field, format string, args ...any) {
	c.add(false, r, field, format, args...)
}

func (c *checker) warn(r ref, field, format string, args ...any) {
	c.add(true, r, field, format, args...)
}

// must reports msg unless it is "".
func (c *checker) must(r ref, field, msg string) {
	if msg != "" {
		c.fault(r, field, "%s", msg)
	}
}

// exists tells a reference to nothing, with a near name when there is one.
func exists[S any](c *checker, r ref, field string, kind Kind, m map[Key]*S, name string) bool {
	if m[Key{r.key.Tenant, name}] != nil {
		return true
	}
	var names []string
	for k := range m {
		if k.Tenant == r.key.Tenant {
			names = append(names, k.Name)
		}
	}
	slices.SortFunc(names, compareNatural)
	const shown = 8
	switch {
	case len(names) == 0:
		c.fault(r, field, "no %s %s; the tenant has none", kind, strict.Quote(name))
	case len(names) <= shown:
		c.fault(r, field, "no %s %s; want %s", kind, strict.Quote(name), strict.Suggest(name, names))
	default:
		c.fault(r, field, "no %s %s; there are %d others (%s, ...)", kind, strict.Quote(name), len(names), strings.Join(names[:shown], ", "))
	}
	return false
}

func (c *checker) tenant(name string, t *TenantSpec) {
	r := ref{KindTenant, Key{name, name}}
	c.afterOffer(r, t.AfterOffer)
	if t.PriorityWorth != nil {
		c.must(r, "priority_worth", badDuration(*t.PriorityWorth, "0s", "24h"))
	}
	if t.PresenceLease != nil && t.PresenceLease.D() != -1e9 {
		c.must(r, "presence_lease", badDuration(*t.PresenceLease, "10s", "24h"))
	}
	c.must(r, "max_wrap_up", badDuration(t.MaxWrapUp, "0s", "24h"))
	if t.MaxCallbacks < 0 || t.MaxCallbacks > 100_000 {
		c.fault(r, "max_callbacks", "%d; want from 1 to 100000, or 0 for the default", t.MaxCallbacks)
	}
	if t.Language != "" {
		c.must(r, "language", badLanguage(t.Language))
	}
	if t.TimeZone != "" {
		c.must(r, "time_zone", badZone(t.TimeZone))
	}
	if t.DefaultTarget != "" {
		kind, target, ok := strings.Cut(t.DefaultTarget, ":")
		switch {
		case ok && kind == "queue":
			exists(c, r, "default_target", KindQueue, c.s.Queues, target)
		case ok && kind == "device":
			exists(c, r, "default_target", KindDevice, c.s.Devices, target)
		case ok && kind == "flow":
			exists(c, r, "default_target", KindFlow, c.s.Flows, target)
		case ok && kind == "voicemail":
			exists(c, r, "default_target", KindVoicemail, c.s.Voicemail, target)
		default:
			c.fault(r, "default_target", `%s; want "queue:NAME", "device:NAME", "flow:NAME" or "voicemail:NAME"`, strict.Quote(t.DefaultTarget))
		}
	}
	if t.ResumeWithin != nil && *t.ResumeWithin != 0 {
		c.must(r, "resume_within", badDuration(*t.ResumeWithin, "5s", "5m"))
	}
	if p := t.ResumePrompt; p != "" && !promptName(p) {
		c.fault(r, "resume_prompt", "%s; want the name of a prompt", strict.Quote(p))
	}
	if t.ParkTime != 0 {
		c.must(r, "park_time", badDuration(t.ParkTime, "5s", "1h"))
	}
	if t.ParkSlots < 0 || t.ParkSlots > 99 {
		c.fault(r, "park_slots", "%d; want 1 to 99", t.ParkSlots)
	}
	c.outsideCalls(r, t.OutsideCalls)
	c.rates(r, t.Rates)
	c.region(r, t.Region)
	for i, n := range t.EmergencyNumbers {
		if !emergencyPattern.MatchString(n) {
			c.fault(r, fmt.Sprintf("emergency_numbers[%d]", i), "%s; want two to eight digits", strict.Quote(n))
		}
	}
	for code, action := range t.FeatureCodes {
		field := "feature_codes." + code
		if !dialPattern.MatchString(code) {
			c.fault(r, field, "%s; want *, # and digits, such as \"*41\"", strict.Quote(code))
		}
		if !slices.Contains(Features, action) {
			c.fault(r, field, "unknown %s; want %s", strict.Quote(action), strict.Suggest(action, Features))
		}
	}
	for code, action := range t.InCallCodes {
		field := "in_call_codes." + code
		if !inCallCode(code) {
			c.fault(r, field, "%s; want a star and one to seven digits, such as \"*3\"", strict.Quote(code))
		}
		if !slices.Contains(InCallActions, action) {
			c.fault(r, field, "unknown %s; want %s", strict.Quote(action), strict.Suggest(action, InCallActions))
		}
	}
	for digits, reason := range t.NotReadyReasons {
		field := "not_ready_reasons." + digits
		if !digitPattern.MatchString(digits) {
			c.fault(r, field, "%s; want one to four digits", strict.Quote(digits))
		}
		if !validName(reason) {
			c.fault(r, field, "%s; want %s", strict.Quote(reason), nameRule)
		}
	}
}

// InCallActions lists the actions that a code dialled in a conversation may stand for.
var InCallActions = []string{"transfer", "conference", "record_pause", "record_resume", "record_start", "record_stop"}

// inCallCode: a star and digits, so that what people type at a menu is none.
func inCallCode(s string) bool {
	return len(s) >= 2 && len(s) <= 8 && s[0] == '*' && strings.Trim(s[1:], "0123456789") == ""
}

// Features lists the actions that a feature code may stand for.
var Features = []string{"log_in", "log_out", "ready", "not_ready", "echo", "park", "pickup", "conference", "dnd_on", "dnd_off", "monitor", "whisper", "barge", "voicemail"}

// Roles lists what a user may be.
var Roles = []string{"agent", "supervisor", "quality", "admin", "ops"}

// Strategies lists how a queue may choose its agent.
var Strategies = []string{"longest_idle", "round_robin", "fewest_calls", "least_occupied", "ring_all", "linear", "progressive", "random", "best_skill"}

// Codecs lists what a device or trunk may be limited to.
var Codecs = []string{"pcma", "pcmu", "g722", "opus"}

func (c *checker) words(r ref, field string, got, allowed []string) {
	for i, w := range got {
		f := fmt.Sprintf("%s[%d]", field, i)
		if !slices.Contains(allowed, w) {
			c.fault(r, f, "unknown %s; want %s", strict.Quote(w), strict.Suggest(w, allowed))
		} else if slices.Contains(got[:i], w) {
			c.fault(r, f, "%s given twice", strict.Quote(w))
		}
	}
}

func (c *checker) skills(r ref, got map[string]int) {
	for skill, level := range got {
		exists(c, r, "skills."+skill, KindSkill, c.s.Skills, skill)
		if level < 0 || level > 10 {
			c.fault(r, "skills."+skill, "%d; want a level from 0 to 10", level)
		}
	}
}

func (c *checker) outside(r ref, got []string) {
	for i, p := range got {
		if p != "*" && !numberPattern.MatchString(p) {
			c.fault(r, fmt.Sprintf("outside[%d]", i), `%s; want the first digits of numbers, such as "+40", or "*" for all`, strict.Quote(p))
		}
	}
}

// outsideCalls checks the bounds of calls to the outside.
func (c *checker) outsideCalls(r ref, s *OutsideSpec) {
	if s == nil {
		return
	}
	for name, list := range map[string][]string{"allow": s.Allow, "deny": s.Deny} {
		for i, p := range list {
			if !(p == "*" && name == "allow") && !numberPattern.MatchString(p) {
				c.fault(r, fmt.Sprintf("outside_calls.%s[%d]", name, i), `%s; want the first digits of numbers, such as "+40"`, strict.Quote(p))
			}
		}
	}
	if s.Schedule != "" {
		exists(c, r, "outside_calls.schedule", KindSchedule, c.s.Schedules, s.Schedule)
	}
	for name, n := range map[string]int{"max_calls": s.MaxCalls, "minutes_per_day": s.MinutesPerDay, "spend_per_day": s.SpendPerDay} {
		if n < 0 {
			c.fault(r, "outside_calls."+name, "%d; want 0 (no cap) or more", n)
		}
	}
}

func (c *checker) rates(r ref, list []RateSpec) {
	for i, s := range list {
		path := fmt.Sprintf("rates[%d]", i)
		if s.Prefix != "*" && !numberPattern.MatchString(s.Prefix) {
			c.fault(r, path+".prefix", `%s; want the first digits of numbers, such as "+40", or "*" for all others`, strict.Quote(s.Prefix))
		}
		if s.PerMinute < 0 || s.Setup < 0 || s.PerMinute > 1e9 || s.Setup > 1e9 {
			c.fault(r, path, "want per_minute and setup from 0 to 1000000000 thousandths")
		}
		if s.Step != 0 {
			c.must(r, path+".step", badDuration(s.Step, "1s", "1h"))
		}
	}
}

func (c *checker) user(k Key, u *UserSpec) {
	r := ref{KindUser, k}
	c.words(r, "roles", u.Roles, Roles)
	for i, q := range u.MayMonitor {
		if q != "*" {
			exists(c, r, fmt.Sprintf("may_monitor[%d]", i), KindQueue, c.s.Queues, q)
		}
	}
	if u.Device != "" {
		exists(c, r, "device", KindDevice, c.s.Devices, u.Device)
	}
	if u.AlwaysReady && u.Device == "" {
		c.fault(r, "always_ready", "the user has no device to be called on")
	}
	c.skills(r, u.Skills)
	for ch, n := range u.Capacity {
		if ch != "voice" && ch != "chat" {
			c.fault(r, "capacity."+ch, "unknown channel; want voice or chat")
		} else if n < 0 || n > 1 && ch == "voice" || n > 20 {
			c.fault(r, "capacity."+ch, "%d; want 0 or 1 for voice, 0 to 20 for chat", n)
		}
	}
	c.hotDesk(r, u)
	c.outside(r, u.Outside)
	c.outsideCalls(r, u.OutsideCalls)
	if u.WrapUp != nil {
		c.must(r, "wrap_up", badDuration(*u.WrapUp, "0s", "1h"))
	}
}

func (c *checker) device(k Key, d *DeviceSpec) {
	r := ref{KindDevice, k}
	if d.Username != "" && !userPattern.MatchString(d.Username) {
		c.fault(r, "username", "%s; want letters, digits and . _ + - *, up to 64", strict.Quote(d.Username))
	}
	if d.Extension != "" && !userPattern.MatchString(d.Extension) {
		c.fault(r, "extension", "%s; want digits or a name: letters, digits and . _ + - *, up to 64", strict.Quote(d.Extension))
	}
	if d.Password == Mask || d.HA1 != nil && (d.HA1.MD5 == Mask || d.HA1.SHA256 == Mask) {
		c.fault(r, "password", "masked, and the device is new; write its password")
	} else if len(d.Password) > 128 || strings.ContainsFunc(d.Password, func(c rune) bool { return c < ' ' }) {
		c.fault(r, "password", "want up to 128 characters, none of them a control character")
	}
	if d.HA1 != nil && d.HA1.MD5 != Mask {
		if d.Password != "" {
			c.fault(r, "ha1", "given beside password; want one of them")
		}
		if !isHex(d.HA1.MD5, 32) || !isHex(d.HA1.SHA256, 64) {
			c.fault(r, "ha1", "want md5 as 32 and sha256 as 64 hex digits")
		}
		if user := d.User(k.Name); d.HA1.Username != user {
			c.fault(r, "ha1.username", "%s, but the device's username is %q; a digest holds its username: write the password again", strict.Quote(d.HA1.Username), user)
		}
	}
	if d.Contact != "" {
		c.must(r, "contact", badURI(d.Contact))
	} else if d.Password == "" && d.HA1 == nil {
		if !c.usersDevice(k) { // who signs in to the console registers on the own device without one
			c.warn(r, "", "neither password nor contact, and it is nobody's: it can neither register nor be called")
		}
	}
	if t := c.s.Tenants[k.Tenant]; t != nil && d.Extension != "" && e164.Emergency(d.Extension, t.Region, t.EmergencyNumbers) {
		c.warn(r, "extension", "%s is an emergency number; phones that dial it call for help over a trunk", d.Extension)
	}
	c.deviceVoicemail(r, d)
	c.words(r, "codecs", d.Codecs, Codecs)
	c.outside(r, d.Outside)
	c.outsideCalls(r, d.OutsideCalls)
	if d.MaxContacts < 0 || d.MaxContacts > 100 {
		c.fault(r, "max_contacts", "%d; want from 1 to 100, or 0 for the default of 5", d.MaxContacts)
	}
}

// usersDevice: some user takes calls on it.
func (c *checker) usersDevice(k Key) bool {
	if c.used == nil {
		c.used = map[Key]bool{}
		for u, spec := range c.s.Users {
			c.used[Key{u.Tenant, spec.Device}] = true
		}
	}
	return c.used[k]
}

func (c *checker) trunk(k Key, t *TrunkSpec) {
	r := ref{KindTrunk, k}
	for i, a := range t.Addresses {
		c.must(r, fmt.Sprintf("addresses[%d]", i), badAddress(a))
	}
	if t.Target != "" {
		c.must(r, "target", badURI(t.Target))
	}
	if t.Target == "" && len(t.Addresses) == 0 && len(t.TLSSubject) == 0 && t.Username == "" {
		c.fault(r, "", "neither addresses, tls_subject nor username (calls in) nor target (calls out)")
	}
	for i, name := range t.TLSSubject {
		if strings.TrimSpace(name) != name || name == "" || len(name) > 255 {
			c.fault(r, fmt.Sprintf("tls_subject[%d]", i), `%s; want a name of the certificate, such as "sbc.carrier.example"`, strict.Quote(name))
		}
	}
	if t.TLSServerName != "" && badURI("sip:"+t.TLSServerName) != "" {
		c.fault(r, "tls_server_name", "%s; want a host name or address", strict.Quote(t.TLSServerName))
	}
	for i, p := range t.Prefixes {
		if p != "*" && !numberPattern.MatchString(p) {
			c.fault(r, fmt.Sprintf("prefixes[%d]", i), `%s; want the first digits of numbers, such as "+40", or "*" for all`, strict.Quote(p))
		}
	}
	if len(t.Prefixes) > 0 && t.Target == "" {
		c.fault(r, "prefixes", "the trunk has no target to send calls to")
	}
	if t.StripDigits < 0 || t.StripDigits > 32 {
		c.fault(r, "strip_digits", "%d; want from 0 to 32", t.StripDigits)
	}
	if t.AddPrefix != "" && !numberPattern.MatchString(t.AddPrefix) {
		c.fault(r, "add_prefix", "%s; want digits, with + before them if need be", strict.Quote(t.AddPrefix))
	}
	if t.CallerID != "" && !numberPattern.MatchString(t.CallerID) {
		c.fault(r, "caller_id", "%s; want a number", strict.Quote(t.CallerID))
	}
	if (t.AuthUser == "") != (t.AuthPassword == "") {
		c.fault(r, "auth_user", "want auth_user and auth_password together")
	}
	if t.AuthPassword == Mask {
		c.fault(r, "auth_password", "masked, and the trunk is new; write its password")
	}
	if (t.Username == "") != (t.Password == "") {
		c.fault(r, "username", "want username and password together")
	}
	if t.Username != "" && !userPattern.MatchString(t.Username) {
		c.fault(r, "username", "%s; want letters, digits and . _ + - *, up to 64", strict.Quote(t.Username))
	}
	if t.Password == Mask {
		c.fault(r, "password", "masked, and the trunk is new; write its password")
	}
	if t.MaxCalls < 0 {
		c.fault(r, "max_calls", "%d; want 0 (no cap) or more", t.MaxCalls)
	}
	c.carrier(r, t)
	c.words(r, "codecs", t.Codecs, Codecs)
	if t.RingTimeout != 0 {
		c.must(r, "ring_timeout", badDuration(t.RingTimeout, "1s", "10m"))
	}
}

// maxPromptText of a prompt: what package speech takes, in bytes of any script.
const maxPromptText = 6000

func (c *checker) prompt(k Key, p *PromptSpec) {
	r := ref{KindPrompt, k}
	if len(p.Files)+len(p.Text) == 0 && p.Number == "" {
		c.fault(r, "files", "missing; want a file per language, such as en: welcome.wav, or a text or number")
	}
	if p.Number != "" && !switchPattern.MatchString(p.Number) {
		c.fault(r, "number", "%s; want up to 6 digits", strict.Quote(p.Number))
	}
	for o, other := range c.s.Prompts {
		if p.Number != "" && o.Tenant == k.Tenant && o.Name < k.Name && other.Number == p.Number {
			c.fault(r, "number", "%s is that of prompt %q too", p.Number, o.Name)
		}
	}
	for lang, text := range p.Text {
		c.must(r, "text."+lang, badLanguage(lang))
		if len(text) > maxPromptText {
			c.fault(r, "text."+lang, "%d bytes; want at most %d", len(text), maxPromptText)
		}
	}
	for lang, file := range p.Files {
		c.must(r, "files."+lang, badLanguage(lang))
		// A path from the API must not read what it likes: relative ones stay inside the folder.
		if file == "" || strings.ContainsRune(file, 0) || !path.IsAbs(file) && (path.Clean(file) != file || strings.HasPrefix(file, "..")) {
			c.fault(r, "files."+lang, "%s; want a path inside the prompts folder, or an absolute one", strict.Quote(file))
		}
	}
}

func (c *checker) queue(k Key, q *QueueSpec) {
	r := ref{KindQueue, k}
	c.queuePrompts(k, q)
	if q.Strategy != "" && !slices.Contains(Strategies, q.Strategy) {
		c.fault(r, "strategy", "unknown %s; want %s", strict.Quote(q.Strategy), strict.Suggest(q.Strategy, Strategies))
	}
	if len(q.Members) == 0 {
		c.warn(r, "members", "nobody serves this queue")
	}
	for i, m := range q.Members {
		c.member(r, i, m)
	}
	if q.Priority < -1000 || q.Priority > 1000 {
		c.fault(r, "priority", "%d; want from -1000 to 1000", q.Priority)
	}
	if q.MaxLength < 0 {
		c.fault(r, "max_length", "%d; want 0 (no limit) or more", q.MaxLength)
	}
	if q.Dispositions != "" {
		exists(c, r, "dispositions", KindDispositionList, c.s.DispositionLists, q.Dispositions)
	}
	if q.Survey != "" {
		exists(c, r, "survey", KindFlow, c.s.Flows, q.Survey)
	}
	if q.Script != "" {
		exists(c, r, "script", KindScript, c.s.Scripts, q.Script)
	}
	c.must(r, "wrap_up", badDuration(q.WrapUp, "0s", "1h"))
	c.must(r, "max_wait", badDuration(q.MaxWait, "0s", "24h"))
	c.must(r, "service_level", badDuration(q.ServiceLevel, "0s", "24h"))
	if q.ShortAbandon.D() != -1e9 {
		c.must(r, "short_abandon", badDuration(q.ShortAbandon, "0s", "1h"))
	}
	if q.RingTimeout != 0 {
		c.must(r, "ring_timeout", badDuration(q.RingTimeout, "1s", "10m"))
	}
	if q.AnnounceFirst != nil && q.AnnounceFirst.D() != -1e9 {
		c.must(r, "announce_first", badDuration(*q.AnnounceFirst, "0s", "24h"))
	}
	if q.AnnounceEvery != nil && *q.AnnounceEvery != 0 {
		c.must(r, "announce_every", badDuration(*q.AnnounceEvery, "5s", "24h"))
	}
	c.skills(r, q.Skills)
	c.routing(r, q)
	c.alarms(r, q.Alarms)
}

func (c *checker) member(r ref, i int, m MemberSpec) {
	field := fmt.Sprintf("members[%d].agent", i)
	if m.Rank < 0 || m.Rank > 100 {
		c.fault(r, fmt.Sprintf("members[%d].rank", i), "%d; want from 0 to 100", m.Rank)
	}
	if m.Weight < 0 || m.Weight > 1000 {
		c.fault(r, fmt.Sprintf("members[%d].weight", i), "%d; want from 0 (as 1) to 1000", m.Weight)
	}
	if !IsGlob(m.Agent) {
		if !exists(c, r, field, KindUser, c.s.Users, m.Agent) {
			return
		}
		if c.s.Users[Key{r.key.Tenant, m.Agent}].Device == "" {
			c.warn(r, field, "user %q has no device and takes no calls", m.Agent)
		}
		return
	}
	if _, err := path.Match(m.Agent, ""); err != nil {
		c.fault(r, field, "%s; want a user name, or one with * and ? in it", strict.Quote(m.Agent))
		return
	}
	for k := range c.s.Users {
		if k.Tenant == r.key.Tenant && MatchAgent(m.Agent, k.Name) {
			return
		}
	}
	c.fault(r, field, "%s matches no user", strict.Quote(m.Agent))
}

// IsGlob tells a pattern of user names from a name.
func IsGlob(s string) bool { return strings.ContainsAny(s, "*?[") }

// MatchAgent reports whether a queue member's pattern (a name or a glob, as
// path.Match reads it) means the user of this name.
func MatchAgent(pattern, user string) bool {
	if pattern == user {
		return true
	}
	ok, err := path.Match(pattern, user)
	return ok && err == nil
}

func (c *checker) flow(k Key, f *FlowSpec) {
	if c.flows == nil {
		return
	}
	leads, faults := c.flows.CheckFlow(k.Tenant, k.Name, f, c.s)
	if c.leads == nil {
		c.leads = map[Key][]Lead{}
	}
	c.leads[k] = leads
	r := ref{KindFlow, k}
	for _, f := range faults {
		c.add(f.Warning, r, f.Path, "%s", f.Message)
	}
}

func (c *checker) number(k Key, n *NumberSpec) {
	r := ref{KindNumber, k}
	if !numberPattern.MatchString(n.Digits) && !dialPattern.MatchString(n.Digits) {
		c.fault(r, "digits", `%s; want what is dialled, such as "+40212345678" or "1000"`, strict.Quote(n.Digits))
	}
	given := 0
	for _, has := range []bool{n.Flow != "", n.App != "", n.Queue != "", n.Device != "", len(n.Devices) > 0, n.Voicemail != ""} {
		if has {
			given++
		}
	}
	switch given {
	case 0:
		c.fault(r, "", "leads nowhere; want one of flow, app, queue, device, devices, voicemail")
	case 1:
	default:
		c.fault(r, "", "leads to %d places; want one of flow, app, queue, device, devices, voicemail", given)
	}
	if n.Flow != "" {
		exists(c, r, "flow", KindFlow, c.s.Flows, n.Flow)
	}
	if n.App != "" {
		exists(c, r, "app", KindApp, c.s.Apps, n.App)
	}
	if n.Queue != "" {
		exists(c, r, "queue", KindQueue, c.s.Queues, n.Queue)
	}
	if n.Device != "" {
		exists(c, r, "device", KindDevice, c.s.Devices, n.Device)
	}
	if n.Voicemail != "" {
		exists(c, r, "voicemail", KindVoicemail, c.s.Voicemail, n.Voicemail)
	}
	seen := map[string]bool{}
	for i, d := range n.Devices {
		field := fmt.Sprintf("devices[%d]", i)
		if seen[d] {
			c.fault(r, field, "%s given twice", strict.Quote(d))
			continue
		}
		seen[d] = true
		if !exists(c, r, field, KindDevice, c.s.Devices, d) && i > 20 {
			break // the same slip five hundred times helps nobody
		}
	}
	if n.Language != "" {
		c.must(r, "language", badLanguage(n.Language))
	}
	if n.Priority < -1000 || n.Priority > 1000 {
		c.fault(r, "priority", "%d; want from -1000 to 1000", n.Priority)
	}
}

// duplicates finds what two documents both claim inside a tenant: what is
// dialled, usernames, devices of agents, addresses of carriers.
func (c *checker) duplicates() {
	type claim struct{ tenant, what, value string }
	owner := map[claim]ref{}
	take := func(r ref, tenant, what, value, field string) {
		if value == "" {
			return
		}
		k := claim{tenant, what, value}
		if first, ok := owner[k]; ok {
			c.fault(r, field, "%s is taken by %s", strict.Quote(value), label(first))
			return
		}
		owner[k] = r
	}
	for _, d := range c.s.Documents() { // in order, so that the later one is told
		r := ref{d.Kind, d.key()}
		t := r.key.Tenant
		switch spec := d.Spec.(type) {
		case *TenantSpec:
			for code := range spec.FeatureCodes {
				take(r, t, "dialled", NormalDigits(code), "feature_codes."+code)
			}
		case *DeviceSpec:
			take(r, t, "username", spec.User(d.Name), "username")
			take(r, t, "dialled", NormalDigits(cmp.Or(spec.Extension, spec.User(d.Name))), "extension")
		case *NumberSpec:
			take(r, t, "dialled", NormalDigits(spec.Digits), "digits")
		case *VoicemailSpec:
			c.boxNumbers(take, r, spec)
		case *UserSpec:
			take(r, t, "device", spec.Device, "device")
		case *TrunkSpec:
			if spec.Username != "" {
				take(r, t, "username", spec.Username, "username")
			}
			for i, a := range spec.Addresses {
				if p, err := ParseAddress(a); err == nil {
					take(r, "", "address", p.String(), fmt.Sprintf("addresses[%d]", i)) // a packet's source names one tenant
				}
			}
		}
	}
}

// NormalDigits is how dialled digits are compared: + and 00 before an
// international number are cut.
func NormalDigits(s string) string {
	if t, ok := strings.CutPrefix(s, "+"); ok {
		return t
	}
	if t, ok := strings.CutPrefix(s, "00"); ok && t != "" {
		return t
	}
	return s
}

// reach warns of queues and flows that no call can come to. Without a
// FlowChecker nobody knows where flows lead, so nothing is said.
func (c *checker) reach() {
	if c.flows == nil {
		return
	}
	seen := map[ref]bool{}
	var visit func(r ref)
	visit = func(r ref) {
		if seen[r] {
			return
		}
		seen[r] = true
		if r.kind == KindFlow {
			for _, l := range c.leads[r.key] {
				visit(ref{l.Kind, Key{r.key.Tenant, l.Name}})
			}
		}
		if q := c.s.Queues[r.key]; r.kind == KindQueue && q != nil {
			for _, o := range q.Overflow {
				if kind, name, ok := strings.Cut(o.To, ":"); ok {
					visit(ref{Kind(kind), Key{r.key.Tenant, name}})
				}
			}
			visit(ref{KindFlow, Key{r.key.Tenant, q.Survey}})
			for _, to := range q.Keys {
				if kind, name, ok := strings.Cut(to, ":"); ok {
					visit(ref{Kind(kind), Key{r.key.Tenant, name}})
				}
			}
		}
	}
	for name, t := range c.s.Tenants {
		if kind, target, ok := strings.Cut(t.DefaultTarget, ":"); ok {
			visit(ref{Kind(kind), Key{name, target}})
		}
	}
	for k, n := range c.s.Numbers {
		visit(ref{KindFlow, Key{k.Tenant, n.Flow}})
		visit(ref{KindQueue, Key{k.Tenant, n.Queue}})
	}
	for k, a := range c.s.Apps {
		visit(ref{KindFlow, Key{k.Tenant, a.Fallback}})
	}
	for k := range c.s.Queues {
		if r := (ref{KindQueue, k}); !seen[r] {
			c.warn(r, "", "no number or flow leads to it")
		}
	}
	for k := range c.s.Flows {
		if r := (ref{KindFlow, k}); !seen[r] {
			c.warn(r, "", "no number or flow leads to it")
		}
	}
}
