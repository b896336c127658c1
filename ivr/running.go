package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
)

// running is how the steps of one kind run. What is nil has the effect that stands
// beside it. step is the current one, its Body of the kind's type.
type running struct {
	// enter begins the step. It returns the step that follows; "" when this one waits,
	// with the phase set, or the flow is over.
	enter func(m *machine, step *flow.Step) string
	// heard follows the end of a Play in PhaseSpeaking; nil: next.
	heard func(m *machine, step *flow.Step) string
	// elapsed follows the end of the timer; nil: what runs is taken back, then next.
	elapsed func(m *machine, step *flow.Step) string
	// barge tells whether a key ends the prompts; nil: it does not.
	barge func(step *flow.Step) bool
	// typed follows a key in PhaseListening, and one that ended the prompts. The keys
	// are in State.Typed; nil: they stay there, then next.
	typed func(m *machine, step *flow.Step) string
	// press is a key in a phase in which keys are for what runs (keysDirect); nil: it is
	// ignored.
	press func(m *machine, step *flow.Step, ev Digit)
	// over is the end of what the step gave away: a queue, a dial, a stream, a
	// recording. It runs what follows, or ignores the event; nil: ignored.
	over func(m *machine, step *flow.Step, ev Event)
	// done follows the end of a Do, or its time-out (flow.OutcomeTimeout); nil: the way
	// of on for the outcome, else next.
	done func(m *machine, step *flow.Step, ev Done) string
	// failed is an action that could not be carried out; nil: the step fails.
	failed func(m *machine, step *flow.Step, ev Failed)
}

// runs is every kind's row, in the order of package flow's table.
var runs map[flow.Kind]*running

func init() { // not in the declaration: rows lead back to the table
	runs = map[flow.Kind]*running{
		flow.KindAnswer:    {enter: (*machine).answerStep},
		flow.KindRing:      {enter: (*machine).ring},
		flow.KindPlay:      {enter: (*machine).speak, heard: (*machine).playAgain, barge: bargePlay},
		flow.KindSay:       {enter: (*machine).speak, barge: bargeSay, failed: (*machine).sayFailed},
		flow.KindMenu:      {enter: (*machine).menu, heard: (*machine).menuHeard, elapsed: (*machine).menuElapsed, barge: bargeMenu, typed: (*machine).menuTyped, over: (*machine).earOver},
		flow.KindCollect:   {enter: (*machine).collect, heard: (*machine).collectHeard, elapsed: (*machine).collectElapsed, barge: bargeCollect, typed: (*machine).collectTyped, over: (*machine).earOver},
		flow.KindRecord:    {enter: (*machine).record, heard: (*machine).recordHeard, elapsed: (*machine).recordElapsed, barge: bargeRecord, typed: (*machine).recordTyped, press: (*machine).recordKey, over: (*machine).recordOver, failed: (*machine).recordFailed},
		flow.KindSurvey:    {enter: (*machine).survey, heard: (*machine).surveyHeard, elapsed: (*machine).surveyElapsed, barge: bargeSurvey, typed: (*machine).surveyTyped, press: (*machine).surveyKey, over: (*machine).surveyOver, failed: (*machine).surveyFailed},
		flow.KindPrompt:    {enter: (*machine).prompt, done: (*machine).promptDone, barge: bargePrompt, failed: (*machine).promptFailed},
		flow.KindHTTP:      {enter: (*machine).http, done: (*machine).httpDone},
		flow.KindSchedule:  {enter: (*machine).schedule},
		flow.KindBranch:    {enter: (*machine).branch},
		flow.KindSet:       {enter: (*machine).set},
		flow.KindLanguage:  {enter: (*machine).language},
		flow.KindQueue:     {enter: (*machine).queue, elapsed: (*machine).queueElapsed, press: (*machine).queueKey, over: (*machine).queueOver, failed: (*machine).queueFailed},
		flow.KindCallback:  {enter: (*machine).callback, press: func(m *machine, _ *flow.Step, ev Digit) { m.ignore(ev, "of the call's own dialogue") }, over: (*machine).callbackOver},
		flow.KindDial:      {enter: (*machine).dialStep, over: (*machine).dialOver, failed: (*machine).dialFailed},
		flow.KindTransfer:  {enter: (*machine).transfer, elapsed: (*machine).transferElapsed, over: (*machine).transferOver, failed: (*machine).transferFailed},
		flow.KindTone:      {enter: (*machine).tone},
		flow.KindPause:     {enter: (*machine).pause},
		flow.KindEcho:      {enter: (*machine).echo, press: (*machine).echoKey},
		flow.KindStream:    {enter: (*machine).stream, elapsed: (*machine).streamElapsed, press: (*machine).streamKey, over: (*machine).streamOver},
		flow.KindApp:       {enter: (*machine).app, done: (*machine).appDone},
		flow.KindLogIn:     {enter: (*machine).logIn},
		flow.KindResult:    {enter: (*machine).result},
		flow.KindVoicemail: {enter: (*machine).voicemail, over: (*machine).voicemailOver},
		flow.KindMail:      {enter: (*machine).mail, done: (*machine).mailDone},
		flow.KindWait:      {enter: (*machine).waitStep, elapsed: (*machine).waitElapsed},
		flow.KindLoop:      {enter: (*machine).loop},
		flow.KindCall:      {enter: (*machine).call},
		flow.KindReturn:    {enter: (*machine).returnTo},
		flow.KindContact:   {enter: (*machine).contact, done: (*machine).knownDone},
		flow.KindCase:      {enter: (*machine).caseStep, done: (*machine).knownDone},
		flow.KindGoto:      {enter: (*machine).goTo},
		flow.KindHangup:    {enter: (*machine).hangupStep},
	}
}

// none runs a kind that has no row: it fails.
var none = &running{enter: func(m *machine, step *flow.Step) string {
	return m.fail("a step of kind \"" + string(step.Kind) + "\" cannot be run")
}}

func runningOf(k flow.Kind) *running {
	if r := runs[k]; r != nil {
		return r
	}
	return none
}

// keysDirect are the phases in which a key is not kept for a step that asks, but
// is for what runs now.
func (p Phase) keysDirect() bool {
	return p == PhaseQueued || p == PhaseCallback || p == PhaseEcho || p == PhaseStreaming || p == PhaseRecording || p == PhaseClosing
}
