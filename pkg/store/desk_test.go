package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

func disposed(call, agent, disposition string) event.CallDisposed {
	return event.CallDisposed{Agent: agent, Queue: "sales", List: "outcomes", Disposition: disposition, Group: "Done", By: agent}
}

// TestDispositions: given in a call or after it, told again, counted, and found by.
func TestDispositions(t *testing.T) {
	ctx := context.Background()
	s := contactStore(t)
	at := func(sec int, tenant, call string, b event.Body) {
		s.Append(event.Event{At: contactDay.Add(time.Duration(sec) * time.Second), Tenant: tenant, CallID: call, Body: b})
	}
	for i, tenant := range []string{"acme", "other"} {
		id := "c" + strconv.Itoa(i)
		at(0, tenant, id, event.CallStarted{Direction: event.Inbound, From: "1", To: "2"})
		at(5, tenant, id, disposed(id, "bob", "later"))
		at(9, tenant, id, event.CallEnded{Result: event.ResultSuccess})
		at(20, tenant, id, disposed(id, "bob", "sold")) // thought better of it, in wrap-up
		at(21, tenant, id, disposed(id, "eve", "lost"))
	}
	at(0, "acme", "c2", event.CallStarted{Direction: event.Inbound, From: "1", To: "2"})
	at(1, "acme", "c2", event.CallEnded{Result: event.ResultSuccess})
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	c, err := s.Call(ctx, "acme", "c0")
	if err != nil || len(c.Dispositions) != 2 || c.Dispositions[0].Disposition != "sold" || c.Dispositions[1].Agent != "eve" || !c.Dispositions[0].At.Equal(contactDay.Add(20*time.Second)) {
		t.Fatalf("%+v, %v", c.Dispositions, err)
	}
	if _, err := s.Call(ctx, "acme", "c1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another tenant: %v", err)
	}
	found := func(f CallFilter) (ids []string) {
		calls, _, err := s.Calls(ctx, "acme", f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			ids = append(ids, c.ID)
		}
		slices.Sort(ids)
		return ids
	}
	for disposition, want := range map[string][]string{"": {"c0", "c2"}, "sold": {"c0"}, "lost": {"c0"}, "later": nil} {
		if got := found(CallFilter{Disposition: disposition}); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", disposition, got, want)
		}
	}
	counts := func(f DispositionFilter) (out []string) {
		list, err := s.Dispositions(ctx, "acme", f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			out = append(out, c.Agent+" "+c.Disposition+" "+strconv.FormatInt(c.Count, 10))
		}
		return out
	}
	all := DispositionFilter{From: contactDay, To: contactDay.Add(time.Hour)}
	if got := counts(all); !slices.Equal(got, []string{"bob sold 1", "eve lost 1"}) {
		t.Errorf("counts %v", got)
	}
	all.Agent = "eve"
	if got := counts(all); !slices.Equal(got, []string{"eve lost 1"}) {
		t.Errorf("counts of eve %v", got)
	}
	if got := counts(DispositionFilter{From: contactDay, To: contactDay.Add(20 * time.Second)}); got != nil {
		t.Errorf("before they were given: %v", got)
	}
}

func TestScriptAnswers(t *testing.T) {
	ctx := context.Background()
	s := contactStore(t)
	for i := range 5 {
		s.Append(event.Event{At: contactDay.Add(time.Duration(i) * time.Second), Tenant: []string{"acme", "other"}[i%2], CallID: "c" + strconv.Itoa(i),
			Body: event.ScriptAnswered{Agent: "bob", Script: "hello", Contact: "k1", Answers: map[string]string{"wants": strconv.Itoa(i)}}})
	}
	s.Append(event.Event{At: contactDay.Add(9 * time.Second), Tenant: "acme", CallID: "c0", Body: event.ScriptAnswered{Agent: "bob", Script: "hello", Answers: map[string]string{"wants": "more"}, Done: true}})
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	var got []string
	f := AnswersFilter{Script: "hello", Limit: 1}
	for {
		list, next, err := s.ScriptAnswers(ctx, "acme", f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			got = append(got, a.CallID+" "+a.Answers["wants"])
		}
		if f.Cursor = next; next == "" {
			break
		}
	}
	if !slices.Equal(got, []string{"c0 more", "c4 4", "c2 2"}) {
		t.Errorf("%v", got)
	}
	if list, _, err := s.ScriptAnswers(ctx, "acme", AnswersFilter{Contact: "k1"}); err != nil || len(list) != 2 {
		t.Errorf("of the contact: %v, %v", list, err)
	}
	if _, _, err := s.ScriptAnswers(ctx, "acme", AnswersFilter{Cursor: "x"}); !errors.Is(err, ErrCursor) {
		t.Errorf("cursor: %v", err)
	}
}

func TestReminders(t *testing.T) {
	ctx := context.Background()
	s := contactStore(t)
	set := func(tenant, id, agent string, after time.Duration) error {
		return s.SetReminder(ctx, tenant, Reminder{ID: id, Agent: agent, At: contactDay.Add(after), Number: "0722"})
	}
	if err := errors.Join(set("acme", "b", "bob", time.Hour), set("acme", "a", "bob", time.Minute), set("acme", "c", "eve", 0), set("other", "d", "bob", 0)); err != nil {
		t.Fatal(err)
	}
	if err := s.DropReminder(ctx, "acme", "eve", "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("dropped another's: %v", err)
	}
	if err := s.DropReminder(ctx, "other", "bob", "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("dropped another tenant's: %v", err)
	}
	list, err := s.Reminders(ctx, "acme", "bob")
	if err != nil || len(list) != 2 || list[0].ID != "a" || list[1].ID != "b" {
		t.Fatalf("%v, %v", list, err)
	}
	if err := s.DropReminder(ctx, "acme", "bob", "a"); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < MaxReminders; i++ {
		if err := set("acme", "x"+strconv.Itoa(i), "bob", 0); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := set("acme", "y", "bob", 0); !errors.Is(err, ErrManyReminders) {
		t.Errorf("beyond the bound: %v", err)
	}
}
