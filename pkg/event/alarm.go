package event

// AlarmRaised: something is past the bound that its queue or the node sets; the words
// of Alarm are pkg/alarm's Kinds. Value and Limit are callers, seconds or percent.
type AlarmRaised struct {
	Alarm string  `json:"alarm"`
	Queue string  `json:"queue,omitempty"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
}

// AlarmCleared ends an AlarmRaised; Value is what was read last.
type AlarmCleared struct {
	Alarm    string  `json:"alarm"`
	Queue    string  `json:"queue,omitempty"`
	Value    float64 `json:"value"`
	LastedMs int64   `json:"lasted_ms"`
	// Reason is "" when it is over, "stopped" when the node stopped while it stood.
	Reason string `json:"reason,omitempty"`
}

// Kind implements Body.
func (AlarmRaised) Kind() string { return "alarm.raised" }

// Kind implements Body.
func (AlarmCleared) Kind() string { return "alarm.cleared" }

func (AlarmRaised) body()  {}
func (AlarmCleared) body() {}

func init() {
	register[AlarmRaised]()
	register[AlarmCleared]()
}
