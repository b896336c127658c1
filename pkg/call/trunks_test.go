package call

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

var twoTrunks = route.Target{Kind: route.Trunk, Name: "north", RingTimeout: time.Minute,
	Routes: []route.TrunkRoute{{Trunk: "north", Number: "123"}, {Trunk: "south", Number: "0123"}}}

// TestFailoverOnTheRightAnswers: which answers of the first trunk lead to the
// second, and what the caller is told when they do not.
func TestFailoverOnTheRightAnswers(t *testing.T) {
	plain := &Trunk{RingTimeout: time.Minute}
	own := &Trunk{RingTimeout: time.Minute, Failover: []int{480, 500}}
	for _, c := range []struct {
		name   string
		trunk  *Trunk
		failed sip.Failed
		next   bool
		code   int // to the caller
	}{
		{"500", plain, sip.Failed{Code: 500}, true, 0},
		{"502", plain, sip.Failed{Code: 502}, true, 0},
		{"503", plain, sip.Failed{Code: 503}, true, 0},
		{"504", plain, sip.Failed{Code: 504}, true, 0},
		{"408 of a proxy", plain, sip.Failed{Code: 408}, true, 0},
		{"no answer at all", plain, sip.Failed{Code: 408, Timeout: true}, true, 0},
		{"transport", plain, sip.Failed{Code: 503, Reason: "transport failed"}, true, 0},
		{"busy", plain, sip.Failed{Code: 486}, false, 486},
		{"busy everywhere", plain, sip.Failed{Code: 600}, false, 600},
		{"not found", plain, sip.Failed{Code: 404}, false, 404},
		{"too short", plain, sip.Failed{Code: 484}, false, 484},
		{"not there", plain, sip.Failed{Code: 480}, false, 480},
		{"no", plain, sip.Failed{Code: 603}, false, 603},
		{"forbidden", plain, sip.Failed{Code: 403}, false, 403},
		{"gone", plain, sip.Failed{Code: 410}, false, 410},
		{"our password", plain, sip.Failed{Code: 407}, false, 403},
		{"no codec", plain, sip.Failed{Code: 606}, false, 488},
		{"redirect", plain, sip.Failed{Code: 302}, false, 480},
		{"between us", plain, sip.Failed{Code: 420}, false, 500},
		{"own list: 480 leads on", own, sip.Failed{Code: 480}, true, 0},
		{"own list: 503 does not", own, sip.Failed{Code: 503}, false, 500},
		{"own list: silence does always", own, sip.Failed{Code: 408, Timeout: true}, true, 0},
		{"own list: transport does always", own, sip.Failed{Code: 503, Reason: "transport failed"}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &owner{house: trunkHouse{trunk: c.trunk}}
			refused := LegRefused{Leg: 1, Code: c.failed.Code, Reason: reasonOf(c.failed), Next: o.nextTrunk(&legHandle{trunk: "north", began: time.Now()}, c.failed)}
			s := start(t, house, twoTrunks)
			s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
			s.log = nil
			s.do(refused)
			if c.next {
				s.want("DialTrunk south 0123")
				s.never("RingCaller", "AnswerCaller")
				return
			}
			s.want(fmt.Sprintf("Reject %d", c.code))
			s.never("DialTrunk south 0123")
			if end := s.close(); end.Code != c.code {
				t.Errorf("record says %d", end.Code)
			}
		})
	}
}

// trunkHouse is a House of one trunk.
type trunkHouse struct {
	House
	trunk *Trunk
}

func (h trunkHouse) Trunk(string) *Trunk { return h.trunk }

func TestNoFailoverOnceItRang(t *testing.T) {
	for _, early := range []bool{false, true} {
		s := start(t, house, twoTrunks)
		s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
		s.do(LegProgressed{Leg: 1, Early: early})
		s.log = nil
		s.do(LegRefused{Leg: 1, Code: 503, Reason: event.ReasonUnreachable, Next: true})
		s.never("DialTrunk south 0123")
		s.want("Reject 500")
	}
	// Nor when the caller has waited the whole ring time, rung or not.
	s := start(t, house, twoTrunks)
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
	s.log = nil
	s.after(time.Minute, TimerFired{TimerRing})
	s.never("DialTrunk south 0123")
	s.want("EndLeg 1 no answer", "Reject 480")
}

