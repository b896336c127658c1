package ivr

import (
	"fmt"
	"strconv"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
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
			v, err := m.expand(p.Number + p.Digits + p.Position + p.Text) // one of them is set
			if err != nil {
				return nil, err
			}
			if p.Text != "" {
				out = append(out, prompt.Phrase{Name: p.Fallback, Text: v})
				continue
			}
			if p.Digits != "" {
				out = append(out, lang.Digits(v)...)
				continue
			}
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 {
				// Not the value: it may be what the caller typed.
				return nil, fmt.Errorf("%q does not give a number that can be spoken", p.Number+p.Position)
			}
			if p.Position != "" {
				out = append(out, lang.Position(n)...)
			} else {
				out = append(out, lang.Number(n)...)
			}
		}
	}
	return out, nil
}
