package app_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/app"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

func TestStartAndStopTwice(t *testing.T) {
	n := up(t)
	if err := n.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
	if err := n.Start(context.Background()); err == nil {
		t.Error("a second start was taken")
	}
	stop(t, n.App)
	stop(t, n.App)
	if err := n.Ready(); err == nil {
		t.Error("ready after stop")
	}
	if _, err := os.Stat(n.cfg.SocketPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the API socket is left behind: %v", err)
	}
	// The addresses are free again.
	n.make(nil)
	n.start()
}

func TestReadyOnlyWhileUp(t *testing.T) {
	n := prepare(t)
	n.make(nil)
	if err := n.Ready(); err == nil {
		t.Error("ready before start")
	}
	n.start()
	if err := n.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "draining") {
		t.Errorf("while draining: %v", err)
	}
	select {
	case <-n.Drained():
	default:
		t.Error("the process is not told of the drain")
	}
	if err := n.Drain(context.Background()); err != nil { // twice is once
		t.Error(err)
	}
}

// A step that fails undoes the others; goleak proves that nothing runs, and the
// second start that nothing is held.
func TestStartUndoesItself(t *testing.T) {
	inTheWay := func(n *node, name string) string {
		path := filepath.Join(n.dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			n.t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		breakIt func(n *node, cfg *config.Config)
		want    []string // in the error
	}{
		"SIP port taken":                      {func(n *node, cfg *config.Config) { cfg.SIP.Listeners[0].Address = taken(n.t) }, []string{"sip", "udp 127.0.0.1:", "in use"}},
		"one TCP port taken":                  {func(n *node, cfg *config.Config) { cfg.SIP.Listeners[1].Address = taken(n.t) }, []string{"sip", "tcp 127.0.0.1:", "in use"}},
		"recordings folder is a file":         {func(n *node, cfg *config.Config) { cfg.Recordings.Dir = inTheWay(n, "rec") }, []string{"recorder", "rec"}},
		"recordings folder cannot be written": {func(n *node, cfg *config.Config) { cfg.Recordings.Dir = "/proc/centrala" }, []string{"recorder", "/proc/centrala"}},
		"data folder is a file":               {func(n *node, cfg *config.Config) { cfg.Data = inTheWay(n, "data") }, []string{"store", "data"}},
		"API port taken":                      {func(n *node, cfg *config.Config) { cfg.API.Listen = taken(n.t) }, []string{"api", "in use"}},
		"API socket names a file":             {func(n *node, cfg *config.Config) { cfg.API.Socket = "centrala.db" }, []string{"api", "centrala.db"}},
		"resources with faults": {func(n *node, cfg *config.Config) {
			n.write("resources.yaml", "kind: number\nname: a\nspec: {digits: \"1\", flow: nowhere}\n---\nkind: number\nname: b\nspec: {digits: \"2\", queue: nowhere}\n")
		}, []string{"resources", "resources.yaml:3", "resources.yaml:7", "nowhere"}},
		"resources absent": {func(n *node, cfg *config.Config) { os.Remove(filepath.Join(n.dir, "resources.yaml")) }, []string{"resources.yaml"}},
		"one name in two files": {func(n *node, cfg *config.Config) {
			n.write("more.yaml", "kind: device\nname: anna\nspec: {password: other-password}\n")
			cfg.Resources = append(cfg.Resources, filepath.Join(n.dir, "more.yaml"))
		}, []string{"anna", "more.yaml:1", "twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := prepare(t)
			n.make(func(cfg *config.Config) { c.breakIt(n, cfg) })
			err := n.Start(context.Background())
			if err == nil {
				stop(t, n.App)
				t.Fatal("it started")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if err := n.Ready(); err == nil {
				t.Error("ready after a start that failed")
			}
			stop(t, n.App) // still safe
			if name == "data folder is a file" {
				return
			}
			if _, err := os.Stat(n.cfg.SocketPath()); !errors.Is(err, os.ErrNotExist) && n.cfg.API.Socket != "centrala.db" {
				t.Errorf("the API socket is left behind: %v", err)
			}
			n.write("resources.yaml", strings.NewReplacer("CARRIER", n.carrier.Addr().String(), "OTHER", "127.0.0.3").Replace(houseDocs))
			n.make(nil)
			n.start()
		})
	}
}

func TestDataFolderIsForOneProcess(t *testing.T) {
	n := up(t)
	second, err := app.New(app.Options{Config: n.cfg})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(context.Background())
	if err == nil {
		stop(t, second)
		t.Fatal("two nodes in one folder")
	}
	if !strings.Contains(err.Error(), "store") || !strings.Contains(err.Error(), n.cfg.Data) {
		t.Errorf("error %q; want who and where", err)
	}
	// The second one's failure must not take the first one's socket away.
	if _, err := client.Unix(n.cfg.SocketPath(), "").Status(context.Background()); err != nil {
		t.Errorf("the first node: %v", err)
	}
}

func TestFirstStartAppliesResourcesOnce(t *testing.T) {
	n := up(t)
	s, _ := n.Status(context.Background())
	if s.Revision != 1 {
		t.Fatalf("revision %d after the first start", s.Revision)
	}
	if _, err := n.apply("kind: number\nname: hear\nspec: {digits: \"1777\", flow: hear}\n", api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	// The files of the first start have no say any more, not even broken ones.
	n.write("resources.yaml", "kind: nonsense\n")
	n.restart()
	if s, _ := n.Status(context.Background()); s.Revision != 2 {
		t.Errorf("revision %d after a restart; want 2", s.Revision)
	}
	p := n.phone("127.0.0.1", nil)
	if _, code := n.dial(p, anna, "1777"); code != 200 {
		t.Errorf("the number of the apply: %d", code)
	}
	if _, code := n.dial(p, anna, "1000"); code != 404 {
		t.Errorf("the number of the first start: %d, want 404", code)
	}
}

const newNumber = "kind: number\nname: new\nspec: {digits: \"1234\", flow: hear}\n"

func TestApplyTakesEffectAtOnce(t *testing.T) {
	n := up(t)
	p := n.phone("127.0.0.1", nil)
	if _, code := n.dial(p, anna, "1234"); code != 404 {
		t.Fatalf("before: %d", code)
	}
	running, code := n.dial(p, anna, "1000")
	if code != 200 {
		t.Fatal(code)
	}
	dry, err := n.apply(newNumber, api.ApplyOptions{Dry: true})
	if err != nil || dry.Applied || len(dry.Changes) != 1 || dry.Revision != 1 {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	if _, code := n.dial(p, anna, "1234"); code != 404 {
		t.Errorf("a dry run made the number: %d", code)
	}
	res, err := n.apply(newNumber, api.ApplyOptions{By: "test"})
	if err != nil || !res.Applied || len(res.Changes) != 1 || res.Revision != 2 {
		t.Errorf("apply: %+v, %v", res, err)
	}
	if _, code := n.dial(p, anna, "1234"); code != 200 {
		t.Errorf("after: %d", code)
	}
	again, err := n.apply(newNumber, api.ApplyOptions{By: "test"})
	if err != nil || again.Applied || len(again.Changes) != 0 || again.Revision != 2 {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	if running.State() != robot.Up {
		t.Error("the running call was touched")
	}
}

func TestApplyWithFaultsChangesNothing(t *testing.T) {
	n := up(t)
	res, err := n.apply(newNumber+"---\nkind: number\nname: bad\nspec: {digits: \"77\", flow: nowhere}\n---\nkind: queue\nname: bad\nspec: {members: [{agent: ghost}]}\n", api.ApplyOptions{})
	if !errors.Is(err, api.ErrInvalid) || res.Applied || len(res.Faults) < 2 {
		t.Errorf("%+v, %v", res, err)
	}
	if s, _ := n.Status(context.Background()); s.Revision != 1 {
		t.Errorf("revision %d", s.Revision)
	}
	if _, code := n.dial(n.phone("127.0.0.1", nil), anna, "1234"); code != 404 {
		t.Errorf("the good one of the documents was taken: %d", code)
	}
}

func TestApplyPrunes(t *testing.T) {
	n := up(t)
	res, err := n.apply(newNumber, api.ApplyOptions{Prune: true})
	if err != nil || len(res.Changes) != 3 { // one made, hear and sales removed; acme's number is another company's
		t.Fatalf("%+v, %v", res, err)
	}
	p := n.phone("127.0.0.1", nil)
	for number, want := range map[string]int{"1234": 200, "1000": 404, "1001": 404} {
		if _, code := n.dial(p, anna, number); code != want {
			t.Errorf("%s: %d, want %d", number, code, want)
		}
	}
	if _, code := n.dial(p, acme, "1000"); code != 200 {
		t.Errorf("acme's number: %d", code)
	}
}

func TestExportAppliedAgainChangesNothing(t *testing.T) {
	n := up(t)
	for _, secrets := range []bool{false, true} {
		text := n.export(secrets)
		for _, pw := range []string{"pw-anna", "pw-bob", "pw-acme"} {
			if strings.Contains(text, pw) {
				t.Errorf("secrets %v: the password %s can be read", secrets, pw)
			}
		}
		res, err := n.apply(text, api.ApplyOptions{Prune: true})
		if err != nil || len(res.Changes) != 0 || res.Revision != 1 {
			t.Errorf("secrets %v: %+v, %v", secrets, res, err)
		}
	}
	// With secrets it fills an empty node, and the passwords still fit.
	text := n.export(true)
	other := prepare(t)
	other.write("resources.yaml", text)
	other.make(nil)
	other.start()
	other.register(other.phone("127.0.0.1", nil), bob)
	if got := other.export(true); got != text {
		t.Errorf("exports differ:\n%s\n---\n%s", got, text)
	}
}

func TestReload(t *testing.T) {
	n := up(t)
	n.writeConfig("127.0.0.1:5999", "log: {level: debug, format: json}\nlimits: {max_calls: 1}\ndrain: {timeout: 7s}\n")
	res, err := n.Reload(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(res.Applied)
	if want := []string{"drain.timeout", "limits.max_calls", "log.level"}; !slices.Equal(res.Applied, want) {
		t.Errorf("applied %v, want %v", res.Applied, want)
	}
	if want := []string{"log.format", "sip.listeners"}; !slices.Equal(slices.Sorted(slices.Values(res.Restart)), want) {
		t.Errorf("waiting for a restart %v, want %v", res.Restart, want)
	}
	if !slices.Equal(n.level, []string{"debug"}) {
		t.Errorf("levels told %v", n.level)
	}
	p := n.phone("127.0.0.1", nil) // at the old address
	if _, code := n.dial(p, anna, "1000"); code != 200 {
		t.Fatal(code)
	}
	if _, code := n.dial(p, acme, "1000"); code != 503 {
		t.Errorf("the second call at max_calls 1: %d, want 503", code)
	}
	// The same again: what waits is named until a restart takes it.
	if res, _ := n.Reload(context.Background()); len(res.Applied) != 0 || len(res.Restart) != 2 {
		t.Errorf("again: %+v", res)
	}

	n.write("node.yaml", "sip: {listners: []}\nlimits: {max_calls: none}\n")
	if _, err := n.Reload(context.Background()); !errors.Is(err, api.ErrInvalid) || !strings.Contains(err.Error(), "listners") || !strings.Contains(err.Error(), "max_calls") {
		t.Errorf("a broken file: %v", err)
	}
	if _, code := n.dial(p, acme, "1000"); code != 503 {
		t.Errorf("the old limit is gone: %d", code)
	}
}

func TestDrainLetsCallsEnd(t *testing.T) {
	n := up(t)
	p := n.phone("127.0.0.1", nil)
	running, code := n.dial(p, anna, "1000")
	if code != 200 {
		t.Fatal(code)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- n.DrainAndStop(context.Background()) }()
	n.eventually("OPTIONS says 503", func() bool { code, _ := p.Options(within(t)); return code == 503 })
	if _, code := n.dial(p, acme, "1000"); code != 503 {
		t.Errorf("a new call while draining: %d, want 503", code)
	}
	if running.State() != robot.Up {
		t.Error("the running call was ended")
	}
	running.Hangup()
	if code, err := running.WaitBye(within(t)); err != nil || code != 200 {
		t.Errorf("BYE while draining: %d %v", code, err)
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the last call has ended, the node has not")
	}
	n.make(nil)
	n.start()
	if r := n.record("default", running); r.Result != event.ResultCaller {
		t.Errorf("the call that ended by itself: %s/%s", r.Result, r.Reason)
	}
}

func TestDrainIsBounded(t *testing.T) {
	n := prepare(t)
	n.writeConfig("127.0.0.1:0", "drain: {timeout: 50ms}\n")
	n.make(nil)
	n.start()
	p := n.phone("127.0.0.1", nil)
	running, code := n.dial(p, anna, "1000")
	if code != 200 {
		t.Fatal(code)
	}
	began := time.Now()
	if err := n.DrainAndStop(context.Background()); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d < 50*time.Millisecond || d > patience {
		t.Errorf("it took %v", d)
	}
	if err := running.WaitState(within(t), robot.Ended); err != nil {
		t.Fatal(err)
	}
	if who, _ := running.Ended(); who != robot.ByPeer {
		t.Errorf("ended by %s; want a BYE of the server", who)
	}
	n.make(nil)
	n.start()
	if r := n.record("default", running); r.Reason != event.ReasonShutdown || r.Result != event.ResultOurs {
		t.Errorf("the call that was cut: %s/%s", r.Result, r.Reason)
	}
}

func TestRestartKeepsRegistrationsAndLogIns(t *testing.T) {
	n := prepare(t)
	n.writeConfig(strings.Replace(freeForBoth(t), "0.0.0.0", "127.0.0.1", 1), "") // the phone must find the next process
	n.make(nil)
	n.start()
	rings := make(chan *robot.Call, 4)
	phone := n.phone("127.0.0.1", rings)
	n.register(phone, bob)
	ctx := context.Background()
	if err := n.SetAgentState(ctx, "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	n.restart()
	agents, err := n.Agents(ctx, "default")
	if err != nil || len(agents) != 1 || agents[0].State != "ready" || !agents[0].Reachable {
		t.Fatalf("after the restart: %+v %v", agents, err)
	}
	caller, code := n.dial(n.phone("127.0.0.1", nil), anna, "1001")
	if code != 200 {
		t.Fatal(code)
	}
	n.ring(rings).Hangup()
	if r := n.record("default", caller); r.Agent != "bob" || r.Queue != "sales" {
		t.Errorf("record: agent %q queue %q", r.Agent, r.Queue)
	}
}

// freeForBoth is an address free for UDP and TCP a moment ago.
func freeForBoth(t *testing.T) string {
	var addr string
	t.Run("port", func(t *testing.T) { addr = taken(t) })
	return addr
}

func TestTrunkByAddressDecides(t *testing.T) {
	n := up(t)
	for ip, want := range map[string]struct{ tenant, flow string }{"127.0.0.3": {"acme", "theirs"}} {
		c, code := n.dial(n.phone(ip, nil), robot.Account{User: "37322999999"}, "1000")
		if code != 200 {
			t.Fatalf("from %s: %d", ip, code)
		}
		c.Hangup()
		if r := n.record(want.tenant, c); r.Flow != want.flow || r.Direction != event.Inbound || r.From != "37322999999" {
			t.Errorf("from %s: flow %q, %s, from %q", ip, r.Flow, r.Direction, r.From)
		}
	}
	// The address alone, with another port, is not the carrier of default, whose
	// trunk names the port; and from nowhere at all nobody gets in unasked.
	for _, ip := range []string{"127.0.0.2", "127.0.0.4"} {
		if _, code := n.dial(n.phone(ip, nil), robot.Account{User: "37322999999"}, "1000"); code != 401 {
			t.Errorf("from %s without a password: %d, want 401", ip, code)
		}
	}
}

func TestOutsideOnlyForWhoMay(t *testing.T) {
	n := up(t)
	p := n.phone("127.0.0.1", nil)
	for _, row := range []struct {
		who  robot.Account
		to   string
		want int
	}{
		{anna, "022123456", 403},    // no right at all
		{bob, "+4070000000", 403},   // not with this prefix
		{bob, "0040700000000", 403}, // "0" does not allow 00
		{acme, "022123456", 404},    // a company without a line out
	} {
		if _, code := n.dial(p, row.who, row.to); code != row.want {
			t.Errorf("%s dials %s: %d, want %d", row.who.User, row.to, code, row.want)
		}
	}
	select {
	case c := <-n.rings:
		t.Fatalf("the carrier was called: %s", c.Dialled())
	default:
	}
	c, err := p.Invite(robot.Options{To: "022123456", From: bob})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(c) })
	out := n.ring(n.rings)
	if out.Dialled() != "022123456" {
		t.Errorf("the carrier was asked for %q", out.Dialled())
	}
	if err := c.WaitState(within(t), robot.Up); err != nil || c.State() != robot.Up {
		t.Fatalf("the call out: %v %v", c.State(), err)
	}
	out.Hangup()
	if r := n.record("default", c); r.Direction != event.Outbound || r.PeerTrunk != "north" {
		t.Errorf("record: %s by %q", r.Direction, r.PeerTrunk)
	}
}
