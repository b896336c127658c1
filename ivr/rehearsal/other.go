package rehearsal

import (
	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
)

// other notes actions that are neither heard nor waited for by name.
func (c *Call) other(ivr.Action, []ivr.Action) {}

// told ends what the flow has asked a machine or a service.
func (c *Call) told(id uint64, a flow.Answered) {
	c.step(ivr.StreamDone{ID: id, Outcome: a.Outcome, Result: a.Values["result"]})
}
