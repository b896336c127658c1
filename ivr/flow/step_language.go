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

// LanguageName tells whether a text is the name of a language as flows write it: en, ro,
// pt-BR.
func LanguageName(s string) bool { return languageRE.MatchString(s) }
