package route

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/e164"
	"github.com/centrala/centrala/pkg/resource"
)

// DefaultFeatureCodes are the codes of a tenant that sets none for an action.
var DefaultFeatureCodes = map[string]string{
	"*40": FeatureHotDesk,
	"*41": FeatureLogIn,
	"*42": FeatureLogOut,
	"*43": FeatureReady,
	"*44": FeatureNotReady,
	"*9":  FeatureEcho,
	"*70": FeaturePark,
	"*8":  FeaturePickUp,
	"*71": FeatureConference,
	"*78": FeatureDNDOn,
	"*79": FeatureDNDOff,
	"*90": FeatureMonitor,
	"*91": FeatureWhisper,
	"*92": FeatureBarge,
	"*97": FeatureVoicemail,
	"*60": FeatureClosure,
	"*77": FeatureRecordPrompt,
}

var features = []string{FeatureHotDesk, FeatureLogIn, FeatureLogOut, FeatureReady, FeatureNotReady, FeatureEcho,
	FeaturePark, FeaturePickUp, FeatureConference, FeatureDNDOn, FeatureDNDOff, FeatureMonitor, FeatureWhisper, FeatureBarge, FeatureVoicemail, FeatureClosure, FeatureRecordPrompt}

// defaultTrunkRing bounds a call out whose trunk says nothing.
const defaultTrunkRing = 60 * time.Second

// Table answers where dialled numbers lead, at one revision of the resources.
// It is never changed and may be asked by all calls at once.
type Table struct {
	tenants map[string]*tenant
	rights  map[string]*rights
}

type tenant struct {
	name       string
	spec       *resource.TenantSpec
	numbers    map[string]*number // by Digits.Number
	extensions map[string]string  // extension -> device
	devices    map[string]*device
	codes      map[string]string // code -> feature
	trunks     []*trunk          // by name
	queues     map[string]*resource.QueueSpec
}

type number struct {
	name   string
	spec   *resource.NumberSpec
	target Target
}

type device struct {
	spec  *resource.DeviceSpec
	agent string // the user it belongs to, first by name
	// manages: that user is a supervisor or an admin.
	manages bool
	// rights are the prefixes that may be dialled outside, of the device and of
	// its users; all = "*".
	rights []Digits
	all    bool
}

type trunk struct {
	name     string
	spec     *resource.TrunkSpec
	prefixes []Digits
	all      bool
}

// Build makes the table of a set. The errors tell what cannot be dialled and
// why (two devices with one extension, digits that are none); the table works
// without those entries.
func Build(r *resource.Set) (*Table, []error) {
	b := &builder{t: &Table{tenants: map[string]*tenant{}}}
	for name, spec := range r.Tenants {
		b.t.tenants[name] = &tenant{name: name, spec: spec, numbers: map[string]*number{}, extensions: map[string]string{},
			devices: map[string]*device{}, codes: map[string]string{}, queues: map[string]*resource.QueueSpec{}}
	}
	for _, name := range sorted(b.t.tenants) {
		b.codes(b.t.tenants[name])
	}
	for k, spec := range r.Queues {
		if t := b.t.tenants[k.Tenant]; t != nil {
			t.queues[k.Name] = spec
		}
	}
	each(r.Devices, b.device)
	each(r.Users, b.user)
	each(r.Trunks, b.trunk)
	each(r.Numbers, b.number)
	b.limits(r)
	return b.t, b.errs
}

// each goes through a kind in the order of tenant and name, so that of two
// entries that cannot both be the same one wins every time.
func each[S any](m map[resource.Key]*S, do func(resource.Key, *S)) {
	keys := make([]resource.Key, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b resource.Key) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Name, b.Name))
	})
	for _, k := range keys {
		do(k, m[k])
	}
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

type builder struct {
	t    *Table
	errs []error
}

func (b *builder) fault(k resource.Key, kind, format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf("%s %q of tenant %q: %s", kind, k.Name, k.Tenant, fmt.Sprintf(format, args...)))
}

