package flow

import "strings"

// traits is what a step tells the checks: of the graph, of what it refers to, of
// prompts and of variables. Body.tell fills it, once.
type traits struct {
	kind Kind
	// waits: a call that goes through the step waits for something from outside: a
	// key, the clock, a queue, a called party, a service. A cycle of steps of which
	// none waits would speak to a caller for ever.
	waits bool
	// bounded: a cycle through the step ends by itself.
	bounded bool
	calls   string // flow that it calls
	// ends: a call may end, or leave the flow, at the step.
	ends bool

	ways    []edge // to other steps, besides On and Next; paths inside the step
	prompts []edge // names of prompts it plays, and needsSpeech
	refs    []reference
	set     []setting
	used    []use
}

// edge is a way out of a step: where it is written and where it leads.
type edge struct{ path, to string }

// refKind is the kind of a resource that a step names.
type refKind int

const (
	refQueue refKind = iota
	refDevice
	refFlow
	refSchedule
	refApp
	refSecret
	refSeenQueue // asked about, and not led to
	refVoicemail
)

// reference is the name of a resource in a step.
type reference struct {
	kind       refKind
	path, name string
}

// setHow says what a variable is worth after a step has set it.
type setHow int

const (
	setKey    setHow = iota // one of few values, or checked by a pattern
	setFree                 // the caller's or a machine's free choice: never dialled
	setSecret               // compared, and nothing else
	setCopied               // as free as what it is made of (from)
)

type setting struct {
	name string
	how  setHow
	from string // template
}

// useHow says what a step does with a variable.
type useHow int

const (
	useSpoken   useHow = iota // it leaves the interpreter
	useDialled                // as a number: money flows
	useCompared               // and never told
	useExpr                   // a value is made of it
)

type use struct {
	how  useHow
	path string
	text string // template; useCompared and useExpr: a name
	own  bool   // the step itself has set what is in it
}

func (t *traits) at(key string) string {
	switch {
	case key == "":
		return string(t.kind)
	case strings.HasPrefix(key, "["):
		return string(t.kind) + key
	}
	return string(t.kind) + "." + key
}

// way is a way out to another step; path is as written inside the step.
func (t *traits) way(path, to string) { t.ways = append(t.ways, edge{path, to}) }

// prompt is the name of a prompt that the step plays. Here and below key is where it
// is written inside the kind's own key.
func (t *traits) prompt(key, name string) { t.prompts = append(t.prompts, edge{t.at(key), name}) }

// refers names a resource.
func (t *traits) refers(k refKind, key, name string) {
	t.refs = append(t.refs, reference{k, t.at(key), name})
}

// sets is a variable that the step sets; "" is none.
func (t *traits) sets(name string, how setHow) {
	if name != "" {
		t.set = append(t.set, setting{name, how, ""})
	}
}

// copies is a variable that is made of others.
func (t *traits) copies(name, template string) {
	t.set = append(t.set, setting{name, setCopied, template})
}

// template is a text whose variables leave the interpreter: spoken, sent, kept.
func (t *traits) template(key, text string) {
	if strings.IndexByte(text, '$') >= 0 {
		t.used = append(t.used, use{how: useSpoken, path: t.at(key), text: text})
	}
}

// dialled is a text that becomes a number to dial.
func (t *traits) dialled(key, text string) {
	if strings.IndexByte(text, '$') >= 0 {
		t.used = append(t.used, use{how: useDialled, path: t.at(key), text: text})
	}
}

// compares is a variable that the step only looks at.
func (t *traits) compares(key, name string) {
	if name != "" {
		t.used = append(t.used, use{how: useCompared, path: t.at(key), text: name})
	}
}

// of returns what s tells, worked out once.
func (s *Step) of() *traits {
	if s.traits == nil {
		s.traits = &traits{kind: s.Kind}
		if s.Body != nil {
			s.Body.tell(s, s.traits)
		}
	}
	return s.traits
}

// edges lists every way out of s to another step, in a stable order.
func (s *Step) edges() []edge {
	t := s.of()
	out := t.ways[:len(t.ways):len(t.ways)]
	for _, outcome := range sortedKeys(s.On) {
		out = append(out, edge{"on." + outcome, s.On[outcome]})
	}
	if s.Next != "" {
		out = append(out, edge{"next", s.Next})
	}
	return out
}
