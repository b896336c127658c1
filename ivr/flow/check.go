package flow

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// needsSpeech stands in the list of prompts for a text without a fallback.
const needsSpeech = "\x00"

// Sorry is the prompt a caller hears when a step fails. Every language a flow
// speaks needs it.
const Sorry = "sorry"

// Check looks at the flow as a graph and at what it refers to: steps that
// cannot be reached or from which no end can, cycles in which the caller is
// never waited for, and queues, devices, schedules, flows and prompts (per
// language the call can have at that step) that env does not know. All faults
// are returned, in the order of the steps.
func (f *Flow) Check(env CheckEnv) []Fault {
	c := &checker{f: f, env: env}
	langs := c.languages()
	c.unreachable(langs)
	c.deadEnds(langs)
	c.cycles(langs)
	c.unset(langs)
	c.references(langs)
	return c.faults
}

type checker struct {
	f      *Flow
	env    CheckEnv
	faults []Fault
}

func (c *checker) fault(path, format string, args ...any) {
	c.faults = append(c.faults, Fault{c.f.Name, path, fmt.Sprintf(format, args...)})
}

// languages walks the flow from its start and tells, for each step that can be
// reached, the languages a call may have there.
func (c *checker) languages() map[string][]string {
	type at struct{ step, lang string }
	start := slices.Clone(c.env.Languages)
	if c.f.Language != "" {
		start = append(start, c.f.Language)
	}
	if len(start) == 0 {
		start = []string{"en"}
	}
	seen := map[at]bool{}
	out := map[string][]string{}
	var stack []at
	push := func(a at) {
		if !seen[a] {
			seen[a] = true
			out[a.step] = append(out[a.step], a.lang)
			stack = append(stack, a)
		}
	}
	for _, l := range start {
		push(at{c.f.Start, l})
	}
	for len(stack) > 0 {
		a := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		s := c.f.Steps[a.step]
		if b, ok := s.Body.(*Language); ok {
			a.lang = b.Language
		}
		for _, e := range s.edges() {
			push(at{e.to, a.lang})
		}
	}
	for _, l := range out {
		sort.Strings(l)
	}
	return out
}

func (c *checker) unreachable(reached map[string][]string) {
	for _, name := range c.f.Order {
		if _, ok := reached[name]; !ok {
			c.fault("steps."+name, "no step leads here")
		}
	}
}

// deadEnds finds steps from which the flow has no end.
func (c *checker) deadEnds(reached map[string][]string) {
	from := map[string][]string{}
	good := map[string]bool{}
	var stack []string
	for _, name := range c.f.Order {
		s := c.f.Steps[name]
		for _, e := range s.edges() {
			from[e.to] = append(from[e.to], name)
		}
		if s.of().ends {
			good[name] = true
			stack = append(stack, name)
		}
	}
	for len(stack) > 0 {
		name := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, n := range from[name] {
			if !good[n] {
				good[n] = true
				stack = append(stack, n)
			}
		}
	}
	for _, name := range c.f.Order {
		if _, ok := reached[name]; ok && !good[name] {
			c.fault("steps."+name, "a dead end: no hangup, goto, queue or dial can be reached from here")
		}
	}
}

// cycles finds strongly connected steps of which none waits (Tarjan), and tells
// each such knot once, by its first step.
func (c *checker) cycles(reached map[string][]string) {
	var names []string
	for _, name := range c.f.Order {
		if _, ok := reached[name]; ok && !c.f.Steps[name].of().waits && !c.f.Steps[name].of().bounded {
			names = append(names, name)
		}
	}
	for _, knot := range knots(names, func(n string) []string {
		var to []string
		for _, e := range c.f.Steps[n].edges() {
			if t := c.f.Steps[e.to].of(); !t.waits && !t.bounded {
				to = append(to, e.to)
			}
		}
		return to
	}) {
		c.fault("steps."+knot[0], "a loop without input: %s; put a menu, collect, queue or dial into it",
			strings.Join(append(knot, knot[0]), " -> "))
	}
}

// knots returns the strongly connected sets of more than one node, or of one
// that leads to itself. Members keep the order of nodes. Tarjan's algorithm,
// with the stack kept by hand: a flow of a thousand steps in a row must not be
// a thousand frames deep.
func knots(nodes []string, next func(string) []string) [][]string {
	type frame struct {
		node string
		to   []string
	}
	index, low := map[string]int{}, map[string]int{}
	onStack := map[string]bool{}
	var stack []string
	place := map[string]int{}
	for i, n := range nodes {
		place[n] = i
	}
	var out [][]string
	for _, root := range nodes {
		if index[root] != 0 {
			continue
		}
		open := func(n string) frame {
			index[n] = len(index) + 1
			low[n] = index[n]
			stack = append(stack, n)
			onStack[n] = true
			return frame{n, next(n)}
		}
		work := []frame{open(root)}
		for len(work) > 0 {
			top := &work[len(work)-1]
			if len(top.to) > 0 {
				n := top.to[0]
				top.to = top.to[1:]
				switch {
				case index[n] == 0:
					work = append(work, open(n))
				case onStack[n]:
					low[top.node] = min(low[top.node], index[n])
				}
				continue
			}
			done := top.node
			work = work[:len(work)-1]
			if len(work) > 0 {
				parent := work[len(work)-1].node
				low[parent] = min(low[parent], low[done])
			}
			if low[done] != index[done] {
				continue
			}
			var set []string
			for {
				n := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				onStack[n] = false
				set = append(set, n)
				if n == done {
					break
				}
			}
			if len(set) > 1 || slices.Contains(next(done), done) {
				slices.SortFunc(set, func(a, b string) int { return place[a] - place[b] })
				out = append(out, set)
			}
		}
	}
	slices.SortFunc(out, func(a, b []string) int { return place[a[0]] - place[b[0]] })
	return out
}

