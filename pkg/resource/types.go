// Package resource holds the resources of a tenant (users, devices, trunks,
// numbers, schedules, skills, queues, flows, prompts): their documents, their
// checks and their revisions. Documents are plain values; the store keeps them,
// pkg/app hands them to the rooms that act on them.
package resource

import "time"

// Kind is the closed list of resource kinds, in the order an apply reads them.
type Kind string

const (
	KindTenant   Kind = "tenant"
	KindUser     Kind = "user"
	KindDevice   Kind = "device"
	KindTrunk    Kind = "trunk"
	KindSchedule Kind = "schedule"
	KindSkill    Kind = "skill"
	KindPrompt   Kind = "prompt"
	KindQueue    Kind = "queue"
	KindFlow     Kind = "flow"
	KindApp      Kind = "app"
	KindNumber   Kind = "number"
	KindSecret   Kind = "secret"
	// KindVoicemail comes behind users and queues, which it names.
	KindVoicemail Kind = "voicemail"
	KindCaseType  Kind = "case_type"
	KindWebhook   Kind = "webhook"
	// KindDispositionList and KindScript are named by queues.
	KindDispositionList Kind = "disposition_list"
	KindScript          Kind = "script"
)

// Document is one resource as it is written in YAML: kind, tenant, name, spec.
type Document struct {
	Kind   Kind   `yaml:"kind"`
	Tenant string `yaml:"tenant,omitempty"` // "" = "default"
	Name   string `yaml:"name"`             // lower case letters, digits, - and _, up to 64
	Spec   any    `yaml:"spec"`             // pointer to the Spec type of the kind
	// Source is where the document was written; nil when it comes from the store.
	Source *Source `yaml:"-"`
}

// Duration is a time.Duration written as "20s" or "1h30m" in YAML and JSON.
type Duration time.Duration

// Record says when a conversation is recorded.
type Record string

const (
	RecordInherit  Record = ""       // ask the next: queue, then trunk or device, then tenant
	RecordAlways   Record = "always" // from the answer
	RecordNever    Record = "never"
	RecordRing     Record = "ring"      // from the first ring, early media too
	RecordOnDemand Record = "on_demand" // from when somebody in the call, or the API, asks
)

