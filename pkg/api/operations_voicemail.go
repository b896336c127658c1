package api

import (
	"fmt"
	"net/http"

	"github.com/centrala/centrala/pkg/auth"
)

// ownBox: the asker is an owner of the box in the query.
func ownBox(h *HTTP, r *http.Request, p *auth.Principal) error {
	if !h.app.OwnsBox(tenant(r), p.Name, r.URL.Query().Get("box")) {
		return fmt.Errorf("%w: name a box of yours", errNoRight)
	}
	return nil
}

// ownMessage: the asker is an owner of the box of the message {id}.
func ownMessage(h *HTTP, r *http.Request, p *auth.Principal) error {
	m, err := h.app.VoicemailMessage(r.Context(), tenant(r), r.PathValue("id"))
	if err == nil && !h.app.OwnsBox(tenant(r), p.Name, m.Box) {
		err = fmt.Errorf("message %q: %w", r.PathValue("id"), ErrNotFound) // as if it were not there
	}
	return err
}

func (h *HTTP) voicemailOperations() []operation {
	return []operation{
		{method: "GET", path: "/voicemail", right: "voicemail.read", own: ownBox, summary: "Messages that callers have left, newest first.", out: VoicemailPage{},
			query: []param{limitParam, cursorParam, {"box", "string", "Only of this box."}, {"state", "string", "new or saved; both without."}}, do: h.voicemail},
		{method: "GET", path: "/voicemail/{id}", right: "voicemail.read", own: ownMessage, summary: "One message.", out: Voicemail{}, do: func(r *http.Request) (any, error) {
			return h.app.VoicemailMessage(r.Context(), tenant(r), r.PathValue("id"))
		}},
		{method: "GET", path: "/voicemail/{id}/sound", right: "voicemail.read", own: ownMessage, summary: "The message's sound.", content: "audio/wav", seen: "voicemail.heard", serve: h.voicemailSound},
		{method: "PATCH", path: "/voicemail/{id}", right: "voicemail.change", own: ownMessage, summary: "Makes a message new again, or saved.", in: voicemailState{}, out: Voicemail{}, query: []param{byParam}, journalled: true, do: h.markVoicemail},
		{method: "DELETE", path: "/voicemail/{id}", right: "voicemail.change", own: ownMessage, summary: "Removes a message, its recording and its file.", query: []param{byParam}, journalled: true,
			do: func(r *http.Request) (any, error) {
				return done(h.app.DeleteVoicemail(r.Context(), tenant(r), r.PathValue("id"), whoAsks(r)))
			}},
	}
}
