package flow

import "time"

// KindRecord takes a message of the caller.
const KindRecord Kind = "record"

// Record takes a message of the caller into a file of its own.
type Record struct {
	Prompts []Piece // before the beep; a key goes straight to it
	Message
	Into     string  // variable that takes the recording's id; "" = none
	TooShort []Piece // before asking again, when nothing was said
	Retries  int     // takes after the first
	// Review lets the caller keep, hear or repeat what was said: keys 1, 2 and 3. These
	// pieces say so; empty = it is kept at once.
	Review  []Piece
	Timeout time.Duration // of the review; then it is kept
}

// Message is how one is recorded.
type Message struct {
	Beep    bool
	Max     time.Duration // the longest it may be
	Min     time.Duration // with less voice in it there is no message
	Silence time.Duration // ends it; 0 = it does not
	End     byte          // key that ends it; 0 = any key
}

// Bounds of a message.
const (
	maxMessage     = 30 * time.Minute
	defaultMessage = 2 * time.Minute
)

// message reads the keys of a message.
func (p *parser) message(o *object) Message {
	return Message{
		Beep:    o.boolean("beep", true),
		Max:     o.duration("max", defaultMessage, time.Second, maxMessage),
		Min:     o.duration("min", time.Second, 0, time.Minute),
		Silence: o.duration("silence", 5*time.Second, 0, time.Minute),
		End:     o.key("end", '#'),
	}
}

// record is {prompts, into, beep, max, min, silence, end, too_short, retries, review, timeout}.
func (p *parser) record(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Record{}
	}
	b := &Record{
		Prompts:  p.pieces(o, "prompts", false),
		Message:  p.message(o),
		Into:     o.str("into", ""),
		TooShort: p.pieces(o, "too_short", false),
		Retries:  o.integer("retries", defaultRetries, 0, 20),
		Review:   p.pieces(o, "review", false),
		Timeout:  o.duration("timeout", defaultTimeout, 500*time.Millisecond, 5*time.Minute),
	}
	o.end()
	if b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	if b.Min >= b.Max {
		p.fault(join(path, "min"), "%s is not less than max %s", b.Min, b.Max)
	}
	return b
}

func (b *Record) tell(_ *Step, t *traits) {
	t.waits = true
	t.sets(b.Into, setKey)
	t.pieces("prompts", b.Prompts)
	t.pieces("too_short", b.TooShort)
	t.pieces("review", b.Review)
}
