package event

// FlowGathered: what the caller has said and keyed when a flow gives the call to a queue
// or a called party: its variables that are no secret. Path lists the flows that the
// call went through, newest last.
type FlowGathered struct {
	Flow      string            `json:"flow"`
	Path      []string          `json:"path"`
	Variables map[string]string `json:"variables"`
}

// Kind implements Body.
func (FlowGathered) Kind() string { return "flow.gathered" }

func (FlowGathered) body() {}

func init() { register[FlowGathered]() }
