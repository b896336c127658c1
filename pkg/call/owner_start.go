package call

import (
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/event"
)

// Outgoing is a call that the house starts.
type Outgoing struct {
	Starting
	To       string // number or extension that is called, for flows and the journal
	Language string // "" = the tenant's
}

// startRing is how long a call that the house starts rings when nobody says.
const startRing = 30 * time.Second

// Start begins a call of a tenant by dialling. Whether it may be made is for who asks to
// have seen. It returns at once; how it goes is in the journal. false: no room for a
// call, or the node drains.
func (m *Manager) Start(tenant string, c Outgoing) (id string, ok bool) {
	house := m.deps.House(tenant)
	made, err := uuid.NewV7()
	if house == nil || err != nil {
		return "", false
	}
	if c.Ring <= 0 {
		c.Ring = startRing
	}
	if c.Language == "" {
		c.Language = house.Language()
	}
	o := m.outgoing(house, State{ID: made.String(), Tenant: tenant, Direction: event.Outbound, From: c.To, Dialled: c.To, Language: c.Language, Start: &c.Starting}, false)
	if o == nil {
		return "", false
	}
	go o.begin(Started{})
	return o.id, true
}

// outgoing takes in a call with nobody on leg 0; nil: there is no room, or the node
// drains.
func (m *Manager) outgoing(house House, s State, inACD bool) *owner {
	s.Legs = []Leg{{State: LegEnded, Measured: true}} // nobody: who answers is the kept leg
	nobody := &legHandle{gone: true}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.MaxDuration = m.cfg.MaxDuration
	o := &owner{mgr: m, house: house, tenant: s.Tenant, id: s.ID, group: groupOf(s.ID), box: mailbox{busy: true}, done: make(chan struct{}),
		log: m.deps.Log.With(zap.String("call_id", s.ID), zap.String("tenant", s.Tenant)), m: NewMachine(s, house), legs: []*legHandle{nobody}, inACD: inACD}
	nobody.owner.Store(o)
	if m.draining || len(m.calls) >= m.cfg.MaxCalls || m.calls[s.ID] != nil {
		return nil
	}
	m.calls[s.ID] = o
	return o
}
