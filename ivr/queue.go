package ivr

import "time"

// QueueState is how a queue stands at a moment, for branches that decide by it
// (queue("sales").ready_agents).
type QueueState struct {
	Waiting     int           // callers in it, those being rung for included
	LongestWait time.Duration // of those; 0 = nobody waits
	ReadyAgents int           // members who fit and could take a call now
	LoggedIn    int           // members who fit and are logged in
	// Estimate is the time within which four of five callers who joined now would
	// be answered; negative = unknown.
	Estimate time.Duration
	// ServiceLevel is the share of callers answered in time of late, in percent;
	// negative = unknown.
	ServiceLevel float64
}
