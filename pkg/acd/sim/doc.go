// Package sim plays traffic against the queue engine on virtual time: callers who
// come, are patient for so long and talk for so long; agents with shifts, breaks,
// phones that ring for a while or in vain, and wrap-up. It runs the very
// acd.Engine.Step of the server and makes figures of what the engine says by
// report.Projector, so a simulated day is told by the formulas of a real one.
//
// A Scenario is what a file or a past day says (calls, streams, shifts); Draw
// makes Traffic of it, in which everything that chance decides for a caller is
// decided; Run plays Traffic against one configuration. Two configurations
// compared with the same Traffic meet the same callers: what differs is the
// configuration's doing and not luck's.
//
// The package is pure: no clock, no I/O, no goroutine; one seed gives the same
// bytes (on one processor architecture). It is not a model of telephony: codecs, flows and menus
// are not in it, a caller begins at the queue.
package sim
