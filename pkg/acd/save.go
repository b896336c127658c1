package acd

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// Saved is a whole engine as plain data: what Load makes behaves as the engine saved
// would have. Times are ns since Epoch. What can be worked out from the rest is not in
// it (indexes, counts, who is free).
type Saved struct {
	Epoch    time.Time `json:"epoch"`
	Started  bool      `json:"started"`
	Now      int64     `json:"now"`
	Seq      uint64    `json:"seq"`
	Offers   uint64    `json:"offers"`
	Rng      uint64    `json:"rng"`
	Config   Config    `json:"config"`
	Settings Settings  `json:"settings"`

	Queues    []SavedQueue        `json:"queues"`
	Agents    []SavedAgent        `json:"agents"`
	OnDevice  map[string][]string `json:"on_device"` // device -> agents, in the order they came
	OnCall    map[string][]string `json:"on_call"`   // call -> agents
	Down      []string            `json:"down"`
	Ringing   []SavedOffer        `json:"ringing"`
	Late      []SavedOffer        `json:"late"`
	Memory    SavedMemory         `json:"memory"`
	Callbacks SavedCallbacks      `json:"callbacks"`
	Places    SavedPlaces         `json:"places"`
}

// SavedQueue is a queue, its families and its callers in the order they joined.
type SavedQueue struct {
	Config   Queue         `json:"config"`
	Families []SavedFamily `json:"families"`
	Callers  []SavedCaller `json:"callers"`
	DropAt   int           `json:"drop_at"`
	Level    [2]float64    `json:"level"`
	LevelAt  int64         `json:"level_at"`
	Drawn    int64         `json:"drawn"`
	Floor    int           `json:"floor"`
}

// SavedFamily is the callers of one own need, and their pace.
type SavedFamily struct {
	Key    string         `json:"key"`
	Levels map[string]int `json:"levels,omitempty"`
	Need   string         `json:"need,omitempty"`
	Bound  uint64         `json:"bound"`
	PaceN  float64        `json:"pace_n"`
	Load   float64        `json:"load"`
	PaceAt int64          `json:"pace_at"`
}

// SavedTimer is a deadline; Seq decides between equal times.
type SavedTimer struct {
	At  int64  `json:"at"`
	Seq uint64 `json:"seq"`
}

// SavedCaller is one caller in a queue.
type SavedCaller struct {
	CallID   string                `json:"call_id"`
	From     string                `json:"from,omitempty"`
	Returns  string                `json:"returns,omitempty"`
	Stays    bool                  `json:"stays,omitempty"`
	Front    string                `json:"front,omitempty"`
	Held     bool                  `json:"held,omitempty"`
	To       string                `json:"to,omitempty"`
	Why      string                `json:"why,omitempty"`
	Told     time.Duration         `json:"told"`
	Callback string                `json:"callback,omitempty"` // whose place this is
	Family   int                   `json:"family"`             // index in the queue's
	Stage    int                   `json:"stage"`
	Priority int                   `json:"priority"`
	Arrived  int64                 `json:"arrived"`
	Seq      uint64                `json:"seq"`
	Joined   int64                 `json:"joined"`
	In       string                `json:"in,omitempty"` // "waiting", "more", "personal"
	Past     []string              `json:"past,omitempty"`
	Offers   []string              `json:"offers,omitempty"`
	Sticky   string                `json:"sticky,omitempty"`
	Patience int64                 `json:"patience,omitempty"`
	Due      int64                 `json:"due"`
	Dues     []int64               `json:"dues,omitempty"`
	Timers   map[string]SavedTimer `json:"timers,omitempty"`
}

