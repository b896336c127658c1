// Package flow holds IVR programs as documents: how they are written, parsed
// and checked as a graph before any call runs through them. It does not run
// them: that is package ivr.
package flow

import (
	"regexp"
	"time"
)

// Kind is the closed list of step kinds; it is also the key under which a step
// of that kind is written.
type Kind string

// The kinds of steps.
const (
	KindAnswer   Kind = "answer"   // take the call now
	KindRing     Kind = "ring"     // let the caller hear ringing for a while
	KindPlay     Kind = "play"     // prompts by name
	KindSay      Kind = "say"      // prompts, numbers, digits, a place in the queue
	KindMenu     Kind = "menu"     // prompts, then one key
	KindCollect  Kind = "collect"  // prompts, then several keys
	KindSchedule Kind = "schedule" // open or closed
	KindBranch   Kind = "branch"   // on variables
	KindSet      Kind = "set"      // variables
	KindLanguage Kind = "language" // of the prompts from here on
	KindQueue    Kind = "queue"    // wait for an agent
	KindDial     Kind = "dial"     // ring devices or outside numbers
	KindTone     Kind = "tone"     // a tone for a while
	KindPause    Kind = "pause"    // silence for a moment
	KindEcho     Kind = "echo"     // the caller's own audio back
	KindStream   Kind = "stream"   // the call's sound to a machine and back
	KindGoto     Kind = "goto"     // another flow
	KindHangup   Kind = "hangup"   // end of the call
)

// Kinds lists every kind in the order of the documentation.
var Kinds = []Kind{KindAnswer, KindRing, KindPlay, KindSay, KindMenu, KindCollect, KindSchedule, KindBranch,
	KindSet, KindLanguage, KindQueue, KindDial, KindTone, KindPause, KindEcho, KindStream, KindGoto, KindHangup}

// Causes are the causes a hangup step may have.
var Causes = []string{"normal", "busy", "rejected", "unavailable", "not_found", "congestion"}

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
}

// Body is what a step does; the types of this file.
type Body interface{ body() }

// Piece is one part of what is spoken. Exactly one of Prompt, Number, Digits,
// Position and Text is set.
type Piece struct {
	Prompt   string // a prompt by name
	Number   string // template: spoken as a number
	Digits   string // template: spoken key by key
	Position string // template: "you are number N in the queue"
	Text     string // template: synthesised
	Fallback string // prompt in place of a Text that cannot be made in time; "" = the step fails
}

// Answer takes the call.
type Answer struct{}

// Ring lets the caller hear ringing for For.
type Ring struct{ For time.Duration }

// Play plays prompts, Times over. With Interrupt a key ends it.
type Play struct {
	Prompts   []string
	Times     int
	Interrupt bool
}

// Say speaks pieces. With Interrupt a key ends it.
type Say struct {
	Pieces    []Piece
	Interrupt bool
}

// Menu asks for one key.
type Menu struct {
	Prompts   []Piece
	Keys      map[byte]string // key -> step
	Into      string          // variable that takes the key; "" = none
	Timeout   time.Duration   // from the end of the prompts
	Retries   int             // times asked again
	NoInput   []Piece         // before asking again
	WrongKey  []Piece         // before asking again
	BargeIn   bool            // a key ends the prompts
	TypeAhead bool            // keys pressed before the step count
}

// Collect asks for several keys.
type Collect struct {
	Prompts    []Piece
	Into       string
	Min, Max   int
	End        byte           // the key that ends the input; 0 = none
	Timeout    time.Duration  // for the first key, from the end of the prompts
	InterDigit time.Duration  // for each key after
	Pattern    *regexp.Regexp // the whole input must match; nil = any
	Secret     bool           // never leaves the interpreter
	Retries    int
	NoInput    []Piece
	Invalid    []Piece
	BargeIn    bool
	TypeAhead  bool
}

// Schedule goes to Open or Closed by the schedule Name.
type Schedule struct{ Name, Open, Closed string }

// Branch takes the first case whose conditions all hold, else the step's Next.
type Branch struct{ Cases []Case }

// Case is one way of a branch.
type Case struct {
	If   []Condition
	Next string
}

// Op is a comparison.
type Op string

// The comparisons. An unset variable is the empty text.
const (
	OpEq      Op = "eq"
	OpNe      Op = "ne"
	OpIn      Op = "in"
	OpMatches Op = "matches"
)

// Condition compares a variable.
type Condition struct {
	Var    string
	Op     Op
	Values []string       // one for eq and ne
	Match  *regexp.Regexp // for matches
}

// Assign is one assignment of a set step.
type Assign struct{ Var, Value string }

// Set sets variables, in order of their names. Values are templates.
type Set struct{ Assign []Assign }

// Language changes the language of the prompts.
type Language struct{ Language string }

// Queue lets the caller wait for an agent.
type Queue struct {
	Queue    string
	Priority int
	Skills   map[string]int
	Need     string        // expression over skills, beside the queue's (pkg/acd/skill)
	Agent    string        // template: wait for this agent alone, for Patience
	Patience time.Duration // 0 = the queue's
	Music    string
	Timeout  time.Duration   // leave after this wait; 0 = the queue's own max_wait alone
	Keys     map[byte]string // keys that leave the queue -> step
}

// Dial rings targets.
type Dial struct {
	Targets  []string // "device:NAME", "number:TEMPLATE"
	AtOnce   bool     // all together; else one after the other
	Timeout  time.Duration
	Ringback string // prompt; "" = ring tone
}

// Tone plays a tone for For.
type Tone struct {
	Tone string
	Hz   []float64
	For  time.Duration
}

// Pause is silence for For.
type Pause struct{ For time.Duration }

// Echo sends the caller's audio back until the key End or For is over.
type Echo struct {
	For time.Duration
	End byte
}

// Stream hands the caller to a machine: a voice robot, a transcriber.
type Stream struct {
	URL       string // ws, wss, tcp or tls
	Protocol  string // "", "centrala", "audiosocket"
	Direction string // "both", "listen", "speak": what the machine does
	Tracks    []string
	Format    string
	Rate      int           // Hz
	Connect   time.Duration // to reach it; 0 = the node's
	For       time.Duration // the longest it may take
	End       byte          // the key that ends it; 0 = none
	Into      string        // variable that takes the machine's result
	// Wait: the flow goes on when the machine is through; else at once, and the
	// machine stays until the call ends.
	Wait bool
}

// Goto goes on with another flow.
type Goto struct{ Flow string }

// Hangup ends the call.
type Hangup struct{ Cause string }

func (*Answer) body()   {}
func (*Ring) body()     {}
func (*Play) body()     {}
func (*Say) body()      {}
func (*Menu) body()     {}
func (*Collect) body()  {}
func (*Schedule) body() {}
func (*Branch) body()   {}
func (*Set) body()      {}
func (*Language) body() {}
func (*Queue) body()    {}
func (*Dial) body()     {}
func (*Tone) body()     {}
func (*Pause) body()    {}
func (*Echo) body()     {}
func (*Stream) body()   {}
func (*Goto) body()     {}
func (*Hangup) body()   {}

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
	Prompts                           func(name, lang string) bool
	Queues, Devices, Flows, Schedules func(name string) bool
	// Mute: the node has no engine that speaks texts.
	Mute bool
	// Languages a call may come in with; empty = the flow's own, or "en".
	Languages []string
}
