package event

import "encoding/json"

// Direction of a call as seen from the house.
type Direction string

const (
	Inbound  Direction = "in"       // from a trunk (a carrier's line)
	Outbound Direction = "out"      // to a trunk
	Internal Direction = "internal" // from a device of ours to a device, flow or queue of ours
)

// SegmentKind names one stretch of a call (design, 2).
type SegmentKind string

const (
	SegmentMenu    SegmentKind = "menu"    // a flow speaks or listens
	SegmentWaiting SegmentKind = "waiting" // in a queue, music
	SegmentRinging SegmentKind = "ringing" // dialling a device or trunk; the queue's own offers stay "waiting"
	SegmentTalking SegmentKind = "talking" // two legs bridged
	SegmentHold    SegmentKind = "hold"    // one side has put the other on hold
)

// Result is the verdict of a call's end: who ended or failed it.
type Result string

const (
	ResultSuccess  Result = "success"  // did what it came for and ended by our own flow
	ResultCaller   Result = "caller"   // the caller hung up
	ResultAgent    Result = "agent"    // the agent (or called party) hung up
	ResultUpstream Result = "upstream" // a carrier or peer failed
	ResultOurs     Result = "ours"     // we failed, or were stopped
	ResultUnknown  Result = "unknown"  // counts as ours
)

// Reason is the closed list of short reasons beside a Result; also a metric label.
type Reason string

const (
	ReasonNormal       Reason = "normal"         // hung up after talk, or the flow hung up
	ReasonAbandoned    Reason = "abandoned"      // caller left while waiting in a queue
	ReasonLeftMenu     Reason = "left_menu"      // caller left in the menu
	ReasonCancelled    Reason = "cancelled"      // caller left before any answer
	ReasonNoAnswer     Reason = "no_answer"      // nobody picked up
	ReasonBusy         Reason = "busy"           // 486, 600
	ReasonRejected     Reason = "rejected"       // 603 or another final answer of the far side
	ReasonNotFound     Reason = "not_found"      // unknown number or user, 404
	ReasonForbidden    Reason = "forbidden"      // not allowed to call there, 403
	ReasonNoCodec      Reason = "no_codec"       // 488
	ReasonOverload     Reason = "overload"       // 503 by our own caps, or draining
	ReasonUnreachable  Reason = "unreachable"    // device has no binding, trunk gives no answer
	ReasonMediaTimeout Reason = "media_timeout"  // no RTP for longer than allowed, not on hold
	ReasonSignalLost   Reason = "signal_timeout" // ACK, BYE or refresh never came
	ReasonFlowError    Reason = "flow_error"     // a flow failed and the default target too
	ReasonShutdown     Reason = "shutdown"       // drain bound reached
	ReasonMaxDuration  Reason = "max_duration"   // a cap on the call's length
	ReasonLimit        Reason = "limit"          // the minutes or the money of the day for calls outside are used up
	ReasonError        Reason = "error"          // anything else; see the log
	ReasonTransferred  Reason = "transferred"    // its last party went over to another call of ours
)

// Reasons lists every Reason, for metrics that create their series at zero.
var Reasons = []Reason{ReasonNormal, ReasonAbandoned, ReasonLeftMenu, ReasonCancelled, ReasonNoAnswer,
	ReasonBusy, ReasonRejected, ReasonNotFound, ReasonForbidden, ReasonNoCodec, ReasonOverload, ReasonUnreachable,
	ReasonMediaTimeout, ReasonSignalLost, ReasonFlowError, ReasonShutdown, ReasonMaxDuration, ReasonLimit, ReasonError, ReasonTransferred}

// Results lists every Result, for metrics that create their series at zero.
var Results = []Result{ResultSuccess, ResultCaller, ResultAgent, ResultUpstream, ResultOurs, ResultUnknown}

