package secure

import (
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// maxPaths bounds the addresses from which one agent is reached: interfaces of a
	// laptop, each by several routes.
	maxPaths = 16
	// ConsentFor is how long we send to a path without a check on it. RFC 7675 5.1:
	// consent expires after 30 s; browsers ask every 2 to 6.
	ConsentFor = 30 * time.Second
	// Checks that may be looked into: each costs two HMACs. A browser makes some ten
	// in the first second and one in two seconds later.
	checksEach = 40    // of one agent, for refillEvery
	checksBad  = 10000 // that fail, of all, for refillEvery
	// refillEvery is the grain of both.
	refillEvery = time.Second
)

// Path is how a peer is reached: an address, by UDP or on a TCP connection.
type Path struct {
	Addr netip.AddrPort
	// Conn is the TCP connection's number, 0 for UDP.
	Conn uint64
}

// Agent is the lite side of ICE (RFC 8445 2.5) for one leg: credentials, and the
// paths that proved to know them. It belongs to its Mux.
type Agent struct {
	Ufrag    string
	Password string
	// Nominated is told on the Mux's goroutine of the path that the peer has chosen,
	// first and whenever it changes (RFC 8445 8.1.1).
	Nominated func(Path)
	// Owner is for who made the agent.
	Owner any

	paths   []Path
	chosen  Path
	heard   atomic.Int64 // Unix ns of the newest check on the chosen path, 0 = none
	budget  int
	refill  time.Time
	removed bool
}

// Counts is what a Mux saw in its life.
type Counts struct {
	Checks    uint64 // answered with success
	BadChecks uint64 // unknown or wrong credentials, malformed
	Flooded   uint64 // not looked into: over the rate
	Strangers uint64 // other packets from addresses without a check
}

// Mux finds the leg of a packet on the one port of all browsers: by the user name
// of its check, then by the address that the check came from. It has one owner.
type Mux struct {
	Counts Counts

	agents map[string]*Agent
	paths  map[Path]*Agent
	bad    int
	refill time.Time
	out    []byte
}

// NewMux makes an empty one.
func NewMux() *Mux {
	return &Mux{agents: map[string]*Agent{}, paths: map[Path]*Agent{}, out: make([]byte, 0, 256)}
}

// Add serves a; its Ufrag must not be in use.
func (m *Mux) Add(a *Agent) { m.agents[a.Ufrag] = a }

// Remove ends it. Its paths are strangers from now on.
func (m *Mux) Remove(a *Agent) {
	if m.agents[a.Ufrag] == a {
		delete(m.agents, a.Ufrag)
	}
	for _, p := range a.paths {
		if m.paths[p] == a {
			delete(m.paths, p)
		}
	}
	a.paths, a.removed = nil, true
}

// Find is the agent that p belongs to, by a check before; nil counts a stranger.
func (m *Mux) Find(p Path) *Agent {
	a := m.paths[p]
	if a == nil {
		m.Counts.Strangers++
	}
	return a
}

// Consent tells whether the peer still wants to be sent to by its chosen path (RFC
// 7675). A lite agent asks nobody: the peer's own checks are its word.
// It may be asked from any goroutine.
func (a *Agent) Consent(now time.Time) bool {
	at := a.heard.Load()
	return at != 0 && now.UnixNano()-at < int64(ConsentFor)
}

// Checked is when the newest check came on the chosen path; zero: none yet. It may be
// asked from any goroutine.
func (a *Agent) Checked() time.Time {
	if at := a.heard.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Check handles a STUN packet and returns what to answer by the same path, nil
// for nothing; the answer is valid until the next call. Nothing is told to who
// does not know a password: a stranger's packet gets no answer at all.
func (m *Mux) Check(b []byte, p Path, now time.Time) []byte {
	c, ok := parseCheck(b)
	if !ok {
		m.Counts.BadChecks++
		return nil
	}
	if now.Sub(m.refill) >= refillEvery {
		m.refill, m.bad = now, checksBad
	}
	a := m.agents[string(c.local())]
	if a == nil {
		m.Counts.BadChecks++
		return nil
	}
	if now.Sub(a.refill) >= refillEvery {
		a.refill, a.budget = now, checksEach
	}
	known := m.paths[p] == a
	if a.budget <= 0 || !known && m.bad <= 0 {
		m.Counts.Flooded++
		return nil
	}
	if !c.genuine(a.Password) {
		m.Counts.BadChecks++
		m.bad--
		if !known {
			return nil // costs the guesser's budget, not the peer's
		}
		a.budget--
		return nil
	}
	a.budget--
	switch {
	case c.unknown != 0:
		m.out = c.reply(m.out[:0], a.Password, p.Addr, 420)
		return m.out
	case c.controlled:
		// RFC 8445 7.3.1.1: a lite side never controls.
		m.out = c.reply(m.out[:0], a.Password, p.Addr, 487)
		return m.out
	}
	m.Counts.Checks++
	m.learn(a, p)
	if p == a.chosen {
		a.heard.Store(now.UnixNano())
	}
	if c.nominate && p != a.chosen {
		// The newest choice counts: the other side's network has changed (Wi-Fi to
		// mobile). Towards a lite side browsers nominate only the path they use.
		a.chosen = p
		a.heard.Store(now.UnixNano())
		if a.Nominated != nil {
			a.Nominated(p)
		}
	}
	m.out = c.reply(m.out[:0], a.Password, p.Addr, 0)
	return m.out
}

// learn keeps p as a path of a; the oldest but the chosen goes when there are many.
func (m *Mux) learn(a *Agent, p Path) {
	if m.paths[p] == a {
		return
	}
	if old := m.paths[p]; old != nil {
		// The same browser, with a new page: its address goes to the newer leg.
		old.drop(p)
	}
	if len(a.paths) == maxPaths {
		i := 0
		if a.paths[0] == a.chosen {
			i = 1
		}
		delete(m.paths, a.paths[i])
		a.paths = append(a.paths[:i], a.paths[i+1:]...)
	}
	a.paths = append(a.paths, p)
	m.paths[p] = a
}

func (a *Agent) drop(p Path) {
	for i := range a.paths {
		if a.paths[i] == p {
			a.paths = append(a.paths[:i], a.paths[i+1:]...)
			return
		}
	}
}

// Forget takes a TCP connection that has closed out of the paths.
func (m *Mux) Forget(p Path) {
	if a := m.paths[p]; a != nil {
		a.drop(p)
		delete(m.paths, p)
	}
}
