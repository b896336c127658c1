// Package opus is the Opus codec (RFC 6716) for the sound of calls: libopus, with
// in-band FEC, discontinuous transmission and concealment of losses.
//
// libopus is translated to Go and in the binary (folder libopus). A binary built
// with the tag libopus is not static, and takes libopus.so.0 of the system
// instead where it finds it; the interface is the same. There is no cgo in either.
//
// A Codec has one owner. The package starts no goroutine.
package opus

import (
	"errors"
	"fmt"
)

// Bounds of RFC 6716.
const (
	// MaxPacket is the largest packet made or taken, in bytes: one frame has at
	// most 1,275 (3.2.1); larger ones of several frames do not fit a datagram.
	MaxPacket = 1500
	// maxMs is the longest packet (3.2.5).
	maxMs = 120
)

// ErrPacket is wrapped by the errors of packets that cannot be decoded.
var ErrPacket = errors.New("opus: packet not understood")

// Config of a Codec. Zero values take the default named.
type Config struct {
	// Rate is the sample rate of the linear sound in Hz: 8000, 12000, 16000, 24000
	// or 48000. It decides nothing about the packets: what is encoded at 8000 can
	// be decoded at 48000. Default 48000.
	Rate int
	// Channels of the encoder, 1 or 2, interleaved; default 1. Decoding gives one,
	// also of stereo packets.
	Channels int
	// Bitrate in bit/s, default 24000; 6000-510000.
	Bitrate int
	// Complexity 1-10, default DefaultComplexity.
	Complexity int
	// FEC puts a coarse copy of each frame into the next (RFC 6716 2.1.7), when
	// losses are expected and the bit rate allows.
	FEC bool
	// DTX sends next to nothing in silence (2.1.9).
	DTX bool
	// Loss is how many packets of a hundred are expected to be lost.
	Loss int
}

// Defaults of Config.
const (
	DefaultRate       = 48000
	DefaultBitrate    = 24000
	DefaultComplexity = 5
)

// Requests of opus_encoder_ctl (opus_defines.h).
const (
	setBitrate    = 4002
	setComplexity = 4010
	setFEC        = 4012
	setLoss       = 4014
	setDTX        = 4016
	setSignal     = 4024
	signalVoice   = 3001
)

// engine is what makes the sound: libopus in one form or the other. Results below
// zero are its error codes. pcm and packets are the caller's.
type engine interface {
	encoderInit(rate, channels int) int
	encoderSet(request, value int) int
	encode(dst []byte, pcm []int16, samples int) int
	decoderInit(rate int) int
	decode(dst []int16, packet []byte, samples int, fec bool) int
}

// Codec is one encoder and one decoder.
type Codec struct {
	e        engine
	cfg      Config
	encodes  bool
	decodes  bool
	duration int // samples of the packet decoded last
}

// New makes a codec; the halves are set up when they are first used.
func New(c Config) (*Codec, error) { return newCodec(c, newEngine()) }

func newCodec(c Config, e engine) (*Codec, error) {
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	switch c.Rate {
	case 8000, 12000, 16000, 24000, 48000:
	default:
		return nil, fmt.Errorf("opus: sample rate %d; want 8000, 12000, 16000, 24000 or 48000", c.Rate)
	}
	if c.Channels == 0 {
		c.Channels = 1
	}
	if c.Channels < 1 || c.Channels > 2 {
		return nil, fmt.Errorf("opus: %d channels; want 1 or 2", c.Channels)
	}
	if c.Bitrate == 0 {
		c.Bitrate = DefaultBitrate
	}
	c.Bitrate = min(max(c.Bitrate, 6000), 510000)
	if c.Complexity == 0 {
		c.Complexity = DefaultComplexity
	}
	c.Complexity = min(max(c.Complexity, 1), 10)
	return &Codec{e: e, cfg: c, duration: c.Rate / 50}, nil
}

// Native tells whether libopus.so.0 of the system is in use.
func Native() bool { return native() }

// Rate is the sample rate of the linear sound in Hz.
func (c *Codec) Rate() int { return c.cfg.Rate }

func (c *Codec) startEncoder() error {
	if r := c.e.encoderInit(c.cfg.Rate, c.cfg.Channels); r != 0 {
		return fmt.Errorf("opus: encoder: %w", fault(r))
	}
	bit := map[bool]int{true: 1}
	for _, s := range [...][2]int{{setBitrate, c.cfg.Bitrate}, {setComplexity, c.cfg.Complexity}, {setFEC, bit[c.cfg.FEC]},
		{setDTX, bit[c.cfg.DTX]}, {setLoss, c.cfg.Loss}, {setSignal, signalVoice}} {
		if r := c.e.encoderSet(s[0], s[1]); r != 0 {
			return fmt.Errorf("opus: encoder setting %d to %d: %w", s[0], s[1], fault(r))
		}
	}
	c.encodes = true
	return nil
}

