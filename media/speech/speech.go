// Package speech turns text into clips: an Engine synthesises (the program
// espeak-ng, or a service by HTTP or WebSocket), a Speaker keeps what was made in a folder and
// in the library of clips, and makes each text once for all who ask.
//
// It knows no calls and plays nothing. Goroutines: one for each text that is being
// made, ended by the engine's time-out; Close waits for them.
package speech

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is the longest text that is spoken, in characters: about two minutes.
const MaxText = 1500

// maxSound bounds what an engine may return, in bytes: five minutes of 16-bit sound
// at 48 kHz.
const maxSound = 32 << 20

// Errors that callers tell apart.
var (
	// ErrText: the text is empty, or longer than MaxText.
	ErrText = errors.New("text cannot be spoken")
	// ErrNoEngine: nothing is configured to speak.
	ErrNoEngine = errors.New("speech: nothing speaks texts here (speech.engine in the node file)")
	// ErrBusy: too many other texts are being made.
	ErrBusy = errors.New("too many texts are being made")
	// ErrTooLarge: the engine returned more than a clip can be.
	ErrTooLarge = errors.New("the engine's sound is too large")
)

// Request is one text to be spoken.
type Request struct {
	Text     string // cleaned: one line without control characters
	Language string // of the call, such as "en"
	Voice    string // the engine's name of a voice
}

// Engine synthesises. Speak returns a sound file that play.Load reads; the caller
// closes it. It ends with ctx, is bounded in bytes, and may be called from any
// goroutine.
type Engine interface {
	Speak(ctx context.Context, r Request) (io.ReadCloser, error)
	// Name is part of the key of what was made: another engine, or another setting of
	// it that is heard, has another name.
	Name() string
}

var languageRE = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)

// Clean makes a text fit for an engine: one line of printable characters, and none
// of the marks that espeak-ng takes for phonemes ("[[") and services for markup
// (< and >), since a caller's name may be in it. Errors wrap ErrText.
func Clean(text string) (string, error) {
	if len(text) > 4*MaxText {
		return "", fmt.Errorf("%w: longer than %d characters", ErrText, MaxText)
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case r == '[' || r == ']' || r == '<' || r == '>' || !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return "", fmt.Errorf("%w: it is empty", ErrText)
	case n > MaxText:
		return "", fmt.Errorf("%w: %d characters, at most %d", ErrText, n, MaxText)
	}
	return text, nil
}
