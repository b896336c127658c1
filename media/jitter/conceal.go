package jitter

// Concealer hides lost sound by repeating the pitch periods before the loss, as
// ITU-T G.711 Appendix I does, with two departures: it adds no delay of its own
// (Appendix I holds 3.75 ms back to smooth the beginning; here the step between
// the last sample and the repetition fades away within 1 ms), and any
// number of samples may be lost, not whole frames. The zero value is ready.
type Concealer struct {
	hist [histLen]int16 // what was heard, newest last
	gap  int            // samples made up since the last real one
	init bool           // false: nothing was heard yet

	pitch   int // samples of one period
	overlap int // a quarter of it
	periods int // how many are repeated
	pos     int // in buf, from its end
	step    float32
	buf     [3*maxPitch + maxPitch/4]int16 // the newest periods, oldest first
	lastQ   [maxPitch / 4]int16            // end of buf before it was joined with the beginning
}

// G.711 I.2.1: pitch of 66 to 200 Hz; 48.75 ms of history.
const (
	minPitch = 40
	maxPitch = 120
	histLen  = 3*maxPitch + maxPitch/4
	corrLen  = 160

	fadeFrom = 80  // I.2.5: full level for 10 ms
	fadeOver = 400 // then 20 % less each 10 ms
	silentAt = fadeFrom + fadeOver
	minMerge = 32 // I.2.6: a quarter period, and 4 ms more for each 10 ms lost after the first
	maxMerge = 80
	stepLen  = 8 // 1 ms, in which a step fades: shorter it clicks, longer it is wrong sound
)

// Silent tells that the concealment has faded to nothing, or that nothing was
// ever heard.
func (c *Concealer) Silent() bool { return !c.init || c.gap >= silentAt }

// Lost tells whether the newest sample was made up.
func (c *Concealer) Lost() bool { return !c.init || c.gap > 0 }

// Good takes real sound that follows what was heard last. After a loss its
// beginning is changed in place: the repetition fades into it.
func (c *Concealer) Good(pcm []int16) {
	if len(pcm) == 0 {
		return
	}
	if !c.init || c.gap >= silentAt {
		n := min(minMerge, len(pcm))
		for i := range n {
			pcm[i] = int16(int32(pcm[i]) * int32(i+1) / int32(n+1))
		}
	} else if c.gap > 0 {
		n := min(c.overlap+max(c.gap-1, 0)/fadeFrom*minMerge, maxMerge, len(pcm))
		for i := range n {
			w := float32(i+1) / float32(n+1)
			pcm[i] = round(float32(pcm[i])*w + c.next()*(1-w))
		}
	}
	c.init, c.gap = true, 0
	c.push(pcm)
}

// Conceal fills dst with what may have been there.
func (c *Concealer) Conceal(dst []int16) {
	if c.Silent() {
		clear(dst)
		if c.init {
			c.push(dst)
		}
		return
	}
	if c.gap == 0 {
		c.begin()
	}
	for i := range dst {
		dst[i] = round(c.next())
	}
	c.push(dst)
}

func (c *Concealer) push(pcm []int16) {
	if len(pcm) >= histLen {
		copy(c.hist[:], pcm[len(pcm)-histLen:])
		return
	}
	copy(c.hist[:], c.hist[len(pcm):])
	copy(c.hist[histLen-len(pcm):], pcm)
}

// begin finds the pitch and makes ready to repeat one period.
func (c *Concealer) begin() {
	c.pitch = findPitch(&c.hist)
	c.overlap = c.pitch / 4
	c.buf = c.hist
	copy(c.lastQ[:c.overlap], c.buf[histLen-c.overlap:])
	c.repeat(1)
	c.pos = c.pitch
	c.step = float32(c.hist[histLen-1]) - float32(c.hist[histLen-1-c.pitch])
}

// repeat makes the newest n periods of buf a loop without a seam (I.2.3): its end
// goes over into what stands before its beginning.
func (c *Concealer) repeat(n int) {
	c.periods = n
	end, before := c.buf[histLen-c.overlap:], c.buf[histLen-n*c.pitch-c.overlap:]
	for i := range c.overlap {
		w := float32(i+1) / float32(c.overlap+1)
		end[i] = round(float32(c.lastQ[i])*(1-w) + float32(before[i])*w)
	}
}

// next is the next sample made up.
func (c *Concealer) next() float32 {
	if c.gap >= silentAt {
		return 0
	}
	if c.gap == fadeFrom || c.gap == 2*fadeFrom {
		// I.2.4: more periods, or it begins to sound like a machine. The same
		// phase, in the oldest period; what the old loop would say fades away.
		old := c.buf[histLen-c.pos]
		for c.pos > c.pitch {
			c.pos -= c.pitch
		}
		c.pos += c.periods * c.pitch
		c.repeat(c.periods + 1)
		c.step = float32(old) - float32(c.buf[histLen-c.pos])
	}
	v := float32(c.buf[histLen-c.pos])
	if c.pos--; c.pos == 0 {
		c.pos = c.periods * c.pitch
	}
	if since := c.gap % fadeFrom; c.step != 0 && (c.gap < 3*fadeFrom) {
		if since < stepLen {
			v += c.step * (1 - float32(since+1)/(stepLen+1))
		} else {
			c.step = 0
		}
	}
	if c.gap > fadeFrom {
		v *= 1 - float32(c.gap-fadeFrom)/fadeOver
	}
	c.gap++
	return v
}

// findPitch is the lag at which the newest 20 ms resemble what was before
// (I.2.2): coarsely on every second sample, then finely around the best.
func findPitch(h *[histLen]int16) int {
	best, bestCorr := maxPitch, float32(-1)
	look := func(lag, stride int) {
		var cross, energy float32
		for i := histLen - corrLen; i < histLen; i += stride {
			a, b := float32(h[i]), float32(h[i-lag])
			cross += a * b
			energy += b * b
		}
		// A floor, so that near silence does not win by noise.
		corr := cross * abs(cross) / max(energy, 250*corrLen/float32(stride))
		if corr > bestCorr {
			best, bestCorr = lag, corr
		}
	}
	for lag := minPitch; lag <= maxPitch; lag += 2 {
		look(lag, 2)
	}
	coarse := best
	bestCorr = -1
	for lag := max(coarse-1, minPitch); lag <= min(coarse+1, maxPitch); lag++ {
		look(lag, 1)
	}
	return best
}

func abs(v float32) float32 {
	if v < 0 {
		return -v
	}
	return v
}

func round(v float32) int16 {
	v = min(max(v, -32768), 32767)
	if v < 0 {
		return int16(v - 0.5)
	}
	return int16(v + 0.5)
}
