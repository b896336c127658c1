package sip

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/centrala/centrala/pkg/sip/ban"
	"github.com/centrala/centrala/pkg/sip/digest"
	"github.com/centrala/centrala/pkg/sip/registrar"
)

// memory is a Memory and a registrar.Store in memory.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	bound  map[registrar.ID]registrar.Binding
	writes int
}

func newMemory() *memory {
	return &memory{values: map[string][]byte{}, bound: map[registrar.ID]registrar.Binding{}}
}

func (m *memory) LoadValue(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[name], nil
}

func (m *memory) SaveValue(_ context.Context, name string, v []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] = append([]byte(nil), v...)
	m.writes++
	return nil
}

func (m *memory) SaveBindings(_ context.Context, list []registrar.Binding) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range list {
		m.bound[b.ID] = b
	}
	return nil
}

func (m *memory) DeleteBindings(_ context.Context, ids []registrar.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.bound, id)
	}
	return nil
}

func (m *memory) LoadBindings(context.Context) (out []registrar.Binding, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.bound {
		out = append(out, b)
	}
	return out, nil
}

func (m *memory) copy() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newMemory()
	for k, v := range m.values {
		c.values[k] = v
	}
	for k, v := range m.bound {
		c.bound[k] = v
	}
	return c
}

func with(m *memory) testOption { return func(_ *Config, d *Deps) { d.Memory, d.Bindings = m, m } }

// from makes a wire of another address on the bench's network.
func (b *bench) from(a string) *wire { return b.n.wire(b.t, a) }

// guess sends REGISTERs with a wrong password until nothing is answered.
func (b *bench) guess(w *wire, user func(i int) string) int {
	b.t.Helper()
	for i := range 500 {
		m := register(user(i), fmt.Sprintf("g%d-%d", w.u.addr.Port(), i), i+1)
		w.send(b.to, m)
		ch := w.read(time.Second)
		if ch == "" {
			return i
		}
		w.send(b.to, register(user(i), fmt.Sprintf("h%d-%d", w.u.addr.Port(), i), i+2, credentials(b.t, ch, user(i), "wrong", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1)))
		w.read(time.Second)
	}
	b.t.Fatal("never stopped")
	return 0
}

// noise sends what is not SIP by connections of an address.
func (b *bench) noise(from string, n int) {
	b.t.Helper()
	for i := range n {
		c, err := b.n.dialFrom(addr(from), b.s.LocalAddr("tcp"))
		if err != nil {
			b.t.Fatal(err)
		}
		_, _ = fmt.Fprintf(c, "not sip at all, number %d, but long enough\r\n\r\n", i)
		time.Sleep(time.Millisecond)
		c.Close()
	}
	time.Sleep(2 * time.Second) // they wind down
}

func bans(s *Stack) string {
	var out []string
	for _, b := range s.Bans() {
		out = append(out, b.Source.String()+" "+string(b.Reason))
	}
	return strings.Join(out, ", ")
}

func TestGuessingIsBanned(t *testing.T) {
	run(t, false, func(b *bench) {
		w := b.from("198.51.100.7:5060")
		defer w.u.Close()
		n := b.guess(w, func(i int) string { return fmt.Sprint("user", i) })
		if n > 20 || bans(b.s) != "198.51.100.7/32 guessing" {
			t.Fatalf("after %d guesses: %q", n, bans(b.s))
		}
		w.send(b.to, text("OPTIONS", "x", "", 1))
		if m := w.read(time.Second); m != "" {
			t.Errorf("a banned source was answered: %q", m)
		}
		// Nor by TCP, and the neighbour is heard.
		c, err := b.n.dialFrom(addr("198.51.100.7"), b.s.LocalAddr("tcp"))
		if err != nil {
			t.Fatal(err)
		}
		if got, took := readAll(c, time.Minute); got != "" || took < 0 {
			t.Errorf("TCP of a banned source: %q, %v", got, took)
		}
		c.Close()
		b.send(text("OPTIONS", "y", "", 1))
		b.want("SIP/2.0 200")
		// It ends by itself, and the next one is longer.
		time.Sleep(61 * time.Second)
		w.send(b.to, text("OPTIONS", "z", "", 1))
		if m := w.read(time.Second); code(m) != "200" {
			t.Errorf("after the ban: %q", m)
		}
		b.guess(w, func(i int) string { return fmt.Sprint("user", 100+i) })
		list := b.s.Bans()
		if len(list) != 1 || list[0].Strikes != 2 || list[0].Until.Sub(list[0].Since) != 4*time.Minute {
			t.Errorf("second ban %+v", list)
		}
		if !b.s.Unban(netip.MustParsePrefix("198.51.100.7/32")) || bans(b.s) != "" {
			t.Error("lift")
		}
		w.send(b.to, text("OPTIONS", "lifted", "", 1))
		if m := w.read(time.Second); code(m) != "200" {
			t.Errorf("after the ban was lifted: %q", m)
		}
	})
}

