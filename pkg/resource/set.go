package resource

import (
	"cmp"
	"fmt"
	"slices"
)

// DefaultTenant owns every document that names no tenant; it exists from the start.
const DefaultTenant = "default"

// Key names one resource of a kind: names are free per tenant.
type Key struct {
	Tenant string
	Name   string
}

func (k Key) String() string { return k.Tenant + "/" + k.Name }

// Set is every resource of every tenant at one revision, by kind. A Set that
// was handed out is not changed any more: Merge makes a new one.
type Set struct {
	// Revision rises by one with each apply; 0 is a set that was never stored.
	Revision uint64

	Tenants          map[string]*TenantSpec // always holds DefaultTenant
	Users            map[Key]*UserSpec
	Devices          map[Key]*DeviceSpec
	Trunks           map[Key]*TrunkSpec
	Schedules        map[Key]*ScheduleSpec
	Skills           map[Key]*SkillSpec
	Prompts          map[Key]*PromptSpec
	Queues           map[Key]*QueueSpec
	Flows            map[Key]*FlowSpec
	Apps             map[Key]*AppSpec
	Numbers          map[Key]*NumberSpec
	Secrets          map[Key]*SecretSpec
	Voicemail        map[Key]*VoicemailSpec
	CaseTypes        map[Key]*CaseTypeSpec
	Webhooks         map[Key]*WebhookSpec
	DispositionLists map[Key]*DispositionListSpec
	Scripts          map[Key]*ScriptSpec

	// FlowVersions counts the published versions of each flow, from 1; nil for a set
	// that does not come from the store.
	FlowVersions map[Key]int

	// sources tells where a document was written, for faults; nil for sets from the store.
	sources map[ref]*Source
}

// ref names one document of a set.
type ref struct {
	kind Kind
	key  Key
}

// EmptySet is a set with nothing but the default tenant.
func EmptySet() *Set {
	return &Set{
		Tenants:          map[string]*TenantSpec{DefaultTenant: {}},
		Users:            map[Key]*UserSpec{},
		Devices:          map[Key]*DeviceSpec{},
		Trunks:           map[Key]*TrunkSpec{},
		Schedules:        map[Key]*ScheduleSpec{},
		Skills:           map[Key]*SkillSpec{},
		Prompts:          map[Key]*PromptSpec{},
		Queues:           map[Key]*QueueSpec{},
		Flows:            map[Key]*FlowSpec{},
		Apps:             map[Key]*AppSpec{},
		Numbers:          map[Key]*NumberSpec{},
		Secrets:          map[Key]*SecretSpec{},
		Voicemail:        map[Key]*VoicemailSpec{},
		CaseTypes:        map[Key]*CaseTypeSpec{},
		Webhooks:         map[Key]*WebhookSpec{},
		DispositionLists: map[Key]*DispositionListSpec{},
		Scripts:          map[Key]*ScriptSpec{},
		sources:          map[ref]*Source{},
	}
}

// NewSet makes a set of documents; of two with the same name the later wins
// (ParseYAML already told it as a fault).
func NewSet(docs []Document) *Set {
	s := EmptySet()
	for i := range docs {
		s.put(docs[i])
	}
	return s
}

// key is the document's place in a Set.
func (d Document) key() Key {
	if d.Kind == KindTenant {
		return Key{d.Name, d.Name}
	}
	return Key{cmp.Or(d.Tenant, DefaultTenant), d.Name}
}

func (s *Set) put(d Document) {
	k := d.key()
	switch spec := d.Spec.(type) {
	case *TenantSpec:
		s.Tenants[k.Name] = spec
	case *UserSpec:
		s.Users[k] = spec
	case *DeviceSpec:
		s.Devices[k] = spec
	case *TrunkSpec:
		s.Trunks[k] = spec
	case *ScheduleSpec:
		s.Schedules[k] = spec
	case *SkillSpec:
		s.Skills[k] = spec
	case *PromptSpec:
		s.Prompts[k] = spec
	case *QueueSpec:
		s.Queues[k] = spec
	case *FlowSpec:
		s.Flows[k] = spec
	case *AppSpec:
		s.Apps[k] = spec
	case *NumberSpec:
		s.Numbers[k] = spec
	case *SecretSpec:
		s.Secrets[k] = spec
	case *VoicemailSpec:
		s.Voicemail[k] = spec
	case *CaseTypeSpec:
		s.CaseTypes[k] = spec
	case *WebhookSpec:
		s.Webhooks[k] = spec
	case *DispositionListSpec:
		s.DispositionLists[k] = spec
	case *ScriptSpec:
		s.Scripts[k] = spec
	default:
		// ParseYAML makes nothing else, and a caller who does has a bug to be found at once.
		panic(fmt.Sprintf("resource: %s %q has a spec of type %T", d.Kind, d.Name, d.Spec))
	}
	if d.Source != nil {
		s.sources[ref{d.Kind, k}] = d.Source
	} else {
		delete(s.sources, ref{d.Kind, k})
	}
}

