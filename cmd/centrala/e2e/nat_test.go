//go:build e2e && linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// natted is a server and a flat of phones, each in a network namespace, and a
// router with NAT between: the phones' addresses mean nothing to the server, and
// nothing reaches them but by the holes that they made themselves.
type natted struct {
	t                     *testing.T
	server, router, flats string // names of namespaces
}

const (
	natServer = "203.0.113.1"
	natPhone  = "10.9.0.2"
)

func newNAT(t *testing.T) *natted {
	t.Helper()
	for _, tool := range []string{"ip", "nft", "baresip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	p := fmt.Sprintf("c%d", os.Getpid())
	n := &natted{t, p + "s", p + "r", p + "f"}
	t.Cleanup(func() {
		for _, ns := range []string{n.server, n.router, n.flats} {
			_ = exec.Command("ip", "netns", "del", ns).Run()
		}
	})
	for _, ns := range []string{n.server, n.router, n.flats} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("network namespaces are not permitted here: %s", out)
		}
	}
	script := strings.NewReplacer("SERVER", n.server, "ROUTER", n.router, "FLAT", n.flats).Replace(`set -e
ip -n SERVER link add out type veth peer name wan netns ROUTER
ip -n ROUTER link add lan type veth peer name in netns FLAT
ip -n SERVER addr add ` + natServer + `/24 dev out
ip -n ROUTER addr add 203.0.113.254/24 dev wan
ip -n ROUTER addr add 10.9.0.1/24 dev lan
ip -n FLAT addr add ` + natPhone + `/24 dev in
for ns in SERVER ROUTER FLAT; do ip -n $ns link set lo up; done
ip -n SERVER link set out up; ip -n ROUTER link set wan up; ip -n ROUTER link set lan up; ip -n FLAT link set in up
ip -n FLAT route add default via 10.9.0.1
ip netns exec ROUTER sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
ip netns exec ROUTER nft -f - <<'NFT'
table ip nat {
  chain post { type nat hook postrouting priority 100; oifname "wan" masquerade random; }
}
table ip filter {
  chain forward { type filter hook forward priority 0; policy drop;
    iifname "lan" accept
    ct state established,related accept
  }
}
NFT
`)
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Skipf("no NAT here: %s", out)
	}
	return n
}

// start runs the house in the server's namespace.
func (n *natted) start(h *house, transports ...string) {
	n.t.Helper()
	listeners := ""
	for _, tr := range transports {
		listeners += fmt.Sprintf("    - {transport: %s, address: \"0.0.0.0:5060\"}\n", tr)
	}
	h.write("centrala.yaml", `
node: {name: nat}
sip:
  listeners:
`+listeners+`  keepalive: {udp: 2s, udp_misses: 3}
media: {bind: 0.0.0.0, port_min: 20000, port_max: 20399}
http: {listen: ""}
log: {level: debug, format: json}
drain: {timeout: 4s}
resources: [resources.yaml]
`)
	h.log = filepath.Join(h.dir, "serve.log")
	log, err := os.Create(h.log)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	h.cmd = exec.Command("ip", "netns", "exec", n.server, binary, "serve", "--config", filepath.Join(h.dir, "centrala.yaml"), "--data", h.data())
	h.cmd.Stdout, h.cmd.Stderr = log, log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := h.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	h.gone = make(chan struct{})
	go func() { _ = h.cmd.Wait(); close(h.gone) }()
	h.eventually(patience, "the server is ready", func() bool {
		_, err := h.run("agent", "list", "--json")
		return err == nil
	})
}

// phone is a baresip in the flat.
type flatPhone struct {
	cmd *exec.Cmd
	log string
	dir string
}

