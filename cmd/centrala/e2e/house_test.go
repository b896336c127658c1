//go:build e2e

package e2e

import (
	"context"
	le "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	binary = os.Getenv("CENTRALA_BIN")
	if binary == "" {
		dir, err := os.MkdirTemp("", "centrala-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		binary = filepath.Join(dir, "centrala")
		if out, err := exec.Command("go", "build", "-o", binary, "..").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			os.Exit(1)
		}
		code := m.Run()
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// Tones in the house's prompts and of the robots, in hertz. None is a multiple
// or neighbour of another.
const (
	helloTone  = 510  // the menu speaks
	musicTone  = 830  // music on hold
	callerTone = 1050 // robots
	agentTone  = 1430
)

// carrierIP is the trunk's address: on Linux all of 127/8 is loopback.
var (
	houseIP   = netip.MustParseAddr("127.0.0.1")
	carrierIP = netip.MustParseAddr("127.0.0.2")
)

// house is a running server.
type house struct {
	t       testing.TB
	dir     string
	sip     netip.AddrPort
	http    string
	carrier netip.AddrPort // where calls out are sent
	cmd     *exec.Cmd
	gone    chan struct{}
	media   *robot.Media
	log     string
}

var nextRange, nextSipp, nextBaresip atomic.Int64

// resources of the house of the tests. %s is the carrier's address for calls out.
const resources = `
kind: tenant
name: default
spec:
  language: en
  record: never
  not_ready_reasons: {"1": break}
---
kind: device
name: anna
spec: {username: anna, password: pw-anna, extension: "101"}
---
kind: device
name: bob
spec: {username: bob, password: pw-bob, extension: "201"}
---
kind: device
name: carol
spec: {username: carol, password: pw-carol, extension: "202"}
---
kind: user
name: bob
spec: {roles: [agent], device: bob, outside: ["0"]}
---
kind: user
name: carol
spec: {roles: [agent], device: carol}
---
kind: trunk
name: carrier
spec:
  addresses: ["127.0.0.2"]
  target: "sip:%s"
  prefixes: ["*"]
  caller_id: "+37322000000"
  record: always
---
kind: prompt
name: hello
spec: {files: {en: hello.wav}}
---
kind: prompt
name: tune
spec: {files: {en: tune.wav}}
---
kind: queue
name: sales
spec:
  members: [{agent: "*"}]
  wrap_up: 0s
  ring_timeout: 2s
  music: tune
  announce_first: -1s
  record: always
---
kind: queue
name: patient
spec:
  members: [{agent: "*"}]
  ring_timeout: 20s
  music: tune
  announce_first: -1s
---
kind: queue
name: impatient
spec:
  members: [{agent: "*"}]
  max_wait: 2s
  music: tune
  announce_first: -1s
---
kind: flow
name: main
spec:
  start: menu
  steps:
    menu:
      menu:
        prompts: [hello]
        keys: {"1": sales, "2": patient, "3": impatient}
        timeout: 5s
        retries: 1
      next: bye
    sales:
      queue: sales
      next: nobody
    patient:
      queue: patient
      next: nobody
    impatient:
      queue: impatient
      next: nobody
    nobody:
      tone: {hz: [1870], for: 1s}
      next: bye
    bye:
      hangup: normal
---
kind: flow
name: echo
spec:
  start: answer
  steps:
    answer: {answer: {}, next: echo}
    echo: {echo: {}, next: bye}
    bye: {hangup: normal}
---
kind: number
name: main
spec: {digits: "1000", flow: main}
---
kind: number
name: public
spec: {digits: "+37322000000", flow: main}
---
kind: number
name: patient
spec: {digits: "2000", queue: patient}
---
kind: number
name: direct
spec: {digits: "3000", device: bob}
---
kind: number
name: echo
spec: {digits: "9", flow: echo}
`

// ports hands out each port once in this process, below the range from which
// Linux takes ports for outgoing connections (32768 and up): two tests that run
// side by side must not be given the same one.
var ports atomic.Int64

// freePort is a port that nobody else was given and that is free for UDP and TCP.
func freePort(t testing.TB) uint16 {
	t.Helper()
	for range 1000 {
		port := uint16(5200 + (int64(os.Getpid())*37+ports.Add(1))%4700)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = u.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}

// claim takes one of n blocks of size media ports from first on. It is held
// against everybody on this machine, other runs of these tests too, by a name
// that the kernel frees with the process: softphones and sipp do not look for
// another port when theirs is taken.
func claim(t testing.TB, next *atomic.Int64, first, size, n int) (port int, release func()) {
	t.Helper()
	for range n {
		port = first + size*((os.Getpid()+int(next.Add(1)))%n)
		l, err := net.Listen("unix", fmt.Sprintf("@centrala-e2e-media-%d", port))
		if err != nil {
			continue
		}
		if unused(port, size) {
			return port, func() { _ = l.Close() }
		}
		_ = l.Close()
	}
	t.Fatalf("none of the %d blocks of media ports from %d on is free", n, first)
	return 0, nil
}

// unused tells whether nobody, a load generator for one, has any of these UDP ports.
func unused(first, n int) bool {
	for port := first; port < first+n; port++ {
		u, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		if err != nil {
			return false
		}
		_ = u.Close()
	}
	return true
}

// open starts a server of its own for the test.
func open(t testing.TB) *house {
	t.Helper()
	h := prepare(t)
	h.start()
	return h
}

// prepare writes the files of a server that is not started yet.
func prepare(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), sip: netip.AddrPortFrom(houseIP, freePort(t)), carrier: netip.AddrPortFrom(carrierIP, freePort(t))}
	h.http = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	lo, release := claim(t, &nextRange, 10000, 400, 50)
	t.Cleanup(release)
	h.write("centrala.yaml", fmt.Sprintf(`
node: {name: e2e}
sip:
  defence: {overload: 0s}
  listeners:
    - {transport: udp, address: "%[1]s"}
    - {transport: tcp, address: "%[1]s"}
media: {bind: 127.0.0.1, port_min: %[2]d, port_max: %[3]d}
http: {listen: "%[4]s"}
log: {level: debug, format: json}
drain: {timeout: 4s}
resources: [resources.yaml]
`, h.sip, lo, lo+399, h.http))
	h.write("resources.yaml", fmt.Sprintf(resources, h.carrier))
	writeTone(t, filepath.Join(h.dir, "data", "prompts", "hello.wav"), helloTone, 1500*time.Millisecond)
	writeTone(t, filepath.Join(h.dir, "data", "prompts", "tune.wav"), musicTone, 3*time.Second)
	var err error
	if h.media, err = robot.NewMedia(robot.MediaConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.media.Close()
		h.stop()
		if t.Failed() {
			h.tail()
		}
	})
	return h
}