// CallStarted opens a call: an INVITE was accepted for handling.
type CallStarted struct {
	// Callback is the call that asked to be called back, of a call made for that.
	Callback  string    `json:"callback,omitempty"`
	Direction Direction `json:"direction"`
	From      string    `json:"from"` // caller's number or device user, as proven
	Display   string    `json:"display,omitempty"`
	To        string    `json:"to"` // dialled digits or user
	Trunk     string    `json:"trunk,omitempty"`
	Device    string    `json:"device,omitempty"`
	SIPCallID string    `json:"sip_call_id"`
	Flow      string    `json:"flow,omitempty"`
	// Private: the caller does not want to be shown to others (RFC 3323); From is
	// kept here alone.
	Private bool `json:"private,omitempty"`
	// DivertedBy is who forwarded the call to us (RFC 5806, RFC 7044).
	DivertedBy string `json:"diverted_by,omitempty"`
	Emergency  bool   `json:"emergency,omitempty"`
	// By is who asked for a call that the house has started (POST /calls), "" for any other.
	By string `json:"by,omitempty"`
}

// CallAnswered is written when the caller's leg got its 200.
type CallAnswered struct{}

// LegStarted is an outgoing leg: an offer to an agent, a dialled device or trunk.
type LegStarted struct {
	Leg       int    `json:"leg"` // 0 is the caller; 1.. are outgoing legs in order
	Device    string `json:"device,omitempty"`
	Trunk     string `json:"trunk,omitempty"`
	Number    string `json:"number,omitempty"`
	Agent     string `json:"agent,omitempty"`
	SIPCallID string `json:"sip_call_id"`
	// Inbound: it came in as a call of its own and was transferred here.
	Inbound bool `json:"inbound,omitempty"`
}

// LegRinging is the first 180 or 183 of an outgoing leg.
type LegRinging struct {
	Leg int `json:"leg"`
}

// LegAnswered is the 200 of an outgoing leg.
type LegAnswered struct {
	Leg int `json:"leg"`
}

// LegEnded closes a leg. Code is the SIP status when it failed, else 0.
type LegEnded struct {
	Leg    int    `json:"leg"`
	Code   int    `json:"code,omitempty"`
	Reason Reason `json:"reason"`
	Audio  *Audio `json:"audio,omitempty"`
}

// Audio is what a leg's stream measured over its life (RFC 3550 6.4).
type Audio struct {
	Codec           string  `json:"codec"`
	PacketsReceived uint64  `json:"packets_received"`
	PacketsSent     uint64  `json:"packets_sent"`
	PacketsLost     int64   `json:"packets_lost"` // of what we should have received
	JitterMs        float64 `json:"jitter_ms"`    // of what we received
	RemoteLost      int64   `json:"remote_lost"`  // told by the peer's RTCP
	RemoteJitterMs  float64 `json:"remote_jitter_ms"`
	RTTMs           float64 `json:"rtt_ms"`    // 0 = never measured
	Strangers       uint64  `json:"strangers"` // packets from addresses not signalled, dropped
	// Protection is how the sound was protected: "" plain RTP, "sdes SUITE", "dtls SUITE".
	Protection string `json:"protection,omitempty"`
	Forged     uint64 `json:"forged,omitempty"` // protected packets that failed authentication or came twice
	// MOSIn is how we heard the leg, MOSOut how it heard us by its own reports, by
	// the E-model (ITU-T G.107) once a second; nil = never measured.
	MOSIn  *Score `json:"mos_in,omitempty"`
	MOSOut *Score `json:"mos_out,omitempty"`
	// RemoteMOS is the peer's own verdict on what it heard (RFC 3611 MOS-CQ), 1-5; 0 = none.
	RemoteMOS float64 `json:"remote_mos,omitempty"`
}

// Score is the mean opinion score of one direction of a leg, 1 (bad) to 4.5, over
// the seconds in which anything was to be heard.
type Score struct {
	Low     float64 `json:"low"` // of one second
	Mean    float64 `json:"mean"`
	Seconds int     `json:"seconds"`
	// Series is the lowest second of each StepSeconds, at most 121 values.
	StepSeconds int       `json:"step_s"`
	Series      []float64 `json:"series"`
}

// AudioAlarm: nothing came from a leg for 5 s though it should. Alarm is "one_way"
// (its partner sends) or "both_silent". Not on hold, nor while music or a prompt plays.
type AudioAlarm struct {
	Leg      int    `json:"leg"`
	Alarm    string `json:"alarm"`
	SilentMs int64  `json:"silent_ms"`
	Device   string `json:"device,omitempty"`
	Trunk    string `json:"trunk,omitempty"`
}

