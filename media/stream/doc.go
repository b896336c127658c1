// Package stream carries the sound of a call to a machine and back: a voice robot, a
// transcriber, by WebSocket or TCP. docs/streams.md is the protocol.
//
// It is the words on the wire (wire.go), the queue of what the machine says
// (playout.go), the queue of what it hears (outbox.go), all three pure, and the
// edge with the socket (client.go, peer.go). It knows no call: who opens a Stream
// gives it as a tap and a voice to legs of package session.
//
// A Stream has two goroutines, one that dials and writes and one that reads; both end
// with it. Client.Stop waits for all.
package stream