func TestScanningIsBanned(t *testing.T) {
	for name, message := range map[string]func(i int) string{
		"register": func(i int) string { return register(fmt.Sprint(100+i), fmt.Sprint("r", i), 1) },
		"invite": func(i int) string {
			return strings.ReplaceAll(strings.ReplaceAll(text("INVITE", fmt.Sprint("i", i), "", 1, string(sdpA)), "user1", fmt.Sprint(100+i)), "call1@", fmt.Sprint("call", i, "@"))
		},
		"options": func(i int) string {
			return strings.ReplaceAll(text("OPTIONS", fmt.Sprint("o", i), "", 1), "sip:1000@", fmt.Sprintf("sip:%d@", 100+i))
		},
		"malformed": func(i int) string { return fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a.example.com\r\n\r\n", i) },
	} {
		want := "198.51.100.7/32 scanning"
		if name == "malformed" {
			want = "198.51.100.7/32 malformed"
		}
		t.Run(name, func(t *testing.T) {
			run(t, false, func(b *bench) {
				for i := range 300 {
					c, err := b.n.dialFrom(addr("198.51.100.7"), b.s.LocalAddr("tcp"))
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.WriteString(c, strings.ReplaceAll(message(i), "SIP/2.0/UDP", "SIP/2.0/TCP"))
					time.Sleep(50 * time.Millisecond)
					c.Close()
				}
				if got := bans(b.s); got != want {
					t.Errorf("banned: %q, want %q", got, want)
				}
			})
		})
		// By UDP anybody can do so in the name of another's address: it gets slow.
		t.Run(name+" by UDP", func(t *testing.T) {
			run(t, false, func(b *bench) {
				w := b.from("198.51.100.7:5060")
				defer w.u.Close()
				answered := 0
				for i := range 600 {
					w.send(b.to, message(i))
					for w.read(10*time.Millisecond) != "" {
						answered++
					}
				}
				if got := bans(b.s); got != "" {
					t.Errorf("banned: %q", got)
				}
				if name != "malformed" && answered > 100 {
					t.Errorf("%d answers in 6 s", answered)
				}
				if n := testutil.ToFloat64(b.s.met.dropped[dropSlowed]); name != "malformed" && n < 400 {
					t.Errorf("%v requests slowed", n)
				}
				// A phone there signs in all the same: it repeats its request.
				got := ""
				for i := 0; got != "200" && i < 20; i++ {
					w.send(b.to, register("user1", fmt.Sprint("p", i), 2*i))
					ch := w.read(500 * time.Millisecond)
					if code(ch) != "401" {
						continue
					}
					w.send(b.to, register("user1", fmt.Sprint("q", i), 2*i+1, credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1)))
					got = code(w.read(time.Second))
				}
				if got != "200" {
					t.Errorf("the phone got %q", got)
				}
			})
		})
	}
}

// Whoever writes another's address on his packets gets none of its phones shut
// out, with a nonce of his own or with none; nor does he guess for nothing.
func TestForgedSource(t *testing.T) {
	run(t, false, func(b *bench) {
		evil, phone := b.from("198.51.100.66:5060"), b.from("198.51.100.7:5060")
		defer evil.u.Close()
		defer phone.u.Close()
		evil.send(b.to, register("user1", "e", 1))
		own := evil.read(time.Second) // a challenge for his own address
		for i := range 300 {
			m := register("user1", fmt.Sprint("f", i), i+2, credentials(t, own, "user1", "wrong", "REGISTER", "sip:192.0.2.1", digest.SHA256, uint32(i+1)))
			if i%2 == 0 {
				m = strings.Replace(m, `nonce="`, `nonce="x`, 1)
			}
			phone.send(b.to, m) // as it looks to us
			if m := phone.read(10 * time.Millisecond); m != "" && code(m) != "401" {
				t.Fatal(m)
			}
		}
		if got := bans(b.s); got != "" {
			t.Fatalf("banned: %q", got)
		}
		// The right password with a nonce of another address is not looked at.
		phone.send(b.to, register("user1", "g", 900, credentials(t, own, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.SHA256, 900)))
		if m := phone.read(time.Second); m != "" && !strings.Contains(m, "stale=true") {
			t.Errorf("nonce of another: %q", m)
		}
		time.Sleep(time.Second)
		phone.send(b.to, register("user1", "h", 901))
		ch := phone.read(time.Second)
		phone.send(b.to, register("user1", "i", 902, credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1)))
		if m := phone.read(time.Second); code(m) != "200" {
			t.Errorf("the phone got %q", m)
		}
	})
}