func (h *house) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) data() string { return filepath.Join(h.dir, "data") }

// start runs the server and waits until it is ready.
func (h *house) start() {
	h.t.Helper()
	h.log = filepath.Join(h.dir, "serve.log")
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	h.cmd = exec.Command(binary, "serve", "--config", filepath.Join(h.dir, "centrala.yaml"), "--data", h.data())
	h.cmd.Stdout, h.cmd.Stderr = log, log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.gone = make(chan struct{})
	go func() { _ = h.cmd.Wait(); close(h.gone) }()
	h.eventually(patience, "the server is ready", func() bool {
		select {
		case <-h.gone:
			h.tail()
			h.t.Fatal("the server ended at once")
		default:
		}
		r, err := http.Get("http://" + h.http + "/readyz")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == 200
	})
}

// signal sends a signal to the server.
func (h *house) signal(s os.Signal) {
	if h.cmd != nil {
		_ = h.cmd.Process.Signal(s)
	}
}

// stop ends the server and wants it gone in time.
func (h *house) stop() {
	if h.cmd == nil {
		return
	}
	h.signal(syscall.SIGTERM)
	select {
	case <-h.gone:
	case <-time.After(patience):
		h.t.Errorf("the server did not end within %s of SIGTERM", patience)
		h.signal(syscall.SIGKILL)
		<-h.gone
	}
	h.cmd = nil
}

