package flow

// Language changes the language of the prompts.
type Language struct{ Language string }

func (p *parser) language(path string, v any) Body {
	lang, ok := p.text(path, v)
	if ok && !languageRE.MatchString(lang) {
		p.fault(path, "unknown %q; want a language such as en, ro, ru", clip(lang))
	}
	return &Language{lang}
}

func (*Language) tell(*Step, *traits) {}
