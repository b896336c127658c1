package sip

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/pkg/sip/ban"
	"github.com/centrala/centrala/pkg/sip/digest"
	"github.com/centrala/centrala/pkg/sip/overload"
)

// Memory keeps a few small values that must outlive the process: bans, brakes and
// what makes nonces ours. pkg/store implements it.
type Memory interface {
	// LoadValue returns nil when nothing is kept under that name.
	LoadValue(ctx context.Context, name string) ([]byte, error)
	SaveValue(ctx context.Context, name string, value []byte) error
}

// Names of the values in Memory.
const (
	memBans   = "sip_bans"
	memBrakes = "sip_brakes"
	memNonces = "sip_nonces"
)

// Defence configures how the stack protects itself. The zero value is on, with
// every default.
type Defence struct {
	BansOff     bool // nobody is banned; what is added by command still is
	Bans        ban.Config
	OverloadOff bool
	Overload    overload.Config
	// DrainRegister is what a REGISTER gets while draining: "" (or "serve") is
	// served, "refuse" gets 503 with Retry-After, "redirect" 302 to DrainTo.
	DrainRegister string
	DrainTo       string // sip URI of another node
}

// guardian is what all shards share of bans.
type guardian struct {
	on      bool
	count   atomic.Int32 // bans; 0: the readers need not ask
	mu      sync.Mutex
	list    *ban.List
	dirty   bool
	changed bool // by command: do not wait
	key     [32]byte
}

// shut reports whether what comes from a peer is to be dropped unread. Carriers
// are heard whatever was sent in their name.
func (s *Stack) shut(from netip.AddrPort) bool {
	g := &s.guard
	if g.count.Load() == 0 {
		return false
	}
	g.mu.Lock()
	banned := g.list.Banned(time.Now(), from)
	g.mu.Unlock()
	if !banned || s.isTrunk(from) {
		return false
	}
	s.met.dropped[dropBanned].Inc()
	return true
}

func (s *Stack) isTrunk(from netip.AddrPort) bool {
	_, _, ok := s.matchTrunk(from)
	return ok
}

// act counts what a peer did, and proved to have done, against its address.
func (s *Stack) act(h hop, act ban.Act) {
	s.note(h.remote, func(now time.Time) (ban.Ban, bool) { return s.guard.list.Note(now, h.remote.Addr(), act) })
}

// actName is for a name that does not exist, actUnread for what cannot be read:
// proved by a connection, doubtful by UDP.
func (s *Stack) actName(h hop, act ban.Act, name string) {
	if h.conn == nil {
		s.doubt(h, act, name)
		return
	}
	s.note(h.remote, func(now time.Time) (ban.Ban, bool) {
		return s.guard.list.NoteName(now, h.remote.Addr(), act, s.nameHash(name))
	})
}

func (s *Stack) actUnread(h hop) {
	if h.conn == nil {
		s.doubt(h, ban.Malformed, "")
		return
	}
	s.act(h, ban.Malformed)
}

// doubt counts what somebody may have sent in the name of an address. name "" is none.
func (s *Stack) doubt(h hop, act ban.Act, name string) {
	if !s.guard.on || s.isTrunk(h.remote) {
		return
	}
	hash := uint64(0)
	if name != "" {
		hash = s.nameHash(name) | 1<<63 // not 0; the low bits are looked at
	}
	g := &s.guard
	g.mu.Lock()
	g.list.Doubt(time.Now(), h.remote.Addr(), act, hash)
	g.mu.Unlock()
}

// slow reports whether a request by UDP that proves nothing gets no answer, as its
// source has sent too much of the kind that scanners send.
func (s *Stack) slow(h hop) bool {
	if h.conn != nil || !s.guard.on {
		return false
	}
	g := &s.guard
	g.mu.Lock()
	slow := g.list.Slow(time.Now(), h.remote)
	g.mu.Unlock()
	if slow = slow && !s.isTrunk(h.remote); slow {
		s.met.dropped[dropSlowed].Inc()
	}
	return slow
}

