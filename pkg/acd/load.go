package acd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrSaved: what was to be loaded contradicts itself.
var ErrSaved = errors.New("acd: saved state is damaged")

// Load makes the engine that was saved, at now: given the same events it answers as
// the one saved would have. now may be later than the save: deadlines passed since
// are carried out with the first Step. The error wraps ErrSaved.
func Load(s Saved, now time.Time) (*Engine, error) {
	e := New(s.Config)
	if !s.Started {
		return e, nil
	}
	// By the wall clock: the monotonic one of another process means nothing here.
	e.epoch, e.started = now.Add(-max(now.Round(0).Sub(s.Epoch), time.Duration(s.Now))), true
	e.now, e.set = s.Now, s.Settings
	l := loader{e: e, draws: map[*agentRec]map[string]int64{}, gone: map[string]*agentRec{}, timers: map[*timer]SavedTimer{}}
	for _, do := range []func(Saved){l.queues, l.agents, l.callbacks, l.callers, l.offers, l.rest} {
		if do(s); l.err != nil {
			return nil, l.err
		}
	}
	return e, nil
}

// loader is one Load under way.
type loader struct {
	e      *Engine
	draws  map[*agentRec]map[string]int64
	gone   map[string]*agentRec // agents who left the configuration: names alone
	timers map[*timer]SavedTimer
	err    error
}

func (l *loader) bad(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("%w: "+format, append([]any{ErrSaved}, args...)...)
	}
}

func (l *loader) queues(s Saved) {
	e := l.e
	for _, sq := range s.Queues {
		st := strategies[sq.Config.Strategy]
		if st == nil || e.byQueue[sq.Config.Name] != nil {
			l.bad("queue %q: strategy %q, or named twice", sq.Config.Name, sq.Config.Strategy)
			return
		}
		need, _ := parsedNeed(sq.Config.Skills, sq.Config.Need) // a bad one counted as any
		q := &queue{Queue: sq.Config, s: st, need: need, byNeed: map[string]*family{}, dropAt: sq.DropAt, drawn: sq.Drawn, floor: sq.Floor,
			level: level{sq.Level[0], sq.Level[1], sq.LevelAt}}
		for _, sf := range sq.Families {
			own, _ := parsedNeed(sf.Levels, sf.Need)
			f := e.newFamily(q, sf.Key, own)
			f.levels, f.need = sf.Levels, sf.Need
			f.pace = pace{n: sf.PaceN, load: sf.Load, at: sf.PaceAt}
			q.families, q.byNeed[f.key] = append(q.families, f), f
		}
		if q.byNeed[""] == nil {
			l.bad("queue %q has no family", q.Name)
		}
		e.queues, e.byQueue[q.Name] = append(e.queues, q), q
	}
}

func (l *loader) agents(s Saved) {
	e := l.e
	for _, d := range s.Down {
		e.down[d] = true
	}
	for _, sa := range s.Agents {
		if e.byAgent[sa.Agent.Name] != nil {
			l.bad("agent %q is there twice", sa.Agent.Name)
			return
		}
		a := newAgent()
		a.Agent, a.number, a.device, a.m, a.since = sa.Agent, sa.Number, sa.Device, sa.Machine, sa.Since
		a.reachable, a.lost, a.lostUntil = sa.Reachable, sa.Lost, sa.LostUntil
		a.idleSince, a.idleSeq, a.keepIdle, a.redraw = sa.IdleSince, sa.IdleSeq, sa.KeepIdle, sa.Redraw
		a.lastOffer, a.offered, a.taken = sa.LastOffer, sa.Offered, sa.Taken
		a.occ, a.occAt, a.working, a.load, a.once = sa.Occ, sa.OccAt, sa.Working, sa.Load, sa.Once
		a.lastCall, a.wrapUp, a.wrapMode, a.wrapMore = talk{sa.LastCall.CallID, sa.LastCall.Queue}, sa.WrapUp, sa.WrapMode, sa.WrapMore
		a.pause, a.leaving, a.owes, a.disposed = sa.Pause, sa.Leaving, sa.Owes, sa.Disposed
		for _, t := range sa.Calls {
			a.calls = append(a.calls, talk{t.CallID, t.Queue})
		}
		l.draws[a] = sa.Draws
		l.note(sa.Timers, &a.timer, &a.lease)
		e.agents, e.byAgent[a.Name] = append(e.agents, a), a
	}
	e.onDevice, e.onCall = l.lists(s.OnDevice), l.lists(s.OnCall)
	e.bindWith(func(a *agentRec) map[string]int64 { return l.draws[a] })
	for i, a := range e.agents {
		if a.leaving {
			a.standing = standing(min(s.Agents[i].Standing, numStandings-1))
		}
	}
	for i, q := range e.queues {
		for j, f := range q.families {
			f.bound = s.Queues[i].Families[j].Bound
		}
	}
	for _, p := range e.pools {
		slices.SortFunc(p.classes, func(a, b poolClass) int {
			return cmp.Or(cmp.Compare(a.c.f.bound, b.c.f.bound), cmp.Compare(a.c.stage, b.c.stage))
		})
		for i := range p.classes { // the way back has moved
			if at := p.classes[i].pos; at >= 0 {
				p.classes[i].c.pools.items[at].i = i
			}
		}
	}
}

func (l *loader) lists(in map[string][]string) map[string][]*agentRec {
	out := make(map[string][]*agentRec, len(in))
	for key, list := range in {
		for _, name := range list {
			a := l.e.byAgent[name]
			if a == nil {
				l.bad("%q names agent %q, who is not there", key, name)
				continue
			}
			out[key] = append(out[key], a)
		}
	}
	return out
}

