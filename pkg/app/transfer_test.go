package app_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

const moreDocs = `
{kind: device, name: carol, spec: {password: pw-carol, extension: "202", max_calls: 1}}
---
{kind: user, name: carol, spec: {roles: [agent], device: carol}}
---
{kind: device, name: dan, spec: {password: pw-dan, extension: "203", record: always}}
---
{kind: tenant, name: default, spec: {language: en, record: always}}
`

// The tone that each of them says.
const (
	annaTone, bobTone, carolTone, danTone = 400, 700, 1000, 1300
)

var (
	carol = robot.Account{User: "carol", Password: "pw-carol"}
	dan   = robot.Account{User: "dan", Password: "pw-dan"}
)

// desk is a phone with sound.
type desk struct {
	*robot.Endpoint
	robot.Account
	tone  int
	rings chan *robot.Call
}

// office is a node with four people at their phones.
type office struct {
	*node
	media                 *robot.Media
	anna, bob, carol, dan *desk
}

func newOffice(t *testing.T) *office {
	t.Helper()
	t.Parallel() // these wait for sound, not for the processor
	o := &office{node: up(t)}
	if _, err := o.apply(moreDocs, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	var err error
	if o.media, err = robot.NewMedia(robot.MediaConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.media.Close)
	o.anna, o.bob, o.carol, o.dan = o.desk(anna, annaTone), o.desk(bob, bobTone), o.desk(carol, carolTone), o.desk(dan, danTone)
	return o
}

func (o *office) desk(a robot.Account, tone int) *desk {
	o.t.Helper()
	d := &desk{Account: a, tone: tone, rings: make(chan *robot.Call, 8)}
	var err error
	d.Endpoint, err = robot.Listen(robot.Config{Bind: netip.MustParseAddrPort("127.0.0.1:0"), Server: o.sip(), Media: o.media, Incoming: func(c *robot.Call) {
		c.Leg().Listen()
		c.Ring()
		d.rings <- c
	}})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(d.Close)
	o.register(d.Endpoint, a)
	return d
}

// call dials and waits for the answer.
func (o *office) call(d *desk, to string, headers ...string) *robot.Call {
	o.t.Helper()
	c, err := d.Invite(robot.Options{To: to, From: d.Account, Headers: headers})
	if err != nil {
		o.t.Fatal(err)
	}
	c.Leg().Listen()
	o.t.Cleanup(func() { hangUp(c) })
	return c
}

func (o *office) isUp(c *robot.Call, d *desk) *robot.Call {
	o.t.Helper()
	if err := c.WaitState(within(o.t), robot.Up); err != nil {
		o.t.Fatalf("%s: %v", d.User, err)
	}
	c.Leg().PlayTone(d.tone)
	return c
}

// answers takes the next call that rings at a desk.
func (o *office) answers(d *desk) *robot.Call {
	o.t.Helper()
	return o.isUp(o.ring(d.rings), d)
}

func (o *office) over(c *robot.Call) {
	o.t.Helper()
	if err := c.WaitState(within(o.t), robot.Ended); err != nil {
		o.t.Fatal(err)
	}
}

// hears wants these tones and no other of the four, in the last fifth of a second.
func (o *office) hears(c *robot.Call, tones ...int) {
	o.t.Helper()
	o.eventually(fmt.Sprintf("%s hears %v", c.SIPCallID(), tones), func() bool {
		pcm := c.Leg().Since(max(0, c.Leg().Mark()-1600))
		if len(pcm) < 1600 {
			return false
		}
		for _, f := range []int{annaTone, bobTone, carolTone, danTone} {
			want := slices.Contains(tones, f)
			if want && !robot.Hears(pcm, float64(f)) || !want && !robot.Quiet(pcm, float64(f)) {
				return false
			}
		}
		return true
	})
}

// talk wants two to hear each other and nobody else, long enough for the
// recording to hold a tone that its reader finds.
func (o *office) talk(a *robot.Call, ad *desk, b *robot.Call, bd *desk) {
	o.t.Helper()
	o.hears(a, bd.tone)
	o.hears(b, ad.tone)
	mark := a.Leg().Mark()
	o.eventually("another fifth of a second", func() bool { return a.Leg().Mark() >= mark+1600 })
}

// live is the id of the running call that a phone began.
func (o *office) live(c *robot.Call) string {
	o.t.Helper()
	var id string
	o.eventually("the call is listed", func() bool {
		page, err := o.Calls(context.Background(), "default", api.CallFilter{Live: true})
		if err != nil {
			return false
		}
		for _, r := range page.Calls {
			if r.SIPCallID == c.SIPCallID() {
				id = r.ID
			}
		}
		return id != ""
	})
	return id
}

func (o *office) command(c *robot.Call, action, target string) {
	o.t.Helper()
	if err := o.CommandCall(context.Background(), "default", o.live(c), api.CallCommand{Action: action, Leg: -1, Target: target, By: "test"}); err != nil {
		o.t.Fatal(err)
	}
}

// ended is the record of a call with its events.
func (o *office) ended(c *robot.Call) (cdr.Call, []string) {
	o.t.Helper()
	r := o.record("default", c)
	d, err := o.Call(context.Background(), "default", r.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	var kinds []string
	for _, e := range d.Events {
		kinds = append(kinds, e.Kind)
	}
	return r, kinds
}

// recorded wants tones in the channels of a call's one recording.
func (o *office) recorded(r cdr.Call, left, right []int) {
	o.t.Helper()
	if len(r.Recordings) != 1 {
		o.t.Fatalf("%d recordings: %+v", len(r.Recordings), r.Recordings)
	}
	f, err := os.Open(filepath.Join(o.cfg.RecordingsDir(), r.Recordings[0].Path))
	if err != nil {
		o.t.Fatal(err)
	}
	defer f.Close()
	w, err := robot.ReadWAV(f)
	if err != nil {
		o.t.Fatal(err)
	}
	for ch, want := range [][]int{left, right} {
		for _, f := range []int{annaTone, bobTone, carolTone, danTone} {
			heard := false
			for at := 0; at+1600 <= len(w.Channels[ch]); at += 800 {
				heard = heard || robot.Hears(w.Channels[ch][at:at+1600], float64(f))
			}
			if heard != slices.Contains(want, f) {
				o.t.Errorf("channel %d, %d Hz: %v, want %v", ch, f, heard, want)
			}
		}
	}
}

func TestTransferByAPI(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	o.command(a, "transfer", "202")
	c := o.answers(o.carol)
	o.over(b)
	o.talk(a, o.anna, c, o.carol)
	hangUp(c)
	o.over(a)
	r, kinds := o.ended(a)
	if r.Result != event.ResultAgent || r.Agent != "carol" || !slices.Contains(kinds, "transfer.ended") {
		t.Errorf("%+v %v", r, kinds)
	}
	o.recorded(r, []int{annaTone}, []int{bobTone, carolTone})
}

func TestTransferByAPIWithoutRight(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "202")
	c := o.answers(o.carol)
	o.isUp(a, o.anna)
	for target, want := range map[string]error{"0900123456": api.ErrInvalid, "999": api.ErrInvalid, "queue:none": api.ErrInvalid, "*41": api.ErrInvalid} {
		err := o.CommandCall(context.Background(), "default", o.live(a), api.CallCommand{Action: "transfer", Leg: -1, Target: target})
		if err == nil || !errors.Is(err, want) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if err := o.CommandCall(context.Background(), "acme", o.live(a), api.CallCommand{Action: "transfer", Leg: -1, Target: "201"}); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("another company: %v", err)
	}
	o.talk(a, o.anna, c, o.carol) // nothing has changed
}

func TestConferenceByAPI(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.command(a, "conference", "agent:carol")
	c := o.answers(o.carol)
	o.hears(a, bobTone, carolTone)
	o.hears(b, annaTone, carolTone)
	o.hears(c, annaTone, bobTone)
	hangUp(b)
	o.talk(a, o.anna, c, o.carol)
	hangUp(a)
	o.over(c)
	r, _ := o.ended(a)
	if r.Result != event.ResultCaller {
		t.Errorf("%+v", r)
	}
	o.recorded(r, []int{annaTone}, []int{bobTone, carolTone})
}

// The caller leaves a conference; the two others stay on channels of their own.
func TestCallerLeavesTheConference(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.command(a, "conference", "agent:carol")
	c := o.answers(o.carol)
	o.hears(a, bobTone, carolTone)
	hangUp(a)
	o.talk(b, o.bob, c, o.carol)
	hangUp(b)
	o.over(c)
	r, _ := o.ended(a)
	o.recorded(r, []int{annaTone, carolTone}, []int{bobTone, carolTone})
}

func TestHoldByAPI(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	o.command(a, "hold", "")
	o.hears(a) // music, and nobody's tone
	o.command(a, "resume", "")
	o.talk(a, o.anna, b, o.bob)
}

// A call parked by one phone is fetched by another: the leg goes from the call
// that dialled the slot to the call that was parked, on whichever worker it is.
func TestParkAndFetch(t *testing.T) {
	o := newOffice(t)
	for range 4 { // worker by call id: some of these meet across workers
		a := o.call(o.anna, "201")
		b := o.answers(o.bob)
		o.isUp(a, o.anna)
		o.talk(a, o.anna, b, o.bob)
		o.command(a, "park", "07")
		o.over(b)
		d := o.isUp(o.call(o.dan, "*7007"), o.dan)
		o.talk(a, o.anna, d, o.dan)
		hangUp(d)
		o.over(a)
		r, _ := o.ended(a)
		if r.Peer != "dan" || r.Result != event.ResultAgent {
			t.Errorf("%+v", r)
		}
		o.recorded(r, []int{annaTone}, []int{bobTone, danTone})
		if f, _ := o.ended(d); f.Result != event.ResultSuccess || f.Reason != event.ReasonTransferred {
			t.Errorf("the call that fetched: %s/%s", f.Result, f.Reason)
		}
	}
	if nothing := o.isUp(o.call(o.dan, "*7008"), o.dan); nothing != nil {
		o.over(nothing) // told that nobody is there
	}
}

// A tenant with one slot, whose parked callers come back after five seconds.
func TestParkSettings(t *testing.T) {
	o := newOffice(t)
	if _, err := o.apply(`{kind: tenant, name: default, spec: {language: en, park_time: 5s, park_slots: 1}}`, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.command(a, "park", "")
	o.over(b)
	parked := time.Now()
	d := o.call(o.dan, "202")
	c := o.answers(o.carol)
	o.isUp(d, o.dan)
	if got := o.refers(c, "*70", "", 486); got[len(got)-1] != 486 {
		t.Errorf("a second caller in one slot: %v", got)
	}
	o.talk(d, o.dan, c, o.carol)
	back := o.answers(o.bob)
	if took := time.Since(parked); took < 3*time.Second || took > patience {
		t.Errorf("rung back after %v", took)
	}
	o.talk(a, o.anna, back, o.bob)
}

func TestDirectedPickUp(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	var b *robot.Call
	select {
	case b = <-o.bob.rings:
	case <-time.After(patience):
		t.Fatal("bob's phone does not ring")
	}
	d := o.isUp(o.call(o.dan, "*8201"), o.dan)
	o.isUp(a, o.anna)
	o.over(b)
	o.talk(a, o.anna, d, o.dan)
	hangUp(a)
	o.over(d)
}

func TestDoNotDisturbAndBusy(t *testing.T) {
	o := newOffice(t)
	o.over(o.isUp(o.call(o.bob, "*78"), o.bob))
	if _, code := o.dial(o.anna.Endpoint, anna, "201"); code != 603 {
		t.Errorf("bob does not want to be disturbed: %d", code)
	}
	o.restart()
	for _, d := range []*desk{o.anna, o.bob} {
		d.Close()
	}
	o.bob, o.anna = o.desk(bob, bobTone), o.desk(anna, annaTone)
	if _, code := o.dial(o.anna.Endpoint, anna, "201"); code != 603 {
		t.Errorf("after a restart: %d", code)
	}
	o.over(o.isUp(o.call(o.bob, "*79"), o.bob))
	a := o.call(o.anna, "201")
	o.answers(o.bob)
	o.isUp(a, o.anna)
}

func TestDeviceWithAllItsCalls(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "202")
	o.answers(o.carol)
	o.isUp(a, o.anna)
	if _, code := o.dial(o.dan.Endpoint, dan, "202"); code != 486 {
		t.Errorf("carol may have one call: %d", code)
	}
	if _, code := o.dial(o.carol.Endpoint, carol, "203"); code != 486 {
		t.Errorf("and begins no second: %d", code)
	}
}

// refers has a phone's call transferred and returns what the phone was told.
func (o *office) refers(c *robot.Call, to, replaces string, last int) []int {
	o.t.Helper()
	c.Refer("sip:"+to+"@centrala.example", replaces)
	o.eventually(fmt.Sprintf("the referrer is told %d", last), func() bool {
		got := c.Referred()
		return len(got) > 0 && got[len(got)-1] == last
	})
	return c.Referred()
}

func TestBlindTransferByREFER(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	b.Refer("sip:202@centrala.example", "")
	// Carol answers when bob's phone knows that she rings: what is overtaken before
	// it is said is not said (RFC 3265 3.2.2 lets only the newest state count).
	ring := <-o.carol.rings
	o.eventually("bob's phone is told that it rings", func() bool { return slices.Contains(b.Referred(), 180) })
	ring.Answer()
	c := o.isUp(ring, o.carol)
	o.over(b)
	o.talk(a, o.anna, c, o.carol)
	o.eventually("bob's phone is told", func() bool { return slices.Contains(b.Referred(), 200) })
	if got := b.Referred(); !slices.Equal(got, []int{202, 100, 180, 200}) {
		t.Errorf("bob's phone was told %v", got)
	}
	hangUp(a)
	o.over(c)
	r, _ := o.ended(a)
	if r.Result != event.ResultCaller || r.Agent != "carol" {
		t.Errorf("%+v", r)
	}
	o.recorded(r, []int{annaTone}, []int{bobTone, carolTone})
}

func TestReferrerHangsUpBehindIts202(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.refers(b, "202", "", 180)
	hangUp(b)
	c := o.answers(o.carol)
	o.talk(a, o.anna, c, o.carol)
}

func TestBlindTransferToNobodyComesBack(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	b.Refer("sip:202@centrala.example", "")
	select {
	case c := <-o.carol.rings:
		c.Reject(486, "Busy Here")
	case <-time.After(patience):
		t.Fatal("carol's phone does not ring")
	}
	o.talk(a, o.anna, b, o.bob)
	if got := b.Referred(); got[0] != 202 || got[len(got)-1] != 486 {
		t.Errorf("bob's phone was told %v", got)
	}
}

func TestTransferToTheQueue(t *testing.T) {
	o := newOffice(t)
	if err := o.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "203")
	d := o.answers(o.dan)
	o.isUp(a, o.anna)
	o.refers(d, "1001", "", 200)
	o.over(d)
	b := o.answers(o.bob)
	o.talk(a, o.anna, b, o.bob)
	hangUp(a)
	if r, _ := o.ended(a); r.Queue != "sales" || r.QueueOutcome != "answered" || r.Agent != "bob" {
		t.Errorf("%+v", r)
	}
}

