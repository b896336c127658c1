// Package spoken says values in words: numbers, ordinals, money, dates, times,
// durations, telephone numbers and letters, in English, Romanian and Russian,
// with the genders, cases and plurals those need. What it says is a list of
// pieces: each is a recorded prompt by name and has a text, so that one grammar
// serves both recordings in a row and texts for a machine that speaks. It is
// pure.
package spoken

import (
	"strings"
)

// Pause is the piece that separates groups of digits and parts of a sentence: a
// short silence, or a comma.
const Pause = "pause"

// Gender of what is counted or put in order.
type Gender byte

// The genders. English has none; in Romanian a neuter counts as masculine with
// one, and as feminine from two on.
const (
	Masculine Gender = iota
	Feminine
	Neuter
)

// language is one grammar. All give names of pieces in its vocabulary.
type language struct {
	words map[string]string // piece -> text

	number   func(n int64, g Gender) []string // 0 to Max
	counted  func(n int64, u unit) []string   // a number with what is counted
	ordinal  func(n int, g Gender) []string   // 1 to MaxOrdinal
	fraction func(whole int64, decimals string) []string
	date     func(year, month, day int, withYear bool) []string
	clock    func(hour, minute int, twelve bool) []string
	twelve   bool   // hours are told up to twelve, unless asked otherwise
	and      string // before the last of several amounts; "" = nothing
}

// unit is what is counted: its gender, and its forms after one, a few and many.
// English has no few of its own.
type unit struct {
	gender         Gender
	one, few, many string
}

// Bounds: more than Max is spoken digit by digit, what comes after MaxOrdinal as a
// number (each word that nobody says would still lie in every binary).
const (
	Max        = 999_999_999_999
	MaxOrdinal = 199
)

var languages = map[string]*language{"en": english(), "ro": romanian(), "ru": russian()}

// Languages that have a grammar here, in order.
func Languages() []string { return []string{"en", "ro", "ru"} }

// Known tells whether values are put into words in a language; others are
// spoken with the pieces of the English grammar.
func Known(lang string) bool { return languages[lang] != nil }

func of(lang string) *language {
	if l := languages[lang]; l != nil {
		return l
	}
	return languages["en"]
}

// Word is what a piece says in a language, "" when it has none of that name.
func Word(lang, piece string) string { return of(lang).words[piece] }

// Vocabulary is every piece of a language with its text. It is not to be changed.
func Vocabulary(lang string) map[string]string {
	if l := languages[lang]; l != nil {
		return l.words
	}
	return nil
}

// Text puts pieces into a sentence's part: words with blanks, a comma for a
// Pause. What has no text in the language is left out.
func Text(lang string, pieces []string) string {
	words := of(lang).words
	var b strings.Builder
	for _, p := range pieces {
		switch w := words[p]; {
		case p == Pause && b.Len() > 0:
			b.WriteByte(',')
		case w == "":
		default:
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(w)
		}
	}
	return strings.TrimRight(b.String(), ",")
}
