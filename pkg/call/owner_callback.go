package call

import (
	"cmp"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/sip"
)

// CallBack begins the call of a callback of a tenant whose turn has come, with its
// first offer (dispatch.CallBack). Nothing of it is done here: the ACD is in the middle
// of a step. nil = there is no room for a call, or the node drains.
func (m *Manager) CallBack(tenant string, offer acd.Offer, cb acd.Callback) (sink func(acd.Effect)) {
	house := m.deps.House(tenant)
	if house == nil {
		return nil
	}
	s := State{ID: offer.CallID, Tenant: tenant, Direction: event.Outbound, From: cb.Number, Display: cb.Name, Dialled: cb.Number,
		Language: cmp.Or(cb.Language, house.Language()), Queue: offer.Queue, Record: resource.Record(cb.Record), Priority: cb.Priority,
		Callback: &CallingBack{ID: cb.ID, Number: cb.Number, To: cb.To, CallerID: house.QueueCallback(offer.Queue).CallerID}}
	o := m.outgoing(house, s, true)
	if o == nil {
		return nil
	}
	go o.begin(CalledBack{offer})
	return func(e acd.Effect) { o.post(e) }
}

// Draining tells whether no new calls are taken.
func (m *Manager) Draining() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.draining
}

// callbackHeaders tell the agent's phone that nobody is on the line yet.
func (o *owner) callbackHeaders() []sip.Header {
	cb := o.m.S.Callback
	if cb == nil {
		return nil
	}
	return []sip.Header{{Name: "X-Centrala-Callback", Value: cb.ID}}
}

// shownCaller is whom a trunk is told that calls.
func (o *owner) shownCaller(t *Trunk) string {
	s := &o.m.S
	caller := t.CallerID
	if st := s.Start; st != nil && s.Kept == 0 {
		if caller = cmp.Or(st.CallerID, caller); st.CallerID == "" {
			return caller
		}
	} else if cb := s.Callback; cb != nil {
		caller = cmp.Or(cb.CallerID, caller)
		if caller == "" {
			caller = cb.To
		} else {
			return caller
		}
	} else if caller != "" {
		return caller
	} else {
		caller = s.From
	}
	if t.Show != nil {
		caller = t.Show(caller)
	}
	return caller
}

// nearest is the leg whose codecs a new one should speak.
func (o *owner) nearest() *legHandle {
	if cb := o.m.S.Callback; cb != nil && o.m.S.Kept == 0 && cb.Agent > 0 {
		return o.legs[cb.Agent]
	}
	return o.legs[o.m.S.Kept]
}

// callbackBound is how long a callback's try may take at most, from the agent's answer
// to the customer's.
const callbackBound = 2 * time.Minute

// CallbackDial bounds a try for the ACD: longer than a customer's phone rings.
func CallbackDial(ring time.Duration) time.Duration { return ring + callbackBound }
