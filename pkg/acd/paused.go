package acd

import "github.com/centrala/centrala/pkg/agent"

// Paused tells whether an agent is not ready for a time that ends by itself (after
// a busy phone, say), so that nobody need do anything about it.
func (e *Engine) Paused(name string) bool {
	a := e.byAgent[name]
	return a != nil && a.m.State == agent.NotReady && a.m.Paused
}

// text is a family's own need in words, "" = none.
func (f *family) text() string {
	if f.key == "" {
		return ""
	}
	if s := f.own.String(); s != "any" {
		return s
	}
	return ""
}
