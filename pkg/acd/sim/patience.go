package sim

import (
	"slices"
	"time"
)

// survival is how patient callers are, learned from waits of whom some hung up
// and the others were answered (or sent away) before we could see how long they
// would have stayed: the estimator of Kaplan and Meier (1958). Where fewer than
// thin callers waited that long the curve is mostly luck; from there on callers
// hang up at the constant rate of abandons per second of waiting, which is the
// maximum-likelihood estimate of an exponential patience.
type survival struct {
	at   []time.Duration // waits at which somebody hung up, rising
	s    []float64       // share of callers still there after each
	rate float64         // of hanging up beyond the last, per second; 0 = never
}

// fewest abandons that give a queue a curve of its own; thin is where it ends.
const fewest, thin = 30, 20

type patienceBook struct {
	byQueue map[string]*survival
	all     *survival
}

func (b *patienceBook) of(queue string) *survival {
	if s := b.byQueue[queue]; s != nil {
		return s
	}
	return b.all
}

type observed struct {
	wait time.Duration
	left bool // hung up
}

func learnPatience(calls []Call) *patienceBook {
	queues := map[string][]observed{}
	var all []observed
	for i := range calls {
		c := &calls[i]
		var o observed
		switch {
		case c.Patience != nil:
			o = observed{c.Patience.D(), true}
		case c.PatienceOver != nil:
			o = observed{c.PatienceOver.D(), false}
		default:
			continue
		}
		queues[c.Queue] = append(queues[c.Queue], o)
		all = append(all, o)
	}
	b := &patienceBook{byQueue: map[string]*survival{}, all: learn(all, thin)}
	for name, list := range queues {
		if hungUp(list) >= fewest {
			b.byQueue[name] = learn(list, thin)
		}
	}
	return b
}

func hungUp(list []observed) (n int) {
	for _, o := range list {
		if o.left {
			n++
		}
	}
	return n
}

// learn makes the curve: S(t) = product over waits w <= t at which d of the n still
// there hung up, of 1 - d/n, as long as n is at least thin.
func learn(list []observed, thin int) *survival {
	list = slices.Clone(list)
	// At the same wait who hung up goes before who was answered: those were there.
	slices.SortFunc(list, func(a, b observed) int {
		switch c := compareTimes(a.wait, b.wait); {
		case c != 0:
			return c
		case a.left == b.left:
			return 0
		case a.left:
			return -1
		}
		return 1
	})
	out := &survival{}
	share, waited, left := 1.0, 0.0, 0
	for i := 0; i < len(list); {
		w, d, j := list[i].wait, 0, i
		for ; j < len(list) && list[j].wait == w; j++ {
			if list[j].left {
				d++
			}
			waited += w.Seconds()
		}
		if d > 0 {
			left += d
			if n := len(list) - i; n >= thin {
				share *= 1 - float64(d)/float64(n)
				out.at, out.s = append(out.at, w), append(out.s, share)
			}
		}
		i = j
	}
	if waited > 0 {
		out.rate = float64(left) / waited
	}
	return out
}

// beyond draws a patience that is longer than wait.
func (s *survival) beyond(wait time.Duration, r *chance) time.Duration {
	from, now := 0, 1.0
	if i, found := slices.BinarySearch(s.at, wait); found {
		from, now = i+1, s.s[i]
	} else if from = i; i > 0 {
		now = s.s[i-1]
	}
	want := now * r.unit()
	for i := from; i < len(s.at); i++ { // S falls: the first at or below
		if s.s[i] <= want && s.s[i] < now {
			return s.at[i]
		}
	}
	if s.rate == 0 {
		return Forever
	}
	last := wait
	if n := len(s.at); n > 0 {
		last = max(last, s.at[n-1])
	}
	return (last + gap(r, s.rate)).Round(time.Millisecond)
}
