//go:build linux && bench

package session

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/media/codec"
)

// TestRelayCost measures the CPU of a relayed packet: of this package, as a
// process of its own, and of testdata/relay.c, in turns.
//
//	go test -tags bench -run TestRelayCost -v ./media/session
//
// RELAY_LEGS (default 400; 1000 is 500 calls), RELAY_SECONDS (5), RELAY_TURNS (3).
func TestRelayCost(t *testing.T) {
	legs, seconds, turns := number("RELAY_LEGS", 400), number("RELAY_SECONDS", 5), number("RELAY_TURNS", 3)
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	c := filepath.Join(t.TempDir(), "relay")
	if out, err := exec.Command("cc", "-O2", "-o", c, "testdata/relay.c").CombinedOutput(); err != nil {
		t.Skipf("no C compiler: %v %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var figures [2][]sample
	for range turns {
		for i, cmd := range []*exec.Cmd{exec.Command(c, strconv.Itoa(legs)), exec.Command(self, "-test.run=TestRelayChild", strconv.Itoa(legs))} {
			cmd.Env = append(os.Environ(), "RELAY_CHILD=1")
			s := measure(t, cmd, legs, time.Duration(seconds)*time.Second)
			t.Logf("%-4s %.2f us a packet, %d of %d packets, delay p50 %v p99 %v", []string{"C", "Go"}[i], s.cost, s.back, s.sent, s.p50, s.p99)
			figures[i] = append(figures[i], s)
		}
	}
	best := func(s []sample) float64 {
		return slices.MinFunc(s, func(a, b sample) int { return int(1e3 * (a.cost - b.cost)) }).cost
	}
	x, y := best(figures[0]), best(figures[1])
	t.Logf("%d calls: C %.2f us, Go %.2f us a packet: %.2f times; %.2f ms a call-second", legs/2, x, y, y/x, y/10)
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

type sample struct {
	cost       float64 // CPU us of the relay for each packet sent to it
	sent, back int
	p50, p99   time.Duration
}

// measure runs one relay and 50 packets a second on each of its legs.
func measure(t *testing.T, cmd *exec.Cmd, legs int, d time.Duration) sample {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stdin.Close(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(stdout)
	fds := make([]int, legs)
	var ports strings.Builder
	for i := range fds {
		if !lines.Scan() {
			t.Fatal("the relay said too little")
		}
		port, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&ports, name.(*unix.SockaddrInet4).Port)
		fds[i] = fd
	}
	if _, err := stdin.Write([]byte(ports.String())); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the relay said %q", lines.Text())
	}
	var s sample
	var delays []time.Duration
	b := make([]byte, 172)
	in := make([]byte, 1500)
	read := func(fd int, now time.Time) {
		for {
			n, err := unix.Read(fd, in)
			if err != nil || n < 12 {
				return
			}
			s.back++
			delays = append(delays, time.Duration(now.UnixNano()-int64(binary.BigEndian.Uint64(in[12:]))))
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	turn := func(n int, pace time.Time) {
		// A twentieth of the legs each millisecond; what came back is read a
		// millisecond later, at the earliest.
		for ms := range 20 {
			time.Sleep(time.Until(pace.Add(time.Duration(ms) * time.Millisecond)))
			for i := ms; i < legs; i += 20 {
				now := time.Now()
				b[0], b[1] = 0x80, 8
				binary.BigEndian.PutUint16(b[2:], uint16(n))
				binary.BigEndian.PutUint32(b[4:], uint32(n*160))
				binary.BigEndian.PutUint32(b[8:], uint32(i))
				binary.BigEndian.PutUint64(b[12:], uint64(now.UnixNano()))
				if _, err := unix.Write(fds[i], b); err == nil {
					s.sent++
				}
			}
			if peek := os.Getenv("RELAY_DELAY"); peek != "" { // spins: costs the machine, not the relay
				for end := pace.Add(time.Duration(ms+1)*time.Millisecond - 100*time.Microsecond); time.Now().Before(end); {
					for i := ms; i < legs; i += 20 {
						read(fds[i^1], time.Now())
					}
				}
			} else {
				for i := (ms + 19) % 20; i < legs; i += 20 {
					read(fds[i], time.Now())
				}
			}
		}
	}
	pace := time.Now()
	n := 0
	for range 25 { // warm
		turn(n, pace)
		n++
		pace = pace.Add(20 * time.Millisecond)
	}
	s = sample{}
	delays = delays[:0]
	before := cpu(t, cmd.Process.Pid)
	for range d / (20 * time.Millisecond) {
		turn(n, pace)
		n++
		pace = pace.Add(20 * time.Millisecond)
	}
	s.cost = float64(cpu(t, cmd.Process.Pid)-before) / 1e3 / float64(s.sent)
	if len(delays) > 0 {
		slices.Sort(delays)
		s.p50, s.p99 = delays[len(delays)/2], delays[len(delays)*99/100]
	}
	return s
}

// cpu is the time that all threads of a process have run.
func cpu(t *testing.T, pid int) (ns int64) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		t.Fatal("no schedstat")
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		v, _, _ := strings.Cut(string(raw), " ")
		n, _ := strconv.ParseInt(v, 10, 64)
		ns += n
	}
	return ns
}

// TestRelayChild is the relay of TestRelayCost, in a process of its own.
func TestRelayChild(t *testing.T) {
	if os.Getenv("RELAY_CHILD") == "" {
		t.Skip("only for TestRelayCost")
	}
	n, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{BindIP: loopback, PortMin: 10000, PortMax: 30000, Workers: number("RELAY_WORKERS", 0), IO: IO(os.Getenv("RELAY_IO"))})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(os.Stdout)
	legs := make([]*Leg, n)
	for i := range legs {
		legs[i] = openLeg(t, e, LegOptions{Group: uint64(i / 2)})
		fmt.Fprintln(out, legs[i].Addr().Port())
	}
	out.Flush()
	in := bufio.NewScanner(os.Stdin)
	for _, l := range legs {
		in.Scan()
		port, _ := strconv.Atoi(in.Text())
		l.Set(Params{Remote: netip.AddrPortFrom(loopback, uint16(port)), Law: codec.PCMA, SendPT: 8, RecvPT: 8, Send: true, Recv: true})
	}
	for i := 0; i < n; i += 2 {
		legs[i].Bridge(legs[i+1])
		statsOf(legs[i])
	}
	fmt.Println("ready")
	if name := os.Getenv("RELAY_PROFILE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			t.Fatal(err)
		}
		defer pprof.StopCPUProfile()
	}
	in.Scan()
	_ = e.Stop(context.Background())
}
