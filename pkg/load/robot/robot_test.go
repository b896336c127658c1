package robot

import (
	"context"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a caller whose server is the called robot.
func pair(t *testing.T, shared int, incoming func(*Call)) (caller *Endpoint, media *Media) {
	t.Helper()
	media, err := NewMedia(MediaConfig{SharedPorts: shared})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(media.Close)
	called, err := Listen(Config{Media: media, Incoming: incoming, Laws: []Law{PCMA, PCMU}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(called.Close)
	caller, err = Listen(Config{Media: media, Server: called.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(caller.Close)
	return caller, media
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// hears waits until the leg hears what ok wants in the last 300 ms.
func hears(ctx context.Context, l *Leg, ok func([]int16) bool) bool {
	for ctx.Err() == nil {
		if pcm := l.Since(max(0, l.Mark()-2400)); len(pcm) >= 2400 && ok(pcm) {
			return true
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return false
}

// keysAre waits until the leg heard exactly these keys.
func keysAre(ctx context.Context, l *Leg, want string) bool {
	for ctx.Err() == nil {
		if l.Keys() == want {
			return true
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return false
}

func TestCallTonesKeysAndFourHolds(t *testing.T) {
	for _, shared := range []int{0, 2} { // 2: each end on a port of its own, told apart by the other
		in := make(chan *Call, 1)
		caller, _ := pair(t, shared, func(c *Call) {
			c.Leg().Listen()
			c.Ring()
			c.Answer()
			in <- c
		})
		ctx := within(t)
		a, err := caller.Invite(Options{To: "100", From: Account{User: "anna", Display: "Anna"}})
		if err != nil {
			t.Fatal(err)
		}
		a.Leg().Listen()
		if err := a.WaitState(ctx, Up); err != nil {
			t.Fatal(err)
		}
		b := <-in
		if b.Caller() != "anna" || b.Dialled() != "100" {
			t.Fatalf("caller %q, dialled %q", b.Caller(), b.Dialled())
		}
		a.Leg().PlayTone(440)
		b.Leg().PlayTone(600)
		if !hears(ctx, a.Leg(), func(p []int16) bool { return Hears(p, 600) && Quiet(p, 440) }) {
			t.Fatal("caller does not hear the called tone alone")
		}
		if !hears(ctx, b.Leg(), func(p []int16) bool { return Hears(p, 440) && Quiet(p, 600) }) {
			t.Fatal("called does not hear the caller's tone alone")
		}
		if !a.Leg().SendDigits("12*#") || !keysAre(ctx, b.Leg(), "12*#") {
			t.Fatalf("keys %q, want 12*#", b.Leg().Keys())
		}
		for _, h := range []Hold{HoldSendOnly, HoldInactive, HoldZero, HoldLate} {
			a.HoldPeer(h)
			if err := a.Wait(ctx, "hold", func(c *Call) bool { return !c.Reoffering() }); err != nil {
				t.Fatal(err)
			}
			held := func(c *Call) bool {
				d := c.Remote()
				return d.Direction == SendOnly || d.Direction == Inactive || d.HeldByIP
			}
			if err := b.Wait(ctx, "being held", held); err != nil {
				t.Fatalf("%s: %v", h, err)
			}
			a.Resume()
			if err := b.Wait(ctx, "resume", func(c *Call) bool { return !held(c) }); err != nil {
				t.Fatalf("%s: %v", h, err)
			}
			if err := a.Wait(ctx, "answer", func(c *Call) bool { return !c.Reoffering() }); err != nil {
				t.Fatal(err)
			}
		}
		b.Hangup()
		if err := a.WaitState(ctx, Ended); err != nil {
			t.Fatal(err)
		}
		if code, err := b.WaitBye(ctx); err != nil || code != 200 {
			t.Fatal(code, err)
		}
		s := a.Leg().Stats()
		if s.Lost != 0 || s.SSRCChanges != 0 || s.TimestampBack != 0 || s.Received == 0 || s.Strangers != 0 {
			t.Fatalf("stream of the called: %+v", s)
		}
	}
}

func TestCancelRejectAndLateOffer(t *testing.T) {
	in := make(chan *Call, 1)
	caller, _ := pair(t, 1, func(c *Call) {
		switch c.Dialled() {
		case "busy":
			c.Reject(486, "Busy Here")
		case "late":
			c.Answer()
		default:
			c.Ring()
		}
		in <- c
	})
	ctx := within(t)
	a, _ := caller.Invite(Options{To: "ring", From: Account{User: "anna"}})
	if err := a.WaitState(ctx, Ringing); err != nil {
		t.Fatal(err)
	}
	a.Hangup()
	if err := a.WaitState(ctx, Ended); err != nil {
		t.Fatal(err)
	}
	b := <-in
	if by, code := b.Ended(); by != ByPeer || code != 487 {
		t.Fatalf("called ended by %s %d, want the CANCEL", by, code)
	}
	if by, code := a.Ended(); by != ByUs || code != 487 {
		t.Fatalf("caller ended by %s %d", by, code)
	}
	a, _ = caller.Invite(Options{To: "busy", From: Account{User: "anna"}})
	if err := a.WaitState(ctx, Up); err == nil {
		t.Fatal("a refused call came up")
	}
	<-in
	if by, code := a.Ended(); by != ByRefusal || code != 486 {
		t.Fatalf("ended by %s %d, want refusal 486", by, code)
	}
	a, _ = caller.Invite(Options{To: "late", From: Account{User: "anna"}, NoOffer: true})
	if err := a.WaitState(ctx, Up); err != nil {
		t.Fatal(err)
	}
	b = <-in
	if err := b.Wait(ctx, "answer in the ACK", func(c *Call) bool { return c.Remote().Addr == a.Leg().Addr() }); err != nil {
		t.Fatal(err)
	}
	a.Hangup()
	if err := b.WaitState(ctx, Ended); err != nil {
		t.Fatal(err)
	}
}

// TestDigestVectors uses the worked example of RFC 7616 3.9.1.
func TestDigestVectors(t *testing.T) {
	const values = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=ALG, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	md, sha := strings.Replace(values, "ALG", "MD5", 1), strings.Replace(values, "ALG", "SHA-256", 1)
	for _, tc := range []struct {
		name   string
		offers []string
		want   Algorithm
		alg    string
		ok     bool
	}{
		{"strongest wins", []string{md, sha}, Any, "SHA-256", true},
		{"order does not matter", []string{sha, md}, Any, "SHA-256", true},
		{"forced", []string{sha, md}, MD5, "MD5", true},
		{"forced and absent", []string{md}, SHA256, "", false},
		{"other schemes are skipped", []string{"Basic realm=x", md}, Any, "MD5", true},
		{"unknown algorithms are skipped", []string{strings.Replace(values, "ALG", "SHA-512-256", 1)}, Any, "", false},
		{"cut short", []string{`Digest realm="x`}, Any, "", false},
	} {
		c, err := pick(tc.offers, tc.want)
		if (err == nil) != tc.ok || tc.ok && c.algorithm != tc.alg {
			t.Errorf("%s: %q, %v", tc.name, c.algorithm, err)
		}
	}
	c := challenge{realm: "testrealm@host.com", nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093", algorithm: "MD5"}
	// RFC 2069 form (no qop): MD5(HA1:nonce:HA2) of RFC 2617 3.5's user, errata'd value.
	got := c.answer("Mufasa", "Circle Of Life", "GET", "/dir/index.html", 1)
	if !strings.Contains(got, `response="670fd8c2df070c60b045671b8b24ff02"`) {
		t.Errorf("without qop: %s", got)
	}
}

func TestG711RoundTripAndLevels(t *testing.T) {
	for _, law := range []Law{PCMU, PCMA} {
		for i := range 256 {
			if got := law.Encode(law.Decode(byte(i))); got != byte(i) && law.Decode(got) != law.Decode(byte(i)) {
				t.Fatalf("%s: %#x -> %d -> %#x", law, i, law.Decode(byte(i)), got)
			}
		}
		if v := law.Decode(law.Silence()); v < -8 || v > 8 {
			t.Errorf("%s: silence is %d", law, v)
		}
		var pcm []int16
		for _, b := range Tone(law, 1000) {
			pcm = append(pcm, law.Decode(b))
		}
		if l := Level(pcm, 1000); math.Abs(l-toneAmplitude) > 0.01 {
			t.Errorf("%s: level %.3f, want %.2f", law, l, toneAmplitude)
		}
		if !Quiet(pcm, 700) || !Quiet(pcm, 1100) {
			t.Errorf("%s: leaks: 700 Hz %.3f, 1100 Hz %.3f", law, Level(pcm, 700), Level(pcm, 1100))
		}
		if Hears(pcm[:700], 1000) {
			t.Error("87 ms is too short to say anything")
		}
	}
	if Hears(make([]int16, 8000), 440) || RMS(make([]int16, 10)) != 0 {
		t.Error("silence has a tone")
	}
}

// TestReceiverWraps feeds the end of the sequence and timestamp ranges, loss,
// reordering and a second SSRC.
func TestReceiverWraps(t *testing.T) {
	m, err := NewMedia(MediaConfig{SharedPorts: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l, _ := m.NewLeg()
	from := m.shared[0].addr
	l.SetRemote(from, PCMU, 101)
	send := func(seq uint16, ts, ssrc uint32, n int64) {
		b := make([]byte, 172)
		(&Leg{seq: seq, ssrc: ssrc}).header(b, 0, false, ts)
		l.receive(b, from, n*20e6)
	}
	start := uint32(math.MaxUint32 - 160) // wraps in the second packet
	for i := range 10 {
		if i == 4 {
			continue // one lost, at sequence 65535+...
		}
		send(uint16(65533+i), start+uint32(i)*160, 7, int64(i))
	}
	s := l.Stats()
	if s.Received != 9 || s.Lost != 1 || s.SSRCChanges != 0 || s.TimestampBack != 0 {
		t.Fatalf("after wrap: %+v", s)
	}
	if s.JitterMs > 0.2 {
		t.Fatalf("jitter %.2f ms of a perfect stream", s.JitterMs)
	}
	late := 65533 + 4
	send(uint16(late), start+4*160, 7, 10) // late, not lost
	if s = l.Stats(); s.Lost != 0 {
		t.Fatalf("late packet: %+v", s)
	}
	send(1, 5, 8, 11)
	l.receive([]byte{0x80}, from, 0)
	l.receive(make([]byte, 12), from, 0) // version 0
	if s = l.Stats(); s.SSRCChanges != 1 {
		t.Fatalf("new SSRC: %+v", s)
	}
	l.receive(make([]byte, 172), netip127(1), 0)
}

func FuzzParse(f *testing.F) {
	f.Add("INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP x\r\nSubject: a\r\n b\r\nl: 3\r\n\r\nabcdef")
	f.Add("SIP/2.0 200 OK\r\nContent-Length: -1\r\n\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse([]byte(s))
		if err != nil {
			return
		}
		if (m.Method == "") == (m.Status == 0) {
			t.Fatalf("neither or both request and response: %+v", m)
		}
		_, _ = ParseSDP(m.Body)
		_ = param(m.Get("from"), "tag") + uriOf(m.Get("contact")) + userOf(m.Get("to"))
		for _, v := range m.All("www-authenticate") {
			parseChallenge(v)
		}
	})
}

func TestParse(t *testing.T) {
	m, err := Parse([]byte("INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP x;branch=z9\r\nSubject: one\r\n two\r\nf: \"a;b\" <sip:u@h;x=1>;tag=T\r\nl: 3\r\n\r\nabcdef"))
	if err != nil || m.Get("via") != "SIP/2.0/UDP x;branch=z9" || m.Get("subject") != "one two" || string(m.Body) != "abc" {
		t.Fatalf("%+v, %v", m, err)
	}
	if param(m.Get("from"), "tag") != "T" || userOf(m.Get("from")) != "u" || param(m.Get("via"), "branch") != "z9" {
		t.Fatalf("from %q", m.Get("from"))
	}
	for name, s := range map[string]string{
		"no end":               "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n",
		"body cut":             "SIP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nabc",
		"negative length":      "SIP/2.0 200 OK\r\nContent-Length: -5\r\n\r\nabc",
		"status out of range":  "SIP/2.0 999 OK\r\n\r\n",
		"header without colon": "SIP/2.0 200 OK\r\nnonsense\r\n\r\n",
		"another protocol":     "GET / HTTP/1.1\r\n\r\n",
	} {
		if _, err := Parse([]byte(s)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func netip127(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}