// note keeps an owner's deadlines; they are armed when all else is in place.
func (l *loader) note(saved map[string]SavedTimer, list ...*timer) {
	for _, t := range list {
		if at, ok := saved[timerNames[t.kind]]; ok {
			l.timers[t] = at
		}
	}
}

func (l *loader) callers(s Saved) {
	e := l.e
	for i, sq := range s.Queues {
		q := e.queues[i]
		for _, sc := range sq.Callers {
			if sc.Family < 0 || sc.Family >= len(q.families) || sc.Stage < 0 || sc.Stage >= len(q.families[sc.Family].stages) || e.callers[sc.CallID] != nil {
				l.bad("caller %q: family %d, stage %d, or waits twice", sc.CallID, sc.Family, sc.Stage)
				return
			}
			if len(sc.Dues) != len(q.Announce) && sc.Callback == "" {
				l.bad("caller %q: %d announcements of %d", sc.CallID, len(sc.Dues), len(q.Announce))
				return
			}
			f := q.families[sc.Family]
			c, cb := &caller{}, e.callbacks.byID[sc.Callback]
			if sc.Callback != "" {
				if cb == nil || cb.State != CallbackWaiting {
					l.bad("caller %q stands for callback %q, which does not wait", sc.CallID, sc.Callback)
					return
				}
				c = cb.c
			}
			*c = caller{cb: cb, callID: sc.CallID, from: sc.From, returns: sc.Returns, stays: sc.Stays, front: sc.Front, held: sc.Held, to: sc.To, why: sc.Why, told: sc.Told,
				q: q, fam: f, class: f.stages[sc.Stage], priority: sc.Priority, arrived: sc.Arrived, seq: sc.Seq, joined: sc.Joined, patience: sc.Patience, due: sc.Due, dues: slices.Clone(sc.Dues)}
			if sc.Sticky != "" {
				c.sticky = l.agent(sc.Sticky, false)
			}
			e.setKey(c)
			e.addCaller(c)
			if c.held {
				f.pace.held++
			}
			switch {
			case sc.In == "":
			case sc.In == "waiting":
				c.file(&c.class.waiting)
			case sc.In == "more":
				c.file(&c.class.more)
			case sc.In == "personal" && c.sticky != nil:
				c.file(&c.sticky.personal)
			default:
				l.bad("caller %q is in %q", sc.CallID, sc.In)
			}
			l.note(sc.Timers, &c.limit, &c.announce, &c.widen, &c.another, &c.look)
		}
	}
}

// agent finds an agent, or stands one in who has left the configuration.
func (l *loader) agent(name string, gone bool) *agentRec {
	if a := l.e.byAgent[name]; a != nil && !gone {
		return a
	}
	a := l.gone[name]
	if a == nil {
		a = newAgent()
		a.Name, a.leaving = name, true
		l.gone[name] = a
	}
	return a
}

func (l *loader) offers(s Saved) {
	e := l.e
	made := map[string]*offer{}
	for i, so := range append(slices.Clone(s.Ringing), s.Late...) {
		c := e.callers[so.CallID]
		if c == nil || made[so.ID] != nil {
			l.bad("offer %q is for %q, who waits nowhere, or there twice", so.ID, so.CallID)
			return
		}
		o := &offer{id: so.ID, a: l.agent(so.Agent, so.Gone), c: c, made: so.Made, deadline: so.Deadline, alone: so.Alone}
		made[o.id] = o
		if i < len(s.Ringing) {
			if o.a.offer != nil || so.Gone {
				l.bad("agent %q is promised twice, or not there", so.Agent)
			}
			e.byOffer[o.id], o.a.offer = o, o
		} else {
			e.late[o.id] = o
		}
	}
	for _, sq := range s.Queues {
		for _, sc := range sq.Callers {
			c := e.callers[sc.CallID]
			for _, id := range sc.Offers {
				if e.byOffer[id] == nil || e.byOffer[id].c != c {
					l.bad("caller %q holds offer %q, which does not ring", sc.CallID, id)
					return
				}
				c.offers = append(c.offers, e.byOffer[id])
			}
			for _, id := range sc.Past {
				if e.late[id] == nil {
					l.bad("caller %q had offer %q, which nobody knows", sc.CallID, id)
					return
				}
				c.past = append(c.past, e.late[id])
			}
		}
	}
}

func (l *loader) rest(s Saved) {
	e := l.e
	for _, x := range s.Memory.Last {
		e.memory.last[x.From] = memo{x.Agent, x.At, x.Put}
	}
	e.memory.order, e.memory.puts, e.memory.gone = slices.Clone(s.Memory.Order), s.Memory.Puts, s.Memory.Gone
	for _, x := range s.Places.Kept {
		if e.places.kept == nil {
			e.places.kept = map[placeKey]place{}
		}
		e.places.kept[placeKey{x.Queue, x.Key}] = place{x.CallID, x.Arrived, x.Seq, x.Priority, x.Left}
	}
	for _, k := range s.Places.Order {
		e.places.order = append(e.places.order, keptAt{placeKey{k.Queue, k.Key}, k.Seq})
	}
	for _, t := range e.timers.items { // armed while all this was put together
		t.x.pos = -1
	}
	e.timers.items = nil
	for t, at := range l.timers {
		t.at = at.At
		e.timers.push(slot[*timer]{key: at.At, seq: at.Seq, x: t})
	}
	clear(e.out)
	e.out = e.out[:0]
	e.seq, e.offers, e.rng = s.Seq, s.Offers, s.Rng
}
