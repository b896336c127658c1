package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/acd/skill"
)

// Defaults of menus and collects; from the end of the prompts.
const (
	defaultTimeout    = 5 * time.Second
	defaultInterDigit = 3 * time.Second
	defaultRetries    = 2
	defaultRing       = 30 * time.Second
)

func (p *parser) promptName(path, s string) {
	if !nameRE.MatchString(s) {
		p.fault(path, "%q is no prompt's name; want lower case letters, digits, - and _", clip(s))
	}
}

// play is "name", a list of names, or {prompts, times, interrupt}.
func (p *parser) play(path string, v any) Body {
	b := &Play{Times: 1, Interrupt: true}
	switch v.(type) {
	case string, []any:
		v = map[string]any{"prompts": v}
	}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	at := join(path, "prompts")
	b.Prompts = o.strings("prompts")
	for i, s := range b.Prompts {
		p.promptName(fmt.Sprintf("%s[%d]", at, i), s)
	}
	if raw, there := o.m["prompts"]; len(b.Prompts) == 0 && (!there || raw == nil || len(p.list(at, raw)) == 0) {
		p.fault(at, "missing; the caller would hear nothing")
	}
	b.Times = o.integer("times", 1, 1, 100)
	b.Interrupt = o.boolean("interrupt", true)
	o.end()
	return b
}

// say is a list of pieces, {prompts, interrupt}, or {text, fallback, interrupt}.
func (p *parser) say(path string, v any) Body {
	b := &Say{Interrupt: true}
	if _, isList := v.([]any); isList {
		v = map[string]any{"prompts": v}
	}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	if _, there := o.m["text"]; there {
		b.Pieces = []Piece{p.spoken(o)}
		if _, both := o.m["prompts"]; both {
			p.fault(join(path, "text"), "want text or prompts; a list of prompts may have {text: ...} in it")
		}
	} else {
		o.take("text")
		b.Pieces = p.pieces(o, "prompts", true)
	}
	b.Interrupt = o.boolean("interrupt", true)
	o.end()
	return b
}

// maxSpoken is the longest template of a text, in bytes. With its variables in place
// package speech has the last word.
const maxSpoken = 2000

// spoken reads {text: TEMPLATE, fallback: PROMPT}.
func (p *parser) spoken(o *object) Piece {
	b := Piece{Text: o.template("text"), Fallback: o.str("fallback", "")}
	if len(b.Text) > maxSpoken {
		p.fault(join(o.path, "text"), "longer than %d bytes", maxSpoken)
	}
	if b.Fallback != "" {
		p.promptName(join(o.path, "fallback"), b.Fallback)
	}
	return b
}

// pieces reads a list of prompt names, of {number|digits|position: TEMPLATE} and of
// {text: TEMPLATE, fallback: PROMPT}.
func (p *parser) pieces(o *object, key string, needed bool) []Piece {
	path := join(o.path, key)
	v, _ := o.take(key)
	var out []Piece
	entries := p.list(path, v)
	if len(entries) == 0 && needed {
		p.fault(path, "missing; the caller would hear nothing")
	}
	for i, e := range entries {
		at := fmt.Sprintf("%s[%d]", path, i)
		if s, ok := e.(string); ok {
			p.promptName(at, s)
			out = append(out, Piece{Prompt: s})
			continue
		}
		m, ok := p.object(at, e)
		if !ok {
			continue
		}
		if _, there := m.m["text"]; there {
			out = append(out, p.spoken(m))
			m.end()
			continue
		}
		m.take("text")
		piece := Piece{Number: m.template("number"), Digits: m.template("digits"), Position: m.template("position")}
		m.end()
		if len(m.keys) != 1 {
			p.fault(at, "want a prompt's name or one of number, digits, position, text")
			continue
		}
		out = append(out, piece)
	}
	return out
}

// template is a text in which ${name} stands for a variable.
func (o *object) template(key string) string {
	s := o.str(key, "")
	if v, there := o.m[key]; there && v == "" {
		o.p.fault(join(o.path, key), "missing")
	}
	o.p.templateText(join(o.path, key), s)
	return s
}

func (p *parser) templateText(path, s string) {
	if _, err := variablesOf(s); err != nil {
		p.fault(path, "%v", err)
	}
}

