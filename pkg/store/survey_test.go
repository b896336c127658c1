package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// Answers are made of the journal, each tenant's alone; the last answer of a call counts.
func TestSurveyAnswers(t *testing.T) {
	s, err := Open(t.Context(), file(t), Options{FlushEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	answer := func(tenant, call, question, kind, value string) {
		s.Append(event.Event{At: at, Tenant: tenant, CallID: call, Body: event.SurveyAnswered{Survey: "csat", Flow: "f", Version: 3, Question: question, QuestionKind: kind, Value: value, Queue: "sales", Agent: "bob"}})
		at = at.Add(time.Second)
	}
	for i := range 7 {
		answer("a", fmt.Sprint("c", i), "grade", "scale", fmt.Sprint(1+i%3))
	}
	answer("a", "c0", "solved", "yes_no", "no")
	answer("a", "c0", "solved", "yes_no", "yes") // another word
	answer("b", "c0", "grade", "scale", "5")
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	values, calls, err := s.SurveyValues(t.Context(), "a", SurveyFilter{Survey: "csat"})
	if err != nil {
		t.Fatal(err)
	}
	want := []SurveyValue{{"grade", "scale", "1", 3}, {"grade", "scale", "2", 2}, {"grade", "scale", "3", 2}, {"solved", "yes_no", "yes", 1}}
	if fmt.Sprint(values) != fmt.Sprint(want) || calls != 7 {
		t.Errorf("%v of %d calls", values, calls)
	}
	counts, err := s.SurveyCounts(t.Context(), "a")
	if err != nil || len(counts) != 1 || counts[0].Answers != 8 || counts[0].Calls != 7 {
		t.Errorf("%+v %v", counts, err)
	}
	var seen []string
	for f := (SurveyFilter{Survey: "csat", Limit: 3}); ; {
		list, next, err := s.SurveyAnswers(t.Context(), "a", f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			seen = append(seen, a.CallID+a.Question+a.Value)
			if a.Version != 3 || a.Queue != "sales" || a.Agent != "bob" || a.Flow != "f" {
				t.Errorf("%+v", a)
			}
		}
		if f.Cursor = next; next == "" {
			break
		}
	}
	if want := "[c0solvedyes c6grade1 c5grade3 c4grade2 c3grade1 c2grade3 c1grade2 c0grade1]"; fmt.Sprint(seen) != want {
		t.Errorf("%v", seen)
	}
	for _, f := range []SurveyFilter{{Survey: "other"}, {Survey: "csat", Version: 2}, {Survey: "csat", Agent: "eve"}, {Survey: "csat", From: at}, {Survey: "csat", To: at.Add(-time.Hour)}} {
		if list, _, err := s.SurveyAnswers(t.Context(), "a", f); err != nil || len(list) != 0 {
			t.Errorf("%+v: %v %v", f, list, err)
		}
	}
	if _, _, err := s.SurveyAnswers(t.Context(), "a", SurveyFilter{Survey: "csat", Cursor: "!"}); err != ErrCursor {
		t.Error(err)
	}
}
