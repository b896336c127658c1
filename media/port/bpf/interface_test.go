//go:build linux && (amd64 || arm64) && !portable

package bpf

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestInterfaces: a peer beyond an interface sends to us, another beyond it gets
// the packets by the route, neighbour and checksum of the system's. The peers live in
// a network namespace at the other end of a veth pair.
func TestInterfaces(t *testing.T) {
	id := strconv.Itoa(os.Getpid())
	space, near, far := "centrala"+id, "cva"+id, "cvb"+id
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("ip %v: %v %s", args, err, out)
		}
	}
	run("netns", "add", space)
	defer func() { _ = exec.Command("ip", "netns", "del", space).Run() }()
	run("link", "add", near, "type", "veth", "peer", "name", far, "netns", space)
	defer func() { _ = exec.Command("ip", "link", "del", near).Run() }()
	run("addr", "add", "198.18.77.1/24", "dev", near)
	run("link", "set", near, "up")
	run("-n", space, "addr", "add", "198.18.77.2/24", "dev", far)
	run("-n", space, "addr", "add", "198.18.77.3/24", "dev", far)
	run("-n", space, "link", "set", far, "up")

	tab := table(t, 1)
	ours, to := even(t, "198.18.77.1"), even(t, "198.18.77.1")
	child := exec.Command("ip", "netns", "exec", space, os.Args[0], "-test.run=TestPeers", "-test.v")
	child.Env = append(os.Environ(), "BPF_PEERS=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stdin.Close(); _ = child.Wait() }()
	lines := bufio.NewScanner(stdout)
	answer := func(word string) string {
		for lines.Scan() {
			if s, ok := strings.CutPrefix(lines.Text(), word+" "); ok {
				return s
			}
		}
		t.Fatalf("the peers did not say %q", word)
		return ""
	}
	a, b := netip.MustParseAddrPort(answer("a")), netip.MustParseAddrPort(answer("b"))
	in, ok := tab.Hop(a.Addr(), time.Now())
	out, ok2 := tab.Hop(b.Addr(), time.Now())
	if !ok || !ok2 || !Through(in, out) || in.Source != addr(ours).Addr() {
		t.Fatalf("%+v %v, %+v %v", in, ok, out, ok2)
	}
	if local, ok := tab.Hop(loopback, time.Now()); !ok || Through(in, local) {
		t.Error("from an interface to ourselves")
	}
	f := tab.Flow(addr(ours).Port())
	f.Open(&Path{
		Peer: a, Local: addr(ours), From: addr(to), To: b, In: in, Out: out, SSRC: 1, NewSSRC: 2, PT: 8, NewPT: 9,
		Seq: 100, SeqShift: 1000, TS: 16000, TSShift: 5, Step: 160, StepTime: 20 * time.Millisecond, Length: 160, Last: Now(), Ring: -1,
	})
	fmt.Fprintln(stdin, addr(ours))
	for i := range 20 {
		want := fmt.Sprintf("%v %x", addr(to), rtp(9, 1100+uint16(i), 16005+160*uint32(i), 2, make([]byte, 160)))
		if got := answer("heard"); got != want {
			t.Fatalf("packet %d: %s\nwant %s", i, got, want)
		}
	}
	if n := f.Close().Packets; n != 20 {
		t.Errorf("took %d", n)
	}
	if got, _ := read(t, ours, 10*time.Millisecond); got != "" {
		t.Error("the socket got one as well")
	}
}

// TestPeers is the other end of TestInterfaces.
func TestPeers(t *testing.T) {
	if os.Getenv("BPF_PEERS") == "" {
		t.Skip("only for TestInterfaces")
	}
	a, b := even(t, "198.18.77.2"), even(t, "198.18.77.3")
	fmt.Printf("\na %v\nb %v\n", addr(a), addr(b))
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	ours := netip.MustParseAddrPort(strings.TrimSpace(line))
	for i := range 20 {
		if _, err := a.WriteToUDPAddrPort(rtp(8, 100+uint16(i), 16000+160*uint32(i), 1, make([]byte, 160)), ours); err != nil {
			t.Fatal(err)
		}
		got, from := read(t, b, time.Second) // with a wrong checksum it does not come
		fmt.Printf("heard %v %x\n", from, got)
	}
}