// TenantSpec: settings of a client company.
type TenantSpec struct {
	DisplayName string `yaml:"display_name,omitempty"`
	Language    string `yaml:"language,omitempty"` // default language of prompts: "en", "ro", "ru"
	TimeZone    string `yaml:"time_zone,omitempty"`
	Record      Record `yaml:"record,omitempty" enum:",always,never,ring,on_demand"`
	// DefaultTarget is where a call goes when its flow fails; "" = hang up after the sorry prompt.
	DefaultTarget string `yaml:"default_target,omitempty"` // "queue:NAME", "device:NAME", "flow:NAME" or "voicemail:NAME"
	// FeatureCodes maps what is dialled on an agent's phone to an action:
	// "*40" hot_desk (log in at this phone, by agent_number and agent_pin), "*41" log_in, "*42" log_out, "*43" ready, "*44" not_ready (a reason code may follow: *44*1),
	// "*9" echo, "*70" park (as a transfer's target, or dialled while a call is on hold; *7001 fetches who is parked in slot 01),
	// "*8" pickup (*8201 takes the call that rings at extension 201), "*78" dnd_on, "*79" dnd_off,
	// "*90" monitor (*90201 listens to the conversation at extension 201), "*91" whisper, "*92" barge, for who may (see roles),
	// "*60" closure (*601 closes the schedule whose switch is 1, or opens it again) and
	// "*77" record_prompt, both for supervisors and admins,
	// "*97" voicemail (the phone's own box; *97300 opens the box with the number 300),
	// "*71" conference (set it as the phone's conference address: the phone joins its calls there by REFER).
	FeatureCodes map[string]string `yaml:"feature_codes,omitempty"`
	// Region is the country whose numbers are dialled without a country code, ISO
	// 3166-1 such as "RO"; "" = numbers are used as they are written.
	Region string `yaml:"region,omitempty"`
	// EmergencyNumbers are dialled through whatever else forbids: rights, caps,
	// drain, overload. Default 112 and 911; those of Region always count too.
	EmergencyNumbers []string `yaml:"emergency_numbers,omitempty"`
	// ParkTime is how long a caller waits in a parking slot before the phone of who
	// parked it rings; default 1m.
	ParkTime Duration `yaml:"park_time,omitempty"`
	// ParkSlots is how many parking slots there are, 01 to at most 99; default 99.
	ParkSlots int `yaml:"park_slots,omitempty"`
	// ResumeWithin is how long a call is kept whose agent's browser is lost in the
	// middle of it: the page is loaded anew, a lid closes, a network changes. The caller
	// hears ResumePrompt and music meanwhile, and goes before all others in its queue
	// when nobody comes back; default 30s, at most 5m, 0s = the call ends as with any phone.
	ResumeWithin *Duration `yaml:"resume_within,omitempty"`
	// ResumePrompt is what the caller hears first; default "please_wait".
	ResumePrompt string `yaml:"resume_prompt,omitempty"`
	// OutsideCalls bounds the calls of the whole tenant to the outside.
	OutsideCalls *OutsideSpec `yaml:"outside_calls,omitempty"`
	// Rates are what calls to the outside cost, for spend_per_day.
	Rates []RateSpec `yaml:"rates,omitempty"`
	// InCallCodes maps a code that a phone dials while it talks to "transfer" or
	// "conference"; a number and # follow: {"*3": conference}, then *3202#. Or to
	// record_pause, record_resume, record_start, record_stop: # follows, and who
	// dialled hears a tone, high when it is recorded from now on. The other side
	// hears the keys. Default: none.
	InCallCodes map[string]string `yaml:"in_call_codes,omitempty"`
	// PriorityWorth is how much waiting one point of priority is worth: with 5m
	// (default) a caller of priority 2 goes before all who came up to ten minutes
	// earlier with priority 0, and nobody waits for ever. 0s = a higher priority
	// always goes first.
	PriorityWorth *Duration `yaml:"priority_worth,omitempty"`
	// PresenceLease: who is logged in while the phone is out of reach for this long
	// goes not ready ("device_gone"); default 10m, -1s = never.
	PresenceLease *Duration `yaml:"presence_lease,omitempty"`
	// MaxWrapUp bounds wrap-up of the mode until_done; default 1h.
	MaxWrapUp Duration `yaml:"max_wrap_up,omitempty"`
	// MaxCallbacks bounds the callers who wait to be called back; default 1000.
	MaxCallbacks int `yaml:"max_callbacks,omitempty"`
	// AfterOffer is what a call that an agent did not take means for the agent, by
	// cause: no_answer (default "not_ready"; "pause 30s" for always_ready), busy and
	// rejected ("pause 5s"), unreachable ("pause 1m"); or "stay". A queue's own comes first.
	AfterOffer map[string]string `yaml:"after_offer,omitempty"`
	// NotReadyReasons maps the digits after the not_ready code to a reason word.
	NotReadyReasons map[string]string `yaml:"not_ready_reasons,omitempty"`
}

// OutsideSpec bounds calls to the outside, of a tenant, a user or a device. It
// gives nobody a right: that is what outside is for. Emergency calls are never bound.
type OutsideSpec struct {
	// Allow: only numbers with one of these prefixes. Empty or "*" = all. Premium
	// numbers (as the country's plan has them) and satellites are allowed by a
	// prefix alone, never by "*".
	Allow []string `yaml:"allow,omitempty"`
	// Deny: no numbers with one of these prefixes, unless a longer one of Allow has it.
	Deny []string `yaml:"deny,omitempty"`
	// Schedule: only while it is open.
	Schedule string `yaml:"schedule,omitempty"`
	// MaxCalls at a time; 0 = no cap.
	MaxCalls int `yaml:"max_calls,omitempty"`
	// MinutesPerDay of conversation, in the tenant's time zone; 0 = no cap. Calls in
	// progress end when they are used up; emergency calls never.
	MinutesPerDay int `yaml:"minutes_per_day,omitempty"`
	// SpendPerDay by the tenant's rates, thousandths of the currency; 0 = no cap. As
	// MinutesPerDay; what is paid for is talked.
	SpendPerDay int `yaml:"spend_per_day,omitempty"`
}

// RateSpec is the price of calls to numbers with a prefix, in thousandths of the
// currency. Of several the longest prefix counts.
type RateSpec struct {
	Prefix    string `yaml:"prefix"` // "*" = all others
	PerMinute int    `yaml:"per_minute,omitempty"`
	Setup     int    `yaml:"setup,omitempty"` // for each call answered
	// Step that is charged as a whole; default 1s.
	Step Duration `yaml:"step,omitempty"`
}

