package digest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var home = netip.MustParseAddr("192.0.2.7")

// RFC 2617 3.5, RFC 7616 3.9.1 and what RFC 8760 asks for.
func TestVectors(t *testing.T) {
	tests := []struct {
		name                                                              string
		alg                                                               Algorithm
		user, realm, pass, nonce, nc, cnonce, qop, method, uri, wantDigit string
	}{
		{"RFC 2617 3.5", MD5, "Mufasa", "testrealm@host.com", "Circle Of Life", "dcd98b7102dd2f0e8b11d0f600bfb0c093",
			"00000001", "0a4f113b", "auth", "GET", "/dir/index.html", "6629fae49393a05397450978507c4ef1"},
		{"RFC 7616 3.9.1 MD5", MD5, "Mufasa", "http-auth@example.org", "Circle of Life", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
			"00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "auth", "GET", "/dir/index.html", "8ca523f5e9506fed4657c9700eebdbec"},
		{"RFC 7616 3.9.1 SHA-256", SHA256, "Mufasa", "http-auth@example.org", "Circle of Life", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
			"00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "auth", "GET", "/dir/index.html", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got := response(nil, c.alg, HA1(c.alg, c.user, c.realm, c.pass), c.nonce, c.nc, c.cnonce, c.qop, c.method, c.uri)
			if string(got) != c.wantDigit {
				t.Errorf("got %s, want %s", got, c.wantDigit)
			}
		})
	}
	// Without qop (RFC 2617 3.2.2.1, the old formula), by md5sum(1).
	if got := string(response(nil, MD5, "939e7578ed9e3c518a452acee763bce9", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "", "", "", "GET", "/dir/index.html")); got != "670fd8c2df070c60b045671b8b24ff02" {
		t.Error("without qop:", got)
	}
}

var (
	begin  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	secret = []byte("0123456789abcdef0123456789abcdef")
)

func server(cfg ServerConfig) *Server {
	cfg.Realm, cfg.Secret = "example.org", secret
	return NewServer(cfg, 7)
}

func login(t *testing.T, s *Server, now time.Time, challenge int, nc uint32) Credentials {
	t.Helper()
	return answer(t, s.Challenge(now, false, home)[challenge], "secret", nc)
}