func (s *Set) remove(r ref) {
	switch r.kind {
	case KindTenant:
		if r.key.Name != DefaultTenant {
			delete(s.Tenants, r.key.Name)
		} else {
			s.Tenants[DefaultTenant] = &TenantSpec{}
		}
	case KindUser:
		delete(s.Users, r.key)
	case KindDevice:
		delete(s.Devices, r.key)
	case KindTrunk:
		delete(s.Trunks, r.key)
	case KindSchedule:
		delete(s.Schedules, r.key)
	case KindSkill:
		delete(s.Skills, r.key)
	case KindPrompt:
		delete(s.Prompts, r.key)
	case KindQueue:
		delete(s.Queues, r.key)
	case KindFlow:
		delete(s.Flows, r.key)
	case KindApp:
		delete(s.Apps, r.key)
	case KindNumber:
		delete(s.Numbers, r.key)
	case KindSecret:
		delete(s.Secrets, r.key)
	case KindVoicemail:
		delete(s.Voicemail, r.key)
	case KindCaseType:
		delete(s.CaseTypes, r.key)
	case KindWebhook:
		delete(s.Webhooks, r.key)
	case KindDispositionList:
		delete(s.DispositionLists, r.key)
	case KindScript:
		delete(s.Scripts, r.key)
	}
	delete(s.sources, r)
}

// Documents lists the set in a stable order: by tenant (default first), then
// kind in the order of an apply, then name as people count (agent2 before agent10).
func (s *Set) Documents() []Document {
	var docs []Document
	for name, spec := range s.Tenants {
		docs = append(docs, Document{Kind: KindTenant, Name: name, Spec: spec, Source: s.sources[ref{KindTenant, Key{name, name}}]})
	}
	docs = appendDocs(docs, s, KindUser, s.Users)
	docs = appendDocs(docs, s, KindDevice, s.Devices)
	docs = appendDocs(docs, s, KindTrunk, s.Trunks)
	docs = appendDocs(docs, s, KindSchedule, s.Schedules)
	docs = appendDocs(docs, s, KindSkill, s.Skills)
	docs = appendDocs(docs, s, KindPrompt, s.Prompts)
	docs = appendDocs(docs, s, KindQueue, s.Queues)
	docs = appendDocs(docs, s, KindSecret, s.Secrets)
	docs = appendDocs(docs, s, KindFlow, s.Flows)
	docs = appendDocs(docs, s, KindApp, s.Apps)
	docs = appendDocs(docs, s, KindNumber, s.Numbers)
	docs = appendDocs(docs, s, KindVoicemail, s.Voicemail)
	docs = appendDocs(docs, s, KindCaseType, s.CaseTypes)
	docs = appendDocs(docs, s, KindWebhook, s.Webhooks)
	docs = appendDocs(docs, s, KindDispositionList, s.DispositionLists)
	docs = appendDocs(docs, s, KindScript, s.Scripts)
	slices.SortFunc(docs, func(a, b Document) int {
		ka, kb := a.key(), b.key()
		return cmp.Or(compareTenants(ka.Tenant, kb.Tenant), cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)), compareNatural(ka.Name, kb.Name))
	})
	return docs
}

func appendDocs[S any](docs []Document, s *Set, kind Kind, m map[Key]*S) []Document {
	for k, spec := range m {
		docs = append(docs, Document{Kind: kind, Tenant: k.Tenant, Name: k.Name, Spec: spec, Source: s.sources[ref{kind, k}]})
	}
	return docs
}

// Kinds lists every Kind in the order an apply reads them.
var Kinds = []Kind{KindTenant, KindUser, KindDevice, KindTrunk, KindSchedule, KindSkill, KindPrompt, KindDispositionList, KindScript, KindQueue, KindSecret, KindFlow, KindApp, KindNumber, KindVoicemail, KindCaseType, KindWebhook}

func kindOrder(k Kind) int { return slices.Index(Kinds, k) }

func compareTenants(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == DefaultTenant:
		return -1
	case b == DefaultTenant:
		return 1
	}
	return cmp.Compare(a, b)
}

// compareNatural orders names with their runs of digits as numbers.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		da, db := digitRun(a), digitRun(b)
		if da > 0 && db > 0 {
			na, nb := trimZeros(a[:da]), trimZeros(b[:db])
			if c := cmp.Or(cmp.Compare(len(na), len(nb)), cmp.Compare(na, nb), cmp.Compare(da, db)); c != 0 {
				return c
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func digitRun(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func trimZeros(s string) string {
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	return s
}

func sortEntries(es []entry) {
	slices.SortFunc(es, func(a, b entry) int { return compareNatural(a.key, b.key) })
}
