package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// SurveyAnswer is what a caller has answered to one question, made of survey.answered.
type SurveyAnswer struct {
	tenant    string
	Seq       uint64
	At        time.Time
	CallID    string
	Survey    string
	Flow      string
	Version   int // of the flow
	Question  string
	Kind      string // of the question
	Value     string
	Recording string
	Queue     string
	Agent     string
}

func surveyAnswer(e event.Event, b event.SurveyAnswered) SurveyAnswer {
	return SurveyAnswer{tenant: e.Tenant, Seq: e.Seq, At: e.At, CallID: e.CallID, Survey: b.Survey, Flow: b.Flow, Version: b.Version,
		Question: b.Question, Kind: b.QuestionKind, Value: b.Value, Recording: b.Recording, Queue: b.Queue, Agent: b.Agent}
}

// writeSurveyAnswer is in the writer's transaction.
func (s *Store) writeSurveyAnswer(ctx context.Context, a *SurveyAnswer) error {
	return s.exec(ctx, `INSERT INTO survey_answers (tenant, survey, call_id, question, seq, at, flow, version, kind, value, recording, queue, agent) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (tenant, survey, call_id, question) DO UPDATE SET seq = excluded.seq, at = excluded.at, flow = excluded.flow, version = excluded.version, kind = excluded.kind,
value = excluded.value, recording = excluded.recording, queue = excluded.queue, agent = excluded.agent`,
		a.tenant, a.Survey, a.CallID, a.Question, int64(a.Seq), a.At.UnixMilli(), a.Flow, a.Version, a.Kind, a.Value, a.Recording, a.Queue, a.Agent)
}

// SurveyFilter chooses answers of one survey; zero fields choose all.
type SurveyFilter struct {
	Survey   string // needed
	Question string
	Queue    string
	Agent    string
	CallID   string
	Version  int       // of the flow
	From, To time.Time // answered in [From, To)
	Cursor   string
	Limit    int // 1..1000; 0 = 100
}

func (f *SurveyFilter) where(tenant string) where {
	w := where{sql: []string{"survey = ?"}, args: []any{tenant, f.Survey}}
	w.equal("question", f.Question)
	w.equal("queue", f.Queue)
	w.equal("agent", f.Agent)
	w.equal("call_id", f.CallID)
	if f.Version != 0 {
		w.and("version = ?", f.Version)
	}
	if !f.From.IsZero() {
		w.and("at >= ?", f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		w.and("at < ?", f.To.UnixMilli())
	}
	return w
}

// SurveyAnswers lists answers, newest first, and the cursor of the next page ("" = no
// more).
func (s *Store) SurveyAnswers(ctx context.Context, tenant string, f SurveyFilter) (list []SurveyAnswer, next string, err error) {
	limit := f.Limit
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	w := f.where(tenant)
	if f.Cursor != "" {
		seq, err := strconv.ParseInt(f.Cursor, 36, 64)
		if err != nil {
			return nil, "", ErrCursor
		}
		w.and("seq < ?", seq)
	}
	rows, err := s.read.QueryContext(ctx, `SELECT seq, at, call_id, survey, flow, version, question, kind, value, recording, queue, agent FROM survey_answers WHERE tenant = ? AND `+strings.Join(w.sql, " AND ")+` ORDER BY seq DESC LIMIT ?`,
		append(w.args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read survey: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		a := SurveyAnswer{tenant: tenant}
		var seq, at int64
		if err := rows.Scan(&seq, &at, &a.CallID, &a.Survey, &a.Flow, &a.Version, &a.Question, &a.Kind, &a.Value, &a.Recording, &a.Queue, &a.Agent); err != nil {
			return nil, "", fmt.Errorf("store: read survey: %w", err)
		}
		a.Seq, a.At = uint64(seq), time.UnixMilli(at).UTC()
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("store: read survey: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = strconv.FormatInt(int64(list[limit-1].Seq), 36)
	}
	return list, next, nil
}

// SurveyCount is how much was answered of a survey.
type SurveyCount struct {
	Survey         string
	Answers, Calls int
	First, Last    time.Time
}

// SurveyCounts counts the answers of each survey of a tenant that has any, by name.
func (s *Store) SurveyCounts(ctx context.Context, tenant string) ([]SurveyCount, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT survey, count(*), count(DISTINCT call_id), min(at), max(at) FROM survey_answers WHERE tenant = ? GROUP BY survey ORDER BY survey`, tenant)
	if err != nil {
		return nil, fmt.Errorf("store: count surveys: %w", err)
	}
	defer rows.Close()
	var out []SurveyCount
	for rows.Next() {
		var c SurveyCount
		var first, last int64
		if err := rows.Scan(&c.Survey, &c.Answers, &c.Calls, &first, &last); err != nil {
			return nil, fmt.Errorf("store: count surveys: %w", err)
		}
		c.First, c.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: count surveys: %w", err)
	}
	return out, nil
}

// SurveyValue is how often a question was answered so.
type SurveyValue struct {
	Question, Kind, Value string
	Count                 int
}

// SurveyValues counts the answers of a survey by question and value, and the calls that
// gave them.
func (s *Store) SurveyValues(ctx context.Context, tenant string, f SurveyFilter) (values []SurveyValue, calls int, err error) {
	w := f.where(tenant)
	rows, err := s.read.QueryContext(ctx, `SELECT question, kind, value, count(*) FROM survey_answers WHERE tenant = ? AND `+strings.Join(w.sql, " AND ")+` GROUP BY question, kind, value ORDER BY question, kind, value`, w.args...)
	if err != nil {
		return nil, 0, fmt.Errorf("store: count survey: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var v SurveyValue
		if err := rows.Scan(&v.Question, &v.Kind, &v.Value, &v.Count); err != nil {
			return nil, 0, fmt.Errorf("store: count survey: %w", err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("store: count survey: %w", err)
	}
	err = s.read.QueryRowContext(ctx, `SELECT count(DISTINCT call_id) FROM survey_answers WHERE tenant = ? AND `+strings.Join(w.sql, " AND "), w.args...).Scan(&calls)
	if err != nil {
		return nil, 0, fmt.Errorf("store: count survey: %w", err)
	}
	return values, calls, nil
}
