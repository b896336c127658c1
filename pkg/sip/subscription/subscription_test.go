package subscription

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/sip/registrar"
)

var (
	t0   = time.Date(2026, 3, 29, 0, 59, 50, 0, time.UTC) // ten seconds before a DST night in Chisinau
	anna = Key{Tenant: "t", Device: "anna"}
	bob  = Key{Tenant: "t", Device: "bob"}
)

// score plays a desk on virtual time. What goes out is noted in one line each:
//
//	c1 1 dialog active;expires=3600 full 0 [a early]
//	c1 1 message-summary terminated;reason=timeout yes 2/1
type score struct {
	t   *testing.T
	k   *Desk
	now time.Time
	got []string
	out []Notify
}

func newScore(t *testing.T, cfg Config) *score { return &score{t: t, k: New(cfg), now: t0} }

type document struct {
	Version int    `xml:"version,attr"`
	State   string `xml:"state,attr"`
	Entity  string `xml:"entity,attr"`
	Dialogs []struct {
		ID        string `xml:"id,attr"`
		CallID    string `xml:"call-id,attr"`
		Direction string `xml:"direction,attr"`
		State     string `xml:"state"`
		Remote    struct {
			Identity struct {
				Display string `xml:"display,attr"`
				URI     string `xml:",chardata"`
			} `xml:"identity"`
		} `xml:"remote"`
	} `xml:"dialog"`
}

type regDocument struct {
	Version       int    `xml:"version,attr"`
	State         string `xml:"state,attr"`
	Registrations []struct {
		AOR      string `xml:"aor,attr"`
		State    string `xml:"state,attr"`
		Contacts []struct {
			ID      string `xml:"id,attr"`
			State   string `xml:"state,attr"`
			Event   string `xml:"event,attr"`
			Expires int    `xml:"expires,attr"`
			Q       string `xml:"q,attr"`
			CallID  string `xml:"callid,attr"`
			URI     string `xml:"uri"`
		} `xml:"contact"`
	} `xml:"registration"`
}

func (s *score) note(list []Notify) {
	for _, n := range list {
		text := ""
		switch n.Package {
		case DialogEvent:
			var d document
			if err := xml.Unmarshal(n.Body, &d); err != nil || n.ContentType != "application/dialog-info+xml" {
				s.t.Fatalf("%v\n%s", err, n.Body)
			}
			var all []string
			for _, x := range d.Dialogs {
				all = append(all, x.ID+" "+x.State)
			}
			text = fmt.Sprintf("%s %d %v", d.State, d.Version, all)
		case RegEvent:
			var d regDocument
			if err := xml.Unmarshal(n.Body, &d); err != nil || n.ContentType != "application/reginfo+xml" || d.State != "full" || len(d.Registrations) != 1 {
				s.t.Fatalf("%v\n%s", err, n.Body)
			}
			var all []string
			for _, x := range d.Registrations[0].Contacts {
				all = append(all, x.URI+" "+x.State+" "+x.Event)
			}
			text = fmt.Sprintf("%s %d %v", d.Registrations[0].State, d.Version, all)
		default:
			f := strings.Fields(string(n.Body))
			text = f[1] + " " + f[len(f)-2]
		}
		s.out = append(s.out, n)
		s.got = append(s.got, fmt.Sprintf("%s %d %s %s %s", n.CallID, n.LocalCSeq, n.Event(), n.State, text))
	}
}

func (s *score) want(lines ...string) {
	s.t.Helper()
	if len(s.got)+len(lines) > 0 && !reflect.DeepEqual(s.got, lines) {
		s.t.Fatalf("at %v\n got  %q\n want %q", s.now.Sub(t0), s.got, lines)
	}
	s.got = nil
}

func (s *score) wait(d time.Duration, lines ...string) {
	s.t.Helper()
	end := s.now.Add(d)
	for {
		at, ok := s.k.NextDeadline()
		if !ok || at.After(end) {
			break
		}
		if at.After(s.now) {
			s.now = at
		}
		s.note(s.k.Expire(s.now))
	}
	s.now = end
	s.want(lines...)
}

func req(pkg, callID string, change ...func(*Request)) Request {
	r := Request{Subscriber: anna, Resource: bob, Package: pkg, Entity: "sip:bob@h", CallID: callID, FromTag: "f", NewTag: "n" + callID,
		CSeq: 1, Expires: -1, Local: "<sip:bob@h>", Remote: "<sip:anna@h>", Target: "sip:anna@192.0.2.9", Contact: "sip:192.0.2.1",
		Flow: registrar.Flow{Transport: "udp"}}
	for _, f := range change {
		f(&r)
	}
	return r
}

