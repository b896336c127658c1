package archive

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// After turn of work the worker rests three times as long: a quarter of one CPU.
	turn = 20 * time.Millisecond
	rest = 3
	// The machine is short of CPU when less than this share of it was idle in the
	// last second or so.
	leastIdle = 0.25
	askEvery  = time.Second
)

// breath paces the work. A thread of low priority would not do: while the kernel
// lets it wait, it holds a processor of the Go runtime.
type breath struct {
	idle func() (idle, all uint64, ok bool)

	began     time.Time // of this turn of work
	asked     time.Time
	last, sum uint64
}

func newBreath(idle func() (uint64, uint64, bool)) *breath { return &breath{idle: idle} }

// take rests when it is time to, as long as the machine is short of CPU, and
// returns the error of ctx.
func (b *breath) take(ctx context.Context) error {
	now := time.Now()
	switch worked := now.Sub(b.began); {
	case b.began.IsZero() || worked > time.Minute: // it was not working before
		b.began = now
	case worked >= turn:
		if err := sleep(ctx, rest*min(worked, time.Second)); err != nil {
			return err
		}
		b.began = time.Now()
	}
	for b.short(time.Now()) {
		if err := sleep(ctx, askEvery); err != nil {
			return err
		}
		b.began = time.Now()
	}
	return ctx.Err()
}

// short asks once a second how idle the machine was since the last time.
func (b *breath) short(now time.Time) bool {
	if d := now.Sub(b.asked); d < askEvery {
		return false
	}
	idle, all, ok := b.idle()
	if !ok {
		return false // a system that does not tell: the turns alone bound us
	}
	first := b.sum == 0 || now.Sub(b.asked) > 10*askEvery // an old reading says nothing of now
	spare := 0.0
	if idle > b.last && all > b.sum { // proc_stat(5): iowait may fall
		spare = float64(idle-b.last) / float64(all-b.sum)
	}
	b.asked, b.last, b.sum = now, idle, all
	return first || spare < leastIdle
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// readIdle reads the first line of /proc/stat (proc_stat(5)): user nice system
// idle iowait irq softirq steal, in ticks of all CPUs.
func readIdle() (idle, all uint64, ok bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, false
	}
	for i, f := range fields[1:9] {
		v, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		all += v
		if i == 3 || i == 4 {
			idle += v
		}
	}
	return idle, all, true
}
