package event

import "time"

// ScheduleClosed: somebody closed a schedule by hand.
type ScheduleClosed struct {
	Schedule string    `json:"schedule"`
	Until    time.Time `json:"until,omitzero"` // absent: until somebody opens it
	Reason   string    `json:"reason,omitempty"`
	By       string    `json:"by"` // account, "cli", or the user of a phone
}

// ScheduleOpened: somebody ended a closure.
type ScheduleOpened struct {
	Schedule string `json:"schedule"`
	By       string `json:"by"`
}

// PromptChanged: callers hear another recording of a prompt from now on.
type PromptChanged struct {
	Prompt   string `json:"prompt"`
	Language string `json:"language"`
	Version  int    `json:"version,omitempty"` // absent: none of the node's own any more
	Source   string `json:"source,omitempty"`  // of a new version: upload, phone, text
	By       string `json:"by"`
}

// Kind implements Body.
func (ScheduleClosed) Kind() string { return "schedule.closed" }

// Kind implements Body.
func (ScheduleOpened) Kind() string { return "schedule.opened" }

// Kind implements Body.
func (PromptChanged) Kind() string { return "prompt.changed" }

func (ScheduleClosed) body() {}
func (ScheduleOpened) body() {}
func (PromptChanged) body()  {}

func init() {
	register[ScheduleClosed]()
	register[ScheduleOpened]()
	register[PromptChanged]()
}