// keys reads a mapping of keys to steps.
func (p *parser) keys(o *object, name string) map[byte]string {
	v, _ := o.take(name)
	m, ok := p.object(join(o.path, name), v)
	if !ok {
		return nil
	}
	out := make(map[byte]string, len(m.keys))
	for _, k := range m.keys {
		at := join(m.path, clip(k))
		key, ok := p.key(at, k)
		to, isText := p.text(at, m.m[k])
		if isText && to == "" {
			p.fault(at, "missing; want the step to go to")
		}
		if ok {
			out[key] = to
		}
	}
	return out
}

func (p *parser) menu(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Menu{}
	}
	b := &Menu{
		Prompts:   p.pieces(o, "prompts", true),
		Keys:      p.keys(o, "keys"),
		Into:      o.str("into", ""),
		Timeout:   o.duration("timeout", defaultTimeout, 500*time.Millisecond, 5*time.Minute),
		Retries:   o.integer("retries", defaultRetries, 0, 20),
		NoInput:   p.pieces(o, "no_input", false),
		WrongKey:  p.pieces(o, "wrong_key", false),
		BargeIn:   o.boolean("barge_in", true),
		TypeAhead: o.boolean("type_ahead", true),
	}
	o.end()
	if len(b.Keys) == 0 {
		if m, there := o.m["keys"]; !there || m == nil {
			p.fault(join(path, "keys"), "missing; a menu needs at least one key")
		}
	}
	if b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	return b
}

func (p *parser) collect(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Collect{Max: 1}
	}
	b := &Collect{
		Prompts:    p.pieces(o, "prompts", true),
		Into:       p.need(o, "into"),
		Min:        o.integer("min", 1, 0, 32),
		Max:        o.integer("max", 32, 1, 32),
		End:        o.key("end", '#'),
		Timeout:    o.duration("timeout", defaultTimeout, 500*time.Millisecond, 5*time.Minute),
		InterDigit: o.duration("inter_digit", defaultInterDigit, 500*time.Millisecond, time.Minute),
		Secret:     o.boolean("secret", false),
		Retries:    o.integer("retries", defaultRetries, 0, 20),
		NoInput:    p.pieces(o, "no_input", false),
		Invalid:    p.pieces(o, "invalid", false),
		BargeIn:    o.boolean("barge_in", true),
		TypeAhead:  o.boolean("type_ahead", true),
	}
	if s := o.str("pattern", ""); s != "" {
		b.Pattern = p.pattern(join(path, "pattern"), s)
	}
	o.end()
	if b.Min > b.Max {
		p.fault(join(path, "min"), "%d is more than max %d", b.Min, b.Max)
	}
	if b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	return b
}

// branch is a list of cases: {var, eq|ne|in|matches, next} or {if: [...], next}.
func (p *parser) branch(path string, v any) Body {
	b := &Branch{}
	cases, ok := v.([]any)
	if !ok || len(cases) == 0 {
		p.fault(path, "want a list of cases such as {var: from, eq: \"100\", next: vip}, got %s", describe(v))
		return b
	}
	for i, e := range p.list(path, cases) {
		at := fmt.Sprintf("%s[%d]", path, i)
		o, ok := p.object(at, e)
		if !ok {
			continue
		}
		c := Case{Next: p.need(o, "next")}
		if conditions, ok := o.take("if"); ok {
			for j, e := range p.list(join(at, "if"), conditions) {
				if m, ok := p.object(fmt.Sprintf("%s.if[%d]", at, j), e); ok {
					c.If = append(c.If, p.condition(m))
					m.end()
				}
			}
			if len(c.If) == 0 {
				p.fault(join(at, "if"), "missing; want at least one condition")
			}
		} else {
			c.If = []Condition{p.condition(o)}
		}
		o.end()
		b.Cases = append(b.Cases, c)
	}
	return b
}

func (p *parser) condition(o *object) Condition {
	c := Condition{Var: p.need(o, "var")}
	n := 0
	for _, op := range []Op{OpEq, OpNe, OpIn, OpMatches} {
		if _, ok := o.m[string(op)]; !ok {
			o.take(string(op))
			continue
		}
		n++
		c.Op = op
		switch op {
		case OpIn:
			c.Values = o.strings("in")
		case OpMatches:
			c.Match = p.pattern(join(o.path, "matches"), o.str("matches", ""))
		default:
			c.Values = []string{o.str(string(op), "")}
		}
	}
	if n != 1 {
		p.fault(o.path, "want one comparison: eq, ne, in or matches")
	}
	return c
}

