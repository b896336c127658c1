package overload

import (
	"testing"
	"time"
)

var t0 = time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)

// A model of a node: one owner that carries `capacity` calls a second, a refusal
// costs a hundredth of a call. offered calls a second arrive for each second of
// the list. It returns what was carried in each second.
func model(c *Control, capacity float64, offered []int) (carried []int, worst time.Duration) {
	type job struct{ at time.Time }
	var queue []job
	now := t0
	busy := now
	cost := time.Duration(float64(time.Second) / capacity)
	for _, rate := range offered {
		done := 0
		for i := range rate {
			at := now.Add(time.Duration(i) * time.Second / time.Duration(rate))
			queue = append(queue, job{at})
			for len(queue) > 0 && busy.Before(at) {
				j := queue[0]
				queue = queue[1:]
				if busy.Before(j.at) {
					busy = j.at
				}
				wait := busy.Sub(j.at)
				worst = max(worst, wait)
				c.Waited(busy, wait)
				if c.Admit(busy, Call) {
					busy = busy.Add(cost)
					done++
				} else {
					busy = busy.Add(cost / 100)
				}
			}
		}
		now = now.Add(time.Second)
		carried = append(carried, done)
	}
	return carried, worst
}

func TestThreeTimesTheLoad(t *testing.T) {
	c := New(Config{})
	offered := make([]int, 40)
	for i := range offered {
		offered[i] = 900
	}
	carried, worst := model(c, 300, offered)
	for i, n := range carried[5:] {
		if n < 270 || n > 303 {
			t.Errorf("second %d: %d carried of 300 possible", i+5, n)
		}
	}
	if worst > 2*time.Second {
		t.Errorf("somebody waited %s", worst)
	}
}

func TestNoRefusalBelowCapacity(t *testing.T) {
	c := New(Config{})
	carried, _ := model(c, 300, []int{150, 280, 290, 100, 290})
	sum := 0
	for _, n := range carried {
		sum += n
	}
	if c.Share() != 0 || sum < 1105 {
		t.Errorf("carried %v, share %v", carried, c.Share())
	}
}

func TestBurstIsNoOverload(t *testing.T) {
	c := New(Config{})
	now := t0
	// 80 ms of work at once, then nothing waits: the queue empties in the interval.
	for i := range 80 {
		c.Waited(now.Add(time.Duration(i)*time.Millisecond), time.Duration(i)*time.Millisecond)
	}
	c.Waited(now.Add(99*time.Millisecond), 0)
	if !c.Admit(now.Add(101*time.Millisecond), Call) || c.Share() != 0 {
		t.Error("a burst was taken for overload")
	}
}

func TestRecovery(t *testing.T) {
	c := New(Config{})
	model(c, 100, []int{1000, 1000, 1000, 1000})
	if c.Share() < 0.7 {
		t.Fatalf("share %v at ten times the load", c.Share())
	}
	now := t0.Add(5 * time.Second)
	for i := range 200 {
		c.Waited(now.Add(time.Duration(i)*100*time.Millisecond), 0)
	}
	if c.Share() != 0 {
		t.Errorf("share %v twenty quiet seconds later", c.Share())
	}
	// Silence heals as well: nobody calls, nothing is measured.
	model(c, 100, []int{1000, 1000})
	if !c.Admit(now.Add(time.Hour), Call) || c.Share() != 0 {
		t.Errorf("share %v after an hour of silence", c.Share())
	}
}

func TestRegistrationsLast(t *testing.T) {
	c := New(Config{})
	now := t0
	firstCall, firstRegister := -1, -1
	for i := range 40 {
		now = now.Add(110 * time.Millisecond)
		c.Waited(now, 200*time.Millisecond)
		if firstCall < 0 && c.calls > 0 {
			firstCall = i
		}
		if firstRegister < 0 && c.register > 0 {
			firstRegister = i
		}
	}
	if firstCall < 0 || firstRegister <= firstCall {
		t.Errorf("calls refused from %d, registrations from %d", firstCall, firstRegister)
	}
	if c.calls > maxShare || c.register > maxShare {
		t.Error("nobody gets through to see that it is over")
	}
}

func TestCPU(t *testing.T) {
	c := New(Config{MaxCPU: 0.9})
	now := t0
	interval := func(wait time.Duration) {
		c.CPU(0.99)
		for range 5 {
			now = now.Add(25 * time.Millisecond)
			c.Waited(now, wait)
		}
	}
	for range 5 {
		interval(0)
	}
	if c.Share() != 0 {
		t.Error("a CPU in full use is taken for overload though nobody waits")
	}
	for range 5 {
		interval(4 * time.Millisecond)
	}
	if c.Share() == 0 {
		t.Error("a full CPU that is waited for is no overload")
	}
}

func TestHiccup(t *testing.T) {
	c := New(Config{})
	for i := range 100 {
		c.Waited(t0.Add(time.Duration(i)*110*time.Millisecond), 30*time.Millisecond)
	}
	if c.Share() != 0 {
		t.Error("one late message in each interval is taken for a queue")
	}
}