// UserSpec: a person.
type UserSpec struct {
	DisplayName string `yaml:"display_name,omitempty"`
	// Roles: agent, supervisor, quality, admin, ops. Supervisor and admin may listen to
	// calls, whisper and barge in; quality may listen.
	Roles []string `yaml:"roles,omitempty"`
	// MayMonitor names the queues ("*" = every call, also those of no queue) whose calls
	// the user may listen to. It bounds what the roles allow; without such a role it
	// gives the right to listen.
	MayMonitor []string       `yaml:"may_monitor,omitempty"`
	Device     string         `yaml:"device,omitempty"` // the device on which an agent takes calls
	Skills     map[string]int `yaml:"skills,omitempty"` // skill -> level 0..10
	// AlwaysReady: a static agent: logged in and ready from start, as the bench configuration has them.
	AlwaysReady bool `yaml:"always_ready,omitempty"`
	// Outside: may call outside numbers through a trunk; prefixes of the dialled number ("" list = none; "*" = all).
	Outside []string `yaml:"outside,omitempty"`
	// OutsideCalls bounds what Outside allows.
	OutsideCalls *OutsideSpec `yaml:"outside_calls,omitempty"`
	// WrapUp overrides the queue's wrap-up for this agent.
	WrapUp *Duration `yaml:"wrap_up,omitempty"`
	// OnDemand: each log-in or ready is good for one call; then the agent is not
	// ready ("one_call") until asking for the next.
	OnDemand bool `yaml:"on_demand,omitempty"`
	// AgentNumber and AgentPIN let the agent log in at any phone of the house: dial *40
	// (feature hot_desk), then the number and the PIN, four to ten digits.
	AgentNumber string `yaml:"agent_number,omitempty"`
	AgentPIN    string `yaml:"agent_pin,omitempty" secret:"true"`
	// Capacity by channel; default {voice: 1}. An agent without capacity for a
	// queue's channel is not offered its callers.
	Capacity map[string]int `yaml:"capacity,omitempty"`
}

// DeviceSpec: a SIP phone's account.
type DeviceSpec struct {
	Username string `yaml:"username,omitempty"`               // default: the resource name
	Password string `yaml:"password,omitempty" secret:"true"` // kept as digest HA1 in the store when Realm is known
	// HA1 stands for the password once the realm is known; see Seal.
	HA1 *HA1Spec `yaml:"ha1,omitempty"`
	// Contact is a fixed address "sip:agent1@127.0.0.1:5090" for a device that never registers.
	Contact string `yaml:"contact,omitempty"`
	// Extension is what others dial to reach it; default: the username.
	Extension string   `yaml:"extension,omitempty"`
	Codecs    []string `yaml:"codecs,omitempty"` // pcma, pcmu, g722, opus, best first; default the node's media.codecs
	// MediaEncryption is SRTP by SDES (RFC 4568): off; optional (default), taken where the
	// other side offers it and offered where its signalling is TLS; required, or no call.
	// Browsers always have DTLS-SRTP.
	MediaEncryption string `yaml:"media_encryption,omitempty" enum:",off,optional,required"`
	// SDESOverPlainSIP lets the keys travel in signalling without TLS: who reads that can
	// hear the calls.
	SDESOverPlainSIP bool   `yaml:"sdes_over_plain_sip,omitempty"`
	Record           Record `yaml:"record,omitempty" enum:",always,never,ring,on_demand"`
	// Outside as in UserSpec, for a phone that belongs to nobody.
	Outside []string `yaml:"outside,omitempty"`
	// OutsideCalls bounds what Outside allows, its own and its users'.
	OutsideCalls *OutsideSpec `yaml:"outside_calls,omitempty"`
	MaxContacts  int          `yaml:"max_contacts,omitempty"` // default 5
	// MaxCalls at a time on this device, dialled and received; more are answered 486 Busy Here. 0 = no cap.
	MaxCalls int `yaml:"max_calls,omitempty"`
	// AutoAnswer asks a headset phone to answer a queue's calls by itself, in the
	// header that it understands: "call_info" (answer-after=0: Snom, Yealink, Grandstream,
	// Fanvil) or "alert_info" (info=alert-autoanswer: Polycom, Cisco); default not at all.
	AutoAnswer string `yaml:"auto_answer,omitempty" enum:",call_info,alert_info"`
	// Keys is how the phone sends keys: "auto" (default), telephone-events where they were
	// agreed (RFC 4733) and tones in the sound where not, and SIP INFO; or by "rfc4733",
	// "info" or "inband" (tones, without telephone-event) and no other way.
	Keys string `yaml:"dtmf,omitempty" enum:",auto,rfc4733,info,inband"`
	// HandOver: the INVITE tells what the caller has keyed and what the flow has found out, in
	// X-Centrala-Gathered as a query string (choice=1&name=Ana), up to 900 bytes; no secrets.
	HandOver bool `yaml:"hand_over,omitempty"`
	// Voicemail is the box for direct calls that the device does not answer within
	// VoicemailAfter (default 25s), refuses, or cannot be reached for.
	Voicemail      string   `yaml:"voicemail,omitempty"`
	VoicemailAfter Duration `yaml:"voicemail_after,omitempty"`
	// MessageLamp: how the phone hears that messages wait (RFC 3842): "subscribe"
	// (default), when it asks for it; "unsolicited", by NOTIFY without subscription
	// too, for phones that expect that; "off".
	MessageLamp string `yaml:"message_lamp,omitempty" enum:",subscribe,unsolicited,off"`
}

