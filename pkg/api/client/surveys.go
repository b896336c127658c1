package client

import (
	"context"
	"net/url"

	"github.com/centrala/centrala/pkg/api"
)

// Surveys lists surveys and how much was answered.
func (c *Client) Surveys(ctx context.Context) ([]api.Survey, error) {
	var out struct {
		Items []api.Survey `json:"items"`
	}
	return out.Items, c.get(ctx, "/surveys", nil, &out)
}

// SurveyAnswers is one page of a survey's answers, newest first.
func (c *Client) SurveyAnswers(ctx context.Context, q api.SurveyQuery) (p api.SurveyPage, err error) {
	return p, c.get(ctx, "/surveys/"+url.PathEscape(q.Name)+"/answers", q.Values(), &p)
}

// SurveyFigures counts a survey's answers.
func (c *Client) SurveyFigures(ctx context.Context, q api.SurveyQuery) (f api.SurveyFigures, err error) {
	q.Limit, q.Cursor = 0, ""
	return f, c.get(ctx, "/surveys/"+url.PathEscape(q.Name)+"/figures", q.Values(), &f)
}

// SurveyCSV is all answers as CSV.
func (c *Client) SurveyCSV(ctx context.Context, q api.SurveyQuery) ([]byte, error) {
	q.Limit, q.Cursor = 0, ""
	var t text
	err := c.get(ctx, "/surveys/"+url.PathEscape(q.Name)+"/export", q.Values(), &t)
	return t.body, err
}
