package ban

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 3, 29, 0, 59, 59, 0, time.UTC)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
func ad(s string) netip.Addr     { return netip.MustParseAddr(s) }

// until notes an act until it bans, and tells how many it took.
func until(t *testing.T, l *List, now time.Time, a string, act Act) (int, Ban) {
	t.Helper()
	for i := 1; i <= 5000; i++ {
		if b, banned := l.Note(now, ad(a), act); banned {
			return i, b
		}
	}
	t.Fatal("never banned")
	return 0, Ban{}
}

func TestActsBan(t *testing.T) {
	for _, c := range []struct {
		act    Act
		n      int
		reason Reason
	}{{WrongPassword, 13, Guessing}, {UnknownName, 17, Scanning}, {UnknownNumber, 34, Scanning}, {Malformed, 100, Flooding}} {
		l := New(Config{})
		n, b := until(t, l, t0, "192.0.2.7", c.act)
		if n != c.n || b.Reason != c.reason || b.Strikes != 1 || b.Until.Sub(b.Since) != time.Minute {
			t.Errorf("act %d: after %d: %+v", c.act, n, b)
		}
		if !l.Banned(t0, ap("192.0.2.7:9")) || l.Banned(t0, ap("192.0.2.8:9")) || l.Banned(b.Until, ap("192.0.2.7:9")) {
			t.Error("banned the wrong ones, or too long")
		}
	}
}

func TestSlowIsForgiven(t *testing.T) {
	l := New(Config{})
	// A phone with a wrong password behind the brake tries once in a while.
	for i := range 1000 {
		if _, banned := l.Note(t0.Add(time.Duration(i)*time.Minute), ad("192.0.2.7"), WrongPassword); banned {
			t.Fatalf("banned at try %d", i)
		}
	}
}

func TestBansGrow(t *testing.T) {
	l := New(Config{First: time.Minute, Growth: 4, Longest: time.Hour})
	now := t0
	for i, want := range []time.Duration{time.Minute, 4 * time.Minute, 16 * time.Minute, time.Hour, time.Hour} {
		_, b := until(t, l, now, "192.0.2.7", WrongPassword)
		if got := b.Until.Sub(b.Since); got != want || b.Strikes != i+1 {
			t.Errorf("ban %d lasts %s, want %s", i+1, got, want)
		}
		now = b.Until
	}
	// Long quiet: a first one again.
	if _, b := until(t, l, now.Add(61*time.Minute), "192.0.2.7", WrongPassword); b.Strikes != 1 {
		t.Errorf("strikes %d after a quiet hour", b.Strikes)
	}
}

func TestIPv6IsANet(t *testing.T) {
	l := New(Config{})
	for i := range 13 {
		l.Note(t0, ad(fmt.Sprintf("2001:db8:1:2::%x", i+1)), WrongPassword)
	}
	if !l.Banned(t0, ap("[2001:db8:1:2:ffff::1]:5060")) || l.Banned(t0, ap("[2001:db8:1:3::1]:5060")) {
		t.Error("want the /64 banned and no other")
	}
	// An IPv4 address on an IPv6 socket is the IPv4 address.
	until(t, l, t0, "::ffff:192.0.2.7", WrongPassword)
	if !l.Banned(t0, ap("192.0.2.7:1")) {
		t.Error("mapped address escapes")
	}
}

func TestPhonesBehindTheSameNAT(t *testing.T) {
	l := New(Config{})
	phone, guest := ap("192.0.2.7:40001"), ap("192.0.2.7:40002")
	l.Trust(t0, phone, t0.Add(time.Hour))
	n, b := until(t, l, t0, "192.0.2.7", WrongPassword)
	if n != 125 { // ten times 12.5
		t.Errorf("banned after %d acts", n)
	}
	if l.Banned(t0, phone) {
		t.Error("the phone is shut out by its neighbour")
	}
	if !l.Banned(t0, guest) {
		t.Error("the neighbour is not")
	}
	// The phone's own faults do not ban it either while it is registered.
	for range 2000 {
		l.Note(t0, phone.Addr(), WrongPassword)
	}
	if l.Banned(b.Since, phone) {
		t.Error("banned")
	}
	l.Distrust(phone)
	l.Distrust(phone)
	if !l.Banned(t0, phone) {
		t.Error("trusted after its registration ended")
	}
	if len(l.phones) != 0 || len(l.flows) != 0 {
		t.Errorf("left: %v %v", l.phones, l.flows)
	}
}

