package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

var (
	languageParam = param{"language", "string", `Language such as ro, or "any".`}
	versionParam  = param{"version", "integer", "A version of that language; 0 or absent: see there."}
	atParam       = param{"at", "string", "A moment, RFC 3339; default now."}
)

func (h *HTTP) promptOperations() []operation {
	return []operation{
		{method: "GET", path: "/prompts", right: "prompts.read", summary: "What callers hear, in which languages, and who uses it.", out: items[Prompt]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Prompts(r.Context(), tenant(r))) }},
		{method: "GET", path: "/prompts/{name}", right: "prompts.read", summary: "A prompt with its versions.", out: PromptDetail{},
			do: func(r *http.Request) (any, error) {
				return h.app.Prompt(r.Context(), tenant(r), r.PathValue("name"))
			}},
		{method: "GET", path: "/prompts/{name}/audio", right: "prompts.read", summary: "The sound of a prompt as WAV.", content: "audio/wav",
			query: []param{languageParam, versionParam}, serve: h.promptAudio},
		{method: "POST", path: "/prompts/{name}/versions", right: "prompts.change", most: MaxPrompt, summary: "Keeps a sound file as a new version, which callers hear from now on.",
			out: PromptVersion{}, made: http.StatusCreated, journalled: true, query: []param{languageParam, byParam}, do: h.uploadPrompt},
		{method: "DELETE", path: "/prompts/{name}/versions", right: "prompts.change", summary: "Forgets a version, all of a language, or all.", journalled: true,
			query: []param{languageParam, versionParam, byParam}, do: h.removePrompt},
		{method: "POST", path: "/prompts/{name}/speak", right: "prompts.change", summary: "Has a text synthesised as a new version.", in: SpokenPrompt{}, out: PromptVersion{},
			made: http.StatusCreated, journalled: true, query: []param{byParam}, do: h.speakPrompt},
		{method: "POST", path: "/prompts/{name}/use", right: "prompts.change", summary: "Goes back to a version, or to none.", in: UsedPrompt{}, journalled: true,
			query: []param{byParam}, do: h.usePrompt},

		{method: "GET", path: "/schedules", right: "schedules.read", summary: "What is open.", out: items[Schedule]{}, query: []param{atParam}, do: func(r *http.Request) (any, error) {
			at, err := atOf(r)
			if err != nil {
				return nil, err
			}
			return wrap(h.app.Schedules(r.Context(), tenant(r), at))
		}},
		{method: "GET", path: "/schedules/{name}", right: "schedules.read", summary: "How a schedule is at a moment, and why.", out: Schedule{}, query: []param{atParam}, do: func(r *http.Request) (any, error) {
			at, err := atOf(r)
			if err != nil {
				return nil, err
			}
			return h.app.Schedule(r.Context(), tenant(r), r.PathValue("name"), at)
		}},
		{method: "POST", path: "/schedules/{name}/close", right: "schedules.change", summary: "Closes by hand, whatever the hours say.", in: CloseSchedule{}, out: Schedule{}, journalled: true,
			query: []param{byParam}, do: func(r *http.Request) (any, error) {
				var in CloseSchedule
				if err := decode(r, &in); err != nil {
					return nil, err
				}
				return h.app.CloseSchedule(r.Context(), tenant(r), r.PathValue("name"), in, whoAsks(r))
			}},
		{method: "POST", path: "/schedules/{name}/open", right: "schedules.change", summary: "Ends a closure.", out: Schedule{}, journalled: true, query: []param{byParam},
			do: func(r *http.Request) (any, error) {
				return h.app.OpenSchedule(r.Context(), tenant(r), r.PathValue("name"), whoAsks(r))
			}},
		{method: "PUT", path: "/schedules/{name}/calendars/{calendar}", right: "resources.change", most: 1 << 20, summary: "Puts an iCalendar text into the schedule's document.",
			out: ApplyResult{}, query: []param{byParam, {"dry_run", "boolean", "Check and tell, change nothing."}}, do: h.importCalendar},
		{method: "DELETE", path: "/schedules/{name}/calendars/{calendar}", right: "resources.change", summary: "Takes a calendar out of the schedule's document.",
			out: ApplyResult{}, query: []param{byParam}, do: h.importCalendar},
	}
}

func atOf(r *http.Request) (time.Time, error) {
	s := r.URL.Query().Get("at")
	if s == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil || at.Year() < 1970 || at.Year() > 2200 {
		return at, fmt.Errorf("%w: at: want a moment such as 2026-12-24T18:00:00+02:00", ErrInvalid)
	}
	return at, nil
}

func versionOf(r *http.Request) (int, error) {
	s := r.URL.Query().Get("version")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: version: want a whole number", ErrInvalid)
	}
	return n, nil
}

func (h *HTTP) promptAudio(w http.ResponseWriter, r *http.Request) {
	version, err := versionOf(r)
	var wav []byte
	if err == nil {
		wav, err = h.app.PromptAudio(r.Context(), tenant(r), r.PathValue("name"), r.URL.Query().Get("language"), version)
	}
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	w.Header().Set("Content-Type", "audio/wav")
	w.Header().Set("Content-Length", strconv.Itoa(len(wav)))
	w.Write(wav)
}

func (h *HTTP) uploadPrompt(r *http.Request) (any, error) {
	audio, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if len(audio) == 0 {
		return nil, fmt.Errorf("%w: body: want a sound file: WAV, FLAC, MP3 or Ogg Opus", ErrInvalid)
	}
	return h.app.AddPrompt(r.Context(), tenant(r), r.PathValue("name"), NewPrompt{Language: r.URL.Query().Get("language"), Audio: audio, By: whoAsks(r)})
}

func (h *HTTP) speakPrompt(r *http.Request) (any, error) {
	var in SpokenPrompt
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return h.app.AddPrompt(r.Context(), tenant(r), r.PathValue("name"), NewPrompt{Language: in.Language, Text: in.Text, By: whoAsks(r)})
}

func (h *HTTP) usePrompt(r *http.Request) (any, error) {
	var in UsedPrompt
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Version < 0 {
		return nil, fmt.Errorf("%w: version: want 0 or a version", ErrInvalid)
	}
	return done(h.app.UsePrompt(r.Context(), tenant(r), r.PathValue("name"), in, whoAsks(r)))
}

func (h *HTTP) removePrompt(r *http.Request) (any, error) {
	version, err := versionOf(r)
	if err != nil {
		return nil, err
	}
	language := r.URL.Query().Get("language")
	if version > 0 && language == "" {
		return nil, fmt.Errorf("%w: version: want its language too", ErrInvalid)
	}
	return done(h.app.RemovePrompt(r.Context(), tenant(r), r.PathValue("name"), language, version, whoAsks(r)))
}

// importCalendar of PUT has the text as its body; DELETE has none.
func (h *HTTP) importCalendar(r *http.Request) (any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodPut && len(text) == 0 {
		return nil, fmt.Errorf("%w: body: want an iCalendar text", ErrInvalid)
	}
	dry := false
	if r.Method == http.MethodPut {
		if dry, err = flag(r, "dry_run"); err != nil {
			return nil, err
		}
	}
	res, err := h.app.ImportCalendar(r.Context(), tenant(r), r.PathValue("name"), r.PathValue("calendar"), string(text), ApplyOptions{By: whoAsks(r), Via: viaOf(r), Dry: dry})
	if err != nil && !errors.Is(err, ErrInvalid) {
		return nil, err
	}
	return res, err
}
