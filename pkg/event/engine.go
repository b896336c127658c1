package event

// EngineStarted: a tenant's queue engine begins, in a new process or because the
// tenant is new: nobody waits and all its agents are offline. What stood before it
// has ended, whether or not anybody could write that down.
type EngineStarted struct {
	Node string `json:"node"`
}

// EngineStopped: the engine ended in order. What its agents did, they did until now.
type EngineStopped struct {
	Node string `json:"node"`
}

// Kind is acd.started.
func (EngineStarted) Kind() string { return "acd.started" }
func (EngineStarted) body()        {}

// Kind is acd.stopped.
func (EngineStopped) Kind() string { return "acd.stopped" }
func (EngineStopped) body()        {}

func init() {
	register[EngineStarted]()
	register[EngineStopped]()
}
