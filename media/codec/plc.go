package codec

// plc conceals lost sound of any rate by repeating the last pitch period with
// crossed ends, as ITU-T G.711 Appendix I does, at full level for 10 ms and then
// fading to silence over 50 ms. The zero value is of no rate; see init.
type plc struct {
	rate   int
	hist   [plcHist]int16 // what was heard, newest last
	n      int            // samples of hist in use at this rate
	lost   int            // samples made up since the last real one
	heard  bool
	period int
	loop   [plcHist]int16 // one period without a seam
	pos    int
}

// plcHist is 37.5 ms at 16 kHz: the longest period (15 ms) twice, and a quarter.
const plcHist = 600

func (c *plc) init(rate int) { *c = plc{rate: rate, n: plcHist * min(rate, 16000) / 16000} }

// good takes real sound. After a loss its beginning is changed: what was made up
// fades into it over 4 ms.
func (c *plc) good(pcm []int16) {
	if c.lost > 0 && len(pcm) > 0 {
		n := min(c.rate/250, len(pcm))
		for i := range n {
			made := c.next()
			pcm[i] = int16((int(pcm[i])*(i+1) + made*(n-i)) / (n + 1))
		}
	}
	c.lost, c.heard = 0, c.heard || len(pcm) > 0
	h := c.hist[:c.n]
	if len(pcm) >= c.n {
		copy(h, pcm[len(pcm)-c.n:])
		return
	}
	copy(h, h[len(pcm):])
	copy(h[c.n-len(pcm):], pcm)
}

// conceal fills dst.
func (c *plc) conceal(dst []int16) {
	if !c.heard {
		clear(dst)
		return
	}
	if c.lost == 0 {
		c.begin()
	}
	for i := range dst {
		dst[i] = int16(c.next())
	}
}

func (c *plc) next() int {
	full, fade := c.rate/100, c.rate/20
	v := int(c.loop[c.pos])
	if c.pos++; c.pos == c.period {
		c.pos = 0
	}
	switch past := c.lost - full; {
	case past >= fade:
		v = 0
	case past > 0:
		v = v * (fade - past) / fade
	}
	c.lost++
	return v
}

// begin finds the period in which the history resembles itself most: 5-15 ms
// (G.711 I.2.1), first in steps of a quarter millisecond, then near the best.
func (c *plc) begin() {
	h := c.hist[:c.n]
	shortest, longest, step := c.rate/200, c.rate*15/1000, max(c.rate/4000, 1)
	best, least := shortest, -1.0
	try := func(p int) {
		// The cross-correlation over 10 ms, normalized.
		var dot, energy float64
		for i := c.n - c.rate/100; i < c.n; i++ {
			a, b := float64(h[i]), float64(h[i-p])
			dot += a * b
			energy += b * b
		}
		if dot > 0 && dot*dot/(energy+1) > least {
			best, least = p, dot*dot/(energy+1)
		}
	}
	for p := shortest; p <= longest; p += step {
		try(p)
	}
	for p := max(best-step, shortest); p <= min(best+step, longest); p++ {
		try(p)
	}
	c.period, c.pos = best, 0
	loop := c.loop[:best]
	copy(loop, h[c.n-best:])
	// Its end goes over into what stood before its beginning.
	q := best / 4
	for i := range q {
		before := int(h[c.n-best-q+i])
		loop[best-q+i] = int16((int(loop[best-q+i])*(q-i) + before*(i+1)) / (q + 1))
	}
}
