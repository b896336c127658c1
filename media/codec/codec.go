// Package codec is the coding of sound: which formats there are and what their
// packets mean, G.711 in both laws by tables, and encoders and decoders of streams
// for G.711, G.722 (ITU-T, 64 kbit/s) and Opus (RFC 6716, in folder opus).
//
// Linear sound is 16-bit, mono, full scale ±32767. Encoders and decoders have one
// owner and allocate nothing after they are made. The package is pure: no I/O, no
// goroutine.
package codec

import (
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/media/codec/opus"
)

// ID names a codec. Its value is the RTP payload type: the static one (RFC 3551 6,
// table 4), or for a dynamic one the number that we offer it with.
type ID uint8

// Law is an ID that is one of the two companding laws of G.711.
type Law = ID

// The codecs.
const (
	// PCMU is G.711 µ-law (G.711 table 2a/2b).
	PCMU ID = 0
	// PCMA is G.711 A-law with even bits inverted (G.711 table 1a/1b).
	PCMA ID = 8
	// G722 is ITU-T G.722 at 64 kbit/s: 16 kHz.
	G722 ID = 9
	// Opus is RFC 6716: up to 48 kHz, sent by us in mono.
	Opus ID = 111
)

// Format is what a codec's packets are.
type Format struct {
	ID   ID
	Name string // as SDP writes it
	// ClockRate is of RTP timestamps, in Hz.
	ClockRate int
	// SampleRate is of the sound that a stream can carry, in Hz.
	SampleRate int
	// Channels as rtpmap tells them; Opus says 2 whatever it carries (RFC 7587 4.1).
	Channels int
	// Fmtp is what we say of ourselves; "" nothing.
	Fmtp string
	// Octets a second, 0 when packets differ in size.
	Octets int
}