func TestTollFraudByREFER(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "202")
	c := o.answers(o.carol)
	o.isUp(a, o.anna)
	if got := o.refers(c, "0900123456", "", 403); !slices.Equal(got, []int{403}) {
		t.Errorf("carol may not call out, and transferred there: %v", got)
	}
	if got := o.refers(c, "nobody", "", 404); !slices.Equal(got, []int{403, 404}) {
		t.Errorf("%v", got)
	}
	o.talk(a, o.anna, c, o.carol)
	// The carrier's own REFER leads nowhere at all.
	out := o.call(o.bob, "0721000000")
	far := o.ring(o.node.rings)
	if err := out.WaitState(within(t), robot.Up); err != nil {
		t.Fatal(err)
	}
	if got := o.refers(far, "201", "", 403); !slices.Equal(got, []int{403}) {
		t.Errorf("the carrier was told %v", got)
	}
}

// bob consults carol in a call of his own and then joins anna with her.
func TestAttendedTransferByREFER(t *testing.T) {
	o := newOffice(t)
	for range 3 { // over workers and shards
		a := o.call(o.anna, "201")
		b := o.answers(o.bob)
		o.isUp(a, o.anna)
		o.talk(a, o.anna, b, o.bob)
		b.HoldPeer(robot.HoldSendOnly)
		b2 := o.call(o.bob, "202")
		c := o.answers(o.carol)
		o.isUp(b2, o.bob)
		o.talk(b2, o.bob, c, o.carol)
		got := o.refers(b, "202", b2.Replaces(), 200)
		if got[0] != 202 {
			t.Fatalf("%v", got)
		}
		o.over(b)
		o.over(b2)
		o.talk(a, o.anna, c, o.carol)
		hangUp(c)
		o.over(a)
		r, kinds := o.ended(a)
		if r.Result != event.ResultAgent || r.Agent != "carol" || !slices.Contains(kinds, "leg.transferred") {
			t.Errorf("%+v %v", r, kinds)
		}
		o.recorded(r, []int{annaTone}, []int{bobTone, carolTone})
		r2, kinds2 := o.ended(b2)
		if r2.Result != event.ResultSuccess || r2.Reason != event.ReasonTransferred || !slices.Contains(kinds2, "leg.transferred") {
			t.Errorf("%+v %v", r2, kinds2)
		}
		o.recorded(r2, []int{bobTone}, []int{carolTone})
	}
}