// HA1Spec is a password as digest authentication needs it: the hash of
// "username:realm:password" in hex (RFC 8760 and RFC 7616 3.4.2). It is as good
// as the password for this realm alone, so it is a secret too.
type HA1Spec struct {
	Realm    string `yaml:"realm"`
	Username string `yaml:"username"`
	MD5      string `yaml:"md5" secret:"true"`
	SHA256   string `yaml:"sha256" secret:"true"`
}

// TrunkSpec: a line to a carrier.
type TrunkSpec struct {
	// Addresses from which the carrier calls in: "192.0.2.1", "192.0.2.0/24", "192.0.2.1:5060".
	Addresses []string `yaml:"addresses,omitempty"`
	// TLSSubject: names of which the carrier's client certificate must bear one (of the SAN, the
	// CN, or the whole subject), by a listener with client_ca. With addresses too, both must match.
	TLSSubject []string `yaml:"tls_subject,omitempty"`
	// TLSServerName is what the far end of calls out by TLS must prove, when it is not the
	// target's host.
	TLSServerName string `yaml:"tls_server_name,omitempty"`
	// Target is where calls out are sent: "sip:192.0.2.1:5060;transport=udp", transport tcp or
	// tls, or "sips:host". "" = no calls out.
	Target string `yaml:"target,omitempty"`
	// Prefixes of dialled numbers that this trunk carries; "*" = all. Longest wins,
	// then the highest Priority, then a choice by Weight, then name.
	Prefixes []string `yaml:"prefixes,omitempty"`
	Priority int      `yaml:"priority,omitempty"`
	// Weight shares the calls of one prefix length and priority: 3 gets three times
	// what 1 gets. 0 (default) comes after those with a weight, by name.
	Weight int `yaml:"weight,omitempty"`
	// Register: the carrier wants us to register with it (RFC 3261 10).
	Register *RegisterSpec `yaml:"register,omitempty"`
	// OptionsInterval is the time between OPTIONS to the target; a trunk that does
	// not answer them gets no calls. 0 (default) = none are sent.
	OptionsInterval Duration `yaml:"options_interval,omitempty"`
	// DownAfter and UpAfter are how many OPTIONS in a row must fail, or be
	// answered, to take the trunk out of service or back; default 2 and 1.
	DownAfter int `yaml:"down_after,omitempty"`
	UpAfter   int `yaml:"up_after,omitempty"`
	// ResponseTimeout: without any answer for this long the call goes to the next
	// address, or trunk; default 4s.
	ResponseTimeout Duration `yaml:"response_timeout,omitempty"`
	// FailoverCodes are the SIP answers that send a call to the next trunk, as long
	// as nobody has rung; default 408, 500, 502, 503, 504.
	FailoverCodes []int `yaml:"failover_codes,omitempty"`
	// Region as in TenantSpec, of the numbers on this trunk; default the tenant's.
	Region string `yaml:"region,omitempty"`
	// NumberFormat of dialled and calling numbers towards the trunk: "e164"
	// (+40...), "e164_plain" (40...), "national" (0...; abroad 00...); default as dialled.
	NumberFormat string `yaml:"number_format,omitempty" enum:",e164,e164_plain,national"`
	// TrustIdentity: the caller's number is taken from P-Asserted-Identity or
	// Remote-Party-ID of this trunk (RFC 3325); never from anybody else's.
	TrustIdentity bool `yaml:"trust_identity,omitempty"`
	// SendIdentity: the calling number is sent in P-Asserted-Identity ("pai") or
	// Remote-Party-ID ("rpid") too; default in From alone.
	SendIdentity string `yaml:"send_identity,omitempty" enum:",pai,rpid"`
	// Keys is how the carrier sends keys, as in DeviceSpec.
	Keys string `yaml:"dtmf,omitempty" enum:",auto,rfc4733,info,inband"`
	// SendDiversion: who forwarded the call is told in Diversion ("diversion", RFC
	// 5806) or History-Info ("history_info", RFC 7044); default not at all.
	SendDiversion string `yaml:"send_diversion,omitempty" enum:",diversion,history_info"`
	// Emergency: emergency calls go over this trunk first. When no trunk says so,
	// any will do.
	Emergency bool `yaml:"emergency,omitempty"`
	// StripDigits are cut from the dialled number before AddPrefix is put before it.
	StripDigits int    `yaml:"strip_digits,omitempty"`
	AddPrefix   string `yaml:"add_prefix,omitempty"`
	CallerID    string `yaml:"caller_id,omitempty"` // number shown outside
	// Auth answers the carrier's digest challenge on calls out.
	AuthUser     string `yaml:"auth_user,omitempty"`
	AuthPassword string `yaml:"auth_password,omitempty" secret:"true"`
	// Username and Password let a far side call in that has no fixed address: each
	// call proves them by digest. It registers nothing and may call our numbers alone.
	Username string   `yaml:"username,omitempty"`
	Password string   `yaml:"password,omitempty" secret:"true"`
	MaxCalls int      `yaml:"max_calls,omitempty"` // 0 = no cap
	Codecs   []string `yaml:"codecs,omitempty"`
	// MediaEncryption is SRTP by SDES (RFC 4568): off; optional (default), taken where the
	// other side offers it and offered where its signalling is TLS; required, or no call.
	// Browsers always have DTLS-SRTP.
	MediaEncryption string `yaml:"media_encryption,omitempty" enum:",off,optional,required"`
	// SDESOverPlainSIP lets the keys travel in signalling without TLS: who reads that can
	// hear the calls.
	SDESOverPlainSIP bool   `yaml:"sdes_over_plain_sip,omitempty"`
	Record           Record `yaml:"record,omitempty" enum:",always,never,ring,on_demand"`
	// RingTimeout bounds a call out; default 60s.
	RingTimeout Duration `yaml:"ring_timeout,omitempty"`
}

