package flow

// Voicemail lets the caller leave a message in a box. The box's greeting is heard
// first; a caller who presses the hash key goes on in the flow.
type Voicemail struct{ Box string }

// voicemail is the box's name.
func (p *parser) voicemail(path string, v any) Body {
	name, _ := p.text(path, v)
	if name == "" {
		p.fault(path, "missing; want the name of a voicemail box")
	}
	return &Voicemail{name}
}

func (b *Voicemail) tell(_ *Step, t *traits) {
	t.waits = true
	t.refers(refVoicemail, "", b.Box)
}
