package load

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what /proc tells of a process.
type Usage struct {
	CPU time.Duration // user and system time of all threads
	RSS int64         // bytes resident
}

// clockTick is USER_HZ, which Linux fixes at 100 towards user space.
const clockTick = 10 * time.Millisecond

// ReadUsage reads CPU (in steps of 10 ms) and resident memory of a process.
func ReadUsage(pid int) (Usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Usage{}, fmt.Errorf("load: process %d: %w", pid, err)
	}
	i := bytes.LastIndexByte(stat, ')') // the name may hold spaces
	f := strings.Fields(string(stat[i+1:]))
	if len(f) < 22 {
		return Usage{}, fmt.Errorf("load: /proc/%d/stat has %d fields", pid, len(f))
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	pages, _ := strconv.ParseInt(f[21], 10, 64)
	u := Usage{CPU: time.Duration(user+system) * clockTick, RSS: pages * int64(os.Getpagesize())}
	return u, nil
}

// FindProcess returns the id of the one process whose command line holds all
// words of command.
func FindProcess(command string) (int, error) {
	words := strings.Fields(command)
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(words) == 0 {
		return 0, fmt.Errorf("load: no command given")
	}
	var found []int
	for _, name := range files {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		b, err := os.ReadFile(name)
		if err != nil || pid == os.Getpid() || pid == os.Getppid() {
			continue
		}
		line := strings.ReplaceAll(string(b), "\x00", " ")
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			found = append(found, pid)
		}
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("load: %d processes match %q (%v); want one, or give its id", len(found), command, found)
	}
	return found[0], nil
}
