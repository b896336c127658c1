//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// badLine puts the server into a network namespace behind a router which loses 5 % of
// anna's sound; where the kernel has netem it also spreads it over 60 ms and holds
// 2 % back. It returns the server's address and anna's and bob's, and whether there is netem.
func badLine(t *testing.T) (server string, ip, anna, bob netip.Addr, netem bool) {
	t.Helper()
	for _, tool := range []string{"ip", "nft", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	id := os.Getpid() % 10000
	server, router := fmt.Sprintf("q%ds", id), fmt.Sprintf("q%dr", id)
	net := fmt.Sprintf("10.98.%d", id%250)
	t.Cleanup(func() {
		for _, ns := range []string{server, router} { // their links go with them
			_ = exec.Command("ip", "netns", "del", ns).Run()
		}
	})
	script := strings.NewReplacer("SERVER", server, "ROUTER", router, "HOST", fmt.Sprintf("q%dh", id), "NET", net, "FAR", fmt.Sprintf("10.99.%d", id%250)).Replace(`set -e
ip netns add SERVER; ip netns add ROUTER
ip link add HOST type veth peer name near netns ROUTER
ip -n ROUTER link add far type veth peer name out netns SERVER
ip addr add NET.1/24 dev HOST; ip addr add NET.3/24 dev HOST; ip link set HOST up
ip -n ROUTER addr add NET.254/24 dev near; ip -n ROUTER addr add FAR.254/24 dev far
ip -n ROUTER link set near up; ip -n ROUTER link set far up; ip -n ROUTER link set lo up
ip -n SERVER addr add FAR.2/24 dev out; ip -n SERVER link set out up; ip -n SERVER link set lo up
ip -n SERVER route add default via FAR.254
ip route add FAR.0/24 via NET.254
ip netns exec ROUTER sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
ip netns exec ROUTER nft -f - <<'NFT'
table ip line {
  chain forward { type filter hook forward priority 0;
    ip saddr NET.1 udp dport 20480-20991 numgen random mod 100 < 5 drop
  }
}
NFT
`)
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %s", out)
	}
	// Only anna's sound goes through the third band.
	err := exec.Command("sh", "-c", strings.NewReplacer("ROUTER", router, "NET", net).Replace(`set -e
tc -n ROUTER qdisc add dev far root handle 1: prio
tc -n ROUTER qdisc add dev far parent 1:3 handle 30: netem delay 40ms 30ms reorder 2%
tc -n ROUTER filter add dev far protocol ip parent 1:0 prio 1 u32 match ip src NET.1/32 match ip dport 20480 0xfe00 flowid 1:3
`)).Run()
	return server, netip.MustParseAddr(fmt.Sprintf("10.99.%d.2", id%250)), netip.MustParseAddr(net + ".1"), netip.MustParseAddr(net + ".3"), err == nil
}

