// Package flow holds IVR programs as documents: how they are written, parsed
// and checked as a graph before any call runs through them. It does not run
// them: that is package ivr.
package flow

// Flow is one IVR program. It is never changed after Parse and may be shared
// by all calls.
type Flow struct {
	Name        string
	Description string
	// Language a call has from the start when its number and the flow before
	// named none; "" = the tenant's default.
	Language string
	// Variables the flow expects from the flow before it, with the value they
	// have when none was carried over.
	Variables map[string]string
	Start     string
	Steps     map[string]*Step
	// Order is the step names as they were written when Parse could tell
	// (sorted otherwise), for lists.
	Order []string
	// Version counts the published versions of the flow, from 1; 0 = it was never
	// stored. Parse leaves it alone.
	Version int
	// Tests are calls that must go as they say; package ivr/rehearsal plays them.
	Tests []Test
}

// Step is one step of a flow.
type Step struct {
	Name string
	Kind Kind
	// Next is where the call goes after the step when no other way is named;
	// "" for kinds that have none.
	Next string
	// On maps an outcome to a step.
	On   map[string]string
	Body Body

	traits *traits // of Body, for the checks
}

// Body is what a step does: one type for each Kind, in a file of its own.
type Body interface {
	// tell writes down what the checks of the graph and of variables want to know of
	// step, whose body this is.
	tell(step *Step, t *traits)
}

// Fault is one thing wrong in a flow.
type Fault struct {
	Flow    string // name of the flow
	Path    string // inside its spec: "steps.menu.menu.keys.1"; "" = the whole
	Message string // what is wrong and what is allowed
}

// Error is "flow NAME: PATH: MESSAGE".
func (f Fault) Error() string {
	if f.Path == "" {
		return "flow " + f.Flow + ": " + f.Message
	}
	return "flow " + f.Flow + ": " + f.Path + ": " + f.Message
}

// CheckEnv is what a flow refers to. A nil function is not asked.
type CheckEnv struct {
	// Prompts tells whether a prompt can be heard in a language.
	Prompts func(name, lang string) bool
	// The rest tell whether the tenant has one of that name.
	Queues, Devices, Flows, Schedules func(name string) bool
	Apps                              func(name string) bool
	Secrets                           func(name string) bool
	Voicemail                         func(name string) bool
	// Mute: the node has no engine that speaks texts.
	Mute bool
	// Languages a call may come in with; empty = the flow's own, or "en".
	Languages []string
}
