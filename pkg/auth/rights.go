package auth

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

//go:generate go test -run TestRightsAreDocumented -update .

// Role is a column of the table of rights. A user has the roles of the user
// resource, an API key has one.
type Role string

// Roles are all columns. Roles of users are those of pkg/resource; RoleAPI is for
// programs.
const (
	RoleAgent      Role = "agent"
	RoleSupervisor Role = "supervisor"
	RoleQuality    Role = "quality"
	RoleAdmin      Role = "admin"
	RoleOps        Role = "ops"
	RoleAPI        Role = "api"
)

// Roles in the order of the table.
var Roles = []Role{RoleAgent, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI}

// Scope is how far a right reaches.
type Scope int

const (
	// None: refused.
	None Scope = iota
	// Own: what the user is part of: own calls, own state, own figures.
	Own
	// Tenant: all of the tenant.
	Tenant
)

func (s Scope) String() string { return [...]string{"none", "own", "tenant"}[s] }

// Right is a resource and what is done with it, a row of the table.
type Right string

const (
	// Public needs no account: what the log-in page asks.
	Public Right = "public"
	// Self needs an account and nothing more: what everybody may do with the own.
	Self Right = "self"
)

// node marks rights over the node itself: they need Principal.Node too.
var node = map[Right]bool{"node.read": true, "node.change": true, "bans.read": true, "bans.change": true, "reports.rebuild": true}

// row says how far each role reaches; a role that is left out is refused.
type row map[Role]Scope

func all(s Scope, roles ...Role) row {
	r := row{}
	for _, role := range roles {
		r[role] = s
	}
	return r
}

func (r row) own(roles ...Role) row {
	for _, role := range roles {
		r[role] = Own
	}
	return r
}

// rights is THE table: resource and action by role. TestRightsRowByRow holds each
// row; docs/operations.md has it as people read it.
var rights = map[Right]row{
	"live.read":         all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI).own(RoleAgent),
	"events.read":       all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI).own(RoleAgent),
	"status.read":       all(Tenant, RoleAgent, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI),
	"calls.read":        all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI).own(RoleAgent),
	"calls.control":     all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI).own(RoleAgent),
	"calls.dial":        all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI).own(RoleAgent),
	"calls.route":       all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI),
	"calls.supervise":   all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin),
	"calls.stream":      all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI),
	"calls.trace":       all(Tenant, RoleSupervisor, RoleAdmin, RoleOps),
	"agents.read":       all(Tenant, RoleAgent, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI),
	"agents.change":     all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI).own(RoleAgent),
	"queues.read":       all(Tenant, RoleAgent, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI),
	"queues.change":     all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI),
	"devices.read":      all(Tenant, RoleSupervisor, RoleAdmin, RoleOps, RoleAPI),
	"trunks.read":       all(Tenant, RoleSupervisor, RoleAdmin, RoleOps, RoleAPI),
	"recordings.read":   all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleAPI),
	"recordings.hear":   all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleAPI).own(RoleAgent),
	"recordings.save":   all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleAPI),
	"recordings.verify": all(Tenant, RoleQuality, RoleAdmin, RoleOps),
	"recordings.mark":   all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleAPI),
	"notices.read":      all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI).own(RoleAgent),
	"notices.send":      all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI),
	"voicemail.read":    all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI).own(RoleAgent),
	"voicemail.change":  all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI).own(RoleAgent),
	"surveys.read":      all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleAPI),
	"reports.read":      all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI).own(RoleAgent),
	"reports.rebuild":   all(Tenant, RoleAdmin, RoleOps),
	"traffic.read":      all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI),
	"contacts.read":     all(Tenant, RoleAgent, RoleSupervisor, RoleQuality, RoleAdmin, RoleAPI),
	"contacts.change":   all(Tenant, RoleAgent, RoleSupervisor, RoleAdmin, RoleAPI),
	"prompts.read":      all(Tenant, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI),
	"prompts.change":    all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI),
	"schedules.read":    all(Tenant, RoleAgent, RoleSupervisor, RoleQuality, RoleAdmin, RoleOps, RoleAPI),
	"schedules.change":  all(Tenant, RoleSupervisor, RoleAdmin, RoleAPI),
	"resources.read":    all(Tenant, RoleSupervisor, RoleAdmin, RoleOps),
	"resources.change":  all(Tenant, RoleAdmin),
	"flows.read":        all(Tenant, RoleSupervisor, RoleAdmin, RoleOps),
	"flows.change":      all(Tenant, RoleAdmin),
	"accounts.read":     all(Tenant, RoleAdmin),
	"accounts.change":   all(Tenant, RoleAdmin),
	"keys.read":         all(Tenant, RoleAdmin),
	"keys.change":       all(Tenant, RoleAdmin),
	"webhooks.read":     all(Tenant, RoleAdmin, RoleOps),
	"webhooks.change":   all(Tenant, RoleAdmin),
	"audit.read":        all(Tenant, RoleAdmin),
	"phone.use":         all(Own, RoleAgent, RoleSupervisor, RoleQuality, RoleAdmin),
	"node.read":         all(Tenant, RoleAdmin, RoleOps),
	"node.change":       all(Tenant, RoleAdmin, RoleOps),
	"bans.read":         all(Tenant, RoleAdmin, RoleOps),
	"bans.change":       all(Tenant, RoleAdmin, RoleOps),
}

