package codec

// G.722 at 64 kbit/s (ITU-T G.722 09/2012, mode 1): two bands of 8 kHz made of
// 16 kHz sound by a quadrature mirror filter, each an adaptive differential coder
// of its own; 6 bits of an octet are the lower band's, 2 the upper's.

// g722Band is one sub-band's predictor and quantizer (G.722 3.4-3.6, 6.2.1). The
// index of a delayed value is its delay, as in the Recommendation.
type g722Band struct {
	s, sz, nb, det int32
	a              [3]int32
	b, d           [7]int32
	p, r           [3]int32
}

// g722State is what encoder and decoder have alike.
type g722State struct {
	low, high g722Band
	x         [24]int32 // of the mirror filter
}

func (s *g722State) reset() {
	*s = g722State{}
	s.low.det, s.high.det = 32, 8 // 6.2.1.3, 6.2.2.2
}

// Tables of G.722 6.2.
var (
	g722QM2 = [4]int32{-7408, -1616, 7408, 1616}
	g722QM4 = [16]int32{0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0}
	g722QM6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	g722WL  = [8]int32{-60, -30, 58, 172, 334, 538, 1198, 3042}
	g722RL  = [16]uint8{0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0}
	g722WH  = [3]int32{0, -214, 798}
	g722RH  = [4]uint8{2, 1, 2, 1}
	g722ILB = [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
	g722Q6 = [30]int32{
		0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650,
		714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
	}
	g722ILN = [31]uint8{0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4}
	g722ILP = [31]uint8{0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32}
	g722QMF = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}
)

func sat16(v int32) int32 { return min(max(v, -32768), 32767) }

// adapt is the logarithmic scale factor's step (3.5): weight by the code word, at
// most ceil, shift the exponent's offset (8 in the lower band, 10 in the upper).
func (b *g722Band) adapt(weight, ceil, shift int32) {
	b.nb = min(max(b.nb*127>>7+weight, 0), ceil)
	v := g722ILB[b.nb>>6&31]
	if e := shift - b.nb>>11; e < 0 {
		b.det = v << -e << 2
	} else {
		b.det = v >> e << 2
	}
}

// predict takes the quantized difference and makes the next prediction (3.6).
func (b *g722Band) predict(diff int32) {
	b.d[0] = diff
	b.r[0] = sat16(b.s + diff)
	b.p[0] = sat16(b.sz + diff)

	// The pole section (UPPOL2, UPPOL1).
	same1 := (b.p[0]^b.p[1])>>31 == 0
	same2 := (b.p[0]^b.p[2])>>31 == 0
	w := sat16(b.a[1] << 2)
	if same1 {
		w = min(-w, 32767)
	}
	a2 := w>>7 + b.a[2]*32512>>15
	if same2 {
		a2 += 128
	} else {
		a2 -= 128
	}
	a2 = min(max(a2, -12288), 12288)
	a1 := b.a[1] * 32640 >> 15
	if same1 {
		a1 += 192
	} else {
		a1 -= 192
	}
	bound := 15360 - a2
	a1 = min(max(sat16(a1), -bound), bound)

	// The zero section (UPZERO), and the delays.
	step := int32(128)
	if diff == 0 {
		step = 0
	}
	sz := int32(0)
	for i := 6; i > 0; i-- {
		v := b.b[i] * 32640 >> 15
		if (b.d[i]^diff)>>31 == 0 {
			v += step
		} else {
			v -= step
		}
		b.b[i] = sat16(v)
		b.d[i] = b.d[i-1]
		sz += b.b[i] * sat16(2*b.d[i]) >> 15
	}
	b.r[2], b.r[1] = b.r[1], b.r[0]
	b.p[2], b.p[1] = b.p[1], b.p[0]
	b.a[1], b.a[2] = a1, a2
	sp := sat16(a1*sat16(2*b.r[1])>>15 + a2*sat16(2*b.r[2])>>15)
	b.sz = sat16(sz)
	b.s = sat16(sp + b.sz)
}

// adaptLow and adaptHigh take a code word of 4 (2) bits into their band's state.
func (s *g722State) adaptLow(code4 uint8) {
	diff := s.low.det * g722QM4[code4] >> 15
	s.low.adapt(g722WL[g722RL[code4]], 18432, 8)
	s.low.predict(diff)
}

func (s *g722State) adaptHigh(code2 uint8) (diff int32) {
	diff = s.high.det * g722QM2[code2] >> 15
	s.high.adapt(g722WH[g722RH[code2]], 22528, 10)
	s.high.predict(diff)
	return diff
}

// g722Encoder is Encoder of G.722.
type g722Encoder struct{ g722State }

func (e *g722Encoder) Encode(dst []byte, pcm []int16) (int, error) {
	n := min(len(pcm)/2, len(dst))
	for k := range n {
		copy(e.x[:22], e.x[2:])
		e.x[22], e.x[23] = int32(pcm[2*k]), int32(pcm[2*k+1])
		var odd, even int32
		for i, c := range g722QMF {
			odd += e.x[2*i] * c
			even += e.x[2*i+1] * g722QMF[11-i]
		}
		low, high := (even+odd)>>14, (even-odd)>>14

		el := sat16(low - e.low.s)
		mag := el
		if el < 0 {
			mag = -(el + 1)
		}
		i := 1
		for i < 30 && mag >= g722Q6[i]*e.low.det>>12 {
			i++
		}
		code := g722ILP[i]
		if el < 0 {
			code = g722ILN[i]
		}
		e.adaptLow(code >> 2)

		eh := sat16(high - e.high.s)
		mag = eh
		if eh < 0 {
			mag = -(eh + 1)
		}
		far := mag >= 564*e.high.det>>12
		var code2 uint8
		switch { // table 17 of the Recommendation: sign, then size
		case eh < 0 && far:
			code2 = 0
		case eh < 0:
			code2 = 1
		case far:
			code2 = 2
		default:
			code2 = 3
		}
		e.adaptHigh(code2)
		dst[k] = code2<<6 | code
	}
	return n, nil
}

// g722Decoder is Decoder of G.722.
type g722Decoder struct {
	g722State
	plc plc
}

func (d *g722Decoder) Decode(dst []int16, payload []byte) (int, error) {
	n := min(len(payload), len(dst)/2)
	for k, o := range payload[:n] {
		low := min(max(d.low.s+d.low.det*g722QM6[o&0x3F]>>15, -16384), 16383)
		d.adaptLow(o & 0x3F >> 2)
		s := d.high.s
		high := min(max(s+d.adaptHigh(o>>6), -16384), 16383)
		copy(d.x[:22], d.x[2:])
		d.x[22], d.x[23] = low+high, low-high
		var a, b int32
		for i, c := range g722QMF {
			b += d.x[2*i] * c
			a += d.x[2*i+1] * g722QMF[11-i]
		}
		dst[2*k], dst[2*k+1] = int16(sat16(a>>11)), int16(sat16(b>>11))
	}
	d.plc.good(dst[:2*n])
	return 2 * n, nil
}

// Conceal is Decoder.
func (d *g722Decoder) Conceal(dst []int16) { d.plc.conceal(dst) }