func again(cseq uint32, expires int64) func(*Request) {
	return func(r *Request) { r.ToTag, r.CSeq, r.Expires = "n"+r.CallID, cseq, expires }
}

func (s *score) sub(code int, r Request, lines ...string) Answer {
	s.t.Helper()
	a, list := s.k.Subscribe(s.now, r)
	if a.Code != code {
		s.t.Fatalf("%+v, want %d", a, code)
	}
	s.note(list)
	s.want(lines...)
	return a
}

func (s *score) ok(callID string, cseq uint32, lines ...string) {
	s.t.Helper()
	s.end(callID, cseq, 200, lines...)
}

func (s *score) end(callID string, cseq uint32, code int, lines ...string) {
	s.t.Helper()
	s.note(s.k.Notified(s.now, ID{callID, "n" + callID}, cseq, code, false))
	s.want(lines...)
}

func (s *score) dialogs(lines []string, list ...Dialog) {
	s.t.Helper()
	s.note(s.k.SetDialogs(s.now, bob, list))
	s.want(lines...)
}

func TestScores(t *testing.T) {
	tests := []struct {
		name string
		play func(t *testing.T)
	}{
		{"a lamp: idle, rings, talks, idle", func(t *testing.T) {
			s := newScore(t, Config{})
			if a := s.sub(200, req(DialogEvent, "c"), "c 1 dialog active;expires=3600 full 0 []"); a.Expires != 3600 || a.Tag != "nc" {
				t.Errorf("%+v", a)
			}
			s.ok("c", 1)
			s.dialogs([]string{"c 2 dialog active;expires=3600 partial 1 [a early]"}, Dialog{ID: "a", State: Early})
			s.ok("c", 2)
			s.dialogs(nil, Dialog{ID: "a", State: Early}) // no news
			s.now = s.now.Add(1500 * time.Millisecond)
			s.dialogs([]string{"c 3 dialog active;expires=3599 partial 2 [a confirmed]"}, Dialog{ID: "a", State: Confirmed})
			s.ok("c", 3)
			s.dialogs([]string{"c 4 dialog active;expires=3599 partial 3 [a terminated]"}, Dialog{ID: "a", State: Terminated})
		}},
		{"one NOTIFY at a time, what happens meanwhile is gathered", func(t *testing.T) {
			s := newScore(t, Config{})
			s.sub(200, req(DialogEvent, "c"), "c 1 dialog active;expires=3600 full 0 []")
			s.dialogs(nil, Dialog{ID: "a", State: Early})
			s.dialogs(nil, Dialog{ID: "a", State: Confirmed}, Dialog{ID: "b", State: Early})
			s.dialogs(nil, Dialog{ID: "b", State: Confirmed})
			s.ok("c", 1, "c 2 dialog active;expires=3600 partial 1 [b confirmed]")
			s.dialogs(nil)
			s.dialogs(nil, Dialog{ID: "b", State: Confirmed})
			s.ok("c", 2) // it is as the watcher knows it
			s.ok("c", 2) // nobody waits for that
		}},
		{"a watcher that joins in mid-call is told all", func(t *testing.T) {
			s := newScore(t, Config{})
			s.dialogs(nil, Dialog{ID: "a", State: Confirmed})
			s.sub(200, req(DialogEvent, "c"), "c 1 dialog active;expires=3600 full 0 [a confirmed]")
		}},
		{"refresh tells the whole state; versions count on", func(t *testing.T) {
			s := newScore(t, Config{})
			s.sub(200, req(DialogEvent, "c"), "c 1 dialog active;expires=3600 full 0 []")
			s.ok("c", 1)
			s.wait(1800 * time.Second)
			s.sub(200, req(DialogEvent, "c", again(2, 600)), "c 2 dialog active;expires=600 full 1 []")
			s.ok("c", 2)
			s.wait(600*time.Second, "c 3 dialog terminated;reason=timeout full 2 []")
			s.sub(481, req(DialogEvent, "c", again(3, 600)))
			s.ok("c", 3)
			if s.k.Len() != 0 || len(s.k.watched)+len(s.k.byOwner)+len(s.k.due) != 0 {
				t.Errorf("%+v", s.k)
			}
		}},
		{"unsubscribe", func(t *testing.T) {
			s := newScore(t, Config{})
			s.sub(200, req(MessageSummary, "c"), "c 1 message-summary active;expires=3600 no 0/0")
			s.sub(200, req(MessageSummary, "c", again(2, 0))) // behind the one on its way
			s.ok("c", 1, "c 2 message-summary terminated;reason=timeout no 0/0")
			s.note(s.k.SetMessages(s.now, bob, Messages{1, 0}))
			s.ok("c", 2)
			if s.k.Len() != 0 {
				t.Error("it lives")
			}
		}},
		{"fetch", func(t *testing.T) {
			s := newScore(t, Config{})
			s.k.SetMessages(s.now, bob, Messages{2, 1})
			s.sub(200, req(MessageSummary, "c", func(r *Request) { r.Expires = 0 }), "c 1 message-summary terminated;reason=timeout yes 2/1")
			s.end("c", 1, 0)
			if s.k.Len() != 0 {
				t.Error("it lives")
			}
		}},
		{"message lamp", func(t *testing.T) {
			s := newScore(t, Config{})
			s.sub(200, req(MessageSummary, "c", func(r *Request) { r.EventID = "7" }), "c 1 message-summary;id=7 active;expires=3600 no 0/0")
			s.note(s.k.SetMessages(s.now, bob, Messages{1, 0}))
			s.note(s.k.SetMessages(s.now, bob, Messages{-3, 1}))
			s.ok("c", 1, "c 2 message-summary;id=7 active;expires=3600 no 0/1")
			s.note(s.k.SetMessages(s.now, bob, Messages{0, 1}))
			s.ok("c", 2)
		}},
		{"who does not want it any more is left alone", func(t *testing.T) {
			for _, code := range []int{481, 489, 408, 404, 603} {
				s := newScore(t, Config{})
				s.sub(200, req(DialogEvent, "c"), "c 1 dialog active;expires=3600 full 0 []")
				s.end("c", 1, code)
				s.dialogs(nil, Dialog{ID: "a"})
				if s.k.Len() != 0 {
					t.Errorf("%d: it lives", code)
				}
			}
		}},
		{"a broken way is no reason to forget; then all is told", func(t *testing.T) {
			s := newScore(t, Config{})
			s.sub(200, req(DialogEvent, "c"), "c 1 dialog active;expires=3600 full 0 []")
			s.end("c", 1, 0)
			s.dialogs([]string{"c 2 dialog active;expires=3600 full 1 [a trying]"}, Dialog{ID: "a"})
			s.note(s.k.Notified(s.now, ID{"c", "nc"}, 2, 500, true))
			s.note(s.k.Reachable(s.now, bob)) // watched, not watching
			s.want()
			s.note(s.k.Reachable(s.now, anna))
			s.want("c 3 dialog active;expires=3600 full 2 [a trying]")
			s.note(s.k.Reachable(s.now, anna)) // on its way
			s.ok("c", 3)
			s.note(s.k.Reachable(s.now, anna)) // told
			s.want()
			s.sub(200, req(DialogEvent, "c", again(2, -1)), "c 4 dialog active;expires=3600 full 3 [a trying]")
		}},
		{"refused", func(t *testing.T) {
			s := newScore(t, Config{Max: 2})
			s.sub(489, req("presence", "c"))
			s.sub(400, req(DialogEvent, "c", func(r *Request) { r.Target = "" }))
			s.sub(403, req(DialogEvent, "c", func(r *Request) { r.Resource.Tenant = "u" }))
			if a := s.sub(423, req(DialogEvent, "c", func(r *Request) { r.Expires = 59 })); a.Expires != 60 {
				t.Errorf("%+v", a)
			}
			s.sub(481, req(DialogEvent, "c", again(2, 60)))
			s.sub(200, req(DialogEvent, "c", func(r *Request) { r.Expires = 1<<32 - 1 }), "c 1 dialog active;expires=3600 full 0 []")
			s.sub(500, req(DialogEvent, "c", again(1, 60)))
			s.sub(481, req(MessageSummary, "c", again(2, 60)))
			s.sub(481, req(DialogEvent, "c", again(2, 60), func(r *Request) { r.FromTag = "x" }))
			s.sub(403, req(DialogEvent, "c", again(2, 60), func(r *Request) { r.Subscriber = bob }))
			s.sub(200, req(DialogEvent, "d"), "d 1 dialog active;expires=3600 full 0 []")
			s.sub(503, req(DialogEvent, "e"))
		}},
		{"cap per device: the one that would end first makes room", func(t *testing.T) {
			s := newScore(t, Config{PerDevice: 2, Max: 2})
			s.sub(200, req(DialogEvent, "a", func(r *Request) { r.Expires = 600 }), "a 1 dialog active;expires=600 full 0 []")
			s.sub(200, req(DialogEvent, "b", func(r *Request) { r.Expires = 300 }), "b 1 dialog active;expires=300 full 0 []")
			s.sub(200, req(DialogEvent, "c"), "c 1 dialog active;expires=3600 full 0 []")
			s.sub(481, req(DialogEvent, "b", again(2, 600)))
			s.ok("a", 1)
			s.ok("b", 1)
		}},
		{"a device that may not any more", func(t *testing.T) {
			s := newScore(t, Config{})
			s.sub(200, req(DialogEvent, "a"), "a 1 dialog active;expires=3600 full 0 []")
			s.ok("a", 1)
			s.note(s.k.Drop(s.now, anna))
			s.want("a 2 dialog terminated;reason=rejected full 1 []")
			s.wait(2 * time.Hour)
			s.ok("a", 2)
			if s.k.Len() != 0 {
				t.Error("it lives")
			}
		}},
		{"a device's own registrations", func(t *testing.T) {
			var have []Contact
			s := newScore(t, Config{Contacts: func(k Key) []Contact {
				if k != anna {
					t.Errorf("%v asked for", k)
				}
				return have
			}})
			bind := func(id string, secs int) Contact {
				return Contact{ID: id, URI: "sip:" + id, Event: ContactRegistered, Expires: s.now.Add(time.Duration(secs) * time.Second), Q: 1000}
			}
			set := func(why ContactEvent, list ...Contact) {
				have = list
				s.note(s.k.SetRegistered(s.now, anna, why))
			}
			own := func(r *Request) { r.Resource = anna }
			set(ContactUnregistered, bind("a", 60)) // nobody watches
			s.sub(403, req(RegEvent, "c"))
			s.sub(200, req(RegEvent, "c", own), "c 1 reg active;expires=3600 active 0 [sip:a active registered]")
			set(ContactUnregistered, bind("a", 60), bind("b", 90))
			set(ContactDeactivated, bind("b", 90))
			s.ok("c", 1, "c 2 reg active;expires=3600 active 1 [sip:a terminated deactivated sip:b active registered]")
			s.ok("c", 2)
			set(ContactUnregistered, bind("b", 300)) // a refresh
			s.want()
			s.wait(299 * time.Second)
			s.now = s.now.Add(time.Second)
			set(ContactUnregistered) // whatever found it out, its time was up
			s.want("c 3 reg active;expires=3300 terminated 2 [sip:b terminated expired]")
			s.ok("c", 3)
			s.sub(200, req(RegEvent, "c", own, again(2, 600)), "c 4 reg active;expires=600 init 3 []")
			s.ok("c", 4)
			set(ContactUnregistered, bind("b", 60))
			set(ContactUnregistered)
			set(ContactUnregistered, bind("b", 60)) // and back, while the first is on its way
			s.want("c 5 reg active;expires=600 active 4 [sip:b active registered]")
			s.ok("c", 5, "c 6 reg active;expires=600 active 5 [sip:b active registered]")
		}},
		{"registrations without a registrar", func(t *testing.T) {
			newScore(t, Config{}).sub(489, req(RegEvent, "c", func(r *Request) { r.Resource = anna }))
		}},
		{"over a restart", func(t *testing.T) {
			s := newScore(t, Config{})
			s.sub(200, req(DialogEvent, "a"), "a 1 dialog active;expires=3600 full 0 []")
			s.sub(200, req(MessageSummary, "b", func(r *Request) { r.Expires = 60 }), "b 1 message-summary active;expires=60 no 0/0")
			saved, deleted := s.k.Changes()
			if len(saved) != 2 || len(deleted) != 0 {
				t.Fatal(saved, deleted)
			}
			raw, _ := json.Marshal(saved)
			var back []Subscription
			if err := json.Unmarshal(raw, &back); err != nil {
				t.Fatal(err)
			}
			s = newScore(t, Config{})
			s.now = s.now.Add(time.Minute)
			s.note(s.k.Load(s.now, back))
			s.want("a 1002 dialog active;expires=3540 full 1001 []")
			if saved, deleted = s.k.Changes(); len(saved) != 1 || len(deleted) != 1 || deleted[0].CallID != "b" {
				t.Error(saved, deleted)
			}
			s.ok("a", 1002)
			s.sub(200, req(DialogEvent, "a", again(2, 600)), "a 1003 dialog active;expires=600 full 1002 []")
		}},
	}
	for _, c := range tests {
		t.Run(c.name, c.play)
	}
}

