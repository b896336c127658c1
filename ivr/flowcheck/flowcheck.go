// Package flowcheck checks the flows among the resources of a tenant: each as a
// document and a graph, against the queues, devices, schedules and flows that
// the same set has, and together for circles. It is the one place that knows
// both pkg/resource and ivr/flow.
package flowcheck

import (
	"cmp"
	"slices"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/pkg/resource"
)

// Checker implements resource.FlowChecker.
type Checker struct {
	prompts func(tenant string) func(name, lang string) bool
	mute    bool
	set     *resource.Set // for which circles and flows were worked out
	flows   map[resource.Key]*flow.Flow
	houses  map[string]rehearsal.House // by tenant, for the tests of flows
	named   map[resource.Key][]string  // flow -> languages of the numbers that lead to it
	from    map[resource.Key][]resource.Key
	circles map[resource.Key][]flow.Fault
	has     map[string]func(name, lang string) bool // by tenant
}

var _ resource.FlowChecker = (*Checker)(nil)

// New returns a checker. prompts gives, for a tenant, what tells whether a
// prompt can be heard in a language (prompt.Set.Has, with the prompts of the set
// that is checked); nil = prompts are not checked. mute: nothing speaks texts. A
// Checker is for one goroutine.
func New(prompts func(tenant string) func(name, lang string) bool, mute bool) *Checker {
	return &Checker{prompts: prompts, mute: mute}
}

// CheckFlow returns where a flow leads and what is wrong with it.
func (c *Checker) CheckFlow(tenant, name string, spec *resource.FlowSpec, s *resource.Set) ([]resource.Lead, []resource.Fault) {
	c.parse(s)
	k := resource.Key{Tenant: tenant, Name: name}
	f := c.flows[k]
	if f == nil || s.Flows[k] != spec {
		var err error
		if f, err = flow.Parse(name, spec.Raw); err != nil {
			return nil, faults(flow.Faults(err))
		}
	}
	env := flow.CheckEnv{
		Queues:    known(s.Queues, tenant),
		Devices:   known(s.Devices, tenant),
		Schedules: known(s.Schedules, tenant),
		Apps:      known(s.Apps, tenant),
		Voicemail: known(s.Voicemail, tenant),
		Flows:     known(s.Flows, tenant),
		Secrets:   known(s.Secrets, tenant),
		Languages: c.languages(tenant, name),
		Mute:      c.mute,
	}
	if c.prompts != nil {
		env.Prompts = c.prompts(tenant)
	}
	found := append(f.Check(env), c.circles[k]...)
	if len(found) == 0 { // a graph with faults is not played
		found = c.tests(tenant, f)
	}
	var leads []resource.Lead
	queues, devices, flows := f.Leads()
	for kind, names := range map[resource.Kind][]string{resource.KindQueue: queues, resource.KindDevice: devices, resource.KindFlow: flows} {
		for _, n := range names {
			leads = append(leads, resource.Lead{Kind: kind, Name: n})
		}
	}
	slices.SortFunc(leads, func(a, b resource.Lead) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(leads), faults(found)
}

// parse reads every flow of a set once, to look for circles among them.
func (c *Checker) parse(s *resource.Set) {
	if c.set == s {
		return
	}
	c.set, c.houses = s, map[string]rehearsal.House{}
	c.circles, c.flows = map[resource.Key][]flow.Fault{}, map[resource.Key]*flow.Flow{}
	byTenant := map[string]map[string]*flow.Flow{}
	for k, spec := range s.Flows {
		f, err := flow.Parse(k.Name, spec.Raw)
		if err != nil {
			continue // told when its turn comes
		}
		if byTenant[k.Tenant] == nil {
			byTenant[k.Tenant] = map[string]*flow.Flow{}
		}
		byTenant[k.Tenant][k.Name] = f
		c.flows[k] = f
	}
	c.comings()
	for tenant, flows := range byTenant {
		for _, fault := range flow.CheckAll(flows) {
			k := resource.Key{Tenant: tenant, Name: fault.Flow}
			c.circles[k] = append(c.circles[k], fault)
		}
	}
}

func known[S any](m map[resource.Key]*S, tenant string) func(string) bool {
	return func(name string) bool { return m[resource.Key{Tenant: tenant, Name: name}] != nil }
}

// comings lists, for each flow of the set, the flows that lead to it and the languages
// of the numbers that do: looked at once, for a thousand flows ask for it.
func (c *Checker) comings() {
	c.named, c.from = map[resource.Key][]string{}, map[resource.Key][]resource.Key{}
	for k, n := range c.set.Numbers {
		to := resource.Key{Tenant: k.Tenant, Name: n.Flow}
		if n.Flow != "" && !slices.Contains(c.named[to], n.Language) {
			c.named[to] = append(c.named[to], n.Language)
		}
	}
	for k, f := range c.flows {
		_, _, flows := f.Leads()
		for _, name := range flows {
			to := resource.Key{Tenant: k.Tenant, Name: name}
			if from := c.from[to]; len(from) == 0 || from[len(from)-1] != k {
				c.from[to] = append(from, k)
			}
		}
	}
}

// languages a call may have when it comes into a flow: the tenant's, those of
// the numbers that lead to it, and those of every flow that leads to it.
func (c *Checker) languages(tenant, name string) []string {
	var out []string
	add := func(lang string) {
		if lang != "" && !slices.Contains(out, lang) {
			out = append(out, lang)
		}
	}
	own := ""
	if t := c.set.Tenants[tenant]; t != nil {
		own = t.Language
	}
	k := resource.Key{Tenant: tenant, Name: name}
	for _, lang := range c.named[k] {
		add(cmp.Or(lang, own))
	}
	for _, from := range c.from[k] {
		add(own)
		for _, lang := range c.flows[from].Languages() {
			add(lang)
		}
		for _, lang := range c.named[from] {
			add(lang)
		}
	}
	slices.Sort(out)
	return out
}

func faults(list []flow.Fault) []resource.Fault {
	out := make([]resource.Fault, len(list))
	for i, f := range list {
		out[i] = resource.Fault{Path: f.Path, Message: f.Message}
	}
	return out
}