func (p *parser) set(path string, v any) Body {
	b := &Set{}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	for _, k := range slices.Sorted(slices.Values(o.keys)) {
		at := join(path, clip(k))
		p.variable(at, k)
		if s, ok := p.text(at, o.m[k]); ok {
			p.templateText(at, s)
			b.Assign = append(b.Assign, Assign{k, s})
		}
	}
	if len(o.keys) == 0 {
		p.fault(path, "missing; want at least one variable: value")
	}
	return b
}

// variable checks a name that a step sets.
func (p *parser) variable(path, name string) {
	switch {
	case !variableRE.MatchString(name):
		p.fault(path, "%q is no variable's name; want lower case letters, digits and _, up to 32", clip(name))
	case slices.Contains(Reserved, name):
		p.fault(path, "%q cannot be set (%s are the call's own)", name, strings.Join(Reserved, ", "))
	}
}

// skills checks an expression: it reads, somebody could fit, its steps widen.
func (p *parser) skills(path, text string) {
	n, err := skill.ParseNeed(text)
	if err == nil {
		err = n.Possible()
	}
	if err == nil {
		err = n.Widens()
	}
	if err != nil {
		p.fault(path, "%v", err)
	}
}

// queue is a name, or {name, priority, skills, need, agent, patience, music, timeout, keys}.
func (p *parser) queue(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"name": s}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &Queue{}
	}
	b := &Queue{
		Queue:    p.need(o, "name"),
		Priority: o.integer("priority", 0, -1000, 1000),
		Music:    o.str("music", ""),
		Timeout:  o.duration("timeout", 0, time.Second, 24*time.Hour),
		Keys:     p.keys(o, "keys"),
		Need:     o.str("need", ""),
		Agent:    o.template("agent"),
		Patience: o.duration("patience", 0, time.Second, time.Hour),
	}
	if b.Need != "" {
		p.skills(join(path, "need"), b.Need)
	}
	if v, ok := o.take("skills"); ok {
		if m, ok := p.object(join(path, "skills"), v); ok {
			b.Skills = make(map[string]int, len(m.keys))
			for _, k := range m.keys {
				b.Skills[k] = p.integer(join(m.path, clip(k)), m.m[k], 0, 0, 10)
			}
		}
	}
	o.end()
	if b.Music != "" {
		p.promptName(join(path, "music"), b.Music)
	}
	return b
}

// dial is {targets, at_once, timeout, ringback}, or just targets.
func (p *parser) dial(path string, v any) Body {
	switch v.(type) {
	case string, []any:
		v = map[string]any{"targets": v}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &Dial{}
	}
	b := &Dial{
		Targets:  o.strings("targets"),
		AtOnce:   o.boolean("at_once", false),
		Timeout:  o.duration("timeout", defaultRing, time.Second, 10*time.Minute),
		Ringback: o.str("ringback", ""),
	}
	o.end()
	at := join(path, "targets")
	if len(b.Targets) == 0 {
		p.fault(at, "missing; want device:NAME or number:DIGITS")
	}
	if len(b.Targets) > maxTargets {
		p.fault(at, "more than %d targets", maxTargets)
	}
	for i, t := range b.Targets {
		at := fmt.Sprintf("%s[%d]", at, i)
		kind, name, _ := strings.Cut(t, ":")
		switch {
		case kind == "device" && nameRE.MatchString(name):
		case kind == "number" && name != "":
			names, err := variablesOf(name)
			if err != nil {
				p.fault(at, "%v", err)
			} else if len(names) == 0 && !Dialable(name) {
				p.fault(at, "%q cannot be dialled; want digits, or a + and digits", clip(name))
			}
		default:
			p.fault(at, "%q; want device:NAME or number:DIGITS", clip(t))
		}
	}
	if b.Ringback != "" {
		p.promptName(join(path, "ringback"), b.Ringback)
	}
	return b
}

// maxTargets of a dial: every one is a leg of its own when taken at once.
const maxTargets = 20

// Dialable tells whether s can be sent to a phone or trunk: an optional + and 1
// to 32 of the digits 0-9, * and #.
func Dialable(s string) bool {
	s = strings.TrimPrefix(s, "+")
	if s == "" || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '*' && c != '#' {
			return false
		}
	}
	return true
}

