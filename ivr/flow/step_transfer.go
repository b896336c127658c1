package flow

import "time"

// KindTransfer sends the caller to a number outside, by the caller's own carrier.
const KindTransfer Kind = "transfer"

// Transfer is a blind transfer of the caller to a number outside.
type Transfer struct {
	To      string // template
	Timeout time.Duration
	// Bridge: where the caller's line takes no transfer, the number is dialled and the two
	// are bridged.
	Bridge bool
}

// transfer is {to, timeout, bridge}, or the number alone.
func (p *parser) transfer(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"to": s}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &Transfer{}
	}
	b := &Transfer{To: p.need(o, "to"), Timeout: o.duration("timeout", defaultRing, time.Second, 10*time.Minute), Bridge: o.boolean("bridge", true)}
	o.end()
	names, err := variablesOf(b.To)
	switch {
	case b.To == "":
	case err != nil:
		p.fault(join(path, "to"), "%v", err)
	case len(names) == 0 && !Dialable(b.To):
		p.fault(join(path, "to"), "%q cannot be dialled; want digits, or a + and digits", clip(b.To))
	}
	return b
}

func (b *Transfer) tell(s *Step, t *traits) {
	t.waits, t.ends = true, true
	t.dialled("to", b.To)
}
