package event

// Audited: somebody saw or changed something that is kept account of. It belongs to
// the tenant whose thing it was.
type Audited struct {
	By     string `json:"by"`               // account, "key:NAME", "cli"
	Action string `json:"action"`           // "recording.heard", "session.begun", "POST /bans"
	Object string `json:"object,omitempty"` // what it was done to
	Source string `json:"source,omitempty"` // address that asked
	Detail string `json:"detail,omitempty"`
}

// Kind implements Body.
func (Audited) Kind() string { return "audit" }
func (Audited) body()        {}

func init() { register[Audited]() }
