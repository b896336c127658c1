package rtp

// gmin is how many packets must come between losses that are no burst (RFC 3611
// 4.7.2 recommends 16).
const gmin = 16

// bursts follows RFC 3611 A.2: a Markov chain of received (1), lost in a burst (3),
// received in a burst (2) and lost alone (4).
type bursts struct {
	pkt, lost                    uint64
	c11, c13, c14, c22, c23, c33 uint64
}

func (m *bursts) miss(n uint64) {
	for n = min(n, maxDropout); n > 0; n-- {
		if m.pkt >= gmin {
			if m.lost == 1 {
				m.c14++
			} else {
				m.c13++
			}
			m.lost = 1
			m.c11 += m.pkt
		} else {
			m.lost++
			if m.pkt == 0 {
				m.c33++
			} else {
				m.c23++
				m.c22 += m.pkt - 1
			}
		}
		m.pkt = 0
	}
}

// Bursts is what RFC 3611 4.7.2 tells of how packets were lost: the share lost
// within bursts and between them, of 256, and how long these are on average when a
// packet is packetMs long.
func (r *Receiver) Bursts(packetMs int) (burstDensity, gapDensity uint8, burstMs, gapMs uint16) {
	m := r.bursts
	c11 := m.c11 + m.pkt // what came since the last loss
	c31, c32 := m.c13, m.c23
	total := float64(c11 + m.c14 + m.c13 + m.c22 + m.c23 + c31 + c32 + m.c33)
	of256 := func(v float64) uint8 { return uint8(min(max(256*v, 0), 255)) }
	ms := func(v float64) uint16 { return uint16(min(max(v*float64(packetMs), 0), 65535)) }
	p32 := 0.0
	if c32 > 0 {
		p32 = float64(c32) / float64(c31+c32+m.c33)
	}
	p23 := 1.0
	if m.c22+m.c23 > 0 {
		p23 = 1 - float64(m.c22)/float64(m.c22+m.c23)
	}
	gap := total
	if m.c13 > 0 {
		burstDensity = of256(p23 / (p23 + p32))
		gap = float64(c11+m.c14+m.c13) / float64(m.c13)
		burstMs = ms(total/float64(m.c13) - gap)
	}
	if c11+m.c14 > 0 {
		gapDensity = of256(float64(m.c14) / float64(c11+m.c14))
	}
	return burstDensity, gapDensity, burstMs, ms(gap)
}
