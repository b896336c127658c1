package flow

import (
	"time"

	"github.com/centrala/centrala/pkg/acd/skill"
)

// Queue lets the caller wait for an agent.
type Queue struct {
	Queue    string
	Priority int
	Skills   map[string]int
	Need     string        // expression over skills, beside the queue's (pkg/acd/skill)
	Agent    string        // template: wait for this agent alone, for Patience
	Patience time.Duration // 0 = the queue's
	Music    string
	Timeout  time.Duration   // leave after this wait; 0 = the queue's own max_wait alone
	Keys     map[byte]string // keys that leave the queue -> step
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

func (b *Queue) tell(s *Step, t *traits) {
	t.waits = true
	t.ends = s.On["answered"] == "" // after the conversation the call is over
	t.refers(refQueue, "name", b.Queue)
	for _, k := range sortedKeys(b.Keys) {
		t.way("queue.keys."+string(k), b.Keys[k])
	}
	if b.Music != "" {
		t.prompt("music", b.Music)
	}
}