// AudioCleared ends an AudioAlarm: packets come again or none are expected any more.
// LastedMs counts from the last packet before the alarm.
type AudioCleared struct {
	Leg      int    `json:"leg"`
	Alarm    string `json:"alarm"`
	LastedMs int64  `json:"lasted_ms"`
}

// SegmentStarted begins a stretch of the call and ends the one before it.
type SegmentStarted struct {
	Segment SegmentKind `json:"segment"`
	Flow    string      `json:"flow,omitempty"`
	Queue   string      `json:"queue,omitempty"`
	Agent   string      `json:"agent,omitempty"`
	Device  string      `json:"device,omitempty"`
	Number  string      `json:"number,omitempty"`
	By      string      `json:"by,omitempty"` // hold: "caller" or "agent", who put on hold
}

// FlowStep is one step of a flow entered by this call.
type FlowStep struct {
	Flow     string `json:"flow"`
	Step     string `json:"step"`
	StepKind string `json:"step_kind"`
	// Version of the flow that the call is in; 0 = it was never stored.
	Version int `json:"version,omitempty"`
}

// FlowJob is what a step asked of the world outside, when it is over. Outcome is the
// job's own word, "done", "failed" or "timeout"; "left" when the flow went on without,
// "call_over" when the caller had gone.
type FlowJob struct {
	Flow    string `json:"flow"`
	Step    string `json:"step"`
	Job     string `json:"job"`
	Outcome string `json:"outcome"`
	Error   string `json:"error,omitempty"`
	TookMs  int64  `json:"took_ms"`
}

// FlowFailed is a step that could not be done; the call goes to its sorry prompt.
type FlowFailed struct {
	Flow  string `json:"flow"`
	Step  string `json:"step"`
	Error string `json:"error"`
}

// DigitPressed is one key of the caller in a menu. Digits collected as secret
// are written as "*".
type DigitPressed struct {
	Digit string `json:"digit"`
	Via   string `json:"via"` // "rfc4733", "info" or "inband" (a tone in the sound)
}

// QueueEntered: the caller waits.
type QueueEntered struct {
	Queue    string `json:"queue"`
	Priority int    `json:"priority"`
	Position int    `json:"position"` // 1 is next
	// ServiceMs and ShortMs are the queue's service level and short-abandon limit at
	// that moment, for the figures; 0 = not told, -1 = no abandon is short.
	ServiceMs int64 `json:"service_ms,omitempty"`
	ShortMs   int64 `json:"short_ms,omitempty"`
	// QueuePriority is the queue's part of Priority; Need is what the call itself
	// asked for in skills, Agent for whom by name: with them a day can be played again.
	QueuePriority int    `json:"queue_priority,omitempty"`
	Need          string `json:"need,omitempty"`
	Agent         string `json:"agent,omitempty"`
	// Before is the call that was cut off and whose place this caller has; WaitedMs what
	// that one had waited.
	Before   string `json:"before,omitempty"`
	WaitedMs int64  `json:"waited_ms,omitempty"`
	// EstimateMs is what was left to wait, with a chance of four in five; 0 = unknown,
	// or nothing.
	EstimateMs int64 `json:"estimate_ms,omitempty"`
	// Front says why the caller stands before all others, whatever their priority:
	// "agent_lost"; "" = in turn.
	Front string `json:"front,omitempty"`
}

// QueueAnnounced: the queue's announcements were due; they are what the queue's
// announce names. EstimateMs was left to wait, 0 = unknown, or nothing.
type QueueAnnounced struct {
	Queue      string `json:"queue"`
	Position   int    `json:"position"`
	EstimateMs int64  `json:"estimate_ms,omitempty"`
	// Items has a bit for each item of announce that was due; 0 = all of them.
	Items uint32 `json:"items,omitempty"`
}

// QueueLeft: the caller is out of the queue. Outcome is one of "answered",
// "abandoned", "timeout", "full", "empty", "key", "error", "shutdown", "overflow":
// then To is where the rule leads ("" = back to the flow) and Why says what held.
type QueueLeft struct {
	Queue   string `json:"queue"`
	Outcome string `json:"outcome"`
	WaitMs  int64  `json:"wait_ms"`
	Agent   string `json:"agent,omitempty"`
	To      string `json:"to,omitempty"`
	Why     string `json:"why,omitempty"`
}