// SavedAgent is one agent.
type SavedAgent struct {
	Agent     Agent                 `json:"agent"`
	Number    int                   `json:"number"`
	Device    string                `json:"device"`
	Machine   agent.Machine         `json:"machine"`
	Since     int64                 `json:"since"`
	Reachable bool                  `json:"reachable"`
	Lost      bool                  `json:"lost,omitempty"`
	LostUntil int64                 `json:"lost_until,omitempty"`
	Standing  uint8                 `json:"standing"`
	Draws     map[string]int64      `json:"draws,omitempty"` // queue -> place of random
	IdleSince int64                 `json:"idle_since"`
	IdleSeq   uint64                `json:"idle_seq"`
	KeepIdle  bool                  `json:"keep_idle,omitempty"`
	Redraw    bool                  `json:"redraw,omitempty"`
	LastOffer uint64                `json:"last_offer"`
	Offered   int64                 `json:"offered"`
	Taken     int                   `json:"taken"`
	Occ       float64               `json:"occ"`
	OccAt     int64                 `json:"occ_at"`
	Working   bool                  `json:"working,omitempty"`
	Load      int64                 `json:"load"`
	Once      bool                  `json:"once,omitempty"`
	Calls     []SavedTalk           `json:"calls,omitempty"`
	LastCall  SavedTalk             `json:"last_call"`
	WrapUp    time.Duration         `json:"wrap_up,omitempty"`
	WrapMode  string                `json:"wrap_mode,omitempty"`
	WrapMore  time.Duration         `json:"wrap_more,omitempty"`
	Owes      string                `json:"owes,omitempty"`
	Disposed  string                `json:"disposed,omitempty"`
	Pause     time.Duration         `json:"pause,omitempty"`
	Leaving   bool                  `json:"leaving,omitempty"`
	Timers    map[string]SavedTimer `json:"timers,omitempty"`
}

// SavedTalk is a call on an agent's phone.
type SavedTalk struct {
	CallID string `json:"call_id"`
	Queue  string `json:"queue,omitempty"`
}

// SavedOffer is an offer that rings, or one that may still be picked up late. Gone:
// its agent left the configuration (one of the same name is another).
type SavedOffer struct {
	ID       string `json:"id"`
	CallID   string `json:"call_id"`
	Agent    string `json:"agent"`
	Gone     bool   `json:"gone,omitempty"`
	Made     int64  `json:"made"`
	Deadline int64  `json:"deadline"`
	Alone    bool   `json:"alone,omitempty"`
}

// SavedMemory is who last talked to whom, in the order in which it is forgotten.
type SavedMemory struct {
	Last  []SavedMemo `json:"last"`
	Order []string    `json:"order"`
	Puts  uint64      `json:"puts"`
	Gone  uint64      `json:"gone"`
}

// SavedMemo is one conversation remembered.
type SavedMemo struct {
	From  string `json:"from"`
	Agent string `json:"agent"`
	At    int64  `json:"at"`
	Put   uint64 `json:"put"`
}

// SavedPlaces are those of callers who were cut off. Order is that in which they are
// forgotten.
type SavedPlaces struct {
	Kept  []SavedPlace    `json:"kept,omitempty"`
	Order []SavedPlaceKey `json:"order,omitempty"`
}

// SavedPlaceKey names who stood where; Seq tells one stay from another.
type SavedPlaceKey struct {
	Queue string `json:"queue"`
	Key   string `json:"key"`
	Seq   uint64 `json:"seq"`
}

// SavedPlace is a place kept for who was cut off.
type SavedPlace struct {
	SavedPlaceKey
	CallID   string `json:"call_id"`
	Arrived  int64  `json:"arrived"`
	Priority int    `json:"priority,omitempty"`
	Left     int64  `json:"left"`
}

// Names of timers in SavedCaller and SavedAgent.
var timerNames = [...]string{timerAgent: "state", timerLease: "lease", timerLimit: "limit", timerAnnounce: "announce",
	timerWiden: "widen", timerMore: "more", timerLook: "look", timerCallback: "callback"}

// Save copies the engine, between two Steps. It costs time and memory in the number
// of callers and agents.
func (e *Engine) Save() Saved {
	s := Saved{Epoch: wall(e.epoch), Started: e.started, Now: e.now, Seq: e.seq, Offers: e.offers, Rng: e.rng, Config: e.cfg, Settings: e.set,
		OnDevice: map[string][]string{}, OnCall: map[string][]string{}, Down: slices.Sorted(maps.Keys(e.down)), Memory: e.memory.save(), Callbacks: e.saveCallbacks(), Places: e.places.save()}
	for _, q := range e.queues {
		s.Queues = append(s.Queues, e.saveQueue(q))
	}
	for _, a := range e.agents {
		s.Agents = append(s.Agents, e.saveAgent(a))
	}
	for on, list := range e.onDevice {
		s.OnDevice[on] = names(list)
	}
	for on, list := range e.onCall {
		s.OnCall[on] = names(list)
	}
	s.Ringing, s.Late = e.saveOffers(e.byOffer), e.saveOffers(e.late)
	return s
}

func names(list []*agentRec) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.Name
	}
	return out
}

func (e *Engine) saveOffers(m map[string]*offer) []SavedOffer {
	out := make([]SavedOffer, 0, len(m))
	for _, id := range slices.Sorted(maps.Keys(m)) {
		o := m[id]
		out = append(out, SavedOffer{ID: o.id, CallID: o.c.callID, Agent: o.a.Name, Gone: e.byAgent[o.a.Name] != o.a, Made: o.made, Deadline: o.deadline, Alone: o.alone})
	}
	return out
}

