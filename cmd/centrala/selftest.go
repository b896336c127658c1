package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
	"github.com/centrala/centrala/pkg/selftest"
)

type selftestCmd struct {
	target
	Server         string `help:"SIP address of the server; default: asked of the running one." placeholder:"IP:PORT"`
	Number         string `help:"Number that the robot caller dials." default:"1000"`
	Keys           string `help:"Keys pressed in the menu, one after the other." default:"11"`
	Caller         string `help:"Caller's account." default:"alice"`
	CallerPassword string `help:"Its password." default:"demo-alice"`
	Agent          string `help:"Agent's account." default:"bob"`
	AgentPassword  string `help:"Its password." default:"demo-bob"`
}

func (selftestCmd) Help() string {
	return `The defaults are the accounts of the demonstration (make run). The agent's real
phone, if one is registered, rings too: use an account that nobody sits at.

Example:
  centrala selftest --data data`
}

func (k selftestCmd) Run(ctx context.Context, c *cli) error {
	cl := k.client()
	status, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	server, err := k.server(status)
	if err != nil {
		return err
	}
	out := c.out
	if k.JSON {
		out = c.errOut
	}
	err = selftest.Run(ctx, selftest.Options{Server: server, Number: k.Number, Keys: k.Keys, Out: out,
		Caller: robot.Account{User: k.Caller, Password: k.CallerPassword},
		Agent:  robot.Account{User: k.Agent, Password: k.AgentPassword},
		FindCall: func(ctx context.Context, q selftest.Query) (selftest.Call, bool, error) {
			page, err := cl.Calls(ctx, api.CallFilter{Limit: 50})
			if err != nil {
				return selftest.Call{}, false, err
			}
			for _, r := range page.Calls {
				if r.SIPCallID != q.SIPCallID || r.Open() {
					continue
				}
				found := selftest.Call{ID: r.ID, Result: string(r.Result), Reason: string(r.Reason), Queue: r.Queue, Agent: r.Agent, TalkMs: r.TalkMs}
				for _, s := range r.Segments {
					found.Segments = append(found.Segments, string(s.Kind))
				}
				if len(r.Recordings) > 0 {
					found.Recording = r.Recordings[0].Path
				}
				return found, true, nil
			}
			return selftest.Call{}, false, nil
		},
		OpenRecording: func(_ context.Context, call selftest.Call) (io.ReadCloser, error) {
			if call.Recording == "" {
				return nil, errors.New("the call has no recording")
			}
			return os.Open(filepath.Join(status.Recordings, call.Recording))
		},
	})
	if k.JSON {
		result := map[string]any{"ok": err == nil}
		if err != nil {
			result["error"] = err.Error()
		}
		if perr := c.printJSON(result); perr != nil {
			return perr
		}
	}
	if errors.Is(err, selftest.ErrFailed) {
		return saidError{err}
	}
	return err
}

// server is where the robots call: the address given, or the running server's
// own UDP listener, on loopback when it listens everywhere.
func (k selftestCmd) server(s api.Status) (netip.AddrPort, error) {
	if k.Server != "" {
		return netip.ParseAddrPort(k.Server)
	}
	for _, l := range s.SIP {
		transport, addr, _ := strings.Cut(l, " ")
		if transport != "udp" {
			continue
		}
		ap, err := netip.ParseAddrPort(addr)
		if err != nil {
			return ap, fmt.Errorf("server listens on %q: %w", l, err)
		}
		if ap.Addr().IsUnspecified() {
			ap = netip.AddrPortFrom(netip.MustParseAddr(net.IPv4(127, 0, 0, 1).String()), ap.Port())
		}
		return ap, nil
	}
	return netip.AddrPort{}, errors.New("the server has no UDP listener; name its address with --server")
}