// Decision is the ACD's own account of a choice: who was considered, who was
// excluded and why (design 5.3). Kept as plain values so that it can be printed.
type Decision struct {
	Queue    string `json:"queue"`
	OfferID  string `json:"offer_id,omitempty"`
	Agent    string `json:"agent,omitempty"` // chosen; "" = nobody could be offered
	Strategy string `json:"strategy"`
	WaitMs   int64  `json:"wait_ms"`
	Position int    `json:"position"`
	// Considered lists candidates best first; bounded, More tells how many were cut.
	Considered []Candidate `json:"considered,omitempty"`
	More       int         `json:"more,omitempty"`
	// Excluded counts those left out by reason, such as "on_call": 3.
	Excluded map[string]int `json:"excluded,omitempty"`
	// ExcludedAgents names some of them, with the reason; bounded.
	ExcludedAgents []Excluded `json:"excluded_agents,omitempty"`
	// Also lists further agents who ring at the same time.
	Also []string `json:"also,omitempty"`
	// Need is the skill expression that counted at this time of waiting; "" = none.
	Need string `json:"need,omitempty"`
	// Prefers is the agent whom the caller waits for alone, and why: "last_agent",
	// "named", "pushed", "pulled".
	Prefers string `json:"prefers,omitempty"`
	// Trigger says what led to the decision when it is not the caller's joining or
	// an agent becoming free: "widened", "one_more", "assigned".
	Trigger string `json:"trigger,omitempty"`
	// Front is why the caller stands before all others (QueueEntered.Front).
	Front string `json:"front,omitempty"`
}

// Excluded is an agent left out of a Decision.
type Excluded struct {
	Agent string `json:"agent"`
	Why   string `json:"why"`
}

// Candidate is one agent in a Decision. Value is what the queue's strategy
// compared, in words; Why the rank or skills that came before it.
type Candidate struct {
	Agent  string `json:"agent"`
	IdleMs int64  `json:"idle_ms"`
	Score  int64  `json:"score"`
	Why    string `json:"why,omitempty"`
	Value  string `json:"value,omitempty"`
}

// QueueAssigned: a waiting caller was given to an agent out of turn. How:
// "pushed" by a supervisor, "pulled" by the agent. By: "phone", "api",
// "supervisor".
type QueueAssigned struct {
	Queue string `json:"queue"`
	Agent string `json:"agent"`
	How   string `json:"how"`
	By    string `json:"by"`
}

// QueuePriority: the priority of a waiting call was changed; the queue's is
// included. Position is the new place, 1 is next.
type QueuePriority struct {
	Queue    string `json:"queue"`
	From     int    `json:"from"`
	To       int    `json:"to"`
	Position int    `json:"position"`
	By       string `json:"by"`
}

// OfferMade, OfferEnded: a reservation of an agent for a caller.
type OfferMade struct {
	OfferID string `json:"offer_id"`
	Queue   string `json:"queue"`
	Agent   string `json:"agent"`
}

// OfferEnded closes an offer. Outcome: "accepted", "no_answer", "busy",
// "rejected", "unreachable", "caller_left", "withdrawn", "answered_elsewhere".
type OfferEnded struct {
	OfferID string `json:"offer_id"`
	Queue   string `json:"queue"`
	Agent   string `json:"agent"`
	Outcome string `json:"outcome"`
	RingMs  int64  `json:"ring_ms"`
}

// AgentStateChanged is one move of the agent's state machine (pkg/agent).
type AgentStateChanged struct {
	Agent  string `json:"agent"`
	From   string `json:"from"`
	To     string `json:"to"`
	Reason string `json:"reason,omitempty"` // not-ready reason, or why the system moved it
	By     string `json:"by"`               // "phone", "api", "supervisor", "system"
	// WasMs is how long the agent was in the state From; 0 when only the reason changes.
	WasMs int64 `json:"was_ms,omitempty"`
	// Queue and CallID of the queue's call that led to on_call or wrap_up.
	Queue  string `json:"queue,omitempty"`
	CallID string `json:"call_id,omitempty"`
	// Device that the agent has logged in from, when it is not the configured one.
	Device string `json:"device,omitempty"`
}

// RecordingStarted: a file is being written. Path is relative to the
// recordings folder and made only from our own ids.
type RecordingStarted struct {
	Recording string `json:"recording"`
	Path      string `json:"path"`
	Message   bool   `json:"message,omitempty"` // what the caller says to a flow, and no conversation
	Box       string `json:"box,omitempty"`     // of voicemail, where the message goes
}

