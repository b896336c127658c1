package app_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
)

const outcomeDocs = `
{kind: disposition_list, name: outcomes, spec: {required: true, choices: [{name: sold, label: Sold, group: Success}, {name: later, callback: true}]}}
---
kind: script
name: hello
spec:
  pages:
    - {name: first, text: Good day, questions: [{name: wants, type: choice, choices: [phone, tv], required: true}], branches: [{question: wants, is: tv, page: last}]}
    - {name: offer, questions: [{name: price, type: money, required: true}]}
    - {name: last, questions: [{name: remark}]}
---
{kind: queue, name: outcome, spec: {members: [{agent: bob}], wrap_up: 1s, dispositions: outcomes, script: hello}}
---
{kind: number, name: outcome, spec: {digits: "1077", queue: outcome}}
---
{kind: user, name: bob, spec: {roles: [agent], device: bob}}
`

// stateOf is how an agent stands.
func (o *office) stateOf(name string) string {
	o.t.Helper()
	agents, err := o.Agents(context.Background(), "default")
	if err != nil {
		o.t.Fatal(err)
	}
	for _, a := range agents {
		if a.Name == name {
			return a.State
		}
	}
	return ""
}

// A queue's call wants a disposition: the agent is kept in wrap-up until it has one, the
// call's record, list and count have it, and the script's answers are held against its
// questions.
func TestDispositionKeepsTheAgent(t *testing.T) {
	o := newOffice(t)
	o.must(outcomeDocs)
	ctx := context.Background()
	if err := o.SetAgentState(ctx, "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "1077")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	id := o.live(a)
	o.eventually("bob talks", func() bool { return o.stateOf("bob") == "on_call" })
	hangUp(a)
	o.over(b)
	o.ended(a)
	o.eventually("bob writes down", func() bool { return o.stateOf("bob") == "wrap_up" })
	for _, state := range []string{"ready", "not_ready", "wrap_up_done"} {
		if err := o.SetAgentState(ctx, "default", "bob", state, ""); !errors.Is(err, api.ErrConflict) {
			t.Errorf("%s without a disposition: %v", state, err)
		}
	}
	for in, want := range map[api.Disposal]error{
		{Disposition: "lost"}:                                              api.ErrInvalid,
		{Disposition: "sold", Agent: "carol"}:                              api.ErrConflict,
		{Disposition: "sold", Note: strings.Repeat("x", 2001)}:             api.ErrInvalid,
		{Disposition: "sold", Note: "a \x1b[2J bell"}:                      api.ErrInvalid,
		{Disposition: "later", Note: "tomorrow\nafter nine", Agent: "bob"}: nil,
		{Disposition: "", Agent: "bob"}:                                    api.ErrInvalid,
	} {
		if err := o.Dispose(ctx, "default", id, in, "bob"); !errors.Is(err, want) {
			t.Errorf("%+v: %v, want %v", in, err, want)
		}
	}
	o.eventually("bob is ready", func() bool { return o.stateOf("bob") == "ready" })
	if err := o.Dispose(ctx, "default", id, api.Disposal{Disposition: "sold"}, "bob"); err != nil {
		t.Fatal(err)
	}
	d, err := o.Call(ctx, "default", id)
	if err != nil || len(d.Dispositions) != 1 || d.Dispositions[0].Disposition != "sold" || d.Dispositions[0].Agent != "bob" || d.Dispositions[0].Group != "Success" {
		t.Fatalf("%+v, %v", d.Dispositions, err)
	}
	if !slices.ContainsFunc(d.Events, func(r event.Record) bool { return r.Kind == "call.disposed" }) {
		t.Error("the journal does not have it")
	}
	for disposition, want := range map[string]int{"sold": 1, "later": 0} {
		if page, err := o.Calls(ctx, "default", api.CallFilter{Disposition: disposition}); err != nil || len(page.Calls) != want {
			t.Errorf("%s: %d calls, %v", disposition, len(page.Calls), err)
		}
	}
	counts, err := o.Dispositions(ctx, "default", api.DispositionQuery{Agent: "bob"})
	if err != nil || len(counts.Items) != 1 || counts.Items[0].Count != 1 || counts.Items[0].Label != "Sold" || counts.Items[0].Queue != "outcome" {
		t.Errorf("%+v, %v", counts, err)
	}
	if err := o.Dispose(ctx, "default", "nothing", api.Disposal{Disposition: "sold"}, "bob"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a call that is not there: %v", err)
	}

	for _, x := range []struct {
		answers map[string]string
		done    bool
		want    error
	}{
		{map[string]string{"wants": "radio"}, false, api.ErrInvalid},
		{map[string]string{"whence": "here"}, false, api.ErrInvalid},
		{map[string]string{"wants": "phone"}, true, api.ErrInvalid}, // the price is missing on that way
		{map[string]string{"wants": "phone"}, false, nil},
		{map[string]string{"wants": "phone", "price": "12.50 RON"}, true, nil},
		{map[string]string{"wants": "tv"}, true, nil}, // by the branch there is no price to ask for
	} {
		if err := o.Answer(ctx, "default", id, api.ScriptAnswers{Script: "hello", Answers: x.answers, Done: x.done}, "bob"); !errors.Is(err, x.want) {
			t.Errorf("%v %v: %v, want %v", x.answers, x.done, err, x.want)
		}
	}
	page, err := o.ScriptAnswers(ctx, "default", api.AnswersFilter{CallID: id})
	if err != nil || len(page.Items) != 1 || page.Items[0].Answers["wants"] != "tv" || !page.Items[0].Done || page.Items[0].Agent != "bob" {
		t.Errorf("%+v, %v", page, err)
	}
	sheet, err := o.Desk(ctx, "default")
	q := sheet.Queues["outcome"]
	if err != nil || !q.DispositionRequired || len(q.Dispositions) != 2 || !q.Dispositions[1].Callback || q.Dispositions[1].Label != "later" || len(sheet.Scripts["hello"].Pages) != 3 {
		t.Errorf("%+v, %v", sheet, err)
	}
}

// bob consults carol in a second call of his phone, and brings anna and her together
// by the API: without him, or with him.
func TestConsultationByAPI(t *testing.T) {
	for _, action := range []string{"attended", "merge"} {
		t.Run(action, func(t *testing.T) {
			o := newOffice(t)
			a := o.call(o.anna, "201")
			b := o.answers(o.bob)
			o.isUp(a, o.anna)
			o.talk(a, o.anna, b, o.bob)
			o.command(a, "hold", "")
			b2 := o.call(o.bob, "202")
			c := o.answers(o.carol)
			o.isUp(b2, o.bob)
			o.talk(b2, o.bob, c, o.carol)
			d := o.isUp(o.call(o.dan, "*9"), o.dan)
			err := o.CommandCall(context.Background(), "default", o.live(a), api.CallCommand{Action: action, Leg: -1, Target: o.live(d), By: "bob"})
			if err == nil {
				t.Fatal("took a call of another's phone")
			}
			hangUp(d)
			// Who asks for the consultation asks for the own phone, not for the one called.
			if err := o.CommandCall(context.Background(), "default", o.live(b2), api.CallCommand{Action: "hold", Leg: -1, By: "bob"}); err != nil {
				t.Fatal(err)
			}
			o.eventually("bob holds", func() bool {
				r, err := o.Call(context.Background(), "default", o.live(b2))
				return err == nil && r.Segments[len(r.Segments)-1].Kind == event.SegmentHold && r.Segments[len(r.Segments)-1].By == "caller"
			})
			o.command(a, action, o.live(b2))
			o.over(b2)
			if action == "attended" {
				o.over(b)
				o.talk(a, o.anna, c, o.carol)
			} else {
				o.hears(a, bobTone, carolTone)
				o.hears(b, annaTone, carolTone)
				o.hears(c, annaTone, bobTone)
				hangUp(b)
				o.over(b)
				o.talk(a, o.anna, c, o.carol)
			}
			hangUp(a)
			o.over(c)
		})
	}
}

func TestReminders(t *testing.T) {
	n := up(t)
	ctx := context.Background()
	in := api.NewReminder{At: time.Now().Add(time.Hour), Number: "0722 123 456", Name: "Ion"}
	r, err := n.SetReminder(ctx, "default", "bob", in, "bob")
	if err != nil || r.Number != "0722123456" || r.Agent != "bob" {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, bad := range []api.NewReminder{{At: in.At, Number: "nobody"}, {At: time.Now().Add(-time.Hour), Number: "0722"}, {At: time.Now().Add(10000 * time.Hour), Number: "0722"},
		{At: in.At, Number: "0722", Note: strings.Repeat("x", 501)}, {At: in.At, Number: "0722", Name: "\x00"}} {
		if _, err := n.SetReminder(ctx, "default", "bob", bad, "bob"); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := n.EndReminder(ctx, "default", "carol", r.ID, true, "carol"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("another's: %v", err)
	}
	if list, err := n.Reminders(ctx, "default", "bob"); err != nil || len(list) != 1 || list[0].ID != r.ID {
		t.Errorf("%+v, %v", list, err)
	}
	if err := n.EndReminder(ctx, "default", "bob", r.ID, true, "bob"); err != nil {
		t.Error(err)
	}
	if list, _ := n.Reminders(ctx, "default", "bob"); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
