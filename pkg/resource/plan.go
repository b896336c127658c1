package resource

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Mask stands for a secret in exports, diffs and faults. A document applied
// with it keeps the secret that the live resource has.
const Mask = "********"

// Merge returns live with docs put in: added or replaced. With prune, live
// resources of the same tenants and kinds as in docs which docs do not name are
// removed (so a folder of queues never removes a user). live is not changed.
// Secrets written as Mask keep what live has.
func Merge(live *Set, docs []Document, prune bool) *Set {
	if live == nil {
		live = EmptySet()
	}
	out := live.clone()
	if prune {
		type scope struct {
			kind   Kind
			tenant string
		}
		touched, named := map[scope]bool{}, map[ref]bool{}
		for _, d := range docs {
			k := d.key()
			named[ref{d.Kind, k}] = true
			if d.Kind != KindTenant { // pruning tenants would take all they have with them
				touched[scope{d.Kind, k.Tenant}] = true
			}
		}
		for _, d := range live.Documents() {
			r := ref{d.Kind, d.key()}
			if touched[scope{d.Kind, r.key.Tenant}] && !named[r] {
				out.remove(r)
			}
		}
	}
	for _, d := range docs {
		d.Spec = keepSecrets(d, live)
		out.put(d)
	}
	return out
}

// clone copies the maps; specs are shared and never changed in place.
func (s *Set) clone() *Set {
	return &Set{
		Revision: s.Revision, Tenants: maps.Clone(s.Tenants), Users: maps.Clone(s.Users), Devices: maps.Clone(s.Devices),
		Trunks: maps.Clone(s.Trunks), Schedules: maps.Clone(s.Schedules), Skills: maps.Clone(s.Skills),
		Prompts: maps.Clone(s.Prompts), Queues: maps.Clone(s.Queues), Flows: maps.Clone(s.Flows), Apps: maps.Clone(s.Apps),
		Numbers: maps.Clone(s.Numbers), Secrets: maps.Clone(s.Secrets), Voicemail: maps.Clone(s.Voicemail), CaseTypes: maps.Clone(s.CaseTypes), Webhooks: maps.Clone(s.Webhooks),
		DispositionLists: maps.Clone(s.DispositionLists), Scripts: maps.Clone(s.Scripts), sources: map[ref]*Source{},
	}
}

// keepSecrets returns d's spec with masked secrets taken from live. What live
// does not have stays masked, and Check tells it.
func keepSecrets(d Document, live *Set) any {
	switch spec := d.Spec.(type) {
	case *DeviceSpec:
		old := live.Devices[d.key()]
		if old == nil {
			return spec
		}
		masked := spec.Password == Mask || spec.HA1 != nil && (spec.HA1.MD5 == Mask || spec.HA1.SHA256 == Mask)
		// A document without any password keeps nothing: the device loses its password.
		if masked {
			c := *spec
			c.Password, c.HA1 = old.Password, old.HA1
			return &c
		}
	case *UserSpec:
		if old := live.Users[d.key()]; old != nil && spec.AgentPIN == Mask {
			c := *spec
			c.AgentPIN = old.AgentPIN
			return &c
		}
	case *AppSpec:
		if old := live.Apps[d.key()]; old != nil && spec.Secret == Mask {
			c := *spec
			c.Secret = old.Secret
			return &c
		}
	case *SecretSpec:
		if old := live.Secrets[d.key()]; old != nil && (spec.Value == Mask || spec.Sealed == Mask) {
			return old
		}
	case *VoicemailSpec:
		if old := live.Voicemail[d.key()]; old != nil && spec.PIN == Mask {
			c := *spec
			c.PIN = old.PIN
			return &c
		}
	case *TrunkSpec:
		if old := live.Trunks[d.key()]; old != nil && (spec.AuthPassword == Mask || spec.Password == Mask) {
			c := *spec
			if c.AuthPassword == Mask {
				c.AuthPassword = old.AuthPassword
			}
			if c.Password == Mask {
				c.Password = old.Password
			}
			return &c
		}
	}
	return d.Spec
}

// Op is what an apply does to one resource.
type Op string

const (
	OpAdd    Op = "add"
	OpChange Op = "change"
	OpRemove Op = "remove"
)

// Change is one difference between two sets.
type Change struct {
	Op     Op       `json:"op"`
	Kind   Kind     `json:"kind"`
	Tenant string   `json:"tenant"`
	Name   string   `json:"name"`
	Fields []Field  `json:"fields,omitempty"` // what differs, for OpChange; in the order of the spec
	_      struct{} // fields by name
}