// Somebody else's call cannot be joined with one's own.
func TestAttendedTransferOfAnothersCall(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	d := o.call(o.dan, "202")
	c := o.answers(o.carol)
	o.isUp(d, o.dan)
	o.refers(b, "202", d.Replaces(), 481)
	o.talk(a, o.anna, b, o.bob)
	o.talk(d, o.dan, c, o.carol)
	if got := o.refers(b, "202", "nothing;to-tag=a;from-tag=b", 404); got[len(got)-1] != 404 {
		t.Errorf("%v", got)
	}
}

// bob's second phone takes the place of his first (RFC 3891).
func TestINVITEWithReplaces(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	second := o.isUp(o.call(o.bob, "201", "Replaces: "+b.Replaces()), o.bob)
	o.over(b)
	o.talk(a, o.anna, second, o.bob)
	// Carol may not take bob's place.
	thief := o.isUp(o.call(o.carol, "201", "Replaces: "+second.Replaces()), o.carol)
	o.over(thief)
	o.talk(a, o.anna, second, o.bob)
}

// Carol's key lights while bob's phone rings, and takes the call by what the lamp
// was told (RFC 4235, RFC 3891).
func TestLampAndPickUp(t *testing.T) {
	o := newOffice(t)
	var mu sync.Mutex
	var heard []string
	code := make(chan int, 1)
	o.carol.Watch(o.carol.Account, "201", "dialog", func(c int) { code <- c }, func(b []byte) {
		mu.Lock()
		heard = append(heard, string(b))
		mu.Unlock()
	})
	if c := <-code; c != 200 {
		t.Fatalf("SUBSCRIBE: %d", c)
	}
	lamp := func(want ...string) (body string) {
		t.Helper()
		o.eventually(fmt.Sprint("the lamp says ", want), func() bool {
			mu.Lock()
			defer mu.Unlock()
			if len(heard) == 0 {
				return false
			}
			body = heard[len(heard)-1]
			for _, w := range want {
				if !strings.Contains(body, w) {
					return false
				}
			}
			return true
		})
		return body
	}
	a := o.call(o.anna, "201")
	var b *robot.Call
	select {
	case b = <-o.bob.rings:
	case <-time.After(patience):
		t.Fatal("bob's phone does not ring")
	}
	body := lamp(">early<", `direction="recipient"`, "sip:101", "local-tag", "remote-tag")
	attr := func(name string) string {
		_, v, _ := strings.Cut(body, name+`="`)
		v, _, _ = strings.Cut(v, `"`)
		return v
	}
	// The phone's own tag is the one that it gave: to-tag of a Replaces that we get.
	replaces := attr("call-id") + ";to-tag=" + attr("remote-tag") + ";from-tag=" + attr("local-tag")
	c := o.isUp(o.call(o.carol, "201", "Replaces: "+replaces), o.carol)
	o.isUp(a, o.anna)
	o.over(b)
	o.talk(a, o.anna, c, o.carol)
	lamp(">terminated<")
	hangUp(a)
	o.over(c)
}

