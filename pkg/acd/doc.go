// Package acd is the queue engine: who gets whom, and why. It is one pure
// machine per tenant: Step takes the time and an Event and returns Effects. It
// draws no time and no randomness, does no I/O and starts no goroutine, so that
// live operation, tests, simulation and replay run the same code (design 5.3).
// The goroutine that owns an engine is in pkg/acd/dispatch.
//
// # Order
//
// Callers are served by priority (the call's own plus the queue's, higher
// first), then by who has waited longest, over all queues at once: an agent in
// several queues gets the globally first caller that fits. Agents of a queue are
// taken by rank (lower first), then by who has been idle longest.
//
// # Fit
//
// A caller's need is the queue's skills and its own, each at the higher level.
// Callers of one queue with the same own need form a class; agents with the same
// queues, ranks and skills form a pool. Which pools fit a class is worked out
// once, when either comes up. A class keeps its waiting callers in a heap and
// its pools that have somebody idle in another; a pool keeps its idle agents in
// a heap. A step so costs O(q + log n), with q the classes one agent serves.
//
// # Deadlines
//
// Every state that should pass has a deadline inside the engine: a reservation
// and a ringing phone (ring time-out), wrap-up, the pause after a busy phone, a
// phone that could not be reached. NextDeadline tells when Step must be called
// with a Tick at the latest; nothing depends on anybody reporting back.
package acd
