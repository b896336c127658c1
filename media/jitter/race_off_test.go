//go:build !race

package jitter

const raced = false
