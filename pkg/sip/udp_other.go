//go:build portable || !linux

package sip

import "net"

func newUDPConn(c *net.UDPConn) (packetConn, error) { return c, nil }
