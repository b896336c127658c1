package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/centrala/centrala/pkg/acd/sim"
	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/report/follow"
)

// operations is the whole API, part by part.
func (h *HTTP) operations() []operation {
	var all []operation
	for _, part := range []func() []operation{h.nodeOperations, h.callOperations, h.startOperations, h.queueOperations, h.callbackOperations, h.deskOperations, h.recordingOperations, h.voicemailOperations, h.surveyOperations, h.contactOperations, h.reportOperations,
		h.resourceOperations, h.promptOperations, h.flowOperations, h.sessionOperations, h.liveOperations, h.accountOperations, h.editOperations, h.editorOperations, h.audioOperations, h.noticeOperations, h.webhookOperations} {
		all = append(all, part()...)
	}
	return all
}

// nothing is the answer of what has nothing to tell: {}.
type nothing = struct{}

func done(err error) (any, error) { return nothing{}, err }

// items is how lists are answered, so that they can grow fields later.
type items[T any] struct {
	Items []T `json:"items"`
}

// banBody is a ban as it is asked for.
type banBody struct {
	Source  string `json:"source" doc:"IPv4 address or IPv6 /64."`
	Seconds int64  `json:"seconds,omitempty" minimum:"0" maximum:"315360000" doc:"0: sip.defence.longest_ban."`
}

type sourceBody struct {
	Source string `json:"source"`
}

func (h *HTTP) nodeOperations() []operation {
	return []operation{
		{method: "GET", path: "/status", right: "status.read", summary: "What the node is doing.", out: Status{}, do: h.status},
		{method: "POST", path: "/reload", right: "node.change", summary: "Reads the node file again, as SIGHUP does.", out: ReloadResult{},
			do: func(r *http.Request) (any, error) { return h.app.Reload(r.Context()) }},
		{method: "POST", path: "/drain", right: "node.change", summary: "No new calls; the process ends once the running ones have.",
			do: func(r *http.Request) (any, error) { return done(h.app.Drain(r.Context())) }},
		{method: "GET", path: "/bans", right: "bans.read", summary: "Addresses that signalling does not listen to.", out: items[Ban]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Bans(r.Context())) }},
		{method: "POST", path: "/bans", right: "bans.change", summary: "Bans an address.", in: banBody{}, out: Ban{}, do: func(r *http.Request) (any, error) {
			var in banBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			if in.Seconds < 0 || in.Seconds > 10*365*24*3600 {
				return nil, fmt.Errorf("%w: seconds %d: want 0 (the longest) to ten years", ErrInvalid, in.Seconds)
			}
			return h.app.AddBan(r.Context(), in.Source, time.Duration(in.Seconds)*time.Second)
		}},
		{method: "POST", path: "/bans/lift", right: "bans.change", summary: "Listens to an address again.", in: sourceBody{}, do: func(r *http.Request) (any, error) {
			var in sourceBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			return done(h.app.LiftBan(r.Context(), in.Source))
		}},
	}
}

// status keeps what is the node's own from who is not of the node.
func (h *HTTP) status(r *http.Request) (any, error) {
	s, err := h.app.Status(r.Context())
	if p := auth.From(r.Context()); p != nil && p.Can("node.read") == auth.None {
		s.SIP, s.Recordings, s.Calls = nil, "", 0
	}
	return s, err
}

// Bodies of what a call can be asked.
type (
	targetBody struct {
		Target string `json:"target" maxLength:"128" doc:"queue:NAME, flow:NAME, agent:NAME, device:NAME, or a number as the leg's phone would dial it."`
		Leg    *int   `json:"leg,omitempty" minimum:"0" maximum:"1000" doc:"Whose phone asks; left out: the agent's."`
	}
	otherBody struct {
		Call string `json:"call" maxLength:"64" doc:"Id of the other call that the same phone is in."`
		Leg  *int   `json:"leg,omitempty" minimum:"0" maximum:"1000"`
	}
	holdBody struct {
		On  *bool `json:"on,omitempty" doc:"false ends the hold."`
		Leg *int  `json:"leg,omitempty" minimum:"0" maximum:"1000"`
	}
	parkBody struct {
		Slot string `json:"slot,omitempty" maxLength:"8" doc:"Digits; left out: any free one."`
		Leg  *int   `json:"leg,omitempty" minimum:"0" maximum:"1000"`
	}
	recordBody struct {
		Action string `json:"action" enum:"start,stop,pause,resume"`
	}
	superviseBody struct {
		Mode   string `json:"mode" enum:"monitor,whisper,barge,off"`
		Device string `json:"device,omitempty" doc:"Calls this device; left out: changes the mode of who listens."`
		Leg    *int   `json:"leg,omitempty" minimum:"0" maximum:"1000"`
	}
	playBody struct {
		Side   string `json:"side" enum:"caller,agent,both"`
		Prompt string `json:"prompt,omitempty"`
		Stop   bool   `json:"stop,omitempty"`
	}
	moveBody struct {
		Queue string `json:"queue"`
	}
	priorityBody struct {
		Priority *int   `json:"priority" minimum:"-1000" maximum:"1000"`
		By       string `json:"by,omitempty"`
	}
)

