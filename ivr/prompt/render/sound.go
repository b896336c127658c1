package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"

	"github.com/centrala/centrala/media/codec"
)

const (
	rate = codec.SampleRate

	// Levels in dB below full scale. Speech: about -14 dBm0 while somebody
	// speaks, as loud as a talker on the line. Music is quieter: it is listened
	// to longer.
	speechLevel = -20.0
	musicLevel  = -25.0
	// limit is where peaks begin to be rounded off; nothing reaches full scale.
	limitFrom, limitTo = 0.5, 0.9

	window       = rate / 100 // 10 ms: trimming looks at these
	lead         = rate / 50  // 20 ms kept before the first sound
	wordTail     = rate / 25  // 40 ms kept after a word that others follow
	sentenceTail = rate / 4   // 250 ms after a full stop
	// Pieces of values follow each other as words in a breath do.
	pieceLead, pieceTail = rate / 100, rate * 25 / 1000 // 10 ms, 25 ms
)

// finish makes raw speech even: rumble out, silence off both ends, one level,
// soft peaks.
func finish(pcm []int16) []float64 {
	x := make([]float64, len(pcm))
	for i, s := range pcm {
		x[i] = float64(s) / 32768
	}
	highPass(x, 120)
	x = trim(x, 42)
	gain := math.Pow(10, (speechLevel-activeLevel(x))/20)
	for i := range x {
		x[i] = soften(x[i] * gain)
	}
	fade(x, rate/200)
	return append(make([]float64, lead), x...)
}

// highPass is a Butterworth filter of order 2 (RBJ's cookbook form).
func highPass(x []float64, hz float64) {
	w := 2 * math.Pi * hz / rate
	alpha, c := math.Sin(w)/math.Sqrt2, math.Cos(w)
	a0 := 1 + alpha
	b0, b1, a1, a2 := (1+c)/2/a0, -(1+c)/a0, -2*c/a0, (1-alpha)/a0
	var x1, x2, y1, y2 float64
	for i, v := range x {
		y := b0*v + b1*x1 + b0*x2 - a1*y1 - a2*y2
		x1, x2, y1, y2 = v, x1, y, y1
		x[i] = y
	}
}

// levels returns the RMS of each window in dB of full scale.
func levels(x []float64) []float64 {
	var l []float64
	for i := 0; i < len(x); i += window {
		l = append(l, rms(x[i:min(i+window, len(x))]))
	}
	return l
}

func rms(x []float64) float64 {
	sum := 1e-12
	for _, v := range x {
		sum += v * v
	}
	return 10 * math.Log10(sum/float64(max(len(x), 1)))
}

// trim cuts the windows more than db below the loudest off both ends.
func trim(x []float64, db float64) []float64 {
	l := levels(x)
	loudest := math.Inf(-1)
	for _, v := range l {
		loudest = max(loudest, v)
	}
	first, last := 0, len(l)
	for first < last && l[first] < loudest-db {
		first++
	}
	for last > first && l[last-1] < loudest-db {
		last--
	}
	return x[first*window : min(last*window, len(x))]
}

// activeLevel is the RMS of the windows in which somebody speaks: those within
// 25 dB of the loudest (in the spirit of ITU-T P.56).
func activeLevel(x []float64) float64 {
	l := levels(x)
	loudest := math.Inf(-1)
	for _, v := range l {
		loudest = max(loudest, v)
	}
	sum, n := 0.0, 0
	for _, v := range l {
		if v > loudest-25 {
			sum += math.Pow(10, v/10)
			n++
		}
	}
	return 10 * math.Log10(sum/float64(max(n, 1)))
}

// soften is the identity up to limitFrom and bends towards limitTo above.
func soften(v float64) float64 {
	a := math.Abs(v)
	if a <= limitFrom {
		return v
	}
	room := limitTo - limitFrom
	return math.Copysign(limitFrom+room*math.Tanh((a-limitFrom)/room), v)
}

// fade raises and lowers the ends over n samples.
func fade(x []float64, n int) {
	n = min(n, len(x)/2)
	for i := range n {
		g := 0.5 - 0.5*math.Cos(math.Pi*float64(i)/float64(n))
		x[i] *= g
		x[len(x)-1-i] *= g
	}
}

func toPCM(x []float64) []int16 {
	pcm := make([]int16, len(x))
	for i, v := range x {
		pcm[i] = int16(math.Round(min(max(v, -1), 1) * math.MaxInt16))
	}
	return pcm
}

// writeALaw writes pcm as a mono A-law WAV, through a temporary name.
func writeALaw(path string, pcm []int16) error {
	octets := make([]byte, len(pcm))
	codec.Encode(codec.PCMA, octets, pcm)
	var b bytes.Buffer
	pad := len(octets) & 1
	b.WriteString("RIFF")
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) } // a Buffer does not fail
	put(uint32(4 + 8 + 18 + 8 + 4 + 8 + len(octets) + pad))
	b.WriteString("WAVEfmt ")
	put(uint32(18))
	put([]uint16{6, 1}) // A-law, mono
	put([]uint32{rate, rate})
	put([]uint16{1, 8, 0})
	b.WriteString("fact")
	put([]uint32{4, uint32(len(octets))})
	b.WriteString("data")
	put(uint32(len(octets)))
	b.Write(octets)
	b.Write(make([]byte, pad))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
