package registrar

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

var (
	begin = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	anna  = Key{"default", "anna"}
)

func at(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }

// register builds a REGISTER and reads it.
func register(t testing.TB, callID string, cseq int, hs ...string) (Request, int) {
	text := fmt.Sprintf("REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:anna@example.org>;tag=1\r\n"+
		"To: <sip:anna@example.org>\r\nCall-ID: %s\r\nCSeq: %d REGISTER\r\n%s\r\nContent-Length: 0\r\n\r\n", callID, cseq, strings.Join(hs, "\r\n"))
	if len(hs) == 0 {
		text = strings.Replace(text, "REGISTER\r\n\r\n", "REGISTER\r\n", 1)
	}
	m, err := sip.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err, text)
	}
	return Read(m.(*sip.Request), anna, Flow{Transport: "udp", Remote: netip.MustParseAddrPort("203.0.113.1:4711")})
}

func must(t testing.TB, callID string, cseq int, hs ...string) Request {
	t.Helper()
	q, code := register(t, callID, cseq, hs...)
	if code != 0 {
		t.Fatalf("refused with %d: %v", code, hs)
	}
	return q
}

// uris lists a device's contacts with the seconds they have left.
func uris(now time.Time, b []Binding) string {
	var out []string
	for _, x := range b {
		out = append(out, fmt.Sprintf("%s=%d", x.URI, int(x.Expires.Sub(now)/time.Second)))
	}
	return strings.Join(out, " ")
}

