package robot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrWAV is wrapped by every fault of ReadWAV.
var ErrWAV = errors.New("robot: not a playable WAV file")

// maxWAV bounds what is read of a file, in bytes: 4 hours of stereo G.711.
const maxWAV = 4 * 3600 * SampleRate * 2

// WAV is the sound of a file, one slice of samples a channel.
type WAV struct {
	Rate     int
	Format   uint16 // 1 PCM, 6 A-law, 7 µ-law
	Channels [][]int16
}

// ReadWAV reads PCM (16 bit) or G.711 as an ordinary player does: it believes
// the header. A data chunk that the header says is longer than the file is a
// fault, and so is an empty one; bytes after it are not looked at, so that a
// header which lags behind shows as missing sound.
func ReadWAV(r io.Reader) (WAV, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxWAV))
	if err != nil {
		return WAV{}, fmt.Errorf("%w: %w", ErrWAV, err)
	}
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return WAV{}, fmt.Errorf("%w: no RIFF WAVE header in %d bytes", ErrWAV, len(b))
	}
	if n := int64(binary.LittleEndian.Uint32(b[4:])) + 8; n > int64(len(b))+1 { // an odd last chunk may miss its pad byte
		return WAV{}, fmt.Errorf("%w: header says %d bytes, file has %d", ErrWAV, n, len(b))
	}
	var w WAV
	var bits, channels int
	for at := 12; at+8 <= len(b); {
		id, size := string(b[at:at+4]), int(binary.LittleEndian.Uint32(b[at+4:]))
		body := at + 8
		if size < 0 || body+size > len(b) {
			return WAV{}, fmt.Errorf("%w: chunk %q of %d bytes runs past the end at %d", ErrWAV, id, size, len(b))
		}
		switch id {
		case "fmt ":
			if size < 16 {
				return WAV{}, fmt.Errorf("%w: fmt chunk of %d bytes", ErrWAV, size)
			}
			w.Format = binary.LittleEndian.Uint16(b[body:])
			channels = int(binary.LittleEndian.Uint16(b[body+2:]))
			w.Rate = int(binary.LittleEndian.Uint32(b[body+4:]))
			bits = int(binary.LittleEndian.Uint16(b[body+14:]))
		case "data":
			if channels < 1 || channels > 8 {
				return WAV{}, fmt.Errorf("%w: %d channels", ErrWAV, channels)
			}
			return w.decode(b[body:body+size], channels, bits)
		}
		at = body + size + size&1
	}
	return WAV{}, fmt.Errorf("%w: no data chunk", ErrWAV)
}

func (w WAV) decode(data []byte, channels, bits int) (WAV, error) {
	var sample func(i int) int16
	n := len(data)
	switch {
	case w.Format == 1 && bits == 16:
		n /= 2
		sample = func(i int) int16 { return int16(binary.LittleEndian.Uint16(data[2*i:])) }
	case w.Format == 6 && bits == 8:
		sample = func(i int) int16 { return PCMA.Decode(data[i]) }
	case w.Format == 7 && bits == 8:
		sample = func(i int) int16 { return PCMU.Decode(data[i]) }
	default:
		return WAV{}, fmt.Errorf("%w: format %d with %d bits", ErrWAV, w.Format, bits)
	}
	if n < channels {
		return WAV{}, fmt.Errorf("%w: no sound in it", ErrWAV)
	}
	w.Channels = make([][]int16, channels)
	for c := range w.Channels {
		w.Channels[c] = make([]int16, 0, n/channels)
	}
	for i := range n / channels * channels {
		w.Channels[i%channels] = append(w.Channels[i%channels], sample(i))
	}
	return w, nil
}