func (b *builder) codes(t *tenant) {
	k := resource.Key{Tenant: t.name, Name: t.name}
	own := map[string]bool{}
	for _, code := range sorted(t.spec.FeatureCodes) {
		feature := t.spec.FeatureCodes[code]
		d, ok := Normalise(code)
		switch {
		case !ok || d.International || d.String() != code:
			b.fault(k, "tenant", "feature_codes.%s: want digits, * and #", code)
		case !slices.Contains(features, feature):
			b.fault(k, "tenant", "feature_codes.%s: unknown %q; want one of %s", code, feature, strings.Join(features, ", "))
		default:
			t.codes[code] = feature
			own[feature] = true
		}
	}
	for code, feature := range DefaultFeatureCodes {
		if _, taken := t.codes[code]; !taken && !own[feature] {
			t.codes[code] = feature
		}
	}
}

func (b *builder) device(k resource.Key, spec *resource.DeviceSpec) {
	t := b.t.tenants[k.Tenant]
	if t == nil {
		return // the checks of the resources tell it
	}
	d := &device{spec: spec}
	t.devices[k.Name] = d
	b.rights(k, "device", d, spec.Outside)
	ext := cmp.Or(spec.Extension, spec.Username, k.Name)
	if len(ext) > maxDialled {
		b.fault(k, "device", "extension longer than %d", maxDialled)
		return
	}
	if other, taken := t.extensions[ext]; taken {
		b.fault(k, "device", "extension %q is that of device %q already", ext, other)
		return
	}
	if feature, taken := t.codes[ext]; taken {
		b.fault(k, "device", "extension %q is the feature code of %s", ext, feature)
		return
	}
	t.extensions[ext] = k.Name
}

func (b *builder) user(k resource.Key, spec *resource.UserSpec) {
	t := b.t.tenants[k.Tenant]
	if t == nil || spec.Device == "" {
		return
	}
	d := t.devices[spec.Device]
	if d == nil {
		return
	}
	if d.agent == "" {
		d.agent = k.Name
		d.manages = slices.Contains(spec.Roles, "supervisor") || slices.Contains(spec.Roles, "admin")
	}
	b.rights(k, "user", d, spec.Outside)
}

func (b *builder) rights(k resource.Key, kind string, d *device, outside []string) {
	prefixes, all := b.prefixes(k, kind, "outside", outside)
	d.rights = append(d.rights, prefixes...)
	d.all = d.all || all
}

// prefixes reads a list of prefixes. One that says nothing ("", "+", "00") is
// refused: it would allow everything by accident.
func (b *builder) prefixes(k resource.Key, kind, field string, list []string) (out []Digits, all bool) {
	for i, s := range list {
		if s == "*" {
			all = true
			continue
		}
		d, ok := Normalise(s)
		if !ok || !plain(d.Number) {
			b.fault(k, kind, "%s[%d]: %q is no prefix; want digits, a + and digits, or * for all", field, i, s)
			continue
		}
		if d.Number == "00" { // every international number, and not +00
			b.fault(k, kind, "%s[%d]: %q is no prefix; want a country code behind it, or * for all", field, i, s)
			continue
		}
		out = append(out, d)
	}
	return out, all
}

func (b *builder) trunk(k resource.Key, spec *resource.TrunkSpec) {
	t := b.t.tenants[k.Tenant]
	if t == nil {
		return
	}
	prefixes, all := b.prefixes(k, "trunk", "prefixes", spec.Prefixes)
	t.trunks = append(t.trunks, &trunk{k.Name, spec, prefixes, all})
}

