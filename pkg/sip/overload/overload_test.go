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
	if c.Limited(Call) || sum < 1105 {
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
	if !c.Admit(now.Add(101*time.Millisecond), Call) || c.Limited(Call) {
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
	if c.Limited(Call) {
		t.Error("refusing still, twenty quiet seconds later")
	}
	// Silence heals as well: nobody calls, nothing is measured.
	model(c, 100, []int{1000, 1000})
	if !c.Admit(now.Add(time.Hour), Call) || c.Limited(Call) {
		t.Error("refusing after an hour of silence")
	}
}

func TestRegistrationsLast(t *testing.T) {
	c := New(Config{})
	now := t0
	firstCall, firstRegister := -1, -1
	for i := range 40 {
		now = now.Add(40 * time.Millisecond)
		for k := range 3 {
			c.Waited(now, 200*time.Millisecond)
			c.Admit(now, Kind(k%2))
		}
		if firstCall < 0 && c.Limited(Call) {
			firstCall = i
		}
		if firstRegister < 0 && c.Limited(Register) {
			firstRegister = i
		}
	}
	if firstCall < 0 || firstRegister <= firstCall {
		t.Errorf("calls refused from %d, registrations from %d", firstCall, firstRegister)
	}
	// A few get through at any load, to see when it is over.
	through := 0
	for range 1000 {
		now = now.Add(time.Millisecond)
		c.Waited(now, 300*time.Millisecond)
		if c.Admit(now, Call) {
			through++
		}
	}
	if through == 0 || through > 30 {
		t.Errorf("%d of 1000 got through", through)
	}
}

// However much is offered, the node carries about what it can.
func TestAnyLoad(t *testing.T) {
	for _, times := range []int{2, 3, 5, 10, 30} {
		c := New(Config{})
		offered := make([]int, 20)
		for i := range offered {
			offered[i] = 200 * times
		}
		carried, _ := model(c, 200, offered)
		sum := 0
		for _, n := range carried[5:] {
			sum += n
		}
		// A refusal costs a hundredth: what is left of the node for calls.
		could := 15 * 200 * (1 - float64(times-1)/100)
		if float64(sum) < 0.9*could {
			t.Errorf("at %d times: %d carried in 15 s of %.0f possible", times, sum, could)
		}
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
			c.Admit(now, Call)
		}
	}
	for range 5 {
		interval(0)
	}
	if c.Limited(Call) {
		t.Error("a CPU in full use is taken for overload though nobody waits")
	}
	for range 5 {
		interval(10 * time.Millisecond)
	}
	if !c.Limited(Call) {
		t.Error("a full CPU that is waited for is no overload")
	}
}

func TestHiccup(t *testing.T) {
	c := New(Config{})
	for i := range 100 {
		c.Waited(t0.Add(time.Duration(i)*110*time.Millisecond), 60*time.Millisecond)
	}
	if c.Limited(Call) {
		t.Error("one late message in each interval is taken for a queue")
	}
}
