package ivr

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/ivr/schedule"
	"github.com/centrala/centrala/pkg/resource"
)

// score runs a flow on virtual time: what is done is written as short words.
// After each event the state goes through JSON, because it must survive that.
type score struct {
	t         *testing.T
	f         *flow.Flow
	s         *State
	now       time.Time
	schedules map[string]*schedule.Schedule
	timers    map[uint64]time.Time
	play      uint64 // the last Play
	stream    uint64 // the last Stream
	msg       uint64
	job       flow.Job // the last Do
	jobID     uint64
	apps      func(string) (AppInfo, bool)
	got       []string
	journal   []Action // EnterStep, Keyed, Fail, Ignored
	every     []Action
}

func parse(t testing.TB, name, doc string) *flow.Flow {
	t.Helper()
	f, err := flow.ParseYAML(name, []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var caller = Input{Tenant: "default", CallID: "c1", From: "0722123456", To: "1000"}

func begin(t *testing.T, doc string, in Input) *score {
	t.Helper()
	x := &score{t: t, f: parse(t, "test", doc), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), timers: map[uint64]time.Time{}, schedules: in.Schedules, apps: in.App}
	s, actions := Start(x.now, x.f, in)
	x.s = s
	x.take(actions)
	return x
}

func (x *score) take(actions []Action) {
	x.t.Helper()
	x.got = x.got[:0]
	x.every = append(x.every, actions...)
	for _, a := range actions {
		switch a := a.(type) {
		case EnterStep, Keyed, Ignored:
			x.journal = append(x.journal, a)
			continue
		case Fail:
			x.journal = append(x.journal, a)
			x.got = append(x.got, "fail "+a.Step)
			continue
		case SetTimer:
			if _, twice := x.timers[a.ID]; twice || a.D <= 0 {
				x.t.Fatalf("timer %+v", a)
			}
			x.timers[a.ID] = x.now.Add(a.D)
			continue
		case StopTimer:
			if _, there := x.timers[a.ID]; !there {
				x.t.Fatalf("timer %d stopped and does not run", a.ID)
			}
			delete(x.timers, a.ID)
			continue
		case Play:
			x.play = a.ID
			names := []string{"play"}
			for _, p := range a.Phrases {
				names = append(names, p.Name)
			}
			if a.Language != "en" {
				names = append(names, "in "+a.Language)
			}
			x.got = append(x.got, strings.Join(names, " "))
		case Queue:
			x.got = append(x.got, fmt.Sprintf("queue %s %d %v", a.Queue, a.Priority, a.Skills))
		case LeaveQueue:
			x.got = append(x.got, "leave "+a.Outcome)
		case Dial:
			x.got = append(x.got, fmt.Sprintf("dial %s %s", strings.Join(a.Targets, "+"), a.Timeout))
		case Tone:
			x.got = append(x.got, fmt.Sprintf("tone %s %v", a.Kind, a.Hz))
		case Hangup:
			x.got = append(x.got, "hangup "+a.Cause)
		case CallFlow:
			x.got = append(x.got, "flow "+a.Name)
		case Answer:
			x.got = append(x.got, "answer")
		case StopPlay:
			x.got = append(x.got, "stop")
		case Ring:
			x.got = append(x.got, "ring")
		case Echo:
			x.got = append(x.got, "echo")
		case Stream:
			x.stream = a.ID
			x.got = append(x.got, fmt.Sprintf("stream %s %v", a.Spec.URL, a.Spec.Wait))
		case StopStream:
			if a.ID != x.stream {
				x.t.Fatalf("stream %d stopped, %d runs", a.ID, x.stream)
			}
			x.got = append(x.got, "stop stream")
		case StopEcho:
			x.got = append(x.got, "stop echo")
		case GoDefault:
			x.got = append(x.got, "default")
		case Do:
			x.job, x.jobID = a.Job, a.ID
			x.got = append(x.got, fmt.Sprintf("do %s %s", a.Job.Name(), a.Timeout))
		case StopDo:
			if a.ID != x.jobID {
				x.t.Fatalf("job %d stopped, %d runs", a.ID, x.jobID)
			}
			x.got = append(x.got, "stop job "+a.Outcome)
		case Record:
			x.msg = a.ID
			x.got = append(x.got, strings.TrimSpace(fmt.Sprintf("record %s %s %s", a.Silence, a.Min, a.For)))
		case StopRecord:
			if a.ID != x.msg {
				x.t.Fatalf("message %d stopped, %d runs", a.ID, x.msg)
			}
			x.got = append(x.got, "stop record")
		case KeepMessage:
			x.got = append(x.got, "keep "+a.Recording)
		case DropMessage:
			x.got = append(x.got, "drop "+a.Recording)
		case Refer:
			x.got = append(x.got, fmt.Sprintf("refer %s %s", a.Number, a.Timeout))
		case StopRefer:
			x.got = append(x.got, "stop refer")
		case SurveyAnswer:
			x.got = append(x.got, fmt.Sprintf("answer %s/%s %s=%s", a.Survey, a.Question, a.Kind, a.Value))
		case Over:
			x.got = append(x.got, "done")
		case Tell:
			var r AppRequest
			if err := json.Unmarshal(a.Body, &r); err != nil {
				x.t.Fatal(err)
			}
			x.got = append(x.got, "tell "+a.App+" "+r.Event)
		default:
			x.t.Fatalf("unknown action %T", a)
		}
	}
	if x.s.Done() && len(x.timers) > 0 {
		x.t.Fatalf("over, and timers run: %v", x.timers)
	}
	raw, err := json.Marshal(x.s)
	if err != nil {
		x.t.Fatal(err)
	}
	back := &State{}
	if err := json.Unmarshal(raw, back); err != nil {
		x.t.Fatal(err)
	}
	back.Bind(Input{Schedules: x.schedules, App: x.apps})
	x.s = back
}

func (x *score) do(ev Event) { x.t.Helper(); x.take(Step(x.now, x.f, x.s, ev)) }

func (x *score) want(words ...string) {
	x.t.Helper()
	if !slices.Equal(x.got, words) {
		x.t.Fatalf("got  %q\nwant %q", x.got, words)
	}
}

func (x *score) heard(words ...string) { x.t.Helper(); x.do(PlayDone{x.play}); x.want(words...) }

// press sends keys one by one; the actions of the last are kept.
func (x *score) press(keys string, words ...string) {
	x.t.Helper()
	for i := range len(keys) {
		x.do(Digit{keys[i]})
	}
	x.want(words...)
}

// after lets time pass; the one timer due within it fires at its moment.
func (x *score) after(d time.Duration, words ...string) {
	x.t.Helper()
	x.got = nil
	end := x.now.Add(d)
	for id, at := range x.timers {
		if !at.After(end) {
			delete(x.timers, id)
			x.now = at
			x.do(TimerFired{id})
			break
		}
	}
	x.now = end
	x.want(words...)
}

const menuDoc = `
start: hello
steps:
  hello: {play: [welcome], next: ask}
  ask:
    menu:
      prompts: [menu]
      keys: {"1": one, "2": two, "*": ask}
      timeout: 5s
      retries: 1
      no_input: [no_input]
      wrong_key: [invalid, try_again]
    next: bye
  one: {queue: {name: sales, priority: 3, skills: {ro: 2}}, on: {empty: bye, answered: after}, next: ask}
  after: {play: [thank_you], next: bye}
  two: {dial: {targets: ["device:bob", "device:carol"], timeout: 20s}, on: {busy: bye}, next: ask}
  bye: {hangup: normal}
`

func TestMenu(t *testing.T) {
	x := begin(t, menuDoc, caller)
	x.want("answer", "play welcome")
	x.heard("play menu")
	x.heard() // listens
	x.after(4999 * time.Millisecond)
	x.after(time.Millisecond, "play no_input menu")
	x.press("7", "stop", "hangup normal", "done") // the second try was the last
}

func TestMenuKeys(t *testing.T) {
	x := begin(t, menuDoc, caller)
	x.heard("play menu")
	x.press("9", "stop", "play invalid try_again menu")
	x.press("*", "stop", "play menu") // asked anew: tries count from the start
	x.press("9", "stop", "play invalid try_again menu")
	x.press("1", "stop", "queue sales 3 map[ro:2]")
}

func TestTypedAheadBargesIn(t *testing.T) {
	x := begin(t, menuDoc, caller)
	x.press("1", "stop", "queue sales 3 map[ro:2]") // ends the greeting, and answers the menu
	x = begin(t, menuDoc, caller)
	x.press("9", "stop", "play invalid try_again menu")

	// A greeting that must be heard, and a menu that must be: keys are kept.
	must := strings.NewReplacer("{play: [welcome]", "{play: {prompts: [welcome], interrupt: false}", "prompts: [menu]", "prompts: [menu]\n      barge_in: false").Replace(menuDoc)
	x = begin(t, must, caller)
	x.press("*1")
	x.heard("play menu")
	x.heard("play menu") // the star
	x.heard("queue sales 3 map[ro:2]")

	// A menu that wants a fresh key.
	fresh := strings.Replace(must, "barge_in: false", "type_ahead: false", 1)
	x = begin(t, fresh, caller)
	x.press("1")
	x.heard("play menu")
	x.press("1", "stop", "queue sales 3 map[ro:2]")

	// More than anybody would type.
	x = begin(t, must, caller)
	x.press(strings.Repeat("9", 1000))
	if len(x.s.Typed) != maxBuffer {
		t.Errorf("%d keys kept", len(x.s.Typed))
	}
}

func TestQueueOutcomes(t *testing.T) {
	for _, row := range []struct {
		outcome string
		want    []string
	}{
		{"timeout", []string{"play menu"}},
		{"full", []string{"play menu"}},
		{"empty", []string{"hangup normal", "done"}},
		{"error", []string{"play menu"}},
		{"key", []string{"play menu"}}, // a key nobody pressed is an error
		{"answered", []string{"play thank_you"}},
	} {
		t.Run(row.outcome, func(t *testing.T) {
			x := begin(t, menuDoc, caller)
			x.heard("play menu")
			x.press("1", "stop", "queue sales 3 map[ro:2]")
			if row.outcome == "answered" {
				x.do(Connected{})
				x.press("1")
			}
			x.do(QueueLeft{Outcome: row.outcome})
			x.want(row.want...)
			x.do(QueueLeft{Outcome: row.outcome})
			x.want() // told twice
		})
	}
}

func TestQueueKeysAndTimeout(t *testing.T) {
	const doc = `
start: q
steps:
  q: {queue: {name: sales, timeout: 60s, keys: {"1": call-back}}, next: late}
  call-back: {play: [done], next: bye}
  late: {play: [queue_timeout], next: bye}
  bye: {hangup: normal}
`
	x := begin(t, doc, caller)
	x.want("answer", "queue sales 0 map[]")
	x.press("2")
	x.press("1", "leave key")
	x.press("1") // once is enough
	x.do(QueueLeft{Outcome: "key"})
	x.want("play done")

	x = begin(t, doc, caller)
	x.after(time.Minute, "leave timeout")
	x.do(QueueLeft{Outcome: "timeout"})
	x.want("play queue_timeout")

	// The agent accepted while the key was on its way: the conversation counts.
	x = begin(t, doc, caller)
	x.press("1", "leave key")
	x.do(Connected{})
	x.do(QueueLeft{Outcome: "answered"})
	x.want("hangup normal", "done")

	// Once connected the time limit of the wait is gone.
	x = begin(t, doc, caller)
	x.do(Connected{})
	x.after(time.Hour)
	x.do(QueueLeft{Outcome: "answered"})
	x.want("hangup normal", "done")
}

func TestDialInTurnAndAtOnce(t *testing.T) {
	x := begin(t, menuDoc, caller)
	x.press("2", "stop", "dial device:bob 20s")
	const doc = `
start: d
steps:
  d: {dial: {targets: ["device:bob", "device:carol", "number:0${ext}"], timeout: 20s}, on: {busy: bye}, next: sorry}
  sorry: {play: [no_answer], next: bye}
  bye: {hangup: busy}
`
	withExt := "variables: {ext: \"22\"}\n" + doc
	if _, err := flow.ParseYAML("x", []byte(withExt)); err == nil || !strings.Contains(err.Error(), "callers could dial any number") {
		t.Fatalf("a variable of another flow is dialled: %v", err)
	}
	x = begin(t, strings.Replace(strings.Replace(doc, "start: d", "start: s", 1), "steps:", "steps:\n  s: {set: {ext: \"22\"}, next: d}", 1), caller)
	x.want("dial device:bob 20s") // not answered: the called party does that
	first := x.s.Wait
	x.do(DialDone{ID: first, Outcome: "no_answer"})
	x.want("dial device:carol 20s")
	x.do(DialDone{ID: first, Outcome: "busy"}) // late
	x.want()
	x.do(Failed{Err: "no such device"})
	x.want("dial number:022 20s")
	x.do(DialDone{Outcome: "busy"})
	x.want("hangup busy", "done")
	if x.s.Answered {
		t.Error("answered for nothing")
	}

	x = begin(t, strings.Replace(doc, `"number:0${ext}"], `, `], at_once: true, `, 1), caller)
	x.want("dial device:bob+device:carol 20s")
	x.do(DialDone{Outcome: "no_answer"})
	x.want("answer", "play no_answer")
	x.heard("hangup busy", "done")

	x = begin(t, strings.Replace(doc, `"number:0${ext}"], `, `], at_once: true, `, 1), caller)
	x.do(Connected{})
	x.do(DialDone{Outcome: "failed"}) // after talk it is over, whatever it was
	x.want("hangup normal", "done")
}

const pinDoc = `
start: ask
steps:
  ask:
    collect:
      prompts: [enter_pin]
      into: pin
      min: 4
      max: 6
      secret: true
      timeout: 5s
      inter_digit: 3s
      retries: 1
      no_input: [no_input]
      invalid: [invalid]
    next: check
    on: {failed: bye}
  check:
    branch:
      - {var: pin, eq: "1234", next: right}
      - {if: [{var: from, matches: "07.*"}, {var: language, in: [ro, en]}], next: known}
    next: bye
  right: {play: [thank_you], next: bye}
  known: {play: [goodbye], next: bye}
  bye: {hangup: {}}
`

func TestCollect(t *testing.T) {
	x := begin(t, pinDoc, caller)
	x.want("answer", "play enter_pin")
	x.press("1", "stop")
	x.after(2999 * time.Millisecond)
	x.press("234")
	x.after(3*time.Second, "play thank_you") // the time between keys ends it

	x = begin(t, pinDoc, caller)
	x.heard()
	x.press("1234#", "play thank_you")

	x = begin(t, pinDoc, caller)
	x.press("12#", "play invalid enter_pin")
	x.heard()
	x.after(5*time.Second, "hangup normal", "done")

	x = begin(t, pinDoc, caller)
	x.press("123456", "play goodbye")
	x.press("#") // the terminator after a full input is nobody's key
	x.heard("hangup normal", "done")

	x = begin(t, pinDoc, caller)
	x.press("123456", "play goodbye")
	x.now = x.now.Add(2 * time.Second)
	x.press("#", "stop", "hangup normal", "done") // later it is a key again

	x = begin(t, pinDoc, caller)
	x.press("12*4#", "play invalid enter_pin") // no digits, and no pattern that wants them
}

func TestSecretNeverLeaves(t *testing.T) {
	x := begin(t, pinDoc, caller)
	x.press("98")
	x.after(time.Second)
	masked, _ := json.Marshal(x.s.Masked())
	x.press("76")
	x.press("#", "play goodbye")
	all := fmt.Sprintf("%+v", x.every) + string(masked)
	masked, _ = json.Marshal(x.s.Masked())
	all += string(masked)
	if strings.Contains(all, "98") || strings.Contains(all, "76") || strings.Contains(all, "9876") {
		t.Errorf("the secret is in %s", all)
	}
	stars := 0
	for _, a := range x.journal {
		if k, ok := a.(Keyed); ok {
			stars++
			if !k.Secret || k.Digit != '*' {
				t.Errorf("%+v", k)
			}
		}
	}
	if stars != 5 {
		t.Errorf("%d keys in the journal", stars)
	}
	if x.s.Vars["pin"] != "9876" {
		t.Errorf("pin is %q", x.s.Vars["pin"])
	}
	// Another flow may not speak it.
	next := parse(t, "next", `
variables: {pin: ""}
start: a
steps:
  a: {say: [{digits: "${pin}"}], next: b}
  b: {hangup: {}}
`)
	_, actions := Start(x.now, next, Input{Previous: x.s})
	if text := fmt.Sprintf("%+v", actions); strings.Contains(text, "number_9") || !strings.Contains(text, "is secret") {
		t.Errorf("%s", text)
	}
}

func TestSecretTypedAheadIsJournalledMasked(t *testing.T) {
	x := begin(t, "start: hi\nsteps:\n  hi: {play: {prompts: [welcome], interrupt: false}, next: ask}\n"+strings.TrimPrefix(pinDoc[strings.Index(pinDoc, "  ask:"):], ""), caller)
	x.want("answer", "play welcome")
	x.press("1234")
	for _, a := range x.journal {
		if _, ok := a.(Keyed); ok {
			t.Fatalf("journalled before anybody knows it is a secret: %+v", a)
		}
	}
	x.heard()
	x.after(3*time.Second, "play thank_you")
}

func TestSayAndLanguage(t *testing.T) {
	x := begin(t, `
language: ro
start: a
variables: {n: "21"}
steps:
  a: {say: {prompts: [you_are, {number: "${n}"}, {digits: "${from}"}, {position: "3"}]}, next: b}
  b: {language: ru, next: c}
  c: {say: [{number: "2${n}"}], next: d}
  d: {set: {n: "x${language}"}, next: e}
  e: {say: [{number: "${n}"}], next: f}
  f: {hangup: {}}
`, Input{From: "+40 7#"})
	x.want("answer", "play you_are number_20 and number_1 number_4 number_0 number_7 hash position_3 in ro")
	x.heard("play number_200 number_20 number_1 in ru")
	x.heard("fail e", "play sorry in ru")
	x.press("1") // nothing listens
	x.heard("default", "done")
	x.heard()
}

func TestTexts(t *testing.T) {
	const doc = `
start: greet
steps:
  greet:
    say: {text: "Good morning, ${who}. It costs $ 5?"}
    next: end
  end: {hangup: normal}
`
	if _, err := flow.ParseYAML("test", []byte(doc)); err == nil || !strings.Contains(err.Error(), "greet") {
		t.Errorf("%v, want faults of the variable", err)
	}
	const good = `
start: who
steps:
  who: {set: {name: "Ana <b>"}, next: greet}
  greet:
    say: {text: "Good morning, ${name}.", interrupt: false}
    on: {failed: key}
    next: key
  key:
    menu:
      prompts: [welcome, {text: "Press 1, ${name}", fallback: try_again}]
      keys: {"1": end}
    next: end
  end: {hangup: normal}
`
	x := begin(t, good, caller)
	last := func() []prompt.Phrase {
		for _, a := range slices.Backward(x.every) {
			if p, ok := a.(Play); ok {
				return p.Phrases
			}
		}
		return nil
	}
	if got := last(); len(got) != 1 || got[0] != (prompt.Phrase{Text: "Good morning, Ana <b>."}) {
		t.Fatalf("%+v", got)
	}
	x.press("1") // typed ahead, the text goes on
	x.do(Failed{ID: x.play, Err: "not made in time"})
	x.want("fail greet", "stop", "hangup normal", "done") // the key answers the menu
	x = begin(t, good, caller)
	x.do(PlayDone{x.play})
	if got := last(); len(got) != 2 || got[0].Name != "welcome" || got[1] != (prompt.Phrase{Name: "try_again", Text: "Press 1, Ana <b>"}) {
		t.Fatalf("%+v", got)
	}
	x.do(Failed{ID: x.play, Err: "gone"}) // a menu has no way for it
	x.want("fail key", "stop", "play sorry")
	// Without an engine a text needs a way out.
	f := parse(t, "test", good)
	for mute, want := range map[bool]int{false: 0, true: 0} {
		if got := f.Check(flow.CheckEnv{Mute: mute, Prompts: func(string, string) bool { return true }}); len(got) != want {
			t.Errorf("mute %v: %v", mute, got)
		}
	}
	f = parse(t, "test", strings.Replace(good, "on: {failed: key}", "note: none", 1))
	if got := f.Check(flow.CheckEnv{Mute: true, Prompts: func(string, string) bool { return true }}); len(got) != 1 || got[0].Path != "steps.greet.say.prompts[0]" {
		t.Errorf("%v", got)
	}
	if _, err := flow.ParseYAML("test", []byte(strings.Replace(good, "Good morning, ", strings.Repeat("x", 2001), 1))); err == nil {
		t.Error("a text of more than 2000 bytes is taken")
	}
}

func TestFailures(t *testing.T) {
	x := begin(t, menuDoc, caller)
	x.do(Failed{ID: 999, Err: "late"})
	x.want()
	x.do(Failed{ID: x.play, Err: `prompt "welcome" not found`})
	x.want("fail hello", "stop", "play sorry")
	x.do(Failed{ID: x.play, Err: `prompt "sorry" not found`})
	x.want("default", "done")
	// The default target is a flow that fails, and again.
	s := x.s
	for i := range 2 {
		var actions []Action
		s, actions = Start(x.now, x.f, Input{Previous: s})
		x.s = s
		x.take(actions)
		x.do(Failed{Err: "still not there"})
		if i == 0 {
			x.want("fail hello", "stop", "play sorry")
			x.heard("default", "done")
			s = x.s
		}
	}
	x.want("fail hello", "stop", "hangup congestion", "done")

	// The flow changes while the caller waits and talks: no matter, until the end.
	x = begin(t, menuDoc, caller)
	x.press("1", "stop", "queue sales 3 map[ro:2]")
	x.f = parse(t, "test", "start: a\nsteps:\n  a: {hangup: {}}\n")
	x.press("1")
	x.do(Connected{})
	x.do(QueueLeft{Outcome: "answered"})
	x.want("hangup normal", "done")
	x = begin(t, menuDoc, caller)
	x.press("1", "stop", "queue sales 3 map[ro:2]")
	x.f = parse(t, "test", "start: a\nsteps:\n  a: {hangup: {}}\n")
	x.do(QueueLeft{Outcome: "empty"})
	x.want("fail one", "play sorry")

	// The step is gone from under the call.
	x = begin(t, menuDoc, caller)
	x.f = parse(t, "test", "start: a\nsteps:\n  a: {hangup: {}}\n")
	x.heard("fail hello", "stop", "play sorry")
	x.heard("default", "done")
}

func TestStepsWithoutInputAreBounded(t *testing.T) {
	// Parse and Check would find nothing wrong with asking for ever.
	x := begin(t, `
start: m
steps:
  m: {menu: {prompts: [menu], keys: {"1": bye}, retries: 0, timeout: 1s}, next: m}
  bye: {hangup: {}}
`, caller)
	rounds := 0
	for !slices.Contains(x.got, "fail m") {
		if rounds++; rounds > maxSteps+1 {
			t.Fatal("for ever")
		}
		x.do(PlayDone{x.play})
		for id := range x.timers {
			delete(x.timers, id)
			x.do(TimerFired{id})
		}
	}
	if rounds != maxSteps {
		t.Errorf("after %d rounds", rounds)
	}
	x.heard("default", "done")
	// And one that turns in place ends within one event.
	x = begin(t, `
start: a
steps:
  a: {set: {x: "1"}, next: b}
  b: {branch: [{var: x, eq: "2", next: c}], next: a}
  c: {hangup: {}}
`, caller)
	x.want("fail a", "answer", "play sorry")
}

func TestTimedSteps(t *testing.T) {
	x := begin(t, `
start: r
steps:
  r: {ring: 4s, next: t}
  t: {tone: {tone: beep, for: 500ms}, next: p}
  p: {pause: 1s, next: e}
  e: {echo: {for: 30s, end: "*"}, next: c}
  c: {tone: {hz: [440, 480], for: 2s}, next: g}
  g: {goto: other}
`, caller)
	x.want("ring")
	x.after(4*time.Second, "answer", "tone beep []")
	x.press("1") // kept for later
	x.after(500*time.Millisecond, "stop")
	x.after(time.Second, "echo")
	x.press("5")
	x.press("*", "stop echo", "tone custom [440 480]")
	x.after(2*time.Second, "stop", "flow other")
	x.do(TimerFired{1})
	x.want()
}

func TestStream(t *testing.T) {
	const doc = `
start: listen
steps:
  listen: {stream: {url: "wss://text.example.com/in", direction: listen, tracks: [caller, agent], wait: false}, next: robot}
  robot: {stream: {url: "wss://robot.example.com/talk", for: 2m, end: "0", into: wish, rate: 16000}, next: sort, on: {failed: people, timeout: late}}
  sort: {branch: [{var: wish, eq: bill, next: bills}], next: bye}
  bills: {play: [done], next: bye}
  people: {queue: {name: sales}, next: bye}
  late: {play: [please_wait], next: people}
  bye: {hangup: normal}
`
	start := func() *score {
		x := begin(t, doc, caller)
		x.want("answer", "stream wss://text.example.com/in false", "stream wss://robot.example.com/talk true")
		return x
	}
	x := start()
	x.press("12") // the robot's
	x.do(StreamDone{ID: x.stream + 7, Outcome: "ended", Result: "bill"})
	x.want() // another's
	x.do(StreamDone{ID: x.stream, Outcome: "ended", Result: "bill"})
	x.want("play done")
	x.do(StreamDone{ID: x.stream, Outcome: "ended"})
	x.want() // told twice

	x = start()
	x.do(StreamDone{ID: x.stream, Outcome: "ended", Result: "something else"})
	x.want("hangup normal", "done")

	x = start() // not reached, lost, or it broke the rules
	x.do(StreamDone{ID: x.stream, Outcome: "failed"})
	x.want("queue sales 0 map[]")

	x = start() // it never ends
	x.after(2*time.Minute - time.Millisecond)
	x.after(time.Millisecond, "stop stream", "play please_wait")
	x.do(StreamDone{ID: x.stream, Outcome: "ended"})
	x.want()

	x = start() // the caller has had enough of it
	x.press("0", "stop stream", "hangup normal", "done")

	// A robot that fails at once and is tried again: bounded.
	x = begin(t, strings.Replace(doc, "failed: people", "failed: robot", 1), caller)
	for i := 0; x.s.Phase == PhaseStreaming; i++ {
		if i > maxSteps {
			t.Fatal("for ever")
		}
		x.do(StreamDone{ID: x.stream, Outcome: "failed"})
	}
	x.want("fail robot", "play sorry")

	for spec, want := range map[string]string{
		`{}`:                             "missing",
		`{url: "http://x/"}`:             "want ws://",
		`{url: "ws://${from}/"}`:         "without variables",
		`{url: "wss://a:b@x/"}`:          "user or password",
		`{url: "wss://x/", rate: 11025}`: "8000 or 16000",
		`{url: "wss://x/", rate: 16000, format: pcma}`: "pcma has 8000",
		`{url: "wss://x/", protocol: audiosocket}`:     "by tcp or tls",
		`{url: "wss://x/", tracks: [mixed, caller]}`:   "both already",
		`{url: "wss://x/", tracks: [robot]}`:           "unknown",
		`{url: "wss://x/", wait: false, into: a}`:      "no result",
		`{url: "wss://x/", loud: true}`:                "unknown",
	} {
		_, err := flow.ParseYAML("x", []byte("start: a\nsteps:\n  a: {stream: "+spec+", next: b}\n  b: {hangup: {}}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
}

func TestSchedule(t *testing.T) {
	office, err := schedule.Parse(resource.ScheduleSpec{TimeZone: "Europe/Chisinau", Hours: []resource.HoursSpec{{Days: []string{"mon"}, From: "09:00", To: "14:01"}}})
	if err != nil {
		t.Fatal(err)
	}
	const doc = `
start: p
steps:
  p: {pause: 1m, next: s}
  s: {schedule: {name: office, open: o, closed: c}}
  o: {play: [open], next: bye}
  c: {play: [closed_now], next: bye}
  bye: {hangup: {}}
`
	doc1 := strings.Replace(doc, "1m", "9s", 1)
	in := caller
	in.Schedules = map[string]*schedule.Schedule{"office": office}
	x := begin(t, doc1, in)
	x.after(9*time.Second, "answer", "play open") // 14:00:09 in Chisinau
	x = begin(t, doc1, in)
	x.now = x.now.Add(52 * time.Second)
	for id := range x.timers {
		delete(x.timers, id)
		x.now = x.now.Add(9 * time.Second)
		x.do(TimerFired{id})
	}
	x.want("answer", "play closed_now") // 14:01:01
	x = begin(t, doc1, caller)
	x.after(9*time.Second, "fail s", "answer", "play sorry")
}

func TestGotoCarriesOver(t *testing.T) {
	x := begin(t, `
start: a
steps:
  a: {set: {vip: "yes"}, next: l}
  l: {language: ro, next: m}
  m: {menu: {prompts: [menu], keys: {"1": g}}, next: g}
  g: {goto: other}
`, caller)
	x.press("1", "stop", "flow other")
	x.press("2")
	if !x.s.Done() {
		t.Fatal("not over")
	}
	next := parse(t, "other", `
language: en
variables: {vip: "no", other: "x"}
start: a
steps:
  a: {branch: [{if: [{var: vip, ne: "no"}, {var: other, in: ["x"]}], next: b}], next: c}
  b: {play: [welcome], next: c}
  c: {hangup: {}}
`)
	s, actions := Start(x.now, next, Input{Previous: x.s, From: "1"})
	if got := fmt.Sprint(actions); !strings.Contains(got, "welcome") || strings.Contains(got, "Answer") {
		t.Errorf("%s", got)
	}
	if s.Language != "ro" || s.Flow != "other" || s.LastID <= 1 {
		t.Errorf("%+v", s)
	}
}

// Whatever comes in whatever order: no panic, always a way on, no timer left
// behind, secrets stay inside, and the same input gives the same actions.
func TestAnyOrderOfEvents(t *testing.T) {
	docs := []string{menuDoc, pinDoc, `
start: q
steps:
  q: {queue: {name: sales, timeout: 60s, keys: {"1": e}}, on: {answered: e}, next: r}
  e: {echo: {for: 9s}, next: d}
  d: {dial: {targets: ["device:a", "device:b"], ringback: music}, on: {answered: q}, next: t}
  t: {tone: {tone: busy, for: 3s}, next: r}
  r: {ring: 2s, next: q}
`, `
start: q
steps:
  q: {queue: {name: sales}, on: {answered: hello}, next: d}
  hello: {say: [{digits: "${from}"}], next: ask}
  ask: {menu: {prompts: [p], keys: {"#": d}, barge_in: false}, next: d}
  d: {dial: {targets: ["device:a"], at_once: true}, on: {answered: e}, next: e}
  e: {pause: 1s, next: q}
`, recordDoc, httpDoc, `
start: l
variables: {n: "0"}
steps:
  l: {loop: {times: 5, while: vars.n != "9", count: n, do: c}, next: w}
  c: {collect: {prompts: [p], into: card, min: 1, max: 4, check: luhn, retries: 1, confirm: [{digits: "${card}"}]}, next: l, on: {failed: m}}
  m: {mail: {to: [a@example.com], subject: "${n}"}, next: w}
  w: {wait: {for: 9s, prompt: music, end: "#"}, next: r}
  r: {record: {into: x, max: 9s}, next: b, on: {failed: e}}
  b: {branch: [{if: 'num(vars.n) > 2 and caller.known', next: l}], next: e}
  e: {return: {}}
`}
	shown := func(actions []Action) string { // jobs are pointers, whose addresses differ
		var b strings.Builder
		for _, a := range actions {
			if d, ok := a.(Do); ok {
				fmt.Fprintf(&b, "%d %+v %s ", d.ID, d.Job, d.Timeout)
				continue
			}
			fmt.Fprintf(&b, "%T%v ", a, a)
		}
		return b.String()
	}
	rapid.Check(t, func(rt *rapid.T) {
		f := parse(t, "test", rapid.SampledFrom(docs).Draw(rt, "doc"))
		now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		in := Input{CallID: "c", Answered: rapid.Bool().Draw(rt, "answered")}
		s, actions := Start(now, f, in)
		timers := map[uint64]bool{}
		answers := 0
		check := func(actions []Action) {
			for _, a := range actions {
				switch a := a.(type) {
				case Answer:
					if answers++; answers > 1 || in.Answered {
						rt.Fatal("answered twice")
					}
				case SetTimer:
					timers[a.ID] = true
				case StopTimer:
					if !timers[a.ID] {
						rt.Fatalf("timer %d does not run", a.ID)
					}
					delete(timers, a.ID)
				}
			}
			if len(timers) > 1 || s.Done() && len(timers) > 0 {
				rt.Fatalf("timers %v", timers)
			}
			if !s.Done() && s.Wait == 0 && s.Timer == 0 {
				rt.Fatalf("waits for nothing in %+v", s)
			}
			if s.Phase == PhaseListening && s.Timer == 0 {
				rt.Fatalf("listens for ever in %+v", s)
			}
			if (s.Timer != 0) != (len(timers) == 1) {
				rt.Fatalf("timer %d, running %v", s.Timer, timers)
			}
		}
		check(actions)
		for range 40 {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(rt, "ms")) * time.Millisecond)
			id := uint64(rapid.IntRange(0, int(s.LastID)+1).Draw(rt, "id"))
			outcome := rapid.SampledFrom([]string{"answered", "timeout", "empty", "full", "key", "error", "busy", "no_answer", "failed", "nonsense"}).Draw(rt, "outcome")
			ev := rapid.SampledFrom([]Event{PlayDone{s.Wait}, PlayDone{id}, TimerFired{s.Timer}, TimerFired{id}, Digit{'1'}, Digit{'#'}, Digit{'x'}, Digit{'9'},
				Connected{}, QueueLeft{Outcome: outcome}, QueueLeft{id, outcome}, Done{ID: s.Wait, Outcome: outcome, Values: map[string]string{"customer": outcome}}, Done{ID: id, Outcome: "done"},
				RecordQuiet{s.Wait}, RecordDone{ID: s.Wait, Outcome: "done", Recording: "m", Path: "m.wav", Voice: time.Duration(rapid.IntRange(0, 3).Draw(rt, "voice")) * time.Second}, RecordDone{ID: id, Outcome: outcome},
				DialDone{Outcome: outcome}, DialDone{id, outcome}, Failed{id, "x"}}).Draw(rt, "event")
			if fired, ok := ev.(TimerFired); ok && fired.ID == s.Timer {
				delete(timers, fired.ID)
			}
			if rapid.IntRange(0, 19).Draw(rt, "reload") == 0 {
				f = parse(t, "test", rapid.SampledFrom(docs).Draw(rt, "new doc"))
			}
			raw, _ := json.Marshal(s)
			twin := &State{}
			if err := json.Unmarshal(raw, twin); err != nil {
				rt.Fatal(err)
			}
			actions := Step(now, f, s, ev)
			if again := Step(now, f, twin, ev); shown(again) != shown(actions) {
				rt.Fatalf("%v\n%v", actions, again)
			}
			check(actions)
		}
	})
}

func BenchmarkDecision(b *testing.B) {
	f := parse(b, "test", menuDoc)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s, _ := Start(now, f, caller)
		Step(now, f, s, PlayDone{1})
		Step(now, f, s, Digit{'9'})
		Step(now, f, s, Digit{'1'})
	}
}
