package prompt

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/centrala/centrala/ivr/prompt/spoken"
)

//go:embed texts.yaml
var textsYAML []byte

// marks are the pauses and voices inside a text: [500], [ro].
var marks = regexp.MustCompile(`\[\w+\] ?`)

var builtInTexts = sync.OnceValue(func() map[string]map[string]string {
	var doc struct {
		Shared  map[string]string            `yaml:"shared"`
		Prompts map[string]map[string]string `yaml:"prompts"`
	}
	if err := yaml.Unmarshal(textsYAML, &doc); err != nil {
		panic(err) // embedded, and read by a test
	}
	out := doc.Prompts
	for name, text := range doc.Shared {
		out[name] = map[string]string{AnyLanguage: text}
	}
	return out
})

// Text is what a built-in prompt says in a language, without marks; "" when it is not
// built in.
func Text(name, lang string) string {
	if w := spoken.Vocabulary(lang)[name]; w != "" {
		return w
	}
	t := builtInTexts()[name]
	for _, l := range [...]string{lang, AnyLanguage, lastResort} {
		if t[l] != "" {
			return strings.TrimSpace(marks.ReplaceAllString(t[l], ""))
		}
	}
	return spoken.Word(lang, name) // of a language without a grammar: as it is heard
}