// Steps of one device's life in virtual time.
func TestRegister(t *testing.T) {
	type step struct {
		at     int
		callID string
		cseq   int
		hs     []string
		code   int
		have   string // contacts after it, newest first
		up, dn bool
	}
	h := func(s ...string) []string { return s }
	const ha = "Contact: <sip:anna@10.0.0.1>"
	tests := []struct {
		name  string
		steps []step
	}{
		{"an unknown parameter that both have and differs makes two contacts", []step{
			{0, "c", 1, h("Contact: <sip:a@10.0.0.1;line=1>;expires=60"), 200, "sip:a@10.0.0.1;line=1=60", true, false},
			{0, "d", 1, h("Contact: <sip:a@10.0.0.1;line=2>;expires=60"), 200, "sip:a@10.0.0.1;line=2=60 sip:a@10.0.0.1;line=1=60", false, false},
			{1, "c", 2, h("Contact: <sip:a@10.0.0.1;Line=1>;expires=90"), 200, "sip:a@10.0.0.1;Line=1=90 sip:a@10.0.0.1;line=2=59", false, false},
			// One without it is the same as either: the one refreshed last.
			{2, "c", 3, h("Contact: <sip:a@10.0.0.1>;expires=0"), 200, "sip:a@10.0.0.1;line=2=58", false, false},
			{3, "d", 2, h("Contact: <sip:a@10.0.0.1;ob>;expires=70"), 200, "sip:a@10.0.0.1;ob=70", false, false},
			{4, "d", 2, h("Contact: <sip:a@10.0.0.1;line=2>;expires=70"), 500, "sip:a@10.0.0.1;ob=69", false, false},
			{5, "d", 4, h("Contact: <sip:a@10.0.0.1;line=9>;expires=0"), 200, "", false, true},
		}},
		{"default, header, parameter; the parameter wins", []step{
			{0, "c", 1, h(ha), 200, "sip:anna@10.0.0.1=3600", true, false},
			{1, "c", 2, h(ha, "Expires: 120"), 200, "sip:anna@10.0.0.1=120", false, false},
			{2, "c", 3, h(ha+";expires=300", "Expires: 120"), 200, "sip:anna@10.0.0.1=300", false, false},
			{3, "c", 4, h(ha, "Expires: soon"), 200, "sip:anna@10.0.0.1=3600", false, false}, // RFC 3261 20.19
		}},
		{"bounds", []step{
			{0, "c", 1, h(ha, "Expires: 59"), 423, "", false, false},
			{0, "c", 2, h(ha, "Expires: 60"), 200, "sip:anna@10.0.0.1=60", true, false},
			{0, "c", 3, h(ha, "Expires: 99999999999999999999"), 200, "sip:anna@10.0.0.1=3600", false, false},
		}},
		{"a query changes nothing", []step{
			{0, "c", 1, nil, 200, "", false, false},
			{0, "c", 2, h(ha), 200, "sip:anna@10.0.0.1=3600", true, false},
			{9, "c", 1, nil, 200, "sip:anna@10.0.0.1=3591", false, false},
		}},
		{"removal", []step{
			{0, "c", 1, h(ha), 200, "sip:anna@10.0.0.1=3600", true, false},
			{1, "c", 2, h(ha + ";expires=0"), 200, "", false, true},
			{2, "c", 3, h(ha, "Expires: 0"), 200, "", false, false},
		}},
		{"wildcard", []step{
			{0, "c", 1, h(ha, "Contact: <sip:anna@10.0.0.2>"), 200, "sip:anna@10.0.0.2=3600 sip:anna@10.0.0.1=3600", true, false},
			{1, "c", 1, h("Contact: *", "Expires: 0"), 500, "sip:anna@10.0.0.2=3599 sip:anna@10.0.0.1=3599", false, false},
			{1, "c", 2, h("Contact: *", "Expires: 0"), 200, "", false, true},
			{2, "c", 3, h("Contact: *", "Expires: 0"), 200, "", false, false},
		}},
		{"order within a Call-ID", []step{
			{0, "c", 5, h(ha), 200, "sip:anna@10.0.0.1=3600", true, false},
			{1, "c", 5, h(ha), 500, "sip:anna@10.0.0.1=3599", false, false},
			{1, "c", 4, h(ha, "Expires: 0"), 500, "sip:anna@10.0.0.1=3599", false, false},
			{2, "rebooted", 1, h(ha), 200, "sip:anna@10.0.0.1=3600", false, false},
		}},
		{"all or nothing", []step{
			{0, "c", 5, h(ha), 200, "sip:anna@10.0.0.1=3600", true, false},
			{1, "c", 5, h("Contact: <sip:anna@10.0.0.2>", ha), 500, "sip:anna@10.0.0.1=3599", false, false},
			{1, "c", 6, h("Contact: <sip:anna@10.0.0.2>", ha+";expires=5"), 423, "sip:anna@10.0.0.1=3599", false, false},
		}},
		{"the same URI written otherwise", []step{
			{0, "c", 1, h("Contact: <sip:anna@Phone.Example;Transport=TCP>"), 200, "sip:anna@Phone.Example;Transport=TCP=3600", true, false},
			{1, "c", 2, h("Contact: <SIP:%61nna@phone.example;ob;transport=tcp>"), 200, "sip:%61nna@phone.example;ob;transport=tcp=3600", false, false},
			{2, "c", 3, h("Contact: <sip:anna@phone.example>"), 200, "sip:anna@phone.example=3600 sip:%61nna@phone.example;ob;transport=tcp=3599", false, false},
			{3, "c", 4, h("Contact: <sip:Anna@phone.example>"), 200, // the user counts with its case
				"sip:Anna@phone.example=3600 sip:anna@phone.example=3599 sip:%61nna@phone.example;ob;transport=tcp=3598", false, false},
		}},
		{"one URI twice", []step{
			{0, "c", 1, h(ha, ha+";expires=100"), 200, "sip:anna@10.0.0.1=100", true, false},
			{0, "c", 2, h(ha, ha+";expires=0"), 200, "", false, true},
		}},
		{"an instance replaces itself, reg-ids stand apart", []step{
			{0, "c", 1, h(`Contact: <sip:anna@10.0.0.1:1111>;+sip.instance="<urn:uuid:1>";reg-id=1`), 200, "sip:anna@10.0.0.1:1111=3600", true, false},
			{1, "d", 1, h(`Contact: <sip:anna@10.0.0.1:2222>;+sip.instance="<urn:uuid:1>";reg-id=1`), 200, "sip:anna@10.0.0.1:2222=3600", false, false},
			{2, "e", 1, h(`Contact: <sip:anna@10.0.0.1:3333>;+sip.instance="<urn:uuid:1>";reg-id=2`), 200, "sip:anna@10.0.0.1:3333=3600 sip:anna@10.0.0.1:2222=3599", false, false},
		}},
		{"too many: the oldest goes", []step{
			{0, "c", 1, h("Contact: <sip:a@h:1>"), 200, "sip:a@h:1=3600", true, false},
			{1, "c", 2, h("Contact: <sip:a@h:2>"), 200, "sip:a@h:2=3600 sip:a@h:1=3599", false, false},
			{2, "c", 3, h("Contact: <sip:a@h:3>"), 200, "sip:a@h:3=3600 sip:a@h:2=3599 sip:a@h:1=3598", false, false},
			{3, "c", 4, h("Contact: <sip:a@h:4>"), 200, "sip:a@h:4=3600 sip:a@h:3=3599 sip:a@h:2=3598", false, false},
			{4, "c", 5, h("Contact: <sip:a@h:5>, <sip:a@h:6>, <sip:a@h:7>, <sip:a@h:8>"), 403, "sip:a@h:4=3599 sip:a@h:3=3598 sip:a@h:2=3597", false, false},
		}},
		{"after its end a binding is as none", []step{
			{0, "c", 1, h(ha, "Expires: 60"), 200, "sip:anna@10.0.0.1=60", true, false},
			{60, "c", 2, nil, 200, "", false, false},
			{61, "c", 3, h(ha, "Expires: 60"), 200, "sip:anna@10.0.0.1=60", true, false},
		}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			r := New(Config{MaxContacts: 3})
			for i, s := range c.steps {
				res := r.Register(at(s.at), must(t, s.callID, s.cseq, s.hs...))
				have := uris(at(s.at), r.Contacts(at(s.at), anna))
				if res.Code != s.code || have != s.have || res.Up != s.up || res.Down != s.dn {
					t.Fatalf("step %d: code %d up %v down %v %q\nwant %+v", i, res.Code, res.Up, res.Down, have, s)
				}
				if res.Code == 423 && res.MinExpires != 60 {
					t.Error("Min-Expires", res.MinExpires)
				}
				if res.Code == 200 && uris(at(s.at), res.Bindings) != s.have {
					t.Errorf("step %d: answered %q", i, uris(at(s.at), res.Bindings))
				}
			}
		})
	}
}

