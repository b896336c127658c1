package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/centrala/centrala/pkg/api"
)

func promptPath(name string) string   { return "/prompts/" + url.PathEscape(name) }
func schedulePath(name string) string { return "/schedules/" + url.PathEscape(name) }

// sendBy posts a value as JSON.
func (c *Client) sendBy(ctx context.Context, path string, q url.Values, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, q, bytes.NewReader(body), out)
}

// Prompts lists what callers may hear.
func (c *Client) Prompts(ctx context.Context) ([]api.Prompt, error) {
	return list[api.Prompt](ctx, c, "/prompts", nil)
}

// Prompt is one prompt with its versions.
func (c *Client) Prompt(ctx context.Context, name string) (d api.PromptDetail, err error) {
	return d, c.get(ctx, promptPath(name), nil, &d)
}

// PromptAudio is the sound of a version (0 = what callers hear) as WAV.
func (c *Client) PromptAudio(ctx context.Context, name, language string, version int) (wav []byte, err error) {
	return wav, c.get(ctx, promptPath(name)+"/audio", url.Values{"language": {language}, "version": {strconv.Itoa(version)}}, &wav)
}

// UploadPrompt keeps a sound file as a new version.
func (c *Client) UploadPrompt(ctx context.Context, name, language string, audio []byte, by string) (v api.PromptVersion, err error) {
	return v, c.do(ctx, http.MethodPost, promptPath(name)+"/versions", url.Values{"language": {language}, "by": {by}}, bytes.NewReader(audio), &v)
}

// SpeakPrompt has a text synthesised as a new version.
func (c *Client) SpeakPrompt(ctx context.Context, name string, p api.SpokenPrompt, by string) (v api.PromptVersion, err error) {
	return v, c.sendBy(ctx, promptPath(name)+"/speak", url.Values{"by": {by}}, p, &v)
}

// UsePrompt goes back to a version, or with 0 to none.
func (c *Client) UsePrompt(ctx context.Context, name string, u api.UsedPrompt, by string) error {
	return c.sendBy(ctx, promptPath(name)+"/use", url.Values{"by": {by}}, u, nil)
}

// RemovePrompt forgets a version, all of a language (0), or all ("").
func (c *Client) RemovePrompt(ctx context.Context, name, language string, version int, by string) error {
	return c.do(ctx, http.MethodDelete, promptPath(name)+"/versions", url.Values{"language": {language}, "version": {strconv.Itoa(version)}, "by": {by}}, nil, nil)
}

func moment(at time.Time) url.Values {
	if at.IsZero() {
		return nil
	}
	return url.Values{"at": {at.Format(time.RFC3339)}}
}

// Schedules tells what is open at a moment; zero = now.
func (c *Client) Schedules(ctx context.Context, at time.Time) ([]api.Schedule, error) {
	return list[api.Schedule](ctx, c, "/schedules", moment(at))
}

// Schedule is one of them.
func (c *Client) Schedule(ctx context.Context, name string, at time.Time) (s api.Schedule, err error) {
	return s, c.get(ctx, schedulePath(name), moment(at), &s)
}

// CloseSchedule closes by hand.
func (c *Client) CloseSchedule(ctx context.Context, name string, in api.CloseSchedule, by string) (s api.Schedule, err error) {
	return s, c.sendBy(ctx, schedulePath(name)+"/close", url.Values{"by": {by}}, in, &s)
}

// OpenSchedule ends a closure.
func (c *Client) OpenSchedule(ctx context.Context, name, by string) (s api.Schedule, err error) {
	return s, c.sendBy(ctx, schedulePath(name)+"/open", url.Values{"by": {by}}, struct{}{}, &s)
}

// ImportCalendar puts an iCalendar text into a schedule; an empty one takes it out.
// The result is filled when the server refused too.
func (c *Client) ImportCalendar(ctx context.Context, name, calendar string, text []byte, o api.ApplyOptions) (res api.ApplyResult, err error) {
	path := schedulePath(name) + "/calendars/" + url.PathEscape(calendar)
	if len(text) == 0 {
		err = c.do(ctx, http.MethodDelete, path, url.Values{"by": {o.By}}, nil, &res)
	} else {
		err = c.do(ctx, http.MethodPut, path, url.Values{"by": {o.By}, "dry_run": {strconv.FormatBool(o.Dry)}}, bytes.NewReader(text), &res)
	}
	var refused *Error
	if errors.As(err, &refused) && len(refused.Result) > 0 {
		json.Unmarshal(refused.Result, &res)
	}
	return res, err
}
