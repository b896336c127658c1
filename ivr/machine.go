package ivr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
)

// machine is one Start or Step under way.
type machine struct {
	f   *flow.Flow
	s   *State
	now time.Time
	out []Action
}

func (m *machine) do(a Action) { m.out = append(m.out, a) }

func (m *machine) ignore(ev Event, reason string) { m.do(Ignored{ev.event(), reason}) }

func (m *machine) id() uint64 {
	m.s.LastID++
	return m.s.LastID
}

// body is what the current step does; nil when the flow has it no more.
func (m *machine) body() flow.Body {
	if step := m.f.Steps[m.s.Step]; step != nil {
		return step.Body
	}
	return nil
}

// run enters steps until one waits or the flow is over.
func (m *machine) run(step string) {
	for step != "" {
		next := m.f.Steps[step]
		if next == nil { // Parse does not let this through
			m.fail(fmt.Sprintf("no step %q", step))
			return
		}
		m.s.Step, m.s.Kind, m.s.Phase = step, next.Kind, ""
		m.s.Wait, m.s.Tries, m.s.Times, m.s.Target, m.s.Collected, m.s.Key = 0, 0, 0, 0, "", 0
		m.do(EnterStep{m.f.Name, step, string(next.Kind)})
		if m.s.Hops++; m.s.Hops > maxSteps {
			m.fail(fmt.Sprintf("%d steps without any input", maxSteps))
			return
		}
		step = m.enter(next)
	}
}

// enter begins a step and returns the next one when it does not wait.
func (m *machine) enter(step *flow.Step) (next string) {
	switch b := step.Body.(type) {
	case *flow.Answer:
		m.answer()
		return step.Next
	case *flow.Ring:
		m.do(Ring{})
		m.wait(PhaseTimed, b.For)
	case *flow.Play:
		return m.speak(step)
	case *flow.Say:
		return m.speak(step)
	case *flow.Menu:
		if !b.TypeAhead {
			m.s.Typed = ""
		}
		return m.ask(nil)
	case *flow.Collect:
		if !b.TypeAhead {
			m.s.Typed = ""
		}
		return m.ask(nil)
	case *flow.Schedule:
		sched := m.s.schedules[b.Name]
		if sched == nil {
			return m.fail(fmt.Sprintf("no schedule %q", b.Name))
		}
		if sched.Open(m.now) {
			return b.Open
		}
		return b.Closed
	case *flow.Branch:
		for _, c := range b.Cases {
			if m.holds(c.If) {
				return c.Next
			}
		}
		return step.Next
	case *flow.Set:
		for _, a := range b.Assign {
			v, err := m.expand(a.Value)
			if err != nil {
				return m.fail(err.Error())
			}
			if len(v) > maxValue {
				return m.fail(fmt.Sprintf("the value of %q is longer than %d bytes", a.Var, maxValue))
			}
			m.s.Vars[a.Var] = v
			delete(m.s.Secrets, a.Var)
		}
		return step.Next
	case *flow.Language:
		m.s.Language = b.Language
		return step.Next
	case *flow.Queue:
		wanted, err := m.expand(b.Agent)
		if err != nil {
			return m.fail(err.Error())
		}
		m.answer()
		m.s.Typed = "" // keys pressed from now on are for the queue
		m.s.Phase, m.s.Wait = PhaseQueued, m.id()
		m.do(Queue{ID: m.s.Wait, Queue: b.Queue, Priority: b.Priority, Skills: b.Skills, Music: b.Music, Language: m.s.Language,
			Need: b.Need, Agent: wanted, Patience: b.Patience})
		if b.Timeout > 0 {
			m.timer(b.Timeout)
		}
	case *flow.Dial:
		m.s.Typed = ""
		if b.Ringback != "" {
			m.answer()
		}
		return m.dial(b)
	case *flow.Tone:
		m.answer()
		m.s.Wait = m.id()
		m.do(Tone{m.s.Wait, b.Tone, b.Hz, b.For})
		m.wait(PhaseTimed, b.For)
	case *flow.Pause:
		m.wait(PhaseTimed, b.For)
	case *flow.Echo:
		m.answer()
		m.s.Typed = ""
		m.do(Echo{})
		m.wait(PhaseEcho, b.For)
	case *flow.Stream:
		m.answer()
		if !b.Wait {
			m.do(Stream{m.id(), b, m.s.Language})
			return step.Next
		}
		m.s.Typed = ""
		m.s.Wait = m.id()
		m.wait(PhaseStreaming, b.For)
		m.do(Stream{m.s.Wait, b, m.s.Language})
	case *flow.Goto:
		m.do(CallFlow{b.Flow})
		m.s.Phase = PhaseDone
	case *flow.Hangup:
		m.hangup(b.Cause)
	default:
		return m.fail(fmt.Sprintf("a step of kind %q cannot be run", step.Kind))
	}
	return ""
}

