//go:build linux && bench

package session

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
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
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/record"
)

// TestRelayCost measures the CPU of a relayed packet: of this package in each of its
// ways, as a process of its own, and of testdata/relay.c and relay_uring.c, in turns.
// What the kernel does for a packet in the generator's system call is not the
// relay's; the machine's figure has it all.
//
//	go test -tags bench -run TestRelayCost -v ./media/session
//
// RELAY_LEGS (default 400; 1000 is 500 calls), RELAY_SECONDS (5), RELAY_TURNS (3),
// RELAY_JSON (a file for the figures), RELAY_ONLY ("C epoll,ours bpf"), RELAY_PROFILE
// (a file for the CPU profile of ours).
func TestRelayCost(t *testing.T) {
	legs, seconds, turns := number("RELAY_LEGS", 400), number("RELAY_SECONDS", 5), number("RELAY_TURNS", 3)
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	type variant struct {
		name    string
		program string
		args    []string
		env     []string
		best    relayFigure
		whole   bool // best lost nothing
	}
	var variants []*variant
	for _, name := range []string{"relay", "relay_uring"} {
		program := filepath.Join(t.TempDir(), name)
		if out, err := exec.Command("cc", "-O2", "-o", program, "testdata/"+name+".c").CombinedOutput(); err != nil {
			t.Logf("%s.c cannot be compiled: %v %s", name, err, out)
			continue
		}
		variants = append(variants, &variant{name: map[string]string{"relay": "C epoll", "relay_uring": "C io_uring"}[name], program: program})
	}
	for _, way := range possible(t) {
		for _, recorded := range []string{"", "1"} {
			v := &variant{name: "ours " + string(way), program: self, args: []string{"-test.run=TestRelayChild"}, env: []string{"RELAY_IO=" + string(way), "RELAY_RECORD=" + recorded}}
			if recorded != "" {
				v.name += ", recorded"
			}
			variants = append(variants, v)
		}
	}
	if only := os.Getenv("RELAY_ONLY"); only != "" {
		variants = slices.DeleteFunc(variants, func(v *variant) bool { return !strings.Contains(","+only+",", ","+v.name+",") })
	}
	for range turns {
		for _, v := range variants {
			cmd := exec.Command(v.program, append(v.args, strconv.Itoa(legs))...)
			cmd.Env = append(append(os.Environ(), "RELAY_CHILD=1"), v.env...)
			s, err := measure(t, cmd, legs, time.Duration(seconds)*time.Second)
			if err != nil {
				t.Logf("%s: %v", v.name, err)
				continue
			}
			t.Logf("%-22s %5.2f us a packet, machine %5.2f, %d of %d packets, delay p50 %v p99 %v, %d kB a call", v.name, s.Cost, s.Machine, s.Back, s.Sent, s.P50, s.P99, s.Memory/1000)
			// A relay that loses packets, for the machine is busy, does not pay for them.
			whole := s.Back >= s.Sent*99/100
			if v.best.Cost == 0 || whole && (!v.whole || s.Cost < v.best.Cost) || !v.whole && s.Cost < v.best.Cost {
				v.whole = whole
				v.best = s
			}
		}
	}
	figures := map[string]relayFigure{}
	for _, v := range variants {
		if v.best.Cost == 0 {
			continue
		}
		figures[v.name] = v.best
		t.Logf("%d calls, least of %d: %-22s %5.2f us a packet (%.2f of %s), machine %5.2f; %.3f ms a call-second", legs/2, turns,
			v.name, v.best.Cost, v.best.Cost/variants[0].best.Cost, variants[0].name, v.best.Machine, v.best.Cost/10)
	}
	if name := os.Getenv("RELAY_JSON"); name != "" {
		raw, err := json.Marshal(figures)
		if err == nil {
			err = os.WriteFile(name, raw, 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

type relayFigure struct {
	Cost       float64 // CPU us of the relay for each packet that it relayed
	Machine    float64 // of the relay and the generator
	Sent, Back int
	P50, P99   time.Duration // from send to arrival, the generator's own system call included
	Memory     int64         // octets a call
}

// measure runs one relay and 50 packets a second on each of its legs.
func measure(t *testing.T, cmd *exec.Cmd, legs int, d time.Duration) (s relayFigure, err error) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return s, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return s, err
	}
	defer func() { stdin.Close(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(stdout)
	if cmd.Args[1] != strconv.Itoa(legs) { // ours: what it has before the first call
		for lines.Scan() && lines.Text() != "empty" {
		}
	}
	empty := rss(cmd.Process.Pid)
	fds := make([]int, legs)
	var ports strings.Builder
	for i := range fds {
		if !lines.Scan() {
			return s, errors.New("the relay said too little")
		}
		port, err := strconv.Atoi(lines.Text())
		if err != nil {
			return s, fmt.Errorf("the relay said %q", lines.Text())
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
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
		return s, err
	}
	if !lines.Scan() || lines.Text() != "ready" {
		return s, fmt.Errorf("the relay said %q", lines.Text())
	}
	delays := make([]time.Duration, 0, legs*int(d/(20*time.Millisecond)))
	b := make([]byte, 172)
	in := make([]byte, 1500)
	control := make([]byte, 64)
	iov := unix.Iovec{Base: &in[0], Len: uint64(len(in))}
	header := unix.Msghdr{Iov: &iov, Iovlen: 1, Control: &control[0]}
	read := func(fd int) {
		for {
			header.Controllen = uint64(len(control))
			n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&header)), 0)
			if errno != 0 || n < 20 {
				return
			}
			s.Back++
			at := (*unix.Timespec)(unsafe.Pointer(&control[unix.SizeofCmsghdr])) // the only message there is
			delays = append(delays, time.Duration(at.Nano()-int64(binary.BigEndian.Uint64(in[12:]))))
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
				b[0], b[1] = 0x80, 8
				binary.BigEndian.PutUint16(b[2:], uint16(n))
				binary.BigEndian.PutUint32(b[4:], uint32(n*160))
				binary.BigEndian.PutUint32(b[8:], uint32(i))
				binary.BigEndian.PutUint64(b[12:], uint64(time.Now().UnixNano()))
				if _, err := unix.Write(fds[i], b); err == nil {
					s.Sent++
				}
			}
			for i := (ms + 19) % 20; i < legs; i += 20 {
				read(fds[i^1])
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
	s = relayFigure{}
	delays = delays[:0]
	before, own := cpu(t, cmd.Process.Pid), self(t)
	for range d / (20 * time.Millisecond) {
		turn(n, pace)
		n++
		pace = pace.Add(20 * time.Millisecond)
	}
	relay := float64(cpu(t, cmd.Process.Pid) - before)
	done := float64(max(s.Back, 1)) // a machine that others use loses some before the relay sees them
	s.Cost = relay / 1e3 / done
	s.Machine = (relay + float64(self(t)-own)) / 1e3 / done
	s.Memory = (rss(cmd.Process.Pid) - empty) / int64(legs/2)
	if len(delays) > 0 {
		slices.Sort(delays)
		s.P50, s.P99 = delays[len(delays)/2], delays[len(delays)*99/100]
	}
	return s, nil
}

// self is the CPU of this process.
func self(t *testing.T) int64 { return cpu(t, os.Getpid()) }

// rss is the memory of a process in octets.
func rss(pid int) int64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if f := strings.Fields(string(raw)); len(f) > 1 {
		n, _ := strconv.ParseInt(f[1], 10, 64)
		return n * int64(os.Getpagesize())
	}
	return 0
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
	fmt.Fprintln(out, "empty")
	out.Flush()
	time.Sleep(100 * time.Millisecond) // the parent looks at the memory
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
	if os.Getenv("RELAY_RECORD") != "" {
		rw, err := record.NewWriter(record.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if err := rw.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		defer rw.Stop(context.Background()) //nolint:errcheck // the test is over
		for i := 0; i < n; i += 2 {
			rec, err := rw.Open(fmt.Sprintf("%d.wav", i), codec.PCMA, nil)
			if err != nil {
				t.Fatal(err)
			}
			legs[i].Record(rec, record.Left)
			legs[i+1].Record(rec, record.Right)
		}
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
