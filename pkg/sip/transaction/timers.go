// Package transaction is the four transaction machines of RFC 3261 17 with the
// states of RFC 6026, pure and small: an input goes in, a Result of actions and
// timers comes out. It holds no message, socket, clock or goroutine; the owner
// in pkg/sip keeps the bytes to send again and the heap of timers.
package transaction

import "time"

// Timers are the base values of RFC 3261 17.1.1.1, from which all others are
// made. A zero field means its default.
type Timers struct {
	T1 time.Duration // round trip estimate, 500 ms
	T2 time.Duration // longest retransmission interval, 4 s
	T4 time.Duration // how long a message lives in the network, 5 s
	D  time.Duration // INVITE client waits for repeated finals over UDP, 32 s
}

// WithDefaults fills zero and negative fields with the values of RFC 3261.
func (t Timers) WithDefaults() Timers {
	if t.T1 <= 0 {
		t.T1 = 500 * time.Millisecond
	}
	if t.T2 <= 0 {
		t.T2 = 4 * time.Second
	}
	if t.T4 <= 0 {
		t.T4 = 5 * time.Second
	}
	if t.D <= 0 {
		t.D = 32 * time.Second
	}
	return t
}

// Life is 64*T1: timers B, F, H, J, L and M.
func (t Timers) Life() time.Duration { return 64 * t.T1 }