func answer(t *testing.T, challenge, pass string, nc uint32) Credentials {
	t.Helper()
	ch, err := ParseChallenge(challenge)
	if err != nil {
		t.Fatal(challenge, err)
	}
	c, err := ParseCredentials(ch.Answer(`al"ice\`, pass, "REGISTER", "sip:example.org", "c1", nc))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheck(t *testing.T) {
	ha1 := func(a Algorithm) string { return HA1(a, `al"ice\`, "example.org", "secret") }
	t.Run("right, both algorithms", func(t *testing.T) {
		s := server(ServerConfig{})
		for i, a := range []Algorithm{SHA256, MD5} {
			c := login(t, s, begin, i, 1)
			if c.Username != `al"ice\` || c.Algorithm != a {
				t.Errorf("%+v", c)
			}
			if v := s.Check(begin, "REGISTER", c, ha1(a)); v != OK {
				t.Errorf("%v: %v", a, v)
			}
		}
	})
	tests := []struct {
		name   string
		change func(c *Credentials)
		ha1    string
		method string
		want   Verdict
	}{
		{"wrong password", nil, HA1(SHA256, "al", "example.org", "x"), "", Wrong},
		{"unknown account", nil, "", "", Wrong},
		{"secret of the other algorithm", nil, ha1(MD5), "", Wrong},
		{"other method", nil, "", "INVITE", Wrong},
		{"other URI", func(c *Credentials) { c.URI = "sip:elsewhere" }, ha1(SHA256), "", Wrong},
		{"other realm", func(c *Credentials) { c.Realm = "x" }, ha1(SHA256), "", Wrong},
		{"made-up nonce", func(c *Credentials) { c.Nonce = strings.Repeat("A", len(c.Nonce)) }, ha1(SHA256), "", Wrong},
		{"nonce changed in one bit", func(c *Credentials) { c.Nonce = "B" + c.Nonce[1:] }, ha1(SHA256), "", Wrong},
		{"capital digest", func(c *Credentials) { c.Response = strings.ToUpper(c.Response) }, ha1(SHA256), "", OK},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := server(ServerConfig{})
			cred := login(t, s, begin, 0, 1)
			if c.change != nil {
				c.change(&cred)
			}
			m := c.method
			if m == "" {
				m = "REGISTER"
			}
			if got := s.Check(begin, m, cred, c.ha1); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	t.Run("MD5 alone, for a phone that knows no other", func(t *testing.T) {
		s := server(ServerConfig{})
		ch := s.ChallengeFor(begin, false, home, []Algorithm{MD5})
		if len(ch) != 1 || strings.Contains(ch[0], "SHA") {
			t.Fatal(ch)
		}
		if v := s.Check(begin, "REGISTER", answer(t, ch[0], "secret", 1), ha1(MD5)); v != OK {
			t.Error(v)
		}
	})
	t.Run("age", func(t *testing.T) {
		s := server(ServerConfig{Lifetime: time.Minute})
		ch := s.Challenge(begin, false, home)[0]
		if v := s.Check(begin.Add(time.Minute), "REGISTER", answer(t, ch, "secret", 1), ha1(SHA256)); v != OK {
			t.Error(v)
		}
		if v := s.Check(begin.Add(time.Minute+time.Millisecond), "REGISTER", answer(t, ch, "secret", 2), ha1(SHA256)); v != Stale {
			t.Error(v)
		}
		// A wrong password is Wrong, however old: stale would tell that it was right.
		if v := s.Check(begin.Add(time.Hour), "REGISTER", answer(t, ch, "guess", 3), ha1(SHA256)); v != Wrong {
			t.Error(v)
		}
		if v := s.Check(begin.Add(-time.Minute), "REGISTER", answer(t, ch, "secret", 4), ha1(SHA256)); v != Stale {
			t.Error("a nonce of the future:", v)
		}
	})
	t.Run("another server's nonce", func(t *testing.T) {
		s, o := server(ServerConfig{}), NewServer(ServerConfig{Realm: "example.org", Secret: []byte("another secret of 16")}, 7)
		if v := s.Check(begin, "REGISTER", login(t, o, begin, 0, 1), ha1(SHA256)); v != Wrong {
			t.Error(v)
		}
	})
	t.Run("an algorithm not offered", func(t *testing.T) {
		s := server(ServerConfig{Algorithms: []Algorithm{SHA256}})
		ch, _ := ParseChallenge(s.Challenge(begin, false, home)[0])
		ch.Algorithm = MD5
		c, _ := ParseCredentials(ch.Answer(`al"ice\`, "secret", "REGISTER", "sip:example.org", "c", 1))
		if v := s.Check(begin, "REGISTER", c, ha1(MD5)); v != Wrong {
			t.Error(v)
		}
	})
}

func TestReplay(t *testing.T) {
	ha1 := HA1(SHA256, `al"ice\`, "example.org", "secret")
	s := server(ServerConfig{})
	ch := s.Challenge(begin, false, home)[0]
	for _, step := range []struct {
		nc   uint32
		want Verdict
	}{
		{0, Stale}, {1, OK}, {1, Stale}, {3, OK}, {2, OK}, {2, Stale}, {3, Stale}, // UDP may reorder
		{70, OK}, {7, OK}, {6, Stale}, {3, Stale}, // 64 back and no further
		{1 << 31, OK}, {70, Stale}, {0xffffffff, OK}, {0xfffffffe, OK}, {0, Stale}, {1, Stale},
	} {
		if v := s.Check(begin, "REGISTER", answer(t, ch, "secret", step.nc), ha1); v != step.want {
			t.Errorf("nc %x: %v, want %v", step.nc, v, step.want)
		}
	}
	t.Run("without qop a nonce serves once", func(t *testing.T) {
		c, _ := ParseChallenge(s.Challenge(begin, false, home)[0])
		c.QOPAuth = false
		cred, err := ParseCredentials(c.Answer(`al"ice\`, "secret", "REGISTER", "sip:example.org", "", 0))
		if err != nil {
			t.Fatal(err)
		}
		if v := s.Check(begin, "REGISTER", cred, ha1); v != OK {
			t.Error(v)
		}
		if v := s.Check(begin, "REGISTER", cred, ha1); v != Stale {
			t.Error("replayed:", v)
		}
	})
	t.Run("bounded memory forgets nothing that could be replayed", func(t *testing.T) {
		s := server(ServerConfig{MaxNonces: 8})
		var all []Credentials
		now := begin
		for i := range 100 {
			now = begin.Add(time.Duration(i) * 10 * time.Millisecond)
			c := login(t, s, now, 0, 1)
			if v := s.Check(now, "REGISTER", c, ha1); v != OK {
				t.Fatalf("login %d: %v", i, v)
			}
			all = append(all, c)
			if n := len(s.seen) + len(s.old); n > 8 {
				t.Fatalf("%d nonces kept", n)
			}
		}
		for i, c := range all {
			if v := s.Check(now, "REGISTER", c, ha1); v != Stale {
				t.Errorf("replay of %d: %v", i, v)
			}
		}
	})
	t.Run("wrong passwords cost no memory", func(t *testing.T) {
		s := server(ServerConfig{})
		for range 1000 {
			s.Check(begin, "REGISTER", login(t, s, begin, 0, 1), "")
		}
		if len(s.seen) != 0 {
			t.Error(len(s.seen))
		}
	})
}

func TestParse(t *testing.T) {
	for name, v := range map[string]string{
		"basic":         `Basic abc`,
		"empty":         ``,
		"scheme":        `Digest`,
		"no equals":     `Digest username`,
		"open quote":    `Digest username="a`,
		"escape at end": `Digest username="a\`,
		"twice":         `Digest nonce="a", nonce="b", uri="u", response="0"`,
		"glued":         `Digest nonce="a"uri="u"`,
		"short digest":  `Digest username="a", nonce="n", uri="u", response="abc"`,
		"nc short":      `Digest username="a", nonce="n", uri="u", qop=auth, nc=1, cnonce="x", response="0123456789abcdef0123456789abcdef"`,
		"nc missing":    `Digest username="a", nonce="n", uri="u", qop=auth, cnonce="x", response="0123456789abcdef0123456789abcdef"`,
		"auth-int":      `Digest username="a", nonce="n", uri="u", qop=auth-int, nc=00000001, cnonce="x", response="0123456789abcdef0123456789abcdef"`,
		"SHA-512":       `Digest username="a", nonce="n", uri="u", algorithm=SHA-512-256, response="0123456789abcdef0123456789abcdef"`,
		"too many":      "Digest " + strings.Repeat("a=b,", 1) + manyParams(),
	} {
		if c, err := ParseCredentials(v); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	c, err := ParseCredentials("dIGEST\tUsername = \"a\\\"b\" ,\r\n REALM=\"r\",nonce=n, uri=\"sip:x,y\", response=\"0123456789abcdef0123456789abcdef\", algorithm=md5, x=y,")
	if err != nil || c.Username != `a"b` || c.URI != "sip:x,y" || c.Nonce != "n" || c.Realm != "r" {
		t.Errorf("%+v %v", c, err)
	}
	if v := (Challenge{Realm: "a\r\nEvil: x", Nonce: "n"}).Answer("u", "p", "M", "sip:x", "", 0); strings.ContainsAny(v, "\r\n") {
		t.Errorf("%q", v)
	}
	if v := server(ServerConfig{}).Challenge(begin, true, home); len(v) != 2 || !strings.Contains(v[0], "stale=true, algorithm=SHA-256") || !strings.Contains(v[1], "algorithm=MD5") {
		t.Error(v)
	}
}

func manyParams() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "p%d=1,", i)
	}
	return b.String()
}

