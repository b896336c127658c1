package record

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/codec/opus"
)

// Ogg Opus of a recording (RFC 7845): two streams of one channel each, so that
// neither side is ever heard on the other, as joint stereo would have it. Players
// take it as stereo.
const (
	// opusBitrate of each side: speech at 8 kHz; 14 MB an hour for both at most.
	opusBitrate = 16000
	opusFrame   = codec.SampleRate / 50 // 20 ms
	// opusSkip is the encoder's look-ahead at 8 kHz: 2.5 ms and 4 ms
	// (OPUS_GET_LOOKAHEAD in opus_encoder.c).
	opusSkip = codec.SampleRate/400 + codec.SampleRate/250
	// opusClock counts granule positions (RFC 7845 4), whatever the rate was.
	opusClock = 48000 / codec.SampleRate
	// pagePackets is one second.
	pagePackets = 50
	oggSerial   = 1 // one stream a file
)

// WriteOpus writes src as Ogg Opus. Marks become chapters in its comment. pace is
// called after each second of sound; its error ends the work and is returned.
func WriteOpus(dst io.Writer, src *Reader, pace func() error) error {
	var enc [2]*opus.Codec
	for ch := range enc {
		var err error
		if enc[ch], err = opus.New(opus.Config{Rate: codec.SampleRate, Channels: 1, Bitrate: opusBitrate, Complexity: 10}); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	out := bufio.NewWriterSize(dst, 1<<16)
	ogg := oggWriter{w: out}
	ogg.page(oggFirst, 0, opusHead())
	ogg.page(0, 0, opusTags(src.Marks))
	var pcm [2][opusFrame]int16
	packet := make([]byte, 2*opus.MaxPacket+4)
	var packets [][]byte
	// The last sample leaves the encoder behind its look-ahead.
	frames := (src.Samples + opusSkip + opusFrame - 1) / opusFrame
	for i := range frames {
		n, err := src.Read(pcm[Left][:], pcm[Right][:])
		if err != nil && err != io.EOF {
			return err
		}
		clear(pcm[Left][n:])
		clear(pcm[Right][n:])
		b := packet[:0]
		for ch := range enc {
			k, err := enc[ch].Encode(packet[opus.MaxPacket+4:], pcm[ch][:])
			if err != nil {
				return fmt.Errorf("record: %w", err)
			}
			if b, err = appendStream(b, packet[opus.MaxPacket+4:][:k], ch == 0); err != nil {
				return err
			}
		}
		packets = append(packets, bytes.Clone(b))
		last := i == frames-1
		if len(packets) < pagePackets && !last {
			continue
		}
		flag, granule := byte(0), (i+1)*opusFrame
		if last {
			flag, granule = oggLast, src.Samples+opusSkip // RFC 7845 4.4: the rest is not to be played
		}
		ogg.page(flag, granule*opusClock, packets...)
		packets = packets[:0]
		if ogg.err != nil {
			return fmt.Errorf("record: ogg: %w", ogg.err)
		}
		if err := pace(); err != nil {
			return err
		}
	}
	if frames == 0 {
		ogg.page(oggLast, 0)
	}
	if err := errors.Join(ogg.err, out.Flush()); err != nil {
		return fmt.Errorf("record: ogg: %w", err)
	}
	return nil
}

// appendStream appends the packet of one stream; all but the last of a packet tell
// their length (RFC 6716 B).
func appendStream(b, p []byte, delimited bool) ([]byte, error) {
	if !delimited {
		return append(b, p...), nil
	}
	if len(p) == 0 || p[0]&3 != 0 {
		return b, fmt.Errorf("record: opus: a packet of several frames") // we ask for one of 20 ms
	}
	b = append(b, p[0])
	if n := len(p) - 1; n < 252 {
		b = append(b, byte(n))
	} else {
		first := 252 + n&3
		b = append(b, byte(first), byte((n-first)/4))
	}
	return append(b, p[1:]...), nil
}

// splitStreams takes a packet of two streams apart.
func splitStreams(p []byte) (left, right []byte, ok bool) {
	if len(p) < 2 || p[0]&3 != 0 {
		return nil, nil, false
	}
	n, at := int(p[1]), 2
	if n >= 252 {
		if len(p) < 3 {
			return nil, nil, false
		}
		n, at = n+4*int(p[2]), 3
	}
	if at+n >= len(p) {
		return nil, nil, false
	}
	return append([]byte{p[0]}, p[at:at+n]...), p[at+n:], true
}

// opusHead is the identification header (RFC 7845 5.1) with mapping family 1: two
// streams, none of them coupled, left and right.
func opusHead() []byte {
	b := append([]byte("OpusHead"), 1, 2)
	b = binary.LittleEndian.AppendUint16(b, opusSkip*opusClock)
	b = binary.LittleEndian.AppendUint32(b, codec.SampleRate)
	b = binary.LittleEndian.AppendUint16(b, 0) // gain
	return append(b, 1, 2, 0, 0, 1)
}

// opusTags is the comment header (RFC 7845 5.2).
func opusTags(marks []Mark) []byte {
	text := func(b []byte, s string) []byte {
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	tags := chapters(marks)
	b := text([]byte("OpusTags"), "Centrala")
	b = binary.LittleEndian.AppendUint32(b, uint32(len(tags)))
	for _, t := range tags {
		b = text(b, t[0]+"="+t[1])
	}
	return b
}

// Flags of a page (RFC 3533 6).
const (
	oggFirst = 2
	oggLast  = 4
)

type oggWriter struct {
	w   io.Writer
	seq uint32
	b   []byte
	err error
}

// page writes whole packets as one page; they need at most 255 segments.
func (o *oggWriter) page(flag byte, granule int64, packets ...[]byte) {
	le := binary.LittleEndian
	b := append(o.b[:0], "OggS\x00"...)
	b = append(b, flag)
	b = le.AppendUint64(b, uint64(granule))
	b = le.AppendUint32(b, oggSerial)
	b = le.AppendUint32(b, o.seq)
	b = append(b, 0, 0, 0, 0) // checksum
	count := len(b)
	b = append(b, 0)
	for _, p := range packets {
		for range len(p) / 255 {
			b = append(b, 255)
		}
		b = append(b, byte(len(p)%255))
	}
	segments := len(b) - count - 1
	if segments > 255 {
		o.err = errors.Join(o.err, fmt.Errorf("a page of %d segments", segments))
		return
	}
	b[count] = byte(segments)
	for _, p := range packets {
		b = append(b, p...)
	}
	le.PutUint32(b[22:], oggSum(b))
	o.seq, o.b = o.seq+1, b
	if o.err == nil {
		_, o.err = o.w.Write(b)
	}
}

// oggTable is the CRC of RFC 3533 6: polynomial 0x04c11db7, not reflected, from 0.
var oggTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

func oggSum(b []byte) (c uint32) {
	for _, v := range b {
		c = c<<8 ^ oggTable[byte(c>>24)^v]
	}
	return c
}

// oggReader reads the pages that oggWriter makes.
type oggReader struct {
	r     *bufio.Reader
	seq   uint32
	table [255]byte
	b     []byte
}

// next returns a page's packets, which are good until the next call.
func (o *oggReader) next() (flag byte, granule int64, packets [][]byte, err error) {
	bad := func(what string) (byte, int64, [][]byte, error) {
		return 0, 0, nil, fmt.Errorf("%w: page %d: %s", ErrVerify, o.seq, what)
	}
	var head [27]byte
	if _, err := io.ReadFull(o.r, head[:]); err != nil {
		return bad(err.Error())
	}
	le := binary.LittleEndian
	if string(head[:5]) != "OggS\x00" || le.Uint32(head[14:]) != oggSerial || le.Uint32(head[18:]) != o.seq {
		return bad("not where it should be")
	}
	table := o.table[:head[26]]
	if _, err := io.ReadFull(o.r, table); err != nil {
		return bad(err.Error())
	}
	size := 0
	for _, n := range table {
		size += int(n)
	}
	o.b = append(append(o.b[:0], head[:]...), table...)
	at := len(o.b)
	o.b = append(o.b, make([]byte, size)...)
	if _, err := io.ReadFull(o.r, o.b[at:]); err != nil {
		return bad(err.Error())
	}
	sum := le.Uint32(head[22:])
	clear(o.b[22:26])
	if oggSum(o.b) != sum {
		return bad("wrong checksum")
	}
	begin := at
	for _, n := range table {
		if at += int(n); n < 255 {
			packets = append(packets, o.b[begin:at])
			begin = at
		}
	}
	if begin != len(o.b) {
		return bad("half a packet")
	}
	o.seq++
	return head[5], int64(le.Uint64(head[6:])), packets, nil
}

const (
	// Opus keeps no sample as it was. Each second of each side that is loud enough to
	// be speech must have its power again, within verifyDB.
	verifyDB    = 6
	verifyFloor = 0.004 // of full scale, RMS: -48 dB
)

// VerifyOpus decodes an Ogg Opus file, wants the length of src and each second's
// power of each side in it, and returns its checksum in hex and its size. Errors
// wrap ErrVerify when they differ.
func VerifyOpus(r io.Reader, src *Reader, pace func() error) (sum string, size int64, err error) {
	h := sha256.New()
	count := &tally{w: h}
	ogg := oggReader{r: bufio.NewReaderSize(io.TeeReader(r, count), 1<<16)}
	for _, want := range [][]byte{opusHead(), opusTags(src.Marks)} {
		if _, _, p, err := ogg.next(); err != nil || len(p) != 1 || !bytes.Equal(p[0], want) {
			return "", 0, errors.Join(fmt.Errorf("%w: its headers", ErrVerify), err)
		}
	}
	var dec [2]*opus.Codec
	for ch := range dec {
		if dec[ch], err = opus.New(opus.Config{Rate: codec.SampleRate}); err != nil {
			return "", 0, fmt.Errorf("record: %w", err)
		}
	}
	var power [2]powers
	var pcm [opusFrame * 6]int16
	skip, got := opusSkip, int64(0)
	for last := false; !last; {
		flag, granule, packets, err := ogg.next()
		if err != nil {
			return "", 0, err
		}
		for _, p := range packets {
			l, r, ok := splitStreams(p)
			if !ok {
				return "", 0, fmt.Errorf("%w: a packet without two streams", ErrVerify)
			}
			for ch, q := range [][]byte{l, r} {
				n, err := dec[ch].Decode(pcm[:], q)
				if err != nil || n != opusFrame {
					return "", 0, fmt.Errorf("%w: %d samples in a packet: %w", ErrVerify, n, err)
				}
				power[ch].add(pcm[skip:n])
			}
			skip, got = 0, got+opusFrame
		}
		if last = flag&oggLast != 0; last && (granule != (src.Samples+opusSkip)*opusClock && src.Samples > 0 || got < src.Samples) {
			return "", 0, fmt.Errorf("%w: it ends at %d of %d samples", ErrVerify, granule/opusClock-opusSkip, src.Samples)
		}
		if err := pace(); err != nil {
			return "", 0, err
		}
	}
	if err := compare(power, src); err != nil {
		return "", 0, err
	}
	if _, err := ogg.r.ReadByte(); err != io.EOF {
		return "", 0, fmt.Errorf("%w: more behind its end", ErrVerify)
	}
	return hex.EncodeToString(h.Sum(nil)), count.n, nil
}

// compare wants the powers of src.
func compare(power [2]powers, src *Reader) error {
	var real [2]powers
	var left, right [codec.SampleRate]int16
	for {
		n, err := src.Read(left[:], right[:])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		real[Left].add(left[:n])
		real[Right].add(right[:n])
	}
	for ch := range real {
		for s, want := range real[ch].seconds {
			if want < verifyFloor {
				continue
			}
			if s >= len(power[ch].seconds) || math.Abs(20*math.Log10(power[ch].seconds[s]/want)) > verifyDB {
				return fmt.Errorf("%w: second %d of channel %d has not its loudness", ErrVerify, s, ch)
			}
		}
	}
	return nil
}

// powers is the RMS of each whole second, full scale 1.
type powers struct {
	seconds []float64
	sum     float64
	n       int
}

func (p *powers) add(pcm []int16) {
	for _, s := range pcm {
		v := float64(s) / 32768
		p.sum += v * v
		if p.n++; p.n == codec.SampleRate {
			p.seconds = append(p.seconds, math.Sqrt(p.sum/codec.SampleRate))
			p.sum, p.n = 0, 0
		}
	}
}
