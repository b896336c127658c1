package flow

import "time"

// Kind is the closed list of step kinds; it is also the key under which a step
// of that kind is written.
type Kind string

// The kinds of steps.
const (
	KindAnswer    Kind = "answer"    // take the call now
	KindRing      Kind = "ring"      // let the caller hear ringing for a while
	KindPlay      Kind = "play"      // prompts by name
	KindSay       Kind = "say"       // prompts, numbers, digits, a place in the queue
	KindMenu      Kind = "menu"      // prompts, then one key
	KindCollect   Kind = "collect"   // prompts, then several keys
	KindSchedule  Kind = "schedule"  // open or closed
	KindBranch    Kind = "branch"    // on variables
	KindSet       Kind = "set"       // variables
	KindLanguage  Kind = "language"  // of the prompts from here on
	KindQueue     Kind = "queue"     // wait for an agent
	KindDial      Kind = "dial"      // ring devices or outside numbers
	KindTone      Kind = "tone"      // a tone for a while
	KindPause     Kind = "pause"     // silence for a moment
	KindEcho      Kind = "echo"      // the caller's own audio back
	KindStream    Kind = "stream"    // the call's sound to a machine and back
	KindApp       Kind = "app"       // an application outside says what to do
	KindVoicemail Kind = "voicemail" // a message in a box
	KindGoto      Kind = "goto"      // another flow
	KindHangup    Kind = "hangup"    // end of the call
)

// kind is all that a document has to say of one kind of step. What it does when a
// call runs is in package ivr, in the table of the same order.
type kind struct {
	name Kind
	ways ways
	// read makes the body of what stands behind the kind's key, at path.
	read func(p *parser, path string, v any) Body
}

// ways says how a step of a kind is left.
type ways struct {
	next bool // has a next
	// defaulted: next is needed only when an outcome of on is left out.
	defaulted bool
	any       bool     // on takes any outcome
	on        []string // outcomes, all needed when not defaulted
	free      []string // outcomes that may be left out: the call then ends, or the flow fails, or next
}

// kinds is every kind in the order of the documentation: a row here, a file for its
// body (step_*.go), a row and a file in package ivr.
var kinds = []kind{
	{KindAnswer, ways{next: true}, (*parser).answer},
	{KindRing, ways{next: true}, (*parser).ring},
	{KindPlay, ways{next: true}, (*parser).play},
	{KindSay, ways{next: true, free: []string{"failed"}}, (*parser).say},
	{KindMenu, ways{next: true}, (*parser).menu},
	{KindCollect, ways{next: true, on: []string{"failed"}}, (*parser).collect},
	{KindRecord, ways{next: true, free: []string{"failed", "empty"}}, (*parser).record},
	{KindSurvey, ways{next: true, free: []string{"unanswered", OutcomeFailed}}, (*parser).survey},
	{KindPrompt, ways{next: true, on: []string{OutcomeFailed}, free: []string{OutcomeNotFound, OutcomeTimeout}}, (*parser).prompt},
	{KindHTTP, ways{next: true, on: []string{OutcomeFailed}, free: []string{OutcomeTimeout, OutcomeNotFound, OutcomeRefused}}, (*parser).http},
	{KindSchedule, ways{}, (*parser).schedule},
	{KindBranch, ways{next: true}, (*parser).branch},
	{KindSet, ways{next: true}, (*parser).set},
	{KindLanguage, ways{next: true}, (*parser).language},
	{KindQueue, ways{next: true, defaulted: true, on: []string{"timeout", "empty", "full", "error"}, free: []string{"answered", "overflow", "callback"}}, (*parser).queue},
	{KindCallback, ways{next: true, free: []string{"taken", "refused"}}, (*parser).callback},
	{KindDial, ways{next: true, defaulted: true, on: []string{"no_answer", "busy", "failed"}, free: []string{"answered"}}, (*parser).dial},
	{KindTransfer, ways{next: true, defaulted: true, on: []string{"no_answer", "busy", "failed"}, free: []string{"answered"}}, (*parser).transfer},
	{KindTone, ways{next: true}, (*parser).tone},
	{KindPause, ways{next: true}, (*parser).pause},
	{KindEcho, ways{next: true}, (*parser).echo},
	{KindStream, ways{next: true, free: []string{"failed", "timeout"}}, (*parser).stream},
	{KindApp, ways{next: true, free: []string{"failed"}}, (*parser).app},
	{KindVoicemail, ways{next: true, free: []string{"left", "empty", "full", "failed"}}, (*parser).voicemail},
	{KindLogIn, ways{next: true, free: []string{"refused", "failed"}}, (*parser).logIn},
	{KindMail, ways{next: true, free: []string{OutcomeFailed}}, (*parser).mail},
	{KindWait, ways{next: true}, (*parser).wait},
	{KindLoop, ways{next: true}, (*parser).loop},
	{KindCall, ways{next: true, any: true}, (*parser).call},
	{KindReturn, ways{}, (*parser).returnTo},
	{KindContact, ways{next: true, free: []string{OutcomeNotFound, OutcomeOpened, OutcomeFailed, OutcomeTimeout}}, (*parser).contact},
	{KindCase, ways{next: true, free: []string{OutcomeNotFound, OutcomeOpened, OutcomeFailed, OutcomeTimeout}}, (*parser).caseStep},
	{KindGoto, ways{}, (*parser).goTo},
	{KindHangup, ways{}, (*parser).hangup},
}

// Kinds lists every kind in the order of the documentation.
var Kinds = func() []Kind {
	out := make([]Kind, len(kinds))
	for i, k := range kinds {
		out[i] = k.name
	}
	return out
}()

var kindByName = func() map[Kind]*kind {
	out := make(map[Kind]*kind, len(kinds))
	for i := range kinds {
		out[kinds[i].name] = &kinds[i]
	}
	return out
}()

// span is "3s" or {for: 3s}.
func (p *parser) span(path string, v any, low, high time.Duration) time.Duration {
	if _, ok := v.(string); ok {
		return p.duration(path, v, low, low, high)
	}
	o, ok := p.object(path, v)
	if !ok {
		return low
	}
	if len(o.keys) == 0 {
		p.fault(path, "missing; want a duration such as 2s")
	}
	d := o.duration("for", low, low, high)
	o.end()
	return d
}
