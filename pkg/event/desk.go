package event

// CallDisposed: the agent said how the call went. It may come after the call's end;
// of several of one agent for one call the last counts.
type CallDisposed struct {
	Agent       string `json:"agent"`
	Queue       string `json:"queue,omitempty"`
	List        string `json:"list"` // the disposition_list it is from
	Disposition string `json:"disposition"`
	Group       string `json:"group,omitempty"`
	Note        string `json:"note,omitempty"`
	By          string `json:"by"` // the agent, or who said it in the agent's place
}

// ScriptAnswered: answers to a script's questions, all that were given so far. It may
// come after the call's end; of several of one agent for one call the last counts.
type ScriptAnswered struct {
	Agent   string            `json:"agent"`
	Script  string            `json:"script"`
	Queue   string            `json:"queue,omitempty"`
	Contact string            `json:"contact,omitempty"`
	Answers map[string]string `json:"answers"`
	Done    bool              `json:"done"` // the last page was reached
	By      string            `json:"by"`
}

// ReminderSet: the agent wants to call somebody at a time.
type ReminderSet struct {
	Reminder string `json:"reminder"`
	Agent    string `json:"agent"`
	Number   string `json:"number"`
	By       string `json:"by"`
}

// ReminderDone: it was seen to, or is not wanted any more.
type ReminderDone struct {
	Reminder string `json:"reminder"`
	Agent    string `json:"agent"`
	Outcome  string `json:"outcome"` // done, cancelled
	By       string `json:"by"`
}

// Kind implements Body.
func (CallDisposed) Kind() string { return "call.disposed" }

// Kind implements Body.
func (ScriptAnswered) Kind() string { return "script.answered" }

// Kind implements Body.
func (ReminderSet) Kind() string { return "reminder.set" }

// Kind implements Body.
func (ReminderDone) Kind() string { return "reminder.done" }

func (CallDisposed) body()   {}
func (ScriptAnswered) body() {}
func (ReminderSet) body()    {}
func (ReminderDone) body()   {}

func init() {
	register[CallDisposed]()
	register[ScriptAnswered]()
	register[ReminderSet]()
	register[ReminderDone]()
}