// What a phone of the house does in a bad week is no attack.
func TestPhonesAreNotBanned(t *testing.T) {
	run(t, false, func(b *bench) {
		w := b.from("198.51.100.7:5060")
		defer w.u.Close()
		for i := range 500 { // a misspelt name, every ten seconds
			w.send(b.to, register("maria", fmt.Sprint("m", i), 2*i))
			ch := w.read(time.Second)
			if code(ch) != "401" {
				t.Fatalf("try %d: %q", i, ch)
			}
			time.Sleep(10 * time.Second)
		}
		if got := bans(b.s); got != "" {
			t.Errorf("banned: %q", got)
		}
	})
}

// An office behind one NAT: whoever guesses there is shut out, the phones work.
func TestBanSparesPhonesBehindTheSameNAT(t *testing.T) {
	mem := newMemory()
	run(t, false, func(b *bench) {
		phone, guest := b.from("198.51.100.7:40001"), b.from("198.51.100.7:40002")
		defer phone.u.Close()
		defer guest.u.Close()
		signIn := func(cseq int) string {
			phone.send(b.to, register("user1", fmt.Sprint("p", cseq), cseq))
			ch := phone.read(time.Second)
			if ch == "" {
				return ""
			}
			phone.send(b.to, register("user1", fmt.Sprint("q", cseq), cseq+1, credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1), "Expires: 3600"))
			return code(phone.read(time.Second))
		}
		if got := signIn(1); got != "200" {
			t.Fatal(got)
		}
		b.noise("198.51.100.7", 2000)
		if got := bans(b.s); got != "198.51.100.7/32 malformed" {
			t.Fatalf("banned %q", got)
		}
		guest.send(b.to, text("OPTIONS", "x", "", 1))
		if m := guest.read(time.Second); m != "" {
			t.Errorf("the guest was answered: %q", m)
		}
		if got := signIn(3); got != "200" {
			t.Errorf("the phone got %q", got)
		}
		time.Sleep(3 * time.Second)

		// The same after a restart: ban and trust are remembered.
		stop(t, b.s)
		b.s = newStack(t, b.n, "192.0.2.1", b.h, with(mem.copy()))
		if got := bans(b.s); got != "198.51.100.7/32 malformed" {
			t.Errorf("after a restart: %q", got)
		}
		if got := signIn(5); got != "200" {
			t.Errorf("after a restart the phone got %q", got)
		}
		guest.send(b.to, text("OPTIONS", "z", "", 1))
		if m := guest.read(time.Second); m != "" {
			t.Errorf("after a restart the guest was answered: %q", m)
		}
	}, with(mem))
}

func TestTrunksAndAllowedAreNotBanned(t *testing.T) {
	run(t, true, func(b *bench) {
		b.noise("192.0.2.99", 300)
		b.noise("203.0.113.5", 300)
		if got := bans(b.s); got != "" {
			t.Errorf("banned %q", got)
		}
		if _, err := b.s.Ban(netip.MustParsePrefix("203.0.113.5/32"), time.Hour); err != ErrAllowed {
			t.Errorf("ban of an allowed source: %v", err)
		}
		if _, err := b.s.Ban(netip.MustParsePrefix("192.0.2.99/32"), time.Hour); err != nil {
			t.Error(err)
		}
		b.send(text("OPTIONS", "x", "", 1))
		b.want("SIP/2.0 200") // a trunk is heard all the same
	}, func(c *Config, _ *Deps) {
		c.Defence.Bans.Allow = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	})
}

