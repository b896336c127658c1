package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// BenchOptions of the whole series.
type BenchOptions struct {
	Binary string // default: this program
	Config string // node file, configs/bench/centrala.yaml
	Data   string // folder for the server; "" = a new one, removed afterwards
	// ServerPID > 0 aims at a server that runs already (with the resources of
	// configs/bench) instead of starting one.
	ServerPID int
	Server    netip.AddrPort
	Agents    netip.AddrPort
	// Quick shortens every step to about a third, for a look while developing.
	Quick bool
	Out   io.Writer // progress and table
	JSON  string    // file that also takes the result; "" = none
	Relay string    // file with the figures of media/session's TestRelayCost; "" = without them
}

// Figure is one line of the bench's table.
type Figure struct {
	What   string  `json:"what"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target"` // to reach; 0 = told without a target
	More   bool    `json:"more"`   // more is better
}

// Reached tells whether the figure meets its target.
func (f Figure) Reached() bool {
	return f.Target == 0 || f.More && f.Value >= f.Target || !f.More && f.Value <= f.Target
}

// Series is the bench's result: the figures and the runs behind them.
type Series struct {
	Figures []Figure `json:"figures"`
	Runs    []Report `json:"runs"`
}

// Formula says how set-up and conversation are told apart; printed under the table.
const Formula = `Two runs at the same rate with talk times t1 < t2 give CPU per call c1, c2 (server process, from the
first INVITE until all is quiet, minus the idle server's own CPU):
  CPU per call-second  P = (c2 - c1) / (t2 - t1)      (t: conversation as measured, not as asked for)
  CPU to set up and end  S = c1 - t1 * P
Memory per call = (RSS with the calls up - RSS idle) / calls.`

type bench struct {
	o      BenchOptions
	pid    int
	idle   float64 // server's CPU seconds per second when nothing happens
	series Series
}

// Bench starts the server (or takes a running one), carries out the whole
// series and prints one table beside the targets.
func Bench(ctx context.Context, o BenchOptions) (Series, error) {
	if !o.Server.IsValid() {
		o.Server = netip.MustParseAddrPort("127.0.0.1:5060")
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	b := &bench{o: o, pid: o.ServerPID}
	if b.pid == 0 {
		stop, err := b.serve(ctx)
		if err != nil {
			return Series{}, err
		}
		defer stop()
	}
	if err := ready(ctx, o.Server, 30*time.Second); err != nil {
		return Series{}, err
	}
	if err := b.run(ctx); err != nil {
		return b.series, err
	}
	b.print()
	if o.JSON != "" {
		raw, err := json.MarshalIndent(b.series, "", "  ")
		if err == nil {
			err = os.WriteFile(o.JSON, append(raw, '\n'), 0o644) //nolint:gosec // figures, no secret
		}
		if err != nil {
			return b.series, fmt.Errorf("load: write figures: %w", err)
		}
	}
	return b.series, nil
}

// serve starts the server as a child; stop ends it and removes its folder.
func (b *bench) serve(ctx context.Context) (stop func(), err error) {
	if b.o.Binary == "" {
		if b.o.Binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("load: own program: %w", err)
		}
	}
	data := b.o.Data
	if data == "" {
		if data, err = os.MkdirTemp("", "centrala-bench-"); err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
	}
	clean := func() {
		if b.o.Data == "" {
			_ = os.RemoveAll(data)
		}
	}
	logName := filepath.Join(data, "serve.log")
	log, err := os.Create(logName)
	if err != nil {
		clean()
		return nil, fmt.Errorf("load: %w", err)
	}
	cmd := exec.CommandContext(ctx, b.o.Binary, "serve", "--config", b.o.Config, "--data", data)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		clean()
		return nil, fmt.Errorf("load: start server: %w", err)
	}
	b.pid = cmd.Process.Pid
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	select {
	case <-gone:
		tail, _ := os.ReadFile(logName) //nolint:gosec // our own file
		_ = log.Close()
		clean()
		return nil, fmt.Errorf("load: the server ended at once: %s", tail[max(0, len(tail)-2000):])
	case <-time.After(time.Second):
	}
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}
		_ = log.Close()
		clean()
	}, nil
}