func TestDocuments(t *testing.T) {
	b := dialogInfo(7, true, `sip:b"<&@h`, []Dialog{{ID: "a&b", State: Early, CallID: "c", LocalTag: "l", RemoteTag: "r", Initiator: true,
		RemoteName: "Ștefan \"<script>\" \x00\xff", RemoteURI: "sip:+37369@h"}})
	var d document
	if err := xml.Unmarshal(b, &d); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	x := d.Dialogs[0]
	if d.Entity != `sip:b"<&@h` || x.ID != "a&b" || x.Direction != "initiator" || x.Remote.Identity.Display != "Ștefan \"<script>\" ��" || x.Remote.Identity.URI != "sip:+37369@h" {
		t.Errorf("%+v\n%s", d, b)
	}
	b = regInfo(t0, 3, `sip:b"<&@h`, []Contact{{ID: "x", URI: "sip:a&b@h;x=<1>", Event: ContactRegistered, Expires: t0.Add(90 * time.Second), Q: 505, CallID: `c"1`, CSeq: 9}}, nil)
	var r regDocument
	if err := xml.Unmarshal(b, &r); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if c := r.Registrations[0].Contacts[0]; r.Version != 3 || r.Registrations[0].AOR != `sip:b"<&@h` || c.URI != "sip:a&b@h;x=<1>" || c.Expires != 90 || c.Q != "0.505" || c.CallID != `c"1` {
		t.Errorf("%+v\n%s", r, b)
	}
	if got, want := string(MessageSummaryBody("sip:a@h", Messages{2, 8})), "Messages-Waiting: yes\r\nMessage-Account: sip:a@h\r\nVoice-Message: 2/8 (0/0)\r\n"; got != want {
		t.Errorf("%q", got)
	}
}