func (s *Stack) note(from netip.AddrPort, count func(time.Time) (ban.Ban, bool)) {
	if !s.guard.on || s.isTrunk(from) {
		return
	}
	g := &s.guard
	g.mu.Lock()
	b, banned := count(time.Now())
	if banned {
		g.dirty = true
		g.count.Store(int32(g.list.Len()))
		s.met.bans.Set(float64(g.list.Len()))
	}
	g.mu.Unlock()
	if banned {
		s.met.bansTotal[b.Reason].Inc()
		s.log.Warn("source banned", zap.String("remote", b.Source.String()), zap.String("reason", string(b.Reason)),
			zap.Duration("for", b.Until.Sub(b.Since)), zap.Int("strikes", b.Strikes))
	}
}

// nameHash is the same in every process that shares Memory, and nobody else's.
func (s *Stack) nameHash(name string) uint64 {
	b := make([]byte, 0, 96)
	b = append(b, s.guard.key[:]...)
	sum := sha256.Sum256(append(b, name...))
	return binary.BigEndian.Uint64(sum[:])
}

// trust notes that a device proved itself on this flow.
func (s *Stack) trust(from netip.AddrPort, until time.Time) {
	g := &s.guard
	g.mu.Lock()
	g.list.Trust(time.Now(), from, until)
	g.mu.Unlock()
}

func (s *Stack) distrust(from netip.AddrPort) {
	g := &s.guard
	g.mu.Lock()
	g.list.Distrust(from)
	g.mu.Unlock()
}

// Bans lists the sources that are not listened to, the newest first.
func (s *Stack) Bans() []ban.Ban {
	g := &s.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.list.Bans(time.Now())
}

// ErrAllowed: the source is on the allow list.
var ErrAllowed = errors.New("sip: the source is on the allow list (sip.defence.allow)")

// Ban stops listening to a source (an IPv4 address, an IPv6 /64) for d; 0 is the
// longest ban of the configuration.
func (s *Stack) Ban(source netip.Prefix, d time.Duration) (ban.Ban, error) {
	g := &s.guard
	g.mu.Lock()
	b, ok := g.list.Add(time.Now(), source, d)
	g.count.Store(int32(g.list.Len()))
	s.met.bans.Set(float64(g.list.Len()))
	g.dirty, g.changed = true, true
	g.mu.Unlock()
	if !ok {
		return b, ErrAllowed
	}
	s.met.bansTotal[b.Reason].Inc()
	s.wakeKeeper()
	return b, nil
}

// Unban ends a ban and the brake on its source; false when it was not banned.
func (s *Stack) Unban(source netip.Prefix) bool {
	g := &s.guard
	g.mu.Lock()
	ok := g.list.Lift(source)
	g.count.Store(int32(g.list.Len()))
	s.met.bans.Set(float64(g.list.Len()))
	g.dirty, g.changed = true, true
	g.mu.Unlock()
	s.door.mu.Lock()
	src := ban.Source(source.Addr()).Addr()
	for k := range s.door.brake.entries {
		if k.src == src {
			delete(s.door.brake.entries, k)
		}
	}
	s.door.mu.Unlock()
	s.wakeKeeper()
	return ok
}

// SetAllow replaces the allow list; bans of what is on it end.
func (s *Stack) SetAllow(allow []netip.Prefix) {
	g := &s.guard
	g.mu.Lock()
	g.list.SetAllow(allow)
	g.count.Store(int32(g.list.Len()))
	s.met.bans.Set(float64(g.list.Len()))
	g.dirty = true
	g.mu.Unlock()
}

func (s *Stack) wakeKeeper() {
	select {
	case s.door.wake <- struct{}{}:
	default:
	}
}

