package flow

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Speech lets a menu or collect step be answered by voice: a recogniser hears the caller
// while the step asks (docs/streams.md). Keys count as before, and alone when it is dead.
type Speech struct {
	URL        string
	Phrases    []Phrase // of a menu, in the order of the document
	Hints      []string // words to expect, besides the phrases
	Confidence int      // least, in percent
	Into       string   // variable that takes what was said; "" = none
}

// Phrase stands for a key of a menu.
type Phrase struct {
	Words string // as normal makes them
	Key   byte
}

// Heard is what a recogniser understood.
type Heard struct {
	Text       string  `json:"text"`
	Confidence float64 `json:"confidence"` // 0 to 1
}

// maxPhrases of a menu.
const maxPhrases = 100

// speech reads the key speech of a step; keys are those of a menu, nil for a collect.
func (p *parser) speech(o *object, keys map[byte]string) *Speech {
	v, there := o.take("speech")
	if !there {
		return nil
	}
	path := join(o.path, "speech")
	s, ok := p.object(path, v)
	if !ok {
		return nil
	}
	b := &Speech{URL: p.need(s, "url"), Hints: s.strings("hints"), Confidence: s.integer("confidence", 50, 0, 100), Into: s.str("into", "")}
	scheme, rest, _ := strings.Cut(b.URL, "://")
	if !slices.Contains([]string{"wss", "ws", "tls", "tcp", "https", "http"}, scheme) || rest == "" || len(b.URL) > 2048 || strings.ContainsAny(b.URL, "$@ ") {
		p.fault(join(path, "url"), "want wss://, ws://, tls://, tcp://, https:// or http:// with a host, without variables, user or password")
	}
	if b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	if keys != nil {
		b.Phrases = p.phrases(s, keys)
	}
	s.end()
	return b
}

// phrases reads {words: key}.
func (p *parser) phrases(s *object, keys map[byte]string) (out []Phrase) {
	v, _ := s.take("phrases")
	m, ok := p.object(join(s.path, "phrases"), v)
	if !ok {
		return nil
	}
	if len(m.keys) == 0 || len(m.keys) > maxPhrases {
		p.fault(m.path, "want 1 to %d phrases, such as sales: \"1\"", maxPhrases)
		return nil
	}
	for _, words := range m.keys {
		at := join(m.path, clip(words))
		text, ok := p.text(at, m.m[words])
		if !ok {
			continue
		}
		key, ok := p.key(at, text)
		switch {
		case !ok:
		case keys[key] == "":
			p.fault(at, "%q is no key of the menu", text)
		case normal(words) == "":
			p.fault(at, "want words")
		default:
			out = append(out, Phrase{normal(words), key})
		}
	}
	return out
}

// normal is a text as phrases are compared: lower case words of letters and digits.
func normal(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }), " ")
}

// ParseHeard reads a recogniser's result: {"text": ..., "confidence": ...}, or the text
// alone, which is certain.
func ParseHeard(result string) Heard {
	h := Heard{Confidence: 1}
	if strings.HasPrefix(result, "{") && json.Unmarshal([]byte(result), &h) == nil {
		return h
	}
	return Heard{result, 1}
}

// Sure tells whether what was heard can be gone by.
func (s *Speech) Sure(h Heard) bool { return h.Confidence*100 >= float64(s.Confidence) }

// Key finds the key of the longest phrase that was said; a key spoken as a digit counts
// too. 0 = none.
func (s *Speech) Key(h Heard, keys map[byte]string) byte {
	said := " " + normal(h.Text) + " "
	best := Phrase{}
	for _, p := range s.Phrases {
		if len(p.Words) > len(best.Words) && strings.Contains(said, " "+p.Words+" ") {
			best = p
		}
	}
	if digit := strings.TrimSpace(said); best.Key == 0 && len(digit) == 1 && keys[digit[0]] != "" {
		return digit[0]
	}
	return best.Key
}

// Digits are the digits of what was heard, in order.
func (h Heard) Digits() string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, h.Text)
}

// Stream is how the recogniser is reached: it hears the caller and is not heard.
func (s *Speech) Stream() *Stream {
	hints := append([]string(nil), s.Hints...)
	for _, p := range s.Phrases {
		hints = append(hints, p.Words)
	}
	return &Stream{URL: s.URL, Protocol: "centrala", Direction: "listen", Tracks: []string{"caller"}, Format: "pcm16", Rate: 16000,
		Connect: 5 * time.Second, For: 10 * time.Minute, Wait: true, Hints: hints}
}
