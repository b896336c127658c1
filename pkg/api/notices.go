package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/pkg/auth"
)

// Notice is what agents were told at their desks.
type Notice struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	To     string    `json:"to"` // "all", "queue:NAME", "agent:NAME"
	Text   string    `json:"text"`
	Agents []string  `json:"agents"`
	// Read: who has acknowledged it, and when.
	Read map[string]time.Time `json:"read"`
}

// NoticePage is one page of notices, the newest first.
type NoticePage struct {
	Notices []Notice `json:"notices"`
	Next    string   `json:"next,omitempty"`
}

// NoticeFilter bounds a list of notices.
type NoticeFilter struct {
	Agent  string // for this agent
	Unread bool   // that this agent has not acknowledged
	Limit  int
	Cursor string
}

// Mark is a comment on a recording.
type Mark struct {
	ID        string    `json:"id"`
	Recording string    `json:"recording"`
	AtMs      int64     `json:"at_ms"` // of the recording
	At        time.Time `json:"at"`    // when it was made
	By        string    `json:"by"`
	Text      string    `json:"text"`
}

// Notes may be implemented by the application: what supervisors say to agents, and
// about recordings.
type Notes interface {
	// SendNotice tells agents something; to is "all", "queue:NAME" or "agent:NAME".
	SendNotice(ctx context.Context, tenant, to, text, by string) (Notice, error)
	Notices(ctx context.Context, tenant string, f NoticeFilter) (NoticePage, error)
	// ReadNotice acknowledges one for an agent.
	ReadNotice(ctx context.Context, tenant, id, agent string) error
	Marks(ctx context.Context, tenant, recording string) ([]Mark, error)
	AddMark(ctx context.Context, tenant, recording string, atMs int64, text, by string) (Mark, error)
	RemoveMark(ctx context.Context, tenant, recording, id, by string) error
	// Peaks are what the waveform of a recording is drawn of.
	Peaks(ctx context.Context, tenant, recording string) (record.Peaks, error)
}

type (
	noticeBody struct {
		To   string `json:"to" doc:"all, queue:NAME (its members) or agent:NAME."`
		Text string `json:"text" maxLength:"1000"`
	}
	markBody struct {
		AtMs int64  `json:"at_ms" minimum:"0"`
		Text string `json:"text" maxLength:"1000"`
	}
)

// ownRecording: the asker talked in the call of the recording {id}.
func ownRecording(h *HTTP, r *http.Request, p *auth.Principal) error {
	app, ok := h.app.(Sounds)
	if !ok {
		return ErrNotFound
	}
	s, err := app.OpenRecording(r.Context(), tenant(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := h.app.Call(r.Context(), tenant(r), s.CallID)
	if err != nil || !partOf(&c.Call, p) {
		return fmt.Errorf("recording %q: %w", r.PathValue("id"), ErrNotFound)
	}
	return nil
}

func (h *HTTP) noticeOperations() []operation {
	// notes is the application, which may not have them.
	notes := func(do func(r *http.Request, n Notes) (any, error)) func(r *http.Request) (any, error) {
		return func(r *http.Request) (any, error) {
			n, ok := h.app.(Notes)
			if !ok {
				return nil, ErrNotFound
			}
			return do(r, n)
		}
	}
	return []operation{
		{method: "GET", path: "/notices", right: "notices.read", own: ownBound, summary: "What agents were told, newest first; an agent: what was told to the same.", out: NoticePage{},
			query: []param{limitParam, cursorParam, {"agent", "string", "To this agent."}, {"unread", "boolean", "Only what that agent has not acknowledged."}},
			do: notes(func(r *http.Request, n Notes) (any, error) {
				f, err := filter(r)
				if err != nil {
					return nil, err
				}
				nf := NoticeFilter{Agent: f.Agent, Limit: f.Limit, Cursor: f.Cursor}
				if nf.Unread, err = flag(r, "unread"); err != nil {
					return nil, err
				}
				if isOwn(r) {
					nf.Agent = auth.From(r.Context()).Name
				}
				if nf.Unread && nf.Agent == "" {
					return nil, fmt.Errorf("%w: unread: by which agent?", ErrInvalid)
				}
				return n.Notices(r.Context(), tenant(r), nf)
			})},
		{method: "POST", path: "/notices", right: "notices.send", summary: "Tells agents something at their desks.", in: noticeBody{}, out: Notice{}, query: []param{byParam},
			do: notes(func(r *http.Request, n Notes) (any, error) {
				var in noticeBody
				if err := decode(r, &in); err != nil {
					return nil, err
				}
				text, err := noteText(in.Text)
				if err != nil {
					return nil, err
				}
				return n.SendNotice(r.Context(), tenant(r), in.To, text, whoAsks(r))
			})},
		{method: "POST", path: "/notices/{id}/read", right: auth.Self, journalled: true, summary: "Acknowledges a notice.", do: notes(func(r *http.Request, n Notes) (any, error) {
			return done(n.ReadNotice(r.Context(), tenant(r), r.PathValue("id"), auth.From(r.Context()).Name))
		})},
		{method: "GET", path: "/recordings/{id}/peaks", right: "recordings.hear", own: ownRecording, summary: "What the recording's waveform is drawn of.", out: record.Peaks{},
			do: notes(func(r *http.Request, n Notes) (any, error) {
				return n.Peaks(r.Context(), tenant(r), r.PathValue("id"))
			})},
		{method: "GET", path: "/recordings/{id}/marks", right: "recordings.hear", own: ownRecording, summary: "Comments on a recording, in its order.", out: items[Mark]{},
			do: notes(func(r *http.Request, n Notes) (any, error) {
				return wrap(n.Marks(r.Context(), tenant(r), r.PathValue("id")))
			})},
		{method: "POST", path: "/recordings/{id}/marks", right: "recordings.mark", summary: "Comments on a recording.", in: markBody{}, out: Mark{}, query: []param{byParam},
			do: notes(func(r *http.Request, n Notes) (any, error) {
				var in markBody
				if err := decode(r, &in); err != nil {
					return nil, err
				}
				text, err := noteText(in.Text)
				if err == nil && in.AtMs < 0 {
					err = fmt.Errorf("%w: at_ms: want 0 or more", ErrInvalid)
				}
				if err != nil {
					return nil, err
				}
				return n.AddMark(r.Context(), tenant(r), r.PathValue("id"), in.AtMs, text, whoAsks(r))
			})},
		{method: "DELETE", path: "/recordings/{id}/marks/{mark}", right: "recordings.mark", summary: "Takes a comment away.", query: []param{byParam},
			do: notes(func(r *http.Request, n Notes) (any, error) {
				return done(n.RemoveMark(r.Context(), tenant(r), r.PathValue("id"), r.PathValue("mark"), whoAsks(r)))
			})},
	}
}

// noteText is a text of people's.
func noteText(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 1000 {
		return "", fmt.Errorf("%w: text: want 1 to 1000 bytes", ErrInvalid)
	}
	return s, nil
}