// FaultDiscarded is the Fault of a message that was not kept: its file is gone.
const FaultDiscarded = "discarded"

// MessageKept is a message that a caller has left in a flow. For is whom it is for:
// "voicemail:NAME", "" nobody. VoiceMs is how much of it somebody spoke.
type MessageKept struct {
	Recording  string `json:"recording"`
	Path       string `json:"path"`
	Flow       string `json:"flow"`
	Step       string `json:"step"`
	For        string `json:"for,omitempty"`
	DurationMs int64  `json:"duration_ms"`
	VoiceMs    int64  `json:"voice_ms"`
}

// RecordingEnded closes a recording. Fault is "" when all was written.
type RecordingEnded struct {
	Recording  string `json:"recording"`
	Path       string `json:"path"`
	DurationMs int64  `json:"duration_ms"`
	SizeBytes  int64  `json:"size_bytes"`
	Fault      string `json:"fault,omitempty"`
	SHA256     string `json:"sha256,omitempty"`    // of the file, "" when it is made later
	PausedMs   int64  `json:"paused_ms,omitempty"` // of the duration nothing was recorded on purpose
}

// RecordingStored: the file of a recording that has ended was checked, or turned
// into another; Was is the path that this one replaces, "" when it is the same
// file. Fault says what is wrong with it now.
type RecordingStored struct {
	Recording string `json:"recording"`
	Path      string `json:"path"`
	Was       string `json:"was,omitempty"`
	SizeBytes int64  `json:"size_bytes"`
	SHA256    string `json:"sha256"`
	Fault     string `json:"fault,omitempty"`
}

// RecordingPaused: from AtMs after the recording's start nothing is recorded, on
// purpose (a card's number). By is "api", "cli", "keys" or who else asked.
type RecordingPaused struct {
	Recording string `json:"recording"`
	AtMs      int64  `json:"at_ms"`
	By        string `json:"by"`
}

// RecordingResumed ends a pause; by "house" when a new conversation begins.
type RecordingResumed struct {
	Recording string `json:"recording"`
	AtMs      int64  `json:"at_ms"`
	By        string `json:"by"`
}

// StreamStarted: the call's sound is to go to a machine, or a machine is to be heard.
// URL has no query, where secrets are. By is "flow", "api" or who else asked.
type StreamStarted struct {
	Stream    string   `json:"stream"`
	URL       string   `json:"url"`
	Protocol  string   `json:"protocol"`
	Direction string   `json:"direction"`
	Tracks    []string `json:"tracks"`
	Format    string   `json:"format"`
	Rate      int      `json:"rate"`
	By        string   `json:"by"`
}

// StreamEnded closes a stream. Outcome is "ended" (by the machine), "stopped" (by us),
// "refused" (never reached), "lost" or "fault" (it broke the protocol); Detail says more.
type StreamEnded struct {
	Stream        string `json:"stream"`
	Outcome       string `json:"outcome"`
	Detail        string `json:"detail,omitempty"`
	DurationMs    int64  `json:"duration_ms"`
	FramesSent    uint64 `json:"frames_sent"`    // of 20 ms, to the machine
	FramesDropped uint64 `json:"frames_dropped"` // it was too slow for
	PlayedMs      int64  `json:"played_ms"`      // of its sound was heard
	OverflowMs    int64  `json:"overflow_ms"`    // had no room
}

// TransferAsked: a party wants its partner to talk to somebody else. Code is 202
// when it was taken on, else the SIP status of the refusal.
type TransferAsked struct {
	Transfer string `json:"transfer"` // "blind", "attended", "park", "third" (a further party)
	By       string `json:"by"`       // "phone", "api"
	Leg      int    `json:"leg"`      // who asked
	Device   string `json:"device,omitempty"`
	Agent    string `json:"agent,omitempty"`
	To       string `json:"to"`
	Code     int    `json:"code"`
	OtherID  string `json:"other_call_id,omitempty"` // attended: the other call
}

