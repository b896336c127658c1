package event

// SupervisionStarted: a supervisor listens to the conversation. Mode is "monitor"
// (hears all), "whisper" (is heard by the agent alone) or "barge" (by all); By is
// "phone" (a code), "api", "cli" or who else asked.
type SupervisionStarted struct {
	Leg      int    `json:"leg"` // the supervisor's
	User     string `json:"user"`
	Device   string `json:"device"`
	AgentLeg int    `json:"agent_leg"`
	Agent    string `json:"agent,omitempty"`
	Mode     string `json:"mode"`
	By       string `json:"by"`
}

// SupervisionChanged: the supervisor has another mode; by "keys" of the phone, or as above.
type SupervisionChanged struct {
	Leg  int    `json:"leg"`
	User string `json:"user"`
	Was  string `json:"was"`
	Mode string `json:"mode"`
	By   string `json:"by"`
}

// SupervisionEnded: nobody listens any more. Reason is "left" (hung up), "stopped"
// (by API), "transferred", "agent_left", "party_left", "call_ended" or "media_timeout".
type SupervisionEnded struct {
	Leg      int    `json:"leg"`
	User     string `json:"user"`
	Mode     string `json:"mode"` // at the end
	Reason   string `json:"reason"`
	LastedMs int64  `json:"lasted_ms"`
}

// SupervisionRefused: somebody wanted to listen. Code is 403 (no right to it), 409
// (no conversation), 486 (another listens), 480 (the supervisor's phone did not
// answer) or 487 (given up while it rang).
type SupervisionRefused struct {
	User   string `json:"user,omitempty"`
	Device string `json:"device"`
	Agent  string `json:"agent,omitempty"`
	Mode   string `json:"mode"`
	By     string `json:"by"`
	Code   int    `json:"code"`
}

// AnnouncementStarted: a prompt is played to a party of the conversation, by API.
// Announcement is its number in the call.
type AnnouncementStarted struct {
	Announcement uint64 `json:"announcement"`
	Leg          int    `json:"leg"`
	Side         string `json:"side"` // "caller", "agent", "both"
	Prompt       string `json:"prompt"`
	By           string `json:"by"`
}

// AnnouncementEnded closes it. Outcome is "done" (heard to the end), "stopped" (by
// API), "replaced" (by another), "cut" (hold, transfer, end) or "failed" (not playable).
type AnnouncementEnded struct {
	Announcement uint64 `json:"announcement"`
	Leg          int    `json:"leg"`
	Prompt       string `json:"prompt"`
	Outcome      string `json:"outcome"`
}

func (SupervisionStarted) Kind() string  { return "supervision.started" }
func (SupervisionChanged) Kind() string  { return "supervision.changed" }
func (SupervisionEnded) Kind() string    { return "supervision.ended" }
func (SupervisionRefused) Kind() string  { return "supervision.refused" }
func (AnnouncementStarted) Kind() string { return "announcement.started" }
func (AnnouncementEnded) Kind() string   { return "announcement.ended" }

func (SupervisionStarted) body()  {}
func (SupervisionChanged) body()  {}
func (SupervisionEnded) body()    {}
func (SupervisionRefused) body()  {}
func (AnnouncementStarted) body() {}
func (AnnouncementEnded) body()   {}

func init() {
	register[SupervisionStarted]()
	register[SupervisionChanged]()
	register[SupervisionEnded]()
	register[SupervisionRefused]()
	register[AnnouncementStarted]()
	register[AnnouncementEnded]()
}
