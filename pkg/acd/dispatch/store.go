package dispatch

import (
	"context"

	"github.com/centrala/centrala/pkg/agent"
)

// AgentStates keeps which agents are logged in over a restart. pkg/store
// implements it. Both methods are called away from the dispatcher's goroutine
// (Save) or before it starts (Load), and may take their time.
type AgentStates interface {
	// LoadAgentStates returns the last saved state of each agent of a tenant.
	LoadAgentStates(ctx context.Context, tenant string) ([]agent.Saved, error)
	// SaveAgentStates replaces the saved states of the agents named.
	SaveAgentStates(ctx context.Context, tenant string, states []agent.Saved) error
}