func subscribe(t testing.TB, hs ...string) *sip.Request {
	text := "SUBSCRIBE sip:202:pw@192.0.2.1:5060;x=y SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bK1\r\nFrom: \"A\" <sip:anna@h>;tag=f\r\n" +
		"To: <sip:202@h>\r\nCall-ID: c\r\nCSeq: 5 SUBSCRIBE\r\n" + strings.Join(hs, "\r\n") + "\r\nContent-Length: 0\r\n\r\n"
	m, err := sip.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*sip.Request)
}

func TestRead(t *testing.T) {
	const contact = "Contact: <sip:anna@192.0.2.9;transport=tcp>;x=y"
	r, code := Read(subscribe(t, contact, "Event: Dialog;id=a1;x", "Expires: 600", "Accept: text/plain, application/dialog-info+xml;q=1", "Record-Route: <sip:p;lr>"), registrar.Flow{})
	if code != 0 || r.Package != DialogEvent || r.EventID != "a1" || r.Expires != 600 || r.Target != "sip:anna@192.0.2.9;transport=tcp" ||
		r.Entity != "sip:202@192.0.2.1:5060" || r.CSeq != 5 || r.FromTag != "f" || r.ToTag != "" || len(r.Routes) != 1 || r.Remote != `"A" <sip:anna@h>` {
		t.Errorf("%d %+v", code, r)
	}
	for _, c := range []struct {
		code int
		hs   []string
	}{
		{489, []string{contact}},
		{489, []string{contact, "Event: presence"}},
		{400, []string{contact, "Event: dialog", "o: dialog"}},
		{400, []string{contact, "Event: dialog;id=" + strings.Repeat("a", 65)}},
		{400, []string{contact, "Event: dialog", "Expires: soon"}},
		{400, []string{contact, "Event: dialog", "Expires: -1"}},
		{400, []string{contact, "Event: dialog", "Expires: 4294967296"}},
		{400, []string{"Event: dialog"}},
		{406, []string{contact, "Event: dialog", "Accept: application/pidf+xml"}},
		{0, []string{contact, "Event: message-summary", "Accept: */*"}},
		{0, []string{contact, "o: message-summary"}},
	} {
		if _, code := Read(subscribe(t, c.hs...), registrar.Flow{}); code != c.code {
			t.Errorf("%q: %d, want %d", c.hs, code, c.code)
		}
	}
}