// TransferEnded closes a TransferAsked with code 202. Outcome: "done",
// "returned" (the target failed, who asked has the call again), "rung_back" (the
// same, after hanging up), "failed", "left" (the waiting party hung up).
type TransferEnded struct {
	Transfer string `json:"transfer"`
	Outcome  string `json:"outcome"`
	Reason   Reason `json:"reason,omitempty"` // why the target failed
	Code     int    `json:"code,omitempty"`   // its SIP status, 0 when it gave none
	Slot     string `json:"slot,omitempty"`   // park
}

// Transfers and TransferOutcomes list the words of TransferAsked and TransferEnded,
// for metrics that create their series at zero; "refused" is a code other than 202.
var (
	Transfers        = []string{"blind", "attended", "park", "third"}
	TransferOutcomes = []string{"done", "returned", "rung_back", "failed", "left", "refused"}
)

// LegTransferred: a leg went over to another call (ToCall set) or came from one
// (FromCall set). Leg is its number in the call that the event belongs to.
type LegTransferred struct {
	Leg      int    `json:"leg"`
	FromCall string `json:"from_call,omitempty"`
	ToCall   string `json:"to_call,omitempty"`
}

// LegAway: nothing comes from a browser's phone in mid-call (page, network, lid). The
// other side hears comfort, and the leg keeps its place until LegBack or its end.
type LegAway struct {
	Leg    int    `json:"leg"`
	Device string `json:"device"`
	Agent  string `json:"agent,omitempty"`
}

// LegBack: it is there again after AwayMs (0: nobody has missed it), by itself or, with
// SIPCallID, by a new page in the old one's place.
type LegBack struct {
	Leg       int    `json:"leg"`
	Device    string `json:"device"`
	Agent     string `json:"agent,omitempty"`
	AwayMs    int64  `json:"away_ms"`
	SIPCallID string `json:"sip_call_id,omitempty"`
}

// LegRedirected: a phone sent its call elsewhere (3xx). Refused is the SIP status
// of why it was not followed, 0 when it was.
type LegRedirected struct {
	Leg     int    `json:"leg"`
	Device  string `json:"device"`
	To      string `json:"to"`
	Refused int    `json:"refused,omitempty"`
}

// HoldAsked: a hold that no phone made (API).
type HoldAsked struct {
	Leg int    `json:"leg"`
	On  bool   `json:"on"`
	By  string `json:"by"`
}

// CallEnded is the last event of a call.
type CallEnded struct {
	Result  Result `json:"result"`
	Reason  Reason `json:"reason"`
	Code    int    `json:"code,omitempty"` // final SIP status towards the caller when never answered
	TotalMs int64  `json:"total_ms"`
	TalkMs  int64  `json:"talk_ms"`
	MenuMs  int64  `json:"menu_ms"`
	WaitMs  int64  `json:"wait_ms"`
	HoldMs  int64  `json:"hold_ms"`
	SetupMs int64  `json:"setup_ms"` // INVITE to the caller's 200; 0 when never answered
	Agent   string `json:"agent,omitempty"`
	Queue   string `json:"queue,omitempty"`
}

// ResourcesApplied: a change of the configuration took effect.
type ResourcesApplied struct {
	Revision uint64   `json:"revision"`
	By       string   `json:"by"`
	Changed  []string `json:"changed"`
}