func (b *builder) number(k resource.Key, spec *resource.NumberSpec) {
	t := b.t.tenants[k.Tenant]
	if t == nil {
		return
	}
	d, ok := Normalise(spec.Digits)
	if !ok {
		b.fault(k, "number", "digits: %q cannot be dialled", spec.Digits)
		return
	}
	if other, taken := t.numbers[d.Number]; taken {
		b.fault(k, "number", "digits: %q is number %q already", spec.Digits, other.name)
		return
	}
	if other, taken := t.extensions[d.Number]; taken {
		b.fault(k, "number", "digits: %q is the extension of device %q; phones of the house reach that", spec.Digits, other)
	}
	tg := Target{Tenant: k.Tenant, NumberName: k.Name, Priority: spec.Priority, Language: cmp.Or(spec.Language, t.spec.Language)}
	n := 0
	for _, way := range []struct {
		kind Kind
		name string
	}{{Flow, spec.Flow}, {Flow, appFlow(spec.App)}, {Queue, spec.Queue}, {Device, spec.Device}, {Voicemail, spec.Voicemail}} {
		if way.name != "" {
			tg.Kind, tg.Name = way.kind, way.name
			n++
		}
	}
	if len(spec.Devices) > 0 {
		tg.Kind, tg.Names = Devices, slices.Clone(spec.Devices)
		n++
	}
	if n != 1 {
		b.fault(k, "number", "want exactly one of flow, app, queue, device, devices, voicemail")
		return
	}
	t.numbers[d.Number] = &number{k.Name, spec, tg}
}

// appFlow is the flow that is made for an application's number (flow.AppFlow).
func appFlow(app string) string {
	if app == "" {
		return ""
	}
	return "app:" + app
}

// Inbound routes a carrier's call: by the numbers of the tenant alone. A call
// that came from a trunk never gets a target that is a trunk, an extension or a
// feature. The error wraps ErrNotFound. now and from are not used yet: they are
// what routing by time and caller will need.
func (t *Table) Inbound(now time.Time, tenant, trunk, dialled, from string) (Target, error) {
	tn := t.tenants[tenant]
	d, ok := Normalise(dialled)
	if tn == nil || !ok {
		return Target{}, notFound(dialled)
	}
	policy, region := resource.RecordInherit, tn.spec.Region
	for _, tr := range tn.trunks {
		if tr.name == trunk {
			policy, region = tr.spec.Record, tn.regionOf(tr)
		}
	}
	n := tn.numbers[d.Number]
	for _, form := range forms(d, region) {
		if n == nil {
			n = tn.numbers[form.Number]
		}
	}
	if n == nil {
		return Target{}, notFound(dialled)
	}
	return tn.numbered(n, policy), nil
}

// FromDevice routes a call of a phone of the house: feature codes, extensions
// and numbers of its tenant, then outside numbers through a trunk when the
// device or its user may. The error wraps ErrNotFound, or ErrForbidden when a
// trunk would carry the number and the right is missing.
func (t *Table) FromDevice(now time.Time, tenant, device, dialled string) (Target, error) {
	tn := t.tenants[tenant]
	if tn == nil || len(dialled) > maxDialled {
		return Target{}, notFound(dialled)
	}
	if tg, ok := tn.emergency(dialled); ok {
		return tg, nil
	}
	dev := tn.devices[device]
	if dev == nil {
		return Target{}, fmt.Errorf("route: device %q: %w", device, ErrForbidden)
	}
	if name, ok := tn.extensions[dialled]; ok {
		return tn.extension(name, dev), nil
	}
	d, ok := Normalise(dialled)
	if !ok {
		return Target{}, notFound(dialled)
	}
	if tg, ok := tn.feature(d, dev); ok {
		return tg, nil
	}
	if name, ok := tn.extensions[d.Number]; ok && !d.International {
		return tn.extension(name, dev), nil
	}
	all := forms(d, tn.spec.Region)
	for _, form := range all {
		if n := tn.numbers[form.Number]; n != nil {
			return tn.numbered(n, dev.spec.Record), nil
		}
	}
	tg, err := tn.outside(d, dev.spec.Record)
	if err != nil {
		return Target{}, err
	}
	if !dev.may(all) {
		return Target{}, fmt.Errorf("route: device %q may not call %q: %w", device, d.String(), ErrForbidden)
	}
	return tg, nil
}

