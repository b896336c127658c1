package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/store"
)

// asked lists the surveys of a house's live flows by name, with their flows and
// questions in the order in which they are asked.
func (h *house) asked() map[string]*api.Survey {
	out := map[string]*api.Survey{}
	names := make([]string, 0, len(h.flows))
	for name := range h.flows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, s := range h.flows[name].Surveys() {
			a := out[s.Name]
			if a == nil {
				a = &api.Survey{Name: s.Name}
				out[s.Name] = a
			}
			if !slices.Contains(a.Flows, name) {
				a.Flows = append(a.Flows, name)
			}
			for _, q := range s.Questions {
				if !slices.Contains(a.Questions, q.Name) {
					a.Questions = append(a.Questions, q.Name)
				}
			}
		}
	}
	return out
}

// Surveys implements api.Server.
func (a *App) Surveys(ctx context.Context, tenant string) ([]api.Survey, error) {
	h, err := a.houseOf(tenant)
	if err != nil {
		return nil, err
	}
	counts, err := a.store.SurveyCounts(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all := h.asked()
	for _, c := range counts {
		s := all[c.Survey]
		if s == nil {
			s = &api.Survey{Name: c.Survey}
			all[c.Survey] = s
		}
		s.Answers, s.Calls, s.First, s.Last = c.Answers, c.Calls, &c.First, &c.Last
	}
	out := make([]api.Survey, 0, len(all))
	for _, s := range all {
		s.Flows, s.Questions = append([]string{}, s.Flows...), append([]string{}, s.Questions...)
		out = append(out, *s)
	}
	slices.SortFunc(out, func(x, y api.Survey) int { return cmp.Compare(x.Name, y.Name) })
	return out, nil
}

// houseOf finds a tenant.
func (a *App) houseOf(tenant string) (*house, error) {
	if h := a.dir.Load().houses[tenant]; h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
}

// surveyFilter reads a query; the error wraps api.ErrInvalid or api.ErrNotFound.
func (a *App) surveyFilter(ctx context.Context, tenant string, q api.SurveyQuery) (*house, store.SurveyFilter, error) {
	f := store.SurveyFilter{Survey: q.Name, Question: q.Question, Queue: q.Queue, Agent: q.Agent, CallID: q.Call, Version: q.Version, Cursor: q.Cursor, Limit: cmp.Or(q.Limit, 50)}
	h, err := a.houseOf(tenant)
	if err != nil {
		return nil, f, err
	}
	zone := a.zone(tenant)
	if zone == nil {
		zone = time.UTC
	}
	for _, x := range []struct {
		name, text string
		t          *time.Time
	}{{"from", q.From, &f.From}, {"to", q.To, &f.To}} {
		if x.text == "" {
			continue
		}
		if *x.t, err = report.ParseTime(x.text, zone); err != nil {
			return nil, f, fmt.Errorf("%w: %s: %w", api.ErrInvalid, x.name, err)
		}
	}
	if h.asked()[q.Name] != nil {
		return h, f, nil
	}
	list, _, err := a.store.SurveyAnswers(ctx, tenant, store.SurveyFilter{Survey: q.Name, Limit: 1})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("survey %q: %w", q.Name, api.ErrNotFound)
	}
	return h, f, err
}

// SurveyAnswers implements api.Server.
func (a *App) SurveyAnswers(ctx context.Context, tenant string, q api.SurveyQuery) (api.SurveyPage, error) {
	page := api.SurveyPage{Answers: []api.SurveyAnswer{}}
	_, f, err := a.surveyFilter(ctx, tenant, q)
	if err != nil {
		return page, err
	}
	list, next, err := a.store.SurveyAnswers(ctx, tenant, f)
	if errors.Is(err, store.ErrCursor) {
		err = fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	for _, s := range list {
		page.Answers = append(page.Answers, api.SurveyAnswer{At: s.At, CallID: s.CallID, Question: s.Question, Kind: s.Kind, Value: s.Value, Recording: s.Recording,
			Queue: s.Queue, Agent: s.Agent, Flow: s.Flow, Version: s.Version})
	}
	page.Next = next
	return page, err
}

// SurveyFigures implements api.Server.
func (a *App) SurveyFigures(ctx context.Context, tenant string, q api.SurveyQuery) (api.SurveyFigures, error) {
	out := api.SurveyFigures{Name: q.Name, Questions: []api.SurveyQuestion{}}
	h, f, err := a.surveyFilter(ctx, tenant, q)
	if err != nil {
		return out, err
	}
	values, calls, err := a.store.SurveyValues(ctx, tenant, f)
	if err != nil {
		return out, err
	}
	out.Calls = calls
	out.Questions = append(out.Questions, countAnswers(values)...)
	order := []string{}
	if s := h.asked()[q.Name]; s != nil {
		order = s.Questions
	}
	place := func(question string) int {
		if i := slices.Index(order, question); i >= 0 {
			return i
		}
		return len(order) // no flow asks it any more
	}
	slices.SortStableFunc(out.Questions, func(x, y api.SurveyQuestion) int { return cmp.Compare(place(x.Question), place(y.Question)) })
	return out, nil
}

// countAnswers makes figures of counts that come in the order of questions.
func countAnswers(values []store.SurveyValue) (out []api.SurveyQuestion) {
	for len(values) > 0 {
		q := api.SurveyQuestion{Question: values[0].Question, Kind: values[0].Kind, Values: []api.SurveyValue{}}
		n := 0
		for n < len(values) && values[n].Question == q.Question && values[n].Kind == q.Kind {
			q.Answers += values[n].Count
			n++
		}
		sum := 0
		for _, v := range values[:n] {
			if q.Kind != string(flow.QuestionRecord) {
				q.Values = append(q.Values, api.SurveyValue{Value: v.Value, Count: v.Count, Percent: float64(100*v.Count) / float64(q.Answers)})
			}
			number, _ := strconv.Atoi(v.Value)
			sum += number * v.Count
		}
		if q.Kind == string(flow.QuestionScale) {
			mean := float64(sum) / float64(q.Answers)
			q.Mean = &mean
		}
		slices.SortStableFunc(q.Values, func(x, y api.SurveyValue) int {
			if q.Kind == string(flow.QuestionScale) {
				a, _ := strconv.Atoi(x.Value)
				b, _ := strconv.Atoi(y.Value)
				return cmp.Compare(a, b)
			}
			return cmp.Compare(y.Count, x.Count)
		})
		out, values = append(out, q), values[n:]
	}
	return out
}
