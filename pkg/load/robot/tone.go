package robot

import "math"

// SampleRate of everything the robot sends and hears, in hertz.
const SampleRate = 8000

// frame is 20 ms at 8 kHz.
const frame = 160

// tables of ITU-T G.711, made once.
var (
	decodeU, decodeA [256]int16
)

func init() {
	for i := range 256 {
		decodeU[i] = ulawToLinear(byte(i))
		decodeA[i] = alawToLinear(byte(i))
	}
}

func ulawToLinear(u byte) int16 {
	u = ^u
	t := (int(u&0x0f) << 3) + 0x84
	t <<= (u & 0x70) >> 4
	if u&0x80 != 0 {
		return int16(0x84 - t)
	}
	return int16(t - 0x84)
}

func alawToLinear(a byte) int16 {
	a ^= 0x55
	t := int(a&0x0f) << 4
	seg := (a & 0x70) >> 4
	switch seg {
	case 0:
		t += 8
	case 1:
		t += 0x108
	default:
		t = (t + 0x108) << (seg - 1)
	}
	if a&0x80 != 0 {
		return int16(t)
	}
	return int16(-t)
}

// Encode turns one linear sample into the law's byte.
func (l Law) Encode(s int16) byte {
	if l == PCMA {
		return linearToAlaw(s)
	}
	return linearToUlaw(s)
}

// Decode turns one byte of the law into a linear sample.
func (l Law) Decode(b byte) int16 {
	if l == PCMA {
		return decodeA[b]
	}
	return decodeU[b]
}

func linearToUlaw(s int16) byte {
	const bias, clip = 0x84, 32635
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, clip) + bias
	exp := byte(7)
	for mask := 0x4000; exp > 0 && v&mask == 0; mask >>= 1 {
		exp--
	}
	return ^(sign | exp<<4 | byte(v>>(exp+3))&0x0f)
}

func linearToAlaw(s int16) byte {
	v, sign := int(s), byte(0x80)
	if v < 0 {
		v, sign = -v-1, 0
	}
	v = min(v, 32767)
	var out byte
	if v >= 256 {
		exp := byte(7)
		for mask := 0x4000; exp > 1 && v&mask == 0; mask >>= 1 {
			exp--
		}
		out = exp<<4 | byte(v>>(exp+3))&0x0f
	} else {
		out = byte(v >> 4)
	}
	return (sign | out) ^ 0x55
}

// Silence is the law's byte for no sound.
func (l Law) Silence() byte {
	if l == PCMA {
		return 0xd5
	}
	return 0xff
}

// Level returns the level of freqHz in pcm as a share of full scale, 0..1, by
// Goertzel over Hann-windowed blocks of 200 ms, the median block's value: a
// click or a gap does not hide or fake a tone. Less than 100 ms of pcm gives 0.
func Level(pcm []int16, freqHz float64) float64 {
	const block = 1600
	if len(pcm) < 800 {
		return 0
	}
	var levels []float64
	for at := 0; at+800 <= len(pcm); at += block {
		levels = append(levels, goertzel(pcm[at:min(at+block, len(pcm))], freqHz))
	}
	return median(levels)
}

func goertzel(pcm []int16, freqHz float64) float64 {
	n := len(pcm)
	w := 2 * math.Pi * freqHz / SampleRate
	coef := 2 * math.Cos(w)
	var s1, s2, gain float64
	for i, v := range pcm {
		win := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n-1))
		gain += win
		s0 := float64(v)*win + coef*s1 - s2
		s2, s1 = s1, s0
	}
	power := s1*s1 + s2*s2 - coef*s1*s2
	return 2 * math.Sqrt(max(power, 0)) / gain / 32768
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	for i := 1; i < len(v); i++ {
		for j := i; j > 0 && v[j] < v[j-1]; j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
	return v[len(v)/2]
}

// RMS returns the root mean square of pcm as a share of full scale, 0..1.
func RMS(pcm []int16) float64 {
	if len(pcm) == 0 {
		return 0
	}
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum/float64(len(pcm))) / 32768
}

// Hears tells whether a tone of the robots (amplitude 0.25 of full scale) is
// present, with room for two codings between.
func Hears(pcm []int16, freqHz float64) bool { return Level(pcm, freqHz) > 0.1 }

// Quiet tells whether a tone of the robots is absent.
func Quiet(pcm []int16, freqHz float64) bool { return Level(pcm, freqHz) < 0.02 }

// toneAmplitude of Tone, of full scale: about -15 dBm0.
const toneAmplitude = 0.25

// Tone returns one second of freqHz in the law; whole hertz loop without a
// click. The sum of several frequencies shares the amplitude.
func Tone(law Law, freqHz ...int) []byte {
	out := make([]byte, SampleRate)
	for i := range out {
		var v float64
		for _, f := range freqHz {
			v += math.Sin(2 * math.Pi * float64(f) * float64(i) / SampleRate)
		}
		if n := len(freqHz); n > 0 {
			v *= toneAmplitude / float64(n) * 32767
		}
		out[i] = law.Encode(int16(v))
	}
	return out
}
