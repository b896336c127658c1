package transaction

import "time"

// Kind is one of the four machines.
type Kind uint8

// The machines of RFC 3261 17.1.1, 17.1.2, 17.2.1 and 17.2.2.
const (
	InviteClient Kind = iota
	OtherClient
	InviteServer
	OtherServer
	numKinds
)

// State of a transaction. Not every machine knows every state.
type State uint8

// The states, named as in the figures of RFC 3261 17 and RFC 6026 7 (Accepted).
const (
	Calling    State = iota // INVITE client: request sent
	Trying                  // other: request sent, or received and unanswered
	Proceeding              // a provisional came or was sent (INVITE server: from the start)
	Completed               // a final other than 2xx to INVITE
	Confirmed               // INVITE server: its ACK came
	Accepted                // RFC 6026: a 2xx to INVITE
	Terminated
	numStates
)

var stateNames = [numStates]string{"calling", "trying", "proceeding", "completed", "confirmed", "accepted", "terminated"}

// String is the state's name for logs.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "unknown"
}

// Input is what can happen to a transaction.
type Input uint8

// The inputs. Client machines never see Again, Ack and Send*, server machines
// never Start and Recv*.
const (
	Start           Input = iota // client: send the request
	RecvProvisional              // 1xx
	RecvSuccess                  // 2xx
	RecvFailure                  // 300..699
	Again                        // server: the request came again
	Ack                          // INVITE server: an ACK of this transaction
	SendProvisional              // the user answers 1xx
	SendSuccess                  // the user answers 2xx
	SendFailure                  // the user answers 300..699
	Retransmit                   // timer A, E or G fired
	Deadline                     // timer B, D, F, H, I, J, K, L or M fired
	TransportFailed              // the transport cannot carry the message
	numInputs
)

// Action is a set of things to do, in the order of the constants.
type Action uint8

// The actions.
const (
	Transmit    Action = 1 << iota // send the stored message (again)
	SendAck                        // INVITE client: send the ACK of a non-2xx
	Pass                           // hand the message to the user
	TimedOut                       // tell the user: no final answer, or no ACK
	Unreachable                    // tell the user: the transport failed
	Done                           // forget the transaction
)

// Result is what one Step asks for. Of each timer there is at most one.
type Result struct {
	Do         Action
	Retransmit time.Duration // > 0: (re)start timer A, E or G; < 0: stop it; 0: leave it
	Deadline   time.Duration // the same for the other timer
}

// rule says how a row sets a timer.
type rule uint8

const (
	keep     rule = iota
	stop          // no timer
	atT1          // T1 over an unreliable transport, no timer over a reliable one
	double        // timer A: twice the last, unbounded (17.1.1.2)
	doubleT2      // timers E, G: twice the last, at most T2 (17.1.2.2, 17.2.1)
	atT2          // timer E once a provisional came (17.1.2.2)
	life          // 64*T1
	lifeU         // 64*T1 over UDP, at once over TCP (timer J)
	atD           // timer D: 32 s over UDP, at once over TCP
	atT4          // timers I, K: T4 over UDP, at once over TCP
)

// row is one arrow of the figures.
type row struct {
	kind       Kind
	from       State
	in         Input
	to         State
	do         Action
	retransmit rule
	deadline   rule
}

