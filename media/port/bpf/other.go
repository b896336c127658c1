//go:build !linux || !(amd64 || arm64) || portable

package bpf

import (
	"net/netip"
	"time"
)

// Table is the flows of a range of ports.
type Table struct{}

// Ring is the memory through which copies of payloads come.
type Ring struct{}

// Open always fails here.
func Open(_, _ uint16, _ int) (*Table, error) { return nil, ErrUnsupported }

// Flow is the flow of an even port.
func (*Table) Flow(uint16) *Flow { return nil }

// Ring is number i of the rings.
func (*Table) Ring(int) *Ring { return nil }

// Close closes the table.
func (*Table) Close() {}

// Hop finds how remote is reached.
func (*Table) Hop(netip.Addr, time.Time) (Hop, bool) { return Hop{}, false }

// Drain hands out what has come, in order.
func (*Ring) Drain(func(*Record)) {}

// Now is the clock of this package.
func Now() int64 { return time.Now().UnixNano() }