func (m *machine) answer() {
	if !m.s.Answered {
		m.s.Answered = true
		m.do(Answer{})
	}
}

func (m *machine) hangup(cause string) {
	m.stopTimer()
	m.do(Hangup{cause})
	m.do(Done{})
	m.s.Phase = PhaseDone
}

func (m *machine) timer(d time.Duration) {
	m.s.Timer = m.id()
	m.do(SetTimer{m.s.Timer, d})
}

func (m *machine) stopTimer() {
	if m.s.Timer != 0 {
		m.do(StopTimer{m.s.Timer})
		m.s.Timer = 0
	}
}

func (m *machine) wait(p Phase, d time.Duration) {
	m.s.Phase = p
	m.timer(d)
}

// play speaks phrases; an empty list counts as heard.
func (m *machine) play(phrases []prompt.Phrase) (empty bool) {
	if len(phrases) == 0 {
		return true
	}
	m.answer()
	m.s.Phase, m.s.Wait = PhaseSpeaking, m.id()
	m.do(Play{ID: m.s.Wait, Language: m.s.Language, Phrases: phrases})
	return false
}

// fail ends the flow with the sorry prompt. It returns "" so that enter can
// return it.
func (m *machine) fail(reason string) string {
	m.do(Fail{m.f.Name, m.s.Step, reason})
	m.leave()
	m.s.Failures++
	m.s.Typed = ""
	if m.s.Failures > maxFailures {
		m.hangup("congestion")
		return ""
	}
	m.play([]prompt.Phrase{{Name: flow.Sorry}})
	m.s.Phase = PhaseSorry
	return ""
}

// leave takes back whatever the current phase has running.
func (m *machine) leave() {
	m.stopTimer()
	switch m.s.Phase {
	case PhaseSpeaking:
		m.do(StopPlay{})
	case PhaseTimed:
		if m.s.Kind != flow.KindPause && m.s.Answered {
			m.do(StopPlay{})
		}
	case PhaseEcho:
		m.do(StopEcho{})
	case PhaseStreaming:
		m.do(StopStream{m.s.Wait})
	}
	m.s.Wait = 0
	m.s.Phase = ""
}

func (m *machine) goDefault() {
	m.do(GoDefault{})
	m.do(Done{})
	m.s.Wait, m.s.Hops, m.s.Phase = 0, 0, PhaseDone
}

// changed is an event after the flow was replaced under the call. Who waits for
// an agent or talks goes on with that; the flow ends when its turn comes.
func (m *machine) changed(ev Event) {
	away := m.s.Phase == PhaseQueued || m.s.Phase == PhaseLeaving || m.s.Phase == PhaseDialling || m.s.Phase == PhaseTalking
	id, outcome := uint64(0), ""
	switch ev := ev.(type) {
	case TimerFired:
		if ev.ID == m.s.Timer {
			m.s.Timer = 0
		}
	case Connected:
		if away {
			m.handle(ev)
			return
		}
	case QueueLeft:
		id, outcome = ev.ID, ev.Outcome
	case DialDone:
		id, outcome = ev.ID, ev.Outcome
	case Failed:
		id, outcome = ev.ID, "failed"
	}
	switch {
	case away && (outcome == "" || !m.awaited(id)):
		m.ignore(ev, "the flow was changed and the caller is elsewhere")
	case away && (outcome == "answered" || m.s.Phase == PhaseTalking):
		m.hangup("normal")
	default:
		m.fail("the flow was changed under the call")
	}
}

