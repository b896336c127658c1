package event

// FlowVerbs is a call that was told by somebody outside to do something else.
type FlowVerbs struct {
	App   string `json:"app,omitempty"` // an application of its own accord; else
	By    string `json:"by,omitempty"`  // who asked by API
	Verbs int    `json:"verbs"`         // how many
}

// Kind implements Body.
func (FlowVerbs) Kind() string { return "flow.verbs" }
func (FlowVerbs) body()        {}

// FlowGathered is what a caller has said and typed, when the call is handed to people: the
// variables of the call without secrets.
type FlowGathered struct {
	Variables map[string]string `json:"variables"`
}

// Kind implements Body.
func (FlowGathered) Kind() string { return "flow.gathered" }
func (FlowGathered) body()        {}

func init() {
	register[FlowVerbs]()
	register[FlowGathered]()
}