// bob presses transfer while carol's phone still rings for his question.
func TestTransferWhileTheConsultationRings(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	b2 := o.call(o.bob, "203")
	var first *robot.Call
	select {
	case first = <-o.dan.rings:
	case <-time.After(patience):
		t.Fatal("dan's phone does not ring")
	}
	if err := b2.WaitState(within(t), robot.Ringing); err != nil {
		t.Fatal(err)
	}
	b.Refer("sip:203@centrala.example", b2.Replaces())
	d := o.answers(o.dan)
	o.over(first)
	o.over(b)
	o.over(b2)
	o.talk(a, o.anna, d, o.dan)
	if r, _ := o.ended(b2); r.Result != event.ResultSuccess || r.Reason != event.ReasonTransferred || r.Code != 487 {
		t.Errorf("%+v", r)
	}
}

// Codes dialled in the conversation, which a tenant must name first.
func TestConferenceByKeys(t *testing.T) {
	o := newOffice(t)
	if _, err := o.apply(`{kind: tenant, name: default, spec: {language: en, in_call_codes: {"*3": conference}}}`, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	b.Leg().SendDigits("*3202#")
	c := o.answers(o.carol)
	o.hears(a, bobTone, carolTone)
	o.hears(b, annaTone, carolTone)
	o.hears(c, annaTone, bobTone)
}

// Phones with a conference address: bob has anna and carol in two calls, dials the
// conference and joins them there by REFER, in either of the two ways in use.
func TestConferenceByREFER(t *testing.T) {
	for _, way := range []string{"calls referred to the conference", "conference referred to the calls"} {
		t.Run(way, func(t *testing.T) {
			o := newOffice(t)
			a := o.call(o.anna, "201")
			b := o.answers(o.bob)
			o.isUp(a, o.anna)
			o.talk(a, o.anna, b, o.bob)
			b.HoldPeer(robot.HoldSendOnly)
			b2 := o.call(o.bob, "202")
			c := o.answers(o.carol)
			o.isUp(b2, o.bob)
			o.talk(b2, o.bob, c, o.carol)
			b2.HoldPeer(robot.HoldSendOnly)
			conf := o.isUp(o.call(o.bob, "*71"), o.bob)
			if way == "calls referred to the conference" {
				o.refers(b, "*71", "", 200)
				o.over(b)
				o.refers(b2, "*71", "", 200)
			} else {
				o.refers(conf, "100", b.Replaces(), 200)
				o.over(b)
				o.refers(conf, "202", b2.Replaces(), 200)
			}
			o.over(b2)
			o.hears(a, bobTone, carolTone)
			o.hears(c, annaTone, bobTone)
			o.hears(conf, annaTone, carolTone)
			hangUp(conf)
			o.talk(a, o.anna, c, o.carol)
			hangUp(a)
			o.over(c)
			r, kinds := o.ended(conf)
			if n := len(slices.DeleteFunc(kinds, func(k string) bool { return k != "leg.transferred" })); n != 2 || len(r.Legs) != 3 {
				t.Errorf("%d legs came over, %d legs", n, len(r.Legs))
			}
		})
	}
}

// Nobody brings another's call into a conference.
func TestConferenceWithAnothersCall(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	conf := o.isUp(o.call(o.dan, "*71"), o.dan)
	o.refers(conf, "201", b.Replaces(), 480)
	o.refers(b, "*71", "", 480) // bob is in none
	o.talk(a, o.anna, b, o.bob)
}

func TestParkByDialling(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	nothing := o.isUp(o.call(o.bob, "*70"), o.bob) // nobody is on hold
	o.over(nothing)
	b.HoldPeer(robot.HoldSendOnly)
	o.eventually("on hold", func() bool { return !b.Reoffering() })
	b2 := o.isUp(o.call(o.bob, "*70"), o.bob)
	o.over(b)  // parked
	o.over(b2) // has heard where
	d := o.isUp(o.call(o.dan, "*7001"), o.dan)
	o.talk(a, o.anna, d, o.dan)
}

// Transfers and hang-ups at the same moment, in any mixture: afterwards no call,
// no stream and no busy agent is left.
func TestTransferRaces(t *testing.T) {
	o := newOffice(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, a := range []string{"bob", "carol"} {
		if err := o.SetAgentState(context.Background(), "default", a, "ready", ""); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 25 {
		a := o.call(o.anna, "201")
		b := o.answers(o.bob)
		o.isUp(a, o.anna)
		b2 := o.call(o.bob, "202")
		c := o.answers(o.carol)
		o.isUp(b2, o.bob)
		acts := []func(){
			func() { b.Refer("sip:202@h", b2.Replaces()) },
			func() { b2.Refer("sip:101@h", b.Replaces()) },
			func() { b.Refer("sip:203@h", "") },
			func() { a.Refer("sip:203@h", "") },
			func() { hangUp(a) },
			func() { hangUp(b) },
			func() { hangUp(c) },
			func() { b.HoldPeer(robot.HoldSendOnly) },
		}
		r.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
		var wg sync.WaitGroup
		for _, act := range acts[:3] {
			pause := time.Duration(r.IntN(3000)) * time.Microsecond
			wg.Go(func() { time.Sleep(pause); act() })
		}
		wg.Wait()
		for drained := false; !drained; { // who was rung by a transfer refuses
			select {
			case d := <-o.dan.rings:
				d.Reject(486, "Busy Here")
			case x := <-o.carol.rings:
				x.Reject(486, "Busy Here")
			case x := <-o.bob.rings:
				x.Reject(486, "Busy Here")
			case <-time.After(20 * time.Millisecond):
				drained = true
			}
		}
		for _, x := range []*robot.Call{a, b, b2, c} {
			hangUp(x)
		}
		o.eventually(fmt.Sprintf("round %d: everything has ended", round), func() bool {
			for drained := false; !drained; {
				select {
				case x := <-o.dan.rings:
					x.Reject(486, "Busy Here")
				case x := <-o.bob.rings:
					x.Reject(486, "Busy Here")
				case x := <-o.carol.rings:
					x.Reject(486, "Busy Here")
				default:
					drained = true
				}
			}
			s, err := o.Status(context.Background())
			return err == nil && s.Calls == 0
		})
	}
	o.eventually("the agents are free", func() bool {
		agents, err := o.Agents(context.Background(), "default")
		return err == nil && !slices.ContainsFunc(agents, func(a api.Agent) bool { return a.State == "on_call" || len(a.Calls) > 0 })
	})
}