// handle is one event in a step that waits.
func (m *machine) handle(ev Event) {
	switch ev := ev.(type) {
	case PlayDone:
		if ev.ID != m.s.Wait || (m.s.Phase != PhaseSpeaking && m.s.Phase != PhaseSorry) {
			m.ignore(ev, "not the play that is awaited")
			return
		}
		m.s.Wait = 0
		if m.s.Phase == PhaseSorry {
			m.goDefault()
			return
		}
		m.run(m.spoken())
	case TimerFired:
		if ev.ID != m.s.Timer || m.s.Timer == 0 {
			m.ignore(ev, "not the timer that runs")
			return
		}
		m.s.Timer = 0
		m.run(m.elapsed())
	case Digit:
		m.digit(ev)
	case Connected:
		if (m.s.Phase != PhaseQueued && m.s.Phase != PhaseLeaving && m.s.Phase != PhaseDialling) || !m.awaited(ev.ID) {
			m.ignore(ev, "nobody was waited for")
			return
		}
		m.stopTimer()
		m.s.Answered = true // the call answers the caller with the called party
		m.s.Hops = 0
		m.s.Phase = PhaseTalking
	case QueueLeft:
		b, ok := m.body().(*flow.Queue)
		if !ok || !m.awaited(ev.ID) || (m.s.Phase != PhaseQueued && m.s.Phase != PhaseLeaving && m.s.Phase != PhaseTalking) {
			m.ignore(ev, "not in this queue")
			return
		}
		m.run(m.queueLeft(b, ev.Outcome))
	case DialDone:
		b, ok := m.body().(*flow.Dial)
		if !ok || !m.awaited(ev.ID) || (m.s.Phase != PhaseDialling && m.s.Phase != PhaseTalking) {
			m.ignore(ev, "not dialling this")
			return
		}
		m.run(m.dialDone(b, ev.Outcome))
	case StreamDone:
		b, ok := m.body().(*flow.Stream)
		if !ok || m.s.Phase != PhaseStreaming || ev.ID != m.s.Wait {
			m.ignore(ev, "not the stream that is awaited")
			return
		}
		m.run(m.streamDone(b, ev))
	case Failed:
		m.failed(ev)
	}
}

// streamDone goes on after a machine.
func (m *machine) streamDone(b *flow.Stream, ev StreamDone) string {
	m.stopTimer()
	m.s.Wait, m.s.Phase = 0, ""
	if b.Into != "" {
		m.s.Vars[b.Into] = ev.Result[:min(len(ev.Result), maxValue)]
		delete(m.s.Secrets, b.Into)
	}
	step := m.f.Steps[m.s.Step]
	if to := step.On["failed"]; ev.Outcome != "ended" && to != "" {
		return to
	}
	return step.Next
}

func (m *machine) awaited(id uint64) bool { return id == 0 || id == m.s.Wait }

func (m *machine) failed(ev Failed) {
	switch {
	case ev.ID != 0 && ev.ID != m.s.Wait:
		m.ignore(ev, "not what runs now")
	case m.s.Phase == PhaseSorry:
		m.goDefault()
	default:
		switch b := m.body().(type) {
		case *flow.Queue:
			m.do(Fail{m.f.Name, m.s.Step, ev.Err})
			m.run(m.queueLeft(b, "error"))
		case *flow.Dial:
			m.run(m.dialDone(b, "failed"))
		case *flow.Say:
			if next := m.f.Steps[m.s.Step].On["failed"]; next != "" {
				m.do(Fail{m.f.Name, m.s.Step, ev.Err})
				m.leave()
				m.run(next)
				return
			}
			m.fail(ev.Err)
		default:
			m.fail(ev.Err)
		}
	}
}

// spoken goes on after the prompts of a step were heard.
func (m *machine) spoken() string {
	step := m.f.Steps[m.s.Step]
	switch b := step.Body.(type) {
	case *flow.Play:
		if m.s.Times++; m.s.Times < b.Times {
			return m.speak(step)
		}
		return step.Next
	case *flow.Menu:
		if m.s.Typed != "" { // typed while a prompt without barge-in was heard
			return m.taken()
		}
		m.wait(PhaseListening, b.Timeout)
		return ""
	case *flow.Collect:
		if m.s.Typed != "" {
			return m.taken()
		}
		m.wait(PhaseListening, b.Timeout)
		return ""
	}
	return step.Next
}

