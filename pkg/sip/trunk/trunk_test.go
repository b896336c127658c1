package trunk

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// score plays a machine in virtual time: its timer fires when its time has come.
type score struct {
	t     *testing.T
	step  func(time.Time, Event) []Effect
	now   time.Time
	start time.Time
	timer time.Time // zero: none
	sent  Send
	log   []string
}

var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func play(t *testing.T, step func(time.Time, Event) []Effect) *score {
	return &score{t: t, step: step, now: epoch, start: epoch}
}

func (s *score) do(ev Event) {
	s.t.Helper()
	for _, e := range s.step(s.now, ev) {
		switch e := e.(type) {
		case SetTimer:
			if e.After < 0 {
				s.t.Fatalf("timer of %v", e.After)
			}
			s.timer = s.now.Add(e.After)
			continue
		case StopTimer:
			s.timer = time.Time{}
			continue
		case Send:
			s.sent = e
			s.log = append(s.log, fmt.Sprintf("%s send %s auth=%t", s.at(), e.Expires, e.Auth != nil))
		case Changed:
			s.log = append(s.log, fmt.Sprintf("%s good=%t %s", s.at(), e.Good, e.Reason))
		case Failed:
			s.log = append(s.log, fmt.Sprintf("%s failed next=%s", s.at(), e.Next))
		case Closed:
			s.log = append(s.log, s.at()+" closed")
		}
	}
}

func (s *score) at() string { return s.now.Sub(s.start).String() }

// until lets time go on to d since the start.
func (s *score) until(d time.Duration) {
	s.t.Helper()
	end := s.start.Add(d)
	for n := 0; !s.timer.IsZero() && !s.timer.After(end); n++ {
		if n > 1000 {
			s.t.Fatal("the timer runs in circles")
		}
		s.now, s.timer = s.timer, time.Time{}
		s.do(TimerFired{})
	}
	s.now = end
}

func (s *score) answer(a Answer) {
	s.t.Helper()
	a.CSeq = s.sent.CSeq
	s.do(a)
}

