package flowcheck

import "github.com/centrala/centrala/pkg/resource"

var _ resource.PromptChecker = (*Checker)(nil)

// HasPrompt implements resource.PromptChecker. Without prompts to look for every
// one is there.
func (c *Checker) HasPrompt(tenant, name, language string) bool {
	if c.prompts == nil {
		return true
	}
	has := c.has[tenant]
	if has == nil {
		has = c.prompts(tenant)
		if c.has == nil {
			c.has = map[string]func(name, lang string) bool{}
		}
		c.has[tenant] = has
	}
	return has(name, language)
}
