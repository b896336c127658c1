// Package robot is a light SIP and RTP user agent that judges a server from
// outside: callers and agents for `centrala load`, `centrala selftest` and the
// end-to-end tests. It is an implementation of its own (text reader and writer,
// digest client, RTP sender and receiver, tones) and shares no code with pkg/sip
// or media, so that a mistake of the server is not made twice.
//
// It is not a general SIP stack: it speaks to one server, follows no redirects,
// resolves no names and offers G.711 alone.
//
// Goroutines: an Endpoint owns one reader (UDP) or one per connection (TCP) and
// one sweeper; Media owns one sender and one reader per port. Close of either
// waits for them. Callbacks run on the reader and must not block.
package robot
