package ivr

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

const appDoc = `
start: ask
steps:
  ask: {app: orders, next: after}
  after: {play: [thank_you], next: bye}
  bye: {hangup: normal}
`

// orders is an application that may call numbers which begin with 0.
func orders(fallback string) Input {
	in := caller
	in.App = func(name string) (AppInfo, bool) {
		return AppInfo{Timeout: 3 * time.Second, Fallback: fallback, May: func(n string) bool { return n[0] == '0' }}, name == "orders"
	}
	return in
}

// said is what the application was told last.
func (x *score) said() (r AppRequest) {
	x.t.Helper()
	job, ok := x.job.(*flow.AskApp)
	if !ok || job.App != "orders" {
		x.t.Fatalf("no question to the application: %+v", x.job)
	}
	if err := json.Unmarshal(job.Body, &r); err != nil {
		x.t.Fatal(err)
	}
	return r
}

// says is the application's answer.
func (x *score) says(verbs string, words ...string) {
	x.t.Helper()
	x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone, Values: map[string]string{flow.VerbsValue: verbs}})
	x.want(words...)
}

// An application leads a call through verbs, hears how they ended and what was typed,
// and gives the call back to the flow.
func TestApplication(t *testing.T) {
	x := begin(t, appDoc, orders(""))
	x.want("do app 3s")
	if r := x.said(); r.Event != "start" || r.Call.From != "0722123456" || r.Call.To != "1000" || r.Call.ID != "c1" || r.Call.Answered || r.Version != 1 {
		t.Errorf("told %+v", r)
	}
	x.says(`{"verbs": [{"play": ["welcome"]}, {"collect": {"prompts": ["enter"], "max": 4}}, {"collect": {"prompts": ["pin"], "into": "pin", "max": 2, "secret": true}}]}`,
		"answer", "play welcome")
	x.heard("play enter")
	x.heard()
	x.press("12#", "play pin")
	x.press("77", "do app 3s")
	r := x.said()
	if r.Event != "done" || !r.Call.Answered || r.Variables["digits"] != "12" {
		t.Errorf("told %+v", r)
	}
	if _, told := r.Variables["pin"]; told {
		t.Error("the application was told a secret")
	}
	if len(r.Results) != 2 || r.Results[0] != (VerbEnd{2, "collect", "done"}) || r.Results[1] != (VerbEnd{3, "collect", "done"}) {
		t.Errorf("results %+v", r.Results)
	}
	x.says(`[{"queue": "sales"}, {"play": "busy_now"}]`, "queue sales 0 map[]")
	x.do(QueueLeft{Outcome: "timeout"})
	x.want("play busy_now")
	x.heard("do app 3s")
	if r := x.said(); len(r.Results) != 1 || r.Results[0] != (VerbEnd{1, "queue", "timeout"}) {
		t.Errorf("results %+v", r.Results)
	}
	x.says(`[]`, "play thank_you")
	if x.s.Script != nil {
		t.Error("the script is still there")
	}
	x.heard("hangup normal", "done")
}

func TestApplicationHangsUpOrGoesToAFlow(t *testing.T) {
	x := begin(t, appDoc, orders(""))
	x.says(`[{"hangup": "busy"}]`, "hangup busy", "done")
	x = begin(t, appDoc, orders(""))
	x.says(`[{"set": {"vip": "yes"}}, {"goto": "sales"}]`, "flow sales")
	if x.s.Vars["vip"] != "yes" {
		t.Error(x.s.Vars)
	}
	// After a conversation the application is asked again.
	x = begin(t, appDoc, orders(""))
	x.says(`[{"dial": {"targets": ["number:0722"], "timeout": "5s"}}]`, "dial number:0722 5s")
	x.do(Connected{})
	x.want("tell orders connected")
	x.do(DialDone{Outcome: "answered"})
	x.want("do app 3s")
	if r := x.said(); r.Results[0].Outcome != "answered" {
		t.Errorf("results %+v", r.Results)
	}
}

