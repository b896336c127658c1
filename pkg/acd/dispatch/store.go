package dispatch

import (
	"context"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/agent"
)

// AgentStates keeps which agents are logged in over a restart. pkg/store
// implements it. Load is called before the dispatcher runs, Save away from its
// goroutine; both may take their time.
type AgentStates interface {
	// LoadAgentStates returns the last saved state of each agent of a tenant.
	LoadAgentStates(ctx context.Context, tenant string) ([]agent.Saved, error)
	// SaveAgentStates replaces the saved states of the agents named.
	SaveAgentStates(ctx context.Context, tenant string, states []agent.Saved) error
}

// keeper saves agent states.
type keeper struct {
	*saver[agent.Saved]
	store AgentStates
	last  map[string]agent.Saved // owner (the dispatcher) only: what was put last
}

func newKeeper(tenant string, store AgentStates, log *zap.Logger) *keeper {
	return &keeper{store: store, last: map[string]agent.Saved{},
		saver: newSaver(tenant, "agent states", "agent states not saved; a restart would forget log-ins", log, func(ctx context.Context, batch map[string]agent.Saved) error {
			list := make([]agent.Saved, 0, len(batch))
			for _, s := range batch {
				list = append(list, s)
			}
			slices.SortFunc(list, func(a, b agent.Saved) int { return strings.Compare(a.Agent, b.Agent) })
			return store.SaveAgentStates(ctx, tenant, list)
		})}
}

// put notes a state if it differs in what survives. Calls alone change nothing.
func (k *keeper) put(s agent.Saved) {
	if was, ok := k.last[s.Agent]; ok && was.State == s.State && was.Reason == s.Reason {
		return
	}
	k.last[s.Agent] = s
	k.saver.put(s.Agent, s)
}