func (h *HTTP) callOperations() []operation {
	// What a call is asked is in its journal with who asked.
	ask := func(action string, in any, right auth.Right, summary string) operation {
		return operation{method: "POST", path: "/calls/{id}/" + action, right: right, own: ownTalk, journalled: true, summary: summary, in: in, query: []param{byParam},
			do: func(r *http.Request) (any, error) { return done(h.command(r, action)) }}
	}
	return []operation{
		{method: "GET", path: "/calls", right: "calls.read", own: ownBound, summary: "Calls, newest first, running ones before past ones.", out: CallPage{}, query: []param{limitParam, cursorParam,
			{"live", "boolean", "Only calls in progress."}, {"caller", "string", "Exact."}, {"dialled", "string", "Exact."}, {"agent", "string", "Exact."}, {"queue", "string", "Exact."},
			{"number", "string", "How the caller's or the dialled number ends: 3 to 32 digits."}, {"from", "string", "Started at or after: RFC 3339."}, {"to", "string", "Started before: RFC 3339."},
			{"result", "string", "Of the call's end."}, {"reason", "string", "Of the call's end."}, {"disposition", "string", "That an agent gave."},
			{"min_ms", "integer", "Length of the call at the least."}, {"max_ms", "integer", "Length of the call at the most."},
			{"text", "string", "In a comment on a recording of the call."}, {"recorded", "boolean", "Only calls with a recording."}},
			do: func(r *http.Request) (any, error) {
				f, err := callFilter(r)
				if err != nil {
					return nil, err
				}
				if isOwn(r) {
					f.Agent = auth.From(r.Context()).Name
				}
				return h.app.Calls(r.Context(), tenant(r), f)
			}},
		{method: "GET", path: "/calls/{id}", right: "calls.read", own: ownCall, summary: "One call with all that the journal has about it.", out: CallDetail{},
			do: func(r *http.Request) (any, error) { return h.app.Call(r.Context(), tenant(r), r.PathValue("id")) }},
		{method: "POST", path: "/calls/{id}/hangup", right: "calls.control", own: ownTalk, summary: "Ends a running call.",
			do: func(r *http.Request) (any, error) {
				return done(h.app.HangUp(r.Context(), tenant(r), r.PathValue("id")))
			}},
		ask("transfer", targetBody{}, "calls.control", "Lets the leg's partner talk to the target."),
		ask("conference", targetBody{}, "calls.control", "Rings the target into the conversation."),
		ask("attended", otherBody{}, "calls.control", "Lets the leg's partner talk to the partner in another call of the same phone, which leaves both."),
		ask("merge", otherBody{}, "calls.control", "Takes the partner in another call of the same phone into this conversation."),
		ask("hold", holdBody{}, "calls.control", "The leg's partner hears music, until on is false."),
		ask("park", parkBody{}, "calls.control", "Parks the leg's partner in a slot."),
		{method: "POST", path: "/calls/{id}/recording", right: "calls.control", own: ownTalk, journalled: true, summary: "Pauses, resumes, starts or stops the recording.", in: recordBody{}, query: []param{byParam},
			do: func(r *http.Request) (any, error) { return done(h.record(r)) }},
		{method: "POST", path: "/calls/{id}/supervise", right: "calls.supervise", summary: "A supervisor listens, whispers or barges in.", in: superviseBody{}, query: []param{byParam},
			do: func(r *http.Request) (any, error) { return done(h.supervise(r)) }},
		{method: "POST", path: "/calls/{id}/play", right: "calls.control", own: ownTalk, journalled: true, summary: "Plays a prompt to one side.", in: playBody{}, query: []param{byParam},
			do: func(r *http.Request) (any, error) { return done(h.play(r)) }},
		{method: "POST", path: "/calls/{id}/stream", right: "calls.stream", summary: "The call's sound to a machine and back.", in: StreamRequest{}, query: []param{byParam},
			do: func(r *http.Request) (any, error) {
				var in StreamRequest
				if err := decode(r, &in); err != nil {
					return nil, err
				}
				return done(h.stream(r, &in))
			}},
		{method: "DELETE", path: "/calls/{id}/stream", right: "calls.stream", summary: "Ends streams of the call.", query: []param{{"stream", "string", "Which; default all there are."}, byParam},
			do: func(r *http.Request) (any, error) { return done(h.stopStream(r)) }},
		{method: "GET", path: "/calls/{id}/why", right: "calls.read", own: ownCall, summary: "Why the call waited and why that agent.", out: Why{},
			do: func(r *http.Request) (any, error) { return h.app.Why(r.Context(), tenant(r), r.PathValue("id")) }},
		{method: "POST", path: "/calls/{id}/assign", right: "calls.route", summary: "Gives a waiting call to an agent, out of turn.", in: Assignment{}, do: h.assign},
		{method: "POST", path: "/calls/{id}/priority", right: "calls.route", summary: "Changes a waiting call's own priority.", in: priorityBody{}, do: h.priority},
		{method: "POST", path: "/calls/{id}/move", right: "calls.route", summary: "Sends a waiting call on to another queue.", in: moveBody{}, query: []param{byParam}, do: h.move},
	}
}

