// Package load is the product's own load generator: callers, agents, sound,
// keys and registrations that an owner can aim at the own server, and the series
// behind `make bench`. It judges from outside through package robot and reads the
// server's CPU and memory from /proc, so that the figures are the server's alone.
//
// It is not a test of correctness in every detail (see pkg/selftest and the
// end-to-end tests), but no call counts as good unless it was signalled to its
// end on both sides and, with sound, each side heard the other.
package load