func (s *score) want(lines ...string) {
	s.t.Helper()
	if got, want := strings.Join(s.log, "\n"), strings.Join(lines, "\n"); got != want {
		s.t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	s.log = nil
}

func constant(v uint64) func() uint64 { return func() uint64 { return v } }

func registration(rand uint64) *Registration {
	return NewRegistration(RegistrationConfig{URI: "sip:carrier.example", User: "house", Password: "secret", Expires: 600 * time.Second,
		Rand: constant(rand), CNonce: func() string { return "c" }})
}

const challenge = `Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth"`

func TestRegistrationLivesADay(t *testing.T) {
	r := registration(0)
	s := play(t, r.Step)
	s.do(Begin{})
	s.answer(Answer{Code: 401, Challenges: []string{challenge}})
	s.answer(Answer{Code: 200, Expires: 100 * time.Second})
	s.want("0s send 10m0s auth=false", "0s send 10m0s auth=true", "0s good=true ")
	if r.Until() != epoch.Add(100*time.Second) {
		t.Error(r.Until())
	}
	// What was granted counts, not what was asked; the nonce is used again with
	// its count going up.
	s.until(79 * time.Second)
	s.want()
	s.until(80 * time.Second)
	s.want("1m20s send 10m0s auth=true")
	if !strings.Contains(s.sent.Auth[0].Value, "nc=00000002") {
		t.Error(s.sent.Auth)
	}
	s.answer(Answer{Code: 401, Challenges: []string{strings.Replace(challenge, "n1", "n2", 1) + ", stale=true"}})
	s.answer(Answer{Code: 200, Expires: 100 * time.Second})
	s.want("1m20s send 10m0s auth=true")
	s.do(Close{})
	s.want("1m20s send 0s auth=true")
	s.answer(Answer{Code: 200})
	s.want("1m20s good=false closed", "1m20s closed")
	s.do(TimerFired{})
	s.do(Close{})
	s.want()
}

func TestRefreshComesBetween80And90Percent(t *testing.T) {
	for _, c := range []struct {
		rand uint64
		want time.Duration
	}{{0, 80 * time.Second}, {1 << 63, 85 * time.Second}, {^uint64(0), 90 * time.Second}} {
		r := registration(c.rand)
		s := play(t, r.Step)
		s.do(Begin{})
		s.answer(Answer{Code: 200, Expires: 100 * time.Second})
		if d := s.timer.Sub(epoch); d < c.want-time.Second || d > c.want {
			t.Errorf("rand %x: refresh after %v, want %v", c.rand, d, c.want)
		}
	}
}

// TestLostRefresh: what was granted holds until its end, whatever the tries say.
func TestLostRefresh(t *testing.T) {
	r := registration(0)
	s := play(t, r.Step)
	s.do(Begin{})
	s.answer(Answer{Code: 200, Expires: 100 * time.Second})
	s.until(80 * time.Second)
	s.until(82 * time.Second)
	s.do(Lost{CSeq: s.sent.CSeq, Reason: "no answer"})
	s.want("0s send 10m0s auth=false", "0s good=true ", "1m20s send 10m0s auth=false", "1m22s failed next=15s")
	s.until(97 * time.Second) // tried again before the end, unanswered over it
	s.until(101 * time.Second)
	s.want("1m37s send 10m0s auth=false", "1m40s good=false registration expired")
	if r.State() != Trying {
		t.Error(r.State())
	}
	s.answer(Answer{Code: 200, Expires: 100 * time.Second})
	s.want("1m41s good=true ")
}

func TestBackoffGrowsToItsBoundAndEnds(t *testing.T) {
	r := registration(^uint64(0))
	s := play(t, r.Step)
	s.do(Begin{})
	var waits []string
	for range 10 {
		at := s.now
		s.do(Lost{CSeq: s.sent.CSeq, Reason: "no answer"})
		waits = append(waits, s.timer.Sub(at).Round(time.Second).String())
		s.until(s.timer.Sub(epoch))
	}
	if got := strings.Join(waits, " "); got != "30s 1m0s 2m0s 4m0s 8m0s 16m0s 30m0s 30m0s 30m0s 30m0s" {
		t.Error(got)
	}
	s.log = nil
	s.answer(Answer{Code: 200, Expires: time.Hour})
	s.until(s.now.Sub(epoch) + time.Hour)
	s.do(Lost{CSeq: s.sent.CSeq, Reason: "no answer"}) // the count began anew
	if d := s.timer.Sub(s.now); d > 30*time.Second {
		t.Error(d)
	}
}

func TestBackoffFormula(t *testing.T) {
	for _, c := range []struct {
		failures int
		rand     uint64
		want     time.Duration
	}{
		{0, 0, 15 * time.Second}, {1, 0, 30 * time.Second}, {2, ^uint64(0), 120 * time.Second},
		{6, 0, 15 * time.Minute}, {31, 0, 15 * time.Minute}, {63, 0, 15 * time.Minute}, {1 << 30, ^uint64(0), 30 * time.Minute},
	} {
		got := Backoff(30*time.Second, 30*time.Minute, c.failures, c.rand)
		if d := got - c.want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%d failures, rand %x: %v, want %v", c.failures, c.rand, got, c.want)
		}
	}
}

func TestIntervalTooBrief(t *testing.T) {
	r := registration(0)
	s := play(t, r.Step)
	s.do(Begin{})
	s.answer(Answer{Code: 423, MinExpires: 1800 * time.Second})
	s.want("0s send 10m0s auth=false", "0s send 30m0s auth=false")
	s.answer(Answer{Code: 200, Expires: 1800 * time.Second})
	s.until(1440 * time.Second)
	s.want("0s good=true ", "24m0s send 30m0s auth=false") // remembered
	// One that asks for less than we asked, or for ever more, does not get a loop.
	s.answer(Answer{Code: 423, MinExpires: 60 * time.Second})
	s.want("24m0s failed next=15s", "24m0s good=false registration refused: 423 ")
	s.until(1455 * time.Second)
	for i := range 6 {
		s.answer(Answer{Code: 423, MinExpires: time.Duration(2000+i) * time.Second})
	}
	if n := strings.Count(strings.Join(s.log, "\n"), "send"); n != 1+maxBrief {
		t.Errorf("%d requests:\n%s", n, strings.Join(s.log, "\n"))
	}
}

