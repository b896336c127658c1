package play

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/hajimehoshi/go-mp3"
	"github.com/mewkiz/flac"

	"github.com/centrala/centrala/media/codec/opus"
)

// readFLAC reads RFC 9639.
func readFLAC(r *bufio.Reader, begin beginning) (*Clip, error) {
	st, err := flac.New(r)
	if err != nil {
		return nil, fmt.Errorf("%w: FLAC: %w", ErrFormat, err)
	}
	info := st.Info
	switch {
	case info.NChannels != 1 && info.NChannels != 2:
		return nil, fmt.Errorf("%w: %d channels, want 1 or 2", ErrFormat, info.NChannels)
	case info.BitsPerSample < 4 || info.BitsPerSample > 24:
		return nil, fmt.Errorf("%w: %d bits a sample, want 4-24", ErrFormat, info.BitsPerSample)
	}
	if err := checkRate(int(info.SampleRate)); err != nil {
		return nil, err
	}
	scale := float32(math.Ldexp(1, 16-int(info.BitsPerSample)))
	s := begin(int(info.SampleRate))
	var mono []float32
	for {
		f, err := st.ParseNext()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return s.clip()
		}
		if err != nil {
			if s.any { // what came before the damage is good
				return s.clip()
			}
			return nil, fmt.Errorf("%w: FLAC: %w", ErrFormat, err)
		}
		mono = mono[:0]
		left := f.Subframes[0].Samples
		for i := range left {
			x := float32(left[i])
			if len(f.Subframes) == 2 && i < len(f.Subframes[1].Samples) {
				x = (x + float32(f.Subframes[1].Samples[i])) / 2
			}
			mono = append(mono, x*scale)
		}
		if err := s.push(mono); err != nil {
			return nil, err
		}
	}
}

// readMP3 reads MPEG layer III. The decoder gives 16 bits, two channels.
func readMP3(r *bufio.Reader, begin beginning) (*Clip, error) {
	d, err := mp3.NewDecoder(struct{ io.Reader }{r})
	if err != nil {
		return nil, fmt.Errorf("%w: MP3: %w", ErrFormat, err)
	}
	if err := checkRate(d.SampleRate()); err != nil {
		return nil, err
	}
	s := begin(d.SampleRate())
	buf, mono := make([]byte, 4<<12), make([]float32, 1<<12)
	for {
		n, err := io.ReadFull(d, buf)
		n /= 4
		for i := range n {
			l, r := int16(binary.LittleEndian.Uint16(buf[4*i:])), int16(binary.LittleEndian.Uint16(buf[4*i+2:]))
			mono[i] = (float32(l) + float32(r)) / 2
		}
		if err := s.push(mono[:n]); err != nil {
			return nil, err
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return s.clip()
		}
		if err != nil {
			if s.any {
				return s.clip()
			}
			return nil, fmt.Errorf("%w: MP3: %w", ErrFormat, err)
		}
	}
}

// readOgg reads Opus in Ogg (RFC 7845): the first stream of the file.
func readOgg(r *bufio.Reader, begin beginning) (*Clip, error) {
	o := oggReader{r: r}
	head, err := o.packet()
	if err != nil {
		return nil, err
	}
	// 5.1: "OpusHead", version, channels, pre-skip, input rate, output gain, mapping.
	if len(head) < 19 || string(head[:8]) != "OpusHead" || head[8] > 15 {
		return nil, fmt.Errorf("%w: Ogg without Opus", ErrFormat)
	}
	if ch, family := head[9], head[18]; family != 0 || ch != 1 && ch != 2 {
		return nil, fmt.Errorf("%w: %d channels of mapping family %d, want 1 or 2 of family 0", ErrFormat, ch, family)
	}
	const per = 48000 / wide // granules count at 48 kHz whatever the rate (4)
	skip := int(binary.LittleEndian.Uint16(head[10:])) / per
	gain := float32(math.Pow(10, float64(int16(binary.LittleEndian.Uint16(head[16:])))/256/20))
	tags, err := o.packet()
	if err != nil {
		return nil, err
	}
	if len(tags) < 8 || string(tags[:8]) != "OpusTags" {
		return nil, fmt.Errorf("%w: Opus without tags", ErrFormat)
	}
	dec, err := opus.New(opus.Config{Rate: wide})
	if err != nil {
		return nil, err
	}
	s := begin(wide)
	pcm, x := make([]int16, wide*120/1000), make([]float32, 0, wide*120/1000)
	given := 0 // samples, those skipped included
	for {
		p, err := o.packet()
		if err == io.EOF {
			return s.clip()
		}
		if err != nil {
			if s.any { // what came before the damage is good
				return s.clip()
			}
			return nil, err
		}
		n, err := dec.Decode(pcm, p)
		if err != nil { // a lost packet of a damaged file: its length, concealed
			if n = opus.Samples(p, wide); n <= 0 || n > len(pcm) {
				continue
			}
			if n, err = dec.Conceal(pcm[:n]); err != nil {
				continue
			}
		}
		// 4.4: the last page says where the sound ends.
		if o.last && o.granule > 0 {
			n = max(0, min(n, int(o.granule/per)-given))
		}
		from := min(max(skip-given, 0), n)
		given += n
		x = x[:0]
		for _, v := range pcm[from:n] {
			x = append(x, float32(v)*gain)
		}
		if err := s.push(x); err != nil {
			return nil, err
		}
	}
}
