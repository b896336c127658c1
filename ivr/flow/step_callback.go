package flow

// KindCallback has the caller called back by a queue.
const KindCallback Kind = "callback"

// Callback asks the caller for a number and has a queue call it back in turn: with the
// place that the caller had in that queue, else as one who has just come.
type Callback struct {
	Queue    string
	Priority int
}

// callback is a queue's name, or {queue, priority}.
func (p *parser) callback(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"queue": s}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &Callback{}
	}
	b := &Callback{Queue: p.need(o, "queue"), Priority: o.integer("priority", 0, -1000, 1000)}
	o.end()
	return b
}

func (b *Callback) tell(_ *Step, t *traits) {
	t.waits = true
	t.refers(refQueue, "queue", b.Queue)
}