// A nonce outlives a restart in order, a count does not come back; after a kill
// the nonces are stale, which phones answer by themselves.
func TestNoncesOverRestart(t *testing.T) {
	for _, killed := range []bool{false, true} {
		mem := newMemory()
		run(t, false, func(b *bench) {
			b.send(register("user1", "a", 1))
			ch := b.want("SIP/2.0 401")
			auth := func(nc uint32) string {
				return credentials(t, ch, "user1", "secret1", "REGISTER", "sip:192.0.2.1", digest.SHA256, nc)
			}
			b.send(register("user1", "b", 2, auth(1)))
			b.want("SIP/2.0 200")
			// Replay: another transaction with the same credentials.
			b.send(register("user1", "c", 3, auth(1)))
			if m := b.want("SIP/2.0 401"); !strings.Contains(m, "stale=true") {
				t.Errorf("replay: %q", m)
			}
			b.send(register("user1", "d", 4, auth(2)))
			b.want("SIP/2.0 200")
			time.Sleep(3 * time.Second)
			next := mem.copy() // as a kill leaves it
			stop(t, b.s)
			if !killed {
				next = mem.copy()
			}
			b.s = newStack(t, b.n, "192.0.2.1", b.h, with(next))
			if len(b.s.Contacts("default", "user1")) != 1 {
				t.Error("the registration is gone")
			}
			b.send(register("user1", "e", 5, auth(2)))
			if m := b.want("SIP/2.0 401"); !strings.Contains(m, "stale=true") {
				t.Errorf("replay after a restart: %q", m)
			}
			b.send(register("user1", "f", 6, auth(3)))
			if killed {
				if m := b.want("SIP/2.0 401"); !strings.Contains(m, "stale=true") {
					t.Errorf("after a kill: %q", m)
				}
			} else {
				b.want("SIP/2.0 200")
			}
			time.Sleep(6 * time.Minute) // longer than a nonce lives
			b.send(register("user1", "g", 7, auth(9)))
			if m := b.want("SIP/2.0 401"); !strings.Contains(m, "stale=true") {
				t.Errorf("old nonce: %q", m)
			}
		}, with(mem))
	}
}

func TestBrakeOverRestart(t *testing.T) {
	mem := newMemory()
	run(t, false, func(b *bench) {
		for i := range 7 { // one name: the brake, not the ban
			b.send(register("user1", fmt.Sprint("a", i), 2*i))
			ch := b.w.read(time.Second)
			if ch == "" {
				break
			}
			b.send(register("user1", fmt.Sprint("b", i), 2*i+1, credentials(t, ch, "user1", "wrong", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1)))
			b.w.read(2 * time.Second)
		}
		stop(t, b.s)
		b.s = newStack(t, b.n, "192.0.2.1", b.h, with(mem))
		b.send(register("user1", "c", 100))
		ch := b.want("SIP/2.0 401")
		b.send(register("user1", "d", 101, credentials(t, ch, "user1", "wrong", "REGISTER", "sip:192.0.2.1", digest.SHA256, 1)))
		b.silence(time.Second)
	}, with(mem))
}

func TestRegisterWhileDraining(t *testing.T) {
	for _, c := range []struct{ how, want, header, value string }{
		{"", "401", "", ""},
		{"refuse", "503", "Retry-After", ""},
		{"redirect", "302", "Contact", "<sip:192.0.2.77:5060>"},
	} {
		run(t, false, func(b *bench) {
			b.s.Drain(true)
			b.send(register("user1", "a", 1))
			m := b.want("SIP/2.0 " + c.want)
			if c.header != "" && (header(m, c.header) == "" || c.value != "" && header(m, c.header) != c.value) {
				t.Errorf("%s: %q", c.how, m)
			}
			b.s.Drain(false)
			b.send(register("user1", "b", 2))
			b.want("SIP/2.0 401")
		}, func(cfg *Config, _ *Deps) {
			cfg.Defence.DrainRegister, cfg.Defence.DrainTo = c.how, "sip:192.0.2.77:5060"
		})
	}
	if _, err := New(Config{Listeners: []Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("127.0.0.1:0")}}, Defence: Defence{DrainRegister: "redirect"}},
		Deps{Accounts: &house{}, Handler: &house{}}); err == nil {
		t.Error("a redirect to nowhere was taken")
	}
}