// Field is one value that differs. "" is absent; secrets are masked.
type Field struct {
	Path string `json:"path"` // such as members[2].agent
	Old  string `json:"old"`
	New  string `json:"new"`
}

// String is one line per resource and field, as `centrala diff` prints it.
func (c Change) String() string {
	mark := map[Op]string{OpAdd: "+", OpChange: "~", OpRemove: "-"}[c.Op]
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", mark, label(ref{c.Kind, Key{c.Tenant, c.Name}}))
	for _, f := range c.Fields {
		fmt.Fprintf(&b, "\n    %s: %s -> %s", f.Path, orNone(f.Old), orNone(f.New))
	}
	return b.String()
}

// maxShown of a value in a list of changes: a calendar's text is not read there.
const maxShown = 300

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	if len(s) > maxShown {
		return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(strings.ReplaceAll(s[:maxShown], "\n", " "), ""), len(s))
	}
	return s
}

// Diff lists what must change to make old into new, in the order of
// Documents, removals last and in reverse (users of a thing before the thing).
func Diff(old, new *Set) []Change {
	if old == nil {
		old = EmptySet()
	}
	was := map[ref]Document{}
	for _, d := range old.Documents() {
		was[ref{d.Kind, d.key()}] = d
	}
	var changes, removed []Change
	for _, d := range new.Documents() {
		r := ref{d.Kind, d.key()}
		o, ok := was[r]
		delete(was, r)
		c := Change{Op: OpAdd, Kind: d.Kind, Tenant: r.key.Tenant, Name: d.Name}
		if ok {
			c.Op = OpChange
			if c.Fields = fields(o.Spec, d.Spec); len(c.Fields) == 0 {
				continue
			}
		}
		changes = append(changes, c)
	}
	for _, d := range old.Documents() {
		r := ref{d.Kind, d.key()}
		if _, gone := was[r]; gone {
			removed = append(removed, Change{Op: OpRemove, Kind: d.Kind, Tenant: r.key.Tenant, Name: d.Name})
		}
	}
	slices.Reverse(removed)
	return append(changes, removed...)
}

// fields compares two specs of a kind.
func fields(old, new any) []Field {
	type leaf struct {
		path, text string
		secret     bool
	}
	flatten := func(spec any) (leaves []leaf, at map[string]string) {
		at = map[string]string{}
		walkSpec(reflect.ValueOf(spec), "", false, func(path, text string, secret bool) {
			leaves = append(leaves, leaf{path, text, secret})
			at[path] = text
		})
		return leaves, at
	}
	a, inA := flatten(old)
	b, inB := flatten(new)
	show := func(l leaf, text string) string {
		if l.secret && text != "" {
			return Mask
		}
		return text
	}
	var out []Field
	for _, l := range b {
		if before, ok := inA[l.path]; !ok || before != l.text {
			out = append(out, Field{l.path, show(l, before), show(l, l.text)})
		}
	}
	for _, l := range a {
		if _, ok := inB[l.path]; !ok {
			out = append(out, Field{l.path, show(l, l.text), ""})
		}
	}
	return out
}

// walkSpec visits every leaf that is set, by path. Zero values are as absent
// as in YAML; a pointer to a zero value is there.
func walkSpec(v reflect.Value, path string, secret bool, visit func(path, text string, secret bool)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		e := v.Elem()
		if e.Kind() != reflect.Struct && e.Kind() != reflect.Map && e.Kind() != reflect.Slice {
			visit(path, leafText(e), secret)
			return
		}
		walkSpec(e, path, secret, visit)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			key, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			sub := path
			if opts != "inline" {
				sub = joinPath(path, key)
			}
			walkSpec(v.Field(i), sub, secret || f.Tag.Get("secret") == "true", visit)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
		for _, k := range keys {
			e := v.MapIndex(k)
			sub := joinPath(path, k.String())
			if e.Kind() == reflect.Int { // a skill of level 0 is there, not absent
				visit(sub, leafText(e), secret)
				continue
			}
			walkSpec(e, sub, secret, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkSpec(v.Index(i), fmt.Sprintf("%s[%d]", path, i), secret, visit)
		}
	default:
		if !v.IsZero() {
			visit(path, leafText(v), secret)
		}
	}
}

func leafText(v reflect.Value) string {
	if d, ok := v.Interface().(Duration); ok {
		text, _ := d.MarshalText()
		return string(text)
	}
	return fmt.Sprint(v.Interface())
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