func (CallStarted) Kind() string       { return "call.started" }
func (CallAnswered) Kind() string      { return "call.answered" }
func (CallEnded) Kind() string         { return "call.ended" }
func (LegStarted) Kind() string        { return "leg.started" }
func (LegRinging) Kind() string        { return "leg.ringing" }
func (LegAnswered) Kind() string       { return "leg.answered" }
func (LegEnded) Kind() string          { return "leg.ended" }
func (SegmentStarted) Kind() string    { return "segment.started" }
func (FlowStep) Kind() string          { return "flow.step" }
func (MessageKept) Kind() string       { return "message.kept" }
func (FlowJob) Kind() string           { return "flow.job" }
func (FlowFailed) Kind() string        { return "flow.failed" }
func (DigitPressed) Kind() string      { return "digit" }
func (QueueEntered) Kind() string      { return "queue.entered" }
func (QueueAnnounced) Kind() string    { return "queue.announced" }
func (QueueLeft) Kind() string         { return "queue.left" }
func (Decision) Kind() string          { return "acd.decision" }
func (QueueAssigned) Kind() string     { return "queue.assigned" }
func (QueuePriority) Kind() string     { return "queue.priority" }
func (OfferMade) Kind() string         { return "offer.made" }
func (OfferEnded) Kind() string        { return "offer.ended" }
func (AgentStateChanged) Kind() string { return "agent.state" }
func (RecordingStarted) Kind() string  { return "recording.started" }
func (RecordingStored) Kind() string   { return "recording.stored" }
func (RecordingEnded) Kind() string    { return "recording.ended" }
func (RecordingPaused) Kind() string   { return "recording.paused" }
func (RecordingResumed) Kind() string  { return "recording.resumed" }
func (StreamStarted) Kind() string     { return "stream.started" }
func (StreamEnded) Kind() string       { return "stream.ended" }
func (ResourcesApplied) Kind() string  { return "resources.applied" }
func (TransferAsked) Kind() string     { return "transfer.asked" }
func (TransferEnded) Kind() string     { return "transfer.ended" }
func (LegAway) Kind() string           { return "leg.away" }
func (LegBack) Kind() string           { return "leg.back" }
func (LegTransferred) Kind() string    { return "leg.transferred" }
func (LegRedirected) Kind() string     { return "leg.redirected" }
func (HoldAsked) Kind() string         { return "hold.asked" }
func (AudioAlarm) Kind() string        { return "audio.alarm" }
func (AudioCleared) Kind() string      { return "audio.cleared" }

func (CallStarted) body()       {}
func (CallAnswered) body()      {}
func (CallEnded) body()         {}
func (LegStarted) body()        {}
func (LegRinging) body()        {}
func (LegAnswered) body()       {}
func (LegEnded) body()          {}
func (SegmentStarted) body()    {}
func (FlowStep) body()          {}
func (MessageKept) body()       {}
func (FlowJob) body()           {}
func (FlowFailed) body()        {}
func (DigitPressed) body()      {}
func (QueueEntered) body()      {}
func (QueueAnnounced) body()    {}
func (QueueLeft) body()         {}
func (Decision) body()          {}
func (QueueAssigned) body()     {}
func (QueuePriority) body()     {}
func (OfferMade) body()         {}
func (OfferEnded) body()        {}
func (AgentStateChanged) body() {}
func (RecordingStarted) body()  {}
func (RecordingEnded) body()    {}
func (RecordingStored) body()   {}
func (RecordingPaused) body()   {}
func (RecordingResumed) body()  {}
func (StreamStarted) body()     {}
func (StreamEnded) body()       {}
func (ResourcesApplied) body()  {}
func (TransferAsked) body()     {}
func (TransferEnded) body()     {}
func (LegAway) body()           {}
func (LegBack) body()           {}
func (LegTransferred) body()    {}
func (LegRedirected) body()     {}
func (HoldAsked) body()         {}
func (AudioAlarm) body()        {}
func (AudioCleared) body()      {}

var kinds = map[string]func(json.RawMessage) (Body, error){}

func register[B Body]() {
	var zero B
	kinds[zero.Kind()] = func(raw json.RawMessage) (Body, error) {
		var b B
		err := json.Unmarshal(raw, &b)
		return b, err
	}
}

func init() {
	register[CallStarted]()
	register[CallAnswered]()
	register[CallEnded]()
	register[LegStarted]()
	register[LegRinging]()
	register[LegAnswered]()
	register[LegEnded]()
	register[SegmentStarted]()
	register[FlowStep]()
	register[MessageKept]()
	register[FlowJob]()
	register[FlowFailed]()
	register[DigitPressed]()
	register[QueueEntered]()
	register[QueueAnnounced]()
	register[QueueLeft]()
	register[Decision]()
	register[QueueAssigned]()
	register[QueuePriority]()
	register[OfferMade]()
	register[OfferEnded]()
	register[AgentStateChanged]()
	register[RecordingStarted]()
	register[RecordingEnded]()
	register[RecordingStored]()
	register[RecordingPaused]()
	register[RecordingResumed]()
	register[StreamStarted]()
	register[StreamEnded]()
	register[ResourcesApplied]()
	register[TransferAsked]()
	register[TransferEnded]()
	register[LegAway]()
	register[LegBack]()
	register[LegTransferred]()
	register[LegRedirected]()
	register[HoldAsked]()
	register[AudioAlarm]()
	register[AudioCleared]()
}
