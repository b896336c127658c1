package sip

import (
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/registrar"
)

// Keepalive says how connections and bindings are kept alive, and when they are
// given up. Zero fields take the default, negative ones switch off.
type Keepalive struct {
	WebSocketPing time.Duration // ping on WebSockets, and how long its pong may take; 15 s
	// Stream is how often a connection that we opened is pinged by CRLF (RFC 5626
	// 4.4.1) while nothing is heard on it; 30 s. A peer that answered once and
	// then does not within StreamPong (10 s) has gone.
	Stream, StreamPong time.Duration
	// FlowTimer is what a phone with outbound is told (RFC 5626 4.4, Flow-Timer):
	// its flow is dead when it is silent for so long and a grace; 90 s.
	FlowTimer time.Duration
	// UDP is how often a phone that registered by UDP from behind NAT is sent
	// OPTIONS; 0 and negative: never. After Misses of them (3) without any answer
	// its contact is dropped. UDPAll: those that are not behind NAT too.
	UDP    time.Duration
	UDPAll bool
	Misses int
}

func (k Keepalive) withDefaults() Keepalive {
	def := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&k.Stream, 30*time.Second)
	def(&k.StreamPong, 10*time.Second)
	def(&k.FlowTimer, 90*time.Second)
	if k.WebSocketPing <= 0 {
		k.WebSocketPing = 15 * time.Second
	}
	if k.Misses <= 0 {
		k.Misses = 3
	}
	return k
}

// flowGrace is how much later than the Flow-Timer a keep-alive may come (RFC
// 5626 4.4: a client sends at 80 to 100 % of it).
const flowGrace = 15 * time.Second

// idleUntil is when a stream without a message under way is looked at again.
func (c *conn) idleUntil(now time.Time) time.Time {
	k := &c.s.cfg.Keepalive
	idle := now.Add(c.s.cfg.Limits.IdleTimeout)
	earlier := func(d time.Duration) {
		if t := now.Add(d); t.Before(idle) {
			idle = t
		}
	}
	switch {
	case c.flow.Load() && k.FlowTimer > 0:
		earlier(k.FlowTimer + flowGrace)
	case !c.inward && k.Stream > 0 && c.asked.IsZero():
		earlier(k.Stream)
	case !c.inward && k.Stream > 0:
		earlier(k.StreamPong)
	}
	return idle
}

// pinged is asked when a stream was silent until idleUntil; true: it goes on.
func (c *conn) pinged(now time.Time) bool {
	k := &c.s.cfg.Keepalive
	if c.inward || k.Stream <= 0 || now.Sub(c.heard) >= c.s.cfg.Limits.IdleTimeout {
		return false
	}
	if !c.asked.IsZero() {
		c.asked = time.Time{} // a peer that knows no pings gets the next in its time
		return !c.pongs       // one that used to answer has gone
	}
	c.asked = now
	return c.write([]byte("\r\n\r\n")) == nil
}

// watched are the UDP bindings that are asked by OPTIONS whether they are there.
// The interval is one for all, so the next in turn is at the front of a queue.
// Under door.mu.
type watched struct {
	states map[registrar.ID]*watch
	queue  []turn
}

type turn struct {
	id registrar.ID
	at time.Time
}

type watch struct {
	asked  bool // and no answer yet
	misses int
}

// watch takes up new bindings and believes refreshed ones.
func (w *watched) watch(k *Keepalive, now time.Time, saved []registrar.Binding) {
	if k.UDP <= 0 {
		return
	}
	for i := range saved {
		b := &saved[i]
		if b.Flow.Transport != protoUDP || !k.UDPAll && !natted(b) {
			continue // one that has moved away from UDP is found out in its turn
		}
		if st := w.states[b.ID]; st != nil {
			*st = watch{}
			continue
		}
		if w.states == nil {
			w.states = map[registrar.ID]*watch{}
		}
		w.states[b.ID] = &watch{}
		// Many at once (a restart) are spread over the interval.
		w.queue = append(w.queue, turn{b.ID, now.Add(k.UDP * time.Duration(i+1) / time.Duration(len(saved)))})
	}
}

// sweep asks those whose turn it is and drops those that were silent too often.
func (s *Stack) sweep(now time.Time) {
	k := &s.cfg.Keepalive
	if k.UDP <= 0 {
		return
	}
	var ask []registrar.Binding
	var silent []registrar.ID
	s.door.mu.Lock()
	w := &s.door.nat
	for len(w.queue) > 0 && !w.queue[0].at.After(now) {
		t := w.queue[0]
		w.queue = w.queue[1:]
		b, ok := s.door.reg.Get(now, t.id)
		st := w.states[t.id]
		if !ok || b.Flow.Transport != protoUDP {
			delete(w.states, t.id)
			continue
		}
		if st.asked {
			st.misses++
		}
		if st.misses >= k.Misses {
			delete(w.states, t.id)
			silent = append(silent, t.id)
			continue
		}
		st.asked = true
		ask = append(ask, b)
		w.queue = append(w.queue, turn{t.id, now.Add(k.UDP)})
	}
	s.door.mu.Unlock()
	for _, id := range silent {
		s.log.Info("sip phone silent: its contact is dropped", zap.String("device", id.Device), zap.String("tenant", id.Tenant))
		s.unbind(id)
	}
	for i := range ask {
		s.probe(&ask[i])
	}
}

// probe sends OPTIONS to a binding; any answer will do.
func (s *Stack) probe(b *registrar.Binding) {
	t := targetOf(b)
	h, err := s.hopTo(t)
	u, ok := parseURI(t.URI)
	if err != nil || !ok {
		return
	}
	callID := s.newToken(2)
	sh := s.shardOf(callID)
	sh.do(func() {
		req := sip.NewRequest(sip.OPTIONS, u)
		us := sip.Uri{Scheme: "sip", Host: h.host()}
		for _, r := range t.Routes {
			if ru, ok := parseURI(r); ok {
				req.AppendHeader(&sip.RouteHeader{Address: ru})
			}
		}
		mf := sip.MaxForwardsHeader(70)
		req.AppendHeader(&mf)
		req.AppendHeader(&sip.FromHeader{Address: us, Params: sip.HeaderParams{{K: "tag", V: string(sh.rand.token(nil, 1))}}})
		req.AppendHeader(&sip.ToHeader{Address: u})
		id := sip.CallIDHeader(callID)
		req.AppendHeader(&id)
		req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
		cl := sip.ContentLengthHeader(0)
		req.AppendHeader(&cl)
		branch := sh.branch()
		sh.via(req, h, branch)
		sh.startFor(req, h, branch, func(res *sip.Response, _ bool) {
			if res == nil {
				return
			}
			s.door.mu.Lock()
			defer s.door.mu.Unlock()
			if st := s.door.nat.states[b.ID]; st != nil {
				*st = watch{}
			}
		})
	})
}
