package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/centrala/centrala/pkg/api"
)

// Voicemail lists messages, newest first.
func (c *Client) Voicemail(ctx context.Context, f api.VoicemailFilter) (p api.VoicemailPage, err error) {
	q := query(api.CallFilter{Limit: f.Limit, Cursor: f.Cursor})
	for k, v := range map[string]string{"box": f.Box, "state": f.State} {
		if v != "" {
			q.Set(k, v)
		}
	}
	return p, c.get(ctx, "/voicemail", q, &p)
}

// VoicemailSound is a message's sound file.
func (c *Client) VoicemailSound(ctx context.Context, id string) (b []byte, err error) {
	return b, c.get(ctx, "/voicemail/"+url.PathEscape(id)+"/sound", nil, &b)
}

// MarkVoicemail makes a message "new" or "saved".
func (c *Client) MarkVoicemail(ctx context.Context, id, state, by string) (m api.Voicemail, err error) {
	body, err := json.Marshal(map[string]string{"state": state})
	if err != nil {
		return m, err
	}
	return m, c.do(ctx, http.MethodPatch, "/voicemail/"+url.PathEscape(id), url.Values{"by": {by}}, bytes.NewReader(body), &m)
}

// DeleteVoicemail removes a message and its sound.
func (c *Client) DeleteVoicemail(ctx context.Context, id, by string) error {
	return c.do(ctx, http.MethodDelete, "/voicemail/"+url.PathEscape(id), url.Values{"by": {by}}, nil, nil)
}
