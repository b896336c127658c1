// Command centrala is a call centre: the server and the tools to run it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // schedules name zones; a bare machine has no zone files

	"github.com/alecthomas/kong"

	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/load"
)

// version is set by the Makefile; a plain `go build` shows the VCS revision.
var version = ""

// Exit codes that scripts can use.
const (
	exitOK       = 0
	exitFailed   = 1 // the command did what it could and the answer is no: faults found, a call failed
	exitUsage    = 2 // the command line is wrong
	exitNoServer = 3 // the server is not running
)

// cli is the command line. The order is the order of the help.
type cli struct {
	Serve     serveCmd     `cmd:"" help:"Run the server."`
	Check     checkCmd     `cmd:"" help:"Tell every fault of a node file and its resources."`
	Apply     applyCmd     `cmd:"" help:"Change resources (queues, flows, phones ...) from YAML documents."`
	Diff      diffCmd      `cmd:"" help:"Show what apply would change."`
	Export    exportCmd    `cmd:"" help:"Print all resources as YAML."`
	Flow      flowCmd      `cmd:"" help:"Flows: versions, drafts, tests, figures; play one in the terminal."`
	Call      callCmd      `cmd:"" help:"Calls, live and past."`
	Agent     agentCmd     `cmd:"" help:"Agents and their states."`
	Queue     queueCmd     `cmd:"" help:"Queues and who waits."`
	Callback  callbackCmd  `cmd:"" help:"Callers who wait to be called back."`
	User      userCmd      `cmd:"" help:"People and their phones."`
	Token     tokenCmd     `cmd:"" help:"API keys for programs."`
	Trunk     trunkCmd     `cmd:"" help:"Lines to carriers."`
	Ban       banCmd       `cmd:"" help:"Addresses that are not listened to."`
	Recording recordingCmd `cmd:"" help:"Recorded conversations."`
	Prompt    promptCmd    `cmd:"" help:"What callers hear: upload, synthesise, versions."`
	Schedule  scheduleCmd  `cmd:"" help:"Opening hours; close and open by hand."`
	Contact   contactCmd   `cmd:"" help:"Customers."`
	Case      caseCmd      `cmd:"" help:"Orders, complaints and requests."`
	Voicemail voicemailCmd `cmd:"" help:"Messages that callers have left."`
	Survey    surveyCmd    `cmd:"" help:"What callers answered."`
	Report    reportCmd    `cmd:"" help:"Figures: service level, waits, handling, occupancy."`
	Simulate  simulateCmd  `cmd:"" help:"Play traffic against queues and agents on virtual time; compare two configurations."`
	Staff     staffCmd     `cmd:"" help:"How many agents so many calls need (Erlang C, Erlang A)."`
	Status    statusCmd    `cmd:"" help:"What the server is doing."`
	Reload    reloadCmd    `cmd:"" help:"Have the server read its node file again."`
	Drain     drainCmd     `cmd:"" help:"Stop new calls, let running ones end, then stop the server."`
	Selftest  selftestCmd  `cmd:"" help:"Let robots make a real call through menu, queue and recording."`
	Load      load.Command `cmd:"" help:"Aim the load generator at your own server."`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	out    io.Writer `kong:"-"`
	errOut io.Writer `kong:"-"`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errOut io.Writer) int {
	c := cli{out: out, errOut: errOut}
	code := -1
	// Commands that run for a while ask for a context: an interrupt ends them in
	// order. Made at their asking, so that an interrupt ends the others at once.
	release := func() {}
	defer func() { release() }()
	interruptible := func() (context.Context, error) {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		release = stop
		return ctx, nil
	}
	parser, err := kong.New(&c, kong.Name("centrala"),
		kong.Description("Centrala: a call centre in one binary. `centrala COMMAND --help` has examples."),
		kong.Writers(out, errOut), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindToProvider(interruptible), kong.Exit(func(n int) { code = n }))
	if err != nil {
		fmt.Fprintln(errOut, err)
		return exitFailed
	}
	k, err := parser.Parse(args)
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintf(errOut, "centrala: %v\n", err)
		return exitUsage
	}
	err = k.Run(&c)
	var said saidError
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &said):
		return exitFailed
	}
	fmt.Fprintf(errOut, "centrala: %v\n", err)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, client.ErrNotRunning):
		return exitNoServer
	}
	return exitFailed
}

// saidError ends a command that has already told the user why.
type saidError struct{ error }

// usageError is a fault of the command line that the parser cannot see.
type usageError struct{ error }

// target names the server that a command speaks to, and how it answers.
type target struct {
	Data   string `help:"Data folder of the server." env:"CENTRALA_DATA" default:"/var/lib/centrala" placeholder:"FOLDER"`
	Tenant string `help:"Client company." default:"default"`
	JSON   bool   `help:"Print JSON for scripts." name:"json"`
}

func (t target) client() *client.Client {
	return client.Unix(filepath.Join(t.Data, "centrala.sock"), t.Tenant)
}

type versionCmd struct{}

func (versionCmd) Run(c *cli) error {
	_, err := fmt.Fprintln(c.out, "centrala", buildVersion())
	return err
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "dev-" + s.Value[:12]
			}
		}
	}
	return "dev"
}