// elapsed goes on after the timer of a step.
func (m *machine) elapsed() string {
	step := m.f.Steps[m.s.Step]
	switch b := step.Body.(type) {
	case *flow.Menu:
		return m.again(b.Retries, b.NoInput, step.Next)
	case *flow.Collect:
		if m.s.Collected != "" || b.Min == 0 {
			return m.complete(b)
		}
		return m.again(b.Retries, b.NoInput, step.On["failed"])
	case *flow.Queue:
		m.s.Phase = PhaseLeaving
		m.do(LeaveQueue{m.s.Wait, "timeout"})
		return ""
	case *flow.Ring, *flow.Tone, *flow.Pause, *flow.Echo:
		m.leave()
	case *flow.Stream:
		m.leave()
		if to := step.On["timeout"]; to != "" {
			return to
		}
	}
	return step.Next
}

// digit is a key of the caller.
func (m *machine) digit(ev Digit) {
	if strings.IndexByte("0123456789*#ABCD", ev.Digit) < 0 {
		m.ignore(ev, "no key of a phone")
		return
	}
	swallow := m.s.Swallow
	m.s.Swallow = 0
	if swallow == ev.Digit && m.now.Before(m.s.SwallowBy) {
		m.ignore(ev, "ends an input that was full already")
		return
	}
	switch m.s.Phase {
	case PhaseQueued:
		b, ok := m.body().(*flow.Queue)
		if !ok || b.Keys[ev.Digit] == "" {
			m.ignore(ev, "no key of this queue")
			return
		}
		m.do(Keyed{Digit: ev.Digit})
		m.stopTimer()
		m.s.Hops = 0
		m.s.Key, m.s.Phase = ev.Digit, PhaseLeaving
		m.do(LeaveQueue{m.s.Wait, "key"})
		return
	case PhaseEcho:
		b, ok := m.body().(*flow.Echo)
		if !ok || ev.Digit != b.End {
			m.ignore(ev, "not the key that ends the echo")
			return
		}
		m.do(Keyed{Digit: ev.Digit})
		m.s.Hops = 0
		m.leave()
		m.run(m.f.Steps[m.s.Step].Next)
		return
	case PhaseStreaming:
		b, ok := m.body().(*flow.Stream)
		if !ok || b.End == 0 || ev.Digit != b.End {
			m.ignore(ev, "the machine's key") // which the call has told it
			return
		}
		m.do(Keyed{Digit: ev.Digit})
		m.s.Hops = 0
		m.leave()
		m.run(m.f.Steps[m.s.Step].Next)
		return
	case PhaseLeaving, PhaseDialling, PhaseTalking, PhaseSorry:
		m.ignore(ev, "nothing listens now")
		return
	}
	if len(m.s.Typed) >= maxBuffer {
		m.ignore(ev, "too many keys typed ahead")
		return
	}
	m.s.Typed += string(ev.Digit)
	switch m.s.Phase {
	case PhaseListening:
		m.stopTimer()
		m.run(m.taken())
	case PhaseSpeaking:
		step := m.f.Steps[m.s.Step]
		switch b := step.Body.(type) {
		case *flow.Play:
			if b.Interrupt {
				m.leave()
				m.run(step.Next)
			}
		case *flow.Say:
			if b.Interrupt {
				m.leave()
				m.run(step.Next)
			}
		case *flow.Menu:
			if b.BargeIn {
				m.leave()
				m.run(m.taken())
			}
		case *flow.Collect:
			if b.BargeIn {
				m.leave()
				m.run(m.taken())
			}
		}
	}
}

// key takes the first key typed. The journal hears of it only now, when it is
// known whether it is a secret.
func (m *machine) key(secret bool) byte {
	d := m.s.Typed[0]
	m.s.Typed = m.s.Typed[1:]
	m.s.Hops = 0
	if secret {
		m.do(Keyed{'*', true})
	} else {
		m.do(Keyed{d, false})
	}
	return d
}