// Outside lists the trunks for a number that the configuration itself dials (a
// flow's dial step), best first and without asking for anybody's right. It must
// never be given what a caller dialled. Empty = no trunk carries it.
func (t *Table) Outside(tenant, number string) []TrunkRoute {
	tn := t.tenants[tenant]
	d, ok := Normalise(number)
	if tn == nil || !ok {
		return nil
	}
	if tg, ok := tn.emergency(number); ok {
		return tg.Routes
	}
	tg, err := tn.outside(d, resource.RecordInherit)
	if err != nil {
		return nil
	}
	return tg.Routes
}

// Own tells whether a number is one of the tenant's: a call to it would come back.
func (t *Table) Own(tenant, number string) bool {
	tn := t.tenants[tenant]
	d, ok := Normalise(number)
	if tn == nil || !ok {
		return false
	}
	for _, form := range forms(d, tn.spec.Region) {
		if tn.numbers[form.Number] != nil {
			return true
		}
	}
	return tn.extensions[d.Number] != "" && !d.International
}

// Agent is the user to whom a device belongs; "" = nobody.
func (t *Table) Agent(tenant, device string) string {
	if tn := t.tenants[tenant]; tn != nil {
		if d := tn.devices[device]; d != nil {
			return d.agent
		}
	}
	return ""
}

// Record is the recording policy of a conversation of the call that tg routed,
// with an agent of queue ("" = not through a queue): what the queue says, else
// the number, else the trunk or device the call came from or goes to, else the
// tenant; never when nobody says.
func (t *Table) Record(tg Target, queue string) resource.Record {
	if tn := t.tenants[tg.Tenant]; tn != nil && queue != "" {
		if q := tn.queues[queue]; q != nil && q.Record != resource.RecordInherit {
			return q.Record
		}
	}
	return cmp.Or(tg.RecordBase, resource.RecordNever)
}

func notFound(dialled string) error {
	if len(dialled) > maxDialled {
		dialled = dialled[:maxDialled] + "..."
	}
	return fmt.Errorf("route: %q: %w", dialled, ErrNotFound)
}

// policy is the first that says something.
func policy(list ...resource.Record) resource.Record {
	return cmp.Or(cmp.Or(list...), resource.RecordNever)
}

func (tn *tenant) numbered(n *number, origin resource.Record) Target {
	tg := n.target
	to := resource.RecordInherit
	if d := tn.devices[tg.Name]; tg.Kind == Device && d != nil {
		to = d.spec.Record
	}
	tg.RecordBase = policy(n.spec.Record, origin, to, tn.spec.Record)
	tg.Record = tg.RecordBase
	if q := tn.queues[tg.Name]; tg.Kind == Queue && q != nil {
		tg.Record = policy(q.Record, tg.RecordBase)
	}
	return tg
}

func (tn *tenant) extension(name string, from *device) Target {
	tg := Target{Kind: Device, Tenant: tn.name, Name: name, Language: tn.spec.Language}
	tg.RecordBase = policy(from.spec.Record, tn.devices[name].spec.Record, tn.spec.Record)
	tg.Record = tg.RecordBase
	return tg
}

// takesDigits: features whose code is followed by digits.
var takesDigits = map[string]bool{FeaturePark: true, FeaturePickUp: true, FeatureMonitor: true, FeatureWhisper: true, FeatureBarge: true, FeatureVoicemail: true, FeatureClosure: true}

// feature matches a code, the not_ready code with a reason (*44*1), and the
// codes that take digits right behind them: *7001 a slot, *8201
// and *90201 an extension, *97300 a box, *601 a schedule's switch.
func (tn *tenant) feature(d Digits, dev *device) (Target, bool) {
	if d.International {
		return Target{}, false
	}
	tg := Target{Kind: Feature, Tenant: tn.name, Agent: dev.agent, Language: tn.spec.Language, Record: resource.RecordNever, RecordBase: resource.RecordNever}
	if feature, ok := tn.codes[d.Number]; ok {
		tg.Feature = feature
		return dev.managed(tg), true
	}
	for n := len(d.Number) - 1; n > 0; n-- { // the longest code first
		arg := strings.TrimPrefix(d.Number[n:], "*")
		if f := tn.codes[d.Number[:n]]; takesDigits[f] && plain(arg) {
			tg.Feature, tg.Arg = f, arg
			return dev.managed(tg), true
		}
	}
	i := strings.LastIndexByte(d.Number, '*')
	if i <= 0 || !plain(d.Number[i+1:]) || tn.codes[d.Number[:i]] != FeatureNotReady {
		return Target{}, false
	}
	tg.Feature, tg.Arg = FeatureNotReady, d.Number[i+1:]
	tg.Reason = tn.spec.NotReadyReasons[tg.Arg]
	return tg, true
}

