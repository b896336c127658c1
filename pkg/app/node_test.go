package app_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/app"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/load/robot"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/telemetry"
)

func TestMain(m *testing.M) {
	// More than the processors: these tests wait for sound and rings.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// houseDocs are two companies on one node. carrier stands for the address of
// the default tenant's carrier, other for that of acme's: on Linux all of 127/8
// is loopback.
const houseDocs = `
kind: tenant
name: default
spec: {language: en, not_ready_reasons: {"2": lunch}}
---
kind: device
name: anna
spec: {password: pw-anna, extension: "101"}
---
kind: device
name: bob
spec: {password: pw-bob, extension: "201"}
---
kind: user
name: bob
spec: {roles: [agent], device: bob, outside: ["0"]}
---
kind: queue
name: sales
spec: {members: [{agent: bob}], wrap_up: 0s, ring_timeout: 5s, leave_when_empty: false, announce_first: -1s}
---
kind: flow
name: hear
spec:
  start: echo
  steps:
    echo: {echo: {for: 10m}, next: end}
    end: {hangup: normal}
---
kind: number
name: hear
spec: {digits: "1000", flow: hear}
---
kind: number
name: sales
spec: {digits: "1001", queue: sales}
---
kind: trunk
name: north
spec: {addresses: ["CARRIER"], target: "sip:CARRIER", prefixes: ["0", "+40"]}
---
kind: tenant
name: acme
spec: {language: ro}
---
kind: device
tenant: acme
name: anna
spec: {username: acme-anna, password: pw-acme}
---
kind: flow
tenant: acme
name: theirs
spec:
  start: echo
  steps:
    echo: {echo: {for: 10m}, next: end}
    end: {hangup: normal}
---
kind: number
tenant: acme
name: main
spec: {digits: "1000", flow: theirs}
---
kind: trunk
tenant: acme
name: line
spec: {addresses: ["OTHER"]}
`

// node is a whole server in this process, in a folder of its own.
type node struct {
	*app.App
	t        *testing.T
	dir      string
	ports    int // first of its 300
	cfg      *config.Config
	registry *prometheus.Registry
	logs     *observer.ObservedLogs
	level    []string // told by reloads
	carrier  *robot.Endpoint
	rings    chan *robot.Call // at the carrier
	phones   []*robot.Endpoint
}

// prepare writes a node file and its resources; the node is not made yet.
func prepare(t *testing.T) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir(), rings: make(chan *robot.Call, 8)}
	n.carrier = n.endpoint("127.0.0.2", netip.MustParseAddrPort("127.0.0.1:9"), n.rings)
	docs := strings.NewReplacer("CARRIER", n.carrier.Addr().String(), "OTHER", "127.0.0.3").Replace(houseDocs)
	n.write("resources.yaml", docs)
	n.writeConfig("127.0.0.1:0", "")
	return n
}

func (n *node) write(name, text string) string {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return path
}

// ranges counts the port ranges given to nodes of this process.
var ranges atomic.Int64

func (n *node) writeConfig(sip, more string) {
	// A range for each node, begun by process: nodes and test binaries beside each
	// other must not meet, for a node keeps the ports of calls that have ended.
	if n.ports == 0 {
		n.ports = 12000 + (os.Getpid()*7+int(ranges.Add(1)))%66*300 // below the ports that the system hands out
	}
	n.write("node.yaml", fmt.Sprintf(`
node: {name: test}
data: %s
sip:
  defence: {overload: 0s} # a machine that is busy with other tests must not refuse calls
  listeners:
    - {transport: udp, address: %q}
    - {transport: tcp, address: %q}
media: {bind: 127.0.0.1, port_min: %d, port_max: %d, stream: {allow: [127.0.0.1]}}
flows: {allow: [127.0.0.1]}
store: {flush_every: 1ms}
http: {listen: ""}
resources: [resources.yaml]
%s`, filepath.Join(n.dir, "data"), sip, sip, n.ports, n.ports+299, more))
}

func (n *node) load() (*config.Config, error) {
	return config.Load(filepath.Join(n.dir, "node.yaml"), nil)
}