func (h *HTTP) queueOperations() []operation {
	return []operation{
		{method: "GET", path: "/agents", right: "agents.read", summary: "Agents and their states.", out: items[Agent]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Agents(r.Context(), tenant(r))) }},
		{method: "POST", path: "/agents/{name}/state", right: "agents.change", own: ownName, journalled: true, summary: "Changes an agent's state.", in: AgentCommand{}, do: h.agentState},
		{method: "GET", path: "/queues", right: "queues.read", summary: "Queues and who waits.", out: items[Queue]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Queues(r.Context(), tenant(r))) }},
		{method: "GET", path: "/trunks", right: "trunks.read", summary: "Lines to carriers and how they stand.", out: items[Trunk]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Trunks(r.Context(), tenant(r))) }},
		{method: "GET", path: "/devices", right: "devices.read", summary: "Phones and where they are reached.", out: items[Device]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Devices(r.Context(), tenant(r))) }},
	}
}

func (h *HTTP) recordingOperations() []operation {
	return []operation{
		{method: "GET", path: "/recordings", right: "recordings.read", summary: "Recordings, newest first.", out: items[Recording]{}, query: []param{limitParam},
			do: func(r *http.Request) (any, error) {
				f, err := filter(r)
				if err != nil {
					return nil, err
				}
				return wrap(h.app.Recordings(r.Context(), tenant(r), f.Limit))
			}},
		{method: "POST", path: "/recordings/{id}/verify", right: "recordings.verify", summary: "Reads the file and compares it with the index.", out: Verification{},
			do: func(r *http.Request) (any, error) {
				return h.app.VerifyRecording(r.Context(), tenant(r), r.PathValue("id"))
			}},
	}
}

func (h *HTTP) reportOperations() []operation {
	from, to := param{"from", "string", "RFC 3339, or a date, or a date and time on the tenant's clock."}, param{"to", "string", "As from."}
	lines := param{"limit", "integer", "Lines of a page, 1 to 10000; default 1000."}
	return []operation{
		{method: "GET", path: "/reports", right: "reports.read", own: ownFigures, summary: "Figures of queues, agents, dialled numbers or the tenant.", out: Report{}, serve: h.report,
			query: []param{{"by", "string", "queue, agent, number, tenant."}, {"name", "string", "Only this one."}, from, to, {"per", "string", "total, month, day, hour, interval."},
				cursorParam, lines, {"format", "string", "json or csv."}, {"separator", "string", "Of CSV: a comma, ; or tab."}}},
		{method: "GET", path: "/reports/queue_log", right: "reports.read", summary: "The same time as lines of Asterisk's queue_log.", content: "text/plain", serve: h.queueLog,
			query: []param{from, to, cursorParam, lines}},
		{method: "GET", path: "/reports/rebuild", right: "reports.rebuild", summary: "How far the making of all figures is.", out: follow.Rebuild{},
			do: func(r *http.Request) (any, error) { return h.app.ReportRebuild(r.Context()) }},
		{method: "POST", path: "/reports/rebuild", right: "reports.rebuild", summary: "Makes all figures again from the journal.", out: follow.Rebuild{},
			do: func(r *http.Request) (any, error) { return h.app.RebuildReports(r.Context()) }},
		{method: "GET", path: "/traffic", right: "traffic.read", summary: "What came in on a past day, to be played again.", out: sim.Scenario{},
			query: []param{{"day", "string", "yesterday, today or a date on the tenant's clock."}, from, to},
			do: func(r *http.Request) (any, error) {
				v := r.URL.Query()
				return h.app.Traffic(r.Context(), tenant(r), TrafficQuery{Day: v.Get("day"), From: v.Get("from"), To: v.Get("to")})
			}},
	}
}

// ownFigures: an agent reads the own line.
func ownFigures(_ *HTTP, r *http.Request, p *auth.Principal) error {
	if q := r.URL.Query(); q.Get("by") != "agent" || q.Get("name") != p.Name {
		return fmt.Errorf("%w: your own figures are by=agent&name=%s", errNoRight, p.Name)
	}
	return nil
}

func (h *HTTP) resourceOperations() []operation {
	return []operation{
		{method: "GET", path: "/resources", right: "resources.read", summary: "All resources as YAML documents.", content: "application/yaml", serve: h.export,
			query: []param{{"secrets", "boolean", "With trunk passwords and password digests; over the socket alone."}, {"kind", "string", "Only these."}, {"name", "string", "Only this one of the kind."}}},
		{method: "POST", path: "/resources", right: "resources.change", most: maxDocuments, summary: "Applies YAML documents, at once or not at all.", out: ApplyResult{},
			query: []param{{"name", "string", "What faults call the text."}, {"dry_run", "boolean", "Check and tell, change nothing."}, {"prune", "boolean", "Remove what the documents do not name."}, byParam},
			do:    h.apply},
	}
}
