// Package ban decides which sources are not listened to for a while: whoever
// guesses passwords, tries names that do not exist or sends what is not SIP. It
// judges acts alone; what a peer calls itself counts for nothing. It is pure:
// acts and times go in, bans come out. One owner.
//
// A source is an IPv4 address or an IPv6 /64, which is what one host is given.
// Each act adds points and time takes them off again; who reaches the limit is
// banned, and longer each time it happens again. A source where phones of the
// house live (Trust) has a ten times higher limit, and what arrives by their own
// flows (address and port) is heard even while their address is banned: an office
// behind one NAT does not lose its phones through one guest.
//
// Over UDP a sender can write any source address. So only what proves that it comes
// from there counts as an act (Note): all that comes by a connection, and an answer
// to a challenge that was sent to that very address. The rest (Doubt) never bans;
// it makes the source slow: a few of its requests a second are answered, and those
// that prove themselves always.
package ban

import (
	"container/list"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Act is something that speaks against a source.
type Act uint8

// The acts and their points, of which Config.Limit make a ban.
const (
	WrongPassword Act = iota // credentials for a device that exists: 8
	UnknownName              // a request or credentials in the name of no device: 6
	UnknownNumber            // a stranger's call or OPTIONS to a user that is not here: 3
	Malformed                // what cannot be read, or is not SIP: 1
	numActs
)

var actPoints = [numActs]float64{8, 6, 3, 1}

// Reason is why a source is banned, the closed set of a metric's label.
type Reason string

// Reasons.
const (
	Guessing  Reason = "guessing"  // wrong passwords
	Scanning  Reason = "scanning"  // names and numbers that do not exist
	Flooding  Reason = "malformed" // what cannot be read
	ByCommand Reason = "manual"
)

// Reasons lists them all.
var Reasons = []Reason{Guessing, Scanning, Flooding, ByCommand}

var actReasons = [numActs]Reason{Guessing, Scanning, Scanning, Flooding}

// Config of a List; zero fields take the defaults.
type Config struct {
	Limit float64 // points that make a ban; 100
	// Forget is how long a full score takes to go to nothing, evenly; 10 min.
	Forget time.Duration
	// First is the first ban, each further one is Growth times as long up to
	// Longest. After Longest without a ban the next is a first one again.
	// 1 min, 4, 24 h.
	First   time.Duration
	Growth  int
	Longest time.Duration
	// MaxSources bounds the scores (LRU) and MaxBans the bans; 65536 and 16384.
	// When the bans are full, the one that would end first goes.
	MaxSources, MaxBans int
	// MaxFlows bounds the trusted flows; 262144. Beyond, flows are not trusted.
	MaxFlows int
	// Allow are sources that are never banned.
	Allow []netip.Prefix
}

// trustFactor is how much more a source with phones of the house may do.
const trustFactor = 10

// Ban is one source that is not listened to.
type Ban struct {
	Source  netip.Prefix `json:"source"`
	Reason  Reason       `json:"reason"`
	Since   time.Time    `json:"since"`
	Until   time.Time    `json:"until"`
	Strikes int          `json:"strikes"` // bans of this source in a row, this one included
}

// List holds scores, bans and trusted flows.
type List struct {
	cfg     Config
	sources map[netip.Prefix]*list.Element // of *source
	lru     *list.List                     // front: used last
	bans    map[netip.Prefix]*Ban
	flows   map[netip.AddrPort]time.Time // proved themselves; until
	phones  map[netip.Prefix]int         // flows per source
}

type source struct {
	prefix  netip.Prefix
	points  [numActs]float64
	at      time.Time // of points
	names   uint64    // which names were tried, hashed into 64 bits
	doubt   float64   // points of acts that anybody may have sent
	tried   uint64    // as names, of these acts: what proves nothing must not clear what does
	served  time.Time // the last doubtful request that was let through
	strikes int
	last    time.Time // end of the last ban
}

// New makes an empty list.
func New(cfg Config) *List {
	if cfg.Limit <= 0 {
		cfg.Limit = 100
	}
	def := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	num := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	def(&cfg.Forget, 10*time.Minute)
	def(&cfg.First, time.Minute)
	def(&cfg.Longest, 24*time.Hour)
	num(&cfg.Growth, 4)
	num(&cfg.MaxSources, 1<<16)
	num(&cfg.MaxBans, 1<<14)
	num(&cfg.MaxFlows, 1<<18)
	cfg.Longest = max(cfg.Longest, cfg.First)
	return &List{cfg: cfg, sources: map[netip.Prefix]*list.Element{}, lru: list.New(),
		bans: map[netip.Prefix]*Ban{}, flows: map[netip.AddrPort]time.Time{}, phones: map[netip.Prefix]int{}}
}

// Source is what an address counts as.
func Source(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64 // RFC 6177: one site has at least that
	}
	p, _ := a.Prefix(bits)
	return p
}

