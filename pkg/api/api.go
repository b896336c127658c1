// Package api is the REST API of one node under /api/v1: what the command line,
// the console and other programs use. It serves over a Unix socket in the data
// folder, whose file mode is its access control, and on request over a loopback
// address. It holds no state; the Server interface below is what it asks of the
// application (pkg/app implements it).
package api

import (
	"context"
	"errors"
	"time"

	"github.com/centrala/centrala/pkg/acd/sim"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/report/follow"
	"github.com/centrala/centrala/pkg/resource"
)

// Errors that the application's answers may wrap; each has an HTTP status.
var (
	ErrNotFound = errors.New("not found")         // 404
	ErrInvalid  = errors.New("invalid")           // 422, faults in the body where there are any
	ErrConflict = errors.New("not in this state") // 409
)

// Server is the application behind the API. Every call names its tenant.
type Server interface {
	Status(ctx context.Context) (Status, error)
	// Calls lists live calls and past ones, newest first.
	Calls(ctx context.Context, tenant string, f CallFilter) (CallPage, error)
	Call(ctx context.Context, tenant, id string) (CallDetail, error)
	// HangUp ends a live call.
	HangUp(ctx context.Context, tenant, id string) error
	// CommandCall asks something of a live call; it returns once the call has
	// taken it on or refused it, not when it is done (see the call's events).
	CommandCall(ctx context.Context, tenant, id string, c CallCommand) error
	Agents(ctx context.Context, tenant string) ([]Agent, error)
	SetAgentState(ctx context.Context, tenant, name, state, reason string) error
	Routing
	Prompts
	Schedules
	Flows
	CallbackDesk
	Desk
	Mailboxes
	Surveys
	Starter
	People
	Queues(ctx context.Context, tenant string) ([]Queue, error)
	Recordings(ctx context.Context, tenant string, limit int) ([]Recording, error)
	// VerifyRecording reads a recording's file and compares it with the index.
	VerifyRecording(ctx context.Context, tenant, id string) (Verification, error)
	Devices(ctx context.Context, tenant string) ([]Device, error)
	Trunks(ctx context.Context, tenant string) ([]Trunk, error)
	// Export writes all resources; secrets says whether with passwords.
	Export(ctx context.Context, secrets bool) ([]resource.Document, error)
	// Apply checks the documents against the live state and, unless dry, makes
	// them live at once or not at all.
	Apply(ctx context.Context, docs []resource.Document, o ApplyOptions) (ApplyResult, error)
	Reload(ctx context.Context) (ReloadResult, error)
	Drain(ctx context.Context) error
	// Bans lists the addresses that signalling does not listen to, the newest first.
	Bans(ctx context.Context) ([]Ban, error)
	// AddBan bans an address for d; 0 is the longest ban of the node file.
	AddBan(ctx context.Context, source string, d time.Duration) (Ban, error)
	LiftBan(ctx context.Context, source string) error
	// Report makes lines of figures.
	Report(ctx context.Context, tenant string, q ReportQuery) (Report, error)
	// QueueLog writes a stretch of the journal as lines of Asterisk's queue_log.
	QueueLog(ctx context.Context, tenant string, q ReportQuery) (QueueLog, error)
	// RebuildReports begins to make all figures again; ReportRebuild tells how far it is.
	RebuildReports(ctx context.Context) (follow.Rebuild, error)
	ReportRebuild(ctx context.Context) (follow.Rebuild, error)
	// Traffic is what came in, ready to be played again by pkg/acd/sim.
	Traffic(ctx context.Context, tenant string, q TrafficQuery) (*sim.Scenario, error)
}

// Ban is one source that is not listened to: an IPv4 address or an IPv6 /64.
type Ban struct {
	Source  string    `json:"source"`
	Reason  string    `json:"reason"` // guessing, scanning, malformed, manual
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Strikes int       `json:"strikes"` // bans of this source in a row
}

// CallCommand is what a call can be asked, as an agent's phone could, and two things
// more: Action "supervise" with Target "monitor", "whisper", "barge" or "off", and
// after a space the device to be called, unless it changes who listens already; and
// "play" with Target "caller", "agent" or "both", and after a space the prompt, unless
// it stops.
type CallCommand struct {
	// Action is "transfer", "conference", "attended", "merge", "hold", "resume", "park", "record", "stream"
	// (with Stream) or "stream_stop".
	Action string
	// Leg is who asks, a leg of the call as its events number them; -1 = the
	// agent's side. Its partner is transferred, held or parked.
	Leg int
	// Target of a transfer or conference: "queue:NAME", "flow:NAME", "agent:NAME",
	// "device:NAME", or a number as the leg's own phone would dial it, with that
	// phone's rights. Of park: the slot, "" = any. Of record: "start", "stop",
	// "pause" or "resume". Of attended and merge: the other call's id. Of stream_stop: the stream's id, "" = all.
	Target string
	// By is who asked, for the journal.
	By string
	// Stream is what is wanted of "stream".
	Stream *StreamRequest
}

// StreamRequest is the body of POST /calls/{id}/stream: the call's sound to a machine
// (docs/streams.md). All but URL may be left out.
type StreamRequest struct {
	URL       string   `json:"url"`                 // ws, wss, tcp or tls
	Protocol  string   `json:"protocol,omitempty"`  // centrala, audiosocket
	Direction string   `json:"direction,omitempty"` // both, listen, speak: what the machine does
	Tracks    []string `json:"tracks,omitempty"`    // caller, agent, or mixed
	Format    string   `json:"format,omitempty"`    // pcm16, pcmu, pcma
	Rate      int      `json:"rate,omitempty"`      // 8000, 16000
}

