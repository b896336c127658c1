package event

// VoicemailLeft: a caller has left a message; its sound is the recording of the same
// id. From and Display are as the call's; "" when the caller is private.
type VoicemailLeft struct {
	Message    string `json:"message"`
	Box        string `json:"box"`
	From       string `json:"from,omitempty"`
	Display    string `json:"display,omitempty"`
	DurationMs int64  `json:"duration_ms"`
	Fault      string `json:"fault,omitempty"` // of the recording
}

// VoicemailMarked: somebody heard a message, or wants it new again. State is "new" or
// "saved"; By is "phone", "api", "cli" or who else asked.
type VoicemailMarked struct {
	Message string `json:"message"`
	Box     string `json:"box"`
	State   string `json:"state"`
	By      string `json:"by"`
}

// VoicemailDeleted: the message is gone, and its recording; by "retention" when it
// was too old, "interrupted" when a killed process had hardly begun it.
type VoicemailDeleted struct {
	Message string `json:"message"`
	Box     string `json:"box"`
	By      string `json:"by"`
}

// VoicemailOpened: somebody opened a box by phone. Outcome is "opened" or "wrong_pin".
type VoicemailOpened struct {
	Box     string `json:"box"`
	Device  string `json:"device"`
	Outcome string `json:"outcome"`
}

// Kind implements Body.
func (VoicemailLeft) Kind() string { return "voicemail.left" }

// Kind implements Body.
func (VoicemailMarked) Kind() string { return "voicemail.marked" }

// Kind implements Body.
func (VoicemailDeleted) Kind() string { return "voicemail.deleted" }

// Kind implements Body.
func (VoicemailOpened) Kind() string { return "voicemail.opened" }

func (VoicemailLeft) body()    {}
func (VoicemailMarked) body()  {}
func (VoicemailDeleted) body() {}
func (VoicemailOpened) body()  {}

func init() {
	register[VoicemailLeft]()
	register[VoicemailMarked]()
	register[VoicemailDeleted]()
	register[VoicemailOpened]()
}