// Allowed reports an address of the allow list.
func (l *List) Allowed(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(l.cfg.Allow, func(p netip.Prefix) bool { return p.Contains(a) })
}

// SetAllow replaces the allow list; bans of what is on it end.
func (l *List) SetAllow(allow []netip.Prefix) {
	l.cfg.Allow = allow
	for p := range l.bans {
		if l.Allowed(p.Addr()) {
			delete(l.bans, p)
		}
	}
}

// Len is the number of bans, those included that ended since the last Expire.
func (l *List) Len() int { return len(l.bans) }

// Banned reports whether what comes from this flow is to be dropped unread.
func (l *List) Banned(now time.Time, from netip.AddrPort) bool {
	b := l.bans[Source(from.Addr())]
	if b == nil || !now.Before(b.Until) {
		return false
	}
	until, trusted := l.flows[from]
	return !trusted || !now.Before(until)
}

// Trust notes a flow that proved to be a phone of the house, until its
// registration ends. It takes off what its challenges and typing errors cost.
func (l *List) Trust(now time.Time, from netip.AddrPort, until time.Time) {
	p := Source(from.Addr())
	if e := l.sources[p]; e != nil {
		s := e.Value.(*source)
		l.fade(s, now)
		s.points[WrongPassword] = max(0, s.points[WrongPassword]-actPoints[WrongPassword])
		s.points[UnknownName] = max(0, s.points[UnknownName]-actPoints[UnknownName])
	}
	old, known := l.flows[from]
	if !known {
		if len(l.flows) >= l.cfg.MaxFlows {
			return
		}
		l.phones[p]++
	} else if old.After(until) {
		return
	}
	l.flows[from] = until
}

// Distrust forgets a flow: its registration ended or its connection closed.
func (l *List) Distrust(from netip.AddrPort) {
	if _, ok := l.flows[from]; !ok {
		return
	}
	delete(l.flows, from)
	p := Source(from.Addr())
	if l.phones[p]--; l.phones[p] <= 0 {
		delete(l.phones, p)
	}
}

func (l *List) fade(s *source, now time.Time) {
	if d := now.Sub(s.at); d > 0 {
		sum := 0.0
		for _, v := range s.points {
			sum += v
		}
		if off := l.cfg.Limit * float64(d) / float64(l.cfg.Forget); sum > off {
			for i := range s.points {
				s.points[i] *= 1 - off/sum
			}
		} else {
			s.points, s.names = [numActs]float64{}, 0
		}
		if s.doubt = max(0, s.doubt-l.cfg.Limit*float64(d)/float64(l.cfg.Forget)); s.doubt == 0 {
			s.tried = 0
		}
		s.at = now
	}
}

// NoteName is Note for an act that is none when it is always about one name: a
// phone with a typing error repeats itself, who looks for names does not. hash is
// the name's, of any good hash.
func (l *List) NoteName(now time.Time, from netip.Addr, act Act, hash uint64) (Ban, bool) {
	if l.Allowed(from) {
		return Ban{}, false
	}
	s := l.get(now, Source(from))
	l.fade(s, now)
	bit := uint64(1) << (hash & 63)
	if s.names&bit != 0 {
		return Ban{}, false
	}
	s.names |= bit
	return l.Note(now, from, act)
}

// slowEvery is how often a slow source is answered: too seldom to scan, and a phone
// that repeats its request gets through, unless somebody floods in its name.
const slowEvery = 200 * time.Millisecond

// Doubt counts an act that may have been sent in the source's name. hash is as in
// NoteName, 0 for none.
func (l *List) Doubt(now time.Time, from netip.Addr, act Act, hash uint64) {
	if int(act) >= int(numActs) || l.Allowed(from) {
		return
	}
	s := l.get(now, Source(from))
	l.fade(s, now)
	if hash != 0 {
		bit := uint64(1) << (hash & 63)
		if s.tried&bit != 0 {
			return
		}
		s.tried |= bit
	}
	s.doubt = min(s.doubt+actPoints[act], 2*l.limit(s.prefix))
}

// Slow reports whether a request that proves nothing is to be left unanswered; of a
// flow that proved to be a phone's none is.
func (l *List) Slow(now time.Time, from netip.AddrPort) bool {
	e := l.sources[Source(from.Addr())]
	if until, trusted := l.flows[from]; e == nil || trusted && now.Before(until) {
		return false
	}
	s := e.Value.(*source)
	l.fade(s, now)
	if s.doubt < l.limit(s.prefix) {
		return false
	}
	if now.Sub(s.served) < slowEvery {
		return true
	}
	s.served = now
	return false
}

// limit is how many points a source may have.
func (l *List) limit(p netip.Prefix) float64 {
	if l.phones[p] > 0 {
		return l.cfg.Limit * trustFactor
	}
	return l.cfg.Limit
}

