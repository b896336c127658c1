package api

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/centrala/centrala/pkg/report"
)

// Surveys is the part of Server about what callers have answered.
type Surveys interface {
	// Surveys lists those that live flows ask and those that were ever answered.
	Surveys(ctx context.Context, tenant string) ([]Survey, error)
	// SurveyAnswers lists answers of a survey, newest first.
	SurveyAnswers(ctx context.Context, tenant string, q SurveyQuery) (SurveyPage, error)
	// SurveyFigures counts them, by question.
	SurveyFigures(ctx context.Context, tenant string, q SurveyQuery) (SurveyFigures, error)
}

// Survey is one with what was answered of it.
type Survey struct {
	Name      string     `json:"name"`
	Flows     []string   `json:"flows"`     // live flows that ask it
	Questions []string   `json:"questions"` // as they ask
	Answers   int        `json:"answers"`
	Calls     int        `json:"calls"` // in which anything was answered
	First     *time.Time `json:"first,omitempty"`
	Last      *time.Time `json:"last,omitempty"`
}

// SurveyQuery chooses answers of one survey; what is empty chooses all.
type SurveyQuery struct {
	Name                         string
	Question, Queue, Agent, Call string
	Version                      int    // of the flow
	From, To                     string // as in a report
	Limit                        int    // 1..500; 0 = 50
	Cursor                       string // from the page before
}

// SurveyAnswer is the answer of one call to one question.
type SurveyAnswer struct {
	At        time.Time `json:"at"`
	CallID    string    `json:"call_id"`
	Question  string    `json:"question"`
	Kind      string    `json:"kind" enum:"scale,choice,yes_no,record"`
	Value     string    `json:"value"`               // "" of record
	Recording string    `json:"recording,omitempty"` // of record
	Queue     string    `json:"queue,omitempty"`     // whom the caller talked to before
	Agent     string    `json:"agent,omitempty"`
	Flow      string    `json:"flow"`
	Version   int       `json:"version"`
}

// SurveyPage is one page of answers.
type SurveyPage struct {
	Answers []SurveyAnswer `json:"answers"`
	Next    string         `json:"next,omitempty"` // cursor of the next page, "" at the end
}

// SurveyFigures are the answers of a survey, counted.
type SurveyFigures struct {
	Name      string           `json:"name"`
	Calls     int              `json:"calls"` // in which anything was answered
	Questions []SurveyQuestion `json:"questions"`
}

// SurveyQuestion is how one question was answered.
type SurveyQuestion struct {
	Question string `json:"question"`
	Kind     string `json:"kind" enum:"scale,choice,yes_no,record"`
	Answers  int    `json:"answers"`
	// Mean of a scale: the sum of the answers by their number.
	Mean *float64 `json:"mean,omitempty"`
	// Values counts each answer, scales by number, others the most frequent first;
	// without those of record.
	Values []SurveyValue `json:"values"`
}

// SurveyValue is one answer and how often it was given.
type SurveyValue struct {
	Value string `json:"value"`
	Count int    `json:"count"`
	// Percent of the question's answers.
	Percent float64 `json:"percent"`
}

func (h *HTTP) surveyOperations() []operation {
	which := []param{{"question", "string", "Only of this question."}, {"queue", "string", "Only of callers who talked to this queue before."}, {"agent", "string", "Or to this agent."},
		{"call", "string", "Only of this call."}, {"version", "integer", "Only of this version of the flow."}, {"from", "string", "As in a report; left out: from the first on."}, {"to", "string", "As from."}}
	return []operation{
		{method: "GET", path: "/surveys", right: "surveys.read", summary: "Surveys and how much was answered.", out: items[Survey]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Surveys(r.Context(), tenant(r))) }},
		{method: "GET", path: "/surveys/{name}/answers", right: "surveys.read", summary: "Answers of callers, newest first.", out: SurveyPage{}, query: append([]param{limitParam, cursorParam}, which...),
			do: func(r *http.Request) (any, error) {
				q, err := surveyQuery(r)
				if err != nil {
					return nil, err
				}
				return h.app.SurveyAnswers(r.Context(), tenant(r), q)
			}},
		{method: "GET", path: "/surveys/{name}/figures", right: "surveys.read", summary: "Answers counted, by question: mean and distribution.", out: SurveyFigures{}, query: which,
			do: func(r *http.Request) (any, error) {
				q, err := surveyQuery(r)
				if err != nil {
					return nil, err
				}
				return h.app.SurveyFigures(r.Context(), tenant(r), q)
			}},
		{method: "GET", path: "/surveys/{name}/export", right: "surveys.read", summary: "All answers as CSV.", content: "text/csv", query: which, seen: "surveys.export", serve: h.exportSurvey},
	}
}

func surveyQuery(r *http.Request) (SurveyQuery, error) {
	f, err := filter(r)
	v := r.URL.Query()
	q := SurveyQuery{Name: r.PathValue("name"), Question: v.Get("question"), Queue: v.Get("queue"), Agent: v.Get("agent"), Call: v.Get("call"), From: v.Get("from"), To: v.Get("to"),
		Limit: f.Limit, Cursor: f.Cursor}
	if s := v.Get("version"); s != "" && err == nil {
		if q.Version, err = strconv.Atoi(s); err != nil || q.Version < 1 {
			err = fmt.Errorf("%w: version %q: want a number from 1", ErrInvalid, s)
		}
	}
	return q, err
}

// Values is the query as URL parameters.
func (q SurveyQuery) Values() url.Values {
	v := url.Values{}
	for name, s := range map[string]string{"question": q.Question, "queue": q.Queue, "agent": q.Agent, "call": q.Call, "from": q.From, "to": q.To, "cursor": q.Cursor} {
		if s != "" {
			v.Set(name, s)
		}
	}
	for name, n := range map[string]int{"version": q.Version, "limit": q.Limit} {
		if n != 0 {
			v.Set(name, strconv.Itoa(n))
		}
	}
	return v
}

// exportSurvey writes page behind page, so that it takes no memory to speak of. The
// first page is read before anything is sent: until then a fault has its status.
func (h *HTTP) exportSurvey(w http.ResponseWriter, r *http.Request) {
	q, err := surveyQuery(r)
	q.Limit = 500
	var p SurveyPage
	if err == nil {
		p, err = h.app.SurveyAnswers(r.Context(), tenant(r), q)
	}
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="survey.csv"`)
	out := csv.NewWriter(w)
	out.Write([]string{"at", "call_id", "question", "kind", "value", "recording", "queue", "agent", "flow", "version"})
	for {
		for _, a := range p.Answers {
			row := []string{a.At.Format(time.RFC3339), a.CallID, a.Question, a.Kind, a.Value, a.Recording, a.Queue, a.Agent, a.Flow, strconv.Itoa(a.Version)}
			for i := range row {
				row[i] = report.Cell(row[i])
			}
			out.Write(row)
		}
		out.Flush()
		if q.Cursor = p.Next; q.Cursor == "" {
			return
		}
		if p, err = h.app.SurveyAnswers(r.Context(), tenant(r), q); err != nil {
			panic(http.ErrAbortHandler) // half a table must not look like a whole one
		}
	}
}