func TestTheMostTellingAnswerReachesTheCaller(t *testing.T) {
	s := start(t, house, twoTrunks)
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
	s.do(LegRefused{Leg: 1, Code: 503, Reason: event.ReasonUnreachable, Next: true, Word: "Q.850;cause=41"})
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "south", Number: "0123"}}})
	s.log = nil
	s.do(LegRefused{Leg: 2, Code: 404, Reason: event.ReasonNotFound, Word: `Q.850;cause=1;text="Unallocated"`})
	s.want("Reject 404")
	for _, e := range s.all {
		if r, ok := e.(RejectCaller); ok && r.Word != `Q.850;cause=1;text="Unallocated"` {
			t.Errorf("%+v", r)
		}
	}
	// All carriers down: their 503 is no reason for the caller to leave us.
	s = start(t, house, twoTrunks)
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
	s.do(LegRefused{Leg: 1, Code: 503, Reason: event.ReasonUnreachable, Next: true})
	s.do(DialFailed{Reason: event.ReasonUnreachable})
	s.want("Reject 500")
}

func TestCallerGoneWhileTrunksAreTried(t *testing.T) {
	s := start(t, house, twoTrunks)
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
	s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonCancelled})
	s.log = nil
	s.do(LegRefused{Leg: 1, Code: 503, Reason: event.ReasonUnreachable, Next: true})
	s.never("DialTrunk south 0123")
	s.do(OutsideFound{[]string{"trunk:south:0123"}}) // late
	s.never("DialTrunk south 0123")
	s.close()
}

func TestCodeTowardsCaller(t *testing.T) {
	for code := 100; code < 800; code++ {
		got := codeTowardsCaller(code)
		if got == 401 || got == 407 || got == 503 || got != 0 && (got < 400 || got > 699) {
			t.Errorf("%d becomes %d", code, got)
		}
	}
}

