package ivr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/ivr/prompt/spoken"
)

// phrases turns pieces into prompts in the call's language.
func (m *machine) phrases(lists ...[]flow.Piece) ([]prompt.Phrase, error) {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	out := make([]prompt.Phrase, 0, n)
	lang := prompt.Language(m.s.Language)
	for _, l := range lists {
		for _, p := range l {
			if p.Prompt != "" {
				out = append(out, prompt.Phrase{Name: p.Prompt})
				continue
			}
			if p.Text != "" {
				v, err := m.words(p.Text)
				if err != nil {
					return nil, err
				}
				out = append(out, prompt.Phrase{Name: p.Fallback, Text: v})
				continue
			}
			v, err := m.expand(p.Value + p.Position) // one of them is set
			if err != nil {
				return nil, err
			}
			if p.Position != "" {
				n, err := strconv.Atoi(v)
				if err != nil || n < 0 {
					// Not the value: it may be what the caller typed.
					return nil, fmt.Errorf("%q does not give a number that can be spoken", p.Position)
				}
				out = append(out, lang.Position(n)...)
				continue
			}
			said, err := lang.Value(p.Kind, v, m.s.zone)
			if err != nil {
				return nil, fmt.Errorf("%q cannot be spoken as %s: %w", p.Value, p.Kind, err)
			}
			out = append(out, said...)
		}
	}
	return out, nil
}

// Speak turns pieces into prompts, with the values of the call's variables.
func (s *State) Speak(pieces []flow.Piece) ([]prompt.Phrase, error) {
	return (&machine{s: s}).phrases(pieces)
}

// words puts variables into a text that is spoken: ${name} as it is, ${name:kind}
// in words.
func (m *machine) words(template string) (string, error) {
	return flow.Expand(template, func(name string) (string, error) {
		name, kind, found := strings.Cut(name, ":")
		if m.s.Secrets[name] {
			return "", fmt.Errorf("the variable %q is secret and can only be compared", name)
		}
		if !found {
			return m.value(name), nil
		}
		v, err := spoken.Words(m.s.Language, spoken.Kind(kind), m.value(name), m.s.zone)
		if err != nil {
			return "", fmt.Errorf("the variable %q cannot be spoken as %s: %w", name, kind, err)
		}
		return v, nil
	})
}
