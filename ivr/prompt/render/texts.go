package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/centrala/centrala/ivr/prompt/spoken"
)

// neutral is the folder of what is the same in every language.
const neutral = "any"

// texts is texts.yaml.
type texts struct {
	Voices  map[string]voice             `yaml:"voices"`
	Lengths map[string]float64           `yaml:"lengths"` // seconds
	Shared  map[string]string            `yaml:"shared"`
	Prompts map[string]map[string]string `yaml:"prompts"`
	// pieces of values (package spoken): not each language has them all.
	pieces map[string]map[string]string
}

type voice struct {
	Voice string `yaml:"voice"`
	Speed int    `yaml:"speed"` // words a minute
	Pitch int    `yaml:"pitch"` // 0-99
	Gap   int    `yaml:"gap"`   // pause between words in 10 ms
}

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

// readTexts reads and checks path; all faults at once.
func readTexts(path string) (*texts, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t := &texts{pieces: map[string]map[string]string{}}
	if err := yaml.UnmarshalWithOptions(b, t, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var faults []error
	for _, lang := range spoken.Languages() {
		for name, text := range spoken.Vocabulary(lang) {
			if _, twice := t.Prompts[name]; twice {
				faults = append(faults, fmt.Errorf("%s: prompts.%s: is a piece of package spoken", path, name))
			}
			if t.pieces[name] == nil {
				t.pieces[name] = map[string]string{}
			}
			t.pieces[name][lang] = text
		}
	}
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(path+": "+format, a...)) }
	for name, byLang := range t.Prompts {
		if !nameRule.MatchString(name) {
			fault("prompts.%s: name must match %v", name, nameRule)
		}
		for lang := range t.Voices {
			if strings.TrimSpace(byLang[lang]) == "" {
				fault("prompts.%s.%s: missing", name, lang)
			}
		}
		for lang, text := range byLang {
			if _, err := splitText(text, lang); err != nil {
				fault("prompts.%s.%s: %w", name, lang, err)
			}
			if _, ok := t.Voices[lang]; !ok {
				fault("prompts.%s.%s: no such voice", name, lang)
			}
		}
	}
	for name, text := range t.Shared {
		if !nameRule.MatchString(name) || t.Prompts[name] != nil || sounds[name] != nil {
			fault("shared.%s: bad name or named twice", name)
		}
		if _, err := splitText(text, neutral); err != nil {
			fault("shared.%s: %w", name, err)
		}
	}
	for name := range t.Lengths {
		if t.Prompts[name] == nil && t.Shared[name] == "" {
			fault("lengths.%s: no such prompt", name)
		}
	}
	return t, errors.Join(faults...)
}

// part is a stretch of one voice, or a pause.
type part struct {
	lang, text string
	pauseMs    int
}

var mark = regexp.MustCompile(`\[([a-z]{2}|[0-9]{1,4})\]`)

// splitText cuts "[en] Hello. [500] [ro] Bună ziua." into parts.
func splitText(text, lang string) ([]part, error) {
	var parts []part
	add := func(s string) error {
		if s = strings.TrimSpace(s); s == "" {
			return nil
		}
		if lang == neutral {
			return fmt.Errorf("%q has no voice; begin with [en] or another", s)
		}
		if strings.ContainsAny(s, "[]") {
			return fmt.Errorf("%q: want [en] for a voice or [500] for a pause", s)
		}
		parts = append(parts, part{lang: lang, text: s})
		return nil
	}
	at := 0
	for _, m := range mark.FindAllStringSubmatchIndex(text, -1) {
		if err := add(text[at:m[0]]); err != nil {
			return nil, err
		}
		word := text[m[2]:m[3]]
		if ms, err := strconv.Atoi(word); err == nil {
			parts = append(parts, part{pauseMs: ms})
		} else {
			lang = word
		}
		at = m[1]
	}
	return parts, add(text[at:])
}