func TestWrongPassword(t *testing.T) {
	r := registration(0)
	s := play(t, r.Step)
	s.do(Begin{})
	s.answer(Answer{Code: 401, Challenges: []string{challenge}})
	s.answer(Answer{Code: 401, Reason: "Unauthorized", Challenges: []string{strings.Replace(challenge, "n1", "n2", 1)}})
	s.want("0s send 10m0s auth=false", "0s send 10m0s auth=true", "0s failed next=15s",
		"0s good=false registration refused: 401 Unauthorized; check auth_user and auth_password")
	// stale for ever is no way to keep us busy
	s.until(15 * time.Second)
	for i := range 10 {
		s.answer(Answer{Code: 407, ProxyChallenges: []string{fmt.Sprintf(`Digest realm="carrier", nonce="x%d", stale=true`, i)}})
	}
	if n := strings.Count(strings.Join(s.log, "\n"), "send"); n != 1+3 {
		t.Errorf("%d requests:\n%s", n, strings.Join(s.log, "\n"))
	}
	r = NewRegistration(RegistrationConfig{Rand: constant(0)})
	s = play(t, r.Step)
	s.do(Begin{})
	s.answer(Answer{Code: 401, Reason: "Unauthorized", Challenges: []string{challenge}})
	s.want("0s send 10m0s auth=false", "0s failed next=15s",
		"0s good=false registration refused: 401 Unauthorized; it wants credentials; set auth_user and auth_password")
}

// A proxy and the registrar behind it ask one after the other, then the proxy's
// nonce ages: each request answers both (RFC 3261 22.3).
func TestProxyAndRegistrarChallenge(t *testing.T) {
	r := registration(0)
	s := play(t, r.Step)
	proxy := `Digest realm="edge", nonce="p1", algorithm=SHA-256, qop="auth"`
	s.do(Begin{})
	s.answer(Answer{Code: 407, ProxyChallenges: []string{proxy}})
	s.answer(Answer{Code: 401, Challenges: []string{challenge}})
	if a := s.sent.Auth; len(a) != 2 || a[0].Name != "Proxy-Authorization" || !strings.Contains(a[0].Value, "algorithm=SHA-256") ||
		!strings.Contains(a[0].Value, "nc=00000002") || a[1].Name != "Authorization" || !strings.Contains(a[1].Value, "algorithm=MD5") {
		t.Errorf("%+v", a)
	}
	s.answer(Answer{Code: 407, ProxyChallenges: []string{strings.Replace(proxy, "p1", "p2", 1) + ", stale=true"}})
	s.answer(Answer{Code: 200, Expires: 100 * time.Second})
	s.want("0s send 10m0s auth=false", "0s send 10m0s auth=true", "0s send 10m0s auth=true", "0s send 10m0s auth=true", "0s good=true ")
	// The registrar alone refuses the password, whatever the proxy thinks of it.
	s.until(80 * time.Second)
	s.answer(Answer{Code: 401, Reason: "Unauthorized", Challenges: []string{challenge}})
	s.answer(Answer{Code: 401, Reason: "Unauthorized", Challenges: []string{challenge}})
	if !strings.Contains(strings.Join(s.log, "\n"), "check auth_user") {
		t.Error(s.log)
	}
}

