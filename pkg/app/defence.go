package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/sip"
	"github.com/centrala/centrala/pkg/sip/ban"
	"github.com/centrala/centrala/pkg/sip/overload"
)

// defenceOf is the node file's defence in the words of signalling.
func defenceOf(c *config.Config) (sip.Defence, error) {
	d := c.SIP.Defence
	out := sip.Defence{BansOff: !d.Bans, Bans: ban.Config{First: d.FirstBan.D(), Longest: d.LongestBan.D()},
		OverloadOff: d.Overload == 0, Overload: overload.Config{Target: d.Overload.D()},
		DrainRegister: c.Drain.Registrations, DrainTo: c.Drain.OtherNode}
	for _, s := range d.Allow {
		p, err := config.ParseNet(s)
		if err != nil {
			return out, fmt.Errorf("sip.defence.allow: %w", err)
		}
		out.Bans.Allow = append(out.Bans.Allow, p)
	}
	return out, nil
}

// Bans implements api.Server.
func (a *App) Bans(context.Context) ([]api.Ban, error) {
	var out []api.Ban
	for _, b := range a.sip.Bans() {
		out = append(out, toBan(b))
	}
	return out, nil
}

func toBan(b ban.Ban) api.Ban {
	return api.Ban{Source: b.Source.String(), Reason: string(b.Reason), Since: b.Since, Until: b.Until, Strikes: b.Strikes}
}

// AddBan implements api.Server.
func (a *App) AddBan(_ context.Context, source string, d time.Duration) (api.Ban, error) {
	p, err := sourceOf(source)
	if err != nil {
		return api.Ban{}, err
	}
	if d < 0 {
		return api.Ban{}, fmt.Errorf("%w: a ban of %s", api.ErrInvalid, d)
	}
	b, err := a.sip.Ban(p, d)
	if errors.Is(err, sip.ErrAllowed) {
		return api.Ban{}, fmt.Errorf("%w: %s is on sip.defence.allow", api.ErrConflict, source)
	}
	if err != nil {
		return api.Ban{}, err
	}
	a.log.Info("source banned by command", zap.String("remote", b.Source.String()), zap.Time("until", b.Until))
	return toBan(b), nil
}

// LiftBan implements api.Server.
func (a *App) LiftBan(_ context.Context, source string) error {
	p, err := sourceOf(source)
	if err != nil {
		return err
	}
	if !a.sip.Unban(p) {
		return fmt.Errorf("%w: %s is not banned", api.ErrNotFound, source)
	}
	a.log.Info("ban lifted by command", zap.String("remote", p.String()))
	return nil
}

// sourceOf reads an address, or what `ban list` shows: an address/32 or a /64.
func sourceOf(s string) (netip.Prefix, error) {
	p, err := config.ParseNet(s)
	if err != nil || p.Addr().Is4() && p.Bits() != 32 || p.Addr().Is6() && p.Bits() < 64 {
		return p, fmt.Errorf("%w: source %q: want an IPv4 address, an IPv6 address or its /64", api.ErrInvalid, s)
	}
	return p, nil
}