// TestBadLine: anna's sound is lost at 5 % on its way. Bob hears her all the same; the
// call's record says how it sounded each way; with a third party in, when we decode and
// mix, the tone that bob hears is whole; both channels of the recording
// are whole.
func TestBadLine(t *testing.T) {
	server, ip, annaIP, bobIP, netem := badLine(t)
	h := prepare(t)
	h.sip = netip.AddrPortFrom(ip, 5060)
	h.http = ip.String() + ":9190"
	h.write("centrala.yaml", fmt.Sprintf(`
node: {name: line}
sip:
  listeners: [{transport: udp, address: "%[1]s:5060"}]
media: {bind: "%[1]s", port_min: 20480, port_max: 20991}
http: {listen: "%[2]s"}
log: {level: debug, format: json}
drain: {timeout: 4s}
resources: [resources.yaml]
`, ip, h.http))
	b, err := os.ReadFile(filepath.Join(h.dir, "resources.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("resources.yaml", strings.Replace(string(b), "record: never", "record: always", 1))
	h.log = filepath.Join(h.dir, "serve.log")
	log, err := os.Create(h.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	h.cmd = exec.Command("ip", "netns", "exec", server, binary, "serve", "--config", filepath.Join(h.dir, "centrala.yaml"), "--data", h.data())
	h.cmd.Stdout, h.cmd.Stderr = log, log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.gone = make(chan struct{})
	go func() { _ = h.cmd.Wait(); close(h.gone) }()
	h.eventually(patience, "the server is ready", func() bool {
		_, err := h.run("agent", "list", "--json")
		return err == nil
	})
	h.media.Close()
	sound := map[netip.Addr]*robot.Media{}
	for _, a := range []netip.Addr{annaIP, bobIP} {
		if sound[a], err = robot.NewMedia(robot.MediaConfig{IP: a}); err != nil {
			t.Fatal(err)
		}
		defer sound[a].Close()
	}
	phone := func(name string, from netip.Addr) *phone {
		h.media = sound[from]
		p := h.phoneAt(netip.AddrPortFrom(from, 0), "udp", robot.Account{User: name, Password: "pw-" + name})
		if err := p.RegisterWait(within(t, patience), p.account, 300); err != nil {
			t.Fatal(err)
		}
		return p
	}
	anna, bob, carol := phone("anna", annaIP), phone("bob", bobIP), phone("carol", bobIP)
	caller := h.dial(anna, "201")
	agent := h.ring(bob)
	agent.Answer()
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	agent.Leg().PlayTone(agentTone)
	h.hears("caller", caller, agentTone, callerTone)
	h.converse(12*time.Second, caller, agent)
	s := agent.Leg().Stats()
	if share := float64(s.Lost) / float64(s.Received+uint64(max(s.Lost, 0))); share < .02 || share > .09 {
		t.Errorf("bob misses %.3f of anna's packets: the line is not as bad as it should be", share)
	}

	// Mixed: bob hears what our jitter buffer makes of it.
	var page struct {
		Calls []struct{ ID string }
	}
	h.decode(&page, "call", "list", "--live", "--json")
	if len(page.Calls) != 1 {
		t.Fatalf("%d calls", len(page.Calls))
	}
	if out, err := h.run("call", "conference", page.Calls[0].ID, "202", "--leg", "1"); err != nil {
		t.Fatal(out, err)
	}
	third := h.ring(carol)
	third.Answer()
	h.up(third)
	h.converse(3*time.Second, agent, caller)
	// The promise itself is kept on virtual time (media/session, TestBadLineAcrossABridge).
	// Here the machine may stand still, which tears a stretch: two of six must be whole.
	whole, tries := 0, 0
	for ; tries < 6 && whole < 2; tries++ {
		mark := agent.Leg().Mark()
		h.converse(4*time.Second, agent, caller)
		pcm := agent.Leg().Since(mark)
		hole, level := longestHole(pcm), robot.Level(pcm, callerTone)
		t.Logf("bob hears anna's tone at level %.3f, longest hole %v", level, hole)
		if level < .1 {
			t.Errorf("bob hears anna's tone at level %.3f", level)
		}
		if hole <= 40*time.Millisecond {
			whole++
		}
	}
	if whole < 2 {
		t.Errorf("%d of %d stretches of anna's tone are without a hole over 40 ms", whole, tries)
	}
	third.Hangup()
	caller.Hangup()
	h.over(agent)
	d := h.ended(caller)
	for _, l := range d.Legs {
		a := l.Audio
		if l.Leg > 1 || a == nil || a.MOSIn == nil {
			continue
		}
		t.Logf("leg %d: lost %d of %d, jitter %.1f ms, MOS %.2f, at worst %.2f %v", l.Leg, a.PacketsLost, a.PacketsReceived, a.JitterMs, a.MOSIn.Mean, a.MOSIn.Low, a.MOSIn.Series)
		if bad := l.Leg == 0; bad && (a.MOSIn.Mean > 4.2 || a.MOSIn.Mean < 2.5) || !bad && median(a.MOSIn.Series) < 4.3 {
			t.Errorf("leg %d: %+v", l.Leg, a.MOSIn)
		}
		if netem && l.Leg == 0 && a.JitterMs < 5 {
			t.Errorf("netem gave a jitter of %.1f ms", a.JitterMs)
		}
	}
	for _, e := range d.Events {
		if e.Kind == "audio.alarm" && !strings.Contains(string(e.Data), "carol") { // carol says nothing
			t.Errorf("an alarm: %s", e.Data)
		}
	}
	w := h.recording()
	h.holdsBoth(w)
	if !netem {
		t.Log("no netem in this kernel: loss without jitter and reordering")
	}
}

// longestHole is the longest stretch under a tenth of the peak.
func longestHole(pcm []int16) time.Duration {
	peak, run, longest := 0, 0, 0
	for _, v := range pcm {
		peak = max(peak, int(v))
	}
	for _, v := range pcm {
		if run++; int(v) > peak/10 || int(v) < -peak/10 {
			run = 0
		}
		longest = max(longest, run)
	}
	return time.Duration(longest) * time.Second / 8000
}

// median is the middle of values: a machine that stands still spoils one of them.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
