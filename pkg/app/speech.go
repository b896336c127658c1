package app

import (
	"context"
	"fmt"
	"os"
	"strings"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/speech"
	"github.com/centrala/centrala/pkg/config"
)

// CheckSpeech tells whether the engine that the node file names can be used on this
// machine: its program is there, its templates and secrets can be read.
func CheckSpeech(c *config.Config) error {
	_, err := speechEngine(c)
	return err
}

// speechEngine is the engine of the node file, nil for none.
func speechEngine(c *config.Config) (speech.Engine, error) {
	switch s := c.Speech; s.Engine {
	case "espeak":
		e, err := speech.NewEspeak(s.Espeak.Program, s.Espeak.Speed)
		if err != nil {
			return nil, fmt.Errorf("speech.espeak.program: %w", err)
		}
		return e, nil
	case "http":
		headers, err := speechHeaders(c, "speech.http", s.HTTP.Headers)
		if err != nil {
			return nil, err
		}
		e, err := speech.NewHTTP(speech.HTTPConfig{URL: s.HTTP.URL, Body: s.HTTP.Body, Headers: headers})
		if err != nil {
			return nil, fmt.Errorf("speech.http: %w", err)
		}
		return e, nil
	case "websocket":
		headers, err := speechHeaders(c, "speech.websocket", s.WebSocket.Headers)
		if err != nil {
			return nil, err
		}
		e, err := speech.NewWebSocket(speech.WebSocketConfig{URL: s.WebSocket.URL, Headers: headers})
		if err != nil {
			return nil, fmt.Errorf("speech.websocket: %w", err)
		}
		return e, nil
	}
	return nil, nil
}

// speechHeaders are the headers of a section with their secrets.
func speechHeaders(c *config.Config, section string, list []config.SpeechHeader) (map[string]string, error) {
	headers := map[string]string{}
	for i, h := range list {
		secret, err := speechSecret(c, h)
		if err != nil {
			return nil, fmt.Errorf("%s.headers[%d]: %w", section, i, err)
		}
		headers[h.Name] = h.Value + secret
	}
	return headers, nil
}

func speechSecret(c *config.Config, h config.SpeechHeader) (string, error) {
	switch {
	case h.Env != "":
		v, ok := os.LookupEnv(h.Env)
		if !ok {
			return "", fmt.Errorf("the environment has no %q", h.Env)
		}
		return v, nil
	case h.File != "":
		b, err := os.ReadFile(c.Beside(h.File))
		return strings.TrimSpace(string(b)), err
	}
	return "", nil
}

// startSpeech brings up what speaks texts. An engine that cannot be used is no
// reason for a house to have no telephone: its flows take their fallbacks.
func (a *App) startSpeech(context.Context) error {
	e, err := speechEngine(a.cfg)
	if err != nil {
		a.log.Error("no texts are spoken; flows take their fallbacks", zap.Error(err))
	}
	s := a.cfg.Speech
	voices := map[string]string{}
	for _, v := range s.Voices {
		voices[v.Language] = v.Voice
	}
	a.speech, err = speech.New(speech.Config{Engine: e, Voices: voices, Dir: a.cfg.SpeechDir(), MaxBytes: int64(s.CacheMB) << 20,
		Timeout: s.Timeout.D(), Parallel: s.Parallel, Library: a.library, Log: a.log.Named("speech"), Registerer: a.opts.Registerer})
	if err != nil {
		return err
	}
	a.onStop("speech", a.speech.Close)
	return nil
}