func TestRead(t *testing.T) {
	for name, hs := range map[string][]string{
		"wildcard without Expires":   {"Contact: *"},
		"wildcard with Expires 1":    {"Contact: *", "Expires: 1"},
		"wildcard with another":      {"Contact: *", "Contact: <sip:a@b>", "Expires: 0"},
		"reg-id 0":                   {`Contact: <sip:a@b>;+sip.instance="<x>";reg-id=0`},
		"q out of range":             {"Contact: <sip:a@b>;q=1.1"},
		"mail":                       {"Contact: <mailto:a@b>"},
		"a URI as long as a novel":   {"Contact: <sip:" + strings.Repeat("a", 600) + "@b>"},
		"more contacts than anybody": {"Contact: " + strings.Repeat("<sip:a@b>, ", 40) + "<sip:a@b>"},
	} {
		if _, code := register(t, "c", 1, hs...); code == 0 {
			t.Errorf("%s: taken", name)
		}
	}
	q := must(t, "c", 1, `Contact: "Anna" <sip:anna@10.0.0.1:5062;ob>;q=0.5;+sip.instance="<urn:uuid:a, b>";reg-id=3;expires=90;x="y z"`,
		"Path: <sip:p1;lr>, <sip:p2;lr>", "User-Agent: Phone 1.0")
	c := q.Contacts[0]
	if c.Q != 500 || c.Instance != "<urn:uuid:a, b>" || c.RegID != 3 || c.Expires != 90 || c.Match != "<urn:uuid:a, b>#3" ||
		len(q.Path) != 2 || q.Path[1] != "sip:p2;lr" || q.UserAgent != "Phone 1.0" {
		t.Errorf("%+v", q)
	}
	r := New(Config{})
	res := r.Register(begin, q)
	if got := ContactHeaders(begin.Add(500*time.Millisecond), res.Bindings)[0]; got !=
		`<sip:anna@10.0.0.1:5062;ob>;q=0.5;+sip.instance="<urn:uuid:a, b>";reg-id=3;x="y z";expires=90` {
		t.Error(got)
	}
	if f := res.Bindings[0].Flow.Remote.String(); f != "203.0.113.1:4711" {
		t.Error("flow", f)
	}
}

// The examples of RFC 3261 19.1.4, and what registrars meet.
func TestComparison(t *testing.T) {
	key := func(uri string) string {
		q := must(t, "c", 1, "Contact: <"+uri+">")
		return q.Contacts[0].Match
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true},
		{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
		{"sip:a@h;line=1;ob", "sip:a@h;OB;Line=1", true},
		{"sip:a@h;line=1;ob", "sip:a@h;line=2;ob", false},
		{"sip:a@h;b=1;d=1;f=1", "sip:a@h;a=9;c=9;d=2", false},
		{"sip:a@h;b=1;d=1;f=1", "sip:a@h;a=9;c=9;e=2", true},
		{"sip:a@h;x=1%3by=2", "sip:a@h;x=1;y=2", false},
		{"sips:a@h", "sip:a@h", false},
	} {
		a, b := key(c.a), key(c.b)
		if same(a, b) != c.want || same(b, a) != c.want || !same(a, a) {
			t.Errorf("%s and %s: %t, %t; want %t", c.a, c.b, same(a, b), same(b, a), c.want)
		}
	}
}

