package acd

import (
	"cmp"
	"maps"
	"slices"
)

// SavedCallbacks are an engine's, in the order of asking.
type SavedCallbacks struct {
	List  []SavedCallback `json:"list,omitempty"`
	Party []SavedParty    `json:"party,omitempty"`
	Shut  []string        `json:"shut,omitempty"` // queues out of hours
}

// SavedCallback is one; while it waits, its place in line is a SavedCaller.
type SavedCallback struct {
	Callback
	Rules   CallbackRules         `json:"rules"`
	Arrived int64                 `json:"arrived_ns"`
	Seq     uint64                `json:"seq"`
	Expires int64                 `json:"expires"`
	Last    bool                  `json:"last_try,omitempty"`
	Ends    string                `json:"ends,omitempty"`
	Timers  map[string]SavedTimer `json:"timers,omitempty"`
}

// SavedParty is by which number in which queue a callback is found.
type SavedParty struct {
	Queue  string `json:"queue"`
	Number string `json:"number"`
	ID     string `json:"id"`
}

func (e *Engine) saveCallbacks() SavedCallbacks {
	k := &e.callbacks
	s := SavedCallbacks{Shut: slices.Sorted(maps.Keys(k.shut))}
	for _, cb := range k.list {
		s.List = append(s.List, SavedCallback{Callback: cb.Callback, Rules: cb.rules, Arrived: cb.arrived, Seq: cb.seq, Expires: cb.expires,
			Last: cb.last, Ends: cb.ends, Timers: e.saveTimers(&cb.timer)})
	}
	for key, cb := range k.party {
		s.Party = append(s.Party, SavedParty{key.queue, key.key, cb.ID})
	}
	slices.SortFunc(s.Party, func(a, b SavedParty) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Number, b.Number))
	})
	return s
}

// callbacks come before the callers, some of whom are theirs.
func (l *loader) callbacks(s Saved) {
	k := &l.e.callbacks
	k.byID, k.byTry, k.party = map[string]*callback{}, map[string]*callback{}, map[placeKey]*callback{}
	for _, sc := range s.Callbacks.List {
		if k.byID[sc.ID] != nil {
			l.bad("callback %q is there twice", sc.ID)
			return
		}
		cb := &callback{Callback: sc.Callback, rules: sc.Rules, arrived: sc.Arrived, seq: sc.Seq, expires: sc.Expires, last: sc.Last, ends: sc.Ends}
		cb.c = &caller{cb: cb}
		cb.timer = timer{pos: -1, kind: timerCallback, c: cb.c}
		l.note(sc.Timers, &cb.timer)
		k.byID[cb.ID], k.list = cb, append(k.list, cb)
		if cb.State == CallbackDialling {
			k.byTry[cb.Call] = cb
		}
	}
	for _, p := range s.Callbacks.Party {
		if k.byID[p.ID] == nil {
			l.bad("%q names callback %q, which is not there", p.Number, p.ID)
			return
		}
		k.party[placeKey{p.Queue, p.Number}] = k.byID[p.ID]
	}
	for _, q := range s.Callbacks.Shut {
		if k.shut == nil {
			k.shut = map[string]bool{}
		}
		k.shut[q] = true
	}
}
