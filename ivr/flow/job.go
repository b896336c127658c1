package flow

// Job is something that takes time and happens outside of the call: a request, a mail,
// a look-up. A step asks for it with ivr.Do; whoever runs the call has it done away
// from the call's turn and comes back with ivr.Done. Jobs are plain data with every
// variable already in its place, one type each, beside the step that asks for it.
type Job interface {
	// Name is the job's word in logs and metrics: a closed list, one a type.
	Name() string
	// job closes the list: jobs are types of this package.
	job()
}

// JobNames lists every job's word. A job of your own has its row here.
var JobNames = []string{"case", "contact", "http", "mail", "app", "prompt", "log_in"}

// Outcomes that every job may have besides its own.
const (
	OutcomeDone    = "done"    // it was done
	OutcomeFailed  = "failed"  // it was not, or too much is under way
	OutcomeTimeout = "timeout" // no end in the step's time
)