// phone starts baresip; command is run once it is registered, "" for none.
func (n *natted) phone(h *house, user, answer, transport string, port int, tone float64, command string) *flatPhone {
	t := n.t
	t.Helper()
	dir := filepath.Join(h.dir, "flat-"+user)
	heard := filepath.Join(dir, "heard")
	if err := os.MkdirAll(heard, 0o755); err != nil {
		t.Fatal(err)
	}
	mic := filepath.Join(dir, "mic.wav")
	writeTone(t, mic, tone, 60*time.Second)
	for name, text := range map[string]string{
		"config": fmt.Sprintf(`module_path %s
net_interface in
sip_listen %s:%d
audio_source aufile,%s
audio_player aubridge,pl_%s
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
snd_path %s
rtp_ports %d-%d
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
`, modules(t), natPhone, port, mic, user, heard, 30000+port%1000*20, 30000+port%1000*20+10),
		"accounts": fmt.Sprintf("<sip:%s@%s:5060;transport=%s>;auth_pass=pw-%s;regint=60;audio_codecs=pcma/8000/1,pcmu/8000/1;answermode=%s\n", user, natServer, transport, user, answer),
		"contacts": "", "uuid": fmt.Sprintf("1d5c0a9e-0000-4000-8000-%012d", port)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &flatPhone{log: filepath.Join(dir, "log"), dir: dir}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	args := []string{"netns", "exec", n.flats, "baresip", "-f", dir}
	if command != "" {
		args = append(args, "-e", command)
	}
	p.cmd = exec.Command("ip", args...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = log, log, dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			b, _ := os.ReadFile(p.log)
			t.Logf("baresip of %s:\n%s", user, b[max(0, len(b)-3000):])
		}
	})
	h.eventually(patience, user+"'s baresip registers", func() bool {
		b, _ := os.ReadFile(p.log)
		return bytes.Contains(b, []byte("200 OK"))
	})
	return p
}

func (p *flatPhone) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// Two phones behind one NAT call each other through the server by UDP and by
// TCP: calls come in by the holes of their registrations, sound goes both ways,
// the keep-alive outlives the NAT's patience, and one that is switched off is
// noticed.
func TestNAT(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			n := newNAT(t)
			h := prepare(t)
			n.start(h, "udp", "tcp")
			bob := n.phone(h, "bob", "auto", transport, 5070, agentTone, "")
			reachable := func() bool {
				out, err := h.run("agent", "list", "--json")
				_, rest, _ := strings.Cut(out, `"bob"`)
				rest, _, _ = strings.Cut(rest, "}")
				return err == nil && strings.Contains(strings.ReplaceAll(rest, " ", ""), `"reachable":true`)
			}
			h.eventually(patience, "bob is reachable", reachable)
			// The NAT forgets UDP that is silent.
			timeouts := exec.Command("ip", "netns", "exec", n.router, "sh", "-c", "echo 4 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout; echo 4 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream")
			if out, err := timeouts.CombinedOutput(); err != nil {
				t.Logf("the NAT keeps its own patience: %s", out)
			}
			time.Sleep(6 * time.Second)
			anna := n.phone(h, "anna", "manual", transport, 5090, callerTone, fmt.Sprintf("/dial sip:201@%s:5060;transport=%s", natServer, transport))
			heard := func(p *flatPhone, own, other float64) func() bool {
				s := &softphone{h: h, dir: p.dir}
				return func() bool {
					pcm := s.heard()
					return robot.Hears(pcm, other) && robot.Quiet(pcm, own)
				}
			}
			time.Sleep(4 * time.Second)
			for _, p := range []*flatPhone{anna, bob} { // a good end, which finishes their files
				_ = p.cmd.Process.Signal(syscall.SIGINT)
				_ = p.cmd.Wait()
			}
			h.eventually(patience, "anna heard bob", heard(anna, callerTone, agentTone))
			h.eventually(patience, "bob heard anna", heard(bob, agentTone, callerTone))
		})
	}
	t.Run("silent phone", func(t *testing.T) {
		n := newNAT(t)
		h := prepare(t)
		n.start(h, "udp")
		bob := n.phone(h, "bob", "auto", "udp", 5070, agentTone, "")
		contacts := func() string {
			b, _ := os.ReadFile(h.log)
			if bytes.Contains(b, []byte("sip phone silent")) {
				return "gone"
			}
			return "there"
		}
		time.Sleep(8 * time.Second) // four questions answered
		if contacts() != "there" {
			t.Fatal("a phone that answers was dropped")
		}
		bob.kill()
		h.eventually(patience, "bob's contact is dropped", func() bool { return contacts() == "gone" })
	})
}