func TestTrustEnds(t *testing.T) {
	l := New(Config{})
	phone := ap("192.0.2.7:40001")
	l.Trust(t0, phone, t0.Add(time.Minute))
	l.Trust(t0, phone, t0.Add(time.Second)) // an older word does not shorten it
	l.Add(t0, netip.MustParsePrefix("192.0.2.7/32"), time.Hour)
	if l.Banned(t0.Add(59*time.Second), phone) || !l.Banned(t0.Add(time.Minute), phone) {
		t.Error("trust of the wrong length")
	}
	if l.Expire(t0.Add(time.Minute)) != 0 || len(l.flows) != 0 || l.Len() != 1 {
		t.Error("expire")
	}
	if l.Expire(t0.Add(time.Hour)) != 1 || l.Len() != 0 {
		t.Error("expire")
	}
}

func TestSuccessPaysForChallenges(t *testing.T) {
	l := New(Config{})
	for i := range 1000 { // an office of phones that each mistype once
		f := netip.AddrPortFrom(ad("192.0.2.7"), uint16(1000+i))
		if _, banned := l.Note(t0, f.Addr(), WrongPassword); banned {
			t.Fatal("banned")
		}
		l.Trust(t0, f, t0.Add(time.Hour))
	}
}

func TestAllowListAndLift(t *testing.T) {
	l := New(Config{Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	for range 1000 {
		l.Note(t0, ad("198.51.100.9"), Malformed)
	}
	if _, ok := l.Add(t0, netip.MustParsePrefix("198.51.100.9/32"), time.Hour); ok || l.Len() != 0 {
		t.Error("an allowed source was banned")
	}
	until(t, l, t0, "192.0.2.7", Malformed)
	if !l.Lift(netip.MustParsePrefix("192.0.2.7/32")) || l.Lift(netip.MustParsePrefix("192.0.2.7/32")) || l.Banned(t0, ap("192.0.2.7:1")) {
		t.Error("lift")
	}
	if _, b := until(t, l, t0, "192.0.2.7", Malformed); b.Strikes != 1 {
		t.Error("a lifted ban counts against the source")
	}
	l.SetAllow([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")})
	if l.Len() != 0 {
		t.Error("a ban outlives its source's permission")
	}
}

func TestSaveAndLoad(t *testing.T) {
	l := New(Config{})
	_, b := until(t, l, t0, "192.0.2.7", Malformed)
	_, old := until(t, l, t0.Add(-time.Hour), "192.0.2.8", Malformed)
	again := New(Config{})
	again.Load(t0, append(l.Bans(t0), old, Ban{}))
	if got := again.Bans(t0); len(got) != 1 || got[0] != b {
		t.Errorf("loaded %+v", got)
	}
	if _, b := until(t, again, t0, "192.0.2.8", Malformed); b.Strikes != 2 {
		t.Error("strikes are forgotten by a restart")
	}
}

func TestNames(t *testing.T) {
	l := New(Config{})
	for i := range 5000 { // one phone whose name is misspelt, every second
		if _, banned := l.NoteName(t0.Add(time.Duration(i)*time.Second), ad("192.0.2.7"), UnknownName, 77); banned {
			t.Fatal("banned for one name")
		}
	}
	for i := range 200 { // 100, 101, 102 ...
		if b, banned := l.NoteName(t0.Add(time.Duration(i)*100*time.Millisecond), ad("192.0.2.8"), UnknownName, uint64(i)*0x9e3779b97f4a7c15>>32); banned {
			if i > 40 || b.Reason != Scanning {
				t.Errorf("after %d names: %+v", i, b)
			}
			return
		}
	}
	t.Error("200 names in 20 s are no scan")
}

// Whatever comes, memory stays within its bounds and nothing allowed or trusted is
// banned.
func TestBounds(t *testing.T) {
	allowed, phone := netip.MustParsePrefix("10.0.0.0/30"), ap("10.0.0.9:5060")
	rapid.Check(t, func(rt *rapid.T) {
		l := New(Config{MaxSources: 8, MaxBans: 4, MaxFlows: 3, Limit: 5, Allow: []netip.Prefix{allowed}})
		now := t0
		l.Trust(now, phone, now.Add(1000*time.Hour))
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "s")) * time.Second)
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 20).Draw(rt, "a"))})
			switch rapid.IntRange(0, 6).Draw(rt, "op") {
			case 0:
				l.Trust(now, netip.AddrPortFrom(a, uint16(rapid.IntRange(1, 4).Draw(rt, "p"))), now.Add(time.Minute))
			case 1:
				l.Expire(now)
			case 2:
				l.Add(now, netip.PrefixFrom(a, 32), time.Minute)
			case 3:
				l.Lift(netip.PrefixFrom(a, 32))
			default:
				l.Note(now, a, Act(rapid.IntRange(0, 3).Draw(rt, "act")))
			}
			if len(l.sources) > 8 || l.lru.Len() != len(l.sources) || len(l.bans) > 4 || len(l.flows) > 3 {
				rt.Fatalf("%d sources, %d in the list, %d bans, %d flows", len(l.sources), l.lru.Len(), len(l.bans), len(l.flows))
			}
			n := 0
			for _, v := range l.phones {
				n += v
			}
			if n != len(l.flows) {
				rt.Fatalf("%d phones counted, %d flows", n, len(l.flows))
			}
			if l.Banned(now, phone) || l.Banned(now, ap("10.0.0.1:5060")) {
				rt.Fatal("banned somebody who may not be")
			}
		}
	})
}