// A node whose owner is slow: new calls get 503 at once, what is in progress and
// what is urgent goes on.
func TestOverloadShedsNewCalls(t *testing.T) {
	run(t, true, func(b *bench) {
		var mu sync.Mutex
		var open []*Dialog // under mu
		b.h.invite = func(in *Invitation) {
			time.Sleep(30 * time.Millisecond) // an owner at its limit: 33 calls a second
			mu.Lock()
			open = append(open, in.Dialog)
			mu.Unlock()
			in.Dialog.Accept(sdpB)
		}
		invite := func(i int, to string) string {
			m := strings.ReplaceAll(text("INVITE", fmt.Sprint("o", i), "", 1, string(sdpA)), "call1@", fmt.Sprint("call", i, "@"))
			return strings.ReplaceAll(m, "sip:1000@", "sip:"+to+"@")
		}
		counts, refused := map[string]int{}, map[string]bool{}
		tags := map[string]string{}
		collect := func() {
			for {
				m := b.w.read(time.Nanosecond)
				if m == "" {
					return
				}
				if c := code(m); c == "200" || c == "503" {
					id := header(m, "Call-ID")
					if tags[id] == "" {
						tags[id] = tagOf(m)
						counts[c]++
						refused[id] = c == "503"
						if c == "503" && header(m, "Retry-After") == "" {
							t.Error("503 without Retry-After")
						}
						if c == "200" {
							b.send(strings.ReplaceAll(text("ACK", "ack"+id, tagOf(m), 1), "call1@peer", id))
						}
					}
				}
			}
		}
		for i := range 1000 { // ten seconds at 100 a second: three times what it can
			b.send(invite(i, "1000"))
			if i > 50 {
				b.send(invite(i-50, "1000")) // timer A: sent again before or after it was answered
			}
			time.Sleep(10 * time.Millisecond)
			collect()
		}
		mu.Lock()
		for _, d := range open {
			if refused[d.callID] {
				t.Errorf("%s was refused and taken", d.callID)
			}
		}
		mu.Unlock()
		if counts["503"] < 400 {
			t.Errorf("%v at three times the load", counts)
		}
		if counts["200"] < 250 {
			t.Errorf("%v: less than three quarters of what it can", counts)
		}
		// An emergency call now is taken, and a BYE is not kept waiting.
		b.send(invite(5000, "112"))
		end := time.Now()
		for tags["call5000@peer"] == "" && time.Since(end) < 10*time.Second {
			time.Sleep(10 * time.Millisecond)
			collect()
		}
		b.h.mu.Lock()
		b.h.invite = nil
		b.h.mu.Unlock()
		for _, d := range open {
			d.End("")
		}
		found := false
		for _, d := range open {
			found = found || d.callID == "call5000@peer"
		}
		if !found {
			t.Error("the emergency call was refused")
		}
	}, func(c *Config, d *Deps) {
		c.Shards = 1
		d.Urgent = func(n string) bool { return n == "112" }
	})
}

// A mailbox full of new requests does not hold up what is in progress.
func TestInProgressGoesFirst(t *testing.T) {
	run(t, true, func(b *bench) {
		b.h.invite = func(in *Invitation) { in.Dialog.Accept(sdpB) }
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		ok := b.want("SIP/2.0 200")
		b.send(text("ACK", "b", tagOf(ok), 1))
		synctest.Wait()
		b.h.mu.Lock()
		b.h.invite = func(in *Invitation) { time.Sleep(10 * time.Millisecond); in.Dialog.Reject(486, "") }
		b.h.mu.Unlock()
		for i := range 100 {
			b.send(strings.ReplaceAll(text("INVITE", fmt.Sprint("o", i), "", 1, string(sdpA)), "call1@", fmt.Sprint("call", i+10, "@")))
		}
		time.Sleep(time.Millisecond)
		start := time.Now()
		b.send(text("BYE", "bye", tagOf(ok), 2))
		for {
			m := b.w.read(time.Minute)
			if m == "" {
				t.Fatal("the BYE was not answered")
			}
			if strings.Contains(m, "BYE") {
				if took := time.Since(start); took > 25*time.Millisecond {
					t.Errorf("a BYE waited %s behind new calls", took)
				}
				break
			}
		}
	}, func(c *Config, d *Deps) { c.Shards = 1; c.Defence.OverloadOff = true })
}

func TestBanIsCheap(t *testing.T) {
	l := ban.New(ban.Config{})
	if got := testing.AllocsPerRun(100, func() { l.Banned(time.Time{}, netip.MustParseAddrPort("192.0.2.1:5")) }); got > 0 {
		t.Errorf("%v allocations a message", got)
	}
}