// taken gives the keys typed to the menu or collect step that asks.
func (m *machine) taken() string {
	step := m.f.Steps[m.s.Step]
	switch b := step.Body.(type) {
	case *flow.Menu:
		d := m.key(false)
		if next := b.Keys[d]; next != "" {
			if b.Into != "" {
				m.s.Vars[b.Into] = string(d)
				delete(m.s.Secrets, b.Into)
			}
			return next
		}
		m.s.Typed = "" // what follows a wrong key was meant for another menu
		return m.again(b.Retries, b.WrongKey, step.Next)
	case *flow.Collect:
		for m.s.Typed != "" {
			d := m.key(b.Secret)
			if b.End != 0 && d == b.End {
				return m.complete(b)
			}
			if m.s.Collected += string(d); len(m.s.Collected) >= b.Max {
				m.full(b)
				return m.complete(b)
			}
		}
		m.wait(PhaseListening, b.InterDigit)
	}
	return ""
}

// full remembers that a terminator now would come after the end of the input.
func (m *machine) full(b *flow.Collect) {
	if b.Secret && m.s.Typed != "" && m.s.Typed[0] != b.End {
		m.s.Typed = "" // too long a secret must not become keys of the next step
	}
	if b.End == 0 {
		return
	}
	if m.s.Typed != "" {
		if m.s.Typed[0] == b.End {
			m.s.Typed = m.s.Typed[1:]
		}
		return
	}
	m.s.Swallow, m.s.SwallowBy = b.End, m.now.Add(min(b.InterDigit, maxSwallow))
}

// complete checks and keeps what was collected.
func (m *machine) complete(b *flow.Collect) string {
	step := m.f.Steps[m.s.Step]
	got := m.s.Collected
	m.s.Collected = ""
	ok := len(got) >= b.Min
	switch {
	case !ok:
	case b.Pattern != nil:
		ok = b.Pattern.MatchString(got)
	default: // keys that are no digits need a pattern that wants them
		ok = strings.Trim(got, "0123456789") == ""
	}
	if !ok {
		m.s.Typed = ""
		return m.again(b.Retries, b.Invalid, step.On["failed"])
	}
	m.s.Vars[b.Into] = got
	if b.Secret {
		m.s.Secrets[b.Into] = true
	} else {
		delete(m.s.Secrets, b.Into)
	}
	return step.Next
}

// again asks once more after lead, or gives up after retries.
func (m *machine) again(retries int, lead []flow.Piece, giveUp string) string {
	if m.s.Tries++; m.s.Tries > retries {
		return giveUp
	}
	return m.ask(lead)
}

// ask speaks lead and the prompts of a menu or collect step; keys typed ahead
// answer before anything is spoken.
func (m *machine) ask(lead []flow.Piece) string {
	var prompts []flow.Piece
	bargeIn := false
	switch b := m.body().(type) {
	case *flow.Menu:
		prompts, bargeIn = b.Prompts, b.BargeIn
	case *flow.Collect:
		prompts, bargeIn = b.Prompts, b.BargeIn
	}
	m.answer()
	if bargeIn && m.s.Typed != "" {
		return m.taken()
	}
	phrases, err := m.phrases(lead, prompts)
	if err != nil {
		return m.fail(err.Error())
	}
	if m.play(phrases) {
		return m.spoken()
	}
	return ""
}

// speak does a play or say step.
func (m *machine) speak(step *flow.Step) string {
	var phrases []prompt.Phrase
	interrupt := false
	switch b := step.Body.(type) {
	case *flow.Play:
		interrupt = b.Interrupt
		for _, n := range b.Prompts {
			phrases = append(phrases, prompt.Phrase{Name: n})
		}
	case *flow.Say:
		interrupt = b.Interrupt
		var err error
		if phrases, err = m.phrases(b.Pieces, nil); err != nil {
			return m.fail(err.Error())
		}
	}
	if interrupt && m.s.Typed != "" {
		m.answer()
		return step.Next
	}
	if m.play(phrases) {
		return m.spoken()
	}
	return ""
}