func (e *Engine) saveTimers(list ...*timer) map[string]SavedTimer {
	var out map[string]SavedTimer
	for _, t := range list {
		if t.pos >= 0 {
			if out == nil {
				out = map[string]SavedTimer{}
			}
			out[timerNames[t.kind]] = SavedTimer{t.at, e.timers.items[t.pos].seq}
		}
	}
	return out
}

func (e *Engine) saveQueue(q *queue) SavedQueue {
	s := SavedQueue{Config: q.Queue, DropAt: q.dropAt, Level: [2]float64{q.level.in, q.level.all}, LevelAt: q.level.at, Drawn: q.drawn, Floor: q.floor}
	at := map[*family]int{}
	for i, f := range q.families {
		at[f] = i
		s.Families = append(s.Families, SavedFamily{Key: f.key, Levels: f.levels, Need: f.need, Bound: f.bound, PaceN: f.pace.n, Load: f.pace.load, PaceAt: f.pace.at})
	}
	for c := q.oldest; c != nil; c = c.younger {
		s.Callers = append(s.Callers, e.saveCaller(c, at[c.fam]))
	}
	return s
}

func (e *Engine) saveCaller(c *caller, family int) SavedCaller {
	s := SavedCaller{CallID: c.callID, From: c.from, Returns: c.returns, Stays: c.stays, Front: c.front, Held: c.held, To: c.to, Why: c.why, Told: c.told,
		Callback: callbackID(c), Family: family, Stage: c.class.stage, Priority: c.priority, Arrived: c.arrived, Seq: c.seq, Joined: c.joined, Patience: c.patience, Due: c.due, Dues: slices.Clone(c.dues),
		Timers: e.saveTimers(&c.limit, &c.announce, &c.widen, &c.another, &c.look)}
	if c.sticky != nil {
		s.Sticky = c.sticky.Name
	}
	switch {
	case c.in == nil:
	case c.in == &c.class.waiting:
		s.In = "waiting"
	case c.in == &c.class.more:
		s.In = "more"
	default:
		s.In = "personal"
	}
	for _, o := range c.offers {
		s.Offers = append(s.Offers, o.id)
	}
	for _, o := range c.past {
		s.Past = append(s.Past, o.id)
	}
	return s
}

func (e *Engine) saveAgent(a *agentRec) SavedAgent {
	s := SavedAgent{Agent: a.Agent, Number: a.number, Device: a.device, Machine: a.m, Since: a.since, Reachable: a.reachable, Lost: a.lost, LostUntil: a.lostUntil,
		Standing: uint8(a.standing), Draws: a.draws(), IdleSince: a.idleSince, IdleSeq: a.idleSeq, KeepIdle: a.keepIdle, Redraw: a.redraw, LastOffer: a.lastOffer, Offered: a.offered,
		Taken: a.taken, Occ: a.occ, OccAt: a.occAt, Working: a.working, Load: a.load, Once: a.once, LastCall: SavedTalk{a.lastCall.callID, a.lastCall.q},
		WrapUp: a.wrapUp, WrapMode: a.wrapMode, WrapMore: a.wrapMore, Owes: a.owes, Disposed: a.disposed, Pause: a.pause, Leaving: a.leaving, Timers: e.saveTimers(&a.timer, &a.lease)}
	for _, t := range a.calls {
		s.Calls = append(s.Calls, SavedTalk{t.callID, t.q})
	}
	return s
}

func (m *memory) save() SavedMemory {
	s := SavedMemory{Order: slices.Clone(m.order), Puts: m.puts, Gone: m.gone}
	for _, from := range slices.Sorted(maps.Keys(m.last)) {
		x := m.last[from]
		s.Last = append(s.Last, SavedMemo{from, x.agent, x.at, x.put})
	}
	return s
}

func (p *places) save() SavedPlaces {
	var s SavedPlaces
	for _, k := range p.order {
		s.Order = append(s.Order, SavedPlaceKey{k.key.queue, k.key.key, k.seq})
	}
	for k, at := range p.kept {
		s.Kept = append(s.Kept, SavedPlace{SavedPlaceKey{k.queue, k.key, at.seq}, at.callID, at.arrived, at.priority, at.left})
	}
	slices.SortFunc(s.Kept, func(a, b SavedPlace) int { return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Key, b.Key)) })
	return s
}