// shed answers new work that a busy node does not take: before digest, without
// state. Emergency calls are taken, up to a rate that no flood of them is.
func (sh *shard) shed(k overload.Kind, req *sip.Request, h hop) bool {
	s := sh.s
	if s.cfg.Defence.OverloadOff {
		return false
	}
	sh.over.CPU(float64(s.cpuShare.Load()) / 1000)
	if s.deps.Backlog != nil {
		sh.over.Backlog(s.deps.Backlog())
	}
	sh.over.Refused(sh.now, overload.Call, int(sh.turnedAway.Swap(0)))
	taken := sh.over.Admit(sh.now, k)
	sh.limit.Store(math.Float64bits(sh.over.Limit(overload.Call)))
	if taken {
		return false
	}
	if k == overload.Call && sh.urgent(req) {
		return false
	}
	s.met.shed[k].Inc()
	s.answer(req, h, 503, "", s.retryAfter())
	return true
}

// urgentRate is how many emergency calls a second pass when others do not, for each shard.
const urgentRate = 20

// urgent reports an emergency call within the rate.
func (sh *shard) urgent(req *sip.Request) bool {
	if sh.s.deps.Urgent == nil || !sh.s.deps.Urgent(unescape(req.Recipient.User)) {
		return false
	}
	if sec := sh.now.Unix(); sec != sh.urgentSec {
		sh.urgentSec, sh.urgentN = sec, 0
	}
	sh.urgentN++
	return sh.urgentN <= urgentRate
}

// drainRegister answers a REGISTER of a node that is going away; false: serve it.
func (sh *shard) drainRegister(req *sip.Request, h hop) bool {
	s := sh.s
	if !s.draining.Load() {
		return false
	}
	switch s.cfg.Defence.DrainRegister {
	case "refuse":
		s.answer(req, h, 503, "", s.retryAfter())
	case "redirect":
		// RFC 3261 21.3.3; 10.2.7 lets a registrar answer like any UAS.
		s.answer(req, h, 302, "", Header{Name: "Contact", Value: "<" + s.cfg.Defence.DrainTo + ">"})
	default:
		return false
	}
	return true
}

// sources counts dialogs by the source they came from: devices' alone.
type sources struct {
	sync.Mutex
	n map[netip.Addr]int
}

// take counts one in; false: the source has as many as it may.
func (c *sources) take(src netip.Addr, most int) bool {
	c.Lock()
	defer c.Unlock()
	if c.n[src] >= most {
		return false
	}
	if c.n == nil {
		c.n = map[netip.Addr]int{}
	}
	c.n[src]++
	return true
}

func (c *sources) give(src netip.Addr) {
	c.Lock()
	defer c.Unlock()
	if c.n[src]--; c.n[src] <= 0 {
		delete(c.n, src)
	}
}

// watchCPU measures the process's share of the CPUs it may use, a few times a second.
func (s *Stack) watchCPU() {
	defer s.wg.Done()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	last, used := time.Now(), cpuTime()
	for {
		select {
		case <-s.done:
			return
		case now := <-tick.C:
			u := cpuTime()
			if d := now.Sub(last); d > 0 {
				s.cpuShare.Store(int64(1000 * float64(u-used) / (float64(d) * float64(runtime.GOMAXPROCS(0)))))
			}
			last, used = now, u
		}
	}
}