// RegisterSpec: how a trunk registers with its carrier.
type RegisterSpec struct {
	// User is registered as sip:User@Domain; default auth_user.
	User   string `yaml:"user,omitempty"`
	Domain string `yaml:"domain,omitempty"` // default: the host of the target
	// Registrar is where REGISTER is sent; default the target.
	Registrar string   `yaml:"registrar,omitempty"`
	Expires   Duration `yaml:"expires,omitempty"` // asked for; default 10m
}

// NumberSpec: what callers dial. The document's name is free; Digits is dialled.
type NumberSpec struct {
	Digits string `yaml:"digits"` // exact; "+40..." or "1000"; compared after stripping + and 00
	// Exactly one of Flow, App, Queue, Device, Devices, Voicemail.
	Flow   string `yaml:"flow,omitempty"`
	App    string `yaml:"app,omitempty"` // an application leads the call
	Queue  string `yaml:"queue,omitempty"`
	Device string `yaml:"device,omitempty"`
	// Voicemail: callers leave a message at once.
	Voicemail string `yaml:"voicemail,omitempty"`
	// Devices: hunt: list of devices taken in turn, the longest unused first. "agent{1..500}" in
	// a file stands for agent1 to agent500; a glob such as "agent*" is not taken.
	Devices  []string `yaml:"devices,omitempty"`
	Priority int      `yaml:"priority,omitempty"`
	Language string   `yaml:"language,omitempty"`
	Record   Record   `yaml:"record,omitempty" enum:",always,never,ring,on_demand"`
}