func BenchmarkBanned(b *testing.B) {
	l := New(Config{})
	for i := range 10000 {
		l.Add(t0, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 32), time.Hour)
	}
	from := ap("10.2.0.1:5060")
	b.ReportAllocs()
	for b.Loop() {
		l.Banned(t0, from)
	}
}

// What anybody may have sent in a source's name makes it slow, and nothing else.
func TestDoubtOnlySlows(t *testing.T) {
	l := New(Config{})
	guest, phone := ap("192.0.2.7:1"), ap("192.0.2.8:1")
	l.Trust(t0, phone, t0.Add(time.Hour))
	for i := range 5000 {
		l.Doubt(t0, guest.Addr(), Malformed, 0)
		l.Doubt(t0, phone.Addr(), UnknownName, uint64(i+1))
		l.Doubt(t0, phone.Addr(), WrongPassword, 0)
	}
	if l.Len() != 0 || l.Banned(t0, guest) {
		t.Error("banned")
	}
	through := func(from netip.AddrPort, at time.Time) (n int) {
		for i := range 1000 {
			if !l.Slow(at.Add(time.Duration(i)*time.Millisecond), from) {
				n++
			}
		}
		return n
	}
	if n := through(guest, t0); n != 5 {
		t.Errorf("%d answers in a second", n)
	}
	if n := through(phone, t0); n != 1000 {
		t.Errorf("a phone's own flow got %d answers", n)
	}
	if n := through(ap("192.0.2.8:2"), t0); n != 5 {
		t.Errorf("its neighbour got %d answers", n)
	}
	if n := through(ap("192.0.2.9:1"), t0); n != 1000 {
		t.Errorf("another source got %d answers", n)
	}
	// Forgotten: the points are capped at twice the limit.
	if n := through(guest, t0.Add(11*time.Minute)); n != 1000 {
		t.Errorf("%d answers when it is forgotten", n)
	}
	// One name again and again is a typing error, and clears no name that is proved.
	typo := ap("192.0.2.10:1")
	for range 1000 {
		l.Doubt(t0, typo.Addr(), UnknownName, 7)
	}
	for i := range 64 {
		l.Doubt(t0, typo.Addr(), UnknownNumber, uint64(i)|1<<63)
	}
	banned := false
	for i := range 64 {
		_, b := l.NoteName(t0, typo.Addr(), UnknownName, uint64(i))
		banned = banned || b
	}
	if !banned {
		t.Error("a scan by a connection was covered by a scan by UDP")
	}
	l.SetAllow([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
	l.Doubt(t0, ad("192.0.2.11"), WrongPassword, 0)
	if l.sources[Source(ad("192.0.2.11"))] != nil {
		t.Error("an allowed source is counted")
	}
}