func cpuTime() time.Duration {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// savedBrake is a brakeEntry in Memory.
type savedBrake struct {
	Source netip.Addr `json:"source"`
	User   uint64     `json:"user,string"` // 0: the whole source
	Wrong  int        `json:"wrong"`
	Last   time.Time  `json:"last"`
	Until  time.Time  `json:"until"`
	Right  time.Time  `json:"right,omitzero"`
}

// savedNonces is what makes the nonces of an earlier process ours still.
type savedNonces struct {
	Secret []byte `json:"secret"`
	// Counts are those taken, as of a stop in order. After a kill they are missing,
	// and nonces issued before Start are stale: a count that was used must not be
	// taken twice, and nobody knows which were.
	Counts []byte `json:"counts,omitempty"`
}

// recall loads what an earlier process remembered.
func (s *Stack) recall(ctx context.Context) error {
	m := s.deps.Memory
	if m == nil {
		return nil
	}
	now := time.Now()
	var nonces savedNonces
	if err := load(ctx, m, memNonces, &nonces); err != nil {
		return err
	}
	if len(nonces.Secret) >= 16 {
		s.secret = nonces.Secret
		s.door.mu.Lock()
		s.door.digest = digest.NewServer(digest.ServerConfig{Realm: s.cfg.Realm, Secret: s.secret}, s.rand.Uint64())
		if !s.door.digest.LoadCounts(nonces.Counts) {
			s.door.digest.Forget(now)
		}
		s.door.mu.Unlock()
	}
	// What is on disk from here on says "killed", until Stop.
	if err := save(ctx, m, memNonces, savedNonces{Secret: s.secret}); err != nil {
		return err
	}
	s.guard.key = sha256.Sum256(append([]byte("names "), s.secret...))
	var bans []ban.Ban
	if err := load(ctx, m, memBans, &bans); err != nil {
		return err
	}
	s.guard.mu.Lock()
	s.guard.list.Load(now, bans)
	s.guard.count.Store(int32(s.guard.list.Len()))
	s.met.bans.Set(float64(s.guard.list.Len()))
	s.guard.mu.Unlock()
	var brakes []savedBrake
	if err := load(ctx, m, memBrakes, &brakes); err != nil {
		return err
	}
	s.door.mu.Lock()
	for _, b := range brakes {
		if len(s.door.brake.entries) < brakeEntries {
			s.door.brake.entries[brakeKey{b.Source, b.User}] = &brakeEntry{wrong: b.Wrong, last: b.Last, until: b.Until, right: b.Right}
		}
	}
	s.door.mu.Unlock()
	return nil
}

func load(ctx context.Context, m Memory, name string, v any) error {
	b, err := m.LoadValue(ctx, name)
	if err != nil || len(b) == 0 {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("sip: value %q: %w", name, err)
	}
	return nil
}

func save(ctx context.Context, m Memory, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return m.SaveValue(ctx, name, b)
}

// maxSavedBrakes bounds the brakes written: those that stop somebody now.
const maxSavedBrakes = 4096

// remember writes what changed: bans at once, brakes with the tick, the counts of
// nonces at the end. Keeper.
func (s *Stack) remember(last bool) {
	m := s.deps.Memory
	now := time.Now()
	g := &s.guard
	g.mu.Lock()
	if now.Sub(s.expired) >= 10*time.Second || last {
		s.expired = now
		if g.list.Expire(now) > 0 {
			g.dirty = true
		}
		g.count.Store(int32(g.list.Len()))
		s.met.bans.Set(float64(g.list.Len()))
	}
	// A flood of sources must not become a flood of writes.
	write := m != nil && g.dirty && (g.changed || last || now.Sub(s.saved) >= 2*time.Second)
	var bans []ban.Ban
	if write {
		g.dirty, g.changed = false, false
		s.saved = now
		bans = g.list.Bans(now)
	}
	g.mu.Unlock()
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	if write {
		if bans == nil {
			bans = []ban.Ban{}
		}
		if err := save(ctx, m, memBans, bans); err != nil {
			errs = append(errs, err)
			g.mu.Lock()
			g.dirty = true
			g.mu.Unlock()
		}
	}
	if last || now.Sub(s.braked) >= 5*time.Second {
		s.braked = now
		s.door.mu.Lock()
		changed := s.door.brake.changed
		s.door.brake.changed = false
		var out []savedBrake
		if changed {
			for k, e := range s.door.brake.entries {
				if e.wrong > 0 && now.Sub(e.last) < brakeForget && len(out) < maxSavedBrakes {
					out = append(out, savedBrake{k.src, k.user, e.wrong, e.last, e.until, e.right})
				}
			}
		}
		s.door.mu.Unlock()
		if changed {
			errs = append(errs, save(ctx, m, memBrakes, out))
		}
	}
	if last {
		s.door.mu.Lock()
		counts := s.door.digest.Counts()
		s.door.mu.Unlock()
		errs = append(errs, save(ctx, m, memNonces, savedNonces{Secret: s.secret, Counts: counts}))
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Warn("bans and brakes not stored; trying again", zap.Error(err))
	}
}
