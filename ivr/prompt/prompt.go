// Package prompt turns prompt names and languages into audio: which file is
// played for a name (a site's own before the embedded one, with a fall-back of
// languages), and which prompts in a row speak a number, digits or a place in
// the queue. It does not decode audio and starts no goroutine.
package prompt

import "strconv"

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
	numberPrefix = "number_"
	and          = "and"
	star, hash   = "star", "hash"
	youAreNumber = "you_are_number"
	inTheQueue   = "in_the_queue"
)

// WholePositions is the last place in a queue that has a sentence of its own
// (position_1 ...); from there on the sentence is put together.
const WholePositions = 20

// Number speaks n as one number from 0 to 100, and digit by digit beyond. The
// forms are those that follow "number" and "place": masculine in Romanian and
// Russian. A negative n is spoken as 0.
func (l Language) Number(n int) []Phrase {
	switch {
	case n <= 0:
		return []Phrase{{Name: numberPrefix + "0"}}
	case n <= 20 || n == 100 || n < 100 && n%10 == 0:
		return []Phrase{{Name: numberPrefix + strconv.Itoa(n)}}
	case n > 100:
		return l.Digits(strconv.Itoa(n))
	}
	tens, ones := Phrase{Name: numberPrefix + strconv.Itoa(n-n%10)}, Phrase{Name: numberPrefix + strconv.Itoa(n%10)}
	if l == "ro" { // douăzeci și unu
		return []Phrase{tens, {Name: and}, ones}
	}
	return []Phrase{tens, ones}
}

// Digits speaks each key by itself: 0-9, star and hash. Anything else (a plus,
// a letter) is left out.
func (l Language) Digits(digits string) []Phrase {
	out := make([]Phrase, 0, len(digits))
	for i := range len(digits) {
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			out = append(out, Phrase{Name: numberPrefix + string(c)})
		case c == '*':
			out = append(out, Phrase{Name: star})
		case c == '#':
			out = append(out, Phrase{Name: hash})
		}
	}
	return out
}

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
