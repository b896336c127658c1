package stream

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Track says whose sound a frame is.
type Track uint8

// The tracks. In a flow there is the caller alone.
const (
	Caller Track = iota
	Agent
	Mixed // both in one
)

var trackNames = [...]string{"caller", "agent", "mixed"}

func (t Track) String() string {
	if int(t) < len(trackNames) {
		return trackNames[t]
	}
	return "unknown"
}

// TrackByName is the reverse of String.
func TrackByName(name string) (Track, bool) {
	for i, n := range trackNames {
		if n == name {
			return Track(i), true
		}
	}
	return 0, false
}

const (
	// HeaderSize is what stands before the sound of a binary frame, in bytes.
	HeaderSize = 8
	// MaxMessage bounds a message of the peer, in bytes; 2 s of sound at 16 kHz.
	MaxMessage = 64 << 10
	// maxText bounds the words in a message: a mark, a result.
	maxText = 256
	maxKeys = 32
)

// Frame is the header of a binary message: whose sound, its number on that track
// (from 0, wraps), and how many samples of the stream's rate lie before it (wraps).
type Frame struct {
	Track Track
	Seq   uint16
	TS    uint32
}

// Put writes the header: track, a zero octet, number, timestamp, big-endian.
func (f Frame) Put(b []byte) {
	b[0], b[1] = byte(f.Track), 0
	binary.BigEndian.PutUint16(b[2:], f.Seq)
	binary.BigEndian.PutUint32(b[4:], f.TS)
}

// ParseFrame takes a binary message apart.
func ParseFrame(b []byte) (f Frame, sound []byte, err error) {
	if len(b) < HeaderSize {
		return f, nil, fmt.Errorf("stream: binary message of %d bytes; want %d of header before the sound", len(b), HeaderSize)
	}
	if b[0] > byte(Mixed) {
		return f, nil, fmt.Errorf("stream: track %d is unknown", b[0])
	}
	return Frame{Track(b[0]), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])}, b[HeaderSize:], nil
}

// Message is a text message, both ways; fields that its Type does not name are left out.
type Message struct {
	// Type is start, dtmf, mark, stop (ours), mark, clear, dtmf, stop (the peer's).
	Type string `json:"type"`

	// Of start.
	Version   int      `json:"version,omitempty"`
	Stream    string   `json:"stream,omitempty"`
	Call      string   `json:"call,omitempty"`
	Tenant    string   `json:"tenant,omitempty"`
	From      string   `json:"from,omitempty"`
	To        string   `json:"to,omitempty"`
	Language  string   `json:"language,omitempty"`
	Format    string   `json:"format,omitempty"` // pcm16, pcmu, pcma
	Rate      int      `json:"rate,omitempty"`   // Hz
	Tracks    []string `json:"tracks,omitempty"`
	Direction string   `json:"direction,omitempty"`
	Hints     []string `json:"hints,omitempty"`     // words that a recogniser may expect
	Signature string   `json:"signature,omitempty"` // by TCP; by WebSocket it is a header

	Digits string `json:"digits,omitempty"` // of dtmf
	Name   string `json:"name,omitempty"`   // of mark
	// Cleared: the mark comes back because of a clear, its sound was not heard to the end.
	Cleared bool   `json:"cleared,omitempty"`
	Reason  string `json:"reason,omitempty"` // of our stop
	Result  string `json:"result,omitempty"` // of the peer's stop: a word for the flow
}

var errNoCommand = errors.New("stream: message of an unknown type; want mark, clear, dtmf or stop")

// ParseCommand reads a text message of the peer and bounds what it says.
func ParseCommand(b []byte) (m Message, err error) {
	if len(b) > MaxMessage {
		return m, fmt.Errorf("stream: message of %d bytes; at most %d", len(b), MaxMessage)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return Message{}, fmt.Errorf("stream: message is no JSON object: %w", err)
	}
	if len(m.Name) > maxText || len(m.Result) > maxText {
		return Message{}, fmt.Errorf("stream: name or result longer than %d bytes", maxText)
	}
	switch m.Type {
	case "clear":
		return Message{Type: m.Type}, nil
	case "mark":
		return Message{Type: m.Type, Name: m.Name}, nil
	case "stop":
		return Message{Type: m.Type, Result: printable(m.Result)}, nil
	case "dtmf":
		if len(m.Digits) > maxKeys || strings.Trim(m.Digits, "0123456789*#ABCD") != "" {
			return Message{}, fmt.Errorf("stream: dtmf takes up to %d of 0-9, *, #, A-D", maxKeys)
		}
		return Message{Type: m.Type, Digits: m.Digits}, nil
	}
	return Message{}, errNoCommand
}

// printable drops control characters: the word goes into a variable and the journal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == 0xFFFD {
			return -1
		}
		return r
	}, s)
}

// Packet types on TCP: type, length (16 bits, big-endian), payload. The first row is
// Asterisk's AudioSocket; ours has texts and frames in the same framing.
const (
	packetEnd    = 0x00
	packetUUID   = 0x01
	packetDTMF   = 0x03
	packetSlin   = 0x10 // 8 kHz
	packetSlin16 = 0x12
	packetError  = 0xFF

	packetText  = 0x4A // 'J'
	packetFrame = 0x42 // 'B'

	packetHeader = 3
)

// appendPacket puts a TCP packet behind dst; payload is at most 65535 bytes.
func appendPacket(dst []byte, kind byte, payload []byte) []byte {
	dst = append(dst, kind, byte(len(payload)>>8), byte(len(payload)))
	return append(dst, payload...)
}

// readPacket reads the next TCP packet into buf, which grows to 64 KiB at the most.
func readPacket(r io.Reader, buf []byte) (kind byte, payload []byte, err error) {
	var head [packetHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	payload = buf[:n]
	if _, err := io.ReadFull(r, payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return head[0], payload, nil
}