// Whatever an application does wrong, the caller goes on: to its fallback flow, by the
// way failed of the step, or to the tenant's default target.
func TestApplicationFails(t *testing.T) {
	wrong := []string{`nonsense`, `{"verbs": 5}`, `[{"play": []}]`, `[{"menu": {}}]`, `[{"play": ["a"], "say": ["b"]}]`, `[{"result": {}}]`, `[{"app": "x"}]`,
		`[{"dial": "number:999"}]`, `[{"dial": "number:${from}"}]`, `[{"queue": {"name": "q", "keys": {"1": "x"}}}]`, `{"verbs": [], "more": 1}`,
		`[` + strings.Repeat(`{"answer": {}},`, flow.MaxVerbs) + `{"answer": {}}]`, strings.Repeat(" ", flow.MaxVerbBytes+1)}
	for _, verbs := range wrong {
		x := begin(t, appDoc, orders("help"))
		x.says(verbs, "fail ask", "flow help")
	}
	x := begin(t, strings.Replace(appDoc, "next: after}", "next: after, on: {failed: bye}}", 1), orders("help"))
	x.says("nonsense", "fail ask", "hangup normal", "done")
	x = begin(t, appDoc, orders(""))
	x.says("nonsense", "fail ask", "fail ask", "answer", "play sorry")
	x.heard("default", "done")
	x = begin(t, strings.Replace(appDoc, "app: orders", "app: gone", 1), orders("help"))
	x.want("fail ask", "fail ask", "answer", "play sorry")

	// It never answers: the caller waits for its time-out and no longer.
	x = begin(t, appDoc, orders("help"))
	x.after(2999*time.Millisecond, "ring")
	x.after(time.Millisecond, "stop job timeout", "fail ask", "flow help")
	// In the middle as well, and a prompt of its that is not there.
	x = begin(t, appDoc, orders("help"))
	x.says(`[{"play": "welcome"}]`, "answer", "play welcome")
	x.heard("do app 3s")
	x.do(Done{ID: x.jobID, Outcome: flow.OutcomeFailed, Err: "connection refused"})
	x.want("fail ask", "flow help")
	x = begin(t, appDoc, orders("help"))
	x.says(`[{"play": "nowhere"}]`, "answer", "play nowhere")
	x.do(Failed{ID: x.play, Err: "no prompt"})
	x.want("fail 1", "stop", "flow help")
}

// An application that speaks for ever without any key is stopped, as a flow is.
func TestApplicationWithoutEnd(t *testing.T) {
	x := begin(t, appDoc, orders("help"))
	for range maxSteps {
		if x.s.Done() {
			break
		}
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone, Values: map[string]string{flow.VerbsValue: `[{"play": "again"}]`}})
		x.do(PlayDone{x.play})
	}
	if !x.s.Done() {
		t.Error("it still goes on")
	}
}

// Verbs from outside take the place of what runs; then the flow is where it was.
func TestVerbsByAPI(t *testing.T) {
	x := begin(t, menuDoc, orders(""))
	x.heard("play menu")
	x.do(Verbs{Verbs: `[{"play": "closing_soon"}]`})
	x.want("stop", "play closing_soon")
	x.heard("play menu") // the menu begins anew
	x.press("1", "stop", "queue sales 3 map[ro:2]")
	// Out of the queue first.
	x.do(Verbs{Verbs: `[{"say": ["welcome"]}, {"hangup": "normal"}]`})
	x.want("leave key")
	x.do(QueueLeft{Outcome: "key"})
	x.want("play welcome")
	x.heard("hangup normal", "done")

	// An agent was faster.
	x = begin(t, menuDoc, orders(""))
	x.press("1", "stop", "queue sales 3 map[ro:2]")
	x.do(Verbs{Verbs: `[{"hangup": "normal"}]`})
	x.want("leave key")
	x.do(Connected{})
	x.do(Verbs{Verbs: `[{"hangup": "normal"}]`})
	x.want()
	x.do(QueueLeft{Outcome: "answered"})
	x.want("play thank_you")
	// What does not read, what there is none of, and what is another's changes nothing.
	for _, ev := range []Verbs{{Verbs: "x"}, {Verbs: "[]"}, {Verbs: `[{"dial": "number:0722"}]`}, {App: "orders", Verbs: `[{"hangup": "normal"}]`}} {
		x.do(ev)
		x.want()
	}
	// In an application's script the application is asked when they are through.
	x = begin(t, appDoc, orders(""))
	x.says(`[{"play": "welcome"}]`, "answer", "play welcome")
	x.do(Verbs{Verbs: `[{"play": "closing_soon"}]`})
	x.want("stop", "play closing_soon")
	x.heard("do app 3s")
	// Its own, while it was asked: in place of the answer.
	x.do(Verbs{App: "orders", Verbs: `[{"play": "welcome"}]`})
	x.want("stop job left", "play welcome")
	x.heard("do app 3s")
	x.says("[]", "play thank_you")
}

// What an application says never breaks the interpreter: it reads or it does not, and
// what reads runs to a wait or an end.
func FuzzVerbs(f *testing.F) {
	for _, s := range []string{`[]`, `[{"play":["a"]}]`, `{"verbs":[{"collect":{"prompts":["a"],"max":3}},{"dial":["device:x"]}]}`, `[{"say":{"text":"${from}"}}]`,
		`[{"queue":{"name":"q","timeout":"5s"}},{"hangup":"busy"}]`, `[{"stream":{"url":"wss://x/y"}}]`, `[{"goto":"x"}]`, `[{"pause":"1s"},{"echo":{}},{"tone":{"tone":"beep"}}]`} {
		f.Add([]byte(s))
	}
	base, err := flow.ParseYAML("test", []byte(appDoc))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, verbs []byte) {
		now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		s, actions := Start(now, base, orders(""))
		id := actions[len(actions)-1].(Do).ID
		actions = Step(now, base, s, Done{ID: id, Outcome: flow.OutcomeDone, Values: map[string]string{flow.VerbsValue: string(verbs)}})
		if len(actions) > 1000 {
			t.Fatalf("%d actions of %d bytes", len(actions), len(verbs))
		}
		if s.Phase == "" {
			t.Fatalf("neither waits nor ends: %q", verbs)
		}
	})
}