func TestSafeReason(t *testing.T) {
	for in, want := range map[string]string{
		`Q.850;cause=17;text="User busy"`:       `Q.850;cause=17;text="User busy"`,
		`q.850 ; cause = 17`:                    `Q.850;cause=17`,
		`SIP;cause=503;text="a\"b;c"`:           `SIP;cause=503;text="ab"`,
		"SIP;cause=200;text=\"x\r\nVia: evil\"": `SIP;cause=200;text="xVia: evil"`,
		`SIP;cause=2000`:                        "",
		`SIP;cause=-1`:                          "",
		`SIP;text="no cause"`:                   "",
		`X-Own;cause=1`:                         "",
		"Busy Here":                             "",
		"":                                      "",
		`Q.850;cause=1;text="` + strings.Repeat("x", 500) + `"`: `Q.850;cause=1;text="` + strings.Repeat("x", 64) + `"`,
	} {
		if got := safeReason(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func invitation(headers ...string) *sip.Invitation {
	values := func(name string) (out []string) {
		for _, h := range headers {
			if n, v, _ := strings.Cut(h, ": "); strings.EqualFold(n, name) {
				out = append(out, v)
			}
		}
		return out
	}
	return &sip.Invitation{From: sip.Address{Display: "Carrier", User: "0700", Host: "carrier.example"}, To: sip.Address{User: "0213456789"}, Dialled: "house",
		Headers: values, Header: func(name string) string {
			if v := values(name); len(v) > 0 {
				return v[0]
			}
			return ""
		}}
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		trusted bool
		want    identity
	}{
		{"From alone", nil, true, identity{number: "0700", display: "Carrier"}},
		{"asserted, trusted", []string{`P-Asserted-Identity: "Ion, \"the\" Great" <sip:+40722@c;user=phone>`}, true, identity{number: "+40722", display: `Ion, "the" Great`}},
		{"asserted by nobody we trust", []string{`P-Asserted-Identity: <sip:+40722@c>`, `Remote-Party-ID: <sip:1@c>`}, false, identity{number: "0700", display: "Carrier"}},
		{"tel", []string{`P-Asserted-Identity: <tel:+40-722.333;phone-context=x>`}, true, identity{number: "+40722333"}},
		{"two", []string{`P-Asserted-Identity: <sip:+40722@c>, <tel:+40722>`}, true, identity{number: "+40722"}},
		{"remote party", []string{`Remote-Party-ID: "Ion" <sip:0722@c>;party=calling;screen=yes;privacy=off`}, true, identity{number: "0722", display: "Ion"}},
		{"remote party, private", []string{`Remote-Party-ID: <sip:0722@c>;privacy=full`}, true, identity{number: "0722", private: true}},
		{"remote party of the called", []string{`Remote-Party-ID: <sip:0722@c>;party=called`}, true, identity{number: "0700", display: "Carrier"}},
		{"privacy keeps the number for us", []string{`P-Asserted-Identity: <sip:+40722@c>`, "Privacy: id"}, true, identity{number: "+40722", private: true}},
		{"privacy none", []string{"Privacy: none"}, false, identity{number: "0700", display: "Carrier"}},
		{"privacy of many", []string{"Privacy: Header ; critical"}, false, identity{number: "0700", display: "Carrier", private: true}},
		{"diversion", []string{"Diversion: <sip:+40211@c>;reason=no-answer", "Diversion: <sip:+40210@c>"}, false, identity{number: "0700", display: "Carrier", divertedBy: "+40211"}},
		{"history", []string{`History-Info: <sip:+40210@c>;index=1, <sip:+40211@c?Reason=x>;index=1.1`, `History-Info: <sip:house@c>;index=1.1.1`}, false,
			identity{number: "0700", display: "Carrier", divertedBy: "+40211"}},
		{"history of one", []string{`History-Info: <sip:+40210@c>;index=1`}, false, identity{number: "0700", display: "Carrier"}},
		{"nonsense", []string{"P-Asserted-Identity: <sip:host.only>", "Diversion: ,,<", "Privacy: ;;"}, true, identity{number: "0700", display: "Carrier"}},
		{"controls", []string{"P-Asserted-Identity: \"a\tb\" <sip:1%0a2@c>"}, true, identity{number: "12", display: "ab"}},
	} {
		if got := identify(invitation(c.headers...), c.trusted, ""); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if got := identify(invitation(), false, "house"); got.dialled != "0213456789" {
		t.Errorf("a registered trunk's number: %+v", got)
	}
	if got := identify(invitation("P-Called-Party-ID: <sip:0211111111@c>"), false, "house"); got.dialled != "0211111111" {
		t.Errorf("called party: %+v", got)
	}
	anonymous := invitation()
	anonymous.From = sip.Address{Display: "Anonymous", User: "x", Host: "anonymous.invalid:5060"}
	if got := identify(anonymous, false, ""); !got.private {
		t.Errorf("%+v", got)
	}
}

func TestShownToATrunk(t *testing.T) {
	show := func(n string) string { return "+4" + n }
	for _, c := range []struct {
		name    string
		trunk   Trunk
		state   State
		from    string
		headers string
	}{
		{"plain", Trunk{Host: "c"}, State{From: "0211"}, "0211@", ""},
		{"format", Trunk{Host: "c", Show: show}, State{From: "0211"}, "+40211@", ""},
		{"fixed", Trunk{Host: "c", Show: show, CallerID: "+40210"}, State{From: "101"}, "+40210@", ""},
		{"asserted", Trunk{Host: "c", SendIdentity: "pai"}, State{From: "0211"}, "0211@", "P-Asserted-Identity: <sip:0211@c>"},
		{"private", Trunk{Host: "c"}, State{From: "0211", Private: true}, "anonymous@anonymous.invalid", "Privacy: id"},
		{"private, asserted", Trunk{Host: "c", SendIdentity: "pai"}, State{From: "0211", Private: true}, "anonymous@anonymous.invalid", "P-Asserted-Identity: <sip:0211@c>|Privacy: id"},
		{"private, remote party", Trunk{Host: "c", SendIdentity: "rpid"}, State{From: "0211", Private: true}, "anonymous@anonymous.invalid",
			"Remote-Party-ID: <sip:0211@c>;party=calling;screen=yes;privacy=full|Privacy: id"},
		{"private in need", Trunk{Host: "c"}, State{From: "0211", Private: true, Emergency: true}, "0211@", ""},
		{"forwarded", Trunk{Host: "c", SendDiversion: "diversion"}, State{From: "0211", Dialled: "0300", Legs: []Leg{{Trunk: "in"}}}, "0211@",
			"Diversion: <sip:0300@c>;reason=unconditional;counter=1"},
		{"forwarded, history", Trunk{Host: "c", SendDiversion: "history_info"}, State{From: "0211", Dialled: "0300", Legs: []Leg{{Trunk: "in"}}}, "0211@",
			"History-Info: <sip:0300@c>;index=1, <sip:0722@c;cause=302>;index=1.1"},
		{"own call is not forwarded", Trunk{Host: "c", SendDiversion: "diversion"}, State{From: "101", Dialled: "0722"}, "101@", ""},
		{"a name that could break the header", Trunk{Host: "c", SendIdentity: "pai", SendDiversion: "diversion"},
			State{From: "a>\r\nX: y", Dialled: `"<`, Legs: []Leg{{Trunk: "in"}}}, "a>\r\nX: y@", ""},
	} {
		if c.state.Legs == nil {
			c.state.Legs = []Leg{{}}
		}
		o := &owner{m: NewMachine(c.state, house)}
		from, hs := o.shown(&c.trunk, "0722", c.state.Emergency)
		var lines []string
		for _, h := range hs {
			lines = append(lines, h.Name+": "+h.Value)
		}
		if got := from.User + "@" + from.Host; got != c.from || strings.Join(lines, "|") != c.headers {
			t.Errorf("%s: %s %q, want %s %q", c.name, got, lines, c.from, c.headers)
		}
	}
}
