package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Mailboxes is the part of Server about voicemail.
type Mailboxes interface {
	// Voicemail lists messages, newest first.
	Voicemail(ctx context.Context, tenant string, f VoicemailFilter) (VoicemailPage, error)
	VoicemailMessage(ctx context.Context, tenant, id string) (Voicemail, error)
	// VoicemailSound opens a message's sound, with the name of its file.
	VoicemailSound(ctx context.Context, tenant, id string) (name string, f io.ReadSeekCloser, err error)
	// MarkVoicemail makes a message "new" or "saved".
	MarkVoicemail(ctx context.Context, tenant, id, state, by string) (Voicemail, error)
	// OwnsBox tells whether a box is a user's own, or of a queue that the user serves.
	OwnsBox(tenant, user, box string) bool
	DeleteVoicemail(ctx context.Context, tenant, id, by string) error
}

// Voicemail is a message in a box.
type Voicemail struct {
	ID         string    `json:"id"`
	Box        string    `json:"box"`
	CallID     string    `json:"call_id"`
	From       string    `json:"from,omitempty"` // "" withheld
	Display    string    `json:"display,omitempty"`
	At         time.Time `json:"at"`
	DurationMs int64     `json:"duration_ms"`
	State      string    `json:"state"` // new, saved
}

// VoicemailFilter bounds a list of messages.
type VoicemailFilter struct {
	Box    string
	State  string // new, saved, "" both
	Limit  int    // 1..500; 0 = 50
	Cursor string // from the page before
}

// VoicemailPage is one page of messages.
type VoicemailPage struct {
	Messages []Voicemail `json:"messages"`
	Next     string      `json:"next,omitempty"` // cursor of the next page, "" at the end
}

// voicemailStates are what a message may be.
var voicemailStates = map[string]bool{"new": true, "saved": true}

func (h *HTTP) voicemail(r *http.Request) (any, error) {
	f, err := filter(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	v := VoicemailFilter{Box: q.Get("box"), State: q.Get("state"), Limit: f.Limit, Cursor: f.Cursor}
	if v.State != "" && !voicemailStates[v.State] {
		return nil, fmt.Errorf("%w: state %q: want new or saved", ErrInvalid, v.State)
	}
	return h.app.Voicemail(r.Context(), tenant(r), v)
}

// voicemailState is the body of a PATCH.
type voicemailState struct {
	State string `json:"state" enum:"new,saved"`
}

func (h *HTTP) markVoicemail(r *http.Request) (any, error) {
	var in voicemailState
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if !voicemailStates[in.State] {
		return nil, fmt.Errorf("%w: state %q: want new or saved", ErrInvalid, in.State)
	}
	return h.app.MarkVoicemail(r.Context(), tenant(r), r.PathValue("id"), in.State, whoAsks(r))
}

// voicemailSound sends the file; ranges are served, so that a player may jump.
func (h *HTTP) voicemailSound(w http.ResponseWriter, r *http.Request) {
	name, f, err := h.app.VoicemailSound(r.Context(), tenant(r), r.PathValue("id"))
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	defer f.Close()
	if strings.HasSuffix(name, ".wav") {
		w.Header().Set("Content-Type", "audio/wav")
	}
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	http.ServeContent(w, r, name, time.Time{}, f)
}
