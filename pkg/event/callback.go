package event

// CallbackAsked: the caller will be called back and keeps the place in the queue. The
// call's id is the callback's. By is "key", "flow" or "api".
type CallbackAsked struct {
	Queue    string `json:"queue"`
	Number   string `json:"number"`             // to be dialled
	Position int    `json:"position,omitempty"` // when asked; 0 = the call did not wait
	By       string `json:"by"`
}

// CallbackTried: an agent was reserved and the number dialled. Outcome is "reached",
// "busy", "no_answer" or "failed"; "no_line" and "agent_left" do not count as a try. It
// is an event of the call that asked; Call is the one that was made.
type CallbackTried struct {
	Queue   string `json:"queue"`
	Call    string `json:"call"`
	Agent   string `json:"agent,omitempty"`
	Try     int    `json:"try"` // that counted so far
	Outcome string `json:"outcome"`
	NextMs  int64  `json:"next_ms,omitempty"` // until the next try; 0 = there is none
}

// CallbackEnded closes a CallbackAsked. Outcome is "reached", "given_up" (every try),
// "expired" (too old), "cancelled" (By whom), "returned" (the customer called again and
// has the place) or "removed" (the queue is gone).
type CallbackEnded struct {
	Queue   string `json:"queue"`
	Outcome string `json:"outcome"`
	Tries   int    `json:"tries"`
	WaitMs  int64  `json:"wait_ms"` // since the caller came
	Call    string `json:"call,omitempty"`
	By      string `json:"by,omitempty"`
}

func (CallbackAsked) Kind() string { return "callback.asked" }
func (CallbackTried) Kind() string { return "callback.tried" }
func (CallbackEnded) Kind() string { return "callback.ended" }

func (CallbackAsked) body() {}
func (CallbackTried) body() {}
func (CallbackEnded) body() {}

func init() {
	register[CallbackAsked]()
	register[CallbackTried]()
	register[CallbackEnded]()
}
