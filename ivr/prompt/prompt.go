// Package prompt turns prompt names and languages into audio: which file is
// played for a name (a site's own before the embedded one, with a fall-back of
// languages), and which prompts in a row speak a value or a place in the queue. It does not decode audio and starts no goroutine.
package prompt

import (
	"strconv"
	"time"

	"github.com/centrala/centrala/ivr/prompt/spoken"
)

// Phrase is one prompt to be played, by name, or a text to be synthesised. The
// language is the call's.
type Phrase struct {
	Name string `json:"name,omitempty"`
	// Text is spoken in place of a prompt when it is not empty, and Name then when it
	// cannot be made in time; without a Name the whole play fails.
	Text string `json:"text,omitempty"`
	// Recording is the file of a recording, relative to their folder; Name and Text are
	// empty then.
	Recording string `json:"recording,omitempty"`
}

// Language is a language of prompts: "en", "ro" or "ru"; others speak numbers
// the English way.
type Language string

// Names of the prompts that this package puts together by itself; the audio is
// made from texts.yaml.
const (
	youAreNumber = "you_are_number"
	inTheQueue   = "in_the_queue"
)

// WholePositions is the last place in a queue that has a sentence of its own
// (position_1 ...); from there on the sentence is put together.
const WholePositions = 20

func phrases(pieces []string) []Phrase {
	out := make([]Phrase, len(pieces))
	for i, name := range pieces {
		out[i].Name = name
	}
	return out
}

// Number speaks n as one number, in the forms that follow "number" and "place":
// masculine in Romanian and Russian. A negative n is spoken as 0.
func (l Language) Number(n int) []Phrase {
	return phrases(spoken.Number(string(l), int64(max(n, 0)), spoken.Masculine))
}

// Value speaks a value as spoken.Value does.
func (l Language) Value(kind spoken.Kind, value string, loc *time.Location) ([]Phrase, error) {
	pieces, err := spoken.Value(string(l), kind, value, loc)
	if err != nil {
		return nil, err
	}
	return phrases(pieces), nil
}

// Digits speaks each key by itself: 0-9, star and hash. Anything else (a plus,
// a letter) is left out.
func (l Language) Digits(digits string) []Phrase { return phrases(spoken.Digits(string(l), digits)) }

// Position speaks "you are number n in the queue": one sentence up to
// WholePositions, pieces beyond. A place below 1 is spoken as 1.
func (l Language) Position(n int) []Phrase {
	n = max(n, 1)
	if n <= WholePositions {
		return []Phrase{{Name: "position_" + strconv.Itoa(n)}}
	}
	out := append([]Phrase{{Name: youAreNumber}}, l.Number(n)...)
	return append(out, Phrase{Name: inTheQueue})
}