// ready waits until the server answers OPTIONS with 200.
func ready(ctx context.Context, server netip.AddrPort, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		e, err := robot.Listen(robot.Config{Server: server})
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		one, done := context.WithTimeout(ctx, time.Second)
		code, err := e.Options(one)
		done()
		e.Close()
		if err == nil && code == 200 {
			return nil
		}
		last = err
		if err == nil {
			last = fmt.Errorf("OPTIONS answered %d", code)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("load: server %s is not ready after %s: %w", server, within, errors.Join(last))
}

func (b *bench) say(format string, a ...any) { fmt.Fprintf(b.o.Out, format+"\n", a...) }

func (b *bench) add(what string, v float64, unit string, target float64, more bool) {
	b.series.Figures = append(b.series.Figures, Figure{what, v, unit, target, more})
}

// one carries out a run and tells what failed.
func (b *bench) one(ctx context.Context, what string, o Options) (Report, error) {
	o.Server, o.Agents, o.ServerPID = b.o.Server, b.o.Agents, b.pid
	if b.o.Quick {
		o.Duration /= 3
	}
	b.say("%s ...", what)
	r, err := Run(ctx, o)
	if err != nil {
		return r, fmt.Errorf("%s: %w", what, err)
	}
	b.series.Runs = append(b.series.Runs, r)
	if !r.Clean() {
		b.say("  not clean: %d good, %d failed, %d held back %v", r.Good, r.Failed, r.HeldBack, r.Causes)
	}
	return r, nil
}

// cost is the server's CPU per good call without the idle server's share, ms.
func (b *bench) cost(r Report) float64 {
	if r.Good == 0 {
		return 0
	}
	return (ms(r.ServerCPU) - 1000*b.idle*r.WallS) / float64(r.Good)
}

// split applies Formula to two runs.
func (b *bench) split(short, long Report) (setup, perSecond float64) {
	if short.Good == 0 || long.Good == 0 {
		return 0, 0
	}
	t1, t2 := short.CallSeconds/float64(short.Good), long.CallSeconds/float64(long.Good)
	if t2 <= t1 {
		return 0, 0
	}
	c1, c2 := b.cost(short), b.cost(long)
	perSecond = (c2 - c1) / (t2 - t1)
	return c1 - t1*perSecond, perSecond
}

func (b *bench) run(ctx context.Context) error {
	const sec = time.Second
	// Idle, and memory on the fresh process, before the heap has grown for other reasons.
	u0, err := ReadUsage(b.pid)
	if err != nil {
		return err
	}
	select {
	case <-time.After(3 * sec):
	case <-ctx.Done():
		return ctx.Err()
	}
	u1, err := ReadUsage(b.pid)
	if err != nil {
		return err
	}
	b.idle = (u1.CPU - u0.CPU).Seconds() / 3
	if err := b.memory(ctx, u1.RSS); err != nil {
		return err
	}
	for _, s := range []Scenario{Queue, Direct} {
		if err := b.setUp(ctx, s); err != nil {
			return err
		}
	}
	if err := b.rates(ctx); err != nil {
		return err
	}
	if err := b.relay(); err != nil {
		return err
	}
	plain := 0.0
	for _, s := range []Scenario{Queue, Recorded} {
		short, err := b.one(ctx, "sound both ways, "+string(s)+", talk 2 s", Options{Scenario: s, Rate: 15, Duration: 12 * sec, Talk: 2 * sec, RTP: true})
		if err != nil {
			return err
		}
		long, err := b.one(ctx, "sound both ways, "+string(s)+", talk 8 s", Options{Scenario: s, Rate: 15, Duration: 12 * sec, Talk: 8 * sec, RTP: true})
		if err != nil {
			return err
		}
		_, per := b.split(short, long)
		if s == Queue {
			plain = per
			b.add("CPU per call-second, two-way G.711", per, "ms", 0.55, false)
			b.add("RTP loss", 100*float64(long.Lost)/float64(max(long.Packets+long.Lost, 1)), "%", 0, false)
			b.add("RTP jitter, p99 over legs", long.JitterP99Ms, "ms", 0, false)
			b.add("sound through the server, p50", long.DelayP50Ms, "ms", 0.3, false)
		} else {
			b.add("CPU per call-second, recorded", per, "ms", 0.7, false)
			b.add("  what recording adds", per-plain, "ms", 0.15, false)
		}
	}
	if err := b.many(ctx); err != nil {
		return err
	}
	menu, err := b.one(ctx, "menu: prompt, one key, queue", Options{Scenario: Menu, Rate: 10, Duration: 9 * sec, Talk: sec, RTP: true, Patience: 20 * sec})
	if err != nil {
		return err
	}
	b.add("CPU of a menu call (5 s prompt, key, queue, 1 s talk)", b.cost(menu), "ms", 0, false)
	for _, rate := range []float64{1000, 300} {
		reg, err := b.one(ctx, fmt.Sprintf("registrations with digest, %.0f/s", rate), Options{Scenario: Register, Rate: rate, Duration: 6 * sec})
		if err != nil {
			return err
		}
		if rate == 1000 {
			b.add("REGISTER with digest (challenge and answer)", b.cost(reg), "ms", 0.3, false)
		} else {
			b.add("  the same at 300/s, machine mostly idle", b.cost(reg), "ms", 0, false)
		}
	}
	return nil
}

// setUp measures a call's set-up at the rate that the clean-calls figure asks
// for, and at a low one: on a machine that mostly sleeps, each message also pays
// for waking a processor, which a virtual machine makes dear, and which is not
// what limits how many calls the machine carries.
func (b *bench) setUp(ctx context.Context, s Scenario) error {
	const sec = time.Second
	for _, at := range []struct {
		rate        float64
		duration    time.Duration
		short, long time.Duration // talk; 500 agents are all there are
	}{{250, 9 * sec, sec / 2, 3 * sec / 2}, {60, 12 * sec, sec / 2, 5 * sec / 2}} {
		what := fmt.Sprintf("set-up, %s, no sound, %.0f calls/s, talk ", s, at.rate)
		short, err := b.one(ctx, what+at.short.String(), Options{Scenario: s, Rate: at.rate, Duration: at.duration, Talk: at.short})
		if err != nil {
			return err
		}
		long, err := b.one(ctx, what+at.long.String(), Options{Scenario: s, Rate: at.rate, Duration: at.duration, Talk: at.long})
		if err != nil {
			return err
		}
		setup, _ := b.split(short, long)
		switch {
		case at.rate < 250:
			b.add("  the same at 60 calls/s, machine mostly idle", setup, "ms", 0, false)
		case s == Queue:
			b.add("CPU to set up and end a call through the queue", setup, "ms", 2.5, false)
			b.add("caller's INVITE -> agent's INVITE, p50", short.InviteToAgentP50Ms, "ms", 5, false)
			b.add("caller's INVITE -> agent's INVITE, p99", short.InviteToAgentP99Ms, "ms", 20, false)
		default:
			b.add("CPU to set up and end a call straight to a device", setup, "ms", 1.5, false)
		}
	}
	return nil
}

// memory holds calls with sound and compares the server's RSS with the idle one.
func (b *bench) memory(ctx context.Context, idle int64) error {
	if err := b.memoryOf(ctx, Queue, idle, "memory per concurrent call", 150); err != nil {
		return err
	}
	return b.memoryOf(ctx, Recorded, idle, "memory per concurrent recorded call", 80)
}

func (b *bench) memoryOf(ctx context.Context, s Scenario, idle int64, what string, limit float64) error {
	const calls = 300
	peak := make(chan int64, 1)
	stop := make(chan struct{})
	go func() { // RSS while all calls are up
		var top int64
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-stop:
				peak <- top
				return
			case <-t.C:
				if u, err := ReadUsage(b.pid); err == nil {
					top = max(top, u.RSS)
				}
			}
		}
	}()
	r, err := b.one(ctx, fmt.Sprintf("memory: %d calls at once with sound, %s", calls, s),
		Options{Scenario: s, Rate: 50, Calls: calls, Talk: 9 * time.Second, RTP: true})
	close(stop)
	top := <-peak
	if err != nil {
		return err
	}
	if r.Good > 0 {
		b.add(what, float64(top-idle)/1000/calls, "kB", limit, false)
	}
	return nil
}

