package api

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/auth"
)

// Sound is the file of a recording.
type Sound struct {
	io.ReadSeekCloser
	Name     string // path in the folder of recordings
	CallID   string
	Modified time.Time
	Size     int64
}

// Sounds may be implemented by the application: it opens recordings.
type Sounds interface {
	OpenRecording(ctx context.Context, tenant, id string) (Sound, error)
}

// soundTypes are all that a recording is served as; a page must not find a document in it.
var soundTypes = map[string]string{".wav": "audio/wav", ".flac": "audio/flac", ".opus": "audio/ogg", ".ogg": "audio/ogg"}

func (h *HTTP) audioOperations() []operation {
	return []operation{
		{method: "GET", path: "/recordings/{id}/audio", right: "recordings.hear", own: ownBound, summary: "The sound of a recording, also while it grows; ranges are answered.", content: "audio/wav",
			query: []param{{"save", "boolean", "As a file to be kept, which has a right of its own."}}, serve: h.audio},
	}
}

// audio serves a recording and writes down who heard or saved it.
func (h *HTTP) audio(w http.ResponseWriter, r *http.Request) {
	app, ok := h.app.(Sounds)
	if !ok {
		h.fail(w, r, ErrNotFound, nil)
		return
	}
	save, err := flag(r, "save")
	p := auth.From(r.Context())
	if err == nil && save && p.Can("recordings.save") == auth.None {
		err = fmt.Errorf("%w: recordings.save", errNoRight)
	}
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	id := r.PathValue("id")
	s, err := app.OpenRecording(r.Context(), tenant(r), id)
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	defer s.Close()
	if isOwn(r) {
		c, err := h.app.Call(r.Context(), tenant(r), s.CallID)
		if err != nil || !partOf(&c.Call, p) {
			h.fail(w, r, fmt.Errorf("recording %q: %w", id, ErrNotFound), nil)
			return
		}
	}
	// A player asks for one recording in many pieces: the first is written down.
	if rg := r.Header.Get("Range"); rg == "" || strings.HasPrefix(rg, "bytes=0-") {
		action := "recording.heard"
		if save {
			action = "recording.saved"
		}
		h.audit(r, action, id, s.CallID)
	}
	ext := path.Ext(s.Name)
	kind, ok := soundTypes[ext]
	if !ok {
		kind, ext = "application/octet-stream", ""
	}
	head := w.Header()
	head.Set("Content-Type", kind)
	how := "inline"
	if save {
		how = "attachment"
	}
	head.Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": safeName(id) + ext}))
	// An hour of sound over a poor line takes its time: 8 kB a second at the least.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute + time.Duration(s.Size/8000)*time.Second))
	http.ServeContent(w, r, "", s.Modified, s)
}

// safeName keeps what a file name of any system takes.
func safeName(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		}
		return '_'
	}, cutText(s, 100))
}