// Whatever happens in whatever order: at most one NOTIFY of a subscription is
// unanswered, CSeq and version rise by one, a watcher that applies what it gets
// knows the state when all is answered, and in the end nothing is left.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := New(Config{PerDevice: 4, Max: 6})
		now := t0
		type watcher struct {
			cseq    uint32
			version int
			open    bool
			state   map[string]string
			broken  bool
		}
		all := map[ID]*watcher{}
		current := []Dialog{}
		take := func(list []Notify) {
			for _, n := range list {
				w := all[n.ID]
				if w == nil {
					w = &watcher{version: -1}
					all[n.ID] = w
				}
				var d document
				if err := xml.Unmarshal(n.Body, &d); err != nil {
					t.Fatal(err)
				}
				if w.open || n.LocalCSeq != w.cseq+1 || d.Version != w.version+1 {
					t.Fatalf("%+v %d %+v", n.Subscription, d.Version, w)
				}
				w.open, w.cseq, w.version = true, n.LocalCSeq, d.Version
				if d.State == "full" {
					w.state, w.broken = map[string]string{}, false
				}
				for _, x := range d.Dialogs {
					if x.State == "terminated" {
						delete(w.state, x.ID)
					} else {
						w.state[x.ID] = x.State
					}
				}
			}
		}
		answer := func(code int) {
			for id, w := range all {
				if w.open {
					w.open = false
					take(k.Notified(now, id, w.cseq, code, false))
					w.broken = w.broken || code == 0
					if k.subs[id] == nil {
						delete(all, id)
					}
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "s")) * time.Second)
			take(k.Expire(now))
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				id := fmt.Sprint(rapid.IntRange(0, 8).Draw(t, "id"))
				r := req(DialogEvent, id)
				r.Subscriber = Key{Tenant: "t", Device: fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "who"))}
				if k.subs[ID{id, "n" + id}] != nil {
					r = req(DialogEvent, id, again(k.subs[ID{id, "n" + id}].RemoteCSeq+1, int64(rapid.SampledFrom([]int{0, 60, 300}).Draw(t, "exp"))))
					r.Subscriber = k.subs[ID{id, "n" + id}].Subscriber
				} else {
					delete(all, ID{id, "n" + id})
				}
				_, list := k.Subscribe(now, r)
				take(list)
			case 1, 2:
				current = nil
				for i := range rapid.IntRange(0, 3).Draw(t, "dialogs") {
					current = append(current, Dialog{ID: fmt.Sprint(i), State: State(rapid.IntRange(0, 4).Draw(t, "state"))})
				}
				take(k.SetDialogs(now, bob, current))
			case 3:
				answer(200)
			case 4:
				answer(rapid.SampledFrom([]int{0, 200, 481}).Draw(t, "code"))
			}
			if k.Len() > 6 || len(k.subs) != func() (n int) {
				for _, l := range k.byOwner {
					if n += len(l); len(l) > 4 {
						t.Fatal("cap")
					}
				}
				return
			}() {
				t.Fatal("counts")
			}
		}
		for i := 0; i < 5; i++ {
			answer(200)
		}
		want := map[string]string{}
		for _, d := range current {
			if d.State != Terminated {
				want[d.ID] = d.State.String()
			}
		}
		for id, w := range all {
			if k.subs[id] != nil && !w.broken && !reflect.DeepEqual(w.state, want) {
				t.Fatalf("%v knows %v, want %v", id, w.state, want)
			}
		}
		take(k.Expire(now.Add(2 * time.Hour)))
		for i := 0; i < 5; i++ {
			answer(200)
		}
		if k.Len() != 0 || len(k.byOwner)+len(k.watched)+len(k.due) != 0 {
			t.Fatalf("%d left", k.Len())
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add("Event: dialog;id=1\r\nContact: <sip:a@h>\r\nExpires: 60\r\nAccept: */*")
	f.Add("o: message-summary;;;id=\r\nContact: *\r\nRecord-Route: <sip:a>,<sip:b;lr>")
	f.Fuzz(func(t *testing.T, headers string) {
		text := "SUBSCRIBE sip:a@h SIP/2.0\r\nFrom: <sip:a@h>;tag=f\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 5 SUBSCRIBE\r\n" + headers + "\r\n\r\n"
		m, err := sip.ParseMessage([]byte(text))
		r, ok := m.(*sip.Request)
		if err != nil || !ok {
			return
		}
		q, code := Read(r, registrar.Flow{})
		if code == 0 && (q.Target == "" || ContentType(q.Package) == "" || q.CallID == "" || q.Expires < -1 || q.Expires > 1<<32-1 || strings.ContainsAny(q.EventID, "\r\n")) {
			t.Fatalf("%+v", q)
		}
	})
}
