package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/app"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/telemetry"
)

type serveCmd struct {
	Config string `help:"Node file. Without one every key has its default." placeholder:"FILE" type:"existingfile"`
	Data   string `help:"Data folder; overrides the node file's." env:"CENTRALA_DATA" placeholder:"FOLDER"`
	Hint   string `help:"File to print once the server runs (what to dial), for make run." hidden:"" type:"existingfile"`
}

func (serveCmd) Help() string {
	return `Signals: HUP reads the node file again; TERM drains (no new calls, running ones
may end within drain.timeout, then BYE), a second TERM hangs up at once.

Example:
  centrala serve --config /etc/centrala/centrala.yaml`
}

func (k serveCmd) load() (*config.Config, error) {
	cfg, err := config.Load(k.Config, os.Environ()) // without a file: defaults and the environment
	if err != nil {
		return nil, err
	}
	if k.Data != "" {
		cfg.Rebase(k.Data)
	}
	return cfg, nil
}

func (k serveCmd) Run(c *cli) error {
	cfg, err := k.load()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Data, 0o750); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	log, level, err := telemetry.NewLogger(os.Stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	defer log.Sync()
	for _, f := range cfg.Warnings {
		log.Warn("configuration", zap.String("fault", f.Error()))
	}
	registry := telemetry.NewRegistry(buildVersion())
	node, err := app.New(app.Options{Version: buildVersion(), Config: cfg, Load: k.load, Log: log, Registerer: registry,
		LogLevel: func(s string) {
			if l, err := zap.ParseAtomicLevel(s); err == nil {
				level.SetLevel(l.Level())
			}
		}})
	if err != nil {
		return err
	}
	// The listener for probes comes first: while the node starts, readyz says so.
	if cfg.HTTP.Listen != "" {
		web := telemetry.NewServer(registry, []telemetry.Check{{Name: "node", Ask: node.Ready}, {Name: "recordings", Detail: node.StorageReady}}, cfg.HTTP.Pprof, log.Named("http"))
		if err := web.Start(cfg.HTTP.Listen); err != nil {
			return err
		}
		defer web.Stop(context.Background())
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	if err := node.Start(context.Background()); err != nil {
		return err
	}
	printConsole(c.out, node)
	k.printHint(c.out)
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGHUP {
				node.Reload(context.Background()) // logs what it did, or why not
				continue
			}
		case <-node.Drained():
		}
		return drain(node, signals)
	}
}

// printConsole tells where the console is, and the first administrator's link: once,
// and not in the log, where links have no place.
func printConsole(out io.Writer, node *app.App) {
	if url := node.WebURL(); url != "" {
		fmt.Fprintf(out, "\n  Console: %s\n", url)
	}
	if link := node.FirstLink(); link != "" {
		fmt.Fprintf(out, "  First administrator (sets the password, good once; centrala user link admin makes another):\n    %s\n", link)
	}
}

// drain stops the node; another TERM or interrupt cuts the waiting short.
func drain(node *app.App, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGHUP {
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return node.DrainAndStop(ctx)
}

// printHint shows what to dial, with the address that phones need.
func (k serveCmd) printHint(out io.Writer) {
	if k.Hint == "" {
		return
	}
	text, err := os.ReadFile(k.Hint)
	if err != nil {
		return
	}
	fmt.Fprintln(out, strings.ReplaceAll(string(text), "{address}", app.LocalAddress()))
}
