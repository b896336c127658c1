package resource

import (
	"cmp"
	"fmt"
	"slices"
)

// PromptChecker is a FlowChecker that also knows the prompts of a tenant.
type PromptChecker interface {
	// HasPrompt tells whether a prompt can be heard in a language itself.
	HasPrompt(tenant, name, language string) bool
}

// announcements that are no prompts' names.
var announcements = []string{"", AnnouncePosition, AnnounceEstimate, AnnounceCallback}

// Prompts are the prompts that the queue names, by the field.
func (q *QueueSpec) Prompts() (out []struct{ Field, Name string }) {
	add := func(field, name string) {
		if !slices.Contains(announcements, name) {
			out = append(out, struct{ Field, Name string }{field, name})
		}
	}
	add("music", q.Music)
	add("agent_announcement", q.AgentAnnouncement)
	for i, item := range q.Announce {
		if a, err := ParseAnnounce(item); err == nil {
			add(fmt.Sprintf("announce[%d]", i), a.Name)
		}
	}
	return out
}

// queuePrompts warns of prompts that callers of a queue would not hear in the
// tenant's language, nor in that of the numbers that lead to the queue.
func (c *checker) queuePrompts(k Key, q *QueueSpec) {
	p, ok := c.flows.(PromptChecker)
	if !ok {
		return
	}
	own := "en"
	if t := c.s.Tenants[k.Tenant]; t != nil {
		own = cmp.Or(t.Language, own)
	}
	languages := []string{own}
	for n, spec := range c.s.Numbers {
		if n.Tenant == k.Tenant && spec.Queue == k.Name && spec.Language != "" && !slices.Contains(languages, spec.Language) {
			languages = append(languages, spec.Language)
		}
	}
	slices.Sort(languages)
	for _, x := range q.Prompts() {
		for _, l := range languages {
			if !p.HasPrompt(k.Tenant, x.Name, l) {
				c.warn(ref{KindQueue, k}, x.Field, "no prompt %q in %s", x.Name, l)
			}
		}
	}
}