func TestExpire(t *testing.T) {
	r := New(Config{})
	if _, ok := r.NextDeadline(); ok {
		t.Error("a deadline of nothing")
	}
	for i := range 10 {
		q := must(t, "c", 1, fmt.Sprintf("Contact: <sip:a@h>;expires=%d", 100+10*((i*7)%10)))
		q.Device = fmt.Sprint("d", i)
		q.Flow.Conn = uint64(i%2) * 9
		r.Register(begin, q)
	}
	if d, ok := r.NextDeadline(); !ok || !d.Equal(at(100)) {
		t.Error(d)
	}
	if ids, down := r.Expire(at(99)); len(ids)+len(down) != 0 {
		t.Error(ids)
	}
	ids, down := r.Expire(at(120))
	if len(ids) != 3 || len(down) != 3 || r.Len() != 7 {
		t.Error(ids, down)
	}
	if ids, _ := r.ConnectionClosed(0); ids != nil {
		t.Error("UDP has no connection to close:", ids)
	}
	n := r.Len()
	ids, down = r.ConnectionClosed(9)
	if len(ids) == 0 || len(ids) != len(down) || r.Len() != n-len(ids) {
		t.Error(ids, down)
	}
	if ids, _ := r.ConnectionClosed(9); ids != nil {
		t.Error(ids)
	}
	r.Expire(at(10000))
	if r.Len() != 0 || len(r.byKey) != 0 || len(r.byConn) != 0 {
		t.Errorf("left over: %d %v %v", r.Len(), r.byKey, r.byConn)
	}
}

func TestLoad(t *testing.T) {
	r := New(Config{MaxBindings: 2})
	a := r.Register(at(0), must(t, "c", 1, "Contact: <sip:a@h:1>, <sip:a@h:2>;expires=60"))
	if res := r.Register(at(0), must(t, "c", 2, "Contact: <sip:a@h:3>")); res.Code != 503 {
		t.Error("over the cap of all devices:", res.Code)
	}
	a.Saved[0].Flow.Conn = 5
	again := New(Config{})
	if gone := again.Load(at(61), a.Saved); len(gone) != 1 || gone[0].Contact != "sip:a@h:2" {
		t.Error(gone)
	}
	b := again.Contacts(at(61), anna)
	if len(b) != 1 || b[0].URI != "sip:a@h:1" || b[0].Flow.Conn != 0 {
		t.Errorf("%+v", b)
	}
	// What was stored still orders what comes.
	if res := again.Register(at(62), must(t, "c", 1, "Contact: <sip:a@h:1>")); res.Code != 500 {
		t.Error(res.Code)
	}
}

// Against a model that keeps a plain list, over a random life of three devices.
func TestAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	r := New(Config{MaxContacts: 4})
	type mb struct {
		uri        string
		until, seq int
	}
	model := map[Key][]mb{}
	stored := map[ID]bool{}
	now := 0
	for i := range 5000 {
		now += rnd.IntN(20)
		k := Key{"t", fmt.Sprint(rnd.IntN(3))}
		alive := model[k][:0:0]
		for _, b := range model[k] {
			if b.until > now {
				alive = append(alive, b)
			}
		}
		port, line, exp := 1+rnd.IntN(3), rnd.IntN(3), []int{0, 60, 200}[rnd.IntN(3)]
		uri := fmt.Sprintf("sip:x@h:%d;line=%d", port, line)
		if line == 0 { // the same as the very same, else as the newest with any line
			uri = fmt.Sprintf("sip:x@h:%d", port)
		}
		same := slices.IndexFunc(alive, func(b mb) bool { return b.uri == uri })
		if same < 0 {
			same = slices.IndexFunc(alive, func(b mb) bool {
				return strings.HasPrefix(b.uri+";", fmt.Sprintf("sip:x@h:%d;", port)) && (line == 0 || !strings.Contains(b.uri, ";"))
			})
		}
		ids, _ := r.Expire(at(now))
		for _, id := range ids {
			delete(stored, id)
		}
		q := must(t, "c", i+1, fmt.Sprintf("Contact: <%s>;expires=%d", uri, exp))
		q.Key = k
		res := r.Register(at(now), q)
		if same >= 0 {
			alive = slices.Delete(alive, same, same+1)
		}
		if exp > 0 {
			alive = slices.Insert(alive, 0, mb{uri, now + exp, i})
		}
		if len(alive) > 4 {
			alive = alive[:4]
		}
		model[k] = alive
		for _, b := range res.Saved {
			stored[b.ID] = true
		}
		for _, id := range res.Deleted {
			delete(stored, id)
		}
		var want []string
		for _, b := range alive {
			want = append(want, fmt.Sprintf("%s=%d", b.uri, b.until-now))
		}
		if got := uris(at(now), r.Contacts(at(now), k)); got != strings.Join(want, " ") || res.Code != 200 {
			t.Fatalf("step %d: %q, want %q", i, got, want)
		}
		if len(stored) != r.Len() {
			t.Fatalf("step %d: the store holds %d, the registrar %d", i, len(stored), r.Len())
		}
	}
}

func BenchmarkRegister(b *testing.B) {
	r := New(Config{})
	q := must(b, "c", 1, "Contact: <sip:user@10.0.0.1:5060>;expires=300")
	for i := range 10000 {
		q.Device = fmt.Sprint("user", i)
		r.Register(begin, q)
	}
	b.ReportAllocs()
	for b.Loop() {
		q.CSeq++
		r.Register(begin, q)
	}
}
