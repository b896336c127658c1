package route

import (
	"cmp"
	"slices"
	"time"

	"github.com/centrala/centrala/pkg/e164"
	"github.com/centrala/centrala/pkg/resource"
)

// forms lists the ways in which one number is written: as dialled, and when the
// plan of region has it, international and, at home, national.
func forms(d Digits, region string) []Digits {
	out := []Digits{d}
	n, ok := e164.Parse(d.String(), region)
	if !ok {
		return out
	}
	add := func(f Digits) {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	add(Digits{International: true, Number: n.Digits()})
	if region != "" && n.Region() == region {
		add(Digits{Number: n.Format(e164.National, region)})
	}
	return out
}

// regionOf is the country in which a trunk's numbers are at home.
func (tn *tenant) regionOf(tr *trunk) string { return cmp.Or(tr.spec.Region, tn.spec.Region) }

// carries is how much of a number the trunk's best prefix names; -1 when it
// carries it not at all. Prefixes of different forms are measured alike: of
// +40722333444, 07 says as much as +407.
func (tr *trunk) carries(forms []Digits) int {
	length := -1
	if tr.all {
		length = 0
	}
	longest := 0
	for _, f := range forms {
		longest = max(longest, len(f.Number))
	}
	for _, f := range forms {
		for _, p := range tr.prefixes {
			if f.hasPrefix(p) {
				length = max(length, len(p.Number)+longest-len(f.Number))
			}
		}
	}
	return length
}

func (tr *trunk) route(number string, length int) TrunkRoute {
	s := tr.spec
	return TrunkRoute{Trunk: tr.name, Number: number, CallerID: s.CallerID, MaxCalls: s.MaxCalls,
		RingTimeout: cmp.Or(time.Duration(s.RingTimeout), defaultTrunkRing), Length: length, Priority: s.Priority, Weight: s.Weight, Emergency: s.Emergency}
}

// emergency routes a call for help: over the trunks meant for it, then over any,
// with the digits as they are. No right, prefix or format stands in its way.
func (tn *tenant) emergency(dialled string) (Target, bool) {
	if !e164.Emergency(dialled, tn.spec.Region, tn.spec.EmergencyNumbers) {
		return Target{}, false
	}
	tg := Target{Kind: Trunk, Tenant: tn.name, Emergency: true, Number: dialled, Language: tn.spec.Language}
	list := slices.Clone(tn.trunks)
	slices.SortFunc(list, func(a, b *trunk) int {
		return cmp.Or(-compareBool(a.spec.Emergency, b.spec.Emergency), cmp.Compare(b.spec.Priority, a.spec.Priority), cmp.Compare(a.name, b.name))
	})
	for _, tr := range list {
		if tr.spec.Target != "" {
			tg.Names = append(tg.Names, tr.name)
			tg.Routes = append(tg.Routes, tr.route(dialled, 0))
		}
	}
	if len(tg.Routes) == 0 {
		return Target{}, false // then the number may yet be somebody's here
	}
	best := list[slices.IndexFunc(list, func(tr *trunk) bool { return tr.name == tg.Names[0] })]
	tg.Name, tg.CallerID, tg.RingTimeout = best.name, best.spec.CallerID, tg.Routes[0].RingTimeout
	tg.RecordBase = policy(best.spec.Record, tn.spec.Record)
	tg.Record = tg.RecordBase
	return tg, true
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Emergency tells whether a number dialled by a phone of any tenant calls for
// help: what must not be turned away before it is known who calls.
func (t *Table) Emergency(dialled string) bool {
	if len(dialled) > 8 {
		return false
	}
	for _, tn := range t.tenants {
		if e164.Emergency(dialled, tn.spec.Region, tn.spec.EmergencyNumbers) {
			return true
		}
	}
	return false
}

// CallerNumber is a caller's number on a trunk in one form: E.164 where the
// numbering plan of the trunk's country has it, else as it came.
func (t *Table) CallerNumber(tenant, trunkName, number string) string {
	tn := t.tenants[tenant]
	if tn == nil {
		return number
	}
	region := tn.spec.Region
	for _, tr := range tn.trunks {
		if tr.name == trunkName {
			region = tn.regionOf(tr)
		}
	}
	if region == "" { // nobody asked for it
		return number
	}
	if n, ok := e164.Parse(number, region); ok {
		return n.String()
	}
	return number
}

// ShownNumber is a calling number as a trunk wants to see it.
func ShownNumber(number string, spec *resource.TrunkSpec, tenant *resource.TenantSpec) string {
	if spec.NumberFormat == e164.AsDialled {
		return number
	}
	if n, ok := e164.Parse(number, cmp.Or(tenant.Region, spec.Region)); ok {
		return n.Format(spec.NumberFormat, cmp.Or(spec.Region, tenant.Region))
	}
	return number
}

// Line is how a trunk stands when a call looks for one.
type Line uint8

// The states of a Line, better ones first.
const (
	LineUp   Line = iota
	LineFull      // as many calls as it may have
	LineDown      // not registered, or its OPTIONS are not answered
)

// Pick orders the trunks for one call: those with the longest prefix first, of
// these the highest priority, of these drawn by weight (those without a weight
// after them, by name). Trunks that are full or down are left out; an emergency
// call tries them too, last. why is the best state of those left out, for when
// nothing is left. rand is drawn once for each weighted trunk; nil counts as 0.
func Pick(routes []TrunkRoute, emergency bool, state func(TrunkRoute) Line, rand func() uint64) (out []TrunkRoute, why Line) {
	out = make([]TrunkRoute, 0, len(routes))
	var full, down []TrunkRoute
	for _, r := range routes {
		switch state(r) {
		case LineUp:
			out = append(out, r)
		case LineFull:
			full = append(full, r)
		default:
			down = append(down, r)
		}
	}
	order(out, emergency, rand)
	if emergency {
		order(full, true, rand)
		order(down, true, rand)
		return append(append(out, full...), down...), LineUp
	}
	switch {
	case len(out) > 0:
		return out, LineUp
	case len(full) > 0:
		return out, LineFull
	}
	return out, LineDown
}

func order(list []TrunkRoute, emergency bool, rand func() uint64) {
	rank := func(a, b TrunkRoute) int {
		meant := 0
		if emergency {
			meant = -compareBool(a.Emergency, b.Emergency)
		}
		return cmp.Or(meant, cmp.Compare(b.Length, a.Length), cmp.Compare(b.Priority, a.Priority))
	}
	slices.SortFunc(list, func(a, b TrunkRoute) int {
		return cmp.Or(rank(a, b), -compareBool(a.Weight > 0, b.Weight > 0), cmp.Compare(a.Trunk, b.Trunk))
	})
	for i := 0; i < len(list); {
		end, sum := i, 0
		for end < len(list) && rank(list[i], list[end]) == 0 {
			if list[end].Weight > 0 {
				sum += list[end].Weight
			}
			end++
		}
		for ; i < end && list[i].Weight > 0; i++ {
			draw := 0
			if rand != nil {
				draw = int(rand() % uint64(sum))
			}
			for j := i; j < end; j++ {
				if draw -= list[j].Weight; draw < 0 {
					r := list[j]
					copy(list[i+1:j+1], list[i:j])
					list[i] = r
					sum -= r.Weight
					break
				}
			}
		}
		i = end
	}
}
