package resource

import "strings"

// hotDesk checks what an agent logs in with at any phone.
func (c *checker) hotDesk(r ref, u *UserSpec) {
	digits := func(s string, least, most int) bool {
		return len(s) >= least && len(s) <= most && strings.Trim(s, "0123456789") == ""
	}
	switch {
	case u.AgentNumber == "" && u.AgentPIN == "":
		return
	case !digits(u.AgentNumber, 1, 10):
		c.fault(r, "agent_number", "want 1 to 10 digits")
	case u.AgentPIN == Mask:
		c.fault(r, "agent_pin", "masked, and the user is new; write the PIN")
	case !digits(u.AgentPIN, 4, 10):
		c.fault(r, "agent_pin", "want 4 to 10 digits")
	case strings.Trim(u.AgentPIN, u.AgentPIN[:1]) == "" || u.AgentPIN == u.AgentNumber:
		c.warn(r, "agent_pin", "easy to guess")
	}
	for k, other := range c.s.Users {
		if k.Tenant == r.key.Tenant && k.Name < r.key.Name && other.AgentNumber == u.AgentNumber {
			c.fault(r, "agent_number", "%s is that of user %q", u.AgentNumber, k.Name)
		}
	}
}