// phrases turns pieces into prompts in the call's language.
func (m *machine) phrases(lists ...[]flow.Piece) ([]prompt.Phrase, error) {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	out := make([]prompt.Phrase, 0, n)
	lang := prompt.Language(m.s.Language)
	for _, l := range lists {
		for _, p := range l {
			if p.Prompt != "" {
				out = append(out, prompt.Phrase{Name: p.Prompt})
				continue
			}
			v, err := m.expand(p.Number + p.Digits + p.Position + p.Text) // one of them is set
			if err != nil {
				return nil, err
			}
			if p.Text != "" {
				out = append(out, prompt.Phrase{Name: p.Fallback, Text: v})
				continue
			}
			if p.Digits != "" {
				out = append(out, lang.Digits(v)...)
				continue
			}
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 {
				// Not the value: it may be what the caller typed.
				return nil, fmt.Errorf("%q does not give a number that can be spoken", p.Number+p.Position)
			}
			if p.Position != "" {
				out = append(out, lang.Position(n)...)
			} else {
				out = append(out, lang.Number(n)...)
			}
		}
	}
	return out, nil
}

// value is a variable's; "" when it was never set.
func (m *machine) value(name string) string {
	switch name {
	case "from":
		return m.s.From
	case "dialled":
		return m.s.To
	case "call_id":
		return m.s.CallID
	case "tenant":
		return m.s.Tenant
	case "language":
		return m.s.Language
	}
	return m.s.Vars[name]
}

func (m *machine) expand(template string) (string, error) {
	return flow.Expand(template, func(name string) (string, error) {
		if m.s.Secrets[name] { // set by another flow; within one Parse refuses it
			return "", fmt.Errorf("the variable %q is secret and can only be compared", name)
		}
		return m.value(name), nil
	})
}

func (m *machine) holds(conditions []flow.Condition) bool {
	for i := range conditions {
		if !conditions[i].Holds(m.value(conditions[i].Var)) {
			return false
		}
	}
	return true
}

// queueLeft goes on after the queue.
func (m *machine) queueLeft(b *flow.Queue, outcome string) string {
	step := m.f.Steps[m.s.Step]
	m.stopTimer()
	m.s.Hops = 0
	m.s.Wait = 0
	if outcome == "key" {
		if next := b.Keys[m.s.Key]; next != "" {
			return next
		}
		outcome = "error" // nobody pressed a key of ours
	}
	if outcome == "overflow" && step.On[outcome] == "" {
		outcome = "full"
	}
	return m.outcome(step, outcome)
}

// outcome takes the way of on, else next; after a conversation the call ends
// when no way is named.
func (m *machine) outcome(step *flow.Step, outcome string) string {
	next := step.On[outcome]
	switch {
	case next != "":
		return next
	case outcome == "answered":
		m.hangup("normal")
		return ""
	case step.Next != "":
		return step.Next
	}
	return m.fail(fmt.Sprintf("no way for the outcome %q", outcome))
}

// dial rings the next target, or all.
func (m *machine) dial(b *flow.Dial) string {
	from, to := m.s.Target, m.s.Target+1
	if b.AtOnce {
		from, to = 0, len(b.Targets)
	}
	if to > len(b.Targets) { // a shorter list than the call began with
		return m.outcome(m.f.Steps[m.s.Step], "failed")
	}
	targets := make([]string, 0, to-from)
	for _, t := range b.Targets[from:to] {
		if number, ok := strings.CutPrefix(t, "number:"); ok {
			digits, err := m.expand(number)
			if err == nil && !flow.Dialable(digits) {
				err = errors.New("target " + strconv.Quote(t) + " does not give a number that can be dialled")
			}
			if err != nil {
				return m.fail(err.Error())
			}
			t = "number:" + digits
		}
		targets = append(targets, t)
	}
	m.s.Phase, m.s.Wait = PhaseDialling, m.id()
	m.do(Dial{m.s.Wait, targets, b.Timeout, b.Ringback, m.s.Language})
	return ""
}

// dialDone goes on after a dial: with the next target, or the next step.
func (m *machine) dialDone(b *flow.Dial, outcome string) string {
	step := m.f.Steps[m.s.Step]
	m.s.Wait = 0
	if outcome != "answered" && m.s.Phase == PhaseDialling && !b.AtOnce && m.s.Target+1 < len(b.Targets) {
		m.s.Target++
		return m.dial(b)
	}
	if m.s.Phase == PhaseTalking {
		outcome = "answered" // whatever ended the conversation
	}
	m.s.Hops = 0
	return m.outcome(step, outcome)
}