// kill is kill -9.
func (h *house) kill() {
	h.signal(syscall.SIGKILL)
	<-h.gone
	h.cmd = nil
}

// tail shows the end of the server's log.
func (h *house) tail() {
	b, _ := os.ReadFile(h.log)
	h.t.Logf("server's log:\n%s", b[max(0, len(b)-12000):])
}

// patience is how long a test waits for what comes: on a machine that has much else to
// do a phone may stand still for seconds.
const patience = 40 * time.Second

// eventually polls ok, which no event tells of, until it holds.
func (h *house) eventually(within time.Duration, what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	h.t.Fatalf("not within %s: %s", within, what)
}

// run calls a subcommand on this house and returns what it printed.
func (h *house) run(args ...string) (string, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, append(args, "--data", h.data())...).CombinedOutput()
	return string(out), err
}

// decode runs a subcommand with --json into v.
func (h *house) decode(v any, args ...string) {
	h.t.Helper()
	out, err := h.run(append(args, "--json")...)
	if err == nil {
		err = json.Unmarshal([]byte(out), v)
	}
	if err != nil {
		h.t.Fatalf("centrala %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// agent moves an agent by the command line.
func (h *house) agent(name, state string) {
	h.t.Helper()
	if out, err := h.run("agent", "set", name, state); err != nil {
		h.t.Fatalf("agent set %s %s: %v\n%s", name, state, err, out)
	}
}

// state is an agent's state now.
func (h *house) state(name string) string {
	h.t.Helper()
	var agents []api.Agent
	h.decode(&agents, "agent", "list")
	for _, a := range agents {
		if a.Name == name {
			return a.State
		}
	}
	return ""
}

// ended waits until a call has ended in the records and returns its whole
// record: the call of this caller, or the newest.
func (h *house) ended(caller ...*robot.Call) api.CallDetail {
	h.t.Helper()
	id := ""
	h.eventually(patience, "the call is in the records", func() bool {
		var page api.CallPage
		h.decode(&page, "call", "list", "--limit", "20")
		for _, c := range page.Calls {
			if len(caller) == 0 || c.SIPCallID == caller[0].SIPCallID() {
				id = c.ID
				return !c.Open()
			}
		}
		return false
	})
	var d api.CallDetail
	h.decode(&d, "call", "show", id)
	return d
}

// segments of a call in order, without repeats.
func segments(d api.CallDetail) string {
	var out []string
	for _, s := range d.Segments {
		if n := len(out); n == 0 || out[n-1] != string(s.Kind) {
			out = append(out, string(s.Kind))
		}
	}
	return strings.Join(out, " ")
}

// metric sums the samples of a metric over its labels. One that is not there is
// a failure: a renamed metric must not pass for zero.
func (h *house) metric(name string) float64 {
	h.t.Helper()
	r, err := http.Get("http://" + h.http + "/metrics")
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, _ := io.ReadAll(r.Body)
	var sum float64
	found := false
	for line := range strings.SplitSeq(string(b), "\n") {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v); err != nil {
			h.t.Fatalf("metric %q: %v", line, err)
		}
		sum += v
		found = true
	}
	if !found {
		h.t.Fatalf("no metric %q", name)
	}
	return sum
}

// quiet wants nothing left running once the calls are over.
func (h *house) quiet() {
	h.t.Helper()
	h.eventually(patience, "no call and no media port in use", func() bool {
		return h.metric("centrala_calls") == 0 && h.metric("centrala_media_ports_in_use") == 0 && h.metric("centrala_sip_dialogs") == 0
	})
}

// phone is a robot's SIP socket; calls to it appear in rings.
type phone struct {
	*robot.Endpoint
	account robot.Account
	rings   chan *robot.Call
}

// phoneAt opens a socket that rings for every call and answers only when told.
func (h *house) phoneAt(bind netip.AddrPort, transport string, a robot.Account) *phone {
	h.t.Helper()
	p := &phone{account: a, rings: make(chan *robot.Call, 8)}
	var err error
	p.Endpoint, err = robot.Listen(robot.Config{Transport: transport, Bind: bind, Server: h.sip, Media: h.media, Incoming: func(c *robot.Call) {
		c.Leg().Listen()
		c.Ring()
		p.rings <- c
	}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(p.Close)
	return p
}

// phone registers a device of the house.
func (h *house) phone(name, transport string, alg robot.Algorithm) *phone {
	h.t.Helper()
	p := h.phoneAt(netip.AddrPortFrom(houseIP, 0), transport, robot.Account{User: name, Password: "pw-" + name, Algorithm: alg})
	if err := p.RegisterWait(within(h.t, patience), p.account, 300); err != nil {
		h.t.Fatal(err)
	}
	return p
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// dial starts a call and keeps what is heard.
func (h *house) dial(p *phone, to string) *robot.Call {
	h.t.Helper()
	c, err := p.Invite(robot.Options{To: to, From: p.account})
	if err != nil {
		h.t.Fatal(err)
	}
	c.Leg().Listen()
	return c
}

// up waits until a call is answered.
func (h *house) up(c *robot.Call) {
	h.t.Helper()
	if err := c.WaitState(within(h.t, patience), robot.Up); err != nil {
		h.t.Fatal(err)
	}
}

// ring waits for the next call to a phone.
func (h *house) ring(p *phone) *robot.Call {
	h.t.Helper()
	select {
	case c := <-p.rings:
		return c
	case <-time.After(patience):
		h.t.Fatal("the phone does not ring")
		return nil
	}
}

// over waits until a call is ended.
func (h *house) over(c *robot.Call) {
	h.t.Helper()
	if err := c.WaitState(within(h.t, patience), robot.Ended); err != nil {
		h.t.Fatal(err)
	}
}

// hears wants a tone in the last 400 ms of what a call hears, and others absent.
func (h *house) hears(what string, c *robot.Call, tone float64, not ...float64) {
	h.t.Helper()
	l := c.Leg()
	var pcm []int16
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		pcm = l.Since(max(0, l.Mark()-3200))
		ok := len(pcm) >= 3200 && (tone == 0 || robot.Hears(pcm, tone))
		for _, n := range not {
			ok = ok && robot.Quiet(pcm, n)
		}
		if ok {
			return
		}
	}
	levels := ""
	for _, f := range []float64{helloTone, musicTone, callerTone, agentTone} {
		levels += fmt.Sprintf(" %.0f Hz %.3f", f, robot.Level(pcm, f))
	}
	h.t.Fatalf("%s: want %.0f Hz and not %v; heard%s in %d samples, %+v", what, tone, not, levels, len(pcm), l.Stats())
}

// talk wants two calls to hear each other's tones and not their own.
func (h *house) talk(caller, agent *robot.Call) {
	h.t.Helper()
	caller.Leg().PlayTone(callerTone)
	agent.Leg().PlayTone(agentTone)
	h.hears("caller", caller, agentTone, callerTone, musicTone, helloTone)
	h.hears("agent", agent, callerTone, agentTone, musicTone, helloTone)
}

// converse waits until c has heard sound for so long.
func (h *house) converse(d time.Duration, c *robot.Call, other *robot.Call) {
	h.t.Helper()
	mark := c.Leg().Mark()
	want := mark + int(d.Seconds()*robot.SampleRate)
	for end := time.Now().Add(d + patience); c.Leg().Mark() < want; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			msg := fmt.Sprintf("%+v", c.Leg().Stats())
			if other != nil {
				msg += fmt.Sprintf("; the other side: %+v", other.Leg().Stats())
			}
			late, skipped := h.media.Late()
			h.t.Fatalf("heard %d of %d samples in %s: %s; robot late %d, skipped %d", c.Leg().Mark()-mark, want-mark, d+patience, msg, late, skipped)
		}
	}
}

// streams wants both ends' streams whole: one SSRC, nothing lost.
func (h *house) streams(calls ...*robot.Call) {
	h.t.Helper()
	for _, c := range calls {
		s := c.Leg().Stats()
		if s.SSRCChanges != 0 || s.TimestampBack != 0 || s.Strangers != 0 || s.WrongPayload != 0 || s.Lost*100 > int64(s.Received) {
			h.t.Errorf("stream to %s: %+v", c.SIPCallID(), s)
		}
	}
}

// recordings lists the files under the recordings folder.
func (h *house) recordings() []string {
	var out []string
	_ = filepath.WalkDir(filepath.Join(h.data(), "recordings"), func(path string, e os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".wav") {
			out = append(out, path)
		}
		return nil
	})
	return out
}

// recording reads the only recording and wants two channels.
func (h *house) recording() robot.WAV {
	h.t.Helper()
	files := h.recordings()
	if len(files) != 1 {
		h.t.Fatalf("%d recordings: %v", len(files), files)
	}
	f, err := os.Open(files[0])
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w, err := robot.ReadWAV(f)
	if err != nil {
		h.t.Fatal(err)
	}
	if len(w.Channels) != 2 || w.Rate != 8000 || len(w.Channels[0]) != len(w.Channels[1]) {
		h.t.Fatalf("recording: %d channels at %d Hz", len(w.Channels), w.Rate)
	}
	return w
}

// holdsBoth wants the caller's tone left alone and the agent's right alone.
func (h *house) holdsBoth(w robot.WAV) {
	h.t.Helper()
	l, r := w.Channels[0], w.Channels[1]
	if !heardIn(l, callerTone) || !robot.Quiet(l, agentTone) || !heardIn(r, agentTone) || !robot.Quiet(r, callerTone) {
		h.t.Fatalf("recording of %d samples: left caller %.3f agent %.3f, right caller %.3f agent %.3f", len(l),
			robot.Level(l, callerTone), robot.Level(l, agentTone), robot.Level(r, callerTone), robot.Level(r, agentTone))
	}
}

// heardIn wants a tone in a quarter of a recording at least, piece by piece: over
// the whole, pieces on both sides of a gap can cancel each other.
func heardIn(pcm []int16, tone float64) bool {
	const piece = 400 * 8
	n, hits := len(pcm)/piece, 0
	for i := range n {
		if robot.Hears(pcm[i*piece:][:piece], tone) {
			hits++
		}
	}
	return n > 0 && hits*4 >= n
}

// writeTone writes a mono 16 bit 8 kHz WAV of one tone.
func writeTone(t testing.TB, name string, hz float64, d time.Duration) {
	t.Helper()
	n := int(d.Seconds() * 8000)
	b := make([]byte, 44+2*n)
	copy(b, "RIFF")
	le.LittleEndian.PutUint32(b[4:], uint32(36+2*n))
	copy(b[8:], "WAVEfmt ")
	le.LittleEndian.PutUint32(b[16:], 16)
	le.LittleEndian.PutUint16(b[20:], 1)
	le.LittleEndian.PutUint16(b[22:], 1)
	le.LittleEndian.PutUint32(b[24:], 8000)
	le.LittleEndian.PutUint32(b[28:], 16000)
	le.LittleEndian.PutUint16(b[32:], 2)
	le.LittleEndian.PutUint16(b[34:], 16)
	copy(b[36:], "data")
	le.LittleEndian.PutUint32(b[40:], uint32(2*n))
	for i := range n {
		v := int16(0.25 * 32767 * math.Sin(2*math.Pi*hz*float64(i)/8000))
		le.LittleEndian.PutUint16(b[44+2*i:], uint16(v))
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, b, 0o600)); err != nil {
		t.Fatal(err)
	}
}
