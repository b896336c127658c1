// Package e2e drives the real binary from outside, with sipp, baresip and the
// robots of pkg/load/robot. Each test has a server of its own in a folder and on
// ports of its own. Build tag e2e; CENTRALA_BIN names the program (it is built
// when unset).
package e2e