// ScheduleSpec: opening hours with a time zone and holidays.
type ScheduleSpec struct {
	TimeZone string        `yaml:"time_zone"` // IANA name
	Hours    []HoursSpec   `yaml:"hours"`
	Holidays []HolidaySpec `yaml:"holidays,omitempty"`
	// Calendars whose events count beside the holidays, which come first on days that
	// they name by date. At most 10.
	Calendars []CalendarSpec `yaml:"calendars,omitempty"`
	// Switch is what follows the feature code "closure" (*60) on a phone to close this
	// schedule or open it again: "1" for *601. Digits, at most 6.
	Switch string `yaml:"switch,omitempty"`
}

// CalendarSpec: the text of an iCalendar file (RFC 5545), such as the public holidays
// of a country. Events of whole days close the day, events with times close those hours.
type CalendarSpec struct {
	Name string `yaml:"name,omitempty"`
	ICal string `yaml:"ical"` // at most 512 KiB, 2,000 events; what recurs counts up to the end of 2060
	// Means "open" lets the events open instead of close.
	Means string `yaml:"means,omitempty" enum:",closed,open"`
}

// HoursSpec: on Days ("mon".."sun") open From "09:00" until To "17:30"
// (To "24:00" is midnight at the end; To <= From runs into the next day).
type HoursSpec struct {
	Days []string `yaml:"days"`
	From string   `yaml:"from"`
	To   string   `yaml:"to"`
}

// HolidaySpec: a day closed (or with Hours of its own). Date is "2026-12-25", "12-25" for
// every year, a weekday of a month ("2nd sun may", "last mon may"), or a day before or
// after Easter ("easter-2", "orthodox_easter+1"). Until makes it a stretch of days.
type HolidaySpec struct {
	Name  string      `yaml:"name,omitempty"`
	Date  string      `yaml:"date"`
	Until string      `yaml:"until,omitempty"` // the last day of it, written as Date
	Hours []HoursSpec `yaml:"hours,omitempty"` // Days is ignored here
}

// SkillSpec: a word that agents have and callers may need.
type SkillSpec struct {
	DisplayName string `yaml:"display_name,omitempty"`
}

// PromptSpec: a site's own audio for a prompt name, per language. What is uploaded,
// recorded by phone or synthesised (centrala prompt) comes before the files.
type PromptSpec struct {
	Files map[string]string `yaml:"files,omitempty"` // language -> path, absolute or relative to the prompts folder
	// Text is what it says, per language: for people, and to be synthesised.
	Text map[string]string `yaml:"text,omitempty"`
	// Number is keyed in on a phone to record the prompt (feature code record_prompt,
	// *77). Digits, at most 6.
	Number string `yaml:"number,omitempty"`
}