// Note counts an act. It returns the ban that follows from it, if one does.
func (l *List) Note(now time.Time, from netip.Addr, act Act) (Ban, bool) {
	if int(act) >= int(numActs) || l.Allowed(from) {
		return Ban{}, false
	}
	p := Source(from)
	if b := l.bans[p]; b != nil && now.Before(b.Until) {
		return Ban{}, false // by a trusted flow: its address is banned already
	}
	s := l.get(now, p)
	l.fade(s, now)
	s.points[act] += actPoints[act]
	limit := l.limit(p)
	sum, most := 0.0, Act(0)
	for i, v := range s.points {
		sum += v
		if v > s.points[most] {
			most = Act(i)
		}
	}
	if sum < limit {
		return Ban{}, false
	}
	s.points, s.names = [numActs]float64{}, 0
	return l.ban(now, s, actReasons[most]), true
}

func (l *List) ban(now time.Time, s *source, why Reason) Ban {
	if s.strikes > 0 && now.Sub(s.last) > l.cfg.Longest {
		s.strikes = 0
	}
	s.strikes++
	d := l.cfg.First
	for i := 1; i < s.strikes && d < l.cfg.Longest; i++ {
		d *= time.Duration(l.cfg.Growth)
	}
	d = min(d, l.cfg.Longest)
	b := &Ban{Source: s.prefix, Reason: why, Since: now, Until: now.Add(d), Strikes: s.strikes}
	s.last = b.Until
	l.put(b)
	return *b
}

func (l *List) put(b *Ban) {
	if _, ok := l.bans[b.Source]; !ok && len(l.bans) >= l.cfg.MaxBans {
		var victim *Ban
		for _, o := range l.bans {
			if victim == nil || o.Until.Before(victim.Until) {
				victim = o
			}
		}
		delete(l.bans, victim.Source)
	}
	l.bans[b.Source] = b
}

func (l *List) get(now time.Time, p netip.Prefix) *source {
	if e := l.sources[p]; e != nil {
		l.lru.MoveToFront(e)
		return e.Value.(*source)
	}
	if len(l.sources) >= l.cfg.MaxSources {
		e := l.lru.Back()
		delete(l.sources, e.Value.(*source).prefix)
		l.lru.Remove(e)
	}
	s := &source{prefix: p, at: now}
	l.sources[p] = l.lru.PushFront(s)
	return s
}

// Add bans by command, for d (at most 10 years; 0 = the longest of the
// configuration). Only a source on the allow list is refused: false.
func (l *List) Add(now time.Time, p netip.Prefix, d time.Duration) (Ban, bool) {
	p = Source(p.Addr())
	if l.Allowed(p.Addr()) {
		return Ban{}, false
	}
	if d <= 0 {
		d = l.cfg.Longest
	}
	b := &Ban{Source: p, Reason: ByCommand, Since: now, Until: now.Add(min(d, 10*365*24*time.Hour)), Strikes: 1}
	l.put(b)
	return *b, true
}

// Lift ends a ban and forgets what led to it; false when there was none.
func (l *List) Lift(p netip.Prefix) bool {
	p = Source(p.Addr())
	_, ok := l.bans[p]
	delete(l.bans, p)
	if e := l.sources[p]; e != nil {
		delete(l.sources, p)
		l.lru.Remove(e)
	}
	return ok
}

// Expire drops bans and flows that ended, and reports how many bans did.
func (l *List) Expire(now time.Time) (ended int) {
	for p, b := range l.bans {
		if !now.Before(b.Until) {
			delete(l.bans, p)
			ended++
		}
	}
	for f, until := range l.flows {
		if !now.Before(until) {
			l.Distrust(f)
		}
	}
	return ended
}

// Bans lists what is banned now, the newest first.
func (l *List) Bans(now time.Time) []Ban {
	out := make([]Ban, 0, len(l.bans))
	for _, b := range l.bans {
		if now.Before(b.Until) {
			out = append(out, *b)
		}
	}
	slices.SortFunc(out, func(a, b Ban) int {
		if c := b.Since.Compare(a.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Source.String(), b.Source.String())
	})
	return out
}

// Load takes the bans of an earlier process; those that ended are skipped, but
// their strikes count.
func (l *List) Load(now time.Time, bans []Ban) {
	for _, b := range bans {
		if !b.Source.IsValid() || l.Allowed(b.Source.Addr()) {
			continue
		}
		b.Source = Source(b.Source.Addr())
		if b.Reason != ByCommand && b.Strikes > 0 {
			s := l.get(now, b.Source)
			s.strikes, s.last = b.Strikes, b.Until
		}
		if now.Before(b.Until) && len(l.bans) < l.cfg.MaxBans {
			l.put(&b)
		}
	}
}
