//go:build !linux

package robot

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// portIO carries one packet per system call where there is no sendmmsg.
type portIO struct {
	touched bool
	n       int
	to      [maxBatch]netip.AddrPort
	size    [maxBatch]int
	buf     [maxBatch][512]byte
}

func (io *portIO) init(*port) error { return nil }

func (io *portIO) slot(p *port, remote netip.AddrPort, n int) []byte {
	if io.n == maxBatch {
		io.flush(p)
	}
	i := io.n
	io.n++
	io.to[i], io.size[i] = remote, n
	return io.buf[i][:n]
}

func (io *portIO) flush(p *port) {
	for i := range io.n {
		_, _ = p.rtp.WriteToUDPAddrPort(io.buf[i][:io.size[i]], io.to[i])
	}
	io.n = 0
}

func (io *portIO) receive(p *port) {
	var b [2048]byte
	for {
		n, from, err := p.rtp.ReadFromUDPAddrPort(b[:])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		p.packet(b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), time.Now().UnixNano())
	}
}
