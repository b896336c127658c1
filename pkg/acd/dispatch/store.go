package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

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

// keeper saves agent states behind the dispatcher's back: only the last state
// of each agent matters, so what waits is bounded by the number of agents.
type keeper struct {
	tenant string
	store  AgentStates
	log    *zap.Logger

	last map[string]agent.Saved // owner (the dispatcher) only: what was put last

	mu      sync.Mutex // guards pending; never held over I/O
	pending map[string]agent.Saved

	wake chan struct{} // one is enough
	quit chan struct{}
	once sync.Once
	done chan struct{}
}

const (
	saveTimeout = 5 * time.Second
	saveRetry   = time.Second
)

func newKeeper(tenant string, store AgentStates, log *zap.Logger) *keeper {
	return &keeper{tenant: tenant, store: store, log: log, last: map[string]agent.Saved{}, pending: map[string]agent.Saved{},
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// put notes a state if it differs in what survives. Calls alone change nothing.
func (k *keeper) put(s agent.Saved) {
	if was, ok := k.last[s.Agent]; ok && was.State == s.State && was.Reason == s.Reason {
		return
	}
	k.last[s.Agent] = s
	k.mu.Lock()
	k.pending[s.Agent] = s
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) run() {
	defer close(k.done)
	for {
		select {
		case <-k.wake:
			if k.flush() != nil {
				select {
				case <-time.After(saveRetry):
					select {
					case k.wake <- struct{}{}:
					default:
					}
				case <-k.quit:
				}
			}
		case <-k.quit:
			return
		}
	}
}

// flush saves what is pending; after an error it stays pending, under what has
// come since.
func (k *keeper) flush() error {
	k.mu.Lock()
	batch := k.pending
	k.pending = map[string]agent.Saved{}
	k.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	list := make([]agent.Saved, 0, len(batch))
	for _, s := range batch {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b agent.Saved) int { return strings.Compare(a.Agent, b.Agent) })
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	err := k.store.SaveAgentStates(ctx, k.tenant, list)
	if err == nil {
		return nil
	}
	k.log.Warn("agent states not saved; a restart would forget log-ins", zap.Int("agents", len(list)), zap.Error(err))
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, s := range batch {
		if _, newer := k.pending[name]; !newer {
			k.pending[name] = s
		}
	}
	return err
}

// stop ends run and saves what is left.
func (k *keeper) stop(ctx context.Context) error {
	k.once.Do(func() { close(k.quit) })
	select {
	case <-k.done:
	case <-ctx.Done():
		return fmt.Errorf("acd: tenant %q: agent states still being saved: %w", k.tenant, ctx.Err())
	}
	if err := k.flush(); err != nil {
		return fmt.Errorf("acd: tenant %q: save agent states: %w", k.tenant, err)
	}
	return nil
}