// SetLoss tells the encoder how many packets of a hundred the peer loses.
func (c *Codec) SetLoss(percent int) {
	c.cfg.Loss = min(max(percent, 0), 100)
	if c.encodes {
		c.e.encoderSet(setLoss, c.cfg.Loss)
	}
}

// Encode makes one packet of pcm (2.5, 5, 10, 20, 40 or 60 ms, 16-bit linear) and
// returns its length. dst should hold MaxPacket bytes; less bounds the packet. A
// packet of one or two bytes need not be sent (DTX).
func (c *Codec) Encode(dst []byte, pcm []int16) (n int, err error) {
	if !c.encodes {
		if err := c.startEncoder(); err != nil {
			return 0, err
		}
	}
	if len(dst) > MaxPacket {
		dst = dst[:MaxPacket]
	}
	samples := len(pcm) / c.cfg.Channels
	if len(dst) == 0 || samples*1000 > 60*c.cfg.Rate {
		return 0, fault(badArg)
	}
	if n = c.e.encode(dst, pcm, samples); n < 0 {
		return 0, fault(n)
	}
	return n, nil
}

func (c *Codec) startDecoder() error {
	if r := c.e.decoderInit(c.cfg.Rate); r != 0 {
		return fmt.Errorf("opus: decoder: %w", fault(r))
	}
	c.decodes = true
	return nil
}

// Decode writes the sound of packet to dst, which should hold 120 ms, and returns
// how many samples. The error wraps ErrPacket.
func (c *Codec) Decode(dst []int16, packet []byte) (int, error) {
	if len(packet) == 0 || len(packet) > MaxPacket {
		return 0, ErrPacket
	}
	n, err := c.decode(dst[:min(len(dst), c.cfg.Rate*maxMs/1000)], packet, false)
	if err == nil {
		c.duration = n
	}
	return n, err
}

// Recover writes the sound of the packet before next, which was lost, out of the
// copy that next may hold; without one it is concealed. dst has the lost packet's
// length: a whole number of 2.5 ms, as a rule the length of the last one.
func (c *Codec) Recover(dst []int16, next []byte) (int, error) {
	if len(next) == 0 || len(next) > MaxPacket {
		return c.Conceal(dst)
	}
	return c.decode(dst, next, true)
}

// Conceal writes what may have been in dst's length of sound that was lost.
func (c *Codec) Conceal(dst []int16) (int, error) { return c.decode(dst, nil, false) }

func (c *Codec) decode(dst []int16, packet []byte, fec bool) (n int, err error) {
	// The translated library checks every access; should a packet lead it astray,
	// that packet is lost and the decoder begins anew.
	defer func() {
		if r := recover(); r != nil {
			c.decodes = false
			n, err = 0, ErrPacket
		}
	}()
	if !c.decodes {
		if err := c.startDecoder(); err != nil {
			return 0, err
		}
	}
	if packet == nil || fec {
		grain := c.cfg.Rate / 400 // 2.5 ms
		dst = dst[:min(len(dst), c.cfg.Rate*maxMs/1000)/grain*grain]
		if len(dst) == 0 {
			return 0, nil
		}
	}
	if n = c.e.decode(dst, packet, len(dst), fec); n < 0 {
		return 0, fmt.Errorf("%w: %w", ErrPacket, fault(n))
	}
	return n, nil
}

// Samples is how long packet is at rate, by its first bytes (RFC 6716 3.1, 3.2);
// 0 for nonsense.
func Samples(packet []byte, rate int) int {
	if len(packet) == 0 {
		return 0
	}
	toc := packet[0]
	var n int // of one frame
	switch {
	case toc&0x80 != 0: // CELT
		n = rate << (toc >> 3 & 3) / 400
	case toc&0x60 == 0x60: // hybrid
		n = rate / 100 << (toc >> 3 & 1)
	case toc>>3&3 == 3: // SILK, 60 ms
		n = rate * 60 / 1000
	default:
		n = rate << (toc >> 3 & 3) / 100
	}
	switch toc & 3 {
	case 1, 2:
		n *= 2
	case 3:
		if len(packet) < 2 {
			return 0
		}
		n *= int(packet[1] & 0x3F)
	}
	if n*1000 > rate*maxMs {
		return 0
	}
	return n
}

// code is an error of libopus.
type code int

const badArg = -1

func fault(r int) error { return code(r) }

// Error implements error.
func (c code) Error() string {
	names := [...]string{"ok", "bad argument", "buffer too small", "internal error", "invalid packet", "not implemented", "invalid state", "out of memory"}
	if c <= 0 && int(-c) < len(names) {
		return "opus: " + names[-c]
	}
	return fmt.Sprintf("opus: error %d", int(c))
}
