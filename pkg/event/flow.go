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

func init() { register[FlowVerbs]() }