// make reads the node file; changes may be nil.
func (n *node) make(changes func(*config.Config)) {
	n.t.Helper()
	cfg, err := n.load()
	if err != nil {
		n.t.Fatal(err)
	}
	if changes != nil {
		changes(cfg)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	n.cfg, n.logs, n.registry = cfg, logs, telemetry.NewRegistry("test")
	n.App, err = app.New(app.Options{Version: "test", Config: cfg, Load: n.load, Log: zap.New(core), Registerer: n.registry,
		LogLevel: func(l string) { n.level = append(n.level, l) }})
	if err != nil {
		n.t.Fatal(err)
	}
}

// up starts a node that the test's end stops.
func up(t *testing.T) *node {
	t.Helper()
	n := prepare(t)
	n.make(nil)
	n.start()
	return n
}

func (n *node) start() {
	n.t.Helper()
	if err := n.Start(context.Background()); err != nil {
		n.t.Fatal(err)
	}
	a := n.App
	n.t.Cleanup(func() { stop(n.t, a) })
}

func stop(t *testing.T, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// restart stops the node as SIGTERM does and starts a new one on the folder.
func (n *node) restart() {
	n.t.Helper()
	stop(n.t, n.App)
	n.make(nil)
	n.start()
}

// sip is where the node listens for UDP.
func (n *node) sip() netip.AddrPort {
	n.t.Helper()
	s, err := n.Status(context.Background())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, l := range s.SIP {
		if addr, ok := strings.CutPrefix(l, "udp "); ok {
			return netip.MustParseAddrPort(addr)
		}
	}
	n.t.Fatalf("no UDP listener in %v", s.SIP)
	return netip.AddrPort{}
}

func (n *node) endpoint(ip string, server netip.AddrPort, rings chan *robot.Call) *robot.Endpoint {
	n.t.Helper()
	cfg := robot.Config{Bind: netip.AddrPortFrom(netip.MustParseAddr(ip), 0), Server: server}
	if rings != nil {
		cfg.Incoming = func(c *robot.Call) {
			c.Ring()
			select {
			case rings <- c:
			default:
				c.Reject(486, "Busy Here")
			}
		}
	}
	e, err := robot.Listen(cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(e.Close)
	return e
}

// phone is a socket from which the node can be called; ip 127.0.0.1 is nobody's
// carrier.
func (n *node) phone(ip string, rings chan *robot.Call) *robot.Endpoint {
	n.t.Helper()
	return n.endpoint(ip, n.sip(), rings)
}

var (
	anna = robot.Account{User: "anna", Password: "pw-anna"}
	bob  = robot.Account{User: "bob", Password: "pw-bob"}
	acme = robot.Account{User: "acme-anna", Password: "pw-acme"}
)

// patience is how long a test waits for what comes: on a machine that has much else to
// do a robot may stand still for seconds.
const patience = 40 * time.Second

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial calls and returns when the call is up, with 200, or ended, with its status.
func (n *node) dial(e *robot.Endpoint, from robot.Account, to string) (*robot.Call, int) {
	n.t.Helper()
	c, err := e.Invite(robot.Options{To: to, From: from})
	if err != nil {
		n.t.Fatal(err)
	}
	if err := c.WaitState(within(n.t), robot.Up); err != nil && c.State() != robot.Ended {
		n.t.Fatalf("%s dials %s: %v", from.User, to, err)
	}
	if c.State() == robot.Ended {
		_, code := c.Ended()
		return c, code
	}
	n.t.Cleanup(func() { hangUp(c) })
	return c, 200
}

// hangUp says goodbye and waits for the answer, so that the node need not wait
// for a phone that is gone.
func hangUp(c *robot.Call) {
	if c.State() == robot.Ended {
		return
	}
	c.Hangup()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.WaitBye(ctx)
}

func (n *node) register(e *robot.Endpoint, a robot.Account) {
	n.t.Helper()
	if err := e.RegisterWait(within(n.t), a, 600); err != nil {
		n.t.Fatal(err)
	}
}

// ring waits for the next call at a phone and answers it.
func (n *node) ring(rings chan *robot.Call) *robot.Call {
	n.t.Helper()
	select {
	case c := <-rings:
		c.Answer()
		if err := c.WaitState(within(n.t), robot.Up); err != nil {
			n.t.Fatal(err)
		}
		n.t.Cleanup(func() { hangUp(c) })
		return c
	case <-time.After(patience):
		n.t.Fatal("nothing rang")
		return nil
	}
}

// eventually polls what nobody tells of, such as the journal.
func (n *node) eventually(what string, ok func() bool) {
	n.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// record waits until the tenant's call with this SIP Call-ID has ended.
func (n *node) record(tenant string, c *robot.Call) cdr.Call {
	n.t.Helper()
	var found cdr.Call
	n.eventually("the record of "+c.SIPCallID(), func() bool {
		page, err := n.Calls(context.Background(), tenant, api.CallFilter{Limit: 500})
		if err != nil {
			n.t.Fatal(err)
		}
		i := slices.IndexFunc(page.Calls, func(r cdr.Call) bool { return r.SIPCallID == c.SIPCallID() && !r.Open() })
		if i >= 0 {
			found = page.Calls[i]
		}
		return i >= 0
	})
	return found
}

func (n *node) apply(text string, o api.ApplyOptions) (api.ApplyResult, error) {
	n.t.Helper()
	docs, err := resource.ParseYAML(strings.NewReader(text), "test")
	if err != nil {
		n.t.Fatal(err)
	}
	return n.Apply(context.Background(), docs, o)
}

func (n *node) export(secrets bool) string {
	n.t.Helper()
	docs, err := n.Export(context.Background(), secrets)
	if err != nil {
		n.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := resource.Export(&b, docs, secrets); err != nil {
		n.t.Fatal(err)
	}
	return b.String()
}

// taken is an address that another holds, by UDP and TCP.
func taken(t *testing.T) string {
	t.Helper()
	for range 20 {
		u, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", u.LocalAddr().String())
		if err != nil {
			u.Close()
			continue // the system chose a port that TCP has in use
		}
		var once sync.Once
		t.Cleanup(func() { once.Do(func() { u.Close(); l.Close() }) })
		return u.LocalAddr().String()
	}
	t.Fatal("no port free for UDP and TCP")
	return ""
}