// rows are figures 5 to 8 of RFC 3261 as changed by RFC 6026. What is not
// listed is ignored: it is a late or repeated message, absorbed in that state.
var rows = []row{
	// Figure 5 with RFC 6026 7.2: INVITE client.
	{InviteClient, Calling, Start, Calling, Transmit, atT1, life},
	{InviteClient, Calling, Retransmit, Calling, Transmit, double, keep},
	{InviteClient, Calling, Deadline, Terminated, TimedOut | Done, stop, stop},
	{InviteClient, Calling, TransportFailed, Terminated, Unreachable | Done, stop, stop},
	{InviteClient, Calling, RecvProvisional, Proceeding, Pass, stop, stop},
	{InviteClient, Calling, RecvSuccess, Accepted, Pass, stop, life},
	{InviteClient, Calling, RecvFailure, Completed, SendAck | Pass, stop, atD},
	{InviteClient, Proceeding, RecvProvisional, Proceeding, Pass, keep, keep},
	{InviteClient, Proceeding, RecvSuccess, Accepted, Pass, stop, life},
	{InviteClient, Proceeding, RecvFailure, Completed, SendAck | Pass, stop, atD},
	{InviteClient, Proceeding, TransportFailed, Terminated, Unreachable | Done, stop, stop},
	{InviteClient, Completed, RecvFailure, Completed, SendAck, keep, keep},
	{InviteClient, Completed, Deadline, Terminated, Done, stop, stop},
	{InviteClient, Accepted, RecvSuccess, Accepted, Pass, keep, keep},
	{InviteClient, Accepted, Deadline, Terminated, Done, stop, stop},

	// Figure 6: other client.
	{OtherClient, Trying, Start, Trying, Transmit, atT1, life},
	{OtherClient, Trying, Retransmit, Trying, Transmit, doubleT2, keep},
	{OtherClient, Trying, Deadline, Terminated, TimedOut | Done, stop, stop},
	{OtherClient, Trying, TransportFailed, Terminated, Unreachable | Done, stop, stop},
	{OtherClient, Trying, RecvProvisional, Proceeding, Pass, keep, keep},
	{OtherClient, Trying, RecvSuccess, Completed, Pass, stop, atT4},
	{OtherClient, Trying, RecvFailure, Completed, Pass, stop, atT4},
	{OtherClient, Proceeding, Retransmit, Proceeding, Transmit, atT2, keep},
	{OtherClient, Proceeding, Deadline, Terminated, TimedOut | Done, stop, stop},
	{OtherClient, Proceeding, TransportFailed, Terminated, Unreachable | Done, stop, stop},
	{OtherClient, Proceeding, RecvProvisional, Proceeding, Pass, keep, keep},
	{OtherClient, Proceeding, RecvSuccess, Completed, Pass, stop, atT4},
	{OtherClient, Proceeding, RecvFailure, Completed, Pass, stop, atT4},
	{OtherClient, Completed, Deadline, Terminated, Done, stop, stop},

	// Figure 7 with RFC 6026 7.1: INVITE server. A 2xx is sent again by the
	// dialog, not here, so Accepted absorbs the INVITE without an answer.
	{InviteServer, Proceeding, Again, Proceeding, Transmit, keep, keep},
	{InviteServer, Proceeding, SendProvisional, Proceeding, Transmit, keep, keep},
	{InviteServer, Proceeding, SendSuccess, Accepted, Transmit, stop, life},
	{InviteServer, Proceeding, SendFailure, Completed, Transmit, atT1, life},
	{InviteServer, Completed, Again, Completed, Transmit, keep, keep},
	{InviteServer, Completed, Retransmit, Completed, Transmit, doubleT2, keep},
	{InviteServer, Completed, Ack, Confirmed, 0, stop, atT4},
	{InviteServer, Completed, Deadline, Terminated, TimedOut | Done, stop, stop},
	{InviteServer, Confirmed, Deadline, Terminated, Done, stop, stop},
	{InviteServer, Accepted, SendSuccess, Accepted, Transmit, keep, keep},
	{InviteServer, Accepted, Ack, Accepted, Pass, keep, keep},
	{InviteServer, Accepted, Deadline, Terminated, Done, stop, stop},

	// Figure 8: other server.
	{OtherServer, Trying, SendProvisional, Proceeding, Transmit, keep, keep},
	{OtherServer, Trying, SendSuccess, Completed, Transmit, keep, lifeU},
	{OtherServer, Trying, SendFailure, Completed, Transmit, keep, lifeU},
	{OtherServer, Proceeding, Again, Proceeding, Transmit, keep, keep},
	{OtherServer, Proceeding, SendProvisional, Proceeding, Transmit, keep, keep},
	{OtherServer, Proceeding, SendSuccess, Completed, Transmit, keep, lifeU},
	{OtherServer, Proceeding, SendFailure, Completed, Transmit, keep, lifeU},
	{OtherServer, Completed, Again, Completed, Transmit, keep, keep},
	{OtherServer, Completed, Deadline, Terminated, Done, stop, stop},
}

// table indexes rows; 0 means ignored, else the row's place plus one.
var table = func() (t [numKinds][numStates][numInputs]uint8) {
	for i, r := range rows {
		if t[r.kind][r.from][r.in] != 0 {
			panic("transaction: two rows for one pair")
		}
		t[r.kind][r.from][r.in] = uint8(i + 1)
	}
	return t
}()

// Machine is one transaction, 16 bytes of plain data.
type Machine struct {
	Kind     Kind
	State    State
	Reliable bool          // TCP: nothing is sent twice
	interval time.Duration // last value of timer A, E or G
}

// New returns a machine in its first state. A client's first input is Start.
func New(k Kind, reliable bool) Machine {
	m := Machine{Kind: k, Reliable: reliable}
	switch k {
	case InviteClient:
		m.State = Calling
	case InviteServer:
		m.State = Proceeding
	default:
		m.State = Trying
	}
	return m
}

// Final reports whether a final response was sent or received.
func (m *Machine) Final() bool { return m.State >= Completed }

// Step takes one input. An input that the state does not know changes nothing.
func (m *Machine) Step(in Input, t *Timers) Result {
	if m.Kind >= numKinds || m.State >= numStates || in >= numInputs {
		return Result{}
	}
	i := table[m.Kind][m.State][in]
	if i == 0 {
		return Result{}
	}
	r := &rows[i-1]
	m.State = r.to
	res := Result{Do: r.do}
	res.Retransmit = m.timer(r.retransmit, t)
	if res.Retransmit > 0 {
		m.interval = res.Retransmit
	}
	res.Deadline = m.timer(r.deadline, t)
	if m.Reliable && (r.deadline == lifeU || r.deadline == atD || r.deadline == atT4) {
		// RFC 3261: timers D, I, J and K are zero over a reliable transport.
		m.State = Terminated
		res.Do |= Done
		res.Deadline = -1
	}
	return res
}

func (m *Machine) timer(r rule, t *Timers) time.Duration {
	switch r {
	case keep:
		return 0
	case stop:
		return -1
	case atT1:
		if m.Reliable {
			return -1
		}
		return t.T1
	case double:
		return 2 * m.interval
	case doubleT2:
		return min(2*m.interval, t.T2)
	case atT2:
		return t.T2
	case life, lifeU:
		return t.Life()
	case atD:
		return t.D
	default: // atT4
		return t.T4
	}
}
