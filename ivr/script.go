package ivr

import (
	"encoding/json"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

// AppInfo is what a flow knows of an application.
type AppInfo struct {
	Timeout  time.Duration // of one answer
	Fallback string        // flow for callers whom it leaves alone; "" = the step's own ways
	// May tells whether the application may have a number dialled.
	May func(number string) bool
}

// Script is what a call does for an application, or because the API said so, in place
// of its flow. It is plain data, as State is.
type Script struct {
	App   string `json:"app,omitempty"` // "" = verbs by the API alone
	Verbs string `json:"verbs"`         // JSON, as taken
	// Back is the step of the flow to which the call returns: behind it for an
	// application, to its beginning when the API has broken in.
	Back    string    `json:"back"`
	Results []VerbEnd `json:"results,omitempty"`

	program *flow.Flow // made of Verbs
}

// VerbEnd is how a verb ended.
type VerbEnd struct {
	Verb    int    `json:"verb"` // from 1
	Kind    string `json:"kind"`
	Outcome string `json:"outcome"`
}

// AppRequest is what an application is told: what happened, and of which call.
type AppRequest struct {
	Version int    `json:"version"` // 1
	Event   string `json:"event"`   // "start", "done" (the verbs are through), "connected", "ended"
	App     string `json:"app"`
	Call    struct {
		ID       string `json:"id"`
		Tenant   string `json:"tenant"`
		From     string `json:"from"`
		To       string `json:"to"`
		Language string `json:"language"`
		Answered bool   `json:"answered"`
	} `json:"call"`
	Results []VerbEnd `json:"results,omitempty"` // of "done"
	// Variables of the call but for secrets.
	Variables map[string]string `json:"variables"`
	Reason    string            `json:"reason,omitempty"` // of "ended"
}

// Verbs is an event: somebody outside wants the call to do something else, now. What
// runs is taken back; who waits in a queue leaves it first.
type Verbs struct {
	App   string // whose they are; "" = the API
	Verbs string // JSON that flow.ParseVerbs takes
	// Away: the caller was taken out of a conversation for them; what follows them is
	// what the step says of its end.
	Away bool
}

// Tell sends an application an AppRequest to which no answer is awaited.
type Tell struct {
	App  string
	Body []byte
}

func (Verbs) event() string { return "verbs" }
func (Tell) action()        {}

// leftForVerbs is the outcome of a LeaveQueue because of Verbs: of the caller's side,
// as figures have it.
const leftForVerbs = "key"

// Steerable tells whether verbs from outside can be done now: not in a conversation,
// and not while somebody is being called.
func (s *State) Steerable() bool {
	switch s.Phase {
	case PhaseLeaving, PhaseDialling, PhaseTalking, PhaseSorry, PhaseDone:
		return false
	}
	return true
}

// Request is what an application is told of the call as it stands.
func (s *State) Request(app, event string) []byte { return s.request(app, event, "") }

// Ended is what an application is told last; reason is the call's result and reason.
func (s *State) Ended(app, reason string) []byte { return s.request(app, "ended", reason) }

func (s *State) request(app, event, reason string) []byte {
	r := AppRequest{Version: 1, Event: event, App: app, Variables: map[string]string{}, Reason: reason}
	r.Call.ID, r.Call.Tenant, r.Call.From, r.Call.To, r.Call.Language, r.Call.Answered = s.CallID, s.Tenant, s.From, s.To, s.Language, s.Answered
	if s.Script != nil {
		r.Results = s.Script.Results
	}
	for k, v := range s.Vars {
		if !s.Secrets[k] {
			r.Variables[k] = v
		}
	}
	body, err := json.Marshal(r)
	if err != nil {
		panic(err) // maps, texts and numbers: there is nothing that cannot be written
	}
	return body
}

// flow is the program of the script, made again for a state that was read back. What
// does not read any more is a flow without steps, which the caller leaves.
func (s *Script) flow() *flow.Flow {
	if s.program == nil {
		f, err := flow.ParseVerbs(scriptName(s.App), s.App, []byte(s.Verbs), func(string) bool { return true }) // checked when they came
		if err != nil {
			f = &flow.Flow{Name: scriptName(s.App), Steps: map[string]*flow.Step{}}
		}
		s.program = f
	}
	return s.program
}

func scriptName(app string) string {
	if app == "" {
		return "api"
	}
	return "app:" + app
}

// begin puts the call into a script that was parsed to f. It returns its first step.
func (m *machine) begin(app, verbs string, f *flow.Flow) string {
	back := m.s.Step
	if old := m.s.Script; old != nil {
		back = old.Back
		if app == "" {
			app = old.App // it is asked when the verbs are through
			f.Steps[flow.AskStep] = &flow.Step{Name: flow.AskStep, Kind: flow.KindApp, Body: &flow.App{App: app}}
		}
	}
	m.s.Script = &Script{App: app, Verbs: verbs, Back: back, program: f}
	m.f = f
	return f.Start
}

// tellConnected tells the application that leads the call of a conversation.
func (m *machine) tellConnected() {
	if s := m.s.Script; s != nil && s.App != "" {
		m.do(Tell{App: s.App, Body: m.s.Request(s.App, "connected")})
	}
}

// endScript leaves the script for the flow.
func (m *machine) endScript() (back string) {
	back = m.s.Script.Back
	m.s.Script, m.f = nil, m.base
	return back
}

// verbs is an event of somebody outside.
func (m *machine) verbs(ev Verbs) {
	may := func(string) bool { return false }
	if a, ok := m.s.app(ev.App); ok && a.May != nil {
		may = a.May
	}
	f, err := flow.ParseVerbs(scriptName(ev.App), ev.App, []byte(ev.Verbs), may)
	switch {
	case err != nil:
		m.ignore(ev, err.Error())
	case ev.App != "" && (m.s.Script == nil || m.s.Script.App != ev.App):
		m.ignore(ev, "the call is not the application's")
	case ev.Away && m.s.Phase == PhaseTalking && f.Start != "":
		back := m.f.Steps[m.s.Step]
		m.s.Wait, m.s.Typed, m.s.Hops = 0, "", 0
		first := m.begin(ev.App, ev.Verbs, f)
		if s := m.s.Script; s.App == "" {
			s.Back = ""
			if back != nil {
				s.Back = back.On["answered"]
			}
		}
		m.run(first)
	case !m.s.Steerable():
		m.ignore(ev, "in a conversation, or somebody is being called")
	case f.Start == "":
		m.ignore(ev, "no verbs")
	case m.s.Phase == PhaseQueued:
		m.stopTimer()
		m.s.Verbs, m.s.VerbsApp, m.s.Phase = ev.Verbs, ev.App, PhaseLeaving
		m.do(LeaveQueue{m.s.Wait, leftForVerbs})
	default:
		m.leave()
		m.s.Typed, m.s.Hops = "", 0
		m.run(m.begin(ev.App, ev.Verbs, f))
	}
}

// steered tells whether ev is the end of a queue that was left for verbs, and begins them.
func (m *machine) steered(ev Event) bool {
	left, ok := ev.(QueueLeft)
	if m.s.Verbs == "" {
		return false
	}
	if _, taken := ev.(Connected); taken || ok && left.Outcome != leftForVerbs {
		m.s.Verbs, m.s.VerbsApp = "", "" // an agent, or the queue, was faster
		return false
	}
	if !ok || m.s.Phase != PhaseLeaving || !m.awaited(left.ID) {
		return false
	}
	verbs, app := m.s.Verbs, m.s.VerbsApp
	m.s.Verbs, m.s.VerbsApp = "", ""
	f, err := flow.ParseVerbs(scriptName(app), app, []byte(verbs), func(string) bool { return true })
	if err != nil {
		m.fail(err.Error())
		return true
	}
	m.s.Wait, m.s.Hops = 0, 0
	m.run(m.begin(app, verbs, f))
	return true
}

// app finds an application; false when there is none.
func (s *State) app(name string) (AppInfo, bool) {
	if s.apps == nil || name == "" {
		return AppInfo{}, false
	}
	return s.apps(name)
}