// Formats of all codecs, best sound first.
var Formats = []Format{
	{ID: Opus, Name: "opus", ClockRate: 48000, SampleRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1"},
	// The clock is 8 kHz by an old error (RFC 3551 4.5.2).
	{ID: G722, Name: "G722", ClockRate: 8000, SampleRate: 16000, Channels: 1, Octets: 8000},
	{ID: PCMA, Name: "PCMA", ClockRate: 8000, SampleRate: 8000, Channels: 1, Octets: 8000},
	{ID: PCMU, Name: "PCMU", ClockRate: 8000, SampleRate: 8000, Channels: 1, Octets: 8000},
}

// Format describes id; the zero Format when there is no such codec.
func (id ID) Format() Format {
	for i := range Formats {
		if Formats[i].ID == id {
			return Formats[i]
		}
	}
	return Format{}
}

// ByName finds a codec by its name in SDP or in a configuration, in any case.
func ByName(name string) (ID, bool) {
	for i := range Formats {
		if strings.EqualFold(Formats[i].Name, name) {
			return Formats[i].ID, true
		}
	}
	return 0, false
}

// String returns the encoding's name as SDP writes it (RFC 3551 4.5.14, RFC 7587 7).
func (id ID) String() string {
	if f := id.Format(); f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("codec(%d)", uint8(id))
}

// Valid tells whether id is one of the two laws of G.711.
func (id ID) Valid() bool { return id == PCMU || id == PCMA }

// Octets tells whether a packet may be cut at any octet and every octet is as long
// as the next: an eighth of a millisecond.
func (id ID) Octets() bool { return id != Opus }

// ClockRate is of RTP timestamps, in Hz. It is asked for every packet.
func (id ID) ClockRate() int {
	if id == Opus {
		return 48000
	}
	return 8000
}

// Ticks is how many ticks of the codec's RTP clock payload covers; 0 when it
// cannot be told.
func (id ID) Ticks(payload []byte) int {
	if id == Opus {
		return opus.Samples(payload, 48000)
	}
	return len(payload)
}

// Options of encoders and decoders that have choices (Opus).
type Options struct {
	Bitrate    int // bit/s; 0 = the codec's default
	Complexity int // 1-10; 0 = default
	FEC, DTX   bool
	Loss       int // packets of a hundred that the peer is expected to lose
}

// Encoder codes a stream of linear sound.
type Encoder interface {
	// Encode writes the code of pcm to dst and returns how many bytes. For G.722
	// and G.711 pcm has any even length; for Opus it is one packet of 10, 20, 40 or
	// 60 ms, and one or two bytes need not be sent.
	Encode(dst []byte, pcm []int16) (int, error)
}

// Decoder decodes the packets of one stream in their order.
type Decoder interface {
	// Decode writes the sound of payload to dst, which should hold MaxDuration, and
	// returns how many samples.
	Decode(dst []int16, payload []byte) (int, error)
	// Conceal fills dst with what may have been there, after a loss.
	Conceal(dst []int16)
	// Recover fills dst with the sound before payload, which was lost; of the copy
	// in payload, where the codec sends one.
	Recover(dst []int16, payload []byte)
}

// MaxDuration is the longest packet that a Decoder takes.
const MaxDuration = 120 * time.Millisecond

// Rate is the sample rate, in Hz, of linear sound that is to become or was id's,
// when about wish is wanted: G.711 and G.722 have their own, Opus does any of 8000,
// 16000 and 48000 itself.
func (id ID) Rate(wish int) int {
	switch id {
	case Opus:
		if wish == 8000 || wish == 16000 {
			return wish
		}
		return 48000
	case G722:
		return 16000
	}
	return 8000
}

// NewEncoder makes an encoder of linear sound at rate, which is one that id.Rate
// gives.
func NewEncoder(id ID, rate int, o Options) (Encoder, error) {
	switch {
	case id == Opus:
		return opus.New(opus.Config{Rate: rate, Bitrate: o.Bitrate, Complexity: o.Complexity, FEC: o.FEC, DTX: o.DTX, Loss: o.Loss})
	case id == G722 && rate == 16000:
		e := new(g722Encoder)
		e.reset()
		return e, nil
	case id.Valid() && rate == 8000:
		return g711{law: id}, nil
	}
	return nil, fmt.Errorf("codec: no encoder for %v at %d Hz", id, rate)
}

// NewDecoder makes a decoder to linear sound at rate, which is one that id.Rate
// gives.
func NewDecoder(id ID, rate int) (Decoder, error) {
	switch {
	case id == Opus:
		c, err := opus.New(opus.Config{Rate: rate})
		return opusDecoder{c}, err
	case id == G722 && rate == 16000:
		d := new(g722Decoder)
		d.reset()
		d.plc.init(rate)
		return d, nil
	case id.Valid() && rate == 8000:
		d := &g711Decoder{law: id}
		d.plc.init(rate)
		return d, nil
	}
	return nil, fmt.Errorf("codec: no decoder for %v at %d Hz", id, rate)
}

type opusDecoder struct{ *opus.Codec }

func (d opusDecoder) Conceal(dst []int16) {
	n, _ := d.Codec.Conceal(dst)
	clear(dst[n:])
}

func (d opusDecoder) Recover(dst []int16, payload []byte) {
	n, err := d.Codec.Recover(dst, payload)
	if err != nil {
		n = 0
	}
	clear(dst[n:])
}

// g711 is Encoder of G.711.
type g711 struct{ law Law }

func (e g711) Encode(dst []byte, pcm []int16) (int, error) { return Encode(e.law, dst, pcm), nil }

// g711Decoder is Decoder of G.711.
type g711Decoder struct {
	law Law
	plc plc
}

func (d *g711Decoder) Decode(dst []int16, payload []byte) (int, error) {
	n := Decode(d.law, dst, payload)
	d.plc.good(dst[:n])
	return n, nil
}

func (d *g711Decoder) Conceal(dst []int16)           { d.plc.conceal(dst) }
func (d *g711Decoder) Recover(dst []int16, _ []byte) { d.plc.conceal(dst) }
func (d *g722Decoder) Recover(dst []int16, _ []byte) { d.plc.conceal(dst) }