// managed bounds what changes the house for all to supervisors and admins: another's
// target has no agent, to whom nothing is allowed. Who may records prompts in a flow.
func (d *device) managed(tg Target) Target {
	if tg.Feature != FeatureClosure && tg.Feature != FeatureRecordPrompt {
		return tg
	}
	if !d.manages {
		tg.Agent = ""
	} else if tg.Feature == FeatureRecordPrompt {
		tg.Kind, tg.Name, tg.Feature = Flow, RecordPromptFlow, ""
	}
	return tg
}

// may tells whether one of the forms of a number is within the device's rights:
// who may call 07 may call +407.
func (d *device) may(forms []Digits) bool {
	return d.all || slices.ContainsFunc(forms, func(n Digits) bool { return slices.ContainsFunc(d.rights, n.hasPrefix) })
}

// outside lists the trunks that carry a number: longest prefix, then highest
// priority, then name.
func (tn *tenant) outside(d Digits, origin resource.Record) (Target, error) {
	if !plain(d.Number) { // *, # would be a carrier's own codes: call diversion and the like
		return Target{}, notFound(d.String())
	}
	type candidate struct {
		*trunk
		length int
		number string
	}
	var found []candidate
	known := map[string][]Digits{} // by region, mostly one
	for _, tr := range tn.trunks {
		// People dial as in the tenant's country, wherever the trunk is at home.
		region := cmp.Or(tn.spec.Region, tr.spec.Region)
		all, ok := known[region]
		if !ok {
			all = forms(d, region)
			known[region] = all
		}
		length := tr.carries(all)
		if tr.spec.Target == "" || length < 0 {
			continue
		}
		if number, err := tr.sends(d, region, tn.regionOf(tr)); err == nil {
			found = append(found, candidate{tr, length, number})
		}
	}
	if len(found) == 0 {
		return Target{}, notFound(d.String())
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.length, a.length), cmp.Compare(b.spec.Priority, a.spec.Priority), cmp.Compare(a.name, b.name))
	})
	best := found[0]
	tg := Target{Kind: Trunk, Tenant: tn.name, Name: best.name, Number: best.number, CallerID: best.spec.CallerID, Language: tn.spec.Language}
	for _, c := range found {
		tg.Names = append(tg.Names, c.name)
		tg.Routes = append(tg.Routes, c.route(c.number, c.length))
	}
	tg.RingTimeout = tg.Routes[0].RingTimeout
	tg.RecordBase = policy(best.spec.Record, origin, tn.spec.Record)
	tg.Record = tg.RecordBase
	return tg, nil
}

// sends is the number as a trunk wants it: in its format, digits stripped, prefix added. The +
// of an international number stays only when nothing of that is done to it.
func (tr *trunk) sends(d Digits, dialledIn, region string) (string, error) {
	if tr.spec.NumberFormat != e164.AsDialled {
		if n, ok := e164.Parse(d.String(), dialledIn); ok {
			s := n.Format(tr.spec.NumberFormat, region)
			d = Digits{International: s[0] == '+', Number: strings.TrimPrefix(s, "+")}
		}
	}
	if tr.spec.StripDigits <= 0 && tr.spec.AddPrefix == "" {
		return d.String(), nil
	}
	strip := max(tr.spec.StripDigits, 0)
	if strip >= len(d.Number) {
		return "", errors.New("nothing left to dial")
	}
	return tr.spec.AddPrefix + d.Number[strip:], nil
}
