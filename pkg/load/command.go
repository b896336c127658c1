package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
)

// ErrNotClean: the run was carried out, but calls failed.
var ErrNotClean = errors.New("load: calls failed")

// Command is `centrala load` for kong. Run needs a context bound with
// kong.BindTo(ctx, (*context.Context)(nil)).
type Command struct {
	Scenario      Scenario      `arg:"" optional:"" default:"queue" help:"queue, recorded, direct, menu, keys, echo or register."`
	Server        string        `default:"127.0.0.1:5060" help:"SIP address of the server."`
	Transport     string        `enum:"udp,tcp" default:"udp" help:"Of callers and registrations."`
	Agents        string        `default:"127.0.0.1:5090" help:"Address to answer agents' calls on: the fixed contact of the static agents."`
	Number        string        `help:"Number to dial; default by scenario, as in configs/bench."`
	Rate          float64       `default:"20" help:"Calls (or registrations) started per second."`
	Concurrent    int           `help:"Cap on calls at once; 0 = none."`
	Duration      time.Duration `default:"10s" help:"How long calls are started."`
	Talk          time.Duration `default:"2s" help:"Length of each conversation."`
	RTP           bool          `name:"rtp" negatable:"" default:"true" help:"Send and check sound both ways."`
	Users         int           `default:"1000" help:"Registrations use user0..userN-1."`
	ServerPID     int           `name:"server-pid" help:"Process whose CPU and memory are read."`
	ServerCommand string        `help:"The same, found by words of its command line, such as \"centrala serve\"."`
	JSON          bool          `name:"json" help:"Print figures as JSON."`

	Bench  bool   `help:"Start a server with --config, run the whole series and print one table beside the targets."`
	Config string `default:"configs/bench/centrala.yaml" help:"Node file of the server that --bench starts."`
	Data   string `help:"Folder for that server; default a new one, removed afterwards."`
	Relay  string `help:"With --bench: take in the figures of media/session's TestRelayCost from this file."`
	Quick  bool   `help:"With --bench: a third of the time, for a look while developing."`
	Out    string `help:"With --bench: also write the figures as JSON to this file."`
}

// Help is shown by `centrala load --help`.
func (*Command) Help() string {
	return `Examples:
  centrala load --bench
  centrala load queue --rate 50 --talk 5s --server-command "centrala serve"
  centrala load register --rate 300 --json
  centrala load keys --rate 40 --concurrent 2000 --talk 60s --duration 90s

The scenarios dial the numbers of configs/bench (2000 queue, 3000 recorded, 1000
direct, 4000 menu, 4001 keys, 9 echo); --number dials another. Exit code 1: calls failed.`
}

// Run carries the command out.
func (c *Command) Run(ctx context.Context) error {
	server, err := netip.ParseAddrPort(c.Server)
	if err != nil {
		return fmt.Errorf("load: --server %q: want IP:PORT", c.Server)
	}
	agents, err := netip.ParseAddrPort(c.Agents)
	if err != nil {
		return fmt.Errorf("load: --agents %q: want IP:PORT", c.Agents)
	}
	pid := c.ServerPID
	if pid == 0 && c.ServerCommand != "" {
		if pid, err = FindProcess(c.ServerCommand); err != nil {
			return err
		}
	}
	if c.Bench {
		s, err := Bench(ctx, BenchOptions{Config: c.Config, Data: c.Data, ServerPID: pid, Server: server, Agents: agents,
			Quick: c.Quick, Out: os.Stdout, JSON: c.Out, Relay: c.Relay})
		if err == nil && c.JSON {
			err = json.NewEncoder(os.Stdout).Encode(s)
		}
		return err
	}
	r, err := Run(ctx, Options{Server: server, Transport: c.Transport, Agents: agents, Scenario: c.Scenario, Number: c.Number,
		Rate: c.Rate, Concurrent: c.Concurrent, Duration: c.Duration, Talk: c.Talk, RTP: c.RTP, Users: c.Users, ServerPID: pid})
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else {
		r.Print(os.Stdout)
	}
	if r.Failed > 0 {
		return fmt.Errorf("%w: %d of %d", ErrNotClean, r.Failed, r.Failed+r.Good)
	}
	return nil
}
