package load

import (
	"fmt"
	"net/netip"
	"time"
)

// Scenario is what the callers do.
type Scenario string

// The scenarios and the number each dials in configs/bench.
const (
	Queue    Scenario = "queue"    // 2000: wait in a queue, talk to an agent
	Recorded Scenario = "recorded" // 3000: the same, recorded
	Direct   Scenario = "direct"   // 1000: straight to an agent's device
	Menu     Scenario = "menu"     // 4000: a prompt, press 1, then the queue
	Keys     Scenario = "keys"     // 4001: stay in a menu, a key after each prompt
	Echo     Scenario = "echo"     // 9: hear oneself
	Register Scenario = "register" // registrations with digest, no calls
)

var numbers = map[Scenario]string{Queue: "2000", Recorded: "3000", Direct: "1000", Menu: "4000", Keys: "4001", Echo: "9"}

// Options of one run. The zero value of most fields is filled by defaults.
type Options struct {
	Server       netip.AddrPort // default 127.0.0.1:5060
	Transport    string         // "udp" (default) or "tcp", of the callers and registrations
	Agents       netip.AddrPort // where the agents' fixed contact points; default 127.0.0.1:5090
	Scenario     Scenario
	Number       string        // dialled; default by scenario
	Rate         float64       // calls or registrations started per second
	Duration     time.Duration // how long new ones are started
	Talk         time.Duration // from the agent's ACK to the caller's BYE
	Concurrent   int           // cap on calls at once; 0 = none. A start beyond it is held back and counted.
	Calls        int           // stop starting after so many; 0 = by Duration
	RTP          bool          // both ends send 50 packets/s and check what they hear
	Patience     time.Duration // a caller waits so long for the agent; default 15 s
	AnswerAfter  time.Duration // an agent rings so long before the 200; default 0
	ServerPID    int           // process whose CPU and memory are read; 0 = not read
	Users        int           // registrations use user0..userN-1 / secretN; default 1000
	silentSettle time.Duration // after the last call, before the CPU is read
}

func (o *Options) defaults() error {
	if !o.Server.IsValid() {
		o.Server = netip.MustParseAddrPort("127.0.0.1:5060")
	}
	if !o.Agents.IsValid() {
		o.Agents = netip.MustParseAddrPort("127.0.0.1:5090")
	}
	if o.Scenario == "" {
		o.Scenario = Queue
	}
	if o.Number == "" {
		o.Number = numbers[o.Scenario]
	}
	if o.Number == "" && o.Scenario != Register {
		return fmt.Errorf("load: unknown scenario %q; want one of queue, recorded, direct, menu, keys, echo, register", o.Scenario)
	}
	if o.Rate <= 0 {
		return fmt.Errorf("load: rate %g; want more than 0 per second", o.Rate)
	}
	if o.Duration <= 0 && o.Calls <= 0 {
		return fmt.Errorf("load: neither duration nor number of calls given")
	}
	if o.Duration <= 0 {
		o.Duration = time.Hour
	}
	if o.Patience <= 0 {
		o.Patience = 15 * time.Second
	}
	if o.Users <= 0 {
		o.Users = 1000
	}
	if o.silentSettle <= 0 {
		o.silentSettle = 500 * time.Millisecond
	}
	return nil
}