// many holds 500 recorded calls at once.
func (b *bench) many(ctx context.Context) error {
	r, err := b.one(ctx, "500 recorded calls at once", Options{Scenario: Recorded, Rate: 50, Calls: 500, Talk: 12 * time.Second, RTP: true})
	if err != nil {
		return err
	}
	if r.Good == 0 {
		return nil
	}
	b.add("500 recorded calls: RTP lost", float64(r.Lost), "packets", 0, false)
	b.add("  sound through the server, p50", r.DelayP50Ms, "ms", 0.3, false)
	b.add("  sound through the server, p99", r.DelayP99Ms, "ms", 2, false)
	b.add("  distance of two packets changed on the way, p99", r.SpreadP99Ms, "ms", 1, false)
	b.add("  CPU of server and generator together, of one processor", 100*(r.ServerCPU+r.OwnCPU).Seconds()/r.WallS, "%", 0, false)
	return nil
}

// relay takes in what TestRelayCost measured: media/session alone, beside relays in C.
func (b *bench) relay() error {
	if b.o.Relay == "" {
		return nil
	}
	raw, err := os.ReadFile(b.o.Relay)
	if err != nil {
		return fmt.Errorf("load: figures of the relay: %w", err)
	}
	type figure struct {
		Cost, Machine float64
		P50, P99      time.Duration
		Memory        int64
	}
	var all map[string]figure
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("load: figures of the relay: %w", err)
	}
	const reference = "C epoll"
	for _, name := range []string{reference, "C io_uring", "ours epoll", "ours bpf", "ours epoll, recorded", "ours bpf, recorded"} {
		f, ok := all[name]
		if !ok {
			continue
		}
		b.add("relay of a packet, "+name, f.Cost, "µs", 0, false)
		b.add("  of relay and generator together", f.Machine, "µs", 0, false)
		ours := strings.HasPrefix(name, "ours")
		recorded := strings.HasSuffix(name, "recorded")
		if c := all[reference].Cost; ours && !recorded && c > 0 {
			b.add("  times "+reference, f.Cost/c, "", 1.15, false)
		}
		if plain, ok := all[strings.TrimSuffix(name, ", recorded")]; recorded && ok {
			b.add("  what recording adds to a call-second", (f.Cost-plain.Cost)/10, "ms", 0.15, false)
		}
		if ours {
			limit := 40.0
			if recorded {
				limit = 80
			}
			b.add("  memory per call, media alone", float64(f.Memory)/1000, "kB", limit, false)
		}
	}
	return nil
}

