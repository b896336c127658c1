package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/centrala/centrala/pkg/auth/account"
)

// brake slows guessing down: after some failures further tries are refused for a
// time that doubles. It counts by account and source, by source, and by account,
// each with its own patience: one guesser must not lock the owner out, and many
// sources must not guess at one account without end.
type brake struct {
	mu   sync.Mutex
	seen map[string]*strikes
}

type strikes struct {
	fails int
	last  time.Time
	until time.Time
}

// brakeKey is one counter: after free failures each further one doubles the wait,
// from first to most.
type brakeKey struct {
	name        string
	free        int
	first, most time.Duration
}

const (
	brakeForget = time.Hour // without a failure
	brakeMax    = 20000     // counters; strangers must not fill memory
)

func newBrake() *brake { return &brake{seen: map[string]*strikes{}} }

func brakeKeys(r account.Ref, source netip.Addr) []brakeKey {
	from := sourceKey(source)
	keys := []brakeKey{{"source " + from, 20, time.Second, 15 * time.Minute}}
	if r.Name != "" {
		who := r.Tenant + "/" + r.Name
		keys = append(keys, brakeKey{"pair " + who + " " + from, 4, time.Second, 15 * time.Minute}, brakeKey{"account " + who, 50, time.Second, 30 * time.Second})
	}
	return keys
}

// sourceKey is an IPv4 address, or the /64 that one subscriber has of IPv6.
func sourceKey(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// wait is how long the next try is refused.
func (b *brake) wait(now time.Time, keys []brakeKey) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	var longest time.Duration
	for _, k := range keys {
		if s := b.seen[k.name]; s != nil {
			longest = max(longest, s.until.Sub(now))
		}
	}
	return longest
}

func (b *brake) fail(now time.Time, keys []brakeKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.seen) >= brakeMax {
		b.forget(now)
	}
	for _, k := range keys {
		s := b.seen[k.name]
		if s == nil || now.Sub(s.last) > brakeForget {
			s = &strikes{}
			b.seen[k.name] = s
		}
		s.fails++
		s.last = now
		if over := s.fails - k.free; over > 0 {
			s.until = now.Add(min(k.most, k.first<<min(over-1, 20)))
		}
	}
}

// forget makes room: first what is old, then what is not braked now.
func (b *brake) forget(now time.Time) {
	for name, s := range b.seen {
		if now.Sub(s.last) > brakeForget || len(b.seen) > brakeMax/2 && !s.until.After(now) {
			delete(b.seen, name)
		}
	}
	if len(b.seen) >= brakeMax {
		clear(b.seen)
	}
}

// succeed forgets the failures of the pair; those of the source stay, or a guesser
// with one account of the own would be free.
func (b *brake) succeed(keys []brakeKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		if k.name[:4] == "pair" {
			delete(b.seen, k.name)
		}
	}
}