func TestRefusalEndsWhatWasGranted(t *testing.T) {
	for _, c := range []struct {
		name  string
		a     Answer
		holds bool
		next  string
	}{
		{"403", Answer{Code: 403, Reason: "Forbidden"}, false, "15s"},
		{"503 with Retry-After", Answer{Code: 503, RetryAfter: 45 * time.Second}, true, "45s"},
		{"Retry-After of a year", Answer{Code: 503, RetryAfter: 365 * 24 * time.Hour}, true, "30m0s"},
		{"200 without our contact", Answer{Code: 200, Expires: -1}, false, "15s"},
		{"200 with expires 0", Answer{Code: 200}, false, "15s"},
		{"302", Answer{Code: 302}, false, "15s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := registration(0)
			s := play(t, r.Step)
			s.do(Begin{})
			s.answer(Answer{Code: 200, Expires: time.Hour})
			s.until(48 * time.Minute)
			s.log = nil
			s.answer(c.a)
			if got := !r.Until().IsZero(); got != c.holds {
				t.Errorf("holds: %t", got)
			}
			if !strings.Contains(s.log[0], "next="+c.next) {
				t.Error(s.log)
			}
		})
	}
}

func TestStaleAnswersChangeNothing(t *testing.T) {
	r := registration(0)
	s := play(t, r.Step)
	s.do(Answer{CSeq: 1, Code: 200, Expires: time.Hour})
	s.do(Begin{})
	s.do(Begin{})
	s.do(Lost{CSeq: 7})
	s.answer(Answer{Code: 200, Expires: time.Hour})
	s.answer(Answer{Code: 403})
	s.do(Lost{CSeq: s.sent.CSeq})
	s.want("0s send 10m0s auth=false", "0s good=true ")
	// Closed while a request is open: its answer is for nobody, the last word counts.
	s.until(48 * time.Minute)
	open := s.sent.CSeq
	s.do(Close{})
	s.do(Answer{CSeq: open, Code: 200, Expires: time.Hour})
	s.do(Lost{CSeq: s.sent.CSeq, Reason: "no answer"})
	s.want("48m0s send 10m0s auth=false", "48m0s send 0s auth=false", "48m0s good=false closed", "48m0s closed")
}

func TestHealth(t *testing.T) {
	h := NewHealth(HealthConfig{Every: 40 * time.Second, Down: 2, Up: 2, Rand: constant(1 << 63)})
	s := play(t, h.Step)
	s.do(Begin{})
	if !h.Up() {
		t.Error("down before anything was asked")
	}
	s.until(500 * time.Millisecond)
	s.answer(Answer{Code: 405}) // somebody is at home
	s.until(40 * time.Second)
	s.answer(Answer{Code: 503, Reason: "Service Unavailable"})
	s.want("500ms send 0s auth=false", "38.5s send 0s auth=false", "40s failed next=9.5s")
	s.until(49500 * time.Millisecond) // asked again sooner
	s.answer(Answer{Code: 503, Reason: "Service Unavailable"})
	s.want("49.5s send 0s auth=false", "49.5s good=false no good answer to OPTIONS: 503 Service Unavailable", "49.5s failed next=9.5s")
}

func TestHealthThresholds(t *testing.T) {
	type step struct {
		code int // 0: lost
		up   bool
	}
	for _, c := range []struct {
		name     string
		down, up int
		steps    []step
	}{
		{"defaults", 0, 0, []step{{200, true}, {0, true}, {0, false}, {0, false}, {404, true}, {503, true}, {408, false}, {200, true}}},
		{"one bad answer between good ones is nothing", 2, 1, []step{{0, true}, {200, true}, {503, true}, {486, true}, {408, true}, {500, true}}},
		{"slow to trust", 3, 3, []step{{0, true}, {503, true}, {408, false}, {200, false}, {200, false}, {0, false}, {200, false}, {200, false}, {200, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := NewHealth(HealthConfig{Every: 10 * time.Second, Down: c.down, Up: c.up, Rand: constant(0)})
			s := play(t, h.Step)
			s.do(Begin{})
			for i, st := range c.steps {
				s.until(s.timer.Sub(epoch))
				if st.code == 0 {
					s.do(Lost{CSeq: s.sent.CSeq, Reason: "no answer"})
				} else {
					s.answer(Answer{Code: st.code})
				}
				if h.Up() != st.up {
					t.Fatalf("step %d (%d): up %t", i, st.code, h.Up())
				}
			}
			n := len(s.log)
			s.do(Close{})
			if s.do(TimerFired{}); len(s.log) != n+1 {
				t.Error("not over after Close")
			}
		})
	}
}
