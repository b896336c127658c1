// Package event holds the typed events of the house: what happened to calls,
// agents, queues and recordings, in words that the journal keeps and every
// projection (CDR, reports, live screens) reads. It is a room of words: no I/O,
// no goroutine. The journal that makes events durable is in pkg/store, behind
// the Journal interface of this package.
package event

import (
	"encoding/json"
	"fmt"
	"time"
)

// Event is one fact in the journal: an envelope and a typed body.
type Event struct {
	// Seq is the journal's own number, rising without gap within one store.
	// Zero until the journal has taken the event.
	Seq uint64
	// At is when it happened, UTC, kept with millisecond precision.
	At time.Time
	// Tenant owns the event; never empty.
	Tenant string
	// CallID is our call id ("" for events that belong to no call).
	CallID string
	// Body says what happened.
	Body Body
}

// Body is the closed set of things that can happen; see bodies.go.
type Body interface {
	// Kind is the stable name of the event in the journal, such as "call.started".
	Kind() string
	body()
}

// Record is an event as the journal stores it.
type Record struct {
	Seq    uint64          `json:"seq"`
	At     time.Time       `json:"at"`
	Tenant string          `json:"tenant"`
	CallID string          `json:"call_id,omitempty"`
	Kind   string          `json:"kind"`
	Data   json.RawMessage `json:"data"`
}

// Encode turns e into its stored form.
func Encode(e Event) (Record, error) {
	data, err := json.Marshal(e.Body)
	if err != nil {
		return Record{}, fmt.Errorf("event: encode %q: %w", e.Body.Kind(), err)
	}
	return Record{e.Seq, e.At.UTC().Truncate(time.Millisecond), e.Tenant, e.CallID, e.Body.Kind(), data}, nil
}

// Decode turns a stored record back into an event. An unknown kind is an error
// that names it: a journal written by a newer build is not silently misread.
func Decode(r Record) (Event, error) {
	make, ok := kinds[r.Kind]
	if !ok {
		return Event{}, fmt.Errorf("event: unknown kind %q at seq %d", r.Kind, r.Seq)
	}
	b, err := make(r.Data)
	if err != nil {
		return Event{}, fmt.Errorf("event: decode %q at seq %d: %w", r.Kind, r.Seq, err)
	}
	return Event{r.Seq, r.At, r.Tenant, r.CallID, b}, nil
}

// Journal takes events in order and makes them durable. pkg/store implements it.
type Journal interface {
	// Append queues e for writing and returns at once. It blocks only when the
	// journal's bounded queue is full (the disk is slower than the calls); it
	// never drops. Events of one caller keep their order.
	Append(e Event)
	// Sync returns when everything appended before it is on disk, or with an
	// error when the disk refused it. The events of a call are synced before
	// the call's end is reported.
	Sync() error
}
