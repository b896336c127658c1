// Package prompt turns prompt names and languages into audio: which file is
// played for a name (a site's own file before the embedded one, with a
// fall-back of languages), and which prompts in a row speak a number, digits or
// a place in the queue. It does not decode audio and starts no goroutine.
package prompt

import (
	"io"
	"io/fs"
)

// Phrase is one prompt to be played, by name. The language is the call's.
type Phrase struct {
	Name string `json:"name"`
}

// Language is a language of prompts: "en", "ro" or "ru".
type Language string

// Set finds the audio of prompt names for one tenant.
type Set struct {
	embedded fs.FS
	site     string
	override map[string]map[string]string
	fallback string
}

// NewSet returns a Set.
func NewSet(embedded fs.FS, siteDir string, overrides map[string]map[string]string) *Set {
	return &Set{embedded: embedded, site: siteDir, override: overrides}
}

// Open opens the audio.
func (s *Set) Open(name, lang string) (rc io.ReadCloser, key string, err error) {
	return nil, "", fs.ErrNotExist
}

// Has tells.
func (s *Set) Has(name, lang string) bool { return false }

// Number speaks n.
func (l Language) Number(n int) []Phrase { return nil }

// Digits speaks each digit.
func (l Language) Digits(digits string) []Phrase { return nil }

// Position speaks the place n in a queue.
func (l Language) Position(n int) []Phrase { return nil }