// rates raises the rate until calls fail and tells the last clean one.
func (b *bench) rates(ctx context.Context) error {
	clean := 0.0
	for _, rate := range []float64{100, 150, 200, 250, 300, 350, 400, 500, 600} {
		r, err := b.one(ctx, fmt.Sprintf("%.0f calls/s through the queue", rate),
			Options{Scenario: Queue, Rate: rate, Duration: 8 * time.Second, Talk: 500 * time.Millisecond})
		if err != nil {
			return err
		}
		if !r.Clean() {
			break
		}
		clean = rate
	}
	b.add("clean calls/s through the queue", clean, "/s", 250, true)
	return nil
}

func (b *bench) print() {
	t := tabwriter.NewWriter(b.o.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nFIGURE (server process alone)\tMEASURED\tREACH\t\n")
	for _, f := range b.series.Figures {
		target, verdict := "", ""
		if f.Target != 0 {
			sign := "≤"
			if f.More {
				sign = "≥"
			}
			target, verdict = fmt.Sprintf("%s %g %s", sign, f.Target, f.Unit), "reached"
			if !f.Reached() {
				verdict = "MISSED"
			}
		}
		fmt.Fprintf(t, "%s\t%.4g %s\t%s\t%s\n", f.What, f.Value, f.Unit, target, verdict)
	}
	_ = t.Flush()
	failed, good := 0, 0
	for _, r := range b.series.Runs {
		failed += r.Failed
		good += r.Good
	}
	fmt.Fprintf(b.o.Out, "\n%d calls and registrations good, %d failed (the rate series ends with the first failure); idle server %.2f %% of a core.\n\n%s\n",
		good, failed, 100*b.idle, Formula)
}