// Known tells whether r is a row of the table.
func Known(r Right) bool { _, ok := rights[r]; return ok || r == Public || r == Self }

// AllRights lists the rows by name.
func AllRights() []Right { return slices.Sorted(maps.Keys(rights)) }

// ScopeOf is one cell of the table.
func ScopeOf(role Role, r Right) Scope { return rights[r][role] }

// Principal is who asks: a user in a session, a program with a key, or the
// command line on the node's own socket.
type Principal struct {
	Tenant string
	Name   string // of the user; "key:NAME" for an API key, "cli" for the socket
	Roles  []Role
	// Node: may name any tenant, and use the rights over the node.
	Node bool
	// Local: the node's own user on the Unix socket or loopback; may do all.
	Local bool
	// Only narrows the roles to these rights; nil = all of them.
	Only []Right
	// Session is the id of the session, "" for keys and the command line; Method how
	// it was begun and Expires when it ends at the latest.
	Session string
	Method  string
	Expires time.Time
	// Device is the user's phone and DisplayName the user's, as the resource has them.
	Device, DisplayName string
	Source              string // address
}

// Can is how far the principal's right reaches; a nil principal has Public alone.
func (p *Principal) Can(r Right) Scope {
	switch {
	case r == Public:
		return Tenant
	case p == nil:
		return None
	case p.Local:
		return Tenant
	case r == Self:
		if p.Session == "" {
			return None // a key has no account of its own
		}
		return Own
	case p.Only != nil && !slices.Contains(p.Only, r):
		return None
	case node[r] && !p.Node:
		return None
	}
	best := None
	for _, role := range p.Roles {
		best = max(best, ScopeOf(role, r))
	}
	return best
}

// Rights lists what the principal may, with its reach: what a page shows and hides.
func (p *Principal) Rights() map[Right]string {
	out := map[Right]string{}
	for r := range rights {
		if s := p.Can(r); s != None {
			out[r] = s.String()
		}
	}
	return out
}

// ParseRights reads the rights of a key; "" in, nil out.
func ParseRights(names []string) ([]Right, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var out []Right
	for _, n := range names {
		if _, ok := rights[Right(n)]; !ok {
			return nil, fmt.Errorf("auth: unknown right %q; want one of %v", n, AllRights())
		}
		out = append(out, Right(n))
	}
	return out, nil
}

type principalKey struct{}

// With is ctx of a request that p asks; From finds p again, nil when nobody has
// signed in.
func With(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From finds who asks.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}