// Law: what Answer writes ParseCredentials reads, and a server that knows the
// password says OK; no text makes anything panic or end a header line.
func FuzzAnswer(f *testing.F) {
	f.Add("alice", "secret", "sip:x", "cn", `Digest realm="r", nonce="n", qop="auth"`)
	f.Add("a\"\\b", "", "sip:x;y=\"z\"", "", `Digest realm="", nonce="n", algorithm=SHA-256, opaque="\\"`)
	f.Fuzz(func(t *testing.T, user, pass, uri, cnonce, challenge string) {
		ParseCredentials(challenge)
		ch, err := ParseChallenge(challenge)
		if err != nil {
			return
		}
		v := ch.Answer(user, pass, "INVITE", uri, cnonce, 1)
		if strings.ContainsAny(v, "\r\n\x00") {
			t.Fatalf("%q", v)
		}
		c, err := ParseCredentials(v)
		clean := !strings.ContainsFunc(user+uri+cnonce+challenge, func(r rune) bool { return r < ' ' || r == 0x7f })
		if err != nil {
			if clean && uri != "" && (cnonce != "" || !ch.QOPAuth) {
				t.Fatalf("%s: %v", v, err)
			}
			return
		}
		if clean && (c.Username != user || c.URI != uri || c.Nonce != ch.Nonce || c.Realm != ch.Realm || c.Opaque != ch.Opaque) {
			t.Fatalf("%s: %+v", v, c)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s := server(ServerConfig{})
	ha1 := HA1(SHA256, "alice", "example.org", "secret")
	ch, _ := ParseChallenge(s.Challenge(begin, false, home)[0])
	values := make([]string, 1000)
	for i := range values {
		values[i] = ch.Answer("alice", "secret", "REGISTER", "sip:example.org", "c1", uint32(i+1))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c, _ := ParseCredentials(values[i%1000])
		s.Check(begin, "REGISTER", c, ha1)
	}
}

func TestChallenges(t *testing.T) {
	const (
		sha   = `Digest realm="edge", nonce="1", algorithm=SHA-256, qop="auth-int, auth"`
		md5   = `Digest realm="edge", nonce="2"`
		other = `Digest realm="edge", nonce="3", algorithm=SHA-512-256, qop="auth"`
		home  = `Digest realm="home", nonce="4", algorithm=MD5, qop="auth"`
		aged  = `, stale=true`
	)
	type ask struct {
		www, proxy []string
		err        error
	}
	tests := []struct {
		name string
		asks []ask    // in the tries of one request
		want []string // "p edge 1": what is answered at last
	}{
		{"none that we can answer", []ask{{nil, []string{other, `Digest realm="r", nonce="2", qop="auth-int"`}, ErrNoCommon}}, nil},
		{"no challenge at all", []ask{{nil, nil, ErrNoCommon}}, nil},
		// RFC 8760 2.4: the first that we know, in the server's order.
		{"the first of a realm that we know", []ask{{nil, []string{other, sha, md5}, nil}}, []string{"p edge 1"}},
		{"one after the other", []ask{{nil, []string{sha}, nil}, {[]string{home}, nil, nil}}, []string{"p edge 1", "w home 4"}},
		{"both kinds in one answer", []ask{{[]string{home}, []string{md5}, nil}}, []string{"w home 4", "p edge 2"}},
		{"two realms of one kind", []ask{{nil, []string{sha, home}, nil}}, []string{"p edge 1", "p home 4"}},
		{"one realm as proxy and as server", []ask{{nil, []string{md5}, nil}, {[]string{sha}, nil, nil}}, []string{"p edge 2", "w edge 1"}},
		{"asked again", []ask{{nil, []string{sha}, nil}, {nil, []string{sha}, ErrRefused}}, []string{"p edge 1"}},
		{"one of two asked again", []ask{{[]string{home}, []string{sha}, nil}, {[]string{home}, nil, ErrRefused}}, []string{"w home 4", "p edge 1"}},
		{"the nonce had aged", []ask{{nil, []string{sha}, nil}, {nil, []string{md5 + aged}, nil}}, []string{"p edge 2"}},
		{"aged for ever", []ask{{nil, []string{md5}, nil}, {nil, []string{md5 + aged}, nil}, {nil, []string{md5 + aged}, nil},
			{nil, []string{sha + aged}, ErrRefused}}, []string{"p edge 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Challenges
			var tried []string
			for i, a := range tt.asks {
				if err := c.Learn(a.www, a.proxy, &tried); !errors.Is(err, a.err) {
					t.Fatalf("ask %d: %v", i, err)
				}
			}
			fields := c.Answer("u", "p", "INVITE", "sip:x", func() string { return "cn" })
			var got []string
			for i, f := range fields {
				kind := "w"
				if f.Name == "Proxy-Authorization" {
					kind = "p"
				}
				cr, err := ParseCredentials(f.Value)
				if err != nil {
					t.Fatal(err)
				}
				ch := c[i].Challenge
				ha1 := HA1(ch.Algorithm, "u", ch.Realm, "p")
				nc, qop := "", ""
				if ch.QOPAuth {
					nc, qop = "00000001", "auth"
				}
				if want := string(response(nil, ch.Algorithm, ha1, ch.Nonce, nc, "cn", qop, "INVITE", "sip:x")); cr.Response != want {
					t.Errorf("response %q, want %q", cr.Response, want)
				}
				got = append(got, kind+" "+cr.Realm+" "+cr.Nonce)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	// A far side that thinks of ever new realms keeps us neither busy nor fat.
	var c Challenges
	tries := 0
	for tried := []string(nil); ; tries++ {
		if c.Learn([]string{fmt.Sprintf(`Digest realm="r%d", nonce="n"`, tries)}, nil, &tried) != nil {
			break
		}
	}
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf(`Digest realm="m%d", nonce="n"`, i))
	}
	_ = c.Learn(many, many, new([]string))
	_ = c.Learn(many[10:], many, new([]string))
	if tries != maxAnswers || len(c) != maxAnswers {
		t.Errorf("%d tries, %d kept", tries, len(c))
	}
}

// A nonce proves that its bearer reads what is sent to the address it was sent to.
func TestIssuedTo(t *testing.T) {
	s, other := server(ServerConfig{}), netip.MustParseAddr("192.0.2.8")
	nonce := func(peer netip.Addr) string {
		c, err := ParseChallenge(s.Challenge(begin, false, peer)[0])
		if err != nil {
			t.Fatal(err)
		}
		return c.Nonce
	}
	n := nonce(home)
	moved, _ := nonceText.DecodeString(n)
	theirs, _ := nonceText.DecodeString(nonce(other))
	copy(moved[noncePeer:nonceBody], theirs[noncePeer:])
	for _, c := range []struct {
		nonce      string
		peer       netip.Addr
		ours, here bool
	}{{n, home, true, true}, {n, other, true, false}, {nonce(other), other, true, true}, {n, netip.MustParseAddr("2001:db8::"), true, false},
		{nonceText.EncodeToString(moved), other, false, false}, {"", home, false, false}, {n[1:] + "A", home, false, false}, {strings.Repeat("A", len(n)), home, false, false}} {
		if ours, here := s.IssuedTo(c.nonce, c.peer); ours != c.ours || here != c.here {
			t.Errorf("%s at %v: %v %v", c.nonce, c.peer, ours, here)
		}
	}
}