func (c *checker) references(langs map[string][]string) {
	ask := func(known func(string) bool, path, kind, name string) {
		if known != nil && !known(name) {
			c.fault(path, "no %s %q", kind, clip(name))
		}
	}
	type names struct {
		names func(string) bool
		word  string
	}
	known := map[refKind]names{
		refQueue: {c.env.Queues, "queue"}, refSeenQueue: {c.env.Queues, "queue"}, refDevice: {c.env.Devices, "device"}, refFlow: {c.env.Flows, "flow"},
		refSecret: {c.env.Secrets, "secret"}, refSchedule: {c.env.Schedules, "schedule"}, refApp: {c.env.Apps, "app"}, refVoicemail: {c.env.Voicemail, "voicemail"},
	}
	spoken := map[string]bool{}
	for _, name := range c.f.Order {
		s := c.f.Steps[name]
		path := "steps." + name + "."
		for _, r := range s.of().refs {
			if k, ok := known[r.kind]; ok {
				ask(k.names, path+r.path, k.word, r.name)
			}
		}
		if c.env.Prompts == nil {
			continue
		}
		for _, e := range s.of().prompts {
			if e.to == needsSpeech {
				if c.env.Mute && (s.Kind != KindSay || s.On["failed"] == "") {
					c.fault(path+e.path, "nothing speaks texts here (speech.engine in the node file); want a fallback")
				}
				continue
			}
			var missing []string
			for _, l := range langs[name] {
				if !c.env.Prompts(e.to, l) {
					missing = append(missing, l)
				}
			}
			if len(missing) > 0 {
				c.fault(path+e.path, "no prompt %q in %s", e.to, strings.Join(missing, ", "))
			}
		}
		for _, l := range langs[name] {
			spoken[l] = true
		}
	}
	for _, l := range sortedKeys(spoken) { // empty when prompts are not asked for
		if !c.env.Prompts(Sorry, l) {
			c.fault("", "no prompt %q in %s, which callers hear when a step fails", Sorry, l)
		}
	}
}

// CheckAll looks at the flows of a tenant together: flows that lead into each
// other (or themselves) in a circle without ever waiting for the caller.
func CheckAll(flows map[string]*Flow) []Fault {
	names := sortedKeys(flows)
	to := func(name string) []string {
		var out []string
		for _, n := range flows[name].straight() {
			if flows[n] != nil { // an unknown one is told by Check
				out = append(out, n)
			}
		}
		return out
	}
	var faults []Fault
	for _, knot := range knots(names, to) {
		faults = append(faults, Fault{knot[0], "",
			fmt.Sprintf("flows lead into each other without waiting for the caller: %s", strings.Join(append(knot, knot[0]), " -> "))})
	}
	return append(faults, checkCalls(flows)...)
}

// Leads lists where a flow can send a call: queues, devices and other flows.
func (f *Flow) Leads() (queues, devices, flows []string) {
	for _, name := range f.Order {
		for _, r := range f.Steps[name].of().refs {
			switch r.kind {
			case refQueue:
				queues = append(queues, r.name)
			case refDevice:
				devices = append(devices, r.name)
			case refFlow:
				flows = append(flows, r.name)
			}
		}
	}
	return queues, devices, flows
}

// Languages lists the languages a flow names, its own and those of its steps.
func (f *Flow) Languages() []string {
	var out []string
	if f.Language != "" {
		out = append(out, f.Language)
	}
	for _, name := range f.Order {
		if b, ok := f.Steps[name].Body.(*Language); ok && !slices.Contains(out, b.Language) {
			out = append(out, b.Language)
		}
	}
	return out
}

// straight lists the flows to which a goto leads that a call can get to from
// the start without any step that waits.
func (f *Flow) straight() []string {
	seen := map[string]bool{f.Start: true}
	stack := []string{f.Start}
	var out []string
	for len(stack) > 0 {
		s := f.Steps[stack[len(stack)-1]]
		stack = stack[:len(stack)-1]
		for _, r := range s.of().refs {
			if r.kind == refFlow && !slices.Contains(out, r.name) {
				out = append(out, r.name)
			}
		}
		if s.of().waits {
			continue
		}
		for _, e := range s.edges() {
			if !seen[e.to] {
				seen[e.to] = true
				stack = append(stack, e.to)
			}
		}
	}
	sort.Strings(out)
	return out
}