// Status of the node.
type Status struct {
	Version    string    `json:"version"`
	Node       string    `json:"node"`
	Started    time.Time `json:"started"`
	Calls      int       `json:"calls"`
	Draining   bool      `json:"draining"`
	Revision   uint64    `json:"revision"`   // of the resources
	SIP        []string  `json:"sip"`        // "udp 0.0.0.0:5060"
	Recordings string    `json:"recordings"` // folder
}

// CallFilter bounds a list. The zero value is the newest fifty.
type CallFilter struct {
	Limit   int    // 1..500; 0 = 50
	Cursor  string // from the page before
	Live    bool   // only calls in progress
	Caller  string // exact
	Dialled string // exact
	Agent   string
	Queue   string
	// Number is how the caller's or the dialled number ends: digits alone.
	Number   string
	From, To time.Time // started in [From, To); zero: any
	// Result and Reason of the call's end; Disposition that an agent gave.
	Result, Reason, Disposition string
	MinMs, MaxMs                int64  // length of the call; 0: any
	Text                        string // in a comment on a recording of the call
	Recorded                    bool   // there is a recording
}

// Past: only calls that have ended can be found so.
func (f *CallFilter) Past() bool {
	return f.Result != "" || f.Reason != "" || f.Disposition != "" || f.MinMs > 0 || f.MaxMs > 0 || f.Text != ""
}

// CallPage is one page of calls.
type CallPage struct {
	Calls []cdr.Call `json:"calls"`
	Next  string     `json:"next,omitempty"` // cursor of the next page, "" at the end
}

// CallDetail is a call's record and its whole story.
type CallDetail struct {
	cdr.Call
	Events []event.Record `json:"events"`
}

// Agent is one agent now.
type Agent struct {
	Name      string    `json:"name"`
	Device    string    `json:"device"`
	State     string    `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	Since     time.Time `json:"since"`
	Reachable bool      `json:"reachable"`
	Calls     []string  `json:"calls,omitempty"`
	Queues    []string  `json:"queues"`
}

// Queue is one queue now.
type Queue struct {
	Name      string         `json:"name"`
	Waiting   int            `json:"waiting"`
	Callbacks int            `json:"callbacks,omitempty"` // in its line beside those who wait
	Oldest    time.Time      `json:"oldest,omitzero"`
	LoggedIn  int            `json:"logged_in"`
	Free      int            `json:"free"`
	States    map[string]int `json:"states"`
}

// Recording is one recorded conversation.
type Recording struct {
	ID         string    `json:"id"`
	CallID     string    `json:"call_id"`
	Path       string    `json:"path"` // under the recordings folder
	Started    time.Time `json:"started"`
	DurationMs int64     `json:"duration_ms"`
	SizeBytes  int64     `json:"size_bytes"`
	Fault      string    `json:"fault,omitempty"`
	SHA256     string    `json:"sha256,omitempty"`    // "" until it is made
	PausedMs   int64     `json:"paused_ms,omitempty"` // silence on purpose, of the duration
	Open       bool      `json:"open"`                // still being written
}

// Verification is what a recording's file is, against what the index says.
type Verification struct {
	ID        string `json:"id"`
	Path      string `json:"path"`
	OK        bool   `json:"ok"`
	Problem   string `json:"problem,omitempty"` // why not
	SHA256    string `json:"sha256,omitempty"`  // of the file now
	SizeBytes int64  `json:"size_bytes"`
}

// Trunk is one line to a carrier now.
type Trunk struct {
	Name   string `json:"name"`
	Target string `json:"target,omitempty"`
	// Usable: calls are sent over it: up, and registered where it is to be.
	Usable bool `json:"usable"`
	// Registration: "none" (it is not to register), "trying", "registered", "failed".
	Registration    string    `json:"registration"`
	RegisteredUntil time.Time `json:"registered_until,omitzero"`
	Up              bool      `json:"up"`     // its OPTIONS are answered, or none are sent
	Probed          bool      `json:"probed"` // OPTIONS are sent
	RTTMs           float64   `json:"rtt_ms,omitempty"`
	Address         string    `json:"address,omitempty"` // that answered last: "udp 192.0.2.1:5060"
	Calls           int       `json:"calls"`             // now, both ways
	MaxCalls        int       `json:"max_calls,omitempty"`
	LastError       string    `json:"last_error,omitempty"` // kept when it is over
	LastErrorAt     time.Time `json:"last_error_at,omitzero"`
}

// Device is one phone and where it can be reached.
type Device struct {
	Name     string   `json:"name"`
	Username string   `json:"username"`
	User     string   `json:"user,omitempty"` // who takes calls on it
	Contacts []string `json:"contacts"`
}

// ApplyOptions: Dry changes nothing; Prune removes what the documents do not
// name; By is who asked, for the history, and Via by which way: "console", "cli" or
// "api".
type ApplyOptions struct {
	Dry   bool
	Prune bool
	By    string
	Via   string
}

// ApplyResult is what an apply did, or would do.
type ApplyResult struct {
	Revision uint64           `json:"revision"`
	Changes  []string         `json:"changes"`
	Faults   []resource.Fault `json:"faults,omitempty"` // errors refuse the whole apply; warnings do not
	Applied  bool             `json:"applied"`
}

// ReloadResult tells what a changed node file did: keys applied at once, and
// those that wait for a restart.
type ReloadResult struct {
	Applied []string `json:"applied"`
	Restart []string `json:"restart"`
}
