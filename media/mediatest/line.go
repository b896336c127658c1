// Package mediatest helps tests of media: a bad line on virtual time. It opens no
// socket, starts no goroutine and draws no time or randomness of its own, so that a
// line behaves the same in every run of the same seed.
package mediatest

import (
	"math/rand/v2"
	"time"
)

// Line is a network between a sender and a receiver. The fields may be changed at any
// moment; they hold for what is sent from then on.
type Line struct {
	// Delay is what every packet takes; Jitter is spread evenly on top of it.
	Delay, Jitter time.Duration
	// Loss, Copies and Swaps are shares of the packets, 0-1: lost, doubled (the copy
	// comes 10 ms later), and held back behind those that follow, by Hold.
	Loss, Copies, Swaps float64
	Hold                time.Duration // default 40 ms
	// Burst is how many packets are lost at a time; default 1. The share stays Loss.
	Burst int

	rng    *rand.Rand
	flying []packet
	losing int
	number uint64

	// What was done so far.
	Sent, Lost, Copied, Swapped int
}

type packet struct {
	at     time.Time
	number uint64
	b      []byte
}

// NewLine makes a line whose dice are thrown from seed. It is perfect until its
// fields are set.
func NewLine(seed uint64) *Line { return &Line{rng: rand.New(rand.NewPCG(seed, 0xBAD))} }

// Send puts a packet on its way at now. b is kept.
func (l *Line) Send(now time.Time, b []byte) {
	l.Sent++
	burst := max(l.Burst, 1)
	if l.losing == 0 && l.rng.Float64() < l.Loss/(float64(burst)-l.Loss*float64(burst-1)) {
		l.losing = burst
	}
	if l.losing > 0 {
		l.losing--
		l.Lost++
		return
	}
	at := now.Add(l.Delay + time.Duration(l.rng.Float64()*float64(l.Jitter)))
	if l.rng.Float64() < l.Swaps {
		hold := l.Hold
		if hold == 0 {
			hold = 40 * time.Millisecond
		}
		at = at.Add(hold)
		l.Swapped++
	}
	l.add(at, b)
	if l.rng.Float64() < l.Copies {
		l.Copied++
		l.add(at.Add(10*time.Millisecond), append([]byte(nil), b...))
	}
}

// add keeps the order of arrival; packets of one moment keep theirs.
func (l *Line) add(at time.Time, b []byte) {
	l.number++
	p := packet{at, l.number, b}
	i := len(l.flying)
	l.flying = append(l.flying, p)
	for ; i > 0 && l.flying[i-1].at.After(at); i-- {
		l.flying[i] = l.flying[i-1]
	}
	l.flying[i] = p
}

// Deliver gives f each packet that has arrived by now, in the order of arrival.
func (l *Line) Deliver(now time.Time, f func(at time.Time, b []byte)) {
	n := 0
	for n < len(l.flying) && !l.flying[n].at.After(now) {
		f(l.flying[n].at, l.flying[n].b)
		n++
	}
	l.flying = append(l.flying[:0], l.flying[n:]...)
}
