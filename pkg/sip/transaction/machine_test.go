package transaction

import (
	"testing"
	"time"
)

var rfc = Timers{}.WithDefaults()

// send runs a machine alone until it is done and lists when it transmits.
func send(m *Machine, in Input) (at []time.Duration, end time.Duration, last Action) {
	var now, again, dead time.Duration
	step := func(in Input) {
		r := m.Step(in, &rfc)
		if r.Do&Transmit != 0 {
			at = append(at, now)
		}
		set := func(t *time.Duration, d time.Duration) {
			if d > 0 {
				*t = now + d
			} else if d < 0 {
				*t = 0
			}
		}
		set(&again, r.Retransmit)
		set(&dead, r.Deadline)
		last = r.Do
	}
	for step(in); last&Done == 0; {
		switch {
		case again > 0 && (dead == 0 || again < dead):
			now = again
			step(Retransmit)
		case dead > 0:
			now = dead
			step(Deadline)
		default:
			return at, now, last
		}
	}
	return at, now, last
}

func ms(v ...int) (out []time.Duration) {
	for _, x := range v {
		out = append(out, time.Duration(x)*time.Millisecond)
	}
	return out
}

func TestSchedules(t *testing.T) {
	for _, tc := range []struct {
		name     string
		kind     Kind
		reliable bool
		before   []Input
		in       Input
		at       []time.Duration
		end      time.Duration
		do       Action
	}{
		{"timer A and B", InviteClient, false, nil, Start, ms(0, 500, 1500, 3500, 7500, 15500, 31500), 32 * time.Second, TimedOut | Done},
		{"timer B over TCP", InviteClient, true, nil, Start, ms(0), 32 * time.Second, TimedOut | Done},
		{"timer E and F", OtherClient, false, nil, Start, ms(0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500), 32 * time.Second, TimedOut | Done},
		{"timer D", InviteClient, false, []Input{Start}, RecvFailure, nil, 32 * time.Second, Done},
		{"timer D over TCP", InviteClient, true, []Input{Start}, RecvFailure, nil, 0, SendAck | Pass | Done},
		{"timer M", InviteClient, true, []Input{Start, RecvProvisional}, RecvSuccess, nil, 32 * time.Second, Done},
		{"timer K", OtherClient, false, []Input{Start}, RecvSuccess, nil, 5 * time.Second, Done},
		{"timer G and H", InviteServer, false, nil, SendFailure, ms(0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500), 32 * time.Second, TimedOut | Done},
		{"timer H over TCP", InviteServer, true, nil, SendFailure, ms(0), 32 * time.Second, TimedOut | Done},
		{"timer I", InviteServer, false, []Input{SendFailure}, Ack, nil, 5 * time.Second, Done},
		{"timer L", InviteServer, false, []Input{SendProvisional}, SendSuccess, ms(0), 32 * time.Second, Done},
		{"timer J", OtherServer, false, nil, SendSuccess, ms(0), 32 * time.Second, Done},
		{"timer J over TCP", OtherServer, true, nil, SendSuccess, ms(0), 0, Transmit | Done},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := New(tc.kind, tc.reliable)
			for _, in := range tc.before {
				m.Step(in, &rfc)
			}
			at, end, do := send(&m, tc.in)
			if len(at) != len(tc.at) || end != tc.end || do != tc.do || m.State != Terminated {
				t.Fatalf("sent %v, ended %v with %b in %v; want %v, %v, %b", at, end, do, m.State, tc.at, tc.end, tc.do)
			}
			for i := range at {
				if at[i] != tc.at[i] {
					t.Errorf("sent at %v, want %v", at, tc.at)
				}
			}
		})
	}
}

// RFC 6026: after a 2xx the INVITE again is absorbed, its ACK and each 2xx passed.
func TestAccepted(t *testing.T) {
	m := New(InviteServer, false)
	m.Step(SendSuccess, &rfc)
	if r := m.Step(Again, &rfc); r.Do != 0 || m.State != Accepted {
		t.Errorf("INVITE again: %b in %v", r.Do, m.State)
	}
	if r := m.Step(Ack, &rfc); r.Do != Pass {
		t.Errorf("ACK: %b", r.Do)
	}
	if r := m.Step(SendFailure, &rfc); r.Do != 0 || m.State != Accepted {
		t.Errorf("a second final: %b in %v", r.Do, m.State)
	}
	c := New(InviteClient, false)
	c.Step(Start, &rfc)
	for range 3 {
		if r := c.Step(RecvSuccess, &rfc); r.Do != Pass {
			t.Errorf("2xx: %b", r.Do)
		}
	}
	if r := c.Step(RecvFailure, &rfc); r.Do != 0 {
		t.Errorf("a failure after success: %b", r.Do)
	}
}

// No input in any order may bring a machine back to life, start a timer in the
// past, or leave a state with neither timer nor the user's duty to go on.
func FuzzMachine(f *testing.F) {
	f.Add(uint8(0), false, []byte{0, 1, 3, 3, 10})
	f.Add(uint8(2), true, []byte{6, 8, 5, 10})
	f.Fuzz(func(t *testing.T, kind uint8, reliable bool, in []byte) {
		m := New(Kind(kind%uint8(numKinds)), reliable)
		deadline := false
		for _, b := range in {
			was := m.State
			r := m.Step(Input(b%uint8(numInputs+1)), &rfc)
			if was == Terminated && (m.State != Terminated || r != Result{}) {
				t.Fatalf("alive again: %v %+v", m.State, r)
			}
			if (m.State == Terminated) != (r.Do&Done != 0) && was != Terminated {
				t.Fatalf("%v and %b", m.State, r.Do)
			}
			if r.Deadline != 0 {
				deadline = r.Deadline > 0
			}
			if m.Final() && m.State != Terminated && !deadline {
				t.Fatalf("%v for ever", m.State)
			}
		}
	})
}
