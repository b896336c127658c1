//go:build race

package jitter

// raced: the race detector makes hours of a line take minutes of ours.
const raced = true