// QueueSpec: callers wait here for agents.
type QueueSpec struct {
	DisplayName string `yaml:"display_name,omitempty"`
	// Strategy by which agents of one rank are chosen: longest_idle (default),
	// round_robin, fewest_calls, least_occupied, ring_all, linear, progressive, random
	// (by weight), best_skill. See routing.md.
	Strategy string       `yaml:"strategy,omitempty"`
	Members  []MemberSpec `yaml:"members,omitempty"`
	Priority int          `yaml:"priority,omitempty"` // added to the call's own; higher first
	WrapUp   Duration     `yaml:"wrap_up,omitempty"`
	// WrapUpMode: "timed" (default: ends by itself, the agent may end it early), "fixed"
	// (a supervisor alone may), "until_done" (the agent ends it).
	WrapUpMode string `yaml:"wrap_up_mode,omitempty" enum:",timed,fixed,until_done"`
	// WrapUpExtend is how much an agent may add to one wrap-up in all; default 0s.
	WrapUpExtend Duration `yaml:"wrap_up_extend,omitempty"`
	RingTimeout  Duration `yaml:"ring_timeout,omitempty"` // default 20s
	// RingLimit bounds the phones that ring for one caller (ring_all, progressive);
	// default 10, at most 50. RingStep is when progressive adds a phone; default 5s.
	RingLimit int      `yaml:"ring_limit,omitempty"`
	RingStep  Duration `yaml:"ring_step,omitempty"`
	// Tiers open members of a rank (and higher ones not named) only after a time of waiting.
	Tiers []TierSpec `yaml:"tiers,omitempty"`
	// AfterOffer as in TenantSpec, for calls of this queue.
	AfterOffer map[string]string `yaml:"after_offer,omitempty"`
	MaxWait    Duration          `yaml:"max_wait,omitempty"`   // 0 = no limit
	MaxLength  int               `yaml:"max_length,omitempty"` // 0 = no limit
	// Overflow sends callers on; the first rule that holds counts. At most 16.
	Overflow []OverflowSpec `yaml:"overflow,omitempty"`
	// Keys are what callers may press while they wait, unless the flow's queue step has
	// the key: "callback" (be called back, keeping the place), "leave" (back to the flow,
	// with the outcome key), or a target as in overflow.
	Keys map[string]string `yaml:"keys,omitempty"`
	// Callback: callers may ask to be called back; absent = they may not.
	Callback *CallbackSpec `yaml:"callback,omitempty"`
	// KeepPlace: who is cut off while waiting and calls again within this time gets the
	// old place; default 1m, 0s = never. Never for callers who withhold their number.
	KeepPlace *Duration `yaml:"keep_place,omitempty"`
	// LeaveWhenEmpty: a caller does not join, and leaves, when nobody is logged in. Default true.
	LeaveWhenEmpty *bool  `yaml:"leave_when_empty,omitempty"`
	Music          string `yaml:"music,omitempty"` // prompt name; default "music"
	// AgentAnnouncement is a prompt (the queue's name, say) that the agent hears on
	// answering, before the conversation; the caller hears music on. Any key ends it.
	// AgentAnnouncementWait has the caller's wait said after it, as a number of
	// seconds or minutes.
	AgentAnnouncement     string `yaml:"agent_announcement,omitempty"`
	AgentAnnouncementWait string `yaml:"agent_announcement_wait,omitempty" enum:",seconds,minutes"`
	// Announce is what waiting callers are told, in this order: "position" (default),
	// "estimate" (how long it will take, when that is known) and names of prompts, such as
	// please_wait; "callback" offers the key that has a caller called back. An item may have
	// times of its own: "please_wait after 20s every 45s", "legal_notice once"; items that
	// are due together are told together.
	Announce []string `yaml:"announce,omitempty"`
	// Told first after AnnounceFirst (default 2s; -1s = never), then every AnnounceEvery (default 30s).
	AnnounceFirst *Duration `yaml:"announce_first,omitempty"`
	AnnounceEvery *Duration `yaml:"announce_every,omitempty"`
	// ServiceLevel threshold T; default 20s.
	ServiceLevel Duration `yaml:"service_level,omitempty"`
	// Alarms: when a supervisor is told; absent = never.
	Alarms *AlarmsSpec `yaml:"alarms,omitempty"`
	// ShortAbandon: who hangs up within it has not been lost: a short abandon, kept
	// apart in the figures. Default 5s; -1s = none is short.
	ShortAbandon Duration `yaml:"short_abandon,omitempty"`
	Record       Record   `yaml:"record,omitempty" enum:",always,never,ring,on_demand"`
	// Skills needed: skill -> least level.
	Skills map[string]int `yaml:"skills,omitempty"`
	// Need is an expression over skills, which may relax with the time of waiting:
	// "ro > 5 and (sales >= 3 or not junior); after 30s ro > 2; after 60s any". It
	// counts beside Skills. A step may only widen.
	Need string `yaml:"need,omitempty"`
	// LastAgent: a caller who talked to an agent less than this ago waits for that
	// agent first, for Patience (default 30s); default 0s = no.
	LastAgent Duration `yaml:"last_agent,omitempty"`
	Patience  Duration `yaml:"patience,omitempty"`
	// Dispositions is the disposition_list from which agents say how a call went; "" = none.
	Dispositions string `yaml:"dispositions,omitempty"`
	// Survey is the flow to which callers go when the agent has hung up and they have not
	// (step survey, ivr.md), once a call; "" = none. A flow's own way "answered" comes first.
	Survey string `yaml:"survey,omitempty"`
	// Script is shown to the agent with each call.
	Script string `yaml:"script,omitempty"`
}

// TierSpec opens a rank after a time of waiting.
type TierSpec struct {
	Rank  int      `yaml:"rank"`
	After Duration `yaml:"after"`
}

// MemberSpec: an agent (user name, or a glob over user names such as "agent*") in a queue.
type MemberSpec struct {
	Agent string `yaml:"agent"`
	Rank  int    `yaml:"rank,omitempty"`
	// Weight is the agent's share of the strategy random; default 1.
	Weight int `yaml:"weight,omitempty"`
}

// FlowSpec is an IVR program. Its body is parsed and checked by ivr/flow; here
// it is kept as the YAML subtree it was written as.
type FlowSpec struct {
	Raw map[string]any `yaml:",inline"`
}
