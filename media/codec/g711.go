package codec

// G.711: all conversions are table look-ups, one load a sample, no branch. The
// tables are computed at start from the definitions in ITU-T G.711 (11/88) and cost
// 33 kB together.

// SampleRate is the clock of G.711 in Hz; one octet is one sample.
const SampleRate = 8000

// Octets of digital silence: the code of the smallest positive value.
const (
	silencePCMU = 0xFF // decodes to 0
	silencePCMA = 0xD5 // decodes to +8 of 32767: A-law has no zero
)

// Silence returns the octet that a silent sender of law l repeats. A law that
// is not Valid is taken as PCMU, here and in every function of the package.
func Silence(l Law) byte {
	if l == PCMA {
		return silencePCMA
	}
	return silencePCMU
}

var (
	decodeU, decodeA [256]int16
	// Encoding looks at the 14 (µ) or 13 (A) most significant bits, as the
	// Recommendation's uniform input has that many.
	encodeU [1 << 14]byte
	encodeA [1 << 13]byte
	muToA   [256]byte
	aToMu   [256]byte
)

func init() {
	for i := range 256 {
		decodeU[i] = expandU(byte(i))
		decodeA[i] = expandA(byte(i))
	}
	for i := range encodeU {
		encodeU[i] = compressU(int16(uint16(i) << 2))
	}
	for i := range encodeA {
		encodeA[i] = compressA(int16(uint16(i) << 3))
	}
	fillTranscode()
}

// Encode writes min(len(dst), len(pcm)) octets of law l and returns how many.
// pcm is 16-bit linear, full scale ±32767.
func Encode(l Law, dst []byte, pcm []int16) int {
	n := min(len(dst), len(pcm))
	dst, pcm = dst[:n], pcm[:n]
	if l == PCMA {
		for i, s := range pcm {
			dst[i] = encodeA[uint16(s)>>3]
		}
		return n
	}
	for i, s := range pcm {
		dst[i] = encodeU[uint16(s)>>2]
	}
	return n
}

// Decode writes min(len(dst), len(payload)) samples and returns how many.
func Decode(l Law, dst []int16, payload []byte) int {
	n := min(len(dst), len(payload))
	dst, payload = dst[:n], payload[:n]
	t := &decodeU
	if l == PCMA {
		t = &decodeA
	}
	for i, b := range payload {
		dst[i] = t[b]
	}
	return n
}

// Table is the linear value of every octet of law l. It must not be changed.
func Table(l Law) *[256]int16 {
	if l == PCMA {
		return &decodeA
	}
	return &decodeU
}

// Transcode rewrites min(len(dst), len(src)) octets from one law to the other
// and returns how many; equal laws are copied. dst and src may be the same slice.
func Transcode(dst, src []byte, from, to Law) int {
	n := min(len(dst), len(src))
	dst, src = dst[:n], src[:n]
	switch {
	case from == to:
		copy(dst, src)
	case to == PCMA:
		for i, b := range src {
			dst[i] = muToA[b]
		}
	default:
		for i, b := range src {
			dst[i] = aToMu[b]
		}
	}
	return n
}

// expandU is G.711 table 2: an inverted sign-magnitude code of 3 segment and 4
// step bits; 14-bit values, moved to the top of 16 bits.
func expandU(code byte) int16 {
	code = ^code
	seg, step := int(code>>4&7), int(code&0xF)
	// Decision values have a bias of 33 (in 14-bit units).
	v := (step<<1+33)<<seg - 33
	if code&0x80 != 0 {
		v = -v
	}
	return int16(v << 2)
}

// expandA is G.711 table 1: even bits inverted, sign bit 1 is positive; 13-bit
// values, moved to the top of 16 bits.
func expandA(code byte) int16 {
	code ^= 0x55
	seg, step := int(code>>4&7), int(code&0xF)
	v := step<<1 + 1 // mid-point of the step, in 13-bit units
	if seg > 0 {
		v = (v + 32) << (seg - 1)
	}
	if code&0x80 == 0 {
		v = -v
	}
	return int16(v << 3)
}

// compressU finds the interval of G.711 table 2a that holds s.
func compressU(s int16) byte {
	v, sign := int(s)>>2, byte(0)
	if v < 0 {
		// The halves mirror each other about the boundary between -1 and 0, as in
		// the ITU's software (G.191), else rounding to 14 bits shifts the
		// negative decision values.
		v, sign = -v-1, 0x80
	}
	v = min(v+33, 8191) // 8158 is the virtual decision value x128
	seg := 0
	for seg < 7 && v >= 64<<seg {
		seg++
	}
	return ^(sign | byte(seg)<<4 | byte(v>>(seg+1)&0xF))
}

// compressA finds the interval of G.711 table 1a that holds s.
func compressA(s int16) byte {
	v, sign := int(s)>>3, byte(0x80)
	if v < 0 {
		// The negative half mirrors the positive one about zero: -1..-2 share
		// the first step as 0..1 do.
		v, sign = -v-1, 0
	}
	seg := 0
	for seg < 7 && v >= 32<<seg {
		seg++
	}
	step := byte(v >> 1 & 0xF)
	if seg > 1 {
		step = byte(v >> seg & 0xF)
	}
	return (sign | byte(seg)<<4 | step) ^ 0x55
}

// fillTranscode makes the direct tables between the laws.
func fillTranscode() {
	for i := range 256 {
		muToA[i] = encodeA[uint16(decodeU[i])>>3]
		aToMu[i] = encodeU[uint16(decodeA[i])>>2]
	}
}