// Tones are the names of tones; "custom" has frequencies of its own.
var Tones = []string{"ringback", "busy", "beep", "dial", "custom"}

func (p *parser) tone(path string, v any) Body {
	b := &Tone{}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	b.Tone = o.str("tone", "")
	b.For = o.duration("for", time.Second, 50*time.Millisecond, 5*time.Minute)
	if v, ok := o.take("hz"); ok {
		for i, e := range p.list(join(path, "hz"), v) {
			// 4 kHz is half of the 8 kHz at which G.711 samples.
			b.Hz = append(b.Hz, float64(p.integer(fmt.Sprintf("%s.hz[%d]", path, i), e, 425, 20, 3999)))
		}
		if b.Tone == "" {
			b.Tone = "custom"
		}
	}
	o.end()
	switch {
	case !slices.Contains(Tones, b.Tone):
		p.fault(join(path, "tone"), "unknown %q; want one of %s", clip(b.Tone), strings.Join(Tones, ", "))
	case (b.Tone == "custom") != (len(b.Hz) > 0):
		p.fault(join(path, "hz"), "a custom tone has frequencies and no other tone has")
	case len(b.Hz) > 4:
		p.fault(join(path, "hz"), "more than 4 frequencies")
	}
	return b
}

// stream is {url, ...}. The URL is fixed: callers choose no machine.
func (p *parser) stream(path string, v any) Body {
	b := &Stream{}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	one := func(key, fallback string, allowed ...string) string {
		s := o.str(key, fallback)
		if !slices.Contains(allowed, s) {
			p.fault(join(path, key), "unknown %q; want one of %s", clip(s), strings.Join(allowed, ", "))
		}
		return s
	}
	b.URL = p.need(o, "url")
	scheme, rest, _ := strings.Cut(b.URL, "://")
	tcp := scheme == "tcp" || scheme == "tls"
	if !tcp && scheme != "ws" && scheme != "wss" || rest == "" || len(b.URL) > 2048 || strings.ContainsAny(b.URL, "$@ ") {
		p.fault(join(path, "url"), "want ws://, wss://, tcp:// or tls:// with a host, without variables, user or password")
	}
	b.Protocol = one("protocol", "centrala", "centrala", "audiosocket")
	b.Direction = one("direction", "both", "both", "listen", "speak")
	b.Format = one("format", "pcm16", "pcm16", "pcmu", "pcma")
	b.Rate = o.integer("rate", 8000, 8000, 16000)
	b.Tracks = o.strings("tracks")
	for i, t := range b.Tracks {
		if t != "caller" && t != "agent" && t != "mixed" {
			p.fault(fmt.Sprintf("%s.tracks[%d]", path, i), "unknown %q; want caller, agent or mixed", clip(t))
		}
	}
	b.Connect = o.duration("connect", 5*time.Second, 100*time.Millisecond, time.Minute)
	b.For = o.duration("for", 10*time.Minute, time.Second, 12*time.Hour)
	b.End = o.key("end", 0)
	b.Wait = o.boolean("wait", true)
	if b.Into = o.str("into", ""); b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	o.end()
	switch {
	case b.Rate != 8000 && b.Rate != 16000:
		p.fault(join(path, "rate"), "want 8000 or 16000")
	case b.Rate != 8000 && b.Format != "pcm16":
		p.fault(join(path, "rate"), "%s has 8000", b.Format)
	case b.Protocol == "audiosocket" && (!tcp || b.Format != "pcm16" || len(b.Tracks) > 1):
		p.fault(join(path, "protocol"), "audiosocket goes by tcp or tls, in pcm16, with one track")
	case slices.Contains(b.Tracks, "mixed") && len(b.Tracks) > 1:
		p.fault(join(path, "tracks"), "mixed is both already")
	case !b.Wait && (b.Into != "" || b.End != 0):
		p.fault(join(path, "wait"), "false: there is no result and no key to wait for")
	}
	return b
}

// hangup is nothing, a cause, or {cause}.
func (p *parser) hangup(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"cause": s}
	}
	o, ok := p.object(path, v)
	b := &Hangup{"normal"}
	if !ok {
		return b
	}
	b.Cause = o.str("cause", "normal")
	o.end()
	if !slices.Contains(Causes, b.Cause) {
		p.fault(join(path, "cause"), "unknown %q; want one of %s", clip(b.Cause), strings.Join(Causes, ", "))
	}
	return b
}
